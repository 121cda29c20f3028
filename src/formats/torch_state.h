/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_FORMATS_TORCH_STATE_H
#define ASSAY_FORMATS_TORCH_STATE_H

/*
 * From the tree of a PyTorch pickle to named tensors; torch.c (zips) and
 * torch_legacy.c (files before version 1.6) say where storages lie.
 *
 * Which part of the tree is the model:
 *   - a dictionary without tensors of its own that has one of the keys
 *     state_dict, model_state_dict, model_state, net_state_dict, model, net,
 *     module, network, params or weights, tried in that order, stands for
 *     what lies under it, as often as that holds;
 *   - a list of dictionaries stands for its only one; of several, the names
 *     of the n-th begin with "n.";
 *   - dictionaries within join their names by ".";
 *   - "module.", "_orig_mod." and "model." go from the front when all names
 *     begin so.
 * What is no tensor (epochs, accuracies, options) is counted and left out:
 * the list's metadata has "torch.ignored", and "torch.under" the keys gone
 * through.
 */

#include "assay/tensor.h"
#include "formats/pickle_machine.h"

/* Refuses every name but those of pickle_allowed.def (and TorchScript's own
 * classes, which are only names here). */
int assay__torch_global(void *user, const struct assay__pickle_op *op,
                        const char *module, const char *name,
                        struct assay_error *err);

/* A persistent id, ("storage", type, key, location, n_elements[, view]). */
struct assay__torch_id {
    const unsigned char *key;
    size_t key_size;
    bool typed; /* false: bytes, and the tensor tells the type */
    enum assay_dtype dtype;
    uint64_t n_elements;
    size_t at;
};
int assay__torch_read_id(struct assay__torch_id *id,
                         const struct assay__pickle_value *value,
                         struct assay_error *err) ASSAY_MUST_CHECK;

struct assay__torch_source {
    void *user;
    size_t file_size;
    /* The bytes of a storage, which stay until the source is gone. */
    int (*storage)(void *user, const struct assay__torch_id *id,
                   const unsigned char **data, size_t *size,
                   struct assay_error *err);
};

int assay__torch_state(struct assay_tensors *list,
                       const struct assay__pickle_value *root,
                       const struct assay__torch_source *source,
                       struct assay_error *err) ASSAY_MUST_CHECK;

/* Is `value` of a tree the text `text`? */
bool assay__torch_is_text(const struct assay__pickle_value *value,
                          const char *text);

#endif
