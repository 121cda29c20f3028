/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files, folders and hashes. Failures of writing are provoked by a folder
 * that is missing, one that is a file, a limit on file size, and /dev/full:
 * after each, nothing half-written may be left under any name.
 */

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "core/fs.h"
#include "core/mem.h"

static void check_content(const char *path, const char *want)
{
    unsigned char *data = NULL;
    struct assay_error err = {0};
    size_t size;

    CHECK_OK(assay__read_file(path, 4096, &data, &size, &err), err);
    CHECK_UINT_EQ(size, strlen(want));
    CHECK_STR_EQ((char *)data, want);
    assay__free(data);
}

/* A fresh folder of this test's own. */
static const char *folder(const char *name)
{
    const char *path = check_temp_path(name);
    struct assay_error err = {0};

    CHECK_OK(assay__make_dir(path, &err), err);
    return path;
}

static int count_entries(const char *path)
{
    DIR *dir = opendir(path);
    int n = -2; /* . and .. */

    CHECK(dir != NULL);
    while (readdir(dir))
        n++;
    closedir(dir);
    return n;
}

static void test_written_file_reads_back(void)
{
    const char *path = check_temp_path("file");
    struct assay_error err = {0};

    CHECK_OK(assay__write_file(path, "content", 7, &err), err);
    check_content(path, "content");
    CHECK_OK(assay__write_file(path, "new", 3, &err), err);
    check_content(path, "new");
    CHECK_OK(assay__write_file(path, NULL, 0, &err), err);
    check_content(path, "");
}

static void test_reading_stops_at_the_cap(void)
{
    const char *path = check_temp_path("capped");
    unsigned char *data = NULL;
    struct assay_error err = {0};
    size_t size = 1;

    check_write_file(path, "0123456789", 10);
    CHECK_OK(assay__read_file(path, 10, &data, &size, &err), err);
    CHECK_UINT_EQ(size, 10);
    assay__free(data);
    data = NULL;
    CHECK_FAILS(assay__read_file(path, 9, &data, &size, &err), ASSAY_LIMIT,
                err);
    CHECK(data == NULL);
    CHECK_STR_HAS(err.msg, "capped");
    CHECK_STR_HAS(err.msg, "10");
    CHECK_STR_HAS(err.msg, "9");
}

static void test_what_cannot_be_read_says_why(void)
{
    unsigned char *data = NULL;
    struct assay_error err = {0};
    char text[ASSAY__SHA256_TEXT];
    size_t size;

    CHECK_FAILS(
        assay__read_file(check_temp_path("missing"), 10, &data, &size, &err),
        ASSAY_IO, err);
    CHECK_STR_HAS(err.msg, "missing");
    CHECK_STR_HAS(err.msg, "No such file");
    CHECK_FAILS(assay__read_file(check_temp_dir(), 10, &data, &size, &err),
                ASSAY_IO, err);
    CHECK_FAILS(assay__sha256_file(check_temp_path("missing"), text, &err),
                ASSAY_IO, err);
    CHECK_FAILS(assay__sha256_file(check_temp_dir(), text, &err), ASSAY_IO,
                err);
}

static void test_abandoned_write_leaves_the_old_file(void)
{
    const char *dir = folder("abandon");
    const char *path = check_temp_path("abandon/file");
    struct assay__writer w;
    struct assay_error err = {0};

    check_write_file(path, "old", 3);
    CHECK_OK(assay__writer_open(&w, path, &err), err);
    fputs("half of the new", w.file);
    CHECK_INT_EQ(count_entries(dir), 2);
    check_content(path, "old");
    assay__writer_abandon(&w);
    CHECK(w.file == NULL);
    check_content(path, "old");
    CHECK_INT_EQ(count_entries(dir), 1);
}

static void test_commit_replaces_the_file_at_once(void)
{
    const char *dir = folder("commit");
    const char *path = check_temp_path("commit/file");
    struct assay__writer w;
    struct assay_error err = {0};

    check_write_file(path, "old", 3);
    CHECK_OK(assay__writer_open(&w, path, &err), err);
    fputs("new", w.file);
    CHECK_OK(assay__writer_commit(&w, &err), err);
    check_content(path, "new");
    CHECK_INT_EQ(count_entries(dir), 1);
}

static void test_temporary_is_hidden_and_named_as_one(void)
{
    const char *path = check_temp_path("named");
    struct assay__writer w;
    struct assay_error err = {0};

    CHECK_OK(assay__writer_open(&w, path, &err), err);
    CHECK_STR_HAS(w.temp, "/.named.");
    CHECK_STR_EQ(w.temp + strlen(w.temp) - 4, ".tmp");
    assay__writer_abandon(&w);
}

static void test_umask_decides_who_may_read(void)
{
    const char *path = check_temp_path("private");
    struct assay_error err = {0};
    struct stat st;
    mode_t old = umask(077);

    CHECK_OK(assay__write_file(path, "x", 1, &err), err);
    umask(old);
    CHECK_INT_EQ(stat(path, &st), 0);
    CHECK_INT_EQ(st.st_mode & 0777, 0600);
}

static void test_unwritable_places_are_named(void)
{
    struct assay_error err = {0};

    CHECK_FAILS(assay__write_file(check_temp_path("no/such"), "x", 1, &err),
                ASSAY_IO, err);
    CHECK_STR_HAS(err.msg, "no/such");
    check_write_file(check_temp_path("plain"), "x", 1);
    CHECK_FAILS(assay__write_file(check_temp_path("plain/below"), "x", 1, &err),
                ASSAY_IO, err);
    CHECK_STR_HAS(err.msg, "Not a directory");
    CHECK_FAILS(assay__write_file(check_temp_dir(), "x", 1, &err), ASSAY_IO,
                err);
    CHECK_STR_HAS(err.msg, "folder");
}

static void test_full_disk_is_reported(void)
{
    static const char block[200000];
    struct assay__writer w;
    struct assay_error err = {0};

    if (access("/dev/full", W_OK) != 0)
        SKIP("no /dev/full");
    CHECK_FAILS(assay__write_file("/dev/full", "x", 1, &err), ASSAY_IO, err);
    CHECK_STR_HAS(err.msg, "No space left");
    CHECK_FAILS(assay__write_file("/dev/full", block, sizeof block, &err),
                ASSAY_IO, err);
    CHECK_STR_HAS(err.msg, "No space left");
    CHECK_OK(assay__writer_open(&w, "/dev/full", &err), err);
    fwrite(block, 1, sizeof block, w.file); /* its result ignored */
    CHECK_FAILS(assay__writer_commit(&w, &err), ASSAY_IO, err);
    CHECK(access("/dev/full", W_OK) == 0);
}

/* A limit on file size stands for a disk that fills up half-way. */
static void test_write_that_stops_half_way_leaves_nothing(void)
{
    static const char block[200000];
    const char *dir = folder("limited");
    const char *path = check_temp_path("limited/file");
    struct assay_error err = {0};
    struct rlimit old;
    struct rlimit small;
    int code;

    check_write_file(path, "old", 3);
    CHECK_INT_EQ(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = old;
    small.rlim_cur = 100000;
    signal(SIGXFSZ, SIG_IGN);
    CHECK_INT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
    code = assay__write_file(path, block, sizeof block, &err);
    setrlimit(RLIMIT_FSIZE, &old);
    CHECK_FAILS(code, ASSAY_IO, err);
    CHECK_STR_HAS(err.msg, "too large");
    check_content(path, "old");
    CHECK_INT_EQ(count_entries(dir), 1);
}

static void test_pipe_is_written_straight(void)
{
    struct assay_error err = {0};
    char path[40];
    char got[4] = {0};
    int ends[2];

    CHECK_INT_EQ(pipe(ends), 0);
    snprintf(path, sizeof path, "/dev/fd/%d", ends[1]);
    CHECK_OK(assay__write_file(path, "abc", 3, &err), err);
    CHECK_INT_EQ(read(ends[0], got, 3), 3);
    CHECK_STR_EQ(got, "abc");
    close(ends[0]);
    close(ends[1]);
}

static void test_long_names_can_be_written(void)
{
    char name[256];
    const char *path;
    struct assay_error err = {0};

    memset(name, 'n', sizeof name);
    name[255] = '\0';
    path = check_temp_path(name);
    CHECK_OK(assay__write_file(path, "x", 1, &err), err);
    check_content(path, "x");
}

static void test_folders_are_made_to_any_depth(void)
{
    const char *path = check_temp_path("a/b//c/");
    struct assay_error err = {0};

    CHECK(!assay__exists(path));
    CHECK_OK(assay__make_dir(path, &err), err);
    CHECK(assay__is_dir(path));
    CHECK_OK(assay__make_dir(path, &err), err);
    CHECK_OK(assay__make_dir("/", &err), err);
    check_write_file(check_temp_path("a/file"), "x", 1);
    CHECK(assay__exists(check_temp_path("a/file")));
    CHECK(!assay__is_dir(check_temp_path("a/file")));
    CHECK_FAILS(assay__make_dir(check_temp_path("a/file"), &err), ASSAY_IO,
                err);
    CHECK_FAILS(assay__make_dir(check_temp_path("a/file/below"), &err),
                ASSAY_IO, err);
    CHECK_STR_HAS(err.msg, "a/file");
}

static void check_join(const char *a, const char *b, const char *want)
{
    char *path = assay__path_join(a, b);

    CHECK_STR_EQ(path, want);
    assay__free(path);
}

static void test_paths_join_with_one_slash(void)
{
    check_join("a", "b", "a/b");
    check_join("a/", "b", "a/b");
    check_join("/", "b", "/b");
    check_join("", "b", "b");
}

static void test_sha256_matches_the_standard(void)
{
    /* FIPS 180-4: the hashes of "abc" and of nothing. */
    static const char abc[] =
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    static const char nothing[] =
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    const char *path = check_temp_path("hashed");
    char text[ASSAY__SHA256_TEXT];
    struct assay__sha256 h;
    struct assay_error err = {0};

    CHECK_INT_EQ(assay__sha256_begin(&h), ASSAY_OK);
    assay__sha256_add(&h, "a", 1);
    assay__sha256_add(&h, "bc", 2);
    assay__sha256_end(&h, text);
    CHECK_STR_EQ(text, abc);
    check_write_file(path, "abc", 3);
    CHECK_OK(assay__sha256_file(path, text, &err), err);
    CHECK_STR_EQ(text, abc);
    check_write_file(path, "", 0);
    CHECK_OK(assay__sha256_file(path, text, &err), err);
    CHECK_STR_EQ(text, nothing);
}

/* Nobody will ever write to it. */
static void test_pipe_is_refused_at_once(void)
{
    const char *path = check_temp_path("pipe");
    struct assay_error err = {0};
    unsigned char *data = NULL;
    size_t size = 0;

    CHECK_INT_EQ(mkfifo(path, 0600), 0);
    (void)alarm(10);
    CHECK_FAILS(assay__read_file(path, 100, &data, &size, &err), ASSAY_IO, err);
    (void)alarm(0);
    CHECK_STR_HAS(err.msg, "not a regular file");
}

static const struct check_test tests[] = {
    CHECK_TEST(test_written_file_reads_back),
    CHECK_TEST(test_reading_stops_at_the_cap),
    CHECK_TEST(test_what_cannot_be_read_says_why),
    CHECK_TEST(test_abandoned_write_leaves_the_old_file),
    CHECK_TEST(test_commit_replaces_the_file_at_once),
    CHECK_TEST(test_temporary_is_hidden_and_named_as_one),
    CHECK_TEST(test_umask_decides_who_may_read),
    CHECK_TEST(test_unwritable_places_are_named),
    CHECK_TEST(test_full_disk_is_reported),
    CHECK_TEST(test_write_that_stops_half_way_leaves_nothing),
    CHECK_TEST(test_pipe_is_written_straight),
    CHECK_TEST(test_long_names_can_be_written),
    CHECK_TEST(test_folders_are_made_to_any_depth),
    CHECK_TEST(test_paths_join_with_one_slash),
    CHECK_TEST(test_sha256_matches_the_standard),
    CHECK_TEST(test_pipe_is_refused_at_once),
};

CHECK_MAIN(tests)
