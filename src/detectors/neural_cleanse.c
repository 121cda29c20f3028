/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Neural Cleanse (Wang et al., IEEE S&P 2019): for each class t the smallest
 * trigger that turns clean records into it,
 *
 *   min over m, p of  mean CE(F((1 - m) x + m p), t) + c |m|_1
 *
 * m one number per pixel, shared by the channels, p a colour each; c rises
 * while nearly all records are turned, and falls while they are not. A class
 * that needs a much smaller trigger than the others has a backdoor. The
 * score is the paper's anomaly index of the smallest norm, the threshold its
 * 2; the p-value counts in that the smallest of K was looked at (outlier.c).
 *
 * Access white-box; some clean records. m and p are taken in pixels, before
 * the model's preprocessing (which is affine, so that the search works behind
 * it), and shown in them. All classes side by side (reverse.c).
 *
 * Deviations from the authors' code: a round is `batches` mini-batches of
 * records drawn anew, not 31; fewer rounds; tanh without the 1e-7 that keeps
 * it from 0 and 1. A class whose trigger never turns enough records has no
 * norm (NaN) and is left out of the comparison. With fewer than five classes
 * to compare nothing is called: a median of four says nothing about the
 * smallest of them; the score is given, but no threshold, p or target.
 */

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "assay/layers.h"
#include "core/mem.h"
#include "detectors/reverse.h"

enum {
    PARAM_ROUNDS,
    PARAM_BATCHES,
    PARAM_BATCH,
    PARAM_AT_ONCE,
    PARAM_RECORDS,
    PARAM_RATE,
    PARAM_WEIGHT,
    PARAM_FACTOR,
    PARAM_SUCCESS,
    PARAM_PATIENCE,
    PARAM_STOP
};

static const struct assay_setting params[] = {
    {"rounds", 100, 1, 100000, "rounds per class, at most"},
    {"batches", 10, 1, 10000, "mini-batches per round"},
    {"batch", 32, 1, 4096, "records per mini-batch"},
    {"at-once", 10, 1, 1024, "classes side by side: memory grows with it"},
    {"records", 1000, 1, 1000000, "clean records to use, at most"},
    {"rate", .1, 1e-6, 10, "learning rate of Adam"},
    {"weight", .001, 0, 1000, "first weight of the mask's norm"},
    {"factor", 2, 1.01, 100, "by which the weight rises"},
    {"success", .99, .01, 1, "share of records that a trigger must turn"},
    {"patience", 5, 1, 1000, "rounds in a row before the weight moves"},
    {"stop", 15, 0, 100000, "rounds without a smaller one; 0: never stop"},
    {NULL, 0, 0, 0, NULL}};

struct search {
    struct assay__reverse r;
    struct assay_detection *out;
    struct assay_params params; /* norms folded into convolutions */
    float *labels;              /* [K] */
    float *x;
    int reached; /* classes */
    double l1;   /* of the trigger that was kept */
};

/* Keep the trigger of the smallest norm among those that turn enough; until
 * there is one, the first. */
static int ended(void *user, const struct assay__reversed *found,
                 struct assay_error *err)
{
    struct search *s = user;
    const struct assay_preprocess *pre = s->r.pre;
    struct assay_trigger *t = &s->out->trigger;
    size_t plane = (size_t)pre->height * (size_t)pre->width;
    int rc = ASSAY_OK;

    s->out->per_class[found->job] = found->reached ? found->l1 : (double)NAN;
    if (t->mask && (!found->reached || (s->reached && found->l1 >= s->l1)))
        return ASSAY_OK;
    s->reached += found->reached;
    s->l1 = found->l1;
    if (!t->mask)
        rc = assay_trigger_make(t, pre->channels, pre->height, pre->width, err);
    if (rc)
        return rc;
    memcpy(t->mask, found->mask, plane * sizeof(float));
    memcpy(t->pattern, found->pattern,
           (size_t)pre->channels * plane * sizeof(float));
    return ASSAY_OK;
}

static int build(struct search *s, const assay_model *m,
                 struct assay_error *err)
{
    const assay_graph *g = assay_model_graph(m);
    struct assay_shape shape = *assay_graph_shape(g, assay_model_input(m));
    struct assay_shape each = assay_shape_make(1, (int64_t)ASSAY_BATCH);
    assay_value logits = assay_model_logits(m);
    struct assay__reverse *r = &s->r;
    int rc = assay_graph_new(&r->graph, err);

    if (rc)
        return rc;
    r->image = assay_graph_input(r->graph, "x", &shape);
    r->want = assay_graph_input(r->graph, "labels", &each);
    rc = assay_graph_append_folded(r->graph, g, &r->image, &logits, 1, err);
    if (rc)
        return rc;
    r->loss = assay_op_softmax_xent(r->graph, logits, r->want);
    r->hit = assay_op_correct(r->graph, logits, r->want);
    rc = assay_graph_check(r->graph, err);
    return rc ? rc
              : assay_params_fold(&s->params, r->graph, g,
                                  assay_model_weights(m), err);
}

static void set_options(struct assay__reverse_options *o, const double *param)
{
    o->rounds = (size_t)param[PARAM_ROUNDS];
    o->per_round = (size_t)param[PARAM_BATCHES];
    o->batch = (size_t)param[PARAM_BATCH];
    o->at_once = (size_t)param[PARAM_AT_ONCE];
    o->rate = param[PARAM_RATE];
    o->weight = param[PARAM_WEIGHT];
    o->factor = param[PARAM_FACTOR];
    o->enough = param[PARAM_SUCCESS];
    o->patience = (size_t)param[PARAM_PATIENCE];
    o->stop = (size_t)param[PARAM_STOP];
}

static int prepare(struct search *s, const struct assay_detector_input *in,
                   struct assay_error *err)
{
    int k = assay_model_n_classes(in->model);
    int rc;

    s->r.ctx = in->ctx;
    s->r.compute = in->compute;
    s->r.pre = assay_model_preprocess(in->model);
    s->r.params = &s->params;
    s->r.task = "neural-cleanse";
    s->r.ended = ended;
    s->r.user = s;
    set_options(&s->r.o, in->param);
    rc = assay__gather_images(in->clean, (size_t)in->param[PARAM_RECORDS],
                              in->ctx->seed, s->r.task, &s->x, NULL, &s->r.n,
                              err);
    s->labels = assay__calloc((size_t)k, sizeof(*s->labels));
    s->out->per_class = assay__calloc((size_t)k, sizeof(double));
    if (!rc && (!s->labels || !s->out->per_class))
        rc = assay_error_set(err, ASSAY_NOMEM,
                             "neural-cleanse: out of memory for %d classes", k);
    if (rc)
        return rc;
    for (int i = 0; i < k; i++)
        s->labels[i] = (float)i;
    s->out->n_classes = (size_t)k;
    s->r.x = s->x;
    s->r.n_jobs = (size_t)k;
    s->r.wanted = s->labels;
    s->r.width = 1;
    return build(s, in->model, err);
}

/* What the norms say. */
static int judge(struct assay_detection *out, struct assay_error *err)
{
    double *work = assay__calloc(out->n_classes, sizeof(*work));
    struct assay__outlier found;

    if (!work)
        return assay_error_set(err, ASSAY_NOMEM,
                               "neural-cleanse: out of memory");
    found = assay__outlier_small(out->per_class, out->n_classes, work);
    assay__free(work);
    out->statistic = "L1 norm of the smallest mask that turns records into it";
    /* An index of fewer than three is a constant. */
    out->score = found.n < 3 ? (double)NAN : found.index;
    out->p_value = found.p;
    if (found.n < ASSAY__OUTLIER_LEAST) {
        snprintf(out->note, sizeof(out->note),
                 "%zu of %zu classes have a trigger; nothing is called with "
                 "fewer than %d to compare",
                 found.n, out->n_classes, (int)ASSAY__OUTLIER_LEAST);
        return ASSAY_OK;
    }
    out->threshold = 2;
    if (out->score >= out->threshold)
        out->target = found.at;
    snprintf(out->note, sizeof(out->note),
             "smallest: class %d, %.2f pixels; %zu of %zu classes have a "
             "trigger",
             found.at, out->per_class[found.at], found.n, out->n_classes);
    return ASSAY_OK;
}

static int run(const struct assay_detector_input *in,
               struct assay_detection *out, struct assay_error *err)
{
    struct search s = {.out = out};
    int rc = prepare(&s, in, err);

    if (!rc)
        rc = assay__reverse_open(&s.r, err);
    if (!rc)
        rc = assay__reverse_run(&s.r, err);
    assay__reverse_release(&s.r);
    assay_params_release(&s.params);
    assay__free(s.x);
    assay__free(s.labels);
    return rc ? rc : judge(out, err);
}

const struct assay_detector assay_detector_neural_cleanse = {
    .name = "neural-cleanse",
    .title = "Neural Cleanse",
    .summary = "The smallest trigger of each class; one that is much smaller "
               "than the others is a backdoor's.",
    .cites = "Wang et al., S&P 2019",
    .subject = ASSAY_DETECT_MODEL,
    .needs = ASSAY_DETECTOR_NEEDS_CLEAN,
    .least_classes = 3,
    .params = params,
    .run = run,
};
