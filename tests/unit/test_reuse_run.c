/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A study from end to end on a tiny network: what is kept is used again and
 * gives the same file, a spoilt cell is made anew, a step of 0 gives the base
 * rate, ensembles, regression and several triggers run, the extractor is as
 * it was at the end.
 */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/fs.h"
#include "core/mem.h"
#include "reuse/reuse.h"
#include "small_data.h"

enum { RECORDS = 240 };

struct desk {
    struct assay_context ctx;
    struct assay_compute compute;
    assay_dataset *data;
    assay_model *f;
    struct assay_reuse_study s;
    struct assay_reuse_setting setting[2];
    struct assay_reuse_host host[2];
    float *before;
    uint64_t cells; /* steps of the last run that were told */
};

static void desk_open(struct desk *d, const char *folder)
{
    struct assay_error err = {0};
    struct assay_recipe recipe;
    struct assay_training training = {.task = "test", .seed = 1};
    assay_view *view;

    memset(d, 0, sizeof(*d));
    assay_context_init(&d->ctx);
    d->ctx.threads = 1;
    d->compute.threads = 1;
    d->compute.algorithms = ASSAY_ALGORITHMS_DIRECT;
    d->data = small_records(RECORDS, 1);
    view = small_view(d->data);
    d->f = small_model(1);
    assay_recipe_init(&recipe, 8);
    recipe.batch = 20;
    recipe.augment.flip = 0;
    training.model = d->f;
    training.train = view;
    training.recipe = &recipe;
    CHECK_OK(assay_models_train(&d->ctx, &d->compute, &training, 1, &err), err);
    assay_curve_release(&training.curve);
    assay_view_free(view);
    d->host[0] =
        (struct assay_reuse_host){ASSAY_HOST_PARTIAL, 1, 20, .003, NULL, NULL};
    d->host[1] =
        (struct assay_reuse_host){ASSAY_HOST_FULL, 2, 1, .0003, NULL, NULL};
    d->setting[0].theta = 40;
    d->setting[1].theta = 60;
    d->s = (struct assay_reuse_study){.extractor = d->f,
                                      .data = d->data,
                                      .regression = -1,
                                      .tolerance = .1,
                                      .pairs = 3,
                                      .triggers = 1,
                                      .natural = 8,
                                      .held = 4,
                                      .seeds = 2,
                                      .setting = d->setting,
                                      .n_settings = 1,
                                      .host = d->host,
                                      .n_hosts = 2,
                                      .hidden = 16,
                                      .seed = 7,
                                      .folder = check_temp_path(folder)};
    assay_reuse_options_init(&d->s.options);
    d->s.options.neighbours = 6;
    d->s.options.vectors = 2;
    d->s.options.tries = 100;
    d->s.options.max_steps = 60;
    d->before = malloc(assay_model_params(d->f)->size * sizeof(float));
    CHECK(d->before != NULL);
    memcpy(d->before, assay_model_params(d->f)->data,
           assay_model_params(d->f)->size * sizeof(float));
}

static void desk_close(struct desk *d)
{
    CHECK_MEM_EQ(assay_model_params(d->f)->data, d->before,
                 assay_model_params(d->f)->size * sizeof(float));
    free(d->before);
    assay_model_free(d->f);
    assay_dataset_free(d->data);
}

static struct assay_reuse_finding *run(struct desk *d)
{
    struct assay_reuse_finding *found = NULL;
    struct assay_error err = {0};

    CHECK_OK(assay_reuse_run(&found, &d->s, &d->ctx, &d->compute, &err), err);
    return found;
}

static char *result_of(const struct desk *d)
{
    unsigned char *text = NULL;
    struct assay_error err = {0};
    char path[600];
    size_t size;

    snprintf(path, sizeof(path), "%s/reuse.json", d->s.folder);
    CHECK_OK(assay__read_file(path, 1 << 20, &text, &size, &err), err);
    return (char *)text;
}

static void count_crafting(void *user, const struct assay_progress *step)
{
    struct desk *d = user;

    d->cells += strcmp(step->task, "crafting") == 0;
}

static void test_a_second_run_uses_what_is_there(void)
{
    struct assay_reuse_finding *found;
    char *first;
    char *second;
    struct desk d;

    desk_open(&d, "again");
    found = run(&d);
    CHECK_UINT_EQ(found[0].success.n, 3);
    CHECK(found[0].host == &d.host[0] && found[1].host == &d.host[1]);
    CHECK(found[0].share_touched > 0 && found[0].max_change > 0);
    CHECK(isfinite(found[0].accuracy_sd));
    CHECK(found[0].accuracy_base.value > .8);
    assay_bytes_free(found);
    first = result_of(&d);
    d.ctx.progress = count_crafting;
    d.ctx.user = &d;
    assay_bytes_free(run(&d));
    CHECK_UINT_EQ(d.cells, 0);
    second = result_of(&d);
    CHECK_STR_EQ(second, first);
    /* One setting more: the first one's cells are still good. */
    d.s.n_settings = 2;
    assay_bytes_free(run(&d));
    CHECK(d.cells > 0);
    d.cells = 0;
    d.s.n_settings = 1;
    assay_bytes_free(run(&d));
    CHECK_UINT_EQ(d.cells, 0);
    assay__free(first);
    assay__free(second);
    desk_close(&d);
}

static void test_spoilt_cells_are_made_anew(void)
{
    char command[700];
    char *first;
    char *second;
    struct desk d;

    desk_open(&d, "spoilt");
    d.s.n_hosts = 1;
    assay_bytes_free(run(&d));
    first = result_of(&d);
    snprintf(command, sizeof(command),
             "for f in '%s'/cells/*; do echo '{\"inputs\": 3}' >\"$f\"; done",
             d.s.folder);
    CHECK_INT_EQ(system(command), 0);
    d.ctx.progress = count_crafting;
    d.ctx.user = &d;
    assay_bytes_free(run(&d));
    CHECK(d.cells > 0);
    second = result_of(&d);
    CHECK_STR_EQ(second, first);
    assay__free(first);
    assay__free(second);
    desk_close(&d);
}

static void test_step_0_gives_the_base_rate(void)
{
    struct assay_reuse_finding *found;
    struct desk d;

    desk_open(&d, "zero");
    d.s.options.step = 0;
    found = run(&d);
    for (int h = 0; h < 2; h++) {
        CHECK_NEAR(found[h].success.value, found[h].base.value, 0);
        CHECK_NEAR(found[h].held.value, found[h].held_base.value, 0);
        CHECK_NEAR(found[h].others.value, found[h].others_base.value, 0);
        CHECK_NEAR(found[h].drop.value, 0, 0);
        CHECK_NEAR(found[h].share_touched, 0, 0);
        CHECK_UINT_EQ(found[h].stops[ASSAY_REUSE_STOP_STILL], 3);
    }
    assay_bytes_free(found);
    desk_close(&d);
}

static size_t repairs; /* that make_blank did */

/* A repair after which a host answers alike to all; `held_out` are the last
 * fifth of the records that it was tuned on. */
static int make_blank(const struct assay_repair_input *in, assay_model *m,
                      struct assay_repaired *out, struct assay_error *err)
{
    struct assay_params *p = assay_model_params(m);

    (void)out;
    if (assay_view_count(in->clean) != RECORDS / 5 ||
        assay_view_count(in->held_out) != RECORDS / 4 - RECORDS / 5)
        return assay_error_set(err, ASSAY_DATA, "%zu and %zu records",
                               assay_view_count(in->clean),
                               assay_view_count(in->held_out));
    memset(p->data, 0, p->size * sizeof(*p->data));
    repairs++;
    return ASSAY_OK;
}

static void test_a_repair_follows_the_tuning(void)
{
    static const struct assay_repair blank = {.name = "blank",
                                              .title = "Blank",
                                              .summary = "Forgets all.",
                                              .needs = ASSAY_REPAIR_NEEDS_CLEAN,
                                              .run = make_blank};
    struct assay_reuse_finding *found;
    struct assay_error err = {0};
    struct desk d;

    desk_open(&d, "repaired");
    d.host[1] = d.host[0];
    d.host[1].repair = &blank;
    repairs = 0;
    found = run(&d);
    /* A base of each seed, and each pair's change. */
    CHECK_UINT_EQ(repairs, d.s.seeds + d.s.pairs);
    CHECK_NEAR(found[0].repaired.value, 0, 0);
    CHECK_NEAR(found[1].repaired.value, 1, 0);
    /* What is asked is the repaired host, by itself the tuned one. */
    CHECK(found[0].accuracy_base.value > .8);
    CHECK(found[1].accuracy_base.value < .5);
    CHECK_NEAR(found[0].share_touched, found[1].share_touched, 0);
    assay_bytes_free(found);
    d.s.regression = -2;
    CHECK_FAILS(assay_reuse_run(&found, &d.s, &d.ctx, &d.compute, &err),
                ASSAY_ARG, err);
    CHECK_STR_HAS(err.msg, "repairs classifiers");
    desk_close(&d);
}

static void test_several_triggers_ensembles_and_numbers_run(void)
{
    struct assay_reuse_finding *found;
    assay_model *second = small_model(2);
    const assay_model *others[1];
    struct desk d;

    others[0] = second;
    desk_open(&d, "kinds");
    d.s.triggers = 2;
    d.s.others = others;
    d.s.n_others = 1;
    d.s.keep_models = 1;
    d.setting[0].theta = 10;
    found = run(&d);
    CHECK_UINT_EQ(found[0].trigger.n, 6);
    assay_bytes_free(found);
    d.s.regression = -2;
    d.s.triggers = 1;
    found = run(&d);
    CHECK_UINT_EQ(found[0].success.n, 3);
    CHECK(found[0].accuracy_base.value > .3);
    CHECK(found[1].success.value > found[1].base.value);
    CHECK(found[1].held.value > found[1].held_base.value);
    assay_bytes_free(found);
    assay_model_free(second);
    desk_close(&d);
}

static void test_bad_studies_are_refused(void)
{
    struct assay_reuse_finding *found = NULL;
    struct assay_error err = {0};
    struct desk d;

    desk_open(&d, "bad");
    d.s.pairs = 60;
    CHECK_FAILS(assay_reuse_run(&found, &d.s, &d.ctx, &d.compute, &err),
                ASSAY_DATA, err);
    CHECK_STR_HAS(err.msg, "60 triggers and 8 natural inputs from quarters of "
                           "60 records");
    d.s.pairs = 0;
    CHECK_FAILS(assay_reuse_run(&found, &d.s, &d.ctx, &d.compute, &err),
                ASSAY_ARG, err);
    d.s.pairs = 2;
    d.s.regression = -2;
    d.s.tolerance = .5;
    CHECK_FAILS(assay_reuse_run(&found, &d.s, &d.ctx, &d.compute, &err),
                ASSAY_ARG, err);
    CHECK_STR_HAS(err.msg, "a tolerance of 0.5");
    CHECK(found == NULL);
    desk_close(&d);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_a_second_run_uses_what_is_there),
    CHECK_TEST(test_spoilt_cells_are_made_anew),
    CHECK_TEST(test_step_0_gives_the_base_rate),
    CHECK_TEST(test_a_repair_follows_the_tuning),
    CHECK_TEST(test_several_triggers_ensembles_and_numbers_run),
    CHECK_TEST(test_bad_studies_are_refused),
};
CHECK_MAIN(tests)
