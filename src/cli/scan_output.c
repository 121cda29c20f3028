/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Results of assay scan (scan_output.h). Names in files are a stranger's
 * bytes: terminals get them without control characters, JSON as UTF-8.
 *
 * SARIF: each rule once, each reason a result. A place in a file is a region
 * by byte offset; a place in content within it is a logical location with
 * the offset as a property, since it has no offset in the file itself.
 */

#include "scan_output.h"

#include <string.h>

#include "assay/context.h"
#include "core/buf.h"
#include "core/json.h"
#include "core/mem.h"
#include "core/printable.h"

enum assay_severity assay__scanned_verdict(const struct assay__scanned *s)
{
    return s->code != ASSAY_OK ? ASSAY_SEVERITY_UNREADABLE : s->scan.verdict;
}

static void print_text(FILE *out, const char *text)
{
    char *copy = assay__strdup(text);

    if (copy == NULL) {
        fputs("(no memory)", out);
        return;
    }
    assay__make_printable(copy);
    fputs(copy, out);
    assay__free(copy);
}

static const char *color_of(enum assay_severity severity)
{
    static const char *const colors[] = {"\033[32m", "\033[33m", "\033[33m",
                                         "\033[31m"};

    return colors[severity];
}

static void print_reason(FILE *out, const struct assay_scan_reason *r)
{
    fprintf(out, "  %-10s  %s", assay_severity_name(r->rule->severity),
            r->rule->id);
    if (r->what != NULL) {
        fputs("  ", out);
        print_text(out, r->what);
    }
    fprintf(out, "\n              ");
    if (r->member != NULL) {
        print_text(out, r->member);
        fputs(", ", out);
    }
    fprintf(out, "byte %llu: ", (unsigned long long)r->offset);
    print_text(out, r->why);
    fputc('\n', out);
}

void assay__scan_print(FILE *out, const struct assay__scanned *s, size_t n,
                       int quiet, int color)
{
    size_t i, k;

    for (i = 0; i < n; i++) {
        enum assay_severity verdict = assay__scanned_verdict(&s[i]);

        if (quiet && verdict == ASSAY_SEVERITY_CLEAN)
            continue;
        fprintf(out, "%s%-10s%s  ", color ? color_of(verdict) : "",
                assay_severity_name(verdict), color ? "\033[0m" : "");
        print_text(out, s[i].path);
        if (s[i].code != ASSAY_OK) {
            fputs("\n  ", out);
            print_text(out, s[i].err.msg);
            fputc('\n', out);
            continue;
        }
        fprintf(out, "  (%s)\n", s[i].scan.kind);
        for (k = 0; k < s[i].scan.n_reasons; k++)
            print_reason(out, &s[i].scan.reason[k]);
        if (s[i].scan.n_more > 0)
            fprintf(out, "  and %zu reasons more\n", s[i].scan.n_more);
    }
}

static json_t *text_or_null(const char *text)
{
    return text != NULL ? assay__json_string(text) : json_null();
}

static json_t *tool_json(void)
{
    return json_pack("{s:s, s:s}", "name", "assay", "version", assay_version());
}

static json_t *reasons_json(const struct assay_scan *scan)
{
    json_t *list = json_array();
    size_t i;

    for (i = 0; i < scan->n_reasons && list != NULL; i++) {
        const struct assay_scan_reason *r = &scan->reason[i];
        json_t *one = json_pack(
            "{s:s, s:s, s:I, s:o, s:o, s:o}", "rule", r->rule->id, "severity",
            assay_severity_name(r->rule->severity), "offset",
            (json_int_t)r->offset, "member", text_or_null(r->member), "what",
            text_or_null(r->what), "why", assay__json_string(r->why));

        if (json_array_append_new(list, one) != 0) {
            json_decref(list);
            list = NULL;
        }
    }
    return list;
}

static json_t *file_json(const struct assay__scanned *s)
{
    const char *verdict = assay_severity_name(assay__scanned_verdict(s));

    if (s->code != ASSAY_OK)
        return json_pack("{s:o, s:n, s:s, s:[], s:i, s:o}", "path",
                         assay__json_string(s->path), "kind", "verdict",
                         verdict, "reasons", "more", 0, "error",
                         assay__json_string(s->err.msg));
    return json_pack("{s:o, s:s, s:s, s:o, s:I, s:n}", "path",
                     assay__json_string(s->path), "kind", s->scan.kind,
                     "verdict", verdict, "reasons", reasons_json(&s->scan),
                     "more", (json_int_t)s->scan.n_more, "error");
}

json_t *assay__scan_json(const struct assay__scanned *s, size_t n)
{
    enum assay_severity worst = ASSAY_SEVERITY_CLEAN;
    json_t *files = json_array();
    size_t i;

    for (i = 0; i < n && files != NULL; i++) {
        enum assay_severity verdict = assay__scanned_verdict(&s[i]);

        if (verdict > worst)
            worst = verdict;
        if (json_array_append_new(files, file_json(&s[i])) != 0) {
            json_decref(files);
            files = NULL;
        }
    }
    return json_pack("{s:s, s:o, s:s, s:o}", "schema", "assay-scan/1", "tool",
                     tool_json(), "verdict", assay_severity_name(worst),
                     "files", files);
}

static const char *level_of(enum assay_severity severity)
{
    static const char *const levels[] = {"none", "note", "warning", "error"};

    return levels[severity];
}

static json_t *rules_sarif(void)
{
    json_t *list = json_array();
    size_t n = 0;
    const struct assay_scan_rule *rule = assay_scan_rules(&n);
    size_t i;

    for (i = 0; i < n && list != NULL; i++) {
        json_t *one = json_pack("{s:s, s:{s:s}, s:{s:s}}", "id", rule[i].id,
                                "shortDescription", "text", rule[i].about,
                                "defaultConfiguration", "level",
                                level_of(rule[i].severity));

        if (json_array_append_new(list, one) != 0) {
            json_decref(list);
            list = NULL;
        }
    }
    return list;
}

/* A path as a URI reference (RFC 3986). NULL: out of memory. */
static json_t *uri(const char *path)
{
    static const char plain[] = "-._~/ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                "abcdefghijklmnopqrstuvwxyz0123456789";
    struct assay__buf b = ASSAY__BUF_INIT;
    json_t *value;

    assay__buf_puts(&b, path[0] == '/' ? "file://" : "");
    for (; *path != '\0'; path++) {
        if (strchr(plain, *path) != NULL)
            assay__buf_add(&b, path, 1);
        else
            assay__buf_printf(&b, "%%%02X", (unsigned char)*path);
    }
    value = b.failed ? NULL : json_string(b.data);
    assay__buf_release(&b);
    return value;
}

static json_t *location_sarif(const char *path,
                              const struct assay_scan_reason *r)
{
    json_t *physical =
        json_pack("{s:{s:o}}", "artifactLocation", "uri", uri(path));

    if (physical == NULL)
        return NULL;
    if (r == NULL)
        return json_pack("{s:o}", "physicalLocation", physical);
    if (r->member == NULL) {
        if (json_object_set_new(physical, "region",
                                json_pack("{s:I, s:i}", "byteOffset",
                                          (json_int_t)r->offset, "byteLength",
                                          1)) != 0) {
            json_decref(physical);
            return NULL;
        }
        return json_pack("{s:o}", "physicalLocation", physical);
    }
    return json_pack("{s:o, s:[{s:o, s:s}], s:{s:I}}", "physicalLocation",
                     physical, "logicalLocations", "fullyQualifiedName",
                     assay__json_string(r->member), "kind", "member",
                     "properties", "memberOffset", (json_int_t)r->offset);
}

static json_t *result_sarif(const char *path, const struct assay_scan_reason *r)
{
    size_t n = 0;
    const struct assay_scan_rule *rule = assay_scan_rules(&n);
    char *text = r->what != NULL ? assay__format("%s: %s", r->what, r->why)
                                 : assay__strdup(r->why);
    json_t *value = NULL;

    if (text != NULL)
        value = json_pack(
            "{s:s, s:I, s:s, s:{s:o}, s:[o]}", "ruleId", r->rule->id,
            "ruleIndex", (json_int_t)(r->rule - rule), "level",
            level_of(r->rule->severity), "message", "text",
            assay__json_string(text), "locations", location_sarif(path, r));
    assay__free(text);
    return value;
}

/* Files that could not be read are told as the tool's notifications. */
static json_t *notification_sarif(const struct assay__scanned *s)
{
    return json_pack("{s:s, s:{s:o}, s:[o]}", "level", "error", "message",
                     "text", assay__json_string(s->err.msg), "locations",
                     location_sarif(s->path, NULL));
}

json_t *assay__scan_sarif(const struct assay__scanned *s, size_t n)
{
    json_t *results = json_array();
    json_t *notifications = json_array();
    int failed = results == NULL || notifications == NULL;
    int read_all = 1;
    size_t i, k;

    for (i = 0; i < n && !failed; i++) {
        if (s[i].code != ASSAY_OK) {
            failed = json_array_append_new(notifications,
                                           notification_sarif(&s[i])) != 0;
            read_all = 0;
            continue;
        }
        for (k = 0; k < s[i].scan.n_reasons && !failed; k++)
            failed = json_array_append_new(
                         results,
                         result_sarif(s[i].path, &s[i].scan.reason[k])) != 0;
    }
    if (failed) {
        json_decref(results);
        json_decref(notifications);
        return NULL;
    }
    return json_pack(
        "{s:s, s:s, s:[{s:{s:{s:s, s:s, s:o}}, s:[{s:b, s:o}], s:o}]}",
        "$schema", "https://json.schemastore.org/sarif-2.1.0.json", "version",
        "2.1.0", "runs", "tool", "driver", "name", "assay", "version",
        assay_version(), "rules", rules_sarif(), "invocations",
        "executionSuccessful", read_all, "toolExecutionNotifications",
        notifications, "results", results);
}
