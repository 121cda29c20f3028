/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes of a zip's members (zip.h) and of gzip files (gzip.h). Stored ones
 * are used where they lie; deflated ones are unpacked by zlib into a block
 * that grows with what comes out, never with what the archive claims.
 */

#include <string.h>
#include <zlib.h>

#include "core/mem.h"
#include "formats/crc32.h"
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

/*
 * Until the end, the cap or a mistake: Z_STREAM_END, Z_BUF_ERROR or other.
 * There is room for a byte beyond the cap, since zlib may hand out the last
 * byte before it has seen that it was the last.
 */
static int pump(z_stream *z, const unsigned char *from, size_t packed,
                struct sink *s, size_t max_bytes, struct assay_error *err)
{
    size_t given = 0;
    int rc = Z_OK;

    while (rc == Z_OK && s->size <= max_bytes) {
        size_t before;

        if (s->size == s->cap && !grow(s, max_bytes + 1)) {
            (void)assay_error_set(err, ASSAY_NOMEM,
                                  "no memory to unpack a zip");
            return Z_MEM_ERROR;
        }
        z->next_in = (unsigned char *)(uintptr_t)(from + given);
        z->avail_in = part(packed - given);
        before = z->avail_in;
        z->next_out = s->data + s->size;
        z->avail_out = part(s->cap - s->size);
        rc = inflate(z, Z_NO_FLUSH);
        given += before - z->avail_in;
        s->size = (size_t)(z->next_out - s->data);
    }
    if (s->size > max_bytes) {
        s->size = max_bytes;
        return Z_BUF_ERROR;
    }
    /* Nothing more comes in: the data ends before its end. */
    return rc == Z_BUF_ERROR ? Z_DATA_ERROR : rc;
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

static int check(const struct assay__zip_member *m, bool lenient,
                 struct assay__zip_bytes *b, struct assay_error *err)
{
    b->whole = b->whole && b->size == m->size;
    b->crc_ok = !b->whole || assay__crc32(b->data, b->size) == m->crc;
    if (lenient || (b->whole && b->crc_ok))
        return ASSAY_OK;
    if (!b->whole)
        return assay_error_set(err, ASSAY_LIMIT,
                               "byte %zu: zip member '%.60s' gives %zu bytes, "
                               "its entry states %zu",
                               m->data_at, m->name, b->size, m->size);
    return assay_error_set(err, ASSAY_FORMAT,
                           "byte %zu: zip member '%.60s' does not have its "
                           "checksum",
                           m->data_at, m->name);
}

int assay__zip_read(const struct assay__zip *zip,
                    const struct assay__zip_member *member, size_t max_bytes,
                    bool lenient, struct assay__zip_bytes *out,
                    struct assay_error *err)
{
    struct assay__zip_bytes b = {.whole = true};
    struct sink s = {0};
    int rc = ASSAY_OK;

    if (member->faults & (ASSAY__ZIP_OUTSIDE | ASSAY__ZIP_METHOD))
        return assay_error_set(err, ASSAY_UNSUPPORTED,
                               "byte %zu: zip member '%.60s' cannot be read: "
                               "%s",
                               member->entry_at, member->name,
                               assay__zip_fault_text(member->faults));
    if (member->method == 0) {
        b.data = zip->data + member->data_at;
        b.size = member->packed;
    } else {
        rc = unpack(zip, member, max_bytes, &s, &b.whole, err);
        b.data = b.owned = s.data;
        b.size = s.size;
    }
    if (!rc)
        rc = check(member, lenient, &b, err);
    if (rc)
        assay__free(s.data);
    else
        *out = b;
    return rc;
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
