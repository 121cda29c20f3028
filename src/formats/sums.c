/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checksums of bytes that stay in a mapped file (assay/format.h): noted when
 * the file is opened, compared before the values are used. Several are
 * compared side by side, since one core does not read memory as fast as the
 * machine can.
 */

#include "assay/format.h"
#include "core/mem.h"
#include "core/thread.h"
#include "formats/crc32.h"
#include "formats/format.h"

enum { WORKERS_MAX = 4, ALONE = 1 << 20 /* bytes not worth a thread */ };

static bool holds(const void *block, size_t block_size, const void *at,
                  size_t size)
{
    uintptr_t from = (uintptr_t)block;
    uintptr_t first = (uintptr_t)at;

    return block && first >= from && first - from <= block_size &&
           size <= block_size - (first - from);
}

bool assay__sums_can(const struct assay_tensors *list, const void *at,
                     size_t size)
{
    return size > 0 && holds(list->map, list->map_bytes, at, size);
}

int assay__sums_add(struct assay_tensors *list,
                    const struct assay_tensor_sum *sum, struct assay_error *err)
{
    if (list->n_sums == list->cap_sums) {
        size_t cap = list->cap_sums ? 2 * list->cap_sums : 8;
        struct assay_tensor_sum *more =
            assay__realloc(list->sum, cap, sizeof(*more));

        if (!more)
            return assay_error_set(err, ASSAY_NOMEM,
                                   "no memory for a checksum");
        list->sum = more;
        list->cap_sums = cap;
    }
    list->sum[list->n_sums++] = *sum;
    return ASSAY_OK;
}

static int check(void *user, size_t i, struct assay_error *err)
{
    struct assay_tensors *list = user;
    struct assay_tensor_sum *s = &list->sum[i];
    const unsigned char *map = list->map;

    if (!s->passed && assay__crc32(s->at, s->size) != s->crc)
        return assay_error_set(err, ASSAY_FORMAT,
                               "byte %zu: zip member '%.*s' does not have its "
                               "checksum",
                               (size_t)(s->at - map),
                               (int)(s->n_name < 60 ? s->n_name : 60), s->name);
    s->passed = 1;
    return ASSAY_OK;
}

int assay__sums_check(struct assay_tensors *list, const void *at,
                      struct assay_error *err)
{
    /* The newest are asked for most. */
    for (size_t i = list->n_sums; i > 0; i--) {
        if (holds(list->sum[i - 1].at, list->sum[i - 1].size, at, 1))
            return check(list, i - 1, err);
    }
    return ASSAY_OK;
}

int assay_tensors_check(struct assay_tensors *list,
                        const struct assay_tensor *t, struct assay_error *err)
{
    int n = assay__thread_cores();
    size_t bytes = 0;

    if (t)
        return assay__sums_check(list, t->data, err);
    for (size_t i = 0; i < list->n_sums; i++)
        bytes += list->sum[i].passed ? 0 : list->sum[i].size;
    if (bytes < ALONE)
        n = 1;
    return assay__thread_run(n < WORKERS_MAX ? n : WORKERS_MAX, list->n_sums,
                             check, list, err);
}
