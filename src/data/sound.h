/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_DATA_SOUND_H
#define ASSAY_DATA_SOUND_H

/*
 * Sounds: WAV files in memory, and their spectrograms as images.
 *
 * RIFF: "RIFF", u32 size, "WAVE", then chunks of a four-letter id, a u32
 * size and so many bytes, filled up to an even number. "fmt " comes before
 * "data": u16 format (1 PCM, 3 float, 0xfffe extensible: the same two in its
 * bytes 24 and 25), u16 channels, u32 rate, u32, u16 bytes per frame, u16
 * bits. All numbers are little-endian.
 */

#include <stddef.h>
#include <stdint.h>

#include "assay/error.h"

enum { ASSAY__WAV_CHANNELS_MAX = 64, ASSAY__FFT_MAX = 1 << 16 };

struct assay__sound {
    int rate; /* frames per second */
    size_t n;
    float *x; /* [n], channels averaged, -1 to 1 for PCM */
};

/* At most max_frames of them are taken. */
int assay__wav_read(struct assay__sound *out, const unsigned char *data,
                    size_t size, size_t max_frames,
                    struct assay_error *err) ASSAY_MUST_CHECK;
void assay__sound_release(struct assay__sound *sound);

/* What becomes of a sound. */
struct assay__spectrogram {
    int height; /* mel bands, the highest in row 0 */
    int width;  /* frames */
    int rate;   /* frames per second that sounds are brought to */
    int seconds;
    int hop;      /* rate * seconds / width */
    int fft;      /* least power of two from 2 hop on, at least 256 */
    double *mel;  /* [height, fft / 2 + 1] */
    double *wave; /* [fft, 2]: cosines and sines of whole turns / fft */
};

/* Fill hop, fft and the tables; ASSAY_LIMIT when a hop is less than a sample
 * or a frame over ASSAY__FFT_MAX of them. */
int assay__spectrogram_init(struct assay__spectrogram *s,
                            struct assay_error *err) ASSAY_MUST_CHECK;
void assay__spectrogram_release(struct assay__spectrogram *s);
/* pixels [height, width]. */
int assay__spectrogram_draw(const struct assay__spectrogram *s,
                            const struct assay__sound *sound, uint8_t *pixels,
                            struct assay_error *err) ASSAY_MUST_CHECK;

/* In place, n a power of two up to s->fft: x[k] = sum_t x[t] e^(-2 pi i kt/n).
 * x is [n, 2]. */
void assay__fft(const struct assay__spectrogram *s, double *x);

#endif
