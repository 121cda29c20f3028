/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where buffers lie in a plan's slab.
 *
 * A buffer lives from the first step that uses it to the last; two buffers
 * alive at one step may not overlap. Largest first, each goes into the
 * smallest gap that takes it between those already placed and alive with
 * it, or after them. Aliases count for the buffer they stand for.
 *
 * Cost: quadratic in the number of buffers, which is a few hundred.
 */

#include <stdlib.h>
#include <string.h>

#include "core/checked.h"
#include "core/mem.h"
#include "engine/backend.h"

enum { ALIGN = 64 };

struct item {
    int buffer;
    int first, last;
    size_t bytes; /* a multiple of ALIGN */
    size_t offset;
};

/* The buffer whose memory it is; -1 when aliases go in a circle. */
static int root_of(const struct assay__buffer *buffer, int n, int i)
{
    for (int hops = 0; hops <= n; hops++) {
        if (buffer[i].alias < 0)
            return i;
        i = buffer[i].alias;
    }
    return -1;
}

static void live_at(struct assay__buffer *b, int first, int last)
{
    if (b->first < 0 || first < b->first)
        b->first = first;
    if (last > b->last)
        b->last = last;
}

/* Lives of all, those of aliases also in their root; 0, or -1 on a circle. */
static int find_lives(struct assay__buffer *buffer, int n,
                      const struct assay__step *step, int n_steps)
{
    int end = n_steps > 0 ? n_steps - 1 : 0;

    for (int i = 0; i < n; i++)
        buffer[i].first = buffer[i].last = -1;
    for (int s = 0; s < n_steps; s++) {
        for (int k = 0; k < step[s].n_use; k++)
            live_at(&buffer[step[s].use[k]], s, s);
    }
    for (int i = 0; i < n; i++) {
        if (buffer[i].keep)
            live_at(&buffer[i], 0, end);
    }
    for (int i = 0; i < n; i++) {
        int root = root_of(buffer, n, i);

        if (root < 0)
            return -1;
        if (root == i || buffer[i].first < 0)
            continue;
        live_at(&buffer[root], buffer[i].first, buffer[i].last);
        if (buffer[root].bytes < buffer[i].bytes)
            buffer[root].bytes = buffer[i].bytes;
    }
    return 0;
}

static int larger_first(const void *a, const void *b)
{
    const struct item *x = a;
    const struct item *y = b;

    if (x->bytes != y->bytes)
        return x->bytes < y->bytes ? 1 : -1;
    return x->buffer < y->buffer ? -1 : x->buffer > y->buffer;
}

/* Best offset for `it` among the n placed ones, which lie by offset. */
static size_t best_fit(const struct item *placed, int n, const struct item *it)
{
    size_t end = 0;
    size_t best = 0;
    size_t best_gap = SIZE_MAX;

    for (int i = 0; i < n; i++) {
        const struct item *p = &placed[i];

        if (p->last < it->first || p->first > it->last)
            continue;
        if (p->offset > end) {
            size_t gap = p->offset - end;

            if (gap >= it->bytes && gap < best_gap) {
                best_gap = gap;
                best = end;
            }
        }
        if (p->offset + p->bytes > end)
            end = p->offset + p->bytes;
    }
    return best_gap == SIZE_MAX ? end : best;
}

/* Keep `placed` by offset: insert behind those that are not greater. */
static void insert(struct item *placed, int n, const struct item *it)
{
    int at = n;

    while (at > 0 && placed[at - 1].offset > it->offset)
        at--;
    memmove(&placed[at + 1], &placed[at], (size_t)(n - at) * sizeof(*placed));
    placed[at] = *it;
}

/* Buffers that need a place of their own; their count, or -1 on overflow. */
static int collect(const struct assay__buffer *buffer, int n, struct item *item)
{
    size_t total = 0;
    int n_items = 0;

    for (int i = 0; i < n; i++) {
        const struct assay__buffer *b = &buffer[i];
        struct item *it = &item[n_items];

        if (b->alias >= 0 || b->fixed || b->first < 0 || b->bytes == 0)
            continue;
        it->buffer = i;
        it->first = b->first;
        it->last = b->last;
        if (!assay__add_size(b->bytes, ALIGN - 1, &it->bytes))
            return -1;
        it->bytes -= it->bytes % ALIGN;
        if (!assay__add_size(total, it->bytes, &total))
            return -1;
        n_items++;
    }
    return n_items;
}

int assay__place_buffers(struct assay__buffer *buffer, int n,
                         const struct assay__step *step, int n_steps,
                         size_t *slab_bytes, struct assay_error *err)
{
    struct item *item = assay__calloc((size_t)n, sizeof(*item));
    struct item *placed = assay__calloc((size_t)n, sizeof(*placed));
    size_t end = 0;
    int n_items;
    int code = ASSAY_OK;

    if (!item || !placed) {
        code = assay_error_set(err, ASSAY_NOMEM,
                               "out of memory for placing %d buffers", n);
        goto out;
    }
    if (find_lives(buffer, n, step, n_steps) != 0) {
        code = assay_error_set(err, ASSAY_INTERNAL,
                               "aliases of buffers form a circle");
        goto out;
    }
    n_items = collect(buffer, n, item);
    if (n_items < 0) {
        code = assay_error_set(err, ASSAY_LIMIT,
                               "%d buffers exceed the address space", n);
        goto out;
    }
    qsort(item, (size_t)n_items, sizeof(*item), larger_first);
    for (int i = 0; i < n_items; i++) {
        item[i].offset = best_fit(placed, i, &item[i]);
        insert(placed, i, &item[i]);
        buffer[item[i].buffer].offset = item[i].offset;
        if (item[i].offset + item[i].bytes > end)
            end = item[i].offset + item[i].bytes;
    }
    *slab_bytes = end;
out:
    assay__free(item);
    assay__free(placed);
    return code;
}
