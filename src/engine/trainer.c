/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a training needs, made from a program and options, and one step.
 *
 * The program's graph is cloned (ids stay) and the derivative appended. Two
 * plans share one store when the records do not divide into batches. One
 * tuning serves both.
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
    return check_rates(o, err);
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

static int measure_inputs(struct assay_trainer *t, struct assay_error *err)
{
    const struct assay_program *p = t->program;

    t->width = assay__calloc((size_t)p->n_inputs, sizeof(*t->width));
    t->record = assay__calloc(t->options.batch, sizeof(*t->record));
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
        bool fed = false;

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

static int make_plan(struct assay_trainer *t, size_t batch, assay_plan *share,
                     assay_plan **out, struct assay_error *err)
{
    const struct assay_program *p = t->program;
    assay_value outputs[1 + ASSAY_MONITORS_MAX];
    struct assay_plan_options o;

    memset(&o, 0, sizeof(o));
    outputs[0] = p->loss;
    for (int i = 0; i < p->n_monitors; i++)
        outputs[1 + i] = p->monitor[i];
    o.backend = t->options.backend;
    o.batch = (int64_t)batch;
    o.mode = ASSAY_MODE_TRAIN;
    o.threads = t->options.threads;
    o.algorithms = t->options.algorithms;
    o.compute = t->options.compute;
    o.tuning = t->tuning;
    o.outputs = outputs;
    o.n_outputs = 1 + p->n_monitors;
    o.gradients = t->gradients;
    o.n_gradients = t->n_gradients;
    o.share = share;
    return assay_plan_new(out, t->graph, &o, err);
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
    size_t rest = t->source->n % t->options.batch;
    int code = make_plan(t, t->options.batch, NULL, &t->plan, err);

    if (code == ASSAY_OK)
        code = check_fed(t, err);
    if (code == ASSAY_OK && rest > 0)
        code = make_plan(t, rest, t->plan, &t->rest, err);
    if (code == ASSAY_OK)
        code = assay__trainer_restart(t, err);
    return code;
}

void assay__trainer_release(struct assay_trainer *t)
{
    assay_optimizer_free(t->optimizer);
    assay_plan_free(t->rest);
    assay_plan_free(t->plan);
    assay_graph_free(t->graph);
    assay_tuning_free(t->own_tuning);
    assay__free(t->gradients);
    assay__free(t->width);
    assay__free(t->record);
    assay__free(t->epoch);
    memset(t, 0, sizeof(*t));
}

static assay_plan *plan_for(const struct assay_trainer *t, size_t n)
{
    return n == t->options.batch ? t->plan : t->rest;
}

int assay__trainer_step(struct assay_trainer *t, float *const *inputs, size_t n,
                        uint64_t step, double lr, double *loss,
                        struct assay_error *err)
{
    const struct assay_program *p = t->program;
    assay_plan *plan = plan_for(t, n);
    int code = ASSAY_OK;

    for (int i = 0; i < p->n_inputs && code == ASSAY_OK; i++)
        code = assay_plan_write(plan, p->inputs[i], inputs[i], err);
    if (code != ASSAY_OK)
        return code;
    assay_plan_set_stream(plan, t->options.seed, step);
    code = assay_plan_run(plan, err);
    if (code == ASSAY_OK)
        code = assay_plan_read_f64(plan, p->loss, loss, err);
    if (code == ASSAY_OK && isfinite(*loss))
        code = assay_optimizer_step(t->optimizer, plan, lr, err);
    return code;
}

int assay__trainer_monitor(struct assay_trainer *t, int i, size_t n,
                           double *sum, struct assay_error *err)
{
    int code = assay_plan_read_f64(plan_for(t, n), t->program->monitor[i],
                                   t->record, err);

    *sum = 0.0;
    for (size_t k = 0; k < n && code == ASSAY_OK; k++)
        *sum += t->record[k];
    return code;
}

size_t assay__trainer_batches(const struct assay_trainer *t)
{
    return t->source->n / t->options.batch +
           (t->source->n % t->options.batch > 0);
}
