/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checks of shapes and small helpers shared by the ops (common.h). Shapes
 * come from model files of strangers, so all arithmetic here is in 64 bits
 * over values that were bounded first.
 */

#include "engine/ops/common.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { SHAPE_TEXT = 80 };

/* The shape for a message; of a rank that no shape has, the rank. */
static const char *text_of(const struct assay_shape *s, char *buf)
{
    if (s->rank >= 0 && s->rank <= ASSAY_RANK_MAX)
        return assay_shape_text(s, buf, SHAPE_TEXT);
    snprintf(buf, SHAPE_TEXT, "no shape (rank %d)", s->rank);
    return buf;
}

int assay__need_rank(const char *op, const char *what,
                     const struct assay_shape *s, int lowest, int highest,
                     struct assay_error *err)
{
    char text[SHAPE_TEXT];

    if (s->rank >= lowest && s->rank <= highest)
        return ASSAY_OK;
    text_of(s, text);
    if (lowest == highest)
        return assay_error_set(err, ASSAY_SHAPE,
                               "%s: %s is %s of rank %d, rank %d needed", op,
                               what, text, s->rank, lowest);
    return assay_error_set(err, ASSAY_SHAPE,
                           "%s: %s is %s of rank %d, rank %d to %d needed", op,
                           what, text, s->rank, lowest, highest);
}

int assay__need_shape(const char *op, const char *what,
                      const struct assay_shape *s,
                      const struct assay_shape *wanted, struct assay_error *err)
{
    char text[SHAPE_TEXT];
    char other[SHAPE_TEXT];

    if (assay_shape_equal(s, wanted))
        return ASSAY_OK;
    return assay_error_set(err, ASSAY_SHAPE, "%s: %s is %s, %s needed", op,
                           what, text_of(s, text), text_of(wanted, other));
}

int assay__need_row(const char *op, const char *what,
                    const struct assay_shape *s, int64_t length,
                    struct assay_error *err)
{
    struct assay_shape wanted = ASSAY__D1(length);

    return assay__need_shape(op, what, s, &wanted, err);
}

int assay__need_range(const char *op, const char *what, int64_t value,
                      int64_t lowest, int64_t highest, struct assay_error *err)
{
    if (value >= lowest && value <= highest)
        return ASSAY_OK;
    return assay_error_set(err, ASSAY_SHAPE,
                           "%s: %s is %" PRId64 ", must be %" PRId64
                           " to %" PRId64,
                           op, what, value, lowest, highest);
}

int assay__need_size(const char *op, const char *what,
                     const struct assay_shape *s, struct assay_error *err)
{
    char text[SHAPE_TEXT];
    int64_t count = 1;
    int i;

    for (i = 0; i < s->rank; i++) {
        if (i == 0 && s->dim[0] == ASSAY_BATCH)
            continue;
        if (s->dim[i] < 1 || s->dim[i] > INT32_MAX)
            return assay_error_set(err, ASSAY_SHAPE,
                                   "%s: dimension %d of %s is %" PRId64
                                   ", must be 1 to %d",
                                   op, i, what, s->dim[i], INT32_MAX);
        count *= s->dim[i];
        if (count > INT32_MAX)
            return assay_error_set(err, ASSAY_LIMIT,
                                   "%s: %s is %s, over %d numbers", op, what,
                                   text_of(s, text), INT32_MAX);
    }
    return ASSAY_OK;
}

int assay__window_check(const char *op, const struct assay__window *w,
                        struct assay_error *err)
{
    int code;

    code =
        assay__need_range(op, "kernel", w->kernel, 1, ASSAY__WINDOW_MAX, err);
    if (code == ASSAY_OK)
        code = assay__need_range(op, "stride", w->stride, 1, ASSAY__WINDOW_MAX,
                                 err);
    if (code == ASSAY_OK)
        code = assay__need_range(op, "dilation", w->dilation, 1,
                                 ASSAY__WINDOW_MAX, err);
    if (code == ASSAY_OK)
        code = assay__need_range(op, "padding", w->before, 0, ASSAY__WINDOW_MAX,
                                 err);
    if (code == ASSAY_OK)
        code = assay__need_range(op, "padding", w->after, 0, ASSAY__WINDOW_MAX,
                                 err);
    if (code == ASSAY_OK)
        code = assay__need_range(op, "map side", w->in, 1, INT32_MAX, err);
    return code;
}

int assay__window_length(const char *op, const struct assay__window *w,
                         int64_t *out, struct assay_error *err)
{
    int64_t reach = w->dilation * (w->kernel - 1) + 1;
    int64_t padded = w->in + w->before + w->after;
    int code = assay__window_check(op, w, err);

    if (code != ASSAY_OK)
        return code;
    if (reach > padded)
        return assay_error_set(err, ASSAY_SHAPE,
                               "%s: window of %" PRId64
                               " does not fit a padded map side of %" PRId64,
                               op, reach, padded);
    *out = (padded - reach) / w->stride + 1;
    return ASSAY_OK;
}

int assay__shape_same(const struct assay_attrs *attrs, int n_in,
                      const struct assay_shape *in, struct assay_shape *out,
                      struct assay_error *err)
{
    (void)attrs;
    (void)n_in;
    (void)err;
    out[0] = in[0];
    return ASSAY_OK;
}

int assay__need_alike(const char *op, int n_in, const struct assay_shape *in,
                      struct assay_shape *out, struct assay_error *err)
{
    int code;
    int i;

    for (i = 1; i < n_in; i++) {
        code = assay__need_shape(op, "an input", &in[i], &in[0], err);
        if (code != ASSAY_OK)
            return code;
    }
    out[0] = in[0];
    return ASSAY_OK;
}

int assay__broadcast(const char *op, const struct assay_shape *a,
                     const struct assay_shape *b, struct assay_shape *out,
                     struct assay_error *err)
{
    const struct assay_shape *longer = a->rank >= b->rank ? a : b;
    const struct assay_shape *other = longer == a ? b : a;
    int shift = longer->rank - other->rank;
    char text[SHAPE_TEXT];
    char text2[SHAPE_TEXT];
    int i;

    *out = *longer;
    for (i = 0; i < other->rank; i++) {
        int64_t d = other->dim[i];
        int64_t *to = &out->dim[i + shift];

        if (d == *to || d == 1)
            continue;
        if (*to == 1 && (d >= 1 || shift == 0)) {
            *to = d;
            continue;
        }
        return assay_error_set(err, ASSAY_SHAPE,
                               "%s: %s and %s cannot be broadcast to one "
                               "shape",
                               op, text_of(a, text), text_of(b, text2));
    }
    return assay__need_size(op, "the output", out, err);
}

void assay__broadcast_steps(const struct assay_shape *s,
                            const struct assay_shape *out, int64_t *step)
{
    int shift = out->rank - s->rank;
    int64_t size = 1;
    int i;

    for (i = out->rank - 1; i >= 0; i--) {
        int64_t d = i >= shift ? s->dim[i - shift] : 1;

        step[i] = d == 1 ? 0 : size;
        size *= d;
    }
}

void assay__walk_begin(struct assay__walk *w)
{
    int last = w->shape.rank - 1;
    int i;

    memset(w->at, 0, sizeof w->at);
    memset(w->index, 0, sizeof w->index);
    w->rows = 1;
    w->length = last >= 0 ? w->shape.dim[last] : 1;
    for (i = 0; i < last; i++)
        w->rows *= w->shape.dim[i];
}

void assay__walk_next_row(struct assay__walk *w)
{
    int i;
    int k;

    for (i = w->shape.rank - 2; i >= 0; i--) {
        for (k = 0; k < 3; k++)
            w->at[k] += w->step[k][i];
        if (++w->index[i] < w->shape.dim[i])
            return;
        for (k = 0; k < 3; k++)
            w->at[k] -= w->step[k][i] * w->shape.dim[i];
        w->index[i] = 0;
    }
}

assay_value assay__sum_to(assay_graph *g, assay_value v,
                          const struct assay_shape *target)
{
    struct assay_shape from = *assay_graph_shape(g, v);
    struct assay_attrs attrs;
    int shift = from.rank - target->rank;
    int any = 0;
    int i;

    if (v == ASSAY_NO_VALUE || assay_shape_equal(&from, target))
        return v;
    memset(&attrs, 0, sizeof attrs);
    for (i = 0; i < from.rank; i++) {
        if (i < shift || (target->dim[i - shift] == 1 && from.dim[i] != 1)) {
            attrs.axes[i] = 1;
            any = 1;
        }
    }
    if (any)
        v = assay__node1(g, &assay__op_reduce, &attrs, v);
    if (shift == 0)
        return v;
    attrs.shape = *target;
    return assay__node1(g, &assay__op_reshape, &attrs, v);
}

assay_value assay__node1(assay_graph *g, const struct assay_op *op,
                         const struct assay_attrs *attrs, assay_value a)
{
    return assay_graph_node(g, op->name, &a, 1, attrs);
}

assay_value assay__node2(assay_graph *g, const struct assay_op *op,
                         const struct assay_attrs *attrs, assay_value a,
                         assay_value b)
{
    assay_value in[2];

    in[0] = a;
    in[1] = b;
    return assay_graph_node(g, op->name, in, 2, attrs);
}

assay_value assay__node3(assay_graph *g, const struct assay_op *op,
                         const struct assay_attrs *attrs, assay_value a,
                         assay_value b, assay_value c)
{
    assay_value in[3];

    in[0] = a;
    in[1] = b;
    in[2] = c;
    return assay_graph_node(g, op->name, in, 3, attrs);
}
