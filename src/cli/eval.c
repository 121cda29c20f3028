/* SPDX-License-Identifier: Apache-2.0 */
/*
 * assay eval: how good a model is on records: accuracy with its interval,
 * loss, accuracy per class of the data (a model may know more).
 */

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "assay/audit.h"
#include "commands.h"
#include "core/json.h"
#include "core/mem.h"
#include "core/printable.h"
#include "json_output.h"
#include "session.h"

struct values {
    struct assay__common_values common;
    const char *data;
    const char *label;
    const char *quarter;
    int64_t max_records;
    double scale;
    struct assay__reals mean;
    struct assay__reals std;
};

/* clang-format off */
static const struct assay__option own_options[] = {
    {"data", 'd', ASSAY__OPTION_TEXT, "DATA", NULL, 0, 0, NULL,
     "records to evaluate on", offsetof(struct values, data)},
    {"quarter", 0, ASSAY__OPTION_CHOICE, "NAME", NULL, 0, 0,
     "target-train|target-test|shadow-train|shadow-test",
     "a quarter of the split that the model's sidecar tells; not given: all "
     "records",
     offsetof(struct values, quarter)},
    {"label", 0, ASSAY__OPTION_TEXT, "NAME", NULL, 0, 0, NULL,
     "attribute that is the class", offsetof(struct values, label)},
    {"max-records", 0, ASSAY__OPTION_INT, "N", "0", 0, 4e9, NULL,
     "read so many records of each file; 0: all",
     offsetof(struct values, max_records)},
    {"scale", 0, ASSAY__OPTION_REAL, "X", "0", 0, 1e6, NULL,
     "multiply pixels first, instead of by what the model's sidecar says; 0: "
     "as it says",
     offsetof(struct values, scale)},
    {"mean", 0, ASSAY__OPTION_REALS, "A,B,C", NULL, -1e6, 1e6, NULL,
     "subtract, per channel, instead of the sidecar's",
     offsetof(struct values, mean)},
    {"std", 0, ASSAY__OPTION_REALS, "A,B,C", NULL, 1e-12, 1e6, NULL,
     "divide by, per channel, instead of the sidecar's",
     offsetof(struct values, std)},
    {.name = NULL},
};
/* clang-format on */

static const struct assay__option_group groups[] = {
    {"Evaluation", own_options, 0},
    {"General", assay__common_options, offsetof(struct values, common)},
    {.title = NULL},
};

static int run(int argc, char **argv);

const struct assay__command assay__command_eval = {
    .name = "eval",
    .summary = "Tell how good a model is on records.",
    .usage = "MODEL --data DATA [options]",
    .examples =
        "assay eval target.safetensors --data fashion-mnist --quarter "
        "target-test\n"
        "assay eval target.safetensors --data cifar10:data/cifar10 --json\n"
        "assay eval net.onnx --data mnist:data/mnist --mean 0.1307 --std "
        "0.3081",
    .groups = groups,
    .values_size = sizeof(struct values),
    .max_args = 1,
    .run = run,
};

/* Without --seed, the split is the one the model was trained on. */
static int split_of(const assay_model *m, const assay_dataset *data,
                    uint64_t seed, int seed_given, struct assay_split *split,
                    struct assay_error *err)
{
    const char *noted = assay_model_note(m, ASSAY_NOTE_SPLIT_SEED);
    const char *n = assay_model_note(m, ASSAY_NOTE_SPLIT_N);

    if (noted != NULL && !seed_given)
        seed = strtoull(noted, NULL, 10);
    return assay_split_make(split, data, seed,
                            n != NULL ? (size_t)strtoull(n, NULL, 10) : 0, err);
}

static int put_channels(const struct assay__reals *from, const char *name,
                        int channels, double *to, struct assay_error *err)
{
    int i;

    if (from->n == 0)
        return ASSAY_OK;
    if (from->n != channels && from->n != 1)
        return assay_error_set(err, ASSAY_ARG,
                               "--%s: %d numbers, the model has %d channels",
                               name, from->n, channels);
    for (i = 0; i < channels; i++)
        to[i] = from->value[from->n == 1 ? 0 : i];
    return ASSAY_OK;
}

/* The model's preprocessing, but for what the options say. */
static int pixels_of(const assay_model *m, const struct values *v,
                     struct assay_preprocess *pre, struct assay_error *err)
{
    int code;

    *pre = *assay_model_preprocess(m);
    if (v->scale > 0.0)
        pre->scale = v->scale;
    code = put_channels(&v->mean, "mean", pre->channels, pre->mean, err);
    if (code == ASSAY_OK)
        code = put_channels(&v->std, "std", pre->channels, pre->std, err);
    return code;
}

static int make_view(assay_view **view, const assay_model *m,
                     const assay_dataset *data, const struct values *v,
                     uint64_t seed, int seed_given, struct assay_error *err)
{
    struct assay_preprocess pre;
    struct assay_split split;
    int q = 0;
    int code;

    code = pixels_of(m, v, &pre, err);
    if (code != ASSAY_OK)
        return code;
    if (v->quarter == NULL)
        return assay_view_new(view, data, NULL, assay_dataset_count(data), &pre,
                              err);
    code = split_of(m, data, seed, seed_given, &split, err);
    if (code != ASSAY_OK)
        return code;
    while (strcmp(assay_quarter_name((enum assay_quarter)q), v->quarter) != 0)
        q++;
    code = assay_view_new(view, data, split.index[q], split.n, &pre, err);
    assay_split_release(&split);
    return code;
}

/* Right answers among the records of class k. */
static struct assay_estimate class_accuracy(const struct assay_evidence *e,
                                            int32_t k)
{
    size_t n = 0;
    size_t right = 0;
    size_t i;

    for (i = 0; i < e->n; i++) {
        const float *logits = e->logits + i * (size_t)e->n_classes;
        int best = 0;
        int c;

        if (e->label[i] != k)
            continue;
        for (c = 1; c < e->n_classes; c++) {
            if (logits[c] > logits[best])
                best = c;
        }
        n++;
        right += best == k;
    }
    return assay_proportion(right, n);
}

static int mean_loss(const struct assay_evidence *e, double *out,
                     struct assay_error *err)
{
    double *log_prob = assay__malloc(e->n * sizeof(*log_prob));

    if (log_prob == NULL)
        return assay_error_set(err, ASSAY_NOMEM, "losses of %zu records", e->n);
    assay_evidence_log_prob(e, log_prob);
    *out = -assay_mean(log_prob, e->n);
    assay__free(log_prob);
    return ASSAY_OK;
}

static json_t *result_json(const struct assay_evidence *e,
                           const assay_dataset *data, double loss)
{
    struct assay_estimate all = assay_evidence_accuracy(e);
    int n_classes = assay_dataset_n_classes(data);
    json_t *classes = json_array();
    int k;

    for (k = 0; k < n_classes; k++) {
        struct assay_estimate x = class_accuracy(e, k);

        json_array_append_new(
            classes,
            json_pack("{s:o, s:o, s:o, s:o, s:I}", "class",
                      assay__json_string(assay_dataset_class_name(data, k)),
                      "accuracy", assay__json_real(x.value), "low",
                      assay__json_real(x.low), "high", assay__json_real(x.high),
                      "n", (json_int_t)x.n));
    }
    return json_pack("{s:o, s:o, s:o, s:I, s:o, s:o}", "accuracy",
                     assay__json_real(all.value), "low",
                     assay__json_real(all.low), "high",
                     assay__json_real(all.high), "n", (json_int_t)all.n, "loss",
                     assay__json_real(loss), "classes", classes);
}

static void print_text(const struct assay_evidence *e,
                       const assay_dataset *data, double loss)
{
    struct assay_estimate all = assay_evidence_accuracy(e);
    int n_classes = assay_dataset_n_classes(data);
    int k;

    printf("accuracy  %.4f  (95 %% interval %.4f to %.4f, %zu records)\n",
           all.value, all.low, all.high, all.n);
    printf("loss      %.4f\n\n", loss);
    printf("%-20s %8s %19s %8s\n", "class", "accuracy", "95 % interval",
           "records");
    for (k = 0; k < n_classes; k++) {
        struct assay_estimate x = class_accuracy(e, k);
        char name[64];

        snprintf(name, sizeof(name), "%s", assay_dataset_class_name(data, k));
        assay__make_printable(name);
        printf("%-20.20s %8.4f   %7.4f - %6.4f %8zu\n", name, x.value, x.low,
               x.high, x.n);
    }
}

static int print_result(const struct assay_evidence *e,
                        const assay_dataset *data, int as_json,
                        struct assay_error *err)
{
    double loss = 0;
    int code = mean_loss(e, &loss, err);

    if (code != ASSAY_OK)
        return code;
    if (!as_json) {
        print_text(e, data, loss);
        return ASSAY_OK;
    }
    return assay__print_json(result_json(e, data, loss), "the result", err);
}

/* What was found or read, so that a wrong guess is seen. */
static void say_model(struct assay__session *s, const assay_model *m,
                      const struct values *v)
{
    struct assay_preprocess pre = *assay_model_preprocess(m);
    struct assay_error why;

    if (pixels_of(m, v, &pre, &why) != ASSAY_OK)
        return;
    assay__session_say(s,
                       "%s, %d classes, images of %dx%dx%d, pixels x %g, mean "
                       "%g, deviation %g",
                       assay_model_arch(m), assay_model_n_classes(m),
                       pre.channels, pre.height, pre.width, pre.scale,
                       pre.mean[0], pre.std[0]);
}

static int evaluate(struct assay__session *s, const struct values *v,
                    const char *path, int seed_given, struct assay_error *err)
{
    struct assay_dataset_options options = {v->label, (size_t)v->max_records};
    struct assay_evidence evidence;
    assay_model *model = NULL;
    assay_dataset *data = NULL;
    assay_view *view = NULL;
    int code;

    memset(&evidence, 0, sizeof(evidence));
    code = assay_model_open(&model, path, err);
    if (code == ASSAY_OK)
        say_model(s, model, v);
    if (code == ASSAY_OK)
        code = assay_dataset_open(&data, v->data, &options, err);
    if (code == ASSAY_OK &&
        assay_dataset_n_classes(data) > assay_model_n_classes(model))
        code = assay_error_set(err, ASSAY_SHAPE,
                               "%.80s tells %d classes apart, %.60s has %d",
                               path, assay_model_n_classes(model), v->data,
                               assay_dataset_n_classes(data));
    if (code == ASSAY_OK)
        code = make_view(&view, model, data, v, s->ctx.seed, seed_given, err);
    if (code == ASSAY_OK)
        code = assay_evidence_collect(&evidence, &s->ctx, model, view, 0,
                                      &s->compute, "evaluation", err);
    if (code == ASSAY_OK) {
        assay__progress_clear(&s->progress);
        code = print_result(&evidence, data, s->json, err);
    }
    assay_evidence_release(&evidence);
    assay_view_free(view);
    assay_dataset_free(data);
    assay_model_free(model);
    return code;
}

static int work(struct assay__call *call, struct assay_error *err)
{
    const struct values *v = call->values;

    if (call->parsed.n_args != 1 || v->data == NULL)
        return assay__call_misused(call, "MODEL and --data are needed", err);
    return evaluate(&call->session, v, call->parsed.arg[0],
                    assay__option_given(call->command, &call->parsed, "seed"),
                    err);
}

static int run(int argc, char **argv)
{
    struct values values;
    struct assay__call call = {.command = &assay__command_eval,
                               .argc = argc,
                               .argv = argv,
                               .values = &values,
                               .common = &values.common};

    return assay__call_run(&call, work);
}
