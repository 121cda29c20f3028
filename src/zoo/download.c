/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Downloads (download.h). The part file is locked while it grows. A second
 * try asks for the bytes behind it, on condition that the server still has
 * the version the part is of (If-Range with the tag or date it gave); a
 * server that sends all again, or another range, starts the part over. Each
 * socket is judged by its address before it connects, whatever name or
 * redirect led there. Size is counted, whatever the server announces.
 */

#include "zoo/download.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/fs.h"
#include "core/mem.h"

enum {
    REDIRECTS_MAX = 10,
    CONNECT_S = 30,
    STALLED_S = 60, /* without a byte */
    TAG_SIZE = 256
};

struct job {
    const struct assay__download *d;
    struct assay_error *err;
    CURL *curl;
    int fd;
    uint64_t begun_at; /* bytes that were there */
    uint64_t size;
    int code;      /* of a callback that ended it */
    bool answered; /* the first byte of the body came */
    long status;
    char etag[TAG_SIZE];     /* of the answer */
    char modified[TAG_SIZE]; /* of the answer */
    char tag[TAG_SIZE];      /* of what is in the part */
    uint64_t range_from;     /* of the answer; UINT64_MAX: not said */
};

static int stop(struct job *j, int code)
{
    j->code = code;
    return 0;
}

/* --- the part and its tag ------------------------------------------------ */

static char *tag_path(const struct job *j)
{
    return assay__format("%s.tag", j->d->part);
}

static void read_tag(struct job *j)
{
    char *path = tag_path(j);
    unsigned char *data = NULL;
    size_t size = 0;

    j->tag[0] = '\0';
    if (path != NULL &&
        assay__read_file(path, TAG_SIZE - 1, &data, &size, NULL) == ASSAY_OK) {
        memcpy(j->tag, data, size);
        j->tag[size] = '\0';
        j->tag[strcspn(j->tag, "\r\n")] = '\0';
    }
    assay__free(data);
    assay__free(path);
}

/* A weak tag ("W/...") says nothing of bytes. Without either, no resuming. */
static void write_tag(struct job *j)
{
    const char *tag = j->etag[0] == '"' ? j->etag : j->modified;
    char *path = tag_path(j);

    if (path != NULL && *tag != '\0')
        (void)!assay__write_file(path, tag, strlen(tag), NULL);
    else if (path != NULL)
        (void)unlink(path);
    assay__free(path);
}

static int open_part(struct job *j)
{
    struct stat st;

    j->fd = open(j->d->part, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (j->fd < 0 || fstat(j->fd, &st) != 0)
        return assay_error_set(j->err, ASSAY_IO,
                               "%.120s: cannot be written: %s", j->d->part,
                               strerror(errno));
    if (flock(j->fd, LOCK_EX | LOCK_NB) != 0)
        return assay_error_set(j->err, ASSAY_IO,
                               "%.120s: another program is fetching it",
                               j->d->part);
    j->begun_at = (uint64_t)st.st_size;
    read_tag(j);
    if (j->tag[0] == '\0')
        j->begun_at = 0;
    j->size = j->begun_at;
    return ASSAY_OK;
}

/* --- callbacks ----------------------------------------------------------- */

/* Copy the value of a header line when it is this one. */
static void take_header(const char *line, size_t n, const char *name,
                        char out[TAG_SIZE])
{
    size_t m = strlen(name);

    if (n <= m || strncasecmp(line, name, m) != 0)
        return;
    line += m;
    n -= m;
    while (n > 0 && (*line == ' ' || *line == '\t')) {
        line++;
        n--;
    }
    while (n > 0 && strchr(" \t\r\n", line[n - 1]) != NULL)
        n--;
    if (n >= TAG_SIZE)
        n = 0;
    memcpy(out, line, n);
    out[n] = '\0';
}

static size_t on_header(char *line, size_t one, size_t n, void *user)
{
    struct job *j = user;
    char range[TAG_SIZE] = "";

    (void)one;
    if (n > 5 && strncmp(line, "HTTP/", 5) == 0) { /* of the next answer */
        j->etag[0] = '\0';
        j->modified[0] = '\0';
        j->range_from = UINT64_MAX;
    }
    take_header(line, n, "etag:", j->etag);
    take_header(line, n, "last-modified:", j->modified);
    take_header(line, n, "content-range:", range);
    if (strncmp(range, "bytes ", 6) == 0 && range[6] >= '0' && range[6] <= '9')
        j->range_from = strtoull(range + 6, NULL, 10);
    return n;
}

/* Before the first byte: does the answer go on, or start over? */
static int begin_body(struct job *j)
{
    bool goes_on;

    (void)curl_easy_getinfo(j->curl, CURLINFO_RESPONSE_CODE, &j->status);
    goes_on =
        j->begun_at > 0 && j->status == 206 && j->range_from == j->begun_at;
    if (j->status == 206 && !goes_on)
        return assay_error_set(j->err, ASSAY_IO,
                               "the server sends another range than was asked "
                               "for");
    if (!goes_on) {
        j->size = 0;
        if (ftruncate(j->fd, 0) != 0)
            return assay_error_set(j->err, ASSAY_IO, "%.120s: %s", j->d->part,
                                   strerror(errno));
        write_tag(j);
    }
    if (lseek(j->fd, (off_t)j->size, SEEK_SET) < 0)
        return assay_error_set(j->err, ASSAY_IO, "%.120s: %s", j->d->part,
                               strerror(errno));
    j->answered = true;
    return ASSAY_OK;
}

static int write_all(struct job *j, const char *data, size_t n)
{
    while (n > 0) {
        ssize_t done = write(j->fd, data, n);

        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return assay_error_set(j->err, ASSAY_IO, "%.120s: %s", j->d->part,
                                   strerror(errno));
        data += done;
        n -= (size_t)done;
    }
    return ASSAY_OK;
}

static int too_large(struct job *j, uint64_t size)
{
    return assay_error_set(j->err, ASSAY_LIMIT,
                           "over %" PRIu64 " bytes, at most %" PRIu64
                           " are fetched (--max-size)",
                           size, j->d->max_bytes);
}

static size_t on_body(char *data, size_t one, size_t n, void *user)
{
    struct job *j = user;

    (void)one;
    if (!j->answered && stop(j, begin_body(j)) == 0 && j->code != ASSAY_OK)
        return CURL_WRITEFUNC_ERROR;
    if (n > j->d->max_bytes || j->size > j->d->max_bytes - n) {
        j->code = too_large(j, j->size);
        return CURL_WRITEFUNC_ERROR;
    }
    j->code = write_all(j, data, n);
    if (j->code != ASSAY_OK)
        return CURL_WRITEFUNC_ERROR;
    j->size += n;
    return n;
}

static int on_progress(void *user, curl_off_t total, curl_off_t now,
                       curl_off_t up_total, curl_off_t up_now)
{
    struct job *j = user;
    struct assay_progress step = {"fetch", "bytes", NULL, 0, 0};
    uint64_t before =
        j->answered && j->size >= (uint64_t)now ? j->size - (uint64_t)now : 0;

    (void)up_total;
    (void)up_now;
    if (total > 0 && before + (uint64_t)total > j->d->max_bytes) {
        j->code = too_large(j, before + (uint64_t)total - 1);
        return 1;
    }
    if (j->d->ctx == NULL)
        return 0;
    if (assay_context_check(j->d->ctx, j->err) != ASSAY_OK) {
        j->code = ASSAY_CANCELED;
        return 1;
    }
    step.done = j->size;
    step.total = total > 0 ? before + (uint64_t)total : 0;
    assay_progress(j->d->ctx, &step);
    return 0;
}

static curl_socket_t on_socket(void *user, curlsocktype purpose,
                               struct curl_sockaddr *address)
{
    struct job *j = user;

    (void)purpose;
    if (!j->d->allow_local && !assay__address_is_public(&address->addr)) {
        j->code = assay_error_set(j->err, ASSAY_IO,
                                  "the link leads to an address of this "
                                  "machine or a local network "
                                  "(--allow-local)");
        return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC,
                  address->protocol);
}

/* --- a transfer ------------------------------------------------------------
 */

/* Ask for what is behind the part, if it is still of the same version. */
static int ask_for_rest(struct job *j, struct curl_slist **headers)
{
    char line[TAG_SIZE + 16];
    char range[32];

    (void)snprintf(range, sizeof(range), "%" PRIu64 "-", j->begun_at);
    (void)snprintf(line, sizeof(line), "If-Range: %s", j->tag);
    *headers = curl_slist_append(NULL, line);
    if (*headers == NULL ||
        curl_easy_setopt(j->curl, CURLOPT_RANGE, range) != CURLE_OK ||
        curl_easy_setopt(j->curl, CURLOPT_HTTPHEADER, *headers) != CURLE_OK)
        return assay_error_set(j->err, ASSAY_NOMEM, "cannot set up libcurl");
    return ASSAY_OK;
}

static int set_up(struct job *j, char words[CURL_ERROR_SIZE])
{
    const struct assay__download *d = j->d;
    const char *redirects =
        strncasecmp(d->url, "https:", 6) == 0 ? "https" : "http,https";
    /* A proxy would see to names and addresses itself. */
    const char *no_proxy = d->allow_local ? NULL : "*";
    int failed = 0;

#define SET(option, value) \
    failed |= curl_easy_setopt(j->curl, CURLOPT_##option, value) != CURLE_OK
    SET(ERRORBUFFER, words);
    SET(URL, d->url);
    SET(PROTOCOLS_STR, "http,https");
    SET(REDIR_PROTOCOLS_STR, redirects);
    SET(NOPROXY, no_proxy);
    SET(FOLLOWLOCATION, 1L);
    SET(MAXREDIRS, (long)REDIRECTS_MAX);
    SET(FAILONERROR, 1L);
    SET(NOSIGNAL, 1L);
    SET(CONNECTTIMEOUT, (long)CONNECT_S);
    SET(LOW_SPEED_LIMIT, 1L);
    SET(LOW_SPEED_TIME, (long)STALLED_S);
    SET(MAXFILESIZE_LARGE, (curl_off_t)d->max_bytes);
    SET(USERAGENT, "assay");
    SET(OPENSOCKETFUNCTION, on_socket);
    SET(OPENSOCKETDATA, j);
    SET(HEADERFUNCTION, on_header);
    SET(HEADERDATA, j);
    SET(WRITEFUNCTION, on_body);
    SET(WRITEDATA, j);
    SET(XFERINFOFUNCTION, on_progress);
    SET(XFERINFODATA, j);
    SET(NOPROGRESS, 0L);
#undef SET
    if (failed)
        return assay_error_set(j->err, ASSAY_IO,
                               "libcurl lacks what is needed here, or memory");
    return ASSAY_OK;
}

/* What libcurl says, unless a callback said more. */
static int judge(struct job *j, CURLcode rc, const char *words)
{
    if (j->code != ASSAY_OK)
        return j->code;
    if (rc == CURLE_OK)
        return ASSAY_OK;
    if (rc == CURLE_FILESIZE_EXCEEDED)
        return too_large(j, j->d->max_bytes);
    if (rc == CURLE_OUT_OF_MEMORY)
        return assay_error_set(j->err, ASSAY_NOMEM, "libcurl");
    if (rc == CURLE_UNSUPPORTED_PROTOCOL)
        return assay_error_set(j->err, ASSAY_IO,
                               "the link or a redirect leads to what is not "
                               "http or https, or from https to http");
    if (rc == CURLE_TOO_MANY_REDIRECTS)
        return assay_error_set(j->err, ASSAY_IO, "more than %d redirects",
                               REDIRECTS_MAX);
    return assay_error_set(j->err, ASSAY_IO, "%s",
                           *words != '\0' ? words : curl_easy_strerror(rc));
}

static int transfer(struct job *j)
{
    struct curl_slist *headers = NULL;
    char words[CURL_ERROR_SIZE] = "";
    CURLcode rc;
    int code;

    j->curl = curl_easy_init();
    if (j->curl == NULL)
        return assay_error_set(j->err, ASSAY_NOMEM, "libcurl");
    j->code = ASSAY_OK;
    j->answered = false;
    j->range_from = UINT64_MAX;
    code = set_up(j, words);
    if (code == ASSAY_OK && j->begun_at > 0)
        code = ask_for_rest(j, &headers);
    if (code == ASSAY_OK) {
        rc = curl_easy_perform(j->curl);
        (void)curl_easy_getinfo(j->curl, CURLINFO_RESPONSE_CODE, &j->status);
        code = judge(j, rc, words);
        if (code == ASSAY_OK && !j->answered) /* an empty file */
            code = begin_body(j);
    }
    curl_slist_free_all(headers);
    curl_easy_cleanup(j->curl);
    j->curl = NULL;
    return code;
}

static void remove_part(const struct job *j)
{
    char *path = tag_path(j);

    if (path != NULL)
        (void)unlink(path);
    (void)unlink(j->d->part);
    assay__free(path);
}

int assay__download(const struct assay__download *d, struct assay_error *err)
{
    struct job j = {.d = d, .err = err, .fd = -1};
    int code = open_part(&j);

    if (code == ASSAY_OK)
        code = transfer(&j);
    /* 416: there is nothing behind what is here, so that is not of it. */
    if (code == ASSAY_IO && j.begun_at > 0 && j.status == 416) {
        j.begun_at = 0;
        j.size = 0;
        code = transfer(&j);
    }
    if (code == ASSAY_OK && fsync(j.fd) != 0)
        code = assay_error_set(err, ASSAY_IO, "%.120s: %s", d->part,
                               strerror(errno));
    if (code == ASSAY_LIMIT)
        remove_part(&j);
    if (j.fd >= 0)
        (void)close(j.fd);
    return code;
}
