/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An audit of predictions, and a policy file, while memory runs out:
 * whichever allocation fails, the answer is ASSAY_NOMEM or, where the
 * failure could be lived with (a cached file not found to be the same), a
 * whole result; nothing leaks, and the next run in the folder works. The
 * first allocations are walked one by one, later ones in growing strides.
 */

#include <stdio.h>
#include <string.h>

#include "assay/audit.h"
#include "audit/policy.h"
#include "check.h"
#include "fail_alloc.h"
#include "prediction_files.h"

enum { N = 40, MODELS = 4, ONE_BY_ONE = 250 };

static const char *const quick[] = {"gap", "loss", "lira-online-fixed"};

struct files {
    char members[512];
    char nonmembers[512];
    char reference_members[512];
    char reference_nonmembers[512];
    char out[512];
};

static void make_files(struct files *f)
{
    const char *dir = check_temp_dir();

    snprintf(f->members, sizeof(f->members), "%s/in.npz", dir);
    snprintf(f->nonmembers, sizeof(f->nonmembers), "%s/out.npz", dir);
    snprintf(f->reference_members, sizeof(f->reference_members), "%s/r-in.npz",
             dir);
    snprintf(f->reference_nonmembers, sizeof(f->reference_nonmembers),
             "%s/r-out.npz", dir);
    snprintf(f->out, sizeof(f->out), "%s/run", dir);
    write_predictions(f->members, N, 1, 2, 1);
    write_predictions(f->nonmembers, N, 0, 2, 2);
    write_references(f->reference_members, MODELS, N, 2, 10);
    write_references(f->reference_nonmembers, MODELS, N, 2, 20);
}

static int audit(const struct files *f, struct assay_error *err)
{
    struct assay_audit_options o;
    struct assay_context ctx;
    enum assay_verdict verdict;
    assay_audit *a = NULL;
    int code;

    assay_audit_options_init(&o);
    o.out = f->out;
    o.predictions.members = f->members;
    o.predictions.nonmembers = f->nonmembers;
    o.predictions.reference_members = f->reference_members;
    o.predictions.reference_nonmembers = f->reference_nonmembers;
    o.attacks = quick;
    o.n_attacks = sizeof(quick) / sizeof(quick[0]);
    o.compute.backend = "reference";
    assay_context_init(&ctx);
    ctx.threads = 1;
    code = assay_audit_open(&a, &o, &ctx, err);
    if (code == ASSAY_OK)
        code = assay_audit_run(a, &verdict, err);
    assay_audit_free(a);
    return code;
}

static void test_audits_survive_any_failed_allocation(void)
{
    struct files f;
    struct assay_error err = {0};
    long n = 1;

    make_files(&f);
    while (fail_alloc_next(n)) {
        int code = audit(&f, &err);
        bool hit = fail_alloc_hit();

        fail_alloc_off();
        if (code != ASSAY_OK && code != ASSAY_NOMEM)
            printf("# allocation %ld: %d %s\n", n, code, err.msg);
        CHECK(code == ASSAY_OK || (hit && code == ASSAY_NOMEM));
        n += n < ONE_BY_ONE ? 1 : n / 25;
    }
    CHECK(n > ONE_BY_ONE);
    CHECK_OK(audit(&f, &err), err);
}

static void test_policies_survive_any_failed_allocation(void)
{
    static const char text[] = "name: x\nrules:\n"
                               "  - id: a\n    metric: tpr_at_fpr\n"
                               "    fpr: 0.01\n    limit: 0.02\n"
                               "    level: error\n    why: because\n";
    const char *path = check_temp_path("policy.yaml");
    long n;

    check_write_file(path, text, sizeof(text) - 1);
    for (n = 1; fail_alloc_next(n); n++) {
        struct assay__policy policy;
        struct assay_error err = {0};
        int code = assay__policy_read(&policy, path, &err);
        bool hit = fail_alloc_hit();

        fail_alloc_off();
        CHECK_INT_EQ(code, hit ? ASSAY_NOMEM : ASSAY_OK);
    }
    CHECK(n > 8);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_audits_survive_any_failed_allocation),
    CHECK_TEST(test_policies_survive_any_failed_allocation),
};
CHECK_MAIN(tests)
