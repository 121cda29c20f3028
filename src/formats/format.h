/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_FORMATS_FORMAT_H
#define ASSAY_FORMATS_FORMAT_H

/*
 * What a tensor format is to the rest of this folder: a probe, a reader of
 * bytes in memory and a writer of a file. Readers get the whole file, so
 * every offset can be checked against its end before use; they append to a
 * list and need not clean it up on failure, the caller does.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "assay/format.h"

/*
 * Names are looked up by walking the list, so the number of tensors and the
 * length of their names are capped where that walk would begin to hurt.
 */
enum {
    ASSAY__ITEMS_MAX = 1 << 14,
    ASSAY__NAME_MAX = 1024 /* bytes */
};

struct assay_format {
    const char *name;   /* "safetensors" */
    const char *suffix; /* ".safetensors": chooses the writer */
    size_t max_bytes;   /* of a file */

    /* Cheap: looks at the first bytes only. A damaged file of the format
     * should still be claimed, so that its reader can say what is wrong. */
    bool (*probe)(const unsigned char *data, size_t size);
    int (*read)(struct assay_tensors *list, const unsigned char *data,
                size_t size, struct assay_error *err);
    /* NULL when Assay only reads the format. */
    int (*write)(const struct assay_tensors *list, FILE *file,
                 struct assay_error *err);
};

#define ASSAY_FORMAT(id) extern const struct assay_format assay_format_##id;
#include "formats.def"
#undef ASSAY_FORMAT

/*
 * Read a file that is already in memory, of the format that its content
 * shows; `suffix_of` (a path, or NULL) decides when no probe knows it.
 * `list` as in assay_tensors_read().
 */
int assay__tensors_parse(struct assay_tensors *list, const unsigned char *data,
                         size_t size, const char *suffix_of,
                         struct assay_error *err) ASSAY_MUST_CHECK;

/*
 * Note that the file states a checksum of bytes that lie in the list's map;
 * assay_tensors_check() compares. Errors: _NOMEM.
 */
bool assay__sums_can(const struct assay_tensors *list, const void *at,
                     size_t size);
int assay__sums_add(struct assay_tensors *list,
                    const struct assay_tensor_sum *sum,
                    struct assay_error *err) ASSAY_MUST_CHECK;
/* Compare at once those of the bytes around `at`: they are copied. */
int assay__sums_check(struct assay_tensors *list, const void *at,
                      struct assay_error *err) ASSAY_MUST_CHECK;

#endif
