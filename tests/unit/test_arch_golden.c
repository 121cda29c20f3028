/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Architectures against torchvision's: parameter counts, names and shapes of
 * the whole state dict, and what the network computes, with parameters that
 * both make by one formula (tests/golden/make_archs.py).
 */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "assay/arch.h"
#include "assay/params.h"
#include "assay/plan.h"
#include "arch_values.h"
#include "check.h"
#include "core/buf.h"
#include "core/fs.h"
#include "core/mem.h"

struct golden_arch {
    const char *name;
    size_t n_params; /* trainable, 1,000 classes */
    const char *sha256;
};
enum { CLASSES = 10 };
struct golden_logits {
    const char *name;
    int size;
    double logits[CLASSES];
};

#include "../golden/archs.h"

struct net {
    assay_graph *g;
    assay_value x;
    struct assay_arch_values v;
};

static struct net net_open(const char *name, int size, int classes)
{
    struct assay_arch_options o = {.n_classes = classes};
    struct assay_error err = {0};
    struct assay_shape in = assay_shape_make(
        4, (int64_t)ASSAY_BATCH, (int64_t)3, (int64_t)size, (int64_t)size);
    const struct assay_arch *arch = assay_arch_find(name);
    struct net n = {0};

    CHECK(arch != NULL);
    CHECK_OK(assay_graph_new(&n.g, &err), err);
    n.x = assay_graph_input(n.g, "input", &in);
    CHECK_OK(assay_arch_build(arch, n.g, n.x, &o, &n.v), err);
    return n;
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* "conv1.weight 64x3x7x7\n" */
static char *line_of(const assay_graph *g, assay_value p)
{
    const struct assay_shape *s = assay_graph_shape(g, p);
    char dims[64] = "";
    size_t n = 0;

    for (int d = 0; d < s->rank; d++)
        n += (size_t)snprintf(dims + n, sizeof(dims) - n, "%s%lld",
                              d > 0 ? "x" : "", (long long)s->dim[d]);
    return assay__format("%s %s\n", assay_graph_value_name(g, p), dims);
}

static void hash_lines(const assay_graph *g, char sha256[65])
{
    size_t n = (size_t)assay_graph_n_params(g);
    char **line = calloc(n, sizeof(*line));
    struct assay__sha256 hash;

    CHECK(line != NULL);
    for (size_t i = 0; i < n; i++) {
        line[i] = line_of(g, assay_graph_param_at(g, (int)i));
        CHECK(line[i] != NULL);
    }
    qsort(line, n, sizeof(*line), compare);
    CHECK_INT_EQ(assay__sha256_begin(&hash), ASSAY_OK);
    for (size_t i = 0; i < n; i++) {
        assay__sha256_add(&hash, line[i], strlen(line[i]));
        assay__free(line[i]);
    }
    assay__sha256_end(&hash, sha256);
    free(line);
}

static void test_state_dicts_are_torchvisions(void)
{
    for (size_t k = 0; k < sizeof(golden_archs) / sizeof(*golden_archs); k++) {
        struct net n = net_open(golden_archs[k].name, 224, 1000);
        char sha256[65];
        size_t count = 0;

        for (int i = 0; i < assay_graph_n_params(n.g); i++) {
            assay_value p = assay_graph_param_at(n.g, i);

            if (assay_graph_param_flags(n.g, p) & ASSAY_PARAM_TRAINABLE)
                count += assay_shape_count(assay_graph_shape(n.g, p), 1);
        }
        hash_lines(n.g, sha256);
        if (count != golden_archs[k].n_params)
            printf("# %s\n", golden_archs[k].name);
        CHECK_UINT_EQ(count, golden_archs[k].n_params);
        if (strcmp(sha256, golden_archs[k].sha256) != 0)
            CHECK_STR_EQ(golden_archs[k].name, "named as in torchvision");
        assay_graph_free(n.g);
    }
}

static void run(const struct golden_logits *golden, double *logits)
{
    struct net n = net_open(golden->name, golden->size, CLASSES);
    struct assay_plan_options o = {.batch = 1,
                                   .threads = 1,
                                   .algorithms = ASSAY_ALGORITHMS_DIRECT,
                                   .outputs = &n.v.logits,
                                   .n_outputs = 1};
    struct assay_shape picture = *assay_graph_shape(n.g, n.x);
    struct assay_error err = {0};
    struct assay_params params = {0};
    assay_plan *plan = NULL;
    float *x;

    CHECK_OK(assay_params_make(&params, n.g, &err), err);
    for (int i = 0; i < params.n_slots; i++)
        arch_fill(params.slot[i].name,
                  assay_graph_shape(n.g, assay_graph_param_at(n.g, i)),
                  params.data + params.slot[i].offset);
    picture.dim[0] = 1;
    x = calloc(assay_shape_count(&picture, 1), sizeof(*x));
    CHECK(x != NULL);
    arch_fill("picture", &picture, x);
    CHECK_OK(assay_plan_new(&plan, n.g, &o, &err), err);
    CHECK_OK(assay_plan_load(plan, &params, &err), err);
    CHECK_OK(assay_plan_write(plan, n.x, x, &err), err);
    CHECK_OK(assay_plan_run(plan, &err), err);
    CHECK_OK(assay_plan_read_f64(plan, n.v.logits, logits, &err), err);
    assay_plan_free(plan);
    assay_params_release(&params);
    assay_graph_free(n.g);
    free(x);
}

/* f32 against double, over up to two hundred layers. */
static void test_networks_compute_what_torchvisions_do(void)
{
    for (size_t k = 0; k < sizeof(golden_logits) / sizeof(*golden_logits);
         k++) {
        const struct golden_logits *golden = &golden_logits[k];
        double logits[CLASSES];
        double largest = 0;

        run(golden, logits);
        for (int i = 0; i < CLASSES; i++)
            largest = fmax(largest, fabs(golden->logits[i]));
        for (int i = 0; i < CLASSES; i++)
            if (fabs(logits[i] - golden->logits[i]) > 1e-4 * largest)
                printf("# %s, class %d\n", golden->name, i);
        for (int i = 0; i < CLASSES; i++)
            CHECK_NEAR(logits[i], golden->logits[i], 1e-4 * largest);
    }
}

static const struct check_test tests[] = {
    CHECK_TEST(test_state_dicts_are_torchvisions),
    CHECK_TEST(test_networks_compute_what_torchvisions_do),
};

CHECK_MAIN(tests)
