/* SPDX-License-Identifier: Apache-2.0 */
/* Codes, messages that are cut and cleaned, and the context. */

#include <stdio.h>
#include <string.h>

#include "assay/context.h"
#include "assay/error.h"
#include "check.h"

static void test_each_code_has_name_text_and_exit_status(void)
{
    CHECK_STR_EQ(assay_error_name(ASSAY_OK), "OK");
    CHECK_STR_EQ(assay_error_name(ASSAY_NOMEM), "NOMEM");
    CHECK_STR_EQ(assay_error_text(ASSAY_LIMIT), "over a limit");
    CHECK_INT_EQ(assay_error_exit_status(ASSAY_OK), 0);
    CHECK_INT_EQ(assay_error_exit_status(ASSAY_ARG), 4);
    CHECK_INT_EQ(assay_error_exit_status(ASSAY_NOTHING), 3);
    CHECK_INT_EQ(assay_error_exit_status(ASSAY_CANCELED), 130);
}

static void test_unknown_code_is_accepted(void)
{
    CHECK_STR_EQ(assay_error_name(-999), "UNKNOWN");
    CHECK_STR_EQ(assay_error_text(7), "unknown error");
    CHECK_INT_EQ(assay_error_exit_status(7), 2);
}

static void test_set_writes_code_and_message(void)
{
    struct assay_error err = {0};
    int code = assay_error_set(&err, ASSAY_LIMIT, "%s: %d", "rows", 7);

    CHECK_INT_EQ(code, ASSAY_LIMIT);
    CHECK_INT_EQ(err.code, ASSAY_LIMIT);
    CHECK_STR_EQ(err.msg, "rows: 7");
}

static void test_null_error_still_returns_the_code(void)
{
    CHECK_INT_EQ(assay_error_set(NULL, ASSAY_IO, "x"), ASSAY_IO);
    CHECK_INT_EQ(assay_error_prefix(NULL, ASSAY_IO, "x"), ASSAY_IO);
}

static void test_long_message_is_cut_and_ended(void)
{
    struct assay_error err;

    memset(&err, 'x', sizeof err);
    assay_error_set(&err, ASSAY_IO, "%300d", 1);
    CHECK_UINT_EQ(strlen(err.msg), sizeof err.msg - 1);
    assay_error_prefix(&err, ASSAY_IO, "%300d", 1);
    CHECK_UINT_EQ(strlen(err.msg), sizeof err.msg - 1);
}

static void test_prefix_puts_context_in_front(void)
{
    struct assay_error err = {0};

    assay_error_set(&err, ASSAY_SHAPE, "rank 9");
    CHECK_INT_EQ(assay_error_prefix(&err, ASSAY_IO, "layer %d", 3),
                 ASSAY_SHAPE);
    CHECK_STR_EQ(err.msg, "layer 3: rank 9");
}

static void test_message_may_quote_itself(void)
{
    struct assay_error err = {0};

    assay_error_set(&err, ASSAY_IO, "first");
    assay_error_set(&err, ASSAY_IO, "again: %s", err.msg);
    CHECK_STR_EQ(err.msg, "again: first");
    assay_error_prefix(&err, ASSAY_IO, "(%s)", err.msg);
    CHECK_STR_EQ(err.msg, "(again: first): again: first");
}

static void test_control_bytes_never_reach_a_message(void)
{
    struct assay_error err = {0};

    assay_error_set(&err, ASSAY_FORMAT, "\033[2Jname\n\x7f");
    CHECK_STR_EQ(err.msg, "?[2Jname??");
    assay_error_prefix(&err, ASSAY_FORMAT, "a\tb");
    CHECK_STR_EQ(err.msg, "a?b: ?[2Jname??");
    assay_error_set(&err, ASSAY_FORMAT,
                    "csi \xc2\x9b, rlo \xe2\x80\xae, e "
                    "\xc3\xa9");
    CHECK_STR_EQ(err.msg, "csi ?, rlo ?, e \xc3\xa9");
}

struct heard {
    char text[600];
    uint64_t done;
    int calls;
};

static void hear_log(void *user, enum assay_log_level level, const char *text)
{
    struct heard *heard = user;

    heard->calls++;
    snprintf(heard->text, sizeof heard->text, "%d %s", (int)level, text);
}

static void hear_progress(void *user, const struct assay_progress *step)
{
    struct heard *heard = user;

    heard->calls++;
    heard->done = step->done;
}

static void test_context_starts_with_cores_and_silence(void)
{
    struct assay_progress step = {.task = "t", .unit = "u"};
    struct assay_error err = {0};
    struct assay_context ctx;

    memset(&ctx, 0xff, sizeof ctx);
    assay_context_init(&ctx);
    CHECK(ctx.threads >= 1 && ctx.threads <= 1024);
    CHECK_UINT_EQ(ctx.seed, 0);
    CHECK_OK(assay_context_check(&ctx, &err), err);
    assay_log(&ctx, ASSAY_LOG_INFO, "nobody listens");
    assay_log(NULL, ASSAY_LOG_INFO, "nobody is there");
    assay_progress(&ctx, &step);
    assay_progress(NULL, &step);
}

static void test_context_passes_messages_and_progress_on(void)
{
    struct assay_progress step = {.task = "t", .unit = "u", .done = 5};
    struct heard heard = {.calls = 0};
    struct assay_context ctx;

    assay_context_init(&ctx);
    ctx.log = hear_log;
    ctx.progress = hear_progress;
    ctx.user = &heard;
    assay_log(&ctx, ASSAY_LOG_WARNING, "%s %d", "careful", 3);
    CHECK_STR_EQ(heard.text, "2 careful 3");
    assay_progress(&ctx, &step);
    CHECK_UINT_EQ(heard.done, 5);
    assay_log(&ctx, ASSAY_LOG_DEBUG, "%900d", 1);
    CHECK_UINT_EQ(strlen(heard.text), 2 + 511);
    assay_log(&ctx, ASSAY_LOG_INFO, "%s is new", "models/\033[2Ja\n");
    CHECK_STR_EQ(heard.text, "1 models/?[2Ja? is new");
    CHECK_INT_EQ(heard.calls, 4);
}

static void test_cancel_flag_ends_work(void)
{
    volatile sig_atomic_t cancel = 0;
    struct assay_error err = {0};
    struct assay_context ctx;

    assay_context_init(&ctx);
    ctx.cancel = &cancel;
    CHECK_OK(assay_context_check(&ctx, &err), err);
    cancel = 1;
    CHECK_FAILS(assay_context_check(&ctx, &err), ASSAY_CANCELED, err);
}

static void test_version_is_three_numbers(void)
{
    int major;
    int minor;
    int patch;
    char rest;

    CHECK_INT_EQ(
        sscanf(assay_version(), "%d.%d.%d%c", &major, &minor, &patch, &rest),
        3);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_each_code_has_name_text_and_exit_status),
    CHECK_TEST(test_unknown_code_is_accepted),
    CHECK_TEST(test_set_writes_code_and_message),
    CHECK_TEST(test_null_error_still_returns_the_code),
    CHECK_TEST(test_long_message_is_cut_and_ended),
    CHECK_TEST(test_prefix_puts_context_in_front),
    CHECK_TEST(test_message_may_quote_itself),
    CHECK_TEST(test_control_bytes_never_reach_a_message),
    CHECK_TEST(test_context_starts_with_cores_and_silence),
    CHECK_TEST(test_context_passes_messages_and_progress_on),
    CHECK_TEST(test_cancel_flag_ends_work),
    CHECK_TEST(test_version_is_three_numbers),
};

CHECK_MAIN(tests)
