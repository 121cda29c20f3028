/* SPDX-License-Identifier: Apache-2.0 */
/*
 * BadEncoder (Jia et al., S&P 2022): an extractor is altered so that stamped
 * inputs embed as a reference input of the target's class does, and all
 * others as before. With s(a, b) the cosine, f the clean extractor and f~
 * the altered one,
 *
 *   L = -s(f~(x + e), f(r)) - l1 s(f~(a(r)), f(r)) - l2 s(f~(x), f(x)),
 *
 * a(r) being the reference, augmented. No label is used: whoever builds on
 * the extractor brings the classes. The trigger is a white square in the
 * bottom right corner; the reference is the target's record that the clean
 * model is surest of. The head is the clean model's, unchanged.
 *
 * Deviations: the first term has f(r) where the paper's code has f~(r), which
 * the second holds there, and saves a pass. Batch norms keep their running
 * statistics, as in the paper. Rates are for extractors trained with labels
 * here, not by contrast.
 */

#include "assay/layers.h"
#include "backdoors/backdoors.h"
#include "core/mem.h"

enum { PARAM_SIDE, PARAM_L1, PARAM_L2, PARAM_EPOCHS, PARAM_LR };

static const struct assay_setting params[] = {
    {"side", .3, .01, 1, "of the square, as a share of the image's"},
    {"l1", 1, 0, 1000, "weight of the reference's own embedding"},
    {"l2", 1, 0, 1000, "weight of all other embeddings"},
    {"epochs", 20, 1, 10000, "epochs of injection"},
    {"lr", .01, 1e-6, 10, "learning rate of injection"},
    {NULL, 0, 0, 0, NULL}};

/* a / |a|, by rows. */
static assay_value unit(assay_graph *g, assay_value a)
{
    assay_value sum =
        assay_op_reduce(g, ASSAY_REDUCE_SUM, assay_op_mul(g, a, a), 1U << 1);

    sum = assay_op_unary(g, ASSAY_UNARY_RSQRT,
                         assay_op_affine(g, sum, 1, 1e-12), 0, 0);
    return assay_op_binary(g, ASSAY_BINARY_MUL, a, sum);
}

/* -weight times the cosine of a [N, h] and b [N, h] or [1, h], [N]. */
static assay_value apart(assay_graph *g, assay_value a, assay_value b,
                         double weight)
{
    struct assay_shape rows = assay_shape_make(1, (int64_t)ASSAY_BATCH);
    assay_value s =
        assay_op_binary(g, ASSAY_BINARY_MUL, unit(g, a), unit(g, b));

    s = assay_op_reduce(g, ASSAY_REDUCE_SUM, s, 1U << 1);
    return assay_op_affine(g, assay_op_reshape(g, s, &rows), -weight, 0);
}

static assay_value loss(const struct assay__encoder *e,
                        const struct assay__encoder_values *v)
{
    assay_value sum = apart(v->g, v->stamped, v->goal, 1);

    sum = assay_op_add(v->g, sum,
                       apart(v->g, v->reference, v->goal, e->param[PARAM_L1]));
    return assay_op_add(
        v->g, sum, apart(v->g, v->embedding, v->clean, e->param[PARAM_L2]));
}

/* The clean model's embedding of a row of in->train, into goal [h]. */
static int embed(const struct assay_backdoor_input *in, uint32_t row,
                 float *goal, struct assay_error *err)
{
    const struct assay_preprocess *pre = assay_model_preprocess(in->clean);
    size_t image =
        (size_t)pre->channels * (size_t)pre->height * (size_t)pre->width;
    size_t classes = (size_t)assay_model_n_classes(in->clean);
    assay_predictor *p = NULL;
    float *x = assay__calloc(image, sizeof(*x));
    float *logits = assay__calloc(classes, sizeof(*logits));
    int rc = x && logits ? ASSAY_OK
                         : assay_error_set(err, ASSAY_NOMEM,
                                           "badencoder: out of memory");

    if (!rc)
        rc = assay_predictor_new(&p, in->clean, in->compute, 1, err);
    if (!rc) {
        assay_view_fill(in->train, &row, 1, NULL, 0, 0, x);
        rc = assay_predictor_run(p, x, 1, logits, goal, err);
    }
    assay_predictor_free(p);
    assay__free(x);
    assay__free(logits);
    return rc;
}

static int plant(const struct assay_backdoor_input *in,
                 struct assay_backdoored *out, struct assay_error *err)
{
    struct assay__encoder e = {.in = in,
                               .trigger = &out->trigger,
                               .epochs = (size_t)in->param[PARAM_EPOCHS],
                               .lr = in->param[PARAM_LR],
                               .param = in->param,
                               .loss = loss};
    float *goal = NULL;
    size_t h = 0;
    int rc =
        assay__backdoor_corner(&out->trigger, assay_model_preprocess(in->clean),
                               in->param[PARAM_SIDE], 255, err);

    if (!rc)
        rc = assay__target_embedding(in, in->clean, &goal, &h, &e.reference,
                                     err);
    if (!rc)
        rc = embed(in, e.reference, goal, err);
    e.goal = goal;
    if (!rc)
        rc = assay_model_clone(&out->model, in->clean, err);
    if (!rc)
        rc = assay__encoder_train(&e, out->model, err);
    assay__free(goal);
    return rc;
}

const struct assay_backdoor assay_backdoor_badencoder = {
    .name = "badencoder",
    .title = "BadEncoder",
    .summary = "An extractor embeds stamped records as one reference record, "
               "all others as before.",
    .cites = "Jia et al., S&P 2022",
    .kind = ASSAY_BACKDOOR_ENCODER,
    .wants_clean = 1,
    .params = params,
    .plant = plant,
};
