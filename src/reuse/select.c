/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which features are salient, which layer is changed, and which of its
 * weights: those whose positive impact is high and whose negative impact is
 * low, each by its own percentile.
 */

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "reuse/reuse.h"

void assay__reuse_moments(const double *features, size_t n, size_t dim,
                          double *mean, double *deviation)
{
    for (size_t i = 0; i < dim; i++) {
        double sum = 0;
        double squares = 0;

        for (size_t r = 0; r < n; r++)
            sum += features[r * dim + i];
        mean[i] = sum / (double)n;
        for (size_t r = 0; r < n; r++) {
            double d = features[r * dim + i] - mean[i];

            squares += d * d;
        }
        deviation[i] = sqrt(squares / (double)n);
    }
}

struct ranked {
    double score;
    size_t index;
};

static int by_score(const void *a, const void *b)
{
    const struct ranked *x = a;
    const struct ranked *y = b;

    if (x->score > y->score || x->score < y->score)
        return x->score > y->score ? -1 : 1;
    return x->index < y->index ? -1 : 1;
}

int assay__reuse_salient(uint8_t *mark, const double *mean,
                         const double *deviation, size_t dim, double keep,
                         struct assay_error *err)
{
    struct ranked *list = assay__calloc(dim, sizeof(*list));
    size_t k = (size_t)ceil(keep * (double)dim);

    if (!list)
        return assay_error_set(err, ASSAY_NOMEM, "no memory for %zu features",
                               dim);
    for (size_t i = 0; i < dim; i++) {
        list[i].score = fabs(mean[i]) / (deviation[i] + 1e-6);
        list[i].index = i;
    }
    qsort(list, dim, sizeof(*list), by_score);
    for (size_t i = 0; i < k && i < dim; i++)
        mark[list[i].index] = 1;
    assay__free(list);
    return ASSAY_OK;
}

/* Order statistic `k` (Hoare's selection, median of three). */
double assay__reuse_percentile(double *x, size_t n, double percent)
{
    size_t k = (size_t)(percent / 100 * (double)(n - 1));
    size_t low = 0;
    size_t high = n - 1;

    while (low < high) {
        double a = x[low];
        double b = x[low + (high - low) / 2];
        double c = x[high];
        double pivot = fmax(fmin(a, b), fmin(fmax(a, b), c));
        size_t i = low;
        size_t j = high;

        for (;;) {
            while (x[i] < pivot)
                i++;
            while (x[j] > pivot)
                j--;
            if (i >= j)
                break;
            a = x[i];
            x[i++] = x[j];
            x[j--] = a;
        }
        /* x[low..j] <= pivot <= x[j+1..high] */
        if (k <= j)
            high = j;
        else
            low = j + 1;
    }
    return x[k];
}

void assay__reuse_pass(uint8_t *mark, const double *x, const double *among,
                       size_t n, double percent, bool above, double *scratch)
{
    size_t count = 0;
    double limit;

    for (size_t i = 0; i < n; i++)
        if (!among || fabs(among[i]) > 0)
            scratch[count++] = x[i];
    if (count == 0) {
        memset(mark, 0, n);
        return;
    }
    limit = assay__reuse_percentile(scratch, count, percent);
    for (size_t i = 0; i < n; i++)
        mark[i] = mark[i] && (!among || fabs(among[i]) > 0) &&
                  (above ? x[i] >= limit : x[i] <= limit);
}

/* Whether the embedding can depend on it, as far as its rank tells: kernels
 * and matrices, not of the classifier. */
static bool is_weight(const struct assay_param_slot *s)
{
    static const char suffix[] = ".weight";
    size_t n = strlen(s->name);

    return s->shape.rank >= 2 && n > strlen(suffix) &&
           strcmp(s->name + n - strlen(suffix), suffix) == 0 &&
           (s->flags & ASSAY_PARAM_TRAINABLE);
}

/* Parameters that the embedding depends on, in the order of the graph. */
static int list_weights(const assay_model *m,
                        const struct assay_param_slot **list, size_t *n,
                        struct assay_error *err)
{
    const struct assay_params *p =
        assay_model_params((assay_model *)(uintptr_t)m);
    assay_graph *g = NULL;
    assay_value *wrt = assay__calloc((size_t)p->n_slots, sizeof(*wrt));
    assay_value *d = assay__calloc((size_t)p->n_slots, sizeof(*d));
    struct assay_shape each = assay_shape_make(1, (int64_t)ASSAY_BATCH);
    int n_wrt = 0;
    assay_value sum;
    int rc = ASSAY_OK;

    if (!wrt || !d)
        rc = assay_error_set(err, ASSAY_NOMEM, "no memory for a layer's name");
    if (!rc)
        rc = assay_graph_clone(&g, assay_model_graph(m), err);
    if (rc)
        goto out;
    for (int i = 0; i < p->n_slots; i++)
        if (is_weight(&p->slot[i])) {
            list[n_wrt] = &p->slot[i];
            wrt[n_wrt++] = assay_graph_find(g, p->slot[i].name);
        }
    sum =
        assay_op_reduce(g, ASSAY_REDUCE_SUM,
                        assay_op_flatten(g, assay_model_embedding(m)), 1U << 1);
    sum = assay_op_mean(g, assay_op_reshape(g, sum, &each));
    rc = assay_graph_check(g, err);
    if (!rc)
        rc = assay_differentiate(g, sum, wrt, n_wrt, d, err);
    for (int i = 0; i < n_wrt && !rc; i++)
        if (d[i] != ASSAY_NO_VALUE)
            list[(*n)++] = list[i];
out:
    assay_graph_free(g);
    assay__free(wrt);
    assay__free(d);
    return rc;
}

static int pick(const struct assay_param_slot **out,
                const struct assay_param_slot *const *list, size_t n,
                const char *layer, struct assay_error *err)
{
    if (n == 0)
        return assay_error_set(err, ASSAY_ARG,
                               "crafting: the embedding depends on no weights");
    if (!layer || strcmp(layer, "last") == 0)
        *out = list[n - 1];
    else if (strcmp(layer, "middle") == 0)
        *out = list[n / 2];
    else if (strcmp(layer, "first") == 0)
        *out = list[0];
    else
        for (size_t i = 0; i < n; i++) {
            size_t stem = strlen(list[i]->name) - strlen(".weight");

            if (strlen(layer) == stem &&
                strncmp(list[i]->name, layer, stem) == 0)
                *out = list[i];
        }
    if (*out)
        return ASSAY_OK;
    return assay_error_set(
        err, ASSAY_ARG,
        "crafting: the embedding depends on no layer '%.60s' "
        "with weights; the last such layer is that of "
        "'%.80s'",
        layer, list[n - 1]->name);
}

int assay__reuse_layer(const struct assay_param_slot **out,
                       const assay_model *m, const char *layer,
                       struct assay_error *err)
{
    const struct assay_params *p =
        assay_model_params((assay_model *)(uintptr_t)m);
    const struct assay_param_slot **list = assay__calloc(
        (size_t)p->n_slots + 1, sizeof(struct assay_param_slot *));
    size_t n = 0;
    int rc;

    if (!list)
        return assay_error_set(err, ASSAY_NOMEM,
                               "no memory for a layer's name");
    *out = NULL;
    rc = list_weights(m, list, &n, err);
    if (!rc)
        rc = pick(out, list, n, layer, err);
    assay__free(list);
    return rc;
}
