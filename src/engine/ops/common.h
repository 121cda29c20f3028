/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_ENGINE_OPS_COMMON_H
#define ASSAY_ENGINE_OPS_COMMON_H

/*
 * What the ops' files share: checks of shapes that name the op, the value
 * and the limit; shape literals for the cases; calls that append gradient
 * nodes. Checks return ASSAY_OK or a negative code.
 */

#include "engine/graph.h"

/* Shape literals. */
#define ASSAY__D1(a) \
    {                \
        1,           \
        {            \
            a        \
        }            \
    }
#define ASSAY__D2(a, b) \
    {                   \
        2,              \
        {               \
            a, b        \
        }               \
    }
#define ASSAY__D3(a, b, c) \
    {                      \
        3,                 \
        {                  \
            a, b, c        \
        }                  \
    }
#define ASSAY__D4(a, b, c, d) \
    {                         \
        4,                    \
        {                     \
            a, b, c, d        \
        }                     \
    }

/* Kernel, stride, dilation, padding: at most this, so that sums of
 * products of two fit easily. */
enum { ASSAY__WINDOW_MAX = 1 << 15 };

/* `what` names the value in messages: "x", "weight". */
int assay__need_rank(const char *op, const char *what,
                     const struct assay_shape *s, int lowest, int highest,
                     struct assay_error *err) ASSAY_MUST_CHECK;
int assay__need_shape(const char *op, const char *what,
                      const struct assay_shape *s,
                      const struct assay_shape *wanted,
                      struct assay_error *err) ASSAY_MUST_CHECK;
/* A one-dimensional shape of `length`. */
int assay__need_row(const char *op, const char *what,
                    const struct assay_shape *s, int64_t length,
                    struct assay_error *err) ASSAY_MUST_CHECK;
int assay__need_range(const char *op, const char *what, int64_t value,
                      int64_t lowest, int64_t highest,
                      struct assay_error *err) ASSAY_MUST_CHECK;
/* Every dimension at least 1 (0 may be ASSAY_BATCH), and at most 2^31 - 1
 * numbers per record. */
int assay__need_size(const char *op, const char *what,
                     const struct assay_shape *s,
                     struct assay_error *err) ASSAY_MUST_CHECK;

/* Kernel, stride and padding of pooling and convolution, of one axis:
 * the output's length (at least 1) into *out. */
struct assay__window {
    int64_t in;
    int64_t kernel;
    int64_t stride;
    int64_t before;
    int64_t after;
    int64_t dilation;
};
int assay__window_check(const char *op, const struct assay__window *w,
                        struct assay_error *err) ASSAY_MUST_CHECK;
int assay__window_length(const char *op, const struct assay__window *w,
                         int64_t *out,
                         struct assay_error *err) ASSAY_MUST_CHECK;

/* Product of dimensions from `first` on. */
static inline int64_t assay__volume(const struct assay_shape *s, int first)
{
    int64_t n = 1;
    int i;

    for (i = first; i < s->rank; i++)
        n *= s->dim[i];
    return n;
}

/* The shape phase of an op of one input: out[0] = in[0]. */
int assay__shape_same(const struct assay_attrs *attrs, int n_in,
                      const struct assay_shape *in, struct assay_shape *out,
                      struct assay_error *err);
/* All inputs have one shape; it becomes out[0]. */
int assay__need_alike(const char *op, int n_in, const struct assay_shape *in,
                      struct assay_shape *out,
                      struct assay_error *err) ASSAY_MUST_CHECK;

/* The shape that a and b are broadcast to. */
int assay__broadcast(const char *op, const struct assay_shape *a,
                     const struct assay_shape *b, struct assay_shape *out,
                     struct assay_error *err) ASSAY_MUST_CHECK;
/* Steps through an operand, in elements, per dimension of `out`: 0 where it
 * is repeated. */
void assay__broadcast_steps(const struct assay_shape *s,
                            const struct assay_shape *out, int64_t *step);
/*
 * Places of up to three arrays, walked in the row-major order of a shape.
 * Only the rows' first places are visited: within one, array k moves by
 * step[k][last].
 */
struct assay__walk {
    struct assay_shape shape;
    int64_t step[3][ASSAY_RANK_MAX];
    int64_t at[3];
    int64_t index[ASSAY_RANK_MAX];
    int64_t rows;   /* how many there are */
    int64_t length; /* of each */
};
/* From shape and step: rows, length, the first place. */
void assay__walk_begin(struct assay__walk *w);
void assay__walk_next_row(struct assay__walk *w);
/* Step within a row of array k. */
static inline int64_t assay__walk_step(const struct assay__walk *w, int k)
{
    return w->shape.rank > 0 ? w->step[k][w->shape.rank - 1] : 0;
}
/* Append what sums v, broadcast from `target`, back to that shape. */
assay_value assay__sum_to(assay_graph *g, assay_value v,
                          const struct assay_shape *target);

/* Append a gradient node; the first output. */
assay_value assay__node1(assay_graph *g, const struct assay_op *op,
                         const struct assay_attrs *attrs, assay_value a);
assay_value assay__node2(assay_graph *g, const struct assay_op *op,
                         const struct assay_attrs *attrs, assay_value a,
                         assay_value b);
assay_value assay__node3(assay_graph *g, const struct assay_op *op,
                         const struct assay_attrs *attrs, assay_value a,
                         assay_value b, assay_value c);

#endif
