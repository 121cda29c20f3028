/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_REPORT_RUN_H
#define TEST_REPORT_RUN_H

/*
 * Run folders for tests of the report: copies of tests/golden/run-small, and
 * folders that hold one document; and their page and summary as text.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "assay/report.h"
#include "check.h"
#include "core/fs.h"
#include "core/json.h"
#include "core/mem.h"

enum { MAX_FILE = 24 << 20 };

/* As CHECK_STR_HAS, without printing a whole page when it fails. */
#define CHECK_PAGE_HAS(page, part) CHECK(strstr(page, part) != NULL)

static inline const char *source(const char *name)
{
    static char path[1024];
    const char *root = getenv("ASSAY_SOURCE");

    if (!root)
        SKIP("ASSAY_SOURCE is not set");
    snprintf(path, sizeof path, "%s/tests/golden/run-small/%s", root, name);
    return path;
}

/* The whole file as text, to be freed. */
static inline char *slurp(const char *path)
{
    struct assay_error err = {0};
    unsigned char *data = NULL;
    size_t size = 0;

    CHECK_OK(assay__read_file(path, MAX_FILE, &data, &size, &err), err);
    return (char *)data;
}

static inline void copy(const char *run, const char *name)
{
    struct assay_error err = {0};
    unsigned char *data = NULL;
    char path[1024];
    size_t size = 0;

    CHECK_OK(assay__read_file(source(name), MAX_FILE, &data, &size, &err), err);
    snprintf(path, sizeof path, "%s/%s", run, name);
    check_write_file(path, data, size);
    assay__free(data);
}

/* A fresh copy of the golden run; the text stays valid for a while. */
static inline const char *golden_run(const char *name)
{
    static const char *const files[] = {"findings.json",
                                        "manifest.json",
                                        "exposed/01.png",
                                        "exposed/02.png",
                                        "pictures/invert-fresh-0-0.png",
                                        "pictures/invert-gradient-0-0.png",
                                        "pictures/member-0-0.png",
                                        "pictures/member-1-0.png"};
    const char *run = check_temp_path(name);
    struct assay_error err = {0};
    char folder[1024];

    snprintf(folder, sizeof folder, "%s/exposed", run);
    CHECK_OK(assay__make_dir(folder, &err), err);
    snprintf(folder, sizeof folder, "%s/pictures", run);
    CHECK_OK(assay__make_dir(folder, &err), err);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        copy(run, files[i]);
    return run;
}

/* A run folder that holds `findings` and nothing else. */
static inline const char *run_with(const char *name, const char *findings)
{
    const char *run = check_temp_path(name);
    struct assay_error err = {0};
    char path[1024];

    CHECK_OK(assay__make_dir(run, &err), err);
    snprintf(path, sizeof path, "%s/findings.json", run);
    check_write_file(path, findings, strlen(findings));
    return run;
}

static inline char *page_of(const char *run)
{
    struct assay_error err = {0};
    char path[1024];

    CHECK_OK(assay_report_write(run, NULL, &err), err);
    snprintf(path, sizeof path, "%s/report.html", run);
    return slurp(path);
}

static inline char *summary_of(const char *run, int color, int width)
{
    const char *path = check_temp_path("summary.txt");
    struct assay_error err = {0};
    FILE *out = fopen(path, "wb");

    CHECK(out != NULL);
    CHECK_OK(assay_report_terminal(run, out, color, width, &err), err);
    CHECK_INT_EQ(fclose(out), 0);
    return slurp(path);
}

/* The golden run, but its negative control fails `attack`. */
static inline const char *discredit(const char *name, const char *attack)
{
    const char *run = golden_run(name);
    struct assay_error err = {0};
    char path[1024];
    const json_t *results;
    json_t *doc = NULL;

    snprintf(path, sizeof path, "%s/findings.json", run);
    CHECK_OK(assay__json_read(path, MAX_FILE, &doc, &err), err);
    results = json_object_get(
        json_array_get(json_object_get(doc, "controls"), 0), "results");
    for (size_t i = 0; i < json_array_size(results); i++) {
        json_t *r = json_array_get(results, i);

        if (!strcmp(json_string_value(json_object_get(r, "attack")), attack))
            json_object_set_new(r, "passed", json_false());
    }
    CHECK_OK(assay__json_write(path, doc, &err), err);
    json_decref(doc);
    return run;
}

/* A document's keys without its attacks, and an attack's. */
#define HEAD                                                              \
    "\"schema\":\"assay-findings/1\",\"tool\":{\"name\":\"assay\","       \
    "\"version\":\"0\"},\"run\":{},\"model\":{\"name\":\"m\"},"           \
    "\"data\":{\"name\":\"d\"},\"policy\":{\"name\":\"p\",\"rules\":[]}," \
    "\"verdict\":{\"level\":\"inconclusive\",\"headline\":\"h\"}"
#define ATTACK                                              \
    "\"name\":\"a\",\"title\":\"A\",\"access\":\"oracle\"," \
    "\"auxiliary\":\"none\",\"status\":\"ran\""

#endif
