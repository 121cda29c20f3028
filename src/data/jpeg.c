/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JPEG through libjpeg (turbo); the one file that includes it.
 *
 * libjpeg reports errors by a call that must not return: a long jump, to a
 * frame whose locals are not read afterwards. What it calls warnings
 * includes a file cut short, which it would fill with grey: those are
 * errors here. A progressive file may hold scans without end, each as much
 * work as a whole picture; their number is capped.
 */

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jerror.h>
#include <jpeglib.h>

#include "core/mem.h"
#include "data/image.h"

enum { SCANS_MAX = 100 };

struct reader {
    struct jpeg_error_mgr manager; /* first: libjpeg hands back its address */
    struct jpeg_progress_mgr progress;
    struct jpeg_decompress_struct jpeg;
    jmp_buf jump;
    struct assay__image *image;
    const unsigned char *data;
    size_t size;
    unsigned char *row;
    int code; /* when Assay refused, else 0 */
    struct assay_error *err;
    int measure_only;
};

static struct reader *reader_of(j_common_ptr jpeg)
{
    return (struct reader *)(void *)jpeg->err;
}

static void on_error(j_common_ptr jpeg)
{
    struct reader *r = reader_of(jpeg);
    char text[JMSG_LENGTH_MAX];

    jpeg->err->format_message(jpeg, text);
    r->code = assay_error_set(
        r->err,
        jpeg->err->msg_code == JERR_OUT_OF_MEMORY ? ASSAY_NOMEM : ASSAY_FORMAT,
        "JPEG: %.120s", text);
    longjmp(r->jump, 1);
}

static void on_message(j_common_ptr jpeg, int level)
{
    struct reader *r = reader_of(jpeg);
    int code = jpeg->err->msg_code;

    if (level >= 0 || (code != JWRN_JPEG_EOF && code != JWRN_HIT_MARKER))
        return;
    r->code = assay_error_set(r->err, ASSAY_FORMAT,
                              "JPEG: data end too early in %zu bytes", r->size);
    longjmp(r->jump, 1);
}

static void on_progress(j_common_ptr jpeg)
{
    struct reader *r = reader_of(jpeg);

    if (jpeg->is_decompressor && r->jpeg.input_scan_number > SCANS_MAX) {
        r->code = assay_error_set(r->err, ASSAY_LIMIT,
                                  "JPEG: more than %d scans", SCANS_MAX);
        longjmp(r->jump, 1);
    }
}

static void refuse(struct reader *r, int code)
{
    r->code = code;
    longjmp(r->jump, 1);
}

static void read_header(struct reader *r)
{
    struct jpeg_decompress_struct *jpeg = &r->jpeg;
    int rc;

    jpeg_mem_src(jpeg, r->data, (unsigned long)r->size);
    (void)jpeg_read_header(jpeg, TRUE);
    rc = assay__image_check(jpeg->image_height, jpeg->image_width, r->err);
    if (rc)
        refuse(r, rc);
    if (jpeg->num_components != 1 && jpeg->num_components != 3)
        refuse(r, assay_error_set(r->err, ASSAY_UNSUPPORTED,
                                  "JPEG: %d components, not grey or RGB",
                                  jpeg->num_components));
    r->image->height = (int)jpeg->image_height;
    r->image->width = (int)jpeg->image_width;
    r->image->channels = jpeg->num_components;
    jpeg->out_color_space = jpeg->num_components == 1 ? JCS_GRAYSCALE : JCS_RGB;
}

static void read_pixels(struct reader *r)
{
    struct jpeg_decompress_struct *jpeg = &r->jpeg;
    struct assay__image *image = r->image;
    size_t row = (size_t)image->width * (size_t)image->channels;

    r->progress.progress_monitor = on_progress;
    jpeg->progress = &r->progress;
    (void)jpeg_start_decompress(jpeg);

    image->pixels = assay__malloc(row * (size_t)image->height);
    r->row = assay__malloc(row);
    if (!image->pixels || !r->row)
        refuse(r, assay_error_set(r->err, ASSAY_NOMEM,
                                  "JPEG: no memory for %dx%d pixels",
                                  image->height, image->width));
    while (jpeg->output_scanline < jpeg->output_height) {
        int y = (int)jpeg->output_scanline;

        (void)jpeg_read_scanlines(jpeg, &r->row, 1);
        assay__image_put_row(image, y, r->row);
    }
    (void)jpeg_finish_decompress(jpeg);
}

/* 0 when all went well, else after a jump. */
static int read_guarded(struct reader *r)
{
    if (setjmp(r->jump))
        return -1;
    jpeg_create_decompress(&r->jpeg);
    read_header(r);
    if (!r->measure_only)
        read_pixels(r);
    return 0;
}

int assay__jpeg_read(struct assay__image *out, const unsigned char *data,
                     size_t size, int measure_only, struct assay_error *err)
{
    struct reader r;
    int rc = ASSAY_OK;

    memset(&r, 0, sizeof(r));
    r.image = out;
    r.data = data;
    r.size = size;
    r.err = err;
    r.measure_only = measure_only;
    r.jpeg.err = jpeg_std_error(&r.manager);
    r.manager.error_exit = on_error;
    r.manager.emit_message = on_message;

    if (read_guarded(&r)) {
        rc = r.code;
        assay__image_release(out);
    }
    jpeg_destroy_decompress(&r.jpeg);
    assay__free(r.row);
    return rc;
}
