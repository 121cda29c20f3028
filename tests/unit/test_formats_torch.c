/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PyTorch files: what PyTorch wrote is read as PyTorch reads it, to the last
 * bit, in both layouts, with views, shared storages, wrappers and prefixes;
 * pickles that name anything else, storages that lie and archives that
 * disagree with themselves are refused with their place.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "assay/format.h"
#include "check.h"
#include "core/fs.h"
#include "core/mem.h"
#include "formats/format.h"
#include "zip_bytes.h"

static int parse(const void *data, size_t size, struct assay_tensors *list,
                 struct assay_error *err)
{
    unsigned char *copy = malloc(size ? size : 1);
    int rc;

    CHECK(copy != NULL);
    if (size)
        memcpy(copy, data, size);
    assay_tensors_init(list);
    rc = assay__tensors_parse(list, copy, size, NULL, err);
    free(copy);
    return rc;
}

static const char *golden(const char *name)
{
    static char path[512];

    snprintf(path, sizeof(path), "%s/tests/golden/torch/%s",
             getenv("ASSAY_SOURCE") ? getenv("ASSAY_SOURCE") : ".", name);
    return path;
}

static void digest(const struct assay_tensor *t, char text[ASSAY__SHA256_TEXT])
{
    struct assay__sha256 h;

    CHECK(assay__sha256_begin(&h) == 0);
    assay__sha256_add(&h, t->data,
                      assay_shape_count(&t->shape, 1) *
                          assay_dtype_size(t->dtype));
    assay__sha256_end(&h, text);
}

/* "[2,3]" */
static void shape_text(const struct assay_shape *shape, char *out, size_t size)
{
    size_t n = (size_t)snprintf(out, size, "[");

    for (int i = 0; i < shape->rank; i++)
        n += (size_t)snprintf(out + n, size - n, "%s%lld", i ? "," : "",
                              (long long)shape->dim[i]);
    snprintf(out + n, size - n, "]");
}

/* The lines of expected.txt about `file`: how many there are. */
static size_t check_lines(const char *file, const struct assay_tensors *list)
{
    char line[512];
    size_t n = 0;
    FILE *f = fopen(golden("expected.txt"), "r");

    CHECK(f != NULL);
    while (fgets(line, sizeof(line), f)) {
        char of[64], name[64], dtype[16], shape[64], sha[80];
        char got[ASSAY__SHA256_TEXT];
        const struct assay_tensor *t;

        CHECK_INT_EQ(sscanf(line, "%63s %63s %15s %63s %79s", of, name, dtype,
                            shape, sha),
                     5);
        if (strcmp(of, file) != 0)
            continue;
        t = assay_tensors_find(list, name);
        if (!t)
            printf("# %s has no %s\n", file, name);
        CHECK(t != NULL);
        CHECK_STR_EQ(assay_dtype_name(t->dtype), dtype);
        shape_text(&t->shape, line, sizeof(line));
        CHECK_STR_EQ(line, shape);
        digest(t, got);
        CHECK_STR_EQ(got, sha);
        n++;
    }
    fclose(f);
    return n;
}

static void test_files_of_pytorch_are_read_as_it_reads_them(void)
{
    static const char *const files[] = {
        "state.pth",       "state-legacy.pth",
        "checkpoint.pth",  "checkpoint-legacy.pth",
        "list-of-one.pth", "list-of-two.pth",
        "nested.pth",      "script.pt",
        "deflated.pth",    "state-legacy.pth.zip",
        "zip64.pth"};

    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        struct assay_error err = {0};
        struct assay_tensors list;

        assay_tensors_init(&list);
        CHECK_OK(assay_tensors_read(&list, golden(files[i]), &err), err);
        CHECK_UINT_EQ(check_lines(files[i], &list), list.n_items);
        CHECK(list.n_items > 1);
        assay_tensors_release(&list);
    }
}

static void test_what_was_left_out_is_told(void)
{
    struct assay_error err = {0};
    struct assay_tensors list;

    assay_tensors_init(&list);
    CHECK_OK(assay_tensors_read(&list, golden("checkpoint.pth"), &err), err);
    CHECK_STR_EQ(assay_tensors_meta(&list, "torch.under"), "state_dict");
    assay_tensors_release(&list);
    CHECK_OK(assay_tensors_read(&list, golden("nested.pth"), &err), err);
    CHECK_STR_EQ(assay_tensors_meta(&list, "torch.ignored"), "1");
    assay_tensors_release(&list);
}

static void check_prefixes(const char *name)
{
    struct assay_error err = {0};
    unsigned char *data = NULL;
    size_t size = 0;

    CHECK_OK(assay__read_file(golden(name), 1 << 20, &data, &size, &err), err);
    for (size_t n = 0; n < size; n++) {
        struct assay_tensors list;

        CHECK(parse(data, n, &list, &err) != 0);
        CHECK(err.msg[0] != '\0');
        CHECK_UINT_EQ(list.n_items, 0);
    }
    assay__free(data);
}

static void test_no_prefix_of_a_file_is_accepted(void)
{
    check_prefixes("list-of-one.pth");
    check_prefixes("nested.pth");
}

/* A tensor "w": offset, sizes and strides as pickled text; the storage is
 * key '0' of class `type` with `n` elements. */
#define TENSOR(type, n, view)                                                 \
    "\x80\2}Vw\nctorch._utils\n_rebuild_tensor_v2\n((Vstorage\nctorch\n" type \
    "\nV0\nVcpu\n" n "tQ" view "\x89)tRs."

static const struct {
    const char *pickle;
    size_t size;
    int code; /* 0: is read */
    const char *message;
} views[] = {
#define ROW(text, code, message)              \
    {                                         \
        text, sizeof(text) - 1, code, message \
    }
    ROW(TENSOR("FloatStorage", "K\2", "K\0K\2\x85K\1\x85"), 0, ""),
    ROW(TENSOR("IntStorage", "K\2", "K\1K\1\x85K\1\x85"), 0, ""),
    ROW(TENSOR("FloatStorage", "K\2", "K\0K\0K\7\x86K\7K\1\x86"), 0, ""),
    ROW(TENSOR("FloatStorage", "K\2", "K\1K\2\x85K\1\x85"), ASSAY_FORMAT,
        "reaches element 2 of a storage of 2"),
    ROW(TENSOR("FloatStorage", "K\2", "K\0K\2\x85K\2\x85"), ASSAY_FORMAT,
        "reaches element 2 of a storage of 2"),
    ROW(TENSOR("FloatStorage", "K\2", "K\2)\x29"), ASSAY_FORMAT,
        "reaches element 2 of a storage of 2"),
    ROW(TENSOR("FloatStorage", "K\3", "K\0K\2\x85K\1\x85"), ASSAY_FORMAT,
        "has 8 bytes, the pickle states 3 elements of 4"),
    ROW(TENSOR("DoubleStorage", "K\2", "K\0K\1\x85K\1\x85"), ASSAY_FORMAT,
        "has 8 bytes, the pickle states 2 elements of 8"),
    ROW(TENSOR("FloatStorage", "L-1L\n", "K\0K\2\x85K\1\x85"), ASSAY_FORMAT,
        "a persistent id is not"),
    ROW(TENSOR("FloatStorage", "K\2", "J\xff\xff\xff\xffK\2\x85K\1\x85"),
        ASSAY_FORMAT, "offset is no number from 0 on"),
    ROW(TENSOR("FloatStorage", "K\2", "K\0J\xfe\xff\xff\xff\x85K\1\x85"),
        ASSAY_FORMAT, "one of a tensor's sizes"),
    ROW(TENSOR("FloatStorage", "K\2", "K\0K\2\x85J\xff\xff\xff\xff\x85"),
        ASSAY_FORMAT, "one of a tensor's strides"),
    ROW(TENSOR("FloatStorage", "K\2", "K\0K\2\x85K\1K\1\x86"), ASSAY_FORMAT,
        "has 1 sizes and 2 strides"),
    ROW(TENSOR("FloatStorage", "K\2", "K\0VxK\1\x85"), ASSAY_FORMAT, ""),
    ROW(TENSOR("FloatStorage", "K\2",
               "K\0(K\1K\1K\1K\1K\1K\1K\1t(K\1K\1K\1K\1K\1K\1K\1t"),
        ASSAY_LIMIT, "has 7 dimensions, limit 6"),
    ROW(TENSOR("FloatStorage", "K\2",
               "K\0J\xff\xff\xff\x7fJ\xff\xff\xff\x7f\x86K\0K\0\x86"),
        ASSAY_LIMIT, "sizes ask for over"),
    ROW(TENSOR("FloatStorage", "K\2", "K\0J\0\0\0\1\x85K\0\x85"), ASSAY_LIMIT,
        "over 16 times the file"),
    ROW(TENSOR("FloatStorage", "K\2",
               "K\0\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f\x85"
               "\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f\x85"),
        ASSAY_LIMIT, "sizes ask for over"),
    ROW(TENSOR("ComplexFloatStorage", "K\1", "K\0K\1\x85K\1\x85"),
        ASSAY_UNSUPPORTED, "type ComplexFloatStorage"),
    ROW(TENSOR("LongestStorage", "K\1", "K\0K\1\x85K\1\x85"), ASSAY_UNSUPPORTED,
        "the pickle names torch.LongestStorage"),
    ROW("\x80\2}Vw\ncos\nsystem\n(Vls\ntRs.", ASSAY_UNSUPPORTED,
        "byte 6: the pickle names os.system"),
    ROW("\x80\2ccollections\nOrderedDict\n](](Vw\nctorch._utils\n"
        "_rebuild_tensor\n((Vstorage\nctorch\nFloatStorage\nV0\nVcpu\nK\2t"
        "QK\0K\2\x85K\1\x85tRee\x85R.",
        0, ""),
    ROW("\x80\2}.", ASSAY_DATA, "the pickle holds no tensors"),
    ROW("\x80\2}q\0Va\nh\0s.", ASSAY_LIMIT, "tree is deeper than 32"),
    ROW("\x80\2}..", ASSAY_FORMAT, "byte 4: 1 bytes follow the pickle"),
    ROW("\x80\2}Vw\nctorch._utils\n_rebuild_sparse_tensor\n)Rs.",
        ASSAY_UNSUPPORTED, "tensors of _rebuild_sparse_tensor"),
    ROW("\x80\2}Vw\nctorch._utils\n_rebuild_parameter\n)Rs.", ASSAY_FORMAT,
        "a parameter does not hold a tensor"),
    ROW("\x80\2}Vw\nctorch._utils\n_rebuild_tensor\n)Rs.", ASSAY_FORMAT,
        "does not name its storage"),
    ROW("\x80\2Vx\n\x82\1\x93.", ASSAY_UNSUPPORTED, "computes the name"),
#undef ROW
};

static void test_each_lie_of_a_pickle_is_refused(void)
{
    for (size_t i = 0; i < sizeof(views) / sizeof(views[0]); i++) {
        struct zip_member m[] = {
            {.name = "m/data.pkl",
             .data = views[i].pickle,
             .size = views[i].size},
            {.name = "m/data/0", .data = "\0\0\x80\x3f\0\0\0\x40", .size = 8}};
        struct zip_bytes z = {.size = 0};
        struct assay_error err = {0};
        struct assay_tensors list;
        int rc;

        zip_make(&z, m, 2);
        rc = parse(z.data, z.size, &list, &err);
        if (rc != views[i].code)
            printf("# view %zu: %s\n", i, err.msg);
        CHECK_INT_EQ(rc, views[i].code);
        CHECK_STR_HAS(err.msg, views[i].message);
        CHECK(rc == 0 || list.n_items == 0);
        assay_tensors_release(&list);
    }
}

#define GOOD TENSOR("FloatStorage", "K\2", "K\0K\2\x85K\1\x85")
#define PICKLE(n) .name = n, .data = GOOD, .size = sizeof(GOOD) - 1
#define STORAGE .name = "m/data/0", .data = "\0\0\x80\x3f\0\0\0\x40", .size = 8

static void check_zip(struct zip_member *m, size_t n, int code,
                      const char *message)
{
    struct zip_bytes z = {.size = 0};
    struct assay_error err = {0};
    struct assay_tensors list;
    int rc;

    zip_make(&z, m, n);
    rc = parse(z.data, z.size, &list, &err);
    if (rc != code)
        printf("# %s\n", err.msg);
    CHECK_INT_EQ(rc, code);
    CHECK_STR_HAS(err.msg, message);
    assay_tensors_release(&list);
}

static void test_archives_that_disagree_are_refused(void)
{
    struct zip_member good[] = {{PICKLE("m/data.pkl")}, {STORAGE}};
    struct zip_member gone[] = {{PICKLE("m/data.pkl")}};
    struct zip_member other[] = {{PICKLE("x/data.pkl")}, {STORAGE}};
    struct zip_member both[] = {{PICKLE("m/data.pkl")}, {PICKLE("n/data.pkl")}};
    struct zip_member twice[] = {{PICKLE("m/data.pkl")}, {STORAGE}, {STORAGE}};
    struct zip_member lies[] = {
        {PICKLE("m/data.pkl"), .local_name = "m/data.bin"}, {STORAGE}};
    struct zip_member crc[] = {{PICKLE("m/data.pkl"), .crc_xor = 1}, {STORAGE}};
    struct zip_member crypt[] = {{PICKLE("m/data.pkl"), .flags = 1}, {STORAGE}};
    struct zip_member bomb[] = {
        {PICKLE("m/data.pkl"), .method = 8, .claim = 0x7fffffff}, {STORAGE}};
    struct zip_member junk[] = {{PICKLE("m/data.pkl"), .method = 8}, {STORAGE}};
    struct zip_member up[] = {{PICKLE("m/data.pkl")},
                              {STORAGE},
                              {.name = "../x", .data = "", .size = 0}};
    struct zip_member big[] = {
        {PICKLE("m/data.pkl")},
        {STORAGE},
        {.name = "m/byteorder", .data = "big", .size = 3}};

    check_zip(good, 2, 0, "");
    check_zip(gone, 1, ASSAY_FORMAT, "the storage '0' is not in the archive");
    check_zip(other, 2, ASSAY_FORMAT, "is not in the archive");
    check_zip(both, 2, ASSAY_UNSUPPORTED, "2 members are a data.pkl");
    check_zip(twice, 3, ASSAY_FORMAT, "its name occurs twice");
    check_zip(lies, 2, ASSAY_FORMAT, "has another name");
    check_zip(crc, 2, ASSAY_FORMAT, "does not have its checksum");
    check_zip(crypt, 2, ASSAY_FORMAT, "is marked as encrypted");
    check_zip(bomb, 2, ASSAY_FORMAT, "states another size");
    check_zip(junk, 2, ASSAY_FORMAT, "is not what deflate writes");
    check_zip(up, 3, ASSAY_FORMAT, "is absolute, leaves its folder");
    check_zip(big, 3, ASSAY_UNSUPPORTED, "big-endian");
}

static void write_bytes(const char *path, const void *data, size_t size)
{
    FILE *f = fopen(path, "wb");

    CHECK(f != NULL);
    CHECK_UINT_EQ(fwrite(data, 1, size, f), size);
    CHECK_INT_EQ(fclose(f), 0);
}

/*
 * With one byte of the file turned at `at`, which a tensor lies in or was
 * copied from: reading refuses; opening refuses, or the check of the tensors
 * around that byte does, and no other one.
 */
static void check_turned(const char *path, const unsigned char *good,
                         size_t size, size_t at)
{
    struct assay_error err = {0};
    struct assay_tensors list;
    unsigned char *bytes = malloc(size);
    size_t bad = 0;
    int rc;

    CHECK(bytes != NULL);
    memcpy(bytes, good, size);
    bytes[at] ^= 0x10;
    write_bytes(path, bytes, size);
    assay_tensors_init(&list);
    CHECK_FAILS(assay_tensors_read(&list, path, &err), ASSAY_FORMAT, err);
    CHECK_STR_HAS(err.msg, "does not have its checksum");
    CHECK_UINT_EQ(list.n_items, 0);
    rc = assay_tensors_open(&list, path, &err);
    for (size_t i = 0; i < list.n_items && !rc; i++)
        bad += assay_tensors_check(&list, &list.item[i], &err) != ASSAY_OK;
    CHECK(rc == ASSAY_FORMAT || bad > 0);
    CHECK(rc || bad < list.n_items);
    if (!rc)
        CHECK_FAILS(assay_tensors_check(&list, NULL, &err), ASSAY_FORMAT, err);
    assay_tensors_release(&list);
    free(bytes);
}

/* Each byte of each storage: of those that stay in the file, are copied
 * because they are strided or shared, or are unpacked. */
static void test_turned_byte_in_any_storage_is_refused(void)
{
    const char *files[] = {"state.pth", "checkpoint.pth", "script.pt"};

    for (size_t f = 0; f < sizeof(files) / sizeof(files[0]); f++) {
        char *path = strdup(check_temp_path("turned.pth"));
        struct assay_error err = {0};
        struct assay_tensors list;
        unsigned char *good = NULL;
        size_t size = 0;

        CHECK_OK(
            assay__map_file(golden(files[f]), SIZE_MAX, &good, &size, &err),
            err);
        assay_tensors_init(&list);
        CHECK_OK(assay_tensors_open(&list, golden(files[f]), &err), err);
        CHECK(list.n_sums > 1);
        CHECK_OK(assay_tensors_check(&list, NULL, &err), err);
        for (size_t i = 0; i < list.n_sums; i++) {
            const struct assay_tensor_sum *s = &list.sum[i];
            size_t at = (size_t)(s->at - (unsigned char *)list.map);

            CHECK(s->passed);
            for (size_t k = 0; k < s->size; k += 3)
                check_turned(path, good, size, at + k);
        }
        assay_tensors_release(&list);
        assay__unmap(good, size);
        free(path);
    }
}

/* What is not a storage is compared when the file is opened. */
static void test_turned_byte_in_a_pickle_is_refused_at_once(void)
{
    const char *path = check_temp_path("turned.pth");
    struct zip_member m[] = {{PICKLE("m/data.pkl"), .crc_xor = 1}, {STORAGE}};
    struct zip_bytes z = {.size = 0};
    struct assay_error err = {0};
    struct assay_tensors list;

    zip_make(&z, m, 2);
    write_bytes(path, z.data, z.size);
    assay_tensors_init(&list);
    CHECK_FAILS(assay_tensors_open(&list, path, &err), ASSAY_FORMAT, err);
    CHECK_STR_HAS(err.msg, "m/data.pkl' does not have its checksum");
    m[0].crc_xor = 0;
    m[1].crc_xor = 1;
    m[1].gap = 0;
    z.size = 0;
    zip_make(&z, m, 2);
    while (m[1].at % 4 != 0 || m[1].gap == 0) {
        z.size = 0;
        m[1].gap++;
        zip_make(&z, m, 2);
    }
    write_bytes(path, z.data, z.size);
    CHECK_OK(assay_tensors_open(&list, path, &err), err);
    CHECK_FAILS(assay_tensors_check(&list, &list.item[0], &err), ASSAY_FORMAT,
                err);
    assay_tensors_release(&list);
    /* Out of line it is copied, and compared before that. */
    m[1].gap++;
    z.size = 0;
    zip_make(&z, m, 2);
    write_bytes(path, z.data, z.size);
    CHECK_FAILS(assay_tensors_open(&list, path, &err), ASSAY_FORMAT, err);
    CHECK_STR_HAS(err.msg, "m/data/0' does not have its checksum");
}

static void test_file_within_a_zip_is_read_once(void)
{
    struct zip_member m[] = {{PICKLE("m/data.pkl")}, {STORAGE}};
    static struct zip_bytes z, outer;
    struct zip_member one[] = {{.name = "net.pth", .data = z.data}};
    struct zip_member two[] = {{.name = "a.pth", .data = z.data},
                               {.name = "b.pth", .data = z.data}};
    struct zip_member deep[] = {{.name = "net.pth", .data = outer.data}};

    zip_make(&z, m, 2);
    one[0].size = two[0].size = two[1].size = z.size;
    check_zip(one, 1, 0, "");
    check_zip(two, 2, ASSAY_UNSUPPORTED, "2 a PyTorch file; one is read");
    zip_make(&outer, one, 1);
    deep[0].size = outer.size;
    check_zip(deep, 1, ASSAY_UNSUPPORTED, "an archive in an archive");
}

#define MAGIC "\x80\2\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."
#define PROTO "\x80\2M\xe9\3."
#define INFO "\x80\2}Vlittle_endian\n\x88s."
#define KEYS "\x80\2]V0\na."
#define TWO "\2\0\0\0\0\0\0\0\0\0\x80\x3f\0\0\0\x40"

static const struct {
    const char *file;
    size_t size;
    int code;
    const char *message;
} legacy[] = {
#define ROW(text, code, message)              \
    {                                         \
        text, sizeof(text) - 1, code, message \
    }
    ROW(MAGIC PROTO INFO GOOD KEYS TWO, 0, ""),
    ROW(MAGIC PROTO INFO GOOD KEYS TWO "x", ASSAY_FORMAT,
        "1 bytes belong to no storage"),
    ROW(MAGIC PROTO INFO GOOD "\x80\2]." TWO, ASSAY_FORMAT,
        "16 bytes belong to no storage"),
    ROW(MAGIC PROTO INFO GOOD "\x80\2].", ASSAY_FORMAT,
        "the storage '0' is not in the file"),
    ROW(MAGIC PROTO INFO GOOD "\x80\2]V0\naV0\na." TWO TWO, ASSAY_FORMAT,
        "the key of a storage occurs twice"),
    ROW(MAGIC PROTO INFO GOOD "\x80\2]V1\na." TWO, ASSAY_FORMAT,
        "no tensor has the storage"),
    ROW(MAGIC PROTO INFO GOOD "\x80\2}.", ASSAY_FORMAT, "are no list"),
    ROW(MAGIC PROTO INFO GOOD KEYS "\3\0\0\0\0\0\0\0\0\0\x80\x3f\0\0\0\x40",
        ASSAY_FORMAT, "a storage of 3 elements, the pickle states 2"),
    ROW(MAGIC PROTO INFO GOOD KEYS "\2\0\0\0\0\0\0\0\0\0", ASSAY_FORMAT,
        "a storage of 2 elements goes beyond the file's"),
    ROW(MAGIC PROTO INFO GOOD KEYS "\2\0", ASSAY_FORMAT,
        "the file ends before a storage's size"),
    ROW(MAGIC "\x80\2M\xe8\3." INFO GOOD KEYS TWO, ASSAY_UNSUPPORTED,
        "the protocol is not 1001"),
    ROW(MAGIC PROTO "\x80\2}Vlittle_endian\n\x89s." GOOD KEYS TWO,
        ASSAY_UNSUPPORTED, "big-endian"),
    ROW("\x80\2}.", ASSAY_UNSUPPORTED, "not one that PyTorch wrote"),
    ROW("\x80\2c__builtin__\neval\n(VX\ntR." PROTO INFO GOOD KEYS TWO,
        ASSAY_UNSUPPORTED, "not one that PyTorch wrote"),
    ROW(MAGIC PROTO INFO "\x80\2cos\nsystem\n." KEYS, ASSAY_UNSUPPORTED,
        "the pickle names os.system"),
#undef ROW
};

static void test_each_lie_of_the_older_layout_is_refused(void)
{
    for (size_t i = 0; i < sizeof(legacy) / sizeof(legacy[0]); i++) {
        struct assay_error err = {0};
        struct assay_tensors list;
        int rc = parse(legacy[i].file, legacy[i].size, &list, &err);

        if (rc != legacy[i].code)
            printf("# file %zu: %s\n", i, err.msg);
        CHECK_INT_EQ(rc, legacy[i].code);
        CHECK_STR_HAS(err.msg, legacy[i].message);
        assay_tensors_release(&list);
    }
}

/* Sums and counts of tensors, as PyTorch 1.13 gives them. */
static const struct {
    const char *file;
    size_t n_tensors;
    const char *name;
    const char *sha;
} models[] = {
    {"backdoored/badnet-CIFAR10.pth", 8, NULL, NULL},
    {"backdoored/badnet-MNIST.pth", 8, NULL, NULL},
    {"cifar10/akamaster_resnet20-12fca82f.th", 97, "linear.bias",
     "4185ff48c3a34a89c9dccbaa881b36a19ba204b13101c4f64bb5b809897dc5db"},
    {"cifar10/akamaster_resnet56-4bfd9763.th", 277, "linear.bias",
     "214357d4a40bc7af90d88ff8e180efb5b1deb439b45a6b036ba6bfdeaf8a72d2"},
    {"cifar10/oval21_cifar_base_kw.pth", 8, "7.bias",
     "319397937a88f70f82a1f3eb57c690ec79b4f8a84cace3cc614f3581555f0f49"},
    {"cifar10/vnncomp21_resnet_2b_model_best.pth", 16, "linear2.bias",
     "62ac922c30d93387bb1d3511812c729f16e40e44d3b7527d6d13bcb08a677029"},
    {"mnist/locuslab_mnist.pth", 8, "7.bias",
     "1dbbf9305ed31c528dcda1a4b919f201440a645e1fe86b13b2306be9612f1315"},
};

static void test_published_models_are_read(void)
{
    char path[512];

    snprintf(path, sizeof(path), "%s/../shared/data/models",
             getenv("ASSAY_SOURCE") ? getenv("ASSAY_SOURCE") : ".");
    if (!assay__is_dir(path))
        SKIP("../shared/data/models is not there");
    for (size_t i = 0; i < sizeof(models) / sizeof(models[0]); i++) {
        char got[ASSAY__SHA256_TEXT];
        const struct assay_tensor *t;
        struct assay_error err = {0};
        struct assay_tensors list;

        snprintf(path, sizeof(path), "%s/../shared/data/models/%s",
                 getenv("ASSAY_SOURCE") ? getenv("ASSAY_SOURCE") : ".",
                 models[i].file);
        assay_tensors_init(&list);
        CHECK_OK(assay_tensors_read(&list, path, &err), err);
        CHECK_UINT_EQ(list.n_items, models[i].n_tensors);
        if (models[i].name) {
            t = assay_tensors_find(&list, models[i].name);
            CHECK(t != NULL);
            digest(t, got);
            CHECK_STR_EQ(got, models[i].sha);
        }
        assay_tensors_release(&list);
    }
}

static const struct check_test tests[] = {
    CHECK_TEST(test_files_of_pytorch_are_read_as_it_reads_them),
    CHECK_TEST(test_what_was_left_out_is_told),
    CHECK_TEST(test_no_prefix_of_a_file_is_accepted),
    CHECK_TEST(test_each_lie_of_a_pickle_is_refused),
    CHECK_TEST(test_archives_that_disagree_are_refused),
    CHECK_TEST(test_turned_byte_in_any_storage_is_refused),
    CHECK_TEST(test_turned_byte_in_a_pickle_is_refused_at_once),
    CHECK_TEST(test_file_within_a_zip_is_read_once),
    CHECK_TEST(test_each_lie_of_the_older_layout_is_refused),
    CHECK_TEST(test_published_models_are_read),
};

CHECK_MAIN(tests)
