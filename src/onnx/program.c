/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file as a program: its inputs bound, its nodes imported, its outputs
 * found; and one run of it.
 */

#include <string.h>

#include "assay/plan.h"
#include "core/mem.h"
#include "onnx/import.h"

static struct assay__span span_of(const char *text)
{
    struct assay__span s = {text, strlen(text)};

    return s;
}

/* Whether only a resizing reads the input, and not as its image. */
static bool is_size(const assay_onnx *o, const struct assay__onnx_port *port)
{
    bool read = false;

    for (int i = 0; i < o->n_nodes; i++) {
        const struct assay__onnx_node *n = &o->node[i];

        for (int k = 0; k < n->n_in; k++) {
            if (!assay__span_is(n->in[k], port->name))
                continue;
            if (k == 0 || (!assay__span_is(n->op, "Resize") &&
                           !assay__span_is(n->op, "Upsample")))
                return false;
            read = true;
        }
    }
    return read;
}

/* Integers, truth values and single numbers are what shapes and indices are
 * made of. */
static bool is_given_constant(const assay_onnx *o,
                              const struct assay__onnx_port *port,
                              const struct assay_tensor *t)
{
    return is_size(o, port) || assay__im_is_integer(port->type) ||
           port->type == ASSAY__ONNX_BOOL || t->shape.rank == 0;
}

static int given_constant(struct assay__importer *im,
                          const struct assay__onnx_port *port,
                          const struct assay_tensor *t)
{
    int item = assay__im_constant(im, &t->shape, NULL, port->type);
    double *data = assay__im_room(im, item);
    size_t n = assay_shape_count(&t->shape, 1);

    for (size_t i = 0; data && i < n; i++)
        data[i] = assay_tensor_value(t, i);
    return item;
}

static int bind_input(struct assay__importer *im,
                      const struct assay__onnx_port *port,
                      const struct assay_tensors *given, assay_value *value)
{
    const struct assay_tensor *t =
        given ? assay_tensors_find(given, port->name) : NULL;
    struct assay_shape s = t ? t->shape : port->shape;

    *value = ASSAY_NO_VALUE;
    if (t && is_given_constant(im->o, port, t)) {
        assay__im_bind(im, span_of(port->name), given_constant(im, port, t));
        return im->code;
    }
    if (!t && !port->shaped)
        return assay__im_fail(im, ASSAY_UNSUPPORTED,
                              "input '%.100s' has no shape", port->name);
    if (im->symbolic && s.rank > 0)
        s.dim[0] = ASSAY_BATCH;
    for (int i = im->symbolic; i < s.rank; i++) {
        if (s.dim[i] < 1)
            return assay__im_fail(im, ASSAY_UNSUPPORTED,
                                  "input '%.100s': dimension %d is not known",
                                  port->name, i);
    }
    *value = assay_graph_input(im->g, port->name, &s);
    assay__im_bind(im, span_of(port->name),
                   assay__im_of_value(im, *value, port->type));
    return im->code;
}

static int keep_constant(struct assay__importer *im, int item, const char *name,
                         struct assay_tensors *list)
{
    const double *data = assay__im_data(im, item, "an output");
    struct assay_tensor *t = NULL;
    const struct assay_shape *s = assay__im_shape(im, item);

    if (im->code == ASSAY_OK && !assay_tensors_find(list, name))
        im->code =
            assay_tensors_add(list, name, ASSAY_DTYPE_F64, s, &t, im->err);
    if (im->code == ASSAY_OK && t && data)
        memcpy(t->data, data, (size_t)assay__im_count(s) * sizeof(double));
    return im->code;
}

static int find_outputs(struct assay__importer *im,
                        struct assay_onnx_program *p)
{
    p->n_outputs = im->o->n_outputs;
    for (int i = 0; i < p->n_outputs && im->code == ASSAY_OK; i++) {
        const char *name = im->o->output[i].name;
        int item = assay__im_find(im, span_of(name));

        if (item < 0) {
            assay__im_fail(im, ASSAY_FORMAT,
                           "output '%.100s' is made by no node", name);
        } else if (assay__im_at(im, item)->folded != 0) {
            assay__im_fail(im, ASSAY_UNSUPPORTED,
                           "output '%.100s' has windows folded into its batch",
                           name);
        } else if (assay__im_at(im, item)->batch_axis != 0) {
            assay__im_fail(im, ASSAY_UNSUPPORTED,
                           "the batch is dimension %d of output '%.100s'",
                           assay__im_at(im, item)->batch_axis, name);
        } else if (assay__im_known(im, item)) {
            p->output[i] = ASSAY_NO_VALUE;
            (void)keep_constant(im, item, name, &p->constants);
        } else {
            p->output[i] = assay__im_value(im, item);
        }
    }
    return im->code;
}

static int build(struct assay__importer *im, struct assay_onnx_program *p,
                 const struct assay_onnx_options *options)
{
    p->n_inputs = im->o->n_inputs;
    for (int i = 0; i < p->n_inputs && im->code == ASSAY_OK; i++)
        (void)bind_input(im, &im->o->input[i],
                         options->symbolic ? NULL : options->given,
                         &p->input[i]);
    if (im->code == ASSAY_OK)
        assay__import_nodes(im);
    if (im->code == ASSAY_OK)
        (void)find_outputs(im, p);
    if (im->code == ASSAY_OK)
        assay__import_params(im, &p->params);
    return im->code;
}

int assay_onnx_import(struct assay_onnx_program *out, const assay_onnx *o,
                      const struct assay_onnx_options *options,
                      struct assay_error *err)
{
    struct assay_error why = {ASSAY_OK, ""};
    struct assay__importer im;
    int code;

    memset(out, 0, sizeof(*out));
    assay_tensors_init(&out->constants);
    code = assay__import_open(&im, o, options->symbolic != 0, &why);
    if (code == ASSAY_OK)
        code = build(&im, out, options);
    if (code == ASSAY_OK) {
        out->graph = im.g;
        im.g = NULL;
    }
    assay__import_close(&im);
    if (code != ASSAY_OK) {
        assay_onnx_program_release(out);
        return assay_error_set(err, code, "%s", why.msg);
    }
    return ASSAY_OK;
}

void assay_onnx_program_release(struct assay_onnx_program *p)
{
    assay_graph_free(p->graph);
    assay_params_release(&p->params);
    assay_tensors_release(&p->constants);
    memset(p, 0, sizeof(*p));
}

static int write_inputs(assay_plan *plan, const struct assay_onnx_program *p,
                        const assay_onnx *o, const struct assay_tensors *inputs,
                        struct assay_error *err)
{
    for (int i = 0; i < p->n_inputs; i++) {
        const struct assay_tensor *t =
            assay_tensors_find(inputs, o->input[i].name);
        size_t n = t ? assay_shape_count(&t->shape, 1) : 0;
        double *data;
        int code;

        if (p->input[i] == ASSAY_NO_VALUE)
            continue;
        if (!t)
            return assay_error_set(err, ASSAY_ARG, "input '%.100s' is missing",
                                   o->input[i].name);
        data = assay__calloc(n, sizeof(*data));
        if (!data)
            return assay_error_set(err, ASSAY_NOMEM, "ONNX: out of memory");
        for (size_t k = 0; k < n; k++)
            data[k] = assay_tensor_value(t, k);
        code = assay_plan_write_f64(plan, p->input[i], data, err);
        assay__free(data);
        if (code != ASSAY_OK)
            return code;
    }
    return ASSAY_OK;
}

/* Constant outputs are copied, others read from the plan. */
static int read_output(assay_plan *plan, const struct assay_onnx_program *p,
                       const assay_onnx *o, int i,
                       struct assay_tensors *outputs, struct assay_error *err)
{
    const char *name = o->output[i].name;
    const struct assay_tensor *from = assay_tensors_find(&p->constants, name);
    struct assay_tensor *t = NULL;
    int code;

    code = assay_tensors_add(outputs, name, ASSAY_DTYPE_F64,
                             from ? &from->shape
                                  : assay_graph_shape(p->graph, p->output[i]),
                             &t, err);
    if (code != ASSAY_OK)
        return code;
    if (!from)
        return assay_plan_read_f64(plan, p->output[i], t->data, err);
    memcpy(t->data, from->data,
           assay_shape_count(&from->shape, 1) * sizeof(double));
    return ASSAY_OK;
}

static int open_plan(assay_plan **plan, const struct assay_onnx_program *p,
                     const char *backend, struct assay_error *err)
{
    assay_value wanted[ASSAY_ONNX_PORTS];
    struct assay_plan_options options = {
        .backend = backend, .batch = 1, .threads = 1, .outputs = wanted};
    int code;

    options.algorithms = ASSAY_ALGORITHMS_DIRECT;
    for (int i = 0; i < p->n_outputs; i++) {
        bool again = p->output[i] == ASSAY_NO_VALUE;

        for (int k = 0; k < options.n_outputs; k++)
            again = again || wanted[k] == p->output[i];
        if (!again)
            wanted[options.n_outputs++] = p->output[i];
    }
    if (options.n_outputs == 0)
        return ASSAY_OK;
    code = assay_plan_new(plan, p->graph, &options, err);
    if (code == ASSAY_OK)
        code = assay_plan_load(*plan, &p->params, err);
    return code;
}

int assay_onnx_run(struct assay_tensors *outputs, const assay_onnx *o,
                   const struct assay_tensors *inputs, const char *backend,
                   struct assay_error *err)
{
    struct assay_onnx_options options = {0, inputs};
    struct assay_onnx_program p;
    assay_plan *plan = NULL;
    int code;

    code = assay_onnx_import(&p, o, &options, err);
    if (code != ASSAY_OK)
        return code;
    code = open_plan(&plan, &p, backend, err);
    if (code == ASSAY_OK && plan)
        code = write_inputs(plan, &p, o, inputs, err);
    if (code == ASSAY_OK && plan)
        code = assay_plan_run(plan, err);
    for (int i = 0; i < p.n_outputs && code == ASSAY_OK; i++)
        code = read_output(plan, &p, o, i, outputs, err);
    assay_plan_free(plan);
    assay_onnx_program_release(&p);
    if (code != ASSAY_OK) {
        assay_tensors_release(outputs);
        assay_tensors_init(outputs);
    }
    return code;
}
