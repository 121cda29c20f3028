/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tuning of hosts. Partial tuning never runs f while it trains: the features
 * are computed once, and the head, as a graph of its own with the host's names
 * for its parameters, is trained on them by the engine's loop. Full tuning is
 * an ordinary training of the whole model.
 */

#include "assay/host.h"

#include <stdio.h>
#include <string.h>

#include "core/mem.h"
#include "model/model.h"

static const char *const tuning_names[] = {
#define ASSAY_X(name, text) text,
    ASSAY_HOST_TUNINGS(ASSAY_X)
#undef ASSAY_X
};

const char *assay_host_tuning_name(enum assay_host_tuning tuning)
{
    return tuning < ASSAY_HOST_TUNINGS_COUNT ? tuning_names[tuning] : "?";
}

void assay_host_recipe_init(struct assay_host_recipe *recipe,
                            enum assay_host_tuning tuning)
{
    memset(recipe, 0, sizeof(*recipe));
    recipe->tuning = tuning;
    recipe->batch = 64;
    recipe->epochs = 20;
    recipe->rate = .003;
    if (tuning == ASSAY_HOST_FULL) {
        recipe->head_epochs = 5;
        recipe->head_rate = .003;
        recipe->epochs = 5;
        recipe->rate = .0003;
    }
}

/* Parameter head.<i>.<what>, or NULL. */
static const struct assay_param_slot *head_slot(const struct assay_params *p,
                                                int i, const char *what)
{
    char name[32];

    snprintf(name, sizeof(name), "head.%d.%s", i, what);
    return assay_params_find(p, name);
}

int assay__host_head_open(struct assay__host_head *h, const assay_model *host,
                          struct assay_error *err)
{
    struct assay_shape features = assay_shape_make(
        2, (int64_t)ASSAY_BATCH, (int64_t)assay_host_width(host));
    const struct assay_param_slot *weight =
        head_slot(&host->params, 0, "weight");
    char name[32];
    assay_value x;
    int rc = assay_graph_new(&h->graph, err);

    if (rc)
        return rc;
    x = h->features = assay_graph_input(h->graph, "features", &features);
    for (int i = 0; weight; i++) {
        snprintf(name, sizeof(name), "head.%d", i);
        x = assay_layer_linear(h->graph, x, name, (int)weight->shape.dim[0]);
        weight = head_slot(&host->params, i + 1, "weight");
        if (weight)
            x = assay_op_relu(h->graph, x);
    }
    h->out = x;
    rc = assay_graph_check(h->graph, err);
    return rc ? rc : assay_params_make(&h->params, h->graph, err);
}

void assay__host_head_close(struct assay__host_head *h)
{
    assay_params_release(&h->params);
    assay_graph_free(h->graph);
    memset(h, 0, sizeof(*h));
}

/* The head's part of the host's parameters into its own. */
static void take_head(struct assay__host_head *h, const assay_model *host)
{
    for (int i = 0; i < h->params.n_slots; i++) {
        const struct assay_param_slot *to = &h->params.slot[i];
        const struct assay_param_slot *from =
            assay_params_find(&host->params, to->name);

        if (from)
            memcpy(h->params.data + to->offset,
                   host->params.data + from->offset, to->count * sizeof(float));
    }
}

int assay_host_features(float **features, const assay_model *host,
                        const assay_view *view, const struct assay_context *ctx,
                        const struct assay_compute *compute,
                        struct assay_error *err)
{
    struct assay_evidence e = {0};
    int rc = assay_evidence_collect(
        &e, ctx, host, view, ASSAY_EVIDENCE_LAYER | ASSAY_EVIDENCE_FOREIGN,
        compute, "features", err);

    if (rc)
        return rc;
    *features = e.layer;
    e.layer = NULL;
    assay_evidence_release(&e);
    return ASSAY_OK;
}

/* Adam at one rate. */
static void set_options(struct assay_train_options *o,
                        const struct assay_host_recipe *recipe,
                        const struct assay_compute *compute, int threads)
{
    assay_train_options_init(o, recipe->epochs);
    o->batch = recipe->batch;
    o->optimizer.kind = ASSAY_OPTIMIZER_ADAM;
    o->optimizer.momentum = 0;
    o->optimizer.weight_decay = 0;
    o->lr = recipe->rate;
    o->schedule = ASSAY_SCHEDULE_CONSTANT;
    o->seed = recipe->seed;
    o->backend = compute->backend;
    o->threads = threads;
    o->algorithms = compute->algorithms;
    o->tuning = compute->tuning;
    o->task = "host's head";
}

/* Labels as numbers, which is what a memory source holds. */
static float *label_numbers(const struct assay_host_rows *rows)
{
    float *x = assay__calloc(rows->n ? rows->n : 1, sizeof(*x));

    for (size_t i = 0; x && i < rows->n; i++)
        x[i] = (float)rows->label[i];
    return x;
}

/* Append what the head learns from, and its loss; `width` of a target. */
static assay_value append_loss(struct assay__host_head *h, int regression,
                               assay_value *wanted)
{
    struct assay_shape each = assay_shape_make(1, (int64_t)ASSAY_BATCH);

    if (regression) {
        *wanted = assay_graph_input(h->graph, "targets",
                                    assay_graph_shape(h->graph, h->out));
        return assay_op_mean(h->graph, assay_op_mse(h->graph, h->out, *wanted));
    }
    *wanted = assay_graph_input(h->graph, "labels", &each);
    return assay_op_mean(h->graph,
                         assay_op_softmax_xent(h->graph, h->out, *wanted));
}

static int check_rows(const assay_model *host,
                      const struct assay_host_rows *rows,
                      struct assay_error *err)
{
    if (rows->n == 0)
        return assay_error_set(err, ASSAY_DATA, "host: no records to tune on");
    for (size_t i = 0; !rows->target && i < rows->n; i++)
        if (rows->label[i] < 0 || rows->label[i] >= host->n_classes)
            return assay_error_set(err, ASSAY_DATA,
                                   "host: record %zu has label %d; the host "
                                   "has classes 0 to %d",
                                   i, rows->label[i], host->n_classes - 1);
    return ASSAY_OK;
}

static int train_head(struct assay__host_head *h,
                      const struct assay_host_rows *rows, const float *labels,
                      size_t n_outputs, const struct assay_train_options *o,
                      const struct assay_context *ctx, struct assay_error *err)
{
    const float *array[2] = {rows->features,
                             rows->target ? rows->target : labels};
    size_t width[2] = {(size_t)assay_graph_shape(h->graph, h->features)->dim[1],
                       rows->target ? n_outputs : 1};
    struct assay_memory_source memory = {array, width, 2};
    assay_value inputs[2] = {h->features, ASSAY_NO_VALUE};
    struct assay_program program = {.inputs = inputs, .n_inputs = 2};
    struct assay_source source;
    int rc;

    program.loss = append_loss(h, rows->target != NULL, &inputs[1]);
    program.graph = h->graph;
    rc = assay_graph_check(h->graph, err);
    assay_memory_source(&source, &memory, rows->n);
    return rc ? rc
              : assay_train(ctx, &program, &source, o, &h->params, NULL, err);
}

int assay_host_tune_head(assay_model *host, const struct assay_host_rows *rows,
                         const struct assay_host_recipe *recipe,
                         const struct assay_context *ctx,
                         const struct assay_compute *compute,
                         struct assay_error *err)
{
    struct assay__host_head head = {0};
    struct assay_train_options o;
    float *labels = NULL;
    int rc = check_rows(host, rows, err);

    if (rc)
        return rc;
    /* One thread: the head is small, and the bytes then do not depend on the
     * machine. */
    set_options(&o, recipe, compute, 1);
    rc = assay__host_head_open(&head, host, err);
    if (!rc && !rows->target) {
        labels = label_numbers(rows);
        if (!labels)
            rc = assay_error_set(err, ASSAY_NOMEM, "host: %zu labels", rows->n);
    }
    if (!rc) {
        take_head(&head, host);
        rc = train_head(&head, rows, labels, (size_t)host->n_classes, &o, ctx,
                        err);
    }
    if (!rc)
        rc = assay__params_fill(&host->params, "", &head.params, err);
    assay__host_head_close(&head);
    assay__free(labels);
    return rc;
}

/* One layer for one record. */
static void run_layer(const assay_model *host, int i, const double *x,
                      double *y)
{
    const struct assay_param_slot *w = head_slot(&host->params, i, "weight");
    const struct assay_param_slot *b = head_slot(&host->params, i, "bias");
    size_t rows = (size_t)w->shape.dim[0];
    size_t columns = (size_t)w->shape.dim[1];

    for (size_t r = 0; r < rows; r++) {
        const float *weight = host->params.data + w->offset + r * columns;

        y[r] = b ? (double)host->params.data[b->offset + r] : 0;
        for (size_t c = 0; c < columns; c++)
            y[r] += (double)weight[c] * x[c];
    }
}

int assay_host_head(const assay_model *host, const float *features, size_t n,
                    float *out, struct assay_error *err)
{
    size_t width = assay_host_width(host);
    size_t k = (size_t)host->n_classes;
    size_t widest = width > k ? width : k;
    double *x;
    int depth = 0;

    for (; head_slot(&host->params, depth, "weight"); depth++) {
        size_t rows =
            (size_t)head_slot(&host->params, depth, "weight")->shape.dim[0];

        widest = rows > widest ? rows : widest;
    }
    x = assay__calloc(2 * widest, sizeof(*x));
    if (!x)
        return assay_error_set(err, ASSAY_NOMEM, "host: out of memory");
    for (size_t r = 0; r < n; r++) {
        double *from = x;
        double *to = x + widest;

        for (size_t c = 0; c < width; c++)
            from[c] = (double)features[r * width + c];
        for (int i = 0; i < depth; i++) {
            double *swap = from;

            run_layer(host, i, from, to);
            for (size_t c = 0; i + 1 < depth && c < widest; c++)
                to[c] = to[c] > 0 ? to[c] : 0;
            from = to;
            to = swap;
        }
        for (size_t c = 0; c < k; c++)
            out[r * k + c] = (float)from[c];
    }
    assay__free(x);
    return ASSAY_OK;
}

/* The loss of regression, for assay_models_train(). */
static assay_value squares(const void *self, assay_graph *g,
                           const struct assay_loss_values *v)
{
    (void)self;
    return assay_op_mse(g, v->logits, v->soft);
}

static int tune_all(assay_model *host, const assay_view *view,
                    const float *target, const struct assay_host_recipe *recipe,
                    const struct assay_context *ctx,
                    const struct assay_compute *compute,
                    struct assay_error *err)
{
    struct assay_objective numbers = {
        .text = "squares", .loss = squares, .soft = target, .variants = 1};
    struct assay_recipe r;
    struct assay_training training = {.model = host,
                                      .train = view,
                                      .recipe = &r,
                                      .objective = target ? &numbers : NULL,
                                      .seed = recipe->seed,
                                      .task = "host"};
    int rc;

    assay_recipe_init(&r, recipe->epochs);
    r.batch = recipe->batch;
    r.optimizer.kind = ASSAY_OPTIMIZER_ADAM;
    r.optimizer.momentum = 0;
    r.optimizer.weight_decay = 0;
    r.lr = recipe->rate;
    r.schedule = ASSAY_SCHEDULE_CONSTANT;
    r.augment.flip = 0;
    rc = assay_models_train(ctx, compute, &training, 1, err);
    assay_curve_release(&training.curve);
    return rc;
}

/* The head alone, on features of the view's records. */
static int tune_partly(assay_model *host, const assay_view *view,
                       const float *target,
                       const struct assay_host_recipe *recipe,
                       const struct assay_context *ctx,
                       const struct assay_compute *compute,
                       struct assay_error *err)
{
    struct assay_host_rows rows = {.n = assay_view_count(view),
                                   .target = target};
    int32_t *label = assay__calloc(rows.n ? rows.n : 1, sizeof(*label));
    float *features = NULL;
    int rc;

    if (!label)
        return assay_error_set(err, ASSAY_NOMEM, "host: %zu labels", rows.n);
    for (size_t i = 0; i < rows.n; i++)
        label[i] = assay_view_label(view, i);
    rows.label = label;
    rc = assay_host_features(&features, host, view, ctx, compute, err);
    rows.features = features;
    if (!rc)
        rc = assay_host_tune_head(host, &rows, recipe, ctx, compute, err);
    assay__free(features);
    assay__free(label);
    return rc;
}

int assay_host_tune(assay_model *host, const assay_view *view,
                    const float *target, const struct assay_host_recipe *recipe,
                    const struct assay_context *ctx,
                    const struct assay_compute *compute,
                    struct assay_error *err)
{
    int full = recipe->tuning == ASSAY_HOST_FULL;
    struct assay_host_recipe head = *recipe;
    int rc = ASSAY_OK;

    if (full) {
        head.epochs = recipe->head_epochs;
        head.rate = recipe->head_rate;
    }
    if (assay_view_count(view) == 0)
        return assay_error_set(err, ASSAY_DATA, "host: no records to tune on");
    if (head.epochs)
        rc = tune_partly(host, view, target, &head, ctx, compute, err);
    if (!rc && full && recipe->epochs)
        rc = tune_all(host, view, target, recipe, ctx, compute, err);
    return rc;
}
