/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_ONNX_H
#define ASSAY_ONNX_H

/*
 * ONNX models (operator sets 6 to 21): read, and turned into graphs of the
 * engine, so that they run on every backend and have derivatives. Which
 * operators there are is told in docs/onnx.md; one that is not is refused by
 * its name.
 *
 * Every byte of a file is hostile: nothing in it is executed, no length is
 * believed, and external data is taken from the model's own folder alone.
 */

#include "assay/graph.h"
#include "assay/params.h"
#include "assay/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A file that was read and checked; immutable. */
typedef struct assay_onnx assay_onnx;

enum { ASSAY_ONNX_OPSET_MIN = 6, ASSAY_ONNX_OPSET_MAX = 21 };

/* Whether a file is to be read as ONNX: its name ends in .onnx. (Its bytes
 * have no mark to know it by.) */
int assay_onnx_probe(const char *path);

/* Errors name the node, the attribute or the tensor, and the byte. */
int assay_onnx_open(assay_onnx **out, const char *path,
                    struct assay_error *err) ASSAY_MUST_CHECK;
/* The same of bytes in memory, which are copied. External data is looked
 * for in `folder`, and refused when it is NULL. */
int assay_onnx_parse(assay_onnx **out, const void *data, size_t size,
                     const char *folder,
                     struct assay_error *err) ASSAY_MUST_CHECK;
void assay_onnx_free(assay_onnx *o);

/* Version of the standard operators that the file is written for. */
int assay_onnx_opset(const assay_onnx *o);
/* SHA-256 of the file and of its external data, in hex. */
const char *assay_onnx_sha256(const assay_onnx *o);
/* Inputs that no initializer gives, and outputs, in the file's order. */
int assay_onnx_n_inputs(const assay_onnx *o);
int assay_onnx_n_outputs(const assay_onnx *o);
/* Name and shape of input i; dimensions that are free are ASSAY_BATCH. */
const char *assay_onnx_input_name(const assay_onnx *o, int i);
const struct assay_shape *assay_onnx_input_shape(const assay_onnx *o, int i);
const char *assay_onnx_output_name(const assay_onnx *o, int i);

enum { ASSAY_ONNX_PORTS = 64 }; /* inputs or outputs, at most */

/* A model as a graph. Parameters hold the file's numbers; what is computed
 * from constants alone has been. */
struct assay_onnx_program {
    assay_graph *graph;
    struct assay_params params;
    int n_inputs;
    assay_value input[ASSAY_ONNX_PORTS]; /* ASSAY_NO_VALUE: was given */
    int n_outputs;
    /* ASSAY_NO_VALUE: a constant, item `name` of `constants`. */
    assay_value output[ASSAY_ONNX_PORTS];
    struct assay_tensors constants;
};

struct assay_onnx_options {
    /*
     * Symbolic: dimension 0 of every input is the batch, whatever number
     * the file has there, and the graph runs with any. What moves numbers
     * between records is refused. Otherwise all shapes are those of `given`,
     * or the file's.
     */
    int symbolic;
    /*
     * Inputs by name, may be NULL. Those of integers and truth values
     * become constants; of others the shape is taken. Not with symbolic.
     */
    const struct assay_tensors *given;
};

int assay_onnx_import(struct assay_onnx_program *out, const assay_onnx *o,
                      const struct assay_onnx_options *options,
                      struct assay_error *err) ASSAY_MUST_CHECK;
void assay_onnx_program_release(struct assay_onnx_program *p);

/*
 * Run a model once: outputs (f64) of inputs by name. `backend` as in
 * assay_plan_options. For repeated runs import it and keep the plan.
 */
int assay_onnx_run(struct assay_tensors *outputs, const assay_onnx *o,
                   const struct assay_tensors *inputs, const char *backend,
                   struct assay_error *err) ASSAY_MUST_CHECK;

/* What the numbers of a classifier's output are: X(NAME, text). */
#define ASSAY_ONNX_MEANINGS(X) \
    X(FOUND, "found")          \
    X(LOGITS, "logits")        \
    X(PROBABILITIES, "probabilities")

enum assay_onnx_meaning {
#define ASSAY_X(name, text) ASSAY_ONNX_##name,
    ASSAY_ONNX_MEANINGS(ASSAY_X)
#undef ASSAY_X
};

/* How a file is a classifier; 0 or NULL: found from the graph. */
struct assay_onnx_roles {
    int channels, height, width; /* of the images */
    const char *output;          /* name */
    enum assay_onnx_meaning meaning;
};

/*
 * A model as a classifier of images [N, C, H, W], whatever layout its own
 * input has. A last softmax is taken off; else, and of probabilities, the
 * logits are their logarithm. The embedding is what the last linear layer
 * or 1x1 convolution reads. Both are named so in the graph.
 */
struct assay_onnx_classifier {
    assay_graph *graph;
    struct assay_params params;
    int channels, height, width;
    int n_classes;
    assay_value input;     /* [N, C, H, W] */
    assay_value logits;    /* [N, K] */
    assay_value embedding; /* [N, h] */
};

int assay_onnx_classify(struct assay_onnx_classifier *out, const assay_onnx *o,
                        const struct assay_onnx_roles *roles,
                        struct assay_error *err) ASSAY_MUST_CHECK;
void assay_onnx_classifier_release(struct assay_onnx_classifier *c);

#ifdef __cplusplus
}
#endif
#endif
