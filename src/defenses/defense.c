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

/* Rows that are altered at once. */
enum { ROWS = 1024 };

static int top_logit(const float *x, int k)
{
    int best = 0;

    for (int i = 1; i < k; i++)
        if (x[i] > x[best])
            best = i;
    return best;
}

static void to_probs(const float *logits, int k, double *p)
{
    double top = (double)logits[top_logit(logits, k)];
    double sum = 0;

    for (int i = 0; i < k; i++)
        sum += p[i] = exp((double)logits[i] - top);
    for (int i = 0; i < k; i++)
        p[i] /= sum;
}

/* Doubles that differ may be one float as logarithms: the class stays. */
static void to_logits(const double *p, int k, float *logits)
{
    int top = top_logit(logits, k);
    int now;
    float largest;

    for (int i = 0; i < k; i++)
        logits[i] = (float)log(fmax(p[i], nothing));
    now = top_logit(logits, k);
    if (now == top)
        return;
    largest = logits[now];
    if (logits[top] < largest) {
        logits[now] = logits[top];
        logits[top] = largest;
    } else {
        logits[top] = nextafterf(largest, (float)INFINITY);
    }
}

static int alter_rows(const struct assay_defense *d, const double *param,
                      void *state, float *logits, size_t n, int k, double *p,
                      struct assay_error *err)
{
    size_t width = (size_t)k;
    int code = ASSAY_OK;

    for (size_t i = 0; i < n; i++)
        to_probs(logits + i * width, k, p + i * width);
    if (d->answers)
        code = d->answers(param, state, p, n, k, err);
    for (size_t i = 0; i < n && !d->answers; i++)
        d->answer(param, state, p + i * width, k);
    for (size_t i = 0; i < n && code == ASSAY_OK; i++)
        to_logits(p + i * width, k, logits + i * width);
    return code;
}

static int alter_all(const struct assay_defense *d, const double *param,
                     void *state, float *logits, size_t n, int k, double *p,
                     struct assay_error *err)
{
    int code = ASSAY_OK;

    for (size_t first = 0; first < n && code == ASSAY_OK; first += ROWS)
        code = alter_rows(d, param, state, logits + first * (size_t)k,
                          n - first < ROWS ? n - first : ROWS, k, p, err);
    return code;
}

int assay_defense_alter(const struct assay_defense *d, const double *param,
                        void *state, struct assay_evidence *e,
                        struct assay_error *err)
{
    int k = e->n_classes;
    double *p;
    int code;

    if (!d->answer && !d->answers)
        return assay_error_set(err, ASSAY_ARG, "%s does not change answers",
                               d->name);
    p = assay__calloc(ROWS * (size_t)k, sizeof(*p));
    if (!p)
        return assay_error_set(err, ASSAY_NOMEM, "%s: out of memory", d->name);
    code = alter_all(d, param, state, e->logits, e->n, k, p, err);
    if (code == ASSAY_OK)
        code = alter_all(d, param, state, e->queries,
                         e->n * (size_t)e->n_queries, k, p, err);
    assay__free(p);
    return code;
}
