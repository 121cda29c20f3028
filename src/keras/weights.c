/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The numbers of layers. HDF5 models have a group per layer with the names
 * of its weights, in the order in which the layer made them, as attribute
 * "weight_names"; one that is too long is cut into "weight_names0", ...
 * Keras 3's zips have groups called after classes, CLASS or CLASS_N for the
 * N-th further layer of the class, with numbered datasets in "vars".
 */

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/mem.h"
#include "keras/import.h"

enum { PATH_BYTES = 512 };

/* "MaxPooling2D" as "max_pooling2d": an underscore before a capital that
 * begins a word, and between a small letter and a capital. */
static void snake(const char *class_name, char *out, size_t size)
{
    size_t n = 0;

    for (size_t i = 0; class_name[i] && n + 3 < size; i++) {
        unsigned char c = (unsigned char)class_name[i];

        if (i > 0 && isupper(c) &&
            (islower((unsigned char)class_name[i - 1]) ||
             islower((unsigned char)class_name[i + 1])))
            out[n++] = '_';
        out[n++] = (char)tolower(c);
    }
    out[n] = '\0';
}

/* Whether the layer's group says that it is another layer's. */
static void check_owner(struct assay__keras_builder *b, int group)
{
    struct assay__span name;

    b->code = assay__hdf5_text(&b->file->h5, group, "name", &name, b->err);
    if (b->code == ASSAY_OK && name.text &&
        !assay__span_is(name, b->layer->name))
        assay__keras_fail(b, ASSAY_FORMAT, "its weights are those of '%.*s'",
                          assay__span_length(name), name.text);
}

/* The group of a layer below those of the models that it is in. */
static size_t group_path(const struct assay__keras_builder *b,
                         const struct assay__keras_layer *l, const char *root,
                         char *out, size_t size)
{
    char name[PATH_BYTES];
    size_t n = 0;

    if (l->scope >= 0)
        n = group_path(b, &b->model.layer[l->scope], root, out, size);
    snake(l->class_name, name, sizeof(name));
    if (l->turn > 0)
        n += (size_t)snprintf(out + n, size - n, "%s/%s_%d/", root, name,
                              l->turn);
    else
        n += (size_t)snprintf(out + n, size - n, "%s/%s/", root, name);
    return n < size ? n : size - 1;
}

static void begin_zip(struct assay__keras_builder *b)
{
    static const char *const roots[] = {"layers",
                                        "_layer_checkpoint_dependencies"};
    const struct assay__hdf5 *h = &b->file->h5;
    char path[(ASSAY__KERAS_DEPTH_MAX + 1) * PATH_BYTES];
    int group = -1;

    for (size_t i = 0; i < 2 && group < 0; i++) {
        (void)group_path(b, b->layer, roots[i], path, sizeof(path));
        group = assay__hdf5_find_text(h, 0, path);
        group = group < 0 ? -1 : assay__hdf5_find_text(h, group, "vars");
    }
    b->group = group;
    if (group < 0)
        return;
    check_owner(b, group);
    for (int i = 0; i < h->n_nodes; i++)
        b->n_weights += h->node[i].parent == group;
}

/* Append the texts of an attribute; whether there is one. */
static bool add_names(struct assay__keras_builder *b, const char *key)
{
    struct assay__span *part = NULL;
    struct assay__span *all;
    int n = 0;

    b->code = assay__hdf5_texts(&b->file->h5, b->group, key, &part, &n, b->err);
    if (b->code != ASSAY_OK || n < 0)
        return false;
    all =
        assay__realloc(b->weight, (size_t)(b->n_weights + n) + 1, sizeof(*all));
    if (!all) {
        assay__keras_fail(b, ASSAY_NOMEM, "no memory to read Keras");
    } else {
        b->weight = all;
        if (n > 0)
            memcpy(all + b->n_weights, part, (size_t)n * sizeof(*all));
        b->n_weights += n;
    }
    assay__free(part);
    return b->code == ASSAY_OK;
}

/* Whether a weight's path says that it is a layer's: "LAYER/kernel:0". */
static bool is_of(struct assay__span path, const char *layer)
{
    const char *slash = memrchr(path.text, '/', path.size);
    struct assay__span owner = {path.text, 0};
    const char *before;

    if (!slash)
        return false;
    owner.size = (size_t)(slash - path.text);
    before = memrchr(path.text, '/', owner.size);
    if (before) {
        owner.size -= (size_t)(before + 1 - path.text);
        owner.text = before + 1;
    }
    return assay__span_is(owner, layer);
}

/* Of the weights of a model that is a layer, those of the layer under way;
 * their order within it is kept. */
static void keep_own(struct assay__keras_builder *b)
{
    int n = 0;

    for (int i = 0; i < b->n_weights; i++) {
        if (is_of(b->weight[i], b->layer->name))
            b->weight[n++] = b->weight[i];
    }
    b->n_weights = n;
}

static void find_names(struct assay__keras_builder *b, const char *layer)
{
    const struct assay__hdf5 *h = &b->file->h5;
    int root = assay__hdf5_find_text(h, 0, "model_weights");
    char key[32];

    b->group = root < 0 ? -1 : assay__hdf5_find_text(h, root, layer);
    if (b->group < 0 || add_names(b, "weight_names"))
        return;
    for (int i = 0; i < 1000 && b->code == ASSAY_OK; i++) {
        snprintf(key, sizeof(key), "weight_names%d", i);
        if (!add_names(b, key))
            return;
    }
}

static void begin_hdf5(struct assay__keras_builder *b)
{
    const struct assay__keras_layer *top = b->layer;

    while (top->scope >= 0)
        top = &b->model.layer[top->scope];
    find_names(b, top->name);
    if (top != b->layer)
        keep_own(b);
}

void assay__keras_weights_begin(struct assay__keras_builder *b)
{
    b->group = -1;
    b->n_weights = b->n_taken = 0;
    if (b->code != ASSAY_OK)
        return;
    if (b->file->zipped)
        begin_zip(b);
    else
        begin_hdf5(b);
}

void assay__keras_weights_end(struct assay__keras_builder *b)
{
    if (b->n_taken != b->n_weights)
        assay__keras_fail(b, ASSAY_FORMAT,
                          "the file has %d weights of it, the layer takes %d",
                          b->n_weights, b->n_taken);
    assay__free(b->weight);
    b->weight = NULL;
    b->n_weights = b->n_taken = 0;
}

bool assay__keras_weights_left(const struct assay__keras_builder *b)
{
    return b->n_taken < b->n_weights;
}

/* The dataset of the next weight, or -1. */
static int next_dataset(struct assay__keras_builder *b)
{
    const struct assay__hdf5 *h = &b->file->h5;
    char number[16];
    int node;

    if (b->group < 0 || b->n_taken >= b->n_weights)
        return -1;
    if (b->file->zipped) {
        snprintf(number, sizeof(number), "%d", b->n_taken);
        node = assay__hdf5_find_text(h, b->group, number);
    } else {
        node = assay__hdf5_find(h, b->group, b->weight[b->n_taken]);
    }
    b->n_taken++;
    return node >= 0 && assay__hdf5_is_dataset(h, node) ? node : -1;
}

/* The tensor's numbers as floats; finite. */
static float *to_floats(struct assay__keras_builder *b, const char *what,
                        const struct assay_tensor *t)
{
    size_t n = assay_shape_count(&t->shape, 1);
    float *data = assay__malloc((n + 1) * sizeof(*data));

    if (!data) {
        assay__keras_fail(b, ASSAY_NOMEM, "no memory to read Keras");
        return NULL;
    }
    for (size_t i = 0; i < n; i++) {
        data[i] = (float)assay_tensor_value(t, i);
        if (!isfinite(data[i])) {
            assay__keras_fail(b, ASSAY_NUMERIC, "%s: number %zu is not finite",
                              what, i);
            assay__free(data);
            return NULL;
        }
    }
    return data;
}

float *assay__keras_weight(struct assay__keras_builder *b, const char *what,
                           const struct assay_shape *shape)
{
    struct assay_tensors list;
    float *data = NULL;
    char has[80], wants[80];
    int node = b->code == ASSAY_OK ? next_dataset(b) : -1;

    if (b->code == ASSAY_OK && node < 0)
        assay__keras_fail(b, ASSAY_FORMAT, "the file has no %s of it", what);
    if (b->code != ASSAY_OK)
        return NULL;
    assay_tensors_init(&list);
    b->code = assay__hdf5_read(&b->file->h5, node, what, &list, b->err);
    if (b->code == ASSAY_OK && !assay_shape_equal(&list.item[0].shape, shape))
        assay__keras_fail(
            b, ASSAY_SHAPE, "%s is of %s, must be %s", what,
            assay_shape_text(&list.item[0].shape, has, sizeof(has)),
            assay_shape_text(shape, wants, sizeof(wants)));
    if (b->code == ASSAY_OK)
        data = to_floats(b, what, &list.item[0]);
    assay_tensors_release(&list);
    return data;
}

static bool note_param(struct assay__keras_builder *b, float *data,
                       size_t count)
{
    if (b->n_params == b->cap_params) {
        int cap = b->cap_params ? 2 * b->cap_params : 64;
        struct assay__keras_param *all =
            assay__realloc(b->param, (size_t)cap, sizeof(*all));

        if (!all) {
            assay__keras_fail(b, ASSAY_NOMEM, "no memory to read Keras");
            return false;
        }
        b->param = all;
        b->cap_params = cap;
    }
    b->param[b->n_params].data = data;
    b->param[b->n_params++].count = count;
    return true;
}

/* "MODEL.LAYER" */
static size_t label(const struct assay__keras_builder *b,
                    const struct assay__keras_layer *l, char *out, size_t size)
{
    size_t n = 0;

    if (l->scope >= 0) {
        n = label(b, &b->model.layer[l->scope], out, size);
        out[n++] = '.';
    }
    n += (size_t)snprintf(out + n, size - n, "%s", l->name);
    return n;
}

assay_value assay__keras_param(struct assay__keras_builder *b,
                               const char *suffix,
                               const struct assay_shape *shape, float *data,
                               unsigned flags)
{
    static const struct assay_init zero = {ASSAY_INIT_ZERO, 0.0, 0.0};
    char name[(ASSAY__KERAS_DEPTH_MAX + 1) * (ASSAY__KERAS_NAME_MAX + 1) + 40];
    assay_value v = ASSAY_NO_VALUE;
    size_t n = label(b, b->layer, name, sizeof(name));

    snprintf(name + n, sizeof(name) - n, ".%s", suffix);
    if (b->code == ASSAY_OK && data) {
        v = assay_graph_param(b->g, name, shape, zero, flags);
        b->code = assay_graph_check(b->g, b->err);
    }
    if (b->code != ASSAY_OK || !data ||
        !note_param(b, data, assay_shape_count(shape, 1))) {
        assay__free(data);
        return ASSAY_NO_VALUE;
    }
    return v;
}

assay_value assay__keras_constant(struct assay__keras_builder *b,
                                  const char *suffix, int64_t n, double x)
{
    struct assay_shape shape = {1, {n}};
    float *data;

    if (b->code != ASSAY_OK)
        return ASSAY_NO_VALUE;
    data = assay__malloc((size_t)n * sizeof(*data) + 1);
    if (!data)
        assay__keras_fail(b, ASSAY_NOMEM, "no memory to read Keras");
    for (int64_t i = 0; data && i < n; i++)
        data[i] = (float)x;
    return assay__keras_param(b, suffix, &shape, data, 0);
}
