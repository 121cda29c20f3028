/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Triggers: stamped as the formula says, kept in files that may lie, put on
 * as many records as asked for; and what counts as a backdoor's success.
 */

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "assay/format.h"
#include "assay/trigger.h"
#include "small_data.h"

enum { N = 60 };

static struct assay_error err;

static void patch(struct assay_trigger *t, int side, int row, int column)
{
    CHECK_OK(assay_trigger_make(t, 1, SMALL_SIDE, SMALL_SIDE, &err), err);
    CHECK_OK(assay_trigger_patch(t, side, row, column, 200, &err), err);
}

static void test_patches_lie_inside(void)
{
    static const struct {
        int side, row, column;
        bool inside;
    } rows[] = {{3, 7, 7, true},   {10, 0, 0, true},  {1, 9, 9, true},
                {3, 8, 7, false},  {3, 7, 8, false},  {3, -1, 0, false},
                {3, 0, -1, false}, {11, 0, 0, false}, {0, 0, 0, false}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct assay_trigger t;
        int rc;

        CHECK_OK(assay_trigger_make(&t, 1, SMALL_SIDE, SMALL_SIDE, &err), err);
        rc = assay_trigger_patch(&t, rows[i].side, rows[i].row, rows[i].column,
                                 9, &err);
        CHECK_INT_EQ(rc, rows[i].inside ? ASSAY_OK : ASSAY_ARG);
        CHECK_NEAR(assay_trigger_l1(&t),
                   rows[i].inside ? rows[i].side * rows[i].side : 0, 0);
        assay_trigger_release(&t);
    }
    CHECK_STR_HAS(err.msg, "a square of 0 at 0,0 is not inside 10x10");
}

static void test_sizes_have_limits(void)
{
    struct assay_trigger t;

    CHECK_FAILS(assay_trigger_make(&t, 0, 4, 4, &err), ASSAY_ARG, err);
    CHECK_FAILS(assay_trigger_make(&t, 5, 4, 4, &err), ASSAY_ARG, err);
    CHECK_FAILS(assay_trigger_make(&t, 1, 4097, 4, &err), ASSAY_ARG, err);
    CHECK_FAILS(assay_trigger_make(&t, 1, 4, 0, &err), ASSAY_ARG, err);
    CHECK(t.mask == NULL && t.pattern == NULL);
}

/* Pixels, as the model reads them. */
static void test_stamping_is_the_formula(void)
{
    struct assay_preprocess pre = small_spec().preprocess;
    struct assay_trigger t;
    float x[2 * SMALL_PIXELS];

    patch(&t, 2, 4, 5);
    t.mask[0] = .25F;
    t.pattern[0] = 100;
    for (size_t i = 0; i < 2 * SMALL_PIXELS; i++)
        x[i] = (float)(((double)(i % 251) / 255 - .3) / .25);
    assay_trigger_stamp(&t, &pre, x, 2);
    for (size_t i = 0; i < 2 * SMALL_PIXELS; i++) {
        size_t k = i % SMALL_PIXELS;
        bool in = k / SMALL_SIDE / 2 == 2 && k % SMALL_SIDE >= 5 &&
                  k % SMALL_SIDE < 7;
        double pixel = (double)(i % 251);

        if (in)
            pixel = 200;
        if (k == 0)
            pixel = .75 * pixel + .25 * 100;
        CHECK_NEAR(x[i], (pixel / 255 - .3) / .25, 1e-5);
    }
    assay_trigger_release(&t);
}

static void test_blends_are_drawn_from_the_seed(void)
{
    struct assay_trigger a;
    struct assay_trigger b;
    double mean = 0;

    CHECK_OK(assay_trigger_make(&a, 3, 16, 16, &err), err);
    CHECK_OK(assay_trigger_make(&b, 3, 16, 16, &err), err);
    assay_trigger_blend(&a, .2, 1);
    assay_trigger_blend(&b, .2, 1);
    CHECK_MEM_EQ(a.pattern, b.pattern, 3 * 256 * sizeof(float));
    CHECK_NEAR(assay_trigger_l1(&a), .2 * 256, 1e-4);
    for (size_t i = 0; i < 3 * 256; i++)
        mean += (double)a.pattern[i] / (3 * 256);
    CHECK_NEAR(mean, 127.5, 10);
    assay_trigger_blend(&b, .2, 2);
    CHECK(memcmp(a.pattern, b.pattern, 3 * 256 * sizeof(float)) != 0);
    assay_trigger_release(&b);
    CHECK_OK(assay_trigger_copy(&b, &a, &err), err);
    CHECK_MEM_EQ(a.pattern, b.pattern, 3 * 256 * sizeof(float));
    CHECK_MEM_EQ(a.mask, b.mask, 256 * sizeof(float));
    assay_trigger_release(&a);
    assay_trigger_release(&b);
}

static void test_files_give_the_same_trigger(void)
{
    const char *path = check_temp_path("t.safetensors");
    struct assay_trigger t;
    struct assay_trigger back;
    unsigned char *png = NULL;
    size_t size = 0;

    patch(&t, 3, 1, 2);
    CHECK_OK(assay_trigger_write(&t, path, &err), err);
    CHECK_OK(assay_trigger_read(&back, path, &err), err);
    CHECK_INT_EQ(back.channels, 1);
    CHECK_INT_EQ(back.height, SMALL_SIDE);
    CHECK_MEM_EQ(back.mask, t.mask, SMALL_PIXELS * sizeof(float));
    CHECK_MEM_EQ(back.pattern, t.pattern, SMALL_PIXELS * sizeof(float));
    CHECK_OK(assay_trigger_png(&t, &png, &size, &err), err);
    CHECK(size > 8 && memcmp(png, "\x89PNG", 4) == 0);
    assay_bytes_free(png);
    assay_trigger_release(&back);
    assay_trigger_release(&t);
}

/* A file of these shapes, all of one value. */
static void write_lie(const char *path, const char *name, int side, int wide,
                      float value)
{
    struct assay_shape mask = assay_shape_make(2, (int64_t)side, (int64_t)side);
    struct assay_shape pattern =
        assay_shape_make(3, (int64_t)1, (int64_t)side, (int64_t)wide);
    float *x = calloc((size_t)side, (size_t)wide * sizeof(*x));
    struct assay_tensors list;

    CHECK(x != NULL);
    assay_tensors_init(&list);
    CHECK_OK(assay_tensors_add_f32(&list, name, &mask, x, &err), err);
    for (int i = 0; i < side * wide; i++)
        x[i] = value;
    CHECK_OK(assay_tensors_add_f32(&list, "pattern", &pattern, x, &err), err);
    CHECK_OK(assay_tensors_write(&list, path, &err), err);
    assay_tensors_release(&list);
    free(x);
}

static void test_files_that_lie(void)
{
    static const struct {
        const char *name;
        int side, wide;
        float value;
        int code;
        const char *says;
    } rows[] = {
        {"cover", 4, 4, 0, ASSAY_FORMAT, "mask is missing"},
        {"mask", 4, 5, 0, ASSAY_SHAPE, "mask must be [H, W]"},
        {"mask", 4, 4, 255.5F, ASSAY_DATA,
         "pattern[0] is 255.5, not in 0..255"},
        {"mask", 4, 4, -1, ASSAY_DATA, "pattern[0] is -1, not in 0..255"},
        {"mask", 4, 4, NAN, ASSAY_DATA, "nan, not in 0..255"}};
    const char *path = check_temp_path("lie.safetensors");

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct assay_trigger t;

        write_lie(path, rows[i].name, rows[i].side, rows[i].wide,
                  rows[i].value);
        CHECK_FAILS(assay_trigger_read(&t, path, &err), rows[i].code, err);
        CHECK_STR_HAS(err.msg, rows[i].says);
        CHECK(t.mask == NULL && t.pattern == NULL);
    }
    check_write_file(path, "not tensors", 11);
    {
        struct assay_trigger t;

        CHECK(assay_trigger_read(&t, path, &err) != ASSAY_OK);
        CHECK(t.mask == NULL);
    }
}

struct poisoned {
    struct assay_trigger t;
    assay_dataset *data, *out;
    assay_view *view;
    struct assay_poison how;
    uint8_t flag[N];
};

static void poison_open(struct poisoned *p, double rate)
{
    memset(p, 0, sizeof(*p));
    patch(&p->t, 3, 7, 7);
    p->data = small_records(N, 1);
    p->view = small_view(p->data);
    p->how.trigger = &p->t;
    p->how.target = 2;
    p->how.rate = rate;
    p->how.seed = 4;
}

static void poison_close(struct poisoned *p)
{
    assay_dataset_free(p->out);
    assay_view_free(p->view);
    assay_dataset_free(p->data);
    assay_trigger_release(&p->t);
}

static void check_record(const struct poisoned *p, size_t i)
{
    const uint8_t *was = assay_dataset_pixels(p->data, i);
    const uint8_t *is = assay_dataset_pixels(p->out, i);
    int32_t label = assay_dataset_label(p->data, i);

    CHECK_INT_EQ(assay_dataset_label(p->out, i),
                 p->flag[i] && !p->how.keep_label ? 2 : label);
    for (size_t k = 0; k < SMALL_PIXELS; k++)
        CHECK_INT_EQ(is[k], p->flag[i] && p->t.mask[k] > 0 ? 200 : was[k]);
}

static void test_as_many_are_poisoned_as_asked(void)
{
    static const struct {
        double rate;
        size_t n;
    } rows[] = {{0, 0}, {.1, 6}, {.125, 8}, {.999, 60}, {1, 60}};

    for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
        for (int keep = 0; keep < 2; keep++) {
            struct poisoned p;
            size_t n = 0;

            poison_open(&p, rows[r].rate);
            p.how.keep_label = keep;
            CHECK_OK(assay_dataset_poison(&p.out, p.view, &p.how, p.flag, &err),
                     err);
            CHECK_UINT_EQ(assay_dataset_count(p.out), N);
            CHECK_INT_EQ(assay_dataset_n_classes(p.out), SMALL_CLASSES);
            for (size_t i = 0; i < N; i++) {
                n += p.flag[i];
                check_record(&p, i);
            }
            CHECK_UINT_EQ(n, rows[r].n);
            poison_close(&p);
        }
    }
}

static void test_which_are_poisoned_is_the_seeds(void)
{
    struct poisoned p;
    uint8_t first[N];
    bool of_target = false;

    poison_open(&p, .5);
    CHECK_OK(assay_dataset_poison(&p.out, p.view, &p.how, first, &err), err);
    assay_dataset_free(p.out);
    CHECK_OK(assay_dataset_poison(&p.out, p.view, &p.how, p.flag, &err), err);
    CHECK_MEM_EQ(p.flag, first, N);
    for (size_t i = 0; i < N; i++)
        of_target |= p.flag[i] && assay_dataset_label(p.data, i) == 2;
    CHECK(of_target); /* from all classes */
    assay_dataset_free(p.out);
    p.how.seed = 5;
    CHECK_OK(assay_dataset_poison(&p.out, p.view, &p.how, p.flag, &err), err);
    CHECK(memcmp(p.flag, first, N) != 0);
    poison_close(&p);
}

static void test_poison_that_cannot_be(void)
{
    static const float value[4] = {0, .5F, 1, 0};
    static const int32_t label[1] = {0};
    struct assay_dataset_source source = {.name = "real",
                                          .n = 1,
                                          .channels = 1,
                                          .height = 2,
                                          .width = 2,
                                          .values = value,
                                          .labels = label,
                                          .n_classes = 2};
    struct assay_preprocess pre;
    assay_dataset *real = NULL;
    assay_view *view = NULL;
    struct poisoned p;

    poison_open(&p, 1.5);
    CHECK_FAILS(assay_dataset_poison(&p.out, p.view, &p.how, NULL, &err),
                ASSAY_ARG, err);
    CHECK_STR_HAS(err.msg, "poisoned share 1.5; 0 to 1");
    p.how.rate = (double)NAN;
    CHECK_FAILS(assay_dataset_poison(&p.out, p.view, &p.how, NULL, &err),
                ASSAY_ARG, err);
    p.how.rate = .1;
    p.how.target = 3;
    CHECK_FAILS(assay_dataset_poison(&p.out, p.view, &p.how, NULL, &err),
                ASSAY_ARG, err);
    CHECK_STR_HAS(err.msg, "target class 3; there are 0 to 2");
    p.t.width = 9;
    CHECK_FAILS(assay_dataset_poison(&p.out, p.view, &p.how, NULL, &err),
                ASSAY_SHAPE, err);
    CHECK_STR_HAS(err.msg, "of 10x9, the records have 1 of 10x10");
    CHECK_OK(assay_dataset_new(&real, &source, &err), err);
    assay_preprocess_init(&pre, real);
    CHECK_OK(assay_view_new(&view, real, NULL, 0, &pre, &err), err);
    CHECK_FAILS(assay_dataset_of_view(&p.out, view, &err), ASSAY_DATA, err);
    CHECK_STR_HAS(err.msg, "not pixels of 0 to 255");
    CHECK(p.out == NULL);
    assay_view_free(view);
    assay_dataset_free(real);
    poison_close(&p);
}

static void test_a_view_becomes_a_dataset(void)
{
    struct poisoned p;

    poison_open(&p, 0);
    CHECK_OK(assay_dataset_of_view(&p.out, p.view, &err), err);
    for (size_t i = 0; i < N; i++)
        check_record(&p, i);
    poison_close(&p);
}

/* A model that always says the class whose bias is large. */
static assay_model *constant_model(int k)
{
    assay_model *m = small_model(1);
    struct assay_params *p = assay_model_params(m);
    const struct assay_param_slot *w =
        assay_params_find(p, "classifier.2.weight");
    const struct assay_param_slot *b =
        assay_params_find(p, "classifier.2.bias");

    memset(p->data + w->offset, 0, w->count * sizeof(float));
    for (int i = 0; i < SMALL_CLASSES; i++)
        p->data[b->offset + (size_t)i] = i == k ? 5 : 0;
    return m;
}

/* One that never says the target has no success; one that always does has
 * all, of the other classes' records alone. */
static void test_the_targets_own_records_are_no_success(void)
{
    struct assay_context ctx;
    struct assay_compute compute = {.threads = 1,
                                    .algorithms = ASSAY_ALGORITHMS_DIRECT};
    struct poisoned p;

    assay_context_init(&ctx);
    poison_open(&p, 0);
    for (int k = 1; k < 3; k++) {
        struct assay_backdoor_effect e;
        assay_model *m = constant_model(k);

        CHECK_OK(assay_backdoor_measure(&e, &ctx, &compute, m, p.view, &p.t, 2,
                                        &err),
                 err);
        CHECK_NEAR(e.accuracy.value, 1 / 3.0, 1e-12);
        CHECK_UINT_EQ(e.accuracy.n, N);
        CHECK_NEAR(e.success.value, k == 2 ? 1 : 0, 0);
        CHECK_NEAR(e.restored.value, k == 2 ? 0 : .5, 0);
        CHECK_UINT_EQ(e.success.n, 2 * N / 3);
        CHECK_UINT_EQ(e.restored.n, 2 * N / 3);
        CHECK(e.success.low <= e.success.value &&
              e.success.high >= e.success.value);
        CHECK_NEAR(e.success.high - e.success.low, 0, .1);
        assay_model_free(m);
    }
    poison_close(&p);
}

static void test_records_of_the_target_alone_measure_nothing(void)
{
    struct assay_context ctx;
    struct assay_compute compute = {.threads = 1,
                                    .algorithms = ASSAY_ALGORITHMS_DIRECT};
    struct assay_backdoor_effect e;
    struct assay_preprocess pre = small_spec().preprocess;
    uint32_t only[] = {2, 5, 8};
    assay_view *view = NULL;
    assay_model *m = constant_model(0);
    struct poisoned p;

    assay_context_init(&ctx);
    poison_open(&p, 0);
    CHECK_OK(assay_view_new(&view, p.data, only, 3, &pre, &err), err);
    CHECK_FAILS(
        assay_backdoor_measure(&e, &ctx, &compute, m, view, &p.t, 2, &err),
        ASSAY_DATA, err);
    CHECK_STR_HAS(err.msg, "all records are of the target class 2");
    assay_view_free(view);
    assay_model_free(m);
    poison_close(&p);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_patches_lie_inside),
    CHECK_TEST(test_sizes_have_limits),
    CHECK_TEST(test_stamping_is_the_formula),
    CHECK_TEST(test_blends_are_drawn_from_the_seed),
    CHECK_TEST(test_files_give_the_same_trigger),
    CHECK_TEST(test_files_that_lie),
    CHECK_TEST(test_as_many_are_poisoned_as_asked),
    CHECK_TEST(test_which_are_poisoned_is_the_seeds),
    CHECK_TEST(test_poison_that_cannot_be),
    CHECK_TEST(test_a_view_becomes_a_dataset),
    CHECK_TEST(test_the_targets_own_records_are_no_success),
    CHECK_TEST(test_records_of_the_target_alone_measure_nothing),
};
CHECK_MAIN(tests)
