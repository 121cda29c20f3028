/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A plan as text: a line per step with its op, the layer it belongs to,
 * the implementation the backend chose and, when profiled, the mean time.
 */

#include <string.h>

#include "core/buf.h"
#include "engine/backend.h"

enum { LAYER_TEXT = 40 };

/* The layer of a node: its output's name, or that of a parameter it reads
 * without the last part ("conv1.weight" gives "conv1"). */
static void layer_of(const assay_graph *g, const struct assay__node *node,
                     char layer[LAYER_TEXT])
{
    const char *name = g->value[node->out].name;
    size_t length;

    for (int i = 0; i < node->n_in && !name; i++) {
        if (node->in[i] != ASSAY_NO_VALUE &&
            g->value[node->in[i]].kind == ASSAY__PARAM)
            name = g->value[node->in[i]].name;
    }
    layer[0] = '\0';
    if (!name)
        return;
    length = strlen(name);
    if (name != g->value[node->out].name && strrchr(name, '.'))
        length = (size_t)(strrchr(name, '.') - name);
    if (length >= LAYER_TEXT)
        length = LAYER_TEXT - 1;
    memcpy(layer, name, length);
    layer[length] = '\0';
}

static void add_step(struct assay__buf *text, const assay_plan *plan, int i)
{
    const struct assay__step *s = &plan->step[i];
    const char *op = "reorder";
    char layer[LAYER_TEXT] = "";

    if (s->node >= 0) {
        const struct assay__node *node = &plan->graph->node[s->node];

        op = node->op->name;
        layer_of(plan->graph, node, layer);
    }
    assay__buf_printf(text, "%4d  %-20s  %-24s  %s", i, op, layer,
                      s->impl ? s->impl : "");
    if (s->runs > 0)
        assay__buf_printf(text, "  %.3f ms",
                          1e3 * s->seconds / (double)s->runs);
    assay__buf_puts(text, "\n");
}

char *assay_plan_describe(const assay_plan *plan)
{
    struct assay__buf text = ASSAY__BUF_INIT;
    struct assay_plan_memory memory;

    assay_plan_memory(plan, &memory);
    assay__buf_printf(&text,
                      "%s, batch %lld, %s, %d threads: %d steps, %.1f MiB "
                      "activations, %.1f MiB parameters, %.1f MiB scratch\n",
                      plan->backend->name, (long long)plan->options.batch,
                      plan->options.mode == ASSAY_MODE_TRAIN ? "training"
                                                             : "evaluation",
                      plan->options.threads, plan->n_steps,
                      (double)memory.activations / 1048576.0,
                      (double)memory.parameters / 1048576.0,
                      (double)memory.scratch / 1048576.0);
    for (int i = 0; i < plan->n_steps; i++)
        add_step(&text, plan, i);
    if (text.failed) {
        assay__buf_release(&text);
        return NULL;
    }
    return text.data;
}

void assay_plan_profile(assay_plan *plan, int on)
{
    if (on && !plan->profile) {
        for (int i = 0; i < plan->n_steps; i++) {
            plan->step[i].seconds = 0.0;
            plan->step[i].runs = 0;
        }
    }
    plan->profile = on != 0;
}
