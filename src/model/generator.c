/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The generator object: sizes, preprocessing and parameters of both
 * networks on the host. Graphs are built when they are needed.
 */

#include "model/generator.h"

#include <math.h>
#include <string.h>

#include "assay/layers.h"
#include "assay/rng.h"
#include "core/mem.h"
#include "model/model.h"

enum { SAMPLE_BATCH = 64 };

void assay_generator_options_init(struct assay_generator_options *o,
                                  size_t epochs)
{
    memset(o, 0, sizeof(*o));
    o->epochs = epochs;
    o->batch = 128;
    o->lr = 2e-4;
    o->beta1 = .5;
    o->beta2 = .999;
    o->z_dim = 100;
    o->width = 64;
    o->pixel_high = 255;
}

void assay_generator_history_release(struct assay_generator_history *h)
{
    assay__free(h->epoch);
    memset(h, 0, sizeof(*h));
}

static int check_pixels(const struct assay_preprocess *pre,
                        const double pixels[2], struct assay_error *err)
{
    if (!isfinite(pixels[0]) || !isfinite(pixels[1]) || pixels[0] >= pixels[1])
        return assay_error_set(err, ASSAY_ARG,
                               "generator: pixels from %g to %g", pixels[0],
                               pixels[1]);
    for (int c = 0; c < pre->channels; c++) {
        if (!isfinite(pre->mean[c]) || !(pre->std[c] > 0) ||
            !isfinite(pre->std[c]) || !(pre->scale > 0) ||
            !isfinite(pre->scale))
            return assay_error_set(err, ASSAY_ARG,
                                   "generator: channel %d is preprocessed by "
                                   "scale %g, mean %g, deviation %g",
                                   c, pre->scale, pre->mean[c], pre->std[c]);
    }
    return ASSAY_OK;
}

int assay__generator_build(assay_generator **out,
                           const struct assay__dcgan *net,
                           const struct assay_preprocess *pre,
                           const double pixels[2], const char *key,
                           struct assay_error *err)
{
    struct assay__dcgan planned = *net;
    assay_generator *gen;
    int rc;

    if (pre->height != pre->width)
        return assay_error_set(err, ASSAY_ARG,
                               "generator: images of %dx%d are not square",
                               pre->height, pre->width);
    planned.channels = pre->channels;
    planned.size = pre->height;
    rc = assay__dcgan_plan(&planned, err);
    if (!rc)
        rc = check_pixels(pre, pixels, err);
    if (rc)
        return rc;
    gen = assay__calloc(1, sizeof(*gen));
    if (!gen)
        return assay_error_set(err, ASSAY_NOMEM, "generator: out of memory");
    gen->net = planned;
    gen->preprocess = *pre;
    gen->pixel_low = pixels[0];
    gen->pixel_high = pixels[1];
    gen->key = assay__strdup(key);
    if (!gen->key) {
        assay_generator_free(gen);
        return assay_error_set(err, ASSAY_NOMEM, "generator: out of memory");
    }
    *out = gen;
    return ASSAY_OK;
}

int assay__generator_graph(assay_graph **out, const struct assay__dcgan *net,
                           struct assay_error *err)
{
    struct assay_shape shape =
        assay_shape_make(2, (int64_t)ASSAY_BATCH, (int64_t)net->z_dim);
    assay_graph *g = NULL;
    assay_value z;
    int rc = assay_graph_new(&g, err);

    if (rc)
        return rc;
    z = assay_graph_input(g, "z", &shape);
    assay__dcgan_discriminator(g, assay__dcgan_generator(g, z, net, ""), net,
                               "");
    rc = assay_graph_check(g, err);
    if (rc)
        assay_graph_free(g);
    else
        *out = g;
    return rc;
}

int assay_generator_new(assay_generator **out,
                        const struct assay_preprocess *pre,
                        const struct assay_generator_options *options,
                        struct assay_error *err)
{
    struct assay__dcgan net = {.z_dim = options->z_dim,
                               .width = options->width};
    double pixels[2] = {options->pixel_low, options->pixel_high};
    assay_generator *gen = NULL;
    assay_graph *g = NULL;
    int rc = assay__generator_build(&gen, &net, pre, pixels, "", err);

    if (!rc)
        rc = assay__generator_graph(&g, &gen->net, err);
    if (!rc)
        rc = assay_params_make(&gen->params, g, err);
    if (!rc)
        rc = assay_params_init(&gen->params, g, options->seed, err);
    assay_graph_free(g);
    if (rc) {
        assay_generator_free(gen);
        return rc;
    }
    *out = gen;
    return ASSAY_OK;
}

void assay_generator_free(assay_generator *gen)
{
    if (!gen)
        return;
    assay_params_release(&gen->params);
    assay__free(gen->key);
    assay__free(gen);
}

int assay_generator_z_dim(const assay_generator *gen)
{
    return gen->net.z_dim;
}

const struct assay_preprocess *assay_generator_preprocess(
    const assay_generator *gen)
{
    return &gen->preprocess;
}

const char *assay_generator_key(const assay_generator *gen)
{
    return gen->key;
}

struct assay_params *assay_generator_params(assay_generator *gen)
{
    return &gen->params;
}

struct assay__range assay__range_of(const struct assay_preprocess *pre,
                                    double pixel_low, double pixel_high)
{
    double half = (pixel_high - pixel_low) / 2;
    double middle = (pixel_high + pixel_low) / 2;
    struct assay__range r = {{0}, {0}};

    for (int c = 0; c < pre->channels; c++) {
        r.scale[c] = half * pre->scale / pre->std[c];
        r.shift[c] = (middle * pre->scale - pre->mean[c]) / pre->std[c];
    }
    return r;
}

/* Raw images into a model's range: one step when all channels agree. */
static assay_value preprocessed(const assay_generator *gen, assay_graph *g,
                                assay_value raw)
{
    struct assay__range r =
        assay__range_of(&gen->preprocess, gen->pixel_low, gen->pixel_high);
    int channels = gen->net.channels;
    assay_value plane[ASSAY_CHANNELS_MAX];
    int same = 1;

    for (int c = 1; c < channels; c++)
        same = same && r.scale[c] == r.scale[0] && r.shift[c] == r.shift[0];
    if (same)
        return assay_op_affine(g, raw, r.scale[0], r.shift[0]);
    for (int c = 0; c < channels; c++)
        plane[c] = assay_op_affine(g, assay_op_slice(g, raw, 1, c, 1),
                                   r.scale[c], r.shift[c]);
    return assay_op_concat(g, plane, channels, 1);
}

void assay_generator_append(const assay_generator *gen, assay_graph *g,
                            assay_value z, const char *prefix,
                            struct assay_generator_values *out)
{
    out->raw = assay__dcgan_generator(g, z, &gen->net, prefix);
    out->image = preprocessed(gen, g, out->raw);
    out->realism = assay__dcgan_discriminator(g, out->raw, &gen->net, prefix);
}

int assay_generator_fill(const assay_generator *gen, const char *prefix,
                         struct assay_params *params, struct assay_error *err)
{
    return assay__params_fill(params, prefix, &gen->params, err);
}

void assay__draw_normal(float *z, size_t n, int dim, uint64_t seed,
                        const char *purpose, uint64_t first)
{
    for (size_t i = 0; i < n; i++) {
        struct assay_rng rng;

        assay_rng_init(&rng, seed, purpose, first + i);
        for (int k = 0; k < dim; k++)
            z[i * (size_t)dim + (size_t)k] = (float)assay_rng_normal(&rng);
    }
}

void assay_generator_draw(const assay_generator *gen, uint64_t seed, size_t n,
                          float *z)
{
    assay__draw_normal(z, n, gen->net.z_dim, seed, "generator-z", 0);
}

/* What sampling works with. */
struct sampler {
    const assay_generator *gen;
    assay_graph *graph;
    assay_plan *plan;
    assay_value z;
    struct assay_generator_values values;
    float *noise;  /* [batch, Z] */
    float *images; /* [batch, C, H, W] */
};

static int sampler_open(struct sampler *s, const struct assay_context *ctx,
                        const struct assay_compute *compute,
                        struct assay_error *err)
{
    const struct assay__dcgan *net = &s->gen->net;
    struct assay_shape shape =
        assay_shape_make(2, (int64_t)ASSAY_BATCH, (int64_t)net->z_dim);
    size_t pixels =
        (size_t)net->channels * (size_t)net->size * (size_t)net->size;
    struct assay_plan_options o = assay__plan_options(ctx, compute);
    int rc;

    s->noise =
        assay__calloc(SAMPLE_BATCH * (size_t)net->z_dim, sizeof(*s->noise));
    s->images = assay__calloc(SAMPLE_BATCH * pixels, sizeof(*s->images));
    if (!s->noise || !s->images)
        return assay_error_set(err, ASSAY_NOMEM, "generator: out of memory");
    rc = assay_graph_new(&s->graph, err);
    if (rc)
        return rc;
    s->z = assay_graph_input(s->graph, "z", &shape);
    assay_generator_append(s->gen, s->graph, s->z, "", &s->values);
    o.batch = SAMPLE_BATCH;
    o.outputs = &s->values.image;
    o.n_outputs = 1;
    rc = assay_plan_new(&s->plan, s->graph, &o, err);
    return rc ? rc : assay_plan_load(s->plan, &s->gen->params, err);
}

static void sampler_close(struct sampler *s)
{
    assay_plan_free(s->plan);
    assay_graph_free(s->graph);
    assay__free(s->noise);
    assay__free(s->images);
}

int assay_generator_sample(const assay_generator *gen,
                           const struct assay_context *ctx,
                           const struct assay_compute *compute, const float *z,
                           size_t n, float *images, struct assay_error *err)
{
    struct sampler s = {.gen = gen};
    size_t dim = (size_t)gen->net.z_dim;
    size_t pixels = (size_t)gen->net.channels * (size_t)gen->net.size *
                    (size_t)gen->net.size;
    int rc = sampler_open(&s, ctx, compute, err);

    for (size_t at = 0; at < n && !rc; at += SAMPLE_BATCH) {
        size_t part = n - at < SAMPLE_BATCH ? n - at : SAMPLE_BATCH;

        memcpy(s.noise, z + at * dim, part * dim * sizeof(*z));
        rc = assay_context_check(ctx, err);
        if (!rc)
            rc = assay_plan_write(s.plan, s.z, s.noise, err);
        if (!rc)
            rc = assay_plan_run(s.plan, err);
        if (!rc)
            rc = assay_plan_read(s.plan, s.values.image, s.images, err);
        if (!rc)
            memcpy(images + at * pixels, s.images,
                   part * pixels * sizeof(*images));
    }
    sampler_close(&s);
    return rc;
}
