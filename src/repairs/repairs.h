/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_REPAIRS_REPAIRS_H
#define ASSAY_REPAIRS_REPAIRS_H

/* What the repairs share. */

#include "assay/repair.h"

/* A tuning by the input's recipe with other epochs and another rate, which is
 * lowered where it ruins the model (tune.c). */
struct assay__tuning {
    const char *task;
    size_t epochs;
    double lr;
    const assay_view *view;                  /* NULL: the clean records */
    const struct assay_objective *objective; /* may be NULL */
    const char *const *frozen;               /* names of what stays */
    size_t n_frozen;
};
int assay__repair_tune(const struct assay_repair_input *in, assay_model *m,
                       const struct assay__tuning *tuning,
                       struct assay_repaired *out,
                       struct assay_error *err) ASSAY_MUST_CHECK;
/* Of the held-out records. */
int assay__repair_accuracy(const struct assay_repair_input *in,
                           const assay_model *m, double *accuracy,
                           struct assay_error *err) ASSAY_MUST_CHECK;
/* The norm layer that reads v, batch or group, into *norm: whether there is
 * one. */
int assay__repair_norm_of(const assay_graph *g, assay_value v,
                          struct assay_layer *norm);
/* The numbers of a parameter of `m`, NULL where v is ASSAY_NO_VALUE. */
float *assay__repair_numbers(assay_model *m, assay_value v);
/* Its count; 0 where v is ASSAY_NO_VALUE. */
size_t assay__repair_count(const assay_model *m, assay_value v);

/* clp.c: the largest singular value of a [rows, columns], or NaN when out of
 * memory. */
double assay__largest_singular(const float *a, size_t rows, size_t columns);

/* nad.c: the attention map of f [N, C, H, W]: sum over channels of f^2, by
 * its norm + 1e-6; [N, 1, H, W]. */
assay_value assay__attention_map(assay_graph *g, assay_value f);

/*
 * anp.c: masks on the channels of norms. `slot` arrays have `n` numbers, one
 * for each channel of all norms with weight and bias, in the order of layers.
 */
struct assay__anp;
int assay__anp_open(struct assay__anp **out,
                    const struct assay_repair_input *in, assay_model *m,
                    size_t batch, struct assay_error *err) ASSAY_MUST_CHECK;
void assay__anp_close(struct assay__anp *a);
size_t assay__anp_channels(const struct assay__anp *a);
/* Draw the batch that the slopes which follow are of. */
int assay__anp_draw(struct assay__anp *a, uint64_t step,
                    struct assay_error *err) ASSAY_MUST_CHECK;
/*
 * The cross-entropy with weight (mask + noise[0..n)) and bias (1 +
 * noise[n..2n)), and its slopes by these factors, [2n]. `noise` may be NULL:
 * none.
 */
int assay__anp_slopes(struct assay__anp *a, const double *mask,
                      const double *noise, double *loss, double *slope,
                      struct assay_error *err) ASSAY_MUST_CHECK;

#endif
