/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PyTorch files before version 1.6, still common in model zoos:
 *
 *   pickle 1   the magic number 0x1950a86a20f9469cfc6c
 *   pickle 2   the protocol, 1001
 *   pickle 3   a dictionary: little_endian, sizes of types
 *   pickle 4   the object, which names storages by their keys
 *   pickle 5   the list of keys, in the order of what follows
 *   per key    i64 number of elements, then the elements
 *
 * A storage's element type is known from the object alone, so the ids met
 * there are kept until the storages are found. Nothing may follow the last
 * one. The pickles are not run (pickle_machine.h). Files of versions before
 * 0.1.10, which are tars, are not read.
 */

#include <string.h>

#include "core/checked.h"
#include "core/mem.h"
#include "formats/format.h"
#include "formats/torch_state.h"

static const unsigned char magic[10] = {0x6c, 0xfc, 0x9c, 0x46, 0xf9,
                                        0x20, 0x6a, 0xa8, 0x50, 0x19};
enum { PROTOCOL = 1001, N_PICKLES = 5 };

struct storage {
    struct assay__torch_id id;
    const unsigned char *data; /* NULL until it is found */
    size_t size;
};

struct reader {
    const unsigned char *data;
    size_t size;
    struct assay__pickle_machine machine;
    struct storage *storage;
    size_t n_storages;
    size_t cap_storages;
};

static bool probe(const unsigned char *data, size_t size)
{
    return size >= 2 && data[0] == ASSAY__PICKLE_PROTO && data[1] >= 2 &&
           data[1] <= ASSAY__PICKLE_PROTOCOL_MAX;
}

static struct storage *find(struct reader *r, const unsigned char *key,
                            size_t size)
{
    for (size_t i = 0; i < r->n_storages; i++) {
        struct storage *s = &r->storage[i];

        if (s->id.key_size == size && memcmp(s->id.key, key, size) == 0)
            return s;
    }
    return NULL;
}

static int on_id(void *user, const struct assay__pickle_value *value,
                 struct assay_error *err)
{
    struct reader *r = user;
    struct assay__torch_id id;
    struct storage *s;
    int rc = assay__torch_read_id(&id, value, err);

    if (rc)
        return rc;
    s = find(r, id.key, id.key_size);
    if (s && s->id.dtype == id.dtype && s->id.n_elements == id.n_elements)
        return ASSAY_OK;
    if (s)
        return assay_error_set(err, ASSAY_FORMAT,
                               "byte %zu: one storage has two types or sizes",
                               id.at);
    if (r->n_storages == ASSAY__ITEMS_MAX)
        return assay_error_set(err, ASSAY_LIMIT,
                               "byte %zu: more than %d storages", id.at,
                               ASSAY__ITEMS_MAX);
    if (r->n_storages == r->cap_storages) {
        size_t cap = r->cap_storages ? 2 * r->cap_storages : 64;

        s = assay__realloc(r->storage, cap, sizeof(*s));
        if (!s)
            return assay_error_set(err, ASSAY_NOMEM,
                                   "no memory for %zu storages", cap);
        r->storage = s;
        r->cap_storages = cap;
    }
    r->storage[r->n_storages++] = (struct storage){.id = id};
    return ASSAY_OK;
}

/* The magic number is written as a long of ten bytes. */
static int check_magic(const struct reader *r, struct assay_error *err)
{
    struct assay__pickle p = {r->data, r->size, 0};
    struct assay__pickle_op op;
    int rc = assay__pickle_next(&p, &op, err);

    if (!rc && op.code == ASSAY__PICKLE_PROTO)
        rc = assay__pickle_next(&p, &op, err);
    if (rc)
        return rc;
    if (op.code != ASSAY__PICKLE_LONG1 || op.size != sizeof(magic) ||
        memcmp(op.text, magic, sizeof(magic)) != 0)
        return assay_error_set(err, ASSAY_UNSUPPORTED,
                               "byte %zu: a pickle, but not one that PyTorch "
                               "wrote: it does not begin with its magic number",
                               op.at);
    return ASSAY_OK;
}

static bool is_false(const struct assay__pickle_value *dict, const char *key)
{
    if (dict->kind != ASSAY__PV_DICT)
        return false;
    for (uint32_t i = 0; i + 1 < dict->n_items; i += 2) {
        if (assay__torch_is_text(dict->item[i], key))
            return dict->item[i + 1]->kind == ASSAY__PV_BOOL &&
                   !dict->item[i + 1]->number;
    }
    return false;
}

static int check_head(const struct assay__pickle_value *const *root,
                      struct assay_error *err)
{
    if (root[1]->kind != ASSAY__PV_INT || root[1]->number != PROTOCOL)
        return assay_error_set(err, ASSAY_UNSUPPORTED,
                               "byte %zu: the protocol is not %d", root[1]->at,
                               PROTOCOL);
    if (is_false(root[2], "little_endian"))
        return assay_error_set(err, ASSAY_UNSUPPORTED,
                               "byte %zu: big-endian storages are not "
                               "supported",
                               root[2]->at);
    if (root[4]->kind != ASSAY__PV_LIST)
        return assay_error_set(err, ASSAY_FORMAT,
                               "byte %zu: the keys of storages are no list",
                               root[4]->at);
    return ASSAY_OK;
}

static int place_storage(struct reader *r, size_t *at,
                         const struct assay__pickle_value *key,
                         struct assay_error *err)
{
    struct storage *s =
        key->kind == ASSAY__PV_TEXT ? find(r, key->text, key->size) : NULL;
    uint64_t n = 0;
    size_t width;

    if (!s)
        return assay_error_set(err, ASSAY_FORMAT,
                               "byte %zu: no tensor has the storage that this "
                               "key names",
                               key->at);
    if (s->data)
        return assay_error_set(err, ASSAY_FORMAT,
                               "byte %zu: the key of a storage occurs twice",
                               key->at);
    if (!assay__range_ok(*at, 8, r->size))
        return assay_error_set(err, ASSAY_FORMAT,
                               "byte %zu: the file ends before a storage's "
                               "size",
                               *at);
    for (int i = 7; i >= 0; i--)
        n = n << 8 | r->data[*at + (size_t)i];
    if (n != s->id.n_elements)
        return assay_error_set(err, ASSAY_FORMAT,
                               "byte %zu: a storage of %llu elements, the "
                               "pickle states %llu",
                               *at, (unsigned long long)n,
                               (unsigned long long)s->id.n_elements);
    width = assay_dtype_size(s->id.dtype);
    *at += 8;
    if (n > r->size / width || !assay__range_ok(*at, n * width, r->size))
        return assay_error_set(err, ASSAY_FORMAT,
                               "byte %zu: a storage of %llu elements goes "
                               "beyond the file's %zu bytes",
                               *at, (unsigned long long)n, r->size);
    s->data = r->data + *at;
    s->size = (size_t)n * width;
    *at += s->size;
    return ASSAY_OK;
}

static int place_storages(struct reader *r, size_t at,
                          const struct assay__pickle_value *keys,
                          struct assay_error *err)
{
    int rc = ASSAY_OK;

    for (uint32_t i = 0; i < keys->n_items && !rc; i++)
        rc = place_storage(r, &at, keys->item[i], err);
    if (!rc && at != r->size)
        rc = assay_error_set(err, ASSAY_FORMAT,
                             "byte %zu: %zu bytes belong to no storage", at,
                             r->size - at);
    return rc;
}

static int read_storage(void *user, const struct assay__torch_id *id,
                        const unsigned char **data, size_t *size,
                        struct assay_error *err)
{
    const struct storage *s = find(user, id->key, id->key_size);

    if (!s || !s->data)
        return assay_error_set(err, ASSAY_FORMAT,
                               "byte %zu: the storage '%.*s' is not in the "
                               "file",
                               id->at,
                               (int)(id->key_size < 40 ? id->key_size : 40),
                               (const char *)id->key);
    *data = s->data;
    *size = s->size;
    return ASSAY_OK;
}

static int read_pickles(struct reader *r, struct assay_tensors *list,
                        struct assay_error *err)
{
    const struct assay__torch_source source = {
        .user = r, .file_size = r->size, .storage = read_storage};
    const struct assay__pickle_value *root[N_PICKLES];
    size_t at = 0;
    int rc = check_magic(r, err);

    for (int i = 0; i < N_PICKLES && !rc; i++) {
        rc =
            assay__pickle_run(&r->machine, r->data, r->size, at, &root[i], err);
        at = r->machine.in.at;
    }
    if (!rc)
        rc = check_head(root, err);
    if (!rc)
        rc = place_storages(r, at, root[4], err);
    if (!rc)
        rc = assay__torch_state(list, root[3], &source, err);
    return rc;
}

static int read_bytes(struct assay_tensors *list, const unsigned char *data,
                      size_t size, struct assay_error *err)
{
    struct reader r = {.data = data, .size = size};
    const struct assay__pickle_hooks hooks = {
        .user = &r, .global = assay__torch_global, .persistent = on_id};
    int rc;

    assay__pickle_machine_init(&r.machine, &hooks, true);
    rc = read_pickles(&r, list, err);
    assay__pickle_machine_release(&r.machine);
    assay__free(r.storage);
    return rc;
}

const struct assay_format assay_format_torch_legacy = {
    .name = "torch-legacy",
    .suffix = ".th",
    .max_bytes = ASSAY_FORMAT_MAX_BYTES,
    .probe = probe,
    .read = read_bytes,
};
