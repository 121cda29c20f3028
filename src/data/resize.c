/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Resizing in two passes, columns first: the passes are sums of a few old
 * pixels with weights that depend on the position along one axis only, so
 * they are tabulated once per resizer. Cost per plane: in_h * out_w *
 * across.n + out_h * out_w * down.n multiplications.
 */

#include "data/resize.h"

#include <math.h>
#include <string.h>

#include "core/mem.h"

/* Bilinear: the two old pixels whose centres surround the new centre. */
static void grow_taps(struct assay__taps *t, int in, int out)
{
    for (int i = 0; i < out; i++) {
        double at = (i + 0.5) * in / out - 0.5;
        int low = at > 0 ? (int)at : 0;
        double part = at > 0 ? at - low : 0;

        if (low > in - t->n) {
            /* Past the last centre: that pixel alone. */
            part = low - (in - t->n) + part > 1 ? 1 : low - (in - t->n) + part;
            low = in - t->n;
        }
        t->start[i] = low;
        t->weight[i * t->n] = t->n == 1 ? 1.0f : (float)(1 - part);
        if (t->n == 2)
            t->weight[2 * i + 1] = (float)part;
    }
}

/* Area: each old pixel by the length of it that the new one covers. */
static void shrink_taps(struct assay__taps *t, int in, int out)
{
    double ratio = (double)in / out;

    for (int i = 0; i < out; i++) {
        double low = i * ratio;
        double high = (i + 1) * ratio;
        int start = (int)low;

        if (start > in - t->n)
            start = in - t->n;
        t->start[i] = start;
        for (int k = 0; k < t->n; k++) {
            double cover = fmin(high, start + k + 1) - fmax(low, start + k);

            t->weight[i * t->n + k] = cover > 0 ? (float)(cover / ratio) : 0;
        }
    }
}

static int init_taps(struct assay__taps *t, int in, int out,
                     struct assay_error *err)
{
    int most = out >= in ? 2 : (int)ceil((double)in / out) + 1;

    t->n = most < in ? most : in;
    t->start = assay__calloc((size_t)out, sizeof(*t->start));
    t->weight = assay__calloc((size_t)out, (size_t)t->n * sizeof(*t->weight));
    if (!t->start || !t->weight)
        return assay_error_set(err, ASSAY_NOMEM, "no memory to resize");
    if (out >= in)
        grow_taps(t, in, out);
    else
        shrink_taps(t, in, out);
    return ASSAY_OK;
}

int assay__resizer_init(struct assay__resizer *r, int in_h, int in_w, int out_h,
                        int out_w, struct assay_error *err)
{
    int rc;

    *r = (struct assay__resizer){
        .in_h = in_h, .in_w = in_w, .out_h = out_h, .out_w = out_w};
    rc = init_taps(&r->down, in_h, out_h, err);
    if (!rc)
        rc = init_taps(&r->across, in_w, out_w, err);
    if (rc)
        assay__resizer_release(r);
    return rc;
}

void assay__resizer_release(struct assay__resizer *r)
{
    assay__free(r->down.start);
    assay__free(r->down.weight);
    assay__free(r->across.start);
    assay__free(r->across.weight);
    memset(r, 0, sizeof(*r));
}

size_t assay__resizer_scratch(const struct assay__resizer *r)
{
    size_t longest = (size_t)(r->in_w > r->out_w ? r->in_w : r->out_w);

    return (size_t)r->in_h * (size_t)r->out_w + longest;
}

static void across(const struct assay__taps *t, float *dst, const float *src,
                   int n)
{
    for (int i = 0; i < n; i++) {
        const float *weight = t->weight + i * t->n;
        const float *at = src + t->start[i];
        float sum = 0;

        for (int k = 0; k < t->n; k++)
            sum += weight[k] * at[k];
        dst[i] = sum;
    }
}

/* Row i of the result from all rows of the first pass. */
static void down(const struct assay__resizer *r, float *dst, const float *rows,
                 int i)
{
    const float *weight = r->down.weight + i * r->down.n;
    size_t w = (size_t)r->out_w;
    const float *src = rows + (size_t)r->down.start[i] * w;

    for (size_t x = 0; x < w; x++)
        dst[x] = weight[0] * src[x];
    for (int k = 1; k < r->down.n; k++) {
        src += w;
        for (size_t x = 0; x < w; x++)
            dst[x] += weight[k] * src[x];
    }
}

void assay__resize_u8(const struct assay__resizer *r, uint8_t *dst,
                      const uint8_t *src, float *scratch)
{
    size_t in_w = (size_t)r->in_w;
    size_t out_w = (size_t)r->out_w;
    float *line = scratch + (size_t)r->in_h * out_w;

    for (size_t y = 0; y < (size_t)r->in_h; y++) {
        for (size_t x = 0; x < in_w; x++)
            line[x] = (float)src[y * in_w + x];
        across(&r->across, scratch + y * out_w, line, r->out_w);
    }
    for (int y = 0; y < r->out_h; y++) {
        down(r, line, scratch, y);
        for (size_t x = 0; x < out_w; x++) {
            float v = line[x] + 0.5f;

            dst[(size_t)y * out_w + x] = v < 255.0f ? (uint8_t)v : 255;
        }
    }
}

void assay__resize_f32(const struct assay__resizer *r, float *dst,
                       const float *src, float *scratch)
{
    size_t in_w = (size_t)r->in_w;
    size_t out_w = (size_t)r->out_w;

    for (size_t y = 0; y < (size_t)r->in_h; y++)
        across(&r->across, scratch + y * out_w, src + y * in_w, r->out_w);
    for (int y = 0; y < r->out_h; y++)
        down(r, dst + (size_t)y * out_w, scratch, y);
}
