/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files: the model, its operator sets and its graph's lists. The bytes are
 * read whole; a first pass over a graph counts, a second fills.
 */

#include "onnx/file.h"

#include <string.h>
#include <strings.h>

#include "assay/format.h"
#include "core/checked.h"
#include "core/fs.h"
#include "core/mem.h"

enum { IR_VERSION = 1, GRAPH = 7, OPSET = 8, FUNCTIONS = 25 };
enum { NODE = 1, INITIALIZER = 5, INPUT = 11, OUTPUT = 12, SPARSE = 15 };

struct block {
    struct block *next;
    max_align_t data[];
};

void *assay__onnx_keep(assay_onnx *o, size_t n, size_t size)
{
    struct block *b;
    size_t bytes = 0;

    if (!assay__mul_size(n, size, &bytes) ||
        !assay__add_size(bytes, sizeof(*b), &bytes))
        return NULL;
    b = assay__calloc(1, bytes);
    if (!b)
        return NULL;
    b->next = o->blocks;
    o->blocks = b;
    return b->data;
}

void assay_onnx_free(assay_onnx *o)
{
    struct block *b;

    if (!o)
        return;
    assay__onnx_external_release(o);
    while ((b = o->blocks) != NULL) {
        o->blocks = b->next;
        assay__free(b);
    }
    assay__free(o->data);
    assay__free(o->folder);
    assay__free(o);
}

/* A dimension: a number, a name, or nothing. */
static int read_dim(const struct assay__wire *message, int64_t *dim,
                    struct assay_error *err)
{
    struct assay__wire w = *message;
    struct assay__field f;
    int code;

    *dim = ASSAY_BATCH;
    while ((code = assay__wire_next(&w, &f, err)) > 0) {
        if (f.number == 1 && f.kind == ASSAY__WIRE_VARINT)
            *dim = (int64_t)f.value >= 1 ? (int64_t)f.value : ASSAY_BATCH;
    }
    if (code == ASSAY_OK && *dim > INT32_MAX)
        code = assay_error_set(err, ASSAY_LIMIT,
                               "byte %zu: a dimension of %lld, over the limit "
                               "of %d",
                               message->at, (long long)*dim, INT32_MAX);
    return code;
}

static int read_shape(const struct assay__wire *message,
                      struct assay__onnx_port *port, struct assay_error *err)
{
    struct assay__wire w = *message;
    struct assay__wire dim;
    struct assay__field f;
    int code;

    port->shaped = true;
    while ((code = assay__wire_next(&w, &f, err)) > 0) {
        if (f.number != 1)
            continue;
        if (port->shape.rank == ASSAY__ONNX_RANK)
            return assay_error_set(err, ASSAY_UNSUPPORTED,
                                   "byte %zu: \'%.60s\' has over %d dimensions",
                                   f.key_at, port->name, ASSAY__ONNX_RANK);
        code = assay__wire_enter(&w, &f, "a dimension", &dim, err);
        if (code == ASSAY_OK)
            code = read_dim(&dim, &port->shape.dim[port->shape.rank++], err);
        if (code < 0)
            return code;
    }
    return code;
}

/* A type: of a tensor (1), with its element type and shape. */
static int read_type(const struct assay__wire *message,
                     struct assay__onnx_port *port, struct assay_error *err)
{
    struct assay__wire w = *message;
    struct assay__wire tensor;
    struct assay__wire shape;
    struct assay__field f;
    int code;

    while ((code = assay__wire_next(&w, &f, err)) > 0) {
        if (f.number != 1)
            continue;
        code = assay__wire_enter(&w, &f, "a tensor type", &tensor, err);
        if (code < 0)
            return code;
        while ((code = assay__wire_next(&tensor, &f, err)) > 0) {
            if (f.number == 1)
                port->type = f.value <= INT32_MAX ? (int)f.value : -1;
            if (f.number != 2)
                continue;
            code = assay__wire_enter(&tensor, &f, "a shape", &shape, err);
            if (code == ASSAY_OK)
                code = read_shape(&shape, port, err);
            if (code < 0)
                return code;
        }
        if (code < 0)
            return code;
    }
    return code;
}

static int read_port(assay_onnx *o, const struct assay__wire *message,
                     struct assay__onnx_port *port, struct assay_error *err)
{
    struct assay__span name = {"", 0};
    struct assay__wire w = *message;
    struct assay__wire type;
    struct assay__field f;
    int code;

    while ((code = assay__wire_next(&w, &f, err)) > 0) {
        if (f.number == 1)
            code = assay__wire_text(&w, &f, "an input's or output's name",
                                    ASSAY__ONNX_NAME, &name, err);
        if (code < 0)
            return code;
    }
    if (code < 0)
        return code;
    port->name = assay__onnx_keep(o, 1, name.size + 1);
    if (!port->name)
        return assay_error_set(err, ASSAY_NOMEM, "ports: out of memory");
    memcpy(port->name, name.text, name.size);
    w = *message;
    while ((code = assay__wire_next(&w, &f, err)) > 0) {
        if (f.number != 2)
            continue;
        code = assay__wire_enter(&w, &f, "a type", &type, err);
        if (code == ASSAY_OK)
            code = read_type(&type, port, err);
        if (code < 0)
            return code;
    }
    return code;
}

static bool is_initializer(const assay_onnx *o, const char *name)
{
    for (int i = 0; i < o->n_tensors; i++) {
        if (assay__span_is(o->tensor[i].name, name))
            return true;
    }
    return false;
}

static int count_graph(const struct assay__wire *message, int n[4],
                       struct assay_error *err)
{
    struct assay__wire w = *message;
    struct assay__field f;
    int code;

    while ((code = assay__wire_next(&w, &f, err)) > 0) {
        n[0] += f.number == NODE && n[0] <= ASSAY__ONNX_NODES;
        n[1] += f.number == INITIALIZER && n[1] <= ASSAY__ONNX_TENSORS;
        n[2] += f.number == INPUT && n[2] <= ASSAY__ONNX_TENSORS;
        n[3] += f.number == OUTPUT && n[3] <= ASSAY_ONNX_PORTS;
        if (f.number == SPARSE)
            return assay_error_set(err, ASSAY_UNSUPPORTED,
                                   "byte %zu: sparse initializers are not "
                                   "supported",
                                   f.key_at);
    }
    if (code < 0)
        return code;
    if (n[0] > ASSAY__ONNX_NODES || n[1] > ASSAY__ONNX_TENSORS ||
        n[2] > ASSAY__ONNX_TENSORS || n[3] > ASSAY_ONNX_PORTS)
        return assay_error_set(err, ASSAY_LIMIT,
                               "byte %zu: the graph has over %d nodes, %d "
                               "tensors or %d outputs",
                               message->at, ASSAY__ONNX_NODES,
                               ASSAY__ONNX_TENSORS, ASSAY_ONNX_PORTS);
    return ASSAY_OK;
}

static int graph_field(assay_onnx *o, const struct assay__wire *w,
                       const struct assay__field *f, struct assay_error *err)
{
    struct assay__wire inner;
    int code;

    if (f->number != NODE && f->number != INITIALIZER && f->number != OUTPUT &&
        f->number != INPUT)
        return ASSAY_OK;
    code = assay__wire_enter(w, f, "a part of the graph", &inner, err);
    if (code != ASSAY_OK)
        return code;
    if (f->number == NODE)
        return assay__onnx_read_node(o, &inner, &o->node[o->n_nodes++], err);
    if (f->number == INITIALIZER)
        return assay__onnx_read_tensor(o, &inner, &o->tensor[o->n_tensors++],
                                       err);
    if (f->number == INPUT)
        return read_port(o, &inner, &o->input[o->n_inputs++], err);
    return read_port(o, &inner, &o->output[o->n_outputs++], err);
}

/* Old files list their initializers as inputs, too. */
static int drop_given_inputs(assay_onnx *o, struct assay_error *err)
{
    int kept = 0;

    if ((double)o->n_inputs * o->n_tensors > 1e8)
        return assay_error_set(err, ASSAY_LIMIT,
                               "%d inputs beside %d tensors are too many",
                               o->n_inputs, o->n_tensors);
    for (int i = 0; i < o->n_inputs; i++) {
        if (!is_initializer(o, o->input[i].name))
            o->input[kept++] = o->input[i];
    }
    o->n_inputs = kept;
    if (kept > ASSAY_ONNX_PORTS)
        return assay_error_set(err, ASSAY_LIMIT,
                               "%d inputs, over the limit of %d", kept,
                               ASSAY_ONNX_PORTS);
    return ASSAY_OK;
}

static int read_graph(assay_onnx *o, const struct assay__wire *message,
                      struct assay_error *err)
{
    struct assay__wire w = *message;
    struct assay__field f;
    int n[4] = {0};
    int code = count_graph(message, n, err);

    if (code != ASSAY_OK)
        return code;
    o->node = assay__onnx_keep(o, (size_t)n[0], sizeof(*o->node));
    o->tensor = assay__onnx_keep(o, (size_t)n[1], sizeof(*o->tensor));
    o->input = assay__onnx_keep(o, (size_t)n[2], sizeof(*o->input));
    o->output = assay__onnx_keep(o, (size_t)n[3], sizeof(*o->output));
    if (!o->node || !o->tensor || !o->input || !o->output)
        return assay_error_set(err, ASSAY_NOMEM, "graph: out of memory");
    while ((code = assay__wire_next(&w, &f, err)) > 0) {
        code = graph_field(o, &w, &f, err);
        if (code != ASSAY_OK)
            return code;
    }
    if (code == ASSAY_OK)
        code = drop_given_inputs(o, err);
    if (code == ASSAY_OK && o->n_outputs == 0)
        code =
            assay_error_set(err, ASSAY_FORMAT,
                            "byte %zu: the graph has no output", message->at);
    return code;
}

/* An operator set: a domain (none: the standard's) and its version. */
static int read_opset(assay_onnx *o, const struct assay__wire *message,
                      struct assay_error *err)
{
    struct assay__wire w = *message;
    struct assay__span domain = {"", 0};
    struct assay__field f;
    uint64_t version = 0;
    int code;

    while ((code = assay__wire_next(&w, &f, err)) > 0) {
        if (f.number == 1)
            code = assay__wire_text(&w, &f, "a domain", ASSAY__ONNX_NAME,
                                    &domain, err);
        if (f.number == 2)
            version = f.value;
        if (code < 0)
            return code;
    }
    if (code < 0)
        return code;
    if (domain.size != 0 && !assay__span_is(domain, "ai.onnx"))
        return ASSAY_OK;
    if (version < ASSAY_ONNX_OPSET_MIN || version > ASSAY_ONNX_OPSET_MAX)
        return assay_error_set(err, ASSAY_UNSUPPORTED,
                               "byte %zu: operator set %lld; %d to %d are "
                               "supported",
                               message->at, (long long)version,
                               ASSAY_ONNX_OPSET_MIN, ASSAY_ONNX_OPSET_MAX);
    o->opset = (int)version;
    return ASSAY_OK;
}

static int read_model(assay_onnx *o, struct assay_error *err)
{
    struct assay__wire w = {o->data, 0, o->size};
    struct assay__wire graph = {o->data, 0, 0};
    struct assay__wire inner;
    struct assay__field f;
    int n_graphs = 0;
    int code;

    while ((code = assay__wire_next(&w, &f, err)) > 0) {
        if (f.number == OPSET) {
            code = assay__wire_enter(&w, &f, "an operator set", &inner, err);
            if (code == ASSAY_OK)
                code = read_opset(o, &inner, err);
        } else if (f.number == GRAPH) {
            n_graphs++;
            code = assay__wire_enter(&w, &f, "the graph", &graph, err);
        } else if (f.number == FUNCTIONS) {
            code = assay_error_set(err, ASSAY_UNSUPPORTED,
                                   "byte %zu: functions of a model are not "
                                   "supported",
                                   f.key_at);
        }
        if (code < 0)
            return code;
    }
    if (code < 0)
        return code;
    if (n_graphs != 1)
        return assay_error_set(err, ASSAY_FORMAT,
                               "the file has %d graphs, must have 1: not an "
                               "ONNX model",
                               n_graphs);
    if (o->opset == 0)
        return assay_error_set(err, ASSAY_UNSUPPORTED,
                               "the file names no operator set of the "
                               "standard");
    return read_graph(o, &graph, err);
}

static int hash(assay_onnx *o, struct assay_error *err)
{
    struct assay__sha256 h;

    if (assay__sha256_begin(&h))
        return assay_error_set(err, ASSAY_NOMEM, "ONNX: out of memory");
    assay__sha256_add(&h, o->data, o->size);
    for (int i = 0; i < o->n_tensors; i++) {
        const struct assay__onnx_tensor *t = &o->tensor[i];
        bool inside = t->raw >= o->data && t->raw < o->data + o->size;

        if (t->raw && !inside)
            assay__sha256_add(&h, t->raw,
                              t->count * assay__onnx_type_size(t->type));
    }
    assay__sha256_end(&h, o->sha256);
    return ASSAY_OK;
}

/* `data` is taken, on failure too. */
static int parse_take(assay_onnx **out, unsigned char *data, size_t size,
                      const char *folder, struct assay_error *err)
{
    assay_onnx *o = assay__calloc(1, sizeof(*o));
    int code = ASSAY_OK;

    if (!o) {
        assay__free(data);
        return assay_error_set(err, ASSAY_NOMEM, "ONNX: out of memory");
    }
    o->data = data;
    o->size = size;
    if (folder) {
        o->folder = assay__strdup(folder);
        if (!o->folder)
            code = assay_error_set(err, ASSAY_NOMEM, "ONNX: out of memory");
    }
    if (code == ASSAY_OK)
        code = read_model(o, err);
    if (code == ASSAY_OK)
        code = hash(o, err);
    if (code != ASSAY_OK) {
        assay_onnx_free(o);
        return code;
    }
    *out = o;
    return ASSAY_OK;
}

int assay_onnx_parse(assay_onnx **out, const void *data, size_t size,
                     const char *folder, struct assay_error *err)
{
    unsigned char *copy = assay__malloc(size);

    if (!copy)
        return assay_error_set(err, ASSAY_NOMEM, "ONNX: out of memory");
    if (size > 0)
        memcpy(copy, data, size);
    return parse_take(out, copy, size, folder, err);
}

int assay_onnx_open(assay_onnx **out, const char *path, struct assay_error *err)
{
    const char *slash = strrchr(path, '/');
    unsigned char *data = NULL;
    char *folder;
    size_t size = 0;
    int code;

    folder = slash == NULL   ? assay__strdup(".")
             : slash == path ? assay__strdup("/")
                             : assay__format("%.*s", (int)(slash - path), path);
    if (!folder)
        return assay_error_set(err, ASSAY_NOMEM, "ONNX: out of memory");
    code = assay__read_file(path, ASSAY_FORMAT_MAX_BYTES, &data, &size, err);
    if (code == ASSAY_OK) {
        code = parse_take(out, data, size, folder, err);
        if (code != ASSAY_OK)
            code = assay_error_prefix(err, code, "%s", path);
    }
    assay__free(folder);
    return code;
}

int assay_onnx_probe(const char *path)
{
    size_t n = strlen(path);

    return n > 5 && strcasecmp(path + n - 5, ".onnx") == 0;
}

int assay_onnx_opset(const assay_onnx *o)
{
    return o->opset;
}

const char *assay_onnx_sha256(const assay_onnx *o)
{
    return o->sha256;
}

int assay_onnx_n_inputs(const assay_onnx *o)
{
    return o->n_inputs;
}

int assay_onnx_n_outputs(const assay_onnx *o)
{
    return o->n_outputs;
}

const char *assay_onnx_input_name(const assay_onnx *o, int i)
{
    return o->input[i].name;
}

const struct assay_shape *assay_onnx_input_shape(const assay_onnx *o, int i)
{
    return &o->input[i].shape;
}

const char *assay_onnx_output_name(const assay_onnx *o, int i)
{
    return o->output[i].name;
}
