/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tensors of PyTorch pickles (torch_tensor.h): a storage, an offset, sizes
 * and strides, as the calls of torch._utils have them. Views may skip,
 * repeat and overlap within their storage, and are copied out element by
 * element; not one element may lie outside. Repeated elements let a small
 * file ask for much, so that all tensors together are bounded by the file.
 */

#include "formats/torch_tensor.h"

#include <string.h>

#include "assay/format.h"
#include "core/checked.h"
#include "formats/format.h"

enum { GROWTH_MAX = 16, SLACK = 1 << 20 };

typedef const struct assay__pickle_value value;

struct view {
    value *storage;
    value *dtype; /* given by the tensor, or NULL */
    uint64_t offset;
    struct assay_shape shape;
    uint64_t stride[ASSAY_RANK_MAX];
};

/* X(name of the storage's class, of the dtype, ours) */
#define TYPES(X)                           \
    X("FloatStorage", "float32", F32)      \
    X("DoubleStorage", "float64", F64)     \
    X("HalfStorage", "float16", F16)       \
    X("BFloat16Storage", "bfloat16", BF16) \
    X("LongStorage", "int64", I64)         \
    X("IntStorage", "int32", I32)          \
    X("ShortStorage", "int16", I16)        \
    X("CharStorage", "int8", I8)           \
    X("ByteStorage", "uint8", U8)          \
    X("BoolStorage", "bool", BOOL)         \
    X("", "uint64", U64)                   \
    X("", "uint32", U32)                   \
    X("", "uint16", U16)

static const struct {
    const char *storage;
    const char *dtype;
    enum assay_dtype ours;
} types[] = {
#define ASSAY_X(storage, dtype, ours) {storage, dtype, ASSAY_DTYPE_##ours},
    TYPES(ASSAY_X)
#undef ASSAY_X
};

enum { N_TYPES = sizeof(types) / sizeof(types[0]) };

static bool is_global(value *v, const char *module, const char *name)
{
    return v && v->kind == ASSAY__PV_GLOBAL &&
           strcmp(assay__pickle_module(v), module) == 0 &&
           strcmp(assay__pickle_name(v), name) == 0;
}

/* The callee's name when it is one of torch._utils; else "". */
static const char *rebuilds(value *v)
{
    value *callee = v && v->kind == ASSAY__PV_CALL ? v->item[0] : NULL;

    if (is_global(callee, "torch._tensor", "_rebuild_from_type_v2"))
        return "_rebuild_from_type_v2";
    if (!callee || callee->kind != ASSAY__PV_GLOBAL ||
        strcmp(assay__pickle_module(callee), "torch._utils") != 0)
        return "";
    return assay__pickle_name(callee);
}

bool assay__torch_is_tensor(value *v)
{
    return rebuilds(v)[0] != '\0';
}

bool assay__torch_is_text(value *v, const char *text)
{
    return v && v->kind == ASSAY__PV_TEXT && v->size == strlen(text) &&
           memcmp(v->text, text, v->size) == 0;
}

/* Argument i of a call, or NULL. */
static value *argument(value *call, uint32_t i)
{
    value *arguments = call->item[1];

    if (!arguments || arguments->kind != ASSAY__PV_TUPLE ||
        i >= arguments->n_items)
        return NULL;
    return arguments->item[i];
}

static int malformed(value *v, const char *what, struct assay_error *err)
{
    return assay_error_set(err, ASSAY_FORMAT, "byte %zu: %s", v->at, what);
}

int assay__torch_read_id(struct assay__torch_id *id, value *v,
                         struct assay_error *err)
{
    value *type;

    if (v->kind != ASSAY__PV_TUPLE || v->n_items < 5 ||
        !assay__torch_is_text(v->item[0], "storage") ||
        v->item[2]->kind != ASSAY__PV_TEXT ||
        v->item[4]->kind != ASSAY__PV_INT || v->item[4]->number < 0)
        return malformed(v,
                         "a persistent id is not (\"storage\", type, key, "
                         "location, size)",
                         err);
    if (v->n_items > 5 && v->item[5]->kind != ASSAY__PV_NONE)
        return assay_error_set(err, ASSAY_UNSUPPORTED,
                               "byte %zu: views of storages, as PyTorch wrote "
                               "them before 0.4, are not supported",
                               v->at);
    *id = (struct assay__torch_id){.key = v->item[2]->text,
                                   .key_size = v->item[2]->size,
                                   .n_elements = (uint64_t)v->item[4]->number,
                                   .at = v->at};
    type = v->item[1];
    if (type->kind != ASSAY__PV_GLOBAL)
        return malformed(v, "a storage's type is no class", err);
    if (strcmp(assay__pickle_name(type), "UntypedStorage") == 0) {
        id->dtype = ASSAY_DTYPE_U8;
        return ASSAY_OK;
    }
    id->typed = true;
    for (size_t i = 0; i < N_TYPES; i++) {
        if (types[i].storage[0] &&
            strcmp(assay__pickle_name(type), types[i].storage) == 0) {
            id->dtype = types[i].ours;
            return ASSAY_OK;
        }
    }
    return assay_error_set(err, ASSAY_UNSUPPORTED,
                           "byte %zu: storages of type %.60s are not supported",
                           v->at, assay__pickle_name(type));
}

/* A tuple of sizes or strides, as many as `rank` when that is not -1. */
static int read_dims(value *v, value *call, const char *what, int rank,
                     uint64_t *dim, int *n, struct assay_error *err)
{
    /* torch.Size is a call around the tuple. */
    if (v && v->kind == ASSAY__PV_CALL &&
        is_global(v->item[0], "torch", "Size"))
        v = argument(v, 0);
    if (!v || (v->kind != ASSAY__PV_TUPLE && v->kind != ASSAY__PV_LIST))
        return assay_error_set(err, ASSAY_FORMAT,
                               "byte %zu: a tensor's %s are no tuple", call->at,
                               what);
    if (v->n_items > ASSAY_RANK_MAX)
        return assay_error_set(err, ASSAY_LIMIT,
                               "byte %zu: a tensor has %u dimensions, limit %d",
                               call->at, v->n_items, ASSAY_RANK_MAX);
    if (rank >= 0 && v->n_items != (uint32_t)rank)
        return assay_error_set(err, ASSAY_FORMAT,
                               "byte %zu: a tensor has %d sizes and %u strides",
                               call->at, rank, v->n_items);
    for (uint32_t i = 0; i < v->n_items; i++) {
        value *item = v->item[i];

        if (item->kind != ASSAY__PV_INT || item->number < 0)
            return assay_error_set(err, ASSAY_FORMAT,
                                   "byte %zu: one of a tensor's %s is no "
                                   "number from 0 on",
                                   call->at, what);
        dim[i] = (uint64_t)item->number;
    }
    *n = (int)v->n_items;
    return ASSAY_OK;
}

/* Down to the call with storage and strides. */
static int find_view(value *v, value **found, struct assay_error *err)
{
    for (int depth = 0; depth < 4 && v; depth++) {
        const char *name = rebuilds(v);

        if (strcmp(name, "_rebuild_tensor") == 0 ||
            strcmp(name, "_rebuild_tensor_v2") == 0 ||
            strcmp(name, "_rebuild_tensor_v3") == 0) {
            *found = v;
            return ASSAY_OK;
        }
        if (strcmp(name, "_rebuild_parameter") != 0 &&
            strcmp(name, "_rebuild_parameter_with_state") != 0)
            return assay_error_set(err, ASSAY_UNSUPPORTED,
                                   "byte %zu: tensors of %.60s are not "
                                   "supported",
                                   v->at, name[0] ? name : "another kind");
        v = argument(v, 0);
    }
    return assay_error_set(err, ASSAY_FORMAT,
                           "a parameter does not hold a tensor");
}

static int read_view(value *v, struct view *view, struct assay_error *err)
{
    uint64_t dim[ASSAY_RANK_MAX] = {0};
    value *offset = argument(v, 1);
    int n = 0;
    int rc;

    *view = (struct view){.storage = argument(v, 0)};
    if (!view->storage || view->storage->kind != ASSAY__PV_PERSISTENT)
        return malformed(v, "a tensor does not name its storage", err);
    if (!offset || offset->kind != ASSAY__PV_INT || offset->number < 0)
        return malformed(v, "a tensor's offset is no number from 0 on", err);
    view->offset = (uint64_t)offset->number;
    rc = read_dims(argument(v, 2), v, "sizes", -1, dim, &view->shape.rank, err);
    if (!rc)
        rc = read_dims(argument(v, 3), v, "strides", view->shape.rank,
                       view->stride, &n, err);
    for (int i = 0; i < view->shape.rank && !rc; i++)
        view->shape.dim[i] = (int64_t)dim[i];
    if (strcmp(rebuilds(v), "_rebuild_tensor_v3") == 0)
        view->dtype = argument(v, 6);
    return rc;
}

static int find_dtype(value *v, const struct assay__torch_id *id,
                      enum assay_dtype *dtype, struct assay_error *err)
{
    *dtype = id->dtype;
    if (!v)
        return ASSAY_OK;
    for (size_t i = 0; i < N_TYPES; i++) {
        if (is_global(v, "torch", types[i].dtype)) {
            *dtype = types[i].ours;
            return ASSAY_OK;
        }
    }
    return assay_error_set(
        err, ASSAY_UNSUPPORTED,
        "byte %zu: tensors of type %.60s are not supported", v->at,
        v->kind == ASSAY__PV_GLOBAL ? assay__pickle_name(v) : "(none)");
}

/*
 * The view's last element must lie within the storage. Nothing is asked of
 * a view without elements. `*count` is how many it has.
 */
static int check_view(const struct view *view, value *v, uint64_t n_stored,
                      size_t width, size_t *count, struct assay_error *err)
{
    size_t last = view->offset;
    size_t n = 1;
    bool fits = true;

    for (int i = 0; i < view->shape.rank; i++)
        if (view->shape.dim[i] == 0) {
            *count = 0;
            return ASSAY_OK;
        }
    for (int i = 0; i < view->shape.rank && fits; i++) {
        size_t dim = (size_t)view->shape.dim[i];
        size_t step = 0;

        fits = assay__mul_size(n, dim, &n) &&
               assay__mul_size(dim - 1, view->stride[i], &step) &&
               assay__add_size(last, step, &last);
    }
    if (!fits || n > ASSAY_FORMAT_MAX_BYTES / width)
        return assay_error_set(err, ASSAY_LIMIT,
                               "byte %zu: a tensor's sizes ask for over %zu "
                               "bytes",
                               v->at, ASSAY_FORMAT_MAX_BYTES);
    if (last >= n_stored)
        return assay_error_set(err, ASSAY_FORMAT,
                               "byte %zu: a tensor reaches element %zu of a "
                               "storage of %llu",
                               v->at, last, (unsigned long long)n_stored);
    *count = n;
    return ASSAY_OK;
}

static bool is_dense(const struct view *view)
{
    uint64_t want = 1;

    for (int i = view->shape.rank - 1; i >= 0; i--) {
        if (view->shape.dim[i] != 1 && view->stride[i] != want)
            return false;
        want *= (uint64_t)view->shape.dim[i];
    }
    return true;
}

/* Element by element in row-major order, the index counted up. */
static void copy(unsigned char *dst, const unsigned char *src,
                 const struct view *view, size_t count, size_t width)
{
    int64_t index[ASSAY_RANK_MAX] = {0};
    uint64_t at = view->offset;

    for (size_t i = 0; i < count; i++) {
        memcpy(dst + i * width, src + at * width, width);
        for (int d = view->shape.rank - 1; d >= 0; d--) {
            at += view->stride[d];
            if (++index[d] < view->shape.dim[d])
                break;
            at -= view->stride[d] * (uint64_t)view->shape.dim[d];
            index[d] = 0;
        }
    }
}

static int add_copy(struct assay_tensors *list, const char *name,
                    enum assay_dtype dtype, const struct view *view,
                    const unsigned char *data, size_t count,
                    struct assay_error *err)
{
    struct assay_tensor *t = NULL;
    int rc = assay_tensors_add(list, name, dtype, &view->shape, &t, err);

    if (!rc)
        copy(t->data, data, view, count, assay_dtype_size(dtype));
    return rc;
}

static int check_total(size_t *total, size_t bytes, size_t file_size, value *v,
                       struct assay_error *err)
{
    if (!assay__add_size(*total, bytes, total) ||
        *total > ASSAY_FORMAT_MAX_BYTES ||
        (*total > SLACK && (*total - SLACK) / GROWTH_MAX > file_size))
        return assay_error_set(err, ASSAY_LIMIT,
                               "byte %zu: tensors ask for %zu bytes together, "
                               "over %d times the file",
                               v->at, *total, GROWTH_MAX);
    return ASSAY_OK;
}

int assay__torch_add_tensor(struct assay_tensors *list, const char *name,
                            value *v, const struct assay__torch_source *source,
                            size_t *total, struct assay_error *err)
{
    const unsigned char *data = NULL;
    struct assay__torch_id id;
    enum assay_dtype dtype = ASSAY_DTYPE_F32;
    struct view view;
    size_t size = 0, count = 0, width;
    int rc;

    rc = find_view(v, &v, err);
    if (!rc)
        rc = read_view(v, &view, err);
    if (!rc)
        rc = assay__torch_read_id(&id, view.storage->item[0], err);
    if (!rc)
        rc = find_dtype(view.dtype, &id, &dtype, err);
    if (!rc)
        rc = source->storage(source->user, &id, &data, &size, err);
    if (rc)
        return rc;
    width = assay_dtype_size(dtype);
    rc = check_view(&view, v, size / width, width, &count, err);
    if (!rc)
        rc = check_total(total, count * width, source->file_size, v, err);
    if (rc)
        return rc;
    if (is_dense(&view) && count > 0)
        rc = assay_tensors_add_bytes(list, name, dtype, &view.shape,
                                     data + view.offset * width, err);
    else
        rc = add_copy(list, name, dtype, &view, data, count, err);
    /* What was copied has left the bytes that its checksum is of. */
    if (!rc && list->item[list->n_items - 1].data != data + view.offset * width)
        rc = assay__sums_check(list, data, err);
    return rc;
}
