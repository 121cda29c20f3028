/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_CLI_TRAIN_H
#define ASSAY_CLI_TRAIN_H

/* One training of `assay train`: train.c leads it, train_defense.c defends
 * it, train_print.c tells of it. */

#include "assay/defense.h"
#include "session.h"
#include "training_data.h"

struct assay__train_values {
    struct assay__common_values common;
    struct assay__pixel_values pixels;
    struct assay__recipe_values recipe;
    const char *out;
    const char *quarter;
    int all;
    int64_t records;
    const char *defense;
    struct assay__words defense_params;
};

/* All that one training holds. */
struct assay__train {
    const struct assay__train_values *values;
    struct assay__training_data records;
    assay_model *model;
    struct assay_recipe recipe;
    struct assay_training training;
    char *checkpoint;
    struct assay_defense_choice defense;
    struct assay_defended defended;
    char *teacher_checkpoint;
    struct assay_privacy_claim promised; /* epsilons NaN: nothing */
    struct assay_evidence on_train;
    struct assay_evidence on_test;
};

/* The defence that the options name, if any. */
int assay__train_choose_defense(struct assay__train *w,
                                struct assay_error *err) ASSAY_MUST_CHECK;
/* The model, with group norm in the place of batch norm where the defence
 * wants it. */
int assay__train_make_model(struct assay__train *w, struct assay__session *s,
                            struct assay_error *err) ASSAY_MUST_CHECK;
/* w->promised, and a word on what it rests on. */
int assay__train_promise(struct assay__train *w, struct assay__session *s,
                         struct assay_error *err) ASSAY_MUST_CHECK;
/* Make w->training a defended one; trains the teacher where one is needed. */
int assay__train_defend(struct assay__train *w, struct assay__session *s,
                        struct assay_error *err) ASSAY_MUST_CHECK;

/* The result to the standard output, for people or as JSON. */
int assay__train_print(const struct assay__train *w, int as_json,
                       struct assay_error *err) ASSAY_MUST_CHECK;

#endif
