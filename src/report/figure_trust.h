/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_REPORT_FIGURE_TRUST_H
#define ASSAY_REPORT_FIGURE_TRUST_H

#include "core/buf.h"
#include "report/view.h"

/* Each detection that reversed a trigger or has a number for each class: the
 * trigger as a picture beside the numbers as columns. Nothing without any. */
void assay__figure_triggers(const struct assay__view *view,
                            struct assay__buf *b, const json_t *detectors);

#endif
