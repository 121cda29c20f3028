/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_DETECTORS_MIDDLE_H
#define ASSAY_DETECTORS_MIDDLE_H

/* Values inside a network, for detectors that look there (middle.c). */

#include "assay/detector.h"

/* The values that layers with weights read, each once and in their
 * order, without what the first one reads, the image: *out [*n], the caller's
 * (assay__free). ASSAY_UNSUPPORTED when there is none. `task` is for
 * messages. */
int assay__activations(const assay_model *m, const char *task,
                       assay_value **out, size_t *n,
                       struct assay_error *err) ASSAY_MUST_CHECK;

/* Options of a plan for evaluation, as ctx and compute say. */
struct assay_plan_options assay__evaluation(const struct assay_context *ctx,
                                            const struct assay_compute *c,
                                            size_t batch);

/* d of the sum of a loss [N] by wrt: each row's own gradient. NO_VALUE where
 * there is none. */
int assay__row_slopes(assay_graph *g, assay_value loss, const assay_value *wrt,
                      int n, assay_value *d,
                      struct assay_error *err) ASSAY_MUST_CHECK;

#endif
