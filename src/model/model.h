/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_MODEL_MODEL_H
#define ASSAY_MODEL_MODEL_H

/* The inside of a model, for this folder alone. */

#include "assay/model.h"

struct assay_model {
    char *arch;
    enum assay_norm norm;
    int n_classes;
    struct assay_preprocess preprocess;
    assay_graph *graph;
    assay_value input;
    assay_value logits;
    assay_value embedding;
    struct assay_params params;
    struct assay_tensors notes; /* its metadata list alone is used */
};

/* A model of this description, without parameters. */
int assay__model_build(assay_model **out, const struct assay_model_spec *spec,
                       struct assay_error *err) ASSAY_MUST_CHECK;

/* Every label of the view is a class of the model, or ASSAY_DATA. */
int assay__labels_fit(const assay_model *m, const assay_view *view,
                      struct assay_error *err) ASSAY_MUST_CHECK;

/*
 * Evaluation in batches of a fixed size: a plan in evaluation mode whose
 * last, short batch is filled up with copies of its first row.
 */
struct assay__scorer {
    assay_plan *plan;
    const assay_model *model;
    int64_t batch;
    int embedding_dim; /* 0: logits alone */
    float *x;          /* [batch, C, H, W] */
    float *logits;     /* [batch, K] */
    float *embedding;  /* [batch, h] */
    float *altered;    /* [batch, C, H, W], with queries */
    uint32_t *rows;    /* [batch] */
};

/* `graph` holds the model's values under equal ids (its own graph or a
 * clone with a loss); `share` is NULL or a plan of that graph. When `share`
 * is NULL the model's parameters are loaded. */
int assay__scorer_init(struct assay__scorer *s, const assay_model *m,
                       const assay_graph *graph, assay_plan *share,
                       unsigned flags, const struct assay_compute *compute,
                       int threads, struct assay_error *err) ASSAY_MUST_CHECK;
void assay__scorer_release(struct assay__scorer *s);
/* Score rows first .. first+n-1 of the view (n <= batch). */
int assay__scorer_run(struct assay__scorer *s, const assay_view *view,
                      size_t first, size_t n,
                      struct assay_error *err) ASSAY_MUST_CHECK;

/* Score altered copy q of the rows that were scored last: logits alone. */
int assay__scorer_query(struct assay__scorer *s, int q,
                        struct assay_error *err) ASSAY_MUST_CHECK;

/* Altered copy q, below ASSAY_QUERIES, of `planes` images of one channel. */
void assay__query_alter(int q, const float *x, size_t planes, int height,
                        int width, float *out);

/* Room for n records of k classes, h numbers of embedding and q queries: OK
 * or NOMEM, with nothing held then. */
int assay__evidence_alloc(struct assay_evidence *e, size_t n, int k, int h,
                          int q) ASSAY_MUST_CHECK;

/* Index of the largest of k values; ties go to the lowest. */
int assay__argmax(const float *x, int k);

#endif
