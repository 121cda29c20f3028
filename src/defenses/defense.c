/* SPDX-License-Identifier: Apache-2.0 */
/* The table of defences, and what is done with any of them. */

#include "assay/defense.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/mem.h"

#define ASSAY_DEFENSE(name) \
    extern const struct assay_defense assay_defense_##name;
#include "defenses/defenses.def"
#undef ASSAY_DEFENSE

static const struct assay_defense *const table[] = {
#define ASSAY_DEFENSE(name) &assay_defense_##name,
#include "defenses/defenses.def"
#undef ASSAY_DEFENSE
    NULL};

/* The probability of what an altered answer rules out. */
static const double nothing = 1e-30;

const struct assay_defense *const *assay_defense_table(void)
{
    return table;
}

const struct assay_defense *assay_defense_find(const char *name)
{
    for (size_t i = 0; table[i]; i++)
        if (strcmp(table[i]->name, name) == 0)
            return table[i];
    return NULL;
}

const char *assay_defense_stage_name(enum assay_defense_stage stage)
{
    return stage == ASSAY_DEFENSE_TRAINING ? "training" : "answers";
}

void assay_defense_text(const struct assay_defense *d, const double *param,
                        char *text, size_t size)
{
    int used = snprintf(text, size, "%s", d->name);

    for (int i = 0; i < assay_settings_count(d->params); i++) {
        if (used < 0 || (size_t)used >= size)
            return;
        used += snprintf(text + used, size - (size_t)used, " %s=%.17g",
                         d->params[i].name, param[i]);
    }
}

/* Logits in, logarithms of the altered probabilities out. */
static void alter_row(const struct assay_defense *d, const double *param,
                      const void *state, float *logits, int k, double *p)
{
    double top = (double)logits[0];
    double sum = 0;

    for (int i = 1; i < k; i++)
        top = fmax(top, (double)logits[i]);
    for (int i = 0; i < k; i++)
        sum += p[i] = exp((double)logits[i] - top);
    for (int i = 0; i < k; i++)
        p[i] /= sum;
    d->answer(param, state, p, k);
    for (int i = 0; i < k; i++)
        logits[i] = (float)log(fmax(p[i], nothing));
}

int assay_defense_alter(const struct assay_defense *d, const double *param,
                        const void *state, struct assay_evidence *e,
                        struct assay_error *err)
{
    size_t k = (size_t)e->n_classes;
    size_t n_queries = e->n * (size_t)e->n_queries;
    double *p;

    if (!d->answer)
        return assay_error_set(err, ASSAY_ARG, "%s does not change answers",
                               d->name);
    p = assay__calloc(k, sizeof(*p));
    if (!p)
        return assay_error_set(err, ASSAY_NOMEM, "%s: out of memory", d->name);
    for (size_t i = 0; i < e->n; i++)
        alter_row(d, param, state, e->logits + i * k, e->n_classes, p);
    for (size_t i = 0; i < n_queries; i++)
        alter_row(d, param, state, e->queries + i * k, e->n_classes, p);
    assay__free(p);
    return ASSAY_OK;
}
