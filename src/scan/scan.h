/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_SCAN_SCAN_H
#define ASSAY_SCAN_SCAN_H

/*
 * What a scanner is to the rest of this folder, and the job it works on. A
 * job is one file: its reasons, where in nested content it is, and budgets
 * that end it however the content is nested. Scanners get content in memory
 * and hand inner content (an archive's member, a pickle in a string) back to
 * assay__scan_content().
 *
 * What a scanner cannot read is a reason, not an error: errors are for
 * missing memory alone.
 */

#include <stdbool.h>
#include <stddef.h>

#include "assay/scan.h"

enum {
    ASSAY__SCAN_DEPTH_MAX = 6,       /* of content within content */
    ASSAY__SCAN_UNPACK_MAX = 1 << 25 /* bytes of one member that is packed */
};
/* Bytes unpacked in all, and content looked at in all, of one file. */
#define ASSAY__SCAN_UNPACKED_MAX ((size_t)1 << 30)

/* X(id, severity, about); the identifier is that of the enum. */
enum assay__scan_rule {
#define ASSAY_SCAN_RULE(id, text, severity, about) ASSAY__RULE_##id,
#include "rules.def"
#undef ASSAY_SCAN_RULE
    ASSAY__RULE_COUNT
};

struct assay__scan_job {
    struct assay_scan *scan;
    const char *path;   /* of the file, or NULL */
    const char *member; /* where the content at hand is; NULL: the file */
    const char *name;   /* of that content: its suffix promises a kind */
    size_t offset;      /* of the content at hand within what `member` is */
    int depth;
    size_t budget; /* bytes that may still be unpacked */
    size_t looks;  /* contents that may still be looked at */
    bool quiet;    /* content that nothing says is a model: report findings
                      alone, not what cannot be read */
};

struct assay__scanner {
    const char *name;     /* the kind, as reports have it */
    const char *suffixes; /* " .pt .pth ": names that promise this kind */
    /* Does the content look like this kind (1; 0 if not, ASSAY_NOMEM if it
     * cannot be told)? Every scanner that says yes scans: a file can be two
     * things at once. */
    int (*probe)(const unsigned char *data, size_t size, const char *name);
    int (*scan)(struct assay__scan_job *job, const unsigned char *data,
                size_t size, struct assay_error *err);
};

#define ASSAY_SCANNER(id) \
    extern const struct assay__scanner assay__scanner_##id;
#include "scanners.def"
#undef ASSAY_SCANNER

/*
 * Note a reason. `what` may be NULL; both texts may hold a stranger's bytes.
 * Equal reasons of one member are noted once.
 */
int assay__scan_note(struct assay__scan_job *job, enum assay__scan_rule rule,
                     size_t offset, const char *what, struct assay_error *err,
                     const char *fmt, ...) ASSAY_PRINTF(6, 7) ASSAY_MUST_CHECK;

/* The same from a reader's message: "byte 12: ..." tells the offset. */
int assay__scan_note_error(struct assay__scan_job *job,
                           enum assay__scan_rule rule, const char *what,
                           const struct assay_error *why,
                           struct assay_error *err) ASSAY_MUST_CHECK;

/*
 * Look at content within content: `name` as the archive has it (NULL: it
 * has none and is called `what`). `quiet` as in the job.
 */
int assay__scan_inner(struct assay__scan_job *job, const unsigned char *data,
                      size_t size, const char *name, bool quiet,
                      struct assay_error *err) ASSAY_MUST_CHECK;

/* The file itself, or inner content: finds its kinds and scans it. */
int assay__scan_content(struct assay__scan_job *job, const unsigned char *data,
                        size_t size, struct assay_error *err) ASSAY_MUST_CHECK;

/* Does `name` end in one of " .a .b "? Case does not count. */
bool assay__scan_has_suffix(const char *name, const char *suffixes);

/* Pickles from `at` on, as many as follow each other (pickle.c). */
int assay__scan_pickles(struct assay__scan_job *job, const unsigned char *data,
                        size_t size, size_t at,
                        struct assay_error *err) ASSAY_MUST_CHECK;
/* A string of a model: is a pickle hidden in it, plain or encoded? */
int assay__scan_hidden(struct assay__scan_job *job, const unsigned char *text,
                       size_t size, size_t offset,
                       struct assay_error *err) ASSAY_MUST_CHECK;
/* HDF5, from byte 0 on or behind a user block. */
bool assay__scan_is_hdf5(const unsigned char *data, size_t size);
int assay__scan_hdf5(struct assay__scan_job *job, const unsigned char *data,
                     size_t size, struct assay_error *err) ASSAY_MUST_CHECK;
/* Keras's configuration as JSON; false in `*is_json` when it is none. */
int assay__scan_keras_json(struct assay__scan_job *job,
                           const unsigned char *text, size_t size,
                           size_t offset, size_t *used,
                           struct assay_error *err) ASSAY_MUST_CHECK;

#endif
