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

/* "'|O'" or a structure with such a field, in the header's text. */
static bool has_objects(const unsigned char *header, size_t size)
{
    static const char *const marks[] = {"'|O", "'O",  "\"|O", "\"O",
                                        "'<O", "'>O", "'=O"};

    for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
        if (memmem(header, size, marks[i], strlen(marks[i])))
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
