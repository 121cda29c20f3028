/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_ENGINE_ONEDNN_SQUARES_H
#define ASSAY_ENGINE_ONEDNN_SQUARES_H

/*
 * Squared norms of a convolution's gradients, record by record, in three
 * ways: the library's gradient of weights for one record at a time, into a
 * room of each thread (squares.c); Gram matrices of places (gram.c); our
 * kernel for depthwise convolutions (depthwise.c). Each is a task with
 * these buffers.
 */

#include "engine/onednn/conv.h"

enum {
    ASSAY__SQUARES_X,
    ASSAY__SQUARES_DY,
    ASSAY__SQUARES_OUT,  /* [N] */
    ASSAY__SQUARES_SUMS, /* of dy by channel, [N, O]; may be absent */
    ASSAY__SQUARES_ROOM,
    ASSAY__SQUARES_ROWS /* each record's gradient, where it is kept */
};

/* A way to the squares of a problem, whose bias says whether sums are
 * wanted. */
struct assay__squares_way {
    bool counts_sums;        /* set by who asks: in the squares too */
    struct assay__task task; /* run NULL: not possible */
    const_dnnl_memory_desc_t x, dy;
    const_dnnl_memory_desc_t dw; /* a row's layout; NULL: keeps no rows */
    size_t room;                 /* bytes */
};

/* The layouts that x and dy have now are taken where they serve. */
void assay__gram_squares(struct assay__dnn *d, int index,
                         const struct assay__conv_problem *p, assay_value x,
                         assay_value dy, struct assay__squares_way *way);
/* Whether Gram matrices take clearly less arithmetic. */
bool assay__gram_small(const struct assay__conv_problem *p);
void assay__depthwise_squares(struct assay__dnn *d, int index,
                              const struct assay__conv_problem *p,
                              struct assay__squares_way *way);
/* The sum of squares of n numbers; to += w times x. */
double assay__sum_squares(const float *x, int64_t n);
void assay__add_scaled(float *to, const float *x, int64_t n, float w);

#endif
