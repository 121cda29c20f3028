/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tensor files while memory runs out: whichever allocation fails, reading
 * and writing say ASSAY_NOMEM, leave the list empty, leak nothing and put
 * no file under its final name; the first round without a failure is whole.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "assay/format.h"
#include "check.h"
#include "core/fs.h"
#include "core/mem.h"
#include "fail_alloc.h"
#include "formats/format.h"

/* A big-endian, column-major u2 array [2, 2]: every step of reading. */
static const char npy_header[] =
    "{'descr': '>u2', 'fortran_order': True, 'shape': (2, 2), }";

static void fill(struct assay_tensors *list)
{
    struct assay_shape shape = assay_shape_make(2, (int64_t)2, (int64_t)3);
    static const float values[6] = {1, 2, 3, 4, 5, 6};
    struct assay_error err = {0};

    assay_tensors_init(list);
    CHECK_OK(assay_tensors_add_f32(list, "a", &shape, values, &err), err);
    CHECK_OK(assay_tensors_add(list, "b", ASSAY_DTYPE_U8, &shape, NULL, &err),
             err);
    CHECK_OK(assay_tensors_set_meta(list, "key", "value", &err), err);
}

static void walk_writing(const char *name)
{
    const char *path = check_temp_path(name);
    struct assay_tensors list;
    int failures = 0;

    fill(&list);
    for (long n = 1; fail_alloc_next(n); n++) {
        struct assay_error err = {0};
        int rc = assay_tensors_write(&list, path, &err);

        fail_alloc_off();
        /* Syncing the folder at the end is done as well as memory allows;
         * the file is whole without it. */
        CHECK(fail_alloc_hit() || rc == ASSAY_OK);
        if (rc == ASSAY_OK) {
            CHECK(unlink(path) == 0);
            continue;
        }
        CHECK_INT_EQ(rc, ASSAY_NOMEM);
        CHECK(err.msg[0] != '\0');
        CHECK(!assay__exists(path));
        failures++;
    }
    CHECK(failures >= 3);
    assay_tensors_release(&list);
}

static void walk_reading(const char *path, size_t n_items)
{
    for (long n = 1; fail_alloc_next(n); n++) {
        struct assay_error err = {0};
        struct assay_tensors list;
        int rc;

        assay_tensors_init(&list);
        rc = assay_tensors_read(&list, path, &err);
        fail_alloc_off();
        if (fail_alloc_hit()) {
            CHECK_INT_EQ(rc, ASSAY_NOMEM);
            CHECK_UINT_EQ(list.n_items, 0);
        } else {
            CHECK_OK(rc, err);
            CHECK_UINT_EQ(list.n_items, n_items);
        }
        assay_tensors_release(&list);
    }
}

static void test_writing_survives_any_failed_allocation(void)
{
    walk_writing("w.safetensors");
    walk_writing("w.npz");
}

static void test_reading_survives_any_failed_allocation(void)
{
    struct assay_error err = {0};
    struct assay_tensors list;

    fill(&list);
    CHECK_OK(assay_tensors_write(&list, check_temp_path("r.safetensors"), &err),
             err);
    CHECK_OK(assay_tensors_write(&list, check_temp_path("r.npz"), &err), err);
    assay_tensors_release(&list);
    walk_reading(check_temp_path("r.safetensors"), 2);
    walk_reading(check_temp_path("r.npz"), 2);
}

static void test_pytorch_survives_any_failed_allocation(void)
{
    static const char *const files[] = {"list-of-one.pth", "list-of-two.pth"};
    static const size_t n_tensors[] = {2, 3};

    for (int i = 0; i < 2; i++) {
        const char *source = getenv("ASSAY_SOURCE");
        char path[512];

        snprintf(path, sizeof(path), "%s/tests/golden/torch/%s",
                 source ? source : ".", files[i]);
        walk_reading(path, n_tensors[i]);
    }
}

static void test_several_files_survive_any_failed_allocation(void)
{
    static const char index[] = "{\"weight_map\": {\"a\": \"one.safetensors\", "
                                "\"b\": \"one.safetensors\"}}";
    struct assay_error err = {0};
    struct assay_tensors list;

    fill(&list);
    CHECK_OK(
        assay_tensors_write(&list, check_temp_path("one.safetensors"), &err),
        err);
    assay_tensors_release(&list);
    check_write_file(check_temp_path("m.safetensors.index.json"), index,
                     sizeof(index) - 1);
    walk_reading(check_temp_path("m.safetensors.index.json"), 2);
}

static void test_reordering_survives_any_failed_allocation(void)
{
    unsigned char file[128] = {0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0};
    size_t n = sizeof(npy_header) - 1;

    file[8] = (unsigned char)n;
    memcpy(file + 10, npy_header, n);
    check_write_file(check_temp_path("r.npy"), file, 10 + n + 8);
    walk_reading(check_temp_path("r.npy"), 1);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_writing_survives_any_failed_allocation),
    CHECK_TEST(test_reading_survives_any_failed_allocation),
    CHECK_TEST(test_pytorch_survives_any_failed_allocation),
    CHECK_TEST(test_several_files_survive_any_failed_allocation),
    CHECK_TEST(test_reordering_survives_any_failed_allocation),
};

CHECK_MAIN(tests)
