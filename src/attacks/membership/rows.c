/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of features in, scores out; see rows.h. */

#include "attacks/membership/rows.h"

#include <string.h>

#include "attacks/membership/scores.h"
#include "core/mem.h"

int assay__feature_rows_init(struct assay__feature_rows *r,
                             const struct assay_attack_input *in, size_t width,
                             size_t n_members, size_t n_nonmembers,
                             struct assay_error *err)
{
    size_t audited = in->members->n + in->nonmembers->n;

    r->width = width;
    r->half = n_members < n_nonmembers ? n_members : n_nonmembers;
    r->learn = assay__calloc(2 * r->half * width, sizeof(*r->learn));
    r->judge = assay__calloc(audited * width, sizeof(*r->judge));
    r->label = assay__calloc(2 * r->half, sizeof(*r->label));
    if (!r->learn || !r->judge || !r->label) {
        assay__feature_rows_release(r);
        return assay_error_set(err, ASSAY_NOMEM, "%zu features of %zu records",
                               width, audited);
    }
    for (size_t i = 0; i < r->half; i++)
        r->label[i] = 1;
    return ASSAY_OK;
}

void assay__feature_rows_release(struct assay__feature_rows *r)
{
    assay__free(r->learn);
    assay__free(r->judge);
    assay__free(r->label);
    memset(r, 0, sizeof(*r));
}

int assay__feature_rows_score(const struct assay__feature_rows *r,
                              const struct assay_attack_input *in,
                              const struct assay_dense_options *o,
                              struct assay_membership_scores *out,
                              struct assay_error *err)
{
    struct assay_dense_rows learn = {r->learn, 2 * r->half, r->width, r->label};
    struct assay_dense_rows judge = {
        r->judge, in->members->n + in->nonmembers->n, r->width, NULL};
    float *logits = assay__calloc(2 * judge.n, sizeof(*logits));
    int rc;

    if (!logits)
        return assay_error_set(err, ASSAY_NOMEM, "%s: %zu records", o->task,
                               judge.n);
    rc = assay_dense_logits(in->ctx, in->compute, &learn, &judge, o, logits,
                            err);
    if (!rc)
        rc = assay__scores_make_all(out, in, err);
    for (size_t i = 0; i < judge.n && !rc; i++)
        out->score[i] = (double)logits[2 * i + 1] - (double)logits[2 * i];
    out->threshold = 0;
    assay__free(logits);
    return rc;
}
