/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NPY, one NumPy array.
 *
 *   byte 0   0x93 "NUMPY", major, minor (1.0, 2.0 or 3.0)
 *   byte 8   header length, u16 (1.0) or u32 (2.0, 3.0), little-endian
 *   byte 10  or 12: a Python dict literal of exactly three keys, padded:
 *            {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }
 *   then     the elements
 *
 * The literal is read by a parser of just this form; nothing is evaluated.
 * Structured, object, text, date and complex types are refused; big-endian
 * and column-major arrays are brought into order in memory. The tensor is
 * called "arr_0", as NumPy calls an array that was given no name.
 */

#include "formats/npy.h"

#include <string.h>

#include "core/checked.h"
#include "core/mem.h"
#include "formats/format.h"

static const unsigned char MAGIC[6] = {0x93, 'N', 'U', 'M', 'P', 'Y'};
static const char ARRAY_NAME[] = "arr_0";

/* NumPy's kind and size of each dtype; BF16 has none. */
static const struct {
    const char *text;
    enum assay_dtype dtype;
} descrs[] = {
    {"f4", ASSAY_DTYPE_F32}, {"f8", ASSAY_DTYPE_F64}, {"f2", ASSAY_DTYPE_F16},
    {"i8", ASSAY_DTYPE_I64}, {"i4", ASSAY_DTYPE_I32}, {"i2", ASSAY_DTYPE_I16},
    {"i1", ASSAY_DTYPE_I8},  {"u8", ASSAY_DTYPE_U64}, {"u4", ASSAY_DTYPE_U32},
    {"u2", ASSAY_DTYPE_U16}, {"u1", ASSAY_DTYPE_U8},  {"b1", ASSAY_DTYPE_BOOL},
};

enum { N_DESCRS = sizeof(descrs) / sizeof(descrs[0]) };

struct cursor {
    const char *text;
    size_t at;
    size_t end;
};

static bool probe(const unsigned char *data, size_t size)
{
    return size >= sizeof(MAGIC) && memcmp(data, MAGIC, sizeof(MAGIC)) == 0;
}

int assay__npy_prefix(const unsigned char *data, size_t size,
                      size_t *header_bytes, struct assay_error *err)
{
    size_t length;
    size_t start;

    if (size < ASSAY__NPY_PREFIX)
        return assay_error_set(err, ASSAY_FORMAT,
                               "byte %zu: array ends within its first %d bytes",
                               size, ASSAY__NPY_PREFIX);
    if (!probe(data, size))
        return assay_error_set(err, ASSAY_FORMAT,
                               "byte 0: not a NumPy array (no \\x93NUMPY)");
    if (data[6] < 1 || data[6] > 3 || data[7] != 0)
        return assay_error_set(err, ASSAY_UNSUPPORTED,
                               "byte 6: NumPy format %d.%d, known are 1.0 to "
                               "3.0",
                               data[6], data[7]);

    length = (size_t)data[8] | (size_t)data[9] << 8;
    start = 10;
    if (data[6] > 1) {
        length |= (size_t)data[10] << 16 | (size_t)data[11] << 24;
        start = 12;
    }
    if (length > ASSAY__NPY_HEADER_MAX)
        return assay_error_set(
            err, ASSAY_LIMIT,
            "byte 8: header length %zu is over the limit of %d", length,
            ASSAY__NPY_HEADER_MAX);
    if (start + length < ASSAY__NPY_PREFIX)
        return assay_error_set(err, ASSAY_FORMAT,
                               "byte 8: header length %zu is too small",
                               length);
    *header_bytes = start + length;
    return ASSAY_OK;
}

static int expected(const struct cursor *c, const char *what,
                    struct assay_error *err)
{
    return assay_error_set(err, ASSAY_FORMAT,
                           "byte %zu: array header: expected %s", c->at, what);
}

static void skip_blanks(struct cursor *c)
{
    while (c->at < c->end && (c->text[c->at] == ' ' || c->text[c->at] == '\n'))
        c->at++;
}

/* Take `word` when it comes next. */
static bool take(struct cursor *c, const char *word)
{
    size_t n = strlen(word);

    skip_blanks(c);
    if (c->end - c->at < n || memcmp(c->text + c->at, word, n) != 0)
        return false;
    c->at += n;
    return true;
}

/* A quoted string without escapes, as a range of the text. */
static bool take_string(struct cursor *c, const char **text, size_t *size)
{
    char quote;
    size_t start;

    skip_blanks(c);
    if (c->at == c->end)
        return false;
    quote = c->text[c->at];
    if (quote != '\'' && quote != '"')
        return false;
    start = c->at + 1;
    for (size_t i = start; i < c->end; i++) {
        if (c->text[i] == '\\')
            return false;
        if (c->text[i] == quote) {
            *text = c->text + start;
            *size = i - start;
            c->at = i + 1;
            return true;
        }
    }
    return false;
}

static int parse_descr(struct cursor *c, struct assay__npy *out,
                       struct assay_error *err)
{
    const char *text = NULL;
    size_t size = 0;
    size_t at;

    skip_blanks(c);
    at = c->at;
    if (take(c, "["))
        return assay_error_set(err, ASSAY_UNSUPPORTED,
                               "byte %zu: structured arrays are not supported",
                               at);
    if (!take_string(c, &text, &size))
        return expected(c, "a type in quotes", err);

    for (size_t i = 0; i < N_DESCRS && size == 3; i++) {
        bool one_byte = descrs[i].text[1] == '1';

        if (memcmp(text + 1, descrs[i].text, 2) != 0)
            continue;
        if (text[0] != '<' && text[0] != '>' && !(text[0] == '|' && one_byte))
            break;
        out->dtype = descrs[i].dtype;
        out->swap = text[0] == '>' && !one_byte;
        return ASSAY_OK;
    }
    if (size >= 2 && text[1] == 'O')
        return assay_error_set(
            err, ASSAY_UNSUPPORTED,
            "byte %zu: object arrays hold pickled code and are refused", at);
    return assay_error_set(err, ASSAY_UNSUPPORTED,
                           "byte %zu: element type '%.*s' is not supported", at,
                           (int)(size < 16 ? size : 16), text);
}

static int parse_dim(struct cursor *c, struct assay__npy *out,
                     struct assay_error *err)
{
    size_t value = 0;
    size_t start;

    skip_blanks(c);
    start = c->at;
    while (c->at < c->end && c->text[c->at] >= '0' && c->text[c->at] <= '9') {
        size_t digit = (size_t)(c->text[c->at] - '0');

        if (!assay__mul_size(value, 10, &value) ||
            !assay__add_size(value, digit, &value) || value > INT64_MAX)
            return assay_error_set(err, ASSAY_LIMIT,
                                   "byte %zu: dimension does not fit", start);
        c->at++;
    }
    if (c->at == start)
        return expected(c, "a dimension", err);
    (void)take(c, "L"); /* a long of Python 2 */
    if (out->shape.rank == ASSAY_RANK_MAX)
        return assay_error_set(err, ASSAY_LIMIT,
                               "byte %zu: more than %d dimensions", start,
                               ASSAY_RANK_MAX);
    out->shape.dim[out->shape.rank++] = (int64_t)value;
    return ASSAY_OK;
}

/* (), (3,) or (2, 3) */
static int parse_shape(struct cursor *c, struct assay__npy *out,
                       struct assay_error *err)
{
    bool comma = true;

    if (!take(c, "("))
        return expected(c, "'(' of the shape", err);
    while (!take(c, ")")) {
        int rc;

        if (!comma)
            return expected(c, "',' or ')' in the shape", err);
        rc = parse_dim(c, out, err);
        if (rc)
            return rc;
        comma = take(c, ",");
    }
    if (out->shape.rank == 1 && !comma)
        return expected(c, "',' after a single dimension", err);
    return ASSAY_OK;
}

static int parse_order(struct cursor *c, struct assay__npy *out,
                       struct assay_error *err)
{
    if (take(c, "True"))
        out->fortran = true;
    else if (take(c, "False"))
        out->fortran = false;
    else
        return expected(c, "True or False", err);
    return ASSAY_OK;
}

static const struct {
    const char *key;
    int (*parse)(struct cursor *c, struct assay__npy *out,
                 struct assay_error *err);
} keys[] = {
    {"descr", parse_descr},
    {"fortran_order", parse_order},
    {"shape", parse_shape},
};

enum { N_KEYS = sizeof(keys) / sizeof(keys[0]) };

/* One `'key': value`; `seen` has a bit for each key. */
static int parse_pair(struct cursor *c, struct assay__npy *out, unsigned *seen,
                      struct assay_error *err)
{
    const char *text = NULL;
    size_t size = 0;

    if (!take_string(c, &text, &size))
        return expected(c, "a key in quotes", err);
    for (unsigned k = 0; k < N_KEYS; k++) {
        if (strlen(keys[k].key) != size || memcmp(text, keys[k].key, size) != 0)
            continue;
        if (*seen & 1u << k)
            return assay_error_set(err, ASSAY_FORMAT,
                                   "byte %zu: key '%s' occurs twice", c->at,
                                   keys[k].key);
        *seen |= 1u << k;
        if (!take(c, ":"))
            return expected(c, "':'", err);
        return keys[k].parse(c, out, err);
    }
    return expected(c, "descr, fortran_order or shape", err);
}

static int parse_dict(struct cursor *c, struct assay__npy *out,
                      struct assay_error *err)
{
    unsigned seen = 0;
    bool comma = true;

    if (!take(c, "{"))
        return expected(c, "'{'", err);
    while (!take(c, "}")) {
        int rc;

        if (!comma)
            return expected(c, "',' or '}'", err);
        rc = parse_pair(c, out, &seen, err);
        if (rc)
            return rc;
        comma = take(c, ",");
    }
    if (seen != (1u << N_KEYS) - 1)
        return expected(c, "descr, fortran_order and shape", err);
    skip_blanks(c);
    if (c->at != c->end)
        return expected(c, "nothing after '}'", err);
    return ASSAY_OK;
}

int assay__npy_header(struct assay__npy *out, const unsigned char *data,
                      size_t header_bytes, struct assay_error *err)
{
    struct cursor c = {.text = (const char *)data,
                       .at = data[6] > 1 ? 12 : 10,
                       .end = header_bytes};
    int rc;

    *out = (struct assay__npy){.header_bytes = header_bytes};
    rc = parse_dict(&c, out, err);
    if (rc)
        return rc;

    out->data_bytes = assay_dtype_size(out->dtype);
    for (int i = 0; i < out->shape.rank; i++) {
        if (!assay__mul_size(out->data_bytes, (size_t)out->shape.dim[i],
                             &out->data_bytes) ||
            out->data_bytes > ASSAY_FORMAT_MAX_BYTES)
            return assay_error_set(err, ASSAY_LIMIT,
                                   "shape asks for over %zu bytes",
                                   ASSAY_FORMAT_MAX_BYTES);
    }
    return ASSAY_OK;
}

static void swap_bytes(unsigned char *data, size_t count, size_t width)
{
    for (size_t i = 0; i < count; i++) {
        unsigned char *p = data + i * width;

        for (size_t k = 0; k < width / 2; k++) {
            unsigned char b = p[k];

            p[k] = p[width - 1 - k];
            p[width - 1 - k] = b;
        }
    }
}

/*
 * Row-major element i, counted up with the indices of all dimensions, lies
 * in column-major `src` at the sum of index times column stride.
 */
static void transpose(unsigned char *dst, const unsigned char *src,
                      const struct assay_shape *shape, size_t width)
{
    size_t count = assay_shape_count(shape, 1);
    size_t stride[ASSAY_RANK_MAX];
    int64_t index[ASSAY_RANK_MAX] = {0};
    size_t at = 0;

    stride[0] = 1;
    for (int d = 1; d < shape->rank; d++)
        stride[d] = stride[d - 1] * (size_t)shape->dim[d - 1];

    for (size_t i = 0; i < count; i++) {
        memcpy(dst + i * width, src + at * width, width);
        for (int d = shape->rank - 1; d >= 0; d--) {
            at += stride[d];
            if (++index[d] < shape->dim[d])
                break;
            at -= stride[d] * (size_t)shape->dim[d];
            index[d] = 0;
        }
    }
}

int assay__npy_settle(struct assay_tensor *t, const struct assay__npy *npy,
                      struct assay_error *err)
{
    size_t width = assay_dtype_size(t->dtype);
    unsigned char *copy;

    if (npy->swap)
        swap_bytes(t->data, npy->data_bytes / width, width);
    if (!npy->fortran || t->shape.rank < 2 || npy->data_bytes == 0)
        return ASSAY_OK;

    copy = assay__malloc(npy->data_bytes);
    if (!copy)
        return assay_error_set(err, ASSAY_NOMEM,
                               "no memory (%zu bytes) to transpose '%.60s'",
                               npy->data_bytes, t->name);
    memcpy(copy, t->data, npy->data_bytes);
    transpose(t->data, copy, &t->shape, width);
    assay__free(copy);
    return ASSAY_OK;
}

static const char *find_descr(enum assay_dtype dtype)
{
    for (size_t i = 0; i < N_DESCRS; i++) {
        if (descrs[i].dtype == dtype)
            return descrs[i].text;
    }
    return NULL;
}

int assay__npy_describe(struct assay__buf *b, const struct assay_tensor *t,
                        struct assay_error *err)
{
    const char *descr = find_descr(t->dtype);
    unsigned char head[10];
    size_t start = b->size;
    size_t length;

    if (!descr)
        return assay_error_set(err, ASSAY_UNSUPPORTED,
                               "tensor '%.60s': NumPy has no %s", t->name,
                               assay_dtype_name(t->dtype));

    memset(head, 0, sizeof(head));
    assay__buf_add(b, head, sizeof(head));
    assay__buf_printf(b,
                      "{'descr': '%c%s', 'fortran_order': False, "
                      "'shape': (",
                      descr[1] == '1' ? '|' : '<', descr);
    for (int i = 0; i < t->shape.rank; i++)
        assay__buf_printf(b, "%s%lld", i ? ", " : "",
                          (long long)t->shape.dim[i]);
    assay__buf_puts(b, t->shape.rank == 1 ? ",), }" : "), }");
    while (!b->failed && (b->size - start) % 64 != 63)
        assay__buf_puts(b, " ");
    assay__buf_puts(b, "\n");
    if (b->failed)
        return assay_error_set(err, ASSAY_NOMEM, "no memory for a header");

    length = b->size - start - sizeof(head);
    memcpy(head, MAGIC, sizeof(MAGIC));
    head[6] = 1;
    head[8] = (unsigned char)length;
    head[9] = (unsigned char)(length >> 8);
    memcpy(b->data + start, head, sizeof(head));
    return ASSAY_OK;
}

static int read_bytes(struct assay_tensors *list, const unsigned char *data,
                      size_t size, struct assay_error *err)
{
    struct assay_tensor *t = NULL;
    struct assay__npy npy;
    size_t header_bytes = 0;
    int rc;

    rc = assay__npy_prefix(data, size, &header_bytes, err);
    if (rc)
        return rc;
    if (header_bytes > size)
        return assay_error_set(
            err, ASSAY_FORMAT,
            "byte 8: header ends at byte %zu, the file at %zu", header_bytes,
            size);
    rc = assay__npy_header(&npy, data, header_bytes, err);
    if (rc)
        return rc;
    if (npy.data_bytes != size - header_bytes)
        return assay_error_set(
            err, ASSAY_FORMAT,
            "byte %zu: shape needs %zu bytes of data, the file has %zu",
            header_bytes, npy.data_bytes, size - header_bytes);

    rc = assay_tensors_add(list, ARRAY_NAME, npy.dtype, &npy.shape, &t, err);
    if (rc)
        return rc;
    if (npy.data_bytes)
        memcpy(t->data, data + header_bytes, npy.data_bytes);
    return assay__npy_settle(t, &npy, err);
}

const struct assay_format assay_format_npy = {
    .name = "npy",
    .suffix = ".npy",
    .max_bytes = ASSAY_FORMAT_MAX_BYTES,
    .probe = probe,
    .read = read_bytes,
};
