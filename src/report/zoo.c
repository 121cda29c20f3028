/* SPDX-License-Identifier: Apache-2.0 */
/* The pages of a zoo: read its export, write the index and a page for each
 * model. */

#include "assay/report.h"

#include "core/fs.h"
#include "core/mem.h"
#include "report/zoo_view.h"

enum { ZOO_MAX_BYTES = 1 << 30 };

/* One of thousands that zoo.json brings back: the disk is not waited for. */
static int write_page(const char *folder, const char *name,
                      const struct assay__buf *b, struct assay_error *err)
{
    char *path = assay__path_join(folder, name);
    struct assay__writer w;
    int code;

    if (b->failed || path == NULL) {
        assay__free(path);
        return assay_error_set(err, ASSAY_NOMEM, "no memory for %s", name);
    }
    code = assay__writer_open(&w, path, err);
    if (code == ASSAY_OK) {
        w.unsynced = true;
        (void)!fwrite(b->data, 1, b->size, w.file); /* commit sees ferror */
        code = assay__writer_commit(&w, err);
    }
    assay__free(path);
    return code;
}

static int write_index(const json_t *doc, const char *dir,
                       struct assay_error *err)
{
    struct assay__buf b = ASSAY__BUF_INIT;
    int code;

    assay__zoo_index_write(doc, &b);
    code = write_page(dir, "index.html", &b, err);
    assay__buf_release(&b);
    return code;
}

static int write_models(const json_t *doc, const char *dir,
                        const struct assay_context *ctx,
                        struct assay_error *err)
{
    const json_t *models = json_object_get(doc, "models");
    char *folder = assay__path_join(dir, "models");
    int code = folder != NULL ? assay__make_dir(folder, err)
                              : assay_error_set(err, ASSAY_NOMEM, "%s", dir);
    size_t i;

    for (i = 0; i < json_array_size(models) && code == ASSAY_OK; i++) {
        const json_t *model = json_array_get(models, i);
        struct assay__buf b = ASSAY__BUF_INIT;
        char name[40];

        assay__zoo_page_name(model, name);
        assay__zoo_model_write(doc, model, &b);
        code = write_page(folder, name, &b, err);
        assay__buf_release(&b);
        if (code == ASSAY_OK && ctx != NULL)
            code = assay_context_check(ctx, err);
    }
    assay__free(folder);
    return code;
}

int assay_zoo_report_write(const char *dir, const struct assay_context *ctx,
                           struct assay_error *err)
{
    char *path = assay__path_join(dir, "zoo.json");
    json_t *doc = NULL;
    int code = path != NULL ? assay__json_read(path, ZOO_MAX_BYTES, &doc, err)
                            : assay_error_set(err, ASSAY_NOMEM, "%s", dir);

    if (code == ASSAY_OK) {
        code = assay__zoo_document_check(doc, err);
        if (code != ASSAY_OK)
            code = assay_error_prefix(err, code, "%.120s", path);
    }
    if (code == ASSAY_OK)
        code = write_models(doc, dir, ctx, err);
    if (code == ASSAY_OK)
        code = write_index(doc, dir, err);
    json_decref(doc);
    assay__free(path);
    return code;
}
