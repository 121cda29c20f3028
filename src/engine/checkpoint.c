/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checkpoints: the state after an epoch, from which a run goes on to the
 * same bytes.
 *
 * One file holds "param.<name>" (all parameters in the backend's own
 * type), the optimizer's step and moments, "history" [epochs, 3 + monitors]
 * f64, and as metadata the choices of algorithm and a line for each thing
 * that determines the result. A file is used only when all those lines are
 * this run's; the first that is not is named in the log.
 */

#include <stdio.h>
#include <string.h>

#include "core/fs.h"
#include "core/mem.h"
#include "engine/backend.h"
#include "engine/trainer.h"
#include "engine/tuning.h"

enum { N_LINES = 10, TEXT = 200, HISTORY_WIDTH = 3 + ASSAY_MONITORS_MAX };

static const char tuning_meta[] = "assay.tuning";
static const char param_prefix[] = "param.";
static const char history_name[] = "history";

/* What determines the result, as lines of metadata. */
struct line {
    const char *name;
    const char *text;
    char own[TEXT];
};

static const char *const optimizer_names[] = {
#define ASSAY_X(name, text) text,
    ASSAY_OPTIMIZERS(ASSAY_X)
#undef ASSAY_X
};

static void write_optimizer(char *text, const struct assay_train_options *o)
{
    const struct assay_optimizer_options *r = &o->optimizer;

    snprintf(text, TEXT, "%s momentum %.17g decay %.17g %.17g %.17g %.17g",
             optimizer_names[r->kind], r->momentum, r->weight_decay, r->beta1,
             r->beta2, r->eps);
}

/* The whole course of the rate; the number of epochs only where it counts,
 * so that a finished run can be made longer. */
static void write_rate(char *text, const struct assay_train_options *o)
{
    int at = snprintf(text, TEXT, "%.17g schedule %d gamma %.17g warmup %zu",
                      o->lr, (int)o->schedule, o->gamma, o->warmup_epochs);

    for (int i = 0; i < o->n_milestones && at < TEXT; i++)
        at +=
            snprintf(text + at, (size_t)(TEXT - at), " %zu", o->milestones[i]);
    if (o->schedule == ASSAY_SCHEDULE_COSINE && at < TEXT)
        snprintf(text + at, (size_t)(TEXT - at), " of %zu",
                 o->schedule_epochs ? o->schedule_epochs : o->epochs);
}

/* What a step is made of. */
static void write_records(char *text, const struct assay_trainer *t)
{
    const struct assay_train_options *o = &t->options;
    const struct assay_privacy_options *p = &o->privacy;

    if (p->clip_norm > 0.0)
        snprintf(text, TEXT,
                 "%zu drawn, %zu expected, clip %.17g noise %.17g rows %zu",
                 t->source->n, o->batch, p->clip_norm, p->noise_multiplier,
                 p->rows);
    else
        snprintf(text, TEXT, "%zu in batches of %zu", t->source->n, o->batch);
}

static void make_lines(const struct assay_trainer *t, struct line l[N_LINES])
{
    const struct assay_train_options *o = &t->options;
    int n = 0;

    for (int i = 0; i < N_LINES; i++)
        l[i].text = l[i].own;
    l[n].name = "assay.key";
    l[n++].text = o->key ? o->key : "";
    l[n].name = "assay.version";
    snprintf(l[n++].own, TEXT, "%s", assay_version());
    l[n].name = "assay.backend";
    snprintf(l[n++].own, TEXT, "%s", o->backend ? o->backend : "onednn");
    l[n].name = "assay.threads";
    snprintf(l[n++].own, TEXT, "%d", o->threads);
    l[n].name = "assay.arithmetic";
    snprintf(l[n++].own, TEXT, "%s, algorithms %d",
             assay_dtype_name(o->compute), (int)o->algorithms);
    l[n].name = "assay.program";
    snprintf(l[n++].own, TEXT, "%016llx",
             (unsigned long long)assay__graph_hash(t->graph));
    l[n].name = "assay.records";
    write_records(l[n++].own, t);
    l[n].name = "assay.seed";
    snprintf(l[n++].own, TEXT, "%llu", (unsigned long long)o->seed);
    l[n].name = "assay.optimizer";
    write_optimizer(l[n++].own, o);
    l[n].name = "assay.rate";
    write_rate(l[n].own, o);
}

/* Whether the file is of this run; a log line says what differs. */
static bool is_ours(struct assay_trainer *t, const struct assay_tensors *list)
{
    const struct assay_train_options *o = &t->options;
    struct line l[N_LINES];

    make_lines(t, l);
    for (int i = 0; i < N_LINES; i++) {
        const char *theirs = assay_tensors_meta(list, l[i].name);

        if (theirs && strcmp(theirs, l[i].text) == 0)
            continue;
        assay_log(t->ctx, ASSAY_LOG_INFO,
                  "%s: %s is not used: its %s is '%.200s', this run's "
                  "'%.200s'",
                  o->task, o->checkpoint, l[i].name, theirs ? theirs : "(none)",
                  l[i].text);
        return false;
    }
    return true;
}

static const struct assay_tensor *find_history(struct assay_trainer *t,
                                               const struct assay_tensors *list)
{
    const struct assay_tensor *h = assay_tensors_find(list, history_name);

    if (!h || h->dtype != ASSAY_DTYPE_F64 || h->shape.rank != 2 ||
        h->shape.dim[0] < 1 || h->shape.dim[1] != HISTORY_WIDTH) {
        assay_log(t->ctx, ASSAY_LOG_WARNING,
                  "%s: %s has no history and is not used", t->options.task,
                  t->options.checkpoint);
        return NULL;
    }
    if ((size_t)h->shape.dim[0] > t->options.epochs) {
        assay_log(t->ctx, ASSAY_LOG_INFO,
                  "%s: %s is not used: it has %lld epochs, this run %zu",
                  t->options.task, t->options.checkpoint,
                  (long long)h->shape.dim[0], t->options.epochs);
        return NULL;
    }
    return h;
}

/*
 * Choices of algorithm come from the file alone, in a tuning of the run's
 * own, so that what other runs have chosen meanwhile does not matter. The
 * caller's record gets those it does not have.
 */
static int take_choices(struct assay_trainer *t, const char *text,
                        struct assay_error *err)
{
    assay_tuning *own = NULL;
    int code = assay_tuning_new(&own, err);

    if (code == ASSAY_OK)
        code = assay__tuning_take(own, text, false, err);
    if (code == ASSAY_OK && t->options.tuning)
        code = assay__tuning_take(t->options.tuning, text, true, err);
    if (code != ASSAY_OK) {
        assay_tuning_free(own);
        return code;
    }
    assay_tuning_free(t->own_tuning);
    t->tuning = t->own_tuning = own;
    return ASSAY_OK;
}

int assay__checkpoint_find(struct assay_trainer *t, struct assay_tensors *list,
                           struct assay_error *err)
{
    const struct assay_train_options *o = &t->options;
    struct assay_error why = {ASSAY_OK, ""};
    const char *choices;
    int code;

    if (!o->checkpoint || !assay__exists(o->checkpoint))
        return ASSAY_OK;
    code = o->io.read(list, o->checkpoint, &why);
    if (code == ASSAY_OK) {
        if (!is_ours(t, list) || !find_history(t, list)) {
            assay_tensors_release(list);
            return ASSAY_OK;
        }
        choices = assay_tensors_meta(list, tuning_meta);
        code = take_choices(t, choices ? choices : "{}", &why);
    }
    if (code == ASSAY_OK)
        return ASSAY_OK;
    assay_tensors_release(list);
    if (code == ASSAY_NOMEM)
        return assay_error_set(err, code, "%s", why.msg);
    assay_log(t->ctx, ASSAY_LOG_WARNING,
              "%s: the checkpoint cannot be used, starting anew: %s", o->task,
              why.msg);
    return ASSAY_OK;
}

static void take_history(struct assay_trainer *t, const struct assay_tensor *h)
{
    const double *row = h->data;

    t->n_done = t->resumed_at = (size_t)h->shape.dim[0];
    for (size_t i = 0; i < t->n_done; i++, row += HISTORY_WIDTH) {
        t->epoch[i].loss = row[0];
        t->epoch[i].lr = row[1];
        t->epoch[i].seconds = row[2];
        memcpy(t->epoch[i].monitor, row + 3, sizeof(t->epoch[i].monitor));
    }
}

int assay__checkpoint_restore(struct assay_trainer *t,
                              const struct assay_tensors *list,
                              struct assay_error *err)
{
    const struct assay_train_options *o = &t->options;
    struct assay__store *store = t->plan->store;
    struct assay_error why = {ASSAY_OK, ""};
    int code;

    if (list->n_items == 0)
        return ASSAY_OK;
    code = assay__store_from_tensors(store, store->weights, false, param_prefix,
                                     list, &why);
    if (code == ASSAY_OK)
        code = assay_optimizer_from_tensors(t->optimizer, list, &why);
    if (code == ASSAY_NOMEM)
        return assay_error_set(err, code, "%s", why.msg);
    if (code != ASSAY_OK) {
        assay_log(t->ctx, ASSAY_LOG_WARNING,
                  "%s: the checkpoint cannot be used, starting anew: %s",
                  o->task, why.msg);
        return assay__trainer_restart(t, err);
    }
    take_history(t, assay_tensors_find(list, history_name));
    assay_log(t->ctx, ASSAY_LOG_INFO, "%s: going on after epoch %zu of %zu",
              o->task, t->n_done, o->epochs);
    return ASSAY_OK;
}

static int add_history(const struct assay_trainer *t,
                       struct assay_tensors *list, struct assay_error *err)
{
    struct assay_shape shape =
        assay_shape_make(2, (int64_t)t->n_done, (int64_t)HISTORY_WIDTH);
    struct assay_tensor *h;
    double *row;
    int code =
        assay_tensors_add(list, history_name, ASSAY_DTYPE_F64, &shape, &h, err);

    if (code != ASSAY_OK)
        return code;
    row = h->data;
    for (size_t i = 0; i < t->n_done; i++, row += HISTORY_WIDTH) {
        row[0] = t->epoch[i].loss;
        row[1] = t->epoch[i].lr;
        row[2] = t->epoch[i].seconds;
        memcpy(row + 3, t->epoch[i].monitor, sizeof(t->epoch[i].monitor));
    }
    return ASSAY_OK;
}

static int add_meta(const struct assay_trainer *t, struct assay_tensors *list,
                    struct assay_error *err)
{
    struct line l[N_LINES];
    char *choices = assay__tuning_text(t->tuning);
    int code = ASSAY_OK;

    if (!choices)
        return assay_error_set(err, ASSAY_NOMEM,
                               "out of memory for a checkpoint");
    make_lines(t, l);
    for (int i = 0; i < N_LINES && code == ASSAY_OK; i++)
        code = assay_tensors_set_meta(list, l[i].name, l[i].text, err);
    if (code == ASSAY_OK)
        code = assay_tensors_set_meta(list, tuning_meta, choices, err);
    assay__free(choices);
    return code;
}

int assay__checkpoint_write(struct assay_trainer *t, struct assay_error *err)
{
    const struct assay_train_options *o = &t->options;
    struct assay__store *store = t->plan->store;
    struct assay_tensors list;
    int code;

    if (!o->checkpoint)
        return ASSAY_OK;
    assay_tensors_init(&list);
    code = add_meta(t, &list, err);
    if (code == ASSAY_OK)
        code = assay__store_to_tensors(store, store->weights, false,
                                       param_prefix, &list, err);
    if (code == ASSAY_OK)
        code = assay_optimizer_to_tensors(t->optimizer, &list, err);
    if (code == ASSAY_OK)
        code = add_history(t, &list, err);
    if (code == ASSAY_OK)
        code = o->io.write(&list, o->checkpoint, err);
    assay_tensors_release(&list);
    return code;
}
