/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Folders of PNG and JPEG images, a sub-folder per class; classes are
 * numbered in the byte order of their names. Above them there may be one
 * level more, `train` and some of `val`, `valid`, `validation`, `test`:
 * then all are joined in that order, and `train` says what the classes are.
 * Files of other kinds and hidden ones are not looked at; an image that
 * does not decode is an error. `max_records` counts per class folder.
 */

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <errno.h>

#include "core/fs.h"
#include "core/mem.h"
#include "data/data.h"

static const char *const levels[] = {"train", "val", "valid", "validation",
                                     "test"};
enum { N_LEVELS = sizeof(levels) / sizeof(levels[0]) };

struct list {
    char **item;
    size_t n;
    size_t cap;
};

static void list_release(struct list *list)
{
    assay__names_free(list->item, list->n);
    memset(list, 0, sizeof(*list));
}

/* Takes `item`, which may be NULL when it could not be made. */
static int list_take(struct list *list, char *item, struct assay_error *err)
{
    if (item && list->n == list->cap) {
        size_t cap = list->cap ? 2 * list->cap : 64;
        char **grown = assay__realloc(list->item, cap, sizeof(*grown));

        if (!grown) {
            assay__free(item);
            item = NULL;
        } else {
            list->item = grown;
            list->cap = cap;
        }
    }
    if (!item)
        return assay_error_set(err, ASSAY_NOMEM, "no memory for file names");
    list->item[list->n++] = item;
    return ASSAY_OK;
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool is_image_name(const char *name)
{
    static const char *const suffixes[] = {".png", ".jpg", ".jpeg"};
    size_t n = strlen(name);

    for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
        size_t m = strlen(suffixes[i]);

        if (n > m && strcasecmp(name + n - m, suffixes[i]) == 0)
            return true;
    }
    return false;
}

/* Names in `folder`, sorted: its sub-folders, or its images. */
static int list_folder(struct list *list, const char *folder, bool folders,
                       struct assay_error *err)
{
    DIR *dir = opendir(folder);
    struct dirent *entry;
    int rc = ASSAY_OK;

    if (!dir)
        return assay_error_set(err, ASSAY_IO, "%s: %s", folder,
                               strerror(errno));
    while (!rc && (entry = readdir(dir)) != NULL) {
        char *path;

        if (entry->d_name[0] == '.' ||
            (!folders && !is_image_name(entry->d_name)))
            continue;
        path = assay__path_join(folder, entry->d_name);
        if (path && assay__is_dir(path) != folders) {
            assay__free(path);
            continue;
        }
        rc = list_take(list, path ? assay__strdup(entry->d_name) : NULL, err);
        assay__free(path);
    }
    closedir(dir);
    if (!rc && list->n)
        qsort(list->item, list->n, sizeof(*list->item), by_bytes);
    return rc;
}

static bool holds(const struct list *list, const char *name)
{
    return list->n &&
           bsearch(&name, list->item, list->n, sizeof(*list->item), by_bytes);
}

/* `train` is there, and nothing that is not a level. */
static bool is_levelled(const struct list *folders)
{
    size_t known = 0;

    for (size_t i = 0; i < N_LEVELS; i++)
        known += holds(folders, levels[i]);
    return known == folders->n && holds(folders, levels[0]);
}

/* Work in progress: the classes, and a path and label per image. */
struct gathering {
    struct list classes;
    struct list paths;
    int32_t *label;
    size_t cap_labels;
    size_t max_records;
};

static int add_image(struct gathering *g, const char *folder, const char *name,
                     int32_t label, struct assay_error *err)
{
    if (g->paths.n == g->cap_labels) {
        size_t cap = g->cap_labels ? 2 * g->cap_labels : 256;
        int32_t *grown = assay__realloc(g->label, cap, sizeof(*grown));

        if (!grown)
            return assay_error_set(err, ASSAY_NOMEM, "no memory for labels");
        g->label = grown;
        g->cap_labels = cap;
    }
    g->label[g->paths.n] = label;
    return list_take(&g->paths, assay__path_join(folder, name), err);
}

static int gather_class(struct gathering *g, const char *folder, int32_t label,
                        struct assay_error *err)
{
    struct list names = {NULL, 0, 0};
    int rc;

    rc = list_folder(&names, folder, false, err);
    if (!rc && names.n == 0)
        rc = assay_error_set(err, ASSAY_DATA,
                             "%s: no .png, .jpg or .jpeg in it", folder);
    for (size_t i = 0; !rc && i < names.n && i < g->max_records; i++)
        rc = add_image(g, folder, names.item[i], label, err);
    list_release(&names);
    return rc;
}

static int gather_level(struct gathering *g, const char *folder,
                        struct assay_error *err)
{
    struct list found = {NULL, 0, 0};
    int rc;

    rc = list_folder(&found, folder, true, err);
    for (size_t i = 0; !rc && i < found.n; i++) {
        const char *name = found.item[i];
        char **class = bsearch(&name, g->classes.item, g->classes.n,
                               sizeof(*g->classes.item), by_bytes);
        char *path;

        if (!class) {
            rc = assay_error_set(err, ASSAY_DATA,
                                 "%s: class '%.60s' is not among those of %s",
                                 folder, name, levels[0]);
            break;
        }
        path = assay__path_join(folder, name);
        if (path)
            rc = gather_class(g, path, (int32_t)(class - g->classes.item), err);
        else
            rc = assay_error_set(err, ASSAY_NOMEM, "no memory for a path");
        assay__free(path);
    }
    list_release(&found);
    return rc;
}

/* Level by level; g->classes holds the levels' names when we begin. */
static int gather_levels(struct gathering *g, const char *root,
                         struct assay_error *err)
{
    struct list found = g->classes;
    int rc = ASSAY_OK;

    memset(&g->classes, 0, sizeof(g->classes));
    for (size_t i = 0; i < N_LEVELS && !rc; i++) {
        char *path;

        if (!holds(&found, levels[i]))
            continue;
        path = assay__path_join(root, levels[i]);
        if (!path)
            rc = assay_error_set(err, ASSAY_NOMEM, "no memory for a path");
        if (!rc && i == 0)
            rc = list_folder(&g->classes, path, true, err);
        if (!rc && g->classes.n == 0)
            rc = assay_error_set(err, ASSAY_DATA, "%s: no sub-folder", path);
        if (!rc)
            rc = gather_level(g, path, err);
        assay__free(path);
    }
    list_release(&found);
    return rc;
}

static int gather(struct gathering *g, const char *root,
                  struct assay_error *err)
{
    int rc = list_folder(&g->classes, root, true, err);

    if (rc)
        return rc;
    if (g->classes.n == 0)
        return assay_error_set(err, ASSAY_DATA,
                               "%s: no sub-folder; there must be one of "
                               "images for each class",
                               root);
    if (is_levelled(&g->classes))
        return gather_levels(g, root, err);
    return gather_level(g, root, err);
}

static int open_folder(struct assay_dataset *ds, const struct assay__spec *spec,
                       struct assay_error *err)
{
    struct gathering g = {.max_records = spec->max_records};
    int rc;

    rc = gather(&g, spec->path, err);
    if (!rc && g.classes.n > ASSAY__CLASSES_MAX)
        rc = assay_error_set(err, ASSAY_LIMIT,
                             "%s: %zu sub-folders, classes are at most %d",
                             spec->path, g.classes.n, ASSAY__CLASSES_MAX);
    if (!rc)
        rc = assay__dataset_classes(ds, (int)g.classes.n,
                                    (const char *const *)g.classes.item, err);
    if (!rc)
        rc = assay__images_load(ds, g.paths.item, g.paths.n, spec->size, err);
    if (!rc)
        memcpy(ds->labels, g.label, g.paths.n * sizeof(*g.label));

    list_release(&g.classes);
    list_release(&g.paths);
    assay__free(g.label);
    return rc;
}

/* A folder one of whose sub-folders holds an image, a level down or two. */
static bool probe_below(const char *folder, int depth)
{
    struct list names = {NULL, 0, 0};
    bool found = false;

    if (depth < 2 && !list_folder(&names, folder, false, NULL) && names.n)
        found = true;
    list_release(&names);
    if (!found && depth > 0 && !list_folder(&names, folder, true, NULL)) {
        for (size_t i = 0; i < names.n && !found; i++) {
            char *path = assay__path_join(folder, names.item[i]);

            found = path && probe_below(path, depth - 1);
            assay__free(path);
        }
    }
    list_release(&names);
    return found;
}

static bool probe(const char *path)
{
    return assay__is_dir(path) && probe_below(path, 2);
}

const struct assay_dataset_kind assay_dataset_kind_folder = {
    .name = "folder",
    .takes = ASSAY__SPEC_SIZE,
    .probe = probe,
    .open = open_folder,
};
