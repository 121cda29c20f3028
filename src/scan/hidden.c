/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pickles in strings: as they are, in base64 or in hex digits, which a
 * loader that is told to would unpack and run. A string is looked at as a
 * content of its own; most are given up after their first bytes.
 */

#include <stdio.h>
#include <string.h>

#include "core/mem.h"
#include "formats/pickle.h"
#include "scan/scan.h"

enum { SHORTEST = 6, DECODED_MAX = 1 << 24 };

static int digit64(unsigned char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+' || c == '-')
        return 62;
    return c == '/' || c == '_' ? 63 : -1;
}

static int digit16(unsigned char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool is_blank(unsigned char c)
{
    return c == '\n' || c == '\r' || c == ' ' || c == '\t';
}

/* Digits of `bits` bits each into bytes; SIZE_MAX when one is no digit. */
static size_t decode(unsigned char *out, size_t room, const unsigned char *text,
                     size_t size, int bits)
{
    unsigned value = 0;
    int have = 0;
    size_t n = 0;

    for (size_t i = 0; i < size && n < room; i++) {
        int d;

        if (is_blank(text[i]) || (bits == 6 && text[i] == '='))
            continue;
        d = bits == 6 ? digit64(text[i]) : digit16(text[i]);
        if (d < 0)
            return SIZE_MAX;
        value = value << bits | (unsigned)d;
        have += bits;
        if (have >= 8) {
            have -= 8;
            out[n++] = (unsigned char)(value >> have);
            value &= (1u << have) - 1;
        }
    }
    return n;
}

static bool begins_a_pickle(const unsigned char *data, size_t size)
{
    if (size < SHORTEST)
        return false;
    if (data[0] == ASSAY__PICKLE_PROTO)
        return data[1] <= ASSAY__PICKLE_PROTOCOL_MAX;
    /* Without a protocol: what can begin a pickle, and names something by
     * lines or from the stack. Most names of tensors end here. */
    return data[0] != '\0' && strchr("c(VSXUiN}])\x8c", data[0]) &&
           memchr(data, '.', size) &&
           (memchr(data, '\n', size) ||
            memchr(data, ASSAY__PICKLE_STACK_GLOBAL, size));
}

static int look(struct assay__scan_job *job, const unsigned char *data,
                size_t size, size_t offset, const char *how,
                struct assay_error *err)
{
    enum assay_severity before = job->scan->verdict;
    size_t n = job->scan->n_reasons + job->scan->n_more;
    char name[64];
    int rc;

    snprintf(name, sizeof(name), "%s at byte %zu", how, job->offset + offset);
    rc = assay__scan_inner(job, data, size, name, true, err);
    if (rc || (job->scan->verdict == before &&
               job->scan->n_reasons + job->scan->n_more == n))
        return rc;
    return assay__scan_note(job, ASSAY__RULE_PICKLE_NESTED, offset, NULL, err,
                            "a %s holds a pickle of its own", how);
}

static int look_decoded(struct assay__scan_job *job, const unsigned char *text,
                        size_t size, size_t offset, int bits,
                        struct assay_error *err)
{
    unsigned char first[64];
    size_t room = size < DECODED_MAX ? size : DECODED_MAX;
    size_t n = decode(first, sizeof(first), text, size, bits);
    unsigned char *data;
    int rc = ASSAY_OK;

    if (n == SIZE_MAX || n < SHORTEST || first[0] != ASSAY__PICKLE_PROTO ||
        first[1] > ASSAY__PICKLE_PROTOCOL_MAX) {
        /* Older protocols have no mark: short strings are tried as well. */
        if (n == SIZE_MAX || n < SHORTEST || !strchr("c(VS", first[0]) ||
            first[0] == '\0')
            return ASSAY_OK;
    }
    if (room > job->budget)
        return assay__scan_note(job, ASSAY__RULE_TOO_DEEP, offset, NULL, err,
                                "strings decode to more than is looked at");
    job->budget -= room;
    data = assay__malloc(room);
    if (!data)
        return assay_error_set(err, ASSAY_NOMEM, "no memory to scan");
    n = decode(data, room, text, size, bits);
    if (n != SIZE_MAX)
        rc = look(job, data, n, offset,
                  bits == 6 ? "base64 string" : "hex string", err);
    assay__free(data);
    return rc;
}

int assay__scan_hidden(struct assay__scan_job *job, const unsigned char *text,
                       size_t size, size_t offset, struct assay_error *err)
{
    int rc = ASSAY_OK;

    if (size < SHORTEST)
        return ASSAY_OK;
    if (begins_a_pickle(text, size))
        rc = look(job, text, size, offset, "string", err);
    if (!rc && size >= 16)
        rc = look_decoded(job, text, size, offset, 6, err);
    if (!rc && size >= 16)
        rc = look_decoded(job, text, size, offset, 4, err);
    return rc;
}
