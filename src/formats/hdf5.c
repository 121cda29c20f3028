/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tree of an HDF5 file (hdf5.h): the superblock, then nodes in breadth,
 * the array of nodes being the queue. Names within a group are found by
 * binary search.
 */

#include "formats/hdf5.h"

#include <stdlib.h>
#include <string.h>

#include "core/checked.h"
#include "core/mem.h"

static const unsigned char signature[8] = {0x89, 'H',  'D',  'F',
                                           '\r', '\n', 0x1a, '\n'};

bool assay__hdf5_probe(const unsigned char *data, size_t size)
{
    return size >= sizeof(signature) &&
           memcmp(data, signature, sizeof(signature)) == 0;
}

/* --- numbers -------------------------------------------------------------- */

struct assay__hdf5_cursor assay__hdf5_at(const struct assay__hdf5 *h,
                                         uint64_t at, size_t size)
{
    struct assay__hdf5_cursor c = {h->data, h->size, h->size, true};

    if (assay__range_ok(at, size, h->size)) {
        c.at = (size_t)at;
        c.end = (size_t)at + size;
        c.bad = false;
    }
    return c;
}

uint64_t assay__hdf5_take(struct assay__hdf5_cursor *c, size_t width)
{
    uint64_t x = 0;

    if (c->bad || c->end - c->at < width) {
        c->bad = true;
        return 0;
    }
    for (size_t i = 0; i < width; i++)
        x |= (uint64_t)c->data[c->at + i] << 8 * i;
    c->at += width;
    return x;
}

void assay__hdf5_skip(struct assay__hdf5_cursor *c, size_t size)
{
    if (c->bad || c->end - c->at < size)
        c->bad = true;
    else
        c->at += size;
}

int assay__hdf5_check(const struct assay__hdf5_cursor *c, const char *what,
                      struct assay_error *err)
{
    if (!c->bad)
        return ASSAY_OK;
    return assay_error_set(err, ASSAY_FORMAT, "byte %zu: %s ends too early",
                           c->at, what);
}

/* --- places that were visited --------------------------------------------- */

static size_t slot_of(const size_t *set, size_t cap, size_t at)
{
    size_t i = (size_t)((uint64_t)at * 0x9E3779B97F4A7C15U >> 20) & (cap - 1);

    while (set[i] != 0 && set[i] != at)
        i = (i + 1) & (cap - 1);
    return i;
}

static bool grow_seen(struct assay__hdf5 *h)
{
    size_t cap = h->cap_seen ? 2 * h->cap_seen : 256;
    size_t *set = assay__calloc(cap, sizeof(*set));

    if (!set)
        return false;
    for (size_t i = 0; i < h->cap_seen; i++) {
        if (h->seen[i])
            set[slot_of(set, cap, h->seen[i])] = h->seen[i];
    }
    assay__free(h->seen);
    h->seen = set;
    h->cap_seen = cap;
    return true;
}

int assay__hdf5_visit(struct assay__hdf5 *h, size_t at, size_t size,
                      const char *what, struct assay_error *err)
{
    size_t slot;

    if (2 * h->n_seen >= h->cap_seen && !grow_seen(h))
        return assay_error_set(err, ASSAY_NOMEM, "no memory to read HDF5");
    slot = slot_of(h->seen, h->cap_seen, at);
    if (h->seen[slot] == at)
        return assay_error_set(err, ASSAY_FORMAT,
                               "byte %zu: %s is used a second time", at, what);
    if (size > h->size - h->walked)
        return assay_error_set(err, ASSAY_FORMAT,
                               "byte %zu: %s overlaps what was read before", at,
                               what);
    h->walked += size;
    h->seen[slot] = at;
    h->n_seen++;
    return ASSAY_OK;
}

/* --- nodes ---------------------------------------------------------------- */

static int check_name(struct assay__span name, size_t at,
                      struct assay_error *err)
{
    if (name.size == 0 || name.size > 255)
        return assay_error_set(err, ASSAY_FORMAT,
                               "byte %zu: a name of %zu bytes; 1 to 255 are "
                               "possible",
                               at, name.size);
    for (size_t i = 0; i < name.size; i++) {
        if ((unsigned char)name.text[i] < 0x20 || name.text[i] == '/')
            return assay_error_set(err, ASSAY_FORMAT,
                                   "byte %zu: a name holds the byte 0x%02x", at,
                                   (unsigned)(unsigned char)name.text[i]);
    }
    return ASSAY_OK;
}

static bool more_nodes(struct assay__hdf5 *h)
{
    int cap = h->cap_nodes ? 2 * h->cap_nodes : 64;
    struct assay__hdf5_node *all;

    if (h->n_nodes < h->cap_nodes)
        return true;
    all = assay__realloc(h->node, (size_t)cap, sizeof(*all));
    if (!all)
        return false;
    h->node = all;
    h->cap_nodes = cap;
    return true;
}

int assay__hdf5_add_node(struct assay__hdf5 *h, int parent,
                         struct assay__span name, size_t name_at,
                         uint64_t header_at, struct assay_error *err)
{
    int depth = parent < 0 ? 0 : h->node[parent].depth + 1;
    int rc = parent < 0 ? ASSAY_OK : check_name(name, name_at, err);
    char *own;

    if (rc)
        return rc;
    if (h->n_nodes >= ASSAY__HDF5_NODES_MAX)
        return assay_error_set(err, ASSAY_LIMIT,
                               "byte %zu: over %d groups and datasets", name_at,
                               ASSAY__HDF5_NODES_MAX);
    if (depth > ASSAY__HDF5_DEPTH_MAX)
        return assay_error_set(err, ASSAY_LIMIT,
                               "byte %zu: groups are over %d deep", name_at,
                               ASSAY__HDF5_DEPTH_MAX);
    if (header_at >= h->size)
        return assay_error_set(err, ASSAY_FORMAT,
                               "byte %zu: '%.*s' lies at %llu, beyond the file "
                               "of %zu bytes",
                               name_at, assay__span_length(name), name.text,
                               (unsigned long long)header_at, h->size);
    own = assay__format("%.*s", (int)name.size, name.text);
    if (!own || !more_nodes(h)) {
        assay__free(own);
        return assay_error_set(err, ASSAY_NOMEM, "no memory to read HDF5");
    }
    h->node[h->n_nodes++] = (struct assay__hdf5_node){
        own, parent, depth, (size_t)header_at, h->n_messages, 0};
    return ASSAY_OK;
}

/* --- the superblock ------------------------------------------------------- */

/* The address of the root group's header. */
static int read_superblock(const struct assay__hdf5 *h, uint64_t *root,
                           struct assay_error *err)
{
    struct assay__hdf5_cursor c = assay__hdf5_at(h, 0, h->size);
    unsigned version, offsets, lengths;
    uint64_t base, end;
    int rc;

    assay__hdf5_skip(&c, sizeof(signature));
    version = (unsigned)assay__hdf5_take(&c, 1);
    if (!c.bad && version > 3)
        return assay_error_set(err, ASSAY_UNSUPPORTED,
                               "byte 8: superblock of version %u; 0 to 3 are "
                               "supported",
                               version);
    assay__hdf5_skip(&c, version < 2 ? 4 : 0);
    offsets = (unsigned)assay__hdf5_take(&c, 1);
    lengths = (unsigned)assay__hdf5_take(&c, 1);
    if (!c.bad && (offsets != 8 || lengths != 8))
        return assay_error_set(err, ASSAY_UNSUPPORTED,
                               "byte %zu: offsets of %u and lengths of %u "
                               "bytes; 8 are supported",
                               c.at - 2, offsets, lengths);
    assay__hdf5_skip(&c, version == 0 ? 9 : version == 1 ? 13 : 1);
    base = assay__hdf5_take(&c, 8);
    assay__hdf5_skip(&c, 8);
    end = assay__hdf5_take(&c, 8);
    assay__hdf5_skip(&c, version < 2 ? 16 : 0);
    *root = assay__hdf5_take(&c, 8);
    rc = assay__hdf5_check(&c, "the superblock", err);
    if (!rc && base != 0)
        rc = assay_error_set(err, ASSAY_UNSUPPORTED,
                             "the superblock counts from byte %llu; 0 is "
                             "supported",
                             (unsigned long long)base);
    if (!rc && end > h->size)
        rc = assay_error_set(err, ASSAY_FORMAT,
                             "the superblock says that the file has %llu "
                             "bytes; it has %zu",
                             (unsigned long long)end, h->size);
    return rc;
}

/* --- finding -------------------------------------------------------------- */

static int compare_names(const char *a, const char *b, size_t n)
{
    int c = strncmp(a, b, n);

    return c ? c : a[n] != '\0';
}

static int compare_nodes(const void *a, const void *b, void *user)
{
    const struct assay__hdf5 *h = user;
    const struct assay__hdf5_node *x = &h->node[*(const int *)a];
    const struct assay__hdf5_node *y = &h->node[*(const int *)b];

    if (x->parent != y->parent)
        return x->parent < y->parent ? -1 : 1;
    return strcmp(x->name, y->name);
}

static int sort_nodes(struct assay__hdf5 *h, struct assay_error *err)
{
    h->order = assay__malloc((size_t)h->n_nodes * sizeof(*h->order));
    if (!h->order)
        return assay_error_set(err, ASSAY_NOMEM, "no memory to read HDF5");
    for (int i = 0; i < h->n_nodes; i++)
        h->order[i] = i;
    qsort_r(h->order, (size_t)h->n_nodes, sizeof(*h->order), compare_nodes, h);
    for (int i = 1; i < h->n_nodes; i++) {
        const struct assay__hdf5_node *node = &h->node[h->order[i]];

        if (compare_nodes(&h->order[i - 1], &h->order[i], h) == 0)
            return assay_error_set(err, ASSAY_FORMAT,
                                   "byte %zu: '%.60s' occurs twice in its "
                                   "group",
                                   node->header_at, node->name);
    }
    return ASSAY_OK;
}

static int find_child(const struct assay__hdf5 *h, int parent, const char *name,
                      size_t n)
{
    int low = 0;
    int high = h->n_nodes;

    while (low < high) {
        int middle = low + (high - low) / 2;
        int i = h->order[middle];
        int c = h->node[i].parent != parent
                    ? (h->node[i].parent < parent ? -1 : 1)
                    : compare_names(h->node[i].name, name, n);

        if (c == 0)
            return i;
        if (c < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return -1;
}

int assay__hdf5_find(const struct assay__hdf5 *h, int from,
                     struct assay__span path)
{
    size_t at = 0;

    while (from >= 0 && at < path.size) {
        const char *slash = memchr(path.text + at, '/', path.size - at);
        size_t n = slash ? (size_t)(slash - path.text) - at : path.size - at;

        if (n > 0)
            from = find_child(h, from, path.text + at, n);
        at += n + 1;
    }
    return from;
}

int assay__hdf5_find_text(const struct assay__hdf5 *h, int from,
                          const char *path)
{
    struct assay__span span = {path, strlen(path)};

    return assay__hdf5_find(h, from, span);
}

const struct assay__hdf5_message *assay__hdf5_message_of(
    const struct assay__hdf5 *h, int node, unsigned type)
{
    const struct assay__hdf5_node *n = &h->node[node];

    for (size_t i = n->first; i < n->first + n->n_messages; i++) {
        if (h->message[i].type == type)
            return &h->message[i];
    }
    return NULL;
}

bool assay__hdf5_is_dataset(const struct assay__hdf5 *h, int node)
{
    return assay__hdf5_message_of(h, node, ASSAY__HDF5_LAYOUT) != NULL;
}

char *assay__hdf5_path(const struct assay__hdf5 *h, int node, char *out,
                       size_t size)
{
    int up[ASSAY__HDF5_DEPTH_MAX + 1];
    int n = 0;
    size_t at = 0;

    for (; node > 0 && n <= ASSAY__HDF5_DEPTH_MAX; node = h->node[node].parent)
        up[n++] = node;
    out[0] = '\0';
    while (n-- > 0 && at + 1 < size) {
        const char *name = h->node[up[n]].name;
        size_t length = strlen(name);

        if (length > size - at - 1)
            length = size - at - 1;
        memcpy(out + at, name, length);
        at += length;
        if (n > 0 && at + 1 < size)
            out[at++] = '/';
        out[at] = '\0';
    }
    return out;
}

/* --- open and close ------------------------------------------------------- */

int assay__hdf5_open(struct assay__hdf5 *h, const unsigned char *data,
                     size_t size, struct assay_error *err)
{
    struct assay__span none = {"", 0};
    char path[120];
    uint64_t root = 0;
    int rc;

    memset(h, 0, sizeof(*h));
    h->data = data;
    h->size = size;
    if (!assay__hdf5_probe(data, size))
        return assay_error_set(err, ASSAY_FORMAT, "byte 0: not an HDF5 file");
    rc = read_superblock(h, &root, err);
    if (!rc)
        rc = assay__hdf5_add_node(h, -1, none, 0, root, err);
    for (int i = 0; i < h->n_nodes && !rc; i++) {
        rc = assay__hdf5_header(h, i, err);
        if (!rc && !assay__hdf5_is_dataset(h, i))
            rc = assay__hdf5_group(h, i, err);
        if (rc && i > 0)
            rc = assay_error_prefix(err, rc, "'%s'",
                                    assay__hdf5_path(h, i, path, sizeof(path)));
    }
    return rc ? rc : sort_nodes(h, err);
}

void assay__hdf5_close(struct assay__hdf5 *h)
{
    for (int i = 0; i < h->n_nodes; i++)
        assay__free(h->node[i].name);
    assay__free(h->node);
    assay__free(h->order);
    assay__free(h->message);
    assay__free(h->seen);
    memset(h, 0, sizeof(*h));
}
