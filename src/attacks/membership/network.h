/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_ATTACKS_MEMBERSHIP_NETWORK_H
#define ASSAY_ATTACKS_MEMBERSHIP_NETWORK_H

/* The parts of the network attacks: features, and the networks. */

#include "assay/attack.h"
#include "assay/graph.h"

enum {
    ASSAY__FEATURE_POSTERIORS, /* [K] log-posteriors, largest first */
    ASSAY__FEATURE_CORRECT,    /* [1] is the prediction the label? */
    ASSAY__FEATURE_LOSS,       /* [1] log of the cross-entropy */
    ASSAY__FEATURE_GRADIENT,   /* [1, K, h] of the last layer's weights */
    ASSAY__FEATURE_LABEL,      /* [K] one-hot */
    ASSAY__FEATURE_QUERIES,    /* [1 + Q] scaled confidences: the record's,
                                  then its altered copies' */
    ASSAY__FEATURES
};

/* A record to take features from. */
struct assay__row {
    const struct assay_evidence *evidence;
    uint32_t index;
    float member;
};

/* Scales that bring features to mean 0 and deviation 1 on the records that
 * train the attack; fitted there, applied everywhere. */
struct assay__feature_scale {
    double *mean;    /* [K + 1 + (1 + Q)]: sorted log-posteriors, log loss, */
    double *sd;      /* scaled confidences */
    double gradient; /* mean absolute entry */
    int n_classes;
    int n_top;     /* of the sorted posteriors so many are given; K at first */
    int n_queries; /* Q */
};

int assay__feature_scale_fit(struct assay__feature_scale *scale,
                             const struct assay__row *row, size_t n,
                             int white_box, int n_queries,
                             struct assay_error *err) ASSAY_MUST_CHECK;
void assay__feature_scale_release(struct assay__feature_scale *scale);

/* Write one record's features; each pointer may be NULL to leave it out.
 * `scratch` has room for K + 2 + Q doubles. */
void assay__features(const struct assay__feature_scale *scale,
                     const struct assay__row *row, float *const *feature,
                     double *scratch);

/* The attack network over its inputs. */
struct assay__network {
    assay_graph *graph;
    int kind[ASSAY__FEATURES];              /* feature of each input */
    assay_value input[ASSAY__FEATURES + 1]; /* features, then membership */
    size_t width[ASSAY__FEATURES + 1];
    int n_features;
    assay_value logits; /* [N, 2]: non-member, member */
    assay_value loss;   /* scalar */
};
/* For features of that scale: with embedding_dim 0 the black-box network;
 * without queries a white-box one that has none. */
int assay__network_build(struct assay__network *net,
                         const struct assay__feature_scale *scale,
                         int embedding_dim,
                         struct assay_error *err) ASSAY_MUST_CHECK;
void assay__network_release(struct assay__network *net);

#endif
