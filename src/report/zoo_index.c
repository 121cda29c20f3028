/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The index of a zoo: a table for each dataset, the most accurate first. The
 * filters are check boxes before the page and rules of style that hide rows
 * of a class whose box is not checked: no script is needed.
 */

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/mem.h"
#include "report/html.h"
#include "report/number.h"
#include "report/page.h"
#include "report/zoo_view.h"

enum { VALUES_MAX = 12, FILTERS = 2 };

/* Values of a key that rows are filtered by; "" stands for none. */
struct filter {
    const char *key;
    const char *title;
    const char *prefix; /* of its classes */
    const char *value[VALUES_MAX];
    size_t n;
};

int assay__zoo_document_check(const json_t *doc, struct assay_error *err)
{
    const json_t *models = json_object_get(doc, "models");
    size_t i;

    if (strcmp(assay__field_text(doc, "schema"), "assay-zoo/1") != 0 ||
        !json_is_array(models))
        return assay_error_set(err, ASSAY_FORMAT,
                               "no export of a zoo (schema assay-zoo/1)");
    for (i = 0; i < json_array_size(models); i++) {
        if (!json_is_object(json_array_get(models, i)))
            return assay_error_set(err, ASSAY_FORMAT,
                                   "models[%zu] is not an object", i);
    }
    return ASSAY_OK;
}

void assay__zoo_page_name(const json_t *model, char name[40])
{
    (void)snprintf(name, 40, "%lld.html",
                   (long long)json_integer_value(json_object_get(model, "id")));
}

void assay__zoo_head(const json_t *doc, const char *title, const char *rules,
                     struct assay__buf *b)
{
    const char *const css[] = {(const char *)assay__style_css,
                               (const char *)assay__zoo_css, rules, NULL};

    assay__page_head(b, json_object_get(doc, "tool"), title, css);
}

/* By dataset, those without last; then by falling accuracy, then number. */
static int in_order(const void *a, const void *b)
{
    const json_t *x = *(const json_t *const *)a;
    const json_t *y = *(const json_t *const *)b;
    const char *s = assay__field_text(x, "dataset");
    const char *t = assay__field_text(y, "dataset");
    double u = assay__field_number(x, "test_accuracy");
    double v = assay__field_number(y, "test_accuracy");
    json_int_t i = json_integer_value(json_object_get(x, "id"));
    json_int_t k = json_integer_value(json_object_get(y, "id"));

    if (strcmp(s, t) != 0)
        return *s == '\0'              ? 1
               : *t == '\0'            ? -1
               : strcasecmp(s, t) != 0 ? strcasecmp(s, t)
                                       : strcmp(s, t);
    u = isnan(u) ? -1 : u;
    v = isnan(v) ? -1 : v;
    if (u < v || u > v)
        return u > v ? -1 : 1;
    return i < k ? -1 : i > k;
}

/* Class of the model in the filter; VALUES_MAX for those not told apart. */
static size_t class_of(const struct filter *f, const json_t *model)
{
    const char *value = assay__field_text(model, f->key);
    size_t i;

    for (i = 0; i < f->n; i++) {
        if (strcmp(f->value[i], value) == 0)
            return i;
    }
    return VALUES_MAX;
}

static void find_values(struct filter *f, const json_t *models)
{
    size_t i;

    for (i = 0; i < json_array_size(models) && f->n < VALUES_MAX; i++) {
        const json_t *model = json_array_get(models, i);

        if (class_of(f, model) == VALUES_MAX)
            f->value[f->n++] = assay__field_text(model, f->key);
    }
}

/* For each box: rows of its class go when it is not checked. */
static void put_rules(const struct filter *filter, struct assay__buf *b)
{
    size_t k;
    size_t i;

    for (k = 0; k < FILTERS; k++) {
        const char *p = filter[k].prefix;

        for (i = 0; i < filter[k].n; i++)
            assay__buf_printf(
                b,
                "#%s%zu:not(:checked) ~ .page tr.%s%zu { display: none; }\n"
                "#%s%zu:checked ~ .filters label[for=%s%zu] { color: "
                "var(--ink); text-decoration: none; }\n"
                "#%s%zu:focus-visible ~ .filters label[for=%s%zu] { outline: "
                "2px solid var(--accent); }\n",
                p, i, p, i, p, i, p, i, p, i, p, i);
    }
}

/* The boxes, which stand before what they rule, and their labels. */
static void put_filters(const struct filter *filter, struct assay__buf *b)
{
    size_t k;
    size_t i;

    for (k = 0; k < FILTERS; k++)
        for (i = 0; i < filter[k].n; i++)
            assay__buf_printf(b,
                              "<input class=\"filter\" type=\"checkbox\" "
                              "checked id=\"%s%zu\">\n",
                              filter[k].prefix, i);
    assay__buf_puts(b, "<div class=\"filters\">\n");
    for (k = 0; k < FILTERS; k++) {
        assay__html(b, "<div><b>%s</b>\n", filter[k].title);
        for (i = 0; i < filter[k].n; i++) {
            assay__buf_printf(b, "<label for=\"%s%zu\">", filter[k].prefix, i);
            assay__html(b, "%s</label>\n",
                        *filter[k].value[i] != '\0' ? filter[k].value[i]
                                                    : "not stated");
        }
        assay__buf_puts(b, "</div>\n");
    }
    assay__buf_puts(b, "</div>\n");
}

static void put_head(const json_t *doc, const struct filter *filter,
                     struct assay__buf *b)
{
    struct assay__buf rules = ASSAY__BUF_INIT;

    put_rules(filter, &rules);
    if (rules.failed)
        b->failed = true;
    else
        assay__zoo_head(doc, "Zoo of models", rules.data, b);
    assay__buf_release(&rules);
}

static void put_number(const json_t *model, const char *key,
                       struct assay__buf *b)
{
    double x = assay__field_number(model, key);

    assay__html(b, "<td class=\"n\">%s</td>", assay__number_fixed(x, 3).s);
}

static void put_row(const struct filter *filter, const json_t *model,
                    struct assay__buf *b)
{
    const json_t *year = json_object_get(model, "year");
    char page[40];
    size_t k;

    assay__buf_puts(b, "<tr class=\"");
    for (k = 0; k < FILTERS; k++)
        assay__buf_printf(b, "%s%zu ", filter[k].prefix,
                          class_of(&filter[k], model));
    assay__zoo_page_name(model, page);
    assay__html(b,
                "\"><th scope=\"row\"><a href=\"models/%s\">%s</a></th>"
                "<td>%s</td><td class=\"n\">",
                page, assay__field_text(model, "name"),
                assay__field_text(model, "family"));
    if (json_is_integer(year))
        assay__buf_printf(b, "%lld", (long long)json_integer_value(year));
    assay__buf_puts(b, "</td>");
    put_number(model, "test_accuracy", b);
    put_number(model, "robust_accuracy", b);
    put_number(model, "steal_accuracy", b);
    put_number(model, "mia_mentropy_auc", b);
    assay__html(b, "<td>%s</td></tr>\n", assay__field_text(model, "source"));
}

static void put_section(const struct filter *filter, const json_t **model,
                        size_t n, size_t section, struct assay__buf *b)
{
    const char *name = assay__field_text(model[0], "dataset");
    size_t i;

    assay__buf_printf(b, "<section id=\"d%zu\">\n", section);
    assay__html(b,
                "<h2>%s</h2>\n<div class=\"scroll\"><table class=\"models\">"
                "<caption>%zu models</caption>\n<thead><tr>"
                "<th scope=\"col\">Model</th><th scope=\"col\">Family</th>"
                "<th scope=\"col\" class=\"n\">Year</th>"
                "<th scope=\"col\" class=\"n\">Test accuracy</th>"
                "<th scope=\"col\" class=\"n\">Robust accuracy</th>"
                "<th scope=\"col\" class=\"n\">Stolen copy</th>"
                "<th scope=\"col\" class=\"n\">Membership AUC</th>"
                "<th scope=\"col\">Source</th></tr></thead>\n<tbody>\n",
                *name != '\0' ? name : "No dataset", n);
    for (i = 0; i < n; i++)
        put_row(filter, model[i], b);
    assay__buf_puts(b, "</tbody></table></div>\n</section>\n");
}

/* How many from `first` on are of one dataset. */
static size_t same_dataset(const json_t **model, size_t first, size_t n)
{
    const char *name = assay__field_text(model[first], "dataset");
    size_t i = first;

    while (i < n && strcmp(assay__field_text(model[i], "dataset"), name) == 0)
        i++;
    return i - first;
}

static void put_body(const struct filter *filter, const json_t **model,
                     size_t n, struct assay__buf *b)
{
    size_t section = 0;
    size_t i;
    size_t m;

    assay__buf_puts(b, "<div class=\"page\">\n<nav class=\"contents\" "
                       "aria-label=\"Datasets\">\n<ul>\n");
    for (i = 0; i < n; i += m) {
        const char *name = assay__field_text(model[i], "dataset");

        m = same_dataset(model, i, n);
        assay__buf_printf(b, "<li><a href=\"#d%zu\">", section++);
        assay__html(b, "%s (%zu)</a></li>\n",
                    *name != '\0' ? name : "No dataset", m);
    }
    assay__buf_puts(b, "</ul>\n</nav>\n<main>\n");
    section = 0;
    for (i = 0; i < n; i += m) {
        m = same_dataset(model, i, n);
        put_section(filter, model + i, m, section++, b);
    }
    assay__buf_puts(b, "</main>\n</div>\n");
}

void assay__zoo_index_write(const json_t *doc, struct assay__buf *b)
{
    struct filter filter[FILTERS] = {
        {.key = "purpose", .title = "Purpose", .prefix = "pu-"},
        {.key = "source", .title = "Source", .prefix = "so-"},
    };
    const json_t *models = json_object_get(doc, "models");
    size_t n = json_array_size(models);
    const json_t **model = assay__calloc(n, sizeof(*model));
    size_t i;

    if (model == NULL) {
        b->failed = true;
        return;
    }
    for (i = 0; i < n; i++)
        model[i] = json_array_get(models, i);
    if (n > 0)
        qsort(model, n, sizeof(*model), in_order);
    for (i = 0; i < FILTERS; i++)
        find_values(&filter[i], models);
    put_head(doc, filter, b);
    assay__html(b,
                "<header class=\"masthead\">\n<p class=\"brand\"><b>Assay</b> "
                "zoo</p>\n<h1>%zu models</h1>\n<p class=\"meta\">What is known "
                "of them, by dataset; a model's page says from where.</p>\n"
                "</header>\n",
                n);
    put_filters(filter, b);
    put_body(filter, model, n, b);
    assay__buf_puts(b, "<footer>All numbers of this page are in zoo.json "
                       "beside it. Missing numbers are dashes, never zeros."
                       "</footer>\n</body>\n</html>\n");
    assay__free(model);
}
