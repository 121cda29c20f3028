/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Defences that change answers: worked-out rows, classes that stay, and
 * MemGuard against the attack that it is meant for.
 */

#include <math.h>
#include <stdio.h>

#include "assay/defense.h"
#include "assay/metrics.h"
#include "check.h"
#include "world.h"

enum { RANDOM_ROWS = 10000, CLASSES_MAX = 12 };

static struct assay_error err;

static const struct assay_defense *find(const char *name)
{
    const struct assay_defense *d = assay_defense_find(name);

    CHECK(d != NULL);
    return d;
}

static void check_answer(const char *name, double value, const double *p, int k,
                         const double *want)
{
    double out[CLASSES_MAX];
    double param[ASSAY_SETTINGS_MAX] = {value};

    memcpy(out, p, (size_t)k * sizeof(*out));
    find(name)->answer(param, NULL, out, k);
    for (int i = 0; i < k; i++)
        CHECK_NEAR(out[i], want[i], 1e-12);
}

static void test_rounding_keeps_decimal_places(void)
{
    static const double p[] = {.126, .8741, -0.0, .00041};
    static const double two[] = {.13, .87, 0, 0};
    static const double none[] = {0, 1, 0, 0};
    static const double even[] = {.2, .2, .2, .2, .2};
    static const double first[] = {1, 0, 0, 0, 0};

    check_answer("rounding", 2, p, 4, two);
    check_answer("rounding", 0, p, 4, none);
    /* All round to 0: the class is still answered. */
    check_answer("rounding", 0, even, 5, first);
}

static void test_top_k_spreads_what_is_left(void)
{
    static const double p[] = {.05, .5, .3, .15};
    static const double one[] = {.5 / 3, .5, .5 / 3, .5 / 3};
    static const double two[] = {.1, .5, .3, .1};
    static const double ties[] = {.25, .25, .25, .25};

    check_answer("top-k", 1, p, 4, one);
    check_answer("top-k", 2, p, 4, two);
    check_answer("top-k", 3, p, 4, p);
    check_answer("top-k", 9, p, 4, p);
    check_answer("top-k", 2, ties, 4, ties);
}

static void test_label_only_is_the_class(void)
{
    static const double p[] = {.2, .3, .3, .2};
    static const double want[] = {0, 1, 0, 0};

    check_answer("label-only", 0, p, 4, want);
}

static void test_temperature_divides_logits(void)
{
    static const double p[] = {.9, .1};
    static const double two[] = {.75, .25};
    static const double half[] = {81.0 / 82, 1.0 / 82};

    check_answer("temperature", 2, p, 2, two);
    check_answer("temperature", .5, p, 2, half);
}

/* Logits of all kinds: ties, whole numbers, far apart, hardly apart. */
static void draw_logits(struct assay_rng *rng, float *x, int k)
{
    double scale = exp(6 * assay_rng_uniform(rng) - 3);
    int kind = (int)assay_rng_below(rng, 4);

    for (int i = 0; i < k; i++) {
        double z = scale * assay_rng_normal(rng);

        if (kind == 1)
            z = floor(z);
        if (kind == 2)
            z = 1 + 1e-7 * floor(3 * assay_rng_uniform(rng));
        if (kind == 3)
            z = 1e-40 * floor(3 * assay_rng_uniform(rng));
        x[i] = (float)z;
    }
}

static void keeps_classes(const struct assay_defense *d, const double *param,
                          void *state, int k, size_t n)
{
    struct assay_evidence e = {.n = n, .n_classes = k};
    int32_t *class = calloc(n, sizeof(*class));
    struct assay_rng rng;

    e.logits = calloc(n * (size_t)k, sizeof(float));
    CHECK(e.logits && class);
    assay_rng_init(&rng, 5, "test-classes", (uint64_t)k);
    for (size_t i = 0; i < n; i++) {
        draw_logits(&rng, e.logits + i * (size_t)k, k);
        class[i] = assay_evidence_class(&e, i);
    }
    CHECK_OK(assay_defense_alter(d, param, state, &e, &err), err);
    for (size_t i = 0; i < n; i++) {
        CHECK_INT_EQ(assay_evidence_class(&e, i), class[i]);
        for (int c = 0; c < k; c++)
            CHECK(isfinite(e.logits[i * (size_t)k + (size_t)c]));
    }
    free(class);
    free(e.logits);
}

static void test_no_answer_changes_its_class(void)
{
    static const int classes[] = {2, 3, 10};

    for (size_t i = 0; assay_defense_table()[i]; i++) {
        const struct assay_defense *d = assay_defense_table()[i];
        double param[ASSAY_SETTINGS_MAX];

        if (!d->answer)
            continue;
        assay_settings_init(d->params, param);
        for (size_t c = 0; c < 3; c++) {
            keeps_classes(d, param, NULL, classes[c], RANDOM_ROWS);
            param[0] = d->params ? d->params[0].min : 0;
            keeps_classes(d, param, NULL, classes[c], RANDOM_ROWS);
        }
    }
}

static int by_number(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Attacks on rounded posteriors have few numbers to work with. */
static void test_rounding_leaves_few_scores(void)
{
    double param[ASSAY_SETTINGS_MAX] = {1};
    struct world w;
    double *score;
    size_t before = 1;
    size_t after = 1;

    world_init(&w, 500, 2);
    score = calloc(500, sizeof(*score));
    CHECK(score != NULL);
    assay_evidence_log_prob(&w.members, score);
    qsort(score, 500, sizeof(*score), by_number);
    for (size_t i = 1; i < 500; i++)
        before += score[i] > score[i - 1];
    CHECK_OK(
        assay_defense_alter(find("rounding"), param, NULL, &w.members, &err),
        err);
    assay_evidence_log_prob(&w.members, score);
    qsort(score, 500, sizeof(*score), by_number);
    for (size_t i = 1; i < 500; i++)
        after += score[i] - score[i - 1] > 1e-5;
    printf("# %zu scores, %zu when rounded\n", before, after);
    CHECK(before > 450);
    CHECK(after < 60);
    free(score);
    world_release(&w);
}

static struct assay_estimate auc_of(const struct world *w, const char *attack)
{
    struct assay_membership_scores s;
    struct assay_estimate auc;

    CHECK_OK(
        assay_attack_membership(assay_attack_find(attack), &w->in, &s, &err),
        err);
    CHECK_OK(assay_auc(&auc, s.score, s.member, s.n, &err), err);
    assay_membership_scores_release(&s);
    return auc;
}

/* All that thresholds on posteriors find is what the class tells. */
static void test_labels_alone_leave_the_gap(void)
{
    struct world w;
    double open;
    double gap;

    world_init(&w, 400, 2);
    open = auc_of(&w, "loss").value;
    gap = auc_of(&w, "gap").value;
    CHECK(open > gap + .05);
    CHECK_OK(
        assay_defense_alter(find("label-only"), NULL, NULL, &w.members, &err),
        err);
    CHECK_OK(assay_defense_alter(find("label-only"), NULL, NULL, &w.nonmembers,
                                 &err),
             err);
    CHECK_NEAR(auc_of(&w, "loss").value, gap, 1e-12);
    CHECK_NEAR(auc_of(&w, "gap").value, gap, 1e-12);
    world_release(&w);
}

static void prepare(const struct world *w, const double *param, void **state)
{
    struct assay_defense_answers in = {&w->ctx, &w->compute, param, &w->members,
                                       &w->population};

    CHECK_OK(find("memguard")->prepare(&in, state, &err), err);
}

/* The attacker of the paper: trained on an undefended shadow model. */
static void test_memguard_misleads_the_attack_it_is_made_for(void)
{
    const struct assay_defense *d = find("memguard");
    double param[ASSAY_SETTINGS_MAX];
    struct assay_estimate open;
    struct assay_estimate guarded;
    struct world w;
    void *state = NULL;

    assay_settings_init(d->params, param);
    param[1] = 100;
    world_init(&w, 300, 4);
    w.members.n_queries = w.nonmembers.n_queries = 0;
    open = auc_of(&w, "network-black-shadow");
    prepare(&w, param, &state);
    CHECK_OK(assay_defense_alter(d, param, state, &w.members, &err), err);
    CHECK_OK(assay_defense_alter(d, param, state, &w.nonmembers, &err), err);
    guarded = auc_of(&w, "network-black-shadow");
    printf("# AUC %.3f, guarded %.3f (%.3f to %.3f)\n", open.value,
           guarded.value, guarded.low, guarded.high);
    CHECK(open.low > .7);
    CHECK(guarded.value < open.value - .15);
    d->release(state);
    world_release(&w);
}

/* Mean L1 distance between two evidences' posteriors. */
static double distortion(const struct assay_evidence *a,
                         const struct assay_evidence *b)
{
    double p[K];
    double q[K];
    double sum = 0;

    for (size_t i = 0; i < a->n; i++) {
        assay_evidence_probs(a, i, p);
        assay_evidence_probs(b, i, q);
        for (int k = 0; k < K; k++)
            sum += fabs(p[k] - q[k]);
    }
    return sum / (double)a->n;
}

static void test_memguard_keeps_budget_class_and_answer(void)
{
    const struct assay_defense *d = find("memguard");
    double param[ASSAY_SETTINGS_MAX];
    struct world w;
    struct assay_evidence plain;
    struct assay_evidence again;
    struct assay_evidence one;
    void *state = NULL;

    assay_settings_init(d->params, param);
    param[1] = 60;
    param[2] = 20;
    world_init(&w, 200, 3);
    w.members.n_queries = 0;
    prepare(&w, param, &state);
    plain = draw(200, 4, 1); /* the members once more */
    again = draw(200, 4, 1);
    one = draw(200, 4, 1);
    plain.n_queries = again.n_queries = one.n_queries = 0;
    CHECK_MEM_EQ(plain.logits, w.members.logits, 200 * K * sizeof(float));

    param[0] = 0;
    CHECK_OK(assay_defense_alter(d, param, state, &again, &err), err);
    CHECK_NEAR(distortion(&again, &plain), 0, 1e-6);

    param[0] = .05;
    CHECK_OK(assay_defense_alter(d, param, state, &w.members, &err), err);
    printf("# distortion %.4f of .05\n", distortion(&w.members, &plain));
    CHECK(distortion(&w.members, &plain) < .05 + .02);
    CHECK(distortion(&w.members, &plain) > .001);
    for (size_t i = 0; i < 200; i++)
        CHECK_INT_EQ(assay_evidence_class(&w.members, i),
                     assay_evidence_class(&plain, i));

    /* The same row gets the same answer, also alone and at another place. */
    memcpy(again.logits, plain.logits, 200 * K * sizeof(float));
    CHECK_OK(assay_defense_alter(d, param, state, &again, &err), err);
    CHECK_MEM_EQ(again.logits, w.members.logits, 200 * K * sizeof(float));
    memcpy(one.logits, plain.logits + 77 * K, 123 * K * sizeof(float));
    one.n = 123;
    CHECK_OK(assay_defense_alter(d, param, state, &one, &err), err);
    for (size_t i = 0; i < 123 * K; i++)
        CHECK_NEAR(one.logits[i], again.logits[77 * K + i], 1e-4);

    keeps_classes(d, param, state, K, 300);
    free_evidence(&plain);
    free_evidence(&again);
    free_evidence(&one);
    d->release(state);
    world_release(&w);
}

static void test_the_text_of_a_defence_is_stable(void)
{
    static const double value[] = {2, .95};
    char text[240];
    char small[12];

    assay_defense_text(find("distillation"), value, text, sizeof(text));
    CHECK_STR_EQ(text, "distillation temperature=2 alpha=0.94999999999999996");
    assay_defense_text(find("label-only"), NULL, text, sizeof(text));
    CHECK_STR_EQ(text, "label-only");
    assay_defense_text(find("distillation"), value, small, sizeof(small));
    CHECK_STR_EQ(small, "distillatio");
}

/* What lists, reports and completion rely on. */
static void test_rows_are_whole(void)
{
    const struct assay_defense *const *table = assay_defense_table();

    for (size_t i = 0; table[i]; i++) {
        const struct assay_defense *d = table[i];

        CHECK(assay_defense_find(d->name) == d);
        CHECK(d->title && d->summary && d->cites && d->protects);
        CHECK(assay_settings_count(d->params) <= ASSAY_SETTINGS_MAX);
        if (d->stage == ASSAY_DEFENSE_TRAINING)
            CHECK(d->train && !d->answer && !d->answers && !d->prepare);
        else
            CHECK(!d->train && (!d->answer != !d->answers) && !d->claim);
        CHECK(!d->prepare || d->release);
    }
}

static const struct check_test tests[] = {
    CHECK_TEST(test_rows_are_whole),
    CHECK_TEST(test_the_text_of_a_defence_is_stable),
    CHECK_TEST(test_rounding_keeps_decimal_places),
    CHECK_TEST(test_top_k_spreads_what_is_left),
    CHECK_TEST(test_label_only_is_the_class),
    CHECK_TEST(test_temperature_divides_logits),
    CHECK_TEST(test_no_answer_changes_its_class),
    CHECK_TEST(test_rounding_leaves_few_scores),
    CHECK_TEST(test_labels_alone_leave_the_gap),
    CHECK_TEST(test_memguard_misleads_the_attack_it_is_made_for),
    CHECK_TEST(test_memguard_keeps_budget_class_and_answer),
};

CHECK_MAIN(tests)
