/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Membership attacks while memory runs out: whichever allocation fails, the
 * answer is ASSAY_NOMEM, no scores are handed out and nothing leaks. The
 * attack networks train anew in each round, so of them only
 * the first allocations are walked, which are the attack's own (features,
 * graph, lists); training itself is walked in oom_engine_run.
 */

#include <stdio.h>

#include "check.h"
#include "fail_alloc.h"
#include "world.h"

enum { NETWORK_ALLOCATIONS = 120 };

static int is_network(const struct assay_attack *a)
{
    return strncmp(a->name, "network", 7) == 0 ||
           strcmp(a->name, "label-augmentation") == 0;
}

/* Allocations first, first + 1, ... of one attack. */
static void walk(struct world *w, const struct assay_attack *a, long last)
{
    for (long n = 1; fail_alloc_next(n) && (!last || n <= last); n++) {
        struct assay_membership_scores s = {0};
        struct assay_error err = {0};
        int code = assay_attack_membership(a, &w->in, &s, &err);

        fail_alloc_off();
        if (fail_alloc_hit() && code != ASSAY_NOMEM)
            printf("# %s, allocation %ld: %d %s\n", a->name, n, code, err.msg);
        CHECK_INT_EQ(code, fail_alloc_hit() ? ASSAY_NOMEM : ASSAY_OK);
        CHECK((s.score != NULL) == (code == ASSAY_OK));
        assay_membership_scores_release(&s);
    }
    fail_alloc_off();
}

static void test_statistics_survive_any_failed_allocation(void)
{
    struct world w;
    int walked = 0;

    world_init(&w, 24, 1);
    for (size_t i = 0; assay_attack_table()[i]; i++) {
        const struct assay_attack *a = assay_attack_table()[i];

        if (!a->membership || is_network(a) || (a->needs & ASSAY_NEED_MODEL))
            continue;
        walk(&w, a, 0);
        walked++;
    }
    CHECK(walked >= 11);
    world_release(&w);
}

static void test_networks_survive_failed_allocations_of_their_own(void)
{
    struct world w;

    world_init(&w, 12, 1);
    for (size_t i = 0; assay_attack_table()[i]; i++) {
        const struct assay_attack *a = assay_attack_table()[i];

        if (is_network(a))
            walk(&w, a, NETWORK_ALLOCATIONS);
    }
    world_release(&w);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_statistics_survive_any_failed_allocation),
    CHECK_TEST(test_networks_survive_failed_allocations_of_their_own),
};

CHECK_MAIN(tests)
