/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The update rules, for memory the host can touch: one pass over the slab
 * of trained parameters, each element on its own.
 *
 * Formulas and order of operations are PyTorch's (torch.optim, single
 * tensor, no amsgrad). With g the gradient, w the weight, t the step:
 *   SGD    g += wd w; m = momentum m + g; w -= lr m
 *   Adam   g += wd w; m += (1 - b1)(g - m); v = b2 v + (1 - b2) g g;
 *          w -= lr / (1 - b1^t) * m / (sqrt(v) / sqrt(1 - b2^t) + eps)
 *   AdamW  w *= 1 - lr wd; then Adam without the first term
 * The slab is cut into equal pieces for threads; as no element depends on
 * another, results do not depend on their number.
 */

#include <math.h>

#include "core/cpu.h"
#include "engine/noise.h"

/* Elements that are worth a thread's while; noise comes in such pieces too,
 * and is added while a piece is in the cache. */
enum { PIECE = ASSAY__NOISE_PIECE };

/* The scalars of one step, computed once in double. */
struct rule {
    double lr, momentum, decay, shrink;
    double keep1, take1, keep2, take2; /* of the moments */
    double rate, root, eps;            /* Adam's, bias corrected */
};

static struct rule make_rule(const struct assay__update *u)
{
    struct rule r;
    double t = (double)u->step;

    r.lr = u->lr;
    r.momentum = u->momentum;
    r.decay = u->kind == ASSAY_OPTIMIZER_ADAMW ? 0.0 : u->weight_decay;
    r.shrink =
        u->kind == ASSAY_OPTIMIZER_ADAMW ? 1.0 - u->lr * u->weight_decay : 1.0;
    r.keep1 = u->beta1;
    r.take1 = 1.0 - u->beta1;
    r.keep2 = u->beta2;
    r.take2 = 1.0 - u->beta2;
    r.rate = u->lr / (1.0 - pow(u->beta1, t));
    r.root = sqrt(1.0 - pow(u->beta2, t));
    r.eps = u->eps;
    return r;
}

#define T float
#define SQRT sqrtf
#define NAMED(x) x##_f32
#include "engine/update_loops.h"
#undef T
#undef SQRT
#undef NAMED

#define T double
#define SQRT sqrt
#define NAMED(x) x##_f64
#include "engine/update_loops.h"
