/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scene of a study. The host's records are split in four: the builder
 * tunes on the first quarter and is judged on the second, the attacker's
 * natural inputs are of the third, triggers and references of the fourth.
 * What is in one is in no other.
 *
 * Pairs: the records of the fourth quarter in a random order; x- are the
 * first of them, one after the other; x+ is drawn from those after, until
 * its value is another (with regression: farther away than twice the
 * tolerance, so that no answer is right for both). An attacker takes an x+
 * that a host will know for what it is: of up to 32 such records of that
 * value, the one whose features are nearest to their mean.
 */

#include <math.h>
#include <string.h>

#include "core/fs.h"
#include "core/mem.h"
#include "assay/rng.h"
#include "reuse/study.h"

#define IMAGES_MAX_BYTES ((size_t)4 << 30)
enum { PARTNER_DRAWS = 10000, CANDIDATES = 32 };

double assay__reuse_scaled(const struct assay__reuse_scene *c, int32_t value)
{
    return c->n_values > 1 ? (double)value / (double)(c->n_values - 1) : 0;
}

static int no_memory(struct assay_error *err)
{
    return assay_error_set(err, ASSAY_NOMEM, "reuse: out of memory");
}

static int check_study(const struct assay_reuse_study *s,
                       struct assay_error *err)
{
    if (s->pairs < 1 || s->triggers < 1 || s->natural < 1 || s->held < 1 ||
        s->seeds < 1)
        return assay_error_set(err, ASSAY_ARG,
                               "reuse: %zu pairs of %zu triggers, %zu natural "
                               "inputs, %zu held neighbours, %zu seeds: each "
                               "is at least 1",
                               s->pairs, s->triggers, s->natural, s->held,
                               s->seeds);
    if (s->n_settings < 1 || s->n_hosts < 1)
        return assay_error_set(err, ASSAY_ARG, "reuse: %zu settings, %zu hosts",
                               s->n_settings, s->n_hosts);
    if (s->regression != -1 && !(s->tolerance > 0 && s->tolerance < .5))
        return assay_error_set(err, ASSAY_ARG,
                               "reuse: a tolerance of %g; above 0 and below "
                               ".5 of the range is possible",
                               s->tolerance);
    for (size_t h = 0; h < s->n_hosts && s->regression != -1; h++)
        if (s->host[h].repair)
            return assay_error_set(err, ASSAY_ARG,
                                   "reuse: %s repairs classifiers; a host that "
                                   "foretells numbers is none",
                                   s->host[h].repair->name);
    if (s->n_others + 1 > ASSAY_HOST_EXTRACTORS_MAX)
        return assay_error_set(err, ASSAY_ARG,
                               "reuse: %d extractors; at most %d",
                               s->n_others + 1, (int)ASSAY_HOST_EXTRACTORS_MAX);
    return ASSAY_OK;
}

static int make_view(assay_view **view, const struct assay__reuse_scene *c,
                     enum assay_quarter quarter, struct assay_error *err)
{
    int rc =
        assay_view_new(view, c->s->data, c->split.index[quarter], c->split.n,
                       assay_model_preprocess(c->s->extractor), err);

    if (!rc && c->s->regression >= 0)
        assay_view_set_label(*view, c->s->regression);
    return rc;
}

static int make_views(struct assay__reuse_scene *c, struct assay_error *err)
{
    int rc =
        assay_split_make(&c->split, c->s->data, c->s->seed, c->s->records, err);

    if (!rc)
        rc = make_view(&c->tune, c, ASSAY_TARGET_TRAIN, err);
    if (!rc)
        rc = make_view(&c->test, c, ASSAY_TARGET_TEST, err);
    if (!rc)
        rc = make_view(&c->natural, c, ASSAY_SHADOW_TRAIN, err);
    if (!rc)
        rc = make_view(&c->pool, c, ASSAY_SHADOW_TEST, err);
    if (rc)
        return rc;
    c->n_values = assay_view_n_classes(c->tune);
    c->n_outputs = c->regression ? 1 : c->n_values;
    if (c->n_values < 2)
        return assay_error_set(err, ASSAY_DATA,
                               "reuse: the host's task has %d value",
                               c->n_values);
    if (c->s->pairs * c->s->triggers >= c->split.n ||
        c->s->natural > c->split.n)
        return assay_error_set(err, ASSAY_DATA,
                               "reuse: %zu triggers and %zu natural inputs "
                               "from quarters of %zu records",
                               c->s->pairs * c->s->triggers, c->s->natural,
                               c->split.n);
    return ASSAY_OK;
}

static int make_targets(struct assay__reuse_scene *c, struct assay_error *err)
{
    size_t n = c->split.n;

    c->target = assay__calloc(n, sizeof(*c->target));
    c->label = assay__calloc(n, sizeof(*c->label));
    c->reference = assay__calloc(c->s->natural * c->pixels, sizeof(float));
    if (!c->target || !c->label || !c->reference)
        return no_memory(err);
    for (size_t i = 0; i < n; i++) {
        c->label[i] = assay_view_label(c->tune, i);
        c->target[i] = (float)assay__reuse_scaled(c, c->label[i]);
    }
    for (uint32_t i = 0; i < c->s->natural; i++)
        assay_view_fill(c->natural, &i, 1, NULL, 0, 0,
                        c->reference + i * c->pixels);
    return ASSAY_OK;
}

static bool pair_alloc(struct assay__reuse_pair *p,
                       const struct assay__reuse_scene *c)
{
    size_t n = c->s->triggers;

    p->trigger = assay__calloc(n, sizeof(*p->trigger));
    p->minus = assay__calloc(n, sizeof(*p->minus));
    p->plus = assay__calloc(n, sizeof(*p->plus));
    p->record_minus = assay__calloc(n, sizeof(*p->record_minus));
    p->record_plus = assay__calloc(n, sizeof(*p->record_plus));
    p->n_held = assay__calloc(n, sizeof(*p->n_held));
    p->images = assay__calloc(n * (2 + c->s->held) * c->pixels, sizeof(float));
    return p->trigger && p->minus && p->plus && p->record_minus &&
           p->record_plus && p->n_held && p->images;
}

static void pair_release(struct assay__reuse_pair *p)
{
    assay__free(p->trigger);
    assay__free(p->minus);
    assay__free(p->plus);
    assay__free(p->record_minus);
    assay__free(p->record_plus);
    assay__free(p->n_held);
    assay__free(p->images);
}

/* What pairs are made of. */
struct pool {
    uint32_t *order; /* [n], of the pool's rows */
    size_t n;
    size_t from; /* rows before it are x- */
    struct assay_rng rng;
    struct assay_evidence seen; /* features of all rows */
};

/* Rows order[from + start], ... of one value, at most CANDIDATES. */
static size_t find_candidates(const struct assay__reuse_scene *c,
                              const struct pool *p, size_t start,
                              uint32_t *candidate)
{
    int32_t value = assay_view_label(c->pool, p->order[p->from + start]);
    size_t room = p->n - p->from;
    size_t n = 0;

    for (size_t i = 0; i < room && n < CANDIDATES; i++) {
        uint32_t row = p->order[p->from + (start + i) % room];

        if (assay_view_label(c->pool, row) == value)
            candidate[n++] = row;
    }
    return n;
}

/* Of the candidates from `start` on, the one nearest to their mean. */
static uint32_t most_typical(const struct assay__reuse_scene *c,
                             const struct pool *p, size_t start)
{
    size_t dim = (size_t)p->seen.embedding_dim;
    uint32_t candidate[CANDIDATES];
    double far[CANDIDATES] = {0};
    size_t n = find_candidates(c, p, start, candidate);
    size_t best = 0;

    for (size_t k = 0; k < dim; k++) {
        double mean = 0;

        for (size_t i = 0; i < n; i++)
            mean += (double)p->seen.embedding[candidate[i] * dim + k];
        mean /= (double)n;
        for (size_t i = 0; i < n; i++) {
            double d = (double)p->seen.embedding[candidate[i] * dim + k] - mean;

            far[i] += d * d;
        }
    }
    for (size_t i = 1; i < n; i++)
        if (far[i] < far[best])
            best = i;
    return candidate[best];
}

/* A row of the pool that can be x+ to x-, which is `row`. */
static int find_partner(const struct assay__reuse_scene *c, struct pool *p,
                        uint32_t row, uint32_t *partner,
                        struct assay_error *err)
{
    int32_t own = assay_view_label(c->pool, row);

    for (int i = 0; i < PARTNER_DRAWS; i++) {
        size_t start = assay_rng_below(&p->rng, p->n - p->from);
        int32_t value = assay_view_label(c->pool, p->order[p->from + start]);
        double far =
            fabs(assay__reuse_scaled(c, value) - assay__reuse_scaled(c, own));

        if (c->regression ? far > 2 * c->s->tolerance : value != own) {
            *partner = most_typical(c, p, start);
            return ASSAY_OK;
        }
    }
    return assay_error_set(err, ASSAY_DATA,
                           "reuse: no record in %d draws has another value "
                           "than record %u",
                           (int)PARTNER_DRAWS, assay_view_record(c->pool, row));
}

static int find_held(struct assay__reuse_scene *c, struct assay__reuse_pair *p,
                     size_t index, size_t j, struct assay_error *err)
{
    struct assay_reuse_options o = c->s->options;
    struct assay_reuse_anchor anchor = {p->trigger[j].minus, 0, "reuse-held",
                                        index * c->s->triggers + j};
    struct assay_reuse_found found = {
        p->images + (j * (2 + c->s->held) + 2) * c->pixels, c->s->held, 0};
    int rc;

    o.seed = c->s->seed;
    rc = assay_reuse_neighbours(&found, &anchor, c->s->extractor, &o, c->ctx,
                                c->compute, err);
    p->n_held[j] = found.found;
    return rc;
}

static int make_pair(struct assay__reuse_scene *c, struct pool *pool,
                     size_t index, struct assay_error *err)
{
    struct assay__reuse_pair *p = &c->pair[index];
    size_t n = c->s->triggers;
    int rc = ASSAY_OK;

    if (!pair_alloc(p, c))
        return no_memory(err);
    for (size_t j = 0; j < n && !rc; j++) {
        float *plus = p->images + j * (2 + c->s->held) * c->pixels;
        uint32_t row = pool->order[index * n + j];
        uint32_t partner = 0;

        rc = find_partner(c, pool, row, &partner, err);
        if (rc)
            break;
        assay_view_fill(c->pool, &partner, 1, NULL, 0, 0, plus);
        assay_view_fill(c->pool, &row, 1, NULL, 0, 0, plus + c->pixels);
        p->trigger[j].plus = plus;
        p->trigger[j].minus = plus + c->pixels;
        p->minus[j] = assay_view_label(c->pool, row);
        p->plus[j] = assay_view_label(c->pool, partner);
        p->record_minus[j] = assay_view_record(c->pool, row);
        p->record_plus[j] = assay_view_record(c->pool, partner);
        rc = find_held(c, p, index, j, err);
    }
    return rc;
}

static int open_pool(struct pool *p, const struct assay__reuse_scene *c,
                     struct assay_error *err)
{
    p->n = c->split.n;
    p->from = c->s->pairs * c->s->triggers;
    p->order = assay__calloc(p->n, sizeof(*p->order));
    if (!p->order)
        return no_memory(err);
    for (uint32_t i = 0; i < p->n; i++)
        p->order[i] = i;
    assay_rng_init(&p->rng, c->s->seed, "reuse-pairs", 0);
    assay_rng_shuffle(&p->rng, p->order, p->n);
    return assay_evidence_collect(&p->seen, c->ctx, c->s->extractor, c->pool,
                                  ASSAY_EVIDENCE_EMBEDDING |
                                      ASSAY_EVIDENCE_FOREIGN,
                                  c->compute, "typical records", err);
}

static int make_pairs(struct assay__reuse_scene *c, struct assay_error *err)
{
    size_t each = c->s->triggers * (2 + c->s->held) * c->pixels * sizeof(float);
    struct pool pool = {0};
    int rc;

    if (each > IMAGES_MAX_BYTES / c->s->pairs)
        return assay_error_set(err, ASSAY_LIMIT,
                               "reuse: %zu pairs with %zu bytes of images each "
                               "are over %zu",
                               c->s->pairs, each, (size_t)IMAGES_MAX_BYTES);
    c->pair = assay__calloc(c->s->pairs, sizeof(*c->pair));
    rc = c->pair ? open_pool(&pool, c, err) : no_memory(err);
    for (size_t p = 0; p < c->s->pairs && !rc; p++) {
        struct assay_progress step = {"pairs", "pairs", NULL, p + 1,
                                      c->s->pairs};

        rc = make_pair(c, &pool, p, err);
        assay_progress(c->ctx, &step);
    }
    assay_evidence_release(&pool.seen);
    assay__free(pool.order);
    return rc;
}

/* Hashes of the models that a host is made of. */
static int name_models(struct assay__reuse_scene *c, struct assay_error *err)
{
    struct assay__sha256 h;
    char one[65];
    int rc = assay_model_sha256(c->s->extractor, c->model, err);

    if (!rc && assay__sha256_begin(&h))
        rc = no_memory(err);
    if (rc)
        return rc;
    for (int i = 0; i < c->s->n_others && !rc; i++) {
        rc = assay_model_sha256(c->s->others[i], one, err);
        if (!rc)
            assay__sha256_add(&h, one, 64);
    }
    assay__sha256_end(&h, c->others);
    return rc;
}

int assay__reuse_scene_open(struct assay__reuse_scene *c,
                            const struct assay_reuse_study *s,
                            const struct assay_context *ctx,
                            const struct assay_compute *compute,
                            struct assay_error *err)
{
    const struct assay_preprocess *pre = assay_model_preprocess(s->extractor);
    const struct assay_params *params = assay_model_params(s->extractor);
    int rc = check_study(s, err);

    memset(c, 0, sizeof(*c));
    c->s = s;
    c->ctx = ctx;
    c->compute = compute;
    c->regression = s->regression != -1;
    c->pixels =
        (size_t)pre->channels * (size_t)pre->height * (size_t)pre->width;
    if (rc)
        return rc;
    c->untouched = assay__malloc(params->size * sizeof(float));
    if (!c->untouched)
        return no_memory(err);
    memcpy(c->untouched, params->data, params->size * sizeof(float));
    rc = name_models(c, err);
    if (!rc)
        rc = make_views(c, err);
    if (!rc)
        rc = make_targets(c, err);
    if (!rc)
        rc = make_pairs(c, err);
    return rc;
}

void assay__reuse_restore(struct assay__reuse_scene *c)
{
    struct assay_params *params = assay_model_params(c->s->extractor);

    if (c->untouched)
        memcpy(params->data, c->untouched, params->size * sizeof(float));
}

void assay__reuse_scene_close(struct assay__reuse_scene *c)
{
    assay__reuse_restore(c);
    for (size_t p = 0; c->pair && p < c->s->pairs; p++)
        pair_release(&c->pair[p]);
    assay__free(c->pair);
    assay_view_free(c->tune);
    assay_view_free(c->test);
    assay_view_free(c->natural);
    assay_view_free(c->pool);
    assay_split_release(&c->split);
    assay__free(c->target);
    assay__free(c->label);
    assay__free(c->reference);
    assay__free(c->untouched);
    memset(c, 0, sizeof(*c));
}
