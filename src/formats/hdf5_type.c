/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dataspaces and datatypes of HDF5 (hdf5.h).
 *
 *   dataspace 1   1 rank flags 00000, then a size(8) per dimension
 *   dataspace 2   2 rank flags kind(0 scalar, 1 simple, 2 null), sizes
 *   datatype      class | version << 4, bits(3), size(4), then by class
 *     0 integer   bit offset(2), precision(2)
 *     1 float     the same, then where exponent and mantissa lie
 *     3 text      nothing
 *     9 variable  the type of its elements
 */

#include "core/checked.h"
#include "formats/hdf5.h"

int assay__hdf5_dataspace(struct assay__hdf5_cursor *c,
                          struct assay_shape *shape, struct assay_error *err)
{
    size_t at = c->at;
    unsigned version = (unsigned)assay__hdf5_take(c, 1);
    unsigned rank = (unsigned)assay__hdf5_take(c, 1);
    size_t n = 1;
    unsigned kind;
    int rc;

    assay__hdf5_skip(c, 1);
    kind = (unsigned)assay__hdf5_take(c, 1);
    assay__hdf5_skip(c, version == 1 ? 4 : 0);
    rc = assay__hdf5_check(c, "a dataspace", err);
    if (rc)
        return rc;
    if (version < 1 || version > 2)
        return assay_error_set(err, ASSAY_UNSUPPORTED,
                               "byte %zu: a dataspace of version %u; 1 and 2 "
                               "are supported",
                               at, version);
    if (rank > ASSAY_RANK_MAX)
        return assay_error_set(err, ASSAY_UNSUPPORTED,
                               "byte %zu: %u dimensions; at most %d are "
                               "supported",
                               at, rank, ASSAY_RANK_MAX);
    *shape = (struct assay_shape){(int)rank, {0}};
    if (version == 2 && kind == 2)
        shape->rank = 1;
    for (unsigned i = 0; i < rank; i++) {
        uint64_t size = assay__hdf5_take(c, 8);

        if (size > INT64_MAX || !assay__mul_size(n, (size_t)size, &n) ||
            n > (size_t)1 << 48)
            return assay_error_set(err, ASSAY_LIMIT,
                                   "byte %zu: a dimension of %llu: too many "
                                   "numbers",
                                   at, (unsigned long long)size);
        shape->dim[i] = (int64_t)size;
    }
    return assay__hdf5_check(c, "a dataspace", err);
}

/* Numbers as the machine has them: two's complement, all bits in use. */
static void integer_type(struct assay__hdf5_cursor *c, uint64_t bits,
                         struct assay__hdf5_type *type)
{
    static const enum assay_dtype dtypes[2][4] = {
        {ASSAY_DTYPE_U8, ASSAY_DTYPE_U16, ASSAY_DTYPE_U32, ASSAY_DTYPE_U64},
        {ASSAY_DTYPE_I8, ASSAY_DTYPE_I16, ASSAY_DTYPE_I32, ASSAY_DTYPE_I64}};
    uint64_t offset = assay__hdf5_take(c, 2);
    uint64_t precision = assay__hdf5_take(c, 2);
    int log = 0;

    while (log < 3 && (size_t)1 << log < type->size)
        log++;
    type->what = bits & 1 ? "big-endian integer" : "integer of odd size";
    if ((bits & 1) || (size_t)1 << log != type->size || offset != 0 ||
        precision != 8 * type->size)
        return;
    type->class = ASSAY__HDF5_NUMBER;
    type->dtype = dtypes[bits >> 3 & 1][log];
}

/* Floats of IEEE 754 and bfloat16. */
static void float_type(struct assay__hdf5_cursor *c, uint64_t bits,
                       struct assay__hdf5_type *type)
{
    static const struct {
        size_t size;
        unsigned exponent_at, exponent, mantissa, bias;
        enum assay_dtype dtype;
    } known[] = {
        {2, 10, 5, 10, 15, ASSAY_DTYPE_F16},
        {2, 7, 8, 7, 127, ASSAY_DTYPE_BF16},
        {4, 23, 8, 23, 127, ASSAY_DTYPE_F32},
        {8, 52, 11, 52, 1023, ASSAY_DTYPE_F64},
    };
    uint64_t whole = assay__hdf5_take(c, 4);
    uint64_t exponent_at = assay__hdf5_take(c, 1);
    uint64_t exponent = assay__hdf5_take(c, 1);
    uint64_t mantissa_at = assay__hdf5_take(c, 1);
    uint64_t mantissa = assay__hdf5_take(c, 1);
    uint64_t bias = assay__hdf5_take(c, 4);

    type->what = bits & 0x41 ? "big-endian float" : "float of odd layout";
    if ((bits & 0x41) || whole != (uint64_t)(8 * type->size) << 16 ||
        mantissa_at != 0 || (bits >> 8 & 255) != 8 * type->size - 1 ||
        (bits >> 4 & 3) != 2)
        return;
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (known[i].size == type->size && known[i].exponent == exponent &&
            known[i].exponent_at == exponent_at &&
            known[i].mantissa == mantissa && known[i].bias == bias) {
            type->class = ASSAY__HDF5_NUMBER;
            type->dtype = known[i].dtype;
        }
    }
}

int assay__hdf5_datatype(struct assay__hdf5_cursor *c,
                         struct assay__hdf5_type *type, struct assay_error *err)
{
    static const char *const names[] = {"integer",   "float",     "time",
                                        "text",      "bit field", "opaque",
                                        "structure", "reference", "enumeration",
                                        "sequence",  "array"};
    unsigned first = (unsigned)assay__hdf5_take(c, 1);
    uint64_t bits = assay__hdf5_take(c, 3);
    int rc;

    *type = (struct assay__hdf5_type){ASSAY__HDF5_OTHER, ASSAY_DTYPE_U8, 0, ""};
    type->size = (size_t)assay__hdf5_take(c, 4);
    type->what = (first & 15) <= 10 ? names[first & 15] : "unknown type";
    if (!c->bad && (type->size == 0 || first >> 4 < 1 || first >> 4 > 4))
        return assay_error_set(err, ASSAY_FORMAT,
                               "byte %zu: a datatype of version %u and %zu "
                               "bytes",
                               c->at - 8, first >> 4, type->size);
    if ((first & 15) == 0) {
        integer_type(c, bits, type);
    } else if ((first & 15) == 1) {
        float_type(c, bits, type);
    } else if ((first & 15) == 3) {
        type->class = ASSAY__HDF5_TEXT;
    } else if ((first & 15) == 9 && (bits & 15) == 1 && type->size == 16) {
        type->class = ASSAY__HDF5_LONG_TEXT;
    }
    rc = assay__hdf5_check(c, "a datatype", err);
    return rc;
}
