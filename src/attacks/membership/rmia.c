/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RMIA, the robust membership inference attack (Zarifzadeh et al., ICML
 * 2024).
 *
 * Threat model: black-box, shadow; strong with one or two reference models.
 * With p(x) the mean of the reference models' p(label | x), a record's
 * ratio is r(x) = p_target(label | x) / p(x), and its score the share of
 * population records z for which r(x) / r(z) >= gamma.
 *
 *   online   p(x): mean of the mean over models trained with x and the mean
 *            over those without
 *   offline  p(x) = ((1 + a) p_out(x) + 1 - a) / 2 from models without x
 *            (equation 10 of the paper's appendix; a is fitted there on
 *            reference models, here it is a parameter)
 *
 * The population is records that no model was trained on, so p(z) is a plain
 * mean. Deviation: population ratios are sorted once and each record is
 * placed by bisection, with the same result as the paper's pairwise count.
 */

#include <math.h>
#include <stdlib.h>

#include "attacks/membership/scores.h"
#include "core/mem.h"

enum { PARAM_GAMMA, PARAM_A };

static const struct assay_setting online_params[] = {
    {"gamma", 1, .01, 100, "how much likelier x must be than z"},
    {NULL, 0, 0, 0, NULL}};

static const struct assay_setting offline_params[] = {
    {"gamma", 1, .01, 100, "how much likelier x must be than z"},
    {"a", .3, 0, 1, "slope of the offline estimate of p(x)"},
    {NULL, 0, 0, 0, NULL}};

static const double PROB_FLOOR = 1e-300;

/* Sums of p(label) over models with and without each row. */
struct sums {
    double in, out;
    int n_in, n_out;
};

static void add_reference(const struct assay_evidence *e, const uint8_t *mask,
                          double *scratch, struct sums *sum)
{
    assay_evidence_log_prob(e, scratch);
    for (size_t i = 0; i < e->n; i++) {
        double p = exp(scratch[i]);

        if (mask && mask[i]) {
            sum[i].in += p;
            sum[i].n_in++;
        } else {
            sum[i].out += p;
            sum[i].n_out++;
        }
    }
}

/* log of the reference probability p(x). */
static double log_marginal(const struct sums *s, int online, int population,
                           double a)
{
    double out = s->n_out ? s->out / s->n_out : 0;
    double p = out;

    if (!population && online)
        p = .5 * (s->in / s->n_in + out);
    else if (!population)
        p = .5 * ((1 + a) * out + 1 - a);
    return log(fmax(p, PROB_FLOOR));
}

/* log r for each row of `target`; role picks the reference's evidence. */
enum role { MEMBERS, NONMEMBERS, POPULATION };

static int log_ratios(const struct assay_attack_input *in, enum role role,
                      int online, double a, double *out,
                      struct assay_error *err)
{
    const struct assay_evidence *target = role == MEMBERS      ? in->members
                                          : role == NONMEMBERS ? in->nonmembers
                                                               : in->population;
    struct sums *sum = assay__calloc(target->n, sizeof(*sum));

    if (!sum)
        return assay_error_set(
            err, ASSAY_NOMEM, "rmia: out of memory for %zu records", target->n);
    for (int r = 0; r < in->n_references; r++) {
        const struct assay_reference *ref = &in->reference[r];

        if (role == MEMBERS)
            add_reference(ref->members, ref->trained_on_member, out, sum);
        else if (role == NONMEMBERS)
            add_reference(ref->nonmembers, ref->trained_on_nonmember, out, sum);
        else
            add_reference(ref->population, NULL, out, sum);
    }
    assay_evidence_log_prob(target, out);
    for (size_t i = 0; i < target->n; i++)
        out[i] -= log_marginal(&sum[i], online, role == POPULATION, a);
    assay__free(sum);
    return ASSAY_OK;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return (x > y) - (x < y);
}

/* How many of sorted[0..n) are <= limit. */
static size_t count_below(const double *sorted, size_t n, double limit)
{
    size_t low = 0;
    size_t high = n;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (sorted[mid] <= limit)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static int run(const struct assay_attack_input *in, int online,
               struct assay_membership_scores *out, struct assay_error *err)
{
    double gamma = in->param[PARAM_GAMMA];
    double a = online ? 0 : in->param[PARAM_A];
    size_t n_z = in->population->n;
    double *z = assay__calloc(n_z, sizeof(*z));
    int rc;

    rc = assay__scores_make_all(out, in, err);
    if (!rc && !z)
        rc = assay_error_set(err, ASSAY_NOMEM, "rmia: out of memory");
    if (!rc)
        rc = log_ratios(in, POPULATION, online, a, z, err);
    if (!rc)
        rc = log_ratios(in, MEMBERS, online, a, out->score, err);
    if (!rc)
        rc = log_ratios(in, NONMEMBERS, online, a, out->score + in->members->n,
                        err);
    if (!rc) {
        qsort(z, n_z, sizeof(*z), compare);
        for (size_t i = 0; i < out->n; i++)
            out->score[i] =
                (double)count_below(z, n_z, out->score[i] - log(gamma)) /
                (double)n_z;
    }
    assay__free(z);
    return rc;
}

static int run_online(const struct assay_attack_input *in,
                      struct assay_membership_scores *out,
                      struct assay_error *err)
{
    return run(in, 1, out, err);
}

static int run_offline(const struct assay_attack_input *in,
                       struct assay_membership_scores *out,
                       struct assay_error *err)
{
    return run(in, 0, out, err);
}

const struct assay_attack assay_attack_rmia = {
    .name = "rmia",
    .title = "RMIA, online",
    .summary = "share of population records that the record beats in "
               "likelihood ratio",
    .cites = "Zarifzadeh et al., ICML 2024",
    .goal = ASSAY_GOAL_MEMBERSHIP,
    .access = ASSAY_ACCESS_BLACK_BOX,
    .auxiliary = ASSAY_AUX_SHADOW,
    .needs = ASSAY_NEED_REFERENCES | ASSAY_NEED_POPULATION,
    .params = online_params,
    .membership = run_online};

const struct assay_attack assay_attack_rmia_offline = {
    .name = "rmia-offline",
    .title = "RMIA, offline",
    .summary = "the same from models that never saw the record",
    .cites = "Zarifzadeh et al., ICML 2024",
    .goal = ASSAY_GOAL_MEMBERSHIP,
    .access = ASSAY_ACCESS_BLACK_BOX,
    .auxiliary = ASSAY_AUX_SHADOW,
    .needs = ASSAY_NEED_REFERENCES_OUT | ASSAY_NEED_POPULATION,
    .params = offline_params,
    .membership = run_offline};
