/* SPDX-License-Identifier: Apache-2.0 */
/* Audits of files of predictions: what is read, and what is refused. */

#include <stdio.h>
#include <string.h>

#include "assay/audit.h"
#include "audit/audit.h"
#include "check.h"
#include "prediction_files.h"

enum { N = 60, MODELS = 6 };

static struct assay_error err;

static char *at(char text[512], const char *name)
{
    snprintf(text, 512, "%s/%s", check_temp_dir(), name);
    return text;
}

static struct assay__scene scene;

static int read_scene(const struct assay_predictions *p)
{
    int code;

    memset(&scene, 0, sizeof(scene));
    scene.prefix = "";
    err.msg[0] = '\0';
    code = assay__predictions_read(&scene, p, &err);
    return code;
}

static void test_plain_files_give_evidence(void)
{
    char in[512];
    char out[512];
    struct assay_predictions p = {.members = at(in, "a-in.npz"),
                                  .nonmembers = at(out, "a-out.npz")};

    write_predictions(in, N, 1, 2, 1);
    write_predictions(out, N / 2, 0, 2, 2);
    CHECK_OK(read_scene(&p), err);
    CHECK_UINT_EQ(scene.target[ASSAY__MEMBERS].n, N);
    CHECK_UINT_EQ(scene.target[ASSAY__NONMEMBERS].n, N / 2);
    CHECK_INT_EQ(scene.target[ASSAY__MEMBERS].n_classes, FILE_CLASSES);
    CHECK_INT_EQ(scene.n_references, 0);
    assay__scene_release(&scene);
}

static void test_references_carry_flags_and_labels(void)
{
    char in[512];
    char out[512];
    char ref_in[512];
    char ref_out[512];
    struct assay_predictions p = {.members = at(in, "b-in.npz"),
                                  .nonmembers = at(out, "b-out.npz"),
                                  .reference_members = at(ref_in, "b-ri.npz"),
                                  .reference_nonmembers =
                                      at(ref_out, "b-ro.safetensors")};
    const struct assay_reference *r;
    size_t i;

    write_predictions(in, N, 1, 2, 1);
    write_predictions(out, N + 2, 0, 2, 2);
    write_references(ref_in, MODELS, N, 2, 10);
    write_references(ref_out, MODELS, N + 2, 2, 20);
    CHECK_OK(read_scene(&p), err);
    CHECK_INT_EQ(scene.n_references, MODELS);
    r = &scene.reference[1];
    CHECK_UINT_EQ(r->members->n, N);
    CHECK_UINT_EQ(r->nonmembers->n, N + 2);
    CHECK(r->population == NULL);
    for (i = 0; i < N; i++) {
        CHECK_INT_EQ(r->trained_on_member[i], (i / 2 + 1) % 2 == 0);
        CHECK_INT_EQ(r->trained_on_nonmember[i], (i / 2 + 1) % 2 == 0);
        CHECK_INT_EQ(r->members->label[i], (int)(i % FILE_CLASSES));
    }
    assay__scene_release(&scene);
}

static void test_mismatches_are_refused(void)
{
    char in[512];
    char out[512];
    char ref_in[512];
    char ref_out[512];
    struct assay_predictions p = {.members = at(in, "c-in.npz"),
                                  .nonmembers = at(out, "c-out.npz"),
                                  .reference_members = at(ref_in, "c-ri.npz")};

    write_predictions(in, N, 1, 2, 1);
    write_predictions(out, N, 0, 2, 2);
    write_references(ref_in, MODELS, N - 1, 2, 10);
    CHECK_FAILS(read_scene(&p), ASSAY_ARG, err);
    CHECK_STR_HAS(err.msg, "non-members");
    assay__scene_release(&scene);

    p.reference_nonmembers = at(ref_out, "c-ro.npz");
    write_references(ref_out, MODELS, N, 2, 20);
    CHECK_FAILS(read_scene(&p), ASSAY_SHAPE, err);
    CHECK_STR_HAS(err.msg, "60");
    assay__scene_release(&scene);

    write_references(ref_in, MODELS, N, 2, 10);
    write_references(ref_out, MODELS + 1, N, 2, 20);
    CHECK_FAILS(read_scene(&p), ASSAY_SHAPE, err);
    assay__scene_release(&scene);

    p.reference_members = in;
    CHECK_FAILS(read_scene(&p), ASSAY_SHAPE, err);
    assay__scene_release(&scene);

    p.reference_members = NULL;
    p.reference_nonmembers = NULL;
    p.shadow_members = in;
    CHECK_FAILS(read_scene(&p), ASSAY_ARG, err);
    assay__scene_release(&scene);

    p.shadow_members = NULL;
    p.members = at(in, "not-there.npz");
    CHECK_FAILS(read_scene(&p), ASSAY_IO, err);
    assay__scene_release(&scene);
}

static void test_wrong_numbers_are_refused_with_their_place(void)
{
    char in[512];
    char out[512];
    char ref[512];
    struct assay_predictions p = {.members = at(in, "d-in.npz"),
                                  .nonmembers = at(out, "d-out.npz"),
                                  .reference_members = at(ref, "d-r.npz"),
                                  .reference_nonmembers = ref};
    struct assay_tensors list;
    struct assay_tensor *t;

    write_predictions(in, N, 1, 2, 1);
    write_predictions(out, N, 0, 2, 2);
    write_references(ref, 2, N, 2, 10);
    assay_tensors_init(&list);
    CHECK_OK(assay_tensors_read(&list, ref, &err), err);
    t = assay_tensors_find(&list, "trained_on");
    ((uint8_t *)t->data)[7] = 2;
    CHECK_OK(assay_tensors_write(&list, ref, &err), err);
    CHECK_FAILS(read_scene(&p), ASSAY_DATA, err);
    CHECK_STR_HAS(err.msg, "trained_on[7]");
    assay__scene_release(&scene);

    ((uint8_t *)t->data)[7] = 1;
    t = assay_tensors_find(&list, "logits");
    ((float *)t->data)[N * FILE_CLASSES + 5] = -1.0f / 0.0f;
    CHECK_OK(assay_tensors_write(&list, ref, &err), err);
    CHECK_FAILS(read_scene(&p), ASSAY_DATA, err);
    CHECK_STR_HAS(err.msg, "model 1, record 1");
    assay__scene_release(&scene);
    assay_tensors_release(&list);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_plain_files_give_evidence),
    CHECK_TEST(test_references_carry_flags_and_labels),
    CHECK_TEST(test_mismatches_are_refused),
    CHECK_TEST(test_wrong_numbers_are_refused_with_their_place),
};
CHECK_MAIN(tests)
