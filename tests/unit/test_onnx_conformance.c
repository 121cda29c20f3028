/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The standard's own test vectors (Debian: libonnx-testdata): each model is
 * run on both backends and its outputs held against those given. What the
 * importer refuses as unsupported is counted as not claimed; all else must
 * be right. Prints claimed, passed and not claimed per folder; with
 * ASSAY_VERBOSE in the environment also why each was not.
 */

#include <dirent.h>
#include <float.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "core/fs.h"
#include "core/mem.h"
#include "onnx/file.h"

#define DATA "/usr/share/libonnx-testdata/data"

enum { PATH = 512 };

/* A path that is too long is cut, and then not there. */
static void join(char path[PATH], const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    vsnprintf(path, PATH, fmt, args);
    va_end(args);
}

struct tally {
    int claimed;
    int passed;
    int not_claimed;
};

/* A tensor file, as doubles under `name`. */
static int read_tensor(const char *path, const char *name,
                       struct assay_tensors *list, struct assay_error *err)
{
    struct assay__onnx_tensor t;
    struct assay_tensor *to = NULL;
    unsigned char *data = NULL;
    struct assay__wire w = {NULL, 0, 0};
    int code = assay__read_file(path, 1 << 28, &data, &w.end, err);

    w.data = data;
    if (code == ASSAY_OK)
        code = assay__onnx_read_tensor(NULL, &w, &t, err);
    if (code == ASSAY_OK)
        code =
            assay_tensors_add(list, name, ASSAY_DTYPE_F64, &t.shape, &to, err);
    if (code == ASSAY_OK)
        code = assay__onnx_tensor_values(&t, to->data, err);
    assay__free(data);
    return code;
}

/* What float cannot hold is infinite in the float backend. */
static bool near(double got, double want, double slack)
{
    if (fabs(want) > (double)FLT_MAX && isinf(got))
        return (got > 0.0) == (want > 0.0);
    if (isnan(want) || isinf(want))
        return isnan(want) ? isnan(got) : got == want;
    return fabs(got - want) <= slack + 1e-7 + 1e-3 * fabs(want);
}

/* A quotient that is 25.5 in float and a little less in double is rounded the
 * other way: one step of a number of 8 bits. */
static double slack_of(const char *folder)
{
    return strstr(folder, "/test_dynamicquantizelinear_expanded/") ? 1.0 : 0.0;
}

/* All outputs that the data set has. */
static bool right(const assay_onnx *o, const char *folder,
                  const struct assay_tensors *got, char *why, size_t room)
{
    for (int i = 0; i < assay_onnx_n_outputs(o); i++) {
        const char *name = assay_onnx_output_name(o, i);
        const struct assay_tensor *t = assay_tensors_find(got, name);
        const struct assay_tensor *want;
        struct assay_tensors list;
        struct assay_error err = {0, ""};
        char path[PATH];
        bool ok = true;

        assay_tensors_init(&list);
        join(path, "%s/output_%d.pb", folder, i);
        if (read_tensor(path, name, &list, &err) != ASSAY_OK || !t) {
            snprintf(why, room, "output %d: %.200s", i, err.msg);
            assay_tensors_release(&list);
            return false;
        }
        want = &list.item[0];
        if (!assay_shape_equal(&want->shape, &t->shape)) {
            char a[80];
            char b[80];

            snprintf(why, room, "output %d has shape %s, should have %s", i,
                     assay_shape_text(&t->shape, a, sizeof a),
                     assay_shape_text(&want->shape, b, sizeof b));
            ok = false;
        }
        for (size_t k = 0; ok && k < assay_shape_count(&t->shape, 1); k++) {
            double x = assay_tensor_value(t, k);
            double y = assay_tensor_value(want, k);

            if (!near(x, y, slack_of(folder))) {
                snprintf(why, room,
                         "output %d, number %zu: %.9g, should be "
                         "%.9g",
                         i, k, x, y);
                ok = false;
            }
        }
        assay_tensors_release(&list);
        if (!ok)
            return false;
    }
    return true;
}

/* 1 right, 0 not claimed, -1 wrong. */
static int run_set(const assay_onnx *o, const char *folder, char *why,
                   size_t room)
{
    static const char *const backends[] = {"reference", "onednn"};
    struct assay_tensors inputs;
    struct assay_error err = {0, ""};
    int verdict = 1;

    assay_tensors_init(&inputs);
    for (int i = 0; i < assay_onnx_n_inputs(o) && verdict == 1; i++) {
        char path[PATH];

        join(path, "%s/input_%d.pb", folder, i);
        /* Sequences and texts are no tensors of numbers. */
        if (read_tensor(path, assay_onnx_input_name(o, i), &inputs, &err) !=
            ASSAY_OK)
            verdict = 0;
    }
    for (size_t b = 0; b < 2 && verdict == 1; b++) {
        struct assay_tensors outputs;
        int code;

        assay_tensors_init(&outputs);
        code = assay_onnx_run(&outputs, o, &inputs, backends[b], &err);
        if (code == ASSAY_UNSUPPORTED)
            verdict = 0;
        else if (code != ASSAY_OK)
            verdict = -1;
        else if (!right(o, folder, &outputs, err.msg, sizeof err.msg))
            verdict = -1;
        assay_tensors_release(&outputs);
    }
    snprintf(why, room, "%s", err.msg);
    assay_tensors_release(&inputs);
    return verdict;
}

static int run_model(const char *folder, char *why, size_t room)
{
    struct assay_error err = {0, ""};
    assay_onnx *o = NULL;
    char path[PATH];
    int verdict = 1;
    int code;

    join(path, "%s/model.onnx", folder);
    code = assay_onnx_open(&o, path, &err);
    if (code != ASSAY_OK) {
        snprintf(why, room, "%s", err.msg);
        return code == ASSAY_UNSUPPORTED ? 0 : -1;
    }
    for (int i = 0; i < 8 && verdict == 1; i++) {
        join(path, "%s/test_data_set_%d", folder, i);
        if (assay__is_dir(path))
            verdict = run_set(o, path, why, room);
    }
    assay_onnx_free(o);
    return verdict;
}

static void run_folder(const char *name, struct tally *t)
{
    const char *verbose = getenv("ASSAY_VERBOSE");
    struct dirent **entry = NULL;
    char path[PATH];
    int n;

    join(path, "%s/%s", DATA, name);
    if (!assay__is_dir(path))
        SKIP("no test vectors (libonnx-testdata) here");
    n = scandir(path, &entry, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        char folder[PATH];
        char why[300] = "";
        int verdict = 0;

        join(folder, "%s/%s", path, entry[i]->d_name);
        if (entry[i]->d_name[0] != '.')
            verdict = run_model(folder, why, sizeof why);
        else
            t->not_claimed--;
        t->claimed += verdict != 0;
        t->passed += verdict == 1;
        t->not_claimed += verdict == 0;
        if (verdict < 0)
            printf("%s: %s\n", entry[i]->d_name, why);
        if (verdict == 0 && verbose && entry[i]->d_name[0] != '.')
            printf("not claimed: %s: %s\n", entry[i]->d_name, why);
        free(entry[i]);
    }
    free(entry);
    printf("%s: %d claimed, %d passed, %d not claimed\n", name, t->claimed,
           t->passed, t->not_claimed);
}

/* At least `lowest` are claimed, and none of them fails. */
static void expect(const char *name, int lowest)
{
    struct tally t = {0, 0, 0};

    run_folder(name, &t);
    CHECK_INT_EQ(t.passed, t.claimed);
    CHECK(t.claimed >= lowest);
}

static void test_node(void)
{
    expect("node", 637);
}

static void test_simple(void)
{
    expect("simple", 7);
}

static void test_pytorch_operator(void)
{
    expect("pytorch-operator", 35);
}

static void test_pytorch_converted(void)
{
    expect("pytorch-converted", 67);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_node),
    CHECK_TEST(test_simple),
    CHECK_TEST(test_pytorch_operator),
    CHECK_TEST(test_pytorch_converted),
};
CHECK_MAIN(tests)
