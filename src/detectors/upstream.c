/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Comparison with an upstream copy: which tensors of a model differ from
 * those of the model that it is said to be made from, by how much, and how
 * improbable that is under fine-tuning.
 *
 * Training moves a layer as a whole: what stays equal to the last bit are
 * the weights of a dead output or input (whole rows or columns of the
 * tensor), and here and there one whose update rounded to nothing. An edit
 * of chosen weights, such as a model-reuse attack's (Ji et al., CCS 2018),
 * leaves the neighbours of what it changes untouched. So two things are
 * counted in each tensor that was touched:
 *
 *   rows in which nothing changed, of all: under fine-tuning each is dead
 *     with a probability of at most `dead`;
 *   weights that stayed, of those in live rows and live columns: each stays
 *     with a probability of at most `stay`.
 *
 * Both probabilities are parameters, and generous. The p-value of a tensor
 * is twice the smaller of the two binomial tails, bounded by Chernoff; that
 * of the model is the smallest of its tensors' times their number
 * (Bonferroni), and the score its -log10: 0 where nothing differs.
 *
 * It does not accuse what is trained: a backdoor that came in by training is
 * the other detectors' affair.
 */

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "assay/detector.h"
#include "core/mem.h"

enum { PARAM_STAY, PARAM_DEAD };

static const struct assay_setting params[] = {
    {"stay", .2, .0001, .99,
     "share of a live part's weights that fine-tuning may leave"},
    {"dead", .9, .0001, .9999, "share of rows that may be dead"},
    {NULL, 0, 0, 0, NULL}};

/* log of P(X >= k), X binomial (n, q), by Chernoff's bound: an upper bound,
 * so a p-value that errs on the side of innocence. */
static double log_tail(size_t k, size_t n, double q)
{
    double share = n > 0 ? (double)k / (double)n : 0;
    double sum;

    if (share <= q)
        return 0;
    sum = share * log(share / q);
    if (share < 1)
        sum += (1 - share) * log((1 - share) / (1 - q));
    return -(double)n * sum;
}

/* A tensor as rows (dimension 0) of columns (dimension 1) of the rest, and
 * which of both were touched. */
struct parts {
    size_t rows, columns, inner;
    uint8_t *row;
    uint8_t *column;
};

static int find_parts(struct parts *p, const struct assay_param_slot *slot,
                      const float *a, const float *b, struct assay_error *err)
{
    const struct assay_shape *shape = &slot->shape;

    p->rows = shape->rank > 0 ? (size_t)shape->dim[0] : 1;
    p->columns = shape->rank > 1 ? (size_t)shape->dim[1] : 1;
    p->inner = slot->count / (p->rows * p->columns);
    p->row = assay__calloc(p->rows, 1);
    p->column = assay__calloc(p->columns, 1);
    if (!p->row || !p->column)
        return assay_error_set(err, ASSAY_NOMEM, "upstream: out of memory");
    for (size_t i = 0; i < slot->count; i++) {
        if (a[i] == b[i])
            continue;
        p->row[i / (p->columns * p->inner)] = 1;
        p->column[i / p->inner % p->columns] = 1;
    }
    return ASSAY_OK;
}

static size_t count(const uint8_t *flag, size_t n)
{
    size_t sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += flag[i];
    return sum;
}

/* How improbable the places of the changes are under fine-tuning. */
static double improbability(const struct parts *p, size_t changed,
                            const double *param)
{
    size_t rows = count(p->row, p->rows);
    size_t live = rows * count(p->column, p->columns) * p->inner;
    double dead = log_tail(p->rows - rows, p->rows, param[PARAM_DEAD]);
    double left = log_tail(live - changed, live, param[PARAM_STAY]);

    return fmin(1, 2 * exp(fmin(dead, left)));
}

static int compare(const struct assay_param_slot *slot, const float *a,
                   const float *b, const double *param,
                   struct assay_tensor_change *out, struct assay_error *err)
{
    struct parts parts = {0};
    double moved = 0;
    double norm = 0;
    int rc;

    snprintf(out->name, sizeof(out->name), "%s", slot->name);
    out->n = slot->count;
    for (size_t i = 0; i < slot->count; i++) {
        double d = (double)a[i] - (double)b[i];

        out->changed += d != 0 ? 1 : 0;
        out->largest = fmax(out->largest, fabs(d));
        moved += d * d;
        norm += (double)b[i] * (double)b[i];
    }
    out->relative = norm > 0 ? sqrt(moved / norm) : (double)NAN;
    if (out->changed == 0)
        return ASSAY_OK;
    rc = find_parts(&parts, slot, a, b, err);
    if (!rc)
        out->p_value = improbability(&parts, out->changed, param);
    assay__free(parts.row);
    assay__free(parts.column);
    return rc;
}

static int by_improbability(const void *a, const void *b)
{
    const struct assay_tensor_change *x = a;
    const struct assay_tensor_change *y = b;

    if (x->p_value != y->p_value)
        return x->p_value < y->p_value ? -1 : 1;
    if (x->largest != y->largest)
        return x->largest > y->largest ? -1 : 1;
    return strcmp(x->name, y->name);
}

/* Every parameter that both have, as what has changed of it; those without
 * a counterpart of name and shape are counted in *other. */
static int compare_all(const struct assay_detector_input *in,
                       struct assay_detection *out, int *other,
                       struct assay_error *err)
{
    const struct assay_params *a = assay_model_weights(in->model);
    const struct assay_params *b = assay_model_weights(in->upstream);

    out->change = assay__calloc((size_t)a->n_slots, sizeof(*out->change));
    if (!out->change)
        return assay_error_set(err, ASSAY_NOMEM, "upstream: out of memory");
    for (int i = 0; i < a->n_slots; i++) {
        const struct assay_param_slot *slot = &a->slot[i];
        const struct assay_param_slot *there = assay_params_find(b, slot->name);
        struct assay_tensor_change change = {.p_value = 1};
        int rc;

        if (!there || !assay_shape_equal(&there->shape, &slot->shape)) {
            ++*other;
            continue;
        }
        rc = compare(slot, a->data + slot->offset, b->data + there->offset,
                     in->param, &change, err);
        if (rc)
            return rc;
        if (change.changed > 0)
            out->change[out->n_changes++] = change;
    }
    if (*other == a->n_slots)
        return assay_error_set(err, ASSAY_SHAPE,
                               "upstream: no tensor of the two models has one "
                               "name and shape; they are of other "
                               "architectures");
    return ASSAY_OK;
}

static int run(const struct assay_detector_input *in,
               struct assay_detection *out, struct assay_error *err)
{
    int other = 0;
    int rc = compare_all(in, out, &other, err);

    if (rc)
        return rc;
    qsort(out->change, out->n_changes, sizeof(*out->change), by_improbability);
    out->p_value = 1;
    if (out->n_changes > 0)
        out->p_value = fmin(1, out->change[0].p_value * (double)out->n_changes);
    out->score = fmax(0, -log10(fmax(out->p_value, 1e-300)));
    out->threshold = 3;
    snprintf(out->note, sizeof(out->note),
             "%zu of %d tensors differ; %d have no counterpart", out->n_changes,
             assay_model_weights(in->model)->n_slots, other);
    return ASSAY_OK;
}

const struct assay_detector assay_detector_upstream = {
    .name = "upstream",
    .title = "Comparison with upstream",
    .summary = "Which tensors differ from the model it is made from, and how "
               "improbable that is under fine-tuning.",
    .cites = "Ji et al., CCS 2018 (the attack that it answers)",
    .subject = ASSAY_DETECT_MODEL,
    .needs = ASSAY_DETECTOR_NEEDS_UPSTREAM,
    .params = params,
    .run = run,
};
