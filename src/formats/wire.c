/* SPDX-License-Identifier: Apache-2.0 */
/* The protobuf wire format (wire.h): every length is held against the end
 * of the message it is in before it is used. */

#include "formats/wire.h"

#include <string.h>

int assay__wire_varint(struct assay__wire *w, uint64_t *value,
                       struct assay_error *err)
{
    size_t start = w->at;
    uint64_t sum = 0;
    int shift;

    for (shift = 0; shift < 70; shift += 7) {
        unsigned char byte;

        if (w->at >= w->end)
            return assay_error_set(err, ASSAY_FORMAT,
                                   "byte %zu: the message ends within a number",
                                   start);
        byte = w->data[w->at++];
        if (shift == 63 && byte > 1)
            break;
        sum |= (uint64_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0) {
            *value = sum;
            return ASSAY_OK;
        }
    }
    return assay_error_set(err, ASSAY_FORMAT,
                           "byte %zu: a number has over 64 bits", start);
}

static int fixed(struct assay__wire *w, struct assay__field *f, size_t size,
                 struct assay_error *err)
{
    size_t i;

    if (size > w->end - w->at)
        return assay_error_set(err, ASSAY_FORMAT,
                               "byte %zu: the message ends within a number",
                               w->at);
    f->value = 0;
    for (i = 0; i < size; i++)
        f->value |= (uint64_t)w->data[w->at + i] << (8 * i);
    w->at += size;
    return ASSAY_OK;
}

static int bytes(struct assay__wire *w, struct assay__field *f,
                 struct assay_error *err)
{
    uint64_t size = 0;
    int code = assay__wire_varint(w, &size, err);

    if (code != ASSAY_OK)
        return code;
    if (size > w->end - w->at)
        return assay_error_set(
            err, ASSAY_FORMAT, "byte %zu: field %u of %llu bytes, %zu are left",
            f->key_at, f->number, (unsigned long long)size, w->end - w->at);
    f->at = w->at;
    f->size = (size_t)size;
    w->at += f->size;
    return ASSAY_OK;
}

int assay__wire_next(struct assay__wire *w, struct assay__field *f,
                     struct assay_error *err)
{
    uint64_t key = 0;
    int code;

    memset(f, 0, sizeof(*f));
    if (w->at >= w->end)
        return 0;
    f->key_at = w->at;
    code = assay__wire_varint(w, &key, err);
    if (code != ASSAY_OK)
        return code;
    f->kind = (int)(key & 7);
    if (key >> 3 == 0 || key >> 3 > 0x1fffffff)
        return assay_error_set(err, ASSAY_FORMAT,
                               "byte %zu: no field has number %llu", f->key_at,
                               (unsigned long long)(key >> 3));
    f->number = (uint32_t)(key >> 3);
    switch (f->kind) {
    case ASSAY__WIRE_VARINT:
        code = assay__wire_varint(w, &f->value, err);
        break;
    case ASSAY__WIRE_64:
        code = fixed(w, f, 8, err);
        break;
    case ASSAY__WIRE_32:
        code = fixed(w, f, 4, err);
        break;
    case ASSAY__WIRE_BYTES:
        code = bytes(w, f, err);
        break;
    default:
        return assay_error_set(err, ASSAY_FORMAT,
                               "byte %zu: field %u is of kind %d; 0, 1, 2 and "
                               "5 are known",
                               f->key_at, f->number, f->kind);
    }
    return code == ASSAY_OK ? 1 : code;
}

int assay__wire_expect(const struct assay__field *f, int kind, const char *what,
                       struct assay_error *err)
{
    if (f->kind == kind)
        return ASSAY_OK;
    return assay_error_set(err, ASSAY_FORMAT,
                           "byte %zu: %s is of kind %d, must be %d", f->key_at,
                           what, f->kind, kind);
}

int assay__wire_enter(const struct assay__wire *w, const struct assay__field *f,
                      const char *what, struct assay__wire *inner,
                      struct assay_error *err)
{
    int code = assay__wire_expect(f, ASSAY__WIRE_BYTES, what, err);

    if (code != ASSAY_OK)
        return code;
    *inner = assay__wire_inside(w, f);
    return ASSAY_OK;
}

int assay__wire_text(const struct assay__wire *w, const struct assay__field *f,
                     const char *what, size_t max, struct assay__span *out,
                     struct assay_error *err)
{
    int code = assay__wire_expect(f, ASSAY__WIRE_BYTES, what, err);
    size_t i;

    if (code != ASSAY_OK)
        return code;
    if (f->size > max)
        return assay_error_set(err, ASSAY_LIMIT,
                               "byte %zu: %s has %zu bytes, over the limit of "
                               "%zu",
                               f->key_at, what, f->size, max);
    for (i = 0; i < f->size; i++) {
        if (w->data[f->at + i] < 0x20 || w->data[f->at + i] == 0x7f)
            return assay_error_set(err, ASSAY_FORMAT,
                                   "byte %zu: %s holds a control character",
                                   f->at + i, what);
    }
    out->text = (const char *)w->data + f->at;
    out->size = f->size;
    return ASSAY_OK;
}

bool assay__span_is(struct assay__span s, const char *text)
{
    return s.size == strlen(text) && memcmp(s.text, text, s.size) == 0;
}

int assay__span_length(struct assay__span s)
{
    return s.size < 60 ? (int)s.size : 60;
}
