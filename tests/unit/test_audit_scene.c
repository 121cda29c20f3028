/* SPDX-License-Identifier: Apache-2.0 */
/* Scenes: who is trained on what, and what a model's key depends on. */

#include <stdio.h>
#include <string.h>

#include "audit/audit.h"
#include "check.h"

enum { RECORDS = 80, EACH = 20, REFERENCES = 6 };

static struct assay_error err;

/* A run on 80 grey pictures in two classes, with nothing trained yet. */
struct fixture {
    struct assay_audit_options options;
    struct assay_context ctx;
    assay_audit *audit;
    char data[512];
    char out[512];
};

static void write_data(const char *path)
{
    static unsigned char bytes[RECORDS * (1 + 28 * 28)];
    size_t i;

    for (i = 0; i < sizeof(bytes); i++)
        bytes[i] = (unsigned char)(i * 7 % 251);
    for (i = 0; i < RECORDS; i++)
        bytes[i * (1 + 28 * 28)] = (unsigned char)(i % 2);
    check_write_file(path, bytes, sizeof(bytes));
}

static void open_audit(struct fixture *f, uint64_t seed, size_t epochs,
                       const char *folder)
{
    static const char *const attacks[] = {"gap", "rmia"};
    char path[300];

    memset(f, 0, sizeof(*f));
    snprintf(path, sizeof(path), "%s/data.bin", check_temp_dir());
    write_data(path);
    snprintf(f->data, sizeof(f->data), "records:%s?labels=class&shape=1x28x28",
             path);
    snprintf(f->out, sizeof(f->out), "%s/%s", check_temp_dir(), folder);
    assay_audit_options_init(&f->options);
    f->options.data = f->data;
    f->options.out = f->out;
    f->options.attacks = attacks;
    f->options.n_attacks = 2;
    f->options.n_references = REFERENCES;
    assay_recipe_init(&f->options.recipe, epochs);
    f->options.recipe.batch = 10;
    assay_context_init(&f->ctx);
    f->ctx.seed = seed;
    f->ctx.threads = 1;
    CHECK_OK(assay_audit_open(&f->audit, &f->options, &f->ctx, &err), err);
}

/* How often reference m is trained on the record; i counts members, then
 * non-members. */
static int times_trained(const struct assay__scene *s, int m, size_t i)
{
    const struct assay__rows *train = &s->job[s->first_reference + m].train;
    const struct assay__rows *side =
        &s->audited[i < EACH ? ASSAY__MEMBERS : ASSAY__NONMEMBERS];
    int times = 0;
    size_t k;

    for (k = 0; k < train->n; k++)
        times += train->index[k] == side->index[i % EACH];
    return times;
}

static void test_each_record_is_in_exactly_half_of_the_references(void)
{
    struct fixture f;
    const struct assay__scene *s;
    size_t i;
    int m;

    open_audit(&f, 3, 1, "half");
    s = &f.audit->scene;
    CHECK_INT_EQ(s->n_references, REFERENCES);
    CHECK_INT_EQ(s->n_jobs, REFERENCES + 2);
    for (m = 0; m < REFERENCES; m++)
        CHECK_UINT_EQ(s->job[s->first_reference + m].train.n, EACH);
    for (i = 0; i < 2 * EACH; i++) {
        int in = 0;

        for (m = 0; m < REFERENCES; m++) {
            CHECK_INT_EQ(times_trained(s, m, i), s->trained_on[m][i]);
            in += times_trained(s, m, i);
        }
        CHECK_INT_EQ(in, REFERENCES / 2);
    }
    assay_audit_free(f.audit);
}

/* Membership in the target does not say which half: each has some of both
 * sides, and no pair is cut as another. */
static void test_halves_are_drawn_from_both_sides_anew_for_each_pair(void)
{
    struct fixture f;
    const struct assay__scene *s;
    size_t i;
    int m;

    open_audit(&f, 3, 1, "drawn");
    s = &f.audit->scene;
    for (m = 0; m < REFERENCES; m++) {
        int members = 0;

        for (i = 0; i < EACH; i++)
            members += times_trained(s, m, i);
        CHECK(members > 0 && members < EACH);
    }
    for (m = 1; m < REFERENCES; m++)
        CHECK(memcmp(s->trained_on[0], s->trained_on[m], 2 * EACH) != 0);
    assay_audit_free(f.audit);
}

static void test_no_model_shares_a_seed_or_a_key(void)
{
    struct fixture f;
    const struct assay__scene *s;
    int i;
    int j;

    open_audit(&f, 3, 1, "seeds");
    s = &f.audit->scene;
    for (i = 0; i < s->n_jobs; i++) {
        for (j = 0; j < i; j++) {
            CHECK(s->job[i].seed != s->job[j].seed);
            CHECK(strcmp(s->job[i].key, s->job[j].key) != 0);
            CHECK(strcmp(s->job[i].path, s->job[j].path) != 0);
        }
    }
    assay_audit_free(f.audit);
}

/* The references' shuffle does not depend on how many references there are,
 * the keys depend on seed and recipe. */
static void test_keys_follow_what_determines_a_model(void)
{
    struct fixture a;
    struct fixture b;
    struct fixture c;
    const char *key;

    open_audit(&a, 3, 1, "keys-a");
    open_audit(&b, 3, 2, "keys-b");
    open_audit(&c, 4, 1, "keys-c");
    key = a.audit->scene.job[0].key;
    CHECK(strcmp(key, b.audit->scene.job[0].key) != 0);
    CHECK(strcmp(key, c.audit->scene.job[0].key) != 0);
    CHECK_MEM_EQ(a.audit->scene.half[0], b.audit->scene.half[0],
                 EACH * sizeof(uint32_t));
    assay_audit_free(b.audit);
    open_audit(&b, 3, 1, "keys-d");
    CHECK_STR_EQ(b.audit->scene.job[0].key, key);
    assay_audit_free(a.audit);
    assay_audit_free(b.audit);
    assay_audit_free(c.audit);
}

static void test_an_audit_needs_what_its_attacks_need(void)
{
    struct fixture f;

    open_audit(&f, 3, 1, "needs");
    CHECK(assay__audit_needs(f.audit) & ASSAY_NEED_REFERENCES);
    CHECK(f.audit->scene.with_population);
    CHECK(assay_audit_plan(f.audit)->n_models == REFERENCES + 2);
    CHECK(assay_audit_plan(f.audit)->seconds > 0);
    CHECK_STR_EQ(assay_audit_folder(f.audit), f.out);
    assay_audit_free(f.audit);
}

static void test_time_follows_the_epochs_of_an_attack(void)
{
    static const char *const attacks[] = {"network-white-shadow"};
    static const char *const params[] = {"network-white-shadow.epochs=200"};
    struct fixture f;
    const struct assay_attack *network;
    double twenty;

    open_audit(&f, 3, 1, "epochs");
    assay_audit_free(f.audit);
    f.options.attacks = attacks;
    f.options.n_attacks = 1;
    network = assay_attack_find(attacks[0]);
    CHECK_OK(assay_audit_open(&f.audit, &f.options, &f.ctx, &err), err);
    twenty = assay__attack_seconds(f.audit, network);
    assay_audit_free(f.audit);
    f.options.attack_params = params;
    f.options.n_attack_params = 1;
    CHECK_OK(assay_audit_open(&f.audit, &f.options, &f.ctx, &err), err);
    CHECK_NEAR(assay__attack_seconds(f.audit, network), 10 * twenty, 1e-9);
    assay_audit_free(f.audit);
}

/* In the negative control a membership attack asks the shadow model, and
 * hears that one's word on the shadow quarters. */
static void test_control_asks_the_shadow_model(void)
{
    static const char *const attacks[] = {"quantile"};
    struct fixture f;
    const struct assay__scene *s;
    const struct assay__world *w;
    struct assay_attack_input in;
    enum assay_verdict verdict;
    size_t i;

    open_audit(&f, 3, 1, "swapped");
    assay_audit_free(f.audit);
    f.options.attacks = attacks;
    f.options.n_attacks = 1;
    CHECK_OK(assay_audit_open(&f.audit, &f.options, &f.ctx, &err), err);
    CHECK_OK(assay_audit_run(f.audit, &verdict, &err), err);
    s = &f.audit->scene;
    w = &f.audit->world;
    assay__scene_input(s, f.audit, 0, &in);
    assay__world_input(w, s, ASSAY__WORLD_PLAIN, &in);
    CHECK(in.world->target == w->target && w->target != NULL);
    CHECK(in.auxiliary == &s->target_auxiliary);
    assay__scene_input(s, f.audit, 1, &in);
    assay__world_input(w, s, ASSAY__WORLD_SWAPPED, &in);
    CHECK(in.world->target == w->shadow && in.world->shadow == w->shadow);
    CHECK(in.world->members == w->members);
    CHECK_UINT_EQ(in.auxiliary->n, 2 * EACH);
    for (i = 0; i < EACH; i++) {
        CHECK_UINT_EQ(in.auxiliary->record[i], s->shadow[0].index[i]);
        CHECK_UINT_EQ(in.auxiliary->record[EACH + i], s->shadow[1].index[i]);
    }
    CHECK_MEM_EQ(in.auxiliary->logits, s->shadow_own[0].logits,
                 2 * EACH * sizeof(float));
    CHECK_INT_EQ(f.audit->negative.n_results, 1);
    assay_audit_free(f.audit);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_each_record_is_in_exactly_half_of_the_references),
    CHECK_TEST(test_halves_are_drawn_from_both_sides_anew_for_each_pair),
    CHECK_TEST(test_no_model_shares_a_seed_or_a_key),
    CHECK_TEST(test_keys_follow_what_determines_a_model),
    CHECK_TEST(test_an_audit_needs_what_its_attacks_need),
    CHECK_TEST(test_time_follows_the_epochs_of_an_attack),
    CHECK_TEST(test_control_asks_the_shadow_model),
};
CHECK_MAIN(tests)
