/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The meta-network of MNTD: one hidden layer of ReLU and one output, small
 * enough to be computed and differentiated here in double.
 */

#include "detectors/mntd.h"

#include <math.h>
#include <string.h>

#include "assay/rng.h"
#include "core/mem.h"

enum { HIDDEN = ASSAY__META_HIDDEN };

int assay__meta_init(struct assay__meta *m, size_t width, uint64_t seed,
                     struct assay_error *err)
{
    struct assay_rng rng;

    memset(m, 0, sizeof(*m));
    m->width = width;
    m->n = HIDDEN * (width + 2) + 1;
    m->weight = assay__calloc(m->n, sizeof(*m->weight));
    m->grad = assay__calloc(m->n, sizeof(*m->grad));
    m->moment = assay__calloc(2 * m->n, sizeof(*m->moment));
    m->d_x = assay__calloc(width, sizeof(*m->d_x));
    if (!m->weight || !m->grad || !m->moment || !m->d_x) {
        assay__meta_release(m);
        return assay_error_set(err, ASSAY_NOMEM,
                               "mntd: out of memory for %zu answers", width);
    }
    assay_rng_init(&rng, seed, "mntd-meta", 0);
    for (size_t i = 0; i < m->n; i++) {
        double inputs = i < HIDDEN * (width + 1) ? (double)width : HIDDEN;

        m->weight[i] = (2 * assay_rng_uniform(&rng) - 1) / sqrt(inputs);
    }
    return ASSAY_OK;
}

void assay__meta_release(struct assay__meta *m)
{
    assay__free(m->weight);
    assay__free(m->grad);
    assay__free(m->moment);
    assay__free(m->d_x);
    memset(m, 0, sizeof(*m));
}

double assay__meta_score(struct assay__meta *m, const double *x)
{
    const double *bias = m->weight + HIDDEN * m->width;
    const double *last = bias + HIDDEN;
    double score = last[HIDDEN];

    for (size_t h = 0; h < HIDDEN; h++) {
        double sum = bias[h];

        for (size_t k = 0; k < m->width; k++)
            sum += m->weight[h * m->width + k] * x[k];
        m->hidden[h] = fmax(sum, 0);
        score += last[h] * m->hidden[h];
    }
    return score;
}

void assay__meta_slopes(struct assay__meta *m, const double *x, double score,
                        int truth)
{
    const double *last = m->weight + HIDDEN * (m->width + 1);
    double *d_bias = m->grad + HIDDEN * m->width;
    double *d_last = d_bias + HIDDEN;
    double d = 1 / (1 + exp(-score)) - truth;

    memset(m->d_x, 0, m->width * sizeof(*m->d_x));
    d_last[HIDDEN] = d;
    for (size_t h = 0; h < HIDDEN; h++) {
        double d_h = m->hidden[h] > 0 ? d * last[h] : 0;

        d_last[h] = d * m->hidden[h];
        d_bias[h] = d_h;
        for (size_t k = 0; k < m->width; k++) {
            m->grad[h * m->width + k] = d_h * x[k];
            m->d_x[k] += d_h * m->weight[h * m->width + k];
        }
    }
}

void assay__meta_adam(double *x, const double *grad, double *moment, size_t n,
                      size_t step, double rate)
{
    double fix1 = 1 - pow(.9, (double)step);
    double fix2 = 1 - pow(.999, (double)step);

    for (size_t i = 0; i < n; i++) {
        double *mean = &moment[i];
        double *var = &moment[n + i];

        *mean = .9 * *mean + .1 * grad[i];
        *var = .999 * *var + .001 * grad[i] * grad[i];
        x[i] -= rate * (*mean / fix1) / (sqrt(*var / fix2) + 1e-8);
    }
}
