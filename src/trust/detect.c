/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One detector on one model. What it found is a JSON document of its own in
 * the folder, found/MODEL-DETECTOR.json, with the hash of all that
 * determines it; a reversed trigger lies beside it as a file and a picture.
 */

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/fs.h"
#include "core/json.h"
#include "core/mem.h"
#include "trust/trust.h"

enum { CHANGES_SHOWN = 20 };

/* All that determines the result, as text. NULL: out of memory. */
static char *identity(const struct assay__trust *t, const struct assay__case *c,
                      const struct assay__chosen *chosen)
{
    const struct assay_detector *d = chosen->detector;
    const struct assay_compute *compute = &t->o->compute;
    json_t *params = assay__trust_params_json(d->params, chosen->param);
    char *settings =
        params ? json_dumps(params, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
    char *text = NULL;

    if (settings)
        text = assay__format(
            "%s %s model %s data %.64s of %zu seed %llu threads %d backend %s "
            "algorithms %d dtype %d suspects %s upstream %s shadows %s %s",
            assay_version(), d->name, c->sha256,
            assay_dataset_sha256(t->data.clean), t->data.n_each,
            (unsigned long long)t->ctx->seed, t->ctx->threads,
            compute->backend ? compute->backend : "onednn",
            (int)compute->algorithms, (int)compute->dtype,
            t->data.suspects ? assay_dataset_sha256(t->data.suspects) : "none",
            (d->needs & ASSAY_DETECTOR_NEEDS_UPSTREAM) ? t->upstream_sha256
                                                       : "none",
            (d->needs & ASSAY_DETECTOR_NEEDS_SHADOWS) ? t->shadows_sha256
                                                      : "none",
            settings);
    free(settings);
    json_decref(params);
    return text;
}

static json_t *numbers(const double *x, size_t n)
{
    json_t *list = x ? json_array() : json_null();

    for (size_t i = 0; x && i < n; i++)
        json_array_append_new(list, assay__json_real(x[i]));
    return list;
}

static json_t *changes(const struct assay_detection *found)
{
    json_t *list = json_array();

    for (size_t i = 0; i < found->n_changes && i < CHANGES_SHOWN; i++) {
        const struct assay_tensor_change *x = &found->change[i];

        json_array_append_new(
            list, json_pack("{s:o, s:I, s:I, s:o, s:o, s:o}", "tensor",
                            assay__json_string(x->name), "weights",
                            (json_int_t)x->n, "changed", (json_int_t)x->changed,
                            "largest", assay__json_real(x->largest), "relative",
                            assay__json_real(x->relative), "p_value",
                            assay__json_real(x->p_value)));
    }
    return list;
}

static json_t *class_name(const struct assay__trust *t, int target)
{
    if (target < 0 || target >= assay_dataset_n_classes(t->data.clean))
        return json_null();
    return assay__json_string(assay_dataset_class_name(t->data.clean, target));
}

static json_t *found_json(const struct assay__trust *t,
                          const struct assay__chosen *chosen,
                          const struct assay_detection *found)
{
    const struct assay_detector *d = chosen->detector;
    json_t *out = json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:o}", "name", d->name,
        "title", d->title, "summary", d->summary, "cites", d->cites, "subject",
        assay_detector_subject_name(d->subject), "status", "ran", "params",
        assay__trust_params_json(d->params, chosen->param), "score",
        assay__json_real(found->score), "threshold",
        assay__json_real(found->threshold), "p_value",
        assay__json_real(found->p_value));

    if (!out)
        return NULL;
    json_object_set_new(out, "target",
                        found->target >= 0 ? json_integer(found->target)
                                           : json_null());
    json_object_set_new(out, "class_name", class_name(t, found->target));
    json_object_set_new(out, "statistic",
                        found->statistic ? json_string(found->statistic)
                                         : json_null());
    json_object_set_new(out, "per_class",
                        numbers(found->per_class, found->n_classes));
    json_object_set_new(out, "records",
                        numbers(found->record, found->n_records));
    json_object_set_new(out, "changes", changes(found));
    json_object_set_new(out, "n_changes",
                        json_integer((json_int_t)found->n_changes));
    json_object_set_new(out, "note", assay__json_string(found->note));
    json_object_set_new(out, "seconds", assay__json_real(found->seconds));
    return out;
}

static json_t *not_run_json(const struct assay_detector *d, const char *why)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "name", d->name,
                     "title", d->title, "summary", d->summary, "cites",
                     d->cites, "subject",
                     assay_detector_subject_name(d->subject), "status",
                     "not run", "why", why);
}

/* The trigger as a file and as a picture, whose names go into `out`. */
static int keep_trigger(const struct assay__trust *t, const char *stem,
                        const struct assay_trigger *trigger, json_t *out,
                        struct assay_error *err)
{
    char *file = assay__format("%s.safetensors", stem);
    char *picture = assay__format("%s.png", stem);
    char *file_path = file ? assay__path_join(t->o->out, file) : NULL;
    char *picture_path = picture ? assay__path_join(t->o->out, picture) : NULL;
    unsigned char *png = NULL;
    size_t size = 0;
    int rc = file_path && picture_path
                 ? assay_trigger_write(trigger, file_path, err)
                 : assay_error_set(err, ASSAY_NOMEM, "out of memory for names");

    if (!rc)
        rc = assay_trigger_png(trigger, &png, &size, err);
    if (!rc)
        rc = assay__write_file(picture_path, png, size, err);
    if (!rc) {
        json_object_set_new(out, "trigger", json_string(file));
        json_object_set_new(out, "picture", json_string(picture));
    }
    assay_bytes_free(png);
    assay__free(file);
    assay__free(picture);
    assay__free(file_path);
    assay__free(picture_path);
    return rc;
}

/* Share of records whose score is at or above the threshold. */
static json_t *accused(const struct assay_detection *found)
{
    struct assay_estimate e;
    size_t n = 0;

    for (size_t i = 0; i < found->n_records; i++)
        n += found->record[i] >= found->threshold;
    e = assay_proportion(n, found->n_records);
    return isnan(found->threshold) ? json_null()
                                   : assay__trust_estimate_json(&e);
}

/* For a detector of records: how many suspects it accuses, and of records
 * that are known to be clean. */
static int judge_records(const struct assay_detector *d,
                         const struct assay_detector_input *in,
                         const struct assay__case *c,
                         const struct assay_detection *found, json_t *out,
                         struct assay_error *err)
{
    struct assay_detector_input clean = *in;
    struct assay_detection alarms;
    int rc;

    json_object_set_new(out, "accused", accused(found));
    clean.suspects = c->held_out;
    rc = assay_detector_run(d, &clean, &alarms, err);
    if (rc)
        return rc;
    json_object_set_new(out, "false_alarms", accused(&alarms));
    assay_detection_release(&alarms);
    return ASSAY_OK;
}

static int run_detector(const struct assay__trust *t,
                        const struct assay__case *c,
                        const struct assay__chosen *chosen, const char *stem,
                        json_t **out, struct assay_error *err)
{
    const struct assay_detector *d = chosen->detector;
    struct assay_detector_input in = {.ctx = t->ctx,
                                      .compute = &t->o->compute,
                                      .model = c->model,
                                      .clean = c->clean,
                                      .suspects = c->suspects,
                                      .upstream = t->upstream,
                                      .shadow = t->shadow,
                                      .n_shadows = t->n_shadows,
                                      .param = chosen->param};
    struct assay_detection found;
    char why[160];
    int rc;

    if (!assay_detector_fits(d, &in, why)) {
        *out = not_run_json(d, why);
        return *out ? ASSAY_OK
                    : assay_error_set(err, ASSAY_NOMEM, "out of memory");
    }
    rc = assay_detector_run(d, &in, &found, err);
    if (rc)
        return assay_error_prefix(err, rc, "%.60s", c->name);
    *out = found_json(t, chosen, &found);
    if (!*out)
        rc = assay_error_set(err, ASSAY_NOMEM, "out of memory");
    if (!rc && d->subject != ASSAY_DETECT_MODEL)
        rc = judge_records(d, &in, c, &found, *out, err);
    if (!rc && found.trigger.mask && t->o->out)
        rc = keep_trigger(t, stem, &found.trigger, *out, err);
    assay_detection_release(&found);
    return rc;
}

/* Errors are of one model and one detector: a network that a detector cannot
 * work with does not end the run. */
static int run_or_tell(const struct assay__trust *t,
                       const struct assay__case *c,
                       const struct assay__chosen *chosen, const char *stem,
                       json_t **out, struct assay_error *err)
{
    int rc = run_detector(t, c, chosen, stem, out, err);

    if (rc != ASSAY_UNSUPPORTED && rc != ASSAY_NOTHING && rc != ASSAY_SHAPE &&
        rc != ASSAY_NUMERIC)
        return rc;
    json_decref(*out);
    *out = not_run_json(chosen->detector, err->msg);
    return *out ? ASSAY_OK : assay_error_set(err, ASSAY_NOMEM, "out of memory");
}

/* What the folder has under the key, where it is what it should be. */
static int look_up(const struct assay__trust *t, const struct assay_detector *d,
                   const char *path, const char *stem, const char *key,
                   json_t **out, struct assay_error *err)
{
    json_t *found = assay__kept_read(path, key);
    int fits = 0;
    int rc = ASSAY_OK;

    if (found)
        rc = assay__kept_detection(found, d, t->o->out, stem, &fits, err);
    if (!rc && fits)
        *out = json_incref(found);
    json_decref(found);
    return rc;
}

static int detect_kept(struct assay__trust *t, const struct assay__case *c,
                       const struct assay__chosen *chosen, const char *key,
                       json_t **out, struct assay_error *err)
{
    char *stem =
        assay__format("found/%.24s-%s", c->sha256, chosen->detector->name);
    char *path = stem ? assay__format("%s/%s.json", t->o->out, stem) : NULL;
    int rc =
        path ? ASSAY_OK : assay_error_set(err, ASSAY_NOMEM, "out of memory");

    if (!rc)
        rc = look_up(t, chosen->detector, path, stem, key, out, err);
    if (!rc && *out) {
        t->n_reused++;
    } else if (!rc) {
        rc = run_or_tell(t, c, chosen, stem, out, err);
        if (!rc)
            rc = assay__kept_write(path, key, *out, err);
    }
    assay__free(path);
    assay__free(stem);
    return rc;
}

int assay__trust_detect(struct assay__trust *t, const struct assay__case *c,
                        const struct assay__chosen *chosen, json_t **out,
                        struct assay_error *err)
{
    char *text;
    char key[65];
    int rc;

    *out = NULL;
    if (!t->o->out)
        return run_or_tell(t, c, chosen, "", out, err);
    text = identity(t, c, chosen);
    rc = assay__kept_key(text, key, err);
    assay__free(text);
    return rc ? rc : detect_kept(t, c, chosen, key, out, err);
}
