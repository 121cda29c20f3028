/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Running a study: an audit for each cell that is not done, as many side by
 * side as there are workers, then the tables. Cells of one dataset and one
 * seed have models in common (library.c of audits), so of them one runs at a
 * time: nothing is trained twice, and no cell reads a model that another is
 * just putting there.
 */

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "assay/report.h"
#include "core/fs.h"
#include "core/json.h"
#include "core/mem.h"
#include "core/thread.h"
#include "study/study.h"

/* What the workers share. Of the two locks none is taken under the other. */
struct crew {
    assay_study *study;
    pthread_mutex_t talk;  /* held while one of the callbacks runs */
    pthread_mutex_t lock;  /* guards all below, and the tuning's file */
    pthread_cond_t ended;  /* a cell has, or `stop` is set */
    unsigned char *taken;  /* [n_cells]: by a worker, or done before */
    unsigned char *active; /* [n_cells]: a worker is at it */
    bool stop;
    json_t *times;
};

/* A context that puts "[3/12]" in front of what a cell's audit does. */
struct numbered {
    struct crew *crew;
    char number[32];
};

static void on_progress(void *user, const struct assay_progress *step)
{
    const struct numbered *n = user;
    struct assay_progress shown = *step;
    char task[96];

    snprintf(task, sizeof(task), "%s %.60s", n->number,
             step->task != NULL ? step->task : "");
    shown.task = task;
    pthread_mutex_lock(&n->crew->talk);
    assay_progress(&n->crew->study->ctx, &shown);
    pthread_mutex_unlock(&n->crew->talk);
}

static void on_log(void *user, enum assay_log_level level, const char *text)
{
    const struct numbered *n = user;

    pthread_mutex_lock(&n->crew->talk);
    assay_log(&n->crew->study->ctx, level, "%s", text);
    pthread_mutex_unlock(&n->crew->talk);
}

/* The audit itself; it is marked as done when its findings are there. */
static int audit_cell(assay_study *s, size_t i, const struct assay_context *ctx,
                      struct assay_error *err)
{
    struct assay_audit_options options;
    enum assay_verdict verdict;
    assay_audit *audit = NULL;
    char *folder = assay__study_cell_folder(s, i);
    int code;

    if (folder == NULL)
        return assay_error_set(err, ASSAY_NOMEM, "cell %s", s->cell[i].name);
    code = assay__study_cell_options(s, &s->cell[i], folder, &options, err);
    options.no_estimates = 1; /* the study's plan has them */
    if (code == ASSAY_OK)
        code = assay_audit_open(&audit, &options, ctx, err);
    if (code == ASSAY_OK)
        code = assay_audit_run(audit, &verdict, err);
    assay_audit_free(audit);
    if (code == ASSAY_OK)
        code = assay__study_cell_mark(s, i, err);
    assay__free(folder);
    return code;
}

/* The end of a cell: its state for the tables, its time, the choices made. */
static int close_cell(struct crew *crew, size_t i, double seconds,
                      const struct assay_error *why, struct assay_error *err)
{
    assay_study *s = crew->study;
    struct assay__study_work *work = &s->work[i];
    int code = ASSAY_OK;

    if (why->code == ASSAY_CANCELED || why->code == ASSAY_NOMEM)
        return assay_error_set(err, why->code, "cell %.60s: %.170s",
                               s->cell[i].name, why->msg);
    pthread_mutex_lock(&crew->lock);
    if (why->code == ASSAY_OK) {
        work->state = ASSAY_STUDY_DONE;
        code = assay__study_times_note(s, crew->times, i, seconds, err);
    } else {
        snprintf(work->failed, sizeof(work->failed), "%s", why->msg);
    }
    if (code == ASSAY_OK)
        code = assay__study_keep_tuning(s, err);
    pthread_mutex_unlock(&crew->lock);
    return code;
}

static int run_cell(struct crew *crew, size_t i, struct assay_error *err)
{
    assay_study *s = crew->study;
    const struct assay__study_work *work = &s->work[i];
    struct assay_context ctx = s->ctx;
    struct numbered numbered = {crew, ""};
    struct assay_error why = {0, ""};
    double started = assay__clock_seconds();
    int code;

    snprintf(numbered.number, sizeof(numbered.number), "[%zu/%zu]", i + 1,
             s->n_cells);
    ctx.seed = s->cell[i].seed;
    ctx.user = &numbered;
    ctx.log = on_log;
    ctx.progress = on_progress;
    assay_log(&ctx, ASSAY_LOG_INFO, "cell %zu/%zu: %s%s%s", i + 1, s->n_cells,
              s->cell[i].name, work->why[0] != '\0' ? ", " : "", work->why);
    pthread_mutex_lock(&crew->lock);
    code = assay__study_times_note(s, crew->times, i, -1, err);
    pthread_mutex_unlock(&crew->lock);
    if (code != ASSAY_OK)
        return code;
    why.code = audit_cell(s, i, &ctx, &why);
    if (why.code != ASSAY_OK && why.code != ASSAY_CANCELED)
        assay_log(&ctx, ASSAY_LOG_WARNING, "cell %s failed: %s",
                  s->cell[i].name, why.msg);
    return close_cell(crew, i, assay__clock_seconds() - started, &why, err);
}

/* Whether a cell that has models in common with cell i is under way. */
static bool must_wait(const struct crew *crew, size_t i)
{
    const struct assay__study_cell *cell = crew->study->cell;
    size_t j;

    for (j = 0; j < crew->study->n_cells; j++) {
        if (crew->active[j] && cell[j].dataset == cell[i].dataset &&
            cell[j].seed == cell[i].seed)
            return true;
    }
    return false;
}

/* The next cell; waits while all that are left must. False: none is left. */
static bool take_cell(struct crew *crew, size_t *cell)
{
    size_t n = crew->study->n_cells;
    bool taken = false;
    size_t left = 1;

    pthread_mutex_lock(&crew->lock);
    while (!taken && left > 0 && !crew->stop) {
        left = 0;
        for (size_t i = 0; i < n && !taken; i++) {
            if (crew->taken[i])
                continue;
            left++;
            taken = !must_wait(crew, i);
            *cell = i;
        }
        if (!taken && left > 0)
            pthread_cond_wait(&crew->ended, &crew->lock);
    }
    if (taken)
        crew->taken[*cell] = crew->active[*cell] = 1;
    pthread_mutex_unlock(&crew->lock);
    return taken;
}

static void leave_cell(struct crew *crew, size_t cell, int code)
{
    pthread_mutex_lock(&crew->lock);
    crew->active[cell] = 0;
    if (code != ASSAY_OK)
        crew->stop = true;
    pthread_cond_broadcast(&crew->ended);
    pthread_mutex_unlock(&crew->lock);
}

/* One worker, until no cell is left. */
static int work_on(void *user, size_t worker, struct assay_error *err)
{
    struct crew *crew = user;
    int code = ASSAY_OK;
    size_t i = 0;

    (void)worker;
    while (code == ASSAY_OK && take_cell(crew, &i)) {
        code = assay_context_check(&crew->study->ctx, err);
        if (code == ASSAY_OK)
            code = run_cell(crew, i, err);
        leave_cell(crew, i, code);
    }
    return code;
}

static int run_cells(assay_study *s, struct assay_error *err)
{
    struct crew crew = {.study = s};
    int workers = s->options.jobs > 1 ? s->options.jobs : 1;
    size_t i;
    int code;

    crew.times = assay__study_times_read(s);
    crew.taken = assay__calloc(s->n_cells, 1);
    crew.active = assay__calloc(s->n_cells, 1);
    if (crew.times == NULL || crew.taken == NULL || crew.active == NULL) {
        code = assay_error_set(err, ASSAY_NOMEM, "workers of the study");
        goto out;
    }
    for (i = 0; i < s->n_cells; i++)
        crew.taken[i] = s->work[i].state == ASSAY_STUDY_DONE;
    pthread_mutex_init(&crew.talk, NULL);
    pthread_mutex_init(&crew.lock, NULL);
    pthread_cond_init(&crew.ended, NULL);
    code = assay__thread_run(workers, (size_t)workers, work_on, &crew, err);
    pthread_cond_destroy(&crew.ended);
    pthread_mutex_destroy(&crew.lock);
    pthread_mutex_destroy(&crew.talk);
out:
    json_decref(crew.times);
    assay__free(crew.taken);
    assay__free(crew.active);
    return code;
}

static int write_tables(const assay_study *s, struct assay_study_result *result,
                        struct assay_error *err)
{
    json_t *study = NULL;
    char *path = assay__path_join(s->options.out, "study.json");
    json_t *cells;
    size_t i;
    int code;

    if (path == NULL)
        return assay_error_set(err, ASSAY_NOMEM, "study.json");
    code = assay__study_collect(s, &study, err);
    if (code == ASSAY_OK)
        code = assay__study_summarise(study, &s->ctx, err);
    if (code == ASSAY_OK)
        code = assay__json_write(path, study, err);
    if (code == ASSAY_OK)
        code = assay__study_write_csv(study, s->options.out, err);
    cells = json_object_get(study, "cells");
    for (i = 0; code == ASSAY_OK && i < json_array_size(cells); i++) {
        const char *verdict = json_string_value(
            json_object_get(json_array_get(cells, i), "verdict"));

        result->n_broken += verdict != NULL && strcmp(verdict, "pass") != 0 &&
                            strcmp(verdict, "warning") != 0;
    }
    json_decref(study);
    assay__free(path);
    return code;
}

int assay_study_run(assay_study *study, struct assay_study_result *result,
                    struct assay_error *err)
{
    size_t i;
    int code;

    memset(result, 0, sizeof(*result));
    if (study->options.plan_only)
        return assay_error_set(err, ASSAY_ARG,
                               "study folder %s: opened for a plan alone",
                               study->options.out);
    code = run_cells(study, err);
    if (code != ASSAY_OK)
        return code;
    for (i = 0; i < study->n_cells; i++)
        result->n_done += study->work[i].state == ASSAY_STUDY_DONE;
    result->n_failed = study->n_cells - result->n_done;
    result->judged = study->policy != NULL;
    code = write_tables(study, result, err);
    if (code == ASSAY_OK)
        code = assay_study_report_write(study->options.out, &study->ctx, err);
    if (code == ASSAY_OK && result->n_done == 0)
        code = assay_error_set(err, ASSAY_NOTHING,
                               "no cell of the study has findings; study.json "
                               "says why");
    return code;
}
