/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Assay's side of speed_onnx.py: a classifier of an ONNX file on given images,
 * its logits and images per second.
 *
 * usage: bench_onnx MODEL.onnx IMAGES.npz LOGITS.npz SECONDS TUNING.json
 *                   THREADS [--profile]
 *
 * IMAGES has `x`, f32 [N, C, H, W], a batch of N; LOGITS gets `logits`. The
 * first pass is not counted. Prints one JSON object; the rate is the median
 * over blocks of a tenth of SECONDS, of the process's own time with one thread,
 * which others' work does not change much, else of the clock on the wall.
 */

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "assay/format.h"
#include "assay/onnx.h"
#include "assay/model.h"
#include "assay/plan.h"
#include "core/mem.h"
#include "core/thread.h"

enum { BLOCKS = 10 };

struct job {
    struct assay_onnx_classifier c;
    struct assay_tensors images;
    const struct assay_tensor *x;
    assay_tuning *tuning;
    assay_plan *plan;
    float *logits;
    int batch;
    int threads;
};

static int open_images(struct job *j, const char *path, struct assay_error *err)
{
    int rc = assay_tensors_read(&j->images, path, err);

    if (rc)
        return rc;
    j->x = assay_tensors_find(&j->images, "x");
    if (!j->x || j->x->dtype != ASSAY_DTYPE_F32 || j->x->shape.rank != 4)
        return assay_error_set(err, ASSAY_DATA,
                               "%s: no images 'x' of four dimensions", path);
    j->batch = (int)j->x->shape.dim[0];
    return ASSAY_OK;
}

static int open_model(struct job *j, const char *path, struct assay_error *err)
{
    struct assay_onnx_roles roles = {
        .channels = (int)j->x->shape.dim[1],
        .height = (int)j->x->shape.dim[2],
        .width = (int)j->x->shape.dim[3],
    };
    assay_onnx *o = NULL;
    int rc = assay_onnx_open(&o, path, err);

    if (!rc)
        rc = assay_onnx_classify(&j->c, o, &roles, err);
    assay_onnx_free(o);
    return rc;
}

static int compile(struct job *j, struct assay_error *err)
{
    struct assay_plan_options o = {0};
    int rc;

    o.batch = j->batch;
    o.mode = ASSAY_MODE_EVAL;
    o.threads = j->threads;
    o.tuning = j->tuning;
    o.outputs = &j->c.logits;
    o.n_outputs = 1;
    rc = assay_plan_new(&j->plan, j->c.graph, &o, err);
    if (!rc)
        rc = assay_plan_load(j->plan, &j->c.params, err);
    if (rc)
        return rc;
    j->logits =
        assay__calloc((size_t)j->batch * (size_t)j->c.n_classes, sizeof(float));
    return j->logits ? ASSAY_OK
                     : assay_error_set(err, ASSAY_NOMEM, "out of memory");
}

static int pass(struct job *j, struct assay_error *err)
{
    int rc = assay_plan_write(j->plan, j->c.input, j->x->data, err);

    if (!rc)
        rc = assay_plan_run(j->plan, err);
    return rc ? rc : assay_plan_read(j->plan, j->c.logits, j->logits, err);
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return (x > y) - (x < y);
}

static double now(const struct job *j)
{
    struct timespec t;

    clock_gettime(j->threads == 1 ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC,
                  &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int measure(struct job *j, double seconds, double *rate,
                   struct assay_error *err)
{
    double block[BLOCKS];
    int rc = pass(j, err);

    for (int b = 0; !rc && b < BLOCKS; b++) {
        double start = now(j);
        double end = start;
        int n = 0;

        while (!rc && end - start < seconds / BLOCKS) {
            rc = pass(j, err);
            end = now(j);
            n++;
        }
        block[b] = n * j->batch / (end - start);
    }
    if (rc)
        return rc;
    qsort(block, BLOCKS, sizeof(block[0]), compare);
    *rate = (block[BLOCKS / 2 - 1] + block[BLOCKS / 2]) / 2;
    return ASSAY_OK;
}

static int write_logits(const struct job *j, const char *path,
                        struct assay_error *err)
{
    struct assay_shape shape =
        assay_shape_make(2, (int64_t)j->batch, (int64_t)j->c.n_classes);
    struct assay_tensors list;
    int rc;

    assay_tensors_init(&list);
    rc = assay_tensors_add_f32(&list, "logits", &shape, j->logits, err);
    if (!rc)
        rc = assay_tensors_write(&list, path, err);
    assay_tensors_release(&list);
    return rc;
}

static void tell_steps(const struct job *j)
{
    char *text = assay_plan_describe(j->plan);

    fprintf(stderr, "%s\n", text ? text : "");
    assay_bytes_free(text);
}

static int run(struct job *j, char **word, int profile, struct assay_error *err)
{
    double rate = 0;
    int rc = assay_tuning_new(&j->tuning, err);

    if (!rc)
        rc = assay_tuning_read(j->tuning, word[4], err);
    if (!rc)
        rc = open_images(j, word[1], err);
    if (!rc)
        rc = open_model(j, word[0], err);
    if (!rc)
        rc = compile(j, err);
    if (!rc && profile)
        assay_plan_profile(j->plan, 1);
    if (!rc)
        rc = measure(j, atof(word[3]), &rate, err);
    if (!rc && profile)
        tell_steps(j);
    if (!rc)
        rc = write_logits(j, word[2], err);
    if (!rc)
        rc = assay_tuning_write(j->tuning, word[4], err);
    if (!rc)
        printf("{\"rate\": %.2f}\n", rate);
    return rc;
}

int main(int argc, char **argv)
{
    struct assay_error err = {0};
    struct job j = {0};
    int rc;

    if (argc < 7) {
        fprintf(stderr, "usage: bench_onnx MODEL.onnx IMAGES.npz LOGITS.npz "
                        "SECONDS TUNING.json THREADS [--profile]\n");
        return 4;
    }
    assay_tensors_init(&j.images);
    j.threads = atoi(argv[6]) > 0 ? atoi(argv[6]) : assay__thread_cores();
    assay__thread_set_omp(j.threads);
    rc = run(&j, argv + 1, argc > 7, &err);
    if (rc)
        fprintf(stderr, "bench_onnx: %s\n", err.msg);
    assay__free(j.logits);
    assay_plan_free(j.plan);
    assay_onnx_classifier_release(&j.c);
    assay_tuning_free(j.tuning);
    assay_tensors_release(&j.images);
    return rc ? 2 : 0;
}
