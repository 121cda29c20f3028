/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_ENGINE_TUNING_H
#define ASSAY_ENGINE_TUNING_H

/*
 * A tuning as text, so that a checkpoint carries the choices its run was
 * made with and the resumed run repeats them; and its lock.
 */

#include <stdbool.h>

#include "assay/plan.h"

/* JSON of all choices, fresh (assay__free); NULL when out of memory. */
char *assay__tuning_text(const assay_tuning *t);
/* Put all choices of such a text; with `keep`, only those of unknown keys. */
int assay__tuning_take(assay_tuning *t, const char *text, bool keep,
                       struct assay_error *err) ASSAY_MUST_CHECK;

/*
 * Held while a plan is compiled: plans that share a tuning are compiled one
 * at a time, so that two that pose one problem make one choice, and timings
 * do not disturb each other.
 */
void assay__tuning_lock(assay_tuning *t);
void assay__tuning_unlock(assay_tuning *t);

#endif
