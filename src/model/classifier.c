/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Training classifiers. A model's graph is cloned and given labels, the
 * cross-entropy loss and a correctness monitor; a view becomes the source
 * of batches; after each epoch that asks for it the test records are scored
 * through a plan that shares the trainer's parameters, so that a curve
 * costs no copies.
 */

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "assay/format.h"
#include "assay/layers.h"
#include "assay/rng.h"
#include "core/mem.h"
#include "model/model.h"
#include "model/targets.h"

enum { MONITOR_CORRECT = 0, MONITOR_TEST = 2 };

void assay_recipe_init(struct assay_recipe *recipe, size_t epochs)
{
    memset(recipe, 0, sizeof(*recipe));
    recipe->epochs = epochs;
    recipe->batch = 64;
    recipe->optimizer.kind = ASSAY_OPTIMIZER_SGD;
    recipe->optimizer.momentum = .9;
    recipe->optimizer.weight_decay = 5e-4;
    recipe->lr = .01;
    recipe->schedule = ASSAY_SCHEDULE_MULTISTEP;
    recipe->milestones[0] = 50;
    recipe->milestones[1] = 100;
    recipe->n_milestones = 2;
    recipe->gamma = .1;
    recipe->augment.flip = 1;
}

void assay_curve_release(struct assay_curve *curve)
{
    assay__free(curve->point);
    memset(curve, 0, sizeof(*curve));
}

/* All that one training needs while it runs. */
struct classifier {
    const struct assay_context *ctx;
    const struct assay_compute *compute;
    struct assay_training *t;
    int threads;
    bool collected; /* has a job */
    assay_graph *graph;
    assay_value inputs[ASSAY__INPUTS_MAX]; /* as targets.c fills them */
    struct assay_program program;
    assay_value *wrt; /* what is trained, where some of it is frozen */
    /* The model's parameters and the objective's constants, where there are
     * any; else the model's own are trained in place. */
    struct assay_params joined;
    struct assay__targets targets;
    struct assay_source source;
    struct assay_train_options options;
    struct assay_history history;
    struct assay__scorer scorer; /* made at the first evaluation */
    char *key;
};

/* Where the values of training start and end up. */
static struct assay_params *params_of(struct classifier *c)
{
    return c->joined.data ? &c->joined : &c->t->model->params;
}

static int join_params(struct classifier *c, struct assay_error *err)
{
    const struct assay_objective *o = c->t->objective;
    int rc;

    if (!o || !o->constants)
        return ASSAY_OK;
    rc = assay_params_make(&c->joined, c->graph, err);
    if (!rc)
        rc = assay__params_fill(&c->joined, "", &c->t->model->params, err);
    return rc ? rc : assay__params_fill(&c->joined, "", o->constants, err);
}

/* The model's part of what was trained, back into the model. */
static int part_params(struct classifier *c, struct assay_error *err)
{
    struct assay_params *own = &c->t->model->params;

    for (int i = 0; c->joined.data && i < own->n_slots; i++) {
        const struct assay_param_slot *from =
            assay_params_find(&c->joined, own->slot[i].name);

        if (!from)
            return assay_error_set(err, ASSAY_INTERNAL, "%s: lost '%.100s'",
                                   c->t->task, own->slot[i].name);
        memcpy(own->data + own->slot[i].offset, c->joined.data + from->offset,
               from->count * sizeof(float));
    }
    return ASSAY_OK;
}

static int score_test(struct classifier *c, double *accuracy,
                      struct assay_error *err)
{
    const assay_view *view = c->t->test;
    size_t n = assay_view_count(view);
    size_t right = 0;
    int k = c->t->model->n_classes;

    for (size_t first = 0; first < n; first += (size_t)c->scorer.batch) {
        size_t count = n - first < (size_t)c->scorer.batch
                           ? n - first
                           : (size_t)c->scorer.batch;
        int rc = assay__scorer_run(&c->scorer, view, first, count, err);

        if (rc)
            return rc;
        for (size_t i = 0; i < count; i++)
            right += assay__argmax(c->scorer.logits + i * (size_t)k, k) ==
                     assay_view_label(view, first + i);
    }
    *accuracy = (double)right / (double)n;
    return ASSAY_OK;
}

static int on_epoch(void *user, assay_trainer *trainer, size_t epoch,
                    struct assay_error *err)
{
    struct classifier *c = user;
    const struct assay_recipe *recipe = c->t->recipe;
    double accuracy = (double)NAN;
    int due = recipe->evaluate_every && epoch % recipe->evaluate_every == 0;
    int rc = ASSAY_OK;

    if (c->t->test && assay_view_count(c->t->test) &&
        (due || epoch == recipe->epochs)) {
        if (!c->scorer.plan)
            rc = assay__scorer_init(&c->scorer, c->t->model, c->graph,
                                    assay_trainer_plan(trainer), 0, c->compute,
                                    c->threads, err);
        if (!rc)
            rc = score_test(c, &accuracy, err);
    }
    if (!rc)
        assay_trainer_note(trainer, MONITOR_TEST, accuracy);
    if (!rc && c->t->on_epoch) {
        rc = assay_plan_save(assay_trainer_plan(trainer), params_of(c), err);
        if (!rc)
            rc = part_params(c, err);
        if (!rc)
            rc = c->t->on_epoch(c->t->user, c->t->model, epoch, err);
    }
    return rc;
}

/* The loss per record, and the scalar of it that is minimised. */
static void make_loss(struct classifier *c, const assay_model *m)
{
    const struct assay_objective *o = c->t->objective;
    struct assay_shape rows = assay_shape_make(1, (int64_t)ASSAY_BATCH);
    struct assay_loss_values v = {m->logits, c->inputs[1], ASSAY_NO_VALUE,
                                  ASSAY_NO_VALUE};
    assay_value loss;

    if (assay__targets_wanted(o)) {
        v.soft = assay_graph_input(c->graph, "soft_targets",
                                   assay_graph_shape(c->graph, m->logits));
        c->inputs[c->program.n_inputs++] = v.soft;
    }
    if (o && o->wants_epoch) {
        v.epoch = assay_graph_input(c->graph, "epoch", &rows);
        c->inputs[c->program.n_inputs++] = v.epoch;
    }
    if (o && o->loss)
        loss = o->loss(o->self, c->graph, &v);
    else if (v.soft != ASSAY_NO_VALUE)
        loss = assay_op_kl_logits(c->graph, m->logits, v.soft, 1);
    else
        loss = assay_op_softmax_xent(c->graph, m->logits, v.labels);
    if (o && o->reduce)
        c->program.loss = o->reduce(o->self, c->graph, loss);
    else
        c->program.loss = assay_op_mean(c->graph, loss);
}

/* The parameters that are trained: all but the frozen ones and the
 * objective's constants. */
static int choose_trained(struct classifier *c, struct assay_error *err)
{
    const assay_graph *own = c->t->model->graph;
    const struct assay_training *t = c->t;
    int n = assay_graph_n_params(own);

    if (t->n_frozen == 0 && !(t->objective && t->objective->constants))
        return ASSAY_OK;
    c->wrt = assay__calloc((size_t)n, sizeof(*c->wrt));
    if (!c->wrt)
        return assay_error_set(err, ASSAY_NOMEM, "%s: out of memory", t->task);
    for (int i = 0; i < n; i++) {
        assay_value v = assay_graph_param_at(own, i);
        const char *name = assay_graph_value_name(own, v);
        int frozen = !(assay_graph_param_flags(own, v) & ASSAY_PARAM_TRAINABLE);

        for (size_t k = 0; k < t->n_frozen && !frozen; k++)
            frozen = strcmp(t->frozen[k], name) == 0;
        if (!frozen)
            c->wrt[c->program.n_wrt++] = v;
    }
    c->program.wrt = c->wrt;
    return c->program.n_wrt > 0
               ? ASSAY_OK
               : assay_error_set(err, ASSAY_ARG,
                                 "%s: all parameters are frozen", t->task);
}

/* The training graph: model, labels, loss, correctness. */
static int make_program(struct classifier *c, struct assay_error *err)
{
    const assay_model *m = c->t->model;
    struct assay_shape rows = assay_shape_make(1, (int64_t)ASSAY_BATCH);
    assay_value pair[2];
    int rc;

    rc = assay_graph_clone(&c->graph, m->graph, err);
    if (rc)
        return rc;
    c->inputs[0] = m->input;
    c->inputs[1] = assay_graph_input(c->graph, "labels", &rows);
    c->program.n_inputs = 2;
    make_loss(c, m);
    pair[0] = m->logits;
    pair[1] = c->inputs[1];
    c->program.monitor[MONITOR_CORRECT] =
        assay_graph_node(c->graph, "correct", pair, 2, NULL);
    c->program.n_monitors = 1;
    c->program.graph = c->graph;
    c->program.inputs = c->inputs;
    rc = choose_trained(c, err);
    return rc ? rc : assay_graph_check(c->graph, err);
}

/* What is frozen, into the key; nothing where nothing is. */
static int add_frozen(struct classifier *c, struct assay_error *err)
{
    uint64_t names = 0;
    char *key;

    if (c->t->n_frozen == 0)
        return ASSAY_OK;
    for (size_t i = 0; i < c->t->n_frozen; i++)
        for (const char *p = c->t->frozen[i]; *p; p++)
            names = assay_rng_hash(names, (uint64_t)(unsigned char)*p, i);
    key =
        assay__format("%s, frozen %016llx", c->key, (unsigned long long)names);
    if (!key)
        return assay_error_set(err, ASSAY_NOMEM, "%s: out of memory",
                               c->t->task);
    assay__free(c->key);
    c->options.key = c->key = key;
    return ASSAY_OK;
}

/* A checkpoint fits when it began from these parameters, with these
 * records of these data, in this order. */
static int make_key(struct classifier *c, struct assay_error *err)
{
    const assay_view *view = c->t->train;
    const struct assay_augment *aug = &c->t->recipe->augment;
    char model[65];
    uint64_t records = 0;
    int rc;

    rc = assay_model_sha256(c->t->model, model, err);
    if (rc)
        return rc;
    for (size_t i = 0; i < assay_view_count(view); i++)
        records = assay_rng_hash(records, assay_view_record(view, i),
                                 (uint64_t)assay_view_label(view, i));
    c->options.key = c->key = assay__format(
        "initial %s, data %.32s, records %016llx, flip %d, crop %d%s%s", model,
        assay_dataset_sha256(assay_view_dataset(view)),
        (unsigned long long)records, aug->flip, aug->crop_pad,
        c->t->objective ? ", objective " : "",
        c->t->objective ? c->t->objective->text : "");
    return c->key ? add_frozen(c, err)
                  : assay_error_set(err, ASSAY_NOMEM, "%s: out of memory",
                                    c->t->task);
}

static void make_options(struct classifier *c)
{
    const struct assay_recipe *r = c->t->recipe;
    struct assay_train_options *o = &c->options;

    assay_train_options_init(o, r->epochs);
    o->batch = r->batch;
    o->privacy = c->t->privacy;
    o->optimizer = r->optimizer;
    o->lr = r->lr;
    o->schedule = r->schedule;
    memcpy(o->milestones, r->milestones, sizeof(o->milestones));
    o->n_milestones = r->n_milestones;
    o->gamma = r->gamma;
    o->schedule_epochs = r->schedule_epochs;
    o->seed = c->t->seed;
    o->backend = c->compute->backend;
    o->threads = c->threads;
    o->algorithms = c->compute->algorithms;
    o->compute = c->compute->dtype;
    o->tuning = c->compute->tuning;
    o->task = c->t->task;
    o->checkpoint = c->t->checkpoint;
    o->io.write = assay_tensors_write;
    o->io.read = assay_tensors_read;
    o->on_epoch = on_epoch;
    o->user = c;
}

static int check_records(const struct assay_training *t,
                         struct assay_error *err)
{
    int rc;

    if (assay_view_count(t->train) == 0)
        return assay_error_set(err, ASSAY_DATA, "%s: no records to train on",
                               t->task);
    /* With targets of its own, labels are only compared with. */
    if (t->objective && t->objective->variants > 0)
        return ASSAY_OK;
    rc = assay__labels_fit(t->model, t->train, err);
    return rc ? assay_error_prefix(err, rc, "%s", t->task) : ASSAY_OK;
}

static int classifier_init(struct classifier *c,
                           const struct assay_context *ctx,
                           const struct assay_compute *compute,
                           struct assay_training *t, struct assay_error *err)
{
    int rc;

    memset(c, 0, sizeof(*c));
    c->ctx = ctx;
    c->compute = compute;
    c->t = t;
    c->threads = compute->threads ? compute->threads : ctx->threads;
    rc = check_records(t, err);
    if (!rc)
        rc = make_program(c, err);
    if (!rc)
        rc = join_params(c, err);
    if (rc)
        return rc;
    rc = assay__targets_init(&c->targets, t, err);
    if (rc)
        return rc;
    c->source.self = &c->targets;
    c->source.n = assay_view_count(t->train);
    c->source.fill = assay__targets_fill;
    make_options(c);
    return ASSAY_OK;
}

static void classifier_release(struct classifier *c)
{
    assay__scorer_release(&c->scorer);
    assay__targets_release(&c->targets);
    assay_history_release(&c->history);
    assay_graph_free(c->graph);
    assay_params_release(&c->joined);
    assay__free(c->wrt);
    assay__free(c->key);
}

/* The history as a curve, in the training's own record. */
static int keep_curve(struct classifier *c, struct assay_error *err)
{
    const struct assay_history *h = &c->history;
    struct assay_curve *curve = &c->t->curve;

    curve->point = assay__calloc(h->n ? h->n : 1, sizeof(*curve->point));
    if (!curve->point)
        return assay_error_set(err, ASSAY_NOMEM, "%s: out of memory",
                               c->t->task);
    curve->n = h->n;
    c->t->seconds = 0;
    c->t->resumed_at = h->resumed_at;
    for (size_t i = 0; i < h->n; i++) {
        struct assay_curve_point *p = &curve->point[i];

        p->epoch = i + 1;
        p->loss = h->epoch[i].loss;
        p->train_accuracy = h->epoch[i].monitor[MONITOR_CORRECT];
        p->test_accuracy = h->epoch[i].monitor[MONITOR_TEST];
        p->lr = h->epoch[i].lr;
        if (i >= h->resumed_at)
            c->t->seconds += h->epoch[i].seconds;
    }
    return ASSAY_OK;
}

/* Threads of one training: what the caller says, else what was measured for
 * its problem, be it alone or one of many. */
static int choose_threads(struct classifier *c, assay_tuning *tuning,
                          struct assay_error *err)
{
    struct assay_train_options options = c->options;
    int workers;

    if (c->compute->threads || c->ctx->threads == 1 || !tuning)
        return ASSAY_OK;
    options.tuning = tuning;
    return assay_train_measure(c->ctx, &c->program, &c->source, &options,
                               params_of(c), &workers, &c->threads, err);
}

/* Without a tuning to remember it in, equal problems of one call still get
 * one choice, and a training that is alone all threads. */
static int choose_all(struct classifier *c, size_t n, struct assay_error *err)
{
    assay_tuning *tuning = c[0].compute->tuning;
    assay_tuning *own = NULL;
    int rc = ASSAY_OK;

    if (!tuning && n > 1) {
        rc = assay_tuning_new(&own, err);
        tuning = own;
    }
    for (size_t i = 0; i < n && !rc; i++)
        rc = choose_threads(&c[i], tuning, err);
    assay_tuning_free(own);
    return rc;
}

/* Jobs of all trainings from c[i] on that have as many threads as c[i];
 * their number. */
static size_t collect_alike(struct assay_train_job *jobs, struct classifier *c,
                            size_t i, size_t n)
{
    int threads = c[i].threads;
    size_t n_jobs = 0;

    for (; i < n; i++) {
        if (c[i].threads != threads)
            continue;
        jobs[n_jobs].program = &c[i].program;
        jobs[n_jobs].source = &c[i].source;
        jobs[n_jobs].options = &c[i].options;
        jobs[n_jobs].params = params_of(&c[i]);
        jobs[n_jobs++].history = &c[i].history;
        c[i].collected = true;
    }
    return n_jobs;
}

static int train_all(struct classifier *c, size_t n, struct assay_error *err)
{
    struct assay_train_job *jobs = assay__calloc(n, sizeof(*jobs));
    const struct assay_context *ctx = c[0].ctx;
    int rc = ASSAY_OK;

    if (!jobs)
        return assay_error_set(err, ASSAY_NOMEM, "training: out of memory");
    for (size_t i = 0; i < n && !rc; i++) {
        int threads = c[i].threads;
        int workers = ctx->threads > threads ? ctx->threads / threads : 1;

        if (!c[i].collected)
            rc = assay_train_many(ctx, jobs, collect_alike(jobs, c, i, n),
                                  workers, threads, err);
    }
    assay__free(jobs);
    return rc;
}

static int open_all(struct classifier **out, const struct assay_context *ctx,
                    const struct assay_compute *compute,
                    struct assay_training *training, size_t n,
                    struct assay_error *err)
{
    struct classifier *c = assay__calloc(n, sizeof(*c));
    int rc = ASSAY_OK;

    if (!c)
        return assay_error_set(err, ASSAY_NOMEM, "training: out of memory");
    for (size_t i = 0; i < n && !rc; i++)
        rc = classifier_init(&c[i], ctx, compute, &training[i], err);
    *out = c;
    return rc;
}

static void close_all(struct classifier *c, size_t n)
{
    for (size_t i = 0; c && i < n; i++)
        classifier_release(&c[i]);
    assay__free(c);
}

int assay_models_measure(const struct assay_context *ctx,
                         const struct assay_compute *compute,
                         struct assay_training *training, size_t n,
                         struct assay_error *err)
{
    struct classifier *c = NULL;
    int rc;

    if (n == 0 || !compute->tuning)
        return ASSAY_OK;
    rc = open_all(&c, ctx, compute, training, n, err);
    if (!rc)
        rc = choose_all(c, n, err);
    close_all(c, n);
    return rc;
}

int assay_models_train(const struct assay_context *ctx,
                       const struct assay_compute *compute,
                       struct assay_training *training, size_t n,
                       struct assay_error *err)
{
    struct classifier *c = NULL;
    int rc;

    if (n == 0)
        return ASSAY_OK;
    rc = open_all(&c, ctx, compute, training, n, err);
    for (size_t i = 0; i < n && !rc; i++)
        rc = make_key(&c[i], err);
    if (!rc)
        rc = choose_all(c, n, err);
    if (!rc)
        rc = train_all(c, n, err);
    for (size_t i = 0; i < n && !rc; i++)
        rc = part_params(&c[i], err);
    for (size_t i = 0; i < n && !rc; i++)
        rc = keep_curve(&c[i], err);
    close_all(c, n);
    return rc;
}
