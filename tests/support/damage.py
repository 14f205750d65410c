# SPDX-License-Identifier: Apache-2.0
"""Artefacts to damage, ways to damage them, and the comparison of two networks."""
import dataclasses
import json
import zlib
from dataclasses import replace

import numpy as np
import openeie
import safetensors.numpy
from openeie.core.artefact import artefact
from openeie.core.network.graph import Add, Conv, Depthwise, Pool
from openeie.core.network.window import Window

ARRAYS = ("bias", "multiplier", "shift")
# A layer without entries: one bias byte, multiplier 1, shift 0.
EMPTY = {"name": "l", "rows": 1, "cols": 1, "encoding": "csr", "relu": True, "entries": 0,
         "run_width": 1, "codebook": 0, "run_bits": 0, "code_bits": 0, "bias_bytes": 1,
         "uniform": True, "weight_scale": 1.0, "output_scale": 1.0}


def assert_same(a, b):
    """Every field of two networks."""
    for name in ("name", "act_width", "input_range", "input_scale", "provenance"):
        assert getattr(a, name) == getattr(b, name), name
    assert len(a.layers) == len(b.layers)
    for one, two in zip(a.layers, b.layers):
        assert type(one) is type(two)
        for field in dataclasses.fields(one):
            x, y = getattr(one, field.name), getattr(two, field.name)
            if field.name == "weights":
                for part in ("indptr", "rows", "values", "codes", "codebook"):
                    assert np.array_equal(getattr(x, part), getattr(y, part)), part
                assert x.shape == y.shape
            elif field.name in ARRAYS:
                x, y = np.asarray(x), np.asarray(y)         # numbers, in a pool
                assert np.array_equal(x, y) and x.dtype == y.dtype, field.name
            else:
                assert x == y, field.name


def small_artefact():
    """One Huffman-coded layer, 30 x 20."""
    rng = np.random.default_rng(3)
    codes = rng.integers(1, 16, (30, 20)) * (rng.random((30, 20)) < 0.3)
    layer = openeie.Linear(
        name="fc", weights=openeie.SparseWeights.from_codes(codes, np.arange(16) * 7 - 0),
        bias=rng.integers(-99, 99, 30), multiplier=np.full(30, 9), shift=np.full(30, 3),
        encoding="huffman")
    return artefact.dumps(openeie.Network(name="small", layers=(layer,)))


def matrix(rng, m, n, **fields):
    """Arguments of a layer with a random matrix, m x n, and a codebook."""
    codes = rng.integers(1, 16, (m, n)) * (rng.random((m, n)) < 0.4)
    return {"weights": openeie.SparseWeights.from_codes(codes, np.arange(16) * 7),
            "bias": rng.integers(-99, 99, m), "multiplier": rng.integers(1, 99, m),
            "shift": np.full(m, 3)} | fields


def whole_network():
    """A layer of every kind: branches read side by side and added, a linear layer on a map."""
    rng = np.random.default_rng(4)
    small = Window(height=3, width=4, channels=4)
    return openeie.Network(name="whole", input_range=(-5, 90), layers=(
        Conv(name="stem", window=Window(height=6, width=5, channels=3, kernel=(3, 2),
                                        stride=(2, 1), pad=(1, 0, 0, 0)),
             encoding="huffman", **matrix(rng, 4, 18)),
        Conv(name="left", window=small, **matrix(rng, 2, 4)),
        Conv(name="right", sources=("stem",), encoding="csr", relu=False, weight_scale=0.1,
             window=replace(small, kernel=(3, 3), pad=(1, 1, 1, 1)), **matrix(rng, 3, 36)),
        Pool(name="most", sources=("left", "right"), reduce="max", output_scale=0.3,
             window=replace(small, channels=5, kernel=(2, 2))),
        Pool(name="mean", reduce="sum", multiplier=21845, shift=17, relu=True,
             window=Window(height=2, width=3, channels=5, kernel=(1, 3), stride=(1, 3))),
        Depthwise(name="deep", window=Window(height=2, width=1, channels=5, kernel=(2, 1),
                                             pad=(1, 0, 0, 0)), **matrix(rng, 5, 2)),
        Add(name="sum", pixels=2, channels=5, factors=(300, -7), multiplier=3, shift=9,
            sources=("mean", "deep")),
        openeie.Linear(name="last", **matrix(rng, 7, 10))))


def mutate(rng, data, source):
    """One damaged file: cut, flipped, overwritten, swapped, or with a hostile header."""
    kind = rng.integers(9)
    data = bytearray(data)
    if kind == 0:
        return bytes(data[:rng.integers(len(data))])
    if kind == 1:
        for _ in range(rng.integers(1, 9)):
            data[rng.integers(len(data))] ^= 1 << int(rng.integers(8))
    elif kind == 2:
        at = int(rng.integers(len(data)))
        data[at:at + int(rng.integers(1, 50))] = rng.bytes(int(rng.integers(0, 60)))
    elif kind == 3:
        size = [0, 1, 1 << 20, 1 << 40, (1 << 64) - 1, len(data)][rng.integers(6)]
        data[:8] = size.to_bytes(8, "little")
    elif kind == 4:
        data += rng.bytes(int(rng.integers(1, 100)))
    elif kind <= 6:
        return hostile(rng, bytes(data), source)
    else:
        return forged(rng, bytes(data), source)
    return bytes(data)


def hostile(rng, data, text):
    """A well-formed file with a valid header CRC and a field set to something absurd."""
    header = json.loads(text)
    layers = header["layers"]
    target = layers[rng.integers(len(layers))] if rng.random() < 0.7 else header
    key = rng.choice([*sorted(target), *["sources", "kind", "window"] * (target is not header)])
    values = [0, 1, -1, 255, 1 << 19, 1 << 31, 1 << 70, 1e308, None, "x" * 300, [], {}, True, "csr",
              "codebook", "pool", "conv", "linear", "depthwise", "add", "sum", "input", ["input"],
              [[[]]], [1] * 11, [1 << 70] * 11, float("nan"),
              *([layer["name"]] for layer in layers)]
    if isinstance(target.get(key), list) and target[key] and rng.random() < 0.5:
        target[key][rng.integers(len(target[key]))] = values[rng.integers(len(values))]
    else:
        target[key] = values[rng.integers(len(values))]
    if rng.random() < 0.1:
        target["surprise"] = 1
    if rng.random() < 0.1:
        layers.insert(int(rng.integers(len(layers))), layers.pop())
    return repack(data, json.dumps(header))


def forged(rng, data, text):
    """A file whose checksums are right and whose payload is not: only the decoder can tell."""
    header, tensors = json.loads(text), safetensors.numpy.load(data)
    number = rng.choice(sorted(tensors.keys() - {"header"}))
    layer, payload = header["layers"][int(number)], tensors[number].copy()
    for _ in range(rng.integers(1, 4)):
        payload[rng.integers(len(payload))] ^= np.uint8(1 << int(rng.integers(8)))
    if rng.random() < 0.3:
        key = rng.choice(["entries", "run_width", "codebook", "run_bits", "code_bits",
                          "bias_bytes"])
        if key in layer:                        # a binary layer has few of them
            layer[key] += int(rng.integers(-1, 2))
    layer["crc"] = zlib.crc32(payload.tobytes())
    return repack(safetensors.numpy.save(tensors | {number: payload}), json.dumps(header))


def header_text(data):
    """The JSON inside an artefact."""
    return zlib.decompress(safetensors.numpy.load(data)["header"].tobytes()[4:]).decode()


def repack(data, text, **more):
    """The same file around another header, with a CRC that is right, and perhaps more tensors."""
    return with_header(data, zlib.compress(text.encode()), **more)


def with_header(data, deflated, **more):
    """The same file around other header bytes."""
    stamped = zlib.crc32(deflated).to_bytes(4, "little") + deflated
    return safetensors.numpy.save(safetensors.numpy.load(data) | more | {
        "header": np.frombuffer(stamped, np.uint8)})


def flip(data, at):
    """The same file with one bit changed."""
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1:]


def forge(layers, payloads):
    """A file with these layer headers and payloads, and checksums that are right.

    A payload of None is none.
    """
    header = json.loads(header_text(small_artefact()))
    tensors = {str(k): np.frombuffer(payload, np.uint8) for k, payload in enumerate(payloads)
               if payload is not None}
    header["layers"] = [{**layer, "name": f"l{k}"} | (
        {} if payload is None else {"crc": zlib.crc32(payload)})
        for k, (layer, payload) in enumerate(zip(layers, payloads))]
    return repack(safetensors.numpy.save({}), json.dumps(header), **tensors)
