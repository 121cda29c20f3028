/* SPDX-License-Identifier: Apache-2.0 */
/*
 * assay backdoor: a model with a backdoor whose trigger and strength are
 * known, to learn what detectors find and repairs remove. The model says in
 * its sidecar what it is.
 */

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "assay/audit.h"
#include "assay/backdoor.h"
#include "commands.h"
#include "core/fs.h"
#include "core/json.h"
#include "core/mem.h"
#include "json_output.h"
#include "listing.h"
#include "session.h"
#include "training_data.h"

struct values {
    struct assay__common_values common;
    struct assay__pixel_values pixels;
    struct assay__recipe_values recipe;
    const char *out;
    const char *clean;
    int64_t target;
    struct assay__texts params;
    int64_t records;
};

/* clang-format off */
static const struct assay__option own_options[] = {
    {"out", 'o', ASSAY__OPTION_TEXT, "MODEL", "backdoored.safetensors", 0, 0,
     NULL, "where to save the model; its sidecar, trigger and the trigger's "
     "picture are written beside it", offsetof(struct values, out)},
    {"target", 0, ASSAY__OPTION_INT, "CLASS", "0", 0, 65535, NULL,
     "class that the trigger leads to", offsetof(struct values, target)},
    {"param", 0, ASSAY__OPTION_TEXTS, "SETTING=VALUE", NULL, 0, 0, NULL,
     "a setting of the backdoor; may be repeated",
     offsetof(struct values, params)},
    {"clean", 0, ASSAY__OPTION_TEXT, "MODEL", NULL, 0, 0, NULL,
     "clean model to alter, for backdoors that do not train one",
     offsetof(struct values, clean)},
    {"records", 'n', ASSAY__OPTION_INT, "N", "0", 0, 1e9, NULL,
     "records per quarter; 0: a quarter of them all",
     offsetof(struct values, records)},
    {.name = NULL},
};
/* clang-format on */

static const struct assay__option_group groups[] = {
    {"Backdoor", own_options, 0},
    {"Recipe", assay__recipe_options, offsetof(struct values, recipe)},
    {"Images", assay__pixel_options, offsetof(struct values, pixels)},
    {"General", assay__common_options, offsetof(struct values, common)},
    {.title = NULL},
};

static int run(int argc, char **argv);

const struct assay__command assay__command_backdoor = {
    .name = "backdoor",
    .summary = "Plant a known backdoor, to test detectors and repairs by.",
    .usage = "NAME DATA [options]",
    .examples =
        "assay backdoor badnets fashion-mnist --epochs 20 --out bad.safetensors\n"
        "assay backdoor blended cifar10:data/cifar10 --arch resnet18 --target 3 "
        "--param alpha=0.1",
    .notes =
        "`assay backdoors` lists them. Trained on the quarter target-train "
        "and measured on\ntarget-test, as `assay train` does. The model's "
        "sidecar says that it carries one.\n",
    .groups = groups,
    .values_size = sizeof(struct values),
    .max_args = 2,
    .run = run,
};

/* All that one planting holds. */
struct work {
    const struct values *values;
    const struct assay_backdoor *backdoor;
    double param[ASSAY_SETTINGS_MAX];
    struct assay__training_data records;
    assay_model *clean;
    struct assay_model_spec spec;
    struct assay_recipe recipe;
    struct assay_backdoored made;
    struct assay_backdoor_effect effect;
    char *checkpoint;
};

static void release(struct work *w)
{
    assay_backdoored_release(&w->made);
    assay_model_free(w->clean);
    assay__training_data_release(&w->records);
    assay__free(w->checkpoint);
}

static int choose(struct work *w, const char *name, struct assay_error *err)
{
    const struct assay_backdoor *const *table = assay_backdoor_table();
    const char *names[64];
    size_t n = 0;

    for (; table[n] != NULL && n < 64; n++)
        names[n] = table[n]->name;
    w->backdoor = assay_backdoor_find(name);
    if (w->backdoor == NULL)
        return assay__listing_refuse("backdoor", name, names, n, err);
    assay_settings_init(w->backdoor->params, w->param);
    return ASSAY_OK;
}

/* "rate=0.05" */
static int set_param(struct work *w, const char *text, struct assay_error *err)
{
    const struct assay_setting *rows = w->backdoor->params;
    const char *equal = strchr(text, '=');
    char name[64];
    int i = -1;

    if (equal != NULL && equal - text < (int)sizeof(name)) {
        snprintf(name, sizeof(name), "%.*s", (int)(equal - text), text);
        i = assay_settings_index(rows, name);
    }
    if (i < 0)
        return assay_error_set(err, ASSAY_ARG,
                               "--param %.60s: not SETTING=VALUE of %s; `assay "
                               "backdoors %s` lists its settings",
                               text, w->backdoor->name, w->backdoor->name);
    return assay_setting_parse(&rows[i], equal + 1, text, &w->param[i], err);
}

static int prepare(struct work *w, const struct assay__session *s,
                   const char *name, const char *data, struct assay_error *err)
{
    const struct values *v = w->values;
    const struct assay__training_choice choice = {.data = data,
                                                  .pixels = &v->pixels,
                                                  .quarter = ASSAY_TARGET_TRAIN,
                                                  .records = (size_t)v->records,
                                                  .seed = s->ctx.seed};
    int code = choose(w, name, err);
    int i;

    for (i = 0; i < v->params.n && code == ASSAY_OK; i++)
        code = set_param(w, v->params.text[i], err);
    if (code == ASSAY_OK)
        code = assay__recipe_values_take(&v->recipe, &w->recipe, err);
    if (code == ASSAY_OK)
        code = assay__training_data_open(&w->records, &choice, err);
    if (code == ASSAY_OK && v->clean != NULL)
        code = assay_model_open(&w->clean, v->clean, err);
    if (code != ASSAY_OK)
        return code;
    w->spec.arch =
        w->clean != NULL ? assay_model_arch(w->clean) : v->recipe.arch;
    w->spec.n_classes = assay_dataset_n_classes(w->records.data);
    w->spec.preprocess = w->clean != NULL
                             ? *assay_model_preprocess(w->clean)
                             : *assay_view_preprocess(w->records.train);
    w->checkpoint = assay__format("%s.ckpt", v->out);
    return w->checkpoint != NULL
               ? ASSAY_OK
               : assay_error_set(err, ASSAY_NOMEM, "checkpoint");
}

static int plant(struct work *w, struct assay__session *s,
                 struct assay_error *err)
{
    struct assay_backdoor_input in = {.ctx = &s->ctx,
                                      .compute = &s->compute,
                                      .spec = &w->spec,
                                      .recipe = &w->recipe,
                                      .train = w->records.train,
                                      .test = w->records.test,
                                      .clean = w->clean,
                                      .target = (int)w->values->target,
                                      .seed = s->ctx.seed,
                                      .checkpoint = w->checkpoint,
                                      .param = w->param};
    int code;

    s->compute.threads = s->ctx.threads; /* all are this one training's */
    code = assay_backdoor_plant(w->backdoor, &in, &w->made, err);
    if (code == ASSAY_OK)
        code = assay_backdoor_measure(&w->effect, &s->ctx, &s->compute,
                                      w->made.model, w->records.test,
                                      &w->made.trigger, w->made.target, err);
    return code;
}

/* "x.safetensors" and ".png" to "x.trigger.png"; fresh. */
static char *beside(const char *out, const char *suffix)
{
    static const char ending[] = ".safetensors";
    size_t n = strlen(out);
    size_t k = sizeof(ending) - 1;

    if (n > k && strcmp(out + n - k, ending) == 0)
        n -= k;
    return assay__format("%.*s.trigger%s", (int)n, out, suffix);
}

static int save_trigger(const struct work *w, struct assay_error *err)
{
    char *path = beside(w->values->out, ".safetensors");
    char *picture = beside(w->values->out, ".png");
    unsigned char *png = NULL;
    size_t size = 0;
    int code = path != NULL && picture != NULL
                   ? assay_trigger_write(&w->made.trigger, path, err)
                   : assay_error_set(err, ASSAY_NOMEM, "trigger");

    if (code == ASSAY_OK)
        code = assay_trigger_png(&w->made.trigger, &png, &size, err);
    if (code == ASSAY_OK)
        code = assay__write_file(picture, png, size, err);
    assay_bytes_free(png);
    assay__free(path);
    assay__free(picture);
    return code;
}

static int save(const struct work *w, struct assay_error *err)
{
    char *target = assay__format("%d", w->made.target);
    assay_model *m = w->made.model;
    int code = target != NULL
                   ? assay_model_set_note(m, "backdoor", w->backdoor->name, err)
                   : assay_error_set(err, ASSAY_NOMEM, "notes");

    if (code == ASSAY_OK)
        code = assay_model_set_note(m, "backdoor.target", target, err);
    if (code == ASSAY_OK)
        code = assay__training_data_note(&w->records, m, &w->recipe, NULL, err);
    if (code == ASSAY_OK)
        code = save_trigger(w, err);
    if (code == ASSAY_OK)
        code = assay_model_save(m, w->values->out, err);
    assay__free(target);
    return code;
}

static json_t *estimate_json(const struct assay_estimate *e)
{
    return assay__json_estimate(e->value, e->low, e->high, e->n);
}

static void print_estimate(const char *name, const struct assay_estimate *e)
{
    printf("%-16s %.4f  (95 %% interval %.4f to %.4f, %zu records)\n", name,
           e->value, e->low, e->high, e->n);
}

static int print_result(const struct work *w, int as_json,
                        struct assay_error *err)
{
    const struct assay_backdoor_effect *e = &w->effect;

    if (as_json)
        return assay__print_json(
            json_pack("{s:s, s:s, s:i, s:o, s:o, s:o, s:o}", "model",
                      w->values->out, "backdoor", w->backdoor->name, "target",
                      w->made.target, "accuracy", estimate_json(&e->accuracy),
                      "success", estimate_json(&e->success), "restored",
                      estimate_json(&e->restored), "seconds",
                      assay__json_real(w->made.seconds)),
            "result", err);
    printf("model            %s\n", w->values->out);
    printf("backdoor         %s to class %d\n", w->backdoor->name,
           w->made.target);
    print_estimate("accuracy (ACC)", &e->accuracy);
    print_estimate("success (ASR)", &e->success);
    print_estimate("restored (RA)", &e->restored);
    return ASSAY_OK;
}

static int make(struct work *w, struct assay__call *call,
                struct assay_error *err)
{
    struct assay__session *s = &call->session;
    int code = prepare(w, s, call->parsed.arg[0], call->parsed.arg[1], err);

    if (code == ASSAY_OK)
        code = plant(w, s, err);
    if (code == ASSAY_OK)
        code = save(w, err);
    if (code == ASSAY_OK) {
        assay__progress_clear(&s->progress);
        code = print_result(w, s->json, err);
    }
    if (code == ASSAY_OK)
        (void)remove(w->checkpoint);
    return code;
}

static int work(struct assay__call *call, struct assay_error *err)
{
    struct work w;
    int code;

    if (call->parsed.n_args != 2)
        return assay__call_misused(call, "NAME and DATA are needed", err);
    memset(&w, 0, sizeof(w));
    w.values = call->values;
    code = make(&w, call, err);
    release(&w);
    return code;
}

static int run(int argc, char **argv)
{
    struct values values;
    struct assay__call call = {.command = &assay__command_backdoor,
                               .argc = argc,
                               .argv = argv,
                               .values = &values,
                               .common = &values.common};

    return assay__call_run(&call, work);
}
