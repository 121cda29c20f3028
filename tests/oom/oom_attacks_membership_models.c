/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Membership attacks that ask models, while memory runs out: whichever
 * allocation fails, the answer is ASSAY_NOMEM, no scores are handed out and
 * nothing leaks. Those that train are walked over their first allocations,
 * which are their own; training is walked in oom_engine_run.
 */

#include <stdio.h>

#include "check.h"
#include "fail_alloc.h"
#include "noise_models.h"

static const struct {
    const char *name;
    double param[ASSAY_SETTINGS_MAX];
    long last; /* allocation; 0: all */
} table[] = {
    {"label-boundary", {12, 30, 5}, 0},
    {"trajectory", {1, .01, 64, 4, 1}, 150},
    {"quantile", {1, 1e-3, 64, 0}, 150},
};

static void walk(struct fixture *f, size_t row)
{
    const struct assay_attack *a = assay_attack_find(table[row].name);
    long last = table[row].last;

    f->in.param = table[row].param;
    for (long n = 1; fail_alloc_next(n) && (!last || n <= last); n++) {
        struct assay_membership_scores s = {0};
        struct assay_error err = {0};
        int code = assay_attack_membership(a, &f->in, &s, &err);

        fail_alloc_off();
        if (fail_alloc_hit() && code != ASSAY_NOMEM)
            printf("# %s, allocation %ld: %d %s\n", a->name, n, code, err.msg);
        CHECK_INT_EQ(code, fail_alloc_hit() ? ASSAY_NOMEM : ASSAY_OK);
        CHECK((s.score != NULL) == (code == ASSAY_OK));
        assay_membership_scores_release(&s);
    }
    fail_alloc_off();
}

static void test_attacks_survive_failed_allocations(void)
{
    struct fixture f;

    open_fixture(&f, 255, 20);
    for (size_t row = 0; row < sizeof(table) / sizeof(table[0]); row++)
        walk(&f, row);
    close_fixture(&f);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_attacks_survive_failed_allocations),
};

CHECK_MAIN(tests)
