/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_FORMATS_WIRE_H
#define ASSAY_FORMATS_WIRE_H

/*
 * The protobuf wire format: a message is a row of fields, each a number, a
 * kind and a value. Nothing is copied and nothing allocated; a field's bytes
 * are a place in the file.
 *
 *   key      varint: number << 3 | kind
 *   kind 0   varint, up to 10 bytes, 7 bits each, lowest first
 *   kind 1   8 bytes; kind 5: 4 bytes, little-endian
 *   kind 2   varint length, then so many bytes
 * Groups (3 and 4), which no file of ours has, are refused.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "assay/error.h"

enum {
    ASSAY__WIRE_VARINT = 0,
    ASSAY__WIRE_64 = 1,
    ASSAY__WIRE_BYTES = 2,
    ASSAY__WIRE_32 = 5
};

/* Bytes at..end of `data`, the whole file. */
struct assay__wire {
    const unsigned char *data;
    size_t at;
    size_t end;
};

struct assay__field {
    uint32_t number;
    int kind;
    uint64_t value; /* of kinds 0, 1 and 5 */
    size_t at;      /* of kind 2: where its bytes begin, and how many */
    size_t size;
    size_t key_at; /* for messages */
};

/* Text or bytes within the file. */
struct assay__span {
    const char *text;
    size_t size;
};

/* 1 and the next field, 0 at the end, or a negative code. */
int assay__wire_next(struct assay__wire *w, struct assay__field *f,
                     struct assay_error *err) ASSAY_MUST_CHECK;
/* The message that a field of kind 2 holds. */
static inline struct assay__wire assay__wire_inside(
    const struct assay__wire *w, const struct assay__field *f)
{
    struct assay__wire inner = {w->data, f->at, f->at + f->size};

    return inner;
}

/* A varint alone, as in packed lists. */
int assay__wire_varint(struct assay__wire *w, uint64_t *value,
                       struct assay_error *err) ASSAY_MUST_CHECK;
/* The same of a field whose kind is to be checked; `what` names it. */
int assay__wire_enter(const struct assay__wire *w, const struct assay__field *f,
                      const char *what, struct assay__wire *inner,
                      struct assay_error *err) ASSAY_MUST_CHECK;
/* The field's kind is `kind`. */
int assay__wire_expect(const struct assay__field *f, int kind, const char *what,
                       struct assay_error *err) ASSAY_MUST_CHECK;
/* The text of a field: at most `max` bytes, none below a blank. */
int assay__wire_text(const struct assay__wire *w, const struct assay__field *f,
                     const char *what, size_t max, struct assay__span *out,
                     struct assay_error *err) ASSAY_MUST_CHECK;

bool assay__span_is(struct assay__span s, const char *text);
/* For "%.*s": no more than fits a message. */
int assay__span_length(struct assay__span s);

#endif
