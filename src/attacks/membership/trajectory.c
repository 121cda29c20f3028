/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Membership inference by the loss trajectory (Liu et al., CCS 2022): one
 * extra, distilled model per attacked model.
 *
 * Threat model: black-box, with a shadow model and records that neither the
 * target nor the shadow model was trained on.
 *
 *   distilling: a student learns the model's posteriors on these records
 *               (Kullback-Leibler divergence), for E epochs
 *   features:   phi after epoch 1 .. E of the student, and phi of the model
 *               itself, phi = log p(y) - log(1 - p(y))
 *   score:      member logit - non-member logit of a small network on the
 *               E + 1 features, taught by the shadow model's own members and
 *               non-members; 0 decides
 *
 * Records: both students learn from the first half of the shadow-test
 * quarter, in the same order from the same initial values; the network
 * learns from shadow-train (members) and the second half of shadow-test
 * (non-members), as many of each. None of these was seen by the target.
 *
 * A student that was taught on other records finds a record as hard as its
 * teacher would have found it unseen; what the teacher's own loss is below
 * that is memory.
 *
 * Deviations from the paper: features are log-odds, a decreasing function of
 * the loss, since members' losses lie orders of magnitude below one; fewer
 * epochs (the paper takes 100) and half a quarter to distil on; the plain
 * network of assay/dense.h.
 * Expected numbers: docs/attacks/membership.md.
 */

#include <stdio.h>
#include <string.h>

#include "assay/rng.h"
#include "attacks/membership/rows.h"
#include "attacks/membership/scores.h"
#include "core/mem.h"

enum {
    PARAM_EPOCHS,
    PARAM_LR,
    PARAM_BATCH,
    PARAM_HIDDEN,
    PARAM_NETWORK_EPOCHS
};

static const struct assay_setting params[] = {
    {"epochs", 15, 1, 10000, "epochs of distillation: losses per record"},
    {"lr", 0, 0, 10, "the student's learning rate; 0: the target's"},
    {"batch", 64, 1, 65536, "its batch size"},
    {"hidden", 64, 0, 65536, "units of the network's hidden layer; 0: none"},
    {"network-epochs", 40, 1, 10000, "training epochs of the network"},
    {NULL, 0, 0, 0, NULL}};

/*
 * One student, and where its confidences go. It keeps no checkpoint: those
 * of the epochs before would be lost with the process.
 */
struct student {
    const struct assay_attack_input *in;
    struct assay_context silent; /* the looks after each epoch say nothing */
    const assay_view *view[2];   /* records whose features are wanted */
    size_t n[2];                 /* of them, from the first row on */
    float *features[2];          /* [n, width] each */
    size_t width;
    double *phi; /* [largest view] */
    assay_model *model;
    struct assay_recipe recipe;
    struct assay_objective objective;
    char text[64];
    struct assay_training training;
};

/* The confidences of one model as one column of the features. */
static void put_column(const struct assay_evidence *e, size_t n, double *phi,
                       float *features, size_t width, size_t column)
{
    assay_evidence_scaled_confidence(e, phi);
    for (size_t i = 0; i < n; i++)
        features[i * width + column] = (float)phi[i];
}

static int look(void *user, const assay_model *m, size_t epoch,
                struct assay_error *err)
{
    struct student *s = user;

    for (int side = 0; side < 2; side++) {
        struct assay_evidence e = {0};
        int rc = assay_evidence_collect(&e, &s->silent, m, s->view[side], 0,
                                        s->in->compute, "trajectory", err);

        if (rc)
            return rc;
        put_column(&e, s->n[side], s->phi, s->features[side], s->width,
                   epoch - 1);
        assay_evidence_release(&e);
    }
    return ASSAY_OK;
}

/* `said`: the teacher's logits on the records of `lesson`. */
static int distil(struct student *s, const assay_view *lesson,
                  const float *said, struct assay_error *err)
{
    const struct assay_attack_input *in = s->in;
    struct assay_model_spec spec = {
        .arch = in->world->copy_arch,
        .n_classes = in->members->n_classes,
        .preprocess = *assay_model_preprocess(in->world->target)};
    struct assay_rng rng;
    int rc;

    assay_rng_init(&rng, in->ctx->seed, "trajectory", 0);
    rc = assay_model_new(&s->model, &spec, assay_rng_u64(&rng), err);
    if (rc)
        return rc;
    assay_attack_recipe(in, (size_t)in->param[PARAM_EPOCHS],
                        in->param[PARAM_LR], &s->recipe);
    s->recipe.batch = (size_t)in->param[PARAM_BATCH];
    s->recipe.schedule = ASSAY_SCHEDULE_CONSTANT;
    s->recipe.augment.flip = 0;
    s->objective.text = "trajectory";
    s->objective.soft = said;
    s->objective.variants = 1;
    s->training.model = s->model;
    s->training.train = lesson;
    s->training.recipe = &s->recipe;
    s->training.objective = &s->objective;
    s->training.seed = assay_rng_u64(&rng);
    s->training.task = "trajectory";
    s->training.on_epoch = look;
    s->training.user = s;
    return assay_models_train(in->ctx, in->compute, &s->training, 1, err);
}

/* The teacher's own confidences are the last column. */
static int follow(struct student *s, const struct assay_attack_input *in,
                  const assay_view *lesson, const float *said,
                  const struct assay_evidence *const own[2],
                  struct assay_error *err)
{
    size_t most = own[0]->n > own[1]->n ? own[0]->n : own[1]->n;
    int rc;

    s->in = in;
    s->silent = *in->ctx;
    s->silent.progress = NULL;
    s->phi = assay__calloc(most, sizeof(*s->phi));
    if (!s->phi)
        return assay_error_set(err, ASSAY_NOMEM, "trajectory: %zu records",
                               most);
    for (int side = 0; side < 2; side++)
        put_column(own[side], s->n[side], s->phi, s->features[side], s->width,
                   s->width - 1);
    rc = distil(s, lesson, said, err);
    assay_curve_release(&s->training.curve);
    assay_model_free(s->model);
    assay__free(s->phi);
    return rc;
}

/* Records behind the two students. */
struct lessons {
    size_t first;              /* of shadow-test: taught; the rest: judged */
    size_t half;               /* of each side, for the network */
    assay_view *lesson;        /* [first] */
    assay_view *members;       /* [half] of the shadow model's */
    assay_view *nonmembers;    /* [half] of the rest */
    struct assay_evidence own; /* the shadow model on these non-members */
};

static int open_view(const struct assay_attack_input *in, const uint32_t *index,
                     size_t n, assay_view **view, struct assay_error *err)
{
    return assay_view_new(view, assay_view_dataset(in->world->members), index,
                          n, assay_model_preprocess(in->world->target), err);
}

static int select_own(struct lessons *l, const struct assay_evidence *from,
                      struct assay_error *err)
{
    uint32_t *rows = assay__calloc(l->half, sizeof(*rows));
    int rc;

    if (!rows)
        return assay_error_set(err, ASSAY_NOMEM, "trajectory: %zu records",
                               l->half);
    for (size_t i = 0; i < l->half; i++)
        rows[i] = (uint32_t)(l->first + i);
    rc = assay_evidence_select(&l->own, from, rows, l->half, err);
    assay__free(rows);
    return rc;
}

static int lessons_init(struct lessons *l, const struct assay_attack_input *in,
                        struct assay_error *err)
{
    const struct assay_evidence *with = in->shadow_members;
    const struct assay_evidence *without = in->shadow_nonmembers;
    size_t rest;
    int rc;

    memset(l, 0, sizeof(*l));
    if (in->auxiliary->n != with->n + without->n)
        return assay_error_set(err, ASSAY_SHAPE,
                               "trajectory: %zu answers on the shadow "
                               "quarters, which have %zu and %zu records",
                               in->auxiliary->n, with->n, without->n);
    l->first = without->n / 2;
    rest = without->n - l->first;
    l->half = rest < with->n ? rest : with->n;
    if (l->first == 0)
        return assay_error_set(err, ASSAY_NOTHING,
                               "trajectory: %zu shadow-test records; at least "
                               "2 are needed",
                               without->n);
    rc = open_view(in, without->record, l->first, &l->lesson, err);
    if (!rc)
        rc = open_view(in, with->record, l->half, &l->members, err);
    if (!rc)
        rc = open_view(in, without->record + l->first, l->half, &l->nonmembers,
                       err);
    if (!rc)
        rc = select_own(l, without, err);
    return rc;
}

static void lessons_release(struct lessons *l)
{
    assay_view_free(l->lesson);
    assay_view_free(l->members);
    assay_view_free(l->nonmembers);
    assay_evidence_release(&l->own);
}

static int follow_shadow(const struct lessons *l,
                         const struct assay_attack_input *in,
                         struct assay__feature_rows *rows,
                         struct assay_error *err)
{
    const struct assay_evidence *const own[2] = {in->shadow_members, &l->own};
    struct student s = {
        .view = {l->members, l->nonmembers},
        .n = {rows->half, rows->half},
        .features = {rows->learn, rows->learn + rows->half * rows->width},
        .width = rows->width};

    return follow(&s, in, l->lesson, in->shadow_nonmembers->logits, own, err);
}

static int follow_target(const struct lessons *l,
                         const struct assay_attack_input *in,
                         struct assay__feature_rows *rows,
                         struct assay_error *err)
{
    const struct assay_evidence *const own[2] = {in->members, in->nonmembers};
    size_t k = (size_t)in->members->n_classes;
    struct student s = {
        .view = {in->world->members, in->world->nonmembers},
        .n = {in->members->n, in->nonmembers->n},
        .features = {rows->judge, rows->judge + in->members->n * rows->width},
        .width = rows->width};

    return follow(&s, in, l->lesson,
                  in->auxiliary->logits + in->shadow_members->n * k, own, err);
}

static int run(const struct assay_attack_input *in,
               struct assay_membership_scores *out, struct assay_error *err)
{
    struct assay_dense_options o = {
        .n_values = 2,
        .hidden = (int)in->param[PARAM_HIDDEN],
        .epochs = (size_t)in->param[PARAM_NETWORK_EPOCHS],
        .batch = 64,
        .lr = 3e-3,
        .seed = in->ctx->seed,
        .task = "trajectory",
    };
    struct assay__feature_rows rows = {0};
    struct lessons l;
    int rc = lessons_init(&l, in, err);

    if (!rc)
        rc = assay__feature_rows_init(&rows, in,
                                      (size_t)in->param[PARAM_EPOCHS] + 1,
                                      l.half, l.half, err);
    if (!rc)
        rc = follow_shadow(&l, in, &rows, err);
    if (!rc)
        rc = follow_target(&l, in, &rows, err);
    if (!rc)
        rc = assay__feature_rows_score(&rows, in, &o, out, err);
    assay__feature_rows_release(&rows);
    lessons_release(&l);
    return rc;
}

/* Two students learn from half a quarter each; a look at a record, of the
 * audited ones and of the shadow model's, is a third of a training step. */
static double work(const struct assay_attack_sizes *s, const double *param)
{
    double taught = .5 * (double)s->n_auxiliary;
    double looks = .35 * (2 * (double)s->n_members + taught);

    return param[PARAM_EPOCHS] * (taught + looks);
}

const struct assay_attack assay_attack_trajectory = {
    .name = "trajectory",
    .title = "Loss trajectory",
    .summary = "a network on a record's losses while a student learns from "
               "the model, trained on a shadow model",
    .cites = "Liu et al., CCS 2022",
    .goal = ASSAY_GOAL_MEMBERSHIP,
    .access = ASSAY_ACCESS_BLACK_BOX,
    .auxiliary = ASSAY_AUX_SHADOW,
    .needs = ASSAY_NEED_MODEL | ASSAY_NEED_SHADOW | ASSAY_NEED_AUXILIARY,
    .params = params,
    .work = work,
    .membership = run};
