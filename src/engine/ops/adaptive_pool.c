/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Averages over windows that the sizes decide: adaptive_avgpool to H' x W'
 * (attrs.kernel), where row i covers floor(i H / H') up to
 * ceil((i + 1) H / H'), so that windows of uneven divisions overlap by one;
 * and global_avgpool, its case 1 x 1.
 */

#include <string.h>

#include "engine/ops/common.h"

static int adaptive_infer(const char *op, const struct assay_attrs *a,
                          const struct assay_shape *x, struct assay_shape *y,
                          struct assay_error *err)
{
    int code = assay__need_rank(op, "x", x, 4, 4, err);
    int i;

    *y = *x;
    for (i = 0; i < 2 && code == ASSAY_OK; i++) {
        code = assay__need_range(op, "output side", a->kernel[i], 1,
                                 ASSAY__WINDOW_MAX, err);
        y->dim[2 + i] = a->kernel[i];
    }
    if (code == ASSAY_OK)
        code = assay__need_size(op, "x", x, err);
    if (code == ASSAY_OK)
        code = assay__need_size(op, "the output", y, err);
    return code;
}

static int global_infer(const char *op, const struct assay_shape *x,
                        struct assay_shape *y, struct assay_error *err)
{
    struct assay_attrs one = {.kernel = {1, 1}};

    return adaptive_infer(op, &one, x, y, err);
}

/* As in pool.c: one walk for both directions. */
static void walk_average(const struct assay_shape *big_shape,
                         const struct assay_shape *small_shape, double *big,
                         double *small, bool back)
{
    int64_t planes = big_shape->dim[0] * big_shape->dim[1];
    int64_t h = big_shape->dim[2];
    int64_t w = big_shape->dim[3];
    int64_t oh = small_shape->dim[2];
    int64_t ow = small_shape->dim[3];
    int64_t cell;
    int64_t u;
    int64_t v;

    for (cell = 0; cell < planes * oh * ow; cell++) {
        int64_t i = cell / ow % oh;
        int64_t j = cell % ow;
        int64_t top = i * h / oh;
        int64_t bottom = ((i + 1) * h + oh - 1) / oh;
        int64_t left = j * w / ow;
        int64_t right = ((j + 1) * w + ow - 1) / ow;
        double share = 1.0 / (double)((bottom - top) * (right - left));
        double *plane = big + cell / (oh * ow) * h * w;
        double sum = 0.0;

        for (u = top; u < bottom; u++) {
            for (v = left; v < right; v++) {
                if (back)
                    plane[u * w + v] += small[cell] * share;
                else
                    sum += plane[u * w + v];
            }
        }
        if (!back)
            small[cell] = sum * share;
    }
}

static void forward_reference(const struct assay__call *call)
{
    walk_average(&call->in_shape[0], &call->out_shape[0], call->in[0],
                 call->out[0], false);
}

static void bwd_reference(const struct assay__call *call)
{
    memset(call->out[0], 0,
           (size_t)assay__volume(&call->out_shape[0], 0) * sizeof(double));
    walk_average(&call->out_shape[0], &call->in_shape[0], call->out[0],
                 call->in[0], true);
}

static int adaptive_shape(const struct assay_attrs *attrs, int n_in,
                          const struct assay_shape *in, struct assay_shape *out,
                          struct assay_error *err)
{
    (void)n_in;
    return adaptive_infer("adaptive_avgpool", attrs, &in[0], &out[0], err);
}

static void adaptive_backward(assay_graph *g, const struct assay__node *node,
                              const assay_value *d_out, const bool *want,
                              assay_value *d_in)
{
    struct assay_attrs attrs = node->attrs;

    (void)want;
    attrs.shape = *assay_graph_shape(g, node->in[0]);
    d_in[0] =
        assay__node1(g, &assay__op_adaptive_avgpool_bwd, &attrs, d_out[0]);
}

static int adaptive_bwd_shape(const struct assay_attrs *attrs, int n_in,
                              const struct assay_shape *in,
                              struct assay_shape *out, struct assay_error *err)
{
    const char *op = "adaptive_avgpool_bwd";
    struct assay_shape y;
    int code = adaptive_infer(op, attrs, &attrs->shape, &y, err);

    (void)n_in;
    if (code == ASSAY_OK)
        code = assay__need_shape(op, "dy", &in[0], &y, err);
    out[0] = attrs->shape;
    return code;
}

static int global_shape(const struct assay_attrs *attrs, int n_in,
                        const struct assay_shape *in, struct assay_shape *out,
                        struct assay_error *err)
{
    (void)attrs;
    (void)n_in;
    return global_infer("global_avgpool", &in[0], &out[0], err);
}

static void global_backward(assay_graph *g, const struct assay__node *node,
                            const assay_value *d_out, const bool *want,
                            assay_value *d_in)
{
    struct assay_attrs attrs = node->attrs;

    (void)want;
    attrs.shape = *assay_graph_shape(g, node->in[0]);
    d_in[0] = assay__node1(g, &assay__op_global_avgpool_bwd, &attrs, d_out[0]);
}

static int global_bwd_shape(const struct assay_attrs *attrs, int n_in,
                            const struct assay_shape *in,
                            struct assay_shape *out, struct assay_error *err)
{
    const char *op = "global_avgpool_bwd";
    struct assay_shape y;
    int code = global_infer(op, &attrs->shape, &y, err);

    (void)n_in;
    if (code == ASSAY_OK)
        code = assay__need_shape(op, "dy", &in[0], &y, err);
    out[0] = attrs->shape;
    return code;
}

/* clang-format off */
#define CASE(text, X, ...) \
    {.label = text, .n_in = 1, .in = {X}, .attrs = {__VA_ARGS__}, \
     .low = -1.0, .high = 1.0}
#define X(n, c, h, w) ASSAY__D4(n, c, h, w)

static const struct assay__op_case adaptive_cases[] = {
    CASE("divides", X(2, 3, 6, 6), .kernel = {3, 2}),
    CASE("does not divide", X(2, 2, 7, 5), .kernel = {3, 4}),
    CASE("the same size", X(1, 16, 3, 3), .kernel = {3, 3}),
    CASE("larger than the map", X(1, 2, 2, 1), .kernel = {5, 3}),
    CASE("to 1x1", X(2, 3, 4, 4), .kernel = {1, 1}),
    {.label = NULL},
};

static const struct assay__op_case adaptive_bwd_cases[] = {
    CASE("does not divide", X(2, 2, 3, 4), .kernel = {3, 4},
         .shape = X(2, 2, 7, 5)),
    {.label = NULL},
};

static const struct assay__op_case global_cases[] = {
    CASE("maps", X(2, 3, 4, 5), .kernel = {0, 0}),
    CASE("16 channels of 1x1", X(2, 16, 1, 1), .kernel = {0, 0}),
    CASE("7x7, batch 1", X(1, 5, 7, 7), .kernel = {0, 0}),
    {.label = NULL},
};

static const struct assay__op_case global_bwd_cases[] = {
    CASE("maps", X(2, 3, 1, 1), .shape = X(2, 3, 4, 5)),
    {.label = NULL},
};
/* clang-format on */

const struct assay_op assay__op_adaptive_avgpool = {
    .name = "adaptive_avgpool",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .tolerance = 1e-12,
    .cases = adaptive_cases,
    .shape = adaptive_shape,
    .backward = adaptive_backward,
    .reference = forward_reference,
};

const struct assay_op assay__op_adaptive_avgpool_bwd = {
    .name = "adaptive_avgpool_bwd",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .tolerance = 1e-12,
    .cases = adaptive_bwd_cases,
    .shape = adaptive_bwd_shape,
    .reference = bwd_reference,
};

const struct assay_op assay__op_global_avgpool = {
    .name = "global_avgpool",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .tolerance = 1e-12,
    .cases = global_cases,
    .shape = global_shape,
    .backward = global_backward,
    .reference = forward_reference,
};

const struct assay_op assay__op_global_avgpool_bwd = {
    .name = "global_avgpool_bwd",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .tolerance = 1e-12,
    .cases = global_bwd_cases,
    .shape = global_bwd_shape,
    .reference = bwd_reference,
};
