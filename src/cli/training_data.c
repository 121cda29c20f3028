/* SPDX-License-Identifier: Apache-2.0 */
/* Records to train one model on, and what its sidecar says of them. */

#include "training_data.h"

#include <stdio.h>
#include <string.h>

#include "core/mem.h"

/* The quarter that stays unseen beside the one that is trained on. */
static enum assay_quarter unseen(enum assay_quarter quarter)
{
    switch (quarter) {
    case ASSAY_TARGET_TRAIN:
        return ASSAY_TARGET_TEST;
    case ASSAY_TARGET_TEST:
        return ASSAY_TARGET_TRAIN;
    case ASSAY_SHADOW_TRAIN:
        return ASSAY_SHADOW_TEST;
    default:
        return ASSAY_SHADOW_TRAIN;
    }
}

static int open_views(struct assay__training_data *d,
                      const struct assay_preprocess *pre,
                      struct assay_error *err)
{
    const struct assay__training_choice *c = &d->choice;
    int code;

    if (c->all)
        return assay_view_new(&d->train, d->data, NULL,
                              assay_dataset_count(d->data), pre, err);
    code = assay_split_make(&d->split, d->data, c->seed, c->records, err);
    if (code == ASSAY_OK)
        code = assay_view_new(&d->train, d->data, d->split.index[c->quarter],
                              d->split.n, pre, err);
    if (code == ASSAY_OK)
        code = assay_view_new(&d->test, d->data,
                              d->split.index[unseen(c->quarter)], d->split.n,
                              pre, err);
    return code;
}

int assay__training_data_open(struct assay__training_data *d,
                              const struct assay__training_choice *choice,
                              struct assay_error *err)
{
    struct assay_dataset_options options;
    struct assay_pixel_options pixels;
    struct assay_preprocess pre;
    int code;

    memset(d, 0, sizeof(*d));
    memset(&pre, 0, sizeof(pre));
    d->choice = *choice;
    code = assay__pixel_values_take(choice->pixels, &pixels, &options, err);
    if (code == ASSAY_OK)
        code = assay_dataset_open(&d->data, choice->data, &options, err);
    if (code == ASSAY_OK)
        code = assay_pixel_options_apply(&pixels, d->data, &pre, err);
    return code == ASSAY_OK ? open_views(d, &pre, err) : code;
}

void assay__training_data_release(struct assay__training_data *d)
{
    assay_view_free(d->train);
    assay_view_free(d->test);
    assay_split_release(&d->split);
    assay_dataset_free(d->data);
}

struct note {
    const char *key;
    const char *value; /* NULL: out of memory */
};

static int set_notes(assay_model *model, const struct note *note, size_t n,
                     struct assay_error *err)
{
    int code = ASSAY_OK;
    size_t i;

    for (i = 0; i < n && code == ASSAY_OK; i++)
        code =
            note[i].value != NULL
                ? assay_model_set_note(model, note[i].key, note[i].value, err)
                : assay_error_set(err, ASSAY_NOMEM, "note %s", note[i].key);
    return code;
}

int assay__training_data_note(const struct assay__training_data *d,
                              assay_model *model,
                              const struct assay_recipe *recipe,
                              const struct assay_curve *curve,
                              struct assay_error *err)
{
    const struct assay__training_choice *c = &d->choice;
    char *recipe_text = assay_recipe_text(recipe);
    char *curve_text = curve != NULL ? assay_curve_text(curve) : NULL;
    char seed[32];
    char n[32];
    char trained_on[32];
    const struct note curve_note[] = {{ASSAY_NOTE_CURVE, curve_text}};
    const struct note always[] = {
        {ASSAY_NOTE_RECIPE, recipe_text},
        {ASSAY_NOTE_SEED, seed},
        {ASSAY_NOTE_TRAINED_ON, trained_on},
        {ASSAY_NOTE_DATA_NAME, assay_dataset_name(d->data)},
        {ASSAY_NOTE_DATA_SHA256, assay_dataset_sha256(d->data)},
        {ASSAY_NOTE_QUARTER, c->all ? "all" : assay_quarter_name(c->quarter)},
    };
    const struct note split[] = {
        {ASSAY_NOTE_SPLIT_SEED, seed},
        {ASSAY_NOTE_SPLIT_N, n},
        {ASSAY_NOTE_SPLIT_SHA256, d->split.sha256},
    };
    int code;

    snprintf(seed, sizeof(seed), "%llu", (unsigned long long)c->seed);
    snprintf(n, sizeof(n), "%zu", d->split.n);
    snprintf(trained_on, sizeof(trained_on), "%zu", assay_view_count(d->train));
    code = set_notes(model, always, sizeof(always) / sizeof(always[0]), err);
    if (code == ASSAY_OK && curve != NULL)
        code = set_notes(model, curve_note, 1, err);
    if (code == ASSAY_OK && !c->all)
        code = set_notes(model, split, sizeof(split) / sizeof(split[0]), err);
    assay__free(recipe_text);
    assay__free(curve_text);
    return code;
}
