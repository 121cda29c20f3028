/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_CORE_FS_H
#define ASSAY_CORE_FS_H

/*
 * Files. Reading takes a cap, so that a stranger's file cannot exhaust
 * memory. Writing is atomic: a temporary file in the same folder, flushed
 * and synced, then renamed; a killed or failed write (a full disk) leaves
 * the old file or none, never half of one. The user's umask decides who may
 * read it. What is neither a file nor a free name (a pipe, /dev/stdout) is
 * written straight. Messages carry the path and the system's reason.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "assay/error.h"

/* The whole file into a fresh block (one NUL after it, not counted). */
int assay__read_file(const char *path, size_t max_bytes, unsigned char **data,
                     size_t *size, struct assay_error *err) ASSAY_MUST_CHECK;

/*
 * The same without a copy: pages come when they are looked at. What is
 * written to the block stays in this process. A file that another program
 * shortens meanwhile ends this one (SIGBUS), as with any mapped file. No NUL
 * follows. Given back with assay__unmap().
 */
int assay__map_file(const char *path, size_t max_bytes, unsigned char **data,
                    size_t *size, struct assay_error *err) ASSAY_MUST_CHECK;
void assay__unmap(unsigned char *data, size_t size);

/*
 * Several files in the folder of `path`, by their names alone, mapped behind
 * each other in one block, each from a new page on. Links are not followed.
 * `*size` is the cap on all of them together, then the block's size.
 */
struct assay__mapped {
    unsigned char *data;
    size_t size;
};
int assay__map_beside(const char *path, const char *const *name, size_t n,
                      struct assay__mapped *part, unsigned char **data,
                      size_t *size, struct assay_error *err) ASSAY_MUST_CHECK;

struct assay__writer {
    FILE *file;
    char *path;
    char *temp;
    /* Set after opening: do not wait for the disk. For one of many files that
     * can be made again: after a loss of power it may be empty. */
    bool unsynced;
};

/* Open a temporary beside `path`; write to w->file; then commit or abandon.
 * After commit or abandon the writer is empty, whatever the result. */
int assay__writer_open(struct assay__writer *w, const char *path,
                       struct assay_error *err) ASSAY_MUST_CHECK;
int assay__writer_commit(struct assay__writer *w,
                         struct assay_error *err) ASSAY_MUST_CHECK;
void assay__writer_abandon(struct assay__writer *w);

/* The three in one. */
int assay__write_file(const char *path, const void *data, size_t size,
                      struct assay_error *err) ASSAY_MUST_CHECK;

bool assay__exists(const char *path);
bool assay__is_dir(const char *path);
/* mkdir -p. */
int assay__make_dir(const char *path, struct assay_error *err) ASSAY_MUST_CHECK;
/* A folder of files, with these; folders in it stay, and so does it then. */
void assay__remove_dir(const char *path);
/*
 * Lock a folder for one process, by flock() on its .lock, which goes with the
 * process however it ends. `work` names who works there ("audit") for the
 * message when another does (_IO). *fd is closed with assay__unlock_dir(); it
 * is -1, with ASSAY_OK, where the file system knows no locks.
 */
int assay__lock_dir(const char *path, const char *work, int *fd,
                    struct assay_error *err) ASSAY_MUST_CHECK;
void assay__unlock_dir(int fd);
/* "a/b" fresh, NULL when out of memory. */
char *assay__path_join(const char *a, const char *b);

enum { ASSAY__SHA256_TEXT = 65 }; /* 64 hex digits and NUL */

/* SHA-256 in hex (libcrypto). Incremental: begin, add ..., end. */
struct assay__sha256 {
    void *state;
};
int assay__sha256_begin(struct assay__sha256 *h) ASSAY_MUST_CHECK;
void assay__sha256_add(struct assay__sha256 *h, const void *data, size_t size);
void assay__sha256_end(struct assay__sha256 *h, char text[ASSAY__SHA256_TEXT]);
int assay__sha256_file(const char *path, char text[ASSAY__SHA256_TEXT],
                       struct assay_error *err) ASSAY_MUST_CHECK;

#endif
