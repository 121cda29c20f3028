/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pickles: each name that one would load is judged by the list of harmless
 * names, each call by what it calls, each string for a pickle within. The
 * machine of formats/pickle_machine.h follows stack and memo, so a name that
 * takes a detour through them is found, and one that is only computed when
 * the pickle runs is told as such. A file may hold several pickles, one
 * after the other; each is looked at. Where a pickle breaks off, what came
 * before it would have run, and counts.
 */

#include "formats/pickle_machine.h"

#include <stdio.h>
#include <string.h>

#include "core/mem.h"
#include "formats/pickle_trust.h"
#include "scan/scan.h"

enum { STREAMS_MAX = 1 << 12, LEGACY_PICKLES = 5 };

/* The first pickle of a PyTorch file before version 1.6, from byte 2 on. */
static const unsigned char torch_magic[] = {0x8a, 0x0a, 0x6c, 0xfc, 0x9c,
                                            0x46, 0xf9, 0x20, 0x6a, 0xa8,
                                            0x50, 0x19, '.'};
/* The second: protocol 1001. */
static const unsigned char torch_protocol[] = {'M', 0xe9, 0x03, '.'};

/* What a dry run finds. */
struct look {
    bool named;    /* something that the list calls dangerous */
    bool called;   /* something is called */
    int n_globals; /* names at all, computed ones aside */
    size_t end;
};

static int look_at_global(void *user, const struct assay__pickle_op *op,
                          const char *module, const char *name,
                          struct assay_error *err)
{
    struct look *look = user;

    (void)op;
    (void)err;
    if (!module) /* a byte of EXT1 is in any content */
        return ASSAY_OK;
    look->n_globals++;
    if (assay__pickle_judge(module, name, NULL) == ASSAY__TRUST_DANGEROUS)
        look->named = true;
    return ASSAY_OK;
}

static int look_at_call(void *user, const struct assay__pickle_op *op,
                        const struct assay__pickle_value *callee,
                        struct assay_error *err)
{
    struct look *look = user;

    (void)op;
    (void)callee;
    (void)err;
    look->called = true;
    return ASSAY_OK;
}

/* Is it a pickle, or so much of one that it would have done something?
 * `look->end` is the place behind its STOP, or 0. False: no memory. */
static bool dry_run(const unsigned char *data, size_t size, size_t at,
                    struct look *look)
{
    const struct assay__pickle_hooks hooks = {
        .user = look, .global = look_at_global, .call = look_at_call};
    struct assay__pickle_machine m;
    struct assay_error ignored;
    int rc;

    assay__pickle_machine_init(&m, &hooks, false);
    rc = assay__pickle_run(&m, data, size, at, NULL, &ignored);
    look->end = rc == ASSAY_OK ? m.in.at : 0;
    assay__pickle_machine_release(&m);
    return rc != ASSAY_NOMEM;
}

static bool has_protocol(const unsigned char *data, size_t size, size_t at)
{
    return size - at >= 2 && data[at] == ASSAY__PICKLE_PROTO &&
           data[at + 1] <= ASSAY__PICKLE_PROTOCOL_MAX;
}

static bool would_act(const struct look *look)
{
    return look->named || (look->called && look->n_globals > 0);
}

static const char suffixes[] =
    " .pkl .pickle .pt .pth .th .ckpt .bin .joblib .dill .p ";

/* Other content may begin with a few bytes that are a pickle by chance (a
 * zip does, up to its first newline; numbers may have the two bytes of a
 * protocol): without a name that promises a pickle it must name something,
 * or end where a pickle does. */
static int probe(const unsigned char *data, size_t size, const char *name)
{
    bool promised = assay__scan_has_suffix(name, suffixes);
    bool marked = size > 0 && has_protocol(data, size, 0);
    struct look look = {0};

    if (size == 0 || (marked && promised))
        return size > 0;
    if (!dry_run(data, size, 0, &look))
        return ASSAY_NOMEM;
    /* A zip with a pickle after its first newline is a persistent id, then
     * that pickle, and is looked at as a zip. */
    if (size >= 4 && memcmp(data, "PK\3\4", 4) == 0)
        return look.named;
    if (would_act(&look))
        return 1;
    if (look.end == 0)
        return 0;
    return look.n_globals > 0 || look.end == size || marked || promised;
}

/* Does another pickle follow? As of a probe. */
static int goes_on(const unsigned char *data, size_t size, size_t at)
{
    struct look look = {0};

    if (has_protocol(data, size, at))
        return 1;
    if (!dry_run(data, size, at, &look))
        return ASSAY_NOMEM;
    return look.end > 0 || would_act(&look);
}

static int on_global(void *user, const struct assay__pickle_op *op,
                     const char *module, const char *name,
                     struct assay_error *err)
{
    struct assay__scan_job *job = user;
    enum assay__pickle_trust trust;
    const char *why = NULL;
    char what[256];

    if (!module && op->code == ASSAY__PICKLE_STACK_GLOBAL)
        return assay__scan_note(job, ASSAY__RULE_PICKLE_COMPUTED, op->at,
                                op->name, err,
                                "the name of what it loads is computed while "
                                "it runs");
    if (!module)
        return assay__scan_note(job, ASSAY__RULE_PICKLE_EXTENSION, op->at,
                                op->name, err,
                                "it loads what number %lld of the extension "
                                "registry stands for",
                                (long long)op->number);
    snprintf(what, sizeof(what), "%s.%s", module, name);
    if (strcmp(module, "__torch__") == 0 ||
        strncmp(module, "__torch__.", 10) == 0)
        return assay__scan_note(job, ASSAY__RULE_TORCH_SCRIPT, op->at, what,
                                err, "it is a class of TorchScript code");
    trust = assay__pickle_judge(module, name, &why);
    if (trust == ASSAY__TRUST_ALLOWED)
        return ASSAY_OK;
    return assay__scan_note(
        job,
        trust == ASSAY__TRUST_DANGEROUS ? ASSAY__RULE_PICKLE_DANGEROUS
                                        : ASSAY__RULE_PICKLE_UNKNOWN,
        op->at, what, err, "%s loads %s, which %s", op->name, what, why);
}

static int on_call(void *user, const struct assay__pickle_op *op,
                   const struct assay__pickle_value *callee,
                   struct assay_error *err)
{
    struct assay__scan_job *job = user;
    bool makes =
        op->code == ASSAY__PICKLE_REDUCE || op->code == ASSAY__PICKLE_NEWOBJ ||
        op->code == ASSAY__PICKLE_NEWOBJ_EX || op->code == ASSAY__PICKLE_OBJ ||
        op->code == ASSAY__PICKLE_INST;

    if (makes && callee->kind != ASSAY__PV_GLOBAL)
        return assay__scan_note(
            job, ASSAY__RULE_PICKLE_COMPUTED, op->at, op->name, err,
            "%s calls what the pickle has computed", op->name);
    if (!makes && callee->kind == ASSAY__PV_GLOBAL)
        return assay__scan_note(
            job, ASSAY__RULE_PICKLE_PATCH, op->at, assay__pickle_name(callee),
            err, "%s changes %.100s.%.100s itself, not an object of it",
            op->name, assay__pickle_module(callee), assay__pickle_name(callee));
    return ASSAY_OK;
}

static int on_text(void *user, const struct assay__pickle_op *op,
                   const unsigned char *text, size_t size,
                   struct assay_error *err)
{
    return assay__scan_hidden(user, text, size, op->at, err);
}

/* A file that PyTorch takes for one of its own although its magic number is
 * not written but computed. */
static int check_magic(struct assay__scan_job *job, const unsigned char *data,
                       size_t size, size_t second, struct assay_error *err)
{
    if (size - second < 2 + sizeof(torch_protocol) ||
        memcmp(data + second + 2, torch_protocol, sizeof(torch_protocol)) != 0)
        return ASSAY_OK;
    return assay__scan_note(job, ASSAY__RULE_TORCH_MAGIC, 0, NULL, err,
                            "protocol 1001 of PyTorch follows a first pickle "
                            "that is not its magic number");
}

/* One pickle; `*end` is the place behind it, 0 when it breaks off. */
static int scan_one(struct assay__scan_job *job, const unsigned char *data,
                    size_t size, size_t at, size_t *end,
                    struct assay_error *err)
{
    const struct assay__pickle_hooks hooks = {
        .user = job, .global = on_global, .call = on_call, .text = on_text};
    struct assay__pickle_machine m;
    struct assay_error why = {0};
    int rc;

    *end = 0;
    assay__pickle_machine_init(&m, &hooks, false);
    rc = assay__pickle_run(&m, data, size, at, NULL, &why);
    if (rc == ASSAY_OK)
        *end = m.in.at;
    assay__pickle_machine_release(&m);
    /* Python has no such caps: it would go on. */
    if (rc)
        return assay__scan_note_error(job,
                                      rc == ASSAY_LIMIT
                                          ? ASSAY__RULE_TOO_DEEP
                                          : ASSAY__RULE_PICKLE_BROKEN,
                                      NULL, &why, err);
    return ASSAY_OK;
}

int assay__scan_pickles(struct assay__scan_job *job, const unsigned char *data,
                        size_t size, size_t at, struct assay_error *err)
{
    bool legacy = size - at > 2 + sizeof(torch_magic) &&
                  memcmp(data + at + 2, torch_magic, sizeof(torch_magic)) == 0;
    int n = 0;

    for (;;) {
        size_t end = 0;
        int rc = scan_one(job, data, size, at, &end, err);

        if (rc || end == 0)
            return rc;
        n++;
        at = end;
        if (n == 1 && !legacy && at < size)
            rc = check_magic(job, data, size, at, err);
        /* Then come the raw numbers of PyTorch's storages. */
        if (rc || at >= size || (legacy && n == LEGACY_PICKLES))
            return rc;
        if (n == STREAMS_MAX)
            return assay__scan_note(job, ASSAY__RULE_TOO_DEEP, at, NULL, err,
                                    "more than %d pickles follow each other",
                                    STREAMS_MAX);
        rc = goes_on(data, size, at);
        if (rc < 0)
            return assay_error_set(err, rc, "no memory to scan");
        if (rc == 0)
            return ASSAY_OK;
    }
}

static int scan(struct assay__scan_job *job, const unsigned char *data,
                size_t size, struct assay_error *err)
{
    return assay__scan_pickles(job, data, size, 0, err);
}

const struct assay__scanner assay__scanner_pickle = {
    .name = "pickle",
    .suffixes = suffixes,
    .probe = probe,
    .scan = scan,
};
