/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Products of matrices, and of stacks of them: all dimensions but the last
 * two are broadcast. Either factor may be taken as transposed, so that the
 * gradients, which are such products, need no ops of their own.
 */

#include <string.h>

#include "engine/ops/common.h"

enum { TRANSPOSE_A = 1, TRANSPOSE_B = 2 };

/* Rows and columns of a factor as it is taken. */
static void sides(const struct assay_shape *s, bool transposed, int64_t *rows,
                  int64_t *columns)
{
    *rows = s->dim[s->rank - (transposed ? 1 : 2)];
    *columns = s->dim[s->rank - (transposed ? 2 : 1)];
}

/* All but the last two dimensions. */
static struct assay_shape stack_of(const struct assay_shape *s)
{
    struct assay_shape stack = *s;

    stack.rank -= 2;
    return stack;
}

static int matmul_shape(const struct assay_attrs *attrs, int n_in,
                        const struct assay_shape *in, struct assay_shape *out,
                        struct assay_error *err)
{
    struct assay_shape a;
    struct assay_shape b;
    int64_t m;
    int64_t k;
    int64_t k2;
    int64_t n;
    int code = assay__need_range("matmul", "flags", attrs->index, 0, 3, err);

    (void)n_in;
    if (code == ASSAY_OK)
        code = assay__need_rank("matmul", "a", &in[0], 2, ASSAY_RANK_MAX, err);
    if (code == ASSAY_OK)
        code = assay__need_rank("matmul", "b", &in[1], 2, ASSAY_RANK_MAX, err);
    if (code != ASSAY_OK)
        return code;
    sides(&in[0], attrs->index & TRANSPOSE_A, &m, &k);
    sides(&in[1], attrs->index & TRANSPOSE_B, &k2, &n);
    code = assay__need_range("matmul", "rows of b", k2, k, k, err);
    a = stack_of(&in[0]);
    b = stack_of(&in[1]);
    if (code == ASSAY_OK)
        code = assay__broadcast("matmul", &a, &b, &out[0], err);
    if (code != ASSAY_OK)
        return code;
    if (n == ASSAY_BATCH || (m == ASSAY_BATCH && out[0].rank > 0))
        return assay_error_set(err, ASSAY_SHAPE,
                               "matmul: the batch would be an inner dimension");
    out[0].rank += 2;
    out[0].dim[out[0].rank - 2] = m;
    out[0].dim[out[0].rank - 1] = n;
    return assay__need_size("matmul", "the output", &out[0], err);
}

static assay_value product(assay_graph *g, assay_value a, bool ta,
                           assay_value b, bool tb)
{
    struct assay_attrs attrs = {.index = (ta ? TRANSPOSE_A : 0) |
                                         (tb ? TRANSPOSE_B : 0)};

    return assay__node2(g, &assay__op_matmul, &attrs, a, b);
}

static void matmul_backward(assay_graph *g, const struct assay__node *node,
                            const assay_value *d_out, const bool *want,
                            assay_value *d_in)
{
    bool ta = (node->attrs.index & TRANSPOSE_A) != 0;
    bool tb = (node->attrs.index & TRANSPOSE_B) != 0;
    struct assay_shape a = *assay_graph_shape(g, node->in[0]);
    struct assay_shape b = *assay_graph_shape(g, node->in[1]);
    assay_value d;

    if (want[0]) {
        d = ta ? product(g, node->in[1], tb, d_out[0], true)
               : product(g, d_out[0], false, node->in[1], !tb);
        d_in[0] = assay__sum_to(g, d, &a);
    }
    if (want[1]) {
        d = tb ? product(g, d_out[0], true, node->in[0], ta)
               : product(g, node->in[0], !ta, d_out[0], false);
        d_in[1] = assay__sum_to(g, d, &b);
    }
}

/* One product; strides of rows and columns of each factor. */
struct pair {
    int64_t m, n, k;
    int64_t a_row, a_column, b_row, b_column;
};

static void multiply(const struct pair *p, const double *a, const double *b,
                     double *y)
{
    int64_t i;
    int64_t j;
    int64_t k;

    for (i = 0; i < p->m; i++) {
        for (j = 0; j < p->n; j++) {
            double sum = 0.0;

            for (k = 0; k < p->k; k++)
                sum += a[i * p->a_row + k * p->a_column] *
                       b[k * p->b_row + j * p->b_column];
            *y++ = sum;
        }
    }
}

static void matmul_reference(const struct assay__call *call)
{
    const struct assay_shape *in = call->in_shape;
    bool ta = (call->attrs->index & TRANSPOSE_A) != 0;
    bool tb = (call->attrs->index & TRANSPOSE_B) != 0;
    struct assay__walk w = {.shape = stack_of(&call->out_shape[0])};
    struct assay_shape stack[2] = {stack_of(&in[0]), stack_of(&in[1])};
    struct pair p;
    double *y = call->out[0];
    int64_t r;
    int64_t i;

    sides(&in[0], ta, &p.m, &p.k);
    sides(&in[1], tb, &p.k, &p.n);
    p.a_row = ta ? 1 : p.k;
    p.a_column = ta ? p.m : 1;
    p.b_row = tb ? 1 : p.n;
    p.b_column = tb ? p.k : 1;
    for (i = 0; i < 2; i++)
        assay__broadcast_steps(&stack[i], &w.shape, w.step[i]);
    assay__walk_begin(&w);
    for (r = 0; r < w.rows; r++) {
        for (i = 0; i < w.length; i++, y += p.m * p.n)
            multiply(&p,
                     call->in[0] +
                         (w.at[0] + i * assay__walk_step(&w, 0)) * p.m * p.k,
                     call->in[1] +
                         (w.at[1] + i * assay__walk_step(&w, 1)) * p.k * p.n,
                     y);
        assay__walk_next_row(&w);
    }
}

static double matmul_flops(const struct assay_attrs *attrs,
                           const struct assay_shape *in,
                           const struct assay_shape *out)
{
    bool batch = out[0].rank > 0 && out[0].dim[0] == ASSAY_BATCH;
    int64_t rows;
    int64_t k;

    sides(&in[0], attrs->index & TRANSPOSE_A, &rows, &k);
    return 2.0 * (double)assay__volume(&out[0], batch) * (double)k;
}

/* clang-format off */
#define CASE(text, A, B, flags, fix) \
    {.label = (text), .n_in = 2, .in = {A, B}, .low = -1.0, .high = 1.0, \
     .attrs = {.index = (flags)}, .fixed = (fix)}

static const struct assay__op_case cases[] = {
    CASE("rows", ASSAY__D2(3, 4), ASSAY__D2(4, 5), 0, 2),
    CASE("rows, b transposed", ASSAY__D2(3, 4), ASSAY__D2(5, 4), 2, 2),
    CASE("a matrix for all", ASSAY__D3(2, 3, 4), ASSAY__D2(4, 5), 0, 2),
    CASE("stacks", ASSAY__D3(2, 3, 4), ASSAY__D3(2, 4, 17), 0, 0),
    CASE("stacks, a transposed", ASSAY__D3(2, 4, 3), ASSAY__D3(2, 4, 5), 1, 0),
    CASE("stacks, both transposed", ASSAY__D3(2, 4, 3), ASSAY__D3(2, 5, 4), 3,
         0),
    CASE("heads", ASSAY__D4(2, 3, 5, 4), ASSAY__D4(2, 3, 5, 4), 2, 0),
    CASE("broadcast", ASSAY__D4(2, 3, 5, 4), ASSAY__D4(2, 1, 4, 2), 0, 0),
    CASE("of the left", ASSAY__D2(5, 4), ASSAY__D3(2, 4, 3), 0, 1),
    {.label = NULL},
};
/* clang-format on */

const struct assay_op assay__op_matmul = {
    .name = "matmul",
    .min_in = 2,
    .max_in = 2,
    .n_out = 1,
    .tolerance = 1e-12,
    .cases = cases,
    .shape = matmul_shape,
    .backward = matmul_backward,
    .reference = matmul_reference,
    .flops = matmul_flops,
};
