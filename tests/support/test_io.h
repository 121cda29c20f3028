/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_TESTS_TEST_IO_H
#define ASSAY_TESTS_TEST_IO_H

/*
 * Tensor lists in a private binary file, for tests of the engine, which
 * may not link the real formats: numbers of the host, each thing after its
 * length; a total at the end finds truncation.
 */

#include <stdint.h>
#include <string.h>

#include "assay/tensor.h"
#include "core/buf.h"
#include "core/fs.h"
#include "core/mem.h"

static inline void test_io_put(struct assay__buf *b, const void *data,
                               size_t size)
{
    uint64_t n = size;

    assay__buf_add(b, &n, sizeof(n));
    assay__buf_add(b, data, size);
}

static inline int test_io_write(const struct assay_tensors *list,
                                const char *path, struct assay_error *err)
{
    struct assay__buf b = ASSAY__BUF_INIT;
    uint64_t total;
    int code;

    test_io_put(&b, &list->n_meta, sizeof(list->n_meta));
    for (size_t i = 0; i < 2 * list->n_meta; i++)
        test_io_put(&b, list->meta[i], strlen(list->meta[i]) + 1);
    for (size_t i = 0; i < list->n_items; i++) {
        const struct assay_tensor *t = &list->item[i];

        test_io_put(&b, t->name, strlen(t->name) + 1);
        test_io_put(&b, &t->dtype, sizeof(t->dtype));
        test_io_put(&b, &t->shape, sizeof(t->shape));
        test_io_put(&b, t->data,
                    assay_shape_count(&t->shape, 1) *
                        assay_dtype_size(t->dtype));
    }
    total = b.size;
    assay__buf_add(&b, &total, sizeof(total));
    if (b.failed) {
        assay__buf_release(&b);
        return assay_error_set(err, ASSAY_NOMEM, "out of memory for a file");
    }
    code = assay__write_file(path, b.data, b.size, err);
    assay__buf_release(&b);
    return code;
}

/* The next thing; only files of test_io_write with a right total get here. */
static inline const void *test_io_take(const unsigned char **at)
{
    const void *data = *at + sizeof(uint64_t);
    uint64_t n;

    memcpy(&n, *at, sizeof(n));
    *at += sizeof(n) + n;
    return data;
}

static inline int test_io_parse(struct assay_tensors *list,
                                const unsigned char *at,
                                const unsigned char *end,
                                struct assay_error *err)
{
    size_t n_meta;
    int code = ASSAY_OK;

    memcpy(&n_meta, test_io_take(&at), sizeof(n_meta));
    for (size_t i = 0; i < n_meta && code == ASSAY_OK; i++) {
        const char *key = test_io_take(&at);
        const char *value = test_io_take(&at);

        code = assay_tensors_set_meta(list, key, value, err);
    }
    while (at < end && code == ASSAY_OK) {
        const char *name = test_io_take(&at);
        struct assay_tensor *t;
        enum assay_dtype dtype;
        struct assay_shape shape;
        const void *data;

        memcpy(&dtype, test_io_take(&at), sizeof(dtype));
        memcpy(&shape, test_io_take(&at), sizeof(shape));
        data = test_io_take(&at);
        code = assay_tensors_add(list, name, dtype, &shape, &t, err);
        if (code == ASSAY_OK)
            memcpy(t->data, data,
                   assay_shape_count(&shape, 1) * assay_dtype_size(dtype));
    }
    return code;
}

static inline int test_io_read(struct assay_tensors *list, const char *path,
                               struct assay_error *err)
{
    unsigned char *data;
    uint64_t total = 0;
    size_t size;
    int code = assay__read_file(path, 1 << 24, &data, &size, err);

    if (code != ASSAY_OK)
        return code;
    if (size > sizeof(total))
        memcpy(&total, data + size - sizeof(total), sizeof(total));
    if (size <= sizeof(total) || total != size - sizeof(total))
        code = assay_error_set(err, ASSAY_FORMAT, "%s: torn", path);
    else
        code = test_io_parse(list, data, data + total, err);
    assay__free(data);
    return code;
}

#endif
