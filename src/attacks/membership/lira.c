/* SPDX-License-Identifier: Apache-2.0 */
/*
 * LiRA, the likelihood-ratio attack (Carlini et al., S&P 2022).
 *
 * Threat model: black-box, shadow. Reference models trained with and
 * without each record give, for the record's scaled confidence
 * phi = log p(label) - log(1 - p(label)), a Gaussian of models that saw it
 * and one of models that did not:
 *
 *   online   log N(phi; mu_in, s_in) - log N(phi; mu_out, s_out)
 *   offline  (phi - mu_out) / s_out: the quantile of phi among models that
 *            never saw the record (one-sided, as the paper states it)
 *
 * Variance: per record, or one for all records, which is better below some
 * 64 reference models. Here "one for all" is the mean of the records' own
 * variances, in and out apart. (The authors' code takes the deviation of
 * all confidences at once, which mixes in how records differ from each
 * other, and takes that of the "out" models from the "in" scores.)
 */

#include <math.h>

#include "attacks/membership/scores.h"
#include "core/mem.h"

static const double VARIANCE_FLOOR = 1e-12;

/* Mean and variance of one record's confidences on one side. */
struct side {
    double mean;
    double variance; /* n - 1; NaN for n < 2 */
    int n;
};

struct record {
    double phi; /* the target's */
    struct side in;
    struct side out;
};

static struct side summarise(const double *x, int n)
{
    struct side s = {(double)NAN, (double)NAN, n};
    double sum = 0;
    double square = 0;

    for (int i = 0; i < n; i++)
        sum += x[i];
    if (n > 0)
        s.mean = sum / n;
    for (int i = 0; i < n; i++)
        square += (x[i] - s.mean) * (x[i] - s.mean);
    if (n > 1)
        s.variance = square / (n - 1);
    return s;
}

/* Fill records for one list (members or non-members). `phi` is scratch:
 * [R + 1][n], the target last. */
static void collect_list(const struct assay_attack_input *in, int members,
                         double *phi, double *with, double *without,
                         struct record *record)
{
    const struct assay_evidence *target =
        members ? in->members : in->nonmembers;
    size_t n = target->n;
    int n_refs = in->n_references;

    for (int r = 0; r < n_refs; r++)
        assay_evidence_scaled_confidence(members ? in->reference[r].members
                                                 : in->reference[r].nonmembers,
                                         phi + (size_t)r * n);
    assay_evidence_scaled_confidence(target, phi + (size_t)n_refs * n);
    for (size_t i = 0; i < n; i++) {
        int n_with = 0;
        int n_without = 0;

        for (int r = 0; r < n_refs; r++) {
            const struct assay_reference *ref = &in->reference[r];
            const uint8_t *mask =
                members ? ref->trained_on_member : ref->trained_on_nonmember;

            if (mask[i])
                with[n_with++] = phi[(size_t)r * n + i];
            else
                without[n_without++] = phi[(size_t)r * n + i];
        }
        record[i].phi = phi[(size_t)n_refs * n + i];
        record[i].in = summarise(with, n_with);
        record[i].out = summarise(without, n_without);
    }
}

static int collect(const struct assay_attack_input *in, struct record **out,
                   struct assay_error *err)
{
    size_t n = in->members->n + in->nonmembers->n;
    size_t longest =
        in->members->n > in->nonmembers->n ? in->members->n : in->nonmembers->n;
    size_t models = (size_t)in->n_references + 1;
    struct record *record = assay__calloc(n, sizeof(*record));
    double *phi = assay__calloc(longest * models, sizeof(*phi));
    double *side = assay__calloc(2 * models, sizeof(*side));
    int rc = ASSAY_OK;

    if (record && phi && side) {
        collect_list(in, 1, phi, side, side + models, record);
        collect_list(in, 0, phi, side, side + models, record + in->members->n);
        *out = record;
        record = NULL;
    } else {
        rc = assay_error_set(err, ASSAY_NOMEM,
                             "lira: out of memory for %zu records of %zu "
                             "models",
                             n, models);
    }
    assay__free(record);
    assay__free(phi);
    assay__free(side);
    return rc;
}

/* One variance for all records: the mean of theirs. */
static int pool_variance(struct record *record, size_t n, int online,
                         struct assay_error *err)
{
    double sum[2] = {0, 0};
    size_t count[2] = {0, 0};

    for (size_t i = 0; i < n; i++) {
        if (record[i].in.n > 1) {
            sum[0] += record[i].in.variance;
            count[0]++;
        }
        if (record[i].out.n > 1) {
            sum[1] += record[i].out.variance;
            count[1]++;
        }
    }
    if (count[1] == 0 || (online && count[0] == 0))
        return assay_error_set(err, ASSAY_NOTHING,
                               "lira: a variance needs at least 2 reference "
                               "models on a side of some record");
    for (size_t i = 0; i < n; i++) {
        record[i].in.variance =
            count[0] ? sum[0] / (double)count[0] : (double)NAN;
        record[i].out.variance = sum[1] / (double)count[1];
    }
    return ASSAY_OK;
}

static int check_variance(const struct record *record, size_t n, int online,
                          struct assay_error *err)
{
    for (size_t i = 0; i < n; i++)
        if (record[i].out.n < 2 || (online && record[i].in.n < 2))
            return assay_error_set(
                err, ASSAY_NOTHING,
                "lira: a variance per record needs at least 2 reference "
                "models %s each; row %zu has %d with it and %d without",
                online ? "with and 2 without" : "without", i, record[i].in.n,
                record[i].out.n);
    return ASSAY_OK;
}

static double log_normal(double x, const struct side *s)
{
    double variance = s->variance + VARIANCE_FLOOR;
    double d = x - s->mean;

    return -.5 * (d * d / variance + log(variance));
}

static int run(const struct assay_attack_input *in, int online, int fixed,
               struct assay_membership_scores *out, struct assay_error *err)
{
    struct record *record = NULL;
    int rc;

    rc = assay__scores_make_all(out, in, err);
    if (!rc)
        rc = collect(in, &record, err);
    if (!rc)
        rc = fixed ? pool_variance(record, out->n, online, err)
                   : check_variance(record, out->n, online, err);
    for (size_t i = 0; !rc && i < out->n; i++) {
        const struct record *r = &record[i];

        if (online)
            out->score[i] =
                log_normal(r->phi, &r->in) - log_normal(r->phi, &r->out);
        else
            out->score[i] =
                (r->phi - r->out.mean) / sqrt(r->out.variance + VARIANCE_FLOOR);
    }
    assay__free(record);
    return rc;
}

static int run_online(const struct assay_attack_input *in,
                      struct assay_membership_scores *out,
                      struct assay_error *err)
{
    return run(in, 1, 0, out, err);
}

static int run_online_fixed(const struct assay_attack_input *in,
                            struct assay_membership_scores *out,
                            struct assay_error *err)
{
    return run(in, 1, 1, out, err);
}

static int run_offline(const struct assay_attack_input *in,
                       struct assay_membership_scores *out,
                       struct assay_error *err)
{
    return run(in, 0, 0, out, err);
}

static int run_offline_fixed(const struct assay_attack_input *in,
                             struct assay_membership_scores *out,
                             struct assay_error *err)
{
    return run(in, 0, 1, out, err);
}

#define LIRA_ROW(id, word, long_title, text, need, function) \
    const struct assay_attack assay_attack_##id = {          \
        .name = (word),                                      \
        .title = (long_title),                               \
        .summary = (text),                                   \
        .cites = "Carlini et al., S&P 2022",                 \
        .goal = ASSAY_GOAL_MEMBERSHIP,                       \
        .access = ASSAY_ACCESS_BLACK_BOX,                    \
        .auxiliary = ASSAY_AUX_SHADOW,                       \
        .needs = (need),                                     \
        .membership = (function)}

LIRA_ROW(lira_online, "lira-online", "LiRA, online",
         "likelihood ratio of models trained with and without the record, "
         "variance per record",
         ASSAY_NEED_REFERENCES, run_online);
LIRA_ROW(lira_online_fixed, "lira-online-fixed", "LiRA, online, one variance",
         "likelihood ratio of models trained with and without the record, one "
         "variance for all records",
         ASSAY_NEED_REFERENCES, run_online_fixed);
LIRA_ROW(lira_offline, "lira-offline", "LiRA, offline",
         "how unusual the record's confidence is among models that never saw "
         "it, variance per record",
         ASSAY_NEED_REFERENCES_OUT, run_offline);
LIRA_ROW(lira_offline_fixed, "lira-offline-fixed",
         "LiRA, offline, one variance",
         "how unusual the record's confidence is among models that never saw "
         "it, one variance for all records",
         ASSAY_NEED_REFERENCES_OUT, run_offline_fixed);
