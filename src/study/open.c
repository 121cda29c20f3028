/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening a study: the file, the data (read once, for their hashes), the
 * folder's lock, which cells are done, and what the others cost. An audit is
 * planned for each of those; cells that differ in their seed alone, and of
 * which nothing is there yet, cost the same.
 */

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/fs.h"
#include "core/json.h"
#include "core/mem.h"
#include "study/study.h"

/* A path of the study file, which is relative to the file's own folder. */
static char *beside(const char *file, const char *path)
{
    const char *slash = strrchr(file, '/');

    if (path[0] == '/' || slash == NULL)
        return assay__strdup(path);
    return assay__format("%.*s/%s", (int)(slash - file), file, path);
}

static int path_exists(const char *spec)
{
    char *path = assay__strdup(spec);
    int exists;

    if (path == NULL)
        return 0;
    exists = assay__exists(path);
    path[strcspn(path, "?")] = '\0';
    exists = exists || assay__exists(path);
    assay__free(path);
    return exists;
}

/* KIND:PATH with the path as seen from here. A bare word that is no file
 * beside the study file is a kind's own data. */
static char *resolve(const char *file, const char *spec)
{
    const char *colon = strchr(spec, ':');
    char *joined = beside(file, spec);
    char *path;

    if (joined == NULL || path_exists(joined))
        return joined;
    assay__free(joined);
    if (colon == NULL)
        return strchr(spec, '/') != NULL ? beside(file, spec)
                                         : assay__strdup(spec);
    if (colon[1] == '\0')
        return assay__strdup(spec);
    path = beside(file, colon + 1);
    joined = path != NULL
                 ? assay__format("%.*s:%s", (int)(colon - spec), spec, path)
                 : NULL;
    assay__free(path);
    return joined;
}

static int open_data(assay_study *s, unsigned i, struct assay_error *err)
{
    const struct assay__study_dataset *d = &s->file->datasets[i];
    struct assay_dataset_options options = {d->label, 0};
    assay_dataset *data = NULL;
    int code;

    if (d->max_records != NULL)
        options.max_records = *d->max_records;
    s->data[i].spec = resolve(s->options.file, d->data);
    if (s->data[i].spec == NULL)
        return assay_error_set(err, ASSAY_NOMEM, "dataset %s", d->name);
    code = assay_dataset_open(&data, s->data[i].spec, &options, err);
    if (code != ASSAY_OK)
        return assay_error_prefix(err, code, "dataset %s", d->name);
    memcpy(s->data[i].sha256, assay_dataset_sha256(data),
           sizeof(s->data[i].sha256));
    assay_dataset_free(data);
    return ASSAY_OK;
}

/* And where cells share models. */
static int open_policy(assay_study *s, struct assay_error *err)
{
    s->library = assay__format("%s/library", s->options.out);
    if (s->library == NULL)
        return assay_error_set(err, ASSAY_NOMEM, "library of the study");
    if (s->file->policy == NULL)
        return ASSAY_OK;
    s->policy = beside(s->options.file, s->file->policy);
    if (s->policy == NULL)
        return assay_error_set(err, ASSAY_NOMEM, "policy");
    return assay__sha256_file(s->policy, s->policy_sha256, err);
}

static int open_folder(assay_study *s, struct assay_error *err)
{
    char *cells;
    int code;

    if (s->options.plan_only)
        return ASSAY_OK;
    cells = assay__path_join(s->options.out, "cells");
    if (cells == NULL)
        return assay_error_set(err, ASSAY_NOMEM, "%s", s->options.out);
    code = assay__make_dir(cells, err);
    assay__free(cells);
    if (code == ASSAY_OK)
        code = assay__lock_dir(s->options.out, "study", &s->lock, err);
    return code;
}

static int read_tuning(const assay_study *s, struct assay_error *err)
{
    char *path;
    int code = ASSAY_OK;

    if (s->options.compute.tuning == NULL)
        return ASSAY_OK;
    path = assay__path_join(s->options.out, "tuning.json");
    if (path == NULL)
        return assay_error_set(err, ASSAY_NOMEM, "tuning.json");
    if (assay__exists(path))
        code = assay_tuning_read(s->options.compute.tuning, path, err);
    assay__free(path);
    return code;
}

int assay__study_keep_tuning(const assay_study *s, struct assay_error *err)
{
    char *path;
    int code;

    if (s->options.compute.tuning == NULL || s->options.plan_only)
        return ASSAY_OK;
    path = assay__path_join(s->options.out, "tuning.json");
    if (path == NULL)
        return assay_error_set(err, ASSAY_NOMEM, "tuning.json");
    code = assay_tuning_write(s->options.compute.tuning, path, err);
    assay__free(path);
    return code;
}

/* A cell before i that differs in its seed alone and was planned as new. */
static const struct assay__study_work *find_like(const assay_study *s, size_t i)
{
    const struct assay__study_cell *cell = &s->cell[i];
    size_t j;

    for (j = 0; j < i; j++) {
        const struct assay__study_cell *other = &s->cell[j];

        if (s->work[j].state == ASSAY_STUDY_NEW &&
            other->dataset == cell->dataset &&
            other->architecture == cell->architecture &&
            other->defense == cell->defense &&
            other->settings.recipe.epochs == cell->settings.recipe.epochs)
            return &s->work[j];
    }
    return NULL;
}

static int is_ours(int code)
{
    return code == ASSAY_NOMEM || code == ASSAY_CANCELED;
}

/* What the audit of a cell expects of itself. */
static int plan_cell(assay_study *s, size_t i, struct assay_error *err)
{
    const struct assay__study_work *like = NULL;
    struct assay__study_work *work = &s->work[i];
    struct assay_context ctx = s->ctx;
    struct assay_audit_options options;
    struct assay_error why;
    assay_audit *audit = NULL;
    char *folder;
    int code;

    if (work->state == ASSAY_STUDY_NEW)
        like = find_like(s, i);
    if (like != NULL) {
        work->n_models = like->n_models;
        work->seconds = like->seconds;
        return ASSAY_OK;
    }
    folder = assay__study_cell_folder(s, i);
    if (folder == NULL)
        return assay_error_set(err, ASSAY_NOMEM, "cell %s", s->cell[i].name);
    ctx.seed = s->cell[i].seed;
    ctx.log = NULL; /* what is made anew is told when it is */
    code = assay__study_cell_options(s, &s->cell[i], folder, &options, &why);
    options.plan_only = 1;
    options.no_estimates = s->options.no_estimates;
    if (code == ASSAY_OK)
        code = assay_audit_open(&audit, &options, &ctx, &why);
    if (code == ASSAY_OK) {
        const struct assay_audit_plan *plan = assay_audit_plan(audit);

        work->n_models = plan->n_models;
        work->seconds = plan->seconds;
        if (plan->memory_bytes > s->plan.memory_bytes)
            s->plan.memory_bytes = plan->memory_bytes;
    } else if (is_ours(code)) {
        code = assay_error_set(err, code, "%s", why.msg);
    } else {
        work->state = ASSAY_STUDY_IMPOSSIBLE;
        snprintf(work->why, sizeof(work->why), "%s", why.msg);
        code = ASSAY_OK;
    }
    assay_audit_free(audit);
    assay__free(folder);
    return code;
}

static int plan_cells(assay_study *s, struct assay_error *err)
{
    size_t i;
    int code = ASSAY_OK;

    s->plan.n_cells = s->n_cells;
    for (i = 0; i < s->n_cells && code == ASSAY_OK; i++) {
        const struct assay_progress step = {"plan", "cells", NULL, i + 1,
                                            s->n_cells};
        struct assay__study_work *work = &s->work[i];

        code = assay_context_check(&s->ctx, err);
        if (code == ASSAY_OK && work->state != ASSAY_STUDY_DONE &&
            work->state != ASSAY_STUDY_IMPOSSIBLE)
            code = plan_cell(s, i, err);
        s->plan.n_done += work->state == ASSAY_STUDY_DONE;
        s->plan.n_impossible += work->state == ASSAY_STUDY_IMPOSSIBLE;
        s->plan.n_models += (size_t)work->n_models;
        s->plan.seconds += work->seconds;
        assay_progress(&s->ctx, &step);
    }
    return code;
}

static int open_all(assay_study *s, struct assay_error *err)
{
    unsigned d;
    size_t i;
    int code;

    if (s->options.file == NULL || s->options.out == NULL)
        return assay_error_set(err, ASSAY_ARG,
                               "a study needs a file and a "
                               "folder");
    code = assay__study_file_read(&s->file, s->options.file, err);
    if (code != ASSAY_OK)
        return code;
    code = assay__study_grid(s->file, &s->cell, &s->n_cells, err);
    if (code != ASSAY_OK)
        return assay_error_prefix(err, code, "study %.80s", s->options.file);
    s->work = assay__calloc(s->n_cells, sizeof(*s->work));
    s->data = assay__calloc(s->file->datasets_count, sizeof(*s->data));
    if (s->work == NULL || s->data == NULL)
        return assay_error_set(err, ASSAY_NOMEM, "%zu cells", s->n_cells);
    code = assay__study_choose(s, err);
    if (code == ASSAY_OK)
        code = open_policy(s, err);
    for (d = 0; d < s->file->datasets_count && code == ASSAY_OK; d++)
        code = open_data(s, d, err);
    if (code == ASSAY_OK)
        code = open_folder(s, err);
    for (i = 0; i < s->n_cells && code == ASSAY_OK; i++) {
        code = assay__study_cell_key(s, i, err);
        if (code == ASSAY_OK)
            code = assay__study_cell_look(s, i, err);
    }
    if (code == ASSAY_OK)
        code = read_tuning(s, err);
    if (code == ASSAY_OK)
        code = plan_cells(s, err);
    return code == ASSAY_OK ? assay__study_keep_tuning(s, err) : code;
}

int assay_study_open(assay_study **out,
                     const struct assay_study_options *options,
                     const struct assay_context *ctx, struct assay_error *err)
{
    assay_study *s = assay__calloc(1, sizeof(*s));
    int code;

    if (s == NULL)
        return assay_error_set(err, ASSAY_NOMEM, "study");
    s->options = *options;
    s->ctx = *ctx;
    s->lock = -1;
    code = open_all(s, err);
    if (code != ASSAY_OK) {
        assay_study_free(s);
        return code;
    }
    *out = s;
    return ASSAY_OK;
}

void assay_study_free(assay_study *study)
{
    size_t i;

    if (study == NULL)
        return;
    for (i = 0; study->work != NULL && i < study->n_cells; i++)
        json_decref(study->work[i].inputs);
    for (i = 0; study->data != NULL && i < study->file->datasets_count; i++)
        assay__free(study->data[i].spec);
    assay__free(study->data);
    assay__free(study->work);
    assay__free(study->cell);
    assay__free(study->attack);
    assay__free(study->attack_param);
    assay__free(study->policy);
    assay__free(study->library);
    assay__study_file_free(study->file);
    assay__unlock_dir(study->lock);
    assay__free(study);
}

const struct assay_study_plan *assay_study_plan(const assay_study *study)
{
    return &study->plan;
}

const char *assay_study_name(const assay_study *study)
{
    return study->file->name;
}

void assay_study_cell(const assay_study *study, size_t i,
                      struct assay_study_cell *cell)
{
    const struct assay__study_file *f = study->file;
    const struct assay__study_cell *c = &study->cell[i];
    const struct assay__study_work *work = &study->work[i];

    cell->name = c->name;
    cell->dataset = f->datasets[c->dataset].name;
    cell->architecture = f->architectures[c->architecture];
    cell->defense = assay__study_defense_name(f, c->defense);
    cell->seed = c->seed;
    cell->epochs = c->settings.recipe.epochs;
    cell->sweep = c->sweep;
    cell->state = work->state;
    cell->why = work->why;
    cell->n_models = work->n_models;
    cell->seconds = work->seconds;
}
