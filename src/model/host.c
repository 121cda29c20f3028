/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hosts: extractors and a head as one model. The extractors' graphs are
 * appended whole, each under its prefix; of what they compute the embedding
 * alone is asked for, so that their own classifiers cost nothing but memory.
 * An extractor that wants pixels by other numbers than the first one gets
 * them through a factor and a shift per channel, which are constants of the
 * graph.
 */

#include "assay/host.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/mem.h"
#include "model/model.h"

enum { UNITS_MAX = 1 << 16, PREFIX = 32 };

void assay_host_spec_init(struct assay_host_spec *spec,
                          const assay_model *const *extractor, int n_extractors,
                          int n_outputs)
{
    memset(spec, 0, sizeof(*spec));
    spec->extractor = extractor;
    spec->n_extractors = n_extractors;
    spec->depth = 1;
    spec->hidden = 128;
    spec->n_outputs = n_outputs;
}

static int check_sizes(const struct assay_host_spec *s, struct assay_error *err)
{
    const struct assay_preprocess *first = &s->extractor[0]->preprocess;

    for (int i = 1; i < s->n_extractors; i++) {
        const struct assay_preprocess *p = &s->extractor[i]->preprocess;

        if (p->channels != first->channels || p->height != first->height ||
            p->width != first->width)
            return assay_error_set(
                err, ASSAY_SHAPE,
                "host: extractor %d takes images of %dx%dx%d, the first one "
                "%dx%dx%d",
                i, p->channels, p->height, p->width, first->channels,
                first->height, first->width);
        if (!(fabs(first->scale) > 0))
            return assay_error_set(err, ASSAY_ARG,
                                   "host: pixels of the first extractor are "
                                   "multiplied by %g",
                                   first->scale);
    }
    return ASSAY_OK;
}

static int check_spec(const struct assay_host_spec *s, struct assay_error *err)
{
    int least = s->regression ? 1 : 2;

    if (s->n_extractors < 1 || s->n_extractors > ASSAY_HOST_EXTRACTORS_MAX)
        return assay_error_set(err, ASSAY_ARG,
                               "host: %d extractors; 1 to %d are possible",
                               s->n_extractors, (int)ASSAY_HOST_EXTRACTORS_MAX);
    if (s->depth < 1 || s->depth > ASSAY_HOST_DEPTH_MAX)
        return assay_error_set(
            err, ASSAY_ARG, "host: a head of %d layers; 1 to %d are possible",
            s->depth, (int)ASSAY_HOST_DEPTH_MAX);
    if (s->depth > 1 && (s->hidden < 1 || s->hidden > UNITS_MAX))
        return assay_error_set(err, ASSAY_ARG,
                               "host: %d hidden units; 1 to %d are possible",
                               s->hidden, (int)UNITS_MAX);
    if (s->n_outputs < least || s->n_outputs > UNITS_MAX)
        return assay_error_set(err, ASSAY_ARG,
                               "host: %d outputs; %d to %d are possible",
                               s->n_outputs, least, (int)UNITS_MAX);
    return check_sizes(s, err);
}

static int same_pixels(const struct assay_preprocess *a,
                       const struct assay_preprocess *b)
{
    int same = fabs(a->scale - b->scale) <= 0;

    for (int c = 0; c < a->channels; c++)
        same = same && fabs(a->mean[c] - b->mean[c]) <= 0 &&
               fabs(a->std[c] - b->std[c]) <= 0;
    return same;
}

/* The images as extractor i wants them. */
static assay_value convert_pixels(assay_model *m, int i,
                                  const struct assay_preprocess *own)
{
    struct assay_shape shape = assay_shape_make(
        4, (int64_t)1, (int64_t)own->channels, (int64_t)1, (int64_t)1);
    struct assay_init one = {ASSAY_INIT_ONE, 0, 0};
    struct assay_init zero = {ASSAY_INIT_ZERO, 0, 0};
    char name[PREFIX];
    assay_value factor;
    assay_value shift;

    if (same_pixels(&m->preprocess, own))
        return m->input;
    snprintf(name, sizeof(name), "pixels%d.factor", i);
    factor = assay_graph_param(m->graph, name, &shape, one, 0);
    snprintf(name, sizeof(name), "pixels%d.shift", i);
    shift = assay_graph_param(m->graph, name, &shape, zero, 0);
    return assay_op_binary(
        m->graph, ASSAY_BINARY_ADD,
        assay_op_binary(m->graph, ASSAY_BINARY_MUL, m->input, factor), shift);
}

/* Values of those constants. With raw pixels p the first extractor sees
 * (p s - mean) / std, so p = (x std + mean) / s. */
static void set_pixels(assay_model *m, int i,
                       const struct assay_preprocess *own)
{
    const struct assay_preprocess *first = &m->preprocess;
    const struct assay_param_slot *factor;
    const struct assay_param_slot *shift;
    char name[PREFIX];

    snprintf(name, sizeof(name), "pixels%d.factor", i);
    factor = assay_params_find(&m->params, name);
    snprintf(name, sizeof(name), "pixels%d.shift", i);
    shift = assay_params_find(&m->params, name);
    for (int c = 0; factor && shift && c < own->channels; c++) {
        double ratio = own->scale / first->scale;

        m->params.data[factor->offset + (size_t)c] =
            (float)(first->std[c] * ratio / own->std[c]);
        m->params.data[shift->offset + (size_t)c] =
            (float)((first->mean[c] * ratio - own->mean[c]) / own->std[c]);
    }
}

static int add_extractor(assay_model *m, const struct assay_host_spec *s, int i,
                         assay_value *features, struct assay_error *err)
{
    const assay_model *f = s->extractor[i];
    assay_value in = convert_pixels(m, i, &f->preprocess);
    assay_value embedding = f->embedding;
    char prefix[PREFIX];
    int rc;

    snprintf(prefix, sizeof(prefix), "extractor%d.", i);
    rc =
        assay_graph_append(m->graph, f->graph, prefix, &in, &embedding, 1, err);
    if (rc)
        return assay_error_prefix(err, rc, "host");
    *features = assay_op_flatten(m->graph, embedding);
    return ASSAY_OK;
}

static void add_head(assay_model *m, const struct assay_host_spec *s,
                     assay_value features)
{
    char name[PREFIX];
    assay_value x = features;

    for (int i = 0; i < s->depth; i++) {
        int last = i + 1 == s->depth;

        if (last)
            m->embedding = x;
        snprintf(name, sizeof(name), "head.%d", i);
        x = assay_layer_linear(m->graph, x, name,
                               last ? s->n_outputs : s->hidden);
        if (!last)
            x = assay_op_relu(m->graph, x);
    }
    m->logits = x;
}

static int build(assay_model *m, const struct assay_host_spec *s,
                 struct assay_error *err)
{
    const struct assay_preprocess *pre = &m->preprocess;
    struct assay_shape shape =
        assay_shape_make(4, (int64_t)ASSAY_BATCH, (int64_t)pre->channels,
                         (int64_t)pre->height, (int64_t)pre->width);
    assay_value each[ASSAY_HOST_EXTRACTORS_MAX] = {ASSAY_NO_VALUE};
    int rc = assay_graph_new(&m->graph, err);

    if (rc)
        return rc;
    m->input = assay_graph_input(m->graph, "input", &shape);
    for (int i = 0; i < s->n_extractors && !rc; i++)
        rc = add_extractor(m, s, i, &each[i], err);
    if (rc)
        return rc;
    m->layer = s->n_extractors == 1
                   ? each[0]
                   : assay_op_concat(m->graph, each, s->n_extractors, 1);
    assay_graph_name(m->graph, m->layer, "features");
    add_head(m, s, m->layer);
    rc = assay_graph_check(m->graph, err);
    return rc ? assay_error_prefix(err, rc, "host") : ASSAY_OK;
}

/* Slots of the head are initialised as those of a graph that is nothing but
 * the head: its values do not depend on how many parameters f has. */
static int fill(assay_model *m, const struct assay_host_spec *s, uint64_t seed,
                struct assay_error *err)
{
    struct assay__host_head head = {0};
    char prefix[PREFIX];
    int rc = assay_params_make(&m->params, m->graph, err);

    for (int i = 0; i < s->n_extractors && !rc; i++) {
        snprintf(prefix, sizeof(prefix), "extractor%d.", i);
        rc = assay__params_fill(&m->params, prefix, &s->extractor[i]->params,
                                err);
        set_pixels(m, i, &s->extractor[i]->preprocess);
    }
    if (!rc)
        rc = assay__host_head_open(&head, m, err);
    if (!rc)
        rc = assay_params_init(&head.params, head.graph, seed, err);
    if (!rc)
        rc = assay__params_fill(&m->params, "", &head.params, err);
    assay__host_head_close(&head);
    return rc;
}

/* What determines the graph, for the model's hash: parameters' names tell
 * the rest. */
static int describe(assay_model *m, const struct assay_host_spec *s)
{
    m->arch = assay__strdup(ASSAY__ARCH_HOST);
    m->origin =
        assay__format("%s of %s and %d more, %d layers",
                      s->regression ? "regression" : "classes",
                      s->extractor[0]->arch, s->n_extractors - 1, s->depth);
    return m->arch && m->origin ? ASSAY_OK : ASSAY_NOMEM;
}

int assay_host_new(assay_model **out, const struct assay_host_spec *spec,
                   uint64_t seed, struct assay_error *err)
{
    assay_model *m;
    int rc = check_spec(spec, err);

    if (rc)
        return rc;
    m = assay__calloc(1, sizeof(*m));
    if (!m)
        return assay_error_set(err, ASSAY_NOMEM, "host: out of memory");
    assay_tensors_init(&m->notes);
    m->n_classes = spec->n_outputs;
    m->norm = spec->extractor[0]->norm;
    m->preprocess = spec->extractor[0]->preprocess;
    rc = describe(m, spec);
    if (rc)
        rc = assay_error_set(err, rc, "host: out of memory");
    if (!rc)
        rc = build(m, spec, err);
    if (!rc)
        rc = fill(m, spec, seed, err);
    if (rc) {
        assay_model_free(m);
        return rc;
    }
    *out = m;
    return ASSAY_OK;
}

size_t assay_host_width(const assay_model *host)
{
    return (size_t)assay_graph_shape(host->graph, host->layer)->dim[1];
}

int assay_host_run(const assay_model *host, const float *x, size_t n,
                   float *out, const struct assay_context *ctx,
                   const struct assay_compute *compute, struct assay_error *err)
{
    assay_predictor *p = NULL;
    int rc = assay_predictor_new(
        &p, host, compute, compute->threads ? compute->threads : ctx->threads,
        err);

    if (!rc)
        rc = assay_predictor_run(p, x, n, out, NULL, err);
    assay_predictor_free(p);
    return rc;
}
