/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_ONNX_IMPORT_H
#define ASSAY_ONNX_IMPORT_H

/*
 * An import under way: from a file's nodes to a graph of the engine.
 *
 * Each name of the file stands for an item: a constant, whose numbers are
 * known, or a value of the graph. An operator's function (onnx_ops.def)
 * composes engine ops by the calls below. Where all inputs of an op are
 * constants it is computed at once by its reference kernel, and the result
 * is a constant; so shapes and indices vanish without further care, and an
 * operator is written once.
 *
 * A batch that is symbolic is dimension 0 of values of the graph. The
 * operator Shape gives NaN for it: arithmetic on NaN is NaN, and whoever
 * wants a number where one is left says that it depends on the batch.
 *
 * Networks turn the batch away from dimension 0 for a while, to take a part
 * along the new one. Such an item keeps its value with the batch in front and
 * remembers at which axis the file has it (batch_axis); only the operators
 * that such detours are made of take it (assay__im_need_moved).
 *
 * Networks that attend within windows fold these into the batch: a value is
 * then [N k, ..] for the file, and [N, k, ..] here (folded = k). Operators
 * that work number by number, along single axes or on matrices take it, and
 * their results are folded alike; a reshape folds and unfolds.
 *
 * Errors stick: after the first failure calls do nothing and return -1. The
 * node at which it happened is put in front of the message.
 */

#include "assay/layers.h"
#include "engine/op.h"
#include "onnx/file.h"

struct assay__item {
    struct assay_shape shape;
    int type;      /* element type of the standard */
    bool known;    /* a constant */
    assay_value v; /* its value in the graph; ASSAY_NO_VALUE: none yet */
    double *data;  /* of a constant, once it was asked for */
    const struct assay__onnx_tensor *from; /* where its numbers come from */
    struct assay__span name;
    int node;       /* of the file, that made it; -1 */
    int batch_axis; /* where the file has the batch; shape has it in front */
    int64_t folded; /* places that the file's batch has per record; 0: one */
    bool weight;    /* real numbers of the file, whatever their order */
    bool statistic; /* of a batch norm: changed by training */
};

struct assay__importer {
    const assay_onnx *o;
    assay_graph *g;
    bool symbolic;
    struct assay__item *item;
    int n_items, cap_items;
    int *slot; /* names, open addressing: item + 1, or 0 */
    struct assay__span *slot_name;
    size_t n_slots;
    int *param; /* item of each parameter of the graph, in its order */
    int n_params, cap_params;
    size_t folded;                       /* numbers computed so far */
    double work;                         /* and steps that took */
    const struct assay__onnx_node *node; /* under way */
    bool takes_folded;                   /* whether that takes folded inputs */
    int64_t fold;                        /* of its inputs so far */
    bool whole; /* it has inputs with the batch as it is */
    int node_index;
    int code;
    struct assay_error *err;
};

/* A row of onnx_ops.def. */
struct assay__onnx_op {
    const char *name;
    int first, last; /* operator sets that it is known in */
    void (*import)(struct assay__importer *im, int argument);
    int argument;
};

/* Ends with name NULL. */
const struct assay__onnx_op *assay__onnx_ops(void);

/* --- import.c ---------------------------------------------------------- */

int assay__import_open(struct assay__importer *im, const assay_onnx *o,
                       bool symbolic, struct assay_error *err) ASSAY_MUST_CHECK;
void assay__import_close(struct assay__importer *im);
/* Run all nodes (walk.c). Inputs must have been bound. */
void assay__import_nodes(struct assay__importer *im);
/* Parameters of the graph, filled. */
void assay__import_params(struct assay__importer *im,
                          struct assay_params *params);

/* Fail with a message. Returns -1. */
int assay__im_fail(struct assay__importer *im, int code, const char *fmt, ...)
    ASSAY_PRINTF(3, 4);
/* The item of a name, or -1. */
int assay__im_find(const struct assay__importer *im, struct assay__span name);
void assay__im_bind(struct assay__importer *im, struct assay__span name,
                    int item);

/* Input i of the node under way; -1 when it is absent. */
int assay__im_input(struct assay__importer *im, int i);
/* The same where it must be there: fails. */
int assay__im_need(struct assay__importer *im, int i);
/* The same, also of an item whose batch is elsewhere. */
int assay__im_need_moved(struct assay__importer *im, int i);
/* Its axis as the file counts it, as one of the item's shape. */
int assay__im_inner_axis(const struct assay__importer *im, int item, int axis);
/* The item with its batch at `axis` of the file's. */
int assay__im_moved(struct assay__importer *im, int item, int axis);
/* The item's shape as the file sees it, the batch where it has it (a folded
 * one is ASSAY_BATCH, too); and such a shape as an item's. */
struct assay_shape assay__im_said(const struct assay__importer *im, int item);
struct assay_shape assay__shape_inner(const struct assay_shape *said,
                                      int batch_axis, int64_t folded);
/* An axis of the file, negative from the end, as one of the item's shape. */
int assay__im_axis_of(struct assay__importer *im, int item, int64_t axis);
/* Say what output i is. */
void assay__im_output(struct assay__importer *im, int i, int item);
/* Whether the file uses output i of the node under way. */
bool assay__im_wants(const struct assay__importer *im, int i);

/* Items. The pointer is good until the next item is made. */
const struct assay__item *assay__im_at(const struct assay__importer *im,
                                       int item);
const struct assay_shape *assay__im_shape(const struct assay__importer *im,
                                          int item);
bool assay__im_known(const struct assay__importer *im, int item);
bool assay__im_batched(const struct assay__importer *im, int item);
void assay__im_set_type(struct assay__importer *im, int item, int type);
bool assay__im_is_integer(int type);
/* Numbers of a constant; NULL and a failure when it is none. `what` names
 * it in the message. */
const double *assay__im_data(struct assay__importer *im, int item,
                             const char *what);
/* The item in the graph; a constant becomes a parameter. */
assay_value assay__im_value(struct assay__importer *im, int item);
/* A new constant; `data` is copied (NULL: zeros, to be filled in place). */
int assay__im_constant(struct assay__importer *im,
                       const struct assay_shape *shape, const double *data,
                       int type);
double *assay__im_room(struct assay__importer *im, int item);
int assay__im_number(struct assay__importer *im, double x, int type);
/* An item of a value of the graph. */
int assay__im_of_value(struct assay__importer *im, assay_value v, int type);
/* A constant that is the tensor `t`. */
int assay__im_of_tensor(struct assay__importer *im,
                        const struct assay__onnx_tensor *t);
void assay__im_mark_statistic(struct assay__importer *im, int item);
/* The same item under another shape with as many numbers. */
int assay__im_alias(struct assay__importer *im, int item,
                    const struct assay_shape *shape);
/* `item` holds the numbers of `of` in another order: their name and kind. */
void assay__im_inherit(struct assay__importer *im, int item, int of);
/* Append an op, or compute it; the first output. Its type is that of the
 * first input. */
int assay__im_op(struct assay__importer *im, const char *op, const int *in,
                 int n, const struct assay_attrs *attrs);

/* --- attribute.c ------------------------------------------------------- */

bool assay__im_has(const struct assay__importer *im, const char *name);
int64_t assay__im_int(struct assay__importer *im, const char *name,
                      int64_t otherwise);
double assay__im_real(struct assay__importer *im, const char *name,
                      double otherwise);
/* A list of integers into out[0..max): how many; -1 when there is none. */
int assay__im_ints(struct assay__importer *im, const char *name, int64_t *out,
                   int max);
/* One of `choices` (ends in NULL): its index; 0 when not given. */
int assay__im_choice(struct assay__importer *im, const char *name,
                     const char *const *choices);
const struct assay__onnx_attribute *assay__im_attribute(
    const struct assay__importer *im, const char *name);
/* An axis, negative from the end, of a value of `rank`. */
int assay__im_axis(struct assay__importer *im, int64_t axis, int rank);
/*
 * A short list of integers that is a constant input `i`, or, before operator
 * set `since`, the attribute. How many; -1 when there is none.
 */
int assay__im_list(struct assay__importer *im, int since, int i,
                   const char *name, int64_t *out, int max);

/* --- compose.c: what several operators are made of ---------------------- */

int assay__im_unary(struct assay__importer *im, enum assay_unary_kind kind,
                    int x, double a, double b);
int assay__im_binary(struct assay__importer *im, enum assay_binary_kind kind,
                     int a, int b);
int assay__im_affine(struct assay__importer *im, int x, double factor,
                     double shift);
int assay__im_reshape(struct assay__importer *im, int x,
                      const struct assay_shape *shape);
int assay__im_transpose(struct assay__importer *im, int x, const int *perm);
/* Over the axes of the mask; they go unless `keep`. */
int assay__im_reduce(struct assay__importer *im, enum assay_reduction kind,
                     int x, unsigned axes, bool keep);
int assay__im_matmul(struct assay__importer *im, int a, int b, bool ta,
                     bool tb);
/* Entries index[0..n) along an axis. */
int assay__im_gather(struct assay__importer *im, int x, int axis,
                     const double *index, int64_t n);
/* matrix [L', L], a constant, applied along an axis of length L. */
int assay__im_along(struct assay__importer *im, int x, int axis, int matrix);
int assay__im_concat(struct assay__importer *im, const int *item, int n,
                     int axis);
/* All numbers x; the shape may begin with the batch. */
int assay__im_fill(struct assay__importer *im, const struct assay_shape *shape,
                   double x, int type);
/* Repeat dimensions of 1 to `shape` (broadcast to the right). */
int assay__im_expand(struct assay__importer *im, int x,
                     const struct assay_shape *shape);
/* n entries from `begin` by `step` along an axis. */
int assay__im_part(struct assay__importer *im, int x, int axis, int64_t begin,
                   int64_t step, int64_t n);
/* The product of sizes; INT64_MAX where it has no room. */
static inline int64_t assay__times(int64_t a, int64_t b)
{
    int64_t product;

    return __builtin_mul_overflow(a, b, &product) ? INT64_MAX : product;
}
/* Numbers per record: the batch counts 1. INT64_MAX when they are more. */
int64_t assay__im_count(const struct assay_shape *s);

/* Operators, by file: ASSAY_ONNX_OP rows name them. */
#define ASSAY_ONNX_OP(name, first, last, function, argument) \
    void function(struct assay__importer *im, int argument_);
#include "onnx/onnx_ops.def"
#undef ASSAY_ONNX_OP

#endif
