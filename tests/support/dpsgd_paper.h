/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_TESTS_DPSGD_PAPER_H
#define ASSAY_TESTS_DPSGD_PAPER_H

/*
 * The eight trainings with DP-SGD whose epsilons are printed in ML-Doctor
 * (Liu et al., USENIX Security 2022): batches of 64, 300 epochs over a
 * quarter of the data, delta 1e-5. The paper prints epsilon alone; these
 * noises give all eight.
 */

#include <math.h>
#include <stddef.h>

#include "assay/privacy.h"

#define DPSGD_PAPER_DELTA 1e-5

static const struct {
    const char *data;
    double records; /* of the training, a quarter of all */
    double noise;
    double epsilon; /* printed, to three decimals */
} dpsgd_paper[] = {
    {"CelebA", 50649, 0.90, 5.139}, {"CelebA", 50649, 0.80, 6.574},
    {"FMNIST", 17500, 0.95, 8.408}, {"FMNIST", 17500, 0.90, 9.355},
    {"STL10", 3250, 1.70, 8.834},   {"STL10", 3250, 1.60, 9.604},
    {"UTKFace", 5503, 1.30, 9.578}, {"UTKFace", 5503, 1.50, 7.762},
};

enum { DPSGD_PAPER = sizeof(dpsgd_paper) / sizeof(dpsgd_paper[0]) };

static inline struct assay_dpsgd dpsgd_paper_row(size_t i)
{
    const double batch = 64;
    struct assay_dpsgd m = {
        batch / dpsgd_paper[i].records, dpsgd_paper[i].noise,
        300 * (uint64_t)ceil(dpsgd_paper[i].records / batch)};

    return m;
}

#endif
