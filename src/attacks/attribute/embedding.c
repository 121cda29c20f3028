/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ML-Doctor's attribute inference (Liu et al., USENIX Security 2022, after
 * Song and Shmatikov, ICLR 2020): a model trained for one task computes
 * features that tell an attribute which has nothing to do with it. A small
 * head learns the attribute from the target's embedding.
 *
 * Threat models: white-box, with
 *   shadow   the head learns from the shadow quarters
 *   partial  it learns from a random half of the target's training records
 * Both are tested on target-test. Heads: linear, as the published code has
 * it, and of one hidden layer, as the paper describes.
 *
 * Deviations from the published code: no softmax before the cross-entropy;
 * features are standardised; the attribute is the attribute (the code's own
 * example ended in an error, or "inferred" the task's label). Reported
 * beside it: what can be imputed without the model (label.c, image.c).
 */

#include <string.h>

#include "assay/dense.h"
#include "assay/rng.h"
#include "attacks/attribute/attribute.h"
#include "core/mem.h"

enum { PARAM_EPOCHS, PARAM_LR, PARAM_BATCH, PARAM_HIDDEN };

/* clang-format off */
#define COMMON_PARAMS                                     \
    {"epochs", 50, 1, 10000, "training epochs of the head"}, \
    {"lr", 1e-3, 1e-8, 1, "Adam's learning rate"},        \
    {"batch", 64, 1, 65536, "batch size"}
/* clang-format on */

static const struct assay_setting linear_params[] = {COMMON_PARAMS,
                                                     {NULL, 0, 0, 0, NULL}};
static const struct assay_setting mlp_params[] = {
    COMMON_PARAMS,
    {"hidden", 128, 1, 65536, "units of the hidden layer"},
    {NULL, 0, 0, 0, NULL}};

/* The attribute of each row. */
static int32_t *labels_of(const struct assay_attack_input *in,
                          const struct assay_evidence *e)
{
    int32_t *label = assay__calloc(e->n, sizeof(*label));

    for (size_t i = 0; label && i < e->n; i++)
        label[i] = assay__attribute_of(in, e, i);
    return label;
}

/* What the head reads: the layer that was chosen, else the embedding. */
static struct assay_dense_rows features_of(const struct assay_evidence *e)
{
    struct assay_dense_rows rows = {e->embedding, e->n,
                                    (size_t)e->embedding_dim, NULL};

    if (e->layer_dim) {
        rows.x = e->layer;
        rows.width = (size_t)e->layer_dim;
    }
    return rows;
}

static int learn(const struct assay_attack_input *in,
                 const struct assay_evidence *from, int hidden,
                 struct assay_guesses *out, struct assay_error *err)
{
    int32_t *label = labels_of(in, from);
    struct assay_dense_rows train = features_of(from);
    struct assay_dense_rows judge = features_of(in->nonmembers);
    struct assay_dense_options o = {
        .n_values = in->world->n_values,
        .hidden = hidden,
        .epochs = (size_t)in->param[PARAM_EPOCHS],
        .batch = (size_t)in->param[PARAM_BATCH],
        .lr = in->param[PARAM_LR],
        .seed = in->ctx->seed,
        .task = "attribute head",
    };
    int rc = assay__guesses_make(out, judge.n, from->n, err);

    train.label = label;

    if (!rc && !label)
        rc = assay_error_set(err, ASSAY_NOMEM, "attribute head");
    if (!rc)
        rc = assay_dense_guess(in->ctx, in->compute, &train, &judge, &o,
                               out->guess, err);
    assay__free(label);
    return rc;
}

/* A random half of the members. */
static int half_of_members(const struct assay_attack_input *in,
                           struct assay_evidence *half, struct assay_error *err)
{
    size_t n = in->members->n;
    uint32_t *order = assay__calloc(n, sizeof(*order));
    struct assay_rng rng;
    int rc;

    if (!order)
        return assay_error_set(err, ASSAY_NOMEM, "attribute head");
    for (size_t i = 0; i < n; i++)
        order[i] = (uint32_t)i;
    assay_rng_init(&rng, in->ctx->seed, "attribute-partial", 0);
    assay_rng_shuffle(&rng, order, n);
    rc = assay_evidence_select(half, in->members, order, n / 2, err);
    assay__free(order);
    return rc;
}

static int partial(const struct assay_attack_input *in, int hidden,
                   struct assay_guesses *out, struct assay_error *err)
{
    struct assay_evidence half = {0};
    int rc = half_of_members(in, &half, err);

    if (!rc)
        rc = learn(in, &half, hidden, out, err);
    assay_evidence_release(&half);
    return rc;
}

static int linear_shadow(const struct assay_attack_input *in,
                         struct assay_guesses *out, struct assay_error *err)
{
    return learn(in, in->auxiliary, 0, out, err);
}

static int linear_partial(const struct assay_attack_input *in,
                          struct assay_guesses *out, struct assay_error *err)
{
    return partial(in, 0, out, err);
}

static int mlp_shadow(const struct assay_attack_input *in,
                      struct assay_guesses *out, struct assay_error *err)
{
    return learn(in, in->auxiliary, (int)in->param[PARAM_HIDDEN], out, err);
}

static int mlp_partial(const struct assay_attack_input *in,
                       struct assay_guesses *out, struct assay_error *err)
{
    return partial(in, (int)in->param[PARAM_HIDDEN], out, err);
}

#define ROW(id, name_, title_, aux, params_, guess_, what)                \
    const struct assay_attack assay_attack_##id = {                       \
        .name = (name_),                                                  \
        .title = (title_),                                                \
        .summary = "A head learns the attribute from the last layer's "   \
                   "input, or --layer's output, on " what ".",            \
        .cites = "Liu et al., USENIX Security 2022; Song and Shmatikov, " \
                 "ICLR 2020",                                             \
        .goal = ASSAY_GOAL_ATTRIBUTE,                                     \
        .access = ASSAY_ACCESS_WHITE_BOX,                                 \
        .auxiliary = (aux),                                               \
        .needs = ASSAY_NEED_MODEL | ASSAY_NEED_AUXILIARY |                \
                 ASSAY_NEED_ATTRIBUTE | ASSAY_NEED_EMBEDDING,             \
        .params = (params_),                                              \
        .guess = (guess_),                                                \
    }

ROW(attribute_linear_shadow, "attribute-linear-shadow",
    "Linear head, shadow data", ASSAY_AUX_SHADOW, linear_params, linear_shadow,
    "shadow records");
ROW(attribute_linear_partial, "attribute-linear-partial",
    "Linear head, partial data", ASSAY_AUX_PARTIAL, linear_params,
    linear_partial, "half of the training records");
ROW(attribute_mlp_shadow, "attribute-mlp-shadow", "Two-layer head, shadow data",
    ASSAY_AUX_SHADOW, mlp_params, mlp_shadow, "shadow records");
ROW(attribute_mlp_partial, "attribute-mlp-partial",
    "Two-layer head, partial data", ASSAY_AUX_PARTIAL, mlp_params, mlp_partial,
    "half of the training records");
