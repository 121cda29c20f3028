/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NEO (Udeshi et al., IEEE Transactions on Reliability 2022): a block of the
 * image's dominant colour is laid over each place in turn. Where that changes
 * the answer, what was there is pasted onto clean records: a trigger turns
 * them into the class that the input was called. The score is the largest
 * share of clean records that were turned so, 0 where no block changed
 * anything; the threshold is the .8 of the authors' code.
 *
 * Access label-only, a few clean records. Deviations: the dominant colour is
 * the centre of the largest of three clusters of the image's pixels, begun at
 * sorted pixels rather than at random; every place is tried, at steps of half
 * a block; a clean record counts when it gets the input's class, not when its
 * answer merely changes, and is left out when it has that class already; of
 * the places that change the answer the first `confirmed` are pasted, those
 * that lower the class's logit most first.
 */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "detectors/reverse.h"

enum { PARAM_SIZE, PARAM_CONFIRM, PARAM_CONFIRMED, PARAM_RECORDS };

static const struct assay_setting params[] = {
    {"size", .15, .01, .9, "side of a block, share of the image's shorter"},
    {"confirm", 20, 1, 10000, "clean records to paste onto"},
    {"confirmed", 4, 1, 1000, "places that are pasted, at most"},
    {"records", 500, 2, 1000000, "clean records to choose from"},
    {NULL, 0, 0, 0, NULL}};

enum { COLOURS = 3, ROUNDS = 12 };

struct place {
    int row, column;
    double fall; /* of the class's logit */
};

struct neo {
    const struct assay_detector_input *in;
    const struct assay_preprocess *pre;
    size_t image, plane, k;
    int side, step;
    size_t n_places, n_confirm, n_clean;
    float *clean;
    int *called; /* what the model calls each clean record */
    float *x;    /* the input */
    float *batch, *logits;
    struct place *place;
    double *order; /* [plane], for sorting pixels */
    assay_predictor *predictor;
};

static int argmax(const float *x, size_t n)
{
    size_t best = 0;

    for (size_t i = 1; i < n; i++)
        if (x[i] > x[best])
            best = i;
    return (int)best;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return (x > y) - (x < y);
}

static size_t nearest(const struct neo *n, const float *x, size_t j,
                      double centre[COLOURS][ASSAY_CHANNELS_MAX])
{
    double least = (double)INFINITY;
    size_t best = 0;

    for (size_t k = 0; k < COLOURS; k++) {
        double d = 0;

        for (int c = 0; c < n->pre->channels; c++)
            d += pow((double)x[(size_t)c * n->plane + j] - centre[k][c], 2);
        if (d < least) {
            least = d;
            best = k;
        }
    }
    return best;
}

/* Where clusters begin: grey of the first, middle and last sixth of the
 * pixels by brightness. */
static void begin(struct neo *n, const float *x,
                  double centre[COLOURS][ASSAY_CHANNELS_MAX])
{
    for (int c = 0; c < n->pre->channels; c++) {
        for (size_t j = 0; j < n->plane; j++)
            n->order[j] = (double)x[(size_t)c * n->plane + j];
        qsort(n->order, n->plane, sizeof(*n->order), by_size);
        for (size_t k = 0; k < COLOURS; k++)
            centre[k][c] = n->order[(2 * k + 1) * n->plane / (2 * COLOURS)];
    }
}

/* The centre of the largest cluster of the image's pixels. */
static void dominant(struct neo *n, const float *x,
                     double colour[ASSAY_CHANNELS_MAX])
{
    double centre[COLOURS][ASSAY_CHANNELS_MAX];
    size_t count[COLOURS];
    size_t most = 0;

    begin(n, x, centre);
    for (int round = 0; round < ROUNDS; round++) {
        double sum[COLOURS][ASSAY_CHANNELS_MAX] = {{0}};

        memset(count, 0, sizeof(count));
        for (size_t j = 0; j < n->plane; j++) {
            size_t k = nearest(n, x, j, centre);

            count[k]++;
            for (int c = 0; c < n->pre->channels; c++)
                sum[k][c] += (double)x[(size_t)c * n->plane + j];
        }
        for (size_t k = 0; k < COLOURS; k++)
            for (int c = 0; c < n->pre->channels && count[k] > 0; c++)
                centre[k][c] = sum[k][c] / (double)count[k];
    }
    for (size_t k = 1; k < COLOURS; k++)
        if (count[k] > count[most])
            most = k;
    memcpy(colour, centre[most], sizeof(centre[most]));
}

/* The block at a place becomes `from`'s, or of one colour. */
static void lay(const struct neo *n, float *x, const struct place *p,
                const float *from, const double *colour)
{
    for (int c = 0; c < n->pre->channels; c++) {
        for (int r = p->row; r < p->row + n->side; r++) {
            for (int q = p->column; q < p->column + n->side; q++) {
                size_t at = (size_t)c * n->plane +
                            (size_t)r * (size_t)n->pre->width + (size_t)q;

                x[at] = from ? from[at] : (float)colour[c];
            }
        }
    }
}

static int places_along(const struct neo *n, int length)
{
    return (length - n->side + n->step - 1) / n->step + 1;
}

/* Place i; the last of a row or column is flush with the edge. */
static struct place place_at(const struct neo *n, size_t i)
{
    int across = places_along(n, n->pre->width);
    struct place p = {.row = (int)i / across * n->step,
                      .column = (int)i % across * n->step};

    if (p.row > n->pre->height - n->side)
        p.row = n->pre->height - n->side;
    if (p.column > n->pre->width - n->side)
        p.column = n->pre->width - n->side;
    return p;
}

static int by_fall(const void *a, const void *b)
{
    const struct place *x = a;
    const struct place *y = b;

    return (x->fall < y->fall) - (x->fall > y->fall);
}

/* The places whose blocking changes the answer, the best first. */
static int block(struct neo *n, int *class, size_t *found,
                 struct assay_error *err)
{
    double colour[ASSAY_CHANNELS_MAX];
    float before;
    int rc;

    *found = 0;
    dominant(n, n->x, colour);
    for (size_t i = 0; i <= n->n_places; i++) {
        float *to = n->batch + i * n->image;
        struct place p = place_at(n, i);

        memcpy(to, n->x, n->image * sizeof(float));
        if (i < n->n_places)
            lay(n, to, &p, NULL, colour);
    }
    rc = assay_predictor_run(n->predictor, n->batch, n->n_places + 1, n->logits,
                             NULL, err);
    if (rc)
        return rc;
    *class = argmax(n->logits + n->n_places * n->k, n->k);
    before = n->logits[n->n_places * n->k + (size_t) * class];
    for (size_t i = 0; i < n->n_places; i++) {
        const float *said = n->logits + i * n->k;

        if (argmax(said, n->k) == *class)
            continue;
        n->place[*found] = place_at(n, i);
        n->place[(*found)++].fall = (double)before - (double)said[*class];
    }
    qsort(n->place, *found, sizeof(*n->place), by_fall);
    return ASSAY_OK;
}

/* The share of clean records that the block at a place turns into `class`. */
static int paste(struct neo *n, const struct place *p, int class, double *share,
                 struct assay_error *err)
{
    size_t used = 0;
    size_t turned = 0;
    int rc;

    *share = 0;
    for (size_t i = 0; i < n->n_clean && used < n->n_confirm; i++) {
        float *to = n->batch + used * n->image;

        if (n->called[i] == class)
            continue;
        memcpy(to, n->clean + i * n->image, n->image * sizeof(float));
        lay(n, to, p, n->x, NULL);
        used++;
    }
    if (used == 0)
        return ASSAY_OK;
    rc =
        assay_predictor_run(n->predictor, n->batch, used, n->logits, NULL, err);
    for (size_t i = 0; i < used && !rc; i++)
        turned += argmax(n->logits + i * n->k, n->k) == class;
    *share = (double)turned / (double)used;
    return rc;
}

static int judge(struct neo *n, double *score, struct assay_error *err)
{
    size_t most = (size_t)n->in->param[PARAM_CONFIRMED];
    size_t found = 0;
    int class = 0;
    int rc = assay_context_check(n->in->ctx, err);

    *score = 0;
    if (!rc)
        rc = block(n, &class, &found, err);
    for (size_t i = 0; i < found && i < most && !rc; i++) {
        double share = 0;

        rc = paste(n, &n->place[i], class, &share, err);
        *score = fmax(*score, share);
    }
    return rc;
}

static int call_clean(struct neo *n, struct assay_error *err)
{
    float *logits = assay__calloc(n->n_clean * n->k, sizeof(*logits));
    int rc;

    n->called = assay__calloc(n->n_clean, sizeof(*n->called));
    if (!logits || !n->called) {
        assay__free(logits);
        return assay_error_set(err, ASSAY_NOMEM, "neo: out of memory");
    }
    rc = assay_predictor_run(n->predictor, n->clean, n->n_clean, logits, NULL,
                             err);
    for (size_t i = 0; i < n->n_clean && !rc; i++)
        n->called[i] = argmax(logits + i * n->k, n->k);
    assay__free(logits);
    return rc;
}

static int make_arrays(struct neo *n, struct assay_error *err)
{
    size_t rows;
    int least = n->pre->height < n->pre->width ? n->pre->height : n->pre->width;

    n->plane = (size_t)n->pre->height * (size_t)n->pre->width;
    n->image = (size_t)n->pre->channels * n->plane;
    n->side = (int)fmax(1, round(n->in->param[PARAM_SIZE] * least));
    n->step = n->side > 1 ? n->side / 2 : 1;
    n->n_places = (size_t)places_along(n, n->pre->height) *
                  (size_t)places_along(n, n->pre->width);
    n->n_confirm = (size_t)n->in->param[PARAM_CONFIRM];
    rows = n->n_places + 1 > n->n_confirm ? n->n_places + 1 : n->n_confirm;
    n->batch = assay__calloc(rows * n->image, sizeof(float));
    n->logits = assay__calloc(rows * n->k, sizeof(float));
    n->x = assay__calloc(n->image, sizeof(float));
    n->place = assay__calloc(n->n_places, sizeof(*n->place));
    n->order = assay__calloc(n->plane, sizeof(*n->order));
    if (!n->batch || !n->logits || !n->x || !n->place || !n->order)
        return assay_error_set(
            err, ASSAY_NOMEM, "neo: out of memory for %zu places", n->n_places);
    return ASSAY_OK;
}

static int open_neo(struct neo *n, struct assay_error *err)
{
    const struct assay_detector_input *in = n->in;
    int rc;

    n->pre = assay_model_preprocess(in->model);
    n->k = (size_t)assay_model_n_classes(in->model);
    rc = make_arrays(n, err);
    if (!rc)
        rc = assay__gather_images(in->clean, (size_t)in->param[PARAM_RECORDS],
                                  in->ctx->seed, "neo", &n->clean, NULL,
                                  &n->n_clean, err);
    if (!rc)
        rc = assay_predictor_new(&n->predictor, in->model, in->compute,
                                 in->compute->threads ? in->compute->threads
                                                      : in->ctx->threads,
                                 err);
    return rc ? rc : call_clean(n, err);
}

static void close_neo(struct neo *n)
{
    assay_predictor_free(n->predictor);
    assay__free(n->clean);
    assay__free(n->called);
    assay__free(n->batch);
    assay__free(n->logits);
    assay__free(n->x);
    assay__free(n->place);
    assay__free(n->order);
}

static int run(const struct assay_detector_input *in,
               struct assay_detection *out, struct assay_error *err)
{
    struct neo n = {.in = in};
    size_t count = assay_view_count(in->suspects);
    size_t flagged = 0;
    int rc = open_neo(&n, err);

    out->record = assay__calloc(count, sizeof(*out->record));
    if (!rc && !out->record)
        rc = assay_error_set(err, ASSAY_NOMEM,
                             "neo: out of memory for %zu records", count);
    out->n_records = out->record ? count : 0;
    out->threshold = .8;
    for (size_t i = 0; i < count && !rc; i++) {
        uint32_t row = (uint32_t)i;

        assay_view_fill(in->suspects, &row, 1, NULL, 0, 0, n.x);
        rc = judge(&n, &out->record[i], err);
        flagged += out->record[i] >= out->threshold;
    }
    snprintf(out->note, sizeof(out->note),
             "%zu of %zu flagged; blocks of %dx%d at %zu places", flagged,
             count, n.side, n.side, n.n_places);
    close_neo(&n);
    return rc;
}

const struct assay_detector assay_detector_neo = {
    .name = "neo",
    .title = "NEO",
    .summary = "Inputs whose answer changes when a block is covered that "
               "turns clean records into it.",
    .cites = "Udeshi et al., IEEE Trans. Reliability 2022",
    .subject = ASSAY_DETECT_INPUT,
    .needs = ASSAY_DETECTOR_NEEDS_CLEAN,
    .params = params,
    .run = run,
};
