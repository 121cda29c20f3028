#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Write study-small/study.json and timings.json: a study with made-up
findings, and what Assay should compute from them, by NumPy and SciPy.

Run in this folder: /usr/bin/python3 make-study-small.py
"""

import json
import math
import os

import numpy as np
from scipy import stats

from assay_rng import bootstrap

rng = np.random.default_rng(11)
DATASETS = ["fashion", "faces"]
ARCHITECTURES = ["simplecnn", "resnet18", "vgg19"]
DEFENSES = [("none", "none", []), ("dp", "dp-sgd", ["noise=0.95"]),
            ("distilled", "distillation", [])]
FOR = {"none": ARCHITECTURES, "dp": ["simplecnn"], "distilled": ["vgg19"]}
SEEDS = [0, 1]
ATTACKS = [
    ("target", "The model itself", "utility", "", "", True, "test_accuracy"),
    ("gap", "Correctness", "membership", "label-only", "none", True,
     "accuracy"),
    ("network-black-shadow", "Network, black-box, shadow", "membership",
     "black-box", "shadow", False, "accuracy"),
    ("network-white-partial", "Network, white-box, partial", "membership",
     "white-box", "partial", False, "accuracy"),
    ("invert <gradient>", "Gradient inversion", "inversion", "white-box",
     "none", False, "mse"),
    ("attribute-shadow", "Attribute, shadow", "attribute", "white-box",
     "shadow", False, "accuracy"),
    ("steal-shadow", "Stealing, shadow", "stealing", "black-box", "shadow",
     False, "agreement"),
]
GAP = {"fashion": 0.1, "faces": 0.2}
SHIFT = {"simplecnn": 0.0, "resnet18": 0.02, "vgg19": 0.035}


def estimate(value, n, baseline=None):
    half = 1.96 * math.sqrt(0.25 / n)
    return {"value": value, "low": value - half, "high": value + half, "n": n,
            "baseline": baseline}


def measure(name, gap, dataset):
    noise = lambda: round(float(rng.normal(0, 0.006)), 4)
    if name == "target":
        return {"gap": estimate(gap, 2000),
                "test_accuracy": estimate(1 - gap, 1000),
                "train_accuracy": estimate(1.0, 1000)}
    if name == "gap":
        return {"accuracy": estimate(0.5 + gap / 2, 2000, 0.5)}
    if name.startswith("network"):
        accuracy = 0.51 + 0.9 * gap + noise()
        return {"accuracy": estimate(accuracy, 2000, 0.5),
                "auc": estimate(accuracy + 0.01, 2000, 0.5),
                "epsilon_lower_bound": {"value": 0.4, "low": 0.4,
                                        "high": None, "n": None,
                                        "baseline": 0.0},
                "tpr@0.001": {"value": None, "low": None, "high": None,
                              "n": 900, "baseline": 0.001}}
    if name.startswith("invert"):
        return {"mse": estimate(0.99 if dataset == "fashion" else 0.07, 10)}
    if name.startswith("attribute"):
        return {"accuracy": estimate(0.8 + noise(), 1000, 0.55)}
    return {"accuracy": estimate(0.8 - gap, 1000),
            "agreement": estimate(0.97 - 0.8 * gap + noise(), 1000)}


def cell(dataset, architecture, defense, seed, epochs=100, sweep=False):
    name = "%s-%s-%s%s-s%d" % (dataset, architecture, defense,
                               "-e%d" % epochs if sweep else "", seed)
    out = {"name": name, "dataset": dataset, "architecture": architecture,
           "defense": defense, "seed": seed, "epochs": epochs, "sweep": sweep,
           "status": "done", "why": None}
    if name == "faces-resnet18-none-s1":
        return dict(out, status="failed", why="the disk <is> full")
    gap = GAP[dataset] + SHIFT[architecture] + 0.01 * seed
    gap *= {"none": 1.0, "dp": 0.1, "distilled": 0.7}[defense] * epochs / 100
    attacks = []
    for a in ATTACKS:
        ran = dataset == "faces" or not a[0].startswith("attribute")
        attacks.append({
            "name": a[0], "title": a[1], "goal": a[2], "access": a[3],
            "auxiliary": a[4], "baseline": a[5], "ran": ran,
            "why": None if ran else "no attribute is named",
            "metrics": measure(a[0], round(gap, 4), dataset) if ran else {}})
    return dict(out, verdict="warning", parameters=600000, input=[1, 32, 32],
                data={"name": "fashion-mnist" if dataset == "fashion"
                      else "records", "sha256": "0" * 64, "records": 4000,
                      "classes": 10, "per_quarter": 1000}, attacks=attacks)


def make_cells():
    cells = [cell(d, a, k, s) for s in SEEDS for d in DATASETS
             for a in ARCHITECTURES for k, _, _ in DEFENSES if a in FOR[k]]
    return cells + [cell("fashion", a, "none", s, 10, True) for s in SEEDS
                    for a in ("simplecnn", "vgg19")]


def clean(x):
    return None if x is None or not math.isfinite(x) else float(x)


def moments(values):
    n = len(values)
    mean = np.mean(values) if n else math.nan
    sd = np.std(values, ddof=1) if n > 1 else math.nan
    half = stats.t.ppf(0.975, n - 1) * sd / math.sqrt(n) if n > 1 else math.nan
    return {"mean": clean(mean), "sd": clean(sd), "low": clean(mean - half),
            "high": clean(mean + half), "n": n}


def metrics_of(c, attack):
    for a in c.get("attacks", []):
        if a["name"] == attack:
            return a["metrics"]
    return {}


def values(cells, attack, metric, part="value"):
    found = [metrics_of(c, attack).get(metric, {}).get(part) for c in cells]
    return [x for x in found if x is not None]


PLACE = ["dataset", "architecture", "defense", "epochs", "sweep"]


def make_groups(cells):
    groups = {}
    for c in cells:
        groups.setdefault(tuple(c[k] for k in PLACE), []).append(c)
    return groups


def make_summary(groups):
    rows = []
    for place, cells in groups.items():
        for a in ATTACKS:
            names = next((sorted(m) for m in
                          (metrics_of(c, a[0]) for c in cells) if m), [])
            for metric in names:
                v = values(cells, a[0], metric)
                if v:
                    base = values(cells, a[0], metric, "baseline")
                    rows.append(dict(zip(PLACE, place), attack=a[0],
                                     metric=metric, **moments(v),
                                     baseline=clean(np.mean(base)) if base
                                     else None))
    return rows


def make_defenses(groups):
    rows = []
    for place, cells in groups.items():
        before = groups.get((place[0], place[1], "none", 100, False))
        if place[2] == "none" or before is None:
            continue
        for a in ATTACKS:
            for metric in [a[6]] + (["gap"] if a[0] == "target" else []):
                v = values(cells, a[0], metric)
                if not v:
                    continue
                diff = [values([c], a[0], metric)[0] -
                        values([p], a[0], metric)[0]
                        for c in cells for p in before
                        if c["seed"] == p["seed"] and
                        values([c], a[0], metric) and
                        values([p], a[0], metric)]
                rows.append({"dataset": place[0], "architecture": place[1],
                             "defense": place[2], "attack": a[0],
                             "metric": metric, "after": moments(v),
                             "before": moments(values(before, a[0], metric)),
                             "difference": moments(diff)})
    return rows


def coefficient(r, half, boot):
    t = math.atanh(r) if abs(r) < 1 else math.copysign(math.inf, r)
    return {"value": r, "low": math.tanh(t - half),
            "high": math.tanh(t + half), "boot_low": clean(boot[0]),
            "boot_high": clean(boot[1])}


def pearson(x, y):
    return float(np.clip(np.corrcoef(x, y)[0, 1], -1, 1))


def spearman(x, y):
    return pearson(stats.rankdata(x), stats.rankdata(y))


def correlate(kind, a, b):
    both = [(x, y) for x, y in zip(a[2], b[2])
            if math.isfinite(x) and math.isfinite(y)]
    if not both:
        return []
    x, y = np.array(both).T
    n = len(both)
    row = {"kind": kind, "x": {"attack": a[0], "metric": a[1]},
           "y": {"attack": b[0], "metric": b[1]}, "n": n, "resamples": 2000,
           "why": None, "pearson": None, "spearman": None}
    if n < 4:
        row["why"] = ("%d dataset-architecture pairs; at least 4 are needed"
                      % n)
        return [row]
    z = stats.norm.ppf(0.975)
    r, rho = pearson(x, y), spearman(x, y)
    row["pearson"] = coefficient(r, z / math.sqrt(n - 3),
                                 bootstrap(pearson, x, y, 2000))
    row["spearman"] = coefficient(
        rho, z * math.sqrt((1 + rho * rho / 2) / (n - 3)),
        bootstrap(spearman, x, y, 2000))
    return [row]


def make_correlations(groups):
    points = [c for place, c in groups.items()
              if place[2] == "none" and not place[4]]

    def series(attack, metric):
        v = [values(c, attack, metric) for c in points]
        return attack, metric, [np.mean(x) if x else math.nan for x in v]

    s = [series(a[0], a[6]) for a in ATTACKS]
    gap = series("target", "gap")
    rows = []
    for one in s[1:]:
        rows += correlate("overfitting", gap, one)
        rows += correlate("test accuracy", s[0], one)
    for i in range(1, len(s)):
        for j in range(i + 1, len(s)):
            rows += correlate("attacks", s[i], s[j])
    return rows


def write(name, value):
    with open(os.path.join("study-small", name), "w") as f:
        json.dump(value, f, indent=1, sort_keys=True)
        f.write("\n")


def main():
    cells = make_cells()
    groups = make_groups(cells)
    os.makedirs("study-small", exist_ok=True)
    keys = ["name", "title", "goal", "access", "auxiliary", "baseline",
            "headline"]
    write("study.json", {
        "schema": "assay-study/1",
        "tool": {"name": "assay", "version": "0.1.0"},
        "name": "Two sets & three networks", "preset": "corrected",
        "grid": {"datasets": DATASETS, "architectures": ARCHITECTURES,
                 "defenses": [{"name": n, "kind": k, "params": p}
                              for n, k, p in DEFENSES], "seeds": SEEDS},
        "attacks": [dict(zip(keys, a)) for a in ATTACKS],
        "cells": cells, "summary": make_summary(groups),
        "defenses": make_defenses(groups),
        "correlations": make_correlations(groups)})
    write("timings.json", {
        "schema": "assay-study-timings/1",
        "cells": {c["name"]: {"seconds": 20.0 + 3 * i, "starts": 1 + (i == 2)}
                  for i, c in enumerate(cells) if c["status"] == "done"}})


main()
