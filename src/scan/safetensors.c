/* SPDX-License-Identifier: Apache-2.0 */
/*
 * safetensors hold no code, but a file that breaks the format's rules can
 * show one content to a checker and another to a loader, or carry a second
 * file behind the tensors: every rule that our reader holds a file to
 * (formats/safetensors.c) is a rule here. Metadata is text; it is searched
 * for pickles.
 */

#include <string.h>

#include "formats/safetensors.h"
#include "scan/scan.h"

enum { PREFIX = 8, HEADER_MAX = 100000000 };

/* By its name, or by a header that begins with '{' and ends in the file. */
static int probe(const unsigned char *data, size_t size, const char *name)
{
    uint64_t length = 0;

    if (assay__scan_has_suffix(name, assay__scanner_safetensors.suffixes))
        return true;
    if (size < PREFIX + 2 || data[PREFIX] != '{')
        return false;
    for (int i = PREFIX - 1; i >= 0; i--)
        length = length << 8 | data[i];
    return length <= HEADER_MAX && length <= size - PREFIX &&
           (data[PREFIX + 1] == '"' || data[PREFIX + 1] == '}' ||
            data[PREFIX + 1] == ' ' || data[PREFIX + 1] == '\n');
}

static int scan(struct assay__scan_job *job, const unsigned char *data,
                size_t size, struct assay_error *err)
{
    struct assay_error why = {0};
    struct assay_tensors meta;
    int rc;

    assay_tensors_init(&meta);
    rc = assay__safetensors_check(&meta, data, size, &why);
    if (rc)
        rc = assay__scan_note_error(job,
                                    rc == ASSAY_UNSUPPORTED
                                        ? ASSAY__RULE_SAFETENSORS_UNKNOWN
                                        : ASSAY__RULE_SAFETENSORS_INVALID,
                                    NULL, &why, err);
    for (size_t i = 0; i < 2 * meta.n_meta && !rc; i++)
        rc = assay__scan_hidden(job, (const unsigned char *)meta.meta[i],
                                strlen(meta.meta[i]), PREFIX, err);
    assay_tensors_release(&meta);
    return rc;
}

const struct assay__scanner assay__scanner_safetensors = {
    .name = "safetensors",
    .suffixes = " .safetensors ",
    .probe = probe,
    .scan = scan,
};
