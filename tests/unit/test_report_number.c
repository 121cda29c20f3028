/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers as a report writes them: digits, units, missing values, locales. */

#include <locale.h>
#include <math.h>

#include "check.h"
#include "report/number.h"

#define DASH "\xe2\x80\x93"
#define MINUS "\xe2\x88\x92"
#define NBSP "\xc2\xa0"

static void test_percent_keeps_two_digits_of_small_rates(void)
{
    static const struct {
        double x;
        const char *text;
    } rows[] = {{0, "0" NBSP "%"},
                {1, "100.0" NBSP "%"},
                {0.5, "50.0" NBSP "%"},
                {0.0312, "3.1" NBSP "%"},
                {0.00312, "0.31" NBSP "%"},
                {0.000312, "0.031" NBSP "%"},
                {0.000001, "0" NBSP "%"},
                {0.00995, "1.0" NBSP "%"},
                {-0.012, MINUS "1.2" NBSP "%"},
                {ASSAY__MISSING, DASH}};

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        CHECK_STR_EQ(assay__number_percent(rows[i].x).s, rows[i].text);
}

static void test_fixed_has_no_minus_zero(void)
{
    CHECK_STR_EQ(assay__number_fixed(-0.0001, 3).s, "0.000");
    CHECK_STR_EQ(assay__number_fixed(0.71349, 3).s, "0.713");
    CHECK_STR_EQ(assay__number_fixed(-1.5, 1).s, MINUS "1.5");
    CHECK_STR_EQ(assay__number_fixed(ASSAY__MISSING, 3).s, DASH);
    CHECK_STR_EQ(assay__number_fixed((double)INFINITY, 3).s, DASH);
    CHECK_STR_EQ(assay__number_fixed(1e300, 3).s, "1e+300");
}

static void test_count_is_grouped_by_thousands(void)
{
    CHECK_STR_EQ(assay__number_count(0).s, "0");
    CHECK_STR_EQ(assay__number_count(999).s, "999");
    CHECK_STR_EQ(assay__number_count(17500).s, "17,500");
    CHECK_STR_EQ(assay__number_count(1234567).s, "1,234,567");
    CHECK_STR_EQ(assay__number_count(ASSAY__MISSING).s, DASH);
    CHECK_STR_EQ(assay__number_count(-3).s, MINUS "3");
}

static void test_interval_leaves_out_missing_ends(void)
{
    struct assay_estimate both = {.5, .41, .59, 10};
    struct assay_estimate low = {.5, .41, ASSAY__MISSING, 10};
    struct assay_estimate none = {.5, ASSAY__MISSING, ASSAY__MISSING, 0};

    CHECK_STR_EQ(assay__number_interval(&both, ASSAY__NUMBER_FRACTION).s,
                 "0.410" NBSP DASH NBSP "0.590");
    CHECK_STR_EQ(assay__number_interval(&both, ASSAY__NUMBER_PERCENT).s,
                 "41.0" NBSP DASH NBSP "59.0" NBSP "%");
    CHECK_STR_EQ(assay__number_interval(&low, ASSAY__NUMBER_FRACTION).s,
                 "\xe2\x89\xa5" NBSP "0.410");
    CHECK_STR_EQ(assay__number_interval(&none, ASSAY__NUMBER_PLAIN).s, DASH);
}

static void test_locale_does_not_change_the_point(void)
{
    if (!setlocale(LC_ALL, "de_DE.UTF-8") && !setlocale(LC_ALL, "fr_FR.UTF-8"))
        SKIP("no locale with a decimal comma is installed");
    CHECK_STR_EQ(assay__number_fixed(0.5, 2).s, "0.50");
    CHECK_STR_EQ(assay__number_plain(1.25).s, "1.25");
}

static const struct check_test tests[] = {
    CHECK_TEST(test_percent_keeps_two_digits_of_small_rates),
    CHECK_TEST(test_fixed_has_no_minus_zero),
    CHECK_TEST(test_count_is_grouped_by_thousands),
    CHECK_TEST(test_interval_leaves_out_missing_ends),
    CHECK_TEST(test_locale_does_not_change_the_point),
};
CHECK_MAIN(tests)
