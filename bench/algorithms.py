#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Test accuracy with direct and with tuned algorithms, side by side.

usage: algorithms.py FOLDER ARCH ...

FOLDER holds eval-ARCH-SEED-WAY.json of both ways, as `assay eval
--json` writes them. A network passes when the mean difference over seeds is
no larger than Student's 99 % quantile of paired differences allows.
"""
import glob
import json
import math
import os
import statistics
import sys

# Two-sided 99 % quantiles of Student's t, by degrees of freedom.
T99 = {1: 63.657, 2: 9.925, 3: 5.841, 4: 4.604, 5: 4.032, 6: 3.707, 7: 3.499,
       8: 3.355, 9: 3.250}


def accuracies(folder, arch, way):
    paths = sorted(glob.glob(os.path.join(folder, f"eval-{arch}-*-{way}.json")))
    out = []
    for path in paths:
        with open(path, encoding="utf-8") as f:
            out.append(json.load(f)["accuracy"])
    return out


def main():
    folder, archs = sys.argv[1], sys.argv[2:]
    passed, worst = 0, 0.0
    print(f"{'network':12}{'seeds':>6}{'direct':>18}{'tuned':>18}"
          f"{'difference':>18}")
    for arch in archs:
        direct, tuned = (accuracies(folder, arch, w)
                         for w in ("direct", "tuned"))
        n = len(direct)
        if n < 2 or n != len(tuned) or n - 1 not in T99:
            raise SystemExit(f"{arch}: {n} and {len(tuned)} seeds; 2 to "
                             f"{len(T99) + 1} of each are needed")
        apart = [t - d for t, d in zip(tuned, direct)]
        mean = statistics.mean(apart)
        reach = T99[n - 1] * statistics.stdev(apart) / math.sqrt(n)
        good = abs(mean) <= reach
        passed += good
        worst = max(worst, abs(mean))
        print(f"{arch:12}{n:6}" + "".join(
            f"{statistics.mean(x):11.4f} \u00b1{statistics.stdev(x):.3f}"
            for x in (direct, tuned)) +
            f"{mean:+11.4f} \u00b1{reach:.3f}{'' if good else '  FAILED'}")
    print(f"algorithms: networks={len(archs)} passed={passed} "
          f"worst_difference={worst:.4f}")
    return int(passed < len(archs))


if __name__ == "__main__":
    sys.exit(main())
