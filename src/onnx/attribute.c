/* SPDX-License-Identifier: Apache-2.0 */
/* Attributes of the node under way, each asked for by its name and type. */

#include <math.h>
#include <string.h>

#include "onnx/import.h"

enum { T_F = 1, T_I, T_S, T_T, T_G, T_FLOATS, T_INTS };

const struct assay__onnx_attribute *assay__im_attribute(
    const struct assay__importer *im, const char *name)
{
    for (int i = 0; i < im->node->n_attributes; i++) {
        if (assay__span_is(im->node->attribute[i].name, name))
            return &im->node->attribute[i];
    }
    return NULL;
}

bool assay__im_has(const struct assay__importer *im, const char *name)
{
    return assay__im_attribute(im, name) != NULL;
}

static const struct assay__onnx_attribute *of_type(struct assay__importer *im,
                                                   const char *name, int type)
{
    const struct assay__onnx_attribute *a = assay__im_attribute(im, name);

    if (a && a->type != type) {
        assay__im_fail(im, ASSAY_FORMAT,
                       "attribute '%s' has type %d, must have %d", name,
                       a->type, type);
        return NULL;
    }
    return a;
}

int64_t assay__im_int(struct assay__importer *im, const char *name,
                      int64_t otherwise)
{
    const struct assay__onnx_attribute *a = of_type(im, name, T_I);

    return a ? a->i : otherwise;
}

double assay__im_real(struct assay__importer *im, const char *name,
                      double otherwise)
{
    const struct assay__onnx_attribute *a = of_type(im, name, T_F);

    if (a && !isfinite(a->f)) {
        assay__im_fail(im, ASSAY_NUMERIC, "attribute '%s' is not finite", name);
        return otherwise;
    }
    return a ? a->f : otherwise;
}

int assay__im_ints(struct assay__importer *im, const char *name, int64_t *out,
                   int max)
{
    const struct assay__onnx_attribute *a = of_type(im, name, T_INTS);

    if (!a)
        return -1;
    if (a->n > (size_t)max)
        return assay__im_fail(im, ASSAY_LIMIT,
                              "attribute '%s' has %zu numbers, over the limit "
                              "of %d",
                              name, a->n, max);
    for (size_t i = 0; i < a->n; i++)
        out[i] = a->ints[i];
    return (int)a->n;
}

int assay__im_choice(struct assay__importer *im, const char *name,
                     const char *const *choices)
{
    const struct assay__onnx_attribute *a = of_type(im, name, T_S);

    if (!a)
        return 0;
    for (int i = 0; choices[i]; i++) {
        if (assay__span_is(a->s, choices[i]))
            return i;
    }
    assay__im_fail(im, ASSAY_UNSUPPORTED,
                   "attribute '%s' is not one of those "
                   "that are supported",
                   name);
    return 0;
}

int assay__im_axis(struct assay__importer *im, int64_t axis, int rank)
{
    if (axis < -rank || axis >= rank || rank == 0) {
        assay__im_fail(im, ASSAY_SHAPE, "axis %lld of a value of rank %d",
                       (long long)axis, rank);
        return 0;
    }
    return (int)(axis < 0 ? axis + rank : axis);
}

int assay__im_list(struct assay__importer *im, int since, int i,
                   const char *name, int64_t *out, int max)
{
    const double *data;
    int64_t n;
    int item;

    if (im->o->opset < since)
        return assay__im_ints(im, name, out, max);
    item = assay__im_input(im, i);
    if (item < 0)
        return -1;
    data = assay__im_data(im, item, name);
    if (!data)
        return -1;
    n = assay__im_count(assay__im_shape(im, item));
    if (assay__im_shape(im, item)->rank > 1 || n > max)
        return assay__im_fail(im, ASSAY_LIMIT,
                              "%s has %lld numbers, over the limit of %d", name,
                              (long long)n, max);
    for (int k = 0; k < n; k++) {
        if (!isfinite(data[k]))
            return assay__im_fail(im, ASSAY_UNSUPPORTED,
                                  "%s depends on the batch", name);
        out[k] = data[k] >= 9e18    ? INT64_MAX
                 : data[k] <= -9e18 ? INT64_MIN
                                    : (int64_t)data[k];
    }
    return (int)n;
}
