/* SPDX-License-Identifier: Apache-2.0 */
/* What the configuration of the layer under way says, held against limits. */

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "keras/import.h"

void assay__keras_fail(struct assay__keras_builder *b, int code,
                       const char *fmt, ...)
{
    char msg[sizeof(b->err->msg)];
    va_list args;

    /* What the graph could not make comes first. */
    if (b->code == ASSAY_OK && b->g)
        b->code = assay_graph_check(b->g, b->err);
    if (b->code != ASSAY_OK)
        return;
    va_start(args, fmt);
    vsnprintf(msg, sizeof(msg), fmt, args);
    va_end(args);
    b->code = assay_error_set(b->err, code, "%s", msg);
}

/* NULL when it is absent or null. */
const json_t *assay__keras_get(const struct assay__keras_builder *b,
                               const char *key)
{
    const json_t *v = json_object_get(b->layer->config, key);

    return json_is_null(v) ? NULL : v;
}

static int int_of(struct assay__keras_builder *b, const json_t *v,
                  const char *key, int low, int high)
{
    if (!json_is_integer(v) || json_integer_value(v) < low ||
        json_integer_value(v) > high) {
        assay__keras_fail(b, ASSAY_FORMAT,
                          "'%s' must be an integer from %d to %d", key, low,
                          high);
        return low;
    }
    return (int)json_integer_value(v);
}

int assay__keras_int(struct assay__keras_builder *b, const char *key, int low,
                     int high, int otherwise)
{
    const json_t *v = assay__keras_get(b, key);

    return v ? int_of(b, v, key, low, high) : otherwise;
}

double assay__keras_real(struct assay__keras_builder *b, const char *key,
                         double otherwise)
{
    const json_t *v = assay__keras_get(b, key);

    /* Keras writes some numbers as arrays of one. */
    if (json_is_object(v))
        v = json_object_get(v, "value");
    if (!v)
        return otherwise;
    if (!json_is_number(v) || !isfinite(json_number_value(v))) {
        assay__keras_fail(b, ASSAY_UNSUPPORTED, "'%s' must be one number", key);
        return otherwise;
    }
    return json_number_value(v);
}

bool assay__keras_bool(struct assay__keras_builder *b, const char *key,
                       bool otherwise)
{
    const json_t *v = assay__keras_get(b, key);

    if (!v)
        return otherwise;
    if (!json_is_boolean(v))
        assay__keras_fail(b, ASSAY_FORMAT, "'%s' must be true or false", key);
    return json_is_true(v);
}

const char *assay__keras_text(struct assay__keras_builder *b, const char *key)
{
    const json_t *v = assay__keras_get(b, key);

    if (v && !json_is_string(v))
        assay__keras_fail(b, ASSAY_UNSUPPORTED,
                          "'%s' is no name; an object or function is not "
                          "supported",
                          key);
    return json_string_value(v);
}

void assay__keras_pair(struct assay__keras_builder *b, const char *key,
                       int otherwise, int out[2])
{
    const json_t *v = assay__keras_get(b, key);
    bool two = json_array_size(v) == 2;

    out[0] = out[1] = otherwise;
    if (!v)
        return;
    if (json_is_array(v) && !two) {
        assay__keras_fail(b, ASSAY_FORMAT, "'%s' has %zu numbers, must have 2",
                          key, json_array_size(v));
        return;
    }
    for (size_t i = 0; i < 2; i++)
        out[i] = int_of(b, two ? json_array_get(v, i) : v, key, 1,
                        ASSAY__KERAS_SIZE_MAX);
}

void assay__keras_channels_last(struct assay__keras_builder *b)
{
    const char *text = assay__keras_text(b, "data_format");

    if (text && strcmp(text, "channels_last") != 0)
        assay__keras_fail(b, ASSAY_UNSUPPORTED,
                          "data_format '%.40s' is not supported", text);
}
