/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_REPORT_CURVE_STEALING_H
#define ASSAY_REPORT_CURVE_STEALING_H

#include "core/buf.h"
#include "report/view.h"

/*
 * Agreement and accuracy of stolen copies by queries, a drawing for each
 * kind of records that was asked about: copies from posteriors, from labels
 * and the model made without asking stand in one. Nothing where no attack
 * has a curve.
 */
void assay__curve_stealing(const struct assay__view *view,
                           struct assay__buf *b);

#endif
