/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records with a trigger: a poisoned copy of a view, and what a model makes
 * of stamped records. Copies hold pixels of the model's size as an image
 * file would, in whole numbers, so that a view of one needs no resizing and
 * gives its model what the poisoned file would.
 */

#include <string.h>

#include "assay/rng.h"
#include "assay/trigger.h"
#include "core/checked.h"
#include "core/mem.h"

/* Pixels, labels and shape of a dataset that is being made of a view. */
struct copy {
    struct assay_dataset_source source;
    uint8_t *pixels;
    int32_t *labels;
    float *x; /* one record, preprocessed */
    size_t image;
};

static void copy_release(struct copy *c)
{
    assay__free(c->pixels);
    assay__free(c->labels);
    assay__free(c->x);
}

/* Room for as many records as the view has. */
static int copy_init(struct copy *c, const assay_view *view,
                     struct assay_error *err)
{
    const struct assay_preprocess *pre = assay_view_preprocess(view);
    size_t n = assay_view_count(view);
    size_t bytes;

    memset(c, 0, sizeof(*c));
    if (n == 0 || !assay_dataset_pixels(assay_view_dataset(view), 0))
        return assay_error_set(err, ASSAY_DATA,
                               n == 0 ? "no records to copy"
                                      : "the records are not pixels of 0 to "
                                        "255: nothing can be stamped on them");
    c->image = (size_t)pre->channels * (size_t)pre->height * (size_t)pre->width;
    if (assay__mul_size(n, c->image, &bytes))
        c->pixels = assay__malloc(bytes);
    c->labels = assay__calloc(n, sizeof(*c->labels));
    c->x = assay__calloc(c->image, sizeof(float));
    if (!c->pixels || !c->labels || !c->x) {
        copy_release(c);
        return assay_error_set(err, ASSAY_NOMEM,
                               "out of memory for a copy of %zu records", n);
    }
    c->source.name = assay_dataset_name(assay_view_dataset(view));
    c->source.channels = pre->channels;
    c->source.height = pre->height;
    c->source.width = pre->width;
    c->source.pixels = c->pixels;
    c->source.labels = c->labels;
    c->source.n_classes = assay_view_n_classes(view);
    return ASSAY_OK;
}

/* Append a row, stamped where there is a trigger. */
static void copy_row(struct copy *c, const assay_view *view, size_t row,
                     const struct assay_trigger *trigger, int32_t label)
{
    const struct assay_preprocess *pre = assay_view_preprocess(view);
    uint32_t at = (uint32_t)row;

    assay_view_fill(view, &at, 1, NULL, 0, 0, c->x);
    if (trigger)
        assay_trigger_stamp(trigger, pre, c->x, 1);
    assay_preprocess_invert(pre, c->x, c->pixels + c->source.n * c->image);
    c->labels[c->source.n++] = label;
}

static int check_trigger(const assay_view *view,
                         const struct assay_trigger *trigger, int target,
                         struct assay_error *err)
{
    const struct assay_preprocess *pre = assay_view_preprocess(view);

    if (trigger->channels != pre->channels || trigger->height != pre->height ||
        trigger->width != pre->width)
        return assay_error_set(err, ASSAY_SHAPE,
                               "the trigger is for %d channels of %dx%d, the "
                               "records have %d of %dx%d",
                               trigger->channels, trigger->height,
                               trigger->width, pre->channels, pre->height,
                               pre->width);
    if (target < 0 || target >= assay_view_n_classes(view))
        return assay_error_set(err, ASSAY_ARG,
                               "target class %d; there are 0 to %d", target,
                               assay_view_n_classes(view) - 1);
    return ASSAY_OK;
}

/* flag[i] of n: whether row i is among the first `wanted` of a permutation. */
static int choose(uint8_t *flag, size_t n, size_t wanted, uint64_t seed,
                  struct assay_error *err)
{
    uint32_t *order = assay__calloc(n, sizeof(*order));
    struct assay_rng rng;

    if (!order)
        return assay_error_set(err, ASSAY_NOMEM,
                               "out of memory for an order of %zu records", n);
    for (size_t i = 0; i < n; i++)
        order[i] = (uint32_t)i;
    assay_rng_init(&rng, seed, "poison", 0);
    assay_rng_shuffle(&rng, order, n);
    memset(flag, 0, n);
    for (size_t i = 0; i < wanted; i++)
        flag[order[i]] = 1;
    assay__free(order);
    return ASSAY_OK;
}

static int fill_poisoned(struct copy *c, const assay_view *view,
                         const struct assay_poison *p, const uint8_t *flag)
{
    for (size_t i = 0; i < assay_view_count(view); i++) {
        int32_t label = assay_view_label(view, i);

        if (flag[i] && !p->keep_label)
            label = p->target;
        copy_row(c, view, i, flag[i] ? p->trigger : NULL, label);
    }
    return ASSAY_OK;
}

int assay_dataset_poison(assay_dataset **out, const assay_view *view,
                         const struct assay_poison *poison, uint8_t *poisoned,
                         struct assay_error *err)
{
    size_t n = assay_view_count(view);
    uint8_t *flag;
    struct copy c;
    int rc = check_trigger(view, poison->trigger, poison->target, err);

    if (rc)
        return rc;
    if (!(poison->rate >= 0 && poison->rate <= 1))
        return assay_error_set(err, ASSAY_ARG,
                               "poisoned share %g; 0 to 1 are possible",
                               poison->rate);
    rc = copy_init(&c, view, err);
    if (rc)
        return rc;
    flag = assay__calloc(n, 1);
    if (!flag)
        rc = assay_error_set(err, ASSAY_NOMEM,
                             "out of memory for flags of %zu records", n);
    if (!rc)
        rc = choose(flag, n, (size_t)((double)n * poison->rate + .5),
                    poison->seed, err);
    if (!rc)
        rc = fill_poisoned(&c, view, poison, flag);
    if (!rc)
        rc = assay_dataset_new(out, &c.source, err);
    if (!rc && poisoned)
        memcpy(poisoned, flag, n);
    assay__free(flag);
    copy_release(&c);
    return rc;
}

int assay_dataset_of_view(assay_dataset **out, const assay_view *view,
                          struct assay_error *err)
{
    struct copy c;
    int rc = copy_init(&c, view, err);

    if (rc)
        return rc;
    for (size_t i = 0; i < assay_view_count(view); i++)
        copy_row(&c, view, i, NULL, assay_view_label(view, i));
    rc = assay_dataset_new(out, &c.source, err);
    copy_release(&c);
    return rc;
}

/* The stamped records of all classes but the target's. */
static int stamp_others(assay_dataset **out, const assay_view *view,
                        const struct assay_trigger *trigger, int target,
                        struct assay_error *err)
{
    struct copy c;
    int rc = copy_init(&c, view, err);

    if (rc)
        return rc;
    for (size_t i = 0; i < assay_view_count(view); i++)
        if (assay_view_label(view, i) != target)
            copy_row(&c, view, i, trigger, assay_view_label(view, i));
    if (c.source.n == 0)
        rc = assay_error_set(err, ASSAY_DATA,
                             "all records are of the target class %d", target);
    else
        rc = assay_dataset_new(out, &c.source, err);
    copy_release(&c);
    return rc;
}

static int measure_stamped(struct assay_backdoor_effect *out,
                           const struct assay_context *ctx,
                           const struct assay_compute *compute,
                           const assay_model *m, const assay_dataset *stamped,
                           int target, struct assay_error *err)
{
    struct assay_evidence e = {0};
    assay_view *view = NULL;
    size_t success = 0;
    size_t restored = 0;
    int rc =
        assay_view_new(&view, stamped, NULL, 0, assay_model_preprocess(m), err);

    if (!rc)
        rc = assay_evidence_collect(&e, ctx, m, view, 0, compute, "stamped",
                                    err);
    for (size_t i = 0; !rc && i < e.n; i++) {
        int32_t k = assay_evidence_class(&e, i);

        success += k == target;
        restored += k == e.label[i];
    }
    if (!rc) {
        out->success = assay_proportion(success, e.n);
        out->restored = assay_proportion(restored, e.n);
    }
    assay_evidence_release(&e);
    assay_view_free(view);
    return rc;
}

int assay_backdoor_measure(struct assay_backdoor_effect *out,
                           const struct assay_context *ctx,
                           const struct assay_compute *compute,
                           const assay_model *m, const assay_view *view,
                           const struct assay_trigger *trigger, int target,
                           struct assay_error *err)
{
    struct assay_backdoor_effect found;
    struct assay_evidence e = {0};
    assay_dataset *stamped = NULL;
    int rc = check_trigger(view, trigger, target, err);

    if (!rc)
        rc = assay_evidence_collect(&e, ctx, m, view, 0, compute, "clean", err);
    if (!rc)
        rc = stamp_others(&stamped, view, trigger, target, err);
    if (!rc)
        rc = measure_stamped(&found, ctx, compute, m, stamped, target, err);
    if (!rc) {
        found.accuracy = assay_evidence_accuracy(&e);
        *out = found;
    }
    assay_evidence_release(&e);
    assay_dataset_free(stamped);
    return rc;
}
