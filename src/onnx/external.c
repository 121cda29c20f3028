/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Data beside the model. A location is a path below the model's folder: of
 * ordinary names, none empty, "." or "..", none a symbolic link, and a plain
 * file at its end. Each part is opened from the folder before it without
 * following links, so that what was checked is what is opened. A file is
 * read once; its bytes count towards the limit of all data.
 */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "assay/format.h"
#include "core/checked.h"
#include "core/mem.h"
#include "onnx/file.h"

struct assay__onnx_source {
    struct assay__onnx_source *next;
    struct assay__span location;
    unsigned char *data;
    size_t size;
};

static int refuse(struct assay__span location, const char *why,
                  struct assay_error *err)
{
    return assay_error_set(err, ASSAY_FORMAT, "external data '%.*s': %s",
                           assay__span_length(location), location.text, why);
}

/* The next name of the path at *at, into name. */
static int next_part(struct assay__span location, size_t *at, char *name,
                     size_t room, struct assay_error *err)
{
    size_t begin = *at;
    size_t n;

    while (*at < location.size && location.text[*at] != '/')
        (*at)++;
    n = *at - begin;
    if (n == 0 || n >= room)
        return refuse(location,
                      n == 0 ? "the path has an empty part"
                             : "a part of the path is too long",
                      err);
    memcpy(name, location.text + begin, n);
    name[n] = '\0';
    if (strcmp(name, "..") == 0 || strcmp(name, ".") == 0)
        return refuse(location, "the path leaves the model's folder", err);
    if (strchr(name, '\\'))
        return refuse(location, "the path holds a backslash", err);
    return ASSAY_OK;
}

/* Open the part of the path at *at in the folder *fd, which is closed. */
static int open_part(struct assay__span location, size_t *at, int *fd,
                     struct assay_error *err)
{
    int flags = O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK;
    char name[256];
    int code = next_part(location, at, name, sizeof(name), err);
    int inner;

    if (code != ASSAY_OK)
        return code;
    inner =
        openat(*fd, name, *at < location.size ? flags | O_DIRECTORY : flags);
    if (inner < 0)
        code = assay_error_set(err, ASSAY_IO, "external data '%.*s': %s",
                               assay__span_length(location), location.text,
                               errno == ELOOP ? "is a symbolic link"
                                              : strerror(errno));
    close(*fd);
    *fd = inner;
    if (*at == location.size)
        return code;
    (*at)++;
    if (code == ASSAY_OK && *at == location.size)
        code = refuse(location, "is no plain file", err);
    return code;
}

/* A descriptor of the file, or a negative code. */
static int open_below(const char *folder, struct assay__span location, int *out,
                      struct assay_error *err)
{
    size_t at = 0;
    int code = ASSAY_OK;
    int fd;

    if (location.size == 0)
        return refuse(location, "no location is given", err);
    if (location.text[0] == '/')
        return refuse(location, "the path is absolute", err);
    fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return assay_error_set(err, ASSAY_IO, "%.100s: %s", folder,
                               strerror(errno));
    while (code == ASSAY_OK && at < location.size)
        code = open_part(location, &at, &fd, err);
    if (code != ASSAY_OK && fd >= 0) {
        close(fd);
        fd = -1;
    }
    *out = fd;
    return code;
}

static int read_all(int fd, struct assay__onnx_source *s,
                    struct assay_error *err)
{
    size_t got = 0;

    while (got < s->size) {
        ssize_t n = read(fd, s->data + got, s->size - got);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return assay_error_set(
                err, ASSAY_IO, "external data '%.*s': %s",
                assay__span_length(s->location), s->location.text,
                n < 0 ? strerror(errno) : "ends before its size");
        got += (size_t)n;
    }
    return ASSAY_OK;
}

static int load(assay_onnx *o, int fd, struct assay__onnx_source *s,
                struct assay_error *err)
{
    struct stat st;

    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size < 0)
        return refuse(s->location, "is no plain file", err);
    if ((uint64_t)st.st_size > ASSAY_FORMAT_MAX_BYTES - o->external_bytes)
        return assay_error_set(err, ASSAY_LIMIT,
                               "external data '%.*s': %lld bytes, over the "
                               "limit of %zu for all",
                               assay__span_length(s->location),
                               s->location.text, (long long)st.st_size,
                               ASSAY_FORMAT_MAX_BYTES);
    s->size = (size_t)st.st_size;
    s->data = assay__malloc(s->size);
    if (!s->data)
        return assay_error_set(err, ASSAY_NOMEM,
                               "external data: no memory for %zu bytes",
                               s->size);
    o->external_bytes += s->size;
    return read_all(fd, s, err);
}

static int open_source(assay_onnx *o, struct assay__span location,
                       struct assay__onnx_source **out, struct assay_error *err)
{
    struct assay__onnx_source *s;
    int fd = -1;
    int code;

    for (s = o->source; s; s = s->next) {
        if (s->location.size == location.size &&
            memcmp(s->location.text, location.text, location.size) == 0) {
            *out = s;
            return ASSAY_OK;
        }
    }
    if (!o->folder)
        return refuse(location, "a model in memory has none", err);
    s = assay__onnx_keep(o, 1, sizeof(*s));
    if (!s)
        return assay_error_set(err, ASSAY_NOMEM, "external data: no memory");
    s->location = location;
    code = open_below(o->folder, location, &fd, err);
    if (code != ASSAY_OK)
        return code;
    code = load(o, fd, s, err);
    close(fd);
    s->next = o->source;
    o->source = s;
    *out = s;
    return code;
}

int assay__onnx_external(assay_onnx *o, struct assay__span location,
                         uint64_t offset, uint64_t length,
                         const unsigned char **bytes, struct assay_error *err)
{
    struct assay__onnx_source *s = NULL;
    int code = open_source(o, location, &s, err);

    if (code != ASSAY_OK)
        return code;
    if (!assay__range_ok(offset, length, s->size))
        return assay_error_set(err, ASSAY_FORMAT,
                               "external data '%.*s': bytes %llu to %llu of "
                               "%zu",
                               assay__span_length(location), location.text,
                               (unsigned long long)offset,
                               (unsigned long long)(offset + length), s->size);
    *bytes = s->data + offset;
    return ASSAY_OK;
}

void assay__onnx_external_release(assay_onnx *o)
{
    struct assay__onnx_source *s;

    for (s = o->source; s; s = s->next)
        assay__free(s->data);
    o->source = NULL;
}
