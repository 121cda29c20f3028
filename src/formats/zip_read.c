/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes of a zip's members (zip.h) and of gzip files (gzip.h). Stored ones
 * are used where they lie; deflated ones are unpacked by zlib into a block
 * that grows with what comes out, never with what the archive claims.
 */

#include <string.h>
#include <zlib.h>

#include "core/mem.h"
#include "formats/gzip.h"
#include "formats/zip.h"

enum { STEP = 1 << 16 };

struct sink {
    unsigned char *data;
    size_t size;
    size_t cap;
};

static bool grow(struct sink *s, size_t max_bytes)
{
    size_t cap = s->cap ? 2 * s->cap : STEP;
    unsigned char *data;

    if (cap > max_bytes)
        cap = max_bytes;
    data = assay__realloc(s->data, cap + 1, 1);
    if (!data)
        return false;
    s->data = data;
    s->cap = cap;
    return true;
}

/* zlib counts in 32 bits. */
static unsigned part(size_t size)
{
    return size < (1u << 30) ? (unsigned)size : 1u << 30;
}

/* Until the end, the cap or a mistake: Z_STREAM_END, Z_BUF_ERROR or other. */
static int pump(z_stream *z, const unsigned char *from, size_t packed,
                struct sink *s, size_t max_bytes, struct assay_error *err)
{
    size_t given = 0;
    int rc = Z_OK;

    while (rc == Z_OK) {
        size_t before;

        if (s->size == s->cap) {
            if (s->cap >= max_bytes && max_bytes > 0)
                return Z_BUF_ERROR;
            if (!grow(s, max_bytes)) {
                (void)assay_error_set(err, ASSAY_NOMEM,
                                      "no memory to unpack a zip");
                return Z_MEM_ERROR;
            }
        }
        z->next_in = (unsigned char *)(uintptr_t)(from + given);
        z->avail_in = part(packed - given);
        before = z->avail_in;
        z->next_out = s->data + s->size;
        z->avail_out = part(s->cap - s->size);
        rc = inflate(z, Z_NO_FLUSH);
        given += before - z->avail_in;
        s->size = (size_t)(z->next_out - s->data);
        if (rc == Z_BUF_ERROR && given == packed)
            return Z_DATA_ERROR;
    }
    return rc;
}

static int unpack(const struct assay__zip *zip,
                  const struct assay__zip_member *m, size_t max_bytes,
                  struct sink *s, bool *whole, struct assay_error *err)
{
    z_stream z = {0};
    int rc;

    *whole = false;
    if (inflateInit2(&z, -MAX_WBITS) != Z_OK)
        return assay_error_set(err, ASSAY_NOMEM, "no memory to unpack a zip");
    rc = pump(&z, zip->data + m->data_at, m->packed, s, max_bytes, err);
    (void)inflateEnd(&z);
    *whole = rc == Z_STREAM_END;
    if (rc == Z_MEM_ERROR)
        return ASSAY_NOMEM;
    if (rc != Z_STREAM_END && rc != Z_BUF_ERROR)
        return assay_error_set(err, ASSAY_FORMAT,
                               "byte %zu: zip member '%.60s' is not what "
                               "deflate writes",
                               m->data_at, m->name);
    return ASSAY_OK;
}

static uint32_t checksum(const unsigned char *data, size_t size)
{
    uLong crc = crc32(0, NULL, 0);

    while (size > 0) {
        crc = crc32(crc, data, part(size));
        data += part(size);
        size -= part(size);
    }
    return (uint32_t)crc;
}

static int check(const struct assay__zip_member *m, const unsigned char *data,
                 size_t size, bool *whole, bool *crc_ok,
                 struct assay_error *err)
{
    bool all = size == m->size;

    if (whole)
        *whole = all;
    else if (!all)
        return assay_error_set(err, ASSAY_LIMIT,
                               "byte %zu: zip member '%.60s' gives %zu bytes, "
                               "its entry states %zu",
                               m->data_at, m->name, size, m->size);
    all = !all || checksum(data, size) == m->crc;
    if (crc_ok)
        *crc_ok = all;
    else if (!all)
        return assay_error_set(err, ASSAY_FORMAT,
                               "byte %zu: zip member '%.60s' does not have its "
                               "checksum",
                               m->data_at, m->name);
    return ASSAY_OK;
}

int assay__zip_read(const struct assay__zip *zip,
                    const struct assay__zip_member *member, size_t max_bytes,
                    const unsigned char **bytes, size_t *size,
                    unsigned char **owned, bool *whole, bool *crc_ok,
                    struct assay_error *err)
{
    struct sink s = {0};
    bool ended = false;
    int rc;

    *owned = NULL;
    if (member->faults & (ASSAY__ZIP_OUTSIDE | ASSAY__ZIP_METHOD))
        return assay_error_set(err, ASSAY_UNSUPPORTED,
                               "byte %zu: zip member '%.60s' cannot be read: "
                               "%s",
                               member->entry_at, member->name,
                               assay__zip_fault_text(member->faults));
    if (member->method == 0) {
        *bytes = zip->data + member->data_at;
        *size = member->packed;
        return check(member, *bytes, *size, whole, crc_ok, err);
    }
    rc = unpack(zip, member, max_bytes, &s, &ended, err);
    if (!rc)
        rc = check(member, s.data, s.size, whole, crc_ok, err);
    if (rc) {
        assay__free(s.data);
        return rc;
    }
    if (whole)
        *whole = ended && *whole;
    *bytes = s.data;
    *size = s.size;
    *owned = s.data;
    return ASSAY_OK;
}

int assay__gzip_unpack(const unsigned char *data, size_t size, size_t max_bytes,
                       unsigned char **out, size_t *n, bool *whole,
                       struct assay_error *err)
{
    struct sink s = {0};
    z_stream z = {0};
    int rc;

    if (inflateInit2(&z, MAX_WBITS + 16) != Z_OK)
        return assay_error_set(err, ASSAY_NOMEM, "no memory to unpack gzip");
    rc = pump(&z, data, size, &s, max_bytes, err);
    *whole = rc == Z_STREAM_END && z.total_in == size;
    (void)inflateEnd(&z);
    if (rc == Z_STREAM_END || rc == Z_BUF_ERROR) {
        *out = s.data;
        *n = s.size;
        return ASSAY_OK;
    }
    assay__free(s.data);
    return rc == Z_MEM_ERROR
               ? ASSAY_NOMEM
               : assay_error_set(err, ASSAY_FORMAT,
                                 "byte 0: it is not what gzip writes");
}
