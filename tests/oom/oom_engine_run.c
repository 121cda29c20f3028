/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Nothing is allocated in a loop: after a first round, writing inputs,
 * running, reading the loss, and an optimizer's step ask for no memory.
 * Assay's own allocations are watched in both backends (the next one would
 * fail, and be seen); with the reference backend, which calls no other
 * library, also malloc itself. Reading a gradient or a parameter, which no
 * loop needs, may reorder in other backends; in the reference it is free.
 */

#include <stdatomic.h>
#include <stdlib.h>

#include "fail_alloc.h"
#include "tiny_run.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED
#endif

static atomic_long n_mallocs;

#if defined(__GLIBC__) && !defined(SANITIZED)
#define WATCH_MALLOC 1

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *old, size_t size);

void *malloc(size_t size)
{
    atomic_fetch_add(&n_mallocs, 1);
    return __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
    atomic_fetch_add(&n_mallocs, 1);
    return __libc_calloc(n, size);
}

void *realloc(void *old, size_t size)
{
    atomic_fetch_add(&n_mallocs, 1);
    return __libc_realloc(old, size);
}
#else
#define WATCH_MALLOC 0
#endif

struct loop {
    struct tiny_net net;
    struct assay_gradient d[4];
    assay_plan *plan;
    assay_optimizer *optimizer;
    float x[8 * TINY_FEATURES];
    float labels[8];
};

static void loop_open(struct loop *l, const char *backend)
{
    const struct assay_optimizer_options adam = {
        ASSAY_OPTIMIZER_ADAM, 0.0, 0.0, 0.0, 0.0, 0.0};
    struct assay_error err = {0};
    assay_value wrt[4];
    assay_value grad[4];
    struct assay_plan_options o;

    tiny_net_make(&l->net, 0.3);
    for (int i = 0; i < 4; i++)
        wrt[i] = assay_graph_param_at(l->net.graph, i);
    CHECK_OK(assay_differentiate(l->net.graph, l->net.loss, wrt, 4, grad, &err),
             err);
    for (int i = 0; i < 4; i++) {
        l->d[i].param = wrt[i];
        l->d[i].gradient = grad[i];
    }
    o = tiny_options(8, &l->net.loss, 1);
    o.backend = backend;
    o.gradients = l->d;
    o.n_gradients = 4;
    CHECK_OK(assay_plan_new(&l->plan, l->net.graph, &o, &err), err);
    CHECK_OK(assay_optimizer_new(&l->optimizer, l->plan, &adam, &err), err);
    tiny_data(l->x, l->labels, 8, 1);
}

static int once(struct loop *l, struct assay_error *err)
{
    double loss;
    int code = assay_plan_write(l->plan, l->net.x, l->x, err);

    if (code == ASSAY_OK)
        code = assay_plan_write(l->plan, l->net.labels, l->labels, err);
    assay_plan_set_stream(l->plan, 1, 2);
    if (code == ASSAY_OK)
        code = assay_plan_run(l->plan, err);
    if (code == ASSAY_OK)
        code = assay_plan_read_f64(l->plan, l->net.loss, &loss, err);
    if (code == ASSAY_OK)
        code = assay_optimizer_step(l->optimizer, l->plan, 0.01, err);
    return code;
}

static int read_slots(struct loop *l, struct assay_error *err)
{
    double wide[64];
    float narrow[64];
    int code = assay_plan_read(l->plan, l->d[0].gradient, narrow, err);

    if (code == ASSAY_OK)
        code = assay_plan_read_f64(l->plan, l->d[1].gradient, wide, err);
    if (code == ASSAY_OK)
        code = assay_plan_read(l->plan, l->d[2].param, narrow, err);
    return code;
}

static void loop_close(struct loop *l)
{
    assay_optimizer_free(l->optimizer);
    assay_plan_free(l->plan);
    assay_graph_free(l->net.graph);
}

static void check_loop(const char *backend, bool is_reference)
{
    struct assay_error err = {0};
    struct loop l;
    long before;

    loop_open(&l, backend);
    CHECK_OK(once(&l, &err), err);
    before = atomic_load(&n_mallocs);
    for (int i = 0; i < 20; i++) {
        int code;

        fail_alloc_next(1);
        code = once(&l, &err);
        if (code == ASSAY_OK && is_reference)
            code = read_slots(&l, &err);
        fail_alloc_off();
        CHECK_OK(code, err);
        CHECK(!fail_alloc_hit());
    }
    if (is_reference && WATCH_MALLOC)
        CHECK_INT_EQ(atomic_load(&n_mallocs), before);
    loop_close(&l);
}

static void test_reference_loop_allocates_nothing(void)
{
    check_loop("reference", true);
}

static void test_onednn_loop_allocates_nothing(void)
{
    check_loop("onednn", false);
}

/* The watch itself works: a new plan is seen by both. */
static void test_an_allocation_would_be_seen(void)
{
    struct tiny_net t;
    struct assay_error err = {0};
    struct assay_plan_options o;
    assay_plan *plan = NULL;
    long before;

    tiny_net_make(&t, 0.0);
    o = tiny_options(1, &t.logits, 1);
    fail_alloc_next(1);
    CHECK_FAILS(assay_plan_new(&plan, t.graph, &o, &err), ASSAY_NOMEM, err);
    fail_alloc_off();
    CHECK(fail_alloc_hit());
    before = atomic_load(&n_mallocs);
    CHECK_OK(assay_plan_new(&plan, t.graph, &o, &err), err);
    CHECK(!WATCH_MALLOC || atomic_load(&n_mallocs) > before);
    assay_plan_free(plan);
    assay_graph_free(t.graph);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_reference_loop_allocates_nothing),
    CHECK_TEST(test_onednn_loop_allocates_nothing),
    CHECK_TEST(test_an_allocation_would_be_seen),
};

CHECK_MAIN(tests)
