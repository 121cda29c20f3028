/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What all lowering functions share: errors that stick, buffers, and the
 * forms of values (lower.h).
 */

#include "engine/onednn/lower.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/mem.h"
#include "engine/grow.h"

void assay__dnn_fail(struct assay__dnn *d, int code, const char *fmt, ...)
{
    struct assay_error why;
    va_list args;

    if (d->code != ASSAY_OK)
        return;
    va_start(args, fmt);
    (void)vsnprintf(why.msg, sizeof why.msg, fmt, args);
    va_end(args);
    d->code = assay_error_set(d->err, code, "%s", why.msg);
}

bool assay__dnn_ok(struct assay__dnn *d, dnnl_status_t status, const char *what)
{
    if (status == dnnl_success)
        return true;
    if (status == dnnl_out_of_memory)
        assay__dnn_fail(d, ASSAY_NOMEM, "oneDNN: out of memory to %s", what);
    else
        assay__dnn_fail(d, ASSAY_INTERNAL, "oneDNN: cannot %s (status %d)",
                        what, (int)status);
    return false;
}

void *assay__dnn_keep(struct assay__dnn *d, size_t size)
{
    void **grown;
    void *block;

    if (d->code != ASSAY_OK)
        return NULL;
    grown = assay__grown(d->kept, d->n_kept, &d->cap_kept, sizeof(*d->kept));
    if (grown != NULL)
        d->kept = grown;
    block = grown != NULL ? assay__calloc(1, size) : NULL;
    if (block == NULL) {
        assay__dnn_fail(d, ASSAY_NOMEM, "out of memory for a step of a plan");
        return NULL;
    }
    d->kept[d->n_kept++] = block;
    return block;
}

void assay__dnn_on_close(struct assay__dnn *d, void (*release)(void *what),
                         void *what)
{
    struct assay__closing *grown = NULL;

    if (d->code == ASSAY_OK) {
        grown = assay__grown(d->closing, d->n_closing, &d->cap_closing,
                             sizeof(*d->closing));
        if (grown == NULL)
            assay__dnn_fail(d, ASSAY_NOMEM,
                            "out of memory for a step of a plan");
    }
    if (grown == NULL) {
        release(what);
        return;
    }
    d->closing = grown;
    grown[d->n_closing].release = release;
    grown[d->n_closing++].what = what;
}

int assay__dnn_buffer(struct assay__dnn *d, size_t bytes)
{
    bool *grown;
    int id;

    if (d->code != ASSAY_OK)
        return -1;
    id = assay__plan_buffer(d->plan, bytes, d->err);
    if (id < 0) {
        d->code = id;
        return -1;
    }
    grown = assay__grown(d->pinned, id, &d->cap_pinned, sizeof(*d->pinned));
    if (grown != NULL) {
        d->pinned = grown;
        grown = assay__grown(d->constant, id, &d->cap_constant,
                             sizeof(*d->constant));
    }
    if (grown == NULL) {
        assay__dnn_fail(d, ASSAY_NOMEM, "out of memory for buffer %d", id);
        return -1;
    }
    d->constant = grown;
    d->pinned[id] = false;
    d->constant[id] = false;
    return id;
}

int assay__dnn_derived(struct assay__dnn *d, size_t bytes)
{
    int id = assay__dnn_buffer(d, bytes);

    if (id >= 0 && d->frozen) {
        d->constant[id] = true;
        d->pinned[id] = true;
        d->plan->buffer[id].keep = true;
    }
    return id;
}

void assay__dnn_add_form(struct assay__dnn *d, assay_value v,
                         const_dnnl_memory_desc_t md, int buffer)
{
    struct assay__forms *forms = &d->value[v];
    struct assay__form *grown;

    if (d->code != ASSAY_OK)
        return;
    grown = assay__grown(forms->item, forms->n, &forms->cap, sizeof(*grown));
    if (grown == NULL) {
        assay__dnn_fail(d, ASSAY_NOMEM, "out of memory for value %d", v);
        return;
    }
    forms->item = grown;
    forms->item[forms->n].md = md;
    forms->item[forms->n].buffer = buffer;
    forms->n++;
}

const_dnnl_memory_desc_t assay__dnn_slot_md(struct assay__dnn *d, int slot)
{
    const struct assay__store_slot *s = &d->plan->store->slot[slot];
    dnnl_dims_t dims = {1};
    int i;

    if (s->layout != NULL)
        return assay__dnn_intern(d, (const_dnnl_memory_desc_t)s->layout);
    for (i = 0; i < s->shape.rank; i++)
        dims[i] = s->shape.dim[i];
    return assay__dnn_plain(d, s->shape.rank > 0 ? s->shape.rank : 1, dims);
}

/* A buffer that is a slot of the store's weights or gradients. */
static int slot_buffer(struct assay__dnn *d, int slot, void *base)
{
    const struct assay__store_slot *s = &d->plan->store->slot[slot];
    int id = assay__dnn_buffer(d, s->count * sizeof(float));

    if (id < 0)
        return -1;
    d->plan->buffer[id].fixed = (float *)base + s->offset;
    d->pinned[id] = true;
    return id;
}

/* Parameters get their form when first asked for. */
static void open_param(struct assay__dnn *d, assay_value v)
{
    const char *name = d->plan->graph->value[v].name;
    int slot = assay__store_find(d->plan->store, name);
    int id;

    if (slot < 0) {
        assay__dnn_fail(d, ASSAY_INTERNAL, "the store lacks '%s'", name);
        return;
    }
    id = slot_buffer(d, slot, d->plan->store->weights);
    if (id < 0)
        return;
    d->constant[id] = true;
    assay__dnn_add_form(d, v, assay__dnn_slot_md(d, slot), id);
}

const struct assay_op *assay__dnn_op(const struct assay__dnn *d, int node)
{
    return node >= 0 ? d->plan->graph->node[node].op : NULL;
}

bool assay__dnn_may_wait(const struct assay__dnn *d, int node)
{
    return d->asked != node;
}

int assay__dnn_waiting(const struct assay__dnn *d, assay_value v)
{
    int node = d->plan->graph->value[v].node;

    return d->value[v].n == 0 && node >= 0 && d->waiting[node] ? node : -1;
}

/* Lower a waiting node now. */
static void lower_waiting(struct assay__dnn *d, int node)
{
    int before = d->asked;

    d->asked = node;
    d->waiting[node] = false;
    assay__dnn_lower_node(d, node);
    assay__dnn_done(d, node);
    d->asked = before;
}

struct assay__form assay__dnn_form(struct assay__dnn *d, assay_value v)
{
    struct assay__form none = {NULL, -1};

    if (d->code != ASSAY_OK || v < 0)
        return none;
    if (d->value[v].n == 0 && d->plan->graph->value[v].kind == ASSAY__PARAM)
        open_param(d, v);
    if (d->code == ASSAY_OK && assay__dnn_waiting(d, v) >= 0)
        lower_waiting(d, assay__dnn_waiting(d, v));
    if (d->code != ASSAY_OK)
        return none;
    if (d->value[v].n == 0) {
        assay__dnn_fail(d, ASSAY_INTERNAL, "value %d is read before it is made",
                        v);
        return none;
    }
    return d->value[v].item[0];
}

/* Dimensions equal, so that a reorder may go between the two. */
static bool same_dims(const_dnnl_memory_desc_t a, const_dnnl_memory_desc_t b)
{
    struct assay__md_facts fa;
    struct assay__md_facts fb;

    assay__md_query(a, &fa);
    assay__md_query(b, &fb);
    return fa.rank == fb.rank &&
           memcmp(fa.dim, fb.dim, (size_t)fa.rank * sizeof(fa.dim[0])) == 0;
}

/* Whether oneDNN has a reorder between the two. */
static bool can_reorder(const struct assay__dnn *d,
                        const_dnnl_memory_desc_t from,
                        const_dnnl_memory_desc_t to)
{
    dnnl_primitive_desc_t pd = NULL;

    if (dnnl_reorder_primitive_desc_create(&pd, from, d->engine, to, d->engine,
                                           NULL) != dnnl_success)
        return false;
    dnnl_primitive_desc_destroy(pd);
    return true;
}

/*
 * A new form by a reorder from one of the same dimensions. Winograd's
 * weights can be made from plain ones alone: blocked ones go that way round.
 */
static int want_by_reorder(struct assay__dnn *d, assay_value v,
                           struct assay__form from, const_dnnl_memory_desc_t md)
{
    size_t bytes = dnnl_memory_desc_get_size(md);
    const_dnnl_memory_desc_t plain;
    struct assay__md_facts f;
    int id;

    assay__md_query(from.md, &f);
    plain = assay__dnn_plain(d, f.rank, f.dim);
    if (plain != NULL && from.md != plain && md != plain &&
        !can_reorder(d, from.md, md)) {
        from.buffer = want_by_reorder(d, v, from, plain);
        from.md = plain;
    }
    if (from.buffer < 0)
        return -1;
    id = d->constant[from.buffer] ? assay__dnn_derived(d, bytes)
                                  : assay__dnn_buffer(d, bytes);
    if (id < 0)
        return -1;
    assay__dnn_reorder(d, from.md, from.buffer, md, id);
    assay__dnn_add_form(d, v, md, id);
    return id;
}

int assay__dnn_want(struct assay__dnn *d, assay_value v,
                    const_dnnl_memory_desc_t md)
{
    struct assay__form from = assay__dnn_form(d, v);
    struct assay__forms *forms;
    struct assay__md_facts f;
    const_dnnl_memory_desc_t plain;
    int i;

    if (d->code != ASSAY_OK)
        return -1;
    forms = &d->value[v];
    for (i = 0; i < forms->n; i++) {
        if (forms->item[i].md == md)
            return forms->item[i].buffer;
    }
    for (i = 0; i < forms->n; i++) {
        if (assay__dnn_same_memory(forms->item[i].md, md)) {
            assay__dnn_add_form(d, v, md, forms->item[i].buffer);
            return forms->item[i].buffer;
        }
    }
    for (i = 0; i < forms->n; i++) {
        if (same_dims(forms->item[i].md, md))
            return want_by_reorder(d, v, forms->item[i], md);
    }
    assay__md_query(from.md, &f);
    plain = assay__dnn_plain(d, f.rank, f.dim);
    i = assay__dnn_want(d, v, plain);
    assay__md_query(md, &f);
    plain = assay__dnn_plain(d, f.rank, f.dim);
    assay__dnn_add_form(d, v, plain, i);
    return assay__dnn_want(d, v, md);
}

/* Whether a view is of the value's own dimensions: a form that came through
 * a reshape may have others. */
static bool shows(const struct assay__dnn *d, assay_value v,
                  const struct assay__view *view)
{
    dnnl_dims_t dims;
    int rank = assay__dnn_dims(d, v, dims);

    for (; rank < 4; rank++)
        dims[rank] = 1;
    return view->n == dims[0] && view->channels == dims[1] &&
           view->h == dims[2] && view->w == dims[3];
}

struct assay__form assay__dnn_want_view(struct assay__dnn *d, assay_value v,
                                        struct assay__view *view)
{
    struct assay__form form = assay__dnn_form(d, v);
    int i;

    for (i = 0; d->code == ASSAY_OK && i < d->value[v].n; i++) {
        form = d->value[v].item[i];
        if (assay__dnn_view(form.md, view) && shows(d, v, view))
            return form;
    }
    form.md = assay__dnn_blocked_of(d, v);
    form.buffer = assay__dnn_want(d, v, form.md);
    if (d->code == ASSAY_OK && !assay__dnn_view(form.md, view))
        assay__dnn_fail(d, ASSAY_INTERNAL, "value %d has no blocked form", v);
    return form;
}

const_dnnl_memory_desc_t assay__dnn_gradient_md(struct assay__dnn *d,
                                                assay_value v)
{
    return d->gradient[v] >= 0 ? assay__dnn_slot_md(d, d->gradient[v]) : NULL;
}

int assay__dnn_result(struct assay__dnn *d, assay_value v,
                      const_dnnl_memory_desc_t md)
{
    const_dnnl_memory_desc_t own = NULL;
    int id;

    if (d->code == ASSAY_OK && md != NULL)
        own = assay__dnn_gradient_md(d, v);
    if (d->code != ASSAY_OK || md == NULL)
        return -1;
    if (own != NULL && assay__dnn_same_memory(own, md))
        id = slot_buffer(d, d->gradient[v], d->plan->store->gradients);
    else
        id = assay__dnn_buffer(d, dnnl_memory_desc_get_size(md));
    assay__dnn_add_form(d, v, md, id);
    return id;
}

void assay__dnn_over(struct assay__dnn *d, int buffer, assay_value from,
                     int from_buffer)
{
    if (d->code != ASSAY_OK || buffer < 0 || from_buffer < 0 ||
        d->left[from] != 1 || d->pinned[from_buffer] || d->pinned[buffer])
        return;
    d->plan->buffer[buffer].alias = from_buffer;
}

int assay__dnn_result_over(struct assay__dnn *d, assay_value v,
                           const_dnnl_memory_desc_t md, assay_value from,
                           int from_buffer)
{
    int id = assay__dnn_result(d, v, md);

    assay__dnn_over(d, id, from, from_buffer);
    return id;
}

void assay__dnn_done(struct assay__dnn *d, int index)
{
    const struct assay__node *node = &d->plan->graph->node[index];

    if (d->done[index])
        return;
    d->done[index] = true;
    d->waiting[index] = false;
    for (int i = 0; i < node->n_in; i++) {
        if (node->in[i] != ASSAY_NO_VALUE)
            d->left[node->in[i]]--;
    }
}

int assay__dnn_threads(const struct assay__dnn *d, int64_t count)
{
    enum { COUNT_WORTH_IT = 16384 };

    return count >= COUNT_WORTH_IT ? d->plan->options.threads : 1;
}
