/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files that are here. A file of bytes that the zoo knows belongs to the
 * model that has them; one of other bytes is a model of its own, known by
 * its SHA-256. The format is told from the first bytes, and from the name
 * where several formats share them.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/fs.h"
#include "core/mem.h"
#include "zoo/file.h"
#include "zoo/store.h"

static bool ends_in(const char *path, const char *suffix)
{
    size_t n = strlen(path);
    size_t m = strlen(suffix);

    return n >= m && strcmp(path + n - m, suffix) == 0;
}

/* What a zip archive is for, by its name. */
static const char *zip_format(const char *path)
{
    if (ends_in(path, ".npz"))
        return "npz";
    if (ends_in(path, ".keras"))
        return "keras";
    if (ends_in(path, ".pt") || ends_in(path, ".pth") || ends_in(path, ".th") ||
        ends_in(path, ".bin") || ends_in(path, ".ckpt"))
        return "torch-zip";
    return "zip";
}

static const char *format_of(const char *path, const unsigned char *p, size_t n)
{
    static const struct {
        size_t at;
        const char *bytes;
        size_t size;
        const char *format;
    } magic[] = {
        {8, "{\"", 2, "safetensors"}, {0, "\x89HDF\r\n\x1a\n", 8, "hdf5"},
        {0, "\x93NUMPY", 6, "npy"},   {0, "GGUF", 4, "gguf"},
        {4, "TFL3", 4, "tflite"},     {0, "\x1f\x8b", 2, "gzip"},
        {0, "\x80\x02", 2, "pickle"}, {0, "\x80\x03", 2, "pickle"},
        {0, "\x80\x04", 2, "pickle"}, {0, "\x80\x05", 2, "pickle"},
    };
    size_t i;

    if (n >= 4 && memcmp(p, "PK\x03\x04", 4) == 0)
        return zip_format(path);
    for (i = 0; i < sizeof(magic) / sizeof(magic[0]); i++) {
        if (n >= magic[i].at + magic[i].size &&
            memcmp(p + magic[i].at, magic[i].bytes, magic[i].size) == 0)
            return magic[i].format;
    }
    if (n >= 2 && p[0] == 0x08 && ends_in(path, ".onnx"))
        return "onnx";
    return "unknown";
}

int assay__zoo_file_look(const char *path, struct assay_zoo_file *file,
                         struct assay_error *err)
{
    unsigned char head[16];
    struct stat st;
    size_t n;
    FILE *f;

    if (stat(path, &st) != 0 || !S_ISREG(st.st_mode))
        return assay_error_set(err, ASSAY_IO,
                               "%.150s: no regular file is there", path);
    f = fopen(path, "rb");
    if (f == NULL)
        return assay_error_set(err, ASSAY_IO, "%.150s: cannot be opened", path);
    n = fread(head, 1, sizeof(head), f);
    (void)fclose(f);
    file->size_bytes = (uint64_t)st.st_size;
    (void)snprintf(file->format, sizeof(file->format), "%s",
                   format_of(path, head, n));
    return assay__sha256_file(path, file->sha256, err);
}

int assay__zoo_file_scan(const char *path, assay_zoo_scan *scan, void *user,
                         char verdict[160], struct assay_error *err)
{
    int code = ASSAY_OK;

    verdict[0] = '\0';
    if (scan != NULL)
        code = scan(user, path, verdict, err);
    verdict[159] = '\0';
    return code;
}

int assay__zoo_file_put(struct assay__zoo_put *p, const char *path,
                        const char *url, const struct assay_zoo_file *file,
                        struct assay_error *err)
{
    static const char sql[] =
        "INSERT INTO files(model_id, path, format, size_bytes, sha256, "
        "recorded_at, url) VALUES(?1, ?2, ?3, ?4, ?5, ?6, NULL) "
        "ON CONFLICT DO UPDATE SET format=excluded.format, "
        "size_bytes=excluded.size_bytes, sha256=excluded.sha256, "
        "recorded_at=excluded.recorded_at WHERE sha256 IS NOT excluded.sha256";
    static const char fetched[] =
        "UPDATE files SET path=?2, format=?3, size_bytes=?4, sha256=?5, "
        "recorded_at=?6 WHERE model_id=?1 AND url=?7";
    sqlite3_stmt *stmt = NULL;
    int code =
        assay__zoo_prepare(p->db, url != NULL ? fetched : sql, &stmt, err);

    if (code != ASSAY_OK)
        return code;
    (void)sqlite3_bind_int64(stmt, 1, p->model_id);
    assay__zoo_bind_text(stmt, 2, path);
    assay__zoo_bind_text(stmt, 3, file->format);
    (void)sqlite3_bind_int64(stmt, 4, (sqlite3_int64)file->size_bytes);
    assay__zoo_bind_text(stmt, 5, file->sha256);
    assay__zoo_bind_text(stmt, 6, p->now);
    if (url != NULL)
        assay__zoo_bind_text(stmt, 7, url);
    code = assay__zoo_run(stmt, err);
    sqlite3_finalize(stmt);
    return code;
}

/* The model that has a file of these bytes; 0 for none. */
static int find_bytes(sqlite3 *db, const char *sha256, int64_t *id,
                      struct assay_error *err)
{
    sqlite3_stmt *stmt = NULL;
    int code = assay__zoo_prepare(
        db, "SELECT model_id FROM files WHERE sha256=?1 ORDER BY id LIMIT 1",
        &stmt, err);
    int rc;

    if (code != ASSAY_OK)
        return code;
    assay__zoo_bind_text(stmt, 1, sha256);
    rc = sqlite3_step(stmt);
    *id = rc == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : 0;
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        code = assay__zoo_fail(db, err, "look for a file");
    sqlite3_finalize(stmt);
    return code;
}

/* In the transaction: the model, its facts, its file. */
static int put_file(assay_zoo *zoo, struct assay__zoo_put *p, const char *path,
                    const struct assay_zoo_add *how, const char *verdict,
                    struct assay_zoo_file *file, struct assay_error *err)
{
    struct assay__zoo_row *row = assay__calloc(1, sizeof(*row));
    const char *slash = strrchr(path, '/');
    int code;

    if (row == NULL)
        return assay_error_set(err, ASSAY_NOMEM, "no memory for a row");
    code = how->model != NULL
               ? assay__zoo_model_id(zoo, how->model, &p->onto, err)
               : find_bytes(p->db, file->sha256, &p->onto, err);
    row->name =
        how->name != NULL ? how->name : (slash != NULL ? slash + 1 : path);
    row->key = file->sha256;
    row->value[ASSAY__ZOO_format].raw = file->format;
    if (code == ASSAY_OK)
        code = assay__zoo_row_add(row, "scan", "", verdict, err);
    if (code == ASSAY_OK)
        code = assay__zoo_put_row(p, row, err);
    if (code == ASSAY_OK)
        code = assay__zoo_file_put(p, path, NULL, file, err);
    file->model_id = p->model_id;
    file->is_new = p->added;
    assay__free(row);
    return code;
}

int assay_zoo_add_file(assay_zoo *zoo, const char *path,
                       const struct assay_zoo_add *how,
                       struct assay_zoo_file *file, struct assay_error *err)
{
    struct assay_zoo_imported counts = {0};
    struct assay_zoo_file found = {0};
    struct assay__zoo_put put = {0};
    char verdict[160];
    char *whole = realpath(path, NULL);
    int code;

    if (whole == NULL)
        return assay_error_set(err, ASSAY_IO, "%.150s: no file is there", path);
    code = assay__zoo_file_look(whole, &found, err);
    if (code == ASSAY_OK)
        code = assay__zoo_file_scan(whole, how->scan, how->user, verdict, err);
    if (code == ASSAY_OK) {
        code = assay__zoo_put_begin(&put, zoo->db, "local", &counts, err);
        if (code == ASSAY_OK)
            code = put_file(zoo, &put, whole, how, verdict, &found, err);
        code = assay__zoo_put_end(&put, code, err);
    }
    if (code == ASSAY_OK)
        *file = found;
    free(whole);
    return code;
}
