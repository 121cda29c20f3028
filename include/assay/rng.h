/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_RNG_H
#define ASSAY_RNG_H

/*
 * Random numbers in named streams. A stream is (seed, purpose, index):
 * equal triples give equal numbers, whatever else ran before and on however
 * many threads, so the order in which shadow models train does not matter.
 * Purposes are short constants ("split", "init", "batch-order").
 * Generator: xoshiro256** (Blackman and Vigna, 2018), seeded by SplitMix64
 * over the seed, the FNV-1a hash of the purpose, and the index.
 * Not for cryptography.
 */

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct assay_rng {
    uint64_t s[4];
};

void assay_rng_init(struct assay_rng *rng, uint64_t seed, const char *purpose,
                    uint64_t index);
uint64_t assay_rng_u64(struct assay_rng *rng);
/* Uniform in [0, 1), 53 bits. */
double assay_rng_uniform(struct assay_rng *rng);
/* Standard normal (Box-Muller; two uniforms per call, nothing kept). */
double assay_rng_normal(struct assay_rng *rng);
/* Uniform in 0 .. n-1 without bias; n >= 1. */
uint64_t assay_rng_below(struct assay_rng *rng, uint64_t n);
/* Fisher-Yates. */
void assay_rng_shuffle(struct assay_rng *rng, uint32_t *items, size_t n);
/* A stateless hash of three words: masks of dropout are drawn with it, so
 * that they do not depend on the number of threads. */
uint64_t assay_rng_hash(uint64_t a, uint64_t b, uint64_t c);

#ifdef __cplusplus
}
#endif
#endif
