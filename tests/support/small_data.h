/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_TESTS_SMALL_DATA_H
#define ASSAY_TESTS_SMALL_DATA_H

/*
 * Records small enough to train on within a test: 1x10x10 bytes in three
 * classes. A class is a bright band of rows under noise, so a SimpleCNN (10
 * pixels are its least) tells them apart after a few epochs.
 */

#include <stdlib.h>

#include "assay/model.h"
#include "assay/rng.h"
#include "check.h"

enum { SMALL_SIDE = 10, SMALL_PIXELS = 100, SMALL_CLASSES = 3 };

/* Pictures [n, SMALL_PIXELS] of that size with their classes, both copied. */
static inline assay_dataset *small_dataset(const char *name,
                                           const uint8_t *pixels,
                                           const int32_t *labels, size_t n)
{
    struct assay_dataset_source source = {.name = name,
                                          .n = n,
                                          .channels = 1,
                                          .height = SMALL_SIDE,
                                          .width = SMALL_SIDE,
                                          .n_classes = SMALL_CLASSES,
                                          .pixels = pixels,
                                          .labels = labels};
    struct assay_error err = {0};
    assay_dataset *ds = NULL;

    CHECK_OK(assay_dataset_new(&ds, &source, &err), err);
    return ds;
}

static inline assay_dataset *small_records(size_t n, uint64_t seed)
{
    uint8_t *pixels = calloc(n, SMALL_PIXELS);
    int32_t *labels = calloc(n, sizeof(*labels));
    assay_dataset *ds;
    struct assay_rng rng;

    CHECK(pixels && labels);
    assay_rng_init(&rng, seed, "test-bands", 0);
    for (size_t i = 0; i < n; i++) {
        labels[i] = (int32_t)(i % SMALL_CLASSES);
        for (size_t k = 0; k < SMALL_PIXELS; k++) {
            size_t band = k / SMALL_SIDE * SMALL_CLASSES / SMALL_SIDE;

            pixels[i * SMALL_PIXELS + k] =
                (uint8_t)((band == i % SMALL_CLASSES ? 90 : 0) +
                          assay_rng_below(&rng, 120));
        }
    }
    ds = small_dataset("bands", pixels, labels, n);
    free(pixels);
    free(labels);
    return ds;
}

/* A SimpleCNN for them. */
static inline struct assay_model_spec small_spec(void)
{
    struct assay_model_spec spec = {.arch = "simplecnn",
                                    .n_classes = SMALL_CLASSES};

    spec.preprocess.channels = 1;
    spec.preprocess.height = SMALL_SIDE;
    spec.preprocess.width = SMALL_SIDE;
    spec.preprocess.scale = 1 / 255.0;
    spec.preprocess.mean[0] = .3;
    spec.preprocess.std[0] = .25;
    return spec;
}

static inline assay_model *small_model(uint64_t seed)
{
    struct assay_model_spec spec = small_spec();
    struct assay_error err = {0};
    assay_model *m = NULL;

    CHECK_OK(assay_model_new(&m, &spec, seed, &err), err);
    return m;
}

/* All of them, as the model wants them. */
static inline assay_view *small_view(const assay_dataset *ds)
{
    struct assay_model_spec spec = small_spec();
    struct assay_error err = {0};
    assay_view *view = NULL;

    CHECK_OK(assay_view_new(&view, ds, NULL, assay_dataset_count(ds),
                            &spec.preprocess, &err),
             err);
    return view;
}

/* n of them from `first` on. */
static inline assay_view *small_rows(const assay_dataset *ds, size_t first,
                                     size_t n)
{
    struct assay_model_spec spec = small_spec();
    uint32_t *index = calloc(n, sizeof(*index));
    struct assay_error err = {0};
    assay_view *view = NULL;

    CHECK(index != NULL);
    for (size_t i = 0; i < n; i++)
        index[i] = (uint32_t)(first + i);
    CHECK_OK(assay_view_new(&view, ds, index, n, &spec.preprocess, &err), err);
    free(index);
    return view;
}

#endif
