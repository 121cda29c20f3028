#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/golden/torch/: small PyTorch files and what PyTorch reads from
them, for tests/unit/test_formats_torch.c. Needs Debian's python3-torch 1.13
(/usr/bin/python3 make_torch.py); the files are kept, so only a change of this
script needs a run.

expected.txt: FILE NAME DTYPE SHAPE SHA256, the hash over the elements in
row-major order, little-endian."""

import collections
import hashlib
import os
import struct
import zipfile

import torch

here = os.path.join(os.path.dirname(os.path.abspath(__file__)), "torch")
os.makedirs(here, exist_ok=True)

names = {
    torch.float32: "F32", torch.float64: "F64", torch.float16: "F16",
    torch.bfloat16: "BF16", torch.int64: "I64", torch.int32: "I32",
    torch.int16: "I16", torch.int8: "I8", torch.uint8: "U8",
    torch.bool: "BOOL",
}


def digest(t):
    t = t.detach().contiguous()
    if t.dtype == torch.bfloat16:
        t = t.view(torch.int16)
    return hashlib.sha256(t.numpy().tobytes()).hexdigest()


def state():
    base = torch.arange(24, dtype=torch.float32).reshape(2, 3, 4) / 7
    d = collections.OrderedDict()
    d["plain"] = base.clone()
    d["turned"] = base.clone().permute(2, 0, 1)
    d["every.second"] = torch.arange(20.0)[3::2]
    d["expanded"] = torch.tensor([1.5, -2.5]).unsqueeze(1).expand(2, 3)
    d["overlapping"] = torch.arange(6.0).as_strided((3, 3), (1, 1), 1)
    tied = torch.arange(6.0).reshape(2, 3)
    d["tied.a"] = tied
    d["tied.b"] = tied
    d["tied.row"] = tied[1]
    d["scalar"] = torch.tensor(3.25)
    d["empty"] = torch.zeros(0, 4)
    d["parameter"] = torch.nn.Parameter(torch.arange(4.0))
    for dtype, name in names.items():
        d["as." + name] = torch.tensor([0, 1, 2, 100]).to(dtype)
    return d


def write(file, value, expected, legacy=False):
    torch.save(value, os.path.join(here, file),
               _use_new_zipfile_serialization=not legacy)
    for name, t in expected.items():
        shape = "[" + ",".join(str(n) for n in t.shape) + "]"
        lines.append(f"{file} {name} {names[t.dtype]} {shape} {digest(t)}")


lines = []
torch.manual_seed(1)
d = state()
write("state.pth", d, d)
write("state-legacy.pth", d, d, legacy=True)

prefixed = collections.OrderedDict(("module." + k, v) for k, v in d.items())
checkpoint = {"epoch": 3, "best": 0.75, "arch": "tiny", "state_dict": prefixed,
              "optimizer": {"state": {0: {"m": torch.ones(3)}},
                            "groups": [{"lr": 0.1}]}}
write("checkpoint.pth", checkpoint, d)
write("checkpoint-legacy.pth", checkpoint, d, legacy=True)

small = {"w": torch.arange(4.0), "b": torch.arange(2)}
write("list-of-one.pth", {"state_dict": [small], "n": 1}, small, legacy=True)
write("list-of-two.pth", {"net": [small, {"w": torch.ones(2)}]},
      {"0.w": small["w"], "0.b": small["b"], "1.w": torch.ones(2)})
write("nested.pth", {"encoder": small, "decoder": {"w": torch.ones(2)},
                     "step": 7},
      {"encoder.w": small["w"], "encoder.b": small["b"],
       "decoder.w": torch.ones(2)})


def rezip(source, file, expected, whole=False):
    """The same file with deflated members, or deflated as a whole."""
    path = os.path.join(here, source)
    with zipfile.ZipFile(os.path.join(here, file), "w",
                         zipfile.ZIP_DEFLATED) as out:
        if whole:
            members = [(source, open(path, "rb").read())]
        else:
            with zipfile.ZipFile(path) as old:
                members = [(i.filename, old.read(i)) for i in old.infolist()]
        for name, data in members:
            info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            out.writestr(info, data)
    for name, t in expected.items():
        shape = "[" + ",".join(str(n) for n in t.shape) + "]"
        lines.append(f"{file} {name} {names[t.dtype]} {shape} {digest(t)}")


rezip("state.pth", "deflated.pth", d)
rezip("state-legacy.pth", "state-legacy.pth.zip", d, whole=True)


def widen(source, file, expected):
    """The same file with the headers and end records of zip64."""
    path = os.path.join(here, file)
    with zipfile.ZipFile(os.path.join(here, source)) as old, \
            zipfile.ZipFile(path, "w") as out:
        for i in old.infolist():
            info = zipfile.ZipInfo(i.filename, (1980, 1, 1, 0, 0, 0))
            with out.open(info, "w", force_zip64=True) as f:
                f.write(old.read(i))
    data = open(path, "rb").read()
    end = data.rfind(b"PK\5\6")
    n, size, offset = struct.unpack("<HII", data[end + 10:end + 20])
    data = data[:end] + struct.pack(
        "<4sQHHIIQQQQ", b"PK\6\6", 44, 45, 45, 0, 0, n, n, size, offset)
    data += struct.pack("<4sIQI", b"PK\6\7", 0, end, 1)
    data += struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, 0xffff, 0xffff,
                        0xffffffff, 0xffffffff, 0)
    open(path, "wb").write(data)
    for name, t in expected.items():
        shape = "[" + ",".join(str(n) for n in t.shape) + "]"
        lines.append(f"{file} {name} {names[t.dtype]} {shape} {digest(t)}")


widen("nested.pth", "zip64.pth",
      {"encoder.w": small["w"], "encoder.b": small["b"],
       "decoder.w": torch.ones(2)})


class Tiny(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = torch.nn.Linear(3, 2)
        self.norm = torch.nn.BatchNorm1d(2)

    def forward(self, x):
        return self.norm(self.fc(x))


script = torch.jit.script(Tiny())
script.save(os.path.join(here, "script.pt"))
for name, t in script.state_dict().items():
    shape = "[" + ",".join(str(n) for n in t.shape) + "]"
    lines.append(f"script.pt {name} {names[t.dtype]} {shape} {digest(t)}")

with open(os.path.join(here, "expected.txt"), "w") as f:
    f.write("\n".join(lines) + "\n")
