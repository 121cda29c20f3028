/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Model inversion with a generator of shadow records: the latent vector is
 * searched whose image the model takes for a class.
 *
 * Threat model: white-box, shadow. Rows:
 *   inversion-gmi    cross-entropy of the posterior (Zhang et al., CVPR
 *                    2020), as ML-Doctor has it
 *   inversion-logit  the logit with a term that keeps features near public
 *                    ones (LOMMA, Nguyen et al., CVPR 2023)
 *   inversion-lomma  the same on the target and on `copies` of it, distilled
 *                    on the shadow records (model augmentation)
 *
 * Deviations from ML-Doctor's code: success is the wanted class, not the
 * class that the target gives; networks are trained in training mode, the
 * generator's range is that of the pixels, the discriminator's logit is
 * used. The gradient of a row is its own (the code's rate .001 is that of a
 * mean over 10 rows: .0001 here). Fewer steps by default.
 */

#include <stdio.h>
#include <string.h>

#include "assay/rng.h"
#include "attacks/inversion/inversion.h"
#include "core/mem.h"

enum {
    PARAM_EACH,
    PARAM_STEPS,
    PARAM_RATE,
    PARAM_WEIGHT,
    PARAM_COPIES,
    PARAM_EPOCHS,
    PARAM_LR
};

/* clang-format off */
#define COMMON_PARAMS                                                       \
    {"each", 10, 1, 10000, "searches per class"},                           \
    {"steps", 600, 1, 1e6, "updates of a search"},                          \
    {"rate", 3e-4, 1e-9, 10, "step along the gradient, momentum .9"},       \
    {"weight", 100, 0, 1e6, "of the class beside the discriminator"}
/* clang-format on */

static const struct assay_setting plain_params[] = {COMMON_PARAMS,
                                                    {NULL, 0, 0, 0, NULL}};
static const struct assay_setting copies_params[] = {
    COMMON_PARAMS,
    {"copies", 1, 1, 7, "distilled models beside the target"},
    {"epochs", 20, 1, 10000, "of their distillation"},
    {"lr", 0, 0, 10, "its first learning rate; 0: the target's"},
    {NULL, 0, 0, 0, NULL}};

enum { MODELS_MAX = 8 };

static double search_work(const struct assay_attack_sizes *s,
                          const double *param, double models)
{
    double rows = s->n_classes * param[PARAM_EACH];

    /* Generator and discriminator cost about as much as a model. */
    return .7 * (models + 1) * rows * param[PARAM_STEPS];
}

static double work_plain(const struct assay_attack_sizes *s,
                         const double *param)
{
    return search_work(s, param, 1);
}

static double work_copies(const struct assay_attack_sizes *s,
                          const double *param)
{
    double copies = param[PARAM_COPIES];

    return search_work(s, param, 1 + copies) +
           copies * param[PARAM_EPOCHS] * (double)s->n_auxiliary;
}

/* A copy by other hands: the target's answers on the shadow records. */
static int distil(const struct assay_attack_input *in, int index,
                  assay_model *copy, uint64_t seed, struct assay_error *err)
{
    struct assay_objective objective = {.text = "distil for inversion",
                                        .soft = in->auxiliary->logits,
                                        .variants = 1};
    struct assay_training t = {.model = copy,
                               .train = in->world->auxiliary,
                               .objective = &objective,
                               .seed = seed,
                               .task = "inversion copy"};
    struct assay_recipe recipe;
    char checkpoint[512];
    int rc;

    assay_attack_recipe(in, (size_t)in->param[PARAM_EPOCHS],
                        in->param[PARAM_LR], &recipe);
    t.recipe = &recipe;
    if (in->world->folder) {
        snprintf(checkpoint, sizeof(checkpoint), "%.480s/copy-%d.ckpt",
                 in->world->folder, index);
        t.checkpoint = checkpoint;
    }
    rc = assay_models_train(in->ctx, in->compute, &t, 1, err);
    assay_curve_release(&t.curve);
    return rc;
}

static int make_copies(const struct assay_attack_input *in, int n,
                       assay_model **copy, struct assay_error *err)
{
    struct assay_model_spec spec = {
        .arch = in->world->copy_arch,
        .n_classes = in->members->n_classes,
        .preprocess = *assay_model_preprocess(in->world->target)};
    int rc = ASSAY_OK;

    for (int i = 0; i < n && !rc; i++) {
        struct assay_rng rng;

        assay_rng_init(&rng, in->ctx->seed, "inversion copy", (uint64_t)i);
        rc = assay_model_new(&copy[i], &spec, assay_rng_u64(&rng), err);
        if (!rc)
            rc = distil(in, i, copy[i], assay_rng_u64(&rng), err);
    }
    return rc;
}

static int search(const struct assay_attack_input *in,
                  enum assay_identity_loss identity, assay_model *const *copy,
                  int n_copies, struct assay_pictures *out,
                  struct assay_error *err)
{
    const assay_model *models[MODELS_MAX] = {in->world->target};
    struct assay_latent_nets nets = {in->world->generator, models, 1};
    struct assay_inversion_rows rows = {.n = out->n, .wanted = out->wanted};
    struct assay_inversion found = {0};
    struct assay_latent_descent o;
    float *mean = NULL;
    int rc;

    for (int i = 0; i < n_copies; i++)
        models[nets.n_models++] = copy[i];
    assay_latent_descent_init(&o);
    o.rate = in->param[PARAM_RATE];
    o.identity_weight = in->param[PARAM_WEIGHT];
    o.steps = (size_t)in->param[PARAM_STEPS];
    o.identity = identity;
    o.seed = in->ctx->seed;
    o.task = "inversion";
    if (identity == ASSAY_IDENTITY_LOGIT) {
        mean =
            assay__calloc((size_t)in->auxiliary->embedding_dim, sizeof(*mean));
        if (!mean)
            return assay_error_set(err, ASSAY_NOMEM, "inversion");
        assay_evidence_mean_embedding(in->auxiliary, mean);
        o.feature_mean = mean;
    }
    rc = assay_inversion_latent(&found, in->ctx, in->compute, &nets, &rows, &o,
                                err);
    if (!rc)
        assay__pictures_take(out, &found);
    assay_inversion_release(&found);
    assay__free(mean);
    return rc;
}

static int invert(const struct assay_attack_input *in,
                  enum assay_identity_loss identity, int n_copies,
                  struct assay_pictures *out, struct assay_error *err)
{
    assay_model *copy[MODELS_MAX] = {NULL};
    int rc = assay__pictures_make(out, in, (size_t)in->param[PARAM_EACH], err);

    if (!rc)
        rc = make_copies(in, n_copies, copy, err);
    if (!rc)
        rc = search(in, identity, copy, n_copies, out, err);
    for (int i = 0; i < n_copies; i++)
        assay_model_free(copy[i]);
    return rc;
}

static int gmi(const struct assay_attack_input *in, struct assay_pictures *out,
               struct assay_error *err)
{
    return invert(in, ASSAY_IDENTITY_CROSS_ENTROPY, 0, out, err);
}

static int logit(const struct assay_attack_input *in,
                 struct assay_pictures *out, struct assay_error *err)
{
    return invert(in, ASSAY_IDENTITY_LOGIT, 0, out, err);
}

static int lomma(const struct assay_attack_input *in,
                 struct assay_pictures *out, struct assay_error *err)
{
    return invert(in, ASSAY_IDENTITY_LOGIT, (int)in->param[PARAM_COPIES], out,
                  err);
}

#define NEEDS (ASSAY_NEED_MODEL | ASSAY_NEED_GENERATOR | ASSAY_NEED_EVALUATOR)

#define ROW(id, name_, title_, summary_, cites_, needs_, params_, work_, run) \
    const struct assay_attack assay_attack_##id = {                           \
        .name = (name_),                                                      \
        .title = (title_),                                                    \
        .summary = (summary_),                                                \
        .cites = (cites_),                                                    \
        .goal = ASSAY_GOAL_INVERSION,                                         \
        .access = ASSAY_ACCESS_WHITE_BOX,                                     \
        .auxiliary = ASSAY_AUX_SHADOW,                                        \
        .needs = (needs_),                                                    \
        .params = (params_),                                                  \
        .work = (work_),                                                      \
        .picture = (run),                                                     \
    }

ROW(inversion_gmi, "inversion-gmi", "GMI: search in a generator",
    "Searches a generator of shadow records for images that the model takes "
    "for a class.",
    "Zhang et al., CVPR 2020; Liu et al., USENIX Security 2022", NEEDS,
    plain_params, work_plain, gmi);
ROW(inversion_logit, "inversion-logit", "LOMMA's loss: the logit",
    "The same search on the logit, with features kept near public ones.",
    "Nguyen et al., CVPR 2023",
    NEEDS | ASSAY_NEED_AUXILIARY | ASSAY_NEED_EMBEDDING, plain_params,
    work_plain, logit);
ROW(inversion_lomma, "inversion-lomma", "LOMMA: with copies of the model",
    "The same search on the model and on copies distilled from it.",
    "Nguyen et al., CVPR 2023",
    NEEDS | ASSAY_NEED_AUXILIARY | ASSAY_NEED_EMBEDDING, copies_params,
    work_copies, lomma);
