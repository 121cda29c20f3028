/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Correlations over models: by hand on a few, and SecurityNet's released
 * table, where it is, against figures computed from it by another program.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "assay/zoo.h"
#include "check.h"
#include "core/fs.h"

static assay_zoo *open_with(const char *name, const char *path)
{
    const struct assay_zoo_import how = {NULL, NULL, NULL};
    struct assay_zoo_imported done;
    struct assay_error err = {0};
    assay_zoo *zoo = NULL;

    CHECK_OK(assay_zoo_open(&zoo, check_temp_path(name), ASSAY_ZOO_WRITE, &err),
             err);
    CHECK_OK(assay_zoo_import_file(zoo, path, &how, &done, &err), err);
    return zoo;
}

/* y = 2 - x for A, y = x squared for B; the last lacks y. */
static const char small[] =
    "name,architecture,family,dataset,provenance,x,y\n"
    "a1,N,A,D,p,1,1\na2,N,A,D,p,2,0\na3,N,A,D,p,3,-1\n"
    "b1,N,B,D,p,1,1\nb2,N,B,D,p,2,4\nb3,N,B,D,p,3,9\nb4,N,B,D,p,4,16\n"
    "b5,N,B,D,p,9,\nb6,N,B,D,p,9,many\n";

static void test_groups_have_their_own_line(void)
{
    struct assay_zoo_relation r = {.x = "x", .y = "y", .by = "family"};
    struct assay_zoo_table t = {0};
    struct assay_error err = {0};
    assay_zoo *zoo;

    check_write_file(check_temp_path("s.csv"), small, sizeof(small) - 1);
    zoo = open_with("s.db", check_temp_path("s.csv"));
    CHECK_OK(assay_zoo_relate(zoo, &r, &t, &err), err);
    CHECK_UINT_EQ(t.n_rows, 2);
    CHECK_UINT_EQ(t.n_columns, 12);
    CHECK_STR_EQ(t.cell[0].text, "A");
    CHECK_INT_EQ(t.cell[3].integer, 3);
    CHECK_NEAR(t.cell[4].real, -1, 1e-12);
    CHECK_NEAR(t.cell[10].real, 2, 1e-12);
    CHECK_NEAR(t.cell[11].real, -1, 1e-12);
    CHECK_STR_EQ(t.cell[12].text, "B");
    CHECK_INT_EQ(t.cell[15].integer, 4);
    /* Sums by hand: xx 5, yy 129, xy 25. */
    CHECK_NEAR(t.cell[16].real, 25 / 25.39685019, 1e-8);
    CHECK_NEAR(t.cell[19].real, 1, 1e-12);
    CHECK_NEAR(t.cell[23].real, 5, 1e-12);
    assay_zoo_table_release(&t);
    r.by = NULL;
    CHECK_OK(assay_zoo_relate(zoo, &r, &t, &err), err);
    CHECK_UINT_EQ(t.n_rows, 1);
    CHECK_INT_EQ(t.cell[3].integer, 7);
    assay_zoo_table_release(&t);
    r.y = NULL;
    CHECK_FAILS(assay_zoo_relate(zoo, &r, &t, &err), ASSAY_ARG, err);
    r.x = NULL;
    CHECK_FAILS(assay_zoo_relate(zoo, &r, &t, &err), ASSAY_NOTHING, err);
    CHECK_STR_HAS(err.msg, "SecurityNet's table is not in the zoo");
    assay_zoo_close(zoo);
}

/* Pearson, and Spearman with ties sharing their mean rank, to two decimals. */
static const struct {
    const char *group;
    const char *x;
    const char *y;
    int n;
    double pearson;
    double spearman;
} known[] = {
    {"CIFAR-10", "test_accuracy", "steal_accuracy", 47, -.70, -.36},
    {"CIFAR-10", "test_accuracy", "steal_agreement", 47, -.72, -.33},
    {"CIFAR-10", "gap", "mia_correctness_auc", 47, .99, .98},
    {"CIFAR-10", "gap", "mia_mentropy_auc", 47, .15, .34},
    {"CIFAR-100", "test_accuracy", "steal_accuracy", 45, -.78, -.87},
    {"CIFAR-100", "test_accuracy", "steal_agreement", 45, -.86, -.88},
    {"CIFAR-100", "gap", "mia_correctness_auc", 45, .98, .98},
    {"CIFAR-100", "gap", "mia_mentropy_auc", 45, .39, .33},
    {"CUB-200-2011", "test_accuracy", "steal_accuracy", 14, -.64, -.64},
    {"CUB-200-2011", "test_accuracy", "steal_agreement", 14, -.76, -.75},
    {"CUB-200-2011", "gap", "mia_correctness_auc", 14, .97, .97},
    {"CUB-200-2011", "gap", "mia_mentropy_auc", 14, -.07, -.10},
    {"ImageNet1k", "test_accuracy", "steal_accuracy", 117, -.74, -.87},
    {"ImageNet1k", "test_accuracy", "steal_agreement", 117, -.82, -.92},
    {"ImageNet1k", "gap", "mia_correctness_auc", 104, .96, .95},
    {"ImageNet1k", "gap", "mia_mentropy_auc", 104, .93, .92},
    {"CIFAR-10, security", "test_accuracy", "steal_accuracy", 72, .98, .96},
    {"CIFAR-10, security", "test_accuracy", "steal_agreement", 72, -.64, -.50},
    {"CIFAR-10, security", "gap", "mia_correctness_auc", 72, 1, 1},
    {"CIFAR-10, security", "gap", "mia_mentropy_auc", 72, .99, .83},
    {"SVHN", "test_accuracy", "steal_accuracy", 40, -.58, -.31},
    {"ImageNet1k, security", "gap", "mia_mentropy_auc", 20, .95, .96},
    {"ImageNet1k", "year", "steal_accuracy", 117, -.35, -.28},
};

static const struct assay_zoo_cell *find(const struct assay_zoo_table *t,
                                         size_t k)
{
    for (size_t r = 0; r < t->n_rows; r++) {
        const struct assay_zoo_cell *cell = &t->cell[r * t->n_columns];

        if (strcmp(cell[0].text, known[k].group) == 0 &&
            strcmp(cell[1].text, known[k].x) == 0 &&
            strcmp(cell[2].text, known[k].y) == 0)
            return cell;
    }
    return NULL;
}

static void test_securitynets_relations_come_out(void)
{
    const struct assay_zoo_relation r = {0};
    const char *source = getenv("ASSAY_SOURCE");
    struct assay_zoo_table t = {0};
    struct assay_error err = {0};
    char path[512];
    assay_zoo *zoo;

    snprintf(path, sizeof(path), "%s/../shared/data/zoo/securitynet.csv",
             source ? source : ".");
    if (!assay__exists(path))
        SKIP("../shared/data/zoo is not there");
    zoo = open_with("sn.db", path);
    CHECK_OK(assay_zoo_relate(zoo, &r, &t, &err), err);
    for (size_t k = 0; k < sizeof(known) / sizeof(known[0]); k++) {
        const struct assay_zoo_cell *cell = find(&t, k);

        CHECK(cell != NULL);
        CHECK_INT_EQ(cell[3].integer, known[k].n);
        CHECK_NEAR(cell[4].real, known[k].pearson, .00501);
        CHECK_NEAR(cell[7].real, known[k].spearman, .00501);
        CHECK(cell[5].real <= cell[4].real && cell[4].real <= cell[6].real);
    }
    assay_zoo_table_release(&t);
    assay_zoo_close(zoo);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_groups_have_their_own_line),
    CHECK_TEST(test_securitynets_relations_come_out),
};
CHECK_MAIN(tests)
