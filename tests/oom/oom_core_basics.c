/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Core while memory runs out: whichever allocation fails, tensors, buffers,
 * files, folders, JSON and workers say so, keep what they had, and leak
 * nothing (the address sanitizer looks on).
 */

#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "assay/tensor.h"
#include "check.h"
#include "core/buf.h"
#include "core/fs.h"
#include "core/json.h"
#include "core/mem.h"
#include "core/thread.h"
#include "fail_alloc.h"

static void test_tensor_list_stays_as_it_was(void)
{
    struct assay_shape s = assay_shape_make(1, (int64_t)4);
    long n;

    for (n = 1; fail_alloc_next(n); n++) {
        struct assay_error err = {0};
        struct assay_tensors list;
        size_t had = 0;
        int code = ASSAY_OK;
        int i;

        assay_tensors_init(&list);
        for (i = 0; i < 10 && code == ASSAY_OK; i++) {
            char name[] = {(char)('a' + i), '\0'};

            had = list.n_items;
            code =
                assay_tensors_add(&list, name, ASSAY_DTYPE_F32, &s, NULL, &err);
        }
        fail_alloc_off();
        CHECK_INT_EQ(code, fail_alloc_hit() ? ASSAY_NOMEM : ASSAY_OK);
        CHECK_UINT_EQ(list.n_items, code ? had : 10);
        CHECK(!code || err.msg[0]);
        assay_tensors_release(&list);
    }
    CHECK_INT_EQ(n, 10 * 2 + 2 + 2); /* names, data, two growths; the end */
}

static void test_metadata_keeps_its_old_value(void)
{
    long n;

    for (n = 1;; n++) {
        struct assay_error err = {0};
        struct assay_tensors list;
        int code;

        assay_tensors_init(&list);
        CHECK_OK(assay_tensors_set_meta(&list, "a", "1", &err), err);
        if (!fail_alloc_next(n)) {
            assay_tensors_release(&list);
            break;
        }
        code = assay_tensors_set_meta(&list, "b", "2", &err);
        if (code == ASSAY_OK)
            code = assay_tensors_set_meta(&list, "a", "3", &err);
        fail_alloc_off();
        CHECK_INT_EQ(code, fail_alloc_hit() ? ASSAY_NOMEM : ASSAY_OK);
        CHECK_STR_EQ(assay_tensors_meta(&list, "a"), code ? "1" : "3");
        assay_tensors_release(&list);
    }
    CHECK_INT_EQ(n, 4 + 2);
}

static void test_buffer_says_that_it_failed(void)
{
    /* What fits before the first, second and third growth, and after. */
    static const size_t size[] = {0, 5, 511, 514};
    long n;

    for (n = 1; fail_alloc_next(n); n++) {
        struct assay__buf b = ASSAY__BUF_INIT;

        assay__buf_puts(&b, "begin");
        assay__buf_printf(&b, "%506d", 1);
        assay__buf_puts(&b, "end");
        fail_alloc_off();
        CHECK_INT_EQ(b.failed, fail_alloc_hit());
        CHECK(n <= 4);
        CHECK_UINT_EQ(b.size, size[n - 1]);
        assay__buf_release(&b);
    }
    CHECK_INT_EQ(n, 3 + 2);
}

static void test_files_keep_their_content(void)
{
    const char *path = check_temp_path("file");
    int failures = 0;
    long n;

    for (n = 1;; n++) {
        unsigned char *data = NULL;
        struct assay_error err = {0};
        size_t size = 0;
        int code;

        check_write_file(path, "old", 3);
        if (!fail_alloc_next(n))
            break;
        code = assay__write_file(path, "fresh", 5, &err);
        if (code == ASSAY_OK)
            code = assay__read_file(path, 100, &data, &size, &err);
        fail_alloc_off();
        if (code) {
            CHECK_INT_EQ(code, ASSAY_NOMEM);
            CHECK(err.msg[0] != '\0');
            CHECK(data == NULL);
            failures++;
        } else {
            CHECK_STR_EQ((char *)data, "fresh");
        }
        assay__free(data);
    }
    /* Path, temporary and block; syncing the folder does without. */
    CHECK_INT_EQ(failures, 3);
    CHECK(unlink(path) == 0);
    CHECK(rmdir(check_temp_dir()) == 0); /* no temporary is left */
    CHECK(assay__make_dir(check_temp_dir(), NULL) == ASSAY_OK);
}

static void test_folders_and_paths_fail_cleanly(void)
{
    long n;

    for (n = 1; fail_alloc_next(n); n++) {
        struct assay_error err = {0};
        int code = assay__make_dir(check_temp_dir(), &err);
        char *path = assay__path_join("a", "b");

        fail_alloc_off();
        CHECK_INT_EQ(code, n == 1 ? ASSAY_NOMEM : ASSAY_OK);
        CHECK_INT_EQ(path == NULL, n == 2);
        assay__free(path);
    }
    CHECK_INT_EQ(n, 2 + 2);
}

static void test_json_text_is_whole_or_nothing(void)
{
    json_t *value = json_pack("{s:[i,i,i], s:{s:s}}", "a", 1, 2, 3, "b", "c",
                              "a text long enough to let the buffer grow: "
                              "one hundred and twenty-eight bytes are its "
                              "first step, and these are some more");
    char *whole = assay__json_text(value);
    long n;

    CHECK(whole != NULL);
    for (n = 1; fail_alloc_next(n); n++) {
        char *text = assay__json_text(value);

        fail_alloc_off();
        CHECK_INT_EQ(text == NULL, fail_alloc_hit());
        if (text)
            CHECK_STR_EQ(text, whole);
        assay__free(text);
    }
    CHECK(n >= 4 + 2);
    assay__free(whole);
    json_decref(value);
}

static int count_job(void *user, size_t index, struct assay_error *err)
{
    atomic_int *count = user;

    (void)index;
    (void)err;
    atomic_fetch_add(count, 1);
    return ASSAY_OK;
}

static void test_workers_start_no_job_without_memory(void)
{
    struct assay_error err = {0};
    atomic_int count = 0;
    int code;

    CHECK(fail_alloc_next(1));
    code = assay__thread_run(2, 8, count_job, &count, &err);
    fail_alloc_off();
    CHECK_INT_EQ(code, ASSAY_NOMEM);
    CHECK_INT_EQ(atomic_load(&count), 0);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_tensor_list_stays_as_it_was),
    CHECK_TEST(test_metadata_keeps_its_old_value),
    CHECK_TEST(test_buffer_says_that_it_failed),
    CHECK_TEST(test_files_keep_their_content),
    CHECK_TEST(test_folders_and_paths_fail_cleanly),
    CHECK_TEST(test_json_text_is_whole_or_nothing),
    CHECK_TEST(test_workers_start_no_job_without_memory),
};

CHECK_MAIN(tests)
