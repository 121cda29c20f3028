/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_ATTACKS_STEALING_COPY_H
#define ASSAY_ATTACKS_STEALING_COPY_H

/*
 * Training stolen copies: records with the target's answers to them in,
 * what the copies say of the non-members out. For this folder alone.
 */

#include "assay/attack.h"

/* What a copy is trained to. */
enum assay__answers {
    ASSAY__ANSWERS_TRUTH,      /* true labels: the target is not asked */
    ASSAY__ANSWERS_POSTERIORS, /* as many of the largest as `top` says */
    ASSAY__ANSWERS_LABELS      /* its class alone */
};

/* The parameters that all of them begin with, in this order. */
enum {
    ASSAY__COPY_EPOCHS,
    ASSAY__COPY_LR,
    ASSAY__COPY_BATCH,
    ASSAY__COPY_FLIP,
    ASSAY__COPY_BUDGETS,
    ASSAY__COPY_PARAMS
};
/* clang-format off */
#define ASSAY__COPY_SETTINGS                                            \
    {"epochs", 50, 1, 10000, "training epochs of a copy"},              \
    {"lr", 0, 0, 10, "its first learning rate; 0: the target's"},       \
    {"batch", 64, 1, 65536, "batch size"},                              \
    {"flip", 1, 0, 1, "1: mirror half of the records in each epoch"},   \
    {"budgets", 1, 1, ASSAY_BUDGETS_MAX,                                \
     "copies to train: with all queries, half, a quarter ..."}
/* clang-format on */

/* Records to ask about and what is made of the answers. */
struct assay__queries {
    const struct assay_evidence *evidence; /* of the target */
    const assay_dataset *data;             /* that its records index */
    const uint32_t *order;                 /* [n]: rows, first asked first */
    size_t n;
    enum assay__answers answers;
    int top;  /* posteriors to hear, the largest; 0: all */
    int loss; /* 0: cross-entropy with the posteriors; 1: mean squared error
                 between posteriors; 2: the published code's, between the
                 copy's logits and the posteriors */
};

/* Copies for n, n/2, n/4 ... queries. */
int assay__copies_make(const struct assay_attack_input *in,
                       const struct assay__queries *q,
                       struct assay_guesses *out,
                       struct assay_error *err) ASSAY_MUST_CHECK;

/*
 * What a copy trained on the first n queries for so many epochs says of a
 * view: for attacks that look at it on the way. `stage` names its checkpoint
 * and seed.
 */
int assay__copy_ask(const struct assay_attack_input *in,
                    const struct assay__queries *q, size_t n, size_t epochs,
                    int stage, const assay_view *view,
                    struct assay_evidence *out,
                    struct assay_error *err) ASSAY_MUST_CHECK;

/* A random order of 0..n-1 from (seed, purpose, 0), owned by the caller;
 * NULL with err when out of memory. */
uint32_t *assay__query_order(const struct assay_attack_input *in, size_t n,
                             const char *purpose, struct assay_error *err);

#endif
