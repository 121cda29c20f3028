/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Imputation from the label (Jayaraman and Evans, CCS 2022): what anyone
 * would guess who knows a record's class and how often each value of the
 * attribute goes with it, without asking the model. Of equally frequent
 * values the lowest; for a class that the shadow records lack, the most
 * frequent value of all. Expected: the attack that does not beat this says
 * nothing about the model.
 */

#include "attacks/attribute/attribute.h"
#include "core/mem.h"

static int32_t most_frequent(const size_t *count, int n)
{
    int32_t best = 0;

    for (int32_t v = 1; v < n; v++)
        if (count[v] > count[best])
            best = v;
    return best;
}

static int impute(const struct assay_attack_input *in,
                  struct assay_guesses *out, struct assay_error *err)
{
    const struct assay_evidence *e = in->auxiliary;
    size_t values = (size_t)in->world->n_values;
    size_t classes = (size_t)e->n_classes;
    /* A row per class, and one for all. */
    size_t *count = assay__calloc((classes + 1) * values, sizeof(*count));
    int rc = assay__guesses_make(out, in->nonmembers->n, e->n, err);

    if (!rc && !count)
        rc = assay_error_set(err, ASSAY_NOMEM, "imputation: out of memory");
    for (size_t i = 0; i < e->n && !rc; i++) {
        size_t v = (size_t)assay__attribute_of(in, e, i);

        count[(size_t)e->label[i] * values + v]++;
        count[classes * values + v]++;
    }
    for (size_t i = 0; i < out->n && !rc; i++) {
        const size_t *row = count + (size_t)in->nonmembers->label[i] * values;
        int32_t best = most_frequent(row, (int)values);

        if (row[best] == 0)
            best = most_frequent(count + classes * values, (int)values);
        out->guess[i] = best;
    }
    assay__free(count);
    return rc;
}

const struct assay_attack assay_attack_attribute_label = {
    .name = "attribute-label",
    .title = "Imputation from the label",
    .summary = "Guesses the attribute from the class alone, as its most "
               "frequent value there; the model is not asked.",
    .cites = "Jayaraman and Evans, CCS 2022",
    .goal = ASSAY_GOAL_ATTRIBUTE,
    .access = ASSAY_ACCESS_LABEL_ONLY,
    .auxiliary = ASSAY_AUX_SHADOW,
    .needs = ASSAY_NEED_MODEL | ASSAY_NEED_AUXILIARY | ASSAY_NEED_ATTRIBUTE,
    .baseline = 1,
    .guess = impute,
};
