/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Building graphs: ids, names, shapes, errors that stick, copies, counts.
 */

#include "assay/graph.h"

#include "engine/graph.h"
#include "tiny_net.h"

static assay_graph *new_graph(void)
{
    struct assay_error err = {0};
    assay_graph *g;

    CHECK_OK(assay_graph_new(&g, &err), err);
    return g;
}

static assay_value rows(assay_graph *g, const char *name, int64_t width)
{
    struct assay_shape s = assay_shape_make(2, (int64_t)ASSAY_BATCH, width);

    return assay_graph_input(g, name, &s);
}

static void test_values_are_found_by_name(void)
{
    struct tiny_net t;

    tiny_net_make(&t, 0.0);
    CHECK_INT_EQ(assay_graph_find(t.graph, "x"), t.x);
    CHECK_INT_EQ(assay_graph_find(t.graph, "hidden"), t.hidden);
    CHECK_STR_EQ(assay_graph_value_name(t.graph, t.hidden), "hidden");
    CHECK_INT_EQ(assay_graph_find(t.graph, "nobody"), ASSAY_NO_VALUE);
    CHECK(assay_graph_value_name(t.graph, t.logits) == NULL);
    CHECK_INT_EQ(assay_graph_n_inputs(t.graph), 2);
    CHECK_INT_EQ(assay_graph_input_at(t.graph, 1), t.labels);
    CHECK_INT_EQ(assay_graph_input_at(t.graph, 2), ASSAY_NO_VALUE);
    CHECK_INT_EQ(assay_graph_n_params(t.graph), 4);
    CHECK_STR_EQ(
        assay_graph_value_name(t.graph, assay_graph_param_at(t.graph, 0)),
        "fc1.weight");
    CHECK_UINT_EQ(
        assay_graph_param_flags(t.graph, assay_graph_param_at(t.graph, 0)),
        ASSAY_PARAM_TRAINABLE);
    CHECK_UINT_EQ(assay_graph_param_flags(t.graph, t.x), 0);
    assay_graph_free(t.graph);
}

static void test_shapes_follow_from_inputs(void)
{
    struct tiny_net t;
    struct assay_shape want =
        assay_shape_make(2, (int64_t)ASSAY_BATCH, (int64_t)TINY_CLASSES);

    tiny_net_make(&t, 0.0);
    CHECK(assay_shape_equal(assay_graph_shape(t.graph, t.logits), &want));
    CHECK_INT_EQ(assay_graph_shape(t.graph, t.loss)->rank, 0);
    CHECK_INT_EQ(assay_graph_shape(t.graph, 1000)->rank, 0);
    CHECK_INT_EQ(assay_graph_shape(t.graph, -7)->rank, 0);
    assay_graph_free(t.graph);
}

static void test_first_error_sticks(void)
{
    assay_graph *g = new_graph();
    struct assay_error err = {0};
    assay_value x = rows(g, "x", 4);

    CHECK_INT_EQ(assay_graph_node(g, "frobnicate", &x, 1, NULL),
                 ASSAY_NO_VALUE);
    CHECK_INT_EQ(rows(g, "y", 4), ASSAY_NO_VALUE);
    CHECK_INT_EQ(assay_op_relu(g, x), ASSAY_NO_VALUE);
    assay_graph_fail(g, ASSAY_SHAPE, "a later one");
    CHECK_FAILS(assay_graph_check(g, &err), ASSAY_UNSUPPORTED, err);
    CHECK_STR_HAS(err.msg, "frobnicate");
    assay_graph_free(g);
}

static void test_second_name_is_refused(void)
{
    struct assay_init zero = {ASSAY_INIT_ZERO, 0.0, 0.0};
    struct assay_shape s = assay_shape_make(1, (int64_t)3);
    struct assay_error err = {0};
    assay_graph *g = new_graph();

    CHECK(assay_graph_param(g, "w", &s, zero, 0) >= 0);
    CHECK_INT_EQ(assay_graph_param(g, "w", &s, zero, 0), ASSAY_NO_VALUE);
    CHECK_FAILS(assay_graph_check(g, &err), ASSAY_ARG, err);
    CHECK_STR_HAS(err.msg, "'w'");
    assay_graph_free(g);
}

static void test_bad_shapes_are_refused(void)
{
    static const struct {
        struct assay_shape shape;
        int code;
    } cases[] = {
        {{2, {ASSAY_BATCH, 0}}, ASSAY_SHAPE},
        {{2, {4, ASSAY_BATCH}}, ASSAY_SHAPE},
        {{ASSAY_RANK_MAX + 1, {1}}, ASSAY_SHAPE},
        {{-1, {1}}, ASSAY_SHAPE},
        {{3, {ASSAY_BATCH, 1 << 30, 1 << 30}}, ASSAY_LIMIT},
        {{2, {INT64_MAX, INT64_MAX}}, ASSAY_LIMIT},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assay_graph *g = new_graph();
        struct assay_error err = {0};

        CHECK_INT_EQ(assay_graph_input(g, "x", &cases[i].shape),
                     ASSAY_NO_VALUE);
        CHECK_FAILS(assay_graph_check(g, &err), cases[i].code, err);
        CHECK_STR_HAS(err.msg, "x");
        assay_graph_free(g);
    }
}

static void test_parameter_has_no_batch(void)
{
    struct assay_init zero = {ASSAY_INIT_ZERO, 0.0, 0.0};
    struct assay_shape s =
        assay_shape_make(2, (int64_t)ASSAY_BATCH, (int64_t)3);
    struct assay_error err = {0};
    assay_graph *g = new_graph();

    CHECK_INT_EQ(assay_graph_param(g, "w", &s, zero, 0), ASSAY_NO_VALUE);
    CHECK_FAILS(assay_graph_check(g, &err), ASSAY_SHAPE, err);
    assay_graph_free(g);
}

static void test_wrong_inputs_are_refused(void)
{
    struct assay_error err = {0};
    assay_graph *g = new_graph();
    assay_value pair[3] = {0, 99, 0};

    pair[0] = rows(g, "x", 4);
    CHECK_INT_EQ(assay_graph_node(g, "add", pair, 2, NULL), ASSAY_NO_VALUE);
    CHECK_FAILS(assay_graph_check(g, &err), ASSAY_ARG, err);
    CHECK_STR_HAS(err.msg, "99");
    assay_graph_free(g);

    g = new_graph();
    pair[0] = pair[1] = pair[2] = rows(g, "x", 4);
    CHECK_INT_EQ(assay_graph_node(g, "add", pair, 3, NULL), ASSAY_NO_VALUE);
    CHECK_FAILS(assay_graph_check(g, &err), ASSAY_ARG, err);
    assay_graph_free(g);

    g = new_graph();
    pair[0] = rows(g, "x", 4);
    pair[1] = rows(g, "y", 5);
    CHECK_INT_EQ(assay_graph_node(g, "add", pair, 2, NULL), ASSAY_NO_VALUE);
    CHECK_FAILS(assay_graph_check(g, &err), ASSAY_SHAPE, err);
    assay_graph_free(g);
}

static void test_naming_twice_is_refused(void)
{
    struct assay_error err = {0};
    assay_graph *g = new_graph();
    assay_value x = rows(g, "x", 4);

    assay_graph_name(g, x, "z");
    CHECK_FAILS(assay_graph_check(g, &err), ASSAY_ARG, err);
    CHECK_STR_HAS(err.msg, "'x'");
    assay_graph_free(g);
}

static void test_clone_is_equal_and_apart(void)
{
    struct tiny_net t;
    struct assay_error err = {0};
    assay_graph *copy;
    assay_value more;

    tiny_net_make(&t, 0.5);
    CHECK_OK(assay_graph_clone(&copy, t.graph, &err), err);
    CHECK_UINT_EQ(assay__graph_hash(copy), assay__graph_hash(t.graph));
    CHECK_INT_EQ(assay_graph_find(copy, "hidden"), t.hidden);
    CHECK_INT_EQ(assay_graph_n_params(copy), 4);
    more = assay_op_relu(copy, t.logits);
    CHECK_INT_EQ(more, t.graph->n_values);
    CHECK(assay__graph_hash(copy) != assay__graph_hash(t.graph));
    assay_graph_free(t.graph);
    CHECK_STR_EQ(assay_graph_value_name(copy, t.x), "x");
    assay_graph_free(copy);
}

static void test_appended_graphs_share_by_prefix(void)
{
    struct assay_error err = {0};
    assay_graph *g = new_graph();
    assay_value in[2] = {rows(g, "a", TINY_FEATURES), ASSAY_NO_VALUE};
    struct assay_shape each = assay_shape_make(1, (int64_t)ASSAY_BATCH);
    assay_value wanted[2];
    struct tiny_net t;

    tiny_net_make(&t, 0.25);
    in[1] = assay_graph_input(g, "l", &each);
    wanted[0] = t.logits;
    wanted[1] = t.loss;
    CHECK_OK(assay_graph_append(g, t.graph, "one.", in, wanted, 2, &err), err);
    CHECK_INT_EQ(assay_graph_n_params(g), 4);
    CHECK_INT_EQ(assay_graph_shape(g, wanted[0])->dim[1], TINY_CLASSES);
    CHECK_INT_EQ(assay_graph_shape(g, wanted[1])->rank, 0);
    CHECK(assay_graph_find(g, "one.fc1.weight") != ASSAY_NO_VALUE);
    CHECK_NEAR(assay_graph_flops(g, wanted[1]),
               assay_graph_flops(t.graph, t.loss), 0.0);

    wanted[0] = t.graph->n_values;
    CHECK_OK(assay_graph_append(g, t.graph, "one.", in, wanted, 1, &err), err);
    CHECK_INT_EQ(wanted[0], ASSAY_NO_VALUE);
    CHECK_INT_EQ(assay_graph_n_params(g), 4);
    CHECK_OK(assay_graph_append(g, t.graph, "two.", in, NULL, 0, &err), err);
    CHECK_INT_EQ(assay_graph_n_params(g), 8);

    assay_graph_name(g, in[0], "three.fc1.weight");
    CHECK_FAILS(assay_graph_check(g, &err), ASSAY_ARG, err);
    assay_graph_free(g);
    assay_graph_free(t.graph);
}

static void test_appending_to_another_thing_is_refused(void)
{
    struct assay_error err = {0};
    assay_graph *g = new_graph();
    struct assay_shape each = assay_shape_make(1, (int64_t)ASSAY_BATCH);
    assay_value in[2];
    struct tiny_net t;

    tiny_net_make(&t, 0.0);
    in[0] = rows(g, "z.fc1.weight", TINY_FEATURES);
    in[1] = assay_graph_input(g, "l", &each);
    CHECK_FAILS(assay_graph_append(g, t.graph, "z.", in, NULL, 0, &err),
                ASSAY_SHAPE, err);
    CHECK_STR_HAS(err.msg, "z.fc1.weight");
    assay_graph_free(g);

    g = new_graph();
    in[0] = rows(g, "a", TINY_FEATURES + 1);
    in[1] = assay_graph_input(g, "l", &each);
    CHECK_FAILS(assay_graph_append(g, t.graph, "", in, NULL, 0, &err),
                ASSAY_SHAPE, err);
    assay_graph_free(g);
    assay_graph_free(t.graph);
}

static assay_value put_input(void *user, assay_graph *g, assay_value original)
{
    assay_value *put = user;
    struct assay_shape shape = *assay_graph_shape(g, original);

    *put = assay_graph_input(g, "in the middle", &shape);
    return *put;
}

static assay_value put_other_shape(void *user, assay_graph *g,
                                   assay_value original)
{
    (void)user;
    (void)original;
    return assay_graph_find(g, "l");
}

/* Behind a splice nothing depends on what is before it. */
static void test_a_graph_can_start_in_its_middle(void)
{
    struct assay_error err = {0};
    assay_graph *g = new_graph();
    assay_value in[2] = {rows(g, "a", TINY_FEATURES), ASSAY_NO_VALUE};
    struct assay_shape each = assay_shape_make(1, (int64_t)ASSAY_BATCH);
    assay_value put = ASSAY_NO_VALUE;
    struct assay_splice splice = {ASSAY_NO_VALUE, put_input, &put};
    assay_value wanted[2];
    assay_value wrt[2];
    assay_value d[2];
    struct tiny_net t;

    tiny_net_make(&t, 0);
    in[1] = assay_graph_input(g, "l", &each);
    splice.at = wanted[1] = t.hidden;
    wanted[0] = t.loss;
    CHECK_OK(
        assay_graph_append_spliced(g, t.graph, in, &splice, wanted, 2, &err),
        err);
    CHECK(put != ASSAY_NO_VALUE);
    CHECK_INT_EQ(wanted[1], put);
    wrt[0] = in[0];
    wrt[1] = put;
    CHECK_OK(assay_differentiate(g, wanted[0], wrt, 2, d, &err), err);
    CHECK_INT_EQ(d[0], ASSAY_NO_VALUE);
    CHECK(d[1] != ASSAY_NO_VALUE);
    assay_graph_free(g);

    g = new_graph();
    in[0] = rows(g, "a", TINY_FEATURES);
    in[1] = assay_graph_input(g, "l", &each);
    splice.replace = put_other_shape;
    CHECK_FAILS(
        assay_graph_append_spliced(g, t.graph, in, &splice, NULL, 0, &err),
        ASSAY_SHAPE, err);
    assay_graph_free(g);
    assay_graph_free(t.graph);
}

static void test_hash_sees_attributes(void)
{
    struct tiny_net a;
    struct tiny_net b;

    tiny_net_make(&a, 0.25);
    tiny_net_make(&b, 0.5);
    CHECK(assay__graph_hash(a.graph) != assay__graph_hash(b.graph));
    assay_graph_free(a.graph);
    assay_graph_free(b.graph);
}

static void test_flops_count_what_leads_there(void)
{
    struct tiny_net t;
    double first = 2.0 * TINY_FEATURES * TINY_HIDDEN;
    double second = 2.0 * TINY_HIDDEN * TINY_CLASSES;

    tiny_net_make(&t, 0.0);
    CHECK_NEAR(assay_graph_flops(t.graph, t.hidden), first, 0.0);
    CHECK_NEAR(assay_graph_flops(t.graph, t.loss), first + second, 0.0);
    CHECK_NEAR(assay_graph_flops(t.graph, t.x), 0.0, 0.0);
    CHECK_NEAR(assay_graph_flops(t.graph, ASSAY_NO_VALUE), 0.0, 0.0);
    assay_graph_free(t.graph);
}

static void test_free_takes_null(void)
{
    assay_graph_free(NULL);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_values_are_found_by_name),
    CHECK_TEST(test_shapes_follow_from_inputs),
    CHECK_TEST(test_first_error_sticks),
    CHECK_TEST(test_second_name_is_refused),
    CHECK_TEST(test_bad_shapes_are_refused),
    CHECK_TEST(test_parameter_has_no_batch),
    CHECK_TEST(test_wrong_inputs_are_refused),
    CHECK_TEST(test_naming_twice_is_refused),
    CHECK_TEST(test_clone_is_equal_and_apart),
    CHECK_TEST(test_appended_graphs_share_by_prefix),
    CHECK_TEST(test_appending_to_another_thing_is_refused),
    CHECK_TEST(test_a_graph_can_start_in_its_middle),
    CHECK_TEST(test_hash_sees_attributes),
    CHECK_TEST(test_flops_count_what_leads_there),
    CHECK_TEST(test_free_takes_null),
};

CHECK_MAIN(tests)
