/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_METRICS_H
#define ASSAY_METRICS_H

/*
 * Numbers about scores. All in double. Positive = member. A larger score
 * means more likely positive. Ties are handled exactly: a threshold takes
 * all records of a tied score or none.
 *
 * Intervals are 95 %, two-sided. A missing number is NaN here and null in
 * files, never 0.
 */

#include <stddef.h>
#include <stdint.h>

#include "assay/error.h"

#ifdef __cplusplus
extern "C" {
#endif

/* An estimate with its interval. */
struct assay_estimate {
    double value;
    double low;
    double high;
    size_t n; /* records behind it */
};

/* A point of the ROC curve, threshold going down. */
struct assay_roc_point {
    double fpr;
    double tpr;
    double threshold; /* records with score >= threshold are called members */
};

struct assay_roc {
    struct assay_roc_point *point; /* starts at (0,0), ends at (1,1) */
    size_t n_points;
    size_t n_pos;
    size_t n_neg;
};

/*
 * The exact ROC curve of scores[0..n) with positive[i] in {0, 1}; collinear
 * points are dropped. Non-finite scores: ASSAY_NUMERIC with the record; no
 * positives or no negatives: ASSAY_DATA.
 */
int assay_roc_make(struct assay_roc *roc, const double *scores,
                   const uint8_t *positive, size_t n, struct assay_error *err)
    ASSAY_MUST_CHECK;
void assay_roc_release(struct assay_roc *roc);

/* Area under the curve (Mann-Whitney), DeLong's interval on the logit scale
 * kept inside [0, 1] (DeLong et al., 1988). */
int assay_auc(struct assay_estimate *out, const double *scores,
              const uint8_t *positive, size_t n, struct assay_error *err)
    ASSAY_MUST_CHECK;

/*
 * The largest TPR whose FPR does not exceed `fpr`, no interpolation;
 * Clopper-Pearson interval over the members. Fewer than 1/fpr non-members:
 * ASSAY_NOTHING, with the reason; `*out` is NaN then.
 */
int assay_tpr_at_fpr(struct assay_estimate *out, const struct assay_roc *roc,
                     double fpr, struct assay_error *err) ASSAY_MUST_CHECK;

/* Clopper-Pearson interval of k successes in n trials. n = 0 gives NaN. */
struct assay_estimate assay_proportion(size_t k, size_t n);
/* The beta distribution's quantile, by which it is computed. */
double assay_beta_quantile(double p, double a, double b);
/* Standard normal: distribution function and quantile. */
double assay_normal_cdf(double x);
double assay_normal_quantile(double p);

/* The threshold with the best balanced accuracy on the given records: for
 * fitting on records that are not reported on. */
double assay_threshold_fit(const double *scores, const uint8_t *positive,
                           size_t n);

/*
 * Balanced accuracy (mean of TPR and TNR) of calling score >= threshold a
 * member; interval by normal approximation of the two independent
 * proportions, never wider than [0, 1].
 */
struct assay_estimate assay_balanced_accuracy(const double *scores,
                                              const uint8_t *positive,
                                              size_t n, double threshold);

/*
 * Lower bound on epsilon at `delta`, 95 % confidence, from an ROC curve:
 * the best over a grid of thresholds, each at confidence 1 - 0.05 / grid
 * (Bonferroni), from Clopper-Pearson bounds on TPR and FPR and on TNR and
 * FNR (Jagielski et al., 2020; Nasr et al., 2021). 0 when nothing can be
 * said. `out->value` is the bound itself; low = value, high = NaN.
 */
struct assay_estimate assay_epsilon_lower_bound(const struct assay_roc *roc,
                                                double delta);

/* max over thresholds of TPR - FPR, optimistic: chosen on the same data. */
double assay_advantage(const struct assay_roc *roc);

double assay_mean(const double *x, size_t n);
/* Sample standard deviation (n - 1); NaN for n < 2. */
double assay_sd(const double *x, size_t n);
/* Pearson's r with Fisher's interval. */
struct assay_estimate assay_pearson(const double *x, const double *y, size_t n);
/* Mean with a Student-t interval. */
struct assay_estimate assay_mean_interval(const double *x, size_t n);

#ifdef __cplusplus
}
#endif
#endif
