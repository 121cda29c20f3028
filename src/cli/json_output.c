/* SPDX-License-Identifier: Apache-2.0 */
#include "json_output.h"

#include <stdio.h>

#include "core/json.h"
#include "core/mem.h"

int assay__print_json(json_t *value, const char *what, struct assay_error *err)
{
    char *text = value != NULL ? assay__json_text(value) : NULL;

    json_decref(value);
    if (text == NULL)
        return assay_error_set(err, ASSAY_NOMEM, "out of memory for %s", what);
    fputs(text, stdout);
    assay__free(text);
    return ASSAY_OK;
}
