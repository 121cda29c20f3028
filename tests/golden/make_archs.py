#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Write tests/golden/archs.h: torchvision's networks as Assay must build them.

For each architecture: the number of its trainable parameters at 1,000 classes,
the SHA-256 of the sorted lines "name d0xd1x...\n" of its state dict (without
num_batches_tracked and relative_position_index), and for some the logits of ten classes, computed in
double, with parameters and a picture that the test makes by the same formula
(values() below).

Needs Debian's python3-torchvision (0.14); the tests do not.

usage: make_archs.py >archs.h, then clang-format
"""
import hashlib

import numpy as np
import torch
import torchvision.models as zoo

NAMES = """resnet18 resnet34 resnet50 resnet101 resnet152 resnext50_32x4d
resnext101_32x8d resnext101_64x4d wide_resnet50_2 wide_resnet101_2 alexnet vgg11
vgg11_bn vgg13 vgg13_bn vgg16 vgg16_bn vgg19 vgg19_bn densenet121 densenet161
densenet169 densenet201 mobilenet_v2 mobilenet_v3_large mobilenet_v3_small
efficientnet_b0 efficientnet_b1 efficientnet_b2 efficientnet_b3 efficientnet_b4
efficientnet_b5 efficientnet_b6 efficientnet_b7 regnet_y_400mf regnet_y_800mf
regnet_y_1_6gf regnet_y_3_2gf regnet_y_8gf regnet_y_16gf regnet_y_32gf
regnet_x_400mf regnet_x_800mf regnet_x_1_6gf regnet_x_3_2gf regnet_x_8gf
regnet_x_16gf regnet_x_32gf convnext_tiny convnext_small convnext_base
convnext_large vit_b_16 vit_b_32 vit_l_16 vit_l_32 swin_t swin_s
swin_b""".split()

# Tensors that networks make themselves.
KNOWN = ("num_batches_tracked", "relative_position_index")

# Run at 64 pixels.
RUN = """resnet18 resnet50 resnext50_32x4d densenet121
mobilenet_v2 mobilenet_v3_large mobilenet_v3_small efficientnet_b0 alexnet
regnet_y_400mf regnet_x_800mf convnext_tiny vit_b_32
swin_t""".split()


def values(name, shape):
    """Entry i of the parameter, as f32."""
    n = int(np.prod(shape))
    wave = np.sin(sum(name.encode()) % 97 + 1.3 * np.arange(n))
    if name.endswith("running_var"):
        x = 1 + 0.5 * wave * wave
    elif name.endswith("running_mean") or name.endswith("bias"):
        x = 0.1 * wave
    elif len(shape) == 1:
        x = 1 + 0.1 * wave
    else:
        x = wave * 2 / np.sqrt(n / shape[0])
    return x.astype(np.float32).reshape(shape)


def logits(name):
    size = 64
    more = {"image_size": size} if name.startswith("vit") else {}
    net = getattr(zoo, name)(weights=None, num_classes=10, **more)
    net = net.double().eval()
    state = net.state_dict()
    for key, value in state.items():
        if not key.endswith(KNOWN):
            value.copy_(torch.from_numpy(values(key, tuple(value.shape))))
    picture = values("picture", (1, 3, size, size))
    with torch.no_grad():
        return net(torch.from_numpy(picture).double())[0].numpy(), size


def describe(name):
    net = getattr(zoo, name)(weights=None)
    lines = sorted(
        "%s %s\n" % (key, "x".join(str(d) for d in value.shape))
        for key, value in net.state_dict().items()
        if not key.endswith(KNOWN))
    count = sum(p.numel() for p in net.parameters())
    return count, hashlib.sha256("".join(lines).encode()).hexdigest()


def main():
    torch.manual_seed(0)
    print("/* SPDX-License-Identifier: Apache-2.0 */")
    print("/* Made by make_archs.py with torchvision 0.14. */")
    print("\nstatic const struct golden_arch golden_archs[] = {")
    for name in NAMES:
        print('    {"%s", %d,\n     "%s"},' % ((name.replace("_", "-"),)
                                              + describe(name)))
    print("};\n\nstatic const struct golden_logits golden_logits[] = {")
    for name in RUN:
        x, size = logits(name)
        print('    {"%s",\n     %d,\n     {%s}},' % (
            name.replace("_", "-"), size, ", ".join("%.9g" % v for v in x)))
    print("};")


if __name__ == "__main__":
    main()
