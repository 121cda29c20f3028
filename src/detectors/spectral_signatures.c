/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Spectral signatures (Tran, Li and Madry, NeurIPS 2018): poisoned records
 * stand out along the direction in which the embeddings of their class vary
 * most. With M the centred embeddings of a class and v its top right singular
 * vector, the paper scores (M_i v)^2 and removes a share of 1.5 x the expected
 * poison from each class. That number has the scale of the class. Here
 *
 *   score_i = ((M_i v - median) / (1.4826 MAD))^2
 *
 * median and MAD those of M v in the class: about 1 on average where a class is
 * normal along v, whatever its scale, so that records of all classes can be
 * put in one order; and neither centre nor scale is moved by the poison as
 * the mean is. No threshold is set; the note says what share the paper
 * removes.
 *
 * White-box (embeddings); needs the training data, and under half of a class
 * poisoned. The authors' code takes products with rows that are not centred;
 * the paper's formula is used. Per class: the mean score, 1 when nothing
 * stands out.
 */

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/mem.h"
#include "detectors/embed.h"

enum { PARAM_POISON };

static const struct assay_setting params[] = {
    {"poison", .05, 0, .5, "share of a class that is expected to be poisoned"},
    {NULL, 0, 0, 0, NULL}};

enum { LEAST = 8 };

struct spectrum {
    const struct assay_detector_input *in;
    struct assay_detection *out;
};

/* Scores of a class from its projections in x [n]; `work` is [n]. */
static void score(const struct spectrum *s, const struct assay__class_rows *c,
                  const double *x, double *work)
{
    double middle;
    double mad;
    double mean = 0;

    memcpy(work, x, c->n * sizeof(*work));
    middle = assay__median(work, c->n);
    for (size_t i = 0; i < c->n; i++) {
        work[i] = fabs(x[i] - middle);
        mean += work[i] / (double)c->n;
    }
    mad = 1.4826 * assay__median(work, c->n);
    /* Half of the class at one point: the mean is what is left to compare
     * with. */
    if (!(mad > 1e-9 * mean))
        mad = mean;
    s->out->per_class[c->label] = 0;
    for (size_t i = 0; i < c->n; i++) {
        double z = mad > 0 ? (x[i] - middle) / mad : 0;

        s->out->record[c->row[i]] = z * z;
        s->out->per_class[c->label] += z * z / (double)c->n;
    }
}

static int each(void *user, struct assay__class_rows *c,
                struct assay_error *err)
{
    struct spectrum *s = user;
    double *v = assay__calloc(c->width, sizeof(*v));
    double *work = assay__calloc(2 * c->n, sizeof(*work));
    double *x = work ? work + c->n : NULL;

    if (!v || !work) {
        assay__free(v);
        assay__free(work);
        return assay_error_set(err, ASSAY_NOMEM,
                               "spectral-signatures: out of memory");
    }
    assay__principal(c, 1, s->in->ctx->seed, work, v);
    for (size_t i = 0; i < c->n; i++) {
        x[i] = 0;
        for (size_t k = 0; k < c->width; k++)
            x[i] += c->m[i * c->width + k] * v[k];
    }
    score(s, c, x, work);
    assay__free(v);
    assay__free(work);
    return ASSAY_OK;
}

static int run(const struct assay_detector_input *in,
               struct assay_detection *out, struct assay_error *err)
{
    struct spectrum s = {in, out};
    double share = fmin(1, 1.5 * in->param[PARAM_POISON]);
    size_t best = 0;
    int rc =
        assay__each_class(in, "spectral-signatures", LEAST, out, each, &s, err);

    if (rc)
        return rc;
    out->statistic = "mean score of its records";
    for (size_t k = 1; k < out->n_classes; k++)
        if (isnan(out->per_class[best]) ||
            out->per_class[k] > out->per_class[best])
            best = k;
    snprintf(out->note, sizeof(out->note),
             "class %zu stands out most (mean %.2f; 1 is none); the paper "
             "removes the first %.3g of each class",
             best, out->per_class[best], share);
    return ASSAY_OK;
}

const struct assay_detector assay_detector_spectral_signatures = {
    .name = "spectral-signatures",
    .title = "Spectral signatures",
    .summary = "Training records that stand out along the direction in which "
               "their class varies most.",
    .cites = "Tran et al., NeurIPS 2018",
    .subject = ASSAY_DETECT_DATA,
    .needs = 0,
    .params = params,
    .run = run,
};
