/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_FORMATS_PICKLE_STORE_H
#define ASSAY_FORMATS_PICKLE_STORE_H

/*
 * What pickle_machine.c keeps in: values, stack, marks and memo, each with
 * its cap. NULL and false mean that `err` says why.
 */

#include "formats/pickle_machine.h"

struct assay__pickle_value *assay__pickle_make(
    struct assay__pickle_machine *m, const struct assay__pickle_op *op,
    enum assay__pickle_kind kind, struct assay_error *err);
int assay__pickle_push(struct assay__pickle_machine *m,
                       struct assay__pickle_value *v,
                       const struct assay__pickle_op *op,
                       struct assay_error *err) ASSAY_MUST_CHECK;
/* The top of the stack, taken off it; never below the last mark. */
struct assay__pickle_value *assay__pickle_pop(struct assay__pickle_machine *m,
                                              const struct assay__pickle_op *op,
                                              struct assay_error *err);
/* The top, left there. */
struct assay__pickle_value *assay__pickle_top(struct assay__pickle_machine *m,
                                              const struct assay__pickle_op *op,
                                              struct assay_error *err);
int assay__pickle_mark(struct assay__pickle_machine *m,
                       const struct assay__pickle_op *op,
                       struct assay_error *err) ASSAY_MUST_CHECK;
/* Take the last mark away: `*base` is where what lay above it begins. */
int assay__pickle_unmark(struct assay__pickle_machine *m,
                         const struct assay__pickle_op *op, size_t *base,
                         struct assay_error *err) ASSAY_MUST_CHECK;
/* Add `n` items to a container; nothing where the machine does not keep. */
int assay__pickle_add(struct assay__pickle_machine *m,
                      struct assay__pickle_value *v,
                      struct assay__pickle_value *const *item, size_t n,
                      const struct assay__pickle_op *op,
                      struct assay_error *err) ASSAY_MUST_CHECK;
int assay__pickle_remember(struct assay__pickle_machine *m, size_t index,
                           const struct assay__pickle_op *op,
                           struct assay_error *err) ASSAY_MUST_CHECK;
int assay__pickle_recall(struct assay__pickle_machine *m, size_t index,
                         const struct assay__pickle_op *op,
                         struct assay_error *err) ASSAY_MUST_CHECK;
/* `size` bytes that live as long as the values. */
unsigned char *assay__pickle_bytes(struct assay__pickle_machine *m, size_t size,
                                   const struct assay__pickle_op *op,
                                   struct assay_error *err);

#endif
