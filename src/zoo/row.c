/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values of rows (row.h). Numbers are read by the C library after a look at
 * the characters, so that neither "0x1p3" nor "infinity" is one. A program
 * in a locale with another decimal point would read less: it is refused.
 */

#include "zoo/row.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

bool assay__zoo_number(const char *text, double *x)
{
    char *end;
    double value;

    if (*text == '\0' || strspn(text, "0123456789+-.eE") != strlen(text))
        return false;
    value = strtod(text, &end);
    if (*end != '\0' || !isfinite(value))
        return false;
    *x = value;
    return true;
}

static bool means_missing(const char *text)
{
    return strcasecmp(text, "nan") == 0 || strcasecmp(text, "none") == 0 ||
           strcasecmp(text, "null") == 0;
}

/* 77.3 at a scale of 1/100 is the double nearest 0.773. */
static double scaled(double x, double scale)
{
    double parts = round(1 / scale);

    return scale < 1 && fabs(x) < 1e6 ? round(x * 1e8) / (parts * 1e8)
                                      : x * scale;
}

static int refuse(const char *name, const char *raw, const char *want,
                  struct assay_error *err)
{
    return assay_error_set(err, ASSAY_FORMAT, "%s is \"%.60s\", not %s", name,
                           raw, want);
}

int assay__zoo_row_set(struct assay__zoo_row *row, size_t column,
                       const char *raw, double scale, struct assay_error *err)
{
    const struct assay_zoo_column *told = &assay__zoo_column(column)->told;
    struct assay__zoo_value *v = &row->value[column];
    double x = NAN;

    if (raw == NULL || *raw == '\0')
        return ASSAY_OK;
    if (strlen(raw) > ASSAY__ZOO_TEXT_MAX)
        return assay_error_set(err, ASSAY_LIMIT, "%s has %zu bytes, limit %d",
                               told->name, strlen(raw), ASSAY__ZOO_TEXT_MAX);
    memset(v, 0, sizeof(*v));
    v->raw = raw;
    if (told->type == ASSAY_ZOO_TEXT)
        return ASSAY_OK;
    if (means_missing(raw)) {
        v->missing = true;
        v->note = "no number in the source";
        return ASSAY_OK;
    }
    if (!assay__zoo_number(raw, &x))
        return refuse(told->name, raw, "a number", err);
    x = scaled(x, scale);
    if (told->type == ASSAY_ZOO_INTEGER &&
        (fabs(x - round(x)) > 0 || x < 0 || x > 9007199254740992.0))
        return refuse(told->name, raw, "a whole number", err);
    if (strcmp(told->unit, "fraction") == 0 && (x < 0 || x > 1))
        return refuse(told->name, raw,
                      scale < 1 ? "within 0 to 100" : "within 0 to 1", err);
    v->real = x;
    return ASSAY_OK;
}

int assay__zoo_row_add(struct assay__zoo_row *row, const char *name,
                       const char *unit, const char *raw,
                       struct assay_error *err)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789_./:-";
    struct assay__zoo_extra *e = &row->extra[row->n_extras];
    size_t n = strlen(name);
    size_t i;

    if (raw == NULL || *raw == '\0' || n == 0 || n > 64 ||
        strspn(name, allowed) != n || row->n_extras == ASSAY__ZOO_EXTRAS_MAX ||
        assay__zoo_column_find(name) != NULL)
        return ASSAY_OK;
    for (i = 0; i < row->n_extras; i++) {
        if (strcmp(row->extra[i].name, name) == 0)
            return ASSAY_OK;
    }
    if (strlen(raw) > ASSAY__ZOO_TEXT_MAX)
        return assay_error_set(err, ASSAY_LIMIT, "%s has %zu bytes, limit %d",
                               name, strlen(raw), ASSAY__ZOO_TEXT_MAX);
    memset(e, 0, sizeof(*e));
    e->name = name;
    e->unit = unit;
    e->value.raw = raw;
    e->is_number = assay__zoo_number(raw, &e->value.real);
    row->n_extras++;
    return ASSAY_OK;
}

void assay__zoo_row_void(struct assay__zoo_row *row, size_t column,
                         const char *note)
{
    row->value[column].missing = true;
    row->value[column].note = note;
}
