/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PyTorch files since version 1.6 (.pth .pt .th .ckpt .bin, TorchScript): a
 * zip of stored members
 *
 *   ROOT/data.pkl     the pickle, which names storages by their keys
 *   ROOT/data/KEY     a storage's bytes, little-endian
 *   ROOT/byteorder    "little" or "big", in newer files
 *   ROOT/code/ ...    TorchScript's code, not looked at
 *
 * or a zip around a single file of that kind or the older one. The pickle is
 * not run: pickle_machine.h builds its tree, and names beyond the list of
 * harmless ones are refused. Archives that disagree with themselves are
 * refused too, since another program may see another content.
 */

#include <stdio.h>
#include <string.h>

#include "core/mem.h"
#include "formats/format.h"
#include "formats/torch_state.h"
#include "formats/zip.h"

static const char PICKLE[] = "data.pkl";
static const char *const inner_suffixes[] = {".pth", ".pt", ".th", ".ckpt",
                                             ".bin"};

struct reader {
    struct assay__zip zip;
    struct assay_tensors *list;
    unsigned char **owned; /* unpacked members, by number */
    size_t unpacked;       /* bytes of them */
    bool *noted;           /* by number: the list has the checksum */
    char root[ASSAY__ZIP_NAME_MAX + 1];
};

static bool ends_in(const char *name, size_t n, const char *suffix)
{
    size_t m = strlen(suffix);

    return n > m && memcmp(name + n - m, suffix, m) == 0;
}

/* ROOT/data.pkl, or data.pkl itself. */
static bool is_pickle(const char *name, size_t n)
{
    return (n == sizeof(PICKLE) - 1 && memcmp(name, PICKLE, n) == 0) ||
           ends_in(name, n, "/data.pkl");
}

static bool is_inner(const char *name, size_t n)
{
    for (size_t i = 0; i < sizeof(inner_suffixes) / sizeof(inner_suffixes[0]);
         i++) {
        if (ends_in(name, n, inner_suffixes[i]))
            return true;
    }
    return false;
}

static bool is_ours(const char *name, size_t n)
{
    return is_pickle(name, n) || is_inner(name, n);
}

static bool probe(const unsigned char *data, size_t size)
{
    return size >= 4 && memcmp(data, "PK\3\4", 4) == 0 &&
           assay__zip_has(data, size, is_ours);
}

static int check_members(const struct assay__zip *zip, struct assay_error *err)
{
    if (zip->doubt || zip->base > 0)
        return assay_error_set(
            err, ASSAY_FORMAT, "byte %zu: zip: %s", zip->directory_at,
            zip->doubt ? zip->doubt : "bytes stand before the archive");
    for (size_t i = 0; i < zip->n_members; i++) {
        const struct assay__zip_member *m = &zip->member[i];

        if (m->faults)
            return assay_error_set(
                err, ASSAY_FORMAT, "byte %zu: zip member '%.60s': %s",
                m->entry_at, m->name, assay__zip_fault_text(m->faults));
    }
    return ASSAY_OK;
}

/* A member's bytes, unpacked once if they must be. */
static int member_bytes(struct reader *r, const struct assay__zip_member *m,
                        const unsigned char **data, size_t *size,
                        struct assay_error *err)
{
    size_t i = (size_t)(m - r->zip.member);
    struct assay__zip_bytes bytes;
    int rc;

    if (r->owned[i]) {
        *data = r->owned[i];
        *size = m->size;
        return ASSAY_OK;
    }
    if (m->method != 0 && m->size > ASSAY_FORMAT_MAX_BYTES - r->unpacked)
        return assay_error_set(err, ASSAY_LIMIT,
                               "byte %zu: members unpack to over %zu bytes",
                               m->entry_at, ASSAY_FORMAT_MAX_BYTES);
    rc = assay__zip_read(&r->zip, m, m->size, false, &bytes, err);
    if (rc)
        return rc;
    *data = bytes.data;
    *size = bytes.size;
    r->owned[i] = bytes.owned;
    if (bytes.owned)
        r->unpacked += bytes.size;
    return ASSAY_OK;
}

/* A storage's bytes. Where its tensors can stay in the file, its checksum is
 * compared when they are used. */
static int storage_bytes(struct reader *r, const struct assay__zip_member *m,
                         const unsigned char **data, size_t *size,
                         struct assay_error *err)
{
    size_t i = (size_t)(m - r->zip.member);
    struct assay_tensor_sum sum = {.at = r->zip.data + m->data_at,
                                   .size = m->size,
                                   .crc = m->crc,
                                   .name = assay__zip_name_in_file(&r->zip, m),
                                   .n_name = strlen(m->name)};
    int rc = ASSAY_OK;

    if (m->method != 0 || !assay__sums_can(r->list, sum.at, sum.size))
        return member_bytes(r, m, data, size, err);
    *data = sum.at;
    *size = sum.size;
    if (!r->noted[i])
        rc = assay__sums_add(r->list, &sum, err);
    r->noted[i] = rc == ASSAY_OK;
    return rc;
}

static int read_storage(void *user, const struct assay__torch_id *id,
                        const unsigned char **data, size_t *size,
                        struct assay_error *err)
{
    struct reader *r = user;
    const struct assay__zip_member *m = NULL;
    size_t width = assay_dtype_size(id->dtype);
    char name[ASSAY__ZIP_NAME_MAX + 1];
    int rc;

    if (id->key_size < sizeof(name) &&
        snprintf(name, sizeof(name), "%sdata/%.*s", r->root, (int)id->key_size,
                 (const char *)id->key) < (int)sizeof(name))
        m = assay__zip_find(&r->zip, name);
    if (!m)
        return assay_error_set(err, ASSAY_FORMAT,
                               "byte %zu: the storage '%.*s' is not in the "
                               "archive",
                               id->at,
                               (int)(id->key_size < 40 ? id->key_size : 40),
                               (const char *)id->key);
    rc = storage_bytes(r, m, data, size, err);
    if (!rc &&
        (id->n_elements > *size / width || id->n_elements * width != *size))
        rc = assay_error_set(err, ASSAY_FORMAT,
                             "byte %zu: the storage '%.60s' has %zu bytes, the "
                             "pickle states %llu elements of %zu",
                             id->at, m->name, *size,
                             (unsigned long long)id->n_elements, width);
    return rc;
}

static int check_byte_order(struct reader *r, struct assay_error *err)
{
    char name[ASSAY__ZIP_NAME_MAX + 16];
    const struct assay__zip_member *m;
    const unsigned char *data = NULL;
    size_t size = 0;
    int rc;

    snprintf(name, sizeof(name), "%sbyteorder", r->root);
    m = assay__zip_find(&r->zip, name);
    rc = m && m->size < 64 ? member_bytes(r, m, &data, &size, err) : ASSAY_OK;
    if (!rc && size >= 3 && memcmp(data, "big", 3) == 0)
        rc = assay_error_set(err, ASSAY_UNSUPPORTED,
                             "byte %zu: big-endian storages are not supported",
                             m->entry_at);
    return rc;
}

static int read_state(struct reader *r, const struct assay__zip_member *pickle,
                      struct assay_tensors *list, struct assay_error *err)
{
    const struct assay__pickle_hooks hooks = {.global = assay__torch_global};
    const struct assay__torch_source source = {
        .user = r, .file_size = r->zip.size, .storage = read_storage};
    const struct assay__pickle_value *tree = NULL;
    struct assay__pickle_machine m;
    const unsigned char *data = NULL;
    size_t size = 0;
    int rc;

    snprintf(r->root, sizeof(r->root), "%.*s",
             (int)(strlen(pickle->name) - sizeof(PICKLE) + 1), pickle->name);
    assay__pickle_machine_init(&m, &hooks, true);
    rc = check_byte_order(r, err);
    if (!rc)
        rc = member_bytes(r, pickle, &data, &size, err);
    if (!rc)
        rc = assay__pickle_run(&m, data, size, 0, &tree, err);
    if (!rc && m.in.at != size)
        rc = assay_error_set(err, ASSAY_FORMAT,
                             "byte %zu: %zu bytes follow the pickle", m.in.at,
                             size - m.in.at);
    if (!rc)
        rc = assay__torch_state(list, tree, &source, err);
    if (rc)
        rc = assay_error_prefix(err, rc, "%.60s", pickle->name);
    assay__pickle_machine_release(&m);
    return rc;
}

/* A zip around one file: that file, which may not be such a zip itself. */
static int read_inner(struct reader *r, const struct assay__zip_member *m,
                      struct assay_tensors *list, struct assay_error *err)
{
    const unsigned char *data = NULL;
    size_t size = 0;
    int rc = member_bytes(r, m, &data, &size, err);

    if (!rc && assay__zip_has(data, size, NULL) &&
        !assay__zip_has(data, size, is_pickle))
        rc = assay_error_set(err, ASSAY_UNSUPPORTED,
                             "byte 0: an archive in an archive");
    if (!rc)
        rc = assay__tensors_parse(list, data, size, NULL, err);
    return rc ? assay_error_prefix(err, rc, "%.60s", m->name) : rc;
}

static int choose_member(struct reader *r, struct assay_tensors *list,
                         struct assay_error *err)
{
    const struct assay__zip_member *pickle = NULL;
    const struct assay__zip_member *inner = NULL;
    size_t n_pickles = 0;
    size_t n_inner = 0;

    for (size_t i = 0; i < r->zip.n_members; i++) {
        const struct assay__zip_member *m = &r->zip.member[i];

        if (is_pickle(m->name, strlen(m->name))) {
            pickle = m;
            n_pickles++;
        } else if (is_inner(m->name, strlen(m->name))) {
            inner = m;
            n_inner++;
        }
    }
    if (n_pickles > 1 || (n_pickles == 0 && n_inner != 1))
        return assay_error_set(err, ASSAY_UNSUPPORTED,
                               "byte %zu: zip: %zu members are a data.pkl and "
                               "%zu a PyTorch file; one is read",
                               r->zip.directory_at, n_pickles, n_inner);
    return pickle ? read_state(r, pickle, list, err)
                  : read_inner(r, inner, list, err);
}

static int read_bytes(struct assay_tensors *list, const unsigned char *data,
                      size_t size, struct assay_error *err)
{
    struct reader *r = assay__calloc(1, sizeof(*r));
    int rc;

    if (!r)
        return assay_error_set(err, ASSAY_NOMEM, "no memory to read a zip");
    rc = assay__zip_open(&r->zip, data, size, err);
    if (!rc)
        rc = check_members(&r->zip, err);
    if (!rc) {
        r->list = list;
        r->owned = assay__calloc(r->zip.n_members + 1, sizeof(*r->owned));
        r->noted = assay__calloc(r->zip.n_members + 1, sizeof(*r->noted));
        if (!r->owned || !r->noted)
            rc = assay_error_set(err, ASSAY_NOMEM, "no memory to read a zip");
    }
    if (!rc)
        rc = choose_member(r, list, err);
    for (size_t i = 0; r->owned && i < r->zip.n_members; i++)
        assay__free(r->owned[i]);
    assay__free(r->owned);
    assay__free(r->noted);
    assay__zip_close(&r->zip);
    assay__free(r);
    return rc;
}

const struct assay_format assay_format_torch = {
    .name = "torch",
    .suffix = ".pth",
    .max_bytes = ASSAY_FORMAT_MAX_BYTES,
    .probe = probe,
    .read = read_bytes,
};
