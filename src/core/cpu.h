/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_CORE_CPU_H
#define ASSAY_CORE_CPU_H

/*
 * ASSAY__CLONES in front of a function compiles it also for AVX2+FMA and
 * AVX-512 and picks at load time. Only for leaf loops in plain C. Off for
 * other compilers and machines, and under sanitizers, whose run-time is not
 * up yet when the choice is made.
 *
 * ASSAY__FUSED is the same, and products and sums may be contracted into one
 * rounding: faster, and results differ in the last digits between CPUs.
 */

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && \
    !defined(ASSAY_NO_CLONES)
#define ASSAY__CLONES                                                 \
    __attribute__((                                                   \
        target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default"), \
        optimize("O3")))
#else
#define ASSAY__CLONES
#endif

#if defined(__GNUC__) && !defined(__clang__)
#define ASSAY__FUSED \
    ASSAY__CLONES __attribute__((optimize("O3", "fp-contract=fast")))
#else
#define ASSAY__FUSED ASSAY__CLONES
#endif

#endif
