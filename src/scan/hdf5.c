/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HDF5, of which Keras's files are: its tree is walked by the reader of such
 * files (formats/hdf5.h), and each text of an attribute that looks like JSON is
 * a configuration.
 *
 * A file that the reader does not follow (a user block, dense storage, damage)
 * is searched for JSON objects that look like one instead, and told as not read
 * whole. In either case, when nothing else was found, all bytes are searched
 * for the names of what would be dangerous: a forged file may hold them where
 * the tree does not lead.
 */

#include <stdio.h>
#include <string.h>

#include "formats/hdf5.h"
#include "scan/scan.h"

enum { TRIES_MAX = 4096 };

static const unsigned char hdf5[8] = {0x89, 'H',  'D',  'F',
                                      '\r', '\n', 0x1a, '\n'};

/* HDF5 may stand behind a user block of 512 bytes, or twice that ... */
bool assay__scan_is_hdf5(const unsigned char *data, size_t size)
{
    for (size_t at = 0; at < size && size - at >= sizeof(hdf5);
         at = at ? 2 * at : 512) {
        if (memcmp(data + at, hdf5, sizeof(hdf5)) == 0)
            return true;
    }
    return false;
}

/* What is dangerous wherever it stands. */
static int search_names(struct assay__scan_job *job, const unsigned char *data,
                        size_t size, struct assay_error *err)
{
    static const char *const names[] = {
        "\"class_name\": \"Lambda\"",     "\"class_name\":\"Lambda\"",
        "\"class_name\": \"__lambda__\"", "\"class_name\": \"function\"",
        "\"function_type\": \"lambda\"",  "\"function_type\":\"lambda\"",
        "enable_unsafe_deserialization"};
    int rc = ASSAY_OK;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && !rc; i++) {
        const unsigned char *at =
            memmem(data, size, names[i], strlen(names[i]));

        if (at)
            rc = assay__scan_note(job, ASSAY__RULE_KERAS_CODE,
                                  (size_t)(at - data), names[i], err,
                                  "the file holds a function as Python code");
    }
    return rc;
}

/* Objects of JSON anywhere in the bytes. */
static int search(struct assay__scan_job *job, const unsigned char *data,
                  size_t size, struct assay_error *err)
{
    size_t tries = 0;
    size_t at = 0;
    int rc = ASSAY_OK;

    while (!rc && at < size) {
        const unsigned char *found = memchr(data + at, '{', size - at);
        size_t used = 0;

        if (!found)
            break;
        at = (size_t)(found - data);
        if (size - at < 4 || !strchr("\" \n\r\t", data[at + 1])) {
            at++;
            continue;
        }
        if (tries++ == TRIES_MAX)
            return assay__scan_note(job, ASSAY__RULE_KERAS_BROKEN, at, NULL,
                                    err,
                                    "more than %d places look like a "
                                    "configuration",
                                    TRIES_MAX);
        rc = assay__scan_keras_json(job, found, size - at, at, &used, err);
        at += used ? used : 1;
    }
    return rc;
}

struct look {
    struct assay__scan_job *job;
    const unsigned char *data;
};

static int see(void *user, struct assay__span name, struct assay__span text,
               struct assay_error *err)
{
    const struct look *l = user;
    size_t at = (size_t)((const unsigned char *)text.text - l->data);
    char what[80];
    size_t used = 0;
    size_t i = 0;
    int rc;

    while (i < text.size && strchr(" \t\r\n", text.text[i]))
        i++;
    if (i == text.size || text.text[i] != '{')
        return ASSAY_OK;
    rc = assay__scan_keras_json(l->job, l->data + at + i, text.size - i, at + i,
                                &used, err);
    if (rc || used > 0)
        return rc;
    snprintf(what, sizeof(what), "%.*s", assay__span_length(name), name.text);
    return assay__scan_note(l->job, ASSAY__RULE_KERAS_BROKEN, at, what, err,
                            "the attribute begins as JSON and is none");
}

/* False in `*whole` when the reader does not follow. */
static int walk(struct assay__scan_job *job, const unsigned char *data,
                size_t size, bool *whole, struct assay_error *err)
{
    struct look l = {job, data};
    struct assay_error why = {0};
    struct assay__hdf5 h;
    int rc = assay__hdf5_open(&h, data, size, &why);

    for (int i = 0; i < h.n_nodes && !rc; i++)
        rc = assay__hdf5_each_text(&h, i, see, &l, &why);
    assay__hdf5_close(&h);
    *whole = rc == ASSAY_OK;
    return rc ? assay__scan_note_error(job, ASSAY__RULE_KERAS_BROKEN, NULL,
                                       &why, err)
              : ASSAY_OK;
}

int assay__scan_hdf5(struct assay__scan_job *job, const unsigned char *data,
                     size_t size, struct assay_error *err)
{
    bool whole = false;
    int rc = walk(job, data, size, &whole, err);

    if (!rc && !whole)
        rc = search(job, data, size, err);
    if (!rc && job->scan->verdict < ASSAY_SEVERITY_SUSPICIOUS)
        rc = search_names(job, data, size, err);
    return rc;
}
