/* SPDX-License-Identifier: Apache-2.0 */
/* Records of a view as images in memory, no more than are wanted. */

#include "assay/rng.h"
#include "core/checked.h"
#include "core/mem.h"
#include "detectors/reverse.h"

int assay__gather_images(const assay_view *view, size_t most, uint64_t seed,
                         const char *task, float **x, int32_t **label,
                         size_t *n, struct assay_error *err)
{
    size_t all = assay_view_count(view);
    size_t some = most < all ? most : all;
    size_t image = (size_t)assay_view_channels(view) *
                   (size_t)assay_view_height(view) *
                   (size_t)assay_view_width(view);
    uint32_t *row = assay__calloc(all, sizeof(*row));
    int32_t *of = assay__calloc(some, sizeof(*of));
    float *images = NULL;
    struct assay_rng rng;
    size_t size;

    if (assay__mul_size(some, image, &size))
        images = assay__calloc(size, sizeof(*images));
    if (!row || !images || !of) {
        assay__free(row);
        assay__free(of);
        assay__free(images);
        return assay_error_set(err, ASSAY_NOMEM,
                               "%s: out of memory for %zu images", task, some);
    }
    for (size_t i = 0; i < all; i++)
        row[i] = (uint32_t)i;
    assay_rng_init(&rng, seed, task, 0);
    assay_rng_shuffle(&rng, row, all);
    assay_view_fill(view, row, some, NULL, 0, 0, images);
    for (size_t i = 0; i < some; i++)
        of[i] = assay_view_label(view, row[i]);
    assay__free(row);
    *x = images;
    *n = some;
    if (label)
        *label = of;
    else
        assay__free(of);
    return ASSAY_OK;
}
