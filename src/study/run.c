/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Running a study: an audit for each cell that is not done, one after the
 * other, then the tables. timings.json counts the starts of each cell and
 * the seconds of the process that finished it; it is no input of anything.
 */

#include <stdio.h>
#include <string.h>

#include "assay/report.h"
#include "core/fs.h"
#include "core/json.h"
#include "core/mem.h"
#include "core/thread.h"
#include "study/study.h"

enum { TIMINGS_MAX_BYTES = 16 << 20 };

/* A context that puts "[3/12]" in front of what a cell's audit does. */
struct numbered {
    const struct assay_context *outer;
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
    assay_progress(n->outer, &shown);
}

static void on_log(void *user, enum assay_log_level level, const char *text)
{
    const struct numbered *n = user;

    assay_log(n->outer, level, "%s", text);
}

static json_t *read_timings(const assay_study *s)
{
    char *path = assay__path_join(s->options.out, "timings.json");
    json_t *root = NULL;

    if (path != NULL && assay__exists(path) &&
        assay__json_read(path, TIMINGS_MAX_BYTES, &root, NULL) == ASSAY_OK &&
        !json_is_object(json_object_get(root, "cells"))) {
        json_decref(root);
        root = NULL;
    }
    assay__free(path);
    return root != NULL ? root
                        : json_pack("{s:s, s:{}}", "schema",
                                    "assay-study-timings/1", "cells");
}

/* Add to a cell's entry; seconds < 0: it starts. */
static int note_time(const assay_study *s, json_t *timings, size_t i,
                     double seconds, struct assay_error *err)
{
    json_t *cells = json_object_get(timings, "cells");
    json_t *entry = json_object_get(cells, s->cell[i].name);
    json_int_t starts = json_integer_value(json_object_get(entry, "starts"));
    char *path = assay__path_join(s->options.out, "timings.json");
    int code;

    entry = json_pack("{s:I, s:o}", "starts", starts + (seconds < 0), "seconds",
                      seconds < 0 ? json_null() : assay__json_real(seconds));
    if (path == NULL || json_object_set_new(cells, s->cell[i].name, entry) != 0)
        code =
            assay_error_set(err, ASSAY_NOMEM, "times of %s", s->cell[i].name);
    else
        code = assay__json_write(path, timings, err);
    assay__free(path);
    return code;
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

static int run_cell(assay_study *s, size_t i, json_t *timings,
                    struct assay_error *err)
{
    struct assay__study_work *work = &s->work[i];
    struct assay_context ctx = s->ctx;
    struct numbered numbered = {&s->ctx, ""};
    struct assay_error why = {0, ""};
    double started = assay__clock_seconds();
    int code;

    snprintf(numbered.number, sizeof(numbered.number), "[%zu/%zu]", i + 1,
             s->n_cells);
    ctx.seed = s->cell[i].seed;
    ctx.user = &numbered;
    ctx.log = on_log;
    ctx.progress = on_progress;
    assay_log(&s->ctx, ASSAY_LOG_INFO, "cell %zu/%zu: %s%s%s", i + 1,
              s->n_cells, s->cell[i].name, work->why[0] != '\0' ? ", " : "",
              work->why);
    code = note_time(s, timings, i, -1, err);
    if (code != ASSAY_OK)
        return code;
    code = audit_cell(s, i, &ctx, &why);
    if (code == ASSAY_OK) {
        work->state = ASSAY_STUDY_DONE;
        return note_time(s, timings, i, assay__clock_seconds() - started, err);
    }
    if (code == ASSAY_CANCELED || code == ASSAY_NOMEM)
        return assay_error_set(err, code, "cell %.60s: %.170s", s->cell[i].name,
                               why.msg);
    snprintf(work->failed, sizeof(work->failed), "%s", why.msg);
    assay_log(&s->ctx, ASSAY_LOG_WARNING, "cell %s failed: %s", s->cell[i].name,
              why.msg);
    return ASSAY_OK;
}

static int run_cells(assay_study *s, struct assay_error *err)
{
    json_t *timings = read_timings(s);
    size_t i;
    int code = ASSAY_OK;

    if (timings == NULL)
        return assay_error_set(err, ASSAY_NOMEM, "times of the study");
    for (i = 0; i < s->n_cells && code == ASSAY_OK; i++) {
        struct assay__study_work *work = &s->work[i];

        if (work->state == ASSAY_STUDY_DONE)
            continue;
        code = assay_context_check(&s->ctx, err);
        if (code == ASSAY_OK)
            code = run_cell(s, i, timings, err);
        if (code == ASSAY_OK)
            code = assay__study_keep_tuning(s, err);
    }
    json_decref(timings);
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
