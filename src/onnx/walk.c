/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The walk over a file's nodes: each is found in onnx_ops.def and gives its
 * inputs and outputs through here, where it is seen to how they have the
 * batch: in front, at another axis, or with windows folded into it.
 */

#include <string.h>

#include "onnx/import.h"

static const struct assay__onnx_op ops[] = {
#define ASSAY_ONNX_OP(name, first, last, function, argument) \
    {#name, first, last, function, argument},
#include "onnx/onnx_ops.def"
#undef ASSAY_ONNX_OP
    {NULL, 0, 0, NULL, 0},
};

const struct assay__onnx_op *assay__onnx_ops(void)
{
    return ops;
}

/* How the node's inputs have the batch. */
static void note_fold(struct assay__importer *im, int item, int i)
{
    int64_t folded = im->item[item].folded;

    if (folded == 0) {
        im->whole = im->whole || assay__im_batched(im, item);
        return;
    }
    if (!im->takes_folded || (im->fold > 0 && im->fold != folded))
        assay__im_fail(im, ASSAY_UNSUPPORTED,
                       "input %d has %lld windows per record folded into its "
                       "batch",
                       i, (long long)folded);
    im->fold = folded;
}

static int any_input(struct assay__importer *im, int i)
{
    struct assay__span name;
    int item;

    if (im->code != ASSAY_OK || i >= im->node->n_in ||
        im->node->in[i].size == 0)
        return -1;
    name = im->node->in[i];
    item = assay__im_find(im, name);
    if (item < 0)
        return assay__im_fail(im, ASSAY_FORMAT,
                              "input '%.*s' is made by no node before it",
                              assay__span_length(name), name.text);
    note_fold(im, item, i);
    return im->code == ASSAY_OK ? item : -1;
}

int assay__im_need_moved(struct assay__importer *im, int i)
{
    int item = any_input(im, i);

    if (item < 0)
        return assay__im_fail(im, ASSAY_FORMAT, "input %d is missing", i);
    return item;
}

int assay__im_input(struct assay__importer *im, int i)
{
    int item = any_input(im, i);

    if (assay__im_at(im, item)->batch_axis != 0)
        return assay__im_fail(im, ASSAY_UNSUPPORTED,
                              "the batch is dimension %d of input %d, must be "
                              "0",
                              im->item[item].batch_axis, i);
    return item;
}

int assay__im_need(struct assay__importer *im, int i)
{
    int item = assay__im_input(im, i);

    if (item < 0)
        return assay__im_fail(im, ASSAY_FORMAT, "input %d is missing", i);
    return item;
}

int assay__im_inner_axis(const struct assay__importer *im, int item, int axis)
{
    const struct assay__item *at = assay__im_at(im, item);

    if (!assay__im_batched(im, item))
        return axis;
    if (axis == at->batch_axis)
        return 0;
    return (axis < at->batch_axis ? axis + 1 : axis) + (at->folded > 0);
}

int assay__im_axis_of(struct assay__importer *im, int item, int64_t axis)
{
    int rank =
        assay__im_shape(im, item)->rank - (assay__im_at(im, item)->folded > 0);

    return assay__im_inner_axis(im, item, assay__im_axis(im, axis, rank));
}

struct assay_shape assay__im_said(const struct assay__importer *im, int item)
{
    const struct assay__item *at = assay__im_at(im, item);
    struct assay_shape said = at->shape;

    if (!assay__im_batched(im, item))
        return said;
    said.rank -= at->folded > 0;
    for (int i = 0; i < said.rank; i++)
        said.dim[i] = at->shape.dim[assay__im_inner_axis(im, item, i)];
    return said;
}

struct assay_shape assay__shape_inner(const struct assay_shape *said,
                                      int batch_axis, int64_t folded)
{
    struct assay_shape s = {0, {0}};

    s.dim[s.rank++] = said->dim[batch_axis];
    if (folded > 0 && s.rank < ASSAY_RANK_MAX)
        s.dim[s.rank++] = folded;
    for (int i = 0; i < said->rank; i++) {
        if (i != batch_axis && s.rank < ASSAY_RANK_MAX)
            s.dim[s.rank++] = said->dim[i];
    }
    s.rank = said->rank == 0 ? 0 : s.rank;
    return s;
}

int assay__im_moved(struct assay__importer *im, int item, int axis)
{
    int moved;

    if (im->code != ASSAY_OK || item < 0 || im->item[item].batch_axis == axis)
        return item;
    moved = assay__im_of_value(im, im->item[item].v, im->item[item].type);
    if (moved >= 0) {
        im->item[moved].batch_axis = axis;
        im->item[moved].folded = im->item[item].folded;
    }
    return moved;
}

/* What is made of folded values is folded alike. */
static void mark_folded(struct assay__importer *im, int item)
{
    struct assay__item *at = &im->item[item];

    if (im->whole || at->shape.rank < 2 || at->shape.dim[0] != ASSAY_BATCH ||
        at->shape.dim[1] != im->fold)
        assay__im_fail(im, ASSAY_UNSUPPORTED,
                       "windows folded into the batch meet the batch itself");
    at->folded = im->fold;
}

void assay__im_output(struct assay__importer *im, int i, int item)
{
    if (i >= im->node->n_out || im->code != ASSAY_OK)
        return;
    if (im->fold > 0 && item >= 0 && !im->item[item].known)
        mark_folded(im, item);
    assay__im_bind(im, im->node->out[i], item);
}

bool assay__im_wants(const struct assay__importer *im, int i)
{
    return i < im->node->n_out && im->node->out[i].size > 0;
}

/* Operators that work number by number, along axes, or on matrices. */
static bool takes_folded(void (*import)(struct assay__importer *, int))
{
    static void (*const those[])(struct assay__importer *, int) = {
        assay__onnx_binary,     assay__onnx_cast,     assay__onnx_clip,
        assay__onnx_concat,     assay__onnx_dropout,  assay__onnx_gather,
        assay__onnx_gelu,       assay__onnx_identity, assay__onnx_layernorm,
        assay__onnx_leaky_relu, assay__onnx_many,     assay__onnx_matmul,
        assay__onnx_negative,   assay__onnx_plain,    assay__onnx_reduce,
        assay__onnx_reshape,    assay__onnx_shape,    assay__onnx_slice,
        assay__onnx_softmax,    assay__onnx_split,    assay__onnx_squeeze,
        assay__onnx_transpose,  assay__onnx_unary,    assay__onnx_unsqueeze,
        assay__onnx_where,
    };

    for (size_t i = 0; i < sizeof(those) / sizeof(those[0]); i++) {
        if (those[i] == import)
            return true;
    }
    return false;
}

static void import_node(struct assay__importer *im)
{
    const struct assay__onnx_node *n = im->node;
    bool standard = n->domain.size == 0 || assay__span_is(n->domain, "ai.onnx");

    for (const struct assay__onnx_op *op = ops; standard && op->name; op++) {
        if (!assay__span_is(n->op, op->name))
            continue;
        if (im->o->opset < op->first || im->o->opset > op->last) {
            assay__im_fail(im, ASSAY_UNSUPPORTED,
                           "the operator of set %d is not supported (%d to "
                           "%d are)",
                           im->o->opset, op->first, op->last);
            return;
        }
        im->takes_folded = takes_folded(op->import);
        im->fold = 0;
        im->whole = false;
        op->import(im, op->argument);
        return;
    }
    assay__im_fail(im, ASSAY_UNSUPPORTED, "the operator is not supported%s%.*s",
                   standard ? "" : ": domain ",
                   standard ? 0 : assay__span_length(n->domain),
                   n->domain.text);
}

void assay__import_nodes(struct assay__importer *im)
{
    for (int i = 0; i < im->o->n_nodes && im->code == ASSAY_OK; i++) {
        const struct assay__onnx_node *n = &im->o->node[i];

        im->node = n;
        im->node_index = i;
        import_node(im);
        if (im->code != ASSAY_OK)
            im->code =
                assay_error_prefix(im->err, im->code, "node %d '%.*s' (%.*s)",
                                   i, assay__span_length(n->name), n->name.text,
                                   assay__span_length(n->op), n->op.text);
    }
    im->node = NULL;
}
