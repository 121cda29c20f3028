/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Models of files that hold their own graph, ONNX and Keras. A sidecar, which
 * may be absent, says how pixels are prepared and where the scores are if that
 * is not to be found. Without one, images have the size of the file's input
 * and pixels go from 0 to 1.
 */

#include <string.h>

#include "assay/keras.h"
#include "assay/onnx.h"

#include "core/fs.h"
#include "core/json.h"
#include "core/mem.h"
#include "model/model.h"

/* What a sidecar says of the graph; its texts stay its. */
struct said {
    int channels, height, width;
    const char *output;
    enum assay_onnx_meaning meaning;
};

/* A kind of file. */
struct kind {
    const char *arch;         /* as the sidecar and the model have it */
    const char *title;        /* "an ONNX file" */
    const char *const *known; /* keys of the sidecar */
    /* The file's parts become the model's: graph, values, parameters, origin
     * and how many classes. */
    int (*read)(assay_model *m, const char *path, const struct said *said,
                struct assay_error *err);
};

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

/* What the sidecar says of the graph and of pixels. */
static int read_sidecar(const json_t *root, const struct kind *kind,
                        struct said *said, struct assay_preprocess *pre,
                        const char *side, struct assay_error *err)
{
    const json_t *arch = json_object_get(root, "arch");
    const json_t *output = json_object_get(root, "output");
    const json_t *preprocess = json_object_get(root, "preprocess");
    int rc = assay__json_only(root, kind->known, side, err);

    if (!rc && arch &&
        (!json_is_string(arch) ||
         strcmp(json_string_value(arch), kind->arch) != 0))
        rc = assay_error_set(err, ASSAY_FORMAT,
                             "%s: 'arch' of %s must be \"%s\"", side,
                             kind->title, kind->arch);
    if (!rc && output && !json_is_string(output))
        rc = assay_error_set(err, ASSAY_FORMAT, "%s: 'output' must be a text",
                             side);
    said->output = json_string_value(output);
    if (!rc)
        rc = read_scores(json_object_get(root, "scores"), &said->meaning, side,
                         err);
    if (rc || !preprocess)
        return rc;
    rc = assay__preprocess_read(preprocess, pre, side, err);
    said->channels = pre->channels;
    said->height = pre->height;
    said->width = pre->width;
    return rc;
}

/* Pixels of bytes from 0 to 1, of the size of the graph's input. */
static void plain_pixels(assay_model *m)
{
    const struct assay_shape *s = assay_graph_shape(m->graph, m->input);
    struct assay_preprocess *pre = &m->preprocess;

    pre->channels = (int)s->dim[1];
    pre->height = (int)s->dim[2];
    pre->width = (int)s->dim[3];
    pre->scale = 1.0 / 255.0;
    for (int i = 0; i < pre->channels; i++) {
        pre->mean[i] = 0.0;
        pre->std[i] = 1.0;
    }
}

static int set_origin(assay_model *m, const char *sha256,
                      struct assay_error *err)
{
    m->origin = assay__strdup(sha256);
    return m->origin
               ? ASSAY_OK
               : assay_error_set(err, ASSAY_NOMEM, "model: out of memory");
}

static int read_onnx(assay_model *m, const char *path, const struct said *said,
                     struct assay_error *err)
{
    const struct assay_onnx_roles roles = {
        said->channels, said->height, said->width, said->output, said->meaning};
    struct assay_onnx_classifier c;
    assay_onnx *o = NULL;
    int rc = assay_onnx_open(&o, path, err);

    if (rc)
        return rc;
    rc = assay_onnx_classify(&c, o, &roles, err);
    if (rc)
        rc = assay_error_prefix(err, rc, "%s", path);
    if (!rc) {
        m->graph = c.graph;
        m->params = c.params;
        m->input = c.input;
        m->logits = c.logits;
        m->embedding = c.embedding;
        m->n_classes = c.n_classes;
        rc = set_origin(m, assay_onnx_sha256(o), err);
    }
    assay_onnx_free(o);
    return rc;
}

_Static_assert((int)ASSAY_ONNX_PROBABILITIES == (int)ASSAY_KERAS_PROBABILITIES,
               "meanings of scores have one order");

static int read_keras(assay_model *m, const char *path, const struct said *said,
                      struct assay_error *err)
{
    const struct assay_keras_roles roles = {
        said->channels, said->height, said->width,
        (enum assay_keras_meaning)said->meaning};
    struct assay_keras_classifier c;
    int rc = assay_keras_open(&c, path, &roles, err);

    if (rc)
        return rc;
    m->graph = c.graph;
    m->params = c.params;
    m->input = c.input;
    m->logits = c.logits;
    m->embedding = c.embedding;
    m->n_classes = c.n_classes;
    return set_origin(m, c.sha256, err);
}

static const char *const onnx_keys[] = {
    "arch", "classes", "output", "scores", "preprocess", "notes", NULL};
static const char *const keras_keys[] = {"arch",       "classes", "scores",
                                         "preprocess", "notes",   NULL};

static const struct kind onnx = {"onnx", "an ONNX file", onnx_keys, read_onnx};
static const struct kind keras = {"keras", "a Keras file", keras_keys,
                                  read_keras};

static const struct kind *kind_of(const char *path)
{
    if (assay_onnx_probe(path))
        return &onnx;
    return assay_keras_probe(path) ? &keras : NULL;
}

int assay__model_owns_graph(const char *path)
{
    return kind_of(path) != NULL;
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
    const struct kind *kind = kind_of(path);
    struct said said = {0};
    int rc = ASSAY_OK;

    if (root)
        rc = read_sidecar(root, kind, &said, &m->preprocess, side, err);
    if (!rc)
        rc = kind->read(m, path, &said, err);
    if (rc)
        return rc;
    m->layer = ASSAY_NO_VALUE;
    if (m->preprocess.channels == 0)
        plain_pixels(m);
    m->arch = assay__strdup(kind->arch);
    if (!m->arch)
        return assay_error_set(err, ASSAY_NOMEM, "model: out of memory");
    if (root)
        rc = check_classes(m, root, side, err);
    if (!rc && root)
        rc = assay__sidecar_notes(m, json_object_get(root, "notes"), side, err);
    return rc;
}

int assay__model_open_graph(assay_model **out, const char *path,
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
