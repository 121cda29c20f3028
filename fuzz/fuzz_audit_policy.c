/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a policy, as a recipe and as a training curve. */

#include <string.h>

#include "assay/audit.h"
#include "audit/policy.h"
#include "core/mem.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct assay__policy policy;
    struct assay_recipe recipe;
    struct assay_curve curve = {NULL, 0};
    struct assay_error err;
    char *text = assay__malloc(size + 1);

    if (text == NULL)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    (void)!assay__policy_parse(&policy, text, size, "fuzz", &err);
    (void)!assay_recipe_from_text(&recipe, text, &err);
    if (assay_curve_from_text(&curve, text, &err) == ASSAY_OK)
        assay_curve_release(&curve);
    assay__free(text);
    return 0;
}
