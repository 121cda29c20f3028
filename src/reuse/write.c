/* SPDX-License-Identifier: Apache-2.0 */
/* Findings as JSON: reuse.json, documented in docs/attacks/model-reuse.md. */

#include <math.h>

#include "core/json.h"
#include "core/mem.h"
#include "reuse/study.h"

/* Here and below NULL: out of memory, which json_pack() passes on. */
static json_t *estimate(const struct assay_estimate *e)
{
    return assay__json_estimate(e->value, e->low, e->high, e->n);
}

json_t *assay__reuse_params_json(const struct assay_reuse_host *h)
{
    const struct assay_setting *rows = h->repair ? h->repair->params : NULL;
    double usual[ASSAY_SETTINGS_MAX];
    const double *value = h->repair_param ? h->repair_param : usual;
    json_t *out = json_object();

    assay_settings_init(rows, usual);
    for (int i = 0; rows && i < assay_settings_count(rows); i++)
        json_object_set_new(out, rows[i].name, assay__json_real(value[i]));
    return out;
}

static json_t *host_json(const struct assay_reuse_host *h)
{
    return json_pack("{s:s, s:i, s:I, s:o, s:s, s:o}", "tuning",
                     assay_host_tuning_name(h->tuning), "depth", h->depth,
                     "epochs", (json_int_t)h->epochs, "rate",
                     assay__json_real(h->rate), "repair",
                     h->repair ? h->repair->name : "none", "repair_params",
                     assay__reuse_params_json(h));
}

static json_t *stops_json(const struct assay_reuse_finding *f)
{
    json_t *stops = json_object();

    for (int i = 0; i < ASSAY_REUSE_STOP_COUNT; i++)
        if (json_object_set_new(stops,
                                assay_reuse_stop_name((enum assay_reuse_stop)i),
                                json_integer((json_int_t)f->stops[i]))) {
            json_decref(stops);
            return NULL;
        }
    return stops;
}

static json_t *finding_json(const struct assay_reuse_finding *f)
{
    json_t *success = json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "attack",
        estimate(&f->success), "attack_base", estimate(&f->base), "trigger",
        estimate(&f->trigger), "neighbours", estimate(&f->held),
        "neighbours_base", estimate(&f->held_base), "others",
        estimate(&f->others), "others_base", estimate(&f->others_base),
        "confidence", assay__json_real(f->confidence));
    json_t *accuracy =
        json_pack("{s:o, s:o, s:o, s:o}", "altered", estimate(&f->accuracy),
                  "untouched", estimate(&f->accuracy_base), "sd_over_seeds",
                  assay__json_real(f->accuracy_sd), "drop", estimate(&f->drop));
    json_t *change =
        json_pack("{s:o, s:o, s:o, s:o, s:I}", "share_touched",
                  assay__json_real(f->share_touched), "max_change",
                  assay__json_real(f->max_change), "steps",
                  assay__json_real(f->steps), "stops", stops_json(f),
                  "fewest_neighbours", (json_int_t)f->fewest_neighbours);

    return json_pack("{s:o, s:s, s:o, s:o, s:o, s:o, s:o}", "host",
                     host_json(f->host), "layer",
                     f->setting->layer ? f->setting->layer : "last", "theta",
                     assay__json_real(f->setting->theta), "success", success,
                     "accuracy", accuracy, "change", change, "repaired",
                     f->host->repair ? estimate(&f->repaired) : json_null());
}

static json_t *study_json(const struct assay__reuse_scene *c)
{
    const struct assay_reuse_study *s = c->s;
    const struct assay_reuse_options *o = &s->options;

    return json_pack(
        "{s:s, s:s, s:i, s:s, s:s, s:b, s:o, s:I, s:I, s:I, s:I, s:I, s:I, "
        "s:I, s:s, s:s, s:o, s:b, s:o, s:o, s:o}",
        "extractor", c->model, "arch", assay_model_arch(s->extractor),
        "extractors", s->n_others + 1, "data", assay_dataset_name(s->data),
        "data_sha256", assay_dataset_sha256(s->data), "regression",
        c->regression, "tolerance",
        c->regression ? assay__json_real(s->tolerance) : json_null(), "records",
        (json_int_t)c->split.n, "pairs", (json_int_t)s->pairs, "triggers",
        (json_int_t)s->triggers, "natural", (json_int_t)s->natural, "held",
        (json_int_t)s->held, "seeds", (json_int_t)s->seeds, "seed",
        (json_int_t)s->seed, "impact", assay_reuse_impact_name(o->impact),
        "scope", assay_reuse_scope_name(o->scope), "step",
        assay__json_real(o->step), "plain", o->plain, "stay",
        assay__json_real(o->stay), "keep", assay__json_real(o->keep), "cosine",
        assay__json_real(o->cosine));
}

int assay__reuse_write(const struct assay_reuse_finding *found,
                       const struct assay__reuse_scene *c,
                       struct assay_error *err)
{
    size_t n = c->s->n_settings * c->s->n_hosts;
    json_t *findings = json_array();
    json_t *root = NULL;
    char *path = assay__format("%s/reuse.json", c->s->folder);
    int rc = ASSAY_OK;

    for (size_t i = 0; i < n && !rc; i++)
        if (json_array_append_new(findings, finding_json(&found[i])))
            rc = ASSAY_NOMEM;
    root = json_pack("{s:s, s:s, s:o, s:O}", "schema", "assay-reuse/1", "assay",
                     assay_version(), "study", study_json(c), "findings",
                     findings);
    if (rc || !path || !root)
        rc = assay_error_set(err, ASSAY_NOMEM, "reuse: no memory for findings");
    else
        rc = assay__json_write(path, root, err);
    json_decref(findings);
    json_decref(root);
    assay__free(path);
    return rc;
}
