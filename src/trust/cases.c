/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Data and models of a run. Every model sees the same records: the first of
 * one permutation are the detectors', as many after them are held out, to
 * tell how often detectors of inputs accuse clean ones.
 */

#include <string.h>

#include "assay/rng.h"
#include "core/mem.h"
#include "trust/trust.h"

static int draw_order(struct assay__trust_data *d, uint64_t seed,
                      struct assay_error *err)
{
    size_t n = assay_dataset_count(d->clean);
    struct assay_rng rng;

    d->order = assay__calloc(n, sizeof(*d->order));
    if (!d->order)
        return assay_error_set(err, ASSAY_NOMEM,
                               "out of memory for %zu "
                               "records",
                               n);
    for (size_t i = 0; i < n; i++)
        d->order[i] = (uint32_t)i;
    assay_rng_init(&rng, seed, "trust", 0);
    assay_rng_shuffle(&rng, d->order, n);
    return ASSAY_OK;
}

int assay__trust_data_open(struct assay__trust_data *d, const char *clean,
                           const char *suspects,
                           const struct assay_dataset_options *dataset,
                           size_t n_each, uint64_t seed,
                           struct assay_error *err)
{
    size_t n;
    int rc;

    memset(d, 0, sizeof(*d));
    rc = assay_dataset_open(&d->clean, clean, dataset, err);
    if (!rc && suspects)
        rc = assay_dataset_open(&d->suspects, suspects, dataset, err);
    if (!rc)
        rc = draw_order(d, seed, err);
    if (rc)
        return rc;
    n = assay_dataset_count(d->clean);
    d->n_each = n_each ? n_each : n / 2;
    if (n < 2 || d->n_each > n / 2)
        return assay_error_set(err, ASSAY_DATA,
                               "%.100s has %zu records; %zu and as many that "
                               "are held out are wanted",
                               clean, n, d->n_each ? d->n_each : 1);
    return ASSAY_OK;
}

void assay__trust_data_release(struct assay__trust_data *d)
{
    assay_dataset_free(d->clean);
    assay_dataset_free(d->suspects);
    assay__free(d->order);
    memset(d, 0, sizeof(*d));
}

static int put_channels(const double *from, int n, const char *name,
                        int channels, double *to, struct assay_error *err)
{
    if (n != 0 && n != 1 && n != channels)
        return assay_error_set(err, ASSAY_ARG,
                               "%s: %d numbers, the model has %d channels",
                               name, n, channels);
    for (int i = 0; i < channels && n > 0; i++)
        to[i] = from[n == 1 ? 0 : i];
    return ASSAY_OK;
}

int assay__case_pixels(assay_model *m, const struct assay_trust_pixels *p,
                       struct assay_error *err)
{
    struct assay_preprocess pre = *assay_model_preprocess(m);
    int rc;

    if (p->scale > 0)
        pre.scale = p->scale;
    rc = put_channels(p->mean, p->n_mean, "mean", pre.channels, pre.mean, err);
    if (!rc)
        rc = put_channels(p->std, p->n_std, "std", pre.channels, pre.std, err);
    return rc ? rc : assay_model_set_pixels(m, &pre, err);
}

static int open_views(struct assay__case *c,
                      const struct assay__trust_data *data,
                      struct assay_error *err)
{
    const struct assay_preprocess *pre = assay_model_preprocess(c->model);
    int rc = assay_view_new(&c->clean, data->clean, data->order, data->n_each,
                            pre, err);

    if (!rc)
        rc = assay_view_new(&c->held_out, data->clean,
                            data->order + data->n_each, data->n_each, pre, err);
    if (!rc && data->suspects)
        rc = assay_view_new(&c->suspects, data->suspects, NULL,
                            assay_dataset_count(data->suspects), pre, err);
    return rc;
}

int assay__case_open(struct assay__case *c, const char *path,
                     const struct assay_trust_pixels *pixels,
                     const struct assay__trust_data *data,
                     struct assay_error *err)
{
    const char *slash = strrchr(path, '/');
    int rc;

    memset(c, 0, sizeof(*c));
    c->path = path;
    c->name = slash ? slash + 1 : path;
    rc = assay_model_open(&c->model, path, err);
    if (!rc)
        rc = assay__case_pixels(c->model, pixels, err);
    if (!rc)
        rc = assay_model_sha256(c->model, c->sha256, err);
    if (!rc &&
        assay_dataset_n_classes(data->clean) > assay_model_n_classes(c->model))
        rc = assay_error_set(err, ASSAY_SHAPE,
                             "%.80s has %d classes, the records %d", c->name,
                             assay_model_n_classes(c->model),
                             assay_dataset_n_classes(data->clean));
    return rc ? rc : open_views(c, data, err);
}

void assay__case_release(struct assay__case *c)
{
    assay_view_free(c->clean);
    assay_view_free(c->held_out);
    assay_view_free(c->suspects);
    assay_model_free(c->model);
    memset(c, 0, sizeof(*c));
}
