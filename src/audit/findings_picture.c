/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reconstructed pictures in findings.json: how often the evaluation
 * classifier sees the class that was wanted, how far they are from the
 * class's mean image and from the nearest member, and some of them as files
 * beside true members. A picture of a class is as good as the search for
 * that class, so intervals of success count classes, not pictures.
 */

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "assay/inversion.h"
#include "audit/audit.h"
#include "core/fs.h"
#include "core/json.h"
#include "core/mem.h"

enum { CLASSES_SHOWN = 20, SHOWN_EACH = 3 };

static int judge(const assay_audit *a, const struct assay_pictures *p,
                 struct assay_inversion_quality *q, struct assay_error *err)
{
    const struct assay__scene *s = &a->scene;
    int k = assay_dataset_n_classes(a->data);
    size_t pixels = (size_t)p->channels * (size_t)p->height * (size_t)p->width;
    struct assay_inversion_judge j = {
        .ctx = &a->ctx,
        .compute = &a->options.compute,
        .evaluator = a->world.evaluator,
        .members = &s->evaluator_evidence[ASSAY__MEMBERS],
        .nonmembers = &s->evaluator_evidence[ASSAY__NONMEMBERS],
        .task = "pictures",
    };
    float *means = assay__malloc((size_t)k * pixels * sizeof(*means));
    int code;

    if (means == NULL)
        return assay_error_set(err, ASSAY_NOMEM, "mean images of %d classes",
                               k);
    code = assay_class_means(a->world.members, k, means, err);
    j.class_means = means;
    if (code == ASSAY_OK)
        code = assay_inversion_judge(q, &j, &a->preprocess, p->x, p->wanted,
                                     p->n, err);
    assay__free(means);
    return code;
}

/* Share of right pictures of each class. */
static double *class_shares(const struct assay_pictures *p,
                            const uint8_t *right, int k)
{
    double *share = assay__calloc((size_t)k, sizeof(*share));
    size_t i;

    for (i = 0; share != NULL && i < p->n; i++)
        share[p->wanted[i]] += right[i] / ((double)p->n / k);
    return share;
}

/* Mean over classes, with an interval that takes classes as the sample; the
 * binomial one of the pictures where it is wider, as where all classes are
 * alike. `degrees` of freedom of the lower end; 0: the binomial's. */
static int success_of(const struct assay_pictures *p, const uint8_t *right,
                      int k, struct assay_estimate *out, int *degrees,
                      struct assay_error *err)
{
    double *share = class_shares(p, right, k);
    struct assay_estimate by_class;
    size_t n_right = 0;
    size_t i;

    if (share == NULL)
        return assay_error_set(err, ASSAY_NOMEM, "pictures of %d classes", k);
    for (i = 0; i < p->n; i++)
        n_right += right[i] != 0;
    by_class = assay_mean_interval(share, (size_t)k);
    *out = assay_proportion(n_right, p->n);
    *degrees = k > 1 && by_class.low < out->low ? k - 1 : 0;
    out->low = fmin(out->low, fmax(by_class.low, 0));
    out->high = fmax(out->high, fmin(by_class.high, 1));
    assay__free(share);
    return ASSAY_OK;
}

/* NaN where nothing was measured. */
static struct assay_estimate mean_of(const double *x, size_t n)
{
    struct assay_estimate none = {(double)NAN, (double)NAN, (double)NAN, 0};

    return x != NULL ? assay_mean_interval(x, n) : none;
}

static int show_picture(const assay_audit *a, const struct assay_pictures *p,
                        size_t at, const char *path, struct assay_error *err)
{
    size_t pixels = (size_t)p->channels * (size_t)p->height * (size_t)p->width;
    uint8_t *bytes = assay__malloc(pixels);
    unsigned char *png = NULL;
    size_t size = 0;
    int code;

    if (bytes == NULL)
        return assay_error_set(err, ASSAY_NOMEM, "%s", path);
    assay_preprocess_invert(&a->preprocess, p->x + at * pixels, bytes);
    code = assay_pixels_png(bytes, p->channels, p->height, p->width, &png,
                            &size, err);
    if (code == ASSAY_OK)
        code = assay__write_png(a, path, png, size, err);
    assay_bytes_free(png);
    assay__free(bytes);
    return code;
}

/* The first pictures wanted of class c. */
static int list_pictures(const assay_audit *a, const struct assay__outcome *o,
                         int c, json_t *list, struct assay_error *err)
{
    const struct assay_pictures *p = &o->made.pictures;
    int shown = 0;
    int code = ASSAY_OK;
    size_t i;

    for (i = 0; i < p->n && shown < SHOWN_EACH && code == ASSAY_OK; i++) {
        char path[96];

        if (p->wanted[i] != c)
            continue;
        snprintf(path, sizeof(path), "pictures/%.48s-%d-%d.png",
                 o->attack->name, c, shown++);
        code = show_picture(a, p, i, path, err);
        json_array_append_new(list, json_string(path));
    }
    return code;
}

static int list_members(const assay_audit *a, int c, json_t *list,
                        struct assay_error *err)
{
    const struct assay_evidence *e = &a->scene.target[ASSAY__MEMBERS];
    int shown = 0;
    int code = ASSAY_OK;
    size_t i;

    for (i = 0; i < e->n && shown < SHOWN_EACH && code == ASSAY_OK; i++) {
        char path[96];

        if (e->label[i] != c)
            continue;
        snprintf(path, sizeof(path), "pictures/member-%d-%d.png", c, shown++);
        code = assay__write_record(a, e->record[i], path, err);
        json_array_append_new(list, json_string(path));
    }
    return code;
}

static int list_classes(const assay_audit *a, const struct assay__outcome *o,
                        const struct assay_inversion_quality *q, json_t *list,
                        struct assay_error *err)
{
    int k = assay_dataset_n_classes(a->data);
    double *share = class_shares(&o->made.pictures, q->top1, k);
    int code = ASSAY_OK;
    int c;

    if (share == NULL)
        return assay_error_set(err, ASSAY_NOMEM, "pictures of %d classes", k);
    for (c = 0; c < k && c < CLASSES_SHOWN && code == ASSAY_OK; c++) {
        json_t *pictures = json_array();
        json_t *members = json_array();

        code = list_pictures(a, o, c, pictures, err);
        if (code == ASSAY_OK)
            code = list_members(a, c, members, err);
        json_array_append_new(
            list,
            json_pack("{s:i, s:o, s:o, s:o, s:o}", "class", c, "name",
                      assay__json_string(assay_dataset_class_name(a->data, c)),
                      "success", assay__json_real(share[c]), "pictures",
                      pictures, "members", members));
    }
    assay__free(share);
    return code;
}

/* The baseline of the goal, if it ran. */
static const struct assay__outcome *find_baseline(const assay_audit *a)
{
    int i;

    for (i = 0; i < a->n_attacks; i++) {
        const struct assay__outcome *o = &a->outcome[i];

        if (o->attack != NULL && o->attack->goal == ASSAY_GOAL_INVERSION &&
            o->attack->baseline && o->measured != NULL)
            return o;
    }
    return NULL;
}

/* What the evaluator knows, and which attack did without the target. */
static int add_context(const assay_audit *a, struct assay__outcome *o,
                       struct assay_error *err)
{
    const struct assay__outcome *b =
        o->attack->baseline ? NULL : find_baseline(a);
    struct assay_estimate knows = assay_evidence_accuracy(
        &a->scene.evaluator_evidence[ASSAY__NONMEMBERS]);
    struct assay_estimate gain;

    if (b != NULL)
        gain = assay_difference(&o->accuracy, &b->accuracy);
    if (json_object_set_new(o->measured, "evaluator_accuracy",
                            assay__estimate_json(&knows)) ||
        json_object_set_new(o->measured, "gain_over",
                            b != NULL ? json_string(b->attack->name)
                                      : json_null()) ||
        json_object_set_new(o->measured, "baseline_success",
                            b != NULL ? assay__estimate_json(&b->accuracy)
                                      : json_null()) ||
        json_object_set_new(o->measured, "gain",
                            b != NULL ? assay__estimate_json(&gain)
                                      : json_null()))
        return assay_error_set(err, ASSAY_NOMEM, "findings of %s",
                               o->attack->name);
    return ASSAY_OK;
}

static int measure(assay_audit *a, struct assay__outcome *o,
                   const struct assay_inversion_quality *q, json_t *classes,
                   struct assay_error *err)
{
    const struct assay_pictures *p = &o->made.pictures;
    int k = assay_dataset_n_classes(a->data);
    struct assay_estimate success;
    struct assay_estimate mse = mean_of(q->mse, q->n);
    struct assay_estimate near = mean_of(q->member_distance, q->n);
    struct assay_estimate other = mean_of(q->nonmember_distance, q->n);
    struct assay_estimate excess;
    int degrees;
    int code = success_of(p, q->top1, k, &success, &degrees, err);

    if (code != ASSAY_OK)
        return code;
    o->accuracy = success;
    excess = success;
    excess.value -= 1.0 / k;
    excess.low -= 1.0 / k;
    excess.high -= 1.0 / k;
    o->measured = json_pack(
        "{s:I, s:o, s:o, s:o, s:o, s:o, s:O}", "n_pictures", (json_int_t)p->n,
        "success", assay__estimate_json(&success), "excess",
        assay__estimate_json(&excess), "mse", assay__estimate_json(&mse),
        "nearest", assay__estimate_json(&near), "nearest_nonmember",
        assay__estimate_json(&other), "classes", classes);
    if (o->measured == NULL)
        return assay_error_set(err, ASSAY_NOMEM, "findings of %s",
                               o->attack->name);
    return add_context(a, o, err);
}

int assay__pictures_measure(assay_audit *a, struct assay__outcome *o,
                            struct assay_error *err)
{
    struct assay_inversion_quality q = {0};
    json_t *classes = json_array();
    int code = judge(a, &o->made.pictures, &q, err);

    if (code == ASSAY_OK)
        code = list_classes(a, o, &q, classes, err);
    if (code == ASSAY_OK)
        code = measure(a, o, &q, classes, err);
    json_decref(classes);
    assay_inversion_quality_release(&q);
    return code;
}

/* Wanted classes are equally many, so pictures that know nothing of them are
 * right once in K, whatever they show. */
static int pictures_excess(const assay_audit *a, const struct assay_pictures *p,
                           struct assay_estimate *out, int *degrees,
                           struct assay_error *err)
{
    struct assay_inversion_quality q = {0};
    int k = assay_dataset_n_classes(a->data);
    int code = judge(a, p, &q, err);

    if (code == ASSAY_OK)
        code = success_of(p, q.top1, k, out, degrees, err);
    if (code == ASSAY_OK) {
        out->value -= 1.0 / k;
        out->low -= 1.0 / k;
        out->high -= 1.0 / k;
    }
    assay_inversion_quality_release(&q);
    return code;
}

int assay__made_excess(const assay_audit *a, const struct assay_attack *attack,
                       const struct assay__made *made,
                       struct assay_estimate *out, int *degrees,
                       struct assay_error *err)
{
    *degrees = 0;
    if (attack->guess != NULL)
        return assay__guesses_excess(a, attack, &made->guesses, out, degrees,
                                     err);
    return pictures_excess(a, &made->pictures, out, degrees, err);
}
