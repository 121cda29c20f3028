/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The test harness (check.h). A failed check leaves its test by longjmp, so
 * what the test held is lost; nothing after it depends on that. Results go
 * to stdout, one line a test.
 */

#include "check.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum verdict { PASSED = 1, FAILED, SKIPPED };

static struct {
    jmp_buf leave;
    const char *skip_reason;
    char temp[256];
} state;

_Noreturn static void leave(enum verdict verdict)
{
    fflush(stdout);
    longjmp(state.leave, (int)verdict);
}

void check_true(const char *file, int line, const char *text, bool ok)
{
    if (ok)
        return;
    printf("%s:%d: not true: %s\n", file, line, text);
    leave(FAILED);
}

void check_int(const char *file, int line, const char *text, intmax_t got,
               intmax_t want)
{
    if (got == want)
        return;
    printf("%s:%d: %s is %jd, not %jd\n", file, line, text, got, want);
    leave(FAILED);
}

void check_uint(const char *file, int line, const char *text, uintmax_t got,
                uintmax_t want)
{
    if (got == want)
        return;
    printf("%s:%d: %s is %ju (0x%jx), not %ju (0x%jx)\n", file, line, text, got,
           got, want, want);
    leave(FAILED);
}

void check_str(const char *file, int line, const char *text, const char *got,
               const char *want)
{
    if (got && want && strcmp(got, want) == 0)
        return;
    if (!got && !want)
        return;
    printf("%s:%d: %s is\n  \"%s\", not\n  \"%s\"\n", file, line, text,
           got ? got : "(null)", want ? want : "(null)");
    leave(FAILED);
}

void check_has(const char *file, int line, const char *text, const char *got,
               const char *part)
{
    if (got && strstr(got, part))
        return;
    printf("%s:%d: %s is\n  \"%s\", without\n  \"%s\"\n", file, line, text,
           got ? got : "(null)", part);
    leave(FAILED);
}

void check_mem(const char *file, int line, const char *text, const void *got,
               const void *want, size_t size)
{
    const unsigned char *g = got;
    const unsigned char *w = want;
    size_t i;

    for (i = 0; i < size; i++) {
        if (g[i] != w[i]) {
            printf("%s:%d: %s: byte %zu of %zu is %02x, not %02x\n", file, line,
                   text, i, size, g[i], w[i]);
            leave(FAILED);
        }
    }
}

void check_near(const char *file, int line, const char *text, double got,
                double want, double tolerance)
{
    if (fabs(got - want) <= tolerance)
        return;
    if (isinf(got) && isinf(want) && signbit(got) == signbit(want))
        return;
    printf("%s:%d: %s is %.17g, not %.17g (off by %.3g, allowed %.3g)\n", file,
           line, text, got, want, fabs(got - want), tolerance);
    leave(FAILED);
}

void check_code(const char *file, int line, const char *text, int got, int want,
                const char *msg)
{
    if (got == want && (want == 0 || msg[0] != '\0'))
        return;
    if (got == want)
        printf("%s:%d: %s\n  returned %d without a message\n", file, line, text,
               got);
    else
        printf("%s:%d: %s\n  returned %d, not %d: %s\n", file, line, text, got,
               want, got ? msg : "(success)");
    leave(FAILED);
}

void check_skip(const char *why)
{
    state.skip_reason = why;
    leave(SKIPPED);
}

void check_fail(const char *file, int line, const char *why)
{
    printf("%s:%d: %s\n", file, line, why);
    leave(FAILED);
}

static void remove_tree(const char *path)
{
    struct dirent *entry;
    struct stat st;
    char child[1024];
    DIR *dir = opendir(path);

    if (!dir)
        return;
    /* A test of unwritable folders may have left one. */
    chmod(path, 0700);
    while ((entry = readdir(dir)) != NULL) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        snprintf(child, sizeof child, "%s/%s", path, entry->d_name);
        if (lstat(child, &st) == 0 && S_ISDIR(st.st_mode))
            remove_tree(child);
        else
            unlink(child);
    }
    closedir(dir);
    rmdir(path);
}

const char *check_temp_dir(void)
{
    const char *base = getenv("TMPDIR");

    if (state.temp[0])
        return state.temp;
    snprintf(state.temp, sizeof state.temp, "%s/assay-test-XXXXXX",
             base && *base ? base : "/tmp");
    if (!mkdtemp(state.temp)) {
        perror(state.temp);
        exit(1);
    }
    return state.temp;
}

const char *check_temp_path(const char *name)
{
    static char path[8][512];
    static size_t turn;
    char *p = path[turn++ % 8];

    snprintf(p, sizeof path[0], "%s/%s", check_temp_dir(), name);
    return p;
}

void check_write_file(const char *path, const void *data, size_t size)
{
    FILE *f = fopen(path, "wb");
    bool ok;

    if (!f) {
        perror(path);
        leave(FAILED);
    }
    ok = fwrite(data, 1, size, f) == size;
    if (fclose(f) != 0 || !ok) {
        perror(path);
        leave(FAILED);
    }
}

static bool wanted(int argc, char **argv, const char *name)
{
    int i;

    for (i = 1; i < argc; i++) {
        if (strcmp(argv[i], name) == 0)
            return true;
    }
    return argc < 2;
}

static enum verdict run_one(const struct check_test *test)
{
    enum verdict verdict = (enum verdict)setjmp(state.leave);

    if (verdict == 0) {
        test->fn();
        verdict = PASSED;
    }
    if (verdict == SKIPPED)
        printf("skip %s: %s\n", test->name, state.skip_reason);
    else
        printf("%s %s\n", verdict == PASSED ? "ok  " : "FAIL", test->name);
    fflush(stdout);
    return verdict;
}

int check_main(int argc, char **argv, const struct check_test *tests,
               size_t n_tests)
{
    size_t count[SKIPPED + 1] = {0};
    size_t i;

    for (i = 0; i < n_tests; i++) {
        if (wanted(argc, argv, tests[i].name))
            count[run_one(&tests[i])]++;
    }
    if (state.temp[0])
        remove_tree(state.temp);
    printf("%zu passed, %zu failed, %zu skipped\n", count[PASSED],
           count[FAILED], count[SKIPPED]);
    if (count[FAILED])
        return 1;
    if (count[PASSED])
        return 0;
    if (count[SKIPPED])
        return 77;
    printf("no such test\n");
    return 1;
}
