/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A model's file from its link: choose the link, download into a part file
 * in the folder `files` beside the zoo, check, let it be scanned, name it
 * after its SHA-256, note it. The part's name is a hash of the link, so that
 * the next try finds it. What the network gave is never a path here: neither
 * the link's name nor the server's goes into one.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "core/fs.h"
#include "core/mem.h"
#include "zoo/download.h"
#include "zoo/file.h"
#include "zoo/store.h"

struct link {
    char *url;
    char *path;   /* where it lies already, or NULL */
    char *sha256; /* what it was, or NULL */
};

static void link_release(struct link *l)
{
    assay__free(l->url);
    assay__free(l->path);
    assay__free(l->sha256);
}

static bool is_web(const char *url)
{
    return strncasecmp(url, "https://", 8) == 0 ||
           strncasecmp(url, "http://", 7) == 0;
}

/* Column `i` of the row at hand, fresh; NULL for NULL. */
static char *column(sqlite3_stmt *stmt, int i, bool *failed)
{
    const char *text = (const char *)sqlite3_column_text(stmt, i);
    char *copy = text != NULL ? assay__strdup(text) : NULL;

    *failed |= text != NULL && copy == NULL;
    return copy;
}

/* The one link that is meant. */
static int choose_link(assay_zoo *zoo, int64_t id, const char *wanted,
                       struct link *out, struct assay_error *err)
{
    sqlite3_stmt *stmt = NULL;
    bool failed = false;
    int n = 0;
    int code = assay__zoo_prepare(
        zoo->db,
        "SELECT url, path, sha256 FROM files WHERE model_id=?1 AND url IS NOT "
        "NULL AND (?2 IS NULL OR url=?2) ORDER BY id",
        &stmt, err);

    if (code != ASSAY_OK)
        return code;
    (void)sqlite3_bind_int64(stmt, 1, id);
    assay__zoo_bind_text(stmt, 2, wanted);
    for (; sqlite3_step(stmt) == SQLITE_ROW; n++) {
        if (n > 0)
            continue;
        out->url = column(stmt, 0, &failed);
        out->path = column(stmt, 1, &failed);
        out->sha256 = column(stmt, 2, &failed);
    }
    sqlite3_finalize(stmt);
    if (failed)
        return assay_error_set(err, ASSAY_NOMEM, "no memory for a link");
    if (n == 0)
        return assay_error_set(err, ASSAY_NOTHING, "model %lld has %s",
                               (long long)id,
                               wanted != NULL ? "no such link" : "no link");
    if (n > 1)
        return assay_error_set(err, ASSAY_ARG,
                               "model %lld has %d links; choose one (--url)",
                               (long long)id, n);
    if (!is_web(out->url))
        return assay_error_set(err, ASSAY_ARG,
                               "\"%.100s\" is no http or https link", out->url);
    return ASSAY_OK;
}

/* "FOLDER/files", made; fresh. */
static int files_folder(assay_zoo *zoo, char **out, struct assay_error *err)
{
    char *whole = realpath(zoo->path, NULL);
    char *slash = whole != NULL ? strrchr(whole, '/') : NULL;
    char *folder = NULL;
    int code;

    if (slash != NULL) {
        *slash = '\0';
        folder = assay__format("%s/files", whole);
    }
    free(whole);
    code = folder != NULL
               ? assay__make_dir(folder, err)
               : assay_error_set(err, ASSAY_NOMEM, "no memory for a path");
    if (code == ASSAY_OK)
        *out = folder;
    else
        assay__free(folder);
    return code;
}

/* "FOLDER/.HASH.part", of the link's own hash; fresh. */
static int part_path(const char *folder, const char *url, char **out,
                     struct assay_error *err)
{
    struct assay__sha256 hash;
    char text[ASSAY__SHA256_TEXT];
    int code = assay__sha256_begin(&hash);

    if (code != ASSAY_OK)
        return assay_error_set(err, code, "SHA-256");
    assay__sha256_add(&hash, url, strlen(url));
    assay__sha256_end(&hash, text);
    *out = assay__format("%s/.%.32s.part", folder, text);
    return *out != NULL
               ? ASSAY_OK
               : assay_error_set(err, ASSAY_NOMEM, "no memory for a path");
}

static void remove_part(const char *part)
{
    char *tag = assay__format("%s.tag", part);

    (void)unlink(part);
    if (tag != NULL)
        (void)unlink(tag);
    assay__free(tag);
}

/* Other programs go by suffixes: the link's, when it is one of these. */
static const char *suffix_of(const char *url)
{
    static const char *const known[] = {
        ".safetensors", ".pth", ".pt", ".th",    ".onnx", ".npz",    ".npy",
        ".h5",          ".zip", ".gz", ".keras", ".ckpt", ".tflite", ".bin"};
    size_t n = strcspn(url, "?#");
    size_t i;

    for (i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        size_t m = strlen(known[i]);

        if (n > m && strncasecmp(url + n - m, known[i], m) == 0)
            return known[i];
    }
    return "";
}

static int check_sha256(const char *want, const struct assay_zoo_file *file,
                        struct assay_error *err)
{
    if (want != NULL && strcasecmp(want, file->sha256) != 0)
        return assay_error_set(err, ASSAY_DATA,
                               "SHA-256 is %.16s..., not %.16s...; the file is "
                               "thrown away",
                               file->sha256, want);
    return ASSAY_OK;
}

static int note(assay_zoo *zoo, int64_t id, const char *path, const char *url,
                const char *verdict, const struct assay_zoo_file *file,
                struct assay_error *err)
{
    struct assay_zoo_imported counts = {0};
    struct assay__zoo_put put = {0};
    struct assay__zoo_row *row = assay__calloc(1, sizeof(*row));
    int code;

    if (row == NULL)
        return assay_error_set(err, ASSAY_NOMEM, "no memory for a row");
    code = assay__zoo_put_begin(&put, zoo->db, "local", &counts, err);
    put.onto = id;
    row->name = "fetched";
    if (code == ASSAY_OK)
        code = assay__zoo_row_add(row, "scan", "", verdict, err);
    if (code == ASSAY_OK)
        code = assay__zoo_put_row(&put, row, err);
    if (code == ASSAY_OK)
        code = assay__zoo_file_put(&put, path, url, file, err);
    assay__free(row);
    return assay__zoo_put_end(&put, code, err);
}

/* From the part, which is whole, to the named and noted file. */
static int keep(assay_zoo *zoo, int64_t id, const struct link *link,
                const char *part, const char *folder,
                const struct assay_zoo_fetch *how, struct assay_zoo_file *file,
                struct assay_error *err)
{
    const char *want = how->sha256 != NULL ? how->sha256 : link->sha256;
    char verdict[160] = "";
    char *path = NULL;
    int code = assay__zoo_file_look(part, file, err);

    if (code == ASSAY_OK)
        code = check_sha256(want, file, err);
    if (code == ASSAY_OK)
        code = assay__zoo_file_scan(part, how->scan, how->user, verdict, err);
    if (code != ASSAY_OK) {
        remove_part(part);
        return code;
    }
    path = assay__format("%s/%s%s", folder, file->sha256, suffix_of(link->url));
    if (path == NULL)
        return assay_error_set(err, ASSAY_NOMEM, "no memory for a path");
    if (rename(part, path) != 0)
        code =
            assay_error_set(err, ASSAY_IO, "%.120s: %s", path, strerror(errno));
    else
        remove_part(part);
    if (code == ASSAY_OK)
        code = note(zoo, id, path, link->url, verdict, file, err);
    assay__free(path);
    return code;
}

/* Whether the file is here with the bytes it must have. */
static bool is_here(const struct link *link, const char *want,
                    struct assay_zoo_file *file)
{
    if (link->path == NULL || link->sha256 == NULL)
        return false;
    if (want != NULL && strcasecmp(want, link->sha256) != 0)
        return false;
    return assay__zoo_file_look(link->path, file, NULL) == ASSAY_OK &&
           strcmp(file->sha256, link->sha256) == 0;
}

static int check_wanted(const char *sha256, struct assay_error *err)
{
    if (sha256 != NULL && (strlen(sha256) != 64 ||
                           strspn(sha256, "0123456789abcdefABCDEF") != 64))
        return assay_error_set(
            err, ASSAY_ARG, "\"%.70s\" is no SHA-256 of 64 hex digits", sha256);
    return ASSAY_OK;
}

int assay_zoo_fetch_file(assay_zoo *zoo, const char *model,
                         const struct assay_zoo_fetch *how,
                         const struct assay_context *ctx,
                         struct assay_zoo_file *file, struct assay_error *err)
{
    struct assay_zoo_file found = {0};
    struct link link = {NULL, NULL, NULL};
    char *folder = NULL;
    char *part = NULL;
    int64_t id = 0;
    bool here = false;
    int code;

    code = check_wanted(how->sha256, err);
    if (code == ASSAY_OK)
        code = assay__zoo_model_id(zoo, model, &id, err);
    if (code == ASSAY_OK)
        code = choose_link(zoo, id, how->url, &link, err);
    if (code == ASSAY_OK)
        here = is_here(&link, how->sha256, &found);
    if (code == ASSAY_OK && !here)
        code = files_folder(zoo, &folder, err);
    if (code == ASSAY_OK && !here)
        code = part_path(folder, link.url, &part, err);
    if (code == ASSAY_OK && !here) {
        const struct assay__download d = {link.url, part, how->max_bytes,
                                          how->allow_local != 0, ctx};

        code = assay__download(&d, err);
        if (code == ASSAY_OK)
            code = keep(zoo, id, &link, part, folder, how, &found, err);
    }
    if (code == ASSAY_OK) {
        found.model_id = id;
        found.is_new = !here;
        *file = found;
    } else if (link.url != NULL) {
        code = assay_error_prefix(err, code, "%.100s", link.url);
    }
    link_release(&link);
    assay__free(folder);
    assay__free(part);
    return code;
}
