/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Channel Lipschitz pruning (Zheng et al., ECCV 2022): no data. Of channel k
 * of a convolution and the batch norm that reads it,
 *
 *   s_k = sigma_max(W_k) |gamma_k| / sqrt(var_k + eps),
 *
 * W_k being its kernel as a matrix [C / groups, kh kw], bounds how much the
 * channel can amplify its input. A channel with s_k above mean + u deviation
 * of its layer is switched off: weight and bias of the norm become 0.
 *
 * Only a batch norm that reads a convolution's result itself is looked at.
 * The authors' code takes the last convolution that it saw before each norm,
 * which in pre-activation networks is another one's; the first norm of each
 * block there reads a sum, and its channels are left alone. Deviations: eps
 * under the root, as the network itself has it; the deviation of a layer is
 * that of its channels (n - 1 below), as in the authors' code. A model
 * without such layers is refused.
 *
 * Singular values are exact to rounding: eigenvalues of the smaller of W W'
 * and W' W by cyclic Jacobi rotations.
 */

#include <math.h>
#include <stdio.h>

#include "core/mem.h"
#include "repairs/repairs.h"

enum { PARAM_U, SWEEPS_MAX = 60 };

static const struct assay_setting params[] = {
    {"u", 3, 0, 100, "deviations above the layer's mean"},
    {NULL, 0, 0, 0, NULL}};

/* One rotation that makes a[p][q] of a symmetric [n, n] zero. */
static void rotate(double *a, size_t n, size_t p, size_t q)
{
    double apq = a[p * n + q];
    double theta = (a[q * n + q] - a[p * n + p]) / (2 * apq);
    double t = (theta < 0 ? -1 : 1) / (fabs(theta) + sqrt(theta * theta + 1));
    double c = 1 / sqrt(t * t + 1);
    double s = t * c;

    for (size_t k = 0; k < n; k++) {
        double kp = a[k * n + p];
        double kq = a[k * n + q];

        a[k * n + p] = c * kp - s * kq;
        a[k * n + q] = s * kp + c * kq;
    }
    for (size_t k = 0; k < n; k++) {
        double pk = a[p * n + k];
        double qk = a[q * n + k];

        a[p * n + k] = c * pk - s * qk;
        a[q * n + k] = s * pk + c * qk;
    }
}

/* The largest eigenvalue of a symmetric [n, n], which is overwritten. */
static double largest_eigenvalue(double *a, size_t n)
{
    double top = 0;
    double total = 0;

    for (size_t i = 0; i < n * n; i++)
        total += a[i] * a[i];
    for (int sweep = 0; sweep < SWEEPS_MAX; sweep++) {
        double off = 0;

        for (size_t p = 0; p < n; p++)
            for (size_t q = p + 1; q < n; q++)
                off += a[p * n + q] * a[p * n + q];
        if (off <= 1e-30 * total)
            break;
        for (size_t p = 0; p < n; p++)
            for (size_t q = p + 1; q < n; q++)
                if (a[p * n + q] * a[p * n + q] > 1e-36 * total)
                    rotate(a, n, p, q);
    }
    for (size_t i = 0; i < n; i++)
        top = fmax(top, a[i * n + i]);
    return top;
}

double assay__largest_singular(const float *a, size_t rows, size_t columns)
{
    size_t n = rows < columns ? rows : columns;
    size_t long_side = rows < columns ? columns : rows;
    size_t step = rows < columns ? 1 : columns; /* along the long side */
    size_t to = rows < columns ? columns : 1;   /* along the short one */
    double *gram = assay__calloc(n * n, sizeof(*gram));
    double top;

    if (!gram)
        return (double)NAN;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++)
            for (size_t k = 0; k < long_side; k++)
                gram[i * n + j] +=
                    (double)a[i * to + k * step] * (double)a[j * to + k * step];
    top = sqrt(largest_eigenvalue(gram, n));
    assay__free(gram);
    return top;
}

/* s_k of all channels of a convolution and its norm. */
static int bound_channels(assay_model *m, const struct assay_layer *conv,
                          const struct assay_layer *norm, double *s,
                          struct assay_error *err)
{
    const struct assay_shape *shape =
        assay_graph_shape(assay_model_graph(m), conv->weight);
    const float *w = assay__repair_numbers(m, conv->weight);
    const float *gamma = assay__repair_numbers(m, norm->weight);
    const float *variance = assay__repair_numbers(m, norm->variance);
    size_t rows = (size_t)shape->dim[1];
    size_t columns = (size_t)shape->dim[2] * (size_t)shape->dim[3];

    for (size_t k = 0; k < (size_t)shape->dim[0]; k++) {
        double sigma =
            assay__largest_singular(w + k * rows * columns, rows, columns);

        if (isnan(sigma))
            return assay_error_set(err, ASSAY_NOMEM, "clp: out of memory");
        s[k] = sigma * fabs((double)gamma[k]) /
               sqrt((double)variance[k] + norm->eps);
    }
    return ASSAY_OK;
}

static size_t prune(assay_model *m, const struct assay_layer *norm,
                    const double *s, size_t n, double u)
{
    float *gamma = assay__repair_numbers(m, norm->weight);
    float *beta = assay__repair_numbers(m, norm->bias);
    double mean = 0;
    double square = 0;
    size_t pruned = 0;

    for (size_t k = 0; k < n; k++)
        mean += s[k] / (double)n;
    for (size_t k = 0; k < n; k++)
        square += (s[k] - mean) * (s[k] - mean);
    for (size_t k = 0; k < n && n > 1; k++) {
        if (s[k] <= mean + u * sqrt(square / (double)(n - 1)))
            continue;
        gamma[k] = 0;
        beta[k] = 0;
        pruned++;
    }
    return pruned;
}

static int prune_layer(assay_model *m, const struct assay_layer *conv, double u,
                       struct assay_repaired *out, struct assay_error *err)
{
    size_t n;
    struct assay_layer norm;
    double *s;
    int rc;

    if (!assay__repair_norm_of(assay_model_graph(m), conv->result, &norm) ||
        norm.kind != ASSAY_LAYER_BATCHNORM)
        return ASSAY_OK;
    n = assay__repair_count(m, norm.weight);
    s = assay__calloc(n, sizeof(*s));
    if (!s)
        return assay_error_set(err, ASSAY_NOMEM, "clp: out of memory");
    rc = bound_channels(m, conv, &norm, s, err);
    if (!rc) {
        out->channels += n;
        out->pruned += prune(m, &norm, s, n, u);
    }
    assay__free(s);
    return rc;
}

static int run(const struct assay_repair_input *in, assay_model *m,
               struct assay_repaired *out, struct assay_error *err)
{
    const assay_graph *g = assay_model_graph(m);
    int norms = 0;
    int pairs = 0;
    int rc = ASSAY_OK;

    for (int i = 0; i < assay_graph_n_layers(g) && !rc; i++) {
        struct assay_layer l = assay_graph_layer_at(g, i);
        size_t before = out->channels;

        norms += l.kind == ASSAY_LAYER_BATCHNORM;
        if (l.kind == ASSAY_LAYER_CONV)
            rc = prune_layer(m, &l, in->param[PARAM_U], out, err);
        pairs += out->channels > before;
    }
    if (!rc && pairs == 0)
        return assay_error_set(err, ASSAY_UNSUPPORTED,
                               "clp: no batch norm of %s reads a convolution: "
                               "there is nothing to bound",
                               assay_model_arch(m));
    if (norms > pairs)
        (void)snprintf(out->note, sizeof(out->note),
                       "%d of %d batch norms read a convolution; the others' "
                       "channels were left alone",
                       pairs, norms);
    out->threshold = in->param[PARAM_U];
    return rc;
}

const struct assay_repair assay_repair_clp = {
    .name = "clp",
    .title = "Channel Lipschitz pruning",
    .summary = "Channels that can amplify their input far more than others "
               "of their layer are switched off; no data.",
    .cites = "Zheng et al., ECCV 2022",
    .params = params,
    .run = run,
};
