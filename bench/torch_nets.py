# SPDX-License-Identifier: Apache-2.0
"""The networks of docs/architectures.md in PyTorch.

Written from that description, not from Assay's code, with the same parameter
names, so that a state dict fits either side. Used by parity.py and speed.py.
"""
import torch
from torch import nn


def flat(*layers):
    return nn.Sequential(*layers)


class SimpleCNN(nn.Module):
    def __init__(self, channels, size, classes, widths, hidden):
        super().__init__()
        layers, c, s = [], channels, size
        for w in widths:
            layers += [nn.Conv2d(c, w, 3), nn.ReLU(), nn.MaxPool2d(2)]
            c, s = w, (s - 2) // 2
        self.features = flat(*layers)
        self.classifier = flat(nn.Linear(c * s * s, hidden), nn.ReLU(),
                               nn.Linear(hidden, classes))

    def forward(self, x):
        return self.classifier(torch.flatten(self.features(x), 1))


class AlexNet(nn.Module):
    def __init__(self, channels, size, classes, dropout):
        super().__init__()
        stock = size >= 63
        pool = lambda: nn.MaxPool2d(3 if stock else 2, 2)
        stem = (nn.Conv2d(channels, 64, 11, 4, 2) if stock
                else nn.Conv2d(channels, 64, 3, 2, 1))
        second = (nn.Conv2d(64, 192, 5, padding=2) if stock
                  else nn.Conv2d(64, 192, 3, padding=1))
        self.features = flat(
            stem, nn.ReLU(), pool(), second, nn.ReLU(), pool(),
            nn.Conv2d(192, 384, 3, padding=1), nn.ReLU(),
            nn.Conv2d(384, 256, 3, padding=1), nn.ReLU(),
            nn.Conv2d(256, 256, 3, padding=1), nn.ReLU(), pool())
        self.avgpool = nn.AdaptiveAvgPool2d(6) if stock else nn.Identity()
        side = 6 if stock else ((size + 1) // 2) // 8
        self.classifier = flat(
            nn.Dropout(dropout), nn.Linear(256 * side * side, 4096), nn.ReLU(),
            nn.Dropout(dropout), nn.Linear(4096, 4096), nn.ReLU(),
            nn.Linear(4096, classes))

    def forward(self, x):
        x = self.avgpool(self.features(x))
        return self.classifier(torch.flatten(x, 1))


class Basic(nn.Module):
    def __init__(self, c_in, c, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(c_in, c, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(c)
        self.conv2 = nn.Conv2d(c, c, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(c)
        self.relu = nn.ReLU()
        self.downsample = None
        if stride != 1 or c_in != c:
            self.downsample = flat(nn.Conv2d(c_in, c, 1, stride, bias=False),
                                   nn.BatchNorm2d(c))

    def forward(self, x):
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return self.relu(y + (x if self.downsample is None
                              else self.downsample(x)))


class ResNet18(nn.Module):
    def __init__(self, channels, classes):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU()
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        c_in = 64
        for stage in range(1, 5):
            c = 32 << stage
            setattr(self, f"layer{stage}",
                    flat(Basic(c_in, c, 1 if stage == 1 else 2),
                         Basic(c, c, 1)))
            c_in = c
        self.fc = nn.Linear(512, classes)

    def forward(self, x):
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(x.mean((2, 3)))


class VGG19(nn.Module):
    """The variant below 128 pixels: one linear layer."""

    def __init__(self, channels, size, classes, norm):
        super().__init__()
        layers, c, s = [], channels, size
        for w in [64, 64, 0, 128, 128, 0, 256, 256, 256, 256, 0, 512, 512,
                  512, 512, 0, 512, 512, 512, 512, 0]:
            if w == 0:
                layers.append(nn.MaxPool2d(2, 2) if s > 1 else nn.Identity())
                s = max(s // 2, 1)
                continue
            layers.append(nn.Conv2d(c, w, 3, padding=1))
            layers += [nn.BatchNorm2d(w)] if norm else []
            layers.append(nn.ReLU())
            c = w
        self.features = flat(*layers)
        self.classifier = flat(nn.Linear(512, classes))

    def forward(self, x):
        return self.classifier(self.features(x).mean((2, 3)))


class Separable(nn.Module):
    def __init__(self, c_in, c):
        super().__init__()
        self.conv1 = nn.Conv2d(c_in, c_in, 3, 1, 1, groups=c_in, bias=False)
        self.pointwise = nn.Conv2d(c_in, c, 1, bias=False)

    def forward(self, x):
        return self.pointwise(self.conv1(x))


class Block(nn.Module):
    def __init__(self, c_in, c, reps, stride, relu_first, grow_first):
        super().__init__()
        rep = []
        for r in range(reps):
            a = c_in if (r == 0 or not grow_first) else c
            b = c if (grow_first or r == reps - 1) else c_in
            if r > 0 or relu_first:
                rep.append(nn.ReLU())
            rep += [Separable(a, b), nn.BatchNorm2d(b)]
        if stride > 1:
            rep.append(nn.MaxPool2d(3, stride, 1))
        self.rep = flat(*rep)
        self.skip = None
        if stride > 1 or c_in != c:
            self.skip = nn.Conv2d(c_in, c, 1, stride, bias=False)
            self.skipbn = nn.BatchNorm2d(c)

    def forward(self, x):
        y = self.rep(x)
        return y + (x if self.skip is None else self.skipbn(self.skip(x)))


class Xception(nn.Module):
    def __init__(self, channels, classes):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 32, 3, 2, bias=False)
        self.bn1 = nn.BatchNorm2d(32)
        self.conv2 = nn.Conv2d(32, 64, 3, bias=False)
        self.bn2 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU()
        spec = [(64, 128, 2, 2, False, True), (128, 256, 2, 2, True, True),
                (256, 728, 2, 2, True, True)]
        spec += [(728, 728, 3, 1, True, True)] * 8
        spec += [(728, 1024, 2, 2, True, False)]
        for i, s in enumerate(spec):
            setattr(self, f"block{i + 1}", Block(*s))
        self.conv3 = Separable(1024, 1536)
        self.bn3 = nn.BatchNorm2d(1536)
        self.conv4 = Separable(1536, 2048)
        self.bn4 = nn.BatchNorm2d(2048)
        self.fc = nn.Linear(2048, classes)

    def forward(self, x):
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.relu(self.bn2(self.conv2(x)))
        for i in range(12):
            x = getattr(self, f"block{i + 1}")(x)
        x = self.relu(self.bn3(self.conv3(x)))
        x = self.relu(self.bn4(self.conv4(x)))
        return self.fc(x.mean((2, 3)))


def build(name, channels, size, classes, dropout=0.5):
    if name == "simplecnn":
        return SimpleCNN(channels, size, classes, [32, 64], 128)
    if name == "simplecnn3":
        return SimpleCNN(channels, size, classes, [32, 64, 128], 512)
    if name == "alexnet":
        return AlexNet(channels, size, classes, dropout)
    if name == "resnet18":
        return ResNet18(channels, classes)
    if name in ("vgg19", "vgg19-bn"):
        return VGG19(channels, size, classes, name == "vgg19-bn")
    if name == "xception":
        return Xception(channels, classes)
    raise SystemExit(f"no network is called {name}")
