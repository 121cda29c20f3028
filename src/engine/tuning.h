/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_ENGINE_TUNING_H
#define ASSAY_ENGINE_TUNING_H

/*
 * A tuning as text, so that a checkpoint carries the choices its run was
 * made with and the resumed run repeats them.
 */

#include "assay/plan.h"

/* JSON of all choices, fresh (assay__free); NULL when out of memory. */
char *assay__tuning_text(const assay_tuning *t);
/* Put all choices of such a text. */
int assay__tuning_take(assay_tuning *t, const char *text,
                       struct assay_error *err) ASSAY_MUST_CHECK;

#endif
