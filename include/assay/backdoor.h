/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_BACKDOOR_H
#define ASSAY_BACKDOOR_H

/*
 * Backdoors whose place and strength are known: the ground truth that
 * detectors (detector.h) and repairs (repair.h) are calibrated by. Each is
 * one file in backdoors/ and one row in backdoors/backdoors.def; help,
 * reports and tests follow from its struct.
 *
 * They are made on one's own models and on public research models, to learn
 * what one's checks would have found.
 */

#include "assay/context.h"
#include "assay/model.h"
#include "assay/setting.h"
#include "assay/trigger.h"

#ifdef __cplusplus
extern "C" {
#endif

enum assay_backdoor_kind {
    ASSAY_BACKDOOR_DATA,   /* poisoned training records */
    ASSAY_BACKDOOR_MODEL,  /* a trained model's weights are altered */
    ASSAY_BACKDOOR_ENCODER /* an extractor's are; what is built on it decides
                              the class */
};
const char *assay_backdoor_kind_name(enum assay_backdoor_kind kind);

/* What a backdoor is planted into. All borrowed. */
struct assay_backdoor_input {
    const struct assay_context *ctx;
    const struct assay_compute *compute;
    const struct assay_model_spec *spec; /* of the model to train */
    const struct assay_recipe *recipe;
    const assay_view *train;  /* the attacker's records */
    const assay_view *test;   /* for the curve; may be NULL */
    const assay_model *clean; /* trained without a backdoor: for those that
                                 alter one; NULL unless `wants_clean` */
    int target;               /* the class that the trigger leads to */
    uint64_t seed;            /* initial values, order, poisoned records */
    const char *checkpoint;   /* path, or NULL */
    const double *param;      /* in the order of the rows; NULL: defaults */
};

/* What was planted; owned. */
struct assay_backdoored {
    assay_model *model; /* of the spec's architecture and classes */
    struct assay_trigger trigger;
    int target;
    double seconds;
};
void assay_backdoored_release(struct assay_backdoored *b);

struct assay_backdoor {
    const char *name;    /* "badnets": stable, for flags and files */
    const char *title;   /* "BadNets" */
    const char *summary; /* one sentence for people */
    const char *cites;
    enum assay_backdoor_kind kind;
    int wants_clean;                    /* alters a clean model */
    const struct assay_setting *params; /* ends with name NULL; or NULL */
    int (*plant)(const struct assay_backdoor_input *in,
                 struct assay_backdoored *out, struct assay_error *err);
};

/* The table, in the order of backdoors.def; ends with NULL. */
const struct assay_backdoor *const *assay_backdoor_table(void);
const struct assay_backdoor *assay_backdoor_find(const char *name);

/* Plant it: checks parameters, target and what it needs, takes the time. */
int assay_backdoor_plant(const struct assay_backdoor *b,
                         const struct assay_backdoor_input *in,
                         struct assay_backdoored *out,
                         struct assay_error *err) ASSAY_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
