/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Steps: a primitive with its memory objects, or a task of a kernel of our
 * own. Addresses are put in once, by assay__dnn_bind(); running allocates
 * nothing. A step whose buffers derive from parameters alone runs only when
 * the store has changed since (frozen plans).
 */

#include <string.h>

#include "core/mem.h"
#include "engine/onednn/lower.h"

/* The version no store has. */
#define NEVER UINT64_MAX

struct primitive_step {
    dnnl_primitive_t primitive;
    dnnl_exec_arg_t arg[ASSAY__PRIMITIVE_ARGS + 1]; /* last: scratch */
    int buffer[ASSAY__PRIMITIVE_ARGS];
    int n_args;
    bool scratch;
    bool on_change;
    uint64_t seen;
};

struct task_step {
    struct assay__task task;
    bool on_change;
    uint64_t seen;
};

/* True when the step has nothing to do. */
static bool up_to_date(const assay_plan *plan, bool on_change, uint64_t *seen)
{
    if (!on_change)
        return false;
    if (*seen == plan->store->version)
        return true;
    *seen = plan->store->version;
    return false;
}

static int run_primitive(assay_plan *plan, void *arg, struct assay_error *err)
{
    const struct assay__dnn *d = plan->self;
    struct primitive_step *s = arg;
    dnnl_status_t status;

    if (up_to_date(plan, s->on_change, &s->seen))
        return ASSAY_OK;
    status = dnnl_primitive_execute(s->primitive, d->stream,
                                    s->n_args + (s->scratch ? 1 : 0), s->arg);
    if (status == dnnl_success)
        return ASSAY_OK;
    return assay_error_set(err, ASSAY_INTERNAL,
                           "oneDNN: a primitive failed (status %d)",
                           (int)status);
}

static void release_primitive(void *arg)
{
    struct primitive_step *s = arg;
    int i;

    for (i = 0; i < s->n_args + (s->scratch ? 1 : 0); i++) {
        if (s->arg[i].memory != NULL)
            dnnl_memory_destroy(s->arg[i].memory);
    }
    if (s->primitive != NULL)
        dnnl_primitive_destroy(s->primitive);
    assay__free(s);
}

static int run_task(assay_plan *plan, void *arg, struct assay_error *err)
{
    struct task_step *s = arg;

    (void)err;
    if (!up_to_date(plan, s->on_change, &s->seen))
        s->task.run(&s->task);
    return ASSAY_OK;
}

/* Whether every buffer written derives from parameters alone: those are
 * the constant ones, and steps that write them write nothing else. */
static bool writes_constants(const struct assay__dnn *d, const int *buffer,
                             int n)
{
    int i;

    for (i = 0; i < n; i++) {
        if (buffer[i] >= 0 && !d->constant[buffer[i]])
            return false;
    }
    return d->frozen;
}

static void append(struct assay__dnn *d, struct assay__step *step,
                   const int *buffer, int n)
{
    int use[ASSAY__TASK_ARGS];
    int code;
    int i;

    step->use = use;
    step->n_use = 0;
    for (i = 0; i < n; i++) {
        if (buffer[i] >= 0)
            use[step->n_use++] = buffer[i];
    }
    code = assay__plan_step(d->plan, step, d->err);
    if (code < 0) {
        d->code = code;
        step->release(step->arg);
    }
}

struct assay__arg assay__dnn_reads(struct assay__dnn *d,
                                   const_dnnl_primitive_desc_t pd, int arg,
                                   dnnl_query_t query, assay_value v)
{
    struct assay__arg a = {arg, NULL, -1};

    a.md = assay__dnn_intern(d, dnnl_primitive_desc_query_md(pd, query, 0));
    if (a.md != NULL)
        a.buffer = assay__dnn_want(d, v, a.md);
    return a;
}

struct assay__arg assay__dnn_makes(struct assay__dnn *d,
                                   const_dnnl_primitive_desc_t pd, int arg,
                                   dnnl_query_t query, assay_value v)
{
    struct assay__arg a = {arg, NULL, -1};

    a.md = assay__dnn_intern(d, dnnl_primitive_desc_query_md(pd, query, 0));
    a.buffer = assay__dnn_result(d, v, a.md);
    return a;
}

struct assay__arg assay__dnn_reads_plain(struct assay__dnn *d, int arg,
                                         assay_value v)
{
    struct assay__arg a = {arg, assay__dnn_plain_of(d, v), -1};

    if (a.md != NULL)
        a.buffer = assay__dnn_want(d, v, a.md);
    return a;
}

struct assay__arg assay__dnn_makes_plain(struct assay__dnn *d, int arg,
                                         assay_value v)
{
    struct assay__arg a = {arg, assay__dnn_plain_of(d, v), -1};

    a.buffer = assay__dnn_result(d, v, a.md);
    return a;
}

/* The memory object of one argument, without an address yet. */
static bool add_argument(struct assay__dnn *d, struct primitive_step *s, int at,
                         int arg, const_dnnl_memory_desc_t md)
{
    s->arg[at].arg = arg;
    s->arg[at].memory = NULL;
    return assay__dnn_ok(
        d,
        dnnl_memory_create(&s->arg[at].memory, md, d->engine, DNNL_MEMORY_NONE),
        "describe an argument");
}

static bool fill_primitive(struct assay__dnn *d, struct primitive_step *s,
                           const_dnnl_primitive_desc_t pd,
                           const struct assay__arg *args, int n_args)
{
    const_dnnl_memory_desc_t scratch =
        dnnl_primitive_desc_query_md(pd, dnnl_query_scratchpad_md, 0);
    size_t bytes = scratch != NULL ? dnnl_memory_desc_get_size(scratch) : 0;
    int i;

    if (!assay__dnn_ok(d, dnnl_primitive_create(&s->primitive, pd),
                       "create a primitive"))
        return false;
    for (i = 0; i < n_args; i++) {
        if (!add_argument(d, s, i, args[i].arg, args[i].md))
            return false;
        s->buffer[i] = args[i].buffer;
        s->n_args = i + 1;
    }
    if (bytes == 0)
        return true;
    if (!add_argument(d, s, n_args, DNNL_ARG_SCRATCHPAD, scratch))
        return false;
    s->scratch = true;
    if (bytes > d->scratch_bytes)
        d->scratch_bytes = bytes;
    return true;
}

/* The name lives as long as the primitive, which holds a descriptor. */
static const char *implementation(dnnl_primitive_t primitive)
{
    const_dnnl_primitive_desc_t pd = NULL;

    if (dnnl_primitive_get_primitive_desc(primitive, &pd) != dnnl_success)
        return "?";
    return assay__pd_name(pd);
}

void assay__dnn_primitive(struct assay__dnn *d, int node,
                          dnnl_primitive_desc_t pd,
                          const struct assay__arg *args, int n_args)
{
    struct assay__step step = {0};
    struct primitive_step *s;

    if (pd == NULL)
        return;
    s = d->code == ASSAY_OK ? assay__calloc(1, sizeof(*s)) : NULL;
    if (s == NULL) {
        assay__dnn_fail(d, ASSAY_NOMEM, "out of memory for a step of a plan");
        dnnl_primitive_desc_destroy(pd);
        return;
    }
    s->seen = NEVER;
    if (!fill_primitive(d, s, pd, args, n_args)) {
        release_primitive(s);
        dnnl_primitive_desc_destroy(pd);
        return;
    }
    s->on_change = writes_constants(d, s->buffer, n_args);
    step.run = run_primitive;
    step.release = release_primitive;
    step.arg = s;
    step.node = node;
    step.impl = implementation(s->primitive);
    append(d, &step, s->buffer, n_args);
    dnnl_primitive_desc_destroy(pd);
}

/* One reorder, or false when the library has none between the two. */
static bool reorder_step(struct assay__dnn *d, const_dnnl_memory_desc_t from,
                         int from_buffer, const_dnnl_memory_desc_t to,
                         int to_buffer)
{
    struct assay__arg args[2] = {{DNNL_ARG_FROM, from, from_buffer},
                                 {DNNL_ARG_TO, to, to_buffer}};
    dnnl_primitive_desc_t pd = NULL;
    dnnl_primitive_attr_t attr = NULL;
    dnnl_status_t s = dnnl_primitive_attr_create(&attr);

    if (s == dnnl_success)
        s = dnnl_primitive_attr_set_scratchpad_mode(attr,
                                                    dnnl_scratchpad_mode_user);
    if (s == dnnl_success)
        s = dnnl_reorder_primitive_desc_create(&pd, from, d->engine, to,
                                               d->engine, attr);
    if (s == dnnl_success)
        assay__dnn_primitive(d, -1, pd, args, 2);
    if (attr != NULL)
        dnnl_primitive_attr_destroy(attr);
    if (s != dnnl_unimplemented)
        (void)assay__dnn_ok(d, s, "reorder a value");
    return s != dnnl_unimplemented;
}

void assay__dnn_reorder(struct assay__dnn *d, const_dnnl_memory_desc_t from,
                        int from_buffer, const_dnnl_memory_desc_t to,
                        int to_buffer)
{
    const_dnnl_memory_desc_t plain;
    struct assay__md_facts f;
    size_t bytes;
    int between;

    if (d->code != ASSAY_OK ||
        reorder_step(d, from, from_buffer, to, to_buffer))
        return;
    /* Some formats are reached from plain order only. */
    assay__md_query(to, &f);
    plain = assay__dnn_plain(d, f.rank, f.dim);
    if (plain == NULL)
        return;
    bytes = dnnl_memory_desc_get_size(plain);
    between = d->constant[to_buffer] ? assay__dnn_derived(d, bytes)
                                     : assay__dnn_buffer(d, bytes);
    if (d->code == ASSAY_OK &&
        (!reorder_step(d, from, from_buffer, plain, between) ||
         !reorder_step(d, plain, between, to, to_buffer)))
        assay__dnn_fail(d, ASSAY_UNSUPPORTED,
                        "oneDNN has no way between two layouts");
}

struct assay__task assay__dnn_task(struct assay__dnn *d, int node,
                                   const char *name,
                                   void (*run)(const struct assay__task *t))
{
    struct assay__task t;
    int i;

    memset(&t, 0, sizeof t);
    for (i = 0; i < ASSAY__TASK_ARGS; i++)
        t.buffer[i] = -1;
    t.run = run;
    t.name = name;
    t.node = node;
    t.threads = d->plan->options.threads;
    t.plan = d->plan;
    return t;
}

void assay__dnn_append(struct assay__dnn *d, const struct assay__task *t)
{
    struct assay__step step = {0};
    struct task_step *s;

    if (d->code != ASSAY_OK)
        return;
    s = assay__calloc(1, sizeof(*s));
    if (s == NULL) {
        assay__dnn_fail(d, ASSAY_NOMEM, "out of memory for a step of a plan");
        return;
    }
    s->task = *t;
    s->seen = NEVER;
    s->on_change = writes_constants(d, t->buffer, ASSAY__TASK_ARGS);
    step.run = run_task;
    step.release = assay__free;
    step.arg = s;
    step.node = t->node;
    step.impl = t->name;
    append(d, &step, t->buffer, ASSAY__TASK_ARGS);
}

static int bind_primitive(const assay_plan *plan, struct primitive_step *s,
                          struct assay_error *err)
{
    const struct assay__dnn *d = plan->self;
    dnnl_status_t status = dnnl_success;
    int i;

    for (i = 0; i < s->n_args && status == dnnl_success; i++)
        status = dnnl_memory_set_data_handle(
            s->arg[i].memory, assay__plan_address(plan, s->buffer[i]));
    if (s->scratch && status == dnnl_success)
        status =
            dnnl_memory_set_data_handle(s->arg[s->n_args].memory, d->scratch);
    if (status == dnnl_success)
        return ASSAY_OK;
    return assay_error_set(err, ASSAY_INTERNAL,
                           "oneDNN: cannot place an argument (status %d)",
                           (int)status);
}

int assay__dnn_bind(assay_plan *plan, struct assay_error *err)
{
    int code = ASSAY_OK;
    int i;
    int k;

    for (i = 0; i < plan->n_steps && code == ASSAY_OK; i++) {
        struct assay__step *step = &plan->step[i];

        if (step->run == run_primitive) {
            code = bind_primitive(plan, step->arg, err);
        } else if (step->run == run_task) {
            struct assay__task *t = &((struct task_step *)step->arg)->task;

            for (k = 0; k < ASSAY__TASK_ARGS; k++) {
                if (t->buffer[k] >= 0)
                    t->p[k] = assay__plan_address(plan, t->buffer[k]);
            }
        }
    }
    return code;
}
