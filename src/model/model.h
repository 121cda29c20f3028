/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_MODEL_MODEL_H
#define ASSAY_MODEL_MODEL_H

/* The inside of a model, for this folder alone. */

#include "assay/model.h"

struct json_t; /* jansson's */

struct assay_model {
    char *arch;   /* "onnx" or "keras" when the graph is a file's own, "host"
                     when it is several models' */
    char *origin; /* SHA-256 of that file, or what a host is made of; else
                     NULL */
    enum assay_norm norm;
    int n_classes;
    struct assay_preprocess preprocess;
    assay_graph *graph;
    assay_value input;
    assay_value logits;
    assay_value embedding;
    assay_value layer; /* chosen, or ASSAY_NO_VALUE */
    struct assay_params params;
    struct assay_tensors notes; /* its metadata list alone is used */
};

/* own_graph.c: whether a file is of a kind that holds its own graph, ONNX or
 * Keras, by its name; and such a file with the sidecar that it may have. */
int assay__model_owns_graph(const char *path);
int assay__model_open_graph(assay_model **out, const char *path,
                            struct assay_error *err) ASSAY_MUST_CHECK;

/* A model of this description, without parameters. */
int assay__model_build(assay_model **out, const struct assay_model_spec *spec,
                       struct assay_error *err) ASSAY_MUST_CHECK;
/* The same of a sidecar's list of layers (layers.c), with sizes from the
 * tensors; `side` is the sidecar's path. */
int assay__model_from_layers(assay_model **out,
                             const struct assay_preprocess *pre,
                             const struct json_t *layers,
                             const struct assay_tensors *list, const char *side,
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
    int embedding_dim; /* 0: not read */
    int layer_dim;     /* the same */
    float *x;          /* [batch, C, H, W] */
    float *logits;     /* [batch, K] */
    float *embedding;  /* [batch, h] */
    float *layer;      /* [batch, d] */
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

/* Arrays for the sizes that `e` holds, which are all that is set in it: OK or
 * NOMEM, with nothing held then. */
int assay__evidence_alloc(struct assay_evidence *e) ASSAY_MUST_CHECK;
/* Plan options of an evaluation by `compute`: its threads or the context's.
 * Batch, outputs and gradients are the caller's to set. */
struct assay_plan_options assay__plan_options(
    const struct assay_context *ctx, const struct assay_compute *compute);

/* Copy all of `from` into the slots of `to` that are called prefix + its
 * name. */
int assay__params_fill(struct assay_params *to, const char *prefix,
                       const struct assay_params *from,
                       struct assay_error *err) ASSAY_MUST_CHECK;

/* What assay_model_arch() says of hosts (assay/host.h). */
#define ASSAY__ARCH_HOST "host"

/* The head of a host as a graph of its own, whose parameters have the names
 * that they have in the host; zeroed when it is opened. Closed whether or
 * not opening failed. */
struct assay__host_head {
    assay_graph *graph;
    assay_value features; /* [N, F] */
    assay_value out;      /* [N, outputs] */
    struct assay_params params;
};
int assay__host_head_open(struct assay__host_head *h, const assay_model *host,
                          struct assay_error *err) ASSAY_MUST_CHECK;
void assay__host_head_close(struct assay__host_head *h);

/* Parts of sidecars (model_file.c); NULL: out of memory. */
char *assay__sidecar_path(const char *path);
struct json_t *assay__preprocess_json(const struct assay_preprocess *pre);
int assay__preprocess_read(const struct json_t *object,
                           struct assay_preprocess *pre, const char *path,
                           struct assay_error *err) ASSAY_MUST_CHECK;
/* `known` ends in NULL. */
int assay__json_only(const struct json_t *object, const char *const *known,
                     const char *path,
                     struct assay_error *err) ASSAY_MUST_CHECK;
/* A sidecar's notes (may be NULL) into the model's. */
int assay__sidecar_notes(assay_model *m, const struct json_t *notes,
                         const char *path,
                         struct assay_error *err) ASSAY_MUST_CHECK;
/* A sidecar whole, capped. */
int assay__sidecar_read(const char *side, struct json_t **root,
                        struct assay_error *err) ASSAY_MUST_CHECK;
int assay__json_int(const struct json_t *object, const char *key, int low,
                    int high, int *out, const char *path,
                    struct assay_error *err) ASSAY_MUST_CHECK;

/* Index of the largest of k values; ties go to the lowest. */
int assay__argmax(const float *x, int k);

#endif
