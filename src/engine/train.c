/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The training loop.
 *
 * An epoch: its batches in the order the feed gives them, each forward,
 * backward and update in one step, or in parts with an update at the end; its
 * entry in the history; the caller's on_epoch; a checkpoint. The number of the
 * global step follows from epoch and batch, so a resumed run draws the same
 * dropout masks. Cancelling ends the loop between two batches: the last epoch's
 * checkpoint stands.
 */

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/mem.h"
#include "core/thread.h"
#include "engine/trainer.h"

static const double pi = 3.14159265358979323846;

void assay_train_options_init(struct assay_train_options *o, size_t epochs)
{
    memset(o, 0, sizeof(*o));
    o->epochs = epochs;
    o->batch = 64;
    o->optimizer.kind = ASSAY_OPTIMIZER_SGD;
    o->optimizer.momentum = 0.9;
    o->lr = 0.01;
    o->schedule = ASSAY_SCHEDULE_CONSTANT;
    o->gamma = 0.1;
}

static size_t batch_of(const struct assay_train_options *o, size_t n)
{
    return o->batch < n ? o->batch : n;
}

size_t assay_train_steps(const struct assay_train_options *o, size_t n)
{
    size_t batch = batch_of(o, n);

    return batch > 0 ? n / batch + (n % batch > 0) : 0;
}

double assay_train_sample_rate(const struct assay_train_options *o, size_t n)
{
    return n > 0 ? (double)batch_of(o, n) / (double)n : 0.0;
}

double assay_train_rate(const struct assay_train_options *o, size_t epoch)
{
    double rate = o->lr;
    size_t epochs = o->schedule_epochs ? o->schedule_epochs : o->epochs;

    if (epoch < o->warmup_epochs)
        return rate * (double)(epoch + 1) / (double)(o->warmup_epochs + 1);
    if (o->schedule == ASSAY_SCHEDULE_MULTISTEP) {
        for (int i = 0; i < o->n_milestones; i++) {
            if (o->milestones[i] <= epoch)
                rate *= o->gamma;
        }
    }
    if (o->schedule == ASSAY_SCHEDULE_COSINE && epochs > o->warmup_epochs) {
        double part = (double)(epoch - o->warmup_epochs) /
                      (double)(epochs - o->warmup_epochs);

        rate *= 0.5 * (1.0 + cos(pi * part));
    }
    return rate;
}

void assay_history_release(struct assay_history *h)
{
    assay__free(h->epoch);
    memset(h, 0, sizeof(*h));
}

assay_plan *assay_trainer_plan(assay_trainer *t)
{
    return t->plan;
}

void assay_trainer_note(assay_trainer *t, int slot, double value)
{
    if (slot >= t->program->n_monitors && slot < ASSAY_MONITORS_MAX &&
        t->n_done > 0)
        t->epoch[t->n_done - 1].monitor[slot] = value;
}

static void report(const struct assay_trainer *t, size_t batch, double loss)
{
    const struct assay_train_options *o = &t->options;
    char note[80];
    struct assay_progress step;

    step.task = o->task;
    step.unit = "records";
    step.note = NULL;
    step.done = (uint64_t)t->n_done * t->source->n + batch * o->batch;
    step.total = (uint64_t)o->epochs * t->source->n;
    if (step.done > (uint64_t)(t->n_done + 1) * t->source->n)
        step.done = (uint64_t)(t->n_done + 1) * t->source->n;
    if (isfinite(loss)) {
        snprintf(note, sizeof(note), "epoch %zu of %zu, loss %.4f",
                 t->n_done + 1, o->epochs, loss);
        step.note = note;
    }
    assay_progress(t->ctx, &step);
}

/* What the loss of a record is when it is not finite, with advice. */
static int refuse_loss(const struct assay_trainer *t, double loss, size_t batch,
                       double lr, struct assay_error *err)
{
    return assay_error_set(err, ASSAY_NUMERIC,
                           "%s: the loss is %g in epoch %zu, batch %zu, "
                           "at learning rate %g; a smaller rate may help, "
                           "or the data or initial weights are too large",
                           t->options.task, loss, t->n_done + 1, batch + 1, lr);
}

/* Train on one part of a batch and add what it gives to the epoch's sums. */
static int run_part(struct assay_trainer *t, const struct assay__fed *fed,
                    size_t batch, struct assay_epoch *sums,
                    struct assay_error *err)
{
    uint64_t step = (uint64_t)t->n_done * assay__trainer_batches(t) + batch;
    double loss = 0.0;
    int code = assay__trainer_step(t, fed, step, sums->lr, &loss, err);

    if (code != ASSAY_OK)
        return code;
    if (!isfinite(loss))
        return refuse_loss(t, loss, batch, sums->lr, err);
    sums->loss += loss;
    for (int i = 0; i < t->program->n_monitors && fed->n > 0; i++) {
        double sum;

        code = assay__trainer_sum(t, t->program->monitor[i], fed->n, &sum, err);
        if (code != ASSAY_OK)
            return code;
        sums->monitor[i] += sum;
    }
    if (fed->last && fed->n > 0)
        report(t, batch + 1, loss / (double)fed->n);
    return ASSAY_OK;
}

/* All parts of one batch; their records are added to `seen`. */
static int run_batch(struct assay_trainer *t, assay__feed *feed, size_t batch,
                     struct assay_epoch *sums, double *seen,
                     struct assay_error *err)
{
    bool last = false;
    int code = ASSAY_OK;

    while (code == ASSAY_OK && !last) {
        const struct assay__fed *fed;

        code = assay_context_check(t->ctx, err);
        if (code == ASSAY_OK)
            code = assay__feed_next(feed, &fed, err);
        if (code != ASSAY_OK)
            return code;
        last = fed->last;
        *seen += (double)fed->n;
        code = run_part(t, fed, batch, sums, err);
        assay__feed_done(feed);
    }
    return code;
}

static int run_epoch(struct assay_trainer *t, assay__feed *feed,
                     struct assay_error *err)
{
    struct assay_epoch *e = &t->epoch[t->n_done];
    double seen = 0.0;
    double start = assay__clock_seconds();
    size_t batches = assay__trainer_batches(t);
    int code = ASSAY_OK;

    memset(e, 0, sizeof(*e));
    e->lr = assay_train_rate(&t->options, t->n_done);
    for (size_t b = 0; b < batches && code == ASSAY_OK; b++)
        code = run_batch(t, feed, b, e, &seen, err);
    if (code != ASSAY_OK)
        return code;
    e->loss = seen > 0.0 ? e->loss / seen : (double)NAN;
    for (int i = 0; i < ASSAY_MONITORS_MAX; i++)
        e->monitor[i] = i < t->program->n_monitors && seen > 0.0
                            ? e->monitor[i] / seen
                            : (double)NAN;
    e->seconds = assay__clock_seconds() - start;
    t->n_done++;
    if (t->options.on_epoch)
        code = t->options.on_epoch(t->options.user, t, t->n_done, err);
    if (code == ASSAY_OK)
        code = assay__checkpoint_write(t, err);
    return code;
}

static int run_epochs(struct assay_trainer *t, struct assay_error *err)
{
    struct assay__feed_options o = {.source = t->source,
                                    .width = t->width,
                                    .n_inputs = t->program->n_inputs,
                                    .batch = t->sized[0].rows,
                                    .first_epoch = t->n_done,
                                    .n_epochs = t->options.epochs,
                                    .seed = t->options.seed};
    assay__feed *feed = NULL;
    int code;

    if (t->n_done >= t->options.epochs)
        return ASSAY_OK;
    if (t->secret) {
        o.steps = assay__trainer_batches(t);
        o.share = assay_train_sample_rate(&t->options, t->source->n);
    }
    code = assay__feed_open(&feed, &o, err);
    report(t, 0, (double)NAN);
    while (code == ASSAY_OK && t->n_done < t->options.epochs)
        code = run_epoch(t, feed, err);
    assay__feed_close(feed);
    return code;
}

/* The last update may have run away without a loss to show it. */
static int check_finite(const struct assay_trainer *t,
                        const struct assay_params *p, struct assay_error *err)
{
    for (int s = 0; s < p->n_slots; s++) {
        const float *x = p->data + p->slot[s].offset;

        for (size_t i = 0; i < p->slot[s].count; i++) {
            if (!isfinite(x[i]))
                return assay_error_set(
                    err, ASSAY_NUMERIC,
                    "%s: '%.80s' is not finite after training; a smaller "
                    "learning rate than %g may help",
                    t->options.task, p->slot[s].name, t->options.lr);
        }
    }
    return ASSAY_OK;
}

int assay_train(const struct assay_context *ctx,
                const struct assay_program *program,
                const struct assay_source *source,
                const struct assay_train_options *options,
                struct assay_params *params, struct assay_history *history,
                struct assay_error *err)
{
    struct assay_trainer t;
    struct assay_tensors saved;
    int code;

    assay_tensors_init(&saved);
    code =
        assay__trainer_prepare(&t, ctx, program, source, options, params, err);
    if (code == ASSAY_OK)
        code = assay__checkpoint_find(&t, &saved, err);
    if (code == ASSAY_OK)
        code = assay__trainer_compile(&t, err);
    if (code == ASSAY_OK)
        code = assay__checkpoint_restore(&t, &saved, err);
    assay_tensors_release(&saved);
    if (code == ASSAY_OK)
        code = run_epochs(&t, err);
    if (code == ASSAY_OK)
        code = assay_plan_save(t.plan, params, err);
    if (code == ASSAY_OK)
        code = check_finite(&t, params, err);
    if (code == ASSAY_OK && history) {
        history->epoch = t.epoch;
        history->n = t.n_done;
        history->resumed_at = t.resumed_at;
        t.epoch = NULL;
    }
    assay__trainer_release(&t);
    return code;
}
