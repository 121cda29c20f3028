/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The frame: head with a policy that forbids the page to load or run
 * anything, masthead, contents, and the sections in order.
 */

#include "report/page.h"

#include <string.h>

#include "report/html.h"
#include "report/sections.h"

/* Which sections a document has. */
enum when {
    ALWAYS,
    WHEN_MEMBERSHIP, /* also when no attack applied at all, to say so */
    WHEN_ATTRIBUTE,
    WHEN_STEALING,
    WHEN_INVERSION,
    WHEN_TRUST,
    WHEN_CURVES, /* unless it is known that nothing was trained */
    UNLESS_TRUST_ALONE
};

static const struct section {
    const char *id;
    const char *title;
    enum when when;
    void (*write)(const struct assay__view *view, struct assay__buf *b);
} sections[] = {
    {"policy", "Policy", ALWAYS, assay__section_policy},
    {"scope", "What was measured", ALWAYS, assay__section_scope},
    {"attacks", "Membership inference", WHEN_MEMBERSHIP,
     assay__section_attacks},
    {"roc", "ROC curves", WHEN_MEMBERSHIP, assay__section_roc},
    {"scores", "Scores", WHEN_MEMBERSHIP, assay__section_scores},
    {"exposed", "Most exposed records", WHEN_MEMBERSHIP,
     assay__section_exposed},
    {"attribute", "Attribute inference", WHEN_ATTRIBUTE,
     assay__section_attribute},
    {"inversion", "Model inversion", WHEN_INVERSION, assay__section_inversion},
    {"stealing", "Model stealing", WHEN_STEALING, assay__section_stealing},
    {"trust", "Can one build on it?", WHEN_TRUST, assay__section_trust},
    {"training", "Training", WHEN_CURVES, assay__section_training},
    {"controls", "Controls", UNLESS_TRUST_ALONE, assay__section_controls},
    {"advice", "What to do", ALWAYS, assay__section_advice},
    {"reproduce", "How to reproduce", ALWAYS, assay__section_reproduce},
    {"taxonomy", "Taxonomy", ALWAYS, assay__section_taxonomy},
    {"limits", "Limits", ALWAYS, assay__section_limits},
    {"glossary", "Glossary", ALWAYS, assay__section_glossary},
};

enum { N_SECTIONS = sizeof sections / sizeof *sections };

static bool is_wanted(const struct section *s, const struct assay__view *view)
{
    switch (s->when) {
    case WHEN_MEMBERSHIP:
        return view->n_of[ASSAY__GOAL_MEMBERSHIP] ||
               (!view->n_attacks && !assay__view_has_trust(view));
    case WHEN_ATTRIBUTE:
        return view->n_of[ASSAY__GOAL_ATTRIBUTE];
    case WHEN_STEALING:
        return view->n_of[ASSAY__GOAL_STEALING];
    case WHEN_INVERSION:
        return view->n_of[ASSAY__GOAL_INVERSION];
    case WHEN_TRUST:
        return assay__view_has_trust(view);
    case WHEN_CURVES:
        return !assay__view_trust_alone(view) ||
               json_array_size(json_object_get(view->doc, "curves"));
    case UNLESS_TRUST_ALONE:
        return !assay__view_trust_alone(view);
    case ALWAYS:
        break;
    }
    return true;
}

void assay__page_head(struct assay__buf *b, const json_t *tool,
                      const char *title, const char *const *css)
{
    assay__html(
        b,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n"
        "<meta charset=\"utf-8\">\n"
        "<meta http-equiv=\"Content-Security-Policy\" content=\""
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:\">\n"
        "<meta name=\"viewport\" content=\"width=device-width, "
        "initial-scale=1\">\n"
        "<meta name=\"color-scheme\" content=\"light dark\">\n"
        "<meta name=\"referrer\" content=\"no-referrer\">\n"
        "<meta name=\"generator\" content=\"%s %s\">\n"
        "<title>%s</title>\n<style>\n",
        assay__field_text(tool, "name"), assay__field_text(tool, "version"),
        title);
    for (; *css; css++)
        assay__buf_puts(b, *css);
    assay__buf_puts(b, "</style>\n</head>\n<body>\n");
}

static const char *kind_of(const struct assay__view *view)
{
    return assay__view_trust_alone(view) ? "audit" : "privacy audit";
}

static void put_head(const struct assay__view *view, struct assay__buf *b)
{
    const char *const css[] = {(const char *)assay__style_css, NULL};
    const json_t *model = json_object_get(view->doc, "model");
    struct assay__buf title = ASSAY__BUF_INIT;

    assay__buf_printf(&title, "%s: %s", assay__field_text(model, "name"),
                      kind_of(view));
    if (title.failed)
        b->failed = true;
    else
        assay__page_head(b, json_object_get(view->doc, "tool"), title.data,
                         css);
    assay__buf_release(&title);
}

/* "2026-07-01T09:41:27Z" as "2026-07-01 09:41 UTC"; all else as it is. */
static void put_time(struct assay__buf *b, const char *time)
{
    char text[] = "0000-00-00 00:00 UTC";

    if (strlen(time) == sizeof "0000-00-00T00:00:00Z" - 1 && time[10] == 'T' &&
        time[19] == 'Z') {
        memcpy(text, time, 10);
        memcpy(text + 11, time + 11, 5);
        time = text;
    }
    assay__html(b, " <span>%s</span>", time);
}

static void put_masthead(const struct assay__view *view, struct assay__buf *b)
{
    const json_t *model = json_object_get(view->doc, "model");
    const json_t *data = json_object_get(view->doc, "data");
    const json_t *tool = json_object_get(view->doc, "tool");
    const char *time = assay__field_text(view->manifest, "end");
    const char *arch = assay__field_text(model, "arch");

    assay__html(b,
                "<a class=\"skip\" href=\"#verdict\">To the verdict</a>\n"
                "<header class=\"masthead\">\n"
                "<p class=\"brand\"><b>Assay</b> %s</p>\n"
                "<h1>%s</h1>\n<p class=\"meta\">%s%s%s",
                kind_of(view), assay__field_text(model, "name"), arch,
                *arch ? " on " : "on ", assay__field_text(data, "name"));
    if (!*time) /* the first report is written before the run's end is */
        time = assay__field_text(view->manifest, "start");
    if (*time)
        put_time(b, time);
    assay__html(b, " <span>%s %s</span></p>\n</header>\n",
                assay__field_text(tool, "name"),
                assay__field_text(tool, "version"));
}

static void put_contents(const struct assay__view *view, struct assay__buf *b)
{
    assay__buf_puts(b, "<nav class=\"contents\" aria-label=\"Contents\">\n"
                       "<ul>\n<li><a href=\"#verdict\">Verdict</a></li>\n");
    for (size_t i = 0; i < N_SECTIONS; i++)
        if (is_wanted(&sections[i], view))
            assay__html(b, "<li><a href=\"#%s\">%s</a></li>\n", sections[i].id,
                        sections[i].title);
    assay__buf_puts(b, "</ul>\n</nav>\n");
}

void assay__page_write(const struct assay__view *view, struct assay__buf *b)
{
    put_head(view, b);
    put_masthead(view, b);
    assay__buf_puts(b, "<div class=\"page\">\n");
    put_contents(view, b);
    assay__buf_puts(b, "<main>\n");
    assay__section_verdict(view, b);
    for (size_t i = 0; i < N_SECTIONS; i++) {
        if (!is_wanted(&sections[i], view))
            continue;
        assay__html(b,
                    "<section id=\"%s\" aria-labelledby=\"%s-title\">\n"
                    "<h2 id=\"%s-title\">%s</h2>\n",
                    sections[i].id, sections[i].id, sections[i].id,
                    sections[i].title);
        sections[i].write(view, b);
        assay__buf_puts(b, "</section>\n");
    }
    assay__buf_puts(b, "</main>\n</div>\n<footer>All numbers of this page are "
                       "in findings.json beside it. Missing numbers are "
                       "dashes, never zeros.</footer>\n</body>\n</html>\n");
}
