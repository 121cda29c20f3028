/* SPDX-License-Identifier: Apache-2.0 */
/* The index of a run folder: keys, reuse, and why not. */

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit/cache.h"
#include "check.h"

static struct assay_error err;
static char said[512];

static void listen(void *user, enum assay_log_level level, const char *text)
{
    (void)user;
    (void)level;
    snprintf(said, sizeof(said), "%s", text);
}

static void open_cache(struct assay__cache *cache, struct assay_context *ctx,
                       const char *dir)
{
    said[0] = '\0';
    assay_context_init(ctx);
    ctx->log = listen;
    CHECK_OK(assay__cache_open(cache, dir, ctx, &err), err);
}

static void put(struct assay__cache *cache, const char *path,
                const json_t *inputs)
{
    char full[512];

    snprintf(full, sizeof(full), "%s/%s", cache->dir, path);
    check_write_file(full, "content", 7);
    CHECK_OK(assay__cache_record(cache, path, inputs, 1.5, &err), err);
}

static void test_keys_depend_on_every_input_and_not_on_order(void)
{
    json_t *a = json_pack("{s:i, s:s}", "seed", 1, "arch", "x");
    json_t *b = json_pack("{s:s, s:i}", "arch", "x", "seed", 1);
    json_t *c = json_pack("{s:s, s:i}", "arch", "x", "seed", 2);
    char key_a[65];
    char key_b[65];
    char key_c[65];

    CHECK_OK(assay__cache_key(a, key_a, &err), err);
    CHECK_OK(assay__cache_key(b, key_b, &err), err);
    CHECK_OK(assay__cache_key(c, key_c, &err), err);
    CHECK_STR_EQ(key_a, key_b);
    CHECK(strcmp(key_a, key_c) != 0);
    json_decref(a);
    json_decref(b);
    json_decref(c);
}

static void test_artefacts_are_reused_across_openings(void)
{
    const char *dir = check_temp_path("reuse");
    struct assay__cache cache;
    struct assay_context ctx;
    json_t *inputs = json_pack("{s:i}", "seed", 1);

    open_cache(&cache, &ctx, dir);
    CHECK(!assay__cache_has(&cache, "models/a", inputs));
    CHECK_STR_EQ(said, "");
    put(&cache, "models/a", inputs);
    assay__cache_close(&cache);

    open_cache(&cache, &ctx, dir);
    CHECK(assay__cache_has(&cache, "models/a", inputs));
    CHECK(assay__cache_peek(&cache, "models/a", inputs));
    assay__cache_close(&cache);
    json_decref(inputs);
}

static void test_changed_inputs_are_named(void)
{
    const char *dir = check_temp_path("changed");
    struct assay__cache cache;
    struct assay_context ctx;
    json_t *old =
        json_pack("{s:i, s:s, s:s}", "seed", 1, "arch", "x", "gone", "y");
    json_t *now =
        json_pack("{s:i, s:s, s:s}", "seed", 2, "arch", "x", "new", "z");

    open_cache(&cache, &ctx, dir);
    put(&cache, "models/a", old);
    CHECK(!assay__cache_has(&cache, "models/a", now));
    CHECK_STR_HAS(said, "models/a");
    CHECK_STR_HAS(said, "seed");
    CHECK_STR_HAS(said, "gone");
    CHECK_STR_HAS(said, "new");
    CHECK(strstr(said, "arch") == NULL);
    assay__cache_close(&cache);
    json_decref(old);
    json_decref(now);
}

static void test_files_that_changed_or_vanished_are_not_used(void)
{
    const char *dir = check_temp_path("swapped");
    struct assay__cache cache;
    struct assay_context ctx;
    json_t *inputs = json_pack("{s:i}", "seed", 1);
    char full[512];

    open_cache(&cache, &ctx, dir);
    put(&cache, "models/a", inputs);
    snprintf(full, sizeof(full), "%s/models/a", dir);
    check_write_file(full, "tampered", 8);
    CHECK(!assay__cache_has(&cache, "models/a", inputs));
    CHECK_STR_HAS(said, "content");
    CHECK_INT_EQ(unlink(full), 0);
    CHECK(!assay__cache_has(&cache, "models/a", inputs));
    CHECK_STR_HAS(said, "gone");
    assay__cache_close(&cache);
    json_decref(inputs);
}

static void test_a_folder_has_one_owner(void)
{
    const char *dir = check_temp_path("locked");
    struct assay__cache first;
    struct assay__cache second;
    struct assay_context ctx;

    open_cache(&first, &ctx, dir);
    CHECK_FAILS(assay__cache_open(&second, dir, &ctx, &err), ASSAY_IO, err);
    CHECK_STR_HAS(err.msg, dir);
    CHECK_STR_HAS(err.msg, "another audit");
    assay__cache_close(&second);
    assay__cache_close(&first);
    open_cache(&second, &ctx, dir);
    CHECK_STR_EQ(said, "");
    assay__cache_close(&second);
}

static void test_swapped_files_are_not_opened(void)
{
    const char *dir = check_temp_path("checked");
    struct assay__cache cache;
    struct assay_context ctx;
    json_t *inputs = json_pack("{s:i}", "seed", 1);
    char full[512];

    open_cache(&cache, &ctx, dir);
    CHECK_FAILS(assay__cache_check(&cache, "models/a", &err), ASSAY_DATA, err);
    put(&cache, "models/a", inputs);
    CHECK_OK(assay__cache_check(&cache, "models/a", &err), err);
    snprintf(full, sizeof(full), "%s/models/a", dir);
    check_write_file(full, "another", 7);
    CHECK_FAILS(assay__cache_check(&cache, "models/a", &err), ASSAY_DATA, err);
    CHECK_STR_HAS(err.msg, "models/a");
    assay__cache_close(&cache);
    json_decref(inputs);
}

static void test_broken_manifest_is_said_and_ignored(void)
{
    const char *dir = check_temp_path("broken");
    struct assay__cache cache;
    struct assay_context ctx;
    char path[512];

    CHECK_INT_EQ(mkdir(dir, 0777), 0);
    snprintf(path, sizeof(path), "%s/manifest.json", dir);
    check_write_file(path, "{\"schema\": ", 11);
    open_cache(&cache, &ctx, dir);
    CHECK_STR_HAS(said, "afresh");
    assay__cache_close(&cache);
    check_write_file(path, "{\"schema\": \"other/9\"}", 21);
    open_cache(&cache, &ctx, dir);
    CHECK_STR_HAS(said, "other/9");
    assay__cache_close(&cache);
}

static void test_unwritable_folder_is_found_at_once(void)
{
    struct assay__cache cache;
    struct assay_context ctx;
    char path[512];

    assay_context_init(&ctx);
    CHECK_FAILS(assay__cache_open(&cache, "/proc/assay-run", &ctx, &err),
                ASSAY_IO, err);
    assay__cache_close(&cache);
    snprintf(path, sizeof(path), "%s/file", check_temp_dir());
    check_write_file(path, "x", 1);
    CHECK_FAILS(assay__cache_open(&cache, path, &ctx, &err), ASSAY_IO, err);
    assay__cache_close(&cache);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_keys_depend_on_every_input_and_not_on_order),
    CHECK_TEST(test_artefacts_are_reused_across_openings),
    CHECK_TEST(test_changed_inputs_are_named),
    CHECK_TEST(test_files_that_changed_or_vanished_are_not_used),
    CHECK_TEST(test_a_folder_has_one_owner),
    CHECK_TEST(test_swapped_files_are_not_opened),
    CHECK_TEST(test_broken_manifest_is_said_and_ignored),
    CHECK_TEST(test_unwritable_folder_is_found_at_once),
};
CHECK_MAIN(tests)
