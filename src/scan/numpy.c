/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NumPy arrays: the header is read by the reader of formats/npy.h, which
 * evaluates nothing. An array of objects is a pickle after the header, and
 * is scanned as one; numbers hold no code. The header's own text goes no
 * further than a dictionary of three keys.
 */

#include <string.h>

#include "formats/npy.h"
#include "scan/scan.h"

static const unsigned char magic[6] = {0x93, 'N', 'U', 'M', 'P', 'Y'};

static int probe(const unsigned char *data, size_t size, const char *name)
{
    (void)name;
    return size >= sizeof(magic) && memcmp(data, magic, sizeof(magic)) == 0;
}

/* A type of plain elements: "<f4", "|S10", "<M8[ns]". */
static bool is_plain(const unsigned char *text, size_t n)
{
    size_t i = 0;

    if (i < n && strchr("<>=|", text[i]))
        i++;
    if (i == n || !text[i] || !strchr("?bBiufcSUVamM", text[i]))
        return false;
    i++;
    while (i < n && text[i] >= '0' && text[i] <= '9')
        i++;
    return i == n || (text[i] == '[' && text[n - 1] == ']');
}

/* One of the ways to say "object", alone or in a list with commas. */
static bool is_object(const unsigned char *text, size_t n)
{
    size_t i = n > 0 && text[0] && strchr("<>=|", text[0]) ? 1 : 0;

    return memchr(text, ',', n) || memmem(text, n, "bject", 5) ||
           (i < n && text[i] == 'O' &&
            (i + 1 == n || (text[i + 1] >= '0' && text[i + 1] <= '9')));
}

/* The next text in quotes from `*at` on; false when there is none. */
static bool next_quoted(const unsigned char *header, size_t size, size_t *at,
                        const unsigned char **text, size_t *n)
{
    while (*at < size && header[*at] != '\'' && header[*at] != '"')
        (*at)++;
    if (*at < size) {
        const unsigned char *start = header + *at + 1;
        const unsigned char *end = memchr(start, header[*at], size - *at - 1);

        if (end) {
            *text = start;
            *n = (size_t)(end - start);
            *at = (size_t)(end - header) + 1;
            return true;
        }
    }
    return false;
}

/*
 * May the header's type hold objects? A single type must be one of the plain
 * ones; of a structure, whose texts are names of fields and types, none may
 * be a way to say object.
 */
static bool has_objects(const unsigned char *header, size_t size)
{
    const unsigned char *key = memmem(header, size, "descr", 5);
    const unsigned char *text = NULL;
    size_t at = key ? (size_t)(key - header) + 6 : size;
    size_t n = 0;

    while (at < size && (header[at] == ' ' || header[at] == ':'))
        at++;
    if (at < size && (header[at] == '\'' || header[at] == '"'))
        return next_quoted(header, size, &at, &text, &n) && !is_plain(text, n);
    while (next_quoted(header, size, &at, &text, &n)) {
        if (is_object(text, n))
            return true;
    }
    return false;
}

static int scan(struct assay__scan_job *job, const unsigned char *data,
                size_t size, struct assay_error *err)
{
    struct assay_error why = {0};
    struct assay__npy npy;
    size_t header = 0;
    int rc = assay__npy_prefix(data, size, &header, &why);

    if (!rc && header > size)
        rc = assay_error_set(&why, ASSAY_FORMAT,
                             "byte 8: header ends at byte %zu, the file at %zu",
                             header, size);
    if (rc)
        return assay__scan_note_error(job, ASSAY__RULE_NUMPY_BROKEN, NULL, &why,
                                      err);
    if (has_objects(data, header)) {
        rc = assay__scan_note(job, ASSAY__RULE_NUMPY_OBJECT, 0, NULL, err,
                              "its elements are objects: loading it unpickles "
                              "what follows");
        return rc ? rc : assay__scan_pickles(job, data, size, header, err);
    }
    rc = assay__npy_header(&npy, data, header, &why);
    /* What our reader does not know (complex numbers, texts) is harmless. */
    if (rc && rc != ASSAY_UNSUPPORTED)
        return assay__scan_note_error(job, ASSAY__RULE_NUMPY_BROKEN, NULL, &why,
                                      err);
    return ASSAY_OK;
}

const struct assay__scanner assay__scanner_numpy = {
    .name = "numpy",
    .suffixes = " .npy ",
    .probe = probe,
    .scan = scan,
};
