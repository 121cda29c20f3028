/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Correlations over models. Pairs of which one is missing are left out, so n
 * is told for each. SecurityNet's relations are those that its authors draw
 * from it: does a more accurate model give a better copy, does overfitting
 * tell members apart. Its placeholders are missing here (import_csv.c): no
 * relation with the gap on SVHN.
 */

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "assay/metrics.h"
#include "core/mem.h"
#include "zoo/columns.h"
#include "zoo/store.h"
#include "zoo/table.h"

enum { WHERE_MAX = 40 };

static const char *const names[] = {"group",
                                    "x",
                                    "y",
                                    "n",
                                    "pearson",
                                    "pearson_low",
                                    "pearson_high",
                                    "spearman",
                                    "spearman_low",
                                    "spearman_high",
                                    "intercept",
                                    "slope"};

enum { N_NAMES = sizeof(names) / sizeof(names[0]) };

/* Least squares; NaN for less than two different x. */
static void fit_line(const double *x, const double *y, size_t n, double *a,
                     double *b)
{
    double mean_x = assay_mean(x, n);
    double mean_y = assay_mean(y, n);
    double xx = 0;
    double xy = 0;
    size_t i;

    for (i = 0; i < n; i++) {
        xx += (x[i] - mean_x) * (x[i] - mean_x);
        xy += (x[i] - mean_x) * (y[i] - mean_y);
    }
    *b = xx > 0 ? xy / xx : (double)NAN;
    *a = mean_y - *b * mean_x;
}

static void put_estimate(struct assay_zoo_cell *cell,
                         const struct assay_estimate *e)
{
    assay__zoo_cell_number(&cell[0], e->value);
    assay__zoo_cell_number(&cell[1], e->low);
    assay__zoo_cell_number(&cell[2], e->high);
}

/* A row of the result from n pairs. */
static int put_relation(struct assay_zoo_table *out, const char *group,
                        const char *const *xy, const double *x, const double *y,
                        size_t n, struct assay_error *err)
{
    struct assay_zoo_cell *cell = assay__zoo_table_row(out);
    struct assay_estimate pearson = assay_pearson(x, y, n);
    struct assay_estimate spearman;
    double a;
    double b;
    int code;

    if (cell == NULL)
        return assay_error_set(err, ASSAY_NOMEM, "no memory for a result");
    code = assay_spearman(&spearman, x, y, n, err);
    if (code == ASSAY_OK)
        code = assay__zoo_cell_set(&cell[0], group, err);
    if (code == ASSAY_OK)
        code = assay__zoo_cell_set(&cell[1], xy[0], err);
    if (code == ASSAY_OK)
        code = assay__zoo_cell_set(&cell[2], xy[1], err);
    if (code != ASSAY_OK)
        return code;
    fit_line(x, y, n, &a, &b);
    cell[3].type = ASSAY_ZOO_INTEGER;
    cell[3].integer = (int64_t)n;
    cell[3].real = (double)n;
    put_estimate(&cell[4], &pearson);
    put_estimate(&cell[7], &spearman);
    assay__zoo_cell_number(&cell[10], a);
    assay__zoo_cell_number(&cell[11], b);
    return ASSAY_OK;
}

/* Whether the row's last two columns are numbers. */
static bool is_pair(const struct assay_zoo_table *t, size_t row)
{
    const struct assay_zoo_cell *cell = &t->cell[(row + 1) * t->n_columns - 2];

    return (cell[0].type == ASSAY_ZOO_REAL ||
            cell[0].type == ASSAY_ZOO_INTEGER) &&
           (cell[1].type == ASSAY_ZOO_REAL ||
            cell[1].type == ASSAY_ZOO_INTEGER);
}

/* Pairs of rows first ... of the same group; returns the row behind. */
static size_t take_group(const struct assay_zoo_table *t, size_t first,
                         double *x, double *y, size_t *n)
{
    const struct assay_zoo_cell *head = &t->cell[first * t->n_columns];
    size_t row;

    *n = 0;
    for (row = first; row < t->n_rows; row++) {
        const struct assay_zoo_cell *cell = &t->cell[row * t->n_columns];
        const struct assay_zoo_cell *pair = cell + t->n_columns - 2;

        if (t->n_columns == 3 &&
            (cell->type != head->type || cell->integer != head->integer ||
             (cell->type == ASSAY_ZOO_TEXT &&
              strcmp(cell->text, head->text) != 0)))
            break;
        if (!is_pair(t, row))
            continue;
        x[*n] = pair[0].real;
        y[*n] = pair[1].real;
        (*n)++;
    }
    return row;
}

static void group_name(const struct assay_zoo_table *t, size_t row,
                       const char *plain, char text[96])
{
    const struct assay_zoo_cell *cell = &t->cell[row * t->n_columns];

    if (t->n_columns < 3)
        (void)snprintf(text, 96, "%s", plain);
    else if (cell->type == ASSAY_ZOO_TEXT)
        (void)snprintf(text, 96, "%.90s", cell->text);
    else if (cell->type == ASSAY_ZOO_NULL)
        (void)snprintf(text, 96, "(missing)");
    else
        (void)snprintf(text, 96, "%g", cell->real);
}

static int put_groups(struct assay_zoo_table *out,
                      const struct assay_zoo_table *t, const char *plain,
                      const char *const *xy, struct assay_error *err)
{
    double *x = assay__calloc(t->n_rows, sizeof(*x));
    double *y = assay__calloc(t->n_rows, sizeof(*y));
    int code = ASSAY_OK;
    size_t row = 0;

    if (x == NULL || y == NULL)
        code = assay_error_set(err, ASSAY_NOMEM, "no memory for pairs");
    while (code == ASSAY_OK && row < t->n_rows) {
        size_t n = 0;
        size_t end = take_group(t, row, x, y, &n);
        char text[96];

        group_name(t, row, plain, text);
        if (n > 0)
            code = put_relation(out, text, xy, x, y, n, err);
        row = end;
    }
    assay__free(x);
    assay__free(y);
    return code;
}

static int relate(assay_zoo *zoo, const struct assay_zoo_relation *r,
                  const char *plain, struct assay_zoo_table *out,
                  struct assay_error *err)
{
    const char *const xy[2] = {r->x, r->y};
    const char *column[3];
    struct assay_zoo_query q = {0};
    struct assay_zoo_table pairs = {0};
    int code;

    if (r->by != NULL)
        column[q.n_columns++] = r->by;
    column[q.n_columns++] = r->x;
    column[q.n_columns++] = r->y;
    q.column = column;
    q.sort = r->by;
    q.where = r->where;
    q.n_where = r->n_where;
    code = assay_zoo_select(zoo, &q, &pairs, err);
    if (code == ASSAY_OK)
        code = put_groups(out, &pairs, plain, xy, err);
    assay_zoo_table_release(&pairs);
    return code;
}

static const struct {
    const char *title;
    const char *where[3];
} groups[] = {
    {"CIFAR-10", {"dataset=CIFAR-10", "purpose=benchmark"}},
    {"CIFAR-100", {"dataset=CIFAR-100", "purpose=benchmark"}},
    {"SVHN", {"dataset=SVHN", "purpose=benchmark"}},
    {"CUB-200-2011", {"dataset=CUB-200-2011", "purpose=benchmark"}},
    {"ImageNet1k", {"dataset=ImageNet1k", "purpose=benchmark"}},
    {"CIFAR-10, security", {"dataset=CIFAR-10", "purpose=security"}},
    {"ImageNet1k, security", {"dataset=ImageNet1k", "purpose=security"}},
    {"all, benchmark", {"purpose=benchmark"}},
};

static const struct {
    const char *x;
    const char *y;
} pairs[] = {
    {"test_accuracy", "steal_accuracy"}, {"test_accuracy", "steal_agreement"},
    {"gap", "mia_correctness_auc"},      {"gap", "mia_mentropy_auc"},
    {"year", "steal_accuracy"},
};

static int relate_securitynet(assay_zoo *zoo, const char *const *where,
                              size_t n_where, struct assay_zoo_table *out,
                              struct assay_error *err)
{
    const char *all[WHERE_MAX + 3];
    int code = ASSAY_OK;
    size_t p;
    size_t g;

    for (p = 0; p < sizeof(pairs) / sizeof(pairs[0]); p++) {
        for (g = 0; g < sizeof(groups) / sizeof(groups[0]); g++) {
            struct assay_zoo_relation r = {pairs[p].x, pairs[p].y, NULL, all,
                                           0};
            size_t i;

            all[r.n_where++] = "source=securitynet";
            for (i = 0; i < 3 && groups[g].where[i] != NULL; i++)
                all[r.n_where++] = groups[g].where[i];
            for (i = 0; i < n_where; i++)
                all[r.n_where++] = where[i];
            code = relate(zoo, &r, groups[g].title, out, err);
            if (code != ASSAY_OK)
                return code;
        }
    }
    return code;
}

int assay_zoo_relate(assay_zoo *zoo, const struct assay_zoo_relation *r,
                     struct assay_zoo_table *table, struct assay_error *err)
{
    struct assay_zoo_table out = {0};
    int code;

    if ((r->x == NULL) != (r->y == NULL) || (r->by != NULL && r->x == NULL))
        return assay_error_set(err, ASSAY_ARG,
                               "x and y are given together, and a grouping "
                               "with them");
    if (r->n_where > WHERE_MAX - 3)
        return assay_error_set(err, ASSAY_LIMIT, "more than %d conditions",
                               WHERE_MAX - 3);
    code = assay__zoo_table_begin(&out, names, N_NAMES, err);
    if (code != ASSAY_OK)
        return code;
    code = r->x != NULL
               ? relate(zoo, r, "all", &out, err)
               : relate_securitynet(zoo, r->where, r->n_where, &out, err);
    if (code == ASSAY_OK && out.n_rows == 0)
        code = assay_error_set(
            err, ASSAY_NOTHING,
            r->x != NULL ? "no model has both numbers"
                         : "SecurityNet's table is not in the zoo (assay zoo "
                           "import securitynet.csv)");
    if (code == ASSAY_OK)
        *table = out;
    else
        assay_zoo_table_release(&out);
    return code;
}
