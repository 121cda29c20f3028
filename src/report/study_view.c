/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening a study. Means are found by a key of place, attack and metric, as
 * every figure asks for thousands of them.
 */

#include "report/study_view.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/fs.h"
#include "core/mem.h"

enum { MAX_STUDY = 256 << 20, MAX_TIMINGS = 16 << 20, KEY_SIZE = 512 };

static void make_key(char key[KEY_SIZE], const char *const part[5])
{
    snprintf(key, KEY_SIZE, "%.90s\n%.90s\n%.90s\n%.90s\n%.90s", part[0],
             part[1], part[2], part[3], part[4]);
}

static int index_means(struct assay__study_view *v, struct assay_error *err)
{
    json_t *rows = json_object_get(v->doc, "summary");

    v->index = json_object();
    for (size_t i = 0; v->index && i < json_array_size(rows); i++) {
        json_t *row = json_array_get(rows, i);
        const char *part[] = {assay__field_text(row, "dataset"),
                              assay__field_text(row, "architecture"),
                              assay__field_text(row, "defense"),
                              assay__field_text(row, "attack"),
                              assay__field_text(row, "metric")};
        char key[KEY_SIZE];

        if (assay__field_true(row, "sweep"))
            continue;
        make_key(key, part);
        /* Another number of epochs in the same place is an override's. */
        if (json_object_set(v->index, key, row) != 0) {
            json_decref(v->index);
            v->index = NULL;
        }
    }
    if (!v->index)
        return assay_error_set(err, ASSAY_NOMEM, "no memory for the means");
    return ASSAY_OK;
}

/* A list of names, or of objects with names. */
static int take_names(const json_t *list, const char ***out, size_t *n,
                      struct assay_error *err)
{
    size_t count = json_array_size(list);
    const char **name = assay__calloc(count, sizeof(*name));

    if (!name)
        return assay_error_set(err, ASSAY_NOMEM, "no memory for %zu names",
                               count);
    for (size_t i = 0; i < count; i++) {
        const json_t *item = json_array_get(list, i);

        name[i] = json_is_string(item) ? json_string_value(item)
                                       : assay__field_text(item, "name");
    }
    *out = name;
    *n = count;
    return ASSAY_OK;
}

static int take_attacks(struct assay__study_view *v, struct assay_error *err)
{
    const json_t *list = json_object_get(v->doc, "attacks");

    v->attack = assay__calloc(json_array_size(list), sizeof(*v->attack));
    if (!v->attack)
        return assay_error_set(err, ASSAY_NOMEM, "no memory for attacks");
    v->n_attacks = json_array_size(list);
    for (size_t i = 0; i < v->n_attacks; i++) {
        const json_t *row = json_array_get(list, i);
        struct assay__study_attack *a = &v->attack[i];

        a->name = assay__field_text(row, "name");
        a->title = assay__field_text(row, "title");
        a->goal = assay__field_text(row, "goal");
        a->access = assay__field_text(row, "access");
        a->auxiliary = assay__field_text(row, "auxiliary");
        a->headline = assay__field_text(row, "headline");
        a->baseline = assay__field_true(row, "baseline");
    }
    return ASSAY_OK;
}

static const char *plain_of(const json_t *defenses)
{
    for (size_t i = 0; i < json_array_size(defenses); i++) {
        const json_t *row = json_array_get(defenses, i);

        if (strcmp(assay__field_text(row, "kind"), "none") == 0)
            return assay__field_text(row, "name");
    }
    return "";
}

static int check(const json_t *doc, struct assay_error *err)
{
    static const char *const lists[] = {"attacks", "cells", "summary",
                                        "defenses", "correlations"};
    static const char *const grid[] = {"datasets", "architectures", "defenses",
                                       "seeds"};

    if (strcmp(assay__field_text(doc, "schema"), "assay-study/1") != 0)
        return assay_error_set(err, ASSAY_FORMAT,
                               "schema is not \"assay-study/1\"");
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        if (!json_is_array(json_object_get(doc, lists[i])))
            return assay_error_set(err, ASSAY_FORMAT, "%s is not an array",
                                   lists[i]);
    for (size_t i = 0; i < sizeof grid / sizeof *grid; i++)
        if (!json_is_array(
                json_object_get(json_object_get(doc, "grid"), grid[i])))
            return assay_error_set(err, ASSAY_FORMAT, "grid.%s is not an array",
                                   grid[i]);
    return ASSAY_OK;
}

int assay__study_view_take(struct assay__study_view *view, json_t *doc,
                           struct assay_error *err)
{
    struct assay__study_view v = {.doc = doc};
    const json_t *grid = json_object_get(doc, "grid");
    int code = check(doc, err);

    if (code == ASSAY_OK)
        code = take_names(json_object_get(grid, "datasets"), &v.dataset,
                          &v.n_datasets, err);
    if (code == ASSAY_OK)
        code = take_names(json_object_get(grid, "architectures"),
                          &v.architecture, &v.n_architectures, err);
    if (code == ASSAY_OK)
        code = take_names(json_object_get(grid, "defenses"), &v.defense,
                          &v.n_defenses, err);
    if (code == ASSAY_OK)
        code = take_attacks(&v, err);
    if (code == ASSAY_OK)
        code = index_means(&v, err);
    v.plain = plain_of(json_object_get(grid, "defenses"));
    if (code != ASSAY_OK)
        assay__study_view_release(&v);
    *view = v;
    return code;
}

/* Times are a help: without them a section is empty. */
static int read_timings(struct assay__study_view *v, const char *dir,
                        struct assay_error *err)
{
    char *path = assay__path_join(dir, "timings.json");
    int code = path ? ASSAY_OK : ASSAY_NOMEM;

    if (path && assay__exists(path))
        code = assay__json_read(path, MAX_TIMINGS, &v->timings, NULL);
    assay__free(path);
    return code == ASSAY_NOMEM
               ? assay_error_set(err, code, "no memory for the times")
               : ASSAY_OK;
}

int assay__study_view_open(struct assay__study_view *view, const char *dir,
                           struct assay_error *err)
{
    char *path = assay__path_join(dir, "study.json");
    json_t *doc = NULL;
    int code;

    memset(view, 0, sizeof *view);
    if (!path)
        return assay_error_set(err, ASSAY_NOMEM, "no memory for a path");
    code = assay__json_read(path, MAX_STUDY, &doc, err);
    if (code == ASSAY_OK) {
        code = assay__study_view_take(view, doc, err);
        if (code != ASSAY_OK)
            assay_error_prefix(err, code, "%s", path);
        else
            code = read_timings(view, dir, err);
    }
    assay__free(path);
    return code;
}

void assay__study_view_release(struct assay__study_view *view)
{
    json_decref(view->doc);
    json_decref(view->timings);
    json_decref(view->index);
    assay__free(view->dataset);
    assay__free(view->architecture);
    assay__free(view->defense);
    assay__free(view->attack);
    memset(view, 0, sizeof *view);
}

struct assay__moments assay__moments_of(const json_t *row)
{
    struct assay__moments m = {.interval = {.n = 0}};

    m.mean = assay__field_number(row, "mean");
    m.sd = assay__field_number(row, "sd");
    m.interval.value = m.mean;
    m.interval.low = assay__field_number(row, "low");
    m.interval.high = assay__field_number(row, "high");
    if (assay__field_number(row, "n") > 0)
        m.interval.n = (size_t)assay__field_number(row, "n");
    m.baseline = assay__field_number(row, "baseline");
    return m;
}

struct assay__moments assay__study_moments(const struct assay__study_view *view,
                                           const struct assay__study_place *at,
                                           const char *attack,
                                           const char *metric)
{
    const char *part[] = {at->dataset, at->architecture, at->defense, attack,
                          metric};
    char key[KEY_SIZE];

    make_key(key, part);
    return assay__moments_of(json_object_get(view->index, key));
}

/* The four networks of ML-Doctor stand for membership. */
static int rank_of(const struct assay__study_attack *a)
{
    if (strncmp(a->name, "network-", 8) == 0)
        return 0;
    return a->baseline ? 2 : 1;
}

size_t assay__study_shown(const struct assay__study_view *view,
                          const char *goal,
                          const struct assay__study_attack **out, size_t max)
{
    size_t n = 0;

    for (int rank = 0; rank < 3; rank++)
        for (size_t i = 0; i < view->n_attacks && n < max; i++) {
            const struct assay__study_attack *a = &view->attack[i];

            if (*a->headline && strcmp(a->goal, goal) == 0 &&
                rank_of(a) == rank)
                out[n++] = a;
        }
    return n;
}

size_t assay__study_goals(const struct assay__study_view *view,
                          const char **goal, size_t max)
{
    size_t n = 0;

    for (size_t i = 0; i < view->n_attacks && n < max; i++) {
        const struct assay__study_attack *a = &view->attack[i];
        size_t k = 0;

        while (k < n && strcmp(goal[k], a->goal) != 0)
            k++;
        if (k == n && *a->headline && strcmp(a->goal, "utility") != 0)
            goal[n++] = a->goal;
    }
    return n;
}

struct assay__text assay__moments_text(const struct assay__moments *m,
                                       const char *metric)
{
    bool plain =
        strcmp(metric, "mse") == 0 || strstr(metric, "epsilon") != NULL;
    struct assay__text t =
        plain ? assay__number_plain(m->mean) : assay__number_fixed(m->mean, 3);
    struct assay__text sd =
        plain ? assay__number_plain(m->sd) : assay__number_fixed(m->sd, 3);
    size_t size = strlen(t.s);

    if (!isnan(m->sd))
        snprintf(t.s + size, sizeof t.s - size, " \xc2\xb1 %.20s", sd.s);
    return t;
}

const char *assay__study_metric(const char *metric)
{
    static const char *const words[][2] = {
        {"test_accuracy", "test accuracy"},
        {"train_accuracy", "training accuracy"},
        {"gap", "overfitting (training minus test accuracy)"},
        {"auc", "AUC"},
        {"mse", "mean squared error"},
        {"success", "success"},
    };

    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(words[i][0], metric) == 0)
            return words[i][1];
    return metric;
}
