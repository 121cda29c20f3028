/* SPDX-License-Identifier: Apache-2.0 */
/*
 * findings.trust (docs/findings.md) from the documents of detectors and
 * repairs: paths are the run folder's, times go to the manifest. And what
 * the accusations are worth. An accusation is calibrated when it can be said
 * how often the same detector accuses a clean model: its rank among 19 or
 * more clean models decides, or its own p-value does, or its threshold has
 * been tried on so many clean models that the upper end of its false-alarm
 * rate is at most a quarter.
 */

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "audit/detection.h"
#include "core/json.h"
#include "core/mem.h"

static const double alarms_known = .25;
enum { REASONS_SHOWN = 20 };

static const char *text(const json_t *object, const char *key)
{
    const char *value = json_string_value(json_object_get(object, key));

    return value != NULL ? value : "";
}

static double number(const json_t *object, const char *key)
{
    const json_t *v = json_object_get(object, key);

    return json_is_number(v) ? json_number_value(v) : (double)NAN;
}

static int no_memory(struct assay_error *err)
{
    return assay_error_set(err, ASSAY_NOMEM, "findings of detectors");
}

json_t *assay__detected_scan(const struct assay_scan *s)
{
    json_t *reasons = json_array();
    size_t i;

    for (i = 0; i < s->n_reasons && i < REASONS_SHOWN; i++) {
        const struct assay_scan_reason *r = &s->reason[i];

        json_array_append_new(
            reasons,
            json_pack(
                "{s:s, s:s, s:o, s:o, s:o}", "rule", r->rule->id, "severity",
                assay_severity_name(r->rule->severity), "member",
                r->member != NULL ? assay__json_string(r->member) : json_null(),
                "what",
                r->what != NULL ? assay__json_string(r->what) : json_null(),
                "why",
                r->why != NULL ? assay__json_string(r->why) : json_null()));
    }
    return json_pack("{s:s, s:s, s:o, s:I}", "verdict",
                     assay_severity_name(s->verdict), "kind", s->kind,
                     "reasons", reasons, "n_reasons",
                     (json_int_t)s->n_reasons + (json_int_t)s->n_more);
}

static const json_t *model_of(const struct assay__detected *d)
{
    return json_array_get(json_object_get(d->document, "models"), 0);
}

const json_t *assay__detected_list(const struct assay__detected *d)
{
    return json_object_get(model_of(d), "detectors");
}

static int is_calibrated(const json_t *d)
{
    const json_t *alarms = json_object_get(d, "false_alarms");

    if (json_is_null(json_object_get(d, "accuses")))
        return 0;
    if (strcmp(text(d, "decided_by"), "threshold") != 0)
        return 1;
    return number(alarms, "high") <= alarms_known;
}

static int is_of_model(const json_t *d)
{
    return strcmp(text(d, "status"), "ran") == 0 &&
           strcmp(text(d, "subject"), "model") == 0;
}

/* "found/x.png" of the trust folder as "trust/found/x.png". */
static int move_path(json_t *d, const char *key)
{
    const char *path = json_string_value(json_object_get(d, key));

    return path != NULL
               ? json_object_set_new(d, key, json_sprintf("trust/%s", path))
               : 0;
}

static int take_seconds(json_t *row, json_t *seconds)
{
    int failed = 0;

    if (json_is_number(json_object_get(row, "seconds")))
        failed = json_object_set(seconds, text(row, "name"),
                                 json_object_get(row, "seconds"));
    json_object_del(row, "seconds");
    return failed;
}

/* The model's entry, owned; times taken out. */
static json_t *detection_json(const struct assay__detected *d, json_t *seconds)
{
    json_t *entry = json_deep_copy(model_of(d));
    json_t *row;
    size_t i;
    int failed = entry == NULL;

    json_array_foreach(json_object_get(entry, "detectors"), i, row)
    {
        failed = failed || move_path(row, "trigger") ||
                 move_path(row, "picture") || take_seconds(row, seconds);
        json_object_del(row, "records"); /* one for each; in the folder */
        if (is_of_model(row))
            failed =
                failed || json_object_set_new(row, "calibrated",
                                              json_boolean(is_calibrated(row)));
    }
    if (failed) {
        json_decref(entry);
        return NULL;
    }
    return entry;
}

static json_t *references_json(const struct assay__detected *d)
{
    return json_pack("{s:I, s:I, s:I, s:O}", "n",
                     (json_int_t)d->n_given + (json_int_t)d->n_own, "given",
                     (json_int_t)d->n_given, "own", (json_int_t)d->n_own,
                     "models", json_object_get(d->document, "references"));
}

static json_t *repairs_json(const struct assay__detected *d, json_t *seconds)
{
    static const char *const keys[] = {"data", "seed", "trigger", "before"};
    json_t *out = json_object();
    json_t *rows = json_deep_copy(json_object_get(d->repairs, "repairs"));
    json_t *row;
    size_t i;
    int failed = out == NULL || rows == NULL;

    json_array_foreach(rows, i, row)
    {
        failed = failed || take_seconds(row, seconds);
        if (json_is_string(json_object_get(row, "model")))
            failed = failed || json_object_set_new(
                                   row, "model",
                                   json_sprintf("trust/repaired/%s.safetensors",
                                                text(row, "name")));
    }
    for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        failed =
            failed ||
            json_object_set(out, keys[i], json_object_get(d->repairs, keys[i]));
    if (failed || json_object_set(out, "rows", rows) != 0) {
        json_decref(out);
        out = NULL;
    }
    json_decref(rows);
    return out;
}

int assay__detected_json(const struct assay__detected *d, json_t **findings,
                         json_t **seconds, struct assay_error *err)
{
    json_t *by_detector = json_object();
    json_t *by_repair = json_object();
    json_t *repairs =
        d->repairs != NULL ? repairs_json(d, by_repair) : json_null();

    *findings = json_pack(
        "{s:O, s:O, s:{s:O, s:O}, s:o, s:o, s:o, s:o}", "scan", d->scan,
        "accuracy", d->accuracy, "clean", "data",
        json_object_get(json_object_get(d->document, "data"), "name"),
        "records",
        json_object_get(json_object_get(d->document, "data"), "clean"),
        "detection", detection_json(d, by_detector), "references",
        references_json(d), "repairs", repairs, "no_repairs",
        d->why[0] != '\0' ? assay__json_string(d->why) : json_null());
    *seconds =
        json_pack("{s:o, s:o}", "detectors", by_detector, "repairs", by_repair);
    return *findings != NULL && *seconds != NULL ? ASSAY_OK : no_memory(err);
}

static const json_t *list_of(const json_t *trust)
{
    return json_object_get(json_object_get(trust, "detection"), "detectors");
}

void assay__accusations_count(const json_t *trust, struct assay__accusations *n)
{
    const json_t *d;
    size_t i;

    memset(n, 0, sizeof(*n));
    json_array_foreach(list_of(trust), i, d)
    {
        int calibrated = json_is_true(json_object_get(d, "calibrated"));
        int accuses = json_is_true(json_object_get(d, "accuses"));

        if (!is_of_model(d))
            continue;
        if (json_is_null(json_object_get(d, "accuses"))) {
            n->undecided++;
            continue;
        }
        n->ran++;
        n->calibrated += (size_t)calibrated;
        n->sure += (size_t)(calibrated && accuses);
        n->unsure += (size_t)(!calibrated && accuses);
    }
}

const char *assay__detection_scan(const json_t *trust)
{
    return text(json_object_get(trust, "scan"), "verdict");
}

/* "Of 20 clean models it accuses 5.0 % (95 % interval 0.1 to 24.9)." Without
 * a threshold: "Of 2 clean models 0 score as high." */
static void alarm_words(char *out, size_t size, const json_t *d)
{
    const json_t *alarms = json_object_get(d, "false_alarms");
    double tried = number(d, "references");
    double n = number(alarms, "n");

    if (n > 0)
        snprintf(out, size,
                 "Of %.0f clean models of the family it accuses %.1f %% at its "
                 "threshold (95 %% interval %.1f to %.1f)",
                 n, 100 * number(alarms, "value"), 100 * number(alarms, "low"),
                 100 * number(alarms, "high"));
    else if (tried > 0)
        snprintf(out, size,
                 "Of %.0f clean models of the family %.0f score as high", tried,
                 number(d, "reference_p") * (tried + 1) - 1);
    else
        snprintf(out, size, "It was not tried on clean models of the family");
}

/* "its score is as high as the highest of ..." */
static void ground_words(char *out, size_t size, const json_t *d)
{
    if (strcmp(text(d, "decided_by"), "references") == 0)
        snprintf(out, size,
                 "a clean model has as high a score with a probability of at "
                 "most %.3f, by its rank among %.0f",
                 number(d, "reference_p"), number(d, "references"));
    else if (strcmp(text(d, "decided_by"), "p-value") == 0)
        snprintf(out, size, "its own p-value is %.2g", number(d, "p_value"));
    else
        snprintf(out, size, "its score is %.3g, the threshold %.3g",
                 number(d, "score"), number(d, "threshold"));
}

static void put_accusation(json_t *reasons, const json_t *d)
{
    char ground[160];
    char alarms[200];
    char words[700];
    const json_t *target = json_object_get(d, "target");

    ground_words(ground, sizeof(ground), d);
    alarm_words(alarms, sizeof(alarms), d);
    if (json_is_integer(target))
        snprintf(words, sizeof(words),
                 "%s accuses the model of a backdoor to class %d (%.60s): %s. "
                 "%s%s.",
                 text(d, "title"), (int)json_integer_value(target),
                 text(d, "class_name"), ground, alarms,
                 json_is_true(json_object_get(d, "calibrated"))
                     ? ""
                     : ", so what this is worth is not known");
    else
        snprintf(words, sizeof(words), "%s accuses the model: %s. %s%s.",
                 text(d, "title"), ground, alarms,
                 json_is_true(json_object_get(d, "calibrated"))
                     ? ""
                     : ", so what this is worth is not known");
    json_array_append_new(reasons, assay__json_string(words));
}

static void put_scan(const json_t *trust, json_t *reasons)
{
    const json_t *scan = json_object_get(trust, "scan");
    const json_t *first = json_array_get(json_object_get(scan, "reasons"), 0);
    char words[600];

    if (strcmp(text(scan, "verdict"), "clean") == 0 || scan == NULL)
        return;
    snprintf(words, sizeof(words),
             "The file is %s to whoever opens it with the usual programs: "
             "%.200s %.200s",
             text(scan, "verdict"), text(first, "what"), text(first, "why"));
    json_array_append_new(reasons, assay__json_string(words));
}

void assay__accusations_words(const json_t *trust, json_t *reasons)
{
    struct assay__accusations n;
    char words[240];
    const json_t *d;
    size_t i;

    put_scan(trust, reasons);
    assay__accusations_count(trust, &n);
    json_array_foreach(list_of(trust), i, d)
    {
        if (is_of_model(d) && json_is_true(json_object_get(d, "accuses")))
            put_accusation(reasons, d);
    }
    if (n.sure > 0 && n.ran > 1) {
        snprintf(words, sizeof(words),
                 "%zu detectors were asked: that at least one of them accuses "
                 "a clean model happens in up to %.0f %% of cases, where each "
                 "does in 5 %%.",
                 n.ran, fmin(100, 5.0 * (double)n.ran));
        json_array_append_new(reasons, json_string(words));
    }
}

void assay__silence_words(const json_t *trust, json_t *reasons)
{
    struct assay__accusations n;
    char words[600];
    const char *comma = "";
    const json_t *d;
    size_t used;
    size_t i;

    assay__accusations_count(trust, &n);
    if (n.ran == 0 || n.sure + n.unsure > 0)
        return;
    used = (size_t)snprintf(words, sizeof(words),
                            "No detector that was asked accuses the model: ");
    json_array_foreach(list_of(trust), i, d)
    {
        if (!is_of_model(d) || json_is_null(json_object_get(d, "accuses")) ||
            used + 100 > sizeof(words))
            continue;
        used += (size_t)snprintf(words + used, sizeof(words) - used, "%s%.60s",
                                 comma, text(d, "title"));
        comma = ", ";
    }
    snprintf(words + used, sizeof(words) - used, ".");
    json_array_append_new(reasons, assay__json_string(words));
}
