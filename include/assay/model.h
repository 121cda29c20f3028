/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_MODEL_H
#define ASSAY_MODEL_H

/*
 * Models: a classifier's graph, parameters, preprocessing and provenance;
 * how one is trained, stored, and asked for evidence.
 *
 * On disk a model is `NAME.safetensors` (parameters under their published
 * names) and `NAME.json` beside it (architecture, classes, preprocessing,
 * how it was trained). A stranger's weights, of any format that
 * assay_tensors_read() knows, may come without: network and classes are then
 * found by names and shapes (assay_arch_identify()), and pixels taken from 0
 * to 1. A sidecar written by hand says what is otherwise: {"arch":
 * "resnet18", "classes": 10, "preprocess": {...}}, and "norm": "group" where
 * that is not the published network's batch norm.
 *
 * ONNX and Keras files hold their own graph and need no sidecar: without one,
 * pixels are taken from 0 to 1 (scale 1/255). One may say {"preprocess":
 * {...}}, "classes", "output" (of ONNX: the name of the output that has the
 * scores) and "scores": "logits" or "probabilities" where it is not to be
 * found.
 */

#include "assay/context.h"
#include "assay/dataset.h"
#include "assay/graph.h"
#include "assay/layers.h"
#include "assay/metrics.h"
#include "assay/params.h"
#include "assay/plan.h"
#include "assay/train.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct assay_model assay_model;

/* What a model is made from. */
struct assay_model_spec {
    const char *arch; /* a row of archs.def */
    enum assay_norm norm;
    int n_classes;
    struct assay_preprocess preprocess; /* fixes the input's C, H, W */
};

/* Fresh parameters from `seed`. */
int assay_model_new(assay_model **out, const struct assay_model_spec *spec,
                    uint64_t seed, struct assay_error *err) ASSAY_MUST_CHECK;
/* Parameters from `path`, the rest from its sidecar; or an ONNX or Keras
 * file. One that a scan (assay/scan.h) calls dangerous is refused, ASSAY_DATA.
 */
int assay_model_open(assay_model **out, const char *path,
                     struct assay_error *err) ASSAY_MUST_CHECK;
/* Both files, atomically, parameters first. ASSAY_UNSUPPORTED for a model
 * of an ONNX or Keras file, and for a host (assay/host.h). */
int assay_model_save(const assay_model *m, const char *path,
                     struct assay_error *err) ASSAY_MUST_CHECK;
void assay_model_free(assay_model *m);
/* One of its own with equal parameters, graph, preprocessing and notes. */
int assay_model_clone(assay_model **out, const assay_model *m,
                      struct assay_error *err) ASSAY_MUST_CHECK;

/* "onnx" or "keras" for a model of such a file, which is no row of archs.def.
 */
const char *assay_model_arch(const assay_model *m);
enum assay_norm assay_model_norm(const assay_model *m);
int assay_model_n_classes(const assay_model *m);
const struct assay_preprocess *assay_model_preprocess(const assay_model *m);
const assay_graph *assay_model_graph(const assay_model *m);
assay_value assay_model_input(const assay_model *m);     /* [N, C, H, W] */
assay_value assay_model_logits(const assay_model *m);    /* [N, K] */
assay_value assay_model_embedding(const assay_model *m); /* [N, h] */
struct assay_params *assay_model_params(assay_model *m); /* borrowed */
/* Whether it keeps running statistics, which batch norm alone does. */
int assay_model_has_batch_norm(const assay_model *m);
const struct assay_params *assay_model_weights(const assay_model *m);
/*
 * Name the layer whose output ASSAY_EVIDENCE_LAYER keeps: "fc" for the
 * layer with the parameter fc.weight (assay_graph_layer()), before its
 * activation. ASSAY_ARG with the names there are when there is no such
 * layer; ASSAY_LIMIT when it has over 65536 numbers per record.
 */
int assay_model_choose_layer(assay_model *m, const char *name,
                             struct assay_error *err) ASSAY_MUST_CHECK;
/* Other numbers for pixels than the file's: scale, mean and deviation of
 * `pre`, whose C, H and W must be the model's. ASSAY_SHAPE, ASSAY_ARG. */
int assay_model_set_pixels(assay_model *m, const struct assay_preprocess *pre,
                           struct assay_error *err) ASSAY_MUST_CHECK;
/* SHA-256 of architecture, preprocessing and parameters. Fresh each call
 * into text[65]. */
int assay_model_sha256(const assay_model *m, char text[65],
                       struct assay_error *err) ASSAY_MUST_CHECK;
/* The defence that it was trained with (assay_defense_text()). Whoever changes
 * weights takes it out: what it promised holds no more. */
#define ASSAY_NOTE_DEFENSE "defense"
/* Free text notes kept in the sidecar ("split.seed", "quarter", ...), in
 * UTF-8; else ASSAY_ARG. `value` NULL takes a note out. */
int assay_model_set_note(assay_model *m, const char *key, const char *value,
                         struct assay_error *err) ASSAY_MUST_CHECK;
const char *assay_model_note(const assay_model *m, const char *key);

/*
 * How kernels run; shared by training, evaluation and attacks. With threads
 * 0, evaluation takes the context's, and training these or 1, as
 * assay_models_train() says.
 */
struct assay_compute {
    const char *backend; /* NULL: "onednn" */
    int threads;         /* of one plan; 0: see above */
    enum assay_algorithms algorithms;
    enum assay_dtype dtype; /* F32 or BF16 */
    assay_tuning *tuning;   /* borrowed, may be NULL */
};

/* Training of a classifier with cross-entropy. */
struct assay_recipe {
    size_t epochs;
    size_t batch;
    struct assay_optimizer_options optimizer;
    double lr;
    enum assay_schedule schedule;
    size_t milestones[8];
    int n_milestones;
    double gamma;
    size_t schedule_epochs; /* as in assay_train_options; 0: `epochs` */
    struct assay_augment augment;
    size_t evaluate_every; /* epochs between evaluations on `test`; 0: last */
};
/* ML-Doctor's: SGD .01, momentum .9, weight decay 5e-4, x.1 at 50 and 100,
 * batch 64, flip; epochs are the caller's. */
void assay_recipe_init(struct assay_recipe *recipe, size_t epochs);

/* One line of a training curve; NaN where not measured. */
struct assay_curve_point {
    size_t epoch; /* from 1 */
    double loss;
    double train_accuracy; /* running, in training mode */
    double test_accuracy;
    double lr;
};
struct assay_curve {
    struct assay_curve_point *point;
    size_t n;
};
void assay_curve_release(struct assay_curve *curve);

/* What a loss is made of; ids in the graph that it is appended to. */
struct assay_loss_values {
    assay_value logits; /* [N, K] */
    assay_value labels; /* [N] */
    assay_value soft;   /* [N, K] targets, or ASSAY_NO_VALUE */
    assay_value epoch;  /* [N] the number of the epoch, from 0, or
                           ASSAY_NO_VALUE */
};

/*
 * What a training minimises instead of the cross-entropy with labels. All
 * borrowed.
 */
struct assay_objective {
    const char *text; /* all that determines it: part of checkpoints' keys */
    const void *self;
    /* Appends the loss per record, [N]. NULL: cross-entropy with the label or,
     * where there are soft targets, with the distribution whose logits or
     * logarithms they are. */
    assay_value (*loss)(const void *self, assay_graph *g,
                        const struct assay_loss_values *v);
    /* From losses per record to the scalar that is minimised; NULL: mean. */
    assay_value (*reduce)(const void *self, assay_graph *g, assay_value losses);
    /* Targets of the training view's rows, [rows, variants, K]; their meaning
     * is the loss's, where there is one. The second variant is for a mirrored
     * record. NULL with variants 0: none. */
    const float *soft;
    int variants;
    /* > 0: each record is mixed with another of its batch, both times by a
     * share from Beta(mixup, mixup), and soft holds the log of the mixed
     * label's probabilities (Zhang et al., ICLR 2018). Excludes `soft`. */
    double mixup;
    int wants_epoch; /* the loss reads the number of the epoch */
    /* Values of the parameters that the loss adds to the model's graph (a
     * teacher's, appended); they are not trained. NULL: it adds none. */
    const struct assay_params *constants;
};

/* One model to train: a row of assay_models_train(). */
struct assay_training {
    assay_model *model;      /* parameters in: initial; out: trained */
    const assay_view *train; /* borrowed */
    const assay_view *test;  /* for the curve; may be NULL */
    const struct assay_recipe *recipe;
    const struct assay_objective *objective; /* NULL: cross-entropy */
    struct assay_privacy_options privacy;    /* all 0: ordinary training */
    /* Names of parameters that stay as they are; running statistics of batch
     * norms still move. */
    const char *const *frozen;
    size_t n_frozen;
    uint64_t seed;          /* order, augmentation, dropout */
    const char *task;       /* for progress: "target", "shadow" */
    const char *checkpoint; /* path, or NULL */
    /* Called after each epoch (from 1) that this process trains, with the
     * model as it then is, in the thread of the training; non-zero ends it
     * with that code. NULL: not called. */
    int (*on_epoch)(void *user, const assay_model *m, size_t epoch,
                    struct assay_error *err);
    void *user;
    struct assay_curve curve; /* out */
    double seconds;           /* out: training time of this process */
    size_t resumed_at;        /* out: epochs taken from a checkpoint */
};

/*
 * Train one or several models, ctx->threads in all: so many at once as
 * compute->threads goes into that. With compute->threads 0 a short
 * measurement says for each problem (model, batch, arithmetic, cores)
 * whether its trainings run with one thread each or with all. The answer is
 * kept in compute->tuning and holds for a training that is alone too, so
 * that with equal tunings the bytes of a model do not depend on what is
 * trained beside it. Without a tuning nothing is remembered, and a training
 * that is alone takes all threads.
 *
 * On failure every finished model is kept and checkpoints of the others
 * stay.
 */
int assay_models_train(const struct assay_context *ctx,
                       const struct assay_compute *compute,
                       struct assay_training *training, size_t n,
                       struct assay_error *err) ASSAY_MUST_CHECK;
/*
 * Make the measurements for these trainings that compute->tuning lacks, and
 * no more; nothing without a tuning. For callers that want it in a file
 * before the first checkpoint is, so that a training that was killed goes
 * on with as many threads.
 */
int assay_models_measure(const struct assay_context *ctx,
                         const struct assay_compute *compute,
                         struct assay_training *training, size_t n,
                         struct assay_error *err) ASSAY_MUST_CHECK;

/* A model ready to answer about pixels that are in no data set. */
typedef struct assay_predictor assay_predictor;

/* `m` is borrowed. Used by one thread at a time. */
int assay_predictor_new(assay_predictor **out, const assay_model *m,
                        const struct assay_compute *compute, int threads,
                        struct assay_error *err) ASSAY_MUST_CHECK;
void assay_predictor_free(assay_predictor *p);
/* x [n, C, H, W] as the model's input; logits [n, K] and, unless NULL,
 * embedding [n, h] are the caller's. */
int assay_predictor_run(assay_predictor *p, const float *x, size_t n,
                        float *logits, float *embedding,
                        struct assay_error *err) ASSAY_MUST_CHECK;

/*
 * What a model says of records: computed once, shared by all attacks.
 * Owned arrays; row i of each belongs to the same record.
 */
struct assay_evidence {
    size_t n;
    int n_classes;
    int embedding_dim; /* 0 when not collected */
    int layer_dim;     /* 0 when not collected */
    int n_queries;     /* Q, 0 when not collected */
    float *logits;     /* [n, K] */
    float *queries;    /* [n, Q, K]: logits of Q altered copies of the record */
    float *embedding;  /* [n, h]: input of the last linear layer */
    float *layer;      /* [n, d]: output of the layer that was chosen */
    int32_t *label;    /* [n], 0..K-1 */
    uint32_t *record;  /* [n], index in the dataset */
};

enum assay_evidence_flags {
    ASSAY_EVIDENCE_EMBEDDING = 1 << 0,
    ASSAY_EVIDENCE_QUERIES = 1 << 1,
    ASSAY_EVIDENCE_MIRROR = 1 << 3, /* of the queries the first alone: the
                                       mirror image */
    ASSAY_EVIDENCE_LAYER = 1 << 4,  /* of assay_model_choose_layer() */
    ASSAY_EVIDENCE_FOREIGN = 1 << 2 /* records of other classes than the
                                       model's: every label is noted as 0 */
};
/* Altered copies that are asked for: the mirror image, and both moved by a
 * place to the right, left, down and up. */
enum { ASSAY_QUERIES = 9 };

int assay_evidence_collect(struct assay_evidence *out,
                           const struct assay_context *ctx,
                           const assay_model *m, const assay_view *view,
                           unsigned flags, const struct assay_compute *compute,
                           const char *task,
                           struct assay_error *err) ASSAY_MUST_CHECK;
/* The same as files: safetensors with logits, embedding, layer, queries,
 * labels, records. */
int assay_evidence_write(const struct assay_evidence *e, const char *path,
                         struct assay_error *err) ASSAY_MUST_CHECK;
int assay_evidence_read(struct assay_evidence *e, const char *path,
                        struct assay_error *err) ASSAY_MUST_CHECK;
/*
 * From a user's file (NPZ or safetensors): `logits` or `probs`
 * [n, K] (probabilities become log-probabilities, floored at 1e-30),
 * `labels` [n], optionally `embedding` [n, h], `layer` [n, d], `queries`
 * [n, Q, K] (logits) and `records` [n].
 * Non-finite values, rows of probabilities that do not sum to 1 within
 * 1e-3, labels outside 0..K-1: ASSAY_DATA with the row.
 */
int assay_evidence_import(struct assay_evidence *e, const char *path,
                          struct assay_error *err) ASSAY_MUST_CHECK;
void assay_evidence_release(struct assay_evidence *e);
/* Rows rows[0..n) of `e` as evidence of its own: ASSAY_NOMEM, or OK. */
int assay_evidence_select(struct assay_evidence *out,
                          const struct assay_evidence *e, const uint32_t *rows,
                          size_t n, struct assay_error *err) ASSAY_MUST_CHECK;
/* Two of one model, one after the other. */
int assay_evidence_join(struct assay_evidence *out,
                        const struct assay_evidence *a,
                        const struct assay_evidence *b,
                        struct assay_error *err) ASSAY_MUST_CHECK;
/* The class of row i's largest logit; the lowest of equals. */
int32_t assay_evidence_class(const struct assay_evidence *e, size_t i);

/* Share of records whose largest logit is the label's (ties: lowest class),
 * with its Clopper-Pearson interval. */
struct assay_estimate assay_evidence_accuracy(const struct assay_evidence *e);
/* Per record, in double: log p(label), cross-entropy = its negative; the
 * scaled confidence log p - log(1 - p) of LiRA. Arrays of n. */
void assay_evidence_log_prob(const struct assay_evidence *e, double *out);
void assay_evidence_scaled_confidence(const struct assay_evidence *e,
                                      double *out);
/* The scaled confidences of row i's altered copies, [Q]. */
void assay_evidence_query_confidence(const struct assay_evidence *e, size_t i,
                                     double *out);
/* Probabilities of row i, in double, [K]. */
void assay_evidence_probs(const struct assay_evidence *e, size_t i,
                          double *out);

#ifdef __cplusplus
}
#endif
#endif
