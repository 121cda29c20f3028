/* SPDX-License-Identifier: Apache-2.0 */
/*
 * assay detect: whether models carry a backdoor or altered weights, and how
 * often the same detectors accuse clean ones.
 */

#include <jansson.h>
#include <string.h>

#include "assay/trust.h"
#include "commands.h"
#include "core/json.h"
#include "core/mem.h"
#include "session.h"
#include "trust_options.h"
#include "trust_print.h"

struct values {
    struct assay__common_values common;
    struct assay__trust_values records;
    struct assay__words detectors;
    struct assay__texts params;
    struct assay__texts references;
    struct assay__texts clean_shadows;
    struct assay__texts bad_shadows;
    const char *upstream;
    const char *suspects;
    const char *out;
};

/* clang-format off */
static const struct assay__option own_options[] = {
    {"detectors", 0, ASSAY__OPTION_WORDS, "A,B", NULL, 0, 0, NULL,
     "run these; not given: all that can run", offsetof(struct values, detectors)},
    {"detector-param", 0, ASSAY__OPTION_TEXTS, "NAME.SETTING=VALUE", NULL, 0, 0,
     NULL, "a setting of a detector; may be repeated",
     offsetof(struct values, params)},
    {"references", 0, ASSAY__OPTION_TEXTS, "FILE|FOLDER", NULL, 0, 0, NULL,
     "models of the same family that are known to be clean: what false alarms "
     "are counted on; may be repeated", offsetof(struct values, references)},
    {"upstream", 0, ASSAY__OPTION_TEXT, "FILE", NULL, 0, 0, NULL,
     "the model that these are said to be made from",
     offsetof(struct values, upstream)},
    {"suspects", 0, ASSAY__OPTION_TEXT, "DATA", NULL, 0, 0, NULL,
     "records to judge: inputs, or the data that was trained on",
     offsetof(struct values, suspects)},
    {"clean-shadows", 0, ASSAY__OPTION_TEXTS, "FILE|FOLDER", NULL, 0, 0, NULL,
     "clean models that a detector may learn from",
     offsetof(struct values, clean_shadows)},
    {"backdoored-shadows", 0, ASSAY__OPTION_TEXTS, "FILE|FOLDER", NULL, 0, 0,
     NULL, "models with a backdoor that a detector may learn from",
     offsetof(struct values, bad_shadows)},
    {"out", 'o', ASSAY__OPTION_TEXT, "FOLDER", NULL, 0, 0, NULL,
     "keep findings, reversed triggers and their pictures; what is there is "
     "not done again", offsetof(struct values, out)},
    {.name = NULL},
};
/* clang-format on */

static const struct assay__option_group groups[] = {
    {"Detection", own_options, 0},
    {"Records", assay__trust_record_options, offsetof(struct values, records)},
    {"General", assay__common_options, offsetof(struct values, common)},
    {.title = NULL},
};

static int run(int argc, char **argv);

const struct assay__command assay__command_detect = {
    .name = "detect",
    .summary = "Tell whether models carry a backdoor or altered weights.",
    .usage = "MODEL... --data DATA [options]",
    .examples = "assay detect model.pth --data cifar10:data/test_batch.bin\n"
                "assay detect bad/*.safetensors --references clean --data "
                "fashion-mnist --out runs/detect\n"
                "assay detect tuned.pth --upstream published.pth --data "
                "folder:photos",
    .notes =
        "DATA are clean records, not trained on if possible. A FOLDER "
        "stands for the model\nfiles in it. Exit status: 0 nothing found, "
        "1 a model is suspicious, 2 error, 3 no\ndetector could judge a model, "
        "4 usage.\n",
    .groups = groups,
    .values_size = sizeof(struct values),
    .max_args = ASSAY__ARGS_MAX,
    .run = run,
};

/* Lists of models that the options name, with folders opened. */
struct lists {
    struct assay__model_list models;
    struct assay__model_list references;
    struct assay__model_list clean_shadows;
    struct assay__model_list bad_shadows;
};

static void lists_release(struct lists *l)
{
    assay__model_list_release(&l->models);
    assay__model_list_release(&l->references);
    assay__model_list_release(&l->clean_shadows);
    assay__model_list_release(&l->bad_shadows);
}

static int open_lists(struct lists *l, const struct values *v,
                      const struct assay__parsed *parsed,
                      struct assay_error *err)
{
    int code = assay__model_list_make(&l->models, parsed->arg,
                                      (size_t)parsed->n_args, err);

    if (code == ASSAY_OK)
        code = assay__model_list_make(&l->references, v->references.text,
                                      (size_t)v->references.n, err);
    if (code == ASSAY_OK)
        code = assay__model_list_make(&l->clean_shadows, v->clean_shadows.text,
                                      (size_t)v->clean_shadows.n, err);
    if (code == ASSAY_OK)
        code = assay__model_list_make(&l->bad_shadows, v->bad_shadows.text,
                                      (size_t)v->bad_shadows.n, err);
    return code;
}

static struct assay_trust_models list_of(const struct assay__model_list *l)
{
    struct assay_trust_models m = {(const char *const *)l->path, l->n};

    return m;
}

static int detect(struct assay__session *s, const struct values *v,
                  const struct assay__parsed *parsed, int *status,
                  struct assay_error *err)
{
    const char *names[ASSAY__WORDS_MAX];
    struct assay_trust_options o;
    struct lists lists;
    char *findings = NULL;
    int code;

    memset(&lists, 0, sizeof(lists));
    assay_trust_options_init(&o);
    code = open_lists(&lists, v, parsed, err);
    o.models = list_of(&lists.models);
    o.references = list_of(&lists.references);
    o.clean_shadows = list_of(&lists.clean_shadows);
    o.bad_shadows = list_of(&lists.bad_shadows);
    o.upstream = v->upstream;
    o.suspects = v->suspects;
    o.out = v->out;
    o.detectors = assay__words_list(&v->detectors, names);
    o.n_detectors = (size_t)v->detectors.n;
    o.params = v->params.text;
    o.n_params = (size_t)v->params.n;
    o.compute = s->compute;
    if (code == ASSAY_OK)
        code = assay__trust_values_take(&v->records, &o.data, &o.dataset,
                                        &o.pixels, &o.n_clean, err);
    if (code == ASSAY_OK)
        code = assay_trust_run(&o, &s->ctx, &findings, err);
    if (code == ASSAY_OK) {
        assay__progress_clear(&s->progress);
        code = assay__trust_print(findings, s->json, v->out, status, err);
    }
    assay_bytes_free(findings);
    lists_release(&lists);
    return code;
}

static int work(struct assay__call *call, struct assay_error *err)
{
    const struct values *v = call->values;

    if (call->parsed.n_args == 0 || !v->records.data)
        return assay__call_misused(call, "MODEL and --data are needed", err);
    return detect(&call->session, v, &call->parsed, &call->status, err);
}

static int run(int argc, char **argv)
{
    struct values values;
    struct assay__call call = {.command = &assay__command_detect,
                               .argc = argc,
                               .argv = argv,
                               .values = &values,
                               .common = &values.common};

    return assay__call_run(&call, work);
}
