/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Optimizers: the moments beside a store, and the count of steps.
 *
 * Moments are arrays of the store's layout and of its trained length, so
 * that the backend's update is one loop. SGD keeps one when it has a
 * momentum, Adam and AdamW two. An optimizer holds the store by counting;
 * the plan it was made with may be freed before it.
 */

#include <math.h>
#include <string.h>

#include "core/mem.h"
#include "engine/backend.h"

struct assay_optimizer {
    struct assay__store *store;
    struct assay__update update; /* all but the rate stays the same */
};

/* The moments' names, as PyTorch's optimizers call them. */
struct moment_names {
    const char *first;
    const char *second;
};

static const struct moment_names names[] = {
    [ASSAY_OPTIMIZER_SGD] = {"optimizer.momentum.", NULL},
    [ASSAY_OPTIMIZER_ADAM] = {"optimizer.exp_avg.", "optimizer.exp_avg_sq."},
    [ASSAY_OPTIMIZER_ADAMW] = {"optimizer.exp_avg.", "optimizer.exp_avg_sq."},
};

static const char step_name[] = "optimizer.step";

static bool within(double x, double low, double below)
{
    return x >= low && x < below;
}

static int check_options(const struct assay_optimizer_options *o,
                         struct assay_error *err)
{
    if ((int)o->kind < 0 || o->kind > ASSAY_OPTIMIZER_ADAMW)
        return assay_error_set(err, ASSAY_ARG, "optimizer %d does not exist",
                               (int)o->kind);
    if (!within(o->momentum, 0.0, 1.0))
        return assay_error_set(err, ASSAY_ARG, "momentum %g is not in [0, 1)",
                               o->momentum);
    if (!(o->weight_decay >= 0.0) || !isfinite(o->weight_decay))
        return assay_error_set(err, ASSAY_ARG,
                               "weight decay %g is negative or not finite",
                               o->weight_decay);
    if (!within(o->beta1, 0.0, 1.0) || !within(o->beta2, 0.0, 1.0))
        return assay_error_set(err, ASSAY_ARG,
                               "betas %g and %g are not in [0, 1)", o->beta1,
                               o->beta2);
    if (!(o->eps >= 0.0) || !isfinite(o->eps))
        return assay_error_set(err, ASSAY_ARG,
                               "eps %g is negative or not finite", o->eps);
    return ASSAY_OK;
}

static void set_rule(struct assay__update *u,
                     const struct assay_optimizer_options *o)
{
    u->kind = o->kind;
    u->momentum = o->momentum;
    u->weight_decay = o->weight_decay;
    u->beta1 = o->beta1 > 0.0 ? o->beta1 : 0.9;
    u->beta2 = o->beta2 > 0.0 ? o->beta2 : 0.999;
    u->eps = o->eps > 0.0 ? o->eps : 1e-8;
}

static int make_moments(assay_optimizer *o, struct assay_error *err)
{
    const struct assay__backend *backend = o->store->backend;
    size_t bytes = o->store->n_trained * assay_dtype_size(backend->element);
    bool adam = o->update.kind != ASSAY_OPTIMIZER_SGD;
    bool first = adam || o->update.momentum > 0.0;

    if (first)
        o->update.moment1 = backend->alloc(bytes);
    if (adam)
        o->update.moment2 = backend->alloc(bytes);
    if ((first && !o->update.moment1) || (adam && !o->update.moment2))
        return assay_error_set(err, ASSAY_NOMEM,
                               "out of memory for the optimizer's %zu bytes",
                               bytes);
    return ASSAY_OK;
}

int assay_optimizer_new(assay_optimizer **out, assay_plan *plan,
                        const struct assay_optimizer_options *options,
                        struct assay_error *err)
{
    assay_optimizer *o;
    int code = check_options(options, err);

    if (code != ASSAY_OK)
        return code;
    if (!plan->gradients)
        return assay_error_set(err, ASSAY_ARG,
                               "the plan computes no gradients to train by");
    o = assay__calloc(1, sizeof(*o));
    if (!o)
        return assay_error_set(err, ASSAY_NOMEM,
                               "out of memory for an optimizer");
    o->store = plan->store;
    assay__store_hold(o->store);
    set_rule(&o->update, options);
    code = make_moments(o, err);
    if (code != ASSAY_OK) {
        assay_optimizer_free(o);
        return code;
    }
    *out = o;
    return ASSAY_OK;
}

void assay_optimizer_free(assay_optimizer *o)
{
    const struct assay__backend *backend;

    if (!o)
        return;
    backend = o->store->backend;
    if (o->update.moment1)
        backend->dealloc(o->update.moment1);
    if (o->update.moment2)
        backend->dealloc(o->update.moment2);
    assay__store_drop(o->store);
    assay__free(o);
}

int assay_optimizer_step(assay_optimizer *o, assay_plan *plan, double lr,
                         struct assay_error *err)
{
    return assay__optimizer_step(o, plan, lr, NULL, err);
}

int assay__optimizer_step(assay_optimizer *o, assay_plan *plan, double lr,
                          const struct assay__noise *noise,
                          struct assay_error *err)
{
    int code;

    if (plan->store != o->store || !plan->gradients)
        return assay_error_set(err, ASSAY_ARG,
                               "the plan computes no gradients for this "
                               "optimizer's parameters");
    if (!(lr >= 0.0) || !isfinite(lr))
        return assay_error_set(
            err, ASSAY_ARG, "learning rate %g is negative or not finite", lr);
    o->update.lr = lr;
    o->update.step++;
    o->update.noise = noise;
    code = plan->backend->update(plan, &o->update, err);
    o->update.noise = NULL;
    if (code != ASSAY_OK)
        o->update.step--;
    return code;
}

int assay_optimizer_to_tensors(assay_optimizer *o, struct assay_tensors *list,
                               struct assay_error *err)
{
    static const struct assay_shape scalar;
    const struct moment_names *name = &names[o->update.kind];
    struct assay_tensor *t;
    int64_t step = (int64_t)o->update.step;
    int code;

    code =
        assay_tensors_add(list, step_name, ASSAY_DTYPE_I64, &scalar, &t, err);
    if (code != ASSAY_OK)
        return code;
    memcpy(t->data, &step, sizeof(step));
    if (o->update.moment1)
        code = assay__store_to_tensors(o->store, o->update.moment1, true,
                                       name->first, list, err);
    if (code == ASSAY_OK && o->update.moment2)
        code = assay__store_to_tensors(o->store, o->update.moment2, true,
                                       name->second, list, err);
    return code;
}

int assay_optimizer_from_tensors(assay_optimizer *o,
                                 const struct assay_tensors *list,
                                 struct assay_error *err)
{
    const struct moment_names *name = &names[o->update.kind];
    const struct assay_tensor *t = assay_tensors_find(list, step_name);
    int64_t step;
    int code = ASSAY_OK;

    if (!t || t->dtype != ASSAY_DTYPE_I64 || t->shape.rank != 0)
        return assay_error_set(err, ASSAY_FORMAT,
                               "there is no tensor '%s' of one i64", step_name);
    memcpy(&step, t->data, sizeof(step));
    if (step < 0)
        return assay_error_set(err, ASSAY_FORMAT, "%s is %lld, below 0",
                               step_name, (long long)step);
    if (o->update.moment1)
        code = assay__store_from_tensors(o->store, o->update.moment1, true,
                                         name->first, list, err);
    if (code == ASSAY_OK && o->update.moment2)
        code = assay__store_from_tensors(o->store, o->update.moment2, true,
                                         name->second, list, err);
    if (code == ASSAY_OK)
        o->update.step = (uint64_t)step;
    return code;
}
