/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Downloads, from a server of the test's own: whole, cut off and resumed,
 * too large, with another SHA-256, redirected to where nothing may be had.
 */

#include <arpa/inet.h>
#include <dirent.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include "assay/zoo.h"
#include "check.h"
#include "core/fs.h"
#include "core/mem.h"
#include "http_server.h"
#include "zoo/download.h"
#include "zoo/store.h"

static struct http_server server;

/* A zoo with one model, "m", whose only link is the server's `path`. */
static assay_zoo *zoo_with(const char *name, const char *path)
{
    const struct assay_zoo_import how = {NULL, NULL, NULL};
    struct assay_zoo_imported done;
    struct assay_error err = {0};
    assay_zoo *zoo = NULL;
    char text[512];
    char file[64];

    snprintf(file, sizeof(file), "%s/zoo.db", name);
    CHECK_OK(assay_zoo_open(&zoo, check_temp_path(file), ASSAY_ZOO_WRITE, &err),
             err);
    snprintf(text, sizeof(text),
             "name,architecture,dataset,provenance,weights_url\n"
             "m,A,D,p,http://127.0.0.1:%d%s\nnone,A,D,p,\n"
             "two,A,D,p,http://a/1 http://a/2\nfile,A,D,p,file:///etc/passwd\n",
             server.port, path);
    check_write_file(check_temp_path("m.csv"), text, strlen(text));
    CHECK_OK(
        assay_zoo_import_file(zoo, check_temp_path("m.csv"), &how, &done, &err),
        err);
    return zoo;
}

static const struct assay_zoo_fetch local = {.max_bytes = 1 << 20,
                                             .allow_local = 1};

static int fetch(assay_zoo *zoo, const struct assay_zoo_fetch *how,
                 struct assay_zoo_file *file, struct assay_error *err)
{
    struct assay_context ctx;

    assay_context_init(&ctx);
    return assay_zoo_fetch_file(zoo, "m", how, &ctx, file, err);
}

/* How many files lie in the zoo's folder `files`. */
static int n_files(const char *name)
{
    char path[64];
    const struct dirent *entry;
    int n = 0;
    DIR *dir;

    snprintf(path, sizeof(path), "%s/files", name);
    dir = opendir(check_temp_path(path));
    if (dir == NULL)
        return 0;
    while ((entry = readdir(dir)) != NULL)
        n +=
            strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    closedir(dir);
    return n;
}

static void check_whole(assay_zoo *zoo, const struct assay_zoo_file *file)
{
    sqlite3_stmt *stmt = NULL;
    struct assay_error err = {0};
    unsigned char *data = NULL;
    size_t size = 0;

    CHECK_UINT_EQ(file->size_bytes, FILE_BYTES);
    CHECK_INT_EQ(sqlite3_prepare_v2(zoo->db,
                                    "SELECT path, size_bytes FROM files WHERE "
                                    "sha256 IS NOT NULL",
                                    -1, &stmt, NULL),
                 SQLITE_OK);
    CHECK_INT_EQ(sqlite3_step(stmt), SQLITE_ROW);
    CHECK_INT_EQ(sqlite3_column_int(stmt, 1), FILE_BYTES);
    CHECK_STR_HAS((const char *)sqlite3_column_text(stmt, 0), file->sha256);
    CHECK_OK(assay__read_file((const char *)sqlite3_column_text(stmt, 0),
                              FILE_BYTES, &data, &size, &err),
             err);
    CHECK_UINT_EQ(size, FILE_BYTES);
    CHECK_MEM_EQ(data, server.body, FILE_BYTES);
    assay__free(data);
    sqlite3_finalize(stmt);
}

static void test_a_file_comes_once(void)
{
    assay_zoo *zoo = zoo_with("once", "/file");
    struct assay_zoo_fetch how = local;
    struct assay_zoo_file file = {0};
    struct assay_error err = {0};
    int before;

    CHECK_OK(fetch(zoo, &local, &file, &err), err);
    CHECK_INT_EQ(file.is_new, 1);
    check_whole(zoo, &file);
    CHECK_INT_EQ(n_files("once"), 1);
    before = server.n_requests;
    CHECK_OK(fetch(zoo, &local, &file, &err), err);
    CHECK_INT_EQ(file.is_new, 0);
    CHECK_INT_EQ(server.n_requests, before);
    how.sha256 = file.sha256;
    CHECK_OK(fetch(zoo, &how, &file, &err), err);
    CHECK_INT_EQ(server.n_requests, before);
    assay_zoo_close(zoo);
}

static void test_a_cut_file_goes_on(void)
{
    assay_zoo *zoo = zoo_with("cut", "/cut");
    struct assay_zoo_file file = {0};
    struct assay_error err = {0};
    int before = server.n_ranges;

    CHECK_FAILS(fetch(zoo, &local, &file, &err), ASSAY_IO, err);
    CHECK_INT_EQ(n_files("cut"), 2); /* the part and its tag */
    CHECK_OK(fetch(zoo, &local, &file, &err), err);
    CHECK_INT_EQ(server.n_ranges, before + 1);
    check_whole(zoo, &file);
    CHECK_INT_EQ(n_files("cut"), 1);
    assay_zoo_close(zoo);
}

static void test_what_cannot_go_on_starts_over(void)
{
    static const char *const paths[] = {"/changed", "/plain"};

    for (size_t i = 0; i < 2; i++) {
        assay_zoo *zoo = zoo_with(paths[i] + 1, paths[i]);
        struct assay_zoo_file file = {0};
        struct assay_error err = {0};

        CHECK_FAILS(fetch(zoo, &local, &file, &err), ASSAY_IO, err);
        CHECK_OK(fetch(zoo, &local, &file, &err), err);
        check_whole(zoo, &file);
        assay_zoo_close(zoo);
    }
}

static void test_without_a_tag_nothing_is_resumed(void)
{
    assay_zoo *zoo = zoo_with("untagged", "/untagged");
    struct assay_zoo_file file = {0};
    struct assay_error err = {0};
    int before = server.n_ranges;

    CHECK_FAILS(fetch(zoo, &local, &file, &err), ASSAY_IO, err);
    CHECK_FAILS(fetch(zoo, &local, &file, &err), ASSAY_IO, err);
    CHECK_INT_EQ(server.n_ranges, before);
    assay_zoo_close(zoo);
}

static void test_another_range_is_refused(void)
{
    assay_zoo *zoo = zoo_with("wrong", "/wrong");
    struct assay_zoo_file file = {0};
    struct assay_error err = {0};

    CHECK_FAILS(fetch(zoo, &local, &file, &err), ASSAY_IO, err);
    CHECK_FAILS(fetch(zoo, &local, &file, &err), ASSAY_IO, err);
    CHECK_STR_HAS(err.msg, "another range than was asked for");
    assay_zoo_close(zoo);
}

static void test_another_sha256_is_thrown_away(void)
{
    assay_zoo *zoo = zoo_with("sha", "/file");
    struct assay_zoo_fetch how = local;
    struct assay_zoo_file file = {0};
    struct assay_error err = {0};

    how.sha256 = "00112233445566778899aabbccddeeff"
                 "00112233445566778899aabbccddeeff";
    CHECK_FAILS(fetch(zoo, &how, &file, &err), ASSAY_DATA, err);
    CHECK_STR_HAS(err.msg, "not 0011223344556677");
    CHECK_INT_EQ(n_files("sha"), 0);
    how.sha256 = "0011";
    CHECK_FAILS(fetch(zoo, &how, &file, &err), ASSAY_ARG, err);
    assay_zoo_close(zoo);
}

static void test_large_files_are_refused(void)
{
    static const char *const paths[] = {"/big", "/endless", "/file"};

    for (size_t i = 0; i < 3; i++) {
        assay_zoo *zoo = zoo_with(paths[i] + 1, paths[i]);
        struct assay_zoo_fetch how = local;
        struct assay_zoo_file file = {0};
        struct assay_error err = {0};
        char name[16];

        how.max_bytes = i == 2 ? FILE_BYTES - 1 : 1 << 20;
        CHECK_FAILS(fetch(zoo, &how, &file, &err), ASSAY_LIMIT, err);
        CHECK_STR_HAS(err.msg, "are fetched (--max-size)");
        snprintf(name, sizeof(name), "%s", paths[i] + 1);
        CHECK_INT_EQ(n_files(name), 0);
        assay_zoo_close(zoo);
    }
}

static const struct {
    const char *path;
    int allow_local;
    const char *message;
} ways[] = {
    {"/to-file", 1, "not http or https"},
    {"/to-ftp", 1, "not http or https"},
    {"/loop", 1, "more than 10 redirects"},
    {"/404", 1, "404"},
    {"/file", 0, "an address of this machine or a local network"},
    {"/to-local", 0, "an address of this machine or a local network"},
};

static void test_links_lead_nowhere_else(void)
{
    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        char name[32];
        struct assay_zoo_fetch how = local;
        struct assay_zoo_file file = {0};
        struct assay_error err = {0};
        assay_zoo *zoo;

        snprintf(name, sizeof(name), "way%zu", i);
        zoo = zoo_with(name, ways[i].path);
        how.allow_local = ways[i].allow_local;
        CHECK_FAILS(fetch(zoo, &how, &file, &err), ASSAY_IO, err);
        CHECK_STR_HAS(err.msg, ways[i].message);
        assay_zoo_close(zoo);
    }
}

static void test_redirects_within_the_web_are_followed(void)
{
    assay_zoo *zoo = zoo_with("to", "/to-local");
    struct assay_zoo_file file = {0};
    struct assay_error err = {0};

    CHECK_OK(fetch(zoo, &local, &file, &err), err);
    check_whole(zoo, &file);
    assay_zoo_close(zoo);
    zoo = zoo_with("empty", "/empty");
    CHECK_OK(fetch(zoo, &local, &file, &err), err);
    CHECK_UINT_EQ(file.size_bytes, 0);
    assay_zoo_close(zoo);
}

static void test_links_must_be_clear(void)
{
    assay_zoo *zoo = zoo_with("links", "/file");
    struct assay_zoo_fetch how = local;
    struct assay_zoo_file file = {0};
    struct assay_error err = {0};

    CHECK_FAILS(assay_zoo_fetch_file(zoo, "none", &how, NULL, &file, &err),
                ASSAY_NOTHING, err);
    CHECK_FAILS(assay_zoo_fetch_file(zoo, "two", &how, NULL, &file, &err),
                ASSAY_ARG, err);
    CHECK_STR_HAS(err.msg, "2 links; choose one (--url)");
    CHECK_FAILS(assay_zoo_fetch_file(zoo, "file", &how, NULL, &file, &err),
                ASSAY_ARG, err);
    CHECK_STR_HAS(err.msg, "is no http or https link");
    how.url = "http://other/";
    CHECK_FAILS(assay_zoo_fetch_file(zoo, "m", &how, NULL, &file, &err),
                ASSAY_NOTHING, err);
    assay_zoo_close(zoo);
}

static void test_a_cancelled_fetch_ends(void)
{
    volatile sig_atomic_t cancel = 1;
    assay_zoo *zoo = zoo_with("cancel", "/endless");
    struct assay_zoo_file file = {0};
    struct assay_error err = {0};
    struct assay_context ctx;

    assay_context_init(&ctx);
    ctx.cancel = &cancel;
    CHECK_FAILS(assay_zoo_fetch_file(zoo, "m", &local, &ctx, &file, &err),
                ASSAY_CANCELED, err);
    assay_zoo_close(zoo);
}

static const struct {
    const char *text;
    int is_public;
} addresses[] = {
    {"8.8.8.8", 1},
    {"1.1.1.1", 1},
    {"127.0.0.1", 0},
    {"127.9.9.9", 0},
    {"10.1.2.3", 0},
    {"172.15.0.1", 1},
    {"172.16.0.1", 0},
    {"172.31.255.255", 0},
    {"172.32.0.1", 1},
    {"192.168.1.1", 0},
    {"192.167.1.1", 1},
    {"169.254.169.254", 0},
    {"100.64.0.1", 0},
    {"100.128.0.1", 1},
    {"0.0.0.0", 0},
    {"198.18.0.1", 0},
    {"198.19.255.255", 0},
    {"198.20.0.1", 1},
    {"224.0.0.1", 0},
    {"255.255.255.255", 0},
    {"223.255.255.255", 1},
    {"::", 0},
    {"::1", 0},
    {"fe80::1", 0},
    {"fc00::1", 0},
    {"fd12::1", 0},
    {"ff02::1", 0},
    {"2606:4700::1111", 1},
    {"2001:db8::1", 0},
    {"2001::1", 0},
    {"2001:4860::8888", 1},
    {"::ffff:127.0.0.1", 0},
    {"::ffff:8.8.8.8", 1},
    {"64:ff9b::a00:1", 0},
    {"64:ff9b::808:808", 1},
    {"2002:7f00:1::1", 0},
    {"2002:808:808::1", 1},
    {"::127.0.0.1", 0},
    {"fec0::1", 0},
};

static void test_addresses_are_told_apart(void)
{
    for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
        struct sockaddr_in v4 = {.sin_family = AF_INET};
        struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
        const char *text = addresses[i].text;
        const struct sockaddr *at = (const struct sockaddr *)&v4;

        if (inet_pton(AF_INET, text, &v4.sin_addr) != 1) {
            CHECK_INT_EQ(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
            at = (const struct sockaddr *)&v6;
        }
        if (assay__address_is_public(at) != (addresses[i].is_public != 0))
            FAIL(text);
    }
}

static const struct check_test tests[] = {
    CHECK_TEST(test_a_file_comes_once),
    CHECK_TEST(test_a_cut_file_goes_on),
    CHECK_TEST(test_what_cannot_go_on_starts_over),
    CHECK_TEST(test_without_a_tag_nothing_is_resumed),
    CHECK_TEST(test_another_range_is_refused),
    CHECK_TEST(test_another_sha256_is_thrown_away),
    CHECK_TEST(test_large_files_are_refused),
    CHECK_TEST(test_links_lead_nowhere_else),
    CHECK_TEST(test_redirects_within_the_web_are_followed),
    CHECK_TEST(test_links_must_be_clear),
    CHECK_TEST(test_a_cancelled_fetch_ends),
    CHECK_TEST(test_addresses_are_told_apart),
};

int main(int argc, char **argv)
{
    int status;

    if (!http_start(&server))
        return 77;
    status = check_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
    http_stop(&server);
    return status;
}
