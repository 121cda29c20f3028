/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Backdoors while memory runs out: whichever allocation fails, the answer is
 * ASSAY_NOMEM, no model is handed out and nothing leaks. The first
 * allocations are walked one by one, the rest, mostly those of training
 * (walked in oom_engine_run), by strides.
 */

#include <stdio.h>

#include "fail_alloc.h"
#include "backdoored.h"

enum { DENSE = 40, STRIDE = 13 };

static void walk(struct planted *p)
{
    for (long n = 1; fail_alloc_next(n); n += n < DENSE ? 1 : STRIDE) {
        struct assay_error err = {0};
        int code = assay_backdoor_plant(p->backdoor, &p->in, &p->got, &err);

        fail_alloc_off();
        if (fail_alloc_hit() && code != ASSAY_NOMEM)
            printf("# %s, allocation %ld: %d %s\n", p->backdoor->name, n, code,
                   err.msg);
        CHECK_INT_EQ(code, fail_alloc_hit() ? ASSAY_NOMEM : ASSAY_OK);
        CHECK((p->got.model != NULL) == (code == ASSAY_OK));
        assay_backdoored_release(&p->got);
    }
    fail_alloc_off();
}

static void test_backdoors_survive_failed_allocations(void)
{
    for (const struct assay_backdoor *const *b = assay_backdoor_table(); *b;
         b++) {
        uint32_t rows[12];
        struct assay_error err = {0};
        assay_view *few = NULL;
        struct planted p;

        planted_open(&p, (*b)->name, "simplecnn", 1);
        for (uint32_t i = 0; i < 12; i++)
            rows[i] = i;
        CHECK_OK(assay_view_new(&few, p.train_data, rows, 12,
                                &p.spec.preprocess, &err),
                 err);
        p.in.train = few;
        for (int i = 0; p.backdoor->params[i].name; i++)
            if (strcmp(p.backdoor->params[i].name, "epochs") == 0 ||
                strcmp(p.backdoor->params[i].name, "steps") == 0)
                p.param[i] = 1;
        p.clean = small_model(1);
        p.in.clean = p.clean;
        walk(&p);
        assay_view_free(few);
        planted_close(&p);
    }
}

static const struct check_test tests[] = {
    CHECK_TEST(test_backdoors_survive_failed_allocations),
};
CHECK_MAIN(tests)
