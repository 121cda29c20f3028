/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_DATA_IMAGE_H
#define ASSAY_DATA_IMAGE_H

/*
 * PNG and JPEG files in memory, to and from 8-bit pixels. Decoding asks for
 * memory only after the header's size passed the caps; a file that is
 * damaged or ends early is an error, not a half-grey picture. Alpha is
 * dropped, palettes and other depths are brought to 8-bit grey or RGB.
 */

#include <stddef.h>
#include <stdint.h>

#include "assay/error.h"

enum { ASSAY__IMAGE_PIXELS_MAX = 1 << 26 };

struct assay__image {
    int channels; /* 1 grey, 3 RGB */
    int height;
    int width;
    uint8_t *pixels; /* [C, H, W], NULL when only the header was read */
};

/* The header alone: channels, height, width. */
int assay__image_measure(struct assay__image *out, const unsigned char *data,
                         size_t size, struct assay_error *err) ASSAY_MUST_CHECK;
int assay__image_decode(struct assay__image *out, const unsigned char *data,
                        size_t size, struct assay_error *err) ASSAY_MUST_CHECK;
void assay__image_release(struct assay__image *image);

/* Sides at least 1, at most ASSAY__SIDE_MAX, and so many pixels at most. */
int assay__image_check(size_t height, size_t width,
                       struct assay_error *err) ASSAY_MUST_CHECK;
/* One row of interleaved pixels into row y of the planes. */
void assay__image_put_row(struct assay__image *image, int y,
                          const unsigned char *row);

/* The two libraries' own halves; `measure_only` stops after the header. */
int assay__png_read(struct assay__image *out, const unsigned char *data,
                    size_t size, int measure_only,
                    struct assay_error *err) ASSAY_MUST_CHECK;
int assay__jpeg_read(struct assay__image *out, const unsigned char *data,
                     size_t size, int measure_only,
                     struct assay_error *err) ASSAY_MUST_CHECK;
/* [C, H, W] with C 1 or 3 as a PNG; *png is freed with assay__free. */
int assay__png_write(unsigned char **png, size_t *size,
                     const struct assay__image *image,
                     struct assay_error *err) ASSAY_MUST_CHECK;

#endif
