/* SPDX-License-Identifier: Apache-2.0 */
/* The walker over protobuf fields (protobuf.h). Groups (types 3 and 4) are
 * of the format's first version and in no model; they are malformed here. */

#include "scan/protobuf.h"

static bool varint(struct assay__wire *w, uint64_t *value)
{
    uint64_t x = 0;

    for (unsigned shift = 0; shift < 64; shift += 7) {
        unsigned char c;

        if (w->at >= w->size)
            return false;
        c = w->data[w->at++];
        if (shift == 63 && c > 1)
            return false;
        x |= (uint64_t)(c & 127) << shift;
        if (!(c & 128)) {
            *value = x;
            return true;
        }
    }
    return false;
}

static bool fixed(struct assay__wire *w, size_t bytes, uint64_t *value)
{
    uint64_t x = 0;

    if (w->size - w->at < bytes)
        return false;
    for (size_t i = bytes; i > 0; i--)
        x = x << 8 | w->data[w->at + i - 1];
    w->at += bytes;
    *value = x;
    return true;
}

int assay__wire_next(struct assay__wire *w, struct assay__wire_field *field)
{
    uint64_t tag = 0;
    uint64_t n = 0;

    *field = (struct assay__wire_field){0};
    if (w->at >= w->size)
        return 0;
    if (!varint(w, &tag) || tag >> 3 == 0 || tag >> 3 > 0x1fffffff)
        return -1;
    field->number = (uint32_t)(tag >> 3);
    field->type = (unsigned)tag & 7;
    switch (field->type) {
    case 0:
        return varint(w, &field->value) ? 1 : -1;
    case 1:
        return fixed(w, 8, &field->value) ? 1 : -1;
    case 5:
        return fixed(w, 4, &field->value) ? 1 : -1;
    case 2:
        if (!varint(w, &n) || n > w->size - w->at)
            return -1;
        field->message = (struct assay__wire){w->data + w->at, (size_t)n, 0,
                                              w->base + w->at};
        w->at += (size_t)n;
        return 1;
    default:
        return -1;
    }
}
