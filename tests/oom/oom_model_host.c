/* SPDX-License-Identifier: Apache-2.0 */
/* Making and tuning a host while memory runs out. */

#include <stdio.h>
#include <string.h>

#include "assay/host.h"
#include "fail_alloc.h"
#include "small_data.h"

static void test_making_a_host(void)
{
    struct assay_host_spec spec;
    const assay_model *list[2];
    assay_model *f = small_model(1);

    list[0] = list[1] = f;
    assay_host_spec_init(&spec, list, 2, SMALL_CLASSES);
    spec.depth = 2;
    for (long n = 1; fail_alloc_next(n); n++) {
        struct assay_error err = {0};
        assay_model *host = NULL;
        int code = assay_host_new(&host, &spec, 1, &err);

        fail_alloc_off();
        if (fail_alloc_hit() && code != ASSAY_NOMEM)
            printf("# allocation %ld: %d %s\n", n, code, err.msg);
        CHECK_INT_EQ(code, fail_alloc_hit() ? ASSAY_NOMEM : ASSAY_OK);
        CHECK((host != NULL) == (code == ASSAY_OK));
        assay_model_free(host);
    }
    assay_model_free(f);
}

static void test_tuning_a_host(void)
{
    struct assay_context ctx;
    struct assay_compute compute = {.backend = "reference", .threads = 1};
    struct assay_host_recipe recipe;
    struct assay_host_spec spec;
    const assay_model *list[1];
    struct assay_error err = {0};
    assay_model *f = small_model(1);
    assay_dataset *data = small_records(6, 1);
    assay_view *view = small_view(data);
    assay_model *host = NULL;

    assay_context_init(&ctx);
    ctx.threads = 1;
    list[0] = f;
    assay_host_spec_init(&spec, list, 1, SMALL_CLASSES);
    assay_host_recipe_init(&recipe, ASSAY_HOST_FULL);
    recipe.epochs = recipe.head_epochs = 1;
    recipe.batch = 3;
    CHECK_OK(assay_host_new(&host, &spec, 1, &err), err);
    for (long n = 1; fail_alloc_next(n); n++) {
        int code =
            assay_host_tune(host, view, NULL, &recipe, &ctx, &compute, &err);

        fail_alloc_off();
        if (fail_alloc_hit() && code != ASSAY_NOMEM)
            printf("# allocation %ld: %d %s\n", n, code, err.msg);
        CHECK_INT_EQ(code, fail_alloc_hit() ? ASSAY_NOMEM : ASSAY_OK);
    }
    assay_model_free(host);
    assay_view_free(view);
    assay_dataset_free(data);
    assay_model_free(f);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_making_a_host),
    CHECK_TEST(test_tuning_a_host),
};
CHECK_MAIN(tests)
