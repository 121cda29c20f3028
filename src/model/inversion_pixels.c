/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gradient descent on a class's posterior in pixel space (Fredrikson, Jha
 * and Ristenpart, CCS 2015, Algorithm 1, with the stopping rule of
 * ML-Doctor's code). The variation of an image and its slope are computed
 * here, beside the plan: they need no network.
 */

#include <math.h>
#include <string.h>

#include "assay/layers.h"
#include "core/mem.h"
#include "model/model.h"
#include "model/search.h"

enum { BATCH = 16 };

void assay_pixel_descent_init(struct assay_pixel_descent *o)
{
    memset(o, 0, sizeof(*o));
    o->rate = .003;
    o->max_steps = 3000;
    o->patience = 100;
    o->enough = .001;
    o->pixel_high = 255;
    o->batch = BATCH;
}

struct descent {
    const struct assay_pixel_descent *o;
    const struct assay_preprocess *pre;
    double *worst; /* [batch], the largest cost since step `patience` */
    float low[ASSAY_CHANNELS_MAX];
    float high[ASSAY_CHANNELS_MAX];
};

/*
 * The mean over an image's numbers of sqrt(dx^2 + dy^2 + 1e-6), dx and dy
 * being the differences to the next number to the right and below; weight
 * times its slope is added to d.
 */
static double add_variation(const struct assay_preprocess *pre, const float *x,
                            double weight, float *d)
{
    size_t w = (size_t)pre->width;
    size_t h = (size_t)pre->height;
    size_t n = (size_t)pre->channels * h * w;
    double sum = 0;

    for (size_t i = 0; i < n; i++) {
        bool right = i % w + 1 < w;
        bool below = i / w % h + 1 < h;
        double dx = right ? (double)x[i + 1] - (double)x[i] : 0;
        double dy = below ? (double)x[i + w] - (double)x[i] : 0;
        double length = sqrt(dx * dx + dy * dy + 1e-6);
        double slope = weight / length / (double)n;

        sum += length;
        d[i] -= (float)(slope * (dx + dy));
        if (right)
            d[i + 1] += (float)(slope * dx);
        if (below)
            d[i + w] += (float)(slope * dy);
    }
    return sum / (double)n;
}

static void clip(const struct descent *s, float *x)
{
    size_t plane = (size_t)s->pre->height * (size_t)s->pre->width;

    for (size_t i = 0; i < plane * (size_t)s->pre->channels; i++) {
        float low = s->low[i / plane];
        float high = s->high[i / plane];

        x[i] = x[i] < low ? low : x[i] > high ? high : x[i];
    }
}

static bool advance(void *user, struct assay__iterate *it)
{
    const struct descent *s = user;
    const struct assay_pixel_descent *o = s->o;
    size_t n = (size_t)s->pre->channels * (size_t)s->pre->height *
               (size_t)s->pre->width;
    double *worst = &s->worst[it->slot];

    if (o->variation > 0)
        it->loss +=
            o->variation * add_variation(s->pre, it->x, o->variation, it->d);
    if (it->step == o->max_steps)
        return false;
    if (it->step > 0 && it->loss <= o->enough)
        return false;
    if (it->step > o->patience && it->loss >= *worst)
        return false;
    if (it->step <= o->patience)
        *worst = it->loss;
    for (size_t i = 0; i < n; i++)
        it->x[i] -= (float)o->rate * it->d[i];
    if (o->clip)
        clip(s, it->x);
    return true;
}

static int check_options(const struct assay_pixel_descent *o,
                         struct assay_error *err)
{
    if (!(o->rate > 0) || !isfinite(o->rate) || isnan(o->enough) ||
        !(o->variation >= 0) || !isfinite(o->variation))
        return assay_error_set(err, ASSAY_ARG,
                               "inversion: rate %g (above 0), enough %g, "
                               "weight of the variation %g (not below 0)",
                               o->rate, o->enough, o->variation);
    if (o->max_steps > UINT32_MAX)
        return assay_error_set(err, ASSAY_ARG,
                               "inversion: %zu steps, at most %lu",
                               o->max_steps, (unsigned long)UINT32_MAX);
    if (o->clip && !(o->pixel_low < o->pixel_high))
        return assay_error_set(err, ASSAY_ARG,
                               "inversion: pixels from %g to %g", o->pixel_low,
                               o->pixel_high);
    return ASSAY_OK;
}

static int build(struct assay__search *s, const assay_model *m, int logits,
                 struct assay_error *err)
{
    assay_value embedding;
    assay_value scores;
    int rc = assay__search_model(s, m, s->x, "", &s->logits, &embedding, err);

    if (rc)
        return rc;
    scores = logits ? s->logits : assay_op_softmax(s->graph, s->logits);
    s->loss = assay_op_affine(s->graph, assay__search_pick(s, scores), -1, 1);
    s->total = s->loss;
    rc = assay__search_compile(s, err);
    return rc ? rc : assay__params_fill(&s->params, "", &m->params, err);
}

static int descend(struct assay__search *s, struct descent *d,
                   const assay_model *m, struct assay_error *err)
{
    int rc = build(s, m, d->o->logits, err);

    for (int c = 0; c < d->pre->channels; c++) {
        d->low[c] =
            (float)((d->o->pixel_low * d->pre->scale - d->pre->mean[c]) /
                    d->pre->std[c]);
        d->high[c] =
            (float)((d->o->pixel_high * d->pre->scale - d->pre->mean[c]) /
                    d->pre->std[c]);
    }
    d->worst = assay__calloc(s->batch, sizeof(*d->worst));
    if (!rc && !d->worst)
        rc = assay_error_set(err, ASSAY_NOMEM, "%s: out of memory", s->task);
    if (!rc)
        rc = assay__search_run(s, advance, NULL, d, err);
    assay__free(d->worst);
    return rc;
}

int assay_inversion_pixels(struct assay_inversion *out,
                           const struct assay_context *ctx,
                           const struct assay_compute *compute,
                           const assay_model *m,
                           const struct assay_inversion_rows *rows,
                           const struct assay_pixel_descent *options,
                           struct assay_error *err)
{
    struct assay_shape shape = *assay_graph_shape(m->graph, m->input);
    struct descent d = {.o = options, .pre = &m->preprocess};
    struct assay_inversion found = {0};
    struct assay__search s = {.ctx = ctx,
                              .compute = compute,
                              .rows = rows,
                              .batch = options->batch,
                              .n_classes = m->n_classes};
    int rc = check_options(options, err);

    s.task = options->task ? options->task : "inversion";
    if (!rc)
        rc = assay__search_open(&s, &shape, m, &found, err);
    if (!rc)
        rc = descend(&s, &d, m, err);
    assay__search_release(&s);
    if (rc)
        assay_inversion_release(&found);
    else
        *out = found;
    return rc;
}
