/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Detectors while memory runs out: whichever allocation fails, the answer is
 * ASSAY_NOMEM, nothing is handed out and nothing leaks.
 */

#include <stdio.h>
#include <string.h>

#include "fail_alloc.h"
#include "planted.h"

enum { SETTINGS = 5, SHADOWS = 4 };

struct row {
    const char *name;
    const char *setting[SETTINGS]; /* so that a run is short */
    double value[SETTINGS];
};

/* Not upstream, which wants a second model: oom_trust_run.c has it. */
static const struct row rows[] = {
    {"neural-cleanse", {"rounds", "batches", "batch", "at-once"}, {2, 1, 4, 3}},
    {"freeeagle", {"steps"}, {2}},
    {"abs",
     {"rounds", "batches", "seeds", "neurons", "candidates"},
     {2, 1, 4, 8, 2}},
    {"mntd", {"queries", "epochs"}, {2, 1}},
    {"strip", {"blends", "records"}, {4, 16}},
    {"neo", {"confirm", "confirmed", "records"}, {4, 1, 8}},
    {"activation-clustering", {"dimensions"}, {3}},
    {"spectral-signatures", {NULL}, {0}},
};

static void set_up(const struct row *row, const struct assay_detector *d,
                   double *param)
{
    assay_settings_init(d->params, param);
    for (size_t i = 0; i < SETTINGS && row->setting[i]; i++) {
        int at = assay_settings_index(d->params, row->setting[i]);

        CHECK(at >= 0);
        param[at] = row->value[i];
    }
}

static void walk(const struct row *row)
{
    const struct assay_detector *d = assay_detector_find(row->name);
    struct assay_context ctx;
    struct assay_compute compute = {.backend = "onednn",
                                    .algorithms = ASSAY_ALGORITHMS_DIRECT};
    assay_model *m = planted_network(4, 1);
    assay_dataset *data = planted_records(80, 8, 2);
    assay_view *view = planted_view(data, m);
    struct assay_detector_shadow shadow[SHADOWS];
    double param[ASSAY_SETTINGS_MAX];
    struct assay_detector_input in = {.ctx = &ctx,
                                      .compute = &compute,
                                      .model = m,
                                      .clean = view,
                                      .suspects = view,
                                      .shadow = shadow,
                                      .n_shadows = SHADOWS,
                                      .param = param};

    long n;

    CHECK(d != NULL);
    assay_context_init(&ctx);
    ctx.threads = 1;
    for (int i = 0; i < SHADOWS; i++) {
        shadow[i].model = m;
        shadow[i].backdoored = i % 2;
    }
    set_up(row, d, param);
    for (n = 1; fail_alloc_next(n); n++) {
        struct assay_detection found;
        struct assay_error err = {0};
        int code = assay_detector_run(d, &in, &found, &err);

        fail_alloc_off();
        if (fail_alloc_hit() && code != ASSAY_NOMEM)
            printf("# %s: allocation %ld: %d %s\n", row->name, n, code,
                   err.msg);
        CHECK_INT_EQ(code, fail_alloc_hit() ? ASSAY_NOMEM : ASSAY_OK);
        assay_detection_release(&found);
    }
    printf("# %s: %ld allocations\n", row->name, n - 1);
    assay_view_free(view);
    assay_dataset_free(data);
    assay_model_free(m);
}

static void test_detectors_without_memory(void)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        walk(&rows[i]);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_detectors_without_memory),
};
CHECK_MAIN(tests)
