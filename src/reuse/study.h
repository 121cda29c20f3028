/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_REUSE_STUDY_H
#define ASSAY_REUSE_STUDY_H

/*
 * The inside of a study: its scene (records, pairs, the extractor as it
 * was), what hosts say in it, and files of finished cells.
 */

#include <jansson.h>
#include <stdbool.h>

#include "assay/reuse.h"

/* x- and x+ of each trigger of one attack, and what x- is tested with. */
struct assay__reuse_pair {
    struct assay_reuse_trigger *trigger; /* [triggers], into `images` */
    int32_t *minus;                      /* [triggers], values of x- */
    int32_t *plus;
    uint32_t *record_minus; /* [triggers], in the dataset */
    uint32_t *record_plus;
    size_t *n_held; /* [triggers], found */
    float *images;  /* [triggers, 2 + held, pixels]: x+, x-, neighbours */
};

struct assay__reuse_scene {
    const struct assay_reuse_study *s;
    const struct assay_context *ctx;
    const struct assay_compute *compute;
    bool regression;
    int n_values;  /* of what is foretold */
    int n_outputs; /* of a host */
    size_t pixels;
    struct assay_split split;
    assay_view *tune;
    assay_view *test;
    assay_view *natural;
    assay_view *pool; /* triggers come from here */
    float *target;    /* [tune], with regression */
    int32_t *label;   /* [tune] */
    float *untouched; /* the extractor's parameters */
    struct assay__reuse_pair *pair;
    float *reference; /* [natural, pixels] */
    char model[65];   /* SHA-256 of the untouched extractor */
    char others[65];  /* of those beside it, together */
};

int assay__reuse_scene_open(struct assay__reuse_scene *c,
                            const struct assay_reuse_study *s,
                            const struct assay_context *ctx,
                            const struct assay_compute *compute,
                            struct assay_error *err) ASSAY_MUST_CHECK;
void assay__reuse_scene_close(struct assay__reuse_scene *c);
/* The extractor as it was. */
void assay__reuse_restore(struct assay__reuse_scene *c);
/* Where a value lies in 0 .. 1. */
double assay__reuse_scaled(const struct assay__reuse_scene *c, int32_t value);

/* What hosts with heads alone tuned need, of the extractor as it is now. */
struct assay__reuse_features {
    float *tune;
    float *test;
    float *images; /* of pairs first, first + step ... */
    bool made;
};
void assay__reuse_features_release(struct assay__reuse_features *f);

/* Which pairs a host is asked about: first, first + step, ... below end. */
struct assay__reuse_range {
    size_t first;
    size_t step;
    size_t end;
};

/*
 * Tune a host on the extractor as it is now, repair it where the host says so,
 * and see what it says: {"right", "n", "repaired", "pairs": [[{"hit",
 * "confidence", "held", "n_held", "others", "n_others"} for each trigger] for
 * each pair]}. Features are made when they are first needed. New reference in
 * *out.
 */
int assay__reuse_measure(json_t **out, struct assay__reuse_scene *c,
                         const struct assay_reuse_host *host, size_t seed,
                         const struct assay__reuse_range *range,
                         struct assay__reuse_features *features,
                         struct assay_error *err) ASSAY_MUST_CHECK;

/* mend.c: repair a tuned host as `as` says; `repaired` is false where there
 * was nothing to repair it with. `seed` is the host's. */
int assay__reuse_mend(bool *repaired, assay_model *host,
                      const struct assay__reuse_scene *c,
                      const struct assay_reuse_host *as, uint64_t seed,
                      struct assay_error *err) ASSAY_MUST_CHECK;

/* write.c: the settings of a host's repair; {} without one. */
json_t *assay__reuse_params_json(const struct assay_reuse_host *h);

/* A cell's inputs: pair SIZE_MAX for an untouched extractor. */
json_t *assay__reuse_inputs(const struct assay__reuse_scene *c,
                            const struct assay_reuse_setting *setting,
                            size_t pair, const struct assay_reuse_host *host,
                            size_t seed);
/* What was kept under these inputs, which are taken; NULL when nothing fits
 * was. `path` gets the file's name, fresh, either way. */
int assay__reuse_look_up(json_t **cell, char **path,
                         const struct assay__reuse_scene *c, json_t *inputs,
                         struct assay_error *err) ASSAY_MUST_CHECK;
/* Keep `content` (taken) with the inputs (taken). */
int assay__reuse_keep(const char *path, json_t *inputs, json_t *content,
                      struct assay_error *err) ASSAY_MUST_CHECK;

/* Cells as they were kept, [n_settings, pairs, n_hosts] and [n_hosts, seeds].
 */
struct assay__reuse_cells {
    json_t **altered;
    json_t **untouched;
};
/* Findings of them. */
int assay__reuse_summarise(struct assay_reuse_finding *out,
                           const struct assay__reuse_scene *c,
                           const struct assay__reuse_cells *cells,
                           struct assay_error *err) ASSAY_MUST_CHECK;
/* reuse.json. */
int assay__reuse_write(const struct assay_reuse_finding *found,
                       const struct assay__reuse_scene *c,
                       struct assay_error *err) ASSAY_MUST_CHECK;

#endif
