/* SPDX-License-Identifier: Apache-2.0 */
/*
 * assay study: a grid of audits from one file. The plan and its cost come
 * first; then the cells; then tables and a page.
 */

#include "assay/study.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

#include "commands.h"
#include "core/fs.h"
#include "core/json.h"
#include "core/mem.h"
#include "json_output.h"
#include "session.h"

struct values {
    struct assay__common_values common;
    const char *out;
    int plan_only;
    int no_estimates;
    int64_t jobs;
};

/* clang-format off */
static const struct assay__option own_options[] = {
    {"out", 'o', ASSAY__OPTION_TEXT, "FOLDER", NULL, 0, 0, NULL,
     "study folder; not given: runs/ and the study file's name",
     offsetof(struct values, out)},
    {"plan", 0, ASSAY__OPTION_FLAG, NULL, NULL, 0, 0, NULL,
     "print the plan and stop; nothing is written",
     offsetof(struct values, plan_only)},
    {"no-estimates", 0, ASSAY__OPTION_FLAG, NULL, NULL, 0, 0, NULL,
     "time no steps for the plan: it says what is done, not how long it "
     "takes", offsetof(struct values, no_estimates)},
    {"jobs", 'j', ASSAY__OPTION_INT, "N", "1", 1, 256, NULL,
     "cells to run side by side, each with --threads; of one dataset and seed "
     "one at a time",
     offsetof(struct values, jobs)},
    {.name = NULL},
};
/* clang-format on */

static const struct assay__option_group groups[] = {
    {"Study", own_options, 0},
    {"General", assay__common_options, offsetof(struct values, common)},
    {.title = NULL},
};

static int run(int argc, char **argv);

const struct assay__command assay__command_study = {
    .name = "study",
    .summary = "Audit a grid of data, networks and defences; compare.",
    .usage = "STUDY.yaml [options]",
    .examples =
        "assay study examples/studies/fashion-mnist.yaml --plan\n"
        "assay study examples/studies/fashion-mnist.yaml --out studies/first",
    .notes = "docs/study.md says what stands in a study file. The same "
             "command goes on where\nit stopped; after a change of the file "
             "it does what is new.\nExit status: 0 all cells ran, 1 a cell "
             "is over the policy that the file names,\n2 error or a cell that "
             "failed, 3 nothing to test, 4 usage, 130 interrupted.",
    .groups = groups,
    .values_size = sizeof(struct values),
    .max_args = 1,
    .run = run,
};

/* "runs/fashion-mnist" for "examples/fashion-mnist.yaml"; fresh. */
static char *default_folder(const char *file)
{
    const char *name = strrchr(file, '/');
    size_t n;

    name = name != NULL ? name + 1 : file;
    n = strlen(name);
    if (n > 5 && strcmp(name + n - 5, ".yaml") == 0)
        n -= 5;
    return assay__format("runs/%.*s", (int)n, name);
}

static const char *cell_note(const struct assay_study_cell *cell, char time[24])
{
    switch (cell->state) {
    case ASSAY_STUDY_DONE:
        return "done";
    case ASSAY_STUDY_IMPOSSIBLE:
        return "impossible";
    default:
        return assay__duration_text(cell->seconds, time);
    }
}

static void print_cell(FILE *out, const struct assay_study_cell *cell)
{
    char time[24];

    fprintf(out, "  %-60s %12s", cell->name, cell_note(cell, time));
    if (cell->why[0] != '\0')
        fprintf(out, "  (%s)", cell->why);
    else if (cell->state == ASSAY_STUDY_STARTED)
        fputs("  (goes on)", out);
    fputc('\n', out);
}

/* All cells, or of those that are not done so many. */
static void print_plan(FILE *out, const assay_study *study,
                       const struct assay_study_options *options, int all)
{
    enum { SHOWN = 24 };
    const struct assay_study_plan *plan = assay_study_plan(study);
    int jobs = options->jobs;
    size_t shown = 0;
    size_t left = 0;
    char time[24];
    size_t i;

    fprintf(out, "Plan for %s, in %s:\n", assay_study_name(study),
            options->out);
    for (i = 0; i < plan->n_cells; i++) {
        struct assay_study_cell cell;

        assay_study_cell(study, i, &cell);
        if (!all && cell.state == ASSAY_STUDY_DONE)
            continue;
        if (all || shown < SHOWN) {
            print_cell(out, &cell);
            shown++;
        } else {
            left++;
        }
    }
    if (left > 0)
        fprintf(out, "  and %zu more (--plan shows all)\n", left);
    fprintf(out,
            "  %zu cells: %zu are there, %zu to do with %zu models to train",
            plan->n_cells, plan->n_done,
            plan->n_cells - plan->n_done - plan->n_impossible, plan->n_models);
    if (plan->n_impossible > 0)
        fprintf(out, ", %zu impossible", plan->n_impossible);
    if (plan->memory_bytes > 0)
        fprintf(out, "\n  Expected: about %s%s, %.0f MiB of memory%s",
                assay__duration_text(plan->seconds, time),
                jobs > 1 ? " cell after cell" : "",
                (double)plan->memory_bytes / 1048576.0,
                jobs > 1 ? " each" : "");
    if (jobs > 1)
        fprintf(out, "\n  %d cells side by side", jobs);
    fputs("\n\n", out);
}

static json_t *cell_json(const struct assay_study_cell *cell)
{
    static const char *const states[] = {"new", "started", "done",
                                         "impossible"};

    return json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:b, s:s, s:o, s:i, s:o}",
                     "name", cell->name, "dataset", cell->dataset,
                     "architecture", cell->architecture, "defense",
                     cell->defense, "seed", (json_int_t)cell->seed, "epochs",
                     (json_int_t)cell->epochs, "sweep", cell->sweep, "state",
                     states[cell->state], "why", assay__json_string(cell->why),
                     "models", cell->n_models, "seconds",
                     assay__json_real(cell->seconds));
}

static int print_plan_json(const assay_study *study, struct assay_error *err)
{
    const struct assay_study_plan *plan = assay_study_plan(study);
    json_t *cells = json_array();
    json_t *root;
    size_t i;

    for (i = 0; i < plan->n_cells; i++) {
        struct assay_study_cell cell;

        assay_study_cell(study, i, &cell);
        json_array_append_new(cells, cell_json(&cell));
    }
    root = json_pack("{s:o, s:I, s:I, s:I, s:o, s:I}", "cells", cells, "done",
                     (json_int_t)plan->n_done, "impossible",
                     (json_int_t)plan->n_impossible, "models",
                     (json_int_t)plan->n_models, "seconds",
                     assay__json_real(plan->seconds), "memory_bytes",
                     (json_int_t)plan->memory_bytes);
    return assay__print_json(root, "the plan", err);
}

static int print_study_json(const char *folder, struct assay_error *err)
{
    enum { STUDY_MAX_BYTES = 256 << 20 };
    char *path = assay__path_join(folder, "study.json");
    unsigned char *data = NULL;
    size_t size = 0;
    int code;

    if (path == NULL)
        return assay_error_set(err, ASSAY_NOMEM, "%s", folder);
    code = assay__read_file(path, STUDY_MAX_BYTES, &data, &size, err);
    if (code == ASSAY_OK)
        fwrite(data, 1, size, stdout);
    assay__free(data);
    assay__free(path);
    return code;
}

static void print_result(const assay_study *study, const char *folder,
                         const struct assay_study_result *result)
{
    printf("Study   %s: %zu of %zu cells\n", assay_study_name(study),
           result->n_done, assay_study_plan(study)->n_cells);
    if (result->n_failed > 0)
        printf("Failed  %zu cells; study.json says why\n", result->n_failed);
    if (result->judged)
        printf("Policy  broken by %zu cells\n", result->n_broken);
    printf("Tables  %s/results.csv, summary.csv, defenses.csv, "
           "correlations.csv, study.json\n",
           folder);
    printf("Report  %s/study.html\n", folder);
}

static int study(struct assay__session *s, const struct values *v,
                 const struct assay_study_options *options, int *status,
                 struct assay_error *err)
{
    struct assay_study_result result;
    assay_study *study = NULL;
    int code;

    assay__session_say(s, "Reading data and planning ...");
    code = assay_study_open(&study, options, &s->ctx, err);
    if (code != ASSAY_OK)
        return code;
    assay__progress_clear(&s->progress);
    if (v->plan_only) {
        if (s->json)
            code = print_plan_json(study, err);
        else
            print_plan(stdout, study, options, 1);
        goto out;
    }
    if (!s->quiet)
        print_plan(stderr, study, options, 0);
    code = assay_study_run(study, &result, err);
    assay__progress_clear(&s->progress);
    if (code != ASSAY_OK)
        goto out;
    if (s->json)
        code = print_study_json(options->out, err);
    else
        print_result(study, options->out, &result);
    if (result.n_failed > 0)
        *status = 2;
    else if (result.judged && result.n_broken > 0)
        *status = 1;
out:
    assay_study_free(study);
    return code;
}

static int take_options(const struct values *v,
                        const struct assay__parsed *parsed,
                        const struct assay__session *s,
                        struct assay_study_options *o, struct assay_error *err)
{
    memset(o, 0, sizeof(*o));
    if (parsed->n_args != 1)
        return assay_error_set(err, ASSAY_ARG,
                               "no study file is given; usage: assay study %s",
                               assay__command_study.usage);
    if (assay__option_given(&assay__command_study, parsed, "seed"))
        return assay_error_set(err, ASSAY_ARG,
                               "--seed has no effect here: a study file lists "
                               "its seeds");
    o->file = parsed->arg[0];
    o->plan_only = v->plan_only;
    o->no_estimates = v->no_estimates;
    o->jobs = (int)v->jobs;
    o->compute = s->compute;
    return ASSAY_OK;
}

static int work(struct assay__call *call, struct assay_error *err)
{
    const struct values *v = call->values;
    struct assay_study_options options;
    char *folder;
    int code = take_options(v, &call->parsed, &call->session, &options, err);

    if (code != ASSAY_OK)
        return code;
    folder =
        v->out != NULL ? assay__strdup(v->out) : default_folder(options.file);
    if (folder == NULL)
        return assay_error_set(err, ASSAY_NOMEM, "study folder");
    options.out = folder;
    snprintf(call->kept, sizeof(call->kept),
             "What is done is kept in %s; the same command goes on from "
             "there.",
             folder);
    code = study(&call->session, v, &options, &call->status, err);
    assay__free(folder);
    return code;
}

static int run(int argc, char **argv)
{
    struct values values;
    struct assay__call call = {.command = &assay__command_study,
                               .argc = argc,
                               .argv = argv,
                               .values = &values,
                               .common = &values.common};

    return assay__call_run(&call, work);
}
