/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scanning files written by hand: each hostile one has its verdict, its rule
 * and what is at fault; each harmless one is clean. Where the corpora of
 * other scanners lie beside the repository, all of their bad files are found
 * and none of their good ones alarms.
 */

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "assay/scan.h"
#include "check.h"
#include "zip_bytes.h"

#define P(text) text, sizeof(text) - 1
#define EVIL "cos\nsystem\n(Vls\ntR."

static void scan_copy(struct assay_scan *scan, const void *data, size_t size,
                      const char *name)
{
    struct assay_error err = {0};
    unsigned char *copy = malloc(size ? size : 1);

    CHECK(copy != NULL);
    if (size)
        memcpy(copy, data, size);
    CHECK_OK(assay_scan_bytes(scan, copy, size, name, &err), err);
    free(copy);
}

static const struct assay_scan_reason *find(const struct assay_scan *scan,
                                            const char *rule)
{
    for (size_t i = 0; i < scan->n_reasons; i++) {
        if (strcmp(scan->reason[i].rule->id, rule) == 0)
            return &scan->reason[i];
    }
    return NULL;
}

/* `rule` NULL: clean. `what` NULL: nothing is asked of it. */
static void check_scan(const void *data, size_t size, const char *name,
                       const char *rule, const char *what, size_t offset)
{
    const struct assay_scan_reason *r;
    struct assay_scan scan;

    scan_copy(&scan, data, size, name);
    r = rule ? find(&scan, rule) : NULL;
    if (rule ? !r : scan.verdict != ASSAY_SEVERITY_CLEAN) {
        printf("# %s: %s wanted\n", name, rule ? rule : "clean");
        for (size_t i = 0; i < scan.n_reasons; i++)
            printf("#   %s %s byte %llu %s\n", scan.reason[i].rule->id,
                   scan.reason[i].what ? scan.reason[i].what : "-",
                   (unsigned long long)scan.reason[i].offset,
                   scan.reason[i].why);
        FAIL("another verdict");
    }
    if (r) {
        CHECK(scan.verdict >= r->rule->severity);
        CHECK_UINT_EQ(r->offset, offset);
        if (what)
            CHECK_STR_EQ(r->what, what);
    }
    assay_scan_release(&scan);
}

static const struct {
    const char *text;
    size_t size;
    const char *name;
    const char *rule;
    const char *what;
    size_t offset;
} pickles[] = {
    {P(EVIL), "a.pkl", "pickle-dangerous", "os.system", 0},
    {P(EVIL), "a", "pickle-dangerous", "os.system", 0},
    {P("(Vls\nios\nsystem\n."), "a.pkl", "pickle-dangerous", "os.system", 5},
    {P("(cposix\nsystem\nVls\no."), "a.pkl", "pickle-dangerous", "posix.system",
     1},
    {P("Vo\\u0073\nVsystem\n\x93)R."), "a.pkl", "pickle-dangerous", "os.system",
     17},
    {P("\x80\4\x8c\2os\x94\x8c\6system\x94"
       "0"
       "0h\0h\1\x93)R."),
     "a.pkl", "pickle-dangerous", "os.system", 22},
    {P("\x80\2c__builtin__\ngetattr\nq\0."), "a.pt", "pickle-dangerous",
     "__builtin__.getattr", 2},
    {P("\x80\4\x8c\6shutil\x8c\x09os.system\x93)R."), "a.pt",
     "pickle-dangerous", "shutil.os.system", 21},
    {P("\x80\4\x8c\5torch\x8c\5hub.x\x93)R."), "a.pt", "pickle-dangerous",
     "torch.hub.x", 16},
    {P("\x80\2cmylib.nets\nNet\n)\x81}b."), "a.pt", "pickle-unknown",
     "mylib.nets.Net", 2},
    {P("\x80\2ccollections\nOrderedDict\n)RVx\n\x93)R."), "a.pt",
     "pickle-computed", "STACK_GLOBAL", 32},
    {P("\x80\2ccollections\nOrderedDict\n)R)R."), "a.pt", "pickle-computed",
     "REDUCE", 30},
    {P("\x80\2\x82\x07."), "a.pt", "pickle-extension", "EXT1", 2},
    {P("\x80\2ccollections\nOrderedDict\n}b."), "a.pt", "pickle-patch",
     "OrderedDict", 28},
    {P("\x80\2ccollections\nOrderedDict\nVx\nK\1s."), "a.pt", "pickle-patch",
     "OrderedDict", 32},
    /* A second stream; one that is broken off; one hidden in a string. */
    {P("\x80\2}.\x80\2cos\nsystem\n."), "a.pkl", "pickle-dangerous",
     "os.system", 6},
    {P("}.N." EVIL), "a.pkl", "pickle-dangerous", "os.system", 4},
    {P("cos\nsystem\n(X\xff\xff\xff\x7fls"), "a.pkl", "pickle-dangerous",
     "os.system", 0},
    {P("cos\nsystem\n(X\xff\xff\xff\x7fls"), "a.pkl", "pickle-broken", NULL,
     12},
    {P("\x80\2C\x14" EVIL "."), "a.pkl", "pickle-nested", NULL, 2},
    {P("\x80\2U\x1cY29zCnN5c3RlbQooVmxzCnRSLg==."), "a.pkl", "pickle-nested",
     NULL, 2},
    {P("\x80\2U\x28"
       "636f730a73797374656d0a28566c730a7452"
       "2e2e2e2e."),
     "a.pkl", "pickle-nested", NULL, 2},
    {P("\x80\2c__builtin__\neval\n)R.\x80\2M\xe9\x03.\x80\2}."), "a.pt",
     "torch-magic", NULL, 0},
    {P(EVIL), "a.txt", "wrong-suffix", NULL, 0},
    /* Harmless. */
    {P("\x80\2}q\0."), "a.pt", NULL, NULL, 0},
    {P("(lp0\nVa\np1\na."), "a.pkl", NULL, NULL, 0},
    {P("\x80\2ccollections\nOrderedDict\n)R}b."), "a.pt", NULL, NULL, 0},
    {P("\x80\2ctorch._utils\n_rebuild_tensor_v2\n((Vstorage\nctorch\n"
       "FloatStorage\nV0\nVcpu\nK\1tQK\0)))tR."),
     "a.pt", NULL, NULL, 0},
    {P("\x80\2U\x1c"
       "eyJoaWRkZW5fc2l6ZSI6IDc2OH0=."),
     "a.pkl", NULL, NULL, 0},
    {P("\x80\2cargparse\nNamespace\n)\x81}b."), "a.pt", NULL, NULL, 0},
    /* No models. */
    {P("cmod\n\xf8\n"), "a.bin", "unknown-kind", NULL, 0},
    {P("\x89PNG\r\n\x1a\n"), "a.pt", "unknown-kind", NULL, 0},
    {P(""), "a.pt", "unknown-kind", NULL, 0},
    {P("\x82\xaa.>"), "0", "unknown-kind", NULL, 0},
    {P("\x80\2\x82\xaa\xff"), "0", "unknown-kind", NULL, 0},
    {P("\x80\2}"), "a.pt", "pickle-broken", NULL, 3},
};

static void test_each_pickle_has_its_verdict(void)
{
    for (size_t i = 0; i < sizeof(pickles) / sizeof(pickles[0]); i++) {
        printf("# pickle %zu\n", i);
        check_scan(pickles[i].text, pickles[i].size, pickles[i].name,
                   pickles[i].rule, pickles[i].what, pickles[i].offset);
    }
}

/* A zip of these members, scanned as `name`. */
static void check_zip(struct zip_member *m, size_t n, const char *name,
                      const char *rule, const char *what, size_t offset)
{
    struct zip_bytes z = {.size = 0};

    zip_make(&z, m, n);
    check_scan(z.data, z.size, name, rule, what,
               offset == SIZE_MAX ? z.directory_at : offset);
}

#define EVIL_MEMBER .data = EVIL, .size = sizeof(EVIL) - 1
#define GOOD_MEMBER .data = "\x80\2}.", .size = 4

static void test_members_are_scanned_whatever_their_name(void)
{
    struct zip_member pkl[] = {{.name = "m/data.pkl", EVIL_MEMBER}};
    struct zip_member raw[] = {{.name = "m/data/0", EVIL_MEMBER}};
    struct zip_member bad_crc[] = {
        {.name = "data.pkl", EVIL_MEMBER, .crc_xor = 1}};
    struct zip_member crypt[] = {{.name = "data.pkl", EVIL_MEMBER, .flags = 1}};

    check_zip(pkl, 1, "a.pt", "pickle-dangerous", "os.system", 0);
    check_zip(raw, 1, "a.pt", "pickle-dangerous", "os.system", 0);
    check_zip(bad_crc, 1, "a.pt", "pickle-dangerous", "os.system", 0);
    check_zip(bad_crc, 1, "a.pt", "zip-checksum", "data.pkl", 38);
    check_zip(crypt, 1, "a.pt", "pickle-dangerous", "os.system", 0);
}

static void test_what_is_wrong_with_an_archive_is_told(void)
{
    static const char big[] = "0123456789";
    struct zip_member up[] = {{.name = "../../etc/x", GOOD_MEMBER}};
    struct zip_member root[] = {{.name = "/etc/x", GOOD_MEMBER}};
    struct zip_member drive[] = {{.name = "C:x", GOOD_MEMBER}};
    struct zip_member link[] = {
        {.name = "x", .data = "/etc/passwd", .size = 11, .mode = 0120777}};
    struct zip_member twice[] = {{.name = "x.pkl", GOOD_MEMBER},
                                 {.name = "x.pkl", GOOD_MEMBER}};
    struct zip_member lies[] = {
        {.name = "x.pkl", .local_name = "y.pkl", GOOD_MEMBER}};
    struct zip_member crypt[] = {{.name = "x.pkl", GOOD_MEMBER, .flags = 0x20}};
    struct zip_member bomb[] = {{.name = "x.pkl",
                                 .data = big,
                                 .size = 10,
                                 .method = 8,
                                 .claim = 1000000}};
    struct zip_member gap[] = {{.name = "x.pkl", GOOD_MEMBER},
                               {.name = "y.pkl", GOOD_MEMBER, .gap = 7}};
    struct zip_member code[] = {{.name = "x.py", .data = "1", .size = 1}};
    struct zip_member script[] = {
        {.name = "m/code/__torch__.py", .data = "1", .size = 1}};
    struct zip_member elf[] = {{.name = "x",
                                .data = "\x7f"
                                        "ELF",
                                .size = 4}};
    struct zip_member other[] = {{.name = "x.pkl", GOOD_MEMBER, .method = 12}};
    struct zip_member good[] = {
        {.name = "m/data.pkl", GOOD_MEMBER},
        {.name = "m/data/0", .data = "\0\0\x80\x3f", .size = 4},
        {.name = "m/version", .data = "3\n", .size = 2}};

    check_zip(up, 1, "a.zip", "zip-path", "../../etc/x", SIZE_MAX);
    check_zip(root, 1, "a.zip", "zip-path", "/etc/x", SIZE_MAX);
    check_zip(drive, 1, "a.zip", "zip-path", "C:x", SIZE_MAX);
    check_zip(link, 1, "a.zip", "zip-link", "x", SIZE_MAX);
    check_zip(twice, 2, "a.zip", "zip-twice", "x.pkl", 78 + 51);
    check_zip(lies, 1, "a.zip", "zip-lies", "x.pkl", SIZE_MAX);
    check_zip(crypt, 1, "a.zip", "zip-encrypted", "x.pkl", SIZE_MAX);
    check_zip(bomb, 1, "a.zip", "zip-bomb", "x.pkl", SIZE_MAX);
    check_zip(gap, 2, "a.zip", "zip-hidden", "between", 39);
    check_zip(code, 1, "a.zip", "archive-code", "x.py", SIZE_MAX);
    check_zip(script, 1, "a.pt", "torch-script", "m/code/__torch__.py",
              SIZE_MAX);
    check_zip(elf, 1, "a.zip", "archive-code", "x", 31);
    check_zip(other, 1, "a.zip", "archive-broken", "x.pkl", SIZE_MAX);
    check_zip(good, 3, "a.pt", NULL, NULL, 0);
}

static void test_archives_that_are_something_else_too_are_told(void)
{
    struct zip_member good[] = {{.name = "m/data.pkl", GOOD_MEMBER}};
    struct zip_bytes z = {.size = 0};

    zip_text(&z, EVIL, sizeof(EVIL) - 1);
    zip_make(&z, good, 1);
    check_scan(z.data, z.size, "a.pt", "pickle-dangerous", "os.system", 0);
    check_scan(z.data, z.size, "a.pt", "polyglot", NULL, 0);
    check_scan(z.data, z.size, "a.pt", "zip-hidden", "before", 0);
    z.size = 0;
    zip_make(&z, good, 1);
    zip_text(&z, EVIL, sizeof(EVIL) - 1);
    check_scan(z.data, z.size, "a.pt", "zip-hidden", "behind",
               z.size - sizeof(EVIL) + 1);
    check_scan(z.data, z.size, "a.pt", "pickle-dangerous", "os.system", 0);
    z.size = 0;
    zip_make(&z, good, 1);
    check_scan(z.data, z.size - 30, "a.pt", "archive-broken", NULL,
               z.size - 30);
}

/* Which directory a program reads must not be a matter of taste. */
static void test_archives_with_two_readings_are_dangerous(void)
{
    struct zip_member good[] = {{.name = "m/data.pkl", GOOD_MEMBER}};
    struct zip_member evil[] = {{.name = "m/data.pkl", EVIL_MEMBER}};
    struct zip_bytes z = {.size = 0};
    size_t first;

    /* The end record's offset finds the first directory, counting back
     * from the end the second. */
    zip_make(&z, evil, 1);
    first = z.directory_at;
    z.size -= 22;
    zip_make(&z, good, 1);
    z.data[z.size - 6] = (unsigned char)first;
    z.data[z.size - 5] = (unsigned char)(first >> 8);
    check_scan(z.data, z.size, "a.pt", "zip-directory", NULL, z.directory_at);
    /* No member by the count, one by the directory's size. */
    z.size = 0;
    zip_make(&z, evil, 1);
    z.data[z.size - 12] = z.data[z.size - 14] = 0;
    check_scan(z.data, z.size, "a.pt", "zip-directory", NULL, z.directory_at);
    check_scan(z.data, z.size, "a.pt", "pickle-dangerous", "os.system", 0);
}

static void test_a_zip_is_no_pickle_for_its_first_newline(void)
{
    struct zip_member call[] = {
        {.name = "data.bin", .data = "\n\x80\2cm\nC\n)R.", .size = 11}};
    struct zip_bytes z = {.size = 0};
    struct assay_scan scan;

    zip_make(&z, call, 1);
    scan_copy(&scan, z.data, z.size, "a.pt");
    CHECK(find(&scan, "polyglot") == NULL);
    assay_scan_release(&scan);
}

static void test_nested_archives_are_followed_to_a_depth(void)
{
    static struct zip_bytes z[2];
    struct zip_member m = {.name = "data.pkl", EVIL_MEMBER};
    int now = 0;

    for (int depth = 0; depth < 12; depth++) {
        z[now].size = 0;
        zip_make(&z[now], &m, 1);
        m = (struct zip_member){
            .name = "in.zip", .data = z[now].data, .size = z[now].size};
        if (depth == 3)
            check_scan(z[now].data, z[now].size, "a.zip", "pickle-dangerous",
                       "os.system", 0);
        now = !now;
    }
    check_scan(m.data, m.size, "a.zip", "too-deep", NULL, 0);
}

static void test_no_prefix_of_a_file_breaks_the_scan(void)
{
    struct zip_member m[] = {{.name = "m/data.pkl", EVIL_MEMBER},
                             {.name = "m/version", .data = "3\n", .size = 2}};
    struct zip_bytes z = {.size = 0};
    struct assay_scan scan;

    zip_make(&z, m, 2);
    for (size_t n = 0; n < z.size; n++) {
        scan_copy(&scan, z.data, n, "a.pt");
        CHECK(scan.verdict != ASSAY_SEVERITY_CLEAN);
        assay_scan_release(&scan);
    }
}

/* What our caps stop would go on in Python: it is not told as damage. */
static void test_pickles_over_a_cap_are_suspicious(void)
{
    static const char head[] = "\x80\2Nr\xff\xff\xff\x7f" EVIL;

    check_scan(head, sizeof(head) - 1, "a.pkl", "too-deep", NULL, 3);
}

static void test_gate_refuses_what_is_dangerous_alone(void)
{
    struct assay_error err = {0};

    check_write_file(check_temp_path("a.pkl"), EVIL, sizeof(EVIL) - 1);
    CHECK_FAILS(assay_scan_gate(check_temp_path("a.pkl"), &err), ASSAY_DATA,
                err);
    CHECK_STR_HAS(err.msg, "os.system");
    check_write_file(check_temp_path("b.pkl"), "\x80\2}.", 4);
    CHECK_OK(assay_scan_gate(check_temp_path("b.pkl"), &err), err);
    CHECK_FAILS(assay_scan_gate(check_temp_path("none"), &err), ASSAY_IO, err);
}

/* Every file of a folder of the corpora: the least or greatest verdict. */
static void check_corpus(const char *folder, bool bad, size_t least)
{
    char path[512];
    struct dirent *entry;
    size_t n = 0;
    DIR *dir;

    snprintf(path, sizeof(path), "%s/../shared/data/malicious/%s",
             getenv("ASSAY_SOURCE") ? getenv("ASSAY_SOURCE") : ".", folder);
    dir = opendir(path);
    if (!dir)
        SKIP("../shared/data/malicious is not there");
    while ((entry = readdir(dir)) != NULL) {
        struct assay_error err = {0};
        struct assay_scan scan;

        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof(path), "%s/../shared/data/malicious/%s/%.200s",
                 getenv("ASSAY_SOURCE") ? getenv("ASSAY_SOURCE") : ".", folder,
                 entry->d_name);
        CHECK_OK(assay_scan_file(&scan, path, &err), err);
        if (bad != (scan.verdict >= ASSAY_SEVERITY_SUSPICIOUS)) {
            printf("# %s: %s\n", entry->d_name,
                   assay_severity_name(scan.verdict));
            FAIL("a file of the corpora has another verdict");
        }
        assay_scan_release(&scan);
        n++;
    }
    closedir(dir);
    CHECK(n >= least);
}

static void test_all_bad_files_of_the_corpora_are_found(void)
{
    check_corpus("bad", true, 29);
}

static void test_no_good_file_of_the_corpora_alarms(void)
{
    check_corpus("good", false, 11);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_each_pickle_has_its_verdict),
    CHECK_TEST(test_members_are_scanned_whatever_their_name),
    CHECK_TEST(test_what_is_wrong_with_an_archive_is_told),
    CHECK_TEST(test_archives_that_are_something_else_too_are_told),
    CHECK_TEST(test_archives_with_two_readings_are_dangerous),
    CHECK_TEST(test_a_zip_is_no_pickle_for_its_first_newline),
    CHECK_TEST(test_nested_archives_are_followed_to_a_depth),
    CHECK_TEST(test_no_prefix_of_a_file_breaks_the_scan),
    CHECK_TEST(test_pickles_over_a_cap_are_suspicious),
    CHECK_TEST(test_gate_refuses_what_is_dangerous_alone),
    CHECK_TEST(test_all_bad_files_of_the_corpora_are_found),
    CHECK_TEST(test_no_good_file_of_the_corpora_alarms),
};

CHECK_MAIN(tests)
