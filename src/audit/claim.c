/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a private training promises, beside what its attacks show of it: an
 * upper bound on epsilon from accounting, and a lower one from the scores of
 * this one model (assay_one_run_bound_among()). Where the lower one is above
 * the upper, the training is not what was accounted for.
 *
 * The bound is the best over all attacks that scored every audited record
 * without having been told true members, and that the negative control does
 * not refute; they share its 5 % (Bonferroni). It asks for members drawn by
 * fair coins; here exactly half of the audited records are, at random
 * (docs/defenses.md says what that changes).
 */

#include <stdio.h>
#include <string.h>

#include "assay/attack.h"
#include "audit/audit.h"
#include "core/json.h"

/* More than any file of images here can hold. */
#define ASSAY__TRAINED_ON_MAX ((uint64_t)1 << 32)

static int can_bound(const assay_audit *a, const struct assay__outcome *o)
{
    const struct assay_evidence *e = a->scene.target;

    return assay__outcome_scored(o) &&
           o->attack->auxiliary != ASSAY_AUX_PARTIAL &&
           o->made.scores.n == e[ASSAY__MEMBERS].n + e[ASSAY__NONMEMBERS].n &&
           assay__verdict_trusts(a, o->attack);
}

static int measure(assay_audit *a, struct assay_error *err)
{
    struct assay__claim *c = &a->claim;
    int i;

    for (i = 0; i < a->n_attacks; i++)
        c->among += (size_t)can_bound(a, &a->outcome[i]);
    for (i = 0; i < a->n_attacks; i++) {
        const struct assay_membership_scores *s = &a->outcome[i].made.scores;
        struct assay_one_run bound;
        struct assay_error why = {0};
        int code;

        if (!can_bound(a, &a->outcome[i]))
            continue;
        code = assay_one_run_bound_among(&bound, s->score, s->member, s->n,
                                         c->promised.delta, c->among, &why);
        if (code == ASSAY_NOTHING)
            continue;
        if (code != ASSAY_OK)
            return assay_error_set(err, code, "%s: %s",
                                   a->outcome[i].attack->name, why.msg);
        if (c->attack != NULL && bound.epsilon <= c->bound.epsilon)
            continue;
        c->bound = bound;
        c->attack = a->outcome[i].attack;
    }
    return ASSAY_OK;
}

/* The number of records that an opened model was trained on, by its notes;
 * 0: they do not say. */
static int noted_records(const assay_audit *a, uint64_t *n,
                         struct assay_error *err)
{
    const char *quarter = assay_model_note(a->opened, ASSAY_NOTE_QUARTER);

    *n = 0;
    if (assay_model_note(a->opened, ASSAY_NOTE_TRAINED_ON) != NULL)
        return assay__note_number(a, ASSAY_NOTE_TRAINED_ON, n, err);
    if (quarter == NULL || strcmp(quarter, "all") == 0 ||
        assay_model_note(a->opened, ASSAY_NOTE_SPLIT_N) == NULL)
        return ASSAY_OK;
    return assay__note_number(a, ASSAY_NOTE_SPLIT_N, n, err);
}

int assay__claim_of_model(assay_audit *a, struct assay_error *err)
{
    const struct assay_defense *d = a->defense.row;
    const char *noted = assay_model_note(a->opened, ASSAY_NOTE_RECIPE);
    struct assay_recipe recipe;
    uint64_t n = 0;
    int code;

    if (d == NULL || d->claim == NULL || noted == NULL)
        return ASSAY_OK;
    code = assay_recipe_from_text(&recipe, noted, err);
    if (code == ASSAY_OK)
        code = noted_records(a, &n, err);
    if (code != ASSAY_OK || n == 0)
        return code;
    if (n > ASSAY__TRAINED_ON_MAX)
        return assay_error_set(
            err, ASSAY_DATA, "trained on %llu records, at most %llu",
            (unsigned long long)n, (unsigned long long)ASSAY__TRAINED_ON_MAX);
    code =
        d->claim(a->defense.param, &recipe, (size_t)n, &a->claim.promised, err);
    a->claim.there = code == ASSAY_OK;
    return code;
}

int assay__claim_measure(assay_audit *a, struct assay_error *err)
{
    const struct assay_defense *d = a->defense.row;
    int code;

    if (a->opened == NULL && d != NULL && d->claim != NULL) {
        memset(&a->claim, 0, sizeof(a->claim));
        code = d->claim(a->defense.param, &a->recipe, a->split.n,
                        &a->claim.promised, err);
        if (code != ASSAY_OK)
            return code;
        a->claim.there = 1;
    }
    return a->claim.there ? measure(a, err) : ASSAY_OK;
}

int assay__claim_refuted(const assay_audit *a)
{
    return a->claim.there && a->claim.attack != NULL &&
           a->claim.bound.epsilon > a->claim.promised.epsilon_prv;
}

void assay__claim_words(const assay_audit *a, char *text, size_t size)
{
    const struct assay__claim *c = &a->claim;

    snprintf(text, size,
             "%s shows an epsilon of at least %.2f (95 %% confidence, made for "
             "the best of %zu attacks) where the training claims at most "
             "%.2f at delta %g: its implementation or its accounting is "
             "wrong.",
             c->attack->title, c->bound.epsilon, c->among,
             c->promised.epsilon_prv, c->promised.delta);
}

static json_t *bound_json(const struct assay__claim *c)
{
    if (c->attack == NULL)
        return json_null();
    return json_pack(
        "{s:f, s:s, s:I, s:f, s:I, s:I, s:I, s:s}", "epsilon", c->bound.epsilon,
        "attack", c->attack->name, "among", (json_int_t)c->among, "confidence",
        0.95, "n", (json_int_t)c->bound.n, "guesses",
        (json_int_t)c->bound.k_top + (json_int_t)c->bound.k_bottom, "correct",
        (json_int_t)c->bound.correct, "assumes",
        "members drawn by a fair coin each; here exactly half, at random");
}

json_t *assay__claim_json(const assay_audit *a)
{
    const struct assay__claim *c = &a->claim;
    const struct assay_privacy_claim *p = &c->promised;

    if (!c->there)
        return json_null();
    return json_pack("{s:f, s:f, s:f, s:I, s:f, s:f, s:f, s:o}",
                     "noise_multiplier", p->noise_multiplier, "clip_norm",
                     p->clip_norm, "sample_rate", p->sample_rate, "steps",
                     (json_int_t)p->steps, "delta", p->delta, "epsilon_rdp",
                     p->epsilon_rdp, "epsilon_prv", p->epsilon_prv,
                     "epsilon_lower_bound", bound_json(c));
}
