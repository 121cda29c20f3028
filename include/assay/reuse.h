/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_REUSE_H
#define ASSAY_REUSE_H

/*
 * Model reuse attacks (Ji, Zhang, Ji, Luo and Wang, CCS 2018) as a test of
 * one's own pipeline: how much would a few altered weights in a downloaded
 * feature extractor do to what is built on it, and which choices of the
 * builder's lessen that?
 *
 * An attack takes an input x- and a reference input x+ of another class and
 * changes few of an extractor's weights so that the features of x- become
 * those of x+. It knows neither what is built on the extractor nor the
 * records it is tuned on. It is no trigger pattern: x- is one natural input.
 *
 * The steps, the formulas and which of them are this project's own choices
 * (the paper leaves them out, or we could not read it) are told in
 * docs/attacks/model-reuse.md.
 */

#include "assay/host.h"
#include "assay/repair.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * How the negative impact of a weight is measured, on inputs z whose
 * features must stay. X(NAME, text)
 *
 *   joint   mean over random signs v, one for each input and feature, of
 *           |d (sum_z v_z . f(z)) / dw|: one backward pass per draw
 *   record  mean over inputs and random signs of |d (v . f(z)) / dw|
 *   exact   mean over inputs of sum_i |d f_i(z) / dw|: a backward pass per
 *           input and feature
 *
 * The first two follow the root of the sum of squares where the third
 * follows the sum of absolute values.
 */
#define ASSAY_REUSE_IMPACTS(X) \
    X(JOINT, "joint")          \
    X(RECORD, "record")        \
    X(EXACT, "exact")

enum assay_reuse_impact {
#define ASSAY_X(name, text) ASSAY_REUSE_IMPACT_##name,
    ASSAY_REUSE_IMPACTS(ASSAY_X)
#undef ASSAY_X
        ASSAY_REUSE_IMPACT_COUNT
};
const char *assay_reuse_impact_name(enum assay_reuse_impact impact);

/*
 * Within what percentiles are taken: among the weights of one output unit
 * (a row of a matrix, the kernels of one output channel), or of the whole
 * layer. A unit whose feature is strong and stable has a high negative impact
 * in all its weights, so that over the layer just the salient features keep
 * theirs. X(NAME, text)
 */
#define ASSAY_REUSE_SCOPES(X) \
    X(UNIT, "unit")           \
    X(LAYER, "layer")

enum assay_reuse_scope {
#define ASSAY_X(name, text) ASSAY_REUSE_SCOPE_##name,
    ASSAY_REUSE_SCOPES(ASSAY_X)
#undef ASSAY_X
        ASSAY_REUSE_SCOPE_COUNT
};
const char *assay_reuse_scope_name(enum assay_reuse_scope scope);

/* Why crafting ended. X(NAME, text) */
#define ASSAY_REUSE_STOPS(X) \
    X(STEPS, "steps")        \
    X(DISTANCE, "distance")  \
    X(NEAREST, "nearest")    \
    X(NOTHING, "nothing")    \
    X(STILL, "still")

enum assay_reuse_stop {
#define ASSAY_X(name, text) ASSAY_REUSE_STOP_##name,
    ASSAY_REUSE_STOPS(ASSAY_X)
#undef ASSAY_X
        ASSAY_REUSE_STOP_COUNT
};
const char *assay_reuse_stop_name(enum assay_reuse_stop stop);

struct assay_reuse_options {
    size_t neighbours; /* per anchor, itself included */
    size_t tries;      /* draws per neighbour that is wanted, at most */
    double cosine;     /* reject a draw whose features are less alike */
    double keep;       /* share of the features that is salient */
    const char *layer; /* name of a layer (NAME.weight is changed), "last",
                          "middle" or "first" with weights; NULL: last */
    double theta;      /* percentile of both impacts, 0 to 100 */
    enum assay_reuse_scope scope;
    double step; /* rate of Adam: about what a weight changes in a step; 0: none
                  */
    int plain;   /* change by step times the gradient instead */
    double stay; /* weight, beside D, of what the features of inputs that must
                    stay have moved; 0: none */
    size_t max_steps;
    double enough; /* end when D falls below so much of what it was */
    double margin; /* end when all of X- are nearer to x+'s mean than so many
                      times their distance to x-'s old one; 0: never */
    enum assay_reuse_impact impact;
    size_t vectors; /* draws of random signs */
    size_t renew;   /* steps between measurements of the negative impact */
    uint64_t seed;
};
void assay_reuse_options_init(struct assay_reuse_options *o);

/* Images [C, H, W] as the extractor wants them. */
struct assay_reuse_trigger {
    const float *minus; /* x- */
    const float *plus;  /* x+ */
};

/* What an attacker has. All borrowed. */
struct assay_reuse_material {
    const struct assay_reuse_trigger *trigger;
    size_t n_triggers;
    const float *natural; /* [n, C, H, W]: other inputs, features stay */
    size_t n_natural;
};

enum { ASSAY_REUSE_NAME = 128 };

/* What an attack did. */
struct assay_reuse_change {
    char layer[ASSAY_REUSE_NAME]; /* the parameter that was changed */
    size_t n_weights;             /* of the extractor, without buffers */
    size_t n_layer;               /* of that parameter */
    size_t n_touched;             /* that differ now */
    double max_change;
    double first_distance; /* D before and after */
    double last_distance;
    size_t steps;
    enum assay_reuse_stop stop;
    size_t neighbours; /* fewest found of any anchor */
    size_t n_salient;  /* of the first trigger */
};

/*
 * Craft: change parameters of `f` in place. Nothing but the one parameter
 * that `out` names is written. Equal models, material, options and threads
 * give equal bytes.
 *
 * Errors: _ARG for options out of range and a layer that does not exist or
 * that the embedding does not depend on, _DATA when an anchor has fewer than
 * two neighbours, _NUMERIC, _CANCELED, _NOMEM, _UNSUPPORTED when an op on
 * the way has no derivative. On failure `f` is as it was.
 */
int assay_reuse_craft(struct assay_reuse_change *out, assay_model *f,
                      const struct assay_reuse_material *material,
                      const struct assay_reuse_options *options,
                      const struct assay_context *ctx,
                      const struct assay_compute *compute,
                      struct assay_error *err) ASSAY_MUST_CHECK;

/*
 * Semantic neighbours of an image [C, H, W]: found->n of them into found->x
 * [n, C, H, W], the image itself first if `own`; found->found is fewer than
 * n when the tries ran out. `purpose` names the stream of random numbers,
 * `index` which one of it.
 */
struct assay_reuse_anchor {
    const float *image;
    int own;
    const char *purpose;
    uint64_t index;
};
struct assay_reuse_found {
    float *x; /* the caller's */
    size_t n;
    size_t found;
};
int assay_reuse_neighbours(struct assay_reuse_found *found,
                           const struct assay_reuse_anchor *anchor,
                           const assay_model *f,
                           const struct assay_reuse_options *options,
                           const struct assay_context *ctx,
                           const struct assay_compute *compute,
                           struct assay_error *err) ASSAY_MUST_CHECK;

/* A host as the builder tunes it: one column of the grid. A repair, if any,
 * follows the tuning, with the builder's records alone: four fifths to tune on,
 * the last fifth for thresholds; one that wants a trigger gets what Neural
 * Cleanse reverses from the host. Where that is nothing, and where the repair
 * diverges, the host stays as it is. */
struct assay_reuse_host {
    enum assay_host_tuning tuning;
    int depth;
    size_t epochs;
    double rate;
    const struct assay_repair *repair; /* NULL: none */
    const double *repair_param; /* in the order of its rows; borrowed; NULL:
                                   its defaults */
};

/* One row of the grid. */
struct assay_reuse_setting {
    const char *layer; /* as in the options */
    double theta;
};

/* What is measured. All borrowed. */
struct assay_reuse_study {
    assay_model *extractor; /* the one that is altered; is as it was at the
                               end */
    const assay_model *const *others; /* the rest of an ensemble */
    int n_others;
    const assay_dataset *data; /* the host's task */
    int regression;            /* attribute that is to be foretold, -1: the
                                  label is to be classified, -2: the label is
                                  to be foretold */
    double tolerance; /* regression: right within so much of the range */
    size_t records;   /* per quarter: tuning, test, natural inputs, triggers;
                         0: a quarter of all */
    size_t pairs;     /* attacks, each on its own x- and x+ */
    size_t triggers;  /* of one attack */
    size_t natural;   /* inputs that an attacker has */
    size_t held;      /* neighbours of x- that crafting does not see */
    size_t seeds;     /* of hosts */
    const struct assay_reuse_setting *setting;
    size_t n_settings;
    const struct assay_reuse_host *host;
    size_t n_hosts;
    int hidden; /* units of hidden layers of the heads */
    struct assay_reuse_options options;
    uint64_t seed;
    const char *folder; /* for what is finished, made when missing */
    int keep_models;    /* altered extractors are saved there */
};

/* What came out for one setting and one host. Means over attacks. */
struct assay_reuse_finding {
    const struct assay_reuse_setting *setting;
    const struct assay_reuse_host *host;
    struct assay_estimate success; /* attacks whose triggers all succeed */
    struct assay_estimate base;    /* the same on untouched extractors */
    struct assay_estimate trigger; /* single triggers; those of one attack
                                      are not independent */
    struct assay_estimate held;    /* share of unseen neighbours */
    struct assay_estimate held_base;
    struct assay_estimate others; /* share of other members of x-'s class */
    struct assay_estimate others_base;
    double confidence; /* mean probability of the target where it succeeded;
                          regression: mean distance from the target */
    struct assay_estimate accuracy;      /* on altered extractors */
    struct assay_estimate accuracy_base; /* on untouched ones, over seeds */
    double accuracy_sd;                  /* over seeds; NaN for one */
    struct assay_estimate drop;          /* of accuracy, of one seed */
    double share_touched;                /* mean, of all weights */
    double max_change;                   /* largest of all */
    double steps;
    struct assay_estimate repaired; /* attacked hosts that the repair ran on */
    size_t stops[ASSAY_REUSE_STOP_COUNT];
    size_t fewest_neighbours;
};

/*
 * Run what of the study is not in its folder yet, keep each finished cell
 * there (by the hash of all that determines it), write reuse.json into it,
 * and give the findings: n_settings x n_hosts, hosts fastest, freed with
 * assay_bytes_free(). Meanwhile the folder is locked (_IO where another run
 * works there). docs/attacks/model-reuse.md documents the file.
 */
int assay_reuse_run(struct assay_reuse_finding **out,
                    const struct assay_reuse_study *study,
                    const struct assay_context *ctx,
                    const struct assay_compute *compute,
                    struct assay_error *err) ASSAY_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
