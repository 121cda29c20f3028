/* SPDX-License-Identifier: Apache-2.0 */
/* What inversion attacks share. */

#include "attacks/inversion/inversion.h"

#include "core/mem.h"

int assay__pictures_make(struct assay_pictures *p,
                         const struct assay_attack_input *in, size_t each,
                         struct assay_error *err)
{
    const struct assay_preprocess *pre =
        assay_model_preprocess(in->world->target);
    int k = in->members->n_classes;

    p->n = each * (size_t)k;
    p->channels = pre->channels;
    p->height = pre->height;
    p->width = pre->width;
    p->wanted = assay__calloc(p->n, sizeof(*p->wanted));
    if (!p->wanted)
        return assay_error_set(err, ASSAY_NOMEM, "%zu pictures", p->n);
    for (size_t i = 0; i < p->n; i++)
        p->wanted[i] = (int32_t)(i % (size_t)k);
    return ASSAY_OK;
}

void assay__pictures_take(struct assay_pictures *p,
                          struct assay_inversion *found)
{
    p->x = found->image;
    found->image = NULL;
}
