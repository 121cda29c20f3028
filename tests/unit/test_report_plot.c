/* SPDX-License-Identifier: Apache-2.0 */
/* Plots: ticks, degenerate axes and data, paths, bars. */

#include <math.h>
#include <string.h>

#include "check.h"
#include "report/plot.h"

static struct assay__plot_axis axis(double low, double high,
                                    enum assay__plot_scale scale, int ticks)
{
    struct assay__plot_axis a = {"x", low, high, scale, false, false, ticks};

    return a;
}

static void test_linear_ticks_are_round(void)
{
    struct assay__plot_axis a = axis(-0.3, 0.31, ASSAY__PLOT_LINEAR, 4);
    double tick[8];

    CHECK_UINT_EQ(assay__plot_ticks(&a, tick, 8), 3);
    CHECK_NEAR(tick[0], -0.2, 1e-12);
    CHECK_NEAR(tick[1], 0.0, 1e-12);
    CHECK_NEAR(tick[2], 0.2, 1e-12);
}

static void test_whole_axis_has_no_ticks_between(void)
{
    struct assay__plot_axis a = axis(1, 3, ASSAY__PLOT_LINEAR, 6);
    double tick[8];

    a.whole = true;
    CHECK_UINT_EQ(assay__plot_ticks(&a, tick, 8), 3);
    CHECK_NEAR(tick[1], 2, 1e-12);
}

static void test_log_ticks_are_decades(void)
{
    struct assay__plot_axis a = axis(5e-5, 1, ASSAY__PLOT_LOG, 0);
    double tick[8];

    CHECK_UINT_EQ(assay__plot_ticks(&a, tick, 8), 5);
    CHECK_NEAR(tick[0], 1e-4, 1e-12);
    CHECK_NEAR(tick[4], 1, 1e-12);
}

static void test_short_log_axis_has_parts_of_decades(void)
{
    struct assay__plot_axis a = axis(0.04, 1, ASSAY__PLOT_LOG, 0);
    static const double wanted[] = {.05, .1, .2, .5, 1};
    double tick[8];

    CHECK_UINT_EQ(assay__plot_ticks(&a, tick, 8), 5);
    for (size_t i = 0; i < 5; i++)
        CHECK_NEAR(tick[i], wanted[i], 1e-12);
}

static void test_long_log_axis_skips_decades(void)
{
    struct assay__plot_axis a = axis(1e-12, 1e12, ASSAY__PLOT_LOG, 0);
    double tick[24];
    size_t n = assay__plot_ticks(&a, tick, 24);

    CHECK(n >= 4 && n <= 10);
    CHECK_NEAR(tick[n - 1] / 1e12, 1, 1e-9);
}

static void test_ticks_respect_the_callers_room(void)
{
    struct assay__plot_axis a = axis(0, 1, ASSAY__PLOT_LINEAR, 100);
    double tick[3];

    CHECK_UINT_EQ(assay__plot_ticks(&a, tick, 3), 3);
}

static void test_nice_gives_degenerate_axes_room(void)
{
    static const double ends[][2] = {{0, 0},
                                     {5, 5},
                                     {3, 2},
                                     {ASSAY__MISSING, ASSAY__MISSING},
                                     {0, (double)INFINITY},
                                     {1e-9, 1e-9},
                                     {-1e20, -1e20},
                                     {-(double)INFINITY, 1},
                                     {1e308, 1e308},
                                     {-1.7e308, 1.7e308}};

    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        for (int scale = 0; scale < 2; scale++) {
            struct assay__plot_axis a = assay__plot_nice(
                axis(ends[i][0], ends[i][1], (enum assay__plot_scale)scale, 4));
            double tick[24];

            CHECK(a.low < a.high);
            CHECK(isfinite(a.low) && isfinite(a.high));
            CHECK(scale == ASSAY__PLOT_LINEAR || a.low > 0);
            CHECK(assay__plot_ticks(&a, tick, 24) <= 24);
        }
    }
}

static void test_nice_rounds_outwards(void)
{
    struct assay__plot_axis a =
        assay__plot_nice(axis(0.513, 0.678, ASSAY__PLOT_LINEAR, 4));

    CHECK_NEAR(a.low, 0.5, 1e-12);
    CHECK_NEAR(a.high, 0.7, 1e-12);
}

/* A drawing of 200 x 200 with both axes from 0 to 1. */
static void begin(struct assay__plot *p, struct assay__buf *b)
{
    struct assay__plot_axis x = axis(0, 1, ASSAY__PLOT_LINEAR, 2);

    assay__plot_begin(p, b, 200, 200, "alt <&>", &x, &x);
}

static void test_alt_text_is_escaped(void)
{
    struct assay__buf b = ASSAY__BUF_INIT;
    struct assay__plot p;

    begin(&p, &b);
    assay__plot_end(&p);
    CHECK_STR_HAS(b.data, "aria-label=\"alt &lt;&amp;&gt;\"");
    CHECK_STR_HAS(b.data, "</svg>");
    assay__buf_release(&b);
}

static void test_empty_path_draws_nothing(void)
{
    struct assay__buf b = ASSAY__BUF_INIT;
    struct assay__plot p;

    begin(&p, &b);
    assay__plot_path_begin(&p, "curve");
    assay__plot_path_end(&p);
    CHECK_STR_HAS(b.data, "<path class=\"curve\" d=\"\"/>");
    assay__buf_release(&b);
}

static void test_single_point_is_a_dot(void)
{
    struct assay__buf b = ASSAY__BUF_INIT;
    struct assay__plot p;

    begin(&p, &b);
    assay__plot_path_begin(&p, "curve");
    assay__plot_path_line(&p, 0.5, 0.5);
    assay__plot_path_end(&p);
    CHECK_STR_HAS(b.data, "d=\"M118 96h0\"");
    assay__buf_release(&b);
}

static void test_step_holds_until_the_next_point(void)
{
    struct assay__buf b = ASSAY__BUF_INIT;
    struct assay__plot p;

    begin(&p, &b);
    assay__plot_path_begin(&p, "curve");
    assay__plot_path_step(&p, 0, 0);
    assay__plot_path_step(&p, 0.5, 1);
    assay__plot_path_step(&p, 1, 1);
    assay__plot_path_end(&p);
    CHECK_STR_HAS(b.data, "d=\"M58 154H118V38H178h0\"");
    assay__buf_release(&b);
}

static void test_missing_value_interrupts_a_line(void)
{
    struct assay__buf b = ASSAY__BUF_INIT;
    struct assay__plot p;

    begin(&p, &b);
    assay__plot_path_begin(&p, "curve");
    assay__plot_path_line(&p, 0, 0);
    assay__plot_path_line(&p, 0.25, ASSAY__MISSING);
    assay__plot_path_line(&p, 0.5, 0.5);
    assay__plot_path_line(&p, 1, 0);
    assay__plot_path_end(&p);
    CHECK_STR_HAS(b.data, "d=\"M58 154M118 96L178 154h0\"");
    assay__buf_release(&b);
}

static void test_values_outside_stay_in_the_field(void)
{
    struct assay__buf b = ASSAY__BUF_INIT;
    struct assay__plot p;

    begin(&p, &b);
    assay__plot_path_begin(&p, "curve");
    assay__plot_path_line(&p, -5, 1e300);
    assay__plot_path_line(&p, 7, -1e300);
    assay__plot_path_end(&p);
    CHECK_STR_HAS(b.data, "d=\"M58 38L178 154h0\"");
    assay__buf_release(&b);
}

static void test_zero_on_a_log_axis_is_its_edge(void)
{
    struct assay__plot_axis x = axis(1e-3, 1, ASSAY__PLOT_LOG, 0);
    struct assay__buf b = ASSAY__BUF_INIT;
    struct assay__plot p;

    assay__plot_begin(&p, &b, 200, 200, "", &x, &x);
    CHECK_NEAR(assay__plot_px(&p, 0), p.left, 1e-9);
    CHECK_NEAR(assay__plot_py(&p, 1), p.top, 1e-9);
    CHECK_NEAR(assay__plot_px(&p, 0.0316227766), (p.left + p.right) / 2, 1e-6);
    assay__buf_release(&b);
}

static void test_bins_of_no_data_lie_on_the_ground(void)
{
    static const double height[] = {0, ASSAY__MISSING, 0};
    struct assay__buf b = ASSAY__BUF_INIT;
    struct assay__plot p;

    begin(&p, &b);
    assay__plot_bins(&p, height, 3, "bins");
    assay__plot_bins(&p, height, 0, "none");
    CHECK_STR_HAS(b.data, "<path class=\"bins\" d=\"M58 154H98H138H178h0\"/>");
    CHECK_STR_HAS(b.data, "<path class=\"none\" d=\"M58 154H178h0\"/>");
    assay__buf_release(&b);
}

static void test_interval_bar_shows_what_is_known(void)
{
    struct assay_estimate e = {.75, .5, 1, 10};
    struct assay_estimate bare = {.75, ASSAY__MISSING, ASSAY__MISSING, 0};
    struct assay_estimate none = {ASSAY__MISSING, ASSAY__MISSING,
                                  ASSAY__MISSING, 0};
    struct assay__buf b = ASSAY__BUF_INIT;

    assay__plot_interval(&b, &e, .5, 1, .6, .5, "above");
    CHECK_STR_HAS(b.data, "<path class=\"reach\" d=\"M4 7L116 7\"/>");
    CHECK_STR_HAS(b.data, "cx=\"60\"");
    CHECK_STR_HAS(b.data, "class=\"base\"");
    CHECK_STR_HAS(b.data, "class=\"guess\"");
    assay__buf_release(&b);
    assay__plot_interval(&b, &bare, .5, 1, ASSAY__MISSING, ASSAY__MISSING,
                         "above");
    CHECK(!strstr(b.data, "reach") && !strstr(b.data, "base"));
    assay__buf_release(&b);
    assay__plot_interval(&b, &none, .5, 1, ASSAY__MISSING, ASSAY__MISSING,
                         "above");
    assay__plot_interval(&b, &e, 1, 1, ASSAY__MISSING, ASSAY__MISSING, "above");
    CHECK_UINT_EQ(b.size, 0);
    assay__buf_release(&b);
}

static void test_estimate_in_a_plot_stands_upright(void)
{
    struct assay__plot_axis x = {"x", 1, 100, ASSAY__PLOT_LOG, false, false, 0};
    struct assay__plot_axis y = {"y",   0,     1, ASSAY__PLOT_LINEAR,
                                 false, false, 0};
    struct assay_estimate e = {.5, .25, 1, 10};
    struct assay_estimate none = {ASSAY__MISSING, 0, 1, 0};
    struct assay__buf b = ASSAY__BUF_INIT;
    struct assay__plot p;
    size_t before;

    assay__plot_begin(&p, &b, 180, 184, "a", &x, &y);
    b.size = 0;
    /* The field is 58..158 by 38..138. */
    assay__plot_estimate(&p, 10, &e, "point s1");
    CHECK_STR_HAS(b.data, "<path class=\"point s1\" d=\"M108 113L108 38\"/>");
    CHECK_STR_HAS(b.data, "cx=\"108\" cy=\"88\"");
    before = b.size;
    assay__plot_estimate(&p, 10, &none, "point");
    assay__plot_estimate(&p, ASSAY__MISSING, &e, "point");
    CHECK_UINT_EQ(b.size, before);
    e.low = ASSAY__MISSING;
    b.size = 0;
    assay__plot_estimate(&p, 10, &e, "point");
    CHECK(!strstr(b.data, "<path"));
    assay__buf_release(&b);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_linear_ticks_are_round),
    CHECK_TEST(test_whole_axis_has_no_ticks_between),
    CHECK_TEST(test_log_ticks_are_decades),
    CHECK_TEST(test_short_log_axis_has_parts_of_decades),
    CHECK_TEST(test_long_log_axis_skips_decades),
    CHECK_TEST(test_ticks_respect_the_callers_room),
    CHECK_TEST(test_nice_gives_degenerate_axes_room),
    CHECK_TEST(test_nice_rounds_outwards),
    CHECK_TEST(test_alt_text_is_escaped),
    CHECK_TEST(test_empty_path_draws_nothing),
    CHECK_TEST(test_single_point_is_a_dot),
    CHECK_TEST(test_step_holds_until_the_next_point),
    CHECK_TEST(test_missing_value_interrupts_a_line),
    CHECK_TEST(test_values_outside_stay_in_the_field),
    CHECK_TEST(test_zero_on_a_log_axis_is_its_edge),
    CHECK_TEST(test_bins_of_no_data_lie_on_the_ground),
    CHECK_TEST(test_interval_bar_shows_what_is_known),
    CHECK_TEST(test_estimate_in_a_plot_stands_upright),
};
CHECK_MAIN(tests)
