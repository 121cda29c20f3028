/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Standard normals in bulk, in loops that vectorise.
 *
 * Bits: 16 generators side by side, xoshiro256++ (Blackman and Vigna, 2021),
 * begun for each piece from a hash of key, piece and lane; so a piece can be
 * drawn alone. Numbers: Box-Muller. Two words of 32 bits give a radius
 * sqrt(-2 ln u), u = (k + 1/2) / 2^31 from 31 bits, and an angle. The angle
 * is one of an eighth turn to either side of 0 (30 bits), a bit that mirrors
 * it at the diagonal, and a bit that turns it over. Logarithm, sine and
 * cosine are short polynomials, right to about 2^-22 relative; no draw is
 * larger than sqrt(64 ln 2) = 6.66. The logarithm's polynomial interpolates
 * (ln(1 + t) - t + t^2 / 2) / t^3 at the Chebyshev points of its range.
 *
 * Words are the same on every CPU, numbers but for the last digit.
 */

#include "engine/noise.h"

#include <math.h>
#include <string.h>

#include "assay/rng.h"
#include "core/cpu.h"
#include "core/mem.h"

enum { LANES = 16, ROUNDS = 16, PAIRS = LANES * ROUNDS };

struct lanes {
    uint64_t s0[LANES], s1[LANES], s2[LANES], s3[LANES];
};

static void begin(struct lanes *g, const uint64_t key[2], uint64_t piece)
{
    for (int l = 0; l < LANES; l++) {
        uint64_t at = piece * LANES + (uint64_t)l;

        g->s0[l] = assay_rng_hash(key[0], key[1], 4 * at);
        g->s1[l] = assay_rng_hash(key[0], key[1], 4 * at + 1);
        g->s2[l] = assay_rng_hash(key[0], key[1], 4 * at + 2);
        g->s3[l] = assay_rng_hash(key[0], key[1], 4 * at + 3) | 1;
    }
}

#define TURN(x, k) ((x) << (k) | (x) >> (64 - (k)))

/* PAIRS pairs of words: the upper and lower halves of what was drawn. */
ASSAY__CLONES static void draw(struct lanes *restrict g, int32_t *restrict high,
                               uint32_t *restrict low)
{
    for (int r = 0; r < ROUNDS; r++) {
        for (int l = 0; l < LANES; l++) {
            uint64_t sum = g->s0[l] + g->s3[l];
            uint64_t word = TURN(sum, 23) + g->s0[l];
            uint64_t shifted = g->s1[l] << 17;

            g->s2[l] ^= g->s0[l];
            g->s3[l] ^= g->s1[l];
            g->s1[l] ^= g->s2[l];
            g->s0[l] ^= g->s3[l];
            g->s2[l] ^= shifted;
            g->s3[l] = TURN(g->s3[l], 45);
            high[r * LANES + l] = (int32_t)(word >> 33);
            low[r * LANES + l] = (uint32_t)word;
        }
    }
}

union word {
    float f;
    int32_t i;
    uint32_t u;
};

/* ln(x / 2^31) for x > 0, as exponent and mantissa in [sqrt(.5), sqrt(2)). */
static inline float log_share(float x)
{
    union word w = {.f = x};
    int32_t exponent = (w.i - 0x3f3504f3) >> 23;
    float t;
    float p;

    w.i -= exponent * (1 << 23);
    t = w.f - 1.0F;
    p = -8.1015583e-2F;
    p = p * t + 1.27123077e-1F;
    p = p * t - 1.2972239e-1F;
    p = p * t + 1.42021738e-1F;
    p = p * t - 1.66422476e-1F;
    p = p * t + 2.00014686e-1F;
    p = p * t - 2.50002965e-1F;
    p = p * t + 3.33333286e-1F;
    p = t + t * t * (t * p - 0.5F);
    return p + (float)(exponent - 31) * 0.693147180F;
}

/* z[0 .. PAIRS-1] and z[PAIRS .. 2 PAIRS - 1] from the words. */
ASSAY__FUSED static void shape(float *restrict z, const int32_t *restrict high,
                               const uint32_t *restrict low)
{
    for (int i = 0; i < PAIRS; i++) {
        float radius = sqrtf(-2.0F * log_share((float)high[i] + 0.5F));
        /* An eighth turn to either side: 2^32 is half a turn's half. */
        float a = (float)(int32_t)(low[i] << 2) * (1.57079633F / 4294967296.0F);
        float q = a * a;
        float sine =
            a * (1.0F + q * (-1.66666667e-1F +
                             q * (8.33333333e-3F +
                                  q * (-1.98412698e-4F + q * 2.75573192e-6F))));
        float cosine =
            1.0F +
            q * (-0.5F + q * (4.16666667e-2F +
                              q * (-1.38888889e-3F + q * 2.48015873e-5F)));
        union word sign = {.f = radius};
        union word x = {.f = sine};
        union word y = {.f = cosine};
        uint32_t mirror = (uint32_t)((int32_t)(low[i] << 1) >> 31);
        uint32_t swap = (x.u ^ y.u) & mirror;

        sign.u ^= low[i] & 0x80000000U;
        x.u ^= swap;
        y.u ^= swap;
        z[i] = sign.f * x.f;
        z[PAIRS + i] = sign.f * y.f;
    }
}

void assay__noise_fill(float *z, size_t n, const struct assay__noise *noise,
                       uint64_t piece)
{
    _Alignas(64) int32_t high[PAIRS];
    _Alignas(64) uint32_t low[PAIRS];
    _Alignas(64) float some[2 * PAIRS];
    struct lanes g;

    begin(&g, noise->key, piece);
    for (size_t at = 0; at < n; at += 2 * (size_t)PAIRS) {
        size_t left = n - at;

        draw(&g, high, low);
        if (left >= 2 * (size_t)PAIRS) {
            shape(z + at, high, low);
            continue;
        }
        shape(some, high, low);
        for (size_t i = 0; i < left; i++)
            z[at + i] = some[i];
    }
}

/* --- masks ------------------------------------------------------------ */

/* Whether a slot has places that are no parameter. */
static bool is_padded(const struct assay__store_slot *s)
{
    return s->count != assay_shape_count(&s->shape, 1);
}

/* 1 at each place of the slot that is a parameter, 0 at padding. The store's
 * gradients serve as a workbench, and are 0 afterwards. */
static int make_mask(struct assay__store *store, int index,
                     struct assay_error *err)
{
    struct assay__store_slot *s = &store->slot[index];
    size_t n = assay_shape_count(&s->shape, 1);
    size_t element = assay_dtype_size(store->backend->element);
    char *place = (char *)store->gradients + s->offset * element;
    bool wide = store->backend->element == ASSAY_DTYPE_F64;
    void *ones = assay__malloc(n * element);
    int code;

    s->mask = assay__calloc(s->count, sizeof(*s->mask));
    if (!ones || !s->mask) {
        assay__free(ones);
        return assay_error_set(err, ASSAY_NOMEM,
                               "out of memory for the places of '%.100s'",
                               s->name);
    }
    for (size_t i = 0; i < n; i++) {
        if (wide)
            ((double *)ones)[i] = 1.0;
        else
            ((float *)ones)[i] = 1.0F;
    }
    memset(place, 0, s->count * element);
    code = store->backend->slot_write(store, index, store->gradients, ones,
                                      store->backend->element, err);
    for (size_t i = 0; i < s->count; i++)
        s->mask[i] = wide ? (float)((double *)(void *)place)[i]
                          : ((float *)(void *)place)[i];
    memset(place, 0, s->count * element);
    assay__free(ones);
    return code;
}

int assay__noise_open(struct assay__store *store, struct assay_error *err)
{
    int code = ASSAY_OK;

    for (int i = 0; i < store->n_slots && code == ASSAY_OK; i++) {
        if (store->slot[i].trained && !store->slot[i].mask &&
            is_padded(&store->slot[i]))
            code = make_mask(store, i, err);
    }
    return code;
}

/* Silence the places first .. first + n - 1 that are padding. */
static void silence(float *z, size_t first, size_t n,
                    const struct assay__store *store)
{
    for (int i = 0; i < store->n_slots; i++) {
        const struct assay__store_slot *s = &store->slot[i];
        size_t from = s->offset > first ? s->offset : first;
        size_t to =
            s->offset + s->count < first + n ? s->offset + s->count : first + n;

        if (!s->mask)
            continue;
        for (size_t k = from; k < to; k++)
            z[k - first] *= s->mask[k - s->offset];
    }
}

void assay__noise_piece(float *z, size_t first, size_t n,
                        const struct assay__noise *noise)
{
    assay__noise_fill(z, n, noise, first / ASSAY__NOISE_PIECE);
    silence(z, first, n, noise->store);
}
