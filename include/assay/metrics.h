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
 * The exact ROC curve of scores[0..n) with positive[i] in {0, 1}: a point
 * for each distinct score after (0, 0), whose threshold is infinite. Give
 * it back with assay_roc_release(). Non-finite scores: ASSAY_NUMERIC with
 * the record; another value in positive: ASSAY_ARG; no positives or no
 * negatives: ASSAY_DATA; out of memory: ASSAY_NOMEM. `*roc` is untouched on
 * failure. O(n log n).
 */
int assay_roc_make(struct assay_roc *roc, const double *scores,
                   const uint8_t *positive, size_t n,
                   struct assay_error *err) ASSAY_MUST_CHECK;
/* NULL and a released curve are accepted. */
void assay_roc_release(struct assay_roc *roc);

/*
 * Area under the curve (Mann-Whitney), DeLong's interval on the logit scale
 * kept inside [0, 1] (DeLong et al., 1988). Where DeLong's variance is 0 or
 * undefined (classes fully apart, all scores tied, a class of one record)
 * the interval is a bound that holds for every distribution, never of
 * width 0. Errors as assay_roc_make(); `*out` is untouched then.
 */
int assay_auc(struct assay_estimate *out, const double *scores,
              const uint8_t *positive, size_t n,
              struct assay_error *err) ASSAY_MUST_CHECK;

/*
 * The largest TPR whose FPR does not exceed `fpr` on these records, no
 * interpolation. The interval is for the TPR at a true FPR of `fpr`: it
 * counts in that the threshold comes from a sample of non-members, and holds
 * for every distribution of scores, with ties too, except that in the far
 * tail (FPR 0.001 and fewer than 4,380 non-members) the low end is that of an
 * attacker who names a part of the records by coin, whose FPR is `fpr` all
 * the same (roc.c has the proof). Fewer than 1/fpr non-members:
 * ASSAY_NOTHING, with the reason; `*out` is NaN then. fpr = 0 means no false
 * positive among the non-members there are, with Clopper-Pearson's interval
 * at that threshold, and is never refused. fpr outside [0, 1]: ASSAY_ARG.
 */
int assay_tpr_at_fpr(struct assay_estimate *out, const struct assay_roc *roc,
                     double fpr, struct assay_error *err) ASSAY_MUST_CHECK;

/* Clopper-Pearson interval of k successes in n trials. n = 0 and k > n give
 * NaN. */
struct assay_estimate assay_proportion(size_t k, size_t n);
/*
 * p - q of two independent estimates: the deviations of their intervals add
 * up in squares (Newcombe, 1998, method 10). NaN where one of them is.
 */
struct assay_estimate assay_difference(const struct assay_estimate *p,
                                       const struct assay_estimate *q);
/* The beta distribution's quantile, by which it is computed. NaN unless
 * 0 <= p <= 1 and a, b are positive and finite. */
double assay_beta_quantile(double p, double a, double b);
/* Standard normal: distribution function and quantile (-inf at 0, inf at 1,
 * NaN outside [0, 1]). */
double assay_normal_cdf(double x);
double assay_normal_quantile(double p);
/* Quantile of Student's t with df > 0 degrees of freedom. */
double assay_student_quantile(double p, double df);

/*
 * The threshold with the best balanced accuracy on the given records: for
 * fitting on records that are not reported on. It lies halfway between the
 * smallest score taken and the next; of several equally good ones it is the
 * largest. Always finite: where nothing beats guessing it may call everybody
 * a member. NaN where assay_roc_make() would fail.
 */
double assay_threshold_fit(const double *scores, const uint8_t *positive,
                           size_t n);

/*
 * Balanced accuracy (mean of TPR and TNR) of calling score >= threshold a
 * member. The interval takes the two proportions as independent and adds
 * the squared deviations of their Wilson intervals (Newcombe, 1998): within
 * [0, 1], and not of width 0 where all are right. NaN for an empty class, a
 * non-finite score or a NaN threshold.
 */
struct assay_estimate assay_balanced_accuracy(const double *scores,
                                              const uint8_t *positive, size_t n,
                                              double threshold);

/*
 * Lower bound on epsilon at `delta`, 95 % confidence, from an ROC curve:
 * the best over a grid of thresholds, each at confidence 1 - 0.05 / grid
 * (Bonferroni), from Clopper-Pearson bounds on TPR and FPR and on TNR and
 * FNR (Jagielski et al., 2020; Nasr et al., 2021). The records must be
 * independent draws. 0 when nothing can be said; NaN for a delta outside
 * [0, 1). The value is the bound itself; low = value, high = NaN.
 */
struct assay_estimate assay_epsilon_lower_bound(const struct assay_roc *roc,
                                                double delta);

/*
 * The largest TPR - FPR over all thresholds. The value is optimistic, as the
 * threshold is chosen on the same records; the interval holds all the same,
 * for every distribution of scores (Dvoretzky-Kiefer-Wolfowitz-Massart), and
 * is wide for it.
 */
struct assay_estimate assay_advantage(const struct assay_roc *roc);

/* The part of those called members who are members, where `prior` of all
 * candidates are: NaN when nobody is called one. All three in [0, 1]. */
double assay_ppv(double tpr, double fpr, double prior);
/*
 * The same from scores: calling score >= threshold a member. The interval is
 * conservative, from Clopper-Pearson bounds on TPR and FPR. NaN for a NaN
 * threshold, an empty class, and when nobody is called a member.
 */
struct assay_estimate assay_ppv_at(const double *scores,
                                   const uint8_t *positive, size_t n,
                                   double threshold, double prior);

/*
 * For the largest of `among` numbers, e.g. of as many attacks on one model:
 * the same with intervals so wide that all `among` hold together with 95 %
 * (Bonferroni). among = 1, and 0, is the function without `_among`.
 */
int assay_auc_among(struct assay_estimate *out, const double *scores,
                    const uint8_t *positive, size_t n, size_t among,
                    struct assay_error *err) ASSAY_MUST_CHECK;
int assay_tpr_at_fpr_among(struct assay_estimate *out,
                           const struct assay_roc *roc, double fpr,
                           size_t among,
                           struct assay_error *err) ASSAY_MUST_CHECK;
struct assay_estimate assay_balanced_accuracy_among(const double *scores,
                                                    const uint8_t *positive,
                                                    size_t n, double threshold,
                                                    size_t among);
struct assay_estimate assay_epsilon_lower_bound_among(
    const struct assay_roc *roc, double delta, size_t among);
/* And of any 95 % interval, whose sides are stretched as a normal one's would
 * be: good where it is nearly normal, short in far tails. */
struct assay_estimate assay_estimate_among(const struct assay_estimate *e,
                                           size_t among);

#define ASSAY_SUMMARY_RATES 5
#define ASSAY_SUMMARY_PRIOR 0.1 /* one candidate in ten is a member */

/* What is reported of every attack that scores records. */
struct assay_score_summary {
    size_t n_pos;
    size_t n_neg;
    struct assay_estimate auc;
    double fpr[ASSAY_SUMMARY_RATES];                /* 0.1 ... 0.0001, 0 */
    struct assay_estimate tpr[ASSAY_SUMMARY_RATES]; /* NaN where refused */
    char refused[ASSAY_SUMMARY_RATES][96];   /* why; empty where it was not */
    double threshold;                        /* as given, may be NaN */
    struct assay_estimate balanced_accuracy; /* at threshold */
    double prior;                            /* ASSAY_SUMMARY_PRIOR */
    struct assay_estimate ppv;               /* at threshold and prior */
    struct assay_estimate advantage;
    double delta;                  /* as given */
    struct assay_estimate epsilon; /* lower bound at delta */
};

/*
 * Fill `out` from the scores of members and non-members. `threshold` was
 * fitted on other records, or is NaN: balanced accuracy and PPV are NaN
 * then. A TPR that is refused is no failure: it stays NaN with the reason
 * beside it. Errors as assay_roc_make(), and ASSAY_ARG for a
 * delta outside [0, 1); `*out` is untouched then. O(n log n), one sort.
 */
int assay_score_summarise(const double *scores, const uint8_t *positive,
                          size_t n, double threshold, double delta,
                          struct assay_score_summary *out,
                          struct assay_error *err) ASSAY_MUST_CHECK;

/*
 * Guesses of one of k values, beside the truth; all in 0..k-1. NaN for
 * n = 0.
 *
 * Excess: the share of right guesses less the share that guesses which knew
 * nothing of the truth, but favoured the same values, would get (the
 * numerator of Cohen's kappa). 0 within its interval where there is nothing
 * to learn. The interval is the delta method's.
 */
struct assay_estimate assay_excess_agreement(const int32_t *guess,
                                             const int32_t *truth, size_t n,
                                             int k);
/*
 * The same for guesses of a rule that was learnt: it takes records of one
 * group (cluster[i] in 0..n_clusters-1) for much the same, so it is right or
 * wrong about whole groups by chance. The interval is made from the groups'
 * sums (Student's t with one degree less than there are groups), [-1, 1] for
 * a single one. `degrees` (may be NULL) gets these degrees of freedom.
 */
struct assay_estimate assay_excess_agreement_clustered(const int32_t *guess,
                                                       const int32_t *truth,
                                                       const int32_t *cluster,
                                                       int n_clusters, size_t n,
                                                       int k, int *degrees);
/* F1: of value 1 when k is 2, else the mean over the values that occur in
 * truth or guess. 95 % percentile interval of 1,000 bootstrap draws from the
 * stream (0, "f1", draw). NaN with ASSAY_NOMEM. */
int assay_f1(struct assay_estimate *out, const int32_t *guess,
             const int32_t *truth, size_t n, int k,
             struct assay_error *err) ASSAY_MUST_CHECK;
/*
 * How much more often one is right than the other on the same n records
 * (right[i], other[i] in {0, 1}): the difference of the shares with
 * Newcombe's interval for paired ones (1998, method 10).
 */
struct assay_estimate assay_paired_gain(const uint8_t *right,
                                        const uint8_t *other, size_t n);

/* NaN for n = 0. */
double assay_mean(const double *x, size_t n);
/* Sample standard deviation (n - 1); NaN for n < 2. */
double assay_sd(const double *x, size_t n);
/* Pearson's r with Fisher's interval; [-1, 1] for n < 4. NaN for n < 2 and
 * where x or y does not vary. */
struct assay_estimate assay_pearson(const double *x, const double *y, size_t n);
/*
 * Spearman's rho: Pearson's r of the ranks, ties sharing the mean of theirs.
 * The interval is Fisher's with the variance (1 + rho^2 / 2) / (n - 3)
 * (Bonett and Wright, Psychometrika 2000); [-1, 1] for n < 4. NaN as for
 * Pearson, and for numbers that are not finite. ASSAY_NOMEM alone fails.
 */
int assay_spearman(struct assay_estimate *out, const double *x, const double *y,
                   size_t n, struct assay_error *err) ASSAY_MUST_CHECK;

enum assay_correlation { ASSAY_PEARSON, ASSAY_SPEARMAN };
struct assay_bootstrap {
    enum assay_correlation kind;
    size_t resamples;
    uint64_t seed;
};

/*
 * Percentile interval of a correlation from draws of n of the n pairs with
 * replacement (Efron, 1979). Draw b comes from the stream (seed, "bootstrap",
 * b): all pairs of lists of one length are drawn alike. Draws in which x or y
 * does not vary have no correlation and are left out; where those are more
 * than half the interval is NaN, as it is for n < 4. `value` is the
 * correlation of the pairs themselves. Errors: _NOMEM.
 */
int assay_correlation_bootstrap(struct assay_estimate *out,
                                const struct assay_bootstrap *how,
                                const double *x, const double *y, size_t n,
                                struct assay_error *err) ASSAY_MUST_CHECK;
/* Mean with a Student-t interval; the interval is NaN for n < 2. */
struct assay_estimate assay_mean_interval(const double *x, size_t n);

#ifdef __cplusplus
}
#endif
#endif
