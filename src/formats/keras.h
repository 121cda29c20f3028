/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_FORMATS_KERAS_H
#define ASSAY_FORMATS_KERAS_H

/*
 * The two files that Keras writes: HDF5 with everything in it, and, since
 * Keras 3, a zip of
 *
 *   config.json       the layers
 *   metadata.json     which Keras wrote it
 *   model.weights.h5  the numbers, HDF5
 *
 * Weights read as tensors are called LAYER/NAME: "conv2d/kernel" of the
 * first, "conv2d/0" of the second, which numbers them. Where that is not
 * unique the whole path is taken. What optimizers remember is left out.
 */

#include "formats/hdf5.h"
#include "formats/zip.h"

struct assay__keras_file {
    struct assay__zip zip;
    bool zipped;
    struct assay__zip_bytes config, metadata, weights; /* of a zip */
    struct assay__hdf5 h5;
};

/* `data` is borrowed until the close, which follows a failure too. A zip
 * without config.json is read as one of weights alone. */
int assay__keras_open(struct assay__keras_file *f, const unsigned char *data,
                      size_t size, struct assay_error *err) ASSAY_MUST_CHECK;
void assay__keras_close(struct assay__keras_file *f);

#endif
