/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The public face of scanning (assay/scan.h): a file is read whole, a job is
 * made, content finds its scanners, the worst reason is the verdict. Jobs
 * end by budgets: depth, contents looked at, bytes unpacked.
 */

#include "scan/scan.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "assay/format.h"
#include "core/fs.h"
#include "core/mem.h"

enum { LOOKS_MAX = 1 << 14, WHAT_MAX = 200, WHY_MAX = 400 };

static const struct assay__scanner *const scanners[] = {
#define ASSAY_SCANNER(id) &assay__scanner_##id,
#include "scanners.def"
#undef ASSAY_SCANNER
};

enum { N_SCANNERS = sizeof(scanners) / sizeof(scanners[0]) };

static const struct assay_scan_rule rules[] = {
#define ASSAY_SCAN_RULE(id, text, severity, about) \
    {text, ASSAY_SEVERITY_##severity, about},
#include "rules.def"
#undef ASSAY_SCAN_RULE
};

/* Names that promise data which no program runs. */
static const char data_suffixes[] =
    " .txt .json .yaml .yml .csv .md .log .png .jpg .jpeg .gif .wav .mp3 ";

const char *assay_severity_name(enum assay_severity severity)
{
    static const char *const names[] = {"clean", "unreadable", "suspicious",
                                        "dangerous"};

    return names[severity];
}

const struct assay_scan_rule *assay_scan_rules(size_t *n)
{
    *n = ASSAY__RULE_COUNT;
    return rules;
}

/* Is ".suffix" with a blank after it what `word` begins with? */
static bool is_suffix(const char *word, const char *dot, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (tolower((unsigned char)dot[i]) != word[i])
            return false;
    }
    return word[n] == ' ';
}

bool assay__scan_has_suffix(const char *name, const char *suffixes)
{
    const char *dot = name ? strrchr(name, '.') : NULL;
    size_t n = dot ? strlen(dot) : 0;

    if (n < 2 || strpbrk(dot, " /"))
        return false;
    for (const char *at = strchr(suffixes, ' '); at; at = strchr(at + 1, ' ')) {
        if (is_suffix(at + 1, dot, n))
            return true;
    }
    return false;
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static bool is_known(const struct assay_scan *scan,
                     const struct assay_scan_rule *rule, const char *member,
                     const char *what)
{
    for (size_t i = 0; i < scan->n_reasons; i++) {
        const struct assay_scan_reason *r = &scan->reason[i];

        if (r->rule == rule && same_text(r->member, member) &&
            same_text(r->what, what))
            return true;
    }
    return false;
}

static int add_reason(struct assay__scan_job *job,
                      struct assay_scan_reason *reason, const char *what,
                      const char *why, struct assay_error *err)
{
    struct assay_scan *scan = job->scan;

    reason->why = assay__strdup(why);
    if (job->member)
        reason->member = assay__strdup(job->member);
    if (what)
        reason->what = assay__strdup(what);
    if (!reason->why || (job->member && !reason->member) ||
        (what && !reason->what)) {
        assay__free(reason->why);
        assay__free(reason->member);
        assay__free(reason->what);
        return assay_error_set(err, ASSAY_NOMEM, "no memory to scan");
    }
    scan->reason[scan->n_reasons++] = *reason;
    return ASSAY_OK;
}

int assay__scan_note(struct assay__scan_job *job, enum assay__scan_rule rule,
                     size_t offset, const char *what, struct assay_error *err,
                     const char *fmt, ...)
{
    struct assay_scan_reason reason = {.rule = &rules[rule],
                                       .offset = job->offset + offset};
    struct assay_scan *scan = job->scan;
    char short_what[WHAT_MAX];
    char why[WHY_MAX];
    va_list args;

    if (job->quiet && reason.rule->severity <= ASSAY_SEVERITY_UNREADABLE)
        return ASSAY_OK;
    if (what) {
        snprintf(short_what, sizeof(short_what), "%s", what);
        what = short_what;
    }
    if (reason.rule->severity > scan->verdict)
        scan->verdict = reason.rule->severity;
    if (is_known(scan, reason.rule, job->member, what))
        return ASSAY_OK;
    if (scan->n_reasons == ASSAY_SCAN_REASONS_MAX) {
        scan->n_more++;
        return ASSAY_OK;
    }
    va_start(args, fmt);
    vsnprintf(why, sizeof(why), fmt, args);
    va_end(args);
    return add_reason(job, &reason, what, why, err);
}

int assay__scan_note_error(struct assay__scan_job *job,
                           enum assay__scan_rule rule, const char *what,
                           const struct assay_error *why,
                           struct assay_error *err)
{
    const char *text = why->msg;
    size_t offset = 0;

    if (why->code == ASSAY_NOMEM)
        return assay_error_set(err, ASSAY_NOMEM, "%s", why->msg);
    if (strncmp(text, "byte ", 5) == 0) {
        char *end = NULL;
        unsigned long long at = strtoull(text + 5, &end, 10);

        if (end && end > text + 5 && end[0] == ':' && end[1] == ' ') {
            offset = (size_t)at;
            text = end + 2;
        }
    }
    return assay__scan_note(job, rule, offset, what, err, "%s", text);
}

/* The scanner that a name promises. */
static const struct assay__scanner *promised(const char *name)
{
    for (size_t i = 0; i < N_SCANNERS; i++) {
        if (assay__scan_has_suffix(name, scanners[i]->suffixes))
            return scanners[i];
    }
    return NULL;
}

static int check_name(struct assay__scan_job *job, unsigned found,
                      struct assay_error *err)
{
    const struct assay__scanner *promise = promised(job->name);
    unsigned carries_pickles = 0;

    for (size_t i = 0; i < N_SCANNERS; i++) {
        if (scanners[i] == &assay__scanner_pickle)
            carries_pickles = 1u << i;
        else if (scanners[i] == promise && found & 1u << i)
            return ASSAY_OK; /* a polyglot is told as such */
    }
    if (!(found & carries_pickles) || !job->name)
        return ASSAY_OK;
    if (!assay__scan_has_suffix(job->name, data_suffixes) &&
        (!promise || promise == &assay__scanner_pickle ||
         promise == &assay__scanner_zip))
        return ASSAY_OK;
    return assay__scan_note(job, ASSAY__RULE_WRONG_SUFFIX, 0, NULL, err,
                            "its name promises %s, its content is a pickle",
                            promise ? promise->name : "plain data");
}

int assay__scan_content(struct assay__scan_job *job, const unsigned char *data,
                        size_t size, struct assay_error *err)
{
    const struct assay__scanner *first = NULL;
    const struct assay__scanner *second = NULL;
    unsigned found = 0;
    int rc = ASSAY_OK;

    if (job->depth > ASSAY__SCAN_DEPTH_MAX || job->looks == 0)
        return assay__scan_note(job, ASSAY__RULE_TOO_DEEP, 0, NULL, err,
                                "content is nested deeper than %d levels, or "
                                "in more than %d parts",
                                ASSAY__SCAN_DEPTH_MAX, LOOKS_MAX);
    job->looks--;
    for (size_t i = 0; i < N_SCANNERS && !rc; i++) {
        int is = scanners[i]->probe(data, size, job->name);

        if (is < 0)
            return assay_error_set(err, is, "no memory to scan");
        if (is == 0)
            continue;
        found |= 1u << i;
        if (!first)
            first = scanners[i];
        else if (!second)
            second = scanners[i];
        if (job->depth == 0 && !job->scan->kind)
            job->scan->kind = first->name;
        rc = scanners[i]->scan(job, data, size, err);
    }
    if (!rc)
        rc = check_name(job, found, err);
    if (!rc && second)
        rc = assay__scan_note(job, ASSAY__RULE_POLYGLOT, 0, NULL, err,
                              "the content is both %s and %s", first->name,
                              second->name);
    if (!rc && !first)
        rc = assay__scan_note(job, ASSAY__RULE_UNKNOWN_KIND, 0, NULL, err,
                              "neither its name nor its content is of a kind "
                              "that can be scanned");
    return rc;
}

int assay__scan_inner(struct assay__scan_job *job, const unsigned char *data,
                      size_t size, const char *name, bool quiet,
                      struct assay_error *err)
{
    struct assay__scan_job saved = *job;
    char *path;
    int rc;

    path = job->member ? assay__format("%.2000s!%.2000s", job->member, name)
                       : assay__strdup(name);
    if (!path)
        return assay_error_set(err, ASSAY_NOMEM, "no memory to scan");
    job->member = path;
    job->name = name;
    job->offset = 0;
    job->depth++;
    job->quiet = quiet;
    rc = assay__scan_content(job, data, size, err);
    saved.budget = job->budget;
    saved.looks = job->looks;
    *job = saved;
    assay__free(path);
    return rc;
}

static int by_severity(const void *a, const void *b)
{
    const struct assay_scan_reason *x = a;
    const struct assay_scan_reason *y = b;

    if (x->rule->severity != y->rule->severity)
        return x->rule->severity < y->rule->severity ? 1 : -1;
    /* `offset` of a whole scan: members in the order of the file. */
    if (x->member && y->member && strcmp(x->member, y->member) != 0)
        return strcmp(x->member, y->member);
    if (!x->member != !y->member)
        return x->member ? 1 : -1;
    if (x->offset != y->offset)
        return x->offset > y->offset ? 1 : -1;
    return strcmp(x->rule->id, y->rule->id);
}

static int scan_content(struct assay_scan *out, const void *data, size_t size,
                        const char *name, const char *path,
                        struct assay_error *err)
{
    struct assay_scan scan = {0};
    struct assay__scan_job job = {.scan = &scan,
                                  .path = path,
                                  .name = name,
                                  .budget = ASSAY__SCAN_UNPACKED_MAX,
                                  .looks = LOOKS_MAX};
    int rc;

    scan.reason = assay__calloc(ASSAY_SCAN_REASONS_MAX, sizeof(*scan.reason));
    if (!scan.reason)
        return assay_error_set(err, ASSAY_NOMEM, "no memory to scan");
    rc = assay__scan_content(&job, data, size, err);
    if (rc) {
        assay_scan_release(&scan);
        return rc;
    }
    if (!scan.kind)
        scan.kind = "unknown";
    if (scan.n_reasons > 1)
        qsort(scan.reason, scan.n_reasons, sizeof(*scan.reason), by_severity);
    *out = scan;
    return ASSAY_OK;
}

int assay_scan_bytes(struct assay_scan *out, const void *data, size_t size,
                     const char *name, struct assay_error *err)
{
    return scan_content(out, data, size, name, NULL, err);
}

int assay_scan_file(struct assay_scan *out, const char *path,
                    struct assay_error *err)
{
    const char *slash = strrchr(path, '/');
    unsigned char *data = NULL;
    size_t size = 0;
    int rc;

    rc = assay__map_file(path, ASSAY_FORMAT_MAX_BYTES, &data, &size, err);
    if (rc)
        return rc;
    rc = scan_content(out, data, size, slash ? slash + 1 : path, path, err);
    assay__unmap(data, size);
    if (rc)
        (void)assay_error_prefix(err, rc, "%s", path);
    return rc;
}

void assay_scan_release(struct assay_scan *scan)
{
    for (size_t i = 0; i < scan->n_reasons; i++) {
        assay__free(scan->reason[i].member);
        assay__free(scan->reason[i].what);
        assay__free(scan->reason[i].why);
    }
    assay__free(scan->reason);
    memset(scan, 0, sizeof(*scan));
}

int assay_scan_gate(const char *path, struct assay_error *err)
{
    struct assay_scan scan = {0};
    int rc = assay_scan_file(&scan, path, err);

    if (rc)
        return rc;
    if (scan.verdict == ASSAY_SEVERITY_DANGEROUS)
        rc = assay_error_set(
            err, ASSAY_DATA,
            "%s is dangerous (%s%s%.80s, byte %llu): %s; see "
            "assay scan",
            path, scan.reason[0].rule->id, scan.reason[0].what ? " " : "",
            scan.reason[0].what ? scan.reason[0].what : "",
            (unsigned long long)scan.reason[0].offset, scan.reason[0].why);
    assay_scan_release(&scan);
    return rc;
}
