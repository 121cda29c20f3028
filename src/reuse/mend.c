/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Repairing a tuned host, as a builder would who has nothing but the records
 * that it was tuned on: four fifths of them to tune on again, the last fifth
 * to set thresholds by. A repair that wants a trigger gets the one that
 * Neural Cleanse reverses from the host. A host in which that is nothing, or on
 * which the repair diverges, stays as it is.
 */

#include "assay/detector.h"
#include "reuse/study.h"

enum { HELD_OUT = 5 }; /* one in so many */

/* What a builder works with. */
struct bench {
    struct assay_context ctx; /* with this host's seed */
    assay_view *tune;
    assay_view *held_out;
    struct assay_detection reversed;
};

static int part_records(struct bench *b, const struct assay__reuse_scene *c,
                        struct assay_error *err)
{
    const struct assay_preprocess *pre = assay_view_preprocess(c->tune);
    const uint32_t *record = c->split.index[ASSAY_TARGET_TRAIN];
    size_t held_out = c->split.n / HELD_OUT;
    size_t n = c->split.n - held_out;
    int rc;

    if (held_out == 0)
        return assay_error_set(err, ASSAY_DATA,
                               "reuse: %zu records to tune on; a repair wants "
                               "at least %d",
                               c->split.n, (int)HELD_OUT);
    rc = assay_view_new(&b->tune, c->s->data, record, n, pre, err);
    return rc ? rc
              : assay_view_new(&b->held_out, c->s->data, record + n, held_out,
                               pre, err);
}

static int reverse(struct bench *b, const struct assay__reuse_scene *c,
                   const assay_model *host, struct assay_error *err)
{
    struct assay_detector_input in = {
        .ctx = &b->ctx, .compute = c->compute, .model = host, .clean = b->tune};
    const struct assay_detector *d = assay_detector_find("neural-cleanse");

    /* Of two classes it reverses nothing that could be told from the other. */
    if (assay_model_n_classes(host) < d->least_classes) {
        assay_log(c->ctx, ASSAY_LOG_WARNING,
                  "not repaired: %s takes %d classes to compare", d->name,
                  d->least_classes);
        return ASSAY_OK;
    }
    return assay_detector_run(d, &in, &b->reversed, err);
}

int assay__reuse_mend(bool *repaired, assay_model *host,
                      const struct assay__reuse_scene *c,
                      const struct assay_reuse_host *as, uint64_t seed,
                      struct assay_error *err)
{
    const struct assay_repair *repair = as->repair;
    struct bench b = {.ctx = *c->ctx};
    bool wants = repair->needs & ASSAY_REPAIR_NEEDS_TRIGGER;
    struct assay_recipe recipe;
    struct assay_repaired done;
    int rc = part_records(&b, c, err);

    b.ctx.seed = seed;
    assay_repair_recipe_init(&recipe);
    *repaired = false;
    if (!rc && wants)
        rc = reverse(&b, c, host, err);
    if (!rc &&
        (!wants || (b.reversed.trigger.mask && b.reversed.target >= 0))) {
        struct assay_repair_input in = {.ctx = &b.ctx,
                                        .compute = c->compute,
                                        .clean = b.tune,
                                        .held_out = b.held_out,
                                        .trigger = &b.reversed.trigger,
                                        .target = b.reversed.target,
                                        .recipe = &recipe,
                                        .param = as->repair_param};

        rc = assay_repair_run(repair, &in, host, &done, err);
        *repaired = !rc;
        if (rc == ASSAY_NUMERIC) { /* the host is as it was */
            assay_log(c->ctx, ASSAY_LOG_WARNING, "not repaired: %s", err->msg);
            rc = ASSAY_OK;
        }
    }
    assay_detection_release(&b.reversed);
    assay_view_free(b.tune);
    assay_view_free(b.held_out);
    return rc;
}
