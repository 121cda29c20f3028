/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Configurations of Keras: layers without weights are computed, the ways in
 * which Keras writes a thing are one, and what a configuration must not say
 * is refused with the layer and the words for it.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "assay/keras.h"
#include "assay/plan.h"
#include "check.h"
#include "core/fs.h"
#include "core/mem.h"
#include "keras/import.h"

/* The configuration alone, as of a zip whose weights have no layer. */
static int classify(struct assay_keras_classifier *c, const char *text,
                    const struct assay_keras_roles *roles,
                    struct assay_error *err)
{
    struct assay__keras_file file = {.zipped = true};
    int rc;

    memset(c, 0, sizeof(*c));
    file.config.data = (const unsigned char *)text;
    file.config.size = strlen(text);
    rc = assay__keras_classify(c, &file, roles, err);
    if (rc)
        assay_keras_classifier_release(c);
    return rc;
}

#define MODEL_OF(list) \
    "{\"class_name\": \"Sequential\", \"config\": {\"layers\": [" list "]}}"
#define LAYER(kind, name, more)                                               \
    "{\"class_name\": \"" kind "\", \"config\": {\"name\": \"" name "\"" more \
    "}}"
#define INPUT(shape) LAYER("InputLayer", "in", ", \"batch_shape\": " shape)
/* After an image of 4x4x1. */
#define ONE(kind, more) \
    MODEL_OF(INPUT("[null, 4, 4, 1]") ", " LAYER(kind, "it", more))

#define GRAPH_OF(list)                                                      \
    "{\"class_name\": \"Functional\", \"config\": {\"layers\": [" list      \
    "], \"input_layers\": [[\"in\", 0, 0]], \"output_layers\": [[\"out\", " \
    "0, 0]]}}"
#define NODE(kind, name, more, from)                                       \
    "{\"class_name\": \"" kind "\", \"name\": \"" name "\", \"config\": {" \
    "\"name\": \"" name "\"" more "}, \"inbound_nodes\": [" from "]}"
#define IN_NODE \
    NODE("InputLayer", "in", ", \"batch_input_shape\": [null, 2, 2, 1]", "")

#define IN_LINE INPUT("[null, 2, 2]")
#define FLATTEN LAYER("Flatten", "f", "")
#define NEST(list) LAYER("Sequential", "n", ", \"layers\": [" list "]")

/* --- what is computed ----------------------------------------------------- */

/* The logits of one image of the numbers 1, 2, 3 ... */
static int run(const char *text, float *logits)
{
    struct assay_keras_roles roles = {0};
    struct assay_plan_options options = {.backend = "reference",
                                         .batch = 1,
                                         .mode = ASSAY_MODE_EVAL,
                                         .threads = 1};
    struct assay_error err = {0, ""};
    struct assay_keras_classifier c;
    assay_plan *plan = NULL;
    float x[64];

    for (int i = 0; i < 64; i++)
        x[i] = (float)(i + 1);
    CHECK_OK(classify(&c, text, &roles, &err), err);
    CHECK(c.channels * c.height * c.width <= 64);
    options.outputs = &c.logits;
    options.n_outputs = 1;
    CHECK_OK(assay_plan_new(&plan, c.graph, &options, &err), err);
    CHECK_OK(assay_plan_load(plan, &c.params, &err), err);
    CHECK_OK(assay_plan_write(plan, c.input, x, &err), err);
    CHECK_OK(assay_plan_run(plan, &err), err);
    CHECK_OK(assay_plan_read(plan, c.logits, logits, &err), err);
    assay_plan_free(plan);
    assay_keras_classifier_release(&c);
    return 0;
}

struct answer {
    const char *text;
    int n;
    float want[18];
};

#define FLAT ", " LAYER("Flatten", "flat", "")
#define AFTER(shape, kind, more) \
    MODEL_OF(INPUT(shape) ", " LAYER(kind, "it", more) FLAT)

static const struct answer answers[] = {
    /* Channels come first here and last in Keras. */
    {MODEL_OF(INPUT("[null, 1, 2, 2]") FLAT), 4, {1, 3, 2, 4}},
    {MODEL_OF(INPUT("[null, 4]")), 4, {1, 2, 3, 4}},
    {MODEL_OF(INPUT("[null, 2, 2]") FLAT), 4, {1, 2, 3, 4}},
    {AFTER("[null, 1, 2, 2]", "Reshape", ", \"target_shape\": [2, 1, -1]"),
     4,
     {1, 3, 2, 4}},
    {AFTER("[null, 3, 3, 1]", "MaxPooling2D",
           ", \"pool_size\": [2, 2], \"padding\": \"same\""),
     4,
     {5, 6, 8, 9}},
    {AFTER("[null, 3, 3, 1]", "AveragePooling2D",
           ", \"pool_size\": 2, \"strides\": null, \"padding\": \"same\""),
     4,
     {3, 4.5F, 7.5F, 9}},
    {AFTER("[null, 2, 2, 1]", "ZeroPadding2D",
           ", \"padding\": [[0, 1], [1, 0]]"),
     9,
     {0, 1, 2, 0, 3, 4, 0, 0, 0}},
    {AFTER("[null, 1, 1, 2]", "ZeroPadding2D", ", \"padding\": [0, 1]"),
     6,
     {0, 0, 1, 2, 0, 0}},
    {AFTER("[null, 1, 2, 2]", "Rescaling",
           ", \"scale\": [2, 10], \"offset\": 1"),
     4,
     {3, 31, 5, 41}},
    {AFTER("[null, 1, 2, 2]", "Normalization",
           ", \"axis\": -1, \"mean\": [1, 2], \"variance\": [4, 0.25]"),
     4,
     {0, 2, .5F, 4}},
    {AFTER("[null, 2, 2, 1]", "ReLU", ", \"max_value\": 2.5"),
     4,
     {1, 2, 2.5F, 2.5F}},
    {AFTER("[null, 2, 2, 1]", "RandomRotation", ""), 4, {1, 2, 3, 4}},
    {AFTER("[null, 2, 2, 1]", "Dropout", ", \"rate\": 0.9"), 4, {1, 2, 3, 4}},
    /* The last softmax is taken off, through what moves nothing. */
    {AFTER("[null, 1, 1, 3]", "Activation", ", \"activation\": \"softmax\""),
     3,
     {1, 2, 3}},
    {MODEL_OF(INPUT("[null, 3]") ", " LAYER("Softmax", "s", "")), 3, {1, 2, 3}},
    {MODEL_OF(INPUT("[null, 1]") ", " LAYER("Activation", "s",
                                            ", \"activation\": \"sigmoid\"")),
     2,
     {0, 1}},
    {GRAPH_OF(IN_NODE
              ", " NODE("Flatten", "f", "", "[[\"in\", 0, 0, {}]]") ", " NODE(
                  "Concatenate", "out", ", \"axis\": 1",
                  "[[\"f\", 0, 0, {}], [\"f\", 0, 0, {}]]")),
     8,
     {1, 2, 3, 4, 1, 2, 3, 4}},
    /* Models in models. */
    {MODEL_OF(INPUT("[null, 2, 2]") ", " LAYER(
         "Sequential", "a",
         ", \"layers\": [" LAYER("Flatten", "in", "") ", " LAYER(
             "Sequential", "a",
             ", \"layers\": [" INPUT("[null, 4]") ", " LAYER(
                 "Rescaling", "a", ", \"scale\": 2, \"offset\": 1") "]") "]")),
     4,
     {3, 5, 7, 9}},
    /* Layers in any order. */
    {GRAPH_OF(NODE("Flatten", "out", "", "[[\"a\", 0, 0, {}]]") ", " NODE(
         "Add", "a", "",
         "[[\"in\", 0, 0, {}], [\"in\", 0, 0, {}]]") ", " IN_NODE),
     4,
     {2, 4, 6, 8}},
};

static void test_layers_without_weights(void)
{
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        float got[64];

        (void)run(answers[i].text, got);
        for (int k = 0; k < answers[i].n; k++)
            CHECK_NEAR(got[k], answers[i].want[k], 1e-5);
    }
}

/* --- what is refused ------------------------------------------------------ */

struct lie {
    const char *text;
    int code;
    const char *words;
};

static const struct lie lies[] = {
    {"", ASSAY_FORMAT, "config.json: line 1, column 0:"},
    {"{", ASSAY_FORMAT, "config.json: line 1"},
    {"[]", ASSAY_UNSUPPORTED, "the model is of the class '(none)'"},
    {"{\"class_name\": \"Own\"}", ASSAY_UNSUPPORTED, "of the class 'Own'"},
    {"{\"class_name\": \"Sequential\", \"class_name\": \"Model\"}",
     ASSAY_FORMAT, "duplicate"},
    {MODEL_OF(""), ASSAY_LIMIT, "0 layers; 1 to 4096 are possible"},
    {MODEL_OF("1"), ASSAY_FORMAT, "layer 0 has no class"},
    {MODEL_OF("{\"class_name\": \"Dense\", \"config\": {\"name\": \"a b\"}}"),
     ASSAY_FORMAT, "layer 0 has no class, no name or no settings"},
    {MODEL_OF(INPUT("[null, 2]") ", " INPUT("[null, 2]")), ASSAY_FORMAT,
     "two layers are called 'in'"},
    {MODEL_OF(INPUT("[null]")), ASSAY_UNSUPPORTED, "an input of 1 dimensions"},
    {MODEL_OF(INPUT("[null, 4, 4, 4, 1]")), ASSAY_UNSUPPORTED,
     "an input of 5 dimensions"},
    {MODEL_OF(INPUT("[null, 4, \"4\", 1]")), ASSAY_FORMAT,
     "dimension 2 of its input is no size"},
    {MODEL_OF(INPUT("[null, 4, -4, 1]")), ASSAY_FORMAT,
     "dimension 2 of its input is no size"},
    {MODEL_OF(INPUT("[null, null, 4, 1]")), ASSAY_UNSUPPORTED,
     "images of height 0; 1 to 4096 are possible, and the file does not tell"},
    {MODEL_OF(INPUT("[null, 4, 9999, 1]")), ASSAY_UNSUPPORTED,
     "images of width 9999"},
    {MODEL_OF(INPUT("[null, 4, 4, 5]")), ASSAY_UNSUPPORTED,
     "images of channels 5; 1 to 4"},
    {MODEL_OF(INPUT("[null, 7]")), ASSAY_UNSUPPORTED,
     "an input of 7 numbers does not tell what images it takes"},
    /* Layers. */
    {ONE("Lambda", ", \"function\": \"x\""), ASSAY_UNSUPPORTED,
     "layer 'it' (Lambda): the layer is not supported"},
    {ONE("TFOpLambda", ""), ASSAY_UNSUPPORTED,
     "layer 'it' (TFOpLambda): the layer is not supported"},
    {ONE("Functional", ", \"layers\": []"), ASSAY_LIMIT,
     "2 layers; 1 to 4096 are possible"},
    {ONE("InputLayer", ""), ASSAY_UNSUPPORTED,
     "(InputLayer): the layer is not supported"},
    {ONE("Conv2D", ", \"kernel_size\": [3, 3]"), ASSAY_FORMAT,
     "0 filters over 1 channels"},
    {ONE("Conv2D", ", \"filters\": 2"), ASSAY_FORMAT, "no 'kernel_size'"},
    {ONE("Conv2D", ", \"filters\": 2, \"kernel_size\": [3]"), ASSAY_FORMAT,
     "'kernel_size' has 1 numbers, must have 2"},
    {ONE("Conv2D", ", \"filters\": 2, \"kernel_size\": 0"), ASSAY_FORMAT,
     "'kernel_size' must be an integer from 1 to 65536"},
    {ONE("Conv2D", ", \"filters\": 2, \"kernel_size\": 3"), ASSAY_FORMAT,
     "layer 'it' (Conv2D): the file has no kernel of it"},
    {ONE("Conv2D", ", \"filters\": 3, \"kernel_size\": 3, \"groups\": 2"),
     ASSAY_FORMAT, "3 filters over 1 channels in 2 groups"},
    {ONE("Conv2D",
         ", \"filters\": 3, \"kernel_size\": 3, \"padding\": \"causal\""),
     ASSAY_UNSUPPORTED, "padding 'causal'"},
    {ONE("Conv2D", ", \"filters\": 3, \"kernel_size\": 3, \"data_format\": "
                   "\"channels_first\""),
     ASSAY_UNSUPPORTED, "data_format 'channels_first' is not supported"},
    {ONE("DepthwiseConv2D", ", \"kernel_size\": 3"), ASSAY_FORMAT,
     "the file has no depthwise_kernel of it"},
    {ONE("SeparableConv2D", ", \"kernel_size\": 3"), ASSAY_FORMAT,
     "it has no 'filters'"},
    {ONE("Dense", ""), ASSAY_FORMAT, "it has no 'units'"},
    {ONE("Dense", ", \"units\": 1e9"), ASSAY_FORMAT,
     "'units' must be an integer from 1 to 65536"},
    {ONE("BatchNormalization", ", \"axis\": 1"), ASSAY_UNSUPPORTED,
     "over another axis than the last"},
    {ONE("BatchNormalization", ", \"epsilon\": -1"), ASSAY_FORMAT,
     "epsilon -1"},
    {ONE("BatchNormalization", ""), ASSAY_FORMAT, "the file has no gamma"},
    {ONE("Normalization", ", \"mean\": [\"a\"], \"variance\": 1"),
     ASSAY_UNSUPPORTED, "'mean' is no number for each channel"},
    {ONE("Normalization", ", \"invert\": true"), ASSAY_UNSUPPORTED,
     "'invert' is not supported"},
    {ONE("Rescaling", ", \"scale\": \"2\""), ASSAY_UNSUPPORTED,
     "'scale' must be one number"},
    {ONE("Activation", ""), ASSAY_FORMAT, "it has no 'activation'"},
    {ONE("Activation", ", \"activation\": \"own\""), ASSAY_UNSUPPORTED,
     "the activation 'own' is not supported"},
    {ONE("Activation", ", \"activation\": {\"class_name\": \"function\"}"),
     ASSAY_UNSUPPORTED, "an object or function is not supported"},
    {ONE("ReLU", ", \"threshold\": 1"), ASSAY_UNSUPPORTED, "a threshold of 1"},
    {ONE("LeakyReLU", ", \"negative_slope\": -0.1"), ASSAY_UNSUPPORTED,
     "a slope of -0.1"},
    {ONE("Softmax", ", \"axis\": 1"), ASSAY_UNSUPPORTED, "over the axis 1"},
    {ONE("Dropout", ", \"rate\": 1"), ASSAY_FORMAT, "'rate' is 1"},
    {ONE("Flatten", ", \"data_format\": 3"), ASSAY_UNSUPPORTED,
     "'data_format' is no name"},
    {ONE("Reshape", ", \"target_shape\": [3, 5]"), ASSAY_FORMAT,
     "'target_shape' is none of 16 numbers"},
    {ONE("Reshape", ", \"target_shape\": [-1, -1]"), ASSAY_FORMAT,
     "'target_shape' is none of 16 numbers"},
    {ONE("Reshape", ", \"target_shape\": []"), ASSAY_UNSUPPORTED,
     "'target_shape' has 0 numbers"},
    {ONE("ZeroPadding2D", ", \"padding\": [[1, 1]]"), ASSAY_FORMAT,
     "'padding' has 1 parts"},
    {ONE("ZeroPadding2D", ", \"padding\": -1"), ASSAY_FORMAT,
     "no integer from 0 to 4096"},
    {ONE("MaxPooling2D", ", \"pool_size\": [9, 9]"), ASSAY_SHAPE, ""},
    {MODEL_OF(INPUT("[null, 4]") ", " LAYER("MaxPooling2D", "it", "")),
     ASSAY_UNSUPPORTED, "it reads a value of 2 dimensions, not a map of 4"},
    {ONE("Add", ""), ASSAY_FORMAT, "it reads 1 values, must 2 to 64"},
    {ONE("Concatenate", ", \"axis\": 0"), ASSAY_UNSUPPORTED,
     "it joins records of a batch"},
    {ONE("MaxPooling2D", ""), ASSAY_UNSUPPORTED,
     "the output is no row of 1 to 65536 scores"},
    {ONE("GlobalMaxPooling2D", ""), ASSAY_UNSUPPORTED,
     "the output is one number and no sigmoid"},
    /* Models in models. */
    {MODEL_OF(IN_LINE ", " NEST(NEST(NEST(NEST(NEST(FLATTEN)))))),
     ASSAY_UNSUPPORTED,
     "layer 'n' (Sequential): a model of 1 inputs, 5 deep; 1 and up to 4"},
    {GRAPH_OF(IN_NODE
              ", " NODE("Sequential", "out", ", \"layers\": [" FLATTEN "]",
                        "[[\"in\", 0, 0, {}], [\"in\", 0, 0, {}]]")),
     ASSAY_UNSUPPORTED, "a model of 2 inputs"},
    {GRAPH_OF(IN_NODE
              ", " NODE("Sequential", "out", ", \"layers\": [" FLATTEN "]",
                        "[[\"in\", 0, 0, {\"training\": true}]]")),
     ASSAY_UNSUPPORTED, "its call has the argument 'training'"},
    {GRAPH_OF(IN_NODE ", " NODE(
         "Sequential", "a", ", \"layers\": [" FLATTEN "]",
         "[[\"in\", 0, 0, {}]]") ", " NODE("Flatten", "out", "",
                                           "[[\"a\", 2, 0, {}]]")),
     ASSAY_UNSUPPORTED, "layer 'a' is used more than once"},
    {GRAPH_OF(IN_NODE ", " NODE(
         "Model", "out",
         ", \"layers\": [" NODE(
             "Flatten", "f", "",
             "[[\"in\", 0, 0, {}]]") "]"
                                     ", \"input_layers\": [[\"f\", 0, 0]], \"output_layers\": [[\"f\", 0,"
                                     " 0]]",
         "[[\"in\", 0, 0, {}]]")),
     ASSAY_FORMAT, "no layer is called 'in'"},
    /* Graphs. */
    {GRAPH_OF(IN_NODE), ASSAY_FORMAT, "no layer is called 'out'"},
    {GRAPH_OF(IN_NODE ", " NODE("Flatten", "out", "", "[[\"x\", 0, 0, {}]]")),
     ASSAY_FORMAT, "no layer is called 'x'"},
    {GRAPH_OF(IN_NODE ", " NODE("Flatten", "out", "", "[[\"in\", 1, 0, {}]]")),
     ASSAY_UNSUPPORTED, "layer 'in' is used more than once"},
    {GRAPH_OF(IN_NODE ", " NODE("Flatten", "out", "",
                                "[[\"in\", 0, 0, {\"mask\": 1}]]")),
     ASSAY_UNSUPPORTED, "its call has the argument 'mask'"},
    {GRAPH_OF(IN_NODE ", " NODE("Flatten", "out", "", "[[\"in\", 0]]")),
     ASSAY_FORMAT, "an input is not [name, node, tensor]"},
    {GRAPH_OF(IN_NODE ", " NODE("Flatten", "out", "",
                                "[[\"in\", 0, 0, {}]], [[\"in\", 0, 0, {}]]")),
     ASSAY_UNSUPPORTED, "layer 'out' is used 2 times"},
    {GRAPH_OF(IN_NODE ", " NODE("Flatten", "out", "",
                                "{\"args\": [7], \"kwargs\": {}}")),
     ASSAY_UNSUPPORTED, "an argument that is no tensor"},
    {GRAPH_OF(IN_NODE ", " NODE("Flatten", "out", "",
                                "{\"args\": [], \"kwargs\": {\"mask\": 1}}")),
     ASSAY_UNSUPPORTED, "its call has the argument 'mask'"},
    {GRAPH_OF(IN_NODE ", " NODE("Flatten", "out", "", "[[\"out\", 0, 0, {}]]")),
     ASSAY_FORMAT, "reads nothing that leads back to the input"},
    {GRAPH_OF(IN_NODE
              ", " NODE("Flatten", "a", "", "[[\"out\", 0, 0, {}]]") ", " NODE(
                  "Flatten", "out", "", "[[\"a\", 0, 0, {}]]")),
     ASSAY_FORMAT, "reads nothing that leads back to the input"},
    {"{\"class_name\": \"Model\", \"config\": {\"layers\": [" IN_NODE
     "], \"input_layers\": [[\"in\", 0, 0], [\"in\", 0, 0]]}}",
     ASSAY_UNSUPPORTED, "the model has 2 of 'input_layers'; 1 is supported"},
};

static void test_what_is_refused(void)
{
    struct assay_keras_roles roles = {0};

    for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
        struct assay_error err = {0, ""};
        struct assay_keras_classifier c;
        int rc = classify(&c, lies[i].text, &roles, &err);

        if (rc != lies[i].code || !strstr(err.msg, lies[i].words))
            printf("# %s\n# gives %d: %s\n", lies[i].text, rc, err.msg);
        CHECK_INT_EQ(rc, lies[i].code);
        CHECK_STR_HAS(err.msg, lies[i].words);
    }
}

/* Each layer joins what the one before gave 64 times. */
static void test_values_do_not_grow_beyond_counting(void)
{
    struct assay_keras_roles roles = {0};
    struct assay_keras_classifier c;
    struct assay_error err = {0, ""};
    char *text = malloc(1 << 18);
    char *at = text;

    CHECK(text != NULL);
    at += sprintf(at,
                  "{\"class_name\": \"Model\", \"config\": {\"layers\": ["
                  "%s",
                  IN_NODE);
    for (int i = 0; i < 12; i++) {
        at += sprintf(at,
                      ", {\"class_name\": \"Concatenate\", \"config\": "
                      "{\"name\": \"c%d\"}, \"inbound_nodes\": [[",
                      i);
        for (int k = 0; k < 64; k++) {
            if (i == 0)
                at += sprintf(at, "%s[\"in\", 0, 0]", k ? ", " : "");
            else
                at += sprintf(at, "%s[\"c%d\", 0, 0]", k ? ", " : "", i - 1);
        }
        at += sprintf(at, "]]}");
    }
    sprintf(at, "], \"input_layers\": [[\"in\", 0, 0]], \"output_layers\": "
                "[[\"c11\", 0, 0]]}}");
    CHECK_FAILS(classify(&c, text, &roles, &err), ASSAY_LIMIT, err);
    CHECK_STR_HAS(err.msg, "layer 'c4' (Concatenate): concat: the output is");
    free(text);
}

/* Every cut of a configuration is an error. */
static void test_every_cut_is_refused(void)
{
    struct assay_keras_roles roles = {0};
    const char *whole = answers[sizeof(answers) / sizeof(answers[0]) - 1].text;
    size_t size = strlen(whole);

    for (size_t n = 0; n < size; n++) {
        struct assay_error err = {0, ""};
        struct assay_keras_classifier c;
        char *text = strdup(whole);

        CHECK(text != NULL);
        text[n] = '\0';
        CHECK(classify(&c, text, &roles, &err) != ASSAY_OK);
        CHECK(err.msg[0] != '\0');
        free(text);
    }
}

/* --- weights -------------------------------------------------------------- */

/* tests/golden/keras/sequential.h5 with a text replaced by one as long. */
static void tell(const char *from, const char *to, int code, const char *words)
{
    const char *source = getenv("ASSAY_SOURCE");
    struct assay_keras_roles roles = {0};
    struct assay_keras_classifier c;
    struct assay_error err = {0, ""};
    unsigned char *data = NULL;
    unsigned char *at;
    char path[512];
    size_t size = 0;
    int rc;

    snprintf(path, sizeof(path), "%s/tests/golden/keras/sequential.h5",
             source ? source : ".");
    CHECK_OK(assay__read_file(path, 1 << 20, &data, &size, &err), err);
    CHECK_UINT_EQ(strlen(from), strlen(to));
    at = memmem(data, size, from, strlen(from));
    CHECK(at != NULL);
    memcpy(at, to, strlen(to));
    rc = assay_keras_parse(&c, data, size, &roles, &err);
    CHECK_INT_EQ(rc, code);
    CHECK_STR_HAS(err.msg, words);
    assay__free(data);
}

static void test_weights_must_fit(void)
{
    tell("\"filters\": 4", "\"filters\": 5", ASSAY_SHAPE,
         "layer 'conv' (Conv2D): kernel is of [3, 2, 2, 4], must be "
         "[3, 2, 2, 5]");
    tell("\"kernel_size\": [3, 2]", "\"kernel_size\": [2, 3]", ASSAY_SHAPE,
         "kernel is of [3, 2, 2, 4], must be [2, 3, 2, 4]");
    tell("\"use_bias\": true", "\"use_bias\":false", ASSAY_FORMAT,
         "the file has 2 weights of it, the layer takes 1");
    tell("\"units\": 6", "\"units\": 7", ASSAY_SHAPE,
         "layer 'hidden' (Dense): kernel is of [16, 6], must be [16, 7]");
    tell("conv/kernel:0", "conv/kernal:0", ASSAY_FORMAT,
         "the file has no kernel of it");
    tell("model_config", "model_c0nfig", ASSAY_UNSUPPORTED,
         "the file has no 'model_config'");
}

static const struct check_test tests[] = {
    CHECK_TEST(test_layers_without_weights),
    CHECK_TEST(test_what_is_refused),
    CHECK_TEST(test_values_do_not_grow_beyond_counting),
    CHECK_TEST(test_every_cut_is_refused),
    CHECK_TEST(test_weights_must_fit),
};
CHECK_MAIN(tests)
