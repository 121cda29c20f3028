/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Crafting: the features of x- are pulled, step by step, onto what the
 * features of x+ are, by those weights of one layer that matter much to that
 * and little to all else, while the features of other inputs are held where
 * they were. What matters is measured anew as weights change: the positive
 * impact in each step, the negative one every few.
 *
 * With several triggers each pair's weights are moved by its own gradient
 * alone, and only such as matter little to the other pairs' x-, too.
 */

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/mem.h"
#include "reuse/reuse.h"

enum {
    IMPACT_NATURAL = 32, /* natural inputs that the negative impact is measured
                            on, beside the neighbours of x+ */
    STAY_ROWS = 64       /* inputs that must stay, looked at in each step */
};
static const double beta1 = .9; /* of Adam */
static const double beta2 = .999;

static const char *const impact_names[] = {
#define ASSAY_X(name, text) text,
    ASSAY_REUSE_IMPACTS(ASSAY_X)
#undef ASSAY_X
};
static const char *const stop_names[] = {
#define ASSAY_X(name, text) text,
    ASSAY_REUSE_STOPS(ASSAY_X)
#undef ASSAY_X
};

const char *assay_reuse_impact_name(enum assay_reuse_impact impact)
{
    return impact < ASSAY_REUSE_IMPACT_COUNT ? impact_names[impact] : "?";
}

static const char *const scope_names[] = {
#define ASSAY_X(name, text) text,
    ASSAY_REUSE_SCOPES(ASSAY_X)
#undef ASSAY_X
};

const char *assay_reuse_scope_name(enum assay_reuse_scope scope)
{
    return scope < ASSAY_REUSE_SCOPE_COUNT ? scope_names[scope] : "?";
}

const char *assay_reuse_stop_name(enum assay_reuse_stop stop)
{
    return stop < ASSAY_REUSE_STOP_COUNT ? stop_names[stop] : "?";
}

void assay_reuse_options_init(struct assay_reuse_options *o)
{
    memset(o, 0, sizeof(*o));
    o->neighbours = 64;
    o->tries = 20;
    o->cosine = .9;
    o->keep = 1;
    o->theta = 50;
    o->step = .003;
    o->stay = 1;
    o->max_steps = 300;
    o->enough = .005;
    o->margin = .07;
    o->impact = ASSAY_REUSE_IMPACT_JOINT;
    o->vectors = 8;
    o->renew = 10;
}

/* What belongs to one trigger. */
struct pair {
    float *x; /* [n_minus + n_plus + n_natural, pixels] in this order */
    size_t n_minus;
    size_t n_plus;
    size_t n_all;
    double *target;   /* [dim], mean of x+'s features at the start */
    double *old;      /* [dim], of x-'s */
    double *weight;   /* [dim], 1 / n_minus at salient features, else 0 */
    double *stay;     /* [n_plus + n_natural, dim], features at the start */
    double *gradient; /* [size] of this pair's D */
    double *stay_gradient; /* [size] of what has not stayed */
    double *impact;        /* [size], negative, on X+ and natural inputs */
    double *impact_all;    /* the same with X- as well; several triggers only */
    uint8_t *mark;         /* [size] */
    double distance;
    bool nearest;
};

struct crafting {
    assay_model *f;
    const struct assay_reuse_material *material;
    const struct assay_reuse_options *o;
    const struct assay_context *ctx;
    const struct assay_compute *compute;
    const struct assay_param_slot *slot;
    float *w;   /* of the layer, in the model */
    float *was; /* a copy of how it was */
    struct assay__reuse_lab lab;
    struct assay__reuse_lab single; /* of batch 1, where that is cheaper */
    struct pair *pair;
    double *features; /* [most rows, dim] */
    double *scratch;  /* [size] */
    double *moment;   /* [2, dim] */
    double *even;     /* [dim], weight of each feature that must stay */
    double *mean1;    /* [size], Adam's means of gradients and squares */
    double *mean2;
    uint32_t *moved; /* [size], steps of each weight */
    struct assay_reuse_change done;
};

static int check_options(const struct assay_reuse_material *m,
                         const struct assay_reuse_options *o,
                         struct assay_error *err)
{
    if (m->n_triggers < 1 || m->n_natural < 1)
        return assay_error_set(err, ASSAY_ARG,
                               "crafting: %zu triggers and %zu natural inputs; "
                               "one of each is needed",
                               m->n_triggers, m->n_natural);
    if (o->neighbours < 2 || o->neighbours > 4096 || o->tries < 1 ||
        o->tries > 10000)
        return assay_error_set(
            err, ASSAY_ARG,
            "crafting: %zu neighbours (2 to 4096), %zu tries "
            "for each (1 to 10000)",
            o->neighbours, o->tries);
    if (!(o->theta >= 0 && o->theta <= 100) || !(o->keep > 0 && o->keep <= 1))
        return assay_error_set(err, ASSAY_ARG,
                               "crafting: percentile %g (0 to 100), share of "
                               "salient features %g (above 0, at most 1)",
                               o->theta, o->keep);
    if (!(o->step >= 0) || !isfinite(o->step) || !(o->enough >= 0) ||
        !(o->margin >= 0) || !(o->stay >= 0) || !isfinite(o->stay))
        return assay_error_set(err, ASSAY_ARG,
                               "crafting: step %g, enough %g, margin %g, stay "
                               "%g; none may be below 0",
                               o->step, o->enough, o->margin, o->stay);
    if (o->vectors < 1 || o->renew < 1 || o->max_steps > 1000000)
        return assay_error_set(err, ASSAY_ARG,
                               "crafting: %zu vectors, renewed after %zu steps "
                               "of at most %zu",
                               o->vectors, o->renew, o->max_steps);
    return ASSAY_OK;
}

static int find_side(struct crafting *c, size_t j, bool plus, float *x,
                     size_t *n, struct assay_error *err)
{
    const struct assay_reuse_trigger *t = &c->material->trigger[j];
    struct assay_reuse_anchor anchor = {plus ? t->plus : t->minus, 1,
                                        plus ? "reuse-plus" : "reuse-minus", j};
    struct assay_reuse_found found = {x, c->o->neighbours, 0};
    int rc = assay_reuse_neighbours(&found, &anchor, c->f, c->o, c->ctx,
                                    c->compute, err);

    *n = found.found;
    if (!rc && found.found < 2)
        rc = assay_error_set(err, ASSAY_DATA,
                             "crafting: no neighbour of x%c %zu in %zu tries "
                             "has features as much alike as %g",
                             plus ? '+' : '-', j, c->o->tries * found.n,
                             c->o->cosine);
    if (found.found < c->done.neighbours)
        c->done.neighbours = found.found;
    return rc;
}

/* X-, X+ and the natural inputs of pair j, one after the other. */
static int gather(struct crafting *c, size_t j, struct assay_error *err)
{
    struct pair *p = &c->pair[j];
    size_t pixels = c->lab.pixels;
    size_t room = 2 * c->o->neighbours + c->material->n_natural;
    int rc;

    p->x = assay__calloc(room * pixels, sizeof(float));
    if (!p->x)
        return assay_error_set(err, ASSAY_NOMEM,
                               "crafting: no memory for %zu images", room);
    rc = find_side(c, j, false, p->x, &p->n_minus, err);
    if (!rc)
        rc = find_side(c, j, true, p->x + p->n_minus * pixels, &p->n_plus, err);
    if (rc)
        return rc;
    memcpy(p->x + (p->n_minus + p->n_plus) * pixels, c->material->natural,
           c->material->n_natural * pixels * sizeof(float));
    p->n_all = p->n_minus + p->n_plus + c->material->n_natural;
    return ASSAY_OK;
}

static bool pair_alloc(struct pair *p, size_t dim, size_t size, bool several)
{
    p->target = assay__calloc(dim, sizeof(double));
    p->old = assay__calloc(dim, sizeof(double));
    p->weight = assay__calloc(dim, sizeof(double));
    p->gradient = assay__calloc(size, sizeof(double));
    p->stay_gradient = assay__calloc(size, sizeof(double));
    p->impact = assay__calloc(size, sizeof(double));
    p->impact_all = assay__calloc(several ? size : 1, sizeof(double));
    p->mark = assay__calloc(size, 1);
    return p->target && p->old && p->weight && p->gradient &&
           p->stay_gradient && p->impact && p->impact_all && p->mark;
}

static void pair_release(struct pair *p)
{
    assay__free(p->x);
    assay__free(p->target);
    assay__free(p->old);
    assay__free(p->weight);
    assay__free(p->stay);
    assay__free(p->gradient);
    assay__free(p->stay_gradient);
    assay__free(p->impact);
    assay__free(p->impact_all);
    assay__free(p->mark);
}

/* Features as what reads them sees them. */
static void rectify(const struct crafting *c, double *features, size_t n)
{
    for (size_t i = 0; c->lab.rectified && i < n * c->lab.dim; i++)
        features[i] = fmax(features[i], 0);
}

/* The mean of the features of X- or X+, and the marks of salient ones. */
static int moments_of(struct crafting *c, const struct pair *p, bool plus,
                      double *mean, uint8_t *mark, struct assay_error *err)
{
    struct assay__reuse_rows rows = {.x = p->x + (plus ? p->n_minus : 0) *
                                                     c->lab.pixels,
                                     .n = plus ? p->n_plus : p->n_minus};
    double *deviation = c->moment;
    int rc = assay__reuse_lab_run(&c->lab, &rows, NULL, c->features, NULL, err);

    if (rc)
        return rc;
    assay__reuse_moments(c->features, rows.n, c->lab.dim, mean, deviation);
    rectify(c, c->features, rows.n);
    assay__reuse_moments(c->features, rows.n, c->lab.dim, c->even, deviation);
    return assay__reuse_salient(mark, c->even, deviation, c->lab.dim,
                                c->o->keep, err);
}

static int find_salient(struct crafting *c, size_t j, struct assay_error *err)
{
    struct pair *p = &c->pair[j];
    uint8_t *mark = assay__calloc(c->lab.dim, 1);
    size_t n = 0;
    int rc;

    if (!mark)
        return assay_error_set(err, ASSAY_NOMEM, "crafting: out of memory");
    rc = moments_of(c, p, false, p->old, mark, err);
    if (!rc)
        rc = moments_of(c, p, true, p->target, mark, err);
    for (size_t i = 0; i < c->lab.dim; i++) {
        p->weight[i] = mark[i] ? 1 / (double)p->n_minus : 0;
        n += mark[i];
    }
    if (j == 0)
        c->done.n_salient = n;
    assay__free(mark);
    return rc;
}

/* What X+ and the natural inputs have for features, before all. */
static int note_stay(struct crafting *c, struct pair *p,
                     struct assay_error *err)
{
    struct assay__reuse_rows rows = {.x = p->x + p->n_minus * c->lab.pixels,
                                     .n = p->n_all - p->n_minus};

    p->stay = assay__calloc(rows.n * c->lab.dim, sizeof(double));
    if (!p->stay)
        return assay_error_set(err, ASSAY_NOMEM,
                               "crafting: no memory for the features of %zu "
                               "inputs",
                               rows.n);
    return assay__reuse_lab_run(&c->lab, &rows, NULL, p->stay, NULL, err);
}

static int open_labs(struct crafting *c, struct assay_error *err)
{
    int rc = assay__reuse_lab_open(&c->lab, c->f, c->slot, ASSAY__REUSE_BATCH,
                                   c->ctx, c->compute, err);

    if (!rc && c->o->impact != ASSAY_REUSE_IMPACT_JOINT)
        rc = assay__reuse_lab_open(&c->single, c->f, c->slot, 1, c->ctx,
                                   c->compute, err);
    return rc;
}

static int prepare(struct crafting *c, struct assay_error *err)
{
    struct assay_params *params = assay_model_params(c->f);
    size_t n = c->material->n_triggers;
    int rc = assay__reuse_layer(&c->slot, c->f, c->o->layer, err);

    if (rc)
        return rc;
    c->w = params->data + c->slot->offset;
    c->done.neighbours = c->o->neighbours;
    rc = open_labs(c, err);
    if (rc)
        return rc;
    c->was = assay__calloc(c->slot->count, sizeof(float));
    c->scratch = assay__calloc(c->slot->count, sizeof(double));
    c->moment = assay__calloc(c->lab.dim, sizeof(double));
    c->even = assay__calloc(c->lab.dim, sizeof(double));
    c->mean1 = assay__calloc(c->slot->count, sizeof(double));
    c->mean2 = assay__calloc(c->slot->count, sizeof(double));
    c->moved = assay__calloc(c->slot->count, sizeof(uint32_t));
    c->features = assay__calloc(c->o->neighbours * c->lab.dim, sizeof(double));
    c->pair = assay__calloc(n, sizeof(*c->pair));
    if (!c->was || !c->scratch || !c->moment || !c->even || !c->mean1 ||
        !c->mean2 || !c->moved || !c->features || !c->pair)
        return assay_error_set(err, ASSAY_NOMEM, "crafting: out of memory");
    memcpy(c->was, c->w, c->slot->count * sizeof(float));
    for (size_t j = 0; j < n && !rc; j++) {
        if (!pair_alloc(&c->pair[j], c->lab.dim, c->slot->count, n > 1))
            return assay_error_set(err, ASSAY_NOMEM,
                                   "crafting: no memory for %zu weights",
                                   c->slot->count);
        rc = gather(c, j, err);
        if (!rc)
            rc = find_salient(c, j, err);
        if (!rc && c->o->stay > 0)
            rc = note_stay(c, &c->pair[j], err);
    }
    return rc;
}

static void release(struct crafting *c)
{
    assay__reuse_lab_close(&c->lab);
    assay__reuse_lab_close(&c->single);
    for (size_t j = 0; c->pair && j < c->material->n_triggers; j++)
        pair_release(&c->pair[j]);
    assay__free(c->pair);
    assay__free(c->was);
    assay__free(c->scratch);
    assay__free(c->moment);
    assay__free(c->even);
    assay__free(c->mean1);
    assay__free(c->mean2);
    assay__free(c->moved);
    assay__free(c->features);
}

static double seen(const struct crafting *c, double feature)
{
    return c->lab.rectified ? fmax(feature, 0) : feature;
}

/* Whether all of X- have come nearer to x+ than `margin` of what they are
 * from where they were. */
static bool is_nearest(const struct crafting *c, const struct pair *p)
{
    double margin = c->o->margin * c->o->margin;

    for (size_t r = 0; r < p->n_minus; r++) {
        double to = 0;
        double from = 0;

        for (size_t i = 0; i < c->lab.dim; i++) {
            double x = seen(c, c->features[r * c->lab.dim + i]);

            if (p->weight[i] > 0) {
                double t = x - seen(c, p->target[i]);
                double o = x - seen(c, p->old[i]);

                to += t * t;
                from += o * o;
            }
        }
        if (!(to < margin * from))
            return false;
    }
    return true;
}

/* D, its gradients and how near X- is, with the weights as they are. */
static int look(struct crafting *c, double *distance, bool *nearest,
                struct assay_error *err)
{
    int rc = assay__reuse_lab_load(&c->lab, err);

    *distance = 0;
    *nearest = c->o->margin > 0;
    for (size_t j = 0; j < c->material->n_triggers && !rc; j++) {
        struct pair *p = &c->pair[j];
        struct assay__reuse_rows rows = {.x = p->x,
                                         .n = p->n_minus,
                                         .target = p->target,
                                         .weight = p->weight};

        rc = assay__reuse_lab_run(&c->lab, &rows, &p->distance, c->features,
                                  p->gradient, err);
        *distance += p->distance;
        *nearest = *nearest && !rc && is_nearest(c, p);
    }
    return rc;
}

/* The gradient of how far some of the inputs that must stay have moved, in
 * turn from step to step, as if it were all of them. */
static int look_around(struct crafting *c, size_t step, struct assay_error *err)
{
    int rc = ASSAY_OK;

    for (size_t j = 0; j < c->material->n_triggers && !rc; j++) {
        struct pair *p = &c->pair[j];
        size_t all = p->n_all - p->n_minus;
        size_t windows = (all + STAY_ROWS - 1) / STAY_ROWS;
        size_t first = step % windows * STAY_ROWS;
        size_t n = all - first < STAY_ROWS ? all - first : STAY_ROWS;
        struct assay__reuse_rows rows = {
            .x = p->x + (p->n_minus + first) * c->lab.pixels,
            .n = n,
            .targets = p->stay + first * c->lab.dim,
            .weight = c->even};

        for (size_t i = 0; i < c->lab.dim; i++)
            c->even[i] = c->o->stay / (double)n;
        rc = assay__reuse_lab_run(&c->lab, &rows, NULL, NULL, p->stay_gradient,
                                  err);
    }
    return rc;
}

static int measure_impacts(struct crafting *c, size_t step,
                           struct assay_error *err)
{
    bool joint = c->o->impact == ASSAY_REUSE_IMPACT_JOINT;
    struct assay__reuse_lab *lab = joint ? &c->lab : &c->single;
    size_t n = c->material->n_triggers;
    int rc = joint ? ASSAY_OK : assay__reuse_lab_load(lab, err);

    for (size_t j = 0; j < n && !rc; j++) {
        struct pair *p = &c->pair[j];
        size_t natural = c->material->n_natural < IMPACT_NATURAL
                             ? c->material->n_natural
                             : IMPACT_NATURAL;

        rc =
            assay__reuse_impact(p->impact, lab, p->x + p->n_minus * lab->pixels,
                                p->n_plus + natural, c->o, step * n + j, err);
        if (!rc && n > 1)
            rc = assay__reuse_impact(p->impact_all, lab, p->x,
                                     p->n_minus + p->n_plus + natural, c->o,
                                     step * n + j, err);
    }
    return rc;
}

/*
 * Take marks away by one impact, within each unit or the layer, among the
 * weights that can move D at all: of a 3x3 kernel on a map of 1x1 eight in
 * nine cannot, and would make the percentiles theirs.
 */
static void pass(struct crafting *c, struct pair *p, const double *impact,
                 double percent, bool above)
{
    bool by_unit = c->o->scope == ASSAY_REUSE_SCOPE_UNIT;
    size_t units = by_unit ? (size_t)c->slot->shape.dim[0] : 1;
    size_t each = c->slot->count / units;

    for (size_t u = 0; u < units; u++)
        assay__reuse_pass(p->mark + u * each, impact + u * each,
                          p->gradient + u * each, each, percent, above,
                          c->scratch);
}

/* Marks of the weights that pair j may move. */
static void select_weights(struct crafting *c, size_t j)
{
    struct pair *p = &c->pair[j];
    size_t size = c->slot->count;
    double theta = c->o->theta;

    memset(p->mark, 1, size);
    for (size_t i = 0; i < size; i++)
        c->lab.chunk[i] = fabs(p->gradient[i]);
    pass(c, p, c->lab.chunk, theta, true);
    pass(c, p, p->impact, 100 - theta, false);
    for (size_t k = 0; k < c->material->n_triggers; k++)
        if (k != j)
            pass(c, p, c->pair[k].impact_all, 100 - theta, false);
}

/* What weight i moves by: Adam, with means of those steps alone in which it
 * was chosen. */
static double adam(struct crafting *c, size_t i, double g)
{
    double t = (double)++c->moved[i];

    c->mean1[i] = beta1 * c->mean1[i] + (1 - beta1) * g;
    c->mean2[i] = beta2 * c->mean2[i] + (1 - beta2) * g * g;
    return c->o->step * (c->mean1[i] / (1 - pow(beta1, t))) /
           (sqrt(c->mean2[i] / (1 - pow(beta2, t))) + 1e-12);
}

/* One step down; what is left to do. */
static bool move(struct crafting *c, enum assay_reuse_stop *stop)
{
    size_t size = c->slot->count;
    double *delta = c->scratch;
    size_t n_marked = 0;
    bool any = false;

    for (size_t j = 0; j < c->material->n_triggers; j++)
        select_weights(c, j);
    memset(delta, 0, size * sizeof(*delta));
    for (size_t j = 0; j < c->material->n_triggers; j++)
        for (size_t i = 0; i < size; i++)
            if (c->pair[j].mark[i]) {
                delta[i] +=
                    c->pair[j].gradient[i] + c->pair[j].stay_gradient[i];
                n_marked++;
            }
    for (size_t i = 0; i < size; i++) {
        if (delta[i] == 0)
            continue;
        any = true;
        c->w[i] =
            (float)((double)c->w[i] - (c->o->plain ? c->o->step * delta[i]
                                                   : adam(c, i, delta[i])));
    }
    if (!any)
        *stop = n_marked ? ASSAY_REUSE_STOP_STILL : ASSAY_REUSE_STOP_NOTHING;
    return any;
}

/* Whether it is over before step number `step`. */
static bool is_over(const struct crafting *c, double distance, bool nearest,
                    size_t step, enum assay_reuse_stop *stop)
{
    if (!(c->o->step > 0) || !(distance > 0))
        *stop = ASSAY_REUSE_STOP_STILL;
    else if (distance < c->o->enough * c->done.first_distance)
        *stop = ASSAY_REUSE_STOP_DISTANCE;
    else if (nearest)
        *stop = ASSAY_REUSE_STOP_NEAREST;
    else if (step == c->o->max_steps)
        *stop = ASSAY_REUSE_STOP_STEPS;
    else
        return false;
    return true;
}

static int descend(struct crafting *c, struct assay_error *err)
{
    struct assay_progress report = {"crafting", "steps", NULL, 0,
                                    c->o->max_steps};
    double distance;
    bool nearest;
    int rc = ASSAY_OK;

    for (size_t step = 0; !rc; step++) {
        rc = assay_context_check(c->ctx, err);
        if (!rc)
            rc = look(c, &distance, &nearest, err);
        if (rc)
            break;
        if (step == 0)
            c->done.first_distance = distance;
        c->done.last_distance = distance;
        c->done.steps = step;
        if (is_over(c, distance, nearest, step, &c->done.stop))
            break;
        if (step % c->o->renew == 0)
            rc = measure_impacts(c, step, err);
        if (!rc && c->o->stay > 0)
            rc = look_around(c, step, err);
        if (!rc && !move(c, &c->done.stop))
            break;
        report.done = step + 1;
        assay_progress(c->ctx, &report);
    }
    return rc;
}

static void count_changes(struct crafting *c)
{
    const struct assay_params *params = assay_model_params(c->f);

    snprintf(c->done.layer, sizeof(c->done.layer), "%s", c->slot->name);
    c->done.n_layer = c->slot->count;
    for (int i = 0; i < params->n_slots; i++)
        if (!(params->slot[i].flags & ASSAY_PARAM_BUFFER))
            c->done.n_weights += params->slot[i].count;
    for (size_t i = 0; i < c->slot->count; i++) {
        double change = fabs((double)c->w[i] - (double)c->was[i]);

        c->done.n_touched += change > 0;
        c->done.max_change = fmax(c->done.max_change, change);
    }
}

int assay_reuse_craft(struct assay_reuse_change *out, assay_model *f,
                      const struct assay_reuse_material *material,
                      const struct assay_reuse_options *options,
                      const struct assay_context *ctx,
                      const struct assay_compute *compute,
                      struct assay_error *err)
{
    struct crafting c = {.f = f,
                         .material = material,
                         .o = options,
                         .ctx = ctx,
                         .compute = compute};
    int rc = check_options(material, options, err);

    if (!rc)
        rc = prepare(&c, err);
    if (!rc) {
        rc = descend(&c, err);
        if (rc)
            memcpy(c.w, c.was, c.slot->count * sizeof(float));
    }
    if (!rc) {
        count_changes(&c);
        *out = c.done;
    }
    release(&c);
    return rc;
}
