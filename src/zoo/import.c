/* SPDX-License-Identifier: Apache-2.0 */
/* Taking in a file: read it, choose its reader, put its rows. */

#include "zoo/import.h"

#include <string.h>

#include "core/fs.h"
#include "core/mem.h"
#include "zoo/put.h"
#include "zoo/store.h"

enum { FILE_MAX_BYTES = 256 << 20, SOURCE_MAX = 80 };

static const struct assay__zoo_importer *const importers[] = {
#define ASSAY_ZOO_IMPORTER(name) &assay__zoo_importer_##name,
#include "zoo/importers.def"
#undef ASSAY_ZOO_IMPORTER
};

enum { N_IMPORTERS = sizeof(importers) / sizeof(importers[0]) };

const char *assay_zoo_import_kind(size_t i)
{
    return i < N_IMPORTERS ? importers[i]->name : NULL;
}

static int choose(const struct assay__zoo_input *in, const char *kind,
                  const struct assay__zoo_importer **out,
                  struct assay_error *err)
{
    size_t i;

    for (i = 0; i < N_IMPORTERS; i++) {
        if (kind != NULL ? strcmp(importers[i]->name, kind) == 0
                         : importers[i]->probe(in)) {
            *out = importers[i];
            return ASSAY_OK;
        }
    }
    if (kind != NULL)
        return assay_error_set(err, ASSAY_ARG, "no kind of file \"%.40s\"",
                               kind);
    return assay_error_set(err, ASSAY_UNSUPPORTED,
                           "neither a table of models that is known (by its "
                           "header), nor a RobustBench entry, nor a model "
                           "card (\"---\" first)");
}

static int note_import(struct assay__zoo_put *p, const char *sha256,
                       const char *file, const struct assay_zoo_imported *done,
                       struct assay_error *err)
{
    sqlite3_stmt *stmt = NULL;
    int code;

    code = assay__zoo_prepare(p->db,
                              "INSERT INTO imports VALUES(?1, ?2, ?3, ?4, ?5, "
                              "?6) ON CONFLICT DO NOTHING",
                              &stmt, err);
    if (code != ASSAY_OK)
        return code;
    (void)sqlite3_bind_int64(stmt, 1, p->source_id);
    assay__zoo_bind_text(stmt, 2, sha256);
    assay__zoo_bind_text(stmt, 3, file);
    assay__zoo_bind_text(stmt, 4, done->kind);
    (void)sqlite3_bind_int64(stmt, 5, (sqlite3_int64)done->n_rows);
    assay__zoo_bind_text(stmt, 6, p->now);
    code = assay__zoo_run(stmt, err);
    sqlite3_finalize(stmt);
    return code;
}

static int take(assay_zoo *zoo, const struct assay__zoo_input *in,
                const struct assay_zoo_import *how,
                struct assay_zoo_imported *done, struct assay_error *err)
{
    const struct assay__zoo_importer *importer = NULL;
    struct assay__zoo_put put = {0};
    const char *source;
    int code;

    code = choose(in, how->kind, &importer, err);
    if (code != ASSAY_OK)
        return code;
    if (how->model != NULL && !importer->onto)
        return assay_error_set(err, ASSAY_ARG,
                               "a file of kind %s names its models itself",
                               importer->name);
    source = how->source != NULL ? how->source : importer->source;
    if (*source == '\0' || strlen(source) > SOURCE_MAX)
        return assay_error_set(err, ASSAY_ARG,
                               "a source's name has 1 to %d bytes", SOURCE_MAX);
    done->kind = importer->name;
    code = assay__zoo_put_begin(&put, zoo->db, source, done, err);
    if (code == ASSAY_OK && how->model != NULL)
        code = assay__zoo_model_id(zoo, how->model, &put.onto, err);
    if (code == ASSAY_OK)
        code = importer->read(in, assay__zoo_put_row, &put, err);
    if (code == ASSAY_OK)
        code = note_import(&put, in->sha256, in->name, done, err);
    return assay__zoo_put_end(&put, code, err);
}

/* The name of the folder that holds the file; fresh. */
static char *folder_of(const char *path, const char *name)
{
    const char *end = name - 1;
    const char *from;

    if (name == path)
        return assay__strdup("");
    from = end;
    while (from > path && from[-1] != '/')
        from--;
    return assay__format("%.*s", (int)(end - from), from);
}

static int hash_of(const struct assay__zoo_input *in,
                   char sha256[ASSAY__SHA256_TEXT], struct assay_error *err)
{
    struct assay__sha256 hash;
    int code = assay__sha256_begin(&hash);

    if (code != ASSAY_OK)
        return assay_error_set(err, code, "SHA-256");
    assay__sha256_add(&hash, in->data, in->size);
    assay__sha256_end(&hash, sha256);
    return ASSAY_OK;
}

int assay_zoo_import_file(assay_zoo *zoo, const char *path,
                          const struct assay_zoo_import *how,
                          struct assay_zoo_imported *done,
                          struct assay_error *err)
{
    struct assay__zoo_input in = {.name = path};
    struct assay_zoo_imported counts = {0};
    char sha256[ASSAY__SHA256_TEXT] = "";
    unsigned char *data = NULL;
    char *folder = NULL;
    int code;

    code = assay__read_file(path, FILE_MAX_BYTES, &data, &in.size, err);
    if (code != ASSAY_OK)
        return code;
    in.data = data;
    if (strrchr(path, '/') != NULL)
        in.name = strrchr(path, '/') + 1;
    folder = folder_of(path, in.name);
    in.folder = folder;
    in.sha256 = sha256;
    code = folder != NULL ? hash_of(&in, sha256, err)
                          : assay_error_set(err, ASSAY_NOMEM, "out of memory");
    if (code == ASSAY_OK)
        code = take(zoo, &in, how, &counts, err);
    if (code != ASSAY_OK)
        code = assay_error_prefix(err, code, "%.120s", path);
    else
        *done = counts;
    assay__free(folder);
    assay__free(data);
    return code;
}
