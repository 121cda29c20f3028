/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pages and summaries: text is escaped, the golden run gives the golden
 * bytes, malformed documents are refused with their place, and every
 * section stands on documents with next to nothing in them.
 *
 * Golden files are tests/golden/run-small/{report.html,summary.txt}. After
 * an intended change, write them anew and look at the difference:
 *
 *     ASSAY_GOLDEN_UPDATE=1 ctest --preset dev -R test_report_html
 */

#include "report/html.h"

#include "report_run.h"

/* Compare with a golden file, or make it when asked to. */
static void check_golden(const char *name, const char *text)
{
    char *wanted;

    if (getenv("ASSAY_GOLDEN_UPDATE")) {
        check_write_file(source(name), text, strlen(text));
        return;
    }
    wanted = slurp(source(name));
    CHECK_UINT_EQ(strlen(text), strlen(wanted));
    CHECK_MEM_EQ(text, wanted, strlen(wanted));
    assay__free(wanted);
}

static void test_text_is_escaped(void)
{
    struct assay__buf b = ASSAY__BUF_INIT;

    assay__html_text(&b, "<a href=\"x\">'&'</a>");
    CHECK_STR_EQ(b.data, "&lt;a href=&quot;x&quot;&gt;&#39;&amp;&#39;"
                         "&lt;/a&gt;");
    assay__buf_release(&b);
}

static void test_controls_and_overrides_are_replaced(void)
{
    struct assay__buf b = ASSAY__BUF_INIT;

    assay__html_text(&b, "a\x1b[31m\x07\x7f\xc2\x9b\xe2\x80\xae"
                         "b\xe2\x81\xa6\tc\n\xc3\xa4");
    CHECK_STR_EQ(b.data, "a\xef\xbf\xbd[31m\xef\xbf\xbd\xef\xbf\xbd"
                         "\xef\xbf\xbd\xef\xbf\xbd"
                         "b\xef\xbf\xbd\tc\n\xc3\xa4");
    assay__buf_release(&b);
}

static void test_truncated_utf8_is_read_to_its_end_only(void)
{
    struct assay__buf b = ASSAY__BUF_INIT;

    assay__html_text(&b, "\xe2\x80");
    assay__html_text(&b, "\xe2");
    assay__html_text(&b, "\xc2");
    CHECK_UINT_EQ(b.size, 4);
    assay__buf_release(&b);
}

static void test_printf_of_markup_escapes_every_text(void)
{
    struct assay__buf b = ASSAY__BUF_INIT;

    assay__html(&b, "<i a=\"%s\">%d %zu 5%%</i>", "\"<", -3, (size_t)7);
    CHECK_STR_EQ(b.data, "<i a=\"&quot;&lt;\">-3 7 5%</i>");
    assay__buf_release(&b);
}

static void test_base64_pads_as_the_standard_says(void)
{
    static const char *const rows[][2] = {{"", ""},
                                          {"f", "Zg=="},
                                          {"fo", "Zm8="},
                                          {"foo", "Zm9v"},
                                          {"foob", "Zm9vYg=="},
                                          {"fooba", "Zm9vYmE="},
                                          {"foobar", "Zm9vYmFy"}};

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct assay__buf b = ASSAY__BUF_INIT;

        assay__buf_puts(&b, "");
        assay__html_base64(&b, (const unsigned char *)rows[i][0],
                           strlen(rows[i][0]));
        CHECK_STR_EQ(b.data ? b.data : "", rows[i][1]);
        assay__buf_release(&b);
    }
}

static void test_golden_run_gives_the_golden_page(void)
{
    char *page = page_of(golden_run("golden"));

    check_golden("report.html", page);
    assay__free(page);
}

static void test_same_run_gives_the_same_bytes(void)
{
    char *first = page_of(golden_run("first"));
    char *second = page_of(golden_run("second"));

    CHECK(strcmp(second, first) == 0);
    assay__free(first);
    assay__free(second);
}

static void test_golden_run_gives_the_golden_summary(void)
{
    char *text = summary_of(golden_run("summary"), 0, 80);

    check_golden("summary.txt", text);
    assay__free(text);
}

static void test_hostile_names_do_not_reach_the_page_as_markup(void)
{
    char *page = page_of(golden_run("hostile"));

    CHECK(!strstr(page, "<script"));
    CHECK(!strstr(page, "<img src=x"));
    CHECK(!strstr(page, "<b>cnn"));
    CHECK(!strstr(page, "<i>gender"));
    CHECK(!strstr(page, "DP-SGD <b>x"));
    CHECK(!strstr(page, "\x1b"));
    CHECK(!strstr(page, "\xe2\x80\xae"));
    CHECK_PAGE_HAS(page, "&lt;script&gt;alert(&#39;1&#39;)");
    CHECK_PAGE_HAS(page, "it&#39;\\&#39;&#39;s; rm -rf &lt;here&gt;&#39;");
    assay__free(page);
}

static void test_page_loads_nothing_from_elsewhere(void)
{
    char *page = page_of(golden_run("alone"));

    CHECK(!strstr(page, "http:") && !strstr(page, "https:"));
    CHECK(!strstr(page, "url(") && !strstr(page, "@import"));
    CHECK(!strstr(page, "<link") && !strstr(page, "<iframe"));
    CHECK_PAGE_HAS(page, "default-src 'none'");
    assay__free(page);
}

static void test_missing_numbers_are_dashes_with_their_reason(void)
{
    char *page = page_of(golden_run("missing"));

    CHECK_PAGE_HAS(page, "title=\"800 non-members are fewer than the 1000");
    CHECK_PAGE_HAS(page, "<b>Not run:</b> predictions only: no embeddings");
    CHECK_PAGE_HAS(page, "picture cannot be read");
    CHECK_PAGE_HAS(page, "no picture");
    CHECK(!strstr(page, "nan"));
    assay__free(page);
}

/* In the golden run RMIA leads, then LiRA. */
static void test_attacks_that_failed_the_control_head_nothing(void)
{
    char *page = page_of(golden_run("leads"));
    char *text;

    CHECK_PAGE_HAS(page, "strongest attack that ran (RMIA)");
    CHECK_PAGE_HAS(page,
                   "<span class=\"below\">RMIA <span class=\"nowrap\">(0.641");
    CHECK(!strstr(page, "failed the control"));
    assay__free(page);

    page = page_of(discredit("failed", "rmia"));
    CHECK_PAGE_HAS(page, "strongest attack that ran (LiRA, online)");
    CHECK_PAGE_HAS(
        page,
        "<span class=\"below\">LiRA, online <span class=\"nowrap\">(0.612");
    CHECK_PAGE_HAS(page, "RMIA <span class=\"tag\">failed the control</span>");
    assay__free(page);
    text = summary_of(check_temp_path("failed"), 0, 80);
    CHECK_STR_HAS(text, "Worst   LiRA, online finds");
    assay__free(text);
}

static void test_summary_is_safe_for_terminals(void)
{
    char *text = summary_of(golden_run("terminal"), 0, 120);

    CHECK(!strstr(text, "\x1b"));
    assay__free(text);
    text = summary_of(golden_run("colors"), 1, 80);
    CHECK_STR_HAS(text, "\x1b[1;31mFAILED\x1b[0m");
    assay__free(text);
}

/* Characters of the longest line. */
static size_t longest_line(const char *text)
{
    size_t most = 0;
    size_t n = 0;

    for (; *text; text++) {
        if (*text == '\n')
            n = 0;
        else if (((unsigned char)*text & 0xc0) != 0x80)
            n++;
        most = n > most ? n : most;
    }
    return most;
}

static void test_summary_keeps_to_its_width(void)
{
    static const int widths[] = {40, 57, 80, 100, 200};

    for (size_t i = 0; i < sizeof widths / sizeof *widths; i++) {
        char *text = summary_of(golden_run("width"), 0, widths[i]);

        CHECK(longest_line(text) <= (size_t)widths[i]);
        CHECK_STR_HAS(text, "RMIA");
        assay__free(text);
    }
}

static void test_summary_names_the_report_when_there_is_one(void)
{
    const char *run = golden_run("path");
    char *page = page_of(run);
    char *text = summary_of(run, 0, 80);

    CHECK_STR_HAS(text, "/path/report.html\n");
    assay__free(page);
    assay__free(text);
}

static void test_bare_document_gives_a_page(void)
{
    char *page = page_of(run_with("bare", "{" HEAD ",\"attacks\":[]}"));

    CHECK_PAGE_HAS(page, "No attack applied to this model.");
    CHECK_PAGE_HAS(page, "Inconclusive");
    assay__free(page);
}

/* Measured in epochs 1, 3 and 5 of 5: one line, no break at the others. */
static void test_epochs_without_a_number_do_not_break_the_curve(void)
{
    char *page = page_of(run_with(
        "gaps",
        "{" HEAD ",\"attacks\":[],\"curves\":[{\"name\":\"target\",\"points\":["
        "{\"epoch\":1,\"train_accuracy\":0.2,\"test_accuracy\":0.2},"
        "{\"epoch\":2,\"train_accuracy\":0.4,\"test_accuracy\":null},"
        "{\"epoch\":3,\"train_accuracy\":0.5,\"test_accuracy\":0.4},"
        "{\"epoch\":4,\"train_accuracy\":0.6},"
        "{\"epoch\":5,\"train_accuracy\":0.9,\"test_accuracy\":0.6}]}]}"));
    const char *path = strstr(page, "<path class=\"curve s1 dashed\" d=\"M");
    const char *end;

    path = strstr(path + 1, "<path class=\"curve s1 dashed\" d=\"M");
    CHECK(path != NULL); /* the first is in the key */
    end = strchr(path, '/');
    CHECK(strchr(path, 'L') < end);
    CHECK(strchr(strchr(path, 'M') + 1, 'M') > end);
    assay__free(page);
}

static void test_attack_without_numbers_gives_a_page(void)
{
    const char *run =
        run_with("numberless", "{" HEAD ",\"attacks\":[{" ATTACK "}]}");
    char *page = page_of(run);
    char *text = summary_of(run, 0, 0);

    CHECK_PAGE_HAS(page, "Elsewhere: A (oracle, none)");
    CHECK_PAGE_HAS(page, "No attack that ran has a curve.");
    CHECK(!strstr(page, "nan"));
    CHECK(!strstr(text, "nan"));
    assay__free(page);
    assay__free(text);
}

static void test_degenerate_curves_give_a_page(void)
{
    static const char *const rocs[] = {
        "[]",
        "[[0.5,0.5]]",
        "[[0,0],[1,1]]",
        "[[0,1]]",
        "[[0,0],[0,0.5],[0,1],[1,1]]",
        "[[0,0],[1e-300,0],[0.1,0],[0.1,0.2],[0.5,0.5],[0.5,1],[1,1],[1,1]]"};

    for (size_t i = 0; i < sizeof rocs / sizeof *rocs; i++) {
        char findings[2048];
        char *page;

        snprintf(findings, sizeof findings,
                 "{" HEAD ",\"attacks\":[{" ATTACK ",\"roc\":%s,"
                 "\"n_nonmembers\":1,\"auc\":{\"value\":0.5},"
                 "\"histogram\":{\"low\":1,\"high\":1,\"members\":[3],"
                 "\"nonmembers\":[0]}}]}",
                 rocs[i]);
        page = page_of(run_with("degenerate", findings));
        CHECK_PAGE_HAS(page, "Histogram of the scores");
        CHECK(!strstr(page, "nan") && !strstr(page, "inf\""));
        assay__free(page);
    }
}

static void test_malformed_documents_are_refused_with_the_place(void)
{
    static const char *const rows[][2] = {
        {"[1]", "is not a JSON object"},
        {"{\"schema\":\"other/9\"}", "schema is \"other/9\""},
        {"{}", "schema is \"\""},
        {"{" HEAD "}", "attacks is missing, not a list"},
        {"{" HEAD ",\"attacks\":[3]}", "attacks[0] is a number, not an object"},
        {"{" HEAD ",\"attacks\":[{" ATTACK ",\"auc\":{\"value\":\"x\"}}]}",
         "attacks[0].auc.value is text, not a number or null"},
        {"{" HEAD ",\"attacks\":[{" ATTACK ",\"roc\":[[0,0],[0.5]]}]}",
         "attacks[0].roc[1] is not a pair"},
        {"{" HEAD ",\"attacks\":[{" ATTACK ",\"roc\":[[0.5,0],[0.4,1]]}]}",
         "attacks[0].roc[1] is not a pair"},
        {"{" HEAD ",\"attacks\":[{" ATTACK ",\"roc\":[[0,2]]}]}",
         "attacks[0].roc[0] is not a pair"},
        {"{" HEAD ",\"attacks\":[],\"limits\":[\"a\",7]}",
         "limits[1] is a number, not text"},
        {"{" HEAD ",\"attacks\":[],\"curves\":[{\"name\":\"t\",\"points\":"
         "[{\"epoch\":null}]}]}",
         "curves[0].points[0].epoch is null, not a number"},
        {"{\"schema\":", "line 1"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *run = run_with("malformed", rows[i][0]);
        struct assay_error err = {0};

        CHECK_FAILS(assay_report_write(run, NULL, &err), ASSAY_FORMAT, err);
        CHECK_STR_HAS(err.msg, rows[i][1]);
        CHECK_STR_HAS(err.msg, "findings.json");
    }
}

static void test_too_many_attacks_are_refused(void)
{
    struct assay_error err = {0};
    json_t *doc = json_loads("{" HEAD ",\"attacks\":[]}", 0, NULL);
    json_t *attacks = json_object_get(doc, "attacks");
    char *text;

    for (int i = 0; i < 257; i++)
        json_array_append_new(attacks, json_object());
    text = json_dumps(doc, 0);
    CHECK_FAILS(assay_report_write(run_with("many", text), NULL, &err),
                ASSAY_LIMIT, err);
    CHECK_STR_HAS(err.msg, "attacks has 257 items, more than 256");
    free(text);
    json_decref(doc);
}

static void test_folder_without_findings_is_an_error(void)
{
    const char *run = check_temp_path("empty");
    struct assay_error err = {0};

    CHECK_OK(assay__make_dir(run, &err), err);
    CHECK_FAILS(assay_report_write(run, NULL, &err), ASSAY_IO, err);
    CHECK_STR_HAS(err.msg, "findings.json");
    CHECK_FAILS(assay_report_terminal(run, stdout, 0, 80, &err), ASSAY_IO, err);
}

static void test_failed_report_leaves_the_old_one(void)
{
    const char *run = run_with("kept", "{");
    struct assay_error err = {0};
    char path[1024];
    char *text;

    snprintf(path, sizeof path, "%s/report.html", run);
    check_write_file(path, "old", 3);
    CHECK_FAILS(assay_report_write(run, NULL, &err), ASSAY_FORMAT, err);
    text = slurp(path);
    CHECK_STR_EQ(text, "old");
    assay__free(text);
}

static void test_canceled_report_writes_nothing(void)
{
    const char *run = golden_run("canceled");
    static const volatile sig_atomic_t stop = 1;
    struct assay_error err = {0};
    struct assay_context ctx;
    char path[1024];

    assay_context_init(&ctx);
    ctx.cancel = &stop;
    snprintf(path, sizeof path, "%s/report.html", run);
    CHECK_FAILS(assay_report_write(run, &ctx, &err), ASSAY_CANCELED, err);
    CHECK(!assay__exists(path));
}

static void test_pictures_outside_the_run_are_not_read(void)
{
    static const char *const paths[] = {"/etc/hostname", "../golden/x.png",
                                        "a/../../b.png", "..", "a/.."};

    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        char findings[2048];
        char *page;

        snprintf(findings, sizeof findings,
                 "{" HEAD ",\"attacks\":[],\"exposed\":[{\"record\":1,"
                 "\"image\":\"%s\"}]}",
                 paths[i]);
        page = page_of(run_with("outside", findings));
        CHECK_PAGE_HAS(page, "picture is outside the run folder");
        assay__free(page);
    }
}

static void test_files_that_are_no_png_are_not_shown(void)
{
    const char *run =
        run_with("svg", "{" HEAD ",\"attacks\":[],\"exposed\":[{\"record\":1,"
                        "\"image\":\"a.svg\"}]}");
    char path[1024];
    char *page;

    snprintf(path, sizeof path, "%s/a.svg", run);
    check_write_file(path, "<svg onload=alert(1)>", 21);
    page = page_of(run);
    CHECK_PAGE_HAS(page, "picture is not a PNG file");
    CHECK(!strstr(page, "onload"));
    assay__free(page);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_text_is_escaped),
    CHECK_TEST(test_controls_and_overrides_are_replaced),
    CHECK_TEST(test_truncated_utf8_is_read_to_its_end_only),
    CHECK_TEST(test_printf_of_markup_escapes_every_text),
    CHECK_TEST(test_base64_pads_as_the_standard_says),
    CHECK_TEST(test_golden_run_gives_the_golden_page),
    CHECK_TEST(test_same_run_gives_the_same_bytes),
    CHECK_TEST(test_golden_run_gives_the_golden_summary),
    CHECK_TEST(test_hostile_names_do_not_reach_the_page_as_markup),
    CHECK_TEST(test_page_loads_nothing_from_elsewhere),
    CHECK_TEST(test_missing_numbers_are_dashes_with_their_reason),
    CHECK_TEST(test_attacks_that_failed_the_control_head_nothing),
    CHECK_TEST(test_summary_is_safe_for_terminals),
    CHECK_TEST(test_summary_keeps_to_its_width),
    CHECK_TEST(test_summary_names_the_report_when_there_is_one),
    CHECK_TEST(test_bare_document_gives_a_page),
    CHECK_TEST(test_epochs_without_a_number_do_not_break_the_curve),
    CHECK_TEST(test_attack_without_numbers_gives_a_page),
    CHECK_TEST(test_degenerate_curves_give_a_page),
    CHECK_TEST(test_malformed_documents_are_refused_with_the_place),
    CHECK_TEST(test_too_many_attacks_are_refused),
    CHECK_TEST(test_folder_without_findings_is_an_error),
    CHECK_TEST(test_failed_report_leaves_the_old_one),
    CHECK_TEST(test_canceled_report_writes_nothing),
    CHECK_TEST(test_pictures_outside_the_run_are_not_read),
    CHECK_TEST(test_files_that_are_no_png_are_not_shown),
};
CHECK_MAIN(tests)
