/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Detectors and repairs while memory runs out: whichever allocation fails,
 * the answer is ASSAY_NOMEM or a whole result (a kept one that was not found
 * to fit is made again); nothing leaks, and the next run in the folder works.
 * Later allocations are walked in growing strides.
 */

#include <stdio.h>
#include <string.h>

#include "assay/audit.h"
#include "assay/trust.h"
#include "fail_alloc.h"
#include "trust_models.h"

enum { ONE_BY_ONE = 120 };

static const char *const upstream[] = {"upstream"};
static const char *const tune[] = {"fine-tuning"};
static const char *const one_epoch[] = {"fine-tuning.epochs=1"};
static char model[512];
static char clean[512];
static char data[768];
static char out[512];

static void prepare(const char *folder)
{
    snprintf(model, sizeof(model), "%s", check_temp_path("model.safetensors"));
    snprintf(clean, sizeof(clean), "%s", check_temp_path("clean.safetensors"));
    snprintf(data, sizeof(data), "%s", trust_records("r.bin", 24));
    snprintf(out, sizeof(out), "%s", check_temp_path(folder));
    trust_model(model, 1, 3);
    trust_model(clean, 1, 0);
}

static int detect(struct assay_error *err)
{
    const char *const models[] = {model};
    const char *const references[] = {clean};
    struct assay_trust_options o;
    struct assay_context ctx;
    char *text = NULL;
    int code;

    assay_trust_options_init(&o);
    o.models.path = models;
    o.models.n = 1;
    o.references.path = references;
    o.references.n = 1;
    o.upstream = clean;
    o.data = data;
    o.detectors = upstream;
    o.n_detectors = 1;
    o.out = out;
    o.compute.backend = "reference";
    assay_context_init(&ctx);
    ctx.threads = 1;
    code = assay_trust_run(&o, &ctx, &text, err);
    assay_bytes_free(text);
    return code;
}

static int repair(struct assay_error *err)
{
    struct assay_trust_repair_options o;
    struct assay_context ctx;
    char *text = NULL;
    int code;

    assay_trust_repair_options_init(&o);
    o.model = model;
    o.data = data;
    o.reverse = NULL;
    o.repairs = tune;
    o.n_repairs = 1;
    o.params = one_epoch;
    o.n_params = 1;
    o.recipe.batch = 4;
    o.recipe.augment.crop_pad = 0;
    o.out = out;
    o.compute.backend = "reference";
    assay_context_init(&ctx);
    ctx.threads = 1;
    code = assay_trust_repair(&o, &ctx, &text, err);
    assay_bytes_free(text);
    return code;
}

static int audit(struct assay_error *err)
{
    struct assay_audit_options o;
    struct assay_context ctx;
    enum assay_verdict verdict;
    assay_audit *a = NULL;
    int code;

    assay_audit_options_init(&o);
    o.out = out;
    o.model = model;
    o.data = data;
    o.goals = 1U << ASSAY_GOAL_BACKDOOR;
    o.upstream = clean;
    o.detectors = upstream;
    o.n_detectors = 1;
    o.repairs = tune;
    o.n_repairs = 1;
    o.repair_params = one_epoch;
    o.n_repair_params = 1;
    o.compute.backend = "reference";
    assay_context_init(&ctx);
    ctx.threads = 1;
    code = assay_audit_open(&a, &o, &ctx, err);
    if (code == ASSAY_OK)
        code = assay_audit_run(a, &verdict, err);
    assay_audit_free(a);
    return code;
}

static void walk_once(int (*work)(struct assay_error *err))
{
    struct assay_error err = {0};
    long n = 1;

    while (fail_alloc_next(n)) {
        int code = work(&err);
        bool hit = fail_alloc_hit();

        fail_alloc_off();
        if (code != ASSAY_OK && code != ASSAY_NOMEM)
            printf("# allocation %ld: %d %s\n", n, code, err.msg);
        CHECK(code == ASSAY_OK || (hit && code == ASSAY_NOMEM));
        n += n < ONE_BY_ONE ? 1 : n / 20;
    }
    printf("# %ld allocations\n", n - 1);
    CHECK(n > ONE_BY_ONE);
    CHECK_OK(work(&err), err);
}

/* From an empty folder, then with all results kept. */
static void walk(int (*work)(struct assay_error *err))
{
    walk_once(work);
    walk_once(work);
}

static void test_detection_survives_any_failed_allocation(void)
{
    prepare("detect");
    walk(detect);
}

static void test_repairs_survive_any_failed_allocation(void)
{
    prepare("repair");
    walk(repair);
}

static void test_audits_of_trust_survive_any_failed_allocation(void)
{
    prepare("audit");
    walk(audit);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_detection_survives_any_failed_allocation),
    CHECK_TEST(test_repairs_survive_any_failed_allocation),
    CHECK_TEST(test_audits_of_trust_survive_any_failed_allocation),
};
CHECK_MAIN(tests)
