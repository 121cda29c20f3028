/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One side of bench/parity.py: draw weights and a batch, run SGD steps on
 * them, and write all that PyTorch needs to repeat it.
 *
 * usage: bench_parity NET SIZE STEPS ALGORITHMS OUT.safetensors
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "assay/arch.h"
#include "assay/format.h"
#include "assay/layers.h"
#include "assay/plan.h"
#include "assay/rng.h"
#include "core/mem.h"

enum { BATCH = 64, CLASSES = 10, CHANNELS = 3 };

struct probe {
    assay_graph *graph;
    assay_value x, labels, logits, loss;
    struct assay_gradient *gradient;
    int n_gradients;
    struct assay_params params;
    assay_plan *plan;
    assay_optimizer *optimizer;
    struct assay_tensors out;
    float *input;
    float label[BATCH];
    size_t n_input;
};

static int build(struct probe *p, const char *net, int size,
                 struct assay_error *err)
{
    struct assay_arch_options o = {.n_classes = CLASSES, .no_dropout = 1};
    struct assay_arch_values v;
    const struct assay_arch *arch = assay_arch_find(net);
    struct assay_shape in =
        assay_shape_make(4, (int64_t)ASSAY_BATCH, (int64_t)CHANNELS,
                         (int64_t)size, (int64_t)size);
    struct assay_shape rows = assay_shape_make(1, (int64_t)ASSAY_BATCH);
    int rc;

    if (!arch)
        return assay_error_set(err, ASSAY_ARG, "no network '%s'", net);
    rc = assay_graph_new(&p->graph, err);
    if (rc)
        return rc;
    p->x = assay_graph_input(p->graph, "input", &in);
    assay_arch_build(arch, p->graph, p->x, &o, &v);
    p->labels = assay_graph_input(p->graph, "labels", &rows);
    p->logits = v.logits;
    p->loss = assay_op_mean(
        p->graph, assay_op_softmax_xent(p->graph, v.logits, p->labels));
    return assay_graph_check(p->graph, err);
}

static int differentiate(struct probe *p, struct assay_error *err)
{
    int n = assay_graph_n_params(p->graph);
    assay_value *wrt = assay__calloc((size_t)n, sizeof(*wrt));
    assay_value *d = assay__calloc((size_t)n, sizeof(*d));
    int rc;

    p->gradient = assay__calloc((size_t)n, sizeof(*p->gradient));
    if (!wrt || !d || !p->gradient)
        return assay_error_set(err, ASSAY_NOMEM, "out of memory");
    for (int i = 0; i < n; i++) {
        assay_value v = assay_graph_param_at(p->graph, i);

        if (assay_graph_param_flags(p->graph, v) & ASSAY_PARAM_TRAINABLE)
            wrt[p->n_gradients++] = v;
    }
    rc = assay_differentiate(p->graph, p->loss, wrt, p->n_gradients, d, err);
    for (int i = 0; i < p->n_gradients; i++) {
        p->gradient[i].param = wrt[i];
        p->gradient[i].gradient = d[i];
    }
    assay__free(wrt);
    assay__free(d);
    return rc;
}

static int draw(struct probe *p, int size, struct assay_error *err)
{
    struct assay_shape in = assay_shape_make(
        4, (int64_t)BATCH, (int64_t)CHANNELS, (int64_t)size, (int64_t)size);
    struct assay_shape rows = assay_shape_make(1, (int64_t)BATCH);
    struct assay_rng rng;
    int rc;

    p->n_input = assay_shape_count(&in, 1);
    p->input = assay__calloc(p->n_input, sizeof(float));
    if (!p->input)
        return assay_error_set(err, ASSAY_NOMEM, "out of memory");
    assay_rng_init(&rng, 1, "parity", 0);
    for (size_t i = 0; i < p->n_input; i++)
        p->input[i] = (float)assay_rng_normal(&rng);
    for (int i = 0; i < BATCH; i++)
        p->label[i] = (float)assay_rng_below(&rng, CLASSES);
    rc = assay_params_make(&p->params, p->graph, err);
    if (!rc)
        rc = assay_params_init(&p->params, p->graph, 1, err);
    if (!rc)
        rc = assay_params_to_tensors(&p->params, "param.", &p->out, err);
    if (!rc)
        rc = assay_tensors_add_f32(&p->out, "input", &in, p->input, err);
    if (!rc)
        rc = assay_tensors_add_f32(&p->out, "labels", &rows, p->label, err);
    return rc;
}

static int compile(struct probe *p, const char *algorithms,
                   struct assay_error *err)
{
    assay_value outputs[2] = {p->logits, p->loss};
    struct assay_plan_options o = {0};
    struct assay_optimizer_options sgd = {
        .kind = ASSAY_OPTIMIZER_SGD, .momentum = .9, .weight_decay = 5e-4};
    int rc;

    o.batch = BATCH;
    o.mode = ASSAY_MODE_TRAIN;
    o.threads = 2;
    o.algorithms = strcmp(algorithms, "direct") == 0 ? ASSAY_ALGORITHMS_DIRECT
                                                     : ASSAY_ALGORITHMS_TUNED;
    o.outputs = outputs;
    o.n_outputs = 2;
    o.gradients = p->gradient;
    o.n_gradients = p->n_gradients;
    rc = assay_plan_new(&p->plan, p->graph, &o, err);
    if (!rc)
        rc = assay_plan_load(p->plan, &p->params, err);
    if (!rc)
        rc = assay_optimizer_new(&p->optimizer, p->plan, &sgd, err);
    return rc;
}

/* Logits and gradients of the first step. */
static int keep_first(struct probe *p, struct assay_error *err)
{
    struct assay_shape wide =
        assay_shape_make(2, (int64_t)BATCH, (int64_t)CLASSES);
    struct assay_tensor *t;
    char name[200];
    int rc;

    rc = assay_tensors_add(&p->out, "logits", ASSAY_DTYPE_F32, &wide, &t, err);
    if (!rc)
        rc = assay_plan_read(p->plan, p->logits, t->data, err);
    for (int i = 0; !rc && i < p->n_gradients; i++) {
        assay_value v = p->gradient[i].param;

        snprintf(name, sizeof(name), "grad.%s",
                 assay_graph_value_name(p->graph, v));
        rc = assay_tensors_add(&p->out, name, ASSAY_DTYPE_F32,
                               assay_graph_shape(p->graph, v), &t, err);
        if (!rc)
            rc =
                assay_plan_read(p->plan, p->gradient[i].gradient, t->data, err);
    }
    return rc;
}

static int step(struct probe *p, int steps, struct assay_error *err)
{
    struct assay_shape rows = assay_shape_make(1, (int64_t)steps);
    float *loss = assay__calloc((size_t)steps, sizeof(float));
    int rc = loss ? ASSAY_OK : ASSAY_NOMEM;

    for (int i = 0; !rc && i < steps; i++) {
        rc = assay_plan_write(p->plan, p->x, p->input, err);
        if (!rc)
            rc = assay_plan_write(p->plan, p->labels, p->label, err);
        if (!rc)
            rc = assay_plan_run(p->plan, err);
        if (!rc)
            rc = assay_plan_read(p->plan, p->loss, &loss[i], err);
        if (!rc && i == 0)
            rc = keep_first(p, err);
        if (!rc)
            rc = assay_optimizer_step(p->optimizer, p->plan, .01, err);
    }
    if (!rc)
        rc = assay_tensors_add_f32(&p->out, "losses", &rows, loss, err);
    assay__free(loss);
    return rc;
}

int main(int argc, char **argv)
{
    struct assay_error err = {0};
    struct probe p = {0};
    int rc;

    if (argc != 6) {
        fprintf(stderr, "usage: bench_parity NET SIZE STEPS ALGORITHMS OUT\n");
        return 4;
    }
    assay_tensors_init(&p.out);
    rc = build(&p, argv[1], atoi(argv[2]), &err);
    if (!rc)
        rc = differentiate(&p, &err);
    if (!rc)
        rc = draw(&p, atoi(argv[2]), &err);
    if (!rc)
        rc = compile(&p, argv[4], &err);
    if (!rc)
        rc = step(&p, atoi(argv[3]), &err);
    if (!rc)
        rc = assay_tensors_write(&p.out, argv[5], &err);
    if (rc)
        fprintf(stderr, "bench_parity: %s\n", err.msg);
    assay_optimizer_free(p.optimizer);
    assay_plan_free(p.plan);
    assay_graph_free(p.graph);
    assay_params_release(&p.params);
    assay_tensors_release(&p.out);
    assay__free(p.gradient);
    assay__free(p.input);
    return rc ? 2 : 0;
}
