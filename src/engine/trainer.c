/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a training needs, made from a program and options, and one step.
 *
 * The program's graph is cloned (ids stay) and the derivative appended. Two
 * plans share one store when the records do not divide into batches; private
 * training (private.c) has more. One tuning serves all.
 */

#include "engine/trainer.h"

#include <math.h>
#include <string.h>

#include "core/mem.h"
#include "engine/backend.h"

enum { MAX_THREADS = 1024 };

static const char *task_of(const struct assay_train_options *o)
{
    return o->task ? o->task : "training";
}

static int check_rates(const struct assay_train_options *o,
                       struct assay_error *err)
{
    int max = (int)(sizeof(o->milestones) / sizeof(o->milestones[0]));

    if (!(o->lr >= 0.0) || !isfinite(o->lr))
        return assay_error_set(err, ASSAY_ARG,
                               "%s: learning rate %g is negative or not "
                               "finite",
                               task_of(o), o->lr);
    if ((int)o->schedule < 0 || o->schedule > ASSAY_SCHEDULE_COSINE)
        return assay_error_set(err, ASSAY_ARG, "%s: schedule %d does not exist",
                               task_of(o), (int)o->schedule);
    if (o->n_milestones < 0 || o->n_milestones > max)
        return assay_error_set(err, ASSAY_ARG, "%s: %d milestones, at most %d",
                               task_of(o), o->n_milestones, max);
    if (!(o->gamma >= 0.0) || !isfinite(o->gamma))
        return assay_error_set(err, ASSAY_ARG,
                               "%s: gamma %g is negative or not finite",
                               task_of(o), o->gamma);
    return ASSAY_OK;
}

static int check_privacy(const struct assay_train_options *o,
                         struct assay_error *err)
{
    const struct assay_privacy_options *p = &o->privacy;

    if (!(p->clip_norm >= 0.0) || !(p->noise_multiplier >= 0.0) ||
        !isfinite(p->noise_multiplier))
        return assay_error_set(err, ASSAY_ARG,
                               "%s: clip norm %g and noise multiplier %g must "
                               "not be negative",
                               task_of(o), p->clip_norm, p->noise_multiplier);
    if (p->noise_multiplier > 0.0 &&
        !(p->clip_norm > 0.0 && isfinite(p->clip_norm)))
        return assay_error_set(err, ASSAY_ARG,
                               "%s: noise multiplier %g needs a finite clip "
                               "norm above 0, not %g",
                               task_of(o), p->noise_multiplier, p->clip_norm);
    return ASSAY_OK;
}

static int check_options(const struct assay_train_options *o, size_t n,
                         struct assay_error *err)
{
    if (n == 0)
        return assay_error_set(err, ASSAY_DATA, "%s: no records to train on",
                               task_of(o));
    if (n > UINT32_MAX)
        return assay_error_set(err, ASSAY_LIMIT, "%s: %zu records, at most %lu",
                               task_of(o), n, (unsigned long)UINT32_MAX);
    if (o->batch == 0 || o->epochs == 0 || o->epochs > UINT32_MAX)
        return assay_error_set(err, ASSAY_ARG,
                               "%s: batch %zu and epochs %zu must be at "
                               "least 1",
                               task_of(o), o->batch, o->epochs);
    if (o->threads < 0 || o->threads > MAX_THREADS)
        return assay_error_set(err, ASSAY_ARG, "%s: threads %d is not in 0..%d",
                               task_of(o), o->threads, MAX_THREADS);
    if (o->checkpoint && (!o->io.read || !o->io.write))
        return assay_error_set(err, ASSAY_ARG,
                               "%s: a checkpoint without functions to read "
                               "and write it",
                               task_of(o));
    if (check_privacy(o, err) != ASSAY_OK)
        return err->code;
    return check_rates(o, err);
}

static bool is_private(const struct assay_trainer *t)
{
    return t->options.privacy.clip_norm > 0.0;
}

static bool per_record(const assay_graph *g, assay_value v)
{
    const struct assay_shape *shape = assay_graph_shape(g, v);

    return shape->rank > 0 && shape->dim[0] == ASSAY_BATCH;
}

static bool is_input(const assay_graph *g, assay_value v)
{
    for (int i = 0; i < g->n_inputs; i++) {
        if (g->input[i] == v)
            return true;
    }
    return false;
}

static int check_program(const struct assay_program *p, struct assay_error *err)
{
    if (p->n_inputs < 0 || p->n_monitors < 0 ||
        p->n_monitors > ASSAY_MONITORS_MAX)
        return assay_error_set(err, ASSAY_ARG,
                               "program: %d inputs, %d monitors (at most %d)",
                               p->n_inputs, p->n_monitors, ASSAY_MONITORS_MAX);
    for (int i = 0; i < p->n_inputs; i++) {
        if (!is_input(p->graph, p->inputs[i]) ||
            !per_record(p->graph, p->inputs[i]))
            return assay_error_set(err, ASSAY_ARG,
                                   "program: inputs[%d], value %d, is not an "
                                   "input with one row per record",
                                   i, p->inputs[i]);
    }
    for (int i = 0; i < p->n_monitors; i++) {
        if (assay_graph_shape(p->graph, p->monitor[i])->rank != 1 ||
            !per_record(p->graph, p->monitor[i]))
            return assay_error_set(err, ASSAY_SHAPE,
                                   "program: monitor[%d], value %d, is not "
                                   "one number per record",
                                   i, p->monitor[i]);
    }
    return ASSAY_OK;
}

/* The parameters to train: those named, or all that are trainable. */
static int list_trained(struct assay_trainer *t, assay_value *wrt)
{
    const struct assay_program *p = t->program;
    const assay_graph *g = p->graph;
    int n = 0;

    if (p->wrt) {
        for (int i = 0; i < p->n_wrt; i++)
            wrt[n++] = p->wrt[i];
        return n;
    }
    for (int i = 0; i < g->n_params; i++) {
        if (g->value[g->param[i]].flags & ASSAY_PARAM_TRAINABLE)
            wrt[n++] = g->param[i];
    }
    return n;
}

static int differentiate(struct assay_trainer *t, struct assay_error *err)
{
    const struct assay_program *p = t->program;
    size_t room = (size_t)(p->wrt ? p->n_wrt : p->graph->n_params);
    assay_value *wrt = assay__calloc(room, sizeof(*wrt));
    assay_value *d = assay__calloc(room, sizeof(*d));
    int n;
    int code = ASSAY_OK;

    t->gradients = assay__calloc(room, sizeof(*t->gradients));
    if (!wrt || !d || !t->gradients) {
        code = assay_error_set(err, ASSAY_NOMEM,
                               "out of memory for %zu gradients", room);
        goto out;
    }
    n = list_trained(t, wrt);
    if (is_private(t))
        code = assay__private_differentiate(t, wrt, n, d, err);
    else
        code = assay_differentiate(t->graph, p->loss, wrt, n, d, err);
    for (int i = 0; i < n && code == ASSAY_OK; i++) {
        if (d[i] == ASSAY_NO_VALUE)
            continue;
        t->gradients[t->n_gradients].param = wrt[i];
        t->gradients[t->n_gradients++].gradient = d[i];
    }
    if (code == ASSAY_OK && t->n_gradients == 0)
        code = assay_error_set(err, ASSAY_ARG,
                               "%s: the loss depends on no parameter that is "
                               "to be trained",
                               task_of(&t->options));
out:
    assay__free(wrt);
    assay__free(d);
    return code;
}

/* The sizes of batches that plans are made for, largest first. */
static void list_sizes(struct assay_trainer *t)
{
    size_t rest = t->source->n % t->options.batch;

    if (is_private(t)) {
        assay__private_sizes(t);
        return;
    }
    t->sized[t->n_sizes++].rows = t->options.batch;
    if (rest > 0)
        t->sized[t->n_sizes++].rows = rest;
}

static int measure_inputs(struct assay_trainer *t, struct assay_error *err)
{
    const struct assay_program *p = t->program;

    t->width = assay__calloc((size_t)p->n_inputs, sizeof(*t->width));
    t->record = assay__calloc(t->sized[0].rows, sizeof(*t->record));
    t->epoch = assay__calloc(t->options.epochs, sizeof(*t->epoch));
    if (!t->width || !t->record || !t->epoch)
        return assay_error_set(err, ASSAY_NOMEM,
                               "out of memory for a training of %zu epochs",
                               t->options.epochs);
    for (int i = 0; i < p->n_inputs; i++)
        t->width[i] =
            assay_shape_count(assay_graph_shape(p->graph, p->inputs[i]), 1);
    return ASSAY_OK;
}

int assay__trainer_prepare(struct assay_trainer *t,
                           const struct assay_context *ctx,
                           const struct assay_program *program,
                           const struct assay_source *source,
                           const struct assay_train_options *options,
                           const struct assay_params *initial,
                           struct assay_error *err)
{
    int code = assay_graph_check(program->graph, err);

    memset(t, 0, sizeof(*t));
    t->ctx = ctx;
    t->program = program;
    t->source = source;
    t->options = *options;
    t->initial = initial;
    if (code == ASSAY_OK)
        code = check_options(options, source->n, err);
    if (code == ASSAY_OK)
        code = check_program(program, err);
    if (code != ASSAY_OK)
        return code;
    t->options.task = task_of(options);
    if (t->options.threads == 0)
        t->options.threads = ctx->threads;
    if (t->options.batch > source->n)
        t->options.batch = source->n;
    t->tuning = options->tuning;
    if (!t->tuning) {
        code = assay_tuning_new(&t->own_tuning, err);
        if (code != ASSAY_OK)
            return code;
        t->tuning = t->own_tuning;
    }
    list_sizes(t);
    code = measure_inputs(t, err);
    if (code == ASSAY_OK)
        code = assay_graph_clone(&t->graph, program->graph, err);
    if (code == ASSAY_OK)
        code = differentiate(t, err);
    return code;
}

/* Every input that is computed with must be one that a source fills. */
static int check_fed(const struct assay_trainer *t, struct assay_error *err)
{
    const struct assay_program *p = t->program;

    for (int i = 0; i < t->graph->n_inputs; i++) {
        assay_value v = t->graph->input[i];
        bool fed = is_private(t) && v == assay__private_weights(t);

        for (int k = 0; k < p->n_inputs; k++)
            fed = fed || p->inputs[k] == v;
        if (t->plan->uses[v] > 0 && !fed)
            return assay_error_set(err, ASSAY_ARG,
                                   "%s: input '%.100s' is used, but not one "
                                   "of the program's",
                                   t->options.task,
                                   t->graph->value[v].name
                                       ? t->graph->value[v].name
                                       : "(unnamed)");
    }
    return ASSAY_OK;
}

static int make_plan(struct assay_trainer *t, struct assay__sized *sized,
                     struct assay_error *err)
{
    const struct assay_program *p = t->program;
    assay_value outputs[1 + ASSAY_MONITORS_MAX];
    struct assay_plan_options o;

    memset(&o, 0, sizeof(o));
    outputs[0] = is_private(t) ? assay__private_loss(t) : p->loss;
    for (int i = 0; i < p->n_monitors; i++)
        outputs[1 + i] = p->monitor[i];
    o.backend = t->options.backend;
    o.batch = (int64_t)sized->rows;
    o.mode = ASSAY_MODE_TRAIN;
    o.threads = t->options.threads;
    o.algorithms = t->options.algorithms;
    o.compute = t->options.compute;
    o.tuning = t->tuning;
    o.outputs = outputs;
    o.n_outputs = 1 + p->n_monitors;
    o.gradients = t->gradients;
    o.n_gradients = t->n_gradients;
    o.share = t->plan;
    o.in_its_memory = 1;
    return assay_plan_new(&sized->plan, t->graph, &o, err);
}

int assay__trainer_restart(struct assay_trainer *t, struct assay_error *err)
{
    int code;

    assay_optimizer_free(t->optimizer);
    t->optimizer = NULL;
    code = assay_plan_load(t->plan, t->initial, err);
    if (code == ASSAY_OK)
        code = assay_optimizer_new(&t->optimizer, t->plan,
                                   &t->options.optimizer, err);
    return code;
}

int assay__trainer_compile(struct assay_trainer *t, struct assay_error *err)
{
    int code = ASSAY_OK;

    for (int i = 0; i < t->n_sizes && code == ASSAY_OK; i++) {
        code = make_plan(t, &t->sized[i], err);
        if (i == 0)
            t->plan = t->sized[0].plan;
        if (code == ASSAY_OK && i == 0)
            code = check_fed(t, err);
    }
    if (code == ASSAY_OK && is_private(t))
        code = assay__private_open(t, err);
    if (code == ASSAY_OK)
        code = assay__trainer_restart(t, err);
    return code;
}

void assay__trainer_release(struct assay_trainer *t)
{
    assay__private_close(t);
    assay_optimizer_free(t->optimizer);
    for (int i = t->n_sizes - 1; i >= 0; i--)
        assay_plan_free(t->sized[i].plan);
    assay_graph_free(t->graph);
    assay_tuning_free(t->own_tuning);
    assay__free(t->gradients);
    assay__free(t->width);
    assay__free(t->record);
    assay__free(t->epoch);
    memset(t, 0, sizeof(*t));
}

struct assay__sized *assay__trainer_plan_for(struct assay_trainer *t, size_t n)
{
    int i = t->n_sizes - 1;

    while (i > 0 && t->sized[i].rows < n)
        i--;
    return &t->sized[i];
}

int assay__trainer_step(struct assay_trainer *t, const struct assay__fed *fed,
                        uint64_t step, double lr, double *loss,
                        struct assay_error *err)
{
    const struct assay_program *p = t->program;
    assay_plan *plan = assay__trainer_plan_for(t, fed->n)->plan;
    int code = ASSAY_OK;

    if (is_private(t))
        return assay__private_step(t, fed, step, lr, loss, err);
    for (int i = 0; i < p->n_inputs && code == ASSAY_OK; i++)
        code = assay_plan_write(plan, p->inputs[i], fed->inputs[i], err);
    if (code != ASSAY_OK)
        return code;
    assay_plan_set_stream(plan, t->options.seed, step);
    code = assay_plan_run(plan, err);
    if (code == ASSAY_OK)
        code = assay_plan_read_f64(plan, p->loss, loss, err);
    if (code == ASSAY_OK && isfinite(*loss))
        code = assay_optimizer_step(t->optimizer, plan, lr, err);
    *loss *= (double)fed->n;
    return code;
}

int assay__trainer_sum(struct assay_trainer *t, assay_value v, size_t n,
                       double *sum, struct assay_error *err)
{
    int code = assay_plan_read_f64(assay__trainer_plan_for(t, n)->plan, v,
                                   t->record, err);

    *sum = 0.0;
    for (size_t k = 0; k < n && code == ASSAY_OK; k++)
        *sum += t->record[k];
    return code;
}

size_t assay__trainer_batches(const struct assay_trainer *t)
{
    return assay_train_steps(&t->options, t->source->n);
}
