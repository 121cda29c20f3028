/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Views and splits: resizing against numbers of PyTorch and of the
 * definition, normalisation against its formula in double, augmentation
 * against a plain reading of what it says, and splits that depend on
 * nothing but data, seed and size.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "assay/dataset.h"
#include "assay/format.h"
#include "assay/rng.h"
#include "check.h"
#include "core/fs.h"
#include "core/mem.h"
#include "data/resize.h"

static void resize(int in_h, int in_w, const float *in, int out_h, int out_w,
                   float *out)
{
    struct assay_error err = {0};
    struct assay__resizer r;
    float scratch[256];

    CHECK_OK(assay__resizer_init(&r, in_h, in_w, out_h, out_w, &err), err);
    CHECK(assay__resizer_scratch(&r) <= 256);
    assay__resize_f32(&r, out, in, scratch);
    assay__resizer_release(&r);
}

/* torch.nn.functional.interpolate, bilinear, align_corners=False. */
static void test_growing_agrees_with_pytorch(void)
{
    static const float in[6] = {10, 200, 30, 40, 250, 0};
    static const float want[20] = {
        10, 57.5f, 152.5f, 200,   18, 47.5f, 106.5f, 136,   30, 32.5f, 37.5f,
        40, 162,   125.5f, 52.5f, 16, 250,   187.5f, 62.5f, 0};
    float out[20];

    resize(3, 2, in, 5, 4, out);
    for (int i = 0; i < 20; i++)
        CHECK_NEAR(out[i], want[i], 1e-4);
}

static void test_shrinking_is_the_mean_over_the_area(void)
{
    static const float in[6] = {3, 6, 9, 30, 60, 90};
    static const float want[2] = {(3 + 6 / 2.0f) / 1.5f, (6 / 2.0f + 9) / 1.5f};
    static const float column[4] = {1, 2, 3, 6};
    float out[4];

    resize(2, 3, in, 2, 2, out);
    CHECK_NEAR(out[0], want[0], 1e-5);
    CHECK_NEAR(out[1], want[1], 1e-5);
    CHECK_NEAR(out[2], 10 * want[0], 1e-4);
    resize(4, 1, column, 2, 1, out);
    CHECK_NEAR(out[0], 1.5, 1e-6);
    CHECK_NEAR(out[1], 4.5, 1e-6);
    resize(4, 1, column, 1, 3, out);
    for (int i = 0; i < 3; i++)
        CHECK_NEAR(out[i], 3, 1e-6);
}

static void test_weights_sum_to_one_and_stay_inside(void)
{
    for (int in = 1; in <= 40; in++) {
        for (int out = 1; out <= 40; out++) {
            struct assay_error err = {0};
            struct assay__resizer r;

            CHECK_OK(assay__resizer_init(&r, 1, in, 1, out, &err), err);
            for (int i = 0; i < out; i++) {
                double sum = 0;

                for (int k = 0; k < r.across.n; k++) {
                    float w = r.across.weight[i * r.across.n + k];

                    CHECK(w >= 0);
                    sum += (double)w;
                }
                CHECK_NEAR(sum, 1, 1e-6);
                CHECK(r.across.start[i] >= 0);
                CHECK(r.across.start[i] + r.across.n <= in);
                if (in == out)
                    CHECK_NEAR(
                        r.across.weight[i * r.across.n + i - r.across.start[i]],
                        1, 0);
            }
            assay__resizer_release(&r);
        }
    }
}

enum { N = 9, C = 3, H = 5, W = 4, ELEMENTS = C * H * W };

static uint8_t bytes[N * ELEMENTS];
static int32_t labels[N];

/* N records of all bytes that a simple rule gives. */
static assay_dataset *make(int channels)
{
    struct assay_dataset_source source = {.name = "made",
                                          .n = N,
                                          .channels = channels,
                                          .height = H,
                                          .width = W,
                                          .pixels = bytes,
                                          .labels = labels,
                                          .n_classes = N};
    struct assay_error err = {0};
    assay_dataset *ds = NULL;

    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * 101 + i / 7);
    for (int i = 0; i < N; i++)
        labels[i] = (i * 4) % N;
    CHECK_OK(assay_dataset_new(&ds, &source, &err), err);
    return ds;
}

static assay_view *look(const assay_dataset *ds, const uint32_t *index,
                        size_t n, const struct assay_preprocess *pre)
{
    struct assay_error err = {0};
    assay_view *view = NULL;

    CHECK_OK(assay_view_new(&view, ds, index, n, pre, &err), err);
    return view;
}

static void test_filling_follows_the_formula(void)
{
    static const uint32_t index[3] = {8, 0, 4};
    static const uint32_t rows[4] = {2, 0, 0, 1};
    assay_dataset *ds = make(C);
    struct assay_preprocess pre;
    float x[4 * ELEMENTS];
    assay_view *view;

    assay_preprocess_init(&pre, ds);
    CHECK_NEAR(pre.scale, 1.0 / 255, 0);
    for (int c = 0; c < C; c++) {
        pre.mean[c] = 0.48 + c * 0.01;
        pre.std[c] = 0.2 + c * 0.03;
    }
    view = look(ds, index, 3, &pre);
    CHECK_UINT_EQ(assay_view_count(view), 3);
    CHECK_UINT_EQ(assay_view_record(view, 2), 4);
    CHECK_INT_EQ(assay_view_label(view, 2), labels[4]);
    CHECK_NEAR(assay_view_preprocess(view)->mean[1], 0.49, 1e-15);
    CHECK_INT_EQ(assay_view_preprocess(view)->height, H);
    CHECK_INT_EQ(assay_view_preprocess(view)->channels, C);
    assay_view_fill(view, rows, 4, NULL, 0, 0, x);
    for (int r = 0; r < 4; r++) {
        for (int i = 0; i < ELEMENTS; i++) {
            int c = i / (H * W);
            double want =
                (bytes[index[rows[r]] * ELEMENTS + (unsigned)i] / 255.0 -
                 pre.mean[c]) /
                pre.std[c];

            CHECK_NEAR(x[r * ELEMENTS + i], want, 1e-6);
        }
    }
    assay_view_free(view);
    assay_dataset_free(ds);
}

/* What an augmented pixel should be, from the moves drawn as documented. */
static double moved_pixel(const struct assay_augment *aug, uint64_t seed,
                          uint64_t epoch, uint32_t row, int c, int y, int x)
{
    struct assay_rng rng;
    int flip = 0;
    int dy = 0;
    int dx = 0;

    assay_rng_init(&rng, seed, "augment", epoch << 32 | row);
    if (aug->flip)
        flip = assay_rng_below(&rng, 2) == 1;
    if (aug->crop_pad) {
        uint64_t places = 2 * (uint64_t)aug->crop_pad + 1;

        dy = (int)assay_rng_below(&rng, places) - aug->crop_pad;
        dx = (int)assay_rng_below(&rng, places) - aug->crop_pad;
    }
    y += dy;
    x = (flip ? W - 1 - x : x) + dx;
    if (y < 0 || y >= H || x < 0 || x >= W)
        return 0;
    return bytes[row * ELEMENTS + (unsigned)(c * H * W + y * W + x)];
}

static void test_augmentation_flips_and_crops_after_padding_black(void)
{
    static const struct assay_augment augs[4] = {
        {.flip = 1}, {.crop_pad = 2}, {1, 1}, {1, 9}};
    assay_dataset *ds = make(C);
    struct assay_preprocess pre;
    uint32_t rows[N];
    float x[N * ELEMENTS];
    assay_view *view;

    assay_preprocess_init(&pre, ds);
    view = look(ds, NULL, 0, &pre);
    for (uint32_t r = 0; r < N; r++)
        rows[r] = N - 1 - r;
    for (uint64_t epoch = 0; epoch < 6; epoch++) {
        const struct assay_augment *aug = &augs[epoch % 4];

        assay_view_fill(view, rows, N, aug, 77, epoch, x);
        for (int i = 0; i < N * ELEMENTS; i++) {
            int k = i % ELEMENTS;
            double raw = moved_pixel(aug, 77, epoch, rows[i / ELEMENTS],
                                     k / (H * W), k / W % H, k % W);

            CHECK_NEAR(x[i], (raw / 255 - 0.5) / 0.5, 1e-6);
        }
    }
    assay_view_free(view);
    assay_dataset_free(ds);
}

static void test_augmentation_depends_on_row_and_epoch_alone(void)
{
    static const struct assay_augment aug = {1, 2};
    static const uint32_t rows[3] = {1, 5, 7};
    static const uint32_t five = 5;
    assay_dataset *ds = make(C);
    struct assay_preprocess pre;
    float three[3 * ELEMENTS];
    float one[ELEMENTS];
    assay_view *view;
    int changed = 0;

    assay_preprocess_init(&pre, ds);
    view = look(ds, NULL, 0, &pre);
    for (uint64_t epoch = 0; epoch < 8; epoch++) {
        float before[ELEMENTS];

        memcpy(before, one, sizeof(before));
        assay_view_fill(view, rows, 3, &aug, 3, epoch, three);
        assay_view_fill(view, &five, 1, &aug, 3, epoch, one);
        CHECK_MEM_EQ(one, three + ELEMENTS, sizeof(one));
        changed += epoch && memcmp(one, before, sizeof(one)) != 0;
    }
    CHECK(changed > 3);
    assay_view_free(view);
    assay_dataset_free(ds);
}

static void test_channels_are_fitted(void)
{
    assay_dataset *grey = make(1);
    assay_dataset *rgb = make(C);
    struct assay_preprocess pre;
    struct assay_error err = {0};
    const uint32_t row = 2;
    float x[ELEMENTS];
    const uint8_t *p;
    assay_view *view;

    assay_preprocess_init(&pre, grey);
    pre.channels = 3;
    pre.mean[1] = 0.25;
    view = look(grey, NULL, 0, &pre);
    CHECK_INT_EQ(assay_view_channels(view), 3);
    assay_view_fill(view, &row, 1, NULL, 0, 0, x);
    p = assay_dataset_pixels(grey, row);
    for (int i = 0; i < H * W; i++) {
        CHECK_NEAR(x[i], (p[i] / 255.0 - 0.5) / 0.5, 1e-6);
        CHECK_NEAR(x[H * W + i], (p[i] / 255.0 - 0.25) / 0.5, 1e-6);
    }
    assay_view_free(view);

    assay_preprocess_init(&pre, rgb);
    pre.channels = 1;
    pre.scale = 1;
    pre.mean[0] = 0;
    pre.std[0] = 1;
    view = look(rgb, NULL, 0, &pre);
    assay_view_fill(view, &row, 1, NULL, 0, 0, x);
    p = assay_dataset_pixels(rgb, row);
    for (int i = 0; i < H * W; i++)
        CHECK_NEAR(x[i],
                   0.299 * p[i] + 0.587 * p[H * W + i] +
                       0.114 * p[2 * H * W + i],
                   0.51);
    assay_view_free(view);

    pre.channels = 2;
    CHECK_FAILS(assay_view_new(&view, rgb, NULL, 0, &pre, &err), ASSAY_SHAPE,
                err);
    assay_dataset_free(grey);
    assay_dataset_free(rgb);
}

static void test_resized_view_rounds_bytes_once(void)
{
    static const float in[6] = {10, 200, 30, 40, 250, 0};
    static const double want[20] = {10, 58, 153, 200, 18, 48, 107, 136, 30, 33,
                                    38, 40, 162, 126, 53, 16, 250, 188, 63, 0};
    static const int32_t label = 0;
    uint8_t pixels[6];
    struct assay_dataset_source source = {.name = "r",
                                          .n = 1,
                                          .channels = 1,
                                          .height = 3,
                                          .width = 2,
                                          .pixels = pixels,
                                          .labels = &label,
                                          .n_classes = 1};
    struct assay_error err = {0};
    assay_dataset *ds = NULL;
    struct assay_preprocess pre;
    const uint32_t row = 0;
    assay_view *view;
    float x[20];

    for (int i = 0; i < 6; i++)
        pixels[i] = (uint8_t)in[i];
    CHECK_OK(assay_dataset_new(&ds, &source, &err), err);
    assay_preprocess_init(&pre, ds);
    pre.height = 5;
    pre.width = 4;
    pre.scale = 1;
    pre.mean[0] = 0;
    pre.std[0] = 1;
    view = look(ds, NULL, 0, &pre);
    CHECK_INT_EQ(assay_view_height(view), 5);
    CHECK_INT_EQ(assay_view_width(view), 4);
    assay_view_fill(view, &row, 1, NULL, 0, 0, x);
    for (int i = 0; i < 20; i++)
        CHECK_NEAR(x[i], want[i], 0);
    assay_view_free(view);
    assay_dataset_free(ds);
}

static void test_bad_preprocessing_and_indices_are_refused(void)
{
    const uint32_t beyond = N;
    assay_dataset *ds = make(C);
    struct assay_error err = {0};
    struct assay_preprocess pre;
    assay_view *view = NULL;

    assay_preprocess_init(&pre, ds);
    CHECK_FAILS(assay_view_new(&view, ds, &beyond, 1, &pre, &err), ASSAY_ARG,
                err);
    CHECK_STR_HAS(err.msg, "record 9, the dataset has 9");
    pre.std[1] = 0;
    CHECK_FAILS(assay_view_new(&view, ds, NULL, 0, &pre, &err), ASSAY_ARG, err);
    CHECK_STR_HAS(err.msg, "channel 1");
    pre.std[1] = 1;
    pre.scale = 0;
    CHECK_FAILS(assay_view_new(&view, ds, NULL, 0, &pre, &err), ASSAY_ARG, err);
    pre.scale = 1;
    pre.width = 1 << 20;
    CHECK_FAILS(assay_view_new(&view, ds, NULL, 0, &pre, &err), ASSAY_LIMIT,
                err);
    CHECK(view == NULL);
    assay_dataset_free(ds);
}

static void test_split_is_disjoint_and_repeats(void)
{
    assay_dataset *ds = make(C);
    struct assay_error err = {0};
    struct assay_split a;
    struct assay_split b;
    int seen[N] = {0};

    CHECK_OK(assay_split_make(&a, ds, 5, 0, &err), err);
    CHECK_OK(assay_split_make(&b, ds, 5, 0, &err), err);
    CHECK_UINT_EQ(a.n, 2);
    CHECK_STR_EQ(a.sha256, b.sha256);
    for (int q = 0; q < ASSAY_QUARTERS; q++) {
        CHECK_MEM_EQ(a.index[q], b.index[q], 2 * sizeof(uint32_t));
        for (size_t i = 0; i < a.n; i++)
            CHECK_INT_EQ(seen[a.index[q][i]]++, 0);
    }
    assay_split_release(&b);
    CHECK_OK(assay_split_make(&b, ds, 6, 1, &err), err);
    CHECK_UINT_EQ(b.n, 1);
    CHECK(strcmp(a.sha256, b.sha256) != 0);
    assay_split_release(&b);
    CHECK_FAILS(assay_split_make(&b, ds, 6, 3, &err), ASSAY_ARG, err);
    assay_split_release(&a);
    assay_dataset_free(ds);
}

static void test_split_is_stored_and_tied_to_its_data(void)
{
    const char *path = check_temp_path("split.safetensors");
    assay_dataset *ds = make(C);
    assay_dataset *other = make(1);
    struct assay_error err = {0};
    struct assay_tensors list;
    struct assay_split made;
    struct assay_split read;

    CHECK_OK(assay_split_make(&made, ds, 1, 0, &err), err);
    CHECK_OK(assay_split_write(&made, ds, path, &err), err);
    CHECK_OK(assay_split_read(&read, ds, path, &err), err);
    CHECK_UINT_EQ(read.seed, 1);
    CHECK_STR_EQ(read.sha256, made.sha256);
    for (int q = 0; q < ASSAY_QUARTERS; q++)
        CHECK_MEM_EQ(read.index[q], made.index[q], made.n * 4);
    assay_split_release(&read);
    CHECK_FAILS(assay_split_read(&read, other, path, &err), ASSAY_DATA, err);
    CHECK_STR_HAS(err.msg, "split of another dataset");

    assay_tensors_init(&list);
    CHECK_OK(assay_tensors_read(&list, path, &err), err);
    ((uint32_t *)assay_tensors_find(&list, "shadow-test")->data)[0] =
        made.index[0][0];
    CHECK_OK(assay_tensors_write(&list, path, &err), err);
    CHECK_FAILS(assay_split_read(&read, ds, path, &err), ASSAY_DATA, err);
    CHECK_STR_HAS(err.msg, "occurs twice");
    ((uint32_t *)assay_tensors_find(&list, "shadow-test")->data)[0] = N;
    CHECK_OK(assay_tensors_write(&list, path, &err), err);
    CHECK_FAILS(assay_split_read(&read, ds, path, &err), ASSAY_DATA, err);
    CHECK_STR_HAS(err.msg, "record 9, the dataset has 9");
    assay_tensors_release(&list);
    assay_split_release(&made);
    assay_dataset_free(ds);
    assay_dataset_free(other);
}

static void test_quarters_have_names(void)
{
    CHECK_STR_EQ(assay_quarter_name(ASSAY_TARGET_TRAIN), "target-train");
    CHECK_STR_EQ(assay_quarter_name(ASSAY_SHADOW_TEST), "shadow-test");
}

/* So that pictures of the right size may be copied instead. */
static void test_resizing_to_the_same_size_changes_nothing(void)
{
    enum { MOST = 40 };
    uint8_t in[MOST * MOST];
    uint8_t out[MOST * MOST];

    for (int h = 1; h <= MOST; h += 3) {
        for (int w = 1; w <= MOST; w++) {
            size_t n = (size_t)(h * w);
            struct assay__resizer r;
            struct assay_error err = {0};
            float *scratch;

            for (size_t i = 0; i < n; i++)
                in[i] = (uint8_t)(i * 167);
            CHECK_OK(assay__resizer_init(&r, h, w, h, w, &err), err);
            scratch = calloc(assay__resizer_scratch(&r), sizeof(*scratch));
            CHECK(scratch != NULL);
            assay__resize_u8(&r, out, in, scratch);
            CHECK_MEM_EQ(out, in, n);
            free(scratch);
            assay__resizer_release(&r);
        }
    }
}

static const struct check_test tests[] = {
    CHECK_TEST(test_growing_agrees_with_pytorch),
    CHECK_TEST(test_shrinking_is_the_mean_over_the_area),
    CHECK_TEST(test_weights_sum_to_one_and_stay_inside),
    CHECK_TEST(test_filling_follows_the_formula),
    CHECK_TEST(test_augmentation_flips_and_crops_after_padding_black),
    CHECK_TEST(test_augmentation_depends_on_row_and_epoch_alone),
    CHECK_TEST(test_channels_are_fitted),
    CHECK_TEST(test_resized_view_rounds_bytes_once),
    CHECK_TEST(test_bad_preprocessing_and_indices_are_refused),
    CHECK_TEST(test_split_is_disjoint_and_repeats),
    CHECK_TEST(test_split_is_stored_and_tied_to_its_data),
    CHECK_TEST(test_quarters_have_names),
    CHECK_TEST(test_resizing_to_the_same_size_changes_nothing),
};

CHECK_MAIN(tests)
