/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Choices of algorithm by the text that names the problem.
 *
 * Rows lie sorted by key and are found by bisection; all access is under
 * one lock, as plans in several threads share a tuning. A choice that is
 * replaced stays allocated until the end, so that what a thread has
 * borrowed stays good while another one puts.
 */

#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#include "assay/plan.h"
#include "core/fs.h"
#include "core/json.h"
#include "core/mem.h"
#include "engine/grow.h"
#include "engine/tuning.h"

enum { MAX_FILE_BYTES = 16 << 20, MAX_TEXT = 4096 };

struct row {
    char *key;
    char *choice;
};

struct assay_tuning {
    pthread_mutex_t lock;
    pthread_mutex_t compiling; /* taken before `lock`, never after */
    struct row *row;           /* by key */
    int n, cap;
    char **retired; /* replaced choices */
    int n_retired, cap_retired;
};

int assay_tuning_new(assay_tuning **out, struct assay_error *err)
{
    assay_tuning *t = assay__calloc(1, sizeof(*t));

    if (!t)
        return assay_error_set(err, ASSAY_NOMEM, "out of memory for tuning");
    pthread_mutex_init(&t->lock, NULL);
    pthread_mutex_init(&t->compiling, NULL);
    *out = t;
    return ASSAY_OK;
}

void assay_tuning_free(assay_tuning *t)
{
    if (!t)
        return;
    for (int i = 0; i < t->n; i++) {
        assay__free(t->row[i].key);
        assay__free(t->row[i].choice);
    }
    for (int i = 0; i < t->n_retired; i++)
        assay__free(t->retired[i]);
    assay__free(t->row);
    assay__free(t->retired);
    pthread_mutex_destroy(&t->lock);
    pthread_mutex_destroy(&t->compiling);
    assay__free(t);
}

/* First row whose key is not less; `*found` whether it is equal. */
static int lower_bound(const assay_tuning *t, const char *key, bool *found)
{
    int low = 0;
    int high = t->n;

    while (low < high) {
        int mid = low + (high - low) / 2;

        if (strcmp(t->row[mid].key, key) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    *found = low < t->n && strcmp(t->row[low].key, key) == 0;
    return low;
}

const char *assay_tuning_get(assay_tuning *t, const char *key)
{
    const char *choice;
    bool found;
    int at;

    pthread_mutex_lock(&t->lock);
    at = lower_bound(t, key, &found);
    choice = found ? t->row[at].choice : NULL;
    pthread_mutex_unlock(&t->lock);
    return choice;
}

/* Take `choice` as that of row `at`, keeping the old text for borrowers. */
static bool replace(assay_tuning *t, int at, char *choice)
{
    char **all =
        assay__grown(t->retired, t->n_retired, &t->cap_retired, sizeof(*all));

    if (!all)
        return false;
    t->retired = all;
    all[t->n_retired++] = t->row[at].choice;
    t->row[at].choice = choice;
    return true;
}

static bool insert(assay_tuning *t, int at, const char *key, char *choice)
{
    struct row *all = assay__grown(t->row, t->n, &t->cap, sizeof(*all));
    char *copy;

    if (!all)
        return false;
    t->row = all;
    copy = assay__strdup(key);
    if (!copy)
        return false;
    memmove(&all[at + 1], &all[at], (size_t)(t->n - at) * sizeof(*all));
    all[at].key = copy;
    all[at].choice = choice;
    t->n++;
    return true;
}

int assay_tuning_put(assay_tuning *t, const char *key, const char *choice,
                     struct assay_error *err)
{
    char *copy = assay__strdup(choice);
    bool found;
    bool ok = copy != NULL;
    int at;

    pthread_mutex_lock(&t->lock);
    at = lower_bound(t, key, &found);
    if (ok && found && strcmp(t->row[at].choice, choice) == 0)
        assay__free(copy);
    else if (ok)
        ok = found ? replace(t, at, copy) : insert(t, at, key, copy);
    pthread_mutex_unlock(&t->lock);
    if (ok)
        return ASSAY_OK;
    assay__free(copy);
    return assay_error_set(err, ASSAY_NOMEM,
                           "out of memory for the choice of '%.100s'", key);
}

static int put_all(assay_tuning *t, json_t *object, const char *path, bool keep,
                   struct assay_error *err)
{
    const char *key;
    json_t *value;
    int code;

    if (!json_is_object(object))
        return assay_error_set(err, ASSAY_FORMAT,
                               "%.150s: must be an object of choices", path);
    json_object_foreach(object, key, value)
    {
        if (!json_is_string(value) || strlen(key) > MAX_TEXT ||
            json_string_length(value) > MAX_TEXT)
            return assay_error_set(err, ASSAY_FORMAT,
                                   "%.100s: the choice of '%.80s' must be "
                                   "text of at most %d bytes",
                                   path, key, MAX_TEXT);
    }
    json_object_foreach(object, key, value)
    {
        if (keep && assay_tuning_get(t, key))
            continue;
        code = assay_tuning_put(t, key, json_string_value(value), err);
        if (code != ASSAY_OK)
            return code;
    }
    return ASSAY_OK;
}

int assay_tuning_read(assay_tuning *t, const char *path,
                      struct assay_error *err)
{
    json_t *object = NULL;
    int code;

    if (!assay__exists(path))
        return ASSAY_OK;
    code = assay__json_read(path, MAX_FILE_BYTES, &object, err);
    if (code == ASSAY_OK)
        code = put_all(t, object, path, false, err);
    json_decref(object);
    return code;
}

/* All rows as a JSON object; NULL when out of memory. */
static json_t *as_object(const assay_tuning *t)
{
    json_t *object = json_object();

    for (int i = 0; i < t->n && object; i++) {
        if (json_object_set_new(object, t->row[i].key,
                                json_string(t->row[i].choice)) != 0) {
            json_decref(object);
            object = NULL;
        }
    }
    return object;
}

/* The lock is no part of the content that const promises to keep. */
static json_t *as_object_locked(const assay_tuning *t)
{
    pthread_mutex_t *lock = (pthread_mutex_t *)(uintptr_t)&t->lock;
    json_t *object;

    pthread_mutex_lock(lock);
    object = as_object(t);
    pthread_mutex_unlock(lock);
    return object;
}

int assay_tuning_write(const assay_tuning *t, const char *path,
                       struct assay_error *err)
{
    json_t *object = as_object_locked(t);
    int code;

    if (!object)
        return assay_error_set(err, ASSAY_NOMEM,
                               "out of memory for writing choices, or one is "
                               "not UTF-8");
    code = assay__json_write(path, object, err);
    json_decref(object);
    return code;
}

char *assay__tuning_text(const assay_tuning *t)
{
    json_t *object = as_object_locked(t);
    char *text = object ? assay__json_text(object) : NULL;

    json_decref(object);
    return text;
}

int assay__tuning_take(assay_tuning *t, const char *text, bool keep,
                       struct assay_error *err)
{
    json_error_t why;
    json_t *object = json_loads(text, JSON_REJECT_DUPLICATES, &why);
    int code;

    if (!object)
        return assay_error_set(err, ASSAY_FORMAT,
                               "choices of algorithm: %.150s", why.text);
    code = put_all(t, object, "choices of algorithm", keep, err);
    json_decref(object);
    return code;
}

void assay__tuning_lock(assay_tuning *t)
{
    pthread_mutex_lock(&t->compiling);
}

void assay__tuning_unlock(assay_tuning *t)
{
    pthread_mutex_unlock(&t->compiling);
}
