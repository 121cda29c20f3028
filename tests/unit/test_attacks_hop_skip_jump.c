/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HopSkipJump against oracles whose boundary is known: it must come near
 * the distance that geometry gives, keep to its budget and its box, and not
 * care who is measured beside.
 */

#include <math.h>
#include <string.h>

#include "attacks/membership/hop_skip_jump.h"
#include "check.h"

enum { WIDTH = 32, RECORDS = 5, BATCH = 16 };

/* Class 1 where normal . x > offset; or, with radius > 0, where the length
 * of x is above it. Counts what it is asked, and what lies outside. */
struct geometry {
    float normal[WIDTH];
    float offset;
    float radius;
    size_t asked;
    size_t outside;
    size_t largest; /* batch */
};

static int ask(void *self, const float *x, size_t n, int32_t *heard,
               struct assay_error *err)
{
    struct geometry *g = self;

    (void)err;
    for (size_t i = 0; i < n; i++) {
        double dot = 0;
        double square = 0;

        for (size_t p = 0; p < WIDTH; p++) {
            double v = (double)x[i * WIDTH + p];

            dot += v * (double)g->normal[p];
            square += v * v;
            g->outside += v < -1 || v > 1;
        }
        heard[i] = g->radius > 0 ? sqrt(square) > (double)g->radius
                                 : dot > (double)g->offset;
    }
    g->asked += n;
    g->largest = n > g->largest ? n : g->largest;
    return ASSAY_OK;
}

struct fixture {
    struct assay_context ctx;
    struct geometry geometry;
    struct assay__oracle oracle;
    struct assay__jumps jumps;
    float low[WIDTH];
    float high[WIDTH];
    float x[RECORDS * WIDTH];
    float start[RECORDS * WIDTH];
    int32_t label[RECORDS];
    uint64_t stream[RECORDS];
    double distance[RECORDS];
};

static void open_fixture(struct fixture *f)
{
    memset(f, 0, sizeof(*f));
    assay_context_init(&f->ctx);
    f->ctx.seed = 4;
    f->oracle = (struct assay__oracle){&f->geometry, ask, BATCH};
    f->jumps = (struct assay__jumps){.ctx = &f->ctx,
                                     .width = WIDTH,
                                     .low = f->low,
                                     .high = f->high,
                                     .queries = 3000,
                                     .first = 60};
    for (size_t p = 0; p < WIDTH; p++) {
        f->low[p] = -1;
        f->high[p] = 1;
        f->geometry.normal[p] = p % 3 == 0 ? 2 : -1;
    }
    for (size_t i = 0; i < RECORDS; i++) {
        f->stream[i] = 100 + i;
        for (size_t p = 0; p < WIDTH; p++)
            f->start[i * WIDTH + p] = (p + i) % 4 == 0            ? .9F
                                      : f->geometry.normal[p] > 0 ? .5F
                                                                  : .1F;
    }
}

static void run(struct fixture *f)
{
    struct assay_error err = {0};

    struct assay__jump_rows rows = {.n = RECORDS,
                                    .x = f->x,
                                    .start = f->start,
                                    .label = f->label,
                                    .stream = f->stream,
                                    .distance = f->distance};

    CHECK_OK(assay__hop_skip_jump(&f->jumps, &f->oracle, &rows, &err), err);
}

/* Records at 0; the plane's distance is offset / |normal|. */
static void test_distance_to_a_plane_is_found(void)
{
    struct fixture f;
    double length = 0;

    open_fixture(&f);
    f.geometry.offset = 3;
    for (size_t p = 0; p < WIDTH; p++)
        length += (double)f.geometry.normal[p] * (double)f.geometry.normal[p];
    run(&f);
    for (size_t i = 0; i < RECORDS; i++) {
        double truth = 3 / sqrt(length);

        CHECK(f.distance[i] >= truth * (1 - 1e-5));
        CHECK_NEAR(f.distance[i] / truth, 1, .1);
    }
    CHECK_UINT_EQ(f.geometry.outside, 0);
}

/* Inside a ball every direction is as good: the radius less the record's
 * length, here .25 from the middle. */
static void test_distance_to_a_sphere_is_found(void)
{
    struct fixture f;

    open_fixture(&f);
    f.geometry.radius = 1;
    for (size_t i = 0; i < RECORDS; i++)
        f.x[i * WIDTH + i] = .25F;
    run(&f);
    for (size_t i = 0; i < RECORDS; i++) {
        CHECK(f.distance[i] >= .75 - 1e-5);
        CHECK_NEAR(f.distance[i], .75, .08);
    }
}

static void test_more_questions_bring_it_nearer(void)
{
    struct fixture few;
    struct fixture many;
    double sum[2] = {0, 0};

    open_fixture(&few);
    few.geometry.offset = 3;
    few.jumps.queries = 100;
    few.jumps.first = 10;
    run(&few);
    open_fixture(&many);
    many.geometry.offset = 3;
    run(&many);
    CHECK(few.geometry.asked <= RECORDS * few.jumps.queries);
    CHECK(many.geometry.asked <= RECORDS * many.jumps.queries);
    CHECK(few.geometry.largest <= BATCH);
    for (size_t i = 0; i < RECORDS; i++) {
        sum[0] += few.distance[i];
        sum[1] += many.distance[i];
    }
    CHECK(sum[1] < .9 * sum[0]);
}

/* With no questions to ask, what is known is the start's distance. */
static void test_no_budget_leaves_the_start(void)
{
    struct fixture f;
    double square = 0;

    open_fixture(&f);
    f.geometry.offset = 3;
    f.jumps.queries = 1;
    run(&f);
    for (size_t p = 0; p < WIDTH; p++)
        square += (double)f.start[p] * (double)f.start[p];
    CHECK_NEAR(f.distance[0], sqrt(square), 1e-6);
    CHECK_UINT_EQ(f.geometry.asked, 0);
}

static void test_company_and_batch_change_nothing(void)
{
    struct fixture together;
    struct fixture alone;
    struct assay_error err = {0};
    struct assay__jump_rows rows;
    double distance;

    open_fixture(&together);
    together.geometry.offset = 3;
    run(&together);
    open_fixture(&alone);
    alone.geometry.offset = 3;
    alone.oracle.batch = 7;
    rows = (struct assay__jump_rows){.n = 1,
                                     .x = alone.x + 2 * WIDTH,
                                     .start = alone.start + 2 * WIDTH,
                                     .label = alone.label,
                                     .stream = alone.stream + 2,
                                     .distance = &distance};
    CHECK_OK(assay__hop_skip_jump(&alone.jumps, &alone.oracle, &rows, &err),
             err);
    CHECK_NEAR(distance, together.distance[2], 0);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_distance_to_a_plane_is_found),
    CHECK_TEST(test_distance_to_a_sphere_is_found),
    CHECK_TEST(test_more_questions_bring_it_nearer),
    CHECK_TEST(test_no_budget_leaves_the_start),
    CHECK_TEST(test_company_and_batch_change_nothing),
};
CHECK_MAIN(tests)
