/* SPDX-License-Identifier: Apache-2.0 */
/*
 * assay reuse: what a few altered weights in a reused extractor would do to
 * the systems that one builds on it, over a grid of ways to build them.
 */

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "assay/reuse.h"
#include "commands.h"
#include "core/fs.h"
#include "core/json.h"
#include "core/mem.h"
#include "session.h"

struct values {
    struct assay__common_values common;
    const char *data;
    const char *label;
    int64_t max_records;
    const char *regression;
    double tolerance;
    int64_t records;
    const char *out;
    struct assay__words tuning;
    struct assay__reals depth;
    struct assay__reals epochs;
    struct assay__reals rate;
    struct assay__reals full_epochs;
    struct assay__reals full_rate;
    struct assay__words repairs;
    struct assay__texts repair_params;
    int64_t hidden;
    int64_t seeds;
    int64_t pairs;
    int64_t triggers;
    int64_t natural;
    int64_t held;
    struct assay__words layer;
    struct assay__reals theta;
    double step;
    double stay;
    int64_t steps;
    int64_t neighbours;
    double cosine;
    double keep;
    double enough;
    double margin;
    const char *impact;
    const char *scope;
    int64_t vectors;
    int plain;
    int keep_models;
};

/* clang-format off */
static const struct assay__option host_options[] = {
    {"data", 'd', ASSAY__OPTION_TEXT, "DATA", NULL, 0, 0, NULL,
     "the host's task: records that the extractor was not trained on",
     offsetof(struct values, data)},
    {"label", 0, ASSAY__OPTION_TEXT, "NAME", NULL, 0, 0, NULL,
     "attribute that is the class", offsetof(struct values, label)},
    {"regression", 0, ASSAY__OPTION_TEXT, "NAME", NULL, 0, 0, NULL,
     "foretell this attribute, or `label`, as a number from 0 to 1 instead of "
     "a class", offsetof(struct values, regression)},
    {"tolerance", 0, ASSAY__OPTION_REAL, "X", "0.1", 1e-6, 0.49, NULL,
     "regression: right is an answer within this",
     offsetof(struct values, tolerance)},
    {"records", 'n', ASSAY__OPTION_INT, "N", "0", 0, 1e9, NULL,
     "records to tune on, to test on, and for the attacker, each; 0: a quarter "
     "of all", offsetof(struct values, records)},
    {"max-records", 0, ASSAY__OPTION_INT, "N", "0", 0, 4e9, NULL,
     "read so many records of each file; 0: all",
     offsetof(struct values, max_records)},
    {"tuning", 0, ASSAY__OPTION_WORDS, "LIST", "partial,full", 0, 0,
     "partial|full",
     "partial: the head alone is trained; full: all is",
     offsetof(struct values, tuning)},
    {"depth", 0, ASSAY__OPTION_REALS, "LIST", "1", 1, 4, NULL,
     "layers of the head", offsetof(struct values, depth)},
    {"hidden", 0, ASSAY__OPTION_INT, "N", "128", 1, 65536, NULL,
     "units of a head's inner layers", offsetof(struct values, hidden)},
    {"epochs", 0, ASSAY__OPTION_REALS, "LIST", "20", 1, 1e6, NULL,
     "epochs of partial tuning", offsetof(struct values, epochs)},
    {"rate", 0, ASSAY__OPTION_REALS, "LIST", "0.003", 1e-9, 10, NULL,
     "its learning rate", offsetof(struct values, rate)},
    {"full-epochs", 0, ASSAY__OPTION_REALS, "LIST", "5", 1, 1e6, NULL,
     "epochs of full tuning, after 5 of the head alone",
     offsetof(struct values, full_epochs)},
    {"full-rate", 0, ASSAY__OPTION_REALS, "LIST", "0.0003", 1e-9, 10, NULL,
     "its learning rate", offsetof(struct values, full_rate)},
    {"repairs", 0, ASSAY__OPTION_WORDS, "LIST", NULL, 0, 0, NULL,
     "repair each host after tuning, in one of these ways, beside none "
     "(`assay repairs` lists them)",
     offsetof(struct values, repairs)},
    {"repair-param", 0, ASSAY__OPTION_TEXTS, "NAME.SETTING=VALUE", NULL, 0, 0,
     NULL, "a setting of a repair; may be repeated",
     offsetof(struct values, repair_params)},
    {"seeds", 0, ASSAY__OPTION_INT, "N", "3", 1, 1000, NULL,
     "seeds of hosts: how far accuracy spreads without any attack",
     offsetof(struct values, seeds)},
    {.name = NULL},
};

static const struct assay__option attack_options[] = {
    {"pairs", 0, ASSAY__OPTION_INT, "N", "20", 1, 100000, NULL,
     "attacks, each with its own inputs", offsetof(struct values, pairs)},
    {"triggers", 0, ASSAY__OPTION_INT, "N", "1", 1, 64, NULL,
     "inputs that one attack is to make succeed",
     offsetof(struct values, triggers)},
    {"layer", 0, ASSAY__OPTION_WORDS, "LIST", "last", 0, 0, NULL,
     "layer whose weights are altered: last, middle, first or a name",
     offsetof(struct values, layer)},
    {"theta", 0, ASSAY__OPTION_REALS, "LIST", "50", 0, 100, NULL,
     "percentile of the impacts by which weights are chosen; 0: all weights",
     offsetof(struct values, theta)},
    {"step", 0, ASSAY__OPTION_REAL, "X", "0.003", 0, 1e6, NULL,
     "about how much a weight changes in a step; 0: nothing, as a control",
     offsetof(struct values, step)},
    {"stay", 0, ASSAY__OPTION_REAL, "X", "1", 0, 1e6, NULL,
     "how much it weighs, beside the distance, that other inputs keep their "
     "features; 0: nothing", offsetof(struct values, stay)},
    {"steps", 0, ASSAY__OPTION_INT, "N", "300", 0, 1e6, NULL,
     "at most so many", offsetof(struct values, steps)},
    {"plain", 0, ASSAY__OPTION_FLAG, NULL, NULL, 0, 0, NULL,
     "change by --step times the gradient instead",
     offsetof(struct values, plain)},
    {"neighbours", 0, ASSAY__OPTION_INT, "N", "64", 2, 4096, NULL,
     "semantic neighbours of each input that crafting sees",
     offsetof(struct values, neighbours)},
    {"held", 0, ASSAY__OPTION_INT, "N", "32", 1, 4096, NULL,
     "neighbours that it does not see, to test with",
     offsetof(struct values, held)},
    {"natural", 0, ASSAY__OPTION_INT, "N", "256", 1, 65536, NULL,
     "other inputs that the attacker has", offsetof(struct values, natural)},
    {"cosine", 0, ASSAY__OPTION_REAL, "X", "0.9", -1, 1, NULL,
     "a neighbour's features are at least so much alike",
     offsetof(struct values, cosine)},
    {"keep", 0, ASSAY__OPTION_REAL, "X", "1", 1e-9, 1, NULL,
     "share of the features that is salient", offsetof(struct values, keep)},
    {"enough", 0, ASSAY__OPTION_REAL, "X", "0.005", 0, 1, NULL,
     "end when the distance has fallen to this share",
     offsetof(struct values, enough)},
    {"margin", 0, ASSAY__OPTION_REAL, "X", "0.07", 0, 1, NULL,
     "end when each neighbour is nearer to the reference than this share of the "
     "way from where it was; 0: never",
     offsetof(struct values, margin)},
    {"impact", 0, ASSAY__OPTION_CHOICE, "NAME", "joint", 0, 0,
     "joint|record|exact", "how negative impact is measured",
     offsetof(struct values, impact)},
    {"scope", 0, ASSAY__OPTION_CHOICE, "NAME", "unit", 0, 0, "unit|layer",
     "percentiles are taken within each output unit, or over the layer",
     offsetof(struct values, scope)},
    {"vectors", 0, ASSAY__OPTION_INT, "N", "8", 1, 4096, NULL,
     "random signs that measure it", offsetof(struct values, vectors)},
    {"keep-models", 0, ASSAY__OPTION_FLAG, NULL, NULL, 0, 0, NULL,
     "save the altered extractors in FOLDER/models",
     offsetof(struct values, keep_models)},
    {.name = NULL},
};

static const struct assay__option output_options[] = {
    {"out", 'o', ASSAY__OPTION_TEXT, "FOLDER", "assay-reuse", 0, 0, NULL,
     "what is finished is kept here, and used by the next run",
     offsetof(struct values, out)},
    {.name = NULL},
};
/* clang-format on */

static const struct assay__option_group groups[] = {
    {"Host systems", host_options, 0},
    {"Attack", attack_options, 0},
    {"Output", output_options, 0},
    {"General", assay__common_options, offsetof(struct values, common)},
    {.title = NULL},
};

static int run(int argc, char **argv);

const struct assay__command assay__command_reuse = {
    .name = "reuse",
    .summary = "Tell what an altered extractor does to systems built on it.",
    .usage = "EXTRACTOR[,EXTRACTOR2...] --data DATA [options]",
    .examples =
        "assay reuse resnet18.safetensors --data mnist:data/mnist --out run\n"
        "assay reuse a.safetensors,b.safetensors --data folder:photos "
        "--tuning full\n"
        "assay reuse cnn.safetensors --data mnist:data/mnist --layer "
        "last,middle --theta 0,35,65",
    .notes =
        "This is a test of one's own pipeline: models that an attacker could "
        "have put in\nthe place of a downloaded one are made here, from "
        "one's own copy, to see which\nways to build on it withstand them. "
        "The check that helps is not among them: hold\na downloaded model "
        "against its publisher's hash, and its weights against a copy\nfrom "
        "elsewhere. Of several extractors the first is altered. After a kill "
        "the same\ncommand goes on from the last finished cell.",
    .groups = groups,
    .values_size = sizeof(struct values),
    .max_args = 1,
    .run = run,
};

enum { HOSTS_MAX = 4096, SETTINGS_MAX = 256 };

/* All that one run holds. */
struct work {
    const struct values *v;
    assay_model *extractor[ASSAY_HOST_EXTRACTORS_MAX];
    int n_extractors;
    assay_dataset *data;
    const struct assay_repair *repair[ASSAY__WORDS_MAX];
    double repair_param[ASSAY__WORDS_MAX][ASSAY_SETTINGS_MAX];
    struct assay_reuse_host *host;
    size_t n_hosts;
    struct assay_reuse_setting *setting;
    size_t n_settings;
    struct assay_reuse_study study;
    struct assay_reuse_finding *found;
};

static int open_extractors(struct work *w, const char *list,
                           struct assay_error *err)
{
    int rc = ASSAY_OK;

    while (*list != '\0' && !rc) {
        size_t n = strcspn(list, ",");
        char *path = assay__format("%.*s", (int)n, list);

        if (path == NULL)
            rc = assay_error_set(err, ASSAY_NOMEM, "out of memory");
        else if (w->n_extractors == ASSAY_HOST_EXTRACTORS_MAX)
            rc = assay_error_set(err, ASSAY_ARG,
                                 "more than %d extractors are given",
                                 (int)ASSAY_HOST_EXTRACTORS_MAX);
        else
            rc = assay_model_open(&w->extractor[w->n_extractors], path, err);
        w->n_extractors += rc == ASSAY_OK;
        assay__free(path);
        list += n + (list[n] == ',');
    }
    if (!rc && w->n_extractors == 0)
        rc = assay_error_set(err, ASSAY_ARG, "no EXTRACTOR is given");
    return rc;
}

/* -1 to classify, -2 to foretell the label, else the attribute. */
static int find_regression(struct work *w, struct assay_error *err)
{
    const char *name = w->v->regression;
    size_t n = assay_dataset_n_attributes(w->data);
    size_t a;

    w->study.regression = -1;
    if (name == NULL)
        return ASSAY_OK;
    w->study.regression = -2;
    if (strcmp(name, "label") == 0)
        return ASSAY_OK;
    for (a = 0; a < n; a++)
        if (strcmp(assay_dataset_attribute_name(w->data, a), name) == 0) {
            w->study.regression = (int)a;
            return ASSAY_OK;
        }
    return assay_error_set(err, ASSAY_ARG,
                           "--regression: %.80s has no attribute '%.60s'; "
                           "`label` is its label",
                           assay_dataset_name(w->data), name);
}

static int choose_repairs(struct work *w, struct assay_error *err)
{
    const struct assay__words *named = &w->v->repairs;
    struct assay_setting_owner owner[ASSAY__WORDS_MAX];
    int i;
    int k;

    for (i = 0; i < named->n; i++) {
        const struct assay_repair *r = assay_repair_find(named->word[i]);

        if (r == NULL)
            return assay_error_set(err, ASSAY_ARG,
                                   "--repairs: no repair is called '%.60s'; "
                                   "`assay repairs` lists them",
                                   named->word[i]);
        for (k = 0; k < i; k++)
            if (w->repair[k] == r)
                return assay_error_set(err, ASSAY_ARG,
                                       "--repairs: %s is there twice", r->name);
        w->repair[i] = r;
        assay_settings_init(r->params, w->repair_param[i]);
        owner[i].name = r->name;
        owner[i].rows = r->params;
        owner[i].value = w->repair_param[i];
    }
    return assay_settings_assign_all(w->v->repair_params.text,
                                     (size_t)w->v->repair_params.n, owner,
                                     (size_t)named->n, "repair", err);
}

/* Whether a repair runs with its defaults: its cells are then those of runs
 * that named no setting. */
static int is_usual(const struct work *w, int i)
{
    const struct assay_setting *rows = w->repair[i]->params;
    double usual[ASSAY_SETTINGS_MAX];
    int p;

    assay_settings_init(rows, usual);
    for (p = 0; p < assay_settings_count(rows); p++)
        if (usual[p] < w->repair_param[i][p] ||
            usual[p] > w->repair_param[i][p])
            return 0;
    return 1;
}

/* A host as it is tuned, then the same with each repair. */
static int add_host(struct work *w, const struct assay_reuse_host *host,
                    struct assay_error *err)
{
    const struct assay__words *repairs = &w->v->repairs;
    int i;

    if (w->n_hosts + (size_t)repairs->n >= HOSTS_MAX)
        return assay_error_set(err, ASSAY_LIMIT, "more than %d hosts",
                               (int)HOSTS_MAX);
    w->host[w->n_hosts++] = *host;
    for (i = 0; i < repairs->n; i++) {
        struct assay_reuse_host *h = &w->host[w->n_hosts++];

        *h = *host;
        h->repair = w->repair[i];
        h->repair_param = is_usual(w, i) ? NULL : w->repair_param[i];
    }
    return ASSAY_OK;
}

static int add_hosts(struct work *w, enum assay_host_tuning tuning,
                     const struct assay__reals *epochs,
                     const struct assay__reals *rate, struct assay_error *err)
{
    const struct assay__reals *depth = &w->v->depth;
    int code = ASSAY_OK;
    int d;
    int e;
    int r;

    for (d = 0; d < depth->n; d++)
        for (e = 0; e < epochs->n; e++)
            for (r = 0; r < rate->n && code == ASSAY_OK; r++) {
                struct assay_reuse_host h = {tuning,
                                             (int)depth->value[d],
                                             (size_t)epochs->value[e],
                                             rate->value[r],
                                             NULL,
                                             NULL};

                code = add_host(w, &h, err);
            }
    return code;
}

/* The tunings that are asked for, each once. */
static int check_tunings(const struct assay__words *tuning,
                         struct assay_error *err)
{
    int i;

    for (i = 0; i < tuning->n; i++)
        if ((strcmp(tuning->word[i], "partial") != 0 &&
             strcmp(tuning->word[i], "full") != 0) ||
            (i > 0 && strcmp(tuning->word[i], tuning->word[0]) == 0) || i > 1)
            return assay_error_set(err, ASSAY_ARG,
                                   "--tuning: '%.40s' is not as it should be: "
                                   "partial, full or both, each once",
                                   tuning->word[i]);
    return ASSAY_OK;
}

static int make_grid(struct work *w, struct assay_error *err)
{
    const struct values *v = w->v;
    int code = choose_repairs(w, err);
    int i;
    int t;

    if (code != ASSAY_OK)
        return code;
    w->host = assay__calloc(HOSTS_MAX, sizeof(*w->host));
    w->setting = assay__calloc(SETTINGS_MAX, sizeof(*w->setting));
    if (w->host == NULL || w->setting == NULL)
        return assay_error_set(err, ASSAY_NOMEM, "out of memory");
    for (i = 0; i < v->tuning.n && code == ASSAY_OK; i++) {
        if (strcmp(v->tuning.word[i], "partial") == 0)
            code = add_hosts(w, ASSAY_HOST_PARTIAL, &v->epochs, &v->rate, err);
        else
            code = add_hosts(w, ASSAY_HOST_FULL, &v->full_epochs, &v->full_rate,
                             err);
    }
    for (i = 0; i < v->layer.n; i++)
        for (t = 0; t < v->theta.n; t++) {
            struct assay_reuse_setting *s = &w->setting[w->n_settings++];

            s->layer = v->layer.word[i];
            s->theta = v->theta.value[t];
        }
    return code;
}

static void take_attack(struct assay_reuse_options *o, const struct values *v)
{
    int i = 0;

    assay_reuse_options_init(o);
    o->neighbours = (size_t)v->neighbours;
    o->cosine = v->cosine;
    o->keep = v->keep;
    o->step = v->step;
    o->plain = v->plain;
    o->stay = v->stay;
    o->max_steps = (size_t)v->steps;
    o->enough = v->enough;
    o->margin = v->margin;
    o->vectors = (size_t)v->vectors;
    while (strcmp(assay_reuse_impact_name((enum assay_reuse_impact)i),
                  v->impact) != 0)
        i++;
    o->impact = (enum assay_reuse_impact)i;
    i = 0;
    while (strcmp(assay_reuse_scope_name((enum assay_reuse_scope)i),
                  v->scope) != 0)
        i++;
    o->scope = (enum assay_reuse_scope)i;
}

static int prepare(struct work *w, const struct assay__session *session,
                   const char *extractors, struct assay_error *err)
{
    const struct values *v = w->v;
    struct assay_dataset_options options = {v->label, (size_t)v->max_records};
    struct assay_reuse_study *s = &w->study;
    int rc = check_tunings(&v->tuning, err);

    if (!rc)
        rc = open_extractors(w, extractors, err);
    if (!rc)
        rc = assay_dataset_open(&w->data, v->data, &options, err);
    if (!rc)
        rc = find_regression(w, err);
    if (!rc)
        rc = make_grid(w, err);
    if (rc)
        return rc;
    s->extractor = w->extractor[0];
    s->others = (const assay_model *const *)&w->extractor[1];
    s->n_others = w->n_extractors - 1;
    s->data = w->data;
    s->tolerance = v->tolerance;
    s->records = (size_t)v->records;
    s->pairs = (size_t)v->pairs;
    s->triggers = (size_t)v->triggers;
    s->natural = (size_t)v->natural;
    s->held = (size_t)v->held;
    s->seeds = (size_t)v->seeds;
    s->setting = w->setting;
    s->n_settings = w->n_settings;
    s->host = w->host;
    s->n_hosts = w->n_hosts;
    s->hidden = (int)v->hidden;
    take_attack(&s->options, v);
    s->seed = session->ctx.seed;
    s->folder = v->out;
    s->keep_models = v->keep_models;
    return ASSAY_OK;
}

static void release(struct work *w)
{
    int i;

    for (i = 0; i < w->n_extractors; i++)
        assay_model_free(w->extractor[i]);
    assay_dataset_free(w->data);
    assay__free(w->host);
    assay__free(w->setting);
    assay_bytes_free(w->found);
}

/* "0.950 (0.751-0.999)" into text[40], "-" where there is none. */
static const char *estimate_text(const struct assay_estimate *e, char text[40])
{
    if (!isfinite(e->value))
        snprintf(text, 40, "-");
    else if (!isfinite(e->low))
        snprintf(text, 40, "%.3f", e->value);
    else
        snprintf(text, 40, "%.3f (%.3f-%.3f)", e->value, e->low, e->high);
    return text;
}

static void print_setting(const struct assay_reuse_finding *f)
{
    printf("\nlayer %s, theta %g: %.4f %% of the weights altered (mean), by at "
           "most %.3g; %.0f steps\n",
           f->setting->layer, f->setting->theta, 100 * f->share_touched,
           f->max_change, f->steps);
    printf("%-8s %2s %6s %8s %-12s  %-21s %-21s %-21s %-21s %5s  %-21s %8s\n",
           "tuning", "l", "epochs", "rate", "repair", "attacks succeed",
           "without attack", "unseen neighbours", "others of the class", "conf",
           "accuracy drop", "seeds sd");
}

static void print_row(const struct assay_reuse_finding *f)
{
    char text[5][40];
    char confidence[16];
    char sd[16];

    snprintf(confidence, sizeof(confidence), "%.2f", f->confidence);
    snprintf(sd, sizeof(sd), "%.4f", f->accuracy_sd);
    printf(
        "%-8s %2d %6zu %8g %-12s  %-21s %-21s %-21s %-21s %5s  %-21s %8s\n",
        assay_host_tuning_name(f->host->tuning), f->host->depth,
        f->host->epochs, f->host->rate,
        f->host->repair != NULL ? f->host->repair->name : "none",
        estimate_text(&f->success, text[0]), estimate_text(&f->base, text[1]),
        estimate_text(&f->held, text[2]), estimate_text(&f->others, text[3]),
        isfinite(f->confidence) ? confidence : "-",
        estimate_text(&f->drop, text[4]), isfinite(f->accuracy_sd) ? sd : "-");
    if (f->host->repair != NULL && f->repaired.value < 1)
        printf(
            "%43s ran on %.0f of %zu hosts: on others it found no trigger, or "
            "diverged\n",
            "", f->repaired.value * (double)f->repaired.n, f->repaired.n);
}

static void print_table(const struct work *w)
{
    const struct assay_reuse_study *s = &w->study;
    const char *unit = s->regression == -1
                           ? "conf: mean probability of the target"
                           : "conf: mean distance from the target";
    size_t i;

    printf("%zu attack%s of %zu trigger%s on %s (of %d extractor%s), hosts for "
           "%s\n",
           s->pairs, s->pairs == 1 ? "" : "s", s->triggers,
           s->triggers == 1 ? "" : "s", assay_model_arch(s->extractor),
           s->n_others + 1, s->n_others ? "s" : "",
           assay_dataset_name(s->data));
    for (i = 0; i < s->n_settings * s->n_hosts; i++) {
        if (i % s->n_hosts == 0)
            print_setting(&w->found[i]);
        print_row(&w->found[i]);
    }
    printf("\n95 %% intervals over attacks; %s where it succeeded.\n"
           "Negative impact: %s. What was found is in %s/reuse.json.\n",
           unit, assay_reuse_impact_name(s->options.impact), s->folder);
}

static int print_json(const struct work *w, struct assay_error *err)
{
    char *path = assay__path_join(w->study.folder, "reuse.json");
    unsigned char *text = NULL;
    size_t size = 0;
    int rc;

    if (path == NULL)
        return assay_error_set(err, ASSAY_NOMEM, "out of memory");
    rc = assay__read_file(path, (size_t)64 << 20, &text, &size, err);
    if (!rc)
        fwrite(text, 1, size, stdout);
    assay__free(text);
    assay__free(path);
    return rc;
}

static int measure(struct work *w, struct assay__call *call,
                   struct assay_error *err)
{
    struct assay__session *s = &call->session;
    int code = prepare(w, s, call->parsed.arg[0], err);

    if (code == ASSAY_OK)
        code = assay_reuse_run(&w->found, &w->study, &s->ctx, &s->compute, err);
    if (code != ASSAY_OK)
        return code;
    assay__progress_clear(&s->progress);
    if (s->json)
        return print_json(w, err);
    print_table(w);
    return ASSAY_OK;
}

static int work(struct assay__call *call, struct assay_error *err)
{
    const struct values *v = call->values;
    struct work w;
    int code;

    if (call->parsed.n_args != 1 || v->data == NULL)
        return assay__call_misused(call, "EXTRACTOR and --data are needed",
                                   err);
    snprintf(call->kept, sizeof(call->kept),
             "The finished cells are kept; the same command goes on from "
             "there.");
    memset(&w, 0, sizeof(w));
    w.v = v;
    code = measure(&w, call, err);
    release(&w);
    return code;
}

static int run(int argc, char **argv)
{
    struct values values;
    struct assay__call call = {.command = &assay__command_reuse,
                               .argc = argc,
                               .argv = argv,
                               .values = &values,
                               .common = &values.common};

    return assay__call_run(&call, work);
}
