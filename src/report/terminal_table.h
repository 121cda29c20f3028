/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_REPORT_TERMINAL_TABLE_H
#define ASSAY_REPORT_TERMINAL_TABLE_H

#include "report/sheet.h"
#include "report/view.h"

/* A table for each goal that attacks were meant for, with what did not run
 * below it. */
void assay__terminal_tables(struct assay__sheet *s,
                            const struct assay__view *view);

#endif
