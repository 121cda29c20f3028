/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Object headers of HDF5 (hdf5.h). Version 1: how many messages there are,
 * blocks of them, each with 8 bytes in front. Version 2: blocks that end in
 * a checksum, messages with 4 or 6 bytes in front. A block may say, by a
 * message, where the next one lies; blocks are visited in that order.
 */

#include <string.h>

#include "core/checked.h"
#include "core/mem.h"
#include "formats/hdf5.h"

enum {
    BLOCKS_MAX = 256, /* of a header */
    SHARED = 1 << 1,  /* flags of a message */
    MUST_KNOW = 1 << 7
};

struct block {
    size_t at;
    size_t size;
};

struct header {
    struct block block[BLOCKS_MAX];
    int n_blocks;
    int version;
    bool ordered;    /* version 2: messages have a number */
    size_t expected; /* version 1: messages that there are */
};

static int add_message(struct assay__hdf5 *h, int node,
                       const struct assay__hdf5_message *m,
                       struct assay_error *err)
{
    if (h->n_messages == h->cap_messages) {
        size_t cap = h->cap_messages ? 2 * h->cap_messages : 256;
        struct assay__hdf5_message *all =
            assay__realloc(h->message, cap, sizeof(*all));

        if (!all)
            return assay_error_set(err, ASSAY_NOMEM, "no memory to read HDF5");
        h->message = all;
        h->cap_messages = cap;
    }
    h->message[h->n_messages++] = *m;
    h->node[node].n_messages++;
    return ASSAY_OK;
}

static bool is_known(unsigned type)
{
    return type <= 23 && type != 9;
}

/* What a loader could not do without. */
static int check_message(const struct assay__hdf5_message *m,
                         struct assay_error *err)
{
    if (m->flags & SHARED)
        return assay_error_set(err, ASSAY_UNSUPPORTED,
                               "byte %zu: a shared message (type %u) is not "
                               "supported",
                               m->at, m->type);
    if (m->type == ASSAY__HDF5_EXTERNAL)
        return assay_error_set(err, ASSAY_UNSUPPORTED,
                               "byte %zu: its numbers lie in other files, "
                               "which is not supported",
                               m->at);
    if (!is_known(m->type) && (m->flags & MUST_KNOW))
        return assay_error_set(err, ASSAY_UNSUPPORTED,
                               "byte %zu: a message of type %u is not "
                               "supported",
                               m->at, m->type);
    return ASSAY_OK;
}

/* A further block, from the body of a message or from the header itself. */
static int add_block(struct assay__hdf5 *h, struct header *o, uint64_t at,
                     uint64_t size, struct assay_error *err)
{
    size_t around = o->version == 2 && o->n_blocks > 0 ? 8 : 0;
    int rc;

    if (!assay__range_ok(at, size, h->size) || size < around)
        return assay_error_set(err, ASSAY_FORMAT,
                               "byte %llu: %llu bytes of an object header lie "
                               "beyond the file of %zu",
                               (unsigned long long)at, (unsigned long long)size,
                               h->size);
    if (o->n_blocks == BLOCKS_MAX)
        return assay_error_set(err, ASSAY_LIMIT,
                               "byte %llu: an object header of over %d blocks",
                               (unsigned long long)at, (int)BLOCKS_MAX);
    rc =
        assay__hdf5_visit(h, (size_t)at, (size_t)size, "an object header", err);
    if (rc)
        return rc;
    if (around && memcmp(h->data + at, "OCHK", 4) != 0)
        return assay_error_set(err, ASSAY_FORMAT,
                               "byte %llu: a header goes on with no OCHK",
                               (unsigned long long)at);
    o->block[o->n_blocks].at = (size_t)at + around / 2;
    o->block[o->n_blocks++].size = (size_t)size - around;
    return ASSAY_OK;
}

static int take_message(struct assay__hdf5 *h, int node, struct header *o,
                        const struct assay__hdf5_message *m,
                        struct assay_error *err)
{
    struct assay__hdf5_cursor c = assay__hdf5_at(h, m->at, m->size);
    int rc = check_message(m, err);
    uint64_t at, size;

    if (rc)
        return rc;
    if (m->type != ASSAY__HDF5_CONTINUED)
        return add_message(h, node, m, err);
    at = assay__hdf5_take(&c, 8);
    size = assay__hdf5_take(&c, 8);
    rc = assay__hdf5_check(&c, "a continued header", err);
    return rc ? rc : add_block(h, o, at, size, err);
}

/* The messages of a block; what is left of fewer bytes than a message has in
 * front is a gap. */
static int read_block(struct assay__hdf5 *h, int node, struct header *o,
                      struct block b, size_t *n, struct assay_error *err)
{
    size_t front = o->version == 1 ? 8 : o->ordered ? 6 : 4;
    struct assay__hdf5_cursor c = assay__hdf5_at(h, b.at, b.size);
    int rc = ASSAY_OK;

    while (!rc && c.end - c.at >= front &&
           (o->version == 2 || *n < o->expected)) {
        struct assay__hdf5_message m;

        m.type = (unsigned)assay__hdf5_take(&c, o->version == 1 ? 2 : 1);
        m.size = (size_t)assay__hdf5_take(&c, 2);
        m.flags = (unsigned)assay__hdf5_take(&c, 1);
        assay__hdf5_skip(&c, front == 8 ? 3 : front == 6 ? 2 : 0);
        m.at = c.at;
        assay__hdf5_skip(&c, m.size);
        rc = assay__hdf5_check(&c, "a message of an object header", err);
        if (!rc && m.type != 0)
            rc = take_message(h, node, o, &m, err);
        ++*n;
    }
    return rc;
}

static int begin_1(struct assay__hdf5 *h, size_t at, struct header *o,
                   struct assay_error *err)
{
    struct assay__hdf5_cursor c = assay__hdf5_at(h, at, h->size - at);
    size_t size;
    int rc;

    o->version = 1;
    assay__hdf5_skip(&c, 2);
    o->expected = (size_t)assay__hdf5_take(&c, 2);
    assay__hdf5_skip(&c, 4);
    size = (size_t)assay__hdf5_take(&c, 4);
    assay__hdf5_skip(&c, 4);
    rc = assay__hdf5_check(&c, "an object header", err);
    return rc ? rc : add_block(h, o, at + 16, size, err);
}

static int begin_2(struct assay__hdf5 *h, size_t at, struct header *o,
                   struct assay_error *err)
{
    struct assay__hdf5_cursor c = assay__hdf5_at(h, at, h->size - at);
    unsigned version, flags;
    size_t size;
    int rc;

    assay__hdf5_skip(&c, 4);
    version = (unsigned)assay__hdf5_take(&c, 1);
    flags = (unsigned)assay__hdf5_take(&c, 1);
    if (!c.bad && version != 2)
        return assay_error_set(err, ASSAY_UNSUPPORTED,
                               "byte %zu: an object header of version %u; 1 "
                               "and 2 are supported",
                               at, version);
    o->version = 2;
    o->ordered = (flags & 4) != 0;
    assay__hdf5_skip(&c, (flags & 32 ? 16 : 0) + (flags & 16 ? 4 : 0));
    size = (size_t)assay__hdf5_take(&c, (size_t)1 << (flags & 3));
    rc = assay__hdf5_check(&c, "an object header", err);
    return rc ? rc : add_block(h, o, c.at, size, err);
}

int assay__hdf5_header(struct assay__hdf5 *h, int node, struct assay_error *err)
{
    size_t at = h->node[node].header_at;
    struct header o = {.n_blocks = 0};
    size_t n = 0;
    int rc;

    h->node[node].first = h->n_messages;
    if (h->size - at >= 4 && memcmp(h->data + at, "OHDR", 4) == 0)
        rc = begin_2(h, at, &o, err);
    else if (h->data[at] == 1)
        rc = begin_1(h, at, &o, err);
    else
        return assay_error_set(err, ASSAY_FORMAT,
                               "byte %zu: no object header, it begins with "
                               "0x%02x",
                               at, (unsigned)h->data[at]);
    for (int i = 0; i < o.n_blocks && !rc; i++)
        rc = read_block(h, node, &o, o.block[i], &n, err);
    if (!rc && o.version == 1 && n != o.expected)
        rc = assay_error_set(err, ASSAY_FORMAT,
                             "byte %zu: an object header of %zu messages has "
                             "%zu",
                             at, o.expected, n);
    return rc;
}
