/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shapes: what asks for one, and what changes one without moving numbers.
 *
 * A symbolic batch must stay dimension 0. Files that were written for one
 * record name that number in their shapes; where the numbers of a record
 * fit, it is read as the batch.
 */

#include <math.h>
#include <string.h>

#include "onnx/import.h"

static int dims_row(struct assay__importer *im, const struct assay_shape *s,
                    int first, int last)
{
    struct assay_shape row = {1, {last > first ? last - first : 0}};
    double dim[ASSAY_RANK_MAX];

    for (int i = first; i < last; i++)
        dim[i - first] =
            s->dim[i] == ASSAY_BATCH ? (double)NAN : (double)s->dim[i];
    return assay__im_constant(im, &row, dim, ASSAY__ONNX_I64);
}

static int clamp(int64_t x, int low, int high)
{
    return x < low ? low : x > high ? high : (int)x;
}

void assay__onnx_shape(struct assay__importer *im, int argument)
{
    struct assay_shape s = assay__im_said(im, assay__im_need(im, 0));
    int64_t first = assay__im_int(im, "start", 0);
    int64_t last = assay__im_int(im, "end", s.rank);

    (void)argument;
    first = clamp(first < 0 ? first + s.rank : first, 0, s.rank);
    last = clamp(last < 0 ? last + s.rank : last, 0, s.rank);
    assay__im_output(im, 0, dims_row(im, &s, (int)first, (int)last));
}

void assay__onnx_size(struct assay__importer *im, int argument)
{
    int x = assay__im_need(im, 0);
    double n = (double)assay__im_count(assay__im_shape(im, x));

    (void)argument;
    assay__im_output(
        im, 0,
        assay__im_number(im, assay__im_batched(im, x) ? (double)NAN : n,
                         ASSAY__ONNX_I64));
}

/* The dimensions that a constant row says; NaN is the batch, which only
 * dimension 0 may be. */
static struct assay_shape said_shape(struct assay__importer *im, int item,
                                     const char *what)
{
    const double *data = assay__im_data(im, item, what);
    struct assay_shape s = {0, {0}};
    int64_t n = assay__im_count(assay__im_shape(im, item));

    if (!data)
        return s;
    if (n > ASSAY_RANK_MAX) {
        assay__im_fail(im, ASSAY_LIMIT,
                       "%s has %lld dimensions, over the "
                       "limit of %d",
                       what, (long long)n, ASSAY_RANK_MAX);
        return s;
    }
    s.rank = (int)n;
    for (int i = 0; i < s.rank; i++) {
        bool batch = isnan(data[i]);

        if ((batch && i > 0) || data[i] < -1.0 || data[i] > INT32_MAX) {
            assay__im_fail(im, batch ? ASSAY_UNSUPPORTED : ASSAY_SHAPE,
                           batch ? "%s: dimension %d depends on the batch"
                                 : "%s: dimension %d is out of range",
                           what, i);
            return s;
        }
        s.dim[i] = batch ? INT64_MIN : (int64_t)data[i];
    }
    return s;
}

/* The file's number for dimension 0 of inputs; 0: none. */
static int64_t file_batch(const struct assay__importer *im)
{
    for (int i = 0; i < im->o->n_inputs; i++) {
        if (im->o->input[i].shape.rank > 0 && im->o->input[i].shape.dim[0] > 0)
            return im->o->input[i].shape.dim[0];
    }
    return 0;
}

/*
 * Dimensions 1 and on of a batched reshape, by the numbers of a record, and
 * how many places dimension 0 then has per record: 1, or more where windows
 * are folded into it. 0: it cannot be the batch.
 */
static int64_t fit_batch(struct assay__importer *im, struct assay_shape *to,
                         int64_t record, int64_t folded)
{
    int64_t file = file_batch(im);
    int64_t first = to->dim[0];
    int64_t rest = 1;
    int64_t places;
    int open = -1;

    for (int i = 1; i < to->rank; i++) {
        if (to->dim[i] == -1)
            open = i;
        else
            rest = assay__times(rest, to->dim[i]);
    }
    if (rest < 1 || record % rest != 0 || (open > 0 && first == -1))
        return 0;
    to->dim[0] = ASSAY_BATCH;
    if (open < 0) {
        places = record / rest;
        return first < 0 || first == assay__times(places, file > 0 ? file : 1)
                   ? places
                   : 0;
    }
    /* One dimension is left open: the batch is as it was, or a record's. */
    places = first < 0 && folded > 0 ? folded : 1;
    if (record % assay__times(rest, places) != 0 ||
        (first > 0 && first != 1 && first != file))
        return 0;
    to->dim[open] = record / rest / places;
    return places;
}

/* Without a batch: fill in the dimension that is left open. */
static void fill_open(struct assay__importer *im, struct assay_shape *to,
                      int64_t count)
{
    int64_t rest = 1;
    int open = -1;

    for (int i = 0; i < to->rank; i++) {
        if (to->dim[i] == INT64_MIN)
            assay__im_fail(im, ASSAY_UNSUPPORTED,
                           "the shape depends on the batch");
        if (to->dim[i] == -1 && open >= 0)
            assay__im_fail(im, ASSAY_SHAPE, "two dimensions are left open");
        if (to->dim[i] == -1)
            open = i;
        else
            rest = assay__times(rest, to->dim[i]);
    }
    if (open < 0 || im->code != ASSAY_OK)
        return;
    if (rest == 0 || count % rest != 0) {
        assay__im_fail(im, ASSAY_SHAPE, "%lld numbers are no multiple of %lld",
                       (long long)count, (long long)rest);
        return;
    }
    to->dim[open] = count / rest;
}

static int reshape_to(struct assay__importer *im, int x, struct assay_shape to)
{
    struct assay_shape s = *assay__im_shape(im, x);
    int64_t count = assay__im_count(&s);
    int64_t places;
    char text[80];

    if (im->code != ASSAY_OK)
        return -1;
    if (!assay__im_batched(im, x)) {
        fill_open(im, &to, count);
        return assay__im_reshape(im, x, &to);
    }
    places = to.rank == 0
                 ? 0
                 : fit_batch(im, &to, count, assay__im_at(im, x)->folded);
    if (places < 1)
        return assay__im_fail(
            im, ASSAY_UNSUPPORTED,
            "numbers of %s would move between records of the batch",
            assay_shape_text(&s, text, sizeof(text)));
    if (places > 1 && to.rank == ASSAY_RANK_MAX)
        return assay__im_fail(im, ASSAY_LIMIT,
                              "the result has over %d dimensions",
                              ASSAY_RANK_MAX);
    im->fold = places > 1 ? places : 0;
    to = assay__shape_inner(&to, 0, im->fold);
    /* A fresh item: the same numbers may be folded and not. */
    x = assay__im_reshape(im, x, &to);
    x = assay__im_of_value(im, assay__im_value(im, x),
                           assay__im_at(im, x)->type);
    im->whole = false;
    return x;
}

void assay__onnx_reshape(struct assay__importer *im, int argument)
{
    int x = assay__im_need(im, 0);
    struct assay_shape to = said_shape(im, assay__im_need(im, 1), "the shape");
    struct assay_shape s = assay__im_said(im, x);

    (void)argument;
    for (int i = 0; i < to.rank && assay__im_int(im, "allowzero", 0) == 0;
         i++) {
        if (to.dim[i] != 0)
            continue;
        if (i >= s.rank)
            assay__im_fail(im, ASSAY_SHAPE,
                           "dimension %d is to be kept and is not there", i);
        to.dim[i] = i >= s.rank               ? 1
                    : s.dim[i] == ASSAY_BATCH ? INT64_MIN
                                              : s.dim[i];
    }
    assay__im_output(im, 0, reshape_to(im, x, to));
}

void assay__onnx_flatten(struct assay__importer *im, int argument)
{
    int x = assay__im_need(im, 0);
    struct assay_shape s = *assay__im_shape(im, x);
    struct assay_shape to = {2, {1, 1}};
    int64_t axis = assay__im_int(im, "axis", 1);

    (void)argument;
    if (axis < -s.rank || axis > s.rank) {
        assay__im_fail(im, ASSAY_SHAPE, "axis %lld of a value of rank %d",
                       (long long)axis, s.rank);
        return;
    }
    axis += axis < 0 ? s.rank : 0;
    for (int i = 0; i < s.rank; i++)
        to.dim[i >= axis] *= s.dim[i];
    if (assay__im_batched(im, x) && axis != 1) {
        assay__im_fail(im, ASSAY_UNSUPPORTED,
                       "at axis %lld numbers would move between records of "
                       "the batch",
                       (long long)axis);
        return;
    }
    assay__im_output(im, 0, assay__im_reshape(im, x, &to));
}

/* Axes as a mask, over a value of `rank`; none given: 0. */
static unsigned axes_mask(struct assay__importer *im, int rank)
{
    int64_t list[ASSAY_RANK_MAX];
    int n = assay__im_list(im, 13, 1, "axes", list, ASSAY_RANK_MAX);
    unsigned mask = 0;

    for (int i = 0; i < n; i++) {
        unsigned bit = 1U << assay__im_axis(im, list[i], rank);

        if (mask & bit)
            assay__im_fail(im, ASSAY_SHAPE, "an axis is named twice");
        mask |= bit;
    }
    return mask;
}

/* To the file's shape `to`, of the same numbers in the same order but for
 * the batch, which is at `axis` of it. */
static int same_numbers(struct assay__importer *im, int x,
                        const struct assay_shape *to, int axis)
{
    int64_t folded = assay__im_at(im, x)->folded;
    struct assay_shape s = assay__shape_inner(to, axis, folded);

    if (to->rank + (folded > 0) > ASSAY_RANK_MAX)
        return assay__im_fail(im, ASSAY_LIMIT,
                              "the result has over %d dimensions",
                              ASSAY_RANK_MAX);
    x = assay__im_reshape(im, assay__im_moved(im, x, 0), &s);
    return assay__im_moved(im, x, axis);
}

void assay__onnx_squeeze(struct assay__importer *im, int argument)
{
    int x = assay__im_need_moved(im, 0);
    int batch = assay__im_at(im, x)->batch_axis;
    struct assay_shape s = assay__im_said(im, x);
    struct assay_shape to = {0, {0}};
    unsigned mask = axes_mask(im, s.rank);
    int gone = 0;

    (void)argument;
    for (int i = 0; i < s.rank; i++) {
        bool goes = mask != 0 ? (mask >> i & 1U) != 0 : s.dim[i] == 1;

        if (!goes)
            to.dim[to.rank++] = s.dim[i];
        else if (s.dim[i] != 1)
            assay__im_fail(
                im, s.dim[i] == ASSAY_BATCH ? ASSAY_UNSUPPORTED : ASSAY_SHAPE,
                "axis %d has length %lld, must have 1%s", i,
                (long long)s.dim[i],
                s.dim[i] == ASSAY_BATCH ? " (it is the batch)" : "");
        gone += goes && i < batch;
    }
    assay__im_output(im, 0, same_numbers(im, x, &to, batch - gone));
}

void assay__onnx_unsqueeze(struct assay__importer *im, int argument)
{
    int x = assay__im_need_moved(im, 0);
    int batch = assay__im_at(im, x)->batch_axis;
    struct assay_shape s = assay__im_said(im, x);
    bool batched = assay__im_batched(im, x);
    struct assay_shape to = {0, {0}};
    int64_t list[ASSAY_RANK_MAX];
    int n = assay__im_list(im, 13, 1, "axes", list, ASSAY_RANK_MAX);
    unsigned mask = 0;
    int from = 0;
    int axis = 0;

    (void)argument;
    if (n < 0 || s.rank + n > ASSAY_RANK_MAX) {
        assay__im_fail(im, ASSAY_LIMIT,
                       n < 0 ? "axes are missing"
                             : "the result has over %d dimensions",
                       ASSAY_RANK_MAX);
        return;
    }
    to.rank = s.rank + n;
    for (int i = 0; i < n; i++)
        mask |= 1U << assay__im_axis(im, list[i], to.rank);
    for (int i = 0; i < to.rank; i++) {
        bool is_new = (mask >> i & 1U) != 0;

        if (!is_new && from >= s.rank)
            assay__im_fail(im, ASSAY_SHAPE, "an axis is named twice");
        if (!is_new && batched && from == batch)
            axis = i;
        to.dim[i] = is_new || from >= s.rank ? 1 : s.dim[from++];
    }
    assay__im_output(im, 0, same_numbers(im, x, &to, axis));
}

void assay__onnx_expand(struct assay__importer *im, int argument)
{
    int x = assay__im_need(im, 0);
    struct assay_shape to = said_shape(im, assay__im_need(im, 1), "the shape");
    struct assay_shape s = *assay__im_shape(im, x);
    int shift;

    (void)argument;
    if (im->code != ASSAY_OK)
        return;
    if (to.rank < s.rank) {
        int more = s.rank - to.rank;

        memmove(to.dim + more, to.dim, (size_t)to.rank * sizeof(to.dim[0]));
        for (int i = 0; i < more; i++)
            to.dim[i] = 1;
        to.rank = s.rank;
    }
    shift = to.rank - s.rank;
    for (int i = 0; i < to.rank; i++) {
        int64_t d = i >= shift ? s.dim[i - shift] : 1;

        if (to.dim[i] == INT64_MIN)
            to.dim[i] = ASSAY_BATCH;
        else if (to.dim[i] == 1)
            to.dim[i] = d;
    }
    assay__im_output(im, 0, assay__im_expand(im, x, &to));
}

void assay__onnx_constant_of_shape(struct assay__importer *im, int argument)
{
    struct assay_shape to = said_shape(im, assay__im_need(im, 0), "the shape");
    const struct assay__onnx_attribute *a = assay__im_attribute(im, "value");
    int type = ASSAY__ONNX_F32;
    double x = 0.0;

    (void)argument;
    if (a && (!a->t || a->t->count != 1)) {
        assay__im_fail(im, ASSAY_FORMAT, "attribute 'value' is not one number");
        return;
    }
    if (a) {
        type = a->t->type;
        if (assay__onnx_tensor_values(a->t, &x, im->err) != ASSAY_OK)
            assay__im_fail(im, ASSAY_FORMAT, "attribute 'value' is damaged");
    }
    if (to.rank > 0 && to.dim[0] == INT64_MIN)
        to.dim[0] = ASSAY_BATCH;
    assay__im_output(im, 0, assay__im_fill(im, &to, x, type));
}

static int constant_list(struct assay__importer *im,
                         const struct assay__onnx_attribute *a, bool real)
{
    struct assay_shape row = {1, {(int64_t)a->n}};
    int item = assay__im_constant(im, &row, NULL,
                                  real ? ASSAY__ONNX_F32 : ASSAY__ONNX_I64);
    double *data = assay__im_room(im, item);

    for (size_t i = 0; data && i < a->n; i++)
        data[i] = real ? a->reals[i] : (double)a->ints[i];
    return item;
}

void assay__onnx_constant(struct assay__importer *im, int argument)
{
    const struct assay__onnx_attribute *a;
    int item = -1;

    (void)argument;
    if ((a = assay__im_attribute(im, "value")) != NULL && a->t)
        item = assay__im_of_tensor(im, a->t);
    else if ((a = assay__im_attribute(im, "value_float")) != NULL)
        item = assay__im_number(im, a->f, ASSAY__ONNX_F32);
    else if ((a = assay__im_attribute(im, "value_int")) != NULL)
        item = assay__im_number(im, (double)a->i, ASSAY__ONNX_I64);
    else if ((a = assay__im_attribute(im, "value_floats")) != NULL &&
             a->type == 6)
        item = constant_list(im, a, true);
    else if ((a = assay__im_attribute(im, "value_ints")) != NULL &&
             a->type == 7)
        item = constant_list(im, a, false);
    else
        assay__im_fail(im, ASSAY_UNSUPPORTED,
                       "its value is of no kind that is supported");
    assay__im_output(im, 0, item);
}

void assay__onnx_range(struct assay__importer *im, int argument)
{
    const double *in[3];
    struct assay_shape row = {1, {0}};
    double *data;
    double n;
    int item;

    (void)argument;
    for (int i = 0; i < 3; i++) {
        in[i] = assay__im_data(im, assay__im_need(im, i), "a bound");
        if (!in[i])
            return;
    }
    n = ceil((*in[1] - *in[0]) / *in[2]);
    if (!(n < INT32_MAX)) {
        assay__im_fail(im, isnan(n) ? ASSAY_UNSUPPORTED : ASSAY_LIMIT,
                       isnan(n) ? "its length depends on the batch"
                                : "it has over 2^31 numbers");
        return;
    }
    row.dim[0] = n > 0.0 ? (int64_t)n : 0;
    item = assay__im_constant(im, &row, NULL,
                              assay__im_at(im, assay__im_need(im, 0))->type);
    data = assay__im_room(im, item);
    for (int64_t i = 0; data && i < row.dim[0]; i++)
        data[i] = *in[0] + (double)i * *in[2];
    assay__im_output(im, 0, item);
}

void assay__onnx_eye_like(struct assay__importer *im, int argument)
{
    int x = assay__im_need(im, 0);
    struct assay_shape s = *assay__im_shape(im, x);
    int64_t k = assay__im_int(im, "k", 0);
    int type = (int)assay__im_int(im, "dtype", assay__im_at(im, x)->type);
    double *data;
    int item;

    (void)argument;
    if (s.rank != 2 || assay__im_batched(im, x)) {
        assay__im_fail(im, ASSAY_UNSUPPORTED,
                       "of anything but a matrix of known size");
        return;
    }
    item = assay__im_constant(im, &s, NULL, type);
    data = assay__im_room(im, item);
    for (int64_t i = 0; data && i < s.dim[0]; i++) {
        if (k > -INT32_MAX && k < INT32_MAX && i + k >= 0 && i + k < s.dim[1])
            data[i * s.dim[1] + i + k] = 1.0;
    }
    assay__im_output(im, 0, item);
}
