/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operators on indices that networks need for shapes and masks alone: all
 * inputs are constants, and the result is one. What is computed from the
 * input is refused.
 */

#include <math.h>
#include <string.h>

#include "onnx/import.h"

/* An index, negative from the end, as a place 0 .. n-1; -1 and a failure. */
static int64_t place_of(struct assay__importer *im, double index, int64_t n)
{
    double at = index < 0.0 ? index + (double)n : index;

    if (at >= 0.0 && at < (double)n)
        return (int64_t)at;
    return assay__im_fail(im, ASSAY_SHAPE, "index %g of %lld entries", index,
                          (long long)n);
}

/* The places where x is not 0, a column each. */
void assay__onnx_nonzero(struct assay__importer *im, int argument)
{
    int x = assay__im_need(im, 0);
    const double *data = assay__im_data(im, x, "the input");
    struct assay_shape s = *assay__im_shape(im, x);
    struct assay_shape to = {2, {s.rank, 0}};
    int64_t n = assay__im_count(&s);
    int64_t column = 0;
    double *out;
    int y;

    (void)argument;
    for (int64_t i = 0; data && i < n; i++)
        to.dim[1] += data[i] != 0.0;
    y = assay__im_constant(im, &to, NULL, ASSAY__ONNX_I64);
    out = assay__im_room(im, y);
    data = assay__im_data(im, x, "the input");
    for (int64_t i = 0; out && data && i < n; i++) {
        int64_t rest = i;

        if (data[i] == 0.0)
            continue;
        for (int k = s.rank - 1; k >= 0; k--) {
            out[k * to.dim[1] + column] = (double)(rest % s.dim[k]);
            rest /= s.dim[k];
        }
        column++;
    }
    assay__im_output(im, 0, y);
}

/* Indices of the last dimension of `index` into the first of `s`: the place
 * that one row of them names, in numbers; -1 and a failure. */
static int64_t row_place(struct assay__importer *im,
                         const struct assay_shape *s, const double *row,
                         int64_t depth)
{
    int64_t at = 0;

    for (int64_t k = 0; k < s->rank; k++) {
        int64_t place = k < depth ? place_of(im, row[k], s->dim[k]) : 0;

        if (place < 0)
            return -1;
        at = at * s->dim[k] + place;
    }
    return at;
}

/* How an index of [.., depth] goes through x; false and a failure. */
struct rows {
    int64_t n;     /* rows of indices */
    int64_t depth; /* leading dimensions of x that they name */
    int64_t size;  /* numbers that one row names */
};

static bool measure(struct assay__importer *im, const struct assay_shape *x,
                    const struct assay_shape *index, struct rows *r)
{
    struct assay_shape inner = {0, {0}};

    if (im->code != ASSAY_OK)
        return false;
    r->depth = index->rank > 0 ? index->dim[index->rank - 1] : 0;
    if (r->depth < 1 || r->depth > x->rank) {
        assay__im_fail(im, ASSAY_SHAPE, "indices of %lld of %d dimensions",
                       (long long)r->depth, x->rank);
        return false;
    }
    r->n = assay__im_count(index) / r->depth;
    for (int i = (int)r->depth; i < x->rank; i++)
        inner.dim[inner.rank++] = x->dim[i];
    r->size = assay__im_count(&inner);
    return true;
}

/* A copy of x with the rows that the index names replaced. */
void assay__onnx_scatter_nd(struct assay__importer *im, int argument)
{
    static const char *const kinds[] = {"none", NULL};
    int in[3];
    const double *data[3];
    struct rows r;
    double *out;
    int y;

    (void)argument;
    (void)assay__im_choice(im, "reduction", kinds);
    for (int i = 0; i < 3; i++) {
        in[i] = assay__im_need(im, i);
        data[i] = assay__im_data(im, in[i], "an input");
    }
    if (!measure(im, assay__im_shape(im, in[0]), assay__im_shape(im, in[1]),
                 &r))
        return;
    if (assay__im_count(assay__im_shape(im, in[2])) !=
        assay__times(r.n, r.size)) {
        assay__im_fail(im, ASSAY_SHAPE, "%lld updates for %lld rows of %lld",
                       (long long)assay__im_count(assay__im_shape(im, in[2])),
                       (long long)r.n, (long long)r.size);
        return;
    }
    y = assay__im_constant(im, assay__im_shape(im, in[0]), data[0],
                           assay__im_at(im, in[0])->type);
    out = assay__im_room(im, y);
    for (int64_t i = 0; out && i < r.n; i++) {
        int64_t at = row_place(im, assay__im_shape(im, in[0]),
                               data[1] + i * r.depth, r.depth);

        if (at < 0)
            return;
        memcpy(out + at, data[2] + i * r.size, (size_t)r.size * sizeof(*out));
    }
    assay__im_output(im, 0, y);
}

/* The rows of x that the index names. */
void assay__onnx_gather_nd(struct assay__importer *im, int argument)
{
    int x = assay__im_need(im, 0);
    int index = assay__im_need(im, 1);
    const double *data = assay__im_data(im, x, "the data");
    const double *row = assay__im_data(im, index, "the index");
    struct assay_shape s = *assay__im_shape(im, x);
    struct assay_shape k = *assay__im_shape(im, index);
    struct assay_shape to = k;
    struct rows r;
    double *out;
    int y;

    (void)argument;
    if (assay__im_int(im, "batch_dims", 0) != 0)
        assay__im_fail(im, ASSAY_UNSUPPORTED, "with dimensions of a batch");
    if (!measure(im, &s, &k, &r))
        return;
    to.rank--;
    for (int i = (int)r.depth; i < s.rank; i++) {
        if (to.rank == ASSAY_RANK_MAX) {
            assay__im_fail(im, ASSAY_LIMIT, "to over %d dimensions",
                           ASSAY_RANK_MAX);
            return;
        }
        to.dim[to.rank++] = s.dim[i];
    }
    y = assay__im_constant(im, &to, NULL, assay__im_at(im, x)->type);
    out = assay__im_room(im, y);
    for (int64_t i = 0; out && i < r.n; i++) {
        int64_t at = row_place(im, &s, row + i * r.depth, r.depth);

        if (at < 0)
            return;
        memcpy(out + i * r.size, data + at, (size_t)r.size * sizeof(*out));
    }
    assay__im_output(im, 0, y);
}

/* y[.., i, ..] = x[.., index[.., i, ..], ..] along an axis. */
void assay__onnx_gather_elements(struct assay__importer *im, int argument)
{
    int x = assay__im_need(im, 0);
    int index = assay__im_need(im, 1);
    const double *data = assay__im_data(im, x, "the data");
    const double *place = assay__im_data(im, index, "the index");
    struct assay_shape s = *assay__im_shape(im, x);
    struct assay_shape k = *assay__im_shape(im, index);
    int axis = assay__im_axis(im, assay__im_int(im, "axis", 0), s.rank);
    double *out;
    int y;

    (void)argument;
    for (int i = 0; i < s.rank && im->code == ASSAY_OK; i++) {
        if (k.rank != s.rank || (i != axis && k.dim[i] > s.dim[i]))
            assay__im_fail(im, ASSAY_SHAPE,
                           "the index is larger than the data");
    }
    y = assay__im_constant(im, &k, NULL, assay__im_at(im, x)->type);
    out = assay__im_room(im, y);
    for (int64_t i = 0; out && i < assay__im_count(&k); i++) {
        int64_t rest = i;
        int64_t step = 1;
        int64_t at = 0;

        for (int d = s.rank - 1; d >= 0; d--) {
            int64_t here =
                d == axis ? place_of(im, place[i], s.dim[d]) : rest % k.dim[d];

            if (here < 0)
                return;
            at += here * step;
            step *= s.dim[d];
            rest /= k.dim[d];
        }
        out[i] = data[at];
    }
    assay__im_output(im, 0, y);
}
