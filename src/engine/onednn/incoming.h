/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_ENGINE_ONEDNN_INCOMING_H
#define ASSAY_ENGINE_ONEDNN_INCOMING_H

/*
 * The gradient that comes into a normalisation's gradient: where the nodes
 * that make it wait (a sum of two gradients, a relu's gradient), it is
 *   out = (dy + more) where z > 0
 * and the normalisation's kernel computes it in passing. `out` is kept, for
 * others may read it.
 *
 * Calls: assay__dnn_incoming, _open_incoming (buffers), append the task,
 * _close_incoming.
 */

#include "engine/onednn/lower.h"

struct assay__incoming {
    assay_value out;
    assay_value dy, more, z; /* ASSAY_NO_VALUE: absent; dy == out: as it is */
    int add, relu;           /* the nodes done in passing, or -1 */
    int out_buffer, dy_buffer, more_buffer, z_buffer;
};

struct assay__incoming assay__dnn_incoming(const struct assay__dnn *d,
                                           assay_value out);
void assay__dnn_open_incoming(struct assay__dnn *d, struct assay__incoming *in,
                              const_dnnl_memory_desc_t md);
void assay__dnn_close_incoming(struct assay__dnn *d,
                               const struct assay__incoming *in);
/* For a plan's description. */
const char *assay__dnn_incoming_name(const struct assay__incoming *in);
/* Whether a normalisation's gradient will read `v` so. */
bool assay__dnn_feeds_norm(const struct assay__dnn *d, assay_value v);

#endif
