/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Choosing among several ways to compute one thing by timing them on the
 * actual shapes and threads. Choices are remembered in the plan's tuning
 * under a key that names all that the choice depends on, so that a rerun
 * repeats them; timing is noisy, and another choice means other bytes.
 *
 * Cost: a few runs of each way, once per key.
 */

#include <stdio.h>
#include <string.h>

#include "core/mem.h"
#include "core/thread.h"
#include "engine/onednn/lower.h"

/* At most so many rounds, and not much longer than that in all. */
enum { ROUNDS_MAX = 12, ROUNDS_MIN = 3 };
static const double seconds_enough = 0.1;
/* A way that is so many times slower is given up after two rounds. */
static const double hopeless = 1.5;

/* A primitive or a task, with memory of its own. */
struct trial {
    dnnl_primitive_t primitive;
    dnnl_exec_arg_t arg[ASSAY__PRIMITIVE_ARGS];
    struct assay__task task;
    void *data[ASSAY__TASK_ARGS];
    int n_args;
};

static const struct {
    dnnl_query_t query;
    int arg;
} trial_args[] = {
    {dnnl_query_src_md, DNNL_ARG_SRC},
    {dnnl_query_dst_md, DNNL_ARG_DST},
    {dnnl_query_weights_md, DNNL_ARG_WEIGHTS},
    {dnnl_query_diff_src_md, DNNL_ARG_DIFF_SRC},
    {dnnl_query_diff_dst_md, DNNL_ARG_DIFF_DST},
    {dnnl_query_diff_weights_md, DNNL_ARG_DIFF_WEIGHTS},
    {dnnl_query_scratchpad_md, DNNL_ARG_SCRATCHPAD},
};

static bool add_data(struct assay__dnn *d, struct trial *t, int arg,
                     const_dnnl_memory_desc_t md)
{
    size_t bytes = md != NULL ? dnnl_memory_desc_get_size(md) : 0;

    if (bytes == 0)
        return true;
    t->data[t->n_args] = assay__slab(bytes);
    if (t->data[t->n_args] == NULL)
        return false;
    t->arg[t->n_args].arg = arg;
    if (dnnl_memory_create(&t->arg[t->n_args].memory, md, d->engine,
                           t->data[t->n_args]) != dnnl_success) {
        assay__free(t->data[t->n_args]);
        t->data[t->n_args] = NULL;
        return false;
    }
    t->n_args++;
    return true;
}

static bool open_trial(struct assay__dnn *d, struct trial *t,
                       const_dnnl_primitive_desc_t pd)
{
    bool ok = dnnl_primitive_create(&t->primitive, pd) == dnnl_success;

    for (size_t i = 0; ok && i < sizeof(trial_args) / sizeof(trial_args[0]);
         i++)
        ok = add_data(d, t, trial_args[i].arg,
                      dnnl_primitive_desc_query_md(pd, trial_args[i].query, 0));
    if (ok)
        ok = add_data(
                 d, t, DNNL_ARG_BIAS,
                 dnnl_primitive_desc_query_md(pd, dnnl_query_weights_md, 1)) &&
             add_data(d, t, DNNL_ARG_DIFF_BIAS,
                      dnnl_primitive_desc_query_md(
                          pd, dnnl_query_diff_weights_md, 1));
    return ok;
}

static bool open_task(struct trial *t, const struct assay__way *way)
{
    t->task = *way->task;
    for (int i = 0; i < ASSAY__TASK_ARGS; i++) {
        if (way->bytes[i] == 0)
            continue;
        t->data[i] = t->task.p[i] = assay__slab(way->bytes[i]);
        if (t->data[i] == NULL)
            return false;
    }
    return true;
}

static void close_trial(struct trial *t)
{
    for (int i = 0; i < t->n_args; i++)
        dnnl_memory_destroy(t->arg[i].memory);
    for (int i = 0; i < ASSAY__TASK_ARGS; i++)
        assay__free(t->data[i]);
    if (t->primitive != NULL)
        dnnl_primitive_destroy(t->primitive);
}

/* One run; negative when it fails. */
static double run_trial(struct assay__dnn *d, const struct trial *t)
{
    double start = assay__clock_seconds();

    if (t->primitive == NULL)
        t->task.run(&t->task);
    else if (dnnl_primitive_execute(t->primitive, d->stream, t->n_args,
                                    t->arg) != dnnl_success)
        return -1.0;
    return assay__clock_seconds() - start;
}

/* The trials of one way: itself, and what must be run beside. */
struct race {
    struct trial trial[2];
    double least[2];
    int n;
    bool out; /* impossible, or far behind */
};

static double total(const struct race *r)
{
    return r->least[0] + r->least[1];
}

/* The first run touches the memory and only shows what is out of the
 * question. */
static void open_race(struct assay__dnn *d, const struct assay__way *way,
                      struct race *r)
{
    bool open;

    memset(r, 0, sizeof *r);
    r->out = way->pd == NULL && way->task == NULL;
    if (r->out)
        return;
    r->n = way->beside != NULL ? 2 : 1;
    open = way->pd != NULL ? open_trial(d, &r->trial[0], way->pd)
                           : open_task(&r->trial[0], way);
    if (open && r->n > 1)
        open = open_trial(d, &r->trial[1], way->beside);
    for (int i = 0; i < r->n && open; i++) {
        r->least[i] = run_trial(d, &r->trial[i]);
        open = r->least[i] >= 0.0;
    }
    r->out = !open;
}

/* Drop those whose first run already took very much longer. */
static void drop_slowest(struct race *race, int n)
{
    double least = -1.0;

    for (int i = 0; i < n; i++) {
        if (!race[i].out && (least < 0.0 || total(&race[i]) < least))
            least = total(&race[i]);
    }
    for (int i = 0; i < n; i++)
        race[i].out = race[i].out || total(&race[i]) > 8.0 * least;
}

static double run_round(struct assay__dnn *d, struct race *r)
{
    double spent = 0.0;

    for (int i = 0; i < r->n && !r->out; i++) {
        double took = run_trial(d, &r->trial[i]);

        if (took < 0.0)
            r->out = true;
        if (took < r->least[i])
            r->least[i] = took;
        spent += took;
    }
    return spent;
}

/* In rounds, so that what else happens on the machine hits all alike. */
static int fastest(struct assay__dnn *d, struct race *race, int n)
{
    double spent = 0.0;
    int best = 0;

    for (int round = 0;
         round < ROUNDS_MAX && (round < ROUNDS_MIN || spent < seconds_enough);
         round++) {
        best = -1;
        for (int i = 0; i < n; i++) {
            spent += run_round(d, &race[i]);
            if (!race[i].out &&
                (best < 0 || total(&race[i]) < total(&race[best])))
                best = i;
        }
        for (int i = 0; i < n && round > 0; i++)
            race[i].out =
                race[i].out || total(&race[i]) > hopeless * total(&race[best]);
    }
    return best < 0 ? 0 : best;
}

static int find_name(const struct assay__way *way, int n, const char *wanted)
{
    for (int i = 0; wanted != NULL && i < n; i++) {
        if (strcmp(way[i].name, wanted) == 0 &&
            (way[i].pd != NULL || way[i].task != NULL))
            return i;
    }
    return -1;
}

/* The key with all else that a choice depends on. */
static void complete_key(const struct assay__dnn *d, const char *key,
                         char *full, size_t size)
{
    const dnnl_version_t *version = dnnl_version();

    (void)snprintf(full, size, "%s t%d isa%x onednn%d.%d.%d", key,
                   d->plan->options.threads,
                   (unsigned)dnnl_get_effective_cpu_isa(), version->major,
                   version->minor, version->patch);
}

int assay__dnn_choose(struct assay__dnn *d, const char *key, const char *like,
                      const struct assay__way *way, int n)
{
    const struct assay_plan_options *o = &d->plan->options;
    char full[ASSAY__KEY_MAX + 64];
    struct race *race;
    int possible = 0;
    int best;

    for (int i = 0; i < n; i++)
        possible += way[i].pd != NULL || way[i].task != NULL;
    if (d->code != ASSAY_OK || possible < 2 || d->untimed ||
        o->algorithms == ASSAY_ALGORITHMS_DIRECT)
        return 0;
    if (like != NULL) {
        complete_key(d, like, full, sizeof full);
        best = find_name(way, n, assay_tuning_get(o->tuning, full));
        if (best >= 0)
            return best;
    }
    complete_key(d, key, full, sizeof full);
    best = find_name(way, n, assay_tuning_get(o->tuning, full));
    if (best >= 0)
        return best;
    race = assay__calloc((size_t)n, sizeof(*race));
    if (race == NULL) {
        assay__dnn_fail(d, ASSAY_NOMEM, "out of memory for a choice");
        return 0;
    }
    for (int i = 0; i < n; i++)
        open_race(d, &way[i], &race[i]);
    drop_slowest(race, n);
    best = fastest(d, race, n);
    for (int i = 0; i < n; i++) {
        close_trial(&race[i].trial[0]);
        close_trial(&race[i].trial[1]);
    }
    assay__free(race);
    d->code = assay_tuning_put(o->tuning, full, way[best].name, d->err);
    return best;
}

dnnl_primitive_desc_t assay__dnn_reorder_pd(struct assay__dnn *d,
                                            const_dnnl_memory_desc_t from,
                                            const_dnnl_memory_desc_t to)
{
    dnnl_primitive_desc_t pd = NULL;

    if (from == NULL || to == NULL || assay__dnn_same_memory(from, to) ||
        dnnl_reorder_primitive_desc_create(&pd, from, d->engine, to, d->engine,
                                           NULL) != dnnl_success)
        return NULL;
    return pd;
}
