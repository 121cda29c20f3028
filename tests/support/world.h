/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_TESTS_WORLD_H
#define ASSAY_TESTS_WORLD_H

/*
 * Made-up evidence of all that a membership attack can ask for: a target
 * and a shadow model on members and non-members, a population, and six
 * references of which each record was given to half. `leak` is added to the
 * label's logit wherever a model was trained on a record; 0 leaves nothing
 * to find. All draws have fixed seeds.
 */

#include <stdlib.h>
#include <string.h>

#include "assay/attack.h"
#include "assay/rng.h"

enum { K = 4, H = 6, Q = 2 };

static inline struct assay_evidence make_evidence(size_t n)
{
    struct assay_evidence e = {0};

    e.n = n;
    e.n_classes = K;
    e.embedding_dim = H;
    e.n_queries = Q;
    e.logits = calloc(n * K, sizeof(float));
    e.queries = calloc(n * Q * K, sizeof(float));
    e.embedding = calloc(n * H, sizeof(float));
    e.label = calloc(n, sizeof(int32_t));
    e.record = calloc(n, sizeof(uint32_t));
    return e;
}

static inline void free_evidence(struct assay_evidence *e)
{
    free(e->logits);
    free(e->embedding);
    free(e->queries);
    free(e->label);
    free(e->record);
}

/* Answers on altered copies: those on the records, and N(0, 1/4). */
static inline void draw_queries(struct assay_evidence *e, uint64_t stream)
{
    struct assay_rng rng;

    assay_rng_init(&rng, 7, "test-queries", stream);
    for (size_t i = 0; i < e->n * Q; i++)
        for (size_t k = 0; k < K; k++)
            e->queries[i * K + k] =
                e->logits[i / Q * K + k] + (float)(.5 * assay_rng_normal(&rng));
}

/* Records whose label's logit is raised by margin + N(0, 1). */
static inline struct assay_evidence draw(size_t n, double margin,
                                         uint64_t stream)
{
    struct assay_evidence e = make_evidence(n);
    struct assay_rng rng;

    assay_rng_init(&rng, 7, "test-evidence", stream);
    for (size_t i = 0; i < n; i++) {
        e.label[i] = (int32_t)(i % K);
        e.record[i] = (uint32_t)i;
        for (int k = 0; k < K; k++)
            e.logits[i * K + (size_t)k] = (float)assay_rng_normal(&rng);
        e.logits[i * K + i % K] += (float)margin;
        for (int h = 0; h < H; h++)
            e.embedding[i * H + (size_t)h] = (float)assay_rng_uniform(&rng);
    }
    draw_queries(&e, stream);
    return e;
}

/* A whole set-up: target, shadow, population, R references. */
enum { R = 6 };

struct world {
    struct assay_context ctx;
    struct assay_compute compute;
    struct assay_evidence members, nonmembers, shadow_members,
        shadow_nonmembers, population;
    struct assay_evidence ref[R][3];
    uint8_t *mask[R][2];
    struct assay_reference reference[R];
    struct assay_attack_input in;
};

/* What a reference says: raised where its mask says it was trained. */
static inline struct assay_evidence draw_reference(size_t n, double margin,
                                                   double leak,
                                                   const uint8_t *mask,
                                                   uint64_t stream)
{
    struct assay_evidence e = draw(n, margin, stream);

    for (size_t i = 0; mask && i < n; i++)
        if (mask[i])
            e.logits[i * K + i % K] += (float)leak;
    return e;
}

static inline void world_init(struct world *w, size_t n, double leak)
{
    memset(w, 0, sizeof(*w));
    assay_context_init(&w->ctx);
    w->ctx.threads = 1;
    w->ctx.seed = 3;
    w->compute.backend = "onednn";
    w->compute.threads = 1;
    w->members = draw(n, 1 + leak, 1);
    w->nonmembers = draw(n, 1, 2);
    w->shadow_members = draw(n, 1 + leak, 3);
    w->shadow_nonmembers = draw(n, 1, 4);
    w->population = draw(n, 1, 5);
    for (int r = 0; r < R; r++) {
        for (int side = 0; side < 2; side++) {
            w->mask[r][side] = calloc(n, 1);
            for (size_t i = 0; i < n; i++)
                w->mask[r][side][i] = (i / 2 + (size_t)r) % 2 == 0;
            w->ref[r][side] =
                draw_reference(n, 1, leak, w->mask[r][side],
                               10 + 3 * (uint64_t)r + (uint64_t)side);
        }
        w->ref[r][2] = draw_reference(n, 1, 0, NULL, 12 + 3 * (uint64_t)r);
        w->reference[r].members = &w->ref[r][0];
        w->reference[r].nonmembers = &w->ref[r][1];
        w->reference[r].population = &w->ref[r][2];
        w->reference[r].trained_on_member = w->mask[r][0];
        w->reference[r].trained_on_nonmember = w->mask[r][1];
    }
    w->in.ctx = &w->ctx;
    w->in.compute = &w->compute;
    w->in.members = &w->members;
    w->in.nonmembers = &w->nonmembers;
    w->in.shadow_members = &w->shadow_members;
    w->in.shadow_nonmembers = &w->shadow_nonmembers;
    w->in.population = &w->population;
    w->in.reference = w->reference;
    w->in.n_references = R;
}

static inline void world_release(struct world *w)
{
    free_evidence(&w->members);
    free_evidence(&w->nonmembers);
    free_evidence(&w->shadow_members);
    free_evidence(&w->shadow_nonmembers);
    free_evidence(&w->population);
    for (int r = 0; r < R; r++) {
        for (int side = 0; side < 3; side++)
            free_evidence(&w->ref[r][side]);
        free(w->mask[r][0]);
        free(w->mask[r][1]);
    }
}

#endif
