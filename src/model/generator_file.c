/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Generators on disk: NAME.safetensors and NAME.json, as models are. The
 * sidecar says what the numbers are of; it is read as strictly: unknown
 * keys are refused, every value has a range. Parameters are written first.
 */

#include <math.h>
#include <string.h>

#include "assay/format.h"
#include "core/json.h"
#include "core/mem.h"
#include "model/generator.h"
#include "model/model.h"

enum { SIDECAR_MAX_BYTES = 1 << 20, SIDE_MAX = 4096 };

static const char kind[] = "dcgan";

static json_t *sidecar_json(const assay_generator *gen)
{
    return json_pack("{s:s, s:i, s:i, s:[o, o], s:o, s:s}", "kind", kind, "z",
                     gen->net.z_dim, "width", gen->net.width, "pixels",
                     assay__json_real(gen->pixel_low),
                     assay__json_real(gen->pixel_high), "preprocess",
                     assay__preprocess_json(&gen->preprocess), "key", gen->key);
}

int assay_generator_save(const assay_generator *gen, const char *path,
                         struct assay_error *err)
{
    struct assay_tensors list;
    json_t *root = NULL;
    char *side = NULL;
    int rc;

    assay_tensors_init(&list);
    rc = assay_params_to_tensors(&gen->params, "", &list, err);
    if (!rc)
        rc = assay_tensors_write(&list, path, err);
    if (rc)
        goto out;
    side = assay__sidecar_path(path);
    root = sidecar_json(gen);
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

static int read_pixels(const json_t *a, double pixels[2], const char *side,
                       struct assay_error *err)
{
    for (size_t i = 0; i < 2; i++) {
        const json_t *v = json_array_get(a, i);

        if (json_array_size(a) != 2 || !json_is_number(v))
            return assay_error_set(err, ASSAY_FORMAT,
                                   "%s: 'pixels' must hold two numbers", side);
        pixels[i] = json_number_value(v);
    }
    return ASSAY_OK;
}

/* A generator as its sidecar describes it, without parameters. */
static int from_json(assay_generator **out, const json_t *root,
                     const char *side, struct assay_error *err)
{
    static const char *const known[] = {"kind",       "z",   "width", "pixels",
                                        "preprocess", "key", NULL};
    const char *text = json_string_value(json_object_get(root, "kind"));
    const char *key = json_string_value(json_object_get(root, "key"));
    struct assay_preprocess pre = {0};
    struct assay__dcgan net = {0};
    double pixels[2] = {0, 0};
    int rc = assay__json_only(root, known, side, err);

    if (rc)
        return rc;
    if (!text || strcmp(text, kind) != 0)
        return assay_error_set(err, ASSAY_FORMAT,
                               "%s: 'kind' is '%.40s', must be '%s'", side,
                               text ? text : "missing", kind);
    if (!key)
        return assay_error_set(err, ASSAY_FORMAT, "%s: 'key' must be a text",
                               side);
    rc = assay__json_int(root, "z", 1, SIDE_MAX, &net.z_dim, side, err);
    if (!rc)
        rc = assay__json_int(root, "width", 1, SIDE_MAX, &net.width, side, err);
    if (!rc)
        rc = read_pixels(json_object_get(root, "pixels"), pixels, side, err);
    if (!rc)
        rc = assay__preprocess_read(json_object_get(root, "preprocess"), &pre,
                                    side, err);
    if (rc)
        return rc;
    rc = assay__generator_build(out, &net, &pre, pixels, key, err);
    if (rc == ASSAY_ARG)
        rc = ASSAY_FORMAT;
    return rc ? assay_error_prefix(err, rc, "%s", side) : ASSAY_OK;
}

/* The file must have what the sidecar asks for before memory does. */
static int read_params(assay_generator *gen, const struct assay_tensors *list,
                       struct assay_error *err)
{
    assay_graph *graph = NULL;
    int rc = assay__generator_graph(&graph, &gen->net, err);

    if (!rc)
        rc = assay_params_match(graph, "", list, err);
    if (!rc)
        rc = assay_params_make(&gen->params, graph, err);
    if (!rc)
        rc = assay_params_from_tensors(&gen->params, "", list, err);
    assay_graph_free(graph);
    return rc;
}

int assay_generator_open(assay_generator **out, const char *path,
                         struct assay_error *err)
{
    struct assay_tensors list;
    assay_generator *gen = NULL;
    json_t *root = NULL;
    char *side = NULL;
    int rc;

    assay_tensors_init(&list);
    rc = assay_tensors_read(&list, path, err);
    if (rc)
        goto out;
    side = assay__sidecar_path(path);
    if (!side) {
        rc = assay_error_set(err, ASSAY_NOMEM, "%s: out of memory", path);
        goto out;
    }
    rc = assay__json_read(side, SIDECAR_MAX_BYTES, &root, err);
    if (!rc)
        rc = from_json(&gen, root, side, err);
    if (rc)
        goto out;
    rc = read_params(gen, &list, err);
    if (rc) {
        rc = assay_error_prefix(err, rc, "%s", path);
        goto out;
    }
    *out = gen;
    gen = NULL;
out:
    assay_generator_free(gen);
    json_decref(root);
    assay__free(side);
    assay_tensors_release(&list);
    return rc;
}
