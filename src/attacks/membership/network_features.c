/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Features of the network attacks, per record and in double until the last
 * step. Members' losses lie many orders of magnitude below one, so
 * posteriors and losses go in as logarithms, and gradients through asinh,
 * which is linear near 0 and logarithmic beyond. (In the published code
 * posteriors are raw logits, gradients those of whole batches summed up;
 * here they are each record's own: softmax minus one-hot, times the
 * embedding.)
 */

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "attacks/membership/network.h"
#include "core/mem.h"

static const double LOG_FLOOR = -60; /* of log-posteriors and log losses */

static int descending(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return (x < y) - (x > y);
}

/* log of the cross-entropy, from the logarithm of own / others. */
static double log_loss(double confidence)
{
    /* loss = log(1 + others / own), which is others / own when small. */
    if (confidence > 30)
        return fmax(-confidence, LOG_FLOOR);
    return log(confidence < -30 ? -confidence : log1p(exp(-confidence)));
}

static size_t dense_width(const struct assay__feature_scale *scale)
{
    size_t queries = scale->n_queries ? 1 + (size_t)scale->n_queries : 0;

    return (size_t)scale->n_classes + 1 + queries;
}

/* Sorted log-posteriors, log of the cross-entropy, scaled confidences into
 * out[dense_width]. */
static void dense_features(const struct assay__feature_scale *scale,
                           const struct assay_evidence *e, size_t i,
                           double *out)
{
    const float *x = e->logits + i * (size_t)e->n_classes;
    double top = -(double)INFINITY;
    double all = 0;
    double others = 0;
    double own;

    for (int k = 0; k < e->n_classes; k++)
        top = fmax(top, (double)x[k]);
    for (int k = 0; k < e->n_classes; k++) {
        double part = exp((double)x[k] - top);

        all += part;
        others += k == e->label[i] ? 0 : part;
    }
    own = (double)x[e->label[i]] - top - log(fmax(others, 1e-300));
    for (int k = 0; k < e->n_classes; k++)
        out[k] = fmax((double)x[k] - top - log(all), LOG_FLOOR);
    qsort(out, (size_t)e->n_classes, sizeof(*out), descending);
    out += e->n_classes;
    out[0] = log_loss(own);
    if (scale->n_queries) {
        out[1] = own;
        assay_evidence_query_confidence(e, i, out + 2);
    }
}

/* softmax minus one-hot into out[K]. */
static void output_gradient(const struct assay_evidence *e, size_t i,
                            double *out)
{
    double rest = 0;

    assay_evidence_probs(e, i, out);
    for (int k = 0; k < e->n_classes; k++)
        if (k != e->label[i])
            rest += out[k];
    out[e->label[i]] = -rest;
}

static double gradient_size(const struct assay__row *row, double *scratch)
{
    const struct assay_evidence *e = row->evidence;
    const float *h = e->embedding + row->index * (size_t)e->embedding_dim;
    double out = 0;
    double in = 0;

    output_gradient(e, row->index, scratch);
    for (int k = 0; k < e->n_classes; k++)
        out += fabs(scratch[k]);
    for (int j = 0; j < e->embedding_dim; j++)
        in += fabs((double)h[j]);
    return out * in / ((double)e->n_classes * (double)e->embedding_dim);
}

int assay__feature_scale_fit(struct assay__feature_scale *scale,
                             const struct assay__row *row, size_t n,
                             int white_box, int n_queries,
                             struct assay_error *err)
{
    double *scratch;
    double *square;
    size_t width;

    memset(scale, 0, sizeof(*scale));
    scale->n_classes = row[0].evidence->n_classes;
    scale->n_top = scale->n_classes;
    scale->n_queries = white_box ? n_queries : 0;
    width = dense_width(scale);
    scratch = assay__calloc(width, sizeof(double));
    square = assay__calloc(width, sizeof(double));
    scale->mean = assay__calloc(width, sizeof(double));
    scale->sd = assay__calloc(width, sizeof(double));
    if (!scratch || !square || !scale->mean || !scale->sd) {
        assay__free(scratch);
        assay__free(square);
        assay__feature_scale_release(scale);
        return assay_error_set(err, ASSAY_NOMEM,
                               "attack network: out of memory");
    }
    for (size_t i = 0; i < n; i++) {
        dense_features(scale, row[i].evidence, row[i].index, scratch);
        for (size_t j = 0; j < width; j++) {
            scale->mean[j] += scratch[j] / (double)n;
            square[j] += scratch[j] * scratch[j] / (double)n;
        }
        if (white_box)
            scale->gradient += gradient_size(&row[i], scratch) / (double)n;
    }
    for (size_t j = 0; j < width; j++) {
        double variance = square[j] - scale->mean[j] * scale->mean[j];

        scale->sd[j] = sqrt(fmax(variance, 1e-12));
    }
    scale->gradient = fmax(scale->gradient, 1e-30);
    assay__free(scratch);
    assay__free(square);
    return ASSAY_OK;
}

void assay__feature_scale_release(struct assay__feature_scale *scale)
{
    assay__free(scale->mean);
    assay__free(scale->sd);
    memset(scale, 0, sizeof(*scale));
}

static void gradient_feature(const struct assay__feature_scale *scale,
                             const struct assay__row *row, float *out,
                             double *scratch)
{
    const struct assay_evidence *e = row->evidence;
    size_t h = (size_t)e->embedding_dim;
    const float *embedding = e->embedding + row->index * h;

    output_gradient(e, row->index, scratch);
    for (size_t k = 0; k < (size_t)e->n_classes; k++)
        for (size_t j = 0; j < h; j++)
            out[k * h + j] =
                asinhf((float)(scratch[k] / scale->gradient) * embedding[j]);
}

/* n dense features from `first` on, brought to scale. */
static void standardise(const struct assay__feature_scale *scale,
                        const double *dense, size_t first, size_t n, float *out)
{
    for (size_t j = first; out && j < first + n; j++)
        out[j - first] = (float)((dense[j] - scale->mean[j]) / scale->sd[j]);
}

void assay__features(const struct assay__feature_scale *scale,
                     const struct assay__row *row, float *const *feature,
                     double *scratch)
{
    const struct assay_evidence *e = row->evidence;
    size_t k = (size_t)e->n_classes;
    const float *x = e->logits + row->index * k;

    dense_features(scale, e, row->index, scratch);
    standardise(scale, scratch, 0, (size_t)scale->n_top,
                feature[ASSAY__FEATURE_POSTERIORS]);
    standardise(scale, scratch, k, 1, feature[ASSAY__FEATURE_LOSS]);
    standardise(scale, scratch, k + 1, 1 + (size_t)scale->n_queries,
                feature[ASSAY__FEATURE_QUERIES]);
    if (feature[ASSAY__FEATURE_CORRECT]) {
        size_t best = 0;

        for (size_t j = 1; j < k; j++)
            if (x[j] > x[best])
                best = j;
        *feature[ASSAY__FEATURE_CORRECT] =
            (int32_t)best == e->label[row->index];
    }
    if (feature[ASSAY__FEATURE_LABEL])
        for (size_t j = 0; j < k; j++)
            feature[ASSAY__FEATURE_LABEL][j] =
                (int32_t)j == e->label[row->index];
    if (feature[ASSAY__FEATURE_GRADIENT])
        gradient_feature(scale, row, feature[ASSAY__FEATURE_GRADIENT], scratch);
}
