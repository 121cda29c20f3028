/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keras models while memory runs out: whichever allocation fails, reading
 * says ASSAY_NOMEM and leaks nothing; the first round without a failure is
 * whole.
 */

#include <stdio.h>
#include <stdlib.h>

#include "assay/format.h"
#include "assay/keras.h"
#include "check.h"
#include "fail_alloc.h"

static const char *path_of(const char *name)
{
    static char path[512];
    const char *source = getenv("ASSAY_SOURCE");

    snprintf(path, sizeof(path), "%s/tests/golden/keras/%s",
             source ? source : ".", name);
    return path;
}

static void walk_model(const char *name, int n_classes)
{
    struct assay_keras_roles roles = {0};
    const char *path = path_of(name);
    int failures = 0;

    for (long n = 1; fail_alloc_next(n); n++) {
        struct assay_error err = {0, ""};
        struct assay_keras_classifier c;
        int rc = assay_keras_open(&c, path, &roles, &err);

        fail_alloc_off();
        if (rc == ASSAY_OK) {
            CHECK_INT_EQ(c.n_classes, n_classes);
            assay_keras_classifier_release(&c);
            continue;
        }
        if (rc != ASSAY_NOMEM)
            printf("# %ld: %s\n", n, err.msg);
        CHECK(fail_alloc_hit());
        CHECK_INT_EQ(rc, ASSAY_NOMEM);
        CHECK(err.msg[0] != '\0');
        CHECK(c.graph == NULL);
        failures++;
    }
    CHECK(failures >= 60);
}

static void test_models(void)
{
    walk_model("sequential.h5", 3);
    walk_model("functional.h5", 2);
    walk_model("sequential.keras", 4);
    walk_model("functional.keras", 3);
    walk_model("transfer.h5", 3);
    walk_model("transfer.keras", 2);
}

static void test_tensors(void)
{
    static const char *const files[] = {"tensors.h5", "functional.keras"};
    static const size_t n_items[] = {17, 6};

    for (int i = 0; i < 2; i++) {
        const char *path = path_of(files[i]);

        for (long n = 1; fail_alloc_next(n); n++) {
            struct assay_error err = {0, ""};
            struct assay_tensors list;
            int rc;

            assay_tensors_init(&list);
            rc = assay_tensors_read(&list, path, &err);
            fail_alloc_off();
            CHECK_INT_EQ(rc, fail_alloc_hit() ? ASSAY_NOMEM : ASSAY_OK);
            CHECK_UINT_EQ(list.n_items, rc == ASSAY_OK ? n_items[i] : 0);
            assay_tensors_release(&list);
        }
    }
}

static const struct check_test tests[] = {
    CHECK_TEST(test_models),
    CHECK_TEST(test_tensors),
};
CHECK_MAIN(tests)
