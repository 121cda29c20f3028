/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A cell as an audit. Its key is the SHA-256 of everything that the audit
 * depends on, with the data by its content; cell.json in its folder holds
 * key and inputs, written last, so that a cell is done or is not.
 */

#include <stdio.h>
#include <string.h>

#include "core/buf.h"
#include "core/fs.h"
#include "core/json.h"
#include "core/mem.h"
#include "study/study.h"

static const char cell_schema[] = "assay-cell/1";
enum { CELL_MAX_BYTES = 1 << 20 };

/* What a study runs when it says "all". */
static const unsigned all_goals =
    1U << ASSAY_GOAL_MEMBERSHIP | 1U << ASSAY_GOAL_INVERSION |
    1U << ASSAY_GOAL_ATTRIBUTE | 1U << ASSAY_GOAL_STEALING;

char *assay__study_cell_folder(const assay_study *s, size_t i)
{
    return assay__format("%s/cells/%s", s->options.out, s->cell[i].name);
}

char *assay__study_cell_path(const assay_study *s, size_t i, const char *name)
{
    return assay__format("%s/cells/%s/%s", s->options.out, s->cell[i].name,
                         name);
}

static int runs_all(const struct assay__study_file *f)
{
    return f->attacks_count == 0 ||
           (f->attacks_count == 1 && strcmp(f->attacks[0], "all") == 0);
}

/* Whether "ATTACK.NAME=VALUE" is of an attack that the study runs and has
 * such a parameter. */
static int is_run(const struct assay__study_file *f, const char *param)
{
    size_t n = strcspn(param, ".");
    char name[48];
    unsigned i;

    snprintf(name, sizeof(name), "%.*s", (int)n, param);
    if (assay_attack_find(name) == NULL)
        return 0;
    for (i = 0; i < f->attacks_count; i++) {
        if (strcmp(f->attacks[i], name) == 0)
            return 1;
    }
    return runs_all(f);
}

int assay__study_choose(assay_study *s, struct assay_error *err)
{
    const struct assay__study_file *f = s->file;
    const char *const *preset = assay__study_preset(f)->attack_params;
    size_t n_preset = 0;
    size_t n = 0;
    size_t i;

    while (preset[n_preset] != NULL)
        n_preset++;
    s->attack_param = assay__calloc(n_preset + f->attack_params_count + 1,
                                    sizeof(*s->attack_param));
    s->attack = assay__calloc((size_t)f->attacks_count + 1, sizeof(*s->attack));
    if (s->attack_param == NULL || s->attack == NULL)
        return assay_error_set(err, ASSAY_NOMEM, "attacks of the study");
    for (i = 0; i < n_preset; i++) {
        if (is_run(f, preset[i]))
            s->attack_param[n++] = preset[i];
    }
    for (i = 0; i < f->attack_params_count; i++)
        s->attack_param[n++] = f->attack_params[i];
    s->n_attack_params = n;
    for (i = 0; i < f->attacks_count; i++)
        s->attack[i] = f->attacks[i];
    return ASSAY_OK;
}

static int take_controls(const assay_study *s, enum assay_controls *out,
                         struct assay_error *err)
{
    static const char *const names[] = {"none", "negative", "full"};
    static const enum assay_controls values[] = {
        ASSAY_CONTROLS_NONE, ASSAY_CONTROLS_NEGATIVE, ASSAY_CONTROLS_FULL};
    const char *name = s->file->controls != NULL
                           ? s->file->controls
                           : assay__study_preset(s->file)->controls;
    int i;

    for (i = 0; i < 3; i++) {
        if (strcmp(name, names[i]) == 0) {
            *out = values[i];
            return ASSAY_OK;
        }
    }
    return assay_error_set(err, ASSAY_FORMAT,
                           "controls: \"%.40s\" is not none, negative or full",
                           name);
}

/* The defence, the sensitive attribute, what stealing and inversion train. */
static int take_threats(const assay_study *s,
                        const struct assay__study_cell *cell,
                        struct assay_audit_options *o, struct assay_error *err)
{
    const struct assay__study_file *f = s->file;
    const char *kind = assay__study_defense_kind(f, cell->defense);

    o->goals = all_goals;
    o->library = s->library;
    o->attribute = f->datasets[cell->dataset].attribute;
    o->copy_arch = f->surrogate;
    if (f->generator_epochs != NULL)
        o->generator_epochs = *f->generator_epochs;
    if (f->generator_width != NULL)
        o->generator_width = (int)*f->generator_width;
    if (strcmp(kind, "none") == 0)
        return ASSAY_OK;
    if (assay_defense_find(kind) == NULL)
        return assay_error_set(err, ASSAY_FORMAT,
                               "no defence \"%.40s\"; `assay defenses` lists "
                               "them",
                               kind);
    o->defense = kind;
    if (f->defenses_count > 0) {
        o->defense_params =
            (const char *const *)f->defenses[cell->defense].params;
        o->n_defense_params = f->defenses[cell->defense].params_count;
    }
    return ASSAY_OK;
}

int assay__study_cell_options(const assay_study *s,
                              const struct assay__study_cell *cell,
                              const char *out, struct assay_audit_options *o,
                              struct assay_error *err)
{
    static const char *const command[] = {"assay", "study"};
    const struct assay__study_file *f = s->file;
    const struct assay__study_dataset *d = &f->datasets[cell->dataset];
    int code;

    assay_audit_options_init(o);
    o->out = out;
    o->data = s->data[cell->dataset].spec;
    o->dataset.label = d->label;
    o->dataset.max_records = d->max_records != NULL ? *d->max_records : 0;
    o->pixels = cell->settings.pixels;
    o->arch = f->architectures[cell->architecture];
    o->recipe = cell->settings.recipe;
    o->n_each = cell->settings.records;
    o->n_references = cell->settings.references;
    if (!runs_all(f)) {
        o->attacks = s->attack;
        o->n_attacks = f->attacks_count;
    }
    o->attack_params = s->attack_param;
    o->n_attack_params = s->n_attack_params;
    o->policy = s->policy;
    if (f->exposed != NULL)
        o->n_exposed = (int)*f->exposed;
    o->plan_only = s->options.plan_only;
    o->compute = s->options.compute;
    o->command = command;
    o->n_command = 2;
    code = take_controls(s, &o->controls, err);
    if (code == ASSAY_OK)
        code = take_threats(s, cell, o, err);
    return code;
}

static json_t *reals_json(const double *x, int n)
{
    json_t *list = json_array();
    int i;

    for (i = 0; i < n; i++)
        json_array_append_new(list, assay__json_real(x[i]));
    return list;
}

static json_t *pixels_json(const struct assay_pixel_options *p)
{
    return json_pack("{s:i, s:i, s:i, s:o, s:o, s:o}", "channels", p->channels,
                     "height", p->height, "width", p->width, "scale",
                     assay__json_real(p->scale), "mean",
                     reals_json(p->mean, p->n_mean), "std",
                     reals_json(p->std, p->n_std));
}

/*
 * All values of a plug-in: the rows' defaults, and what texts say instead,
 * "NAME=VALUE" or, with an owner, those that begin with "OWNER.". A default
 * that another version has changes a cell. What is wrong in a text the audit
 * tells.
 */
static json_t *values_json(const struct assay_setting *rows, const char *owner,
                           const char *const *text, size_t n)
{
    double value[ASSAY_SETTINGS_MAX];
    size_t skip = owner != NULL ? strlen(owner) + 1 : 0;
    struct assay_error err;
    json_t *root = json_object();
    size_t i;
    int k;

    if (assay_settings_count(rows) > ASSAY_SETTINGS_MAX)
        return root;
    assay_settings_init(rows, value);
    for (i = 0; i < n; i++) {
        if (owner == NULL || (strncmp(text[i], owner, skip - 1) == 0 &&
                              text[i][skip - 1] == '.'))
            (void)!assay_settings_assign(rows, text[i] + skip, "", "", value,
                                         &err);
    }
    for (k = 0; rows != NULL && rows[k].name != NULL; k++)
        json_object_set_new(root, rows[k].name, assay__json_real(value[k]));
    return root;
}

static json_t *defense_json(const assay_study *s,
                            const struct assay__study_cell *cell)
{
    const struct assay__study_file *f = s->file;
    const char *kind = assay__study_defense_kind(f, cell->defense);
    const struct assay_defense *row = assay_defense_find(kind);
    const struct assay__study_defense *d =
        f->defenses_count > 0 ? &f->defenses[cell->defense] : NULL;

    return json_pack(
        "{s:o, s:o}", "kind", assay__json_string(kind), "params",
        values_json(row != NULL ? row->params : NULL, NULL,
                    d != NULL ? (const char *const *)d->params : NULL,
                    d != NULL ? d->params_count : 0));
}

static json_t *text_or_null(const char *text)
{
    return text != NULL ? assay__json_string(text) : json_null();
}

/* The values of each attack that is run, by its name. */
static json_t *attacks_json(const assay_study *s,
                            const struct assay_audit_options *o)
{
    const struct assay_attack *const *all = assay_attack_table();
    json_t *root = json_object();
    size_t n = o->n_attacks;
    size_t i;

    for (i = 0; n > 0 ? i < n : all[i] != NULL; i++) {
        const struct assay_attack *t =
            n > 0 ? assay_attack_find(s->attack[i]) : all[i];

        if (t != NULL)
            json_object_set_new(root, t->name,
                                values_json(t->params, t->name, s->attack_param,
                                            s->n_attack_params));
    }
    return root;
}

static json_t *inputs_json(const assay_study *s,
                           const struct assay__study_cell *cell,
                           const struct assay_audit_options *o)
{
    const struct assay__study_dataset *d = &s->file->datasets[cell->dataset];
    const struct assay_compute *c = &s->options.compute;
    char *recipe = assay_recipe_text(&o->recipe);
    json_t *root;

    root = json_pack(
        "{s:i, s:i, s:s, s:s, s:o, s:o, s:o, s:s, s:o, s:o, s:I, s:I, s:o, "
        "s:i, s:o, "
        "s:i, s:o, s:i, s:s, s:s, s:s, s:i}",
        "generator_epochs", (int)o->generator_epochs, "generator_width",
        o->generator_width, "tool", assay_version(), "data",
        s->data[cell->dataset].sha256, "label", text_or_null(d->label),
        "attribute", text_or_null(d->attribute), "surrogate",
        text_or_null(s->file->surrogate), "architecture", o->arch, "defense",
        defense_json(s, cell), "recipe",
        recipe != NULL ? json_loads(recipe, 0, NULL) : NULL, "seed",
        (json_int_t)cell->seed, "records", (json_int_t)o->n_each, "pixels",
        pixels_json(&o->pixels), "references", o->n_references, "attacks",
        attacks_json(s, o), "controls", (int)o->controls, "policy",
        text_or_null(s->policy != NULL ? s->policy_sha256 : NULL), "exposed",
        o->n_exposed, "backend", c->backend != NULL ? c->backend : "onednn",
        "algorithms",
        c->algorithms == ASSAY_ALGORITHMS_DIRECT ? "direct" : "tuned", "dtype",
        c->dtype == ASSAY_DTYPE_BF16 ? "bf16" : "f32", "threads",
        c->threads > 0 ? c->threads : s->ctx.threads);
    assay_bytes_free(recipe);
    return root;
}

static int hash_text(const char *text, char sha256[65])
{
    struct assay__sha256 hash;

    if (assay__sha256_begin(&hash) != ASSAY_OK)
        return ASSAY_NOMEM;
    assay__sha256_add(&hash, text, strlen(text));
    assay__sha256_end(&hash, sha256);
    return ASSAY_OK;
}

int assay__study_cell_key(assay_study *s, size_t i, struct assay_error *err)
{
    const struct assay__study_cell *cell = &s->cell[i];
    struct assay__study_work *work = &s->work[i];
    struct assay_audit_options options;
    struct assay_error why;
    char *text;
    int code;

    code = assay__study_cell_options(s, cell, "", &options, &why);
    if (code == ASSAY_UNSUPPORTED) {
        work->state = ASSAY_STUDY_IMPOSSIBLE;
        snprintf(work->why, sizeof(work->why), "%s", why.msg);
    } else if (code != ASSAY_OK) {
        return assay_error_set(err, code, "%s", why.msg);
    }
    work->inputs = inputs_json(s, cell, &options);
    text = work->inputs != NULL ? assay__json_text(work->inputs) : NULL;
    if (text == NULL || hash_text(text, work->key) != ASSAY_OK)
        code = assay_error_set(err, ASSAY_NOMEM, "key of cell %s", cell->name);
    else
        code = ASSAY_OK;
    assay__free(text);
    return code;
}

/* Names of the inputs that differ: "recipe, attacks". */
static void say_changes(const json_t *now, const json_t *then, char *out,
                        size_t size)
{
    struct assay__buf names = ASSAY__BUF_INIT;
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)now, key, value)
    {
        if (!json_equal(value, json_object_get(then, key)))
            assay__buf_printf(&names, "%s%s", names.size > 0 ? ", " : "", key);
    }
    snprintf(out, size, "changed: %.200s",
             names.size > 0 ? names.data : "its findings");
    assay__buf_release(&names);
}

/* The findings are those that the mark was set for. */
static int findings_fit(const assay_study *s, size_t i, const char *wanted)
{
    char sha256[ASSAY__SHA256_TEXT];
    char *path = assay__study_cell_path(s, i, "findings.json");
    int fit = path != NULL && wanted != NULL &&
              assay__sha256_file(path, sha256, NULL) == ASSAY_OK &&
              strcmp(sha256, wanted) == 0;

    assay__free(path);
    return fit;
}

int assay__study_cell_look(assay_study *s, size_t i, struct assay_error *err)
{
    struct assay__study_work *work = &s->work[i];
    char *path = assay__study_cell_path(s, i, "cell.json");
    char *folder = assay__study_cell_folder(s, i);
    json_t *mark = NULL;
    const char *key;

    if (path == NULL || folder == NULL) {
        assay__free(path);
        assay__free(folder);
        return assay_error_set(err, ASSAY_NOMEM, "cell %s", s->cell[i].name);
    }
    if (work->state != ASSAY_STUDY_IMPOSSIBLE)
        work->state =
            assay__exists(folder) ? ASSAY_STUDY_STARTED : ASSAY_STUDY_NEW;
    /* A mark that cannot be read marks nothing. */
    if (work->state == ASSAY_STUDY_STARTED &&
        assay__json_read(path, CELL_MAX_BYTES, &mark, NULL) == ASSAY_OK) {
        key = json_string_value(json_object_get(mark, "key"));
        if (key != NULL && strcmp(key, work->key) == 0 &&
            findings_fit(
                s, i,
                json_string_value(json_object_get(mark, "findings_sha256"))))
            work->state = ASSAY_STUDY_DONE;
        else
            say_changes(work->inputs, json_object_get(mark, "inputs"),
                        work->why, sizeof(work->why));
    }
    json_decref(mark);
    assay__free(path);
    assay__free(folder);
    return ASSAY_OK;
}

int assay__study_cell_mark(const assay_study *s, size_t i,
                           struct assay_error *err)
{
    const struct assay__study_work *work = &s->work[i];
    char *findings = assay__study_cell_path(s, i, "findings.json");
    char *path = assay__study_cell_path(s, i, "cell.json");
    char sha256[ASSAY__SHA256_TEXT];
    json_t *root = NULL;
    int code = ASSAY_NOMEM;

    if (findings == NULL || path == NULL) {
        code = assay_error_set(err, code, "cell %s", s->cell[i].name);
        goto out;
    }
    code = assay__sha256_file(findings, sha256, err);
    if (code != ASSAY_OK)
        goto out;
    root =
        json_pack("{s:s, s:s, s:O, s:s}", "schema", cell_schema, "key",
                  work->key, "inputs", work->inputs, "findings_sha256", sha256);
    if (root == NULL)
        code = assay_error_set(err, ASSAY_NOMEM, "cell %s", s->cell[i].name);
    else
        code = assay__json_write(path, root, err);

out:
    json_decref(root);
    assay__free(findings);
    assay__free(path);
    return code;
}
