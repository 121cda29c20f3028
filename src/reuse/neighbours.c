/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Semantic neighbours: psi(x; m) = m x + (1 - m) eta, pixel by pixel, where
 * the mask m is near 1 on most of the image and eta is one of three
 * substitutes: the mean of each channel, noise of its mean and deviation, or
 * the image blurred. A draw is kept when the extractor's features of it are
 * much those of x.
 *
 * Ours, as the paper's masks are optimised and its numbers unknown to us: m
 * is 1 - a u with a strength a from U(0, 1) per draw and u from U(0, 1) at
 * each knot of an 8x8 grid over the image, bilinear between; the three
 * substitutes are equally likely; the blur is Gaussian with a deviation of a
 * tenth of the longer side.
 */

#include <math.h>
#include <string.h>

#include "core/mem.h"
#include "assay/rng.h"
#include "reuse/reuse.h"

enum { GRID = 8, CANDIDATES = 32 };

static void draw_mask(float *mask, int height, int width, struct assay_rng *rng)
{
    double strength = assay_rng_uniform(rng);
    double knot[GRID][GRID];

    for (int i = 0; i < GRID; i++)
        for (int j = 0; j < GRID; j++)
            knot[i][j] = 1 - strength * assay_rng_uniform(rng);
    for (int y = 0; y < height; y++) {
        double v = height > 1 ? (double)y * (GRID - 1) / (height - 1) : 0;
        int i = v >= GRID - 1 ? GRID - 2 : (int)v;

        for (int x = 0; x < width; x++) {
            double u = width > 1 ? (double)x * (GRID - 1) / (width - 1) : 0;
            int j = u >= GRID - 1 ? GRID - 2 : (int)u;
            double a = u - j;
            double b = v - i;

            mask[y * width + x] =
                (float)((1 - b) * ((1 - a) * knot[i][j] + a * knot[i][j + 1]) +
                        b * ((1 - a) * knot[i + 1][j] +
                             a * knot[i + 1][j + 1]));
        }
    }
}

/* One pass of a Gaussian blur along rows (step 1) or columns (step width);
 * places outside are those at the edge. */
static void blur_line(float *out, const float *in, int n, int step,
                      double deviation)
{
    int reach = (int)ceil(3 * deviation);

    for (int i = 0; i < n; i++) {
        double sum = 0;
        double total = 0;

        for (int k = -reach; k <= reach; k++) {
            int at = i + k < 0 ? 0 : i + k >= n ? n - 1 : i + k;
            double w = exp(-k * k / (2 * deviation * deviation));

            sum += w * (double)in[at * step];
            total += w;
        }
        out[i * step] = (float)(sum / total);
    }
}

static void blur(float *out, const float *in, int height, int width,
                 float *scratch)
{
    double deviation = (height > width ? height : width) / 10.0;

    for (int y = 0; y < height; y++)
        blur_line(scratch + y * width, in + y * width, width, 1, deviation);
    for (int x = 0; x < width; x++)
        blur_line(out + x, scratch + x, height, width, deviation);
}

static void constant_or_noise(float *out, const float *in, int n, bool noise,
                              struct assay_rng *rng)
{
    double mean = 0;
    double squares = 0;

    for (int i = 0; i < n; i++)
        mean += (double)in[i] / n;
    for (int i = 0; i < n; i++)
        squares += ((double)in[i] - mean) * ((double)in[i] - mean);
    for (int i = 0; i < n; i++)
        out[i] =
            (float)(noise ? mean + sqrt(squares / n) * assay_rng_normal(rng)
                          : mean);
}

/* scratch: two planes and the mask, 3 [H, W]. */
void assay__reuse_blend(float *out, const float *x, const int shape[3],
                        struct assay_rng *rng, float *scratch)
{
    int plane = shape[1] * shape[2];
    float *mask = scratch + 2 * plane;
    uint64_t kind = assay_rng_below(rng, 3);

    draw_mask(mask, shape[1], shape[2], rng);
    for (int c = 0; c < shape[0]; c++) {
        const float *from = x + c * plane;
        float *to = out + c * plane;

        if (kind == 2)
            blur(scratch, from, shape[1], shape[2], scratch + plane);
        else
            constant_or_noise(scratch, from, plane, kind == 1, rng);
        for (int i = 0; i < plane; i++)
            to[i] = mask[i] * from[i] + (1 - mask[i]) * scratch[i];
    }
}

static double cosine(const float *a, const float *b, size_t n)
{
    double ab = 0;
    double aa = 0;
    double bb = 0;

    for (size_t i = 0; i < n; i++) {
        ab += (double)a[i] * (double)b[i];
        aa += (double)a[i] * (double)a[i];
        bb += (double)b[i] * (double)b[i];
    }
    return aa > 0 && bb > 0 ? ab / sqrt(aa * bb) : 0;
}

/* A search in progress. */
struct search {
    const struct assay_reuse_anchor *anchor;
    const struct assay_reuse_options *o;
    assay_predictor *predictor;
    struct assay_rng rng;
    int shape[3];
    size_t pixels;
    size_t dim;
    float *candidate; /* [CANDIDATES, pixels] */
    float *logits;
    float *features; /* [CANDIDATES, dim] */
    float *own;      /* [dim], of the anchor */
    float *scratch;
};

static int search_open(struct search *s, const assay_model *f,
                       const struct assay_context *ctx,
                       const struct assay_compute *compute,
                       struct assay_error *err)
{
    const struct assay_preprocess *pre = assay_model_preprocess(f);
    struct assay_shape e =
        *assay_graph_shape(assay_model_graph(f), assay_model_embedding(f));
    size_t k = (size_t)assay_model_n_classes(f);

    s->shape[0] = pre->channels;
    s->shape[1] = pre->height;
    s->shape[2] = pre->width;
    s->pixels =
        (size_t)pre->channels * (size_t)pre->height * (size_t)pre->width;
    s->dim = assay_shape_count(&e, 1);
    s->candidate = assay__calloc(CANDIDATES * s->pixels, sizeof(float));
    s->logits = assay__calloc(CANDIDATES * k, sizeof(float));
    s->features = assay__calloc(CANDIDATES * s->dim, sizeof(float));
    s->own = assay__calloc(s->dim, sizeof(float));
    s->scratch = assay__calloc(3 * s->pixels, sizeof(float));
    if (!s->candidate || !s->logits || !s->features || !s->own || !s->scratch)
        return assay_error_set(err, ASSAY_NOMEM,
                               "no memory for neighbours of an image");
    assay_rng_init(&s->rng, s->o->seed, s->anchor->purpose, s->anchor->index);
    return assay_predictor_new(
        &s->predictor, f, compute,
        compute->threads ? compute->threads : ctx->threads, err);
}

static void search_close(struct search *s)
{
    assay_predictor_free(s->predictor);
    assay__free(s->candidate);
    assay__free(s->logits);
    assay__free(s->features);
    assay__free(s->own);
    assay__free(s->scratch);
}

/* Candidates until n are found or the tries run out. */
static int search_run(struct search *s, struct assay_reuse_found *to,
                      struct assay_error *err)
{
    size_t left = s->o->tries * to->n;
    int rc = assay_predictor_run(s->predictor, s->anchor->image, 1, s->logits,
                                 s->own, err);

    if (!rc && s->anchor->own && to->n > 0) {
        memcpy(to->x, s->anchor->image, s->pixels * sizeof(float));
        to->found = 1;
    }
    while (!rc && to->found < to->n && left > 0) {
        size_t count = left < CANDIDATES ? left : CANDIDATES;

        for (size_t i = 0; i < count; i++)
            assay__reuse_blend(s->candidate + i * s->pixels, s->anchor->image,
                               s->shape, &s->rng, s->scratch);
        rc = assay_predictor_run(s->predictor, s->candidate, count, s->logits,
                                 s->features, err);
        for (size_t i = 0; i < count && !rc && to->found < to->n; i++)
            if (cosine(s->features + i * s->dim, s->own, s->dim) >=
                s->o->cosine)
                memcpy(to->x + to->found++ * s->pixels,
                       s->candidate + i * s->pixels, s->pixels * sizeof(float));
        left -= count;
    }
    return rc;
}

int assay_reuse_neighbours(struct assay_reuse_found *found,
                           const struct assay_reuse_anchor *anchor,
                           const assay_model *f,
                           const struct assay_reuse_options *options,
                           const struct assay_context *ctx,
                           const struct assay_compute *compute,
                           struct assay_error *err)
{
    struct search s = {.anchor = anchor, .o = options};
    int rc = search_open(&s, f, ctx, compute, err);

    found->found = 0;
    if (!rc)
        rc = search_run(&s, found, err);
    search_close(&s);
    return rc;
}
