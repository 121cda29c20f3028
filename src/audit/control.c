/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Controls tell "no leak" from "attack broken".
 *
 * Negative: the shadow model was trained on neither target quarter. Put in
 * the target's place, with the target's members and non-members, it gives
 * every attack nothing to find: AUC .5 must lie within each interval. With m
 * attacks, one 95 % interval in twenty misses by chance, so each is widened
 * to 1 - .05 / m (Bonferroni).
 *
 * Positive: models that know a few hundred records by heart. Every attack
 * that is no baseline must find that, with its whole interval above .5.
 * Baselines promise to find nothing; with no other attack there is nothing
 * to judge, and such models are not trained.
 */

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "audit/audit.h"

static double logit(double p)
{
    return log(p) - log1p(-p);
}

static double expit(double x)
{
    return 1 / (1 + exp(-x));
}

void assay__widen(const struct assay_estimate *auc, int m, double *low,
                  double *high)
{
    double ratio =
        assay_normal_quantile(1 - 0.025 / m) / assay_normal_quantile(0.975);
    double middle;

    *low = auc->low;
    *high = auc->high;
    if (!(auc->value > 0 && auc->value < 1 && auc->low > 0 && auc->high < 1))
        return;
    middle = logit(auc->value);
    *low = expit(middle - ratio * (middle - logit(auc->low)));
    *high = expit(middle + ratio * (logit(auc->high) - middle));
}

static int take_results(const assay_audit *a, struct assay__control *control,
                        const struct assay__score_job *jobs, size_t n,
                        struct assay_error *err)
{
    size_t i;

    for (i = 0; i < n; i++) {
        const struct assay_membership_scores *s = &jobs[i].made.scores;
        struct assay__control_result *r = &control->result[control->n_results];
        int code;

        if (jobs[i].why[0] != '\0')
            continue;
        if (jobs[i].attack->goal == ASSAY_GOAL_MEMBERSHIP)
            code = assay_auc(&r->found, s->score, s->member, s->n, err);
        else
            code = assay__made_excess(a, jobs[i].attack, &jobs[i].made,
                                      &r->found, &r->degrees, err);
        if (code != ASSAY_OK)
            return code;
        r->attack = jobs[i].attack;
        control->n_results++;
    }
    return ASSAY_OK;
}

/* What an attack finds where there is nothing. */
static double nothing(const struct assay_attack *attack)
{
    return attack->goal == ASSAY_GOAL_MEMBERSHIP ? 0.5 : 0;
}

static double quantile(double p, int degrees)
{
    return degrees > 0 ? assay_student_quantile(p, degrees)
                       : assay_normal_quantile(p);
}

/* For m results together: an AUC on the logit scale, an excess as it is. */
static void widen(struct assay__control_result *r, int m)
{
    double ratio;

    if (r->attack->goal == ASSAY_GOAL_MEMBERSHIP) {
        assay__widen(&r->found, m, &r->low, &r->high);
        return;
    }
    ratio = quantile(1 - 0.025 / m, r->degrees) / quantile(0.975, r->degrees);
    r->low = r->found.value - ratio * (r->found.value - r->found.low);
    r->high = r->found.value + ratio * (r->found.high - r->found.value);
}

/* Guesses may be right less often than by chance, as where a rule learnt
 * from nothing happens to be wrong about every class: that finds nothing
 * either. Scores below an AUC of .5 would be a find with the sign turned. */
static int finds_nothing(const struct assay__control_result *r)
{
    static const double rounding = 1e-12;
    double zero = nothing(r->attack);

    return r->low <= zero + rounding &&
           (r->attack->goal != ASSAY_GOAL_MEMBERSHIP || r->high >= zero);
}

static void judge(struct assay__control *control)
{
    int i;

    control->passed = control->n_results > 0;
    for (i = 0; i < control->n_results; i++) {
        struct assay__control_result *r = &control->result[i];

        widen(r, control->n_results);
        if (control->positive)
            r->passed = r->found.low > nothing(r->attack);
        else
            r->passed = finds_nothing(r);
        control->passed = control->passed && r->passed;
    }
    control->ran = 1;
}

int assay__control_negative(assay_audit *a, const struct assay__score_job *jobs,
                            size_t n, struct assay_error *err)
{
    int code;

    snprintf(
        a->negative.what, sizeof(a->negative.what),
        "The same attacks on a model that was trained on other records "
        "altogether: nothing to find, so an AUC of 0.5 must lie within "
        "every interval (95 %% for all attacks together).%s",
        assay__audit_beyond_membership(a)
            ? " Attribute and stealing attacks learn from answers that "
              "belong to other records, inversion climbs a model that "
              "was never trained: they must not be right surely more often "
              "than by chance."
            : "");
    code = take_results(a, &a->negative, jobs, n, err);
    if (code == ASSAY_OK)
        judge(&a->negative);
    return code;
}

/* Chosen and, when attacks were run already, one of those that could be. */
static int is_judged(const assay_audit *a, int i)
{
    return a->attack[i]->goal == ASSAY_GOAL_MEMBERSHIP &&
           !a->attack[i]->baseline && a->left_out[i][0] == '\0' &&
           a->outcome[i].why[0] == '\0';
}

int assay__control_wants_positive(const assay_audit *a)
{
    int i;

    if (a->options.controls != ASSAY_CONTROLS_FULL || a->data == NULL)
        return 0;
    for (i = 0; i < a->n_attacks; i++) {
        if (is_judged(a, i))
            return 1;
    }
    return 0;
}

/* Attacks of the audit that ran, claim to find something, and can run on
 * the overfitted scene too. */
static size_t positive_jobs(const assay_audit *a,
                            const struct assay__scene *scene,
                            const struct assay_attack_input *in,
                            struct assay__score_job *jobs)
{
    size_t n = 0;
    int i;

    for (i = 0; i < a->n_attacks; i++) {
        if (!is_judged(a, i) || assay_attack_missing(a->attack[i], in) != NULL)
            continue;
        jobs[n].attack = a->attack[i];
        jobs[n].in = in;
        jobs[n].prefix = scene->prefix;
        jobs[n].evidence_sha256 = scene->evidence_sha256;
        n++;
    }
    return n;
}

static int attack_overfitted(assay_audit *a, const struct assay__scene *scene,
                             struct assay_error *err)
{
    struct assay__score_job jobs[ASSAY__ATTACKS_MAX];
    struct assay_attack_input in;
    struct assay__world world;
    size_t n = 0;
    int code;

    memset(jobs, 0, sizeof(jobs));
    code = assay__world_open(&world, a, scene, err);
    if (code == ASSAY_OK) {
        assay__scene_input(scene, a, 0, &in);
        assay__world_input(&world, scene, ASSAY__WORLD_PLAIN, &in);
        n = positive_jobs(a, scene, &in, jobs);
        code = assay__score_jobs_run(a, jobs, n, "positive control", err);
    }
    if (code == ASSAY_OK)
        code = take_results(a, &a->positive, jobs, n, err);
    if (code == ASSAY_OK && a->positive.n_results > 0)
        judge(&a->positive);
    assay__score_jobs_release(jobs, n);
    assay__world_close(&world);
    return code;
}

int assay__control_positive(assay_audit *a, struct assay_error *err)
{
    struct assay__scene scene;
    struct assay_estimate known;
    int code;

    if (!assay__control_wants_positive(a))
        return ASSAY_OK;
    a->positive.positive = 1;
    code = assay__scene_overfitted(&scene, a, err);
    if (code == ASSAY_OK)
        code = assay__scene_collect(&scene, a, err);
    if (code != ASSAY_OK)
        goto out;
    known = assay_evidence_accuracy(&scene.target[ASSAY__MEMBERS]);
    snprintf(a->positive.what, sizeof(a->positive.what),
             "A model trained on %zu records until it knew %.1f %% of them by "
             "heart: every attack but the baselines must find members there, "
             "with an AUC surely above 0.5.",
             scene.audited[ASSAY__MEMBERS].n, 100 * known.value);
    code = attack_overfitted(a, &scene, err);

out:
    assay__scene_release(&scene);
    return code;
}
