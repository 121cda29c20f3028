/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_TESTS_LINEAR_MODEL_H
#define ASSAY_TESTS_LINEAR_MODEL_H

/*
 * Softmax regression as a model, which no row of archs.def is: images of
 * 1 x side x side, embedding the flattened image, logits w x + b. What it
 * does to an input can be worked out by hand.
 */

#include "assay/layers.h"
#include "assay/rng.h"
#include "check.h"
#include "core/mem.h"
#include "model/model.h"

/* Weights from N(0, scale^2), biases 0. */
static inline assay_model *linear_model(int side, int n_classes, double scale,
                                        uint64_t seed)
{
    struct assay_shape shape = assay_shape_make(
        4, (int64_t)ASSAY_BATCH, (int64_t)1, (int64_t)side, (int64_t)side);
    assay_model *m = assay__calloc(1, sizeof(*m));
    const struct assay_param_slot *slot;
    struct assay_error err = {0};
    struct assay_rng rng;

    CHECK(m != NULL);
    assay_tensors_init(&m->notes);
    m->arch = assay__strdup("linear");
    m->n_classes = n_classes;
    m->preprocess.channels = 1;
    m->preprocess.height = m->preprocess.width = side;
    m->preprocess.scale = 1 / 255.0;
    m->preprocess.mean[0] = .3;
    m->preprocess.std[0] = .25;
    CHECK_OK(assay_graph_new(&m->graph, &err), err);
    m->input = assay_graph_input(m->graph, "input", &shape);
    m->embedding = assay_op_flatten(m->graph, m->input);
    m->logits = assay_layer_linear(m->graph, m->embedding, "fc", n_classes);
    CHECK_OK(assay_params_make(&m->params, m->graph, &err), err);
    slot = assay_params_find(&m->params, "fc.weight");
    assay_rng_init(&rng, seed, "test-linear", 0);
    for (size_t i = 0; i < slot->count; i++)
        m->params.data[slot->offset + i] =
            (float)(scale * assay_rng_normal(&rng));
    return m;
}

#endif
