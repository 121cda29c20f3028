/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CRC-32 (crc32.h). Where the processor has carry-less products, all but the
 * last bytes are folded first, as in Gopal et al., "Fast CRC Computation for
 * Generic Polynomials Using PCLMULQDQ Instruction" (Intel, 2009): modulo P,
 * 128 bits of text equal, D bits further on, their high half times x^(D+64)
 * and their low half times x^D. What is left, 16 bytes and less than a
 * step's, goes to zlib.
 *
 * Bits are reflected: the first eight of 16 bytes are the high half. Factors
 * have 32 bits and stand in the upper half of 64, and a reflected product
 * comes out one bit low: hence x^(D+32) and x^(D-32), shifted left by one.
 */

#include "formats/crc32.h"

#include <string.h>
#include <zlib.h>

#if defined(__x86_64__) && defined(__GNUC__)
#define HAVE_CARRY 1
#include <immintrin.h>
#else
#define HAVE_CARRY 0
#endif

/* From the register's content, not yet complemented, to that after `data`. */
static uint32_t by_table(uint32_t state, const unsigned char *data, size_t n)
{
    uLong crc = state ^ UINT32_MAX;

    while (n > 0) {
        uInt part = n < (1u << 30) ? (uInt)n : 1u << 30;

        crc = crc32(crc, data, part);
        data += part;
        n -= part;
    }
    return (uint32_t)crc ^ UINT32_MAX;
}

#if HAVE_CARRY

enum { LANE = 16, LANES = 4, LANES4 = 16 };

/* x^(D+32) and x^(D-32) for D of one, 4 and 16 lanes. */
#define FOLD_1 0x0ccaa009e, 0x1751997d0
#define FOLD_4 0x1c6e41596, 0x154442bd4
#define FOLD_16 0x1322d1430, 0x11542778a

#define CARRY __attribute__((target("pclmul,sse4.1")))
#define CARRY4 __attribute__((target("vpclmulqdq,avx512f,avx512dq")))

CARRY static __m128i load(const void *at)
{
    return _mm_loadu_si128(at);
}

CARRY static __m128i fold(__m128i lane, __m128i by, __m128i onto)
{
    __m128i first = _mm_clmulepi64_si128(lane, by, 0x00);
    __m128i second = _mm_clmulepi64_si128(lane, by, 0x11);

    return _mm_xor_si128(_mm_xor_si128(first, second), onto);
}

/* n lanes onto the last, which goes through the table with what follows. */
CARRY static uint32_t finish(const unsigned char *lane, int n,
                             const unsigned char *data, size_t rest)
{
    const __m128i by = _mm_set_epi64x(FOLD_1);
    unsigned char last[LANE];
    __m128i sum = load(lane);

    for (int i = 1; i < n; i++)
        sum = fold(sum, by, load(lane + i * LANE));
    for (; rest >= LANE; rest -= LANE, data += LANE)
        sum = fold(sum, by, load(data));
    memcpy(last, &sum, LANE);
    return by_table(by_table(0, last, LANE), data, rest);
}

CARRY static uint32_t by_carry(const unsigned char *data, size_t n)
{
    const __m128i by = _mm_set_epi64x(FOLD_4);
    unsigned char lanes[LANES * LANE];
    __m128i sum[LANES];

    for (int i = 0; i < LANES; i++)
        sum[i] = load(data + i * LANE);
    sum[0] = _mm_xor_si128(sum[0], _mm_set_epi32(0, 0, 0, -1));
    for (n -= sizeof(lanes), data += sizeof(lanes); n >= sizeof(lanes);
         n -= sizeof(lanes), data += sizeof(lanes)) {
        for (int i = 0; i < LANES; i++)
            sum[i] = fold(sum[i], by, load(data + i * LANE));
    }
    memcpy(lanes, sum, sizeof(lanes));
    return finish(lanes, LANES, data, n);
}

CARRY4 static __m512i fold4(__m512i lanes, __m512i by, __m512i onto)
{
    __m512i first = _mm512_clmulepi64_epi128(lanes, by, 0x00);
    __m512i second = _mm512_clmulepi64_epi128(lanes, by, 0x11);

    return _mm512_ternarylogic_epi64(first, second, onto, 0x96); /* xor */
}

CARRY4 static uint32_t by_carry4(const unsigned char *data, size_t n)
{
    const __m512i by = _mm512_broadcast_i64x2(_mm_set_epi64x(FOLD_16));
    const __m512i ones = _mm512_zextsi128_si512(_mm_set_epi32(0, 0, 0, -1));
    unsigned char lanes[LANES4 * LANE];
    __m512i sum[LANES];

    for (int i = 0; i < LANES; i++)
        sum[i] = _mm512_loadu_si512(data + i * LANES * LANE);
    sum[0] = _mm512_xor_si512(sum[0], ones);
    for (n -= sizeof(lanes), data += sizeof(lanes); n >= sizeof(lanes);
         n -= sizeof(lanes), data += sizeof(lanes)) {
        for (int i = 0; i < LANES; i++)
            sum[i] =
                fold4(sum[i], by, _mm512_loadu_si512(data + i * LANES * LANE));
    }
    memcpy(lanes, sum, sizeof(lanes));
    return finish(lanes, LANES4, data, n);
}

enum assay__crc32_way assay__crc32_best(void)
{
    if (__builtin_cpu_supports("vpclmulqdq") &&
        __builtin_cpu_supports("avx512dq"))
        return ASSAY__CRC32_CARRY4;
    return __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1")
               ? ASSAY__CRC32_CARRY
               : ASSAY__CRC32_TABLE;
}

#else

enum assay__crc32_way assay__crc32_best(void)
{
    return ASSAY__CRC32_TABLE;
}

#endif

uint32_t assay__crc32_by(enum assay__crc32_way way, const void *data, size_t n)
{
    uint32_t state;

    if (way > assay__crc32_best())
        way = assay__crc32_best();
#if HAVE_CARRY
    if (way == ASSAY__CRC32_CARRY4 && n >= LANES4 * LANE)
        state = by_carry4(data, n);
    else if (way != ASSAY__CRC32_TABLE && n >= LANES * LANE)
        state = by_carry(data, n);
    else
#endif
        state = by_table(UINT32_MAX, data, n);
    return ~state;
}

uint32_t assay__crc32(const void *data, size_t n)
{
    return assay__crc32_by(assay__crc32_best(), data, n);
}
