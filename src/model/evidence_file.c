/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Evidence as files. What Assay wrote itself is read back as it is; what a
 * user brings (predictions of a model in any framework) is checked row by
 * row and brought to the one form that attacks know: logits, or
 * log-probabilities, which softmax turns into the same posteriors.
 */

#include <math.h>
#include <string.h>

#include "assay/format.h"
#include "core/mem.h"
#include "model/model.h"

enum { FEATURES_MAX = 1 << 20 }; /* numbers per record */
static const double PROB_FLOOR = 1e-30;
enum { QUERIES_MAX = 1024 };
static const double PROB_SUM_TOLERANCE = 1e-3;

int assay_evidence_write(const struct assay_evidence *e, const char *path,
                         struct assay_error *err)
{
    struct assay_tensors list;
    struct assay_tensor *t;
    struct assay_shape rows = assay_shape_make(1, (int64_t)e->n);
    struct assay_shape wide =
        assay_shape_make(2, (int64_t)e->n, (int64_t)e->n_classes);
    int rc;

    assay_tensors_init(&list);
    rc = assay_tensors_add_f32(&list, "logits", &wide, e->logits, err);
    if (!rc && e->embedding_dim) {
        wide.dim[1] = e->embedding_dim;
        rc =
            assay_tensors_add_f32(&list, "embedding", &wide, e->embedding, err);
    }
    if (!rc && e->layer_dim) {
        wide.dim[1] = e->layer_dim;
        rc = assay_tensors_add_f32(&list, "layer", &wide, e->layer, err);
    }
    if (!rc && e->n_queries) {
        struct assay_shape deep = assay_shape_make(
            3, (int64_t)e->n, (int64_t)e->n_queries, (int64_t)e->n_classes);

        rc = assay_tensors_add_f32(&list, "queries", &deep, e->queries, err);
    }
    if (!rc)
        rc =
            assay_tensors_add(&list, "labels", ASSAY_DTYPE_I32, &rows, &t, err);
    if (!rc) {
        memcpy(t->data, e->label, e->n * sizeof(int32_t));
        rc = assay_tensors_add(&list, "records", ASSAY_DTYPE_U32, &rows, &t,
                               err);
    }
    if (!rc) {
        memcpy(t->data, e->record, e->n * sizeof(uint32_t));
        rc = assay_tensors_write(&list, path, err);
    }
    assay_tensors_release(&list);
    return rc;
}

/* A tensor of the given rank whose first dimension is n (0: any). */
static int take(const struct assay_tensors *list, const char *name, int rank,
                int64_t n, const struct assay_tensor **out, const char *path,
                struct assay_error *err)
{
    const struct assay_tensor *t = assay_tensors_find(list, name);
    char text[80];

    if (!t)
        return assay_error_set(err, ASSAY_FORMAT, "%s: no array '%s'", path,
                               name);
    if (t->shape.rank != rank || (n && t->shape.dim[0] != n))
        return assay_error_set(
            err, ASSAY_SHAPE, "%s: '%s' is %s; %d dimensions%s are needed",
            path, name, assay_shape_text(&t->shape, text, sizeof(text)), rank,
            n ? ", as many rows as the logits," : "");
    *out = t;
    return ASSAY_OK;
}

static int import_logits(struct assay_evidence *e, const struct assay_tensor *t,
                         const char *path, struct assay_error *err)
{
    for (size_t i = 0; i < e->n * (size_t)e->n_classes; i++) {
        double x = assay_tensor_value(t, i);

        e->logits[i] = (float)x;
        if (!isfinite(e->logits[i]))
            return assay_error_set(err, ASSAY_DATA,
                                   "%s: %s[%zu, %zu] is %g; all must be "
                                   "finite in single precision",
                                   path, t->name, i / (size_t)e->n_classes,
                                   i % (size_t)e->n_classes, x);
    }
    return ASSAY_OK;
}

static int import_probs(struct assay_evidence *e, const struct assay_tensor *t,
                        const char *path, struct assay_error *err)
{
    size_t k = (size_t)e->n_classes;

    for (size_t i = 0; i < e->n; i++) {
        double sum = 0;

        for (size_t c = 0; c < k; c++) {
            double p = assay_tensor_value(t, i * k + c);

            if (!(p >= 0 && p <= 1 + PROB_SUM_TOLERANCE))
                return assay_error_set(err, ASSAY_DATA,
                                       "%s: %s[%zu, %zu] is %g; a probability "
                                       "lies in 0 to 1",
                                       path, t->name, i, c, p);
            sum += p;
            e->logits[i * k + c] = (float)log(fmax(p, PROB_FLOOR));
        }
        if (fabs(sum - 1) > PROB_SUM_TOLERANCE)
            return assay_error_set(err, ASSAY_DATA,
                                   "%s: row %zu of %s sums to %.6g; 1 within "
                                   "%g is needed (logits go under 'logits')",
                                   path, i, t->name, sum, PROB_SUM_TOLERANCE);
    }
    return ASSAY_OK;
}

static int import_labels(struct assay_evidence *e,
                         const struct assay_tensor *labels,
                         const struct assay_tensor *records, const char *path,
                         struct assay_error *err)
{
    for (size_t i = 0; i < e->n; i++) {
        double y = assay_tensor_value(labels, i);
        double r = records ? assay_tensor_value(records, i) : (double)i;

        if (!(y >= 0 && y < e->n_classes) || y != floor(y))
            return assay_error_set(err, ASSAY_DATA,
                                   "%s: label %zu is %g; classes go from 0 to "
                                   "%d",
                                   path, i, y, e->n_classes - 1);
        if (!(r >= 0 && r <= UINT32_MAX) || r != floor(r))
            return assay_error_set(err, ASSAY_DATA,
                                   "%s: record number %zu is %g; whole "
                                   "numbers from 0 to %u are possible",
                                   path, i, r, UINT32_MAX);
        e->label[i] = (int32_t)y;
        e->record[i] = (uint32_t)r;
    }
    return ASSAY_OK;
}

static int evidence_shape(struct assay_evidence *e,
                          const struct assay_tensor *outputs, const char *path,
                          struct assay_error *err)
{
    int64_t n = outputs->shape.dim[0];
    int64_t k = outputs->shape.dim[1];

    if (n < 1 || n > UINT32_MAX || k < 2 || k > 65536)
        return assay_error_set(err, ASSAY_SHAPE,
                               "%s: %lld rows of %lld classes; at least 1 row "
                               "and 2 to 65536 classes are needed",
                               path, (long long)n, (long long)k);
    e->n = (size_t)n;
    e->n_classes = (int)k;
    e->logits = assay__calloc(e->n * (size_t)k, sizeof(float));
    e->label = assay__calloc(e->n, sizeof(int32_t));
    e->record = assay__calloc(e->n, sizeof(uint32_t));
    if (!e->logits || !e->label || !e->record)
        return assay_error_set(err, ASSAY_NOMEM,
                               "%s: out of memory for %zu rows", path, e->n);
    return ASSAY_OK;
}

/* Rows of what a model computed inside: "embedding" or "layer". */
static int import_features(const struct assay_evidence *e,
                           const struct assay_tensor *t, float **rows, int *dim,
                           const char *path, struct assay_error *err)
{
    int64_t h = t->shape.dim[1];
    float *x;

    if (h < 1 || h > FEATURES_MAX)
        return assay_error_set(err, ASSAY_SHAPE,
                               "%s: rows of '%s' hold %lld numbers; 1 to %d "
                               "are possible",
                               path, t->name, (long long)h, FEATURES_MAX);
    x = assay__calloc(e->n * (size_t)h, sizeof(float));
    *rows = x;
    *dim = (int)h;
    if (!x)
        return assay_error_set(err, ASSAY_NOMEM,
                               "%s: out of memory for %zu rows", path, e->n);
    for (size_t i = 0; i < e->n * (size_t)h; i++) {
        x[i] = (float)assay_tensor_value(t, i);
        if (!isfinite(x[i]))
            return assay_error_set(err, ASSAY_DATA,
                                   "%s: %s row %zu holds %g; all must be "
                                   "finite in single precision",
                                   path, t->name, i / (size_t)h,
                                   assay_tensor_value(t, i));
    }
    return ASSAY_OK;
}

static int import_queries(struct assay_evidence *e,
                          const struct assay_tensor *t, const char *path,
                          struct assay_error *err)
{
    int64_t q = t->shape.dim[1];
    size_t n;

    if (q < 1 || q > QUERIES_MAX || t->shape.dim[2] != e->n_classes)
        return assay_error_set(err, ASSAY_SHAPE,
                               "%s: 'queries' are %lld by %lld; 1 to %d by "
                               "the %d classes are needed",
                               path, (long long)q, (long long)t->shape.dim[2],
                               QUERIES_MAX, e->n_classes);
    n = e->n * (size_t)q * (size_t)e->n_classes;
    e->n_queries = (int)q;
    e->queries = assay__calloc(n, sizeof(float));
    if (!e->queries)
        return assay_error_set(err, ASSAY_NOMEM,
                               "%s: out of memory for %zu rows", path, e->n);
    for (size_t i = 0; i < n; i++) {
        double x = assay_tensor_value(t, i);

        e->queries[i] = (float)x;
        if (!isfinite(e->queries[i]))
            return assay_error_set(err, ASSAY_DATA,
                                   "%s: queries row %zu holds %g; all must "
                                   "be finite in single precision",
                                   path, i / (n / e->n), x);
    }
    return ASSAY_OK;
}

static int from_tensors(struct assay_evidence *e,
                        const struct assay_tensors *list, const char *path,
                        struct assay_error *err)
{
    const struct assay_tensor *outputs = NULL;
    const struct assay_tensor *labels = NULL;
    const struct assay_tensor *records = NULL;
    const struct assay_tensor *embedding = NULL;
    const struct assay_tensor *layer = NULL;
    const struct assay_tensor *queries = NULL;
    int probs = !assay_tensors_find(list, "logits");
    int64_t n;
    int rc;

    if (probs && !assay_tensors_find(list, "probs"))
        return assay_error_set(err, ASSAY_FORMAT,
                               "%s: neither 'logits' nor 'probs' is there",
                               path);
    rc = take(list, probs ? "probs" : "logits", 2, 0, &outputs, path, err);
    if (rc)
        return rc;
    n = outputs->shape.dim[0];
    rc = take(list, "labels", 1, n, &labels, path, err);
    if (!rc && assay_tensors_find(list, "records"))
        rc = take(list, "records", 1, n, &records, path, err);
    if (!rc && assay_tensors_find(list, "embedding"))
        rc = take(list, "embedding", 2, n, &embedding, path, err);
    if (!rc && assay_tensors_find(list, "layer"))
        rc = take(list, "layer", 2, n, &layer, path, err);
    if (!rc && assay_tensors_find(list, "queries"))
        rc = take(list, "queries", 3, n, &queries, path, err);
    if (!rc)
        rc = evidence_shape(e, outputs, path, err);
    if (!rc)
        rc = probs ? import_probs(e, outputs, path, err)
                   : import_logits(e, outputs, path, err);
    if (!rc)
        rc = import_labels(e, labels, records, path, err);
    if (!rc && embedding)
        rc = import_features(e, embedding, &e->embedding, &e->embedding_dim,
                             path, err);
    if (!rc && layer)
        rc = import_features(e, layer, &e->layer, &e->layer_dim, path, err);
    if (!rc && queries)
        rc = import_queries(e, queries, path, err);
    return rc;
}

int assay_evidence_import(struct assay_evidence *e, const char *path,
                          struct assay_error *err)
{
    struct assay_tensors list;
    struct assay_evidence made = {0};
    int rc;

    assay_tensors_init(&list);
    rc = assay_tensors_read(&list, path, err);
    if (!rc)
        rc = from_tensors(&made, &list, path, err);
    assay_tensors_release(&list);
    if (rc)
        assay_evidence_release(&made);
    else
        *e = made;
    return rc;
}

int assay_evidence_read(struct assay_evidence *e, const char *path,
                        struct assay_error *err)
{
    return assay_evidence_import(e, path, err);
}
