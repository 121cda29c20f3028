/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_TESTS_ARCH_VALUES_H
#define ASSAY_TESTS_ARCH_VALUES_H

/* Parameters that come of their names: values() of golden/make_archs.py. */

#include <math.h>
#include <string.h>

#include "assay/tensor.h"

static inline int arch_ends_in(const char *text, const char *end)
{
    size_t n = strlen(text);
    size_t m = strlen(end);

    return n >= m && strcmp(text + n - m, end) == 0;
}

static inline void arch_fill(const char *name, const struct assay_shape *shape,
                             float *x)
{
    size_t n = assay_shape_count(shape, 1);
    double phase = 0;

    for (const char *p = name; *p; p++)
        phase += (unsigned char)*p;
    phase = fmod(phase, 97);
    for (size_t i = 0; i < n; i++) {
        double wave = sin(phase + 1.3 * (double)i);

        if (arch_ends_in(name, "running_var"))
            wave = 1 + .5 * wave * wave;
        else if (arch_ends_in(name, "running_mean") ||
                 arch_ends_in(name, "bias"))
            wave = .1 * wave;
        else if (shape->rank == 1)
            wave = 1 + .1 * wave;
        else
            wave = wave * 2 / sqrt((double)n / (double)shape->dim[0]);
        x[i] = (float)wave;
    }
}

#endif
