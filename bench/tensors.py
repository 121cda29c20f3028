# SPDX-License-Identifier: Apache-2.0
"""Reading and writing safetensors with numpy alone."""
import json
import struct

import numpy as np

KINDS = {"F32": "<f4", "F64": "<f8", "I32": "<i4", "I64": "<i8", "U32": "<u4",
         "U8": "|u1"}


def read(path):
    with open(path, "rb") as f:
        data = f.read()
    size = struct.unpack("<Q", data[:8])[0]
    out = {}
    for name, t in json.loads(data[8:8 + size]).items():
        if name == "__metadata__":
            continue
        a, b = t["data_offsets"]
        flat = np.frombuffer(data[8 + size + a:8 + size + b],
                             KINDS[t["dtype"]])
        out[name] = flat.reshape(t["shape"]).copy()
    return out


def write(path, tensors):
    header, blobs, at = {}, [], 0
    names = {np.dtype(v): k for k, v in KINDS.items()}
    for name, x in tensors.items():
        x = np.ascontiguousarray(x)
        blob = x.tobytes()
        header[name] = {"dtype": names[x.dtype], "shape": list(x.shape),
                        "data_offsets": [at, at + len(blob)]}
        blobs.append(blob)
        at += len(blob)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + b"".join(blobs))
