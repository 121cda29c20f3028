/* SPDX-License-Identifier: Apache-2.0 */
/* The table of repairs, and what comes before and after any of them. */

#include "assay/repair.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/mem.h"
#include "core/thread.h"

#define ASSAY_REPAIR(name) extern const struct assay_repair assay_repair_##name;
#include "repairs/repairs.def"
#undef ASSAY_REPAIR

static const struct assay_repair *const table[] = {
#define ASSAY_REPAIR(name) &assay_repair_##name,
#include "repairs/repairs.def"
#undef ASSAY_REPAIR
    NULL};

const struct assay_repair *const *assay_repair_table(void)
{
    return table;
}

const struct assay_repair *assay_repair_find(const char *name)
{
    for (size_t i = 0; table[i]; i++)
        if (strcmp(table[i]->name, name) == 0)
            return table[i];
    return NULL;
}

void assay_repair_recipe_init(struct assay_recipe *recipe)
{
    assay_recipe_init(recipe, 1);
    recipe->batch = 128;
    recipe->schedule = ASSAY_SCHEDULE_COSINE;
    recipe->augment.crop_pad = 4;
}

static int check(const struct assay_repair *r,
                 const struct assay_repair_input *in, const assay_model *m,
                 struct assay_error *err)
{
    if ((r->needs & ASSAY_REPAIR_NEEDS_CLEAN) &&
        (!in->clean || assay_view_count(in->clean) == 0 || !in->held_out ||
         assay_view_count(in->held_out) == 0 || !in->recipe))
        return assay_error_set(err, ASSAY_ARG,
                               "%s: needs clean records to tune on, others to "
                               "set thresholds by, and a recipe",
                               r->name);
    if (!(r->needs & ASSAY_REPAIR_NEEDS_TRIGGER))
        return ASSAY_OK;
    if (!in->trigger || !in->trigger->mask)
        return assay_error_set(err, ASSAY_ARG, "%s: needs a reversed trigger",
                               r->name);
    if (in->target < 0 || in->target >= assay_model_n_classes(m))
        return assay_error_set(err, ASSAY_ARG, "%s: target %d of %d classes",
                               r->name, in->target, assay_model_n_classes(m));
    return ASSAY_OK;
}

/* What its tuning did not as it was asked. */
static void note_rate(struct assay_repaired *out)
{
    size_t n = strlen(out->note);

    if (out->lowered > 0)
        snprintf(out->note + n, sizeof(out->note) - n,
                 "%srate lowered to %g: held-out accuracy had fallen too far",
                 n > 0 ? "; " : "", out->lowered);
}

int assay_repair_run(const struct assay_repair *r,
                     const struct assay_repair_input *in, assay_model *m,
                     struct assay_repaired *out, struct assay_error *err)
{
    struct assay_repair_input use = *in;
    struct assay_params *params = assay_model_params(m);
    double defaults[ASSAY_SETTINGS_MAX];
    double began = assay__clock_seconds();
    size_t bytes = params->size * sizeof(float);
    float *before;
    int rc = check(r, in, m, err);

    memset(out, 0, sizeof(*out));
    out->threshold = (double)NAN;
    assay_settings_init(r->params, defaults);
    if (!in->param)
        use.param = defaults;
    if (!rc)
        rc = assay_settings_check(r->params, use.param, r->name, err);
    if (rc)
        return rc;
    before = assay__malloc(bytes);
    if (!before)
        return assay_error_set(err, ASSAY_NOMEM,
                               "%s: out of memory for a copy of the weights",
                               r->name);
    memcpy(before, params->data, bytes);
    rc = r->run(&use, m, out, err);
    if (!rc)
        rc = assay_model_set_note(m, ASSAY_NOTE_DEFENSE, NULL, err);
    if (rc)
        memcpy(params->data, before, bytes);
    else
        note_rate(out);
    out->seconds = assay__clock_seconds() - began;
    assay__free(before);
    return rc;
}
