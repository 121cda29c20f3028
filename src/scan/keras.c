/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keras models: their configuration is JSON, in the file config.json of a
 * .keras archive or as an attribute of an HDF5 file. A Lambda layer or a
 * serialised function is Python code; "module" and "class_name" can name
 * what a loader imports. The allow-list is Keras's own modules.
 */

#include <jansson.h>
#include <string.h>

#include "core/mem.h"
#include "scan/scan.h"

enum { DEPTH_MAX = 64, JSON_MAX = 1 << 25 };

struct walk {
    struct assay__scan_job *job;
    size_t offset;
    struct assay_error *err;
};

static bool is_config(const unsigned char *data, size_t size)
{
    size_t i = 0;

    while (i < size && (data[i] == ' ' || data[i] == '\n' || data[i] == '\r' ||
                        data[i] == '\t'))
        i++;
    return i < size && data[i] == '{' &&
           memmem(data, size, "class_name", 10) != NULL;
}

static int probe(const unsigned char *data, size_t size, const char *name)
{
    return assay__scan_is_hdf5(data, size) || is_config(data, size) ||
           (name && strcmp(name, "config.json") == 0);
}

/* Modules whose classes a loader of Keras makes by itself. */
static bool is_keras(const char *module)
{
    static const char *const own[] = {
        "keras",
        "keras.src",
        "tf_keras",
        "keras_nlp",
        "tensorflow.keras",
        "tensorflow.python.keras",
        "keras_cv",
        "tensorflow.python.trackable",
        "keras_hub",
    };

    if (strncmp(module, "keras.utils", 11) == 0 ||
        strncmp(module, "keras.src.utils", 15) == 0 ||
        strncmp(module, "keras.models", 12) == 0)
        return strcmp(module, "keras.models") == 0;
    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
        size_t n = strlen(own[i]);

        if (strncmp(module, own[i], n) == 0 &&
            (module[n] == '\0' || module[n] == '.'))
            return true;
    }
    return strcmp(module, "builtins") == 0; /* with a plain class, see below */
}

static bool is_one_of(const char *text, const char *const *list)
{
    while (*list && strcmp(*list, text) != 0)
        list++;
    return *list != NULL;
}

static int note(const struct walk *w, enum assay__scan_rule rule,
                const char *what, const char *why)
{
    return assay__scan_note(w->job, rule, w->offset, what, w->err, "%s", why);
}

static int check_class(const struct walk *w, const json_t *object,
                       const char *class_name)
{
    static const char *const code[] = {"Lambda", "function", "__lambda__",
                                       "lambda", NULL};
    static const char *const loads[] = {"TFSMLayer", "TorchModuleWrapper",
                                        "JaxLayer", "FlaxLayer", NULL};
    static const char *const plain[] = {"bool", "bytes", "dict", "float",
                                        "int",  "list",  "set",  "slice",
                                        "str",  "tuple", NULL};
    const char *module = json_string_value(json_object_get(object, "module"));
    const char *registered =
        json_string_value(json_object_get(object, "registered_name"));
    int rc = ASSAY_OK;

    if (is_one_of(class_name, code))
        rc = note(w, ASSAY__RULE_KERAS_CODE, class_name,
                  "its configuration holds a function as Python code");
    else if (is_one_of(class_name, loads))
        rc = note(w, ASSAY__RULE_KERAS_CODE, class_name,
                  "the layer loads a further program from a file");
    else if (strncmp(class_name, "TFOpLambda", 10) == 0 ||
             strncmp(class_name, "SlicingOpLambda", 15) == 0)
        rc = note(w, ASSAY__RULE_KERAS_CUSTOM, class_name,
                  "the layer calls a function of TensorFlow by its name");
    if (!rc && module && !is_keras(module))
        rc = note(w, ASSAY__RULE_KERAS_FOREIGN, module,
                  "loading the model imports this module");
    if (!rc && module && strcmp(module, "builtins") == 0 &&
        !is_one_of(class_name, plain))
        rc = note(w, ASSAY__RULE_KERAS_FOREIGN, class_name,
                  "loading the model takes this from Python itself");
    if (!rc && registered && strchr(registered, '>') &&
        strncmp(registered, "keras", 5) != 0)
        rc = note(w, ASSAY__RULE_KERAS_CUSTOM, registered,
                  "the class is its maker's, not Keras's");
    return rc;
}

static int walk_value(const struct walk *w, json_t *value, int depth);

static int walk_object(const struct walk *w, json_t *object, int depth)
{
    const char *class_name =
        json_string_value(json_object_get(object, "class_name"));
    const char *key;
    json_t *value;
    int rc = ASSAY_OK;

    if (class_name)
        rc = check_class(w, object, class_name);
    json_object_foreach(object, key, value)
    {
        if (!rc && strcmp(key, "enable_unsafe_deserialization") == 0)
            rc = note(w, ASSAY__RULE_KERAS_UNSAFE, key,
                      "the configuration switches safe loading off");
        if (!rc && strcmp(key, "safe_mode") == 0 && json_is_false(value))
            rc = note(w, ASSAY__RULE_KERAS_UNSAFE, key,
                      "the configuration switches safe loading off");
        if (!rc)
            rc = walk_value(w, value, depth + 1);
    }
    return rc;
}

static int walk_value(const struct walk *w, json_t *value, int depth)
{
    size_t i;
    json_t *item;
    int rc = ASSAY_OK;

    if (depth > DEPTH_MAX)
        return note(w, ASSAY__RULE_TOO_DEEP, NULL,
                    "the configuration is nested too deep");
    if (json_is_object(value))
        return walk_object(w, value, depth);
    json_array_foreach(value, i, item)
    {
        if (!rc)
            rc = walk_value(w, item, depth + 1);
    }
    /* A configuration may be JSON within a text of JSON. */
    if (json_is_string(value) && json_string_value(value)[0] == '{') {
        size_t used = 0;

        rc = assay__scan_keras_json(
            w->job, (const unsigned char *)json_string_value(value),
            json_string_length(value), w->offset, &used, w->err);
    }
    return rc;
}

int assay__scan_keras_json(struct assay__scan_job *job,
                           const unsigned char *text, size_t size,
                           size_t offset, size_t *used, struct assay_error *err)
{
    const struct walk w = {job, offset, err};
    json_error_t why;
    json_t *root;
    int rc;

    *used = 0;
    root = json_loadb((const char *)text, size < JSON_MAX ? size : JSON_MAX,
                      JSON_DISABLE_EOF_CHECK, &why);
    if (!root)
        return json_error_code(&why) == json_error_out_of_memory
                   ? assay_error_set(err, ASSAY_NOMEM, "no memory to scan")
                   : ASSAY_OK;
    *used = why.position > 0 ? (size_t)why.position : 1;
    rc = walk_value(&w, root, 0);
    json_decref(root);
    return rc;
}

static int scan(struct assay__scan_job *job, const unsigned char *data,
                size_t size, struct assay_error *err)
{
    size_t used = 0;
    int rc;

    if (assay__scan_is_hdf5(data, size))
        return assay__scan_hdf5(job, data, size, err);
    rc = assay__scan_keras_json(job, data, size, 0, &used, err);
    if (!rc && used == 0)
        rc = assay__scan_note(job, ASSAY__RULE_KERAS_BROKEN, 0, NULL, err,
                              "its configuration is not JSON");
    return rc;
}

const struct assay__scanner assay__scanner_keras = {
    .name = "keras",
    .suffixes = " .h5 .hdf5 .keras ",
    .probe = probe,
    .scan = scan,
};
