#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Inference of ONNX files: Assay beside PyTorch, side by side in one run.

The files are public ones from ../shared/data/models beside the repository
(left out where they are not there) and ResNet-18 and -50 of 224 pixels, which
PyTorch exports here. PyTorch runs the same network, built of its modules with
the file's weights (speed_onnx_torch.py), in both memory layouts, with glibc's
malloc as it is or told to keep its memory, on OpenBLAS's fastest kernels: as
it is, which the goal is held against, and traced, frozen and optimised for
inference by torch.jit. The fastest way of each is found in a round that is
not counted; ratios are formed within a round. With one thread the processes'
own time is counted, on which other work has little influence.

Logits of both on the same images must agree within 1e-4, relative to the
largest. The exit status is 1 when they do not, or a median lies below 1.3.

usage: speed_onnx.py BENCH_ONNX [--rounds N] [--seconds S] [--threads N]
                     [--work FOLDER] [NAME ...]
"""
import os
import subprocess
import sys
import tempfile

import numpy as np

import speed

HERE = os.path.dirname(os.path.abspath(__file__))
MODELS = os.path.join(HERE, "..", "..", "shared", "data", "models")
GOAL, TOLERANCE = 1.3, 1e-4
# name: (file or torchvision's name, images of a batch, their shape)
CASES = {
    "resnet_2b": ("cifar10/vnncomp21_resnet_2b.onnx", 64, (3, 32, 32)),
    "cifar_base_kw": ("cifar10/oval21_cifar_base_kw.onnx", 64, (3, 32, 32)),
    "cifar10_medium": ("cifar10/marabou_cifar10_medium.onnx", 64,
                       (3, 32, 32)),
    "edwin": ("fashion-mnist/edwin_fashion_mnist.onnx", 64, (1, 28, 28)),
    "cntk": ("mnist/cntk_opt-mnist.onnx", 64, (1, 28, 28)),
    "convnet_maxpool": ("mnist/verivital_Convnet_maxpool.onnx", 64,
                        (1, 28, 28)),
    "mnist-net_256x4": ("mnist/vnncomp21_mnist-net_256x4.onnx", 64,
                        (1, 28, 28)),
    "resnet18": ("resnet18", 16, (3, 224, 224)),
    "resnet50": ("resnet50", 16, (3, 224, 224)),
}
LAYOUTS = ["contiguous", "channels_last"]
KINDS = {"plain": "", "frozen": "-frozen"}

EXPORT = """
import sys, torch, torchvision
torch.manual_seed(0)
net = getattr(torchvision.models, sys.argv[1])(weights=None)
with torch.no_grad():
    for _ in range(8):  # statistics of batch norm, else logits explode
        net(torch.randn(8, 3, 224, 224))
net.eval()
torch.onnx.export(net, torch.randn(1, 3, 224, 224), sys.argv[2],
                  opset_version=13, input_names=["x"], output_names=["y"],
                  dynamic_axes={"x": {0: "n"}, "y": {0: "n"}})
"""


class Case:
    def __init__(self, name, probe, seconds, threads, work, env):
        file, batch, shape = CASES[name]
        self.name, self.probe, self.seconds = name, probe, seconds
        self.env, self.work, self.threads = env, work, threads
        self.model = os.path.join(MODELS, file)
        self.there = True
        if "/" not in file:
            self.model = os.path.join(work, f"{file}.onnx")
            subprocess.run(["/usr/bin/python3", "-W", "ignore", "-c", EXPORT,
                            file, self.model], check=True)
        elif not os.path.exists(self.model):
            self.there = False
        self.images = os.path.join(work, f"{name}.npz")
        self.batch = batch
        draw = np.random.default_rng(1)
        np.savez(self.images, x=draw.random((batch, *shape), np.float32))

    def path(self, who):
        return os.path.join(self.work, f"{self.name}-{who}.npz")

    def ours(self):
        return speed.call([self.probe, self.model, self.images,
                           self.path("assay"), self.seconds,
                           os.path.join(self.work, "tuning.json"),
                           self.threads])["rate"]

    def theirs(self, way, seconds=None):
        env = dict(self.env, **(speed.MALLOC if way[1] else {}))
        return speed.call(["/usr/bin/python3", "-W", "ignore",
                           f"{HERE}/speed_onnx_torch.py", self.model, self.images,
                           self.path("torch"), seconds or self.seconds,
                           way[0], self.threads], env)["rate"]

    def difference(self):
        a, b = (np.load(self.path(who))["logits"].astype(float)
                for who in ("assay", "torch"))
        return float(np.abs(a - b).max() / max(1, np.abs(b).max()))

    def fastest(self, suffix):
        ways = [(layout + suffix, malloc)
                for layout in LAYOUTS for malloc in (False, True)]
        return max(ways, key=lambda way: self.theirs(way, "0.5"))

    def run(self, rounds):
        way = {kind: self.fastest(KINDS[kind]) for kind in KINDS}
        rates = {who: [] for who in ("assay", *KINDS)}
        for _ in range(rounds):
            rates["assay"].append(self.ours())
            for kind in KINDS:
                rates[kind].append(self.theirs(way[kind]))
        row = {"name": self.name, "batch": self.batch, "way": way,
               "difference": self.difference()}
        for who, values in rates.items():
            row[who] = speed.spread(values)
            row["to " + who] = speed.spread(
                [a / b for a, b in zip(rates["assay"], values)])
        return row


def show(r):
    def cell(v, digits):
        return f"{v[0]:.{digits}f} ±{v[1]:.{digits}f}"

    def way(kind):
        layout, malloc = r["way"][kind]
        return (f"{cell(r[kind], 0)} ({layout.removesuffix('-frozen')}"
                f"{', malloc' if malloc else ''})")

    print(f"| {r['name']} | {r['batch']} | {way('plain')} | {way('frozen')} | "
          f"{cell(r['assay'], 0)} | {cell(r['to plain'], 2)} | "
          f"{cell(r['to frozen'], 2)} | {r['difference']:.1e} |", flush=True)


def main():
    args = sys.argv[1:]
    rounds = int(speed.option(args, "--rounds", "5"))
    seconds = speed.option(args, "--seconds", "1")
    threads = speed.option(args, "--threads", "0")
    keep = speed.option(args, "--work", None)
    if not args:
        raise SystemExit(__doc__)
    probe, names = args[0], args[1:] or list(CASES)
    core, _ = speed.best_core()
    rows = []
    with tempfile.TemporaryDirectory() as tmp:
        print(f"{rounds} rounds of {seconds} s; images/s and ratios Assay / "
              "PyTorch, median ± half the range\n\n| network | batch | "
              "PyTorch | PyTorch, frozen | Assay | ratio | ratio, frozen | "
              "logits differ by |\n|" + "---|" * 8, flush=True)
        for name in names:
            case = Case(name, probe, seconds, threads, keep or tmp,
                        speed.torch_env(core))
            if not case.there:
                print(f"| {name} | skipped: its file is not there |")
                continue
            rows.append(case.run(rounds))
            show(rows[-1])
    bad = [r["name"] for r in rows
           if r["to plain"][0] < GOAL or not r["difference"] < TOLERANCE]
    print(f"\nonnx: networks={len(rows)} "
          f"ratio_min={min(r['to plain'][0] for r in rows):.2f} "
          f"frozen_min={min(r['to frozen'][0] for r in rows):.2f} "
          f"difference_max={max(r['difference'] for r in rows):.1e} "
          f"short={','.join(bad) or 'none'}")
    return int(bool(bad))


if __name__ == "__main__":
    sys.exit(main())
