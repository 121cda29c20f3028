/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_ATTACKS_INVERSION_H
#define ASSAY_ATTACKS_INVERSION_H

/* What inversion attacks share; for this folder alone. */

#include "assay/attack.h"
#include "assay/inversion.h"

/* `each` searches for every class, classes in turn: wanted[i] = i mod K. */
int assay__pictures_make(struct assay_pictures *p,
                         const struct assay_attack_input *in, size_t each,
                         struct assay_error *err) ASSAY_MUST_CHECK;
/* The images of a finished search into the pictures, taken over. */
void assay__pictures_take(struct assay_pictures *p,
                          struct assay_inversion *found);

#endif
