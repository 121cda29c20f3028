/* SPDX-License-Identifier: Apache-2.0 */
/* Study files: what stands in them, what is refused where, and the cells. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "core/mem.h"
#include "study/grid.h"

static struct assay__study_file *file;
static struct assay__study_cell *cells;
static size_t n_cells;
static struct assay_error err;

#define HEAD                                 \
    "name: test\n"                           \
    "datasets:\n"                            \
    "  - {name: one, data: fashion-mnist}\n" \
    "  - {name: two, data: mnist, epochs: 7, records: 50}\n"
#define NETS "architectures: [simplecnn, vgg19]\n"

static int parse(const char *text)
{
    assay__study_file_free(file);
    file = NULL;
    return assay__study_file_parse(&file, text, strlen(text), "s.yaml", &err);
}

static int grid_of(const char *text)
{
    int code = parse(text);

    assay__free(cells);
    cells = NULL;
    n_cells = 0;
    if (code == ASSAY_OK)
        code = assay__study_grid(file, &cells, &n_cells, &err);
    return code;
}

static void release(void)
{
    assay__study_file_free(file);
    assay__free(cells);
    file = NULL;
    cells = NULL;
}

static void refuse(const char *text, const char *message)
{
    CHECK_FAILS(grid_of(text), ASSAY_FORMAT, err);
    CHECK_STR_HAS(err.msg, message);
    CHECK_STR_HAS(err.msg, "s.yaml");
    release();
}

/* The grid's own refusals have no path yet: open.c puts it in front. */
static void refuse_grid(const char *text, const char *message)
{
    CHECK_FAILS(grid_of(text), ASSAY_FORMAT, err);
    CHECK_STR_HAS(err.msg, message);
    release();
}

static void test_all_pairs_in_order(void)
{
    CHECK_OK(grid_of(HEAD NETS "seeds: [3, 1]\n"), err);
    CHECK_UINT_EQ(n_cells, 8);
    CHECK_STR_EQ(cells[0].name, "one-simplecnn-none-s3");
    CHECK_STR_EQ(cells[1].name, "one-vgg19-none-s3");
    CHECK_STR_EQ(cells[2].name, "two-simplecnn-none-s3");
    CHECK_STR_EQ(cells[7].name, "two-vgg19-none-s1");
    CHECK_UINT_EQ(cells[7].seed, 1);
    CHECK_INT_EQ(cells[7].sweep, 0);
    release();
}

static void test_settings_lie_over_each_other(void)
{
    CHECK_OK(grid_of(HEAD NETS "epochs: 9\n"
                               "lr: 0.5\n"
                               "milestones: [2, 4, 6]\n"
                               "augment: ['crop:3']\n"
                               "size: own\n"
                               "optimizer: adam\n"
                               "overrides:\n"
                               "  - {architecture: vgg19, lr: 0.25}\n"
                               "  - {dataset: one, architecture: vgg19, "
                               "batch: 8, size: 40x48}\n"),
             err);
    CHECK_UINT_EQ(cells[0].settings.recipe.epochs, 9);
    CHECK_NEAR(cells[0].settings.recipe.lr, 0.5, 0);
    CHECK_INT_EQ(cells[0].settings.recipe.n_milestones, 3);
    CHECK_UINT_EQ(cells[0].settings.recipe.milestones[2], 6);
    CHECK_INT_EQ(cells[0].settings.recipe.augment.flip, 0);
    CHECK_INT_EQ(cells[0].settings.recipe.augment.crop_pad, 3);
    CHECK_INT_EQ(cells[0].settings.recipe.optimizer.kind, ASSAY_OPTIMIZER_ADAM);
    CHECK_INT_EQ(cells[0].settings.pixels.height, 0);
    CHECK_UINT_EQ(cells[0].settings.recipe.batch, 64);
    CHECK_UINT_EQ(cells[0].settings.records, 0);
    CHECK_NEAR(cells[1].settings.recipe.lr, 0.25, 0);
    CHECK_UINT_EQ(cells[1].settings.recipe.batch, 8);
    CHECK_INT_EQ(cells[1].settings.pixels.width, 48);
    CHECK_UINT_EQ(cells[2].settings.recipe.epochs, 7);
    CHECK_UINT_EQ(cells[2].settings.records, 50);
    CHECK_UINT_EQ(cells[3].settings.recipe.batch, 64);
    CHECK_NEAR(cells[3].settings.recipe.lr, 0.25, 0);
    release();
}

static void test_presets_differ(void)
{
    CHECK_OK(grid_of(HEAD NETS "preset: paper\n"), err);
    CHECK_UINT_EQ(cells[0].settings.recipe.epochs, 300);
    CHECK_INT_EQ(cells[0].settings.pixels.height, 32);
    CHECK_INT_EQ(cells[0].settings.references, 0);
    CHECK_NEAR(cells[0].settings.recipe.lr, 0.01, 1e-15);
    CHECK_NEAR(cells[0].settings.recipe.optimizer.momentum, 0.9, 1e-15);
    CHECK_NEAR(cells[0].settings.recipe.optimizer.weight_decay, 5e-4, 1e-15);
    CHECK_UINT_EQ(cells[0].settings.recipe.milestones[1], 100);
    CHECK(assay__study_preset(file)->attack_params[0] != NULL);
    CHECK_OK(grid_of(HEAD NETS), err);
    CHECK_UINT_EQ(cells[0].settings.recipe.epochs, 100);
    CHECK_INT_EQ(cells[0].settings.references, 8);
    CHECK(assay__study_preset(file)->attack_params[0] == NULL);
    release();
}

static void test_defenses_choose_their_cells(void)
{
    CHECK_OK(grid_of(HEAD NETS
                     "defenses:\n"
                     "  - {name: none}\n"
                     "  - {name: dp-a, defense: dp-sgd, params: [noise=1], "
                     "architectures: [simplecnn]}\n"
                     "  - {name: kd, datasets: [two]}\n"
                     "overrides: [{defense: kd, batch: 3}]\n"),
             err);
    CHECK_UINT_EQ(n_cells, 4 + 2 + 2);
    CHECK_STR_EQ(cells[1].name, "one-simplecnn-dp-a-s0");
    CHECK_STR_EQ(assay__study_defense_kind(file, cells[1].defense), "dp-sgd");
    CHECK_STR_EQ(assay__study_defense_kind(file, 2), "kd");
    CHECK_STR_EQ(cells[2].name, "one-vgg19-none-s0");
    CHECK_STR_EQ(cells[5].name, "two-simplecnn-kd-s0");
    CHECK_UINT_EQ(cells[5].settings.recipe.batch, 3);
    CHECK_UINT_EQ(cells[4].settings.recipe.batch, 64);
    release();
}

static void test_sweep_leaves_out_what_is_there(void)
{
    CHECK_OK(grid_of(HEAD NETS "epochs: 20\n"
                               "seeds: [0, 1]\n"
                               "sweep: {epochs: [7, 20], "
                               "architectures: [vgg19]}\n"),
             err);
    /* One's own are 20, two's 7. */
    CHECK_UINT_EQ(n_cells, 8 + 4);
    CHECK_STR_EQ(cells[8].name, "one-vgg19-none-e7-s0");
    CHECK_STR_EQ(cells[9].name, "two-vgg19-none-e20-s0");
    CHECK_INT_EQ(cells[9].sweep, 1);
    CHECK_UINT_EQ(cells[9].settings.recipe.epochs, 20);
    release();
}

static void test_unknown_keys_have_a_place(void)
{
    refuse(HEAD NETS "epoch: 3\n", "line 6, column 1: Unexpected key: epoch");
    refuse("name: t\n"
           "datasets:\n"
           "  - name: one\n"
           "    data: mnist\n"
           "    colour: grey\n" NETS,
           "line 5, column 5: Unexpected key: colour");
    refuse(HEAD "architectures: simplecnn\n", "line 5, column 16");
    refuse(HEAD NETS "epochs: many\n", "line 6, column 9");
    refuse(HEAD, "architectures");
    refuse("", "empty");
}

static void test_names_are_checked(void)
{
    refuse("name: t\ndatasets: [{name: a/b, data: mnist}]\n" NETS, "a/b");
    refuse("name: t\ndatasets: [{name: .., data: mnist}]\n" NETS, "..");
    refuse("name: t\ndatasets: [{name: a, data: mnist}, "
           "{name: a, data: mnist}]\n" NETS,
           "two datasets have the name \"a\"");
    refuse(HEAD "architectures: [simplecnn, nonet]\n",
           "no architecture \"nonet\"");
    refuse(HEAD "architectures: [vgg19, vgg19]\n", "twice");
    refuse(HEAD NETS "attacks: [gap, magic]\n", "no attack \"magic\"");
    refuse(HEAD NETS "attacks: [gap, gap]\n", "twice");
    refuse(HEAD NETS "attacks: [all, gap]\n", "no attack \"all\"");
    refuse(HEAD NETS "seeds: [1, 1]\n", "twice");
    refuse(HEAD NETS "seeds: [9007199254740992]\n", "over");
    refuse(HEAD NETS "defenses: [{name: x}, {name: x}]\n", "two defences");
    refuse(HEAD NETS "defenses: [{name: x, architectures: [alexnet]}]\n",
           "none of the study's architectures");
    refuse(HEAD NETS "overrides: [{dataset: three}]\n",
           "none of the study's datasets");
    refuse(HEAD NETS "overrides: [{defense: dp}]\n",
           "none of the study's defences");
    refuse(HEAD NETS "sweep: {epochs: [5, 5]}\n", "must grow");
    refuse(HEAD NETS "sweep: {datasets: [one]}\n", "no epochs");
    refuse(HEAD NETS "surrogate: nonet\n", "surrogate");
}

static void test_values_are_checked(void)
{
    refuse_grid(HEAD NETS "preset: old\n", "paper or corrected");
    refuse_grid(HEAD NETS "epochs: 0\n", "epochs: 0 is outside 1");
    refuse_grid(HEAD NETS "lr: -1\n", "lr: -1 is outside");
    refuse(HEAD NETS "lr: .nan\n", "line 6, column 5");
    refuse_grid(HEAD NETS "size: 32\n", "size: \"32\"");
    refuse_grid(HEAD NETS "size: 0x4\n", "size: \"0x4\"");
    refuse_grid(HEAD NETS "schedule: steps\n", "schedule: \"steps\"");
    refuse_grid(HEAD NETS "augment: [turn]\n", "augment: \"turn\"");
    refuse_grid(HEAD NETS "augment: ['crop:']\n", "augment: \"crop:\"");
    refuse_grid(HEAD NETS "mean: [1, 2, 3, 4, 5]\n", "mean: 5 numbers");
    refuse_grid(HEAD NETS "milestones: [1, 2, 3, 4, 5, 6, 7, 8, 9]\n",
                "milestones: 9");
    refuse_grid(HEAD NETS "overrides: [{batch: 0}]\n", "override 1: batch");
    refuse_grid("name: t\n"
                "datasets: [{name: a, data: mnist}, "
                "{name: a-vgg19, data: mnist}]\n"
                "architectures: [vgg19]\n"
                "defenses: [{name: vgg19-x}, {name: x}]\n",
                "share the folder a-vgg19-vgg19-x-s0");
}

static void test_too_many_cells_are_refused(void)
{
    char text[4096] = HEAD NETS "seeds: [";
    size_t n = strlen(text);
    int i;

    for (i = 0; i < 200; i++)
        n += (size_t)snprintf(text + n, sizeof(text) - n, "%d, ", i);
    snprintf(text + n, sizeof(text) - n,
             "200]\ndefenses: [{name: a}, {name: b}, {name: c}, {name: d}, "
             "{name: e}, {name: f}]\n");
    CHECK_FAILS(grid_of(text), ASSAY_LIMIT, err);
    release();
}

/* What is shipped is read, and has the cells that it promises. */
static void test_shipped_files_are_read(void)
{
    static const char *const names[] = {
        "fashion-mnist", "cifar10", "utkface", "stl10", "celeba", "ml-doctor"};
    const char *root = getenv("ASSAY_SOURCE");
    char path[1024];
    size_t i;

    if (root == NULL)
        SKIP("ASSAY_SOURCE is not set");
    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        snprintf(path, sizeof(path), "%s/examples/studies/%s.yaml", root,
                 names[i]);
        CHECK_OK(assay__study_file_read(&file, path, &err), err);
        CHECK_OK(assay__study_grid(file, &cells, &n_cells, &err), err);
        CHECK(n_cells >= 2);
        release();
    }
}

static const struct check_test tests[] = {
    CHECK_TEST(test_all_pairs_in_order),
    CHECK_TEST(test_settings_lie_over_each_other),
    CHECK_TEST(test_presets_differ),
    CHECK_TEST(test_defenses_choose_their_cells),
    CHECK_TEST(test_sweep_leaves_out_what_is_there),
    CHECK_TEST(test_unknown_keys_have_a_place),
    CHECK_TEST(test_names_are_checked),
    CHECK_TEST(test_values_are_checked),
    CHECK_TEST(test_too_many_cells_are_refused),
    CHECK_TEST(test_shipped_files_are_read),
};
CHECK_MAIN(tests)
