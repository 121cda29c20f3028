/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The order of an audit: models and evidence, attacks, controls, findings,
 * report. Whatever happens, the manifest says how it ended.
 */

#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

#include "assay/report.h"
#include "audit/audit.h"
#include "core/fs.h"
#include "core/json.h"
#include "core/mem.h"
#include "core/thread.h"

/* ISO 8601, UTC. */
static json_t *now_json(void)
{
    time_t now = time(NULL);
    struct tm utc;
    char text[32];

    gmtime_r(&now, &utc);
    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &utc);
    return json_string(text);
}

static json_t *host_json(void)
{
    struct utsname name;

    memset(&name, 0, sizeof(name));
    (void)uname(&name);
    return json_pack("{s:s, s:s, s:s, s:i}", "system", name.sysname, "release",
                     name.release, "machine", name.machine, "cores",
                     assay__thread_cores());
}

static json_t *words_json(const assay_audit *a)
{
    json_t *list = json_array();
    int i;

    for (i = 0; i < a->options.n_command; i++)
        json_array_append_new(list, assay__json_string(a->options.command[i]));
    return list;
}

static json_t *list_json(const char *const *word, size_t n)
{
    json_t *list = json_array();
    size_t i;

    for (i = 0; i < n; i++)
        json_array_append_new(list, assay__json_string(word[i]));
    return list;
}

static json_t *path_json(const char *path)
{
    return path != NULL ? assay__json_string(path) : json_null();
}

/* What is asked of detectors; null when nothing is. */
static json_t *detection_json(const assay_audit *a)
{
    const struct assay_audit_options *o = &a->options;

    if (!assay__detection_wanted(o))
        return json_null();
    return json_pack(
        "{s:o, s:o, s:o, s:I, s:o, s:o, s:o, s:o}", "upstream",
        path_json(o->upstream), "suspects", path_json(o->suspects),
        "clean_models", list_json(o->clean_models, o->n_clean_models), "clean",
        (json_int_t)o->n_clean, "detectors",
        list_json(o->detectors, o->n_detectors), "detector_params",
        list_json(o->detector_params, o->n_detector_params), "repairs",
        list_json(o->repairs, o->n_repairs), "repair_params",
        list_json(o->repair_params, o->n_repair_params));
}

static json_t *config_json(const assay_audit *a)
{
    const struct assay_audit_options *o = &a->options;
    char *recipe = assay_recipe_text(&a->recipe);
    json_t *attacks = json_array();
    json_t *params = json_object();
    json_t *root;
    int i;

    for (i = 0; i < a->n_attacks; i++) {
        json_array_append_new(attacks, json_string(a->attack[i]->name));
        if (assay_settings_count(a->attack[i]->params) > 0)
            json_object_set_new(params, a->attack[i]->name,
                                assay__params_json(a->attack[i], a->param[i]));
    }
    root = json_pack(
        "{s:o, s:o, s:o, s:o, s:i, s:o, s:o, s:i, s:f, s:s, s:i, s:o, s:i}",
        "data", o->data != NULL ? assay__json_string(o->data) : json_null(),
        "model", o->model != NULL ? assay__json_string(o->model) : json_null(),
        "arch", a->arch != NULL ? json_string(a->arch) : json_null(), "recipe",
        recipe != NULL ? json_loads(recipe, 0, NULL) : json_null(),
        "references", a->plan.n_references, "attacks", attacks, "attack_params",
        params, "controls", (int)o->controls, "budget_seconds",
        o->budget_seconds, "policy", a->policy.name, "exposed", o->n_exposed,
        "detection", detection_json(a), "threads",
        o->compute.threads > 0 ? o->compute.threads : a->ctx.threads);
    assay__free(recipe);
    return root;
}

/* Of data and split; of the model once it is there. */
static json_t *shas_json(const assay_audit *a)
{
    const char *model = a->scene.target_sha256;
    json_t *data = json_null();
    json_t *split = json_null();

    if (a->data != NULL) {
        data = json_string(assay_dataset_sha256(a->data));
        if (a->split.n > 0)
            split = json_string(a->split.sha256);
    }
    return json_pack("{s:o, s:o, s:o}", "model",
                     model[0] != '\0' ? json_string(model) : json_null(),
                     "data", data, "split", split);
}

static int begin(assay_audit *a, struct assay_error *err)
{
    struct assay__cache *c = &a->cache;
    int code;

    code = assay__cache_set(
        c, "tool",
        json_pack("{s:s, s:s}", "name", "assay", "version", assay_version()),
        err);
    if (code == ASSAY_OK)
        code = assay__cache_set(c, "command", words_json(a), err);
    if (code == ASSAY_OK)
        code = assay__cache_set(c, "config", config_json(a), err);
    if (code == ASSAY_OK)
        code = assay__cache_set(c, "seed",
                                json_integer((json_int_t)a->ctx.seed), err);
    if (code == ASSAY_OK)
        code = assay__cache_set(c, "host", host_json(), err);
    if (code == ASSAY_OK)
        code = assay__cache_set(c, "start", now_json(), err);
    if (code == ASSAY_OK)
        code = assay__cache_set(c, "end", json_null(), err);
    if (code == ASSAY_OK)
        code = assay__cache_set(c, "sha256", shas_json(a), err);
    if (code == ASSAY_OK)
        code = assay__cache_set(c, "status", json_string("running"), err);
    return code == ASSAY_OK ? assay__cache_write(c, err) : code;
}

/* How it ended; a failure here must not hide the first one. */
static void end(assay_audit *a, int code)
{
    struct assay__cache *c = &a->cache;
    const char *status = code == ASSAY_OK         ? "complete"
                         : code == ASSAY_CANCELED ? "interrupted"
                                                  : "failed";

    if (assay__cache_set(c, "status", json_string(status), NULL) != ASSAY_OK ||
        assay__cache_set(c, "end", now_json(), NULL) != ASSAY_OK ||
        assay__cache_write(c, NULL) != ASSAY_OK)
        assay_log(&a->ctx, ASSAY_LOG_WARNING,
                  "the manifest could not be brought up to date");
}

static int work(assay_audit *a, struct assay_error *err)
{
    int code = begin(a, err);

    if (code == ASSAY_OK && a->data != NULL)
        code = a->split.n > 0 ? assay__scene_collect(&a->scene, a, err)
                              : assay__scene_look(&a->scene, a, err);
    if (code == ASSAY_OK)
        code = assay__cache_set(&a->cache, "sha256", shas_json(a), err);
    if (code == ASSAY_OK && a->n_attacks > 0)
        code = assay__attacks_run(a, err);
    if (code == ASSAY_OK && a->n_attacks > 0)
        code = assay__control_positive(a, err);
    if (code == ASSAY_OK)
        code = assay__detection_run(a, err);
    if (code == ASSAY_OK)
        code = assay__findings_write(a, err);
    if (code == ASSAY_OK)
        code = assay__sweep_exposed(a, err);
    return code;
}

int assay_audit_run(assay_audit *audit, enum assay_verdict *verdict,
                    struct assay_error *err)
{
    int code;

    if (audit->options.plan_only)
        return assay_error_set(err, ASSAY_ARG,
                               "run folder %s: opened for a plan alone",
                               audit->cache.dir);
    code = work(audit, err);
    end(audit, code);
    if (code == ASSAY_OK)
        code = assay_report_write(audit->cache.dir, &audit->ctx, err);
    if (code == ASSAY_OK)
        *verdict = audit->verdict;
    return code;
}
