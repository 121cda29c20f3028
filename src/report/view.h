/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_REPORT_VIEW_H
#define ASSAY_REPORT_VIEW_H

/*
 * A finished run, opened for reading: the checked document, the manifest,
 * and the attacks with what every part of a report asks of them. Everything
 * borrowed from a view lives as long as the view.
 */

#include <stdbool.h>
#include <stddef.h>

#include "assay/error.h"
#include "assay/metrics.h"
#include "core/json.h"
#include "report/number.h"

/* What an attacker is after. Old documents know membership alone. */
enum assay__goal {
    ASSAY__GOAL_MEMBERSHIP,
    ASSAY__GOAL_ATTRIBUTE,
    ASSAY__GOAL_STEALING,
    ASSAY__GOAL_INVERSION,
    ASSAY__GOAL_OTHER, /* a word that this version does not know */
    ASSAY__N_GOALS
};

struct assay__attack_view {
    const json_t *json;
    enum assay__goal goal;
    const char *name;
    const char *title;
    const char *access;
    const char *auxiliary;
    const char *why; /* why it did not run, or "" */
    bool ran;
    bool baseline;
    bool discredited; /* failed a negative control: heads nothing */
    struct assay_estimate auc;
    struct assay_estimate accuracy;
    double n_members;
    double n_nonmembers;
};

struct assay__view {
    const char *run_dir;
    json_t *doc;      /* fits docs/findings.md */
    json_t *manifest; /* an object, or NULL */
    struct assay__attack_view *attacks;
    size_t n_attacks;
    size_t n_ran;
    size_t n_of[ASSAY__N_GOALS]; /* attacks of a goal, run or not */
    /* Of membership alone: the first baseline that ran, and all that ran
     * by AUC, largest first; ties in the table's order. */
    const struct assay__attack_view *baseline;
    const struct assay__attack_view **ranked;
    size_t n_ranked;
};

/* Read and check. `run_dir` is borrowed until assay__view_release(). */
int assay__view_open(struct assay__view *view, const char *run_dir,
                     struct assay_error *err) ASSAY_MUST_CHECK;
/* The same from a document at hand, which is the view's from here on, also
 * on failure; no manifest. */
int assay__view_take(struct assay__view *view, json_t *doc, const char *run_dir,
                     struct assay_error *err) ASSAY_MUST_CHECK;
void assay__view_release(struct assay__view *view);

/* It was asked whether one can build on the model; and nothing else was. */
bool assay__view_has_trust(const struct assay__view *view);
bool assay__view_trust_alone(const struct assay__view *view);

/* The attack with this name, or NULL. */
const struct assay__attack_view *assay__view_attack(
    const struct assay__view *view, const char *name);

/* "Membership inference". */
const char *assay__goal_title(enum assay__goal goal);

/*
 * The attack of a goal whose estimate `field` is largest, among those that
 * ran, are no baseline and are not discredited; NULL when there is none.
 */
const struct assay__attack_view *assay__view_best_by(
    const struct assay__view *view, enum assay__goal goal, const char *field);

/*
 * What an attack that infers attributes or steals is held against: of the
 * baselines that ran the most accurate; of stealing, one that learns from
 * the same data. NULL when there is none.
 */
const struct assay__attack_view *assay__view_baseline(
    const struct assay__view *view, const struct assay__attack_view *attack);

/* A rate of an attack at a false positive rate. */
struct assay__rate {
    struct assay_estimate tpr; /* NaN: refused or not measured */
    double joint_low;          /* for the best of all attacks; NaN: not said */
    const char *refused;       /* why, or NULL */
};
struct assay__rate assay__view_rate(const struct assay__attack_view *attack,
                                    double fpr);

/* The attack with the largest AUC, and that with the largest TPR at `fpr`,
 * among those that are not discredited; NULL when none is left. */
const struct assay__attack_view *assay__view_best(
    const struct assay__view *view);
const struct assay__attack_view *assay__view_best_at(
    const struct assay__view *view, double fpr);

/* The smallest of .001, .01, .1 at which some attack has a TPR; NaN. */
double assay__view_lowest_fpr(const struct assay__view *view);

enum assay__standing {
    ASSAY__STANDING_UNKNOWN, /* no baseline, or no number */
    ASSAY__STANDING_BELOW,   /* its interval lies below the baseline's */
    ASSAY__STANDING_LEVEL,   /* they overlap */
    ASSAY__STANDING_ABOVE
};
enum assay__standing assay__view_standing(const struct assay_estimate *e,
                                          const struct assay_estimate *base);

/* Fields of any object: "" and NaN when absent or null. */
const char *assay__field_text(const json_t *object, const char *key);
double assay__field_number(const json_t *object, const char *key);
bool assay__field_true(const json_t *object, const char *key);
/* Whether it is there and null. */
bool assay__field_null(const json_t *object, const char *key);
/* Also takes a bare number, as an estimate without an interval. */
struct assay_estimate assay__field_estimate(const json_t *object,
                                            const char *key);

#endif
