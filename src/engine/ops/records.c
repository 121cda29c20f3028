/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clipping record by record: the factor that brings a gradient's norm to a
 * limit, and sums of records with such factors. A factor of 0 removes its
 * record whatever numbers that has: rows that fill a batch up may hold
 * anything.
 */

#include <math.h>
#include <string.h>

#include "engine/ops/common.h"

static int factors_shape(const struct assay_attrs *attrs, int n_in,
                         const struct assay_shape *in, struct assay_shape *out,
                         struct assay_error *err)
{
    const char *op = "clip_factors";
    int code = assay__need_rank(op, "the squares", &in[0], 1, 1, err);

    if (code == ASSAY_OK && n_in > 1)
        code = assay__need_shape(op, "the weights", &in[1], &in[0], err);
    if (code == ASSAY_OK && !(attrs->alpha > 0.0))
        code = assay_error_set(err, ASSAY_SHAPE,
                               "%s: the limit is %g, must be above 0", op,
                               attrs->alpha);
    out[0] = out[1] = in[0];
    return code;
}

static void factors_reference(const struct assay__call *call)
{
    double limit = call->attrs->alpha;

    for (int64_t i = 0; i < call->in_shape[0].dim[0]; i++) {
        double norm = sqrt(call->in[0][i]);
        double weight = call->n_in > 1 ? call->in[1][i] : 1.0;

        call->out[1][i] = norm;
        call->out[0][i] = isfinite(norm) && weight != 0.0
                              ? weight * (norm > limit ? limit / norm : 1.0)
                              : 0.0;
    }
}

static int scale_shape(const struct assay_attrs *attrs, int n_in,
                       const struct assay_shape *in, struct assay_shape *out,
                       struct assay_error *err)
{
    const char *op = "scale_records";
    int code = assay__need_rank(op, "x", &in[0], 1, ASSAY_RANK_MAX, err);

    (void)attrs;
    (void)n_in;
    if (code == ASSAY_OK)
        code = assay__need_row(op, "the factors", &in[1], in[0].dim[0], err);
    out[0] = in[0];
    return code;
}

static void scale_reference(const struct assay__call *call)
{
    int64_t size = assay__volume(&call->in_shape[0], 1);
    int64_t all = assay__volume(&call->in_shape[0], 0);

    for (int64_t i = 0; i < all; i++) {
        double s = call->in[1][i / size];

        call->out[0][i] = s != 0.0 ? call->in[0][i] * s : 0.0;
    }
}

static int rows_shape(const struct assay_attrs *attrs, int n_in,
                      const struct assay_shape *in, struct assay_shape *out,
                      struct assay_error *err)
{
    const char *op = "weighted_rows";
    int code = assay__need_rank(op, "x", &in[0], 2, 2, err);

    (void)attrs;
    (void)n_in;
    if (code == ASSAY_OK)
        code = assay__need_row(op, "the weights", &in[1], in[0].dim[0], err);
    if (code == ASSAY_OK)
        out[0] = assay_shape_make(1, in[0].dim[1]);
    return code;
}

static void rows_reference(const struct assay__call *call)
{
    int64_t rows = call->in_shape[0].dim[0];
    int64_t width = call->in_shape[0].dim[1];
    const double *x = call->in[0];

    memset(call->out[0], 0, (size_t)width * sizeof(double));
    for (int64_t n = 0; n < rows; n++, x += width) {
        double w = call->in[1][n];

        for (int64_t c = 0; w != 0.0 && c < width; c++)
            call->out[0][c] += w * x[c];
    }
}

/* clang-format off */
static const struct assay__op_case factors_cases[] = {
    {.label = "7", .n_in = 2, .in = {ASSAY__D1(7), ASSAY__D1(7)},
     .attrs = {.alpha = 0.9}, .low = 0.1, .high = 2.0},
    {.label = "without weights", .n_in = 1, .in = {ASSAY__D1(20)},
     .attrs = {.alpha = 1.1}, .low = 0.1, .high = 2.0},
    {.label = NULL},
};

static const struct assay__op_case scale_cases[] = {
    {.label = "rows", .n_in = 2, .in = {ASSAY__D2(4, 5), ASSAY__D1(4)},
     .low = -1.0, .high = 1.0},
    {.label = "maps", .n_in = 2, .in = {ASSAY__D4(3, 20, 4, 5), ASSAY__D1(3)},
     .low = -1.0, .high = 1.0},
    {.label = "one per record", .n_in = 2, .in = {ASSAY__D1(6), ASSAY__D1(6)},
     .low = -1.0, .high = 1.0},
    {.label = NULL},
};

static const struct assay__op_case rows_cases[] = {
    {.label = "4 of 5", .n_in = 2, .in = {ASSAY__D2(4, 5), ASSAY__D1(4)},
     .low = -1.0, .high = 1.0},
    {.label = "one", .n_in = 2, .in = {ASSAY__D2(1, 33), ASSAY__D1(1)},
     .low = -1.0, .high = 1.0},
    {.label = NULL},
};
/* clang-format on */

const struct assay_op assay__op_clip_factors = {
    .name = "clip_factors",
    .min_in = 1,
    .max_in = 2,
    .n_out = 2,
    .tolerance = 1e-11,
    .cases = factors_cases,
    .shape = factors_shape,
    .reference = factors_reference,
};

const struct assay_op assay__op_scale_records = {
    .name = "scale_records",
    .min_in = 2,
    .max_in = 2,
    .n_out = 1,
    .tolerance = 1e-12,
    .cases = scale_cases,
    .shape = scale_shape,
    .reference = scale_reference,
};

const struct assay_op assay__op_weighted_rows = {
    .name = "weighted_rows",
    .min_in = 2,
    .max_in = 2,
    .n_out = 1,
    .tolerance = 1e-11,
    .cases = rows_cases,
    .shape = rows_shape,
    .reference = rows_reference,
};
