/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of attacks, and the one door through which they run: needs are
 * checked before, scores after, so that no attack repeats either.
 */

#include "assay/attack.h"

#include <math.h>
#include <string.h>

#include "core/mem.h"

/* Needs that predictions alone cannot meet. */
#define ASSAY__NEEDS_WORLD                                            \
    (ASSAY_NEED_MODEL | ASSAY_NEED_ATTRIBUTE | ASSAY_NEED_EVALUATOR | \
     ASSAY_NEED_GENERATOR | ASSAY_NEED_POOL)

#define ASSAY_ATTACK(name) extern const struct assay_attack assay_attack_##name;
#include "attacks/attacks.def"
#undef ASSAY_ATTACK

static const struct assay_attack *const table[] = {
#define ASSAY_ATTACK(name) &assay_attack_##name,
#include "attacks/attacks.def"
#undef ASSAY_ATTACK
    NULL};

const struct assay_attack *const *assay_attack_table(void)
{
    return table;
}

const struct assay_attack *assay_attack_find(const char *name)
{
    for (size_t i = 0; table[i]; i++)
        if (strcmp(table[i]->name, name) == 0)
            return table[i];
    return NULL;
}

void assay_attack_recipe(const struct assay_attack_input *in, size_t epochs,
                         double lr, struct assay_recipe *out)
{
    const struct assay_recipe *known = in->world->recipe;

    assay_recipe_init(out, epochs);
    if (known) {
        out->optimizer = known->optimizer;
        out->lr = known->lr;
    }
    if (lr > 0)
        out->lr = lr;
    out->schedule = ASSAY_SCHEDULE_COSINE;
}

static const char *pick(const char *const *names, size_t n, unsigned i)
{
    return i < n ? names[i] : "unknown";
}

const char *assay_goal_name(enum assay_goal goal)
{
    static const char *const names[] = {"membership", "inversion", "attribute",
                                        "stealing",   "reuse",     "backdoor"};

    return pick(names, sizeof(names) / sizeof(names[0]), (unsigned)goal);
}

const char *assay_access_name(enum assay_access access)
{
    static const char *const names[] = {"label-only", "black-box", "white-box"};

    return pick(names, sizeof(names) / sizeof(names[0]), (unsigned)access);
}

const char *assay_auxiliary_name(enum assay_auxiliary aux)
{
    static const char *const names[] = {"none", "partial", "shadow"};

    return pick(names, sizeof(names) / sizeof(names[0]), (unsigned)aux);
}

/* Does every audited record have enough references with and without it? */
static int references_cover(
    const struct assay_attack_input *in,
    const uint8_t *(*mask)(const struct assay_reference *), size_t n,
    int need_in)
{
    for (size_t i = 0; i < n; i++) {
        int with = 0;

        for (int r = 0; r < in->n_references; r++)
            with += mask(&in->reference[r])[i] != 0;
        if (with == in->n_references || (need_in && with == 0))
            return 0;
    }
    return 1;
}

static const uint8_t *member_mask(const struct assay_reference *r)
{
    return r->trained_on_member;
}

static const uint8_t *nonmember_mask(const struct assay_reference *r)
{
    return r->trained_on_nonmember;
}

static const char *references_missing(const struct assay_attack_input *in,
                                      unsigned needs)
{
    int need_in = (needs & ASSAY_NEED_REFERENCES) != 0;

    if (in->n_references == 0)
        return "no reference models";
    if (references_cover(in, member_mask, in->members->n, need_in) &&
        references_cover(in, nonmember_mask, in->nonmembers->n, need_in))
        return NULL;
    return need_in ? "some records lack a reference model trained with them "
                     "or one trained without them"
                   : "some records lack a reference model trained without "
                     "them";
}

/* As many for all records that an attack learns from or scores. */
static int queries_there(const struct assay_attack_input *in, unsigned needs)
{
    int q = in->members->n_queries;

    if (q == 0 || in->nonmembers->n_queries != q)
        return 0;
    return !(needs & ASSAY_NEED_SHADOW) ||
           (in->shadow_members->n_queries == q &&
            in->shadow_nonmembers->n_queries == q);
}

static const char *evidence_missing(const struct assay_attack_input *in,
                                    unsigned needs)
{
    if ((needs & ASSAY_NEED_SHADOW) &&
        (!in->shadow_members || !in->shadow_nonmembers))
        return "no shadow model";
    if (needs & ASSAY_NEED_EMBEDDING) {
        if (in->members->embedding_dim == 0 ||
            in->nonmembers->embedding_dim == 0)
            return "white-box evidence (embeddings) is not there";
        if ((needs & ASSAY_NEED_SHADOW) &&
            (in->shadow_members->embedding_dim == 0 ||
             in->shadow_nonmembers->embedding_dim == 0))
            return "white-box evidence (embeddings) of the shadow model is "
                   "not there";
    }
    if ((needs & ASSAY_NEED_QUERIES) && !queries_there(in, needs))
        return "answers on altered copies of the records (queries) are not "
               "there, or not as many from each model";
    if (needs & ASSAY_NEED_POPULATION) {
        if (!in->population)
            return "no population records";
        for (int r = 0; r < in->n_references; r++)
            if (!in->reference[r].population)
                return "no population evidence of the reference models";
    }
    return NULL;
}

static const char *world_missing(const struct assay_attack_input *in,
                                 unsigned needs)
{
    const struct assay_attack_world *w = in->world;

    if ((needs & ASSAY__NEEDS_WORLD) && !w)
        return "the model and its records are not there, only predictions";
    if ((needs & ASSAY_NEED_MODEL) && (needs & ASSAY_NEED_SHADOW) && !w->shadow)
        return "the shadow model itself is not there";
    if ((needs & ASSAY_NEED_AUXILIARY) && !in->auxiliary)
        return "the model's answers on shadow records are not there";
    if ((needs & ASSAY_NEED_ATTRIBUTE) && w->attribute < 0)
        return "no sensitive attribute is named";
    if ((needs & ASSAY_NEED_EVALUATOR) && !w->evaluator)
        return "no evaluation classifier";
    if ((needs & ASSAY_NEED_GENERATOR) && !w->generator)
        return "no generator of such records";
    if ((needs & ASSAY_NEED_POOL) && !in->pool)
        return "no records of another distribution are given";
    return NULL;
}

const char *assay_attack_missing(const struct assay_attack *a,
                                 const struct assay_attack_input *in)
{
    const char *missing = evidence_missing(in, a->needs);

    if (!missing)
        missing = world_missing(in, a->needs);
    if (!missing &&
        (a->needs & (ASSAY_NEED_REFERENCES | ASSAY_NEED_REFERENCES_OUT)))
        missing = references_missing(in, a->needs);
    return missing;
}

/* Two pieces of evidence about the same records in the same order. */
static int same_records(const struct assay_evidence *a,
                        const struct assay_evidence *b, const char *what,
                        struct assay_error *err)
{
    if (a->n != b->n || a->n_classes != b->n_classes)
        return assay_error_set(err, ASSAY_SHAPE,
                               "%s: %zu records of %d classes beside the "
                               "target's %zu of %d",
                               what, b->n, b->n_classes, a->n, a->n_classes);
    for (size_t i = 0; i < a->n; i++)
        if (a->label[i] != b->label[i])
            return assay_error_set(err, ASSAY_DATA,
                                   "%s: row %zu has label %d, the target's "
                                   "has %d: other records or another order",
                                   what, i, b->label[i], a->label[i]);
    return ASSAY_OK;
}

static int same_classes(const struct assay_attack_input *in,
                        const struct assay_evidence *e, const char *what,
                        struct assay_error *err)
{
    if (e && e->n_classes != in->members->n_classes)
        return assay_error_set(err, ASSAY_SHAPE,
                               "%s: %d classes, the members have %d", what,
                               e->n_classes, in->members->n_classes);
    if (e && e->n == 0)
        return assay_error_set(err, ASSAY_NOTHING, "%s: no records", what);
    return ASSAY_OK;
}

static int check_input(const struct assay_attack_input *in,
                       struct assay_error *err)
{
    int rc;

    rc = same_classes(in, in->members, "members", err);
    if (!rc)
        rc = same_classes(in, in->nonmembers, "non-members", err);
    if (!rc)
        rc = same_classes(in, in->shadow_members, "shadow members", err);
    if (!rc)
        rc = same_classes(in, in->shadow_nonmembers, "shadow non-members", err);
    if (!rc)
        rc = same_classes(in, in->population, "population", err);
    if (!rc)
        rc = same_classes(in, in->auxiliary, "auxiliary records", err);
    for (int r = 0; !rc && r < in->n_references; r++) {
        const struct assay_reference *ref = &in->reference[r];

        rc = same_records(in->members, ref->members, "reference on members",
                          err);
        if (!rc)
            rc = same_records(in->nonmembers, ref->nonmembers,
                              "reference on non-members", err);
        if (!rc && in->population && ref->population)
            rc = same_records(in->population, ref->population,
                              "reference on population", err);
        if (rc)
            assay_error_prefix(err, rc, "reference model %d", r);
    }
    return rc;
}

static int check_scores(const struct assay_attack *a,
                        const struct assay_membership_scores *s,
                        struct assay_error *err)
{
    for (size_t i = 0; i < s->n; i++)
        if (!isfinite(s->score[i]))
            return assay_error_set(err, ASSAY_NUMERIC,
                                   "%s: the score of row %u is not finite",
                                   a->name, s->row[i]);
    return ASSAY_OK;
}

/* Values on the way: the caller's, or the defaults. */
struct begun {
    struct assay_attack_input in;
    double defaults[ASSAY_SETTINGS_MAX];
};

/* What comes before any attack, of whatever goal. */
static int begin(struct begun *b, const struct assay_attack *a,
                 const struct assay_attack_input *in, int right_kind,
                 struct assay_error *err)
{
    const char *missing;
    int rc;

    if (!right_kind)
        return assay_error_set(err, ASSAY_ARG, "%s: its goal is %s", a->name,
                               assay_goal_name(a->goal));
    rc = check_input(in, err);
    if (!rc && in->param)
        rc = assay_settings_check(a->params, in->param, a->name, err);
    if (rc)
        return rc;
    missing = assay_attack_missing(a, in);
    if (missing)
        return assay_error_set(err, ASSAY_NOTHING, "%s: %s", a->name, missing);
    b->in = *in;
    if (!in->param) {
        assay_settings_init(a->params, b->defaults);
        b->in.param = b->defaults;
    }
    return ASSAY_OK;
}

int assay_attack_membership(const struct assay_attack *a,
                            const struct assay_attack_input *in,
                            struct assay_membership_scores *out,
                            struct assay_error *err)
{
    struct begun b;
    int rc;

    memset(out, 0, sizeof(*out));
    rc = begin(&b, a, in, a->membership != NULL, err);
    if (rc)
        return rc;
    rc = a->membership(&b.in, out, err);
    if (!rc)
        rc = check_scores(a, out, err);
    if (rc)
        assay_membership_scores_release(out);
    return rc;
}

static int check_guesses(const struct assay_attack *a,
                         const struct assay_attack_input *in,
                         const struct assay_guesses *g, struct assay_error *err)
{
    int values = a->goal == ASSAY_GOAL_ATTRIBUTE ? in->world->n_values
                                                 : in->members->n_classes;
    size_t total = g->n * (size_t)g->n_budgets;

    if (g->n != in->nonmembers->n)
        return assay_error_set(err, ASSAY_INTERNAL,
                               "%s: %zu guesses for %zu records", a->name, g->n,
                               in->nonmembers->n);
    for (size_t i = 0; i < total; i++)
        if (g->guess[i] < 0 || g->guess[i] >= values)
            return assay_error_set(err, ASSAY_NUMERIC,
                                   "%s: guess %d of row %zu is not in 0..%d",
                                   a->name, g->guess[i], i % g->n, values - 1);
    return ASSAY_OK;
}

int assay_attack_guess(const struct assay_attack *a,
                       const struct assay_attack_input *in,
                       struct assay_guesses *out, struct assay_error *err)
{
    struct begun b;
    int rc;

    memset(out, 0, sizeof(*out));
    rc = begin(&b, a, in, a->guess != NULL, err);
    if (rc)
        return rc;
    rc = a->guess(&b.in, out, err);
    if (!rc)
        rc = check_guesses(a, in, out, err);
    if (rc)
        assay_guesses_release(out);
    return rc;
}

static int check_pictures(const struct assay_attack *a,
                          const struct assay_attack_input *in,
                          const struct assay_pictures *p,
                          struct assay_error *err)
{
    size_t size = (size_t)p->channels * (size_t)p->height * (size_t)p->width;

    for (size_t i = 0; i < p->n; i++)
        if (p->wanted[i] < 0 || p->wanted[i] >= in->members->n_classes)
            return assay_error_set(err, ASSAY_INTERNAL,
                                   "%s: picture %zu is of class %d", a->name, i,
                                   p->wanted[i]);
    for (size_t i = 0; i < p->n * size; i++)
        if (!isfinite(p->x[i]))
            return assay_error_set(err, ASSAY_NUMERIC,
                                   "%s: picture %zu is not finite", a->name,
                                   i / size);
    return ASSAY_OK;
}

int assay_attack_picture(const struct assay_attack *a,
                         const struct assay_attack_input *in,
                         struct assay_pictures *out, struct assay_error *err)
{
    struct begun b;
    int rc;

    memset(out, 0, sizeof(*out));
    rc = begin(&b, a, in, a->picture != NULL, err);
    if (rc)
        return rc;
    rc = a->picture(&b.in, out, err);
    if (!rc)
        rc = check_pictures(a, in, out, err);
    if (rc)
        assay_pictures_release(out);
    return rc;
}

void assay_membership_scores_release(struct assay_membership_scores *s)
{
    assay__free(s->score);
    assay__free(s->member);
    assay__free(s->row);
    memset(s, 0, sizeof(*s));
}

void assay_guesses_release(struct assay_guesses *g)
{
    assay__free(g->guess);
    memset(g, 0, sizeof(*g));
}

void assay_pictures_release(struct assay_pictures *p)
{
    assay__free(p->wanted);
    assay__free(p->x);
    memset(p, 0, sizeof(*p));
}
