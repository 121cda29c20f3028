/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening an audit: everything that can be wrong is found here, before
 * anything is trained. Options first, then policy, data, model and split;
 * then the run folder, which is not made for an audit that cannot be; then
 * the plan.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "assay/arch.h"
#include "audit/audit.h"
#include "core/fs.h"
#include "core/json.h"
#include "core/mem.h"

void assay_audit_options_init(struct assay_audit_options *options)
{
    memset(options, 0, sizeof(*options));
    options->arch = "simplecnn";
    assay_recipe_init(&options->recipe, 100);
    options->n_references = 8;
    options->controls = ASSAY_CONTROLS_NEGATIVE;
    options->n_exposed = 12;
    options->generator_epochs = 50;
    options->generator_width = 32;
}

const char *assay__subset_name(enum assay__subset subset)
{
    static const char *const names[] = {"members", "nonmembers", "population"};

    return names[subset];
}

const char *assay_verdict_name(enum assay_verdict verdict)
{
    static const char *const names[] = {"pass", "warning", "fail",
                                        "inconclusive"};

    return names[verdict];
}

int assay__rows_set(struct assay__rows *rows, const uint32_t *index, size_t n,
                    struct assay_error *err)
{
    struct assay__sha256 hash;

    if (assay__sha256_begin(&hash) != ASSAY_OK)
        return assay_error_set(err, ASSAY_NOMEM, "hash of %zu records", n);
    assay__sha256_add(&hash, index, n * sizeof(index[0]));
    assay__sha256_end(&hash, rows->sha256);
    rows->index = index;
    rows->n = n;
    return ASSAY_OK;
}

unsigned assay__audit_needs(const assay_audit *a)
{
    unsigned needs = 0;
    int i;

    for (i = 0; i < a->n_attacks; i++) {
        if (a->left_out[i][0] == '\0')
            needs |= a->attack[i]->needs;
    }
    return needs;
}

json_t *assay__audit_inputs(const assay_audit *a)
{
    const struct assay_compute *c = &a->options.compute;

    return json_pack(
        "{s:s, s:s, s:s, s:s, s:i, s:s, s:s}", "tool", assay_version(),
        "backend", c->backend != NULL ? c->backend : "onednn", "algorithms",
        c->algorithms == ASSAY_ALGORITHMS_DIRECT ? "direct" : "tuned", "dtype",
        assay_dtype_name(c->dtype), "threads",
        c->threads > 0 ? c->threads : a->ctx.threads, "data",
        assay_dataset_sha256(a->data), "preprocess", a->preprocess_text);
}

int assay__audit_wants_world(const assay_audit *a)
{
    int i;

    for (i = 0; i < a->n_attacks; i++) {
        if (a->left_out[i][0] == '\0' &&
            (a->attack[i]->goal != ASSAY_GOAL_MEMBERSHIP ||
             (a->attack[i]->needs & ASSAY_NEED_MODEL) != 0))
            return 1;
    }
    return 0;
}

int assay__audit_beyond_membership(const assay_audit *a)
{
    int i;

    for (i = 0; i < a->n_attacks; i++) {
        if (a->left_out[i][0] == '\0' &&
            a->attack[i]->goal != ASSAY_GOAL_MEMBERSHIP)
            return 1;
    }
    return 0;
}

/* Attacks of other goals train models of their own, so they are run when
 * asked for; a named attribute asks. */
static unsigned wanted_goals(const struct assay_audit_options *o)
{
    if (o->goals != 0)
        return o->goals;
    return 1U << ASSAY_GOAL_MEMBERSHIP |
           (o->attribute != NULL ? 1U << ASSAY_GOAL_ATTRIBUTE : 0U);
}

static int open_policy(assay_audit *a, struct assay_error *err)
{
    unsigned goals = 0;
    int i;

    if (a->options.policy != NULL)
        return assay__policy_read(&a->policy, a->options.policy, err);
    for (i = 0; i < a->n_attacks; i++)
        goals |= 1U << a->attack[i]->goal;
    if (assay__detection_wanted(&a->options))
        goals |= 1U << ASSAY_GOAL_BACKDOOR;
    assay__policy_default(&a->policy, goals);
    return ASSAY_OK;
}

static int choose_attacks(assay_audit *a, struct assay_error *err)
{
    const struct assay_attack *const *table = assay_attack_table();
    const struct assay_audit_options *o = &a->options;
    unsigned goals = wanted_goals(o);
    size_t i;
    size_t j;

    for (j = 0; j < o->n_attacks; j++) {
        if (assay_attack_find(o->attacks[j]) == NULL)
            return assay_error_set(err, ASSAY_ARG,
                                   "no attack \"%s\"; `assay attacks` lists "
                                   "them",
                                   o->attacks[j]);
    }
    for (i = 0; table[i] != NULL; i++) {
        int wanted = o->n_attacks == 0 && (goals & 1U << table[i]->goal) != 0;

        for (j = 0; j < o->n_attacks && !wanted; j++)
            wanted = strcmp(o->attacks[j], table[i]->name) == 0;
        if (!wanted)
            continue;
        if (a->n_attacks == ASSAY__ATTACKS_MAX)
            return assay_error_set(err, ASSAY_LIMIT, "more than %d attacks",
                                   (int)ASSAY__ATTACKS_MAX);
        a->attack[a->n_attacks++] = table[i];
    }
    if (a->n_attacks == 0 && !assay__detection_wanted(o))
        return assay_error_set(err, ASSAY_NOTHING, "no attacks of that goal");
    return ASSAY_OK;
}

static int check_options(const struct assay_audit_options *o,
                         struct assay_error *err)
{
    const struct assay_predictions *p = &o->predictions;
    int from_files = p->members != NULL || p->nonmembers != NULL;

    if (o->out == NULL)
        return assay_error_set(err, ASSAY_ARG, "no run folder is given");
    if (from_files && (p->members == NULL || p->nonmembers == NULL))
        return assay_error_set(err, ASSAY_ARG,
                               "predictions of members and of non-members are "
                               "both needed");
    if (from_files && (o->data != NULL || o->model != NULL))
        return assay_error_set(err, ASSAY_ARG,
                               "predictions are audited without data and "
                               "model; give one or the other");
    if (!from_files && o->data == NULL)
        return assay_error_set(err, ASSAY_ARG,
                               "no data is given: DATA, or predictions");
    if (o->nonmember_data != NULL && o->model == NULL)
        return assay_error_set(err, ASSAY_ARG,
                               "data of non-members are for a model that is "
                               "trained already; this audit trains its own");
    if (o->layer != NULL && o->attribute == NULL)
        return assay_error_set(err, ASSAY_ARG,
                               "layer %.40s is for attribute inference, and "
                               "no sensitive attribute is named",
                               o->layer);
    if (o->no_estimates && o->budget_seconds > 0)
        return assay_error_set(err, ASSAY_ARG,
                               "a budget is kept to by estimates; give one or "
                               "the other");
    if (o->n_references < 0 || o->n_references > ASSAY__REFERENCES_MAX ||
        o->n_references % 2 != 0)
        return assay_error_set(err, ASSAY_ARG,
                               "%d reference models; an even number up to %d "
                               "is needed, so that each record is in half of "
                               "them",
                               o->n_references, (int)ASSAY__REFERENCES_MAX);
    return ASSAY_OK;
}

static int preprocess_text(assay_audit *a, struct assay_error *err)
{
    const struct assay_preprocess *p = &a->preprocess;
    json_t *mean = json_array();
    json_t *std = json_array();
    json_t *root;
    int c;

    for (c = 0; c < p->channels && c < ASSAY_CHANNELS_MAX; c++) {
        json_array_append_new(mean, json_real(p->mean[c]));
        json_array_append_new(std, json_real(p->std[c]));
    }
    root = json_pack("{s:i, s:i, s:i, s:f, s:o, s:o}", "channels", p->channels,
                     "height", p->height, "width", p->width, "scale", p->scale,
                     "mean", mean, "std", std);
    a->preprocess_text = assay__json_line(root);
    json_decref(root);
    if (a->preprocess_text == NULL)
        return assay_error_set(err, ASSAY_NOMEM, "preprocessing");
    return ASSAY_OK;
}

static void fill_sizes(struct assay_preprocess *p, const assay_dataset *ds)
{
    if (p->channels == 0)
        p->channels = assay_dataset_channels(ds);
    if (p->height == 0)
        p->height = assay_dataset_height(ds);
    if (p->width == 0)
        p->width = assay_dataset_width(ds);
}

int assay__note_number(const assay_audit *a, const char *key, uint64_t *out,
                       struct assay_error *err)
{
    const char *text = assay_model_note(a->opened, key);
    char *end = NULL;
    unsigned long long x;

    if (text == NULL)
        return assay_error_set(err, ASSAY_DATA, "%.80s: no note \"%s\"",
                               a->options.model, key);
    x = strtoull(text, &end, 10);
    if (end == text || *end != '\0')
        return assay_error_set(err, ASSAY_DATA,
                               "%.80s: note \"%s\" is \"%.40s\", not a number",
                               a->options.model, key, text);
    *out = x;
    return ASSAY_OK;
}

/* What the sidecar says of the training records must fit the data. */
static int check_notes(const assay_audit *a, struct assay_error *err)
{
    const char *quarter = assay_model_note(a->opened, ASSAY_NOTE_QUARTER);
    const char *sha = assay_model_note(a->opened, ASSAY_NOTE_DATA_SHA256);

    if (quarter == NULL)
        return assay_error_set(
            err, ASSAY_DATA,
            "%.50s does not say which records it was trained on: give such as "
            "--data and others as --nonmember-data, or use --assume-split if "
            "it was target-train, or audit predictions (--members)",
            a->options.model);
    if (strcmp(quarter, assay_quarter_name(ASSAY_TARGET_TRAIN)) != 0)
        return assay_error_set(err, ASSAY_DATA,
                               "%.80s was trained on %.20s; an audit needs a "
                               "model of %s and its untouched counterpart",
                               a->options.model, quarter,
                               assay_quarter_name(ASSAY_TARGET_TRAIN));
    if (sha != NULL && strcmp(sha, assay_dataset_sha256(a->data)) != 0)
        return assay_error_set(err, ASSAY_DATA,
                               "%.60s was trained on other data (SHA-256 "
                               "%.12s...) than %.40s (%.12s...)",
                               a->options.model, sha,
                               assay_dataset_name(a->data),
                               assay_dataset_sha256(a->data));
    return ASSAY_OK;
}

static int check_fit(const assay_audit *a, struct assay_error *err)
{
    int of_model = assay_model_n_classes(a->opened);
    int of_data = assay_dataset_n_classes(a->data);

    /* Detectors can do without records of some classes. */
    if (of_model != of_data &&
        !(assay__detection_alone(a) && of_data < of_model))
        return assay_error_set(
            err, ASSAY_SHAPE, "%.80s tells %d classes apart, %.40s has %d",
            a->options.model, of_model, assay_dataset_name(a->data), of_data);
    return ASSAY_OK;
}

/* Split seed and size of a model that was trained before. */
static int opened_split(assay_audit *a, uint64_t *seed, size_t *n_each,
                        struct assay_error *err)
{
    uint64_t n = 0;
    int code;

    if (a->n_members > 0)
        return ASSAY_OK;
    if (assay_model_note(a->opened, ASSAY_NOTE_QUARTER) == NULL &&
        a->options.assume_split) {
        a->assumed_split = 1;
        return ASSAY_OK;
    }
    code = check_notes(a, err);
    if (code == ASSAY_OK)
        code = assay__note_number(a, ASSAY_NOTE_SPLIT_SEED, seed, err);
    if (code == ASSAY_OK)
        code = assay__note_number(a, ASSAY_NOTE_SPLIT_N, &n, err);
    if (code != ASSAY_OK)
        return code;
    if (*n_each != 0 && *n_each != n)
        return assay_error_set(err, ASSAY_ARG,
                               "%.80s was trained on %llu records per quarter, "
                               "not %zu",
                               a->options.model, (unsigned long long)n,
                               *n_each);
    *n_each = (size_t)n;
    return ASSAY_OK;
}

/* What the options say of pixels, over what the model does. */
static int overlay_pixels(assay_audit *a, struct assay_error *err)
{
    const struct assay_pixel_options *o = &a->options.pixels;
    struct assay_preprocess *p = &a->preprocess;
    int c;

    if ((o->n_mean > 1 && o->n_mean != p->channels) ||
        (o->n_std > 1 && o->n_std != p->channels))
        return assay_error_set(err, ASSAY_ARG,
                               "%d means and %d deviations; the model has %d "
                               "channels",
                               o->n_mean, o->n_std, p->channels);
    if (o->scale > 0)
        p->scale = o->scale;
    for (c = 0; c < p->channels; c++) {
        if (o->n_mean > 0)
            p->mean[c] = o->mean[o->n_mean > 1 ? c : 0];
        if (o->n_std > 0)
            p->std[c] = o->std[o->n_std > 1 ? c : 0];
    }
    return assay_model_set_pixels(a->opened, p, err);
}

static int open_model(assay_audit *a, struct assay_error *err)
{
    const char *recipe;
    int code;

    code = assay_model_open(&a->opened, a->options.model, err);
    if (code == ASSAY_OK)
        code = check_fit(a, err);
    if (code != ASSAY_OK)
        return code;
    /* The models that help are of the same architecture, or, where that is a
     * file's own, of the one that the options say. */
    if (assay_arch_find(assay_model_arch(a->opened)) != NULL)
        a->arch = assay_model_arch(a->opened);
    a->preprocess = *assay_model_preprocess(a->opened);
    code = overlay_pixels(a, err);
    if (code == ASSAY_OK)
        code = assay_model_sha256(a->opened, a->opened_sha256, err);
    if (code != ASSAY_OK)
        return code;
    recipe = assay_model_note(a->opened, ASSAY_NOTE_RECIPE);
    if (recipe == NULL)
        return ASSAY_OK;
    code = assay_recipe_from_text(&a->recipe, recipe, err);
    if (code != ASSAY_OK)
        return assay_error_prefix(err, code, "%.80s", a->options.model);
    assay__recipe_overlay(&a->recipe, &a->options.recipe,
                          a->options.recipe_given);
    return ASSAY_OK;
}

static int make_split(assay_audit *a, uint64_t seed, size_t n_each,
                      struct assay_error *err)
{
    const char *noted =
        a->opened != NULL ? assay_model_note(a->opened, ASSAY_NOTE_SPLIT_SHA256)
                          : NULL;
    int code;

    if (a->n_members > 0)
        code = assay_split_make_of(&a->split, a->data, a->n_members, seed,
                                   n_each, err);
    else
        code = assay_split_make(&a->split, a->data, seed, n_each, err);
    if (code != ASSAY_OK)
        return code;
    if (noted != NULL && strcmp(noted, a->split.sha256) != 0)
        return assay_error_set(err, ASSAY_DATA,
                               "%.80s: its split (SHA-256 %.12s...) is not "
                               "the one its seed gives (%.12s...)",
                               a->options.model, noted, a->split.sha256);
    return ASSAY_OK;
}

static int write_split(const assay_audit *a, struct assay_error *err)
{
    char *path = assay__cache_path(&a->cache, "split.safetensors");
    int code;

    if (path == NULL)
        return assay_error_set(err, ASSAY_NOMEM, "split");
    code = assay_split_write(&a->split, a->data, path, err);
    assay__free(path);
    return code;
}

/* A throw-away model tells early that architecture and input do not fit, or
 * that there is no such layer. */
static int try_architecture(const assay_audit *a, struct assay_error *err)
{
    const char *layer = a->options.layer;
    assay_model *m = NULL;
    int code = assay__job_model(&m, a, a->arch, assay__audit_norm(a), 0, err);

    if (code == ASSAY_OK && layer != NULL)
        code = assay_model_choose_layer(m, layer, err);
    assay_model_free(m);
    return code;
}

static int find_attribute(assay_audit *a, struct assay_error *err)
{
    const char *name = a->options.attribute;
    size_t n = assay_dataset_n_attributes(a->data);
    size_t i;

    for (i = 0; i < n; i++) {
        if (strcmp(assay_dataset_attribute_name(a->data, i), name) == 0) {
            a->attribute = (int)i;
            return ASSAY_OK;
        }
    }
    return assay_error_set(
        err, ASSAY_ARG, "%.80s has no attribute \"%.40s\"%s%.60s",
        assay_dataset_name(a->data), name,
        n > 0 ? "; the first is " : " (it has none)",
        n > 0 ? assay_dataset_attribute_name(a->data, 0) : "");
}

/* The sensitive attribute, and records to ask about that are of another
 * distribution. */
static int open_extras(assay_audit *a, struct assay_error *err)
{
    const struct assay_audit_options *o = &a->options;
    int code = ASSAY_OK;

    if (o->attribute != NULL)
        code = find_attribute(a, err);
    if (code == ASSAY_OK && o->query_data != NULL)
        code = assay_dataset_open(&a->pool, o->query_data, NULL, err);
    return code;
}

/* Records that the model was not trained on join those that it was. */
static int join_nonmembers(assay_audit *a, struct assay_error *err)
{
    const struct assay_audit_options *o = &a->options;
    assay_dataset *others = NULL;
    assay_dataset *both = NULL;
    int code;

    if (o->nonmember_data == NULL)
        return ASSAY_OK;
    code = assay_dataset_open(&others, o->nonmember_data, &o->dataset, err);
    if (code == ASSAY_OK)
        code = assay_dataset_join(&both, a->data, others, err);
    if (code == ASSAY_OK) {
        a->n_members = assay_dataset_count(a->data);
        assay_dataset_free(a->data);
        a->data = both;
    }
    assay_dataset_free(others);
    return code;
}

/* Detectors alone: a trained model and clean records, as they are. */
static int open_clean(assay_audit *a, struct assay_error *err)
{
    const struct assay_audit_options *o = &a->options;
    const char *data = o->nonmember_data != NULL ? o->nonmember_data : o->data;
    int code = assay_dataset_open(&a->data, data, &o->dataset, err);

    a->arch = o->arch;
    a->scene.prefix = "";
    a->scene.target_job = -1;
    a->scene.shadow_job = -1;
    a->scene.evaluator_job = -1;
    if (code == ASSAY_OK)
        code = open_model(a, err);
    if (code == ASSAY_OK)
        code = assay__defense_of_model(a, err);
    if (code == ASSAY_OK && assay__defense_answers(a))
        code = assay_error_set(err, ASSAY_ARG,
                               "%s changes what a model answers; detectors "
                               "look into the model itself",
                               a->defense.row->name);
    if (code == ASSAY_OK)
        code = preprocess_text(a, err);
    return code;
}

static int open_data(assay_audit *a, struct assay_error *err)
{
    const struct assay_audit_options *o = &a->options;
    uint64_t seed = a->ctx.seed;
    size_t n_each = o->n_each;
    int code;

    code = assay_dataset_open(&a->data, o->data, &o->dataset, err);
    if (code == ASSAY_OK)
        code = join_nonmembers(a, err);
    if (code != ASSAY_OK)
        return code;
    a->arch = o->arch;
    if (o->model != NULL) {
        code = open_model(a, err);
        if (code == ASSAY_OK)
            code = assay__defense_of_model(a, err);
        if (code == ASSAY_OK)
            code = opened_split(a, &seed, &n_each, err);
    } else {
        code =
            assay_pixel_options_apply(&o->pixels, a->data, &a->preprocess, err);
    }
    if (code != ASSAY_OK)
        return code;
    fill_sizes(&a->preprocess, a->data);
    code = open_extras(a, err);
    if (code != ASSAY_OK)
        return code;
    code = preprocess_text(a, err);
    if (code == ASSAY_OK)
        code = try_architecture(a, err);
    if (code == ASSAY_OK)
        code = make_split(a, seed, n_each, err);
    return code;
}

static int read_tuning(const assay_audit *a, struct assay_error *err)
{
    char *path;
    int code;

    if (a->options.compute.tuning == NULL)
        return ASSAY_OK;
    path = assay__cache_path(&a->cache, "tuning.json");
    if (path == NULL)
        return assay_error_set(err, ASSAY_NOMEM, "tuning.json");
    code = assay_tuning_read(a->options.compute.tuning, path, err);
    assay__free(path);
    return code;
}

static int open_folder(assay_audit *a, struct assay_error *err)
{
    int code;

    if (a->options.plan_only)
        code = assay__cache_look(&a->cache, a->options.out, &a->ctx, err);
    else
        code = assay__cache_open(&a->cache, a->options.out, &a->ctx, err);
    if (code == ASSAY_OK && a->options.library != NULL) {
        a->cache.library = assay__strdup(a->options.library);
        if (a->cache.library == NULL)
            code = assay_error_set(err, ASSAY_NOMEM, "library");
    }
    if (a->options.plan_only)
        return code;
    if (code == ASSAY_OK && a->split.n > 0)
        code = write_split(a, err);
    return code;
}

static int open_all(assay_audit *a, struct assay_error *err)
{
    int code = check_options(&a->options, err);

    if (code == ASSAY_OK)
        code = assay__detection_check(&a->options, err);
    if (code == ASSAY_OK)
        code = choose_attacks(a, err);
    if (code == ASSAY_OK)
        code = assay__params_choose(a, err);
    if (code == ASSAY_OK)
        code = assay__defense_choose(a, err);
    if (code == ASSAY_OK)
        code = open_policy(a, err);
    if (code != ASSAY_OK)
        return code;
    if (a->options.data == NULL) {
        a->scene.prefix = "";
        code = assay__predictions_read(&a->scene, &a->options.predictions, err);
    } else if (assay__detection_alone(a) && a->options.model != NULL) {
        code = open_clean(a, err);
    } else {
        code = open_data(a, err);
    }
    if (code == ASSAY_OK)
        code = open_folder(a, err);
    if (code == ASSAY_OK)
        code = read_tuning(a, err);
    if (code == ASSAY_OK)
        code = assay__plan_make(a, err);
    return code;
}

int assay_audit_open(assay_audit **out,
                     const struct assay_audit_options *options,
                     const struct assay_context *ctx, struct assay_error *err)
{
    assay_audit *a = assay__calloc(1, sizeof(*a));
    int code;

    if (a == NULL)
        return assay_error_set(err, ASSAY_NOMEM, "audit");
    a->options = *options;
    a->ctx = *ctx;
    a->recipe = options->recipe;
    a->attribute = -1;
    code = open_all(a, err);
    if (code != ASSAY_OK) {
        assay_audit_free(a);
        return code;
    }
    *out = a;
    return ASSAY_OK;
}

void assay_audit_free(assay_audit *audit)
{
    int i;

    if (audit == NULL)
        return;
    for (i = 0; i < ASSAY__ATTACKS_MAX; i++) {
        assay__made_release(&audit->outcome[i].made);
        json_decref(audit->outcome[i].measured);
    }
    assay__world_close(&audit->world);
    assay__scene_release(&audit->scene);
    json_decref(audit->trust);
    json_decref(audit->trust_seconds);
    assay_model_free(audit->opened);
    assay__free(audit->preprocess_text);
    assay_split_release(&audit->split);
    assay_dataset_free(audit->pool);
    assay_dataset_free(audit->data);
    assay__cache_close(&audit->cache);
    assay__free(audit);
}

const struct assay_audit_plan *assay_audit_plan(const assay_audit *audit)
{
    return &audit->plan;
}

const char *assay_audit_folder(const assay_audit *audit)
{
    return audit->cache.dir;
}
