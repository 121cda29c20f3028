/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A library: models that several run folders have in common, by key. The
 * key is the hash of all that determines a model, so whoever needs the same
 * one, under whatever name, takes it instead of training it again. Of a
 * model KEY there are KEY.safetensors, KEY.json (its sidecar), and KEY.note,
 * written last: the hash of the weights and the seconds they took. A model
 * without a note, or with another hash, is not there.
 *
 * Files are linked, not copied, where the file system lets them: nobody
 * changes them in place.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "audit/audit.h"
#include "core/fs.h"
#include "core/json.h"
#include "core/mem.h"

/* "LIBRARY/KEY.suffix", fresh. */
static char *place(const struct assay__cache *cache, const char *key,
                   const char *suffix)
{
    return assay__format("%s/%s.%s", cache->library, key, suffix);
}

/* "models/a.safetensors" to "DIR/models/a.json", fresh. */
static char *sidecar(const struct assay__cache *cache, const char *path)
{
    const char *dot = strrchr(path, '.');

    return assay__format("%s/%.*s.json", cache->dir, (int)(dot - path), path);
}

static int copy(const char *from, const char *to, struct assay_error *err)
{
    unsigned char *data = NULL;
    size_t size = 0;
    int code = assay__read_file(from, SIZE_MAX / 2, &data, &size, err);

    if (code == ASSAY_OK)
        code = assay__write_file(to, data, size, err);
    assay__free(data);
    return code;
}

/* `to` becomes the same file, or one like it. */
static int same_file(const char *from, const char *to, struct assay_error *err)
{
    if (from == NULL || to == NULL)
        return assay_error_set(err, ASSAY_NOMEM, "library");
    if (unlink(to) != 0 && errno != ENOENT)
        return assay_error_set(err, ASSAY_IO, "%.200s: cannot be replaced", to);
    if (link(from, to) == 0)
        return ASSAY_OK;
    return copy(from, to, err);
}

/* The note of a model whose weights are what it says, or NULL. */
static json_t *note_of(const struct assay__cache *cache, const char *key)
{
    char *note = place(cache, key, "note");
    char *weights = place(cache, key, "safetensors");
    json_t *root = NULL;
    char now[ASSAY__SHA256_TEXT];
    const char *noted;

    if (note != NULL && weights != NULL && assay__exists(note))
        root = json_load_file(note, 0, NULL);
    noted = json_string_value(json_object_get(root, "sha256"));
    if (noted == NULL || assay__sha256_file(weights, now, NULL) != ASSAY_OK ||
        strcmp(noted, now) != 0) {
        json_decref(root);
        root = NULL;
    }
    assay__free(note);
    assay__free(weights);
    return root;
}

bool assay__library_peek(const struct assay__cache *cache, const char *key)
{
    char *note;
    bool there;

    if (cache->library == NULL)
        return false;
    note = place(cache, key, "note");
    there = note != NULL && assay__exists(note);
    assay__free(note);
    return there;
}

static int fetch(struct assay__cache *cache, const char *path, const char *key,
                 struct assay_error *err)
{
    char *weights = place(cache, key, "safetensors");
    char *side = place(cache, key, "json");
    char *to_weights = assay__cache_path(cache, path);
    char *to_side = sidecar(cache, path);
    int code = same_file(side, to_side, err);

    if (code == ASSAY_OK)
        code = same_file(weights, to_weights, err);
    assay__free(weights);
    assay__free(side);
    assay__free(to_weights);
    assay__free(to_side);
    return code;
}

int assay__library_take(struct assay__cache *cache, const char *path,
                        const json_t *inputs, const char *key, bool *taken,
                        struct assay_error *err)
{
    json_t *note = NULL;
    int code = ASSAY_OK;

    *taken = false;
    if (cache->library != NULL)
        note = note_of(cache, key);
    if (note == NULL)
        return ASSAY_OK;
    code = fetch(cache, path, key, err);
    if (code == ASSAY_OK)
        code = assay__cache_record(
            cache, path, inputs,
            json_number_value(json_object_get(note, "seconds")), err);
    if (code == ASSAY_OK) {
        assay_log(cache->ctx, ASSAY_LOG_INFO, "%s is taken from the library",
                  path);
        *taken = true;
    }
    json_decref(note);
    return code;
}

int assay__library_give(const struct assay__cache *cache, const char *path,
                        const char *key, double seconds,
                        struct assay_error *err)
{
    char *weights;
    char *side;
    char *from_weights;
    char *from_side;
    char *note;
    char sha256[ASSAY__SHA256_TEXT];
    json_t *root = NULL;
    int code;

    if (cache->library == NULL)
        return ASSAY_OK;
    weights = place(cache, key, "safetensors");
    side = place(cache, key, "json");
    note = place(cache, key, "note");
    from_weights = assay__cache_path(cache, path);
    from_side = sidecar(cache, path);
    code = assay__make_dir(cache->library, err);
    if (code == ASSAY_OK)
        code = same_file(from_side, side, err);
    if (code == ASSAY_OK)
        code = same_file(from_weights, weights, err);
    if (code == ASSAY_OK)
        code = assay__sha256_file(weights, sha256, err);
    if (code == ASSAY_OK) {
        root = json_pack("{s:s, s:o}", "sha256", sha256, "seconds",
                         assay__json_real(seconds));
        code = root == NULL || note == NULL
                   ? assay_error_set(err, ASSAY_NOMEM, "library")
                   : assay__json_write(note, root, err);
    }
    json_decref(root);
    assay__free(weights);
    assay__free(side);
    assay__free(note);
    assay__free(from_weights);
    assay__free(from_side);
    return code;
}
