/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Indices of safetensors in several files (formats/shards.h), by their name.
 * An index that names files elsewhere makes a careless loader read those;
 * the files themselves are scanned on their own.
 */

#include "formats/shards.h"
#include "scan/scan.h"

static int probe(const unsigned char *data, size_t size, const char *name)
{
    (void)data;
    (void)size;
    return name && assay__shards_is_index(name);
}

static int scan(struct assay__scan_job *job, const unsigned char *data,
                size_t size, struct assay_error *err)
{
    struct assay__shards s;
    struct assay_error why = {0};
    int rc = assay__shards_parse(&s, data, size, &why);

    if (rc)
        return assay__scan_note_error(job,
                                      rc == ASSAY_DATA
                                          ? ASSAY__RULE_SAFETENSORS_PATH
                                          : ASSAY__RULE_SAFETENSORS_INVALID,
                                      NULL, &why, err);
    rc = assay__scan_note(job, ASSAY__RULE_MORE_FILES, 0, s.file[0], err,
                          "its tensors are in %zu files beside it, %.60s the "
                          "first",
                          s.n_files, s.file[0]);
    assay__shards_release(&s);
    return rc;
}

const struct assay__scanner assay__scanner_shards = {
    .name = "safetensors-index",
    .suffixes = "",
    .probe = probe,
    .scan = scan,
};
