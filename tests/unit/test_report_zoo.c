/* SPDX-License-Identifier: Apache-2.0 */
/* The pages of a zoo: nothing a stranger wrote becomes markup, what is
 * missing is a dash, malformed exports are refused or lived with. */

#include <stdio.h>
#include <string.h>

#include "assay/report.h"
#include "check.h"
#include "core/fs.h"
#include "core/mem.h"
#include "report/zoo_view.h"

static const char small[] =
    "{\"schema\": \"assay-zoo/1\", \"tool\": {\"name\": \"assay\", "
    "\"version\": \"1\"}, \"models\": ["
    "{\"id\": 7, \"name\": \"<script>x</script>\", \"dataset\": \"A&B\", "
    "\"purpose\": \"\\\"onload=\", \"source\": \"s\", \"test_accuracy\": 0.5, "
    "\"facts\": [{\"name\": \"paper_url\", \"value\": \"javascript:alert(1)\","
    " \"raw\": \"r\", \"unit\": \"\", \"source\": \"s\", \"note\": null, "
    "\"recorded_at\": \"2026-01-02T03:04:05Z\"}, {\"name\": \"top\", "
    "\"value\": null, \"raw\": \"0\", \"note\": \"means missing\"}], "
    "\"files\": [{\"url\": \"https://h/f\", \"sha256\": \"ab\", "
    "\"size_bytes\": 3}], \"findings\": [{\"run\": 1, \"attack\": \"lira\", "
    "\"metric\": \"auc\", \"value\": 0.7, \"low\": 0.6, \"high\": 0.8}]},"
    "{\"id\": 8, \"name\": \"better\", \"dataset\": \"A&B\", "
    "\"test_accuracy\": 0.9},"
    "{\"id\": 9, \"name\": 5, \"dataset\": [], \"facts\": 3, \"files\": {}}]}";

static int write_zoo(const char *name, const char *text,
                     struct assay_error *err)
{
    const char *dir = check_temp_path(name);
    char path[512];

    CHECK_OK(assay__make_dir(dir, err), *err);
    snprintf(path, sizeof(path), "%s/zoo.json", dir);
    check_write_file(path, text, strlen(text));
    return assay_zoo_report_write(dir, NULL, err);
}

static char *slurp(const char *folder, const char *name)
{
    struct assay_error err = {0};
    unsigned char *data = NULL;
    size_t size = 0;
    char path[512];

    snprintf(path, sizeof(path), "%s/%s", check_temp_path(folder), name);
    CHECK_OK(assay__read_file(path, 1 << 20, &data, &size, &err), err);
    return (char *)data;
}

static void test_text_is_escaped_and_links_are_web_links(void)
{
    struct assay_error err = {0};
    char *page;

    CHECK_OK(write_zoo("pages", small, &err), err);
    page = slurp("pages", "index.html");
    CHECK(strstr(page, "<script") == NULL);
    CHECK(strstr(page, "\"onload=") == NULL);
    CHECK_STR_HAS(page, "&lt;script&gt;x&lt;/script&gt;");
    CHECK_STR_HAS(page, "<h2>A&amp;B</h2>");
    CHECK_STR_HAS(page, "default-src 'none'");
    CHECK_STR_HAS(page, "better");
    CHECK(strstr(page, "better") < strstr(page, "&lt;script"));
    CHECK_STR_HAS(page, "No dataset");
    assay__free(page);
    page = slurp("pages", "models/7.html");
    CHECK(strstr(page, "<script") == NULL);
    CHECK(strstr(page, "href=\"javascript") == NULL);
    CHECK_STR_HAS(page, "<a href=\"https://h/f\"");
    CHECK_STR_HAS(page, "&ndash;");
    CHECK_STR_HAS(page, "means missing");
    CHECK_STR_HAS(page, "lira");
    assay__free(page);
    page = slurp("pages", "models/9.html");
    CHECK_STR_HAS(page, "<h1></h1>");
    assay__free(page);
}

static void test_every_box_has_its_rule_and_rows(void)
{
    struct assay_error err = {0};
    char *page;

    CHECK_OK(write_zoo("boxes", small, &err), err);
    page = slurp("boxes", "index.html");
    CHECK_STR_HAS(page, "id=\"pu-1\"");
    CHECK_STR_HAS(page, "#pu-1:not(:checked) ~ .page tr.pu-1 { display: none");
    CHECK_STR_HAS(page, "<tr class=\"pu-1 so-1 \">");
    CHECK_STR_HAS(page, "not stated");
    assay__free(page);
}

static const struct {
    const char *text;
    const char *message;
} lies[] = {
    {"{}", "no export of a zoo"},
    {"[]", "no export of a zoo"},
    {"{\"schema\": \"assay-zoo/2\", \"models\": []}", "no export of a zoo"},
    {"{\"schema\": \"assay-zoo/1\", \"models\": {}}", "no export of a zoo"},
    {"{\"schema\": \"assay-zoo/1\", \"models\": [1]}",
     "models[0] is not an object"},
    {"{\"schema\": ", "line 1"},
};

static void test_other_documents_are_refused(void)
{
    for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
        struct assay_error err = {0};

        CHECK_FAILS(write_zoo("lies", lies[i].text, &err), ASSAY_FORMAT, err);
        CHECK_STR_HAS(err.msg, lies[i].message);
    }
}

static const struct check_test tests[] = {
    CHECK_TEST(test_text_is_escaped_and_links_are_web_links),
    CHECK_TEST(test_every_box_has_its_rule_and_rows),
    CHECK_TEST(test_other_documents_are_refused),
};
CHECK_MAIN(tests)
