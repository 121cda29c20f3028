/* SPDX-License-Identifier: Apache-2.0 */
/*
 * WAV files and their spectrograms: each sample format, every lie with the
 * message it must give, truncation at each byte, levels against NumPy's.
 */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../golden/sound.h"
#include "check.h"
#include "core/fs.h"
#include "data/data.h"
#include "data/sound.h"

enum { HEIGHT = 12, WIDTH = 10, RATE = 4000, FRAMES_MAX = 1 << 20 };

static size_t put16(unsigned char *p, unsigned v)
{
    p[0] = (unsigned char)v;
    p[1] = (unsigned char)(v >> 8);
    return 2;
}

static size_t put32(unsigned char *p, uint32_t v)
{
    return put16(p, v & 0xffff) + put16(p + 2, v >> 16);
}

struct format {
    unsigned tag, channels, rate, bits;
};

/* A whole file; its size. */
static size_t make_wav(unsigned char *p, const struct format *f,
                       const void *samples, size_t bytes)
{
    size_t at = 0;

    memcpy(p, "RIFF", 4);
    put32(p + 4, (uint32_t)(36 + bytes));
    memcpy(p + 8, "WAVEfmt ", 8);
    put32(p + 16, 16);
    at = 20;
    at += put16(p + at, f->tag);
    at += put16(p + at, f->channels);
    at += put32(p + at, f->rate);
    at += put32(p + at, f->rate * f->channels * f->bits / 8);
    at += put16(p + at, f->channels * f->bits / 8);
    at += put16(p + at, f->bits);
    memcpy(p + at, "data", 4);
    put32(p + at + 4, (uint32_t)bytes);
    memcpy(p + at + 8, samples, bytes);
    return at + 8 + bytes;
}

static void check_samples(const struct format *f, const void *samples,
                          size_t bytes, const double *want, size_t n)
{
    unsigned char file[128];
    struct assay__sound sound = {0};
    struct assay_error err = {0};

    CHECK_OK(assay__wav_read(&sound, file, make_wav(file, f, samples, bytes),
                             FRAMES_MAX, &err),
             err);
    CHECK_UINT_EQ(sound.n, n);
    CHECK_INT_EQ(sound.rate, f->rate);
    for (size_t i = 0; i < n; i++)
        CHECK_NEAR(sound.x[i], want[i], 1e-6);
    assay__sound_release(&sound);
}

static void test_samples_of_each_format_are_read(void)
{
    static const unsigned char u8[] = {0, 128, 192};
    static const unsigned char s16[] = {0x00, 0x80, 0, 0, 0x00, 0x40};
    static const unsigned char s24[] = {0, 0, 0x80, 0, 0, 0, 0, 0, 0x40};
    static const unsigned char s32[] = {0, 0, 0, 0x80, 0, 0,
                                        0, 0, 0, 0,    0, 0x40};
    static const float f32[] = {-1, 0, .5F};
    static const double want[] = {-1, 0, .5};
    static const double mono[] = {-.5};

    check_samples(&(struct format){1, 1, 8000, 8}, u8, 3, want, 3);
    check_samples(&(struct format){1, 1, 8000, 16}, s16, 6, want, 3);
    check_samples(&(struct format){1, 1, 8000, 24}, s24, 9, want, 3);
    check_samples(&(struct format){1, 1, 8000, 32}, s32, 12, want, 3);
    check_samples(&(struct format){3, 1, 8000, 32}, f32, 12, want, 3);
    check_samples(&(struct format){1, 2, 8000, 16}, s16, 6, mono, 1);
}

/* A file of two frames, with a byte changed. */
struct lie {
    size_t at;
    unsigned char value;
    int code;
    const char *message;
};

static size_t small_file(unsigned char *file)
{
    static const unsigned char s16[] = {1, 0, 2, 0};

    return make_wav(file, &(struct format){1, 1, 8000, 16}, s16, 4);
}

static void test_lies_are_told(void)
{
    static const struct lie lies[] = {
        {0, 'X', ASSAY_FORMAT, "does not begin as a WAV file"},
        {9, 'X', ASSAY_FORMAT, "does not begin as a WAV file"},
        {12, 'X', ASSAY_FORMAT, "byte 36: data before their format"},
        {16, 15, ASSAY_FORMAT, "byte 20: a format chunk of 15 bytes"},
        {19, 1, ASSAY_FORMAT,
         "byte 12: a chunk of 16777232 bytes, 28 are left"},
        {20, 2, ASSAY_UNSUPPORTED, "byte 20: format 2 of 16 bits"},
        {22, 0, ASSAY_LIMIT, "byte 22: 0 channels"},
        {22, 65, ASSAY_LIMIT, "byte 22: 65 channels; 1 to 64"},
        {27, 1, ASSAY_LIMIT, "byte 24: 16785216 samples per second"},
        {32, 4, ASSAY_FORMAT, "byte 32: 4 bytes per frame, but 1 channels"},
        {34, 12, ASSAY_UNSUPPORTED, "format 1 of 12 bits"},
        {36, 'X', ASSAY_FORMAT, "byte 48: the file ends without a data chunk"},
        {40, 5, ASSAY_FORMAT, "byte 36: a chunk of 5 bytes, 4 are left"},
        {40, 1, ASSAY_DATA, "byte 44: no samples"},
    };

    for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
        unsigned char file[64];
        size_t size = small_file(file);
        struct assay__sound sound = {0};
        struct assay_error err = {0};

        file[lies[i].at] = lies[i].value;
        CHECK_FAILS(assay__wav_read(&sound, file, size, FRAMES_MAX, &err),
                    lies[i].code, err);
        CHECK_STR_HAS(err.msg, lies[i].message);
        CHECK(sound.x == NULL);
    }
}

static void test_a_second_format_and_wild_floats_are_refused(void)
{
    static const float wild[] = {0, 1e9F};
    unsigned char file[128];
    struct assay__sound sound = {0};
    struct assay_error err = {0};
    size_t size = make_wav(file, &(struct format){3, 1, 8000, 32}, wild, 8);

    CHECK_FAILS(assay__wav_read(&sound, file, size, FRAMES_MAX, &err),
                ASSAY_DATA, err);
    CHECK_STR_HAS(err.msg, "byte 48: a sample is no number");
    size = small_file(file);
    memmove(file + 60, file + 36, 12);
    memcpy(file + 36, file + 12, 24);
    CHECK_FAILS(assay__wav_read(&sound, file, size + 24, FRAMES_MAX, &err),
                ASSAY_FORMAT, err);
    CHECK_STR_HAS(err.msg, "byte 36: a second format chunk");
}

static void test_files_cut_anywhere_are_refused(void)
{
    unsigned char whole[64];
    size_t size = small_file(whole);

    for (size_t n = 0; n < size; n++) {
        unsigned char *cut = malloc(n ? n : 1);
        struct assay__sound sound = {0};
        struct assay_error err = {0};

        CHECK(cut != NULL);
        memcpy(cut, whole, n);
        CHECK_FAILS(assay__wav_read(&sound, cut, n, FRAMES_MAX, &err),
                    ASSAY_FORMAT, err);
        free(cut);
    }
}

/* As make_sound.py makes them. */
static void make_samples(float *x, size_t n)
{
    uint32_t u = 1;

    for (size_t i = 0; i < n; i++) {
        int tone = i / (10 + i / 200) % 2 ? 9000 : -9000;

        u = u * 1664525U + 1013904223U;
        x[i] = (float)(tone + (int)(u >> 16 & 0x0fff) - 2048) / 32768;
    }
}

static void check_levels(int rate, size_t n, const double *want)
{
    struct assay__spectrogram s = {
        .height = HEIGHT, .width = WIDTH, .rate = RATE, .seconds = 1};
    struct assay__sound sound = {.rate = rate, .n = n};
    struct assay_error err = {0};
    uint8_t pixels[HEIGHT * WIDTH];

    sound.x = calloc(n, sizeof(*sound.x));
    CHECK(sound.x != NULL);
    make_samples(sound.x, n);
    CHECK_OK(assay__spectrogram_init(&s, &err), err);
    CHECK_INT_EQ(s.hop, 400);
    CHECK_INT_EQ(s.fft, 1024);
    CHECK_OK(assay__spectrogram_draw(&s, &sound, pixels, &err), err);
    for (int i = 0; i < HEIGHT * WIDTH; i++)
        CHECK_NEAR(pixels[i], want[i], .51);
    assay__spectrogram_release(&s);
    free(sound.x);
}

static void test_levels_are_those_of_numpy(void)
{
    check_levels(4000, 3500, sound_same);
    check_levels(4410, 4410, sound_down);
    check_levels(3200, 3300, sound_up);
}

static void test_silence_is_black(void)
{
    struct assay__spectrogram s = {
        .height = HEIGHT, .width = WIDTH, .rate = RATE, .seconds = 1};
    float nothing[8] = {0};
    struct assay__sound sound = {RATE, 8, nothing};
    struct assay_error err = {0};
    uint8_t pixels[HEIGHT * WIDTH];

    CHECK_OK(assay__spectrogram_init(&s, &err), err);
    CHECK_OK(assay__spectrogram_draw(&s, &sound, pixels, &err), err);
    for (int i = 0; i < HEIGHT * WIDTH; i++)
        CHECK_INT_EQ(pixels[i], 0);
    assay__spectrogram_release(&s);
    s.width = 5000;
    CHECK_FAILS(assay__spectrogram_init(&s, &err), ASSAY_LIMIT, err);
    CHECK_STR_HAS(err.msg, "5000 columns for 4000 samples");
}

static void test_folders_of_sounds_are_datasets(void)
{
    unsigned char file[64];
    size_t size = small_file(file);
    struct assay_error err = {0};
    assay_dataset *ds = NULL;
    char spec[600];

    CHECK_OK(assay__make_dir(check_temp_path("say/no"), &err), err);
    CHECK_OK(assay__make_dir(check_temp_path("say/yes"), &err), err);
    check_write_file(check_temp_path("say/no/1.wav"), file, size);
    check_write_file(check_temp_path("say/yes/1.wav"), file, size);
    check_write_file(check_temp_path("say/yes/2.WAV"), file, size);
    snprintf(spec, sizeof(spec), "%s?size=8x10&rate=8000&seconds=1",
             check_temp_path("say"));
    CHECK_OK(assay_dataset_open(&ds, spec, NULL, &err), err);
    CHECK_STR_EQ(assay_dataset_name(ds), "wav");
    CHECK_UINT_EQ(assay_dataset_count(ds), 3);
    CHECK_INT_EQ(assay_dataset_channels(ds), 1);
    CHECK_INT_EQ(assay_dataset_height(ds), 8);
    CHECK_INT_EQ(assay_dataset_width(ds), 10);
    CHECK_STR_EQ(assay_dataset_class_name(ds, 1), "yes");
    CHECK_INT_EQ(assay_dataset_label(ds, 2), 1);
    assay_dataset_free(ds);
    file[20] = 7;
    check_write_file(check_temp_path("say/yes/2.WAV"), file, size);
    CHECK_FAILS(assay_dataset_open(&ds, spec, NULL, &err), ASSAY_UNSUPPORTED,
                err);
    CHECK_STR_HAS(err.msg, "2.WAV");
    snprintf(spec, sizeof(spec), "wav:%s?rate=0", check_temp_path("say"));
    CHECK_FAILS(assay_dataset_open(&ds, spec, NULL, &err), ASSAY_ARG, err);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_samples_of_each_format_are_read),
    CHECK_TEST(test_lies_are_told),
    CHECK_TEST(test_a_second_format_and_wild_floats_are_refused),
    CHECK_TEST(test_files_cut_anywhere_are_refused),
    CHECK_TEST(test_levels_are_those_of_numpy),
    CHECK_TEST(test_silence_is_black),
    CHECK_TEST(test_folders_of_sounds_are_datasets),
};
CHECK_MAIN(tests)
