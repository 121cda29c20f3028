/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Membership inference by quantile regression (Bertran et al., NeurIPS 2023),
 * in its Gaussian form: one extra model, whatever the target is.
 *
 * Threat model: black-box, with records of the same distribution that the
 * target was not trained on (the shadow quarters); no shadow model.
 *
 *   phi(x, y)        = log p(y) - log(1 - p(y)), what the target says
 *   N(mu(x), s(x)^2) what it says of records like x that it never saw: a
 *                    network's two outputs, fitted by likelihood to the
 *                    pairs (x, phi) of the shadow quarters
 *   score            = (phi - mu(x)) / s(x)
 *
 * The share of non-members with a score above z is the normal distribution's
 * tail, the same for easy and hard records, if the fit is good.
 *
 * With r = 1 / s the loss of a record is -log r + (r phi - r mu)^2 / 2, phi
 * standardised over the shadow quarters and r = R sigmoid(output), so that
 * -log sigmoid is the cross-entropy with 1 and 1 / R the least deviation.
 *
 * Deviations from the paper: phi is LiRA's confidence, not the label's logit
 * less the largest other one (which it nears where one other class stands
 * out); a small CNN, not a pretrained ConvNext; few epochs in place of a
 * search over hyperparameters. The threshold is cross-fitted, where the
 * paper sets a false-positive rate beforehand.
 * Expected numbers: docs/attacks/membership.md.
 */

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "assay/arch.h"
#include "assay/layers.h"
#include "assay/rng.h"
#include "attacks/membership/scores.h"
#include "core/mem.h"

enum { PARAM_EPOCHS, PARAM_LR, PARAM_BATCH, PARAM_FLIP };

static const struct assay_setting params[] = {
    {"epochs", 10, 1, 10000, "training epochs of the regression"},
    {"lr", 1e-3, 1e-8, 1, "Adam's learning rate, falling to 0"},
    {"batch", 64, 1, 65536, "batch size"},
    {"flip", 1, 0, 1, "1: mirror half of the records in each epoch"},
    {NULL, 0, 0, 0, NULL}};

static const char arch[] = "simplecnn";

/* R: the least deviation is a twentieth of that of all confidences. */
static const double sharpest = 20;

/* The network's two outputs: mu, and that which r comes from. */
enum { OUT_MEAN, OUT_SHARPNESS, OUTPUTS };

static assay_value likelihood(const void *self, assay_graph *g,
                              const struct assay_loss_values *v)
{
    struct assay_attrs ones = {.alpha = 1};
    assay_value mean = assay_op_slice(g, v->logits, 1, OUT_MEAN, 1);
    assay_value raw = assay_op_slice(g, v->logits, 1, OUT_SHARPNESS, 1);
    assay_value r = assay_op_affine(g, assay_op_sigmoid(g, raw), sharpest, 0);
    assay_value phi = assay_op_slice(g, v->soft, 1, 0, 1);
    assay_value squares;

    (void)self;
    ones.shape = assay_shape_make(2, (int64_t)ASSAY_BATCH, (int64_t)1);
    squares =
        assay_op_mse(g, assay_op_mul(g, r, mean), assay_op_mul(g, r, phi));
    return assay_op_add(
        g, assay_op_affine(g, squares, .5, 0),
        assay_op_bce_logits(g, raw,
                            assay_graph_node(g, "fill", NULL, 0, &ones)));
}

/* The regression, and all that its training borrows. */
struct regression {
    struct assay_recipe recipe;
    struct assay_objective objective;
    char text[64];
    char checkpoint[512];
    float *soft; /* [n, OUTPUTS]: standardised confidences, then nothing */
    double mean; /* of the confidences */
    double deviation;
    assay_model *model;
    struct assay_training training;
};

static int take_confidences(struct regression *q,
                            const struct assay_evidence *e,
                            struct assay_error *err)
{
    double *phi = assay__calloc(e->n, sizeof(*phi));
    double squares = 0;
    uint64_t hash = 0;

    q->soft = assay__calloc(e->n * OUTPUTS, sizeof(*q->soft));
    if (!phi || !q->soft) {
        assay__free(phi);
        return assay_error_set(err, ASSAY_NOMEM, "quantile: %zu confidences",
                               e->n);
    }
    assay_evidence_scaled_confidence(e, phi);
    for (size_t i = 0; i < e->n; i++)
        q->mean += phi[i] / (double)e->n;
    for (size_t i = 0; i < e->n; i++)
        squares += (phi[i] - q->mean) * (phi[i] - q->mean);
    q->deviation = squares > 0 ? sqrt(squares / (double)e->n) : 1;
    for (size_t i = 0; i < e->n; i++) {
        float x = (float)((phi[i] - q->mean) / q->deviation);
        uint32_t bits;

        q->soft[i * OUTPUTS] = x;
        memcpy(&bits, &x, sizeof(bits));
        hash = assay_rng_hash(hash, bits, i);
    }
    snprintf(q->text, sizeof(q->text), "quantile, confidences %016llx",
             (unsigned long long)hash);
    assay__free(phi);
    return ASSAY_OK;
}

static void set_training(struct regression *q,
                         const struct assay_attack_input *in)
{
    assay_recipe_init(&q->recipe, (size_t)in->param[PARAM_EPOCHS]);
    q->recipe.batch = (size_t)in->param[PARAM_BATCH];
    q->recipe.optimizer.kind = ASSAY_OPTIMIZER_ADAM;
    q->recipe.optimizer.weight_decay = 0;
    q->recipe.lr = in->param[PARAM_LR];
    q->recipe.schedule = ASSAY_SCHEDULE_COSINE;
    q->recipe.augment.flip = in->param[PARAM_FLIP] > 0;
    q->objective.text = q->text;
    q->objective.loss = likelihood;
    q->objective.soft = q->soft;
    q->objective.variants = 1;
    q->training.model = q->model;
    q->training.train = in->world->auxiliary;
    q->training.recipe = &q->recipe;
    q->training.objective = &q->objective;
    q->training.task = "quantile";
    if (in->world->folder) {
        snprintf(q->checkpoint, sizeof(q->checkpoint), "%.480s/quantile.ckpt",
                 in->world->folder);
        q->training.checkpoint = q->checkpoint;
    }
}

static int regress(struct regression *q, const struct assay_attack_input *in,
                   struct assay_error *err)
{
    struct assay_model_spec spec = {
        .arch = arch,
        .n_classes = OUTPUTS,
        .preprocess = *assay_model_preprocess(in->world->target)};
    struct assay_rng rng;
    int rc = take_confidences(q, in->auxiliary, err);

    assay_rng_init(&rng, in->ctx->seed, "quantile", 0);
    if (!rc)
        rc = assay_model_new(&q->model, &spec, assay_rng_u64(&rng), err);
    if (rc)
        return rc;
    set_training(q, in);
    q->training.seed = assay_rng_u64(&rng);
    return assay_models_train(in->ctx, in->compute, &q->training, 1, err);
}

/* How far each record's confidence is above what was to be expected. */
static int judge(const struct regression *q,
                 const struct assay_attack_input *in, const assay_view *view,
                 const struct assay_evidence *said, double *score,
                 struct assay_error *err)
{
    struct assay_evidence e = {0};
    int rc = assay_evidence_collect(&e, in->ctx, q->model, view,
                                    ASSAY_EVIDENCE_FOREIGN, in->compute,
                                    "quantile", err);

    if (rc)
        return rc;
    assay_evidence_scaled_confidence(said, score);
    for (size_t i = 0; i < said->n; i++) {
        const float *out = e.logits + i * OUTPUTS;
        double r = sharpest / (1 + exp(-(double)out[OUT_SHARPNESS]));
        double phi = (score[i] - q->mean) / q->deviation;

        score[i] = (phi - (double)out[OUT_MEAN]) * r;
    }
    assay_evidence_release(&e);
    return ASSAY_OK;
}

static int check_size(const struct assay_attack_input *in,
                      struct assay_error *err)
{
    const struct assay_preprocess *pre =
        assay_model_preprocess(in->world->target);
    int least = assay_arch_find(arch)->min_size;

    if (pre->height >= least && pre->width >= least)
        return ASSAY_OK;
    return assay_error_set(err, ASSAY_NOTHING,
                           "quantile: its network needs %dx%d pixels, the "
                           "records have %dx%d",
                           least, least, pre->height, pre->width);
}

static int run(const struct assay_attack_input *in,
               struct assay_membership_scores *out, struct assay_error *err)
{
    struct regression q;
    int rc = check_size(in, err);

    if (rc)
        return rc;
    memset(&q, 0, sizeof(q));
    rc = regress(&q, in, err);
    if (!rc)
        rc = assay__scores_make_all(out, in, err);
    if (!rc)
        rc = judge(&q, in, in->world->members, in->members, out->score, err);
    if (!rc)
        rc = judge(&q, in, in->world->nonmembers, in->nonmembers,
                   out->score + in->members->n, err);
    assay_curve_release(&q.training.curve);
    assay_model_free(q.model);
    assay__free(q.soft);
    return rc;
}

static double work(const struct assay_attack_sizes *s, const double *param)
{
    return (double)s->n_auxiliary * param[PARAM_EPOCHS];
}

const struct assay_attack assay_attack_quantile = {
    .name = "quantile",
    .title = "Quantile regression",
    .summary = "how far the confidence is above what one extra model expects "
               "of such a record unseen",
    .cites = "Bertran et al., NeurIPS 2023",
    .goal = ASSAY_GOAL_MEMBERSHIP,
    .access = ASSAY_ACCESS_BLACK_BOX,
    .auxiliary = ASSAY_AUX_SHADOW,
    .needs = ASSAY_NEED_MODEL | ASSAY_NEED_AUXILIARY,
    .params = params,
    .work = work,
    .membership = run};
