/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_SCAN_H
#define ASSAY_SCAN_H

/*
 * Is this model file safe to open? Pickles, zips and PyTorch files, NumPy
 * arrays, safetensors, Keras and ONNX models and tars are taken apart
 * without running, importing, unpacking to disk or sending anything; what
 * could do harm to whoever opens them with the usual programs is a reason,
 * with its place. The rule is: what is not known to be harmless is told.
 * docs/scan.md lists the rules, what is allowed and what cannot be seen.
 */

#include <stddef.h>
#include <stdint.h>

#include "assay/error.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Also what a file's verdict is: the worst of its reasons' severities. */
enum assay_severity {
    ASSAY_SEVERITY_CLEAN,      /* a remark */
    ASSAY_SEVERITY_UNREADABLE, /* something could not be looked at */
    ASSAY_SEVERITY_SUSPICIOUS, /* not known to be harmless */
    ASSAY_SEVERITY_DANGEROUS   /* runs code, reaches files, or deceives */
};

/* "clean", "unreadable", "suspicious", "dangerous". */
const char *assay_severity_name(enum assay_severity severity);

struct assay_scan_rule {
    const char *id; /* "pickle-global" */
    enum assay_severity severity;
    const char *about; /* one sentence */
};

/* All rules, in the order of the manual. */
const struct assay_scan_rule *assay_scan_rules(size_t *n);

enum { ASSAY_SCAN_REASONS_MAX = 200 };

struct assay_scan_reason {
    const struct assay_scan_rule *rule;
    uint64_t offset; /* within the member; within the file without one */
    char *member;    /* "archive/data.pkl", levels parted by "!"; or NULL */
    char *what;      /* the name, opcode or value at fault; or NULL */
    char *why;       /* one sentence */
};

struct assay_scan {
    enum assay_severity verdict;
    const char *kind;                 /* "pickle", "zip", ...; or "unknown" */
    struct assay_scan_reason *reason; /* worst first, else as found */
    size_t n_reasons;
    size_t n_more; /* reasons beyond ASSAY_SCAN_REASONS_MAX, not kept */
};

/*
 * Scan a file. `out` is written on success alone and released by the
 * caller. A file that is no model, or damaged, is a verdict, not an error.
 * Symbolic links beside an ONNX model that its weights name are looked at.
 * Errors: _IO, _LIMIT (a file over ASSAY_FORMAT_MAX_BYTES), _NOMEM.
 */
int assay_scan_file(struct assay_scan *out, const char *path,
                    struct assay_error *err) ASSAY_MUST_CHECK;
/* The same for bytes in memory; `name` (may be NULL) has the suffix. */
int assay_scan_bytes(struct assay_scan *out, const void *data, size_t size,
                     const char *name,
                     struct assay_error *err) ASSAY_MUST_CHECK;
void assay_scan_release(struct assay_scan *scan);

/*
 * ASSAY_OK when a scan finds nothing dangerous in the file, else ASSAY_DATA
 * with the worst reason: what programs ask before they open a model.
 */
int assay_scan_gate(const char *path, struct assay_error *err) ASSAY_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
