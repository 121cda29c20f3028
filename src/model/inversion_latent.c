/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Searching a generator's latent space for a class: GMI (Zhang et al., "The
 * Secret Revealer", CVPR 2020) and, by other options, LOMMA (Nguyen et al.,
 * "Re-thinking Model Inversion Attacks Against Deep Neural Networks", CVPR
 * 2023): its loss on the logit, its feature term and its model
 * augmentation. The term takes the mean of the public features, as the
 * authors' code does, where the paper's text draws from their normal
 * distribution; it, too, is a mean over features.
 */

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "assay/layers.h"
#include "core/mem.h"
#include "model/generator.h"
#include "model/model.h"
#include "model/search.h"

enum { BATCH = 16, MODELS_MAX = 64, PREFIX = 32 };

void assay_latent_descent_init(struct assay_latent_descent *o)
{
    memset(o, 0, sizeof(*o));
    o->rate = 1e-4;
    o->momentum = .9;
    o->identity_weight = 100;
    o->clamp = 1;
    o->steps = 1500;
    o->feature_weight = 1;
    o->batch = BATCH;
}

struct descent {
    const struct assay_latent_descent *o;
    const struct assay_inversion_rows *rows;
    int z_dim;
    float *speed; /* [batch, z_dim] */
};

static void draw(void *user, size_t row, size_t slot, float *z)
{
    const struct descent *d = user;
    uint64_t stream = d->rows->stream ? d->rows->stream[row] : row;

    memset(d->speed + slot * (size_t)d->z_dim, 0,
           (size_t)d->z_dim * sizeof(*d->speed));
    assay__draw_normal(z, 1, d->z_dim, d->o->seed, "inversion-z", stream);
}

static bool advance(void *user, struct assay__iterate *it)
{
    const struct descent *d = user;
    const struct assay_latent_descent *o = d->o;
    float *speed = d->speed + it->slot * (size_t)d->z_dim;
    float m = (float)o->momentum;
    float bound = (float)o->clamp;

    if (it->step == o->steps)
        return false;
    for (int i = 0; i < d->z_dim; i++) {
        float before = speed[i];
        float z = it->x[i];

        speed[i] = m * before - (float)o->rate * it->d[i];
        z += (1 + m) * speed[i] - m * before;
        it->x[i] = z > bound ? bound : z < -bound ? -bound : z;
    }
    return true;
}

static int check_options(const struct assay_latent_descent *o, int n_models,
                         struct assay_error *err)
{
    if (n_models < 1 || n_models > MODELS_MAX)
        return assay_error_set(err, ASSAY_ARG,
                               "inversion: %d models; 1 to %d are possible",
                               n_models, MODELS_MAX);
    if (!(o->rate > 0) || !isfinite(o->rate) || !(o->momentum >= 0) ||
        !(o->momentum < 1) || !(o->clamp > 0) || !isfinite(o->identity_weight))
        return assay_error_set(err, ASSAY_ARG,
                               "inversion: rate %g (above 0), momentum %g (in "
                               "0..1), clamp %g (above 0), identity weight %g",
                               o->rate, o->momentum, o->clamp,
                               o->identity_weight);
    if (o->identity != ASSAY_IDENTITY_CROSS_ENTROPY &&
        o->identity != ASSAY_IDENTITY_LOGIT)
        return assay_error_set(err, ASSAY_ARG,
                               "inversion: identity loss %d does not exist",
                               (int)o->identity);
    if (o->steps > UINT32_MAX)
        return assay_error_set(err, ASSAY_ARG,
                               "inversion: %zu steps, at most %lu", o->steps,
                               (unsigned long)UINT32_MAX);
    return ASSAY_OK;
}

static bool same_range(const struct assay_preprocess *a,
                       const struct assay_preprocess *b)
{
    bool same = a->channels == b->channels && a->height == b->height &&
                a->width == b->width && a->scale == b->scale;

    for (int c = 0; same && c < a->channels; c++)
        same = a->mean[c] == b->mean[c] && a->std[c] == b->std[c];
    return same;
}

static int check_models(const struct assay_latent_nets *nets,
                        struct assay_error *err)
{
    for (int i = 0; i < nets->n_models; i++) {
        if (nets->models[i]->n_classes != nets->models[0]->n_classes)
            return assay_error_set(err, ASSAY_ARG,
                                   "inversion: model %d has %d classes, the "
                                   "target %d",
                                   i, nets->models[i]->n_classes,
                                   nets->models[0]->n_classes);
        if (!same_range(&nets->models[i]->preprocess,
                        &nets->generator->preprocess))
            return assay_error_set(err, ASSAY_ARG,
                                   "inversion: model %d and the generator "
                                   "preprocess differently",
                                   i);
    }
    return ASSAY_OK;
}

/* feature_weight * mean (embedding - feature_mean)^2, [N]; the mean is a
 * frozen layer's weights, the same for all rows: 0 * sum + mean. */
static assay_value feature_term(struct assay__search *s, assay_value embedding,
                                const struct assay_latent_descent *o)
{
    static const struct assay_init zero = {ASSAY_INIT_ZERO, 0, 0};
    int64_t h = assay_graph_shape(s->graph, embedding)->dim[1];
    struct assay_shape wide = assay_shape_make(2, h, (int64_t)s->n_classes);
    struct assay_shape row = assay_shape_make(1, h);
    assay_value w = assay_graph_param(s->graph, "feature.zero", &wide, zero, 0);
    assay_value b = assay_graph_param(s->graph, "feature.mean", &row, zero, 0);
    assay_value mean = assay_op_linear(s->graph, s->onehot, w, b);

    return assay_op_affine(s->graph, assay_op_mse(s->graph, embedding, mean),
                           o->feature_weight, 0);
}

/* The identity loss over all models, [N]. */
static int identity(struct assay__search *s,
                    const struct assay_latent_nets *nets,
                    const struct assay_latent_descent *o,
                    struct assay_error *err)
{
    assay_value sum = ASSAY_NO_VALUE;
    assay_value first = ASSAY_NO_VALUE;

    for (int i = 0; i < nets->n_models; i++) {
        char prefix[PREFIX];
        assay_value logits;
        assay_value embedding;
        assay_value loss;
        int rc;

        snprintf(prefix, sizeof(prefix), "model.%d.", i);
        rc = assay__search_model(s, nets->models[i], s->image, prefix, &logits,
                                 &embedding, err);
        if (rc)
            return rc;
        loss = o->identity == ASSAY_IDENTITY_LOGIT
                   ? assay_op_affine(s->graph, assay__search_pick(s, logits),
                                     -1, 0)
                   : assay_op_softmax_xent(s->graph, logits, s->labels);
        if (i == 0) {
            s->logits = logits;
            first = embedding;
        }
        sum = i == 0 ? loss : assay_op_add(s->graph, sum, loss);
    }
    if (nets->n_models > 1)
        sum = assay_op_affine(s->graph, sum, 1.0 / nets->n_models, 0);
    if (o->identity == ASSAY_IDENTITY_LOGIT && o->feature_mean)
        sum = assay_op_add(s->graph, sum, feature_term(s, first, o));
    s->loss = sum;
    return assay_graph_check(s->graph, err);
}

static int fill(struct assay__search *s, const struct assay_latent_nets *nets,
                const struct assay_latent_descent *o, struct assay_error *err)
{
    const struct assay_param_slot *mean =
        assay_params_find(&s->params, "feature.mean");
    int rc = assay_generator_fill(nets->generator, "gan.", &s->params, err);

    for (int i = 0; i < nets->n_models && !rc; i++) {
        char prefix[PREFIX];

        snprintf(prefix, sizeof(prefix), "model.%d.", i);
        rc = assay__params_fill(&s->params, prefix, &nets->models[i]->params,
                                err);
    }
    if (mean && !rc)
        memcpy(s->params.data + mean->offset, o->feature_mean,
               mean->count * sizeof(float));
    return rc;
}

static int build(struct assay__search *s, const struct assay_latent_nets *nets,
                 const struct assay_latent_descent *o, struct assay_error *err)
{
    struct assay_generator_values made;
    int rc;

    assay_generator_append(nets->generator, s->graph, s->x, "gan.", &made);
    s->image = made.image;
    rc = identity(s, nets, o, err);
    if (rc)
        return rc;
    s->total = assay_op_add(
        s->graph, assay_op_affine(s->graph, s->loss, o->identity_weight, 0),
        assay_op_affine(s->graph, made.realism, -1, 0));
    rc = assay__search_compile(s, err);
    return rc ? rc : fill(s, nets, o, err);
}

static int descend(struct assay__search *s, struct descent *d,
                   struct assay_error *err)
{
    int rc;

    d->speed = assay__calloc(s->batch * s->width, sizeof(*d->speed));
    if (!d->speed)
        return assay_error_set(err, ASSAY_NOMEM, "%s: out of memory", s->task);
    rc = assay__search_run(s, advance, draw, d, err);
    assay__free(d->speed);
    return rc;
}

int assay_inversion_latent(struct assay_inversion *out,
                           const struct assay_context *ctx,
                           const struct assay_compute *compute,
                           const struct assay_latent_nets *nets,
                           const struct assay_inversion_rows *rows,
                           const struct assay_latent_descent *options,
                           struct assay_error *err)
{
    struct assay_shape shape = assay_shape_make(
        2, (int64_t)ASSAY_BATCH, (int64_t)nets->generator->net.z_dim);
    struct descent d = {
        .o = options, .rows = rows, .z_dim = nets->generator->net.z_dim};
    struct assay_inversion found = {0};
    struct assay__search s = {
        .ctx = ctx, .compute = compute, .rows = rows, .batch = options->batch};
    int rc = check_options(options, nets->n_models, err);

    if (!rc)
        rc = check_models(nets, err);
    if (rc)
        return rc;
    s.task = options->task ? options->task : "inversion";
    s.n_classes = nets->models[0]->n_classes;
    rc = assay__search_open(&s, &shape, nets->models[0], &found, err);
    if (!rc)
        rc = build(&s, nets, options, err);
    if (!rc)
        rc = descend(&s, &d, err);
    assay__search_release(&s);
    if (rc)
        assay_inversion_release(&found);
    else
        *out = found;
    return rc;
}
