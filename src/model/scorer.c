/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Running a model over a view, batch by batch. One plan of a fixed batch
 * size serves all: the last batch is filled up with its own first row, which
 * changes nothing, since records do not mix in evaluation mode.
 */

#include <string.h>

#include "core/mem.h"
#include "model/model.h"

enum {
    SCORER_BATCH = 128,
    ALTERED = ASSAY_EVIDENCE_QUERIES | ASSAY_EVIDENCE_MIRROR
};

static int scorer_alloc(struct assay__scorer *s, unsigned flags)
{
    const struct assay_preprocess *pre = &s->model->preprocess;
    size_t pixels =
        (size_t)pre->channels * (size_t)pre->height * (size_t)pre->width;
    size_t b = (size_t)s->batch;

    s->x = assay__calloc(b * pixels, sizeof(float));
    s->logits = assay__calloc(b * (size_t)s->model->n_classes, sizeof(float));
    s->rows = assay__calloc(b, sizeof(uint32_t));
    if (s->embedding_dim)
        s->embedding =
            assay__calloc(b * (size_t)s->embedding_dim, sizeof(float));
    if (flags & ALTERED)
        s->altered = assay__calloc(b * pixels, sizeof(float));
    if (!s->x || !s->logits || !s->rows ||
        (s->embedding_dim && !s->embedding) ||
        ((flags & ALTERED) && !s->altered))
        return ASSAY_NOMEM;
    return ASSAY_OK;
}

int assay__scorer_init(struct assay__scorer *s, const assay_model *m,
                       const assay_graph *graph, assay_plan *share,
                       unsigned flags, const struct assay_compute *compute,
                       int threads, struct assay_error *err)
{
    struct assay_plan_options o = {0};
    assay_value outputs[2] = {m->logits, m->embedding};
    int rc;

    memset(s, 0, sizeof(*s));
    s->model = m;
    s->batch = SCORER_BATCH;
    if (flags & ASSAY_EVIDENCE_EMBEDDING)
        s->embedding_dim = (int)assay_graph_shape(graph, m->embedding)->dim[1];
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
    o.n_outputs = s->embedding_dim ? 2 : 1;
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
