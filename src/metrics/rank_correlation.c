/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Spearman's rho and bootstrap intervals of correlations. Ranks are halves
 * of whole numbers, so that ties are exact.
 */

#include <math.h>
#include <stdlib.h>

#include "assay/metrics.h"
#include "assay/rng.h"
#include "bounds.h"
#include "core/mem.h"

struct ranked {
    double value;
    size_t index;
};

static int by_value(const void *a, const void *b)
{
    const struct ranked *x = a;
    const struct ranked *y = b;

    return (x->value > y->value) - (x->value < y->value);
}

/* Ranks from 1; records of one value share the mean of their ranks. */
static void rank(const double *x, size_t n, struct ranked *work, double *ranks)
{
    size_t i;
    size_t k;

    for (i = 0; i < n; i++) {
        work[i].value = x[i];
        work[i].index = i;
    }
    qsort(work, n, sizeof(*work), by_value);
    for (i = 0; i < n;) {
        size_t end = i + 1;

        while (end < n && !(work[end].value > work[i].value))
            end++;
        for (k = i; k < end; k++)
            ranks[work[k].index] = ((double)(i + 1) + (double)end) / 2;
        i = end;
    }
}

static int all_finite(const double *x, size_t n)
{
    size_t i;

    for (i = 0; i < n; i++) {
        if (!isfinite(x[i]))
            return 0;
    }
    return 1;
}

/* Room for the ranks of two lists. */
struct room {
    struct ranked *work;
    double *x;
    double *y;
};

static int room_make(struct room *room, size_t n)
{
    room->work = assay__calloc(n, sizeof(*room->work));
    room->x = assay__calloc(n, sizeof(*room->x));
    room->y = assay__calloc(n, sizeof(*room->y));
    return room->work != NULL && room->x != NULL && room->y != NULL;
}

static void room_release(struct room *room)
{
    assay__free(room->work);
    assay__free(room->x);
    assay__free(room->y);
}

static struct assay_estimate spearman(const double *x, const double *y,
                                      size_t n, struct room *room)
{
    struct assay_estimate e = assay__estimate_none();
    double half;

    if (!all_finite(x, n) || !all_finite(y, n))
        return e;
    rank(x, n, room->work, room->x);
    rank(y, n, room->work, room->y);
    e = assay_pearson(room->x, room->y, n);
    if (isnan(e.value) || n < 4)
        return e;
    half = ASSAY__Z95 * sqrt((1 + e.value * e.value / 2) / (double)(n - 3));
    e.low = tanh(atanh(e.value) - half);
    e.high = tanh(atanh(e.value) + half);
    return e;
}

int assay_spearman(struct assay_estimate *out, const double *x, const double *y,
                   size_t n, struct assay_error *err)
{
    struct room room;
    int code = ASSAY_OK;

    if (room_make(&room, n))
        *out = spearman(x, y, n, &room);
    else
        code = assay_error_set(err, ASSAY_NOMEM, "ranks of %zu numbers", n);
    room_release(&room);
    return code;
}

static double correlation(enum assay_correlation kind, const double *x,
                          const double *y, size_t n, struct room *room)
{
    if (kind == ASSAY_SPEARMAN)
        return spearman(x, y, n, room).value;
    return assay_pearson(x, y, n).value;
}

static int ascending(const void *a, const void *b)
{
    const double *x = a;
    const double *y = b;

    return (*x > *y) - (*x < *y);
}

/* Between the two neighbours of (n - 1) p. */
static double quantile(const double *sorted, size_t n, double p)
{
    double at = (double)(n - 1) * p;
    size_t i = (size_t)at;

    if (i + 1 >= n)
        return sorted[n - 1];
    return sorted[i] + (at - (double)i) * (sorted[i + 1] - sorted[i]);
}

/* Correlations of the draws that have one, into r; how many. `pair` has room
 * for n pairs. */
static size_t draw(const struct assay_bootstrap *how, const double *x,
                   const double *y, size_t n, double *pair, struct room *room,
                   double *r)
{
    size_t kept = 0;
    size_t b;
    size_t i;

    for (b = 0; b < how->resamples; b++) {
        struct assay_rng rng;

        assay_rng_init(&rng, how->seed, "bootstrap", b);
        for (i = 0; i < n; i++) {
            size_t k = (size_t)assay_rng_below(&rng, n);

            pair[i] = x[k];
            pair[n + i] = y[k];
        }
        r[kept] = correlation(how->kind, pair, pair + n, n, room);
        if (!isnan(r[kept]))
            kept++;
    }
    return kept;
}

int assay_correlation_bootstrap(struct assay_estimate *out,
                                const struct assay_bootstrap *how,
                                const double *x, const double *y, size_t n,
                                struct assay_error *err)
{
    struct assay_estimate e = assay__estimate_none();
    double *pair = assay__calloc(n, 2 * sizeof(*pair));
    double *r = assay__calloc(how->resamples + 1, sizeof(*r));
    struct room room;
    size_t kept;
    int code = ASSAY_OK;

    if (!room_make(&room, n) || pair == NULL || r == NULL) {
        code = assay_error_set(err, ASSAY_NOMEM, "%zu draws of %zu pairs",
                               how->resamples, n);
        goto out;
    }
    e.value = correlation(how->kind, x, y, n, &room);
    e.n = n;
    if (!isnan(e.value) && n >= 4) {
        kept = draw(how, x, y, n, pair, &room, r);
        if (kept > 0 && kept * 2 >= how->resamples) {
            qsort(r, kept, sizeof(*r), ascending);
            e.low = quantile(r, kept, 0.025);
            e.high = quantile(r, kept, 0.975);
        }
    }
    *out = e;

out:
    room_release(&room);
    assay__free(pair);
    assay__free(r);
    return code;
}
