/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every allocation of a report and of a summary fails once. A page that is
 * there then is the whole page: the one allocation that a page can do without
 * is for the sync of its folder (core/writer.c).
 */

#include <stdio.h>
#include <stdlib.h>

#include "assay/report.h"
#include "check.h"
#include "core/fs.h"
#include "core/mem.h"
#include "fail_alloc.h"

static const char *run_dir(void)
{
    static const char findings[] =
        "{\"schema\":\"assay-findings/1\",\"tool\":{\"name\":\"assay\","
        "\"version\":\"0\"},\"run\":{\"command\":[\"a b\"]},\"model\":"
        "{\"name\":\"m\"},\"data\":{\"name\":\"d\"},\"policy\":{\"name\":"
        "\"p\",\"rules\":[]},\"verdict\":{\"level\":\"pass\",\"headline\":"
        "\"h\"},\"attacks\":[{\"name\":\"a\",\"title\":\"A\",\"access\":"
        "\"black-box\",\"auxiliary\":\"none\",\"status\":\"ran\",\"roc\":"
        "[[0,0],[0.5,0.7],[1,1]]},{\"name\":\"b\",\"title\":\"B\","
        "\"access\":\"white-box\",\"auxiliary\":\"none\",\"status\":"
        "\"ran\",\"goal\":\"inversion\",\"classes\":[{\"class\":0,"
        "\"pictures\":[\"x.png\"]}]}],\"exposed\":[{\"image\":\"x.png\"}],"
        "\"trust\":{\"scan\":{\"verdict\":\"clean\",\"reasons\":[{\"rule\":"
        "\"r\"}]},\"detection\":{\"detectors\":[{\"name\":\"d\",\"title\":"
        "\"D\",\"subject\":\"model\",\"status\":\"ran\",\"per_class\":[1,2],"
        "\"picture\":\"x.png\",\"changes\":[{\"tensor\":\"w\"}]},{\"name\":"
        "\"e\",\"title\":\"E\",\"subject\":\"data\",\"status\":\"not run\","
        "\"why\":\"no\"}]},\"repairs\":{\"rows\":[{\"name\":\"f\",\"title\":"
        "\"F\",\"status\":\"ran\"}]}}}";
    const char *run = check_temp_path("run");
    struct assay_error err = {0};
    char path[1024];

    CHECK_OK(assay__make_dir(run, &err), err);
    snprintf(path, sizeof path, "%s/findings.json", run);
    check_write_file(path, findings, sizeof findings - 1);
    snprintf(path, sizeof path, "%s/x.png", run);
    check_write_file(path, "\x89PNG\r\n\x1a\n", 8);
    return run;
}

typedef int write_page(const char *dir, const struct assay_context *ctx,
                       struct assay_error *err);

/* What is at `path`, which is removed; the caller's. */
static unsigned char *take(const char *path, size_t *size)
{
    unsigned char *page = NULL;
    struct assay_error err = {0};

    CHECK_OK(assay__read_file(path, 1 << 20, &page, size, &err), err);
    CHECK_INT_EQ(remove(path), 0);
    return page;
}

static void walk(write_page *work, const char *dir, const char *name)
{
    struct assay_error err = {0};
    int survived = 0;
    char path[1024];
    unsigned char *whole;
    size_t size;

    snprintf(path, sizeof path, "%s/%s", dir, name);
    CHECK_OK(work(dir, NULL, &err), err);
    whole = take(path, &size);
    for (long n = 1; fail_alloc_next(n); n++) {
        int code = work(dir, NULL, &err);

        fail_alloc_off();
        CHECK(code == ASSAY_OK || (fail_alloc_hit() && code == ASSAY_NOMEM));
        if (code == ASSAY_OK) {
            size_t got;
            unsigned char *page = take(path, &got);

            CHECK_UINT_EQ(got, size);
            CHECK_MEM_EQ(page, whole, size);
            assay__free(page);
            survived += fail_alloc_hit();
        }
        CHECK(!assay__exists(path));
    }
    CHECK_INT_EQ(survived, 1);
    assay__free(whole);
}

static void test_page_survives_failing_allocations(void)
{
    walk(assay_report_write, run_dir(), "report.html");
}

static void test_study_survives_failing_allocations(void)
{
    static const char study[] =
        "{\"schema\":\"assay-study/1\",\"grid\":{\"datasets\":[\"d\"],"
        "\"architectures\":[\"a\"],\"defenses\":[{\"name\":\"none\","
        "\"kind\":\"none\"}],\"seeds\":[0]},\"attacks\":[{\"name\":\"target\","
        "\"goal\":\"utility\",\"headline\":\"gap\"},{\"name\":\"x\",\"goal\":"
        "\"membership\",\"headline\":\"auc\"}],\"cells\":[],\"summary\":[{"
        "\"dataset\":\"d\",\"architecture\":\"a\",\"defense\":\"none\","
        "\"attack\":\"x\",\"metric\":\"auc\",\"mean\":0.6}],\"defenses\":[],"
        "\"correlations\":[]}";
    static const char timings[] =
        "{\"schema\":\"assay-study-timings/1\",\"cells\":{\"c\":{"
        "\"seconds\":12,\"starts\":2}}}";
    const char *dir = check_temp_path("study");
    struct assay_error err = {0};
    char path[1024];

    CHECK_OK(assay__make_dir(dir, &err), err);
    snprintf(path, sizeof path, "%s/study.json", dir);
    check_write_file(path, study, sizeof study - 1);
    snprintf(path, sizeof path, "%s/timings.json", dir);
    check_write_file(path, timings, sizeof timings - 1);
    walk(assay_study_report_write, dir, "study.html");
}

static void test_summary_survives_failing_allocations(void)
{
    const char *run = run_dir();
    FILE *out = fopen("/dev/null", "wb");

    CHECK(out != NULL);
    for (long n = 1; fail_alloc_next(n); n++) {
        struct assay_error err = {0};
        int code = assay_report_terminal(run, out, 1, 80, &err);

        fail_alloc_off();
        CHECK_INT_EQ(code, fail_alloc_hit() ? ASSAY_NOMEM : ASSAY_OK);
    }
    fclose(out);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_page_survives_failing_allocations),
    CHECK_TEST(test_study_survives_failing_allocations),
    CHECK_TEST(test_summary_survives_failing_allocations),
};
CHECK_MAIN(tests)
