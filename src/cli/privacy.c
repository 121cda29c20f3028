/* SPDX-License-Identifier: Apache-2.0 */
/*
 * assay privacy: what a training with DP-SGD guarantees, by three
 * accountants, and the noise that a target epsilon needs. No data, no model:
 * the numbers follow from the recipe.
 */

#include "assay/privacy.h"

#include <jansson.h>
#include <string.h>

#include "commands.h"
#include "core/json.h"
#include "json_output.h"
#include "session.h"

struct values {
    struct assay__common_values common;
    int64_t records;
    int64_t batch;
    int64_t epochs;
    int64_t steps;
    double noise;
    double delta;
    double target;
};

/* clang-format off */
static const struct assay__option own_options[] = {
    {"records", 'n', ASSAY__OPTION_INT, "N", NULL, 1, 1e9, NULL,
     "records trained on", offsetof(struct values, records)},
    {"batch", 'b', ASSAY__OPTION_INT, "B", NULL, 1, 1e9, NULL,
     "mean size of a batch: each record is in it with probability B / N",
     offsetof(struct values, batch)},
    {"epochs", 'e', ASSAY__OPTION_INT, "E", NULL, 1, 1e6, NULL,
     "passes of N / B steps, rounded up",
     offsetof(struct values, epochs)},
    {"steps", 0, ASSAY__OPTION_INT, "K", NULL, 1, 1e9, NULL,
     "steps in all, instead of --epochs", offsetof(struct values, steps)},
    {"noise", 0, ASSAY__OPTION_REAL, "S", NULL,
     ASSAY_NOISE_MIN, ASSAY_NOISE_MAX, NULL,
     "noise multiplier: standard deviation over the clip norm",
     offsetof(struct values, noise)},
    {"delta", 0, ASSAY__OPTION_REAL, "D", "1e-5", ASSAY_DELTA_MIN, 0.999,
     NULL, "delta, well below 1 / N", offsetof(struct values, delta)},
    {"target-epsilon", 0, ASSAY__OPTION_REAL, "X", NULL, 1e-6, 1e6, NULL,
     "tell the noise that this epsilon needs",
     offsetof(struct values, target)},
    {.name = NULL},
};
/* clang-format on */

static const struct assay__option_group groups[] = {
    {"Training", own_options, 0},
    {"General", assay__common_options, offsetof(struct values, common)},
    {.title = NULL},
};

static int run(int argc, char **argv);

const struct assay__command assay__command_privacy = {
    .name = "privacy",
    .summary = "Tell the epsilon of a training with DP-SGD.",
    .usage = "--records N --batch B --epochs E --noise S [options]",
    .examples =
        "assay privacy --records 17500 --batch 64 --epochs 300 --noise 0.95\n"
        "assay privacy --records 60000 --batch 250 --epochs 15 "
        "--target-epsilon 1\n"
        "assay privacy --records 60000 --batch 250 --steps 3600 --noise 1.3 "
        "--json",
    .notes = "For Poisson sampling, one record added or removed, and noise at "
             "every step. A\ntraining that shuffles and cuts batches has no "
             "such guarantee.",
    .groups = groups,
    .values_size = sizeof(struct values),
    .run = run,
};

#define ACCOUNTANTS 3

static const struct {
    enum assay_accountant accountant;
    const char *key;
    const char *title;
} accountants[ACCOUNTANTS] = {
    {ASSAY_ACCOUNTANT_RDP_CLASSIC, "rdp_classic", "RDP, classic"},
    {ASSAY_ACCOUNTANT_RDP, "rdp", "RDP, improved"},
    {ASSAY_ACCOUNTANT_PRV, "prv", "PRV"},
};

struct answer {
    struct assay_dpsgd m;
    double delta;
    int has_noise;
    struct assay_rdp_result rdp[2]; /* classic, improved */
    struct assay_prv_result prv;
    double target; /* 0: none */
    double needed[ACCOUNTANTS];
};

static int fill_mechanism(struct answer *a, const struct values *v,
                          struct assay_error *err)
{
    if (v->records == 0 || v->batch == 0)
        return assay_error_set(err, ASSAY_ARG,
                               "--records and --batch are needed");
    if (v->batch > v->records)
        return assay_error_set(err, ASSAY_ARG,
                               "--batch %lld is more than the %lld records",
                               (long long)v->batch, (long long)v->records);
    if ((v->epochs == 0) == (v->steps == 0))
        return assay_error_set(err, ASSAY_ARG,
                               "one of --epochs and --steps is needed");
    if (v->noise == 0.0 && v->target == 0.0)
        return assay_error_set(err, ASSAY_ARG,
                               "--noise or --target-epsilon is needed");
    a->m.rate = (double)v->batch / (double)v->records;
    a->m.steps = (uint64_t)v->steps;
    if (v->epochs > 0)
        a->m.steps = (uint64_t)v->epochs *
                     (uint64_t)((v->records + v->batch - 1) / v->batch);
    a->m.noise = v->noise;
    a->delta = v->delta;
    a->has_noise = v->noise > 0.0;
    a->target = v->target;
    return ASSAY_OK;
}

static int account(struct answer *a, struct assay_error *err)
{
    int code = ASSAY_OK;
    int i;

    if (a->has_noise) {
        code = assay_rdp_epsilon(&a->rdp[0], &a->m, a->delta, ASSAY_RDP_CLASSIC,
                                 err);
        if (code == ASSAY_OK)
            code = assay_rdp_epsilon(&a->rdp[1], &a->m, a->delta,
                                     ASSAY_RDP_IMPROVED, err);
        if (code == ASSAY_OK)
            code = assay_prv_epsilon(&a->prv, &a->m, a->delta, err);
    }
    for (i = 0; i < ACCOUNTANTS && code == ASSAY_OK && a->target > 0.0; i++)
        code = assay_privacy_noise(&a->needed[i], &a->m, a->delta, a->target,
                                   accountants[i].accountant, err);
    return code;
}

static json_t *epsilon_json(const struct answer *a, int i)
{
    if (i < 2)
        return json_pack("{s:o, s:o}", "epsilon",
                         assay__json_real(a->rdp[i].epsilon), "order",
                         assay__json_real(a->rdp[i].order));
    return json_pack("{s:o, s:o, s:o, s:o, s:o}", "epsilon",
                     assay__json_real(a->prv.high), "estimate",
                     assay__json_real(a->prv.epsilon), "low",
                     assay__json_real(a->prv.low), "epsilon_error",
                     assay__json_real(a->prv.epsilon_error), "delta_error",
                     assay__json_real(a->prv.delta_error));
}

static json_t *answer_json(const struct answer *a)
{
    json_t *root = json_pack(
        "{s:o, s:I, s:o, s:o}", "sampling_rate", assay__json_real(a->m.rate),
        "steps", (json_int_t)a->m.steps, "noise",
        a->has_noise ? assay__json_real(a->m.noise) : json_null(), "delta",
        assay__json_real(a->delta));
    json_t *needed = json_object();
    int i;

    for (i = 0; i < ACCOUNTANTS; i++) {
        if (a->has_noise)
            json_object_set_new(root, accountants[i].key, epsilon_json(a, i));
        json_object_set_new(needed, accountants[i].key,
                            assay__json_real(a->needed[i]));
    }
    if (a->target > 0.0)
        json_object_set_new(root, "target",
                            json_pack("{s:o, s:O}", "epsilon",
                                      assay__json_real(a->target), "noise",
                                      needed));
    json_decref(needed);
    return root;
}

static void print_text(const struct answer *a)
{
    int i;

    printf("sampling rate  %.6g\n", a->m.rate);
    printf("steps          %llu\n", (unsigned long long)a->m.steps);
    if (a->has_noise)
        printf("noise          %g\n", a->m.noise);
    printf("delta          %g\n", a->delta);
    if (a->has_noise) {
        printf("\n%-14s %9s\n", "accountant", "epsilon");
        for (i = 0; i < 2; i++)
            printf("%-14s %9.4f  at order %g\n", accountants[i].title,
                   a->rdp[i].epsilon, a->rdp[i].order);
        printf("%-14s %9.4f  the true one lies above %.4f\n",
               accountants[2].title, a->prv.high, a->prv.low);
    }
    if (a->target > 0.0) {
        printf("\n%-14s %9s\n", "accountant", "noise");
        for (i = 0; i < ACCOUNTANTS; i++)
            printf("%-14s %9.4f  for epsilon %g\n", accountants[i].title,
                   a->needed[i], a->target);
    }
}

static int print_answer(const struct answer *a, int as_json,
                        struct assay_error *err)
{
    if (!as_json) {
        print_text(a);
        return ASSAY_OK;
    }
    return assay__print_json(answer_json(a), "the result", err);
}

static int run(int argc, char **argv)
{
    const struct assay__command *command = &assay__command_privacy;
    struct values values;
    struct assay__parsed parsed;
    struct assay_error err;
    struct answer answer;
    int status;
    int code;

    if (!assay__session_parse(command, argc, argv, &values, &parsed, &status))
        return status;
    memset(&answer, 0, sizeof(answer));
    code = fill_mechanism(&answer, &values, &err);
    if (code == ASSAY_OK)
        code = account(&answer, &err);
    if (code == ASSAY_OK) {
        if (answer.delta * (double)values.records > 1.0 && !values.common.quiet)
            fprintf(stderr,
                    "warning: delta %g is above 1 / %lld records: to publish "
                    "one of them would do\n",
                    answer.delta, (long long)values.records);
        code = print_answer(&answer, values.common.json, &err);
    }
    if (code != ASSAY_OK)
        fprintf(stderr, "assay privacy: %s\n", err.msg);
    return assay_error_exit_status(code);
}
