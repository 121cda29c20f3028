/* SPDX-License-Identifier: Apache-2.0 */
/*
 * assay train: a classifier from images, saved with everything an audit
 * needs to know about how it was trained. Training goes on from its last
 * checkpoint when the same command is given again after a kill.
 */

#include <jansson.h>
#include <string.h>
#include <unistd.h>

#include "assay/audit.h"
#include "commands.h"
#include "core/fs.h"
#include "core/json.h"
#include "core/mem.h"
#include "session.h"
#include "training_data.h"

struct values {
    struct assay__common_values common;
    struct assay__pixel_values pixels;
    struct assay__recipe_values recipe;
    const char *out;
    const char *quarter;
    int all;
    int64_t records;
};

/* clang-format off */
static const struct assay__option own_options[] = {
    {"out", 'o', ASSAY__OPTION_TEXT, "MODEL", "model.safetensors", 0, 0, NULL,
     "where to save the model; MODEL.json is written beside it",
     offsetof(struct values, out)},
    {"quarter", 0, ASSAY__OPTION_CHOICE, "NAME", "target-train", 0, 0,
     "target-train|target-test|shadow-train|shadow-test",
     "quarter of the records to train on", offsetof(struct values, quarter)},
    {"all", 0, ASSAY__OPTION_FLAG, NULL, NULL, 0, 0, NULL,
     "train on all records; such a model cannot be audited on this data",
     offsetof(struct values, all)},
    {"records", 'n', ASSAY__OPTION_INT, "N", "0", 0, 1e9, NULL,
     "records per quarter; 0: a quarter of them all",
     offsetof(struct values, records)},
    {.name = NULL},
};
/* clang-format on */

static const struct assay__option_group groups[] = {
    {"Training", own_options, 0},
    {"Recipe", assay__recipe_options, offsetof(struct values, recipe)},
    {"Images", assay__pixel_options, offsetof(struct values, pixels)},
    {"General", assay__common_options, offsetof(struct values, common)},
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
        "assay train folder:photos --arch vgg19 --resize 64x64 --all",
    .notes =
        "DATA is KIND:PATH or a path: fashion-mnist, mnist, cifar10, "
        "cifar100, stl10,\nceleba, folder, wav, csv, npz, records. After a "
        "kill or Ctrl-C the same command goes\non from the last finished "
        "epoch.",
    .groups = groups,
    .values_size = sizeof(struct values),
    .max_args = 1,
    .run = run,
};

/* All that one training holds. */
struct work {
    const struct values *values;
    struct assay__training_data records;
    assay_model *model;
    struct assay_recipe recipe;
    struct assay_training training;
    char *checkpoint;
    struct assay_evidence on_train;
    struct assay_evidence on_test;
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

static int new_model(struct work *w, uint64_t seed, struct assay_error *err)
{
    const assay_view *train = w->records.train;
    struct assay_model_spec model;

    memset(&model, 0, sizeof(model));
    model.arch = w->values->recipe.arch;
    model.n_classes = assay_dataset_n_classes(w->records.data);
    model.preprocess = *assay_view_preprocess(train);
    return assay_model_new(&w->model, &model, seed, err);
}

static int prepare(struct work *w, const struct assay__session *s,
                   const char *spec, struct assay_error *err)
{
    const struct values *v = w->values;
    const struct assay__training_choice choice = {.data = spec,
                                                  .pixels = &v->pixels,
                                                  .quarter =
                                                      quarter_of(v->quarter),
                                                  .all = v->all,
                                                  .records = (size_t)v->records,
                                                  .seed = s->ctx.seed};
    int code = try_folder(v->out, err);

    if (code == ASSAY_OK)
        code = assay__recipe_values_take(&v->recipe, &w->recipe, err);
    if (code == ASSAY_OK)
        code = assay__training_data_open(&w->records, &choice, err);
    if (code == ASSAY_OK)
        code = new_model(w, s->ctx.seed, err);
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

static json_t *estimate_json(const struct assay_evidence *e, const char *part)
{
    struct assay_estimate x;

    if (e->n == 0)
        return json_null();
    x = assay_evidence_accuracy(e);
    if (strcmp(part, "low") == 0)
        return assay__json_real(x.low);
    if (strcmp(part, "high") == 0)
        return assay__json_real(x.high);
    return assay__json_real(x.value);
}

static int print_result(const struct work *w, int as_json,
                        struct assay_error *err)
{
    const struct values *v = w->values;
    struct assay_estimate train = assay_evidence_accuracy(&w->on_train);
    struct assay_estimate test;
    char time[24];
    json_t *root;
    char *text;

    if (!as_json) {
        printf("model           %s\n", v->out);
        printf("train accuracy  %.4f\n", train.value);
        if (w->on_test.n > 0) {
            test = assay_evidence_accuracy(&w->on_test);
            printf("test accuracy   %.4f  (95 %% interval %.4f to %.4f, %zu "
                   "records)\n",
                   test.value, test.low, test.high, test.n);
        }
        printf("time            %s\n",
               assay__duration_text(w->training.seconds, time));
        return ASSAY_OK;
    }
    root = json_pack("{s:s, s:o, s:o, s:o, s:o, s:I, s:o, s:I}", "model",
                     v->out, "accuracy", estimate_json(&w->on_test, "value"),
                     "low", estimate_json(&w->on_test, "low"), "high",
                     estimate_json(&w->on_test, "high"), "train_accuracy",
                     estimate_json(&w->on_train, "value"), "epochs",
                     (json_int_t)w->recipe.epochs, "seconds",
                     assay__json_real(w->training.seconds), "resumed_at",
                     (json_int_t)w->training.resumed_at);
    text = root != NULL ? assay__json_text(root) : NULL;
    json_decref(root);
    if (text == NULL)
        return assay_error_set(err, ASSAY_NOMEM, "result");
    fputs(text, stdout);
    assay__free(text);
    return ASSAY_OK;
}

static int train(struct work *w, struct assay__session *s,
                 struct assay_error *err)
{
    int code;

    s->compute.threads = s->ctx.threads; /* all are this one training's */
    code = assay_models_train(&s->ctx, &s->compute, &w->training, 1, err);
    if (code == ASSAY_OK)
        code = assay__training_data_note(&w->records, w->model, &w->recipe,
                                         &w->training.curve, err);
    if (code == ASSAY_OK)
        code = assay_model_save(w->model, w->values->out, err);
    if (code != ASSAY_OK)
        return code;
    (void)unlink(w->checkpoint);
    code = assay_evidence_collect(&w->on_train, &s->ctx, w->model,
                                  w->records.train, 0, &s->compute,
                                  "train accuracy", err);
    if (code == ASSAY_OK && w->records.test != NULL)
        code = assay_evidence_collect(&w->on_test, &s->ctx, w->model,
                                      w->records.test, 0, &s->compute,
                                      "test accuracy", err);
    if (code == ASSAY_OK) {
        assay__progress_clear(&s->progress);
        code = print_result(w, s->json, err);
    }
    return code;
}

static void release(struct work *w)
{
    assay_evidence_release(&w->on_train);
    assay_evidence_release(&w->on_test);
    assay_curve_release(&w->training.curve);
    assay_model_free(w->model);
    assay__training_data_release(&w->records);
    assay__free(w->checkpoint);
}

static int run(int argc, char **argv)
{
    struct values values;
    struct assay__parsed parsed;
    struct assay__session session;
    struct assay_error err;
    struct work w;
    int status;
    int code;

    if (!assay__session_parse(&assay__command_train, argc, argv, &values,
                              &parsed, &status))
        return status;
    memset(&w, 0, sizeof(w));
    w.values = &values;
    code = assay__session_open(&session, &assay__command_train, &values.common,
                               &err);
    if (code == ASSAY_OK && parsed.n_args != 1)
        code = assay_error_set(&err, ASSAY_ARG,
                               "no DATA is given; usage: assay train %s",
                               assay__command_train.usage);
    if (code == ASSAY_OK)
        code = prepare(&w, &session, parsed.arg[0], &err);
    if (code == ASSAY_OK)
        code = train(&w, &session, &err);
    status = assay__session_end(&session, code, &err);
    if (code == ASSAY_CANCELED)
        assay__session_say(&session,
                           "The finished epochs are kept; the same command "
                           "goes on from there.");
    release(&w);
    assay__session_close(&session);
    return status;
}
