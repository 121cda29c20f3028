/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The baseline of inversion: images of the generator as they come, each
 * said to be of a class at random. The target is not asked. An attack whose
 * pictures are recognised no more often than these found nothing.
 */

#include "attacks/inversion/inversion.h"
#include "core/mem.h"

enum { PARAM_EACH };

static const struct assay_setting params[] = {
    {"each", 10, 1, 10000, "pictures per class"},
    {NULL, 0, 0, 0, NULL}};

static int sample(const struct assay_attack_input *in,
                  struct assay_pictures *out, struct assay_error *err)
{
    const assay_generator *gen = in->world->generator;
    size_t z_dim = (size_t)assay_generator_z_dim(gen);
    float *z = NULL;
    size_t pixels;
    int rc = assay__pictures_make(out, in, (size_t)in->param[PARAM_EACH], err);

    if (rc)
        return rc;
    pixels = (size_t)out->channels * (size_t)out->height * (size_t)out->width;
    z = assay__calloc(out->n * z_dim, sizeof(*z));
    out->x = assay__calloc(out->n * pixels, sizeof(*out->x));
    if (!z || !out->x)
        rc = assay_error_set(err, ASSAY_NOMEM, "%zu pictures", out->n);
    if (!rc) {
        assay_generator_draw(gen, in->ctx->seed, out->n, z);
        rc = assay_generator_sample(gen, in->ctx, in->compute, z, out->n,
                                    out->x, err);
    }
    assay__free(z);
    return rc;
}

const struct assay_attack assay_attack_inversion_samples = {
    .name = "inversion-samples",
    .title = "Generator without a search",
    .summary = "Images that the generator makes by itself; the target is not "
               "asked.",
    .cites = "Radford et al., ICLR 2016",
    .goal = ASSAY_GOAL_INVERSION,
    .access = ASSAY_ACCESS_LABEL_ONLY,
    .auxiliary = ASSAY_AUX_SHADOW,
    .needs = ASSAY_NEED_MODEL | ASSAY_NEED_GENERATOR | ASSAY_NEED_EVALUATOR,
    .baseline = 1,
    .params = params,
    .picture = sample,
};
