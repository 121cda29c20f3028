/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every row of ops.def on the oneDNN backend against the reference backend
 * in double: all public outputs, running statistics, and the gradients by
 * every input, in evaluation and training, with direct and with tuned
 * algorithms, on one thread and two. The normalised squared error
 *   sum (a - b)^2 / sum b^2
 * must not exceed the op's tolerance; a second run must give the same
 * bytes, and nothing may be written beside an output.
 *
 * Gradient ops that read a private output run behind their forward op only.
 */

#include "op_case.h"

enum { GUARD = 16 };
static const unsigned char guard_byte = 0xa5;

struct setting {
    const char *name;
    enum assay_mode mode;
    enum assay_algorithms algorithms;
    int threads;
    bool as_gradients; /* parameter gradients in the optimizer's slab */
};

static const struct setting settings[] = {
    {"evaluation, direct", ASSAY_MODE_EVAL, ASSAY_ALGORITHMS_DIRECT, 1, false},
    {"evaluation, tuned", ASSAY_MODE_EVAL, ASSAY_ALGORITHMS_TUNED, 2, false},
    {"training, direct", ASSAY_MODE_TRAIN, ASSAY_ALGORITHMS_DIRECT, 1, false},
    {"training, tuned", ASSAY_MODE_TRAIN, ASSAY_ALGORITHMS_TUNED, 2, true},
};

/* What is read after a run. */
struct reading {
    assay_value value[OP_CASE_READ];
    char what[OP_CASE_READ][24];
    int n;
};

static void reading_add(struct reading *r, assay_value v, const char *what,
                        int index)
{
    CHECK(r->n < OP_CASE_READ);
    r->value[r->n] = v;
    snprintf(r->what[r->n], sizeof r->what[0], "%s %d", what, index);
    r->n++;
}

static void reading_make(struct reading *r, const struct op_case *t)
{
    int i;

    r->n = 0;
    for (i = 0; i < t->op->n_out; i++)
        if (!(t->op->private_out >> i & 1u))
            reading_add(r, t->out + i, "output", i);
    for (i = 0; i < t->n_wrt; i++)
        reading_add(r, t->d[i], "gradient by input", t->input[i]);
}

static assay_plan *open_plan(const struct op_case *t, const char *backend,
                             const struct setting *s, const struct reading *r)
{
    struct assay_plan_options options = {.backend = backend};
    struct assay_gradient gradient[OP_CASE_INPUTS];
    struct assay_error err = {0, ""};
    assay_plan *plan = NULL;
    int i;

    options.batch = t->batch;
    options.mode = s->mode;
    options.threads = s->threads;
    options.algorithms = s->algorithms;
    options.outputs = r->value;
    options.n_outputs = r->n;
    for (i = 0; i < t->n_wrt && s->as_gradients; i++) {
        if (assay_graph_param_flags(t->g, t->wrt[i]) == 0)
            continue;
        gradient[options.n_gradients].param = t->wrt[i];
        gradient[options.n_gradients++].gradient = t->d[i];
    }
    options.gradients = gradient;
    CHECK_OK(assay_plan_new(&plan, t->g, &options, &err), err);
    return plan;
}

/* A value in f64 between guards; the caller frees base. */
static double *read_guarded(const struct op_case *t, assay_plan *plan,
                            assay_value v, unsigned char **base)
{
    size_t bytes = op_case_count(t, v) * sizeof(double);
    struct assay_error err = {0, ""};
    int i;

    *base = malloc(bytes + 2 * GUARD);
    CHECK(*base != NULL);
    memset(*base, guard_byte, bytes + 2 * GUARD);
    CHECK_OK(
        assay_plan_read_f64(plan, v, (double *)(void *)(*base + GUARD), &err),
        err);
    for (i = 0; i < GUARD; i++) {
        CHECK_INT_EQ((*base)[i], guard_byte);
        CHECK_INT_EQ((*base)[GUARD + bytes + (size_t)i], guard_byte);
    }
    return (double *)(void *)(*base + GUARD);
}

static double squared_error(const double *got, const double *want, size_t n)
{
    double error = 0.0;
    double size = 0.0;
    size_t i;

    for (i = 0; i < n; i++) {
        error += (got[i] - want[i]) * (got[i] - want[i]);
        size += want[i] * want[i];
    }
    return size > 1e-20 ? error / size : error;
}

static void compare(const struct op_case *t, const struct setting *s,
                    assay_plan *tested, assay_plan *truth, assay_value v,
                    const char *what)
{
    unsigned char *base[2];
    double *got = read_guarded(t, tested, v, &base[0]);
    double *want = read_guarded(t, truth, v, &base[1]);
    double error = squared_error(got, want, op_case_count(t, v));

    if (!(error <= t->op->tolerance)) {
        printf("%s, case '%s', %s, %s: error %.3g, at most %.3g; first "
               "%.9g, reference %.9g\n",
               t->op->name, t->with->label, s->name, what, error,
               t->op->tolerance, got[0], want[0]);
        FAIL("a backend differs from the reference");
    }
    free(base[0]);
    free(base[1]);
}

static void run(const struct op_case *t, assay_plan *plan)
{
    struct assay_error err = {0, ""};

    op_case_write(t, plan);
    CHECK_OK(assay_plan_run(plan, &err), err);
}

/* A second run gives the same bytes. */
static void check_repeats(const struct op_case *t, const struct setting *s,
                          assay_plan *plan, const struct reading *r)
{
    unsigned char *first[OP_CASE_READ];
    unsigned char *again;
    int i;

    for (i = 0; i < r->n; i++)
        read_guarded(t, plan, r->value[i], &first[i]);
    run(t, plan);
    for (i = 0; i < r->n; i++) {
        size_t bytes = op_case_count(t, r->value[i]) * sizeof(double);

        read_guarded(t, plan, r->value[i], &again);
        if (memcmp(first[i], again, bytes + 2 * GUARD) != 0) {
            printf("%s, case '%s', %s, %s: two runs differ\n", t->op->name,
                   t->with->label, s->name, r->what[i]);
            FAIL("a run does not repeat");
        }
        free(again);
        free(first[i]);
    }
}

static void check_setting(const struct op_case *t, const struct setting *s)
{
    struct reading r;
    assay_plan *tested;
    assay_plan *truth;
    int i;

    reading_make(&r, t);
    tested = open_plan(t, "onednn", s, &r);
    truth = open_plan(t, "reference", s, &r);
    run(t, tested);
    run(t, truth);
    for (i = 0; i < r.n; i++)
        compare(t, s, tested, truth, r.value[i], r.what[i]);
    for (i = 0; i < t->with->n_in; i++)
        if (t->op->mutates >> i & 1u)
            compare(t, s, tested, truth, t->feed[i].value, "a statistic");
    check_repeats(t, s, tested, &r);
    assay_plan_free(tested);
    assay_plan_free(truth);
}

static void check_row(const struct assay_op *op)
{
    unsigned flags = OP_CASE_PARAMS;
    const struct assay__op_case *c;
    size_t i;

    if (op->private_in != 0)
        return;
    if (op->backward != NULL)
        flags |= OP_CASE_LOSS;
    for (c = op->cases; c->label != NULL; c++) {
        struct op_case t;

        op_case_open(&t, op, c, flags);
        for (i = 0; i < sizeof settings / sizeof settings[0]; i++)
            check_setting(&t, &settings[i]);
        op_case_close(&t);
    }
}

#define ASSAY_OP(name)                \
    static void test_op_##name(void)  \
    {                                 \
        check_row(&assay__op_##name); \
    }
#include "engine/ops.def"
#undef ASSAY_OP

static const struct check_test tests[] = {
#define ASSAY_OP(name) CHECK_TEST(test_op_##name),
#include "engine/ops.def"
#undef ASSAY_OP
};
CHECK_MAIN(tests)
