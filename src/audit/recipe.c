/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recipes, training curves and pixel options as text. The text of a recipe
 * is part of the key of every model trained by it, so it has one form only:
 * sorted keys, no spaces, enums by name.
 */

#include <jansson.h>
#include <math.h>
#include <string.h>

#include "assay/audit.h"
#include "audit/audit.h"
#include "core/json.h"
#include "core/mem.h"

static const char *const optimizer_names[] = {
#define ASSAY_X(name, text) text,
    ASSAY_OPTIMIZERS(ASSAY_X)
#undef ASSAY_X
};
enum { N_OPTIMIZERS = sizeof(optimizer_names) / sizeof(optimizer_names[0]) };

static const char *const schedule_names[] = {"constant", "multistep", "cosine"};
enum { N_SCHEDULES = sizeof(schedule_names) / sizeof(schedule_names[0]) };

enum { MILESTONES_MAX = 8 };

int assay_pixel_options_apply(const struct assay_pixel_options *options,
                              const assay_dataset *ds,
                              struct assay_preprocess *pre,
                              struct assay_error *err)
{
    int channels;
    int c;

    assay_preprocess_init(pre, ds);
    if (options->channels > 0)
        pre->channels = options->channels;
    if (options->height > 0)
        pre->height = options->height;
    if (options->width > 0)
        pre->width = options->width;
    if (options->scale > 0)
        pre->scale = options->scale;
    channels = pre->channels > 0 ? pre->channels : assay_dataset_channels(ds);
    if (options->n_mean > 1 && options->n_mean != channels)
        return assay_error_set(err, ASSAY_ARG,
                               "%d means for %d channels; give 1 or %d",
                               options->n_mean, channels, channels);
    if (options->n_std > 1 && options->n_std != channels)
        return assay_error_set(err, ASSAY_ARG,
                               "%d deviations for %d channels; give 1 or %d",
                               options->n_std, channels, channels);
    for (c = 0; c < channels && c < ASSAY_CHANNELS_MAX; c++) {
        if (options->n_mean > 0)
            pre->mean[c] = options->mean[options->n_mean > 1 ? c : 0];
        if (options->n_std > 0)
            pre->std[c] = options->std[options->n_std > 1 ? c : 0];
    }
    return ASSAY_OK;
}

static json_t *milestones_json(const struct assay_recipe *recipe)
{
    json_t *list = json_array();
    int i;

    for (i = 0; i < recipe->n_milestones; i++)
        json_array_append_new(list,
                              json_integer((json_int_t)recipe->milestones[i]));
    return list;
}

char *assay_recipe_text(const struct assay_recipe *recipe)
{
    const struct assay_optimizer_options *o = &recipe->optimizer;
    json_t *root;
    char *text;

    root = json_pack(
        "{s:I, s:I, s:s, s:f, s:f, s:f, s:f, s:f, s:f, s:s, s:o, s:f, s:b, "
        "s:i, s:I}",
        "epochs", (json_int_t)recipe->epochs, "batch",
        (json_int_t)recipe->batch, "optimizer", optimizer_names[o->kind],
        "momentum", o->momentum, "weight_decay", o->weight_decay, "beta1",
        o->beta1, "beta2", o->beta2, "eps", o->eps, "lr", recipe->lr,
        "schedule", schedule_names[recipe->schedule], "milestones",
        milestones_json(recipe), "gamma", recipe->gamma, "flip",
        recipe->augment.flip != 0, "crop_pad", recipe->augment.crop_pad,
        "evaluate_every", (json_int_t)recipe->evaluate_every);
    text = assay__json_line(root);
    json_decref(root);
    return text;
}

static int read_number(const json_t *root, const char *key, double *out,
                       struct assay_error *err)
{
    const json_t *value = json_object_get(root, key);

    if (!json_is_number(value))
        return assay_error_set(err, ASSAY_FORMAT,
                               "recipe: \"%s\" is not a number", key);
    *out = json_number_value(value);
    return ASSAY_OK;
}

static int read_size(const json_t *root, const char *key, size_t *out,
                     struct assay_error *err)
{
    const json_t *value = json_object_get(root, key);

    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return assay_error_set(err, ASSAY_FORMAT,
                               "recipe: \"%s\" is not a count", key);
    *out = (size_t)json_integer_value(value);
    return ASSAY_OK;
}

static int read_name(const json_t *root, const char *key,
                     const char *const *names, int n, int *out,
                     struct assay_error *err)
{
    const char *text = json_string_value(json_object_get(root, key));
    int i;

    for (i = 0; text != NULL && i < n; i++) {
        if (strcmp(text, names[i]) == 0) {
            *out = i;
            return ASSAY_OK;
        }
    }
    return assay_error_set(err, ASSAY_FORMAT,
                           "recipe: \"%s\" is \"%.40s\", which is not known",
                           key, text != NULL ? text : "(none)");
}

static int read_milestones(const json_t *root, struct assay_recipe *recipe,
                           struct assay_error *err)
{
    const json_t *list = json_object_get(root, "milestones");
    size_t i;

    if (!json_is_array(list) || json_array_size(list) > MILESTONES_MAX)
        return assay_error_set(err, ASSAY_FORMAT,
                               "recipe: \"milestones\" is not a list of at "
                               "most %d epochs",
                               (int)MILESTONES_MAX);
    recipe->n_milestones = (int)json_array_size(list);
    for (i = 0; i < json_array_size(list); i++) {
        const json_t *item = json_array_get(list, i);

        if (!json_is_integer(item) || json_integer_value(item) < 0)
            return assay_error_set(err, ASSAY_FORMAT,
                                   "recipe: milestone %zu is not an epoch", i);
        recipe->milestones[i] = (size_t)json_integer_value(item);
    }
    return ASSAY_OK;
}

static int read_recipe(struct assay_recipe *r, const json_t *root,
                       struct assay_error *err)
{
    struct {
        const char *key;
        double *to;
    } numbers[] = {
        {"momentum", &r->optimizer.momentum},
        {"weight_decay", &r->optimizer.weight_decay},
        {"beta1", &r->optimizer.beta1},
        {"beta2", &r->optimizer.beta2},
        {"eps", &r->optimizer.eps},
        {"lr", &r->lr},
        {"gamma", &r->gamma},
    };
    int kind = 0;
    int schedule = 0;
    size_t crop_pad = 0;
    size_t i;
    int code;

    for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        code = read_number(root, numbers[i].key, numbers[i].to, err);
        if (code != ASSAY_OK)
            return code;
    }
    code = read_size(root, "epochs", &r->epochs, err);
    if (code == ASSAY_OK)
        code = read_size(root, "batch", &r->batch, err);
    if (code == ASSAY_OK)
        code = read_size(root, "evaluate_every", &r->evaluate_every, err);
    if (code == ASSAY_OK)
        code = read_size(root, "crop_pad", &crop_pad, err);
    if (code == ASSAY_OK)
        code = read_name(root, "optimizer", optimizer_names, N_OPTIMIZERS,
                         &kind, err);
    if (code == ASSAY_OK)
        code = read_name(root, "schedule", schedule_names, N_SCHEDULES,
                         &schedule, err);
    if (code == ASSAY_OK)
        code = read_milestones(root, r, err);
    r->optimizer.kind = (enum assay_optimizer_kind)kind;
    r->schedule = (enum assay_schedule)schedule;
    r->augment.crop_pad = (int)crop_pad;
    r->augment.flip = json_is_true(json_object_get(root, "flip"));
    return code;
}

int assay_recipe_from_text(struct assay_recipe *recipe, const char *text,
                           struct assay_error *err)
{
    struct assay_recipe r;
    json_t *root;
    int code;

    memset(&r, 0, sizeof(r));
    root = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(root)) {
        json_decref(root);
        return assay_error_set(err, ASSAY_FORMAT,
                               "recipe: \"%.60s\" is not a JSON object", text);
    }
    code = read_recipe(&r, root, err);
    if (code == ASSAY_OK && (r.epochs == 0 || r.batch == 0))
        code = assay_error_set(err, ASSAY_FORMAT,
                               "recipe: %zu epochs of batches of %zu; both "
                               "must be at least 1",
                               r.epochs, r.batch);
    if (code == ASSAY_OK)
        *recipe = r;
    json_decref(root);
    return code;
}

static void overlay_optimizer(struct assay_optimizer_options *to,
                              const struct assay_optimizer_options *from,
                              unsigned fields)
{
    if (fields & ASSAY_RECIPE_OPTIMIZER) {
        to->kind = from->kind;
        to->beta1 = from->beta1;
        to->beta2 = from->beta2;
        to->eps = from->eps;
    }
    if (fields & ASSAY_RECIPE_MOMENTUM)
        to->momentum = from->momentum;
    if (fields & ASSAY_RECIPE_WEIGHT_DECAY)
        to->weight_decay = from->weight_decay;
}

void assay__recipe_overlay(struct assay_recipe *to,
                           const struct assay_recipe *from, unsigned fields)
{
    overlay_optimizer(&to->optimizer, &from->optimizer, fields);
    if (fields & ASSAY_RECIPE_EPOCHS)
        to->epochs = from->epochs;
    if (fields & ASSAY_RECIPE_BATCH)
        to->batch = from->batch;
    if (fields & ASSAY_RECIPE_LR)
        to->lr = from->lr;
    if (fields & ASSAY_RECIPE_SCHEDULE)
        to->schedule = from->schedule;
    if (fields & ASSAY_RECIPE_MILESTONES) {
        memcpy(to->milestones, from->milestones, sizeof(to->milestones));
        to->n_milestones = from->n_milestones;
    }
    if (fields & ASSAY_RECIPE_GAMMA)
        to->gamma = from->gamma;
    if (fields & ASSAY_RECIPE_AUGMENT)
        to->augment = from->augment;
    if (fields & ASSAY_RECIPE_EVALUATE_EVERY)
        to->evaluate_every = from->evaluate_every;
}

char *assay_curve_text(const struct assay_curve *curve)
{
    json_t *list = json_array();
    char *text;
    size_t i;

    for (i = 0; list != NULL && i < curve->n; i++) {
        const struct assay_curve_point *p = &curve->point[i];

        json_array_append_new(list,
                              json_pack("[I, o, o, o, o]", (json_int_t)p->epoch,
                                        assay__json_real(p->loss),
                                        assay__json_real(p->train_accuracy),
                                        assay__json_real(p->test_accuracy),
                                        assay__json_real(p->lr)));
    }
    text = assay__json_line(list);
    json_decref(list);
    return text;
}

static double number_or_nan(const json_t *list, size_t i)
{
    const json_t *value = json_array_get(list, i);

    return json_is_number(value) ? json_number_value(value) : (double)NAN;
}

int assay_curve_from_text(struct assay_curve *curve, const char *text,
                          struct assay_error *err)
{
    json_t *list = json_loads(text, 0, NULL);
    size_t n = json_array_size(list);
    struct assay_curve_point *point;
    size_t i;

    if (!json_is_array(list)) {
        json_decref(list);
        return assay_error_set(err, ASSAY_FORMAT,
                               "training curve: not a JSON list");
    }
    point = assay__calloc(n, sizeof(*point));
    if (point == NULL) {
        json_decref(list);
        return assay_error_set(err, ASSAY_NOMEM, "training curve: %zu points",
                               n);
    }
    for (i = 0; i < n; i++) {
        const json_t *row = json_array_get(list, i);

        point[i].epoch = (size_t)json_integer_value(json_array_get(row, 0));
        point[i].loss = number_or_nan(row, 1);
        point[i].train_accuracy = number_or_nan(row, 2);
        point[i].test_accuracy = number_or_nan(row, 3);
        point[i].lr = number_or_nan(row, 4);
    }
    json_decref(list);
    curve->point = point;
    curve->n = n;
    return ASSAY_OK;
}
