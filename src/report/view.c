/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening a run folder: findings.json must be there and fit; manifest.json
 * is a help (times, host) whose absence is no error.
 */

#include "report/view.h"

#include <math.h>
#include <string.h>

#include "core/fs.h"
#include "core/mem.h"
#include "report/check.h"

enum { MAX_FINDINGS = 64 << 20, MAX_MANIFEST = 16 << 20 };

const char *assay__field_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}

double assay__field_number(const json_t *object, const char *key)
{
    const json_t *v = json_object_get(object, key);

    return json_is_number(v) ? json_number_value(v) : ASSAY__MISSING;
}

bool assay__field_true(const json_t *object, const char *key)
{
    return json_is_true(json_object_get(object, key));
}

bool assay__field_null(const json_t *object, const char *key)
{
    return json_is_null(json_object_get(object, key));
}

struct assay_estimate assay__field_estimate(const json_t *object,
                                            const char *key)
{
    const json_t *v = json_object_get(object, key);
    struct assay_estimate e = {ASSAY__MISSING, ASSAY__MISSING, ASSAY__MISSING,
                               0};
    double n = assay__field_number(v, "n");

    if (json_is_number(v)) {
        e.value = json_number_value(v);
        return e;
    }
    e.value = assay__field_number(v, "value");
    e.low = assay__field_number(v, "low");
    e.high = assay__field_number(v, "high");
    if (n > 0 && n < 9e15)
        e.n = (size_t)n;
    return e;
}

static const struct {
    const char *name;
    const char *title;
} goals[ASSAY__N_GOALS] = {{"membership", "Membership inference"},
                           {"attribute", "Attribute inference"},
                           {"stealing", "Model stealing"},
                           {"inversion", "Model inversion"},
                           {"", "Other goals"}};

const char *assay__goal_title(enum assay__goal goal)
{
    return goals[goal].title;
}

static enum assay__goal goal_of(const char *name)
{
    int goal = ASSAY__GOAL_MEMBERSHIP;

    while (*name && goal < ASSAY__GOAL_OTHER &&
           strcmp(name, goals[goal].name) != 0)
        goal++;
    return (enum assay__goal)goal;
}

static void fill_attack(struct assay__attack_view *a, const json_t *json)
{
    a->json = json;
    a->goal = goal_of(assay__field_text(json, "goal"));
    a->name = assay__field_text(json, "name");
    a->title = assay__field_text(json, "title");
    a->access = assay__field_text(json, "access");
    a->auxiliary = assay__field_text(json, "auxiliary");
    a->why = assay__field_text(json, "why");
    a->ran = strcmp(assay__field_text(json, "status"), "ran") == 0;
    a->baseline = assay__field_true(json, "baseline");
    a->auc = assay__field_estimate(json, "auc");
    a->accuracy = assay__field_estimate(json, "accuracy");
    a->n_members = assay__field_number(json, "n_members");
    a->n_nonmembers = assay__field_number(json, "n_nonmembers");
}

/* Put `a` behind all that are at least as good; a missing AUC goes last. */
static void rank(struct assay__view *view, const struct assay__attack_view *a)
{
    double auc = isnan(a->auc.value) ? -1 : a->auc.value;
    size_t i = view->n_ranked++;

    while (i > 0) {
        double other = view->ranked[i - 1]->auc.value;

        if ((isnan(other) ? -1 : other) >= auc)
            break;
        view->ranked[i] = view->ranked[i - 1];
        i--;
    }
    view->ranked[i] = a;
}

/* Some negative control says that the attack sees what is not there. */
static bool is_discredited(const json_t *doc, const char *name)
{
    const json_t *controls = json_object_get(doc, "controls");

    for (size_t i = 0; i < json_array_size(controls); i++) {
        const json_t *c = json_array_get(controls, i);
        const json_t *results = json_object_get(c, "results");

        if (strcmp(assay__field_text(c, "kind"), "negative") != 0)
            continue;
        for (size_t k = 0; k < json_array_size(results); k++) {
            const json_t *r = json_array_get(results, k);

            if (strcmp(assay__field_text(r, "attack"), name) == 0 &&
                json_is_false(json_object_get(r, "passed")))
                return true;
        }
    }
    return false;
}

static int fill_attacks(struct assay__view *view, struct assay_error *err)
{
    const json_t *list = json_object_get(view->doc, "attacks");
    size_t n = json_array_size(list);

    view->attacks = assay__calloc(n, sizeof *view->attacks);
    view->ranked = assay__calloc(n, sizeof *view->ranked);
    if (!view->attacks || !view->ranked)
        return assay_error_set(err, ASSAY_NOMEM, "no memory for %zu attacks",
                               n);
    view->n_attacks = n;
    for (size_t i = 0; i < n; i++) {
        struct assay__attack_view *a = &view->attacks[i];

        fill_attack(a, json_array_get(list, i));
        a->discredited = is_discredited(view->doc, a->name);
        view->n_of[a->goal]++;
        view->n_ran += a->ran;
        if (!a->ran || a->goal != ASSAY__GOAL_MEMBERSHIP)
            continue;
        rank(view, a);
        if (a->baseline && !view->baseline)
            view->baseline = a;
    }
    return ASSAY_OK;
}

static int read_manifest(struct assay__view *view, struct assay_error *err)
{
    char *path = assay__path_join(view->run_dir, "manifest.json");
    int code = ASSAY_OK;

    if (!path)
        return assay_error_set(err, ASSAY_NOMEM, "no memory for a path");
    if (assay__exists(path))
        code = assay__json_read(path, MAX_MANIFEST, &view->manifest, err);
    if (code == ASSAY_OK && view->manifest && !json_is_object(view->manifest)) {
        json_decref(view->manifest);
        view->manifest = NULL;
    }
    assay__free(path);
    return code;
}

int assay__view_take(struct assay__view *view, json_t *doc, const char *run_dir,
                     struct assay_error *err)
{
    struct assay__view v = {.run_dir = run_dir, .doc = doc};
    int code = assay__report_check(doc, err);

    if (code == ASSAY_OK)
        code = fill_attacks(&v, err);
    if (code != ASSAY_OK)
        assay__view_release(&v);
    *view = v;
    return code;
}

int assay__view_open(struct assay__view *view, const char *run_dir,
                     struct assay_error *err)
{
    struct assay__view v = {.run_dir = run_dir};
    char *path = assay__path_join(run_dir, "findings.json");
    json_t *doc = NULL;
    int code;

    if (!path)
        return assay_error_set(err, ASSAY_NOMEM, "no memory for a path");
    code = assay__json_read(path, MAX_FINDINGS, &doc, err);
    if (code == ASSAY_OK) {
        code = assay__view_take(&v, doc, run_dir, err);
        if (code != ASSAY_OK)
            assay_error_prefix(err, code, "%s", path);
    }
    if (code == ASSAY_OK)
        code = read_manifest(&v, err);
    assay__free(path);
    if (code != ASSAY_OK)
        assay__view_release(&v);
    *view = v;
    return code;
}

void assay__view_release(struct assay__view *view)
{
    json_decref(view->doc);
    json_decref(view->manifest);
    assay__free(view->attacks);
    assay__free(view->ranked);
    memset(view, 0, sizeof *view);
}

bool assay__view_has_trust(const struct assay__view *view)
{
    return json_is_object(json_object_get(view->doc, "trust"));
}

bool assay__view_trust_alone(const struct assay__view *view)
{
    return assay__view_has_trust(view) && !view->n_attacks;
}

const struct assay__attack_view *assay__view_attack(
    const struct assay__view *view, const char *name)
{
    for (size_t i = 0; i < view->n_attacks; i++)
        if (strcmp(view->attacks[i].name, name) == 0)
            return &view->attacks[i];
    return NULL;
}

const struct assay__attack_view *assay__view_best_by(
    const struct assay__view *view, enum assay__goal goal, const char *field)
{
    const struct assay__attack_view *best = NULL;
    double most = -HUGE_VAL;

    for (size_t i = 0; i < view->n_attacks; i++) {
        const struct assay__attack_view *a = &view->attacks[i];
        double value = assay__field_estimate(a->json, field).value;

        if (a->goal == goal && a->ran && !a->baseline && !a->discredited &&
            value > most) {
            most = value;
            best = a;
        }
    }
    return best;
}

const struct assay__attack_view *assay__view_baseline(
    const struct assay__view *view, const struct assay__attack_view *attack)
{
    const struct assay__attack_view *best = NULL;

    for (size_t i = 0; i < view->n_attacks; i++) {
        const struct assay__attack_view *a = &view->attacks[i];

        if (a->goal != attack->goal || !a->ran || !a->baseline ||
            isnan(a->accuracy.value) ||
            (a->goal == ASSAY__GOAL_STEALING &&
             strcmp(a->auxiliary, attack->auxiliary) != 0))
            continue;
        if (!best || a->accuracy.value > best->accuracy.value)
            best = a;
    }
    return best;
}

struct assay__rate assay__view_rate(const struct assay__attack_view *attack,
                                    double fpr)
{
    const json_t *list = json_object_get(attack->json, "tpr_at_fpr");
    struct assay__rate rate = {
        {ASSAY__MISSING, ASSAY__MISSING, ASSAY__MISSING, 0},
        ASSAY__MISSING,
        NULL};

    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *row = json_array_get(list, i);
        const char *refused = assay__field_text(row, "refused");

        if (fabs(assay__field_number(row, "fpr") - fpr) > fpr * 1e-9)
            continue;
        if (*refused) {
            rate.refused = refused;
            break;
        }
        rate.tpr.value = assay__field_number(row, "tpr");
        rate.tpr.low = assay__field_number(row, "low");
        rate.tpr.high = assay__field_number(row, "high");
        rate.joint_low = assay__field_number(row, "joint_low");
        break;
    }
    return rate;
}

const struct assay__attack_view *assay__view_best(
    const struct assay__view *view)
{
    for (size_t i = 0; i < view->n_ranked; i++)
        if (!view->ranked[i]->discredited)
            return view->ranked[i];
    return NULL;
}

const struct assay__attack_view *assay__view_best_at(
    const struct assay__view *view, double fpr)
{
    const struct assay__attack_view *best = NULL;
    double most = -1;

    for (size_t i = 0; i < view->n_ranked; i++) {
        double tpr = assay__view_rate(view->ranked[i], fpr).tpr.value;

        if (tpr > most && !view->ranked[i]->discredited) {
            most = tpr;
            best = view->ranked[i];
        }
    }
    return best;
}

double assay__view_lowest_fpr(const struct assay__view *view)
{
    static const double fprs[] = {.001, .01, .1};

    for (size_t i = 0; i < sizeof fprs / sizeof *fprs; i++)
        if (assay__view_best_at(view, fprs[i]))
            return fprs[i];
    return ASSAY__MISSING;
}

enum assay__standing assay__view_standing(const struct assay_estimate *e,
                                          const struct assay_estimate *base)
{
    double low = isnan(e->low) ? e->value : e->low;
    double high = isnan(e->high) ? e->value : e->high;
    double base_low = isnan(base->low) ? base->value : base->low;
    double base_high = isnan(base->high) ? base->value : base->high;
    const double dust = 1e-12; /* what sums of doubles leave of a zero */

    if (isnan(e->value) || isnan(base->value))
        return ASSAY__STANDING_UNKNOWN;
    if (low > base_high + dust)
        return ASSAY__STANDING_ABOVE;
    if (high < base_low - dust)
        return ASSAY__STANDING_BELOW;
    return ASSAY__STANDING_LEVEL;
}
