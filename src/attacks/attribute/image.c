/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Imputation from the picture (after Jayaraman and Evans, CCS 2022): a
 * classifier of the attribute, of the target's architecture, trained on the
 * shadow records' pixels. It asks the target nothing, so what an attack
 * knows beyond it came from the target.
 *
 * Trained with the target's optimizer, from its rate, which falls to 0 along a
 * cosine; batch 64, flip.
 */

#include <string.h>

#include "assay/rng.h"
#include "attacks/attribute/attribute.h"
#include "core/mem.h"

enum { PARAM_EPOCHS, PARAM_LR };

static const struct assay_setting params[] = {
    {"epochs", 30, 1, 10000, "training epochs"},
    {"lr", 0, 0, 10, "first learning rate; 0: the target's"},
    {NULL, 0, 0, 0, NULL}};

static double work(const struct assay_attack_sizes *s, const double *param)
{
    return (double)s->n_auxiliary * param[PARAM_EPOCHS];
}

/* The shadow records, labelled by the attribute. */
static int make_view(const struct assay_attack_input *in, assay_view **view,
                     struct assay_error *err)
{
    const struct assay_evidence *e = in->auxiliary;
    int rc =
        assay_view_new(view, assay_view_dataset(in->world->members), e->record,
                       e->n, assay_model_preprocess(in->world->target), err);

    if (!rc)
        assay_view_set_label(*view, in->world->attribute);
    return rc;
}

static int train(const struct assay_attack_input *in, const assay_view *view,
                 assay_model *m, struct assay_error *err)
{
    struct assay_training t = {.model = m, .train = view};
    struct assay_recipe recipe;
    char *checkpoint = NULL;
    int rc;

    assay_attack_recipe(in, (size_t)in->param[PARAM_EPOCHS],
                        in->param[PARAM_LR], &recipe);
    if (in->world->folder) {
        checkpoint = assay__format("%s/image.ckpt", in->world->folder);
        if (!checkpoint)
            return assay_error_set(err, ASSAY_NOMEM, "imputation");
    }
    t.recipe = &recipe;
    t.seed = in->ctx->seed;
    t.task = "attribute-image";
    t.checkpoint = checkpoint;
    rc = assay_models_train(in->ctx, in->compute, &t, 1, err);
    assay_curve_release(&t.curve);
    assay__free(checkpoint);
    return rc;
}

static int judge(const struct assay_attack_input *in, const assay_model *m,
                 struct assay_guesses *out, struct assay_error *err)
{
    struct assay_evidence e = {0};
    int rc = assay_evidence_collect(&e, in->ctx, m, in->world->nonmembers,
                                    ASSAY_EVIDENCE_FOREIGN, in->compute,
                                    "attribute-image", err);

    for (size_t i = 0; i < e.n && !rc; i++)
        out->guess[i] = assay_evidence_class(&e, i);
    assay_evidence_release(&e);
    return rc;
}

static int impute(const struct assay_attack_input *in,
                  struct assay_guesses *out, struct assay_error *err)
{
    struct assay_model_spec spec = {
        .arch = in->world->copy_arch,
        .n_classes = in->world->n_values,
        .preprocess = *assay_model_preprocess(in->world->target)};
    assay_view *view = NULL;
    assay_model *m = NULL;
    struct assay_rng rng;
    int rc = assay__guesses_make(out, in->nonmembers->n, in->auxiliary->n, err);

    assay_rng_init(&rng, in->ctx->seed, "attribute-image", 0);
    if (!rc)
        rc = assay_model_new(&m, &spec, assay_rng_u64(&rng), err);
    if (!rc)
        rc = make_view(in, &view, err);
    if (!rc)
        rc = train(in, view, m, err);
    if (!rc)
        rc = judge(in, m, out, err);
    assay_view_free(view);
    assay_model_free(m);
    return rc;
}

const struct assay_attack assay_attack_attribute_image = {
    .name = "attribute-image",
    .title = "Imputation from the picture",
    .summary = "A classifier of the attribute, trained on shadow records; "
               "the model is not asked.",
    .cites = "Jayaraman and Evans, CCS 2022",
    .goal = ASSAY_GOAL_ATTRIBUTE,
    .access = ASSAY_ACCESS_LABEL_ONLY,
    .auxiliary = ASSAY_AUX_SHADOW,
    .needs = ASSAY_NEED_MODEL | ASSAY_NEED_AUXILIARY | ASSAY_NEED_ATTRIBUTE,
    .baseline = 1,
    .params = params,
    .work = work,
    .guess = impute,
};
