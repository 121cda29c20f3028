/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Zip archives, and with them PyTorch's, NumPy's and Keras's: what is wrong
 * with the archive itself, then each member's content. Members are read as
 * PyTorch reads them, through the central directory, whatever their name:
 * a loader can be told to unpickle any. Bytes that belong to no member are
 * looked at too.
 */

#include "formats/zip.h"

#include <stdio.h>
#include <string.h>

#include "core/mem.h"
#include "scan/scan.h"

enum { BOMB_RATIO = 100 };

static const char code_suffixes[] =
    " .py .pyc .pyd .so .dll .dylib .exe .sh .bat .cmd .ps1 .js .jar .vbs ";
/* What is told when it cannot be read; other members are just data. */
static const char model_suffixes[] =
    " .pkl .pickle .pt .pth .th .ckpt .joblib .npy .npz .h5 .hdf5 .keras"
    " .onnx .safetensors .zip .tar .tgz .gz ";

static const struct {
    unsigned faults;
    enum assay__scan_rule rule;
} faults[] = {
    {ASSAY__ZIP_NAME, ASSAY__RULE_ZIP_PATH},
    {ASSAY__ZIP_LINK, ASSAY__RULE_ZIP_LINK},
    {ASSAY__ZIP_BOMB, ASSAY__RULE_ZIP_BOMB},
    {ASSAY__ZIP_OVERLAP, ASSAY__RULE_ZIP_OVERLAP},
    {ASSAY__ZIP_MISNAMED, ASSAY__RULE_ZIP_LIES},
    {ASSAY__ZIP_DIFFERS, ASSAY__RULE_ZIP_LIES},
    {ASSAY__ZIP_TWICE, ASSAY__RULE_ZIP_TWICE},
    {ASSAY__ZIP_ENCRYPTED, ASSAY__RULE_ZIP_CRYPT},
    {ASSAY__ZIP_METHOD, ASSAY__RULE_ARCHIVE_BROKEN},
    {ASSAY__ZIP_OUTSIDE, ASSAY__RULE_ARCHIVE_BROKEN},
};

enum { N_FAULTS = sizeof(faults) / sizeof(faults[0]) };

static bool is_zip_start(const unsigned char *data, size_t size)
{
    return size >= 4 && data[0] == 'P' && data[1] == 'K' &&
           ((data[2] == 3 && data[3] == 4) || (data[2] == 5 && data[3] == 6));
}

/* Other files may end in four bytes that look like an end record: those
 * count when there is a member. */
static int probe(const unsigned char *data, size_t size, const char *name)
{
    (void)name;
    return is_zip_start(data, size) || assay__zip_has(data, size, NULL);
}

static int check_faults(struct assay__scan_job *job,
                        const struct assay__zip_member *m,
                        struct assay_error *err)
{
    int rc = ASSAY_OK;

    for (size_t i = 0; i < N_FAULTS && !rc; i++) {
        if (m->faults & faults[i].faults)
            rc = assay__scan_note(job, faults[i].rule, m->entry_at, m->name,
                                  err, "of the member: %s",
                                  assay__zip_fault_text(faults[i].faults));
    }
    return rc;
}

static int check_code(struct assay__scan_job *job,
                      const struct assay__zip_member *m,
                      struct assay_error *err)
{
    bool script =
        strstr(m->name, "/code/") || strncmp(m->name, "code/", 5) == 0;

    if (!assay__scan_has_suffix(m->name, code_suffixes))
        return ASSAY_OK;
    if (script && assay__scan_has_suffix(m->name, " .py "))
        return assay__scan_note(job, ASSAY__RULE_TORCH_SCRIPT, m->entry_at,
                                m->name, err, "the member is TorchScript code");
    return assay__scan_note(job, ASSAY__RULE_ARCHIVE_CODE, m->entry_at, m->name,
                            err, "the member's name is that of a program");
}

static int check_content(struct assay__scan_job *job,
                         const struct assay__zip_member *m,
                         const unsigned char *data, size_t size,
                         struct assay_error *err)
{
    bool elf = size >= 4 && memcmp(data,
                                   "\x7f"
                                   "ELF",
                                   4) == 0;
    bool exe = size >= 64 && memcmp(data, "MZ", 2) == 0 &&
               memmem(data, size < 1024 ? size : 1024, "PE\0\0", 4);
    bool shell = size >= 3 && memcmp(data, "#!/", 3) == 0;

    if (!elf && !exe && !shell)
        return ASSAY_OK;
    return assay__scan_note(job, ASSAY__RULE_ARCHIVE_CODE, m->data_at, m->name,
                            err, "the member's content is a program");
}

/* An array of numbers says all in its first bytes. */
static bool is_plain_array(const unsigned char *data, size_t size)
{
    size_t n = size < 512 ? size : 512;

    return n > 10 && memcmp(data, "\x93NUMPY", 6) == 0 &&
           memmem(data, n, "'descr': '", 10) && !memmem(data, n, "O", 1);
}

static int scan_member(struct assay__scan_job *job,
                       const struct assay__zip *zip,
                       const struct assay__zip_member *m,
                       struct assay_error *err)
{
    bool model = assay__scan_has_suffix(m->name, model_suffixes) ||
                 strcmp(m->name, "config.json") == 0;
    size_t most = job->budget < ASSAY__SCAN_UNPACK_MAX ? job->budget
                                                       : ASSAY__SCAN_UNPACK_MAX;
    struct assay__zip_bytes b = {0};
    struct assay_error why = {0};
    int rc;

    if (m->folder || m->faults & (ASSAY__ZIP_OUTSIDE | ASSAY__ZIP_METHOD))
        return ASSAY_OK;
    rc = assay__zip_read(zip, m, most, true, &b, &why);
    if (rc)
        return assay__scan_note_error(job, ASSAY__RULE_ARCHIVE_BROKEN, m->name,
                                      &why, err);
    if (b.owned)
        job->budget -= b.size < job->budget ? b.size : job->budget;
    if (!b.crc_ok)
        rc =
            assay__scan_note(job, ASSAY__RULE_ZIP_CHECKSUM, m->data_at, m->name,
                             err, "the member does not have its checksum");
    if (!rc)
        rc = check_content(job, m, b.data, b.size, err);
    if (!rc && b.size > 0)
        rc = assay__scan_inner(job, b.data, b.size, m->name, !model || !b.whole,
                               err);
    if (!rc && !b.whole && !is_plain_array(b.data, b.size))
        rc = assay__scan_note(job, ASSAY__RULE_TOO_DEEP, m->data_at, m->name,
                              err,
                              "of the member %zu bytes were looked at; its "
                              "entry states %zu",
                              b.size, m->size);
    assay__free(b.owned);
    return rc;
}

/* Bytes before, between and behind the members. */
static int check_hidden(struct assay__scan_job *job,
                        const struct assay__zip *zip, struct assay_error *err)
{
    int rc = ASSAY_OK;

    if (zip->first > 0 && zip->n_members > 0)
        rc = assay__scan_note(job, ASSAY__RULE_ZIP_HIDDEN, 0, "before", err,
                              "%zu bytes stand before the archive", zip->first);
    if (!rc && zip->gap_size > 0)
        rc = assay__scan_note(
            job, ASSAY__RULE_ZIP_HIDDEN, zip->gap_at, "between", err,
            "%zu bytes between members belong to none", zip->gap_size);
    if (!rc && zip->gap_size > 0)
        rc = assay__scan_inner(job, zip->data + zip->gap_at, zip->gap_size,
                               "bytes between members", true, err);
    if (!rc && zip->end != zip->size)
        rc = assay__scan_note(job, ASSAY__RULE_ZIP_HIDDEN,
                              zip->end < zip->size ? zip->end : zip->size,
                              "behind", err,
                              "the archive ends at byte %zu, the file at %zu",
                              zip->end, zip->size);
    if (!rc && zip->end < zip->size)
        rc = assay__scan_inner(job, zip->data + zip->end, zip->size - zip->end,
                               "bytes behind the archive", true, err);
    return rc;
}

static int check_bomb(struct assay__scan_job *job, const struct assay__zip *zip,
                      struct assay_error *err)
{
    size_t total = 0;

    for (size_t i = 0; i < zip->n_members; i++) {
        if (total > SIZE_MAX / 2)
            break;
        total += zip->member[i].size;
    }
    if (total <= ASSAY__SCAN_UNPACKED_MAX || total / BOMB_RATIO <= zip->size)
        return ASSAY_OK;
    return assay__scan_note(job, ASSAY__RULE_ZIP_BOMB, zip->directory_at, NULL,
                            err, "members claim %zu bytes, the file has %zu",
                            total, zip->size);
}

static int scan(struct assay__scan_job *job, const unsigned char *data,
                size_t size, struct assay_error *err)
{
    struct assay_error why = {0};
    struct assay__zip zip;
    int rc = assay__zip_open(&zip, data, size, &why);

    if (rc)
        return assay__scan_note_error(job, ASSAY__RULE_ARCHIVE_BROKEN, NULL,
                                      &why, err);
    if (zip.doubt)
        rc = assay__scan_note(job, ASSAY__RULE_ZIP_DIRECTORY, zip.directory_at,
                              NULL, err, "of the archive: %s", zip.doubt);
    if (!rc)
        rc = check_hidden(job, &zip, err);
    if (!rc)
        rc = check_bomb(job, &zip, err);
    for (size_t i = 0; i < zip.n_members && !rc; i++) {
        rc = check_faults(job, &zip.member[i], err);
        if (!rc)
            rc = check_code(job, &zip.member[i], err);
        if (!rc)
            rc = scan_member(job, &zip, &zip.member[i], err);
    }
    assay__zip_close(&zip);
    return rc;
}

const struct assay__scanner assay__scanner_zip = {
    .name = "zip",
    .suffixes = " .zip .npz .mar ",
    .probe = probe,
    .scan = scan,
};
