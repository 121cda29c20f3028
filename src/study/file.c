/* SPDX-License-Identifier: Apache-2.0 */
/* The schema of study files, and the checks of names. */

#include "study/file.h"

#include <stdio.h>
#include <string.h>

#include "assay/arch.h"
#include "assay/attack.h"
#include "core/fs.h"
#include "core/mem.h"
#include "core/yaml.h"

enum { FILE_MAX_BYTES = 1 << 20, TEXT_MAX = 1000 };

#define OPTIONAL (CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL)
#define TEXT(key, type, field, flags)                                         \
    CYAML_FIELD_STRING_PTR(key, CYAML_FLAG_POINTER | (flags), type, field, 1, \
                           TEXT_MAX)
#define LIST(key, type, field, entry)                          \
    CYAML_FIELD_SEQUENCE(key, OPTIONAL, type, field, entry, 1, \
                         ASSAY__STUDY_LIST_MAX)
/* The keys of struct assay__study_set, wherever one stands as `set`. */
#define SETTINGS(type)                                                      \
    CYAML_FIELD_UINT_PTR("records", OPTIONAL, type, set.records),           \
        CYAML_FIELD_UINT_PTR("epochs", OPTIONAL, type, set.epochs),         \
        CYAML_FIELD_UINT_PTR("batch", OPTIONAL, type, set.batch),           \
        CYAML_FIELD_FLOAT_PTR("lr", OPTIONAL, type, set.lr),                \
        TEXT("optimizer", type, set.optimizer, CYAML_FLAG_OPTIONAL),        \
        CYAML_FIELD_FLOAT_PTR("momentum", OPTIONAL, type, set.momentum),    \
        CYAML_FIELD_FLOAT_PTR("weight_decay", OPTIONAL, type,               \
                              set.weight_decay),                            \
        TEXT("schedule", type, set.schedule, CYAML_FLAG_OPTIONAL),          \
        LIST("milestones", type, set.milestones, &count_entry),             \
        CYAML_FIELD_FLOAT_PTR("gamma", OPTIONAL, type, set.gamma),          \
        LIST("augment", type, set.augment, &text_entry),                    \
        CYAML_FIELD_UINT_PTR("evaluate_every", OPTIONAL, type,              \
                             set.evaluate_every),                           \
        CYAML_FIELD_UINT_PTR("references", OPTIONAL, type, set.references), \
        TEXT("size", type, set.size, CYAML_FLAG_OPTIONAL),                  \
        CYAML_FIELD_UINT_PTR("channels", OPTIONAL, type, set.channels),     \
        CYAML_FIELD_FLOAT_PTR("scale", OPTIONAL, type, set.scale),          \
        LIST("mean", type, set.mean, &real_entry),                          \
        LIST("std", type, set.std, &real_entry)

static const cyaml_schema_value_t text_entry = {
    CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 1, TEXT_MAX),
};
static const cyaml_schema_value_t count_entry = {
    CYAML_VALUE_UINT(CYAML_FLAG_DEFAULT, unsigned),
};
static const cyaml_schema_value_t seed_entry = {
    CYAML_VALUE_UINT(CYAML_FLAG_DEFAULT, uint64_t),
};
static const cyaml_schema_value_t real_entry = {
    CYAML_VALUE_FLOAT(CYAML_FLAG_DEFAULT, double),
};

typedef struct assay__study_dataset dataset_row;
static const cyaml_schema_field_t dataset_fields[] = {
    TEXT("name", dataset_row, name, 0),
    TEXT("data", dataset_row, data, 0),
    TEXT("label", dataset_row, label, CYAML_FLAG_OPTIONAL),
    TEXT("attribute", dataset_row, attribute, CYAML_FLAG_OPTIONAL),
    CYAML_FIELD_UINT_PTR("max_records", OPTIONAL, dataset_row, max_records),
    SETTINGS(dataset_row),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t dataset_entry = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, dataset_row, dataset_fields),
};

typedef struct assay__study_defense defense_row;
static const cyaml_schema_field_t defense_fields[] = {
    TEXT("name", defense_row, name, 0),
    TEXT("defense", defense_row, kind, CYAML_FLAG_OPTIONAL),
    LIST("params", defense_row, params, &text_entry),
    LIST("architectures", defense_row, architectures, &text_entry),
    LIST("datasets", defense_row, datasets, &text_entry),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t defense_entry = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, defense_row, defense_fields),
};

typedef struct assay__study_override override_row;
static const cyaml_schema_field_t override_fields[] = {
    TEXT("dataset", override_row, dataset, CYAML_FLAG_OPTIONAL),
    TEXT("architecture", override_row, architecture, CYAML_FLAG_OPTIONAL),
    TEXT("defense", override_row, defense, CYAML_FLAG_OPTIONAL),
    SETTINGS(override_row),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t override_entry = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, override_row, override_fields),
};

typedef struct assay__study_sweep sweep_row;
static const cyaml_schema_field_t sweep_fields[] = {
    LIST("epochs", sweep_row, epochs, &count_entry),
    LIST("architectures", sweep_row, architectures, &text_entry),
    LIST("datasets", sweep_row, datasets, &text_entry),
    CYAML_FIELD_END,
};

typedef struct assay__study_file study_row;
static const cyaml_schema_field_t study_fields[] = {
    TEXT("name", study_row, name, 0),
    TEXT("preset", study_row, preset, CYAML_FLAG_OPTIONAL),
    LIST("seeds", study_row, seeds, &seed_entry),
    SETTINGS(study_row),
    CYAML_FIELD_SEQUENCE("datasets", CYAML_FLAG_POINTER, study_row, datasets,
                         &dataset_entry, 1, ASSAY__STUDY_LIST_MAX),
    CYAML_FIELD_SEQUENCE("architectures", CYAML_FLAG_POINTER, study_row,
                         architectures, &text_entry, 1, ASSAY__STUDY_LIST_MAX),
    LIST("defenses", study_row, defenses, &defense_entry),
    LIST("overrides", study_row, overrides, &override_entry),
    LIST("attacks", study_row, attacks, &text_entry),
    LIST("attack_params", study_row, attack_params, &text_entry),
    TEXT("controls", study_row, controls, CYAML_FLAG_OPTIONAL),
    TEXT("surrogate", study_row, surrogate, CYAML_FLAG_OPTIONAL),
    TEXT("policy", study_row, policy, CYAML_FLAG_OPTIONAL),
    CYAML_FIELD_UINT_PTR("exposed", OPTIONAL, study_row, exposed),
    CYAML_FIELD_UINT_PTR("generator_epochs", OPTIONAL, study_row,
                         generator_epochs),
    CYAML_FIELD_UINT_PTR("generator_width", OPTIONAL, study_row,
                         generator_width),
    CYAML_FIELD_MAPPING_PTR("sweep", OPTIONAL, study_row, sweep, sweep_fields),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t study_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, study_row, study_fields),
};

/* Names of rows become parts of folders' names. */
static int check_name(const char *what, const char *name,
                      struct assay_error *err)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz"
                                  "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    size_t n = strlen(name);

    if (n > ASSAY__STUDY_NAME_MAX || strspn(name, allowed) != n ||
        name[0] == '.')
        return assay_error_set(err, ASSAY_FORMAT,
                               "%s \"%.60s\": names have up to %d letters, "
                               "digits, '-', '_' and '.'",
                               what, name, (int)ASSAY__STUDY_NAME_MAX);
    return ASSAY_OK;
}

static int has_text(char *const *list, unsigned n, const char *text)
{
    unsigned i;

    for (i = 0; i < n; i++) {
        if (strcmp(list[i], text) == 0)
            return 1;
    }
    return 0;
}

static int check_datasets(const struct assay__study_file *f,
                          struct assay_error *err)
{
    unsigned i;
    unsigned j;
    int code = ASSAY_OK;

    for (i = 0; i < f->datasets_count && code == ASSAY_OK; i++) {
        code = check_name("dataset", f->datasets[i].name, err);
        for (j = 0; j < i && code == ASSAY_OK; j++) {
            if (strcmp(f->datasets[i].name, f->datasets[j].name) == 0)
                code = assay_error_set(err, ASSAY_FORMAT,
                                       "two datasets have the name \"%s\"",
                                       f->datasets[i].name);
        }
    }
    return code;
}

static int check_architectures(const struct assay__study_file *f,
                               struct assay_error *err)
{
    unsigned i;

    for (i = 0; i < f->architectures_count; i++) {
        if (assay_arch_find(f->architectures[i]) == NULL)
            return assay_error_set(err, ASSAY_FORMAT,
                                   "no architecture \"%.60s\"",
                                   f->architectures[i]);
        if (has_text(f->architectures, i, f->architectures[i]))
            return assay_error_set(err, ASSAY_FORMAT,
                                   "architecture \"%s\" stands there twice",
                                   f->architectures[i]);
    }
    if (f->surrogate != NULL && assay_arch_find(f->surrogate) == NULL)
        return assay_error_set(err, ASSAY_FORMAT,
                               "surrogate: no architecture \"%.60s\"",
                               f->surrogate);
    return ASSAY_OK;
}

static int is_dataset(const struct assay__study_file *f, const char *name)
{
    unsigned i;

    for (i = 0; i < f->datasets_count; i++) {
        if (strcmp(f->datasets[i].name, name) == 0)
            return 1;
    }
    return 0;
}

static int is_defense(const struct assay__study_file *f, const char *name)
{
    unsigned i;

    for (i = 0; i < f->defenses_count; i++) {
        if (strcmp(f->defenses[i].name, name) == 0)
            return 1;
    }
    return f->defenses_count == 0 && strcmp(name, "none") == 0;
}

/* Lists that choose among the study's own rows. */
static int check_choice(const struct assay__study_file *f, const char *what,
                        char *const *architectures, unsigned n_architectures,
                        char *const *datasets, unsigned n_datasets,
                        struct assay_error *err)
{
    unsigned i;

    for (i = 0; i < n_architectures; i++) {
        if (!has_text(f->architectures, f->architectures_count,
                      architectures[i]))
            return assay_error_set(err, ASSAY_FORMAT,
                                   "%.60s: \"%.60s\" is none of the study's "
                                   "architectures",
                                   what, architectures[i]);
    }
    for (i = 0; i < n_datasets; i++) {
        if (!is_dataset(f, datasets[i]))
            return assay_error_set(err, ASSAY_FORMAT,
                                   "%.60s: \"%.60s\" is none of the study's "
                                   "datasets",
                                   what, datasets[i]);
    }
    return ASSAY_OK;
}

static int check_defenses(const struct assay__study_file *f,
                          struct assay_error *err)
{
    unsigned i;
    unsigned j;
    int code = ASSAY_OK;

    for (i = 0; i < f->defenses_count && code == ASSAY_OK; i++) {
        const struct assay__study_defense *d = &f->defenses[i];

        code = check_name("defence", d->name, err);
        for (j = 0; j < i && code == ASSAY_OK; j++) {
            if (strcmp(d->name, f->defenses[j].name) == 0)
                code = assay_error_set(err, ASSAY_FORMAT,
                                       "two defences have the name \"%s\"",
                                       d->name);
        }
        if (code == ASSAY_OK)
            code = check_choice(f, d->name, d->architectures,
                                d->architectures_count, d->datasets,
                                d->datasets_count, err);
    }
    return code;
}

static int check_override(const struct assay__study_file *f,
                          const struct assay__study_override *o,
                          struct assay_error *err)
{
    char *const *architecture = &o->architecture;
    char *const *dataset = &o->dataset;

    if (o->defense != NULL && !is_defense(f, o->defense))
        return assay_error_set(err, ASSAY_FORMAT,
                               "overrides: \"%.60s\" is none of the study's "
                               "defences",
                               o->defense);
    return check_choice(f, "overrides", architecture, o->architecture != NULL,
                        dataset, o->dataset != NULL, err);
}

static int check_attacks(const struct assay__study_file *f,
                         struct assay_error *err)
{
    unsigned i;

    for (i = 0; i < f->attacks_count; i++) {
        if (strcmp(f->attacks[i], "all") == 0 && f->attacks_count == 1)
            return ASSAY_OK;
        if (assay_attack_find(f->attacks[i]) == NULL)
            return assay_error_set(err, ASSAY_FORMAT,
                                   "no attack \"%.60s\"; `assay attacks` "
                                   "lists them, and [all] is all of them",
                                   f->attacks[i]);
        if (has_text(f->attacks, i, f->attacks[i]))
            return assay_error_set(err, ASSAY_FORMAT,
                                   "attack \"%s\" stands there twice",
                                   f->attacks[i]);
    }
    return ASSAY_OK;
}

static int check_seeds(const struct assay__study_file *f,
                       struct assay_error *err)
{
    unsigned i;
    unsigned j;

    for (i = 0; i < f->seeds_count; i++) {
        /* JSON's readers keep no larger ones. */
        if (f->seeds[i] > 9007199254740991u)
            return assay_error_set(err, ASSAY_FORMAT,
                                   "seed %llu is over 9007199254740991",
                                   (unsigned long long)f->seeds[i]);
        for (j = 0; j < i; j++) {
            if (f->seeds[i] == f->seeds[j])
                return assay_error_set(err, ASSAY_FORMAT,
                                       "seed %llu stands there twice",
                                       (unsigned long long)f->seeds[i]);
        }
    }
    return ASSAY_OK;
}

static int check_sweep(const struct assay__study_file *f,
                       struct assay_error *err)
{
    const struct assay__study_sweep *s = f->sweep;
    unsigned i;

    if (s == NULL)
        return ASSAY_OK;
    if (s->epochs_count == 0)
        return assay_error_set(err, ASSAY_FORMAT, "sweep: no epochs");
    for (i = 0; i < s->epochs_count; i++) {
        if (s->epochs[i] < 1 || s->epochs[i] > ASSAY__STUDY_EPOCHS_MAX)
            return assay_error_set(err, ASSAY_FORMAT,
                                   "sweep: %u epochs; 1 to %d are possible",
                                   s->epochs[i], (int)ASSAY__STUDY_EPOCHS_MAX);
        if (i > 0 && s->epochs[i] <= s->epochs[i - 1])
            return assay_error_set(err, ASSAY_FORMAT,
                                   "sweep: epochs %u after %u; they must "
                                   "grow",
                                   s->epochs[i], s->epochs[i - 1]);
    }
    return check_choice(f, "sweep", s->architectures, s->architectures_count,
                        s->datasets, s->datasets_count, err);
}

static int check(const struct assay__study_file *f, struct assay_error *err)
{
    unsigned i;
    int code = check_datasets(f, err);

    if (code == ASSAY_OK)
        code = check_architectures(f, err);
    if (code == ASSAY_OK)
        code = check_defenses(f, err);
    for (i = 0; i < f->overrides_count && code == ASSAY_OK; i++)
        code = check_override(f, &f->overrides[i], err);
    if (code == ASSAY_OK)
        code = check_attacks(f, err);
    if (code == ASSAY_OK)
        code = check_seeds(f, err);
    if (code == ASSAY_OK)
        code = check_sweep(f, err);
    return code;
}

int assay__study_file_parse(struct assay__study_file **out, const char *text,
                            size_t size, const char *path,
                            struct assay_error *err)
{
    char what[100];
    void *data = NULL;
    int code;

    snprintf(what, sizeof(what), "study %.80s", path);
    code = assay__yaml_load(&data, text, size, &study_schema, what, err);
    if (code != ASSAY_OK)
        return code;
    code = check(data, err);
    if (code != ASSAY_OK) {
        assay__study_file_free(data);
        return assay_error_prefix(err, code, "%s", what);
    }
    *out = data;
    return ASSAY_OK;
}

int assay__study_file_read(struct assay__study_file **out, const char *path,
                           struct assay_error *err)
{
    unsigned char *text = NULL;
    size_t size = 0;
    int code = assay__read_file(path, FILE_MAX_BYTES, &text, &size, err);

    if (code == ASSAY_OK)
        code =
            assay__study_file_parse(out, (const char *)text, size, path, err);
    assay__free(text);
    return code;
}

void assay__study_file_free(struct assay__study_file *file)
{
    assay__yaml_free(&study_schema, file);
}
