/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The public face of the tensor formats: find the row of formats.def that
 * knows a file, map it and read it whole or not at all, write it atomically.
 *
 * Content decides before the name does: a safetensors file called model.bin
 * is read, and an archive called model.safetensors is not mistaken for one.
 */

#include "formats/format.h"

#include <string.h>

#include "core/fs.h"
#include "core/mem.h"
#include "formats/shards.h"

static const struct assay_format *const formats[] = {
#define ASSAY_FORMAT(id) &assay_format_##id,
#include "formats.def"
#undef ASSAY_FORMAT
};

enum { N_FORMATS = sizeof(formats) / sizeof(formats[0]) };

static bool ends_in(const char *path, const char *suffix)
{
    size_t n = strlen(path);
    size_t m = strlen(suffix);

    return n >= m && strcmp(path + n - m, suffix) == 0;
}

static const struct assay_format *find_format(const unsigned char *data,
                                              size_t size, const char *path)
{
    for (size_t i = 0; i < N_FORMATS; i++) {
        if (formats[i]->probe(data, size))
            return formats[i];
    }
    for (size_t i = 0; path && i < N_FORMATS; i++) {
        if (ends_in(path, formats[i]->suffix))
            return formats[i];
    }
    return NULL;
}

int assay__tensors_parse(struct assay_tensors *list, const unsigned char *data,
                         size_t size, const char *suffix_of,
                         struct assay_error *err)
{
    const struct assay_format *format = find_format(data, size, suffix_of);
    int rc;

    if (!format)
        return assay_error_set(err, ASSAY_FORMAT,
                               "byte 0: not a safetensors, NPZ, NPY, PyTorch, "
                               "HDF5 or Keras file");
    if (size > format->max_bytes)
        return assay_error_set(err, ASSAY_LIMIT,
                               "%zu bytes, over the limit of %zu for %s", size,
                               format->max_bytes, format->name);

    rc = format->read(list, data, size, err);
    if (rc) {
        assay_tensors_release(list);
        assay_tensors_init(list);
    }
    return rc;
}

int assay_tensors_open(struct assay_tensors *list, const char *path,
                       struct assay_error *err)
{
    unsigned char *data = NULL;
    size_t size = 0;
    int rc;

    if (assay__shards_is_index(path))
        return assay__shards_open(list, path, err);
    rc = assay__map_file(path, ASSAY_FORMAT_MAX_BYTES, &data, &size, err);
    if (rc)
        return rc;

    list->map = data;
    list->map_bytes = size;
    rc = assay__tensors_parse(list, data, size, path, err);
    if (rc) {
        rc = assay_error_prefix(err, rc, "%s", path);
        assay_tensors_release(list);
    }
    return rc;
}

int assay_tensors_read(struct assay_tensors *list, const char *path,
                       struct assay_error *err)
{
    int rc = assay_tensors_open(list, path, err);

    if (rc)
        return rc;
    rc = assay_tensors_check(list, NULL, err);
    if (rc) {
        rc = assay_error_prefix(err, rc, "%s", path);
        assay_tensors_release(list);
    }
    return rc;
}

int assay_tensors_write(const struct assay_tensors *list, const char *path,
                        struct assay_error *err)
{
    const struct assay_format *format = &assay_format_safetensors;
    struct assay__writer writer;
    int rc;

    for (size_t i = 0; i < N_FORMATS; i++) {
        if (formats[i]->write && ends_in(path, formats[i]->suffix))
            format = formats[i];
    }

    rc = assay__writer_open(&writer, path, err);
    if (rc)
        return rc;
    rc = format->write(list, writer.file, err);
    if (rc) {
        assay__writer_abandon(&writer);
        return assay_error_prefix(err, rc, "%s", path);
    }
    return assay__writer_commit(&writer, err);
}
