/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tars. Members lie one after the other, each behind a header of 512 bytes;
 * names that leave the folder, links and devices are dangerous to whoever
 * unpacks it.
 *
 *   byte 0    name, 100       byte 156  kind: '0' file, '1' link, '2' symlink
 *   byte 124  size, octal 12  byte 157  link's target, 100
 *   byte 257  "ustar"         byte 345  prefix of the name, 155
 */

#include <stdio.h>
#include <string.h>

#include "scan/scan.h"

enum { BLOCK = 512, MEMBERS_MAX = 1 << 16 };

static int probe(const unsigned char *data, size_t size, const char *name)
{
    (void)name;
    return size >= BLOCK && memcmp(data + 257, "ustar", 5) == 0;
}

/* Octal digits, or base 256 for sizes beyond 8 GiB. */
static uint64_t number(const unsigned char *at, size_t n)
{
    uint64_t value = 0;

    if (at[0] & 0x80) {
        for (size_t i = n - 8; i < n; i++)
            value = value << 8 | at[i];
        return value;
    }
    for (size_t i = 0; i < n; i++) {
        if (at[i] >= '0' && at[i] <= '7')
            value = value * 8 + (uint64_t)(at[i] - '0');
    }
    return value;
}

static void read_name(char *name, size_t room, const unsigned char *header)
{
    char last[101] = "", prefix[156] = "";

    memcpy(last, header, 100);
    memcpy(prefix, header + 345, 155);
    /* GNU's tars have other fields where the prefix would be. */
    if (prefix[0] && memcmp(header + 257, "ustar\0", 6) == 0)
        snprintf(name, room, "%s/%s", prefix, last);
    else
        snprintf(name, room, "%s", last);
}

static bool leaves(const char *path)
{
    size_t n = strlen(path);

    if (path[0] == '/' || path[0] == '\\')
        return true;
    for (size_t i = 0; i < n; i++) {
        if (path[i] == '.' && path[i + 1] == '.' &&
            (i == 0 || path[i - 1] == '/') &&
            (path[i + 2] == '/' || path[i + 2] == '\0'))
            return true;
        if ((unsigned char)path[i] < 0x20)
            return true;
    }
    return false;
}

/*
 * Longer names stand in members of their own: GNU's 'L' holds one, POSIX's
 * 'x' and 'g' hold lines "SIZE path=NAME".
 */
static int check_long_name(struct assay__scan_job *job, char kind,
                           const unsigned char *data, size_t size, size_t at,
                           struct assay_error *err)
{
    char name[4097];
    size_t n = size < sizeof(name) - 1 ? size : sizeof(name) - 1;
    char *path = name;

    if (kind != 'L' && kind != 'x' && kind != 'g')
        return ASSAY_OK;
    memcpy(name, data, n);
    name[n] = '\0';
    if (kind != 'L') {
        path = memmem(name, n, "path=", 5);
        if (!path)
            return ASSAY_OK;
        path += 5;
        path[strcspn(path, "\n")] = '\0';
    }
    if (!leaves(path))
        return ASSAY_OK;
    return assay__scan_note(job, ASSAY__RULE_ZIP_PATH, at, path, err,
                            "of the member: its long name leaves the folder");
}

static int check_member(struct assay__scan_job *job,
                        const unsigned char *header, const char *name,
                        size_t at, struct assay_error *err)
{
    char kind = (char)header[156];
    char target[101] = "";
    int rc = ASSAY_OK;

    memcpy(target, header + 157, 100);
    if (leaves(name))
        rc = assay__scan_note(job, ASSAY__RULE_ZIP_PATH, at, name, err,
                              "of the member: its name leaves the folder");
    if (!rc && (kind == '1' || kind == '2'))
        rc = assay__scan_note(job, ASSAY__RULE_ZIP_LINK, at, name, err,
                              "the member is a link to %.100s", target);
    if (!rc && kind >= '3' && kind <= '6' && kind != '5')
        rc = assay__scan_note(job, ASSAY__RULE_ZIP_LINK, at, name, err,
                              "the member is a device");
    return rc;
}

static int scan(struct assay__scan_job *job, const unsigned char *data,
                size_t size, struct assay_error *err)
{
    size_t at = 0;
    int rc = ASSAY_OK;

    for (int n = 0; size - at >= BLOCK && !rc; n++) {
        const unsigned char *header = data + at;
        char name[300];
        uint64_t length;

        if (header[0] == '\0')
            return ASSAY_OK;
        length = number(header + 124, 12);
        if (memcmp(header + 257, "ustar", 5) != 0 || length > size - at - BLOCK)
            return assay__scan_note(job, ASSAY__RULE_ARCHIVE_BROKEN, at, NULL,
                                    err,
                                    "the tar's next header is none, or its "
                                    "member goes beyond the file");
        if (n == MEMBERS_MAX)
            return assay__scan_note(job, ASSAY__RULE_TOO_DEEP, at, NULL, err,
                                    "a tar of more than %d members",
                                    MEMBERS_MAX);
        read_name(name, sizeof(name), header);
        rc = check_member(job, header, name, at, err);
        at += BLOCK;
        if (!rc)
            rc = check_long_name(job, (char)header[156], data + at,
                                 (size_t)length, at, err);
        if (!rc && length > 0 &&
            (header[156] == '0' || header[156] == '\0' || header[156] == '7'))
            rc = assay__scan_inner(job, data + at, (size_t)length, name, true,
                                   err);
        length = (length + BLOCK - 1) / BLOCK * BLOCK;
        at += length > size - at ? size - at : (size_t)length;
    }
    return rc;
}

const struct assay__scanner assay__scanner_tar = {
    .name = "tar",
    .suffixes = " .tar ",
    .probe = probe,
    .scan = scan,
};
