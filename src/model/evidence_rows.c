/* SPDX-License-Identifier: Apache-2.0 */
/* Evidence made of evidence: some rows of it, or two lists in one. */

#include <string.h>

#include "model/model.h"

/* Row `from` of `src` into row `to` of `dst`, which has the same columns. */
static void copy_row(struct assay_evidence *dst, size_t to,
                     const struct assay_evidence *src, size_t from)
{
    size_t k = (size_t)src->n_classes;
    size_t h = (size_t)src->embedding_dim;
    size_t d = (size_t)src->layer_dim;
    size_t q = (size_t)src->n_queries * k;

    memcpy(dst->logits + to * k, src->logits + from * k, k * sizeof(float));
    if (h)
        memcpy(dst->embedding + to * h, src->embedding + from * h,
               h * sizeof(float));
    if (d)
        memcpy(dst->layer + to * d, src->layer + from * d, d * sizeof(float));
    if (q)
        memcpy(dst->queries + to * q, src->queries + from * q,
               q * sizeof(float));
    dst->label[to] = src->label[from];
    dst->record[to] = src->record[from];
}

/* Room for n rows with the columns of e. */
static int alloc_like(struct assay_evidence *out,
                      const struct assay_evidence *e, size_t n,
                      struct assay_error *err)
{
    out->n = n;
    out->n_classes = e->n_classes;
    out->embedding_dim = e->embedding_dim;
    out->layer_dim = e->layer_dim;
    out->n_queries = e->n_queries;
    if (assay__evidence_alloc(out))
        return assay_error_set(err, ASSAY_NOMEM,
                               "evidence: out of memory for %zu records", n);
    return ASSAY_OK;
}

int assay_evidence_select(struct assay_evidence *out,
                          const struct assay_evidence *e, const uint32_t *rows,
                          size_t n, struct assay_error *err)
{
    struct assay_evidence part = {0};
    int rc = alloc_like(&part, e, n, err);

    if (rc)
        return rc;
    for (size_t i = 0; i < n; i++)
        copy_row(&part, i, e, rows[i]);
    *out = part;
    return ASSAY_OK;
}

int assay_evidence_join(struct assay_evidence *out,
                        const struct assay_evidence *a,
                        const struct assay_evidence *b, struct assay_error *err)
{
    struct assay_evidence both = {0};
    int rc;

    if (a->n_classes != b->n_classes || a->embedding_dim != b->embedding_dim ||
        a->layer_dim != b->layer_dim || a->n_queries != b->n_queries)
        return assay_error_set(err, ASSAY_SHAPE,
                               "evidence of %d classes, embedding %d, layer "
                               "%d, %d queries beside %d, %d, %d, %d",
                               a->n_classes, a->embedding_dim, a->layer_dim,
                               a->n_queries, b->n_classes, b->embedding_dim,
                               b->layer_dim, b->n_queries);
    rc = alloc_like(&both, a, a->n + b->n, err);
    if (rc)
        return rc;
    for (size_t i = 0; i < a->n; i++)
        copy_row(&both, i, a, i);
    for (size_t i = 0; i < b->n; i++)
        copy_row(&both, a->n + i, b, i);
    *out = both;
    return ASSAY_OK;
}

int32_t assay_evidence_class(const struct assay_evidence *e, size_t i)
{
    return assay__argmax(e->logits + i * (size_t)e->n_classes, e->n_classes);
}
