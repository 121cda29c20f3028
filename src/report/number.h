/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_REPORT_NUMBER_H
#define ASSAY_REPORT_NUMBER_H

/*
 * Numbers as people read them, the same in every locale. Results are small
 * structs, so that a call may stand where its text is needed:
 * assay__number_fixed(x, 3).s. A missing number (NaN) is an en dash.
 *
 * Text is UTF-8: a true minus sign, and a space that does not break before
 * the per cent sign.
 */

#include <math.h>
#include <stddef.h>

#include "assay/metrics.h"

/* A number that is not there. */
#define ASSAY__MISSING ((double)NAN)

struct assay__text {
    char s[64];
};

/* How a metric is written. */
enum assay__number_kind {
    ASSAY__NUMBER_FRACTION, /* 0.713 */
    ASSAY__NUMBER_PERCENT,  /* 71.3 % */
    ASSAY__NUMBER_PLAIN     /* four significant digits */
};

struct assay__text assay__number_fixed(double x, int decimals);
/* 4 significant digits, exponent where needed. */
struct assay__text assay__number_plain(double x);
/* x = 0.0312: "3.1 %". Two decimals below 1 %, three below 0.1 %. */
struct assay__text assay__number_percent(double x);
/* A rate given by people: 0.001 is "0.1 %". */
struct assay__text assay__number_rate(double x);
/* 17500: "17,500". */
struct assay__text assay__number_count(double n);

struct assay__text assay__number(double x, enum assay__number_kind kind);
/* "0.705 – 0.721"; a missing end is left out: "≥ 0.705", "≤ 0.721". */
struct assay__text assay__number_interval(const struct assay_estimate *e,
                                          enum assay__number_kind kind);
/* How the values of findings.json's metric `name` are written. */
enum assay__number_kind assay__number_kind_of(const char *metric);

#endif
