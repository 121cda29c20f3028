# SPDX-License-Identifier: Apache-2.0
"""assay/rng.h once more, from its description: streams of xoshiro256**
seeded by SplitMix64 over (seed, FNV-1a of the purpose, index)."""

MASK = (1 << 64) - 1
GAMMA = 0x9E3779B97F4A7C15


def mix(z):
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & MASK
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB & MASK
    return z ^ (z >> 31)


def fnv1a(text):
    h = 0xCBF29CE484222325
    for byte in text.encode():
        h = (h ^ byte) * 0x100000001B3 & MASK
    return h


def rotl(x, k):
    return (x << k | x >> (64 - k)) & MASK


class Stream:
    def __init__(self, seed, purpose, index):
        x = mix(seed + GAMMA & MASK)
        x = mix((x ^ fnv1a(purpose)) + GAMMA & MASK)
        x = mix((x ^ index) + GAMMA & MASK)
        self.s = []
        for _ in range(4):
            x = x + GAMMA & MASK
            self.s.append(mix(x))

    def u64(self):
        s = self.s
        result = rotl(s[1] * 5 & MASK, 7) * 9 & MASK
        t = s[1] << 17 & MASK
        s[2] ^= s[0]
        s[3] ^= s[1]
        s[1] ^= s[2]
        s[0] ^= s[3]
        s[2] ^= t
        s[3] = rotl(s[3], 45)
        return result

    def below(self, n):
        refused = (1 << 64) % n
        x = self.u64()
        while x < refused:
            x = self.u64()
        return x % n


def bootstrap(correlation, x, y, resamples, seed=0):
    """Percentile interval of a correlation of pairs; NaN for fewer than 4
    pairs or when over half of the draws have none."""
    import numpy as np

    n = len(x)
    kept = []
    for b in range(resamples):
        stream = Stream(seed, "bootstrap", b)
        pick = [stream.below(n) for _ in range(n)]
        u, v = x[pick], y[pick]
        if np.ptp(u) > 0 and np.ptp(v) > 0:
            kept.append(correlation(u, v))
    if n < 4 or 2 * len(kept) < resamples:
        return float("nan"), float("nan")
    return tuple(np.percentile(kept, [2.5, 97.5]))
