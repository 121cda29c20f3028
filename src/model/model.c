/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The model object. A model's graph is made once from its description and
 * never changes; its parameters are plain host memory, which plans copy.
 */

#include "model/model.h"

#include <math.h>
#include <string.h>

#include "assay/arch.h"
#include "core/fs.h"
#include "core/json.h"
#include "core/mem.h"

static int spec_check(const struct assay_model_spec *spec,
                      struct assay_error *err)
{
    const struct assay_preprocess *pre = &spec->preprocess;

    if (spec->n_classes < 2 || spec->n_classes > 65536)
        return assay_error_set(err, ASSAY_ARG,
                               "model: %d classes; 2 to 65536 are possible",
                               spec->n_classes);
    if (pre->channels < 1 || pre->channels > ASSAY_CHANNELS_MAX)
        return assay_error_set(err, ASSAY_ARG,
                               "model: %d input channels; 1 to %d are possible",
                               pre->channels, (int)ASSAY_CHANNELS_MAX);
    if (pre->height < 1 || pre->width < 1 || pre->height > 4096 ||
        pre->width > 4096)
        return assay_error_set(err, ASSAY_ARG,
                               "model: input of %dx%d; 1x1 to 4096x4096 are "
                               "possible",
                               pre->height, pre->width);
    return ASSAY_OK;
}

static int build_graph(assay_model *m, struct assay_error *err)
{
    const struct assay_preprocess *pre = &m->preprocess;
    const struct assay_arch *arch = assay_arch_find(m->arch);
    struct assay_arch_options options = {0};
    struct assay_arch_values values;
    struct assay_shape shape;
    int rc;

    if (!arch)
        return assay_error_set(
            err, ASSAY_ARG, "model: no architecture is called '%s'", m->arch);
    rc = assay_graph_new(&m->graph, err);
    if (rc)
        return rc;
    shape = assay_shape_make(4, (int64_t)ASSAY_BATCH, (int64_t)pre->channels,
                             (int64_t)pre->height, (int64_t)pre->width);
    m->input = assay_graph_input(m->graph, "input", &shape);
    options.n_classes = m->n_classes;
    options.norm = m->norm;
    rc = assay_arch_build(arch, m->graph, m->input, &options, &values);
    if (!rc)
        rc = assay_graph_check(m->graph, err);
    else if (!assay_graph_check(m->graph, err))
        rc = assay_error_set(err, rc, "architecture %s cannot be built",
                             m->arch);
    if (rc)
        return assay_error_prefix(err, rc, "model");
    m->logits = values.logits;
    m->embedding = values.embedding;
    m->layer = ASSAY_NO_VALUE;
    return ASSAY_OK;
}

int assay__model_build(assay_model **out, const struct assay_model_spec *spec,
                       struct assay_error *err)
{
    assay_model *m = NULL;
    int rc;

    rc = spec_check(spec, err);
    if (rc)
        return rc;
    m = assay__calloc(1, sizeof(*m));
    if (!m)
        return assay_error_set(err, ASSAY_NOMEM, "model: out of memory");
    assay_tensors_init(&m->notes);
    m->norm = spec->norm;
    m->n_classes = spec->n_classes;
    m->preprocess = spec->preprocess;
    m->arch = assay__strdup(spec->arch);
    if (!m->arch)
        rc = assay_error_set(err, ASSAY_NOMEM, "model: out of memory");
    if (!rc)
        rc = build_graph(m, err);
    if (rc) {
        assay_model_free(m);
        return rc;
    }
    *out = m;
    return ASSAY_OK;
}

int assay_model_new(assay_model **out, const struct assay_model_spec *spec,
                    uint64_t seed, struct assay_error *err)
{
    assay_model *m = NULL;
    int rc;

    rc = assay__model_build(&m, spec, err);
    if (!rc)
        rc = assay_params_make(&m->params, m->graph, err);
    if (!rc)
        rc = assay_params_init(&m->params, m->graph, seed, err);
    if (rc) {
        assay_model_free(m);
        return rc;
    }
    *out = m;
    return ASSAY_OK;
}

static int copy_notes(assay_model *to, const assay_model *from,
                      struct assay_error *err)
{
    int rc = ASSAY_OK;

    for (size_t i = 0; i < from->notes.n_meta && !rc; i++)
        rc = assay_tensors_set_meta(&to->notes, from->notes.meta[2 * i],
                                    from->notes.meta[2 * i + 1], err);
    return rc;
}

int assay_model_clone(assay_model **out, const assay_model *m,
                      struct assay_error *err)
{
    assay_model *copy = assay__calloc(1, sizeof(*copy));
    int rc;

    if (!copy)
        return assay_error_set(err, ASSAY_NOMEM, "model: out of memory");
    *copy = *m;
    copy->graph = NULL;
    memset(&copy->params, 0, sizeof(copy->params));
    assay_tensors_init(&copy->notes);
    copy->arch = assay__strdup(m->arch);
    copy->origin = m->origin ? assay__strdup(m->origin) : NULL;
    rc = copy->arch && (copy->origin || !m->origin)
             ? assay_graph_clone(&copy->graph, m->graph, err)
             : assay_error_set(err, ASSAY_NOMEM, "model: out of memory");
    if (!rc)
        rc = assay_params_make(&copy->params, copy->graph, err);
    if (!rc)
        rc = assay_params_copy(&copy->params, &m->params, err);
    if (!rc)
        rc = copy_notes(copy, m, err);
    if (rc) {
        assay_model_free(copy);
        return rc;
    }
    *out = copy;
    return ASSAY_OK;
}

void assay_model_free(assay_model *m)
{
    if (!m)
        return;
    assay_tensors_release(&m->notes);
    assay_params_release(&m->params);
    assay_graph_free(m->graph);
    assay__free(m->arch);
    assay__free(m->origin);
    assay__free(m);
}

const char *assay_model_arch(const assay_model *m)
{
    return m->arch;
}

enum assay_norm assay_model_norm(const assay_model *m)
{
    return m->norm;
}

int assay_model_n_classes(const assay_model *m)
{
    return m->n_classes;
}

const struct assay_preprocess *assay_model_preprocess(const assay_model *m)
{
    return &m->preprocess;
}

const assay_graph *assay_model_graph(const assay_model *m)
{
    return m->graph;
}

int assay_model_set_pixels(assay_model *m, const struct assay_preprocess *pre,
                           struct assay_error *err)
{
    const struct assay_preprocess *own = &m->preprocess;

    if (pre->channels != own->channels || pre->height != own->height ||
        pre->width != own->width)
        return assay_error_set(err, ASSAY_SHAPE,
                               "model: pixels of %dx%dx%d; it takes %dx%dx%d",
                               pre->channels, pre->height, pre->width,
                               own->channels, own->height, own->width);
    for (int i = 0; i < pre->channels; i++)
        if (!isfinite(pre->mean[i]) || !(pre->std[i] > 0))
            return assay_error_set(err, ASSAY_ARG,
                                   "model: mean %g and deviation %g of channel "
                                   "%d",
                                   pre->mean[i], pre->std[i], i);
    m->preprocess = *pre;
    return ASSAY_OK;
}

assay_value assay_model_input(const assay_model *m)
{
    return m->input;
}

assay_value assay_model_logits(const assay_model *m)
{
    return m->logits;
}

assay_value assay_model_embedding(const assay_model *m)
{
    return m->embedding;
}

struct assay_params *assay_model_params(assay_model *m)
{
    return &m->params;
}

const struct assay_params *assay_model_weights(const assay_model *m)
{
    return &m->params;
}

int assay__labels_fit(const assay_model *m, const assay_view *view,
                      struct assay_error *err)
{
    for (size_t i = 0; i < assay_view_count(view); i++) {
        int32_t label = assay_view_label(view, i);

        if (label < 0 || label >= m->n_classes)
            return assay_error_set(err, ASSAY_DATA,
                                   "record %u has label %d; the model has "
                                   "classes 0 to %d",
                                   assay_view_record(view, i), label,
                                   m->n_classes - 1);
    }
    return ASSAY_OK;
}

int assay_model_sha256(const assay_model *m, char text[65],
                       struct assay_error *err)
{
    struct assay__sha256 h;
    const struct assay_preprocess *pre = &m->preprocess;
    int size[4] = {m->n_classes, pre->channels, pre->height, pre->width};
    size_t n_stats = (size_t)pre->channels * sizeof(double);

    if (assay__sha256_begin(&h))
        return assay_error_set(err, ASSAY_NOMEM, "model: out of memory");
    assay__sha256_add(&h, m->arch, strlen(m->arch) + 1);
    /* Batch norm adds nothing: hashes of such models stay what they were. */
    if (m->norm != ASSAY_NORM_BATCH)
        assay__sha256_add(&h, assay_norm_name(m->norm),
                          strlen(assay_norm_name(m->norm)) + 1);
    if (m->origin)
        assay__sha256_add(&h, m->origin, strlen(m->origin) + 1);
    assay__sha256_add(&h, size, sizeof(size));
    assay__sha256_add(&h, &pre->scale, sizeof(pre->scale));
    assay__sha256_add(&h, pre->mean, n_stats);
    assay__sha256_add(&h, pre->std, n_stats);
    for (int i = 0; i < m->params.n_slots; i++) {
        const struct assay_param_slot *s = &m->params.slot[i];

        assay__sha256_add(&h, s->name, strlen(s->name) + 1);
        assay__sha256_add(&h, m->params.data + s->offset,
                          s->count * sizeof(float));
    }
    assay__sha256_end(&h, text);
    return ASSAY_OK;
}

int assay_model_set_note(assay_model *m, const char *key, const char *value,
                         struct assay_error *err)
{
    json_t *pair = json_pack("[s, s?]", key, value);

    /* What JSON does not take now, the sidecar could not hold later. */
    if (!pair)
        return assay_error_set(err, ASSAY_ARG, "note '%.60s' is not UTF-8",
                               key);
    json_decref(pair);
    return assay_tensors_set_meta(&m->notes, key, value, err);
}

int assay_model_has_batch_norm(const assay_model *m)
{
    for (int i = 0; i < m->params.n_slots; i++)
        if (m->params.slot[i].flags & ASSAY_PARAM_BUFFER)
            return 1;
    return 0;
}

const char *assay_model_note(const assay_model *m, const char *key)
{
    return assay_tensors_meta(&m->notes, key);
}
