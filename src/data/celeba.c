/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CelebA as it is published (Liu et al., ICCV 2015): 202,599 aligned faces
 * of 218 x 178 pixels and 40 attributes of -1 or 1 each.
 *
 *   [Anno/]list_attr_celeba.txt   line 1: number of images
 *                                 line 2: names of the attributes
 *                                 then:   000001.jpg -1 1 -1 ...
 *   [Img/]img_align_celeba/       the JPEG files
 *
 * Every column is an attribute of two values, 0 for -1. `?labels=A+B,C` adds
 * attributes made of several columns, named as they are written: A+B has
 * four values, the sum of 2^i over its columns that are 1. The first of the
 * list is the label; without a list they are those of ML-Doctor. Images keep
 * the order of the text file; the official partition is not used.
 */

#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/fs.h"
#include "core/mem.h"
#include "data/celeba.h"
#include "data/data.h"

enum { TEXT_MAX_BYTES = 1 << 28, JOINED_MAX = 8 };

static const char default_labels[] =
    "Heavy_Makeup+Mouth_Slightly_Open+Smiling,Male+Young";

/* The next word of the line at *at, ended by a NUL; NULL at the line's end,
 * which *at then is beyond. */
static char *next_word(char **at)
{
    char *p = *at + strspn(*at, " \t\r");
    char *end = p + strcspn(p, " \t\r\n");
    bool last = *end == '\n' || *end == '\0';

    if (end == p) {
        *at = *p == '\n' ? p + 1 : p;
        return NULL;
    }
    /* The line's end is left for the next call to find. */
    *at = end;
    if (!last) {
        *end = '\0';
        *at = end + 1;
    }
    return p;
}

/* The same, when words may not be cut at the line's end: its length. */
static size_t word_size(const char *word)
{
    return strcspn(word, " \t\r\n");
}

static int read_count(struct assay__celeba *t, char **at, size_t size,
                      struct assay_error *err)
{
    const char *word = next_word(at);
    char *end = NULL;
    unsigned long long n = word ? strtoull(word, &end, 10) : 0;

    /* Every line has some bytes: no more are believed. */
    if (!word || end != word + word_size(word) || n < 1 || n > size / 2)
        return assay_error_set(err, ASSAY_FORMAT,
                               "line 1: not a number of images that %zu bytes "
                               "can hold",
                               size);
    t->n = (size_t)n;
    return next_word(at) ? assay_error_set(err, ASSAY_FORMAT,
                                           "line 1: more than a number")
                         : ASSAY_OK;
}

static int add_column(struct assay__celeba *t, const char *word,
                      struct assay_error *err)
{
    char **grown;

    if (t->n_columns == ASSAY__CELEBA_COLUMNS_MAX)
        return assay_error_set(err, ASSAY_LIMIT,
                               "line 2: more than %d attributes",
                               (int)ASSAY__CELEBA_COLUMNS_MAX);
    grown = assay__realloc(t->column, t->n_columns + 1, sizeof(*grown));
    if (!grown)
        return assay_error_set(err, ASSAY_NOMEM, "no memory for names");
    t->column = grown;
    grown[t->n_columns] = assay__format("%.*s", (int)word_size(word), word);
    if (!grown[t->n_columns])
        return assay_error_set(err, ASSAY_NOMEM, "no memory for a name");
    t->n_columns++;
    return ASSAY_OK;
}

static int read_columns(struct assay__celeba *t, char **at,
                        struct assay_error *err)
{
    const char *word;
    int rc = ASSAY_OK;

    while (!rc && (word = next_word(at)) != NULL)
        rc = add_column(t, word, err);
    if (!rc && t->n_columns == 0)
        rc = assay_error_set(err, ASSAY_FORMAT, "line 2: no attributes");
    return rc;
}

static int read_line(struct assay__celeba *t, size_t i, char **at,
                     struct assay_error *err)
{
    const char *word = next_word(at);

    /* What lies outside the folder of images is none of them. */
    if (!word || memchr(word, '/', word_size(word)))
        return assay_error_set(err, ASSAY_FORMAT, "line %zu: no name of a file",
                               i + 3);
    t->file[i] = assay__format("%.*s", (int)word_size(word), word);
    if (!t->file[i])
        return assay_error_set(err, ASSAY_NOMEM, "no memory for a name");
    for (size_t c = 0; c < t->n_columns; c++) {
        size_t size;

        word = next_word(at);
        size = word ? word_size(word) : 0;
        if ((size == 1 && *word == '1') ||
            (size == 2 && memcmp(word, "-1", 2) == 0))
            t->value[i * t->n_columns + c] = size == 1;
        else
            return assay_error_set(err, ASSAY_FORMAT,
                                   "line %zu: %.40s is not -1 or 1", i + 3,
                                   t->column[c]);
    }
    if (next_word(at))
        return assay_error_set(err, ASSAY_FORMAT,
                               "line %zu: more than %zu values", i + 3,
                               t->n_columns);
    return ASSAY_OK;
}

int assay__celeba_read(struct assay__celeba *t, char *text, size_t size,
                       size_t max_records, struct assay_error *err)
{
    char *at = text;
    int rc;

    memset(t, 0, sizeof(*t));
    rc = read_count(t, &at, size, err);
    if (!rc)
        rc = read_columns(t, &at, err);
    if (!rc && t->n > size / (2 * t->n_columns))
        rc = assay_error_set(err, ASSAY_FORMAT,
                             "line 1: %zu images, too many for %zu bytes", t->n,
                             size);
    if (rc)
        goto out;
    if (t->n > max_records)
        t->n = max_records;
    t->file = assay__calloc(t->n, sizeof(*t->file));
    t->value = assay__calloc(t->n, t->n_columns);
    if (!t->file || !t->value)
        rc = assay_error_set(err, ASSAY_NOMEM, "no memory for %zu lines", t->n);
    for (size_t i = 0; !rc && i < t->n; i++)
        rc = read_line(t, i, &at, err);
out:
    if (rc)
        assay__celeba_release(t);
    return rc;
}

void assay__celeba_release(struct assay__celeba *t)
{
    assay__names_free(t->column, t->n_columns);
    if (t->file)
        assay__names_free(t->file, t->n);
    assay__free(t->value);
    memset(t, 0, sizeof(*t));
}

/* The column of that name and length; n_columns: none. */
static size_t find_column(const struct assay__celeba *t, const char *name,
                          size_t size)
{
    size_t c = 0;

    while (c < t->n_columns && (strlen(t->column[c]) != size ||
                                memcmp(t->column[c], name, size) != 0))
        c++;
    return c;
}

/* "Male+Young" for value 3, "Male" for 1, "neither" names for 0: "none". */
static char *value_name(const struct assay__celeba *t, const size_t *column,
                        size_t n, size_t value)
{
    struct assay__buf b = ASSAY__BUF_INIT;

    for (size_t i = 0; i < n; i++)
        if (value >> i & 1)
            assay__buf_printf(&b, "%s%s", b.size ? "+" : "",
                              t->column[column[i]]);
    if (value == 0)
        assay__buf_puts(&b, "none");
    if (b.failed)
        assay__buf_release(&b);
    return b.data;
}

/* One attribute of the dataset from the columns "A+B". */
static int add_joined(struct assay_dataset *ds, const struct assay__celeba *t,
                      const char *text, size_t size, size_t *column, size_t *n,
                      struct assay_error *err)
{
    char *name;
    int rc;

    *n = 0;
    for (const char *p = text; p < text + size;) {
        size_t length = strcspn(p, "+,");

        if (*n == JOINED_MAX)
            return assay_error_set(err, ASSAY_LIMIT,
                                   "labels: more than %d attributes joined",
                                   (int)JOINED_MAX);
        column[*n] = find_column(t, p, length);
        if (column[*n] == t->n_columns)
            return assay_error_set(err, ASSAY_ARG,
                                   "labels: no attribute '%.*s'",
                                   length < 60 ? (int)length : 60, p);
        ++*n;
        p += length + 1;
    }
    if (*n == 0)
        return assay_error_set(err, ASSAY_ARG, "labels: an empty name");
    name = assay__format("%.*s", (int)size, text);
    if (!name)
        return assay_error_set(err, ASSAY_NOMEM, "no memory for a name");
    rc = assay__dataset_attribute(ds, name, err);
    assay__free(name);
    return rc;
}

/* Values and their names of attribute a, once the records are there. */
static int fill_joined(struct assay_dataset *ds, size_t a,
                       const struct assay__celeba *t, const size_t *column,
                       size_t n, struct assay_error *err)
{
    struct assay__attribute *attribute = &ds->attribute[a];
    size_t n_values = (size_t)1 << n;

    attribute->value_name = assay__calloc(n_values, sizeof(char *));
    if (!attribute->value_name)
        return assay_error_set(err, ASSAY_NOMEM, "no memory for names");
    attribute->cardinality = (int)n_values;
    for (size_t v = 0; v < n_values; v++) {
        attribute->value_name[v] = value_name(t, column, n, v);
        if (!attribute->value_name[v])
            return assay_error_set(err, ASSAY_NOMEM, "no memory for a name");
    }
    for (size_t r = 0; r < ds->n; r++)
        for (size_t i = 0; i < n; i++)
            attribute->value[r] |=
                (int32_t)t->value[r * t->n_columns + column[i]] << i;
    return ASSAY_OK;
}

/* The joined attributes of the list, then every column that is none. */
struct plan {
    size_t column[ASSAY__CELEBA_COLUMNS_MAX * 2][JOINED_MAX];
    size_t n_columns[ASSAY__CELEBA_COLUMNS_MAX * 2];
    size_t n;
};

static bool has_attribute(const struct assay_dataset *ds, const char *name)
{
    for (size_t a = 0; a < ds->n_attributes; a++)
        if (strcmp(ds->attribute[a].name, name) == 0)
            return true;
    return false;
}

static int add_attributes(struct assay_dataset *ds,
                          const struct assay__celeba *t, const char *labels,
                          struct plan *plan, struct assay_error *err)
{
    int rc = ASSAY_OK;

    for (const char *p = labels; !rc;) {
        size_t size = strcspn(p, ",");

        if (plan->n == ASSAY__CELEBA_COLUMNS_MAX)
            return assay_error_set(err, ASSAY_LIMIT, "labels: more than %d",
                                   (int)ASSAY__CELEBA_COLUMNS_MAX);
        rc = add_joined(ds, t, p, size, plan->column[plan->n],
                        &plan->n_columns[plan->n], err);
        plan->n++;
        if (p[size] == '\0')
            break;
        p += size + 1;
    }
    for (size_t c = 0; !rc && c < t->n_columns; c++) {
        const char *name = t->column[c];

        if (has_attribute(ds, name))
            continue;
        rc = add_joined(ds, t, name, strlen(name), plan->column[plan->n],
                        &plan->n_columns[plan->n], err);
        plan->n++;
    }
    return rc;
}

/* `folder`/`inner`/`name` or `folder`/`name`, whichever is there; fresh. */
static char *find(const char *folder, const char *inner, const char *name)
{
    char *path = assay__format("%s/%s/%s", folder, inner, name);

    if (!path || assay__exists(path))
        return path;
    assay__free(path);
    return assay__path_join(folder, name);
}

static int list_paths(char ***out, const struct assay__celeba *t,
                      const char *folder, struct assay_error *err)
{
    char *images = find(folder, "Img", "img_align_celeba");
    char **path = assay__calloc(t->n, sizeof(*path));
    int rc = ASSAY_OK;

    for (size_t i = 0; images && path && i < t->n; i++) {
        path[i] = assay__path_join(images, t->file[i]);
        if (!path[i])
            rc = ASSAY_NOMEM;
    }
    if (!images || !path || rc) {
        rc = assay_error_set(err, ASSAY_NOMEM, "no memory for %zu paths", t->n);
        if (path)
            assay__names_free(path, t->n);
    } else {
        *out = path;
    }
    assay__free(images);
    return rc;
}

static int read_all(struct assay_dataset *ds, const struct assay__celeba *t,
                    const struct assay__spec *spec, struct assay_error *err)
{
    const char *labels = spec->labels ? spec->labels : default_labels;
    struct plan *plan = assay__calloc(1, sizeof(*plan));
    char **path = NULL;
    int rc;

    if (!plan)
        return assay_error_set(err, ASSAY_NOMEM, "no memory for attributes");
    rc = add_attributes(ds, t, labels, plan, err);
    if (!rc)
        rc = list_paths(&path, t, spec->path, err);
    if (!rc)
        rc = assay__images_load(ds, path, t->n, spec->size, err);
    for (size_t a = 0; !rc && a < plan->n; a++)
        rc = fill_joined(ds, a, t, plan->column[a], plan->n_columns[a], err);
    if (!rc)
        rc = assay__dataset_relabel(ds, ds->attribute[0].name, err);
    if (path)
        assay__names_free(path, t->n);
    assay__free(plan);
    return rc;
}

static int open_celeba(struct assay_dataset *ds, const struct assay__spec *spec,
                       struct assay_error *err)
{
    char *path = find(spec->path, "Anno", "list_attr_celeba.txt");
    struct assay__celeba table = {0};
    unsigned char *text = NULL;
    size_t size = 0;
    int rc;

    if (!path)
        return assay_error_set(err, ASSAY_NOMEM, "no memory for a path");
    rc = assay__read_file(path, TEXT_MAX_BYTES, &text, &size, err);
    if (!rc) {
        rc = assay__celeba_read(&table, (char *)text, size, spec->max_records,
                                err);
        if (rc)
            rc = assay_error_prefix(err, rc, "%s", path);
    }
    if (!rc)
        rc = read_all(ds, &table, spec, err);
    assay__celeba_release(&table);
    assay__free(text);
    assay__free(path);
    return rc;
}

static bool probe(const char *folder)
{
    char *path = find(folder, "Anno", "list_attr_celeba.txt");
    bool is = path && assay__exists(path);

    assay__free(path);
    return is;
}

const struct assay_dataset_kind assay_dataset_kind_celeba = {
    .name = "celeba",
    .takes = ASSAY__SPEC_LABELS | ASSAY__SPEC_SIZE,
    .probe = probe,
    .open = open_celeba,
};
