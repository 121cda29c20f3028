/* SPDX-License-Identifier: Apache-2.0 */
/*
 * YAML of no known schema as a tree of JSON values (yaml.h), on libyaml's
 * events. Every scalar becomes a string, but for a plain null or nothing,
 * which becomes null. Recursion is as deep as the document, and that is
 * limited.
 */

#include <string.h>
#include <yaml.h>

#include "core/json.h"
#include "core/yaml.h"

enum { DEPTH_MAX = 32, NODES_MAX = 1 << 16 };

struct reader {
    yaml_parser_t parser;
    yaml_event_t event;
    const char *what;
    size_t n_nodes;
    struct assay_error *err;
};

static int refuse(struct reader *r, int code, const char *why)
{
    return assay_error_set(r->err, code, "%.90s: line %zu, column %zu: %s",
                           r->what, r->event.start_mark.line + 1,
                           r->event.start_mark.column + 1, why);
}

/* The next event into r->event; the one before is given back. */
static int next(struct reader *r)
{
    yaml_event_delete(&r->event);
    if (yaml_parser_parse(&r->parser, &r->event))
        return ASSAY_OK;
    memset(&r->event, 0, sizeof(r->event));
    if (r->parser.error == YAML_MEMORY_ERROR)
        return assay_error_set(r->err, ASSAY_NOMEM, "%s", r->what);
    return assay_error_set(
        r->err, ASSAY_FORMAT, "%.90s: line %zu, column %zu: %.80s", r->what,
        r->parser.problem_mark.line + 1, r->parser.problem_mark.column + 1,
        r->parser.problem != NULL ? r->parser.problem : "not YAML");
}

static int take_scalar(struct reader *r, json_t **out)
{
    const char *text = (const char *)r->event.data.scalar.value;
    size_t size = r->event.data.scalar.length;

    if (strlen(text) != size)
        return refuse(r, ASSAY_FORMAT, "a NUL in text");
    if (r->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
        (size == 0 || strcmp(text, "null") == 0 || strcmp(text, "~") == 0))
        *out = json_null();
    else
        *out = assay__json_string(text);
    return *out != NULL ? ASSAY_OK : refuse(r, ASSAY_NOMEM, "out of memory");
}

/* What the event at hand begins, and all within it; *out stays NULL on
 * failure. */
static int take(struct reader *r, int depth, json_t **out);

static int take_list(struct reader *r, int depth, json_t *list)
{
    int code = next(r);

    while (code == ASSAY_OK && r->event.type != YAML_SEQUENCE_END_EVENT) {
        json_t *item = NULL;

        code = take(r, depth + 1, &item);
        if (code == ASSAY_OK && json_array_append_new(list, item) != 0)
            code = refuse(r, ASSAY_NOMEM, "out of memory");
        if (code == ASSAY_OK)
            code = next(r);
    }
    return code;
}

static int take_mapping(struct reader *r, int depth, json_t *object)
{
    int code = next(r);

    while (code == ASSAY_OK && r->event.type != YAML_MAPPING_END_EVENT) {
        json_t *key = NULL;
        json_t *item = NULL;

        if (r->event.type != YAML_SCALAR_EVENT)
            return refuse(r, ASSAY_FORMAT, "a key that is no plain text");
        key = assay__json_string((const char *)r->event.data.scalar.value);
        if (key == NULL)
            return refuse(r, ASSAY_NOMEM, "out of memory");
        if (json_object_get(object, json_string_value(key)) != NULL)
            code = refuse(r, ASSAY_FORMAT, "a key that was there before");
        if (code == ASSAY_OK)
            code = next(r);
        if (code == ASSAY_OK)
            code = take(r, depth + 1, &item);
        if (code == ASSAY_OK &&
            json_object_set_new(object, json_string_value(key), item) != 0)
            code = refuse(r, ASSAY_NOMEM, "out of memory");
        json_decref(key);
        if (code == ASSAY_OK)
            code = next(r);
    }
    return code;
}

static int take(struct reader *r, int depth, json_t **out)
{
    json_t *value = NULL;
    int code = ASSAY_OK;

    if (depth > DEPTH_MAX)
        return refuse(r, ASSAY_LIMIT, "nested over 32 deep");
    if (++r->n_nodes > NODES_MAX)
        return refuse(r, ASSAY_LIMIT, "more than 65536 values");
    switch (r->event.type) {
    case YAML_SCALAR_EVENT:
        return take_scalar(r, out);
    case YAML_SEQUENCE_START_EVENT:
        value = json_array();
        code = value != NULL ? take_list(r, depth, value)
                             : refuse(r, ASSAY_NOMEM, "out of memory");
        break;
    case YAML_MAPPING_START_EVENT:
        value = json_object();
        code = value != NULL ? take_mapping(r, depth, value)
                             : refuse(r, ASSAY_NOMEM, "out of memory");
        break;
    default:
        return refuse(r, ASSAY_FORMAT, "an alias, or no value at all");
    }
    if (code == ASSAY_OK)
        *out = value;
    else
        json_decref(value);
    return code;
}

int assay__yaml_tree(json_t **out, const char *text, size_t size,
                     const char *what, struct assay_error *err)
{
    struct reader r;
    json_t *value = NULL;
    int code;

    memset(&r, 0, sizeof(r));
    r.what = what;
    r.err = err;
    if (!yaml_parser_initialize(&r.parser))
        return assay_error_set(err, ASSAY_NOMEM, "%s", what);
    yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, size);
    code = next(&r);
    if (code == ASSAY_OK)
        code = next(&r); /* behind the stream's start */
    if (code == ASSAY_OK && r.event.type != YAML_DOCUMENT_START_EVENT)
        code = assay_error_set(err, ASSAY_FORMAT, "%.90s: empty", what);
    if (code == ASSAY_OK)
        code = next(&r);
    if (code == ASSAY_OK)
        code = take(&r, 0, &value);
    yaml_event_delete(&r.event);
    yaml_parser_delete(&r.parser);
    if (code == ASSAY_OK)
        *out = value;
    return code;
}
