/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files that are read, and folders; see fs.h. Only regular files are read
 * whole: their size is known, and held against the cap, before anything is
 * allocated. Writing is in writer.c.
 */

#include "core/fs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
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

/* Opening a pipe or a device must not wait for its other end: nothing but a
 * regular file is read, and for that the flag changes nothing. */
static FILE *open_now(const char *path)
{
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    FILE *f = fd >= 0 ? fdopen(fd, "rb") : NULL;
    int why = errno;

    if (fd >= 0 && !f) {
        close(fd);
        errno = why;
    }
    return f;
}

int assay__read_file(const char *path, size_t max_bytes, unsigned char **data,
                     size_t *size, struct assay_error *err)
{
    unsigned char *block = NULL;
    size_t n = 0;
    FILE *f = open_now(path);
    int rc;

    if (!f)
        return fail(err, path, "open");
    rc = file_size(f, path, max_bytes, &n, err);
    if (rc)
        goto out;
    block = assay__malloc(n + 1);
    if (!block) {
        rc = assay_error_set(err, ASSAY_NOMEM,
                             "%s: out of memory for %zu bytes", path, n);
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

int assay__map_file(const char *path, size_t max_bytes, unsigned char **data,
                    size_t *size, struct assay_error *err)
{
    static unsigned char none[1]; /* an empty file's bytes */
    FILE *f = open_now(path);
    void *block = none;
    size_t n = 0;
    int rc;

    if (!f)
        return fail(err, path, "open");
    rc = file_size(f, path, max_bytes, &n, err);
    if (!rc && n > 0) {
        block =
            mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE, fileno(f), 0);
        if (block == MAP_FAILED)
            rc = fail(err, path, "map");
    }
    if (!rc) {
        *data = block;
        *size = n;
    }
    fclose(f);
    return rc;
}

void assay__unmap(unsigned char *data, size_t size)
{
    if (size > 0)
        (void)munmap(data, size);
}

/* Open files and measure them; `*size` becomes the pages that all need. */
static int open_beside(int folder, const char *const *name, size_t n, int *fd,
                       struct assay__mapped *part, size_t *size,
                       struct assay_error *err)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t left = *size;
    struct stat st;

    *size = 0;
    for (size_t i = 0; i < n; i++) {
        fd[i] = openat(folder, name[i],
                       O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (fd[i] < 0)
            return assay_error_set(
                err, ASSAY_IO, "%.255s: cannot open: %s", name[i],
                errno == ELOOP ? "it is a symbolic link" : strerror(errno));
        if (fstat(fd[i], &st) != 0 || !S_ISREG(st.st_mode))
            return assay_error_set(err, ASSAY_IO, "%.255s: not a regular file",
                                   name[i]);
        if ((uintmax_t)st.st_size > left)
            return assay_error_set(err, ASSAY_LIMIT,
                                   "%.255s: %jd bytes, of those that are read "
                                   "in all %zu are left",
                                   name[i], (intmax_t)st.st_size, left);
        part[i].size = (size_t)st.st_size;
        left -= part[i].size;
        *size += (part[i].size + page - 1) / page * page;
    }
    return ASSAY_OK;
}

static int map_parts(const int *fd, size_t n, struct assay__mapped *part,
                     unsigned char **data, size_t size, struct assay_error *err)
{
    static unsigned char none[1];
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    unsigned char *block = none;
    size_t at = 0;

    if (size > 0)
        block = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (block == MAP_FAILED)
        return assay_error_set(err, ASSAY_NOMEM, "no room to map %zu bytes",
                               size);
    for (size_t i = 0; i < n; i++) {
        part[i].data = block + at;
        if (part[i].size > 0 &&
            mmap(part[i].data, part[i].size, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_FIXED, fd[i], 0) == MAP_FAILED) {
            assay__unmap(block, size);
            return assay_error_set(err, ASSAY_IO, "cannot map %zu bytes: %s",
                                   part[i].size, strerror(errno));
        }
        at += (part[i].size + page - 1) / page * page;
    }
    *data = block;
    return ASSAY_OK;
}

int assay__map_beside(const char *path, const char *const *name, size_t n,
                      struct assay__mapped *part, unsigned char **data,
                      size_t *size, struct assay_error *err)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash ? assay__format("%.*s", (int)(slash - path + 1), path)
                         : assay__strdup(".");
    int *fd = assay__malloc((n + 1) * sizeof(*fd));
    int dir = -1;
    int rc = ASSAY_OK;

    if (!folder || !fd) {
        rc = assay_error_set(err, ASSAY_NOMEM, "no memory for %zu files", n);
        n = 0;
        goto out;
    }
    for (size_t i = 0; i < n; i++)
        fd[i] = -1;
    dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        rc = fail(err, folder, "open");
    if (!rc)
        rc = open_beside(dir, name, n, fd, part, size, err);
    if (!rc)
        rc = map_parts(fd, n, part, data, *size, err);
out:
    for (size_t i = 0; i < n; i++) {
        if (fd[i] >= 0)
            close(fd[i]);
    }
    if (dir >= 0)
        close(dir);
    assay__free(fd);
    assay__free(folder);
    return rc;
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
        if (mkdir(copy, 0777) != 0 && (errno != EEXIST || !assay__is_dir(copy)))
            rc = fail(err, copy, "make the folder");
        *p = kept;
        if (!kept)
            break;
    }
    assay__free(copy);
    return rc;
}

int assay__lock_dir(const char *path, const char *work, int *fd,
                    struct assay_error *err)
{
    char *file = assay__path_join(path, ".lock");
    int code = ASSAY_OK;

    *fd = -1;
    if (!file)
        return assay_error_set(err, ASSAY_NOMEM, "%s", path);
    *fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (*fd < 0)
        code = fail(err, file, "open");
    else if (flock(*fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK)
            code = assay_error_set(err, ASSAY_IO,
                                   "%.120s: another %s is working there; wait "
                                   "for it, or choose another folder",
                                   path, work);
        (void)close(*fd);
        *fd = -1;
    }
    assay__free(file);
    return code;
}

void assay__unlock_dir(int fd)
{
    if (fd >= 0)
        (void)close(fd);
}

char *assay__path_join(const char *a, const char *b)
{
    size_t n = strlen(a);

    if (n == 0)
        return assay__strdup(b);
    return assay__format("%s%s%s", a, a[n - 1] == '/' ? "" : "/", b);
}

void assay__remove_dir(const char *path)
{
    DIR *dir = opendir(path);
    const struct dirent *entry;

    if (!dir)
        return;
    while ((entry = readdir(dir)) != NULL) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            (void)unlinkat(dirfd(dir), entry->d_name, 0);
    }
    closedir(dir);
    (void)rmdir(path);
}
