/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tensors of a file: shape and type are checked against the bytes that are
 * there before anything believes them; numbers are decoded when asked for.
 */

#include <math.h>
#include <string.h>

#include "core/checked.h"
#include "onnx/file.h"

enum { DIMS = 1, TYPE = 2, F32S = 4, I32S = 5, STRINGS = 6, I64S = 7 };
enum { NAME = 8, RAW = 9, F64S = 10, U64S = 11, EXTERNAL = 13, WHERE = 14 };

const char *assay__onnx_type_name(int type)
{
    static const char *const names[] = {
        "no type", "float",  "uint8",     "int8",       "uint16",  "int16",
        "int32",   "int64",  "string",    "bool",       "float16", "double",
        "uint32",  "uint64", "complex64", "complex128", "bfloat16"};

    if (type < 0 || type > ASSAY__ONNX_BF16)
        return "an unknown type";
    return names[type];
}

size_t assay__onnx_type_size(int type)
{
    static const unsigned char sizes[] = {0, 4, 1, 1, 2, 2, 4, 8, 0,
                                          1, 2, 8, 4, 8, 0, 0, 2};

    return type < 0 || type > ASSAY__ONNX_BF16 ? 0 : sizes[type];
}

/* Which field holds the numbers of a type, when they are not raw. */
static uint32_t field_of(int type)
{
    switch (type) {
    case ASSAY__ONNX_F32:
        return F32S;
    case ASSAY__ONNX_F64:
        return F64S;
    case ASSAY__ONNX_I64:
        return I64S;
    case ASSAY__ONNX_U32:
    case ASSAY__ONNX_U64:
        return U64S;
    default:
        return I32S;
    }
}

/* Kind on the wire, and bytes when packed (0: varints). */
static int kind_of(uint32_t field, size_t *width)
{
    *width = field == F32S ? 4 : field == F64S ? 8 : 0;
    return field == F32S   ? ASSAY__WIRE_32
           : field == F64S ? ASSAY__WIRE_64
                           : ASSAY__WIRE_VARINT;
}

/* What a message says before it is checked. */
struct said {
    struct assay__span location;
    uint64_t offset;
    uint64_t length;
    bool has_length;
    bool external;
    bool has_raw;
    size_t raw_at;
    size_t raw_size;
    size_t begin; /* of the message */
};

static int add_dim(struct assay__onnx_tensor *t, uint64_t dim, size_t at,
                   struct assay_error *err)
{
    if (t->shape.rank == ASSAY__ONNX_RANK)
        return assay_error_set(err, ASSAY_UNSUPPORTED,
                               "byte %zu: a tensor has over %d dimensions", at,
                               ASSAY__ONNX_RANK);
    if (dim > INT32_MAX)
        return assay_error_set(err, ASSAY_LIMIT,
                               "byte %zu: dimension %d is %lld, must be 0 to "
                               "%d",
                               at, t->shape.rank, (long long)dim, INT32_MAX);
    t->shape.dim[t->shape.rank++] = (int64_t)dim;
    return ASSAY_OK;
}

/* One dimension, or all of them packed. */
static int read_dims(const struct assay__wire *w, const struct assay__field *f,
                     struct assay__onnx_tensor *t, struct assay_error *err)
{
    struct assay__wire list;
    uint64_t dim = 0;
    int code;

    if (f->kind == ASSAY__WIRE_VARINT)
        return add_dim(t, f->value, f->key_at, err);
    code = assay__wire_enter(w, f, "a tensor's dimensions", &list, err);
    while (code == ASSAY_OK && list.at < list.end) {
        code = assay__wire_varint(&list, &dim, err);
        if (code == ASSAY_OK)
            code = add_dim(t, dim, f->key_at, err);
    }
    return code;
}

/* A decimal number of at most 18 digits. */
static int decimal(struct assay__span s, const char *what, size_t at,
                   uint64_t *out, struct assay_error *err)
{
    uint64_t sum = 0;
    size_t i;

    for (i = 0; i < s.size && i < 19; i++) {
        if (s.text[i] < '0' || s.text[i] > '9')
            break;
        sum = 10 * sum + (uint64_t)(s.text[i] - '0');
    }
    if (s.size == 0 || i != s.size || i > 18)
        return assay_error_set(err, ASSAY_FORMAT,
                               "byte %zu: %s of external data is '%.*s', no "
                               "number",
                               at, what, assay__span_length(s), s.text);
    *out = sum;
    return ASSAY_OK;
}

/* A key and its value: location, offset, length, checksum. */
static int read_entry(const struct assay__wire *w, const struct assay__field *f,
                      struct said *said, struct assay_error *err)
{
    struct assay__wire entry;
    struct assay__field part;
    struct assay__span pair[2] = {{"", 0}, {"", 0}};
    int code =
        assay__wire_enter(w, f, "an entry of external data", &entry, err);

    while (code >= 0 && (code = assay__wire_next(&entry, &part, err)) > 0) {
        if (part.number == 1 || part.number == 2)
            code = assay__wire_text(&entry, &part, "an entry of external data",
                                    4096, &pair[part.number - 1], err);
    }
    if (code < 0)
        return code;
    if (assay__span_is(pair[0], "location"))
        said->location = pair[1];
    else if (assay__span_is(pair[0], "offset"))
        code = decimal(pair[1], "the offset", f->key_at, &said->offset, err);
    else if (assay__span_is(pair[0], "length")) {
        code = decimal(pair[1], "the length", f->key_at, &said->length, err);
        said->has_length = true;
    }
    return code;
}

static int read_field(const struct assay__wire *w, const struct assay__field *f,
                      struct assay__onnx_tensor *t, struct said *said,
                      struct assay_error *err)
{
    int code;

    switch (f->number) {
    case DIMS:
        return read_dims(w, f, t, err);
    case TYPE:
        t->type = f->value <= INT32_MAX ? (int)f->value : -1;
        return assay__wire_expect(f, ASSAY__WIRE_VARINT, "a tensor's type",
                                  err);
    case NAME:
        return assay__wire_text(w, f, "a tensor's name", ASSAY__ONNX_NAME,
                                &t->name, err);
    case RAW:
        code = assay__wire_expect(f, ASSAY__WIRE_BYTES, "raw data", err);
        said->has_raw = true;
        said->raw_at = f->at;
        said->raw_size = f->size;
        return code;
    case EXTERNAL:
        return read_entry(w, f, said, err);
    case WHERE:
        said->external = f->value == 1;
        return assay__wire_expect(f, ASSAY__WIRE_VARINT, "a data location",
                                  err);
    default:
        return ASSAY_OK;
    }
}

static int count_elements(struct assay__onnx_tensor *t, size_t at,
                          struct assay_error *err)
{
    int i;

    if (assay__onnx_type_size(t->type) == 0)
        return assay_error_set(err, ASSAY_UNSUPPORTED,
                               "byte %zu: tensor '%.*s' holds %s (type %d), "
                               "which cannot be read",
                               at, assay__span_length(t->name), t->name.text,
                               assay__onnx_type_name(t->type), t->type);
    t->count = 1;
    for (i = 0; i < t->shape.rank; i++) {
        if (!assay__mul_size(t->count, (size_t)t->shape.dim[i], &t->count) ||
            t->count > (size_t)1 << 40)
            return assay_error_set(err, ASSAY_LIMIT,
                                   "byte %zu: tensor '%.*s' has over 2^40 "
                                   "numbers",
                                   at, assay__span_length(t->name),
                                   t->name.text);
    }
    return ASSAY_OK;
}

/* Numbers in one field: a single one, or a packed list. */
static int count_field(const struct assay__wire *w,
                       const struct assay__field *f, size_t *count,
                       struct assay_error *err)
{
    struct assay__wire list;
    uint64_t skipped;
    size_t width;
    int kind = kind_of(f->number, &width);
    int code;

    if (f->kind == kind) {
        (*count)++;
        return ASSAY_OK;
    }
    code = assay__wire_enter(w, f, "a tensor's data", &list, err);
    if (code != ASSAY_OK)
        return code;
    if (width > 0) {
        if (f->size % width != 0)
            return assay_error_set(err, ASSAY_FORMAT,
                                   "byte %zu: %zu bytes are no whole numbers "
                                   "of %zu",
                                   f->key_at, f->size, width);
        *count += f->size / width;
        return ASSAY_OK;
    }
    while (code == ASSAY_OK && list.at < list.end) {
        code = assay__wire_varint(&list, &skipped, err);
        (*count)++;
    }
    return code;
}

static int check_typed(struct assay__onnx_tensor *t, size_t at,
                       struct assay_error *err)
{
    struct assay__wire w = t->message;
    struct assay__field f;
    size_t count = 0;
    int code;

    t->field = field_of(t->type);
    while ((code = assay__wire_next(&w, &f, err)) > 0) {
        if (f.number != t->field)
            continue;
        code = count_field(&w, &f, &count, err);
        if (code != ASSAY_OK)
            return code;
    }
    if (code == ASSAY_OK && count != t->count)
        code = assay_error_set(err, ASSAY_FORMAT,
                               "byte %zu: tensor '%.*s' has %zu numbers, its "
                               "shape %zu",
                               at, assay__span_length(t->name), t->name.text,
                               count, t->count);
    return code;
}

/* Bytes of the data, wherever they are. */
static int locate(assay_onnx *o, struct assay__onnx_tensor *t,
                  const struct said *said, struct assay_error *err)
{
    size_t want = t->count * assay__onnx_type_size(t->type);

    if (said->external) {
        if (said->has_length && said->length != want)
            return assay_error_set(
                err, ASSAY_FORMAT,
                "byte %zu: tensor '%.*s' has %llu bytes of external data, its "
                "shape %zu",
                said->begin, assay__span_length(t->name), t->name.text,
                (unsigned long long)said->length, want);
        return assay__onnx_external(o, said->location, said->offset, want,
                                    &t->raw, err);
    }
    if (!said->has_raw)
        return check_typed(t, said->begin, err);
    if (said->raw_size != want)
        return assay_error_set(err, ASSAY_FORMAT,
                               "byte %zu: tensor '%.*s' has %zu bytes, its "
                               "shape %zu",
                               said->begin, assay__span_length(t->name),
                               t->name.text, said->raw_size, want);
    t->raw = t->message.data + said->raw_at;
    return ASSAY_OK;
}

int assay__onnx_read_tensor(assay_onnx *o, const struct assay__wire *message,
                            struct assay__onnx_tensor *t,
                            struct assay_error *err)
{
    struct said said = {{"", 0}, 0, 0, false, false, false, 0, 0, message->at};
    struct assay__wire w = *message;
    struct assay__field f;
    int code;

    memset(t, 0, sizeof(*t));
    t->name.text = "";
    t->message = *message;
    while ((code = assay__wire_next(&w, &f, err)) > 0) {
        code = read_field(&w, &f, t, &said, err);
        if (code != ASSAY_OK)
            return code;
    }
    if (code == ASSAY_OK)
        code = count_elements(t, message->at, err);
    if (code == ASSAY_OK)
        code = locate(o, t, &said, err);
    return code;
}

static double half_value(uint16_t bits)
{
    int exponent = bits >> 10 & 31;
    double mantissa = bits & 1023;
    double size = exponent == 0 ? ldexp(mantissa, -24)
                  : exponent == 31
                      ? (mantissa != 0 ? (double)NAN : (double)INFINITY)
                      : ldexp(mantissa + 1024, exponent - 25);

    return bits >> 15 ? -size : size;
}

static double float_value(uint32_t bits)
{
    float x;

    memcpy(&x, &bits, sizeof x);
    return (double)x;
}

static double double_value(uint64_t bits)
{
    double x;

    memcpy(&x, &bits, sizeof x);
    return x;
}

/* Bits of an element, zero-extended, as its number. */
static double number_of(int type, uint64_t bits)
{
    switch (type) {
    case ASSAY__ONNX_F32:
        return float_value((uint32_t)bits);
    case ASSAY__ONNX_F64:
        return double_value(bits);
    case ASSAY__ONNX_F16:
        return half_value((uint16_t)bits);
    case ASSAY__ONNX_BF16:
        return float_value((uint32_t)bits << 16);
    case ASSAY__ONNX_I8:
        return (double)(int8_t)bits;
    case ASSAY__ONNX_I16:
        return (double)(int16_t)bits;
    case ASSAY__ONNX_I32:
        return (double)(int32_t)bits;
    case ASSAY__ONNX_I64:
        return (double)(int64_t)bits;
    case ASSAY__ONNX_U8:
        return (double)(uint8_t)bits;
    case ASSAY__ONNX_U16:
        return (double)(uint16_t)bits;
    case ASSAY__ONNX_U32:
        return (double)(uint32_t)bits;
    case ASSAY__ONNX_BOOL:
        return bits != 0 ? 1.0 : 0.0;
    default:
        return (double)bits;
    }
}

static void raw_values(const struct assay__onnx_tensor *t, double *dst)
{
    size_t width = assay__onnx_type_size(t->type);
    size_t i;
    size_t k;

    for (i = 0; i < t->count; i++) {
        uint64_t bits = 0;

        for (k = 0; k < width; k++)
            bits |= (uint64_t)t->raw[i * width + k] << (8 * k);
        dst[i] = number_of(t->type, bits);
    }
}

int assay__onnx_tensor_values(const struct assay__onnx_tensor *t, double *dst,
                              struct assay_error *err)
{
    struct assay__wire w = t->message;
    struct assay__field f;
    size_t width;
    size_t n = 0;
    int kind = kind_of(t->field, &width);
    int code;

    if (t->raw || t->count == 0) {
        raw_values(t, dst);
        return ASSAY_OK;
    }
    while ((code = assay__wire_next(&w, &f, err)) > 0) {
        struct assay__wire list = {w.data, f.at, f.at + f.size};
        uint64_t bits = f.value;

        if (f.number != t->field)
            continue;
        if (f.kind == kind && n < t->count) {
            dst[n++] = number_of(t->type, bits);
            continue;
        }
        for (; list.at < list.end && n < t->count; n++) {
            size_t k;

            bits = 0;
            for (k = 0; k < width; k++)
                bits |= (uint64_t)list.data[list.at++] << (8 * k);
            if (width == 0)
                code = assay__wire_varint(&list, &bits, err);
            if (code < 0)
                return code;
            dst[n] = number_of(t->type, bits);
        }
    }
    return code;
}
