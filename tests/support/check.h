/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_TESTS_CHECK_H
#define ASSAY_TESTS_CHECK_H

/*
 * The test harness. A test file is a table of functions:
 *
 *     static void test_sum_adds(void)
 *     {
 *         CHECK_INT_EQ(sum(2, 2), 4);
 *     }
 *
 *     static const struct check_test tests[] = {
 *         CHECK_TEST(test_sum_adds),
 *     };
 *     CHECK_MAIN(tests)
 *
 * A check that fails prints both values and ends its test; the next test
 * goes on. The program runs all tests, or those named on its command line;
 * its last line is "N passed, N failed, N skipped", its exit status 0, 1
 * when one failed, 77 when all were skipped. Checks belong to the thread
 * that runs the test.
 */

#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct check_test {
    const char *name;
    void (*fn)(void);
};

#define CHECK_TEST(fn) \
    {                  \
#fn, fn        \
    }

#define CHECK_MAIN(table)                                      \
    int main(int argc, char **argv)                            \
    {                                                          \
        return check_main(argc, argv, table,                   \
                          sizeof(table) / sizeof((table)[0])); \
    }

int check_main(int argc, char **argv, const struct check_test *tests,
               size_t n_tests);

#define CHECK(condition) check_true(__FILE__, __LINE__, #condition, (condition))

#define CHECK_INT_EQ(got, want) \
    check_int(__FILE__, __LINE__, #got, (intmax_t)(got), (intmax_t)(want))
#define CHECK_UINT_EQ(got, want) \
    check_uint(__FILE__, __LINE__, #got, (uintmax_t)(got), (uintmax_t)(want))
#define CHECK_STR_EQ(got, want) \
    check_str(__FILE__, __LINE__, #got, (got), (want))
/* `got` contains `part`. */
#define CHECK_STR_HAS(got, part) \
    check_has(__FILE__, __LINE__, #got, (got), (part))
#define CHECK_MEM_EQ(got, want, size) \
    check_mem(__FILE__, __LINE__, #got, (got), (want), (size))
/* |got - want| <= tolerance; NaN is near nothing. */
#define CHECK_NEAR(got, want, tolerance)                                \
    check_near(__FILE__, __LINE__, #got, (double)(got), (double)(want), \
               (double)(tolerance))

/*
 * `call` returns a code; `err` is the struct assay_error (not a pointer to
 * it) whose message is shown. CHECK_FAILS wants exactly that code, and a
 * message.
 */
#define CHECK_OK(call, err) \
    check_code(__FILE__, __LINE__, #call, (call), 0, (err).msg)
#define CHECK_FAILS(call, code, err) \
    check_code(__FILE__, __LINE__, #call, (call), (code), (err).msg)

/* End the test: it could not run here, and this is why. */
#define SKIP(why) check_skip(why)
/* End the test as failed. */
#define FAIL(why) check_fail(__FILE__, __LINE__, why)

/*
 * A fresh empty folder for this program, made under TMPDIR when first asked
 * for and removed with all in it at the end. check_temp_path() joins it and
 * `name`; the text stays valid until the eighth call after.
 */
const char *check_temp_dir(void);
const char *check_temp_path(const char *name);

/* Write `size` bytes to `path`, or fail the test. */
void check_write_file(const char *path, const void *data, size_t size);

void check_true(const char *file, int line, const char *text, bool ok);
void check_int(const char *file, int line, const char *text, intmax_t got,
               intmax_t want);
void check_uint(const char *file, int line, const char *text, uintmax_t got,
                uintmax_t want);
void check_str(const char *file, int line, const char *text, const char *got,
               const char *want);
void check_has(const char *file, int line, const char *text, const char *got,
               const char *part);
void check_mem(const char *file, int line, const char *text, const void *got,
               const void *want, size_t size);
void check_near(const char *file, int line, const char *text, double got,
                double want, double tolerance);
void check_code(const char *file, int line, const char *text, int got, int want,
                const char *msg);
_Noreturn void check_skip(const char *why);
_Noreturn void check_fail(const char *file, int line, const char *why);

#endif
