/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Atomic writing (fs.h). The temporary is hidden, beside the final file (a
 * rename must not cross file systems), and named after it, the process and
 * a random number. Order of a commit: flush, sync the file, rename, sync
 * the folder; what goes wrong at any step removes the temporary. What is
 * neither file nor free name (a pipe, /dev/stdout, /dev/full) is written
 * straight: there is nothing to replace.
 */

#include "core/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/mem.h"

static int fail(struct assay_error *err, const char *path, const char *what)
{
    return assay_error_set(err, ASSAY_IO, "%s: cannot %s: %s", path, what,
                           strerror(errno));
}

static bool is_special(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode);
}

/* "folder/.base.123-89abcdef.tmp"; NULL when out of memory. */
static char *temp_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *base = slash ? slash + 1 : path;
    uint32_t salt = 0;

    /* Uniqueness alone is wanted: O_EXCL decides, a retry draws again. */
    if (getrandom(&salt, sizeof salt, GRND_NONBLOCK) != sizeof salt)
        salt = (uint32_t)(uintptr_t)&salt;
    return assay__format("%.*s.%.200s.%ld-%08" PRIx32 ".tmp",
                         (int)(base - path), path, base, (long)getpid(), salt);
}

static int open_temp(struct assay__writer *w)
{
    int tries;
    int fd = -1;

    for (tries = 0; fd < 0 && tries < 16; tries++) {
        assay__free(w->temp);
        w->temp = temp_name(w->path);
        if (!w->temp) {
            errno = ENOMEM;
            return -1;
        }
        fd = open(w->temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd < 0 && errno != EEXIST)
            break;
    }
    if (fd < 0) {
        assay__free(w->temp);
        w->temp = NULL;
    }
    return fd;
}

int assay__writer_open(struct assay__writer *w, const char *path,
                       struct assay_error *err)
{
    int code;
    int fd;

    memset(w, 0, sizeof *w);
    if (assay__is_dir(path))
        return assay_error_set(err, ASSAY_IO,
                               "%s: cannot write: it is a folder", path);
    w->path = assay__strdup(path);
    if (!w->path)
        return assay_error_set(err, ASSAY_NOMEM, "%s: out of memory", path);
    fd = is_special(path) ? open(path, O_WRONLY | O_CLOEXEC) : open_temp(w);
    if (fd >= 0)
        w->file = fdopen(fd, "wb");
    if (w->file)
        return ASSAY_OK;
    if (errno == ENOMEM)
        code = assay_error_set(err, ASSAY_NOMEM, "%s: out of memory", path);
    else
        code = fail(err, path, "write");
    if (fd >= 0)
        close(fd);
    assay__writer_abandon(w);
    return code;
}

/* Bring the folder's new entry to disk. File systems that cannot sync a
 * folder say EINVAL, unreadable folders EACCES: neither loses the file. */
static int sync_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder;
    int failed;
    int fd;

    if (!slash)
        folder = assay__strdup(".");
    else
        folder = assay__format("%.*s", (int)(slash - path) + 1, path);
    fd = folder ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    assay__free(folder);
    if (fd < 0)
        return 0;
    failed = fsync(fd) != 0 && errno == EIO;
    close(fd);
    return failed;
}

int assay__writer_commit(struct assay__writer *w, struct assay_error *err)
{
    int code = ASSAY_OK;
    FILE *file = w->file;

    w->file = NULL;
    errno = 0;
    if (fflush(file) != 0)
        code = fail(err, w->path, "write");
    else if (ferror(file))
        code = assay_error_set(err, ASSAY_IO,
                               "%s: cannot write: an earlier write failed",
                               w->path);
    else if (!w->unsynced && fsync(fileno(file)) != 0 && errno != EINVAL &&
             errno != EROFS)
        code = fail(err, w->path, "bring it to disk");
    if (fclose(file) != 0 && code == ASSAY_OK)
        code = fail(err, w->path, "write");
    if (code == ASSAY_OK && w->temp) {
        if (rename(w->temp, w->path) != 0) {
            code = fail(err, w->path, "put it in place");
        } else {
            assay__free(w->temp);
            w->temp = NULL;
            if (!w->unsynced && sync_folder(w->path))
                code = fail(err, w->path, "sync its folder");
        }
    }
    assay__writer_abandon(w);
    return code;
}

void assay__writer_abandon(struct assay__writer *w)
{
    if (w->file)
        fclose(w->file);
    if (w->temp)
        unlink(w->temp);
    assay__free(w->temp);
    assay__free(w->path);
    memset(w, 0, sizeof *w);
}

int assay__write_file(const char *path, const void *data, size_t size,
                      struct assay_error *err)
{
    struct assay__writer w;
    int code = assay__writer_open(&w, path, err);

    if (code)
        return code;
    if (size > 0 && fwrite(data, 1, size, w.file) != size) {
        code = fail(err, path, "write");
        assay__writer_abandon(&w);
        return code;
    }
    return assay__writer_commit(&w, err);
}
