/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers about pixels in memory. The scorer's plan of a fixed batch does
 * the work; a short last batch is filled up with its first image.
 */

#include <string.h>

#include "core/mem.h"
#include "model/model.h"

struct assay_predictor {
    struct assay__scorer scorer;
    size_t pixels; /* of one image */
};

int assay_predictor_new(assay_predictor **out, const assay_model *m,
                        const struct assay_compute *compute, int threads,
                        struct assay_error *err)
{
    const struct assay_preprocess *pre = &m->preprocess;
    assay_predictor *p = assay__calloc(1, sizeof(*p));
    int rc;

    if (!p)
        return assay_error_set(err, ASSAY_NOMEM, "predictor: out of memory");
    p->pixels =
        (size_t)pre->channels * (size_t)pre->height * (size_t)pre->width;
    rc = assay__scorer_init(&p->scorer, m, m->graph, NULL,
                            ASSAY_EVIDENCE_EMBEDDING, compute, threads, err);
    if (rc) {
        assay__free(p);
        return rc;
    }
    *out = p;
    return ASSAY_OK;
}

void assay_predictor_free(assay_predictor *p)
{
    if (!p)
        return;
    assay__scorer_release(&p->scorer);
    assay__free(p);
}

static int run_batch(assay_predictor *p, const float *x, size_t n,
                     struct assay_error *err)
{
    struct assay__scorer *s = &p->scorer;
    int rc;

    for (size_t i = 0; i < (size_t)s->batch; i++)
        memcpy(s->x + i * p->pixels, x + (i < n ? i : 0) * p->pixels,
               p->pixels * sizeof(float));
    rc = assay_plan_write(s->plan, s->model->input, s->x, err);
    if (!rc)
        rc = assay_plan_run(s->plan, err);
    if (!rc)
        rc = assay_plan_read(s->plan, s->model->logits, s->logits, err);
    if (!rc)
        rc = assay_plan_read(s->plan, s->model->embedding, s->embedding, err);
    return rc;
}

int assay_predictor_run(assay_predictor *p, const float *x, size_t n,
                        float *logits, float *embedding,
                        struct assay_error *err)
{
    struct assay__scorer *s = &p->scorer;
    size_t batch = (size_t)s->batch;
    size_t k = (size_t)s->model->n_classes;
    size_t h = (size_t)s->embedding_dim;
    int rc = ASSAY_OK;

    for (size_t first = 0; first < n && !rc; first += batch) {
        size_t count = n - first < batch ? n - first : batch;

        rc = run_batch(p, x + first * p->pixels, count, err);
        if (rc)
            break;
        memcpy(logits + first * k, s->logits, count * k * sizeof(float));
        if (embedding)
            memcpy(embedding + first * h, s->embedding,
                   count * h * sizeof(float));
    }
    return rc;
}
