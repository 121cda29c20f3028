/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The items of an import (import.h): names, constants, parameters, and ops on
 * them. Constants
 * are decoded when they are first asked for and computed by the reference
 * kernels of the engine's ops; both count towards a limit, so that a small
 * file cannot ask for much.
 */

#include "onnx/import.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/mem.h"

/* Numbers that all constants together may have been computed to, and
 * multiply-adds above which an op is left to the plan. */
#define FOLDED_MAX ((size_t)1 << 27)
#define FOLD_FLOPS 1e8
/* Numbers read and multiply-adds of all of them together. */
#define WORK_MAX 2e10
/* Names of parameters are looked up by walking the graph's values. */
enum { PARAMS_MAX = 1 << 14 };

int assay__im_fail(struct assay__importer *im, int code, const char *fmt, ...)
{
    char msg[sizeof(im->err->msg)];
    va_list args;

    if (im->code != ASSAY_OK)
        return -1;
    va_start(args, fmt);
    vsnprintf(msg, sizeof(msg), fmt, args);
    va_end(args);
    im->code = assay_error_set(im->err, code, "%s", msg);
    return -1;
}

/* --- names --------------------------------------------------------------- */

static size_t hash_of(struct assay__span name)
{
    uint64_t h = 1469598103934665603U;

    for (size_t i = 0; i < name.size; i++)
        h = (h ^ (unsigned char)name.text[i]) * 1099511628211U;
    return (size_t)(h ^ h >> 29);
}

/* Where a name is, or would be. */
static size_t place_of(const struct assay__importer *im,
                       struct assay__span name)
{
    size_t i = hash_of(name) & (im->n_slots - 1);

    while (im->slot[i] != 0 &&
           (im->slot_name[i].size != name.size ||
            memcmp(im->slot_name[i].text, name.text, name.size) != 0))
        i = (i + 1) & (im->n_slots - 1);
    return i;
}

int assay__im_find(const struct assay__importer *im, struct assay__span name)
{
    return im->slot[place_of(im, name)] - 1;
}

void assay__im_bind(struct assay__importer *im, struct assay__span name,
                    int item)
{
    size_t at;

    if (im->code != ASSAY_OK || name.size == 0)
        return;
    at = place_of(im, name);
    if (im->slot[at] != 0) {
        assay__im_fail(im, ASSAY_FORMAT, "'%.*s' is made twice",
                       assay__span_length(name), name.text);
        return;
    }
    im->slot[at] = item + 1;
    im->slot_name[at] = name;
    if (item >= 0 && im->item[item].name.size == 0)
        im->item[item].name = name;
}

static size_t count_names(const assay_onnx *o)
{
    size_t n = (size_t)o->n_tensors + (size_t)o->n_inputs;

    for (int i = 0; i < o->n_nodes; i++)
        n += (size_t)o->node[i].n_out;
    return n;
}

static int bind_tensors(struct assay__importer *im)
{
    for (int i = 0; i < im->o->n_tensors; i++)
        assay__im_bind(im, im->o->tensor[i].name,
                       assay__im_of_tensor(im, &im->o->tensor[i]));
    return im->code;
}

int assay__import_open(struct assay__importer *im, const assay_onnx *o,
                       bool symbolic, struct assay_error *err)
{
    size_t names = 2 * count_names(o) + 16;
    int code;

    memset(im, 0, sizeof(*im));
    im->o = o;
    im->symbolic = symbolic;
    im->err = err;
    for (im->n_slots = 16; im->n_slots < names;)
        im->n_slots *= 2;
    im->slot = assay__calloc(im->n_slots, sizeof(*im->slot));
    im->slot_name = assay__calloc(im->n_slots, sizeof(*im->slot_name));
    if (!im->slot || !im->slot_name)
        return assay_error_set(err, ASSAY_NOMEM, "import: out of memory");
    code = assay_graph_new(&im->g, err);
    return code != ASSAY_OK ? code : bind_tensors(im);
}

void assay__import_close(struct assay__importer *im)
{
    for (int i = 0; i < im->n_items; i++)
        assay__free(im->item[i].data);
    assay__free(im->item);
    assay__free(im->slot);
    assay__free(im->slot_name);
    assay__free(im->param);
    assay_graph_free(im->g);
}

/* --- items --------------------------------------------------------------- */

const struct assay__item *assay__im_at(const struct assay__importer *im,
                                       int item)
{
    static const struct assay__item none = {.v = ASSAY_NO_VALUE, .node = -1};

    return item >= 0 && item < im->n_items ? &im->item[item] : &none;
}

const struct assay_shape *assay__im_shape(const struct assay__importer *im,
                                          int item)
{
    return &assay__im_at(im, item)->shape;
}

bool assay__im_known(const struct assay__importer *im, int item)
{
    return assay__im_at(im, item)->known;
}

bool assay__im_batched(const struct assay__importer *im, int item)
{
    const struct assay_shape *s = assay__im_shape(im, item);

    return s->rank > 0 && s->dim[0] == ASSAY_BATCH;
}

void assay__im_set_type(struct assay__importer *im, int item, int type)
{
    if (item >= 0 && item < im->n_items)
        im->item[item].type = type;
}

bool assay__im_is_integer(int type)
{
    return (type >= ASSAY__ONNX_U8 && type <= ASSAY__ONNX_I64) ||
           type == ASSAY__ONNX_U32 || type == ASSAY__ONNX_U64;
}

static int new_item(struct assay__importer *im, const struct assay_shape *shape,
                    int type)
{
    const struct assay_shape own = *shape;
    struct assay__item *item;

    if (im->code != ASSAY_OK)
        return -1;
    if (im->n_items == im->cap_items) {
        int cap = im->cap_items ? 2 * im->cap_items : 64;
        struct assay__item *all =
            assay__realloc(im->item, (size_t)cap, sizeof(*all));

        if (!all)
            return assay__im_fail(im, ASSAY_NOMEM, "import: out of memory");
        im->item = all;
        im->cap_items = cap;
    }
    item = &im->item[im->n_items];
    memset(item, 0, sizeof(*item));
    item->shape = own;
    item->type = type;
    item->v = ASSAY_NO_VALUE;
    item->name.text = "";
    item->node = im->node ? im->node_index : -1;
    return im->n_items++;
}

int64_t assay__im_count(const struct assay_shape *s)
{
    int64_t n = 1;

    for (int i = 0; i < s->rank; i++) {
        if (i > 0 || s->dim[0] != ASSAY_BATCH)
            n = assay__times(n, s->dim[i]);
    }
    return n;
}

/* Room for so many numbers more, or a failure. */
static double *numbers(struct assay__importer *im, int64_t n)
{
    double *data;

    if (n < 0 || (size_t)n > FOLDED_MAX - im->folded) {
        assay__im_fail(im, ASSAY_LIMIT,
                       "constants of over %zu numbers would be computed",
                       FOLDED_MAX);
        return NULL;
    }
    data = assay__calloc((size_t)n + 1, sizeof(*data));
    if (!data)
        assay__im_fail(im, ASSAY_NOMEM, "import: out of memory");
    im->folded += (size_t)n;
    return data;
}

int assay__im_constant(struct assay__importer *im,
                       const struct assay_shape *shape, const double *data,
                       int type)
{
    int64_t n = 1;
    double *own;
    int item;

    if (im->code != ASSAY_OK)
        return -1;
    for (int i = 0; i < shape->rank; i++) {
        if (shape->dim[i] < 0 || __builtin_mul_overflow(n, shape->dim[i], &n))
            return assay__im_fail(im, ASSAY_LIMIT,
                                  "a constant has no shape that it could have");
    }
    own = numbers(im, n);
    if (!own)
        return -1;
    if (data)
        memcpy(own, data, (size_t)n * sizeof(*own));
    item = new_item(im, shape, type);
    if (item < 0) {
        assay__free(own);
        return -1;
    }
    im->item[item].known = true;
    im->item[item].data = own;
    return item;
}

double *assay__im_room(struct assay__importer *im, int item)
{
    return item >= 0 ? im->item[item].data : NULL;
}

int assay__im_number(struct assay__importer *im, double x, int type)
{
    struct assay_shape scalar = {0, {0}};

    return assay__im_constant(im, &scalar, &x, type);
}

int assay__im_of_value(struct assay__importer *im, assay_value v, int type)
{
    int item;

    if (im->code == ASSAY_OK)
        im->code = assay_graph_check(im->g, im->err);
    if (im->code != ASSAY_OK)
        return -1;
    item = new_item(im, assay_graph_shape(im->g, v), type);
    if (item >= 0)
        im->item[item].v = v;
    return item;
}

static bool is_real(int type)
{
    return type == ASSAY__ONNX_F32 || type == ASSAY__ONNX_F64 ||
           type == ASSAY__ONNX_F16 || type == ASSAY__ONNX_BF16;
}

int assay__im_of_tensor(struct assay__importer *im,
                        const struct assay__onnx_tensor *t)
{
    int item = new_item(im, &t->shape, t->type);

    if (item >= 0) {
        im->item[item].known = true;
        im->item[item].from = t;
        im->item[item].weight = is_real(t->type);
    }
    return item;
}

void assay__im_mark_statistic(struct assay__importer *im, int item)
{
    if (item >= 0 && item < im->n_items)
        im->item[item].statistic = true;
}

void assay__im_inherit(struct assay__importer *im, int item, int of)
{
    if (im->code != ASSAY_OK || item < 0 || of < 0 || item == of ||
        !im->item[item].known || !im->item[of].known)
        return;
    im->item[item].name = im->item[of].name;
    im->item[item].weight = im->item[of].weight;
    im->item[item].statistic = im->item[of].statistic;
}

int assay__im_alias(struct assay__importer *im, int item,
                    const struct assay_shape *shape)
{
    int alias;

    if (im->code != ASSAY_OK || item < 0)
        return -1;
    if (!im->item[item].from || im->item[item].data) {
        alias = assay__im_constant(im, shape, im->item[item].data,
                                   im->item[item].type);
    } else {
        alias = new_item(im, shape, im->item[item].type);
        if (alias >= 0) {
            im->item[alias].known = true;
            im->item[alias].from = im->item[item].from;
        }
    }
    assay__im_inherit(im, alias, item);
    return alias;
}

const double *assay__im_data(struct assay__importer *im, int item,
                             const char *what)
{
    struct assay__item *at;

    if (im->code != ASSAY_OK || item < 0)
        return NULL;
    at = &im->item[item];
    if (!at->known) {
        assay__im_fail(im, ASSAY_UNSUPPORTED,
                       "%s is computed from the input; only a constant is "
                       "supported",
                       what);
        return NULL;
    }
    if (at->data || !at->from)
        return at->data;
    at->data = numbers(im, (int64_t)at->from->count);
    if (!at->data)
        return NULL;
    im->code = assay__onnx_tensor_values(at->from, at->data, im->err);
    return im->code == ASSAY_OK ? at->data : NULL;
}

/* A name for a parameter that nothing has yet. */
static char *param_name(const struct assay__importer *im, int item)
{
    struct assay__span name = im->item[item].name;
    char *text = name.size > 0
                     ? assay__format("%.*s", (int)name.size, name.text)
                     : assay__format("constant.%d", im->n_params);

    /* A classifier gives these names to values of its own. */
    if (text &&
        (assay_graph_find(im->g, text) != ASSAY_NO_VALUE ||
         strcmp(text, "logits") == 0 || strcmp(text, "embedding") == 0)) {
        char *longer = assay__format("%s.%d", text, im->n_params);

        assay__free(text);
        text = longer;
    }
    return text;
}

static bool note_param(struct assay__importer *im, int item)
{
    if (im->n_params >= PARAMS_MAX) {
        assay__im_fail(im, ASSAY_LIMIT, "over %d parameters", (int)PARAMS_MAX);
        return false;
    }
    if (im->n_params == im->cap_params) {
        int cap = im->cap_params ? 2 * im->cap_params : 64;
        int *all = assay__realloc(im->param, (size_t)cap, sizeof(*all));

        if (!all) {
            assay__im_fail(im, ASSAY_NOMEM, "import: out of memory");
            return false;
        }
        im->param = all;
        im->cap_params = cap;
    }
    im->param[im->n_params++] = item;
    return true;
}

/* Numbers of the file may be trained; what was computed from them not. */
static assay_value make_param(struct assay__importer *im, int item)
{
    static const struct assay_init zero = {ASSAY_INIT_ZERO, 0.0, 0.0};
    const struct assay__item *at = &im->item[item];
    unsigned flags = at->statistic ? (unsigned)ASSAY_PARAM_BUFFER
                     : at->weight  ? (unsigned)ASSAY_PARAM_TRAINABLE
                                   : 0;
    char *name = param_name(im, item);
    assay_value v;

    if (!name) {
        assay__im_fail(im, ASSAY_NOMEM, "import: out of memory");
        return ASSAY_NO_VALUE;
    }
    v = assay_graph_param(im->g, name, &at->shape, zero, flags);
    assay__free(name);
    im->code = assay_graph_check(im->g, im->err);
    if (im->code != ASSAY_OK || !note_param(im, item))
        return ASSAY_NO_VALUE;
    im->item[item].v = v;
    return v;
}

assay_value assay__im_value(struct assay__importer *im, int item)
{
    if (im->code != ASSAY_OK || item < 0)
        return ASSAY_NO_VALUE;
    if (im->item[item].v != ASSAY_NO_VALUE || !im->item[item].known)
        return im->item[item].v;
    return make_param(im, item);
}

/* --- ops ----------------------------------------------------------------- */

/* Count the work of an op on constants; fails over the limit. */
static void count_work(struct assay__importer *im, const struct assay_op *op,
                       int n, const struct assay_attrs *attrs,
                       const struct assay_shape *in_shape,
                       const struct assay_shape *out_shape)
{
    for (int i = 0; i < n; i++)
        im->work += (double)assay__im_count(&in_shape[i]);
    if (op->flops)
        im->work += op->flops(attrs, in_shape, out_shape);
    if (im->work > WORK_MAX)
        assay__im_fail(im, ASSAY_LIMIT,
                       "constants take over %g steps to compute", WORK_MAX);
}

/* Compute an op on constants. */
static int fold(struct assay__importer *im, const struct assay_op *op,
                const int *in, int n, const struct assay_attrs *attrs,
                const struct assay_shape *in_shape,
                const struct assay_shape *out_shape)
{
    struct assay__call call = {.attrs = attrs, .n_in = n, .n_out = op->n_out};
    double *in_at[ASSAY__OP_INPUTS_MAX];
    double *out_at[ASSAY__OP_OUTPUTS_MAX];
    int first = -1;

    count_work(im, op, n, attrs, in_shape, out_shape);
    for (int i = 0; i < op->n_out; i++) {
        int item =
            assay__im_constant(im, &out_shape[i], NULL,
                               n > 0 ? im->item[in[0]].type : ASSAY__ONNX_F32);

        first = i == 0 ? item : first;
    }
    for (int i = 0; i < n; i++) {
        (void)assay__im_data(im, in[i], "an input");
        if (im->code != ASSAY_OK)
            return -1;
    }
    for (int i = 0; i < n; i++)
        in_at[i] = im->item[in[i]].data;
    for (int i = 0; i < op->n_out && im->code == ASSAY_OK; i++)
        out_at[i] = im->item[first + i].data;
    if (im->code != ASSAY_OK)
        return -1;
    call.mode = ASSAY_MODE_EVAL;
    call.in_shape = in_shape;
    call.out_shape = out_shape;
    call.in = in_at;
    call.out = out_at;
    op->reference(&call);
    return first;
}

/* Whether all inputs are constants and the op is cheap; its shapes. */
static bool may_fold(struct assay__importer *im, const struct assay_op *op,
                     const int *in, int n, const struct assay_attrs *attrs,
                     struct assay_shape *in_shape,
                     struct assay_shape *out_shape)
{
    struct assay_error why = {ASSAY_OK, ""};
    int code;

    for (int i = 0; i < n; i++) {
        if (in[i] < 0 || !im->item[in[i]].known)
            return false;
        in_shape[i] = im->item[in[i]].shape;
        for (int k = 0; k < in_shape[i].rank; k++) {
            if (in_shape[i].dim[k] == 0) {
                assay__im_fail(im, ASSAY_UNSUPPORTED,
                               "an empty tensor cannot be computed with");
                return false;
            }
        }
    }
    if (attrs->shape.rank > 0 && attrs->shape.dim[0] == ASSAY_BATCH)
        return false;
    code = op->shape(attrs, n, in_shape, out_shape, &why);
    if (code != ASSAY_OK) {
        assay__im_fail(im, code, "%s", why.msg);
        return false;
    }
    return !op->flops || op->flops(attrs, in_shape, out_shape) < FOLD_FLOPS;
}

int assay__im_op(struct assay__importer *im, const char *name, const int *in,
                 int n, const struct assay_attrs *attrs)
{
    static const struct assay_attrs none;
    const struct assay_op *op = assay__op_find(name);
    struct assay_shape in_shape[ASSAY__OP_INPUTS_MAX];
    struct assay_shape out_shape[ASSAY__OP_OUTPUTS_MAX] = {{0, {0}}};
    assay_value value[ASSAY__OP_INPUTS_MAX];
    assay_value v;
    int type;
    int first = -1;

    if (im->code != ASSAY_OK)
        return -1;
    if (n > ASSAY__OP_INPUTS_MAX)
        return assay__im_fail(im, ASSAY_LIMIT,
                              "%d inputs, over the limit of %d", n,
                              (int)ASSAY__OP_INPUTS_MAX);
    attrs = attrs ? attrs : &none;
    if (may_fold(im, op, in, n, attrs, in_shape, out_shape))
        return fold(im, op, in, n, attrs, in_shape, out_shape);
    type = n > 0 ? assay__im_at(im, in[0])->type : ASSAY__ONNX_F32;
    for (int i = 0; i < n; i++)
        value[i] = assay__im_value(im, in[i]);
    if (im->code != ASSAY_OK)
        return -1;
    v = assay_graph_node(im->g, name, value, n, attrs);
    for (int i = 0; i < op->n_out; i++) {
        int item = assay__im_of_value(im, v + i, type);

        first = i == 0 ? item : first;
    }
    return im->code == ASSAY_OK ? first : -1;
}

/* --- parameters ---------------------------------------------------------- */

static int fill_param(struct assay__importer *im, int item,
                      const struct assay_param_slot *slot, float *data)
{
    const struct assay__item *at = &im->item[item];

    if (at->from && !at->data && at->from->raw &&
        at->from->type == ASSAY__ONNX_F32) {
        memcpy(data, at->from->raw, slot->count * sizeof(*data));
    } else {
        const double *from = assay__im_data(im, item, "a parameter");

        for (size_t i = 0; from && i < slot->count; i++)
            data[i] = (float)from[i];
    }
    for (size_t i = 0; i < slot->count && im->code == ASSAY_OK; i++) {
        if (!isfinite(data[i]) && (slot->flags & ASSAY_PARAM_TRAINABLE))
            return assay__im_fail(im, ASSAY_NUMERIC,
                                  "'%.100s': number %zu is not finite",
                                  slot->name, i);
    }
    return im->code;
}

void assay__import_params(struct assay__importer *im,
                          struct assay_params *params)
{
    if (im->code == ASSAY_OK)
        im->code = assay_params_make(params, im->g, im->err);
    for (int i = 0; i < im->n_params && im->code == ASSAY_OK; i++)
        (void)fill_param(im, im->param[i], &params->slot[i],
                         params->data + params->slot[i].offset);
}
