/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The defence of an audited model: chosen and checked when the audit is
 * opened; a training prepared for it; answers put through it.
 */

#include <stdio.h>
#include <string.h>

#include "assay/attack.h"
#include "audit/audit.h"
#include "core/json.h"
#include "core/mem.h"

int assay__defense_choose(assay_audit *a, struct assay_error *err)
{
    const struct assay_audit_options *o = &a->options;
    int code = assay_defense_choose(&a->defense, o->defense, o->defense_params,
                                    o->n_defense_params, err);

    if (code == ASSAY_OK && a->defense.row != NULL && o->data == NULL)
        code = assay_error_set(err, ASSAY_ARG,
                               "%s: predictions are audited as they are",
                               a->defense.row->name);
    return code;
}

/* From the first word in which the two differ. */
static int refuse_other(const assay_audit *a, const char *noted,
                        struct assay_error *err)
{
    const char *named = a->defense.text;
    size_t same = 0;

    while (noted[same] != '\0' && noted[same] == named[same])
        same++;
    while (same > 0 && noted[same - 1] != ' ')
        same--;
    return assay_error_set(err, ASSAY_ARG,
                           "%.60s was trained with \"%.40s\", as its notes "
                           "say, not with \"%.40s\"",
                           a->options.model, noted + same, named + same);
}

int assay__defense_of_model(assay_audit *a, struct assay_error *err)
{
    const char *noted = assay_model_note(a->opened, ASSAY_NOTE_DEFENSE);
    int named = a->options.defense != NULL; /* "none" too */
    int code;

    if (named && !assay__defense_trains(a))
        return ASSAY_OK;
    if (named && noted != NULL && strcmp(noted, a->defense.text) != 0)
        return refuse_other(a, noted, err);
    if (named && noted == NULL)
        return assay_error_set(err, ASSAY_ARG,
                               "%s changes how a model is trained; %.80s is "
                               "trained already: audit DATA with it",
                               a->defense.row->name, a->options.model);
    if (noted == NULL)
        return ASSAY_OK;
    code = assay_defense_choose_text(&a->defense, noted, err);
    if (code == ASSAY_OK && !assay__defense_trains(a))
        code = assay_error_set(err, ASSAY_DATA, "%s trains no model",
                               a->defense.row->name);
    if (code == ASSAY_OK && a->defense.row->group_norm &&
        assay_model_has_batch_norm(a->opened))
        code = assay_error_set(err, ASSAY_DATA,
                               "%s does not go with the batch norm that the "
                               "model has",
                               a->defense.row->name);
    if (code == ASSAY_OK)
        code = assay__claim_of_model(a, err);
    return code == ASSAY_OK
               ? code
               : assay_error_prefix(err, code, "%.60s: note \"%s\"",
                                    a->options.model, ASSAY_NOTE_DEFENSE);
}

int assay__defense_trains(const assay_audit *a)
{
    return a->defense.row != NULL &&
           a->defense.row->stage == ASSAY_DEFENSE_TRAINING;
}

int assay__defense_answers(const assay_audit *a)
{
    return a->defense.row != NULL &&
           a->defense.row->stage == ASSAY_DEFENSE_ANSWERS;
}

static int alter(const assay_audit *a, void *state, struct assay_evidence *e,
                 struct assay_error *err)
{
    if (e->n == 0)
        return ASSAY_OK;
    return assay_defense_alter(a->defense.row, a->defense.param, state, e, err);
}

/* One model's defence: made from its own records, then all its answers. */
static int alter_all(const assay_audit *a, const struct assay_evidence *members,
                     const struct assay_evidence *others,
                     struct assay_evidence *const *list, size_t n,
                     struct assay_error *err)
{
    const struct assay_defense *row = a->defense.row;
    struct assay_defense_answers in = {&a->ctx, &a->options.compute,
                                       a->defense.param, members, others};
    void *state = NULL;
    size_t i;
    int code = ASSAY_OK;

    if (row->prepare != NULL)
        code = row->prepare(&in, &state, err);
    for (i = 0; i < n && code == ASSAY_OK; i++)
        code = alter(a, state, list[i], err);
    if (row->release != NULL && state != NULL)
        row->release(state);
    return code;
}

/*
 * The defender's own non-members are shadow-test for the target: records
 * that are neither trained on nor audited; for the shadow model they are its
 * own, as the attacker who plays the defender has no others.
 */
int assay__defense_answer(struct assay__scene *scene, const assay_audit *a,
                          struct assay_error *err)
{
    struct assay_evidence *of_target[] = {
        &scene->target[0], &scene->target[1], &scene->target[2],
        &scene->target_auxiliary, &scene->target_pool};
    struct assay_evidence *of_shadow[] = {
        &scene->shadow_own[0], &scene->shadow_own[1], &scene->control[0],
        &scene->control[1], &scene->control[2]};
    const struct assay_evidence *others =
        scene->target[ASSAY__POPULATION].n > 0
            ? &scene->target[ASSAY__POPULATION]
            : &scene->target[ASSAY__NONMEMBERS];
    int i;
    int code;

    if (!assay__defense_answers(a))
        return ASSAY_OK;
    code =
        alter_all(a, &scene->target[ASSAY__MEMBERS], others, of_target, 5, err);
    if (code == ASSAY_OK && scene->shadow_own[0].n > 0)
        code = alter_all(a, &scene->shadow_own[0], &scene->shadow_own[1],
                         of_shadow, 5, err);
    for (i = 0; i < scene->n_references && code == ASSAY_OK; i++) {
        struct assay_evidence *e =
            &scene->reference_evidence[i * ASSAY__SUBSETS];
        struct assay_evidence *list[] = {&e[0], &e[1], &e[2]};

        code = alter_all(a, &e[0], &e[1], list, 3, err);
    }
    return code;
}

int assay__defense_replaces_norm(const assay_audit *a, int *replaces,
                                 struct assay_error *err)
{
    assay_model *m = NULL;
    int code;

    *replaces = 0;
    if (assay__audit_norm(a) != ASSAY_NORM_GROUP || a->opened != NULL)
        return ASSAY_OK;
    code = assay__job_model(&m, a, a->arch, ASSAY_NORM_BATCH, 0, err);
    if (code != ASSAY_OK)
        return code;
    *replaces = assay_model_has_batch_norm(m);
    assay_model_free(m);
    return ASSAY_OK;
}

json_t *assay__defense_json(const assay_audit *a)
{
    const struct assay_defense *d = a->defense.row;
    json_t *params;
    json_t *protects;
    int i;

    if (d == NULL)
        return json_null();
    params = json_object();
    protects = json_array();
    for (i = 0; i < assay_settings_count(d->params); i++)
        json_object_set_new(params, d->params[i].name,
                            assay__json_real(a->defense.param[i]));
    for (i = 0; i <= ASSAY_GOAL_BACKDOOR; i++) {
        if (d->protects & 1U << i)
            json_array_append_new(
                protects, json_string(assay_goal_name((enum assay_goal)i)));
    }
    return json_pack("{s:s, s:s, s:s, s:s, s:o, s:o, s:b, s:o}", "name",
                     d->name, "title", d->title, "stage",
                     assay_defense_stage_name(d->stage), "cites", d->cites,
                     "params", params, "protects", protects, "group_norm",
                     d->group_norm, "claim", assay__claim_json(a));
}
