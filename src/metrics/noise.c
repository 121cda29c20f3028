/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The noise that a target epsilon needs. Epsilon falls as noise grows; in
 * logarithms of both it is nearly a line, so that false position with
 * Illinois' halving takes a handful of steps. PRV, whose errors make it
 * slightly rough, is searched in the same way: what is returned was
 * evaluated and does not exceed the target.
 */

#include <math.h>

#include "dpsgd.h"

enum { MOST_STEPS = 60 };

int assay_privacy_epsilon(double *epsilon, const struct assay_dpsgd *m,
                          double delta, enum assay_accountant accountant,
                          struct assay_error *err)
{
    struct assay_rdp_result rdp;
    struct assay_prv_result prv;
    int code;

    if (accountant == ASSAY_ACCOUNTANT_PRV) {
        code = assay_prv_epsilon(&prv, m, delta, err);
        if (code == ASSAY_OK)
            *epsilon = prv.high;
        return code;
    }
    code = assay_rdp_epsilon(&rdp, m, delta,
                             accountant == ASSAY_ACCOUNTANT_RDP
                                 ? ASSAY_RDP_IMPROVED
                                 : ASSAY_RDP_CLASSIC,
                             err);
    if (code == ASSAY_OK)
        *epsilon = rdp.epsilon;
    return code;
}

struct search {
    struct assay_dpsgd m;
    double delta;
    double target;
    enum assay_accountant accountant;
};

/* log(epsilon / target) at log noise x; an epsilon of 0 is far below. */
static int excess(struct search *s, double x, double *out,
                  struct assay_error *err)
{
    double epsilon = 0.0;
    int code;

    s->m.noise = fmin(fmax(exp(x), ASSAY_NOISE_MIN), ASSAY_NOISE_MAX);
    code = assay_privacy_epsilon(&epsilon, &s->m, s->delta, s->accountant, err);
    if (code == ASSAY_OK)
        *out = log(fmax(epsilon, 1e-300) / s->target);
    return code;
}

/* From log noise x[0] in ever longer steps to two noises, one too little and
 * one enough; *found when x[1], the least there is, is enough already. */
static int bracket(struct search *s, double step, double x[2], double f[2],
                   int *found, struct assay_error *err)
{
    const double least = log(ASSAY_NOISE_MIN);
    const double most = log(ASSAY_NOISE_MAX);
    int code;

    *found = 0;
    x[1] = x[0];
    code = excess(s, x[1], &f[1], err);
    f[0] = f[1];
    while (code == ASSAY_OK && f[1] > 0.0) {
        if (x[1] >= most)
            return assay_error_set(err, ASSAY_NOTHING,
                                   "epsilon %g at delta %g: a noise of %g is "
                                   "too little",
                                   s->target, s->delta, ASSAY_NOISE_MAX);
        x[0] = x[1];
        f[0] = f[1];
        x[1] = fmin(x[1] + step, most);
        step *= 2.0;
        code = excess(s, x[1], &f[1], err);
    }
    while (code == ASSAY_OK && f[0] <= 0.0) {
        if (x[0] <= least) {
            x[1] = x[0];
            *found = 1;
            break;
        }
        x[1] = x[0];
        f[1] = f[0];
        x[0] = fmax(x[0] - step, least);
        step *= 2.0;
        code = excess(s, x[0], &f[0], err);
    }
    return code;
}

/* Narrow [x[0], x[1]], f[0] > 0 >= f[1]. */
static int narrow(struct search *s, double x[2], double f[2],
                  struct assay_error *err)
{
    const double close = log1p(ASSAY_NOISE_TOLERANCE);
    double weight[2] = {f[0], f[1]};
    int last = -1;
    int i;

    for (i = 0; i < MOST_STEPS && x[1] - x[0] > close; i++) {
        double width = x[1] - x[0];
        double part = weight[0] / (weight[0] - weight[1]);
        /* A little past the root: the two ends close in together. */
        double at = x[0] + width * fmin(fmax(part, 0.05), 0.95);
        double value = 0.0;
        int side;
        int code;

        if (last >= 0)
            at += (last == 1 ? -0.45 : 0.45) * close;
        at = fmin(fmax(at, x[0] + 0.1 * close), x[1] - 0.1 * close);
        code = excess(s, at, &value, err);
        if (code != ASSAY_OK)
            return code;
        side = value <= 0.0;
        x[side] = at;
        weight[side] = value;
        if (side == last)
            weight[!side] *= 0.5;
        last = side;
    }
    return ASSAY_OK;
}

int assay_privacy_noise(double *noise, const struct assay_dpsgd *m,
                        double delta, double epsilon,
                        enum assay_accountant accountant,
                        struct assay_error *err)
{
    struct search s = {*m, delta, epsilon, accountant};
    double start = 1.0;
    double step = log(2.0);
    double x[2];
    double f[2];
    int found = 0;
    int code;

    if (!(epsilon > 0.0 && epsilon <= 1e6))
        return assay_error_set(err, ASSAY_ARG,
                               "target epsilon %g: outside 0 to 1e6", epsilon);
    /* RDP's noise costs little and is a little too much for PRV. */
    if (accountant == ASSAY_ACCOUNTANT_PRV &&
        assay_privacy_noise(&start, m, delta, epsilon, ASSAY_ACCOUNTANT_RDP,
                            NULL) == ASSAY_OK)
        step = log(1.08);
    x[0] = log(start);
    code = bracket(&s, step, x, f, &found, err);
    if (code == ASSAY_OK && !found)
        code = narrow(&s, x, f, err);
    if (code == ASSAY_OK)
        *noise = fmin(fmax(exp(x[1]), ASSAY_NOISE_MIN), ASSAY_NOISE_MAX);
    return code;
}
