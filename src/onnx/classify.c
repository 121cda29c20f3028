/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file as a classifier of images: which layout its input has, where its
 * logits are, and what its last linear layer reads.
 *
 * Images come as [N, C, H, W]. An input of rank 4 is of channels first or
 * last, by which side has 1 to 4; of lower rank it takes an image's numbers
 * in a row. Logits are what the last softmax reads; where there is none, the
 * output itself.
 */

#include <math.h>
#include <string.h>

#include "assay/layers.h"
#include "engine/graph.h"
#include "onnx/import.h"

enum { SMALL = 4 }; /* channels, at most */

static int no_images(struct assay__importer *im, const struct assay_shape *s)
{
    char text[80];

    return assay__im_fail(im, ASSAY_UNSUPPORTED,
                          "the input %s does not tell what images it takes; "
                          "the sidecar's 'preprocess' must",
                          assay_shape_text(s, text, sizeof(text)));
}

/* A size from the file, held against what the caller says (0: nothing). */
static int side(struct assay__importer *im, int64_t file, int said,
                const char *what)
{
    int64_t size = file > 0 ? file : said;

    if (said > 0 && file > 0 && file != said)
        assay__im_fail(im, ASSAY_SHAPE, "images of %s %d, the model takes %lld",
                       what, said, (long long)file);
    if (size < 1 || size > 4096)
        assay__im_fail(im, ASSAY_UNSUPPORTED,
                       "images of %s %lld; 1 to 4096 are possible%s", what,
                       (long long)size,
                       size < 1 ? ", and the file does not tell" : "");
    return (int)size;
}

/* An input of rank 4; whether channels come last. */
static bool of_maps(struct assay__importer *im, const struct assay_shape *s,
                    const struct assay_onnx_roles *r,
                    struct assay_onnx_classifier *c)
{
    bool first = s->dim[1] >= 1 && s->dim[1] <= SMALL;
    bool last = s->dim[3] >= 1 && s->dim[3] <= SMALL;

    if (r->channels > 0 && first && last) {
        first = s->dim[1] == r->channels;
        last = !first;
    }
    if (!first && !last) {
        if (r->channels == 0 || s->dim[1] > 0)
            no_images(im, s);
        first = true;
    }
    c->channels = side(im, s->dim[first ? 1 : 3], r->channels, "channels");
    c->height = side(im, s->dim[first ? 2 : 1], r->height, "height");
    c->width = side(im, s->dim[first ? 3 : 2], r->width, "width");
    return !first;
}

/* Images in a row of numbers: the caller's size, or a square's. */
static void of_row(struct assay__importer *im, const struct assay_shape *s,
                   const struct assay_onnx_roles *r,
                   struct assay_onnx_classifier *c)
{
    int64_t n = 1;

    for (int i = 1; i < s->rank; i++)
        n = assay__times(n, s->dim[i] > 0 ? s->dim[i] : 0);
    c->channels = r->channels;
    c->height = r->height;
    c->width = r->width;
    for (int channels = 1; channels <= 3 && c->channels == 0; channels += 2) {
        int64_t root = (int64_t)(sqrt((double)n / channels) + 0.5);

        if (n > 0 && root * root * channels == n && root <= 4096) {
            c->channels = channels;
            c->height = c->width = (int)root;
        }
    }
    if (c->channels < 1 || c->height < 1 || c->width < 1 ||
        (int64_t)c->channels * c->height * c->width != n)
        no_images(im, s);
}

/* The graph's own input, and the file's made from it. */
static void bind_image_of(struct assay__importer *im,
                          const struct assay__onnx_port *port,
                          const struct assay_onnx_roles *r,
                          struct assay_onnx_classifier *c)
{
    static const int to_last[] = {0, 2, 3, 1};
    struct assay__span name = {port->name, strlen(port->name)};
    struct assay_shape s = port->shape;
    struct assay_shape image = {4, {ASSAY_BATCH, 0, 0, 0}};
    bool last = false;
    int item;

    if (s.rank == 4)
        last = of_maps(im, &s, r, c);
    else if (s.rank == 3 && s.dim[1] > SMALL && s.dim[2] > SMALL) {
        c->channels = side(im, 1, r->channels, "channels");
        c->height = side(im, s.dim[1], r->height, "height");
        c->width = side(im, s.dim[2], r->width, "width");
    } else if (s.rank == 2 || s.rank == 3)
        of_row(im, &s, r, c);
    else
        no_images(im, &s);
    image.dim[1] = c->channels;
    image.dim[2] = c->height;
    image.dim[3] = c->width;
    if (im->code != ASSAY_OK)
        return;
    c->input = assay_graph_input(im->g, "input", &image);
    item = assay__im_of_value(im, c->input, ASSAY__ONNX_F32);
    if (last)
        item = assay__im_transpose(im, item, to_last);
    s.dim[0] = ASSAY_BATCH;
    if (s.rank < 4)
        item = assay__im_reshape(im, item, &s);
    assay__im_bind(im, name, item);
}

static void bind_image(struct assay__importer *im,
                       const struct assay_onnx_roles *r,
                       struct assay_onnx_classifier *c)
{
    if (im->o->n_inputs != 1)
        assay__im_fail(im, ASSAY_UNSUPPORTED,
                       "a classifier of images has 1 input, this model %d",
                       im->o->n_inputs);
    else
        bind_image_of(im, &im->o->input[0], r, c);
}

/* Rows of as many numbers as a record has: the shape [N, K]. */
static int as_rows(struct assay__importer *im, int item)
{
    struct assay_shape rows = {2, {ASSAY_BATCH, 0}};

    rows.dim[1] = assay__im_count(assay__im_shape(im, item));
    return assay__im_reshape(im, item, &rows);
}

static bool is_scores(const struct assay__importer *im, int item)
{
    const struct assay_shape *s = assay__im_shape(im, item);
    int64_t k = assay__im_count(s);

    return assay__im_batched(im, item) &&
           assay__im_at(im, item)->batch_axis == 0 &&
           assay__im_at(im, item)->folded == 0 && s->rank >= 2 && k >= 2 &&
           k <= 65536 && s->dim[1] == k;
}

static int output_item(struct assay__importer *im, const char *wanted)
{
    const assay_onnx *o = im->o;

    for (int i = 0; i < o->n_outputs; i++) {
        struct assay__span name = {o->output[i].name,
                                   strlen(o->output[i].name)};
        int item = assay__im_find(im, name);

        if (wanted && strcmp(wanted, o->output[i].name) != 0)
            continue;
        if (item >= 0 && is_scores(im, item))
            return item;
        if (wanted)
            return assay__im_fail(im, ASSAY_SHAPE,
                                  "output '%.60s' is no row of scores for each "
                                  "record",
                                  wanted);
    }
    if (wanted)
        return assay__im_fail(im, ASSAY_ARG, "no output is called '%.100s'",
                              wanted);
    return assay__im_fail(im, ASSAY_UNSUPPORTED,
                          "no output is a row of 2 to 65536 scores for each "
                          "record");
}

/* What a softmax before `item` reads, through what moves nothing; -1. */
static int before_softmax(struct assay__importer *im, int item)
{
    static const char *const through[] = {"Identity", "Reshape", "Flatten",
                                          "Squeeze",  "Dropout", NULL};
    int64_t k = assay__im_count(assay__im_shape(im, item));

    for (int steps = 0; steps < 8; steps++) {
        int index = assay__im_at(im, item)->node;
        const struct assay__onnx_node *n;
        bool passes = false;
        int from;

        if (index < 0)
            return -1;
        n = &im->o->node[index];
        from = n->n_in > 0 ? assay__im_find(im, n->in[0]) : -1;
        if (from < 0 || assay__im_count(assay__im_shape(im, from)) != k)
            return -1;
        if (assay__span_is(n->op, "Softmax") ||
            assay__span_is(n->op, "LogSoftmax"))
            return is_scores(im, from) ? from : -1;
        for (int i = 0; through[i]; i++)
            passes = passes || assay__span_is(n->op, through[i]);
        if (!passes || from == item)
            return -1;
        item = from;
    }
    return -1;
}

static void find_logits(struct assay__importer *im,
                        const struct assay_onnx_roles *r,
                        struct assay_onnx_classifier *c)
{
    int item = output_item(im, r->output);
    int inner = im->code == ASSAY_OK && r->meaning != ASSAY_ONNX_LOGITS
                    ? before_softmax(im, item)
                    : -1;

    if (im->code != ASSAY_OK)
        return;
    if (inner >= 0) {
        item = inner;
    } else if (r->meaning == ASSAY_ONNX_PROBABILITIES) {
        item = assay__im_unary(im, ASSAY_UNARY_CLIP, item, 1e-30, 1.0);
        item = assay__im_unary(im, ASSAY_UNARY_LOG, item, 0.0, 0.0);
    }
    item = as_rows(im, item);
    c->logits = assay__im_value(im, item);
    c->n_classes = (int)assay__im_count(assay__im_shape(im, item));
}

static bool is_op(const struct assay__node *n, const struct assay_op *op)
{
    return n->op == op;
}

/* What the last layer with weights before v reads, or ASSAY_NO_VALUE. */
static assay_value layer_input(const assay_graph *g, assay_value v)
{
    while (v != ASSAY_NO_VALUE && g->value[v].node >= 0) {
        const struct assay__node *n = &g->node[g->value[v].node];
        bool second_is_param =
            n->n_in > 1 && g->value[n->in[1]].kind == ASSAY__PARAM;

        if (is_op(n, &assay__op_linear) || is_op(n, &assay__op_conv) ||
            (is_op(n, &assay__op_matmul) && second_is_param))
            return n->in[0];
        if (is_op(n, &assay__op_binary) && !second_is_param) {
            if (g->value[n->in[0]].kind != ASSAY__PARAM)
                return ASSAY_NO_VALUE;
            v = n->in[1];
            continue;
        }
        if (!is_op(n, &assay__op_binary) && !is_op(n, &assay__op_reshape) &&
            !is_op(n, &assay__op_affine) && !is_op(n, &assay__op_unary) &&
            !is_op(n, &assay__op_reduce) && !is_op(n, &assay__op_pick) &&
            !is_op(n, &assay__op_relu) && !is_op(n, &assay__op_avgpool) &&
            !is_op(n, &assay__op_global_avgpool))
            return ASSAY_NO_VALUE;
        v = n->in[0];
    }
    return ASSAY_NO_VALUE;
}

static void name_values(struct assay__importer *im,
                        struct assay_onnx_classifier *c)
{
    assay_value e = layer_input(im->g, c->logits);
    const struct assay_shape *s = assay_graph_shape(im->g, e);
    struct assay_shape rows = {2, {ASSAY_BATCH, 1}};

    if (e == ASSAY_NO_VALUE || s->rank < 2 || s->dim[0] != ASSAY_BATCH)
        e = c->logits;
    else if (s->rank == 4 && s->dim[2] * s->dim[3] > 1 && e != c->input)
        e = assay_op_global_avgpool(im->g, e);
    s = assay_graph_shape(im->g, e);
    rows.dim[1] = assay__im_count(s);
    if (s->rank != 2)
        e = assay_op_reshape(im->g, e, &rows);
    if (e == c->logits || assay_graph_value_name(im->g, e))
        e = assay_op_affine(im->g, e, 1.0, 0.0);
    assay_graph_name(im->g, e, "embedding");
    if (assay_graph_value_name(im->g, c->logits))
        c->logits = assay_op_affine(im->g, c->logits, 1.0, 0.0);
    assay_graph_name(im->g, c->logits, "logits");
    c->embedding = e;
    if (im->code == ASSAY_OK)
        im->code = assay_graph_check(im->g, im->err);
}

int assay_onnx_classify(struct assay_onnx_classifier *out, const assay_onnx *o,
                        const struct assay_onnx_roles *roles,
                        struct assay_error *err)
{
    struct assay_error why = {ASSAY_OK, ""};
    struct assay__importer im;
    int code;

    memset(out, 0, sizeof(*out));
    code = assay__import_open(&im, o, true, &why);
    if (code == ASSAY_OK)
        bind_image(&im, roles, out);
    if (code == ASSAY_OK && im.code == ASSAY_OK)
        assay__import_nodes(&im);
    if (code == ASSAY_OK && im.code == ASSAY_OK)
        find_logits(&im, roles, out);
    if (code == ASSAY_OK && im.code == ASSAY_OK)
        name_values(&im, out);
    if (code == ASSAY_OK && im.code == ASSAY_OK)
        assay__import_params(&im, &out->params);
    code = code == ASSAY_OK ? im.code : code;
    if (code == ASSAY_OK) {
        out->graph = im.g;
        im.g = NULL;
    }
    assay__import_close(&im);
    if (code != ASSAY_OK) {
        assay_onnx_classifier_release(out);
        return assay_error_set(err, code, "%s", why.msg);
    }
    return ASSAY_OK;
}

void assay_onnx_classifier_release(struct assay_onnx_classifier *c)
{
    assay_graph_free(c->graph);
    assay_params_release(&c->params);
    memset(c, 0, sizeof(*c));
}
