/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_TRUST_REPAIR_H
#define ASSAY_TRUST_REPAIR_H

/* A run of repairs on one model, for repair.c and repair_kept.c alone. */

#include "trust/trust.h"

enum { ASSAY__REPAIRS_MAX = 32 };
/* Parts of the clean records. */
enum {
    ASSAY__REPAIR_TUNE,
    ASSAY__REPAIR_HELD_OUT,
    ASSAY__REPAIR_MEASURE,
    ASSAY__REPAIR_PARTS
};

struct assay__chosen_repair {
    const struct assay_repair *repair;
    double param[ASSAY_SETTINGS_MAX];
};

struct assay__repairs {
    const struct assay_trust_repair_options *o;
    const struct assay_context *ctx;
    struct assay__chosen_repair chosen[ASSAY__REPAIRS_MAX];
    size_t n_chosen;
    assay_model *model;
    assay_dataset *data;
    assay_view *part[ASSAY__REPAIR_PARTS];
    struct assay_trigger trigger;
    struct assay_trigger known;
    int target; /* -1: no trigger */
    const char *trigger_from;
    char base[65]; /* key of model, records, seed and computer; with a folder */
};

/* Into w->base: the hash of all that every result depends on. */
int assay__repairs_key(struct assay__repairs *w,
                       struct assay_error *err) ASSAY_MUST_CHECK;
/* A place in the folder: found/NAME-OF.ENDING. Owned; NULL: no memory. */
char *assay__repairs_path(const struct assay__repairs *w, const char *name,
                          const char *of, const char *ending);
/* The trigger that was reversed in an earlier run; 1 when it is there, with
 * the model's shape, or when it is known that there is none. */
int assay__reversed_take(struct assay__repairs *w, const char *path,
                         const char *trigger, const char *key);
int assay__reversed_keep(const struct assay__repairs *w, const char *path,
                         const char *trigger, const char *key,
                         struct assay_error *err) ASSAY_MUST_CHECK;
/* The key of a row that says which repair it is, and no more. */
int assay__repair_key(const struct assay__repairs *w, const json_t *row,
                      char key[65], struct assay_error *err) ASSAY_MUST_CHECK;
/* Whether a kept row is that one's, and whole, with its model there. */
int assay__repair_fits(const struct assay__repairs *w, const json_t *found,
                       const json_t *row);

#endif
