/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_FORMATS_SHARDS_H
#define ASSAY_FORMATS_SHARDS_H

/*
 * safetensors in several files: an index, MODEL.safetensors.index.json, says
 * which tensor is in which file beside it.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "assay/tensor.h"

enum {
    ASSAY__INDEX_MAX = 8 << 20,  /* bytes of an index */
    ASSAY__SHARDS_MAX = 1 << 10, /* files */
    ASSAY__SHARD_NAME_MAX = 255
};

struct assay__shards {
    json_t *root;
    const json_t *weight_map; /* tensor to file; names are checked */
    const char **file;        /* each once, in the index's order */
    size_t n_files;
};

/* By its name. */
bool assay__shards_is_index(const char *path);

/* Read and check an index. Errors: _FORMAT, _LIMIT, _NOMEM; _DATA for a file
 * that is not plainly named, or not beside the index. */
int assay__shards_parse(struct assay__shards *s, const unsigned char *data,
                        size_t size, struct assay_error *err) ASSAY_MUST_CHECK;
void assay__shards_release(struct assay__shards *s);

/* All tensors of the index at `path`, mapped, as assay_tensors_open(). */
int assay__shards_open(struct assay_tensors *list, const char *path,
                       struct assay_error *err) ASSAY_MUST_CHECK;

#endif
