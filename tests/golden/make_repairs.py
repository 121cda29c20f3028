#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Write repairs.h, the numbers that the tests of src/repairs compare with.

Run in this folder: /usr/bin/python3 make_repairs.py > repairs.h
Needs Debian's python3-numpy. Matrices are made of whole eighths, which the
test makes again: entry i is ((37 i + 11 seed) mod 23 - 11) / 8.
"""

import numpy as np


def entries(n, seed):
    i = np.arange(n)
    return ((37 * i + 11 * seed) % 23 - 11) / 8


def literal(x):
    return repr(float(x))


print("/* SPDX-License-Identifier: Apache-2.0 */")
print("/* Written by make_repairs.py; change it there. */")
print("/* clang-format off */")

print("\n/* The largest singular value of [rows, columns]. */")
print("static const struct singular_row {")
print("    size_t rows, columns;")
print("    int seed;")
print("    double sigma;")
print("} singular_golden[] = {")
for rows, columns, seed in [(3, 9, 1), (16, 9, 2), (9, 3, 3), (1, 9, 4),
                            (64, 1, 5), (64, 9, 6), (5, 49, 7), (49, 5, 8),
                            (2, 2, 9), (1, 1, 10)]:
    a = entries(rows * columns, seed).reshape(rows, columns)
    sigma = np.linalg.svd(a, compute_uv=False)[0]
    print("    {%d, %d, %d, %s}," % (rows, columns, seed, literal(sigma)))
print("};")

print("\n/* The attention maps of [2, 3, 2, 4], seed 12: [2, 1, 2, 4]. */")
f = entries(2 * 3 * 2 * 4, 12).reshape(2, 3, 2, 4)
a = (f * f).sum(axis=1, keepdims=True)
a = a / (np.sqrt((a * a).sum(axis=(2, 3), keepdims=True)) + 1e-6)
print("static const double attention_golden[] = {")
for x in a.reshape(-1):
    print("    %s," % literal(x))
print("};")
