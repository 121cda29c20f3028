/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_TESTS_HTTP_SERVER_H
#define ASSAY_TESTS_HTTP_SERVER_H

/*
 * A web server for tests of downloads, in a thread, on 127.0.0.1. It serves
 * one file of FILE_BYTES bytes under names that say how it behaves:
 *
 *   /file        ranges, with a tag        /cut    the first answer stops half
 *   /changed     as /cut, then another version of it (a new tag)
 *   /plain       as /cut, then knows no ranges     /wrong  another range
 *   /untagged    as /cut, without tag or date
 *   /big         announces 1 TiB           /endless  announces nothing
 *   /empty       no bytes                  /404      not found
 *   /to-file, /to-ftp, /to-local, /loop    redirects
 */

#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FILE_BYTES = 100000 };

struct http_server {
    int fd;
    int port;
    pthread_t thread;
    atomic_int n_requests; /* all of them */
    atomic_int n_ranges;   /* those that asked for a part */
    unsigned char body[FILE_BYTES];
};

static void http_send(int fd, const void *data, size_t n)
{
    const char *p = data;

    while (n > 0) {
        ssize_t done = send(fd, p, n, MSG_NOSIGNAL);

        if (done <= 0)
            return;
        p += done;
        n -= (size_t)done;
    }
}

static void http_head(int fd, int status, const char *fields)
{
    char text[512];

    snprintf(text, sizeof(text),
             "HTTP/1.1 %d Some\r\nConnection: close\r\n%s\r\n", status, fields);
    http_send(fd, text, strlen(text));
}

static void http_redirect(int fd, const char *to)
{
    char field[256];

    snprintf(field, sizeof(field), "Location: %s\r\nContent-Length: 0\r\n", to);
    http_head(fd, 302, field);
}

/* From `from` to `end` of FILE_BYTES that are announced to its end. */
static void http_body(struct http_server *s, int fd, size_t from, size_t end,
                      const char *tag)
{
    char fields[256];
    char range[96] = "";

    if (from > 0)
        snprintf(range, sizeof(range), "Content-Range: bytes %zu-%d/%d\r\n",
                 from, FILE_BYTES - 1, FILE_BYTES);
    snprintf(fields, sizeof(fields), "%s%sContent-Length: %zu\r\n", range, tag,
             FILE_BYTES - from);
    http_head(fd, from > 0 ? 206 : 200, fields);
    http_send(fd, s->body + from, end - from);
}

/* "bytes=N-" of the request; 0 for none. */
static size_t http_range(const char *request)
{
    const char *at = strstr(request, "Range: bytes=");

    return at != NULL ? strtoul(at + strlen("Range: bytes="), NULL, 10) : 0;
}

static void http_endless(struct http_server *s, int fd)
{
    http_head(fd, 200, "");
    for (int i = 0; i < 1000; i++)
        http_send(fd, s->body, FILE_BYTES);
}

static void http_file(struct http_server *s, int fd, const char *path,
                      size_t from)
{
    static const char tag[] = "ETag: \"one\"\r\n";
    const char *now = strcmp(path, "/untagged") == 0 ? "" : tag;

    if (from == 0 && strcmp(path, "/file") != 0)
        http_body(s, fd, 0, FILE_BYTES / 2, now);
    else if (from > 0 && strcmp(path, "/wrong") == 0)
        http_body(s, fd, from + 1, FILE_BYTES, now);
    else if (from > 0 && strcmp(path, "/changed") == 0)
        http_body(s, fd, 0, FILE_BYTES, "ETag: \"two\"\r\n");
    else if (from > 0 && strcmp(path, "/plain") == 0)
        http_body(s, fd, 0, FILE_BYTES, now);
    else
        http_body(s, fd, from, FILE_BYTES, now);
}

static void http_answer(struct http_server *s, int fd, const char *path,
                        const char *request)
{
    static const char *const files[] = {"/file",  "/cut",   "/changed",
                                        "/plain", "/wrong", "/untagged"};
    char local[64];

    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        if (strcmp(path, files[i]) == 0) {
            http_file(s, fd, path, http_range(request));
            return;
        }
    }
    snprintf(local, sizeof(local), "http://127.0.0.1:%d/file", s->port);
    if (strcmp(path, "/big") == 0)
        http_head(fd, 200, "Content-Length: 1099511627776\r\n");
    else if (strcmp(path, "/endless") == 0)
        http_endless(s, fd);
    else if (strcmp(path, "/empty") == 0)
        http_head(fd, 200, "Content-Length: 0\r\n");
    else if (strcmp(path, "/to-file") == 0)
        http_redirect(fd, "file:///etc/passwd");
    else if (strcmp(path, "/to-ftp") == 0)
        http_redirect(fd, "ftp://127.0.0.1/x");
    else if (strcmp(path, "/to-local") == 0)
        http_redirect(fd, local);
    else if (strcmp(path, "/loop") == 0)
        http_redirect(fd, "/loop");
    else
        http_head(fd, 404, "Content-Length: 0\r\n");
}

static void http_serve(struct http_server *s, int fd)
{
    char request[4096];
    char path[64] = "";
    size_t n = 0;

    while (n + 1 < sizeof(request)) {
        ssize_t got = recv(fd, request + n, sizeof(request) - 1 - n, 0);

        if (got <= 0)
            break;
        n += (size_t)got;
        request[n] = '\0';
        if (strstr(request, "\r\n\r\n") != NULL)
            break;
    }
    request[n] = '\0';
    if (sscanf(request, "GET %63s", path) == 1) {
        s->n_requests++;
        s->n_ranges += http_range(request) > 0;
        http_answer(s, fd, path, request);
    }
}

static void *http_run(void *user)
{
    struct http_server *s = user;
    int fd;

    while ((fd = accept(s->fd, NULL, NULL)) >= 0) {
        http_serve(s, fd);
        shutdown(fd, SHUT_RDWR);
        close(fd);
    }
    return NULL;
}

/* 1 when it runs; 0 where no socket can be had. */
static inline int http_start(struct http_server *s)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t size = sizeof(at);
    uint32_t x = 1;

    s->n_requests = 0;
    s->n_ranges = 0;
    for (int i = 0; i < FILE_BYTES; i++) {
        x = x * 1664525 + 1013904223;
        s->body[i] = (unsigned char)(x >> 24);
    }
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (s->fd < 0 || bind(s->fd, (struct sockaddr *)&at, sizeof(at)) != 0 ||
        listen(s->fd, 8) != 0 ||
        getsockname(s->fd, (struct sockaddr *)&at, &size) != 0)
        return 0;
    s->port = ntohs(at.sin_port);
    return pthread_create(&s->thread, NULL, http_run, s) == 0;
}

static inline void http_stop(struct http_server *s)
{
    shutdown(s->fd, SHUT_RDWR);
    pthread_join(s->thread, NULL);
    close(s->fd);
}

#endif
