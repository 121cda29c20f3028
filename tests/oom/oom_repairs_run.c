/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Repairs while memory runs out: whichever allocation fails, the answer is
 * ASSAY_NOMEM, the model is as it was and nothing leaks. The first
 * allocations are walked one by one, the rest, mostly those of training
 * (walked in oom_engine_run), by strides.
 */

#include <stdio.h>
#include <string.h>

#include "assay/repair.h"
#include "fail_alloc.h"
#include "small_data.h"

enum { DENSE = 40, STRIDE = 31, N = 12 };

struct work {
    struct assay_context ctx;
    struct assay_compute compute;
    assay_dataset *data;
    assay_view *view;
    struct assay_recipe recipe;
    struct assay_trigger trigger;
    double param[ASSAY_SETTINGS_MAX];
    struct assay_repair_input in;
    assay_model *m, *was;
};

static void work_open(struct work *w, const char *arch)
{
    struct assay_model_spec spec = small_spec();
    struct assay_error err = {0};

    memset(w, 0, sizeof(*w));
    assay_context_init(&w->ctx);
    w->ctx.threads = 1;
    w->compute.threads = 1;
    w->compute.algorithms = ASSAY_ALGORITHMS_DIRECT;
    w->data = small_records(N, 1);
    w->view = small_view(w->data);
    assay_recipe_init(&w->recipe, 1);
    CHECK_OK(assay_trigger_make(&w->trigger, 1, SMALL_SIDE, SMALL_SIDE, &err),
             err);
    spec.arch = arch;
    CHECK_OK(assay_model_new(&w->m, &spec, 1, &err), err);
    CHECK_OK(assay_model_clone(&w->was, w->m, &err), err);
    w->in.ctx = &w->ctx;
    w->in.compute = &w->compute;
    w->in.clean = w->in.held_out = w->view;
    w->in.recipe = &w->recipe;
    w->in.trigger = &w->trigger;
    w->in.param = w->param;
}

static void work_close(struct work *w)
{
    assay_model_free(w->m);
    assay_model_free(w->was);
    assay_trigger_release(&w->trigger);
    assay_view_free(w->view);
    assay_dataset_free(w->data);
}

static void walk(const struct assay_repair *r, struct work *w)
{
    struct assay_params *p = assay_model_params(w->m);
    const struct assay_params *was = assay_model_weights(w->was);

    for (long n = 1; fail_alloc_next(n); n += n < DENSE ? 1 : STRIDE) {
        struct assay_error err = {0};
        struct assay_repaired out;
        int code = assay_repair_run(r, &w->in, w->m, &out, &err);

        fail_alloc_off();
        if (fail_alloc_hit() && code != ASSAY_NOMEM)
            printf("# %s, allocation %ld: %d %s\n", r->name, n, code, err.msg);
        CHECK_INT_EQ(code, fail_alloc_hit() ? ASSAY_NOMEM : ASSAY_OK);
        if (code)
            CHECK_MEM_EQ(p->data, was->data, p->size * sizeof(float));
        memcpy(p->data, was->data, p->size * sizeof(float));
    }
    fail_alloc_off();
}

/* SimpleCNN where that will do: it has fewer allocations. */
static void test_repairs_survive_failed_allocations(void)
{
    for (const struct assay_repair *const *r = assay_repair_table(); *r; r++) {
        bool norms =
            strcmp((*r)->name, "anp") == 0 || strcmp((*r)->name, "clp") == 0;
        struct work w;

        work_open(&w, norms ? "resnet20-cifar-a" : "simplecnn");
        assay_settings_init((*r)->params, w.param);
        for (int i = 0; (*r)->params[i].name; i++)
            if (strstr((*r)->params[i].name, "epochs") ||
                strcmp((*r)->params[i].name, "iterations") == 0)
                w.param[i] = 1;
            else if (strcmp((*r)->params[i].name, "step") == 0)
                w.param[i] = .5;
        walk(*r, &w);
        work_close(&w);
    }
}

static const struct check_test tests[] = {
    CHECK_TEST(test_repairs_survive_failed_allocations),
};
CHECK_MAIN(tests)
