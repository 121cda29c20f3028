/* SPDX-License-Identifier: Apache-2.0 */
/* Every allocation of the accountants and of the audit fails once. */

#include "assay/privacy.h"
#include "check.h"
#include "fail_alloc.h"

static void test_accounting_survives_failing_allocations(void)
{
    const struct assay_dpsgd m = {0.1, 1.0, 3};
    long n;

    for (n = 1; fail_alloc_next(n); n++) {
        struct assay_prv_result r = {7, 7, 7, 7, 7};
        struct assay_error err = {0};
        int code = assay_prv_epsilon(&r, &m, 1e-5, &err);

        fail_alloc_off();
        CHECK_INT_EQ(code, fail_alloc_hit() ? ASSAY_NOMEM : ASSAY_OK);
        CHECK_INT_EQ(err.code, code);
        CHECK((r.epsilon_error == 7) == (code != ASSAY_OK));
    }
    CHECK(n > 4); /* two in each direction */
}

static void test_noise_survives_failing_allocations(void)
{
    const struct assay_dpsgd m = {0.1, 1.0, 3};
    long n;

    for (n = 1; n < 12 && fail_alloc_next(n); n++) {
        struct assay_error err = {0};
        double noise = 7.0;
        int code = assay_privacy_noise(&noise, &m, 1e-5, 1.0,
                                       ASSAY_ACCOUNTANT_PRV, &err);

        fail_alloc_off();
        CHECK_INT_EQ(code, fail_alloc_hit() ? ASSAY_NOMEM : ASSAY_OK);
        CHECK((noise == 7.0) == (code != ASSAY_OK));
    }
    CHECK(n == 12);
}

static void test_audit_survives_failing_allocations(void)
{
    double scores[32];
    uint8_t in[32];
    long n;

    for (unsigned i = 0; i < 32; i++) {
        scores[i] = i % 7;
        in[i] = i % 2 == 1;
    }
    for (n = 1; fail_alloc_next(n); n++) {
        struct assay_one_run r = {.n = 7};
        int code = assay_one_run_bound(&r, scores, in, 32, 0.0, NULL);

        fail_alloc_off();
        CHECK_INT_EQ(code, fail_alloc_hit() ? ASSAY_NOMEM : ASSAY_OK);
        CHECK((r.n == 7) == (code != ASSAY_OK));
    }
    CHECK(n > 2);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_accounting_survives_failing_allocations),
    CHECK_TEST(test_noise_survives_failing_allocations),
    CHECK_TEST(test_audit_survives_failing_allocations),
};
CHECK_MAIN(tests)
