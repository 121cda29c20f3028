/* SPDX-License-Identifier: Apache-2.0 */
/*
 * assay zoo audit: the models that are chosen and have a file here, one after
 * the other, each in a run folder of its own; what is found becomes theirs. A
 * model that cannot be audited is told and the others go on. The same command
 * goes on where it stopped, as audits do.
 */

#include <inttypes.h>
#include <string.h>

#include "assay/audit.h"
#include "core/fs.h"
#include "core/json.h"
#include "core/mem.h"
#include "core/printable.h"
#include "json_output.h"
#include "session.h"
#include "zoo.h"

struct values {
    struct assay__zoo_choice choice;
    struct assay__common_values common;
    const char *zoo;
    const char *data;
    const char *label;
    const char *out;
    const char *policy;
    struct assay__words attacks;
    int64_t records;
    int64_t references;
    int assume_split;
};

/* clang-format off */
static const struct assay__option own_options[] = {
    {"zoo", 0, ASSAY__OPTION_TEXT, "FILE", NULL, 0, 0, NULL,
     "the database; not given: $XDG_DATA_HOME/assay/zoo.db",
     offsetof(struct values, zoo)},
    {"data", 'd', ASSAY__OPTION_TEXT, "DATA", NULL, 0, 0, NULL,
     "what the models were trained on, as for assay audit",
     offsetof(struct values, data)},
    {"label", 0, ASSAY__OPTION_TEXT, "NAME", NULL, 0, 0, NULL,
     "attribute of the data that is the label",
     offsetof(struct values, label)},
    {"out", 'o', ASSAY__OPTION_TEXT, "FOLDER", "runs/zoo", 0, 0, NULL,
     "run folders go there, model-ID each",
     offsetof(struct values, out)},
    {"attacks", 0, ASSAY__OPTION_WORDS, "A,B", NULL, 0, 0, NULL,
     "attacks to run; not given: all of membership",
     offsetof(struct values, attacks)},
    {"records", 0, ASSAY__OPTION_INT, "N", "0", 0, 1e9, NULL,
     "records per quarter; 0: a quarter of them all",
     offsetof(struct values, records)},
    {"references", 'S', ASSAY__OPTION_INT, "S", "8", 0, 256, NULL,
     "reference models for LiRA and RMIA, an even number",
     offsetof(struct values, references)},
    {"policy", 0, ASSAY__OPTION_TEXT, "FILE", NULL, 0, 0, NULL,
     "policy to judge by (docs/policy.md)",
     offsetof(struct values, policy)},
    {"assume-split", 0, ASSAY__OPTION_FLAG, NULL, NULL, 0, 0, NULL,
     "take models without notes as trained on target-train of --seed's split",
     offsetof(struct values, assume_split)},
    {.name = NULL},
};
/* clang-format on */

static const struct assay__option_group groups[] = {
    {"Audit", own_options, 0},
    ASSAY__ZOO_MODELS,
    {"General", assay__common_options, offsetof(struct values, common)},
    {.title = NULL},
};

static int run(int argc, char **argv);

const struct assay__command assay__zoo_command_audit = {
    .name = "zoo audit",
    .summary = "Audit models of the zoo that are here, and keep the findings.",
    .usage = "--data DATA [options]",
    .examples = "assay zoo audit --data cifar10:data/cifar10 --where "
                "dataset=cifar10 --where 'sha256!='",
    .notes = "What `assay audit` cannot open is told, model by model. Exit "
             "status: 0 all passed,\n1 one is over the policy, 2 an error or "
             "a model that could not be audited, 3 no\nmodel.",
    .groups = groups,
    .values_size = sizeof(struct values),
    .max_args = 0,
    .run = run,
};

/* One model of the table of id, name, path and sha256, and its audit. */
struct target {
    const char *name;
    const char *path;
    const char *sha256;
    char id[24];
    char *folder;
    enum assay_verdict verdict;
    int reused; /* models and scores that an earlier run had made */
};

static int check_bytes(const struct target *t, struct assay_error *err)
{
    char sha256[ASSAY__SHA256_TEXT];
    int code = assay__sha256_file(t->path, sha256, err);

    if (code == ASSAY_OK && strcmp(sha256, t->sha256) != 0)
        code = assay_error_set(err, ASSAY_DATA,
                               "%.100s has other bytes than when it was noted",
                               t->path);
    return code;
}

static void fill_options(const struct values *v, const struct target *t,
                         const char *const *attack, struct assay__session *s,
                         struct assay_audit_options *o)
{
    static const char *const command[] = {"assay", "zoo", "audit"};

    assay_audit_options_init(o);
    o->out = t->folder;
    o->model = t->path;
    o->data = v->data;
    o->dataset.label = v->label;
    o->attacks = attack;
    o->n_attacks = (size_t)v->attacks.n;
    o->n_each = (size_t)v->records;
    o->n_references = (int)v->references;
    o->policy = v->policy;
    o->assume_split = v->assume_split;
    o->compute = s->compute;
    o->command = command;
    o->n_command = 3;
}

static int count_reused(const struct assay_audit_plan *plan)
{
    int n = 0;

    for (int i = 0; i < plan->n_items; i++)
        n += plan->item[i].reused;
    return n;
}

/* Audit, then take the findings in. */
static int audit_model(const struct values *v, struct target *t, assay_zoo *zoo,
                       struct assay__session *s, struct assay_error *err)
{
    const struct assay_zoo_import how = {NULL, NULL, t->id};
    const char *attack[ASSAY__WORDS_MAX];
    struct assay_audit_options options;
    struct assay_zoo_imported done;
    assay_audit *audit = NULL;
    char *findings;
    int code = check_bytes(t, err);
    int i;

    if (code != ASSAY_OK)
        return code;
    for (i = 0; i < v->attacks.n; i++)
        attack[i] = v->attacks.word[i];
    fill_options(v, t, attack, s, &options);
    code = assay_audit_open(&audit, &options, &s->ctx, err);
    if (code == ASSAY_OK) {
        t->reused = count_reused(assay_audit_plan(audit));
        code = assay_audit_run(audit, &t->verdict, err);
    }
    assay_audit_free(audit);
    if (code != ASSAY_OK)
        return code;
    findings = assay__path_join(t->folder, "findings.json");
    code = findings != NULL
               ? assay_zoo_import_file(zoo, findings, &how, &done, err)
               : assay_error_set(err, ASSAY_NOMEM, "%s", t->folder);
    assay__free(findings);
    return code;
}

/* What has come of the models so far. */
struct tally {
    json_t *list; /* NULL: for people */
    int over;
    int failed;
};

static void tell_json(struct tally *tally, const struct target *t, int code,
                      const struct assay_error *err)
{
    json_array_append_new(
        tally->list,
        json_pack(
            "{s:s, s:o, s:o, s:o, s:i, s:o}", "model", t->id, "name",
            assay__json_string(t->name), "verdict",
            code == ASSAY_OK ? json_string(assay_verdict_name(t->verdict))
                             : json_null(),
            "folder", assay__json_string(t->folder), "reused", t->reused, "why",
            code != ASSAY_OK ? assay__json_string(err->msg) : json_null()));
}

static void tell(struct tally *tally, const struct target *t, int code,
                 const struct assay_error *err)
{
    char name[60];

    snprintf(name, sizeof(name), "%.55s", t->name);
    assay__make_printable(name);
    if (code != ASSAY_OK)
        tally->failed++;
    else if (t->verdict == ASSAY_VERDICT_FAIL ||
             t->verdict == ASSAY_VERDICT_INCONCLUSIVE)
        tally->over++;
    if (tally->list != NULL)
        tell_json(tally, t, code, err);
    else if (code != ASSAY_OK)
        printf("%-40s not audited: %s\n", name, err->msg);
    else if (t->reused > 0)
        printf("%-40s %-12s %s/report.html (reused: %d models and scores)\n",
               name, assay_verdict_name(t->verdict), t->folder, t->reused);
    else
        printf("%-40s %-12s %s/report.html\n", name,
               assay_verdict_name(t->verdict), t->folder);
    fflush(stdout);
}

/* Cancellation and want of memory end all; else the next model's turn. */
static int audit_all(const struct values *v, const struct assay_zoo_table *t,
                     assay_zoo *zoo, struct assay__session *s,
                     struct tally *tally, struct assay_error *err)
{
    int code = ASSAY_OK;
    size_t i;

    for (i = 0; i < t->n_rows && code == ASSAY_OK; i++) {
        const struct assay_zoo_cell *cell = &t->cell[i * t->n_columns];
        struct target target = {.name = cell[1].text,
                                .path = cell[2].text,
                                .sha256 = cell[3].text,
                                .verdict = ASSAY_VERDICT_PASS};
        struct assay_error why = {0};

        snprintf(target.id, sizeof(target.id), "%" PRId64, cell[0].integer);
        target.folder = assay__format("%s/model-%s", v->out, target.id);
        if (target.folder == NULL)
            return assay_error_set(err, ASSAY_NOMEM, "run folder");
        assay__session_say(s, "Model %zu of %zu: %.60s", i + 1, t->n_rows,
                           target.folder);
        code = audit_model(v, &target, zoo, s, &why);
        assay__progress_clear(&s->progress);
        if (code == ASSAY_CANCELED || code == ASSAY_NOMEM) {
            *err = why;
        } else {
            tell(tally, &target, code, &why);
            code = ASSAY_OK;
        }
        assay__free(target.folder);
    }
    return code;
}

static int audit(const struct values *v, struct assay__session *s,
                 struct tally *tally, struct assay_error *err)
{
    static const char *const column[] = {"id", "name", "path", "sha256"};
    const struct assay__zoo_values where = {v->zoo, s->json, s->quiet};
    const char *conditions[ASSAY__TEXTS_MAX + 1] = {"path!="};
    struct assay_zoo_query q = {.where = conditions,
                                .column = column,
                                .n_columns = 4,
                                .limit = (size_t)v->choice.limit};
    struct assay_zoo_table table = {0};
    assay_zoo *zoo = NULL;
    int code;
    int i;

    if (v->data == NULL)
        return assay_error_set(err, ASSAY_ARG,
                               "no --data is given: what were the models "
                               "trained on?");
    for (i = 0; i < v->choice.where.n; i++)
        conditions[i + 1] = v->choice.where.text[i];
    q.n_where = (size_t)i + 1;
    code = assay__zoo_open(&zoo, &where, ASSAY_ZOO_WRITE, err);
    if (code == ASSAY_OK)
        code = assay_zoo_select(zoo, &q, &table, err);
    if (code == ASSAY_OK && table.n_rows == 0)
        code = assay_error_set(err, ASSAY_NOTHING,
                               "no model of these has a file here (assay zoo "
                               "add, fetch)");
    if (code == ASSAY_OK)
        code = audit_all(v, &table, zoo, s, tally, err);
    assay_zoo_table_release(&table);
    assay_zoo_close(zoo);
    return code;
}

static int run(int argc, char **argv)
{
    const struct assay__command *command = &assay__zoo_command_audit;
    struct assay__session session;
    struct tally tally = {NULL, 0, 0};
    struct values v;
    struct assay__parsed parsed;
    struct assay_error err;
    int status;
    int code;

    if (!assay__session_parse(command, argc, argv, &v, &parsed, &status))
        return status;
    if (!assay__option_given(command, &parsed, "limit"))
        v.choice.limit = 0;
    code = assay__session_open(&session, command, &v.common, &err);
    if (session.json)
        tally.list = json_array();
    if (code == ASSAY_OK)
        code = audit(&v, &session, &tally, &err);
    if (code == ASSAY_OK && tally.list != NULL)
        code = assay__print_json(json_incref(tally.list), "the result", &err);
    json_decref(tally.list);
    status = assay__session_end(&session, code, &err);
    if (status == 0 && tally.failed > 0)
        status = 2;
    else if (status == 0 && tally.over > 0)
        status = 1;
    assay__session_close(&session);
    return status;
}
