/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Models of ONNX files. The file has the graph; a sidecar, which may be
 * absent, says how pixels are prepared and where the scores are if that is
 * not to be found. Without one, images have the size of the file's input and
 * pixels go from 0 to 1.
 */

#include "assay/onnx.h"

#include <string.h>

#include "core/fs.h"
#include "core/json.h"
#include "core/mem.h"
#include "model/model.h"

static const char *const known[] = {"arch",       "classes", "output", "scores",
                                    "preprocess", "notes",   NULL};

static int read_scores(const json_t *value, enum assay_onnx_meaning *out,
                       const char *side, struct assay_error *err)
{
    static const char *const names[] = {
#define ASSAY_X(name, text) text,
        ASSAY_ONNX_MEANINGS(ASSAY_X)
#undef ASSAY_X
    };
    const char *text = json_string_value(value);

    if (!value)
        return ASSAY_OK;
    for (size_t i = 0; text && i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(text, names[i]) == 0) {
            *out = (enum assay_onnx_meaning)i;
            return ASSAY_OK;
        }
    }
    return assay_error_set(err, ASSAY_FORMAT,
                           "%s: 'scores' must be \"logits\", "
                           "\"probabilities\" or \"found\"",
                           side);
}

/* What the sidecar says into roles and preprocessing; its texts stay its. */
static int read_sidecar(const json_t *root, struct assay_onnx_roles *roles,
                        struct assay_preprocess *pre, const char *side,
                        struct assay_error *err)
{
    const json_t *arch = json_object_get(root, "arch");
    const json_t *output = json_object_get(root, "output");
    const json_t *preprocess = json_object_get(root, "preprocess");
    int rc = assay__json_only(root, known, side, err);

    if (!rc && arch &&
        (!json_is_string(arch) || strcmp(json_string_value(arch), "onnx") != 0))
        rc = assay_error_set(err, ASSAY_FORMAT,
                             "%s: 'arch' of an ONNX file must be \"onnx\"",
                             side);
    if (!rc && output && !json_is_string(output))
        rc = assay_error_set(err, ASSAY_FORMAT, "%s: 'output' must be a text",
                             side);
    roles->output = json_string_value(output);
    if (!rc)
        rc = read_scores(json_object_get(root, "scores"), &roles->meaning, side,
                         err);
    if (rc || !preprocess)
        return rc;
    rc = assay__preprocess_read(preprocess, pre, side, err);
    roles->channels = pre->channels;
    roles->height = pre->height;
    roles->width = pre->width;
    return rc;
}

/* Pixels of bytes from 0 to 1. */
static void plain_pixels(struct assay_preprocess *pre,
                         const struct assay_onnx_classifier *c)
{
    pre->channels = c->channels;
    pre->height = c->height;
    pre->width = c->width;
    pre->scale = 1.0 / 255.0;
    for (int i = 0; i < pre->channels; i++) {
        pre->mean[i] = 0.0;
        pre->std[i] = 1.0;
    }
}

/* The classifier's parts become the model's. */
static int take(assay_model *m, const assay_onnx *o,
                const struct assay_onnx_roles *roles, struct assay_error *err)
{
    struct assay_onnx_classifier c;
    int rc = assay_onnx_classify(&c, o, roles, err);

    if (rc)
        return rc;
    m->graph = c.graph;
    m->params = c.params;
    m->input = c.input;
    m->logits = c.logits;
    m->embedding = c.embedding;
    m->layer = ASSAY_NO_VALUE;
    m->n_classes = c.n_classes;
    if (m->preprocess.channels == 0)
        plain_pixels(&m->preprocess, &c);
    m->arch = assay__strdup("onnx");
    m->origin = assay__strdup(assay_onnx_sha256(o));
    if (!m->arch || !m->origin)
        return assay_error_set(err, ASSAY_NOMEM, "model: out of memory");
    return ASSAY_OK;
}

static int check_classes(const assay_model *m, const json_t *root,
                         const char *side, struct assay_error *err)
{
    int classes = 0;
    int rc;

    if (!json_object_get(root, "classes"))
        return ASSAY_OK;
    rc = assay__json_int(root, "classes", 2, 65536, &classes, side, err);
    if (!rc && classes != m->n_classes)
        rc = assay_error_set(err, ASSAY_SHAPE,
                             "%s: 'classes' is %d, the model's scores are %d",
                             side, classes, m->n_classes);
    return rc;
}

static int open_with(assay_model *m, const char *path, const char *side,
                     const json_t *root, struct assay_error *err)
{
    struct assay_onnx_roles roles = {0};
    assay_onnx *o = NULL;
    int rc = ASSAY_OK;

    if (root)
        rc = read_sidecar(root, &roles, &m->preprocess, side, err);
    if (!rc)
        rc = assay_onnx_open(&o, path, err);
    if (!rc) {
        rc = take(m, o, &roles, err);
        if (rc)
            rc = assay_error_prefix(err, rc, "%s", path);
    }
    assay_onnx_free(o);
    if (!rc && root)
        rc = check_classes(m, root, side, err);
    if (!rc && root)
        rc = assay__sidecar_notes(m, json_object_get(root, "notes"), side, err);
    return rc;
}

int assay__model_open_onnx(assay_model **out, const char *path,
                           struct assay_error *err)
{
    char *side = assay__sidecar_path(path);
    assay_model *m = assay__calloc(1, sizeof(*m));
    json_t *root = NULL;
    int rc = ASSAY_OK;

    if (!side || !m)
        rc = assay_error_set(err, ASSAY_NOMEM, "%s: out of memory", path);
    if (m)
        assay_tensors_init(&m->notes);
    if (!rc && assay__exists(side))
        rc = assay__sidecar_read(side, &root, err);
    if (!rc)
        rc = open_with(m, path, side, root, err);
    if (rc) {
        assay_model_free(m);
    } else {
        *out = m;
    }
    json_decref(root);
    assay__free(side);
    return rc;
}
