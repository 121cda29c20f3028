# SPDX-License-Identifier: Apache-2.0
"""PyTorch's side of speed_onnx.py: the network of an ONNX file, built of PyTorch's
modules with the file's weights, on given images.

usage: speed_onnx_torch.py MODEL.onnx IMAGES.npz LOGITS.npz SECONDS WAY THREADS
WAY is contiguous or channels_last, with -frozen: traced, frozen and optimised
for inference by torch.jit.
"""
import collections
import json
import os
import statistics
import sys
import time

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import nn

BLOCKS = 10


def attributes(node):
    return {a.name: onnx.helper.get_attribute_value(a)
            for a in node.attribute}


def pad_of(a, what):
    """The same on both sides of each axis, or none."""
    pads = a.get("pads", [0] * 4)
    if a.get("auto_pad", b"NOTSET") == b"SAME_UPPER":
        size = [d * (k - 1) for k, d in zip(a["kernel_shape"],
                                            a.get("dilations", [1, 1]))]
        pads = [s // 2 for s in size] + [s - s // 2 for s in size]
        if any(s != 1 for s in a.get("strides", [1, 1])):
            raise SystemExit(f"{what}: SAME_UPPER with strides")
    if list(pads[:2]) != list(pads[2:]):
        raise SystemExit(f"{what}: sides padded unlike")
    return tuple(pads[:2])


def conv(a, weight, bias):
    m = nn.Conv2d(weight.shape[1] * a.get("group", 1), weight.shape[0],
                  tuple(weight.shape[2:]), tuple(a.get("strides", [1, 1])),
                  pad_of(dict(a, kernel_shape=weight.shape[2:]), "Conv"),
                  tuple(a.get("dilations", [1, 1])), a.get("group", 1),
                  bias is not None)
    m.weight.data = weight
    if bias is not None:
        m.bias.data = bias
    return m


def linear(weight, bias):
    m = nn.Linear(weight.shape[1], weight.shape[0], bias is not None)
    m.weight.data = weight.contiguous()
    if bias is not None:
        m.bias.data = bias
    return m


def pool(a, kind):
    return kind(tuple(a["kernel_shape"]), tuple(a.get("strides", [1, 1])),
                pad_of(a, "pooling"), ceil_mode=bool(a.get("ceil_mode", 0)))


class Network(nn.Module):
    """Nodes in the file's order; a last softmax is left out, and dimension
    0 of shapes is the batch."""

    def __init__(self, model):
        super().__init__()
        graph = model.graph
        self.known = {i.name: torch.from_numpy(
            np.array(numpy_helper.to_array(i))) for i in graph.initializer}
        self.input = [i for i in graph.input if i.name not in self.known][0]
        self.shape = [d.dim_value for d in
                      self.input.type.tensor_type.shape.dim]
        self.output = graph.output[0].name
        self.readers = collections.Counter(
            name for node in graph.node for name in node.input)
        self.steps = []
        self.parts = nn.ModuleList()
        for node in graph.node:
            self.add(node)

    def module(self, node, m, n_inputs=1):
        self.parts.append(m)
        self.steps.append((m, list(node.input[:n_inputs]), node.output[0]))

    def function(self, node, f, n_inputs=1):
        self.steps.append((f, list(node.input[:n_inputs]), node.output[0]))

    def constant(self, node, i):
        return self.known.get(node.input[i]) if i < len(node.input) else None

    def add(self, node):
        a = attributes(node)
        op = node.op_type
        if all(i in self.known for i in node.input) and op == "Reshape":
            self.known[node.output[0]] = self.known[node.input[0]].reshape(
                self.known[node.input[1]].tolist())
        elif op == "Constant":
            self.known[node.output[0]] = torch.from_numpy(
                np.array(numpy_helper.to_array(a["value"])))
        elif op == "Conv":
            self.module(node, conv(a, self.constant(node, 1),
                                   self.constant(node, 2)))
        elif op == "Gemm" and a.get("alpha", 1) == a.get("beta", 1) == 1:
            w = self.constant(node, 1)
            bias = self.constant(node, 2)
            self.module(node, linear(w if a.get("transB") else w.t(),
                                     bias.reshape(-1)))
        elif op == "MatMul" and self.constant(node, 1) is not None:
            self.module(node, linear(self.constant(node, 1).t(), None))
        elif op == "BatchNormalization":
            m = nn.BatchNorm2d(len(self.constant(node, 1)),
                               a.get("epsilon", 1e-5))
            m.weight.data, m.bias.data, m.running_mean, m.running_var = [
                self.constant(node, i) for i in (1, 2, 3, 4)]
            self.module(node, m)
        elif op == "Relu":
            self.module(node, nn.ReLU(self.readers[node.input[0]] == 1))
        elif op == "MaxPool":
            self.module(node, pool(a, nn.MaxPool2d))
        elif op == "AveragePool":
            self.module(node, pool(a, nn.AvgPool2d))
        elif op == "GlobalAveragePool":
            self.module(node, nn.AdaptiveAvgPool2d(1))
        elif op == "Flatten" and a.get("axis", 1) == 1:
            self.module(node, nn.Flatten())
        elif op == "Reshape":
            shape = [-1] + self.constant(node, 1).tolist()[1:]
            if shape.count(-1) > 1:  # [batch, -1]
                shape = [0, -1]
            self.function(node, lambda x: x.reshape(
                [x.shape[0]] + shape[1:]))
        elif op == "Transpose":
            self.function(node, lambda x: x.permute(a["perm"]))
        elif op == "Add":
            c = self.constant(node, 1)
            if c is None:
                self.function(node, torch.add, 2)
            else:
                self.function(node, lambda x: x + c)
        elif op in ("Softmax", "LogSoftmax") and \
                node.output[0] == self.output:
            self.output = node.input[0]
        else:
            raise SystemExit(f"no module for {op}")

    def forward(self, x):
        """Images [N, C, H, W], laid out as the file wants them."""
        if len(self.shape) == 4 and self.shape[1] != x.shape[1]:
            x = x.permute(0, 2, 3, 1)
        if len(self.shape) != 4:
            x = x.reshape([x.shape[0]] + self.shape[1:])
        values = {self.input.name: x}
        for run, names, out in self.steps:
            values[out] = run(*[values[n] for n in names])
        return values[self.output]


def main():
    path, images, logits, seconds, way, threads = sys.argv[1:7]
    threads = int(threads) or len(os.sched_getaffinity(0))
    torch.set_num_threads(threads)
    clock = time.process_time if threads == 1 else time.perf_counter
    form = (torch.channels_last if way.startswith("channels_last")
            else torch.contiguous_format)
    x = torch.from_numpy(np.load(images)["x"]).contiguous(memory_format=form)
    model = Network(onnx.load(path)).eval().to(memory_format=form)
    with torch.no_grad():
        if way.endswith("-frozen"):
            model = torch.jit.optimize_for_inference(
                torch.jit.freeze(torch.jit.trace(model, x)))
        for _ in range(3):
            y = model(x)
        rates = []
        for _ in range(BLOCKS):
            start = now = clock()
            n = 0
            while now - start < float(seconds) / BLOCKS:
                y = model(x)
                now = clock()
                n += 1
            rates.append(n * len(x) / (now - start))
    np.savez(logits, logits=y.numpy())
    print(json.dumps({"rate": statistics.median(rates)}))


if __name__ == "__main__":
    main()
