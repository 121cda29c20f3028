/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Element types and shapes (assay/tensor.h): plain values, nothing here
 * allocates or fails. A product that does not fit saturates at SIZE_MAX,
 * which no allocation grants.
 */

#include "assay/tensor.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/checked.h"

static const struct {
    size_t size;
    const char *name;
} dtypes[ASSAY_DTYPE_COUNT] = {
#define ASSAY_X(name, bytes, text) [ASSAY_DTYPE_##name] = {(bytes), (text)},
    ASSAY_DTYPES(ASSAY_X)
#undef ASSAY_X
};

size_t assay_dtype_size(enum assay_dtype dtype)
{
    return (unsigned)dtype < ASSAY_DTYPE_COUNT ? dtypes[dtype].size : 0;
}

const char *assay_dtype_name(enum assay_dtype dtype)
{
    return (unsigned)dtype < ASSAY_DTYPE_COUNT ? dtypes[dtype].name : "?";
}

struct assay_shape assay_shape_make(int rank, ...)
{
    struct assay_shape shape = {0};
    va_list args;
    int i;

    shape.rank = rank;
    va_start(args, rank);
    for (i = 0; i < rank && i < ASSAY_RANK_MAX; i++)
        shape.dim[i] = va_arg(args, int64_t);
    va_end(args);
    return shape;
}

size_t assay_shape_count(const struct assay_shape *shape, int64_t batch)
{
    size_t count = 1;
    int i;

    for (i = 0; i < shape->rank; i++) {
        int64_t d = shape->dim[i] == ASSAY_BATCH ? batch : shape->dim[i];

        if (d == 0)
            return 0;
        if (!assay__mul_size(count, (size_t)d, &count))
            count = SIZE_MAX;
    }
    return count;
}

int assay_shape_equal(const struct assay_shape *a, const struct assay_shape *b)
{
    return a->rank == b->rank &&
           memcmp(a->dim, b->dim, sizeof a->dim[0] * (size_t)a->rank) == 0;
}

char *assay_shape_text(const struct assay_shape *shape, char *buf, size_t size)
{
    size_t used = 0;
    int i;

    for (i = -1; i <= shape->rank && used < size; i++) {
        const char *comma = i > 0 ? ", " : "";
        int n;

        if (i < 0)
            n = snprintf(buf, size, "[");
        else if (i == shape->rank)
            n = snprintf(buf + used, size - used, "]");
        else if (shape->dim[i] == ASSAY_BATCH)
            n = snprintf(buf + used, size - used, "%sN", comma);
        else
            n = snprintf(buf + used, size - used, "%s%" PRId64, comma,
                         shape->dim[i]);
        used += (size_t)n;
    }
    return buf;
}
