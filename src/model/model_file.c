/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Models on disk: NAME.safetensors and NAME.json. The sidecar says how the
 * numbers are to be used, so it is checked as strictly as they are: unknown
 * keys are refused, every value has a range. Parameters are written first;
 * a sidecar without its parameters cannot come about. A stranger's file may
 * come without one, or with one that leaves the network out: then its
 * tensors tell which it is.
 */

#include <math.h>
#include <string.h>

#include "assay/arch.h"
#include "assay/format.h"
#include "assay/scan.h"
#include "core/fs.h"
#include "core/json.h"
#include "core/mem.h"
#include "model/model.h"

enum { SIDECAR_MAX_BYTES = 1 << 20 };

/* "dir/net.safetensors" and its index -> "dir/net.json". */
char *assay__sidecar_path(const char *path)
{
    static const char index_end[] = ".safetensors.index.json";
    const char *dot = strrchr(path, '.');
    const char *slash = strrchr(path, '/');
    size_t stem =
        dot && (!slash || dot > slash) ? (size_t)(dot - path) : strlen(path);

    if (assay_tensors_is_index(path))
        stem = strlen(path) - (sizeof(index_end) - 1);
    return assay__format("%.*s.json", (int)stem, path);
}

/* Here and below NULL: out of memory. */
static json_t *real_array(const double *x, int n)
{
    json_t *a = json_array();

    for (int i = 0; i < n && a; i++) {
        if (json_array_append_new(a, assay__json_real(x[i]))) {
            json_decref(a);
            a = NULL;
        }
    }
    return a;
}

json_t *assay__preprocess_json(const struct assay_preprocess *pre)
{
    return json_pack("{s:i, s:i, s:i, s:o, s:o, s:o}", "channels",
                     pre->channels, "height", pre->height, "width", pre->width,
                     "scale", assay__json_real(pre->scale), "mean",
                     real_array(pre->mean, pre->channels), "std",
                     real_array(pre->std, pre->channels));
}

static json_t *notes_json(const assay_model *m)
{
    json_t *notes = json_object();

    for (size_t i = 0; i < m->notes.n_meta && notes; i++) {
        if (json_object_set_new(notes, m->notes.meta[2 * i],
                                json_string(m->notes.meta[2 * i + 1]))) {
            json_decref(notes);
            notes = NULL;
        }
    }
    return notes;
}

static json_t *sidecar_json(const assay_model *m)
{
    const char *norm =
        m->norm != ASSAY_NORM_BATCH ? assay_norm_name(m->norm) : NULL;

    return json_pack("{s:s, s:s*, s:i, s:o, s:o}", "arch", m->arch, "norm",
                     norm, "classes", m->n_classes, "preprocess",
                     assay__preprocess_json(&m->preprocess), "notes",
                     notes_json(m));
}

int assay_model_save(const assay_model *m, const char *path,
                     struct assay_error *err)
{
    struct assay_tensors list;
    json_t *root = NULL;
    char *side = NULL;
    int rc;

    if (strcmp(m->arch, ASSAY__ARCH_HOST) == 0)
        return assay_error_set(err, ASSAY_UNSUPPORTED,
                               "%s: a host cannot be saved: no file describes "
                               "a network made of several; keep the models "
                               "that it was made of",
                               path);
    if (m->origin)
        return assay_error_set(err, ASSAY_UNSUPPORTED,
                               "%s: a model whose network came with its file "
                               "(ONNX, Keras, or a list of layers) cannot be "
                               "saved; keep that file",
                               path);
    assay_tensors_init(&list);
    rc = assay_params_to_tensors(&m->params, "", &list, err);
    if (rc)
        goto out;
    rc = assay_tensors_write(&list, path, err);
    if (rc)
        goto out;
    side = assay__sidecar_path(path);
    root = sidecar_json(m);
    if (!side || !root) {
        rc = assay_error_set(err, ASSAY_NOMEM, "%s: out of memory", path);
        goto out;
    }
    rc = assay__json_write(side, root, err);
out:
    json_decref(root);
    assay__free(side);
    assay_tensors_release(&list);
    return rc;
}

int assay__json_only(const json_t *object, const char *const *known,
                     const char *path, struct assay_error *err)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        int i = 0;

        while (known[i] && strcmp(known[i], key) != 0)
            i++;
        if (!known[i])
            return assay_error_set(err, ASSAY_FORMAT, "%s: unknown key '%.40s'",
                                   path, key);
    }
    return ASSAY_OK;
}

int assay__json_int(const json_t *object, const char *key, int low, int high,
                    int *out, const char *path, struct assay_error *err)
{
    const json_t *v = json_object_get(object, key);

    if (!json_is_integer(v) || json_integer_value(v) < low ||
        json_integer_value(v) > high)
        return assay_error_set(err, ASSAY_FORMAT,
                               "%s: '%s' must be an integer from %d to %d",
                               path, key, low, high);
    *out = (int)json_integer_value(v);
    return ASSAY_OK;
}

static int read_stats(const json_t *object, const char *key, int n, double *out,
                      const char *path, struct assay_error *err)
{
    const json_t *a = json_object_get(object, key);

    if (!json_is_array(a) || json_array_size(a) != (size_t)n)
        return assay_error_set(err, ASSAY_FORMAT,
                               "%s: 'preprocess.%s' must hold %d numbers, one "
                               "per channel",
                               path, key, n);
    for (int i = 0; i < n; i++) {
        const json_t *v = json_array_get(a, (size_t)i);

        if (!json_is_number(v) || !isfinite(json_number_value(v)))
            return assay_error_set(err, ASSAY_FORMAT,
                                   "%s: 'preprocess.%s[%d]' is no number", path,
                                   key, i);
        out[i] = json_number_value(v);
    }
    return ASSAY_OK;
}

int assay__preprocess_read(const json_t *object, struct assay_preprocess *pre,
                           const char *path, struct assay_error *err)
{
    static const char *const known[] = {"channels", "height", "width", "scale",
                                        "mean",     "std",    NULL};
    const json_t *scale = json_object_get(object, "scale");
    int rc;

    if (!json_is_object(object))
        return assay_error_set(err, ASSAY_FORMAT,
                               "%s: 'preprocess' must be an object", path);
    rc = assay__json_only(object, known, path, err);
    if (!rc)
        rc = assay__json_int(object, "channels", 1, ASSAY_CHANNELS_MAX,
                             &pre->channels, path, err);
    if (!rc)
        rc =
            assay__json_int(object, "height", 1, 4096, &pre->height, path, err);
    if (!rc)
        rc = assay__json_int(object, "width", 1, 4096, &pre->width, path, err);
    if (!rc)
        rc = read_stats(object, "mean", pre->channels, pre->mean, path, err);
    if (!rc)
        rc = read_stats(object, "std", pre->channels, pre->std, path, err);
    if (rc)
        return rc;
    if (!json_is_number(scale) || !isfinite(json_number_value(scale)))
        return assay_error_set(err, ASSAY_FORMAT,
                               "%s: 'preprocess.scale' is no number", path);
    pre->scale = json_number_value(scale);
    for (int i = 0; i < pre->channels; i++)
        if (!(pre->std[i] > 0))
            return assay_error_set(err, ASSAY_FORMAT,
                                   "%s: 'preprocess.std[%d]' is %g; it must "
                                   "be above 0",
                                   path, i, pre->std[i]);
    return ASSAY_OK;
}

int assay__sidecar_notes(assay_model *m, const json_t *notes, const char *path,
                         struct assay_error *err)
{
    const char *key;
    json_t *value;
    int rc;

    if (notes && !json_is_object(notes))
        return assay_error_set(err, ASSAY_FORMAT,
                               "%s: 'notes' must be an object", path);
    json_object_foreach((json_t *)(uintptr_t)notes, key, value)
    {
        if (!json_is_string(value))
            return assay_error_set(err, ASSAY_FORMAT,
                                   "%s: note '%.40s' is no text", path, key);
        rc = assay_model_set_note(m, key, json_string_value(value), err);
        if (rc)
            return rc;
    }
    return ASSAY_OK;
}

/* What normalises; batch norm where the sidecar does not say. */
static int read_norm(const json_t *value, enum assay_norm *norm,
                     const char *side, struct assay_error *err)
{
    const char *text = json_string_value(value);
    struct assay_error why = {0};

    *norm = ASSAY_NORM_BATCH;
    if (!value)
        return ASSAY_OK;
    if (!text)
        return assay_error_set(err, ASSAY_FORMAT, "%s: 'norm' must be a text",
                               side);
    if (assay_norm_parse(norm, text, &why))
        return assay_error_set(err, ASSAY_FORMAT, "%s: %s", side, why.msg);
    return ASSAY_OK;
}

int assay__sidecar_read(const char *side, json_t **root,
                        struct assay_error *err)
{
    return assay__json_read(side, SIDECAR_MAX_BYTES, root, err);
}

/* Pixels of bytes from 0 to 1, at the size that the network is made for. */
static void plain_pixels(struct assay_preprocess *pre,
                         const struct assay_arch_match *match)
{
    memset(pre, 0, sizeof(*pre));
    pre->channels = match->channels;
    pre->height = match->size;
    pre->width = match->size;
    pre->scale = 1.0 / 255.0;
    for (int i = 0; i < pre->channels; i++)
        pre->std[i] = 1.0;
}

/* What the sidecar, where there is one, does not say of the network, the
 * tensors' names and shapes do. */
static int complete(struct assay_model_spec *spec, const json_t *root,
                    const struct assay_tensors *list, const char *side,
                    struct assay_error *err)
{
    const struct assay_arch *wanted = NULL;
    struct assay_arch_match match;
    int rc;

    if (spec->arch && spec->n_classes && spec->preprocess.channels)
        return ASSAY_OK;
    if (spec->arch) {
        wanted = assay_arch_find(spec->arch);
        if (!wanted)
            return assay_error_set(err, ASSAY_FORMAT,
                                   "%s: no architecture is called '%.40s'",
                                   side, spec->arch);
    }
    rc =
        assay_arch_identify(&match, list, wanted, spec->preprocess.height, err);
    if (rc && !root)
        return assay_error_prefix(err, rc,
                                  "there is no sidecar, %.60s, that says what "
                                  "network this is",
                                  side);
    if (rc)
        return assay_error_prefix(err, rc, "%.60s does not say all", side);
    spec->arch = match.arch->name;
    if (!spec->n_classes)
        spec->n_classes = match.n_classes;
    if (!spec->preprocess.channels)
        plain_pixels(&spec->preprocess, &match);
    return ASSAY_OK;
}

static int read_spec(struct assay_model_spec *spec, const json_t *root,
                     const char *side, struct assay_error *err)
{
    static const char *const known[] = {
        "arch", "norm", "classes", "preprocess", "notes", "layers", NULL};
    const json_t *arch = json_object_get(root, "arch");
    int rc;

    if (!json_is_object(root))
        return assay_error_set(err, ASSAY_FORMAT, "%s: not a JSON object",
                               side);
    rc = assay__json_only(root, known, side, err);
    if (!rc && arch && !json_is_string(arch))
        rc = assay_error_set(err, ASSAY_FORMAT, "%s: 'arch' must be a text",
                             side);
    spec->arch = json_string_value(arch);
    if (!rc)
        rc = read_norm(json_object_get(root, "norm"), &spec->norm, side, err);
    if (!rc && json_object_get(root, "classes"))
        rc = assay__json_int(root, "classes", 2, 65536, &spec->n_classes, side,
                             err);
    if (!rc && json_object_get(root, "preprocess"))
        rc = assay__preprocess_read(json_object_get(root, "preprocess"),
                                    &spec->preprocess, side, err);
    return rc;
}

/* The network that the sidecar spells out. */
static int from_layers(assay_model **out, const struct assay_model_spec *spec,
                       const json_t *root, const struct assay_tensors *list,
                       const char *side, struct assay_error *err)
{
    if (spec->arch || spec->norm != ASSAY_NORM_BATCH || spec->n_classes)
        return assay_error_set(err, ASSAY_FORMAT,
                               "%s: 'layers' takes the place of 'arch', 'norm' "
                               "and 'classes'",
                               side);
    if (!spec->preprocess.channels)
        return assay_error_set(err, ASSAY_FORMAT,
                               "%s: with 'layers', 'preprocess' must say the "
                               "size of images",
                               side);
    return assay__model_from_layers(out, &spec->preprocess,
                                    json_object_get(root, "layers"), list, side,
                                    err);
}

/* A model as sidecar and tensors describe it, without parameters. */
static int describe(assay_model **out, const char *side,
                    struct assay_tensors *list, struct assay_error *err)
{
    struct assay_model_spec spec = {0};
    json_t *root = NULL;
    int rc = ASSAY_OK;

    if (assay__exists(side))
        rc = assay__sidecar_read(side, &root, err);
    if (!rc && root)
        rc = read_spec(&spec, root, side, err);
    if (!rc && json_object_get(root, "layers")) {
        rc = from_layers(out, &spec, root, list, side, err);
    } else if (!rc) {
        rc = assay_arch_rename(list, err);
        if (!rc)
            rc = complete(&spec, root, list, side, err);
        if (!rc)
            rc = assay__model_build(out, &spec, err);
    }
    if (rc)
        goto out;
    rc = assay__sidecar_notes(*out, json_object_get(root, "notes"), side, err);
    if (rc) {
        assay_model_free(*out);
        *out = NULL;
    }
out:
    json_decref(root);
    return rc;
}

/* The file must have what the sidecar asks for before memory does: a few
 * bytes of sidecar can ask for much. */
static int read_params(assay_model *m, struct assay_tensors *list,
                       struct assay_error *err)
{
    const assay_graph *graph = assay_model_graph(m);
    int rc = assay_params_match(graph, "", list, err);

    if (!rc)
        rc = assay_tensors_check(list, NULL, err);
    if (!rc)
        rc = assay_params_make(&m->params, graph, err);
    if (!rc)
        rc = assay_params_from_tensors(&m->params, "", list, err);
    return rc;
}

int assay_model_open(assay_model **out, const char *path,
                     struct assay_error *err)
{
    struct assay_tensors list;
    assay_model *m = NULL;
    char *side = NULL;
    int rc;

    rc = assay_scan_gate(path, err);
    if (rc)
        return rc;
    if (assay__model_owns_graph(path))
        return assay__model_open_graph(out, path, err);
    assay_tensors_init(&list);
    rc = assay_tensors_open(&list, path, err);
    if (rc)
        goto out;
    side = assay__sidecar_path(path);
    if (!side) {
        rc = assay_error_set(err, ASSAY_NOMEM, "%s: out of memory", path);
        goto out;
    }
    rc = describe(&m, side, &list, err);
    if (rc) {
        rc = assay_error_prefix(err, rc, "%.120s", path);
        goto out;
    }
    rc = read_params(m, &list, err);
    if (rc) {
        rc = assay_error_prefix(err, rc, "%s", path);
        goto out;
    }
    *out = m;
    m = NULL;
out:
    assay_model_free(m);
    assay__free(side);
    assay_tensors_release(&list);
    return rc;
}
