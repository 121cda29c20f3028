/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_TESTS_PREDICTION_FILES_H
#define ASSAY_TESTS_PREDICTION_FILES_H

/*
 * Files of made-up predictions: K classes, the label's logit raised by a
 * margin, and by `leak` more on records a model was trained on.
 */

#include <stdio.h>
#include <string.h>

#include "assay/format.h"
#include "assay/rng.h"
#include "check.h"

enum { FILE_CLASSES = 4 };

static inline struct assay_tensor *file_tensor(struct assay_tensors *list,
                                               const char *name,
                                               enum assay_dtype dtype,
                                               struct assay_shape shape)
{
    struct assay_error err = {0};
    struct assay_tensor *t = NULL;

    CHECK_OK(assay_tensors_add(list, name, dtype, &shape, &t, &err), err);
    return t;
}

static inline void fill_logits(float *x, size_t n, double margin,
                               const uint8_t *trained_on, double leak,
                               uint64_t stream)
{
    struct assay_rng rng;
    size_t i;
    int k;

    assay_rng_init(&rng, 11, "test-predictions", stream);
    for (i = 0; i < n; i++) {
        for (k = 0; k < FILE_CLASSES; k++)
            x[i * FILE_CLASSES + (size_t)k] = (float)assay_rng_normal(&rng);
        x[i * FILE_CLASSES + i % FILE_CLASSES] +=
            (float)(margin + (trained_on != NULL && trained_on[i] ? leak : 0));
    }
}

/* logits [n, K] and labels [n]; all of the records were trained on when
 * `trained` is set. */
static inline void write_predictions(const char *path, size_t n, int trained,
                                     double leak, uint64_t stream)
{
    struct assay_error err = {0};
    struct assay_tensors list;
    struct assay_tensor *t;
    size_t i;

    assay_tensors_init(&list);
    t = file_tensor(&list, "logits", ASSAY_DTYPE_F32,
                    assay_shape_make(2, (int64_t)n, (int64_t)FILE_CLASSES));
    fill_logits(t->data, n, trained ? 1 + leak : 1, NULL, 0, stream);
    t = file_tensor(&list, "labels", ASSAY_DTYPE_I64,
                    assay_shape_make(1, (int64_t)n));
    for (i = 0; i < n; i++)
        ((int64_t *)t->data)[i] = (int64_t)(i % FILE_CLASSES);
    CHECK_OK(assay_tensors_write(&list, path, &err), err);
    assay_tensors_release(&list);
}

/* logits [S, n, K] and trained_on [S, n], each record in half of them. */
static inline void write_references(const char *path, int n_models, size_t n,
                                    double leak, uint64_t stream)
{
    struct assay_error err = {0};
    struct assay_tensors list;
    struct assay_tensor *logits;
    struct assay_tensor *flags;
    size_t i;
    int s;

    assay_tensors_init(&list);
    (void)file_tensor(&list, "logits", ASSAY_DTYPE_F32,
                      assay_shape_make(3, (int64_t)n_models, (int64_t)n,
                                       (int64_t)FILE_CLASSES));
    flags = file_tensor(&list, "trained_on", ASSAY_DTYPE_U8,
                        assay_shape_make(2, (int64_t)n_models, (int64_t)n));
    logits = assay_tensors_find(&list, "logits");
    for (s = 0; s < n_models; s++) {
        uint8_t *flag = (uint8_t *)flags->data + (size_t)s * n;

        for (i = 0; i < n; i++)
            flag[i] = (i / 2 + (size_t)s) % 2 == 0;
        fill_logits((float *)logits->data + (size_t)s * n * FILE_CLASSES, n, 1,
                    flag, leak, stream + (uint64_t)s);
    }
    CHECK_OK(assay_tensors_write(&list, path, &err), err);
    assay_tensors_release(&list);
}

#endif
