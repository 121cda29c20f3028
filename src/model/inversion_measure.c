/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What inverted images are worth: whether another classifier sees the
 * wanted class in them, how far they lie from its mean image, and how near
 * they come, in that classifier's embedding, to a record the target was
 * trained on, beside the same for records it was not (the smallest distance
 * is GMI's "KNN distance", without the root there).
 */

#include <math.h>
#include <string.h>

#include "assay/inversion.h"
#include "core/checked.h"
#include "core/mem.h"
#include "model/model.h"

enum { TOP = 5, ROWS = 64 };

void assay_inversion_quality_release(struct assay_inversion_quality *q)
{
    assay__free(q->top1);
    assay__free(q->top5);
    assay__free(q->mse);
    assay__free(q->member_distance);
    assay__free(q->nonmember_distance);
    memset(q, 0, sizeof(*q));
}

void assay_evidence_mean_embedding(const struct assay_evidence *e, float *mean)
{
    for (int k = 0; k < e->embedding_dim; k++) {
        double sum = 0;

        for (size_t i = 0; i < e->n; i++)
            sum +=
                (double)e->embedding[i * (size_t)e->embedding_dim + (size_t)k];
        mean[k] = e->n ? (float)(sum / (double)e->n) : 0;
    }
}

/* Add the records of one class, by batches, to sums. */
static size_t add_class(const assay_view *view, int32_t class, size_t size,
                        float *x, double *sum)
{
    size_t n = assay_view_count(view);
    uint32_t rows[ROWS];
    size_t found = 0;
    size_t filled = 0;

    memset(sum, 0, size * sizeof(*sum));
    for (size_t i = 0; i <= n; i++) {
        if (i < n && assay_view_label(view, i) == class)
            rows[filled++] = (uint32_t)i;
        if (filled < ROWS && (i < n || filled == 0))
            continue;
        assay_view_fill(view, rows, filled, NULL, 0, 0, x);
        for (size_t r = 0; r < filled; r++)
            for (size_t k = 0; k < size; k++)
                sum[k] += (double)x[r * size + k];
        found += filled;
        filled = 0;
    }
    return found;
}

int assay_class_means(const assay_view *view, int n_classes, float *means,
                      struct assay_error *err)
{
    size_t size = (size_t)assay_view_channels(view) *
                  (size_t)assay_view_height(view) *
                  (size_t)assay_view_width(view);
    float *x;
    double *sum;
    int rc = ASSAY_OK;

    for (size_t i = 0; i < assay_view_count(view); i++) {
        int32_t label = assay_view_label(view, i);

        if (label < 0 || label >= n_classes)
            return assay_error_set(err, ASSAY_DATA,
                                   "record %u has label %d, there are %d "
                                   "classes",
                                   assay_view_record(view, i), (int)label,
                                   n_classes);
    }
    x = assay__calloc(ROWS * size, sizeof(*x));
    sum = assay__calloc(size, sizeof(*sum));
    if (!x || !sum)
        rc = assay_error_set(err, ASSAY_NOMEM, "out of memory for mean images");
    for (int c = 0; c < n_classes && !rc; c++) {
        size_t n = add_class(view, c, size, x, sum);

        for (size_t k = 0; k < size; k++)
            means[(size_t)c * size + k] =
                n ? (float)(sum[k] / (double)n) : (float)NAN;
    }
    assay__free(x);
    assay__free(sum);
    return rc;
}

static double *nans(size_t n)
{
    double *x = assay__calloc(n, sizeof(*x));

    for (size_t i = 0; x && i < n; i++)
        x[i] = (double)NAN;
    return x;
}

static int make_quality(struct assay_inversion_quality *q, size_t n,
                        struct assay_error *err)
{
    memset(q, 0, sizeof(*q));
    q->n = n;
    q->top1 = assay__calloc(n, 1);
    q->top5 = assay__calloc(n, 1);
    q->mse = nans(n);
    q->member_distance = nans(n);
    q->nonmember_distance = nans(n);
    if (!q->top1 || !q->top5 || !q->mse || !q->member_distance ||
        !q->nonmember_distance)
        return assay_error_set(err, ASSAY_NOMEM,
                               "out of memory for measures of %zu images", n);
    return ASSAY_OK;
}

/* The images as records of their own, in pixels. */
static int make_records(assay_dataset **out, const struct assay_preprocess *pre,
                        const float *images, const int32_t *wanted, size_t n,
                        int n_classes, struct assay_error *err)
{
    size_t plane = (size_t)pre->height * (size_t)pre->width;
    size_t size = plane * (size_t)pre->channels;
    struct assay_dataset_source source = {.name = "inverted",
                                          .n = n,
                                          .channels = pre->channels,
                                          .height = pre->height,
                                          .width = pre->width,
                                          .labels = wanted,
                                          .n_classes = n_classes};
    float *x = NULL;
    size_t all;
    int rc;

    if (assay__mul_size(n, size, &all))
        x = assay__calloc(all, sizeof(*x));
    if (!x)
        return assay_error_set(err, ASSAY_NOMEM, "out of memory for %zu images",
                               n);
    for (size_t i = 0; i < all; i++) {
        size_t c = i % size / plane;

        x[i] = (float)(((double)images[i] * pre->std[c] + pre->mean[c]) /
                       pre->scale);
    }
    source.values = x;
    rc = assay_dataset_new(out, &source, err);
    assay__free(x);
    return rc;
}

/* Distance to the nearest record of a class; NaN: there is none. */
static double nearest(const struct assay_evidence *e, int32_t class,
                      const float *at)
{
    size_t h = (size_t)e->embedding_dim;
    double best = (double)INFINITY;

    for (size_t i = 0; i < e->n; i++) {
        const float *x = e->embedding + i * h;
        double sum = 0;

        if (e->label[i] != class)
            continue;
        for (size_t k = 0; k < h && sum < best; k++) {
            double d = (double)x[k] - (double)at[k];

            sum += d * d;
        }
        if (sum < best)
            best = sum;
    }
    return isinf(best) ? (double)NAN : sqrt(best);
}

/* How many classes are likelier; equals count by their order. */
static int rank_of(const float *logits, int n_classes, int32_t class)
{
    int above = 0;

    for (int k = 0; k < n_classes; k++)
        above += logits[k] > logits[class] ||
                 (k < class && logits[k] >= logits[class]);
    return above;
}

static void take_evidence(struct assay_inversion_quality *q,
                          const struct assay_inversion_judge *judge,
                          const struct assay_evidence *e)
{
    size_t k = (size_t)e->n_classes;
    size_t h = (size_t)e->embedding_dim;

    for (size_t i = 0; i < q->n; i++) {
        int rank = rank_of(e->logits + i * k, e->n_classes, e->label[i]);
        const float *at = e->embedding + i * h;

        q->top1[i] = rank == 0;
        q->top5[i] = rank < TOP;
        if (judge->members)
            q->member_distance[i] = nearest(judge->members, e->label[i], at);
        if (judge->nonmembers)
            q->nonmember_distance[i] =
                nearest(judge->nonmembers, e->label[i], at);
    }
}

static int evaluate(struct assay_inversion_quality *q,
                    const struct assay_inversion_judge *judge,
                    const assay_dataset *records, struct assay_error *err)
{
    const assay_model *m = judge->evaluator;
    struct assay_evidence e = {0};
    assay_view *view = NULL;
    int rc;

    rc = assay_view_new(&view, records, NULL, q->n, &m->preprocess, err);
    if (!rc)
        rc = assay_evidence_collect(
            &e, judge->ctx, m, view, ASSAY_EVIDENCE_EMBEDDING, judge->compute,
            judge->task ? judge->task : "evaluator", err);
    if (!rc)
        take_evidence(q, judge, &e);
    assay_evidence_release(&e);
    assay_view_free(view);
    return rc;
}

static int check_judge(const struct assay_inversion_judge *judge,
                       struct assay_error *err)
{
    const struct assay_evidence *side[2] = {judge->members, judge->nonmembers};
    int64_t h;

    if (!judge->evaluator)
        return ASSAY_OK;
    h = assay_graph_shape(judge->evaluator->graph, judge->evaluator->embedding)
            ->dim[1];
    for (int i = 0; i < 2; i++) {
        if (side[i] && side[i]->embedding_dim != h)
            return assay_error_set(err, ASSAY_ARG,
                                   "inversion: evidence with embeddings of %d "
                                   "numbers, the evaluator's have %lld",
                                   side[i]->embedding_dim, (long long)h);
    }
    return ASSAY_OK;
}

static void compare_means(struct assay_inversion_quality *q,
                          const float *class_means, const float *images,
                          const int32_t *wanted, size_t size)
{
    for (size_t i = 0; i < q->n; i++) {
        const float *mean = class_means + (size_t)wanted[i] * size;
        const float *x = images + i * size;
        double sum = 0;

        for (size_t k = 0; k < size; k++)
            sum += ((double)x[k] - (double)mean[k]) *
                   ((double)x[k] - (double)mean[k]);
        q->mse[i] = sum / (double)size;
    }
}

int assay_inversion_judge(struct assay_inversion_quality *out,
                          const struct assay_inversion_judge *judge,
                          const struct assay_preprocess *pre,
                          const float *images, const int32_t *wanted, size_t n,
                          struct assay_error *err)
{
    size_t size =
        (size_t)pre->channels * (size_t)pre->height * (size_t)pre->width;
    struct assay_inversion_quality q = {0};
    assay_dataset *records = NULL;
    int rc = check_judge(judge, err);

    if (!rc)
        rc = make_quality(&q, n, err);
    if (!rc && judge->class_means)
        compare_means(&q, judge->class_means, images, wanted, size);
    if (!rc && judge->evaluator && n) {
        rc = make_records(&records, pre, images, wanted, n,
                          judge->evaluator->n_classes, err);
        if (!rc)
            rc = evaluate(&q, judge, records, err);
    }
    assay_dataset_free(records);
    if (rc)
        assay_inversion_quality_release(&q);
    else
        *out = q;
    return rc;
}
