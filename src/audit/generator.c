/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The generator that inversion searches in: trained on the shadow quarters,
 * once per data set. It depends on no target, so audits with a common
 * library share it.
 */

#include <math.h>
#include <stdio.h>
#include <unistd.h>

#include "assay/rng.h"
#include "audit/audit.h"
#include "core/mem.h"
#include "core/thread.h"

static const char file[] = "models/generator.safetensors";

static json_t *make_inputs(const assay_audit *a,
                           const struct assay__scene *scene)
{
    json_t *inputs = assay__audit_inputs(a);

    if (inputs != NULL &&
        (json_object_set_new(inputs, "kind", json_string("generator")) ||
         json_object_set_new(inputs, "records",
                             json_string(scene->auxiliary.sha256)) ||
         json_object_set_new(
             inputs, "epochs",
             json_integer((json_int_t)a->options.generator_epochs)) ||
         json_object_set_new(inputs, "width",
                             json_integer(a->options.generator_width)) ||
         json_object_set_new(
             inputs, "seed",
             json_sprintf("%llu", (unsigned long long)a->ctx.seed)))) {
        json_decref(inputs);
        return NULL;
    }
    return inputs;
}

/* Bytes span 0..255; other numbers what the records hold. */
static int set_range(const assay_audit *a, const struct assay__scene *scene,
                     struct assay_generator_options *o, struct assay_error *err)
{
    size_t n = (size_t)assay_dataset_channels(a->data) *
               (size_t)assay_dataset_height(a->data) *
               (size_t)assay_dataset_width(a->data);
    float *x;
    size_t i;
    size_t j;

    if (assay_dataset_pixels(a->data, 0) != NULL)
        return ASSAY_OK;
    x = assay__malloc(n * sizeof(*x));
    if (x == NULL)
        return assay_error_set(err, ASSAY_NOMEM, "generator");
    o->pixel_low = (double)INFINITY;
    o->pixel_high = -(double)INFINITY;
    for (i = 0; i < scene->auxiliary.n; i++) {
        assay_dataset_record(a->data, scene->auxiliary.index[i], x);
        for (j = 0; j < n; j++) {
            o->pixel_low = fmin(o->pixel_low, (double)x[j]);
            o->pixel_high = fmax(o->pixel_high, (double)x[j]);
        }
    }
    assay__free(x);
    if (!(o->pixel_high > o->pixel_low))
        return assay_error_set(err, ASSAY_DATA, "generator: all pixels are %g",
                               o->pixel_low);
    return ASSAY_OK;
}

static int train(const assay_audit *a, const struct assay__scene *scene,
                 const char *checkpoint, assay_generator **out,
                 struct assay_error *err)
{
    struct assay_generator_options o;
    assay_view *view = NULL;
    struct assay_rng rng;
    int code;

    assay_generator_options_init(&o, a->options.generator_epochs);
    o.width = a->options.generator_width;
    o.task = "generator";
    o.checkpoint = checkpoint;
    assay_rng_init(&rng, a->ctx.seed, "generator", 0);
    o.seed = assay_rng_u64(&rng);
    code = set_range(a, scene, &o, err);
    if (code == ASSAY_OK)
        code = assay_view_new(&view, a->data, scene->auxiliary.index,
                              scene->auxiliary.n, &a->preprocess, err);
    if (code == ASSAY_OK)
        code = assay_generator_train(out, &a->ctx, &a->options.compute, view,
                                     &o, NULL, err);
    assay_view_free(view);
    return code;
}

static int make(assay_audit *a, const struct assay__scene *scene,
                const json_t *inputs, const char *key, struct assay_error *err)
{
    char *path = assay__cache_path(&a->cache, file);
    char *checkpoint =
        assay__format("%s/models/generator-%.12s.ckpt", a->cache.dir, key);
    double started = assay__clock_seconds();
    assay_generator *gen = NULL;
    int code;

    if (path == NULL || checkpoint == NULL)
        code = assay_error_set(err, ASSAY_NOMEM, "generator");
    else
        code = train(a, scene, checkpoint, &gen, err);
    if (code == ASSAY_OK)
        code = assay_generator_save(gen, path, err);
    if (code == ASSAY_OK)
        code = assay__cache_record(&a->cache, file, inputs,
                                   assay__clock_seconds() - started, err);
    if (code == ASSAY_OK)
        code = assay__library_give(&a->cache, file, key,
                                   assay__clock_seconds() - started, err);
    if (code == ASSAY_OK)
        (void)unlink(checkpoint);
    assay_generator_free(gen);
    assay__free(checkpoint);
    assay__free(path);
    return code;
}

bool assay__generator_there(const assay_audit *a,
                            const struct assay__scene *scene)
{
    json_t *inputs = make_inputs(a, scene);
    char key[65];
    bool there;

    there = inputs != NULL && assay__cache_key(inputs, key, NULL) == ASSAY_OK &&
            (assay__cache_peek(&a->cache, file, inputs) ||
             assay__library_peek(&a->cache, key));
    json_decref(inputs);
    return there;
}

int assay__generator_ready(assay_audit *a, const struct assay__scene *scene,
                           struct assay_error *err)
{
    json_t *inputs = make_inputs(a, scene);
    bool there = false;
    char key[65];
    int code;

    if (inputs == NULL)
        return assay_error_set(err, ASSAY_NOMEM, "inputs of the generator");
    code = assay__cache_key(inputs, key, err);
    if (code == ASSAY_OK)
        there = assay__cache_has(&a->cache, file, inputs);
    if (code == ASSAY_OK && !there)
        code = assay__library_take(&a->cache, file, inputs, key, &there, err);
    if (code == ASSAY_OK && !there)
        code = make(a, scene, inputs, key, err);
    json_decref(inputs);
    return code;
}

int assay__generator_open(const assay_audit *a, assay_generator **out,
                          struct assay_error *err)
{
    char *path = assay__cache_path(&a->cache, file);
    int code;

    if (path == NULL)
        return assay_error_set(err, ASSAY_NOMEM, "%s", file);
    code = assay__cache_check(&a->cache, file, err);
    if (code == ASSAY_OK)
        code = assay_generator_open(out, path, err);
    assay__free(path);
    return code;
}
