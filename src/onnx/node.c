/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Nodes and their attributes. Lists are counted before memory is asked for,
 * and counts are bounded by the bytes there are. Subgraphs (of If and Loop)
 * are noted and not entered, so that nesting costs nothing.
 */

#include <string.h>

#include "onnx/file.h"

enum { IN = 1, OUT = 2, NAME = 3, OP = 4, ATTRIBUTE = 5, DOMAIN = 7 };
enum { A_NAME = 1, A_F = 2, A_I = 3, A_S = 4, A_T = 5, A_G = 6, A_FLOATS = 7 };
enum { A_INTS = 8, A_STRINGS = 9, A_TENSORS = 10, A_GRAPHS = 11, A_TYPE = 20 };
enum { A_REF = 21 };
enum { T_F = 1, T_I, T_S, T_T, T_G, T_FLOATS, T_INTS, T_STRINGS };

/* Numbers of a list: a single one, or packed. */
static int count_list(const struct assay__wire *w, const struct assay__field *f,
                      size_t *n, struct assay_error *err)
{
    struct assay__wire list;
    uint64_t skipped;
    int code;

    if (f->kind != ASSAY__WIRE_BYTES) {
        (*n)++;
        return assay__wire_expect(
            f, f->number == A_FLOATS ? ASSAY__WIRE_32 : ASSAY__WIRE_VARINT,
            "a list of numbers", err);
    }
    code = assay__wire_enter(w, f, "a list of numbers", &list, err);
    if (f->number == A_FLOATS) {
        *n += f->size / 4;
        if (f->size % 4 != 0)
            return assay_error_set(err, ASSAY_FORMAT,
                                   "byte %zu: %zu bytes are no whole numbers "
                                   "of 4",
                                   f->key_at, f->size);
        return code;
    }
    while (code == ASSAY_OK && list.at < list.end) {
        code = assay__wire_varint(&list, &skipped, err);
        (*n)++;
    }
    return code;
}

static double real_of(uint32_t bits)
{
    float x;

    memcpy(&x, &bits, sizeof x);
    return (double)x;
}

static int fill_list(const struct assay__wire *w, const struct assay__field *f,
                     struct assay__onnx_attribute *a, struct assay_error *err)
{
    struct assay__wire list = {w->data, f->at, f->at + f->size};
    uint64_t value = f->value;
    bool packed = f->kind == ASSAY__WIRE_BYTES;

    do {
        if (packed && list.at >= list.end)
            break;
        if (packed && f->number == A_FLOATS) {
            value = 0;
            for (int k = 0; k < 4; k++)
                value |= (uint64_t)list.data[list.at++] << (8 * k);
        } else if (packed) {
            int code = assay__wire_varint(&list, &value, err);

            if (code != ASSAY_OK)
                return code;
        }
        if (f->number == A_FLOATS)
            a->reals[a->n++] = real_of((uint32_t)value);
        else
            a->ints[a->n++] = (int64_t)value;
    } while (packed);
    return ASSAY_OK;
}

/* The lists of an attribute: counted, then filled. */
static int read_lists(assay_onnx *o, const struct assay__wire *message,
                      struct assay__onnx_attribute *a, struct assay_error *err)
{
    uint32_t number = a->type == T_FLOATS ? A_FLOATS : A_INTS;
    struct assay__wire w = *message;
    struct assay__field f;
    size_t n = 0;
    int code;

    while ((code = assay__wire_next(&w, &f, err)) > 0) {
        if (f.number == number)
            code = count_list(&w, &f, &n, err);
        if (code < 0)
            return code;
    }
    if (code < 0)
        return code;
    if (n > ASSAY__ONNX_LIST)
        return assay_error_set(err, ASSAY_LIMIT,
                               "byte %zu: attribute '%.*s' has %zu numbers, "
                               "over the limit of %d",
                               message->at, assay__span_length(a->name),
                               a->name.text, n, ASSAY__ONNX_LIST);
    a->ints = assay__onnx_keep(o, n, sizeof(*a->ints));
    a->reals =
        assay__onnx_keep(o, number == A_FLOATS ? n : 0, sizeof(*a->reals));
    if (!a->ints || !a->reals)
        return assay_error_set(err, ASSAY_NOMEM, "attributes: out of memory");
    w = *message;
    while ((code = assay__wire_next(&w, &f, err)) > 0) {
        if (f.number == number)
            code = fill_list(&w, &f, a, err);
        if (code < 0)
            return code;
    }
    return code;
}

/* Of files without types: by the field that is there. */
static int implied_type(uint32_t number)
{
    switch (number) {
    case A_F:
        return T_F;
    case A_I:
        return T_I;
    case A_S:
        return T_S;
    case A_T:
        return T_T;
    case A_G:
        return T_G;
    case A_FLOATS:
        return T_FLOATS;
    case A_INTS:
        return T_INTS;
    case A_STRINGS:
        return T_STRINGS;
    default:
        return 0;
    }
}

static int read_tensor(assay_onnx *o, const struct assay__wire *w,
                       const struct assay__field *f,
                       struct assay__onnx_attribute *a, struct assay_error *err)
{
    struct assay__onnx_tensor *t;
    struct assay__wire inner;
    int code = assay__wire_enter(w, f, "a tensor attribute", &inner, err);

    if (code != ASSAY_OK)
        return code;
    t = assay__onnx_keep(o, 1, sizeof(*t));
    if (!t)
        return assay_error_set(err, ASSAY_NOMEM, "attributes: out of memory");
    a->t = t;
    return assay__onnx_read_tensor(o, &inner, t, err);
}

static int attribute_field(assay_onnx *o, const struct assay__wire *w,
                           const struct assay__field *f,
                           struct assay__onnx_attribute *a, int *implied,
                           struct assay_error *err)
{
    if (implied_type(f->number) != 0)
        *implied = implied_type(f->number);
    switch (f->number) {
    case A_NAME:
        return assay__wire_text(w, f, "an attribute's name", ASSAY__ONNX_NAME,
                                &a->name, err);
    case A_F:
        a->f = real_of((uint32_t)f->value);
        return assay__wire_expect(f, ASSAY__WIRE_32, "a real attribute", err);
    case A_I:
        a->i = (int64_t)f->value;
        return assay__wire_expect(f, ASSAY__WIRE_VARINT, "an integer attribute",
                                  err);
    case A_S:
        a->s.text = (const char *)w->data + f->at;
        a->s.size = f->size;
        return assay__wire_expect(f, ASSAY__WIRE_BYTES, "a text attribute",
                                  err);
    case A_T:
        return read_tensor(o, w, f, a, err);
    case A_TYPE:
        a->type = f->value <= INT32_MAX ? (int)f->value : -1;
        return assay__wire_expect(f, ASSAY__WIRE_VARINT, "an attribute's type",
                                  err);
    case A_REF:
        return assay_error_set(err, ASSAY_UNSUPPORTED,
                               "byte %zu: an attribute refers to one of a "
                               "function, which is not supported",
                               f->key_at);
    default:
        return ASSAY_OK;
    }
}

static int read_attribute(assay_onnx *o, const struct assay__wire *message,
                          struct assay__onnx_attribute *a,
                          struct assay_error *err)
{
    struct assay__wire w = *message;
    struct assay__field f;
    int implied = T_INTS;
    int code;

    a->name.text = "";
    while ((code = assay__wire_next(&w, &f, err)) > 0) {
        code = attribute_field(o, &w, &f, a, &implied, err);
        if (code != ASSAY_OK)
            return code;
    }
    if (code == ASSAY_OK && a->type == 0)
        a->type = implied;
    if (code == ASSAY_OK && a->type == T_T && !a->t)
        code = assay_error_set(
            err, ASSAY_FORMAT, "byte %zu: attribute '%.*s' has no tensor",
            message->at, assay__span_length(a->name), a->name.text);
    if (code == ASSAY_OK && (a->type == T_FLOATS || a->type == T_INTS))
        code = read_lists(o, message, a, err);
    return code;
}

static int count_parts(const struct assay__wire *message,
                       struct assay__onnx_node *node, struct assay_error *err)
{
    struct assay__wire w = *message;
    struct assay__field f;
    int code;

    while ((code = assay__wire_next(&w, &f, err)) > 0) {
        node->n_in += f.number == IN && node->n_in <= ASSAY__ONNX_NODE_PORTS;
        node->n_out += f.number == OUT && node->n_out <= ASSAY__ONNX_NODE_PORTS;
        node->n_attributes += f.number == ATTRIBUTE &&
                              node->n_attributes <= ASSAY__ONNX_ATTRIBUTES;
    }
    if (code < 0)
        return code;
    if (node->n_in > ASSAY__ONNX_NODE_PORTS ||
        node->n_out > ASSAY__ONNX_NODE_PORTS)
        return assay_error_set(err, ASSAY_LIMIT,
                               "byte %zu: a node has over %d inputs or outputs",
                               message->at, ASSAY__ONNX_NODE_PORTS);
    if (node->n_attributes > ASSAY__ONNX_ATTRIBUTES)
        return assay_error_set(err, ASSAY_LIMIT,
                               "byte %zu: a node has over %d attributes",
                               message->at, ASSAY__ONNX_ATTRIBUTES);
    return ASSAY_OK;
}

static int node_field(assay_onnx *o, const struct assay__wire *w,
                      const struct assay__field *f,
                      struct assay__onnx_node *node, struct assay_error *err)
{
    struct assay__wire inner;
    int code;

    switch (f->number) {
    case IN:
        return assay__wire_text(w, f, "a node's input", ASSAY__ONNX_NAME,
                                &node->in[node->n_in++], err);
    case OUT:
        return assay__wire_text(w, f, "a node's output", ASSAY__ONNX_NAME,
                                &node->out[node->n_out++], err);
    case NAME:
        return assay__wire_text(w, f, "a node's name", ASSAY__ONNX_NAME,
                                &node->name, err);
    case OP:
        return assay__wire_text(w, f, "an operator", ASSAY__ONNX_NAME,
                                &node->op, err);
    case DOMAIN:
        return assay__wire_text(w, f, "a domain", ASSAY__ONNX_NAME,
                                &node->domain, err);
    case ATTRIBUTE:
        code = assay__wire_enter(w, f, "an attribute", &inner, err);
        if (code == ASSAY_OK)
            code = read_attribute(o, &inner,
                                  &node->attribute[node->n_attributes++], err);
        return code;
    default:
        return ASSAY_OK;
    }
}

int assay__onnx_read_node(assay_onnx *o, const struct assay__wire *message,
                          struct assay__onnx_node *node,
                          struct assay_error *err)
{
    struct assay__wire w = *message;
    struct assay__field f;
    int code = count_parts(message, node, err);

    if (code != ASSAY_OK)
        return code;
    node->at = message->at;
    node->name.text = node->op.text = node->domain.text = "";
    node->in = assay__onnx_keep(o, (size_t)node->n_in, sizeof(*node->in));
    node->out = assay__onnx_keep(o, (size_t)node->n_out, sizeof(*node->out));
    node->attribute = assay__onnx_keep(o, (size_t)node->n_attributes,
                                       sizeof(*node->attribute));
    if (!node->in || !node->out || !node->attribute)
        return assay_error_set(err, ASSAY_NOMEM, "nodes: out of memory");
    node->n_in = node->n_out = node->n_attributes = 0;
    while ((code = assay__wire_next(&w, &f, err)) > 0) {
        code = node_field(o, &w, &f, node, err);
        if (code != ASSAY_OK)
            return assay_error_prefix(
                err, code, "node '%.*s' (%.*s)", assay__span_length(node->name),
                node->name.text, assay__span_length(node->op), node->op.text);
    }
    if (code == ASSAY_OK && node->op.size == 0)
        code = assay_error_set(err, ASSAY_FORMAT,
                               "byte %zu: a node has no operator", node->at);
    return code;
}
