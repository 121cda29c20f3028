/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attributes of HDF5 (hdf5.h) that are texts.
 *
 *   attribute    version, flags, sizes of name, type and space (2 each),
 *                charset (version 3), then the three, each filled up to 8
 *                bytes in version 1, then the data
 *   long text    length(4) collection(8) index(4)
 *   collection   "GCOL" 1 000 size(8), then objects: index(2) references(2)
 *                0000 size(8) and as many bytes, filled up to 8
 *
 * Objects are looked up by walking a collection, so the steps of all look-ups
 * together are capped.
 */

#include <string.h>

#include "core/checked.h"
#include "core/mem.h"
#include "formats/hdf5.h"

enum { STEPS_MAX = 1 << 28 };

struct attribute {
    struct assay__span name;
    struct assay_shape shape;
    struct assay__hdf5_type type;
    size_t at; /* its data */
    size_t size;
};

static size_t filled(size_t size, unsigned version)
{
    return version == 1 ? (size + 7) & ~(size_t)7 : size;
}

/* An attribute's parts, to be looked into once it is known to be wanted. */
struct parts {
    unsigned version, flags;
    struct assay__span name; /* without its NUL */
    struct assay__hdf5_cursor type, space, data;
};

static int split(struct assay__hdf5 *h, const struct assay__hdf5_message *m,
                 struct parts *p, struct assay_error *err)
{
    struct assay__hdf5_cursor c = assay__hdf5_at(h, m->at, m->size);
    size_t name_size, type_size, space_size;
    int rc;

    p->version = (unsigned)assay__hdf5_take(&c, 1);
    p->flags = (unsigned)assay__hdf5_take(&c, 1);
    name_size = (size_t)assay__hdf5_take(&c, 2);
    type_size = (size_t)assay__hdf5_take(&c, 2);
    space_size = (size_t)assay__hdf5_take(&c, 2);
    assay__hdf5_skip(&c, p->version == 3 ? 1 : 0);
    p->name = (struct assay__span){(const char *)h->data + c.at, name_size};
    assay__hdf5_skip(&c, filled(name_size, p->version));
    p->type = assay__hdf5_at(h, c.at, type_size);
    assay__hdf5_skip(&c, filled(type_size, p->version));
    p->space = assay__hdf5_at(h, c.at, space_size);
    assay__hdf5_skip(&c, filled(space_size, p->version));
    p->data = c;
    rc = assay__hdf5_check(&c, "an attribute", err);
    if (!rc && name_size > 0 && p->name.text[name_size - 1] == '\0')
        p->name.size--;
    return rc;
}

static int interpret(const struct assay__hdf5_message *m, struct parts *p,
                     struct attribute *out, struct assay_error *err)
{
    int rc;

    if (p->version < 1 || p->version > 3 || (p->version > 1 && (p->flags & 3)))
        return assay_error_set(err, ASSAY_UNSUPPORTED,
                               "byte %zu: the attribute '%.*s' is of version "
                               "%u or shared, which is not supported",
                               m->at, assay__span_length(p->name), p->name.text,
                               p->version);
    rc = assay__hdf5_datatype(&p->type, &out->type, err);
    if (!rc)
        rc = assay__hdf5_dataspace(&p->space, &out->shape, err);
    out->name = p->name;
    out->at = p->data.at;
    out->size = p->data.end - p->data.at;
    return rc;
}

/* Whether the message is the attribute `name`: 1, 0 or a negative code. Only
 * of that one more than the name is looked at. */
static int read_attribute(struct assay__hdf5 *h,
                          const struct assay__hdf5_message *m, const char *name,
                          struct attribute *out, struct assay_error *err)
{
    struct parts p;
    int rc = split(h, m, &p, err);

    if (rc)
        return rc;
    if (p.name.size != strlen(name) ||
        memcmp(p.name.text, name, p.name.size) != 0)
        return 0;
    rc = interpret(m, &p, out, err);
    return rc ? rc : 1;
}

static int heap_object(struct assay__hdf5 *h, size_t from, uint64_t heap,
                       uint64_t index, struct assay__span *out,
                       struct assay_error *err)
{
    struct assay__hdf5_cursor c = assay__hdf5_at(h, heap, 16);
    uint64_t size;
    int rc = assay__hdf5_check(&c, "a global heap", err);

    if (rc)
        return rc;
    assay__hdf5_skip(&c, 8);
    size = assay__hdf5_take(&c, 8);
    if (memcmp(h->data + heap, "GCOL\1", 5) != 0 || size < 16 ||
        !assay__range_ok(heap, size, h->size))
        return assay_error_set(err, ASSAY_FORMAT,
                               "byte %zu: no global heap of version 1 within "
                               "the file",
                               (size_t)heap);
    c.end = (size_t)(heap + size);
    while (c.end - c.at >= 16) {
        uint64_t i = assay__hdf5_take(&c, 2);
        uint64_t n;

        assay__hdf5_skip(&c, 6);
        n = assay__hdf5_take(&c, 8);
        if (++h->steps > STEPS_MAX)
            return assay_error_set(err, ASSAY_LIMIT,
                                   "byte %zu: texts are looked up in over %d "
                                   "steps",
                                   from, (int)STEPS_MAX);
        if (i == 0 || n > c.end - c.at)
            break;
        if (i == index) {
            *out =
                (struct assay__span){(const char *)h->data + c.at, (size_t)n};
            return ASSAY_OK;
        }
        n = (n + 7) & ~(uint64_t)7;
        assay__hdf5_skip(&c, n < c.end - c.at ? (size_t)n : c.end - c.at);
    }
    return assay_error_set(err, ASSAY_FORMAT,
                           "byte %zu: the global heap at %zu has no object "
                           "%llu",
                           from, (size_t)heap, (unsigned long long)index);
}

/* Without what fills a text up behind its end. */
static void trim(struct assay__span *s)
{
    const char *end = s->size ? memchr(s->text, '\0', s->size) : NULL;

    if (end)
        s->size = (size_t)(end - s->text);
}

static int read_text(struct assay__hdf5 *h, const struct attribute *a,
                     size_t at, struct assay__span *out,
                     struct assay_error *err)
{
    struct assay__hdf5_cursor c = assay__hdf5_at(h, at, a->type.size);
    int rc = assay__hdf5_check(&c, "an attribute's text", err);
    uint64_t length, heap, index;

    if (rc)
        return rc;
    *out = (struct assay__span){(const char *)h->data + at, a->type.size};
    if (a->type.class == ASSAY__HDF5_LONG_TEXT) {
        length = assay__hdf5_take(&c, 4);
        heap = assay__hdf5_take(&c, 8);
        index = assay__hdf5_take(&c, 4);
        out->size = 0;
        if (length > 0)
            rc = heap_object(h, at, heap, index, out, err);
        if (!rc && out->size > length)
            out->size = (size_t)length;
    }
    if (!rc)
        trim(out);
    return rc;
}

static bool is_text(const struct attribute *a)
{
    return a->type.class == ASSAY__HDF5_TEXT ||
           a->type.class == ASSAY__HDF5_LONG_TEXT;
}

static int read_texts(struct assay__hdf5 *h, const struct attribute *a,
                      struct assay__span **out, int *n, struct assay_error *err)
{
    size_t count = assay_shape_count(&a->shape, 1);
    struct assay__span *all;
    int rc = ASSAY_OK;

    if (count > 0 && !is_text(a))
        return assay_error_set(
            err, ASSAY_UNSUPPORTED,
            "byte %zu: the attribute '%.*s' is %s, not text", a->at,
            assay__span_length(a->name), a->name.text,
            a->type.class == ASSAY__HDF5_NUMBER ? "a number" : a->type.what);
    if (count > 0 && (a->type.size == 0 || count > a->size / a->type.size))
        return assay_error_set(err, ASSAY_FORMAT,
                               "byte %zu: the attribute '%.*s' of %zu texts of "
                               "%zu bytes has %zu",
                               a->at, assay__span_length(a->name), a->name.text,
                               count, a->type.size, a->size);
    all = assay__calloc(count + 1, sizeof(*all));
    if (!all)
        return assay_error_set(err, ASSAY_NOMEM, "no memory to read HDF5");
    for (size_t i = 0; i < count && !rc; i++)
        rc = read_text(h, a, a->at + i * a->type.size, &all[i], err);
    if (rc) {
        assay__free(all);
        return rc;
    }
    *out = all;
    *n = (int)count;
    return ASSAY_OK;
}

int assay__hdf5_texts(struct assay__hdf5 *h, int node, const char *name,
                      struct assay__span **out, int *n, struct assay_error *err)
{
    const struct assay__hdf5_node *o = &h->node[node];

    *out = NULL;
    *n = -1;
    for (size_t i = o->first; i < o->first + o->n_messages; i++) {
        struct attribute a = {.at = 0};
        int rc;

        if (h->message[i].type != ASSAY__HDF5_ATTRIBUTE)
            continue;
        rc = read_attribute(h, &h->message[i], name, &a, err);
        if (rc < 0)
            return rc;
        if (rc > 0)
            return read_texts(h, &a, out, n, err);
    }
    return ASSAY_OK;
}

int assay__hdf5_each_text(struct assay__hdf5 *h, int node, assay__hdf5_see *see,
                          void *user, struct assay_error *err)
{
    const struct assay__hdf5_node *o = &h->node[node];
    int rc = ASSAY_OK;

    for (size_t i = o->first; i < o->first + o->n_messages && !rc; i++) {
        struct attribute a = {.at = 0};
        struct assay__span *text = NULL;
        struct parts p;
        int n = 0;

        if (h->message[i].type != ASSAY__HDF5_ATTRIBUTE)
            continue;
        rc = split(h, &h->message[i], &p, err);
        if (!rc)
            rc = interpret(&h->message[i], &p, &a, err);
        if (!rc && is_text(&a))
            rc = read_texts(h, &a, &text, &n, err);
        for (int k = 0; k < n && !rc; k++)
            rc = see(user, a.name, text[k], err);
        assay__free(text);
    }
    return rc;
}

int assay__hdf5_text(struct assay__hdf5 *h, int node, const char *name,
                     struct assay__span *out, struct assay_error *err)
{
    struct assay__span *all = NULL;
    int n = 0;
    int rc = assay__hdf5_texts(h, node, name, &all, &n, err);

    *out = (struct assay__span){NULL, 0};
    if (!rc && n > 1)
        rc = assay_error_set(err, ASSAY_FORMAT,
                             "the attribute '%s' has %d texts, must have 1",
                             name, n);
    if (!rc && n == 1)
        *out = all[0];
    assay__free(all);
    return rc;
}
