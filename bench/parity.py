#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Is Assay as close to PyTorch in double as PyTorch in float is?

For each network: the same weights and batch (drawn by Assay) go through
PyTorch in double (the truth), PyTorch in float, and Assay. Compared are
logits, loss, every gradient, and the losses of ten SGD steps. Errors are
relative L2 norms per tensor. A network passes when Assay's error is at most
FACTOR times PyTorch's float error, tensor by tensor (gradients) and in the
worst step (losses), where errors below FLOOR count as equal: float itself
carries no more. The exit status is the verdict.

Where a number lies next to the kink of a ReLU, rounding decides on which side,
and deep networks have many: PyTorch's own float runs differ as much among
themselves as from the truth. So there are four of them, equal but for the
order of sums (both memory layouts, one thread, the batch reversed), and the
farthest from the truth is PyTorch's float error.

usage: parity.py ASSAY_PROBE [--algorithms direct|tuned] [NET:SIZE ...]
"""
import os
import subprocess
import sys
import tempfile

import numpy as np
import torch

import tensors
import torch_nets

FACTOR = 2.0
FLOOR = 2e-6
STEPS = 10
CLASSES = 10
THREADS = len(os.sched_getaffinity(0))
ALL = ["simplecnn:32", "simplecnn3:64", "alexnet:32", "alexnet:64",
       "resnet18:32", "resnet18:64", "vgg19:32", "vgg19-bn:32",
       "xception:32", "xception:64"]


def error(x, truth):
    x = np.asarray(x, dtype=np.float64).ravel()
    truth = np.asarray(truth, dtype=np.float64).ravel()
    scale = np.linalg.norm(truth)
    return float(np.linalg.norm(x - truth) / scale) if scale else float(
        np.linalg.norm(x - truth))


# Memory layout, threads (0: as many as there are), whether records are
# reversed.
VARIANTS = [(torch.contiguous_format, 0, False),
            (torch.channels_last, 0, False),
            (torch.contiguous_format, 1, False),
            (torch.contiguous_format, 0, True)]


def run_torch(net, size, case, dtype, variant=VARIANTS[0]):
    layout, threads, reverse = variant
    torch.set_num_threads(threads or THREADS)
    model = torch_nets.build(net, 3, size, CLASSES, dropout=0.0).to(dtype)
    state = {k[6:]: torch.from_numpy(v).to(dtype)
             for k, v in case.items() if k.startswith("param.")}
    missing, extra = model.load_state_dict(state, strict=False)
    missing = [m for m in missing if not m.endswith("num_batches_tracked")]
    if missing or extra:
        raise SystemExit(f"{net}: names differ: {missing[:3]} {extra[:3]}")
    model.train().to(memory_format=layout)
    x = torch.from_numpy(case["input"]).to(dtype)
    y = torch.from_numpy(case["labels"].astype(np.int64))
    if reverse:
        x, y = x.flip(0), y.flip(0)
    x = x.contiguous(memory_format=layout)
    opt = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9,
                          weight_decay=5e-4)
    out = {"losses": []}
    for step in range(STEPS):
        opt.zero_grad()
        logits = model(x)
        loss = torch.nn.functional.cross_entropy(logits, y)
        loss.backward()
        if step == 0:
            first = logits.detach()
            out["logits"] = (first.flip(0) if reverse else first).numpy().copy()
            for name, p in model.named_parameters():
                out["grad." + name] = p.grad.numpy().copy()
        out["losses"].append(loss.item())
        opt.step()
    return out


def worst_step(run, truth):
    return max(abs(loss - t) / abs(t)
               for loss, t in zip(run["losses"], truth["losses"]))


def judge(rows):
    """Rows of (what, ours, torch's); the worst ratio and whether it passes."""
    worst, bad = 0.0, []
    for what, ours, theirs in rows:
        ratio = ours / max(theirs, FLOOR / FACTOR)
        worst = max(worst, ratio)
        if not ratio <= FACTOR:
            bad.append(f"{what}: {ours:.2e} against {theirs:.2e}")
    return worst, bad


def check(probe, net, size, algorithms):
    with tempfile.NamedTemporaryFile(suffix=".safetensors") as f:
        subprocess.run([probe, net, str(size), str(STEPS), algorithms, f.name],
                       check=True)
        case = tensors.read(f.name)
    truth = run_torch(net, size, case, torch.float64)
    singles = [run_torch(net, size, case, torch.float32, v) for v in VARIANTS]
    names = ["logits"] + [k for k in truth if k.startswith("grad.")]
    rows = [(n, error(case[n], truth[n]),
             max(error(s[n], truth[n]) for s in singles)) for n in names]
    # Errors of later steps grow from rounding alone: the worst step counts.
    rows.append(("losses", worst_step(case, truth),
                 max(worst_step(s, truth) for s in singles)))
    worst, bad = judge(rows)
    grads = [r for r in rows if r[0].startswith("grad.")]
    print(f"{net}:{size:<3} {'ok ' if not bad else 'BAD'} "
          f"logits {rows[0][1]:.1e}/{rows[0][2]:.1e}  "
          f"gradients worst {max(r[1] for r in grads):.1e}/"
          f"{max(r[2] for r in grads):.1e}  "
          f"median {np.median([r[1] for r in grads]):.1e}/"
          f"{np.median([r[2] for r in grads]):.1e}  "
          f"losses {rows[-1][1]:.1e}/{rows[-1][2]:.1e}  "
          f"worst ratio {worst:.2f}", flush=True)
    for line in bad[:8]:
        print("    " + line)
    return worst, not bad


def main():
    args = sys.argv[1:]
    algorithms = "direct"
    if "--algorithms" in args:
        i = args.index("--algorithms")
        algorithms = args[i + 1]
        del args[i:i + 2]
    if not args:
        raise SystemExit(__doc__)
    print("relative L2 errors against PyTorch in double: Assay/PyTorch float")
    results = [check(args[0], n.split(":")[0], int(n.split(":")[1]),
                     algorithms) for n in (args[1:] or ALL)]
    good = sum(ok for _, ok in results)
    print(f"parity: networks={len(results)} passed={good} "
          f"worst_ratio={max(w for w, _ in results):.2f} "
          f"algorithms={algorithms}")
    return 0 if good == len(results) else 1


if __name__ == "__main__":
    sys.exit(main())
