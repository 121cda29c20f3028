/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_GENERATOR_H
#define ASSAY_GENERATOR_H

/*
 * Generators: adversarial networks (Goodfellow et al., NeurIPS 2014) that
 * are trained once per data set and kept; what a model inversion searches
 * in instead of pixel space.
 *
 * The kind is DCGAN (Radford et al., ICLR 2016) as ML-Doctor has it, for
 * square images of one or three channels whose side can be halved down to a
 * map of 4 to 15: with width w and k halvings (32: 3, 64: 4)
 *
 *   generator      z - linear to w 2^(k-1) maps - BN - ReLU, then k - 1
 *                  times ConvT(4, stride 2, pad 1) to half as many maps -
 *                  BN - ReLU, then ConvT(4, 2, 1) to C - tanh
 *   discriminator  Conv(4, 2, 1) to w - LReLU(.2), then k - 1 times the same
 *                  to twice as many with BN between, then linear to 1
 *
 * without biases; weights start from N(0, .02), BN gains from N(1, .02). The
 * linear layers are ConvT(4, 1, 0) from a 1x1 map and Conv(4, 1, 0) to one.
 *
 * Images inside are in -1..1. They stand for pixels from pixel_low to
 * pixel_high and so, through a preprocessing, for what a model sees: the two
 * ranges are mapped onto each other exactly, channel by channel.
 */

#include "assay/model.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct assay_generator assay_generator;

struct assay_generator_options {
    size_t epochs;
    size_t batch; /* at most the records; each epoch leaves out its rest */
    double lr;    /* Adam, for both networks */
    double beta1;
    double beta2;
    int z_dim;
    int width;         /* w above */
    double pixel_low;  /* what -1 and 1 stand for, */
    double pixel_high; /* before preprocessing */
    uint64_t seed;     /* initial values, order, noise */

    const char *task;       /* for progress and messages */
    const char *checkpoint; /* file, or NULL: none */
};
/* Batch 128, Adam 2e-4 with betas .5 and .999, z of 100, width 64, pixels
 * 0..255. */
void assay_generator_options_init(struct assay_generator_options *o,
                                  size_t epochs);

/* One epoch: means over its steps. */
struct assay_generator_epoch {
    double discriminator_loss; /* of real and of made images, summed */
    double generator_loss;
    double seconds; /* as measured when it ran */
};
struct assay_generator_history {
    struct assay_generator_epoch *epoch;
    size_t n;
    size_t resumed_at; /* epochs that came from a checkpoint */
};
void assay_generator_history_release(struct assay_generator_history *h);

/*
 * Train one on `view`, for models behind the view's preprocessing. A step is
 * one of the discriminator (real images to 1, fresh made
 * ones to 0), then one of the generator (fresh ones to 1: the loss that does
 * not saturate), by cross-entropy on logits; both networks normalise by
 * batch. Labels are not looked at.
 *
 * Equal view, options, backend and thread count give equal bytes, also when
 * the run was killed and resumed: after each epoch the checkpoint is
 * replaced in one piece. One of another run is not used, and a log line says
 * so. The choices of algorithm are kept beside it (CHECKPOINT.tuning); when
 * there is none, equal bytes need a compute->tuning that persists, or direct
 * algorithms.
 *
 * history may be NULL. Errors: _ARG (sizes, options), _DATA (no records),
 * _NUMERIC (a loss is not finite: names the epoch), _CANCELED, _NOMEM, and
 * those of files.
 */
int assay_generator_train(assay_generator **out,
                          const struct assay_context *ctx,
                          const struct assay_compute *compute,
                          const assay_view *view,
                          const struct assay_generator_options *options,
                          struct assay_generator_history *history,
                          struct assay_error *err) ASSAY_MUST_CHECK;

/* An untrained one, as training starts from. `pre` says C, H and W. */
int assay_generator_new(assay_generator **out,
                        const struct assay_preprocess *pre,
                        const struct assay_generator_options *options,
                        struct assay_error *err) ASSAY_MUST_CHECK;
void assay_generator_free(assay_generator *gen);

/* NAME.safetensors and NAME.json beside it (kind, sizes, preprocessing, what
 * it was trained on), atomically, parameters first; and back. */
int assay_generator_save(const assay_generator *gen, const char *path,
                         struct assay_error *err) ASSAY_MUST_CHECK;
int assay_generator_open(assay_generator **out, const char *path,
                         struct assay_error *err) ASSAY_MUST_CHECK;

int assay_generator_z_dim(const assay_generator *gen);
const struct assay_preprocess *assay_generator_preprocess(
    const assay_generator *gen);
/* What determined it: data, records, preprocessing, options, backend,
 * threads. Borrowed; "" for an untrained one. */
const char *assay_generator_key(const assay_generator *gen);
/* All parameters, "generator." and "discriminator." in front. Borrowed. */
struct assay_params *assay_generator_params(assay_generator *gen);

/* Draw z, [n, z_dim]: row i from N(0, I) by the stream (seed, "generator-z",
 * i). */
void assay_generator_draw(const assay_generator *gen, uint64_t seed, size_t n,
                          float *z);
/*
 * Make n images from z, [n, z_dim]: [n, C, H, W] as a model behind the
 * preprocessing sees them. Networks are in evaluation mode: an image depends
 * on its own z alone.
 */
int assay_generator_sample(const assay_generator *gen,
                           const struct assay_context *ctx,
                           const struct assay_compute *compute, const float *z,
                           size_t n, float *images,
                           struct assay_error *err) ASSAY_MUST_CHECK;

/* What assay_generator_append() adds to a graph. */
struct assay_generator_values {
    assay_value raw;     /* [N, C, H, W] in -1..1 */
    assay_value image;   /* the same, preprocessed */
    assay_value realism; /* [N], the discriminator's logit of it */
};
/*
 * Append both networks to g behind z, [N, z_dim]; parameters are called
 * prefix + their name. To hold them fixed, differentiate with respect to
 * other things alone. Values that no plan asks for cost nothing. Errors
 * stick in g.
 */
void assay_generator_append(const assay_generator *gen, assay_graph *g,
                            assay_value z, const char *prefix,
                            struct assay_generator_values *out);
/* Copy the parameters into those of such a graph; each must be there. */
int assay_generator_fill(const assay_generator *gen, const char *prefix,
                         struct assay_params *params,
                         struct assay_error *err) ASSAY_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
