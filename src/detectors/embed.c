/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What two detectors of poisoned data share: the embeddings of the records,
 * class by class and centred, and their principal directions. A class is a
 * label of the data, whatever the model says.
 */

#include "detectors/embed.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "assay/rng.h"
#include "core/checked.h"
#include "core/mem.h"

enum { ITERATIONS = 60 };

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return (x > y) - (x < y);
}

double assay__median(double *x, size_t n)
{
    qsort(x, n, sizeof(*x), by_size);
    return n % 2 ? x[n / 2] : (x[n / 2 - 1] + x[n / 2]) / 2;
}

/* Length 1, and nothing of the j vectors before it. 0 when nothing is
 * left. */
static double orthonormal(double *v, size_t j, size_t width)
{
    double *mine = v + j * width;
    double norm = 0;

    for (size_t i = 0; i < j; i++) {
        double dot = 0;

        for (size_t k = 0; k < width; k++)
            dot += mine[k] * v[i * width + k];
        for (size_t k = 0; k < width; k++)
            mine[k] -= dot * v[i * width + k];
    }
    for (size_t k = 0; k < width; k++)
        norm += mine[k] * mine[k];
    norm = sqrt(norm);
    for (size_t k = 0; k < width; k++)
        mine[k] = norm > 1e-150 ? mine[k] / norm : 0;
    return norm;
}

void assay__principal(const struct assay__class_rows *c, size_t d,
                      uint64_t seed, double *work, double *v)
{
    struct assay_rng rng;

    assay_rng_init(&rng, seed, "principal", 0);
    for (size_t i = 0; i < d * c->width; i++)
        v[i] = assay_rng_normal(&rng);
    for (int round = 0; round < ITERATIONS; round++) {
        for (size_t j = 0; j < d; j++) {
            double *mine = v + j * c->width;

            for (size_t i = 0; i < c->n; i++) {
                work[i] = 0;
                for (size_t k = 0; k < c->width; k++)
                    work[i] += c->m[i * c->width + k] * mine[k];
            }
            memset(mine, 0, c->width * sizeof(*mine));
            for (size_t i = 0; i < c->n; i++)
                for (size_t k = 0; k < c->width; k++)
                    mine[k] += work[i] * c->m[i * c->width + k];
            orthonormal(v, j, c->width);
        }
    }
}

/* The rows of a label, centred. */
static void take(const struct assay_evidence *e, struct assay__class_rows *c,
                 size_t *row)
{
    double mean;

    c->n = 0;
    for (size_t i = 0; i < e->n; i++)
        if (e->label[i] == c->label)
            row[c->n++] = i;
    c->row = row;
    for (size_t k = 0; k < c->width; k++) {
        mean = 0;
        for (size_t i = 0; i < c->n; i++)
            mean += (double)e->embedding[row[i] * c->width + k] / (double)c->n;
        for (size_t i = 0; i < c->n; i++)
            c->m[i * c->width + k] =
                (double)e->embedding[row[i] * c->width + k] - mean;
    }
}

/* Records of the most frequent label. */
static size_t largest_class(const struct assay_evidence *e)
{
    size_t most = 0;

    for (int k = 0; k < e->n_classes; k++) {
        size_t n = 0;

        for (size_t i = 0; i < e->n; i++)
            n += e->label[i] == k;
        most = n > most ? n : most;
    }
    return most;
}

static int make_results(const struct assay_evidence *e, const char *task,
                        struct assay_detection *out, struct assay_error *err)
{
    out->record = assay__calloc(e->n, sizeof(*out->record));
    out->per_class =
        assay__calloc((size_t)e->n_classes, sizeof(*out->per_class));
    if (!out->record || !out->per_class)
        return assay_error_set(err, ASSAY_NOMEM,
                               "%s: out of memory for %zu records", task, e->n);
    out->n_records = e->n;
    out->n_classes = (size_t)e->n_classes;
    for (int k = 0; k < e->n_classes; k++)
        out->per_class[k] = (double)NAN;
    return ASSAY_OK;
}

int assay__each_class(const struct assay_detector_input *in, const char *task,
                      size_t least, struct assay_detection *out,
                      int (*each)(void *user, struct assay__class_rows *c,
                                  struct assay_error *err),
                      void *user, struct assay_error *err)
{
    struct assay_evidence e = {0};
    struct assay__class_rows c = {0};
    size_t *row = NULL;
    size_t size = 0;
    int rc = assay_evidence_collect(&e, in->ctx, in->model, in->suspects,
                                    ASSAY_EVIDENCE_EMBEDDING, in->compute, task,
                                    err);

    if (!rc)
        rc = make_results(&e, task, out, err);
    c.width = (size_t)e.embedding_dim;
    if (!rc && assay__mul_size(largest_class(&e), c.width, &size)) {
        c.m = assay__calloc(size, sizeof(*c.m));
        row = assay__calloc(e.n, sizeof(*row));
    }
    if (!rc && (!c.m || !row))
        rc = assay_error_set(err, ASSAY_NOMEM,
                             "%s: out of memory for embeddings of %zu", task,
                             c.width);
    for (c.label = 0; c.label < e.n_classes && !rc; c.label++) {
        rc = assay_context_check(in->ctx, err);
        if (!rc)
            take(&e, &c, row);
        if (!rc && c.n >= least)
            rc = each(user, &c, err);
    }
    assay__free(c.m);
    assay__free(row);
    assay_evidence_release(&e);
    return rc;
}
