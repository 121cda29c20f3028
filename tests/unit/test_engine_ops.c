/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every row of ops.def, from its own table of cases: the shapes it accepts
 * and refuses, and its derivative against a 4-point central difference,
 *   f'(x) ~ (f(x-2h) - 8 f(x-h) + 8 f(x+h) - f(x+2h)) / 12h,
 * in the reference backend, in both modes: along single elements of each
 * input and along one random direction through all of them. A new op is
 * tested by having a row; an op without cases fails.
 */

#include "op_case.h"

static const double step = 1e-4;
enum { ELEMENTS = 16 };

static const char *mode_name(enum assay_mode mode)
{
    return mode == ASSAY_MODE_TRAIN ? "training" : "evaluation";
}

/* A plan of the loss and all gradients. */
static assay_plan *loss_plan(const struct op_case *t, enum assay_mode mode)
{
    struct assay_plan_options options = {.backend = "reference"};
    struct assay_error err = {0, ""};
    assay_value read[1 + OP_CASE_INPUTS];
    assay_plan *plan = NULL;
    int i;

    read[0] = t->loss;
    for (i = 0; i < t->n_wrt; i++)
        read[1 + i] = t->d[i];
    options.batch = t->batch;
    options.mode = mode;
    options.threads = 1;
    options.outputs = read;
    options.n_outputs = 1 + t->n_wrt;
    CHECK_OK(assay_plan_new(&plan, t->g, &options, &err), err);
    return plan;
}

static double loss_at(const struct op_case *t, assay_plan *plan)
{
    struct assay_error err = {0, ""};
    double loss = 0.0;

    op_case_write(t, plan);
    CHECK_OK(assay_plan_run(plan, &err), err);
    CHECK_OK(assay_plan_read_f64(plan, t->loss, &loss, &err), err);
    return loss;
}

/* The slope of the loss where input `k` moves along `way`. */
static double slope(struct op_case *t, assay_plan *plan, int k,
                    const double *way)
{
    static const double at[4] = {-2.0, -1.0, 1.0, 2.0};
    static const double weight[4] = {1.0, -8.0, 8.0, -1.0};
    struct op_case_feed *f = &t->feed[k];
    double sum = 0.0;
    double *kept = calloc(f->count, sizeof *kept);
    size_t e;
    int i;

    CHECK(kept != NULL);
    memcpy(kept, f->data, f->count * sizeof *kept);
    for (i = 0; i < 4; i++) {
        for (e = 0; e < f->count; e++)
            f->data[e] = kept[e] + at[i] * step * way[e];
        sum += weight[i] * loss_at(t, plan);
    }
    memcpy(f->data, kept, f->count * sizeof *kept);
    free(kept);
    return sum / (12.0 * step);
}

static void expect_slope(struct op_case *t, assay_plan *plan,
                         enum assay_mode mode, int k, const double *way,
                         const double *gradient)
{
    double want = slope(t, plan, k, way);
    double got = 0.0;
    double size = 1e-2;
    size_t e;

    for (e = 0; e < t->feed[k].count; e++) {
        got += way[e] * gradient[e];
        size += fabs(way[e] * gradient[e]);
    }
    if (fabs(got - want) <= 1e-7 * size)
        return;
    printf("%s, case '%s', %s: derivative by input %d is %.12g, "
           "differences give %.12g\n",
           t->op->name, t->with->label, mode_name(mode), k, got, want);
    FAIL("a derivative is wrong");
}

static void check_gradient(struct op_case *t, enum assay_mode mode)
{
    assay_plan *plan = loss_plan(t, mode);
    struct assay_error err = {0, ""};
    struct assay_rng rng;
    int i;

    assay_rng_init(&rng, 5, "way", 0);
    loss_at(t, plan);
    for (i = 0; i < t->n_wrt; i++) {
        size_t count = t->feed[t->input[i]].count;
        double *gradient = calloc(count, sizeof *gradient);
        double *way = calloc(count, sizeof *way);
        size_t e;

        CHECK(gradient != NULL && way != NULL);
        CHECK(t->d[i] != ASSAY_NO_VALUE);
        loss_at(t, plan);
        CHECK_OK(assay_plan_read_f64(plan, t->d[i], gradient, &err), err);
        for (e = 0; e < count; e += 1 + count / ELEMENTS) {
            way[e] = 1.0;
            expect_slope(t, plan, mode, t->input[i], way, gradient);
            way[e] = 0.0;
        }
        for (e = 0; e < count; e++)
            way[e] = 2.0 * assay_rng_uniform(&rng) - 1.0;
        expect_slope(t, plan, mode, t->input[i], way, gradient);
        free(gradient);
        free(way);
    }
    assay_plan_free(plan);
}

static void check_gradients(const struct assay_op *op)
{
    const struct assay__op_case *c;

    for (c = op->cases; c->label != NULL; c++) {
        struct op_case t;

        op_case_open(&t, op, c, OP_CASE_LOSS);
        check_gradient(&t, ASSAY_MODE_EVAL);
        check_gradient(&t, ASSAY_MODE_TRAIN);
        op_case_close(&t);
    }
}

/* What a refusal must be: a code for shapes, a message that names the op. */
static void expect_refusal(const struct assay_op *op, int code,
                           const struct assay_error *err)
{
    CHECK(code == ASSAY_SHAPE || code == ASSAY_LIMIT);
    CHECK(strncmp(err->msg, op->name, strlen(op->name)) == 0);
}

/* Grow each dimension of each input: refused, or accepted with sane
 * outputs. A rank that no op takes is always refused with care. */
static void check_shapes(const struct assay_op *op,
                         const struct assay__op_case *c)
{
    struct assay_shape in[OP_CASE_INPUTS];
    struct assay_shape out[ASSAY__OP_OUTPUTS_MAX];
    int refused = 0;
    int code;
    int i;
    int d;

    memcpy(in, c->in, sizeof in);
    for (i = 0; i < c->n_in; i++) {
        for (d = 0; d < c->in[i].rank; d++) {
            struct assay_error err = {0, ""};

            in[i].dim[d] += 1;
            code = op->shape(&c->attrs, c->n_in, in, out, &err);
            in[i] = c->in[i];
            if (code != ASSAY_OK) {
                expect_refusal(op, code, &err);
                refused++;
                continue;
            }
            CHECK(out[0].rank >= 0 && out[0].rank <= ASSAY_RANK_MAX);
        }
    }
    if (c->n_in > 1 && c->in[0].rank > 0)
        CHECK(refused > 0);
}

static void check_row(const struct assay_op *op)
{
    const struct assay__op_case *c;
    struct assay_shape out[ASSAY__OP_OUTPUTS_MAX];
    struct assay_error err = {0, ""};

    CHECK(op->cases != NULL && op->cases[0].label != NULL);
    CHECK(op->tolerance > 0.0 && op->tolerance < 1e-6);
    CHECK(assay__op_find(op->name) == op);
    for (c = op->cases; c->label != NULL; c++) {
        CHECK(c->n_in >= op->min_in && c->n_in <= op->max_in);
        CHECK_OK(op->shape(&c->attrs, c->n_in, c->in, out, &err), err);
        check_shapes(op, c);
    }
    if (op->backward != NULL)
        check_gradients(op);
}

#define ASSAY_OP(name)                \
    static void test_op_##name(void)  \
    {                                 \
        check_row(&assay__op_##name); \
    }
#include "engine/ops.def"
#undef ASSAY_OP

/* An op on inputs of these shapes, and words of the message it must give. */
struct refusal {
    const char *op;
    const char *message;
    int n_in;
    struct assay_shape in[3];
    struct assay_attrs attrs;
};

/* clang-format off */
#define CONV .stride = {1, 1}, .dilation = {1, 1}, .groups = 1
#define POOL .kernel = {2, 2}, .stride = {2, 2}

static const struct refusal refusals[] = {
    {"conv", "rank 4 needed", 2, {{3, {2, 3, 8}}, {4, {4, 3, 3, 3}}},
     {CONV}},
    {"conv", "dimension 1 of the weight is 2, must be 3 to 3", 2,
     {{4, {2, 3, 8, 8}}, {4, {4, 2, 3, 3}}}, {CONV}},
    {"conv", "window of 9 does not fit a padded map side of 8", 2,
     {{4, {2, 3, 8, 8}}, {4, {4, 3, 9, 9}}}, {CONV}},
    {"conv", "3 input channels are not a multiple of 2 groups", 2,
     {{4, {2, 3, 8, 8}}, {4, {4, 3, 3, 3}}},
     {.stride = {1, 1}, .dilation = {1, 1}, .groups = 2}},
    {"conv", "stride is 0, must be 1 to", 2,
     {{4, {2, 3, 8, 8}}, {4, {4, 3, 3, 3}}},
     {.dilation = {1, 1}, .groups = 1}},
    {"conv", "groups is 0", 2, {{4, {2, 3, 8, 8}}, {4, {4, 3, 3, 3}}},
     {.stride = {1, 1}, .dilation = {1, 1}}},
    {"conv", "the bias is [5], [4] needed", 3,
     {{4, {2, 3, 8, 8}}, {4, {4, 3, 3, 3}}, {1, {5}}}, {CONV}},
    {"conv", "padding is -1", 2, {{4, {2, 3, 8, 8}}, {4, {4, 3, 3, 3}}},
     {CONV, .pad = {-1, 0, 0, 0}}},
    {"deconv", "output padding is 1, must be 0 to 0", 2,
     {{4, {2, 3, 8, 8}}, {4, {3, 3, 3, 3}}}, {CONV, .output_pad = {1, 1}}},
    {"deconv", "output side would be -1, below 1", 2,
     {{4, {2, 3, 1, 1}}, {4, {3, 3, 2, 2}}}, {CONV, .pad = {2, 2, 1, 1}}},
    {"linear", "dimension 1 of the weight is 4, must be 3 to 3", 2,
     {{2, {2, 3}}, {2, {5, 4}}}, {.axis = 0}},
    {"groupnorm", "5 channels are not a multiple of 2 groups", 3,
     {{2, {2, 5}}, {1, {5}}, {1, {5}}}, {.groups = 2, .eps = 1e-5}},
    {"leaky_relu", "slope is 0", 1, {{2, {2, 5}}}, {.axis = 0}},
    {"maxpool", "padding is 2, must be 0 to 1", 1, {{4, {1, 1, 8, 8}}},
     {POOL, .pad = {2, 2, 2, 2}}},
    {"avgpool", "kernel is 0", 1, {{4, {1, 1, 8, 8}}}, {.stride = {1, 1}}},
    {"adaptive_avgpool", "output side is 0", 1, {{4, {1, 1, 8, 8}}}, {.axis = 0}},
    {"add", "an input is [2, 4], [2, 5] needed", 2,
     {{2, {2, 5}}, {2, {2, 4}}}, {.axis = 0}},
    {"reshape", "[2, 6] does not have the numbers of [2, 5]", 1,
     {{2, {2, 6}}}, {.shape = {2, {2, 5}}}},
    {"reshape", "rank is 99, must be 0 to 6", 1, {{2, {2, 6}}},
     {.shape = {99, {0}}}},
    {"reshape", "dimension 1 of the output is -3", 1, {{2, {2, 6}}},
     {.shape = {2, {2, -3}}}},
    {"concat", "axis is 0, must be 1 to 1", 2, {{2, {2, 5}}, {2, {2, 5}}},
     {.axis = 0}},
    {"slice", "offset is 3, must be 0 to 2", 1, {{2, {2, 5}}},
     {.axis = 1, .index = 3, .shape = {2, {2, 3}}}},
    {"dropout", "p is 1, must be at least 0 and below 1", 1, {{2, {2, 5}}},
     {.p = 1.0}},
    {"softmax_xent", "labels is [3], [2] needed", 2,
     {{2, {2, 5}}, {1, {3}}}, {.axis = 0}},
    {"kl_logits", "temperature is 0", 2, {{2, {2, 5}}, {2, {2, 5}}}, {.axis = 0}},
    {"mean", "rank 1 needed", 1, {{2, {2, 5}}}, {.axis = 0}},
    {"fill", "over 2147483647 numbers", 0, {{0, {0}}},
     {.shape = {3, {1 << 20, 1 << 20, 1 << 20}}}},
};
/* clang-format on */

static void test_refusals_say_what_is_wrong(void)
{
    struct assay_shape out[ASSAY__OP_OUTPUTS_MAX];
    size_t i;

    for (i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        const struct refusal *r = &refusals[i];
        const struct assay_op *op = assay__op_find(r->op);
        struct assay_error err = {0, ""};
        int code;

        CHECK(op != NULL);
        code = op->shape(&r->attrs, r->n_in, r->in, out, &err);
        expect_refusal(op, code, &err);
        CHECK_STR_HAS(err.msg, r->message);
    }
}

static void test_labels_out_of_range_read_nothing(void)
{
    static const double label[4] = {-1.0, 3.0, 1.5, (double)NAN};
    struct assay__call call = {.n_in = 2, .n_out = 2};
    struct assay_shape in[2] = {{2, {1, 3}}, {1, {1}}};
    double x[3] = {0.0, 1.0, 2.0};
    double y[1];
    double loss[1];
    double prob[3];
    double *inputs[2] = {x, y};
    double *outputs[2] = {loss, prob};
    int i;

    call.in_shape = in;
    call.in = inputs;
    call.out = outputs;
    for (i = 0; i < 4; i++) {
        y[0] = label[i];
        assay__op_softmax_xent.reference(&call);
        CHECK(isnan(loss[0]));
    }
    y[0] = 2.0;
    assay__op_softmax_xent.reference(&call);
    CHECK_NEAR(loss[0], log(exp(-2.0) + exp(-1.0) + 1.0), 1e-15);
}

static void test_nothing_passes_through_labels(void)
{
    struct assay_shape rows = {2, {ASSAY_BATCH, 3}};
    struct assay_shape row = {1, {ASSAY_BATCH}};
    struct assay_error err = {0, ""};
    assay_graph *g = NULL;
    assay_value labels;
    assay_value loss;
    assay_value d;

    CHECK_OK(assay_graph_new(&g, &err), err);
    labels = assay_graph_input(g, "labels", &row);
    loss = assay_op_softmax_xent(g, assay_graph_input(g, "x", &rows), labels);
    loss = assay_op_mean(g, loss);
    CHECK_FAILS(assay_differentiate(g, loss, &labels, 1, &d, &err),
                ASSAY_UNSUPPORTED, err);
    assay_graph_free(g);
}

static const struct check_test tests[] = {
#define ASSAY_OP(name) CHECK_TEST(test_op_##name),
#include "engine/ops.def"
#undef ASSAY_OP
    CHECK_TEST(test_refusals_say_what_is_wrong),
    CHECK_TEST(test_labels_out_of_range_read_nothing),
    CHECK_TEST(test_nothing_passes_through_labels),
};
CHECK_MAIN(tests)
