/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Trainings in which some of what is there stays: frozen parameters, to the
 * bit, and a teacher's, which the objective brings into the model's graph.
 */

#include <stdlib.h>
#include <string.h>

#include "assay/layers.h"
#include "small_data.h"

enum { RECORDS = 48 };

static struct assay_error err;

struct work {
    struct assay_context ctx;
    struct assay_compute compute;
    assay_dataset *data;
    assay_view *view;
    struct assay_recipe recipe;
    struct assay_training t;
    assay_model *m, *was;
};

static void work_open(struct work *w, const char *arch)
{
    struct assay_model_spec spec = small_spec();

    memset(w, 0, sizeof(*w));
    assay_context_init(&w->ctx);
    w->ctx.threads = 1;
    w->compute.algorithms = ASSAY_ALGORITHMS_DIRECT;
    w->compute.threads = 1;
    w->data = small_records(RECORDS, 1);
    w->view = small_view(w->data);
    assay_recipe_init(&w->recipe, 3);
    w->recipe.batch = 20;
    w->recipe.lr = .05;
    spec.arch = arch;
    CHECK_OK(assay_model_new(&w->m, &spec, 5, &err), err);
    CHECK_OK(assay_model_clone(&w->was, w->m, &err), err);
    w->t.model = w->m;
    w->t.train = w->view;
    w->t.recipe = &w->recipe;
    w->t.seed = 5;
    w->t.task = "bands";
}

static void work_close(struct work *w)
{
    assay_curve_release(&w->t.curve);
    assay_model_free(w->m);
    assay_model_free(w->was);
    assay_view_free(w->view);
    assay_dataset_free(w->data);
}

static void train(struct work *w)
{
    assay_curve_release(&w->t.curve);
    CHECK_OK(assay_models_train(&w->ctx, &w->compute, &w->t, 1, &err), err);
}

static bool same(const struct work *w, const char *name)
{
    const struct assay_params *a = assay_model_weights(w->m);
    const struct assay_params *b = assay_model_weights(w->was);
    const struct assay_param_slot *slot = assay_params_find(a, name);

    CHECK(slot != NULL);
    return memcmp(a->data + slot->offset, b->data + slot->offset,
                  slot->count * sizeof(float)) == 0;
}

static void test_frozen_parameters_stay_to_the_bit(void)
{
    static const char *const frozen[] = {"features.0.weight",
                                         "classifier.0.bias"};
    struct work w;

    work_open(&w, "simplecnn");
    w.t.frozen = frozen;
    w.t.n_frozen = 2;
    train(&w);
    CHECK(same(&w, "features.0.weight"));
    CHECK(same(&w, "classifier.0.bias"));
    CHECK(!same(&w, "features.0.bias"));
    CHECK(!same(&w, "features.3.weight"));
    CHECK(!same(&w, "classifier.2.weight"));
    work_close(&w);
}

static void test_running_statistics_move_beside_frozen_weights(void)
{
    static const char *const frozen[] = {"bn1.weight", "bn1.bias"};
    struct work w;

    work_open(&w, "resnet20-cifar-a");
    w.t.frozen = frozen;
    w.t.n_frozen = 2;
    train(&w);
    CHECK(same(&w, "bn1.weight"));
    CHECK(same(&w, "bn1.bias"));
    CHECK(!same(&w, "bn1.running_mean"));
    CHECK(!same(&w, "bn1.running_var"));
    work_close(&w);
}

static void test_all_frozen_is_refused(void)
{
    const struct assay_params *p;
    const char **names;
    struct work w;

    work_open(&w, "simplecnn");
    p = assay_model_weights(w.m);
    names = calloc((size_t)p->n_slots, sizeof(*names));
    CHECK(names != NULL);
    for (int i = 0; i < p->n_slots; i++)
        names[i] = p->slot[i].name;
    w.t.frozen = names;
    w.t.n_frozen = (size_t)p->n_slots;
    CHECK_FAILS(assay_models_train(&w.ctx, &w.compute, &w.t, 1, &err),
                ASSAY_ARG, err);
    CHECK_STR_HAS(err.msg, "bands: all parameters are frozen");
    free(names);
    work_close(&w);
}

/* A frozen training is another one to its checkpoints. */
static void test_checkpoints_tell_frozen_trainings_apart(void)
{
    static const char *const frozen[] = {"features.0.weight"};
    struct work w;

    work_open(&w, "simplecnn");
    w.t.checkpoint = check_temp_path("c.safetensors");
    train(&w);
    CHECK_UINT_EQ(w.t.resumed_at, 0);
    assay_model_free(w.m);
    CHECK_OK(assay_model_clone(&w.m, w.was, &err), err);
    w.t.model = w.m;
    w.t.frozen = frozen;
    w.t.n_frozen = 1;
    train(&w);
    CHECK_UINT_EQ(w.t.resumed_at, 0);
    CHECK(same(&w, "features.0.weight"));
    work_close(&w);
}

/* Squared distance to the answers of a teacher in the same graph. */
static assay_value to_teacher(const void *self, assay_graph *g,
                              const struct assay_loss_values *v)
{
    const assay_model *teacher = self;
    assay_value x = assay_model_input(teacher);
    assay_value theirs = assay_model_logits(teacher);
    struct assay_error why = {0};

    if (assay_graph_append_evaluating(g, assay_model_graph(teacher), "teacher.",
                                      &x, &theirs, 1, &why))
        return assay_graph_fail(g, why.code, "%s", why.msg);
    return assay_op_mse(g, v->logits, theirs);
}

static void name_constants(const assay_model *teacher, struct assay_params *p)
{
    assay_graph *g = NULL;
    assay_value x;

    CHECK_OK(assay_graph_new(&g, &err), err);
    x = assay_graph_input(g, "x",
                          assay_graph_shape(assay_model_graph(teacher),
                                            assay_model_input(teacher)));
    CHECK_OK(assay_graph_append(g, assay_model_graph(teacher), "teacher.", &x,
                                NULL, 0, &err),
             err);
    CHECK_OK(assay_params_make(p, g, &err), err);
    CHECK_OK(
        assay_params_fill(p, "teacher.", assay_model_weights(teacher), &err),
        err);
    assay_graph_free(g);
}

/* Mean squared distance of two models' logits. */
static double apart(const struct work *w, const assay_model *a,
                    const assay_model *b)
{
    struct assay_evidence x = {0};
    struct assay_evidence y = {0};
    double sum = 0;

    CHECK_OK(assay_evidence_collect(&x, &w->ctx, a, w->view, 0, &w->compute, "",
                                    &err),
             err);
    CHECK_OK(assay_evidence_collect(&y, &w->ctx, b, w->view, 0, &w->compute, "",
                                    &err),
             err);
    for (size_t i = 0; i < x.n * SMALL_CLASSES; i++) {
        double d = (double)x.logits[i] - (double)y.logits[i];

        sum += d * d / (double)(x.n * SMALL_CLASSES);
    }
    assay_evidence_release(&x);
    assay_evidence_release(&y);
    return sum;
}

static void test_a_student_comes_to_its_teacher(void)
{
    struct assay_params constants = {0};
    struct assay_params before = {0};
    struct assay_objective objective = {
        .text = "to teacher", .loss = to_teacher, .constants = &constants};
    assay_model *teacher = small_model(77);
    double first;
    struct work w;

    work_open(&w, "simplecnn");
    /* Answers that are worth learning. */
    w.t.model = teacher;
    train(&w);
    w.t.model = w.m;
    name_constants(teacher, &constants);
    name_constants(teacher, &before);
    objective.self = teacher;
    w.t.objective = &objective;
    w.recipe.epochs = 20;
    w.recipe.optimizer.weight_decay = 0;
    w.recipe.augment.flip = 0;
    first = apart(&w, w.m, teacher);
    train(&w);
    CHECK(apart(&w, w.m, teacher) < .1 * first);
    CHECK_MEM_EQ(constants.data, before.data, before.size * sizeof(float));
    CHECK_INT_EQ(assay_model_weights(w.m)->n_slots,
                 assay_model_weights(w.was)->n_slots);
    assay_params_release(&constants);
    assay_params_release(&before);
    assay_model_free(teacher);
    work_close(&w);
}

static void test_constants_must_fit_the_graph(void)
{
    struct assay_params constants = {0};
    struct assay_objective objective = {.text = "none",
                                        .constants = &constants};
    struct work w;

    work_open(&w, "simplecnn");
    name_constants(w.was, &constants);
    w.t.objective = &objective;
    CHECK_FAILS(assay_models_train(&w.ctx, &w.compute, &w.t, 1, &err),
                ASSAY_SHAPE, err);
    CHECK_STR_HAS(err.msg, "'teacher.features.0.weight'");
    assay_params_release(&constants);
    work_close(&w);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_frozen_parameters_stay_to_the_bit),
    CHECK_TEST(test_running_statistics_move_beside_frozen_weights),
    CHECK_TEST(test_all_frozen_is_refused),
    CHECK_TEST(test_checkpoints_tell_frozen_trainings_apart),
    CHECK_TEST(test_a_student_comes_to_its_teacher),
    CHECK_TEST(test_constants_must_fit_the_graph),
};
CHECK_MAIN(tests)
