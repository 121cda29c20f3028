/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_CLI_PROGRESS_H
#define ASSAY_CLI_PROGRESS_H

/*
 * Progress on stderr. On a terminal, one line that is rewritten: task, bar,
 * rate, time left. Elsewhere (a log file, CI), a plain line when a task
 * starts or ends and at most one every ten seconds between. Several tasks
 * may be under way at once; the line shows the one that moved last and how
 * many others there are.
 */

#include <stdio.h>

#include "assay/context.h"

enum { ASSAY__PROGRESS_TASKS = 64 };

struct assay__progress_task {
    char name[48];
    double started; /* seconds, monotonic */
    double moved;   /* the last step */
    uint64_t first; /* units that were already done at the start */
    uint64_t done;
    uint64_t total;
};

struct assay__progress {
    FILE *out; /* NULL: silent */
    int terminal;
    int columns;
    int shown;   /* a line is on the screen */
    double last; /* when something was last written */
    struct assay__progress_task task[ASSAY__PROGRESS_TASKS];
    int n_tasks; /* in use; the table forgets finished tasks when full */
};

/* `out` NULL for silence. Looks at the terminal once, here. */
void assay__progress_init(struct assay__progress *p, FILE *out);
void assay__progress_step(struct assay__progress *p,
                          const struct assay_progress *step);
/* Take the line off the screen, before other output. */
void assay__progress_clear(struct assay__progress *p);

/* "1.2 s", "3 min 20 s", "1 h 05 min" into text[24]. */
const char *assay__duration_text(double seconds, char text[24]);
/* "950", "12.3 k", "4.56 M" into text[16]. */
const char *assay__quantity_text(double x, char text[16]);

#endif
