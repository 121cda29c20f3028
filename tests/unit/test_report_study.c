/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The page of a study: the golden study gives the golden bytes, text is
 * escaped, documents that are malformed or nearly empty are lived with.
 *
 * The golden page is tests/golden/study-small/study.html; after an intended
 * change:
 *
 *     ASSAY_GOLDEN_UPDATE=1 ctest --preset dev -R test_report_study
 */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "assay/report.h"
#include "check.h"
#include "core/fs.h"
#include "core/mem.h"
#include "report/study_view.h"

enum { MAX_FILE = 4 << 20 };

static const char *source(const char *name)
{
    static char path[1024];
    const char *root = getenv("ASSAY_SOURCE");

    if (!root)
        SKIP("ASSAY_SOURCE is not set");
    snprintf(path, sizeof path, "%s/tests/golden/study-small/%s", root, name);
    return path;
}

/* The whole file as text, to be freed. */
static char *slurp(const char *path)
{
    struct assay_error err = {0};
    unsigned char *data = NULL;
    size_t size = 0;

    CHECK_OK(assay__read_file(path, MAX_FILE, &data, &size, &err), err);
    return (char *)data;
}

/* A folder with these two files; NULL leaves one out. */
static const char *folder_with(const char *name, const char *study,
                               const char *timings)
{
    const char *dir = check_temp_path(name);
    struct assay_error err = {0};
    char path[1024];

    CHECK_OK(assay__make_dir(dir, &err), err);
    snprintf(path, sizeof path, "%s/study.json", dir);
    check_write_file(path, study, strlen(study));
    snprintf(path, sizeof path, "%s/timings.json", dir);
    if (timings)
        check_write_file(path, timings, strlen(timings));
    return dir;
}

static char *page_of(const char *dir)
{
    struct assay_error err = {0};
    char path[1024];

    CHECK_OK(assay_study_report_write(dir, NULL, &err), err);
    snprintf(path, sizeof path, "%s/study.html", dir);
    return slurp(path);
}

static void test_golden_study_gives_golden_page(void)
{
    char *study = slurp(source("study.json"));
    char *timings = slurp(source("timings.json"));
    char *page = page_of(folder_with("golden", study, timings));
    char *wanted;

    if (getenv("ASSAY_GOLDEN_UPDATE"))
        check_write_file(source("study.html"), page, strlen(page));
    wanted = slurp(source("study.html"));
    CHECK(strcmp(page, wanted) == 0);
    assay__free(study);
    assay__free(timings);
    assay__free(page);
    assay__free(wanted);
}

static void test_page_is_self_contained_and_escaped(void)
{
    char *study = slurp(source("study.json"));
    char *page = page_of(folder_with("escaped", study, NULL));

    CHECK(strstr(page, "Two sets &amp; three networks") != NULL);
    CHECK(strstr(page, "the disk &lt;is&gt; full") != NULL);
    CHECK(strstr(page, "<is>") == NULL);
    CHECK(strstr(page, "http://") == NULL && strstr(page, "https://") == NULL);
    CHECK(strstr(page, "<script") == NULL);
    CHECK(strstr(page, "default-src 'none'") != NULL);
    CHECK(strstr(page, "No times are known.") != NULL);
    CHECK(strstr(page, "at least 4 are needed") != NULL);
    assay__free(study);
    assay__free(page);
}

static void test_means_are_found(void)
{
    struct assay_error err = {0};
    struct assay__study_view view;
    struct assay__study_place at = {"fashion", "vgg19", "none"};
    struct assay__moments m;
    char *study = slurp(source("study.json"));
    const char *dir = folder_with("means", study, NULL);

    CHECK_OK(assay__study_view_open(&view, dir, &err), err);
    CHECK_STR_EQ(view.plain, "none");
    /* Gap .1 + .035, and .01 more for the second seed; not the sweep's. */
    m = assay__study_moments(&view, &at, "target", "gap");
    CHECK_NEAR(m.mean, 0.14, 1e-12);
    CHECK_NEAR(m.sd, 0.01 / sqrt(2), 1e-12);
    CHECK_UINT_EQ(m.interval.n, 2);
    CHECK_STR_EQ(assay__moments_text(&m, "gap").s, "0.140 \xc2\xb1 0.007");
    at.dataset = "nowhere";
    m = assay__study_moments(&view, &at, "target", "gap");
    CHECK(isnan(m.mean) && isnan(m.baseline));
    CHECK_UINT_EQ(m.interval.n, 0);
    assay__study_view_release(&view);
    assay__free(study);
}

static void test_empty_study_has_a_page(void)
{
    static const char study[] =
        "{\"schema\": \"assay-study/1\", \"grid\": {\"datasets\": [], "
        "\"architectures\": [], \"defenses\": [], \"seeds\": []}, "
        "\"attacks\": [], \"cells\": [], \"summary\": [], \"defenses\": [], "
        "\"correlations\": []}";
    char *page = page_of(folder_with("empty", study, "{}"));

    CHECK(strstr(page, "No attack has run.") != NULL);
    CHECK(strstr(page, "</html>") != NULL);
    assay__free(page);
}

/* Parts of the wrong kind are passed over: nothing is believed. */
static void test_odd_study_has_a_page(void)
{
    static const char study[] =
        "{\"schema\": \"assay-study/1\", \"grid\": {\"datasets\": [1, \"d\"], "
        "\"architectures\": [{}, \"a\"], \"defenses\": [null], "
        "\"seeds\": [\"x\"]}, \"attacks\": [3, {\"name\": \"x\", \"goal\": "
        "\"odd\", \"headline\": \"m\"}], \"cells\": [null, {\"attacks\": [7]}],"
        " \"summary\": [false, {\"mean\": \"much\"}], \"defenses\": [[]], "
        "\"correlations\": [{\"kind\": 3}]}";
    char *page = page_of(folder_with("odd", study, "[]"));

    CHECK(strstr(page, "</html>") != NULL);
    assay__free(page);
}

static void test_malformed_studies_are_refused(void)
{
    static const char *const studies[] = {
        "[]", "{}", "{\"schema\": \"assay-study/2\"}",
        "{\"schema\": \"assay-study/1\", \"attacks\": [], \"cells\": {}}",
        "{\"schema\": \"assay-study/1\", \"attacks\": [], \"cells\": [], "
        "\"summary\": [], \"defenses\": [], \"correlations\": []}"};
    struct assay_error err = {0};

    for (size_t i = 0; i < sizeof studies / sizeof *studies; i++)
        CHECK_FAILS(assay_study_report_write(
                        folder_with("malformed", studies[i], NULL), NULL, &err),
                    ASSAY_FORMAT, err);
    CHECK_FAILS(assay_study_report_write(check_temp_path("none"), NULL, &err),
                ASSAY_IO, err);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_golden_study_gives_golden_page),
    CHECK_TEST(test_page_is_self_contained_and_escaped),
    CHECK_TEST(test_means_are_found),
    CHECK_TEST(test_empty_study_has_a_page),
    CHECK_TEST(test_odd_study_has_a_page),
    CHECK_TEST(test_malformed_studies_are_refused),
};
CHECK_MAIN(tests)
