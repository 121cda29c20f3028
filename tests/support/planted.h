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

/* Grey noise whose planted square is dark: `stamped` of them, the last ones,
 * have it bright. Labels are classes in turn. */
static inline assay_dataset *planted_records(size_t n, size_t stamped,
                                             uint64_t seed)
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
            uint8_t grey = (uint8_t)assay_rng_below(&rng, 256);

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
