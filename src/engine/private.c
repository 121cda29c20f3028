/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private training: the parts of a trainer that differ (train.h says what is
 * computed).
 *
 * A drawn batch varies in size, a plan does not. There are a few plans, of
 * the expected size and some steps below and above it; a batch is filled up
 * to the next size with rows of weight 0, which add exactly nothing
 * (assay_differentiate_clipped). One that is larger than the largest plan
 * comes in parts: the sums of all but the last are kept in `sum`, which the
 * last adds to its own. All plans live in the memory of the largest.
 *
 * Noise and division are part of the update, piece by piece while a piece of
 * the gradient is in the cache (update_loops.h).
 */

#include <math.h>
#include <string.h>

#include "assay/rng.h"
#include "core/mem.h"
#include "engine/backend.h"
#include "engine/trainer.h"

struct assay__private {
    assay_value loss;    /* per record */
    assay_value weights; /* the input that tells records from filling */
    float *weight;       /* its numbers */
    void *sum;           /* of the parts before; the backend's, or NULL */
};

static const char weights_name[] = "assay.weights";

/* The loss of each record: what the program takes the mean of. */
static int find_loss(struct assay_trainer *t, struct assay_error *err)
{
    const assay_graph *g = t->program->graph;
    int node = g->value[t->program->loss].node;

    if (g->value[t->program->loss].kind != ASSAY__RESULT || node < 0 ||
        g->node[node].op != &assay__op_mean)
        return assay_error_set(err, ASSAY_ARG,
                               "%s: in private training the loss must be the "
                               "mean of one number per record",
                               t->options.task);
    t->secret->loss = g->node[node].in[0];
    return ASSAY_OK;
}

int assay__private_differentiate(struct assay_trainer *t,
                                 const assay_value *wrt, int n, assay_value *d,
                                 struct assay_error *err)
{
    struct assay_shape each = assay_shape_make(1, (int64_t)ASSAY_BATCH);
    struct assay_clip clip;
    assay_value norms;
    int code;

    t->secret = assay__calloc(1, sizeof(*t->secret));
    if (!t->secret)
        return assay_error_set(err, ASSAY_NOMEM,
                               "out of memory for private training");
    code = find_loss(t, err);
    if (code != ASSAY_OK)
        return code;
    t->secret->weights = assay_graph_input(t->graph, weights_name, &each);
    code = assay_graph_check(t->graph, err);
    if (code != ASSAY_OK)
        return code;
    clip.loss = t->secret->loss;
    clip.norm = t->options.privacy.clip_norm;
    clip.weights = t->secret->weights;
    return assay_differentiate_clipped(t->graph, &clip, wrt, n, d, &norms, err);
}

static void add_size(struct assay_trainer *t, double rows)
{
    if (rows >= 1.0 && t->n_sizes < ASSAY__SIZES_MAX)
        t->sized[t->n_sizes++].rows = (size_t)rows;
}

/*
 * Sizes from two deviations of a drawn batch's size below its expectation to
 * four above, some seven in all (a plan has kernels of its own, megabytes):
 * filling up then costs half a deviation on average, and one batch in some
 * ten thousand comes in parts. Where the caller allows fewer rows than that,
 * parts are the rule, and their last one may have any size.
 */
void assay__private_sizes(struct assay_trainer *t)
{
    enum { STEPS = 6 };
    double n = (double)t->source->n;
    double middle = (double)t->options.batch;
    double deviation = sqrt(middle * (1.0 - middle / n));
    double low = middle - 2.0 * deviation;
    double high = fmin(n, middle + 4.0 * deviation);
    double limit = (double)t->options.privacy.rows;
    double step;

    if (limit > 0.0 && limit < high) {
        middle = high = limit;
        low = 1.0;
    }
    step = fmax(1.0, ceil((high - low) / STEPS));
    middle += step * ceil((high - middle) / step);
    add_size(t, fmin(middle, n));
    while (middle - step >= 1.0 && middle > low) {
        middle -= step;
        if (middle < (double)t->sized[0].rows)
            add_size(t, middle);
    }
}

assay_value assay__private_loss(const struct assay_trainer *t)
{
    return t->secret->loss;
}

assay_value assay__private_weights(const struct assay_trainer *t)
{
    return t->secret->weights;
}

int assay__private_open(struct assay_trainer *t, struct assay_error *err)
{
    if (!t->secret->weight)
        t->secret->weight =
            assay__calloc(t->sized[0].rows, sizeof(*t->secret->weight));
    if (!t->secret->weight)
        return assay_error_set(err, ASSAY_NOMEM,
                               "out of memory for the weights of %zu rows",
                               t->sized[0].rows);
    return t->plan->backend->noise_open(t->plan->store, err);
}

/* Records and filling into the plan's inputs. */
static int write_rows(struct assay_trainer *t, const struct assay__sized *s,
                      const struct assay__fed *fed, struct assay_error *err)
{
    const struct assay_program *p = t->program;
    int code = ASSAY_OK;

    for (int i = 0; i < p->n_inputs && code == ASSAY_OK; i++) {
        memset(fed->inputs[i] + fed->n * t->width[i], 0,
               (s->rows - fed->n) * t->width[i] * sizeof(float));
        code = assay_plan_write(s->plan, p->inputs[i], fed->inputs[i], err);
    }
    for (size_t i = 0; i < s->rows; i++)
        t->secret->weight[i] = i < fed->n ? 1.0F : 0.0F;
    if (code == ASSAY_OK && s->plan->uses[t->secret->weights] > 0)
        code = assay_plan_write(s->plan, t->secret->weights, t->secret->weight,
                                err);
    return code;
}

/* The clipped sum of a part's rows into the store's gradients. */
static int run_part(struct assay_trainer *t, const struct assay__fed *fed,
                    uint64_t step, double *loss, struct assay_error *err)
{
    struct assay__sized *s = assay__trainer_plan_for(t, fed->n);
    int code;

    *loss = 0.0;
    if (fed->n == 0)
        return t->plan->backend->clear(t->plan, t->plan->gradients, err);
    code = write_rows(t, s, fed, err);
    if (code != ASSAY_OK)
        return code;
    /* No two parts share their masks of dropout. */
    assay_plan_set_stream(s->plan, t->options.seed,
                          step + ((uint64_t)fed->part << 40));
    code = assay_plan_run(s->plan, err);
    if (code == ASSAY_OK)
        code = assay__trainer_sum(t, t->secret->loss, fed->n, loss, err);
    return code;
}

/* Keep the sum of a part that more will follow. */
static int keep_part(struct assay_trainer *t, const struct assay__fed *fed,
                     struct assay_error *err)
{
    const struct assay__backend *backend = t->plan->backend;
    const struct assay__store *store = t->plan->store;
    int code = ASSAY_OK;

    if (!t->secret->sum)
        t->secret->sum = backend->alloc(store->n_trained *
                                        assay_dtype_size(backend->element));
    if (!t->secret->sum)
        return assay_error_set(err, ASSAY_NOMEM,
                               "out of memory for the sum over a batch in "
                               "parts");
    if (fed->part == 0)
        code = backend->clear(t->plan, t->secret->sum, err);
    if (code == ASSAY_OK)
        code = backend->add(t->plan, t->secret->sum, t->plan->gradients, err);
    return code;
}

static int update(struct assay_trainer *t, uint64_t step, double lr,
                  struct assay_error *err)
{
    const struct assay_privacy_options *o = &t->options.privacy;
    struct assay__noise noise = {.store = t->plan->store};
    struct assay_rng rng;

    assay_rng_init(&rng, t->options.seed, "dp-noise", step);
    noise.key[0] = assay_rng_u64(&rng);
    noise.key[1] = assay_rng_u64(&rng);
    noise.deviation =
        o->noise_multiplier > 0.0 ? o->noise_multiplier * o->clip_norm : 0.0;
    noise.factor = 1.0 / (double)t->options.batch;
    return assay__optimizer_step(t->optimizer, t->plan, lr, &noise, err);
}

int assay__private_step(struct assay_trainer *t, const struct assay__fed *fed,
                        uint64_t step, double lr, double *loss,
                        struct assay_error *err)
{
    int code = run_part(t, fed, step, loss, err);

    if (code != ASSAY_OK || !isfinite(*loss))
        return code;
    if (!fed->last)
        return keep_part(t, fed, err);
    if (fed->part > 0)
        code = t->plan->backend->add(t->plan, t->plan->gradients,
                                     t->secret->sum, err);
    if (code == ASSAY_OK)
        code = update(t, step, lr, err);
    return code;
}

void assay__private_close(struct assay_trainer *t)
{
    if (!t->secret)
        return;
    if (t->secret->sum)
        t->plan->backend->dealloc(t->secret->sum);
    assay__free(t->secret->weight);
    assay__free(t->secret);
    t->secret = NULL;
}
