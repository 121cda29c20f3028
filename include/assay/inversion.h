/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_INVERSION_H
#define ASSAY_INVERSION_H

/*
 * Model inversion: searching for inputs that a classifier takes for a class,
 * in pixel space or among the images of a generator, and measuring what was
 * found.
 *
 * A row is one search: a wanted class and a start. Rows run side by side in
 * batches of a fixed size and refill them as they end; all networks are in
 * evaluation mode, and a row's numbers depend on nothing but its class, its
 * start and the options, to the last bit when kernels are the same (direct
 * algorithms, or one compute->tuning). Images are [C, H, W] in the range that
 * the model sees (assay_preprocess_invert() makes pixels of them).
 */

#include "assay/generator.h"
#include "assay/model.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What to search for; all borrowed. */
struct assay_inversion_rows {
    size_t n;
    const int32_t *wanted;  /* [n], classes of the model */
    const float *start;     /* [n, ...] images or latents; NULL: see below */
    const uint64_t *stream; /* [n], for starts that are drawn; NULL: 0 .. */
};

/* What was found: of each row the iterate of least loss. Owned arrays. */
struct assay_inversion {
    size_t n;
    size_t image_size; /* C * H * W */
    int z_dim;         /* 0 in pixel space */
    float *image;      /* [n, C, H, W], preprocessed */
    float *latent;     /* [n, z_dim], or NULL */
    double *loss;      /* [n]; NaN when no iterate had a finite one */
    double *posterior; /* [n], the model's of the wanted class */
    uint32_t *steps;   /* [n], updates made until the row ended */
};
void assay_inversion_release(struct assay_inversion *found);

/*
 * Gradient descent in pixel space (Fredrikson et al., CCS 2015, Algorithm
 * 1): from a start, zeros unless given,
 *
 *   cost(x) = 1 - posterior of the wanted class + weight * variation(x)
 *   x <- x - rate * d cost / d x
 *
 * until cost <= enough, or max_steps updates were made, or, after step
 * `patience`, the cost is not below the largest one since that step. (The
 * paper has a window of the last `patience` costs there; this is the rule of
 * ML-Doctor's code.)
 */
struct assay_pixel_descent {
    double rate;       /* lambda; .003, the paper of ML-Doctor says .01 */
    size_t max_steps;  /* alpha; 3000 */
    size_t patience;   /* beta; 100 */
    double enough;     /* gamma; .001, that is a posterior of .999 */
    int logits;        /* cost 1 - logit, as ML-Doctor's code has it: met as
                          soon as a logit reaches .999, next to the start */
    double variation;  /* weight of the mean over pixels of
                          sqrt(dx^2 + dy^2 + 1e-6); 0: none */
    int clip;          /* keep to the range of pixels below */
    double pixel_low;  /* 0 */
    double pixel_high; /* 255 */
    size_t batch;      /* rows at once; 16 */
    const char *task;  /* for progress and messages */
};
void assay_pixel_descent_init(struct assay_pixel_descent *o);

/* Errors: _ARG (options, classes), _CANCELED, _NOMEM. Cost: a forward and a
 * backward pass without weight gradients per row and step. */
int assay_inversion_pixels(struct assay_inversion *out,
                           const struct assay_context *ctx,
                           const struct assay_compute *compute,
                           const assay_model *m,
                           const struct assay_inversion_rows *rows,
                           const struct assay_pixel_descent *options,
                           struct assay_error *err) ASSAY_MUST_CHECK;

enum assay_identity_loss {
    ASSAY_IDENTITY_CROSS_ENTROPY, /* Zhang et al. (GMI), CVPR 2020 */
    ASSAY_IDENTITY_LOGIT /* Nguyen et al. (LOMMA), CVPR 2023: -logit, plus
                            feature_weight * mean over features of (embedding
                            - feature_mean)^2, of the first model alone */
};

/*
 * Search in the latent space of a generator:
 *
 *   loss(z) = -D(G(z)) + identity_weight * identity(G(z))
 *   v' = momentum v - rate d loss / d z
 *   z <- clamp(z - momentum v + (1 + momentum) v')
 *
 * D is the discriminator's logit, identity the mean over models of the loss
 * above. The iterate that counts is that of least identity loss.
 *
 * A row's gradient is its own: the reference codes take the mean over a
 * batch, so their rate .001 over 10 rows is .0001 here.
 */
struct assay_latent_descent {
    double rate;            /* .0001 */
    double momentum;        /* .9 */
    double identity_weight; /* 100 */
    double clamp;           /* 1: z in -1..1 after each update */
    size_t steps;           /* 1500 */
    enum assay_identity_loss identity;
    double feature_weight;     /* 1, with the logit */
    const float *feature_mean; /* [h] of the first model's embedding on public
                                  data; NULL: no such term */
    uint64_t seed; /* starts that are not given are N(0, I) of the stream
                      (seed, "inversion-z", the row's) */
    size_t batch;  /* 16 */
    const char *task;
};
void assay_latent_descent_init(struct assay_latent_descent *o);

/*
 * What is searched with; all borrowed. models[0] is the target, the others,
 * if any, copies of it by other hands ("model augmentation", LOMMA):
 * classifiers of the same classes behind the generator's preprocessing.
 */
struct assay_latent_nets {
    const assay_generator *generator;
    const assay_model *const *models;
    int n_models;
};

/* Errors: _ARG (options, classes, models that do not fit), _CANCELED,
 * _NOMEM. Cost: a forward and a backward pass through generator,
 * discriminator and all models per row and step. */
int assay_inversion_latent(struct assay_inversion *out,
                           const struct assay_context *ctx,
                           const struct assay_compute *compute,
                           const struct assay_latent_nets *nets,
                           const struct assay_inversion_rows *rows,
                           const struct assay_latent_descent *options,
                           struct assay_error *err) ASSAY_MUST_CHECK;

/* Mean of the embeddings, [h]; zeros when there are no records. */
void assay_evidence_mean_embedding(const struct assay_evidence *e, float *mean);

/*
 * Mean image of each class over a view, [n_classes, C, H, W] as the view
 * has them; NaN for a class without records. Labels outside 0..n_classes-1:
 * ASSAY_DATA.
 */
int assay_class_means(const assay_view *view, int n_classes, float *means,
                      struct assay_error *err) ASSAY_MUST_CHECK;

/* What judges images. All borrowed; what is NULL is not measured. */
struct assay_inversion_judge {
    const struct assay_context *ctx;
    const struct assay_compute *compute;
    const assay_model *evaluator; /* of the same classes, any preprocessing */
    /* The evaluator's evidence, with embeddings, of records that the target
     * was trained on and of others. */
    const struct assay_evidence *members;
    const struct assay_evidence *nonmembers;
    const float *class_means; /* [K, C, H, W], as the images are */
    const char *task;
};

/* Per image; owned arrays of n, NaN or 0 where not measured. */
struct assay_inversion_quality {
    size_t n;
    uint8_t *top1;              /* the evaluator's class is the wanted one */
    uint8_t *top5;              /* it is among its five likeliest */
    double *mse;                /* to the wanted class's mean image */
    double *member_distance;    /* Euclidean, in the evaluator's embedding, */
    double *nonmember_distance; /* to the nearest one of the wanted class */
};
void assay_inversion_quality_release(struct assay_inversion_quality *q);

/*
 * Judge n images that a model behind `pre` sees, made for the classes
 * wanted[n]. For the evaluator they are put through its own preprocessing,
 * as pixels that are neither rounded nor cut off. Errors: _ARG (an
 * evaluator without evidence of its size), _DATA (a class it does not have,
 * numbers that are not finite), _CANCELED, _NOMEM.
 */
int assay_inversion_judge(struct assay_inversion_quality *out,
                          const struct assay_inversion_judge *judge,
                          const struct assay_preprocess *pre,
                          const float *images, const int32_t *wanted, size_t n,
                          struct assay_error *err) ASSAY_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
