/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_PRIVACY_H
#define ASSAY_PRIVACY_H

/*
 * Differential privacy: what a training with noise guarantees (accounting,
 * upper bounds on epsilon), and what one training run shows of it (an audit,
 * a lower bound). docs/privacy.md has the formulas and how to read them
 * side by side.
 *
 * The mechanism is DP-SGD's: each step draws every record with probability
 * `rate` on its own (Poisson sampling), clips each record's gradient to a
 * norm C, and adds Gaussian noise of standard deviation noise * C to the
 * sum. Neighbouring data sets differ by one record that is there or not.
 * A training that shuffles and cuts batches is not this mechanism.
 */

#include <stddef.h>
#include <stdint.h>

#include "assay/error.h"

#ifdef __cplusplus
extern "C" {
#endif

#define ASSAY_NOISE_MIN 0.05
#define ASSAY_NOISE_MAX 1e4
#define ASSAY_STEPS_MAX UINT64_C(1000000000)
#define ASSAY_DELTA_MIN 1e-60

/* rate in [1e-9, 1], noise in [ASSAY_NOISE_MIN, ASSAY_NOISE_MAX], steps in
 * [1, ASSAY_STEPS_MAX]; all else is ASSAY_ARG. */
struct assay_dpsgd {
    double rate;    /* q, the mean batch over the records */
    double noise;   /* sigma, standard deviation over the clip norm */
    uint64_t steps; /* epochs times batches */
};

/*
 * Renyi divergence of order `order` of all steps together, in nats (Mironov,
 * Talwar and Zhang, 2019): steps * log E[(mixture / noise)^order] / (order -
 * 1). order > 1, up to 1e5. NaN for an order or a mechanism out of range.
 * Integer orders are the paper's finite sum; others are the same expectation
 * by the trapezoid rule, to about 10 digits. O(order) and O(order / noise^2).
 */
double assay_rdp(const struct assay_dpsgd *m, double order);

/* From (order, divergence) to (epsilon, delta). */
enum assay_rdp_conversion {
    /* rdp + log(1 / delta) / (order - 1): Mironov, 2017; what Opacus 0.x and
     * older TensorFlow Privacy print */
    ASSAY_RDP_CLASSIC,
    /* rdp + log1p(-1 / order) - log(delta order) / (order - 1): Balle et
     * al., 2020; Canonne, Kamath and Steinke, 2020. Never larger. */
    ASSAY_RDP_IMPROVED
};

struct assay_rdp_result {
    double epsilon;
    double order; /* at which it is least */
};

/*
 * The least epsilon over the orders 1.1, 1.2 ... 10.9, 11, 12 ... 64 and 48
 * more, ever further apart, up to 16,384. delta in [ASSAY_DELTA_MIN, 1).
 * Some milliseconds; the same numbers always. Errors: ASSAY_ARG with the
 * field, its value and its range; `*out` is untouched then.
 */
int assay_rdp_epsilon(struct assay_rdp_result *out, const struct assay_dpsgd *m,
                      double delta, enum assay_rdp_conversion how,
                      struct assay_error *err) ASSAY_MUST_CHECK;

/* low <= true epsilon <= high of the mechanism; a proof, no confidence. */
struct assay_prv_result {
    double low;
    double epsilon; /* the estimate */
    double high;    /* what may be claimed */
    /* The bounds' make-up: high is where the computed delta plus delta_error
     * is delta, plus epsilon_error; low likewise. */
    double epsilon_error;
    double delta_error;
};

/*
 * Epsilon by the privacy-loss random variable (Gopi, Lee and Wutschitz,
 * 2021): its distribution over one step on a grid that keeps the mean, its
 * steps-fold convolution by FFT. Both directions (record added, removed) are
 * computed and the worse is told. epsilon_error is 0.01, or less where
 * epsilon is small (0.4 % of a first bound on it), and more only where the
 * grid would exceed 2^22 points; delta_error is mostly delta / 5000. Tighter
 * than RDP but for these errors.
 *
 * delta in [ASSAY_DELTA_MIN, 1). 0.02 to 1 second and at most 40 MB. The
 * same numbers on the same machine. May be called from several threads.
 * Errors: ASSAY_ARG as above, ASSAY_NOMEM; ASSAY_NUMERIC where the loss has
 * no finite grid. `*out` is untouched then.
 */
int assay_prv_epsilon(struct assay_prv_result *out, const struct assay_dpsgd *m,
                      double delta, struct assay_error *err) ASSAY_MUST_CHECK;

enum assay_accountant {
    ASSAY_ACCOUNTANT_RDP_CLASSIC,
    ASSAY_ACCOUNTANT_RDP, /* improved conversion */
    ASSAY_ACCOUNTANT_PRV  /* its upper bound */
};

/* The epsilon that the accountant lets one claim. Errors as above. */
int assay_privacy_epsilon(double *epsilon, const struct assay_dpsgd *m,
                          double delta, enum assay_accountant accountant,
                          struct assay_error *err) ASSAY_MUST_CHECK;

#define ASSAY_NOISE_TOLERANCE 1e-4 /* relative */

/*
 * The noise needed: the smallest whose epsilon does not exceed `epsilon`,
 * from above to within ASSAY_NOISE_TOLERANCE. The epsilon at `*noise` is at
 * most the target, that at *noise * (1 - tolerance) exceeds it, except that
 * *noise is never below ASSAY_NOISE_MIN. m->noise is not read. epsilon in
 * (0, 1e6]. Up to 30 times the accountant's cost. Errors as above, and
 * ASSAY_NOTHING where even ASSAY_NOISE_MAX is too little; `*noise` is
 * untouched then.
 */
int assay_privacy_noise(double *noise, const struct assay_dpsgd *m,
                        double delta, double epsilon,
                        enum assay_accountant accountant,
                        struct assay_error *err) ASSAY_MUST_CHECK;

/*
 * Audit with one training run (Steinke, Nasr and Jagielski, NeurIPS 2023).
 *
 * Of n records ("canaries") each was put into the training data by the throw
 * of a fair coin of its own, all else fixed. An auditor who sees the model
 * alone scores them, calls the k_top best "in" and the k_bottom worst "out",
 * and abstains on the rest. Under (epsilon, delta)-DP the number of right
 * guesses is hardly above a binomial one with p = 1 / (1 + e^-epsilon).
 */

/*
 * Probability, at most, of `correct` or more right among `guesses` about n
 * canaries if training is (epsilon, delta)-DP (Corollary 5.4). 1 or less;
 * NaN unless correct <= guesses <= n, epsilon >= 0 and 0 <= delta <= 1.
 */
double assay_one_run_p_value(size_t n, size_t guesses, size_t correct,
                             double epsilon, double delta);
/*
 * The largest epsilon that `correct` refutes at `alpha`, 0 when none: a
 * lower bound with confidence 1 - alpha for guesses fixed without looking
 * at who was in. NaN as above and for an alpha outside (0, 1).
 */
double assay_one_run_epsilon(size_t n, size_t guesses, size_t correct,
                             double delta, double alpha);

struct assay_one_run {
    double epsilon; /* lower bound, 95 % confidence; 0 says nothing */
    double delta;   /* as given */
    size_t n;       /* canaries */
    size_t k_top;   /* guesses at the best: in, out, and how many right */
    size_t k_bottom;
    size_t correct;
    size_t choices; /* pairs (k_top, k_bottom) that share the 5 % */
};

/*
 * The bound from scores and included[i] in {0, 1}. The numbers of guesses
 * are chosen: n/2, n/4, n/8 ... down to 8 on both sides, at the top alone
 * and at the bottom alone, each extended to take all of a tied score; the
 * distinct choices, told apart by scores alone, share the 5 % (Bonferroni).
 *
 * Needs what assay_epsilon_lower_bound() does not: a fair coin per record,
 * thrown by the auditor; members that were simply there, or a test set that
 * came from elsewhere, do not do. In return it bounds the training's epsilon
 * from one model, which that function, made for many trainings of one
 * record, does not.
 *
 * Errors: ASSAY_NOTHING for n < 16; ASSAY_NUMERIC with the record for a
 * score that is not finite; ASSAY_ARG for another value in `included` or a
 * delta outside [0, 1); ASSAY_NOMEM. `*out` is untouched then.
 * O(n log n).
 */
int assay_one_run_bound(struct assay_one_run *out, const double *scores,
                        const uint8_t *included, size_t n, double delta,
                        struct assay_error *err) ASSAY_MUST_CHECK;

/* The same where the best of `among` bounds (at least 1) from scores of one
 * model is told: these share the 5 %, so that all of them hold together. */
int assay_one_run_bound_among(struct assay_one_run *out, const double *scores,
                              const uint8_t *included, size_t n, double delta,
                              size_t among,
                              struct assay_error *err) ASSAY_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
