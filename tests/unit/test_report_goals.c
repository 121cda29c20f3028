/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attacks of goals beyond membership in pages and summaries: each has its
 * section, is told beside its baseline, and documents of strangers are
 * refused or harmless.
 */

#include "core/buf.h"
#include "report_run.h"

/* The first table row of the page that holds `title`. */
static const char *row_of(const char *page, const char *title)
{
    const char *row = strstr(page, title);

    CHECK(row != NULL);
    return row;
}

static void test_each_goal_has_its_section(void)
{
    static const char *const ids[] = {"attacks", "roc",       "scores",
                                      "exposed", "attribute", "inversion",
                                      "stealing"};
    char *page = page_of(golden_run("goals"));

    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        char section[64];

        snprintf(section, sizeof section, "<section id=\"%s\"", ids[i]);
        CHECK_PAGE_HAS(page, section);
        snprintf(section, sizeof section, "<a href=\"#%s\">", ids[i]);
        CHECK_PAGE_HAS(page, section);
    }
    CHECK_PAGE_HAS(page, "Membership inference:</b> can they tell");
    CHECK_PAGE_HAS(page, "Model stealing:</b> can they make a copy");
    /* Other goals' attacks are not ranked by an AUC that they lack. */
    CHECK(!strstr(page, "aria-label=\"ROC curves of 8"));
    assay__free(page);
}

/* Stealing alone: what is about membership is left out. */
static void test_without_membership_its_sections_are_absent(void)
{
    static const char *const ids[] = {"attacks", "roc",       "scores",
                                      "exposed", "attribute", "inversion"};
    const char *run =
        run_with("stealing", "{" HEAD ",\"attacks\":[{" ATTACK
                             ",\"goal\":\"stealing\",\"queries\":10,"
                             "\"agreement\":{\"value\":0.5},"
                             "\"accuracy\":{\"value\":0.4}}]}");
    char *page = page_of(run);
    char *text = summary_of(run, 0, 80);

    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        char section[64];

        snprintf(section, sizeof section, "id=\"%s\"", ids[i]);
        CHECK(!strstr(page, section));
    }
    CHECK(!strstr(page, "Largest AUC"));
    CHECK(!strstr(page, "Of every 1,000 records"));
    CHECK_PAGE_HAS(page, "<p class=\"plain\">The copy that is most like");
    CHECK_STR_HAS(text, "Model stealing");
    CHECK_STR_HAS(text, "50.0 %");
    CHECK(!strstr(text, "AUC"));
    CHECK(!strstr(page, "nan") && !strstr(text, "nan"));
    assay__free(page);
    assay__free(text);
}

/* A document of one attack beside an imputation that is right for 80 %. */
#define IMPUTED                                                               \
    "{\"name\":\"i\",\"title\":\"Guess\",\"access\":\"label-only\","          \
    "\"auxiliary\":\"shadow\",\"status\":\"ran\",\"goal\":\"attribute\","     \
    "\"baseline\":true,\"accuracy\":{\"value\":0.8,\"low\":0.78,"             \
    "\"high\":0.82}},{" ATTACK                                                \
    ",\"goal\":\"attribute\",\"attribute\":\"age\",\"advantage_over\":\"i\"," \
    "\"accuracy\":{\"value\":0.82,\"low\":0.8,\"high\":0.84}"

static void test_attributes_are_told_as_gain_over_imputation(void)
{
    static const struct {
        const char *advantage;
        const char *words;
    } rows[] = {
        {"{\"value\":0.02,\"low\":0.01,\"high\":0.03}",
         "The model tells more than anyone could guess"},
        {"{\"value\":0.02,\"low\":-0.01,\"high\":0.05}",
         "The difference may be chance"},
        {"{\"value\":-0.02,\"low\":-0.03,\"high\":-0.01}",
         "tells less than can be guessed"},
        {"null", "No imputation without the model ran beside it"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char findings[4096];
        char *page;

        snprintf(findings, sizeof findings,
                 "{" HEAD ",\"attacks\":[" IMPUTED ",\"advantage\":%s}]}",
                 rows[i].advantage);
        page = page_of(run_with("imputed", findings));
        CHECK_PAGE_HAS(page, rows[i].words);
        assay__free(page);
    }
}

/* A copy that is right for .87 to .89, beside one made without asking. */
static void test_copies_are_told_beside_what_needs_no_asking(void)
{
    static const struct {
        const char *scratch;
        const char *words;
    } rows[] = {
        {"{\"value\":0.85,\"low\":0.84,\"high\":0.86}",
         "asking gave the attacker what their own data could not"},
        {"{\"value\":0.87,\"low\":0.86,\"high\":0.88}",
         "as much as asking gave, within the intervals"},
        {"{\"value\":0.91,\"low\":0.9,\"high\":0.92}",
         "true labels would have served the attacker better"},
        {"null", "own ran to say what the queries were worth"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char findings[4096];
        char *page;

        snprintf(findings, sizeof findings,
                 "{" HEAD ",\"attacks\":[{" ATTACK
                 ",\"goal\":\"stealing\",\"agreement\":{\"value\":0.9},"
                 "\"accuracy\":{\"value\":0.88,\"low\":0.87,\"high\":0.89},"
                 "\"baseline_accuracy\":%s}]}",
                 rows[i].scratch);
        page = page_of(run_with("copied", findings));
        CHECK_PAGE_HAS(page, rows[i].words);
        assay__free(page);
    }
}

/* Nearness to members beside nearness to others, and success beside the
 * baseline's. */
static void test_pictures_are_told_beside_the_baseline_and_others(void)
{
    static const struct {
        const char *fields;
        const char *words;
    } rows[] = {
        {"\"gain\":{\"value\":0.3,\"low\":0.1,\"high\":0.5}",
         "the model shows what its classes look like"},
        {"\"gain\":{\"value\":0.3,\"low\":-0.1,\"high\":0.7}",
         "that the model shows more is not shown"},
        {"\"nearest\":{\"value\":1,\"low\":0.9,\"high\":1.1},"
         "\"nearest_nonmember\":{\"value\":2,\"low\":1.9,\"high\":2.1}",
         "single training records may have been rebuilt"},
        {"\"nearest\":{\"value\":2,\"low\":1.5,\"high\":2.5},"
         "\"nearest_nonmember\":{\"value\":2.2,\"low\":1.9,\"high\":2.4}",
         "that single training records were rebuilt is not shown"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char findings[4096];
        char *page;

        snprintf(findings, sizeof findings,
                 "{" HEAD ",\"attacks\":[{" ATTACK
                 ",\"goal\":\"inversion\",\"success\":{\"value\":0.6},"
                 "\"gain_over\":\"mean\",\"baseline_success\":"
                 "{\"value\":0.3},%s}]}",
                 rows[i].fields);
        page = page_of(run_with("made", findings));
        CHECK_PAGE_HAS(page, rows[i].words);
        CHECK_PAGE_HAS(page, "mean, without this model, reaches 30.0");
        assay__free(page);
    }
}

/* Copies are held against what was made from the same kind of records. */
static void test_copies_are_held_against_the_same_data(void)
{
    char *page = page_of(golden_run("copies"));
    const char *row =
        row_of(page, "scope=\"row\">Copy from posteriors, shadow");
    const char *bar = row_of(row, "class=\"bar above\"");

    CHECK(bar < row_of(row, "</tr>"));
    CHECK_PAGE_HAS(page, "Agreement and accuracy of copies after 125 to 500 "
                         "queries");
    /* Two attacks with two lines each, and the baseline's one. */
    CHECK_PAGE_HAS(page, "<path class=\"curve s2 dashed\"");
    CHECK_PAGE_HAS(page, "<path class=\"curve basis\"");
    CHECK(!strstr(page, "<path class=\"curve s3 dashed\""));
    assay__free(page);
}

static void test_curves_of_any_kind_give_a_page(void)
{
    static const char *const curves[] = {
        "[]",
        "[{\"queries\":0,\"agreement\":{\"value\":0.5}}]",
        "[{\"queries\":-3}]",
        "[{\"queries\":5,\"agreement\":{\"value\":0.5}}]",
        "[{\"queries\":5,\"accuracy\":null,\"agreement\":{\"value\":null}}]",
        "[{\"queries\":1e300,\"agreement\":{\"value\":7,\"low\":-9}},"
        "{\"queries\":1e-300,\"agreement\":{\"value\":1e308}}]"};

    for (size_t i = 0; i < sizeof curves / sizeof *curves; i++) {
        char findings[2048];
        char *page;

        snprintf(findings, sizeof findings,
                 "{" HEAD ",\"attacks\":[{" ATTACK
                 ",\"goal\":\"stealing\",\"curve\":%s}]}",
                 curves[i]);
        page = page_of(run_with("curve", findings));
        CHECK_PAGE_HAS(page, "id=\"stealing\"");
        CHECK(!strstr(page, "nan") && !strstr(page, "inf\""));
        assay__free(page);
    }
}

static void test_guesses_beyond_chance_have_their_controls(void)
{
    char *page = page_of(golden_run("beyond"));
    const char *table = row_of(
        page, "aria-label=\"Right guesses beyond chance in the controls");
    const char *end = row_of(table, "</table>");
    const char *row = row_of(table, "Linear head, shadow data");

    CHECK(row < end);
    CHECK(row_of(row, "passed") < row_of(row, "</tr>"));
    /* The positive control has no such results, nor has membership. */
    CHECK(!strstr(table, "overfitted model") ||
          strstr(table, "overfitted model") > end);
    CHECK(!strstr(table, "RMIA") || strstr(table, "RMIA") > end);
    CHECK_PAGE_HAS(page, "aria-label=\"AUC of each attack in the controls\"");
    assay__free(page);
}

/* An attack on pictures that failed its control says nothing. */
static void test_discredited_pictures_head_nothing(void)
{
    char *page = page_of(discredit("pictures-failed", "invert-gradient"));

    CHECK_PAGE_HAS(page, "No inversion attack that can be relied on ran.");
    CHECK_PAGE_HAS(
        page, "Gradient climb <span class=\"tag\">failed the control</span>");
    CHECK(!strstr(page, "Rebuilt and recognised"));
    assay__free(page);
}

static void test_rebuilt_pictures_stand_beside_members(void)
{
    char *page = page_of(golden_run("rebuilt"));
    const char *table = row_of(page, "<table class=\"stack rebuilt\"");

    CHECK_PAGE_HAS(table, "alt=\"Rebuilt picture of class T-shirt &lt;script");
    CHECK_PAGE_HAS(table, "alt=\"Training record of class");
    CHECK_PAGE_HAS(table, "picture is outside the run folder");
    CHECK_PAGE_HAS(table, "picture cannot be read");
    CHECK_PAGE_HAS(page, "treat this report as you would treat the data");
    assay__free(page);
}

/* 24 classes of 4 pictures of 250 KB: the page takes 8 MiB of them. */
static void test_pictures_stop_at_a_size(void)
{
    enum { SIZE = 250000, N_CLASSES = 24, N = 4 };
    static const char signature[] = "\x89PNG\r\n\x1a\n";
    json_t *doc = json_loads("{" HEAD ",\"attacks\":[{" ATTACK
                             ",\"goal\":\"inversion\",\"classes\":[]}]}",
                             0, NULL);
    json_t *classes = json_object_get(
        json_array_get(json_object_get(doc, "attacks"), 0), "classes");
    unsigned char *data = assay__calloc(SIZE, 1);
    const char *run;
    char path[1024];
    char *page;
    char *text;

    for (int k = 0; k < N_CLASSES; k++)
        json_array_append_new(
            classes, json_pack("{s:i, s:[s, s, s, s]}", "class", k, "pictures",
                               "a.png", "a.png", "a.png", "a.png"));
    text = json_dumps(doc, 0);
    run = run_with("large", text);
    memcpy(data, signature, sizeof signature - 1);
    snprintf(path, sizeof path, "%s/a.png", run);
    check_write_file(path, data, SIZE);
    page = page_of(run);
    CHECK_PAGE_HAS(page, "too many pictures");
    CHECK(strlen(page) > 10 << 20 && strlen(page) < 12 << 20);
    assay__free(page);
    assay__free(data);
    free(text);
    json_decref(doc);
}

static void test_defence_stands_in_the_scope(void)
{
    char *page = page_of(golden_run("defence"));
    char *text = summary_of(check_temp_path("defence"), 0, 80);

    CHECK_PAGE_HAS(page, "The model is defended: <b>DP-SGD &lt;b&gt;x");
    CHECK_PAGE_HAS(page, "<dt>Epsilon at most</dt><dd>7.71</dd>");
    CHECK_PAGE_HAS(page, "<dt>Where</dt><dd>training</dd>");
    CHECK_PAGE_HAS(page, "<dt>Meant against</dt><dd>membership</dd>");
    CHECK_PAGE_HAS(page, "claims an epsilon of at most 7.71; the attacks show "
                         "at least 0.83, which is no contradiction.");
    CHECK_STR_HAS(text, "Defence DP-SGD");
    assay__free(page);
    assay__free(text);
    page = page_of(run_with(
        "refuted", "{" HEAD ",\"attacks\":[],\"defense\":{\"name\":\"dp\","
                   "\"claim\":{\"epsilon_prv\":1,\"epsilon_lower_bound\":"
                   "{\"epsilon\":3.5,\"attack\":\"a\"}}}}"));
    CHECK_PAGE_HAS(page, "at most 1.00; the attacks show at least 3.50: the "
                         "claim does not hold.");
    assay__free(page);
    page = page_of(run_with("bare-model", "{" HEAD ",\"defense\":null,"
                                          "\"attacks\":[]}"));
    CHECK(!strstr(page, "defended"));
    assay__free(page);
}

/* A goal of a later version: placed by what the attacker knows, no more. */
static void test_unknown_goals_are_placed(void)
{
    const char *run = run_with("later", "{" HEAD ",\"attacks\":[{" ATTACK
                                        ",\"goal\":\"telepathy\"}]}");
    char *page = page_of(run);
    char *text = summary_of(run, 0, 80);

    CHECK_PAGE_HAS(page, "Elsewhere: A (oracle, none)");
    CHECK(!strstr(page, "id=\"attacks\""));
    CHECK_STR_HAS(text, "Other goals");
    assay__free(page);
    assay__free(text);
}

/* A rule that always guesses the same leaves a few units in the last place
 * of its 0 beyond chance: that is nothing found. */
static void test_dust_is_not_above_guessing(void)
{
    char *page = page_of(
        run_with("dust", "{" HEAD ",\"attacks\":[{" ATTACK
                         ",\"goal\":\"stealing\",\"excess\":{\"value\":5e-16,"
                         "\"low\":4e-16,\"high\":6e-16}}]}"));
    const char *row = row_of(page, "<tr class=\"ran\">");

    CHECK(!strstr(row, "class=\"bar above\""));
    CHECK_PAGE_HAS(row, "class=\"bar level\"");
    assay__free(page);
}

static void test_malformed_goals_are_refused_with_the_place(void)
{
#define GOAL(more) "{" HEAD ",\"attacks\":[{" ATTACK "," more "}]}"
    static const char *const rows[][2] = {
        {GOAL("\"goal\":7"), "attacks[0].goal is a number, not text or null"},
        {GOAL("\"excess\":0.5"),
         "attacks[0].excess is a number, not an object or null"},
        {GOAL("\"advantage_over\":{}"),
         "attacks[0].advantage_over is an object, not text or null"},
        {GOAL("\"curve\":{}"), "attacks[0].curve is an object, not a list"},
        {GOAL("\"curve\":[{\"queries\":\"9\"}]"),
         "attacks[0].curve[0].queries is text, not a number"},
        {GOAL("\"curve\":[{\"queries\":9,\"agreement\":{\"low\":[]}}]"),
         "attacks[0].curve[0].agreement.low is a list, not a number or null"},
        {GOAL("\"classes\":[{\"name\":\"x\"}]"),
         "attacks[0].classes[0].class is missing, not a number"},
        {GOAL("\"classes\":[{\"class\":1,\"pictures\":[3]}]"),
         "attacks[0].classes[0].pictures[0] is a number, not text"},
        {GOAL("\"classes\":[{\"class\":1,\"members\":\"a.png\"}]"),
         "attacks[0].classes[0].members is text, not a list or null"},
        {GOAL("\"nearest\":{\"value\":true}"),
         "attacks[0].nearest.value is a flag, not a number or null"},
        {"{" HEAD ",\"attacks\":[],\"defense\":\"dp\"}",
         "defense is text, not an object or null"},
        {"{" HEAD ",\"attacks\":[],\"defense\":{\"name\":\"x\",\"claim\":3}}",
         "defense.claim is a number, not an object or null"},
        {"{" HEAD ",\"attacks\":[],\"controls\":[{\"name\":\"c\",\"kind\":"
         "\"negative\",\"results\":[{\"attack\":\"a\",\"excess\":1}]}]}",
         "controls[0].results[0].excess is a number, not an object or null"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct assay_error err = {0};

        CHECK_FAILS(
            assay_report_write(run_with("malformed", rows[i][0]), NULL, &err),
            ASSAY_FORMAT, err);
        CHECK_STR_HAS(err.msg, rows[i][1]);
    }
}

/* Refuses the document that holds n items in the list at the end of `keys`,
 * with a message that ends in `words`. */
static void check_too_long(const char *before, const char *item,
                           const char *after, int n, const char *words)
{
    struct assay__buf b = ASSAY__BUF_INIT;
    struct assay_error err = {0};

    assay__buf_puts(&b, before);
    for (int i = 0; i < n; i++)
        assay__buf_printf(&b, "%s%s", i ? "," : "", item);
    assay__buf_puts(&b, after);
    CHECK_FAILS(assay_report_write(run_with("long", b.data), NULL, &err),
                ASSAY_LIMIT, err);
    CHECK_STR_HAS(err.msg, words);
    assay__buf_release(&b);
}

static void test_lists_without_end_are_refused(void)
{
    check_too_long("{" HEAD ",\"attacks\":[{" ATTACK ",\"curve\":[",
                   "{\"queries\":1}", "]}]}", 1001,
                   "attacks[0].curve has 1001 items, more than 1000");
    check_too_long("{" HEAD ",\"attacks\":[{" ATTACK
                   ",\"classes\":[{\"class\":0,\"pictures\":[",
                   "\"a\"", "]}]}]}", 1001,
                   "attacks[0].classes[0].pictures has 1001 items");
    check_too_long("{" HEAD ",\"attacks\":[{" ATTACK
                   ",\"classes\":[{\"class\":0,\"members\":[",
                   "\"a\"", "]}]}]}", 1001,
                   "attacks[0].classes[0].members has 1001 items");
    check_too_long("{" HEAD ",\"attacks\":[{" ATTACK ",\"classes\":[",
                   "{\"class\":0}", "]}]}", 100001,
                   "attacks[0].classes has 100001 items, more than 100000");
}

static const struct check_test tests[] = {
    CHECK_TEST(test_each_goal_has_its_section),
    CHECK_TEST(test_without_membership_its_sections_are_absent),
    CHECK_TEST(test_attributes_are_told_as_gain_over_imputation),
    CHECK_TEST(test_copies_are_told_beside_what_needs_no_asking),
    CHECK_TEST(test_pictures_are_told_beside_the_baseline_and_others),
    CHECK_TEST(test_copies_are_held_against_the_same_data),
    CHECK_TEST(test_curves_of_any_kind_give_a_page),
    CHECK_TEST(test_guesses_beyond_chance_have_their_controls),
    CHECK_TEST(test_discredited_pictures_head_nothing),
    CHECK_TEST(test_rebuilt_pictures_stand_beside_members),
    CHECK_TEST(test_pictures_stop_at_a_size),
    CHECK_TEST(test_defence_stands_in_the_scope),
    CHECK_TEST(test_unknown_goals_are_placed),
    CHECK_TEST(test_dust_is_not_above_guessing),
    CHECK_TEST(test_lists_without_end_are_refused),
    CHECK_TEST(test_malformed_goals_are_refused_with_the_place),
};
CHECK_MAIN(tests)
