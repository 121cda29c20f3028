/* SPDX-License-Identifier: Apache-2.0 */
/*
 * safetensors.
 *
 *   byte 0      u64 little-endian: N, length of the header
 *   byte 8      N bytes of JSON, '{' first, blanks allowed last:
 *               {"name": {"dtype": "F32", "shape": [2, 3],
 *                         "data_offsets": [begin, end]}, ...,
 *                "__metadata__": {"key": "value", ...}}
 *   byte 8 + N  data; offsets count from here
 *
 * The data must be covered exactly: no overlap, no gap, nothing after the
 * last tensor, so that a file cannot hide a second content. A tensor need
 * not be aligned to its element in the file, since it is copied into
 * aligned memory. Limits: header 100 MB as in the specification, and on
 * tensors, metadata, their names and JSON values so that the header cannot
 * expand.
 *
 * Written files list tensors in the order of the list and store them by
 * element size, largest first, behind a header padded to 64 bytes: every
 * tensor is then aligned, and equal content gives equal bytes.
 */

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "core/checked.h"
#include "core/mem.h"
#include "formats/format.h"
#include "formats/safetensors.h"

enum {
    PREFIX = 8,
    HEADER_MAX = 100000000,
    META_MAX = 1 << 12,
    DEPTH_MAX = 3,        /* root, tensor, shape */
    VALUES_MAX = 1 << 20, /* JSON values in a header */
    ALIGN = 64
};

static const char META[] = "__metadata__";

struct header {
    const unsigned char *data; /* the file */
    size_t size;
    size_t length;    /* of the JSON text */
    size_t n_entries; /* tensors */
};

struct entry {
    const char *name; /* borrowed from the JSON tree */
    enum assay_dtype dtype;
    struct assay_shape shape;
    size_t begin; /* from the first byte of data */
    size_t end;
};

static bool probe(const unsigned char *data, size_t size)
{
    return size > PREFIX && data[PREFIX] == '{';
}

/*
 * Where in the file `name` is described: its quoted text when it is found
 * as it stands, else the header's first byte. For messages only.
 */
static size_t place(const struct header *h, const char *name)
{
    const unsigned char *text = h->data + PREFIX;
    size_t n = strlen(name);

    for (size_t i = 0; i + n + 2 <= h->length; i++) {
        if (text[i] == '"' && text[i + n + 1] == '"' &&
            memcmp(text + i + 1, name, n) == 0)
            return PREFIX + i;
    }
    return PREFIX;
}

/*
 * Nesting and number of values, before the parser may spend memory on them.
 * Text inside strings is skipped; whether it is JSON is the parser's task.
 */
static int check_bulk(const struct header *h, struct assay_error *err)
{
    const unsigned char *text = h->data + PREFIX;
    bool in_string = false;
    int depth = 0;
    size_t values = 0;

    for (size_t i = 0; i < h->length; i++) {
        if (in_string) {
            if (text[i] == '\\')
                i++;
            else if (text[i] == '"')
                in_string = false;
            continue;
        }
        switch (text[i]) {
        case '"':
            in_string = true;
            break;
        case '{':
        case '[':
            values++;
            if (++depth > DEPTH_MAX)
                return assay_error_set(err, ASSAY_LIMIT,
                                       "byte %zu: header nested deeper than %d",
                                       PREFIX + i, DEPTH_MAX);
            break;
        case '}':
        case ']':
            depth--;
            break;
        case ',':
            values++;
            break;
        default:
            break;
        }
        if (values > VALUES_MAX)
            return assay_error_set(err, ASSAY_LIMIT,
                                   "byte %zu: header has more than %d values",
                                   PREFIX + i, VALUES_MAX);
    }
    return ASSAY_OK;
}

static int check_length(struct header *h, struct assay_error *err)
{
    uint64_t length = 0;

    if (h->size < PREFIX)
        return assay_error_set(
            err, ASSAY_FORMAT,
            "byte %zu: file ends within the header length (8 bytes)", h->size);
    for (int i = PREFIX - 1; i >= 0; i--)
        length = length << 8 | h->data[i];

    if (length > HEADER_MAX)
        return assay_error_set(
            err, ASSAY_LIMIT,
            "byte 0: header length %llu is over the limit of %d",
            (unsigned long long)length, HEADER_MAX);
    if (!assay__range_ok(PREFIX, length, h->size))
        return assay_error_set(
            err, ASSAY_FORMAT,
            "byte 0: header length %llu, but only %zu bytes follow",
            (unsigned long long)length, h->size - PREFIX);
    if (length < 2 || h->data[PREFIX] != '{')
        return assay_error_set(err, ASSAY_FORMAT,
                               "byte 8: header does not begin with '{'");
    h->length = (size_t)length;
    return ASSAY_OK;
}

static int parse_json(struct header *h, json_t **out, struct assay_error *err)
{
    const char *text = (const char *)h->data + PREFIX;
    json_error_t why;
    json_t *root;
    size_t at;

    root = json_loadb(text, h->length, JSON_REJECT_DUPLICATES, &why);
    if (root) {
        *out = root;
        return ASSAY_OK;
    }

    at = PREFIX + (why.position > 0 ? (size_t)why.position : 0);
    switch (json_error_code(&why)) {
    case json_error_out_of_memory:
        return assay_error_set(err, ASSAY_NOMEM, "no memory for the header");
    case json_error_duplicate_key:
        return assay_error_set(err, ASSAY_FORMAT,
                               "byte %zu: a name occurs twice in the header",
                               at);
    case json_error_invalid_utf8:
        return assay_error_set(err, ASSAY_FORMAT,
                               "byte %zu: header is not UTF-8", at);
    default:
        return assay_error_set(err, ASSAY_FORMAT, "byte %zu: header: %s", at,
                               why.text);
    }
}

static int check_name(const struct header *h, const char *name,
                      struct assay_error *err)
{
    size_t n = strlen(name);

    if (n <= ASSAY__NAME_MAX)
        return ASSAY_OK;
    return assay_error_set(err, ASSAY_LIMIT,
                           "byte %zu: the name '%.60s...' has %zu bytes, limit "
                           "%d",
                           place(h, name), name, n, ASSAY__NAME_MAX);
}

static int parse_dtype(struct entry *e, const char *text)
{
    for (int d = 0; d < ASSAY_DTYPE_COUNT; d++) {
        if (strcmp(text, assay_dtype_name((enum assay_dtype)d)) == 0) {
            e->dtype = (enum assay_dtype)d;
            return ASSAY_OK;
        }
    }
    return ASSAY_UNSUPPORTED;
}

/* The bytes that dtype and shape ask for. */
static int parse_shape(const struct header *h, struct entry *e,
                       const json_t *shape, size_t *bytes,
                       struct assay_error *err)
{
    size_t rank = json_array_size(shape);

    if (!json_is_array(shape))
        return assay_error_set(err, ASSAY_FORMAT,
                               "byte %zu: tensor '%.60s' has no shape",
                               place(h, e->name), e->name);
    if (rank > ASSAY_RANK_MAX)
        return assay_error_set(
            err, ASSAY_LIMIT,
            "byte %zu: tensor '%.60s' has %zu dimensions, limit %d",
            place(h, e->name), e->name, rank, ASSAY_RANK_MAX);

    *bytes = assay_dtype_size(e->dtype);
    e->shape.rank = (int)rank;
    for (size_t i = 0; i < rank; i++) {
        const json_t *dim = json_array_get(shape, i);
        json_int_t value = json_integer_value(dim);

        if (!json_is_integer(dim) || value < 0)
            return assay_error_set(
                err, ASSAY_FORMAT,
                "byte %zu: tensor '%.60s': dimension %zu is not a size",
                place(h, e->name), e->name, i);
        if (!assay__mul_size(*bytes, (size_t)value, bytes) ||
            *bytes > ASSAY_FORMAT_MAX_BYTES)
            return assay_error_set(
                err, ASSAY_LIMIT,
                "byte %zu: tensor '%.60s': shape asks for over %zu bytes",
                place(h, e->name), e->name, ASSAY_FORMAT_MAX_BYTES);
        e->shape.dim[i] = value;
    }
    return ASSAY_OK;
}

static int parse_offsets(const struct header *h, struct entry *e,
                         const json_t *pair, size_t bytes,
                         struct assay_error *err)
{
    size_t n_data = h->size - PREFIX - h->length;
    const json_t *first = json_array_get(pair, 0);
    const json_t *last = json_array_get(pair, 1);
    json_int_t begin = json_integer_value(first);
    json_int_t end = json_integer_value(last);

    if (json_array_size(pair) != 2 || !json_is_integer(first) ||
        !json_is_integer(last) || begin < 0 || end < begin)
        return assay_error_set(
            err, ASSAY_FORMAT,
            "byte %zu: tensor '%.60s': data_offsets are not [begin, end]",
            place(h, e->name), e->name);
    if ((uint64_t)end > n_data)
        return assay_error_set(
            err, ASSAY_FORMAT,
            "byte %zu: tensor '%.60s' ends at %lld of %zu bytes of data",
            place(h, e->name), e->name, (long long)end, n_data);
    if ((uint64_t)(end - begin) != bytes)
        return assay_error_set(
            err, ASSAY_FORMAT,
            "byte %zu: tensor '%.60s' spans %lld bytes, its shape needs %zu",
            place(h, e->name), e->name, (long long)(end - begin), bytes);

    e->begin = (size_t)begin;
    e->end = (size_t)end;
    return ASSAY_OK;
}

static int parse_entry(const struct header *h, struct entry *e,
                       const char *name, const json_t *value,
                       struct assay_error *err)
{
    const json_t *dtype = json_object_get(value, "dtype");
    size_t bytes = 0;
    int rc;

    e->name = name;
    if (!json_is_object(value) || !json_is_string(dtype) ||
        json_object_size(value) != 3)
        return assay_error_set(
            err, ASSAY_FORMAT,
            "byte %zu: tensor '%.60s' is not {dtype, shape, data_offsets}",
            place(h, name), name);
    if (parse_dtype(e, json_string_value(dtype)))
        return assay_error_set(
            err, ASSAY_UNSUPPORTED,
            "byte %zu: tensor '%.60s' has unknown dtype '%.16s'",
            place(h, name), name, json_string_value(dtype));

    rc = parse_shape(h, e, json_object_get(value, "shape"), &bytes, err);
    if (rc)
        return rc;
    return parse_offsets(h, e, json_object_get(value, "data_offsets"), bytes,
                         err);
}

static int parse_meta(const struct header *h, struct assay_tensors *list,
                      json_t *meta, struct assay_error *err)
{
    const char *key;
    json_t *value;

    if (!json_is_object(meta))
        return assay_error_set(err, ASSAY_FORMAT,
                               "byte %zu: %s is not an object", place(h, META),
                               META);
    if (json_object_size(meta) > META_MAX)
        return assay_error_set(
            err, ASSAY_LIMIT, "byte %zu: %s has %zu keys, limit %d",
            place(h, META), META, json_object_size(meta), META_MAX);

    json_object_foreach(meta, key, value)
    {
        int rc = check_name(h, key, err);

        if (rc)
            return rc;
        if (!json_is_string(value))
            return assay_error_set(err, ASSAY_FORMAT,
                                   "byte %zu: metadata '%.60s' is not text",
                                   place(h, key), key);
        rc = assay_tensors_set_meta(list, key, json_string_value(value), err);
        if (rc)
            return rc;
    }
    return ASSAY_OK;
}

static int by_begin(const void *a, const void *b)
{
    const struct entry *const *x = a;
    const struct entry *const *y = b;

    if ((*x)->begin != (*y)->begin)
        return (*x)->begin < (*y)->begin ? -1 : 1;
    if ((*x)->end != (*y)->end)
        return (*x)->end < (*y)->end ? -1 : 1;
    return 0;
}

/* `order` is room for n pointers, sorted here. */
static int check_cover(const struct header *h, const struct entry *entry,
                       const struct entry **order, struct assay_error *err)
{
    size_t base = PREFIX + h->length;
    size_t next = 0;

    for (size_t i = 0; i < h->n_entries; i++)
        order[i] = &entry[i];
    if (h->n_entries)
        qsort(order, h->n_entries, sizeof(*order), by_begin);

    for (size_t i = 0; i < h->n_entries; i++) {
        const struct entry *e = order[i];

        if (e->begin < next)
            return assay_error_set(
                err, ASSAY_FORMAT, "byte %zu: tensor '%.60s' overlaps '%.60s'",
                base + e->begin, e->name, order[i - 1]->name);
        if (e->begin > next)
            return assay_error_set(
                err, ASSAY_FORMAT,
                "byte %zu: gap of %zu bytes before tensor '%.60s'", base + next,
                e->begin - next, e->name);
        next = e->end;
    }
    if (next != h->size - base)
        return assay_error_set(err, ASSAY_FORMAT,
                               "byte %zu: %zu bytes belong to no tensor",
                               base + next, h->size - base - next);
    return ASSAY_OK;
}

static int load(const struct header *h, const struct entry *entry,
                struct assay_tensors *list, struct assay_error *err)
{
    const unsigned char *base = h->data + PREFIX + h->length;

    for (size_t i = 0; i < h->n_entries; i++) {
        const struct entry *e = &entry[i];
        int rc = assay_tensors_add_bytes(list, e->name, e->dtype, &e->shape,
                                         base + e->begin, err);

        if (rc)
            return rc;
    }
    return ASSAY_OK;
}

static int parse_entries(struct header *h, struct entry *entry, json_t *root,
                         struct assay_tensors *list, struct assay_error *err)
{
    const char *name;
    json_t *value;
    int rc;

    json_object_foreach(root, name, value)
    {
        rc = check_name(h, name, err);
        if (!rc && strcmp(name, META) == 0)
            rc = parse_meta(h, list, value, err);
        else if (!rc)
            rc = parse_entry(h, &entry[h->n_entries++], name, value, err);
        if (rc)
            return rc;
    }
    return ASSAY_OK;
}

static int examine(struct assay_tensors *list, const unsigned char *data,
                   size_t size, bool with_data, struct assay_error *err)
{
    struct header h = {.data = data, .size = size};
    const struct entry **order = NULL;
    struct entry *entry = NULL;
    json_t *root = NULL;
    size_t n;
    int rc;

    rc = check_length(&h, err);
    if (!rc)
        rc = check_bulk(&h, err);
    if (!rc)
        rc = parse_json(&h, &root, err);
    if (rc)
        goto out;

    n = json_object_size(root);
    if (n > ASSAY__ITEMS_MAX) {
        rc = assay_error_set(err, ASSAY_LIMIT,
                             "byte 8: header names %zu tensors, limit %d", n,
                             ASSAY__ITEMS_MAX);
        goto out;
    }
    entry = assay__calloc(n, sizeof(*entry));
    order = assay__calloc(n, sizeof(*order));
    if (!entry || !order) {
        rc = assay_error_set(err, ASSAY_NOMEM, "no memory for %zu tensors", n);
        goto out;
    }

    rc = parse_entries(&h, entry, root, list, err);
    if (!rc)
        rc = check_cover(&h, entry, order, err);
    if (!rc && with_data)
        rc = load(&h, entry, list, err);

out:
    assay__free(entry);
    assay__free(order);
    json_decref(root);
    return rc;
}

static int read_bytes(struct assay_tensors *list, const unsigned char *data,
                      size_t size, struct assay_error *err)
{
    return examine(list, data, size, true, err);
}

int assay__safetensors_check(struct assay_tensors *meta,
                             const unsigned char *data, size_t size,
                             struct assay_error *err)
{
    return examine(meta, data, size, false, err);
}

/* Bytes of tensor t; it is in memory, so the product fits. */
static size_t tensor_bytes(const struct assay_tensor *t)
{
    return assay_shape_count(&t->shape, 1) * assay_dtype_size(t->dtype);
}

static int describe(json_t *root, const struct assay_tensor *t, size_t begin,
                    struct assay_error *err)
{
    size_t end = begin + tensor_bytes(t);
    json_t *shape = json_array();
    json_t *item;

    for (int i = 0; shape && i < t->shape.rank; i++) {
        if (json_array_append_new(shape, json_integer(t->shape.dim[i]))) {
            json_decref(shape);
            shape = NULL;
        }
    }
    item = json_pack("{s:s, s:o, s:[I, I]}", "dtype",
                     assay_dtype_name(t->dtype), "shape", shape, "data_offsets",
                     (json_int_t)begin, (json_int_t)end);
    if (!item)
        return assay_error_set(err, ASSAY_NOMEM, "no memory for the header");
    if (json_object_set_new(root, t->name, item))
        return assay_error_set(err, ASSAY_ARG,
                               "tensor name '%.60s' is not UTF-8", t->name);
    return ASSAY_OK;
}

static int by_key(const void *a, const void *b)
{
    const char *const *x = *(const char *const *const *)a;
    const char *const *y = *(const char *const *const *)b;

    return strcmp(x[0], y[0]);
}

/* Metadata sorted by key, so that the order of setting leaves no trace. */
static int describe_meta(json_t *root, const struct assay_tensors *list,
                         struct assay_error *err)
{
    json_t *meta = json_object();
    char ***pair = NULL;
    int rc = ASSAY_OK;

    pair = assay__calloc(list->n_meta, sizeof(*pair));
    if (!pair || !meta) {
        rc = assay_error_set(err, ASSAY_NOMEM, "no memory for the metadata");
        goto out;
    }
    for (size_t i = 0; i < list->n_meta; i++)
        pair[i] = &list->meta[2 * i];
    qsort(pair, list->n_meta, sizeof(*pair), by_key);

    for (size_t i = 0; i < list->n_meta; i++) {
        json_t *value = json_string(pair[i][1]);

        if (json_object_set_new(meta, pair[i][0], value)) {
            rc = assay_error_set(err, ASSAY_ARG,
                                 "metadata '%.60s' is not UTF-8", pair[i][0]);
            goto out;
        }
    }
    if (json_object_set(root, META, meta))
        rc = assay_error_set(err, ASSAY_NOMEM, "no memory for the metadata");

out:
    json_decref(meta);
    assay__free(pair);
    return rc;
}

/* Offsets by falling element size; the list's order in the header. */
static int build_header(json_t *root, const struct assay_tensors *list,
                        struct assay_error *err)
{
    size_t base[9] = {0};
    size_t next = 0;
    int rc;

    if (list->n_meta) {
        rc = describe_meta(root, list, err);
        if (rc)
            return rc;
    }
    for (size_t width = 8; width > 0; width /= 2) {
        base[width] = next;
        for (size_t i = 0; i < list->n_items; i++) {
            if (assay_dtype_size(list->item[i].dtype) == width)
                next += tensor_bytes(&list->item[i]);
        }
    }
    for (size_t i = 0; i < list->n_items; i++) {
        const struct assay_tensor *t = &list->item[i];
        size_t width = assay_dtype_size(t->dtype);

        if (strcmp(t->name, META) == 0)
            return assay_error_set(err, ASSAY_ARG,
                                   "a tensor cannot be called '%s'", META);
        rc = describe(root, t, base[width], err);
        if (rc)
            return rc;
        base[width] += tensor_bytes(t);
    }
    return ASSAY_OK;
}

static bool put(FILE *file, const void *data, size_t size)
{
    return size == 0 || fwrite(data, 1, size, file) == size;
}

static bool put_header(FILE *file, const char *text)
{
    size_t n = strlen(text);
    size_t padded = (PREFIX + n + ALIGN - 1) / ALIGN * ALIGN - PREFIX;
    unsigned char length[PREFIX];
    char blanks[ALIGN];

    for (int i = 0; i < PREFIX; i++)
        length[i] = (unsigned char)((uint64_t)padded >> (8 * i));
    memset(blanks, ' ', sizeof(blanks));
    return put(file, length, sizeof(length)) && put(file, text, n) &&
           put(file, blanks, padded - n);
}

static int write_file(const struct assay_tensors *list, FILE *file,
                      struct assay_error *err)
{
    json_t *root = json_object();
    char *text = NULL;
    bool ok;
    int rc;

    if (!root)
        return assay_error_set(err, ASSAY_NOMEM, "no memory for the header");
    rc = build_header(root, list, err);
    if (rc)
        goto out;
    text = json_dumps(root, JSON_COMPACT);
    if (!text) {
        rc = assay_error_set(err, ASSAY_NOMEM, "no memory for the header");
        goto out;
    }

    ok = put_header(file, text);
    for (size_t width = 8; width > 0; width /= 2) {
        for (size_t i = 0; i < list->n_items; i++) {
            const struct assay_tensor *t = &list->item[i];

            if (assay_dtype_size(t->dtype) == width)
                ok = ok && put(file, t->data, tensor_bytes(t));
        }
    }
    if (!ok)
        rc = assay_error_set(err, ASSAY_IO, "cannot write all of the file");

out:
    free(text);
    json_decref(root);
    return rc;
}

const struct assay_format assay_format_safetensors = {
    .name = "safetensors",
    .suffix = ".safetensors",
    .max_bytes = ASSAY_FORMAT_MAX_BYTES,
    .probe = probe,
    .read = read_bytes,
    .write = write_file,
};
