/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Neural Cleanse on a ResNet-18 of 32x32; the other side is
 * neural_cleanse_torch.py, the referee neural_cleanse.py.
 *
 * usage: bench_neural_cleanse make FOLDER CLASSES
 *        bench_neural_cleanse run FOLDER CLASSES ROUNDS BATCHES AT-ONCE
 *        bench_neural_cleanse profile FOLDER CLASSES ROWS
 *
 * `make` writes random weights and 256 images of noise into FOLDER, for both
 * sides. `run` searches a trigger for each class, none stopped early, one
 * thread, algorithms timed in a round before, and prints one JSON object:
 * seconds, those of the CPU, the peak of memory, the mean norm. `profile`
 * prints the steps of the plan for ROWS images with their seconds.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "assay/detector.h"
#include "assay/format.h"
#include "assay/layers.h"
#include "assay/rng.h"
#include "core/mem.h"
#include "core/thread.h"

enum { IMAGES = 256, SIDE = 32, PIXELS = 3 * SIDE * SIDE };

static int make_images(const char *path, struct assay_error *err)
{
    struct assay_shape shape = assay_shape_make(4, (int64_t)IMAGES, (int64_t)3,
                                                (int64_t)SIDE, (int64_t)SIDE);
    struct assay_tensors list;
    struct assay_tensor *t = NULL;
    struct assay_rng rng;
    int rc;

    assay_tensors_init(&list);
    assay_rng_init(&rng, 1, "images", 0);
    rc = assay_tensors_add(&list, "images", ASSAY_DTYPE_U8, &shape, &t, err);
    for (size_t i = 0; !rc && i < (size_t)IMAGES * PIXELS; i++)
        ((uint8_t *)t->data)[i] = (uint8_t)assay_rng_below(&rng, 256);
    if (!rc)
        rc = assay_tensors_write(&list, path, err);
    assay_tensors_release(&list);
    return rc;
}

static int make(const char *folder, int classes, struct assay_error *err)
{
    struct assay_model_spec spec = {.arch = "resnet18", .n_classes = classes};
    assay_model *m = NULL;
    char path[4096];
    int rc;

    spec.preprocess.channels = 3;
    spec.preprocess.height = spec.preprocess.width = SIDE;
    spec.preprocess.scale = 1 / 255.0;
    for (int c = 0; c < 3; c++) {
        spec.preprocess.mean[c] = .5;
        spec.preprocess.std[c] = .25;
    }
    rc = assay_model_new(&m, &spec, 1, err);
    snprintf(path, sizeof(path), "%s/model-%d.safetensors", folder, classes);
    if (!rc)
        rc = assay_model_save(m, path, err);
    snprintf(path, sizeof(path), "%s/images.safetensors", folder);
    if (!rc)
        rc = make_images(path, err);
    assay_model_free(m);
    return rc;
}

struct job {
    struct assay_context ctx;
    struct assay_compute compute;
    assay_model *m;
    assay_dataset *data;
    assay_view *view;
};

static int open_data(struct job *j, const char *folder, struct assay_error *err)
{
    struct assay_dataset_source source = {.name = "noise",
                                          .n = IMAGES,
                                          .channels = 3,
                                          .height = SIDE,
                                          .width = SIDE,
                                          .n_classes = 1};
    int32_t labels[IMAGES] = {0};
    struct assay_tensors list;
    struct assay_tensor *t;
    char path[4096];
    int rc;

    assay_tensors_init(&list);
    snprintf(path, sizeof(path), "%s/images.safetensors", folder);
    rc = assay_tensors_read(&list, path, err);
    t = rc ? NULL : assay_tensors_find(&list, "images");
    if (t) {
        source.pixels = t->data;
        source.labels = labels;
        rc = assay_dataset_new(&j->data, &source, err);
    }
    assay_tensors_release(&list);
    return rc ? rc
              : assay_view_new(&j->view, j->data, NULL, IMAGES,
                               assay_model_preprocess(j->m), err);
}

static int open_job(struct job *j, const char *folder, int classes,
                    struct assay_error *err)
{
    char path[4096];
    int rc;

    assay_context_init(&j->ctx);
    j->ctx.threads = 1;
    snprintf(path, sizeof(path), "%s/model-%d.safetensors", folder, classes);
    rc = assay_model_open(&j->m, path, err);
    if (!rc)
        rc = assay_tuning_new(&j->compute.tuning, err);
    return rc ? rc : open_data(j, folder, err);
}

static void close_job(struct job *j)
{
    assay_view_free(j->view);
    assay_dataset_free(j->data);
    assay_model_free(j->m);
    assay_tuning_free(j->compute.tuning);
}

static double cpu_seconds(void)
{
    return (double)clock() / CLOCKS_PER_SEC;
}

static void set(const struct assay_detector *d, double *param, const char *name,
                double value)
{
    param[assay_settings_index(d->params, name)] = value;
}

/* One search of all classes; without `tell` only algorithms are chosen. */
static int search(struct job *j, const double how[3], int tell,
                  struct assay_error *err)
{
    const struct assay_detector *d = assay_detector_find("neural-cleanse");
    struct assay_detection found;
    double param[ASSAY_SETTINGS_MAX];
    struct assay_detector_input in = {.ctx = &j->ctx,
                                      .compute = &j->compute,
                                      .model = j->m,
                                      .clean = j->view,
                                      .param = param};
    double cpu = cpu_seconds();
    size_t reached = 0;
    int rc;

    assay_settings_init(d->params, param);
    set(d, param, "rounds", how[0]);
    set(d, param, "batches", how[1]);
    set(d, param, "at-once", how[2]);
    set(d, param, "stop", 0);
    rc = assay_detector_run(d, &in, &found, err);
    if (rc)
        return rc;
    for (size_t k = 0; k < found.n_classes; k++)
        reached += found.per_class[k] >= 0;
    if (tell)
        printf("{\"seconds\": %.3f, \"cpu\": %.3f, \"memory\": %zu, "
               "\"classes\": %zu, \"reached\": %zu}\n",
               found.seconds, cpu_seconds() - cpu, assay__peak_memory(),
               found.n_classes, reached);
    assay_detection_release(&found);
    return ASSAY_OK;
}

static int build_profile(struct job *j, assay_graph *g, assay_value *out,
                         struct assay_error *err)
{
    const assay_graph *net = assay_model_graph(j->m);
    struct assay_shape shape = *assay_graph_shape(net, assay_model_input(j->m));
    struct assay_shape each = assay_shape_make(1, (int64_t)ASSAY_BATCH);
    struct assay_attrs one = {.alpha = 1, .shape = each};
    assay_value x = assay_graph_input(g, "x", &shape);
    assay_value labels = assay_graph_input(g, "labels", &each);
    assay_value logits = assay_model_logits(j->m);
    assay_value loss;
    int rc = assay_graph_append_folded(g, net, &x, &logits, 1, err);

    if (rc)
        return rc;
    loss = assay_op_weighted_sum(g, assay_op_softmax_xent(g, logits, labels),
                                 assay_graph_node(g, "fill", NULL, 0, &one));
    return assay_differentiate(g, loss, &x, 1, out, err);
}

static int profile(struct job *j, int rows, struct assay_error *err)
{
    assay_graph *g = NULL;
    assay_plan *plan = NULL;
    struct assay_params params = {0};
    assay_value d = ASSAY_NO_VALUE;
    struct assay_plan_options o = {.batch = rows,
                                   .mode = ASSAY_MODE_EVAL,
                                   .threads = 1,
                                   .tuning = j->compute.tuning,
                                   .outputs = &d,
                                   .n_outputs = 1};
    double cpu = 0;
    char *text;
    int rc = assay_graph_new(&g, err);

    if (!rc)
        rc = build_profile(j, g, &d, err);
    if (!rc)
        rc = assay_plan_new(&plan, g, &o, err);
    if (!rc)
        rc = assay_params_fold(&params, g, assay_model_graph(j->m),
                               assay_model_weights(j->m), err);
    if (!rc)
        rc = assay_plan_load(plan, &params, err);
    assay_params_release(&params);
    if (!rc)
        rc = assay_plan_run(plan, err);
    if (!rc)
        assay_plan_profile(plan, 1);
    cpu = cpu_seconds();
    for (int i = 0; i < 5 && !rc; i++)
        rc = assay_plan_run(plan, err);
    cpu = (cpu_seconds() - cpu) / 5 / rows;
    text = rc ? NULL : assay_plan_describe(plan);
    printf("%s\n%.3f ms of the CPU per row\n", text ? text : "", 1e3 * cpu);
    assay_bytes_free(text);
    assay_plan_free(plan);
    assay_graph_free(g);
    return rc;
}

int main(int argc, char **argv)
{
    struct assay_error err = {0};
    struct job j = {0};
    int rc = ASSAY_ARG;

    if (argc < 4) {
        fprintf(stderr, "usage: bench_neural_cleanse make|run|profile FOLDER "
                        "CLASSES [ROUNDS BATCHES AT-ONCE | ROWS]\n");
        return 4;
    }
    if (strcmp(argv[1], "make") == 0) {
        rc = make(argv[2], atoi(argv[3]), &err);
    } else {
        rc = open_job(&j, argv[2], atoi(argv[3]), &err);
        if (!rc && strcmp(argv[1], "profile") == 0 && argc > 4)
            rc = profile(&j, atoi(argv[4]), &err);
        if (!rc && strcmp(argv[1], "run") == 0 && argc > 6) {
            /* Once to choose algorithms, and once to be timed. */
            double how[3] = {1, 1, atof(argv[6])};

            rc = search(&j, how, 0, &err);
            how[0] = atof(argv[4]);
            how[1] = atof(argv[5]);
            if (!rc)
                rc = search(&j, how, 1, &err);
        }
        close_job(&j);
    }
    if (rc)
        fprintf(stderr, "bench_neural_cleanse: %s\n", err.msg);
    return rc ? 2 : 0;
}
