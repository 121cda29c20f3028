/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NPZ: a zip archive of NumPy arrays, each a member "<name>.npy", stored or
 * deflated. The zip is read by libarchive through its central directory.
 *
 * Memory is asked for only when the array's own header, the size that the
 * zip states and the size of the file agree that the data can be there:
 * deflate never expands more than 1032 times, so no file can claim more
 * than that in all of its members together. Names never become paths; those
 * that would leave a folder are refused all the same, because such an
 * archive was made to harm somebody. Messages count members, since
 * libarchive does not tell where in the file one begins.
 *
 * Written archives are stored, not compressed, in the order of the list,
 * with the oldest date that zip knows: equal content gives equal bytes.
 */

#include <archive.h>
#include <archive_entry.h>
#include <locale.h>
#include <string.h>

#include "core/mem.h"
#include "formats/format.h"
#include "formats/npy.h"

enum { DEFLATE_RATIO = 1032 };

static const char SUFFIX[] = ".npy";
enum { SUFFIX_SIZE = sizeof(SUFFIX) - 1 };

struct reader {
    struct archive *zip;
    size_t size;        /* of the file */
    size_t total_bytes; /* of data promised so far */
    const char *name;   /* of the member at hand, for messages */
    size_t number;      /* of that member, from 1 */
};

static bool probe(const unsigned char *data, size_t size)
{
    return size >= 4 && data[0] == 'P' && data[1] == 'K' &&
           ((data[2] == 3 && data[3] == 4) || (data[2] == 5 && data[3] == 6));
}

/*
 * libarchive converts names through the locale of the calling thread, and
 * fails on all but ASCII in "C". Names here are UTF-8 whatever the user's
 * locale: between these two calls the thread's is too. Where the C library
 * has no such locale, names in ASCII still work.
 */
struct utf8_scope {
    locale_t utf8;
    locale_t before;
};

static void utf8_begin(struct utf8_scope *scope)
{
    scope->utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    scope->before = (locale_t)0;
    if (scope->utf8)
        scope->before = uselocale(scope->utf8);
}

static void utf8_end(struct utf8_scope *scope)
{
    if (!scope->utf8)
        return;
    uselocale(scope->before);
    freelocale(scope->utf8);
}

static const char *reason(struct archive *zip)
{
    const char *text = archive_error_string(zip);

    return text ? text : "unknown reason";
}

/* Printable, relative, no "..": false when the name is out to get us. */
static bool name_is_tame(const char *name, size_t n)
{
    if (name[0] == '/' || name[0] == '\\')
        return false;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)name[i];

        if (c < 0x20 || c == 0x7f)
            return false;
        if (c == '.' && name[i + 1] == '.' &&
            (i == 0 || name[i - 1] == '/' || name[i - 1] == '\\') &&
            (name[i + 2] == '/' || name[i + 2] == '\\' || !name[i + 2]))
            return false;
    }
    return true;
}

static int check_member(struct reader *r, struct archive_entry *entry,
                        struct assay_error *err)
{
    const char *method = archive_format_name(r->zip);
    size_t n;

    r->number++;
    r->name = archive_entry_pathname_utf8(entry);
    if (!r->name)
        return assay_error_set(err, ASSAY_FORMAT,
                               "zip member %zu: its name is not UTF-8",
                               r->number);
    n = strlen(r->name);
    if (n > ASSAY__NAME_MAX)
        return assay_error_set(
            err, ASSAY_LIMIT,
            "zip member %zu: its name has %zu bytes, limit %d", r->number, n,
            ASSAY__NAME_MAX);
    if (!name_is_tame(r->name, n))
        return assay_error_set(err, ASSAY_FORMAT,
                               "zip member %zu: its name '%.60s' is "
                               "absolute, leaves its folder or holds control "
                               "bytes",
                               r->number, r->name);
    if (archive_entry_filetype(entry) != AE_IFREG || n <= SUFFIX_SIZE ||
        strcmp(r->name + n - SUFFIX_SIZE, SUFFIX) != 0)
        return assay_error_set(err, ASSAY_UNSUPPORTED,
                               "zip member %zu, '%.60s', is not a .npy array",
                               r->number, r->name);
    if (archive_entry_is_encrypted(entry))
        return assay_error_set(err, ASSAY_UNSUPPORTED,
                               "zip member %zu, '%.60s', is encrypted",
                               r->number, r->name);
    if (!method ||
        (!strstr(method, "(uncompressed)") && !strstr(method, "(deflation)")))
        return assay_error_set(
            err, ASSAY_UNSUPPORTED,
            "zip member %zu, '%.60s', is neither stored nor deflated",
            r->number, r->name);
    return ASSAY_OK;
}

/* Exactly `size` bytes of the member at hand. */
static int read_exactly(struct reader *r, void *data, size_t size,
                        struct assay_error *err)
{
    unsigned char *at = data;

    while (size > 0) {
        la_ssize_t n = archive_read_data(r->zip, at, size);

        if (n < 0)
            return assay_error_set(err, ASSAY_FORMAT, "%s", reason(r->zip));
        if (n == 0)
            return assay_error_set(err, ASSAY_FORMAT,
                                   "member ends %zu bytes early", size);
        at += n;
        size -= (size_t)n;
    }
    return ASSAY_OK;
}

/* The end of the member, where the zip's checksum is compared too. */
static int read_end(struct reader *r, struct assay_error *err)
{
    unsigned char more;
    la_ssize_t n = archive_read_data(r->zip, &more, 1);

    if (n < 0)
        return assay_error_set(err, ASSAY_FORMAT, "%s", reason(r->zip));
    if (n > 0)
        return assay_error_set(err, ASSAY_FORMAT,
                               "member goes on after the array");
    return ASSAY_OK;
}

static int check_size(struct reader *r, struct archive_entry *entry,
                      const struct assay__npy *npy, struct assay_error *err)
{
    size_t stated = npy->header_bytes + npy->data_bytes;

    if (archive_entry_size_is_set(entry) &&
        (uint64_t)archive_entry_size(entry) != stated)
        return assay_error_set(
            err, ASSAY_FORMAT,
            "shape needs %zu bytes with the header, the zip states %lld",
            stated, (long long)archive_entry_size(entry));
    if (npy->data_bytes > ASSAY_FORMAT_MAX_BYTES - r->total_bytes)
        return assay_error_set(err, ASSAY_LIMIT,
                               "arrays ask for over %zu bytes together",
                               ASSAY_FORMAT_MAX_BYTES);
    r->total_bytes += npy->data_bytes;
    if (r->total_bytes / DEFLATE_RATIO > r->size)
        return assay_error_set(
            err, ASSAY_LIMIT,
            "%zu bytes of arrays cannot come from a file of %zu bytes",
            r->total_bytes, r->size);
    return ASSAY_OK;
}

static int read_array(struct reader *r, struct archive_entry *entry,
                      unsigned char *header, struct assay__npy *npy,
                      struct assay_error *err)
{
    size_t header_bytes = 0;
    int rc;

    rc = read_exactly(r, header, ASSAY__NPY_PREFIX, err);
    if (!rc)
        rc = assay__npy_prefix(header, ASSAY__NPY_PREFIX, &header_bytes, err);
    if (!rc)
        rc = read_exactly(r, header + ASSAY__NPY_PREFIX,
                          header_bytes - ASSAY__NPY_PREFIX, err);
    if (!rc)
        rc = assay__npy_header(npy, header, header_bytes, err);
    if (!rc)
        rc = check_size(r, entry, npy, err);
    return rc;
}

static int read_member(struct reader *r, struct assay_tensors *list,
                       struct archive_entry *entry, unsigned char *header,
                       struct assay_error *err)
{
    struct assay_tensor *t = NULL;
    struct assay__npy npy;
    char name[ASSAY__NAME_MAX + 1];
    size_t n;
    int rc;

    rc = read_array(r, entry, header, &npy, err);
    if (rc)
        return rc;

    n = strlen(r->name) - SUFFIX_SIZE;
    memcpy(name, r->name, n);
    name[n] = '\0';
    if (list->n_items == ASSAY__ITEMS_MAX)
        return assay_error_set(err, ASSAY_LIMIT, "more than %d arrays",
                               ASSAY__ITEMS_MAX);
    if (assay_tensors_find(list, name))
        return assay_error_set(err, ASSAY_FORMAT, "name occurs twice");

    rc = assay_tensors_add(list, name, npy.dtype, &npy.shape, &t, err);
    if (!rc)
        rc = read_exactly(r, t->data, npy.data_bytes, err);
    if (!rc)
        rc = read_end(r, err);
    if (!rc)
        rc = assay__npy_settle(t, &npy, err);
    return rc;
}

static int read_members(struct reader *r, struct assay_tensors *list,
                        unsigned char *header, struct assay_error *err)
{
    for (;;) {
        struct archive_entry *entry = NULL;
        int rc = archive_read_next_header(r->zip, &entry);

        if (rc == ARCHIVE_EOF)
            return ASSAY_OK;
        if (rc < ARCHIVE_WARN)
            return assay_error_set(err, ASSAY_FORMAT,
                                   "zip, after member %zu: %s", r->number,
                                   reason(r->zip));
        rc = check_member(r, entry, err);
        if (rc)
            return rc;
        rc = read_member(r, list, entry, header, err);
        if (rc)
            return assay_error_prefix(err, rc, "zip member %zu, '%.60s'",
                                      r->number, r->name);
    }
}

static int read_bytes(struct assay_tensors *list, const unsigned char *data,
                      size_t size, struct assay_error *err)
{
    struct reader r = {.zip = archive_read_new(), .size = size};
    struct utf8_scope scope;
    unsigned char *header;
    int rc;

    utf8_begin(&scope);
    header = assay__malloc(ASSAY__NPY_PREFIX + ASSAY__NPY_HEADER_MAX);
    if (!r.zip || !header) {
        rc = assay_error_set(err, ASSAY_NOMEM, "no memory to read a zip");
        goto out;
    }
    if (archive_read_support_format_zip_seekable(r.zip) != ARCHIVE_OK ||
        archive_read_open_memory(r.zip, data, size) != ARCHIVE_OK) {
        rc = assay_error_set(err, ASSAY_FORMAT, "byte 0: zip: %s",
                             reason(r.zip));
        goto out;
    }
    rc = read_members(&r, list, header, err);

out:
    if (r.zip)
        archive_read_free(r.zip);
    utf8_end(&scope);
    assay__free(header);
    return rc;
}

/* libarchive takes at most INT_MAX bytes in one call. */
static bool write_all(struct archive *zip, const void *data, size_t size)
{
    const unsigned char *at = data;

    while (size > 0) {
        la_ssize_t n = archive_write_data(zip, at, size);

        if (n <= 0)
            return false;
        at += n;
        size -= (size_t)n;
    }
    return true;
}

static int write_member(struct archive *zip, struct archive_entry *entry,
                        const struct assay_tensor *t, struct assay_error *err)
{
    size_t size = assay_shape_count(&t->shape, 1) * assay_dtype_size(t->dtype);
    struct assay__buf header = ASSAY__BUF_INIT;
    char *name = assay__format("%s%s", t->name, SUFFIX);
    int rc;

    if (!name) {
        rc = assay_error_set(err, ASSAY_NOMEM, "no memory for a name");
        goto out;
    }
    rc = assay__npy_describe(&header, t, err);
    if (rc)
        goto out;

    archive_entry_clear(entry);
    archive_entry_set_pathname_utf8(entry, name);
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_perm(entry, 0644);
    archive_entry_set_size(entry, (la_int64_t)(header.size + size));
    if (archive_write_header(zip, entry) != ARCHIVE_OK ||
        !write_all(zip, header.data, header.size) ||
        !write_all(zip, t->data, size))
        rc = assay_error_set(err, ASSAY_IO, "tensor '%.60s': %s", t->name,
                             reason(zip));

out:
    assay__buf_release(&header);
    assay__free(name);
    return rc;
}

static int write_file(const struct assay_tensors *list, FILE *file,
                      struct assay_error *err)
{
    struct archive *zip = archive_write_new();
    struct archive_entry *entry = archive_entry_new();
    struct utf8_scope scope;
    int rc = ASSAY_OK;

    utf8_begin(&scope);
    if (!zip || !entry) {
        rc = assay_error_set(err, ASSAY_NOMEM, "no memory to write a zip");
        goto out;
    }
    if (archive_write_set_format_zip(zip) != ARCHIVE_OK ||
        archive_write_zip_set_compression_store(zip) != ARCHIVE_OK ||
        archive_write_set_options(zip, "zip:hdrcharset=UTF-8") < ARCHIVE_WARN ||
        archive_write_set_bytes_in_last_block(zip, 1) != ARCHIVE_OK ||
        archive_write_open_FILE(zip, file) != ARCHIVE_OK) {
        rc = assay_error_set(err, ASSAY_IO, "zip: %s", reason(zip));
        goto out;
    }
    for (size_t i = 0; i < list->n_items && !rc; i++)
        rc = write_member(zip, entry, &list->item[i], err);
    if (!rc && archive_write_close(zip) != ARCHIVE_OK)
        rc = assay_error_set(err, ASSAY_IO, "zip: %s", reason(zip));

out:
    archive_entry_free(entry);
    if (zip)
        archive_write_free(zip);
    utf8_end(&scope);
    return rc;
}

const struct assay_format assay_format_npz = {
    .name = "npz",
    .suffix = ".npz",
    .max_bytes = ASSAY_FORMAT_MAX_BYTES,
    .probe = probe,
    .read = read_bytes,
    .write = write_file,
};
