/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether one can build on a model, in pages and summaries: what ran and what
 * did not, numbers beside their false alarms, the reversed trigger; and
 * documents of strangers are refused or harmless.
 */

#include "core/buf.h"
#include "report_run.h"

#define NAMED(name)                                                        \
    "\"name\":\"" name "\",\"title\":\"The " name "\",\"summary\":\"Does " \
    "it.\",\"cites\":\"Somebody, 2020\",\"subject\":\"model\""
#define FINDER                                                                             \
    "{" NAMED(                                                                             \
        "finder") ",\"status\":\"ran\",\"score\":4.5,\"threshold\":2,"                     \
                  "\"p_value\":null,\"target\":1,\"class_name\":\"<b>cat\",\"statistic\":" \
                  "\"L1 norm\",\"per_class\":[90,3,88],\"changes\":[],\"note\":\"\","      \
                  "\"trigger\":\"trust/found/a.safetensors\",\"picture\":\"%s\","          \
                  "\"references\":20,\"reference_p\":0.047,\"false_alarms\":{\"value\":"   \
                  "0.05,\"low\":0.001,\"high\":0.249,\"n\":20},\"decided_by\":"            \
                  "\"references\",\"accuses\":true,\"calibrated\":true}"
#define UPSTREAM                                                                             \
    "{" NAMED(                                                                               \
        "upstream") ",\"status\":\"ran\",\"score\":0,\"threshold\":"                         \
                    "null,\"p_value\":0.5,\"changes\":[{\"tensor\":\"conv<1>\",\"weights\":" \
                    "288,\"changed\":3,\"largest\":0.5,\"relative\":0.01,\"p_value\":0.5}]," \
                    "\"n_changes\":30,\"references\":0,\"reference_p\":null,"                \
                    "\"false_alarms\":null,\"decided_by\":\"p-value\",\"accuses\":false,"    \
                    "\"calibrated\":true}"
#define LEARNER                                                            \
    "{" NAMED("learner") ",\"status\":\"not run\",\"why\":\"needs models " \
                         "with and without backdoors\"}"
#define SHY                                                                   \
    "{" NAMED("shy") ",\"status\":\"ran\",\"score\":null,\"threshold\":null," \
                     "\"p_value\":null,\"note\":\"two are <few>\","           \
                     "\"references\":3,\"reference_p\":null,"                 \
                     "\"false_alarms\":null,\"decided_by\":\"nothing\","      \
                     "\"accuses\":null,\"calibrated\":false}"
#define RECORDS                                                              \
    "{\"name\":\"strip\",\"title\":\"STRIP\",\"subject\":\"input\","         \
    "\"status\":\"ran\",\"score\":null,\"accused\":{\"value\":0.9,\"low\":"  \
    "0.8,\"high\":0.95,\"n\":100},\"false_alarms\":{\"value\":0.02,\"low\":" \
    "0.01,\"high\":0.05,\"n\":100}}"
#define SHARE(x) "{\"value\":" x ",\"low\":0.1,\"high\":0.99,\"n\":50}"
#define EFFECT(acc, asr, ra)                           \
    "{\"accuracy\":" SHARE(acc) ",\"success\":" SHARE( \
        asr) ",\"restored\":" SHARE(ra) "}"
#define REPAIRS                                                          \
    "{\"data\":{\"tuned_on\":25,\"held_out\":25,\"measured_on\":50},"    \
    "\"trigger\":{\"from\":\"finder\",\"target\":1},\"before\":" EFFECT( \
        "0.8", "0.97",                                                   \
        "0.02") ",\"rows\":[{\"name\":\"tune\",\"title\":"               \
                "\"Tuning\",\"status\":\"ran\",\"pruned\":"              \
                "4,\"channels\":32,\"note\":\"\",\"after\":" EFFECT(     \
                    "0.78", "0.12", "0.7") "},{\"name\":"                \
                                           "\"cut\","                    \
                                           "\"title\":"                  \
                                           "\"Cutting\","                \
                                           "\"status\":"                 \
                                           "\"not run\","                \
                                           "\"why\":\"no "               \
                                           "batch norm\"}]}"

/* A document of these detectors and repairs, without attacks. */
static const char *run_of(const char *name, const char *picture,
                          const char *repairs)
{
    static char text[16384];
    int n = snprintf(
        text, sizeof text,
        "{" HEAD ",\"attacks\":[],\"trust\":{\"scan\":{"
        "\"verdict\":\"suspicious\",\"kind\":\"zip\",\"reasons\":"
        "[{\"rule\":\"pickle-global\",\"what\":\"os.<i>system\","
        "\"why\":\"runs a program\"}]},\"accuracy\":" SHARE(
            "0.8") ",\"detection\":{\"detectors\":[" FINDER "," UPSTREAM
                   "," LEARNER "," SHY "," RECORDS
                   "]},\"references\":{\"n\":20,\"given\":20,\"own\":0},"
                   "\"repairs\":%s,\"no_repairs\":\"not <u>asked\"}}",
        picture, repairs);

    CHECK(n > 0 && (size_t)n < sizeof text);
    return run_with(name, text);
}

static void test_all_that_was_found_has_its_place(void)
{
    static const char *const words[] = {
        "<section id=\"trust\"",
        "<a href=\"#trust\">Can one build on it?</a>",
        "Of 2 detectors that looked into the model",
        "1 accuses it",
        "cannot tell",
        "two are &lt;few&gt;",
        "20 clean models",
        "os.&lt;i&gt;system",
        "4.5",
        "0.047",
        "of 20 clean models",
        "class 1 (&lt;b&gt;cat)",
        "conv&lt;1&gt;",
        "30 tensors differ in all",
        "needs models with and without backdoors",
        "of clean ones 2.0",
        "class=\"column accused\"",
        "97.0",
        "12.0",
        "4 of 32 channels off",
        "no batch norm",
        "<code>finder</code> reversed",
        "Detectors that accuse",
    };
    char *page = page_of(run_of("all", "trust/found/a.png", REPAIRS));

    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (!strstr(page, words[i]))
            printf("# missing: %s\n", words[i]);
        CHECK_PAGE_HAS(page, words[i]);
    }
    CHECK(!strstr(page, "nan"));
    /* What is about attacks has no place in it. */
    CHECK(!strstr(page, "id=\"attacks\"") && !strstr(page, "id=\"controls\""));
    CHECK(!strstr(page, "Attacks run"));
    assay__free(page);
}

static void test_repairs_that_did_not_run_say_why(void)
{
    const char *run = run_of("unrepaired", "", "null");
    char *page = page_of(run);
    char *text = summary_of(run, 0, 80);

    CHECK_PAGE_HAS(page, "<p>Not run: not &lt;u&gt;asked.</p>");
    CHECK_STR_HAS(text, "not run: repairs: not <u>asked");
    assay__free(page);
    assay__free(text);
}

static void test_the_summary_has_a_line_for_each(void)
{
    static const int widths[] = {40, 80, 200};

    for (size_t i = 0; i < sizeof widths / sizeof *widths; i++) {
        char *text = summary_of(run_of("lines", "", REPAIRS), 0, widths[i]);

        CHECK_STR_HAS(text, "Can one build on it?");
        CHECK_STR_HAS(text, "* The finder");
        CHECK_STR_HAS(text, "The upstream");
        CHECK_STR_HAS(text, "not run: The learner:");
        CHECK_STR_HAS(text, "cannot"); /* two words: may break */
        CHECK_STR_HAS(text, "<few>");
        CHECK_STR_HAS(text, "STRIP");
        CHECK_STR_HAS(text, "Tuning");
        CHECK_STR_HAS(text, "97.0");
        CHECK_STR_HAS(text, "not run: Cutting:");
        CHECK(!strstr(text, "nan"));
        for (const char *line = text; *line;) {
            size_t size = strcspn(line, "\n");
            size_t shown = 0;

            for (size_t k = 0; k < size; k++) /* characters, not bytes */
                shown += (line[k] & 0xc0) != 0x80;
            if (shown > (size_t)widths[i])
                printf("# too wide: %.*s\n", (int)size, line);
            CHECK(shown <= (size_t)widths[i]);
            line += size + (line[size] == '\n');
        }
        assay__free(text);
    }
}

/* Only PNG files inside the run folder are shown. */
static void test_pictures_stay_inside_the_run(void)
{
    static const char *const paths[] = {"../../secret.png", "/etc/motd",
                                        "trust/../../x.png", "nowhere.png"};

    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        char *page = page_of(run_of("inside", paths[i], "null"));

        CHECK(!strstr(page, "data:image/png"));
        CHECK_PAGE_HAS(page, "<span class=\"picture\">");
        assay__free(page);
    }
}

static void test_lies_are_refused_by_place(void)
{
    static const struct {
        const char *trust;
        const char *words;
    } lies[] = {
        {"7", "trust is a number"},
        {"{}", "trust.detection is missing"},
        {"{\"detection\":{}}", "trust.detection.detectors is missing"},
        {"{\"detection\":{\"detectors\":[7]}}",
         "trust.detection.detectors[0] is a number"},
        {"{\"detection\":{\"detectors\":[{}]}}",
         "detectors[0].name is missing"},
        {"{\"detection\":{\"detectors\":[{" NAMED(
             "a") ",\"status\":\"ran\",\"per_class\":[\"x\"]}]}}",
         "per_class[0] is text"},
        {"{\"detection\":{\"detectors\":[{" NAMED(
             "a") ",\"status\":\"ran\",\"picture\":[]}]}}",
         "picture is a list"},
        {"{\"detection\":{\"detectors\":[]},\"scan\":{\"verdict\":1}}",
         "trust.scan.verdict is a number"},
        {"{\"detection\":{\"detectors\":[]},\"repairs\":{\"rows\":{}}}",
         "trust.repairs.rows is an object"},
        {"{\"detection\":{\"detectors\":[]},\"repairs\":{\"rows\":[{"
         "\"name\":\"a\",\"title\":\"A\",\"status\":\"ran\",\"after\":{"
         "\"accuracy\":{\"value\":\"x\"}}}]}}",
         "after.accuracy.value is text"},
    };

    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        struct assay_error err = {0};
        char findings[4096];

        snprintf(findings, sizeof findings,
                 "{" HEAD ",\"attacks\":[],\"trust\":%s}", lies[i].trust);
        CHECK_FAILS(assay_report_write(run_with("lies", findings), NULL, &err),
                    ASSAY_FORMAT, err);
        CHECK_STR_HAS(err.msg, lies[i].words);
    }
}

static void test_empty_lists_are_harmless(void)
{
    char *page = page_of(
        run_with("empty", "{" HEAD ",\"attacks\":[],\"trust\":{\"detection\":"
                          "{\"detectors\":[]}}}"));

    CHECK_PAGE_HAS(page, "No detector could look into the model");
    CHECK(!strstr(page, "nan"));
    assay__free(page);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_all_that_was_found_has_its_place),
    CHECK_TEST(test_repairs_that_did_not_run_say_why),
    CHECK_TEST(test_the_summary_has_a_line_for_each),
    CHECK_TEST(test_pictures_stay_inside_the_run),
    CHECK_TEST(test_lies_are_refused_by_place),
    CHECK_TEST(test_empty_lists_are_harmless),
};
CHECK_MAIN(tests)
