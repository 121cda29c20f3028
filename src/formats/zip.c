/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Zip archives (zip.h): end record, central directory and local headers,
 * compared with each other. Offsets are held against the file before use;
 * member counts and names have caps. Cost: one sort of members by name and
 * one by offset.
 */

#include "formats/zip.h"

#include <stdlib.h>
#include <string.h>

#include "core/checked.h"
#include "core/mem.h"

enum {
    END_SIZE = 22,
    END64_SIZE = 56,
    LOCATOR_SIZE = 20,
    ENTRY_SIZE = 46,
    LOCAL_SIZE = 30,
    COMMENT_MAX = 65535,
    DEFLATE_RATIO = 1032,
    FLAG_DESCRIPTOR = 8,
    FLAGS_CRYPT = 0x1 | 0x20 | 0x40 | 0x2000
};

static uint64_t number(const unsigned char *at, int bytes)
{
    uint64_t value = 0;

    for (int i = bytes; i > 0; i--)
        value = value << 8 | at[i - 1];
    return value;
}

static bool is_mark(const unsigned char *at, unsigned char a, unsigned char b)
{
    return at[0] == 'P' && at[1] == 'K' && at[2] == a && at[3] == b;
}

/* Offset of the end record, the last one that there is; SIZE_MAX if none. */
static size_t find_end(const unsigned char *data, size_t size)
{
    size_t lowest =
        size > END_SIZE + COMMENT_MAX ? size - END_SIZE - COMMENT_MAX : 0;

    for (size_t at = size < END_SIZE ? 0 : size - END_SIZE + 1; at > lowest;
         at--) {
        if (is_mark(data + at - 1, 5, 6))
            return at - 1;
    }
    return SIZE_MAX;
}

/* What the end records say of the central directory. */
struct directory {
    uint64_t n;
    uint64_t size;
    uint64_t offset;
    size_t limit; /* where it must have ended */
};

static void read_end64(struct assay__zip *zip, size_t end, struct directory *d)
{
    const unsigned char *data = zip->data;
    size_t at;
    uint64_t where;

    if (end < LOCATOR_SIZE || !is_mark(data + end - LOCATOR_SIZE, 6, 7))
        return;
    at = end - LOCATOR_SIZE;
    where = number(data + at + 8, 8);
    if (!assay__range_ok(where, END64_SIZE, at) ||
        !is_mark(data + where, 6, 6)) {
        /* Something stands before the archive: look right before. */
        if (at < END64_SIZE || !is_mark(data + at - END64_SIZE, 6, 6))
            return;
        where = at - END64_SIZE;
    }
    if (where + END64_SIZE != at)
        zip->doubt = "its zip64 end record is not where all programs look";
    d->n = number(data + where + 32, 8);
    d->size = number(data + where + 40, 8);
    d->offset = number(data + where + 48, 8);
    d->limit = (size_t)where;
}

static int read_end(struct assay__zip *zip, struct directory *d,
                    struct assay_error *err)
{
    size_t at = find_end(zip->data, zip->size);
    const unsigned char *end;

    if (at == SIZE_MAX)
        return assay_error_set(err, ASSAY_FORMAT,
                               "byte %zu: zip: there is no end record",
                               zip->size);
    end = zip->data + at;
    d->n = number(end + 10, 2);
    d->size = number(end + 12, 4);
    d->offset = number(end + 16, 4);
    d->limit = at;
    zip->end = at + END_SIZE + (size_t)number(end + 20, 2);
    read_end64(zip, at, d);

    if (d->size > d->limit || !assay__range_ok(d->offset, d->size, d->limit))
        return assay_error_set(
            err, ASSAY_FORMAT,
            "byte %zu: zip: the central directory (%llu bytes at %llu) does "
            "not lie before the end record",
            at, (unsigned long long)d->size, (unsigned long long)d->offset);
    /* It ends where the end record begins; if its offset says less, so many
     * bytes were put before the archive, and loaders shift all offsets. */
    zip->directory_at = d->limit - (size_t)d->size;
    zip->base = zip->directory_at - (size_t)d->offset;
    if (zip->base > 0 && d->limit - d->offset >= 4 &&
        is_mark(zip->data + d->offset, 1, 2))
        zip->doubt = "it has two central directories";
    return ASSAY_OK;
}

/* Printable, relative, without "..". */
static bool is_tame(const char *name, size_t n)
{
    if (n == 0 || strlen(name) != n || name[0] == '/' || name[0] == '\\')
        return false;
    if (n > 1 && name[1] == ':')
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

/* Sizes and offset of zip64, where the entry's own are all ones. */
static void read_extra64(const unsigned char *extra, size_t n,
                         uint64_t *value[3])
{
    size_t at = 0;

    while (n - at >= 4) {
        size_t size = (size_t)number(extra + at + 2, 2);

        if (size > n - at - 4)
            return;
        if (number(extra + at, 2) == 1) {
            const unsigned char *p = extra + at + 4;

            for (int i = 0; i < 3; i++) {
                if (*value[i] != UINT32_MAX || size < 8)
                    continue;
                *value[i] = number(p, 8);
                p += 8;
                size -= 8;
            }
            return;
        }
        at += 4 + size;
    }
}

/* The member's own header against the directory's entry. */
static void compare_local(const struct assay__zip *zip,
                          struct assay__zip_member *m, size_t n_name)
{
    const unsigned char *local = zip->data + m->header_at;
    uint64_t packed, size, none = 0;
    uint64_t *wide[3] = {&size, &packed, &none};
    size_t local_name, extra;

    if (!assay__range_ok(m->header_at, LOCAL_SIZE, zip->directory_at) ||
        !is_mark(local, 3, 4)) {
        m->faults |= ASSAY__ZIP_OUTSIDE;
        return;
    }
    local_name = (size_t)number(local + 26, 2);
    extra = (size_t)number(local + 28, 2);
    if (!assay__range_ok(m->header_at + LOCAL_SIZE,
                         local_name + extra + (uint64_t)m->packed,
                         zip->directory_at)) {
        m->faults |= ASSAY__ZIP_OUTSIDE;
        return;
    }
    m->data_at = m->header_at + LOCAL_SIZE + local_name + extra;
    if (local_name != n_name ||
        memcmp(local + LOCAL_SIZE, m->name, n_name) != 0)
        m->faults |= ASSAY__ZIP_MISNAMED;
    if (number(local + 6, 2) & FLAGS_CRYPT)
        m->faults |= ASSAY__ZIP_ENCRYPTED;
    packed = number(local + 18, 4);
    size = number(local + 22, 4);
    read_extra64(local + LOCAL_SIZE + local_name, extra, wide);
    if (number(local + 8, 2) != m->method)
        m->faults |= ASSAY__ZIP_DIFFERS;
    /* With a descriptor, sizes may stand behind the data instead. */
    if ((packed != m->packed || size != m->size) &&
        !(m->flags & FLAG_DESCRIPTOR && packed == 0 && size == 0))
        m->faults |= ASSAY__ZIP_DIFFERS;
}

static void judge(struct assay__zip_member *m, const unsigned char *entry,
                  size_t n_name)
{
    unsigned mode = (unsigned)number(entry + 40, 2);
    unsigned kind = mode & 0170000;

    if (!is_tame(m->name, n_name))
        m->faults |= ASSAY__ZIP_NAME;
    if (m->flags & FLAGS_CRYPT)
        m->faults |= ASSAY__ZIP_ENCRYPTED;
    if (m->method != 0 && m->method != 8)
        m->faults |= ASSAY__ZIP_METHOD;
    /* The mode is Unix's where the archive was made there. */
    if (entry[5] == 3 && kind != 0 && kind != 0100000 && kind != 0040000)
        m->faults |= ASSAY__ZIP_LINK;
    if (m->method == 0 && m->size != m->packed)
        m->faults |= ASSAY__ZIP_DIFFERS;
    if (m->method != 0 && m->size / DEFLATE_RATIO > m->packed)
        m->faults |= ASSAY__ZIP_BOMB;
}

static int read_entry(struct assay__zip *zip, struct assay__zip_member *m,
                      size_t at, size_t limit, size_t *next,
                      struct assay_error *err)
{
    const unsigned char *entry = zip->data + at;
    uint64_t packed, size, offset;
    uint64_t *wide[3] = {&size, &packed, &offset};
    size_t n_name, n_extra;

    if (limit - at < ENTRY_SIZE || !is_mark(entry, 1, 2))
        return assay_error_set(err, ASSAY_FORMAT,
                               "byte %zu: zip: no entry of the central "
                               "directory where one must be",
                               at);
    n_name = (size_t)number(entry + 28, 2);
    n_extra = (size_t)number(entry + 30, 2);
    *next = at + ENTRY_SIZE + n_name + n_extra + (size_t)number(entry + 32, 2);
    if (*next > limit)
        return assay_error_set(err, ASSAY_FORMAT,
                               "byte %zu: zip: an entry of the central "
                               "directory goes beyond its end",
                               at);
    if (n_name > ASSAY__ZIP_NAME_MAX)
        return assay_error_set(err, ASSAY_LIMIT,
                               "byte %zu: zip: a name of %zu bytes, limit %d",
                               at, n_name, ASSAY__ZIP_NAME_MAX);
    packed = number(entry + 20, 4);
    size = number(entry + 24, 4);
    offset = number(entry + 42, 4);
    read_extra64(entry + ENTRY_SIZE + n_name, n_extra, wide);
    if (packed > zip->size || size > SIZE_MAX / 2 || offset > zip->size)
        m->faults |= ASSAY__ZIP_OUTSIDE;
    m->packed = packed > zip->size ? 0 : (size_t)packed;
    m->size = size > SIZE_MAX / 2 ? SIZE_MAX / 2 : (size_t)size;
    m->header_at = zip->base + (offset > zip->size ? 0 : (size_t)offset);
    m->entry_at = at;
    m->flags = (unsigned)number(entry + 8, 2);
    m->method = (unsigned)number(entry + 10, 2);
    m->crc = (uint32_t)number(entry + 16, 4);
    m->name = assay__malloc(n_name + 1);
    if (!m->name)
        return assay_error_set(err, ASSAY_NOMEM, "no memory to read a zip");
    memcpy(m->name, entry + ENTRY_SIZE, n_name);
    m->name[n_name] = '\0';
    m->folder = n_name > 0 && m->name[n_name - 1] == '/';
    judge(m, entry, n_name);
    if (!(m->faults & ASSAY__ZIP_OUTSIDE))
        compare_local(zip, m, n_name);
    return ASSAY_OK;
}

static int by_name(const void *a, const void *b)
{
    const struct assay__zip_member *const *x = a;
    const struct assay__zip_member *const *y = b;

    return strcmp((*x)->name, (*y)->name);
}

static int by_place(const void *a, const void *b)
{
    const struct assay__zip_member *const *x = a;
    const struct assay__zip_member *const *y = b;

    return ((*x)->header_at > (*y)->header_at) -
           ((*x)->header_at < (*y)->header_at);
}

static void note_gap(struct assay__zip *zip, size_t from, size_t to)
{
    if (zip->gap_size == 0 && to > from) {
        zip->gap_at = from;
        zip->gap_size = to - from;
    }
}

/* Bytes after a member that its descriptor may take. */
static size_t descriptor_size(const struct assay__zip *zip,
                              const struct assay__zip_member *m, size_t end)
{
    size_t size = 0;

    if (!(m->flags & FLAG_DESCRIPTOR) || zip->directory_at - end < 12)
        return 0;
    if (is_mark(zip->data + end, 7, 8))
        size = 4;
    /* Sizes of four or eight bytes: whichever repeats the directory's. */
    if (zip->directory_at - end >= size + 20 &&
        number(zip->data + end + size + 4, 8) == m->packed &&
        number(zip->data + end + size + 12, 8) == m->size)
        return size + 20;
    return zip->directory_at - end >= size + 12 ? size + 12 : 0;
}

static int compare_members(struct assay__zip *zip, struct assay_error *err)
{
    struct assay__zip_member **order =
        assay__malloc(zip->n_members * sizeof(*order));
    size_t covered = 0;

    if (!order)
        return assay_error_set(err, ASSAY_NOMEM, "no memory to read a zip");
    for (size_t i = 0; i < zip->n_members; i++)
        order[i] = &zip->member[i];
    if (zip->n_members > 1)
        qsort(order, zip->n_members, sizeof(*order), by_name);
    for (size_t i = 1; i < zip->n_members; i++) {
        if (strcmp(order[i]->name, order[i - 1]->name) == 0)
            order[i]->faults |= ASSAY__ZIP_TWICE;
    }
    if (zip->n_members > 1)
        qsort(order, zip->n_members, sizeof(*order), by_place);
    zip->first = zip->directory_at;
    for (size_t i = 0; i < zip->n_members; i++) {
        struct assay__zip_member *m = order[i];
        size_t end = m->data_at + m->packed;

        if (m->faults & ASSAY__ZIP_OUTSIDE)
            continue;
        if (zip->first == zip->directory_at)
            zip->first = m->header_at;
        else if (m->header_at < covered)
            m->faults |= ASSAY__ZIP_OVERLAP;
        else
            note_gap(zip, covered, m->header_at);
        end += descriptor_size(zip, m, end);
        if (end > covered)
            covered = end;
    }
    if (covered > 0)
        note_gap(zip, covered, zip->directory_at);
    assay__free(order);
    return ASSAY_OK;
}

bool assay__zip_has(const unsigned char *data, size_t size,
                    bool (*wanted)(const char *name, size_t n))
{
    struct assay__zip zip = {.data = data, .size = size};
    struct directory d = {0};
    size_t at;

    if (read_end(&zip, &d, NULL))
        return false;
    at = zip.directory_at;
    while (d.limit - at >= ENTRY_SIZE && is_mark(data + at, 1, 2)) {
        const unsigned char *entry = data + at;
        size_t n;

        n = (size_t)number(entry + 28, 2);
        if (d.limit - at - ENTRY_SIZE < n)
            return false;
        if (!wanted || wanted((const char *)entry + ENTRY_SIZE, n))
            return true;
        n += (size_t)number(entry + 30, 2) + (size_t)number(entry + 32, 2);
        if (d.limit - at - ENTRY_SIZE < n)
            return false;
        at += ENTRY_SIZE + n;
    }
    return false;
}

/*
 * How many entries fill the directory. Python reads until it is full, others
 * as many as the end record says.
 */
static size_t count_entries(const struct assay__zip *zip, size_t limit)
{
    size_t at = zip->directory_at;
    size_t n = 0;

    while (limit - at >= ENTRY_SIZE && is_mark(zip->data + at, 1, 2)) {
        const unsigned char *entry = zip->data + at;
        size_t size = ENTRY_SIZE + (size_t)number(entry + 28, 2) +
                      (size_t)number(entry + 30, 2) +
                      (size_t)number(entry + 32, 2);

        n++;
        if (size > limit - at)
            break;
        at += size;
    }
    return n;
}

int assay__zip_open(struct assay__zip *zip, const unsigned char *data,
                    size_t size, struct assay_error *err)
{
    struct directory d = {0};
    size_t at, n;
    int rc;

    memset(zip, 0, sizeof(*zip));
    zip->data = data;
    zip->size = size;
    rc = read_end(zip, &d, err);
    if (rc)
        return rc;
    n = count_entries(zip, d.limit);
    if (n != d.n)
        zip->doubt = "its end record states another number of members";
    if (n > ASSAY__ZIP_MEMBERS_MAX)
        return assay_error_set(err, ASSAY_LIMIT,
                               "byte %zu: zip: %zu members, limit %d",
                               zip->directory_at, n, ASSAY__ZIP_MEMBERS_MAX);
    zip->member = assay__calloc(n + 1, sizeof(*zip->member));
    if (!zip->member)
        return assay_error_set(err, ASSAY_NOMEM, "no memory to read a zip");
    at = zip->directory_at;
    while (!rc && zip->n_members < n)
        rc = read_entry(zip, &zip->member[zip->n_members++], at, d.limit, &at,
                        err);
    if (!rc && at != d.limit)
        rc =
            assay_error_set(err, ASSAY_FORMAT,
                            "byte %zu: zip: %zu bytes of the central directory "
                            "are no entry",
                            at, d.limit - at);
    if (!rc)
        rc = compare_members(zip, err);
    if (rc)
        assay__zip_close(zip);
    return rc;
}

void assay__zip_close(struct assay__zip *zip)
{
    for (size_t i = 0; i < zip->n_members; i++)
        assay__free(zip->member[i].name);
    assay__free(zip->member);
    memset(zip, 0, sizeof(*zip));
}

const char *assay__zip_fault_text(unsigned faults)
{
    static const char *const texts[] = {
#define ASSAY_X(name, text) text,
        ASSAY__ZIP_FAULTS(ASSAY_X)
#undef ASSAY_X
    };

    for (int i = 0; i < ASSAY__ZIP_N_FAULTS; i++) {
        if (faults & 1u << i)
            return texts[i];
    }
    return "nothing is wrong with it";
}

const char *assay__zip_name_in_file(const struct assay__zip *zip,
                                    const struct assay__zip_member *member)
{
    return (const char *)zip->data + member->entry_at + ENTRY_SIZE;
}

const struct assay__zip_member *assay__zip_find(const struct assay__zip *zip,
                                                const char *name)
{
    for (size_t i = 0; i < zip->n_members; i++) {
        if (strcmp(zip->member[i].name, name) == 0)
            return &zip->member[i];
    }
    return NULL;
}
