/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HopSkipJump in lockstep over many records; see hop_skip_jump.h.
 *
 * Each record has a point of another class. It is first drawn towards the
 * record by bisection until it lies on the boundary; then, in turn t,
 *   estimate  b sqrt(t) points around it, at distance d / width of it (d its
 *             distance from the record), say by their classes where the
 *             other class lies: direction v = sum (s - mean s) u over their
 *             unit vectors u, s = 1 where the class is another and else -1
 *   jump      by d / sqrt(t) along v, halved until the class is another
 *   bisect    between there and the record, to width^-3/2 of the way
 * until the questions of a further turn could be too many.
 *
 * A record's every question counts as such, but records that have settled in
 * a bisection or a jump ask no more; all take part in a further turn as long
 * as the most that it could take is left.
 *
 * Deviations from the paper: directions have entries of +1 and -1 (over the
 * root of width), of equal covariance and much cheaper to draw than points of
 * the sphere; the point with the least distance so far is what counts.
 */

#include "attacks/membership/hop_skip_jump.h"

#include <math.h>
#include <string.h>

#include "assay/rng.h"
#include "core/mem.h"

/* Halvings of one jump before the point stays where it was. */
enum { HALVINGS = 10 };

struct search {
    const struct assay__jumps *j;
    const struct assay__oracle *oracle;
    const float *x;
    const int32_t *label;
    const uint64_t *stream;
    size_t n;
    float *at;        /* [n, width] on the boundary, of another class */
    float *trial;     /* [n, width] */
    float *signs;     /* [n, width] sum of s u, then the direction */
    float *plain;     /* [n, width] sum of u */
    double *best;     /* [n] the caller's */
    double *distance; /* [n] of `at` */
    double *step;     /* [n] length of a jump, or a share of a way */
    double *balance;  /* [n] sum of s */
    uint8_t *open;    /* [n] still asking in this phase */
    float *batch;     /* [oracle->batch, width] */
    int32_t *heard;   /* [oracle->batch] */
    size_t *who;      /* [oracle->batch] */
    uint8_t *other;   /* [n] the last answer: another class */
    int steps;        /* of a bisection */
};

static int search_init(struct search *s, const float *start,
                       struct assay_error *err)
{
    size_t all = s->n * s->j->width;

    s->at = assay__calloc(all, sizeof(float));
    s->trial = assay__calloc(all, sizeof(float));
    s->signs = assay__calloc(all, sizeof(float));
    s->plain = assay__calloc(all, sizeof(float));
    s->distance = assay__calloc(s->n, sizeof(double));
    s->step = assay__calloc(s->n, sizeof(double));
    s->balance = assay__calloc(s->n, sizeof(double));
    s->open = assay__calloc(s->n, 1);
    s->other = assay__calloc(s->n, 1);
    s->batch = assay__calloc(s->oracle->batch * s->j->width, sizeof(float));
    s->heard = assay__calloc(s->oracle->batch, sizeof(int32_t));
    s->who = assay__calloc(s->oracle->batch, sizeof(size_t));
    if (!s->at || !s->trial || !s->signs || !s->plain || !s->distance ||
        !s->step || !s->balance || !s->open || !s->other || !s->batch ||
        !s->heard || !s->who)
        return assay_error_set(err, ASSAY_NOMEM,
                               "boundary of %zu records: out of memory", s->n);
    memcpy(s->at, start, all * sizeof(float));
    s->steps = (int)ceil(1.5 * log2((double)s->j->width)) + 1;
    return ASSAY_OK;
}

static void search_release(struct search *s)
{
    assay__free(s->at);
    assay__free(s->trial);
    assay__free(s->signs);
    assay__free(s->plain);
    assay__free(s->distance);
    assay__free(s->step);
    assay__free(s->balance);
    assay__free(s->open);
    assay__free(s->other);
    assay__free(s->batch);
    assay__free(s->heard);
    assay__free(s->who);
}

/* Ask about the trials of open records; answers to other[]. */
static int ask_open(struct search *s, struct assay_error *err)
{
    size_t width = s->j->width;
    size_t i = 0;
    int rc = assay_context_check(s->j->ctx, err);

    while (i < s->n && !rc) {
        size_t m = 0;

        for (; i < s->n && m < s->oracle->batch; i++) {
            if (!s->open[i])
                continue;
            memcpy(s->batch + m * width, s->trial + i * width,
                   width * sizeof(float));
            s->who[m++] = i;
        }
        if (m > 0)
            rc = s->oracle->ask(s->oracle->self, s->batch, m, s->heard, err);
        for (size_t b = 0; b < m && !rc; b++)
            s->other[s->who[b]] = s->heard[b] != s->label[s->who[b]];
    }
    return rc;
}

static void measure(struct search *s, size_t i)
{
    const float *a = s->at + i * s->j->width;
    const float *x = s->x + i * s->j->width;
    double sum = 0;

    for (size_t p = 0; p < s->j->width; p++) {
        double d = (double)a[p] - (double)x[p];

        sum += d * d;
    }
    s->distance[i] = sqrt(sum);
    if (s->distance[i] < s->best[i])
        s->best[i] = s->distance[i];
}

/* From `at` (another class) towards the record, as far as the class stays
 * another: the share of the way that is left. */
static int bisect(struct search *s, struct assay_error *err)
{
    size_t width = s->j->width;
    double size = 1;
    int rc = ASSAY_OK;

    memset(s->open, 1, s->n);
    for (size_t i = 0; i < s->n; i++)
        s->step[i] = 1;
    for (int k = 0; k < s->steps && !rc; k++) {
        size /= 2;
        for (size_t i = 0; i < s->n; i++) {
            const float *x = s->x + i * width;
            float share = (float)(s->step[i] - size);

            for (size_t p = 0; p < width; p++)
                s->trial[i * width + p] =
                    x[p] + share * (s->at[i * width + p] - x[p]);
        }
        rc = ask_open(s, err);
        for (size_t i = 0; i < s->n && !rc; i++)
            if (s->other[i])
                s->step[i] -= size;
    }
    for (size_t i = 0; i < s->n && !rc; i++) {
        for (size_t p = 0; s->step[i] < 1 && p < width; p++) {
            float from = s->x[i * width + p];

            s->at[i * width + p] =
                from + (float)s->step[i] * (s->at[i * width + p] - from);
        }
        measure(s, i);
    }
    return rc;
}

/* Direction q of record i in turn t: bits of its own stream. */
static void draw(const struct search *s, size_t i, size_t t, size_t q, float *u)
{
    struct assay_rng rng;
    uint64_t bits = 0;

    assay_rng_init(&rng, s->j->ctx->seed, "hop-skip-jump",
                   assay_rng_hash(s->stream[i], t, q));
    for (size_t p = 0; p < s->j->width; p++) {
        if (p % 64 == 0)
            bits = assay_rng_u64(&rng);
        u[p] = bits >> p % 64 & 1 ? 1 : -1;
    }
}

/* What one answer adds to the sums of its record. */
static void add_answer(struct search *s, size_t i, const float *u, float sign)
{
    float *signs = s->signs + i * s->j->width;
    float *plain = s->plain + i * s->j->width;

    for (size_t p = 0; p < s->j->width; p++) {
        signs[p] += sign * u[p];
        plain[p] += u[p];
    }
    s->balance[i] += (double)sign;
}

/* Questions first .. first+m-1 of `each` per record, one after the other. */
static int estimate_some(struct search *s, size_t t, size_t each, size_t first,
                         size_t m, struct assay_error *err)
{
    size_t width = s->j->width;
    float *u = s->trial; /* of any one record: free in this phase */
    int rc;

    for (size_t b = 0; b < m; b++) {
        size_t i = (first + b) / each;
        /* An entry of a unit vector is 1 / sqrt(width). */
        float delta =
            (float)(s->distance[i] / (double)width / sqrt((double)width));

        draw(s, i, t, (first + b) % each, u);
        for (size_t p = 0; p < width; p++) {
            float to = s->at[i * width + p] + delta * u[p];

            to = to < s->j->low[p] ? s->j->low[p] : to;
            s->batch[b * width + p] = to > s->j->high[p] ? s->j->high[p] : to;
        }
    }
    rc = s->oracle->ask(s->oracle->self, s->batch, m, s->heard, err);
    for (size_t b = 0; b < m && !rc; b++) {
        size_t i = (first + b) / each;

        draw(s, i, t, (first + b) % each, u);
        add_answer(s, i, u, s->heard[b] != s->label[i] ? 1 : -1);
    }
    return rc;
}

/* The sums into a direction of length 1; with answers all alike, the mean of
 * the directions, or away from it. */
static void make_direction(struct search *s, size_t i, size_t each)
{
    float *v = s->signs + i * s->j->width;
    const float *plain = s->plain + i * s->j->width;
    double mean = s->balance[i] / (double)each;
    double length = 0;

    for (size_t p = 0; p < s->j->width; p++) {
        if (fabs(mean) < 1)
            v[p] -= (float)mean * plain[p];
        length += (double)v[p] * (double)v[p];
    }
    length = length > 0 ? sqrt(length) : 1;
    for (size_t p = 0; p < s->j->width; p++)
        v[p] = (float)((double)v[p] / length);
}

static int estimate(struct search *s, size_t t, size_t each,
                    struct assay_error *err)
{
    size_t total = s->n * each;
    int rc = ASSAY_OK;

    memset(s->signs, 0, s->n * s->j->width * sizeof(float));
    memset(s->plain, 0, s->n * s->j->width * sizeof(float));
    memset(s->balance, 0, s->n * sizeof(double));
    for (size_t first = 0; first < total && !rc; first += s->oracle->batch) {
        size_t left = total - first;

        rc = assay_context_check(s->j->ctx, err);
        if (!rc)
            rc = estimate_some(
                s, t, each, first,
                left < s->oracle->batch ? left : s->oracle->batch, err);
    }
    for (size_t i = 0; i < s->n && !rc; i++)
        make_direction(s, i, each);
    return rc;
}

static void put_jump(struct search *s, size_t i)
{
    size_t width = s->j->width;

    for (size_t p = 0; p < width; p++) {
        double to = (double)s->at[i * width + p] +
                    s->step[i] * (double)s->signs[i * width + p];

        to = fmax(to, (double)s->j->low[p]);
        s->trial[i * width + p] = (float)fmin(to, (double)s->j->high[p]);
    }
}

/* Where no length finds another class, the point stays. */
static int jump(struct search *s, size_t t, struct assay_error *err)
{
    size_t width = s->j->width;
    int rc = ASSAY_OK;

    memset(s->open, 1, s->n);
    for (size_t i = 0; i < s->n; i++)
        s->step[i] = s->distance[i] / sqrt((double)t);
    for (int k = 0; k < HALVINGS && !rc; k++) {
        for (size_t i = 0; i < s->n; i++)
            if (s->open[i])
                put_jump(s, i);
        rc = ask_open(s, err);
        for (size_t i = 0; i < s->n && !rc; i++) {
            if (!s->open[i])
                continue;
            s->step[i] /= 2;
            if (s->other[i])
                memcpy(s->at + i * width, s->trial + i * width,
                       width * sizeof(float));
            s->open[i] = !s->other[i];
        }
    }
    return rc;
}

/* Turns while the questions of one more are left. */
static int turns(struct search *s, struct assay_error *err)
{
    size_t asked = (size_t)s->steps;
    int rc = ASSAY_OK;

    for (size_t t = 1; !rc; t++) {
        size_t each = (size_t)((double)s->j->first * sqrt((double)t));

        asked += each + HALVINGS + (size_t)s->steps;
        if (asked > s->j->queries)
            break;
        rc = estimate(s, t, each, err);
        if (!rc)
            rc = jump(s, t, err);
        if (!rc)
            rc = bisect(s, err);
    }
    return rc;
}

int assay__hop_skip_jump(const struct assay__jumps *j,
                         const struct assay__oracle *oracle,
                         const struct assay__jump_rows *rows,
                         struct assay_error *err)
{
    struct search s = {.j = j,
                       .oracle = oracle,
                       .x = rows->x,
                       .label = rows->label,
                       .stream = rows->stream,
                       .n = rows->n,
                       .best = rows->distance};
    int rc = search_init(&s, rows->start, err);

    for (size_t i = 0; i < s.n && !rc; i++) {
        s.best[i] = (double)INFINITY;
        measure(&s, i);
    }
    if (!rc && (size_t)s.steps <= j->queries)
        rc = bisect(&s, err);
    if (!rc)
        rc = turns(&s, err);
    search_release(&s);
    return rc;
}
