/* SPDX-License-Identifier: Apache-2.0 */
/*
 * assay detectors, assay repairs, assay backdoors: the three tables about
 * backdoors, for people or as JSON.
 */

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "assay/backdoor.h"
#include "assay/detector.h"
#include "assay/repair.h"
#include "commands.h"
#include "json_output.h"
#include "listing.h"
#include "session.h"

struct values {
    struct assay__common_values common;
};

static const struct assay__option_group groups[] = {
    {"General", assay__common_options, offsetof(struct values, common)},
    {.title = NULL},
};

/* What the three kinds of row have in common. */
struct row {
    const char *name;
    const char *title;
    const char *summary;
    const char *cites;
    const char *about; /* what it looks at, needs or does */
    const struct assay_setting *params;
};

/* Row i of a table; name NULL behind the last. */
typedef struct row row_at(size_t i);

static struct row detector_at(size_t i)
{
    const struct assay_detector *d = assay_detector_table()[i];
    struct row none = {0};

    if (d == NULL)
        return none;
    return (struct row){d->name,
                        d->title,
                        d->summary,
                        d->cites,
                        assay_detector_subject_name(d->subject),
                        d->params};
}

static struct row repair_at(size_t i)
{
    const struct assay_repair *r = assay_repair_table()[i];
    struct row none = {0};
    const char *about;

    if (r == NULL)
        return none;
    about = (r->needs & ASSAY_REPAIR_NEEDS_TRIGGER) ? "clean records, trigger"
            : (r->needs & ASSAY_REPAIR_NEEDS_CLEAN) ? "clean records"
                                                    : "nothing";
    return (struct row){r->name,  r->title, r->summary,
                        r->cites, about,    r->params};
}

static struct row backdoor_at(size_t i)
{
    const struct assay_backdoor *b = assay_backdoor_table()[i];
    struct row none = {0};

    if (b == NULL)
        return none;
    return (struct row){b->name,
                        b->title,
                        b->summary,
                        b->cites,
                        assay_backdoor_kind_name(b->kind),
                        b->params};
}

static json_t *row_json(const struct row *r, const char *about)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:o}", "name", r->name, "title",
                     r->title, "summary", r->summary, "cites", r->cites, about,
                     r->about, "params", assay__listing_settings(r->params));
}

static void print_one(const struct row *r, const char *about)
{
    printf("%s: %s (%s)\n  %s\n  %s: %s\n", r->name, r->title, r->cites,
           r->summary, about, r->about);
    assay__listing_print_settings(r->params);
}

static int list(row_at *at, const char *about, const char *hint, int as_json,
                struct assay_error *err)
{
    struct row r = at(0);
    json_t *all;
    size_t i;

    if (!as_json) {
        printf("%-22s %-24s %s\n", "NAME", about, "SUMMARY");
        for (i = 0; r.name != NULL; r = at(++i))
            printf("%-22s %-24s %s\n", r.name, r.about, r.summary);
        printf("\n%s\n", hint);
        return ASSAY_OK;
    }
    all = json_array();
    for (r = at(0), i = 0; r.name != NULL; r = at(++i))
        json_array_append_new(all, row_json(&r, about));
    return assay__print_json(all, about, err);
}

static int show(row_at *at, const char *kind, const char *about,
                const char *name, int as_json, struct assay_error *err)
{
    const char *names[64];
    struct row r = at(0);
    size_t n;

    for (n = 0; n < 64 && r.name != NULL; r = at(++n)) {
        names[n] = r.name;
        if (strcmp(r.name, name) != 0)
            continue;
        if (as_json)
            return assay__print_json(row_json(&r, about), name, err);
        print_one(&r, about);
        return ASSAY_OK;
    }
    return assay__listing_refuse(kind, name, names, n, err);
}

/* One of the three commands. */
struct table {
    const struct assay__command *command;
    row_at *at;
    const char *kind;
    const char *about;
    const char *hint;
};

static int work(struct assay__call *call, struct assay_error *err)
{
    const struct table *t = call->user;
    int as_json = call->session.json;

    if (call->parsed.n_args == 1)
        return show(t->at, t->kind, t->about, call->parsed.arg[0], as_json,
                    err);
    return list(t->at, t->about, t->hint, as_json, err);
}

static int run_table(const struct table *t, int argc, char **argv)
{
    struct values values;
    struct assay__call call = {.command = t->command,
                               .argc = argc,
                               .argv = argv,
                               .values = &values,
                               .common = &values.common,
                               .user = t};

    return assay__call_run(&call, work);
}

static int run_detectors(int argc, char **argv);
static int run_repairs(int argc, char **argv);
static int run_backdoors(int argc, char **argv);

const struct assay__command assay__command_detectors = {
    .name = "detectors",
    .summary = "List the detectors of backdoors: what each looks at.",
    .usage = "[NAME] [options]",
    .examples = "assay detectors\nassay detectors neural-cleanse",
    .groups = groups,
    .values_size = sizeof(struct values),
    .max_args = 1,
    .run = run_detectors,
};

const struct assay__command assay__command_repairs = {
    .name = "repairs",
    .summary = "List the repairs of models with a backdoor.",
    .usage = "[NAME] [options]",
    .examples = "assay repairs\nassay repairs fine-tuning",
    .groups = groups,
    .values_size = sizeof(struct values),
    .max_args = 1,
    .run = run_repairs,
};

const struct assay__command assay__command_backdoors = {
    .name = "backdoors",
    .summary = "List the backdoors that checks are calibrated by.",
    .usage = "[NAME] [options]",
    .examples = "assay backdoors\nassay backdoors badnets",
    .groups = groups,
    .values_size = sizeof(struct values),
    .max_args = 1,
    .run = run_backdoors,
};

static int run_detectors(int argc, char **argv)
{
    static const struct table t = {
        &assay__command_detectors, detector_at, "detector", "looks at",
        "`assay detect MODEL --data DATA` runs them."};

    return run_table(&t, argc, argv);
}

static int run_repairs(int argc, char **argv)
{
    static const struct table t = {
        &assay__command_repairs, repair_at, "repair", "needs",
        "`assay repair MODEL --data DATA` tries them, before and after."};

    return run_table(&t, argc, argv);
}

static int run_backdoors(int argc, char **argv)
{
    static const struct table t = {
        &assay__command_backdoors, backdoor_at, "backdoor", "made by",
        "`assay backdoor NAME DATA` plants one into a model of one's own, to "
        "learn what\none's checks would have found."};

    return run_table(&t, argc, argv);
}
