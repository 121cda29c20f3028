/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The context's defaults, its messages and its cancel flag
 * (assay/context.h). Callbacks are promised to run one at a time: whoever
 * starts workers gives them a context of their own whose callbacks take
 * that pool's lock. No lock is held here, so pools may nest.
 */

#include "assay/context.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/printable.h"
#include "core/thread.h"

void assay_context_init(struct assay_context *ctx)
{
    memset(ctx, 0, sizeof *ctx);
    ctx->threads = assay__thread_cores();
}

int assay_context_check(const struct assay_context *ctx,
                        struct assay_error *err)
{
    if (ctx->cancel && *ctx->cancel)
        return assay_error_set(err, ASSAY_CANCELED, "interrupted");
    return ASSAY_OK;
}

void assay_log(const struct assay_context *ctx, enum assay_log_level level,
               const char *fmt, ...)
{
    char text[512];
    va_list args;

    if (!ctx || !ctx->log)
        return;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    assay__make_printable(text);
    ctx->log(ctx->user, level, text);
}

void assay_progress(const struct assay_context *ctx,
                    const struct assay_progress *step)
{
    if (!ctx || !ctx->progress)
        return;
    ctx->progress(ctx->user, step);
}

const char *assay_version(void)
{
    return ASSAY_VERSION;
}
