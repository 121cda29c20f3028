/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_CONTEXT_H
#define ASSAY_CONTEXT_H

/*
 * What a caller decides once for all calls: threads, seed, where messages
 * and progress go, and a flag that cancels long work. The library keeps no
 * mutable globals; everything that needs these takes a
 * `const struct assay_context *`. Fields may be set directly after
 * assay_context_init(); the struct owns nothing.
 */

#include <signal.h>
#include <stdint.h>

#include "assay/error.h"

#ifdef __cplusplus
extern "C" {
#endif

enum assay_log_level { ASSAY_LOG_DEBUG, ASSAY_LOG_INFO, ASSAY_LOG_WARNING };

/* A step of long work. `done` of `total` units; total 0: not known. */
struct assay_progress {
    const char *task; /* "target", "shadow 3/16", "lira": stable per task */
    const char *unit; /* "images", "records", "epochs" */
    const char *note; /* free text such as "loss 0.31", or NULL */
    uint64_t done;
    uint64_t total;
};

struct assay_context {
    int threads;   /* 1 .. 1024; assay_context_init() sets the core count */
    uint64_t seed; /* the run's seed; streams are (seed, purpose, index) */

    /* All three may be NULL. Called from one thread at a time. A log's text
     * is one line without control characters. */
    void (*log)(void *user, enum assay_log_level level, const char *text);
    void (*progress)(void *user, const struct assay_progress *step);
    void *user;

    /* When not NULL and set non-zero (by a signal handler, say), long work
     * ends soon with ASSAY_CANCELED, its last checkpoint in place. */
    const volatile sig_atomic_t *cancel;
};

void assay_context_init(struct assay_context *ctx);

/* ASSAY_OK, or ASSAY_CANCELED with a message once *ctx->cancel is set. */
int assay_context_check(const struct assay_context *ctx,
                        struct assay_error *err) ASSAY_MUST_CHECK;

void assay_log(const struct assay_context *ctx, enum assay_log_level level,
               const char *fmt, ...) ASSAY_PRINTF(3, 4);
void assay_progress(const struct assay_context *ctx,
                    const struct assay_progress *step);

/* "0.1.0" */
const char *assay_version(void);

#ifdef __cplusplus
}
#endif
#endif
