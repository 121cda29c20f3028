#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Assay against PyTorch, side by side in one run.

For each network and size, in each round: Assay (tuned and direct) and
PyTorch in both memory layouts, plainly and with glibc's malloc told to keep
its memory. A ratio is formed within a round, against the best PyTorch of that
round; the table shows the median over rounds and the spread. PyTorch runs
with all cores and OpenBLAS's OpenMP build, with those of its kernels that are
fastest here. The exit status is 1 when a median
lies below its goal.

usage: speed.py BENCH_SPEED [--rounds N] [--seconds S] [--quick]
                [NET:SIZE ...]
"""
import json
import os
import statistics
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
NETS = ["simplecnn3", "alexnet", "vgg19", "resnet18", "xception"]
ALL = [f"{n}:{s}" for s in (32, 64) for n in NETS]
LAYOUTS = ["contiguous", "channels_last"]
MALLOC = {"MALLOC_MMAP_THRESHOLD_": "4294967296",
          "MALLOC_TRIM_THRESHOLD_": "8589934592",
          "MALLOC_TOP_PAD_": "268435456"}


def call(command, extra=None):
    env = dict(os.environ, **(extra or {}))
    done = subprocess.run(command, env=env, stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


def torch_env(core):
    """Debian's OpenBLAS with OpenMP, its kernels for `core`."""
    blas = "/usr/lib/x86_64-linux-gnu/openblas-openmp"
    env = {"LD_LIBRARY_PATH": blas} if os.path.isdir(blas) else {}
    return dict(env, OPENBLAS_CORETYPE=core) if core else env


def best_core():
    """The kernels that multiply fastest, and their GFLOP/s: an OpenBLAS older
    than the processor may fall back to those of 2004."""
    rates = {}
    for core in ("", "Haswell", "SkylakeX"):
        try:
            rates[core] = call(["/usr/bin/python3", f"{HERE}/speed_torch.py",
                                "peak", "-", "0", "-", "1"],
                               torch_env(core))["gflops"]
        except subprocess.CalledProcessError:
            pass  # not for this processor
    return max(rates.items(), key=lambda item: item[1])


class Referee:
    def __init__(self, probe, seconds, tuning, core):
        self.probe, self.seconds, self.tuning = probe, seconds, tuning
        self.env = torch_env(core)

    def ours(self, mode, net, size, algorithms):
        return call([self.probe, mode, net, size, algorithms, self.seconds,
                     self.tuning])

    def torch(self, mode, net, size, malloc):
        env = dict(self.env, **(MALLOC if malloc else {}))
        return max(call(["/usr/bin/python3", f"{HERE}/speed_torch.py", mode,
                         net, size, layout, self.seconds], env)["rate"]
                   for layout in LAYOUTS)

    def round(self, net, size):
        """One round: rates of every contestant."""
        r = {}
        for mode in ("train", "infer"):
            r[mode, "tuned"] = self.ours(mode, net, size, "tuned")["rate"]
            r[mode, "torch"] = self.torch(mode, net, size, False)
            r[mode, "malloc"] = self.torch(mode, net, size, True)
            r[mode, "direct"] = self.ours(mode, net, size, "direct")["rate"]
        r["pair"] = self.ours("pair", net, size, "tuned")["rate"]
        return r


def spread(values):
    m = statistics.median(values)
    return m, (max(values) - min(values)) / 2


def row(name, rounds, flops, peak):
    def ratio(mode, ours, theirs):
        return [r[mode, ours] / r[mode, theirs] for r in rounds]

    out = {
        "name": name,
        "torch": spread([r["train", "torch"] for r in rounds]),
        "tuned": spread([r["train", "tuned"] for r in rounds]),
        "train": spread(ratio("train", "tuned", "torch")),
        "train_malloc": spread(ratio("train", "tuned", "malloc")),
        "direct": spread(ratio("train", "direct", "torch")),
        "infer": spread(ratio("infer", "tuned", "torch")),
        "infer_malloc": spread(ratio("infer", "tuned", "malloc")),
        "pair": spread([r["pair"] / r["train", "torch"] for r in rounds]),
    }
    out["share"] = 3 * flops * out["tuned"][0] / (peak * 1e9)
    return out


def show(r):
    def cell(v, digits=2):
        return f"{v[0]:.{digits}f} ±{v[1]:.{digits}f}"

    print(f"| {r['name']} | {cell(r['torch'], 0)} | {cell(r['tuned'], 0)} | "
          f"{cell(r['train'])} | {cell(r['train_malloc'])} | "
          f"{cell(r['direct'])} | {cell(r['infer'])} | "
          f"{cell(r['infer_malloc'])} | {cell(r['pair'])} | "
          f"{100 * r['share']:.0f} % |", flush=True)


def goals(name):
    """Least ratios of training, with direct algorithms, and of inference."""
    net = name.split(":")[0]
    return {"train": 1.5 if net in ("resnet18", "xception") else 1.8,
            "direct": 1.1 if net == "vgg19" else 1.3,
            "infer": 1.5, "pair": 2.0}


def misses(rows):
    return [f"{r['name']} {what}: {r[what][0]:.2f}, goal {least}"
            for r in rows for what, least in goals(r["name"]).items()
            if r[what][0] < least]


def option(args, name, default):
    if name not in args:
        return default
    i = args.index(name)
    value = args[i + 1]
    del args[i:i + 2]
    return value


def main():
    args = sys.argv[1:]
    rounds = int(option(args, "--rounds", "3"))
    seconds = option(args, "--seconds", "3")
    if not args:
        raise SystemExit(__doc__)
    probe, cases = args[0], args[1:] or ALL
    with tempfile.TemporaryDirectory() as tmp:
        core, theirs = best_core()
        referee = Referee(probe, seconds, os.path.join(tmp, "tuning.json"),
                          core)
        peak = referee.ours("peak", "-", "0", "direct")["gflops"]
        print(f"matrix product, 2048 cubed: {peak:.0f} GFLOP/s, PyTorch "
              f"{theirs:.0f} (OpenBLAS, {core or 'as detected'}); batch 64, "
              f"{rounds} rounds of {seconds} s; images/s; ratios Assay / "
              "PyTorch, median ± half the range\n", flush=True)
        print("| network:pixels | PyTorch train | Assay train | ratio | "
              "ratio, malloc tuned | ratio, direct | inference | "
              "inference, malloc tuned | two models side by side | "
              "share of peak |")
        print("|" + "---|" * 10)
        rows = []
        for case in cases:
            net, size = case.split(":")
            flops = referee.ours("infer", net, size, "tuned")["flops"]
            rows.append(row(case, [referee.round(net, size)
                                   for _ in range(rounds)], flops, peak))
            show(rows[-1])
    for miss in misses(rows):
        print(f"below the goal: {miss}")
    low = {k: min(r[k][0] for r in rows)
           for k in ("train", "direct", "infer", "pair")}
    print(f"\nbench: train_min={low['train']:.2f} "
          f"direct_min={low['direct']:.2f} infer_min={low['infer']:.2f} "
          f"pair_min={low['pair']:.2f}")
    return int(bool(misses(rows)))


if __name__ == "__main__":
    sys.exit(main())
