/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MemGuard, phase I (Jia et al., CCS 2019, algorithm 1). For a record's
 * log-posteriors z0 with the classifier's logit h(z), z is moved by steps of
 * length 0.1 against the gradient of
 *
 *   |h(z)| + 10 relu(max of the other z - z of the class)
 *          + c3 |softmax(z) - softmax(z0)|_1
 *
 * until the class is z0's and h has changed its sign (it is near 0 then, as
 * steps are small). c3 starts at 0.1; after each success the search begins
 * again with ten times as much, and the last success counts: the least
 * distorted one.
 *
 * The gradient of h comes from the engine, for as many records at once as a
 * plan has rows; a row whose record is done takes the next one. The other
 * terms are worked out here, in double.
 */

#include "defenses/memguard.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "core/mem.h"

static const double step_length = 0.1;
static const double weight_of_class = 10;
static const double first_weight = 0.1;
static const double last_weight = 1e5;
/* |sigmoid(h) - 1/2| that needs no noise, as a logit. */
static const double near_enough = 4e-5;

/* A row of the plan and the record it works for. */
struct slot {
    bool busy;
    size_t record;
    double c3;
    int iteration;
};

struct search {
    struct assay__guard *g;
    const double *z0; /* [n, K] */
    size_t n;
    size_t next; /* record that no slot has yet */
    int iterations;
    double *noisy;
    double *before;
    double *after;
    struct slot slot[ASSAY__GUARD_BATCH];
    float *z;      /* [batch, K] */
    float *d_z;    /* [batch, K] */
    float *member; /* [batch] */
    double *p0;    /* [K] */
    double *p;     /* [K] */
    double *d;     /* [K] */
};

static void soften(const double *z, int k, double *p)
{
    double sum = 0;

    for (int i = 0; i < k; i++)
        sum += p[i] = exp(z[i] - z[0]);
    for (int i = 0; i < k; i++)
        p[i] /= sum;
}

static void restart(struct search *s, size_t row)
{
    struct slot *slot = &s->slot[row];
    size_t k = (size_t)s->g->k;

    for (size_t i = 0; i < k; i++)
        s->z[row * k + i] = (float)s->z0[slot->record * k + i];
    slot->iteration = 0;
}

/* The next record, if there is one. */
static void take_next(struct search *s, size_t row)
{
    struct slot *slot = &s->slot[row];
    size_t k = (size_t)s->g->k;

    slot->busy = s->next < s->n;
    if (!slot->busy)
        return;
    slot->record = s->next++;
    slot->c3 = first_weight;
    memcpy(s->noisy + slot->record * k, s->z0 + slot->record * k,
           k * sizeof(double));
    restart(s, row);
}

/* The largest of all but the first. */
static size_t rival_of(const float *z, size_t k)
{
    size_t best = 1;

    for (size_t i = 2; i < k; i++)
        if (z[i] > z[best])
            best = i;
    return best;
}

/* d[] += c3 times the gradient of the L1 distance of posteriors. */
static void add_distance(struct search *s, const double *z0, const double *z,
                         double c3)
{
    int k = s->g->k;
    double mean = 0;

    soften(z0, k, s->p0);
    soften(z, k, s->p);
    for (int i = 0; i < k; i++) {
        double sign = (s->p[i] > s->p0[i]) - (s->p[i] < s->p0[i]);

        s->p0[i] = sign;
        mean += sign * s->p[i];
    }
    for (int i = 0; i < k; i++)
        s->d[i] += c3 * s->p[i] * (s->p0[i] - mean);
}

/* One step of the row; false where the gradient says nothing. z is room for
 * the row in double. */
static bool move(struct search *s, size_t row, double *z)
{
    const struct slot *slot = &s->slot[row];
    size_t k = (size_t)s->g->k;
    float *at = s->z + row * k;
    double sign = s->member[row] > 0 ? 1 : -1;
    size_t rival = rival_of(at, k);
    double norm = 0;

    /* The plan's derivative is that of the batch's mean. */
    for (size_t i = 0; i < k; i++) {
        s->d[i] = sign * ASSAY__GUARD_BATCH * (double)s->d_z[row * k + i];
        z[i] = (double)at[i];
    }
    if (at[rival] > at[0]) {
        s->d[rival] += weight_of_class;
        s->d[0] -= weight_of_class;
    }
    add_distance(s, s->z0 + slot->record * k, z, slot->c3);
    for (size_t i = 0; i < k; i++)
        norm += s->d[i] * s->d[i];
    norm = sqrt(norm);
    if (!(norm > 0) || !isfinite(norm))
        return false;
    for (size_t i = 0; i < k; i++)
        at[i] = (float)(z[i] - step_length * s->d[i] / norm);
    return true;
}

/* What the classifier said of the row's z: go on, start over, or be done. */
static void advance(struct search *s, size_t row, double *scratch)
{
    struct slot *slot = &s->slot[row];
    size_t k = (size_t)s->g->k;
    const float *z = s->z + row * k;
    double h = (double)s->member[row];
    double *before = &s->before[slot->record];

    if (slot->iteration == 0 && slot->c3 <= first_weight)
        *before = s->after[slot->record] = h;
    if (fabs(*before) <= near_enough) {
        take_next(s, row);
        return;
    }
    if (slot->iteration > 0 && z[rival_of(z, k)] <= z[0] && h * *before <= 0) {
        for (size_t i = 0; i < k; i++)
            s->noisy[slot->record * k + i] = (double)z[i];
        s->after[slot->record] = h;
        slot->c3 *= 10;
        if (slot->c3 <= last_weight)
            restart(s, row);
        else
            take_next(s, row);
        return;
    }
    if (slot->iteration++ >= s->iterations || !move(s, row, scratch))
        take_next(s, row);
}

static bool any_busy(const struct search *s)
{
    for (size_t row = 0; row < ASSAY__GUARD_BATCH; row++)
        if (s->slot[row].busy)
            return true;
    return false;
}

static int run(struct search *s, double *scratch, struct assay_error *err)
{
    struct assay__guard *g = s->g;
    int code = ASSAY_OK;

    for (size_t row = 0; row < ASSAY__GUARD_BATCH; row++)
        take_next(s, row);
    while (code == ASSAY_OK && any_busy(s)) {
        code = assay_plan_write(g->plan, g->z, s->z, err);
        if (code == ASSAY_OK)
            code = assay_plan_run(g->plan, err);
        if (code == ASSAY_OK)
            code = assay_plan_read(g->plan, g->member, s->member, err);
        if (code == ASSAY_OK)
            code = assay_plan_read(g->plan, g->d_z, s->d_z, err);
        for (size_t row = 0; row < ASSAY__GUARD_BATCH && code == ASSAY_OK;
             row++)
            if (s->slot[row].busy)
                advance(s, row, scratch);
    }
    return code;
}

int assay__guard_search(struct assay__guard *g, const double *z, size_t n,
                        int iterations, double *noisy, double *before,
                        double *after, struct assay_error *err)
{
    size_t k = (size_t)g->k;
    struct search *s = assay__calloc(1, sizeof(*s));
    float *rows =
        assay__calloc(ASSAY__GUARD_BATCH * (2 * k + 1), sizeof(*rows));
    double *scratch = assay__calloc(4 * k, sizeof(*scratch));
    int code;

    if (!s || !rows || !scratch) {
        code = assay_error_set(err, ASSAY_NOMEM,
                               "memguard: out of memory for %zu answers", n);
        goto out;
    }
    s->g = g;
    s->z0 = z;
    s->n = n;
    s->iterations = iterations;
    s->noisy = noisy;
    s->before = before;
    s->after = after;
    s->z = rows;
    s->d_z = rows + ASSAY__GUARD_BATCH * k;
    s->member = rows + 2 * ASSAY__GUARD_BATCH * k;
    s->p0 = scratch;
    s->p = scratch + k;
    s->d = scratch + 2 * k;
    code = run(s, scratch + 3 * k, err);
out:
    assay__free(scratch);
    assay__free(rows);
    assay__free(s);
    return code;
}
