/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is computed over cells: means over seeds with Student's interval;
 * each defence against none, seed by seed; and correlations over dataset x
 * architecture of the undefended cells, each the mean over its seeds. A cell
 * counts once, however many seeds it has.
 */

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "assay/metrics.h"
#include "core/json.h"
#include "core/mem.h"
#include "study/study.h"

enum { RESAMPLES = 2000, FEWEST_PAIRS = 4 };

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text != NULL ? text : "";
}

static double real_of(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);

    return json_is_number(value) ? json_number_value(value) : (double)NAN;
}

static int same_text(const json_t *a, const json_t *b, const char *key)
{
    return strcmp(text_of(a, key), text_of(b, key)) == 0;
}

/* Cells that differ in their seed alone. */
static int same_group(const json_t *a, const json_t *b)
{
    return same_text(a, b, "dataset") && same_text(a, b, "architecture") &&
           same_text(a, b, "defense") &&
           json_equal(json_object_get(a, "epochs"),
                      json_object_get(b, "epochs")) &&
           json_equal(json_object_get(a, "sweep"), json_object_get(b, "sweep"));
}

/* Groups of cells: the first cell of each, and for each cell its group. */
struct groups {
    const json_t *cells;
    size_t n_cells;
    size_t *of; /* [n_cells] */
    size_t *first;
    size_t n;
    double *value; /* room for a number of each cell */
    double *other;
};

static int groups_make(struct groups *g, const json_t *cells)
{
    size_t i;
    size_t k;

    memset(g, 0, sizeof(*g));
    g->cells = cells;
    g->n_cells = json_array_size(cells);
    g->of = assay__calloc(g->n_cells, sizeof(*g->of));
    g->first = assay__calloc(g->n_cells, sizeof(*g->first));
    g->value = assay__calloc(g->n_cells, sizeof(*g->value));
    g->other = assay__calloc(g->n_cells, sizeof(*g->other));
    if (!g->of || !g->first || !g->value || !g->other)
        return 0;
    for (i = 0; i < g->n_cells; i++) {
        for (k = 0; k < g->n; k++) {
            if (same_group(json_array_get(cells, g->first[k]),
                           json_array_get(cells, i)))
                break;
        }
        if (k == g->n)
            g->first[g->n++] = i;
        g->of[i] = k;
    }
    return 1;
}

static void groups_release(struct groups *g)
{
    assay__free(g->of);
    assay__free(g->first);
    assay__free(g->value);
    assay__free(g->other);
}

static const json_t *group_cell(const struct groups *g, size_t k)
{
    return json_array_get(g->cells, g->first[k]);
}

/* The metrics of one attack in one cell, or NULL. */
static const json_t *metrics_of(const json_t *cell, const char *attack)
{
    const json_t *attacks = json_object_get(cell, "attacks");
    size_t i;

    for (i = 0; i < json_array_size(attacks); i++) {
        const json_t *a = json_array_get(attacks, i);

        if (strcmp(text_of(a, "name"), attack) == 0)
            return json_object_get(a, "metrics");
    }
    return NULL;
}

static double value_of(const json_t *cell, const char *attack,
                       const char *metric, const char *part)
{
    return real_of(json_object_get(metrics_of(cell, attack), metric), part);
}

/* A part of a metric in every cell of a group that has it; how many. */
static size_t gather(const struct groups *g, size_t group, const char *attack,
                     const char *metric, const char *part, double *out)
{
    size_t n = 0;
    size_t i;

    for (i = 0; i < g->n_cells; i++) {
        if (g->of[i] != group)
            continue;
        out[n] = value_of(json_array_get(g->cells, i), attack, metric, part);
        n += isfinite(out[n]) != 0;
    }
    return n;
}

static json_t *moments_json(const double *x, size_t n)
{
    struct assay_estimate mean = assay_mean_interval(x, n);

    return json_pack(
        "{s:o, s:o, s:o, s:o, s:I}", "mean", assay__json_real(mean.value), "sd",
        assay__json_real(assay_sd(x, n)), "low", assay__json_real(mean.low),
        "high", assay__json_real(mean.high), "n", (json_int_t)n);
}

static json_t *place_json(const json_t *cell)
{
    return json_pack("{s:O, s:O, s:O, s:O, s:O}", "dataset",
                     json_object_get(cell, "dataset"), "architecture",
                     json_object_get(cell, "architecture"), "defense",
                     json_object_get(cell, "defense"), "epochs",
                     json_object_get(cell, "epochs"), "sweep",
                     json_object_get(cell, "sweep"));
}

static void add_row(const struct groups *g, size_t k, const char *attack,
                    const char *metric, json_t *list)
{
    size_t n = gather(g, k, attack, metric, "value", g->value);
    size_t n_base = gather(g, k, attack, metric, "baseline", g->other);
    json_t *row;
    json_t *moments;

    if (n == 0)
        return;
    row = place_json(group_cell(g, k));
    moments = moments_json(g->value, n);
    json_object_set_new(row, "attack", json_string(attack));
    json_object_set_new(row, "metric", json_string(metric));
    json_object_set_new(row, "baseline",
                        assay__json_real(assay_mean(g->other, n_base)));
    json_object_update(row, moments);
    json_decref(moments);
    json_array_append_new(list, row);
}

/* Every metric of an attack in a group; the first cell that has the attack
 * says which there are. */
static void add_attack(const struct groups *g, size_t k, const char *attack,
                       json_t *list)
{
    const json_t *metrics = NULL;
    const char *metric;
    json_t *value;
    size_t i;

    for (i = 0; i < g->n_cells && json_object_size(metrics) == 0; i++) {
        if (g->of[i] == k)
            metrics = metrics_of(json_array_get(g->cells, i), attack);
    }
    json_object_foreach((json_t *)(uintptr_t)metrics, metric, value)
    {
        add_row(g, k, attack, metric, list);
    }
}

static json_t *summary_json(const struct groups *g, const json_t *attacks)
{
    json_t *list = json_array();
    size_t k;
    size_t a;

    for (k = 0; k < g->n; k++) {
        for (a = 0; a < json_array_size(attacks); a++)
            add_attack(g, k, text_of(json_array_get(attacks, a), "name"), list);
    }
    return list;
}

/* The row of no defence; "" without one. */
static const char *plain_defense(const json_t *study)
{
    const json_t *rows =
        json_object_get(json_object_get(study, "grid"), "defenses");
    size_t i;

    for (i = 0; i < json_array_size(rows); i++) {
        if (strcmp(text_of(json_array_get(rows, i), "kind"), "none") == 0)
            return text_of(json_array_get(rows, i), "name");
    }
    return "";
}

static int is_plain(const json_t *cell, const char *plain)
{
    return strcmp(text_of(cell, "defense"), plain) == 0 &&
           !json_is_true(json_object_get(cell, "sweep"));
}

/* The undefended group of the same dataset and architecture; n: none. */
static size_t find_before(const struct groups *g, size_t k, const char *plain)
{
    const json_t *cell = group_cell(g, k);
    size_t i;

    for (i = 0; i < g->n; i++) {
        const json_t *other = group_cell(g, i);

        if (is_plain(other, plain) && same_text(cell, other, "dataset") &&
            same_text(cell, other, "architecture"))
            return i;
    }
    return g->n;
}

/* After minus before, for every seed that both groups have. */
static size_t differences(const struct groups *g, size_t before, size_t after,
                          const char *attack, const char *metric, double *out)
{
    size_t n = 0;
    size_t i;
    size_t j;

    for (i = 0; i < g->n_cells; i++) {
        const json_t *cell = json_array_get(g->cells, i);

        for (j = 0; g->of[i] == after && j < g->n_cells; j++) {
            const json_t *other = json_array_get(g->cells, j);

            if (g->of[j] != before ||
                !json_equal(json_object_get(cell, "seed"),
                            json_object_get(other, "seed")))
                continue;
            out[n] = value_of(cell, attack, metric, "value") -
                     value_of(other, attack, metric, "value");
            n += isfinite(out[n]) != 0;
        }
    }
    return n;
}

static void add_change(const struct groups *g, size_t before, size_t after,
                       const char *attack, const char *metric, json_t *list)
{
    const json_t *cell = group_cell(g, after);
    size_t n = gather(g, after, attack, metric, "value", g->value);
    json_t *row;

    if (n == 0)
        return;
    row = json_pack("{s:O, s:O, s:O, s:s, s:s, s:o}", "dataset",
                    json_object_get(cell, "dataset"), "architecture",
                    json_object_get(cell, "architecture"), "defense",
                    json_object_get(cell, "defense"), "attack", attack,
                    "metric", metric, "after", moments_json(g->value, n));
    n = gather(g, before, attack, metric, "value", g->value);
    json_object_set_new(row, "before", moments_json(g->value, n));
    n = differences(g, before, after, attack, metric, g->value);
    json_object_set_new(row, "difference", moments_json(g->value, n));
    json_array_append_new(list, row);
}

static json_t *defenses_json(const struct groups *g, const json_t *study)
{
    const json_t *attacks = json_object_get(study, "attacks");
    const char *plain = plain_defense(study);
    json_t *list = json_array();
    size_t k;
    size_t a;

    for (k = 0; k < g->n; k++) {
        size_t before = find_before(g, k, plain);

        if (before == g->n ||
            json_is_true(json_object_get(group_cell(g, k), "sweep")) ||
            is_plain(group_cell(g, k), plain))
            continue;
        for (a = 0; a < json_array_size(attacks); a++) {
            const json_t *attack = json_array_get(attacks, a);
            const char *name = text_of(attack, "name");

            add_change(g, before, k, name, text_of(attack, "headline"), list);
            if (strcmp(name, "target") == 0)
                add_change(g, before, k, name, "gap", list);
        }
    }
    return list;
}

/* One list of numbers to correlate: a metric over the undefended groups. */
struct series {
    const char *attack;
    const char *metric;
    double *value; /* [n_points], NaN where it was not measured */
};

struct points {
    const struct groups *g;
    size_t *group; /* [n] */
    size_t n;
    double *x; /* room for the pairs that have both */
    double *y;
};

static int points_make(struct points *p, const struct groups *g,
                       const char *plain)
{
    size_t k;

    memset(p, 0, sizeof(*p));
    p->g = g;
    p->group = assay__calloc(g->n, sizeof(*p->group));
    p->x = assay__calloc(g->n, sizeof(*p->x));
    p->y = assay__calloc(g->n, sizeof(*p->y));
    for (k = 0; p->group != NULL && k < g->n; k++) {
        if (is_plain(group_cell(g, k), plain))
            p->group[p->n++] = k;
    }
    return p->group != NULL && p->x != NULL && p->y != NULL;
}

static void points_release(struct points *p)
{
    assay__free(p->group);
    assay__free(p->x);
    assay__free(p->y);
}

static int series_make(struct series *s, const struct points *p,
                       const char *attack, const char *metric)
{
    size_t i;

    s->attack = attack;
    s->metric = metric;
    s->value = assay__calloc(p->n, sizeof(*s->value));
    for (i = 0; s->value != NULL && i < p->n; i++) {
        size_t n =
            gather(p->g, p->group[i], attack, metric, "value", p->g->value);

        s->value[i] = assay_mean(p->g->value, n);
    }
    return s->value != NULL;
}

static json_t *interval_json(const struct assay_estimate *e,
                             const struct assay_estimate *boot)
{
    return json_pack(
        "{s:o, s:o, s:o, s:o, s:o}", "value", assay__json_real(e->value), "low",
        assay__json_real(e->low), "high", assay__json_real(e->high), "boot_low",
        assay__json_real(boot->low), "boot_high", assay__json_real(boot->high));
}

/* Both coefficients of the pairs in p->x, p->y. */
static int measure(const struct points *p, size_t n, json_t *row,
                   struct assay_error *err)
{
    static const struct assay_bootstrap by_value = {ASSAY_PEARSON, RESAMPLES,
                                                    0};
    static const struct assay_bootstrap by_rank = {ASSAY_SPEARMAN, RESAMPLES,
                                                   0};
    struct assay_estimate r = assay_pearson(p->x, p->y, n);
    struct assay_estimate rho = r;
    struct assay_estimate boot_r = r;
    struct assay_estimate boot_rho = r;
    int code = assay_spearman(&rho, p->x, p->y, n, err);

    if (code == ASSAY_OK)
        code =
            assay_correlation_bootstrap(&boot_r, &by_value, p->x, p->y, n, err);
    if (code == ASSAY_OK)
        code = assay_correlation_bootstrap(&boot_rho, &by_rank, p->x, p->y, n,
                                           err);
    if (code != ASSAY_OK)
        return code;
    json_object_set_new(row, "pearson", interval_json(&r, &boot_r));
    json_object_set_new(row, "spearman", interval_json(&rho, &boot_rho));
    if (isnan(r.value))
        json_object_set_new(row, "why",
                            json_string("one of the two does not vary"));
    return ASSAY_OK;
}

static int correlate(const struct points *p, const char *kind,
                     const struct series *a, const struct series *b,
                     json_t *list, struct assay_error *err)
{
    json_t *row;
    char why[96];
    size_t n = 0;
    size_t i;
    int code = ASSAY_OK;

    for (i = 0; i < p->n; i++) {
        p->x[n] = a->value[i];
        p->y[n] = b->value[i];
        n += isfinite(p->x[n]) && isfinite(p->y[n]);
    }
    if (n == 0)
        return ASSAY_OK; /* nowhere measured together */
    row = json_pack("{s:s, s:{s:s, s:s}, s:{s:s, s:s}, s:I, s:I, s:n, s:n, "
                    "s:n}",
                    "kind", kind, "x", "attack", a->attack, "metric", a->metric,
                    "y", "attack", b->attack, "metric", b->metric, "n",
                    (json_int_t)n, "resamples", (json_int_t)RESAMPLES, "why",
                    "pearson", "spearman");
    if (n >= FEWEST_PAIRS) {
        code = measure(p, n, row, err);
    } else {
        snprintf(why, sizeof(why),
                 "%zu dataset-architecture pairs; at least %d are needed", n,
                 (int)FEWEST_PAIRS);
        json_object_set_new(row, "why", json_string(why));
    }
    json_array_append_new(list, row);
    return code;
}

static int correlate_all(const struct points *p, const struct series *s,
                         size_t n, const struct series *gap, json_t *list,
                         const struct assay_context *ctx,
                         struct assay_error *err)
{
    size_t i;
    size_t j;
    int code = ASSAY_OK;

    /* s[0] is the target's test accuracy. */
    for (i = 1; i < n && code == ASSAY_OK; i++) {
        code = correlate(p, "overfitting", gap, &s[i], list, err);
        if (code == ASSAY_OK)
            code = correlate(p, "test accuracy", &s[0], &s[i], list, err);
    }
    for (i = 1; i < n && code == ASSAY_OK; i++) {
        for (j = i + 1; j < n && code == ASSAY_OK; j++)
            code = correlate(p, "attacks", &s[i], &s[j], list, err);
        if (code == ASSAY_OK)
            code = assay_context_check(ctx, err);
    }
    return code;
}

static int correlations(const struct groups *g, const json_t *study,
                        json_t *list, const struct assay_context *ctx,
                        struct assay_error *err)
{
    const json_t *attacks = json_object_get(study, "attacks");
    size_t n = json_array_size(attacks);
    struct series *s = assay__calloc(n + 1, sizeof(*s));
    struct points p;
    size_t i;
    int code = ASSAY_OK;
    int made = points_make(&p, g, plain_defense(study));

    for (i = 0; s != NULL && made && i < n; i++) {
        const json_t *a = json_array_get(attacks, i);

        made =
            series_make(&s[i], &p, text_of(a, "name"), text_of(a, "headline"));
    }
    if (s != NULL && made)
        made = series_make(&s[n], &p, "target", "gap");
    if (s == NULL || !made)
        code = assay_error_set(err, ASSAY_NOMEM, "correlations");
    else
        code = correlate_all(&p, s, n, &s[n], list, ctx, err);
    for (i = 0; s != NULL && i <= n; i++)
        assay__free(s[i].value);
    assay__free(s);
    points_release(&p);
    return code;
}

int assay__study_summarise(json_t *study, const struct assay_context *ctx,
                           struct assay_error *err)
{
    struct groups g;
    json_t *list = json_array();
    int code = ASSAY_OK;

    memset(&g, 0, sizeof(g));
    if (list == NULL || !groups_make(&g, json_object_get(study, "cells"))) {
        code = assay_error_set(err, ASSAY_NOMEM, "summary of the study");
        goto out;
    }
    if (json_object_set_new(
            study, "summary",
            summary_json(&g, json_object_get(study, "attacks"))) != 0 ||
        json_object_set_new(study, "defenses", defenses_json(&g, study)) != 0) {
        code = assay_error_set(err, ASSAY_NOMEM, "summary of the study");
        goto out;
    }
    code = correlations(&g, study, list, ctx, err);
    if (code == ASSAY_OK && json_object_set(study, "correlations", list) != 0)
        code = assay_error_set(err, ASSAY_NOMEM, "correlations");

out:
    json_decref(list);
    groups_release(&g);
    return code;
}
