/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_TESTS_GOLDEN_H
#define ASSAY_TESTS_GOLDEN_H

/*
 * Golden tensors of tests/golden, for tests that may not link the real
 * readers: safetensors of F32, F64 and I32 as bench/tensors.py writes them,
 * every array as doubles. These files are our own, so they are trusted.
 */

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "core/fs.h"
#include "core/mem.h"

struct golden {
    unsigned char *file;
    const unsigned char *data;
    json_t *header;
};

/* `name` is a path below tests/golden. */
static inline void golden_open(struct golden *g, const char *name)
{
    const char *root = getenv("ASSAY_SOURCE");
    struct assay_error err = {0};
    char path[1024];
    uint64_t n_header;
    size_t size;

    if (!root)
        SKIP("ASSAY_SOURCE is not set");
    snprintf(path, sizeof(path), "%s/tests/golden/%s", root, name);
    CHECK_OK(assay__read_file(path, 1 << 20, &g->file, &size, &err), err);
    CHECK(size > sizeof(n_header));
    memcpy(&n_header, g->file, sizeof(n_header));
    CHECK(n_header < size - sizeof(n_header));
    g->data = g->file + sizeof(n_header) + n_header;
    g->header = json_loadb((const char *)g->file + sizeof(n_header),
                           (size_t)n_header, 0, NULL);
    CHECK(g->header != NULL);
}

static inline void golden_close(struct golden *g)
{
    json_decref(g->header);
    assay__free(g->file);
}

/* A fresh array of `count` doubles (assay__free). */
static inline double *golden_values(const struct golden *g, const char *name,
                                    size_t count)
{
    const json_t *item = json_object_get(g->header, name);
    const json_t *span = json_object_get(item, "data_offsets");
    const char *kind = json_string_value(json_object_get(item, "dtype"));
    size_t from = (size_t)json_integer_value(json_array_get(span, 0));
    size_t to = (size_t)json_integer_value(json_array_get(span, 1));
    const unsigned char *at = g->data + from;
    double *out = assay__calloc(count, sizeof(*out));

    CHECK(out != NULL);
    if (!kind)
        CHECK_STR_EQ(name, "a tensor of the golden file");
    CHECK_UINT_EQ(to - from, count * (strcmp(kind, "F64") == 0 ? 8 : 4));
    for (size_t i = 0; i < count; i++) {
        float real;
        int32_t whole;

        if (strcmp(kind, "F64") == 0) {
            memcpy(&out[i], at + 8 * i, 8);
        } else if (strcmp(kind, "F32") == 0) {
            memcpy(&real, at + 4 * i, 4);
            out[i] = (double)real;
        } else {
            CHECK_STR_EQ(kind, "I32");
            memcpy(&whole, at + 4 * i, 4);
            out[i] = whole;
        }
    }
    return out;
}

#endif
