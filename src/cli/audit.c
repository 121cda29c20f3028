/* SPDX-License-Identifier: Apache-2.0 */
/*
 * assay audit: the plan, the work, a summary. stdout carries the summary
 * (or, with --json, findings.json); the summary ends with the path of the
 * report.
 */

#include <math.h>
#include <string.h>

#include "assay/audit.h"
#include "assay/report.h"
#include "audit_folder.h"
#include "commands.h"
#include "core/fs.h"
#include "core/mem.h"
#include "model_options.h"
#include "session.h"
#include "trust_options.h"

struct values {
    struct assay__common_values common;
    struct assay__pixel_values pixels;
    struct assay__recipe_values recipe;
    struct assay_predictions predictions;
    const char *out;
    const char *data;
    const char *controls;
    const char *policy;
    const char *attribute;
    const char *layer;
    const char *copy_arch;
    const char *query_data;
    const char *defense;
    int64_t generator_epochs;
    int64_t generator_width;
    struct assay__words defense_params;
    struct assay__words attacks;
    struct assay__words goals;
    struct assay__words attack_params;
    int64_t records;
    int64_t references;
    int64_t exposed;
    double budget;
    int assume_split;
    const char *nonmember_data;
    int plan_only;
    int no_estimates;
    int strict;
    int detect;
    const char *upstream;
    const char *suspects;
    int64_t clean;
    struct assay__words detectors;
    struct assay__texts detector_params;
    struct assay__texts clean_models;
    struct assay__words repairs;
    struct assay__texts repair_params;
};

/* clang-format off */
#define AT(field) offsetof(struct values, field)
static const struct assay__option own_options[] = {
    {"out", 'o', ASSAY__OPTION_TEXT, "RUN", NULL, 0, 0, NULL,
     "run folder; not given: runs/DATA-ARCH-SEED-HASH, one for each "
     "recipe, number of records and so on", AT(out)},
    {"data", 'd', ASSAY__OPTION_TEXT, "DATA", NULL, 0, 0, NULL,
     "records, when the argument is a model", AT(data)},
    {"records", 'n', ASSAY__OPTION_INT, "N", "0", 0, 1e9, NULL,
     "records per quarter; 0: a quarter of them all", AT(records)},
    {"references", 'S', ASSAY__OPTION_INT, "S", "8", 0, 256, NULL,
     "reference models for LiRA and RMIA, an even number", AT(references)},
    {"attacks", 0, ASSAY__OPTION_WORDS, "A,B", NULL, 0, 0, NULL,
     "attacks to run; not given: all (assay attacks)", AT(attacks)},
    {"goals", 0, ASSAY__OPTION_WORDS, "GOAL,...", NULL, 0, 0, NULL,
     "membership, attribute, stealing, inversion or all: attacks to run when "
     "none are named; not given: membership, and attribute with --attribute. "
     "backdoor: as --detect, and alone nothing but that", AT(goals)},
    {"attribute", 0, ASSAY__OPTION_TEXT, "NAME", NULL, 0, 0, NULL,
     "sensitive attribute of the data, for attribute inference",
     AT(attribute)},
    {"layer", 0, ASSAY__OPTION_TEXT, "NAME", NULL, 0, 0, NULL,
     "layer whose output attribute inference reads, such as classifier.0; not given: "
     "the input of the last one", AT(layer)},
    {"copy-arch", 0, ASSAY__OPTION_TEXT, "ARCH", NULL, 0, 0, NULL,
     "architecture of stolen copies; not given: the target's", AT(copy_arch)},
    {"defense", 0, ASSAY__OPTION_TEXT, "NAME", NULL, 0, 0, NULL,
     "defend the model, and audit what is left (assay defenses)", AT(defense)},
    {"defense-param", 0, ASSAY__OPTION_WORDS, "NAME=VALUE", NULL, 0, 0, NULL,
     "set the defence's parameter, such as epsilon=4; may be repeated",
     AT(defense_params)},
    {"generator-epochs", 0, ASSAY__OPTION_INT, "N", "50", 1, 100000, NULL,
     "training epochs of the GAN for inversion", AT(generator_epochs)},
    {"generator-width", 0, ASSAY__OPTION_INT, "N", "32", 4, 512, NULL,
     "its maps at the pictures' full size; 64 in the papers",
     AT(generator_width)},
    {"query-data", 0, ASSAY__OPTION_TEXT, "DATA", NULL, 0, 0, NULL,
     "records of another distribution that stealing may ask about",
     AT(query_data)},
    {"attack-param", 0, ASSAY__OPTION_WORDS, "ATTACK.NAME=VALUE", NULL, 0, 0,
     NULL, "set an attack's parameter, such as rmia.gamma=2; may be repeated "
     "(assay attacks NAME tells names, defaults and limits)",
     AT(attack_params)},
    {"controls", 0, ASSAY__OPTION_CHOICE, "WHICH", "negative", 0, 0,
     "none|negative|full",
     "attack a model that never saw the records; full: also one that knows "
     "500 by heart", AT(controls)},
    {"budget", 0, ASSAY__OPTION_TIME, "TIME", "0", 0, 0, NULL,
     "time to aim at, such as 10m: leave out what would not fit; 0: as "
     "long as it takes", AT(budget)},
    {"policy", 0, ASSAY__OPTION_TEXT, "FILE", NULL, 0, 0, NULL,
     "YAML file of limits; not given: the built-in policy", AT(policy)},
    {"exposed", 0, ASSAY__OPTION_INT, "N", "12", 0, 200, NULL,
     "most exposed records to show", AT(exposed)},
    {"nonmember-data", 0, ASSAY__OPTION_TEXT, "DATA", NULL, 0, 0, NULL,
     "records that the model was not trained on, when --data are such as it "
     "was: for a model by others", AT(nonmember_data)},
    {"assume-split", 0, ASSAY__OPTION_FLAG, NULL, NULL, 0, 0, NULL,
     "take a model without notes as trained on target-train of --seed's "
     "split", AT(assume_split)},
    {"plan", 0, ASSAY__OPTION_FLAG, NULL, NULL, 0, 0, NULL,
     "print the plan and stop; nothing is written", AT(plan_only)},
    {"no-estimates", 0, ASSAY__OPTION_FLAG, NULL, NULL, 0, 0, NULL,
     "time no steps for the plan: it says what is done, not how long it "
     "takes", AT(no_estimates)},
    {"strict", 0, ASSAY__OPTION_FLAG, NULL, NULL, 0, 0, NULL,
     "warnings count as findings in the exit status", AT(strict)},
    {.name = NULL},
};

static const struct assay__option detection_options[] = {
    {"detect", 0, ASSAY__OPTION_FLAG, NULL, NULL, 0, 0, NULL,
     "also ask whether one can build on the model: detectors of backdoors and "
     "of altered weights (assay detectors), and repairs (assay repairs)",
     AT(detect)},
    {"upstream", 0, ASSAY__OPTION_TEXT, "FILE", NULL, 0, 0, NULL,
     "the model that it is said to be made from", AT(upstream)},
    {"references-clean", 0, ASSAY__OPTION_TEXTS, "FILE|FOLDER", NULL, 0, 0,
     NULL, "models of the same family that are known to be clean: what false "
     "alarms are counted on, beside the shadow and reference models that the "
     "audit trains; may be repeated", AT(clean_models)},
    {"clean", 0, ASSAY__OPTION_INT, "N", "0", 0, 1e9, NULL,
     "so many clean records for detectors, of --nonmember-data or, without "
     "it, of the data; 0: half of them", AT(clean)},
    {"suspects", 0, ASSAY__OPTION_TEXT, "DATA", NULL, 0, 0, NULL,
     "records for detectors to judge: inputs, or the data that was trained on",
     AT(suspects)},
    {"detectors", 0, ASSAY__OPTION_WORDS, "A,B", NULL, 0, 0, NULL,
     "detectors to run; not given: all that can", AT(detectors)},
    {"detector-param", 0, ASSAY__OPTION_TEXTS, "NAME.SETTING=VALUE", NULL, 0, 0,
     NULL, "a setting of a detector; may be repeated", AT(detector_params)},
    {"repairs", 0, ASSAY__OPTION_WORDS, "A,B", NULL, 0, 0, NULL,
     "repairs to try, or none; not given: all, when a detector accuses the "
     "model", AT(repairs)},
    {"repair-param", 0, ASSAY__OPTION_TEXTS, "NAME.SETTING=VALUE", NULL, 0, 0,
     NULL, "a setting of a repair; may be repeated", AT(repair_params)},
    {.name = NULL},
};
#undef AT

#define AT(field) offsetof(struct assay_predictions, field)
#define PREDICTIONS(name, field, help)                                        \
    {name, 0, ASSAY__OPTION_TEXT, "FILE", NULL, 0, 0, NULL, help, AT(field)}
static const struct assay__option prediction_options[] = {
    PREDICTIONS("members", members,
                "predictions on records the model was trained on"),
    PREDICTIONS("nonmembers", nonmembers, "and on such as it was not"),
    PREDICTIONS("population", population,
                "and on others that no model was trained on"),
    PREDICTIONS("shadow-members", shadow_members,
                "a shadow model's, on its own training records"),
    PREDICTIONS("shadow-nonmembers", shadow_nonmembers,
                "and on records it was not trained on"),
    PREDICTIONS("reference-members", reference_members,
                "reference models' on the members: logits [S, n, K], "
                "trained_on [S, n]"),
    PREDICTIONS("reference-nonmembers", reference_nonmembers,
                "and on the non-members"),
    PREDICTIONS("reference-population", reference_population,
                "and on the population, without trained_on"),
    {.name = NULL},
};
#undef PREDICTIONS
#undef AT
/* clang-format on */

static const struct assay__option_group groups[] = {
    {"Audit", own_options, 0},
    {"Whether one can build on the model", detection_options, 0},
    {"Predictions instead of a model (NPZ or safetensors: logits or probs "
     "[n, K], labels [n])",
     prediction_options, offsetof(struct values, predictions)},
    {"Recipe of the models that are trained", assay__recipe_options,
     offsetof(struct values, recipe)},
    {"Images", assay__pixel_options, offsetof(struct values, pixels)},
    {"General", assay__common_options, offsetof(struct values, common)},
    {.title = NULL},
};

static int run(int argc, char **argv);

const struct assay__command assay__command_audit = {
    .name = "audit",
    .summary = "Measure what a model gives away; write a report.",
    .usage = "[MODEL --data] DATA | --members FILE --nonmembers FILE "
             "[options]",
    .examples =
        "assay audit fashion-mnist --records 4000 --epochs 30 --out runs/first\n"
        "assay audit target.safetensors --data fashion-mnist --budget 10m\n"
        "assay audit theirs.pth --data cifar10:data --goals backdoor "
        "--upstream published.pth\n"
        "assay audit --members in.npz --nonmembers out.npz --out runs/theirs",
    .notes = "Exit status: 0 passed, 1 findings over the policy (or a control "
             "failed),\n2 error, 3 nothing to test, 4 usage, 130 interrupted. "
             "The same command in the\nsame folder goes on where it stopped.",
    .groups = groups,
    .values_size = sizeof(struct values),
    .max_args = 1,
    .run = run,
};

enum { WORDS_MAX = 256 };

static int is_prediction_audit(const struct values *v)
{
    return v->predictions.members != NULL || v->predictions.nonmembers != NULL;
}

/* Refuses the first of the options that was given: it would do nothing. */
static int refuse_options(const struct assay__parsed *parsed,
                          const char *const *names, const char *why,
                          struct assay_error *err)
{
    for (; *names != NULL; names++) {
        if (assay__option_given(&assay__command_audit, parsed, *names))
            return assay_error_set(err, ASSAY_ARG,
                                   "--%s has no effect here: "
                                   "%s",
                                   *names, why);
    }
    return ASSAY_OK;
}

static int refuse_table(const struct assay__parsed *parsed,
                        const struct assay__option *table, const char *why,
                        struct assay_error *err)
{
    int code = ASSAY_OK;

    for (; table->name != NULL && code == ASSAY_OK; table++) {
        const char *names[] = {table->name, NULL};

        code = refuse_options(parsed, names, why, err);
    }
    return code;
}

/* Options that do not go with what is audited. */
static int check_given(const struct assay__parsed *parsed,
                       const struct values *v, struct assay_error *err)
{
    static const char *const of_model[] = {"resize", "channels", NULL};
    static const char *const of_data[] = {"assume-split", "nonmember-data",
                                          NULL};
    static const char *const of_training[] = {
        "references", "controls",      "records", "budget",    "assume-split",
        "goals",      "attribute",     "layer",   "copy-arch", "query-data",
        "defense",    "defense-param", NULL};
    static const char why_model[] =
        "a model that is opened brings the shape of its input, and the "
        "attackers' models get the same";
    static const char why_data[] =
        "the target is trained by this audit, on the split it draws";
    static const char why_files[] =
        "predictions are audited as they are; no data is read and no model "
        "trained";
    int code;

    if (!is_prediction_audit(v) && v->data != NULL && parsed->n_args > 0)
        return refuse_options(parsed, of_model, why_model, err);
    if (!is_prediction_audit(v))
        return refuse_options(parsed, of_data, why_data, err);
    code = refuse_options(parsed, of_training, why_files, err);
    if (code == ASSAY_OK)
        code = refuse_table(parsed, detection_options, why_files, err);
    if (code == ASSAY_OK)
        code = refuse_table(parsed, assay__recipe_options, why_files, err);
    if (code == ASSAY_OK)
        code = refuse_table(parsed, assay__pixel_options, why_files, err);
    return code;
}

/* Lists of words as the options of an audit want them. */
struct lists {
    const char *attack[ASSAY__WORDS_MAX];
    const char *param[ASSAY__WORDS_MAX];
    const char *defense_param[ASSAY__WORDS_MAX];
    const char *word[WORDS_MAX];
    const char *detector[ASSAY__WORDS_MAX];
    const char *repair[ASSAY__WORDS_MAX];
    struct assay__model_list clean; /* to be released */
};

static size_t list_words(const struct assay__words *words, const char **list)
{
    int i;

    for (i = 0; i < words->n; i++)
        list[i] = words->word[i];
    return (size_t)words->n;
}

static enum assay_controls controls_of(const char *name)
{
    if (strcmp(name, "none") == 0)
        return ASSAY_CONTROLS_NONE;
    if (strcmp(name, "full") == 0)
        return ASSAY_CONTROLS_FULL;
    return ASSAY_CONTROLS_NEGATIVE;
}

/* Bits of the goals that are named. */
static int take_goals(const struct assay__words *words, unsigned *goals,
                      struct assay_error *err)
{
    int i;
    int g;

    for (i = 0; i < words->n; i++) {
        unsigned before = *goals;

        for (g = 0; g <= ASSAY_GOAL_STEALING; g++) {
            if (strcmp(words->word[i], "all") == 0 ||
                strcmp(words->word[i], assay_goal_name(g)) == 0)
                *goals |= 1U << g;
        }
        if (strcmp(words->word[i], assay_goal_name(ASSAY_GOAL_BACKDOOR)) == 0)
            *goals |= 1U << ASSAY_GOAL_BACKDOOR;
        if (*goals == before)
            return assay_error_set(err, ASSAY_ARG,
                                   "--goals: \"%.40s\" is none of membership, "
                                   "inversion, attribute, stealing, all, "
                                   "backdoor, or was named before",
                                   words->word[i]);
    }
    return ASSAY_OK;
}

static int take_detection(const struct values *v, struct lists *lists,
                          struct assay_audit_options *o,
                          struct assay_error *err)
{
    int code = assay__model_list_make(&lists->clean, v->clean_models.text,
                                      (size_t)v->clean_models.n, err);

    o->detect = v->detect;
    o->upstream = v->upstream;
    o->suspects = v->suspects;
    o->clean_models = (const char *const *)lists->clean.path;
    o->n_clean_models = lists->clean.n;
    o->n_clean = (size_t)v->clean;
    o->n_detectors = list_words(&v->detectors, lists->detector);
    o->detectors = lists->detector;
    o->detector_params = v->detector_params.text;
    o->n_detector_params = (size_t)v->detector_params.n;
    o->n_repairs = list_words(&v->repairs, lists->repair);
    o->repairs = lists->repair;
    o->repair_params = v->repair_params.text;
    o->n_repair_params = (size_t)v->repair_params.n;
    return code;
}

/* Everything but the run folder. */
static int take_options(const struct values *v,
                        const struct assay__parsed *parsed,
                        const struct assay__session *s, struct lists *lists,
                        struct assay_audit_options *o, struct assay_error *err)
{
    int code;

    assay_audit_options_init(o);
    o->compute = s->compute;
    o->predictions = v->predictions;
    o->data = v->data;
    if (parsed->n_args == 1 && v->data == NULL)
        o->data = parsed->arg[0];
    else if (parsed->n_args == 1)
        o->model = parsed->arg[0];
    o->arch = v->recipe.arch;
    o->recipe_given = assay__recipe_fields_given(&assay__command_audit, parsed);
    o->n_each = (size_t)v->records;
    o->assume_split = v->assume_split;
    o->nonmember_data = v->nonmember_data;
    o->n_references = (int)v->references;
    o->n_attacks = list_words(&v->attacks, lists->attack);
    o->attacks = lists->attack;
    o->n_attack_params = list_words(&v->attack_params, lists->param);
    o->attack_params = lists->param;
    o->controls = controls_of(v->controls);
    o->budget_seconds = v->budget;
    o->policy = v->policy;
    o->n_exposed = (int)v->exposed;
    o->plan_only = v->plan_only;
    o->no_estimates = v->no_estimates;
    if (!is_prediction_audit(v) && o->data == NULL)
        return assay_error_set(err, ASSAY_ARG,
                               "DATA or --members and --nonmembers are "
                               "needed; usage: assay audit %s",
                               assay__command_audit.usage);
    o->attribute = v->attribute;
    o->layer = v->layer;
    o->copy_arch = v->copy_arch;
    o->query_data = v->query_data;
    o->defense = v->defense;
    o->generator_epochs = (size_t)v->generator_epochs;
    o->generator_width = (int)v->generator_width;
    o->n_defense_params = list_words(&v->defense_params, lists->defense_param);
    o->defense_params = lists->defense_param;
    code = take_goals(&v->goals, &o->goals, err);
    if (code == ASSAY_OK)
        code = take_detection(v, lists, o, err);
    if (code == ASSAY_OK)
        code = check_given(parsed, v, err);
    if (code == ASSAY_OK)
        code = assay__recipe_values_take(&v->recipe, &o->recipe, err);
    if (code == ASSAY_OK)
        code =
            assay__pixel_values_take(&v->pixels, &o->pixels, &o->dataset, err);
    return code;
}

/* "assay audit ...", for the manifest. */
static int take_words(int argc, char **argv, const char **words)
{
    int n = 1;
    int i;

    words[0] = "assay";
    for (i = 0; i < argc && n < WORDS_MAX; i++)
        words[n++] = argv[i];
    return n;
}

static void print_plan(FILE *out, const struct assay_audit_plan *plan,
                       const char *folder)
{
    char time[24];
    int i;

    fprintf(out, "Plan for %s:\n", folder);
    for (i = 0; i < plan->n_items; i++) {
        const struct assay_audit_item *item = &plan->item[i];

        fprintf(out, "  %-62s %12s", item->what,
                item->reused > 0 && (size_t)item->reused == item->n
                    ? "reused"
                    : assay__duration_text(item->seconds, time));
        if (item->reused > 0 && (size_t)item->reused < item->n)
            fprintf(out, "  (%d of %zu reused)", item->reused, item->n);
        fputc('\n', out);
    }
    for (i = 0; i < plan->n_notes; i++)
        fprintf(out, "  Note: %s\n", plan->note[i]);
    if (plan->memory_bytes > 0)
        fprintf(out, "  Expected: about %s, %.0f MiB of memory\n",
                assay__duration_text(plan->seconds, time),
                (double)plan->memory_bytes / 1048576.0);
    fputc('\n', out);
}

static int print_file(const char *path, struct assay_error *err)
{
    enum { FINDINGS_MAX_BYTES = 256 << 20 };
    unsigned char *data = NULL;
    size_t size = 0;
    int code = assay__read_file(path, FINDINGS_MAX_BYTES, &data, &size, err);

    if (code == ASSAY_OK)
        fwrite(data, 1, size, stdout);
    assay__free(data);
    return code;
}

static int print_findings(const char *folder, struct assay_error *err)
{
    char *path = assay__path_join(folder, "findings.json");
    int code;

    if (path == NULL)
        return assay_error_set(err, ASSAY_NOMEM, "%s", folder);
    code = print_file(path, err);
    assay__free(path);
    return code;
}

static int print_result(const struct assay__session *s, const char *folder,
                        struct assay_error *err)
{
    if (s->json)
        return print_findings(folder, err);
    return assay_report_terminal(folder, stdout, s->color, s->width, err);
}

static int audit(struct assay__session *s, const struct values *v,
                 const struct assay_audit_options *options,
                 enum assay_verdict *verdict, struct assay_error *err)
{
    assay_audit *a = NULL;
    int code;

    assay__session_say(s, "Reading data and planning ...");
    code = assay_audit_open(&a, options, &s->ctx, err);
    if (code != ASSAY_OK)
        return code;
    assay__progress_clear(&s->progress);
    if (v->plan_only) {
        print_plan(stdout, assay_audit_plan(a), assay_audit_folder(a));
    } else {
        if (!s->quiet)
            print_plan(stderr, assay_audit_plan(a), assay_audit_folder(a));
        code = assay_audit_run(a, verdict, err);
        assay__progress_clear(&s->progress);
        if (code == ASSAY_OK)
            code = print_result(s, assay_audit_folder(a), err);
    }
    assay_audit_free(a);
    return code;
}

static int status_of(enum assay_verdict verdict, int strict)
{
    switch (verdict) {
    case ASSAY_VERDICT_PASS:
        return 0;
    case ASSAY_VERDICT_WARNING:
        return strict ? 1 : 0;
    default:
        return 1;
    }
}

static int audit_folder(struct assay__call *call, struct lists *lists,
                        struct assay_audit_options *options,
                        struct assay_error *err)
{
    const struct values *v = call->values;
    enum assay_verdict verdict = ASSAY_VERDICT_PASS;
    char *folder = v->out != NULL
                       ? assay__strdup(v->out)
                       : assay__audit_default_folder(options, v->common.seed);
    int code;

    if (folder == NULL)
        return assay_error_set(err, ASSAY_NOMEM, "run folder");
    options->out = folder;
    options->command = lists->word;
    options->n_command = take_words(call->argc, call->argv, lists->word);
    snprintf(call->kept, sizeof(call->kept),
             "What is done is kept in %s; the same command goes on from "
             "there.",
             folder);
    code = audit(&call->session, v, options, &verdict, err);
    call->status = status_of(verdict, v->strict);
    assay__free(folder);
    return code;
}

static int work(struct assay__call *call, struct assay_error *err)
{
    struct assay_audit_options options;
    struct lists lists;
    int code;

    memset(&lists.clean, 0, sizeof(lists.clean));
    code = take_options(call->values, &call->parsed, &call->session, &lists,
                        &options, err);
    if (code == ASSAY_OK)
        code = audit_folder(call, &lists, &options, err);
    assay__model_list_release(&lists.clean);
    return code;
}

static int run(int argc, char **argv)
{
    struct values values;
    struct assay__call call = {.command = &assay__command_audit,
                               .argc = argc,
                               .argv = argv,
                               .values = &values,
                               .common = &values.common};

    return assay__call_run(&call, work);
}
