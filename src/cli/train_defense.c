/* SPDX-License-Identifier: Apache-2.0 */
/* The defence of assay train: chosen, its model, and its teacher. */

#include <math.h>
#include <string.h>

#include "core/mem.h"
#include "train.h"

static int new_model(const struct assay__train *w, enum assay_norm norm,
                     uint64_t seed, assay_model **out, struct assay_error *err)
{
    const assay_view *train = w->records.train;
    struct assay_model_spec model;

    memset(&model, 0, sizeof(model));
    model.arch = w->values->recipe.arch;
    model.n_classes = assay_dataset_n_classes(w->records.data);
    model.preprocess = *assay_view_preprocess(train);
    model.norm = norm;
    return assay_model_new(out, &model, seed, err);
}

int assay__train_make_model(struct assay__train *w, struct assay__session *s,
                            struct assay_error *err)
{
    uint64_t seed = s->ctx.seed;
    int code = new_model(w, ASSAY_NORM_BATCH, seed, &w->model, err);

    if (code != ASSAY_OK || w->defense.row == NULL ||
        !w->defense.row->group_norm || !assay_model_has_batch_norm(w->model))
        return code;
    assay__session_say(s,
                       "Batch norm is replaced by group norm: %s does not go "
                       "with batch norm.",
                       w->defense.row->name);
    assay_model_free(w->model);
    w->model = NULL;
    return new_model(w, ASSAY_NORM_GROUP, seed, &w->model, err);
}

int assay__train_choose_defense(struct assay__train *w, struct assay_error *err)
{
    const struct assay__words *words = &w->values->defense_params;
    const char *assign[ASSAY__WORDS_MAX];
    int code;

    for (int i = 0; i < words->n; i++)
        assign[i] = words->word[i];
    code = assay_defense_choose(&w->defense, w->values->defense, assign,
                                (size_t)words->n, err);
    if (code == ASSAY_OK && w->defense.row != NULL &&
        w->defense.row->stage != ASSAY_DEFENSE_TRAINING)
        code = assay_error_set(err, ASSAY_ARG,
                               "%s changes what a model answers, not how it is "
                               "trained: audit the model with it",
                               w->defense.row->name);
    return code;
}

/* The model that would be there without the defence. It is kept by its
 * checkpoint alone: a rerun finds it trained. */
static int teach(struct assay__train *w, struct assay__session *s,
                 assay_model **teacher, struct assay_error *err)
{
    struct assay_training t = w->training;
    int code = new_model(w, ASSAY_NORM_BATCH, s->ctx.seed, teacher, err);

    w->teacher_checkpoint = assay__format("%s.teacher.ckpt", w->values->out);
    if (code == ASSAY_OK && w->teacher_checkpoint == NULL)
        code = assay_error_set(err, ASSAY_NOMEM, "checkpoint");
    if (code != ASSAY_OK)
        return code;
    t.model = *teacher;
    t.task = "teacher";
    t.checkpoint = w->teacher_checkpoint;
    code = assay_models_train(&s->ctx, &s->compute, &t, 1, err);
    assay_curve_release(&t.curve);
    return code;
}

int assay__train_defend(struct assay__train *w, struct assay__session *s,
                        struct assay_error *err)
{
    assay_model *teacher = NULL;
    char key[65] = "";
    int code = ASSAY_OK;

    if (w->defense.row == NULL)
        return ASSAY_OK;
    if (w->defense.row->needs_teacher)
        code = teach(w, s, &teacher, err);
    if (code == ASSAY_OK && teacher != NULL)
        code = assay_model_sha256(teacher, key, err);
    if (code == ASSAY_OK)
        code =
            assay_defense_apply(&w->defended, &w->defense, &s->ctx, &s->compute,
                                teacher, key, &w->training, err);
    assay_model_free(teacher);
    /* A rerun asks the teacher again, and must hear the same. */
    if (code == ASSAY_OK && w->defense.row->needs_teacher)
        assay__session_keep_tuning(s);
    return code;
}

/* What a private training promises, and to whom. */
int assay__train_promise(struct assay__train *w, struct assay__session *s,
                         struct assay_error *err)
{
    const struct assay_defense *d = w->defense.row;
    int code;

    w->promised.delta = (double)NAN;
    w->promised.epsilon_rdp = w->promised.epsilon_prv = (double)NAN;
    if (d == NULL || d->claim == NULL)
        return ASSAY_OK;
    code = d->claim(w->defense.param, &w->recipe,
                    assay_view_count(w->records.train), &w->promised, err);
    if (code == ASSAY_OK)
        assay__session_say(
            s, "The noise follows from --seed, which the sidecar tells: who "
               "knows it can take the noise\naway. Give a long random --seed, "
               "and keep the sidecar, before you publish the model.");
    return code;
}
