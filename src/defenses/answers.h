/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_DEFENSES_ANSWERS_H
#define ASSAY_DEFENSES_ANSWERS_H

/* What answer-side defences share; for this folder alone. */

/* Index of the largest of k; the lowest of equals. */
int assay__top_class(const double *p, int k);
/* Make the class the largest again where an alteration put another one
 * first, by exchange, or beside it, by the least amount there is. */
void assay__keep_class(double *p, int k, int top);

#endif
