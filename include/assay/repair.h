/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_REPAIR_H
#define ASSAY_REPAIR_H

/*
 * Repairs: what takes a backdoor out of a model, as far as it does. One file
 * in repairs/ and one row in repairs/repairs.def each; help, reports and
 * tests follow from its struct.
 *
 * A repair knows clean records and, some, a reversed trigger; never the true
 * one. Every threshold comes from clean records (some papers' public codes
 * choose it by the attack's success, which no defender can).
 */

#include "assay/context.h"
#include "assay/model.h"
#include "assay/setting.h"
#include "assay/trigger.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What a repair cannot run without. */
enum assay_repair_needs {
    ASSAY_REPAIR_NEEDS_CLEAN = 1 << 0,  /* clean records to tune on */
    ASSAY_REPAIR_NEEDS_TRIGGER = 1 << 1 /* a reversed trigger and its class */
};

/* All borrowed; NULL where there is none. */
struct assay_repair_input {
    const struct assay_context *ctx; /* its seed drives the repair */
    const struct assay_compute *compute;
    const assay_view *clean;    /* to tune on */
    const assay_view *held_out; /* clean too: thresholds are set by the
                                   accuracy on these */
    const struct assay_trigger *trigger;
    int target;
    const struct assay_recipe *recipe; /* rate, batch, augmentation ... of the
                                          tunings; epochs are the repair's own
                                          parameter */
    const double *param; /* in the order of the rows; NULL: defaults */
};

/* What was done. */
struct assay_repaired {
    size_t pruned;    /* channels that were switched off */
    size_t channels;  /* of so many that were looked at */
    double threshold; /* that was chosen; NaN: none */
    double lowered;   /* rate of its last tuning, where that is not the one
                         that was asked for; else 0 */
    char note[200];
    double seconds;
};

struct assay_repair {
    const char *name;    /* "fine-pruning": stable, for flags and files */
    const char *title;   /* "Fine-pruning" */
    const char *summary; /* one sentence for people */
    const char *cites;
    unsigned needs;                     /* assay_repair_needs */
    const struct assay_setting *params; /* ends with name NULL; or NULL */
    /* Changes the parameters of `m`; on failure they are unspecified. */
    int (*run)(const struct assay_repair_input *in, assay_model *m,
               struct assay_repaired *out, struct assay_error *err);
};

/* The recipe that repairs tune with where nobody says otherwise: SGD with a
 * cosine, batches of 128, crops of images padded by 4. */
void assay_repair_recipe_init(struct assay_recipe *recipe);

/* The table, in the order of repairs.def; ends with NULL. */
const struct assay_repair *const *assay_repair_table(void);
const struct assay_repair *assay_repair_find(const char *name);

/* Run it on `m`: checks needs (_ARG) and parameters, takes the time, and
 * gives `m` its old parameters back when it fails. */
int assay_repair_run(const struct assay_repair *r,
                     const struct assay_repair_input *in, assay_model *m,
                     struct assay_repaired *out,
                     struct assay_error *err) ASSAY_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
