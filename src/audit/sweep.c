/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pictures of exposed records are training data. Those that an earlier
 * result of the folder showed, and this one does not, are removed: a folder
 * that is passed on holds no more of them than its report says. Names of
 * another kind are left alone.
 */

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "audit/audit.h"
#include "core/fs.h"
#include "core/json.h"
#include "core/mem.h"

enum { FINDINGS_MAX_BYTES = 256 << 20 };

/* "07-1234.png" */
static int is_picture(const char *name)
{
    size_t digits = strspn(name, "0123456789");
    size_t more =
        name[digits] == '-' ? strspn(name + digits + 1, "0123456789") : 0;

    return digits > 0 && more > 0 &&
           strcmp(name + digits + 1 + more, ".png") == 0;
}

static int is_listed(const json_t *exposed, const char *name)
{
    size_t i;

    for (i = 0; i < json_array_size(exposed); i++) {
        const char *image = json_string_value(
            json_object_get(json_array_get(exposed, i), "image"));

        if (image != NULL && strncmp(image, "exposed/", 8) == 0 &&
            strcmp(image + 8, name) == 0)
            return 1;
    }
    return 0;
}

/* What cannot be removed is said; the result is none the worse. */
static void remove_picture(const assay_audit *a, const char *folder,
                           const char *name)
{
    char *path = assay__path_join(folder, name);

    if (path == NULL || unlink(path) != 0)
        assay_log(&a->ctx, ASSAY_LOG_WARNING,
                  "%s/%s, a picture of an earlier result, stays: %s", folder,
                  name, path == NULL ? "out of memory" : strerror(errno));
    assay__free(path);
}

static void sweep(const assay_audit *a, const char *folder,
                  const json_t *exposed)
{
    DIR *dir = opendir(folder);
    const struct dirent *entry;

    if (dir == NULL)
        return;
    while ((entry = readdir(dir)) != NULL) {
        if (is_picture(entry->d_name) && !is_listed(exposed, entry->d_name))
            remove_picture(a, folder, entry->d_name);
    }
    (void)closedir(dir);
}

int assay__sweep_exposed(const assay_audit *a, struct assay_error *err)
{
    char *findings = assay__cache_path(&a->cache, "findings.json");
    char *folder = assay__cache_path(&a->cache, "exposed");
    json_t *root = NULL;
    int code = ASSAY_OK;

    if (findings == NULL || folder == NULL)
        code = assay_error_set(err, ASSAY_NOMEM, "exposed");
    if (code == ASSAY_OK)
        code = assay__json_read(findings, FINDINGS_MAX_BYTES, &root, err);
    if (code == ASSAY_OK)
        sweep(a, folder, json_object_get(root, "exposed"));
    json_decref(root);
    assay__free(findings);
    assay__free(folder);
    return code;
}
