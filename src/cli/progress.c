/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Progress lines. A task's rate counts from the first step that this
 * process saw, so that work taken from a checkpoint does not flatter it.
 */

#include "progress.h"

#include <math.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "core/thread.h"

static const double terminal_interval = 0.1; /* seconds between rewrites */
static const double log_interval = 10;       /* and between plain lines */
static const double recently = 3;

void assay__progress_init(struct assay__progress *p, FILE *out)
{
    struct winsize size;

    memset(p, 0, sizeof(*p));
    p->out = out;
    p->columns = 79;
    if (out == NULL)
        return;
    p->terminal = isatty(fileno(out));
    if (p->terminal && ioctl(fileno(out), TIOCGWINSZ, &size) == 0 &&
        size.ws_col >= 40)
        p->columns = size.ws_col - 1;
}

const char *assay__duration_text(double seconds, char text[24])
{
    double s = seconds < 0 ? 0 : seconds;

    if (isnan(s))
        snprintf(text, 24, "not timed");
    else if (s < 10)
        snprintf(text, 24, "%.1f s", s);
    else if (s < 100)
        snprintf(text, 24, "%.0f s", s);
    else if (s < 3600)
        snprintf(text, 24, "%d min %02d s", (int)s / 60, (int)s % 60);
    else if (s < 100 * 3600.0)
        snprintf(text, 24, "%d h %02d min", (int)s / 3600, (int)s / 60 % 60);
    else
        snprintf(text, 24, "%.0f days", s / 86400);
    return text;
}

const char *assay__quantity_text(double x, char text[16])
{
    if (x < 1000)
        snprintf(text, 16, x < 10 ? "%.1f" : "%.0f", x);
    else if (x < 1e6)
        snprintf(text, 16, "%.1f k", x / 1e3);
    else
        snprintf(text, 16, "%.2f M", x / 1e6);
    return text;
}

static void begin(struct assay__progress_task *t,
                  const struct assay_progress *step)
{
    memset(t, 0, sizeof(*t));
    snprintf(t->name, sizeof(t->name), "%s", step->task);
    t->started = assay__clock_seconds();
    t->first = step->done;
}

/* A task that ended and is back at less is another of that name. */
static int is_another(const struct assay__progress_task *t,
                      const struct assay_progress *step)
{
    return t->total > 0 && t->done >= t->total && step->done < t->done;
}

/* The task's row; a new one when the name is not known. */
static struct assay__progress_task *find_task(struct assay__progress *p,
                                              const struct assay_progress *step)
{
    struct assay__progress_task *t;
    int i;

    for (i = 0; i < p->n_tasks; i++) {
        if (strcmp(p->task[i].name, step->task) != 0)
            continue;
        if (is_another(&p->task[i], step))
            begin(&p->task[i], step);
        return &p->task[i];
    }
    if (p->n_tasks == ASSAY__PROGRESS_TASKS) {
        memmove(p->task, p->task + 1,
                sizeof(p->task[0]) * (ASSAY__PROGRESS_TASKS - 1));
        p->n_tasks--;
    }
    t = &p->task[p->n_tasks++];
    begin(t, step);
    return t;
}

/* Other tasks that moved lately and are not done. */
static int n_others(const struct assay__progress *p,
                    const struct assay__progress_task *t, double now)
{
    int n = 0;
    int i;

    for (i = 0; i < p->n_tasks; i++) {
        const struct assay__progress_task *x = &p->task[i];

        n += x != t && x->done < x->total && now - x->moved < recently;
    }
    return n;
}

static void format_bar(const struct assay__progress_task *t, char bar[28])
{
    enum { WIDTH = 24 };
    int filled = 0;
    int i;

    if (t->total > 0)
        filled = (int)((double)t->done / (double)t->total * WIDTH);
    bar[0] = '[';
    for (i = 0; i < WIDTH; i++)
        bar[1 + i] = i < filled ? '#' : '.';
    bar[WIDTH + 1] = ']';
    bar[WIDTH + 2] = '\0';
}

static void format_line(const struct assay__progress *p,
                        const struct assay__progress_task *t,
                        const struct assay_progress *step, char *line,
                        size_t size)
{
    double elapsed = t->moved - t->started;
    double rate = elapsed > 0 ? (double)(t->done - t->first) / elapsed : 0;
    int others = n_others(p, t, t->moved);
    char bar[28] = "";
    char amount[40] = "";
    char speed[48] = "";
    char left[40] = "";
    char more[24] = "";
    char number[16];
    char time[24];

    if (t->total > 0) {
        format_bar(t, bar);
        snprintf(amount, sizeof(amount), " %3.0f %%",
                 100.0 * (double)t->done / (double)t->total);
    }
    if (rate > 0)
        snprintf(speed, sizeof(speed), "  %s %s/s",
                 assay__quantity_text(rate, number),
                 step->unit != NULL ? step->unit : "steps");
    if (rate > 0 && t->total > t->done)
        snprintf(
            left, sizeof(left), "  %s left",
            assay__duration_text((double)(t->total - t->done) / rate, time));
    else if (t->total > 0 && t->done >= t->total)
        snprintf(left, sizeof(left), "  %s",
                 assay__duration_text(elapsed, time));
    if (others > 0)
        snprintf(more, sizeof(more), "  (+%d more)", others);
    snprintf(line, size, "%-16s %s%s%s%s%s%s%s", t->name,
             p->terminal ? bar : "", amount, speed, left,
             step->note != NULL ? "  " : "",
             step->note != NULL ? step->note : "", more);
}

void assay__progress_step(struct assay__progress *p,
                          const struct assay_progress *step)
{
    struct assay__progress_task *t;
    char line[256];
    double now = assay__clock_seconds();
    int ended;

    if (p->out == NULL || step->task == NULL)
        return;
    t = find_task(p, step);
    ended =
        step->total > 0 && step->done >= step->total && t->done < step->total;
    t->done = step->done < t->first ? t->first : step->done;
    t->total = step->total;
    t->moved = now;
    if (p->terminal) {
        if (!ended && now - p->last < terminal_interval)
            return;
        format_line(p, t, step, line, sizeof(line));
        fprintf(p->out, "\r%.*s\033[K", p->columns, line);
        p->shown = 1;
        if (ended) {
            fputc('\n', p->out);
            p->shown = 0;
        }
    } else {
        if (!ended && now - p->last < log_interval)
            return;
        format_line(p, t, step, line, sizeof(line));
        fprintf(p->out, "%s\n", line);
    }
    fflush(p->out);
    p->last = now;
}

void assay__progress_clear(struct assay__progress *p)
{
    if (p->out == NULL || !p->shown)
        return;
    fputs("\r\033[K", p->out);
    fflush(p->out);
    p->shown = 0;
}
