/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One attack in findings.json: metrics with intervals, a thinned ROC curve,
 * a histogram of scores. The accuracy is judged at a threshold that was
 * fitted elsewhere: by the attack itself (on a shadow model or on the
 * partial data), or by cross-fitting, where each half of the records is
 * judged at the threshold that suits the other half best.
 */

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "assay/rng.h"
#include "audit/audit.h"
#include "core/json.h"
#include "core/mem.h"

enum { ROC_POINTS = 400, BINS = 40 };

json_t *assay__estimate_json(const struct assay_estimate *e)
{
    return assay__json_estimate(e->value, e->low, e->high, e->n);
}

/* Which half a record is in: members and non-members are halved apart, so
 * both halves have both. */
static int draw_folds(const assay_audit *a,
                      const struct assay_membership_scores *s, uint8_t *fold,
                      struct assay_error *err)
{
    uint32_t *order = assay__malloc(s->n * sizeof(*order));
    struct assay_rng rng;
    size_t n_seen[2] = {0, 0};
    size_t i;

    if (order == NULL)
        return assay_error_set(err, ASSAY_NOMEM, "halves of %zu scores", s->n);
    for (i = 0; i < s->n; i++)
        order[i] = (uint32_t)i;
    assay_rng_init(&rng, a->ctx.seed, "cross-fitting", 0);
    assay_rng_shuffle(&rng, order, s->n);
    for (i = 0; i < s->n; i++) {
        size_t *seen = &n_seen[s->member[order[i]] != 0];

        fold[order[i]] = (uint8_t)(*seen % 2);
        ++*seen;
    }
    assay__free(order);
    return ASSAY_OK;
}

/* The best threshold on the records of one half. */
static double fit_fold(const struct assay_membership_scores *s,
                       const uint8_t *fold, int which, double *score,
                       uint8_t *member)
{
    size_t n = 0;
    size_t i;

    for (i = 0; i < s->n; i++) {
        if (fold[i] == which) {
            score[n] = s->score[i];
            member[n++] = s->member[i];
        }
    }
    return assay_threshold_fit(score, member, n);
}

static int fits_in_halves(const struct assay_membership_scores *s)
{
    size_t n_class[2] = {0, 0};
    size_t i;

    for (i = 0; i < s->n; i++)
        n_class[s->member[i] != 0]++;
    return n_class[0] >= 2 && n_class[1] >= 2;
}

/* called[i]: 1 where the record is called a member, else 0. */
static int cross_fit(const assay_audit *a,
                     const struct assay_membership_scores *s, double *called,
                     struct assay_error *err)
{
    uint8_t *fold = assay__malloc(s->n);
    uint8_t *member = assay__malloc(s->n);
    double threshold[2];
    size_t i;
    int code;

    if (fold == NULL || member == NULL) {
        code = assay_error_set(err, ASSAY_NOMEM, "%zu scores", s->n);
        goto out;
    }
    code = draw_folds(a, s, fold, err);
    if (code != ASSAY_OK)
        goto out;
    threshold[0] = fit_fold(s, fold, 0, called, member);
    threshold[1] = fit_fold(s, fold, 1, called, member);
    /* Both halves have both classes and scores are finite. */
    if (isnan(threshold[0]) || isnan(threshold[1])) {
        code =
            assay_error_set(err, ASSAY_NOMEM, "thresholds of %zu scores", s->n);
        goto out;
    }
    for (i = 0; i < s->n; i++)
        called[i] = s->score[i] >= threshold[1 - fold[i]];

out:
    assay__free(fold);
    assay__free(member);
    return code;
}

/* Accuracy and PPV at thresholds fitted elsewhere; NaN where there is
 * nothing to fit them on. */
static int judge_calls(const assay_audit *a,
                       const struct assay_membership_scores *s, size_t among,
                       struct assay_estimate *accuracy,
                       struct assay_estimate *ppv, struct assay_error *err)
{
    double threshold = s->threshold;
    const double *score = s->score;
    double *called = NULL;
    int code = ASSAY_OK;

    if (isnan(threshold) && fits_in_halves(s)) {
        called = assay__malloc(s->n * sizeof(*called));
        if (called == NULL)
            return assay_error_set(err, ASSAY_NOMEM, "%zu scores", s->n);
        code = cross_fit(a, s, called, err);
        score = called;
        threshold = 0.5;
    }
    if (code == ASSAY_OK) {
        *accuracy = assay_balanced_accuracy_among(score, s->member, s->n,
                                                  threshold, among);
        *ppv = assay_ppv_at(score, s->member, s->n, threshold,
                            ASSAY_SUMMARY_PRIOR);
    }
    assay__free(called);
    return code;
}

int assay__outcome_accuracy(const assay_audit *a,
                            const struct assay__outcome *o, size_t among,
                            struct assay_estimate *out, struct assay_error *err)
{
    struct assay_estimate ppv;

    return judge_calls(a, &o->made.scores, among, out, &ppv, err);
}

static const char *threshold_from(const struct assay__outcome *o)
{
    if (isnan(o->made.scores.threshold))
        return "cross-fitting";
    if (o->attack->auxiliary == ASSAY_AUX_PARTIAL)
        return "partial";
    if (o->attack->baseline && o->attack->needs == 0)
        return "fixed";
    return "shadow";
}

static json_t *rates_json(const struct assay_score_summary *s)
{
    json_t *list = json_array();
    int i;

    for (i = 0; i < ASSAY_SUMMARY_RATES; i++)
        json_array_append_new(
            list,
            json_pack("{s:o, s:o, s:o, s:o, s:I, s:o}", "fpr",
                      assay__json_real(s->fpr[i]), "tpr",
                      assay__json_real(s->tpr[i].value), "low",
                      assay__json_real(s->tpr[i].low), "high",
                      assay__json_real(s->tpr[i].high), "n_neg",
                      (json_int_t)s->n_neg, "refused",
                      s->refused[i][0] != '\0' ? json_string(s->refused[i])
                                               : json_null()));
    return list;
}

static void add_point(json_t *list, const struct assay_roc_point *p)
{
    json_array_append_new(list, json_pack("[f, f]", p->fpr, p->tpr));
}

/*
 * At most ROC_POINTS of the curve's points. They are spread evenly in
 * log(FPR), where the eye looks on a log-log plot, and in TPR: a point is
 * kept when it moved far enough from the last one kept in either.
 */
static json_t *roc_json(const struct assay_roc *roc)
{
    json_t *list = json_array();
    double step = 2.0 / ROC_POINTS;
    double unit = log10((double)roc->n_neg + 1);
    size_t last = 0;
    size_t i;

    add_point(list, &roc->point[0]);
    for (i = 1; i < roc->n_points; i++) {
        const struct assay_roc_point *p = &roc->point[i];
        const struct assay_roc_point *q = &roc->point[last];
        double floor_fpr = 1.0 / ((double)roc->n_neg + 1);
        double along =
            (log10(fmax(p->fpr, floor_fpr)) - log10(fmax(q->fpr, floor_fpr))) /
            unit;

        if (i + 1 < roc->n_points && along + p->tpr - q->tpr < 1.1 * step)
            continue;
        add_point(list, p);
        last = i;
    }
    return list;
}

static int compare_doubles(const void *a, const void *b)
{
    const double *x = a;
    const double *y = b;

    return (*x > *y) - (*x < *y);
}

static json_t *histogram_json(const struct assay_membership_scores *s,
                              const double *sorted)
{
    double low = sorted[(size_t)(0.005 * (double)(s->n - 1))];
    double high = sorted[(size_t)ceil(0.995 * (double)(s->n - 1))];
    json_int_t count[2][BINS];
    json_t *list[2];
    size_t i;
    int side;

    memset(count, 0, sizeof(count));
    for (i = 0; i < s->n; i++) {
        double at = high > low ? (s->score[i] - low) / (high - low) : 0;
        int bin = at <= 0 ? 0 : at >= 1 ? BINS - 1 : (int)(at * BINS);

        count[s->member[i] != 0][bin]++;
    }
    for (side = 0; side < 2; side++) {
        int b;

        list[side] = json_array();
        for (b = 0; b < BINS; b++)
            json_array_append_new(list[side], json_integer(count[side][b]));
    }
    return json_pack("{s:o, s:o, s:o, s:o}", "low", assay__json_real(low),
                     "high", assay__json_real(high), "nonmembers", list[0],
                     "members", list[1]);
}

static json_t *measured_json(const struct assay__outcome *o,
                             const struct assay_score_summary *s,
                             const struct assay_roc *roc, const double *sorted)
{
    return json_pack(
        "{s:I, s:I, s:o, s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
        "n_members", (json_int_t)s->n_pos, "n_nonmembers", (json_int_t)s->n_neg,
        "auc", assay__estimate_json(&o->auc), "accuracy",
        assay__estimate_json(&o->accuracy), "threshold_from", threshold_from(o),
        "ppv", assay__estimate_json(&s->ppv), "prior",
        assay__json_real(s->prior), "tpr_at_fpr", rates_json(s), "advantage",
        assay__estimate_json(&s->advantage), "epsilon_lower_bound",
        assay__json_real(s->epsilon.value), "delta", assay__json_real(s->delta),
        "roc", roc_json(roc), "histogram",
        histogram_json(&o->made.scores, sorted));
}

int assay__outcome_scored(const struct assay__outcome *o)
{
    return o->attack != NULL && o->attack->membership != NULL &&
           o->why[0] == '\0';
}

static int measure_scores(const assay_audit *a, struct assay__outcome *o,
                          struct assay_error *err)
{
    const struct assay_membership_scores *s = &o->made.scores;
    struct assay_score_summary summary;
    struct assay_roc roc = {NULL, 0, 0, 0};
    double *sorted = assay__malloc(s->n * sizeof(*sorted));
    int code;

    if (sorted == NULL)
        return assay_error_set(err, ASSAY_NOMEM, "%zu scores", s->n);
    memcpy(sorted, s->score, s->n * sizeof(*sorted));
    qsort(sorted, s->n, sizeof(*sorted), compare_doubles);
    code = assay_score_summarise(s->score, s->member, s->n, s->threshold,
                                 ASSAY__EPSILON_DELTA, &summary, err);
    if (code == ASSAY_OK)
        code = assay_roc_make(&roc, s->score, s->member, s->n, err);
    if (code != ASSAY_OK)
        goto out;
    o->auc = summary.auc;
    code = judge_calls(a, s, 1, &o->accuracy, &summary.ppv, err);
    if (code != ASSAY_OK)
        goto out;
    o->measured = measured_json(o, &summary, &roc, sorted);
    if (o->measured == NULL)
        code = assay_error_set(err, ASSAY_NOMEM, "findings of %s",
                               o->attack->name);

out:
    assay_roc_release(&roc);
    assay__free(sorted);
    return code;
}

int assay__outcome_measure(assay_audit *a, struct assay__outcome *o,
                           struct assay_error *err)
{
    int code;

    if (o->attack->guess != NULL)
        code = assay__guesses_measure(a, o, err);
    else if (o->attack->picture != NULL)
        code = assay__pictures_measure(a, o, err);
    else
        code = measure_scores(a, o, err);
    if (code != ASSAY_OK)
        code = assay_error_prefix(err, code, "%s", o->attack->name);
    return code;
}

/* "joint_low" beside each TPR: known only when all attacks have run. */
static int add_joint_lows(const assay_audit *a, const struct assay__outcome *o)
{
    json_t *rates = json_object_get(o->measured, "tpr_at_fpr");
    size_t among = assay__verdict_among(a);
    struct assay_roc roc;
    size_t i;
    int failed = 0;

    if (assay_roc_make(&roc, o->made.scores.score, o->made.scores.member,
                       o->made.scores.n, NULL) != ASSAY_OK)
        return -1;
    for (i = 0; i < json_array_size(rates); i++) {
        json_t *row = json_array_get(rates, i);
        double fpr = json_number_value(json_object_get(row, "fpr"));
        struct assay_estimate e;

        if (assay_tpr_at_fpr_among(&e, &roc, fpr, among, NULL) != ASSAY_OK)
            e.low = (double)NAN;
        failed |=
            json_object_set_new(row, "joint_low", assay__json_real(e.low));
    }
    assay_roc_release(&roc);
    return failed;
}

json_t *assay__outcome_json(const assay_audit *a,
                            const struct assay__outcome *o)
{
    const struct assay_attack *t = o->attack;
    int ran = o->why[0] == '\0';
    char path[96];
    json_t *root;

    assay__scores_path(t, "", path);
    root = json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:b, s:s, s:o, s:o, s:o}", "name",
        t->name, "title", t->title, "summary", t->summary, "cites", t->cites,
        "goal", assay_goal_name(t->goal), "access",
        assay_access_name(t->access), "auxiliary",
        assay_auxiliary_name(t->auxiliary), "baseline", t->baseline != 0,
        "status", ran ? "ran" : "not run", "why",
        ran ? json_null() : assay__json_string(o->why), "params",
        assay__params_json(t, o->param), "scores",
        ran ? json_string(path) : json_null());
    if (root == NULL || o->measured == NULL)
        return root;
    if ((assay__outcome_scored(o) && add_joint_lows(a, o) != 0) ||
        json_object_update(root, o->measured) != 0) {
        json_decref(root);
        return NULL;
    }
    return root;
}
