/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scenes: which records are members, which models are trained on what, and
 * what each model says of the audited records.
 *
 * Reference models come in pairs. For each pair the audited records are
 * shuffled and cut in half; one model gets each half. So every record is in
 * exactly half of the references, and membership in the target says nothing
 * about which half (Carlini et al., S&P 2022, section IV). The population is
 * of records that neither target nor references were trained on.
 */

#include <stdio.h>
#include <string.h>

#include "assay/rng.h"
#include "audit/audit.h"
#include "core/fs.h"
#include "core/mem.h"

static const char evaluator_arch[] = "resnet18";

static int draw_half(struct assay__scene *scene, const assay_audit *a, int pair,
                     struct assay_error *err)
{
    const struct assay__rows *in = &scene->audited[ASSAY__MEMBERS];
    const struct assay__rows *out = &scene->audited[ASSAY__NONMEMBERS];
    size_t total = in->n + out->n;
    size_t half = total / 2;
    uint32_t *order = assay__malloc(total * sizeof(*order));
    struct assay_rng rng;
    size_t i;
    int side;

    if (order == NULL)
        return assay_error_set(err, ASSAY_NOMEM, "halves of %zu records",
                               total);
    for (i = 0; i < total; i++)
        order[i] = (uint32_t)i;
    assay_rng_init(&rng, a->ctx.seed, "references", (uint64_t)pair);
    assay_rng_shuffle(&rng, order, total);
    for (side = 0; side < 2; side++) {
        size_t first = side == 0 ? 0 : half;
        size_t n = side == 0 ? half : total - half;
        uint32_t *rows = assay__malloc(n * sizeof(*rows));
        uint8_t *flags = assay__calloc(total, 1);

        scene->half[2 * pair + side] = rows;
        scene->trained_on[2 * pair + side] = flags;
        if (rows == NULL || flags == NULL) {
            assay__free(order);
            return assay_error_set(err, ASSAY_NOMEM, "halves of %zu records",
                                   total);
        }
        for (i = 0; i < n; i++) {
            size_t at = order[first + i];

            flags[at] = 1;
            rows[i] = at < in->n ? in->index[at] : out->index[at - in->n];
        }
    }
    assay__free(order);
    return ASSAY_OK;
}

static int make_reference_arrays(struct assay__scene *scene,
                                 struct assay_error *err)
{
    size_t s = (size_t)scene->n_references;

    scene->half = assay__calloc(s, sizeof(*scene->half));
    scene->trained_on = assay__calloc(s, sizeof(*scene->trained_on));
    scene->reference = assay__calloc(s, sizeof(*scene->reference));
    scene->reference_evidence =
        assay__calloc(s * ASSAY__SUBSETS, sizeof(*scene->reference_evidence));
    if (scene->half == NULL || scene->trained_on == NULL ||
        scene->reference == NULL || scene->reference_evidence == NULL)
        return assay_error_set(err, ASSAY_NOMEM, "%zu references", s);
    return ASSAY_OK;
}

/* What a job is trained on, and for whom. */
struct pupil {
    const char *role;
    int index; /* among many of the role, or -1 */
    const struct assay__rows *train;
    const struct assay__rows *test;
    const char *quarter;
};

static struct assay__job *new_job(struct assay__scene *scene,
                                  const assay_audit *a, const struct pupil *p)
{
    struct assay__job *job = &scene->job[scene->n_jobs++];

    job->train = *p->train;
    job->test = p->test;
    job->recipe = &scene->recipe;
    job->arch = a->arch;
    job->norm =
        a->opened != NULL ? assay_model_norm(a->opened) : ASSAY_NORM_BATCH;
    job->teacher = -1;
    job->quarter = p->quarter;
    return job;
}

static int has_teachers(const struct assay__scene *scene, const assay_audit *a)
{
    return scene->defended && a->defense.row->needs_teacher;
}

/* The model that would be there without the defence. */
static int add_teacher(struct assay__scene *scene, const assay_audit *a,
                       const struct pupil *p, struct assay_error *err)
{
    struct assay__job *job = new_job(scene, a, p);

    job->teaches = 1;
    return assay__job_init(job, a, scene, p->role, p->index, err);
}

/* Teachers stand first, in the order of those they teach. */
static int add_job(struct assay__scene *scene, const assay_audit *a,
                   const struct pupil *p, struct assay_error *err)
{
    struct assay__job *job = new_job(scene, a, p);

    job->defended = scene->defended;
    if (scene->defended)
        job->norm = assay__audit_norm(a);
    if (has_teachers(scene, a))
        job->teacher = scene->n_taught++;
    return assay__job_init(job, a, scene, p->role, p->index, err);
}

/* Target, shadow and references of the scene, in this order, given to
 * `add`. */
typedef int add_fn(struct assay__scene *scene, const assay_audit *a,
                   const struct pupil *p, struct assay_error *err);

static int for_references(struct assay__scene *scene, const assay_audit *a,
                          add_fn *add, struct assay_error *err)
{
    size_t total = scene->audited[0].n + scene->audited[ASSAY__NONMEMBERS].n;
    int code = ASSAY_OK;
    int i;

    for (i = 0; code == ASSAY_OK && i < scene->n_references; i++) {
        size_t n = i % 2 == 0 ? total / 2 : total - total / 2;
        struct assay__rows train;
        struct pupil p = {"reference", i, &train, NULL,
                          "half of target-train and target-test"};

        code = assay__rows_set(&train, scene->half[i], n, err);
        if (code == ASSAY_OK)
            code = add(scene, a, &p, err);
    }
    return code;
}

static int for_all(struct assay__scene *scene, const assay_audit *a,
                   add_fn *add, struct assay_error *err)
{
    const struct pupil target = {"target", -1, &scene->audited[ASSAY__MEMBERS],
                                 &scene->audited[ASSAY__NONMEMBERS],
                                 assay_quarter_name(ASSAY_TARGET_TRAIN)};
    const struct pupil shadow = {"shadow", -1, &scene->shadow[0],
                                 &scene->shadow[1],
                                 assay_quarter_name(ASSAY_SHADOW_TRAIN)};
    int code = ASSAY_OK;

    if (a->opened == NULL || scene->prefix[0] != '\0') {
        scene->target_job = scene->n_jobs;
        code = add(scene, a, &target, err);
    }
    if (code == ASSAY_OK && scene->with_shadow) {
        scene->shadow_job = scene->n_jobs;
        code = add(scene, a, &shadow, err);
    }
    scene->first_reference = scene->n_jobs;
    if (code == ASSAY_OK)
        code = for_references(scene, a, add, err);
    return code;
}

static int draw_halves(struct assay__scene *scene, const assay_audit *a,
                       struct assay_error *err)
{
    int code = make_reference_arrays(scene, err);
    int i;

    for (i = 0; code == ASSAY_OK && i < scene->n_references / 2; i++)
        code = draw_half(scene, a, i, err);
    return code;
}

/* What all evidence of the run depends on, whatever the model: data,
 * preprocessing, backend, numbers, threads. */
static int inputs_key(const assay_audit *a, char key[65],
                      struct assay_error *err)
{
    json_t *inputs = assay__audit_inputs(a);
    int code = assay__cache_key(inputs, key, err);

    json_decref(inputs);
    return code;
}

/* What attackers train their own models by, as far as a recipe says it; that
 * of a target which the run trains is in its key. */
static void hash_training(struct assay__sha256 *hash,
                          const struct assay_recipe *recipe)
{
    const struct assay_optimizer_options *o = &recipe->optimizer;
    const double numbers[] = {recipe->lr, o->momentum, o->weight_decay,
                              o->beta1,   o->beta2,    o->eps};

    assay__sha256_add(hash, &o->kind, sizeof(o->kind));
    assay__sha256_add(hash, numbers, sizeof(numbers));
}

/* What attacks beyond membership depend on besides. */
static void hash_world(struct assay__sha256 *hash, const assay_audit *a)
{
    const char *copy = a->options.copy_arch;

    if (!assay__audit_wants_world(a))
        return;
    assay__sha256_add(hash, &a->attribute, sizeof(a->attribute));
    if (copy != NULL)
        assay__sha256_add(hash, copy, strlen(copy));
    if (a->options.layer != NULL) {
        assay__sha256_add(hash, "layer", 5);
        assay__sha256_add(hash, a->options.layer, strlen(a->options.layer));
    }
    if (a->pool != NULL)
        assay__sha256_add(hash, assay_dataset_sha256(a->pool), 64);
    if (a->opened != NULL)
        hash_training(hash, &a->recipe);
    assay__sha256_add(hash, &a->options.generator_epochs,
                      sizeof(a->options.generator_epochs));
    assay__sha256_add(hash, &a->options.generator_width,
                      sizeof(a->options.generator_width));
}

/* A hash over the keys of all evidence: the scores' inputs. */
static int hash_evidence(struct assay__scene *scene, const assay_audit *a,
                         struct assay_error *err)
{
    struct assay__sha256 hash;
    char key[65];
    int i;
    int code = inputs_key(a, key, err);

    if (code != ASSAY_OK)
        return code;
    if (assay__sha256_begin(&hash) != ASSAY_OK)
        return assay_error_set(err, ASSAY_NOMEM, "hash of evidence");
    assay__sha256_add(&hash, key, 64);
    if (scene->target_job < 0)
        assay__sha256_add(&hash, a->opened_sha256, 64);
    for (i = 0; i < scene->n_jobs; i++)
        assay__sha256_add(&hash, scene->job[i].key, 64);
    for (i = 0; i < ASSAY__SUBSETS; i++)
        assay__sha256_add(&hash, scene->audited[i].sha256, 64);
    assay__sha256_add(&hash, &scene->with_population,
                      sizeof(scene->with_population));
    hash_world(&hash, a);
    if (assay__defense_answers(a))
        assay__sha256_add(&hash, a->defense.text, strlen(a->defense.text));
    assay__sha256_end(&hash, scene->evidence_sha256);
    return ASSAY_OK;
}

/*
 * The classifier that judges reconstructed pictures: another architecture
 * than most targets, trained on target-train and shadow-train, so that it
 * knows the members and more.
 */
static int add_evaluator(struct assay__scene *scene, const assay_audit *a,
                         struct assay_error *err)
{
    struct assay__job *job = &scene->job[scene->n_jobs];

    scene->evaluator_job = scene->n_jobs++;
    scene->evaluator_recipe = a->recipe;
    scene->evaluator_recipe.evaluate_every = 0;
    job->train = scene->evaluator_rows;
    job->test = &scene->audited[ASSAY__NONMEMBERS];
    job->recipe = &scene->evaluator_recipe;
    job->arch = evaluator_arch;
    job->teacher = -1;
    job->quarter = "target-train and shadow-train";
    return assay__job_init(job, a, scene, "evaluator", -1, err);
}

int assay__scene_prepare(struct assay__scene *scene, const assay_audit *a,
                         struct assay_error *err)
{
    int code = ASSAY_OK;

    scene->target_job = -1;
    scene->shadow_job = -1;
    scene->evaluator_job = -1;
    scene->job = assay__calloc(2 * ((size_t)scene->n_references + 3),
                               sizeof(*scene->job));
    if (scene->job == NULL)
        return assay_error_set(err, ASSAY_NOMEM, "models to train");
    if (scene->n_references > 0)
        code = draw_halves(scene, a, err);
    if (code == ASSAY_OK && has_teachers(scene, a))
        code = for_all(scene, a, add_teacher, err);
    if (code == ASSAY_OK)
        code = for_all(scene, a, add_job, err);
    if (code == ASSAY_OK && scene->with_evaluator)
        code = add_evaluator(scene, a, err);
    if (code == ASSAY_OK)
        code = hash_evidence(scene, a, err);
    return code;
}

/* One list of two of equal length. */
static int join_rows(uint32_t **index, struct assay__rows *rows,
                     const struct assay__rows *one,
                     const struct assay__rows *other, struct assay_error *err)
{
    size_t n = one->n;

    *index = assay__malloc(2 * n * sizeof(**index));
    if (*index == NULL)
        return assay_error_set(err, ASSAY_NOMEM, "two lists of %zu records", n);
    memcpy(*index, one->index, n * sizeof(**index));
    memcpy(*index + n, other->index, n * sizeof(**index));
    return assay__rows_set(rows, *index, 2 * n, err);
}

/* What attacks that need the models themselves learn from. */
static int add_quarters(struct assay__scene *scene, const assay_audit *a,
                        unsigned needs, struct assay_error *err)
{
    int code = ASSAY_OK;

    scene->with_auxiliary = (needs & ASSAY_NEED_AUXILIARY) != 0;
    scene->with_evaluator = (needs & ASSAY_NEED_EVALUATOR) != 0;
    scene->with_generator = (needs & ASSAY_NEED_GENERATOR) != 0;
    if (assay__audit_wants_world(a))
        code = join_rows(&scene->auxiliary_index, &scene->auxiliary,
                         &scene->shadow[0], &scene->shadow[1], err);
    if (code == ASSAY_OK && scene->with_evaluator)
        code =
            join_rows(&scene->evaluator_index, &scene->evaluator_rows,
                      &scene->audited[ASSAY__MEMBERS], &scene->shadow[0], err);
    return code;
}

int assay__scene_main(struct assay__scene *scene, const assay_audit *a,
                      struct assay_error *err)
{
    static const enum assay_quarter quarters[ASSAY__SUBSETS] = {
        ASSAY_TARGET_TRAIN, ASSAY_TARGET_TEST, ASSAY_SHADOW_TEST};
    unsigned needs = assay__audit_needs(a);
    int code = ASSAY_OK;
    int i;

    memset(scene, 0, sizeof(*scene));
    scene->prefix = "";
    scene->recipe = a->recipe;
    scene->defended = assay__defense_trains(a);
    scene->with_control =
        a->options.controls != ASSAY_CONTROLS_NONE && a->n_attacks > 0;
    scene->with_shadow =
        scene->with_control || (needs & ASSAY_NEED_SHADOW) != 0;
    scene->with_population = (needs & ASSAY_NEED_POPULATION) != 0;
    scene->n_references = a->plan.n_references;
    for (i = 0; i < ASSAY__SUBSETS && code == ASSAY_OK; i++)
        code = assay__rows_set(&scene->audited[i], a->split.index[quarters[i]],
                               a->split.n, err);
    if (code == ASSAY_OK)
        code = assay__rows_set(&scene->shadow[0],
                               a->split.index[ASSAY_SHADOW_TRAIN], a->split.n,
                               err);
    if (code == ASSAY_OK)
        code =
            assay__rows_set(&scene->shadow[1],
                            a->split.index[ASSAY_SHADOW_TEST], a->split.n, err);
    if (code == ASSAY_OK)
        code = add_quarters(scene, a, needs, err);
    if (code == ASSAY_OK)
        code = assay__scene_prepare(scene, a, err);
    return code;
}

/* Models that know `n` records of each quarter by heart. */
int assay__scene_overfitted(struct assay__scene *scene, const assay_audit *a,
                            struct assay_error *err)
{
    enum { RECORDS = 500, EPOCHS = 100, REFERENCES = 8 };
    size_t n = a->split.n / 2 < RECORDS ? a->split.n / 2 : RECORDS;
    size_t rest = a->split.n - n < 2 * RECORDS ? a->split.n - n : 2 * RECORDS;
    int references = a->scene.n_references;
    int code;

    memset(scene, 0, sizeof(*scene));
    scene->prefix = "overfitted-";
    scene->recipe = a->recipe;
    scene->recipe.epochs = EPOCHS;
    scene->recipe.schedule = ASSAY_SCHEDULE_CONSTANT;
    scene->recipe.n_milestones = 0;
    scene->recipe.optimizer.weight_decay = 0;
    scene->recipe.evaluate_every = 0;
    memset(&scene->recipe.augment, 0, sizeof(scene->recipe.augment));
    scene->with_shadow = 1;
    scene->with_population = a->scene.with_population;
    scene->n_references = references < REFERENCES ? references : REFERENCES;
    code = assay__rows_set(&scene->audited[ASSAY__MEMBERS],
                           a->split.index[ASSAY_TARGET_TRAIN], n, err);
    if (code == ASSAY_OK)
        code = assay__rows_set(&scene->audited[ASSAY__NONMEMBERS],
                               a->split.index[ASSAY_TARGET_TEST], n, err);
    if (code == ASSAY_OK)
        code =
            assay__rows_set(&scene->audited[ASSAY__POPULATION],
                            a->split.index[ASSAY_SHADOW_TEST] + n, rest, err);
    if (code == ASSAY_OK)
        code = assay__rows_set(&scene->shadow[0],
                               a->split.index[ASSAY_SHADOW_TRAIN], n, err);
    if (code == ASSAY_OK)
        code = assay__rows_set(&scene->shadow[1],
                               a->split.index[ASSAY_SHADOW_TEST], n, err);
    if (code == ASSAY_OK)
        code = add_quarters(scene, a,
                            assay__audit_needs(a) & ASSAY_NEED_AUXILIARY, err);
    if (code == ASSAY_OK)
        code = assay__scene_prepare(scene, a, err);
    return code;
}

void assay__scene_input(const struct assay__scene *scene, const assay_audit *a,
                        int as_control, struct assay_attack_input *in)
{
    const struct assay_evidence *attacked =
        as_control ? scene->control : scene->target;

    memset(in, 0, sizeof(*in));
    in->ctx = &a->ctx;
    in->compute = &a->options.compute;
    in->members = &attacked[ASSAY__MEMBERS];
    in->nonmembers = &attacked[ASSAY__NONMEMBERS];
    if (attacked[ASSAY__POPULATION].n > 0)
        in->population = &attacked[ASSAY__POPULATION];
    if (scene->shadow_own[0].n > 0 && scene->shadow_own[1].n > 0) {
        in->shadow_members = &scene->shadow_own[0];
        in->shadow_nonmembers = &scene->shadow_own[1];
    }
    in->reference = scene->n_references > 0 ? scene->reference : NULL;
    in->n_references = scene->n_references;
}

void assay__scene_release(struct assay__scene *scene)
{
    int i;

    for (i = 0; i < scene->n_jobs; i++)
        assay__job_release(&scene->job[i]);
    for (i = 0; i < ASSAY__SUBSETS; i++) {
        assay_evidence_release(&scene->evaluator_evidence[i]);
        assay_evidence_release(&scene->target[i]);
        assay_evidence_release(&scene->control[i]);
    }
    assay_evidence_release(&scene->shadow_own[0]);
    assay_evidence_release(&scene->shadow_own[1]);
    for (i = 0; i < scene->n_references * ASSAY__SUBSETS; i++) {
        if (scene->reference_evidence != NULL)
            assay_evidence_release(&scene->reference_evidence[i]);
    }
    for (i = 0; i < scene->n_references; i++) {
        if (scene->half != NULL)
            assay__free(scene->half[i]);
        if (scene->trained_on != NULL)
            assay__free(scene->trained_on[i]);
    }
    assay_evidence_release(&scene->target_auxiliary);
    assay_evidence_release(&scene->target_pool);
    assay__free(scene->auxiliary_index);
    assay__free(scene->evaluator_index);
    assay__free(scene->half);
    assay__free(scene->trained_on);
    assay__free(scene->reference);
    assay__free(scene->reference_evidence);
    assay__free(scene->job);
    assay_curve_release(&scene->target_curve);
    assay_curve_release(&scene->shadow_curve);
    memset(scene, 0, sizeof(*scene));
}
