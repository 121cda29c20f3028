/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sorting the scores once, by class, and walking down through both.
 *
 * Two sorted arrays instead of one array of pairs: the placements that
 * DeLong's variance needs are then a plain merge, and half as many bytes
 * move while sorting.
 */

#include "order.h"

#include <math.h>
#include <stdlib.h>

#include "core/mem.h"

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a;
    const double y = *(const double *)b;

    return (x > y) - (x < y);
}

static int check(const double *scores, const uint8_t *positive, size_t n,
                 size_t *n_pos, struct assay_error *err)
{
    size_t count = 0;
    size_t i;

    for (i = 0; i < n; i++) {
        if (!isfinite(scores[i]))
            return assay_error_set(err, ASSAY_NUMERIC,
                                   "score of record %zu of %zu is %f", i, n,
                                   scores[i]);
        if (positive[i] > 1)
            return assay_error_set(err, ASSAY_ARG,
                                   "membership of record %zu is %u, "
                                   "expected 0 or 1",
                                   i, (unsigned)positive[i]);
        count += positive[i];
    }
    if (count == 0)
        return assay_error_set(err, ASSAY_DATA, "no member among %zu records",
                               n);
    if (count == n)
        return assay_error_set(err, ASSAY_DATA,
                               "no non-member among %zu records", n);
    *n_pos = count;
    return ASSAY_OK;
}

int assay__order_make(struct assay__order *o, const double *scores,
                      const uint8_t *positive, size_t n,
                      struct assay_error *err)
{
    size_t n_pos = 0;
    double *block;
    double *pos;
    double *neg;
    size_t i;
    int rc;

    rc = check(scores, positive, n, &n_pos, err);
    if (rc != ASSAY_OK)
        return rc;
    block = assay__calloc(n, sizeof(*block));
    if (block == NULL)
        return assay_error_set(err, ASSAY_NOMEM,
                               "out of memory sorting %zu scores", n);

    pos = block;
    neg = block + n_pos;
    for (i = 0; i < n; i++) {
        if (positive[i])
            *pos++ = scores[i];
        else
            *neg++ = scores[i];
    }
    o->pos = block;
    o->neg = block + n_pos;
    o->n_pos = n_pos;
    o->n_neg = n - n_pos;
    qsort(o->pos, o->n_pos, sizeof(double), by_value);
    qsort(o->neg, o->n_neg, sizeof(double), by_value);
    return ASSAY_OK;
}

void assay__order_release(struct assay__order *o)
{
    assay__free(o->pos);
    o->pos = NULL;
    o->neg = NULL;
}

void assay__walk_start(struct assay__walk *w, const struct assay__order *o)
{
    w->order = o;
    w->tp = 0;
    w->fp = 0;
    w->score = HUGE_VAL;
}

bool assay__walk_next(struct assay__walk *w)
{
    const struct assay__order *o = w->order;
    size_t pos_left = o->n_pos - w->tp;
    size_t neg_left = o->n_neg - w->fp;
    double score;

    if (pos_left == 0 && neg_left == 0)
        return false;
    if (neg_left == 0 ||
        (pos_left > 0 && o->pos[pos_left - 1] > o->neg[neg_left - 1]))
        score = o->pos[pos_left - 1];
    else
        score = o->neg[neg_left - 1];
    while (pos_left > 0 && o->pos[pos_left - 1] >= score)
        pos_left--;
    while (neg_left > 0 && o->neg[neg_left - 1] >= score)
        neg_left--;
    w->tp = o->n_pos - pos_left;
    w->fp = o->n_neg - neg_left;
    w->score = score;
    return true;
}
