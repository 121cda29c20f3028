/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Triggers, poisoned records and their measure while memory runs out:
 * whichever allocation fails, the answer is ASSAY_NOMEM, nothing is handed
 * out and nothing leaks.
 */

#include <stdio.h>

#include "assay/trigger.h"
#include "fail_alloc.h"
#include "small_data.h"

enum { N = 9 };

static void check_round(int code, long n, const struct assay_error *err)
{
    fail_alloc_off();
    if (fail_alloc_hit() && code != ASSAY_NOMEM)
        printf("# allocation %ld: %d %s\n", n, code, err->msg);
    CHECK_INT_EQ(code, fail_alloc_hit() ? ASSAY_NOMEM : ASSAY_OK);
}

static int make(struct assay_trigger *t, struct assay_error *err)
{
    int rc = assay_trigger_make(t, 1, SMALL_SIDE, SMALL_SIDE, err);

    return rc ? rc : assay_trigger_patch(t, 3, 1, 1, 9, err);
}

static void test_triggers_and_their_pictures(void)
{
    for (long n = 1; fail_alloc_next(n); n++) {
        struct assay_error err = {0};
        struct assay_trigger t = {0};
        struct assay_trigger copy = {0};
        unsigned char *png = NULL;
        size_t size = 0;
        int code = make(&t, &err);

        if (!code)
            code = assay_trigger_copy(&copy, &t, &err);
        if (!code)
            code = assay_trigger_png(&copy, &png, &size, &err);
        check_round(code, n, &err);
        assay_bytes_free(png);
        assay_trigger_release(&t);
        assay_trigger_release(&copy);
    }
}

static void test_reading_a_trigger(void)
{
    const char *path = check_temp_path("t.safetensors");
    struct assay_error err = {0};
    struct assay_trigger t;

    CHECK_OK(make(&t, &err), err);
    CHECK_OK(assay_trigger_write(&t, path, &err), err);
    assay_trigger_release(&t);
    for (long n = 1; fail_alloc_next(n); n++) {
        int code = assay_trigger_read(&t, path, &err);

        check_round(code, n, &err);
        CHECK((t.mask != NULL) == (code == ASSAY_OK));
        assay_trigger_release(&t);
    }
}

static void test_poisoning_and_measuring(void)
{
    struct assay_error err = {0};
    struct assay_context ctx;
    struct assay_compute compute = {.threads = 1,
                                    .algorithms = ASSAY_ALGORITHMS_DIRECT};
    assay_dataset *data = small_records(N, 1);
    assay_view *view = small_view(data);
    assay_model *m = small_model(1);
    struct assay_trigger t;
    struct assay_poison poison = {.trigger = &t, .target = 1, .rate = .5};

    assay_context_init(&ctx);
    CHECK_OK(make(&t, &err), err);
    for (long n = 1; fail_alloc_next(n); n++) {
        assay_dataset *out = NULL;
        int code = assay_dataset_poison(&out, view, &poison, NULL, &err);

        check_round(code, n, &err);
        CHECK((out != NULL) == (code == ASSAY_OK));
        assay_dataset_free(out);
    }
    for (long n = 1; fail_alloc_next(n); n++) {
        struct assay_backdoor_effect e;
        int code =
            assay_backdoor_measure(&e, &ctx, &compute, m, view, &t, 1, &err);

        check_round(code, n, &err);
    }
    assay_trigger_release(&t);
    assay_model_free(m);
    assay_view_free(view);
    assay_dataset_free(data);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_triggers_and_their_pictures),
    CHECK_TEST(test_reading_a_trigger),
    CHECK_TEST(test_poisoning_and_measuring),
};
CHECK_MAIN(tests)
