/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Groups of HDF5 (hdf5.h). Older files name their members in a B-tree whose
 * leaves point to symbol table nodes, with the names in a local heap; newer
 * ones by a link message each.
 *
 *   B-tree node   "TREE" kind level n(2) left(8) right(8) key child key ...
 *   symbol nodes  "SNOD" 1 0 n(2), then n of 40 bytes: name header kind ...
 *   local heap    "HEAP" 0 000 size(8) free(8) data(8)
 */

#include <string.h>

#include "core/checked.h"
#include "formats/hdf5.h"

#define UNDEFINED UINT64_MAX

/* --- B-trees -------------------------------------------------------------- */

/* A level is above its children's, so there are at most so many calls. */
static int walk_node(struct assay__hdf5 *h, const struct assay__hdf5_tree *tree,
                     uint64_t at, int above, struct assay_error *err)
{
    struct assay__hdf5_cursor c = assay__hdf5_at(h, at, 24);
    unsigned kind, level;
    size_t n;
    int rc = assay__hdf5_check(&c, "a B-tree", err);

    if (rc)
        return rc;
    assay__hdf5_skip(&c, 4);
    kind = (unsigned)assay__hdf5_take(&c, 1);
    level = (unsigned)assay__hdf5_take(&c, 1);
    n = (size_t)assay__hdf5_take(&c, 2);
    if (memcmp(h->data + at, "TREE", 4) != 0 || kind != tree->kind)
        return assay_error_set(err, ASSAY_FORMAT,
                               "byte %zu: no B-tree of kind %u", (size_t)at,
                               tree->kind);
    if (above < 0 ? level >= ASSAY__HDF5_TREE_MAX : (int)level + 1 != above)
        return assay_error_set(err, ASSAY_FORMAT,
                               "byte %zu: a B-tree node of level %u",
                               (size_t)at, level);
    c = assay__hdf5_at(h, at + 24, n * (tree->key_size + 8) + tree->key_size);
    rc = assay__hdf5_check(&c, "a B-tree node", err);
    if (!rc)
        rc = assay__hdf5_visit(h, (size_t)at, c.end - (size_t)at, "a B-tree",
                               err);
    for (size_t i = 0; i < n && !rc; i++) {
        size_t key_at = c.at;
        uint64_t child;

        assay__hdf5_skip(&c, tree->key_size);
        child = assay__hdf5_take(&c, 8);
        rc = level > 0 ? walk_node(h, tree, child, (int)level, err)
                       : tree->leaf(h, tree->user, key_at, child, err);
    }
    return rc;
}

int assay__hdf5_walk(struct assay__hdf5 *h, const struct assay__hdf5_tree *tree,
                     uint64_t root, struct assay_error *err)
{
    return root == UNDEFINED ? ASSAY_OK : walk_node(h, tree, root, -1, err);
}

/* --- symbol tables -------------------------------------------------------- */

struct symbols {
    int node;
    size_t heap_at; /* the local heap's data */
    size_t heap_size;
};

static int read_symbol(struct assay__hdf5 *h, const struct symbols *s,
                       struct assay__hdf5_cursor *c, struct assay_error *err)
{
    size_t at = c->at;
    uint64_t name_at = assay__hdf5_take(c, 8);
    uint64_t header_at = assay__hdf5_take(c, 8);
    unsigned kind = (unsigned)assay__hdf5_take(c, 4);
    struct assay__span name = {NULL, 0};
    const char *end;

    assay__hdf5_skip(c, 20);
    if (name_at >= s->heap_size)
        return assay_error_set(err, ASSAY_FORMAT,
                               "byte %zu: a name at %llu of a heap of %zu "
                               "bytes",
                               at, (unsigned long long)name_at, s->heap_size);
    if (kind > 1)
        return assay_error_set(err, ASSAY_UNSUPPORTED,
                               "byte %zu: a soft link is not supported", at);
    name.text = (const char *)h->data + s->heap_at + name_at;
    end = memchr(name.text, '\0', s->heap_size - (size_t)name_at);
    if (!end)
        return assay_error_set(err, ASSAY_FORMAT, "byte %zu: a name has no end",
                               s->heap_at + (size_t)name_at);
    name.size = (size_t)(end - name.text);
    return assay__hdf5_add_node(h, s->node, name, s->heap_at + (size_t)name_at,
                                header_at, err);
}

static int read_symbols(struct assay__hdf5 *h, void *user, size_t key_at,
                        uint64_t at, struct assay_error *err)
{
    struct symbols *s = user;
    struct assay__hdf5_cursor c = assay__hdf5_at(h, at, 8);
    size_t n;
    int rc = assay__hdf5_check(&c, "a symbol table node", err);

    (void)key_at;
    if (rc)
        return rc;
    assay__hdf5_skip(&c, 6);
    n = (size_t)assay__hdf5_take(&c, 2);
    if (memcmp(h->data + at, "SNOD\1", 5) != 0)
        return assay_error_set(err, ASSAY_FORMAT,
                               "byte %zu: no symbol table node of version 1",
                               (size_t)at);
    c = assay__hdf5_at(h, at + 8, n * 40);
    rc = assay__hdf5_check(&c, "a symbol table node", err);
    if (!rc)
        rc = assay__hdf5_visit(h, (size_t)at, c.end - (size_t)at,
                               "a symbol table node", err);
    for (size_t i = 0; i < n && !rc; i++)
        rc = read_symbol(h, s, &c, err);
    return rc;
}

static int read_heap(struct assay__hdf5 *h, uint64_t at, struct symbols *s,
                     struct assay_error *err)
{
    struct assay__hdf5_cursor c = assay__hdf5_at(h, at, 32);
    uint64_t size, data;
    int rc = assay__hdf5_check(&c, "a local heap", err);

    if (rc)
        return rc;
    if (memcmp(h->data + at, "HEAP\0", 5) != 0)
        return assay_error_set(err, ASSAY_FORMAT,
                               "byte %zu: no local heap of version 0",
                               (size_t)at);
    assay__hdf5_skip(&c, 8);
    size = assay__hdf5_take(&c, 8);
    assay__hdf5_skip(&c, 8);
    data = assay__hdf5_take(&c, 8);
    if (!assay__range_ok(data, size, h->size))
        return assay_error_set(err, ASSAY_FORMAT,
                               "byte %zu: a local heap of %llu bytes at %llu "
                               "lies beyond the file of %zu",
                               (size_t)at, (unsigned long long)size,
                               (unsigned long long)data, h->size);
    s->heap_at = (size_t)data;
    s->heap_size = (size_t)size;
    return assay__hdf5_visit(h, (size_t)at, 32, "a local heap", err);
}

static int read_table(struct assay__hdf5 *h, int node,
                      const struct assay__hdf5_message *m,
                      struct assay_error *err)
{
    struct symbols s = {.node = node};
    const struct assay__hdf5_tree tree = {0, 8, read_symbols, &s};
    struct assay__hdf5_cursor c = assay__hdf5_at(h, m->at, m->size);
    uint64_t root = assay__hdf5_take(&c, 8);
    uint64_t heap = assay__hdf5_take(&c, 8);
    int rc = assay__hdf5_check(&c, "a symbol table", err);

    if (!rc)
        rc = read_heap(h, heap, &s, err);
    return rc ? rc : assay__hdf5_walk(h, &tree, root, err);
}

/* --- link messages -------------------------------------------------------- */

static int read_link(struct assay__hdf5 *h, int node,
                     const struct assay__hdf5_message *m,
                     struct assay_error *err)
{
    struct assay__hdf5_cursor c = assay__hdf5_at(h, m->at, m->size);
    unsigned version = (unsigned)assay__hdf5_take(&c, 1);
    unsigned flags = (unsigned)assay__hdf5_take(&c, 1);
    unsigned kind = flags & 8 ? (unsigned)assay__hdf5_take(&c, 1) : 0;
    struct assay__span name = {NULL, 0};
    uint64_t header_at;
    int rc;

    assay__hdf5_skip(&c, (flags & 4 ? 8 : 0) + (flags & 16 ? 1 : 0));
    name.size = (size_t)assay__hdf5_take(&c, (size_t)1 << (flags & 3));
    name.text = (const char *)h->data + c.at;
    assay__hdf5_skip(&c, name.size);
    header_at = kind == 0 ? assay__hdf5_take(&c, 8) : 0;
    rc = assay__hdf5_check(&c, "a link", err);
    if (!rc && version != 1)
        rc = assay_error_set(err, ASSAY_UNSUPPORTED,
                             "byte %zu: a link of version %u; 1 is supported",
                             m->at, version);
    if (!rc && kind != 0)
        rc = assay_error_set(err, ASSAY_UNSUPPORTED,
                             "byte %zu: %s is not supported", m->at,
                             kind == 1    ? "a soft link"
                             : kind == 64 ? "a link to another file"
                                          : "a link of its maker's own kind");
    return rc ? rc : assay__hdf5_add_node(h, node, name, m->at, header_at, err);
}

/* Messages that say that more is elsewhere, in a fractal heap: whether they
 * name one. */
static int check_info(const struct assay__hdf5 *h,
                      const struct assay__hdf5_message *m,
                      struct assay_error *err)
{
    bool links = m->type == ASSAY__HDF5_LINK_INFO;
    struct assay__hdf5_cursor c = assay__hdf5_at(h, m->at, m->size);
    unsigned flags;
    uint64_t heap;
    int rc;

    assay__hdf5_skip(&c, 1);
    flags = (unsigned)assay__hdf5_take(&c, 1);
    assay__hdf5_skip(&c, !(flags & 1) ? 0 : links ? 8 : 2);
    heap = assay__hdf5_take(&c, 8);
    rc =
        assay__hdf5_check(&c, links ? "a link info" : "an attribute info", err);
    if (!rc && heap != UNDEFINED)
        rc = assay_error_set(err, ASSAY_UNSUPPORTED,
                             "byte %zu: %s in a fractal heap are not supported",
                             m->at, links ? "links" : "attributes");
    return rc;
}

int assay__hdf5_group(struct assay__hdf5 *h, int node, struct assay_error *err)
{
    size_t first = h->node[node].first;
    size_t n = h->node[node].n_messages;
    int rc = ASSAY_OK;

    for (size_t i = first; i < first + n && !rc; i++) {
        const struct assay__hdf5_message *m = &h->message[i];

        if (m->type == ASSAY__HDF5_SYMBOLS)
            rc = read_table(h, node, m, err);
        else if (m->type == ASSAY__HDF5_LINK)
            rc = read_link(h, node, m, err);
        else if (m->type == ASSAY__HDF5_LINK_INFO ||
                 m->type == ASSAY__HDF5_ATTRIBUTE_INFO)
            rc = check_info(h, m, err);
    }
    return rc;
}
