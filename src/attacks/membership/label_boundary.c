/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Label-only membership inference by the distance to the decision boundary
 * (Choquette-Choo et al., ICML 2021, section 4.2; Li and Zhang, CCS 2021).
 *
 * Threat model: the attacker hears classes alone, asks as often as
 * `queries` about each record, and has a shadow model.
 *
 *   score     = L2 distance from the record to the nearest input of another
 *               class that HopSkipJump finds (hop_skip_jump.c), in units of
 *               the model's input; 0 where the class is wrong already
 *   threshold = the best one on the shadow model's own records
 *
 * Models are surer of their members, which then lie further inside.
 *
 * Only `records` members and as many non-members are attacked, drawn at
 * random, since each takes hundreds of questions.
 *
 * Deviations from the papers: a search starts from the nearest attacked
 * record that the model calls another class, not from noise; the box of
 * inputs is what the attacked records span, by channel.
 * Expected numbers: docs/attacks/membership.md.
 */

#include <math.h>
#include <string.h>

#include "assay/rng.h"
#include "attacks/membership/hop_skip_jump.h"
#include "attacks/membership/scores.h"
#include "core/mem.h"

enum { PARAM_RECORDS, PARAM_QUERIES, PARAM_FIRST };

static const struct assay_setting params[] = {
    {"records", 250, 1, 1e9, "members to attack, and non-members"},
    {"queries", 500, 1, 1e6, "questions per record, at most"},
    {"first", 40, 1, 1e6, "of them in the first estimate of a direction"},
    {NULL, 0, 0, 0, NULL}};

enum { BLOCK = 128 };

/* A model, the records it is asked about, and how far they lie inside. */
struct asked {
    const struct assay_attack_input *in;
    const assay_model *model;
    const struct assay_evidence *said[2]; /* members, non-members */
    const assay_view *view[2];
    uint32_t offset[2]; /* of the evidence's first row in the view */
    uint64_t stream;    /* of the draw */

    size_t n[2];
    size_t width;
    uint32_t *row;    /* [n[0] + n[1]] rows of the evidence */
    float *x;         /* [n[0] + n[1], width] */
    int32_t *heard;   /* [n[0] + n[1]] */
    int32_t *label;   /* [n[0] + n[1]] */
    double *distance; /* [n[0] + n[1]] */
    float *low;       /* [width] */
    float *high;      /* [width] */
};

static size_t total(const struct asked *a)
{
    return a->n[0] + a->n[1];
}

static int asked_alloc(struct asked *a, struct assay_error *err)
{
    const struct assay_preprocess *pre = assay_model_preprocess(a->model);

    for (int side = 0; side < 2; side++) {
        size_t wanted = (size_t)a->in->param[PARAM_RECORDS];

        a->n[side] = a->said[side]->n < wanted ? a->said[side]->n : wanted;
    }
    a->width = (size_t)pre->channels * (size_t)pre->height * (size_t)pre->width;
    a->row = assay__calloc(total(a), sizeof(*a->row));
    a->x = assay__calloc(total(a) * a->width, sizeof(*a->x));
    a->heard = assay__calloc(total(a), sizeof(*a->heard));
    a->label = assay__calloc(total(a), sizeof(*a->label));
    a->distance = assay__calloc(total(a), sizeof(*a->distance));
    a->low = assay__calloc(a->width, sizeof(*a->low));
    a->high = assay__calloc(a->width, sizeof(*a->high));
    if (a->row && a->x && a->heard && a->label && a->distance && a->low &&
        a->high)
        return ASSAY_OK;
    return assay_error_set(err, ASSAY_NOMEM, "label-boundary: %zu records",
                           total(a));
}

static void asked_release(struct asked *a)
{
    assay__free(a->row);
    assay__free(a->x);
    assay__free(a->heard);
    assay__free(a->label);
    assay__free(a->distance);
    assay__free(a->low);
    assay__free(a->high);
}

/* A random draw of one side's records, their pixels and classes. */
static int draw_side(struct asked *a, int side, struct assay_error *err)
{
    const struct assay_evidence *e = a->said[side];
    size_t first = side ? a->n[0] : 0;
    uint32_t *order = assay__calloc(e->n, sizeof(*order));
    struct assay_rng rng;

    if (!order)
        return assay_error_set(err, ASSAY_NOMEM, "label-boundary: %zu records",
                               e->n);
    for (size_t i = 0; i < e->n; i++)
        order[i] = (uint32_t)i;
    assay_rng_init(&rng, a->in->ctx->seed, "label-boundary",
                   2 * a->stream + (uint64_t)side);
    assay_rng_shuffle(&rng, order, e->n);
    for (size_t i = 0; i < a->n[side]; i++) {
        uint32_t at = order[i] + a->offset[side];

        a->row[first + i] = order[i];
        a->heard[first + i] = assay_evidence_class(e, order[i]);
        a->label[first + i] = e->label[order[i]];
        assay_view_fill(a->view[side], &at, 1, NULL, 0, 0,
                        a->x + (first + i) * a->width);
    }
    assay__free(order);
    return ASSAY_OK;
}

/* The box: what each channel of the drawn records spans. */
static void span(struct asked *a)
{
    int channels = assay_model_preprocess(a->model)->channels;
    size_t plane = a->width / (size_t)channels;

    for (size_t c = 0; c < a->width; c += plane) {
        float low = INFINITY;
        float high = -INFINITY;

        for (size_t i = 0; i < total(a); i++) {
            for (size_t p = c; p < c + plane; p++) {
                float x = a->x[i * a->width + p];

                low = x < low ? x : low;
                high = x > high ? x : high;
            }
        }
        for (size_t p = c; p < c + plane; p++) {
            a->low[p] = low;
            a->high[p] = high;
        }
    }
}

static double squares(const float *a, const float *b, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++) {
        double d = (double)a[i] - (double)b[i];

        sum += d * d;
    }
    return sum;
}

/* The nearest drawn record that the model calls another class; NULL when it
 * calls all alike. */
static const float *nearest(const struct asked *a, size_t of)
{
    const float *x = a->x + of * a->width;
    const float *best = NULL;
    double least = (double)INFINITY;

    for (size_t i = 0; i < total(a); i++) {
        double d;

        if (a->heard[i] == a->label[of])
            continue;
        d = squares(x, a->x + i * a->width, a->width);
        if (d < least) {
            least = d;
            best = a->x + i * a->width;
        }
    }
    return best;
}

/* The model behind the oracle: classes alone pass. */
struct door {
    assay_predictor *predictor;
    float *logits; /* [BLOCK, K] */
    int n_classes;
};

static int ask(void *self, const float *x, size_t n, int32_t *heard,
               struct assay_error *err)
{
    struct door *d = self;
    size_t k = (size_t)d->n_classes;
    int rc = assay_predictor_run(d->predictor, x, n, d->logits, NULL, err);

    for (size_t i = 0; i < n && !rc; i++) {
        const float *row = d->logits + i * k;

        heard[i] = 0;
        for (int32_t c = 1; c < d->n_classes; c++)
            if (row[c] > row[heard[i]])
                heard[i] = c;
    }
    return rc;
}

/* Records that are measured side by side. */
struct block {
    size_t n;
    size_t who[BLOCK]; /* among the drawn */
    int32_t label[BLOCK];
    uint64_t stream[BLOCK];
    double distance[BLOCK];
    float *x;     /* [BLOCK, width] */
    float *start; /* [BLOCK, width] */
};

static int block_run(struct block *b, struct asked *a,
                     const struct assay__oracle *oracle,
                     struct assay_error *err)
{
    struct assay__jumps j = {.ctx = a->in->ctx,
                             .width = a->width,
                             .low = a->low,
                             .high = a->high,
                             .queries = (size_t)a->in->param[PARAM_QUERIES],
                             .first = (size_t)a->in->param[PARAM_FIRST]};
    struct assay__jump_rows rows = {.n = b->n,
                                    .x = b->x,
                                    .start = b->start,
                                    .label = b->label,
                                    .stream = b->stream,
                                    .distance = b->distance};
    int rc = assay__hop_skip_jump(&j, oracle, &rows, err);

    for (size_t i = 0; i < b->n && !rc; i++)
        a->distance[b->who[i]] = b->distance[i];
    b->n = 0;
    return rc;
}

/* OK, or _NOTHING when there is nowhere to start from. */
static int block_add(struct block *b, const struct asked *a, size_t i,
                     struct assay_error *err)
{
    const float *start = nearest(a, i);
    size_t side = i >= a->n[0];

    if (!start)
        return assay_error_set(err, ASSAY_NOTHING,
                               "label-boundary: the model calls all %zu "
                               "records class %d",
                               total(a), a->label[i]);
    memcpy(b->x + b->n * a->width, a->x + i * a->width,
           a->width * sizeof(float));
    memcpy(b->start + b->n * a->width, start, a->width * sizeof(float));
    b->who[b->n] = i;
    b->label[b->n] = a->label[i];
    b->stream[b->n] = a->said[side]->record[a->row[i]];
    b->n++;
    return ASSAY_OK;
}

static void report(const struct asked *a, size_t done)
{
    struct assay_progress step = {"label-boundary", "records", NULL, done,
                                  total(a)};

    assay_progress(a->in->ctx, &step);
}

static int measure_blocks(struct asked *a, struct block *b,
                          const struct assay__oracle *oracle,
                          struct assay_error *err)
{
    int rc = ASSAY_OK;

    for (size_t i = 0; i < total(a) && !rc; i++) {
        if (a->heard[i] == a->label[i])
            rc = block_add(b, a, i, err);
        if (!rc && b->n == BLOCK) {
            rc = block_run(b, a, oracle, err);
            report(a, i + 1);
        }
    }
    if (!rc && b->n > 0)
        rc = block_run(b, a, oracle, err);
    if (!rc)
        report(a, total(a));
    return rc;
}

/* Distances of all drawn records; those of wrong class keep 0. */
static int measure(struct asked *a, struct assay_error *err)
{
    const struct assay_compute *compute = a->in->compute;
    int threads = compute->threads ? compute->threads : a->in->ctx->threads;
    struct door door = {.n_classes = assay_model_n_classes(a->model)};
    struct assay__oracle oracle = {&door, ask, BLOCK};
    struct block *b = assay__calloc(1, sizeof(*b));
    int rc = ASSAY_OK;

    door.logits =
        assay__calloc(BLOCK * (size_t)door.n_classes, sizeof(*door.logits));
    if (b) {
        b->x = assay__calloc(BLOCK * a->width, sizeof(float));
        b->start = assay__calloc(BLOCK * a->width, sizeof(float));
    }
    if (!b || !b->x || !b->start || !door.logits)
        rc = assay_error_set(err, ASSAY_NOMEM, "label-boundary: out of memory");
    if (!rc)
        rc = assay_predictor_new(&door.predictor, a->model, compute, threads,
                                 err);
    if (!rc)
        rc = measure_blocks(a, b, &oracle, err);
    assay_predictor_free(door.predictor);
    assay__free(door.logits);
    if (b) {
        assay__free(b->x);
        assay__free(b->start);
    }
    assay__free(b);
    return rc;
}

static int asked_run(struct asked *a, struct assay_error *err)
{
    int rc = asked_alloc(a, err);

    for (int side = 0; side < 2 && !rc; side++)
        rc = draw_side(a, side, err);
    if (rc)
        return rc;
    span(a);
    return measure(a, err);
}

/* The best threshold for the shadow model's own records. */
static int calibrate(const struct assay_attack_input *in, double *threshold,
                     struct assay_error *err)
{
    struct asked a = {.in = in,
                      .model = in->world->shadow,
                      .said = {in->shadow_members, in->shadow_nonmembers},
                      .view = {in->world->auxiliary, in->world->auxiliary},
                      .offset = {0, (uint32_t)in->shadow_members->n},
                      .stream = 1};
    uint8_t *member = NULL;
    int rc = asked_run(&a, err);

    if (!rc) {
        member = assay__calloc(total(&a), 1);
        if (!member)
            rc = assay_error_set(err, ASSAY_NOMEM, "label-boundary");
    }
    if (!rc) {
        memset(member, 1, a.n[0]);
        rc =
            assay__fit_threshold(a.distance, member, total(&a), threshold, err);
    }
    assay__free(member);
    asked_release(&a);
    return rc;
}

static int run(const struct assay_attack_input *in,
               struct assay_membership_scores *out, struct assay_error *err)
{
    struct asked a = {.in = in,
                      .model = in->world->target,
                      .said = {in->members, in->nonmembers},
                      .view = {in->world->members, in->world->nonmembers}};
    double threshold = 0;
    int rc = calibrate(in, &threshold, err);

    if (!rc)
        rc = asked_run(&a, err);
    if (!rc)
        rc = assay__scores_make(out, total(&a), err);
    for (size_t i = 0; !rc && i < out->n; i++) {
        int is_member = i < a.n[0];

        out->score[i] = a.distance[i];
        out->member[i] = (uint8_t)is_member;
        out->row[i] = a.row[i] + (is_member ? 0 : (uint32_t)in->members->n);
    }
    out->threshold = threshold;
    asked_release(&a);
    return rc;
}

/* A question is a third of a training step. */
static double work(const struct assay_attack_sizes *s, const double *param)
{
    double n = fmin((double)s->n_members, param[PARAM_RECORDS]);

    return .35 * 4 * n * param[PARAM_QUERIES];
}

const struct assay_attack assay_attack_label_boundary = {
    .name = "label-boundary",
    .title = "Label-only, boundary",
    .summary = "how far a record lies from where the class changes, by asking "
               "for classes alone",
    .cites = "Choquette-Choo et al., ICML 2021; Li and Zhang, CCS 2021; Chen "
             "et al., S&P 2020",
    .goal = ASSAY_GOAL_MEMBERSHIP,
    .access = ASSAY_ACCESS_LABEL_ONLY,
    .auxiliary = ASSAY_AUX_SHADOW,
    .needs = ASSAY_NEED_MODEL | ASSAY_NEED_SHADOW,
    .params = params,
    .work = work,
    .membership = run};
