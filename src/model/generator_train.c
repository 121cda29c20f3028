/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Training a generator: two programs over one graph.
 *
 *   fake = G(z)                            z ~ N(0, I), fresh for each side
 *   loss of D = mean bce(D(real), 1) + mean bce(D(fake), 0)
 *   loss of G = mean bce(D(fake), 1)
 *
 * One graph holds all of it. Each side differentiates its loss with respect
 * to its own network; a step runs D's plan, updates D, hands D to G's plan,
 * runs that, updates G and hands G back. Real and made images pass D in two
 * batches, so that each is normalised by its own statistics. The running
 * statistics of a network are those of its own side's runs.
 *
 * Streams: initial values (seed, "init"), the order of epoch e (seed,
 * "gan-order", e), row i of the noise of step s (seed, "gan-noise",
 * (2 s + side) batch + i). A step's number follows from epoch and batch.
 */

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "assay/layers.h"
#include "assay/rng.h"
#include "core/mem.h"
#include "core/thread.h"
#include "model/gan.h"
#include "model/model.h"

static int no_memory(const struct assay__gan *t, struct assay_error *err)
{
    return assay_error_set(err, ASSAY_NOMEM, "%s: out of memory",
                           t->options.task);
}

static int check_options(struct assay__gan *t, struct assay_error *err)
{
    struct assay_generator_options *o = &t->options;
    size_t n = assay_view_count(t->view);

    if (n < 2)
        return assay_error_set(err, ASSAY_DATA,
                               "%s: %zu records; at least 2 are needed",
                               t->options.task, n);
    if (o->epochs == 0 || o->epochs > UINT32_MAX || o->batch < 2)
        return assay_error_set(err, ASSAY_ARG,
                               "%s: %zu epochs (at least 1) in batches of %zu "
                               "(at least 2)",
                               t->options.task, o->epochs, o->batch);
    if (o->batch > n)
        o->batch = n;
    t->n_steps = n / o->batch;
    return ASSAY_OK;
}

static uint64_t hash_real(uint64_t h, double x)
{
    uint64_t bits;

    memcpy(&bits, &x, sizeof(bits));
    return assay_rng_hash(h, bits, 3);
}

/* All that determines the bytes, but for the number of epochs. */
static int make_key(struct assay__gan *t, const struct assay_preprocess *pre,
                    struct assay_error *err)
{
    const struct assay_generator_options *o = &t->options;
    const struct assay_compute *c = t->compute;
    uint64_t records = 0;
    uint64_t range = hash_real(0, pre->scale);

    for (size_t i = 0; i < assay_view_count(t->view); i++)
        records = assay_rng_hash(records, assay_view_record(t->view, i), i);
    for (int i = 0; i < pre->channels; i++)
        range = hash_real(hash_real(range, pre->mean[i]), pre->std[i]);
    range = hash_real(hash_real(range, o->pixel_low), o->pixel_high);
    t->key = assay__format(
        "dcgan %dx%d of %d, z %d, width %d; data %.32s, records %016llx, range "
        "%016llx; seed %llu, batch %zu, rate %.17g, betas %.17g %.17g; %s, "
        "%d threads, %s, algorithms %d; assay %s",
        pre->height, pre->width, pre->channels, o->z_dim, o->width,
        assay_dataset_sha256(assay_view_dataset(t->view)),
        (unsigned long long)records, (unsigned long long)range,
        (unsigned long long)o->seed, o->batch, o->lr, o->beta1, o->beta2,
        c->backend ? c->backend : "onednn",
        c->threads ? c->threads : t->ctx->threads, assay_dtype_name(c->dtype),
        (int)c->algorithms, assay_version());
    return t->key ? ASSAY_OK : no_memory(t, err);
}

/* The parameters of one network, and the derivative by those that are
 * trained. */
static int make_side(struct assay__gan *t, struct assay__gan_side *s,
                     struct assay_error *err)
{
    int n = assay_graph_n_params(t->graph);
    assay_value *wrt = assay__calloc((size_t)n, sizeof(*wrt));
    assay_value *d = assay__calloc((size_t)n, sizeof(*d));
    int rc = ASSAY_OK;

    s->param = assay__calloc((size_t)n, sizeof(*s->param));
    s->gradient = assay__calloc((size_t)n, sizeof(*s->gradient));
    if (!wrt || !d || !s->param || !s->gradient) {
        rc = no_memory(t, err);
        goto out;
    }
    for (int i = 0; i < n; i++) {
        assay_value v = assay_graph_param_at(t->graph, i);

        if (strncmp(assay_graph_value_name(t->graph, v), s->net,
                    strlen(s->net)) != 0)
            continue;
        s->param[s->n_params++] = v;
        if (assay_graph_param_flags(t->graph, v) & ASSAY_PARAM_TRAINABLE)
            wrt[s->n_gradients++] = v;
    }
    rc = assay_differentiate(t->graph, s->loss, wrt, s->n_gradients, d, err);
    for (int i = 0; i < s->n_gradients && !rc; i++) {
        s->gradient[i].param = wrt[i];
        s->gradient[i].gradient = d[i];
    }
out:
    assay__free(wrt);
    assay__free(d);
    return rc;
}

static assay_value mean_bce(assay_graph *g, assay_value logits, double target)
{
    struct assay_attrs attrs = {.alpha = target};
    assay_value targets;

    attrs.shape = assay_shape_make(1, (int64_t)ASSAY_BATCH);
    targets = assay_graph_node(g, "fill", NULL, 0, &attrs);
    return assay_op_mean(g, assay_op_bce_logits(g, logits, targets));
}

static int make_graph(struct assay__gan *t, struct assay_error *err)
{
    const struct assay__dcgan *net = &t->gen->net;
    struct assay_shape rows =
        assay_shape_make(2, (int64_t)ASSAY_BATCH, (int64_t)net->z_dim);
    struct assay_shape images =
        assay_shape_make(4, (int64_t)ASSAY_BATCH, (int64_t)net->channels,
                         (int64_t)net->size, (int64_t)net->size);
    struct assay__gan_side *s = t->side;
    assay_value fake;
    assay_value seen;
    int rc = assay_graph_new(&t->graph, err);

    if (rc)
        return rc;
    t->z = assay_graph_input(t->graph, "z", &rows);
    fake = assay__dcgan_generator(t->graph, t->z, net, "");
    fake = assay__dcgan_discriminator(t->graph, fake, net, "");
    t->real = assay_graph_input(t->graph, "real", &images);
    seen = assay__dcgan_discriminator(t->graph, t->real, net, "");
    s[ASSAY__GAN_D].net = "discriminator.";
    s[ASSAY__GAN_D].loss = assay_op_add(t->graph, mean_bce(t->graph, seen, 1),
                                        mean_bce(t->graph, fake, 0));
    s[ASSAY__GAN_G].net = "generator.";
    s[ASSAY__GAN_G].loss = mean_bce(t->graph, fake, 1);
    rc = assay_graph_check(t->graph, err);
    for (int i = 0; i < ASSAY__GAN_SIDES && !rc; i++)
        rc = make_side(t, &s[i], err);
    return rc;
}

static int make_memory(struct assay__gan *t, struct assay_error *err)
{
    const struct assay__dcgan *net = &t->gen->net;
    const struct assay_params *p = &t->gen->params;
    size_t batch = t->options.batch;
    size_t largest = 1;

    assert(p != NULL); /* t->gen is there before its memory is */
    for (int i = 0; i < p->n_slots; i++)
        largest = p->slot[i].count > largest ? p->slot[i].count : largest;
    t->pixels = (size_t)net->channels * (size_t)net->size * (size_t)net->size;
    t->noise = assay__calloc(batch * (size_t)net->z_dim, sizeof(*t->noise));
    t->images = assay__calloc(batch * t->pixels, sizeof(*t->images));
    t->staging = assay__calloc(largest, sizeof(*t->staging));
    t->order = assay__calloc(assay_view_count(t->view), sizeof(*t->order));
    t->epoch = assay__calloc(t->options.epochs, sizeof(*t->epoch));
    if (!t->noise || !t->images || !t->staging || !t->order || !t->epoch)
        return no_memory(t, err);
    return ASSAY_OK;
}

/* A side's plan with the initial values, and its optimizer. */
static int open_side(struct assay__gan *t, struct assay__gan_side *s,
                     struct assay_error *err)
{
    struct assay_plan_options o = assay__plan_options(t->ctx, t->compute);
    int rc = ASSAY_OK;

    o.batch = (int64_t)t->options.batch;
    o.mode = ASSAY_MODE_TRAIN;
    o.tuning = t->tuning;
    o.outputs = &s->loss;
    o.n_outputs = 1;
    o.gradients = s->gradient;
    o.n_gradients = s->n_gradients;
    if (!s->plan)
        rc = assay_plan_new(&s->plan, t->graph, &o, err);
    return rc ? rc : assay_plan_load(s->plan, &t->gen->params, err);
}

static int open_sides(struct assay__gan *t, struct assay_error *err)
{
    struct assay_optimizer_options rule = {.kind = ASSAY_OPTIMIZER_ADAM};
    int rc = ASSAY_OK;

    rule.beta1 = t->options.beta1;
    rule.beta2 = t->options.beta2;
    for (int i = 0; i < ASSAY__GAN_SIDES && !rc; i++) {
        struct assay__gan_side *s = &t->side[i];

        assay_optimizer_free(s->optimizer);
        s->optimizer = NULL;
        rc = open_side(t, s, err);
        if (!rc)
            rc = assay_optimizer_new(&s->optimizer, s->plan, &rule, err);
    }
    return rc;
}

static void release(struct assay__gan *t)
{
    for (int i = 0; i < ASSAY__GAN_SIDES; i++) {
        assay_optimizer_free(t->side[i].optimizer);
        assay_plan_free(t->side[i].plan);
        assay__free(t->side[i].param);
        assay__free(t->side[i].gradient);
    }
    assay_graph_free(t->graph);
    assay_tuning_free(t->own_tuning);
    assay_generator_free(t->gen);
    assay__free(t->key);
    assay__free(t->noise);
    assay__free(t->images);
    assay__free(t->staging);
    assay__free(t->order);
    assay__free(t->epoch);
}

/* A parameter from one plan to the other, exactly: the reference backend
 * computes in double. */
static int hand_over(struct assay__gan *t, assay_value param, assay_plan *from,
                     assay_plan *to, struct assay_error *err)
{
    const char *backend = t->compute->backend;
    float *narrow = (float *)t->staging;
    int rc;

    if (backend && strcmp(backend, "reference") == 0) {
        rc = assay_plan_read_f64(from, param, t->staging, err);
        return rc ? rc : assay_plan_write_f64(to, param, t->staging, err);
    }
    rc = assay_plan_read(from, param, narrow, err);
    return rc ? rc : assay_plan_write(to, param, narrow, err);
}

/* Rows of the view into t->images, in -1..1. */
static void fill_real(struct assay__gan *t, const uint32_t *rows)
{
    size_t plane = t->pixels / (size_t)t->gen->net.channels;
    size_t n = t->options.batch * (size_t)t->gen->net.channels;

    assay_view_fill(t->view, rows, t->options.batch, NULL, 0, 0, t->images);
    for (size_t i = 0; i < n; i++) {
        size_t c = i % (size_t)t->gen->net.channels;
        float shift = (float)t->range.shift[c];
        float factor = (float)(1 / t->range.scale[c]);
        float *x = t->images + i * plane;

        for (size_t k = 0; k < plane; k++)
            x[k] = (x[k] - shift) * factor;
    }
}

/* One side's step from t->noise and, for D, t->images; the other side then
 * gets the new parameters. */
static int run_side(struct assay__gan *t, int index, uint64_t step,
                    double *loss, struct assay_error *err)
{
    struct assay__gan_side *s = &t->side[index];
    struct assay__gan_side *other = &t->side[1 - index];
    uint64_t row = (2 * step + (uint64_t)index) * t->options.batch;
    int rc;

    assay__draw_normal(t->noise, t->options.batch, t->gen->net.z_dim,
                       t->options.seed, "gan-noise", row);
    rc = assay_plan_write(s->plan, t->z, t->noise, err);
    if (!rc && index == ASSAY__GAN_D)
        rc = assay_plan_write(s->plan, t->real, t->images, err);
    if (!rc)
        rc = assay_plan_run(s->plan, err);
    if (!rc)
        rc = assay_plan_read_f64(s->plan, s->loss, loss, err);
    if (!rc && !isfinite(*loss))
        return assay_error_set(err, ASSAY_NUMERIC,
                               "%s: the %.*s's loss is %g in epoch %zu, at "
                               "learning rate %g",
                               t->options.task, (int)strlen(s->net) - 1, s->net,
                               *loss, t->n_done + 1, t->options.lr);
    if (!rc)
        rc = assay_optimizer_step(s->optimizer, s->plan, t->options.lr, err);
    for (int i = 0; i < s->n_params && !rc; i++)
        rc = hand_over(t, s->param[i], s->plan, other->plan, err);
    return rc;
}

static void report(const struct assay__gan *t, size_t done, const double loss[])
{
    const struct assay_generator_options *o = &t->options;
    struct assay_progress step = {.task = t->options.task, .unit = "records"};
    char note[96];

    step.done = (t->n_done * t->n_steps + done) * o->batch;
    step.total = o->epochs * t->n_steps * o->batch;
    if (done) {
        snprintf(note, sizeof(note), "epoch %zu of %zu, losses %.3f %.3f",
                 t->n_done + 1, o->epochs, loss[ASSAY__GAN_D],
                 loss[ASSAY__GAN_G]);
        step.note = note;
    }
    assay_progress(t->ctx, &step);
}

static int run_epoch(struct assay__gan *t, struct assay_error *err)
{
    struct assay_generator_epoch *e = &t->epoch[t->n_done];
    double start = assay__clock_seconds();
    size_t n = assay_view_count(t->view);
    struct assay_rng rng;

    for (size_t i = 0; i < n; i++)
        t->order[i] = (uint32_t)i;
    assay_rng_init(&rng, t->options.seed, "gan-order", t->n_done);
    assay_rng_shuffle(&rng, t->order, n);
    memset(e, 0, sizeof(*e));
    for (size_t b = 0; b < t->n_steps; b++) {
        uint64_t step = (uint64_t)t->n_done * t->n_steps + b;
        double loss[ASSAY__GAN_SIDES] = {0};
        int rc = assay_context_check(t->ctx, err);

        fill_real(t, t->order + b * t->options.batch);
        for (int i = 0; i < ASSAY__GAN_SIDES && !rc; i++)
            rc = run_side(t, i, step, &loss[i], err);
        if (rc)
            return rc;
        e->discriminator_loss += loss[ASSAY__GAN_D] / (double)t->n_steps;
        e->generator_loss += loss[ASSAY__GAN_G] / (double)t->n_steps;
        report(t, b + 1, loss);
    }
    e->seconds = assay__clock_seconds() - start;
    t->n_done++;
    return assay__gan_checkpoint(t, err);
}

/* What is trained, into the generator. */
static int collect(struct assay__gan *t, struct assay_error *err)
{
    struct assay_params *p = &t->gen->params;
    int rc = assay_plan_save(t->side[ASSAY__GAN_G].plan, p, err);

    for (int i = 0; i < t->side[ASSAY__GAN_D].n_params && !rc; i++) {
        assay_value v = t->side[ASSAY__GAN_D].param[i];
        const char *name = assay_graph_value_name(t->graph, v);
        const struct assay_param_slot *slot = assay_params_find(p, name);

        rc = assay_plan_read(t->side[ASSAY__GAN_D].plan, v,
                             p->data + slot->offset, err);
    }
    for (int i = 0; i < p->n_slots && !rc; i++) {
        const float *x = p->data + p->slot[i].offset;

        for (size_t k = 0; k < p->slot[i].count; k++)
            if (!isfinite(x[k]))
                return assay_error_set(err, ASSAY_NUMERIC,
                                       "%s: '%.80s' is not finite after "
                                       "training at learning rate %g",
                                       t->options.task, p->slot[i].name,
                                       t->options.lr);
    }
    if (rc)
        return rc;
    assay__free(t->gen->key);
    t->gen->key = assay__format("%s; %zu epochs", t->key, t->options.epochs);
    return t->gen->key ? ASSAY_OK : no_memory(t, err);
}

static int prepare(struct assay__gan *t, struct assay_error *err)
{
    const struct assay_preprocess *pre = assay_view_preprocess(t->view);
    int rc = check_options(t, err);

    if (!rc)
        rc = assay_generator_new(&t->gen, pre, &t->options, err);
    if (rc)
        return rc;
    t->range =
        assay__range_of(pre, t->options.pixel_low, t->options.pixel_high);
    t->tuning = t->compute->tuning;
    rc = make_key(t, pre, err);
    if (!rc && !t->tuning)
        rc = assay_tuning_new(&t->own_tuning, err);
    if (!t->tuning)
        t->tuning = t->own_tuning;
    if (!rc)
        rc = make_memory(t, err);
    if (!rc)
        rc = make_graph(t, err);
    return rc;
}

/* From a checkpoint or from the start. */
static int begin(struct assay__gan *t, struct assay_error *err)
{
    struct assay_tensors saved;
    bool used = false;
    int rc;

    assay_tensors_init(&saved);
    rc = assay__gan_find(t, &saved, err);
    if (!rc)
        rc = open_sides(t, err);
    if (!rc && saved.n_items)
        rc = assay__gan_restore(t, &saved, &used, err);
    if (!rc && saved.n_items && !used)
        rc = open_sides(t, err);
    if (!rc && !used)
        rc = assay__gan_keep_choices(t, err);
    assay_tensors_release(&saved);
    return rc;
}

int assay_generator_train(assay_generator **out,
                          const struct assay_context *ctx,
                          const struct assay_compute *compute,
                          const assay_view *view,
                          const struct assay_generator_options *options,
                          struct assay_generator_history *history,
                          struct assay_error *err)
{
    struct assay__gan t = {
        .ctx = ctx, .compute = compute, .view = view, .options = *options};
    int rc;

    if (!t.options.task)
        t.options.task = "generator";
    rc = prepare(&t, err);
    if (!rc)
        rc = begin(&t, err);
    if (!rc)
        report(&t, 0, NULL);
    while (!rc && t.n_done < t.options.epochs)
        rc = run_epoch(&t, err);
    if (!rc)
        rc = collect(&t, err);
    if (!rc) {
        *out = t.gen;
        t.gen = NULL;
    }
    if (!rc && history) {
        history->epoch = t.epoch;
        history->n = t.n_done;
        history->resumed_at = t.resumed_at;
        t.epoch = NULL;
    }
    release(&t);
    return rc;
}
