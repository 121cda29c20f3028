# SPDX-License-Identifier: Apache-2.0
"""PyTorch's side of speed.py: images per second of one network.

usage: speed_torch.py train|infer NET SIZE contiguous|channels_last SECONDS
       speed_torch.py peak - 0 - SECONDS
`peak` multiplies matrices of 2048 x 2048 instead.
"""
import json
import statistics
import sys
import time

import torch

import torch_nets

BATCH, CLASSES, CHANNELS, BLOCKS = 64, 10, 3, 10


def peak(seconds):
    a, b = torch.randn(2048, 2048), torch.randn(2048, 2048)
    best, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        before = time.perf_counter()
        torch.mm(a, b)
        best = max(best, 2 * 2048**3 / (time.perf_counter() - before))
    print(json.dumps({"gflops": best / 1e9}))


def main():
    mode, net, size, layout, seconds = sys.argv[1:6]
    size, seconds = int(size), float(seconds)
    torch.set_num_threads(len(__import__("os").sched_getaffinity(0)))
    torch.manual_seed(1)
    if mode == "peak":
        return peak(seconds)
    form = (torch.channels_last if layout == "channels_last"
            else torch.contiguous_format)
    model = torch_nets.build(net, CHANNELS, size, CLASSES).to(
        memory_format=form)
    x = torch.randn(BATCH, CHANNELS, size, size).contiguous(memory_format=form)
    y = torch.randint(0, CLASSES, (BATCH,))
    model.train(mode == "train")
    opt = torch.optim.SGD(model.parameters(), lr=1e-4, momentum=0.9,
                          weight_decay=5e-4)
    loss_of = torch.nn.functional.cross_entropy

    def step():
        if mode == "infer":
            with torch.no_grad():
                model(x)
            return
        opt.zero_grad(set_to_none=True)
        loss_of(model(x), y).backward()
        opt.step()

    for _ in range(3):
        step()
    rates = []
    for _ in range(BLOCKS):
        start = now = time.perf_counter()
        n = 0
        while now - start < seconds / BLOCKS:
            step()
            now = time.perf_counter()
            n += 1
        rates.append(n * BATCH / (now - start))
    print(json.dumps({"rate": statistics.median(rates)}))


if __name__ == "__main__":
    main()
