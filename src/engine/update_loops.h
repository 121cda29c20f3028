/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loops of update.c for one type; included once per type, without a
 * guard. Wants T (the type), SQRT (its root) and NAMED(x) (x with the type's
 * suffix). The loops must stay plain, so that they vectorise.
 */

ASSAY__CLONES static void NAMED(plain)(T *restrict w, const T *restrict g,
                                       size_t n, const struct rule *r)
{
    T lr = (T)r->lr;
    T decay = (T)r->decay;

    for (size_t i = 0; i < n; i++)
        w[i] -= lr * (g[i] + decay * w[i]);
}

ASSAY__CLONES static void NAMED(momentum)(T *restrict w, const T *restrict g,
                                          T *restrict m, size_t n,
                                          const struct rule *r)
{
    T lr = (T)r->lr;
    T decay = (T)r->decay;
    T momentum = (T)r->momentum;

    for (size_t i = 0; i < n; i++) {
        T d = g[i] + decay * w[i];

        m[i] = momentum * m[i] + d;
        w[i] -= lr * m[i];
    }
}

ASSAY__CLONES static void NAMED(adam)(T *restrict w, const T *restrict g,
                                      T *restrict m, T *restrict v, size_t n,
                                      const struct rule *r)
{
    T decay = (T)r->decay;
    T shrink = (T)r->shrink;
    T take1 = (T)r->take1;
    T keep2 = (T)r->keep2;
    T take2 = (T)r->take2;
    T rate = (T)r->rate;
    T root = (T)r->root;
    T eps = (T)r->eps;

    for (size_t i = 0; i < n; i++) {
        T d = g[i] + decay * w[i];

        m[i] += take1 * (d - m[i]);
        v[i] = keep2 * v[i] + take2 * d * d;
        w[i] = shrink * w[i] - rate * (m[i] / (SQRT(v[i]) / root + eps));
    }
}

ASSAY__CLONES static void NAMED(disturb)(T *restrict g, const float *restrict z,
                                         size_t n, double deviation,
                                         double factor)
{
    T d = (T)deviation;
    T f = (T)factor;

    for (size_t i = 0; i < n; i++)
        g[i] = f * (g[i] + d * (T)z[i]);
}

ASSAY__CLONES static void NAMED(rescale)(T *g, size_t n, double factor)
{
    T f = (T)factor;

    for (size_t i = 0; i < n; i++)
        g[i] *= f;
}

/* Gradients at .. at + n - 1, one piece, made private. */
static void NAMED(privatise)(T *g, size_t at, size_t n,
                             const struct assay__noise *noise)
{
    _Alignas(64) float z[PIECE];

    if (noise->deviation == 0.0) {
        NAMED(rescale)(g, n, noise->factor);
        return;
    }
    assay__noise_piece(z, at, n, noise);
    NAMED(disturb)(g, z, n, noise->deviation, noise->factor);
}

ASSAY__CLONES static void NAMED(add)(T *restrict to, const T *restrict from,
                                     size_t n)
{
    for (size_t i = 0; i < n; i++)
        to[i] += from[i];
}

void NAMED(assay__add)(T *to, const T *from, size_t n, int threads)
{
    size_t n_pieces = (n + PIECE - 1) / PIECE;

    (void)threads; /* unused without OpenMP */
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (size_t p = 0; p < n_pieces; p++) {
        size_t at = p * PIECE;

        NAMED(add)(to + at, from + at, n - at < PIECE ? n - at : PIECE);
    }
}

void NAMED(assay__update)(T *w, T *g, size_t n, const struct assay__update *u,
                          int threads)
{
    struct rule r = make_rule(u);
    size_t n_pieces = (n + PIECE - 1) / PIECE;
    T *m = u->moment1;
    T *v = u->moment2;

    (void)threads; /* unused without OpenMP */
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (size_t p = 0; p < n_pieces; p++) {
        size_t at = p * PIECE;
        size_t len = n - at < PIECE ? n - at : PIECE;

        if (u->noise)
            NAMED(privatise)(g + at, at, len, u->noise);
        if (u->kind != ASSAY_OPTIMIZER_SGD)
            NAMED(adam)(w + at, g + at, m + at, v + at, len, &r);
        else if (m)
            NAMED(momentum)(w + at, g + at, m + at, len, &r);
        else
            NAMED(plain)(w + at, g + at, len, &r);
    }
}
