/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Models on disk: what is saved comes back, and what a stranger's sidecar
 * or weights get wrong is told by file, key and limit.
 */

#include <math.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "assay/format.h"
#include "core/fs.h"
#include "core/mem.h"
#include "small_data.h"
#include "zip_bytes.h"

static void check_same_params(assay_model *a, assay_model *b)
{
    const struct assay_params *p = assay_model_params(a);
    const struct assay_params *q = assay_model_params(b);

    CHECK_UINT_EQ(p->size, q->size);
    CHECK_MEM_EQ(p->data, q->data, p->size * sizeof(float));
}

static void test_saved_model_opens_as_it_was(void)
{
    const char *path = check_temp_path("round.safetensors");
    const struct assay_preprocess *pre;
    struct assay_error err = {0};
    assay_model *m = small_model(3);
    assay_model *back = NULL;
    char sha[65];
    char sha_back[65];

    CHECK_OK(assay_model_set_note(m, "quarter", "target-train", &err), err);
    CHECK_OK(assay_model_set_note(m, "odd", "\"\\\n\xc3\xa9", &err), err);
    CHECK_OK(assay_model_save(m, path, &err), err);
    CHECK_OK(assay_model_open(&back, path, &err), err);
    check_same_params(m, back);
    CHECK_STR_EQ(assay_model_arch(back), "simplecnn");
    CHECK_INT_EQ(assay_model_n_classes(back), SMALL_CLASSES);
    pre = assay_model_preprocess(back);
    CHECK_INT_EQ(pre->channels, 1);
    CHECK_INT_EQ(pre->height, SMALL_SIDE);
    CHECK_INT_EQ(pre->width, SMALL_SIDE);
    CHECK_NEAR(pre->scale, 1 / 255.0, 0);
    CHECK_NEAR(pre->mean[0], .3, 0);
    CHECK_NEAR(pre->std[0], .25, 0);
    CHECK_STR_EQ(assay_model_note(back, "quarter"), "target-train");
    CHECK_STR_EQ(assay_model_note(back, "odd"), "\"\\\n\xc3\xa9");
    CHECK(assay_model_note(back, "none") == NULL);
    CHECK_OK(assay_model_sha256(m, sha, &err), err);
    CHECK_OK(assay_model_sha256(back, sha_back, &err), err);
    CHECK_STR_EQ(sha_back, sha);
    assay_model_free(back);
    assay_model_free(m);
}

/* Every second tensor in the other of two files, an index beside them. */
static void test_model_in_several_files_opens_as_it_was(void)
{
    static const char *const file[] = {"s-1.safetensors", "s-2.safetensors"};
    char text[4096] = "{\"weight_map\": {";
    size_t n = strlen(text);
    struct assay_error err = {0};
    struct assay_tensors all, half[2];
    assay_model *m = small_model(3);
    assay_model *back = NULL;

    CHECK_OK(assay_model_save(m, check_temp_path("s.safetensors"), &err), err);
    assay_tensors_init(&all);
    CHECK_OK(assay_tensors_read(&all, check_temp_path("s.safetensors"), &err),
             err);
    CHECK_INT_EQ(unlink(check_temp_path("s.safetensors")), 0);
    for (int k = 0; k < 2; k++) {
        assay_tensors_init(&half[k]);
        for (size_t i = (size_t)k; i < all.n_items; i += 2) {
            const struct assay_tensor *t = &all.item[i];

            CHECK_OK(assay_tensors_add_f32(&half[k], t->name, &t->shape,
                                           t->data, &err),
                     err);
            n += (size_t)snprintf(
                text + n, sizeof(text) - n, "%s\"%s\": \"%s\"",
                text[n - 1] != '{' ? ", " : "", t->name, file[k]);
        }
        CHECK_OK(assay_tensors_write(&half[k], check_temp_path(file[k]), &err),
                 err);
        assay_tensors_release(&half[k]);
    }
    n += (size_t)snprintf(text + n, sizeof(text) - n, "}}");
    check_write_file(check_temp_path("s.safetensors.index.json"), text, n);
    CHECK_OK(assay_model_open(
                 &back, check_temp_path("s.safetensors.index.json"), &err),
             err);
    check_same_params(m, back);
    CHECK_NEAR(assay_model_preprocess(back)->mean[0], .3, 0);
    assay_model_free(back);
    assay_model_free(m);
    assay_tensors_release(&all);
}

/* The norm is part of the architecture: in the sidecar and in the hash. */
static void test_group_norm_comes_back(void)
{
    const char *path = check_temp_path("group.safetensors");
    struct assay_error err = {0};
    struct assay_model_spec spec = small_spec();
    assay_model *m = NULL;
    assay_model *back = NULL;
    assay_model *batch = NULL;
    char sha[3][65];

    spec.arch = "resnet18";
    CHECK_OK(assay_model_new(&batch, &spec, 3, &err), err);
    spec.norm = ASSAY_NORM_GROUP;
    CHECK_OK(assay_model_new(&m, &spec, 3, &err), err);
    CHECK_OK(assay_model_save(m, path, &err), err);
    CHECK_OK(assay_model_open(&back, path, &err), err);
    CHECK_INT_EQ(assay_model_norm(back), ASSAY_NORM_GROUP);
    CHECK_INT_EQ(assay_model_norm(batch), ASSAY_NORM_BATCH);
    check_same_params(m, back);
    CHECK_OK(assay_model_sha256(m, sha[0], &err), err);
    CHECK_OK(assay_model_sha256(back, sha[1], &err), err);
    CHECK_OK(assay_model_sha256(batch, sha[2], &err), err);
    CHECK_STR_EQ(sha[1], sha[0]);
    CHECK(strcmp(sha[2], sha[0]) != 0);
    assay_model_free(m);
    assay_model_free(back);
    assay_model_free(batch);
}

static void test_notes_are_utf8(void)
{
    struct assay_error err = {0};
    assay_model *m = small_model(3);

    CHECK_FAILS(assay_model_set_note(m, "where", "M\xfcnchen", &err), ASSAY_ARG,
                err);
    CHECK_STR_HAS(err.msg, "'where' is not UTF-8");
    CHECK_FAILS(assay_model_set_note(m, "\xff", "text", &err), ASSAY_ARG, err);
    CHECK(assay_model_note(m, "where") == NULL);
    assay_model_free(m);
}

static void test_saving_twice_gives_the_same_bytes(void)
{
    static const char *const name[2] = {"one.safetensors", "two.safetensors"};
    struct assay_error err = {0};
    assay_model *m = small_model(3);
    unsigned char *data[2];
    size_t size[2];

    for (int i = 0; i < 2; i++) {
        CHECK_OK(assay_model_save(m, check_temp_path(name[i]), &err), err);
        CHECK_OK(assay__read_file(check_temp_path(name[i]), 1 << 24, &data[i],
                                  &size[i], &err),
                 err);
    }
    CHECK_UINT_EQ(size[0], size[1]);
    CHECK_MEM_EQ(data[0], data[1], size[0]);
    assay__free(data[0]);
    assay__free(data[1]);
    assay_model_free(m);
}

static void test_sha256_follows_all_that_matters(void)
{
    struct assay_model_spec spec = small_spec();
    struct assay_error err = {0};
    char sha[4][65];
    assay_model *m[4] = {small_model(3), small_model(4), NULL, small_model(3)};

    spec.preprocess.std[0] = .26;
    CHECK_OK(assay_model_new(&m[2], &spec, 3, &err), err);
    CHECK_OK(assay_model_set_note(m[3], "a", "note", &err), err);
    for (int i = 0; i < 4; i++) {
        CHECK_OK(assay_model_sha256(m[i], sha[i], &err), err);
        assay_model_free(m[i]);
    }
    CHECK(strcmp(sha[0], sha[1]) != 0);
    CHECK(strcmp(sha[0], sha[2]) != 0);
    CHECK_STR_EQ(sha[3], sha[0]);
}

static void check_spec_fails(const struct assay_model_spec *spec,
                             const char *part)
{
    struct assay_error err = {0};
    assay_model *m = NULL;
    int code = assay_model_new(&m, spec, 1, &err);

    CHECK(code == ASSAY_ARG || code == ASSAY_SHAPE);
    CHECK_STR_HAS(err.msg, part);
    CHECK(m == NULL);
}

static void test_impossible_models_are_refused(void)
{
    struct assay_model_spec spec = small_spec();

    spec.n_classes = 1;
    check_spec_fails(&spec, "1 classes; 2 to 65536");
    spec = small_spec();
    spec.preprocess.channels = 5;
    check_spec_fails(&spec, "5 input channels");
    spec = small_spec();
    spec.preprocess.width = 5000;
    check_spec_fails(&spec, "10x5000");
    spec = small_spec();
    spec.preprocess.height = SMALL_SIDE - 1;
    check_spec_fails(&spec, "simplecnn");
    spec = small_spec();
    spec.arch = "simplecm";
    check_spec_fails(&spec, "'simplecm'");
}

static const char *const weights = "given.safetensors";

/* Weights that are right, beside a sidecar of this text. */
static int open_beside(const char *sidecar, struct assay_error *err)
{
    assay_model *m = small_model(3);
    assay_model *back = NULL;
    int code;

    CHECK_OK(assay_model_save(m, check_temp_path(weights), err), *err);
    check_write_file(check_temp_path("given.json"), sidecar, strlen(sidecar));
    code = assay_model_open(&back, check_temp_path(weights), err);
    CHECK((back != NULL) == (code == ASSAY_OK));
    assay_model_free(back);
    assay_model_free(m);
    return code;
}

#define PRE(mean, std)                                                  \
    "\"preprocess\": {\"channels\": 1, \"height\": 10, \"width\": 10, " \
    "\"scale\": 0.1, \"mean\": " mean ", \"std\": " std "}"
#define GOOD_PRE PRE("[0.5]", "[1]")

static void test_sidecar_by_hand_is_enough(void)
{
    struct assay_error err = {0};

    CHECK_OK(open_beside("{\"arch\": \"simplecnn\", \"classes\": 3, " GOOD_PRE
                         "}",
                         &err),
             err);
}

/* The tensors tell network and classes where the sidecar does not. */
static void test_sidecar_may_leave_the_network_out(void)
{
    static const char *const texts[] = {
        "{" GOOD_PRE "}", "{\"arch\": \"simplecnn\", " GOOD_PRE "}",
        "{\"classes\": 3, " GOOD_PRE "}"};

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct assay_error err = {0};

        CHECK_OK(open_beside(texts[i], &err), err);
    }
}

/* At its own size a network is known without any sidecar. */
static void test_state_dict_alone_is_enough(void)
{
    struct assay_model_spec spec = {.arch = "resnet20-cifar-a",
                                    .n_classes = 10,
                                    .preprocess = {.channels = 3,
                                                   .height = 32,
                                                   .width = 32,
                                                   .scale = 1,
                                                   .std = {1, 1, 1}}};
    struct assay_error err = {0};
    assay_model *m = NULL;
    assay_model *back = NULL;

    CHECK_OK(assay_model_new(&m, &spec, 4, &err), err);
    CHECK_OK(assay_model_save(m, check_temp_path("alone.safetensors"), &err),
             err);
    CHECK_INT_EQ(unlink(check_temp_path("alone.json")), 0);
    CHECK_OK(
        assay_model_open(&back, check_temp_path("alone.safetensors"), &err),
        err);
    CHECK_STR_EQ(assay_model_arch(back), "resnet20-cifar-a");
    CHECK_INT_EQ(assay_model_n_classes(back), 10);
    CHECK_INT_EQ(assay_model_preprocess(back)->height, 32);
    CHECK_NEAR(assay_model_preprocess(back)->scale, 1 / 255.0, 1e-15);
    CHECK_MEM_EQ(assay_model_params(back)->data, assay_model_params(m)->data,
                 assay_model_params(m)->size * sizeof(float));
    assay_model_free(back);
    assay_model_free(m);
}

static void test_wrong_sidecars_are_told_by_key(void)
{
    static const struct {
        const char *text;
        const char *part;
    } table[] = {
        {"", "given.json"},
        {"{\"arch\": \"simplecnn\",}", "line 1"},
        {"[1]", "given.json"},
        {"{\"arch\": \"simplecnn\", \"classes\": 3, \"colour\": 1, " GOOD_PRE
         "}",
         "unknown key 'colour'"},
        {"{\"arch\": \"simplecnn\", \"arch\": \"vgg19\", \"classes\": 3, " GOOD_PRE
         "}",
         "duplicate"},
        {"{\"arch\": \"simplecnn\", \"norm\": 1, \"classes\": 3, " GOOD_PRE "}",
         "'norm' must be a text"},
        {"{\"arch\": \"simplecnn\", \"norm\": \"none\", \"classes\": "
         "3, " GOOD_PRE "}",
         "norm 'none'"},
        {"{\"arch\": 7, \"classes\": 3, " GOOD_PRE "}", "'arch'"},
        {"{\"arch\": \"simplecnn\", \"classes\": 1, " GOOD_PRE "}",
         "from 2 to 65536"},
        {"{\"arch\": \"simplecnn\", \"classes\": 3.5, " GOOD_PRE "}",
         "'classes'"},
        {"{\"arch\": \"simplecnn\", \"classes\": 3}",
         "does not say all: no known architecture"},
        {"{\"arch\": \"lenet\", " GOOD_PRE "}", "is called 'lenet'"},
        {"{\"arch\": \"simplecnn\", \"classes\": 3, "
         "\"preprocess\": {\"channels\": 9}}",
         "'channels'"},
        {"{\"arch\": \"simplecnn\", \"classes\": 3, "
         "\"preprocess\": {\"depth\": 9}}",
         "'depth'"},
        {"{\"arch\": \"simplecnn\", \"classes\": 3, " PRE("[1, 2]", "[1]") "}",
         "'preprocess.mean' must hold 1"},
        {"{\"arch\": \"simplecnn\", \"classes\": 3, " PRE("[\"x\"]", "[1]") "}",
         "'preprocess.mean[0]'"},
        {"{\"arch\": \"simplecnn\", \"classes\": 3, " PRE("[1]", "[0]") "}",
         "'preprocess.std[0]' is 0"},
        {"{\"arch\": \"simplecnn\", \"classes\": 3, " GOOD_PRE
         ", \"notes\": {\"seed\": 4}}",
         "note 'seed'"},
        {"{\"arch\": \"simplecnn\", \"classes\": 3, " GOOD_PRE
         ", \"notes\": []}",
         "'notes'"},
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct assay_error err = {0};

        CHECK_FAILS(open_beside(table[i].text, &err), ASSAY_FORMAT, err);
        CHECK_STR_HAS(err.msg, table[i].part);
        CHECK_STR_HAS(err.msg, "given.json");
    }
}

static void test_sidecar_of_another_network_is_refused(void)
{
    struct assay_error err = {0};

    CHECK_FAILS(
        open_beside("{\"arch\": \"simplecnn\", \"classes\": 4, " GOOD_PRE "}",
                    &err),
        ASSAY_SHAPE, err);
    CHECK_STR_HAS(err.msg, "given.safetensors");
    CHECK_STR_HAS(err.msg, "classifier.2.weight");
    CHECK_STR_HAS(err.msg, "[3, 128]");
    CHECK_STR_HAS(err.msg, "[4, 128]");
    CHECK_FAILS(open_beside("{\"arch\": \"resnet99\", \"classes\": 3, " GOOD_PRE
                            "}",
                            &err),
                ASSAY_ARG, err);
    CHECK_STR_HAS(err.msg, "'resnet99'");
}

static long peak_kib(void)
{
    struct rusage use;

    CHECK_INT_EQ(getrusage(RUSAGE_SELF, &use), 0);
    return use.ru_maxrss;
}

/* An input of 500 x 500 would take 500 MB of parameters. */
static void test_sidecar_cannot_ask_for_memory(void)
{
    struct assay_error err = {0};
    long before = peak_kib();

    CHECK_FAILS(open_beside("{\"arch\": \"simplecnn\", \"classes\": 3, "
                            "\"preprocess\": {\"channels\": 1, "
                            "\"height\": 500, \"width\": 500, "
                            "\"scale\": 1, \"mean\": [0], \"std\": [1]}}",
                            &err),
                ASSAY_SHAPE, err);
    CHECK_STR_HAS(err.msg, "classifier.0.weight");
    CHECK(peak_kib() - before < 100 * 1024);
}

static void test_missing_files_are_named(void)
{
    struct assay_error err = {0};
    assay_model *m = small_model(3);
    assay_model *back = NULL;

    CHECK_FAILS(
        assay_model_open(&back, check_temp_path("no.safetensors"), &err),
        ASSAY_IO, err);
    CHECK_STR_HAS(err.msg, "no.safetensors");
    CHECK_OK(assay_model_save(m, check_temp_path("bare.safetensors"), &err),
             err);
    CHECK_INT_EQ(unlink(check_temp_path("bare.json")), 0);
    CHECK_FAILS(
        assay_model_open(&back, check_temp_path("bare.safetensors"), &err),
        ASSAY_FORMAT, err);
    CHECK_STR_HAS(err.msg, "bare.json");
    CHECK_STR_HAS(err.msg, "sidecar");
    assay_model_free(m);
}

static void test_dangerous_file_is_not_opened(void)
{
    static const char pickle[] = "cos\nsystem\n(Vls\ntR.";
    struct assay_error err = {0};
    assay_model *back = NULL;

    check_write_file(check_temp_path("net.pth"), pickle, sizeof(pickle) - 1);
    CHECK_FAILS(assay_model_open(&back, check_temp_path("net.pth"), &err),
                ASSAY_DATA, err);
    CHECK_STR_HAS(err.msg, "pickle-dangerous os.system, byte 0");
    CHECK(back == NULL);
}

#define PART(name, key, n, view)                                         \
    "V" name "\nctorch._utils\n_rebuild_tensor_v2\n((Vstorage\nctorch\n" \
    "FloatStorage\nV" key "\nVcpu\n" n "tQK\0" view "\x89)tRs"

/* A linear layer of 12x12 numbers to two, in PyTorch's zip, with a turned
 * byte in no, the first and the last part of each of its members. */
static void test_turned_byte_in_any_member_is_refused(void)
{
    static const char pickle[] =
        "\x80\2}" PART("w.weight", "0", "M\x20\1", "K\2K\x90\x86K\x90K\1\x86")
            PART("w.bias", "1", "K\2", "K\2\x85K\1\x85") ".";
    static const char side[] =
        "{\"layers\": [\"flatten\", {\"linear\": \"w\"}], "
        "\"preprocess\": {\"channels\": 1, \"height\": 12, \"width\": 12, "
        "\"scale\": 1, \"mean\": [0], \"std\": [1]}}";
    static unsigned char weight[2 * 144 * 4];
    static unsigned char bias[8];
    struct zip_member m[] = {
        {.name = "m/data.pkl", .data = pickle, .size = sizeof(pickle) - 1},
        {.name = "m/data/0", .data = weight, .size = sizeof(weight)},
        {.name = "m/data/1", .data = bias, .size = sizeof(bias), .gap = 1}};
    static struct zip_bytes z;
    struct assay_error err = {0};
    assay_model *back = NULL;

    zip_make(&z, m, 3);
    check_write_file(check_temp_path("net.pth"), z.data, z.size);
    check_write_file(check_temp_path("net.json"), side, sizeof(side) - 1);
    CHECK_OK(assay_model_open(&back, check_temp_path("net.pth"), &err), err);
    assay_model_free(back);
    back = NULL;
    for (int i = 0; i < 3; i++) {
        for (size_t k = 0; k < m[i].size; k += m[i].size - 1) {
            z.data[m[i].at + k] ^= 1;
            check_write_file(check_temp_path("net.pth"), z.data, z.size);
            z.data[m[i].at + k] ^= 1;
            CHECK(assay_model_open(&back, check_temp_path("net.pth"), &err) !=
                  ASSAY_OK);
            CHECK(back == NULL);
            CHECK_STR_HAS(err.msg, i == 0 && k == 0
                                       ? "net.pth"
                                       : "does not have its checksum");
        }
    }
}

/* The model's tensors after `change`, under the sidecar that fits. */
static int open_changed(void (*change)(struct assay_tensors *list),
                        struct assay_error *err)
{
    const char *path = check_temp_path("changed.safetensors");
    assay_model *m = small_model(3);
    assay_model *back = NULL;
    struct assay_tensors list;
    int code;

    CHECK_OK(assay_model_save(m, path, err), *err);
    assay_tensors_init(&list);
    CHECK_OK(assay_tensors_read(&list, path, err), *err);
    change(&list);
    CHECK_OK(assay_tensors_write(&list, path, err), *err);
    code = assay_model_open(&back, path, err);
    if (code == ASSAY_OK)
        check_same_params(m, back);
    assay_tensors_release(&list);
    assay_model_free(back);
    assay_model_free(m);
    return code;
}

static void rename_last(struct assay_tensors *list)
{
    list->item[list->n_items - 1].name[0] = 'x';
}

static void put_infinity(struct assay_tensors *list)
{
    float *data = list->item[0].data;

    data[7] = INFINITY;
}

static void add_counter(struct assay_tensors *list)
{
    struct assay_shape scalar = assay_shape_make(0);
    struct assay_error err = {0};

    CHECK_OK(assay_tensors_add(list, "bn.num_batches_tracked", ASSAY_DTYPE_I64,
                               &scalar, NULL, &err),
             err);
}

static void test_unusable_weights_are_refused(void)
{
    struct assay_error err = {0};

    CHECK_FAILS(open_changed(rename_last, &err), ASSAY_FORMAT, err);
    CHECK_STR_HAS(err.msg, "classifier.");
    CHECK_FAILS(open_changed(put_infinity, &err), ASSAY_NUMERIC, err);
    CHECK_STR_HAS(err.msg, "element 7");
    CHECK_OK(open_changed(add_counter, &err), err);
}

static void test_failed_save_leaves_nothing(void)
{
    struct assay_error err = {0};
    assay_model *m = small_model(3);

    CHECK_FAILS(assay_model_save(m, check_temp_path("no/m.safetensors"), &err),
                ASSAY_IO, err);
    CHECK_STR_HAS(err.msg, "no/m.safetensors");
    /* The sidecar's place is taken by a folder. */
    CHECK_OK(assay__make_dir(check_temp_path("taken.json"), &err), err);
    CHECK_FAILS(assay_model_save(m, check_temp_path("taken.safetensors"), &err),
                ASSAY_IO, err);
    CHECK_STR_HAS(err.msg, "taken.json");
    assay_model_free(m);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_saved_model_opens_as_it_was),
    CHECK_TEST(test_model_in_several_files_opens_as_it_was),
    CHECK_TEST(test_group_norm_comes_back),
    CHECK_TEST(test_notes_are_utf8),
    CHECK_TEST(test_saving_twice_gives_the_same_bytes),
    CHECK_TEST(test_sha256_follows_all_that_matters),
    CHECK_TEST(test_impossible_models_are_refused),
    CHECK_TEST(test_sidecar_by_hand_is_enough),
    CHECK_TEST(test_sidecar_may_leave_the_network_out),
    CHECK_TEST(test_state_dict_alone_is_enough),
    CHECK_TEST(test_wrong_sidecars_are_told_by_key),
    CHECK_TEST(test_sidecar_of_another_network_is_refused),
    CHECK_TEST(test_sidecar_cannot_ask_for_memory),
    CHECK_TEST(test_missing_files_are_named),
    CHECK_TEST(test_dangerous_file_is_not_opened),
    CHECK_TEST(test_turned_byte_in_any_member_is_refused),
    CHECK_TEST(test_unusable_weights_are_refused),
    CHECK_TEST(test_failed_save_leaves_nothing),
};

CHECK_MAIN(tests)
