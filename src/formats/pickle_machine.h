/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_FORMATS_PICKLE_MACHINE_H
#define ASSAY_FORMATS_PICKLE_MACHINE_H

/*
 * What a pickle would build, as a tree of values, without building it: a
 * name stays a name, a call stays a pair of callee and arguments. Whoever
 * runs a machine is asked about every global and every call before it is
 * noted, and may refuse it; nothing is looked up, imported or called.
 *
 * Values are shared where the pickle's memo shares them, and may hold
 * themselves: whoever walks a tree bounds depth and steps. They live until
 * assay__pickle_machine_release(). Text points into the pickle, which must
 * outlive them, except where escapes had to be undone.
 *
 * Caps: opcodes, values, stack and memo, below. A machine that does not
 * keep (`keep` false, for scanning) tells only texts and globals apart: one
 * value stands for all numbers, one for all lists, so that long lists cost
 * it nothing.
 */

#include "formats/pickle.h"

enum {
    ASSAY__PICKLE_OPS_MAX = 1 << 27,
    ASSAY__PICKLE_VALUES_MAX = 1 << 19,
    ASSAY__PICKLE_STACK_MAX = 1 << 20,
    ASSAY__PICKLE_MEMO_MAX = 1 << 20
};

enum assay__pickle_kind {
    ASSAY__PV_NONE,
    ASSAY__PV_BOOL,
    ASSAY__PV_INT,
    ASSAY__PV_BIG, /* a whole number beyond 64 bits */
    ASSAY__PV_REAL,
    ASSAY__PV_TEXT,
    ASSAY__PV_BYTES,
    ASSAY__PV_TUPLE,
    ASSAY__PV_LIST,
    ASSAY__PV_SET,
    ASSAY__PV_DICT,       /* items: key, value, key, value ... */
    ASSAY__PV_GLOBAL,     /* text: the module, NUL, the name, NUL */
    ASSAY__PV_CALL,       /* items: callee, arguments, state or NULL, then
                             what was appended or set */
    ASSAY__PV_PERSISTENT, /* items: the id */
    ASSAY__PV_OPAQUE,     /* not kept, or not known */
    ASSAY__PICKLE_KINDS
};

struct assay__pickle_value {
    enum assay__pickle_kind kind;
    bool pairs; /* of a CALL: its items from the fourth on are set, as in a
                   dictionary */
    size_t at;  /* of the opcode that made it */
    union {
        int64_t number; /* BOOL, INT */
        double real;
        struct {
            const unsigned char *text;
            size_t size; /* of a GLOBAL: of its module */
        };
        struct {
            struct assay__pickle_value **item;
            uint32_t n_items;
            uint32_t cap_items;
        };
    };
};

/* A GLOBAL's two names. */
const char *assay__pickle_module(const struct assay__pickle_value *global);
const char *assay__pickle_name(const struct assay__pickle_value *global);

/* Each may be NULL, and refuses by returning a code and setting `err`. */
struct assay__pickle_hooks {
    void *user;
    /* A name is looked up. `module` is NULL when it is computed while the
     * pickle runs, or comes from the extension registry. */
    int (*global)(void *user, const struct assay__pickle_op *op,
                  const char *module, const char *name,
                  struct assay_error *err);
    /* Something is called, instantiated or given a state. */
    int (*call)(void *user, const struct assay__pickle_op *op,
                const struct assay__pickle_value *callee,
                struct assay_error *err);
    /* A persistent id, which the loader resolves: here it stays as it is. */
    int (*persistent)(void *user, const struct assay__pickle_value *id,
                      struct assay_error *err);
    /* A string or bytes. */
    int (*text)(void *user, const struct assay__pickle_op *op,
                const unsigned char *text, size_t size,
                struct assay_error *err);
};

struct assay__pickle_chunk;

struct assay__pickle_machine {
    struct assay__pickle in;
    struct assay__pickle_hooks hooks;
    bool keep;

    struct assay__pickle_chunk *chunks; /* of values */
    size_t n_values;
    /* One value stands for all of a kind where nothing is kept. */
    struct assay__pickle_value *shared[ASSAY__PICKLE_KINDS];
    struct assay__pickle_value **stack;
    size_t n_stack;
    size_t cap_stack;
    size_t *mark; /* heights of the stack */
    size_t n_marks;
    size_t cap_marks;
    struct assay__pickle_value **memo;
    size_t cap_memo;
    size_t n_memo; /* entries that MEMOIZE counts */
    size_t n_ops;
};

void assay__pickle_machine_init(struct assay__pickle_machine *m,
                                const struct assay__pickle_hooks *hooks,
                                bool keep);
void assay__pickle_machine_release(struct assay__pickle_machine *m);

/*
 * Run one pickle, from data[at] to its STOP; m->in.at is then behind it.
 * Stack and memo begin empty, values of earlier runs stay. `*root` may be
 * NULL.
 * Errors: _FORMAT, _LIMIT, _NOMEM, and what hooks return.
 */
int assay__pickle_run(struct assay__pickle_machine *m,
                      const unsigned char *data, size_t size, size_t at,
                      const struct assay__pickle_value **root,
                      struct assay_error *err) ASSAY_MUST_CHECK;

#endif
