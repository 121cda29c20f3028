/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a score means. Thresholds are the papers'; how often they accuse
 * clean models of the same family is counted on the references, and a
 * model's score is ranked among theirs:
 *
 *   reference_p = (1 + references with a score as high) / (1 + references)
 *
 * which is a valid p-value whenever the model, were it clean, would be
 * exchangeable with them. A detector accuses a model when that is at most
 * .05 (which takes 19 references); with fewer, when the detector's own
 * p-value is; without one, when the score reaches the threshold. With none of
 * the three nothing is decided: silence of such a detector is no answer.
 */

#include <math.h>
#include <string.h>

#include "core/json.h"
#include "core/mem.h"
#include "trust/trust.h"

static const double level = .05;
enum { REFERENCES_ENOUGH = 19 };

static double number(const json_t *object, const char *key)
{
    const json_t *v = json_object_get(object, key);

    return json_is_number(v) ? json_number_value(v) : (double)NAN;
}

static int ran(const json_t *detection)
{
    const char *status =
        json_string_value(json_object_get(detection, "status"));

    return status && strcmp(status, "ran") == 0;
}

static int of_model(const json_t *detection)
{
    const char *subject =
        json_string_value(json_object_get(detection, "subject"));

    return subject && strcmp(subject, "model") == 0;
}

static const char *name_of(const json_t *detection)
{
    return json_string_value(json_object_get(detection, "name"));
}

/* References on which the same detector ran. */
struct standing {
    size_t n;
    size_t alarms; /* at or above the threshold */
    size_t above;  /* as high as the score, or higher */
};

static struct standing stand(const json_t *detection, json_t *const *reference,
                             size_t n)
{
    double score = number(detection, "score");
    double threshold = number(detection, "threshold");
    struct standing s = {0};

    for (size_t i = 0; i < n; i++) {
        const json_t *there;
        size_t k;

        json_array_foreach(reference[i], k, there)
        {
            double x = number(there, "score");

            if (!ran(there) ||
                strcmp(name_of(there), name_of(detection)) != 0 || isnan(x))
                continue;
            s.n++;
            s.alarms += x >= threshold;
            s.above += x >= score;
        }
    }
    return s;
}

/* By what it is decided, and what: `accuses` stays null where nothing does. */
static const char *decide(const json_t *detection, const struct standing *s,
                          double reference_p, json_t **accuses)
{
    double score = number(detection, "score");
    double own = number(detection, "p_value");
    double threshold = number(detection, "threshold");

    *accuses = json_null();
    if (s->n >= REFERENCES_ENOUGH && !isnan(score)) {
        *accuses = json_boolean(reference_p <= level);
        return "references";
    }
    if (!isnan(own)) {
        *accuses = json_boolean(own <= level);
        return "p-value";
    }
    if (isnan(threshold) || isnan(score))
        return "nothing";
    *accuses = json_boolean(score >= threshold);
    return "threshold";
}

int assay__trust_judge(json_t *detection, json_t *const *reference,
                       size_t n_references, struct assay_error *err)
{
    struct standing s;
    struct assay_estimate alarms;
    double p = (double)NAN;
    json_t *accuses;
    const char *by;
    int bad;

    if (!ran(detection) || !of_model(detection))
        return ASSAY_OK;
    s = stand(detection, reference, n_references);
    if (s.n > 0 && !isnan(number(detection, "score")))
        p = (1 + (double)s.above) / (1 + (double)s.n);
    by = decide(detection, &s, p, &accuses);
    alarms = assay_proportion(s.alarms, s.n);
    bad = json_object_set_new(detection, "references",
                              json_integer((json_int_t)s.n)) ||
          json_object_set_new(detection, "reference_p", assay__json_real(p)) ||
          json_object_set_new(detection, "false_alarms",
                              s.n > 0 && !isnan(number(detection, "threshold"))
                                  ? assay__trust_estimate_json(&alarms)
                                  : json_null()) ||
          json_object_set_new(detection, "decided_by", json_string(by)) ||
          json_object_set_new(detection, "accuses", accuses);
    return bad ? assay_error_set(err, ASSAY_NOMEM, "out of memory") : ASSAY_OK;
}

json_t *assay__trust_verdict(const json_t *detections)
{
    json_t *by = json_array();
    const json_t *d;
    size_t n = 0;
    size_t i;

    json_array_foreach(detections, i, d)
    {
        if (!ran(d) || !of_model(d) ||
            json_is_null(json_object_get(d, "accuses")))
            continue;
        n++;
        if (json_is_true(json_object_get(d, "accuses")))
            json_array_append_new(by, json_string(name_of(d)));
    }
    return json_pack("{s:s, s:o, s:I}", "level",
                     n == 0                    ? "inconclusive"
                     : json_array_size(by) > 0 ? "suspicious"
                                               : "nothing found",
                     "accused_by", by, "detectors", (json_int_t)n);
}

/* Scores of one detector on models (positive) and references. */
struct roc {
    double *score;
    uint8_t *positive;
    size_t n, n_models, accused;
};

static void collect(struct roc *r, const char *name, json_t *const *list,
                    size_t n, int models)
{
    for (size_t i = 0; i < n; i++) {
        const json_t *d;
        size_t k;

        json_array_foreach(list[i], k, d)
        {
            if (!ran(d) || strcmp(name_of(d), name) != 0 ||
                isnan(number(d, "score")))
                continue;
            r->positive[r->n] = (uint8_t)models;
            r->score[r->n++] = number(d, "score");
            r->n_models += models ? 1 : 0;
            if (models)
                r->accused += number(d, "score") >= number(d, "threshold");
        }
    }
}

static json_t *summary_of(const struct assay_detector *d, struct roc *r)
{
    struct assay_estimate auc = {(double)NAN, (double)NAN, (double)NAN, 0};
    struct assay_estimate found = assay_proportion(r->accused, r->n_models);
    struct assay_error ignored;

    if (assay_auc(&auc, r->score, r->positive, r->n, &ignored))
        auc.n = 0;
    return json_pack(
        "{s:s, s:I, s:I, s:o, s:o}", "name", d->name, "models",
        (json_int_t)r->n_models, "references", (json_int_t)(r->n - r->n_models),
        "auc", auc.n ? assay__trust_estimate_json(&auc) : json_null(),
        "at_threshold",
        r->n_models ? assay__trust_estimate_json(&found) : json_null());
}

int assay__trust_summary(const struct assay__trust *t, json_t *const *models,
                         size_t n_models, json_t *const *references,
                         size_t n_references, json_t **out,
                         struct assay_error *err)
{
    size_t n = n_models + n_references;
    struct roc r = {assay__calloc(n, sizeof(double)), assay__calloc(n, 1), 0, 0,
                    0};
    json_t *list = json_array();
    int rc = ASSAY_OK;

    if (!r.score || !r.positive || !list)
        rc = assay_error_set(err, ASSAY_NOMEM, "out of memory for %zu scores",
                             n);
    for (size_t i = 0; !rc && i < t->n_chosen; i++) {
        const struct assay_detector *d = t->chosen[i].detector;

        if (d->subject != ASSAY_DETECT_MODEL)
            continue;
        r.n = r.n_models = r.accused = 0;
        collect(&r, d->name, models, n_models, 1);
        collect(&r, d->name, references, n_references, 0);
        if (json_array_append_new(list, summary_of(d, &r)))
            rc = assay_error_set(err, ASSAY_NOMEM, "out of memory");
    }
    assay__free(r.score);
    assay__free(r.positive);
    if (rc)
        json_decref(list);
    else
        *out = list;
    return rc;
}
