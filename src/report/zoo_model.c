/* SPDX-License-Identifier: Apache-2.0 */
/* The page of one model of a zoo: facts with their provenance, files, what
 * audits found. */

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "report/html.h"
#include "report/number.h"
#include "report/zoo_view.h"

/* A value as it is: text, a whole number, six digits, a dash. */
static void put_value(const json_t *value, struct assay__buf *b)
{
    if (json_is_string(value))
        assay__html_text(b, json_string_value(value));
    else if (json_is_integer(value))
        assay__buf_printf(b, "%lld", (long long)json_integer_value(value));
    else if (json_is_real(value))
        assay__buf_printf(b, "%.6g", json_real_value(value));
    else
        assay__buf_puts(b, "&ndash;");
}

/* A link only where a browser goes by http. */
static void put_link(const char *url, struct assay__buf *b)
{
    if (strncasecmp(url, "https://", 8) == 0 ||
        strncasecmp(url, "http://", 7) == 0)
        assay__html(b, "<a href=\"%s\" rel=\"noreferrer\">%s</a>", url, url);
    else
        assay__html(b, "%s", url);
}

static void begin_table(const char *id, const char *title,
                        const char *const *column, struct assay__buf *b)
{
    assay__html(b,
                "<section id=\"%s\">\n<h2>%s</h2>\n<div class=\"scroll\">"
                "<table class=\"facts-table\"><thead><tr>",
                id, title);
    for (; *column != NULL; column++)
        assay__html(b, "<th scope=\"col\">%s</th>", *column);
    assay__buf_puts(b, "</tr></thead>\n<tbody>\n");
}

static void end_table(struct assay__buf *b)
{
    assay__buf_puts(b, "</tbody></table></div>\n</section>\n");
}

/* Whether the source's text is the value that stands beside it. */
static bool is_same(const json_t *value, const char *raw)
{
    char *end;
    double x;

    if (json_is_string(value))
        return strcmp(json_string_value(value), raw) == 0;
    if (!json_is_number(value))
        return false;
    x = strtod(raw, &end);
    return *end == '\0' && fabs(x - json_number_value(value)) <= 0;
}

static void put_fact(const json_t *fact, struct assay__buf *b)
{
    const char *name = assay__field_text(fact, "name");
    const json_t *value = json_object_get(fact, "value");
    const char *raw = assay__field_text(fact, "raw");
    char day[16];

    assay__html(b, "<tr><th scope=\"row\">%s</th><td>", name);
    if (json_is_string(value) && strstr(name, "url") != NULL)
        put_link(json_string_value(value), b);
    else
        put_value(value, b);
    assay__html(b, "</td><td class=\"short\">%s</td><td>%s</td>",
                assay__field_text(fact, "unit"),
                is_same(value, raw) ? "" : raw);
    (void)snprintf(day, sizeof(day), "%.10s",
                   assay__field_text(fact, "recorded_at"));
    assay__html(b,
                "<td class=\"short\">%s</td><td class=\"short\">%s</td>"
                "<td>%s</td></tr>\n",
                assay__field_text(fact, "source"), day,
                assay__field_text(fact, "note"));
}

static void put_facts(const json_t *model, struct assay__buf *b)
{
    static const char *const columns[] = {"Fact",          "Value",  "Unit",
                                          "In the source", "Source", "Taken in",
                                          "Note",          NULL};
    const json_t *facts = json_object_get(model, "facts");
    size_t i;

    begin_table("facts", "Facts", columns, b);
    for (i = 0; i < json_array_size(facts); i++)
        put_fact(json_array_get(facts, i), b);
    end_table(b);
}

static void put_files(const json_t *model, struct assay__buf *b)
{
    static const char *const columns[] = {"Link", "Format", "Bytes", "SHA-256",
                                          NULL};
    const json_t *files = json_object_get(model, "files");
    size_t i;

    if (json_array_size(files) == 0)
        return;
    begin_table("files", "Files", columns, b);
    for (i = 0; i < json_array_size(files); i++) {
        const json_t *file = json_array_get(files, i);

        assay__buf_puts(b, "<tr><td>");
        put_link(assay__field_text(file, "url"), b);
        assay__html(b, "</td><td>%s</td><td class=\"n\">",
                    assay__field_text(file, "format"));
        put_value(json_object_get(file, "size_bytes"), b);
        assay__html(b, "</td><td class=\"hash\">%s</td></tr>\n",
                    assay__field_text(file, "sha256"));
    }
    end_table(b);
}

static void put_findings(const json_t *model, struct assay__buf *b)
{
    static const char *const columns[] = {
        "Run", "Attack", "Metric", "Value", "Interval", "n", NULL};
    const json_t *findings = json_object_get(model, "findings");
    size_t i;

    if (json_array_size(findings) == 0)
        return;
    begin_table("findings", "Findings of audits", columns, b);
    for (i = 0; i < json_array_size(findings); i++) {
        const json_t *f = json_array_get(findings, i);
        struct assay_estimate e = {assay__field_number(f, "value"),
                                   assay__field_number(f, "low"),
                                   assay__field_number(f, "high"), 0};

        assay__buf_puts(b, "<tr><td>");
        put_value(json_object_get(f, "run"), b);
        assay__html(b,
                    "</td><td>%s</td><td>%s</td><td class=\"n\">%s</td>"
                    "<td class=\"n\">%s</td><td class=\"n\">",
                    assay__field_text(f, "attack"),
                    assay__field_text(f, "metric"),
                    assay__number_plain(e.value).s,
                    assay__number_interval(&e, ASSAY__NUMBER_PLAIN).s);
        put_value(json_object_get(f, "n"), b);
        assay__buf_puts(b, "</td></tr>\n");
    }
    end_table(b);
}

void assay__zoo_model_write(const json_t *doc, const json_t *model,
                            struct assay__buf *b)
{
    const char *name = assay__field_text(model, "name");
    const char *dataset = assay__field_text(model, "dataset");

    assay__zoo_head(doc, name, NULL, b);
    assay__html(b,
                "<header class=\"masthead\">\n<p class=\"brand\"><b>Assay</b> "
                "<a href=\"../index.html\">zoo</a></p>\n<h1>%s</h1>\n"
                "<p class=\"meta\">%s%s%s <span>from %s</span></p>\n"
                "</header>\n<div class=\"page\">\n"
                "<nav class=\"contents\" aria-label=\"Contents\"><ul>\n"
                "<li><a href=\"#facts\">Facts</a></li>\n",
                name, assay__field_text(model, "architecture"),
                *dataset != '\0' ? " on " : "", dataset,
                assay__field_text(model, "source"));
    if (json_array_size(json_object_get(model, "files")) > 0)
        assay__buf_puts(b, "<li><a href=\"#files\">Files</a></li>\n");
    if (json_array_size(json_object_get(model, "findings")) > 0)
        assay__buf_puts(b, "<li><a href=\"#findings\">Findings</a></li>\n");
    assay__buf_puts(b, "</ul></nav>\n<main>\n");
    put_facts(model, b);
    put_files(model, b);
    put_findings(model, b);
    assay__buf_puts(b, "</main>\n</div>\n<footer>What a source writes for "
                       "missing is a dash here, with its text and the reason "
                       "beside it.</footer>\n</body>\n</html>\n");
}
