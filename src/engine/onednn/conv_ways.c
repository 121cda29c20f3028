/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Convolutions: the problem, the ways there are to compute it, and the
 * fastest of them. Layouts of data are left to the library in each
 * direction (`any`); reusing the forward layouts backwards is what makes it
 * fall to its reference kernels. The gradient of weights is asked for in
 * the store's layout first, which spares a copy.
 */

#include <stdio.h>
#include <string.h>

#include "engine/onednn/across.h"
#include "engine/onednn/taps.h"

static const char *const way_name[] = {"direct", "winograd", "blocked",
                                       "taps",   "plain",    "across"};
enum { DIRECT, WINOGRAD, BLOCKED, TAPS, PLAIN, ACROSS, N_WAYS };
/* Fewer channels are mostly padding in blocks; on larger maps our kernels
 * have nothing to gain. */
enum { CHANNELS_MIN = 16, TAPS_PLACES_MAX = 64 };

/* w_dims is worked on. */
static void make_problem(struct assay__dnn *d, int index, assay_value x,
                         dnnl_dims_t w_dims, assay_value y, bool has_bias,
                         struct assay__conv_problem *p)
{
    const struct assay_attrs *a = &d->plan->graph->node[index].attrs;
    int g = 0;

    memset(p, 0, sizeof *p);
    (void)assay__dnn_dims(d, x, p->x);
    (void)assay__dnn_dims(d, y, p->y);
    if (a->groups > 1) {
        p->w[g++] = a->groups;
        w_dims[0] /= a->groups;
    }
    for (int i = 0; i < 4; i++)
        p->w[g + i] = w_dims[i];
    p->w_rank = 4 + g;
    p->bias[0] = p->y[1];
    p->has_bias = has_bias;
    for (int i = 0; i < 2; i++) {
        dnnl_dim_t reach = (w_dims[2 + i] - 1) * a->dilation[i] + 1;

        p->strides[i] = a->stride[i];
        p->dilates[i] = a->dilation[i] - 1;
        p->pad_l[i] = a->pad[i];
        p->pad_r[i] =
            (p->y[2 + i] - 1) * a->stride[i] + reach - p->x[2 + i] - a->pad[i];
        if (p->pad_r[i] < 0)
            p->pad_r[i] = 0;
    }
    p->kind = d->plan->options.mode == ASSAY_MODE_TRAIN
                  ? dnnl_forward_training
                  : dnnl_forward_inference;
}

void assay__conv_problem(struct assay__dnn *d, int index, assay_value x,
                         assay_value w, assay_value y, bool has_bias,
                         struct assay__conv_problem *p)
{
    dnnl_dims_t w_dims;

    (void)assay__dnn_dims(d, w, w_dims);
    make_problem(d, index, x, w_dims, y, has_bias, p);
}

void assay__conv_squares_problem(struct assay__dnn *d, int index, bool has_bias,
                                 struct assay__conv_problem *p)
{
    const struct assay__node *node = &d->plan->graph->node[index];
    dnnl_dims_t w_dims;

    for (int i = 0; i < 4; i++)
        w_dims[i] = node->attrs.shape.dim[i];
    make_problem(d, index, node->in[0], w_dims, node->in[1], has_bias, p);
}

/* The descriptors to ask with. */
struct question {
    const_dnnl_memory_desc_t x, w, y, bias;
};

/* What is read may be bf16; what is made is f32. */
static void ask_any(struct assay__dnn *d, const struct assay__conv_problem *p,
                    enum assay__direction direction, struct question *q)
{
    q->x = assay__dnn_any(d, 4, p->x);
    q->w = assay__dnn_any(d, p->w_rank, p->w);
    q->y = assay__dnn_any(d, 4, p->y);
    if (direction == ASSAY__FORWARD)
        q->y = assay__dnn_md(d, 4, p->y, dnnl_format_tag_any);
    else if (direction == ASSAY__BACKWARD_DATA)
        q->x = assay__dnn_md(d, 4, p->x, dnnl_format_tag_any);
    else
        q->w = assay__dnn_md(d, p->w_rank, p->w, dnnl_format_tag_any);
    q->bias = p->has_bias ? assay__dnn_plain(d, 1, p->bias) : NULL;
}

const_dnnl_memory_desc_t assay__conv_blocked(struct assay__dnn *d,
                                             const dnnl_dims_t dims)
{
    return assay__dnn_md(d, 4, dims,
                         d->lanes == 8 ? dnnl_nChw8c : dnnl_nChw16c);
}

static dnnl_status_t create_forward(struct assay__dnn *d,
                                    const struct assay__conv_problem *p,
                                    const struct question *q,
                                    dnnl_alg_kind_t alg,
                                    dnnl_primitive_attr_t attr,
                                    dnnl_primitive_desc_t *pd)
{
    return dnnl_convolution_forward_primitive_desc_create(
        pd, d->engine, p->kind, alg, q->x, q->w, q->bias, q->y, p->strides,
        p->dilates, p->pad_l, p->pad_r, attr);
}

/* Not the library's naive loops. */
bool assay__conv_is_fast(const_dnnl_primitive_desc_t pd)
{
    return pd != NULL && strncmp(assay__pd_name(pd), "ref", 3) != 0;
}

static dnnl_primitive_desc_t create_backward(
    struct assay__dnn *d, const struct assay__conv_problem *p,
    const struct question *q, enum assay__direction direction,
    dnnl_alg_kind_t alg, dnnl_primitive_attr_t attr)
{
    struct assay__conv_problem forward = *p;
    struct question any;
    dnnl_primitive_desc_t hint = NULL;
    dnnl_primitive_desc_t pd = NULL;
    dnnl_status_t s;

    forward.kind = dnnl_forward_training;
    ask_any(d, p, ASSAY__FORWARD, &any);
    s = create_forward(d, &forward, &any, dnnl_convolution_direct, NULL, &hint);
    if (s == dnnl_success && direction == ASSAY__BACKWARD_DATA)
        s = dnnl_convolution_backward_data_primitive_desc_create(
            &pd, d->engine, alg, q->x, q->w, q->y, p->strides, p->dilates,
            p->pad_l, p->pad_r, hint, attr);
    else if (s == dnnl_success)
        s = dnnl_convolution_backward_weights_primitive_desc_create(
            &pd, d->engine, alg, q->x, q->w, q->bias, q->y, p->strides,
            p->dilates, p->pad_l, p->pad_r, hint, attr);
    if (hint != NULL)
        dnnl_primitive_desc_destroy(hint);
    return s == dnnl_success ? pd : NULL;
}

/* The descriptor of one way; NULL when the library has none. */
static dnnl_primitive_desc_t create(struct assay__dnn *d,
                                    const struct assay__conv_problem *p,
                                    enum assay__direction direction, int way)
{
    dnnl_alg_kind_t alg =
        way == WINOGRAD ? dnnl_convolution_winograd : dnnl_convolution_direct;
    dnnl_primitive_attr_t own = NULL;
    dnnl_primitive_desc_t pd = NULL;
    struct question q;

    ask_any(d, p, direction, &q);
    if (direction == ASSAY__FORWARD && way == BLOCKED) {
        if (!d->half)
            q.x = assay__conv_blocked(d, p->x);
        q.y = assay__conv_blocked(d, p->y);
    }
    if (direction == ASSAY__FORWARD && p->y_fixed != NULL)
        q.y = p->y_fixed;
    if (way == PLAIN) {
        q.x = assay__dnn_plain(d, 4, p->x);
        q.y = assay__dnn_plain(d, 4, p->y);
    }
    if (d->code != ASSAY_OK)
        return NULL;
    own = assay__dnn_attributes(d);
    if (direction == ASSAY__FORWARD) {
        assay__dnn_append_post_ops(d, own, p->sum, p->relu);
        if (create_forward(d, p, &q, alg, own, &pd) != dnnl_success)
            pd = NULL;
    } else {
        if (p->store != NULL && direction == ASSAY__BACKWARD_WEIGHTS) {
            struct question stored = q;

            stored.w = p->store;
            pd = create_backward(d, p, &stored, direction, alg, own);
            if (pd != NULL && !assay__conv_is_fast(pd)) {
                dnnl_primitive_desc_destroy(pd);
                pd = NULL;
            }
        }
        if (pd == NULL)
            pd = create_backward(d, p, &q, direction, alg, own);
    }
    if (own != NULL)
        dnnl_primitive_attr_destroy(own);
    return pd;
}

dnnl_primitive_desc_t assay__conv_weights_pd(
    struct assay__dnn *d, const struct assay__conv_problem *p)
{
    return create(d, p, ASSAY__BACKWARD_WEIGHTS, DIRECT);
}

/* What a way costs beside: weights between `weights` and the store, or data
 * that lies otherwise than `data`. */
static dnnl_primitive_desc_t reorder_beside(struct assay__dnn *d,
                                            const struct assay__conv_problem *p,
                                            enum assay__direction direction,
                                            const_dnnl_memory_desc_t data,
                                            const_dnnl_memory_desc_t weights)
{
    if (direction == ASSAY__FORWARD)
        return assay__dnn_reorder_pd(d, p->x_now, data);
    if (direction == ASSAY__BACKWARD_DATA)
        return assay__dnn_reorder_pd(d, p->store, weights);
    return assay__dnn_reorder_pd(d, weights, p->store);
}

/* Fill in a way of the library. */
static void open_library(struct assay__dnn *d,
                         const struct assay__conv_problem *p,
                         enum assay__direction direction, int i, bool tuned,
                         struct assay__way *way)
{
    dnnl_query_t weights = direction == ASSAY__BACKWARD_WEIGHTS
                               ? dnnl_query_diff_weights_md
                               : dnnl_query_weights_md;

    way->pd = create(d, p, direction, i);
    if (i > 0 && way->pd != NULL && !assay__conv_is_fast(way->pd)) {
        dnnl_primitive_desc_destroy(way->pd);
        way->pd = NULL;
    }
    if (way->pd != NULL && tuned)
        way->beside = reorder_beside(
            d, p, direction, assay__dnn_pd_md(d, way->pd, dnnl_query_src_md, 0),
            assay__dnn_pd_md(d, way->pd, weights, 0));
}

/* The same for our kernels. */
static void open_taps(struct assay__dnn *d, const struct assay__conv_problem *p,
                      enum assay__direction direction, bool tuned,
                      struct assay__task *task, struct assay__way *way)
{
    *task = assay__taps_task(d, -1, p, direction, way->bytes);
    way->task = task;
    if (tuned)
        way->beside =
            reorder_beside(d, p, direction, assay__conv_blocked(d, p->x),
                           assay__taps_weights(d, p));
}

static void open_across(struct assay__dnn *d,
                        const struct assay__conv_problem *p,
                        struct assay__task *task, struct assay__way *way)
{
    *task = assay__across_task(d, -1, p, way->bytes);
    way->task = task;
    way->beside =
        reorder_beside(d, p, ASSAY__FORWARD, assay__dnn_plain(d, 4, p->x),
                       assay__across_weights(d, p));
}

static const char *layout_name(const_dnnl_memory_desc_t md,
                               const char *blocked_name, const char *last_name)
{
    struct assay__view view;
    struct assay__md_facts f;

    if (!assay__dnn_view(md, &view))
        return "";
    assay__md_query(md, &f);
    return f.n_inner > 0 ? blocked_name : last_name;
}

void assay__conv_key(const struct assay__conv_problem *p, const char *what,
                     int64_t batch, bool half, char *key, size_t size)
{
    const dnnl_dim_t *w = &p->w[p->w_rank - 4];

    (void)snprintf(
        key, size,
        "conv_%s n%lldc%lldh%lldw%lld o%lldh%lldw%lld g%lld k%lldx%lld "
        "s%lldx%lld d%lldx%lld p%lld,%lld,%lld,%lld%s%s%s%s%s",
        what, (long long)batch, (long long)p->x[1], (long long)p->x[2],
        (long long)p->x[3], (long long)p->y[1], (long long)p->y[2],
        (long long)p->y[3], p->w_rank == 5 ? (long long)p->w[0] : 1LL,
        (long long)w[2], (long long)w[3], (long long)p->strides[0],
        (long long)p->strides[1], (long long)p->dilates[0] + 1,
        (long long)p->dilates[1] + 1, (long long)p->pad_l[0],
        (long long)p->pad_l[1], (long long)p->pad_r[0], (long long)p->pad_r[1],
        p->has_bias ? " bias" : "",
        p->kind == dnnl_forward_training ? "" : " eval",
        layout_name(p->x_now, " x-blocked", " x-last"),
        layout_name(p->y_fixed, " y-blocked", " y-last"), half ? " bf16" : "");
}

static const char *direction_name(enum assay__direction direction)
{
    static const char *const name[] = {"fwd", "bwd_d", "bwd_w"};

    return name[direction];
}

static bool may_try(struct assay__dnn *d, const struct assay__conv_problem *p,
                    enum assay__direction direction, int way)
{
    const dnnl_dim_t *w = &p->w[p->w_rank - 4];

    switch (way) {
    case WINOGRAD: /* as the library has it: dense 3x3 at stride 1 */
        return p->w_rank == 4 && w[2] == 3 && w[3] == 3 && p->strides[0] == 1 &&
               p->strides[1] == 1 && p->dilates[0] == 0 && p->dilates[1] == 0 &&
               p->y[2] > 2 && w[0] >= CHANNELS_MIN && w[1] >= CHANNELS_MIN;
    case BLOCKED: /* what `any` gives in training anyway */
        return direction == ASSAY__FORWARD &&
               p->kind == dnnl_forward_inference && w[1] >= CHANNELS_MIN;
    case PLAIN: /* to an image of few channels: blocks of 16 are padding, a
                   matrix product and a sum over places are not */
        return direction == ASSAY__BACKWARD_DATA && !d->half &&
               p->w_rank == 4 && w[1] < CHANNELS_MIN;
    case TAPS:
        return assay__taps_fit(d, p, direction) &&
               p->y[2] * p->y[3] <= TAPS_PLACES_MAX &&
               (p->y_fixed == NULL ||
                p->y_fixed == assay__conv_blocked(d, p->y));
    case ACROSS:
        return direction == ASSAY__FORWARD && assay__across_fit(d, p);
    default:
        return true;
    }
}

static struct assay__conv_way choose(struct assay__dnn *d,
                                     const struct assay__conv_problem *p,
                                     enum assay__direction direction)
{
    struct assay__conv_way best = {NULL, false, false};
    struct assay__way way[N_WAYS];
    struct assay__task task;
    struct assay__task other;
    char key[ASSAY__KEY_MAX];
    char like[ASSAY__KEY_MAX];
    const assay_plan *share = d->plan->options.share;
    bool tuned = d->plan->options.algorithms == ASSAY_ALGORITHMS_TUNED;
    int chosen;

    if (!tuned && may_try(d, p, direction, TAPS) && assay__taps_small(p)) {
        best.taps = d->code == ASSAY_OK;
        return best;
    }
    memset(way, 0, sizeof way);
    assay__conv_key(p, direction_name(direction), p->x[0], d->half, key,
                    sizeof key);
    /* A smaller last batch takes what the full one took. */
    if (share != NULL)
        assay__conv_key(p, direction_name(direction), share->options.batch,
                        d->half, like, sizeof like);
    for (int i = 0; i < N_WAYS; i++) {
        way[i].name = way_name[i];
        if (i > 0 && (!tuned || !may_try(d, p, direction, i)))
            continue;
        if (i == TAPS)
            open_taps(d, p, direction, tuned, &task, &way[i]);
        else if (i == ACROSS)
            open_across(d, p, &other, &way[i]);
        else
            open_library(d, p, direction, i, tuned, &way[i]);
    }
    chosen =
        assay__dnn_choose(d, key, share != NULL ? like : NULL, way, N_WAYS);
    for (int i = 0; i < N_WAYS; i++) {
        if (i == chosen)
            best.pd = way[i].pd;
        else if (way[i].pd != NULL)
            dnnl_primitive_desc_destroy(way[i].pd);
        if (way[i].beside != NULL)
            dnnl_primitive_desc_destroy(way[i].beside);
    }
    best.taps = chosen == TAPS && d->code == ASSAY_OK;
    best.across = chosen == ACROSS && d->code == ASSAY_OK;
    if (best.pd == NULL && !best.taps && !best.across)
        assay__dnn_fail(d, ASSAY_UNSUPPORTED, "oneDNN has no %s", key);
    return best;
}

bool assay__conv_possible(struct assay__dnn *d,
                          const struct assay__conv_problem *p)
{
    dnnl_primitive_desc_t pd = create(d, p, ASSAY__FORWARD, DIRECT);

    if (pd == NULL)
        return may_try(d, p, ASSAY__FORWARD, TAPS) && assay__taps_small(p);
    dnnl_primitive_desc_destroy(pd);
    return true;
}

struct assay__conv_way assay__conv_best(struct assay__dnn *d,
                                        const struct assay__conv_problem *p,
                                        enum assay__direction direction)
{
    struct assay__conv_way way;

    if (!d->half)
        return choose(d, p, direction);
    way = choose(d, p, direction);
    if (way.taps || way.across || assay__conv_is_fast(way.pd) ||
        d->code != ASSAY_OK)
        return way;
    /* Some shapes have fast kernels in f32 only. */
    dnnl_primitive_desc_destroy(way.pd);
    d->half = false;
    way = choose(d, p, direction);
    d->half = true;
    return way;
}
