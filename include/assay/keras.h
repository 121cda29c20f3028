/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_KERAS_H
#define ASSAY_KERAS_H

/*
 * Keras models, as HDF5 (Keras 2 and 3: .h5, .hdf5) and as Keras 3's zip
 * (.keras): read, and turned into graphs of the engine. Which layers there
 * are is told in docs/keras.md; one that is not is refused by its name.
 *
 * Every byte is hostile: nothing is executed or imported, functions in a
 * configuration (Lambda) are refused, no length is believed.
 */

#include "assay/graph.h"
#include "assay/params.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Whether a file is to be read as a Keras model, by its name. */
int assay_keras_probe(const char *path);

/* What the numbers of a model's output are: X(NAME, text). */
#define ASSAY_KERAS_MEANINGS(X) \
    X(FOUND, "found")           \
    X(LOGITS, "logits")         \
    X(PROBABILITIES, "probabilities")

enum assay_keras_meaning {
#define ASSAY_X(name, text) ASSAY_KERAS_##name,
    ASSAY_KERAS_MEANINGS(ASSAY_X)
#undef ASSAY_X
};

/* How a file is a classifier; 0: found from its layers. */
struct assay_keras_roles {
    int channels, height, width; /* of the images */
    enum assay_keras_meaning meaning;
};

/*
 * A model as a classifier of images [N, C, H, W]; Keras's own, channels
 * last, are turned within. A last softmax or sigmoid is taken off; else, and
 * of probabilities, the logits are their logarithm. One number for two
 * classes, z, becomes the logits 0 and z. The embedding is what the last
 * layer with weights reads, averaged over the map if it is one. Both are
 * named so in the graph. Parameters are called LAYER.weight and so on, and
 * have the engine's shapes.
 */
struct assay_keras_classifier {
    assay_graph *graph;
    struct assay_params params;
    int channels, height, width;
    int n_classes;
    assay_value input;     /* [N, C, H, W] */
    assay_value logits;    /* [N, K] */
    assay_value embedding; /* [N, h] */
    char sha256[65];       /* of the file, in hex */
};

/* Errors name the layer and what it asks for, or the byte. On failure nothing
 * is held. */
int assay_keras_open(struct assay_keras_classifier *out, const char *path,
                     const struct assay_keras_roles *roles,
                     struct assay_error *err) ASSAY_MUST_CHECK;
/* The same of a file's bytes. */
int assay_keras_parse(struct assay_keras_classifier *out, const void *data,
                      size_t size, const struct assay_keras_roles *roles,
                      struct assay_error *err) ASSAY_MUST_CHECK;
void assay_keras_classifier_release(struct assay_keras_classifier *c);

#ifdef __cplusplus
}
#endif
#endif
