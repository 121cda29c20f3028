/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of plug-ins: their settings, and names that are not in them. */

#include "listing.h"

#include <stdio.h>

#include "core/json.h"
#include "options.h"

json_t *assay__listing_settings(const struct assay_setting *rows)
{
    json_t *list = json_array();
    int i;

    for (i = 0; i < assay_settings_count(rows); i++)
        json_array_append_new(
            list,
            json_pack("{s:s, s:o, s:o, s:o, s:s}", "name", rows[i].name,
                      "default", assay__json_real(rows[i].value), "min",
                      assay__json_real(rows[i].min), "max",
                      assay__json_real(rows[i].max), "help", rows[i].help));
    return list;
}

void assay__listing_print_settings(const struct assay_setting *rows)
{
    int i;

    for (i = 0; i < assay_settings_count(rows); i++)
        printf("  %s = %g (%g to %g): %s\n", rows[i].name, rows[i].value,
               rows[i].min, rows[i].max, rows[i].help);
}

int assay__listing_refuse(const char *kind, const char *name,
                          const char *const *names, size_t n,
                          struct assay_error *err)
{
    const char *near = assay__nearest(name, names, n);

    return assay_error_set(err, ASSAY_ARG, "no %s \"%.40s\"%s%s%s", kind, name,
                           near != NULL ? "; did you mean \"" : "",
                           near != NULL ? near : "", near != NULL ? "\"?" : "");
}
