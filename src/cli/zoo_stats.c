/* SPDX-License-Identifier: Apache-2.0 */
/* assay zoo stats: how two numbers go together over models. */

#include <string.h>

#include "core/printable.h"
#include "session.h"
#include "zoo.h"

struct values {
    struct assay__zoo_values common;
    struct assay__texts where;
    const char *x;
    const char *y;
    const char *by;
};

/* clang-format off */
static const struct assay__option own_options[] = {
    {"x", 'x', ASSAY__OPTION_TEXT, "NAME", NULL, 0, 0, NULL,
     "a column or fact; not given: SecurityNet's own relations",
     offsetof(struct values, x)},
    {"y", 'y', ASSAY__OPTION_TEXT, "NAME", NULL, 0, 0, NULL,
     "the other", offsetof(struct values, y)},
    {"by", 0, ASSAY__OPTION_TEXT, "NAME", NULL, 0, 0, NULL,
     "a row for each value of this", offsetof(struct values, by)},
    {"where", 'w', ASSAY__OPTION_TEXTS, "COND", NULL, 0, 0, NULL,
     "models of which this holds, as for assay zoo query",
     offsetof(struct values, where)},
    {.name = NULL},
};
/* clang-format on */

static const struct assay__option_group groups[] = {
    {"Relation", own_options, 0},
    ASSAY__ZOO_GENERAL,
    {.title = NULL},
};

static int run(int argc, char **argv);

const struct assay__command assay__zoo_command_stats = {
    .name = "zoo stats",
    .summary = "Tell how two numbers go together: correlations, a line.",
    .usage = "[--x NAME --y NAME] [options]",
    .examples = "assay zoo stats\n"
                "assay zoo stats --x parameters --y test_accuracy --by family",
    .notes = "Without --x and --y: what SecurityNet's table shows of stolen "
             "copies and of\nmembership inference, for each of its datasets. "
             "Intervals are 95 %.",
    .groups = groups,
    .values_size = sizeof(struct values),
    .max_args = 0,
    .run = run,
};

/* "-0.70 [-0.82, -0.51]" of three cells. */
static void estimate(const struct assay_zoo_cell *cell, char text[40])
{
    if (cell[0].type == ASSAY_ZOO_NULL)
        snprintf(text, 40, "-");
    else
        snprintf(text, 40, "%5.2f [%5.2f, %5.2f]", cell[0].real, cell[1].real,
                 cell[2].real);
}

static void print_row(const struct assay_zoo_cell *cell)
{
    char group[96];
    char pearson[40];
    char spearman[40];

    snprintf(group, sizeof(group), "%.60s", cell[0].text);
    assay__make_printable(group);
    estimate(&cell[4], pearson);
    estimate(&cell[7], spearman);
    printf("  %-22s %5.0f  %-20s  %-20s", group, cell[3].real, pearson,
           spearman);
    if (cell[11].type == ASSAY_ZOO_REAL)
        printf("  %.4g %+.4g x", cell[10].real, cell[11].real);
    putchar('\n');
}

static void print_relations(const struct assay_zoo_table *t)
{
    size_t r;

    for (r = 0; r < t->n_rows; r++) {
        const struct assay_zoo_cell *cell = &t->cell[r * t->n_columns];

        if (r == 0 || strcmp(cell[1].text, cell[1 - 12].text) != 0 ||
            strcmp(cell[2].text, cell[2 - 12].text) != 0)
            printf("%s%s (x) and %s\n  %-22s %5s  %-20s  %-20s  line\n",
                   r > 0 ? "\n" : "", cell[1].text, cell[2].text, "", "n",
                   "Pearson", "Spearman");
        print_row(cell);
    }
}

static int stats(const struct values *v, struct assay_error *err)
{
    const struct assay_zoo_relation relation = {
        v->x, v->y, v->by, v->where.text, (size_t)v->where.n};
    struct assay_zoo_table table = {0};
    assay_zoo *zoo = NULL;
    int code = assay__zoo_open(&zoo, &v->common, ASSAY_ZOO_READ, err);

    if (code == ASSAY_OK)
        code = assay_zoo_relate(zoo, &relation, &table, err);
    if (code == ASSAY_OK && v->common.json)
        code = assay__zoo_print(&table, 1, err);
    else if (code == ASSAY_OK)
        print_relations(&table);
    assay_zoo_table_release(&table);
    assay_zoo_close(zoo);
    return code;
}

static int run(int argc, char **argv)
{
    const struct assay__command *command = &assay__zoo_command_stats;
    struct values v;
    struct assay__parsed parsed;
    struct assay_error err;
    int status;

    if (!assay__session_parse(command, argc, argv, &v, &parsed, &status))
        return status;
    return assay__zoo_status(command, stats(&v, &err), &err);
}
