/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A download while memory runs out: whichever allocation fails, the answer is
 * ASSAY_NOMEM and nothing leaks, or, of the tag alone, the fetch does without.
 */

#include <stdio.h>
#include <string.h>

#include "assay/zoo.h"
#include "check.h"
#include "fail_alloc.h"
#include "http_server.h"

static struct http_server server;

static void test_fetches_survive_any_failed_allocation(void)
{
    const struct assay_zoo_import how = {NULL, NULL, NULL};
    const struct assay_zoo_fetch fetch = {.max_bytes = 1 << 20,
                                          .allow_local = 1};
    struct assay_zoo_imported done;
    struct assay_error err = {0};
    assay_zoo *zoo = NULL;
    char text[256];

    CHECK_OK(
        assay_zoo_open(&zoo, check_temp_path("z.db"), ASSAY_ZOO_WRITE, &err),
        err);
    snprintf(text, sizeof(text),
             "name,architecture,dataset,provenance,weights_url\n"
             "m,A,D,p,http://127.0.0.1:%d/file\n",
             server.port);
    check_write_file(check_temp_path("m.csv"), text, strlen(text));
    CHECK_OK(
        assay_zoo_import_file(zoo, check_temp_path("m.csv"), &how, &done, &err),
        err);
    for (long n = 1; fail_alloc_next(n); n++) {
        struct assay_zoo_file file = {0};
        int code = assay_zoo_fetch_file(zoo, "m", &fetch, NULL, &file, &err);

        fail_alloc_off();
        CHECK(code == ASSAY_OK || (code == ASSAY_NOMEM && fail_alloc_hit()));
        CHECK((code == ASSAY_OK) == (file.size_bytes == FILE_BYTES));
    }
    assay_zoo_close(zoo);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_fetches_survive_any_failed_allocation),
};

int main(int argc, char **argv)
{
    int status;

    if (!http_start(&server))
        return 77;
    status = check_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
    http_stop(&server);
    return status;
}
