#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Opening weights: a safetensors file and a PyTorch zip of 500 MB, made here,
# the first of their tensors (1 MB) read from end to end; beside PyTorch's
# torch.load() of the same zip. The files are in the page cache.
set -eu
. "$(dirname "$0")/lib.sh"

/usr/bin/python3 - "$work" <<'PYTHON'
import os
import sys

import numpy as np
import torch

sys.path.insert(0, "bench")
import tensors

work = sys.argv[1]
state = {"first": torch.zeros(512, 512)}
for i in range(31):
    state["layer%02d" % i] = torch.randn(2048, 2048)
torch.save(state, os.path.join(work, "weights.pth"))
tensors.write(os.path.join(work, "weights.safetensors"),
              {k: v.numpy() for k, v in state.items()})
PYTHON
"$build/bench/bench_load" "$work/weights.safetensors" "$work/weights.pth"
/usr/bin/python3 - "$work/weights.pth" <<'PYTHON'
import sys
import time

import torch

took = []
for _ in range(5):
    started = time.perf_counter()
    float(torch.load(sys.argv[1], map_location="cpu")["first"].sum())
    took.append(1e3 * (time.perf_counter() - started))
print("torch.load of the zip: %.1f ms" % sorted(took)[2])
PYTHON
rm -f "$work"/weights.*
