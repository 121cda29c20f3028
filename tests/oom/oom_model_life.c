/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Models and evidence while memory runs out: whichever allocation fails,
 * the answer is ASSAY_NOMEM, nothing is handed out and nothing leaks. The
 * JSON library allocates by itself; its failures are not walked.
 */

#include <stdio.h>
#include <string.h>

#include "assay/format.h"
#include "fail_alloc.h"
#include "small_data.h"

/* After a round: a failed allocation was told, or all is well. */
static void check_round(int code, long n, const struct assay_error *err)
{
    fail_alloc_off();
    if (fail_alloc_hit() && code != ASSAY_NOMEM)
        printf("# allocation %ld: %d %s\n", n, code, err->msg);
    CHECK_INT_EQ(code, fail_alloc_hit() ? ASSAY_NOMEM : ASSAY_OK);
}

static void test_making_a_model(void)
{
    struct assay_model_spec spec = small_spec();

    for (long n = 1; fail_alloc_next(n); n++) {
        struct assay_error err = {0};
        assay_model *m = NULL;
        char sha[65];
        int code = assay_model_new(&m, &spec, 1, &err);

        CHECK((m != NULL) == (code == ASSAY_OK));
        if (code == ASSAY_OK)
            code = assay_model_set_note(m, "key", "value", &err);
        if (code == ASSAY_OK)
            code = assay_model_sha256(m, sha, &err);
        check_round(code, n, &err);
        assay_model_free(m);
    }
}

static void test_opening_a_model(void)
{
    const char *path = check_temp_path("m.safetensors");
    struct assay_error err = {0};
    assay_model *m = small_model(1);

    CHECK_OK(assay_model_set_note(m, "key", "value", &err), err);
    CHECK_OK(assay_model_save(m, path, &err), err);
    assay_model_free(m);
    for (long n = 1; fail_alloc_next(n); n++) {
        int code;

        m = NULL;
        code = assay_model_open(&m, path, &err);
        check_round(code, n, &err);
        CHECK((m != NULL) == (code == ASSAY_OK));
        assay_model_free(m);
    }
}

/* Each of the two files can do without one allocation: the one with which
 * its folder is synced. */
static void test_saving_a_model(void)
{
    const char *path = check_temp_path("s.safetensors");
    assay_model *m = small_model(1);
    assay_model *back = NULL;
    struct assay_error err = {0};
    int spared = 0;

    for (long n = 1; fail_alloc_next(n); n++) {
        int code = assay_model_save(m, path, &err);

        fail_alloc_off();
        if (fail_alloc_hit() && code == ASSAY_OK)
            CHECK(++spared <= 2);
        else
            check_round(code, n, &err);
    }
    CHECK_OK(assay_model_open(&back, path, &err), err);
    assay_model_free(back);
    assay_model_free(m);
}

static void test_importing_evidence(void)
{
    static const float probs[] = {.5f, .5f, .25f, .75f, 0, 1};
    const char *path = check_temp_path("e.safetensors");
    struct assay_shape wide = assay_shape_make(2, (int64_t)3, (int64_t)2);
    struct assay_shape rows = assay_shape_make(1, (int64_t)3);
    struct assay_error err = {0};
    struct assay_tensors list;

    assay_tensors_init(&list);
    CHECK_OK(assay_tensors_add_f32(&list, "probs", &wide, probs, &err), err);
    CHECK_OK(assay_tensors_add_f32(&list, "embedding", &wide, probs, &err),
             err);
    CHECK_OK(
        assay_tensors_add(&list, "labels", ASSAY_DTYPE_I64, &rows, NULL, &err),
        err);
    CHECK_OK(assay_tensors_write(&list, path, &err), err);
    assay_tensors_release(&list);
    for (long n = 1; fail_alloc_next(n); n++) {
        struct assay_evidence e = {0};
        int code = assay_evidence_import(&e, path, &err);

        check_round(code, n, &err);
        CHECK((e.logits != NULL) == (code == ASSAY_OK));
        assay_evidence_release(&e);
    }
}

static void test_writing_evidence(void)
{
    const char *path = check_temp_path("w.safetensors");
    float logits[] = {1, 2, 3, 4};
    int32_t label[] = {0, 1};
    uint32_t record[] = {4, 5};
    struct assay_evidence e = {.n = 2,
                               .n_classes = 2,
                               .embedding_dim = 2,
                               .logits = logits,
                               .embedding = logits,
                               .label = label,
                               .record = record};
    struct assay_error err = {0};
    int spared = 0;

    for (long n = 1; fail_alloc_next(n); n++) {
        int code = assay_evidence_write(&e, path, &err);

        fail_alloc_off();
        if (fail_alloc_hit() && code == ASSAY_OK)
            CHECK(++spared <= 1);
        else
            check_round(code, n, &err);
    }
}

struct desk {
    struct assay_context ctx;
    struct assay_compute compute;
    assay_dataset *data;
    assay_view *view;
};

static void desk_open(struct desk *d)
{
    memset(d, 0, sizeof(*d));
    assay_context_init(&d->ctx);
    d->ctx.threads = 1;
    d->compute.algorithms = ASSAY_ALGORITHMS_DIRECT;
    d->data = small_records(6, 1);
    d->view = small_view(d->data);
}

static void desk_close(struct desk *d)
{
    assay_view_free(d->view);
    assay_dataset_free(d->data);
}

static void test_collecting_evidence(void)
{
    assay_model *m = small_model(1);
    struct desk d;

    desk_open(&d);
    for (long n = 1; fail_alloc_next(n); n++) {
        struct assay_error err = {0};
        struct assay_evidence e = {0};
        int code = assay_evidence_collect(&e, &d.ctx, m, d.view,
                                          ASSAY_EVIDENCE_EMBEDDING |
                                              ASSAY_EVIDENCE_QUERIES,
                                          &d.compute, "collect", &err);

        check_round(code, n, &err);
        CHECK((e.logits != NULL) == (code == ASSAY_OK));
        assay_evidence_release(&e);
    }
    assay_model_free(m);
    desk_close(&d);
}

static void test_training_a_model(void)
{
    struct assay_recipe recipe;
    struct desk d;

    desk_open(&d);
    assay_recipe_init(&recipe, 1);
    recipe.batch = 6;
    for (long n = 1; fail_alloc_next(n); n++) {
        struct assay_training t = {.train = d.view,
                                   .test = d.view,
                                   .recipe = &recipe,
                                   .seed = 1,
                                   .task = "train"};
        struct assay_model_spec spec = small_spec();
        struct assay_error err = {0};
        int code = assay_model_new(&t.model, &spec, 1, &err);

        if (code == ASSAY_OK)
            code = assay_models_train(&d.ctx, &d.compute, &t, 1, &err);
        check_round(code, n, &err);
        CHECK((t.curve.point != NULL) == (code == ASSAY_OK));
        assay_curve_release(&t.curve);
        assay_model_free(t.model);
    }
    desk_close(&d);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_making_a_model),   CHECK_TEST(test_opening_a_model),
    CHECK_TEST(test_saving_a_model),   CHECK_TEST(test_importing_evidence),
    CHECK_TEST(test_writing_evidence), CHECK_TEST(test_collecting_evidence),
    CHECK_TEST(test_training_a_model),
};

CHECK_MAIN(tests)
