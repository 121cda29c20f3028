/* SPDX-License-Identifier: Apache-2.0 */
/* Text of a column as categories (csv.h): sorted, made unique, numbered. */

#include "data/csv.h"

#include <stdlib.h>
#include <string.h>

#include "core/mem.h"

static const char MISSING[] = "missing";

/* A whole number of up to 18 digits, the whole text. */
static bool is_integer(const char *text)
{
    size_t n;

    if (*text == '-')
        text++;
    n = strspn(text, "0123456789");
    return n > 0 && n <= 18 && text[n] == '\0';
}

static int by_bytes(const void *a, const void *b)
{
    const char *x = *(const char *const *)a;
    const char *y = *(const char *const *)b;

    if (!*x || !*y)
        return !*x - !*y; /* empty ones last */
    return strcmp(x, y);
}

static int by_value(const void *a, const void *b)
{
    const char *x = *(const char *const *)a;
    const char *y = *(const char *const *)b;
    long long u;
    long long v;

    if (!*x || !*y)
        return !*x - !*y;
    u = strtoll(x, NULL, 10);
    v = strtoll(y, NULL, 10);
    if (u != v)
        return u < v ? -1 : 1;
    return strcmp(x, y);
}

typedef int compare(const void *a, const void *b);

/* Drop repetitions from sorted text. */
static size_t unique(const char **text, size_t n)
{
    size_t kept = 0;

    for (size_t i = 0; i < n; i++) {
        if (kept == 0 || strcmp(text[kept - 1], text[i]) != 0)
            text[kept++] = text[i];
    }
    return kept;
}

static int assign(struct assay__attribute *attribute,
                  const struct assay__csv *csv, size_t column, size_t n_rows,
                  const char **text, compare *order, struct assay_error *err)
{
    size_t n = unique(text, n_rows);

    if (n > ASSAY__CLASSES_MAX)
        return assay_error_set(err, ASSAY_LIMIT,
                               "column '%.60s': %zu different values, limit %d",
                               attribute->name, n, ASSAY__CLASSES_MAX);
    for (size_t i = 0; i < n_rows; i++) {
        const char *cell = assay__csv_cell(csv, i, column);
        const char **at = bsearch(&cell, text, n, sizeof(*text), order);

        attribute->value[i] = (int32_t)(at - text);
    }
    if (n && !*text[n - 1])
        text[n - 1] = MISSING;
    attribute->value_name = assay__names_copy(text, n);
    if (!attribute->value_name)
        return assay_error_set(err, ASSAY_NOMEM, "no memory for categories");
    attribute->cardinality = (int)n;
    return ASSAY_OK;
}

int assay__csv_categories(struct assay__attribute *attribute,
                          const struct assay__csv *csv, size_t column,
                          size_t n_rows, struct assay_error *err)
{
    const char **text = assay__calloc(n_rows, sizeof(*text));
    compare *order = by_value;
    int rc;

    if (!text)
        return assay_error_set(err, ASSAY_NOMEM, "no memory for categories");
    for (size_t i = 0; i < n_rows; i++) {
        text[i] = assay__csv_cell(csv, i, column);
        if (*text[i] && !is_integer(text[i]))
            order = by_bytes;
    }
    if (n_rows)
        qsort(text, n_rows, sizeof(*text), order);
    rc = assign(attribute, csv, column, n_rows, text, order, err);
    assay__free(text);
    return rc;
}
