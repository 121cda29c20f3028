/* SPDX-License-Identifier: Apache-2.0 */
/* The layer of a model that attacks look at, by its name. */

#include <stdbool.h>
#include <string.h>

#include "core/buf.h"
#include "model/model.h"

enum { LAYER_NUMBERS_MAX = 1 << 16 }; /* per record */
static const char suffix[] = ".weight";

/* Names of the layers with a matrix of weights or a kernel, "conv1, fc1". */
static void list_layers(const assay_model *m, struct assay__buf *names)
{
    for (int i = 0; i < assay_graph_n_params(m->graph); i++) {
        assay_value v = assay_graph_param_at(m->graph, i);
        const char *name = assay_graph_value_name(m->graph, v);
        size_t n = strlen(name);
        size_t stem = n - (n < sizeof(suffix) ? n : sizeof(suffix) - 1);

        if (strcmp(name + stem, suffix) == 0 &&
            assay_graph_shape(m->graph, v)->rank >= 2)
            assay__buf_printf(names, "%s%.*s", names->size > 0 ? ", " : "",
                              (int)stem, name);
    }
}

static int no_such_layer(const assay_model *m, const char *name,
                         struct assay_error *err)
{
    struct assay__buf names = ASSAY__BUF_INIT;
    int rc;

    list_layers(m, &names);
    rc = assay_error_set(err, ASSAY_ARG,
                         "%s has no layer \"%.40s\"; there are %.140s%s",
                         m->arch, name, names.size > 0 ? names.data : "none",
                         names.size > 140 ? " ..." : "");
    assay__buf_release(&names);
    return rc;
}

int assay_model_choose_layer(assay_model *m, const char *name,
                             struct assay_error *err)
{
    assay_value v = assay_graph_layer(m->graph, name);
    const struct assay_shape *shape = assay_graph_shape(m->graph, v);
    int64_t n = 1;

    if (v == ASSAY_NO_VALUE || shape->rank < 2 || shape->dim[0] != ASSAY_BATCH)
        return no_such_layer(m, name, err);
    for (int i = 1; i < shape->rank && n <= LAYER_NUMBERS_MAX; i++)
        n *= shape->dim[i];
    if (n > LAYER_NUMBERS_MAX)
        return assay_error_set(err, ASSAY_LIMIT,
                               "layer %.40s computes over %d numbers per "
                               "record, which is the limit",
                               name, (int)LAYER_NUMBERS_MAX);
    m->layer = v;
    return ASSAY_OK;
}
