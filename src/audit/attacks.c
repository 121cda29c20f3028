/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which attacks are run on what: every chosen attack that has what it needs
 * on the target, and the same once more on the shadow model in the target's
 * place (the negative control). Both go into one list, so that all cores
 * have work to the end.
 */

#include <stdio.h>
#include <string.h>

#include "audit/audit.h"

/* The list: first the audit's jobs, then as many of the control. */
struct list {
    struct assay__score_job job[2 * ASSAY__ATTACKS_MAX];
    int row[ASSAY__ATTACKS_MAX];           /* each job's outcome */
    size_t control_of[ASSAY__ATTACKS_MAX]; /* its control's job, or 0 */
    size_t n;                              /* of the audit */
    size_t n_all;
    struct assay_attack_input in;
    struct assay_attack_input control;  /* membership */
    struct assay_attack_input mixed;    /* other goals, */
    struct assay_attack_input unlinked; /* and attributes */
};

/*
 * What the control of one attack sees. Membership: the shadow model in the
 * target's place. Others: the target itself, with answers to learn from that
 * belong to other records. A copy is tested on what it makes of the records
 * themselves. A head reads the answers to them too, so these are of other
 * records as well: a head that learnt nothing points somewhere among the
 * features, and what it finds there by chance is no sign of a fault.
 */
static const struct assay_attack_input *control_input(
    struct list *list, const struct assay_attack *attack)
{
    if (attack->goal == ASSAY_GOAL_MEMBERSHIP)
        return &list->control;
    return attack->goal == ASSAY_GOAL_ATTRIBUTE ? &list->unlinked
                                                : &list->mixed;
}

static void add_job(struct list *list, const assay_audit *a,
                    const struct assay_attack *attack, int as_control)
{
    struct assay__score_job *job = &list->job[list->n_all++];

    job->attack = attack;
    job->in = as_control ? control_input(list, attack) : &list->in;
    job->prefix = as_control ? "control-" : "";
    job->evidence_sha256 = a->scene.evidence_sha256;
}

/* Baselines of other goals ask no model: there is nothing to control. */
static int has_control(const struct assay_attack *attack)
{
    return attack->goal == ASSAY_GOAL_MEMBERSHIP || !attack->baseline;
}

static void list_jobs(struct list *list, assay_audit *a)
{
    size_t j;
    int i;

    assay__scene_input(&a->scene, a, 0, &list->in);
    assay__world_input(&a->world, &a->scene, ASSAY__WORLD_PLAIN, &list->in);
    for (i = 0; i < a->n_attacks; i++) {
        struct assay__outcome *o = &a->outcome[i];
        const char *why = a->left_out[i];

        o->attack = a->attack[i];
        o->param = a->param[i];
        if (why[0] == '\0')
            why = assay_attack_missing(o->attack, &list->in);
        if (why != NULL) {
            snprintf(o->why, sizeof(o->why), "%s", why);
            continue;
        }
        list->row[list->n++] = i;
        add_job(list, a, o->attack, 0);
    }
    if (!a->scene.with_control)
        return;
    assay__scene_input(&a->scene, a, 1, &list->control);
    list->mixed = list->in;
    assay__world_input(&a->world, &a->scene, ASSAY__WORLD_SWAPPED,
                       &list->control);
    assay__world_input(&a->world, &a->scene, ASSAY__WORLD_CONTROL,
                       &list->mixed);
    if (a->world.mixed[0].n > 0)
        list->mixed.members = &a->world.mixed[0];
    list->unlinked = list->mixed;
    if (a->world.mixed[3].n > 0)
        list->unlinked.nonmembers = &a->world.mixed[3];
    for (j = 0; j < list->n; j++) {
        list->control_of[j] =
            has_control(list->job[j].attack) ? list->n_all : 0;
        if (list->control_of[j] > 0)
            add_job(list, a, list->job[j].attack, 1);
    }
}

/* Scores go from jobs to outcomes; what the target's attack could not do
 * says nothing as a control either. */
static int take_scores(struct list *list, assay_audit *a,
                       struct assay_error *err)
{
    int n_ran = 0;
    int code = ASSAY_OK;
    size_t j;

    for (j = 0; j < list->n && code == ASSAY_OK; j++) {
        struct assay__outcome *o = &a->outcome[list->row[j]];
        struct assay__score_job *job = &list->job[j];

        snprintf(o->why, sizeof(o->why), "%s", job->why);
        o->made = job->made;
        memset(&job->made, 0, sizeof(job->made));
        if (o->why[0] != '\0') {
            if (list->control_of[j] > 0)
                snprintf(list->job[list->control_of[j]].why, sizeof(job->why),
                         "%s", o->why);
            continue;
        }
        n_ran++;
        code = assay__outcome_measure(a, o, err);
    }
    if (code == ASSAY_OK && n_ran == 0)
        code = assay_error_set(
            err, ASSAY_NOTHING, "none of %d attacks could run: %s: %s",
            a->n_attacks, a->attack[0]->name, a->outcome[0].why);
    return code;
}

int assay__attacks_run(assay_audit *a, struct assay_error *err)
{
    struct list list;
    int code;

    memset(&list, 0, sizeof(list));
    code = assay__world_open(&a->world, a, &a->scene, err);
    if (code != ASSAY_OK)
        return code;
    list_jobs(&list, a);
    code = assay__score_jobs_run(a, list.job, list.n_all, "attacks", err);
    if (code == ASSAY_OK)
        code = take_scores(&list, a, err);
    if (code == ASSAY_OK && list.n_all > list.n)
        code = assay__control_negative(a, list.job + list.n,
                                       list.n_all - list.n, err);
    assay__score_jobs_release(list.job, list.n_all);
    return code;
}
