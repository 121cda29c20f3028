/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_ATTACKS_ATTRIBUTE_H
#define ASSAY_ATTACKS_ATTRIBUTE_H

/* What attribute attacks share; for this folder alone. */

#include "assay/attack.h"

/* The sensitive attribute of record i of a piece of evidence. */
int32_t assay__attribute_of(const struct assay_attack_input *in,
                            const struct assay_evidence *e, size_t i);
/* One guess per non-member, all 0: OK or NOMEM. */
int assay__guesses_make(struct assay_guesses *g, size_t n, size_t learnt_from,
                        struct assay_error *err) ASSAY_MUST_CHECK;

#endif
