/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_CLI_TRUST_OPTIONS_H
#define ASSAY_CLI_TRUST_OPTIONS_H

/* What `assay detect` and `assay repair` share: the options about clean
 * records, and lists of model files. */

#include "assay/trust.h"
#include "options.h"

struct assay__trust_values {
    const char *data;
    const char *label;
    int64_t max_records;
    int64_t clean;
    double scale;
    struct assay__reals mean;
    struct assay__reals std;
};
extern const struct assay__option assay__trust_record_options[];

int assay__trust_values_take(const struct assay__trust_values *v,
                             const char **data,
                             struct assay_dataset_options *dataset,
                             struct assay_trust_pixels *pixels, size_t *n_clean,
                             struct assay_error *err) ASSAY_MUST_CHECK;

/* Pointers to the words into names[], which is returned; NULL for none. */
const char *const *assay__words_list(const struct assay__words *words,
                                     const char **names);

/* Owned paths. */
struct assay__model_list {
    char **path;
    size_t n;
};
/* Files as they are; of a folder the model files in it, sorted by name. A
 * folder without any is ASSAY_ARG. */
int assay__model_list_make(struct assay__model_list *list,
                           const char *const *name, size_t n,
                           struct assay_error *err) ASSAY_MUST_CHECK;
void assay__model_list_release(struct assay__model_list *list);

#endif
