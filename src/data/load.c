/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files of datasets: found under their name or that name with ".gz", read
 * whole, and gunzipped into a block that doubles up to a cap. A gzip file
 * of several members, as concatenation makes them, is one file.
 */

#define ZLIB_CONST /* input is const */

#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

#include "core/fs.h"
#include "core/mem.h"
#include "data/data.h"

/* Names are lines of a small text file. */
enum { NAMES_FILE_MAX = 1 << 22, BLOCK_MIN = 1 << 16 };

void assay__bytes_release(struct assay__bytes *bytes)
{
    assay__free(bytes->data);
    bytes->data = NULL;
    bytes->size = 0;
}

static voidpf zlib_alloc(voidpf user, uInt n, uInt size)
{
    (void)user;
    return assay__calloc(n, size);
}

static void zlib_free(voidpf user, voidpf block)
{
    (void)user;
    assay__free(block);
}

static int too_large(size_t max_bytes, struct assay_error *err)
{
    return assay_error_set(err, ASSAY_LIMIT,
                           "gzip: unpacks to more than %zu bytes", max_bytes);
}

/* Room for more output, up to one byte over the cap: who fills that one is
 * too large. */
static int grow(struct assay__bytes *out, size_t *cap, size_t max_bytes,
                struct assay_error *err)
{
    size_t wanted = *cap ? *cap * 2 : BLOCK_MIN;
    unsigned char *grown;

    if (*cap > max_bytes)
        return too_large(max_bytes, err);
    if (wanted > max_bytes)
        wanted = max_bytes + 1;
    grown = assay__realloc(out->data, wanted, 1);
    if (!grown)
        return assay_error_set(err, ASSAY_NOMEM,
                               "gzip: no memory for %zu bytes", wanted);
    out->data = grown;
    *cap = wanted;
    return ASSAY_OK;
}

static uInt at_most(size_t n)
{
    return n < (1u << 30) ? (uInt)n : 1u << 30;
}

static int inflate_all(z_stream *z, struct assay__bytes *out, size_t left,
                       size_t max_bytes, struct assay_error *err)
{
    size_t total = left;
    size_t cap = 0;

    for (;;) {
        uInt given = at_most(left);
        uInt room;
        int status;

        if (out->size == cap) {
            int rc = grow(out, &cap, max_bytes, err);

            if (rc)
                return rc;
        }
        room = at_most(cap - out->size);
        z->avail_in = given;
        z->next_out = out->data + out->size;
        z->avail_out = room;
        status = inflate(z, Z_NO_FLUSH);
        left -= given - z->avail_in;
        out->size += room - z->avail_out;

        if (status == Z_STREAM_END) {
            if (left == 0)
                return ASSAY_OK;
            status = inflateReset(z); /* another member follows */
        }
        if (status == Z_MEM_ERROR)
            return assay_error_set(err, ASSAY_NOMEM, "gzip: no memory");
        if (status != Z_OK && status != Z_BUF_ERROR)
            return assay_error_set(err, ASSAY_FORMAT, "byte %zu: gzip: %s",
                                   total - left,
                                   z->msg ? z->msg : "damaged data");
        if (left == 0 && z->avail_out > 0)
            return assay_error_set(err, ASSAY_FORMAT,
                                   "byte %zu: gzip: file ends too early",
                                   total);
    }
}

int assay__gunzip(struct assay__bytes *out, const unsigned char *data,
                  size_t size, size_t max_bytes, struct assay_error *err)
{
    z_stream z = {.zalloc = zlib_alloc, .zfree = zlib_free};
    int rc;

    *out = (struct assay__bytes){NULL, 0};
    z.next_in = data;
    if (inflateInit2(&z, 15 + 16) != Z_OK)
        return assay_error_set(err, ASSAY_NOMEM, "gzip: no memory");
    rc = inflate_all(&z, out, size, max_bytes, err);
    inflateEnd(&z);
    if (!rc && out->size > max_bytes)
        rc = too_large(max_bytes, err);
    if (rc)
        assay__bytes_release(out);
    return rc;
}

int assay__data_load(struct assay__bytes *out, const char *path,
                     struct assay_error *err)
{
    struct assay__bytes file = {NULL, 0};
    int rc;

    rc = assay__read_file(path, ASSAY__PIXELS_MAX_BYTES, &file.data, &file.size,
                          err);
    if (rc)
        return rc;
    if (file.size < 2 || file.data[0] != 0x1f || file.data[1] != 0x8b) {
        *out = file;
        return ASSAY_OK;
    }
    rc = assay__gunzip(out, file.data, file.size, ASSAY__PIXELS_MAX_BYTES, err);
    if (rc)
        rc = assay_error_prefix(err, rc, "%s", path);
    assay__bytes_release(&file);
    return rc;
}

char *assay__data_folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    if (assay__is_dir(path))
        return assay__strdup(path);
    if (!slash)
        return assay__strdup(".");
    return assay__format("%.*s", (int)(slash - path + 1), path);
}

static bool is_file(const char *path)
{
    struct stat info;

    return stat(path, &info) == 0 && S_ISREG(info.st_mode);
}

int assay__data_find(char **path, const char *folder, const char *name,
                     struct assay_error *err)
{
    static const char *const suffixes[] = {"", ".gz"};

    *path = NULL;
    for (int i = 0; i < 2; i++) {
        char *at = assay__format("%s/%s%s", folder, name, suffixes[i]);

        if (!at)
            return assay_error_set(err, ASSAY_NOMEM, "no memory for a path");
        if (is_file(at)) {
            *path = at;
            return ASSAY_OK;
        }
        assay__free(at);
    }
    return ASSAY_OK;
}

bool assay__data_has(const char *folder, const char *name)
{
    char *path = NULL;
    bool found;

    if (assay__data_find(&path, folder, name, NULL))
        return false;
    found = path != NULL;
    assay__free(path);
    return found;
}

/* Split text at line ends, in place; returns the lines that hold text. */
static size_t split_lines(char *text, const char **line, size_t n)
{
    size_t found = 0;
    char *next = text;

    while (next && *next && found < n) {
        char *end = strchr(next, '\n');
        char *stop = end ? end : next + strlen(next);

        while (stop > next && (stop[-1] == '\r' || stop[-1] == ' '))
            stop--;
        *stop = '\0';
        if (*next)
            line[found++] = next;
        next = end ? end + 1 : NULL;
    }
    return found;
}

int assay__data_class_names(char ***names, const char *folder, const char *name,
                            size_t n, struct assay_error *err)
{
    const char **line = NULL;
    unsigned char *text = NULL;
    char *path = NULL;
    size_t size = 0;
    int rc;

    *names = NULL;
    rc = assay__data_find(&path, folder, name, err);
    if (rc || !path)
        return rc;
    rc = assay__read_file(path, NAMES_FILE_MAX, &text, &size, err);
    if (rc)
        goto out;
    line = assay__calloc(n, sizeof(*line));
    if (!line) {
        rc = assay_error_set(err, ASSAY_NOMEM, "no memory for class names");
        goto out;
    }
    if (split_lines((char *)text, line, n) == n) {
        *names = assay__names_copy(line, n);
        if (!*names)
            rc = assay_error_set(err, ASSAY_NOMEM, "no memory for names");
    }

out:
    assay__free(line);
    assay__free(text);
    assay__free(path);
    return rc;
}
