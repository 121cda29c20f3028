/* SPDX-License-Identifier: Apache-2.0 */
/*
 * safetensors in several files: read as one, without a copy; an index that
 * lies, and files that say otherwise than it, are refused by the tensor's
 * name, and no path leads out of the index's folder.
 */

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "assay/format.h"
#include "check.h"
#include "core/fs.h"
#include "core/mem.h"
#include "formats/shards.h"

static const char good[] =
    "{\"metadata\": {\"total_size\": 99}, \"weight_map\": {"
    "\"a\": \"m-1.safetensors\", \"b\": \"m-1.safetensors\", "
    "\"c\": \"m-2.safetensors\"}}";

static const char *index_path(void)
{
    return check_temp_path("m.safetensors.index.json");
}

/* A file of tensors "a", "b" ... by the letters of `names`, [2] each, with
 * the letter and 1 as values. */
static void write_shard(const char *file, const char *names)
{
    struct assay_shape shape = assay_shape_make(1, (int64_t)2);
    struct assay_error err = {0};
    struct assay_tensors list;

    assay_tensors_init(&list);
    for (; *names; names++) {
        char name[2] = {*names, '\0'};
        float x[2] = {(float)*names, 1};

        CHECK_OK(assay_tensors_add_f32(&list, name, &shape, x, &err), err);
    }
    CHECK_OK(assay_tensors_write(&list, check_temp_path(file), &err), err);
    assay_tensors_release(&list);
}

static void write_good(void)
{
    write_shard("m-1.safetensors", "ab");
    write_shard("m-2.safetensors", "c");
    check_write_file(index_path(), good, sizeof(good) - 1);
}

static void refuse(int code, const char *words)
{
    struct assay_error err = {0};
    struct assay_tensors list;
    int rc;

    assay_tensors_init(&list);
    rc = assay_tensors_read(&list, index_path(), &err);
    if (rc != code)
        printf("# %s\n", err.msg);
    CHECK_INT_EQ(rc, code);
    CHECK_STR_HAS(err.msg, words);
    CHECK_STR_HAS(err.msg, "m.safetensors.index.json");
    CHECK_UINT_EQ(list.n_items, 0);
    CHECK(list.map == NULL);
}

static void test_files_are_read_as_one(void)
{
    struct assay_error err = {0};
    struct assay_tensors list;

    write_good();
    assay_tensors_init(&list);
    CHECK_OK(assay_tensors_read(&list, index_path(), &err), err);
    CHECK_UINT_EQ(list.n_items, 3);
    for (int i = 0; i < 3; i++) {
        char name[2] = {(char)('a' + i), '\0'};
        const struct assay_tensor *t = assay_tensors_find(&list, name);
        const char *map = list.map;

        CHECK(t != NULL);
        CHECK_NEAR(assay_tensor_value(t, 0), 'a' + i, 0);
        CHECK_NEAR(assay_tensor_value(t, 1), 1, 0);
        CHECK((char *)t->data > map && (char *)t->data < map + list.map_bytes);
    }
    assay_tensors_release(&list);
    CHECK(assay_tensors_is_index("m.safetensors.index.json"));
    CHECK(!assay_tensors_is_index(".safetensors.index.json"));
    CHECK(!assay_tensors_is_index("m.safetensors"));
}

#define MAP(text) "{\"weight_map\": {" text "}}"

static void test_each_lie_of_an_index_is_refused(void)
{
    static const struct {
        const char *text;
        int code;
        const char *words;
    } lies[] = {
        {"", ASSAY_FORMAT, "index:"},
        {"[]", ASSAY_FORMAT, "no weight_map"},
        {"{}", ASSAY_FORMAT, "no weight_map"},
        {"{\"weight_map\": []}", ASSAY_FORMAT, "no weight_map"},
        {MAP(""), ASSAY_FORMAT, "no weight_map with tensors"},
        {MAP("\"a\": 1"), ASSAY_FORMAT, "the file of tensor 'a' is no text"},
        {MAP("\"a\": \"x\", \"a\": \"y\""), ASSAY_FORMAT, "index: duplicate"},
        {MAP("\"a\": \"../m-1.safetensors\""), ASSAY_DATA,
         "tensor 'a' is to come from '../m-1.safetensors', which is not"},
        {MAP("\"a\": \"/tmp/m.safetensors\""), ASSAY_DATA, "is not the name"},
        {MAP("\"a\": \"sub/m.safetensors\""), ASSAY_DATA, "is not the name"},
        {MAP("\"a\": \"sub\\\\m.safetensors\""), ASSAY_DATA, "is not the name"},
        {MAP("\"a\": \"C:m.safetensors\""), ASSAY_DATA, "is not the name"},
        {MAP("\"a\": \"..safetensors\""), ASSAY_DATA, "is not the name"},
        {MAP("\"a\": \".safetensors\""), ASSAY_DATA, "is not the name"},
        {MAP("\"a\": \"\""), ASSAY_DATA, "is not the name"},
        {MAP("\"a\": \"m-1.bin\""), ASSAY_DATA, "is not the name"},
        {MAP("\"a\": \"m\\n.safetensors\""), ASSAY_DATA, "is not the name"},
        {MAP("\"a\": \"gone.safetensors\""), ASSAY_IO,
         "gone.safetensors: cannot open: No such file"},
        {MAP("\"a\": \"link.safetensors\""), ASSAY_IO,
         "link.safetensors: cannot open: it is a symbolic link"},
        {MAP("\"a\": \"dir.safetensors\""), ASSAY_IO, "not a regular file"},
        {MAP("\"a\": \"empty.safetensors\""), ASSAY_FORMAT,
         "empty.safetensors: byte 0"},
        {MAP("\"a\": \"m-1.safetensors\""), ASSAY_FORMAT,
         "m-1.safetensors: the index does not name its tensor 'b'"},
        {MAP("\"a\": \"m-1.safetensors\", \"b\": \"m-2.safetensors\", "
             "\"c\": \"m-2.safetensors\""),
         ASSAY_FORMAT,
         "m-1.safetensors: it has the tensor 'b', which the index has in "
         "'m-2.safetensors'"},
        {MAP("\"a\": \"m-1.safetensors\", \"b\": \"m-1.safetensors\", "
             "\"d\": \"m-1.safetensors\""),
         ASSAY_FORMAT,
         "the index has the tensor 'd' in 'm-1.safetensors', which has it not"},
        {MAP("\"a\": \"m-1.safetensors\", \"b\": \"m-1.safetensors\", "
             "\"c\": \"again.safetensors\""),
         ASSAY_FORMAT, "again.safetensors: a: a tensor of that name"},
    };
    struct assay_error err = {0};

    write_good();
    write_shard("again.safetensors", "ac");
    check_write_file(check_temp_path("empty.safetensors"), "", 0);
    CHECK_OK(assay__make_dir(check_temp_path("dir.safetensors"), &err), err);
    (void)unlink(check_temp_path("link.safetensors"));
    CHECK_INT_EQ(
        symlink("m-1.safetensors", check_temp_path("link.safetensors")), 0);
    for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
        check_write_file(index_path(), lies[i].text, strlen(lies[i].text));
        refuse(lies[i].code, lies[i].words);
    }
}

static void test_no_part_of_an_index_or_a_file_is_whole(void)
{
    unsigned char *data = NULL;
    struct assay_error err = {0};
    struct assay_tensors list;
    size_t size = 0;

    write_good();
    for (size_t n = 0; n < sizeof(good) - 1; n++) {
        check_write_file(index_path(), good, n);
        assay_tensors_init(&list);
        CHECK(assay_tensors_read(&list, index_path(), &err) != ASSAY_OK);
        CHECK_UINT_EQ(list.n_items, 0);
    }
    write_good();
    CHECK_OK(assay__read_file(check_temp_path("m-2.safetensors"), 1 << 16,
                              &data, &size, &err),
             err);
    for (size_t n = 0; n < size; n++) {
        check_write_file(check_temp_path("m-2.safetensors"), data, n);
        refuse(ASSAY_FORMAT, "m-2.safetensors: byte ");
    }
    assay__free(data);
}

static void test_caps(void)
{
    static char text[ASSAY__INDEX_MAX + 2];
    size_t n = 0;

    write_good();
    memset(text, ' ', sizeof(text));
    memcpy(text, good, sizeof(good) - 1);
    check_write_file(index_path(), text, sizeof(text) - 1);
    refuse(ASSAY_LIMIT, "at most 8388608 are read");
    n += (size_t)snprintf(text, sizeof(text), "{\"weight_map\": {");
    for (int i = 0; i <= ASSAY__SHARDS_MAX; i++)
        n += (size_t)snprintf(text + n, sizeof(text) - n,
                              "%s\"%d\": \"%d.safetensors\"", i ? "," : "", i,
                              i);
    n += (size_t)snprintf(text + n, sizeof(text) - n, "}}");
    check_write_file(index_path(), text, n);
    refuse(ASSAY_LIMIT, "more than 1024 files");
    n = (size_t)snprintf(text, sizeof(text), "{\"weight_map\": {");
    for (int i = 0; i <= 1 << 14; i++)
        n += (size_t)snprintf(text + n, sizeof(text) - n,
                              "%s\"%d\": \"m-1.safetensors\"", i ? "," : "", i);
    n += (size_t)snprintf(text + n, sizeof(text) - n, "}}");
    check_write_file(index_path(), text, n);
    refuse(ASSAY_LIMIT, "the index names 16385 tensors, limit 16384");
}

static const struct check_test tests[] = {
    CHECK_TEST(test_files_are_read_as_one),
    CHECK_TEST(test_each_lie_of_an_index_is_refused),
    CHECK_TEST(test_no_part_of_an_index_or_a_file_is_whole),
    CHECK_TEST(test_caps),
};

CHECK_MAIN(tests)
