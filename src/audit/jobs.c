/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Models to train. A job's inputs are everything its weights depend on; a
 * model that is in the folder under them is not trained again. The others
 * are trained in small groups, side by side, each saved when its group is
 * done, so that few are in memory at once and a kill costs little: within a
 * group, checkpoints hold every finished epoch. After a kill other models
 * make up a group; with how many threads a model is trained is in
 * tuning.json before it begins, so its bytes stay the same.
 */

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "assay/rng.h"
#include "audit/audit.h"
#include "core/fs.h"
#include "core/mem.h"

/* Seed of a role's model: its own stream, whatever else is trained. */
static uint64_t role_seed(const assay_audit *a, const char *role, int index)
{
    struct assay_rng rng;

    assay_rng_init(&rng, a->ctx.seed, role, (uint64_t)index);
    return assay_rng_u64(&rng);
}

enum assay_norm assay__audit_norm(const assay_audit *a)
{
    if (a->opened != NULL)
        return assay_model_norm(a->opened);
    return assay__defense_trains(a) && a->defense.row->group_norm
               ? ASSAY_NORM_GROUP
               : ASSAY_NORM_BATCH;
}

int assay__job_model(assay_model **out, const assay_audit *a, const char *arch,
                     enum assay_norm norm, uint64_t seed,
                     struct assay_error *err)
{
    struct assay_model_spec spec;

    memset(&spec, 0, sizeof(spec));
    spec.arch = arch;
    spec.norm = norm;
    spec.n_classes = assay_dataset_n_classes(a->data);
    spec.preprocess = a->preprocess;
    return assay_model_new(out, &spec, seed, err);
}

static int job_inputs(struct assay__job *job, const assay_audit *a,
                      const struct assay__scene *scene, struct assay_error *err)
{
    char *recipe = assay_recipe_text(job->recipe);
    int failed;

    job->inputs = assay__audit_inputs(a);
    failed = recipe == NULL || job->inputs == NULL ||
             json_object_set_new(job->inputs, "kind", json_string("model")) ||
             json_object_set_new(job->inputs, "arch", json_string(job->arch)) ||
             json_object_set_new(job->inputs, "recipe", json_string(recipe)) ||
             json_object_set_new(
                 job->inputs, "seed",
                 json_sprintf("%llu", (unsigned long long)job->seed)) ||
             json_object_set_new(job->inputs, "train",
                                 json_string(job->train.sha256));
    if (!failed && job->test != NULL)
        failed = json_object_set_new(job->inputs, "test",
                                     json_string(job->test->sha256));
    if (!failed && job->norm != ASSAY_NORM_BATCH)
        failed = json_object_set_new(job->inputs, "norm",
                                     json_string(assay_norm_name(job->norm)));
    if (!failed && job->defended)
        failed = json_object_set_new(job->inputs, "defense",
                                     json_string(a->defense.text));
    if (!failed && job->teacher >= 0)
        failed = json_object_set_new(job->inputs, "teacher",
                                     json_string(scene->job[job->teacher].key));
    assay__free(recipe);
    if (failed)
        return assay_error_set(err, ASSAY_NOMEM, "inputs of %s", job->name);
    return assay__cache_key(job->inputs, job->key, err);
}

/* The caller has set train, test, recipe, arch, norm, defence and quarter. A
 * teacher is the model that would be there without the defence, so its seed
 * is that of the role it teaches. */
int assay__job_init(struct assay__job *job, const assay_audit *a,
                    const struct assay__scene *scene, const char *role,
                    int index, struct assay_error *err)
{
    const char *of = job->teaches ? "teacher-" : "";

    if (index >= 0) {
        snprintf(job->name, sizeof(job->name), "%s%s%s-%02d", scene->prefix, of,
                 role, index);
        snprintf(job->title, sizeof(job->title), "%s%s%s %d/%d", scene->prefix,
                 of, role, index + 1, scene->n_references);
    } else {
        snprintf(job->name, sizeof(job->name), "%s%s%s", scene->prefix, of,
                 role);
        snprintf(job->title, sizeof(job->title), "%s", job->name);
    }
    snprintf(job->path, sizeof(job->path), "models/%s.safetensors", job->name);
    job->seed = role_seed(a, role, index < 0 ? 0 : index);
    return job_inputs(job, a, scene, err);
}

void assay__job_release(struct assay__job *job)
{
    json_decref(job->inputs);
    job->inputs = NULL;
}

enum { GROUP_MAX = 16 };

struct group {
    struct assay__job *job[GROUP_MAX];
    struct assay_training training[GROUP_MAX];
    assay_view *train[GROUP_MAX];
    assay_view *test[GROUP_MAX];
    char *checkpoint[GROUP_MAX];
    struct assay_defended defended[GROUP_MAX];
    size_t n;
};

static void group_release(struct group *g)
{
    size_t i;

    for (i = 0; i < g->n; i++) {
        assay_model_free(g->training[i].model);
        assay_curve_release(&g->training[i].curve);
        assay_view_free(g->train[i]);
        assay_view_free(g->test[i]);
        assay__free(g->checkpoint[i]);
        assay_defended_release(&g->defended[i]);
    }
    memset(g, 0, sizeof(*g));
}

int assay__folder_model(const assay_audit *a, const char *path, assay_model **m,
                        struct assay_error *err)
{
    char *full = assay__cache_path(&a->cache, path);
    int code;

    if (full == NULL)
        return assay_error_set(err, ASSAY_NOMEM, "%s", path);
    code = assay__cache_check(&a->cache, path, err);
    if (code == ASSAY_OK)
        code = assay_model_open(m, full, err);
    assay__free(full);
    return code;
}

/* `all` are the scene's jobs, of which `job` is one. */
static int defend(struct group *g, size_t i, const assay_audit *a,
                  const struct assay__job *all, const struct assay__job *job,
                  struct assay_error *err)
{
    const struct assay__job *by = job->teacher >= 0 ? &all[job->teacher] : NULL;
    assay_model *teacher = NULL;
    int code = ASSAY_OK;

    if (by != NULL)
        code = assay__folder_model(a, by->path, &teacher, err);
    if (code == ASSAY_OK)
        code = assay_defense_apply(
            &g->defended[i], &a->defense, &a->ctx, &a->options.compute, teacher,
            by != NULL ? by->key : "", &g->training[i], err);
    assay_model_free(teacher);
    return code;
}

static int group_add(struct group *g, const assay_audit *a,
                     const struct assay__job *all, struct assay__job *job,
                     struct assay_error *err)
{
    size_t i = g->n++;
    struct assay_training *t = &g->training[i];
    int code;

    memset(t, 0, sizeof(*t));
    g->job[i] = job;
    g->train[i] = NULL;
    g->test[i] = NULL;
    g->checkpoint[i] = assay__format("%s/models/%s-%.12s.ckpt", a->cache.dir,
                                     job->name, job->key);
    if (g->checkpoint[i] == NULL)
        return assay_error_set(err, ASSAY_NOMEM, "%s", job->name);
    code = assay__job_model(&t->model, a, job->arch, job->norm, job->seed, err);
    if (code == ASSAY_OK)
        code = assay_view_new(&g->train[i], a->data, job->train.index,
                              job->train.n, &a->preprocess, err);
    if (code == ASSAY_OK && job->test != NULL)
        code = assay_view_new(&g->test[i], a->data, job->test->index,
                              job->test->n, &a->preprocess, err);
    t->train = g->train[i];
    t->test = g->test[i];
    t->recipe = job->recipe;
    t->seed = job->seed;
    t->task = job->title;
    t->checkpoint = g->checkpoint[i];
    if (code == ASSAY_OK && job->defended)
        code = defend(g, i, a, all, job, err);
    return code;
}

static int note(assay_model *m, const char *key, const char *value,
                struct assay_error *err)
{
    if (value == NULL)
        return assay_error_set(err, ASSAY_NOMEM, "note %s", key);
    return assay_model_set_note(m, key, value, err);
}

static int write_notes(const assay_audit *a, const struct assay__job *job,
                       assay_model *m, const struct assay_curve *curve,
                       struct assay_error *err)
{
    char *recipe = assay_recipe_text(job->recipe);
    char *points = assay_curve_text(curve);
    char number[32];
    int code;

    snprintf(number, sizeof(number), "%llu", (unsigned long long)a->split.seed);
    code = note(m, ASSAY_NOTE_SPLIT_SEED, number, err);
    snprintf(number, sizeof(number), "%zu", a->split.n);
    if (code == ASSAY_OK)
        code = note(m, ASSAY_NOTE_SPLIT_N, number, err);
    snprintf(number, sizeof(number), "%llu", (unsigned long long)job->seed);
    if (code == ASSAY_OK)
        code = note(m, ASSAY_NOTE_SEED, number, err);
    if (code == ASSAY_OK)
        code = note(m, ASSAY_NOTE_SPLIT_SHA256, a->split.sha256, err);
    if (code == ASSAY_OK)
        code = note(m, ASSAY_NOTE_QUARTER, job->quarter, err);
    if (code == ASSAY_OK)
        code = note(m, ASSAY_NOTE_DATA_NAME, assay_dataset_name(a->data), err);
    if (code == ASSAY_OK)
        code =
            note(m, ASSAY_NOTE_DATA_SHA256, assay_dataset_sha256(a->data), err);
    if (code == ASSAY_OK)
        code = note(m, ASSAY_NOTE_RECIPE, recipe, err);
    if (code == ASSAY_OK)
        code = note(m, ASSAY_NOTE_CURVE, points, err);
    snprintf(number, sizeof(number), "%zu", job->train.n);
    if (code == ASSAY_OK)
        code = note(m, ASSAY_NOTE_TRAINED_ON, number, err);
    if (code == ASSAY_OK && job->defended)
        code = note(m, ASSAY_NOTE_DEFENSE, a->defense.text, err);
    assay__free(recipe);
    assay__free(points);
    return code;
}

static int save(assay_audit *a, struct assay__job *job,
                struct assay_training *t, struct assay_error *err)
{
    char *path = assay__cache_path(&a->cache, job->path);
    int code;

    if (path == NULL)
        return assay_error_set(err, ASSAY_NOMEM, "%s", job->path);
    code = write_notes(a, job, t->model, &t->curve, err);
    if (code == ASSAY_OK)
        code = assay_model_save(t->model, path, err);
    if (code == ASSAY_OK)
        code = assay__cache_record(&a->cache, job->path, job->inputs,
                                   t->seconds, err);
    if (code == ASSAY_OK)
        code = assay__library_give(&a->cache, job->path, job->key, t->seconds,
                                   err);
    if (code == ASSAY_OK)
        (void)unlink(t->checkpoint);
    assay__free(path);
    return code;
}

static int write_tuning(const assay_audit *a, struct assay_error *err)
{
    char *path;
    int code;

    if (a->options.compute.tuning == NULL)
        return ASSAY_OK;
    path = assay__cache_path(&a->cache, "tuning.json");
    if (path == NULL)
        return assay_error_set(err, ASSAY_NOMEM, "tuning.json");
    code = assay_tuning_write(a->options.compute.tuning, path, err);
    assay__free(path);
    return code;
}

static int train_group(assay_audit *a, struct group *g, struct assay_error *err)
{
    size_t i;
    int code;

    code = assay_models_measure(&a->ctx, &a->options.compute, g->training, g->n,
                                err);
    if (code == ASSAY_OK)
        code = write_tuning(a, err);
    if (code == ASSAY_OK)
        code = assay_models_train(&a->ctx, &a->options.compute, g->training,
                                  g->n, err);
    for (i = 0; i < g->n && code == ASSAY_OK; i++)
        code = save(a, g->job[i], &g->training[i], err);
    if (code == ASSAY_OK)
        code = write_tuning(a, err);
    return code;
}

int assay__jobs_train(assay_audit *a, struct assay__job *job, int n,
                      struct assay_error *err)
{
    struct group g;
    size_t size = (size_t)(a->ctx.threads > 2 ? a->ctx.threads : 2);
    int taught = 0;
    int code = ASSAY_OK;
    int i;

    memset(&g, 0, sizeof(g));
    if (size > GROUP_MAX)
        size = GROUP_MAX;
    for (i = 0; i < n && code == ASSAY_OK; i++) {
        bool there = assay__cache_has(&a->cache, job[i].path, job[i].inputs);

        if (!there)
            code = assay__library_take(&a->cache, job[i].path, job[i].inputs,
                                       job[i].key, &there, err);
        if (code != ASSAY_OK || there)
            continue;
        /* Teachers come first in the list; the last of them may be in this
         * group. */
        if (g.n == size || (g.n > 0 && job[i].teacher >= 0 && !taught)) {
            code = train_group(a, &g, err);
            group_release(&g);
        }
        taught = taught || job[i].teacher >= 0;
        if (code == ASSAY_OK)
            code = group_add(&g, a, job, &job[i], err);
    }
    if (code == ASSAY_OK && g.n > 0)
        code = train_group(a, &g, err);
    group_release(&g);
    return code;
}
