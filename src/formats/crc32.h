/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_FORMATS_CRC32_H
#define ASSAY_FORMATS_CRC32_H

/*
 * CRC-32 as zip has it (polynomial 0x04c11db7, bits reflected, begun and
 * ended with all ones), as fast as the processor can.
 */

#include <stddef.h>
#include <stdint.h>

/* How it is computed; each gives the same number. */
enum assay__crc32_way {
    ASSAY__CRC32_TABLE,  /* zlib's, anywhere */
    ASSAY__CRC32_CARRY,  /* carry-less products of 64 bits (PCLMULQDQ) */
    ASSAY__CRC32_CARRY4, /* four at a time (VPCLMULQDQ and AVX-512) */
    ASSAY__CRC32_WAYS
};

/* The fastest that this processor has. */
enum assay__crc32_way assay__crc32_best(void);

uint32_t assay__crc32(const void *data, size_t n);
/* By `way` or, where the processor has it not, by its best one. */
uint32_t assay__crc32_by(enum assay__crc32_way way, const void *data, size_t n);

#endif
