/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plans: what an audit will do, how long that takes, and what is left out
 * when the time is short. Training dominates, so its speed is measured: a
 * few steps of two models side by side, twice, the difference of which is
 * free of compiling. The rest is estimated from constants that are right
 * within a factor of two on the machines they were taken on.
 *
 * To keep to a budget, references go first (16, 8, 4, 2, none): half of them
 * costs the strongest attacks some power, but nothing else. Then the slowest
 * attacks: the white-box networks, and those that train models of their own
 * or ask about each record hundreds of times.
 */

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "audit/audit.h"
#include "core/mem.h"
#include "core/printable.h"
#include "core/thread.h"

/* Seconds per record that a network attack trains or scores on (both the
 * default 20 epochs of training and the scoring), on one core. */
static const double black_box_seconds = 0.00015;
static const double white_box_seconds = 0.003;
/* Inference costs about a third of a training step. */
static const double inference_share = 0.35;
static const double report_seconds = 3;
/* Per record and epoch, for pictures of 32x32 and a width of 32. */
static const double generator_seconds = 0.00057;

enum { PROBE_MODELS = 2, PROBE_STEPS_MAX = 60 };

/* A probe is defended as its like will be, but for what a teacher says. */
static int defend_probe(const assay_audit *a, struct assay_training *t,
                        struct assay_defended *d, struct assay_error *err)
{
    if (!assay__defense_trains(a) || a->defense.row->needs_teacher)
        return ASSAY_OK;
    return assay_defense_apply(d, &a->defense, &a->ctx, &a->options.compute,
                               NULL, "", t, err);
}

/* Wall seconds of `steps` steps of two models trained at once. */
static int probe(const assay_audit *a, size_t steps, double *seconds,
                 struct assay_error *err)
{
    struct assay_training t[PROBE_MODELS];
    struct assay_defended defended[PROBE_MODELS];
    struct assay_recipe recipe = a->recipe;
    struct assay_context silent = a->ctx;
    assay_view *view = NULL;
    size_t n = steps * recipe.batch;
    double started;
    int code;
    int i;

    memset(t, 0, sizeof(t));
    memset(defended, 0, sizeof(defended));
    silent.progress = NULL;
    silent.log = NULL;
    recipe.epochs = 1;
    recipe.evaluate_every = 0;
    if (n > a->split.n)
        n = a->split.n;
    code = assay_view_new(&view, a->data, a->split.index[ASSAY_TARGET_TRAIN], n,
                          &a->preprocess, err);
    for (i = 0; i < PROBE_MODELS && code == ASSAY_OK; i++) {
        code = assay__job_model(&t[i].model, a, a->arch, assay__audit_norm(a),
                                0, err);
        t[i].train = view;
        t[i].recipe = &recipe;
        t[i].task = "plan";
        if (code == ASSAY_OK)
            code = defend_probe(a, &t[i], &defended[i], err);
    }
    started = assay__clock_seconds();
    if (code == ASSAY_OK)
        code = assay_models_train(&silent, &a->options.compute, t, PROBE_MODELS,
                                  err);
    *seconds = assay__clock_seconds() - started;
    for (i = 0; i < PROBE_MODELS; i++) {
        assay_model_free(t[i].model);
        assay_curve_release(&t[i].curve);
        assay_defended_release(&defended[i]);
    }
    assay_view_free(view);
    return code;
}

/* Seconds per step and model when models are trained side by side. */
static int measure_step(assay_audit *a, struct assay_error *err)
{
    size_t few = 2;
    size_t more;
    double first = 0;
    double second = 0;
    int code;

    code = probe(a, few, &first, err); /* compiles and chooses algorithms */
    if (code == ASSAY_OK)
        code = probe(a, few, &first, err);
    if (code != ASSAY_OK)
        return code;
    more = (size_t)(2.0 * (double)few / (first + 1e-3)) + 4;
    if (more > PROBE_STEPS_MAX)
        more = PROBE_STEPS_MAX;
    if ((few + more) * a->recipe.batch > a->split.n)
        more = a->split.n / a->recipe.batch > few
                   ? a->split.n / a->recipe.batch - few
                   : 0;
    code = probe(a, few + more, &second, err);
    if (code != ASSAY_OK)
        return code;
    if (more > 0 && second > first)
        a->plan.step_seconds = (second - first) / (double)(more * PROBE_MODELS);
    else
        a->plan.step_seconds = second / (double)(few * PROBE_MODELS);
    return ASSAY_OK;
}

static struct assay_audit_item *add_item(struct assay_audit_plan *plan,
                                         size_t n, double seconds)
{
    struct assay_audit_item *item = &plan->item[plan->n_items];

    if (plan->n_items < ASSAY_AUDIT_ITEMS_MAX - 1)
        plan->n_items++;
    memset(item, 0, sizeof(*item));
    item->n = n;
    item->seconds = seconds;
    return item;
}

static double steps_of(const struct assay__scene *scene, size_t n)
{
    double per_epoch = ceil((double)n / (double)scene->recipe.batch);

    return per_epoch * (double)scene->recipe.epochs;
}

static void plan_training(assay_audit *a, const struct assay__scene *scene,
                          const char *what)
{
    struct assay_audit_item *item;
    double steps = 0;
    int reused = 0;
    int i;

    for (i = 0; i < scene->n_jobs; i++) {
        const struct assay__job *job = &scene->job[i];

        if (assay__cache_peek(&a->cache, job->path, job->inputs) ||
            assay__library_peek(&a->cache, job->key))
            reused++;
        else
            steps += steps_of(scene, job->train.n);
    }
    if (scene->n_jobs == 0)
        return;
    item = add_item(&a->plan, (size_t)scene->n_jobs,
                    steps > 0 ? steps * a->plan.step_seconds : 0);
    item->reused = reused;
    a->plan.n_models += scene->n_jobs - reused;
    if (scene == &a->scene)
        snprintf(item->what, sizeof(item->what),
                 "train %s%s%s%s%d reference models, %zu records each",
                 scene->n_taught > 0 ? "teachers, " : "",
                 scene->target_job >= 0 ? "target, " : "",
                 scene->shadow_job >= 0 ? "shadow, " : "",
                 scene->evaluator_job >= 0 ? "evaluator, " : "",
                 scene->n_references, scene->audited[0].n);
    else
        snprintf(item->what, sizeof(item->what), "%s", what);
}

/* The generator that inversion searches in. */
static void plan_generator(assay_audit *a)
{
    const struct assay__scene *s = &a->scene;
    const struct assay_preprocess *p = &a->preprocess;
    double pixels = (double)p->height * (double)p->width / (32 * 32);
    double width = (double)a->options.generator_width / 32;
    bool reused;

    if (!s->with_generator)
        return;
    reused = assay__generator_there(a, s);
    snprintf(add_item(&a->plan, 1,
                      reused ? 0
                             : generator_seconds * pixels * pow(width, 1.5) *
                                   (double)s->auxiliary.n *
                                   (double)a->options.generator_epochs)
                 ->what,
             sizeof(a->plan.item[0].what),
             "train a generator on %zu shadow records", s->auxiliary.n);
    a->plan.item[a->plan.n_items - 1].reused = reused;
}

/* Altered copies that are asked about beside n records of which a model is
 * asked all there is. */
static size_t altered_copies(const assay_audit *a, size_t n)
{
    return assay__audit_needs(a) & ASSAY_NEED_QUERIES ? ASSAY_QUERIES * n : 0;
}

static void plan_evidence(assay_audit *a)
{
    const struct assay__scene *s = &a->scene;
    size_t audited = s->audited[0].n + s->audited[1].n;
    size_t own = s->shadow_job >= 0 ? s->shadow[0].n + s->shadow[1].n : 0;
    size_t full = audited * (s->with_control ? 2 : 1) + own;
    size_t n = full + audited * (size_t)s->n_references;
    size_t asked;

    if (s->with_population)
        n += s->audited[ASSAY__POPULATION].n *
             (size_t)(1 + s->n_references + (s->with_control ? 1 : 0));
    asked = n + altered_copies(a, full);
    snprintf(add_item(&a->plan, n,
                      (double)asked / (double)a->recipe.batch *
                          inference_share * a->plan.step_seconds)
                 ->what,
             sizeof(a->plan.item[0].what), "collect evidence on %zu records",
             n);
}

/* Epochs set for a network attack, as a share of the default; 1 for attacks
 * without epochs. */
static double epochs_share(const assay_audit *a,
                           const struct assay_attack *attack)
{
    const double *param = assay__audit_params(a, attack);
    int i = assay_settings_index(attack->params, "epochs");

    return param != NULL && i >= 0 ? param[i] / attack->params[i].value : 1;
}

double assay__attack_seconds(const assay_audit *a,
                             const struct assay_attack *attack)
{
    double n = (double)a->plan.n_scored;
    struct assay_attack_sizes sizes = {
        a->split.n, 2 * a->split.n,
        a->pool != NULL ? assay_dataset_count(a->pool) : 0,
        a->data != NULL ? assay_dataset_n_classes(a->data) : 0,
        a->recipe.epochs};

    if (attack->work != NULL)
        return attack->work(&sizes, assay__audit_params(a, attack)) *
               a->plan.step_seconds / (double)a->recipe.batch;
    if (strstr(attack->name, "network") == NULL)
        return 0.01 + n * 1e-6 * (a->plan.n_references + 1);
    n *= epochs_share(a, attack);
    if (attack->auxiliary == ASSAY_AUX_PARTIAL)
        n /= 3;
    if (attack->access == ASSAY_ACCESS_WHITE_BOX)
        return n * white_box_seconds;
    return n * black_box_seconds;
}

/* Files of predictions bring no model to ask. */
static int is_planned(const assay_audit *a, int i)
{
    return a->left_out[i][0] == '\0' &&
           (a->data != NULL || (a->attack[i]->needs & ASSAY_NEED_MODEL) == 0);
}

/* Running the chosen attacks once, on the target or ("control-") on a model
 * in its place. */
static struct assay_audit_item *plan_scores(assay_audit *a, const char *prefix)
{
    struct assay_audit_item *item = add_item(&a->plan, 0, 0);
    int i;

    for (i = 0; i < a->n_attacks; i++) {
        if (!is_planned(a, i))
            continue;
        item->n++;
        if (assay__scores_there(a, a->attack[i], prefix))
            item->reused++;
        else
            item->seconds +=
                assay__attack_seconds(a, a->attack[i]) / a->ctx.threads;
    }
    return item;
}

static void plan_attacks(assay_audit *a, int with_control)
{
    struct assay_audit_item *item = plan_scores(a, "");

    snprintf(item->what, sizeof(item->what),
             "run %zu attacks on %zu members and non-members", item->n,
             a->plan.n_scored);
    if (!with_control)
        return;
    item = plan_scores(a, "control-");
    snprintf(item->what, sizeof(item->what),
             "run them on a model that never saw the records");
}

static void plan_positive(assay_audit *a)
{
    size_t n = a->split.n / 2 < 500 ? a->split.n / 2 : 500;
    int models = 2 + (a->scene.n_references < 8 ? a->scene.n_references : 8);
    double steps = 100 * ceil((double)n / (double)a->recipe.batch) * models;
    struct assay_audit_item *item;

    item = add_item(&a->plan, (size_t)models, steps * a->plan.step_seconds);
    snprintf(item->what, sizeof(item->what),
             "train %d models that know %zu records by heart, and attack them",
             models, n);
    a->plan.n_models += models;
}

/* Detectors differ too much for an estimate. */
static void plan_detection(assay_audit *a)
{
    const struct assay_audit_options *o = &a->options;
    size_t n = o->n_clean_models + (size_t)a->scene.n_references +
               (size_t)(a->scene.shadow_job >= 0);

    if (!assay__detection_wanted(o))
        return;
    snprintf(add_item(&a->plan, n + 1, (double)NAN)->what,
             sizeof(a->plan.item[0].what),
             "look for backdoors in the model and in %zu clean ones", n);
}

/* What the caller gave nothing for is no reason to train helpers. */
static void leave_out_unmet(assay_audit *a)
{
    const unsigned references =
        ASSAY_NEED_REFERENCES | ASSAY_NEED_REFERENCES_OUT;
    int i;

    for (i = 0; i < a->n_attacks; i++) {
        unsigned needs = a->attack[i]->needs;
        const char *why = NULL;

        if ((needs & ASSAY_NEED_ATTRIBUTE) != 0 && a->attribute < 0)
            why = "no sensitive attribute is named (--attribute)";
        else if ((needs & ASSAY_NEED_POOL) != 0 && a->pool == NULL)
            why = "no records of another distribution are given (--query-data)";
        else if ((needs & references) != 0 && a->n_members > 0)
            why = "reference models would have to be trained as the target "
                  "was, on as many records: its training set is not at hand";
        if (why != NULL)
            snprintf(a->left_out[i], sizeof(a->left_out[i]), "%s", why);
    }
}

/* Fill the items for the present number of references, none when no attack
 * uses them. */
static int plan_once(assay_audit *a, struct assay_error *err)
{
    int references = a->plan.n_references;
    double step = a->plan.step_seconds;
    int code;
    int i;

    assay__scene_release(&a->scene);
    a->plan.n_items = 0;
    a->plan.n_models = 0;
    code = assay__scene_main(&a->scene, a, err);
    if (code != ASSAY_OK)
        return code;
    a->plan.n_references = references;
    a->plan.step_seconds = step;
    a->plan.n_scored =
        a->scene.audited[0].n + a->scene.audited[ASSAY__NONMEMBERS].n;
    plan_training(a, &a->scene, "");
    plan_generator(a);
    plan_evidence(a);
    if (a->n_attacks > 0)
        plan_attacks(a, a->options.controls != ASSAY_CONTROLS_NONE);
    plan_detection(a);
    if (assay__control_wants_positive(a))
        plan_positive(a);
    /* Detectors are not timed and not counted; trainings that are not timed
     * leave nothing to expect. */
    a->plan.seconds = a->options.no_estimates ? (double)NAN : report_seconds;
    for (i = 0; i < a->plan.n_items; i++) {
        if (!isnan(a->plan.item[i].seconds))
            a->plan.seconds += a->plan.item[i].seconds;
    }
    return ASSAY_OK;
}

static void add_note(struct assay_audit_plan *plan, const char *text)
{
    if (plan->n_notes == ASSAY_AUDIT_NOTES_MAX)
        return;
    snprintf(plan->note[plan->n_notes], sizeof(plan->note[0]), "%s", text);
    assay__make_printable(plan->note[plan->n_notes++]); /* names from files */
}

static int is_slow(const struct assay_attack *attack)
{
    return (attack->needs & ASSAY_NEED_EMBEDDING) != 0 ||
           (attack->goal == ASSAY_GOAL_MEMBERSHIP && attack->work != NULL);
}

/* How many were left out. */
static int leave_out_slow(assay_audit *a)
{
    int n = 0;
    int i;

    for (i = 0; i < a->n_attacks; i++) {
        if (!is_slow(a->attack[i]))
            continue;
        snprintf(a->left_out[i], sizeof(a->left_out[i]),
                 "left out to keep to the budget of %.0f seconds",
                 a->options.budget_seconds);
        n++;
    }
    if (n > 0)
        add_note(&a->plan,
                 "White-box attacks, and such as train models or ask much, "
                 "were left out to keep to the time budget.");
    return n;
}

static int fit_budget(assay_audit *a, struct assay_error *err)
{
    int asked = a->plan.n_references;
    char text[160];
    int code = ASSAY_OK;

    while (code == ASSAY_OK && a->plan.seconds > a->options.budget_seconds &&
           a->plan.n_references > 0) {
        int half = a->plan.n_references / 2;

        a->plan.n_references = half < 2 ? 0 : half - half % 2;
        code = plan_once(a, err);
    }
    if (a->plan.n_references < asked) {
        snprintf(text, sizeof(text),
                 "%d reference models instead of %d, to keep to the time "
                 "budget: the attacks that use them are weaker or were not "
                 "run.",
                 a->plan.n_references, asked);
        add_note(&a->plan, text);
    }
    if (code == ASSAY_OK && a->plan.seconds > a->options.budget_seconds &&
        leave_out_slow(a) > 0)
        code = plan_once(a, err);
    if (code == ASSAY_OK && a->plan.seconds > a->options.budget_seconds)
        add_note(&a->plan, "Even so the expected time is over the budget.");
    return code;
}

/* What the process holds now, after training two models, plus the evidence
 * to come. */
static size_t expected_memory(const assay_audit *a)
{
    size_t rows = a->scene.audited[0].n * ASSAY__SUBSETS;
    size_t classes = (size_t)assay_dataset_n_classes(a->data);
    size_t logits = rows * classes * sizeof(float);

    return assay__peak_memory() + logits * (size_t)(a->scene.n_references + 3) +
           ((size_t)64 << 20);
}

static void plan_predictions(assay_audit *a)
{
    a->plan.n_scored = a->scene.target[ASSAY__MEMBERS].n +
                       a->scene.target[ASSAY__NONMEMBERS].n;
    a->plan.n_references = a->scene.n_references;
    plan_attacks(a, 0);
    a->plan.seconds = report_seconds + a->plan.item[0].seconds;
    a->plan.memory_bytes = assay__peak_memory() + ((size_t)64 << 20);
}

static int note_norm(assay_audit *a, struct assay_error *err)
{
    int replaces;
    int code = assay__defense_replaces_norm(a, &replaces, err);
    char text[160];

    if (code != ASSAY_OK || !replaces)
        return code;
    snprintf(text, sizeof(text),
             "Batch norm is replaced by group norm in target, shadow and "
             "references: %s does not go with batch norm.",
             a->defense.row->name);
    add_note(&a->plan, text);
    return ASSAY_OK;
}

static void note_defense(assay_audit *a)
{
    const char *noted = a->opened != NULL
                            ? assay_model_note(a->opened, ASSAY_NOTE_DEFENSE)
                            : NULL;
    char text[160];

    if (noted == NULL)
        return;
    snprintf(text, sizeof(text),
             "The model's notes say that it was trained with %.*s; shadow and "
             "reference models are trained with%s%s.",
             (int)strcspn(noted, " ") < 30 ? (int)strcspn(noted, " ") : 30,
             noted, assay__defense_trains(a) ? " it too" : "out it",
             assay__defense_trains(a) ? "" : ", as --defense says");
    add_note(&a->plan, text);
}

int assay__plan_make(assay_audit *a, struct assay_error *err)
{
    int code;

    memset(&a->plan, 0, sizeof(a->plan));
    a->plan.step_seconds = (double)NAN;
    if (a->data == NULL) {
        plan_predictions(a);
        return ASSAY_OK;
    }
    if (assay__detection_alone(a) && a->opened != NULL) {
        plan_detection(a);
        a->plan.seconds = (double)NAN;
        return ASSAY_OK;
    }
    leave_out_unmet(a);
    if (assay__audit_needs(a) &
        (ASSAY_NEED_REFERENCES | ASSAY_NEED_REFERENCES_OUT))
        a->plan.n_references = a->options.n_references;
    code = plan_once(a, err);
    if (a->plan.n_models == 0)
        a->plan.step_seconds = 0;
    else if (code == ASSAY_OK && !a->options.no_estimates)
        code = measure_step(a, err);
    if (code == ASSAY_OK)
        code = plan_once(a, err);
    if (code == ASSAY_OK && a->options.budget_seconds > 0)
        code = fit_budget(a, err);
    if (a->options.budget_seconds > 0 && assay__detection_wanted(&a->options))
        add_note(&a->plan, "The time budget does not count detectors and "
                           "repairs.");
    if (a->options.controls == ASSAY_CONTROLS_FULL &&
        !assay__control_wants_positive(a))
        add_note(&a->plan, "No positive control: there is no attack but "
                           "baselines, which it does not judge.");
    if (code == ASSAY_OK)
        code = note_norm(a, err);
    if (code == ASSAY_OK)
        note_defense(a);
    if (!a->options.no_estimates)
        a->plan.memory_bytes = expected_memory(a);
    return code;
}
