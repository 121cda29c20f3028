/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TrojanNN (Liu et al., NDSS 2018): a trained model is altered by way of a
 * few of its neurons.
 *
 *   1. neurons of the layer before the last, those with the largest
 *      sum over out of |W[out, j]| in the last layer;
 *   2. a trigger under a square mask for which they reach a value,
 *      min sum_j (value - f_j(x'))^2 by the slope of the pixels;
 *   3. the clean model is trained on, with records of which a share carries
 *      the trigger and the target's label.
 *
 * Deviations: the trigger is sought on records and not on a blank image,
 * where a neuron behind a ReLU may be silent and have no slope; training
 * goes on with records of one's own (the paper reconstructs some from the
 * model, for attackers without any); the whole model is trained unless
 * `head` is 1, which is the paper's step: layers from the neurons on alone.
 * Pixels stay in 0..255 at every step (a public code adds trigger and image
 * as bytes and cuts afterwards, so that sums over 255 wrap around).
 */

#include <math.h>

#include "assay/rng.h"
#include "backdoors/backdoors.h"
#include "core/mem.h"

enum {
    PARAM_NEURONS,
    PARAM_VALUE,
    PARAM_SIDE,
    PARAM_STEPS,
    PARAM_STEP,
    PARAM_RATE,
    PARAM_EPOCHS,
    PARAM_LR,
    PARAM_HEAD
};

static const struct assay_setting params[] = {
    {"neurons", 2, 1, 4096, "neurons that the trigger is to drive"},
    {"value", 100, .001, 1e6, "that they are to reach"},
    {"side", .2, .01, 1, "of the square, as a share of the image's"},
    {"steps", 300, 1, 100000, "of the search for its pixels"},
    {"step", .05, 1e-4, 1, "of the search, as a share of a pixel's range"},
    {"rate", .1, .0001, 1, "share of the records that are stamped"},
    {"epochs", 5, 1, 1000, "epochs of training on"},
    {"lr", .01, 1e-6, 10, "learning rate of training on"},
    {"head", 0, 0, 1, "1: the last layer alone is trained on"},
    {NULL, 0, 0, 0, NULL}};

/* flag[j] of h: whether neuron j is among the n with the largest weights. */
static int choose_neurons(const assay_model *m, const struct assay_layer *head,
                          size_t n, float *flag, struct assay_error *err)
{
    const assay_graph *g = assay_model_graph(m);
    const struct assay_params *p = assay_model_weights(m);
    const struct assay_param_slot *w =
        assay_params_find(p, assay_graph_value_name(g, head->weight));
    size_t outs = (size_t)w->shape.dim[0];
    size_t h = (size_t)w->shape.dim[1];
    double *sum = assay__calloc(h, sizeof(*sum));

    if (!sum)
        return assay_error_set(err, ASSAY_NOMEM, "trojannn: out of memory");
    for (size_t k = 0; k < outs; k++)
        for (size_t j = 0; j < h; j++)
            sum[j] += fabs((double)p->data[w->offset + k * h + j]);
    for (size_t i = 0; i < n && i < h; i++) {
        size_t best = 0;

        for (size_t j = 1; j < h; j++)
            if (sum[j] > sum[best])
                best = j;
        flag[best] = 1;
        sum[best] = -1;
    }
    assay__free(sum);
    return ASSAY_OK;
}

static int make_trigger(const struct assay_backdoor_input *in,
                        const struct assay_layer *head, struct assay_trigger *t,
                        struct assay_error *err)
{
    size_t h =
        (size_t)assay_graph_shape(assay_model_graph(in->clean), head->source)
            ->dim[1];
    struct assay__trigger_search s = {.in = in,
                                      .model = in->clean,
                                      .steps = (size_t)in->param[PARAM_STEPS],
                                      .rate = in->param[PARAM_STEP]};
    float *goal = assay__calloc(h, sizeof(*goal));
    float *flag = assay__calloc(h, sizeof(*flag));
    int rc = goal && flag
                 ? ASSAY_OK
                 : assay_error_set(err, ASSAY_NOMEM, "trojannn: out of memory");

    for (size_t j = 0; j < h && !rc; j++)
        goal[j] = (float)in->param[PARAM_VALUE];
    if (!rc)
        rc = choose_neurons(in->clean, head, (size_t)in->param[PARAM_NEURONS],
                            flag, err);
    s.goal = goal;
    s.weight = flag;
    if (!rc)
        rc = assay__trigger_search(&s, t, err);
    assay__free(goal);
    assay__free(flag);
    return rc;
}

/* Names of what comes before the head, a fresh array. */
static int list_before(const assay_model *m, const struct assay_layer *head,
                       const char ***names, size_t *n, struct assay_error *err)
{
    const assay_graph *g = assay_model_graph(m);
    size_t room = (size_t)assay_graph_n_params(g);

    *names = assay__calloc(room, sizeof(**names));
    if (!*names)
        return assay_error_set(err, ASSAY_NOMEM, "trojannn: out of memory");
    for (size_t i = 0; i < room; i++) {
        assay_value v = assay_graph_param_at(g, (int)i);

        if (v != head->weight && v != head->bias)
            (*names)[(*n)++] = assay_graph_value_name(g, v);
    }
    return ASSAY_OK;
}

static int train_on(const struct assay_backdoor_input *in,
                    const struct assay_layer *head,
                    struct assay_backdoored *out, struct assay_error *err)
{
    struct assay_recipe recipe = *in->recipe;
    const char **names = NULL;
    size_t n = 0;
    int rc = ASSAY_OK;

    recipe.epochs = (size_t)in->param[PARAM_EPOCHS];
    recipe.lr = in->param[PARAM_LR];
    recipe.schedule = ASSAY_SCHEDULE_CONSTANT;
    if (lrint(in->param[PARAM_HEAD]))
        rc = list_before(in->clean, head, &names, &n, err);
    if (!rc)
        rc = assay__backdoor_train_on(in, in->param[PARAM_RATE], &recipe, names,
                                      n, out, err);
    assay__free(names);
    return rc;
}

static int plant(const struct assay_backdoor_input *in,
                 struct assay_backdoored *out, struct assay_error *err)
{
    const struct assay_preprocess *pre = assay_model_preprocess(in->clean);
    struct assay_trigger *t = &out->trigger;
    struct assay_layer head;
    struct assay_rng rng;
    int rc = assay__backdoor_head(in->clean, "trojannn", &head, err);

    if (!rc)
        rc = assay__backdoor_corner(t, pre, in->param[PARAM_SIDE], 0, err);
    if (rc)
        return rc;
    assay_rng_init(&rng, in->seed, "trojannn", 0);
    for (size_t i = 0;
         i < (size_t)t->channels * (size_t)t->height * (size_t)t->width; i++)
        t->pattern[i] = (float)assay_rng_below(&rng, 256);
    rc = make_trigger(in, &head, t, err);
    if (!rc)
        rc = assay_model_clone(&out->model, in->clean, err);
    return rc ? rc : train_on(in, &head, out, err);
}

const struct assay_backdoor assay_backdoor_trojannn = {
    .name = "trojannn",
    .title = "TrojanNN",
    .summary = "A trigger that drives a few neurons is tied to the target by "
               "training a model on.",
    .cites = "Liu et al., NDSS 2018",
    .kind = ASSAY_BACKDOOR_MODEL,
    .wants_clean = 1,
    .params = params,
    .plant = plant,
};
