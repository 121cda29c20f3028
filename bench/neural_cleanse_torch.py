# SPDX-License-Identifier: Apache-2.0
"""PyTorch's side of neural_cleanse.py: one class after another, as the public
programs do; evaluation mode, no weight takes a gradient.

usage: neural_cleanse_torch.py FOLDER CLASSES DO ROUNDS BATCHES LAYOUT
Of CLASSES classes the first DO are searched. LAYOUT is contiguous or
channels_last. One thread. Written from the paper; the options are those of
docs/detectors/neural-cleanse.md.
"""
import json
import resource
import sys
import time

import numpy as np
import torch

import tensors
import torch_nets

BATCH, RATE, BETAS = 32, 0.1, (0.5, 0.9)
ENOUGH, PATIENCE, WEIGHT, FACTOR = 0.99, 5, 1e-3, 2
MEAN, STD = 0.5, 0.25


def search(model, x, target, rounds, batches, form):
    shape = x.shape[1:]
    a = torch.atanh(torch.rand(1, 1, *shape[1:]) * 1.99 - 0.995)
    b = torch.atanh(torch.rand(1, *shape) * 1.99 - 0.995)
    a.requires_grad_(True)
    b.requires_grad_(True)
    adam = torch.optim.Adam([a, b], lr=RATE, betas=BETAS)
    labels = torch.full((BATCH,), target)
    c, up, down, best = 0.0, 0, 0, None
    for _ in range(rounds):
        order = torch.randperm(len(x))
        hits = 0
        for i in range(batches):
            rows = order[(torch.arange(BATCH) + i * BATCH) % len(x)]
            m = (1 + torch.tanh(a)) / 2
            p = ((1 + torch.tanh(b)) / 2 - MEAN) / STD
            stamped = x[rows] * (1 - m) + m * p
            logits = model(stamped.contiguous(memory_format=form))
            norm = m.sum()
            loss = torch.nn.functional.cross_entropy(logits, labels) + c * norm
            adam.zero_grad(set_to_none=True)
            loss.backward()
            hits += int((logits.argmax(1) == target).sum())
            l1 = norm.item()
            adam.step()
        enough = hits >= ENOUGH * batches * BATCH
        if enough and (best is None or l1 < best):
            best = l1
        up, down = (up + 1, 0) if enough else (0, down + 1)
        if up >= PATIENCE:
            c, up = (c * FACTOR if c > 0 else WEIGHT), 0
        elif down >= PATIENCE and c > 0:
            c, down = c / FACTOR ** 1.5, 0
    return best


def main():
    folder, classes, do, rounds, batches, layout = sys.argv[1:7]
    torch.set_num_threads(1)
    torch.manual_seed(1)
    form = (torch.channels_last if layout == "channels_last"
            else torch.contiguous_format)
    model = torch_nets.build("resnet18", 3, 32, int(classes))
    weights = tensors.read(f"{folder}/model-{classes}.safetensors")
    lacks = model.load_state_dict({k: torch.from_numpy(v)
                                   for k, v in weights.items()}, strict=False)
    assert all("num_batches" in k for k in lacks.missing_keys), lacks
    model = model.to(memory_format=form).eval().requires_grad_(False)
    x = tensors.read(f"{folder}/images.safetensors")["images"]
    x = torch.from_numpy((x.astype(np.float32) / 255 - MEAN) / STD)
    search(model, x, 0, 1, 1, form)
    began, cpu = time.perf_counter(), time.process_time()
    norms = [search(model, x, k, int(rounds), int(batches), form)
             for k in range(int(do))]
    print(json.dumps({
        "seconds": time.perf_counter() - began,
        "cpu": time.process_time() - cpu,
        "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "reached": sum(n is not None for n in norms)}))


if __name__ == "__main__":
    main()
