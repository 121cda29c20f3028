/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ops that move numbers and change none: reshape, concat, slice. The batch
 * stays dimension 0: nothing joins or cuts along it.
 *
 * Along axis a a tensor is `outer` blocks of dim[a] * `inner` numbers;
 * concat and slice copy runs of such blocks.
 */

#include <string.h>

#include "engine/ops/common.h"

static int reshape_shape(const struct assay_attrs *attrs, int n_in,
                         const struct assay_shape *in, struct assay_shape *out,
                         struct assay_error *err)
{
    const struct assay_shape *to = &attrs->shape;
    bool batch = in[0].rank > 0 && in[0].dim[0] == ASSAY_BATCH;
    bool to_batch = to->rank > 0 && to->dim[0] == ASSAY_BATCH;
    char from_text[80];
    char to_text[80];
    int code;

    (void)n_in;
    if (to->rank < 0 || to->rank > ASSAY_RANK_MAX)
        return assay_error_set(err, ASSAY_SHAPE,
                               "reshape: rank is %d, must be 0 to %d", to->rank,
                               ASSAY_RANK_MAX);
    code = assay__need_size("reshape", "the output", to, err);
    if (code != ASSAY_OK)
        return code;
    if (batch != to_batch ||
        assay__volume(&in[0], batch) != assay__volume(to, to_batch))
        return assay_error_set(
            err, ASSAY_SHAPE, "reshape: %s does not have the numbers of %s",
            assay_shape_text(&in[0], from_text, sizeof from_text),
            assay_shape_text(to, to_text, sizeof to_text));
    out[0] = *to;
    return ASSAY_OK;
}

static void reshape_backward(assay_graph *g, const struct assay__node *node,
                             const assay_value *d_out, const bool *want,
                             assay_value *d_in)
{
    struct assay_attrs attrs = node->attrs;

    (void)want;
    attrs.shape = *assay_graph_shape(g, node->in[0]);
    d_in[0] = assay__node1(g, &assay__op_reshape, &attrs, d_out[0]);
}

static void reshape_reference(const struct assay__call *call)
{
    memcpy(call->out[0], call->in[0],
           (size_t)assay__volume(&call->in_shape[0], 0) * sizeof(double));
}

static int need_axis(const char *op, const struct assay_attrs *attrs,
                     const struct assay_shape *s, struct assay_error *err)
{
    int code = assay__need_rank(op, "x", s, 2, ASSAY_RANK_MAX, err);

    if (code == ASSAY_OK)
        code = assay__need_range(op, "axis", attrs->axis, 1, s->rank - 1, err);
    return code;
}

/* Equal but for dimension `axis`. */
static int need_beside(const char *op, const struct assay_shape *a,
                       const struct assay_shape *b, int axis,
                       struct assay_error *err)
{
    struct assay_shape wanted = *b;

    if (axis < a->rank)
        wanted.dim[axis] = a->dim[axis];
    return assay__need_shape(op, "an input", a, &wanted, err);
}

static int concat_shape(const struct assay_attrs *attrs, int n_in,
                        const struct assay_shape *in, struct assay_shape *out,
                        struct assay_error *err)
{
    int code = need_axis("concat", attrs, &in[0], err);
    int i;

    out[0] = in[0];
    for (i = 1; i < n_in && code == ASSAY_OK; i++) {
        code = need_beside("concat", &in[i], &in[0], attrs->axis, err);
        if (code == ASSAY_OK)
            out[0].dim[attrs->axis] += in[i].dim[attrs->axis];
    }
    if (code == ASSAY_OK)
        code = assay__need_size("concat", "the output", &out[0], err);
    return code;
}

static void concat_backward(assay_graph *g, const struct assay__node *node,
                            const assay_value *d_out, const bool *want,
                            assay_value *d_in)
{
    struct assay_attrs attrs = node->attrs;
    int i;

    attrs.index = 0;
    for (i = 0; i < node->n_in; i++) {
        attrs.shape = *assay_graph_shape(g, node->in[i]);
        if (want[i])
            d_in[i] = assay__node1(g, &assay__op_slice, &attrs, d_out[0]);
        attrs.index += (int)attrs.shape.dim[attrs.axis];
    }
}

/* Copy between `whole` and the part of it with shape `part` that starts at
 * `offset` along `axis`; into the part when `out` is set. */
static void copy_part(const struct assay_shape *whole_shape, double *whole,
                      const struct assay_shape *part_shape, double *part,
                      int axis, int64_t offset, bool out)
{
    int64_t inner = assay__volume(whole_shape, axis + 1);
    int64_t whole_run = whole_shape->dim[axis] * inner;
    int64_t part_run = part_shape->dim[axis] * inner;
    int64_t outer = 1;
    int64_t b;
    int i;

    for (i = 0; i < axis; i++)
        outer *= whole_shape->dim[i];
    for (b = 0; b < outer; b++) {
        double *w = whole + b * whole_run + offset * inner;
        double *p = part + b * part_run;
        size_t bytes = (size_t)part_run * sizeof *p;

        if (out)
            memcpy(p, w, bytes);
        else
            memcpy(w, p, bytes);
    }
}

static void concat_reference(const struct assay__call *call)
{
    int axis = call->attrs->axis;
    int64_t offset = 0;
    int i;

    for (i = 0; i < call->n_in; i++) {
        copy_part(&call->out_shape[0], call->out[0], &call->in_shape[i],
                  call->in[i], axis, offset, false);
        offset += call->in_shape[i].dim[axis];
    }
}

/* `part` lies within `whole` at attrs->index. */
static int need_part(const char *op, const struct assay_attrs *attrs,
                     const struct assay_shape *whole,
                     const struct assay_shape *part, struct assay_error *err)
{
    int code = need_axis(op, attrs, whole, err);

    if (code == ASSAY_OK)
        code = need_beside(op, part, whole, attrs->axis, err);
    if (code == ASSAY_OK)
        code = assay__need_range(op, "length", part->dim[attrs->axis], 1,
                                 whole->dim[attrs->axis], err);
    if (code == ASSAY_OK)
        code = assay__need_range(
            op, "offset", attrs->index, 0,
            whole->dim[attrs->axis] - part->dim[attrs->axis], err);
    return code;
}

static int slice_shape(const struct assay_attrs *attrs, int n_in,
                       const struct assay_shape *in, struct assay_shape *out,
                       struct assay_error *err)
{
    (void)n_in;
    out[0] = attrs->shape;
    return need_part("slice", attrs, &in[0], &attrs->shape, err);
}

static void slice_backward(assay_graph *g, const struct assay__node *node,
                           const assay_value *d_out, const bool *want,
                           assay_value *d_in)
{
    struct assay_attrs attrs = node->attrs;

    (void)want;
    attrs.shape = *assay_graph_shape(g, node->in[0]);
    d_in[0] = assay__node1(g, &assay__op_slice_bwd, &attrs, d_out[0]);
}

static void slice_reference(const struct assay__call *call)
{
    copy_part(&call->in_shape[0], call->in[0], &call->out_shape[0],
              call->out[0], call->attrs->axis, call->attrs->index, true);
}

static int slice_bwd_shape(const struct assay_attrs *attrs, int n_in,
                           const struct assay_shape *in,
                           struct assay_shape *out, struct assay_error *err)
{
    (void)n_in;
    out[0] = attrs->shape;
    return need_part("slice_bwd", attrs, &attrs->shape, &in[0], err);
}

static void slice_bwd_reference(const struct assay__call *call)
{
    memset(call->out[0], 0,
           (size_t)assay__volume(&call->out_shape[0], 0) * sizeof(double));
    copy_part(&call->out_shape[0], call->out[0], &call->in_shape[0],
              call->in[0], call->attrs->axis, call->attrs->index, false);
}

/* clang-format off */
#define CASE(text, X, ...) \
    {.label = text, .n_in = 1, .in = {X}, .attrs = {__VA_ARGS__}, \
     .low = -1.0, .high = 1.0}

static const struct assay__op_case reshape_cases[] = {
    CASE("flatten", ASSAY__D4(2, 3, 4, 5), .shape = ASSAY__D2(2, 60)),
    CASE("flatten 1x1", ASSAY__D4(2, 16, 1, 1), .shape = ASSAY__D2(2, 16)),
    CASE("to maps", ASSAY__D2(3, 12), .shape = ASSAY__D4(3, 3, 2, 2)),
    CASE("to one per record", ASSAY__D2(5, 1), .shape = ASSAY__D1(5)),
    {.label = NULL},
};

static const struct assay__op_case concat_cases[] = {
    {.label = "channels", .n_in = 2,
     .in = {ASSAY__D4(2, 3, 2, 3), ASSAY__D4(2, 5, 2, 3)},
     .attrs = {.axis = 1}, .low = -1.0, .high = 1.0},
    {.label = "three, 16 channels each", .n_in = 3,
     .in = {ASSAY__D4(2, 16, 2, 2), ASSAY__D4(2, 16, 2, 2),
            ASSAY__D4(2, 16, 2, 2)},
     .attrs = {.axis = 1}, .low = -1.0, .high = 1.0},
    {.label = "rows", .n_in = 4,
     .in = {ASSAY__D2(3, 4), ASSAY__D2(3, 1), ASSAY__D2(3, 2),
            ASSAY__D2(3, 7)},
     .attrs = {.axis = 1}, .low = -1.0, .high = 1.0},
    {.label = "width", .n_in = 2,
     .in = {ASSAY__D4(2, 2, 2, 3), ASSAY__D4(2, 2, 2, 1)},
     .attrs = {.axis = 3}, .low = -1.0, .high = 1.0},
    {.label = "one", .n_in = 1, .in = {ASSAY__D2(3, 4)},
     .attrs = {.axis = 1}, .low = -1.0, .high = 1.0},
    {.label = NULL},
};

static const struct assay__op_case slice_cases[] = {
    CASE("channels", ASSAY__D4(2, 5, 2, 3), .axis = 1, .index = 2,
         .shape = ASSAY__D4(2, 2, 2, 3)),
    CASE("16 of 32", ASSAY__D4(2, 32, 2, 2), .axis = 1, .index = 16,
         .shape = ASSAY__D4(2, 16, 2, 2)),
    CASE("columns", ASSAY__D2(3, 6), .axis = 1, .shape = ASSAY__D2(3, 4)),
    CASE("rows of maps", ASSAY__D4(2, 2, 5, 3), .axis = 2, .index = 1,
         .shape = ASSAY__D4(2, 2, 3, 3)),
    {.label = NULL},
};

static const struct assay__op_case slice_bwd_cases[] = {
    CASE("channels", ASSAY__D4(2, 2, 2, 3), .axis = 1, .index = 2,
         .shape = ASSAY__D4(2, 5, 2, 3)),
    CASE("columns", ASSAY__D2(3, 4), .axis = 1, .shape = ASSAY__D2(3, 6)),
    {.label = NULL},
};
/* clang-format on */

const struct assay_op assay__op_reshape = {
    .name = "reshape",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .tolerance = 1e-14,
    .cases = reshape_cases,
    .shape = reshape_shape,
    .backward = reshape_backward,
    .reference = reshape_reference,
};

const struct assay_op assay__op_concat = {
    .name = "concat",
    .min_in = 1,
    .max_in = ASSAY__OP_INPUTS_MAX,
    .n_out = 1,
    .tolerance = 1e-14,
    .cases = concat_cases,
    .shape = concat_shape,
    .backward = concat_backward,
    .reference = concat_reference,
};

const struct assay_op assay__op_slice = {
    .name = "slice",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .tolerance = 1e-14,
    .cases = slice_cases,
    .shape = slice_shape,
    .backward = slice_backward,
    .reference = slice_reference,
};

const struct assay_op assay__op_slice_bwd = {
    .name = "slice_bwd",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .tolerance = 1e-14,
    .cases = slice_bwd_cases,
    .shape = slice_bwd_shape,
    .reference = slice_bwd_reference,
};
