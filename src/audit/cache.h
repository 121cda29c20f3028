/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_AUDIT_CACHE_H
#define ASSAY_AUDIT_CACHE_H

/*
 * A run folder and its manifest: which files are there, and of what each is
 * a function. An artefact's inputs are a flat JSON object of everything that
 * determines it; its key is the SHA-256 of that object as text. A file is
 * used again when the manifest has it under the same key and its bytes have
 * the SHA-256 that was noted when it was written; so neither a changed
 * input, nor a swapped or half-copied file goes unnoticed.
 *
 * The manifest is written after each artefact: after a kill at most the
 * artefact in progress is unknown to it.
 *
 * Who has a folder open holds a lock on DIR/.lock (flock: it goes with the
 * process, however that ends); the file itself stays. Two writers of one
 * manifest would forget each other's artefacts and mix their files.
 */

#include <jansson.h>
#include <stdbool.h>

#include "assay/context.h"

struct assay__cache {
    char *dir;
    char *library; /* models in common with other folders, or NULL */
    json_t *manifest;
    bool locked;
    int lock;                        /* descriptor of DIR/.lock, when locked */
    const struct assay_context *ctx; /* borrowed */
};

/*
 * Make the folder and its sub-folders when missing, try that files can be
 * written there, lock it until it is closed, read an older manifest. A
 * manifest that cannot be read is logged and ignored: its artefacts are made
 * anew. ASSAY_IO when another audit has the folder open; a file system
 * without locks is logged, and used.
 */
int assay__cache_open(struct assay__cache *cache, const char *dir,
                      const struct assay_context *ctx,
                      struct assay_error *err) ASSAY_MUST_CHECK;
/* The folder as it is, if it is: for plans. Nothing is made, written or
 * locked, and nothing may be recorded. */
int assay__cache_look(struct assay__cache *cache, const char *dir,
                      const struct assay_context *ctx,
                      struct assay_error *err) ASSAY_MUST_CHECK;
void assay__cache_close(struct assay__cache *cache);

/* "DIR/path", fresh. */
char *assay__cache_path(const struct assay__cache *cache, const char *path);

/* Key of inputs into text[65]. */
int assay__cache_key(const json_t *inputs, char text[65],
                     struct assay_error *err) ASSAY_MUST_CHECK;

/*
 * Whether the artefact `path` (in the folder) may be used. When it may not
 * though there is an older one, a log line says which inputs changed.
 */
bool assay__cache_has(const struct assay__cache *cache, const char *path,
                      json_t *inputs);
/* The same without a word, for plans. */
bool assay__cache_peek(const struct assay__cache *cache, const char *path,
                       json_t *inputs);

/* Whether the file of a recorded artefact is still what was written, for
 * those who are about to open it by name: else ASSAY_DATA. */
int assay__cache_check(const struct assay__cache *cache, const char *path,
                       struct assay_error *err) ASSAY_MUST_CHECK;

/* The names of the inputs that differ, ", " between, into text. */
void assay__cache_changed(json_t *old_inputs, json_t *inputs, char *text,
                          size_t size);

/* Note a finished artefact (its file is in place) and write the manifest.
 * `inputs` is borrowed; `seconds` is what it took. */
int assay__cache_record(struct assay__cache *cache, const char *path,
                        const json_t *inputs, double seconds,
                        struct assay_error *err) ASSAY_MUST_CHECK;

/* Set a top-level entry of the manifest, taking the reference; written with
 * the next artefact or by assay__cache_write(). */
int assay__cache_set(struct assay__cache *cache, const char *name,
                     json_t *value, struct assay_error *err) ASSAY_MUST_CHECK;
int assay__cache_write(struct assay__cache *cache,
                       struct assay_error *err) ASSAY_MUST_CHECK;

/* JSON as one line with sorted keys, fresh (assay__free); NULL when out of
 * memory or `value` is NULL. */
char *assay__json_line(const json_t *value);

#endif
