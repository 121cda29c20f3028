/* SPDX-License-Identifier: Apache-2.0 */
/*
 * safetensors in several files (shards.h). The index is JSON:
 *
 *   {"metadata": {...}, "weight_map": {"tensor": "file.safetensors", ...}}
 *
 * A file is named without a folder and lies beside the index; links are not
 * followed. What index and files say of each other must agree: a tensor that
 * is missing, in another file than said, in two, or not in the index at all
 * is refused by its name. Metadata of the index is not looked at: totals
 * there are the writer's opinion. The files are mapped behind each other, so
 * that nothing is copied.
 */

#include "formats/shards.h"

#include <string.h>

#include "assay/format.h"
#include "core/fs.h"
#include "core/mem.h"
#include "formats/format.h"

static const char index_end[] = ".safetensors.index.json";
static const char shard_end[] = ".safetensors";

static bool ends_in(const char *text, const char *end)
{
    size_t n = strlen(text);
    size_t m = strlen(end);

    return n > m && strcmp(text + n - m, end) == 0;
}

bool assay__shards_is_index(const char *path)
{
    return ends_in(path, index_end);
}

int assay_tensors_is_index(const char *path)
{
    return assay__shards_is_index(path);
}

/* Letters, digits and what stands between them in names of files. */
static bool is_plain(const char *name)
{
    size_t n = strlen(name);

    if (n > ASSAY__SHARD_NAME_MAX || name[0] == '.' ||
        !ends_in(name, shard_end))
        return false;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)name[i];

        if (c < 0x20 || c == 0x7f || c == '/' || c == '\\' || c == ':')
            return false;
    }
    return true;
}

static int add_file(struct assay__shards *s, const char *tensor,
                    const json_t *value, struct assay_error *err)
{
    const char *name = json_string_value(value);
    size_t n = strlen(tensor);

    if (n > ASSAY__NAME_MAX)
        return assay_error_set(err, ASSAY_LIMIT,
                               "the name '%.60s...' has %zu bytes, limit %d",
                               tensor, n, ASSAY__NAME_MAX);
    if (!name)
        return assay_error_set(err, ASSAY_FORMAT,
                               "the file of tensor '%.60s' is no text", tensor);
    if (!is_plain(name))
        return assay_error_set(err, ASSAY_DATA,
                               "tensor '%.60s' is to come from '%.60s', which "
                               "is not the name of a .safetensors file beside "
                               "the index",
                               tensor, name);
    for (size_t i = 0; i < s->n_files; i++) {
        if (strcmp(s->file[i], name) == 0)
            return ASSAY_OK;
    }
    if (s->n_files == ASSAY__SHARDS_MAX)
        return assay_error_set(err, ASSAY_LIMIT, "more than %d files",
                               ASSAY__SHARDS_MAX);
    s->file[s->n_files++] = name;
    return ASSAY_OK;
}

static int check_map(struct assay__shards *s, struct assay_error *err)
{
    size_t n = json_object_size(s->weight_map);
    const char *tensor;
    json_t *value;
    int rc = ASSAY_OK;

    if (!json_is_object(s->weight_map) || n == 0)
        return assay_error_set(err, ASSAY_FORMAT,
                               "the index has no weight_map with tensors");
    if (n > ASSAY__ITEMS_MAX)
        return assay_error_set(err, ASSAY_LIMIT,
                               "the index names %zu tensors, limit %d", n,
                               ASSAY__ITEMS_MAX);
    json_object_foreach((json_t *)(uintptr_t)s->weight_map, tensor, value)
    {
        if (!rc)
            rc = add_file(s, tensor, value, err);
    }
    return rc;
}

int assay__shards_parse(struct assay__shards *s, const unsigned char *data,
                        size_t size, struct assay_error *err)
{
    json_error_t why;
    int rc;

    memset(s, 0, sizeof(*s));
    if (size > ASSAY__INDEX_MAX)
        return assay_error_set(err, ASSAY_LIMIT,
                               "an index of %zu bytes, limit %d", size,
                               ASSAY__INDEX_MAX);
    s->root =
        json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, &why);
    if (!s->root)
        return assay_error_set(err,
                               json_error_code(&why) == json_error_out_of_memory
                                   ? ASSAY_NOMEM
                                   : ASSAY_FORMAT,
                               "byte %d: index: %.100s",
                               why.position > 0 ? why.position : 0, why.text);
    s->weight_map = json_object_get(s->root, "weight_map");
    s->file = assay__calloc(ASSAY__SHARDS_MAX, sizeof(*s->file));
    rc = s->file ? check_map(s, err)
                 : assay_error_set(err, ASSAY_NOMEM, "no memory for an index");
    if (rc)
        assay__shards_release(s);
    return rc;
}

void assay__shards_release(struct assay__shards *s)
{
    assay__free(s->file);
    json_decref(s->root);
    memset(s, 0, sizeof(*s));
}

/* The tensors that file k has brought are those that the index has there. */
static int check_new(const struct assay__shards *s,
                     const struct assay_tensors *list, size_t from, size_t k,
                     struct assay_error *err)
{
    for (size_t i = from; i < list->n_items; i++) {
        const char *name = list->item[i].name;
        const char *said =
            json_string_value(json_object_get(s->weight_map, name));

        if (!said)
            return assay_error_set(err, ASSAY_FORMAT,
                                   "the index does not name its tensor "
                                   "'%.60s'",
                                   name);
        if (strcmp(said, s->file[k]) != 0)
            return assay_error_set(err, ASSAY_FORMAT,
                                   "it has the tensor '%.60s', which the index "
                                   "has in '%.60s'",
                                   name, said);
    }
    return ASSAY_OK;
}

static int check_missing(const struct assay__shards *s,
                         const struct assay_tensors *list,
                         struct assay_error *err)
{
    const char *tensor;
    json_t *value;

    if (list->n_items == json_object_size(s->weight_map))
        return ASSAY_OK;
    json_object_foreach((json_t *)(uintptr_t)s->weight_map, tensor, value)
    {
        if (!assay_tensors_find(list, tensor))
            return assay_error_set(err, ASSAY_FORMAT,
                                   "the index has the tensor '%.60s' in "
                                   "'%.60s', which has it not",
                                   tensor, json_string_value(value));
    }
    return assay_error_set(err, ASSAY_FORMAT,
                           "%zu tensors, the index names %zu", list->n_items,
                           json_object_size(s->weight_map));
}

static int read_files(const struct assay__shards *s,
                      const struct assay__mapped *part,
                      struct assay_tensors *list, struct assay_error *err)
{
    for (size_t k = 0; k < s->n_files; k++) {
        size_t from = list->n_items;
        int rc = assay_format_safetensors.read(list, part[k].data, part[k].size,
                                               err);

        /* All that was asked wrong can be a name that is there already. */
        rc = rc == ASSAY_ARG ? ASSAY_FORMAT : rc;
        if (rc && err)
            err->code = rc;
        if (!rc)
            rc = check_new(s, list, from, k, err);
        if (!rc && list->n_items > ASSAY__ITEMS_MAX)
            rc = assay_error_set(err, ASSAY_LIMIT, "more than %d tensors",
                                 ASSAY__ITEMS_MAX);
        if (rc)
            return assay_error_prefix(err, rc, "%.100s", s->file[k]);
    }
    return check_missing(s, list, err);
}

int assay__shards_open(struct assay_tensors *list, const char *path,
                       struct assay_error *err)
{
    struct assay__shards s = {0};
    struct assay__mapped *part = NULL;
    unsigned char *data = NULL;
    unsigned char *map = NULL;
    size_t size = 0;
    int rc = assay__read_file(path, ASSAY__INDEX_MAX, &data, &size, err);

    if (rc)
        return rc;
    rc = assay__shards_parse(&s, data, size, err);
    if (rc)
        goto out;
    part = assay__calloc(s.n_files, sizeof(*part));
    if (!part) {
        rc = assay_error_set(err, ASSAY_NOMEM, "no memory for %zu files",
                             s.n_files);
        goto out;
    }
    size = ASSAY_FORMAT_MAX_BYTES;
    rc = assay__map_beside(path, s.file, s.n_files, part, &map, &size, err);
    if (rc)
        goto out;
    list->map = map;
    list->map_bytes = size;
    rc = read_files(&s, part, list, err);
out:
    if (rc) {
        rc = assay_error_prefix(err, rc, "%s", path);
        assay_tensors_release(list);
    }
    assay__free(part);
    assay__free(data);
    assay__shards_release(&s);
    return rc;
}
