/* SPDX-License-Identifier: Apache-2.0 */
/*
 * STRIP (Gao et al., ACSAC 2019): an input is blended with clean records; what
 * a model says of the blends varies for a clean input, and does not for one
 * whose trigger shows through. With N blends x_n = s x + (1 - s) z_n,
 *
 *   H(x) = - 1/N sum over n, classes of p log2 p,     score = -H
 *
 * The threshold is the share `frr` of clean inputs that are lost, of a normal
 * fitted to H of clean records that are neither judged nor blended with: half
 * of the clean records are blended, the other half are for the threshold.
 *
 * Access black-box, clean records. Deviations: the authors' code adds x and
 * z at full weight and lets the sum saturate; here both are mixed, so that
 * blends stay within the pixels' range. A flagged share near `frr` says
 * nothing: that is what the threshold was made for.
 */

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "assay/rng.h"
#include "core/mem.h"
#include "detectors/reverse.h"

enum { PARAM_BLENDS, PARAM_SHARE, PARAM_FRR, PARAM_RECORDS };

static const struct assay_setting params[] = {
    {"blends", 100, 2, 100000, "blends of each input"},
    {"share", .5, .01, .99, "share of the input in a blend"},
    {"frr", .01, .00001, .5, "share of clean inputs that may be lost"},
    {"records", 2000, 8, 1000000, "clean records to use, at most"},
    {NULL, 0, 0, 0, NULL}};

struct strip {
    const struct assay_detector_input *in;
    size_t blends, image, k;
    float *clean; /* the first `pool` are blended with, the others judged */
    size_t n_clean, pool;
    float *blend;  /* [blends, image] */
    float *logits; /* [blends, K] */
    float *x;      /* one image */
    assay_predictor *predictor;
};

/* -sum p log2 p of one row of logits. */
static double entropy(const float *logits, size_t k)
{
    double most = (double)logits[0];
    double sum = 0;
    double mean = 0;

    for (size_t i = 1; i < k; i++)
        most = fmax(most, (double)logits[i]);
    for (size_t i = 0; i < k; i++) {
        double e = exp((double)logits[i] - most);

        sum += e;
        mean += e * ((double)logits[i] - most);
    }
    return (log(sum) - mean / sum) / log(2);
}

/* H of one image; its blends are drawn from the stream of that index. */
static int judge(struct strip *s, const float *x, uint64_t index, double *h,
                 struct assay_error *err)
{
    double share = s->in->param[PARAM_SHARE];
    struct assay_rng rng;
    int rc = assay_context_check(s->in->ctx, err);

    assay_rng_init(&rng, s->in->ctx->seed, "strip-blend", index);
    for (size_t n = 0; n < s->blends; n++) {
        const float *z = s->clean + assay_rng_below(&rng, s->pool) * s->image;
        float *to = s->blend + n * s->image;

        for (size_t j = 0; j < s->image; j++)
            to[j] = (float)(share * (double)x[j] + (1 - share) * (double)z[j]);
    }
    if (!rc)
        rc = assay_predictor_run(s->predictor, s->blend, s->blends, s->logits,
                                 NULL, err);
    *h = 0;
    for (size_t n = 0; n < s->blends && !rc; n++)
        *h += entropy(s->logits + n * s->k, s->k) / (double)s->blends;
    return rc;
}

static int open_strip(struct strip *s, struct assay_error *err)
{
    const struct assay_detector_input *in = s->in;
    const struct assay_preprocess *pre = assay_model_preprocess(in->model);
    int rc = assay__gather_images(in->clean, (size_t)in->param[PARAM_RECORDS],
                                  in->ctx->seed, "strip", &s->clean, NULL,
                                  &s->n_clean, err);

    if (rc)
        return rc;
    if (s->n_clean < 8)
        return assay_error_set(err, ASSAY_DATA,
                               "strip: %zu clean records; 8 are the least",
                               s->n_clean);
    s->pool = s->n_clean / 2;
    s->blends = (size_t)in->param[PARAM_BLENDS];
    s->image = (size_t)pre->channels * (size_t)pre->height * (size_t)pre->width;
    s->k = (size_t)assay_model_n_classes(in->model);
    s->blend = assay__calloc(s->blends * s->image, sizeof(float));
    s->logits = assay__calloc(s->blends * s->k, sizeof(float));
    s->x = assay__calloc(s->image, sizeof(float));
    if (!s->blend || !s->logits || !s->x)
        return assay_error_set(
            err, ASSAY_NOMEM, "strip: out of memory for %zu blends", s->blends);
    return assay_predictor_new(
        &s->predictor, in->model, in->compute,
        in->compute->threads ? in->compute->threads : in->ctx->threads, err);
}

/* The threshold from clean records that are not blended with. */
static int fit(struct strip *s, double *threshold, struct assay_error *err)
{
    size_t n = s->n_clean - s->pool;
    double *h = assay__calloc(n, sizeof(*h));
    int rc = ASSAY_OK;

    if (!h)
        return assay_error_set(err, ASSAY_NOMEM, "strip: out of memory");
    for (size_t i = 0; i < n && !rc; i++)
        rc = judge(s, s->clean + (s->pool + i) * s->image,
                   ((uint64_t)1 << 40) + i, &h[i], err);
    *threshold =
        -(assay_mean(h, n) +
          assay_sd(h, n) * assay_normal_quantile(s->in->param[PARAM_FRR]));
    assay__free(h);
    return rc;
}

static int judge_all(struct strip *s, struct assay_detection *out,
                     struct assay_error *err)
{
    size_t n = assay_view_count(s->in->suspects);
    size_t flagged = 0;
    int rc = ASSAY_OK;

    out->record = assay__calloc(n, sizeof(*out->record));
    if (!out->record)
        return assay_error_set(err, ASSAY_NOMEM,
                               "strip: out of memory for %zu records", n);
    out->n_records = n;
    for (size_t i = 0; i < n && !rc; i++) {
        uint32_t row = (uint32_t)i;
        double h = 0;

        assay_view_fill(s->in->suspects, &row, 1, NULL, 0, 0, s->x);
        rc = judge(s, s->x, i, &h, err);
        out->record[i] = -h;
        flagged += out->record[i] >= out->threshold;
    }
    snprintf(out->note, sizeof(out->note),
             "%zu of %zu flagged; of clean ones %g would be by the threshold "
             "of %zu clean records",
             flagged, n, s->in->param[PARAM_FRR], s->n_clean - s->pool);
    return rc;
}

static int run(const struct assay_detector_input *in,
               struct assay_detection *out, struct assay_error *err)
{
    struct strip s = {.in = in};
    int rc = open_strip(&s, err);

    if (!rc)
        rc = fit(&s, &out->threshold, err);
    if (!rc)
        rc = judge_all(&s, out, err);
    assay_predictor_free(s.predictor);
    assay__free(s.clean);
    assay__free(s.blend);
    assay__free(s.logits);
    assay__free(s.x);
    return rc;
}

const struct assay_detector assay_detector_strip = {
    .name = "strip",
    .title = "STRIP",
    .summary = "Inputs of which a model says the same whatever they are "
               "blended with.",
    .cites = "Gao et al., ACSAC 2019",
    .subject = ASSAY_DETECT_INPUT,
    .needs = ASSAY_DETECTOR_NEEDS_CLEAN,
    .params = params,
    .run = run,
};
