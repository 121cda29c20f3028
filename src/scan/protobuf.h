/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_SCAN_PROTOBUF_H
#define ASSAY_SCAN_PROTOBUF_H

/*
 * Fields of a protobuf message, one after the other: what the wire format
 * says without a schema. Lengths are held against the message's end.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct assay__wire {
    const unsigned char *data;
    size_t size;
    size_t at;
    size_t base; /* of the message, within the file */
};

struct assay__wire_field {
    uint32_t number;
    unsigned type;  /* 0 varint, 1 eight bytes, 2 counted, 5 four bytes */
    uint64_t value; /* of types 0, 1, 5 */
    struct assay__wire message; /* of type 2 */
};

/* 1: a field; 0: the end; -1: malformed, wire->at is where. */
int assay__wire_next(struct assay__wire *wire, struct assay__wire_field *field);

#endif
