/* SPDX-License-Identifier: Apache-2.0 */
/* Settings of a study file, checked, as the options of an audit. */

#include "study/settings.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void assay__study_settings_init(struct assay__study_settings *settings,
                                const struct assay__study_preset *preset)
{
    memset(settings, 0, sizeof(*settings));
    settings->references = preset->references;
    assay_recipe_init(&settings->recipe, preset->epochs);
    settings->recipe.milestones[0] = preset->milestones[0];
    settings->recipe.milestones[1] = preset->milestones[1];
    settings->recipe.n_milestones = 2;
    settings->recipe.evaluate_every = 5;
    settings->pixels.height = preset->side;
    settings->pixels.width = preset->side;
}

static int take_count(const char *key, const unsigned *from, unsigned min,
                      unsigned max, size_t *to, struct assay_error *err)
{
    if (from == NULL)
        return ASSAY_OK;
    if (*from < min || *from > max)
        return assay_error_set(err, ASSAY_FORMAT, "%s: %u is outside %u to %u",
                               key, *from, min, max);
    *to = *from;
    return ASSAY_OK;
}

static int take_real(const char *key, const double *from, double min,
                     double max, double *to, struct assay_error *err)
{
    if (from == NULL)
        return ASSAY_OK;
    if (!(*from >= min && *from <= max))
        return assay_error_set(err, ASSAY_FORMAT, "%s: %g is outside %g to %g",
                               key, *from, min, max);
    *to = *from;
    return ASSAY_OK;
}

static int take_name(const char *key, const char *from,
                     const char *const *names, int n, int *to,
                     struct assay_error *err)
{
    int i;

    if (from == NULL)
        return ASSAY_OK;
    for (i = 0; i < n; i++) {
        if (strcmp(from, names[i]) == 0) {
            *to = i;
            return ASSAY_OK;
        }
    }
    return assay_error_set(err, ASSAY_FORMAT,
                           "%s: \"%.40s\" is not %s, %s "
                           "or %s",
                           key, from, names[0], names[1], names[2]);
}

static int take_augment(const struct assay__study_set *set,
                        struct assay_augment *to, struct assay_error *err)
{
    struct assay_augment augment = {0, 0};
    unsigned i;

    if (set->augment == NULL)
        return ASSAY_OK;
    for (i = 0; i < set->augment_count; i++) {
        const char *word = set->augment[i];
        char *end = NULL;
        long pad = 0;

        if (strncmp(word, "crop:", 5) == 0)
            pad = strtol(word + 5, &end, 10);
        if (strcmp(word, "flip") == 0)
            augment.flip = 1;
        else if (end != NULL && *end == '\0' && pad >= 1 && pad <= 64)
            augment.crop_pad = (int)pad;
        else if (strcmp(word, "none") != 0)
            return assay_error_set(err, ASSAY_FORMAT,
                                   "augment: \"%.40s\" is not flip, "
                                   "crop:PIXELS (1 to 64) or none",
                                   word);
    }
    *to = augment;
    return ASSAY_OK;
}

static int take_milestones(const struct assay__study_set *set,
                           struct assay_recipe *recipe, struct assay_error *err)
{
    enum { MAX = sizeof(recipe->milestones) / sizeof(recipe->milestones[0]) };
    unsigned i;

    if (set->milestones == NULL)
        return ASSAY_OK;
    if (set->milestones_count > MAX)
        return assay_error_set(err, ASSAY_FORMAT,
                               "milestones: %u of them; at most %d are "
                               "possible",
                               set->milestones_count, (int)MAX);
    for (i = 0; i < set->milestones_count; i++)
        recipe->milestones[i] = set->milestones[i];
    recipe->n_milestones = (int)set->milestones_count;
    return ASSAY_OK;
}

static int take_recipe(const struct assay__study_set *set,
                       struct assay_recipe *r, struct assay_error *err)
{
    static const char *const optimizers[] = {"sgd", "adam", "adamw"};
    static const enum assay_optimizer_kind optimizer_kinds[] = {
        ASSAY_OPTIMIZER_SGD, ASSAY_OPTIMIZER_ADAM, ASSAY_OPTIMIZER_ADAMW};
    static const char *const schedules[] = {"constant", "multistep", "cosine"};
    static const enum assay_schedule schedule_kinds[] = {
        ASSAY_SCHEDULE_CONSTANT, ASSAY_SCHEDULE_MULTISTEP,
        ASSAY_SCHEDULE_COSINE};
    int optimizer = -1;
    int schedule = -1;
    int code;

    code = take_count("epochs", set->epochs, 1, ASSAY__STUDY_EPOCHS_MAX,
                      &r->epochs, err);
    if (code == ASSAY_OK)
        code = take_count("batch", set->batch, 1, 65536, &r->batch, err);
    if (code == ASSAY_OK)
        code = take_count("evaluate_every", set->evaluate_every, 0,
                          ASSAY__STUDY_EPOCHS_MAX, &r->evaluate_every, err);
    if (code == ASSAY_OK)
        code = take_real("lr", set->lr, 0, 1000, &r->lr, err);
    if (code == ASSAY_OK)
        code = take_real("momentum", set->momentum, 0, 1,
                         &r->optimizer.momentum, err);
    if (code == ASSAY_OK)
        code = take_real("weight_decay", set->weight_decay, 0, 10,
                         &r->optimizer.weight_decay, err);
    if (code == ASSAY_OK)
        code = take_real("gamma", set->gamma, 0, 1, &r->gamma, err);
    if (code == ASSAY_OK)
        code = take_name("optimizer", set->optimizer, optimizers, 3, &optimizer,
                         err);
    if (code == ASSAY_OK)
        code =
            take_name("schedule", set->schedule, schedules, 3, &schedule, err);
    if (optimizer >= 0)
        r->optimizer.kind = optimizer_kinds[optimizer];
    if (schedule >= 0)
        r->schedule = schedule_kinds[schedule];
    if (code == ASSAY_OK)
        code = take_milestones(set, r, err);
    if (code == ASSAY_OK)
        code = take_augment(set, &r->augment, err);
    return code;
}

static int take_channels(const char *key, const double *from, unsigned n,
                         double to[ASSAY_CHANNELS_MAX], int *n_to,
                         struct assay_error *err)
{
    unsigned i;

    if (from == NULL)
        return ASSAY_OK;
    if (n > ASSAY_CHANNELS_MAX)
        return assay_error_set(err, ASSAY_FORMAT,
                               "%s: %u numbers; at most %d channels", key, n,
                               (int)ASSAY_CHANNELS_MAX);
    for (i = 0; i < n; i++) {
        if (!isfinite(from[i]))
            return assay_error_set(err, ASSAY_FORMAT, "%s: not finite", key);
        to[i] = from[i];
    }
    *n_to = (int)n;
    return ASSAY_OK;
}

/* "32x32", or "own" for the images' own size. */
static int take_size(const char *text, struct assay_pixel_options *pixels,
                     struct assay_error *err)
{
    enum { SIDE_MAX = 4096 };
    char *end = NULL;
    long height;
    long width = 0;

    if (text == NULL)
        return ASSAY_OK;
    if (strcmp(text, "own") == 0) {
        pixels->height = 0;
        pixels->width = 0;
        return ASSAY_OK;
    }
    height = strtol(text, &end, 10);
    if (*end == 'x')
        width = strtol(end + 1, &end, 10);
    if (*end != '\0' || height < 1 || height > SIDE_MAX || width < 1 ||
        width > SIDE_MAX)
        return assay_error_set(err, ASSAY_FORMAT,
                               "size: \"%.40s\" is not HEIGHTxWIDTH of 1 to "
                               "%d pixels, such as 32x32, nor own",
                               text, (int)SIDE_MAX);
    pixels->height = (int)height;
    pixels->width = (int)width;
    return ASSAY_OK;
}

static int take_pixels(const struct assay__study_set *set,
                       struct assay_pixel_options *pixels,
                       struct assay_error *err)
{
    size_t channels = (size_t)pixels->channels;
    int code = take_size(set->size, pixels, err);

    if (code == ASSAY_OK)
        code = take_count("channels", set->channels, 0, ASSAY_CHANNELS_MAX,
                          &channels, err);
    pixels->channels = (int)channels;
    if (code == ASSAY_OK)
        code = take_real("scale", set->scale, 0, 1e6, &pixels->scale, err);
    if (code == ASSAY_OK)
        code = take_channels("mean", set->mean, set->mean_count, pixels->mean,
                             &pixels->n_mean, err);
    if (code == ASSAY_OK)
        code = take_channels("std", set->std, set->std_count, pixels->std,
                             &pixels->n_std, err);
    return code;
}

int assay__study_settings_apply(struct assay__study_settings *settings,
                                const struct assay__study_set *set,
                                struct assay_error *err)
{
    size_t references = (size_t)settings->references;
    int code;

    code = take_count("records", set->records, 0, 1000000000,
                      &settings->records, err);
    if (code == ASSAY_OK)
        code =
            take_count("references", set->references, 0, 256, &references, err);
    settings->references = (int)references;
    if (code == ASSAY_OK)
        code = take_recipe(set, &settings->recipe, err);
    if (code == ASSAY_OK)
        code = take_pixels(set, &settings->pixels, err);
    return code;
}
