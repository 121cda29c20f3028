/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Results that are kept in the folder, found/NAME.json, each with the hash
 * of all that determines it. The folder is our own, but a disk can be full
 * and a hand can slip: what is read back is believed only when it has the
 * shape of what was written, else it is made again.
 */

#include <string.h>

#include "core/fs.h"
#include "core/json.h"
#include "core/mem.h"
#include "trust/trust.h"

enum { FILE_MAX = 64 << 20, ITEMS_MAX = 1 << 22 };

int assay__kept_key(const char *text, char key[65], struct assay_error *err)
{
    struct assay__sha256 h;

    if (!text || assay__sha256_begin(&h))
        return assay_error_set(err, ASSAY_NOMEM, "out of memory for a key");
    assay__sha256_add(&h, text, strlen(text));
    assay__sha256_end(&h, key);
    return ASSAY_OK;
}

json_t *assay__kept_read(const char *path, const char *key)
{
    struct assay_error ignored;
    json_t *root = NULL;
    json_t *found = NULL;

    if (assay__exists(path) &&
        assay__json_read(path, FILE_MAX, &root, &ignored) == ASSAY_OK) {
        const char *there = json_string_value(json_object_get(root, "key"));

        if (there && strcmp(there, key) == 0)
            found = json_incref(json_object_get(root, "found"));
    }
    json_decref(root);
    return found;
}

int assay__kept_write(const char *path, const char *key, json_t *found,
                      struct assay_error *err)
{
    json_t *root = json_pack("{s:s, s:O}", "key", key, "found", found);
    int rc = root ? assay__json_write(path, root, err)
                  : assay_error_set(err, ASSAY_NOMEM, "out of memory");

    json_decref(root);
    return rc;
}

int assay__kept_says(const json_t *object, const char *key, const char *want)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text && strcmp(text, want) == 0;
}

int assay__kept_number(const json_t *object, const char *key)
{
    const json_t *v = json_object_get(object, key);

    return json_is_number(v) || json_is_null(v);
}

/* A list of numbers, some of them missing; or null. */
static int numbers(const json_t *object, const char *key)
{
    const json_t *list = json_object_get(object, key);
    const json_t *v;
    size_t i;

    if (json_is_null(list))
        return 1;
    if (!json_is_array(list) || json_array_size(list) > ITEMS_MAX)
        return 0;
    json_array_foreach(list, i, v)
    {
        if (!json_is_number(v) && !json_is_null(v))
            return 0;
    }
    return 1;
}

static int changes(const json_t *list)
{
    static const char *const keys[] = {"weights", "changed", "largest",
                                       "relative", "p_value"};
    const json_t *change;
    size_t i;

    if (!json_is_array(list))
        return 0;
    json_array_foreach(list, i, change)
    {
        if (!json_is_string(json_object_get(change, "tensor")))
            return 0;
        for (size_t k = 0; k < sizeof(keys) / sizeof(*keys); k++)
            if (!assay__kept_number(change, keys[k]))
                return 0;
    }
    return 1;
}

int assay__kept_share(const json_t *object, const char *key)
{
    const json_t *v = json_object_get(object, key);

    return !v || json_is_null(v) ||
           (assay__kept_number(v, "value") && assay__kept_number(v, "low") &&
            assay__kept_number(v, "high"));
}

/* A file of ours that is named, and there. */
static int file(const json_t *found, const char *key, const char *folder,
                const char *stem, const char *ending, int *fits)
{
    char *want;
    char *path;

    if (!json_object_get(found, key))
        return ASSAY_OK;
    want = assay__format("%s%s", stem, ending);
    path = want ? assay__path_join(folder, want) : NULL;
    *fits = *fits && path && assay__kept_says(found, key, want) &&
            assay__exists(path);
    assay__free(path);
    assay__free(want);
    return path ? ASSAY_OK : ASSAY_NOMEM;
}

static int ran_fits(const json_t *found)
{
    const json_t *target = json_object_get(found, "target");

    return json_is_object(json_object_get(found, "params")) &&
           assay__kept_number(found, "score") &&
           assay__kept_number(found, "threshold") &&
           assay__kept_number(found, "p_value") &&
           (json_is_null(target) ||
            (json_is_integer(target) && json_integer_value(target) >= 0)) &&
           numbers(found, "per_class") && numbers(found, "records") &&
           changes(json_object_get(found, "changes")) &&
           json_is_string(json_object_get(found, "note")) &&
           assay__kept_number(found, "seconds") &&
           assay__kept_share(found, "accused") &&
           assay__kept_share(found, "false_alarms");
}

int assay__kept_detection(const json_t *found, const struct assay_detector *d,
                          const char *folder, const char *stem, int *fits,
                          struct assay_error *err)
{
    *fits = json_is_object(found) && assay__kept_says(found, "name", d->name) &&
            assay__kept_says(found, "title", d->title) &&
            assay__kept_says(found, "summary", d->summary) &&
            assay__kept_says(found, "cites", d->cites) &&
            assay__kept_says(found, "subject",
                             assay_detector_subject_name(d->subject));
    if (assay__kept_says(found, "status", "not run"))
        *fits = *fits && json_is_string(json_object_get(found, "why"));
    else
        *fits = *fits && assay__kept_says(found, "status", "ran") &&
                ran_fits(found);
    if (file(found, "trigger", folder, stem, ".safetensors", fits) ||
        file(found, "picture", folder, stem, ".png", fits))
        return assay_error_set(err, ASSAY_NOMEM, "out of memory");
    return ASSAY_OK;
}
