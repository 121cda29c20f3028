/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Networks that a sidecar spells out: many a stranger's state dict is of a
 * network that is nobody else's. `layers` is a list in the order in which
 * they are computed:
 *
 *   "relu", "tanh", "sigmoid", "flatten", "global_avgpool"
 *   {"conv": NAME, "stride": S, "pad": P, "dilation": D, "groups": G}
 *   {"linear": NAME}, {"norm": NAME}
 *   {"maxpool": K, "stride": S, "pad": P}, {"avgpool": ...}; S is K if absent
 *   {"leaky_relu": SLOPE}
 *   {"add": [layers], "to": [layers]}: what both make of the input, added;
 *       without "to" the input itself
 *
 * NAME is that of the parameters NAME.weight and NAME.bias, from whose shapes
 * the sizes are taken. The last linear layer gives the logits.
 */

#include <string.h>

#include "core/fs.h"
#include "core/json.h"
#include "core/mem.h"
#include "model/model.h"

enum { LAYERS_MAX = 4096, DEPTH_MAX = 8, NUMBER_MAX = 4096 };

struct builder {
    assay_graph *g;
    const struct assay_tensors *list;
    const char *side;
    struct assay_error *err;
    int n;               /* layers so far, for messages and the cap */
    assay_value last_in; /* of the last linear layer */
    assay_value last_out;
};

static int build_list(struct builder *b, const json_t *layers, int depth,
                      assay_value *x);

static int refuse(const struct builder *b, const char *what)
{
    return assay_error_set(b->err, ASSAY_FORMAT, "%.100s: layer %d: %.100s",
                           b->side, b->n, what);
}

/* A whole number of a layer; `other` when it is not there. */
static int number(const struct builder *b, const json_t *layer, const char *key,
                  int low, int other, int *out)
{
    const json_t *v = json_object_get(layer, key);

    *out = other;
    if (!v)
        return ASSAY_OK;
    if (!json_is_integer(v) || json_integer_value(v) < low ||
        json_integer_value(v) > NUMBER_MAX)
        return assay_error_set(b->err, ASSAY_FORMAT,
                               "%.100s: layer %d: '%s' must be a whole number "
                               "from %d to %d",
                               b->side, b->n, key, low, (int)NUMBER_MAX);
    *out = (int)json_integer_value(v);
    return ASSAY_OK;
}

static const struct assay_tensor *tensor(const struct builder *b,
                                         const char *name, const char *end)
{
    char *full = assay__format("%s%s", name, end);
    const struct assay_tensor *t =
        full ? assay_tensors_find(b->list, full) : NULL;

    assay__free(full);
    return t;
}

/* NAME.weight of that rank. */
static int weights(const struct builder *b, const char *name, int rank,
                   const struct assay_tensor **out)
{
    *out = name ? tensor(b, name, ".weight") : NULL;
    if (!name)
        return refuse(b, "its name must be a text");
    if (!*out || (*out)->shape.rank != rank)
        return assay_error_set(
            b->err, ASSAY_FORMAT,
            "%.80s: layer %d: the file has no '%.60s.weight' "
            "of %d dimensions",
            b->side, b->n, name, rank);
    for (int i = 0; i < rank; i++)
        if ((*out)->shape.dim[i] < 1 || (*out)->shape.dim[i] > 1 << 20)
            return refuse(b, "a dimension of its weights is out of range");
    return ASSAY_OK;
}

static int conv(struct builder *b, const json_t *layer, assay_value *x)
{
    static const char *const known[] = {"conv",     "stride", "pad",
                                        "dilation", "groups", NULL};
    const char *name = json_string_value(json_object_get(layer, "conv"));
    const struct assay_tensor *w = NULL;
    struct assay_conv c = {.out = 0};
    int rc = assay__json_only(layer, known, b->side, b->err);

    if (!rc)
        rc = weights(b, name, 4, &w);
    if (!rc && w->shape.dim[2] != w->shape.dim[3])
        rc = refuse(b, "its kernel is not square");
    if (!rc)
        rc = number(b, layer, "stride", 1, 1, &c.stride);
    if (!rc)
        rc = number(b, layer, "pad", 0, 0, &c.pad);
    if (!rc)
        rc = number(b, layer, "dilation", 1, 1, &c.dilation);
    if (!rc)
        rc = number(b, layer, "groups", 1, 1, &c.groups);
    if (rc)
        return rc;
    c.out = (int)w->shape.dim[0];
    c.kernel = (int)w->shape.dim[2];
    c.no_bias = !tensor(b, name, ".bias");
    *x = assay_layer_conv(b->g, *x, name, &c);
    return ASSAY_OK;
}

static int linear(struct builder *b, const json_t *layer, assay_value *x)
{
    static const char *const known[] = {"linear", NULL};
    const char *name = json_string_value(json_object_get(layer, "linear"));
    const struct assay_tensor *w = NULL;
    int rc = assay__json_only(layer, known, b->side, b->err);

    if (!rc)
        rc = weights(b, name, 2, &w);
    if (rc)
        return rc;
    b->last_in = *x;
    *x = assay_layer_linear(b->g, *x, name, (int)w->shape.dim[0]);
    b->last_out = *x;
    return ASSAY_OK;
}

static int norm(struct builder *b, const json_t *layer, assay_value *x)
{
    static const char *const known[] = {"norm", NULL};
    const char *name = json_string_value(json_object_get(layer, "norm"));
    const struct assay_tensor *w = NULL;
    int rc = assay__json_only(layer, known, b->side, b->err);

    if (!rc)
        rc = weights(b, name, 1, &w);
    if (!rc)
        *x = assay_layer_batchnorm(b->g, *x, name);
    return rc;
}

static int pool(struct builder *b, const json_t *layer, const char *kind,
                assay_value *x)
{
    const char *const known[] = {kind, "stride", "pad", NULL};
    int kernel = 0;
    int stride = 0;
    int pad = 0;
    int rc = assay__json_only(layer, known, b->side, b->err);

    if (!rc)
        rc = number(b, layer, kind, 1, 0, &kernel);
    if (!rc)
        rc = number(b, layer, "stride", 1, kernel, &stride);
    if (!rc)
        rc = number(b, layer, "pad", 0, 0, &pad);
    if (rc)
        return rc;
    *x = strcmp(kind, "maxpool") == 0
             ? assay_op_maxpool(b->g, *x, kernel, stride, pad)
             : assay_op_avgpool(b->g, *x, kernel, stride, pad);
    return ASSAY_OK;
}

static int leaky(struct builder *b, const json_t *layer, assay_value *x)
{
    static const char *const known[] = {"leaky_relu", NULL};
    const json_t *slope = json_object_get(layer, "leaky_relu");
    int rc = assay__json_only(layer, known, b->side, b->err);

    if (!rc && !(json_number_value(slope) > 0 && json_number_value(slope) < 1))
        rc = refuse(b, "its slope must be between 0 and 1");
    if (!rc)
        *x = assay_op_leaky_relu(b->g, *x, json_number_value(slope));
    return rc;
}

static int add(struct builder *b, const json_t *layer, int depth,
               assay_value *x)
{
    static const char *const known[] = {"add", "to", NULL};
    const json_t *to = json_object_get(layer, "to");
    assay_value other = *x;
    int rc = assay__json_only(layer, known, b->side, b->err);

    if (!rc)
        rc = build_list(b, json_object_get(layer, "add"), depth + 1, x);
    if (!rc && to)
        rc = build_list(b, to, depth + 1, &other);
    if (!rc)
        *x = assay_op_add(b->g, *x, other);
    return rc;
}

/* A layer without anything to say of it. */
static int plain(struct builder *b, const char *name, assay_value *x)
{
    if (strcmp(name, "relu") == 0)
        *x = assay_op_relu(b->g, *x);
    else if (strcmp(name, "tanh") == 0)
        *x = assay_op_tanh(b->g, *x);
    else if (strcmp(name, "sigmoid") == 0)
        *x = assay_op_sigmoid(b->g, *x);
    else if (strcmp(name, "flatten") == 0)
        *x = assay_op_flatten(b->g, *x);
    else if (strcmp(name, "global_avgpool") == 0)
        *x = assay_op_flatten(b->g, assay_op_global_avgpool(b->g, *x));
    else
        return assay_error_set(b->err, ASSAY_FORMAT,
                               "%.100s: layer %d: '%.40s' is not known",
                               b->side, b->n, name);
    return ASSAY_OK;
}

static int build_layer(struct builder *b, const json_t *layer, int depth,
                       assay_value *x)
{
    if (json_is_string(layer))
        return plain(b, json_string_value(layer), x);
    if (json_object_get(layer, "conv"))
        return conv(b, layer, x);
    if (json_object_get(layer, "linear"))
        return linear(b, layer, x);
    if (json_object_get(layer, "norm"))
        return norm(b, layer, x);
    if (json_object_get(layer, "maxpool"))
        return pool(b, layer, "maxpool", x);
    if (json_object_get(layer, "avgpool"))
        return pool(b, layer, "avgpool", x);
    if (json_object_get(layer, "leaky_relu"))
        return leaky(b, layer, x);
    if (json_object_get(layer, "add"))
        return add(b, layer, depth, x);
    return refuse(b, "it is of no known kind");
}

static int build_list(struct builder *b, const json_t *layers, int depth,
                      assay_value *x)
{
    const json_t *layer;
    size_t i;
    int rc = ASSAY_OK;

    if (!json_is_array(layers) || depth > DEPTH_MAX)
        return refuse(b, "a list of layers is needed, at most 8 deep");
    json_array_foreach(layers, i, layer)
    {
        struct assay_error why = {0};

        if (++b->n > LAYERS_MAX)
            return refuse(b, "there are more than 4096");
        rc = build_layer(b, layer, depth, x);
        if (!rc && assay_graph_check(b->g, &why)) {
            rc = assay_error_set(b->err, why.code, "%.80s: layer %d: %.120s",
                                 b->side, b->n, why.msg);
        }
        if (rc)
            return rc;
    }
    return ASSAY_OK;
}

/* The layers as text: what the model is, beside its parameters. */
static int take_origin(assay_model *m, const json_t *layers,
                       struct assay_error *err)
{
    char *text = assay__json_text(layers);
    struct assay__sha256 hash;
    char sha256[65];
    int rc = ASSAY_NOMEM;

    if (text && assay__sha256_begin(&hash) == ASSAY_OK) {
        assay__sha256_add(&hash, text, strlen(text));
        assay__sha256_end(&hash, sha256);
        m->origin = assay__strdup(sha256);
        m->arch = assay__strdup("layers");
        rc = m->origin && m->arch ? ASSAY_OK : ASSAY_NOMEM;
    }
    assay__free(text);
    return rc ? assay_error_set(err, rc, "model: out of memory") : ASSAY_OK;
}

int assay__model_from_layers(assay_model **out,
                             const struct assay_preprocess *pre,
                             const json_t *layers,
                             const struct assay_tensors *list, const char *side,
                             struct assay_error *err)
{
    struct builder b = {.list = list,
                        .side = side,
                        .err = err,
                        .last_in = ASSAY_NO_VALUE,
                        .last_out = ASSAY_NO_VALUE};
    struct assay_shape in =
        assay_shape_make(4, (int64_t)ASSAY_BATCH, (int64_t)pre->channels,
                         (int64_t)pre->height, (int64_t)pre->width);
    assay_model *m = assay__calloc(1, sizeof(*m));
    assay_value x;
    int rc;

    if (!m)
        return assay_error_set(err, ASSAY_NOMEM, "model: out of memory");
    assay_tensors_init(&m->notes);
    m->preprocess = *pre;
    m->layer = ASSAY_NO_VALUE;
    rc = take_origin(m, layers, err);
    if (!rc)
        rc = assay_graph_new(&m->graph, err);
    if (rc)
        goto out;
    b.g = m->graph;
    m->input = assay_graph_input(m->graph, "input", &in);
    x = m->input;
    rc = build_list(&b, layers, 0, &x);
    if (!rc && (b.last_out == ASSAY_NO_VALUE || x != b.last_out))
        rc = assay_error_set(err, ASSAY_FORMAT,
                             "%.100s: the last layer must be linear: it gives "
                             "the logits",
                             side);
    if (rc)
        goto out;
    m->logits = b.last_out;
    m->embedding = b.last_in;
    m->n_classes = (int)assay_graph_shape(m->graph, x)->dim[1];
    if (m->n_classes < 2 || m->n_classes > 65536)
        rc = assay_error_set(err, ASSAY_FORMAT,
                             "%.100s: %d classes; 2 to 65536 are possible",
                             side, m->n_classes);
out:
    if (rc)
        assay_model_free(m);
    else
        *out = m;
    return rc;
}
