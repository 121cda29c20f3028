/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Choices of algorithm: lookups, files, threads.
 */

#include "assay/plan.h"

#include <stdio.h>
#include <string.h>

#include "check.h"
#include "core/mem.h"
#include "core/thread.h"
#include "engine/tuning.h"

static assay_tuning *new_tuning(void)
{
    struct assay_error err = {0};
    assay_tuning *t;

    CHECK_OK(assay_tuning_new(&t, &err), err);
    return t;
}

static void put(assay_tuning *t, const char *key, const char *choice)
{
    struct assay_error err = {0};

    CHECK_OK(assay_tuning_put(t, key, choice, &err), err);
}

static void test_what_is_put_is_got(void)
{
    assay_tuning *t = new_tuning();
    char key[32];

    CHECK(assay_tuning_get(t, "k") == NULL);
    for (int i = 0; i < 200; i++) {
        snprintf(key, sizeof(key), "key %d", i * 37 % 200);
        put(t, key, key + 4);
    }
    for (int i = 0; i < 200; i++) {
        snprintf(key, sizeof(key), "key %d", i);
        CHECK_STR_EQ(assay_tuning_get(t, key), key + 4);
    }
    CHECK(assay_tuning_get(t, "key") == NULL);
    CHECK(assay_tuning_get(t, "key 200") == NULL);
    assay_tuning_free(t);
    assay_tuning_free(NULL);
}

static void test_borrowed_choice_outlives_a_put(void)
{
    assay_tuning *t = new_tuning();
    const char *old;

    put(t, "k", "direct");
    old = assay_tuning_get(t, "k");
    put(t, "k", "direct");
    CHECK(assay_tuning_get(t, "k") == old);
    put(t, "k", "winograd");
    CHECK_STR_EQ(old, "direct");
    CHECK_STR_EQ(assay_tuning_get(t, "k"), "winograd");
    assay_tuning_free(t);
}

static void test_file_keeps_all(void)
{
    const char *path = check_temp_path("tuning.json");
    struct assay_error err = {0};
    assay_tuning *t = new_tuning();
    assay_tuning *u = new_tuning();

    put(t, "conv|3x3|\"quoted\"", "winograd");
    put(t, "a", "1");
    CHECK_OK(assay_tuning_write(t, path, &err), err);
    put(u, "a", "2");
    put(u, "b", "3");
    CHECK_OK(assay_tuning_read(u, path, &err), err);
    CHECK_STR_EQ(assay_tuning_get(u, "conv|3x3|\"quoted\""), "winograd");
    CHECK_STR_EQ(assay_tuning_get(u, "a"), "1");
    CHECK_STR_EQ(assay_tuning_get(u, "b"), "3");
    assay_tuning_free(t);
    assay_tuning_free(u);
}

static void test_order_of_puts_does_not_show(void)
{
    assay_tuning *t = new_tuning();
    assay_tuning *u = new_tuning();
    char *a;
    char *b;

    put(t, "x", "1");
    put(t, "y", "2");
    put(u, "y", "2");
    put(u, "x", "1");
    a = assay__tuning_text(t);
    b = assay__tuning_text(u);
    CHECK_STR_EQ(a, b);
    assay__free(a);
    assay__free(b);
    assay_tuning_free(t);
    assay_tuning_free(u);
}

static void test_missing_file_is_no_error(void)
{
    struct assay_error err = {0};
    assay_tuning *t = new_tuning();

    put(t, "k", "v");
    CHECK_OK(assay_tuning_read(t, check_temp_path("missing.json"), &err), err);
    CHECK_STR_EQ(assay_tuning_get(t, "k"), "v");
    assay_tuning_free(t);
}

static void test_bad_files_are_refused(void)
{
    static const char *const bad[] = {
        "",           "{", "[1, 2]",      "\"text\"",
        "{\"k\": 3}", "3", "{\"k\": {}}", "{\"k\": \"v\"",
    };
    const char *path = check_temp_path("bad.json");
    assay_tuning *t = new_tuning();

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct assay_error err = {0};

        check_write_file(path, bad[i], strlen(bad[i]));
        CHECK_FAILS(assay_tuning_read(t, path, &err), ASSAY_FORMAT, err);
    }
    CHECK(assay_tuning_get(t, "k") == NULL);
    assay_tuning_free(t);
}

static void test_text_may_keep_known_choices(void)
{
    struct assay_error err = {0};
    assay_tuning *t = new_tuning();

    put(t, "a", "1");
    CHECK_OK(assay__tuning_take(t, "{\"a\": \"9\", \"b\": \"2\"}", true, &err),
             err);
    CHECK_STR_EQ(assay_tuning_get(t, "a"), "1");
    CHECK_STR_EQ(assay_tuning_get(t, "b"), "2");
    CHECK_OK(assay__tuning_take(t, "{\"a\": \"9\"}", false, &err), err);
    CHECK_STR_EQ(assay_tuning_get(t, "a"), "9");
    CHECK_FAILS(assay__tuning_take(t, "nonsense", false, &err), ASSAY_FORMAT,
                err);
    assay_tuning_free(t);
}

/* Threads put and get the same keys. */
static int hammer(void *user, size_t index, struct assay_error *err)
{
    assay_tuning *t = user;
    char key[16];

    for (int i = 0; i < 300; i++) {
        const char *got;
        int code;

        snprintf(key, sizeof(key), "%d", i % 50);
        code = assay_tuning_put(t, key, index % 2 ? "odd" : "even", err);
        if (code != ASSAY_OK)
            return code;
        got = assay_tuning_get(t, key);
        if (strcmp(got, "odd") != 0 && strcmp(got, "even") != 0)
            return assay_error_set(err, ASSAY_INTERNAL, "got %s", got);
    }
    return ASSAY_OK;
}

static void test_threads_may_share_it(void)
{
    struct assay_error err = {0};
    assay_tuning *t = new_tuning();

    CHECK_OK(assay__thread_run(4, 8, hammer, t, &err), err);
    assay_tuning_free(t);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_what_is_put_is_got),
    CHECK_TEST(test_borrowed_choice_outlives_a_put),
    CHECK_TEST(test_file_keeps_all),
    CHECK_TEST(test_order_of_puts_does_not_show),
    CHECK_TEST(test_missing_file_is_no_error),
    CHECK_TEST(test_bad_files_are_refused),
    CHECK_TEST(test_text_may_keep_known_choices),
    CHECK_TEST(test_threads_may_share_it),
};

CHECK_MAIN(tests)
