/* SPDX-License-Identifier: Apache-2.0 */
/* The table of detectors, and what comes before and after any of them. */

#include "assay/detector.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "core/mem.h"
#include "core/thread.h"

#define ASSAY_DETECTOR(name) \
    extern const struct assay_detector assay_detector_##name;
#include "detectors/detectors.def"
#undef ASSAY_DETECTOR

static const struct assay_detector *const table[] = {
#define ASSAY_DETECTOR(name) &assay_detector_##name,
#include "detectors/detectors.def"
#undef ASSAY_DETECTOR
    NULL};

const struct assay_detector *const *assay_detector_table(void)
{
    return table;
}

const struct assay_detector *assay_detector_find(const char *name)
{
    for (size_t i = 0; table[i]; i++)
        if (strcmp(table[i]->name, name) == 0)
            return table[i];
    return NULL;
}

const char *assay_detector_subject_name(enum assay_detector_subject subject)
{
    switch (subject) {
    case ASSAY_DETECT_MODEL:
        return "model";
    case ASSAY_DETECT_INPUT:
        return "inputs";
    case ASSAY_DETECT_DATA:
        return "training data";
    }
    return "?";
}

void assay_detection_release(struct assay_detection *d)
{
    if (!d)
        return;
    assay__free(d->per_class);
    assay__free(d->record);
    assay__free(d->change);
    assay_trigger_release(&d->trigger);
    memset(d, 0, sizeof(*d));
}

static const char *missing(const struct assay_detector *d,
                           const struct assay_detector_input *in)
{
    if (!in->model)
        return "no model";
    if ((d->needs & ASSAY_DETECTOR_NEEDS_CLEAN) &&
        (!in->clean || assay_view_count(in->clean) == 0))
        return "no clean records";
    if ((d->needs & ASSAY_DETECTOR_NEEDS_UPSTREAM) && !in->upstream)
        return "no upstream model to compare with";
    if ((d->needs & ASSAY_DETECTOR_NEEDS_SHADOWS) && in->n_shadows < 4)
        return "fewer than 4 shadow models to learn from";
    if (d->subject != ASSAY_DETECT_MODEL &&
        (!in->suspects || assay_view_count(in->suspects) == 0))
        return "no records to judge";
    return NULL;
}

int assay_detector_fits(const struct assay_detector *d,
                        const struct assay_detector_input *in, char text[160])
{
    const char *why = missing(d, in);
    int k = in->model ? assay_model_n_classes(in->model) : 0;

    snprintf(text, 160, "%s", why ? why : "");
    if (!why && k < d->least_classes)
        snprintf(text, 160,
                 "it compares classes with one another: %d of them are too "
                 "few, it takes %d",
                 k, d->least_classes);
    return text[0] == '\0';
}

/* Records must be as the model wants them. */
static int check_view(const struct assay_detector *d, const assay_view *view,
                      const assay_model *m, struct assay_error *err)
{
    const struct assay_preprocess *pre = assay_model_preprocess(m);

    if (!view || (assay_view_channels(view) == pre->channels &&
                  assay_view_height(view) == pre->height &&
                  assay_view_width(view) == pre->width))
        return ASSAY_OK;
    return assay_error_set(
        err, ASSAY_SHAPE, "%s: records of %dx%dx%d for a model of %dx%dx%d",
        d->name, assay_view_channels(view), assay_view_height(view),
        assay_view_width(view), pre->channels, pre->height, pre->width);
}

/* What a detector promises of its result, whatever it found. */
static int check(const struct assay_detector *d,
                 const struct assay_detector_input *in,
                 const struct assay_detection *out, struct assay_error *err)
{
    bool undecided = isnan(out->score) && isnan(out->threshold) &&
                     isnan(out->p_value) && out->note[0] != '\0';

    if (d->subject == ASSAY_DETECT_MODEL && !isfinite(out->score) && !undecided)
        return assay_error_set(err, ASSAY_NUMERIC,
                               "%s: the score is not finite", d->name);
    if (out->target >= assay_model_n_classes(in->model))
        return assay_error_set(err, ASSAY_INTERNAL,
                               "%s: suspects class %d of %d", d->name,
                               out->target, assay_model_n_classes(in->model));
    if (d->subject == ASSAY_DETECT_MODEL)
        return ASSAY_OK;
    if (out->n_records != assay_view_count(in->suspects))
        return assay_error_set(err, ASSAY_INTERNAL,
                               "%s: %zu scores for %zu records", d->name,
                               out->n_records, assay_view_count(in->suspects));
    for (size_t i = 0; i < out->n_records; i++)
        if (!isfinite(out->record[i]))
            return assay_error_set(err, ASSAY_NUMERIC,
                                   "%s: the score of record %zu is not finite",
                                   d->name, i);
    return ASSAY_OK;
}

int assay_detector_run(const struct assay_detector *d,
                       const struct assay_detector_input *in,
                       struct assay_detection *out, struct assay_error *err)
{
    struct assay_detector_input use = *in;
    double defaults[ASSAY_SETTINGS_MAX];
    double began = assay__clock_seconds();
    char why[160];
    int rc;

    memset(out, 0, sizeof(*out));
    out->score = out->threshold = out->p_value = (double)NAN;
    out->target = -1;
    if (!assay_detector_fits(d, in, why))
        return assay_error_set(err, ASSAY_ARG, "%s: %s", d->name, why);
    assay_settings_init(d->params, defaults);
    if (!in->param)
        use.param = defaults;
    rc = assay_settings_check(d->params, use.param, d->name, err);
    if (!rc)
        rc = check_view(d, in->clean, in->model, err);
    if (!rc)
        rc = check_view(d, in->suspects, in->model, err);
    if (!rc)
        rc = d->run(&use, out, err);
    if (!rc)
        rc = check(d, &use, out, err);
    out->seconds = assay__clock_seconds() - began;
    if (rc)
        assay_detection_release(out);
    return rc;
}
