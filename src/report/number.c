/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers as text. printf's decimal point depends on the program's locale;
 * a library cannot choose that, so whatever point printf wrote is replaced.
 */

#include "report/number.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define DASH "\xe2\x80\x93"
#define MINUS "\xe2\x88\x92"
#define NBSP "\xc2\xa0"
#define LESS_EQUAL "\xe2\x89\xa4"
#define GREATER_EQUAL "\xe2\x89\xa5"

static struct assay__text literal(const char *text)
{
    struct assay__text t;

    snprintf(t.s, sizeof t.s, "%s", text);
    return t;
}

/* Copy printf's digits, with a point and a minus of our own. */
static struct assay__text from_printf(const char *digits)
{
    struct assay__text t;
    size_t size = 0;
    int in_point = 0;

    for (const char *p = digits; *p && size < sizeof t.s - 4; p++) {
        if (strchr("0123456789+e", *p)) {
            t.s[size++] = *p;
            in_point = 0;
        } else if (*p == '-') {
            memcpy(t.s + size, MINUS, 3);
            size += 3;
            in_point = 0;
        } else if (!in_point) {
            t.s[size++] = '.';
            in_point = 1; /* a point may be several bytes long */
        }
    }
    t.s[size] = '\0';
    return t;
}

struct assay__text assay__number_plain(double x)
{
    char digits[48];

    if (!isfinite(x))
        return literal(DASH);
    /* Whole numbers as people write them, as long as they are short. */
    if (fabs(x) < 1e7 && fabs(x) >= 1e4 && x == floor(x))
        snprintf(digits, sizeof digits, "%.0f", x);
    else
        snprintf(digits, sizeof digits, "%.4g", fabs(x) > 0 ? x : 0.0);
    return from_printf(digits);
}

struct assay__text assay__number_fixed(double x, int decimals)
{
    char digits[48];

    if (!isfinite(x))
        return literal(DASH);
    if (fabs(x) >= 1e12)
        return assay__number_plain(x);
    if (fabs(x) * pow(10, decimals) < 0.5)
        x = 0; /* no minus sign in front of zeros */
    snprintf(digits, sizeof digits, "%.*f", decimals, x);
    return from_printf(digits);
}

static struct assay__text with_percent(struct assay__text t)
{
    size_t size = strlen(t.s);

    if (size + sizeof(NBSP "%") <= sizeof t.s)
        memcpy(t.s + size, NBSP "%", sizeof(NBSP "%"));
    return t;
}

struct assay__text assay__number_percent(double x)
{
    double shown = fabs(x * 100);
    int decimals = 1;

    if (!isfinite(x))
        return literal(DASH);
    if (shown < 0.0005 || shown > 99.9999999)
        decimals = shown < 1 ? 0 : decimals;
    else if (shown < 0.0995)
        decimals = 3;
    else if (shown < 0.995)
        decimals = 2;
    return with_percent(assay__number_fixed(x * 100, decimals));
}

struct assay__text assay__number_rate(double x)
{
    if (!isfinite(x))
        return literal(DASH);
    return with_percent(assay__number_plain(x * 100));
}

struct assay__text assay__number_count(double n)
{
    struct assay__text t;
    char digits[32];
    size_t length;
    size_t size = 0;

    if (!isfinite(n))
        return literal(DASH);
    if (n < 0 || n >= 1e15)
        return assay__number_plain(n);
    length = (size_t)snprintf(digits, sizeof digits, "%.0f", n);
    for (size_t i = 0; i < length; i++) {
        if (i && (length - i) % 3 == 0)
            t.s[size++] = ',';
        t.s[size++] = digits[i];
    }
    t.s[size] = '\0';
    return t;
}

struct assay__text assay__number(double x, enum assay__number_kind kind)
{
    switch (kind) {
    case ASSAY__NUMBER_FRACTION:
        return assay__number_fixed(x, 3);
    case ASSAY__NUMBER_PERCENT:
        return assay__number_percent(x);
    case ASSAY__NUMBER_PLAIN:
        break;
    }
    return assay__number_plain(x);
}

struct assay__text assay__number_interval(const struct assay_estimate *e,
                                          enum assay__number_kind kind)
{
    struct assay__text low = assay__number(e->low, kind);
    struct assay__text high = assay__number(e->high, kind);
    struct assay__text t = literal(DASH);
    const char *unit = strstr(low.s, NBSP "%");

    /* 3.1 – 4.2 %: the unit once. */
    if (isfinite(e->low) && isfinite(e->high))
        snprintf(t.s, sizeof t.s, "%.*s" NBSP DASH NBSP "%.24s",
                 unit ? (int)(unit - low.s) : 24, low.s, high.s);
    else if (isfinite(e->low))
        snprintf(t.s, sizeof t.s, GREATER_EQUAL NBSP "%.24s", low.s);
    else if (isfinite(e->high))
        snprintf(t.s, sizeof t.s, LESS_EQUAL NBSP "%.24s", high.s);
    return t;
}

enum assay__number_kind assay__number_kind_of(const char *metric)
{
    if (strcmp(metric, "auc") == 0)
        return ASSAY__NUMBER_FRACTION;
    if (strstr(metric, "tpr") || strstr(metric, "accuracy") ||
        strstr(metric, "advantage") || strstr(metric, "gap") ||
        strstr(metric, "agreement") || strstr(metric, "gain"))
        return ASSAY__NUMBER_PERCENT;
    return ASSAY__NUMBER_PLAIN;
}
