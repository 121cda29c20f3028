/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many searches by gradient at once.
 *
 * A plan of a fixed batch evaluates as many rows as it has slots; a row that
 * ends gives its slot to the next one. Losses are summed over the batch, so
 * that the gradient of a row is its own, and networks are in evaluation
 * mode: rows do not see each other. The batch stays whole when fewer rows
 * are left, so that the kernels, and their rounding, stay the same.
 */

#include <math.h>
#include <string.h>

#include "assay/layers.h"
#include "core/checked.h"
#include "core/mem.h"
#include "model/model.h"
#include "model/search.h"

enum { BATCH_MAX = 1 << 16 };

void assay_inversion_release(struct assay_inversion *found)
{
    assay__free(found->image);
    assay__free(found->latent);
    assay__free(found->loss);
    assay__free(found->posterior);
    assay__free(found->steps);
    memset(found, 0, sizeof(*found));
}

static int no_memory(const struct assay__search *s, struct assay_error *err)
{
    return assay_error_set(err, ASSAY_NOMEM, "%s: out of memory for %zu rows",
                           s->task, s->rows->n);
}

static int check_rows(const struct assay__search *s, struct assay_error *err)
{
    if (s->batch < 1 || s->batch > BATCH_MAX)
        return assay_error_set(err, ASSAY_ARG,
                               "%s: %zu rows at once; 1 to %d are possible",
                               s->task, s->batch, BATCH_MAX);
    for (size_t i = 0; i < s->rows->n; i++) {
        if (s->rows->wanted[i] < 0 || s->rows->wanted[i] >= s->n_classes)
            return assay_error_set(err, ASSAY_ARG,
                                   "%s: row %zu wants class %d; the model has "
                                   "0 to %d",
                                   s->task, i, (int)s->rows->wanted[i],
                                   s->n_classes - 1);
    }
    return ASSAY_OK;
}

static int make_found(struct assay__search *s, const assay_model *target,
                      bool latent, struct assay_error *err)
{
    const struct assay_preprocess *pre = &target->preprocess;
    struct assay_inversion *f = s->found;
    size_t n = s->rows->n;
    size_t bytes;

    memset(f, 0, sizeof(*f));
    f->n = n;
    f->image_size =
        (size_t)pre->channels * (size_t)pre->height * (size_t)pre->width;
    f->z_dim = latent ? (int)s->width : 0;
    if (!assay__mul_size(n, f->image_size, &bytes))
        return no_memory(s, err);
    f->image = assay__calloc(bytes, sizeof(*f->image));
    f->loss = assay__calloc(n, sizeof(*f->loss));
    f->posterior = assay__calloc(n, sizeof(*f->posterior));
    f->steps = assay__calloc(n, sizeof(*f->steps));
    if (latent)
        f->latent = assay__calloc(n * s->width, sizeof(*f->latent));
    if (!f->image || !f->loss || !f->posterior || !f->steps ||
        (latent && !f->latent))
        return no_memory(s, err);
    for (size_t i = 0; i < n; i++)
        f->loss[i] = f->posterior[i] = (double)NAN;
    return ASSAY_OK;
}

static int make_slots(struct assay__search *s, bool latent,
                      struct assay_error *err)
{
    size_t b = s->batch;
    size_t k = (size_t)s->n_classes;

    s->row = assay__calloc(b, sizeof(*s->row));
    s->step = assay__calloc(b, sizeof(*s->step));
    s->at = assay__calloc(b * s->width, sizeof(*s->at));
    s->slope = assay__calloc(b * s->width, sizeof(*s->slope));
    s->wanted = assay__calloc(b * (k + 1), sizeof(*s->wanted));
    s->value = assay__calloc(2 * b, sizeof(*s->value));
    if (latent)
        s->picture =
            assay__calloc(b * s->found->image_size, sizeof(*s->picture));
    if (!s->row || !s->step || !s->at || !s->slope || !s->wanted || !s->value ||
        (latent && !s->picture))
        return no_memory(s, err);
    return ASSAY_OK;
}

int assay__search_open(struct assay__search *s, const struct assay_shape *x,
                       const assay_model *target, struct assay_inversion *out,
                       struct assay_error *err)
{
    struct assay_shape each = assay_shape_make(1, (int64_t)ASSAY_BATCH);
    struct assay_shape wide =
        assay_shape_make(2, (int64_t)ASSAY_BATCH, (int64_t)s->n_classes);
    bool latent = x->rank == 2;
    int rc;

    s->found = out;
    s->width = assay_shape_count(x, 1);
    s->image = ASSAY_NO_VALUE;
    rc = check_rows(s, err);
    if (!rc)
        rc = make_found(s, target, latent, err);
    if (!rc)
        rc = make_slots(s, latent, err);
    if (!rc)
        rc = assay_graph_new(&s->graph, err);
    if (rc)
        return rc;
    s->x = assay_graph_input(s->graph, "x", x);
    s->labels = assay_graph_input(s->graph, "labels", &each);
    s->onehot = assay_graph_input(s->graph, "onehot", &wide);
    return assay_graph_check(s->graph, err);
}

int assay__search_model(struct assay__search *s, const assay_model *m,
                        assay_value image, const char *prefix,
                        assay_value *logits, assay_value *embedding,
                        struct assay_error *err)
{
    assay_value wanted[2] = {m->logits, m->embedding};
    int rc;

    rc = assay_graph_append(s->graph, m->graph, prefix, &image, wanted, 2, err);
    *logits = wanted[0];
    *embedding = wanted[1];
    return rc;
}

/* No op sums a row: it is the average over a map of 1 x K, K times. */
assay_value assay__search_pick(struct assay__search *s, assay_value rows)
{
    struct assay_shape map = assay_shape_make(
        4, (int64_t)ASSAY_BATCH, (int64_t)1, (int64_t)1, (int64_t)s->n_classes);
    struct assay_shape each = assay_shape_make(1, (int64_t)ASSAY_BATCH);
    assay_value v = assay_op_mul(s->graph, rows, s->onehot);

    v = assay_op_global_avgpool(s->graph, assay_op_reshape(s->graph, v, &map));
    return assay_op_affine(s->graph, assay_op_reshape(s->graph, v, &each),
                           s->n_classes, 0);
}

/* The sum over rows of [N]: each row's gradient is its own. */
static assay_value sum_rows(assay_graph *g, assay_value v)
{
    struct assay_attrs attrs = {.alpha = 1};

    attrs.shape = assay_shape_make(1, (int64_t)ASSAY_BATCH);
    return assay_op_weighted_sum(g, v,
                                 assay_graph_node(g, "fill", NULL, 0, &attrs));
}

int assay__search_compile(struct assay__search *s, struct assay_error *err)
{
    struct assay_plan_options o = assay__plan_options(s->ctx, s->compute);
    assay_value outputs[4];
    assay_value sum;
    int rc;

    s->posterior = assay__search_pick(s, assay_op_softmax(s->graph, s->logits));
    sum = sum_rows(s->graph, s->total);
    rc = assay_differentiate(s->graph, sum, &s->x, 1, &s->d, err);
    if (!rc && s->d == ASSAY_NO_VALUE)
        rc = assay_error_set(err, ASSAY_INTERNAL,
                             "%s: the loss does not depend on what is "
                             "searched for",
                             s->task);
    if (rc)
        return rc;
    outputs[0] = s->loss;
    outputs[1] = s->posterior;
    outputs[2] = s->d;
    outputs[3] = s->image;
    o.batch = (int64_t)s->batch;
    o.outputs = outputs;
    o.n_outputs = s->image == ASSAY_NO_VALUE ? 3 : 4;
    rc = assay_plan_new(&s->plan, s->graph, &o, err);
    return rc ? rc : assay_params_make(&s->params, s->graph, err);
}

void assay__search_release(struct assay__search *s)
{
    assay_plan_free(s->plan);
    assay_params_release(&s->params);
    assay_graph_free(s->graph);
    assay__free(s->row);
    assay__free(s->step);
    assay__free(s->at);
    assay__free(s->slope);
    assay__free(s->picture);
    assay__free(s->wanted);
    assay__free(s->value);
}

/* A row into a slot: its class and where it starts. */
static void place(struct assay__search *s, size_t slot, size_t row,
                  assay__draw *draw, void *user)
{
    size_t k = (size_t)s->n_classes;
    float *onehot = s->wanted + s->batch + slot * k;
    float *x = s->at + slot * s->width;

    s->row[slot] = row;
    s->step[slot] = 0;
    s->wanted[slot] = (float)s->rows->wanted[row];
    memset(onehot, 0, k * sizeof(*onehot));
    onehot[s->rows->wanted[row]] = 1;
    memset(x, 0, s->width * sizeof(*x));
    if (draw)
        draw(user, row, slot, x);
    if (s->rows->start)
        memcpy(x, s->rows->start + row * s->width, s->width * sizeof(*x));
}

static int evaluate(struct assay__search *s, struct assay_error *err)
{
    int rc = assay_plan_write(s->plan, s->x, s->at, err);

    if (!rc)
        rc = assay_plan_write(s->plan, s->labels, s->wanted, err);
    if (!rc)
        rc = assay_plan_write(s->plan, s->onehot, s->wanted + s->batch, err);
    if (!rc)
        rc = assay_plan_run(s->plan, err);
    if (!rc)
        rc = assay_plan_read(s->plan, s->loss, s->value, err);
    if (!rc)
        rc = assay_plan_read(s->plan, s->posterior, s->value + s->batch, err);
    if (!rc)
        rc = assay_plan_read(s->plan, s->d, s->slope, err);
    if (!rc && s->picture)
        rc = assay_plan_read(s->plan, s->image, s->picture, err);
    return rc;
}

/* Keep an iterate that is better than the row's best. */
static void keep(struct assay__search *s, const struct assay__iterate *it,
                 const float *x)
{
    struct assay_inversion *f = s->found;
    size_t size = f->image_size;
    const float *image = s->picture ? s->picture + it->slot * size : x;

    f->steps[it->row] = (uint32_t)it->step;
    /* The first iterate stays when no loss is finite. */
    if (it->step > 0 && !(it->loss < f->loss[it->row]) &&
        !(isnan(f->loss[it->row]) && isfinite(it->loss)))
        return;
    f->loss[it->row] = isfinite(it->loss) ? it->loss : (double)NAN;
    f->posterior[it->row] = (double)s->value[s->batch + it->slot];
    memcpy(f->image + it->row * size, image, size * sizeof(*image));
    if (f->latent)
        memcpy(f->latent + it->row * s->width, x, s->width * sizeof(*x));
}

/* One slot after an evaluation; `before` is room for its x. True when its
 * row has ended. */
static bool step_slot(struct assay__search *s, size_t slot,
                      assay__advance *advance, void *user, float *before)
{
    struct assay__iterate it = {.slot = slot,
                                .row = s->row[slot],
                                .step = s->step[slot],
                                .loss = (double)s->value[slot],
                                .x = s->at + slot * s->width,
                                .d = s->slope + slot * s->width};
    bool on;

    memcpy(before, it.x, s->width * sizeof(*before));
    on = advance(user, &it) && isfinite(it.loss);
    keep(s, &it, before);
    s->step[slot]++;
    return !on;
}

static void report(const struct assay__search *s, size_t done)
{
    struct assay_progress step = {
        .task = s->task, .unit = "rows", .done = done, .total = s->rows->n};

    assay_progress(s->ctx, &step);
}

int assay__search_run(struct assay__search *s, assay__advance *advance,
                      assay__draw *draw, void *user, struct assay_error *err)
{
    size_t n = s->rows->n;
    size_t next = 0;
    size_t done = 0;
    float *before = assay__calloc(s->width, sizeof(*before));
    int rc = before ? ASSAY_OK : no_memory(s, err);

    if (!rc)
        rc = assay_plan_load(s->plan, &s->params, err);
    assay_params_release(&s->params);
    for (size_t i = 0; i < s->batch; i++) {
        s->row[i] = n; /* none */
        if (next < n)
            place(s, i, next++, draw, user);
    }
    report(s, 0);
    while (done < n && !rc) {
        size_t ended = done;

        rc = assay_context_check(s->ctx, err);
        if (!rc)
            rc = evaluate(s, err);
        for (size_t i = 0; i < s->batch && !rc; i++) {
            if (s->row[i] == n || !step_slot(s, i, advance, user, before))
                continue;
            done++;
            s->row[i] = n;
            if (next < n)
                place(s, i, next++, draw, user);
        }
        if (done > ended)
            report(s, done);
    }
    assay__free(before);
    return rc;
}
