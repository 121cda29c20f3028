/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_TESTS_CYCLONEDX_H
#define ASSAY_TESTS_CYCLONEDX_H

/*
 * A bill of materials held against what the schema of CycloneDX 1.6 says of
 * the kinds of objects that Assay writes: keys that must be there, keys that
 * may, the type of each, closed lists of words, the patterns of hashes and of
 * URLs, and that no reference occurs twice. Written from the published schema
 * (bom-1.6.schema.json), of which it is a small part: kinds and keys that are
 * not below are refused here although the schema knows more.
 */

#include <jansson.h>
#include <string.h>

#include "check.h"

enum cdx_type {
    CDX_TEXT,
    CDX_COUNT,
    CDX_URL,
    CDX_SHA256,
    CDX_OBJECT,
    CDX_LIST
};

struct cdx_kind;
struct cdx_key {
    const char *name; /* NULL: the end */
    enum cdx_type type;
    int needed;
    const char *words;         /* " a b ": the text is one of them */
    const struct cdx_kind *of; /* an object's kind, or that of a list's items */
};
struct cdx_kind {
    const char *name;
    struct cdx_key key[12];
};

static const struct cdx_kind cdx_hash = {
    "hash",
    {{"alg", CDX_TEXT, 1, " SHA-256 ", NULL},
     {"content", CDX_SHA256, 1, NULL, NULL}}};
static const struct cdx_kind cdx_license = {
    "license",
    {{"name", CDX_TEXT, 1, NULL, NULL}}};
static const struct cdx_kind cdx_choice = {
    "licenseChoice",
    {{"license", CDX_OBJECT, 1, NULL, &cdx_license}}};
static const struct cdx_kind cdx_reference = {
    "externalReference",
    {{"type", CDX_TEXT, 1, " distribution other ", NULL},
     {"url", CDX_URL, 1, NULL, NULL}}};
static const struct cdx_kind cdx_property = {
    "property",
    {{"name", CDX_TEXT, 1, NULL, NULL}, {"value", CDX_TEXT, 0, NULL, NULL}}};
static const struct cdx_kind cdx_data = {
    "componentData",
    {{"type", CDX_TEXT, 1, " dataset ", NULL},
     {"name", CDX_TEXT, 0, NULL, NULL}}};
static const struct cdx_kind cdx_parameters = {
    "modelParameters",
    {{"task", CDX_TEXT, 0, NULL, NULL},
     {"architectureFamily", CDX_TEXT, 0, NULL, NULL},
     {"modelArchitecture", CDX_TEXT, 0, NULL, NULL},
     {"datasets", CDX_LIST, 0, NULL, &cdx_data}}};
static const struct cdx_kind cdx_interval = {
    "confidenceInterval",
    {{"lowerBound", CDX_TEXT, 0, NULL, NULL},
     {"upperBound", CDX_TEXT, 0, NULL, NULL}}};
static const struct cdx_kind cdx_metric = {
    "performanceMetric",
    {{"type", CDX_TEXT, 0, NULL, NULL},
     {"value", CDX_TEXT, 0, NULL, NULL},
     {"slice", CDX_TEXT, 0, NULL, NULL},
     {"confidenceInterval", CDX_OBJECT, 0, NULL, &cdx_interval}}};
static const struct cdx_kind cdx_analysis = {
    "quantitativeAnalysis",
    {{"performanceMetrics", CDX_LIST, 0, NULL, &cdx_metric}}};
static const struct cdx_kind cdx_card = {
    "modelCard",
    {{"modelParameters", CDX_OBJECT, 0, NULL, &cdx_parameters},
     {"quantitativeAnalysis", CDX_OBJECT, 0, NULL, &cdx_analysis}}};
static const struct cdx_kind cdx_component = {
    "component",
    {{"type", CDX_TEXT, 1, " application machine-learning-model ", NULL},
     {"name", CDX_TEXT, 1, NULL, NULL},
     {"version", CDX_TEXT, 0, NULL, NULL},
     {"bom-ref", CDX_TEXT, 0, NULL, NULL},
     {"hashes", CDX_LIST, 0, NULL, &cdx_hash},
     {"licenses", CDX_LIST, 0, NULL, &cdx_choice},
     {"externalReferences", CDX_LIST, 0, NULL, &cdx_reference},
     {"modelCard", CDX_OBJECT, 0, NULL, &cdx_card},
     {"properties", CDX_LIST, 0, NULL, &cdx_property}}};
static const struct cdx_kind cdx_tools = {
    "tools",
    {{"components", CDX_LIST, 0, NULL, &cdx_component}}};
static const struct cdx_kind cdx_metadata = {
    "metadata",
    {{"tools", CDX_OBJECT, 0, NULL, &cdx_tools}}};
static const struct cdx_kind cdx_bom = {
    "bom",
    {{"$schema", CDX_TEXT, 0,
      " http://cyclonedx.org/schema/bom-1.6.schema.json ", NULL},
     {"bomFormat", CDX_TEXT, 1, " CycloneDX ", NULL},
     {"specVersion", CDX_TEXT, 1, " 1.6 ", NULL},
     {"version", CDX_COUNT, 0, NULL, NULL},
     {"metadata", CDX_OBJECT, 0, NULL, &cdx_metadata},
     {"components", CDX_LIST, 0, NULL, &cdx_component}}};

/* A reference of RFC 3987: no blanks, controls or what must be encoded, and
 * each percent with two digits. */
static inline int cdx_is_url(const char *text)
{
    static const char hex[] = "0123456789abcdefABCDEF";

    for (const char *p = text; *p; p++) {
        if ((unsigned char)*p <= 0x20 || *p == 0x7f ||
            strchr("<>\"{}|\\^`", *p))
            return 0;
        if (*p == '%' &&
            (!p[1] || !strchr(hex, p[1]) || !p[2] || !strchr(hex, p[2])))
            return 0;
    }
    return text[0] != '\0';
}

static inline void cdx_check_text(const struct cdx_key *key, const char *text)
{
    char word[256];

    CHECK(text != NULL);
    snprintf(word, sizeof(word), " %s ", text);
    if (key->words)
        CHECK_STR_HAS(key->words, word);
    if (key->type == CDX_URL && !cdx_is_url(text))
        CHECK_STR_EQ(text, "a URL");
    if (key->type == CDX_SHA256) {
        CHECK_UINT_EQ(strlen(text), 64);
        CHECK_UINT_EQ(strspn(text, "0123456789abcdefABCDEF"), 64);
    }
}

static inline void cdx_check(const struct cdx_kind *kind, const json_t *object);

static inline void cdx_check_value(const struct cdx_key *key,
                                   const json_t *value)
{
    const json_t *item;
    size_t i;

    switch (key->type) {
    case CDX_COUNT:
        CHECK(json_is_integer(value) && json_integer_value(value) >= 1);
        break;
    case CDX_OBJECT:
        cdx_check(key->of, value);
        break;
    case CDX_LIST:
        CHECK(json_is_array(value));
        json_array_foreach(value, i, item)
        {
            cdx_check(key->of, item);
        }
        break;
    default:
        cdx_check_text(key, json_string_value(value));
    }
}

/* An object of a kind, and all in it. */
static inline void cdx_check(const struct cdx_kind *kind, const json_t *object)
{
    size_t known = 0;

    if (!json_is_object(object))
        CHECK_STR_EQ(kind->name, "an object");
    for (const struct cdx_key *key = kind->key; key->name; key++) {
        const json_t *value = json_object_get(object, key->name);

        if (!value && key->needed)
            CHECK_STR_EQ(kind->name, key->name);
        if (!value)
            continue;
        known++;
        cdx_check_value(key, value);
    }
    if (known != json_object_size(object)) {
        printf("# %s has a key that is not in the schema\n", kind->name);
        CHECK_UINT_EQ(json_object_size(object), known);
    }
}

/* The whole of it. */
static inline void cdx_check_bom(const json_t *bom)
{
    const json_t *list = json_object_get(bom, "components");
    json_t *seen = json_object();

    cdx_check(&cdx_bom, bom);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *ref = json_string_value(
            json_object_get(json_array_get(list, i), "bom-ref"));

        CHECK(ref != NULL && ref[0] != '\0');
        CHECK(json_object_get(seen, ref) == NULL);
        CHECK_INT_EQ(json_object_set_new(seen, ref, json_true()), 0);
    }
    json_decref(seen);
}

#endif
