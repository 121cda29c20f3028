/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finished cells in the study's folder. A cell is a file named by the hash
 * of its inputs, all that determines what is in it; the inputs stand in it,
 * too. A file that cannot be read or is of other inputs is made anew.
 */

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "core/fs.h"
#include "core/json.h"
#include "core/mem.h"
#include "reuse/study.h"

enum { CELL_MAX_BYTES = 16 << 20 };
static const char schema[] = "assay-reuse-cell/2";

static json_t *options_json(const struct assay_reuse_options *o)
{
    return json_pack(
        "{s:I, s:I, s:f, s:f, s:f, s:b, s:f, s:I, s:f, s:f, s:s, s:s, s:I, "
        "s:I}",
        "neighbours", (json_int_t)o->neighbours, "tries", (json_int_t)o->tries,
        "cosine", o->cosine, "keep", o->keep, "step", o->step, "plain",
        o->plain, "stay", o->stay, "max_steps", (json_int_t)o->max_steps,
        "enough", o->enough, "margin", o->margin, "scope",
        assay_reuse_scope_name(o->scope), "impact",
        assay_reuse_impact_name(o->impact), "vectors", (json_int_t)o->vectors,
        "renew", (json_int_t)o->renew);
}

static json_t *scene_json(const struct assay__reuse_scene *c)
{
    const struct assay_reuse_study *s = c->s;

    return json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:i, s:f, s:I, s:I, s:I, s:I, "
        "s:I, s:i, s:I, s:s}",
        "schema", schema, "version", assay_version(), "extractor", c->model,
        "others", c->others, "split", c->split.sha256, "regression",
        s->regression, "tolerance", s->tolerance, "pairs", (json_int_t)s->pairs,
        "triggers", (json_int_t)s->triggers, "natural", (json_int_t)s->natural,
        "held", (json_int_t)s->held, "seeds", (json_int_t)s->seeds, "hidden",
        s->hidden, "seed", (json_int_t)s->seed, "backend",
        c->compute->backend ? c->compute->backend : "onednn");
}

/* A repair's name and, where they are not its defaults, its settings. */
static json_t *repair_json(const struct assay_reuse_host *host)
{
    json_t *name = json_string(host->repair ? host->repair->name : "none");

    return host->repair && host->repair_param
               ? json_pack("{s:o, s:o}", "name", name, "params",
                           assay__reuse_params_json(host))
               : name;
}

json_t *assay__reuse_inputs(const struct assay__reuse_scene *c,
                            const struct assay_reuse_setting *setting,
                            size_t pair, const struct assay_reuse_host *host,
                            size_t seed)
{
    json_t *inputs = scene_json(c);

    if (inputs &&
        (json_object_set_new(inputs, "options", options_json(&c->s->options)) ||
         json_object_set_new(
             inputs, "host",
             json_pack("{s:s, s:i, s:I, s:f, s:o, s:I}", "tuning",
                       assay_host_tuning_name(host->tuning), "depth",
                       host->depth, "epochs", (json_int_t)host->epochs, "rate",
                       host->rate, "repair", repair_json(host), "seed",
                       (json_int_t)seed)))) {
        json_decref(inputs);
        return NULL;
    }
    if (inputs && setting &&
        json_object_set_new(inputs, "attack",
                            json_pack("{s:s, s:f, s:I}", "layer",
                                      setting->layer ? setting->layer : "last",
                                      "theta", setting->theta, "pair",
                                      (json_int_t)pair))) {
        json_decref(inputs);
        return NULL;
    }
    return inputs;
}

static int name_cell(char **path, const struct assay__reuse_scene *c,
                     const json_t *inputs, struct assay_error *err)
{
    char *text = assay__json_text(inputs);
    struct assay__sha256 h;
    char sha[65];

    if (!text || assay__sha256_begin(&h)) {
        assay__free(text);
        return assay_error_set(err, ASSAY_NOMEM, "reuse: out of memory");
    }
    assay__sha256_add(&h, text, strlen(text));
    assay__sha256_end(&h, sha);
    assay__free(text);
    *path = assay__format("%s/cells/%.32s.json", c->s->folder, sha);
    return *path ? ASSAY_OK
                 : assay_error_set(err, ASSAY_NOMEM, "reuse: out of memory");
}

/* Of equal inputs: as text, for a file does not tell 65 from 65.0. */
static bool same_text(const json_t *a, const json_t *b)
{
    char *one = a ? assay__json_text(a) : NULL;
    char *other = b ? assay__json_text(b) : NULL;
    bool same = one && other && strcmp(one, other) == 0;

    assay__free(one);
    assay__free(other);
    return same;
}

/* Whether what hosts said in it is complete. */
static bool is_whole(const json_t *cell, const json_t *inputs)
{
    const json_t *said = json_object_get(cell, "said");

    return same_text(json_object_get(cell, "inputs"), inputs) &&
           json_is_integer(json_object_get(said, "right")) &&
           json_is_integer(json_object_get(said, "n")) &&
           json_is_array(json_object_get(said, "pairs"));
}

int assay__reuse_look_up(json_t **cell, char **path,
                         const struct assay__reuse_scene *c, json_t *inputs,
                         struct assay_error *err)
{
    json_t *found = NULL;
    struct assay_error why = {0};
    int rc = inputs ? name_cell(path, c, inputs, err)
                    : assay_error_set(err, ASSAY_NOMEM, "reuse: out of memory");

    if (!rc && assay__exists(*path)) {
        if (assay__json_read(*path, CELL_MAX_BYTES, &found, &why) ||
            !is_whole(found, inputs)) {
            assay_log(c->ctx, ASSAY_LOG_WARNING,
                      "%s is no cell of this study; "
                      "it is made anew",
                      *path);
            json_decref(found);
            found = NULL;
        }
    }
    json_decref(inputs);
    *cell = found;
    return rc;
}

int assay__reuse_keep(const char *path, json_t *inputs, json_t *content,
                      struct assay_error *err)
{
    int rc = ASSAY_OK;

    if (!content || json_object_set(content, "inputs", inputs))
        rc = assay_error_set(err, ASSAY_NOMEM, "reuse: out of memory");
    else
        rc = assay__json_write(path, content, err);
    json_decref(inputs);
    json_decref(content);
    return rc;
}
