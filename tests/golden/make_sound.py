#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Write sound.h, the spectrograms that tests/unit/test_data_sound.c expects.

Run in this folder: /usr/bin/python3 make_sound.py > sound.h
Needs Debian's python3-numpy. The transform is NumPy's, the resampling one
matrix product; levels are kept before rounding, so that the test can tell a
wrong pixel from one that lies on a half.
"""

import numpy as np

RATE, SECONDS, HEIGHT, WIDTH = 4000, 1, 12, 10


def samples(n):
    """Noise and a falling square wave, whole numbers of 16 bits."""
    u, out = 1, []
    for i in range(n):
        u = (u * 1664525 + 1013904223) % 2**32
        tone = 9000 if (i // (10 + i // 200)) % 2 else -9000
        out.append(tone + ((u >> 16) & 0x0fff) - 2048)
    return np.array(out) / 32768


def resample(x, rate):
    if rate == RATE:
        return x
    cut = min(1.0, RATE / rate)
    place = np.arange(RATE * SECONDS) * rate / RATE
    u = cut * (np.arange(len(x))[None, :] - place[:, None])
    window = np.where(np.abs(u) <= 8, 0.5 + 0.5 * np.cos(np.pi * u / 8), 0)
    return (cut * np.sinc(u) * window) @ x


def spectrogram(x):
    n, hop = RATE * SECONDS, RATE * SECONDS // WIDTH
    fft = 1024
    x = np.concatenate([x[:n], np.zeros(max(0, n - len(x)))])
    padded = np.concatenate([np.zeros(fft), x, np.zeros(fft)])
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(fft) / fft)
    corners = 700 * (10 ** (2595 * np.log10(1 + RATE / 2 / 700)
                            * np.arange(HEIGHT + 2) / (HEIGHT + 1) / 2595) - 1)
    f = np.arange(fft // 2 + 1) * RATE / fft
    mel = np.array([np.clip(np.minimum((f - a) / (b - a), (c - f) / (c - b)),
                            0, None)
                    for a, b, c in zip(corners, corners[1:], corners[2:])])
    frames = [padded[fft + t * hop + hop // 2 - fft // 2:][:fft] * hann
              for t in range(WIDTH)]
    energy = mel @ (np.abs(np.fft.rfft(frames, axis=1)) ** 2).T
    level = 10 * np.log10(energy / energy.max())
    return 255 * (1 + np.maximum(level, -80) / 80)[::-1]


print("/* SPDX-License-Identifier: Apache-2.0 */")
print("/* Written by make_sound.py; change it there. */")
print("/* clang-format off */\n")
for name, rate, n in (("same", 4000, 3500), ("down", 4410, 4410),
                      ("up", 3200, 3300)):
    print("static const double sound_%s[] = {" % name)
    for row in spectrogram(resample(samples(n), rate)):
        print("    " + ", ".join("%.4f" % v for v in row) + ",")
    print("};")
