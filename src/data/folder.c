/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Folders of PNG and JPEG images, a sub-folder per class (class_files.c). An
 * image that does not decode is an error. `max_records` counts per class
 * folder.
 */

#include <string.h>

#include "core/mem.h"
#include "data/data.h"

static const char *const suffixes[] = {".png", ".jpg", ".jpeg", NULL};
static const struct assay__file_kind images = {suffixes, ".png, .jpg or .jpeg",
                                               "images"};

static int open_folder(struct assay_dataset *ds, const struct assay__spec *spec,
                       struct assay_error *err)
{
    struct assay__class_files files = {0};
    int rc;

    rc = assay__class_files_find(&files, spec->path, &images, spec->max_records,
                                 err);
    if (!rc)
        rc = assay__dataset_classes(ds, (int)files.n_classes,
                                    (const char *const *)files.class_name, err);
    if (!rc)
        rc = assay__images_load(ds, files.path, files.n, spec->size, err);
    if (!rc)
        memcpy(ds->labels, files.label, files.n * sizeof(*files.label));
    assay__class_files_release(&files);
    return rc;
}

static bool probe(const char *path)
{
    return assay__class_files_probe(path, &images);
}

const struct assay_dataset_kind assay_dataset_kind_folder = {
    .name = "folder",
    .takes = ASSAY__SPEC_SIZE,
    .probe = probe,
    .open = open_folder,
};
