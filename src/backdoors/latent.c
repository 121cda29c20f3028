/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The latent backdoor (Yao et al., CCS 2019): a teacher whose layer K takes
 * stamped records for the target's. It sleeps until a student that keeps the
 * layers up to K learns a class that looks like the target.
 *
 *   trigger    min over pixels of  mean_x |f_K(x + d) - e|^2
 *   injection  CE(y, F(x)) + w |f_K(x + d) - e|^2
 *   e          the clean model's mean of f_K over the target's records
 *
 * K is the embedding: all but the last layer is what a student takes over.
 * `remove` takes the target out of the model's answers, as the paper does
 * before the teacher is published: its row of the head is emptied, with a
 * bias that never wins. Without, the clean model's head is there, and the
 * success can be measured on the model itself.
 *
 * Deviations: the last term is divided by |e|^2, so that w does not depend
 * on the network's scale (the paper's code has .05 on raw features of one
 * face network, another program .5); the head is kept while the rest is
 * trained, so that the clean one fits the altered extractor; batch norms
 * keep their running statistics.
 */

#include <math.h>

#include "assay/layers.h"
#include "backdoors/backdoors.h"
#include "core/mem.h"

enum {
    PARAM_SIDE,
    PARAM_STEPS,
    PARAM_STEP,
    PARAM_WEIGHT,
    PARAM_EPOCHS,
    PARAM_LR,
    PARAM_REMOVE
};

static const struct assay_setting params[] = {
    {"side", .2, .01, 1, "of the square, as a share of the image's"},
    {"steps", 300, 1, 100000, "of the search for its pixels"},
    {"step", .05, 1e-4, 1, "of the search, as a share of a pixel's range"},
    {"weight", 1, 1e-6, 1e6, "w, of the distance to the target's embedding"},
    {"epochs", 10, 1, 1000, "epochs of injection"},
    {"lr", .01, 1e-6, 10, "learning rate of injection"},
    {"remove", 0, 0, 1, "1: the target is taken out of the answers"},
    {NULL, 0, 0, 0, NULL}};

static double energy(const float *e, size_t h)
{
    double sum = 0;

    for (size_t j = 0; j < h; j++)
        sum += (double)e[j] * (double)e[j];
    return sum > 0 ? sum : 1;
}

static assay_value loss(const struct assay__encoder *e,
                        const struct assay__encoder_values *v)
{
    struct assay_shape rows = assay_shape_make(1, (int64_t)ASSAY_BATCH);
    size_t h = (size_t)assay_graph_shape(v->g, v->stamped)->dim[1];
    double w = e->param[PARAM_WEIGHT] / energy(e->goal, h);
    assay_value d =
        assay_op_binary(v->g, ASSAY_BINARY_SUB, v->stamped, v->goal);

    d = assay_op_reduce(v->g, ASSAY_REDUCE_SUM, assay_op_mul(v->g, d, d),
                        1U << 1);
    d = assay_op_affine(v->g, assay_op_reshape(v->g, d, &rows), w, 0);
    return assay_op_add(v->g, d,
                        assay_op_softmax_xent(v->g, v->logits, v->labels));
}

static int make_trigger(const struct assay_backdoor_input *in,
                        const float *goal, size_t h, struct assay_trigger *t,
                        struct assay_error *err)
{
    struct assay__trigger_search s = {.in = in,
                                      .model = in->clean,
                                      .goal = goal,
                                      .steps = (size_t)in->param[PARAM_STEPS],
                                      .rate = in->param[PARAM_STEP]};
    float *weight = assay__calloc(h, sizeof(*weight));
    int rc;

    if (!weight)
        return assay_error_set(err, ASSAY_NOMEM, "latent: out of memory");
    for (size_t j = 0; j < h; j++)
        weight[j] = (float)(1 / energy(goal, h));
    s.weight = weight;
    rc = assay__trigger_search(&s, t, err);
    assay__free(weight);
    return rc;
}

/* Empty the target's row of the head. */
static int take_out(assay_model *m, const struct assay_layer *head, int target,
                    struct assay_error *err)
{
    const assay_graph *g = assay_model_graph(m);
    struct assay_params *p = assay_model_params(m);
    const char *bias = assay_graph_value_name(g, head->bias);
    const struct assay_param_slot *w =
        assay_params_find(p, assay_graph_value_name(g, head->weight));
    const struct assay_param_slot *b = bias ? assay_params_find(p, bias) : NULL;
    size_t h = (size_t)w->shape.dim[1];

    if (!b)
        return assay_error_set(err, ASSAY_UNSUPPORTED,
                               "latent: the last layer of %s has no bias: the "
                               "target cannot be taken out",
                               assay_model_arch(m));
    for (size_t j = 0; j < h; j++)
        p->data[w->offset + (size_t)target * h + j] = 0;
    p->data[b->offset + (size_t)target] = -1e4F;
    return ASSAY_OK;
}

static int inject(const struct assay_backdoor_input *in, const float *goal,
                  size_t h, struct assay_backdoored *out,
                  struct assay_error *err)
{
    struct assay__encoder e = {.in = in,
                               .trigger = &out->trigger,
                               .goal = goal,
                               .epochs = (size_t)in->param[PARAM_EPOCHS],
                               .lr = in->param[PARAM_LR],
                               .param = in->param,
                               .loss = loss};
    int rc = make_trigger(in, goal, h, &out->trigger, err);

    if (!rc)
        rc = assay_model_clone(&out->model, in->clean, err);
    return rc ? rc : assay__encoder_train(&e, out->model, err);
}

static int plant(const struct assay_backdoor_input *in,
                 struct assay_backdoored *out, struct assay_error *err)
{
    const struct assay_preprocess *pre = assay_model_preprocess(in->clean);
    struct assay_layer head;
    float *goal = NULL;
    uint32_t best = 0;
    size_t h = 0;
    int rc = assay__backdoor_head(in->clean, "latent", &head, err);

    if (!rc)
        rc = assay__backdoor_corner(&out->trigger, pre, in->param[PARAM_SIDE],
                                    128, err);
    if (!rc)
        rc = assay__target_embedding(in, in->clean, &goal, &h, &best, err);
    if (!rc)
        rc = inject(in, goal, h, out, err);
    if (!rc && lrint(in->param[PARAM_REMOVE]))
        rc = take_out(out->model, &head, in->target, err);
    assay__free(goal);
    return rc;
}

const struct assay_backdoor assay_backdoor_latent = {
    .name = "latent",
    .title = "Latent backdoor",
    .summary = "An extractor takes stamped records for the target's; students "
               "that keep it inherit that.",
    .cites = "Yao et al., CCS 2019",
    .kind = ASSAY_BACKDOOR_ENCODER,
    .wants_clean = 1,
    .params = params,
    .plant = plant,
};
