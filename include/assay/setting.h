/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_SETTING_H
#define ASSAY_SETTING_H

/*
 * Settings of the plug-ins (attacks, defences), as tables say them. A row
 * is the only place where a default is written; help, files and reports
 * read it. A list of rows ends with name NULL; NULL is the empty list.
 */

#include "assay/error.h"

#ifdef __cplusplus
extern "C" {
#endif

struct assay_setting {
    const char *name;
    double value; /* default */
    double min, max;
    const char *help;
};

enum { ASSAY_SETTINGS_MAX = 16 };

/* Number of rows, and index by name or -1. */
int assay_settings_count(const struct assay_setting *rows);
int assay_settings_index(const struct assay_setting *rows, const char *name);
/* Every value its default; value holds a number per row. */
void assay_settings_init(const struct assay_setting *rows, double *value);
/*
 * The text of a value into *out, within the limits of its row. Else
 * ASSAY_ARG; `what` names the thing in the message ("attack parameter
 * rmia.gamma=x").
 */
int assay_setting_parse(const struct assay_setting *row, const char *text,
                        const char *what, double *out,
                        struct assay_error *err) ASSAY_MUST_CHECK;
/* All values within their limits, else ASSAY_ARG; `owner` as "rmia". */
int assay_settings_check(const struct assay_setting *rows, const double *value,
                         const char *owner,
                         struct assay_error *err) ASSAY_MUST_CHECK;
/*
 * One "NAME=VALUE" of `text` at the row of that name in value[]. `prefix`
 * ("attack parameter") and `owner` ("rmia") are for messages.
 */
int assay_settings_assign(const struct assay_setting *rows, const char *text,
                          const char *prefix, const char *owner, double *value,
                          struct assay_error *err) ASSAY_MUST_CHECK;

/* A plug-in that was chosen: its rows, and where its values are. */
struct assay_setting_owner {
    const char *name;
    const struct assay_setting *rows;
    double *value;
};
/*
 * "OWNER.NAME=VALUE" for each of n texts. `kind` ("attack") is for messages,
 * which name `assay KINDs`. ASSAY_ARG for a text of another form, an owner
 * that is not among the n_owners, and what assay_settings_assign() refuses.
 */
int assay_settings_assign_all(const char *const *text, size_t n,
                              const struct assay_setting_owner *owner,
                              size_t n_owners, const char *kind,
                              struct assay_error *err) ASSAY_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
