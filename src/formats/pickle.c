/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The walker over pickle opcodes (pickle.h). A table says what follows each
 * opcode's byte; one function per kind of argument reads it. Every length is
 * held against the end of the data and against a cap before it is used, and
 * an opcode that no protocol knows ends the walk with its offset.
 */

#include "formats/pickle.h"

#include <string.h>

#include "core/checked.h"

enum argument {
    ARG_NONE,
    ARG_U1,
    ARG_U2,
    ARG_U4,
    ARG_U8,
    ARG_I4,
    ARG_F8,
    ARG_LINE,
    ARG_PAIR,
    ARG_S1,
    ARG_S4,
    ARG_S8
};

/* By code; a NULL name is a byte that is no opcode. */
static const struct {
    const char *name;
    enum argument argument;
} opcodes[256] = {
#define ASSAY_PICKLE_OP(name, code, arg) [code] = {#name, ARG_##arg},
#include "pickle_ops.def"
#undef ASSAY_PICKLE_OP
};

/* Bytes of a number, or of a length. */
static size_t width_of(enum argument argument)
{
    switch (argument) {
    case ARG_U1:
    case ARG_S1:
        return 1;
    case ARG_U2:
        return 2;
    case ARG_U4:
    case ARG_I4:
    case ARG_S4:
        return 4;
    case ARG_U8:
    case ARG_F8:
    case ARG_S8:
        return 8;
    case ARG_NONE:
    case ARG_LINE:
    case ARG_PAIR:
        break;
    }
    return 0;
}

static int cut_short(const struct assay__pickle_op *op, size_t size,
                     struct assay_error *err)
{
    return assay_error_set(err, ASSAY_FORMAT,
                           "byte %zu: the pickle ends at byte %zu within %s",
                           op->at, size, op->name);
}

/* A little-endian number; false when the data ends before it. */
static bool take_number(struct assay__pickle *p, size_t width, uint64_t *value)
{
    if (p->size - p->at < width)
        return false;
    *value = 0;
    for (size_t i = width; i > 0; i--)
        *value = *value << 8 | p->data[p->at + i - 1];
    p->at += width;
    return true;
}

static int read_counted(struct assay__pickle *p, struct assay__pickle_op *op,
                        size_t width, struct assay_error *err)
{
    uint64_t size = 0;

    if (!take_number(p, width, &size))
        return cut_short(op, p->size, err);
    if (!assay__range_ok(p->at, size, p->size))
        return assay_error_set(
            err, ASSAY_FORMAT,
            "byte %zu: %s of %llu bytes, but only %zu bytes follow", op->at,
            op->name, (unsigned long long)size, p->size - p->at);
    if (size > ASSAY__PICKLE_STRING_MAX)
        return assay_error_set(
            err, ASSAY_LIMIT, "byte %zu: %s of %llu bytes, limit %d", op->at,
            op->name, (unsigned long long)size, ASSAY__PICKLE_STRING_MAX);
    op->text = p->data + p->at;
    op->size = (size_t)size;
    p->at += (size_t)size;
    return ASSAY_OK;
}

static int read_line(struct assay__pickle *p, const struct assay__pickle_op *op,
                     const unsigned char **text, size_t *size,
                     struct assay_error *err)
{
    size_t room = p->size - p->at;
    size_t most = room < ASSAY__PICKLE_LINE_MAX ? room : ASSAY__PICKLE_LINE_MAX;
    const unsigned char *start = p->data + p->at;
    const unsigned char *end = most ? memchr(start, '\n', most) : NULL;

    if (!end && room > most)
        return assay_error_set(err, ASSAY_LIMIT,
                               "byte %zu: the line of %s is longer than %d "
                               "bytes",
                               op->at, op->name, ASSAY__PICKLE_LINE_MAX);
    if (!end)
        return cut_short(op, p->size, err);
    *text = start;
    *size = (size_t)(end - start);
    p->at += *size + 1;
    return ASSAY_OK;
}

static double big_endian_real(uint64_t bits)
{
    double x;

    bits = __builtin_bswap64(bits);
    memcpy(&x, &bits, sizeof(x));
    return x;
}

/* Two's complement of any length, little-endian; long ones do not fit. */
static void read_long(struct assay__pickle_op *op)
{
    uint64_t value = 0;

    op->has_number = op->size <= 8;
    if (!op->has_number)
        return;
    if (op->size > 0 && op->text[op->size - 1] & 0x80)
        value = ~(uint64_t)0;
    for (size_t i = op->size; i > 0; i--)
        value = value << 8 | op->text[i - 1];
    memcpy(&op->number, &value, sizeof(value));
}

static int read_binary(struct assay__pickle *p, struct assay__pickle_op *op,
                       enum argument argument, struct assay_error *err)
{
    uint64_t value = 0;

    if (!take_number(p, width_of(argument), &value))
        return cut_short(op, p->size, err);
    if (argument == ARG_F8) {
        op->real = big_endian_real(value);
        return ASSAY_OK;
    }
    op->has_number = value <= INT64_MAX;
    op->number = (int64_t)value;
    if (argument == ARG_I4 && value > INT32_MAX)
        op->number = (int64_t)value - ((int64_t)1 << 32);
    return ASSAY_OK;
}

static int read_argument(struct assay__pickle *p, struct assay__pickle_op *op,
                         struct assay_error *err)
{
    enum argument argument = opcodes[op->code].argument;
    int rc;

    switch (argument) {
    case ARG_NONE:
        return ASSAY_OK;
    case ARG_LINE:
        return read_line(p, op, &op->text, &op->size, err);
    case ARG_PAIR:
        rc = read_line(p, op, &op->text, &op->size, err);
        if (rc)
            return rc;
        return read_line(p, op, &op->second, &op->second_size, err);
    case ARG_S1:
    case ARG_S4:
    case ARG_S8:
        rc = read_counted(p, op, width_of(argument), err);
        if (!rc && (op->code == ASSAY__PICKLE_LONG1 ||
                    op->code == ASSAY__PICKLE_LONG4))
            read_long(op);
        return rc;
    default:
        return read_binary(p, op, argument, err);
    }
}

int assay__pickle_next(struct assay__pickle *p, struct assay__pickle_op *op,
                       struct assay_error *err)
{
    int rc;

    *op = (struct assay__pickle_op){.at = p->at};
    if (p->at >= p->size)
        return assay_error_set(err, ASSAY_FORMAT,
                               "byte %zu: the pickle ends without STOP", p->at);
    op->code = p->data[p->at];
    op->name = opcodes[op->code].name;
    if (!op->name)
        return assay_error_set(err, ASSAY_FORMAT,
                               "byte %zu: 0x%02x is no opcode of a pickle",
                               p->at, (unsigned)op->code);
    p->at++;
    rc = read_argument(p, op, err);
    op->end = p->at;
    if (rc)
        return rc;
    if (op->code == ASSAY__PICKLE_PROTO &&
        op->number > ASSAY__PICKLE_PROTOCOL_MAX)
        return assay_error_set(
            err, ASSAY_FORMAT, "byte %zu: protocol %lld, known are 0 to %d",
            op->at, (long long)op->number, ASSAY__PICKLE_PROTOCOL_MAX);
    return ASSAY_OK;
}
