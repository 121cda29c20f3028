/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_TESTS_PLANTED_H
#define ASSAY_TESTS_PLANTED_H

/*
 * Softmax regression of 10x10 noise in eight classes, without a backdoor or
 * with one planted by hand: bright pixels in a square of 2x2 at (PLANTED_ROW,
 * PLANTED_COLUMN) drive class PLANTED_CLASS.
 */

#include <stdlib.h>

#include "assay/detector.h"
#include "linear_model.h"

enum {
    PLANTED_SIDE = 10,
    PLANTED_PIXELS = 100,
    PLANTED_CLASSES = 8,
    PLANTED_CLASS = 5,
    PLANTED_ROW = 6,
    PLANTED_COLUMN = 2
};

static inline int planted_pixel(size_t i)
{
    size_t row = i / PLANTED_SIDE;
    size_t column = i % PLANTED_SIDE;

    return (row == PLANTED_ROW || row == PLANTED_ROW + 1) &&
           (column == PLANTED_COLUMN || column == PLANTED_COLUMN + 1);
}

/* strength 0: clean. */
static inline assay_model *planted_model(double strength, uint64_t seed)
{
    assay_model *m = linear_model(PLANTED_SIDE, PLANTED_CLASSES, .3, seed);
    const struct assay_param_slot *slot =
        assay_params_find(&m->params, "fc.weight");
    float *w = m->params.data + slot->offset;

    for (size_t i = 0; i < PLANTED_PIXELS && strength > 0; i++)
        for (size_t k = 0; k < PLANTED_CLASSES && planted_pixel(i); k++)
            w[k * PLANTED_PIXELS + i] =
                k == PLANTED_CLASS ? (float)strength : 0;
    return m;
}

/*
 * The same with a hidden layer of 24 units behind ReLU. Unit 0 is raised by
 * the bright square and by nothing else, and raises class PLANTED_CLASS by
 * `strength`; with strength 0 it is a unit like the others.
 */
static inline assay_model *planted_network(double strength, uint64_t seed)
{
    enum { HIDDEN = 24 };
    assay_model *m = linear_model(PLANTED_SIDE, PLANTED_CLASSES, .3, seed);
    struct assay_shape shape = *assay_graph_shape(m->graph, m->input);
    struct assay_error err = {0};
    struct assay_rng rng;
    float *w;
    float *b;
    float *fc;

    assay_graph_free(m->graph);
    assay_params_release(&m->params);
    CHECK_OK(assay_graph_new(&m->graph, &err), err);
    m->input = assay_graph_input(m->graph, "input", &shape);
    m->embedding = assay_op_relu(
        m->graph,
        assay_layer_linear(m->graph, assay_op_flatten(m->graph, m->input),
                           "hidden", HIDDEN));
    m->logits =
        assay_layer_linear(m->graph, m->embedding, "fc", PLANTED_CLASSES);
    CHECK_OK(assay_params_make(&m->params, m->graph, &err), err);
    w = m->params.data + assay_params_find(&m->params, "hidden.weight")->offset;
    b = m->params.data + assay_params_find(&m->params, "hidden.bias")->offset;
    fc = m->params.data + assay_params_find(&m->params, "fc.weight")->offset;
    assay_rng_init(&rng, seed, "test-network", 0);
    for (size_t i = 0; i < HIDDEN * PLANTED_PIXELS; i++)
        w[i] = (float)(.1 * assay_rng_normal(&rng));
    for (size_t i = 0; i < HIDDEN * PLANTED_CLASSES; i++)
        fc[i] = (float)(.5 * assay_rng_normal(&rng));
    for (size_t i = 0; i < PLANTED_PIXELS && strength > 0; i++)
        w[i] = planted_pixel(i) ? 1 : 0;
    if (strength > 0)
        b[0] = -1;
    for (size_t k = 0; k < PLANTED_CLASSES && strength > 0; k++)
        fc[k * HIDDEN] = k == PLANTED_CLASS ? (float)strength : 0;
    return m;
}

/* Noise of `greys` whose planted square is dark: `stamped` of them, the last
 * ones, have it bright. Labels are classes in turn. */
static inline assay_dataset *planted_noise(size_t n, size_t stamped,
                                           uint64_t greys, uint64_t seed)
{
    struct assay_dataset_source source = {.name = "noise",
                                          .n = n,
                                          .channels = 1,
                                          .height = PLANTED_SIDE,
                                          .width = PLANTED_SIDE,
                                          .n_classes = PLANTED_CLASSES};
    uint8_t *pixels = calloc(n, PLANTED_PIXELS);
    int32_t *labels = calloc(n, sizeof(*labels));
    struct assay_error err = {0};
    assay_dataset *ds = NULL;
    struct assay_rng rng;

    CHECK(pixels && labels);
    assay_rng_init(&rng, seed, "test-planted", 0);
    for (size_t i = 0; i < n; i++) {
        labels[i] = (int32_t)(i % PLANTED_CLASSES);
        for (size_t k = 0; k < PLANTED_PIXELS; k++) {
            uint8_t grey = (uint8_t)assay_rng_below(&rng, greys);

            pixels[i * PLANTED_PIXELS + k] = !planted_pixel(k)  ? grey
                                             : i + stamped >= n ? 255
                                                                : 76;
        }
    }
    source.pixels = pixels;
    source.labels = labels;
    CHECK_OK(assay_dataset_new(&ds, &source, &err), err);
    free(pixels);
    free(labels);
    return ds;
}

static inline assay_dataset *planted_records(size_t n, size_t stamped,
                                             uint64_t seed)
{
    return planted_noise(n, stamped, 256, seed);
}

static inline assay_view *planted_view(const assay_dataset *ds,
                                       const assay_model *m)
{
    struct assay_error err = {0};
    assay_view *view = NULL;

    CHECK_OK(assay_view_new(&view, ds, NULL, assay_dataset_count(ds),
                            assay_model_preprocess(m), &err),
             err);
    return view;
}

#endif
