#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Neural Cleanse in Assay and in PyTorch, the same search in turns.

A ResNet-18 of 3x32x32 with ten classes, the same random weights, the same 256
images, mini-batches of 32, as many updates; nobody stops early; one thread
each. Assay searches all classes side by side, PyTorch one after another, and
only the first DO of them: its time per class does not depend on which. A ratio
of the CPU's seconds per class is formed within a round, against the better of
PyTorch's two memory layouts. Then Assay alone with 10, 20, 50 and 100 classes.

usage: neural_cleanse.py BENCH_NEURAL_CLEANSE [--rounds N] [--quick]
Exit status 1 when the median ratio is above a third.
"""
import statistics
import subprocess
import sys
import tempfile

from speed import HERE, LAYOUTS, MALLOC, best_core, call, torch_env

GOAL = 1 / 3
CLASSES = (10, 20, 50, 100)


class Referee:
    def __init__(self, probe, folder, work, do):
        self.probe, self.folder, self.work, self.do = probe, folder, work, do
        core, gflops = best_core()
        print(f"OpenBLAS: {core or 'its own choice'}, {gflops:.0f} GFLOP/s")
        self.env = dict(torch_env(core), **MALLOC)

    def ours(self, classes, work):
        return call([self.probe, "run", self.folder, str(classes), *work,
                     "10"], {"GOMP_SPINCOUNT": "0"})

    def torch(self):
        runs = [call(["/usr/bin/python3", f"{HERE}/neural_cleanse_torch.py",
                      self.folder, "10", str(self.do), *self.work, layout],
                     self.env) for layout in LAYOUTS]
        return min(runs, key=lambda r: r["cpu"])


def main():
    quick = "--quick" in sys.argv
    rounds = (int(sys.argv[sys.argv.index("--rounds") + 1])
              if "--rounds" in sys.argv else 3 if quick else 7)
    work = ("2", "5") if quick else ("10", "10")
    with tempfile.TemporaryDirectory() as folder:
        r = Referee(sys.argv[1], folder, work, 3)
        for k in CLASSES:
            subprocess.run([r.probe, "make", folder, str(k)], check=True)
        ratios, memory = [], []
        for _ in range(rounds):
            a, t = r.ours(10, work), r.torch()
            per = [a["cpu"] / 10, t["cpu"] / r.do]
            ratios.append(per[0] / per[1])
            memory = [a["memory"], t["memory"]]
            print(f"CPU seconds per class: Assay {per[0]:.3f} PyTorch "
                  f"{per[1]:.3f} ratio {ratios[-1]:.3f}; wall "
                  f"{a['seconds'] / 10:.3f} {t['seconds'] / r.do:.3f}; MB "
                  f"{memory[0] / 1e6:.0f} {memory[1] / 1e6:.0f}", flush=True)
        cost = {}
        for k in CLASSES:
            a = r.ours(k, ("1", "5"))
            cost[k] = a["cpu"] / k
            print(f"{k} classes: {cost[k]:.4f} CPU seconds per class, "
                  f"{a['memory'] / 1e6:.0f} MB", flush=True)
    middle = statistics.median(ratios)
    print(f"neural-cleanse: ratio={middle:.3f} low={min(ratios):.3f} "
          f"high={max(ratios):.3f} memory={memory[0]} "
          f"torch_memory={memory[1]} growth={cost[100] / cost[10]:.2f}")
    sys.exit(middle > GOAL)


if __name__ == "__main__":
    main()
