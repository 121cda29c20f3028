/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pickle machine while memory runs out: whichever allocation fails, it
 * says ASSAY_NOMEM and its release leaks nothing.
 */

#include <string.h>

#include "check.h"
#include "fail_alloc.h"
#include "formats/pickle_machine.h"

/* Names, calls, escapes, memo, marks and containers that grow. */
static const unsigned char text[] =
    "ccollections\nOrderedDict\n)R(Vk\\u0041\np0\n](NNNNNNNNNNNNeS'v'\n"
    "(K\1K\2tuVos\nVsystem\n\x93\x30Pid\n\x30}b.";

static void walk(bool keep)
{
    static const struct assay__pickle_hooks hooks = {0};
    int failures = 0;

    for (long n = 1; fail_alloc_next(n); n++) {
        struct assay__pickle_machine m;
        struct assay_error err = {0};
        int rc;

        assay__pickle_machine_init(&m, &hooks, keep);
        rc = assay__pickle_run(&m, text, sizeof(text) - 1, 0, NULL, &err);
        fail_alloc_off();
        assay__pickle_machine_release(&m);
        if (!fail_alloc_hit()) {
            CHECK_OK(rc, err);
            continue;
        }
        CHECK_INT_EQ(rc, ASSAY_NOMEM);
        CHECK(err.msg[0] != '\0');
        failures++;
    }
    CHECK(failures >= 5);
}

static void test_machine_survives_any_failed_allocation(void)
{
    walk(true);
    walk(false);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_machine_survives_any_failed_allocation),
};

CHECK_MAIN(tests)
