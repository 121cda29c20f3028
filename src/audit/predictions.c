/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A scene from files: what models of any framework said of the records,
 * without the models. The target's and shadow model's files are read by
 * assay_evidence_import(). A file of references has `logits` or `probs`
 * [S, n, K] and `trained_on` [S, n]; its records are in the order of the
 * target's file, whose labels count. What is not given is not there, and
 * attacks that need it say so.
 */

#include <math.h>
#include <string.h>

#include "assay/format.h"
#include "audit/audit.h"
#include "core/fs.h"
#include "core/mem.h"

static const double floor_probability = 1e-30;
static const double sum_tolerance = 1e-3;

static int import(struct assay_evidence *e, const char *path,
                  struct assay_error *err)
{
    return path != NULL ? assay_evidence_import(e, path, err) : ASSAY_OK;
}

static int same_classes(const struct assay_evidence *e, const char *path,
                        int n_classes, struct assay_error *err)
{
    if (path != NULL && e->n_classes != n_classes)
        return assay_error_set(err, ASSAY_SHAPE,
                               "%.100s: %d classes; the members' file has %d",
                               path, e->n_classes, n_classes);
    return ASSAY_OK;
}

/* A row of logits, or of probabilities made into log-probabilities. */
static int take_row(const struct assay_tensor *t, size_t offset, int n_classes,
                    int are_probs, float *out, double *bad)
{
    double sum = 0;
    int k;

    for (k = 0; k < n_classes; k++) {
        double x = assay_tensor_value(t, offset + (size_t)k);

        if (!isfinite(x) || (are_probs && (x < 0 || x > 1 + sum_tolerance))) {
            *bad = x;
            return 0;
        }
        sum += x;
        out[k] = (float)(are_probs ? log(fmax(x, floor_probability)) : x);
    }
    if (are_probs && fabs(sum - 1) > sum_tolerance) {
        *bad = sum;
        return 0;
    }
    return 1;
}

/* Model s of the file as evidence on the records of `like`. */
static int take_model(const struct assay_tensor *t, size_t s, int are_probs,
                      const struct assay_evidence *like, const char *path,
                      struct assay_evidence *out, struct assay_error *err)
{
    size_t n = like->n;
    size_t k = (size_t)like->n_classes;
    size_t i;

    out->n = n;
    out->n_classes = like->n_classes;
    out->logits = assay__calloc(n * k, sizeof(*out->logits));
    out->label = assay__calloc(n, sizeof(*out->label));
    out->record = assay__calloc(n, sizeof(*out->record));
    if (out->logits == NULL || out->label == NULL || out->record == NULL)
        return assay_error_set(err, ASSAY_NOMEM, "%.100s: model %zu", path, s);
    memcpy(out->label, like->label, n * sizeof(*out->label));
    memcpy(out->record, like->record, n * sizeof(*out->record));
    for (i = 0; i < n; i++) {
        double bad = 0;

        if (!take_row(t, (s * n + i) * k, like->n_classes, are_probs,
                      out->logits + i * k, &bad))
            return assay_error_set(err, ASSAY_DATA,
                                   "%.100s: model %zu, record %zu: %g is not "
                                   "%s",
                                   path, s, i, bad,
                                   are_probs ? "part of probabilities that sum "
                                               "to 1"
                                             : "a finite logit");
    }
    return ASSAY_OK;
}

/* logits or probs [S, n, K] of the file, with its shape checked. */
static int find_scores(const struct assay_tensors *list, const char *path,
                       const struct assay_evidence *like,
                       const struct assay_tensor **out, int *are_probs,
                       struct assay_error *err)
{
    const struct assay_tensor *t = assay_tensors_find(list, "logits");
    char shape[80];

    *are_probs = t == NULL;
    if (t == NULL)
        t = assay_tensors_find(list, "probs");
    if (t == NULL)
        return assay_error_set(
            err, ASSAY_DATA, "%.120s: neither \"logits\" nor \"probs\"", path);
    if (t->shape.rank != 3 || t->shape.dim[0] < 1 ||
        t->shape.dim[1] != (int64_t)like->n ||
        t->shape.dim[2] != like->n_classes)
        return assay_error_set(
            err, ASSAY_SHAPE,
            "%.80s: %s is %s; [models, %zu, %d] is needed, "
            "as the target's file has %zu records",
            path, t->name, assay_shape_text(&t->shape, shape, sizeof(shape)),
            like->n, like->n_classes, like->n);
    *out = t;
    return ASSAY_OK;
}

static int find_flags(const struct assay_tensors *list, const char *path,
                      const struct assay_tensor *scores,
                      const struct assay_tensor **out, struct assay_error *err)
{
    const struct assay_tensor *t = assay_tensors_find(list, "trained_on");
    size_t n;
    size_t i;

    if (t == NULL)
        return assay_error_set(err, ASSAY_DATA,
                               "%.120s: no \"trained_on\" [models, records]",
                               path);
    if (t->shape.rank != 2 || t->shape.dim[0] != scores->shape.dim[0] ||
        t->shape.dim[1] != scores->shape.dim[1])
        return assay_error_set(
            err, ASSAY_SHAPE, "%.100s: trained_on is not [%lld, %lld]", path,
            (long long)scores->shape.dim[0], (long long)scores->shape.dim[1]);
    n = assay_shape_count(&t->shape, 1);
    for (i = 0; i < n; i++) {
        double x = assay_tensor_value(t, i);

        if (x != 0 && x != 1)
            return assay_error_set(err, ASSAY_DATA,
                                   "%.100s: trained_on[%zu] is %g, not 0 or 1",
                                   path, i, x);
    }
    *out = t;
    return ASSAY_OK;
}

static int make_references(struct assay__scene *scene, int64_t n,
                           const char *path, struct assay_error *err)
{
    size_t total =
        scene->target[ASSAY__MEMBERS].n + scene->target[ASSAY__NONMEMBERS].n;
    size_t s = (size_t)n;
    size_t i;

    if (n > ASSAY__REFERENCES_MAX)
        return assay_error_set(err, ASSAY_LIMIT,
                               "%.100s: %lld reference models; at most %d",
                               path, (long long)n, (int)ASSAY__REFERENCES_MAX);
    scene->n_references = (int)n;
    scene->trained_on = assay__calloc(s, sizeof(*scene->trained_on));
    scene->reference = assay__calloc(s, sizeof(*scene->reference));
    scene->reference_evidence =
        assay__calloc(s * ASSAY__SUBSETS, sizeof(*scene->reference_evidence));
    if (scene->trained_on == NULL || scene->reference == NULL ||
        scene->reference_evidence == NULL)
        return assay_error_set(err, ASSAY_NOMEM, "%zu references", s);
    for (i = 0; i < s; i++) {
        scene->trained_on[i] = assay__calloc(total, 1);
        if (scene->trained_on[i] == NULL)
            return assay_error_set(err, ASSAY_NOMEM, "%zu references", s);
    }
    return ASSAY_OK;
}

static int take_models(struct assay__scene *scene, enum assay__subset subset,
                       const char *path, const struct assay_tensor *scores,
                       int are_probs, const struct assay_tensor *flags,
                       struct assay_error *err)
{
    const struct assay_evidence *like = &scene->target[subset];
    size_t first =
        subset == ASSAY__NONMEMBERS ? scene->target[ASSAY__MEMBERS].n : 0;
    int code = ASSAY_OK;
    int s;

    if (scores->shape.dim[0] != scene->n_references)
        return assay_error_set(err, ASSAY_SHAPE,
                               "%.100s: %lld reference models; the members' "
                               "file has %d",
                               path, (long long)scores->shape.dim[0],
                               scene->n_references);
    for (s = 0; s < scene->n_references && code == ASSAY_OK; s++) {
        size_t i;

        code = take_model(
            scores, (size_t)s, are_probs, like, path,
            &scene->reference_evidence[s * ASSAY__SUBSETS + (int)subset], err);
        for (i = 0; flags != NULL && i < like->n; i++)
            scene->trained_on[s][first + i] =
                assay_tensor_value(flags, (size_t)s * like->n + i) != 0;
    }
    return code;
}

static int read_references(struct assay__scene *scene,
                           enum assay__subset subset, const char *path,
                           struct assay_error *err)
{
    const struct assay_tensor *scores = NULL;
    const struct assay_tensor *flags = NULL;
    struct assay_tensors list;
    int are_probs = 0;
    int code;

    assay_tensors_init(&list);
    code = assay_tensors_read(&list, path, err);
    if (code == ASSAY_OK)
        code = find_scores(&list, path, &scene->target[subset], &scores,
                           &are_probs, err);
    if (code == ASSAY_OK && subset != ASSAY__POPULATION)
        code = find_flags(&list, path, scores, &flags, err);
    if (code == ASSAY_OK && subset == ASSAY__MEMBERS)
        code = make_references(scene, scores->shape.dim[0], path, err);
    if (code == ASSAY_OK)
        code = take_models(scene, subset, path, scores, are_probs, flags, err);
    assay_tensors_release(&list);
    return code;
}

static void link_references(struct assay__scene *scene, int with_population)
{
    int s;

    for (s = 0; s < scene->n_references; s++) {
        const struct assay_evidence *e =
            &scene->reference_evidence[s * ASSAY__SUBSETS];
        struct assay_reference *r = &scene->reference[s];

        r->members = &e[ASSAY__MEMBERS];
        r->nonmembers = &e[ASSAY__NONMEMBERS];
        r->population = with_population ? &e[ASSAY__POPULATION] : NULL;
        r->trained_on_member = scene->trained_on[s];
        r->trained_on_nonmember =
            scene->trained_on[s] + scene->target[ASSAY__MEMBERS].n;
    }
}

static int check_pairs(const struct assay_predictions *p,
                       struct assay_error *err)
{
    if ((p->reference_members == NULL) != (p->reference_nonmembers == NULL))
        return assay_error_set(err, ASSAY_ARG,
                               "references are needed on members and on "
                               "non-members, or on neither");
    if (p->reference_population != NULL &&
        (p->population == NULL || p->reference_members == NULL))
        return assay_error_set(err, ASSAY_ARG,
                               "references on a population need the target's "
                               "predictions on it, and references on members");
    if ((p->shadow_members == NULL) != (p->shadow_nonmembers == NULL))
        return assay_error_set(err, ASSAY_ARG,
                               "a shadow model's predictions are needed on its "
                               "members and its non-members, or on neither");
    return ASSAY_OK;
}

static int read_plain(struct assay__scene *scene,
                      const struct assay_predictions *p,
                      struct assay_error *err)
{
    struct {
        const char *path;
        struct assay_evidence *to;
    } files[] = {
        {p->members, &scene->target[ASSAY__MEMBERS]},
        {p->nonmembers, &scene->target[ASSAY__NONMEMBERS]},
        {p->population, &scene->target[ASSAY__POPULATION]},
        {p->shadow_members, &scene->shadow_own[0]},
        {p->shadow_nonmembers, &scene->shadow_own[1]},
    };
    int code = ASSAY_OK;
    size_t i;

    for (i = 0; i < sizeof(files) / sizeof(files[0]) && code == ASSAY_OK; i++) {
        code = import(files[i].to, files[i].path, err);
        if (code == ASSAY_OK)
            code = same_classes(files[i].to, files[i].path,
                                scene->target[0].n_classes, err);
    }
    return code;
}

/* The files' own hashes are what scores depend on. */
static int hash_files(struct assay__scene *scene,
                      const struct assay_predictions *p,
                      struct assay_error *err)
{
    const char *paths[] = {p->members,
                           p->nonmembers,
                           p->population,
                           p->shadow_members,
                           p->shadow_nonmembers,
                           p->reference_members,
                           p->reference_nonmembers,
                           p->reference_population};
    struct assay__sha256 hash;
    char text[65];
    int code = ASSAY_OK;
    size_t i;

    if (assay__sha256_begin(&hash) != ASSAY_OK)
        return assay_error_set(err, ASSAY_NOMEM, "hash of predictions");
    for (i = 0; i < sizeof(paths) / sizeof(paths[0]) && code == ASSAY_OK; i++) {
        memset(text, 0, sizeof(text));
        if (paths[i] != NULL)
            code = assay__sha256_file(paths[i], text, err);
        assay__sha256_add(&hash, text, sizeof(text));
        if (code == ASSAY_OK && i == 0)
            memcpy(scene->target_sha256, text, sizeof(text));
    }
    assay__sha256_end(&hash, scene->evidence_sha256);
    return code;
}

int assay__predictions_read(struct assay__scene *scene,
                            const struct assay_predictions *files,
                            struct assay_error *err)
{
    int code = check_pairs(files, err);

    scene->target_job = -1;
    scene->shadow_job = -1;
    if (code == ASSAY_OK)
        code = read_plain(scene, files, err);
    if (code == ASSAY_OK && files->reference_members != NULL)
        code = read_references(scene, ASSAY__MEMBERS, files->reference_members,
                               err);
    if (code == ASSAY_OK && files->reference_nonmembers != NULL)
        code = read_references(scene, ASSAY__NONMEMBERS,
                               files->reference_nonmembers, err);
    if (code == ASSAY_OK && files->reference_population != NULL)
        code = read_references(scene, ASSAY__POPULATION,
                               files->reference_population, err);
    if (code == ASSAY_OK)
        code = hash_files(scene, files, err);
    if (code == ASSAY_OK)
        link_references(scene, files->reference_population != NULL);
    return code;
}
