/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operators that move numbers: transposes, parts, joins, paddings. Each is a
 * few engine ops along single axes; none may move records of the batch.
 */

#include <math.h>
#include <string.h>

#include "core/mem.h"
#include "onnx/import.h"

/* The axes of a permutation, or a failure. */
static bool read_perm(struct assay__importer *im, int rank, int *perm)
{
    int64_t list[ASSAY_RANK_MAX];
    int n = assay__im_ints(im, "perm", list, ASSAY_RANK_MAX);
    unsigned seen = 0;

    if (im->code == ASSAY_OK && n >= 0 && n != rank)
        assay__im_fail(im, ASSAY_SHAPE, "%d axes of a value of rank %d", n,
                       rank);
    for (int i = 0; i < rank && im->code == ASSAY_OK; i++) {
        perm[i] = n >= 0 ? assay__im_axis(im, list[i], rank) : rank - 1 - i;
        seen |= 1U << perm[i];
    }
    if (im->code == ASSAY_OK && seen != (1U << rank) - 1)
        assay__im_fail(im, ASSAY_SHAPE, "an axis is named twice");
    return im->code == ASSAY_OK;
}

/* A batch stays in front, whatever axis the file moves it to. */
void assay__onnx_transpose(struct assay__importer *im, int argument)
{
    int x = assay__im_need_moved(im, 0);
    int rank = assay__im_said(im, x).rank;
    bool batched = assay__im_batched(im, x);
    int perm[ASSAY_RANK_MAX];
    int inner[ASSAY_RANK_MAX];
    int to = 0;
    int n = 0;

    (void)argument;
    if (!read_perm(im, rank, perm))
        return;
    if (batched)
        inner[n++] = 0;
    if (assay__im_at(im, x)->folded > 0)
        inner[n++] = 1;
    for (int i = 0; i < rank; i++) {
        int axis = assay__im_inner_axis(im, x, perm[i]);

        if (batched && axis == 0)
            to = i;
        else
            inner[n++] = axis;
    }
    x = assay__im_transpose(im, assay__im_moved(im, x, 0), inner);
    assay__im_output(im, 0, assay__im_moved(im, x, to));
}

enum { ENTRIES_MAX = 1 << 20 }; /* of an axis that is arranged anew */

void assay__onnx_concat(struct assay__importer *im, int argument)
{
    int in[ASSAY__ONNX_NODE_PORTS] = {0};
    int n = im->node->n_in;
    int axis;

    (void)argument;
    for (int i = 0; i < n; i++)
        in[i] = assay__im_need(im, i);
    if (im->code != ASSAY_OK || n == 0)
        return;
    axis = assay__im_axis_of(im, in[0], assay__im_int(im, "axis", 0));
    /* The engine joins so many at once. */
    while (n > ASSAY__OP_INPUTS_MAX && im->code == ASSAY_OK) {
        int m = 0;

        for (int i = 0; i < n; i += ASSAY__OP_INPUTS_MAX)
            in[m++] = assay__im_concat(
                im, in + i,
                n - i < ASSAY__OP_INPUTS_MAX ? n - i : ASSAY__OP_INPUTS_MAX,
                axis);
        n = m;
    }
    assay__im_output(im, 0, assay__im_concat(im, in, n, axis));
}

/* Lengths of the parts along the axis. */
static int part_lengths(struct assay__importer *im, int64_t length,
                        int64_t *part)
{
    int n = assay__im_list(im, 13, 1, "split", part, ASSAY__ONNX_NODE_PORTS);
    int64_t each;

    if (n >= 0 || im->code != ASSAY_OK)
        return n;
    n = (int)assay__im_int(im, "num_outputs", im->node->n_out);
    if (n < 1 || n > ASSAY__ONNX_NODE_PORTS)
        return assay__im_fail(im, ASSAY_SHAPE, "%d parts", n);
    each = (length + n - 1) / n;
    for (int i = 0; i < n; i++)
        part[i] = i < n - 1 ? each : length - each * (n - 1);
    return n;
}

void assay__onnx_split(struct assay__importer *im, int argument)
{
    int x = assay__im_need_moved(im, 0);
    int batch_axis = assay__im_at(im, x)->batch_axis;
    struct assay_shape s = *assay__im_shape(im, x);
    int axis = assay__im_axis_of(im, x, assay__im_int(im, "axis", 0));
    int64_t part[ASSAY__ONNX_NODE_PORTS];
    int64_t begin = 0;
    int n;

    (void)argument;
    if (im->code != ASSAY_OK)
        return;
    if (s.dim[axis] == ASSAY_BATCH) {
        assay__im_fail(im, ASSAY_UNSUPPORTED, "the batch would be split");
        return;
    }
    n = part_lengths(im, s.dim[axis], part);
    for (int i = 0; i < n && im->code == ASSAY_OK; i++) {
        if (part[i] < 1 || part[i] > s.dim[axis] - begin) {
            assay__im_fail(im, part[i] == 0 ? ASSAY_UNSUPPORTED : ASSAY_SHAPE,
                           "part %d has length %lld, %lld are left", i,
                           (long long)part[i],
                           (long long)(s.dim[axis] - begin));
            return;
        }
        assay__im_output(
            im, i,
            assay__im_moved(im, assay__im_part(im, x, axis, begin, 1, part[i]),
                            batch_axis));
        begin += part[i];
    }
}

/* Python's rules for begin:end:step over `length`: first and number. */
static int64_t slice_count(int64_t length, int64_t *begin, int64_t end,
                           int64_t step)
{
    int64_t low = step > 0 ? 0 : -1;
    int64_t high = step > 0 ? length : length - 1;

    if (*begin < 0)
        *begin = *begin < -length ? low : *begin + length;
    if (end < 0)
        end = end < -length ? low : end + length;
    *begin = *begin > high ? high : *begin < low ? low : *begin;
    end = end > high ? high : end < low ? low : end;
    if (step > 0)
        return end > *begin ? (end - *begin - 1) / step + 1 : 0;
    return *begin > end ? (*begin - end - 1) / -step + 1 : 0;
}

/* One axis of Slice; an empty part of a constant is one without numbers. */
static int slice_axis(struct assay__importer *im, int x, int axis,
                      int64_t begin, int64_t end, int64_t step)
{
    struct assay_shape s = *assay__im_shape(im, x);
    int64_t n;

    if (im->code != ASSAY_OK)
        return -1;
    if (step == 0)
        return assay__im_fail(im, ASSAY_SHAPE, "a step is 0");
    if (step < -INT32_MAX)
        step = -INT32_MAX;
    if (step > INT32_MAX)
        step = INT32_MAX;
    if (s.dim[axis] == ASSAY_BATCH) {
        if (begin == 0 && end >= INT32_MAX && step == 1)
            return x;
        return assay__im_fail(im, ASSAY_UNSUPPORTED, "a part of the batch");
    }
    n = slice_count(s.dim[axis], &begin, end, step);
    if (n > 0)
        return assay__im_part(im, x, axis, begin, n == 1 ? 1 : step, n);
    if (!assay__im_known(im, x))
        return assay__im_fail(im, ASSAY_UNSUPPORTED, "an empty part");
    s.dim[axis] = 0;
    return assay__im_constant(im, &s, NULL, assay__im_at(im, x)->type);
}

void assay__onnx_slice(struct assay__importer *im, int argument)
{
    enum { MAX = ASSAY_RANK_MAX };
    int x = assay__im_need_moved(im, 0);
    int batch_axis = assay__im_at(im, x)->batch_axis;
    int rank = assay__im_shape(im, x)->rank;
    int64_t begin[MAX];
    int64_t end[MAX];
    int64_t axes[MAX];
    int64_t step[MAX];
    int n = assay__im_list(im, 10, 1, "starts", begin, MAX);
    int n_end = assay__im_list(im, 10, 2, "ends", end, MAX);
    int n_axes = assay__im_list(im, 10, 3, "axes", axes, MAX);
    int n_step =
        im->o->opset < 10 ? -1 : assay__im_list(im, 10, 4, "steps", step, MAX);

    (void)argument;
    if (im->code == ASSAY_OK &&
        (n < 0 || n_end != n || (n_axes >= 0 && n_axes != n) ||
         (n_step >= 0 && n_step != n) || (n_axes < 0 && n > rank)))
        assay__im_fail(im, ASSAY_SHAPE,
                       "%d starts, %d ends, %d axes and %d steps do not fit", n,
                       n_end, n_axes, n_step);
    for (int i = 0; i < n && im->code == ASSAY_OK; i++) {
        int axis = assay__im_axis_of(im, x, n_axes < 0 ? i : axes[i]);

        x = slice_axis(im, x, axis, begin[i], end[i], n_step < 0 ? 1 : step[i]);
        x = assay__im_moved(im, x, batch_axis);
    }
    assay__im_output(im, 0, x);
}

/* Indices as places 0 .. length-1, or a failure. */
static double *places(struct assay__importer *im, int index, int64_t length,
                      int64_t *n)
{
    const double *data = assay__im_data(im, index, "the index");
    double *place;

    *n = assay__im_count(assay__im_shape(im, index));
    if (!data)
        return NULL;
    place = assay__calloc((size_t)*n + 1, sizeof(*place));
    if (!place)
        assay__im_fail(im, ASSAY_NOMEM, "import: out of memory");
    for (int64_t i = 0; place && i < *n; i++) {
        place[i] = data[i] < 0.0 ? data[i] + (double)length : data[i];
        if (!(place[i] >= 0.0 && place[i] < (double)length)) {
            assay__im_fail(im, ASSAY_SHAPE, "index %g of %lld entries", data[i],
                           (long long)length);
            break;
        }
    }
    return place;
}

void assay__onnx_gather(struct assay__importer *im, int argument)
{
    int x = assay__im_need_moved(im, 0);
    int index = assay__im_need(im, 1);
    struct assay_shape s = *assay__im_shape(im, x);
    struct assay_shape k = *assay__im_shape(im, index);
    int said = assay__im_axis(im, assay__im_int(im, "axis", 0),
                              assay__im_said(im, x).rank);
    int axis = assay__im_inner_axis(im, x, said);
    int batch_axis = assay__im_at(im, x)->batch_axis;
    struct assay_shape to = s;
    double *place;
    int64_t n;

    (void)argument;
    if (im->code != ASSAY_OK)
        return;
    if (s.dim[axis] == ASSAY_BATCH || s.rank - 1 + k.rank > ASSAY_RANK_MAX) {
        assay__im_fail(im, ASSAY_UNSUPPORTED,
                       "of the batch, or to over %d dimensions",
                       ASSAY_RANK_MAX);
        return;
    }
    place = places(im, index, s.dim[axis], &n);
    if (im->code != ASSAY_OK) {
        assay__free(place);
        return;
    }
    x = n == 1 ? assay__im_part(im, x, axis, (int64_t)place[0], 1, 1)
               : assay__im_gather(im, x, axis, place, n);
    assay__free(place);
    to.rank = s.rank - 1 + k.rank;
    for (int i = 0; i < k.rank; i++)
        to.dim[axis + i] = k.dim[i];
    for (int i = axis + 1; i < s.rank; i++)
        to.dim[i - 1 + k.rank] = s.dim[i];
    if (batch_axis > said)
        batch_axis += k.rank - 1;
    x = assay__im_reshape(im, x, &to);
    assay__im_output(im, 0, assay__im_moved(im, x, batch_axis));
}

/* Entry i of the output is entry place(i) of the input. */
static int remap(struct assay__importer *im, int x, int axis, int64_t n,
                 int64_t (*place)(int64_t i, int64_t length, int64_t before),
                 int64_t before)
{
    int64_t length = assay__im_shape(im, x)->dim[axis];
    double *index;

    if (im->code != ASSAY_OK)
        return -1;
    if (n < 1 || n > ENTRIES_MAX)
        return assay__im_fail(
            im, ASSAY_LIMIT, "%lld entries along an axis, over the limit of %d",
            (long long)n, (int)ENTRIES_MAX);
    index = assay__calloc((size_t)n, sizeof(*index));
    if (!index)
        return assay__im_fail(im, ASSAY_NOMEM, "import: out of memory");
    for (int64_t i = 0; i < n; i++)
        index[i] = (double)place(i, length, before);
    x = assay__im_gather(im, x, axis, index, n);
    assay__free(index);
    return x;
}

static int64_t wrap(int64_t i, int64_t length, int64_t before)
{
    int64_t r = (i - before) % length;

    return r < 0 ? r + length : r;
}

static int64_t edge(int64_t i, int64_t length, int64_t before)
{
    int64_t at = i - before;

    return at < 0 ? 0 : at >= length ? length - 1 : at;
}

static int64_t reflect(int64_t i, int64_t length, int64_t before)
{
    int64_t period = length > 1 ? 2 * (length - 1) : 1;
    int64_t r = (i - before) % period;

    r = r < 0 ? r + period : r;
    return r < length ? r : period - r;
}

void assay__onnx_tile(struct assay__importer *im, int argument)
{
    int x = assay__im_need(im, 0);
    struct assay_shape s = *assay__im_shape(im, x);
    int64_t times[ASSAY_RANK_MAX];
    int n = assay__im_list(im, 0, 1, "repeats", times, ASSAY_RANK_MAX);

    (void)argument;
    if (im->code == ASSAY_OK && n != s.rank)
        assay__im_fail(im, ASSAY_SHAPE, "%d repeats of a value of rank %d", n,
                       s.rank);
    for (int i = 0; i < n && im->code == ASSAY_OK; i++) {
        if (times[i] == 1)
            continue;
        if (s.dim[i] == ASSAY_BATCH || times[i] < 1 ||
            times[i] > INT32_MAX / s.dim[i])
            assay__im_fail(im, ASSAY_UNSUPPORTED, "axis %d repeated %lld times",
                           i, (long long)times[i]);
        else
            x = remap(im, x, i, times[i] * s.dim[i], wrap, 0);
    }
    assay__im_output(im, 0, x);
}

/* Constant numbers on both sides of an axis. */
static int pad_constant(struct assay__importer *im, int x, int axis,
                        int64_t before, int64_t after, double value)
{
    int type = assay__im_at(im, x)->type;
    int in[3];
    int n = 0;

    if (im->code != ASSAY_OK)
        return -1;
    for (int side = 0; side < 2; side++) {
        struct assay_shape s = *assay__im_shape(im, x);

        s.dim[axis] = side == 0 ? before : after;
        if (side == 1)
            in[n++] = x;
        if (s.dim[axis] > 0)
            in[n++] = assay__im_fill(im, &s, value, type);
    }
    return assay__im_concat(im, in, n, axis);
}

static int pad_axis(struct assay__importer *im, int x, int axis, int64_t before,
                    int64_t after, int mode, double value)
{
    static int64_t (*const place[])(int64_t, int64_t, int64_t) = {NULL, reflect,
                                                                  edge, wrap};
    int64_t length = assay__im_shape(im, x)->dim[axis];

    if (im->code != ASSAY_OK || (before == 0 && after == 0))
        return x;
    if (length == ASSAY_BATCH || before > INT32_MAX / 2 ||
        after > INT32_MAX / 2 || before < -length || after < -length ||
        before + after + length < 1)
        return assay__im_fail(
            im, ASSAY_UNSUPPORTED, "axis %d of %lld padded by %lld and %lld",
            axis, (long long)length, (long long)before, (long long)after);
    if (before < 0 || after < 0) {
        int64_t cut = before < 0 ? -before : 0;

        x = assay__im_part(im, x, axis, cut, 1,
                           length - cut - (after < 0 ? -after : 0));
        before = before < 0 ? 0 : before;
        after = after < 0 ? 0 : after;
        length = assay__im_shape(im, x)->dim[axis];
    }
    if (before == 0 && after == 0)
        return x;
    return mode == 0 ? pad_constant(im, x, axis, before, after, value)
                     : remap(im, x, axis, before + length + after, place[mode],
                             before);
}

static double pad_value(struct assay__importer *im)
{
    const double *data;
    int item;

    if (im->o->opset < 11)
        return assay__im_real(im, "value", 0.0);
    item = assay__im_input(im, 2);
    if (item < 0)
        return 0.0;
    data = assay__im_data(im, item, "the padding's value");
    return data ? *data : 0.0;
}

void assay__onnx_pad(struct assay__importer *im, int argument)
{
    static const char *const modes[] = {"constant", "reflect", "edge", "wrap",
                                        NULL};
    int x = assay__im_need(im, 0);
    int rank = assay__im_shape(im, x)->rank;
    int mode = assay__im_choice(im, "mode", modes);
    double value = pad_value(im);
    int64_t pads[2 * ASSAY_RANK_MAX];
    int64_t axes[ASSAY_RANK_MAX];
    int n = assay__im_list(im, 11, 1, "pads", pads, 2 * ASSAY_RANK_MAX);
    int n_axes = im->o->opset < 18
                     ? -1
                     : assay__im_list(im, 18, 3, "axes", axes, ASSAY_RANK_MAX);

    (void)argument;
    if (im->code == ASSAY_OK && n != 2 * (n_axes < 0 ? rank : n_axes))
        assay__im_fail(im, ASSAY_SHAPE, "%d paddings for a value of rank %d", n,
                       rank);
    for (int i = 0; i < n / 2 && im->code == ASSAY_OK; i++)
        x = pad_axis(im, x, n_axes < 0 ? i : assay__im_axis(im, axes[i], rank),
                     pads[i], pads[i + n / 2], mode, value);
    assay__im_output(im, 0, x);
}

/* Reshape to six dimensions, transpose, reshape. */
static void shuffle(struct assay__importer *im, int x,
                    const struct assay_shape *six, const int *perm,
                    const struct assay_shape *to)
{
    x = assay__im_reshape(im, x, six);
    x = assay__im_transpose(im, x, perm);
    assay__im_output(im, 0, assay__im_reshape(im, x, to));
}

/* The block's side, of a map [N, C, H, W]. */
static int64_t block_of(struct assay__importer *im, const struct assay_shape *s,
                        bool of_depth)
{
    int64_t b = assay__im_int(im, "blocksize", 0);

    if (im->code != ASSAY_OK)
        return 0;
    if (s->rank != 4 || b < 1 || b > 1024 ||
        (of_depth ? s->dim[1] % (b * b) != 0
                  : s->dim[2] % b != 0 || s->dim[3] % b != 0)) {
        assay__im_fail(im, ASSAY_SHAPE,
                       "blocks of %lld do not fit a value of rank %d",
                       (long long)b, s->rank);
        return 0;
    }
    return b;
}

void assay__onnx_depth_to_space(struct assay__importer *im, int argument)
{
    static const char *const modes[] = {"DCR", "CRD", NULL};
    static const int dcr[] = {0, 3, 4, 1, 5, 2};
    static const int crd[] = {0, 1, 4, 2, 5, 3};
    int x = assay__im_need(im, 0);
    struct assay_shape s = *assay__im_shape(im, x);
    bool second = assay__im_choice(im, "mode", modes) == 1;
    int64_t b = block_of(im, &s, true);
    struct assay_shape six;
    struct assay_shape to;

    (void)argument;
    if (b == 0)
        return;
    six = second ? (struct assay_shape){6,
                                        {s.dim[0], s.dim[1] / (b * b), b, b,
                                         s.dim[2], s.dim[3]}}
                 : (struct assay_shape){6,
                                        {s.dim[0], b, b, s.dim[1] / (b * b),
                                         s.dim[2], s.dim[3]}};
    to = (struct assay_shape){
        4, {s.dim[0], s.dim[1] / (b * b), s.dim[2] * b, s.dim[3] * b}};
    shuffle(im, x, &six, second ? crd : dcr, &to);
}

void assay__onnx_space_to_depth(struct assay__importer *im, int argument)
{
    static const int perm[] = {0, 3, 5, 1, 2, 4};
    int x = assay__im_need(im, 0);
    struct assay_shape s = *assay__im_shape(im, x);
    int64_t b = block_of(im, &s, false);
    struct assay_shape six;
    struct assay_shape to;

    (void)argument;
    if (b == 0)
        return;
    six = (struct assay_shape){
        6, {s.dim[0], s.dim[1], s.dim[2] / b, b, s.dim[3] / b, b}};
    to = (struct assay_shape){
        4, {s.dim[0], s.dim[1] * b * b, s.dim[2] / b, s.dim[3] / b}};
    shuffle(im, x, &six, perm, &to);
}

void assay__onnx_trilu(struct assay__importer *im, int argument)
{
    int x = assay__im_need(im, 0);
    struct assay_shape s = *assay__im_shape(im, x);
    bool upper = assay__im_int(im, "upper", 1) != 0;
    int64_t k = 0;
    struct assay_shape mask;
    double *data;
    int in[3];

    (void)argument;
    if (assay__im_input(im, 1) >= 0)
        (void)assay__im_list(im, 0, 1, "k", &k, 1);
    if (im->code != ASSAY_OK)
        return;
    if (s.rank < 2 || (s.rank == 2 && assay__im_batched(im, x)) ||
        assay__im_count(&s) == 0) {
        assay__im_fail(im, ASSAY_UNSUPPORTED,
                       "of an empty value or of one that has no matrices");
        return;
    }
    k = k > INT32_MAX ? INT32_MAX : k < -INT32_MAX ? -INT32_MAX : k;
    mask = (struct assay_shape){2, {s.dim[s.rank - 2], s.dim[s.rank - 1]}};
    in[0] = assay__im_constant(im, &mask, NULL, ASSAY__ONNX_BOOL);
    data = assay__im_room(im, in[0]);
    for (int64_t i = 0; data && i < mask.dim[0] * mask.dim[1]; i++) {
        int64_t over = i % mask.dim[1] - i / mask.dim[1] - k;

        data[i] = upper ? over >= 0 : over <= 0;
    }
    in[1] = x;
    in[2] = assay__im_number(im, 0.0, assay__im_at(im, x)->type);
    x = assay__im_op(im, "select", in, 3, NULL);
    assay__im_set_type(im, x, assay__im_at(im, in[1])->type);
    assay__im_output(im, 0, x);
}
