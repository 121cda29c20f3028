/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which architecture a state dict is of. Each row of the table is built for
 * as many input channels and classes as its first and last layer have in the
 * file, and compared name by name. Most rows fall out at the first two names.
 */

#include <stdio.h>
#include <string.h>

#include "arch/arch.h"

enum { SMALL_SIZE = 32, SOME_CLASSES = 2, SOME_CHANNELS = 3 };

/* How near a row comes. */
struct nearness {
    size_t n_equal;
    size_t n_params;
    char why[160]; /* a difference */
};

static int build_at(assay_graph **out, const struct assay_arch_match *m,
                    struct assay_arch_values *values, struct assay_error *err)
{
    struct assay_arch_options o = {.n_classes = m->n_classes};
    struct assay_shape in =
        assay_shape_make(4, (int64_t)ASSAY_BATCH, (int64_t)m->channels,
                         (int64_t)m->size, (int64_t)m->size);
    int rc = assay_graph_new(out, err);

    if (rc)
        return rc;
    (void)assay_arch_build(m->arch, *out, assay_graph_input(*out, "input", &in),
                           &o, values);
    return assay_graph_check(*out, err);
}

/* The weights of the first convolution, or of the last linear layer. */
static const char *end_of(const assay_graph *g, int last)
{
    int n = assay_graph_n_params(g);
    const char *name = NULL;

    for (int i = 0; i < n; i++) {
        assay_value p = assay_graph_param_at(g, last ? n - 1 - i : i);

        name = assay_graph_value_name(g, p);
        if (assay_graph_shape(g, p)->rank == (last ? 2 : 4))
            break;
    }
    return name;
}

/* Channels and classes as the file has them; 0: not this row. */
static int take_ends(struct assay_arch_match *m, const assay_graph *g,
                     const struct assay_tensors *list)
{
    const struct assay_tensor *first = assay_tensors_find(list, end_of(g, 0));
    const struct assay_tensor *last = assay_tensors_find(list, end_of(g, 1));

    if (!first || !last || first->shape.rank != 4 || last->shape.rank != 2 ||
        first->shape.dim[1] < 1 || first->shape.dim[1] > 4 ||
        last->shape.dim[0] < 2 || last->shape.dim[0] > 65536)
        return 0;
    m->channels = (int)first->shape.dim[1];
    m->n_classes = (int)last->shape.dim[0];
    return 1;
}

/* Tensors that say nothing which the network does not: counters of batch
 * norms, Swin's table of where in a table to look. */
static int is_known_anyway(const char *name)
{
    static const char *const ends[] = {"num_batches_tracked",
                                       "relative_position_index"};
    size_t n = strlen(name);

    for (int i = 0; i < 2; i++) {
        size_t k = strlen(ends[i]);

        if (n >= k && strcmp(name + n - k, ends[i]) == 0)
            return 1;
    }
    return 0;
}

/* The first tensor of the file that no layer has. */
static const char *stranger(const assay_graph *g,
                            const struct assay_tensors *list)
{
    for (size_t i = 0; i < list->n_items; i++) {
        const char *name = list->item[i].name;

        if (!is_known_anyway(name) &&
            assay_graph_find(g, name) == ASSAY_NO_VALUE)
            return name;
    }
    return NULL;
}

static void compare(const assay_graph *g, const struct assay_tensors *list,
                    struct nearness *near)
{
    const char *more = stranger(g, list);
    char want[48];
    char have[48];

    near->n_params = (size_t)assay_graph_n_params(g);
    if (more)
        snprintf(near->why, sizeof(near->why), "it has no %.100s", more);
    for (size_t i = 0; i < near->n_params; i++) {
        assay_value p = assay_graph_param_at(g, (int)i);
        const char *name = assay_graph_value_name(g, p);
        const struct assay_shape *shape = assay_graph_shape(g, p);
        const struct assay_tensor *t = assay_tensors_find(list, name);

        if (t && assay_shape_equal(&t->shape, shape))
            near->n_equal++;
        else if (t)
            snprintf(near->why, sizeof(near->why), "%.60s is %s there, not %s",
                     name, assay_shape_text(shape, want, sizeof(want)),
                     assay_shape_text(&t->shape, have, sizeof(have)));
        else if (near->why[0] == '\0')
            snprintf(near->why, sizeof(near->why), "the file has no %.100s",
                     name);
    }
}

/* 1: this row it is; 0: it is not; negative: an error. */
static int try_at(struct assay_arch_match *m, const struct assay_tensors *list,
                  struct nearness *near, struct assay_error *err)
{
    struct assay_arch_values values;
    assay_graph *g = NULL;
    int is = 0;
    int rc;

    m->channels = SOME_CHANNELS;
    m->n_classes = SOME_CLASSES;
    rc = build_at(&g, m, &values, err);
    if (!rc)
        is = take_ends(m, g, list);
    assay_graph_free(g);
    g = NULL;
    if (rc || !is)
        return rc;
    rc = build_at(&g, m, &values, err);
    if (!rc)
        compare(g, list, near);
    assay_graph_free(g);
    if (rc)
        return rc;
    return near->n_equal == near->n_params && near->why[0] == '\0';
}

static int none_fits(const struct assay_tensors *list,
                     const struct assay_arch *nearest,
                     const struct nearness *near, struct assay_error *err)
{
    if (!nearest)
        return assay_error_set(err, ASSAY_FORMAT,
                               "no known architecture has the layers of these "
                               "%zu tensors",
                               list->n_items);
    return assay_error_set(err, ASSAY_FORMAT,
                           "no known architecture has these tensors; %s comes "
                           "nearest (%zu of %zu): %s",
                           nearest->name, near->n_equal, near->n_params,
                           near->why);
}

int assay_arch_identify(struct assay_arch_match *out,
                        const struct assay_tensors *list,
                        const struct assay_arch *wanted, int size,
                        struct assay_error *err)
{
    const struct assay_arch *const *table = assay_arch_table();
    const struct assay_arch *nearest = NULL;
    struct nearness best = {0};

    for (size_t a = 0; table[a]; a++) {
        for (int small = 0; small < 2; small++) {
            struct assay_arch_match m = {.arch = table[a],
                                         .size = table[a]->stock_size};
            struct nearness near = {0};
            int rc;

            if (size > 0)
                m.size = size;
            else if (small)
                m.size = SMALL_SIZE;
            if ((wanted && table[a] != wanted) || m.size < m.arch->min_size)
                continue;
            rc = try_at(&m, list, &near, err);
            if (rc < 0)
                return rc;
            if (rc) {
                *out = m;
                return ASSAY_OK;
            }
            if (near.n_equal > best.n_equal) {
                best = near;
                nearest = table[a];
            }
        }
    }
    return none_fits(list, nearest, &best, err);
}
