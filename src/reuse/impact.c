/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The negative impact of weights: how much a weight matters to features that
 * must stay. Of three measures that cost differently; see assay/reuse.h.
 */

#include <math.h>
#include <string.h>

#include "core/mem.h"
#include "assay/rng.h"
#include "reuse/reuse.h"

static void draw_signs(double *v, size_t n, uint64_t seed, uint64_t index)
{
    struct assay_rng rng;

    assay_rng_init(&rng, seed, "reuse-signs", index);
    for (size_t i = 0; i < n; i++)
        v[i] = assay_rng_u64(&rng) >> 63 ? 1 : -1;
}

/* One measurement. */
struct measuring {
    struct assay__reuse_lab *lab;
    const struct assay_reuse_options *o;
    uint64_t draw;
    double *impact;
    double *probe;
    double *gradient;
};

/* |gradient| of one probe, added to the impact. */
static int add(struct measuring *m, const float *x, size_t n,
               struct assay_error *err)
{
    struct assay__reuse_rows rows = {.x = x, .n = n, .probe = m->probe};
    int rc = assay__reuse_lab_run(m->lab, &rows, NULL, NULL, m->gradient, err);

    for (size_t i = 0; i < m->lab->size && !rc; i++)
        m->impact[i] += fabs(m->gradient[i]);
    return rc;
}

static int joint(struct measuring *m, const float *x, size_t n,
                 struct assay_error *err)
{
    int rc = ASSAY_OK;

    for (size_t v = 0; v < m->o->vectors && !rc; v++) {
        draw_signs(m->probe, n * m->lab->dim, m->o->seed, m->draw << 32 | v);
        rc = add(m, x, n, err);
    }
    return rc;
}

static int one_record(struct measuring *m, const float *x, size_t record,
                      size_t passes, struct assay_error *err)
{
    int rc = ASSAY_OK;

    for (size_t v = 0; v < passes && !rc; v++) {
        if (m->o->impact == ASSAY_REUSE_IMPACT_EXACT) {
            memset(m->probe, 0, m->lab->dim * sizeof(*m->probe));
            m->probe[v] = 1;
        } else {
            draw_signs(m->probe, m->lab->dim, m->o->seed,
                       m->draw << 32 | (record * passes + v));
        }
        rc = add(m, x, 1, err);
    }
    return rc;
}

int assay__reuse_impact(double *impact, struct assay__reuse_lab *lab,
                        const float *x, size_t n,
                        const struct assay_reuse_options *o, uint64_t draw,
                        struct assay_error *err)
{
    bool together = o->impact == ASSAY_REUSE_IMPACT_JOINT;
    bool exact = o->impact == ASSAY_REUSE_IMPACT_EXACT;
    struct measuring m = {lab, o, draw, impact, NULL, NULL};
    double share = 1 / (double)(exact      ? n
                                : together ? o->vectors
                                           : n * o->vectors);
    int rc = ASSAY_OK;

    memset(impact, 0, lab->size * sizeof(*impact));
    m.probe = assay__calloc((together ? n : 1) * lab->dim, sizeof(*m.probe));
    m.gradient = assay__calloc(lab->size, sizeof(*m.gradient));
    if (!m.probe || !m.gradient)
        rc = assay_error_set(err, ASSAY_NOMEM, "no memory for %zu impacts",
                             lab->size);
    else if (together)
        rc = joint(&m, x, n, err);
    for (size_t r = 0; r < n && !rc && !together; r++)
        rc = one_record(&m, x + r * lab->pixels, r,
                        exact ? lab->dim : o->vectors, err);
    for (size_t i = 0; i < lab->size && !rc; i++)
        impact[i] *= share;
    assay__free(m.probe);
    assay__free(m.gradient);
    return rc;
}
