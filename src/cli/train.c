/* SPDX-License-Identifier: Apache-2.0 */
/*
 * assay train: a classifier from images, saved with everything an audit
 * needs to know about how it was trained. Training goes on from its last
 * checkpoint when the same command is given again after a kill.
 */

#include <string.h>
#include <unistd.h>

#include "assay/audit.h"
#include "commands.h"
#include "core/fs.h"
#include "core/mem.h"
#include "train.h"

#define AT(member) offsetof(struct assay__train_values, member)

/* clang-format off */
static const struct assay__option own_options[] = {
    {"out", 'o', ASSAY__OPTION_TEXT, "MODEL", "model.safetensors", 0, 0, NULL,
     "where to save the model; MODEL.json is written beside it",
     AT(out)},
    {"quarter", 0, ASSAY__OPTION_CHOICE, "NAME", "target-train", 0, 0,
     "target-train|target-test|shadow-train|shadow-test",
     "quarter of the records to train on", AT(quarter)},
    {"all", 0, ASSAY__OPTION_FLAG, NULL, NULL, 0, 0, NULL,
     "train on all records; such a model cannot be audited on this data",
     AT(all)},
    {"records", 'n', ASSAY__OPTION_INT, "N", "0", 0, 1e9, NULL,
     "records per quarter; 0: a quarter of them all",
     AT(records)},
    {"defense", 0, ASSAY__OPTION_TEXT, "NAME", NULL, 0, 0, NULL,
     "train with a defence, such as dp-sgd (assay defenses)",
     AT(defense)},
    {"defense-param", 0, ASSAY__OPTION_WORDS, "NAME=VALUE", NULL, 0, 0, NULL,
     "set the defence's parameter, such as epsilon=4; may be repeated",
     AT(defense_params)},
    {.name = NULL},
};
/* clang-format on */

static const struct assay__option_group groups[] = {
    {"Training", own_options, 0},
    {"Recipe", assay__recipe_options, AT(recipe)},
    {"Images", assay__pixel_options, AT(pixels)},
    {"General", assay__common_options, AT(common)},
    {.title = NULL},
};

static int run(int argc, char **argv);

const struct assay__command assay__command_train = {
    .name = "train",
    .summary = "Train a classifier on images and save it.",
    .usage = "DATA [options]",
    .examples =
        "assay train fashion-mnist --out target.safetensors --epochs 30\n"
        "assay train cifar10:data/cifar10 --arch resnet18 --augment "
        "flip,crop:4\n"
        "assay train folder:photos --arch vgg19 --resize 64x64 --all\n"
        "assay train fashion-mnist --defense dp-sgd --defense-param epsilon=8",
    .notes =
        "DATA is KIND:PATH or a path: fashion-mnist, mnist, cifar10, "
        "cifar100, stl10,\nceleba, folder, wav, csv, npz, records. After a "
        "kill or Ctrl-C the same command goes\non from the last finished "
        "epoch.",
    .groups = groups,
    .values_size = sizeof(struct assay__train_values),
    .max_args = 1,
    .run = run,
};

static enum assay_quarter quarter_of(const char *name)
{
    int q;

    for (q = 0; q < ASSAY_QUARTERS; q++) {
        if (strcmp(assay_quarter_name((enum assay_quarter)q), name) == 0)
            return (enum assay_quarter)q;
    }
    return ASSAY_TARGET_TRAIN;
}

/* Tried before training: the folder of the model must take files. */
static int try_folder(const char *out, struct assay_error *err)
{
    char *path = assay__format("%s.write-test-%ld", out, (long)getpid());
    int code;

    if (path == NULL)
        return assay_error_set(err, ASSAY_NOMEM, "%s", out);
    code = assay__write_file(path, "assay\n", 6, err);
    if (code == ASSAY_OK)
        (void)unlink(path);
    else
        code = assay_error_prefix(err, code, "--out %.80s", out);
    assay__free(path);
    return code;
}

static int prepare(struct assay__train *w, struct assay__session *s,
                   const char *spec, struct assay_error *err)
{
    const struct assay__train_values *v = w->values;
    const struct assay__training_choice choice = {.data = spec,
                                                  .pixels = &v->pixels,
                                                  .quarter =
                                                      quarter_of(v->quarter),
                                                  .all = v->all,
                                                  .records = (size_t)v->records,
                                                  .seed = s->ctx.seed};
    int code = try_folder(v->out, err);

    if (code == ASSAY_OK)
        code = assay__train_choose_defense(w, err);
    if (code == ASSAY_OK)
        code = assay__recipe_values_take(&v->recipe, &w->recipe, err);
    if (code == ASSAY_OK)
        code = assay__training_data_open(&w->records, &choice, err);
    if (code == ASSAY_OK)
        code = assay__train_make_model(w, s, err);
    if (code == ASSAY_OK)
        code = assay__train_promise(w, s, err);
    if (code != ASSAY_OK)
        return code;
    w->checkpoint = assay__format("%s.ckpt", v->out);
    if (w->checkpoint == NULL)
        return assay_error_set(err, ASSAY_NOMEM, "checkpoint");
    w->training.model = w->model;
    w->training.train = w->records.train;
    w->training.test = w->records.test;
    w->training.recipe = &w->recipe;
    w->training.seed = s->ctx.seed;
    w->training.task = "training";
    w->training.checkpoint = w->checkpoint;
    return ASSAY_OK;
}

static int train(struct assay__train *w, struct assay__session *s,
                 struct assay_error *err)
{
    int code;

    s->compute.threads = s->ctx.threads; /* all are this one training's */
    code = assay__train_defend(w, s, err);
    if (code == ASSAY_OK)
        code = assay_models_train(&s->ctx, &s->compute, &w->training, 1, err);
    if (code == ASSAY_OK)
        code = assay__training_data_note(&w->records, w->model, &w->recipe,
                                         &w->training.curve, err);
    if (code == ASSAY_OK && w->defense.row != NULL)
        code = assay_model_set_note(w->model, ASSAY_NOTE_DEFENSE,
                                    w->defense.text, err);
    if (code == ASSAY_OK)
        code = assay_model_save(w->model, w->values->out, err);
    if (code != ASSAY_OK)
        return code;
    (void)unlink(w->checkpoint);
    if (w->teacher_checkpoint != NULL)
        (void)unlink(w->teacher_checkpoint);
    code = assay_evidence_collect(&w->on_train, &s->ctx, w->model,
                                  w->records.train, 0, &s->compute,
                                  "train accuracy", err);
    if (code == ASSAY_OK && w->records.test != NULL)
        code = assay_evidence_collect(&w->on_test, &s->ctx, w->model,
                                      w->records.test, 0, &s->compute,
                                      "test accuracy", err);
    if (code == ASSAY_OK) {
        assay__progress_clear(&s->progress);
        code = assay__train_print(w, s->json, err);
    }
    return code;
}

static void release(struct assay__train *w)
{
    assay_evidence_release(&w->on_train);
    assay_evidence_release(&w->on_test);
    assay_curve_release(&w->training.curve);
    assay_defended_release(&w->defended);
    assay_model_free(w->model);
    assay__training_data_release(&w->records);
    assay__free(w->checkpoint);
    assay__free(w->teacher_checkpoint);
}

static int work(struct assay__call *call, struct assay_error *err)
{
    struct assay__train w;
    int code;

    if (call->parsed.n_args != 1)
        return assay__call_misused(call, "no DATA is given", err);
    snprintf(call->kept, sizeof(call->kept),
             "The finished epochs are kept; the same command goes on from "
             "there.");
    memset(&w, 0, sizeof(w));
    w.values = call->values;
    code = prepare(&w, &call->session, call->parsed.arg[0], err);
    if (code == ASSAY_OK)
        code = train(&w, &call->session, err);
    release(&w);
    return code;
}

static int run(int argc, char **argv)
{
    struct assay__train_values values;
    struct assay__call call = {.command = &assay__command_train,
                               .argc = argc,
                               .argv = argv,
                               .values = &values,
                               .common = &values.common};

    return assay__call_run(&call, work);
}
