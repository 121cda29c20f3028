/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pickle machine (pickle_machine.h): each opcode's effect on stack, memo
 * and tree, as Python's unpickler has it, with names and calls noted where
 * that would import and call. Hooks are asked first.
 *
 * It differs from Python's on purpose in three places, none of which lets
 * anything by unseen: keys of dictionaries are not hashed (so a list may be
 * one, and a later entry does not replace an earlier one), text is not
 * decoded unless it is a name, and the extension registry is taken as empty.
 */

#include "formats/pickle_machine.h"

#include <string.h>

#include "core/mem.h"
#include "formats/pickle_store.h"

typedef struct assay__pickle_machine machine;
typedef struct assay__pickle_op opcode;
typedef struct assay__pickle_value value;

const char *assay__pickle_module(const value *global)
{
    return (const char *)global->text;
}

const char *assay__pickle_name(const value *global)
{
    return (const char *)global->text + global->size + 1;
}

static int code_of(const struct assay_error *err)
{
    return err && err->code ? err->code : ASSAY_FORMAT;
}

/* A value without a content worth keeping apart. */
static int push_new(machine *m, const opcode *op, enum assay__pickle_kind kind,
                    struct assay_error *err)
{
    return assay__pickle_push(m, assay__pickle_make(m, op, kind, err), op, err);
}

static int push_number(machine *m, const opcode *op,
                       enum assay__pickle_kind kind, int64_t number,
                       struct assay_error *err)
{
    value *v = assay__pickle_make(m, op, kind, err);

    if (v && m->keep)
        v->number = number;
    return assay__pickle_push(m, v, op, err);
}

static int push_text(machine *m, const opcode *op, enum assay__pickle_kind kind,
                     const unsigned char *text, size_t size,
                     struct assay_error *err)
{
    value *v;
    int rc = ASSAY_OK;

    if (m->hooks.text)
        rc = m->hooks.text(m->hooks.user, op, text, size, err);
    if (rc)
        return rc;
    v = assay__pickle_make(m, op, kind, err);
    if (v && (m->keep || kind == ASSAY__PV_TEXT)) {
        v->text = text;
        v->size = size;
    }
    return assay__pickle_push(m, v, op, err);
}

/* STRING and UNICODE: the escapes of a line undone. */
static int push_escaped(machine *m, const opcode *op, struct assay_error *err)
{
    unsigned char *out = assay__pickle_bytes(m, op->size, op, err);
    size_t n;

    if (!out)
        return code_of(err);
    n = op->code == ASSAY__PICKLE_STRING
            ? assay__pickle_unquote(out, op->text, op->size)
            : assay__pickle_unescape(out, op->text, op->size);
    if (n == SIZE_MAX)
        return assay_error_set(err, ASSAY_FORMAT,
                               "byte %zu: %s has a malformed text", op->at,
                               op->name);
    return push_text(m, op, ASSAY__PV_TEXT, out, n, err);
}

/* INT, LONG: "I01" and "I00" are True and False. */
static int push_decimal(machine *m, const opcode *op, struct assay_error *err)
{
    size_t size = op->size;
    int64_t number = 0;

    if (op->code == ASSAY__PICKLE_INT && size == 2 && op->text[0] == '0' &&
        (op->text[1] == '0' || op->text[1] == '1'))
        return push_number(m, op, ASSAY__PV_BOOL, op->text[1] == '1', err);
    if (size > 0 && op->text[size - 1] == 'L')
        size--;
    if (assay__pickle_decimal(op->text, size, &number))
        return push_number(m, op, ASSAY__PV_INT, number, err);
    return push_new(m, op, ASSAY__PV_BIG, err);
}

static int push_long(machine *m, const opcode *op, struct assay_error *err)
{
    if (op->has_number)
        return push_number(m, op, ASSAY__PV_INT, op->number, err);
    return push_new(m, op, ASSAY__PV_BIG, err);
}

static int push_real(machine *m, const opcode *op, double real,
                     struct assay_error *err)
{
    value *v = assay__pickle_make(m, op, ASSAY__PV_REAL, err);

    if (v && m->keep)
        v->real = real;
    return assay__pickle_push(m, v, op, err);
}

/* What lies on the stack from `base` on; there may be no stack yet. */
static value *const *above(const machine *m, size_t base)
{
    return m->stack ? m->stack + base : NULL;
}

/* The values from `base` on as one container in their place. */
static int collect(machine *m, const opcode *op, enum assay__pickle_kind kind,
                   size_t base, struct assay_error *err)
{
    value *v = assay__pickle_make(m, op, kind, err);
    int rc;

    if (!v)
        return code_of(err);
    rc = assay__pickle_add(m, v, above(m, base), m->n_stack - base, op, err);
    if (rc)
        return rc;
    m->n_stack = base;
    return assay__pickle_push(m, v, op, err);
}

static int collect_marked(machine *m, const opcode *op,
                          enum assay__pickle_kind kind, struct assay_error *err)
{
    size_t base = 0;
    int rc = assay__pickle_unmark(m, op, &base, err);

    if (rc)
        return rc;
    if (kind == ASSAY__PV_DICT && (m->n_stack - base) % 2 != 0)
        return assay_error_set(err, ASSAY_FORMAT,
                               "byte %zu: DICT finds an odd number of items",
                               op->at);
    return collect(m, op, kind, base, err);
}

static int collect_top(machine *m, const opcode *op,
                       enum assay__pickle_kind kind, size_t n,
                       struct assay_error *err)
{
    size_t fence = m->n_marks ? m->mark[m->n_marks - 1] : 0;

    if (m->n_stack - fence < n)
        return assay_error_set(err, ASSAY_FORMAT,
                               "byte %zu: %s finds too few values on the stack",
                               op->at, op->name);
    return collect(m, op, kind, m->n_stack - n, err);
}

/*
 * Values from `base` on go into the container below them. A call may hold a
 * list or a dictionary; setting items of a global, or of what is no
 * container, would call a method of it.
 */
static int extend(machine *m, const opcode *op, size_t base, bool pairs,
                  struct assay_error *err)
{
    size_t fence = m->n_marks ? m->mark[m->n_marks - 1] : 0;
    value *v;
    int rc = ASSAY_OK;

    if (base <= fence)
        return assay_error_set(err, ASSAY_FORMAT,
                               "byte %zu: %s finds no container on the stack",
                               op->at, op->name);
    if (pairs && (m->n_stack - base) % 2 != 0)
        return assay_error_set(err, ASSAY_FORMAT,
                               "byte %zu: %s finds an odd number of items",
                               op->at, op->name);
    v = m->stack[base - 1];
    if (v->kind == ASSAY__PV_CALL) {
        v->pairs = pairs;
        rc =
            assay__pickle_add(m, v, above(m, base), m->n_stack - base, op, err);
    } else if (v->kind == (pairs ? ASSAY__PV_DICT : ASSAY__PV_LIST) ||
               (!pairs && v->kind == ASSAY__PV_SET)) {
        rc =
            assay__pickle_add(m, v, above(m, base), m->n_stack - base, op, err);
    } else if (m->hooks.call) {
        rc = m->hooks.call(m->hooks.user, op, v, err);
    }
    m->n_stack = base;
    return rc;
}

static int extend_marked(machine *m, const opcode *op, bool pairs,
                         struct assay_error *err)
{
    size_t base = 0;
    int rc = assay__pickle_unmark(m, op, &base, err);

    return rc ? rc : extend(m, op, base, pairs, err);
}

static int extend_top(machine *m, const opcode *op, size_t n, bool pairs,
                      struct assay_error *err)
{
    if (m->n_stack < n)
        return assay_error_set(err, ASSAY_FORMAT,
                               "byte %zu: %s finds too few values on the stack",
                               op->at, op->name);
    return extend(m, op, m->n_stack - n, pairs, err);
}

/* A global of these names; `module` NULL when they are not known. */
static int push_global(machine *m, const opcode *op,
                       const unsigned char *module, size_t module_size,
                       const unsigned char *name, size_t name_size,
                       struct assay_error *err)
{
    unsigned char *both;
    value *v;
    int rc = ASSAY_OK;

    if (!assay__pickle_is_name(module, module_size) ||
        !assay__pickle_is_name(name, name_size))
        return assay_error_set(err, ASSAY_FORMAT,
                               "byte %zu: %s has a name that is no text",
                               op->at, op->name);
    both = assay__pickle_bytes(m, module_size + name_size + 2, op, err);
    if (!both)
        return code_of(err);
    memcpy(both, module, module_size);
    both[module_size] = '\0';
    memcpy(both + module_size + 1, name, name_size);
    both[module_size + 1 + name_size] = '\0';
    if (m->hooks.global)
        rc = m->hooks.global(m->hooks.user, op, (const char *)both,
                             (const char *)both + module_size + 1, err);
    if (rc)
        return rc;
    v = assay__pickle_make(m, op, ASSAY__PV_GLOBAL, err);
    if (v) {
        v->text = both;
        v->size = module_size;
    }
    return assay__pickle_push(m, v, op, err);
}

/* A global whose name only running the pickle would tell. */
static int push_computed(machine *m, const opcode *op, struct assay_error *err)
{
    int rc = ASSAY_OK;

    if (m->hooks.global)
        rc = m->hooks.global(m->hooks.user, op, NULL, NULL, err);
    return rc ? rc : push_new(m, op, ASSAY__PV_OPAQUE, err);
}

static int stack_global(machine *m, const opcode *op, struct assay_error *err)
{
    const value *name = assay__pickle_pop(m, op, err);
    const value *module = name ? assay__pickle_pop(m, op, err) : NULL;

    if (!module)
        return code_of(err);
    if (name->kind != ASSAY__PV_TEXT || module->kind != ASSAY__PV_TEXT)
        return push_computed(m, op, err);
    return push_global(m, op, module->text, module->size, name->text,
                       name->size, err);
}

/* A call of `callee`; the result is pushed. */
static int push_call(machine *m, const opcode *op, value *callee,
                     value *arguments, struct assay_error *err)
{
    value *part[3] = {callee, arguments, NULL};
    value *v;
    int rc = ASSAY_OK;

    if (m->hooks.call)
        rc = m->hooks.call(m->hooks.user, op, callee, err);
    if (rc)
        return rc;
    v = assay__pickle_make(m, op, ASSAY__PV_CALL, err);
    if (!v)
        return code_of(err);
    rc = assay__pickle_add(m, v, part, 3, op, err);
    return rc ? rc : assay__pickle_push(m, v, op, err);
}

/* REDUCE, NEWOBJ: callee and arguments; NEWOBJ_EX has named ones on top. */
static int call_top(machine *m, const opcode *op, struct assay_error *err)
{
    value *arguments = assay__pickle_pop(m, op, err);
    value *callee;

    if (arguments && op->code == ASSAY__PICKLE_NEWOBJ_EX)
        arguments = assay__pickle_pop(m, op, err);
    callee = arguments ? assay__pickle_pop(m, op, err) : NULL;
    if (!callee)
        return code_of(err);
    return push_call(m, op, callee, arguments, err);
}

/* OBJ: the class lies first above the mark; INST: it is in the opcode. */
static int call_marked(machine *m, const opcode *op, struct assay_error *err)
{
    value *arguments;
    value *callee;
    size_t base = 0;
    int rc = ASSAY_OK;

    if (op->code == ASSAY__PICKLE_INST)
        rc = push_global(m, op, op->text, op->size, op->second, op->second_size,
                         err);
    if (rc)
        return rc;
    callee =
        op->code == ASSAY__PICKLE_INST ? assay__pickle_pop(m, op, err) : NULL;
    rc = assay__pickle_unmark(m, op, &base, err);
    if (rc)
        return rc;
    if (!callee && m->n_stack == base)
        return assay_error_set(err, ASSAY_FORMAT,
                               "byte %zu: OBJ finds no class on the stack",
                               op->at);
    if (!callee)
        callee = m->stack[base++];
    rc = collect(m, op, ASSAY__PV_TUPLE, base, err);
    arguments = rc ? NULL : assay__pickle_pop(m, op, err);
    if (!arguments)
        return rc ? rc : code_of(err);
    if (op->code == ASSAY__PICKLE_OBJ)
        m->n_stack--;
    return push_call(m, op, callee, arguments, err);
}

/* BUILD: a state for what a call gave; for anything else it is a call. */
static int build(machine *m, const opcode *op, struct assay_error *err)
{
    value *state = assay__pickle_pop(m, op, err);
    value *v = state ? assay__pickle_top(m, op, err) : NULL;

    if (!v)
        return code_of(err);
    if (v->kind == ASSAY__PV_CALL) {
        if (m->keep)
            v->item[2] = state;
        return ASSAY_OK;
    }
    return m->hooks.call ? m->hooks.call(m->hooks.user, op, v, err) : ASSAY_OK;
}

static int persistent(machine *m, const opcode *op, struct assay_error *err)
{
    value *id;
    int rc = ASSAY_OK;

    if (op->code == ASSAY__PICKLE_PERSID)
        rc = push_text(m, op, ASSAY__PV_TEXT, op->text, op->size, err);
    if (rc)
        return rc;
    id = assay__pickle_top(m, op, err);
    if (!id)
        return code_of(err);
    if (m->hooks.persistent)
        rc = m->hooks.persistent(m->hooks.user, id, err);
    return rc ? rc : collect_top(m, op, ASSAY__PV_PERSISTENT, 1, err);
}

static int pop_or_unmark(machine *m, const opcode *op, struct assay_error *err)
{
    size_t fence = m->n_marks ? m->mark[m->n_marks - 1] : 0;

    if (m->n_marks > 0 && m->n_stack == fence) {
        m->n_marks--;
        return ASSAY_OK;
    }
    return assay__pickle_pop(m, op, err) ? ASSAY_OK : code_of(err);
}

static int pop_marked(machine *m, const opcode *op, struct assay_error *err)
{
    size_t base = 0;
    int rc = assay__pickle_unmark(m, op, &base, err);

    if (!rc)
        m->n_stack = base;
    return rc;
}

/* PUT, GET and their binary forms. */
static int use_memo(machine *m, const opcode *op, bool put,
                    struct assay_error *err)
{
    int64_t index = op->number;

    if (!op->has_number &&
        (!op->text || !assay__pickle_decimal(op->text, op->size, &index)))
        index = -1;
    if (index < 0)
        return assay_error_set(err, ASSAY_FORMAT,
                               "byte %zu: %s has no number of a memo entry",
                               op->at, op->name);
    return put ? assay__pickle_remember(m, (size_t)index, op, err)
               : assay__pickle_recall(m, (size_t)index, op, err);
}

/* Opcodes that put something new on the stack. */
static int step_push(machine *m, const opcode *op, struct assay_error *err)
{
    switch (op->code) {
    case ASSAY__PICKLE_NONE:
        return push_new(m, op, ASSAY__PV_NONE, err);
    case ASSAY__PICKLE_NEWTRUE:
    case ASSAY__PICKLE_NEWFALSE:
        return push_number(m, op, ASSAY__PV_BOOL,
                           op->code == ASSAY__PICKLE_NEWTRUE, err);
    case ASSAY__PICKLE_BININT:
    case ASSAY__PICKLE_BININT1:
    case ASSAY__PICKLE_BININT2:
        return push_number(m, op, ASSAY__PV_INT, op->number, err);
    case ASSAY__PICKLE_LONG1:
    case ASSAY__PICKLE_LONG4:
        return push_long(m, op, err);
    case ASSAY__PICKLE_INT:
    case ASSAY__PICKLE_LONG:
        return push_decimal(m, op, err);
    case ASSAY__PICKLE_FLOAT:
    case ASSAY__PICKLE_BINFLOAT:
        return push_real(m, op, op->real, err);
    case ASSAY__PICKLE_STRING:
    case ASSAY__PICKLE_UNICODE:
        return push_escaped(m, op, err);
    case ASSAY__PICKLE_BINSTRING:
    case ASSAY__PICKLE_SHORT_BINSTRING:
    case ASSAY__PICKLE_BINUNICODE:
    case ASSAY__PICKLE_SHORT_BINUNICODE:
    case ASSAY__PICKLE_BINUNICODE8:
        return push_text(m, op, ASSAY__PV_TEXT, op->text, op->size, err);
    case ASSAY__PICKLE_BINBYTES:
    case ASSAY__PICKLE_SHORT_BINBYTES:
    case ASSAY__PICKLE_BINBYTES8:
    case ASSAY__PICKLE_BYTEARRAY8:
        return push_text(m, op, ASSAY__PV_BYTES, op->text, op->size, err);
    case ASSAY__PICKLE_EMPTY_DICT:
        return push_new(m, op, ASSAY__PV_DICT, err);
    case ASSAY__PICKLE_EMPTY_LIST:
        return push_new(m, op, ASSAY__PV_LIST, err);
    case ASSAY__PICKLE_EMPTY_TUPLE:
        return push_new(m, op, ASSAY__PV_TUPLE, err);
    case ASSAY__PICKLE_EMPTY_SET:
        return push_new(m, op, ASSAY__PV_SET, err);
    default: /* NEXT_BUFFER: data that is not in the pickle */
        return push_new(m, op, ASSAY__PV_OPAQUE, err);
    }
}

/* Opcodes that make containers or fill them. */
static int step_collect(machine *m, const opcode *op, struct assay_error *err)
{
    switch (op->code) {
    case ASSAY__PICKLE_TUPLE:
        return collect_marked(m, op, ASSAY__PV_TUPLE, err);
    case ASSAY__PICKLE_LIST:
        return collect_marked(m, op, ASSAY__PV_LIST, err);
    case ASSAY__PICKLE_DICT:
        return collect_marked(m, op, ASSAY__PV_DICT, err);
    case ASSAY__PICKLE_FROZENSET:
        return collect_marked(m, op, ASSAY__PV_SET, err);
    case ASSAY__PICKLE_TUPLE1:
    case ASSAY__PICKLE_TUPLE2:
    case ASSAY__PICKLE_TUPLE3:
        return collect_top(m, op, ASSAY__PV_TUPLE,
                           (size_t)op->code - ASSAY__PICKLE_TUPLE1 + 1, err);
    case ASSAY__PICKLE_APPEND:
        return extend_top(m, op, 1, false, err);
    case ASSAY__PICKLE_SETITEM:
        return extend_top(m, op, 2, true, err);
    case ASSAY__PICKLE_APPENDS:
    case ASSAY__PICKLE_ADDITEMS:
        return extend_marked(m, op, false, err);
    case ASSAY__PICKLE_SETITEMS:
        return extend_marked(m, op, true, err);
    default:
        return step_push(m, op, err);
    }
}

static int step(machine *m, const opcode *op, struct assay_error *err)
{
    switch (op->code) {
    case ASSAY__PICKLE_PROTO:
    case ASSAY__PICKLE_FRAME:
    case ASSAY__PICKLE_READONLY_BUFFER:
        return ASSAY_OK;
    case ASSAY__PICKLE_MARK:
        return assay__pickle_mark(m, op, err);
    case ASSAY__PICKLE_POP:
        return pop_or_unmark(m, op, err);
    case ASSAY__PICKLE_POP_MARK:
        return pop_marked(m, op, err);
    case ASSAY__PICKLE_DUP:
        return assay__pickle_push(m, assay__pickle_top(m, op, err), op, err);
    case ASSAY__PICKLE_PUT:
    case ASSAY__PICKLE_BINPUT:
    case ASSAY__PICKLE_LONG_BINPUT:
        return use_memo(m, op, true, err);
    case ASSAY__PICKLE_GET:
    case ASSAY__PICKLE_BINGET:
    case ASSAY__PICKLE_LONG_BINGET:
        return use_memo(m, op, false, err);
    case ASSAY__PICKLE_MEMOIZE:
        return assay__pickle_remember(m, m->n_memo, op, err);
    case ASSAY__PICKLE_GLOBAL:
        return push_global(m, op, op->text, op->size, op->second,
                           op->second_size, err);
    case ASSAY__PICKLE_STACK_GLOBAL:
        return stack_global(m, op, err);
    case ASSAY__PICKLE_EXT1:
    case ASSAY__PICKLE_EXT2:
    case ASSAY__PICKLE_EXT4:
        return push_computed(m, op, err);
    case ASSAY__PICKLE_REDUCE:
    case ASSAY__PICKLE_NEWOBJ:
    case ASSAY__PICKLE_NEWOBJ_EX:
        return call_top(m, op, err);
    case ASSAY__PICKLE_OBJ:
    case ASSAY__PICKLE_INST:
        return call_marked(m, op, err);
    case ASSAY__PICKLE_BUILD:
        return build(m, op, err);
    case ASSAY__PICKLE_PERSID:
    case ASSAY__PICKLE_BINPERSID:
        return persistent(m, op, err);
    default:
        return step_collect(m, op, err);
    }
}

int assay__pickle_run(struct assay__pickle_machine *m,
                      const unsigned char *data, size_t size, size_t at,
                      const struct assay__pickle_value **root,
                      struct assay_error *err)
{
    struct assay_error why = {0};

    m->in = (struct assay__pickle){data, size, at};
    m->n_stack = 0;
    m->n_marks = 0;
    m->n_memo = 0;
    if (m->memo)
        memset(m->memo, 0, m->cap_memo * sizeof(*m->memo));
    for (;;) {
        struct assay__pickle_op op;
        value *top;
        int rc = assay__pickle_next(&m->in, &op, &why);

        if (!rc && ++m->n_ops > ASSAY__PICKLE_OPS_MAX)
            rc = assay_error_set(&why, ASSAY_LIMIT,
                                 "byte %zu: more than %d opcodes", op.at,
                                 ASSAY__PICKLE_OPS_MAX);
        if (!rc && op.code != ASSAY__PICKLE_STOP)
            rc = step(m, &op, &why);
        if (rc)
            return assay_error_set(err, rc, "%s", why.msg);
        if (op.code != ASSAY__PICKLE_STOP)
            continue;
        top = assay__pickle_pop(m, &op, &why);
        if (!top)
            return assay_error_set(err, ASSAY_FORMAT, "%s", why.msg);
        if (root)
            *root = top;
        return ASSAY_OK;
    }
}
