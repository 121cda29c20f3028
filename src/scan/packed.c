/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files that are compressed as a whole. gzip is unpacked, up to a cap, and
 * what comes out is looked at; the others are told apart and not opened,
 * which is said: a file that was not looked at is not clean.
 */

#include <string.h>

#include "core/mem.h"
#include "formats/gzip.h"
#include "scan/scan.h"

static const struct {
    const char *name;
    const char *magic;
    size_t size;
} others[] = {
    {"7z", "7z\xbc\xaf\x27\x1c", 6},
    {"xz",
     "\xfd"
     "7zXZ\0",
     6},
    {"bzip2", "BZh", 3},
    {"zstd", "\x28\xb5\x2f\xfd", 4},
    {"rar", "Rar!\x1a\x07", 6},
    {"lz4", "\x04\x22\x4d\x18", 4},
};

enum { N_OTHERS = sizeof(others) / sizeof(others[0]) };

static bool is_gzip(const unsigned char *data, size_t size)
{
    return size >= 18 && data[0] == 0x1f && data[1] == 0x8b && data[2] == 8;
}

static const char *other(const unsigned char *data, size_t size)
{
    for (size_t i = 0; i < N_OTHERS; i++) {
        if (size >= others[i].size &&
            memcmp(data, others[i].magic, others[i].size) == 0)
            return others[i].name;
    }
    return NULL;
}

static int probe(const unsigned char *data, size_t size, const char *name)
{
    (void)name;
    return is_gzip(data, size) || other(data, size) != NULL;
}

static int scan_gzip(struct assay__scan_job *job, const unsigned char *data,
                     size_t size, struct assay_error *err)
{
    size_t most = job->budget < ASSAY__SCAN_UNPACK_MAX ? job->budget
                                                       : ASSAY__SCAN_UNPACK_MAX;
    struct assay_error why = {0};
    unsigned char *out = NULL;
    bool whole = true;
    size_t n = 0;
    int rc = assay__gzip_unpack(data, size, most, &out, &n, &whole, &why);

    if (rc)
        return assay__scan_note_error(job, ASSAY__RULE_ARCHIVE_BROKEN, NULL,
                                      &why, err);
    job->budget -= n < job->budget ? n : job->budget;
    rc = assay__scan_inner(job, out, n, "gzip", job->quiet, err);
    if (!rc && !whole)
        rc = assay__scan_note(job, ASSAY__RULE_TOO_DEEP, 0, NULL, err,
                              "it unpacks to more than %zu bytes, or to "
                              "several parts; the first were looked at",
                              n);
    assay__free(out);
    return rc;
}

static int scan(struct assay__scan_job *job, const unsigned char *data,
                size_t size, struct assay_error *err)
{
    if (is_gzip(data, size))
        return scan_gzip(job, data, size, err);
    return assay__scan_note(job, ASSAY__RULE_NOT_OPENED, 0, other(data, size),
                            err,
                            "files packed this way are not opened; "
                            "unpack it and scan what is in it");
}

const struct assay__scanner assay__scanner_packed = {
    .name = "packed",
    .suffixes = " .gz .tgz .7z .xz .bz2 .zst .rar .lz4 ",
    .probe = probe,
    .scan = scan,
};
