/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A Keras file as a classifier of images: its input becomes [N, C, H, W], its
 * output logits.
 */

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/fs.h"
#include "core/mem.h"
#include "keras/import.h"

enum { CHANNELS_MAX = 4, SIDE_MAX = 4096 };

int assay_keras_probe(const char *path)
{
    static const char *const suffixes[] = {".keras", ".h5", ".hdf5"};
    size_t n = strlen(path);

    for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
        size_t m = strlen(suffixes[i]);

        if (n > m && strcmp(path + n - m, suffixes[i]) == 0)
            return 1;
    }
    return 0;
}

/* --- the input ------------------------------------------------------------ */

/* The shape that the input says, [batch, ...]; unknown sizes are 0. */
static bool input_shape(struct assay__keras_builder *b, struct assay_shape *s)
{
    const json_t *list = assay__keras_get(b, "batch_shape");
    size_t rank;

    if (!list)
        list = assay__keras_get(b, "batch_input_shape");
    rank = json_array_size(list);
    if (rank < 2 || rank > 4) {
        assay__keras_fail(b, ASSAY_UNSUPPORTED,
                          "it says an input of %zu dimensions; images have 4, "
                          "or 2 or 3 in a row",
                          rank);
        return false;
    }
    *s = (struct assay_shape){(int)rank, {ASSAY_BATCH}};
    for (int i = 1; i < (int)rank; i++) {
        const json_t *v = json_array_get(list, (size_t)i);

        if (!json_is_null(v) &&
            (!json_is_integer(v) || json_integer_value(v) < 1 ||
             json_integer_value(v) > 1 << 26))
            assay__keras_fail(b, ASSAY_FORMAT,
                              "dimension %d of its input is no size", i);
        s->dim[i] = json_integer_value(v);
    }
    return b->code == ASSAY_OK;
}

/* A size of the file held against what the caller says; 0 is unknown. */
static int side(struct assay__keras_builder *b, int64_t file, int said,
                const char *what, int most)
{
    int64_t size = file > 0 ? file : said;

    if (said > 0 && size != said)
        assay__keras_fail(b, ASSAY_SHAPE,
                          "images of %s %d, the model takes "
                          "%lld",
                          what, said, (long long)size);
    if (size < 1 || size > most)
        assay__keras_fail(b, ASSAY_UNSUPPORTED,
                          "images of %s %lld; 1 to %d are possible%s", what,
                          (long long)size, most,
                          size < 1 ? ", and the file does not tell: the "
                                     "sidecar's 'preprocess' must"
                                   : "");
    return (int)size;
}

/* Images in a row of numbers: the caller's size, or a square's. */
static void of_row(struct assay__keras_builder *b, int64_t n,
                   struct assay_keras_classifier *c)
{
    c->channels = b->roles->channels;
    c->height = b->roles->height;
    c->width = b->roles->width;
    for (int channels = 1; channels <= 3 && c->channels == 0; channels += 2) {
        int64_t root = (int64_t)(sqrt((double)n / channels) + 0.5);

        if (n > 0 && root * root * channels == n && root <= SIDE_MAX) {
            c->channels = channels;
            c->height = c->width = (int)root;
        }
    }
    if (c->channels < 1 || c->height < 1 || c->width < 1 ||
        (int64_t)c->channels * c->height * c->width != n)
        assay__keras_fail(b, ASSAY_UNSUPPORTED,
                          "an input of %lld numbers does not tell what images "
                          "it takes; the sidecar's 'preprocess' must",
                          (long long)n);
}

/* The graph's input, and what the first layer reads, as Keras has it. */
static assay_value bind_image(struct assay__keras_builder *b,
                              struct assay_keras_classifier *c)
{
    const struct assay_keras_roles *r = b->roles;
    struct assay_shape s, image;

    if (!input_shape(b, &s))
        return ASSAY_NO_VALUE;
    if (s.rank == 2) {
        of_row(b, s.dim[1], c);
    } else {
        c->channels = side(b, s.rank == 4 ? s.dim[3] : 1, r->channels,
                           "channels", CHANNELS_MAX);
        c->height = side(b, s.dim[1], r->height, "height", SIDE_MAX);
        c->width = side(b, s.dim[2], r->width, "width", SIDE_MAX);
        s.dim[1] = c->height;
        s.dim[2] = c->width;
    }
    if (b->code != ASSAY_OK)
        return ASSAY_NO_VALUE;
    image = (struct assay_shape){
        4, {ASSAY_BATCH, c->channels, c->height, c->width}};
    c->input = assay_graph_input(b->g, "input", &image);
    if (s.rank == 4)
        return c->input;
    return assay_op_reshape(b->g, assay__keras_to_last(b, c->input), &s);
}

/* The input layer is done; the first layer of a Sequential model without one
 * says the shape itself and is given it in its place. */
static void bind_input(struct assay__keras_builder *b,
                       struct assay_keras_classifier *c)
{
    struct assay__keras_model *m = &b->model;
    struct assay__keras_layer *l = &m->layer[m->input < 0 ? 0 : m->input];
    struct assay__keras_item item = {ASSAY_NO_VALUE, ASSAY__KERAS_PLAIN,
                                     ASSAY_NO_VALUE, ASSAY_NO_VALUE};

    b->layer = l;
    if (m->input >= 0 &&
        (strcmp(l->class_name, "InputLayer") != 0 || l->n_in > 0))
        assay__keras_fail(b, ASSAY_FORMAT,
                          "the model's input is no InputLayer");
    item.v = bind_image(b, c);
    if (b->code != ASSAY_OK) {
        b->code = assay_error_prefix(b->err, b->code, "layer '%.60s' (%.40s)",
                                     l->name, l->class_name);
        return;
    }
    if (m->input >= 0) {
        l->item = item;
        l->done = true;
    }
    assay__keras_build(b, m->input < 0 ? &item : NULL);
}

/* --- the output ----------------------------------------------------------- */

/* [N, K] of scores, whatever dimensions of 1 there are. */
static assay_value as_rows(struct assay__keras_builder *b, assay_value v)
{
    const struct assay_shape *s = assay__keras_shape(b, v);
    struct assay_shape rows = {2, {ASSAY_BATCH, assay__keras_count(s)}};

    if (b->code != ASSAY_OK)
        return ASSAY_NO_VALUE;
    if (s->rank < 2 || s->dim[1] != rows.dim[1] || rows.dim[1] > 65536) {
        assay__keras_fail(b, ASSAY_UNSUPPORTED,
                          "the output is no row of 1 to 65536 scores for each "
                          "record");
        return ASSAY_NO_VALUE;
    }
    return s->rank == 2 ? v : assay_op_reshape(b->g, v, &rows);
}

/* z for the second of two classes: the logits 0 and z. */
static assay_value two_classes(struct assay__keras_builder *b, assay_value z)
{
    struct assay_attrs a = {.shape = *assay__keras_shape(b, z)};
    assay_value pair[2];

    pair[0] = assay_graph_node(b->g, "fill", NULL, 0, &a);
    pair[1] = z;
    return assay_op_concat(b->g, pair, 2, 1);
}

static void find_logits(struct assay__keras_builder *b,
                        struct assay_keras_classifier *c)
{
    const struct assay__keras_item *item =
        &b->model.layer[b->model.output].item;
    enum assay_keras_meaning meaning = b->roles->meaning;
    bool inner =
        meaning != ASSAY_KERAS_LOGITS && item->last != ASSAY__KERAS_PLAIN;
    assay_value v = inner ? item->before : item->v;
    int64_t k;

    v = as_rows(b, v);
    if (b->code != ASSAY_OK)
        return;
    k = assay__keras_shape(b, v)->dim[1];
    if (k == 1 && !(inner && item->last == ASSAY__KERAS_SIGMOID) &&
        meaning != ASSAY_KERAS_LOGITS)
        assay__keras_fail(b, ASSAY_UNSUPPORTED,
                          "the output is one number and no sigmoid; 'scores' "
                          "of the sidecar may say that it is a logit");
    if (b->code != ASSAY_OK)
        return;
    if (!inner && meaning == ASSAY_KERAS_PROBABILITIES) {
        v = assay_op_unary(b->g, ASSAY_UNARY_CLIP, v, 1e-30, 1.0);
        v = assay_op_unary(b->g, ASSAY_UNARY_LOG, v, 0.0, 0.0);
    }
    if (k == 1)
        v = two_classes(b, v);
    if (assay_graph_value_name(b->g, v))
        v = assay_op_affine(b->g, v, 1.0, 0.0);
    c->logits = v;
    c->n_classes = k == 1 ? 2 : (int)k;
    assay_graph_name(b->g, v, "logits");
}

static void find_embedding(struct assay__keras_builder *b,
                           struct assay_keras_classifier *c)
{
    const struct assay_shape *s;
    assay_value e;

    if (b->code != ASSAY_OK)
        return;
    e = b->model.layer[b->model.output].item.reads;
    if (e == ASSAY_NO_VALUE || assay__keras_shape(b, e)->rank < 2)
        e = c->logits;
    s = assay__keras_shape(b, e);
    if (s->rank == 4 && s->dim[2] * s->dim[3] > 1 && e != c->input)
        e = assay_op_global_avgpool(b->g, e);
    if (assay__keras_shape(b, e)->rank != 2)
        e = assay_op_flatten(b->g, e);
    if (assay_graph_value_name(b->g, e))
        e = assay_op_affine(b->g, e, 1.0, 0.0);
    assay_graph_name(b->g, e, "embedding");
    c->embedding = e;
    b->code = assay_graph_check(b->g, b->err);
}

static void fill_params(struct assay__keras_builder *b,
                        struct assay_params *params)
{
    if (b->code == ASSAY_OK)
        b->code = assay_params_make(params, b->g, b->err);
    for (int i = 0; i < b->n_params && b->code == ASSAY_OK; i++)
        memcpy(params->data + params->slot[i].offset, b->param[i].data,
               b->param[i].count * sizeof(float));
}

/* --- files ---------------------------------------------------------------- */

static void release(struct assay__keras_builder *b)
{
    for (int i = 0; i < b->n_params; i++)
        assay__free(b->param[i].data);
    assay__free(b->param);
    assay__free(b->weight);
    assay__keras_model_release(&b->model);
    assay_graph_free(b->g);
}

int assay__keras_classify(struct assay_keras_classifier *out,
                          struct assay__keras_file *file,
                          const struct assay_keras_roles *roles,
                          struct assay_error *err)
{
    struct assay__keras_builder b = {.file = file, .roles = roles, .err = err};

    b.code = assay__keras_config(&b.model, file, err);
    if (b.code == ASSAY_OK)
        b.code = assay_graph_new(&b.g, err);
    if (b.code == ASSAY_OK)
        bind_input(&b, out);
    if (b.code == ASSAY_OK)
        find_logits(&b, out);
    find_embedding(&b, out);
    fill_params(&b, &out->params);
    if (b.code == ASSAY_OK) {
        out->graph = b.g;
        b.g = NULL;
    }
    release(&b);
    return b.code;
}

int assay_keras_parse(struct assay_keras_classifier *out, const void *data,
                      size_t size, const struct assay_keras_roles *roles,
                      struct assay_error *err)
{
    struct assay_error why = {ASSAY_OK, ""};
    struct assay__keras_file file;
    struct assay__sha256 hash;
    int rc;

    memset(out, 0, sizeof(*out));
    rc = assay__keras_open(&file, data, size, &why);
    if (!rc)
        rc = assay__keras_classify(out, &file, roles, &why);
    assay__keras_close(&file);
    if (!rc && assay__sha256_begin(&hash) != 0)
        rc = assay_error_set(&why, ASSAY_NOMEM, "no memory to hash a file");
    if (!rc) {
        assay__sha256_add(&hash, data, size);
        assay__sha256_end(&hash, out->sha256);
    }
    if (rc) {
        assay_keras_classifier_release(out);
        return assay_error_set(err, rc, "%s", why.msg);
    }
    return ASSAY_OK;
}

int assay_keras_open(struct assay_keras_classifier *out, const char *path,
                     const struct assay_keras_roles *roles,
                     struct assay_error *err)
{
    unsigned char *data = NULL;
    size_t size = 0;
    int rc = assay__read_file(path, (size_t)16 << 30, &data, &size, err);

    memset(out, 0, sizeof(*out));
    if (rc)
        return rc;
    rc = assay_keras_parse(out, data, size, roles, err);
    assay__free(data);
    return rc ? assay_error_prefix(err, rc, "%.160s", path) : rc;
}

void assay_keras_classifier_release(struct assay_keras_classifier *c)
{
    assay_graph_free(c->graph);
    assay_params_release(&c->params);
    memset(c, 0, sizeof(*c));
}
