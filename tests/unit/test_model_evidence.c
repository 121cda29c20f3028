/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Evidence: the numbers derived from logits against values worked out by
 * hand, files there and back, predictions of strangers and what they may
 * get wrong, and evidence collected from a model.
 */

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "assay/format.h"
#include "model/model.h"
#include "small_data.h"

/* Three records of two classes; nothing is owned. */
static float some_logits[] = {0, 0, 1, 3, 800, 0};
static int32_t some_labels[] = {0, 1, 0};
static uint32_t some_records[] = {7, 8, 9};

static struct assay_evidence some_evidence(void)
{
    struct assay_evidence e = {.n = 3,
                               .n_classes = 2,
                               .logits = some_logits,
                               .label = some_labels,
                               .record = some_records};

    return e;
}

static void test_log_probability_matches_hand_values(void)
{
    struct assay_evidence e = some_evidence();
    double got[3];

    assay_evidence_log_prob(&e, got);
    CHECK_NEAR(got[0], -log(2), 1e-15);
    CHECK_NEAR(got[1], -log1p(exp(-2)), 1e-15);
    CHECK_NEAR(got[2], 0, 0);
}

/* With two classes, log p - log(1 - p) is the difference of the logits. */
static void test_scaled_confidence_matches_hand_values(void)
{
    struct assay_evidence e = some_evidence();
    double got[3];

    assay_evidence_scaled_confidence(&e, got);
    CHECK_NEAR(got[0], 0, 1e-15);
    CHECK_NEAR(got[1], 2, 1e-15);
    /* exp(-800) is 0 in double: the floor of 1e-300 speaks. */
    CHECK_NEAR(got[2], 300 * log(10), 1e-9);
}

static void test_scaled_confidence_keeps_digits_of_sure_models(void)
{
    float logits[] = {40, 0, 0};
    int32_t label = 0;
    struct assay_evidence e = some_evidence();
    double got;

    e.n = 1;
    e.n_classes = 3;
    e.logits = logits;
    e.label = &label;
    assay_evidence_scaled_confidence(&e, &got);
    CHECK_NEAR(got, 40 - log(2), 1e-14);
    assay_evidence_log_prob(&e, &got);
    CHECK_NEAR(got, -2 * exp(-40), 1e-16);
}

static void test_probabilities_match_hand_values(void)
{
    struct assay_evidence e = some_evidence();
    double p[2];

    assay_evidence_probs(&e, 0, p);
    CHECK_NEAR(p[0], .5, 0);
    CHECK_NEAR(p[1], .5, 0);
    assay_evidence_probs(&e, 1, p);
    CHECK_NEAR(p[0], 1 / (1 + exp(2)), 1e-15);
    CHECK_NEAR(p[0] + p[1], 1, 1e-15);
    assay_evidence_probs(&e, 2, p);
    CHECK_NEAR(p[0], 1, 0);
    CHECK_NEAR(p[1], 0, 0);
}

/* Ties go to the lowest class: all three are right. */
static void test_accuracy_counts_ties_for_the_lowest_class(void)
{
    struct assay_evidence e = some_evidence();
    int32_t wrong[] = {1, 0, 0};
    struct assay_estimate x = assay_evidence_accuracy(&e);

    CHECK_NEAR(x.value, 1, 0);
    CHECK_UINT_EQ(x.n, 3);
    CHECK_NEAR(x.low, pow(.025, 1 / 3.), 1e-9);
    CHECK_NEAR(x.high, 1, 0);
    e.label = wrong;
    x = assay_evidence_accuracy(&e);
    CHECK_NEAR(x.value, 1 / 3., 1e-15);
    CHECK(x.low < 1 / 3. && x.high > 1 / 3.);
}

static void check_same(const struct assay_evidence *a,
                       const struct assay_evidence *b)
{
    size_t k = (size_t)a->n_classes;
    size_t h = (size_t)a->embedding_dim;

    CHECK_UINT_EQ(a->n, b->n);
    CHECK_INT_EQ(a->n_classes, b->n_classes);
    CHECK_INT_EQ(a->embedding_dim, b->embedding_dim);
    CHECK_MEM_EQ(a->logits, b->logits, a->n * k * sizeof(float));
    if (h)
        CHECK_MEM_EQ(a->embedding, b->embedding, a->n * h * sizeof(float));
    CHECK_INT_EQ(a->n_queries, b->n_queries);
    if (a->n_queries)
        CHECK_MEM_EQ(a->queries, b->queries,
                     a->n * (size_t)a->n_queries * k * sizeof(float));
    CHECK_MEM_EQ(a->label, b->label, a->n * sizeof(int32_t));
    CHECK_MEM_EQ(a->record, b->record, a->n * sizeof(uint32_t));
}

static void test_written_evidence_is_read_back(void)
{
    const char *path = check_temp_path("e.safetensors");
    float embedding[] = {1, -2, 3, 4, 5, 6e-30f};
    float queries[3 * 2 * 2];
    struct assay_evidence e = some_evidence();
    struct assay_evidence back;
    struct assay_error err = {0};

    CHECK_OK(assay_evidence_write(&e, path, &err), err);
    CHECK_OK(assay_evidence_read(&back, path, &err), err);
    check_same(&e, &back);
    CHECK(back.embedding == NULL);
    assay_evidence_release(&back);
    e.embedding = embedding;
    e.embedding_dim = 2;
    for (size_t i = 0; i < sizeof(queries) / sizeof(queries[0]); i++)
        queries[i] = (float)i / 3;
    e.queries = queries;
    e.n_queries = 2;
    CHECK_UINT_EQ(e.n * 2 * (size_t)e.n_classes,
                  sizeof(queries) / sizeof(queries[0]));
    CHECK_OK(assay_evidence_write(&e, path, &err), err);
    CHECK_OK(assay_evidence_read(&back, path, &err), err);
    check_same(&e, &back);
    assay_evidence_release(&back);
    CHECK(back.logits == NULL && back.n == 0);
}

/* A file of f64 arrays, as a stranger would write one. */
struct file {
    struct assay_tensors list;
};

static void put(struct file *f, const char *name, int rank, const int64_t *dim,
                const double *value)
{
    struct assay_shape shape = {.rank = rank};
    struct assay_error err = {0};
    struct assay_tensor *t;

    memcpy(shape.dim, dim, (size_t)rank * sizeof(*dim));
    CHECK_OK(
        assay_tensors_add(&f->list, name, ASSAY_DTYPE_F64, &shape, &t, &err),
        err);
    memcpy(t->data, value, assay_shape_count(&shape, 1) * sizeof(double));
}

static void put_rows(struct file *f, const char *name, int64_t n, int64_t width,
                     const double *value)
{
    const int64_t dim[2] = {n, width};

    put(f, name, width ? 2 : 1, dim, value);
}

/* Write, import, forget. */
static int import(struct file *f, struct assay_evidence *e,
                  struct assay_error *err)
{
    const char *path = check_temp_path("theirs.safetensors");
    int code;

    CHECK_OK(assay_tensors_write(&f->list, path, err), *err);
    memset(e, 0, sizeof(*e));
    code = assay_evidence_import(e, path, err);
    CHECK((e->logits != NULL) == (code == ASSAY_OK));
    assay_tensors_release(&f->list);
    return code;
}

static const double two_labels[] = {0, 1};
static const double two_probs[] = {.25, .75, 1, 0};

static void test_probabilities_become_their_logarithms(void)
{
    struct file f = {{0}};
    struct assay_error err = {0};
    struct assay_evidence e;
    double p[2];

    put_rows(&f, "probs", 2, 2, two_probs);
    put_rows(&f, "labels", 2, 0, two_labels);
    CHECK_OK(import(&f, &e, &err), err);
    assay_evidence_probs(&e, 0, p);
    CHECK_NEAR(p[0], .25, 1e-7);
    CHECK_NEAR(p[1], .75, 1e-7);
    CHECK_NEAR(e.logits[3], log(1e-30), 1e-4);
    CHECK_UINT_EQ(e.record[1], 1);
    assay_evidence_release(&e);
}

static void test_npz_is_imported_too(void)
{
    const char *path = check_temp_path("theirs.npz");
    struct assay_shape wide = assay_shape_make(2, (int64_t)3, (int64_t)2);
    struct assay_shape rows = assay_shape_make(1, (int64_t)3);
    struct assay_error err = {0};
    struct assay_evidence want = some_evidence();
    struct assay_evidence e;
    struct assay_tensors list;
    struct assay_tensor *t;

    assay_tensors_init(&list);
    CHECK_OK(assay_tensors_add_f32(&list, "logits", &wide, some_logits, &err),
             err);
    CHECK_OK(
        assay_tensors_add(&list, "labels", ASSAY_DTYPE_I64, &rows, &t, &err),
        err);
    for (int i = 0; i < 3; i++)
        ((int64_t *)t->data)[i] = some_labels[i];
    CHECK_OK(
        assay_tensors_add(&list, "records", ASSAY_DTYPE_U32, &rows, &t, &err),
        err);
    memcpy(t->data, some_records, sizeof(some_records));
    CHECK_OK(assay_tensors_write(&list, path, &err), err);
    CHECK_OK(assay_evidence_import(&e, path, &err), err);
    check_same(&want, &e);
    assay_evidence_release(&e);
    assay_tensors_release(&list);
}

/* One wrong number in a file that is right otherwise. */
static void check_number_fails(const char *outputs, const char *array, size_t i,
                               double value, const char *part)
{
    double number[3][6] = {{.25, .75, 1, 0}, {0, 1}, {5, 6}};
    const char *name[3] = {outputs, "labels", "records"};
    struct file f = {{0}};
    struct assay_error err = {0};
    struct assay_evidence e;

    for (int k = 0; k < 3; k++) {
        if (strcmp(name[k], array) == 0)
            number[k][i] = value;
        put_rows(&f, name[k], 2, k == 0 ? 2 : 0, number[k]);
    }
    CHECK_FAILS(import(&f, &e, &err), ASSAY_DATA, err);
    CHECK_STR_HAS(err.msg, part);
    CHECK_STR_HAS(err.msg, "theirs.safetensors");
}

static void test_unusable_numbers_are_told_by_place(void)
{
    check_number_fails("logits", "logits", 3, (double)NAN,
                       "logits[1, 1] is nan");
    check_number_fails("logits", "logits", 2, -(double)INFINITY,
                       "logits[1, 0]");
    check_number_fails("logits", "logits", 0, 1e300, "logits[0, 0] is 1e+300");
    check_number_fails("probs", "probs", 1, (double)NAN, "probs[0, 1]");
    check_number_fails("probs", "probs", 0, -.1, "probs[0, 0] is -0.1");
    check_number_fails("probs", "probs", 1, 1.2, "probs[0, 1] is 1.2");
    check_number_fails("probs", "probs", 0, .2, "row 0 of probs sums to 0.95");
    check_number_fails("probs", "probs", 3, .0011, "row 1");
    check_number_fails("probs", "labels", 1, 2,
                       "label 1 is 2; classes go from "
                       "0 to 1");
    check_number_fails("probs", "labels", 0, -1, "label 0 is -1");
    check_number_fails("probs", "labels", 0, .5, "label 0 is 0.5");
    check_number_fails("probs", "labels", 0, (double)NAN, "label 0 is nan");
    check_number_fails("probs", "records", 1, -1, "record number 1 is -1");
    check_number_fails("probs", "records", 1, 1.5, "record number 1 is 1.5");
    check_number_fails("probs", "records", 0, 5e9, "record number 0 is 5e+09");
}

static void test_embedding_must_be_finite(void)
{
    static const double embedding[] = {1, 2, 3, 4, 1e39, 6};
    struct file f = {{0}};
    struct assay_error err = {0};
    struct assay_evidence e;

    put_rows(&f, "probs", 2, 2, two_probs);
    put_rows(&f, "labels", 2, 0, two_labels);
    put_rows(&f, "embedding", 2, 3, embedding);
    CHECK_FAILS(import(&f, &e, &err), ASSAY_DATA, err);
    CHECK_STR_HAS(err.msg, "embedding row 1 holds 1e+39");
}

/* The width is held as an int, and multiplied. */
static void test_embedding_has_a_width_in_bounds(void)
{
    enum { WIDE = (1 << 20) + 1 };
    static const int64_t dim[2][2] = {{2, 0}, {2, WIDE}};
    double *zero = calloc(2 * WIDE, sizeof(*zero));

    CHECK(zero != NULL);
    for (int i = 0; i < 2; i++) {
        struct file f = {{0}};
        struct assay_error err = {0};
        struct assay_evidence e;

        put_rows(&f, "probs", 2, 2, two_probs);
        put_rows(&f, "labels", 2, 0, two_labels);
        put(&f, "embedding", 2, dim[i], zero);
        CHECK_FAILS(import(&f, &e, &err), ASSAY_SHAPE, err);
        CHECK_STR_HAS(err.msg, i ? "hold 1048577 numbers; 1 to 1048576"
                                 : "hold 0 numbers");
    }
    free(zero);
}

/* A file of up to two arrays of zeros. */
static void check_shapes_fail(const char *a, int64_t n_a, int64_t width_a,
                              const char *b, int64_t n_b, int code,
                              const char *part)
{
    static const double zero[16];
    struct file f = {{0}};
    struct assay_error err = {0};
    struct assay_evidence e;

    put_rows(&f, a, n_a, width_a, zero);
    if (b)
        put_rows(&f, b, n_b, 0, zero);
    CHECK_FAILS(import(&f, &e, &err), code, err);
    CHECK_STR_HAS(err.msg, part);
}

static void test_wrong_shapes_are_told_by_array(void)
{
    check_shapes_fail("scores", 3, 2, "labels", 3, ASSAY_FORMAT,
                      "neither 'logits' nor 'probs'");
    check_shapes_fail("logits", 3, 2, NULL, 0, ASSAY_FORMAT,
                      "no array 'labels'");
    check_shapes_fail("logits", 3, 2, "labels", 4, ASSAY_SHAPE,
                      "'labels' is [4]");
    check_shapes_fail("logits", 3, 0, "labels", 3, ASSAY_SHAPE,
                      "'logits' is [3]");
    check_shapes_fail("logits", 3, 1, "labels", 3, ASSAY_SHAPE,
                      "3 rows of 1 classes");
    check_shapes_fail("logits", 0, 2, "labels", 0, ASSAY_SHAPE,
                      "0 rows of 2 classes");
}

static void test_rows_of_other_arrays_must_match(void)
{
    static const double zero[16];
    static const char *const name[] = {"records", "embedding"};

    for (int i = 0; i < 2; i++) {
        struct file f = {{0}};
        struct assay_error err = {0};
        struct assay_evidence e;

        put_rows(&f, "logits", 3, 2, zero);
        put_rows(&f, "labels", 3, 0, zero);
        put_rows(&f, name[i], 2, i == 0 ? 0 : 4, zero);
        CHECK_FAILS(import(&f, &e, &err), ASSAY_SHAPE, err);
        CHECK_STR_HAS(err.msg, name[i]);
    }
}

static void check_queries_fail(int64_t q, int64_t k, double value,
                               const char *words)
{
    const int64_t dim[3] = {3, q, k};
    double cell[16] = {0};
    struct file f = {{0}};
    struct assay_error err = {0};
    struct assay_evidence e;

    cell[5] = value;
    put_rows(&f, "logits", 3, 2, cell + 8);
    put_rows(&f, "labels", 3, 0, cell + 8);
    put(&f, "queries", 3, dim, cell);
    CHECK(import(&f, &e, &err) != ASSAY_OK);
    CHECK_STR_HAS(err.msg, words);
}

static void test_queries_must_fit_the_logits(void)
{
    check_queries_fail(2, 1, 0, "'queries' are 2 by 1");
    check_queries_fail(0, 2, 0, "'queries' are 0 by 2");
    check_queries_fail(2, 2, (double)NAN, "queries row 1 holds nan");
}

static void test_altered_copies_are_moved_and_mirrored(void)
{
    static const float x[] = {1, 2, 3, 4, 5, 6}; /* two rows of three */
    static const float want[ASSAY_QUERIES][6] = {
        {3, 2, 1, 6, 5, 4}, {1, 1, 2, 4, 4, 5}, {3, 3, 2, 6, 6, 5},
        {2, 3, 3, 5, 6, 6}, {2, 1, 1, 5, 4, 4}, {1, 2, 3, 1, 2, 3},
        {3, 2, 1, 3, 2, 1}, {4, 5, 6, 4, 5, 6}, {6, 5, 4, 6, 5, 4},
    };
    float out[6];

    for (int q = 0; q < ASSAY_QUERIES; q++) {
        assay__query_alter(q, x, 1, 2, 3, out);
        CHECK_MEM_EQ(out, want[q], sizeof(out));
    }
}

/* What is heard of a mirrored copy is what is heard of the mirrored record. */
static void test_queries_are_answers_on_altered_copies(void)
{
    struct assay_compute compute = {.threads = 1,
                                    .algorithms = ASSAY_ALGORITHMS_DIRECT};
    struct assay_error err = {0};
    struct assay_context ctx;
    struct assay_evidence e;
    struct assay__scorer s;
    assay_dataset *ds = small_records(150, 1);
    assay_view *view = small_view(ds);
    assay_model *m = small_model(1);
    float x[SMALL_PIXELS];
    float logits[128 * SMALL_CLASSES];
    uint32_t row = 149;

    assay_context_init(&ctx);
    CHECK_OK(assay_evidence_collect(&e, &ctx, m, view, ASSAY_EVIDENCE_QUERIES,
                                    &compute, "all", &err),
             err);
    CHECK_INT_EQ(e.n_queries, ASSAY_QUERIES);
    CHECK_OK(assay__scorer_init(&s, m, assay_model_graph(m), NULL, 0, &compute,
                                1, &err),
             err);
    assay_view_fill(view, &row, 1, NULL, 0, 0, x);
    for (int q = 0; q < ASSAY_QUERIES; q++) {
        memset(s.x, 0, (size_t)s.batch * SMALL_PIXELS * sizeof(float));
        assay__query_alter(q, x, 1, SMALL_SIDE, SMALL_SIDE, s.x);
        CHECK_OK(assay_plan_write(s.plan, assay_model_input(m), s.x, &err),
                 err);
        CHECK_OK(assay_plan_run(s.plan, &err), err);
        CHECK_OK(assay_plan_read(s.plan, assay_model_logits(m), logits, &err),
                 err);
        CHECK_MEM_EQ(e.queries + (149 * ASSAY_QUERIES + q) * SMALL_CLASSES,
                     logits, SMALL_CLASSES * sizeof(float));
    }
    assay__scorer_release(&s);
    assay_evidence_release(&e);
    assay_view_free(view);
    assay_model_free(m);
    assay_dataset_free(ds);
}

/* 150 records are a whole batch and a part of one. */
static void test_collected_evidence_is_of_each_record(void)
{
    struct assay_compute compute = {.threads = 1,
                                    .algorithms = ASSAY_ALGORITHMS_DIRECT};
    struct assay_error err = {0};
    struct assay_context ctx;
    struct assay_evidence all;
    struct assay_evidence one;
    assay_dataset *ds = small_records(150, 1);
    assay_view *view = small_view(ds);
    assay_view *last;
    assay_model *m = small_model(1);
    uint32_t index = 149;

    assay_context_init(&ctx);
    CHECK_OK(assay_evidence_collect(&all, &ctx, m, view,
                                    ASSAY_EVIDENCE_EMBEDDING, &compute, "all",
                                    &err),
             err);
    CHECK_UINT_EQ(all.n, 150);
    CHECK_INT_EQ(all.embedding_dim, 128);
    CHECK_INT_EQ(all.label[149], 149 % SMALL_CLASSES);
    CHECK_UINT_EQ(all.record[149], 149);
    CHECK_OK(
        assay_view_new(&last, ds, &index, 1, assay_model_preprocess(m), &err),
        err);
    CHECK_OK(
        assay_evidence_collect(&one, &ctx, m, last, 0, &compute, "one", &err),
        err);
    CHECK_INT_EQ(one.embedding_dim, 0);
    CHECK_UINT_EQ(one.record[0], 149);
    CHECK_MEM_EQ(one.logits, all.logits + 149 * SMALL_CLASSES,
                 SMALL_CLASSES * sizeof(float));
    assay_evidence_release(&one);
    assay_evidence_release(&all);
    assay_view_free(last);
    assay_view_free(view);
    assay_model_free(m);
    assay_dataset_free(ds);
}

/* What `layer` of the model computes of 3 records, on that backend. */
static void collect_layer(struct assay_evidence *e, assay_model *m,
                          const char *layer, const char *backend)
{
    struct assay_compute compute = {.backend = backend,
                                    .threads = 1,
                                    .algorithms = ASSAY_ALGORITHMS_DIRECT};
    struct assay_error err = {0};
    struct assay_context ctx;
    assay_dataset *ds = small_records(3, 1);
    assay_view *view = small_view(ds);

    assay_context_init(&ctx);
    CHECK_OK(assay_model_choose_layer(m, layer, &err), err);
    CHECK_OK(assay_evidence_collect(e, &ctx, m, view, ASSAY_EVIDENCE_LAYER,
                                    &compute, "layer", &err),
             err);
    assay_view_free(view);
    assay_dataset_free(ds);
}

/* In the order of its shape. */
static void test_a_named_layer_is_kept_as_the_reference_has_it(void)
{
    static const struct {
        const char *name;
        int dim;
    } layers[] = {{"features.0", 32 * (SMALL_SIDE - 2) * (SMALL_SIDE - 2)},
                  {"classifier.0", 128},
                  {"embedding", 128}};
    assay_model *m = small_model(1);

    for (size_t k = 0; k < sizeof(layers) / sizeof(layers[0]); k++) {
        struct assay_evidence e;
        struct assay_evidence plain;

        collect_layer(&e, m, layers[k].name, NULL);
        collect_layer(&plain, m, layers[k].name, "reference");
        CHECK_INT_EQ(e.layer_dim, layers[k].dim);
        CHECK_INT_EQ(e.embedding_dim, 0);
        for (size_t i = 0; i < e.n * (size_t)e.layer_dim; i++)
            CHECK_NEAR((double)e.layer[i], (double)plain.layer[i], 1e-4);
        assay_evidence_release(&e);
        assay_evidence_release(&plain);
    }
    assay_model_free(m);
}

static size_t negatives(const struct assay_evidence *e)
{
    size_t n = 0;

    for (size_t i = 0; i < e->n * (size_t)e->layer_dim; i++)
        n += e->layer[i] < 0;
    return n;
}

/* What a layer with weights computes, not what ReLU leaves of it. */
static void test_a_named_layer_is_kept_before_its_activation(void)
{
    assay_model *m = small_model(1);
    struct assay_evidence first;
    struct assay_evidence hidden;
    struct assay_evidence embedding;

    collect_layer(&first, m, "features.0", NULL);
    collect_layer(&hidden, m, "classifier.0", NULL);
    collect_layer(&embedding, m, "embedding", NULL);
    CHECK(negatives(&first) > 0);
    CHECK(negatives(&hidden) > 0);
    CHECK_INT_EQ(embedding.layer_dim, hidden.layer_dim);
    for (size_t i = 0; i < hidden.n * (size_t)hidden.layer_dim; i++)
        CHECK_NEAR(embedding.layer[i], fmaxf(hidden.layer[i], 0), 1e-6);
    assay_evidence_release(&first);
    assay_evidence_release(&hidden);
    assay_evidence_release(&embedding);
    assay_model_free(m);
}

static void test_the_last_layer_gives_the_logits(void)
{
    assay_model *m = small_model(1);
    struct assay_evidence e;

    collect_layer(&e, m, "classifier.2", NULL);
    CHECK_INT_EQ(e.layer_dim, SMALL_CLASSES);
    CHECK_MEM_EQ(e.layer, e.logits, e.n * SMALL_CLASSES * sizeof(float));
    assay_evidence_release(&e);
    assay_model_free(m);
}

static void test_layers_go_through_files_and_selections(void)
{
    const uint32_t order[] = {2, 0};
    char path[512];
    assay_model *m = small_model(1);
    struct assay_error err = {0};
    struct assay_evidence e;
    struct assay_evidence part;
    struct assay_evidence both;
    struct assay_evidence back;

    collect_layer(&e, m, "classifier.0", NULL);
    CHECK_OK(assay_evidence_select(&part, &e, order, 2, &err), err);
    CHECK_MEM_EQ(part.layer, e.layer + 2 * 128, 128 * sizeof(float));
    CHECK_OK(assay_evidence_join(&both, &part, &e, &err), err);
    CHECK_MEM_EQ(both.layer + 2 * 128, e.layer, 128 * sizeof(float));
    assay_evidence_release(&both);
    snprintf(path, sizeof(path), "%s/layer.safetensors", check_temp_dir());
    CHECK_OK(assay_evidence_write(&e, path, &err), err);
    CHECK_OK(assay_evidence_read(&back, path, &err), err);
    CHECK_INT_EQ(back.layer_dim, 128);
    CHECK_MEM_EQ(back.layer, e.layer, 3 * 128 * sizeof(float));
    part.layer_dim = 64;
    CHECK_FAILS(assay_evidence_join(&both, &part, &e, &err), ASSAY_SHAPE, err);
    CHECK_STR_HAS(err.msg, "layer 64");
    assay_evidence_release(&back);
    assay_evidence_release(&part);
    assay_evidence_release(&e);
    assay_model_free(m);
}

static void test_an_unknown_layer_is_told_with_those_there_are(void)
{
    assay_model *m = small_model(1);
    struct assay_error err = {0};

    CHECK_FAILS(assay_model_choose_layer(m, "conv9", &err), ASSAY_ARG, err);
    CHECK_STR_HAS(err.msg, "no layer \"conv9\"; there are features.0, "
                           "features.3, classifier.0, classifier.2");
    CHECK_FAILS(assay_model_choose_layer(m, "input", &err), ASSAY_ARG, err);
    CHECK_FAILS(assay_model_choose_layer(m, "features.0.weight", &err),
                ASSAY_ARG, err);
    assay_model_free(m);
}

static void test_labels_and_logits_out_of_range_are_refused(void)
{
    struct assay_compute compute = {.threads = 1};
    struct assay_model_spec spec = small_spec();
    struct assay_error err = {0};
    struct assay_context ctx;
    struct assay_evidence e;
    assay_dataset *ds = small_records(6, 1);
    assay_view *view = small_view(ds);
    assay_model *m = NULL;
    struct assay_params *p;

    assay_context_init(&ctx);
    spec.n_classes = 2;
    CHECK_OK(assay_model_new(&m, &spec, 1, &err), err);
    CHECK_FAILS(
        assay_evidence_collect(&e, &ctx, m, view, 0, &compute, "t", &err),
        ASSAY_DATA, err);
    CHECK_STR_HAS(err.msg, "record 2 has label 2");
    assay_model_free(m);
    m = small_model(1);
    p = assay_model_params(m);
    for (size_t i = 0; i < p->size; i++)
        p->data[i] *= 3e38f;
    CHECK_FAILS(
        assay_evidence_collect(&e, &ctx, m, view, 0, &compute, "t", &err),
        ASSAY_NUMERIC, err);
    CHECK_STR_HAS(err.msg, "of record 0 is not finite");
    assay_model_free(m);
    assay_view_free(view);
    assay_dataset_free(ds);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_log_probability_matches_hand_values),
    CHECK_TEST(test_scaled_confidence_matches_hand_values),
    CHECK_TEST(test_scaled_confidence_keeps_digits_of_sure_models),
    CHECK_TEST(test_probabilities_match_hand_values),
    CHECK_TEST(test_accuracy_counts_ties_for_the_lowest_class),
    CHECK_TEST(test_written_evidence_is_read_back),
    CHECK_TEST(test_probabilities_become_their_logarithms),
    CHECK_TEST(test_npz_is_imported_too),
    CHECK_TEST(test_unusable_numbers_are_told_by_place),
    CHECK_TEST(test_embedding_must_be_finite),
    CHECK_TEST(test_embedding_has_a_width_in_bounds),
    CHECK_TEST(test_wrong_shapes_are_told_by_array),
    CHECK_TEST(test_rows_of_other_arrays_must_match),
    CHECK_TEST(test_queries_must_fit_the_logits),
    CHECK_TEST(test_altered_copies_are_moved_and_mirrored),
    CHECK_TEST(test_queries_are_answers_on_altered_copies),
    CHECK_TEST(test_collected_evidence_is_of_each_record),
    CHECK_TEST(test_a_named_layer_is_kept_as_the_reference_has_it),
    CHECK_TEST(test_a_named_layer_is_kept_before_its_activation),
    CHECK_TEST(test_the_last_layer_gives_the_logits),
    CHECK_TEST(test_layers_go_through_files_and_selections),
    CHECK_TEST(test_an_unknown_layer_is_told_with_those_there_are),
    CHECK_TEST(test_labels_and_logits_out_of_range_are_refused),
};

CHECK_MAIN(tests)
