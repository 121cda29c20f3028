/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scanning while memory runs out: whichever allocation fails, the scan says
 * ASSAY_NOMEM and gives no verdict; a hostile file never passes for want of
 * memory.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "assay/scan.h"
#include "check.h"
#include "core/fs.h"
#include "core/mem.h"
#include "fail_alloc.h"
#include "zip_bytes.h"

#define EVIL                                  \
    "(Vx\\u0041\nS'v'\ncos\nsystem\n\x93\x30" \
    "cos\nsystem\n(Vls\ntR."

static void walk(const void *data, size_t size, const char *name,
                 int n_failures)
{
    int failures = 0;

    for (long n = 1; fail_alloc_next(n); n++) {
        struct assay_error err = {0};
        struct assay_scan scan;
        int rc = assay_scan_bytes(&scan, data, size, name, &err);

        fail_alloc_off();
        if (!fail_alloc_hit()) {
            CHECK_OK(rc, err);
            CHECK_INT_EQ(scan.verdict, ASSAY_SEVERITY_DANGEROUS);
            assay_scan_release(&scan);
            continue;
        }
        CHECK_INT_EQ(rc, ASSAY_NOMEM);
        CHECK(err.msg[0] != '\0');
        failures++;
    }
    CHECK(failures >= n_failures);
}

static void test_pickles_survive_any_failed_allocation(void)
{
    static const char text[] =
        "\x80\2U\x1cY29zCnN5c3RlbQooVmxzCnRSLg==.cos\nsystem\n(Vls\ntR.";

    walk(text, sizeof(text) - 1, "a.pkl", 10);
}

/* A file of h5py's with a layer turned into one of code. */
static void test_hdf5_survives_any_failed_allocation(void)
{
    static const char dense[] = "\"class_name\": \"Dense\"";
    static const char lambda[] = "\"class_name\":\"Lambda\"";
    const char *source = getenv("ASSAY_SOURCE");
    struct assay_error err = {0};
    unsigned char *data = NULL;
    unsigned char *at;
    size_t size = 0;
    char path[512];

    snprintf(path, sizeof(path), "%s/tests/golden/keras/sequential.h5",
             source ? source : ".");
    CHECK_OK(assay__read_file(path, 1 << 20, &data, &size, &err), err);
    at = memmem(data, size, dense, sizeof(dense) - 1);
    CHECK(at != NULL);
    memcpy(at, lambda, sizeof(lambda) - 1);
    walk(data, size, "a.h5", 10);
    assay__free(data);
}

static void test_archives_survive_any_failed_allocation(void)
{
    static const char keras[] =
        "{\"class_name\": \"Lambda\", \"module\": \"os\"}";
    struct zip_member m[] = {
        {.name = "data.pkl", .data = EVIL, .size = sizeof(EVIL) - 1},
        {.name = "../config.json", .data = keras, .size = sizeof(keras) - 1},
        {.name = "a.safetensors", .data = "\2\0\0\0\0\0\0\0{}", .size = 10}};
    struct zip_bytes z = {.size = 0};

    zip_make(&z, m, 3);
    walk(z.data, z.size, "a.zip", 15);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_pickles_survive_any_failed_allocation),
    CHECK_TEST(test_hdf5_survives_any_failed_allocation),
    CHECK_TEST(test_archives_survive_any_failed_allocation),
};

CHECK_MAIN(tests)
