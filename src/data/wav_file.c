/* SPDX-License-Identifier: Apache-2.0 */
/*
 * WAV files. Nothing is believed: a chunk that goes over the file's end, a
 * format before which data come, numbers that contradict each other are
 * errors with the byte where they stand. Memory is asked for once the data
 * chunk is known to be there.
 */

#include <math.h>
#include <string.h>

#include "core/checked.h"
#include "core/mem.h"
#include "data/data.h"
#include "data/sound.h"

enum { PCM = 1, FLOATS = 3, EXTENSIBLE = 0xfffe, HEADER = 12, CHUNK = 8 };

struct wav {
    const unsigned char *data;
    size_t size;
    int format; /* 0: no "fmt " yet */
    int channels;
    int rate;
    int bits;
};

static uint32_t get16(const unsigned char *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8;
}

static uint32_t get32(const unsigned char *p)
{
    return get16(p) | get16(p + 2) << 16;
}

static int read_format(struct wav *w, size_t at, size_t size,
                       struct assay_error *err)
{
    const unsigned char *p = w->data + at;
    uint32_t channels;
    uint32_t rate;
    uint32_t bits;
    uint32_t format;

    if (size < 16)
        return assay_error_set(err, ASSAY_FORMAT,
                               "byte %zu: a format chunk of %zu bytes, less "
                               "than 16",
                               at, size);
    format = get16(p);
    channels = get16(p + 2);
    rate = get32(p + 4);
    bits = get16(p + 14);
    if (format == EXTENSIBLE && size >= 26)
        format = get16(p + 24);
    if (channels < 1 || channels > ASSAY__WAV_CHANNELS_MAX)
        return assay_error_set(err, ASSAY_LIMIT,
                               "byte %zu: %u channels; 1 to %d are read",
                               at + 2, channels, (int)ASSAY__WAV_CHANNELS_MAX);
    if (rate < 1 || rate > ASSAY__RATE_MAX)
        return assay_error_set(err, ASSAY_LIMIT,
                               "byte %zu: %u samples per second; 1 to %d are "
                               "read",
                               at + 4, rate, (int)ASSAY__RATE_MAX);
    if (!(format == PCM &&
          (bits == 8 || bits == 16 || bits == 24 || bits == 32)) &&
        !(format == FLOATS && bits == 32))
        return assay_error_set(err, ASSAY_UNSUPPORTED,
                               "byte %zu: format %u of %u bits; PCM (1) of 8, "
                               "16, 24, 32 and float (3) of 32 are read",
                               at, format, bits);
    if (get16(p + 12) != channels * (bits / 8))
        return assay_error_set(err, ASSAY_FORMAT,
                               "byte %zu: %u bytes per frame, but %u channels "
                               "of %u bits",
                               at + 12, get16(p + 12), channels, bits);
    w->format = (int)format;
    w->channels = (int)channels;
    w->rate = (int)rate;
    w->bits = (int)bits;
    return ASSAY_OK;
}

/* The data chunk: its place and size. */
static int find_data(struct wav *w, size_t *at, size_t *size,
                     struct assay_error *err)
{
    size_t place = HEADER;

    if (w->size < HEADER || memcmp(w->data, "RIFF", 4) != 0 ||
        memcmp(w->data + 8, "WAVE", 4) != 0)
        return assay_error_set(err, ASSAY_FORMAT,
                               "does not begin as a WAV file");
    while (assay__range_ok(place, CHUNK, w->size)) {
        const unsigned char *id = w->data + place;
        size_t n = get32(id + 4);
        int rc = ASSAY_OK;

        if (!assay__range_ok(place + CHUNK, n, w->size))
            return assay_error_set(err, ASSAY_FORMAT,
                                   "byte %zu: a chunk of %zu bytes, %zu are "
                                   "left",
                                   place, n, w->size - place - CHUNK);
        if (memcmp(id, "fmt ", 4) == 0 && w->format)
            rc = assay_error_set(err, ASSAY_FORMAT,
                                 "byte %zu: a second format chunk", place);
        else if (memcmp(id, "fmt ", 4) == 0)
            rc = read_format(w, place + CHUNK, n, err);
        if (rc)
            return rc;
        if (memcmp(id, "data", 4) == 0) {
            *at = place + CHUNK;
            *size = n;
            return w->format ? ASSAY_OK
                             : assay_error_set(err, ASSAY_FORMAT,
                                               "byte %zu: data before their "
                                               "format",
                                               place);
        }
        place += CHUNK + n + n % 2;
    }
    return assay_error_set(err, ASSAY_FORMAT,
                           "byte %zu: the file ends without a data chunk",
                           w->size);
}

static float sample(const struct wav *w, const unsigned char *p)
{
    union {
        uint32_t bits;
        float value;
    } f;

    switch (w->bits) {
    case 8:
        return ((float)p[0] - 128) / 128;
    case 16:
        return (float)(int16_t)get16(p) / 32768;
    case 24:
        return (float)((int32_t)((get16(p) | (uint32_t)p[2] << 16) << 8)) /
               2147483648.0F;
    default:
        f.bits = get32(p);
        return w->format == FLOATS ? f.value
                                   : (float)(int32_t)f.bits / 2147483648.0F;
    }
}

static int decode(struct assay__sound *out, const struct wav *w, size_t at,
                  size_t n, struct assay_error *err)
{
    size_t bytes = (size_t)w->bits / 8;
    size_t channels = (size_t)w->channels;

    out->x = assay__calloc(n, sizeof(*out->x));
    if (!out->x)
        return assay_error_set(err, ASSAY_NOMEM, "no memory for %zu samples",
                               n);
    out->n = n;
    out->rate = w->rate;
    for (size_t i = 0; i < n; i++) {
        const unsigned char *p = w->data + at + i * channels * bytes;
        double sum = 0;

        for (size_t c = 0; c < channels; c++)
            sum += (double)sample(w, p + c * bytes);
        out->x[i] = (float)(sum / (double)channels);
        if (!isfinite(out->x[i]) || fabsf(out->x[i]) > 1e6F) {
            assay__sound_release(out);
            return assay_error_set(err, ASSAY_DATA,
                                   "byte %zu: a sample is no number from -1e6 "
                                   "to 1e6",
                                   (size_t)(p - w->data));
        }
    }
    return ASSAY_OK;
}

int assay__wav_read(struct assay__sound *out, const unsigned char *data,
                    size_t size, size_t max_frames, struct assay_error *err)
{
    struct wav w = {.data = data, .size = size};
    size_t at = 0;
    size_t bytes = 0;
    size_t n;
    int rc = find_data(&w, &at, &bytes, err);

    if (rc)
        return rc;
    n = bytes / ((size_t)w.channels * (size_t)w.bits / 8);
    if (n == 0)
        return assay_error_set(err, ASSAY_DATA,
                               "byte %zu: no samples in the data chunk", at);
    return decode(out, &w, at, n < max_frames ? n : max_frames, err);
}

void assay__sound_release(struct assay__sound *sound)
{
    assay__free(sound->x);
    memset(sound, 0, sizeof(*sound));
}
