/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Study files, grids, summaries and tables while memory runs out: whichever
 * allocation fails, the answer is ASSAY_NOMEM and nothing leaks. (jansson's
 * own memory does not fail here.)
 */

#include <string.h>

#include "check.h"
#include "core/json.h"
#include "core/mem.h"
#include "fail_alloc.h"
#include "study/study.h"

static const char text[] =
    "name: t\n"
    "seeds: [0, 1]\n"
    "epochs: 3\n"
    "mean: [0.1, 0.2]\n"
    "datasets:\n"
    "  - {name: a, data: mnist}\n"
    "  - {name: b, data: mnist, augment: [flip]}\n"
    "architectures: [simplecnn, vgg19]\n"
    "defenses: [{name: none}, {name: x, params: [y=1]}]\n"
    "sweep: {epochs: [1, 2, 3]}\n";

static void test_files_survive_any_failed_allocation(void)
{
    for (long n = 1; fail_alloc_next(n); n++) {
        struct assay__study_file *file = NULL;
        struct assay__study_cell *cells = NULL;
        struct assay_error err = {0};
        size_t n_cells = 0;
        int code =
            assay__study_file_parse(&file, text, sizeof(text) - 1, "t", &err);

        if (code == ASSAY_OK)
            code = assay__study_grid(file, &cells, &n_cells, &err);
        fail_alloc_off();
        CHECK_INT_EQ(code, fail_alloc_hit() ? ASSAY_NOMEM : ASSAY_OK);
        CHECK((n_cells == 16 + 16) == (code == ASSAY_OK));
        assay__free(cells);
        assay__study_file_free(file);
    }
}

/* Four places without defence and one with, one number each. */
static json_t *make_study(void)
{
    json_t *cells = json_array();
    int i;

    for (i = 0; i < 5; i++)
        json_array_append_new(
            cells,
            json_pack("{s:s, s:s, s:s, s:i, s:b, s:i, s:[{s:s, s:{s:{s:f}, "
                      "s:{s:f}}}, {s:s, s:{s:{s:f}}}]}",
                      "dataset", i % 2 ? "a" : "b", "architecture",
                      i % 4 < 2 ? "x" : "y", "defense", i < 4 ? "none" : "dp",
                      "epochs", 3, "sweep", 0, "seed", 0, "attacks", "name",
                      "target", "metrics", "gap", "value", i * i * 0.1,
                      "test_accuracy", "value", 0.9, "name", "loss", "metrics",
                      "accuracy", "value", i * 0.1));
    return json_pack(
        "{s:{s:[{s:s, s:s}, {s:s, s:s}]}, s:[{s:s, s:s}, {s:s, s:s}], s:o}",
        "grid", "defenses", "name", "none", "kind", "none", "name", "dp",
        "kind", "dp", "attacks", "name", "target", "headline", "test_accuracy",
        "name", "loss", "headline", "accuracy", "cells", cells);
}

static void test_summaries_survive_any_failed_allocation(void)
{
    struct assay_context ctx;

    assay_context_init(&ctx);
    for (long n = 1; fail_alloc_next(n); n++) {
        json_t *study = make_study();
        struct assay_error err = {0};
        int code = assay__study_summarise(study, &ctx, &err);

        fail_alloc_off();
        CHECK_INT_EQ(code, fail_alloc_hit() ? ASSAY_NOMEM : ASSAY_OK);
        if (code == ASSAY_OK) {
            CHECK_UINT_EQ(json_array_size(json_object_get(study, "summary")),
                          15);
            CHECK_UINT_EQ(
                json_array_size(json_object_get(study, "correlations")), 2);
            CHECK_UINT_EQ(json_array_size(json_object_get(study, "defenses")),
                          3);
        }
        json_decref(study);
    }
}

static void test_tables_survive_any_failed_allocation(void)
{
    json_t *study = make_study();
    struct assay_context ctx;
    struct assay_error err = {0};

    assay_context_init(&ctx);
    CHECK_OK(assay__study_summarise(study, &ctx, &err), err);
    for (long n = 1; fail_alloc_next(n); n++) {
        int code = assay__study_write_csv(study, check_temp_dir(), &err);

        fail_alloc_off();
        /* Syncing the folder after a file may fail unnoticed. */
        CHECK(code == ASSAY_OK || (code == ASSAY_NOMEM && fail_alloc_hit()));
    }
    json_decref(study);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_files_survive_any_failed_allocation),
    CHECK_TEST(test_summaries_survive_any_failed_allocation),
    CHECK_TEST(test_tables_survive_any_failed_allocation),
};
CHECK_MAIN(tests)
