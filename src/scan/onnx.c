/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ONNX models, by the protobuf wire format alone: messages that matter are
 * followed by field number (onnx.proto3), all others are stepped over.
 * Looked at are weights in other files (a path that leaves the model's
 * folder, a link, a range beyond the file), operators of foreign domains
 * (their code is a shared library that somebody must load), sizes that
 * cannot be, and pickles in metadata.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/checked.h"
#include "core/mem.h"
#include "formats/wire.h"
#include "scan/scan.h"

enum { DEPTH_MAX = 32, RANK_MAX = 1 << 16, TEXT_MAX = 1024 };

struct model {
    struct assay__scan_job *job;
    struct assay_error *err;
};

/* What a message is, to those who follow it. */
enum kind {
    KIND_SKIP,
    KIND_MODEL,
    KIND_GRAPH,
    KIND_NODE,
    KIND_ATTRIBUTE,
    KIND_TENSOR,
    KIND_SPARSE,
    KIND_FUNCTION,
    KIND_OPSET,
    KIND_TRAINING,
    KIND_META
};

/* Fields that are messages of interest: onnx.proto3's numbers. */
static const struct {
    enum kind of;
    uint32_t field;
    enum kind is;
} fields[] = {
    {KIND_MODEL, 7, KIND_GRAPH},       {KIND_MODEL, 8, KIND_OPSET},
    {KIND_MODEL, 14, KIND_META},       {KIND_MODEL, 20, KIND_TRAINING},
    {KIND_MODEL, 25, KIND_FUNCTION},   {KIND_TRAINING, 1, KIND_GRAPH},
    {KIND_TRAINING, 2, KIND_GRAPH},    {KIND_GRAPH, 1, KIND_NODE},
    {KIND_GRAPH, 5, KIND_TENSOR},      {KIND_GRAPH, 15, KIND_SPARSE},
    {KIND_NODE, 5, KIND_ATTRIBUTE},    {KIND_FUNCTION, 7, KIND_NODE},
    {KIND_FUNCTION, 9, KIND_OPSET},    {KIND_FUNCTION, 11, KIND_ATTRIBUTE},
    {KIND_ATTRIBUTE, 5, KIND_TENSOR},  {KIND_ATTRIBUTE, 6, KIND_GRAPH},
    {KIND_ATTRIBUTE, 10, KIND_TENSOR}, {KIND_ATTRIBUTE, 11, KIND_GRAPH},
    {KIND_ATTRIBUTE, 22, KIND_SPARSE}, {KIND_ATTRIBUTE, 23, KIND_SPARSE},
    {KIND_SPARSE, 1, KIND_TENSOR},     {KIND_SPARSE, 2, KIND_TENSOR},
};

static enum kind kind_of(enum kind of, const struct assay__field *f)
{
    for (size_t i = 0; f->kind == 2 && i < sizeof(fields) / sizeof(fields[0]);
         i++) {
        if (fields[i].of == of && fields[i].field == f->number)
            return fields[i].is;
    }
    return KIND_SKIP;
}

/* A model has a version (1) and a graph (7), and nothing malformed on top. */
static int probe(const unsigned char *data, size_t size, const char *name)
{
    struct assay__wire w = {data, 0, size};
    struct assay__field f;
    bool version = false;
    bool graph = false;
    int rc;

    if (assay__scan_has_suffix(name, assay__scanner_onnx.suffixes))
        return true;
    while ((rc = assay__wire_next(&w, &f, NULL)) > 0) {
        version = version || (f.number == 1 && f.kind == 0 && f.value < 1000);
        graph = graph || (f.number == 7 && f.kind == 2);
    }
    return rc == 0 && version && graph;
}

static void copy_text(char *out, const struct assay__wire *text)
{
    size_t size = text->end - text->at;
    size_t n = size < TEXT_MAX - 1 ? size : TEXT_MAX - 1;

    if (n)
        memcpy(out, text->data + text->at, n);
    out[n] = '\0';
}

static int check_domain(const struct model *m, const struct assay__wire *text)
{
    char domain[TEXT_MAX];

    copy_text(domain, text);
    if (text->at == text->end || strcmp(domain, "ai.onnx") == 0 ||
        strncmp(domain, "ai.onnx.", 8) == 0)
        return ASSAY_OK;
    return assay__scan_note(m->job, ASSAY__RULE_ONNX_DOMAIN, text->at, domain,
                            m->err,
                            "operators of this domain are code outside the "
                            "model and outside ONNX");
}

/* Does the path stay in the model's folder? */
static bool is_inside(const char *path, size_t n)
{
    if (n == 0 || strlen(path) != n || path[0] == '/' || path[0] == '\\' ||
        strchr(path, '\\') || (n > 1 && path[1] == ':'))
        return false;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)path[i];

        if (c < 0x20 || c == 0x7f)
            return false;
        if (c == '.' && path[i + 1] == '.' && (i == 0 || path[i - 1] == '/') &&
            (path[i + 2] == '/' || path[i + 2] == '\0'))
            return false;
    }
    return true;
}

/* External data as its key and value pairs tell it. */
struct external {
    char location[TEXT_MAX];
    size_t n_location;
    size_t at;
    uint64_t offset;
    uint64_t length;
    bool has_length;
};

/* Every part of the path: a link may lead anywhere. */
static int check_links(const struct model *m, const struct external *e,
                       const char *model_path)
{
    const char *slash = strrchr(model_path, '/');
    int folder = slash ? (int)(slash - model_path + 1) : 0;
    const char *end = e->location;
    struct stat st;
    char *path;
    bool link = false;

    memset(&st, 0, sizeof(st));
    while (*end && !link) {
        end += strcspn(end + 1, "/") + 1;
        path = assay__format("%.*s%.*s", folder, model_path,
                             (int)(end - e->location), e->location);
        if (!path)
            return assay_error_set(m->err, ASSAY_NOMEM, "no memory to scan");
        if (lstat(path, &st) != 0) {
            assay__free(path);
            return ASSAY_OK; /* it is not there to be looked at */
        }
        assay__free(path);
        link = S_ISLNK(st.st_mode) || (!*end && st.st_nlink > 1);
    }
    if (link)
        return assay__scan_note(m->job, ASSAY__RULE_ONNX_PATH, e->at,
                                e->location, m->err,
                                "its weights are a link to another place");
    if (S_ISREG(st.st_mode) &&
        !assay__range_ok(e->offset, e->has_length ? e->length : 0,
                         (uint64_t)st.st_size))
        return assay__scan_note(m->job, ASSAY__RULE_ONNX_EXTERNAL, e->at,
                                e->location, m->err,
                                "it reads beyond the end of that file");
    return ASSAY_OK;
}

static int check_external(const struct model *m, const struct external *e)
{
    int rc;

    if (!is_inside(e->location, e->n_location))
        return assay__scan_note(m->job, ASSAY__RULE_ONNX_PATH, e->at,
                                e->location, m->err,
                                "its weights lie outside the model's folder");
    rc = assay__scan_note(m->job, ASSAY__RULE_MORE_FILES, e->at, e->location,
                          m->err, "weights are in this file");
    if (!rc && m->job->path && m->job->depth == 0)
        rc = check_links(m, e, m->job->path);
    return rc;
}

static bool read_number(const char *text, uint64_t *value)
{
    size_t n = strlen(text);

    *value = 0;
    if (n == 0 || n > 18 || strspn(text, "0123456789") != n)
        return false;
    *value = strtoull(text, NULL, 10);
    return true;
}

/* One {key, value} of a tensor's external_data. */
static int read_pair(const struct model *m, struct assay__wire pair,
                     struct external *e)
{
    struct assay__field f;
    struct assay__wire inner;
    char text[2][TEXT_MAX] = {"", ""};
    size_t size = 0;
    size_t at = pair.at;
    bool fine = true;

    while (assay__wire_next(&pair, &f, NULL) > 0) {
        if (f.kind != 2 || f.number < 1 || f.number > 2)
            continue;
        inner = assay__wire_inside(&pair, &f);
        copy_text(text[f.number - 1], &inner);
        if (f.number == 2)
            size = f.size;
    }
    if (strcmp(text[0], "location") == 0) {
        memcpy(e->location, text[1], TEXT_MAX);
        e->n_location = size;
        e->at = at;
    } else if (strcmp(text[0], "offset") == 0) {
        fine = read_number(text[1], &e->offset);
    } else if (strcmp(text[0], "length") == 0) {
        fine = read_number(text[1], &e->length);
        e->has_length = fine;
    } else {
        fine = strcmp(text[0], "checksum") == 0;
    }
    if (fine)
        return ASSAY_OK;
    return assay__scan_note(m->job, ASSAY__RULE_ONNX_EXTERNAL, at, text[0],
                            m->err,
                            "the key is not known, or its value '%.60s' is no "
                            "number from 0 on",
                            text[1]);
}

/* Dimensions come one by one or packed. */
static int add_dims(const struct model *m, const struct assay__wire *w,
                    const struct assay__field *f, size_t *count, size_t *rank)
{
    struct assay__wire packed = assay__wire_inside(w, f);
    uint64_t value = f->value;
    bool fits = true;

    if (f->kind == ASSAY__WIRE_VARINT) {
        fits =
            value <= INT64_MAX && assay__mul_size(*count, (size_t)value, count);
        *rank += 1;
    }
    while (f->kind == ASSAY__WIRE_BYTES && fits && packed.at < packed.end) {
        fits = assay__wire_varint(&packed, &value, NULL) == ASSAY_OK &&
               value <= INT64_MAX &&
               assay__mul_size(*count, (size_t)value, count);
        *rank += 1;
    }
    if (fits && *rank <= RANK_MAX)
        return ASSAY_OK;
    return assay__scan_note(m->job, ASSAY__RULE_ONNX_SIZE, f->key_at, NULL,
                            m->err,
                            "a tensor's dimensions are negative, too many or "
                            "multiply to more than memory can be");
}

static int broken(const struct model *m, const struct assay__wire *w)
{
    return assay__scan_note(m->job, ASSAY__RULE_ONNX_BROKEN, w->at, NULL,
                            m->err, "the protobuf wire format is broken here");
}

static int walk_tensor(const struct model *m, struct assay__wire w)
{
    struct external e = {.n_location = 0};
    struct assay__field f;
    size_t count = 1;
    size_t rank = 0;
    bool outside = false;
    size_t start = w.at;
    int more = 0;
    int rc = ASSAY_OK;

    while (!rc && (more = assay__wire_next(&w, &f, NULL)) > 0) {
        if (f.number == 1 && (f.kind == 0 || f.kind == 2))
            rc = add_dims(m, &w, &f, &count, &rank);
        else if (f.number == 13 && f.kind == 2) {
            rc = read_pair(m, assay__wire_inside(&w, &f), &e);
            outside = true;
        } else if (f.number == 14 && f.kind == 0 && f.value == 1) {
            outside = true;
        }
    }
    if (!rc && more < 0)
        rc = broken(m, &w);
    if (!rc && outside && e.at == 0)
        rc = assay__scan_note(m->job, ASSAY__RULE_ONNX_EXTERNAL, start,
                              "location", m->err,
                              "a tensor lies in another file, and none is "
                              "named");
    else if (!rc && outside)
        rc = check_external(m, &e);
    return rc;
}

static int walk_meta(const struct model *m, struct assay__wire w)
{
    struct assay__field f;
    int rc = ASSAY_OK;

    while (!rc && assay__wire_next(&w, &f, NULL) > 0) {
        if (f.kind == 2)
            rc =
                assay__scan_hidden(m->job, w.data + f.at, f.size, f.at, m->err);
    }
    return rc;
}

static int walk(const struct model *m, struct assay__wire w, enum kind kind,
                int depth)
{
    struct assay__field f;
    int more = 0;
    int rc = ASSAY_OK;

    if (depth > DEPTH_MAX)
        return assay__scan_note(m->job, ASSAY__RULE_TOO_DEEP, w.at, NULL,
                                m->err, "graphs nest deeper than %d",
                                DEPTH_MAX);
    if (kind == KIND_TENSOR)
        return walk_tensor(m, w);
    if (kind == KIND_META)
        return walk_meta(m, w);
    while (!rc && (more = assay__wire_next(&w, &f, NULL)) > 0) {
        enum kind inner = kind_of(kind, &f);
        struct assay__wire part = assay__wire_inside(&w, &f);

        if (f.kind == 2 && ((kind == KIND_NODE && f.number == 7) ||
                            (kind == KIND_OPSET && f.number == 1)))
            rc = check_domain(m, &part);
        else if (inner != KIND_SKIP)
            rc = walk(m, part, inner, depth + 1);
    }
    return !rc && more < 0 ? broken(m, &w) : rc;
}

static int scan(struct assay__scan_job *job, const unsigned char *data,
                size_t size, struct assay_error *err)
{
    const struct model m = {job, err};

    return walk(&m, (struct assay__wire){data, 0, size}, KIND_MODEL, 0);
}

const struct assay__scanner assay__scanner_onnx = {
    .name = "onnx",
    .suffixes = " .onnx ",
    .probe = probe,
    .scan = scan,
};
