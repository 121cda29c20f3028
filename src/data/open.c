/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From what a user types to a dataset: take `KIND:PATH?key=value` apart,
 * find the kind (by name, or by asking each row of datasets.def whether it
 * knows the path), let it read, then check and seal the result.
 *
 * A word before ':' that is no kind belongs to the path, and so does a '?'
 * when a file of exactly that name exists.
 */

#include <stdlib.h>
#include <string.h>

#include "core/fs.h"
#include "core/mem.h"
#include "data/data.h"

static const struct assay_dataset_kind *const kinds[] = {
#define ASSAY_DATASET(id) &assay_dataset_kind_##id,
#include "datasets.def"
#undef ASSAY_DATASET
};

enum { N_KINDS = sizeof(kinds) / sizeof(kinds[0]) };

static const struct assay_dataset_kind *kind_named(const char *name, size_t n)
{
    for (size_t i = 0; i < N_KINDS; i++) {
        if (strlen(kinds[i]->name) == n && memcmp(kinds[i]->name, name, n) == 0)
            return kinds[i];
    }
    return NULL;
}

/* A whole number in 1..max that ends at `stop`; 0 when it is none. */
static int parse_count(const char *text, char stop, int max, const char **end)
{
    long value = 0;

    while (*text >= '0' && *text <= '9' && value <= max)
        value = value * 10 + (*text++ - '0');
    if (*text != stop || value > max)
        return 0;
    *end = text + 1;
    return (int)value;
}

/* "3x32x32" into n numbers. */
static bool parse_product(const char *text, int *value, int n)
{
    for (int i = 0; i < n; i++) {
        char stop = i + 1 < n ? 'x' : '\0';

        value[i] = parse_count(text, stop, ASSAY__SIDE_MAX, &text);
        if (value[i] == 0)
            return false;
    }
    return true;
}

static bool parse_labels(struct assay__spec *spec, const char *value)
{
    /* An option given twice: the last one counts. */
    assay__free(spec->labels);
    spec->labels = assay__strdup(value);
    return spec->labels != NULL;
}

/* Where the number that the key names is kept, and its limit; NULL when this
 * kind takes none of that name. */
static int *count_of(struct assay__spec *spec, unsigned takes, const char *key,
                     int *max)
{
    const struct {
        unsigned takes;
        const char *key;
        int *value;
        int max;
    } rows[] = {
        {ASSAY__SPEC_CLASSES, "classes", &spec->classes, ASSAY__CLASSES_MAX},
        {ASSAY__SPEC_AUDIO, "rate", &spec->rate, ASSAY__RATE_MAX},
        {ASSAY__SPEC_AUDIO, "seconds", &spec->seconds, ASSAY__SECONDS_MAX}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        *max = rows[i].max;
        if (takes & rows[i].takes && strcmp(key, rows[i].key) == 0)
            return rows[i].value;
    }
    return NULL;
}

static int set_option(struct assay__spec *spec, unsigned takes, const char *key,
                      const char *value, struct assay_error *err)
{
    int max;
    int *count = count_of(spec, takes, key, &max);
    const char *end;
    bool ok;

    if (takes & ASSAY__SPEC_LABELS && strcmp(key, "labels") == 0) {
        if (parse_labels(spec, value))
            return ASSAY_OK;
        return assay_error_set(err, ASSAY_NOMEM, "no memory for labels");
    }
    if (takes & ASSAY__SPEC_SHAPE && strcmp(key, "shape") == 0) {
        ok = parse_product(value, spec->shape, 3);
    } else if (takes & ASSAY__SPEC_SIZE && strcmp(key, "size") == 0) {
        ok = parse_product(value, spec->size, 2);
    } else if (count) {
        *count = parse_count(value, '\0', max, &end);
        ok = *count > 0;
    } else {
        return assay_error_set(
            err, ASSAY_ARG,
            "unknown option '%.40s'; this kind takes:%s%s%s%s%s%s", key,
            takes ? "" : " none",
            takes & ASSAY__SPEC_LABELS ? " labels=NAME,NAME" : "",
            takes & ASSAY__SPEC_SHAPE ? " shape=CxHxW" : "",
            takes & ASSAY__SPEC_SIZE ? " size=HxW" : "",
            takes & ASSAY__SPEC_CLASSES ? " classes=K" : "",
            takes & ASSAY__SPEC_AUDIO ? " rate=HZ seconds=N" : "");
    }
    if (!ok)
        return assay_error_set(err, ASSAY_ARG,
                               "option %s: '%.40s' is not as it should be "
                               "(sides 1 to %d, classes 1 to %d, rates 1 to "
                               "%d, seconds 1 to %d)",
                               key, value, ASSAY__SIDE_MAX, ASSAY__CLASSES_MAX,
                               ASSAY__RATE_MAX, ASSAY__SECONDS_MAX);
    return ASSAY_OK;
}

/* "a=1&b=2", cut up in place. */
static int parse_options(struct assay__spec *spec, unsigned takes, char *text,
                         struct assay_error *err)
{
    while (text) {
        char *next = strchr(text, '&');
        char *value;
        int rc;

        if (next)
            *next++ = '\0';
        value = strchr(text, '=');
        if (!value)
            return assay_error_set(err, ASSAY_ARG,
                                   "option '%.40s' has no value", text);
        *value++ = '\0';
        rc = set_option(spec, takes, text, value, err);
        if (rc)
            return rc;
        text = next;
    }
    return ASSAY_OK;
}

static int no_kind(const char *path, struct assay_error *err)
{
    char names[128] = "";

    for (size_t i = 0; i < N_KINDS; i++) {
        strncat(names, i ? ", " : "", sizeof(names) - strlen(names) - 1);
        strncat(names, kinds[i]->name, sizeof(names) - strlen(names) - 1);
    }
    if (!assay__exists(path))
        return assay_error_set(
            err, ASSAY_IO,
            "%.100s: no such file or folder, nor a kind of data (%s)", path,
            names);
    return assay_error_set(
        err, ASSAY_FORMAT,
        "%.80s: cannot tell what data this is; say KIND:PATH with one of %s",
        path, names);
}

static bool probe(const char *path, const struct assay_dataset_kind **kind)
{
    if (!assay__exists(path))
        return false;
    for (size_t i = 0; i < N_KINDS; i++) {
        if (kinds[i]->probe && kinds[i]->probe(path)) {
            *kind = kinds[i];
            return true;
        }
    }
    return false;
}

/*
 * Kind and path of `text`, which is cut up in place; *options is what
 * follows '?', or NULL.
 */
static int parse_spec(char *text, const struct assay_dataset_kind **kind,
                      const char **path, char **options,
                      struct assay_error *err)
{
    char *colon = strchr(text, ':');

    *kind = NULL;
    *path = text;
    if (colon)
        *kind = kind_named(text, (size_t)(colon - text));
    if (*kind)
        *path = colon + 1;

    *options = NULL;
    if (!assay__exists(*path)) {
        *options = strchr(*path, '?');
        if (*options)
            *(*options)++ = '\0';
    }
    if (*kind && **path)
        return ASSAY_OK;

    /* A bare kind means its default data, or a path of the same name. */
    if (!*kind)
        *kind = kind_named(*path, strlen(*path));
    if (*kind && (*kind)->default_path) {
        *path = (*kind)->default_path;
        return ASSAY_OK;
    }
    if (*kind && !assay__exists(*path))
        return assay_error_set(err, ASSAY_ARG, "'%s' needs a path: %s:PATH",
                               (*kind)->name, (*kind)->name);
    if (*kind || probe(*path, kind))
        return ASSAY_OK;
    return no_kind(*path, err);
}

static int read_kind(struct assay_dataset *ds,
                     const struct assay_dataset_kind *kind,
                     const struct assay__spec *spec, struct assay_error *err)
{
    int rc;

    if (!assay__exists(spec->path)) {
        if (kind->default_path && strcmp(spec->path, kind->default_path) == 0)
            return assay_error_set(
                err, ASSAY_IO,
                "%s: not there; install it (Debian: dataset-%s) or say "
                "%s:PATH",
                spec->path, kind->name, kind->name);
        return assay_error_set(err, ASSAY_IO, "%s: no such file or folder",
                               spec->path);
    }
    rc = kind->open(ds, spec, err);
    if (rc)
        return rc;
    if (spec->label)
        rc = assay__dataset_relabel(ds, spec->label, err);
    if (!rc)
        rc = assay__dataset_finish(ds, err);
    if (rc)
        rc = assay_error_prefix(err, rc, "%s", spec->path);
    return rc;
}

int assay_dataset_open(assay_dataset **out, const char *spec_text,
                       const struct assay_dataset_options *opt,
                       struct assay_error *err)
{
    const struct assay_dataset_kind *kind = NULL;
    struct assay__spec spec = {.max_records = SIZE_MAX};
    struct assay_dataset *ds = NULL;
    const char *path = NULL;
    char *options = NULL;
    char *text;
    int rc;

    if (opt && opt->max_records)
        spec.max_records = opt->max_records;
    if (opt)
        spec.label = opt->label;
    text = assay__strdup(spec_text);
    ds = assay__calloc(1, sizeof(*ds));
    if (!text || !ds) {
        rc = assay_error_set(err, ASSAY_NOMEM, "no memory for a dataset");
        goto out;
    }
    rc = parse_spec(text, &kind, &path, &options, err);
    if (!rc)
        rc = parse_options(&spec, kind->takes, options, err);
    if (rc)
        goto out;

    spec.path = assay__strdup(path);
    ds->name = assay__strdup(kind->name);
    if (!spec.path || !ds->name) {
        rc = assay_error_set(err, ASSAY_NOMEM, "no memory for a dataset");
        goto out;
    }
    rc = read_kind(ds, kind, &spec, err);

out:
    if (rc)
        assay_dataset_free(ds);
    else
        *out = ds;
    assay__free(spec.path);
    assay__free(spec.labels);
    assay__free(text);
    return rc;
}
