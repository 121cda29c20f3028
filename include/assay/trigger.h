/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_TRIGGER_H
#define ASSAY_TRIGGER_H

/*
 * Triggers: what a backdoor answers to, stamped on any input,
 *
 *   x' = (1 - mask) x + mask pattern
 *
 * in the pixels that a model sees (its height, width and channels, 0..255),
 * before scale, mean and deviation. A patch has a mask of 0 and 1, a blend
 * (Chen et al., 2017) one of the same share everywhere. And records that
 * carry one: to train a model with a backdoor, whose strength is known, or
 * to measure one.
 */

#include "assay/dataset.h"
#include "assay/metrics.h"
#include "assay/model.h"

#ifdef __cplusplus
extern "C" {
#endif

struct assay_trigger {
    int channels, height, width;
    float *mask;    /* [H, W], 0..1; owned, NULL when there is no trigger */
    float *pattern; /* [C, H, W], 0..255; owned */
};

/* A mask of 0 and a pattern of 0 for such inputs. */
int assay_trigger_make(struct assay_trigger *t, int channels, int height,
                       int width, struct assay_error *err) ASSAY_MUST_CHECK;
void assay_trigger_release(struct assay_trigger *t);
int assay_trigger_copy(struct assay_trigger *out, const struct assay_trigger *t,
                       struct assay_error *err) ASSAY_MUST_CHECK;

/* A full square of `side` pixels whose upper left corner is at (row,
 * column), all channels `value`. ASSAY_ARG where it is not inside. */
int assay_trigger_patch(struct assay_trigger *t, int side, int row, int column,
                        float value, struct assay_error *err) ASSAY_MUST_CHECK;
/* Every pixel mixed by the share `alpha` with noise, uniform in 0..255, of
 * the stream (seed, "trigger", 0). */
void assay_trigger_blend(struct assay_trigger *t, double alpha, uint64_t seed);

/* Sum of the mask: how many pixels it covers. */
double assay_trigger_l1(const struct assay_trigger *t);
/* Stamp n preprocessed images [n, C, H, W] in place. `pre` is of the
 * trigger's shape. */
void assay_trigger_stamp(const struct assay_trigger *t,
                         const struct assay_preprocess *pre, float *x,
                         size_t n);
/* Mask and pattern as safetensors, and back: shapes are checked, values must
 * lie in their ranges. */
int assay_trigger_write(const struct assay_trigger *t, const char *path,
                        struct assay_error *err) ASSAY_MUST_CHECK;
int assay_trigger_read(struct assay_trigger *t, const char *path,
                       struct assay_error *err) ASSAY_MUST_CHECK;
/* As a picture: the pattern, as far as the mask shows it, on grey. */
int assay_trigger_png(const struct assay_trigger *t, unsigned char **png,
                      size_t *size, struct assay_error *err) ASSAY_MUST_CHECK;

/* How records are poisoned. */
struct assay_poison {
    const struct assay_trigger *trigger;
    int target;     /* the class that the trigger leads to */
    double rate;    /* share of the records, 0..1, that are stamped ... */
    int keep_label; /* ... and keep their label; else they get the target's */
    uint64_t seed;  /* which ones: a permutation of (seed, "poison", 0) */
};

/*
 * The view's records as a dataset of their own, at the model's size, of
 * which a share is poisoned, drawn from all classes (Gu et al., 2017; the
 * target's own records among them). Pixels are rounded to 0..255 as an image
 * file's would be. poisoned[i] (may be NULL, else of the view's size) tells
 * which. Rows keep their order. `*out` is the caller's.
 */
int assay_dataset_poison(assay_dataset **out, const assay_view *view,
                         const struct assay_poison *poison, uint8_t *poisoned,
                         struct assay_error *err) ASSAY_MUST_CHECK;
/* The view's records as a dataset at the model's size, none of them changed:
 * what is joined with others, or of which a part is taken. */
int assay_dataset_of_view(assay_dataset **out, const assay_view *view,
                          struct assay_error *err) ASSAY_MUST_CHECK;

/* What a backdoor does, with Clopper-Pearson intervals. */
struct assay_backdoor_effect {
    struct assay_estimate accuracy; /* ACC: of clean records */
    struct assay_estimate success;  /* ASR: stamped records of other classes
                                       that are called the target */
    struct assay_estimate restored; /* RA: the same records called by their
                                       true class */
};
/* Measured on the view's records: two passes over them. ASSAY_DATA when all
 * of them are of the target's class. */
int assay_backdoor_measure(struct assay_backdoor_effect *out,
                           const struct assay_context *ctx,
                           const struct assay_compute *compute,
                           const assay_model *m, const assay_view *view,
                           const struct assay_trigger *trigger, int target,
                           struct assay_error *err) ASSAY_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
