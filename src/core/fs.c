/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files; see fs.h. A writer's life: open a temporary in the target's own
 * folder, fill it, then flush, sync, rename and sync the folder. Whatever
 * fails on the way, the temporary is removed and the target stays as it was.
 */

#include "core/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/mem.h"

static int fail(struct assay_error *err, const char *path, const char *what)
{
    return assay_error_set(err, ASSAY_IO, "%s: cannot %s: %s", path, what,
                           strerror(errno));
}

/* Size of a regular file, checked against the cap. */
static int file_size(FILE *f, const char *path, size_t max_bytes, size_t *size,
                     struct assay_error *err)
{
    struct stat st;

    if (fstat(fileno(f), &st) != 0)
        return fail(err, path, "examine");
    if (!S_ISREG(st.st_mode))
        return assay_error_set(err, ASSAY_IO, "%s: not a regular file", path);
    if ((uintmax_t)st.st_size > max_bytes)
        return assay_error_set(err, ASSAY_LIMIT,
                               "%s: %jd bytes; at most %zu are read", path,
                               (intmax_t)st.st_size, max_bytes);
    *size = (size_t)st.st_size;
    return ASSAY_OK;
}

int assay__read_file(const char *path, size_t max_bytes, unsigned char **data,
                     size_t *size, struct assay_error *err)
{
    unsigned char *block = NULL;
    size_t n = 0;
    FILE *f = fopen(path, "rb");
    int rc;

    if (!f)
        return fail(err, path, "open");
    rc = file_size(f, path, max_bytes, &n, err);
    if (rc)
        goto out;
    block = assay__malloc(n + 1);
    if (!block) {
        rc = assay_error_set(err, ASSAY_NOMEM,
                             "%s: out of memory for %zu "
                             "bytes",
                             path, n);
        goto out;
    }
    if (fread(block, 1, n, f) != n) {
        rc = ferror(f)
                 ? fail(err, path, "read")
                 : assay_error_set(err, ASSAY_IO,
                                   "%s: became shorter while being read", path);
        goto out;
    }
    block[n] = 0;
    *data = block;
    *size = n;
    block = NULL;
out:
    assay__free(block);
    fclose(f);
    return rc;
}

/* The length of the folder part of a path, slash included. */
static size_t folder_length(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? (size_t)(slash - path) + 1 : 0;
}

static void writer_clear(struct assay__writer *w)
{
    assay__free(w->path);
    assay__free(w->temp);
    memset(w, 0, sizeof(*w));
}

int assay__writer_open(struct assay__writer *w, const char *path,
                       struct assay_error *err)
{
    size_t folder = folder_length(path);
    int fd = -1;
    int rc;

    memset(w, 0, sizeof(*w));
    w->path = assay__strdup(path);
    w->temp = assay__format("%.*s.%s.XXXXXX", (int)folder, path, path + folder);
    if (!w->path || !w->temp) {
        writer_clear(w);
        return assay_error_set(err, ASSAY_NOMEM, "%s: out of memory", path);
    }
    fd = mkostemp(w->temp, O_CLOEXEC);
    if (fd >= 0 && fchmod(fd, 0644) == 0)
        w->file = fdopen(fd, "wb");
    if (w->file)
        return ASSAY_OK;
    rc = fail(err, path, "write");
    if (fd >= 0) {
        close(fd);
        unlink(w->temp);
    }
    writer_clear(w);
    return rc;
}

/* A rename is durable once its folder is. */
static void sync_folder(const char *path)
{
    size_t folder = folder_length(path);
    char *name =
        folder ? assay__format("%.*s", (int)folder, path) : assay__strdup(".");
    int fd = name ? open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
    assay__free(name);
}

int assay__writer_commit(struct assay__writer *w, struct assay_error *err)
{
    int failed = ferror(w->file);
    int reason = failed ? ENOSPC : 0;

    if (!failed && (fflush(w->file) != 0 || fsync(fileno(w->file)) != 0)) {
        failed = 1;
        reason = errno;
    }
    if (fclose(w->file) != 0 && !failed) {
        failed = 1;
        reason = errno;
    }
    w->file = NULL;
    if (!failed && rename(w->temp, w->path) != 0) {
        failed = 1;
        reason = errno;
    }
    if (failed) {
        errno = reason;
        fail(err, w->path, "write");
        unlink(w->temp);
    } else {
        sync_folder(w->path);
    }
    writer_clear(w);
    return failed ? ASSAY_IO : ASSAY_OK;
}

void assay__writer_abandon(struct assay__writer *w)
{
    if (w->file)
        fclose(w->file);
    if (w->temp)
        unlink(w->temp);
    writer_clear(w);
}

int assay__write_file(const char *path, const void *data, size_t size,
                      struct assay_error *err)
{
    struct assay__writer w;
    int rc = assay__writer_open(&w, path, err);

    if (rc)
        return rc;
    if (fwrite(data, 1, size, w.file) != size) {
        rc = fail(err, path, "write");
        assay__writer_abandon(&w);
        return rc;
    }
    return assay__writer_commit(&w, err);
}

bool assay__exists(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0;
}

bool assay__is_dir(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

int assay__make_dir(const char *path, struct assay_error *err)
{
    char *copy = assay__strdup(path);
    int rc = ASSAY_OK;

    if (!copy)
        return assay_error_set(err, ASSAY_NOMEM, "%s: out of memory", path);
    for (char *p = copy + 1; !rc && *copy; p++) {
        char kept = *p;

        if (kept != '/' && kept != 0)
            continue;
        *p = 0;
        if (mkdir(copy, 0755) != 0 && (errno != EEXIST || !assay__is_dir(copy)))
            rc = fail(err, copy, "make the folder");
        *p = kept;
        if (!kept)
            break;
    }
    assay__free(copy);
    return rc;
}

char *assay__path_join(const char *a, const char *b)
{
    size_t n = strlen(a);

    return assay__format("%s%s%s", a, n && a[n - 1] == '/' ? "" : "/", b);
}
