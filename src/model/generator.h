/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_MODEL_GENERATOR_H
#define ASSAY_MODEL_GENERATOR_H

/* The inside of a generator, for this folder alone. */

#include "assay/generator.h"

/* The structure that assay/generator.h describes. */
struct assay__dcgan {
    int channels;
    int size;
    int z_dim;
    int width;
    int stages; /* k: halvings from `size` to `base` */
    int base;
};

struct assay_generator {
    struct assay__dcgan net;
    struct assay_preprocess preprocess;
    double pixel_low, pixel_high;
    struct assay_params params; /* of both networks */
    char *key;
};

/* Find stages and base of a size, and check all ranges. */
int assay__dcgan_plan(struct assay__dcgan *net,
                      struct assay_error *err) ASSAY_MUST_CHECK;
/* The networks, their parameters behind `prefix`; such as are in g already
 * are used again. Image [N, C, size, size] in -1..1; logit [N]. */
assay_value assay__dcgan_generator(assay_graph *g, assay_value z,
                                   const struct assay__dcgan *net,
                                   const char *prefix);
assay_value assay__dcgan_discriminator(assay_graph *g, assay_value image,
                                       const struct assay__dcgan *net,
                                       const char *prefix);

/* A generator without parameters. The key is copied. */
int assay__generator_build(assay_generator **out,
                           const struct assay__dcgan *net,
                           const struct assay_preprocess *pre,
                           const double pixels[2], const char *key,
                           struct assay_error *err) ASSAY_MUST_CHECK;
/* A graph of both networks: what the parameters are of. */
int assay__generator_graph(assay_graph **out, const struct assay__dcgan *net,
                           struct assay_error *err) ASSAY_MUST_CHECK;

/* preprocessed = scale * raw + shift, channel by channel. */
struct assay__range {
    double scale[ASSAY_CHANNELS_MAX];
    double shift[ASSAY_CHANNELS_MAX];
};
struct assay__range assay__range_of(const struct assay_preprocess *pre,
                                    double pixel_low, double pixel_high);

/* n rows of N(0, I) from (seed, purpose, first + i). */
void assay__draw_normal(float *z, size_t n, int dim, uint64_t seed,
                        const char *purpose, uint64_t first);

#endif
