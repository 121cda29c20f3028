/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The most exposed records: the members with the highest scores of the
 * attack that did best, as pictures where there are any. The score's ties go
 * by the order of the records, so that equal runs show equal pictures.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/audit.h"
#include "core/fs.h"
#include "core/json.h"
#include "core/mem.h"

/* Best by AUC among those that are no baseline, scored every member and did
 * not fail the negative control. */
static const struct assay__outcome *best_outcome(const assay_audit *a)
{
    const struct assay__outcome *best = NULL;
    int i;

    for (i = 0; i < a->n_attacks; i++) {
        const struct assay__outcome *o = &a->outcome[i];

        if (!assay__outcome_scored(o) || o->attack->baseline ||
            o->attack->auxiliary == ASSAY_AUX_PARTIAL ||
            !assay__verdict_trusts(a, o->attack))
            continue;
        if (best == NULL || o->auc.value > best->auc.value)
            best = o;
    }
    return best;
}

struct candidate {
    double score;
    uint32_t row;
};

static int compare(const void *a, const void *b)
{
    const struct candidate *x = a;
    const struct candidate *y = b;

    if (x->score != y->score)
        return x->score < y->score ? 1 : -1;
    return (x->row > y->row) - (x->row < y->row);
}

int assay__write_png(const assay_audit *a, const char *path,
                     const unsigned char *png, size_t size,
                     struct assay_error *err)
{
    char *full = assay__cache_path(&a->cache, path);
    int code;

    if (full == NULL)
        return assay_error_set(err, ASSAY_NOMEM, "%s", path);
    code = assay__write_file(full, png, size, err);
    assay__free(full);
    return code;
}

int assay__write_record(const assay_audit *a, uint32_t record, const char *path,
                        struct assay_error *err)
{
    unsigned char *png = NULL;
    size_t size = 0;
    int code = assay_dataset_png(a->data, record, &png, &size, err);

    if (code == ASSAY_OK)
        code = assay__write_png(a, path, png, size, err);
    assay_bytes_free(png);
    return code;
}

static int add(assay_audit *a, const struct assay__outcome *o, int rank,
               const struct candidate *c, json_t *list, struct assay_error *err)
{
    const struct assay_evidence *e = &a->scene.target[ASSAY__MEMBERS];
    uint32_t record = e->record[c->row];
    int32_t label = e->label[c->row];
    char name[24];
    char path[64];
    json_t *item;
    int code = ASSAY_OK;

    snprintf(name, sizeof(name), "%d", (int)label);
    snprintf(path, sizeof(path), "exposed/%02d-%u.png", rank, record);
    if (a->data != NULL)
        code = assay__write_record(a, record, path, err);
    if (code != ASSAY_OK)
        return code;
    item = json_pack(
        "{s:i, s:I, s:i, s:o, s:o, s:s, s:o}", "rank", rank, "record",
        (json_int_t)record, "label", (int)label, "class_name",
        assay__json_string(
            a->data != NULL ? assay_dataset_class_name(a->data, label) : name),
        "score", assay__json_real(c->score), "attack", o->attack->name, "image",
        a->data != NULL ? json_string(path) : json_null());
    if (json_array_append_new(list, item) != 0)
        return assay_error_set(err, ASSAY_NOMEM, "most exposed records");
    return ASSAY_OK;
}

int assay__exposed_make(assay_audit *a, json_t **out, struct assay_error *err)
{
    const struct assay__outcome *o = best_outcome(a);
    size_t n_members = a->scene.target[ASSAY__MEMBERS].n;
    struct candidate *c = NULL;
    json_t *list = json_array();
    size_t n = 0;
    size_t i;
    int code = ASSAY_OK;

    if (o == NULL)
        goto out;
    c = assay__malloc(o->made.scores.n * sizeof(*c));
    if (c == NULL) {
        code = assay_error_set(err, ASSAY_NOMEM, "most exposed records");
        goto out;
    }
    for (i = 0; i < o->made.scores.n; i++) {
        if (o->made.scores.member[i] && o->made.scores.row[i] < n_members) {
            c[n].score = o->made.scores.score[i];
            c[n++].row = o->made.scores.row[i];
        }
    }
    qsort(c, n, sizeof(*c), compare);
    for (i = 0; i < n && (int)i < a->options.n_exposed && code == ASSAY_OK; i++)
        code = add(a, o, (int)i + 1, &c[i], list, err);

out:
    assay__free(c);
    if (code == ASSAY_OK)
        *out = list;
    else
        json_decref(list);
    return code;
}
