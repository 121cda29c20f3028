/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PNG through libpng; the one file that includes it.
 *
 * libpng reports errors by a long jump. The frame that holds the jump
 * buffer therefore keeps everything it must release in a struct that its
 * caller owns, and no local of it is read after a jump. Its memory is
 * Assay's, so that tests can make it fail.
 *
 * A file of s bytes cannot unpack to more than about 1032 s (deflate's best
 * ratio); a header that promises more is refused before memory is spent.
 */

#include <png.h>
#include <setjmp.h>
#include <string.h>

#include "core/buf.h"
#include "core/mem.h"
#include "data/image.h"

enum { DEFLATE_RATIO = 1032, ANCILLARY_CHUNKS_MAX = 128 };
enum { CHUNK_BYTES_MAX = 1 << 20 };

struct reader {
    png_structp png;
    png_infop info;
    struct assay__image *image;
    const unsigned char *data;
    size_t size;
    size_t at;
    unsigned char *rows; /* all of them interleaved, or one */
    const char *why;     /* libpng's last words, in `text` */
    char text[120];
    int code; /* when Assay refused, else 0 */
    int no_memory;
    struct assay_error *err;
    int measure_only;
};

static void on_error(png_structp png, png_const_charp text)
{
    struct reader *r = png_get_error_ptr(png);

    strncpy(r->text, text, sizeof(r->text) - 1);
    r->why = r->text;
    png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp text)
{
    (void)png;
    (void)text;
}

static png_voidp png_alloc(png_structp png, png_alloc_size_t size)
{
    struct reader *r = png_get_mem_ptr(png);
    void *block = assay__malloc(size);

    if (!block && r)
        r->no_memory = 1;
    return block;
}

static void png_release(png_structp png, png_voidp block)
{
    (void)png;
    assay__free(block);
}

static void feed(png_structp png, png_bytep dst, size_t n)
{
    struct reader *r = png_get_io_ptr(png);

    if (n > r->size - r->at)
        png_error(png, "file ends too early");
    memcpy(dst, r->data + r->at, n);
    r->at += n;
}

/* Refuse with Assay's own message, through libpng's way out. */
static void refuse(struct reader *r, int code)
{
    r->code = code;
    png_longjmp(r->png, 1);
}

/* Everything becomes 8-bit grey or RGB, without alpha. */
static void set_transforms(struct reader *r)
{
    int colour = png_get_color_type(r->png, r->info);
    int depth = png_get_bit_depth(r->png, r->info);

    if (colour == PNG_COLOR_TYPE_PALETTE)
        png_set_palette_to_rgb(r->png);
    if (!(colour & PNG_COLOR_MASK_COLOR) && depth < 8)
        png_set_expand_gray_1_2_4_to_8(r->png);
    if (depth == 16)
        png_set_scale_16(r->png);
    png_set_strip_alpha(r->png);
}

static void read_header(struct reader *r)
{
    struct assay__image *image = r->image;
    size_t height;
    size_t width;
    int rc;

    png_set_user_limits(r->png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
    png_set_chunk_cache_max(r->png, ANCILLARY_CHUNKS_MAX);
    png_set_chunk_malloc_max(r->png, CHUNK_BYTES_MAX);
    png_set_read_fn(r->png, r, feed);
    png_read_info(r->png, r->info);

    height = png_get_image_height(r->png, r->info);
    width = png_get_image_width(r->png, r->info);
    rc = assay__image_check(height, width, r->err);
    if (rc)
        refuse(r, rc);
    if (height * (png_get_rowbytes(r->png, r->info) + 1) / DEFLATE_RATIO >
        r->size) {
        rc = assay_error_set(
            r->err, ASSAY_FORMAT,
            "PNG: %zux%zu pixels cannot come from a file of %zu bytes", height,
            width, r->size);
        refuse(r, rc);
    }
    image->height = (int)height;
    image->width = (int)width;
    image->channels =
        png_get_color_type(r->png, r->info) & PNG_COLOR_MASK_COLOR ? 3 : 1;
}

static void read_pixels(struct reader *r)
{
    struct assay__image *image = r->image;
    int passes;
    size_t row;

    set_transforms(r);
    passes = png_set_interlace_handling(r->png);
    png_read_update_info(r->png, r->info);
    row = png_get_rowbytes(r->png, r->info);
    if (row != (size_t)image->width * (size_t)image->channels)
        png_error(r->png, "unexpected row size");

    image->pixels = assay__malloc(row * (size_t)image->height);
    r->rows = assay__calloc(passes > 1 ? (size_t)image->height : 1, row);
    if (!image->pixels || !r->rows)
        refuse(r, assay_error_set(r->err, ASSAY_NOMEM,
                                  "PNG: no memory for %dx%d pixels",
                                  image->height, image->width));

    for (int pass = 0; pass < passes; pass++) {
        for (int y = 0; y < image->height; y++) {
            unsigned char *at = r->rows + (passes > 1 ? (size_t)y * row : 0);

            png_read_row(r->png, at, NULL);
            if (pass + 1 == passes)
                assay__image_put_row(image, y, at);
        }
    }
    png_read_end(r->png, NULL);
}

/* 0 when all went well, else after a jump. */
static int read_guarded(struct reader *r)
{
    if (setjmp(png_jmpbuf(r->png)))
        return -1;
    read_header(r);
    if (!r->measure_only)
        read_pixels(r);
    return 0;
}

int assay__png_read(struct assay__image *out, const unsigned char *data,
                    size_t size, int measure_only, struct assay_error *err)
{
    struct reader r = {.image = out,
                       .data = data,
                       .size = size,
                       .err = err,
                       .measure_only = measure_only};
    int rc = ASSAY_OK;

    r.png = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, &r, on_error,
                                     on_warning, &r, png_alloc, png_release);
    if (r.png)
        r.info = png_create_info_struct(r.png);
    if (!r.info) {
        rc = assay_error_set(err, ASSAY_NOMEM, "PNG: no memory");
    } else if (read_guarded(&r)) {
        rc = r.code;
        if (!rc)
            rc = assay_error_set(err, r.no_memory ? ASSAY_NOMEM : ASSAY_FORMAT,
                                 "byte %zu: PNG: %s", r.at,
                                 r.why ? r.why : "damaged");
    }
    png_destroy_read_struct(&r.png, &r.info, NULL);
    assay__free(r.rows);
    if (rc)
        assay__image_release(out);
    return rc;
}

struct writer {
    png_structp png;
    png_infop info;
    const struct assay__image *image;
    struct assay__buf out;
    unsigned char *row;
};

static void on_write_error(png_structp png, png_const_charp text)
{
    (void)text;
    png_longjmp(png, 1);
}

static void drain(png_structp png, png_bytep data, size_t size)
{
    struct writer *w = png_get_io_ptr(png);

    assay__buf_add(&w->out, data, size);
    if (w->out.failed)
        png_error(png, "no memory");
}

static void no_flush(png_structp png)
{
    (void)png;
}

static int write_guarded(struct writer *w)
{
    const struct assay__image *image = w->image;
    size_t width = (size_t)image->width;
    size_t plane = width * (size_t)image->height;
    size_t n = (size_t)image->channels;

    if (setjmp(png_jmpbuf(w->png)))
        return -1;
    png_set_write_fn(w->png, w, drain, no_flush);
    png_set_IHDR(w->png, w->info, (png_uint_32)image->width,
                 (png_uint_32)image->height, 8,
                 n == 3 ? PNG_COLOR_TYPE_RGB : PNG_COLOR_TYPE_GRAY,
                 PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
                 PNG_FILTER_TYPE_DEFAULT);
    png_write_info(w->png, w->info);
    for (size_t y = 0; y < (size_t)image->height; y++) {
        for (size_t c = 0; c < n; c++) {
            for (size_t x = 0; x < width; x++)
                w->row[x * n + c] = image->pixels[c * plane + y * width + x];
        }
        png_write_row(w->png, w->row);
    }
    png_write_end(w->png, NULL);
    return 0;
}

int assay__png_write(unsigned char **png, size_t *size,
                     const struct assay__image *image, struct assay_error *err)
{
    struct writer w = {.image = image};
    int rc = ASSAY_OK;

    w.row = assay__malloc((size_t)image->width * (size_t)image->channels);
    w.png =
        png_create_write_struct_2(PNG_LIBPNG_VER_STRING, NULL, on_write_error,
                                  on_warning, NULL, png_alloc, png_release);
    if (w.png)
        w.info = png_create_info_struct(w.png);
    if (!w.row || !w.info || write_guarded(&w))
        rc = assay_error_set(err, ASSAY_NOMEM, "no memory to write a PNG");

    png_destroy_write_struct(&w.png, &w.info);
    assay__free(w.row);
    if (rc) {
        assay__buf_release(&w.out);
        return rc;
    }
    *png = (unsigned char *)w.out.data;
    *size = w.out.size;
    return ASSAY_OK;
}
