/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_FORMATS_ZIP_H
#define ASSAY_FORMATS_ZIP_H

/*
 * Zip archives by their central directory, in memory. PyTorch and Python
 * believe the central directory and take little from a member's own header;
 * so does this reader, and it notes where the two disagree, since such
 * archives show one content to a checker and another to a loader. What is
 * wrong with a member is a set of flags: a reader of weights refuses any, a
 * scanner reports each.
 *
 *   end record  (22 bytes and a comment, within the last 65,557 bytes)
 *     -> central directory: one entry per member
 *          -> local header, then the member's bytes
 *
 * Zip64 is read. Members are stored or deflated; others are told apart and
 * left alone. Nothing is written to disk and no name becomes a path.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "assay/error.h"

enum { ASSAY__ZIP_MEMBERS_MAX = 1 << 16, ASSAY__ZIP_NAME_MAX = 4096 };

/* X(name, what it means for the member) */
#define ASSAY__ZIP_FAULTS(X)                                            \
    X(NAME, "its name is absolute, leaves its folder or holds control " \
            "bytes")                                                    \
    X(TWICE, "its name occurs twice")                                   \
    X(MISNAMED, "its own header has another name than the central "     \
                "directory")                                            \
    X(DIFFERS, "its own header states another size or method than the " \
               "central directory")                                     \
    X(ENCRYPTED, "it is marked as encrypted or patched")                \
    X(METHOD, "it is neither stored nor deflated")                      \
    X(LINK, "it is a link or device, not a file")                       \
    X(OUTSIDE, "its bytes lie beyond the file")                         \
    X(OVERLAP, "its bytes are also another member's")                   \
    X(BOMB, "it claims more bytes than deflate can give")

enum assay__zip_fault_index {
#define ASSAY_X(name, text) ASSAY__ZIP_INDEX_##name,
    ASSAY__ZIP_FAULTS(ASSAY_X)
#undef ASSAY_X
        ASSAY__ZIP_N_FAULTS
};
enum assay__zip_fault {
#define ASSAY_X(name, text) ASSAY__ZIP_##name = 1 << ASSAY__ZIP_INDEX_##name,
    ASSAY__ZIP_FAULTS(ASSAY_X)
#undef ASSAY_X
};

struct assay__zip_member {
    char *name;      /* its bytes, NUL ended; control bytes and all */
    unsigned faults; /* enum assay__zip_fault */
    unsigned method; /* 0 stored, 8 deflated */
    unsigned flags;  /* as the central directory has them */
    bool folder;     /* the name ends in a slash */
    uint32_t crc;
    size_t entry_at;  /* offset of its entry in the central directory */
    size_t header_at; /* of its own header */
    size_t data_at;   /* of its bytes; 0 when OUTSIDE */
    size_t packed;    /* bytes in the file */
    size_t size;      /* bytes it claims to unpack to */
};

struct assay__zip {
    const unsigned char *data;
    size_t size;
    struct assay__zip_member *member;
    size_t n_members;
    size_t first;        /* offset of the first header; the end when none */
    size_t base;         /* what stands before the archive, if offsets say so */
    size_t directory_at; /* of the central directory */
    size_t end;          /* of the end record with its comment */
    size_t gap_at;       /* the first bytes that belong to nothing, and */
    size_t gap_size;     /* how many */
    const char *doubt;   /* why another program may see another directory;
                            or NULL */
};

/* Has it a member that is `wanted` (NULL: any)? Allocates nothing; names are
 * not ended by NUL. */
bool assay__zip_has(const unsigned char *data, size_t size,
                    bool (*wanted)(const char *name, size_t n));
/* Errors: _FORMAT, _LIMIT, _NOMEM. */
int assay__zip_open(struct assay__zip *zip, const unsigned char *data,
                    size_t size, struct assay_error *err) ASSAY_MUST_CHECK;
void assay__zip_close(struct assay__zip *zip);

/* What the lowest fault in `faults` is, as half a sentence. */
const char *assay__zip_fault_text(unsigned faults);
const struct assay__zip_member *assay__zip_find(const struct assay__zip *zip,
                                                const char *name);
/* A member's name as it stands in the central directory, without NUL. */
const char *assay__zip_name_in_file(const struct assay__zip *zip,
                                    const struct assay__zip_member *member);
/* A member's bytes: stored ones lie within the archive, deflated ones in
 * `owned`, to be freed (assay__free). */
struct assay__zip_bytes {
    const unsigned char *data;
    size_t size;
    unsigned char *owned; /* NULL for stored ones */
    bool whole;           /* all that the entry states, not more or less */
    bool crc_ok;          /* ... and of the checksum that it states */
};

/*
 * Read a member, at most `max_bytes` when it must be unpacked. Unless
 * `lenient`, what is not whole and of its checksum is an error.
 * Errors: _FORMAT, _LIMIT (not whole), _UNSUPPORTED, _NOMEM.
 */
int assay__zip_read(const struct assay__zip *zip,
                    const struct assay__zip_member *member, size_t max_bytes,
                    bool lenient, struct assay__zip_bytes *out,
                    struct assay_error *err) ASSAY_MUST_CHECK;

#endif
