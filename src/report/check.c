/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shape of findings.json as tables, and one walk that compares. A row
 * says what types a key may hold and what its inside looks like. Keys that
 * are not in the tables are let through, so that a newer document with
 * additions still opens.
 */

#include "report/check.h"

#include <stdio.h>
#include <string.h>

enum types {
    TEXT = 1 << 0,
    NUMBER = 1 << 1,
    FLAG = 1 << 2,
    OBJECT = 1 << 3,
    LIST = 1 << 4,
    NONE = 1 << 5, /* null, or no such key */
    ANY = (1 << 6) - 1
};

struct row {
    const char *key;
    unsigned types;
    unsigned items;           /* types of a list's items */
    const struct row *inside; /* of the object, or of a list's objects */
    size_t max;               /* items of a list */
};

#define END                 \
    {                       \
        NULL, 0, 0, NULL, 0 \
    }

/* clang-format off */
static const struct row estimate[] = {
    {"value", NUMBER | NONE, 0, NULL, 0},
    {"low", NUMBER | NONE, 0, NULL, 0},
    {"high", NUMBER | NONE, 0, NULL, 0},
    {"n", NUMBER | NONE, 0, NULL, 0},
    END
};
static const struct row tool[] = {
    {"name", TEXT, 0, NULL, 0},
    {"version", TEXT, 0, NULL, 0},
    END
};
static const struct row run[] = {
    {"command", LIST | NONE, TEXT, NULL, 4096},
    {"seed", NUMBER | NONE, 0, NULL, 0},
    {"threads", NUMBER | NONE, 0, NULL, 0},
    {"algorithms", TEXT | NONE, 0, NULL, 0},
    {"dtype", TEXT | NONE, 0, NULL, 0},
    {"backend", TEXT | NONE, 0, NULL, 0},
    END
};
static const struct row model[] = {
    {"name", TEXT, 0, NULL, 0},
    {"arch", TEXT | NONE, 0, NULL, 0},
    {"sha256", TEXT | NONE, 0, NULL, 0},
    {"parameters", NUMBER | NONE, 0, NULL, 0},
    {"origin", TEXT | NONE, 0, NULL, 0},
    {"train_accuracy", OBJECT | NONE, 0, estimate, 0},
    {"test_accuracy", OBJECT | NONE, 0, estimate, 0},
    {"gap", OBJECT | NUMBER | NONE, 0, estimate, 0},
    {"input", LIST | NONE, NUMBER, NULL, 8},
    END
};
static const struct row split[] = {
    {"seed", NUMBER | NONE, 0, NULL, 0},
    {"sha256", TEXT | NONE, 0, NULL, 0},
    {"n", NUMBER | NONE, 0, NULL, 0},
    END
};
static const struct row data[] = {
    {"name", TEXT, 0, NULL, 0},
    {"sha256", TEXT | NONE, 0, NULL, 0},
    {"records", NUMBER | NONE, 0, NULL, 0},
    {"classes", LIST | NONE, TEXT, NULL, 100000},
    {"split", OBJECT | NONE, 0, split, 0},
    {"preprocess", ANY, ANY, NULL, 4096},
    END
};
static const struct row point[] = {
    {"epoch", NUMBER, 0, NULL, 0},
    {"loss", NUMBER | NONE, 0, NULL, 0},
    {"train_accuracy", NUMBER | NONE, 0, NULL, 0},
    {"test_accuracy", NUMBER | NONE, 0, NULL, 0},
    {"lr", NUMBER | NONE, 0, NULL, 0},
    END
};
static const struct row curve[] = {
    {"name", TEXT, 0, NULL, 0},
    {"points", LIST, OBJECT, point, 100000},
    END
};
static const struct row references[] = {
    {"n", NUMBER, 0, NULL, 0},
    {"in_share", NUMBER | NONE, 0, NULL, 0},
    END
};
static const struct row tpr[] = {
    {"fpr", NUMBER, 0, NULL, 0},
    {"tpr", NUMBER | NONE, 0, NULL, 0},
    {"low", NUMBER | NONE, 0, NULL, 0},
    {"high", NUMBER | NONE, 0, NULL, 0},
    {"joint_low", NUMBER | NONE, 0, NULL, 0},
    {"n_neg", NUMBER | NONE, 0, NULL, 0},
    {"refused", TEXT | NONE, 0, NULL, 0},
    END
};
static const struct row histogram[] = {
    {"low", NUMBER | NONE, 0, NULL, 0},
    {"high", NUMBER | NONE, 0, NULL, 0},
    {"members", LIST, NUMBER, NULL, 1000},
    {"nonmembers", LIST, NUMBER, NULL, 1000},
    END
};
static const struct row budget[] = {
    {"queries", NUMBER, 0, NULL, 0},
    {"agreement", OBJECT | NONE, 0, estimate, 0},
    {"accuracy", OBJECT | NONE, 0, estimate, 0},
    {"baseline_accuracy", OBJECT | NONE, 0, estimate, 0},
    END
};
static const struct row rebuilt[] = {
    {"class", NUMBER, 0, NULL, 0},
    {"name", TEXT | NONE, 0, NULL, 0},
    {"success", OBJECT | NUMBER | NONE, 0, estimate, 0},
    {"pictures", LIST | NONE, TEXT, NULL, 1000},
    {"members", LIST | NONE, TEXT, NULL, 1000},
    END
};
static const struct row attack[] = {
    {"name", TEXT, 0, NULL, 0},
    {"title", TEXT, 0, NULL, 0},
    {"summary", TEXT | NONE, 0, NULL, 0},
    {"cites", TEXT | NONE, 0, NULL, 0},
    {"goal", TEXT | NONE, 0, NULL, 0},
    {"access", TEXT, 0, NULL, 0},
    {"auxiliary", TEXT, 0, NULL, 0},
    {"baseline", FLAG | NONE, 0, NULL, 0},
    {"status", TEXT, 0, NULL, 0},
    {"why", TEXT | NONE, 0, NULL, 0},
    {"params", OBJECT | NONE, 0, NULL, 0},
    {"n_members", NUMBER | NONE, 0, NULL, 0},
    {"n_nonmembers", NUMBER | NONE, 0, NULL, 0},
    {"auc", OBJECT | NONE, 0, estimate, 0},
    {"accuracy", OBJECT | NONE, 0, estimate, 0},
    {"threshold_from", TEXT | NONE, 0, NULL, 0},
    {"tpr_at_fpr", LIST | NONE, OBJECT, tpr, 64},
    {"ppv", OBJECT | NONE, 0, estimate, 0},
    {"prior", NUMBER | NONE, 0, NULL, 0},
    {"advantage", OBJECT | NUMBER | NONE, 0, estimate, 0},
    {"epsilon_lower_bound", NUMBER | NONE, 0, NULL, 0},
    {"delta", NUMBER | NONE, 0, NULL, 0},
    {"roc", LIST | NONE, LIST, NULL, 10000},
    {"histogram", OBJECT | NONE, 0, histogram, 0},
    {"scores", TEXT | NONE, 0, NULL, 0},
    /* attribute, stealing and inversion */
    {"excess", OBJECT | NONE, 0, estimate, 0},
    {"n_records", NUMBER | NONE, 0, NULL, 0},
    {"attribute", TEXT | NONE, 0, NULL, 0},
    {"layer", TEXT | NONE, 0, NULL, 0},
    {"values", NUMBER | NONE, 0, NULL, 0},
    {"f1", OBJECT | NONE, 0, estimate, 0},
    {"advantage_over", TEXT | NONE, 0, NULL, 0},
    {"gains", LIST | NONE, OBJECT, estimate, 100},
    {"queries", NUMBER | NONE, 0, NULL, 0},
    {"agreement", OBJECT | NONE, 0, estimate, 0},
    {"baseline_accuracy", OBJECT | NONE, 0, estimate, 0},
    {"curve", LIST | NONE, OBJECT, budget, 1000},
    {"n_pictures", NUMBER | NONE, 0, NULL, 0},
    {"success", OBJECT | NONE, 0, estimate, 0},
    {"mse", OBJECT | NONE, 0, estimate, 0},
    {"nearest", OBJECT | NONE, 0, estimate, 0},
    {"nearest_nonmember", OBJECT | NONE, 0, estimate, 0},
    {"baseline_success", OBJECT | NONE, 0, estimate, 0},
    {"gain", OBJECT | NONE, 0, estimate, 0},
    {"gain_over", TEXT | NONE, 0, NULL, 0},
    {"evaluator_accuracy", OBJECT | NONE, 0, estimate, 0},
    {"classes", LIST | NONE, OBJECT, rebuilt, 100000},
    END
};
static const struct row exposed[] = {
    {"rank", NUMBER | NONE, 0, NULL, 0},
    {"record", NUMBER | NONE, 0, NULL, 0},
    {"label", NUMBER | NONE, 0, NULL, 0},
    {"class_name", TEXT | NONE, 0, NULL, 0},
    {"score", NUMBER | NONE, 0, NULL, 0},
    {"attack", TEXT | NONE, 0, NULL, 0},
    {"image", TEXT | NONE, 0, NULL, 0},
    END
};
static const struct row result[] = {
    {"attack", TEXT, 0, NULL, 0},
    {"auc", OBJECT | NONE, 0, estimate, 0},
    {"excess", OBJECT | NONE, 0, estimate, 0},
    {"widened_low", NUMBER | NONE, 0, NULL, 0},
    {"widened_high", NUMBER | NONE, 0, NULL, 0},
    {"passed", FLAG | NONE, 0, NULL, 0},
    END
};
static const struct row control[] = {
    {"name", TEXT, 0, NULL, 0},
    {"kind", TEXT, 0, NULL, 0},
    {"what", TEXT | NONE, 0, NULL, 0},
    {"results", LIST | NONE, OBJECT, result, 1000},
    {"passed", FLAG | NONE, 0, NULL, 0},
    END
};
static const struct row worst[] = {
    {"attack", TEXT | NONE, 0, NULL, 0},
    {"estimate", OBJECT | NONE, 0, estimate, 0},
    END
};
static const struct row rule[] = {
    {"id", TEXT, 0, NULL, 0},
    {"metric", TEXT, 0, NULL, 0},
    {"fpr", NUMBER | NONE, 0, NULL, 0},
    {"limit", NUMBER | NONE, 0, NULL, 0},
    {"level", TEXT, 0, NULL, 0},
    {"why", TEXT | NONE, 0, NULL, 0},
    {"among", NUMBER | NONE, 0, NULL, 0},
    {"worst", OBJECT | NONE, 0, worst, 0},
    {"passed", FLAG | NONE, 0, NULL, 0},
    END
};
static const struct row policy[] = {
    {"name", TEXT, 0, NULL, 0},
    {"rules", LIST, OBJECT, rule, 1000},
    END
};
static const struct row verdict[] = {
    {"level", TEXT, 0, NULL, 0},
    {"headline", TEXT, 0, NULL, 0},
    {"reasons", LIST | NONE, TEXT, NULL, 1000},
    END
};
static const struct row mitigation[] = {
    {"id", TEXT, 0, NULL, 0},
    {"name", TEXT | NONE, 0, NULL, 0},
    END
};
static const struct row advice[] = {
    {"title", TEXT, 0, NULL, 0},
    {"text", TEXT | NONE, 0, NULL, 0},
    {"mitigation", OBJECT | NONE, 0, mitigation, 0},
    END
};
static const struct row taxonomy[] = {
    {"scheme", TEXT, 0, NULL, 0},
    {"version", TEXT | NONE, 0, NULL, 0},
    {"id", TEXT, 0, NULL, 0},
    {"name", TEXT | NONE, 0, NULL, 0},
    END
};
static const struct row bound[] = {
    {"epsilon", NUMBER | NONE, 0, NULL, 0},
    {"attack", TEXT | NONE, 0, NULL, 0},
    {"among", NUMBER | NONE, 0, NULL, 0},
    {"n", NUMBER | NONE, 0, NULL, 0},
    {"assumes", TEXT | NONE, 0, NULL, 0},
    END
};
static const struct row claim[] = {
    {"noise_multiplier", NUMBER | NONE, 0, NULL, 0},
    {"clip_norm", NUMBER | NONE, 0, NULL, 0},
    {"sample_rate", NUMBER | NONE, 0, NULL, 0},
    {"steps", NUMBER | NONE, 0, NULL, 0},
    {"delta", NUMBER | NONE, 0, NULL, 0},
    {"epsilon_rdp", NUMBER | NONE, 0, NULL, 0},
    {"epsilon_prv", NUMBER | NONE, 0, NULL, 0},
    {"epsilon_lower_bound", OBJECT | NONE, 0, bound, 0},
    END
};
static const struct row defense[] = {
    {"name", TEXT, 0, NULL, 0},
    {"title", TEXT | NONE, 0, NULL, 0},
    {"stage", TEXT | NONE, 0, NULL, 0},
    {"cites", TEXT | NONE, 0, NULL, 0},
    {"params", OBJECT | NONE, 0, NULL, 0},
    {"protects", LIST | NONE, TEXT, NULL, 64},
    {"group_norm", FLAG | NONE, 0, NULL, 0},
    {"claim", OBJECT | NONE, 0, claim, 0},
    END
};
static const struct row reason[] = {
    {"rule", TEXT, 0, NULL, 0},
    {"severity", TEXT | NONE, 0, NULL, 0},
    {"member", TEXT | NONE, 0, NULL, 0},
    {"what", TEXT | NONE, 0, NULL, 0},
    {"why", TEXT | NONE, 0, NULL, 0},
    END
};
static const struct row scan[] = {
    {"verdict", TEXT, 0, NULL, 0},
    {"kind", TEXT | NONE, 0, NULL, 0},
    {"reasons", LIST | NONE, OBJECT, reason, 1000},
    {"n_reasons", NUMBER | NONE, 0, NULL, 0},
    END
};
static const struct row change[] = {
    {"tensor", TEXT, 0, NULL, 0},
    {"weights", NUMBER | NONE, 0, NULL, 0},
    {"changed", NUMBER | NONE, 0, NULL, 0},
    {"largest", NUMBER | NONE, 0, NULL, 0},
    {"relative", NUMBER | NONE, 0, NULL, 0},
    {"p_value", NUMBER | NONE, 0, NULL, 0},
    END
};
static const struct row detector[] = {
    {"name", TEXT, 0, NULL, 0},
    {"title", TEXT, 0, NULL, 0},
    {"summary", TEXT | NONE, 0, NULL, 0},
    {"cites", TEXT | NONE, 0, NULL, 0},
    {"subject", TEXT, 0, NULL, 0},
    {"status", TEXT, 0, NULL, 0},
    {"why", TEXT | NONE, 0, NULL, 0},
    {"params", OBJECT | NONE, 0, NULL, 0},
    {"score", NUMBER | NONE, 0, NULL, 0},
    {"threshold", NUMBER | NONE, 0, NULL, 0},
    {"p_value", NUMBER | NONE, 0, NULL, 0},
    {"target", NUMBER | NONE, 0, NULL, 0},
    {"class_name", TEXT | NONE, 0, NULL, 0},
    {"statistic", TEXT | NONE, 0, NULL, 0},
    {"per_class", LIST | NONE, NUMBER | NONE, NULL, 100000},
    {"changes", LIST | NONE, OBJECT, change, 1000},
    {"n_changes", NUMBER | NONE, 0, NULL, 0},
    {"note", TEXT | NONE, 0, NULL, 0},
    {"trigger", TEXT | NONE, 0, NULL, 0},
    {"picture", TEXT | NONE, 0, NULL, 0},
    {"accused", OBJECT | NONE, 0, estimate, 0},
    {"references", NUMBER | NONE, 0, NULL, 0},
    {"reference_p", NUMBER | NONE, 0, NULL, 0},
    {"false_alarms", OBJECT | NONE, 0, estimate, 0},
    {"decided_by", TEXT | NONE, 0, NULL, 0},
    {"accuses", FLAG | NONE, 0, NULL, 0},
    {"calibrated", FLAG | NONE, 0, NULL, 0},
    END
};
static const struct row judged[] = {
    {"level", TEXT, 0, NULL, 0},
    {"accused_by", LIST | NONE, TEXT, NULL, 64},
    {"detectors", NUMBER | NONE, 0, NULL, 0},
    END
};
static const struct row detection[] = {
    {"name", TEXT | NONE, 0, NULL, 0},
    {"sha256", TEXT | NONE, 0, NULL, 0},
    {"arch", TEXT | NONE, 0, NULL, 0},
    {"classes", NUMBER | NONE, 0, NULL, 0},
    {"detectors", LIST, OBJECT, detector, 64},
    {"verdict", OBJECT | NONE, 0, judged, 0},
    END
};
static const struct row clean_model[] = {
    {"name", TEXT, 0, NULL, 0},
    {"sha256", TEXT | NONE, 0, NULL, 0},
    {"arch", TEXT | NONE, 0, NULL, 0},
    {"classes", NUMBER | NONE, 0, NULL, 0},
    END
};
static const struct row clean_models[] = {
    {"n", NUMBER | NONE, 0, NULL, 0},
    {"given", NUMBER | NONE, 0, NULL, 0},
    {"own", NUMBER | NONE, 0, NULL, 0},
    {"models", LIST | NONE, OBJECT, clean_model, 100000},
    END
};
static const struct row effect[] = {
    {"accuracy", OBJECT | NONE, 0, estimate, 0},
    {"success", OBJECT | NONE, 0, estimate, 0},
    {"restored", OBJECT | NONE, 0, estimate, 0},
    END
};
static const struct row repair[] = {
    {"name", TEXT, 0, NULL, 0},
    {"title", TEXT, 0, NULL, 0},
    {"summary", TEXT | NONE, 0, NULL, 0},
    {"cites", TEXT | NONE, 0, NULL, 0},
    {"params", OBJECT | NONE, 0, NULL, 0},
    {"status", TEXT, 0, NULL, 0},
    {"why", TEXT | NONE, 0, NULL, 0},
    {"pruned", NUMBER | NONE, 0, NULL, 0},
    {"channels", NUMBER | NONE, 0, NULL, 0},
    {"threshold", NUMBER | NONE, 0, NULL, 0},
    {"note", TEXT | NONE, 0, NULL, 0},
    {"after", OBJECT | NONE, 0, effect, 0},
    {"model", TEXT | NONE, 0, NULL, 0},
    {"not_saved", TEXT | NONE, 0, NULL, 0},
    END
};
static const struct row tuned[] = {
    {"name", TEXT | NONE, 0, NULL, 0},
    {"sha256", TEXT | NONE, 0, NULL, 0},
    {"tuned_on", NUMBER | NONE, 0, NULL, 0},
    {"held_out", NUMBER | NONE, 0, NULL, 0},
    {"measured_on", NUMBER | NONE, 0, NULL, 0},
    END
};
static const struct row stamped[] = {
    {"from", TEXT, 0, NULL, 0},
    {"target", NUMBER, 0, NULL, 0},
    END
};
static const struct row repairs[] = {
    {"data", OBJECT | NONE, 0, tuned, 0},
    {"seed", NUMBER | NONE, 0, NULL, 0},
    {"trigger", OBJECT | NONE, 0, stamped, 0},
    {"before", OBJECT | NONE, 0, effect, 0},
    {"rows", LIST, OBJECT, repair, 64},
    END
};
static const struct row clean[] = {
    {"data", TEXT | NONE, 0, NULL, 0},
    {"records", NUMBER | NONE, 0, NULL, 0},
    END
};
static const struct row trust[] = {
    {"scan", OBJECT | NONE, 0, scan, 0},
    {"accuracy", OBJECT | NONE, 0, estimate, 0},
    {"clean", OBJECT | NONE, 0, clean, 0},
    {"detection", OBJECT, 0, detection, 0},
    {"references", OBJECT | NONE, 0, clean_models, 0},
    {"repairs", OBJECT | NONE, 0, repairs, 0},
    {"no_repairs", TEXT | NONE, 0, NULL, 0},
    END
};
static const struct row document[] = {
    {"schema", TEXT, 0, NULL, 0},
    {"tool", OBJECT, 0, tool, 0},
    {"run", OBJECT, 0, run, 0},
    {"model", OBJECT, 0, model, 0},
    {"data", OBJECT, 0, data, 0},
    {"recipe", ANY, ANY, NULL, 4096},
    {"defense", OBJECT | NONE, 0, defense, 0},
    {"curves", LIST | NONE, OBJECT, curve, 4096},
    {"references", OBJECT | NONE, 0, references, 0},
    {"attacks", LIST, OBJECT, attack, 256},
    {"exposed", LIST | NONE, OBJECT, exposed, 10000},
    {"controls", LIST | NONE, OBJECT, control, 64},
    {"policy", OBJECT, 0, policy, 0},
    {"verdict", OBJECT, 0, verdict, 0},
    {"advice", LIST | NONE, OBJECT, advice, 256},
    {"taxonomy", LIST | NONE, OBJECT, taxonomy, 1000},
    {"limits", LIST | NONE, TEXT, NULL, 1000},
    {"trust", OBJECT | NONE, 0, trust, 0},
    END
};
/* clang-format on */

/* Where the walk is, as it is written in a message. */
struct place {
    char text[120];
    size_t size;
};

static void place_add(struct place *at, const char *text)
{
    int n =
        snprintf(at->text + at->size, sizeof at->text - at->size, "%s", text);

    if (n > 0)
        at->size += (size_t)n;
    if (at->size >= sizeof at->text)
        at->size = sizeof at->text - 1;
}

static unsigned type_of(const json_t *v)
{
    if (!v || json_is_null(v))
        return NONE;
    if (json_is_string(v))
        return TEXT;
    if (json_is_number(v))
        return NUMBER;
    if (json_is_boolean(v))
        return FLAG;
    return json_is_object(v) ? OBJECT : LIST;
}

/* "a number or null" for NUMBER | NONE. */
static void type_words(unsigned types, char *out, size_t size)
{
    static const struct {
        unsigned type;
        const char *word;
    } words[] = {{TEXT, "text"},        {NUMBER, "a number"}, {FLAG, "a flag"},
                 {OBJECT, "an object"}, {LIST, "a list"},     {NONE, "null"}};
    size_t used = 0;

    out[0] = '\0';
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (!(types & words[i].type) || used >= size)
            continue;
        used += (size_t)snprintf(out + used, size - used, "%s%s",
                                 used ? " or " : "", words[i].word);
    }
}

static int check_type(const json_t *v, unsigned types, const struct place *at,
                      struct assay_error *err)
{
    unsigned type = type_of(v);
    char found[40];
    char wanted[80];

    if (types & type)
        return ASSAY_OK;
    type_words(types, wanted, sizeof wanted);
    type_words(type, found, sizeof found);
    return assay_error_set(err, ASSAY_FORMAT, "%s is %s, not %s", at->text,
                           v ? found : "missing", wanted);
}

static int check_object(const json_t *v, const struct row *rows,
                        const struct place *at, struct assay_error *err);

static int check_list(const json_t *v, const struct row *row,
                      const struct place *at, struct assay_error *err)
{
    int code = ASSAY_OK;

    if (json_array_size(v) > row->max)
        return assay_error_set(err, ASSAY_LIMIT,
                               "%s has %zu items, more than %zu", at->text,
                               json_array_size(v), row->max);
    for (size_t i = 0; i < json_array_size(v) && code == ASSAY_OK; i++) {
        const json_t *item = json_array_get(v, i);
        struct place inner = *at;
        char index[32];

        snprintf(index, sizeof index, "[%zu]", i);
        place_add(&inner, index);
        code = check_type(item, row->items, &inner, err);
        if (code == ASSAY_OK && row->inside)
            code = check_object(item, row->inside, &inner, err);
    }
    return code;
}

static int check_object(const json_t *v, const struct row *rows,
                        const struct place *at, struct assay_error *err)
{
    int code = ASSAY_OK;

    for (const struct row *row = rows; row->key && code == ASSAY_OK; row++) {
        const json_t *child = json_object_get(v, row->key);
        struct place inner = *at;

        if (inner.size)
            place_add(&inner, ".");
        place_add(&inner, row->key);
        code = check_type(child, row->types, &inner, err);
        if (code != ASSAY_OK)
            break;
        if (json_is_array(child))
            code = check_list(child, row, &inner, err);
        else if (json_is_object(child) && row->inside)
            code = check_object(child, row->inside, &inner, err);
    }
    return code;
}

/* A curve's points are pairs of rates, the false ones never falling. */
static int check_roc(const json_t *roc, size_t attack_index,
                     struct assay_error *err)
{
    double before = 0;

    for (size_t i = 0; i < json_array_size(roc); i++) {
        const json_t *pair = json_array_get(roc, i);
        double x = json_number_value(json_array_get(pair, 0));
        double y = json_number_value(json_array_get(pair, 1));

        if (json_array_size(pair) != 2 ||
            !json_is_number(json_array_get(pair, 0)) ||
            !json_is_number(json_array_get(pair, 1)) || x < before || x > 1 ||
            y < 0 || y > 1)
            return assay_error_set(
                err, ASSAY_FORMAT,
                "attacks[%zu].roc[%zu] is not a pair of rates from 0 to 1 in "
                "rising order",
                attack_index, i);
        before = x;
    }
    return ASSAY_OK;
}

int assay__report_check(const json_t *doc, struct assay_error *err)
{
    static const char wanted[] = "assay-findings/1";
    struct place top = {"", 0};
    const char *schema = json_string_value(json_object_get(doc, "schema"));
    const json_t *attacks;
    int code;

    if (!json_is_object(doc))
        return assay_error_set(err, ASSAY_FORMAT, "is not a JSON object");
    if (!schema || strcmp(schema, wanted) != 0)
        return assay_error_set(err, ASSAY_FORMAT,
                               "schema is \"%.60s\", not \"%s\"",
                               schema ? schema : "", wanted);
    code = check_object(doc, document, &top, err);
    attacks = json_object_get(doc, "attacks");
    for (size_t i = 0; code == ASSAY_OK && i < json_array_size(attacks); i++)
        code = check_roc(json_object_get(json_array_get(attacks, i), "roc"), i,
                         err);
    return code;
}
