#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Write metrics.h, the numbers that the tests of src/metrics compare with.

Run in this folder: /usr/bin/python3 make_metrics.py > metrics.h
Needs Debian's python3-mpmath, python3-numpy, python3-scipy and
python3-sklearn. Nothing here shares a formula with src/metrics where there
is another way: quantiles are roots at 45 digits, AUC and DeLong's variance
are sums over all pairs, and scikit-learn and SciPy must agree.
"""

import mpmath as mp
import numpy as np
from scipy import stats
from sklearn.metrics import roc_auc_score, roc_curve

from assay_rng import bootstrap

mp.mp.dps = 45


def num(x):
    """A literal of 20 digits: reads back as the nearest double."""
    return mp.nstr(mp.mpf(x), 20, min_fixed=-5, max_fixed=8)


def table(name, fields, rows):
    """An array of structs whose fields are doubles."""
    print("\nstatic const struct %s_row {" % name)
    for field in fields.split():
        print("    double %s;" % field)
    print("} %s_golden[] = {" % name)
    for row in rows:
        print("    {" + ", ".join(row) + "},")
    print("};")


def lower_tail(x, y, a, b):
    """I_x(a, b) by its series of positive terms, y = 1 - x."""
    term = total = mp.mpf(1)
    n = 0
    while term > total * mp.mpf(10) ** -40:
        term *= (a + b + n) * x / (a + 1 + n)
        total += term
        n += 1
    return x ** a * y ** b / (a * mp.beta(a, b)) * total


def cdf(t, a, b):
    """I_x(a, b) at x = logistic(t), by the series that is shorter."""
    x, y = 1 / (1 + mp.exp(-t)), 1 / (1 + mp.exp(t))
    if x < 0.5:
        return lower_tail(x, y, a, b)
    return 1 - lower_tail(y, x, b, a)


def beta_logit(p, a, b):
    p, a, b = mp.mpf(p), mp.mpf(a), mp.mpf(b)
    x = stats.beta.ppf(float(p), float(a), float(b))
    y = stats.beta.isf(float(p), float(b), float(a))
    t = mp.log(x) - mp.log(y)
    return mp.findroot(lambda t: mp.log(cdf(t, a, b) / p),
                       (t - 1e-4, t + 1e-4), solver="illinois", tol=1e-50)


def beta_quantile(p, a, b):
    return 1 / (1 + mp.exp(-beta_logit(p, a, b)))


def beta_rows():
    cases = [
        (0.5, 1, 1), (0.025, 1, 1), (0.025, 2, 3), (0.975, 2, 3),
        (0.3, 0.5, 0.5), (0.9, 0.5, 0.5), (0.01, 0.5, 8), (0.999, 8, 0.5),
        (1e-6, 3, 200), (1e-10, 50, 50), (0.975, 1, 1000),
        (0.025, 1000, 1), (0.025, 7, 9994), (0.975, 8, 9993),
        (0.00045, 480, 521), (0.5, 1000, 9000), (0.025, 12345, 54321),
        (0.025, 25000, 25001), (0.975, 3, 999998), (0.025, 500000, 500001),
        (0.2, 0.05, 4), (0.7, 15, 15), (0.7, 15.5, 16.5),
    ]
    for p, a, b in cases:
        q = beta_quantile(p, a, b)
        other = stats.beta.ppf(p, a, b)
        assert abs(other - q) <= 1e-6 * q, (p, a, b, q, other)
        yield [num(p), num(a), num(b), num(q)]


def normal_rows():
    for p in [1e-300, 1e-250, 1e-100, 1e-20, 1e-10, 1e-5, 0.001, 0.02425, 0.025,
              0.1, 0.3, 0.4999, 0.5001, 0.6, 0.9, 0.975, 0.999, 0.99999]:
        exact = mp.mpf(p)
        x = mp.mpf(stats.norm.ppf(p))
        for _ in range(6):
            x -= (mp.ncdf(x) - exact) / mp.npdf(x)
        yield [num(p), num(x)]


def student_quantile(p, df):
    tail = 1 - mp.mpf(p) if p > 0.5 else mp.mpf(p)
    logit = beta_logit(2 * tail, mp.mpf(df) / 2, 0.5)
    t = mp.sqrt(df) * mp.exp(-logit / 2) * (1 if p > 0.5 else -1)
    assert abs(stats.t.ppf(p, df) - t) < 1e-7 * abs(t)
    return t


def student_rows():
    for p, df in [(0.975, 1), (0.975, 2), (0.975, 4), (0.975, 9),
                  (0.975, 29), (0.975, 1000), (0.975, 1e6), (0.95, 3.5),
                  (0.6, 5), (0.5005, 7), (0.025, 12), (0.9999, 3)]:
        yield [num(p), num(df), num(student_quantile(p, df))]


def proportion_rows():
    for k, n in [(0, 1), (1, 1), (0, 10), (10, 10), (1, 10), (3, 10),
                 (0, 1000), (1000, 1000), (999, 1000), (17, 500),
                 (5, 100000), (50000, 100000), (0, 1000000)]:
        low = beta_quantile(0.025, k, n - k + 1) if k else mp.mpf(0)
        high = (1 - beta_quantile(0.025, n - k, k + 1)) if k < n else mp.mpf(1)
        ci = stats.binomtest(k, n).proportion_ci(method="exact")
        assert abs(ci.low - low) < 1e-9 and abs(ci.high - high) < 1e-9
        yield [str(k), str(n), num(low), num(high)]


def delong(scores, positive):
    """Area and variance from the matrix of all pairs."""
    x = scores[positive == 1][:, None]
    y = scores[positive == 0][None, :]
    wins = (x > y) + 0.5 * (x == y)
    variance = (wins.mean(1).var(ddof=1) / len(x) +
                wins.mean(0).var(ddof=1) / y.shape[1])
    assert abs(wins.mean() - roc_auc_score(positive, scores)) < 1e-12
    return wins.mean(), variance


def auc_case(name, scores, positive):
    auc, variance = delong(scores, positive)
    z = float(stats.norm.ppf(0.975))
    logit = mp.log(mp.mpf(auc) / (1 - mp.mpf(auc)))
    half = z * mp.sqrt(variance) / (auc * (1 - auc))
    low = 1 / (1 + mp.exp(-(logit - half)))
    high = 1 / (1 + mp.exp(-(logit + half)))
    fpr, tpr, _ = roc_curve(positive, scores, drop_intermediate=False)
    at = [float(tpr[fpr <= f + 1e-12].max()) for f in (0.1, 0.2, 0.5)]
    print("\nstatic const double %s_scores[] = {" % name)
    for i in range(0, len(scores), 6):
        print("    " + " ".join("%g," % s for s in scores[i:i + 6]))
    print("};\nstatic const uint8_t %s_positive[] = {" % name)
    for i in range(0, len(scores), 18):
        print("    " + " ".join("%d," % p for p in positive[i:i + 18]))
    print("};")
    print("/* auc, low, high, tpr at fpr 0.1, 0.2, 0.5, advantage */")
    print("static const double %s_expect[] = {" % name)
    for v in [auc, low, high] + at + [float((tpr - fpr).max())]:
        print("    %s," % num(v))
    print("};")


def wilson(k, n):
    ci = stats.binomtest(k, n).proportion_ci(method="wilson")
    return k / n, ci.low, ci.high


def balanced_rows():
    for tp, m, tn, n in [(7, 10, 8, 10), (10, 10, 20, 20), (0, 5, 0, 5),
                         (60, 100, 450, 1000)]:
        p, pl, ph = wilson(tp, m)
        q, ql, qh = wilson(tn, n)
        value = (p + q) / 2
        yield [str(tp), str(m), str(tn), str(n), num(value),
               num(value - np.hypot(p - pl, q - ql) / 2),
               num(value + np.hypot(ph - p, qh - q) / 2)]


def pearson_case():
    x = np.array([1.0, 2.5, 3.0, 4.5, 5.0, 7.25, 8.0])
    y = np.array([2.0, 1.5, 4.0, 3.5, 6.0, 5.0, 9.5])
    r = stats.pearsonr(x, y)
    ci = r.confidence_interval(0.95)
    mean = x.mean()
    half = float(student_quantile(0.975, 6)) * x.std(ddof=1) / np.sqrt(7)
    print("\n/* r, low, high; mean of x, sd, low, high */")
    print("static const double pearson_expect[] = {")
    for v in [r[0], ci.low, ci.high, mean, x.std(ddof=1), mean - half,
              mean + half]:
        print("    %s," % num(v))
    print("};")


def spearman_case():
    """With ties; Bonett and Wright's interval."""
    x = np.array([1.0, 2.0, 2.0, 4.0, 5.5, 6.0, 7.0, 9.0])
    y = np.array([3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0, 6.0])
    rho = stats.spearmanr(x, y)[0]
    half = stats.norm.ppf(0.975) * np.sqrt((1 + rho ** 2 / 2) / (len(x) - 3))
    r_boot = bootstrap(lambda u, v: stats.pearsonr(u, v)[0], x, y, 300, 5)
    rho_boot = bootstrap(lambda u, v: stats.spearmanr(u, v)[0], x, y, 300, 5)
    print("\n/* rho, low, high; 300 draws of seed 5: r's ends, rho's ends */")
    print("static const double spearman_expect[] = {")
    for v in [rho, np.tanh(np.arctanh(rho) - half),
              np.tanh(np.arctanh(rho) + half), *r_boot, *rho_boot]:
        print("    %s," % num(v))
    print("};")


def main():
    print("/* SPDX-License-Identifier: Apache-2.0 */")
    print("/* Written by make_metrics.py; change it there. */")
    print("/* clang-format off */")
    print("\n#include <stdint.h>")
    table("beta", "p a b x", beta_rows())
    table("normal", "p x", normal_rows())
    table("student", "p df t", student_rows())
    table("proportion", "k n low high", proportion_rows())
    table("balanced", "tp n_pos tn n_neg value low high", balanced_rows())
    rng = np.random.default_rng(7)
    positive = np.array([1] * 25 + [0] * 35)
    smooth = np.round(rng.normal(size=60) + positive, 4)
    auc_case("smooth", smooth, positive)
    auc_case("tied", np.round(smooth), positive)
    pearson_case()
    spearman_case()


main()
