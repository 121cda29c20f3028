/* SPDX-License-Identifier: Apache-2.0 */
/* JSON: what is written is sorted, round-trips and is read back capped. */

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "assay/rng.h"
#include "check.h"
#include "core/fs.h"
#include "core/json.h"
#include "core/mem.h"

static void check_text(json_t *value, const char *want)
{
    char *text = assay__json_text(value);

    CHECK_STR_EQ(text, want);
    assay__free(text);
    json_decref(value);
}

static void test_text_is_sorted_and_indented(void)
{
    check_text(json_pack("{s:i, s:[i,i], s:{s:b, s:n}, s:[], s:{}}", "z", 1,
                         "list", 1, 2, "inner", "t", 1, "none", "empty", "e2"),
               "{\n"
               "  \"e2\": {},\n"
               "  \"empty\": [],\n"
               "  \"inner\": {\n"
               "    \"none\": null,\n"
               "    \"t\": true\n"
               "  },\n"
               "  \"list\": [1, 2],\n"
               "  \"z\": 1\n"
               "}\n");
    check_text(json_pack("[[i],[i]]", 1, 2), "[\n  [1],\n  [2]\n]\n");
}

static void test_strings_are_escaped(void)
{
    check_text(json_string("q\" b\\ n\n t\t \x01 \x7f \xc3\xa9"),
               "\"q\\\" b\\\\ n\\n t\\u0009 \\u0001 \x7f \xc3\xa9\"\n");
}

static void test_reals_take_the_fewest_digits(void)
{
    check_text(json_real(0.1), "0.1\n");
    check_text(json_real(3.0), "3.0\n");
    check_text(json_real(-0.0), "-0.0\n");
    check_text(json_real(1e300), "1e+300\n");
    check_text(json_real(1.0 / 3), "0.3333333333333333\n");
    check_text(json_real(0.1 + 0.2), "0.30000000000000004\n");
}

static void check_round_trip(double x)
{
    json_t *value = json_real(x);
    char *text = assay__json_text(value);
    json_t *back = json_loads(text, JSON_DECODE_ANY, NULL);

    CHECK(json_is_real(back));
    CHECK_NEAR(json_real_value(back), x, 0);
    json_decref(back);
    json_decref(value);
    assay__free(text);
}

static void test_reals_round_trip(void)
{
    struct assay_rng rng;
    int i;

    assay_rng_init(&rng, 1, "json", 0);
    for (i = 0; i < 5000; i++) {
        uint64_t bits = assay_rng_u64(&rng);
        double x;

        memcpy(&x, &bits, sizeof x);
        if (isfinite(x))
            check_round_trip(x);
        check_round_trip(assay_rng_normal(&rng));
    }
    check_round_trip(DBL_MAX);
    check_round_trip(DBL_MIN);
    check_round_trip(DBL_TRUE_MIN);
}

static void test_numbers_that_are_none_become_null(void)
{
    check_text(assay__json_real((double)NAN), "null\n");
    check_text(assay__json_real((double)INFINITY), "null\n");
    check_text(assay__json_real(-(double)INFINITY), "null\n");
    check_text(assay__json_real(0.5), "0.5\n");
}

static void test_equal_content_is_equal_bytes(void)
{
    json_t *a = json_pack("{s:i, s:i}", "a", 1, "b", 2);
    json_t *b = json_pack("{s:i, s:i}", "b", 2, "a", 1);
    char *text_a = assay__json_text(a);
    char *text_b = assay__json_text(b);

    CHECK_STR_EQ(text_a, text_b);
    assay__free(text_a);
    assay__free(text_b);
    json_decref(a);
    json_decref(b);
}

static void test_file_round_trips(void)
{
    const char *path = check_temp_path("file.json");
    json_t *value = json_pack("{s:f, s:s}", "x", 0.25, "name", "n");
    json_t *back = NULL;
    struct assay_error err = {0};

    CHECK_OK(assay__json_write(path, value, &err), err);
    CHECK_OK(assay__json_read(path, 1000, &back, &err), err);
    CHECK(json_equal(value, back));
    json_decref(value);
    json_decref(back);
}

static void check_refused(const char *text, int code, const char *why)
{
    const char *path = check_temp_path("bad.json");
    struct assay_error err = {0};
    json_t *value = NULL;

    check_write_file(path, text, strlen(text));
    CHECK_FAILS(assay__json_read(path, 200, &value, &err), code, err);
    CHECK(value == NULL);
    CHECK_STR_HAS(err.msg, "bad.json");
    CHECK_STR_HAS(err.msg, why);
}

static void test_malformed_text_is_refused_with_its_place(void)
{
    check_refused("", ASSAY_FORMAT, "line 1");
    check_refused("{\n  \"a\": 1,\n  \"b\" 2\n}", ASSAY_FORMAT, "line 3");
    check_refused("{\"a\": 1, \"a\": 2}", ASSAY_FORMAT, "duplicate");
    check_refused("[1] tail", ASSAY_FORMAT, "line 1");
    check_refused("[1e999]", ASSAY_FORMAT, "line 1");
    check_refused("[NaN]", ASSAY_FORMAT, "line 1");
    check_refused("[\"\xff\"]", ASSAY_FORMAT, "0xff");
}

static void test_text_over_the_cap_is_refused(void)
{
    char text[202];

    memset(text, ' ', sizeof text);
    text[0] = '[';
    text[200] = ']';
    text[201] = '\0';
    check_refused(text, ASSAY_LIMIT, "200");
}

static void test_deep_nesting_is_refused(void)
{
    enum { DEPTH = 100000 };
    const char *path = check_temp_path("deep.json");
    char *text = assay__malloc(DEPTH);
    struct assay_error err = {0};
    json_t *value = NULL;

    CHECK(text != NULL);
    memset(text, '[', DEPTH);
    check_write_file(path, text, DEPTH);
    assay__free(text);
    CHECK_FAILS(assay__json_read(path, DEPTH, &value, &err), ASSAY_FORMAT, err);
}

static void test_bytes_that_are_no_utf8_are_replaced(void)
{
#define GONE "\xef\xbf\xbd"
    static const char *const rows[][2] = {
        {"", ""},
        {"plain", "plain"},
        {"na\xc3\xafve \xe6\xbc\xa2 \xf0\x9f\x98\x80",
         "na\xc3\xafve \xe6\xbc\xa2 \xf0\x9f\x98\x80"},
        {"caf\xe9", "caf" GONE},                   /* Latin-1 */
        {"\x80\xff!", GONE GONE "!"},              /* no lead byte */
        {"\xe2\x82", GONE GONE},                   /* cut short */
        {"\xc0\xaf", GONE GONE},                   /* long form */
        {"\xe0\x80\xaf", GONE GONE GONE},          /* likewise */
        {"\xed\xa0\x80", GONE GONE GONE},          /* surrogate */
        {"\xf4\x90\x80\x80", GONE GONE GONE GONE}, /* above U+10FFFF */
        {"\xf4\x8f\xbf\xbd", "\xf4\x8f\xbf\xbd"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        json_t *value = assay__json_string(rows[i][0]);

        CHECK(value != NULL);
        CHECK_STR_EQ(json_string_value(value), rows[i][1]);
        json_decref(value);
    }
#undef GONE
}

static const struct check_test tests[] = {
    CHECK_TEST(test_text_is_sorted_and_indented),
    CHECK_TEST(test_strings_are_escaped),
    CHECK_TEST(test_bytes_that_are_no_utf8_are_replaced),
    CHECK_TEST(test_reals_take_the_fewest_digits),
    CHECK_TEST(test_reals_round_trip),
    CHECK_TEST(test_numbers_that_are_none_become_null),
    CHECK_TEST(test_equal_content_is_equal_bytes),
    CHECK_TEST(test_file_round_trips),
    CHECK_TEST(test_malformed_text_is_refused_with_its_place),
    CHECK_TEST(test_text_over_the_cap_is_refused),
    CHECK_TEST(test_deep_nesting_is_refused),
};

CHECK_MAIN(tests)
