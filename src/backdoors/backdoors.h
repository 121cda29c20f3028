/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_BACKDOORS_BACKDOORS_H
#define ASSAY_BACKDOORS_BACKDOORS_H

/* What the backdoors share. */

#include "assay/backdoor.h"

/*
 * Train a fresh model of in->spec on the records of in->train, the share
 * `rate` of them stamped with out->trigger and relabelled, into out->model.
 */
int assay__backdoor_train(const struct assay_backdoor_input *in, double rate,
                          struct assay_backdoored *out,
                          struct assay_error *err) ASSAY_MUST_CHECK;
/* The same for an out->model that is there: trained on by `recipe` with the
 * parameters of those names left as they are. */
int assay__backdoor_train_on(const struct assay_backdoor_input *in, double rate,
                             const struct assay_recipe *recipe,
                             const char *const *frozen, size_t n_frozen,
                             struct assay_backdoored *out,
                             struct assay_error *err) ASSAY_MUST_CHECK;

/* The layer that gives the logits, or ASSAY_UNSUPPORTED where that is not a
 * linear one that reads the embedding, a row of numbers. `what` is for the
 * message. */
int assay__backdoor_head(const assay_model *m, const char *what,
                         struct assay_layer *head,
                         struct assay_error *err) ASSAY_MUST_CHECK;
/* A square mask in the bottom right corner: the share `part` of the smaller
 * side, at least a pixel. */
int assay__backdoor_corner(struct assay_trigger *t,
                           const struct assay_preprocess *pre, double part,
                           float value,
                           struct assay_error *err) ASSAY_MUST_CHECK;

/* stamp.c: a trigger in a graph. */
/* x with the trigger on it; adds the parameters trigger.keep [1, 1, H, W] and
 * trigger.add [1, C, H, W]. */
assay_value assay__stamp(assay_graph *g, assay_value x);
/* Their values for a model that wants such pixels. */
int assay__stamp_fill(struct assay_params *params,
                      const struct assay_trigger *t,
                      const struct assay_preprocess *pre,
                      struct assay_error *err) ASSAY_MUST_CHECK;
/* Copy n numbers into the parameter of that name, of that size. */
int assay__param_set(struct assay_params *params, const char *name,
                     const float *from, size_t n,
                     struct assay_error *err) ASSAY_MUST_CHECK;

/*
 * search.c: the pattern under a mask for which
 *   mean over records of sum_j weight_j (f_j(x') - goal_j)^2
 * is least, f being the embedding in evaluation, by Adam on the pixels of
 * random batches of records that are not of the target class. Values stay in
 * 0..255 and are whole in the end.
 */
struct assay__trigger_search {
    const struct assay_backdoor_input *in;
    const assay_model *model;
    const float *goal; /* [h] */
    const float *weight;
    size_t steps;
    double rate; /* of Adam, as a share of the range of pixels */
};
/* `t` has its mask; its pattern is where the search starts. */
int assay__trigger_search(const struct assay__trigger_search *s,
                          struct assay_trigger *t,
                          struct assay_error *err) ASSAY_MUST_CHECK;

/*
 * encoder.c: an extractor is trained on with a loss of one's own, its batch
 * norms as they are in evaluation, its head left alone unless told.
 */
struct assay__encoder_values { /* [N, ...] in graph g */
    assay_graph *g;
    assay_value labels;
    assay_value logits;    /* of the record */
    assay_value embedding; /* of the record */
    assay_value stamped;   /* embedding of the stamped record */
    assay_value reference; /* embedding of the augmented reference record */
    assay_value clean;     /* the clean model's embedding of the record */
    assay_value goal;      /* [1, h]: what was given */
};
struct assay__encoder {
    const struct assay_backdoor_input *in;
    const struct assay_trigger *trigger;
    const float *goal;  /* [h] */
    uint32_t reference; /* row of in->train */
    size_t epochs;
    double lr;
    int train_head;
    const double *param;
    /* The loss per record, [N]. */
    assay_value (*loss)(const struct assay__encoder *e,
                        const struct assay__encoder_values *v);
};
/* `m` holds the values to start from and gets the trained ones. */
int assay__encoder_train(const struct assay__encoder *e, assay_model *m,
                         struct assay_error *err) ASSAY_MUST_CHECK;

/* The mean embedding, [h], that `m` has of the target's records in
 * in->train, a fresh array; *best is the row of the one that is called the
 * target with the most confidence. */
int assay__target_embedding(const struct assay_backdoor_input *in,
                            const assay_model *m, float **mean, size_t *h,
                            uint32_t *best,
                            struct assay_error *err) ASSAY_MUST_CHECK;

#endif
