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

/* Runs of one candidate: at most so many, and not much longer than that. */
enum { RUNS_MAX = 6, RUNS_MIN = 2 };
static const double seconds_enough = 0.03;

struct trial {
    dnnl_primitive_t primitive;
    dnnl_exec_arg_t arg[ASSAY__PRIMITIVE_ARGS];
    void *data[ASSAY__PRIMITIVE_ARGS];
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

static void close_trial(struct trial *t)
{
    for (int i = 0; i < t->n_args; i++) {
        dnnl_memory_destroy(t->arg[i].memory);
        assay__free(t->data[i]);
    }
    if (t->primitive != NULL)
        dnnl_primitive_destroy(t->primitive);
}

double assay__dnn_time(struct assay__dnn *d, const_dnnl_primitive_desc_t pd)
{
    struct trial t;
    double least = -1.0;
    double spent = 0.0;
    int i;

    memset(&t, 0, sizeof t);
    if (pd == NULL || !open_trial(d, &t, pd)) {
        close_trial(&t);
        return -1.0;
    }
    /* The first run touches memory and is not counted. */
    for (i = -1; i < RUNS_MAX && (i < RUNS_MIN || spent < seconds_enough);
         i++) {
        double start = assay__clock_seconds();
        double took;

        if (dnnl_primitive_execute(t.primitive, d->stream, t.n_args, t.arg) !=
            dnnl_success) {
            least = -1.0;
            break;
        }
        took = assay__clock_seconds() - start;
        if (i < 0)
            continue;
        spent += took;
        if (least < 0.0 || took < least)
            least = took;
    }
    close_trial(&t);
    return least;
}

double assay__dnn_time_reorder(struct assay__dnn *d,
                               const_dnnl_memory_desc_t from,
                               const_dnnl_memory_desc_t to)
{
    dnnl_primitive_desc_t pd = NULL;
    double seconds = -1.0;

    if (assay__dnn_same_memory(from, to))
        return 0.0;
    if (dnnl_reorder_primitive_desc_create(&pd, from, d->engine, to, d->engine,
                                           NULL) != dnnl_success)
        return -1.0;
    seconds = assay__dnn_time(d, pd);
    dnnl_primitive_desc_destroy(pd);
    return seconds;
}

static int find_name(const char *const *name, int n, const char *wanted)
{
    for (int i = 0; wanted != NULL && i < n; i++) {
        if (strcmp(name[i], wanted) == 0)
            return i;
    }
    return -1;
}

int assay__dnn_choose(
    struct assay__dnn *d, const char *key, const char *const *name, int n,
    double (*seconds)(struct assay__dnn *d, void *user, int way), void *user)
{
    const struct assay_plan_options *o = &d->plan->options;
    const dnnl_version_t *version = dnnl_version();
    char full[ASSAY__KEY_MAX + 64];
    double least = -1.0;
    int best = 0;

    if (d->code != ASSAY_OK || n < 2 ||
        o->algorithms == ASSAY_ALGORITHMS_DIRECT)
        return 0;
    (void)snprintf(full, sizeof full, "%s t%d isa%x onednn%d.%d.%d", key,
                   o->threads, (unsigned)dnnl_get_effective_cpu_isa(),
                   version->major, version->minor, version->patch);
    best = find_name(name, n, assay_tuning_get(o->tuning, full));
    if (best >= 0)
        return best;
    best = 0;
    for (int i = 0; i < n; i++) {
        double took = seconds(d, user, i);

        if (took >= 0.0 && (least < 0.0 || took < least)) {
            least = took;
            best = i;
        }
    }
    if (d->code == ASSAY_OK)
        d->code = assay_tuning_put(o->tuning, full, name[best], d->err);
    return best;
}
