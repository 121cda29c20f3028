/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sounds as images: the logarithm of the energy in mel bands.
 *
 * A sound is brought to the rate (each sample a sum over its neighbours with
 * a sinc under a Hann window of 8 zero crossings to a side, its cut-off at the
 * lower of the two rates) and to `seconds`, by cutting or with zeros. Frame t
 * is centred at (t + 1/2) hop, zeros outside, under a periodic Hann window;
 * of its Fourier transform the squares are summed in triangles whose corners
 * are equally spaced from 0 to rate / 2 on the scale
 * 2595 log10(1 + f / 700). A pixel is the level in decibels below the largest
 * of the image: 255 for none, 0 for 80 and more; a sound without energy is
 * all 0.
 */

#include <math.h>
#include <string.h>

#include "core/mem.h"
#include "data/sound.h"

enum { FFT_MIN = 256, CROSSINGS = 8 };
static const double pi = 3.14159265358979323846;
static const double floor_energy = 1e-12;
static const double range_db = 80;

static double mel_of(double hertz)
{
    return 2595 * log10(1 + hertz / 700);
}

static double hertz_of(double mel)
{
    return 700 * (pow(10, mel / 2595) - 1);
}

static void fill_mel(struct assay__spectrogram *s)
{
    size_t bins = (size_t)s->fft / 2 + 1;
    double top = mel_of(s->rate / 2.0);

    for (int b = 0; b < s->height; b++) {
        double low = hertz_of(top * b / (s->height + 1));
        double peak = hertz_of(top * (b + 1) / (s->height + 1));
        double high = hertz_of(top * (b + 2) / (s->height + 1));

        for (size_t k = 0; k < bins; k++) {
            double f = (double)k * s->rate / s->fft;
            double up = (f - low) / (peak - low);
            double down = (high - f) / (high - peak);

            s->mel[(size_t)b * bins + k] = fmax(0, fmin(up, down));
        }
    }
}

int assay__spectrogram_init(struct assay__spectrogram *s,
                            struct assay_error *err)
{
    int64_t samples = (int64_t)s->rate * s->seconds;

    s->mel = s->wave = NULL;
    s->hop = (int)(samples / s->width);
    if (s->hop < 1 || s->hop > ASSAY__FFT_MAX / 2)
        return assay_error_set(err, ASSAY_LIMIT,
                               "%d columns for %lld samples: 1 to %d samples a "
                               "column are possible",
                               s->width, (long long)samples,
                               (int)ASSAY__FFT_MAX / 2);
    for (s->fft = FFT_MIN; s->fft < 2 * s->hop;)
        s->fft *= 2;
    s->mel = assay__calloc((size_t)s->height * ((size_t)s->fft / 2 + 1),
                           sizeof(double));
    s->wave = assay__calloc(2 * (size_t)s->fft, sizeof(double));
    if (!s->mel || !s->wave) {
        assay__spectrogram_release(s);
        return assay_error_set(err, ASSAY_NOMEM, "no memory for spectrograms");
    }
    for (int i = 0; i < s->fft; i++) {
        s->wave[2 * i] = cos(2 * pi * i / s->fft);
        s->wave[2 * i + 1] = sin(2 * pi * i / s->fft);
    }
    fill_mel(s);
    return ASSAY_OK;
}

void assay__spectrogram_release(struct assay__spectrogram *s)
{
    assay__free(s->mel);
    assay__free(s->wave);
    s->mel = s->wave = NULL;
}

static void reverse_bits(double *x, size_t n)
{
    for (size_t i = 0, j = 0; i < n; i++) {
        size_t bit = n >> 1;

        if (i < j)
            for (int part = 0; part < 2; part++) {
                double swap = x[2 * i + (size_t)part];

                x[2 * i + (size_t)part] = x[2 * j + (size_t)part];
                x[2 * j + (size_t)part] = swap;
            }
        for (; bit && j & bit; bit >>= 1)
            j ^= bit;
        j |= bit;
    }
}

void assay__fft(const struct assay__spectrogram *s, double *x)
{
    size_t n = (size_t)s->fft;

    reverse_bits(x, n);
    for (size_t half = 1; half < n; half *= 2)
        for (size_t start = 0; start < n; start += 2 * half)
            for (size_t k = 0; k < half; k++) {
                const double *w = s->wave + 2 * (k * (n / (2 * half)));
                double *a = x + 2 * (start + k);
                double *b = a + 2 * half;
                double re = b[0] * w[0] + b[1] * w[1];
                double im = b[1] * w[0] - b[0] * w[1];

                b[0] = a[0] - re;
                b[1] = a[1] - im;
                a[0] += re;
                a[1] += im;
            }
}

/* Sample i at the new rate. */
static double resampled(const struct assay__sound *sound, int rate, size_t i)
{
    double place = (double)i * sound->rate / rate;
    double cut = rate < sound->rate ? (double)rate / sound->rate : 1;
    double reach = CROSSINGS / cut;
    int64_t first = (int64_t)ceil(place - reach);
    int64_t last = (int64_t)floor(place + reach);
    double sum = 0;

    if (first < 0)
        first = 0;
    if (last >= (int64_t)sound->n)
        last = (int64_t)sound->n - 1;
    for (int64_t k = first; k <= last; k++) {
        double u = cut * ((double)k - place);
        double sinc = fabs(u) < 1e-12 ? 1 : sin(pi * u) / (pi * u);

        sum += (double)sound->x[k] * cut * sinc *
               (.5 + .5 * cos(pi * u / CROSSINGS));
    }
    return sum;
}

/* [rate * seconds] */
static void bring(double *to, const struct assay__spectrogram *s,
                  const struct assay__sound *sound)
{
    size_t n = (size_t)s->rate * (size_t)s->seconds;

    for (size_t i = 0; i < n; i++) {
        if (sound->rate != s->rate)
            to[i] = resampled(sound, s->rate, i);
        else
            to[i] = i < sound->n ? (double)sound->x[i] : 0;
    }
}

/* Energies of frame t in all bands, to column t. */
static void draw_frame(const struct assay__spectrogram *s, const double *x,
                       int t, double *frame, double *energy)
{
    size_t bins = (size_t)s->fft / 2 + 1;
    int64_t n = (int64_t)s->rate * s->seconds;
    int64_t start = (int64_t)t * s->hop + s->hop / 2 - s->fft / 2;

    for (int i = 0; i < s->fft; i++) {
        int64_t at = start + i;
        double hann = .5 - .5 * s->wave[2 * i];

        frame[2 * i] = at >= 0 && at < n ? x[at] * hann : 0;
        frame[2 * i + 1] = 0;
    }
    assay__fft(s, frame);
    for (int b = 0; b < s->height; b++) {
        double sum = 0;

        for (size_t k = 0; k < bins; k++)
            sum += s->mel[(size_t)b * bins + k] *
                   (frame[2 * k] * frame[2 * k] +
                    frame[2 * k + 1] * frame[2 * k + 1]);
        energy[(size_t)(s->height - 1 - b) * (size_t)s->width + (size_t)t] =
            sum;
    }
}

static void to_pixels(const struct assay__spectrogram *s, const double *energy,
                      uint8_t *pixels)
{
    size_t n = (size_t)s->height * (size_t)s->width;
    double top = 0;

    for (size_t i = 0; i < n; i++)
        top = fmax(top, energy[i]);
    for (size_t i = 0; i < n; i++) {
        double below =
            10 * log10(fmax(top, floor_energy) / fmax(energy[i], floor_energy));
        double value = 255 * (1 - fmin(below, range_db) / range_db);

        pixels[i] = top > floor_energy ? (uint8_t)floor(value + .5) : 0;
    }
}

int assay__spectrogram_draw(const struct assay__spectrogram *s,
                            const struct assay__sound *sound, uint8_t *pixels,
                            struct assay_error *err)
{
    size_t n = (size_t)s->rate * (size_t)s->seconds;
    double *x = assay__calloc(n, sizeof(*x));
    double *frame = assay__calloc(2 * (size_t)s->fft, sizeof(*frame));
    double *energy =
        assay__calloc((size_t)s->height * (size_t)s->width, sizeof(*energy));
    int rc = ASSAY_OK;

    if (!x || !frame || !energy) {
        rc = assay_error_set(err, ASSAY_NOMEM, "no memory for a spectrogram");
    } else {
        bring(x, s, sound);
        for (int t = 0; t < s->width; t++)
            draw_frame(s, x, t, frame, energy);
        to_pixels(s, energy, pixels);
    }
    assay__free(x);
    assay__free(frame);
    assay__free(energy);
    return rc;
}
