/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random streams (assay/rng.h): xoshiro256** for the numbers, SplitMix64's
 * finalizer to mix (seed, purpose, index) into a state. Both are bijections
 * of their state, so streams that differ in one word start apart. The
 * numbers of a stream are part of every stored result: golden values in
 * tests/unit/test_core_rng.c must never change.
 */

#include "assay/rng.h"

#include <math.h>

static const uint64_t golden_gamma = 0x9e3779b97f4a7c15u; /* 2^64 / phi */

static uint64_t mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static uint64_t fnv1a(const char *text)
{
    uint64_t h = 0xcbf29ce484222325u;

    for (; *text; text++)
        h = (h ^ (unsigned char)*text) * 0x100000001b3u;
    return h;
}

static uint64_t rotl(uint64_t x, int k)
{
    return (x << k) | (x >> (64 - k));
}

uint64_t assay_rng_hash(uint64_t a, uint64_t b, uint64_t c)
{
    uint64_t h = mix(a + golden_gamma);

    h = mix((h ^ b) + golden_gamma);
    return mix((h ^ c) + golden_gamma);
}

void assay_rng_init(struct assay_rng *rng, uint64_t seed, const char *purpose,
                    uint64_t index)
{
    uint64_t x = assay_rng_hash(seed, fnv1a(purpose), index);
    int i;

    for (i = 0; i < 4; i++) {
        x += golden_gamma;
        rng->s[i] = mix(x);
    }
}

uint64_t assay_rng_u64(struct assay_rng *rng)
{
    uint64_t *s = rng->s;
    uint64_t result = rotl(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45);
    return result;
}

double assay_rng_uniform(struct assay_rng *rng)
{
    return (double)(assay_rng_u64(rng) >> 11) * 0x1p-53;
}

double assay_rng_normal(struct assay_rng *rng)
{
    static const double two_pi = 6.283185307179586476925;
    double radius = 1.0 - assay_rng_uniform(rng); /* in (0, 1] */
    double angle = assay_rng_uniform(rng);

    return sqrt(-2.0 * log(radius)) * cos(two_pi * angle);
}

/* The 2^64 mod n smallest words are drawn again: what is left is a multiple
 * of n, so that the remainder has no bias. */
uint64_t assay_rng_below(struct assay_rng *rng, uint64_t n)
{
    uint64_t refused = (0 - n) % n;
    uint64_t x = assay_rng_u64(rng);

    while (x < refused)
        x = assay_rng_u64(rng);
    return x % n;
}

void assay_rng_shuffle(struct assay_rng *rng, uint32_t *items, size_t n)
{
    size_t i;

    for (i = n; i > 1; i--) {
        size_t j = (size_t)assay_rng_below(rng, i);
        uint32_t t = items[i - 1];

        items[i - 1] = items[j];
        items[j] = t;
    }
}
