/* SPDX-License-Identifier: Apache-2.0 */
/* Two datasets of one kind as one: what a model was trained on, and what it
 * was not. */

#include <string.h>

#include "core/mem.h"
#include "data/data.h"

static int same_names(char *const *a, char *const *b, int n)
{
    if (!a || !b)
        return !a && !b;
    for (int i = 0; i < n; i++)
        if (strcmp(a[i], b[i]) != 0)
            return 0;
    return 1;
}

static int check_fit(const assay_dataset *a, const assay_dataset *b,
                     struct assay_error *err)
{
    if (a->n_classes != b->n_classes ||
        !same_names(a->class_name, b->class_name, a->n_classes))
        return assay_error_set(err, ASSAY_SHAPE,
                               "%.60s and %.60s do not have the same classes "
                               "(%d, %d)",
                               a->name, b->name, a->n_classes, b->n_classes);
    if (a->n_attributes != b->n_attributes)
        return assay_error_set(err, ASSAY_SHAPE,
                               "%.60s has %zu attributes, %.60s %zu", a->name,
                               a->n_attributes, b->name, b->n_attributes);
    for (size_t i = 0; i < a->n_attributes; i++)
        if (strcmp(a->attribute[i].name, b->attribute[i].name) != 0)
            return assay_error_set(err, ASSAY_SHAPE,
                                   "attribute '%.40s' of %.60s is '%.40s' in "
                                   "%.60s",
                                   a->attribute[i].name, a->name,
                                   b->attribute[i].name, b->name);
    return ASSAY_OK;
}

static int append(assay_dataset *ds, const assay_dataset *from,
                  struct assay_error *err)
{
    const struct assay__dataset_shape shape = {from->channels, from->height,
                                               from->width, from->is_float};
    size_t first = ds->n;
    size_t elements;
    int rc = assay__dataset_shape(ds, &shape, err);

    if (!rc)
        rc = assay__dataset_grow(ds, from->n, err);
    if (rc)
        return rc;
    elements = assay__dataset_elements(ds);
    if (ds->is_float)
        memcpy(ds->values + first * elements, from->values,
               from->n * elements * sizeof(float));
    else
        memcpy(ds->pixels + first * elements, from->pixels, from->n * elements);
    memcpy(ds->labels + first, from->labels, from->n * sizeof(*ds->labels));
    for (size_t a = 0; a < ds->n_attributes; a++)
        memcpy(ds->attribute[a].value + first, from->attribute[a].value,
               from->n * sizeof(int32_t));
    return ASSAY_OK;
}

/* Attributes of a, with as many values as either has. */
static int take_attributes(assay_dataset *ds, const assay_dataset *a,
                           const assay_dataset *b, struct assay_error *err)
{
    int rc = ASSAY_OK;

    for (size_t i = 0; i < a->n_attributes && !rc; i++) {
        const struct assay__attribute *x = &a->attribute[i];
        const struct assay__attribute *y = &b->attribute[i];
        struct assay__attribute *to;

        rc = assay__dataset_attribute(ds, x->name, err);
        if (rc)
            return rc;
        to = &ds->attribute[i];
        to->cardinality =
            x->cardinality > y->cardinality ? x->cardinality : y->cardinality;
        if (x->cardinality != y->cardinality ||
            !same_names(x->value_name, y->value_name, x->cardinality) ||
            !x->value_name)
            continue;
        to->value_name = assay__names_copy((const char *const *)x->value_name,
                                           (size_t)x->cardinality);
        if (!to->value_name)
            rc = assay_error_set(err, ASSAY_NOMEM, "no memory for names");
    }
    return rc;
}

int assay_dataset_join(assay_dataset **out, const assay_dataset *members,
                       const assay_dataset *others, struct assay_error *err)
{
    assay_dataset *ds = NULL;
    int rc = check_fit(members, others, err);

    if (rc)
        return rc;
    ds = assay__calloc(1, sizeof(*ds));
    if (ds)
        ds->name = assay__format("%s beside %s", members->name, others->name);
    if (!ds || !ds->name)
        rc = assay_error_set(err, ASSAY_NOMEM, "no memory for a dataset");
    if (!rc)
        rc = take_attributes(ds, members, others, err);
    if (!rc)
        rc = append(ds, members, err);
    if (!rc)
        rc = append(ds, others, err);
    if (!rc)
        rc = assay__dataset_classes(ds, members->n_classes,
                                    (const char *const *)members->class_name,
                                    err);
    if (!rc)
        rc = assay__dataset_finish(ds, err);
    if (rc)
        assay_dataset_free(ds);
    else
        *out = ds;
    return rc;
}
