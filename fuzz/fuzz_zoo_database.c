/* SPDX-License-Identifier: Apache-2.0 */
/* A stranger's file as a zoo: opened, asked, shown, exported, checked. */

#include "assay/zoo.h"
#include "files.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const where[] = {"dataset=a", "gap<0.5"};
    const struct assay_zoo_query q = {
        .where = where, .n_where = 2, .sort = "-year", .limit = 10};
    const struct assay_zoo_query all = {.limit = 10};
    struct assay_zoo_table table = {0};
    struct assay_error err;
    assay_zoo *zoo = NULL;
    char *text = NULL;

    fuzz_write("zoo.db", data, size);
    (void)unlink(fuzz_path("zoo.db-wal"));
    (void)unlink(fuzz_path("zoo.db-shm"));
    if (assay_zoo_open(&zoo, fuzz_path("zoo.db"), ASSAY_ZOO_READ, &err))
        return 0;
    (void)!assay_zoo_select(zoo, &q, &table, &err);
    assay_zoo_table_release(&table);
    (void)!assay_zoo_leaderboard(zoo, "test_accuracy", &all, &table, &err);
    assay_zoo_table_release(&table);
    (void)!assay_zoo_show(zoo, "1", &text, &err);
    assay_zoo_text_free(text);
    text = NULL;
    (void)!assay_zoo_export(zoo, "cyclonedx", &all, &text, &err);
    assay_zoo_text_free(text);
    (void)!assay_zoo_sql(zoo, "SELECT * FROM models", 1, 10, &table, &err);
    assay_zoo_table_release(&table);
    (void)!assay_zoo_check(zoo, &err);
    assay_zoo_close(zoo);
    return 0;
}
