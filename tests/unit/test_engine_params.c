/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Host parameters: the table, initial values, and tensor lists.
 */

#include "assay/params.h"

#include <math.h>

#include "tiny_net.h"

enum { MANY = 20000 };

/* A graph of one parameter of the given rule. */
static void one_param(assay_graph **g, const struct assay_shape *shape,
                      struct assay_init init)
{
    struct assay_error err = {0};

    CHECK_OK(assay_graph_new(g, &err), err);
    assay_graph_param(*g, "w", shape, init, ASSAY_PARAM_TRAINABLE);
    CHECK_OK(assay_graph_check(*g, &err), err);
}

static void test_table_follows_the_graph(void)
{
    struct tiny_net t;
    struct assay_error err = {0};
    struct assay_params p;

    tiny_net_make(&t, 0.0);
    CHECK_OK(assay_params_make(&p, t.graph, &err), err);
    CHECK_INT_EQ(p.n_slots, 4);
    CHECK_STR_EQ(p.slot[0].name, "fc1.weight");
    CHECK_UINT_EQ(p.slot[0].count, TINY_FEATURES * TINY_HIDDEN);
    CHECK_UINT_EQ(p.slot[1].offset, 32); /* 20 padded to 32 */
    CHECK_UINT_EQ(p.slot[2].offset, 48);
    CHECK_UINT_EQ(p.size, 48 + 16 + 16);
    CHECK_UINT_EQ((uintptr_t)p.data % 64, 0);
    CHECK(assay_params_find(&p, "fc2.bias") == &p.slot[3]);
    CHECK(assay_params_find(&p, "fc3.bias") == NULL);
    for (size_t i = 0; i < p.size; i++)
        CHECK(p.data[i] == 0.0f);
    assay_params_release(&p);
    CHECK(p.data == NULL);
    assay_params_release(&p);
    assay_graph_free(t.graph);
}

/* Mean, variance and largest size of what a rule draws. */
static void check_rule(struct assay_init init, double mean, double variance,
                       double bound)
{
    struct assay_shape s = assay_shape_make(4, (int64_t)MANY / 100, (int64_t)4,
                                            (int64_t)5, (int64_t)5);
    struct assay_error err = {0};
    struct assay_params p;
    assay_graph *g;
    double sum = 0.0;
    double squares = 0.0;

    one_param(&g, &s, init);
    CHECK_OK(assay_params_make(&p, g, &err), err);
    CHECK_OK(assay_params_init(&p, g, 9, &err), err);
    for (size_t i = 0; i < p.slot[0].count; i++) {
        double x = (double)p.data[i];

        sum += x;
        squares += x * x;
        CHECK(fabs(x) <= bound);
    }
    sum /= MANY;
    squares = squares / MANY - sum * sum;
    CHECK_NEAR(sum, mean, 5.0 * sqrt(variance / MANY) + 1e-7);
    CHECK_NEAR(squares, variance, 0.05 * variance + 1e-7);
    assay_params_release(&p);
    assay_graph_free(g);
}

/* The shape is [200, 4, 5, 5]: fan in 100, fan out 5000. */
static void test_rules_have_their_moments(void)
{
    struct assay_init init = {ASSAY_INIT_ZERO, 0.0, 0.0};
    double k;

    check_rule(init, 0.0, 0.0, 0.0);
    init.rule = ASSAY_INIT_ONE;
    check_rule(init, 1.0, 0.0, 1.0);
    init.rule = ASSAY_INIT_CONST;
    init.a = -0.25;
    check_rule(init, -0.25, 0.0, 0.25);
    init.rule = ASSAY_INIT_UNIFORM;
    init.a = 0.5;
    check_rule(init, 0.0, 0.25 / 3.0, 0.5);
    init.rule = ASSAY_INIT_NORMAL;
    init.a = 2.0;
    init.b = 1.0;
    check_rule(init, 1.0, 4.0, 100.0);
    init.rule = ASSAY_INIT_KAIMING_UNIFORM;
    init.a = sqrt(5.0);
    k = sqrt(6.0 / (6.0 * 100.0));
    check_rule(init, 0.0, k * k / 3.0, k + 1e-9);
    init.rule = ASSAY_INIT_KAIMING_FAN_OUT;
    check_rule(init, 0.0, 2.0 / 5000.0, 1.0);
    init.rule = ASSAY_INIT_XAVIER_NORMAL;
    check_rule(init, 0.0, 2.0 / 5100.0, 1.0);
}

static void test_fan_rule_needs_two_dimensions(void)
{
    struct assay_shape s = assay_shape_make(1, (int64_t)4);
    struct assay_init init = {ASSAY_INIT_XAVIER_NORMAL, 0.0, 0.0};
    struct assay_error err = {0};
    struct assay_params p;
    assay_graph *g;

    one_param(&g, &s, init);
    CHECK_OK(assay_params_make(&p, g, &err), err);
    CHECK_FAILS(assay_params_init(&p, g, 1, &err), ASSAY_SHAPE, err);
    CHECK_STR_HAS(err.msg, "'w'");
    assay_params_release(&p);
    assay_graph_free(g);
}

static void test_values_depend_on_seed_and_slot(void)
{
    struct tiny_net t;
    struct assay_error err = {0};
    struct assay_params p;
    struct assay_params q;

    tiny_net_make(&t, 0.0);
    CHECK_OK(assay_params_make(&p, t.graph, &err), err);
    CHECK_OK(assay_params_make(&q, t.graph, &err), err);
    CHECK_OK(assay_params_init(&p, t.graph, 1, &err), err);
    CHECK_OK(assay_params_init(&q, t.graph, 1, &err), err);
    CHECK_MEM_EQ(p.data, q.data, p.size * sizeof(float));
    CHECK(p.data[p.slot[0].offset] != p.data[p.slot[2].offset]);
    CHECK_OK(assay_params_init(&q, t.graph, 2, &err), err);
    CHECK(memcmp(p.data, q.data, p.size * sizeof(float)) != 0);
    CHECK_OK(assay_params_copy(&q, &p, &err), err);
    CHECK_MEM_EQ(q.data, p.data, p.size * sizeof(float));
    assay_params_release(&p);
    assay_params_release(&q);
    assay_graph_free(t.graph);
}

static void test_other_tables_are_refused(void)
{
    struct assay_shape s = assay_shape_make(2, (int64_t)4, (int64_t)4);
    struct assay_init zero = {ASSAY_INIT_ZERO, 0.0, 0.0};
    struct tiny_net t;
    struct assay_error err = {0};
    struct assay_params p;
    struct assay_params q;
    assay_graph *g;

    tiny_net_make(&t, 0.0);
    one_param(&g, &s, zero);
    CHECK_OK(assay_params_make(&p, t.graph, &err), err);
    CHECK_OK(assay_params_make(&q, g, &err), err);
    CHECK_FAILS(assay_params_copy(&p, &q, &err), ASSAY_ARG, err);
    CHECK_FAILS(assay_params_init(&p, g, 1, &err), ASSAY_ARG, err);
    assay_params_release(&p);
    assay_params_release(&q);
    assay_graph_free(g);
    assay_graph_free(t.graph);
}

static void test_tensors_carry_all_slots(void)
{
    struct tiny_net t;
    struct assay_error err = {0};
    struct assay_tensors list;
    struct assay_params p;
    struct assay_params q;

    tiny_net_make(&t, 0.0);
    assay_tensors_init(&list);
    CHECK_OK(assay_params_make(&p, t.graph, &err), err);
    CHECK_OK(assay_params_make(&q, t.graph, &err), err);
    CHECK_OK(assay_params_init(&p, t.graph, 1, &err), err);
    CHECK_OK(assay_params_to_tensors(&p, "model.", &list, &err), err);
    CHECK_UINT_EQ(list.n_items, 4);
    CHECK_STR_EQ(list.item[1].name, "model.fc1.bias");
    CHECK_FAILS(assay_params_from_tensors(&q, "", &list, &err), ASSAY_FORMAT,
                err);
    CHECK_STR_HAS(err.msg, "'fc1.weight'");
    CHECK_OK(assay_params_from_tensors(&q, "model.", &list, &err), err);
    CHECK_MEM_EQ(q.data, p.data, p.size * sizeof(float));
    assay_tensors_release(&list);
    assay_params_release(&p);
    assay_params_release(&q);
    assay_graph_free(t.graph);
}

/* One tensor of two elements in `dtype`, for the parameter w [2]. */
static int from_one(enum assay_dtype dtype, const void *data, float out[2],
                    struct assay_error *err)
{
    struct assay_shape s = assay_shape_make(1, (int64_t)2);
    struct assay_init zero = {ASSAY_INIT_ZERO, 0.0, 0.0};
    struct assay_tensors list;
    struct assay_tensor *item;
    struct assay_params p;
    assay_graph *g;
    int code;

    one_param(&g, &s, zero);
    assay_tensors_init(&list);
    CHECK_OK(assay_params_make(&p, g, err), *err);
    CHECK_OK(assay_tensors_add(&list, "w", dtype, &s, &item, err), *err);
    memcpy(item->data, data, 2 * assay_dtype_size(dtype));
    code = assay_params_from_tensors(&p, "", &list, err);
    memcpy(out, p.data, 2 * sizeof(float));
    assay_tensors_release(&list);
    assay_params_release(&p);
    assay_graph_free(g);
    return code;
}

static void test_other_types_are_converted(void)
{
    const double wide[2] = {0.5, -2.0};
    const uint16_t half[2] = {0x3800, 0xc000};  /* .5, -2 */
    const uint16_t brain[2] = {0x3f00, 0xc000}; /* .5, -2 */
    struct assay_error err = {0};
    float got[2];

    CHECK_OK(from_one(ASSAY_DTYPE_F64, wide, got, &err), err);
    CHECK(got[0] == 0.5f && got[1] == -2.0f);
    CHECK_OK(from_one(ASSAY_DTYPE_F16, half, got, &err), err);
    CHECK(got[0] == 0.5f && got[1] == -2.0f);
    CHECK_OK(from_one(ASSAY_DTYPE_BF16, brain, got, &err), err);
    CHECK(got[0] == 0.5f && got[1] == -2.0f);
}

static void test_unusable_numbers_are_refused(void)
{
    const float not_a_number[2] = {1.0f, NAN};
    const double too_large[2] = {1e300, 0.0};
    struct assay_error err = {0};
    float got[2];

    CHECK_FAILS(from_one(ASSAY_DTYPE_F32, not_a_number, got, &err),
                ASSAY_NUMERIC, err);
    CHECK_STR_HAS(err.msg, "element 1");
    CHECK(got[0] == 0.0f);
    CHECK_FAILS(from_one(ASSAY_DTYPE_F64, too_large, got, &err), ASSAY_NUMERIC,
                err);
}

static void test_shape_is_compared(void)
{
    struct assay_shape s = assay_shape_make(2, (int64_t)2, (int64_t)3);
    struct assay_shape turned = assay_shape_make(2, (int64_t)3, (int64_t)2);
    struct assay_init zero = {ASSAY_INIT_ZERO, 0.0, 0.0};
    struct assay_error err = {0};
    struct assay_tensors list;
    struct assay_params p;
    assay_graph *g;

    one_param(&g, &s, zero);
    assay_tensors_init(&list);
    CHECK_OK(assay_params_make(&p, g, &err), err);
    CHECK_OK(
        assay_tensors_add(&list, "w", ASSAY_DTYPE_F32, &turned, NULL, &err),
        err);
    CHECK_FAILS(assay_params_from_tensors(&p, "", &list, &err), ASSAY_SHAPE,
                err);
    CHECK_STR_HAS(err.msg, "[3, 2]");
    assay_tensors_release(&list);
    assay_params_release(&p);
    assay_graph_free(g);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_table_follows_the_graph),
    CHECK_TEST(test_rules_have_their_moments),
    CHECK_TEST(test_fan_rule_needs_two_dimensions),
    CHECK_TEST(test_values_depend_on_seed_and_slot),
    CHECK_TEST(test_other_tables_are_refused),
    CHECK_TEST(test_tensors_carry_all_slots),
    CHECK_TEST(test_other_types_are_converted),
    CHECK_TEST(test_unusable_numbers_are_refused),
    CHECK_TEST(test_shape_is_compared),
};

CHECK_MAIN(tests)
