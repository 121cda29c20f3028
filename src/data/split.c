/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Splits. The quarters are consecutive runs of one permutation of all
 * records; only dataset, seed and size determine them. A split is stored as
 * safetensors: one u32 tensor per quarter, named after it, and metadata
 * that ties it to its dataset by hash. Reading trusts none of it.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "assay/format.h"
#include "assay/rng.h"
#include "core/fs.h"
#include "core/mem.h"
#include "data/data.h"

static const char *const quarter_names[ASSAY_QUARTERS] = {
    [ASSAY_TARGET_TRAIN] = "target-train",
    [ASSAY_TARGET_TEST] = "target-test",
    [ASSAY_SHADOW_TRAIN] = "shadow-train",
    [ASSAY_SHADOW_TEST] = "shadow-test",
};

const char *assay_quarter_name(enum assay_quarter quarter)
{
    return quarter_names[quarter];
}

static int hash(struct assay_split *split, const assay_dataset *ds,
                struct assay_error *err)
{
    struct assay__sha256 h;
    int rc = assay__sha256_begin(&h);

    if (rc)
        return assay_error_set(err, rc, "cannot hash the split");
    assay__sha256_add(&h, ds->sha256, strlen(ds->sha256));
    for (int q = 0; q < ASSAY_QUARTERS; q++)
        assay__sha256_add(&h, split->index[q],
                          split->n * sizeof(*split->index[q]));
    assay__sha256_end(&h, split->sha256);
    return ASSAY_OK;
}

static int allocate(struct assay_split *split, uint64_t seed, size_t n,
                    struct assay_error *err)
{
    *split = (struct assay_split){.seed = seed, .n = n};
    for (int q = 0; q < ASSAY_QUARTERS; q++) {
        split->index[q] = assay__calloc(n, sizeof(*split->index[q]));
        if (!split->index[q]) {
            assay_split_release(split);
            return assay_error_set(err, ASSAY_NOMEM,
                                   "no memory for quarters of %zu", n);
        }
    }
    return ASSAY_OK;
}

void assay_split_release(struct assay_split *split)
{
    for (int q = 0; q < ASSAY_QUARTERS; q++)
        assay__free(split->index[q]);
    memset(split, 0, sizeof(*split));
}

/* first .. first + n - 1, shuffled, into a fresh list; NULL: no memory. */
static uint32_t *draw(uint64_t seed, uint64_t stream, size_t first, size_t n)
{
    uint32_t *order = assay__calloc(n, sizeof(*order));
    struct assay_rng rng;

    for (size_t i = 0; order && i < n; i++)
        order[i] = (uint32_t)(first + i);
    assay_rng_init(&rng, seed, "split", stream);
    if (order)
        assay_rng_shuffle(&rng, order, n);
    return order;
}

int assay_split_make_of(struct assay_split *split, const assay_dataset *ds,
                        size_t n_members, uint64_t seed, size_t n_each,
                        struct assay_error *err)
{
    size_t others = ds->n - n_members;
    size_t n = n_members < others / 3 ? n_members : others / 3;
    struct assay_split made;
    uint32_t *member;
    uint32_t *other;
    int rc;

    if (n == 0 || n_each > n)
        return assay_error_set(err, ASSAY_DATA,
                               "%zu members and %zu others give quarters of "
                               "%zu records, one of members and three of "
                               "others; %zu are needed",
                               n_members, others, n, n_each ? n_each : 1);
    if (n_each)
        n = n_each;
    rc = allocate(&made, seed, n, err);
    if (rc)
        return rc;
    member = draw(seed, 0, 0, n_members);
    other = draw(seed, 1, n_members, others);
    if (member && other) {
        memcpy(made.index[ASSAY_TARGET_TRAIN], member, n * sizeof(*member));
        for (size_t q = 1; q < ASSAY_QUARTERS; q++)
            memcpy(made.index[q], other + (q - 1) * n, n * sizeof(*other));
        rc = hash(&made, ds, err);
    } else {
        rc = assay_error_set(err, ASSAY_NOMEM, "no memory for %zu indices",
                             ds->n);
    }
    assay__free(member);
    assay__free(other);
    if (rc)
        assay_split_release(&made);
    else
        *split = made;
    return rc;
}

int assay_split_make(struct assay_split *split, const assay_dataset *ds,
                     uint64_t seed, size_t n_each, struct assay_error *err)
{
    size_t n = ds->n / ASSAY_QUARTERS;
    struct assay_split made;
    uint32_t *order;
    int rc;

    if (n == 0)
        return assay_error_set(err, ASSAY_DATA,
                               "%zu records cannot be split in four", ds->n);
    if (n_each > n)
        return assay_error_set(
            err, ASSAY_ARG,
            "%zu records per quarter asked for, %zu records give %zu", n_each,
            ds->n, n);
    if (n_each)
        n = n_each;

    rc = allocate(&made, seed, n, err);
    if (rc)
        return rc;
    order = draw(seed, 0, 0, ds->n);
    if (!order) {
        rc = assay_error_set(err, ASSAY_NOMEM, "no memory for %zu indices",
                             ds->n);
        goto out;
    }
    for (size_t q = 0; q < ASSAY_QUARTERS; q++)
        memcpy(made.index[q], order + q * n, n * sizeof(*order));
    rc = hash(&made, ds, err);

out:
    assay__free(order);
    if (rc)
        assay_split_release(&made);
    else
        *split = made;
    return rc;
}

static int describe(struct assay_tensors *list, const struct assay_split *split,
                    const assay_dataset *ds, struct assay_error *err)
{
    char seed[24];
    int rc;

    snprintf(seed, sizeof(seed), "%llu", (unsigned long long)split->seed);
    rc = assay_tensors_set_meta(list, "kind", "assay split 1", err);
    if (!rc)
        rc = assay_tensors_set_meta(list, "dataset", ds->name, err);
    if (!rc)
        rc = assay_tensors_set_meta(list, "dataset_sha256", ds->sha256, err);
    if (!rc)
        rc = assay_tensors_set_meta(list, "seed", seed, err);
    if (!rc)
        rc = assay_tensors_set_meta(list, "sha256", split->sha256, err);
    return rc;
}

int assay_split_write(const struct assay_split *split, const assay_dataset *ds,
                      const char *path, struct assay_error *err)
{
    struct assay_shape shape = {.rank = 1, .dim = {(int64_t)split->n}};
    struct assay_tensors list;
    int rc;

    assay_tensors_init(&list);
    rc = describe(&list, split, ds, err);
    for (int q = 0; q < ASSAY_QUARTERS && !rc; q++) {
        struct assay_tensor *t = NULL;

        rc = assay_tensors_add(&list, quarter_names[q], ASSAY_DTYPE_U32, &shape,
                               &t, err);
        if (!rc)
            memcpy(t->data, split->index[q],
                   split->n * sizeof(*split->index[q]));
    }
    if (!rc)
        rc = assay_tensors_write(&list, path, err);
    assay_tensors_release(&list);
    return rc;
}

static int check_meta(const struct assay_tensors *list, const assay_dataset *ds,
                      struct assay_error *err)
{
    const char *kind = assay_tensors_meta(list, "kind");
    const char *hash = assay_tensors_meta(list, "dataset_sha256");
    const char *name = assay_tensors_meta(list, "dataset");

    if (!kind || strcmp(kind, "assay split 1") != 0 || !hash ||
        !assay_tensors_meta(list, "seed") ||
        !assay_tensors_meta(list, "sha256"))
        return assay_error_set(err, ASSAY_FORMAT, "not a split");
    if (strcmp(hash, ds->sha256) != 0)
        return assay_error_set(
            err, ASSAY_DATA,
            "split of another dataset (%.40s, %.8s...), not of %.40s, %.8s...",
            name ? name : "?", hash, ds->name, ds->sha256);
    return ASSAY_OK;
}

/* Copy quarter q; `used` has a byte per record of the dataset. */
static int take_quarter(struct assay_split *split,
                        const struct assay_tensors *list,
                        const assay_dataset *ds, unsigned char *used, int q,
                        struct assay_error *err)
{
    const struct assay_tensor *t = assay_tensors_find(list, quarter_names[q]);
    const uint32_t *index;

    if (!t || t->dtype != ASSAY_DTYPE_U32 || t->shape.rank != 1 ||
        (size_t)t->shape.dim[0] != split->n)
        return assay_error_set(err, ASSAY_FORMAT,
                               "'%s' is not a list of %zu indices (u32)",
                               quarter_names[q], split->n);
    index = t->data;
    for (size_t i = 0; i < split->n; i++) {
        if (index[i] >= ds->n)
            return assay_error_set(err, ASSAY_DATA,
                                   "'%s' %zu: record %u, the dataset has %zu",
                                   quarter_names[q], i, index[i], ds->n);
        if (used[index[i]])
            return assay_error_set(err, ASSAY_DATA,
                                   "'%s' %zu: record %u occurs twice",
                                   quarter_names[q], i, index[i]);
        used[index[i]] = 1;
        split->index[q][i] = index[i];
    }
    return ASSAY_OK;
}

static int take_split(struct assay_split *split,
                      const struct assay_tensors *list, const assay_dataset *ds,
                      struct assay_error *err)
{
    const struct assay_tensor *first =
        assay_tensors_find(list, quarter_names[0]);
    unsigned char *used = NULL;
    int rc;

    rc = check_meta(list, ds, err);
    if (rc)
        return rc;
    if (!first || first->shape.rank != 1 || first->shape.dim[0] < 1 ||
        (size_t)first->shape.dim[0] > ds->n)
        return assay_error_set(err, ASSAY_FORMAT,
                               "'%s' is not a list of 1 to %zu indices",
                               quarter_names[0], ds->n);
    rc = allocate(split, strtoull(assay_tensors_meta(list, "seed"), NULL, 10),
                  (size_t)first->shape.dim[0], err);
    if (rc)
        return rc;

    used = assay__calloc(ds->n, 1);
    if (!used)
        rc = assay_error_set(err, ASSAY_NOMEM, "no memory for a split");
    for (int q = 0; q < ASSAY_QUARTERS && !rc; q++)
        rc = take_quarter(split, list, ds, used, q, err);
    if (!rc)
        rc = hash(split, ds, err);
    if (!rc && strcmp(split->sha256, assay_tensors_meta(list, "sha256")) != 0)
        rc = assay_error_set(err, ASSAY_FORMAT,
                             "the indices' hash is not the one stored");
    if (rc)
        assay_split_release(split);
    assay__free(used);
    return rc;
}

int assay_split_read(struct assay_split *split, const assay_dataset *ds,
                     const char *path, struct assay_error *err)
{
    struct assay_tensors list;
    struct assay_split read;
    int rc;

    assay_tensors_init(&list);
    rc = assay_tensors_read(&list, path, err);
    if (rc)
        return rc;
    rc = take_split(&read, &list, ds, err);
    if (rc)
        rc = assay_error_prefix(err, rc, "%s", path);
    else
        *split = read;
    assay_tensors_release(&list);
    return rc;
}
