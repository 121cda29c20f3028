/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Triggers searched side by side.
 *
 * One plan evaluates all jobs' mini-batches at once: its batch holds `slots`
 * jobs of `batch` rows each. Stamping and the way back from an image's slope
 * to a mask's are done here: they are a few sums per pixel, and need no
 * network. A job that ends gives its slot to the next one; when none waits
 * and half of the slots are empty, a plan for those that are left takes
 * over, so that what stopped early costs nothing. Networks are in evaluation
 * mode and no weight's gradient is computed: rows do not see each other, and
 * a job's mini-batches depend on the seed and its own rounds alone.
 *
 * Memory: the plan's for slots x batch rows, however many jobs there are.
 */

#include "detectors/reverse.h"

#include <math.h>
#include <string.h>

#include "assay/rng.h"
#include "core/checked.h"
#include "core/mem.h"
#include "detectors/middle.h"

#define BETA1 .5
#define BETA2 .9

struct assay__reverse_slot {
    int used;
    size_t job;
    size_t round;
    size_t batch; /* of the round */
    size_t hits;  /* in the round */
    size_t steps; /* of Adam */
    double c;
    size_t up, down; /* rounds in a row that hit enough, or did not */
    int raised, lowered;
    size_t idle; /* rounds without a better one */
    int reached;
    double best_l1;
    double best_success;
    double *raw;  /* [1 + C, H, W]: a, then b */
    double *mean; /* Adam's */
    double *var;
    double *grad;
    float *value;    /* [1 + C, H, W]: m, and p as the model sees it */
    float *best;     /* [1 + C, H, W]: m, and p in pixels */
    uint32_t *order; /* [n], of the round's records */
};

static size_t plane_of(const struct assay__reverse *r)
{
    return (size_t)r->pre->height * (size_t)r->pre->width;
}

static size_t image_of(const struct assay__reverse *r)
{
    return (size_t)r->pre->channels * plane_of(r);
}

static int no_memory(const struct assay__reverse *r, struct assay_error *err)
{
    return assay_error_set(err, ASSAY_NOMEM,
                           "%s: out of memory for %zu searches at once",
                           r->task, r->slots);
}

static int make_slot(const struct assay__reverse *r,
                     struct assay__reverse_slot *s)
{
    size_t n = plane_of(r) + image_of(r);

    s->raw = assay__calloc(4 * n, sizeof(*s->raw));
    s->value = assay__calloc(2 * n, sizeof(*s->value));
    s->order = assay__calloc(r->n, sizeof(*s->order));
    if (!s->raw || !s->value || !s->order)
        return ASSAY_NOMEM;
    s->mean = s->raw + n;
    s->var = s->raw + 2 * n;
    s->grad = s->raw + 3 * n;
    s->best = s->value + n;
    return ASSAY_OK;
}

static int make_arrays(struct assay__reverse *r, struct assay_error *err)
{
    size_t rows;
    size_t numbers;

    if (!assay__mul_size(r->slots, r->o.batch, &rows) ||
        !assay__mul_size(rows, image_of(r), &numbers))
        return no_memory(r, err);
    r->slot = assay__calloc(r->slots, sizeof(*r->slot));
    r->rows = assay__calloc(numbers, sizeof(*r->rows));
    r->slopes = assay__calloc(numbers, sizeof(*r->slopes));
    r->asked = assay__calloc(rows * r->width, sizeof(*r->asked));
    r->answer = assay__calloc(2 * rows, sizeof(*r->answer));
    if (!r->slot || !r->rows || !r->slopes || !r->asked || !r->answer)
        return no_memory(r, err);
    for (size_t i = 0; i < r->slots; i++)
        if (make_slot(r, &r->slot[i]))
            return no_memory(r, err);
    return ASSAY_OK;
}

static int differentiate(struct assay__reverse *r, struct assay_error *err)
{
    int rc = assay__row_slopes(r->graph, r->loss, &r->image, 1, &r->slope, err);

    if (!rc && r->slope == ASSAY_NO_VALUE)
        rc = assay_error_set(err, ASSAY_UNSUPPORTED,
                             "%s: what the model says does not depend on its "
                             "input",
                             r->task);
    return rc;
}

static int make_plan(struct assay__reverse *r, assay_plan **out, size_t slots,
                     struct assay_error *err)
{
    assay_value outputs[3] = {r->loss, r->slope, r->hit};
    struct assay_plan_options o =
        assay__evaluation(r->ctx, r->compute, slots * r->o.batch);

    o.outputs = outputs;
    o.n_outputs = r->hit == ASSAY_NO_VALUE ? 2 : 3;
    o.share = r->first;
    return assay_plan_new(out, r->graph, &o, err);
}

int assay__reverse_open(struct assay__reverse *r, struct assay_error *err)
{
    int rc;

    r->slots = r->o.at_once < r->n_jobs ? r->o.at_once : r->n_jobs;
    if (r->slots < 1 || r->n < 1)
        return assay_error_set(err, ASSAY_DATA,
                               "%s: %zu searches on %zu clean records", r->task,
                               r->n_jobs, r->n);
    rc = make_arrays(r, err);
    if (!rc)
        rc = differentiate(r, err);
    if (!rc)
        rc = make_plan(r, &r->first, r->slots, err);
    if (!rc)
        rc = assay_plan_load(r->first, r->params, err);
    r->plan = r->first;
    return rc;
}

void assay__reverse_release(struct assay__reverse *r)
{
    if (r->plan != r->first)
        assay_plan_free(r->plan);
    assay_plan_free(r->first);
    assay_graph_free(r->graph);
    /* Slots that a smaller plan has no room for still own their arrays. */
    for (size_t i = 0; r->slot && i < r->o.at_once && i < r->n_jobs; i++) {
        assay__free(r->slot[i].raw);
        assay__free(r->slot[i].value);
        assay__free(r->slot[i].order);
    }
    assay__free(r->slot);
    assay__free(r->rows);
    assay__free(r->slopes);
    assay__free(r->asked);
    assay__free(r->answer);
    r->first = r->plan = NULL;
    r->graph = NULL;
    r->slot = NULL;
}

/* m, and p as the model sees it, from a and b. */
static void evaluate_trigger(const struct assay__reverse *r,
                             struct assay__reverse_slot *s)
{
    size_t plane = plane_of(r);

    for (size_t j = 0; j < plane; j++)
        s->value[j] = (float)(.5 + .5 * tanh(s->raw[j]));
    for (int c = 0; c < r->pre->channels; c++) {
        size_t first = plane * (size_t)(1 + c);

        for (size_t i = first; i < first + plane; i++) {
            double pixel = 255 * (.5 + .5 * tanh(s->raw[i]));

            s->value[i] = (float)((pixel * r->pre->scale - r->pre->mean[c]) /
                                  r->pre->std[c]);
        }
    }
}

static void draw_order(const struct assay__reverse *r,
                       struct assay__reverse_slot *s)
{
    struct assay_rng rng;

    for (size_t i = 0; i < r->n; i++)
        s->order[i] = (uint32_t)i;
    assay_rng_init(&rng, r->ctx->seed, "reverse-order", s->round);
    assay_rng_shuffle(&rng, s->order, r->n);
}

/* A new job into the slot: mask and pattern uniform in their ranges. */
static void place(struct assay__reverse *r, struct assay__reverse_slot *s)
{
    struct assay__reverse_slot fresh = {.raw = s->raw,
                                        .mean = s->mean,
                                        .var = s->var,
                                        .grad = s->grad,
                                        .value = s->value,
                                        .best = s->best,
                                        .order = s->order};
    size_t n = plane_of(r) + image_of(r);
    struct assay_rng rng;

    *s = fresh;
    if (r->next == r->n_jobs)
        return;
    s->used = 1;
    s->job = r->next++;
    s->c = r->o.patience ? 0 : r->o.weight;
    memset(s->mean, 0, 3 * n * sizeof(*s->mean));
    assay_rng_init(&rng, r->ctx->seed, r->task, 1 + s->job);
    for (size_t i = 0; i < n; i++)
        s->raw[i] = atanh((2 * assay_rng_uniform(&rng) - 1) * .999999);
    evaluate_trigger(r, s);
    draw_order(r, s);
    r->active++;
}

/* The record that row i of a slot's mini-batch shows. */
static const float *record(const struct assay__reverse *r,
                           const struct assay__reverse_slot *s, size_t i)
{
    size_t at = (s->batch * r->o.batch + i) % r->n;

    return r->x + (size_t)s->order[at] * image_of(r);
}

/* x' = x + m (p - x) for the slot's rows. */
static void stamp(struct assay__reverse *r, size_t at)
{
    const struct assay__reverse_slot *s = &r->slot[at];
    size_t plane = plane_of(r);
    size_t image = image_of(r);
    const float *p = s->value + plane;

    for (size_t i = 0; i < r->o.batch; i++) {
        float *to = r->rows + (at * r->o.batch + i) * image;
        const float *x = record(r, s, i);

        for (size_t c = 0; c < image; c += plane)
            for (size_t j = 0; j < plane; j++)
                to[c + j] = x[c + j] + s->value[j] * (p[c + j] - x[c + j]);
        memcpy(r->asked + (at * r->o.batch + i) * r->width,
               r->wanted + s->job * r->width, r->width * sizeof(float));
    }
}

/* d / d m and d / d p of the mean loss into grad. */
static void collect(struct assay__reverse *r, size_t at)
{
    struct assay__reverse_slot *s = &r->slot[at];
    size_t plane = plane_of(r);
    size_t image = image_of(r);
    double each = 1 / (double)r->o.batch;

    memset(s->grad, 0, (plane + image) * sizeof(*s->grad));
    for (size_t i = 0; i < r->o.batch; i++) {
        const float *d = r->slopes + (at * r->o.batch + i) * image;
        const float *x = record(r, s, i);

        for (size_t c = 0; c < image; c += plane) {
            const float *p = s->value + plane + c;
            double *d_p = s->grad + plane + c;

            for (size_t j = 0; j < plane; j++) {
                double slope = each * (double)d[c + j];

                s->grad[j] += slope * ((double)p[j] - (double)x[c + j]);
                d_p[j] += slope * (double)s->value[j];
            }
        }
    }
}

static double l1_of(const struct assay__reverse *r,
                    const struct assay__reverse_slot *s)
{
    double sum = 0;

    for (size_t j = 0; j < plane_of(r); j++)
        sum += (double)s->value[j];
    return sum;
}

/* One number's update by Adam; g is its gradient, `fix` what its moments
 * lack after so few steps. */
static void move(const struct assay__reverse *r, struct assay__reverse_slot *s,
                 size_t i, double g, const double fix[2])
{
    s->mean[i] = BETA1 * s->mean[i] + (1 - BETA1) * g;
    s->var[i] = BETA2 * s->var[i] + (1 - BETA2) * g * g;
    s->raw[i] -=
        r->o.rate * (s->mean[i] / fix[0]) / (sqrt(s->var[i] / fix[1]) + 1e-8);
}

/* From slopes by m and p to those by a and b, and a step. */
static void update(struct assay__reverse *r, struct assay__reverse_slot *s)
{
    size_t plane = plane_of(r);
    double weight = l1_of(r, s) > r->o.limit ? s->c : 0;
    double fix[2];

    s->steps++;
    fix[0] = 1 - pow(BETA1, (double)s->steps);
    fix[1] = 1 - pow(BETA2, (double)s->steps);
    for (size_t j = 0; j < plane; j++) {
        double t = tanh(s->raw[j]);

        move(r, s, j, (s->grad[j] + weight) * .5 * (1 - t * t), fix);
    }
    for (int c = 0; c < r->pre->channels; c++) {
        double factor = 127.5 * r->pre->scale / r->pre->std[c];
        size_t first = plane * (size_t)(1 + c);

        for (size_t i = first; i < first + plane; i++) {
            double t = tanh(s->raw[i]);

            move(r, s, i, s->grad[i] * factor * (1 - t * t), fix);
        }
    }
    evaluate_trigger(r, s);
}

static void keep(const struct assay__reverse *r, struct assay__reverse_slot *s,
                 double l1, double success)
{
    size_t plane = plane_of(r);

    memcpy(s->best, s->value, plane * sizeof(*s->best));
    for (size_t i = plane; i < plane + image_of(r); i++)
        s->best[i] = (float)(255 * (.5 + .5 * tanh(s->raw[i])));
    s->best_l1 = l1;
    s->best_success = success;
}

/* The weight of the mask's norm after a round, as the paper moves it. */
static void adapt(const struct assay__reverse *r, struct assay__reverse_slot *s,
                  int enough)
{
    s->up = enough ? s->up + 1 : 0;
    s->down = enough ? 0 : s->down + 1;
    if (r->o.patience == 0) {
        if (l1_of(r, s) > r->o.limit)
            s->c *= r->o.factor;
        else
            s->c = fmax(s->c / r->o.factor, r->o.weight);
        return;
    }
    if (s->up >= r->o.patience) {
        s->raised = s->raised || s->c > 0;
        s->c = s->c > 0 ? s->c * r->o.factor : r->o.weight;
        s->up = 0;
    } else if (s->down >= r->o.patience && s->c > 0) {
        s->lowered = 1;
        s->c /= pow(r->o.factor, 1.5);
        s->down = 0;
    }
}

/* A round is over: whether the job is, too. `l1` and the trigger are those
 * that the round's last mini-batch was stamped with. */
static int end_round(const struct assay__reverse *r,
                     struct assay__reverse_slot *s)
{
    double success = (double)s->hits / (double)(r->o.batch * r->o.per_round);
    double l1 = l1_of(r, s);
    int enough =
        success >= r->o.enough && (r->o.limit <= 0 || l1 <= 1.1 * r->o.limit);

    if (enough && (!s->reached || l1 < s->best_l1)) {
        /* A better one is better by a hundredth. */
        s->idle = s->reached && l1 > .99 * s->best_l1 ? s->idle + 1 : 0;
        keep(r, s, l1, success);
        s->reached = 1;
    } else {
        s->idle++;
    }
    if (!s->reached)
        keep(r, s, l1, success);
    adapt(r, s, enough);
    s->round++;
    s->batch = s->hits = 0;
    draw_order(r, s);
    return s->round == r->o.rounds ||
           (r->o.stop > 0 && s->reached && s->raised && s->lowered &&
            s->idle >= r->o.stop);
}

static int finish(struct assay__reverse *r, struct assay__reverse_slot *s,
                  struct assay_error *err)
{
    struct assay__reversed found = {.job = s->job,
                                    .reached = s->reached,
                                    .l1 = s->best_l1,
                                    .success = s->best_success,
                                    .rounds = s->round,
                                    .mask = s->best,
                                    .pattern = s->best + plane_of(r)};
    int rc = r->ended(r->user, &found, err);

    r->active--;
    place(r, s);
    return rc;
}

static int evaluate(struct assay__reverse *r, struct assay_error *err)
{
    int rc;

    for (size_t i = 0; i < r->slots; i++)
        if (r->slot[i].used)
            stamp(r, i);
    rc = assay_plan_write(r->plan, r->image, r->rows, err);
    if (!rc)
        rc = assay_plan_write(r->plan, r->want, r->asked, err);
    if (!rc)
        rc = assay_plan_run(r->plan, err);
    if (!rc)
        rc = assay_plan_read(r->plan, r->slope, r->slopes, err);
    if (!rc)
        rc = assay_plan_read(r->plan, r->loss, r->answer, err);
    if (!rc && r->hit != ASSAY_NO_VALUE)
        rc = assay_plan_read(r->plan, r->hit, r->answer + r->slots * r->o.batch,
                             err);
    return rc;
}

/* What the evaluation says to one slot. */
static int advance(struct assay__reverse *r, size_t at, struct assay_error *err)
{
    struct assay__reverse_slot *s = &r->slot[at];
    const float *loss = r->answer + at * r->o.batch;
    const float *hit = loss + r->slots * r->o.batch;
    int last = s->batch + 1 == r->o.per_round;

    for (size_t i = 0; i < r->o.batch; i++) {
        if (!isfinite(loss[i]))
            return assay_error_set(err, ASSAY_NUMERIC,
                                   "%s: search %zu, round %zu: the loss is not "
                                   "finite",
                                   r->task, s->job, s->round);
        if (r->hit != ASSAY_NO_VALUE)
            s->hits += hit[i] > .5F;
    }
    collect(r, at);
    s->batch++;
    if (last && end_round(r, s))
        return finish(r, s, err);
    update(r, s);
    return ASSAY_OK;
}

/* Used slots to the front, and a plan for no more than these. */
static int shrink(struct assay__reverse *r, struct assay_error *err)
{
    assay_plan *plan = NULL;
    size_t front = 0;
    int rc;

    for (size_t i = 0; i < r->slots; i++) {
        struct assay__reverse_slot other = r->slot[i];

        if (!other.used)
            continue;
        r->slot[i] = r->slot[front];
        r->slot[front++] = other;
    }
    rc = make_plan(r, &plan, front, err);
    if (rc)
        return rc;
    if (r->plan != r->first)
        assay_plan_free(r->plan);
    r->plan = plan;
    r->slots = front;
    return ASSAY_OK;
}

static void report(const struct assay__reverse *r, size_t done)
{
    struct assay_progress step = {
        .task = r->task, .unit = "searches", .done = done, .total = r->n_jobs};

    assay_progress(r->ctx, &step);
}

int assay__reverse_run(struct assay__reverse *r, struct assay_error *err)
{
    size_t done = 0;
    int rc = ASSAY_OK;

    for (size_t i = 0; i < r->slots; i++)
        place(r, &r->slot[i]);
    report(r, 0);
    while (r->active > 0 && !rc) {
        rc = assay_context_check(r->ctx, err);
        if (!rc && r->next == r->n_jobs && 2 * r->active <= r->slots)
            rc = shrink(r, err);
        if (!rc)
            rc = evaluate(r, err);
        for (size_t i = 0; i < r->slots && !rc; i++)
            if (r->slot[i].used)
                rc = advance(r, i, err);
        if (r->next - r->active > done)
            report(r, done = r->next - r->active);
    }
    return rc;
}
