/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What of a run of repairs is kept in its folder: the trigger that was
 * reversed, and a row for each repair beside its model. A row's key is the
 * hash of the model, the records, the triggers, the recipe and the settings.
 */

#include <stdlib.h>
#include <string.h>

#include "core/fs.h"
#include "core/json.h"
#include "core/mem.h"
#include "trust/repair.h"

/* What every result depends on. */
int assay__repairs_key(struct assay__repairs *w, struct assay_error *err)
{
    const struct assay_compute *c = &w->o->compute;
    char model[65];
    char *text = NULL;
    int rc;

    if (!w->o->out)
        return ASSAY_OK;
    rc = assay_model_sha256(w->model, model, err);
    if (rc)
        return rc;
    text = assay__format(
        "%s model %s data %.64s tuned on %zu seed %llu threads "
        "%d backend %s algorithms %d dtype %d",
        assay_version(), model, assay_dataset_sha256(w->data),
        assay_view_count(w->part[ASSAY__REPAIR_TUNE]),
        (unsigned long long)w->ctx->seed, w->ctx->threads,
        c->backend ? c->backend : "onednn", (int)c->algorithms, (int)c->dtype);
    rc = assay__kept_key(text, w->base, err);
    assay__free(text);
    return rc;
}

/* A place in the folder: found/NAME-OF.ENDING. */
char *assay__repairs_path(const struct assay__repairs *w, const char *name,
                          const char *of, const char *ending)
{
    return assay__format("%s/found/%s-%s.%s", w->o->out, name, of, ending);
}

/* The trigger that was reversed in an earlier run; 1 when it is there, with
 * the model's shape. */
int assay__reversed_take(struct assay__repairs *w, const char *path,
                         const char *trigger, const char *key)
{
    const struct assay_preprocess *pre = assay_model_preprocess(w->model);
    json_t *found = assay__kept_read(path, key);
    const json_t *target = json_object_get(found, "target");
    struct assay_error ignored;
    int there = json_is_null(target) && found;

    if (json_is_integer(target) && json_integer_value(target) >= 0 &&
        json_integer_value(target) < assay_model_n_classes(w->model) &&
        assay__exists(trigger) &&
        assay_trigger_read(&w->trigger, trigger, &ignored) == ASSAY_OK) {
        w->target = (int)json_integer_value(target);
        there = w->trigger.channels == pre->channels &&
                w->trigger.height == pre->height &&
                w->trigger.width == pre->width;
    }
    if (!there) {
        assay_trigger_release(&w->trigger);
        w->target = -1;
    }
    json_decref(found);
    return there;
}

int assay__reversed_keep(const struct assay__repairs *w, const char *path,
                         const char *trigger, const char *key,
                         struct assay_error *err)
{
    json_t *found =
        json_pack("{s:o}", "target",
                  w->target >= 0 ? json_integer(w->target) : json_null());
    int rc =
        found ? ASSAY_OK : assay_error_set(err, ASSAY_NOMEM, "out of memory");

    if (!rc && w->target >= 0)
        rc = assay_trigger_write(&w->trigger, trigger, err);
    if (!rc)
        rc = assay__kept_write(path, key, found, err);
    json_decref(found);
    return rc;
}

static void hash_trigger(struct assay__sha256 *h, const struct assay_trigger *t)
{
    size_t pixels = (size_t)t->height * (size_t)t->width;

    if (!t->mask)
        return;
    assay__sha256_add(h, t->mask, pixels * sizeof(*t->mask));
    assay__sha256_add(h, t->pattern,
                      pixels * (size_t)t->channels * sizeof(*t->pattern));
}

/* What tunings are done with, beside their own parameters. */
static char *recipe_words(const struct assay_recipe *r)
{
    return assay__format(
        "batch %zu optimizer %d %.17g %.17g %.17g %.17g %.17g schedule %d %d "
        "%.17g for %zu flip %d crop %d",
        r->batch, (int)r->optimizer.kind, r->optimizer.momentum,
        r->optimizer.weight_decay, r->optimizer.beta1, r->optimizer.beta2,
        r->optimizer.eps, (int)r->schedule, r->n_milestones, r->gamma,
        r->schedule_epochs, r->augment.flip, r->augment.crop_pad);
}

int assay__repair_key(const struct assay__repairs *w, const json_t *row,
                      char key[65], struct assay_error *err)
{
    char *what = json_dumps(row, JSON_COMPACT | JSON_SORT_KEYS);
    char *recipe = recipe_words(&w->o->recipe);
    struct assay__sha256 h;
    int rc = ASSAY_OK;

    if (!what || !recipe || assay__sha256_begin(&h)) {
        rc = assay_error_set(err, ASSAY_NOMEM, "out of memory for a key");
    } else {
        assay__sha256_add(&h, w->base, 64);
        assay__sha256_add(&h, what, strlen(what));
        assay__sha256_add(&h, recipe, strlen(recipe));
        assay__sha256_add(&h, &w->target, sizeof(w->target));
        hash_trigger(&h, &w->trigger);
        assay__sha256_add(&h, "known", 5);
        hash_trigger(&h, &w->known);
        assay__sha256_end(&h, key);
    }
    free(what);
    assay__free(recipe);
    return rc;
}

/* The repaired model where save() puts it. */
static int model_there(const struct assay__repairs *w, const char *name,
                       const char *path)
{
    char *want = assay__format("%s/%s.safetensors", w->o->out, name);
    int there = want && path && strcmp(want, path) == 0 && assay__exists(path);

    assay__free(want);
    return there;
}

/* Whether a kept row is this repair's, and whole. */
int assay__repair_fits(const struct assay__repairs *w, const json_t *found,
                       const json_t *row)
{
    static const char *const numbers[] = {"pruned", "channels", "threshold",
                                          "seconds"};
    const json_t *after = json_object_get(found, "after");
    const json_t *model = json_object_get(found, "model");
    const char *key;
    json_t *v;

    json_object_foreach((json_t *)(uintptr_t)row, key, v)
    {
        if (!json_equal(v, json_object_get(found, key)))
            return 0;
    }
    if (assay__kept_says(found, "status", "not run"))
        return json_is_string(json_object_get(found, "why"));
    for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
        if (!assay__kept_number(found, numbers[i]))
            return 0;
    if (!assay__kept_says(found, "status", "ran") || !json_is_object(after) ||
        !assay__kept_share(after, "accuracy") ||
        !assay__kept_share(after, "success") ||
        !assay__kept_share(after, "restored"))
        return 0;
    return !model
               ? json_is_string(json_object_get(found, "not_saved"))
               : model_there(w, json_string_value(json_object_get(row, "name")),
                             json_string_value(model));
}
