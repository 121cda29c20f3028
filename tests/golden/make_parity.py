#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Write tests/golden/parity/*.safetensors: what PyTorch says of small nets.

Each file holds the initial parameters and a batch of 8 (f32), and what
PyTorch in double makes of them: the logits, the gradient of the mean
cross-entropy for every parameter, the losses of ten SGD steps (rate .05,
momentum .9, weight decay 5e-4), and then the logits in evaluation mode and
the running statistics. Beside it `float_error`: the largest relative L2
error of PyTorch's own float run over logits, gradients and losses, which is
what a float backend is measured by. tests/unit/test_engine_parity.c builds
the same nets; the two describe them side by side.

Needs PyTorch and NumPy (Debian: python3-torch); the tests need neither.

usage: make_parity.py
"""
import os
import sys

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "bench"))
import tensors  # noqa: E402

BATCH, CLASSES, STEPS, RATE = 8, 5, 10, 0.05


class Mlp(nn.Module):
    shape = (12,)

    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(12, 24)
        self.fc2 = nn.Linear(24, 16)
        self.fc3 = nn.Linear(16, CLASSES)

    def forward(self, x):
        x = torch.relu(self.fc1(x))
        x = torch.tanh(self.fc2(x))
        return self.fc3(x)


class Cnn(nn.Module):
    shape = (3, 9, 9)

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, padding=1)
        self.conv2 = nn.Conv2d(8, 12, 3)
        self.fc = nn.Linear(12, CLASSES)

    def forward(self, x):
        x = F.max_pool2d(torch.relu(self.conv1(x)), 2)
        x = F.max_pool2d(torch.relu(self.conv2(x)), 2)
        return self.fc(x.flatten(1))


class Residual(nn.Module):
    shape = (3, 8, 8)

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(6)
        self.conv2 = nn.Conv2d(6, 8, 3, stride=2, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(8)
        self.conv3 = nn.Conv2d(8, 8, 3, padding=1, bias=False)
        self.bn3 = nn.BatchNorm2d(8)
        self.down = nn.Conv2d(6, 8, 1, stride=2, bias=False)
        self.bn4 = nn.BatchNorm2d(8)
        self.fc = nn.Linear(8, CLASSES)

    def forward(self, x):
        x = torch.relu(self.bn1(self.conv1(x)))
        y = torch.relu(self.bn2(self.conv2(x)))
        y = self.bn3(self.conv3(y))
        x = torch.relu(y + self.bn4(self.down(x)))
        return self.fc(F.adaptive_avg_pool2d(x, 1).flatten(1))


NETS = {"mlp": Mlp, "cnn": Cnn, "residual": Residual}


def draw(net, seed):
    """Parameters, batch and labels; none of them special (0 or 1)."""
    rng = np.random.RandomState(seed)
    case = {}
    for name, value in net.state_dict().items():
        if name.endswith("num_batches_tracked"):
            continue
        shape = tuple(value.shape)
        if name.endswith("running_var") or (name.startswith("bn")
                                            and name.endswith("weight")):
            x = rng.uniform(0.5, 1.5, shape)
        elif len(shape) > 1:
            x = rng.standard_normal(shape) * np.sqrt(2 / np.prod(shape[1:]))
        else:
            x = rng.standard_normal(shape) * 0.1
        case["param." + name] = x.astype(np.float32)
    case["input"] = rng.standard_normal((BATCH,) + net.shape).astype(
        np.float32)
    case["labels"] = (np.arange(BATCH) % CLASSES).astype(np.int32)
    return case


def run(make, case, dtype):
    net = make().to(dtype)
    net.load_state_dict({k[6:]: torch.from_numpy(v).to(dtype)
                         for k, v in case.items() if k.startswith("param.")},
                        strict=False)
    x = torch.from_numpy(case["input"]).to(dtype)
    y = torch.from_numpy(case["labels"].astype(np.int64))
    opt = torch.optim.SGD(net.parameters(), lr=RATE, momentum=0.9,
                          weight_decay=5e-4)
    out, losses = {}, []
    net.train()
    for step in range(STEPS):
        opt.zero_grad()
        logits = net(x)
        loss = F.cross_entropy(logits, y)
        loss.backward()
        if step == 0:
            out["logits"] = logits.detach().numpy().astype(np.float64)
            for name, p in net.named_parameters():
                out["grad." + name] = p.grad.numpy().astype(np.float64)
        losses.append(loss.item())
        opt.step()
    out["losses"] = np.array(losses)
    net.eval()
    with torch.no_grad():
        out["eval_logits"] = net(x).numpy().astype(np.float64)
    for name, b in net.named_buffers():
        if not name.endswith("num_batches_tracked"):
            out["after." + name] = b.numpy().astype(np.float64)
    return out


def main():
    os.makedirs(os.path.join(HERE, "parity"), exist_ok=True)
    torch.set_num_threads(1)
    for seed, (name, make) in enumerate(NETS.items(), 1):
        case = draw(make(), seed)
        truth = run(make, case, torch.float64)
        single = run(make, case, torch.float32)
        errors = {k: np.linalg.norm(single[k] - v) / np.linalg.norm(v)
                  for k, v in truth.items()}
        case.update(truth)
        case["float_error"] = np.array([max(errors.values())])
        path = os.path.join(HERE, "parity", name + ".safetensors")
        tensors.write(path, case)
        worst = max(errors, key=errors.get)
        print(f"{name}: {os.path.getsize(path)} bytes, loss "
              f"{truth['losses'][0]:.4f} to {truth['losses'][-1]:.4f}, "
              f"PyTorch's float error {errors[worst]:.1e} ({worst})")


if __name__ == "__main__":
    main()
