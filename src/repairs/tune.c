/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Training on, accuracy on held-out records, and finding layers.
 *
 * A rate that suits one network ruins another. A tuning after which held-out
 * accuracy has fallen by over five points, or that diverges, is done again at
 * a tenth of its rate, twice at most; the one with the highest held-out
 * accuracy stays. Clean records alone decide it.
 */

#include <string.h>

#include "core/mem.h"
#include "repairs/repairs.h"

enum { TRIES = 3 };
static const double fall = .05;

static int train_once(const struct assay_repair_input *in, assay_model *m,
                      const struct assay__tuning *tuning, double lr,
                      struct assay_error *err)
{
    struct assay_recipe recipe = *in->recipe;
    struct assay_training t = {.model = m,
                               .train = tuning->view ? tuning->view : in->clean,
                               .recipe = &recipe,
                               .objective = tuning->objective,
                               .frozen = tuning->frozen,
                               .n_frozen = tuning->n_frozen,
                               .seed = in->ctx->seed,
                               .task = tuning->task};
    int rc;

    recipe.epochs = tuning->epochs;
    recipe.lr = lr;
    rc = assay_models_train(in->ctx, in->compute, &t, 1, err);
    assay_curve_release(&t.curve);
    return rc;
}

/* Tunings of one model. */
struct tries {
    float *start; /* its parameters before any */
    float *best;
    double base; /* held-out accuracy before, and the best after */
    double highest;
    double rate; /* of the best */
};

/* One of them; whether it will do. */
static int try_rate(struct tries *t, const struct assay_repair_input *in,
                    assay_model *m, const struct assay__tuning *tuning,
                    double lr, int *done, struct assay_error *err)
{
    struct assay_params *p = assay_model_params(m);
    size_t bytes = p->size * sizeof(float);
    double now = 0;
    int rc;

    memcpy(p->data, t->start, bytes);
    rc = train_once(in, m, tuning, lr, err);
    if (!rc)
        rc = assay__repair_accuracy(in, m, &now, err);
    if (rc)
        return rc;
    if (now > t->highest) {
        t->highest = now;
        t->rate = lr;
        memcpy(t->best, p->data, bytes);
    }
    *done = now >= t->base - fall;
    return ASSAY_OK;
}

static int try_rates(struct tries *t, const struct assay_repair_input *in,
                     assay_model *m, const struct assay__tuning *tuning,
                     struct assay_error *err)
{
    double lr = tuning->lr;
    int done = 0;
    int rc = assay__repair_accuracy(in, m, &t->base, err);

    for (int i = 0; i < TRIES && !rc && !done; i++) {
        rc = try_rate(t, in, m, tuning, lr, &done, err);
        lr /= 10;
        if (rc == ASSAY_NUMERIC && (i + 1 < TRIES || t->rate > 0))
            rc = ASSAY_OK;
    }
    return rc;
}

int assay__repair_tune(const struct assay_repair_input *in, assay_model *m,
                       const struct assay__tuning *tuning,
                       struct assay_repaired *out, struct assay_error *err)
{
    struct assay_params *p = assay_model_params(m);
    size_t bytes = p->size * sizeof(float);
    struct tries t = {.start = assay__malloc(bytes),
                      .best = assay__malloc(bytes),
                      .highest = -1};
    int rc = ASSAY_OK;

    if (!t.start || !t.best) {
        rc = assay_error_set(err, ASSAY_NOMEM,
                             "%s: out of memory for copies of the weights",
                             tuning->task);
    } else {
        memcpy(t.start, p->data, bytes);
        rc = try_rates(&t, in, m, tuning, err);
        memcpy(p->data, rc ? t.start : t.best, bytes);
    }
    if (!rc && t.rate < tuning->lr)
        out->lowered = t.rate;
    assay__free(t.start);
    assay__free(t.best);
    return rc;
}

int assay__repair_accuracy(const struct assay_repair_input *in,
                           const assay_model *m, double *accuracy,
                           struct assay_error *err)
{
    struct assay_evidence e = {0};
    int rc = assay_evidence_collect(&e, in->ctx, m, in->held_out, 0,
                                    in->compute, "held-out", err);

    if (!rc)
        *accuracy = assay_evidence_accuracy(&e).value;
    assay_evidence_release(&e);
    return rc;
}

int assay__repair_norm_of(const assay_graph *g, assay_value v,
                          struct assay_layer *norm)
{
    for (int i = 0; i < assay_graph_n_layers(g); i++) {
        struct assay_layer l = assay_graph_layer_at(g, i);

        if (l.source == v && (l.kind == ASSAY_LAYER_BATCHNORM ||
                              l.kind == ASSAY_LAYER_GROUPNORM)) {
            *norm = l;
            return 1;
        }
    }
    return 0;
}

static const struct assay_param_slot *slot_of(const assay_model *m,
                                              assay_value v)
{
    const char *name = assay_graph_value_name(assay_model_graph(m), v);

    return v == ASSAY_NO_VALUE || !name
               ? NULL
               : assay_params_find(assay_model_weights(m), name);
}

float *assay__repair_numbers(assay_model *m, assay_value v)
{
    const struct assay_param_slot *slot = slot_of(m, v);

    return slot ? assay_model_params(m)->data + slot->offset : NULL;
}

size_t assay__repair_count(const assay_model *m, assay_value v)
{
    const struct assay_param_slot *slot = slot_of(m, v);

    return slot ? slot->count : 0;
}
