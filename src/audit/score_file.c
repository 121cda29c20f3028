/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scores as files: safetensors with `score` F64, `member` U8, `record` U32
 * (index in the dataset) and `row` U32, the fitted threshold in the
 * metadata. What is written is read back to the same bits.
 */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "assay/format.h"
#include "audit/audit.h"
#include "core/mem.h"

static uint32_t record_of(const struct assay_attack_input *in, uint32_t row)
{
    return row < in->members->n ? in->members->record[row]
                                : in->nonmembers->record[row - in->members->n];
}

static int add(struct assay_tensors *list, const char *name,
               enum assay_dtype dtype, size_t n, struct assay_tensor **out,
               struct assay_error *err)
{
    struct assay_shape shape = assay_shape_make(1, (int64_t)n);

    return assay_tensors_add(list, name, dtype, &shape, out, err);
}

int assay__scores_write(const struct assay_membership_scores *s,
                        const struct assay_attack_input *in,
                        const struct assay_attack *attack, const char *path,
                        struct assay_error *err)
{
    struct assay_tensors list;
    struct assay_tensor *t = NULL;
    char threshold[40];
    size_t i;
    int code;

    assay_tensors_init(&list);
    snprintf(threshold, sizeof(threshold), "%.17g", s->threshold);
    code = assay_tensors_set_meta(&list, "attack", attack->name, err);
    if (code == ASSAY_OK)
        code = assay_tensors_set_meta(
            &list, "threshold", isnan(s->threshold) ? "nan" : threshold, err);
    if (code == ASSAY_OK)
        code = add(&list, "score", ASSAY_DTYPE_F64, s->n, &t, err);
    if (code == ASSAY_OK)
        memcpy(t->data, s->score, s->n * sizeof(double));
    if (code == ASSAY_OK)
        code = add(&list, "member", ASSAY_DTYPE_U8, s->n, &t, err);
    if (code == ASSAY_OK)
        memcpy(t->data, s->member, s->n);
    if (code == ASSAY_OK)
        code = add(&list, "row", ASSAY_DTYPE_U32, s->n, &t, err);
    if (code == ASSAY_OK)
        memcpy(t->data, s->row, s->n * sizeof(uint32_t));
    if (code == ASSAY_OK)
        code = add(&list, "record", ASSAY_DTYPE_U32, s->n, &t, err);
    for (i = 0; code == ASSAY_OK && i < s->n; i++)
        ((uint32_t *)t->data)[i] = record_of(in, s->row[i]);
    if (code == ASSAY_OK)
        code = assay_tensors_write(&list, path, err);
    assay_tensors_release(&list);
    return code;
}

static const struct assay_tensor *column(const struct assay_tensors *list,
                                         const char *name,
                                         enum assay_dtype dtype, size_t n)
{
    const struct assay_tensor *t = assay_tensors_find(list, name);

    if (t == NULL || t->dtype != dtype || t->shape.rank != 1 ||
        t->shape.dim[0] != (int64_t)n)
        return NULL;
    return t;
}

int assay__scores_read(struct assay_membership_scores *s, const char *path,
                       struct assay_error *err)
{
    const struct assay_tensor *score;
    const struct assay_tensor *member;
    const struct assay_tensor *row;
    struct assay_tensors list;
    const char *threshold;
    size_t n;
    int code;

    assay_tensors_init(&list);
    code = assay_tensors_read(&list, path, err);
    if (code != ASSAY_OK)
        return code;
    score = assay_tensors_find(&list, "score");
    n = score != NULL && score->shape.rank == 1 ? (size_t)score->shape.dim[0]
                                                : 0;
    score = column(&list, "score", ASSAY_DTYPE_F64, n);
    member = column(&list, "member", ASSAY_DTYPE_U8, n);
    row = column(&list, "row", ASSAY_DTYPE_U32, n);
    threshold = assay_tensors_meta(&list, "threshold");
    if (n == 0 || score == NULL || member == NULL || row == NULL ||
        threshold == NULL) {
        code = assay_error_set(err, ASSAY_FORMAT,
                               "%.120s: not a file of scores", path);
        goto out;
    }
    memset(s, 0, sizeof(*s));
    s->score = assay__malloc(n * sizeof(*s->score));
    s->member = assay__malloc(n * sizeof(*s->member));
    s->row = assay__malloc(n * sizeof(*s->row));
    if (s->score == NULL || s->member == NULL || s->row == NULL) {
        assay_membership_scores_release(s);
        code = assay_error_set(err, ASSAY_NOMEM, "%.120s: %zu scores", path, n);
        goto out;
    }
    s->n = n;
    memcpy(s->score, score->data, n * sizeof(*s->score));
    memcpy(s->member, member->data, n * sizeof(*s->member));
    memcpy(s->row, row->data, n * sizeof(*s->row));
    s->threshold = strtod(threshold, NULL);

out:
    assay_tensors_release(&list);
    return code;
}
