/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_REPORT_TERMINAL_TRUST_H
#define ASSAY_REPORT_TERMINAL_TRUST_H

#include "report/sheet.h"
#include "report/view.h"

/* Scan, detectors and repairs, a line each; nothing where none was asked. */
void assay__terminal_trust(struct assay__sheet *s,
                           const struct assay__view *view);

#endif
