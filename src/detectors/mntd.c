/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MNTD, meta neural Trojan detection (Xu et al., IEEE S&P 2021): a small
 * network learns from shadow models, with and without backdoors, to tell them
 * apart by what they answer to a few queries, and the queries are tuned with
 * it,
 *
 *   min over theta, x_1 .. x_Q of  cross-entropy(meta(theta; f(x_1) .. f(x_Q)),
 *                                                has a backdoor)
 *
 * by Adam, a model per step. The score is the meta-network's logit for the
 * model that is judged.
 *
 * Access: the judged model's answers to Q queries; of the shadow models
 * gradients. They must be of the judged model's architecture and classes, and
 * trained like it: what they do not show is not learnt.
 *
 * Deviations: where there are eight shadow models or more, one in four is not
 * learnt from but gives the threshold and the p-value (the share of clean
 * ones that score as much), where the authors' code takes the median of the
 * scores that are judged; queries begin as noise about grey and are kept
 * within pixels; answers are logits less their mean; one meta-network, not
 * five.
 */

#include "detectors/mntd.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "assay/layers.h"
#include "assay/rng.h"
#include "core/mem.h"
#include "detectors/middle.h"

enum { PARAM_QUERIES, PARAM_EPOCHS, PARAM_RATE, PARAM_QUERY_RATE };

static const struct assay_setting params[] = {
    {"queries", 10, 1, 1000, "inputs that models are asked"},
    {"epochs", 20, 1, 100000, "passes over the shadow models"},
    {"rate", .003, 1e-7, 1, "learning rate of the meta-network"},
    {"query-rate", .01, 0, 10, "that of the queries"},
    {NULL, 0, 0, 0, NULL}};

enum { HOLD_FROM = 8, HOLD_EVERY = 4, HELD_FOR_P = 19 };

struct mntd {
    const struct assay_detector_input *in;
    size_t q, k, image;
    assay_graph *graph;
    assay_value x, weight, logits, d;
    assay_plan *plan;
    struct assay__meta meta;
    double *query;  /* [Q, image], then slopes, then [2] moments */
    float *rows;    /* [Q, image] */
    float *said;    /* [Q, K] */
    double *answer; /* [Q, K] */

    uint8_t *held; /* [shadows] */
    uint32_t *order;
    double low[ASSAY_CHANNELS_MAX], high[ASSAY_CHANNELS_MAX];
    double *held_score;
    uint8_t *held_bad;
    bool fitted; /* the threshold, on both sorts */
};

/* Shadows must be models of the judged one's kind, some of either sort. */
static int check_shadows(const struct assay_detector_input *in,
                         struct assay_error *err)
{
    const struct assay_params *mine = assay_model_weights(in->model);
    size_t bad = 0;

    for (size_t i = 0; i < in->n_shadows; i++) {
        const struct assay_params *p = assay_model_weights(in->shadow[i].model);
        int same = p->n_slots == mine->n_slots;

        for (int s = 0; s < mine->n_slots && same; s++)
            same = strcmp(p->slot[s].name, mine->slot[s].name) == 0 &&
                   assay_shape_equal(&p->slot[s].shape, &mine->slot[s].shape);
        if (!same)
            return assay_error_set(err, ASSAY_SHAPE,
                                   "mntd: shadow model %zu is not of the "
                                   "judged model's architecture and classes",
                                   i);
        bad += in->shadow[i].backdoored != 0;
    }
    if (bad < 2 || in->n_shadows - bad < 2)
        return assay_error_set(err, ASSAY_DATA,
                               "mntd: %zu shadow models with a backdoor and "
                               "%zu without; 2 of each are the least",
                               bad, in->n_shadows - bad);
    return ASSAY_OK;
}

static int build(struct mntd *m, struct assay_error *err)
{
    const assay_model *model = m->in->model;
    const assay_graph *g = assay_model_graph(model);
    struct assay_shape shape = *assay_graph_shape(g, assay_model_input(model));
    struct assay_shape wide =
        assay_shape_make(2, (int64_t)ASSAY_BATCH, (int64_t)m->k);
    struct assay_shape each = assay_shape_make(1, (int64_t)ASSAY_BATCH);
    struct assay_plan_options o =
        assay__evaluation(m->in->ctx, m->in->compute, m->q);
    assay_value outputs[2];
    assay_value sum;
    int rc = assay_graph_new(&m->graph, err);

    if (rc)
        return rc;
    m->x = assay_graph_input(m->graph, "queries", &shape);
    m->weight = assay_graph_input(m->graph, "weights", &wide);
    m->logits = assay_model_logits(model);
    rc = assay_graph_append(m->graph, g, "", &m->x, &m->logits, 1, err);
    if (rc)
        return rc;
    sum = assay_op_reduce(m->graph, ASSAY_REDUCE_SUM,
                          assay_op_mul(m->graph, m->logits, m->weight), 2);
    sum = assay_op_reshape(m->graph, sum, &each);
    rc = assay__row_slopes(m->graph, sum, &m->x, 1, &m->d, err);
    outputs[0] = m->logits;
    outputs[1] = m->d;
    o.outputs = outputs;
    o.n_outputs = 2;
    return rc ? rc : assay_plan_new(&m->plan, m->graph, &o, err);
}

/* Noise about grey, of a quarter of the range. */
static void draw_queries(struct mntd *m)
{
    const struct assay_preprocess *pre = assay_model_preprocess(m->in->model);
    size_t plane = (size_t)pre->height * (size_t)pre->width;
    struct assay_rng rng;
    double *to = m->query;

    assay_rng_init(&rng, m->in->ctx->seed, "mntd-queries", 0);
    for (int c = 0; c < pre->channels; c++) {
        m->low[c] = -pre->mean[c] / pre->std[c];
        m->high[c] = (255 * pre->scale - pre->mean[c]) / pre->std[c];
    }
    for (size_t i = 0; i < m->q; i++) {
        for (int c = 0; c < pre->channels; c++) {
            for (size_t j = 0; j < plane; j++) {
                double share = .5 + .25 * assay_rng_normal(&rng);

                share = fmin(1, fmax(0, share));
                *to++ = m->low[c] + share * (m->high[c] - m->low[c]);
            }
        }
    }
}

static int open_mntd(struct mntd *m, struct assay_error *err)
{
    const struct assay_preprocess *pre = assay_model_preprocess(m->in->model);
    size_t s = m->in->n_shadows;
    int rc = check_shadows(m->in, err);

    if (rc)
        return rc;
    m->q = (size_t)m->in->param[PARAM_QUERIES];
    m->k = (size_t)assay_model_n_classes(m->in->model);
    m->image = (size_t)pre->channels * (size_t)pre->height * (size_t)pre->width;
    m->query = assay__calloc(4 * m->q * m->image, sizeof(double));
    m->rows = assay__calloc(m->q * m->image, sizeof(float));
    m->said = assay__calloc(m->q * m->k, sizeof(float));
    m->answer = assay__calloc(m->q * m->k, sizeof(double));
    m->held_score = assay__calloc(s, sizeof(double));
    m->held_bad = assay__calloc(s, 1);
    m->held = assay__calloc(s, 1);
    m->order = assay__calloc(s, sizeof(*m->order));
    if (!m->query || !m->rows || !m->said || !m->answer || !m->held_score ||
        !m->held_bad || !m->held || !m->order)
        return assay_error_set(err, ASSAY_NOMEM,
                               "mntd: out of memory for %zu queries", m->q);
    draw_queries(m);
    rc = assay__meta_init(&m->meta, m->q * m->k, m->in->ctx->seed, err);
    return rc ? rc : build(m, err);
}

static void close_mntd(struct mntd *m)
{
    assay_plan_free(m->plan);
    assay_graph_free(m->graph);
    assay__meta_release(&m->meta);
    assay__free(m->query);
    assay__free(m->rows);
    assay__free(m->said);
    assay__free(m->answer);
    assay__free(m->held_score);
    assay__free(m->held_bad);
    assay__free(m->held);
    assay__free(m->order);
}

/* One in four of either sort is held out, where there are enough. */
static size_t hold_out(struct mntd *m)
{
    size_t seen[2] = {0, 0};
    size_t held = 0;

    if (m->in->n_shadows < HOLD_FROM)
        return 0;
    for (size_t i = 0; i < m->in->n_shadows; i++) {
        size_t sort = m->in->shadow[i].backdoored != 0;

        m->held[i] = ++seen[sort] % HOLD_EVERY == 0;
        held += m->held[i];
    }
    return held;
}

/* What a model answers to the queries as they are, and its score. */
static int ask(struct mntd *m, const assay_model *model, double *score,
               struct assay_error *err)
{
    int rc = assay_plan_load(m->plan, assay_model_weights(model), err);

    for (size_t i = 0; i < m->q * m->image; i++)
        m->rows[i] = (float)m->query[i];
    memset(m->said, 0, m->q * m->k * sizeof(*m->said));
    if (!rc)
        rc = assay_plan_write(m->plan, m->x, m->rows, err);
    if (!rc)
        rc = assay_plan_write(m->plan, m->weight, m->said, err);
    if (!rc)
        rc = assay_plan_run(m->plan, err);
    if (!rc)
        rc = assay_plan_read(m->plan, m->logits, m->said, err);
    if (rc)
        return rc;
    for (size_t i = 0; i < m->q; i++) {
        double mean = 0;

        for (size_t c = 0; c < m->k; c++)
            mean += (double)m->said[i * m->k + c] / (double)m->k;
        for (size_t c = 0; c < m->k; c++)
            m->answer[i * m->k + c] = (double)m->said[i * m->k + c] - mean;
    }
    *score = assay__meta_score(&m->meta, m->answer);
    return ASSAY_OK;
}

/* The queries' slopes from those of the answers, through the model that was
 * asked last. */
static int slopes(struct mntd *m, double *out, struct assay_error *err)
{
    int rc;

    for (size_t i = 0; i < m->q; i++) {
        double mean = 0;

        for (size_t c = 0; c < m->k; c++)
            mean += m->meta.d_x[i * m->k + c] / (double)m->k;
        for (size_t c = 0; c < m->k; c++)
            m->said[i * m->k + c] = (float)(m->meta.d_x[i * m->k + c] - mean);
    }
    rc = assay_plan_write(m->plan, m->weight, m->said, err);
    if (!rc)
        rc = assay_plan_write(m->plan, m->x, m->rows, err);
    if (!rc)
        rc = assay_plan_run(m->plan, err);
    if (!rc)
        rc = assay_plan_read(m->plan, m->d, m->rows, err);
    for (size_t i = 0; i < m->q * m->image && !rc; i++)
        out[i] = (double)m->rows[i];
    return rc;
}

static int learn(struct mntd *m, size_t shadow, struct assay_error *err)
{
    const struct assay_preprocess *pre = assay_model_preprocess(m->in->model);
    size_t plane = m->image / (size_t)pre->channels;
    size_t n = m->q * m->image;
    double score = 0;
    int rc = ask(m, m->in->shadow[shadow].model, &score, err);

    if (rc)
        return rc;
    assay__meta_slopes(&m->meta, m->answer, score,
                       m->in->shadow[shadow].backdoored != 0);
    rc = slopes(m, m->query + n, err);
    if (rc)
        return rc;
    m->meta.steps++;
    assay__meta_adam(m->meta.weight, m->meta.grad, m->meta.moment, m->meta.n,
                     m->meta.steps, m->in->param[PARAM_RATE]);
    assay__meta_adam(m->query, m->query + n, m->query + 2 * n, n, m->meta.steps,
                     m->in->param[PARAM_QUERY_RATE]);
    for (size_t i = 0; i < n; i++) {
        size_t c = i % m->image / plane;

        m->query[i] = fmin(m->high[c], fmax(m->low[c], m->query[i]));
    }
    return ASSAY_OK;
}

static int train(struct mntd *m, struct assay_error *err)
{
    size_t epochs = (size_t)m->in->param[PARAM_EPOCHS];
    size_t s = m->in->n_shadows;
    int rc = ASSAY_OK;

    for (size_t e = 0; e < epochs && !rc; e++) {
        struct assay_rng rng;

        for (size_t i = 0; i < s; i++)
            m->order[i] = (uint32_t)i;
        assay_rng_init(&rng, m->in->ctx->seed, "mntd-order", e);
        assay_rng_shuffle(&rng, m->order, s);
        for (size_t i = 0; i < s && !rc; i++) {
            rc = assay_context_check(m->in->ctx, err);
            if (!rc && !m->held[m->order[i]])
                rc = learn(m, m->order[i], err);
        }
    }
    return rc;
}

/* Threshold and p-value from the models that were held out. */
static int calibrate(struct mntd *m, struct assay_detection *out,
                     struct assay_error *err)
{
    size_t n = 0;
    size_t clean = 0;
    size_t above = 0;
    int rc = ASSAY_OK;

    for (size_t i = 0; i < m->in->n_shadows && !rc; i++) {
        if (!m->held[i])
            continue;
        rc = ask(m, m->in->shadow[i].model, &m->held_score[n], err);
        m->held_bad[n] = m->in->shadow[i].backdoored != 0;
        clean += !m->held_bad[n];
        above += !m->held_bad[n] && m->held_score[n] >= out->score;
        n++;
    }
    if (rc)
        return rc;
    /* NaN where none of a sort was held out: even odds then. */
    out->threshold = assay_threshold_fit(m->held_score, m->held_bad, n);
    m->fitted = !isnan(out->threshold);
    if (!m->fitted)
        out->threshold = 0;
    /* Fewer cannot say 1 in 20, and would silence the threshold. */
    if (clean >= HELD_FOR_P)
        out->p_value = (double)(above + 1) / (double)(clean + 1);
    return ASSAY_OK;
}

static int run(const struct assay_detector_input *in,
               struct assay_detection *out, struct assay_error *err)
{
    struct mntd m = {.in = in};
    size_t held = 0;
    int rc = open_mntd(&m, err);

    if (!rc) {
        held = hold_out(&m);
        rc = train(&m, err);
    }
    if (!rc)
        rc = ask(&m, in->model, &out->score, err);
    out->threshold = 0;
    if (!rc && held > 0)
        rc = calibrate(&m, out, err);
    if (m.fitted)
        snprintf(out->note, sizeof(out->note),
                 "learnt from %zu shadow models; threshold%s from %zu others",
                 in->n_shadows - held, isnan(out->p_value) ? "" : " and p",
                 held);
    else
        snprintf(out->note, sizeof(out->note),
                 "learnt from %zu shadow models, %s held out: the threshold is "
                 "that of even odds",
                 in->n_shadows - held, held > 0 ? "one sort" : "none");
    close_mntd(&m);
    return rc;
}

const struct assay_detector assay_detector_mntd = {
    .name = "mntd",
    .title = "Meta neural Trojan detection",
    .summary = "What shadow models with and without backdoors teach a network "
               "to see in answers.",
    .cites = "Xu et al., S&P 2021",
    .subject = ASSAY_DETECT_MODEL,
    .needs = ASSAY_DETECTOR_NEEDS_SHADOWS,
    .params = params,
    .run = run,
};
