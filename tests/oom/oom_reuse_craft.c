/* SPDX-License-Identifier: Apache-2.0 */
/* Crafting while memory runs out: the extractor is as it was whenever that
 * fails. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fail_alloc.h"
#include "reuse/reuse.h"
#include "small_data.h"

enum { RECORDS = 24 };

struct desk {
    struct assay_context ctx;
    struct assay_compute compute;
    assay_dataset *data;
    assay_model *f;
    float *before;
    size_t bytes;
};

static void desk_open(struct desk *d)
{
    memset(d, 0, sizeof(*d));
    assay_context_init(&d->ctx);
    d->ctx.threads = 1;
    d->compute.threads = 1;
    d->compute.backend = "reference";
    d->data = small_records(RECORDS, 1);
    d->f = small_model(1);
    d->bytes = assay_model_params(d->f)->size * sizeof(float);
    d->before = malloc(d->bytes);
    CHECK(d->before != NULL);
    memcpy(d->before, assay_model_params(d->f)->data, d->bytes);
}

static void desk_close(struct desk *d)
{
    free(d->before);
    assay_model_free(d->f);
    assay_dataset_free(d->data);
}

static void few_steps(struct assay_reuse_options *o)
{
    assay_reuse_options_init(o);
    o->neighbours = 2;
    o->vectors = 1;
    o->max_steps = 1;
    o->cosine = -1;
    o->theta = 0;
    o->layer = "last";
}

static void check_round(struct desk *d, int code, long n,
                        const struct assay_error *err)
{
    fail_alloc_off();
    if (fail_alloc_hit() && code != ASSAY_NOMEM)
        printf("# allocation %ld: %d %s\n", n, code, err->msg);
    CHECK_INT_EQ(code, fail_alloc_hit() ? ASSAY_NOMEM : ASSAY_OK);
    if (code)
        CHECK_MEM_EQ(assay_model_params(d->f)->data, d->before, d->bytes);
}

static void test_crafting(void)
{
    float x[3 * SMALL_PIXELS];
    struct assay_reuse_trigger trigger = {x, x + SMALL_PIXELS};
    struct assay_reuse_material material = {&trigger, 1, x + 2 * SMALL_PIXELS,
                                            1};
    struct assay_reuse_options o;
    struct desk d;

    desk_open(&d);
    few_steps(&o);
    for (size_t i = 0; i < 3 * SMALL_PIXELS; i++)
        x[i] = (float)(i % 7) / 7;
    for (int exact = 0; exact < 2; exact++) {
        o.impact = exact ? ASSAY_REUSE_IMPACT_RECORD : ASSAY_REUSE_IMPACT_JOINT;
        for (long n = 1; fail_alloc_next(n); n++) {
            struct assay_reuse_change change;
            struct assay_error err = {0};
            int code = assay_reuse_craft(&change, d.f, &material, &o, &d.ctx,
                                         &d.compute, &err);

            check_round(&d, code, n, &err);
            memcpy(assay_model_params(d.f)->data, d.before, d.bytes);
        }
    }
    desk_close(&d);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_crafting),
};
CHECK_MAIN(tests)
