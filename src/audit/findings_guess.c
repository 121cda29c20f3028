/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guesses in findings.json: of attributes beside those that the target was
 * not asked for, and of stolen copies beside the target and beside copies
 * that learnt from true labels. Baselines stand before the attacks in
 * attacks.def, so they have been measured when an attack is.
 */

#include <math.h>
#include <string.h>

#include "audit/audit.h"
#include "core/json.h"
#include "core/mem.h"

/* What the guesses are held against, per non-member. Owned. */
static int32_t *make_truth(const assay_audit *a,
                           const struct assay_attack *attack,
                           struct assay_error *err)
{
    const struct assay_evidence *e = &a->scene.target[ASSAY__NONMEMBERS];
    int32_t *truth = assay__malloc(e->n * sizeof(*truth));
    size_t i;

    if (truth == NULL) {
        (void)assay_error_set(err, ASSAY_NOMEM, "%zu guesses", e->n);
        return NULL;
    }
    for (i = 0; i < e->n; i++) {
        if (attack->goal == ASSAY_GOAL_ATTRIBUTE)
            truth[i] = assay_dataset_attribute(a->data, (size_t)a->attribute,
                                               e->record[i]);
        else
            truth[i] = assay_evidence_class(e, i);
    }
    return truth;
}

static int n_values(const assay_audit *a, const struct assay_attack *attack)
{
    return attack->goal == ASSAY_GOAL_ATTRIBUTE
               ? assay_dataset_attribute_cardinality(a->data,
                                                     (size_t)a->attribute)
               : assay_dataset_n_classes(a->data);
}

static struct assay_estimate share_equal(const int32_t *x, const int32_t *y,
                                         size_t n)
{
    size_t equal = 0;
    size_t i;

    for (i = 0; i < n; i++)
        equal += x[i] == y[i];
    return assay_proportion(equal, n);
}

static const int32_t *guesses_of(const struct assay_guesses *g, int budget)
{
    return g->guess + (size_t)budget * g->n;
}

/* The budget of the most queries. */
static int largest_budget(const struct assay_guesses *g)
{
    int best = 0;
    int i;

    for (i = 1; i < g->n_budgets; i++) {
        if (g->budget[i] > g->budget[best])
            best = i;
    }
    return best;
}

/* A baseline of the goal that was measured; of stealing, the one with the
 * same auxiliary data. Of several the one that is right most often, which
 * makes the attack's gain the smallest. */
static const struct assay__outcome *find_baseline(
    const assay_audit *a, const struct assay__outcome *of, const int32_t *truth)
{
    const struct assay__outcome *best = NULL;
    double most = -1;
    int i;

    for (i = 0; i < a->n_attacks; i++) {
        const struct assay__outcome *o = &a->outcome[i];
        double right;

        if (o->attack == NULL || o->why[0] != '\0' || o->measured == NULL ||
            !o->attack->baseline || o->attack->goal != of->attack->goal ||
            (of->attack->goal == ASSAY_GOAL_STEALING &&
             o->attack->auxiliary != of->attack->auxiliary))
            continue;
        right = share_equal(guesses_of(&o->made.guesses,
                                       largest_budget(&o->made.guesses)),
                            truth, o->made.guesses.n)
                    .value;
        if (right > most) {
            most = right;
            best = o;
        }
    }
    return best;
}

/* How much more often the attack is right than the baseline. */
static int gain(const int32_t *guess, const int32_t *baseline,
                const int32_t *truth, size_t n, struct assay_estimate *out,
                struct assay_error *err)
{
    uint8_t *right = assay__malloc(2 * n);
    size_t i;

    if (right == NULL)
        return assay_error_set(err, ASSAY_NOMEM, "%zu guesses", n);
    for (i = 0; i < n; i++) {
        right[i] = guess[i] == truth[i];
        right[n + i] = baseline[i] == truth[i];
    }
    *out = assay_paired_gain(right, right + n, n);
    assay__free(right);
    return ASSAY_OK;
}

/* The gain over each baseline of the goal: {over, value, low, high, n}. */
static int list_gains(const assay_audit *a, const struct assay__outcome *of,
                      const int32_t *truth, json_t *list,
                      struct assay_error *err)
{
    const struct assay_guesses *g = &of->made.guesses;
    int code = ASSAY_OK;
    int i;

    for (i = 0; i < a->n_attacks && code == ASSAY_OK; i++) {
        const struct assay__outcome *o = &a->outcome[i];
        struct assay_estimate more;
        json_t *item;

        if (of->attack->baseline || o->measured == NULL ||
            !o->attack->baseline || o->attack->goal != of->attack->goal)
            continue;
        code = gain(g->guess, o->made.guesses.guess, truth, g->n, &more, err);
        if (code != ASSAY_OK)
            break;
        item = assay__estimate_json(&more);
        json_object_set_new(item, "over", json_string(o->attack->name));
        json_array_append_new(list, item);
    }
    return code;
}

static json_t *attribute_json(const assay_audit *a)
{
    return json_string(
        assay_dataset_attribute_name(a->data, (size_t)a->attribute));
}

/* The layer that the attack reads; null: the last one's input, or none. */
static json_t *layer_json(const assay_audit *a,
                          const struct assay_attack *attack)
{
    if (a->options.layer == NULL || (attack->needs & ASSAY_NEED_EMBEDDING) == 0)
        return json_null();
    return assay__json_string(a->options.layer);
}

static int measure_attribute(const assay_audit *a, struct assay__outcome *o,
                             const int32_t *truth, struct assay_error *err)
{
    const struct assay_guesses *g = &o->made.guesses;
    const struct assay__outcome *b = find_baseline(a, o, truth);
    int values = n_values(a, o->attack);
    struct assay_estimate accuracy = share_equal(g->guess, truth, g->n);
    struct assay_estimate excess =
        assay_excess_agreement(g->guess, truth, g->n, values);
    struct assay_estimate f1;
    struct assay_estimate more;
    int code = assay_f1(&f1, g->guess, truth, g->n, values, err);

    json_t *gains = json_array();

    if (code == ASSAY_OK && b != NULL)
        code = gain(g->guess, b->made.guesses.guess, truth, g->n, &more, err);
    if (code == ASSAY_OK)
        code = list_gains(a, o, truth, gains, err);
    if (code != ASSAY_OK) {
        json_decref(gains);
        return code;
    }
    o->accuracy = accuracy;
    o->measured = json_pack(
        "{s:o, s:o, s:o, s:i, s:I, s:o, s:o, s:o, s:o, s:o}", "gains", gains,
        "attribute", attribute_json(a), "layer", layer_json(a, o->attack),
        "values", values, "n_records", (json_int_t)g->n, "accuracy",
        assay__estimate_json(&accuracy), "f1", assay__estimate_json(&f1),
        "excess", assay__estimate_json(&excess), "advantage",
        b != NULL && !o->attack->baseline ? assay__estimate_json(&more)
                                          : json_null(),
        "advantage_over",
        b != NULL && !o->attack->baseline ? json_string(b->attack->name)
                                          : json_null());
    return ASSAY_OK;
}

/* The same copy's size among the baseline's, or -1. */
static int same_budget(const struct assay_guesses *g, size_t budget)
{
    int i;

    for (i = 0; i < g->n_budgets; i++) {
        if (g->budget[i] == budget)
            return i;
    }
    return -1;
}

static json_t *point_json(const assay_audit *a, const struct assay_guesses *g,
                          int at, const struct assay__outcome *b,
                          const int32_t *truth)
{
    const struct assay_evidence *e = &a->scene.target[ASSAY__NONMEMBERS];
    struct assay_estimate agreement =
        share_equal(guesses_of(g, at), truth, g->n);
    struct assay_estimate accuracy =
        share_equal(guesses_of(g, at), e->label, g->n);
    struct assay_estimate scratch;
    int k = b != NULL ? same_budget(&b->made.guesses, g->budget[at]) : -1;

    if (k >= 0)
        scratch = share_equal(guesses_of(&b->made.guesses, k), e->label, g->n);
    return json_pack("{s:I, s:o, s:o, s:o}", "queries",
                     (json_int_t)g->budget[at], "agreement",
                     assay__estimate_json(&agreement), "accuracy",
                     assay__estimate_json(&accuracy), "baseline_accuracy",
                     k >= 0 ? assay__estimate_json(&scratch) : json_null());
}

static int measure_copy(const assay_audit *a, struct assay__outcome *o,
                        const int32_t *truth, struct assay_error *err)
{
    const struct assay_guesses *g = &o->made.guesses;
    const struct assay__outcome *b =
        o->attack->baseline ? NULL : find_baseline(a, o, truth);
    const int32_t *best = guesses_of(g, largest_budget(g));
    struct assay_estimate excess =
        assay_excess_agreement(best, truth, g->n, n_values(a, o->attack));
    json_t *curve = json_array();
    json_t *top;
    int i;

    for (i = 0; i < g->n_budgets; i++)
        json_array_append_new(curve, point_json(a, g, i, b, truth));
    top = json_array_get(curve, (size_t)largest_budget(g));
    o->accuracy = share_equal(best, truth, g->n);
    o->measured =
        json_pack("{s:I, s:O, s:O, s:O, s:O, s:o, s:o}", "n_records",
                  (json_int_t)g->n, "queries", json_object_get(top, "queries"),
                  "agreement", json_object_get(top, "agreement"), "accuracy",
                  json_object_get(top, "accuracy"), "baseline_accuracy",
                  json_object_get(top, "baseline_accuracy"), "excess",
                  assay__estimate_json(&excess), "curve", curve);
    return o->measured != NULL
               ? ASSAY_OK
               : assay_error_set(err, ASSAY_NOMEM, "curve of %d budgets",
                                 g->n_budgets);
}

int assay__guesses_measure(const assay_audit *a, struct assay__outcome *o,
                           struct assay_error *err)
{
    int32_t *truth = make_truth(a, o->attack, err);
    int code;

    if (truth == NULL)
        return ASSAY_NOMEM;
    if (o->attack->goal == ASSAY_GOAL_ATTRIBUTE)
        code = measure_attribute(a, o, truth, err);
    else
        code = measure_copy(a, o, truth, err);
    assay__free(truth);
    return code;
}

int assay__guesses_excess(const assay_audit *a,
                          const struct assay_attack *attack,
                          const struct assay_guesses *g,
                          struct assay_estimate *out, int *degrees,
                          struct assay_error *err)
{
    int32_t *truth = make_truth(a, attack, err);

    if (truth == NULL)
        return ASSAY_NOMEM;
    if (attack->goal == ASSAY_GOAL_ATTRIBUTE)
        *out =
            assay_excess_agreement(g->guess, truth, g->n, n_values(a, attack));
    else
        *out = assay_excess_agreement_clustered(
            guesses_of(g, largest_budget(g)), truth,
            a->scene.target[ASSAY__NONMEMBERS].label,
            assay_dataset_n_classes(a->data), g->n, n_values(a, attack),
            degrees);
    assay__free(truth);
    return ASSAY_OK;
}
