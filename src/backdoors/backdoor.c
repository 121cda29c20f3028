/* SPDX-License-Identifier: Apache-2.0 */
/* The table of backdoors, and what comes before and after any of them. */

#include "assay/backdoor.h"

#include <string.h>

#include "core/thread.h"

#define ASSAY_BACKDOOR(name) \
    extern const struct assay_backdoor assay_backdoor_##name;
#include "backdoors/backdoors.def"
#undef ASSAY_BACKDOOR

static const struct assay_backdoor *const table[] = {
#define ASSAY_BACKDOOR(name) &assay_backdoor_##name,
#include "backdoors/backdoors.def"
#undef ASSAY_BACKDOOR
    NULL};

const struct assay_backdoor *const *assay_backdoor_table(void)
{
    return table;
}

const struct assay_backdoor *assay_backdoor_find(const char *name)
{
    for (size_t i = 0; table[i]; i++)
        if (strcmp(table[i]->name, name) == 0)
            return table[i];
    return NULL;
}

const char *assay_backdoor_kind_name(enum assay_backdoor_kind kind)
{
    switch (kind) {
    case ASSAY_BACKDOOR_DATA:
        return "poisoned data";
    case ASSAY_BACKDOOR_MODEL:
        return "altered weights";
    case ASSAY_BACKDOOR_ENCODER:
        return "altered extractor";
    }
    return "?";
}

void assay_backdoored_release(struct assay_backdoored *b)
{
    if (!b)
        return;
    assay_model_free(b->model);
    assay_trigger_release(&b->trigger);
    memset(b, 0, sizeof(*b));
}

static int check(const struct assay_backdoor *b,
                 const struct assay_backdoor_input *in, struct assay_error *err)
{
    if (!in->train || assay_view_count(in->train) == 0)
        return assay_error_set(err, ASSAY_ARG,
                               "%s: no records to plant it "
                               "with",
                               b->name);
    if (in->target < 0 || in->target >= in->spec->n_classes)
        return assay_error_set(err, ASSAY_ARG,
                               "%s: target %d; there are 0 to "
                               "%d",
                               b->name, in->target, in->spec->n_classes - 1);
    if (b->wants_clean && !in->clean)
        return assay_error_set(err, ASSAY_ARG,
                               "%s: needs a clean model to "
                               "alter",
                               b->name);
    return ASSAY_OK;
}

int assay_backdoor_plant(const struct assay_backdoor *b,
                         const struct assay_backdoor_input *in,
                         struct assay_backdoored *out, struct assay_error *err)
{
    struct assay_backdoor_input use = *in;
    double defaults[ASSAY_SETTINGS_MAX];
    double began = assay__clock_seconds();
    int rc = check(b, in, err);

    memset(out, 0, sizeof(*out));
    assay_settings_init(b->params, defaults);
    if (!in->param)
        use.param = defaults;
    if (!rc)
        rc = assay_settings_check(b->params, use.param, b->name, err);
    if (rc)
        return rc;
    out->target = in->target;
    rc = b->plant(&use, out, err);
    if (!rc && out->model)
        rc = assay_model_set_note(out->model, ASSAY_NOTE_DEFENSE, NULL, err);
    out->seconds = assay__clock_seconds() - began;
    if (rc)
        assay_backdoored_release(out);
    return rc;
}
