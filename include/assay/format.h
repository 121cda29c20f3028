/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_FORMAT_H
#define ASSAY_FORMAT_H

/*
 * Tensor files: safetensors (specification of 2022, header at most 100 MB),
 * NPZ/NPY (NumPy format 1.0 to 3.0) and, for reading, PyTorch's state dicts
 * of both layouts, as files or within a zip, and HDF5, as Keras writes it
 * alone and within a zip. Rows of formats/formats.def.
 * Readers treat every byte as hostile: nothing is executed, no length is
 * trusted, object arrays and pickles that name more than weights need are
 * refused, memory is allocated only after the caps and the file's own size
 * allow it.
 *
 * Of a PyTorch file the dictionary of weights is found under the usual keys
 * ("state_dict", "model", ...) and common prefixes ("module.") are taken
 * off; metadata tells both, and how many values were no tensors. The rules
 * stand in formats/torch_state.h.
 */

#include "assay/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Cap on the bytes of a file, which is mapped, and on those of all its tensors
 * together. Tensors that lie in the file as they are wanted stay there;
 * others (packed, strided, not aligned) are copied out. */
#define ASSAY_FORMAT_MAX_BYTES ((size_t)16 << 30)

/*
 * Read a file of any known tensor format, found by its content. `list` must
 * be initialised and empty; on failure it stays empty.
 * Errors: _IO, _FORMAT (with byte offset), _LIMIT, _UNSUPPORTED, _NOMEM.
 */
int assay_tensors_read(struct assay_tensors *list, const char *path,
                       struct assay_error *err) ASSAY_MUST_CHECK;

/* Is `path` that of an index of safetensors in several files, by its name,
 * MODEL.safetensors.index.json? The functions here read such a model whole,
 * from files beside the index. */
int assay_tensors_is_index(const char *path);

/*
 * The same without reading the weights' own bytes where they stay in the
 * file: checksums that a zip states of those are kept for
 * assay_tensors_check(). All else is checked here.
 */
int assay_tensors_open(struct assay_tensors *list, const char *path,
                       struct assay_error *err) ASSAY_MUST_CHECK;

/*
 * Compare the checksum of the bytes that tensor `t` of `list` lies in, to be
 * done before its values are used, or of all (NULL), on up to four threads.
 * Each is compared once; the list may not be used by another thread
 * meanwhile. Errors: _FORMAT with the place of the bytes, _NOMEM.
 */
int assay_tensors_check(struct assay_tensors *list,
                        const struct assay_tensor *t,
                        struct assay_error *err) ASSAY_MUST_CHECK;

/* Write atomically as safetensors (with metadata) or, when the path ends in
 * .npz, as NPZ (stored, f32 and integers; metadata dropped). Equal content
 * gives equal bytes. */
int assay_tensors_write(const struct assay_tensors *list, const char *path,
                        struct assay_error *err) ASSAY_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
