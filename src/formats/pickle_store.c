/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory of the pickle machine (pickle_store.h). Values come from chunks
 * that are freed together; containers own the array of their items. All
 * growth is by doubling up to a cap, so no opcode can ask for much at once:
 * a memo index is bounded by the number of opcodes before it.
 */

#include "formats/pickle_store.h"

#include <string.h>

#include "core/mem.h"

enum { CHUNK_VALUES = 128, CHUNK_ITEMS = 8 };

struct assay__pickle_chunk {
    struct assay__pickle_chunk *next;
    unsigned char *bytes; /* a chunk holds one text, or values */
    size_t n;
    struct assay__pickle_value value[];
};

static int no_memory(const struct assay__pickle_op *op, struct assay_error *err)
{
    return assay_error_set(err, ASSAY_NOMEM,
                           "byte %zu: no memory to read a pickle", op->at);
}

static int over(const struct assay__pickle_op *op, const char *what, size_t max,
                struct assay_error *err)
{
    return assay_error_set(err, ASSAY_LIMIT,
                           "byte %zu: %s: the pickle's %s has more than %zu "
                           "entries",
                           op->at, op->name, what, max);
}

void assay__pickle_machine_init(struct assay__pickle_machine *m,
                                const struct assay__pickle_hooks *hooks,
                                bool keep)
{
    memset(m, 0, sizeof(*m));
    m->hooks = *hooks;
    m->keep = keep;
}

static bool has_items(enum assay__pickle_kind kind)
{
    return (kind >= ASSAY__PV_TUPLE && kind <= ASSAY__PV_DICT) ||
           kind == ASSAY__PV_CALL || kind == ASSAY__PV_PERSISTENT;
}

void assay__pickle_machine_release(struct assay__pickle_machine *m)
{
    while (m->chunks) {
        struct assay__pickle_chunk *chunk = m->chunks;

        for (size_t i = 0; i < chunk->n; i++) {
            if (has_items(chunk->value[i].kind))
                assay__free(chunk->value[i].item);
        }
        m->chunks = chunk->next;
        assay__free(chunk->bytes);
        assay__free(chunk);
    }
    assay__free(m->stack);
    assay__free(m->mark);
    assay__free(m->memo);
    memset(m, 0, sizeof(*m));
}

struct assay__pickle_value *assay__pickle_make(
    struct assay__pickle_machine *m, const struct assay__pickle_op *op,
    enum assay__pickle_kind kind, struct assay_error *err)
{
    struct assay__pickle_chunk *chunk = m->chunks;
    bool share = !m->keep && kind != ASSAY__PV_TEXT && kind != ASSAY__PV_GLOBAL;
    struct assay__pickle_value *v;

    if (share && m->shared[kind])
        return m->shared[kind];
    if (m->n_values == ASSAY__PICKLE_VALUES_MAX) {
        (void)over(op, "tree", ASSAY__PICKLE_VALUES_MAX, err);
        return NULL;
    }
    if (!chunk || chunk->bytes || chunk->n == CHUNK_VALUES) {
        chunk = assay__malloc(sizeof(*chunk) +
                              CHUNK_VALUES * sizeof(chunk->value[0]));
        if (!chunk) {
            (void)no_memory(op, err);
            return NULL;
        }
        chunk->next = m->chunks;
        chunk->bytes = NULL;
        chunk->n = 0;
        m->chunks = chunk;
    }
    v = &chunk->value[chunk->n++];
    memset(v, 0, sizeof(*v));
    v->kind = kind;
    v->at = op->at;
    m->n_values++;
    if (share)
        m->shared[kind] = v;
    return v;
}

unsigned char *assay__pickle_bytes(struct assay__pickle_machine *m, size_t size,
                                   const struct assay__pickle_op *op,
                                   struct assay_error *err)
{
    struct assay__pickle_chunk *chunk = assay__malloc(sizeof(*chunk));
    unsigned char *bytes = assay__malloc(size);

    if (!chunk || !bytes) {
        assay__free(chunk);
        assay__free(bytes);
        (void)no_memory(op, err);
        return NULL;
    }
    chunk->bytes = bytes;
    chunk->n = 0;
    /* Behind the chunk at hand, which may have room for values. */
    if (m->chunks) {
        chunk->next = m->chunks->next;
        m->chunks->next = chunk;
    } else {
        chunk->next = NULL;
        m->chunks = chunk;
    }
    return bytes;
}

int assay__pickle_push(struct assay__pickle_machine *m,
                       struct assay__pickle_value *v,
                       const struct assay__pickle_op *op,
                       struct assay_error *err)
{
    if (!v)
        return err ? err->code : ASSAY_NOMEM;
    if (m->n_stack == ASSAY__PICKLE_STACK_MAX)
        return over(op, "stack", ASSAY__PICKLE_STACK_MAX, err);
    if (m->n_stack == m->cap_stack) {
        size_t cap = m->cap_stack ? 2 * m->cap_stack : 64;
        struct assay__pickle_value **stack =
            assay__realloc(m->stack, cap, sizeof(*stack));

        if (!stack)
            return no_memory(op, err);
        m->stack = stack;
        m->cap_stack = cap;
    }
    m->stack[m->n_stack++] = v;
    return ASSAY_OK;
}

static bool above_mark(const struct assay__pickle_machine *m)
{
    size_t fence = m->n_marks ? m->mark[m->n_marks - 1] : 0;

    return m->n_stack > fence;
}

struct assay__pickle_value *assay__pickle_top(struct assay__pickle_machine *m,
                                              const struct assay__pickle_op *op,
                                              struct assay_error *err)
{
    if (above_mark(m))
        return m->stack[m->n_stack - 1];
    (void)assay_error_set(err, ASSAY_FORMAT,
                          "byte %zu: %s finds nothing on the stack", op->at,
                          op->name);
    return NULL;
}

struct assay__pickle_value *assay__pickle_pop(struct assay__pickle_machine *m,
                                              const struct assay__pickle_op *op,
                                              struct assay_error *err)
{
    struct assay__pickle_value *v = assay__pickle_top(m, op, err);

    if (v)
        m->n_stack--;
    return v;
}

int assay__pickle_mark(struct assay__pickle_machine *m,
                       const struct assay__pickle_op *op,
                       struct assay_error *err)
{
    if (m->n_marks == ASSAY__PICKLE_STACK_MAX)
        return over(op, "marks", ASSAY__PICKLE_STACK_MAX, err);
    if (m->n_marks == m->cap_marks) {
        size_t cap = m->cap_marks ? 2 * m->cap_marks : 32;
        size_t *mark = assay__realloc(m->mark, cap, sizeof(*mark));

        if (!mark)
            return no_memory(op, err);
        m->mark = mark;
        m->cap_marks = cap;
    }
    m->mark[m->n_marks++] = m->n_stack;
    return ASSAY_OK;
}

int assay__pickle_unmark(struct assay__pickle_machine *m,
                         const struct assay__pickle_op *op, size_t *base,
                         struct assay_error *err)
{
    if (m->n_marks == 0)
        return assay_error_set(err, ASSAY_FORMAT,
                               "byte %zu: %s finds no mark on the stack",
                               op->at, op->name);
    *base = m->mark[--m->n_marks];
    return ASSAY_OK;
}

int assay__pickle_add(struct assay__pickle_machine *m,
                      struct assay__pickle_value *v,
                      struct assay__pickle_value *const *item, size_t n,
                      const struct assay__pickle_op *op,
                      struct assay_error *err)
{
    size_t cap = v->cap_items;

    if (!m->keep || n == 0)
        return ASSAY_OK;
    if (n > ASSAY__PICKLE_VALUES_MAX - v->n_items)
        return over(op, "container", ASSAY__PICKLE_VALUES_MAX, err);
    while (cap < v->n_items + n)
        cap = cap ? 2 * cap : n < CHUNK_ITEMS ? n : CHUNK_ITEMS;
    if (cap > v->cap_items) {
        struct assay__pickle_value **more =
            assay__realloc(v->item, cap, sizeof(*more));

        if (!more)
            return no_memory(op, err);
        v->item = more;
        v->cap_items = (uint32_t)cap;
    }
    memcpy(v->item + v->n_items, item, n * sizeof(*item));
    v->n_items += (uint32_t)n;
    return ASSAY_OK;
}

int assay__pickle_remember(struct assay__pickle_machine *m, size_t index,
                           const struct assay__pickle_op *op,
                           struct assay_error *err)
{
    struct assay__pickle_value *v = assay__pickle_top(m, op, err);
    size_t cap = m->cap_memo;

    if (!v)
        return ASSAY_FORMAT;
    if (index >= ASSAY__PICKLE_MEMO_MAX)
        return over(op, "memo", ASSAY__PICKLE_MEMO_MAX, err);
    while (cap <= index)
        cap = cap ? 2 * cap : 64;
    if (cap > m->cap_memo) {
        struct assay__pickle_value **memo =
            assay__realloc(m->memo, cap, sizeof(*memo));

        if (!memo)
            return no_memory(op, err);
        memset(memo + m->cap_memo, 0, (cap - m->cap_memo) * sizeof(*memo));
        m->memo = memo;
        m->cap_memo = cap;
    }
    if (!m->memo[index])
        m->n_memo++;
    m->memo[index] = v;
    return ASSAY_OK;
}

int assay__pickle_recall(struct assay__pickle_machine *m, size_t index,
                         const struct assay__pickle_op *op,
                         struct assay_error *err)
{
    if (index >= m->cap_memo || !m->memo[index])
        return assay_error_set(err, ASSAY_FORMAT,
                               "byte %zu: %s: the memo has no entry %zu",
                               op->at, op->name, index);
    return assay__pickle_push(m, m->memo[index], op, err);
}
