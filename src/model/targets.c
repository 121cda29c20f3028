/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Batches for a classifier's training.
 *
 * Soft targets come from the objective's table, by row and by whether the
 * record is mirrored in that epoch, or from mixing two records of a batch.
 * A mixed batch draws one share and one order of partners from the stream
 * (seed, "mixup", epoch << 32 | first row), so nothing depends on who else
 * is trained. Inputs are pixels, labels, then soft targets, then the epoch,
 * as far as they are wanted.
 */

#include "model/targets.h"

#include <math.h>
#include <string.h>

#include "assay/rng.h"
#include "core/mem.h"

int assay__targets_wanted(const struct assay_objective *o)
{
    return o && (o->variants > 0 || o->mixup > 0);
}

int assay__targets_init(struct assay__targets *s,
                        const struct assay_training *t, struct assay_error *err)
{
    const struct assay_preprocess *pre = assay_model_preprocess(t->model);

    memset(s, 0, sizeof(*s));
    s->t = t;
    s->n_classes = (size_t)assay_model_n_classes(t->model);
    s->pixels =
        (size_t)pre->channels * (size_t)pre->height * (size_t)pre->width;
    s->soft = assay__targets_wanted(t->objective) ? 2 : -1;
    s->epoch =
        t->objective && t->objective->wants_epoch ? (s->soft < 0 ? 2 : 3) : -1;
    if (!t->objective || t->objective->mixup <= 0)
        return ASSAY_OK;
    s->partner = assay__calloc(t->recipe->batch * s->pixels, sizeof(float));
    s->order = assay__calloc(t->recipe->batch, sizeof(*s->order));
    return s->partner && s->order
               ? ASSAY_OK
               : assay_error_set(err, ASSAY_NOMEM,
                                 "%s: out of memory for mixed records",
                                 t->task);
}

void assay__targets_release(struct assay__targets *s)
{
    assay__free(s->partner);
    assay__free(s->order);
    memset(s, 0, sizeof(*s));
}

/* Gamma(shape, 1) for any positive shape (Marsaglia and Tsang, 2000). */
static double draw_gamma(struct assay_rng *rng, double shape)
{
    double boost = 1;
    double d;
    double c;

    if (shape < 1) {
        boost = pow(assay_rng_uniform(rng), 1 / shape);
        shape += 1;
    }
    d = shape - 1.0 / 3;
    c = 1 / sqrt(9 * d);
    for (;;) {
        double x = assay_rng_normal(rng);
        double v = pow(1 + c * x, 3);
        double u = assay_rng_uniform(rng);

        if (v > 0 && log(u) < x * x / 2 + d - d * v + d * log(v))
            return boost * d * v;
    }
}

static double draw_share(struct assay_rng *rng, double mixup)
{
    double a = draw_gamma(rng, mixup);
    double b = draw_gamma(rng, mixup);

    return a + b > 0 ? a / (a + b) : 0.5;
}

/* log of the mixed label's probabilities; that of 0 is a floor. */
static void mix_labels(float *soft, size_t n_classes, int32_t one,
                       int32_t other, double share)
{
    static const float floor_log = -69.0F; /* log 1e-30 */
    double p[2] = {share, 1 - share};

    if (one == other)
        p[0] = 1;
    for (size_t k = 0; k < n_classes; k++)
        soft[k] = floor_log;
    soft[other] = (float)fmax(log(fmax(p[1], 1e-300)), (double)floor_log);
    soft[one] = (float)fmax(log(fmax(p[0], 1e-300)), (double)floor_log);
}

static void mix(struct assay__targets *s, const struct assay_batch *b)
{
    const assay_view *view = s->t->train;
    size_t pixels = s->pixels;
    float *x = b->inputs[0];
    struct assay_rng rng;
    double share;

    assay_rng_init(&rng, s->t->seed, "mixup", b->epoch << 32 | b->rows[0]);
    share = draw_share(&rng, s->t->objective->mixup);
    for (size_t i = 0; i < b->n; i++)
        s->order[i] = (uint32_t)i;
    assay_rng_shuffle(&rng, s->order, b->n);
    memcpy(s->partner, x, b->n * pixels * sizeof(float));
    for (size_t i = 0; i < b->n; i++) {
        size_t j = s->order[i];
        const float *other = s->partner + j * pixels;
        float *own = x + i * pixels;

        for (size_t p = 0; p < pixels; p++)
            own[p] = (float)share * own[p] + (float)(1 - share) * other[p];
        mix_labels(b->inputs[s->soft] + i * s->n_classes, s->n_classes,
                   assay_view_label(view, b->rows[i]),
                   assay_view_label(view, b->rows[j]), share);
    }
}

static void look_up(const struct assay__targets *s, const struct assay_batch *b)
{
    const struct assay_objective *o = s->t->objective;
    size_t k = s->n_classes;

    for (size_t i = 0; i < b->n; i++) {
        size_t variant = o->variants > 1 &&
                         assay_view_mirrors(&s->t->recipe->augment, s->t->seed,
                                            b->epoch, b->rows[i]);
        size_t at = b->rows[i] * (size_t)o->variants + variant;

        memcpy(b->inputs[s->soft] + i * k, o->soft + at * k, k * sizeof(float));
    }
}

int assay__targets_fill(void *self, const struct assay_batch *b,
                        struct assay_error *err)
{
    struct assay__targets *s = self;
    const assay_view *view = s->t->train;
    const struct assay_objective *o = s->t->objective;

    (void)err;
    assay_view_fill(view, b->rows, b->n, &s->t->recipe->augment, s->t->seed,
                    b->epoch, b->inputs[0]);
    for (size_t i = 0; i < b->n; i++)
        b->inputs[1][i] = (float)assay_view_label(view, b->rows[i]);
    if (o && o->mixup > 0)
        mix(s, b);
    else if (o && o->variants > 0)
        look_up(s, b);
    for (size_t i = 0; s->epoch >= 0 && i < b->n; i++)
        b->inputs[s->epoch][i] = (float)b->epoch;
    return ASSAY_OK;
}
