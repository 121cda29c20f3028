#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Write keras/*: small models as Keras 2 and 3 save them, and expected.txt:
what they say of two pictures, computed here from configuration and weights
by NumPy in double, channels last, as Keras's documentation tells of each
layer.

Run in this folder: /usr/bin/python3 make_keras.py
With a model as argument: print what it says, and write nothing.
Needs Debian's python3-h5py and python3-numpy. Weights are random.
The same bytes come out each time, but for the times in functional.keras,
which HDF5's newer headers have.
"""

import io
import json
import sys
import zipfile

import h5py
import numpy as np

rng = np.random.default_rng(7)


# --- what a model computes ---------------------------------------------------

def erf(x):
    return np.vectorize(__import__("math").erf)(x)


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


ACTIVATIONS = {
    "linear": lambda x: x,
    "relu": lambda x: np.maximum(x, 0),
    "relu6": lambda x: np.clip(x, 0, 6),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "tanh": np.tanh,
    "softmax": softmax,
    "elu": lambda x: np.where(x > 0, x, np.exp(np.minimum(x, 0)) - 1),
    "selu": lambda x: 1.0507009873554805 * np.where(
        x > 0, x, 1.6732632423543772 * (np.exp(np.minimum(x, 0)) - 1)),
    "softplus": lambda x: np.log1p(np.exp(x)),
    "softsign": lambda x: x / (1 + np.abs(x)),
    "swish": lambda x: x / (1 + np.exp(-x)),
    "silu": lambda x: x / (1 + np.exp(-x)),
    "gelu": lambda x: x * (1 + erf(x / np.sqrt(2))) / 2,
    "exponential": np.exp,
    "hard_sigmoid": None,  # by version
}


def activate(name, x, version):
    if name == "hard_sigmoid":
        return np.clip(x / 6 + 0.5 if version >= 3 else 0.2 * x + 0.5, 0, 1)
    return ACTIVATIONS[name or "linear"](x)


def pair(x):
    return (x, x) if isinstance(x, int) else tuple(x)


def windows(x, size, strides, dilation, padding, fill):
    """[n, h', w', kh, kw, c] of a map [n, h, w, c]."""
    pads = [(0, 0)]
    for i in range(2):
        reach = (size[i] - 1) * dilation[i] + 1
        total = 0
        if padding == "same":
            out = -(-x.shape[1 + i] // strides[i])
            total = max((out - 1) * strides[i] + reach - x.shape[1 + i], 0)
        pads.append((total // 2, total - total // 2))
    x = np.pad(x, pads + [(0, 0)], constant_values=fill)
    high = (x.shape[1] - (size[0] - 1) * dilation[0] - 1) // strides[0] + 1
    wide = (x.shape[2] - (size[1] - 1) * dilation[1] - 1) // strides[1] + 1
    out = np.empty((x.shape[0], high, wide, *size, x.shape[3]))
    for i in range(high):
        for j in range(wide):
            top, left = i * strides[0], j * strides[1]
            out[:, i, j] = x[:, top:top + size[0] * dilation[0]:dilation[0],
                             left:left + size[1] * dilation[1]:dilation[1]
                             ][:, :size[0], :size[1]]
    return out


def convolve(x, c, kernel, plain=False):
    groups = c.get("groups", 1)
    w = windows(x, kernel.shape[:2],
                (1, 1) if plain else pair(c.get("strides", 1)),
                (1, 1) if plain else pair(c.get("dilation_rate", 1)),
                c.get("padding", "valid"), 0)
    outs = np.split(kernel, groups, 3)
    ins = np.split(w, groups, 5)
    return np.concatenate([np.einsum("nijklc,klco->nijo", a, b)
                           for a, b in zip(ins, outs)], 3)


def depthwise(x, c, kernel):
    w = windows(x, kernel.shape[:2], pair(c.get("strides", 1)),
                pair(c.get("dilation_rate", 1)), c.get("padding", "valid"), 0)
    y = np.einsum("nijklc,klcm->nijcm", w, kernel)
    return y.reshape(y.shape[:3] + (-1,))


def layer(kind, c, x, w, version):
    """Output, and that before the activation; x is a list of inputs."""
    w = list(w)
    y = x[0]
    if kind == "Conv2D":
        y = convolve(y, c, w.pop(0))
    elif kind == "DepthwiseConv2D":
        y = depthwise(y, c, w.pop(0))
    elif kind == "SeparableConv2D":
        y = convolve(depthwise(y, c, w.pop(0)), {}, w.pop(0), True)
    elif kind == "Dense":
        y = y @ w.pop(0)
    elif kind == "BatchNormalization":
        gamma = w.pop(0) if c.get("scale", True) else 1
        beta = w.pop(0) if c.get("center", True) else 0
        mean, var = w.pop(0), w.pop(0)
        y = (y - mean) / np.sqrt(var + c["epsilon"]) * gamma + beta
    elif kind == "Normalization":
        mean = w.pop(0) if c.get("mean") is None else np.array(c["mean"])
        var = w.pop(0) if c.get("variance") is None else np.array(c["variance"])
        y = (y - mean) / np.maximum(np.sqrt(var), 1e-7)
        w = []
    elif kind == "Rescaling":
        y = y * np.array(c["scale"]) + np.array(c["offset"])
    elif kind == "ReLU":
        slope = c.get("negative_slope") or 0
        y = np.where(y > 0, y, slope * y)
        if c.get("max_value") is not None:
            y = np.minimum(y, c["max_value"])
    elif kind == "LeakyReLU":
        y = np.where(y > 0, y, c.get("negative_slope", c.get("alpha")) * y)
    elif kind == "ELU":
        y = np.where(y > 0, y, c["alpha"] * (np.exp(np.minimum(y, 0)) - 1))
    elif kind == "Flatten":
        y = y.reshape(len(y), -1)
    elif kind == "Reshape":
        y = y.reshape((len(y),) + tuple(c["target_shape"]))
    elif kind == "ZeroPadding2D":
        y = np.pad(y, [(0, 0)] + [tuple(p) for p in c["padding"]] + [(0, 0)])
    elif kind in ("MaxPooling2D", "AveragePooling2D"):
        largest = kind[0] == "M"
        size = pair(c["pool_size"])
        v = windows(y, size, pair(c.get("strides") or size), (1, 1),
                    c.get("padding", "valid"), -np.inf if largest else np.nan)
        y = v.max((3, 4)) if largest else np.nanmean(v, (3, 4))
    elif kind == "GlobalAveragePooling2D":
        y = y.mean((1, 2), keepdims=c.get("keepdims", False))
    elif kind == "GlobalMaxPooling2D":
        y = y.max((1, 2), keepdims=c.get("keepdims", False))
    elif kind == "Add":
        y = sum(x)
    elif kind == "Multiply":
        y = x[0] * x[1]
    elif kind == "Subtract":
        y = x[0] - x[1]
    elif kind == "Maximum":
        y = np.maximum(*x)
    elif kind == "Concatenate":
        y = np.concatenate(x, c["axis"])
    elif kind not in ("Dropout", "Activation", "Softmax", "RandomFlip"):
        raise ValueError(kind)
    if w:
        y = y + w.pop(0)
    before = y
    y = softmax(y) if kind == "Softmax" else activate(c.get("activation"), y,
                                                      version)
    return y, before


def inputs_of(entry):
    nodes = entry["inbound_nodes"]
    if not nodes:
        return []
    if isinstance(nodes[0], dict):
        args = nodes[0]["args"][0]
        args = args if isinstance(args, list) else [args]
        return [a["config"]["keras_history"][0] for a in args]
    return [a[0] for a in nodes[0]]


MODELS = ("Sequential", "Functional", "Model")


def layers_of(entry):
    config = entry["config"]
    return config if isinstance(config, list) else config["layers"]


def run(model, weights, x, version):
    """Logits and embedding."""
    value, reads = {None: x}, None
    last = None
    for entry in layers_of(model):
        kind, c = entry["class_name"], entry["config"]
        name = c["name"]
        ins = inputs_of(entry) if "inbound_nodes" in entry else [last]
        if kind == "InputLayer":
            value[name] = x
        elif kind in MODELS:
            value[name] = run(entry, weights[name], value[ins[0]],
                              version)[0]
        else:
            ins = [value[i] for i in ins]
            w = weights.get(name, [])
            value[name], before = layer(kind, c, ins, w, version)
            if kind == "Conv2D" or kind == "Dense":
                reads = ins[0]
        last = name
    soft = kind == "Softmax" or c.get("activation") in ("softmax", "sigmoid")
    if not soft and value[last].ndim == 4:
        return value[last], reads  # of an inner model
    logits = (before if soft else value[last]).reshape(len(x), -1)
    if logits.shape[1] == 1:
        logits = np.concatenate([0 * logits, logits], 1)
    if reads.ndim == 4:
        reads = reads.mean((1, 2))
    return logits, reads


def pictures(height, width, channels):
    """Two pictures of bytes, filled in the order channel, row, column."""
    i = np.arange(channels * height * width)
    all_ = [(i * 31 + r * 17 + i * i % 97) % 256 for r in range(2)]
    x = np.stack(all_).reshape(2, channels, height, width)
    return x.transpose(0, 2, 3, 1).astype(float)


# --- reading ------------------------------------------------------------------

def snake(name):
    import re
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


def load_zip(f, top, layers):
    weights, turns = {}, {}
    for entry in layers:
        kind = snake(entry["class_name"])
        turn = turns.get(kind, 0)
        turns[kind] = turn + 1
        group = f"{top}/{kind}_{turn}" if turn else f"{top}/{kind}"
        if entry["class_name"] in MODELS:
            weights[entry["config"]["name"]] = load_zip(
                f, group + "/layers", layers_of(entry))
        elif group + "/vars" in f:
            v = f[group + "/vars"]
            weights[entry["config"]["name"]] = [
                np.array(v[str(i)], float) for i in range(len(v))]
    return weights


def load(path):
    if path.endswith(".keras"):
        z = zipfile.ZipFile(path)
        model = json.loads(z.read("config.json"))
        f = h5py.File(io.BytesIO(z.read("model.weights.h5")), "r")
        return model, load_zip(f, "layers", layers_of(model)), 3
    f = h5py.File(path, "r")
    model = json.loads(f.attrs["model_config"])
    weights = {}
    for name, group in f["model_weights"].items():
        names = [n for k, a in sorted(group.attrs.items())
                 if k.startswith("weight_names") for n in a]
        names = [n.decode() if isinstance(n, bytes) else n for n in names]
        arrays = [np.array(group[n], float) for n in names]
        weights[name] = arrays
        if any(not n.startswith(name + "/") for n in names):
            weights[name] = {}
            for n, a in zip(names, arrays):
                weights[name].setdefault(n.split("/")[-2], []).append(a)
    return model, weights, int(f.attrs["keras_version"][0])


# --- writing ------------------------------------------------------------------

def near(*shape):
    return rng.normal(0, 1, shape) / np.sqrt(max(np.prod(shape[:-1]), 1))


def norm(c):
    return [rng.uniform(.5, 1.5, c), rng.normal(0, 1, c), rng.normal(0, 1, c),
            rng.uniform(.5, 1.5, c)]


def write_h5(path, model, weights, version, **options):
    """As Keras 2 does: names of weights in an attribute of each group."""
    names = {2: ["kernel:0", "bias:0"], 1: ["kernel:0"],
             4: ["gamma:0", "beta:0", "moving_mean:0", "moving_variance:0"],
             3: ["depthwise_kernel:0", "pointwise_kernel:0", "bias:0"]}
    with h5py.File(path, "w") as f:
        f.attrs["keras_version"] = version
        f.attrs["backend"] = "tensorflow"
        f.attrs["model_config"] = json.dumps(model)
        top = f.create_group("model_weights")
        config = model["config"]
        layers = config if isinstance(config, list) else config["layers"]
        layers = [e["config"]["name"] for e in layers]
        top.attrs["layer_names"] = [n.encode() for n in layers]
        for name in layers:
            group = top.create_group(name)
            arrays = weights.get(name, [])
            if isinstance(arrays, dict):  # a model: trained ones first
                full = [f"{k}/{n}" for half in (0, 1)
                        for k, a in arrays.items()
                        for i, n in enumerate(names[len(a)])
                        if (i >= 2 and len(a) == 4) == half]
                group.attrs["weight_names"] = [n.encode() for n in full]
                for n in full:
                    k, i = n.split("/")
                    i = names[len(arrays[k])].index(i)
                    group.create_dataset(n, data=arrays[k][i].astype("f4"))
                continue
            full = [f"{name}/{n}" for n in
                    (names[len(arrays)] if arrays else [])]
            if len(full) == 3:  # as Keras cuts lists that are too long
                group.attrs["weight_names0"] = np.array(full[:2], "S")
                group.attrs["weight_names1"] = np.array(full[2:], "S")
            elif len(full) == 2:
                group.attrs["weight_names"] = np.array(full, "S")
            else:
                group.attrs["weight_names"] = [n.encode() for n in full]
            for n, a in zip(full, arrays):
                how = options if a.size > 30 else {}
                group.create_dataset(n, data=a.astype(np.float32), **how)
        if options:
            top = f.create_group("optimizer_weights")
            top["iterations:0"] = np.int64(3)


def put_zip(f, top, layers, weights, sparse):
    turns = {}
    for entry in layers:
        kind, name = snake(entry["class_name"]), entry["config"]["name"]
        turn = turns.get(kind, 0)
        turns[kind] = turn + 1
        group = f"{top}/{kind}_{turn}" if turn else f"{top}/{kind}"
        if entry["class_name"] in MODELS:
            put_zip(f, group + "/layers", layers_of(entry), weights[name],
                    sparse)
        if sparse and name not in weights:
            continue  # newer HDF5 keeps over 8 links elsewhere
        v = f.create_group(group + "/vars")
        v.attrs["name"] = name
        if entry["class_name"] not in MODELS:
            for i, a in enumerate(weights.get(name, [])):
                v[str(i)] = a if a.dtype == np.int64 else a.astype(np.float32)


def write_zip(path, model, weights, method, **options):
    """As Keras 3 does: numbered weights in groups called after classes."""
    h5 = io.BytesIO()
    with h5py.File(h5, "w", **options) as f:
        put_zip(f, "layers", layers_of(model), weights, bool(options))
    with zipfile.ZipFile(path, "w", method) as z:
        for name, data in (("metadata.json", '{"keras_version": "3.10.0"}'),
                           ("config.json", json.dumps(model)),
                           ("model.weights.h5", h5.getvalue())):
            z.writestr(zipfile.ZipInfo(name), data, method)


def old(kind, name, inbound=None, **config):
    entry = {"class_name": kind, "config": dict(config, name=name)}
    if inbound is not None:
        entry["name"] = name
        entry["inbound_nodes"] = [[[i, 0, 0, {}] for i in inbound]] \
            if inbound else []
    return entry


def tensor(name):
    return {"class_name": "__keras_tensor__",
            "config": {"shape": None, "dtype": "float32",
                       "keras_history": [name, 0, 0]}}


def new(kind, name, inbound=None, **config):
    entry = {"module": "keras.layers", "class_name": kind,
             "config": dict(config, name=name), "registered_name": None}
    if inbound is not None:
        entry["name"] = name
        args = [tensor(i) for i in inbound]
        entry["inbound_nodes"] = [{"args": args if len(args) == 1 else [args],
                                   "kwargs": {}}] if inbound else []
    return entry


def sequential_2():
    layers = [
        old("Conv2D", "conv", filters=4, kernel_size=[3, 2], strides=[2, 2],
            padding="same", activation="relu", use_bias=True,
            dilation_rate=[1, 1], data_format="channels_last",
            batch_input_shape=[None, 7, 6, 2]),
        old("BatchNormalization", "norm", axis=-1, epsilon=1e-3, momentum=.99,
            scale=True, center=True),
        old("DepthwiseConv2D", "depth", kernel_size=[2, 2], padding="same",
            depth_multiplier=2, activation="hard_sigmoid", use_bias=True,
            strides=[1, 1], dilation_rate=[2, 2]),
        old("AveragePooling2D", "mean", pool_size=[2, 2], strides=[1, 1],
            padding="same"),
        old("MaxPooling2D", "max", pool_size=[2, 2], strides=None,
            padding="valid"),
        old("Flatten", "flat"),
        old("Dropout", "drop", rate=.5),
        old("Dense", "hidden", units=6, activation="elu", use_bias=True),
        old("Dense", "scores", units=3, activation="softmax", use_bias=True),
    ]
    w = {"conv": [near(3, 2, 2, 4), near(4)], "norm": norm(4),
         "depth": [near(2, 2, 4, 2), near(8)],
         "hidden": [near(16, 6), near(6)], "scores": [near(6, 3), near(3)]}
    write_h5("keras/sequential.h5",
             {"class_name": "Sequential", "config": layers}, w, "2.1.6")


def functional_2():
    layers = [
        old("Dense", "logit", ["pooled"], units=1, activation="sigmoid",
            use_bias=True),
        old("InputLayer", "in", [], batch_input_shape=[None, 6, 6, 1]),
        old("ZeroPadding2D", "pad", ["in"], padding=[[0, 1], [1, 0]]),
        old("SeparableConv2D", "sep", ["pad"], filters=6, kernel_size=[3, 3],
            strides=[1, 1], padding="valid", depth_multiplier=2,
            activation="tanh", use_bias=True),
        old("Conv2D", "side", ["pad"], filters=6, kernel_size=[3, 3],
            dilation_rate=[2, 2], padding="same", use_bias=False,
            activation="linear"),
        old("MaxPooling2D", "small", ["side"], pool_size=[3, 3],
            strides=[1, 1], padding="valid"),
        old("Add", "sum", ["sep", "small"]),
        old("GlobalAveragePooling2D", "gap", ["sum"]),
        old("Reshape", "point", ["gap"], target_shape=[1, 1, 6]),
        old("Dense", "squeeze", ["point"], units=6, activation="sigmoid",
            use_bias=False),
        old("Multiply", "excite", ["sum", "squeeze"]),
        old("LeakyReLU", "leaky", ["excite"], alpha=.25),
        old("Concatenate", "both", ["leaky", "sep"], axis=-1),
        old("Activation", "soft", ["both"], activation="softplus"),
        old("GlobalMaxPooling2D", "pooled", ["soft"]),
    ]
    layers = layers[1:] + layers[:1]
    w = {"sep": [near(3, 3, 1, 2), near(1, 1, 2, 6), near(6)],
         "side": [near(3, 3, 1, 6)], "squeeze": [near(6, 6)],
         "logit": [near(12, 1), near(1)]}
    model = {"class_name": "Model", "config": {
        "name": "m", "layers": layers, "input_layers": [["in", 0, 0]],
        "output_layers": [["logit", 0, 0]]}}
    write_h5("keras/functional.h5", model, w, "2.4.0", chunks=True,
             compression="gzip", shuffle=True)


def sequential_3():
    layers = [
        new("InputLayer", "input", batch_shape=[None, 5, 5, 3]),
        new("Rescaling", "scale", scale=2.0, offset=-.5),
        new("Normalization", "stat", axis=[-1], mean=None, variance=None,
            invert=False),
        new("RandomFlip", "flip", mode="horizontal"),
        new("Conv2D", "grouped", filters=6, kernel_size=[2, 2],
            strides=[1, 1], padding="same", groups=3, activation="gelu",
            use_bias=True, dilation_rate=[1, 1],
            data_format="channels_last"),
        new("ReLU", "six", max_value=6.0, negative_slope=0.0, threshold=0.0),
        new("BatchNormalization", "norm", axis=-1, epsilon=.01, momentum=.9,
            scale=False, center=True),
        new("Activation", "hard", activation="hard_sigmoid"),
        new("Conv2D", "point", filters=4, kernel_size=[1, 1], strides=[2, 2],
            padding="valid", groups=1, activation="silu", use_bias=False),
        new("GlobalAveragePooling2D", "gap", keepdims=False),
        new("Dense", "logits", units=4, activation="linear", use_bias=True),
    ]
    n = norm(6)
    w = {"stat": [near(3), rng.uniform(.5, 2, 3), np.int64(9)],
         "grouped": [near(2, 2, 1, 6), near(6)], "norm": n[1:],
         "point": [near(1, 1, 6, 4)], "logits": [near(4, 4), near(4)]}
    write_zip("keras/sequential.keras",
              {"module": "keras", "class_name": "Sequential",
               "config": {"name": "s", "layers": layers}}, w,
              zipfile.ZIP_STORED)


def functional_3():
    layers = [
        new("InputLayer", "input_layer", [], batch_shape=[None, 4, 5]),
        new("Reshape", "reshape", ["input_layer"], target_shape=[4, 5, 1]),
        new("Conv2D", "a", ["reshape"], filters=3, kernel_size=[3, 3],
            strides=[1, 1], padding="same", activation="selu", use_bias=True,
            groups=1),
        new("Conv2D", "b", ["reshape"], filters=3, kernel_size=[1, 1],
            strides=[1, 1], padding="same", activation="swish", use_bias=True,
            groups=1),
        new("Subtract", "minus", ["a", "b"]),
        new("Maximum", "most", ["minus", "b"]),
        new("ELU", "elu", ["most"], alpha=.5),
        new("Conv2D", "c", ["elu"], filters=3, kernel_size=[3, 3],
            strides=[2, 2], padding="same", activation="linear",
            use_bias=True, groups=1),
        new("GlobalAveragePooling2D", "gap", ["c"], keepdims=True),
        new("Flatten", "flatten", ["gap"], data_format="channels_last"),
        new("Softmax", "softmax", ["flatten"], axis=-1),
    ]
    w = {"a": [near(3, 3, 1, 3), near(3)], "b": [near(1, 1, 1, 3), near(3)],
         "c": [near(3, 3, 3, 3), near(3)]}
    model = {"module": "keras", "class_name": "Functional", "config": {
        "name": "f", "layers": layers, "input_layers": ["input_layer", 0, 0],
        "output_layers": ["softmax", 0, 0]}}
    write_zip("keras/functional.keras", model, w, zipfile.ZIP_DEFLATED,
              libver="latest")


def inner(make):
    """A feature extractor of a convolution, a norm and an activation."""
    shape = {"batch_shape" if make is new else "batch_input_shape":
             [None, 4, 4, 2]}
    layers = [make("InputLayer", "in", [], **shape),
              make("Conv2D", "conv", ["in"], filters=3, kernel_size=[2, 2],
                   strides=[1, 1], padding="same", activation="linear",
                   use_bias=True),
              make("BatchNormalization", "norm", ["conv"], axis=-1,
                   epsilon=.001, momentum=.99, scale=True, center=True),
              make("Activation", "act", ["norm"], activation="tanh")]
    return {"layers": layers, "input_layers": [["in", 0, 0]],
            "output_layers": [["act", 0, 0]]}, \
        {"conv": [near(2, 2, 2, 3), near(3)], "norm": norm(3)}


def transfer_2():
    config, w = inner(old)
    base = old("Model", "base", ["in"], **config)
    gap = old("GlobalAveragePooling2D", "gap", ["base"])
    gap["inbound_nodes"] = [[["base", 1, 0, {"training": False}]]]
    layers = [old("InputLayer", "in", [], batch_input_shape=[None, 4, 4, 2]),
              base, gap,
              old("Dense", "conv", ["gap"], units=3, activation="softmax",
                  use_bias=True)]
    model = {"class_name": "Functional", "config": {
        "name": "m", "layers": layers, "input_layers": [["in", 0, 0]],
        "output_layers": [["conv", 0, 0]]}}
    write_h5("keras/transfer.h5", model,
             {"base": w, "conv": [near(3, 3), near(3)]}, "2.9.0")


def transfer_3():
    config, w = inner(new)
    layers = [new("InputLayer", "input", batch_shape=[None, 4, 4, 2]),
              new("Functional", "base", **config),
              new("Conv2D", "more", filters=4, kernel_size=[3, 3],
                  strides=[1, 1], padding="valid", activation="relu",
                  use_bias=True),
              new("Flatten", "flat"),
              new("Dense", "out", units=2, activation="softmax",
                  use_bias=True)]
    write_zip("keras/transfer.keras",
              {"module": "keras", "class_name": "Sequential",
               "config": {"name": "s", "layers": layers}},
              {"base": w, "more": [near(3, 3, 3, 4), near(4)],
               "out": [near(16, 2), near(2)]}, zipfile.ZIP_DEFLATED)


def tensors():
    """Datasets of all types and layouts, no model."""
    i = np.arange(35).reshape(5, 7)
    with h5py.File("keras/tensors.h5", "w") as f:
        for name in ("u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2",
                     "f4", "f8"):
            f[name] = (i % 100 - (0 if name[0] == "u" else 9)).astype(name)
        f["scalar"] = np.float32(2.5)
        f.create_dataset("odd", data=i.astype("f4"), chunks=(2, 3))
        f.create_dataset("odd.gz", data=i.astype("f8"), chunks=(3, 2),
                         compression="gzip")
        f.create_dataset("odd.shuffle", data=i.astype("i2"), chunks=(4, 7),
                         shuffle=True)
        f.create_dataset("cube", data=np.arange(60.).reshape(3, 4, 5),
                         chunks=(2, 3, 2), compression="gzip", shuffle=True)
        space = h5py.h5s.create_simple((5, 7))
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_layout(h5py.h5d.COMPACT)
        plist.set_obj_track_times(False)
        d = h5py.h5d.create(f.id, b"compact", h5py.h5t.IEEE_F32LE, space,
                            plist)
        d.write(h5py.h5s.ALL, h5py.h5s.ALL, i.astype("f4"))


def expected(path):
    model, weights, version = load(path)
    config = model["config"]
    layers = config if isinstance(config, list) else config["layers"]
    c = [e["config"] for e in layers if "batch_shape" in e["config"]
         or "batch_input_shape" in e["config"]][0]
    shape = c.get("batch_shape") or c["batch_input_shape"]
    x = pictures(*(shape[1:] + [1])[:3]) / 255
    if "gender" in path:
        x = (x - .5) * 2
    if len(shape) == 3:
        x = x[..., 0]
    return run(model, weights, x, version)


def numbers(a):
    return " ".join(f"{v:.9g}" for v in a.reshape(-1))


def main():
    if len(sys.argv) > 1:
        for a in expected(sys.argv[1]):
            print(numbers(a)[:400])
        return
    sequential_2()
    functional_2()
    sequential_3()
    functional_3()
    tensors()
    transfer_2()
    transfer_3()
    with open("keras/expected.txt", "w") as out:
        for name in ("sequential.h5", "functional.h5", "sequential.keras",
                     "functional.keras", "transfer.h5", "transfer.keras"):
            logits, embedding = expected("keras/" + name)
            print(name, "logits", logits.size // 2, numbers(logits), file=out)
            print(name, "embedding", embedding.size // 2, numbers(embedding),
                  file=out)


main()
