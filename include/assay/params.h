/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_PARAMS_H
#define ASSAY_PARAMS_H

/*
 * Parameters on the host: one slab of f32 and a table of names, shapes and
 * offsets, in the order of the graph. Layout is plain row-major. Plans hold
 * their own copy in whatever layout the backend likes (plan.h).
 */

#include "assay/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

struct assay_param_slot {
    char *name;
    struct assay_shape shape;
    size_t offset; /* in elements from assay_params.data */
    size_t count;
    unsigned flags; /* assay_param_flags */
};

struct assay_params {
    float *data; /* 64-byte aligned; slots are padded to 16 elements, zeroed */
    size_t size; /* elements in data */
    struct assay_param_slot *slot;
    int n_slots;
};

/* Zeroed parameters for all of g's. Released with assay_params_release. */
int assay_params_make(struct assay_params *p, const assay_graph *g,
                      struct assay_error *err) ASSAY_MUST_CHECK;
void assay_params_release(struct assay_params *p);
/* Draw initial values: slot i from the stream (seed, "init", i). */
int assay_params_init(struct assay_params *p, const assay_graph *g,
                      uint64_t seed, struct assay_error *err) ASSAY_MUST_CHECK;
/* Copy values; the two must have equal tables. */
int assay_params_copy(struct assay_params *dst, const struct assay_params *src,
                      struct assay_error *err) ASSAY_MUST_CHECK;
/* Copy all of `from` into the slots of `to` that are called prefix + its
 * name; ASSAY_SHAPE where there is none of its shape. */
int assay_params_fill(struct assay_params *to, const char *prefix,
                      const struct assay_params *from,
                      struct assay_error *err) ASSAY_MUST_CHECK;
/* All parameters of `folded`, to which g was appended by
 * assay_graph_append_folded(), from g's own. Released by the caller, also
 * after a failure. */
int assay_params_fold(struct assay_params *to, const assay_graph *folded,
                      const assay_graph *g, const struct assay_params *from,
                      struct assay_error *err) ASSAY_MUST_CHECK;
/* Borrowed; NULL when there is none of that name. */
const struct assay_param_slot *assay_params_find(const struct assay_params *p,
                                                 const char *name);

/* Append all slots to a tensor list, each name with `prefix` in front. */
int assay_params_to_tensors(const struct assay_params *p, const char *prefix,
                            struct assay_tensors *list,
                            struct assay_error *err) ASSAY_MUST_CHECK;
/*
 * Whether a tensor list could fill the parameters of g: all there (with
 * `prefix`), shape for shape. Nothing is allocated for them, so that a file
 * can be refused before its description is believed.
 */
int assay_params_match(const assay_graph *g, const char *prefix,
                       const struct assay_tensors *list,
                       struct assay_error *err) ASSAY_MUST_CHECK;
/*
 * Fill all slots from a tensor list. Every slot must be there (with
 * `prefix`), shape for shape; extra tensors are allowed. Non-finite values
 * are refused, naming the tensor and the element.
 */
int assay_params_from_tensors(struct assay_params *p, const char *prefix,
                              const struct assay_tensors *list,
                              struct assay_error *err) ASSAY_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
