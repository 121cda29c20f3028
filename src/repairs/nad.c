/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Neural attention distillation (Li et al., ICLR 2021). A copy of the model
 * is fine-tuned on clean records; then the model learns to look where that
 * teacher looks:
 *
 *   CE + sum_l beta_l MSE(A(s_l), A(t_l)),
 *   A(F) = sum_c |F_c|^p / (|| sum_c |F_c|^p ||_2 + 1e-6),  p = 2,
 *
 * over three layers with beta 500, 1000, 1000 from the first to the last.
 * Layers are the last maps of each size, the three smallest sizes: in the
 * paper's wide ResNet these are its three groups. A network with fewer sizes
 * takes the last of the betas. The teacher is in the student's graph, as it
 * is in evaluation.
 *
 * A user of the authors' code found fine-tuning by itself to do as well once
 * the backdoor had been trained with augmentation: see `fine-tuning` beside
 * it.
 */

#include <stdio.h>

#include "assay/layers.h"
#include "repairs/repairs.h"

enum {
    PARAM_TEACHER,
    PARAM_EPOCHS,
    PARAM_LR,
    PARAM_BETA1,
    PARAM_BETA2,
    PARAM_BETA3
};
enum { MAPS_MAX = 3 };

static const struct assay_setting params[] = {
    {"teacher-epochs", 10, 1, 1000, "epochs of the teacher's tuning"},
    {"epochs", 20, 1, 1000, "epochs of distillation"},
    {"lr", .1, 1e-6, 10, "learning rate of both"},
    {"beta1", 500, 0, 1e6, "weight of the first of three maps"},
    {"beta2", 1000, 0, 1e6, "of the second"},
    {"beta3", 1000, 0, 1e6, "of the last"},
    {NULL, 0, 0, 0, NULL}};

struct distilling {
    const struct assay_repair_input *in;
    const assay_model *student;
    const assay_model *teacher;
    assay_value map[MAPS_MAX];
    int n_maps;
};

assay_value assay__attention_map(assay_graph *g, assay_value f)
{
    assay_value a =
        assay_op_reduce(g, ASSAY_REDUCE_SUM, assay_op_mul(g, f, f), 1U << 1);
    assay_value norm = assay_op_reduce(
        g, ASSAY_REDUCE_SUM, assay_op_mul(g, a, a), 1U << 2 | 1U << 3);

    /* The slope of a root is not finite at 0, where no channel answers. */
    norm = assay_op_unary(g, ASSAY_UNARY_SQRT,
                          assay_op_affine(g, norm, 1, 1e-24), 0, 0);
    return assay_op_binary(g, ASSAY_BINARY_DIV, a,
                           assay_op_affine(g, norm, 1, 1e-6));
}

static assay_value loss(const void *self, assay_graph *g,
                        const struct assay_loss_values *v)
{
    const struct distilling *d = self;
    assay_value theirs[MAPS_MAX];
    assay_value x = assay_model_input(d->student);
    assay_value sum = assay_op_softmax_xent(g, v->logits, v->labels);
    struct assay_error why = {0};

    for (int i = 0; i < d->n_maps; i++)
        theirs[i] = d->map[i];
    /* What fails here sticks in the graph. */
    if (assay_graph_append_evaluating(g, assay_model_graph(d->teacher),
                                      "teacher.", &x, theirs, d->n_maps, &why))
        return assay_graph_fail(g, why.code, "%s", why.msg);
    for (int i = 0; i < d->n_maps; i++) {
        double beta = d->in->param[PARAM_BETA1 + MAPS_MAX - d->n_maps + i];
        assay_value apart = assay_op_mse(g, assay__attention_map(g, d->map[i]),
                                         assay__attention_map(g, theirs[i]));

        sum = assay_op_add(g, sum, assay_op_affine(g, apart, beta, 0));
    }
    return sum;
}

/* The teacher's parameters under the names that they have beside the
 * student. */
static int name_constants(const assay_model *teacher,
                          struct assay_params *constants,
                          struct assay_error *err)
{
    const assay_graph *own = assay_model_graph(teacher);
    assay_graph *g = NULL;
    int rc = assay_graph_new(&g, err);

    if (!rc) {
        assay_value x = assay_graph_input(
            g, "x", assay_graph_shape(own, assay_model_input(teacher)));

        rc = assay_graph_append(g, own, "teacher.", &x, NULL, 0, err);
    }
    if (!rc)
        rc = assay_params_make(constants, g, err);
    if (!rc)
        rc = assay_params_fill(constants, "teacher.",
                               assay_model_weights(teacher), err);
    assay_graph_free(g);
    return rc;
}

static int distill(const struct distilling *d, assay_model *m,
                   struct assay_repaired *out, struct assay_error *err)
{
    struct assay_params constants = {0};
    struct assay_objective objective = {
        .text = "nad", .self = d, .loss = loss, .constants = &constants};
    struct assay__tuning tuning = {.task = "nad",
                                   .epochs = (size_t)d->in->param[PARAM_EPOCHS],
                                   .lr = d->in->param[PARAM_LR],
                                   .objective = &objective};
    int rc = name_constants(d->teacher, &constants, err);

    if (!rc)
        rc = assay__repair_tune(d->in, m, &tuning, out, err);
    assay_params_release(&constants);
    return rc;
}

static int run(const struct assay_repair_input *in, assay_model *m,
               struct assay_repaired *out, struct assay_error *err)
{
    struct distilling d = {.in = in, .student = m};
    struct assay__tuning tuning = {.task = "nad teacher",
                                   .epochs = (size_t)in->param[PARAM_TEACHER],
                                   .lr = in->param[PARAM_LR]};
    assay_model *teacher = NULL;
    int rc;

    d.n_maps = assay_graph_maps(assay_model_graph(m), d.map, MAPS_MAX);
    if (d.n_maps == 0)
        return assay_error_set(err, ASSAY_UNSUPPORTED,
                               "nad: %s has no maps to attend to",
                               assay_model_arch(m));
    rc = assay_model_clone(&teacher, m, err);
    if (!rc)
        rc = assay__repair_tune(in, teacher, &tuning, out, err);
    d.teacher = teacher;
    if (!rc)
        rc = distill(&d, m, out, err);
    if (!rc)
        (void)snprintf(out->note, sizeof(out->note), "attention of %d maps",
                       d.n_maps);
    assay_model_free(teacher);
    return rc;
}

const struct assay_repair assay_repair_nad = {
    .name = "nad",
    .title = "Neural attention distillation",
    .summary = "The model learns to attend to what a fine-tuned copy of it "
               "attends to.",
    .cites = "Li et al., ICLR 2021",
    .needs = ASSAY_REPAIR_NEEDS_CLEAN,
    .params = params,
    .run = run,
};
