/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The walk over a model's layers (import.h). Layers may stand in any order:
 * rounds over the list build those whose inputs are there, until a round
 * builds none. Those that the output does not need are built too, so that
 * what cannot be read is told.
 */

#include <string.h>

#include "keras/import.h"

static const struct row {
    const char *class_name;
    int least, most;
    void (*build)(struct assay__keras_builder *b,
                  const struct assay__keras_item *in, int n,
                  struct assay__keras_item *out, int argument);
    int argument;
} rows[] = {
#define ASSAY_KERAS_LAYER(class_, least, most, function, argument) \
    {#class_, least, most, function, argument},
#include "keras/keras_layers.def"
#undef ASSAY_KERAS_LAYER
};

const struct assay_shape *assay__keras_shape(
    const struct assay__keras_builder *b, assay_value v)
{
    return assay_graph_shape(b->g, v);
}

int64_t assay__keras_count(const struct assay_shape *s)
{
    int64_t n = 1;

    for (int i = 1; i < s->rank; i++)
        n *= s->dim[i];
    return n;
}

/* Transposed, or, where that moves nothing, in another shape. */
static assay_value turn(struct assay__keras_builder *b, assay_value v,
                        const int perm[4])
{
    struct assay_shape s = *assay__keras_shape(b, v);
    struct assay_shape to = s;
    int long_sides = 0;

    if (s.rank != 4 || b->code != ASSAY_OK)
        return v;
    for (int i = 0; i < 4; i++)
        to.dim[i] = s.dim[perm[i]];
    /* What turns is one side, channels, and two, the map. */
    long_sides += perm[1] == 2 ? s.dim[1] > 1 && s.dim[2] * s.dim[3] > 1
                               : s.dim[3] > 1 && s.dim[1] * s.dim[2] > 1;
    return long_sides ? assay_op_transpose(b->g, v, perm)
                      : assay_op_reshape(b->g, v, &to);
}

assay_value assay__keras_to_last(struct assay__keras_builder *b, assay_value v)
{
    static const int perm[] = {0, 2, 3, 1};

    return turn(b, v, perm);
}

assay_value assay__keras_to_first(struct assay__keras_builder *b, assay_value v)
{
    static const int perm[] = {0, 3, 1, 2};

    return turn(b, v, perm);
}

bool assay__keras_is_map(struct assay__keras_builder *b, assay_value v)
{
    const struct assay_shape *s = assay__keras_shape(b, v);

    if (b->code == ASSAY_OK && s->rank != 4)
        assay__keras_fail(b, ASSAY_UNSUPPORTED,
                          "it reads a value of %d dimensions, not a map of 4",
                          s->rank);
    return b->code == ASSAY_OK;
}

static const struct row *find_row(struct assay__keras_builder *b)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (strcmp(rows[i].class_name, b->layer->class_name) == 0)
            return &rows[i];
    }
    assay__keras_fail(b, ASSAY_UNSUPPORTED, "the layer is not supported");
    return NULL;
}

static void build_layer(struct assay__keras_builder *b,
                        struct assay__keras_layer *l,
                        const struct assay__keras_item *in, int n)
{
    const struct row *row;

    b->layer = l;
    l->done = true;
    /* A model that is spelled out, and its input, pass on what they read. */
    if (l->model ||
        (l->scope >= 0 && strcmp(l->class_name, "InputLayer") == 0)) {
        l->item = in[0];
        return;
    }
    row = find_row(b);
    if (row && (n < row->least || n > row->most))
        assay__keras_fail(b, ASSAY_FORMAT, "it reads %d values, must %d to %d",
                          n, row->least, row->most);
    if (row && b->code == ASSAY_OK) {
        l->item = (struct assay__keras_item){ASSAY_NO_VALUE, ASSAY__KERAS_PLAIN,
                                             ASSAY_NO_VALUE, in[0].reads};
        assay__keras_weights_begin(b);
        if (b->code == ASSAY_OK)
            row->build(b, in, n, &l->item, row->argument);
        if (b->code == ASSAY_OK)
            b->code = assay_graph_check(b->g, b->err);
        assay__keras_weights_end(b);
    }
    if (b->code != ASSAY_OK)
        b->code = assay_error_prefix(b->err, b->code, "layer '%.60s' (%.40s)",
                                     l->name, l->class_name);
}

/* The items that the layer reads, if all are there. */
static bool gather(const struct assay__keras_model *m,
                   const struct assay__keras_layer *l,
                   struct assay__keras_item *in)
{
    for (int i = 0; i < l->n_in; i++) {
        const struct assay__keras_layer *from =
            &m->layer[m->in[l->first + (size_t)i]];

        if (!from->done)
            return false;
        in[i] = from->item;
    }
    return true;
}

void assay__keras_build(struct assay__keras_builder *b,
                        const struct assay__keras_item *first)
{
    struct assay__keras_model *m = &b->model;
    struct assay__keras_item in[ASSAY__KERAS_INPUTS_MAX];
    bool any = true;
    int left = 0;

    while (any && b->code == ASSAY_OK) {
        any = false;
        left = -1;
        for (int i = 0; i < m->n_layers && b->code == ASSAY_OK; i++) {
            struct assay__keras_layer *l = &m->layer[i];

            if (l->done)
                continue;
            if (first && i == 0) {
                build_layer(b, l, first, 1);
                any = true;
            } else if (l->n_in > 0 && gather(m, l, in)) {
                build_layer(b, l, in, l->n_in);
                any = true;
            } else {
                left = i;
            }
        }
    }
    if (left >= 0)
        assay__keras_fail(b, ASSAY_FORMAT,
                          "layer '%.60s' (%.40s) reads nothing that leads back "
                          "to the input",
                          m->layer[left].name, m->layer[left].class_name);
}
