/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Label-only membership inference by augmentation (Choquette-Choo et al.,
 * ICML 2021, section 4.1).
 *
 * Threat model: the attacker hears classes alone, of the record and of
 * altered copies of it, and has a shadow model.
 *
 *   b[q] = 1 if the model gives copy q its record's label, q = 0 the record
 *   score = member logit - non-member logit of a small network on b,
 *           trained on the shadow model's own members and non-members;
 *           0 decides
 *
 * A model that was trained with such copies is right on a member's copies
 * more often than on a non-member's.
 *
 * Deviations from the paper: the copies are those of the evidence (mirror
 * image, and both moved by one place), in place of rotations or of
 * translations by a distance that is searched for each data set. Both sides
 * of the training rows are cut to the smaller.
 * Expected numbers: docs/attacks/membership.md.
 */

#include "assay/dense.h"
#include "attacks/membership/rows.h"
#include "attacks/membership/scores.h"

enum { PARAM_EPOCHS, PARAM_LR, PARAM_BATCH, PARAM_HIDDEN };

static const struct assay_setting params[] = {
    {"epochs", 30, 1, 10000, "training epochs of the network"},
    {"lr", 1e-2, 1e-8, 1, "Adam's learning rate, falling to 0"},
    {"batch", 64, 1, 65536, "batch size"},
    {"hidden", 16, 0, 65536, "units of the hidden layer; 0: none"},
    {NULL, 0, 0, 0, NULL}};

/* The first of equals, as in assay_evidence_class(). */
static int32_t heard(const float *logits, int n_classes)
{
    int32_t best = 0;

    for (int32_t k = 1; k < n_classes; k++)
        if (logits[k] > logits[best])
            best = k;
    return best;
}

/* Whether each answer about row i is right: 1 + n_queries numbers. */
static void put_row(const struct assay_evidence *e, size_t i, float *x)
{
    size_t k = (size_t)e->n_classes;
    size_t n_queries = (size_t)e->n_queries;

    x[0] = assay_evidence_class(e, i) == e->label[i];
    for (size_t q = 0; q < n_queries; q++)
        x[1 + q] = heard(e->queries + (i * n_queries + q) * k, e->n_classes) ==
                   e->label[i];
}

static void put_rows(const struct assay_evidence *e, size_t n, float *x)
{
    size_t width = 1 + (size_t)e->n_queries;

    for (size_t i = 0; i < n; i++)
        put_row(e, i, x + i * width);
}

static int run(const struct assay_attack_input *in,
               struct assay_membership_scores *out, struct assay_error *err)
{
    struct assay_dense_options o = {
        .n_values = 2,
        .hidden = (int)in->param[PARAM_HIDDEN],
        .epochs = (size_t)in->param[PARAM_EPOCHS],
        .batch = (size_t)in->param[PARAM_BATCH],
        .lr = in->param[PARAM_LR],
        .seed = in->ctx->seed,
        .task = "label-augmentation",
    };
    size_t width = 1 + (size_t)in->members->n_queries;
    struct assay__feature_rows rows;
    int rc = assay__feature_rows_init(&rows, in, width, in->shadow_members->n,
                                      in->shadow_nonmembers->n, err);

    if (rc)
        return rc;
    put_rows(in->shadow_members, rows.half, rows.learn);
    put_rows(in->shadow_nonmembers, rows.half, rows.learn + rows.half * width);
    put_rows(in->members, in->members->n, rows.judge);
    put_rows(in->nonmembers, in->nonmembers->n,
             rows.judge + in->members->n * width);
    rc = assay__feature_rows_score(&rows, in, &o, out, err);
    assay__feature_rows_release(&rows);
    return rc;
}

const struct assay_attack assay_attack_label_augmentation = {
    .name = "label-augmentation",
    .title = "Label-only, augmentation",
    .summary = "a network on whether the classes of the record and of altered "
               "copies are right, trained on a shadow model",
    .cites = "Choquette-Choo et al., ICML 2021",
    .goal = ASSAY_GOAL_MEMBERSHIP,
    .access = ASSAY_ACCESS_LABEL_ONLY,
    .auxiliary = ASSAY_AUX_SHADOW,
    .needs = ASSAY_NEED_SHADOW | ASSAY_NEED_QUERIES,
    .params = params,
    .membership = run};
