/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Datasets of HDF5 (hdf5.h): numbers that lie in the header (compact), in one
 * piece (contiguous), or in chunks by a B-tree, each perhaps shuffled and
 * deflated.
 *
 *   layout 3   3, 0 size(2) data; 1 address(8) size(8); or
 *              2 rank+1 address(8) sizes(4 each), the last of an element
 *   layout 4   the same but for chunks, which are refused
 *   filters    1 n 000000, or 2 n: id(2) name(2) flags(2) n(2) name values(4)
 *   chunk key  size(4) mask(4) place(8 each), 0
 *
 * Chunks must be there once each, and what is stored for all of them bounds
 * what is allocated: deflate gives at most 1,032 bytes for one.
 */

#include <string.h>
#include <zlib.h>

#include "assay/format.h"
#include "core/checked.h"
#include "core/mem.h"
#include "formats/hdf5.h"

enum { DEFLATE = 1, SHUFFLE = 2, DEFLATE_RATIO = 1032 };

struct dataset {
    struct assay_shape shape;
    struct assay__hdf5_type type;
    size_t n_bytes; /* of all its numbers */
    int n_filters;
    unsigned filter[ASSAY__HDF5_FILTERS_MAX];

    /* Of chunks: */
    size_t chunk[ASSAY_RANK_MAX]; /* their sides */
    size_t chunk_bytes;
    size_t n_chunks; /* that there must be */
    struct piece *piece;
    size_t n_pieces;
};

/* A chunk's bytes in the file, and where they belong. */
struct piece {
    size_t at;
    size_t size;
    unsigned mask;                /* filters that it did without */
    size_t place[ASSAY_RANK_MAX]; /* of its first number */
};

static int no_memory(struct assay_error *err)
{
    return assay_error_set(err, ASSAY_NOMEM, "no memory to read HDF5");
}

/* Count what is stored: all of it together fits in the file. */
static int store(struct assay__hdf5 *h, uint64_t at, uint64_t size,
                 struct assay_error *err)
{
    if (!assay__range_ok(at, size, h->size))
        return assay_error_set(err, ASSAY_FORMAT,
                               "byte %llu: %llu bytes of numbers lie beyond "
                               "the file of %zu",
                               (unsigned long long)at, (unsigned long long)size,
                               h->size);
    if (size > h->size - h->stored)
        return assay_error_set(err, ASSAY_FORMAT,
                               "byte %zu: datasets share their bytes",
                               (size_t)at);
    h->stored += (size_t)size;
    return ASSAY_OK;
}

static int need(const struct assay__hdf5 *h, int node, unsigned type,
                const char *what, struct assay__hdf5_cursor *c,
                struct assay_error *err)
{
    const struct assay__hdf5_message *m = assay__hdf5_message_of(h, node, type);

    if (!m)
        return assay_error_set(err, ASSAY_FORMAT,
                               "byte %zu: a dataset has no "
                               "%s",
                               h->node[node].header_at, what);
    *c = assay__hdf5_at(h, m->at, m->size);
    return ASSAY_OK;
}

static int read_form(struct assay__hdf5 *h, int node, struct dataset *d,
                     struct assay_error *err)
{
    struct assay__hdf5_cursor c;
    int rc = need(h, node, ASSAY__HDF5_DATATYPE, "datatype", &c, err);

    if (!rc)
        rc = assay__hdf5_datatype(&c, &d->type, err);
    if (!rc && d->type.class != ASSAY__HDF5_NUMBER)
        rc = assay_error_set(
            err, ASSAY_UNSUPPORTED,
            "byte %zu: of the type %s, which is not supported", c.at,
            d->type.class == ASSAY__HDF5_OTHER ? d->type.what : "text");
    if (!rc)
        rc = need(h, node, ASSAY__HDF5_DATASPACE, "dataspace", &c, err);
    if (!rc)
        rc = assay__hdf5_dataspace(&c, &d->shape, err);
    if (!rc && (!assay__mul_size(assay_shape_count(&d->shape, 1), d->type.size,
                                 &d->n_bytes) ||
                d->n_bytes > ASSAY_FORMAT_MAX_BYTES))
        rc = assay_error_set(err, ASSAY_LIMIT,
                             "byte %zu: over the limit of %zu bytes of numbers",
                             c.at, ASSAY_FORMAT_MAX_BYTES);
    return rc;
}

static int read_filters(struct assay__hdf5 *h, int node, struct dataset *d,
                        struct assay_error *err)
{
    const struct assay__hdf5_message *m =
        assay__hdf5_message_of(h, node, ASSAY__HDF5_FILTERS);
    struct assay__hdf5_cursor c;
    unsigned version, n;

    if (!m)
        return ASSAY_OK;
    c = assay__hdf5_at(h, m->at, m->size);
    version = (unsigned)assay__hdf5_take(&c, 1);
    n = (unsigned)assay__hdf5_take(&c, 1);
    assay__hdf5_skip(&c, version == 1 ? 6 : 0);
    if (!c.bad && (version < 1 || version > 2 || n > ASSAY__HDF5_FILTERS_MAX))
        return assay_error_set(err, ASSAY_UNSUPPORTED,
                               "byte %zu: %u filters, version %u; up to %d of "
                               "versions 1 and 2 are supported",
                               m->at, n, version, ASSAY__HDF5_FILTERS_MAX);
    for (unsigned i = 0; i < n; i++) {
        unsigned id = (unsigned)assay__hdf5_take(&c, 2);
        size_t name =
            version == 1 || id >= 256 ? (size_t)assay__hdf5_take(&c, 2) : 0;
        size_t values;

        assay__hdf5_skip(&c, 2);
        values = (size_t)assay__hdf5_take(&c, 2);
        assay__hdf5_skip(&c, version == 1 ? (name + 7) & ~(size_t)7 : name);
        assay__hdf5_skip(&c, 4 * (values + (version == 1 ? values % 2 : 0)));
        if (!c.bad && id != DEFLATE && id != SHUFFLE)
            return assay_error_set(err, ASSAY_UNSUPPORTED,
                                   "byte %zu: the filter %u is not supported; "
                                   "deflate and shuffle are",
                                   m->at, id);
        d->filter[d->n_filters++] = id;
    }
    return assay__hdf5_check(&c, "a list of filters", err);
}

/* --- in one piece --------------------------------------------------------- */

static int add_tensor(struct dataset *d, const char *name,
                      struct assay_tensors *list, struct assay_tensor **t,
                      struct assay_error *err)
{
    return assay_tensors_add(list, name, d->type.dtype, &d->shape, t, err);
}

static int read_plain(struct assay__hdf5 *h, struct dataset *d, uint64_t at,
                      uint64_t size, const char *name,
                      struct assay_tensors *list, struct assay_error *err)
{
    struct assay_tensor *t = NULL;
    int rc;

    if (d->n_filters > 0)
        return assay_error_set(err, ASSAY_FORMAT,
                               "byte %llu: filters of a dataset without "
                               "chunks",
                               (unsigned long long)at);
    if (size != d->n_bytes)
        return assay_error_set(err, ASSAY_FORMAT,
                               "byte %llu: %llu bytes of numbers, by its shape "
                               "%zu",
                               (unsigned long long)at, (unsigned long long)size,
                               d->n_bytes);
    if (size == 0)
        return add_tensor(d, name, list, NULL, err);
    rc = store(h, at, size, err);
    if (!rc)
        rc = add_tensor(d, name, list, &t, err);
    if (!rc)
        memcpy(t->data, h->data + at, d->n_bytes);
    return rc;
}

/* --- in chunks ------------------------------------------------------------ */

/* A leaf of the tree of chunks. */
static int note_piece(struct assay__hdf5 *h, void *user, size_t key_at,
                      uint64_t at, struct assay_error *err)
{
    struct dataset *d = user;
    size_t key_size = 8 + 8 * (size_t)(d->shape.rank + 1);
    struct assay__hdf5_cursor c = assay__hdf5_at(h, key_at, key_size);
    struct piece *p = &d->piece[d->n_pieces];

    if (d->n_pieces == d->n_chunks)
        return assay_error_set(err, ASSAY_FORMAT,
                               "byte %zu: over %zu chunks, as many as the "
                               "shape has",
                               key_at, d->n_chunks);
    p->size = (size_t)assay__hdf5_take(&c, 4);
    p->mask = (unsigned)assay__hdf5_take(&c, 4);
    for (int i = 0; i < d->shape.rank; i++) {
        uint64_t place = assay__hdf5_take(&c, 8);

        if (place % d->chunk[i] != 0 || place >= (uint64_t)d->shape.dim[i])
            return assay_error_set(err, ASSAY_FORMAT,
                                   "byte %zu: a chunk at %llu of %lld, by %zu",
                                   key_at, (unsigned long long)place,
                                   (long long)d->shape.dim[i], d->chunk[i]);
        p->place[i] = (size_t)place;
    }
    p->at = (size_t)at;
    d->n_pieces++;
    return store(h, at, p->size, err);
}

/* The number of a chunk, row-major. */
static size_t chunk_number(const struct dataset *d, const struct piece *p)
{
    size_t number = 0;

    for (int i = 0; i < d->shape.rank; i++) {
        size_t along =
            ((size_t)d->shape.dim[i] + d->chunk[i] - 1) / d->chunk[i];

        number = number * along + p->place[i] / d->chunk[i];
    }
    return number;
}

/* As many as there are, and no two at a place: each is there. */
static int check_pieces(const struct dataset *d, size_t at,
                        struct assay_error *err)
{
    unsigned char *seen;
    const struct piece *twice = NULL;

    if (d->n_pieces != d->n_chunks)
        return assay_error_set(err, ASSAY_UNSUPPORTED,
                               "byte %zu: %zu of %zu chunks are there; all "
                               "must be",
                               at, d->n_pieces, d->n_chunks);
    seen = assay__calloc(d->n_chunks + 1, 1);
    if (!seen)
        return no_memory(err);
    for (size_t i = 0; i < d->n_pieces; i++) {
        size_t number = chunk_number(d, &d->piece[i]);

        if (seen[number] && !twice)
            twice = &d->piece[i];
        seen[number] = 1;
    }
    assay__free(seen);
    if (twice)
        return assay_error_set(err, ASSAY_FORMAT,
                               "byte %zu: a chunk is there twice", twice->at);
    return ASSAY_OK;
}

static int inflate_all(const unsigned char *from, size_t n, unsigned char *to,
                       size_t size, size_t at, struct assay_error *err)
{
    uLongf got = (uLongf)size;
    int rc = uncompress(to, &got, from, (uLong)n);

    if (rc == Z_MEM_ERROR)
        return no_memory(err);
    if (rc != Z_OK || got != size)
        return assay_error_set(err, ASSAY_FORMAT,
                               "byte %zu: a chunk does not inflate to %zu "
                               "bytes",
                               at, size);
    return ASSAY_OK;
}

/* Byte k of each number stands in the k-th of `width` rows. */
static void unshuffle(const unsigned char *from, unsigned char *to, size_t size,
                      size_t width)
{
    size_t n = size / width;

    for (size_t k = 0; k < width; k++) {
        for (size_t i = 0; i < n; i++)
            to[i * width + k] = from[k * n + i];
    }
    memcpy(to + n * width, from + n * width, size - n * width);
}

/* A chunk's numbers into room[0], by room[1]: filters from the last to the
 * first, each with its bit in the mask. */
static int unpack(struct assay__hdf5 *h, const struct dataset *d,
                  const struct piece *p, unsigned char *room[2],
                  struct assay_error *err)
{
    const unsigned char *from = h->data + p->at;
    size_t n = p->size;
    int at = 0;
    int rc = ASSAY_OK;

    for (int i = d->n_filters - 1; i >= 0 && !rc; i--) {
        if (p->mask >> i & 1)
            continue;
        if (d->filter[i] == DEFLATE) {
            rc = inflate_all(from, n, room[at], d->chunk_bytes, p->at, err);
        } else if (n == d->chunk_bytes) {
            unshuffle(from, room[at], n, d->type.size);
        } else {
            break;
        }
        from = room[at];
        n = d->chunk_bytes;
        at = 1 - at;
    }
    if (!rc && n != d->chunk_bytes)
        rc = assay_error_set(err, ASSAY_FORMAT,
                             "byte %zu: a chunk of %zu bytes, must have %zu",
                             p->at, n, d->chunk_bytes);
    if (!rc && from != room[0])
        memcpy(room[0], from, n);
    return rc;
}

/* Copy what of a chunk lies within the dataset, row by row. */
static void place_chunk(const struct dataset *d, const struct piece *p,
                        const unsigned char *chunk, unsigned char *out)
{
    int last = d->shape.rank - 1;
    size_t width = d->type.size;
    size_t row = d->chunk[last];
    size_t n_rows = d->chunk_bytes / width / row;
    size_t left = (size_t)d->shape.dim[last] - p->place[last];

    for (size_t r = 0; r < n_rows; r++) {
        size_t rest = r;
        size_t to = p->place[last];
        size_t stride = (size_t)d->shape.dim[last];
        bool inside = true;

        for (int i = last - 1; i >= 0; i--) {
            size_t place = p->place[i] + rest % d->chunk[i];

            rest /= d->chunk[i];
            inside = inside && place < (size_t)d->shape.dim[i];
            to += place * stride;
            stride *= (size_t)d->shape.dim[i];
        }
        if (inside)
            memcpy(out + to * width, chunk + r * row * width,
                   (row < left ? row : left) * width);
    }
}

static int unpack_pieces(struct assay__hdf5 *h, struct dataset *d,
                         unsigned char *out, struct assay_error *err)
{
    unsigned char *room[2] = {assay__malloc(d->chunk_bytes),
                              assay__malloc(d->chunk_bytes)};
    int rc = room[0] && room[1] ? ASSAY_OK : no_memory(err);

    for (size_t i = 0; i < d->n_pieces && !rc; i++) {
        rc = unpack(h, d, &d->piece[i], room, err);
        if (!rc)
            place_chunk(d, &d->piece[i], room[0], out);
    }
    assay__free(room[0]);
    assay__free(room[1]);
    return rc;
}

/* The sides of a chunk and how many there are. */
static int chunk_sizes(struct assay__hdf5 *h, struct dataset *d,
                       struct assay__hdf5_cursor *c, struct assay_error *err)
{
    size_t at = c->at;
    bool good = true;
    uint64_t width;
    int rc;

    d->chunk_bytes = d->type.size;
    d->n_chunks = 1;
    for (int i = 0; i < d->shape.rank; i++) {
        d->chunk[i] = (size_t)assay__hdf5_take(c, 4);
        good = good && d->chunk[i] > 0 && d->shape.dim[i] > 0 &&
               assay__mul_size(d->chunk_bytes, d->chunk[i], &d->chunk_bytes);
        if (good)
            good = assay__mul_size(d->n_chunks,
                                   ((size_t)d->shape.dim[i] + d->chunk[i] - 1) /
                                       d->chunk[i],
                                   &d->n_chunks);
    }
    width = assay__hdf5_take(c, 4);
    rc = assay__hdf5_check(c, "a layout of chunks", err);
    if (!rc && (!good || width != d->type.size))
        rc = assay_error_set(err, ASSAY_FORMAT,
                             "byte %zu: chunks that no such dataset has", at);
    /* A key takes 16 bytes and more; a chunk is not larger than deflate
     * could make the whole file. */
    if (!rc && (d->n_chunks > h->size / 16 ||
                d->chunk_bytes / DEFLATE_RATIO > h->size))
        rc = assay_error_set(err, ASSAY_FORMAT,
                             "byte %zu: %zu chunks of %zu bytes in a file of "
                             "%zu",
                             at, d->n_chunks, d->chunk_bytes, h->size);
    return rc;
}

static int read_chunks(struct assay__hdf5 *h, struct dataset *d,
                       struct assay__hdf5_cursor *c, const char *name,
                       struct assay_tensors *list, struct assay_error *err)
{
    const struct assay__hdf5_tree tree = {
        1, 8 + 8 * (size_t)(d->shape.rank + 1), note_piece, d};
    unsigned rank = (unsigned)assay__hdf5_take(c, 1);
    uint64_t root = assay__hdf5_take(c, 8);
    size_t before = h->stored;
    struct assay_tensor *t = NULL;
    int rc;

    if (!c->bad && (d->shape.rank == 0 || (int)rank != d->shape.rank + 1))
        return assay_error_set(err, ASSAY_FORMAT,
                               "byte %zu: chunks of rank %u of a dataset of "
                               "rank %d",
                               c->at, rank, d->shape.rank);
    if (d->n_bytes == 0)
        return add_tensor(d, name, list, NULL, err);
    rc = chunk_sizes(h, d, c, err);
    if (rc)
        return rc;
    d->piece = assay__calloc(d->n_chunks + 1, sizeof(*d->piece));
    if (!d->piece)
        return no_memory(err);
    rc = assay__hdf5_walk(h, &tree, root, err);
    if (!rc)
        rc = check_pieces(d, c->at, err);
    if (!rc && d->chunk_bytes / DEFLATE_RATIO > h->stored - before)
        rc = assay_error_set(err, ASSAY_FORMAT,
                             "byte %zu: %zu bytes of chunks cannot hold %zu",
                             c->at, h->stored - before, d->chunk_bytes);
    if (!rc && d->n_bytes / DEFLATE_RATIO > h->stored - before)
        rc = assay_error_set(err, ASSAY_FORMAT,
                             "byte %zu: %zu bytes of chunks cannot hold %zu",
                             c->at, h->stored - before, d->n_bytes);
    if (!rc)
        rc = add_tensor(d, name, list, &t, err);
    return rc ? rc : unpack_pieces(h, d, t->data, err);
}

/* --- layouts -------------------------------------------------------------- */

static int read_layout(struct assay__hdf5 *h, int node, struct dataset *d,
                       const char *name, struct assay_tensors *list,
                       struct assay_error *err)
{
    static const char *const kinds[] = {"compact", "contiguous", "chunked",
                                        "virtual"};
    struct assay__hdf5_cursor c;
    int rc = need(h, node, ASSAY__HDF5_LAYOUT, "layout", &c, err);
    unsigned version, kind;
    uint64_t at, size;

    if (rc)
        return rc;
    version = (unsigned)assay__hdf5_take(&c, 1);
    kind = (unsigned)assay__hdf5_take(&c, 1);
    rc = assay__hdf5_check(&c, "a layout", err);
    if (!rc &&
        (version < 3 || version > 4 || kind > 2 || (version == 4 && kind == 2)))
        rc = assay_error_set(err, ASSAY_UNSUPPORTED,
                             "byte %zu: a %s layout of version %u is not "
                             "supported",
                             c.at - 2, kind < 4 ? kinds[kind] : "unknown",
                             version);
    if (rc || kind == 2)
        return rc ? rc : read_chunks(h, d, &c, name, list, err);
    at = kind == 1 ? assay__hdf5_take(&c, 8) : c.at + 2;
    size = assay__hdf5_take(&c, kind == 1 ? 8 : 2);
    assay__hdf5_skip(&c, kind == 1 ? 0 : (size_t)size);
    rc = assay__hdf5_check(&c, "a layout", err);
    return rc ? rc : read_plain(h, d, at, size, name, list, err);
}

int assay__hdf5_read(struct assay__hdf5 *h, int node, const char *name,
                     struct assay_tensors *list, struct assay_error *err)
{
    struct dataset d = {.n_bytes = 0};
    char path[120];
    int rc = read_form(h, node, &d, err);

    if (!rc)
        rc = read_filters(h, node, &d, err);
    if (!rc)
        rc = read_layout(h, node, &d, name, list, err);
    if (rc)
        rc = assay_error_prefix(err, rc, "'%s'",
                                assay__hdf5_path(h, node, path, sizeof(path)));
    assay__free(d.piece);
    return rc;
}
