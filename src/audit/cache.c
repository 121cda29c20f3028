/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The manifest as an index of artefacts:
 *   "artefacts": {"models/target.safetensors":
 *       {"key", "inputs": {...}, "sha256", "seconds"}}
 * Other top-level entries (command, host, times) are written by run.c.
 */

#include "audit/cache.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/fs.h"
#include "core/json.h"
#include "core/mem.h"

static const char manifest_schema[] = "assay-manifest/1";
enum { MANIFEST_MAX_BYTES = 64 << 20 };

static const char *const subfolders[] = {"models", "evidence", "scores",
                                         "exposed", "pictures"};

static int add_to_buffer(const char *text, size_t size, void *buffer)
{
    assay__buf_add(buffer, text, size);
    return 0;
}

char *assay__json_line(const json_t *value)
{
    struct assay__buf buffer = ASSAY__BUF_INIT;

    if (value == NULL ||
        json_dump_callback(value, add_to_buffer, &buffer,
                           JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY |
                               JSON_REAL_PRECISION(17)) != 0 ||
        buffer.failed) {
        assay__buf_release(&buffer);
        return NULL;
    }
    return buffer.data;
}

char *assay__cache_path(const struct assay__cache *cache, const char *path)
{
    return assay__path_join(cache->dir, path);
}

/* Writes and removes a small file: the way a full or read-only folder is
 * found before hours of training. */
static int try_write(const char *dir, struct assay_error *err)
{
    char *path = assay__format("%s/.write-test-%ld", dir, (long)getpid());
    int code;

    if (path == NULL)
        return assay_error_set(err, ASSAY_NOMEM, "run folder %s", dir);
    code = assay__write_file(path, "assay\n", 6, err);
    if (code == ASSAY_OK)
        (void)unlink(path);
    else
        code = assay_error_prefix(err, code, "run folder %.80s", dir);
    assay__free(path);
    return code;
}

static int make_folders(const char *dir, struct assay_error *err)
{
    size_t i;
    int code = assay__make_dir(dir, err);

    for (i = 0;
         code == ASSAY_OK && i < sizeof(subfolders) / sizeof(subfolders[0]);
         i++) {
        char *path = assay__path_join(dir, subfolders[i]);

        if (path == NULL)
            return assay_error_set(err, ASSAY_NOMEM, "run folder %s", dir);
        code = assay__make_dir(path, err);
        assay__free(path);
    }
    if (code != ASSAY_OK)
        return code;
    return try_write(dir, err);
}

static int lock_folder(struct assay__cache *cache, struct assay_error *err)
{
    int code = assay__lock_dir(cache->dir, "audit", &cache->lock, err);

    cache->locked = cache->lock >= 0;
    if (code == ASSAY_OK && !cache->locked)
        assay_log(cache->ctx, ASSAY_LOG_WARNING,
                  "run folder %s: no locks there; run no second audit in it "
                  "meanwhile",
                  cache->dir);
    return code == ASSAY_OK ? code
                            : assay_error_prefix(err, code, "run folder");
}

static json_t *read_manifest(const char *path, const struct assay_context *ctx)
{
    struct assay_error err;
    json_t *manifest = NULL;
    const char *schema;

    if (!assay__exists(path))
        return NULL;
    if (assay__json_read(path, MANIFEST_MAX_BYTES, &manifest, &err) !=
        ASSAY_OK) {
        assay_log(ctx, ASSAY_LOG_WARNING, "%s; starting afresh", err.msg);
        return NULL;
    }
    schema = json_string_value(json_object_get(manifest, "schema"));
    if (schema == NULL || strcmp(schema, manifest_schema) != 0) {
        assay_log(ctx, ASSAY_LOG_WARNING,
                  "%s: schema is \"%.40s\", not \"%s\"; starting afresh", path,
                  schema != NULL ? schema : "(none)", manifest_schema);
        json_decref(manifest);
        return NULL;
    }
    return manifest;
}

/* The artefacts of an older manifest, when there are any. */
static int take_manifest(struct assay__cache *cache, struct assay_error *err)
{
    char *path = assay__path_join(cache->dir, "manifest.json");
    json_t *artefacts;
    json_t *old;

    if (path == NULL)
        return assay_error_set(err, ASSAY_NOMEM, "run folder %s", cache->dir);
    old = read_manifest(path, cache->ctx);
    assay__free(path);
    artefacts = json_object_get(old, "artefacts");
    if (json_is_object(artefacts))
        json_object_set(cache->manifest, "artefacts", artefacts);
    else
        json_object_set_new(cache->manifest, "artefacts", json_object());
    json_decref(old);
    return assay__cache_set(cache, "schema", json_string(manifest_schema), err);
}

static int start(struct assay__cache *cache, const char *dir,
                 const struct assay_context *ctx, struct assay_error *err)
{
    memset(cache, 0, sizeof(*cache));
    cache->ctx = ctx;
    cache->dir = assay__strdup(dir);
    cache->manifest = json_object();
    if (cache->dir == NULL || cache->manifest == NULL)
        return assay_error_set(err, ASSAY_NOMEM, "run folder %s", dir);
    return ASSAY_OK;
}

int assay__cache_open(struct assay__cache *cache, const char *dir,
                      const struct assay_context *ctx, struct assay_error *err)
{
    int code = start(cache, dir, ctx, err);

    if (code == ASSAY_OK)
        code = make_folders(dir, err);
    if (code == ASSAY_OK)
        code = lock_folder(cache, err);
    if (code == ASSAY_OK)
        code = take_manifest(cache, err);
    return code;
}

int assay__cache_look(struct assay__cache *cache, const char *dir,
                      const struct assay_context *ctx, struct assay_error *err)
{
    int code = start(cache, dir, ctx, err);

    if (code == ASSAY_OK && assay__exists(dir) && !assay__is_dir(dir))
        code = assay_error_set(err, ASSAY_IO, "run folder %.200s: not a folder",
                               dir);
    if (code == ASSAY_OK)
        code = take_manifest(cache, err);
    return code;
}

void assay__cache_close(struct assay__cache *cache)
{
    if (cache->locked)
        assay__unlock_dir(cache->lock);
    json_decref(cache->manifest);
    assay__free(cache->dir);
    assay__free(cache->library);
    memset(cache, 0, sizeof(*cache));
}

int assay__cache_key(const json_t *inputs, char text[65],
                     struct assay_error *err)
{
    struct assay__sha256 hash;
    char *line = assay__json_line(inputs);
    int code;

    if (line == NULL)
        return assay_error_set(err, ASSAY_NOMEM, "key of an artefact");
    code = assay__sha256_begin(&hash);
    if (code == ASSAY_OK) {
        assay__sha256_add(&hash, line, strlen(line));
        assay__sha256_end(&hash, text);
    } else {
        code = assay_error_set(err, code, "key of an artefact");
    }
    assay__free(line);
    return code;
}

static const json_t *find(const struct assay__cache *cache, const char *path)
{
    return json_object_get(json_object_get(cache->manifest, "artefacts"), path);
}

static bool same_key(const json_t *entry, const json_t *inputs)
{
    const char *old = json_string_value(json_object_get(entry, "key"));
    char key[65];

    return old != NULL && assay__cache_key(inputs, key, NULL) == ASSAY_OK &&
           strcmp(old, key) == 0;
}

static bool file_is_there(const struct assay__cache *cache, const char *path)
{
    char *full = assay__cache_path(cache, path);
    bool there = full != NULL && assay__exists(full);

    assay__free(full);
    return there;
}

static bool file_is_same(const struct assay__cache *cache, const char *path,
                         const json_t *entry)
{
    const char *noted = json_string_value(json_object_get(entry, "sha256"));
    char *full = assay__cache_path(cache, path);
    char now[65];
    bool same;

    same = full != NULL && noted != NULL &&
           assay__sha256_file(full, now, NULL) == ASSAY_OK &&
           strcmp(noted, now) == 0;
    assay__free(full);
    return same;
}

void assay__cache_changed(json_t *old_inputs, json_t *inputs, char *text,
                          size_t size)
{
    const char *name;
    const json_t *value;
    size_t used = 0;

    text[0] = '\0';
    json_object_foreach(inputs, name, value)
    {
        if (!json_equal(json_object_get(old_inputs, name), value) &&
            used < size)
            used += (size_t)snprintf(text + used, size - used, "%s%s",
                                     used > 0 ? ", " : "", name);
    }
    json_object_foreach(old_inputs, name, value)
    {
        if (json_object_get(inputs, name) == NULL && used < size)
            used += (size_t)snprintf(text + used, size - used, "%s%s",
                                     used > 0 ? ", " : "", name);
    }
}

bool assay__cache_peek(const struct assay__cache *cache, const char *path,
                       json_t *inputs)
{
    const json_t *entry = find(cache, path);

    return entry != NULL && same_key(entry, inputs) &&
           file_is_there(cache, path);
}

bool assay__cache_has(const struct assay__cache *cache, const char *path,
                      json_t *inputs)
{
    const json_t *entry = find(cache, path);
    char changed[160];

    if (entry == NULL)
        return false;
    if (!same_key(entry, inputs)) {
        assay__cache_changed(json_object_get(entry, "inputs"), inputs, changed,
                             sizeof(changed));
        assay_log(cache->ctx, ASSAY_LOG_INFO,
                  "%s is made anew: changed since the last run: %s", path,
                  changed);
        return false;
    }
    if (!file_is_there(cache, path)) {
        assay_log(cache->ctx, ASSAY_LOG_INFO,
                  "%s is made anew: the file is gone", path);
        return false;
    }
    if (!file_is_same(cache, path, entry)) {
        assay_log(cache->ctx, ASSAY_LOG_WARNING,
                  "%s is made anew: the file's content is not what was "
                  "written",
                  path);
        return false;
    }
    return true;
}

int assay__cache_check(const struct assay__cache *cache, const char *path,
                       struct assay_error *err)
{
    const json_t *entry = find(cache, path);

    if (entry != NULL && file_is_same(cache, path, entry))
        return ASSAY_OK;
    return assay_error_set(err, ASSAY_DATA,
                           "%.100s/%.80s is not what this audit wrote or "
                           "found there; something else changes the folder",
                           cache->dir, path);
}

int assay__cache_record(struct assay__cache *cache, const char *path,
                        const json_t *inputs, double seconds,
                        struct assay_error *err)
{
    char *full = assay__cache_path(cache, path);
    json_t *entry = NULL;
    char key[65];
    char sha256[65];
    int code;

    if (full == NULL)
        return assay_error_set(err, ASSAY_NOMEM, "%s", path);
    code = assay__cache_key(inputs, key, err);
    if (code == ASSAY_OK)
        code = assay__sha256_file(full, sha256, err);
    assay__free(full);
    if (code != ASSAY_OK)
        return code;
    entry = json_pack("{s:s, s:s, s:o, s:o}", "key", key, "sha256", sha256,
                      "inputs", json_deep_copy(inputs), "seconds",
                      assay__json_real(seconds));
    if (entry == NULL ||
        json_object_set_new(json_object_get(cache->manifest, "artefacts"), path,
                            entry) != 0)
        return assay_error_set(err, ASSAY_NOMEM, "manifest entry of %s", path);
    return assay__cache_write(cache, err);
}

int assay__cache_set(struct assay__cache *cache, const char *name,
                     json_t *value, struct assay_error *err)
{
    if (value == NULL || json_object_set_new(cache->manifest, name, value) != 0)
        return assay_error_set(err, ASSAY_NOMEM, "manifest entry %s", name);
    return ASSAY_OK;
}

int assay__cache_write(struct assay__cache *cache, struct assay_error *err)
{
    char *path = assay__cache_path(cache, "manifest.json");
    int code;

    if (path == NULL)
        return assay_error_set(err, ASSAY_NOMEM, "manifest.json");
    code = assay__json_write(path, cache->manifest, err);
    assay__free(path);
    return code;
}
