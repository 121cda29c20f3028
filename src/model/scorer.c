/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Running a model over a view, batch by batch. One plan of a fixed batch
 * size serves all: the last batch is filled up with its own first row, which
 * changes nothing, since records do not mix in evaluation mode.
 */

#include <stdbool.h>
#include <string.h>

#include "core/mem.h"
#include "model/model.h"

enum {
    SCORER_BATCH = 128,
    ALTERED = ASSAY_EVIDENCE_QUERIES | ASSAY_EVIDENCE_MIRROR
};

/* [batch, columns], or NULL for no columns. */
static bool alloc_rows(float **rows, size_t batch, size_t columns)
{
    *rows = columns ? assay__calloc(batch * columns, sizeof(float)) : NULL;
    return *rows || !columns;
}

static int scorer_alloc(struct assay__scorer *s, unsigned flags)
{
    const struct assay_preprocess *pre = &s->model->preprocess;
    size_t pixels =
        (size_t)pre->channels * (size_t)pre->height * (size_t)pre->width;
    size_t b = (size_t)s->batch;

    s->rows = assay__calloc(b, sizeof(uint32_t));
    if (s->rows && alloc_rows(&s->x, b, pixels) &&
        alloc_rows(&s->logits, b, (size_t)s->model->n_classes) &&
        alloc_rows(&s->embedding, b, (size_t)s->embedding_dim) &&
        alloc_rows(&s->layer, b, (size_t)s->layer_dim) &&
        alloc_rows(&s->altered, b, flags & ALTERED ? pixels : 0))
        return ASSAY_OK;
    return ASSAY_NOMEM;
}

/* Numbers per record of a value. */
static int width_of(const assay_graph *graph, assay_value v)
{
    const struct assay_shape *shape = assay_graph_shape(graph, v);
    int n = 1;

    for (int i = 1; i < shape->rank; i++)
        n *= (int)shape->dim[i];
    return n;
}

int assay__scorer_init(struct assay__scorer *s, const assay_model *m,
                       const assay_graph *graph, assay_plan *share,
                       unsigned flags, const struct assay_compute *compute,
                       int threads, struct assay_error *err)
{
    struct assay_plan_options o = {0};
    assay_value outputs[3] = {m->logits};
    int n_outputs = 1;
    int rc;

    memset(s, 0, sizeof(*s));
    s->model = m;
    s->batch = SCORER_BATCH;
    if (flags & ASSAY_EVIDENCE_EMBEDDING) {
        s->embedding_dim = width_of(graph, m->embedding);
        outputs[n_outputs++] = m->embedding;
    }
    if ((flags & ASSAY_EVIDENCE_LAYER) && m->layer != ASSAY_NO_VALUE) {
        s->layer_dim = width_of(graph, m->layer);
        if (n_outputs == 1 || m->layer != m->embedding)
            outputs[n_outputs++] = m->layer;
    }
    rc = scorer_alloc(s, flags);
    if (rc) {
        assay__scorer_release(s);
        return assay_error_set(err, rc, "evaluation: out of memory");
    }
    o.backend = compute->backend;
    o.batch = s->batch;
    o.mode = ASSAY_MODE_EVAL;
    o.threads = threads;
    o.algorithms = compute->algorithms;
    o.compute = compute->dtype;
    o.tuning = compute->tuning;
    o.outputs = outputs;
    o.n_outputs = n_outputs;
    o.share = share;
    rc = assay_plan_new(&s->plan, graph, &o, err);
    if (!rc && !share)
        rc = assay_plan_load(s->plan, &m->params, err);
    if (rc)
        assay__scorer_release(s);
    return rc;
}

void assay__scorer_release(struct assay__scorer *s)
{
    assay_plan_free(s->plan);
    assay__free(s->x);
    assay__free(s->logits);
    assay__free(s->embedding);
    assay__free(s->layer);
    assay__free(s->altered);
    assay__free(s->rows);
    memset(s, 0, sizeof(*s));
}

int assay__scorer_run(struct assay__scorer *s, const assay_view *view,
                      size_t first, size_t n, struct assay_error *err)
{
    int rc;

    for (size_t i = 0; i < (size_t)s->batch; i++)
        s->rows[i] = (uint32_t)(first + (i < n ? i : 0));
    assay_view_fill(view, s->rows, (size_t)s->batch, NULL, 0, 0, s->x);
    rc = assay_plan_write(s->plan, s->model->input, s->x, err);
    if (!rc)
        rc = assay_plan_run(s->plan, err);
    if (!rc)
        rc = assay_plan_read(s->plan, s->model->logits, s->logits, err);
    if (!rc && s->embedding_dim)
        rc = assay_plan_read(s->plan, s->model->embedding, s->embedding, err);
    if (!rc && s->layer_dim)
        rc = assay_plan_read(s->plan, s->model->layer, s->layer, err);
    return rc;
}

int assay__scorer_query(struct assay__scorer *s, int q, struct assay_error *err)
{
    const struct assay_preprocess *pre = &s->model->preprocess;
    int rc;

    assay__query_alter(q, s->x, (size_t)s->batch * (size_t)pre->channels,
                       pre->height, pre->width, s->altered);
    rc = assay_plan_write(s->plan, s->model->input, s->altered, err);
    if (!rc)
        rc = assay_plan_run(s->plan, err);
    if (!rc)
        rc = assay_plan_read(s->plan, s->model->logits, s->logits, err);
    return rc;
}
