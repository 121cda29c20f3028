/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The background thread that fills batches.
 *
 * Two slots take turns: part k lies in slot k % 2. A slot is empty (the
 * thread may fill it) or full (the trainer may use it); `lock` guards that
 * flag and `stop`, and what lies in a slot belongs to whose turn it is. The
 * order of epoch e is drawn from (seed, "batch-order", e), a batch that is
 * drawn from (seed, "poisson", step), so it does not matter at which epoch
 * feeding starts.
 */

#include "engine/feed.h"

#include <math.h>
#include <pthread.h>
#include <string.h>

#include "assay/rng.h"
#include "core/mem.h"
#include "core/thread.h"

enum { N_SLOTS = 2 };

struct slot {
    struct assay__fed fed;
    int code; /* what filling it gave */
    struct assay_error error;
    bool full;
};

struct assay__feed {
    struct assay__feed_options options;
    size_t *width;
    uint32_t *order;
    struct slot slot[N_SLOTS];
    size_t filled; /* the thread's count of parts */
    size_t next;   /* the trainer's */
    pthread_t thread;
    bool started;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool stop;
};

static void draw_order(assay__feed *f, size_t epoch)
{
    size_t n = f->options.source->n;
    struct assay_rng rng;

    for (size_t i = 0; i < n; i++)
        f->order[i] = (uint32_t)i;
    assay_rng_init(&rng, f->options.seed, "batch-order", (uint64_t)epoch);
    assay_rng_shuffle(&rng, f->order, n);
}

/* Wait until the slot is empty; false when feeding is to stop. */
static bool wait_empty(assay__feed *f, const struct slot *s)
{
    bool go;

    pthread_mutex_lock(&f->lock);
    while (s->full && !f->stop)
        pthread_cond_wait(&f->changed, &f->lock);
    go = !f->stop;
    pthread_mutex_unlock(&f->lock);
    return go;
}

static void set_full(assay__feed *f, struct slot *s, bool full)
{
    pthread_mutex_lock(&f->lock);
    s->full = full;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
}

/* Rows to fill a slot with. */
struct portion {
    size_t epoch;
    size_t first, n; /* in `order` */
    size_t part;
    bool last;
};

/* Fill the next slot; false when that was the last. */
static bool fill_one(assay__feed *f, const struct portion *p)
{
    const struct assay_source *source = f->options.source;
    struct slot *s = &f->slot[f->filled++ % N_SLOTS];
    struct assay_batch batch;

    if (!wait_empty(f, s))
        return false;
    batch.rows = f->order + p->first;
    batch.n = p->n;
    batch.epoch = (uint64_t)p->epoch;
    batch.inputs = s->fed.inputs;
    s->fed.n = batch.n;
    s->fed.part = p->part;
    s->fed.last = p->last;
    s->error.code = ASSAY_OK;
    s->error.msg[0] = '\0';
    s->code = ASSAY_OK;
    if (batch.n > 0)
        s->code = source->fill(source->self, &batch, &s->error);
    set_full(f, s, true);
    return s->code == ASSAY_OK;
}

/* An epoch in which each record comes once. */
static bool fill_in_order(assay__feed *f, size_t epoch)
{
    const struct assay__feed_options *o = &f->options;
    struct portion p = {.epoch = epoch, .last = true};

    draw_order(f, epoch);
    for (; p.first < o->source->n; p.first += o->batch) {
        p.n = o->source->n - p.first;
        if (p.n > o->batch)
            p.n = o->batch;
        if (!fill_one(f, &p))
            return false;
    }
    return true;
}

/*
 * Draw a batch into `order`: every record with probability q, on its own.
 * Between one record taken and the next lie k others with probability
 * q (1 - q)^k, so there is one draw for each record taken. Their number.
 */
static size_t draw_batch(assay__feed *f, uint64_t step)
{
    const struct assay__feed_options *o = &f->options;
    double miss = log1p(-o->share); /* -infinity when all are taken */
    size_t n = 0;
    struct assay_rng rng;

    assay_rng_init(&rng, o->seed, "poisson", step);
    for (size_t at = 0; at < o->source->n; at++) {
        double u = assay_rng_uniform(&rng);
        double gap = floor(log1p(-u) / miss);

        if (!(gap < (double)(o->source->n - at)))
            break;
        at += (size_t)gap;
        f->order[n++] = (uint32_t)at;
    }
    return n;
}

/* An epoch of drawn batches. */
static bool fill_drawn(assay__feed *f, size_t epoch)
{
    const struct assay__feed_options *o = &f->options;

    for (size_t b = 0; b < o->steps; b++) {
        size_t all = draw_batch(f, (uint64_t)epoch * o->steps + b);
        struct portion p = {.epoch = epoch};

        do {
            p.n = all - p.first < o->batch ? all - p.first : o->batch;
            p.last = p.first + p.n == all;
            if (!fill_one(f, &p))
                return false;
            p.first += p.n;
            p.part++;
        } while (p.first < all);
    }
    return true;
}

static void *work(void *arg)
{
    assay__feed *f = arg;
    const struct assay__feed_options *o = &f->options;
    bool go = true;

    /* The cores belong to the trainer. */
    assay__thread_set_omp(1);
    for (size_t e = o->first_epoch; e < o->n_epochs && go; e++)
        go = o->steps > 0 ? fill_drawn(f, e) : fill_in_order(f, e);
    return NULL;
}

static bool make_slot(assay__feed *f, struct slot *s)
{
    const struct assay__feed_options *o = &f->options;

    s->fed.inputs = assay__calloc((size_t)o->n_inputs, sizeof(*s->fed.inputs));
    if (!s->fed.inputs)
        return false;
    for (int i = 0; i < o->n_inputs; i++) {
        s->fed.inputs[i] = assay__slab(o->batch * f->width[i] * sizeof(float));
        if (!s->fed.inputs[i])
            return false;
    }
    return true;
}

static bool make_buffers(assay__feed *f)
{
    const struct assay__feed_options *o = &f->options;

    f->width = assay__calloc((size_t)o->n_inputs, sizeof(*f->width));
    f->order = assay__calloc(o->source->n, sizeof(*f->order));
    if (!f->width || !f->order)
        return false;
    for (int i = 0; i < o->n_inputs; i++)
        f->width[i] = o->width[i];
    for (int s = 0; s < N_SLOTS; s++) {
        if (!make_slot(f, &f->slot[s]))
            return false;
    }
    return true;
}

int assay__feed_open(assay__feed **out, const struct assay__feed_options *o,
                     struct assay_error *err)
{
    assay__feed *f = assay__calloc(1, sizeof(*f));
    int reason;

    if (!f)
        return assay_error_set(err, ASSAY_NOMEM,
                               "out of memory for preparing batches");
    f->options = *o;
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->changed, NULL);
    if (!make_buffers(f)) {
        assay__feed_close(f);
        return assay_error_set(err, ASSAY_NOMEM,
                               "out of memory for two batches of %zu records",
                               o->batch);
    }
    reason = pthread_create(&f->thread, NULL, work, f);
    if (reason != 0) {
        assay__feed_close(f);
        return assay_error_set(err, ASSAY_LIMIT,
                               "no thread for preparing batches: %s",
                               strerror(reason));
    }
    f->started = true;
    *out = f;
    return ASSAY_OK;
}

void assay__feed_close(assay__feed *f)
{
    if (!f)
        return;
    if (f->started) {
        pthread_mutex_lock(&f->lock);
        f->stop = true;
        pthread_cond_broadcast(&f->changed);
        pthread_mutex_unlock(&f->lock);
        pthread_join(f->thread, NULL);
    }
    for (int s = 0; s < N_SLOTS; s++) {
        for (int i = 0; f->slot[s].fed.inputs && i < f->options.n_inputs; i++)
            assay__free(f->slot[s].fed.inputs[i]);
        assay__free(f->slot[s].fed.inputs);
    }
    assay__free(f->width);
    assay__free(f->order);
    pthread_cond_destroy(&f->changed);
    pthread_mutex_destroy(&f->lock);
    assay__free(f);
}

int assay__feed_next(assay__feed *f, const struct assay__fed **batch,
                     struct assay_error *err)
{
    struct slot *s = &f->slot[f->next % N_SLOTS];

    pthread_mutex_lock(&f->lock);
    while (!s->full)
        pthread_cond_wait(&f->changed, &f->lock);
    pthread_mutex_unlock(&f->lock);
    if (s->code != ASSAY_OK)
        return assay_error_set(err, s->code, "%s",
                               s->error.msg[0] ? s->error.msg
                                               : "a batch was not filled");
    *batch = &s->fed;
    return ASSAY_OK;
}

void assay__feed_done(assay__feed *f)
{
    struct slot *s = &f->slot[f->next % N_SLOTS];

    f->next++;
    set_full(f, s, false);
}
