/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Configurations of Keras: JSON of a Sequential model, a row of layers, or a
 * Functional one, layers that name what they read. How a layer is named as
 * an input differs between Keras 2, [name, node, tensor, {}], and Keras 3, an
 * object with the list [name, node, tensor] as its "keras_history".
 *
 * A model that is a layer is spelled out: its layers are appended, with it as
 * their scope; its first one reads what it reads, and it reads their output.
 * A layer that is used more than once is refused.
 */

#include <string.h>

#include "core/mem.h"
#include "keras/import.h"

static int no_memory(struct assay_error *err)
{
    return assay_error_set(err, ASSAY_NOMEM, "no memory to read Keras");
}

static int bad(struct assay_error *err, const char *what)
{
    return assay_error_set(err, ASSAY_FORMAT, "the configuration: %s", what);
}

static bool is_name(const char *text)
{
    size_t n = text ? strlen(text) : 0;

    for (size_t i = 0; i < n; i++) {
        if ((unsigned char)text[i] < 0x21 || text[i] == 0x7f)
            return false;
    }
    return n > 0 && n <= ASSAY__KERAS_NAME_MAX;
}

static int find_layer(const struct assay__keras_model *m, int scope,
                      const char *name)
{
    for (int i = 0; name && i < m->n_layers; i++) {
        if (m->layer[i].scope == scope && strcmp(m->layer[i].name, name) == 0)
            return i;
    }
    return -1;
}

static bool is_sequential(const char *class_name)
{
    return class_name && strcmp(class_name, "Sequential") == 0;
}

static bool is_model(const char *class_name)
{
    return class_name && (is_sequential(class_name) ||
                          strcmp(class_name, "Functional") == 0 ||
                          strcmp(class_name, "Model") == 0);
}

static int add_layer(struct assay__keras_model *m, int scope,
                     const json_t *entry, struct assay_error *err)
{
    struct assay__keras_layer *l = &m->layer[m->n_layers];
    const char *name = json_string_value(json_object_get(entry, "name"));

    memset(l, 0, sizeof(*l));
    l->class_name = json_string_value(json_object_get(entry, "class_name"));
    l->config = json_object_get(entry, "config");
    l->name =
        name ? name : json_string_value(json_object_get(l->config, "name"));
    l->scope = scope;
    l->model = is_model(l->class_name);
    if (!(json_is_object(l->config) || json_is_array(l->config)) ||
        !is_name(l->class_name) || !is_name(l->name))
        return assay_error_set(err, ASSAY_FORMAT,
                               "the configuration: layer %d has no class, no "
                               "name or no settings",
                               m->n_layers);
    if (find_layer(m, scope, l->name) >= 0)
        return assay_error_set(err, ASSAY_FORMAT,
                               "the configuration: two layers are called "
                               "'%.60s'",
                               l->name);
    for (int i = 0; i < m->n_layers; i++)
        l->turn += m->layer[i].scope == scope &&
                   strcmp(m->layer[i].class_name, l->class_name) == 0;
    m->n_layers++;
    return ASSAY_OK;
}

static int add_layers(struct assay__keras_model *m, int scope,
                      const json_t *list, struct assay_error *err)
{
    size_t n = json_array_size(list);
    size_t all = n + (size_t)m->n_layers;
    struct assay__keras_layer *layer;
    int rc = ASSAY_OK;

    if (n == 0 || all > ASSAY__KERAS_LAYERS_MAX)
        return assay_error_set(err, ASSAY_LIMIT,
                               "the configuration: %zu layers; 1 to %d are "
                               "possible",
                               all, ASSAY__KERAS_LAYERS_MAX);
    layer = assay__realloc(m->layer, all, sizeof(*layer));
    if (!layer)
        return no_memory(err);
    m->layer = layer;
    for (size_t i = 0; i < n && !rc; i++)
        rc = add_layer(m, scope, json_array_get(list, i), err);
    return rc;
}

/* --- inputs --------------------------------------------------------------- */

static int add_input(struct assay__keras_model *m, int to, int from,
                     struct assay_error *err)
{
    struct assay__keras_layer *l = &m->layer[to];

    if (l->n_in == ASSAY__KERAS_INPUTS_MAX)
        return assay_error_set(err, ASSAY_LIMIT,
                               "layer '%.60s': over %d inputs", l->name,
                               ASSAY__KERAS_INPUTS_MAX);
    if (m->n_in >= ASSAY__KERAS_LINKS_MAX)
        return assay_error_set(err, ASSAY_LIMIT,
                               "layer '%.60s': layers have over %d inputs in "
                               "all",
                               l->name, ASSAY__KERAS_LINKS_MAX);
    if (m->n_in == m->cap_in) {
        size_t cap = m->cap_in ? 2 * m->cap_in : 64;
        int *all = assay__realloc(m->in, cap, sizeof(*all));

        if (!all)
            return no_memory(err);
        m->in = all;
        m->cap_in = cap;
    }
    if (l->n_in == 0)
        l->first = m->n_in;
    m->in[m->n_in++] = from;
    l->n_in++;
    return ASSAY_OK;
}

/* The layer that [name, node, tensor, ...] names, or a negative code. */
static int read_reference(const struct assay__keras_model *m, int scope,
                          const json_t *list, struct assay_error *err)
{
    const char *name = json_string_value(json_array_get(list, 0));
    const json_t *node = json_array_get(list, 1);
    const json_t *tensor = json_array_get(list, 2);
    int i = find_layer(m, scope, name);

    if (!name || !json_is_integer(node) || !json_is_integer(tensor))
        return bad(err, "an input is not [name, node, tensor]");
    if (i < 0)
        return assay_error_set(err, ASSAY_FORMAT,
                               "the configuration: no layer is called '%.60s'",
                               name);
    /* Keras counts a model's own making as its first use. */
    if (json_integer_value(node) < 0 ||
        json_integer_value(node) > m->layer[i].model ||
        json_integer_value(tensor) != 0)
        return assay_error_set(err, ASSAY_UNSUPPORTED,
                               "layer '%.60s' is used more than once, or has "
                               "several outputs, which is not supported",
                               name);
    return i;
}

/* Arguments of a call that say nothing. What a layer does in training is not
 * asked for. */
static int check_arguments(const struct assay__keras_model *m, int to,
                           json_t *object, struct assay_error *err)
{
    const char *key;
    json_t *value;

    json_object_foreach(object, key, value)
    {
        if (json_is_null(value) ||
            (json_is_false(value) && strcmp(key, "training") == 0))
            continue;
        return assay_error_set(err, ASSAY_UNSUPPORTED,
                               "layer '%.60s': its call has the argument "
                               "'%.40s', which is not supported",
                               m->layer[to].name, key);
    }
    return ASSAY_OK;
}

static int refer(struct assay__keras_model *m, int to, const json_t *list,
                 struct assay_error *err)
{
    int from = read_reference(m, m->layer[to].scope, list, err);
    int rc;

    if (from < 0)
        return from;
    rc = check_arguments(m, to, json_array_get(list, 3), err);
    return rc ? rc : add_input(m, to, from, err);
}

/* An argument of Keras 3: a tensor, or a list of tensors. */
static int read_argument(struct assay__keras_model *m, int to,
                         const json_t *value, struct assay_error *err)
{
    const json_t *history =
        json_object_get(json_object_get(value, "config"), "keras_history");
    const json_t *item;
    size_t i;
    int rc = ASSAY_OK;

    if (history)
        return refer(m, to, history, err);
    if (!json_is_array(value))
        return assay_error_set(err, ASSAY_UNSUPPORTED,
                               "layer '%.60s': its call has an argument that "
                               "is no tensor, which is not supported",
                               m->layer[to].name);
    json_array_foreach(value, i, item)
    {
        history =
            json_object_get(json_object_get(item, "config"), "keras_history");
        if (!rc)
            rc = refer(m, to, history, err);
    }
    return rc;
}

static int read_call(struct assay__keras_model *m, int to, const json_t *call,
                     struct assay_error *err)
{
    const json_t *args = json_object_get(call, "args");
    const json_t *from = json_is_object(call) ? args : call;
    const json_t *item;
    size_t i;
    int rc = check_arguments(m, to, json_object_get(call, "kwargs"), err);

    if (!rc && !json_is_array(from))
        rc = bad(err, "what a layer reads is no list");
    if (!rc && json_is_string(json_array_get(from, 0)))
        return refer(m, to, from, err);
    json_array_foreach(from, i, item)
    {
        if (!rc)
            rc = args ? read_argument(m, to, item, err)
                      : refer(m, to, item, err);
    }
    return rc;
}

static int read_inbound(struct assay__keras_model *m, int first,
                        const json_t *list, struct assay_error *err)
{
    int rc = ASSAY_OK;

    for (int i = first; i < m->n_layers && !rc; i++) {
        const json_t *nodes = json_object_get(
            json_array_get(list, (size_t)(i - first)), "inbound_nodes");
        size_t n = json_array_size(nodes);

        if (n > 1)
            rc = assay_error_set(err, ASSAY_UNSUPPORTED,
                                 "layer '%.60s' is used %zu times, which is "
                                 "not supported",
                                 m->layer[i].name, n);
        if (!rc && n == 1)
            rc = read_call(m, i, json_array_get(nodes, 0), err);
    }
    return rc;
}

/* The only layer of "input_layers" or "output_layers". */
static int read_port(const struct assay__keras_model *m, int scope,
                     const json_t *config, const char *key,
                     struct assay_error *err)
{
    const json_t *list = json_object_get(config, key);

    while (json_array_size(list) == 1 && json_is_array(json_array_get(list, 0)))
        list = json_array_get(list, 0);
    if (!json_is_string(json_array_get(list, 0)))
        return assay_error_set(err, ASSAY_UNSUPPORTED,
                               "the model has %zu of '%s'; 1 is supported",
                               json_array_size(list), key);
    return read_reference(m, scope, list, err);
}

/* A model's ends: layers; an input of -1: its first layer is fed. */
struct ends {
    int input;
    int output;
};

static int read_functional(struct assay__keras_model *m, int scope,
                           const json_t *config, struct ends *ends,
                           struct assay_error *err)
{
    const json_t *list = json_object_get(config, "layers");
    int first = m->n_layers;
    int rc = add_layers(m, scope, list, err);

    if (!rc)
        rc = read_inbound(m, first, list, err);
    if (rc)
        return rc;
    ends->input = read_port(m, scope, config, "input_layers", err);
    if (ends->input < 0)
        return ends->input;
    ends->output = read_port(m, scope, config, "output_layers", err);
    return ends->output < 0 ? ends->output : ASSAY_OK;
}

/* The list of layers, or, since Keras 2.2, an object that holds it. */
static int read_sequential(struct assay__keras_model *m, int scope,
                           const json_t *config, struct ends *ends,
                           struct assay_error *err)
{
    int first = m->n_layers;
    int rc = add_layers(
        m, scope,
        json_is_array(config) ? config : json_object_get(config, "layers"),
        err);

    for (int i = first + 1; i < m->n_layers && !rc; i++)
        rc = add_input(m, i, i - 1, err);
    if (rc)
        return rc;
    ends->input =
        strcmp(m->layer[first].class_name, "InputLayer") == 0 ? first : -1;
    ends->output = m->n_layers - 1;
    return ASSAY_OK;
}

static int read_model(struct assay__keras_model *m, int scope, int depth,
                      struct ends *ends, struct assay_error *err);

/* Spell out the model that is layer i. */
static int read_inner(struct assay__keras_model *m, int i, int depth,
                      struct assay_error *err)
{
    const struct assay__keras_layer *l = &m->layer[i];
    struct ends ends;
    int rc;

    if (l->n_in != 1 || depth > ASSAY__KERAS_DEPTH_MAX)
        return assay_error_set(err, ASSAY_UNSUPPORTED,
                               "layer '%.60s' (%.40s): a model of %d inputs, "
                               "%d deep; 1 and up to %d are supported",
                               l->name, l->class_name, l->n_in, depth,
                               ASSAY__KERAS_DEPTH_MAX);
    rc = read_model(m, i, depth, &ends, err);
    m->layer[i].n_in = 0;
    return rc ? rc : add_input(m, i, ends.output, err);
}

/* What the model that is a layer reads is what its input does. */
static int feed(struct assay__keras_model *m, int scope, int first, int input,
                struct assay_error *err)
{
    int to = input < 0 ? first : input;

    if (scope < 0)
        return ASSAY_OK;
    if (m->layer[to].n_in > 0)
        return bad(err, "the input of an inner model reads a layer");
    return add_input(m, to, m->in[m->layer[scope].first], err);
}

/* The layers of the whole, or of the model that is layer `scope`. */
static int read_model(struct assay__keras_model *m, int scope, int depth,
                      struct ends *ends, struct assay_error *err)
{
    const json_t *entry = scope < 0 ? m->root : NULL;
    const char *class_name =
        entry ? json_string_value(json_object_get(entry, "class_name"))
              : m->layer[scope].class_name;
    const json_t *config =
        entry ? json_object_get(entry, "config") : m->layer[scope].config;
    int first = m->n_layers;
    int rc = is_sequential(class_name)
                 ? read_sequential(m, scope, config, ends, err)
                 : read_functional(m, scope, config, ends, err);
    int end = m->n_layers;

    if (!rc)
        rc = feed(m, scope, first, ends->input, err);
    for (int i = first; i < end && !rc; i++) {
        if (m->layer[i].model)
            rc = read_inner(m, i, depth + 1, err);
    }
    return rc;
}

/* --- files ---------------------------------------------------------------- */

static json_t *parse(const void *text, size_t size, const char *what,
                     struct assay_error *err)
{
    json_error_t why;
    json_t *root = json_loadb(text, size, JSON_REJECT_DUPLICATES, &why);

    if (!root && json_error_code(&why) == json_error_out_of_memory)
        (void)no_memory(err);
    else if (!root)
        (void)assay_error_set(err, ASSAY_FORMAT, "%s: line %d, column %d: %s",
                              what, why.line, why.column, why.text);
    return root;
}

/* "3.10.0" begins with 3. */
static int first_number(const char *text, size_t n)
{
    return n > 0 && text[0] >= '0' && text[0] <= '9' ? text[0] - '0' : 0;
}

static int read_zip(struct assay__keras_model *m,
                    const struct assay__keras_file *f, struct assay_error *err)
{
    json_t *metadata = NULL;
    const char *version;

    if (!f->config.data)
        return assay_error_set(err, ASSAY_FORMAT,
                               "the archive has no member 'config.json'");
    m->root = parse(f->config.data, f->config.size, "config.json", err);
    if (!m->root)
        return err->code;
    m->version = 3;
    if (!f->metadata.data)
        return ASSAY_OK;
    metadata = parse(f->metadata.data, f->metadata.size, "metadata.json", err);
    if (!metadata)
        return err->code;
    version = json_string_value(json_object_get(metadata, "keras_version"));
    if (version)
        m->version = first_number(version, strlen(version));
    json_decref(metadata);
    return ASSAY_OK;
}

static int read_hdf5(struct assay__keras_model *m, struct assay__hdf5 *h,
                     struct assay_error *err)
{
    int weights = assay__hdf5_find_text(h, 0, "model_weights");
    struct assay__span text;
    int rc = assay__hdf5_text(h, 0, "model_config", &text, err);

    if (rc)
        return rc;
    if (!text.text)
        return assay_error_set(err, ASSAY_UNSUPPORTED,
                               "the file has no 'model_config': weights alone "
                               "do not tell the network");
    m->root = parse(text.text, text.size, "model_config", err);
    if (!m->root)
        return err->code;
    rc = assay__hdf5_text(h, 0, "keras_version", &text, err);
    if (!rc && !text.text && weights >= 0)
        rc = assay__hdf5_text(h, weights, "keras_version", &text, err);
    if (!rc && text.text)
        m->version = first_number(text.text, text.size);
    return rc;
}

int assay__keras_config(struct assay__keras_model *m,
                        struct assay__keras_file *f, struct assay_error *err)
{
    struct assay_error own = {ASSAY_OK, ""};
    struct ends ends = {-1, -1};
    const char *kind;
    int rc;

    memset(m, 0, sizeof(*m));
    rc = f->zipped ? read_zip(m, f, &own) : read_hdf5(m, &f->h5, &own);
    if (rc)
        return assay_error_set(err, rc, "%s", own.msg);
    kind = json_string_value(json_object_get(m->root, "class_name"));
    if (is_model(kind)) {
        rc = read_model(m, -1, 0, &ends, err);
        m->input = ends.input;
        m->output = ends.output;
        return rc;
    }
    return assay_error_set(err, ASSAY_UNSUPPORTED,
                           "the model is of the class '%.60s'; Sequential, "
                           "Functional and Model are supported",
                           kind ? kind : "(none)");
}

void assay__keras_model_release(struct assay__keras_model *m)
{
    json_decref(m->root);
    assay__free(m->layer);
    assay__free(m->in);
    memset(m, 0, sizeof(*m));
}
