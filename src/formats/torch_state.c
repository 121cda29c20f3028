/* SPDX-License-Identifier: Apache-2.0 */
/*
 * State dicts within PyTorch pickles (torch_state.h): find the model in the
 * tree, walk it, add its tensors. The tree is a stranger's: it may share and
 * hold itself, so depth and steps are bounded.
 */

#include "formats/torch_state.h"

#include <stdio.h>
#include <string.h>

#include "core/buf.h"
#include "core/mem.h"
#include "formats/format.h"
#include "formats/pickle_trust.h"
#include "formats/torch_tensor.h"

enum { DEPTH_MAX = 32, STEPS_MAX = 1 << 20, UNWRAP_MAX = 4 };

typedef const struct assay__pickle_value value;

static const char *const wrappers[] = {"state_dict",  "model_state_dict",
                                       "model_state", "net_state_dict",
                                       "model",       "net",
                                       "module",      "network",
                                       "params",      "weights"};

static const char *const prefixes[] = {"module.", "_orig_mod.", "model."};

struct walk {
    struct assay_tensors *list;
    const struct assay__torch_source *source;
    char name[ASSAY__NAME_MAX + 1];
    size_t n_name;
    size_t n_steps;
    size_t n_ignored;
    size_t total;
    struct assay_error *err;
};

int assay__torch_global(void *user, const struct assay__pickle_op *op,
                        const char *module, const char *name,
                        struct assay_error *err)
{
    (void)user;
    if (!module)
        return assay_error_set(err, ASSAY_UNSUPPORTED,
                               "byte %zu: %s: the pickle computes the name of "
                               "what it loads, which is refused",
                               op->at, op->name);
    if (strcmp(module, "__torch__") == 0 ||
        strncmp(module, "__torch__.", 10) == 0 ||
        assay__pickle_judge(module, name, NULL) == ASSAY__TRUST_ALLOWED)
        return ASSAY_OK;
    return assay_error_set(err, ASSAY_UNSUPPORTED,
                           "byte %zu: the pickle names %.60s.%.60s, which is "
                           "not on the list of what weights need; it is "
                           "refused",
                           op->at, module, name);
}

/* Keys and values: flat (key, value, key ...) or a list of pairs each. */
struct pairs {
    value *const *item;
    uint32_t n;
    bool nested;
};

static bool is_list(value *v)
{
    return v && (v->kind == ASSAY__PV_LIST || v->kind == ASSAY__PV_TUPLE);
}

/* OrderedDict([[key, value], ...]), as Python 2 wrote it. */
static bool nested_pairs(value *call, struct pairs *p)
{
    value *arguments = call->item[1];
    value *list = is_list(arguments) && arguments->n_items == 1
                      ? arguments->item[0]
                      : NULL;

    if (!list || !is_list(list))
        return false;
    for (uint32_t i = 0; i < list->n_items; i++) {
        if (!is_list(list->item[i]) || list->item[i]->n_items != 2)
            return false;
    }
    p->item = (value *const *)list->item;
    p->n = list->n_items;
    p->nested = true;
    return true;
}

/*
 * The pairs of a dictionary, of an OrderedDict, or of an object's state
 * (TorchScript's modules); false when `v` is none of them.
 */
static bool pairs_of(value *v, struct pairs *p)
{
    *p = (struct pairs){.n = 0};
    if (v->kind == ASSAY__PV_CALL && !assay__torch_is_tensor(v)) {
        value *state = v->item[2];

        if (v->pairs) {
            p->item = (value *const *)(v->item + 3);
            p->n = (v->n_items - 3) / 2;
            return true;
        }
        if (nested_pairs(v, p) || !state || state->kind != ASSAY__PV_DICT)
            return true;
        v = state;
    }
    if (v->kind != ASSAY__PV_DICT)
        return false;
    p->item = (value *const *)v->item;
    p->n = v->n_items / 2;
    return true;
}

static value *key_of(const struct pairs *p, uint32_t i)
{
    return p->nested ? p->item[i]->item[0] : p->item[2 * i];
}

static value *value_of(const struct pairs *p, uint32_t i)
{
    return p->nested ? p->item[i]->item[1] : p->item[2 * i + 1];
}

static value *lookup(value *v, const char *key)
{
    struct pairs p;
    value *found = NULL;

    if (!pairs_of(v, &p))
        return NULL;
    for (uint32_t i = 0; i < p.n; i++) {
        if (assay__torch_is_text(key_of(&p, i), key))
            found = value_of(&p, i); /* the last of equal keys counts */
    }
    return found;
}

static bool has_tensor(value *v)
{
    struct pairs p;

    if (!pairs_of(v, &p))
        return false;
    for (uint32_t i = 0; i < p.n; i++) {
        if (assay__torch_is_tensor(value_of(&p, i)))
            return true;
    }
    return false;
}

static bool is_container(value *v)
{
    struct pairs p;

    return is_list(v) || (pairs_of(v, &p) && p.n > 0);
}

/* Through wrappers to the model; `under` collects their keys. */
static value *unwrap(value *v, struct assay__buf *under)
{
    for (int depth = 0; depth < UNWRAP_MAX; depth++) {
        value *inner = NULL;

        for (size_t i = 0; i < sizeof(wrappers) / sizeof(wrappers[0]) && !inner;
             i++) {
            inner = has_tensor(v) ? NULL : lookup(v, wrappers[i]);
            if (inner && !is_container(inner))
                inner = NULL;
            if (inner)
                assay__buf_printf(under, "%s%s", under->size ? "." : "",
                                  wrappers[i]);
        }
        if (!inner)
            return v;
        v = inner;
    }
    return v;
}

/* Add ".text" to the name; false when it has no room or is no name. */
static bool extend(struct walk *w, const unsigned char *text, size_t size)
{
    size_t dot = w->n_name > 0;

    if (size > ASSAY__NAME_MAX - w->n_name - dot ||
        !assay__pickle_is_name(text, size))
        return false;
    if (dot)
        w->name[w->n_name++] = '.';
    memcpy(w->name + w->n_name, text, size);
    w->n_name += size;
    w->name[w->n_name] = '\0';
    return true;
}

static int extend_by_key(struct walk *w, value *key)
{
    char number[24];

    if (key->kind == ASSAY__PV_INT) {
        int n =
            snprintf(number, sizeof(number), "%lld", (long long)key->number);

        if (extend(w, (const unsigned char *)number, (size_t)n))
            return ASSAY_OK;
    } else if (key->kind == ASSAY__PV_TEXT && extend(w, key->text, key->size)) {
        return ASSAY_OK;
    }
    return assay_error_set(w->err, ASSAY_FORMAT,
                           "byte %zu: the name of a tensor is no text of at "
                           "most %d bytes",
                           key->at, ASSAY__NAME_MAX);
}

static int add_tensor(struct walk *w, value *v)
{
    int rc;

    if (w->list->n_items == ASSAY__ITEMS_MAX)
        return assay_error_set(w->err, ASSAY_LIMIT,
                               "byte %zu: more than %d tensors", v->at,
                               ASSAY__ITEMS_MAX);
    if (assay_tensors_find(w->list, w->name))
        return assay_error_set(w->err, ASSAY_FORMAT,
                               "byte %zu: the tensor '%.60s' occurs twice",
                               v->at, w->name);
    rc = assay__torch_add_tensor(w->list, w->name, v, w->source, &w->total,
                                 w->err);
    return rc ? assay_error_prefix(w->err, rc, "tensor '%.60s'", w->name) : rc;
}

static int walk_value(struct walk *w, value *v, int depth);

static int walk_list(struct walk *w, value *v, int depth)
{
    size_t n_name = w->n_name;
    int rc = ASSAY_OK;

    for (uint32_t i = 0; i < v->n_items && !rc; i++) {
        char number[24];
        int n = snprintf(number, sizeof(number), "%u", i);

        if (v->n_items > 1 &&
            (assay__torch_is_tensor(v->item[i]) || is_container(v->item[i])) &&
            !extend(w, (const unsigned char *)number, (size_t)n))
            rc = assay_error_set(w->err, ASSAY_LIMIT,
                                 "byte %zu: a tensor's name has over %d bytes",
                                 v->at, ASSAY__NAME_MAX);
        if (!rc)
            rc = walk_value(w, v->item[i], depth + 1);
        w->n_name = n_name;
        w->name[n_name] = '\0';
    }
    return rc;
}

static int walk_value(struct walk *w, value *v, int depth)
{
    size_t n_name = w->n_name;
    struct pairs p;
    int rc = ASSAY_OK;

    if (depth > DEPTH_MAX || ++w->n_steps > STEPS_MAX)
        return assay_error_set(w->err, ASSAY_LIMIT,
                               "byte %zu: the pickle's tree is deeper than %d "
                               "or larger than %d",
                               v->at, DEPTH_MAX, STEPS_MAX);
    if (assay__torch_is_tensor(v))
        return add_tensor(w, v);
    if (is_list(v))
        return walk_list(w, v, depth);
    if (!pairs_of(v, &p)) {
        w->n_ignored++;
        return ASSAY_OK;
    }
    for (uint32_t i = 0; i < p.n && !rc; i++) {
        value *inner = value_of(&p, i);

        if (!assay__torch_is_tensor(inner) && !is_container(inner)) {
            w->n_ignored++;
            continue;
        }
        rc = extend_by_key(w, key_of(&p, i));
        if (!rc)
            rc = walk_value(w, inner, depth + 1);
        w->n_name = n_name;
        w->name[n_name] = '\0';
    }
    return rc;
}

static void strip_prefix(struct assay_tensors *list, const char *prefix)
{
    size_t n = strlen(prefix);

    for (size_t i = 0; i < list->n_items; i++) {
        if (strncmp(list->item[i].name, prefix, n) != 0 ||
            list->item[i].name[n] == '\0')
            return;
    }
    for (size_t i = 0; i < list->n_items; i++) {
        char *name = list->item[i].name;

        memmove(name, name + n, strlen(name + n) + 1);
    }
}

static int set_meta(struct walk *w, const struct assay__buf *under)
{
    char number[24];
    int rc = ASSAY_OK;

    if (under->failed)
        return assay_error_set(w->err, ASSAY_NOMEM, "no memory for metadata");
    snprintf(number, sizeof(number), "%zu", w->n_ignored);
    if (under->size > 0)
        rc =
            assay_tensors_set_meta(w->list, "torch.under", under->data, w->err);
    if (!rc && w->n_ignored > 0)
        rc = assay_tensors_set_meta(w->list, "torch.ignored", number, w->err);
    return rc;
}

int assay__torch_state(struct assay_tensors *list, value *root,
                       const struct assay__torch_source *source,
                       struct assay_error *err)
{
    struct assay__buf under = ASSAY__BUF_INIT;
    struct assay_error why = {0};
    struct walk *w = assay__calloc(1, sizeof(*w));
    int rc;

    if (!w)
        return assay_error_set(err, ASSAY_NOMEM,
                               "no memory to read a state "
                               "dict");
    w->list = list;
    w->source = source;
    w->err = &why;
    rc = walk_value(w, unwrap(root, &under), 0);
    if (!rc && list->n_items == 0)
        rc = assay_error_set(&why, ASSAY_DATA,
                             "byte %zu: the pickle holds no tensors", root->at);
    if (!rc)
        rc = set_meta(w, &under);
    for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]) && !rc; i++)
        strip_prefix(list, prefixes[i]);
    if (rc)
        rc = assay_error_set(err, rc, "%s", why.msg);
    assay__buf_release(&under);
    assay__free(w);
    return rc;
}
