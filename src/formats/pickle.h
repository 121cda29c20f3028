/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_FORMATS_PICKLE_H
#define ASSAY_FORMATS_PICKLE_H

/*
 * A pickle as a sequence of opcodes: what a reader and a scanner share. The
 * walker decodes one opcode after the other with its argument and believes
 * no length; what opcodes would do is pickle_machine.h's subject. A pickle
 * is a program: nothing here, nor in any file that includes this, runs it.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "assay/error.h"

enum assay__pickle_code {
#define ASSAY_PICKLE_OP(name, code, arg) ASSAY__PICKLE_##name = (code),
#include "pickle_ops.def"
#undef ASSAY_PICKLE_OP
};

enum {
    ASSAY__PICKLE_LINE_MAX = 1 << 26,   /* bytes of a text argument line */
    ASSAY__PICKLE_STRING_MAX = 1 << 30, /* bytes of a counted string */
    ASSAY__PICKLE_PROTOCOL_MAX = 5
};

struct assay__pickle_op {
    int code;
    const char *name; /* "STACK_GLOBAL" */
    size_t at;        /* of the opcode's byte, from the start of the data */
    size_t end;       /* of the byte after its argument */

    bool has_number; /* the argument is a whole number that fits */
    int64_t number;
    double real;
    const unsigned char *text; /* bytes of a line or a counted string */
    size_t size;
    const unsigned char *second; /* the second line of GLOBAL and INST */
    size_t second_size;
};

struct assay__pickle {
    const unsigned char *data;
    size_t size;
    size_t at; /* of the next opcode */
};

/*
 * Decode the opcode at p->at and step behind it. Beyond STOP it is the
 * caller's to go on: what follows may be another pickle.
 * Errors: _FORMAT, _LIMIT; each with the byte offset.
 */
int assay__pickle_next(struct assay__pickle *p, struct assay__pickle_op *op,
                       struct assay_error *err) ASSAY_MUST_CHECK;

/* Whole numbers of text lines, as Python's int() reads them in base 10. */
bool assay__pickle_decimal(const unsigned char *text, size_t size,
                           int64_t *value);

/*
 * Text of STRING and UNICODE with its escapes undone, at most `size` bytes
 * into `out`; the number of bytes, or SIZE_MAX when it is malformed. STRING
 * keeps its quotes in the file, here they go.
 */
size_t assay__pickle_unquote(unsigned char *out, const unsigned char *text,
                             size_t size);
size_t assay__pickle_unescape(unsigned char *out, const unsigned char *text,
                              size_t size);

/* Is it UTF-8 (RFC 3629) without NUL? */
bool assay__pickle_is_name(const unsigned char *text, size_t size);

#endif
