/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_ENGINE_NOISE_H
#define ASSAY_ENGINE_NOISE_H

/*
 * Gaussian noise for private training: a function of a key and of a place
 * in the slab of trained parameters, so that it depends neither on threads
 * nor on what was computed before.
 */

#include <stddef.h>
#include <stdint.h>

#include "engine/backend.h"

/* Numbers that are drawn together; places are counted in such pieces. */
enum { ASSAY__NOISE_PIECE = 1 << 14 };

/* z[0 .. n-1]: standard normals of piece `piece`; n <= ASSAY__NOISE_PIECE. */
void assay__noise_fill(float *z, size_t n, const struct assay__noise *noise,
                       uint64_t piece);

/* Learn which places of a store are padding, where no noise may go; once,
 * before the first gradient, for memory the host can touch. */
int assay__noise_open(struct assay__store *store,
                      struct assay_error *err) ASSAY_MUST_CHECK;
/* z[0 .. n-1] for the trained parameters from `first` on, a multiple of
 * ASSAY__NOISE_PIECE; 0 at padding. */
void assay__noise_piece(float *z, size_t first, size_t n,
                        const struct assay__noise *noise);

#endif
