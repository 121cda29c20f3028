#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Write onnx/*.onnx and onnx/*.npz: small networks as PyTorch exports them,
and what PyTorch computes from them: logits of three images and the gradient
of the mean cross-entropy by the pixels.

Run in this folder: /usr/bin/python3 make_onnx.py
Needs Debian's python3-torch and python3-numpy. Weights are random.
"""

import sys

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F


class Squeeze(nn.Module):
    """What MobileNetV3 and EfficientNet are made of."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, 2, 1, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.depth = nn.Conv2d(8, 8, 3, 1, 1, groups=8)
        self.down = nn.Conv2d(8, 4, 1)
        self.up = nn.Conv2d(4, 8, 1)
        self.point = nn.Conv2d(8, 12, 1)
        self.head = nn.Linear(12, 5)

    def forward(self, x):
        x = F.hardswish(self.norm(self.stem(x)))
        y = F.relu6(self.depth(x))
        s = F.hardsigmoid(self.up(F.relu(self.down(y.mean((2, 3), True)))))
        x = x + y * s
        x = F.silu(self.point(x))
        x = F.adaptive_avg_pool2d(F.max_pool2d(x, 2), 1)
        return self.head(torch.flatten(x, 1))


class Attention(nn.Module):
    """A vision transformer of one block and two heads."""

    def __init__(self, dim=16, heads=2):
        super().__init__()
        self.heads = heads
        self.patch = nn.Conv2d(3, dim, 4, 4)
        self.token = nn.Parameter(torch.randn(1, 1, dim))
        self.place = nn.Parameter(torch.randn(1, 17, dim))
        self.norm1 = nn.LayerNorm(dim)
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = nn.Sequential(nn.Linear(dim, 24), nn.GELU(),
                                 nn.Linear(24, dim))
        self.norm = nn.LayerNorm(dim)
        self.head = nn.Linear(dim, 5)

    def forward(self, x):
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat((self.token.expand(x.shape[0], -1, -1), x), 1)
        x = x + self.place
        n, t, d = x.shape
        q = self.qkv(self.norm1(x))
        q = q.reshape(n, t, 3, self.heads, d // self.heads)
        q, k, v = q.permute(2, 0, 3, 1, 4).unbind(0)
        a = (q @ k.transpose(-2, -1)) * (d // self.heads) ** -0.5
        y = (a.softmax(-1) @ v).transpose(1, 2).reshape(n, t, d)
        x = x + self.proj(y)
        x = x + self.mlp(self.norm2(x))
        return F.log_softmax(self.head(self.norm(x)[:, 0]), -1)


class Blocks(nn.Module):
    """The same with q, k and v apart, as torchvision and timm do."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 7, 4, 3)
        self.depth = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.norm = nn.LayerNorm(8)
        self.one = nn.Linear(8, 16)
        self.two = nn.Linear(16, 8)
        self.gamma = nn.Parameter(torch.rand(8))
        self.head = nn.Linear(8, 5)

    def forward(self, x):
        x = self.conv(x)
        y = self.depth(x).permute(0, 2, 3, 1)
        y = self.gamma * self.two(F.gelu(self.one(self.norm(y))))
        x = x + y.permute(0, 3, 1, 2)
        a, b = torch.chunk(x, 2, 1)
        x = torch.cat((torch.roll(a, 1, 2), b.abs().sqrt()), 1)
        return self.head(x.mean([-2, -1]))


class Shapes(nn.Module):
    """Upsampling, transposed convolution, other norms and activations."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, 2, 1)
        self.inst = nn.InstanceNorm2d(8, affine=True)
        self.group = nn.GroupNorm(2, 8)
        self.act = nn.PReLU(8)
        self.back = nn.ConvTranspose2d(8, 4, 3, 2, 1, 1)
        self.head = nn.Linear(4 * 4 * 4, 5)

    def forward(self, x):
        x = self.act(self.inst(self.conv(x)))
        x = F.elu(self.group(x)) + F.softplus(x)
        x = F.interpolate(x, scale_factor=2, mode="bilinear",
                          align_corners=False)
        x = F.interpolate(x, scale_factor=0.5, mode="nearest")
        x = self.back(x)
        x = F.pixel_shuffle(F.avg_pool2d(x, 4), 2)
        x = F.pad(x, (1, 1, 1, 1), "reflect")[:, :, 1:-1, 1:-1]
        x = F.pad(x, (0, 0, 0, 0)).repeat(1, 4, 1, 1)[:, :, ::2, ::2]
        x = F.leaky_relu(x, 0.1).clamp(-3, 3)
        return F.softmax(self.head(x.reshape(x.shape[0], -1)), 1)


class Windows(nn.Module):
    """Attention within windows, which are folded into the batch, as in Swin;
    the second time shifted, with a mask."""

    def __init__(self, dim=8, heads=2, side=4):
        super().__init__()
        self.heads, self.side = heads, side
        self.patch = nn.Conv2d(3, dim, 2, 2)
        self.qkv = nn.ModuleList([nn.Linear(dim, 3 * dim) for _ in range(2)])
        self.proj = nn.ModuleList([nn.Linear(dim, dim) for _ in range(2)])
        self.norm = nn.LayerNorm(dim)
        self.bias = nn.Parameter(torch.randn(heads, side ** 2, side ** 2))
        mask = (torch.rand(4, side ** 2, side ** 2) < 0.3) * -100.0
        self.register_buffer("mask", mask)
        self.head = nn.Linear(dim, 5)

    def attend(self, x, i, mask):
        n, t, d = x.shape
        q = self.qkv[i](x).reshape(n, t, 3, self.heads, d // self.heads)
        q, k, v = q.permute(2, 0, 3, 1, 4).unbind(0)
        a = q * (d // self.heads) ** -0.5 @ k.transpose(-2, -1)
        a = a + self.bias.unsqueeze(0)
        if mask is not None:
            w = mask.shape[0]
            a = a.view(n // w, w, self.heads, t, t)
            a = a + mask.unsqueeze(1).unsqueeze(0)
            a = a.view(-1, self.heads, t, t)
        y = (a.softmax(-1) @ v).transpose(1, 2).reshape(n, t, d)
        return self.proj[i](y)

    def block(self, x, i, mask):
        n, h, w, c = x.shape
        s = self.side
        y = torch.roll(x, (-2, -2), (1, 2)) if i else x
        y = y.view(n, h // s, s, w // s, s, c).permute(0, 1, 3, 2, 4, 5)
        y = self.attend(y.contiguous().view(-1, s * s, c), i, mask)
        y = y.view(-1, h // s, w // s, s, s, c).permute(0, 1, 3, 2, 4, 5)
        y = y.contiguous().view(n, h, w, c)
        return x + (torch.roll(y, (2, 2), (1, 2)) if i else y)

    def forward(self, x):
        x = self.patch(x).permute(0, 2, 3, 1)
        x = self.block(self.block(self.norm(x), 0, None), 1, self.mask)
        return self.head(x.mean((1, 2)))


def write(name, net, opset, seed, log_of=None):
    torch.manual_seed(seed)
    net = net()
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.uniform_(-0.5, 0.5)
            module.running_var.uniform_(0.5, 2)
    net.eval()
    x = torch.rand(3, 3, 16, 16, requires_grad=True)
    labels = torch.tensor([0, 3, 4])
    logits = net(x)
    scores = torch.log(logits) if log_of else logits
    F.cross_entropy(scores, labels).backward()
    torch.onnx.export(net, x[:1], f"onnx/{name}.onnx", opset_version=opset,
                      input_names=["x"], output_names=["y"],
                      dynamic_axes={"x": {0: "n"}, "y": {0: "n"}})
    centred = scores - scores.mean(1, keepdim=True)
    # The same whatever the operator set: one file for both.
    np.savez("onnx/%s.npz" % name.rstrip("136"), x=x.detach().numpy(),
             scores=centred.detach().numpy(), gradient=x.grad.numpy(),
             labels=labels.numpy().astype(np.float32))


def resnet_2b(path):
    """Print what a network written by hand makes of a public file's weights
    (tests/unit/test_model_onnx.c): needs Debian's python3-onnx."""
    import onnx
    from onnx import numpy_helper

    w = {t.name: torch.from_numpy(numpy_helper.to_array(t).copy())
         for t in onnx.load(path).graph.initializer}

    def conv(x, name, stride=1, pad=1):
        return F.conv2d(x, w[name + ".weight"], w[name + ".bias"], stride, pad)

    x = torch.arange(2 * 3 * 32 * 32, dtype=torch.float64)
    x = ((x * 37) % 101 / 50 - 1).float().reshape(2, 3, 32, 32)
    x = F.relu(conv(x, "conv1", 2))
    y = conv(F.relu(conv(x, "layer1.0.conv1", 2)), "layer1.0.conv2")
    x = F.relu(y + conv(x, "layer1.0.shortcut.0", 2, 0))
    y = conv(F.relu(conv(x, "layer1.1.conv1")), "layer1.1.conv2")
    x = F.relu(y + x).flatten(1)
    x = F.relu(F.linear(x, w["linear1.weight"], w["linear1.bias"]))
    x = F.linear(x, w["linear2.weight"], w["linear2.bias"])
    print(", ".join("%.7gF" % v for v in x.detach().flatten()))


if len(sys.argv) > 1:
    resnet_2b(sys.argv[1])
    sys.exit()
write("squeeze", Squeeze, 9, 1)
write("squeeze13", Squeeze, 13, 1)
write("attention", Attention, 13, 2)
write("attention16", Attention, 16, 2)
write("blocks", Blocks, 14, 3)
write("shapes", Shapes, 11, 4, log_of=True)
write("shapes16", Shapes, 16, 4, log_of=True)
write("windows", Windows, 13, 5)
