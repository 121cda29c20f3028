/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_DATASET_H
#define ASSAY_DATASET_H

/*
 * Records, splits and views.
 *
 * A dataset is N records [C, H, W], a label each, and any number of named
 * integer attributes. It is immutable once opened and may be read from
 * several threads. Pixels are kept as the file has them (u8 0..255, or f32
 * from NPZ), not preprocessed.
 *
 * A split is four disjoint quarters drawn from one seed. A view is a list
 * of records of one dataset behind one preprocessing: what a model sees.
 */

#include <stddef.h>
#include <stdint.h>

#include "assay/context.h"
#include "assay/error.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct assay_dataset assay_dataset;

struct assay_dataset_options {
    const char *label;  /* attribute to use as label, NULL: the file's own */
    size_t max_records; /* 0: all; else the first so many of each file */
};

/*
 * Open `spec`: `KIND:PATH` or a path whose kind is probed. Kinds are the
 * rows of data/datasets.def:
 *
 *   fashion-mnist, mnist   IDX, plain or gzip; a folder (train and t10k are
 *                          joined, in that order, as the papers do) or an
 *                          images file beside its labels file; ?classes=K
 *                          when not 10. fashion-mnist alone is Debian's
 *   cifar10, cifar100      binary version; a folder of batches, joined, or
 *                          one; cifar100 has attributes fine and coarse
 *   stl10                  folder of train_X.bin, train_y.bin, test_X.bin...
 *   celeba                 folder of list_attr_celeba.txt and
 *                          img_align_celeba (or Anno/ and Img/ with them);
 *                          each column an attribute; ?labels=A+B,C adds
 *                          attributes of several, the first is the label
 *   npz                    arrays x|images|data and y|labels, or x_train,
 *                          y_train, x_test, y_test; arrays of other
 *                          integers per record are attributes, unless one
 *                          is outside 0..65535
 *   csv                    header line; a column `file` (else the first)
 *                          of image paths below the CSV's folder, `label`,
 *                          and any others, which become attributes: values
 *                          sorted (by number when all are whole numbers)
 *                          and numbered from 0; columns of over 65536
 *                          different values are left out
 *   folder                 of PNG and JPEG, a sub-folder per class; or
 *                          train, val, test of such folders, joined
 *   wav                    folder of WAV files (PCM of 8 to 32 bits, 32-bit
 *                          float), a sub-folder per class as in `folder`,
 *                          as mel spectrograms [1, H, W]: ?size=HxW (32x32),
 *                          ?rate=HZ (16000), to which all are brought,
 *                          ?seconds=N (1), to which all are cut or filled up
 *   records                ?labels=age,gender,race&shape=3x32x32, needed:
 *                          a byte per label, then planes; each label is an
 *                          attribute, the first one is the label
 *
 * csv, folder and celeba take ?size=HxW, to which all images are resized;
 * without it they must have one size. `max_records` counts a class folder as a
 * file.
 *
 * out  owned by the caller, assay_dataset_free()
 * opt  may be NULL
 * Errors: _IO, _FORMAT, _LIMIT, _DATA (a label out of range, NaN), _NOMEM;
 * the message names file, place, value and limit.
 */
int assay_dataset_open(assay_dataset **out, const char *spec,
                       const struct assay_dataset_options *opt,
                       struct assay_error *err) ASSAY_MUST_CHECK;

/*
 * From memory, copied. `pixels` is u8 [n, c, h, w] or, when it is NULL,
 * `values` f32 of the same shape (finite). Labels lie in 0..n_classes-1.
 */
struct assay_dataset_source {
    const char *name;
    size_t n;
    int channels, height, width;
    const uint8_t *pixels;
    const float *values;
    const int32_t *labels;
    int n_classes;
};
int assay_dataset_new(assay_dataset **out,
                      const struct assay_dataset_source *source,
                      struct assay_error *err) ASSAY_MUST_CHECK;
void assay_dataset_free(assay_dataset *ds);

const char *assay_dataset_name(const assay_dataset *ds); /* "fashion-mnist" */
size_t assay_dataset_count(const assay_dataset *ds);
int assay_dataset_channels(const assay_dataset *ds);
int assay_dataset_height(const assay_dataset *ds);
int assay_dataset_width(const assay_dataset *ds);
int assay_dataset_n_classes(const assay_dataset *ds);
/* "Sneaker", or the class number in digits when no name is known. */
const char *assay_dataset_class_name(const assay_dataset *ds, int k);
int32_t assay_dataset_label(const assay_dataset *ds, size_t i);
/* SHA-256 (64 hex digits) of shape, labels and pixels. */
const char *assay_dataset_sha256(const assay_dataset *ds);
/* Record i as [C, H, W] in the file's own range (u8: 0..255). */
void assay_dataset_record(const assay_dataset *ds, size_t i, float *out);
/* Record i's pixels when they are u8, else NULL. */
const uint8_t *assay_dataset_pixels(const assay_dataset *ds, size_t i);

size_t assay_dataset_n_attributes(const assay_dataset *ds);
const char *assay_dataset_attribute_name(const assay_dataset *ds, size_t a);
/* Number of values attribute a takes (0 .. cardinality-1). */
int assay_dataset_attribute_cardinality(const assay_dataset *ds, size_t a);
int32_t assay_dataset_attribute(const assay_dataset *ds, size_t a, size_t i);

/* The quarters of ML-Doctor. */
enum assay_quarter {
    ASSAY_TARGET_TRAIN,
    ASSAY_TARGET_TEST,
    ASSAY_SHADOW_TRAIN,
    ASSAY_SHADOW_TEST,
    ASSAY_QUARTERS
};
const char *assay_quarter_name(enum assay_quarter quarter);

struct assay_split {
    uint64_t seed;
    size_t n;                        /* records per quarter */
    uint32_t *index[ASSAY_QUARTERS]; /* [n] each, disjoint */
    char sha256[65];                 /* of dataset hash and indices */
};

/*
 * Records that a model was trained on, and others of the same kind, as one
 * dataset: those of `members`, then those of `others`. Shape, classes and
 * attributes must be equal, else ASSAY_SHAPE. Both are copied.
 */
int assay_dataset_join(assay_dataset **out, const assay_dataset *members,
                       const assay_dataset *others,
                       struct assay_error *err) ASSAY_MUST_CHECK;
/*
 * A split of such a dataset, whose first n_members records are the members:
 * target-train is drawn from these, the other three quarters from the rest,
 * by permutations from (seed, "split", 0) and (seed, "split", 1). As large
 * as both allow, or of `n_each`. Too few records: ASSAY_DATA.
 */
int assay_split_make_of(struct assay_split *split, const assay_dataset *ds,
                        size_t n_members, uint64_t seed, size_t n_each,
                        struct assay_error *err) ASSAY_MUST_CHECK;

/*
 * Four quarters of floor(N / 4) records each (or of `n_each` when it is not
 * 0 and not larger), by a permutation from (seed, "split", 0). Too few
 * records (under 4): ASSAY_DATA.
 */
int assay_split_make(struct assay_split *split, const assay_dataset *ds,
                     uint64_t seed, size_t n_each,
                     struct assay_error *err) ASSAY_MUST_CHECK;
void assay_split_release(struct assay_split *split);
/* As safetensors with dataset hash, and back; reading refuses a file made
 * from another dataset. */
int assay_split_write(const struct assay_split *split, const assay_dataset *ds,
                      const char *path,
                      struct assay_error *err) ASSAY_MUST_CHECK;
int assay_split_read(struct assay_split *split, const assay_dataset *ds,
                     const char *path,
                     struct assay_error *err) ASSAY_MUST_CHECK;

enum { ASSAY_CHANNELS_MAX = 4 };

/*
 * What a model wants done to pixels: resize to H x W (bilinear, half-pixel
 * centres, no antialias when growing, area-weighted when shrinking; results
 * of u8 data rounded back to 0..255 as image libraries do), channels fitted
 * (grey repeated to 3; 3 to grey by ITU-R 601), then
 * (x * scale - mean[c]) / std[c].
 */
struct assay_preprocess {
    int channels, height, width; /* 0: the dataset's own */
    double scale;                /* 1/255 for u8 images */
    double mean[ASSAY_CHANNELS_MAX];
    double std[ASSAY_CHANNELS_MAX]; /* > 0 */
};
/* The dataset's own size, scale 1/255 (1 for f32 data), mean .5, std .5. */
void assay_preprocess_init(struct assay_preprocess *pre,
                           const assay_dataset *ds);

/* Training-time augmentation, drawn per record and epoch. */
struct assay_augment {
    int flip;     /* random horizontal flip, probability 1/2 */
    int crop_pad; /* > 0: random crop after padding by so many zeros */
};

typedef struct assay_view assay_view;

/*
 * Records index[0..n) of `ds` (all when index is NULL) behind `pre`. `ds`
 * is borrowed and must outlive the view; indices are copied. Resizing is
 * done once, here. Safe to read from several threads.
 */
int assay_view_new(assay_view **out, const assay_dataset *ds,
                   const uint32_t *index, size_t n,
                   const struct assay_preprocess *pre,
                   struct assay_error *err) ASSAY_MUST_CHECK;
void assay_view_free(assay_view *view);
/* Borrowed: the dataset it was made of. */
const assay_dataset *assay_view_dataset(const assay_view *view);
/* Borrowed: the preprocessing, with its channels, height and width as they
 * are. */
const struct assay_preprocess *assay_view_preprocess(const assay_view *view);
size_t assay_view_count(const assay_view *view);
int assay_view_channels(const assay_view *view);
int assay_view_height(const assay_view *view);
int assay_view_width(const assay_view *view);
int32_t assay_view_label(const assay_view *view, size_t row);
/* Let the attribute be the view's label (-1: the dataset's own label), to
 * train a classifier of it. */
void assay_view_set_label(assay_view *view, int attribute);
/* Number of values the view's label takes. */
int assay_view_n_classes(const assay_view *view);
/* The dataset's index of a row: how records are named in reports. */
uint32_t assay_view_record(const assay_view *view, size_t row);
/*
 * Write rows rows[0..n) as f32 [n, C, H, W] to x (preprocessed). `aug` may
 * be NULL; when given, record r in epoch e draws from the stream
 * (seed, "augment", e << 32 | rows[r]): order and threads do not matter.
 */
void assay_view_fill(const assay_view *view, const uint32_t *rows, size_t n,
                     const struct assay_augment *aug, uint64_t seed,
                     uint64_t epoch, float *x);

/* Whether assay_view_fill() mirrors that row in that epoch. */
int assay_view_mirrors(const struct assay_augment *aug, uint64_t seed,
                       uint64_t epoch, uint32_t row);

/*
 * Record i of `ds` as a PNG file's bytes (8 bit, grey or RGB), for reports.
 * f32 data are stretched from their own minimum and maximum. `*png` is
 * freed with assay_bytes_free().
 */
int assay_dataset_png(const assay_dataset *ds, size_t i, unsigned char **png,
                      size_t *size, struct assay_error *err) ASSAY_MUST_CHECK;
/*
 * The same for pixels of one's own, [C, H, W]: grey, or with three channels
 * and more RGB of the first three. Sides of 1 to 16384.
 */
int assay_pixels_png(const uint8_t *pixels, int channels, int height, int width,
                     unsigned char **png, size_t *size,
                     struct assay_error *err) ASSAY_MUST_CHECK;
/* A preprocessed image [C, H, W] back to pixels of 0..255: rounded, and cut
 * off at the ends of the range; what is not a number becomes 0. */
void assay_preprocess_invert(const struct assay_preprocess *pre,
                             const float *image, uint8_t *pixels);
void assay_bytes_free(void *bytes);

#ifdef __cplusplus
}
#endif
#endif
