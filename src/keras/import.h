/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_KERAS_IMPORT_H
#define ASSAY_KERAS_IMPORT_H

/*
 * A Keras model on its way to a graph of the engine.
 *
 * The configuration, JSON, becomes a list of layers with the numbers of those
 * they read (config.c); they are built in an order in which each comes after
 * what it reads (build.c), by the functions that keras_layers.def names.
 *
 * A value of rank 4 is a map, [N, C, H, W] in the graph although Keras has
 * channels last; values of other ranks are as Keras has them. Where a map
 * turns into a row (Flatten, Reshape) it is transposed first, so that weights
 * behind it fit as they are.
 *
 * Errors stick: after the first, calls do nothing. The layer at which it
 * happened is put in front of the message.
 */

#include <stdbool.h>

#include "assay/keras.h"
#include "assay/layers.h"
#include "core/json.h"
#include "formats/keras.h"

enum {
    ASSAY__KERAS_LAYERS_MAX = 4096,
    ASSAY__KERAS_LINKS_MAX = 1 << 14, /* from layers to what they read */
    ASSAY__KERAS_INPUTS_MAX = 64,     /* of a layer */
    ASSAY__KERAS_DEPTH_MAX = 4,       /* models in models */
    ASSAY__KERAS_NAME_MAX = 200,
    ASSAY__KERAS_SIZE_MAX = 1 << 16 /* of a window, or channels */
};

/* What made a value, as far as logits go. */
enum assay__keras_last {
    ASSAY__KERAS_PLAIN,
    ASSAY__KERAS_SOFTMAX,
    ASSAY__KERAS_SIGMOID
};

struct assay__keras_item {
    assay_value v;
    enum assay__keras_last last;
    assay_value before; /* what that softmax or sigmoid reads */
    assay_value reads;  /* what the last layer with weights reads */
};

struct assay__keras_layer {
    const char *name;
    const char *class_name;
    const json_t *config;
    size_t first; /* of the layers that it reads, in model->in */
    int n_in;
    int scope;  /* the model that it is in, a layer too, or -1 */
    bool model; /* whether it is one; it reads that model's output then */
    int turn;   /* how many of its class come before it in its scope */
    bool done;
    struct assay__keras_item item;
};

struct assay__keras_model {
    json_t *root;
    struct assay__keras_layer *layer;
    int n_layers;
    int *in;
    size_t n_in, cap_in;
    int input; /* layers; an input of -1: the first layer says its shape */
    int output;
    int version; /* of Keras, the first number; 0: not told */
};

/* A parameter's numbers, in the order of the graph's parameters. */
struct assay__keras_param {
    float *data;
    size_t count;
};

struct assay__keras_builder {
    struct assay__keras_file *file;
    struct assay__keras_model model;
    const struct assay_keras_roles *roles;
    assay_graph *g;
    struct assay__keras_param *param;
    int n_params, cap_params;

    const struct assay__keras_layer *layer; /* under way, and its weights: */
    int group;                              /* node of the HDF5, or -1 */
    struct assay__span *weight;             /* names, in HDF5 models */
    int n_weights;
    int n_taken;

    int code;
    struct assay_error *err;
};

/* --- config.c ------------------------------------------------------------- */

int assay__keras_config(struct assay__keras_model *m,
                        struct assay__keras_file *f,
                        struct assay_error *err) ASSAY_MUST_CHECK;
void assay__keras_model_release(struct assay__keras_model *m);

/* --- setting.c: what a layer's configuration says ------------------------- */

/* Make an error stick. */
void assay__keras_fail(struct assay__keras_builder *b, int code,
                       const char *fmt, ...) ASSAY_PRINTF(3, 4);
int assay__keras_int(struct assay__keras_builder *b, const char *key, int low,
                     int high, int otherwise);
double assay__keras_real(struct assay__keras_builder *b, const char *key,
                         double otherwise);
bool assay__keras_bool(struct assay__keras_builder *b, const char *key,
                       bool otherwise);
/* NULL when it is absent or null. */
const char *assay__keras_text(struct assay__keras_builder *b, const char *key);
/* One number for both, or two: (height, width). */
void assay__keras_pair(struct assay__keras_builder *b, const char *key,
                       int otherwise, int out[2]);
const json_t *assay__keras_get(const struct assay__keras_builder *b,
                               const char *key);
/* Channels are last, or a failure. */
void assay__keras_channels_last(struct assay__keras_builder *b);

/* --- weights.c ------------------------------------------------------------ */

/* The weights of the layer under way are to be taken; and all were. */
void assay__keras_weights_begin(struct assay__keras_builder *b);
void assay__keras_weights_end(struct assay__keras_builder *b);
/* The next of them: its numbers (assay__free), of that shape; NULL on
 * failure. `what` names it in messages. */
float *assay__keras_weight(struct assay__keras_builder *b, const char *what,
                           const struct assay_shape *shape);
/* There is none left. */
bool assay__keras_weights_left(const struct assay__keras_builder *b);
/* A parameter LAYER.suffix of these numbers, which are taken. */
assay_value assay__keras_param(struct assay__keras_builder *b,
                               const char *suffix,
                               const struct assay_shape *shape, float *data,
                               unsigned flags);
/* The same of a constant x, n times. */
assay_value assay__keras_constant(struct assay__keras_builder *b,
                                  const char *suffix, int64_t n, double x);

/* --- build.c -------------------------------------------------------------- */

/* Build all layers; the input layer is done, or `first` is what layer 0
 * reads. */
void assay__keras_build(struct assay__keras_builder *b,
                        const struct assay__keras_item *first);
const struct assay_shape *assay__keras_shape(
    const struct assay__keras_builder *b, assay_value v);
/* Numbers of a record. */
int64_t assay__keras_count(const struct assay_shape *s);
/* A map as Keras has it, [N, H, W, C]; what is no map, as it is. And back. */
assay_value assay__keras_to_last(struct assay__keras_builder *b, assay_value v);
assay_value assay__keras_to_first(struct assay__keras_builder *b,
                                  assay_value v);
/* Fails unless the value is a map. */
bool assay__keras_is_map(struct assay__keras_builder *b, assay_value v);

/* --- classify.c ----------------------------------------------------------- */

/* A file that was opened as a classifier; on failure release it. */
int assay__keras_classify(struct assay_keras_classifier *out,
                          struct assay__keras_file *file,
                          const struct assay_keras_roles *roles,
                          struct assay_error *err) ASSAY_MUST_CHECK;

/* --- activation.c --------------------------------------------------------- */

/* The activation that the setting `key` names, upon an item. */
void assay__keras_activate(struct assay__keras_builder *b, const char *key,
                           struct assay__keras_item *item);

/* --- pool.c --------------------------------------------------------------- */

/* Padding of the layer under way for windows of attrs' kernel, stride and
 * dilation over a map. */
void assay__keras_padding(struct assay__keras_builder *b,
                          const struct assay_shape *x,
                          struct assay_attrs *attrs);

/* Layers. */
#define ASSAY_KERAS_LAYER(class_, least, most, function, argument) \
    void function(struct assay__keras_builder *b,                  \
                  const struct assay__keras_item *in, int n,       \
                  struct assay__keras_item *out, int argument_);
#include "keras/keras_layers.def"
#undef ASSAY_KERAS_LAYER

#endif
