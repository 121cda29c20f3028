/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two runs side by side: accuracy, gap, each attack's headline metric, and
 * what training took. The change's interval is Newcombe's (1998) for a
 * difference of two estimates, which takes the runs as independent: where
 * both judge the same records it is wider than it need be.
 */

#include <jansson.h>
#include <math.h>
#include <string.h>

#include "assay/metrics.h"
#include "assay/report.h"
#include "core/fs.h"
#include "core/json.h"
#include "core/mem.h"
#include "core/printable.h"
#include "report/check.h"

enum { FINDINGS_MAX_BYTES = 256 << 20, ROWS_MAX = 300 };

/* A run that was read. */
struct run {
    json_t *findings;
    json_t *manifest; /* NULL: there is none */
};

struct row {
    char what[96];
    const char *metric;
    struct assay_estimate value[2];
    struct assay_estimate change;
};

static int read_json(const char *dir, const char *name, json_t **out,
                     struct assay_error *err)
{
    char *path = assay__path_join(dir, name);
    int code;

    if (path == NULL)
        return assay_error_set(err, ASSAY_NOMEM, "%s", dir);
    code = assay__json_read(path, FINDINGS_MAX_BYTES, out, err);
    assay__free(path);
    return code;
}

static int open_run(struct run *r, const char *dir, struct assay_error *err)
{
    int code = read_json(dir, "findings.json", &r->findings, err);

    if (code == ASSAY_OK)
        code = assay__report_check(r->findings, err);
    if (code != ASSAY_OK)
        return code;
    if (read_json(dir, "manifest.json", &r->manifest, NULL) != ASSAY_OK)
        r->manifest = NULL;
    return ASSAY_OK;
}

static void close_run(struct run *r)
{
    json_decref(r->findings);
    json_decref(r->manifest);
}

static double part(const json_t *estimate, const char *key)
{
    const json_t *x = json_object_get(estimate, key);

    return json_is_number(x) ? json_number_value(x) : (double)NAN;
}

static struct assay_estimate estimate_of(const json_t *object, const char *key)
{
    const json_t *e = json_object_get(object, key);
    struct assay_estimate out = {part(e, "value"), part(e, "low"),
                                 part(e, "high"), 0};

    return out;
}

static void add(struct row *rows, size_t *n, const char *what,
                const char *metric, const json_t *const side[2])
{
    struct row *r = &rows[*n];
    int i;

    if (*n == ROWS_MAX)
        return;
    snprintf(r->what, sizeof(r->what), "%s", what);
    r->metric = metric;
    for (i = 0; i < 2; i++)
        r->value[i] = estimate_of(side[i], metric);
    if (isnan(r->value[0].value) && isnan(r->value[1].value))
        return;
    r->change = assay_difference(&r->value[1], &r->value[0]);
    ++*n;
}

/* What an attack of the goal is told by. */
static const char *headline(const char *goal)
{
    if (strcmp(goal, "attribute") == 0)
        return "accuracy";
    if (strcmp(goal, "stealing") == 0)
        return "agreement";
    return strcmp(goal, "inversion") == 0 ? "success" : "auc";
}

static const json_t *find_attack(const json_t *findings, const char *name)
{
    const json_t *list = json_object_get(findings, "attacks");
    size_t i;

    for (i = 0; i < json_array_size(list); i++) {
        const json_t *a = json_array_get(list, i);

        if (strcmp(json_string_value(json_object_get(a, "name")), name) == 0)
            return a;
    }
    return NULL;
}

static size_t fill(struct row *rows, const struct run *r)
{
    const json_t *model[2] = {json_object_get(r[0].findings, "model"),
                              json_object_get(r[1].findings, "model")};
    const json_t *list = json_object_get(r[0].findings, "attacks");
    size_t n = 0;
    size_t i;

    add(rows, &n, "Test accuracy", "test_accuracy", model);
    add(rows, &n, "Training less test accuracy", "gap", model);
    for (i = 0; i < json_array_size(list); i++) {
        const json_t *a = json_array_get(list, i);
        const char *name = json_string_value(json_object_get(a, "name"));
        const json_t *side[2] = {a, find_attack(r[1].findings, name)};

        add(rows, &n, json_string_value(json_object_get(a, "title")),
            headline(json_string_value(json_object_get(a, "goal"))), side);
    }
    return n;
}

/* Seconds of the target's training, with its teacher's where it had one. */
static double seconds_of(const struct run *r)
{
    static const char *const files[] = {"models/teacher-target.safetensors",
                                        "models/target.safetensors"};
    const json_t *artefacts = json_object_get(r->manifest, "artefacts");
    double sum = 0;
    int found = 0;
    int i;

    for (i = 0; i < 2; i++) {
        double s = part(json_object_get(artefacts, files[i]), "seconds");

        if (!isnan(s)) {
            sum += s;
            found = 1;
        }
    }
    return found ? sum : (double)NAN;
}

static const char *defense_of(const struct run *r)
{
    const char *title = json_string_value(
        json_object_get(json_object_get(r->findings, "defense"), "title"));

    return title != NULL ? title : "no defence";
}

/* In a column; `sign` for changes. */
static void put_estimate(FILE *out, const struct assay_estimate *e, int sign)
{
    char text[64];

    if (isnan(e->value))
        snprintf(text, sizeof(text), "not measured");
    else if (isnan(e->low) || isnan(e->high))
        snprintf(text, sizeof(text), sign ? "%+.3f" : "%.3f", e->value);
    else
        snprintf(text, sizeof(text),
                 sign ? "%+.3f (%+.3f to %+.3f)" : "%.3f (%.3f to %.3f)",
                 e->value, e->low, e->high);
    fprintf(out, "  %-24s", text);
}

static int is_sure(const struct assay_estimate *change)
{
    return change->low > 0 || change->high < 0;
}

static void print(FILE *out, const struct run *r, const struct row *rows,
                  size_t n)
{
    double seconds[2] = {seconds_of(&r[0]), seconds_of(&r[1])};
    size_t i;

    fprintf(out, "%-44s  %-24s  %-24s  change\n", "", "before", "after");
    fprintf(out, "%-44s  %-24.24s  %.24s\n", "Defence", defense_of(&r[0]),
            defense_of(&r[1]));
    for (i = 0; i < n; i++) {
        char what[96];

        snprintf(what, sizeof(what), "%.60s%s%s", rows[i].what,
                 i < 2 ? "" : ", ", i < 2 ? "" : rows[i].metric);
        assay__make_printable(what);
        fprintf(out, "%-44.44s", what);
        put_estimate(out, &rows[i].value[0], 0);
        put_estimate(out, &rows[i].value[1], 0);
        put_estimate(out, &rows[i].change, 1);
        fputs(is_sure(&rows[i].change) ? " *\n" : "\n", out);
    }
    if (!isnan(seconds[0]) && !isnan(seconds[1]) && seconds[0] > 0)
        fprintf(out, "%-44s  %-24.1f  %-24.1f  x %.2f\n",
                "Training of the target, seconds", seconds[0], seconds[1],
                seconds[1] / seconds[0]);
    fprintf(out, "95 %% intervals; * the change's leaves out 0\n");
}

static json_t *estimate_json(const struct assay_estimate *e)
{
    return json_pack("{s:o, s:o, s:o}", "value", assay__json_real(e->value),
                     "low", assay__json_real(e->low), "high",
                     assay__json_real(e->high));
}

static json_t *document(const struct run *r, const struct row *rows, size_t n)
{
    json_t *list = json_array();
    size_t i;

    for (i = 0; i < n; i++)
        json_array_append_new(
            list, json_pack("{s:s, s:s, s:o, s:o, s:o}", "what", rows[i].what,
                            "metric", rows[i].metric, "before",
                            estimate_json(&rows[i].value[0]), "after",
                            estimate_json(&rows[i].value[1]), "change",
                            estimate_json(&rows[i].change)));
    return json_pack("{s:s, s:s, s:s, s:o, s:o, s:o}", "schema", "assay-diff/1",
                     "defense_before", defense_of(&r[0]), "defense_after",
                     defense_of(&r[1]), "rows", list, "seconds_before",
                     assay__json_real(seconds_of(&r[0])), "seconds_after",
                     assay__json_real(seconds_of(&r[1])));
}

static int put(FILE *out, int as_json, const struct run *r,
               const struct row *rows, size_t n, struct assay_error *err)
{
    json_t *root;
    char *text;

    if (!as_json) {
        print(out, r, rows, n);
    } else {
        root = document(r, rows, n);
        text = root != NULL ? assay__json_text(root) : NULL;
        json_decref(root);
        if (text == NULL)
            return assay_error_set(err, ASSAY_NOMEM, "comparison");
        fputs(text, out);
        assay__free(text);
    }
    return ferror(out) ? assay_error_set(err, ASSAY_IO,
                                         "the comparison cannot be written")
                       : ASSAY_OK;
}

int assay_report_diff(const char *before, const char *after, FILE *out,
                      int as_json, struct assay_error *err)
{
    struct run r[2] = {{NULL, NULL}, {NULL, NULL}};
    struct row *rows = assay__calloc(ROWS_MAX, sizeof(*rows));
    int code;

    if (rows == NULL)
        return assay_error_set(err, ASSAY_NOMEM, "comparison");
    code = open_run(&r[0], before, err);
    if (code == ASSAY_OK)
        code = open_run(&r[1], after, err);
    if (code == ASSAY_OK)
        code = put(out, as_json, r, rows, fill(rows, r), err);
    close_run(&r[0]);
    close_run(&r[1]);
    assay__free(rows);
    return code;
}
