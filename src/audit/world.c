/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What attacks beyond membership work on: the models themselves, opened from
 * the folder, and views of the records. And the same without anything to
 * find, for the negative control: answers that belong to other records for
 * attacks that learn from answers, a model that was never trained for those
 * that climb its gradient. Membership attacks get the shadow model as their
 * target; what they learn from a shadow model they learn from it too, on its
 * own records, and none of the audited records is among these.
 */

#include <string.h>

#include "assay/rng.h"
#include "audit/audit.h"
#include "core/fs.h"
#include "core/mem.h"

static int open_models(struct assay__world *w, const assay_audit *a,
                       const struct assay__scene *scene,
                       struct assay_error *err)
{
    int code = ASSAY_OK;

    if (scene->target_job >= 0)
        code = assay__folder_model(a, scene->job[scene->target_job].path,
                                   &w->target, err);
    if (code == ASSAY_OK && scene->shadow_job >= 0)
        code = assay__folder_model(a, scene->job[scene->shadow_job].path,
                                   &w->shadow, err);
    if (code == ASSAY_OK && scene->evaluator_job >= 0)
        code = assay__folder_model(a, scene->job[scene->evaluator_job].path,
                                   &w->evaluator, err);
    if (code == ASSAY_OK && scene->evaluator_job >= 0)
        code = assay__job_model(&w->untrained, a, a->arch, assay__audit_norm(a),
                                ~a->ctx.seed, err);
    if (code == ASSAY_OK && scene->with_generator)
        code = assay__generator_open(a, &w->generator, err);
    return code;
}

static int open_view(const assay_audit *a, const struct assay__rows *rows,
                     assay_view **view, struct assay_error *err)
{
    if (rows->n == 0)
        return ASSAY_OK;
    return assay_view_new(view, a->data, rows->index, rows->n, &a->preprocess,
                          err);
}

static int open_views(struct assay__world *w, const assay_audit *a,
                      const struct assay__scene *scene, struct assay_error *err)
{
    int code = open_view(a, &scene->audited[ASSAY__MEMBERS], &w->members, err);

    if (code == ASSAY_OK)
        code = open_view(a, &scene->audited[ASSAY__NONMEMBERS], &w->nonmembers,
                         err);
    if (code == ASSAY_OK)
        code = open_view(a, &scene->auxiliary, &w->auxiliary, err);
    if (code == ASSAY_OK && a->pool != NULL)
        code = assay_view_new(&w->pool, a->pool, NULL, 0, &a->preprocess, err);
    return code;
}

/* The same answers, each to another record's question. */
static int mix_up(struct assay_evidence *out, const struct assay_evidence *e,
                  uint64_t seed, uint64_t index, struct assay_error *err)
{
    uint32_t *order = assay__malloc((e->n + 1) * sizeof(*order));
    struct assay_rng rng;
    size_t i;
    int code;

    if (order == NULL)
        return assay_error_set(err, ASSAY_NOMEM, "control: %zu records", e->n);
    for (i = 0; i < e->n; i++)
        order[i] = (uint32_t)i;
    assay_rng_init(&rng, seed, "control answers", index);
    assay_rng_shuffle(&rng, order, e->n);
    code = assay_evidence_select(out, e, order, e->n, err);
    if (code == ASSAY_OK) {
        memcpy(out->label, e->label, e->n * sizeof(*e->label));
        memcpy(out->record, e->record, e->n * sizeof(*e->record));
    }
    assay__free(order);
    return code;
}

static int mix_up_all(struct assay__world *w, const assay_audit *a,
                      const struct assay__scene *scene, struct assay_error *err)
{
    const struct assay_evidence *from[ASSAY__MIXED] = {
        &scene->target[ASSAY__MEMBERS], &scene->target_auxiliary,
        &scene->target_pool, &scene->target[ASSAY__NONMEMBERS]};
    int code = ASSAY_OK;
    int i;

    for (i = 0; i < ASSAY__MIXED && code == ASSAY_OK; i++) {
        if (from[i]->n > 0)
            code = mix_up(&w->mixed[i], from[i], a->ctx.seed, (uint64_t)i, err);
    }
    return code;
}

static void describe(struct assay__world *w, const assay_audit *a)
{
    struct assay_attack_world *p = &w->plain;

    p->target = w->target != NULL ? w->target : a->opened;
    p->shadow = w->shadow;
    p->evaluator = w->evaluator;
    p->generator = w->generator;
    p->members = w->members;
    p->nonmembers = w->nonmembers;
    p->auxiliary = w->auxiliary;
    p->pool = w->pool;
    p->copy_arch =
        a->options.copy_arch != NULL ? a->options.copy_arch : a->arch;
    p->recipe = &a->recipe;
    p->attribute = a->attribute;
    if (a->attribute >= 0)
        p->n_values =
            assay_dataset_attribute_cardinality(a->data, (size_t)a->attribute);
    w->control = *p;
    w->control.target = w->untrained != NULL ? w->untrained : p->target;
    w->swapped = *p;
    w->swapped.target = w->shadow;
}

int assay__world_open(struct assay__world *w, const assay_audit *a,
                      const struct assay__scene *scene, struct assay_error *err)
{
    int code;

    memset(w, 0, sizeof(*w));
    w->plain.attribute = -1;
    if (a->data == NULL || !assay__audit_wants_world(a))
        return ASSAY_OK;
    code = open_models(w, a, scene, err);
    if (code == ASSAY_OK)
        code = open_views(w, a, scene, err);
    if (code == ASSAY_OK && scene->with_control)
        code = mix_up_all(w, a, scene, err);
    if (code == ASSAY_OK && scene->with_control && scene->with_auxiliary)
        code = assay_evidence_join(&w->shadow_auxiliary, &scene->shadow_own[0],
                                   &scene->shadow_own[1], err);
    if (code == ASSAY_OK) {
        describe(w, a);
        w->there = 1;
    }
    return code;
}

/* Files of predictions bring no world. */
void assay__world_input(const struct assay__world *w,
                        const struct assay__scene *scene,
                        enum assay__world_of which,
                        struct assay_attack_input *in)
{
    const struct assay_attack_world *const world[] = {&w->plain, &w->control,
                                                      &w->swapped};
    const struct assay_evidence *auxiliary[] = {
        &scene->target_auxiliary, &w->mixed[1], &w->shadow_auxiliary};
    const struct assay_evidence *pool[] = {&scene->target_pool, &w->mixed[2],
                                           NULL};

    if (!w->there)
        return;
    in->world = world[which];
    if (scene->target_auxiliary.n > 0)
        in->auxiliary = auxiliary[which];
    if (scene->target_pool.n > 0)
        in->pool = pool[which];
}

void assay__world_close(struct assay__world *w)
{
    int i;

    assay_model_free(w->target);
    assay_model_free(w->shadow);
    assay_model_free(w->evaluator);
    assay_model_free(w->untrained);
    assay_generator_free(w->generator);
    assay_view_free(w->members);
    assay_view_free(w->nonmembers);
    assay_view_free(w->auxiliary);
    assay_view_free(w->pool);
    for (i = 0; i < ASSAY__MIXED; i++)
        assay_evidence_release(&w->mixed[i]);
    assay_evidence_release(&w->shadow_auxiliary);
    memset(w, 0, sizeof(*w));
}
