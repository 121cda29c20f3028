/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A trigger in a graph: x' = keep x + add, with keep = 1 - mask and add =
 * mask pattern in the numbers that the model reads, as parameters that are
 * not trained. Stamped after augmentation, as a camera would see it.
 */

#include <string.h>

#include "assay/layers.h"
#include "backdoors/backdoors.h"
#include "core/mem.h"

assay_value assay__stamp(assay_graph *g, assay_value x)
{
    struct assay_init zero = {.rule = ASSAY_INIT_ZERO};
    struct assay_shape shape = *assay_graph_shape(g, x);
    assay_value keep;
    assay_value add;

    shape.dim[0] = 1;
    add = assay_graph_param(g, "trigger.add", &shape, zero, 0);
    shape.dim[1] = 1;
    keep = assay_graph_param(g, "trigger.keep", &shape, zero, 0);
    x = assay_op_binary(g, ASSAY_BINARY_MUL, x, keep);
    return assay_op_binary(g, ASSAY_BINARY_ADD, x, add);
}

int assay__param_set(struct assay_params *params, const char *name,
                     const float *from, size_t n, struct assay_error *err)
{
    const struct assay_param_slot *slot = assay_params_find(params, name);

    if (!slot || slot->count != n)
        return assay_error_set(err, ASSAY_SHAPE,
                               "there is no parameter '%s' of %zu numbers",
                               name, n);
    memcpy(params->data + slot->offset, from, n * sizeof(float));
    return ASSAY_OK;
}

int assay__stamp_fill(struct assay_params *params,
                      const struct assay_trigger *t,
                      const struct assay_preprocess *pre,
                      struct assay_error *err)
{
    size_t plane = (size_t)t->height * (size_t)t->width;
    size_t n = plane * (size_t)t->channels;
    float *keep = assay__malloc(plane * sizeof(float));
    float *add = assay__calloc(n, sizeof(float));
    int rc = ASSAY_OK;

    if (!keep || !add)
        rc = assay_error_set(err, ASSAY_NOMEM, "out of memory for a trigger");
    for (size_t i = 0; i < plane && !rc; i++)
        keep[i] = 1 - t->mask[i];
    /* What the trigger makes of an image of zeros. */
    if (!rc) {
        assay_trigger_stamp(t, pre, add, 1);
        rc = assay__param_set(params, "trigger.keep", keep, plane, err);
    }
    if (!rc)
        rc = assay__param_set(params, "trigger.add", add, n, err);
    assay__free(keep);
    assay__free(add);
    return rc;
}
