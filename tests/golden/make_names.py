#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Write tests/golden/names.h: networks under names that others give their
tensors (src/arch/names.c).

For each: the SHA-256 of the sorted lines "name d0xd1x...\n" of its state dict
(without num_batches_tracked) and the logits of ten classes in double, with
parameters that come of those names (values() of make_archs.py). The networks
under pytorchcv's names are written here, DenseNet is torchvision's with the
names that it had before version 0.3.

Needs Debian's python3-torchvision (0.14); the tests do not.

usage: make_names.py >names.h, then clang-format
"""
import hashlib
import re

import torch
import torchvision.models as zoo
from torch import nn

from make_archs import values


class Conv(nn.Module):
    """Convolution and norm, with a ReLU or none."""

    def __init__(self, n_in, n_out, kernel, stride=1, active=True):
        super().__init__()
        self.conv = nn.Conv2d(n_in, n_out, kernel, stride, kernel // 2,
                              bias=False)
        self.bn = nn.BatchNorm2d(n_out)
        self.active = active

    def forward(self, x):
        x = self.bn(self.conv(x))
        return x.relu() if self.active else x


class Body(nn.Module):
    def __init__(self, n_in, n_out, stride):
        super().__init__()
        self.conv1 = Conv(n_in, n_out, 3, stride)
        self.conv2 = Conv(n_out, n_out, 3, active=False)

    def forward(self, x):
        return self.conv2(self.conv1(x))


class Unit(nn.Module):
    def __init__(self, n_in, n_out, stride):
        super().__init__()
        self.body = Body(n_in, n_out, stride)
        if n_in != n_out or stride != 1:
            self.identity_conv = Conv(n_in, n_out, 1, stride, active=False)

    def forward(self, x):
        way = self.identity_conv(x) if hasattr(self, "identity_conv") else x
        return (self.body(x) + way).relu()


class Stem(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = Conv(3, 64, 7, 2)

    def forward(self, x):
        return nn.functional.max_pool2d(self.conv(x), 3, 2, 1)


class Residual(nn.Module):
    def __init__(self, stem, width, depth):
        super().__init__()
        self.features = nn.Sequential()
        self.features.add_module("init_block", stem)
        n_in = width
        for i, n in enumerate(depth):
            stage = nn.Sequential()
            for j in range(n):
                stage.add_module(f"unit{j + 1}",
                                 Unit(n_in, width << i,
                                      2 if i > 0 and j == 0 else 1))
                n_in = width << i
            self.features.add_module(f"stage{i + 1}", stage)
        self.output = nn.Linear(n_in, 10)

    def forward(self, x):
        return self.output(self.features(x).mean((2, 3)))


def old(name):
    return re.sub(r"(denselayer\d+\.(?:norm|conv))([12])", r"\1.\2", name)


CASES = [
    ("resnet18", 64, Residual(Stem(), 64, [2, 2, 2, 2]), str),
    ("resnet20-cifar-b", 32, Residual(Conv(3, 16, 3), 16, [3, 3, 3]), str),
    ("densenet121", 64, zoo.densenet121(weights=None, num_classes=10), old),
]

print("/* SPDX-License-Identifier: Apache-2.0 */")
print("/* Made by make_names.py with torchvision 0.14. */")
print("\nstatic const struct golden_names golden_names[] = {")
for arch, size, net, rename in CASES:
    net = net.double().eval()
    state = {k: v for k, v in net.state_dict().items()
             if not k.endswith("num_batches_tracked")}
    lines = sorted("%s %s\n" % (rename(k), "x".join(map(str, v.shape)))
                   for k, v in state.items())
    for key, value in state.items():
        value.copy_(torch.from_numpy(values(rename(key), tuple(value.shape))))
    picture = torch.from_numpy(values("picture", (1, 3, size, size))).double()
    with torch.no_grad():
        logits = net(picture)[0]
    print('    {"%s", %d, "%s", {%s}},' % (
        arch, size, hashlib.sha256("".join(lines).encode()).hexdigest(),
        ", ".join("%.9g" % v for v in logits)))
print("};")
