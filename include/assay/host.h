/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_HOST_H
#define ASSAY_HOST_H

/*
 * Host systems: y = g(f(x)), what a developer builds on models that others
 * made. Of each reused model (an extractor f) the embedding is kept, of
 * several they are joined; g is a new head, a linear layer or a few with ReLU
 * between them, for classes or for numbers.
 *
 * A host is an assay_model (its architecture is called "host") with a graph
 * and parameters of its own: extractor i's are called "extractor<i>." and
 * their name, the head's "head.0.weight" and so on. All that works on models
 * works on it, but it cannot be saved. Its embedding is what the last linear
 * layer reads; the layer called "features" is the joined embeddings.
 *
 * Two hosts of equal specification and seed begin with the same g, and see
 * their records in the same order, whatever f is: that is how hosts on two
 * versions of f are compared.
 */

#include "assay/model.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { ASSAY_HOST_EXTRACTORS_MAX = 8, ASSAY_HOST_DEPTH_MAX = 4 };

struct assay_host_spec {
    const assay_model *const *extractor; /* borrowed, copied */
    int n_extractors;
    int depth;     /* linear layers of the head */
    int hidden;    /* units of each but the last */
    int n_outputs; /* K classes; with regression the numbers */
    int regression;
};
/* One linear layer; 128 units where there are more. */
void assay_host_spec_init(struct assay_host_spec *spec,
                          const assay_model *const *extractor, int n_extractors,
                          int n_outputs);

/*
 * A host with a fresh head from `seed`; owned by the caller,
 * assay_model_free(). Images come as the first extractor wants them; another
 * one that wants other numbers for pixels gets these converted. Errors:
 * _ARG for numbers out of range, _SHAPE for extractors whose images differ in
 * size, _NOMEM.
 */
int assay_host_new(assay_model **out, const struct assay_host_spec *spec,
                   uint64_t seed, struct assay_error *err) ASSAY_MUST_CHECK;

/* X(NAME, text) */
#define ASSAY_HOST_TUNINGS(X) \
    X(PARTIAL, "partial")     \
    X(FULL, "full")

/*
 * Partial: f stays bit for bit as it is, in evaluation mode, and g is trained.
 * Full: all is trained together, in training mode.
 */
enum assay_host_tuning {
#define ASSAY_X(name, text) ASSAY_HOST_##name,
    ASSAY_HOST_TUNINGS(ASSAY_X)
#undef ASSAY_X
        ASSAY_HOST_TUNINGS_COUNT
};
const char *assay_host_tuning_name(enum assay_host_tuning tuning);

/* Training by Adam at a constant rate, on cross-entropy or, with regression,
 * on the mean squared error. */
struct assay_host_recipe {
    enum assay_host_tuning tuning;
    size_t epochs;
    double rate;
    /* Full tuning alone: before it, g is trained for so many epochs at this
     * rate with f as it is. `rate` is then the lower one that f gets. */
    size_t head_epochs;
    double head_rate;
    size_t batch;
    uint64_t seed; /* of the order of records */
};
/* 20 epochs at .003 for partial tuning; 5 and then 5 of all at .0003 for
 * full tuning; batches of 64. */
void assay_host_recipe_init(struct assay_host_recipe *recipe,
                            enum assay_host_tuning tuning);

/* What g learns from: features of records and what it shall say of them. All
 * borrowed. */
struct assay_host_rows {
    const float *features; /* [n, F] */
    size_t n;
    const int32_t *label; /* [n]; not read with regression */
    const float *target;  /* [n, outputs]; with regression alone */
};

/* The joined embeddings of a view's records, [n, F] into *features, which is
 * the caller's and freed with assay_bytes_free(). Labels are not looked at. */
int assay_host_features(float **features, const assay_model *host,
                        const assay_view *view, const struct assay_context *ctx,
                        const struct assay_compute *compute,
                        struct assay_error *err) ASSAY_MUST_CHECK;
/* F of it. */
size_t assay_host_width(const assay_model *host);

/* Partial tuning on features: the head of `host` is trained, in place. */
int assay_host_tune_head(assay_model *host, const struct assay_host_rows *rows,
                         const struct assay_host_recipe *recipe,
                         const struct assay_context *ctx,
                         const struct assay_compute *compute,
                         struct assay_error *err) ASSAY_MUST_CHECK;
/* What the head says of n rows of features: [n, outputs], in double and on
 * one thread. */
int assay_host_head(const assay_model *host, const float *features, size_t n,
                    float *out, struct assay_error *err) ASSAY_MUST_CHECK;

/*
 * Tune a host on the records of `view`, which was made with its
 * preprocessing. target [n, outputs] with regression, else NULL: the view's
 * labels are learnt. Equal hosts, records, recipe and threads give equal
 * bytes.
 */
int assay_host_tune(assay_model *host, const assay_view *view,
                    const float *target, const struct assay_host_recipe *recipe,
                    const struct assay_context *ctx,
                    const struct assay_compute *compute,
                    struct assay_error *err) ASSAY_MUST_CHECK;

/* For each of n images [C, H, W], as the host wants them, what it says:
 * [n, outputs]. */
int assay_host_run(const assay_model *host, const float *x, size_t n,
                   float *out, const struct assay_context *ctx,
                   const struct assay_compute *compute,
                   struct assay_error *err) ASSAY_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
