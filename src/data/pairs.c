/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Datasets in pairs of files, images and labels, as IDX and STL-10 have
 * them: found plain or gzipped, read whole, joined in the order of the
 * kind's table.
 */

#include "core/mem.h"
#include "data/data.h"

int assay__pair_read(struct assay_dataset *ds, const char *images_path,
                     const char *labels_path, assay__pair_reader *read,
                     size_t max_records, struct assay_error *err)
{
    struct assay__bytes images = {NULL, 0};
    struct assay__bytes labels = {NULL, 0};
    int rc;

    rc = assay__data_load(&images, images_path, err);
    if (!rc)
        rc = assay__data_load(&labels, labels_path, err);
    if (!rc) {
        rc = read(ds, &images, &labels, max_records, err);
        if (rc)
            rc = assay_error_prefix(err, rc, "%s", images_path);
    }
    assay__bytes_release(&images);
    assay__bytes_release(&labels);
    return rc;
}

int assay__pairs_read(struct assay_dataset *ds, const struct assay__spec *spec,
                      const struct assay__pair *pair, size_t n,
                      assay__pair_reader *read, struct assay_error *err)
{
    size_t found = 0;
    int rc = ASSAY_OK;

    for (size_t i = 0; i < n && !rc; i++) {
        char *images = NULL;
        char *labels = NULL;

        rc = assay__data_find(&images, spec->path, pair[i].images, err);
        if (!rc)
            rc = assay__data_find(&labels, spec->path, pair[i].labels, err);
        if (!rc && images && labels) {
            rc = assay__pair_read(ds, images, labels, read, spec->max_records,
                                  err);
            found++;
        } else if (!rc && images) {
            rc = assay_error_set(err, ASSAY_IO, "%s: %s(.gz) is missing",
                                 spec->path, pair[i].labels);
        }
        assay__free(images);
        assay__free(labels);
    }
    if (!rc && !found)
        rc = assay_error_set(err, ASSAY_IO,
                             "%s: neither %s nor %s, plain or .gz", spec->path,
                             pair[0].images, pair[n - 1].images);
    return rc;
}
