/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_TESTS_TRUST_MODELS_H
#define ASSAY_TESTS_TRUST_MODELS_H

/*
 * Files for tests of detectors: a records file of bands in three classes, a
 * network of random weights for them, and a copy of it in which single
 * weights of a layer were edited, which the comparison with an upstream copy
 * accuses beyond doubt.
 */

#include <stdio.h>
#include <string.h>

#include "small_data.h"

/* "records:FILE?..." of n records; the text stays valid for a while. */
static inline const char *trust_records(const char *name, size_t n)
{
    enum { SIZE = 1 + SMALL_PIXELS };
    static char text[4][768];
    static unsigned next;
    char *out = text[next++ % 4];
    const char *path = check_temp_path(name);
    unsigned char *bytes = calloc(n, SIZE);
    struct assay_rng rng;

    CHECK(bytes != NULL);
    assay_rng_init(&rng, 5, "test-trust", 0);
    for (size_t i = 0; i < n; i++) {
        unsigned char *r = bytes + i * SIZE;

        r[0] = (unsigned char)(i % SMALL_CLASSES);
        for (size_t k = 0; k < SMALL_PIXELS; k++) {
            size_t band = k / SMALL_SIDE * SMALL_CLASSES / SMALL_SIDE;

            r[1 + k] = (unsigned char)((band == i % SMALL_CLASSES ? 90 : 0) +
                                       assay_rng_below(&rng, 120));
        }
    }
    check_write_file(path, bytes, n * SIZE);
    free(bytes);
    snprintf(out, sizeof(text[0]), "records:%s?labels=class&shape=1x%dx%d",
             path, SMALL_SIDE, SMALL_SIDE);
    return out;
}

/* Save a network of this seed; `edited` of every hundred weights of its
 * largest tensor are moved. */
static inline void trust_model(const char *path, uint64_t seed, size_t edited)
{
    assay_model *m = small_model(seed);
    struct assay_params *p = assay_model_params(m);
    struct assay_error err = {0};
    int largest = 0;

    for (int i = 1; i < p->n_slots; i++)
        if (p->slot[i].count > p->slot[largest].count)
            largest = i;
    for (size_t i = 0; i < p->slot[largest].count; i++)
        if (i % 100 < edited)
            p->data[p->slot[largest].offset + i] += .5f;
    CHECK_OK(assay_model_save(m, path, &err), err);
    assay_model_free(m);
}

#endif
