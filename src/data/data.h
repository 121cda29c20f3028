/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_DATA_DATA_H
#define ASSAY_DATA_DATA_H

/*
 * The inside of a dataset, and what a kind of dataset is.
 *
 * A reader fills a dataset in this order: assay__dataset_shape() once,
 * assay__dataset_attribute() for each attribute, then for each file
 * assay__dataset_grow() and a write to the new records' pixels, labels and
 * attribute values. Files joined later must have the same shape. The caller
 * of the reader (open.c) checks and seals the result with
 * assay__dataset_finish(); after that nothing changes any more.
 *
 * Readers parse bytes in memory, so that each can be fuzzed; only what
 * walks folders touches the file system.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "assay/dataset.h"

enum {
    ASSAY__CLASSES_MAX = 1 << 16,
    ASSAY__SIDE_MAX = 1 << 14, /* pixels of height or width */
    ASSAY__RATE_MAX = 192000,  /* samples per second */
    ASSAY__SECONDS_MAX = 60,
    ASSAY__ATTRIBUTES_MAX = 1 << 10 /* columns, label bytes */
};
#define ASSAY__RECORDS_MAX ((size_t)1 << 31)
#define ASSAY__PIXELS_MAX_BYTES ((size_t)16 << 30)

struct assay__attribute {
    char *name;
    int cardinality;
    int32_t *value;    /* [n] */
    char **value_name; /* [cardinality], or NULL: digits */
};

struct assay_dataset {
    char *name;
    size_t n;
    int channels;
    int height;
    int width;
    int n_classes;
    bool is_float;
    uint8_t *pixels; /* [n, C, H, W], or NULL when is_float */
    float *values;   /* [n, C, H, W], or NULL */
    int32_t *labels; /* [n] */
    char **class_name;
    struct assay__attribute *attribute;
    size_t n_attributes;
    char sha256[65];
};

/* C * H * W of one record. */
size_t assay__dataset_elements(const struct assay_dataset *ds);

struct assay__dataset_shape {
    int channels;
    int height;
    int width;
    bool is_float;
};

/* First call: fix the shape. Later calls: refuse another one. */
int assay__dataset_shape(struct assay_dataset *ds,
                         const struct assay__dataset_shape *shape,
                         struct assay_error *err) ASSAY_MUST_CHECK;
/* Append an attribute (before the first record); its index is its order. */
int assay__dataset_attribute(struct assay_dataset *ds, const char *name,
                             struct assay_error *err) ASSAY_MUST_CHECK;
/* Room for n more records, labels 0, attributes 0; ds->n grows by n. */
int assay__dataset_grow(struct assay_dataset *ds, size_t n,
                        struct assay_error *err) ASSAY_MUST_CHECK;
/* Names of n classes, copied; NULL for all: digits. Sets n_classes. */
int assay__dataset_classes(struct assay_dataset *ds, int n,
                           const char *const *names,
                           struct assay_error *err) ASSAY_MUST_CHECK;
/* Labels of records `first` and on lie in 0..n_classes-1, or an error that
 * counts records from `first`. Nothing to check while n_classes is 0. */
int assay__dataset_check_labels(const struct assay_dataset *ds, size_t first,
                                struct assay_error *err) ASSAY_MUST_CHECK;
/* Make attribute `name` the label. */
int assay__dataset_relabel(struct assay_dataset *ds, const char *name,
                           struct assay_error *err) ASSAY_MUST_CHECK;
/* Check labels and values against their ranges, name classes, hash. */
int assay__dataset_finish(struct assay_dataset *ds,
                          struct assay_error *err) ASSAY_MUST_CHECK;
/* A fresh copy of n names (NULL terminated is not needed); NULL: no memory. */
char **assay__names_copy(const char *const *names, size_t n);
void assay__names_free(char **names, size_t n);

/* `KIND:PATH?key=value&key=value`, taken apart. */
struct assay__spec {
    char *path;
    char *labels;       /* "age,gender,race", NULL when not given */
    int shape[3];       /* C, H, W; 0 when not given */
    int size[2];        /* H, W; 0 when not given */
    int classes;        /* 0 when not given */
    int rate;           /* samples per second; 0 when not given */
    int seconds;        /* 0 when not given */
    size_t max_records; /* of each file; SIZE_MAX: all */
    const char *label;  /* attribute asked for as label, or NULL */
};

enum assay__spec_keys {
    ASSAY__SPEC_LABELS = 1 << 0,
    ASSAY__SPEC_SHAPE = 1 << 1,
    ASSAY__SPEC_SIZE = 1 << 2,
    ASSAY__SPEC_CLASSES = 1 << 3,
    ASSAY__SPEC_AUDIO = 1 << 4 /* rate and seconds */
};

struct assay_dataset_kind {
    const char *name;         /* as in `KIND:PATH` */
    const char *default_path; /* NULL: a path must be given */
    unsigned takes;           /* assay__spec_keys allowed after '?' */

    /* True when the path looks like this kind; NULL: never probed. */
    bool (*probe)(const char *path);
    int (*open)(struct assay_dataset *ds, const struct assay__spec *spec,
                struct assay_error *err);
};

#define ASSAY_DATASET(id) \
    extern const struct assay_dataset_kind assay_dataset_kind_##id;
#include "datasets.def"
#undef ASSAY_DATASET

/* Bytes of a file that a reader works on; owned by whoever loaded them. */
struct assay__bytes {
    unsigned char *data;
    size_t size;
};

/* A whole file, gunzipped when it begins with gzip's two bytes. */
int assay__data_load(struct assay__bytes *out, const char *path,
                     struct assay_error *err) ASSAY_MUST_CHECK;
/* Gunzip, never into more than `max_bytes`. */
int assay__gunzip(struct assay__bytes *out, const unsigned char *data,
                  size_t size, size_t max_bytes,
                  struct assay_error *err) ASSAY_MUST_CHECK;
void assay__bytes_release(struct assay__bytes *bytes);

/*
 * Path of `name`, or of `name.gz`, in `folder`: fresh in *path, NULL when
 * neither is there. Only lack of memory is a failure.
 */
int assay__data_find(char **path, const char *folder, const char *name,
                     struct assay_error *err) ASSAY_MUST_CHECK;
/* Whether `name` or `name.gz` lies in `folder`. */
bool assay__data_has(const char *folder, const char *name);
/* The path itself when it is a folder, else the folder of that file; fresh,
 * NULL when out of memory. */
char *assay__data_folder_of(const char *path);
/*
 * Lines of the text file folder/name as class names, when it is there and
 * has at least n lines that are not empty; else *names is NULL.
 */
int assay__data_class_names(char ***names, const char *folder, const char *name,
                            size_t n, struct assay_error *err) ASSAY_MUST_CHECK;

/*
 * A dataset in pairs of files, images and labels: those of the `n` pairs
 * that the folder spec->path has, in their order; one is enough, half a pair
 * an error. `read` gets both files' bytes and appends their records.
 */
struct assay__pair {
    const char *images;
    const char *labels;
};
typedef int assay__pair_reader(struct assay_dataset *ds,
                               const struct assay__bytes *images,
                               const struct assay__bytes *labels,
                               size_t max_records, struct assay_error *err);
int assay__pairs_read(struct assay_dataset *ds, const struct assay__spec *spec,
                      const struct assay__pair *pair, size_t n,
                      assay__pair_reader *read,
                      struct assay_error *err) ASSAY_MUST_CHECK;
/* One pair by the paths of its files. */
int assay__pair_read(struct assay_dataset *ds, const char *images_path,
                     const char *labels_path, assay__pair_reader *read,
                     size_t max_records,
                     struct assay_error *err) ASSAY_MUST_CHECK;

/* Files that a walk looks for. */
struct assay__file_kind {
    const char *const *suffixes; /* ".png", ends with NULL; any case */
    const char *names;           /* ".png or .jpg", for messages */
    const char *things;          /* "images" */
};

/* Files in a sub-folder per class; all owned. */
struct assay__class_files {
    char **class_name;
    size_t n_classes;
    char **path;
    size_t n;
    int32_t *label; /* [n] */
};
/* `files` is zeroed before; released after, whether or not this failed. */
int assay__class_files_find(struct assay__class_files *files, const char *root,
                            const struct assay__file_kind *kind,
                            size_t max_records,
                            struct assay_error *err) ASSAY_MUST_CHECK;
void assay__class_files_release(struct assay__class_files *files);
/* Whether the folder has such files, one level down or two. */
bool assay__class_files_probe(const char *path,
                              const struct assay__file_kind *kind);

/* Readers of bytes, apart from their files for tests and fuzzing. Each
 * appends records to `ds`. */
int assay__idx_read(struct assay_dataset *ds, const struct assay__bytes *images,
                    const struct assay__bytes *labels, size_t max_records,
                    struct assay_error *err) ASSAY_MUST_CHECK;
/* n_labels 1 (CIFAR-10: label) or 2 (CIFAR-100: coarse, fine). */
int assay__cifar_read(struct assay_dataset *ds, const struct assay__bytes *file,
                      int n_labels, size_t max_records,
                      struct assay_error *err) ASSAY_MUST_CHECK;
int assay__stl10_read(struct assay_dataset *ds,
                      const struct assay__bytes *images,
                      const struct assay__bytes *labels, size_t max_records,
                      struct assay_error *err) ASSAY_MUST_CHECK;
int assay__records_read(struct assay_dataset *ds,
                        const struct assay__bytes *file,
                        const struct assay__spec *spec,
                        struct assay_error *err) ASSAY_MUST_CHECK;

/*
 * Decode n image files into n new records, in order, on all cores; grey is
 * repeated where another is RGB. All must have one size, unless `size`
 * ({height, width}, or zeros) says to what they shall be resized.
 */
int assay__images_load(struct assay_dataset *ds, char *const *path, size_t n,
                       const int size[2],
                       struct assay_error *err) ASSAY_MUST_CHECK;

struct assay_tensors;
int assay__npz_read(struct assay_dataset *ds, const struct assay_tensors *list,
                    size_t max_records,
                    struct assay_error *err) ASSAY_MUST_CHECK;

#endif
