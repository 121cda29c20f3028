/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Activation clustering (Chen et al., SafeAI at AAAI 2019): the embeddings of
 * each class are brought to ten dimensions and split in two. Poisoned records
 * make a cluster of their own, small and well apart. A class is suspicious
 * where the smaller cluster has under `size` of its records and the mean
 * silhouette is above `silhouette`.
 *
 * A record's score is its own silhouette, which has no scale and so can be
 * compared over classes, with a minus in the larger cluster; and 2 more in
 * the smaller cluster of a suspicious class. Threshold 1: those alone.
 *
 * White-box (embeddings); needs the training data. Deviations: principal
 * components instead of ICA; two-means begins with the two sides of the first
 * component, not at random; exclusionary reclassification, which trains the
 * network again, is not done. Cost: the square of a class's records for the
 * silhouettes.
 */

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/mem.h"
#include "detectors/embed.h"

enum { PARAM_DIMENSIONS, PARAM_SIZE, PARAM_SILHOUETTE };

static const struct assay_setting params[] = {
    {"dimensions", 10, 1, 100, "that embeddings are brought to"},
    {"size", .35, .01, .5, "share of a class that is a small cluster"},
    {"silhouette", .1, -1, 1, "mean silhouette of clusters that are apart"},
    {NULL, 0, 0, 0, NULL}};

enum { LEAST = 8, ROUNDS = 100 };

struct clustering {
    const struct assay_detector_input *in;
    struct assay_detection *out;
    size_t d;       /* dimensions */
    double *v;      /* [d, width] */
    double *at;     /* [n, d] */
    double *work;   /* [n] */
    uint8_t *side;  /* [n] */
    size_t members; /* of side 1 */
    double best;    /* silhouette of out->target */
};

static double distance(const double *a, const double *b, size_t d)
{
    double sum = 0;

    for (size_t k = 0; k < d; k++)
        sum += (a[k] - b[k]) * (a[k] - b[k]);
    return sum;
}

static void project(struct clustering *s, const struct assay__class_rows *c)
{
    assay__principal(c, s->d, s->in->ctx->seed, s->work, s->v);
    for (size_t i = 0; i < c->n; i++) {
        for (size_t j = 0; j < s->d; j++) {
            double dot = 0;

            for (size_t k = 0; k < c->width; k++)
                dot += c->m[i * c->width + k] * s->v[j * c->width + k];
            s->at[i * s->d + j] = dot;
        }
        s->side[i] = s->at[i * s->d] > 0;
    }
}

/* Lloyd's algorithm from the sides as they are; a side never gets empty, for
 * centres are means of what they hold. */
static void split(struct clustering *s, size_t n, double *centre)
{
    for (int round = 0; round < ROUNDS; round++) {
        size_t count[2] = {0, 0};
        size_t moved = 0;

        memset(centre, 0, 2 * s->d * sizeof(*centre));
        for (size_t i = 0; i < n; i++) {
            count[s->side[i]]++;
            for (size_t k = 0; k < s->d; k++)
                centre[s->side[i] * s->d + k] += s->at[i * s->d + k];
        }
        s->members = count[1];
        if (count[0] == 0 || count[1] == 0)
            return;
        for (size_t k = 0; k < s->d; k++) {
            centre[k] /= (double)count[0];
            centre[s->d + k] /= (double)count[1];
        }
        for (size_t i = 0; i < n; i++) {
            const double *x = s->at + i * s->d;
            uint8_t side =
                distance(x, centre + s->d, s->d) < distance(x, centre, s->d);

            moved += side != s->side[i];
            s->side[i] = side;
        }
        if (moved == 0)
            return;
    }
    s->members = 0;
    for (size_t i = 0; i < n; i++)
        s->members += s->side[i];
}

/* (b - a) / max(a, b) of each record, a and b its mean distances to its own
 * cluster's others and to the other cluster. 0 in a cluster of one, and where
 * there is but one cluster. */
static double silhouettes(struct clustering *s, size_t n)
{
    size_t count[2] = {n - s->members, s->members};
    double mean = 0;

    for (size_t i = 0; i < n; i++) {
        double sum[2] = {0, 0};
        size_t own = s->side[i];
        double a;
        double b;

        for (size_t j = 0; j < n; j++)
            sum[s->side[j]] +=
                sqrt(distance(s->at + i * s->d, s->at + j * s->d, s->d));
        a = count[own] > 1 ? sum[own] / (double)(count[own] - 1) : 0;
        b = count[!own] > 0 ? sum[!own] / (double)count[!own] : 0;
        s->work[i] = count[own] > 1 && count[!own] > 0 && fmax(a, b) > 0
                         ? (b - a) / fmax(a, b)
                         : 0;
        mean += s->work[i] / (double)n;
    }
    return mean;
}

static void judge(struct clustering *s, const struct assay__class_rows *c)
{
    int small = 2 * s->members <= c->n;
    size_t members = small ? s->members : c->n - s->members;
    double mean = silhouettes(s, c->n);
    int suspicious =
        members > 0 &&
        (double)members < s->in->param[PARAM_SIZE] * (double)c->n &&
        mean > s->in->param[PARAM_SILHOUETTE];

    s->out->per_class[c->label] = mean;
    if (suspicious && mean > s->best) {
        s->best = mean;
        s->out->target = c->label;
    }
    for (size_t i = 0; i < c->n; i++) {
        int in_small = s->side[i] == small;

        s->out->record[c->row[i]] = (in_small ? s->work[i] : -s->work[i]) +
                                    (in_small && suspicious ? 2 : 0);
    }
}

static int each(void *user, struct assay__class_rows *c,
                struct assay_error *err)
{
    struct clustering *s = user;
    double *centre;
    int rc = ASSAY_OK;

    s->d = (size_t)s->in->param[PARAM_DIMENSIONS];
    s->d = s->d < c->width ? s->d : c->width;
    s->v = assay__calloc(s->d * c->width, sizeof(*s->v));
    s->at = assay__calloc(c->n * s->d, sizeof(*s->at));
    s->work = assay__calloc(c->n, sizeof(*s->work));
    s->side = assay__calloc(c->n, sizeof(*s->side));
    centre = assay__calloc(2 * s->d, sizeof(*centre));
    if (!s->v || !s->at || !s->work || !s->side || !centre)
        rc = assay_error_set(err, ASSAY_NOMEM,
                             "activation-clustering: out of memory for %zu "
                             "records",
                             c->n);
    if (!rc) {
        project(s, c);
        split(s, c->n, centre);
        judge(s, c);
    }
    assay__free(s->v);
    assay__free(s->at);
    assay__free(s->work);
    assay__free(s->side);
    assay__free(centre);
    return rc;
}

static int run(const struct assay_detector_input *in,
               struct assay_detection *out, struct assay_error *err)
{
    struct clustering s = {.in = in, .out = out, .best = -1};
    size_t flagged = 0;
    int rc = assay__each_class(in, "activation-clustering", LEAST, out, each,
                               &s, err);

    if (rc)
        return rc;
    out->statistic = "mean silhouette of its two clusters";
    out->threshold = 1;
    for (size_t i = 0; i < out->n_records; i++)
        flagged += out->record[i] >= out->threshold;
    snprintf(out->note, sizeof(out->note),
             "%zu of %zu records lie in small clusters of suspicious classes",
             flagged, out->n_records);
    return ASSAY_OK;
}

const struct assay_detector assay_detector_activation_clustering = {
    .name = "activation-clustering",
    .title = "Activation clustering",
    .summary = "Classes of the training data whose embeddings fall into a "
               "large and a small cluster.",
    .cites = "Chen et al., SafeAI 2019",
    .subject = ASSAY_DETECT_DATA,
    .needs = 0,
    .params = params,
    .run = run,
};
