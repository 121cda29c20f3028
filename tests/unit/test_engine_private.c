/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private training: how batches are drawn and cut, what a step adds up to
 * without noise and with it, and what is refused. That a run which is broken
 * off goes on to the same bytes is tested beside that of ordinary ones
 * (test_engine_train.c).
 */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/mem.h"
#include "engine/backend.h"
#include "engine/trainer.h"
#include "tiny_run.h"

/* --- batches ---------------------------------------------------------- */

enum { ROWS = 200, STEPS = 4000, LARGEST = 26 };

static int fill_numbers(void *self, const struct assay_batch *b,
                        struct assay_error *err)
{
    (void)self;
    (void)err;
    for (size_t i = 0; i < b->n; i++)
        b->inputs[0][i] = (float)b->rows[i];
    return ASSAY_OK;
}

static assay__feed *open_numbers(double share, uint64_t seed, size_t first,
                                 const struct assay_source *source)
{
    static const size_t width[1] = {1};
    struct assay__feed_options o = {.source = source,
                                    .width = width,
                                    .n_inputs = 1,
                                    .batch = LARGEST,
                                    .steps = STEPS / 4,
                                    .share = share,
                                    .first_epoch = first,
                                    .n_epochs = 4,
                                    .seed = seed};
    struct assay_error err = {0};
    assay__feed *feed = NULL;

    CHECK_OK(assay__feed_open(&feed, &o, &err), err);
    return feed;
}

/* The rows of the next batch into `rows`, all parts; their number. */
static size_t next_batch(assay__feed *feed, float rows[ROWS])
{
    struct assay_error err = {0};
    size_t n = 0;
    size_t part = 0;
    bool last = false;

    while (!last) {
        const struct assay__fed *fed;

        CHECK_OK(assay__feed_next(feed, &fed, &err), err);
        CHECK_UINT_EQ(fed->part, part++);
        CHECK(fed->n <= LARGEST && n + fed->n <= ROWS);
        CHECK(fed->last || fed->n == LARGEST);
        memcpy(rows + n, fed->inputs[0], fed->n * sizeof *rows);
        n += fed->n;
        last = fed->last;
        assay__feed_done(feed);
    }
    for (size_t i = 1; i < n; i++)
        CHECK(rows[i] > rows[i - 1]);
    return n;
}

/* Every record comes with probability q, independently: counts of records,
 * of pairs, and mean and variance of the size, within five deviations. */
static void test_records_are_drawn_independently(void)
{
    static const struct assay_source source = {NULL, ROWS, fill_numbers};
    static double with[ROWS];
    static double pairs[ROWS];
    double q = 0.1;
    double sum = 0.0;
    double squares = 0.0;
    double mean;
    double parts = 0.0;
    assay__feed *feed = open_numbers(q, 3, 0, &source);
    float rows[ROWS];

    memset(with, 0, sizeof with);
    memset(pairs, 0, sizeof pairs);
    for (int s = 0; s < STEPS; s++) {
        size_t n = next_batch(feed, rows);

        for (size_t i = 0; i < n; i++) {
            with[(int)rows[i]] += 1.0;
            if (i > 0 && rows[i] == rows[i - 1] + 1.0F)
                pairs[(int)rows[i]] += 1.0;
        }
        sum += (double)n;
        squares += (double)(n * n);
        parts += n > LARGEST;
    }
    assay__feed_close(feed);
    for (int r = 0; r < ROWS; r++) {
        CHECK_NEAR(with[r], STEPS * q, 5.0 * sqrt(STEPS * q * (1.0 - q)));
        if (r > 0)
            CHECK_NEAR(pairs[r], STEPS * q * q, 5.0 * sqrt(STEPS * q * q));
    }
    mean = sum / STEPS;
    CHECK_NEAR(mean, ROWS * q, 5.0 * sqrt(ROWS * q * (1.0 - q) / STEPS));
    CHECK_NEAR(squares / STEPS - mean * mean, ROWS * q * (1.0 - q),
               5.0 * ROWS * q * (1.0 - q) * sqrt(2.0 / STEPS));
    /* One in fifteen is larger than 26. */
    CHECK(parts > 100.0);
}

static void test_batches_are_a_function_of_seed_and_step(void)
{
    static const struct assay_source source = {NULL, ROWS, fill_numbers};
    assay__feed *a = open_numbers(0.1, 3, 0, &source);
    assay__feed *b = open_numbers(0.1, 3, 2, &source);
    assay__feed *c = open_numbers(0.1, 4, 2, &source);
    float first[ROWS];
    float second[ROWS];
    int differ = 0;

    for (int s = 0; s < STEPS / 2; s++)
        (void)next_batch(a, first);
    for (int s = 0; s < 50; s++) {
        size_t n = next_batch(a, first);

        CHECK_UINT_EQ(next_batch(b, second), n);
        CHECK_MEM_EQ(second, first, n * sizeof *first);
        differ += next_batch(c, second) != n;
    }
    CHECK(differ > 20);
    assay__feed_close(a);
    assay__feed_close(b);
    assay__feed_close(c);
}

static void test_probability_1_draws_all(void)
{
    static const struct assay_source source = {NULL, ROWS, fill_numbers};
    assay__feed *feed = open_numbers(1.0, 3, 0, &source);
    float rows[ROWS];

    CHECK_UINT_EQ(next_batch(feed, rows), ROWS);
    CHECK_UINT_EQ(next_batch(feed, rows), ROWS);
    assay__feed_close(feed);
}

/* --- plans ------------------------------------------------------------ */

static void open_private(struct run *r, double clip, double noise, size_t rows)
{
    run_open(r);
    assay_graph_free(r->net.graph);
    tiny_net_make(&r->net, 0.0);
    r->program.graph = r->net.graph;
    r->inputs[0] = r->net.x;
    r->inputs[1] = r->net.labels;
    r->program.loss = r->net.loss;
    r->program.monitor[0] = r->net.correct;
    r->options.privacy.clip_norm = clip;
    r->options.privacy.noise_multiplier = noise;
    r->options.privacy.rows = rows;
}

static void expect_sizes(size_t n, size_t batch, size_t rows,
                         const size_t *want)
{
    struct assay_error err = {0};
    struct assay_trainer t;
    struct run r;

    open_private(&r, 1.0, 1.0, rows);
    r.source.n = n;
    r.options.batch = batch;
    CHECK_OK(assay__trainer_prepare(&t, &r.ctx, &r.program, &r.source,
                                    &r.options, &r.params, &err),
             err);
    CHECK_OK(assay__trainer_compile(&t, &err), err);
    for (int i = 0; i < t.n_sizes; i++) {
        CHECK_UINT_EQ(t.sized[i].rows, want[i]);
        CHECK_INT_EQ(t.sized[i].plan->slab_borrowed, i > 0);
        CHECK(assay__trainer_plan_for(&t, want[i]) == &t.sized[i]);
    }
    CHECK_UINT_EQ(want[t.n_sizes], 0);
    assay__trainer_release(&t);
    run_close(&r);
}

static void test_plans_fit_what_is_drawn(void)
{
    static const size_t usual[] = {96, 88, 80, 72, 64, 56, 48, 0};
    static const size_t all[] = {16, 0};
    static const size_t few[] = {12, 10, 8, 6, 4, 2, 0};
    static const size_t limited[] = {32, 26, 20, 14, 8, 2, 0};

    expect_sizes(100000, 64, 0, usual);
    expect_sizes(16, 16, 0, all);
    expect_sizes(10000, 4, 0, few);
    expect_sizes(100000, 64, 32, limited);
}

/* --- training --------------------------------------------------------- */

/* Largest difference between the parameters of two runs. */
static double difference(const struct run *a, const struct run *b)
{
    double most = 0.0;

    for (size_t i = 0; i < a->params.size; i++)
        most = fmax(
            most, fabs((double)a->params.data[i] - (double)b->params.data[i]));
    return most;
}

static void test_parts_add_up_to_the_whole(void)
{
    static const char *const backends[] = {"reference", "onednn"};

    for (int k = 0; k < 2; k++) {
        struct assay_error err = {0};
        struct run whole;
        struct run parts;

        open_private(&whole, 0.3, 0.0, 0);
        open_private(&parts, 0.3, 0.0, 3);
        whole.options.backend = parts.options.backend = backends[k];
        CHECK_OK(run(&whole, &err), err);
        CHECK_OK(run(&parts, &err), err);
        CHECK(difference(&whole, &parts) < 1e-5);
        CHECK_NEAR(parts.history.epoch[3].loss, whole.history.epoch[3].loss,
                   1e-5);
        CHECK_NEAR(parts.history.epoch[3].monitor[0],
                   whole.history.epoch[3].monitor[0], 1e-6);
        run_close(&whole);
        run_close(&parts);
    }
}

/* All records in each step, no clip, no noise: ordinary training with one
 * batch per epoch. */
static void test_without_limit_and_noise_it_is_ordinary_training(void)
{
    struct assay_error err = {0};
    struct run ordinary;
    struct run private;

    open_private(&ordinary, 0.0, 0.0, 0);
    open_private(&private, (double)INFINITY, 0.0, 0);
    ordinary.options.batch = private.options.batch = N;
    ordinary.options.epochs = private.options.epochs = 20;
    CHECK_OK(run(&ordinary, &err), err);
    CHECK_OK(run(&private, &err), err);
    CHECK(difference(&ordinary, &private) < 1e-6);
    CHECK_NEAR(private.history.epoch[19].loss, ordinary.history.epoch[19].loss,
               1e-6);
    CHECK_NEAR(private.history.epoch[19].monitor[0],
               ordinary.history.epoch[19].monitor[0], 1e-12);
    CHECK(difference(&private, &ordinary) < 1e-6);
    run_close(&ordinary);
    run_close(&private);
}

/* One step with noise and one without differ by rate sigma C z / batch. */
static void test_noise_has_the_deviation_that_was_asked_for(void)
{
    double sum = 0.0;
    double squares = 0.0;
    double count = 0.0;

    for (uint64_t seed = 0; seed < 100; seed++) {
        struct assay_error err = {0};
        struct run silent;
        struct run noisy;

        open_private(&silent, 0.5, 0.0, 0);
        open_private(&noisy, 0.5, 3.0, 0);
        silent.options.batch = noisy.options.batch = N;
        silent.options.epochs = noisy.options.epochs = 1;
        silent.options.seed = noisy.options.seed = seed;
        CHECK_OK(run(&silent, &err), err);
        CHECK_OK(run(&noisy, &err), err);
        for (size_t i = 0; i < noisy.params.size; i++) {
            double z =
                ((double)noisy.params.data[i] - (double)silent.params.data[i]) /
                (0.1 * 3.0 * 0.5 / N);

            /* Parameters start at multiples of 16 numbers. */
            if (z == 0.0)
                continue;
            sum += z;
            squares += z * z;
            count += 1.0;
        }
        run_close(&silent);
        run_close(&noisy);
    }
    CHECK(count >= 100.0 * (4 * 5 + 5 + 5 * 3 + 3) - 5.0);
    CHECK_NEAR(sum / count, 0.0, 5.0 / sqrt(count));
    CHECK_NEAR(squares / count, 1.0, 5.0 * sqrt(2.0 / count));
}

/* Where steps take few records or none, noise is all there is. */
static void test_empty_batches_are_steps_too(void)
{
    struct assay_error err = {0};
    struct run a;
    struct run b;

    open_private(&a, 1.0, 1.0, 0);
    open_private(&b, 1.0, 1.0, 0);
    a.options.batch = b.options.batch = 1;
    CHECK_OK(run(&a, &err), err);
    CHECK_OK(run(&b, &err), err);
    CHECK_MEM_EQ(b.params.data, a.params.data, a.params.size * sizeof(float));
    CHECK(isfinite(a.history.epoch[3].loss));
    b.options.seed++;
    CHECK_OK(assay_params_init(&b.params, b.net.graph, 7, &err), err);
    CHECK_OK(run(&b, &err), err);
    CHECK(difference(&a, &b) > 0.0);
    run_close(&a);
    run_close(&b);
}

static void test_network_learns_privately(void)
{
    struct assay_error err = {0};
    struct run r;

    open_private(&r, 1.0, 0.2, 0);
    r.options.epochs = 60;
    CHECK_OK(run(&r, &err), err);
    CHECK(r.history.epoch[59].loss < 0.7 * r.history.epoch[0].loss);
    CHECK(r.history.epoch[59].monitor[0] > 0.7);
    run_close(&r);
}

static void test_steps_and_rates_are_an_accountants(void)
{
    struct assay_train_options o;

    assay_train_options_init(&o, 3);
    CHECK_UINT_EQ(assay_train_steps(&o, 1000), 16);
    CHECK_NEAR(assay_train_sample_rate(&o, 1000), 0.064, 1e-15);
    CHECK_UINT_EQ(assay_train_steps(&o, 10), 1);
    CHECK_NEAR(assay_train_sample_rate(&o, 10), 1.0, 0.0);
}

static void refuse(double clip, double noise, const char *words)
{
    struct assay_error err = {0};
    struct run r;

    open_private(&r, clip, noise, 0);
    CHECK_FAILS(run(&r, &err), ASSAY_ARG, err);
    CHECK_STR_HAS(err.msg, words);
    run_close(&r);
}

static void test_senseless_options_are_refused(void)
{
    struct assay_error err = {0};
    struct run r;

    refuse(-1.0, 0.0, "clip norm -1");
    refuse(1.0, -2.0, "noise multiplier -2");
    refuse(0.0, 1.0, "needs a finite clip norm");
    refuse((double)INFINITY, 1.0, "needs a finite clip norm");
    open_private(&r, 1.0, 1.0, 0);
    r.program.loss = assay_op_affine(r.net.graph, r.net.loss, 2.0, 0.0);
    CHECK_FAILS(run(&r, &err), ASSAY_ARG, err);
    CHECK_STR_HAS(err.msg, "mean of one number per record");
    run_close(&r);
}

static void test_measurement_knows_private_training(void)
{
    struct assay_error err = {0};
    int workers = 0;
    int threads = 0;
    struct run r;

    open_private(&r, 1.0, 1.0, 0);
    r.ctx.threads = 2;
    CHECK_OK(assay_tuning_new(&r.options.tuning, &err), err);
    CHECK_OK(assay_train_measure(&r.ctx, &r.program, &r.source, &r.options,
                                 &r.params, &workers, &threads, &err),
             err);
    CHECK(workers * threads == 2);
    assay_tuning_free(r.options.tuning);
    run_close(&r);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_records_are_drawn_independently),
    CHECK_TEST(test_batches_are_a_function_of_seed_and_step),
    CHECK_TEST(test_probability_1_draws_all),
    CHECK_TEST(test_plans_fit_what_is_drawn),
    CHECK_TEST(test_parts_add_up_to_the_whole),
    CHECK_TEST(test_without_limit_and_noise_it_is_ordinary_training),
    CHECK_TEST(test_noise_has_the_deviation_that_was_asked_for),
    CHECK_TEST(test_empty_batches_are_steps_too),
    CHECK_TEST(test_network_learns_privately),
    CHECK_TEST(test_steps_and_rates_are_an_accountants),
    CHECK_TEST(test_senseless_options_are_refused),
    CHECK_TEST(test_measurement_knows_private_training),
};
CHECK_MAIN(tests)
