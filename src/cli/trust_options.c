/* SPDX-License-Identifier: Apache-2.0 */
/* Options about clean records; lists of model files. */

#include "trust_options.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "core/fs.h"
#include "core/mem.h"

/* clang-format off */
#define AT(field) offsetof(struct assay__trust_values, field)
const struct assay__option assay__trust_record_options[] = {
    {"data", 'd', ASSAY__OPTION_TEXT, "DATA", NULL, 0, 0, NULL,
     "clean records: rightly labelled, free of triggers", AT(data)},
    {"clean", 'n', ASSAY__OPTION_INT, "N", "0", 0, 1e9, NULL,
     "so many of them for the method, others to measure on; 0: its own share "
     "of all", AT(clean)},
    {"label", 0, ASSAY__OPTION_TEXT, "NAME", NULL, 0, 0, NULL,
     "attribute that is the class", AT(label)},
    {"max-records", 0, ASSAY__OPTION_INT, "N", "0", 0, 4e9, NULL,
     "read so many records of each file; 0: all", AT(max_records)},
    {"scale", 0, ASSAY__OPTION_REAL, "X", "0", 0, 1e6, NULL,
     "multiply pixels first, instead of by what the model's sidecar says; 0: "
     "as it says", AT(scale)},
    {"mean", 0, ASSAY__OPTION_REALS, "A,B,C", NULL, -1e6, 1e6, NULL,
     "subtract, per channel, instead of the sidecar's", AT(mean)},
    {"std", 0, ASSAY__OPTION_REALS, "A,B,C", NULL, 1e-12, 1e6, NULL,
     "divide by, per channel, instead of the sidecar's", AT(std)},
    {.name = NULL},
};
#undef AT
/* clang-format on */

static int take(const struct assay__reals *from, const char *name, double *to,
                int *n, struct assay_error *err)
{
    int i;

    if (from->n > ASSAY_CHANNELS_MAX)
        return assay_error_set(err, ASSAY_ARG,
                               "--%s: %d numbers; at most %d channels", name,
                               from->n, (int)ASSAY_CHANNELS_MAX);
    for (i = 0; i < from->n; i++)
        to[i] = from->value[i];
    *n = from->n;
    return ASSAY_OK;
}

int assay__trust_values_take(const struct assay__trust_values *v,
                             const char **data,
                             struct assay_dataset_options *dataset,
                             struct assay_trust_pixels *pixels, size_t *n_clean,
                             struct assay_error *err)
{
    int code;

    *data = v->data;
    dataset->label = v->label;
    dataset->max_records = (size_t)v->max_records;
    pixels->scale = v->scale;
    *n_clean = (size_t)v->clean;
    code = take(&v->mean, "mean", pixels->mean, &pixels->n_mean, err);
    return code != ASSAY_OK
               ? code
               : take(&v->std, "std", pixels->std, &pixels->n_std, err);
}

const char *const *assay__words_list(const struct assay__words *words,
                                     const char **names)
{
    int i;

    for (i = 0; i < words->n; i++)
        names[i] = words->word[i];
    return words->n > 0 ? names : NULL;
}

void assay__model_list_release(struct assay__model_list *list)
{
    size_t i;

    for (i = 0; i < list->n; i++)
        assay__free(list->path[i]);
    assay__free(list->path);
    memset(list, 0, sizeof(*list));
}

static int no_memory(struct assay_error *err)
{
    return assay_error_set(err, ASSAY_NOMEM, "no memory for a list of models");
}

/* Takes the path, also on failure. */
static int add(struct assay__model_list *list, char *path,
               struct assay_error *err)
{
    char **more = NULL;

    if (path != NULL)
        more = assay__realloc(list->path, list->n + 1, sizeof(*more));
    if (more == NULL) {
        assay__free(path);
        return no_memory(err);
    }
    list->path = more;
    list->path[list->n++] = path;
    return ASSAY_OK;
}

/* By its ending; triggers that lie beside models are none. */
static int is_model(const char *name)
{
    static const char *const endings[] = {".safetensors", ".pth",   ".pt",
                                          ".th",          ".onnx",  ".h5",
                                          ".hdf5",        ".keras", ".npz"};
    size_t n = strlen(name);
    size_t i;

    if (name[0] == '.' || strstr(name, ".trigger.") != NULL)
        return 0;
    for (i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
        size_t k = strlen(endings[i]);

        if (n > k && strcmp(name + n - k, endings[i]) == 0)
            return 1;
    }
    return 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int add_folder(struct assay__model_list *list, const char *folder,
                      struct assay_error *err)
{
    DIR *dir = opendir(folder);
    struct dirent *entry;
    size_t before = list->n;
    int code = ASSAY_OK;

    if (dir == NULL)
        return assay_error_set(err, ASSAY_IO, "%.150s cannot be read", folder);
    while (code == ASSAY_OK && (entry = readdir(dir)) != NULL) {
        if (is_model(entry->d_name))
            code = add(list, assay__path_join(folder, entry->d_name), err);
    }
    closedir(dir);
    if (code == ASSAY_OK && list->n == before)
        code = assay_error_set(err, ASSAY_ARG, "%.150s holds no model files",
                               folder);
    if (code == ASSAY_OK)
        qsort(list->path + before, list->n - before, sizeof(*list->path),
              by_name);
    return code;
}

int assay__model_list_make(struct assay__model_list *list,
                           const char *const *name, size_t n,
                           struct assay_error *err)
{
    int code = ASSAY_OK;
    size_t i;

    for (i = 0; i < n && code == ASSAY_OK; i++)
        code = assay__is_dir(name[i]) ? add_folder(list, name[i], err)
                                      : add(list, assay__strdup(name[i]), err);
    return code;
}
