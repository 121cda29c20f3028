/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Error codes and messages (assay/error.h). The table is made from
 * ASSAY_ERRORS, so a code is written in one place. Texts are put together
 * in a buffer beside the struct: an argument may point into err->msg. Names
 * from strangers' files end up in messages, and messages on terminals:
 * nothing that could move a cursor leaves here.
 */

#include "assay/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/printable.h"

#undef assay_error_set /* what an analyzer is told; here is the function */

struct row {
    int code;
    int exit_status;
    const char *name;
    const char *text;
};

static const struct row rows[] = {
#define ASSAY_X(name, value, text, exit_status) \
    {(value), (exit_status), #name, (text)},
    ASSAY_ERRORS(ASSAY_X)
#undef ASSAY_X
};

static const struct row unknown = {0, 2, "UNKNOWN", "unknown error"};

static const struct row *find(int code)
{
    size_t i;

    for (i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].code == code)
            return &rows[i];
    }
    return &unknown;
}

const char *assay_error_name(int code)
{
    return find(code)->name;
}

const char *assay_error_text(int code)
{
    return find(code)->text;
}

int assay_error_exit_status(int code)
{
    return find(code)->exit_status;
}

int assay_error_set(struct assay_error *err, int code, const char *fmt, ...)
{
    char text[sizeof err->msg];
    va_list args;

    if (!err)
        return code;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    assay__make_printable(text);
    err->code = code;
    memcpy(err->msg, text, sizeof text);
    return code;
}

int assay_error_prefix(struct assay_error *err, int code, const char *fmt, ...)
{
    char text[sizeof err->msg];
    va_list args;
    size_t room;
    size_t used;

    if (!err)
        return code;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    assay__make_printable(text);
    used = strlen(text);
    room = sizeof text - used;
    snprintf(text + used, room, ": %.*s", (int)room, err->msg);
    memcpy(err->msg, text, sizeof text);
    return err->code;
}
