/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_ERROR_H
#define ASSAY_ERROR_H

/*
 * Errors.
 *
 * Every function that can fail returns an int: ASSAY_OK (0) or one of the
 * negative codes below. Most also take, last, a `struct assay_error *err`,
 * which may be NULL. It is written once, where the failure happens, and
 * left untouched on success; a caller may put context in front of the
 * message with assay_error_prefix(). The message names the thing, the value
 * and the limit, and lives in the struct: reporting "out of memory"
 * allocates nothing.
 */

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define ASSAY_MUST_CHECK __attribute__((warn_unused_result))
#define ASSAY_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#else
#define ASSAY_MUST_CHECK
#define ASSAY_PRINTF(fmt, args)
#endif

/* X(name, value, text, exit status of the command) */
#define ASSAY_ERRORS(X)                         \
    X(OK, 0, "success", 0)                      \
    X(NOMEM, -1, "out of memory", 2)            \
    X(ARG, -2, "invalid argument", 4)           \
    X(IO, -3, "input or output failed", 2)      \
    X(FORMAT, -4, "malformed file", 2)          \
    X(LIMIT, -5, "over a limit", 2)             \
    X(UNSUPPORTED, -6, "not supported", 2)      \
    X(DATA, -7, "unusable data", 2)             \
    X(SHAPE, -8, "shapes do not fit", 2)        \
    X(NUMERIC, -9, "numbers are not finite", 2) \
    X(NOTHING, -10, "nothing to test", 3)       \
    X(CANCELED, -11, "interrupted", 130)        \
    X(INTERNAL, -12, "internal error", 2)

enum assay_code {
#define ASSAY_X(name, value, text, exit_status) ASSAY_##name = (value),
    ASSAY_ERRORS(ASSAY_X)
#undef ASSAY_X
};

struct assay_error {
    int code;      /* an assay_code */
    char msg[240]; /* always ends in NUL; cut, never overrun */
};

/* Name of a code ("NOMEM"), its text, its exit status. Any int is accepted. */
const char *assay_error_name(int code);
const char *assay_error_text(int code);
int assay_error_exit_status(int code);

/*
 * Write code and message into `err` (nothing happens when it is NULL) and
 * return `code`, so that a failing function can end with
 * `return assay_error_set(err, ASSAY_LIMIT, ...)`.
 */
int assay_error_set(struct assay_error *err, int code, const char *fmt, ...)
    ASSAY_PRINTF(3, 4);

/* Put "context: " in front of the message. Returns err->code (or `code`). */
int assay_error_prefix(struct assay_error *err, int code, const char *fmt, ...)
    ASSAY_PRINTF(3, 4);

#ifdef __cplusplus
}
#endif

/*
 * A static analyzer cannot look into the library: without this it follows
 * paths on which a function that reports a failure returns success.
 */
#if defined(__clang_analyzer__)
#define assay_error_set(err, code, ...) \
    (assay_error_set((err), (code), __VA_ARGS__), (code))
#endif

#endif
