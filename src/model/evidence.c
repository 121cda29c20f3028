/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Evidence: what a model says of records. Collected once per model and set
 * of records, in evaluation mode, and from then on data: attacks work on
 * these arrays and never run the model again. What is derived from logits
 * (log-probabilities, LiRA's scaled confidence) is computed in double from
 * the largest logit down, so that confident models lose no digits.
 */

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "core/mem.h"
#include "model/model.h"

int assay__argmax(const float *x, int k)
{
    int best = 0;

    for (int i = 1; i < k; i++)
        if (x[i] > x[best])
            best = i;
    return best;
}

/* [n, columns], or NULL for no columns. */
static bool alloc_rows(float **rows, size_t n, size_t columns)
{
    *rows = columns ? assay__calloc(n * columns, sizeof(float)) : NULL;
    return *rows || !columns;
}

int assay__evidence_alloc(struct assay_evidence *e)
{
    size_t k = (size_t)e->n_classes;

    e->label = assay__calloc(e->n, sizeof(int32_t));
    e->record = assay__calloc(e->n, sizeof(uint32_t));
    if (e->label && e->record && alloc_rows(&e->logits, e->n, k) &&
        alloc_rows(&e->embedding, e->n, (size_t)e->embedding_dim) &&
        alloc_rows(&e->layer, e->n, (size_t)e->layer_dim) &&
        alloc_rows(&e->queries, e->n, (size_t)e->n_queries * k))
        return ASSAY_OK;
    assay_evidence_release(e);
    return ASSAY_NOMEM;
}

void assay_evidence_release(struct assay_evidence *e)
{
    assay__free(e->logits);
    assay__free(e->embedding);
    assay__free(e->layer);
    assay__free(e->queries);
    assay__free(e->label);
    assay__free(e->record);
    memset(e, 0, sizeof(*e));
}

/* Refuse numbers that are not finite among the logits of n rows. */
static int check_finite(const struct assay__scorer *s, const assay_view *view,
                        size_t first, size_t n, struct assay_error *err)
{
    size_t k = (size_t)s->model->n_classes;

    for (size_t i = 0; i < n * k; i++)
        if (!isfinite(s->logits[i]))
            return assay_error_set(
                err, ASSAY_NUMERIC,
                "logit %zu of record %u is not finite: the model's numbers "
                "overflow on this input",
                i % k, assay_view_record(view, first + i / k));
    return ASSAY_OK;
}

/* n rows to row `first` of `to`, where there are any. */
static void keep_rows(float *to, const float *from, size_t first, size_t n,
                      int columns)
{
    size_t k = (size_t)columns;

    if (to && from)
        memcpy(to + first * k, from, n * k * sizeof(float));
}

/* Copy a batch out of the scorer. */
static int keep_batch(struct assay_evidence *e, const struct assay__scorer *s,
                      const assay_view *view, size_t first, size_t n,
                      struct assay_error *err)
{
    int rc = check_finite(s, view, first, n, err);

    if (rc)
        return rc;
    keep_rows(e->logits, s->logits, first, n, e->n_classes);
    keep_rows(e->embedding, s->embedding, first, n, e->embedding_dim);
    keep_rows(e->layer, s->layer, first, n, e->layer_dim);
    for (size_t i = 0; i < n; i++) {
        e->label[first + i] = assay_view_label(view, first + i);
        e->record[first + i] = assay_view_record(view, first + i);
    }
    return ASSAY_OK;
}

/* Ask about the altered copies of the batch that was scored last. */
static int keep_queries(struct assay_evidence *e, struct assay__scorer *s,
                        const assay_view *view, size_t first, size_t n,
                        struct assay_error *err)
{
    size_t k = (size_t)e->n_classes;
    size_t row = (size_t)e->n_queries * k;
    int rc = ASSAY_OK;

    for (int q = 0; !rc && q < e->n_queries; q++) {
        rc = assay__scorer_query(s, q, err);
        if (!rc)
            rc = check_finite(s, view, first, n, err);
        for (size_t i = 0; !rc && i < n; i++)
            memcpy(e->queries + (first + i) * row + (size_t)q * k,
                   s->logits + i * k, k * sizeof(float));
    }
    return rc;
}

/* Altered copies that the flags ask about. */
static int queries_of(unsigned flags)
{
    if (flags & ASSAY_EVIDENCE_QUERIES)
        return ASSAY_QUERIES;
    return flags & ASSAY_EVIDENCE_MIRROR ? 1 : 0;
}

int assay_evidence_collect(struct assay_evidence *out,
                           const struct assay_context *ctx,
                           const assay_model *m, const assay_view *view,
                           unsigned flags, const struct assay_compute *compute,
                           const char *task, struct assay_error *err)
{
    struct assay_evidence e = {0};
    struct assay__scorer s;
    struct assay_progress step = {task, "records", NULL, 0,
                                  assay_view_count(view)};
    size_t n = assay_view_count(view);
    int rc;

    if (!(flags & ASSAY_EVIDENCE_FOREIGN)) {
        rc = assay__labels_fit(m, view, err);
        if (rc)
            return rc;
    }
    rc = assay__scorer_init(&s, m, m->graph, NULL, flags, compute,
                            compute->threads ? compute->threads : ctx->threads,
                            err);
    if (rc)
        return rc;
    e.n = n;
    e.n_classes = m->n_classes;
    e.embedding_dim = s.embedding_dim;
    e.layer_dim = s.layer_dim;
    e.n_queries = queries_of(flags);
    rc = assay__evidence_alloc(&e);
    if (rc)
        rc = assay_error_set(err, rc, "%s: out of memory for %zu records", task,
                             n);
    for (size_t first = 0; !rc && first < n; first += (size_t)s.batch) {
        size_t count =
            n - first < (size_t)s.batch ? n - first : (size_t)s.batch;

        rc = assay_context_check(ctx, err);
        if (!rc)
            rc = assay__scorer_run(&s, view, first, count, err);
        if (!rc)
            rc = keep_batch(&e, &s, view, first, count, err);
        if (!rc)
            rc = keep_queries(&e, &s, view, first, count, err);
        step.done = first + count;
        assay_progress(ctx, &step);
    }
    assay__scorer_release(&s);
    if (rc) {
        assay_evidence_release(&e);
        return rc;
    }
    if (flags & ASSAY_EVIDENCE_FOREIGN)
        memset(e.label, 0, n * sizeof(*e.label));
    *out = e;
    return ASSAY_OK;
}

struct assay_estimate assay_evidence_accuracy(const struct assay_evidence *e)
{
    size_t right = 0;

    for (size_t i = 0; i < e->n; i++)
        right += assay__argmax(e->logits + i * (size_t)e->n_classes,
                               e->n_classes) == e->label[i];
    return assay_proportion(right, e->n);
}

/* The largest of K logits, and the sum of exp(logit - largest) with and
 * without the label's class. */
struct row_sums {
    double top;
    double all;
    double others;
};

static struct row_sums row_sums(const float *x, int n_classes, int32_t label)
{
    struct row_sums r = {-(double)INFINITY, 0, 0};

    for (int k = 0; k < n_classes; k++)
        r.top = fmax(r.top, (double)x[k]);
    for (int k = 0; k < n_classes; k++) {
        double part = exp((double)x[k] - r.top);

        r.all += part;
        if (k != label)
            r.others += part;
    }
    return r;
}

static const float *logits_of(const struct assay_evidence *e, size_t i)
{
    return e->logits + i * (size_t)e->n_classes;
}

void assay_evidence_log_prob(const struct assay_evidence *e, double *out)
{
    for (size_t i = 0; i < e->n; i++) {
        const float *x = logits_of(e, i);
        struct row_sums r = row_sums(x, e->n_classes, e->label[i]);

        out[i] = (double)x[e->label[i]] - r.top - log(r.all);
    }
}

/* log p - log(1 - p) for the label's p. */
static double scaled_confidence(const float *x, int n_classes, int32_t label)
{
    struct row_sums r = row_sums(x, n_classes, label);

    return (double)x[label] - r.top - log(fmax(r.others, 1e-300));
}

void assay_evidence_scaled_confidence(const struct assay_evidence *e,
                                      double *out)
{
    for (size_t i = 0; i < e->n; i++)
        out[i] = scaled_confidence(logits_of(e, i), e->n_classes, e->label[i]);
}

void assay_evidence_query_confidence(const struct assay_evidence *e, size_t i,
                                     double *out)
{
    size_t k = (size_t)e->n_classes;

    for (size_t q = 0; q < (size_t)e->n_queries; q++)
        out[q] =
            scaled_confidence(e->queries + (i * (size_t)e->n_queries + q) * k,
                              e->n_classes, e->label[i]);
}

void assay_evidence_probs(const struct assay_evidence *e, size_t i, double *out)
{
    const float *x = logits_of(e, i);
    struct row_sums r = row_sums(x, e->n_classes, e->label[i]);

    for (int k = 0; k < e->n_classes; k++)
        out[k] = exp((double)x[k] - r.top) / r.all;
}
