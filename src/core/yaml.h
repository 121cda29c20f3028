/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_CORE_YAML_H
#define ASSAY_CORE_YAML_H

/*
 * YAML into structs, on libcyaml: the caller describes its structs in a
 * schema (cyaml's macros), and what does not fit it is refused with line and
 * column: unknown and missing keys, wrong types, lists that are too long.
 * Aliases are refused, so that a small file cannot stand for a large one.
 */

#include <cyaml/cyaml.h>
#include <jansson.h>
#include <stddef.h>

#include "assay/error.h"

/*
 * text    `size` bytes and a NUL behind them
 * schema  a mapping with CYAML_FLAG_POINTER
 * what    the file's name in messages: "policy limits.yaml"
 * data    out; assay__yaml_free() with the same schema. Untouched on failure
 *
 * Errors: _FORMAT (also for an empty file), _NOMEM.
 */
int assay__yaml_load(void **data, const char *text, size_t size,
                     const cyaml_schema_value_t *schema, const char *what,
                     struct assay_error *err) ASSAY_MUST_CHECK;
/* NULL is accepted. */
void assay__yaml_free(const cyaml_schema_value_t *schema, void *data);

/*
 * YAML without a schema: mappings, lists and strings, every scalar a string
 * but null. One document is read, what follows it is not looked at. Aliases
 * and repeated keys are refused, and more than 32 levels or 65,536 values.
 *
 * out  new reference; untouched on failure
 *
 * Errors: _FORMAT, _LIMIT, with line and column; _NOMEM.
 */
int assay__yaml_tree(json_t **out, const char *text, size_t size,
                     const char *what,
                     struct assay_error *err) ASSAY_MUST_CHECK;

#endif
