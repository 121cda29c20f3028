/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sessions: from common options to a context. The flag that a signal sets
 * is the program's only mutable global; a handler can reach nothing else.
 */

#include "session.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "core/fs.h"
#include "core/mem.h"

/* clang-format off */
const struct assay__option assay__common_options[] = {
    {"json", 0, ASSAY__OPTION_FLAG, NULL, NULL, 0, 0, NULL,
     "print the result as JSON",
     offsetof(struct assay__common_values, json)},
    {"seed", 0, ASSAY__OPTION_INT, "N", "0", 0, 9007199254740991.0, NULL,
     "seed of every draw: split, initial values, order, attacks",
     offsetof(struct assay__common_values, seed)},
    {"threads", 't', ASSAY__OPTION_INT, "N", "0", 0, 1024, NULL,
     "threads; 0: as many as there are cores",
     offsetof(struct assay__common_values, threads)},
    {"backend", 0, ASSAY__OPTION_CHOICE, "NAME", "onednn", 0, 0,
     "onednn|reference", "kernels",
     offsetof(struct assay__common_values, backend)},
    {"algorithms", 0, ASSAY__OPTION_CHOICE, "HOW", "tuned", 0, 0,
     "tuned|direct",
     "convolutions chosen by timing (and remembered), or direct ones",
     offsetof(struct assay__common_values, algorithms)},
    {"dtype", 0, ASSAY__OPTION_CHOICE, "TYPE", "f32", 0, 0, "f32|bf16",
     "numbers in kernels; master weights are f32 always",
     offsetof(struct assay__common_values, dtype)},
    {"quiet", 'q', ASSAY__OPTION_FLAG, NULL, NULL, 0, 0, NULL,
     "no progress and no messages but errors",
     offsetof(struct assay__common_values, quiet)},
    {"no-color", 0, ASSAY__OPTION_FLAG, NULL, NULL, 0, 0, NULL,
     "no colours; so does a non-empty NO_COLOR",
     offsetof(struct assay__common_values, no_color)},
    {.name = NULL},
};
/* clang-format on */

static volatile sig_atomic_t cancel_requested;

static void on_signal(int number)
{
    (void)number;
    cancel_requested = 1;
}

/* The handler is used once; the next signal has its usual effect. */
static void install_signals(void)
{
    struct sigaction action;

    memset(&action, 0, sizeof(action));
    action.sa_handler = on_signal;
    action.sa_flags = (int)(SA_RESETHAND | SA_RESTART);
    sigemptyset(&action.sa_mask);
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
}

static void on_log(void *user, enum assay_log_level level, const char *text)
{
    struct assay__session *s = user;

    if (s->quiet || level == ASSAY_LOG_DEBUG)
        return;
    assay__progress_clear(&s->progress);
    fprintf(stderr, "%s%s\n", level == ASSAY_LOG_WARNING ? "warning: " : "",
            text);
}

static void on_progress(void *user, const struct assay_progress *step)
{
    struct assay__session *s = user;

    assay__progress_step(&s->progress, step);
}

int assay__session_parse(const struct assay__command *command, int argc,
                         char **argv, void *values,
                         struct assay__parsed *parsed, int *status)
{
    struct assay_error err;
    int code;

    code = assay__options_parse(command, argc, argv, values, parsed, &err);
    if (code != ASSAY_OK) {
        fprintf(stderr, "assay %s: %s\n", command->name, err.msg);
        *status = assay_error_exit_status(code);
        return 0;
    }
    if (parsed->help) {
        assay__options_help(command, stdout);
        *status = 0;
        return 0;
    }
    return 1;
}

/* $XDG_CACHE_HOME/assay/tuning.json; NULL without a home. Fresh. */
static char *tuning_path(void)
{
    const char *cache = getenv("XDG_CACHE_HOME");
    const char *home = getenv("HOME");

    if (cache != NULL && cache[0] == '/')
        return assay__format("%s/assay/tuning.json", cache);
    if (home != NULL && home[0] == '/')
        return assay__format("%s/.cache/assay/tuning.json", home);
    return NULL;
}

static void look_at_terminal(struct assay__session *s, int no_color)
{
    const char *variable = getenv("NO_COLOR");
    struct winsize size;

    s->width = 80;
    s->color = isatty(STDOUT_FILENO) && !no_color &&
               (variable == NULL || *variable == '\0');
    if (isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 &&
        size.ws_col >= 40)
        s->width = size.ws_col;
}

int assay__session_open(struct assay__session *s,
                        const struct assay__command *command,
                        const struct assay__common_values *values,
                        struct assay_error *err)
{
    int code;

    memset(s, 0, sizeof(*s));
    s->command = command->name;
    s->json = values->json;
    s->quiet = values->quiet;
    look_at_terminal(s, values->no_color);
    assay__progress_init(&s->progress, values->quiet ? NULL : stderr);
    install_signals();

    assay_context_init(&s->ctx);
    if (values->threads > 0)
        s->ctx.threads = (int)values->threads;
    s->ctx.seed = (uint64_t)values->seed;
    s->ctx.log = on_log;
    s->ctx.progress = on_progress;
    s->ctx.user = s;
    s->ctx.cancel = &cancel_requested;

    s->compute.backend = values->backend;
    s->compute.algorithms = strcmp(values->algorithms, "direct") == 0
                                ? ASSAY_ALGORITHMS_DIRECT
                                : ASSAY_ALGORITHMS_TUNED;
    s->compute.dtype =
        strcmp(values->dtype, "bf16") == 0 ? ASSAY_DTYPE_BF16 : ASSAY_DTYPE_F32;
    code = assay_tuning_new(&s->tuning, err);
    if (code != ASSAY_OK)
        return code;
    s->compute.tuning = s->tuning;
    s->tuning_path = tuning_path();
    if (s->tuning_path != NULL &&
        assay_tuning_read(s->tuning, s->tuning_path, NULL) != ASSAY_OK)
        assay__session_say(s, "warning: %s is not readable; timing anew",
                           s->tuning_path);
    return ASSAY_OK;
}

/* Choices are a convenience: failing to keep them fails nothing. */
void assay__session_keep_tuning(struct assay__session *s)
{
    char *slash;

    if (s->tuning == NULL || s->tuning_path == NULL)
        return;
    slash = strrchr(s->tuning_path, '/');
    *slash = '\0';
    if (assay__make_dir(s->tuning_path, NULL) == ASSAY_OK) {
        *slash = '/';
        if (assay_tuning_write(s->tuning, s->tuning_path, NULL) != ASSAY_OK)
            assay__session_say(s, "warning: %s could not be written",
                               s->tuning_path);
    }
    *slash = '/';
}

void assay__session_close(struct assay__session *s)
{
    assay__session_keep_tuning(s);
    assay_tuning_free(s->tuning);
    assay__free(s->tuning_path);
    s->tuning = NULL;
    s->tuning_path = NULL;
    fflush(stdout);
}

int assay__session_end(struct assay__session *s, int code,
                       const struct assay_error *err)
{
    assay__progress_clear(&s->progress);
    if (code != ASSAY_OK) {
        fprintf(stderr, "assay %s: %s\n", s->command, err->msg);
    } else if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "assay %s: standard output cannot be written: %s\n",
                s->command, strerror(errno));
        code = ASSAY_IO;
    }
    return assay_error_exit_status(code);
}

int assay__call_run(struct assay__call *call, assay__work_fn *work)
{
    struct assay__session *s = &call->session;
    struct assay_error err;
    int status;
    int code;

    if (!assay__session_parse(call->command, call->argc, call->argv,
                              call->values, &call->parsed, &status))
        return status;
    code = assay__session_open(s, call->command, call->common, &err);
    if (code == ASSAY_OK)
        code = work(call, &err);
    status = assay__session_end(s, code, &err);
    if (code == ASSAY_CANCELED && call->kept[0] != '\0')
        assay__session_say(s, "%s", call->kept);
    assay__session_close(s);
    return status == 0 ? call->status : status;
}

int assay__call_misused(const struct assay__call *call, const char *what,
                        struct assay_error *err)
{
    return assay_error_set(err, ASSAY_ARG, "%s; usage: assay %s %s", what,
                           call->command->name, call->command->usage);
}

void assay__session_say(struct assay__session *s, const char *fmt, ...)
{
    va_list args;

    if (s->quiet)
        return;
    assay__progress_clear(&s->progress);
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fputc('\n', stderr);
}
