/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files in a sub-folder per class; classes are numbered in the byte order of
 * their names. Above them there may be one level more, `train` and some of
 * `val`, `valid`, `validation`, `test`: then all are joined in that order,
 * and `train` says what the classes are. Files of other kinds and hidden ones
 * are not looked at.
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

static bool has_suffix(const char *name, const char *const *suffixes)
{
    size_t n = strlen(name);

    for (size_t i = 0; suffixes[i]; i++) {
        size_t m = strlen(suffixes[i]);

        if (n > m && strcasecmp(name + n - m, suffixes[i]) == 0)
            return true;
    }
    return false;
}

/* Names in `folder`, sorted: its files with one of the suffixes or, when
 * these are NULL, its sub-folders. */
static int list_folder(struct list *list, const char *folder,
                       const char *const *suffixes, struct assay_error *err)
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
            (suffixes && !has_suffix(entry->d_name, suffixes)))
            continue;
        path = assay__path_join(folder, entry->d_name);
        if (path && assay__is_dir(path) != !suffixes) {
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
    const struct assay__file_kind *kind;
};

static int add_file(struct gathering *g, const char *folder, const char *name,
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

    rc = list_folder(&names, folder, g->kind->suffixes, err);
    if (!rc && names.n == 0)
        rc = assay_error_set(err, ASSAY_DATA, "%s: no %s in it", folder,
                             g->kind->names);
    for (size_t i = 0; !rc && i < names.n && i < g->max_records; i++)
        rc = add_file(g, folder, names.item[i], label, err);
    list_release(&names);
    return rc;
}

static int gather_level(struct gathering *g, const char *folder,
                        struct assay_error *err)
{
    struct list found = {NULL, 0, 0};
    int rc;

    rc = list_folder(&found, folder, NULL, err);
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
            rc = list_folder(&g->classes, path, NULL, err);
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
    int rc = list_folder(&g->classes, root, NULL, err);

    if (rc)
        return rc;
    if (g->classes.n == 0)
        return assay_error_set(err, ASSAY_DATA,
                               "%s: no sub-folder; there must be one of %s "
                               "for each class",
                               root, g->kind->things);
    if (is_levelled(&g->classes))
        return gather_levels(g, root, err);
    return gather_level(g, root, err);
}

int assay__class_files_find(struct assay__class_files *out, const char *root,
                            const struct assay__file_kind *kind,
                            size_t max_records, struct assay_error *err)
{
    struct gathering g = {.max_records = max_records, .kind = kind};
    int rc = gather(&g, root, err);

    if (!rc && g.classes.n > ASSAY__CLASSES_MAX)
        rc = assay_error_set(err, ASSAY_LIMIT,
                             "%s: %zu sub-folders, classes are at most %d",
                             root, g.classes.n, ASSAY__CLASSES_MAX);
    out->class_name = g.classes.item;
    out->n_classes = g.classes.n;
    out->path = g.paths.item;
    out->n = g.paths.n;
    out->label = g.label;
    return rc;
}

void assay__class_files_release(struct assay__class_files *files)
{
    assay__names_free(files->class_name, files->n_classes);
    assay__names_free(files->path, files->n);
    assay__free(files->label);
    memset(files, 0, sizeof(*files));
}

/* A folder one of whose sub-folders holds such a file, a level down or two. */
static bool probe_below(const char *folder, const char *const *suffixes,
                        int depth)
{
    struct list names = {NULL, 0, 0};
    bool found = false;

    if (depth < 2 && !list_folder(&names, folder, suffixes, NULL) && names.n)
        found = true;
    list_release(&names);
    if (!found && depth > 0 && !list_folder(&names, folder, NULL, NULL)) {
        for (size_t i = 0; i < names.n && !found; i++) {
            char *path = assay__path_join(folder, names.item[i]);

            found = path && probe_below(path, suffixes, depth - 1);
            assay__free(path);
        }
    }
    list_release(&names);
    return found;
}

bool assay__class_files_probe(const char *path,
                              const struct assay__file_kind *kind)
{
    return assay__is_dir(path) && probe_below(path, kind->suffixes, 2);
}
