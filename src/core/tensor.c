/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists of named tensors (assay/tensor.h). An append either completes or
 * leaves the list as it was: name and data are made first, the count is
 * raised last. Names are looked up from the front, which is fast enough for
 * state dicts of some thousand tensors.
 */

#include "assay/tensor.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "core/checked.h"
#include "core/fs.h"
#include "core/mem.h"

void assay_tensors_init(struct assay_tensors *list)
{
    memset(list, 0, sizeof *list);
}

/* Whether size bytes at p lie in the mapped file. */
static bool is_mapped(const struct assay_tensors *list, const void *p,
                      size_t size)
{
    uintptr_t map = (uintptr_t)list->map;
    uintptr_t at = (uintptr_t)p;

    return list->map && at >= map && at - map <= list->map_bytes &&
           size <= list->map_bytes - (at - map);
}

void assay_tensors_release(struct assay_tensors *list)
{
    size_t i;

    for (i = 0; i < list->n_items; i++) {
        assay__free(list->item[i].name);
        if (!is_mapped(list, list->item[i].data, 1))
            assay__free(list->item[i].data);
    }
    for (i = 0; i < 2 * list->n_meta; i++)
        assay__free(list->meta[i]);
    assay__free(list->item);
    assay__free(list->meta);
    assay__free(list->sum);
    assay__unmap(list->map, list->map_bytes);
    assay_tensors_init(list);
}

/* Bytes of a tensor of known dimensions. */
static int data_size(const char *name, enum assay_dtype dtype,
                     const struct assay_shape *shape, size_t *size,
                     struct assay_error *err)
{
    size_t total = assay_dtype_size(dtype);
    int i;

    if (total == 0)
        return assay_error_set(err, ASSAY_ARG, "%s: element type %d of %d",
                               name, (int)dtype, (int)ASSAY_DTYPE_COUNT);
    if (shape->rank < 0 || shape->rank > ASSAY_RANK_MAX)
        return assay_error_set(err, ASSAY_SHAPE, "%s: rank %d, must be 0 to %d",
                               name, shape->rank, (int)ASSAY_RANK_MAX);
    for (i = 0; i < shape->rank; i++) {
        if (shape->dim[i] < 0)
            return assay_error_set(
                err, ASSAY_SHAPE, "%s: dimension %d is %lld, must be 0 or more",
                name, i, (long long)shape->dim[i]);
        if (!assay__mul_size(total, (size_t)shape->dim[i], &total))
            return assay_error_set(err, ASSAY_LIMIT,
                                   "%s: its size does not fit in %zu bits",
                                   name, 8 * sizeof total);
    }
    *size = total;
    return ASSAY_OK;
}

/* Room for one more tensor. */
static bool grow(struct assay_tensors *list)
{
    struct assay_tensor *item;
    size_t cap = list->cap_items ? 2 * list->cap_items : 8;

    if (list->n_items < list->cap_items)
        return true;
    item = assay__realloc(list->item, cap, sizeof *item);
    if (!item)
        return false;
    list->item = item;
    list->cap_items = cap;
    return true;
}

/* `data` of `size` bytes is the list's own on success. */
static int append(struct assay_tensors *list, const char *name,
                  enum assay_dtype dtype, const struct assay_shape *shape,
                  void *data, struct assay_error *err)
{
    struct assay_tensor t = {.dtype = dtype, .shape = *shape, .data = data};

    t.name = assay__strdup(name);
    if (!t.name || !grow(list)) {
        assay__free(t.name);
        return assay_error_set(err, ASSAY_NOMEM, "%s: no memory for a tensor",
                               name);
    }
    list->item[list->n_items++] = t;
    return ASSAY_OK;
}

static int check_new(const struct assay_tensors *list, const char *name,
                     enum assay_dtype dtype, const struct assay_shape *shape,
                     size_t *size, struct assay_error *err)
{
    if (assay_tensors_find(list, name))
        return assay_error_set(
            err, ASSAY_ARG, "%s: a tensor of that name is already there", name);
    return data_size(name, dtype, shape, size, err);
}

int assay_tensors_add(struct assay_tensors *list, const char *name,
                      enum assay_dtype dtype, const struct assay_shape *shape,
                      struct assay_tensor **out, struct assay_error *err)
{
    size_t size = 0;
    void *data;
    int code = check_new(list, name, dtype, shape, &size, err);

    if (code)
        return code;
    data = assay__slab(size);
    if (!data)
        return assay_error_set(err, ASSAY_NOMEM, "%s: no memory for %zu bytes",
                               name, size);
    code = append(list, name, dtype, shape, data, err);
    if (code)
        assay__free(data);
    else if (out)
        *out = &list->item[list->n_items - 1];
    return code;
}

int assay_tensors_add_bytes(struct assay_tensors *list, const char *name,
                            enum assay_dtype dtype,
                            const struct assay_shape *shape, const void *bytes,
                            struct assay_error *err)
{
    struct assay_tensor *t = NULL;
    size_t size = 0;
    int code = check_new(list, name, dtype, shape, &size, err);

    if (code)
        return code;
    if (size > 0 && is_mapped(list, bytes, size) &&
        (uintptr_t)bytes % assay_dtype_size(dtype) == 0)
        return append(list, name, dtype, shape,
                      (unsigned char *)list->map +
                          ((uintptr_t)bytes - (uintptr_t)list->map),
                      err);
    code = assay_tensors_add(list, name, dtype, shape, &t, err);
    if (!code && size > 0)
        memcpy(t->data, bytes, size);
    return code;
}

int assay_tensors_add_f32(struct assay_tensors *list, const char *name,
                          const struct assay_shape *shape, const float *data,
                          struct assay_error *err)
{
    struct assay_tensor *t;
    int code = assay_tensors_add(list, name, ASSAY_DTYPE_F32, shape, &t, err);

    if (code)
        return code;
    if (data)
        memcpy(t->data, data, assay_shape_count(shape, 0) * sizeof *data);
    return ASSAY_OK;
}

struct assay_tensor *assay_tensors_find(const struct assay_tensors *list,
                                        const char *name)
{
    size_t i;

    for (i = 0; i < list->n_items; i++) {
        if (strcmp(list->item[i].name, name) == 0)
            return &list->item[i];
    }
    return NULL;
}

static double half_value(uint16_t bits)
{
    int exponent = (bits >> 10) & 31;
    double fraction = bits & 1023;
    double x;

    if (exponent == 31)
        x = fraction > 0 ? (double)NAN : (double)INFINITY;
    else if (exponent == 0)
        x = ldexp(fraction, -24);
    else
        x = ldexp(fraction + 1024, exponent - 25);
    return bits & 0x8000 ? -x : x;
}

static double bfloat_value(uint16_t bits)
{
    uint32_t word = (uint32_t)bits << 16;
    float x;

    memcpy(&x, &word, sizeof x);
    return (double)x;
}

double assay_tensor_value(const struct assay_tensor *t, size_t i)
{
    switch (t->dtype) {
    case ASSAY_DTYPE_F32:
        return (double)((const float *)t->data)[i];
    case ASSAY_DTYPE_F64:
        return ((const double *)t->data)[i];
    case ASSAY_DTYPE_F16:
        return half_value(((const uint16_t *)t->data)[i]);
    case ASSAY_DTYPE_BF16:
        return bfloat_value(((const uint16_t *)t->data)[i]);
    case ASSAY_DTYPE_I64:
        return (double)((const int64_t *)t->data)[i];
    case ASSAY_DTYPE_I32:
        return ((const int32_t *)t->data)[i];
    case ASSAY_DTYPE_I16:
        return ((const int16_t *)t->data)[i];
    case ASSAY_DTYPE_I8:
        return ((const int8_t *)t->data)[i];
    case ASSAY_DTYPE_U64:
        return (double)((const uint64_t *)t->data)[i];
    case ASSAY_DTYPE_U32:
        return ((const uint32_t *)t->data)[i];
    case ASSAY_DTYPE_U16:
        return ((const uint16_t *)t->data)[i];
    case ASSAY_DTYPE_U8:
        return ((const uint8_t *)t->data)[i];
    case ASSAY_DTYPE_BOOL:
        return ((const uint8_t *)t->data)[i] != 0;
    case ASSAY_DTYPE_COUNT:
        break;
    }
    return (double)NAN;
}

/* Index of the value that belongs to `key`; 0, never a value, if none. */
static size_t find_meta(const struct assay_tensors *list, const char *key)
{
    size_t i;

    for (i = 0; i < list->n_meta; i++) {
        if (strcmp(list->meta[2 * i], key) == 0)
            return 2 * i + 1;
    }
    return 0;
}

static void drop_meta(struct assay_tensors *list, size_t at)
{
    if (!at)
        return;
    assay__free(list->meta[at - 1]);
    assay__free(list->meta[at]);
    memmove(list->meta + at - 1, list->meta + at + 1,
            (2 * list->n_meta - at - 1) * sizeof *list->meta);
    list->n_meta--;
}

int assay_tensors_set_meta(struct assay_tensors *list, const char *key,
                           const char *value, struct assay_error *err)
{
    size_t at = find_meta(list, key);
    char *new_key = NULL;
    char *new_value;
    char **meta;

    if (!value) {
        drop_meta(list, at);
        return ASSAY_OK;
    }
    new_value = assay__strdup(value);
    if (!new_value)
        goto nomem;
    if (at) {
        assay__free(list->meta[at]);
        list->meta[at] = new_value;
        return ASSAY_OK;
    }
    new_key = assay__strdup(key);
    meta = assay__realloc(list->meta, 2 * (list->n_meta + 1), sizeof *meta);
    if (meta)
        list->meta = meta;
    if (!new_key || !meta)
        goto nomem;
    meta[2 * list->n_meta] = new_key;
    meta[2 * list->n_meta + 1] = new_value;
    list->n_meta++;
    return ASSAY_OK;

nomem:
    assay__free(new_key);
    assay__free(new_value);
    return assay_error_set(err, ASSAY_NOMEM, "no memory for metadata \"%s\"",
                           key);
}

const char *assay_tensors_meta(const struct assay_tensors *list,
                               const char *key)
{
    size_t at = find_meta(list, key);

    return at ? list->meta[at] : NULL;
}
