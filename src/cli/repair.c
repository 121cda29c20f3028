/* SPDX-License-Identifier: Apache-2.0 */
/*
 * assay repair: what each repair does to a model's accuracy and to a
 * trigger's success, and the repaired models.
 */

#include <string.h>

#include "assay/trust.h"
#include "commands.h"
#include "core/mem.h"
#include "session.h"
#include "trust_options.h"
#include "trust_print.h"

struct values {
    struct assay__common_values common;
    struct assay__trust_values records;
    struct assay__words repairs;
    struct assay__texts params;
    const char *trigger;
    const char *known;
    int64_t target;
    const char *reverse;
    int64_t batch;
    double momentum;
    double weight_decay;
    const char *out;
};

/* clang-format off */
static const struct assay__option own_options[] = {
    {"repairs", 0, ASSAY__OPTION_WORDS, "A,B", NULL, 0, 0, NULL,
     "try these; not given: all", offsetof(struct values, repairs)},
    {"repair-param", 0, ASSAY__OPTION_TEXTS, "NAME.SETTING=VALUE", NULL, 0, 0,
     NULL, "a setting of a repair; may be repeated",
     offsetof(struct values, params)},
    {"trigger", 0, ASSAY__OPTION_TEXT, "FILE", NULL, 0, 0, NULL,
     "trigger whose success is measured (tensors mask and pattern); not given: "
     "one is reversed", offsetof(struct values, trigger)},
    {"target", 0, ASSAY__OPTION_INT, "CLASS", "-1", -1, 65535, NULL,
     "class that it leads to", offsetof(struct values, target)},
    {"known-trigger", 0, ASSAY__OPTION_TEXT, "FILE", NULL, 0, 0, NULL,
     "trigger that repairs are given, where it is not the one above",
     offsetof(struct values, known)},
    {"reverse", 0, ASSAY__OPTION_TEXT, "DETECTOR", "neural-cleanse", 0, 0, NULL,
     "detector that reverses a trigger, or none", offsetof(struct values, reverse)},
    {"batch", 0, ASSAY__OPTION_INT, "N", "128", 1, 65536, NULL,
     "records per step of tunings", offsetof(struct values, batch)},
    {"momentum", 0, ASSAY__OPTION_REAL, "X", "0.9", 0, 1, NULL,
     "of tunings", offsetof(struct values, momentum)},
    {"weight-decay", 0, ASSAY__OPTION_REAL, "X", "0.0005", 0, 10, NULL,
     "of tunings", offsetof(struct values, weight_decay)},
    {"out", 'o', ASSAY__OPTION_TEXT, "FOLDER", NULL, 0, 0, NULL,
     "keep findings and repaired models", offsetof(struct values, out)},
    {.name = NULL},
};
/* clang-format on */

static const struct assay__option_group groups[] = {
    {"Repair", own_options, 0},
    {"Records", assay__trust_record_options, offsetof(struct values, records)},
    {"General", assay__common_options, offsetof(struct values, common)},
    {.title = NULL},
};

static int run(int argc, char **argv);

const struct assay__command assay__command_repair = {
    .name = "repair",
    .summary = "Try to take a backdoor out of a model, and measure it.",
    .usage = "MODEL --data DATA [options]",
    .examples =
        "assay repair model.pth --data cifar10:data/test_batch.bin --out "
        "repaired\n"
        "assay repair bad.pth --data fashion-mnist --trigger bad.trigger.npz "
        "--target 0 --repairs clp",
    .notes = "A quarter of the records is tuned on, a quarter sets thresholds, "
             "the rest measures.\n",
    .groups = groups,
    .values_size = sizeof(struct values),
    .max_args = 1,
    .run = run,
};

static int repair(struct assay__session *s, const struct values *v,
                  const char *model, struct assay_error *err)
{
    const char *names[ASSAY__WORDS_MAX];
    struct assay_trust_repair_options o;
    char *findings = NULL;
    int code;

    assay_trust_repair_options_init(&o);
    o.model = model;
    o.trigger = v->trigger;
    o.known = v->known;
    o.target = (int)v->target;
    o.reverse = strcmp(v->reverse, "none") == 0 ? NULL : v->reverse;
    o.repairs = assay__words_list(&v->repairs, names);
    o.n_repairs = (size_t)v->repairs.n;
    o.params = v->params.text;
    o.n_params = (size_t)v->params.n;
    o.recipe.batch = (size_t)v->batch;
    o.recipe.optimizer.momentum = v->momentum;
    o.recipe.optimizer.weight_decay = v->weight_decay;
    o.out = v->out;
    o.compute = s->compute;
    code = assay__trust_values_take(&v->records, &o.data, &o.dataset, &o.pixels,
                                    &o.n_clean, err);
    if (code == ASSAY_OK)
        code = assay_trust_repair(&o, &s->ctx, &findings, err);
    if (code == ASSAY_OK) {
        assay__progress_clear(&s->progress);
        code = assay__repairs_print(findings, s->json, err);
    }
    assay_bytes_free(findings);
    return code;
}

static int work(struct assay__call *call, struct assay_error *err)
{
    const struct values *v = call->values;

    if (call->parsed.n_args != 1 || !v->records.data)
        return assay__call_misused(call, "MODEL and --data are needed", err);
    return repair(&call->session, v, call->parsed.arg[0], err);
}

static int run(int argc, char **argv)
{
    struct values values;
    struct assay__call call = {.command = &assay__command_repair,
                               .argc = argc,
                               .argv = argv,
                               .values = &values,
                               .common = &values.common};

    return assay__call_run(&call, work);
}
