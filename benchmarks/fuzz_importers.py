# SPDX-License-Identifier: Apache-2.0
"""Targets of ``fuzz.py``: readers of networks and weights that users bring.

The form of a target is described in ``fuzz_targets.py``. If a file needs a second one, that one is
undamaged, from :func:`companion`. What is read is also used: quantised, or loaded into a module.
"""
import io
import re
import runpy
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np

__all__ = ["TARGETS"]

#: Loaded by its path, so that it is found wherever Python looks for modules.
_ARRAYS = runpy.run_path(str(Path(__file__).with_name("fuzz_arrays.py")))
npz = _ARRAYS["npz"]

PROTOTXT = """
name: "small"  # two branches, and one of each kind of layer
input: "data" input_dim: 1 input_dim: 2 input_dim: 6 input_dim: 5
layer { name: "a" type: "Convolution" bottom: "data" top: "a"
        convolution_param { num_output: 4 kernel_size: 3 stride: 2 pad: 1 } }
layer { name: "ra" type: "ReLU" bottom: "a" top: "a" }
layer { name: "b" type: "Convolution" bottom: "a" top: "b"
        convolution_param { num_output: 6 kernel_h: 1 kernel_w: 3 pad_h: 0 pad_w: 1 group: 2 } }
layer { name: "c" type: "Concat" bottom: "a" bottom: "b" top: "c" }
layer { name: "p" type: "Pooling" bottom: "c" top: "p"
        pooling_param { pool: MAX kernel_size: 2 stride: 2 } }
layer { name: "ip" type: "InnerProduct" bottom: "p" top: "ip"
        inner_product_param { num_output: 5 } }
layer { name: "prob" type: "Softmax" bottom: "ip" top: "prob" }
"""
#: Shapes of the weights, in Caffe's order; each layer has as many biases as outputs.
SHAPES = {"a": (4, 2, 3, 3), "b": (6, 2, 1, 3), "ip": (5, 40)}


@cache
def companion(name: str, make: Callable, seed: int = 0) -> Path:
    """An undamaged file that is read together with the damaged one."""
    path = Path(mkdtemp(prefix="openeie-fuzz-")) / name
    path.write_bytes(make(np.random.default_rng(seed)))
    return path


def quantised(graph: Any) -> list:
    """The artefact that a float graph becomes, to compare."""
    from openeie.core.artefact import artefact
    from openeie.sw.quantise.quantise import quantise_graph
    shape = graph.shapes[graph.input.name]
    x = np.random.default_rng(0).uniform(0, 1, (2, *shape)).astype(np.float32)
    network = quantise_graph(graph, x, input_range=(0, 255), input_scale=1 / 255)
    return [np.frombuffer(artefact.dumps(network), np.uint8)]


def caffe_weights(rng) -> bytes:
    """Caffe's weights as arrays."""
    weights = {f"{name}.weight": rng.normal(size=shape).astype(np.float32)
               for name, shape in SHAPES.items()}
    return npz(rng, **weights, **{f"{name}_b": rng.normal(size=shape[0]).astype(np.float32)
                                  for name, shape in SHAPES.items()})


def prototxt(rng) -> bytes:
    """Caffe's description of a network."""
    return PROTOTXT.encode()


def read_caffe_weights(path: Path):
    """With an undamaged description."""
    from openeie.sw.importers.caffe.npz_weights import load_npz
    return quantised(load_npz(path, companion("net.prototxt", prototxt)))


def read_prototxt(path: Path):
    """With undamaged weights."""
    from openeie.sw.importers.caffe.npz_weights import load_npz
    return quantised(load_npz(companion("weights.npz", caffe_weights), path))


def han(rng) -> bytes:
    """Song Han's compressed weights."""
    counts = []
    parts = []
    for shape in SHAPES.values():
        count = int(np.prod(shape)) // 3
        codebook = np.concatenate([[0], rng.normal(size=255)]).astype("<f4")
        runs = rng.integers(0, 3, count + count % 2).astype(np.uint8)
        if count % 2:
            runs[-1] = 0
        codes = rng.integers(1, 256, count).astype(np.uint8)
        codes[0] = np.abs(codebook).argmax()
        counts.append(count)
        parts += [codebook.tobytes(), rng.normal(size=shape[0]).astype("<f4").tobytes(),
                  codes.tobytes(),
                  (runs[::2] | runs[1::2] << 4).tobytes()]
    return np.array(counts, "<u4").tobytes() + b"".join(parts)


def read_han(path: Path):
    """With an undamaged description."""
    from openeie.sw.importers.caffe.han import load_han
    return quantised(load_han(path, companion("net.prototxt", prototxt)))


def onnx_model(rng) -> bytes:
    """A model with most operators, and with the shape arithmetic of exporters."""
    from onnx import TensorProto, helper, numpy_helper
    floats = {"w": (4, 2, 3, 3), "s": 4, "o": 4, "m": 4, "v": 4, "g": (3, 36), "bias": 3}
    stored = [numpy_helper.from_array(rng.uniform(0.1, 1, size).astype(np.float32), name)
              for name, size in floats.items()]
    stored += [numpy_helper.from_array(np.array(value), name)
               for name, value in (("zero", 0), ("rest", [-1]), ("axes", [0]))]
    nodes = [helper.make_node(kind, inputs.split(), [output], name=output, **attributes)
             for kind, inputs, output, attributes in (
                 ("Conv", "x w", "c", {"pads": [1] * 4}),
                 ("BatchNormalization", "c s o m v", "n", {}), ("Relu", "n", "r", {}),
                 ("MaxPool", "r", "k", {"kernel_shape": [2, 2], "strides": [2, 2]}),
                 ("Shape", "k", "sh", {}), ("Gather", "sh zero", "b", {}),
                 ("Unsqueeze", "b axes", "u", {}), ("Concat", "u rest", "to", {"axis": 0}),
                 ("Reshape", "k to", "f", {}), ("Gemm", "f g bias", "q", {"transB": 1}),
                 ("Softmax", "q", "y", {}))]
    graph = helper.make_graph(
        nodes, "small", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ("n", 2, 6, 6))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)], stored)
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", int(rng.integers(13, 21)))]
    ).SerializeToString()


def read_onnx(path: Path):
    """As ``openeie.quantise`` does."""
    from openeie.sw.importers.onnx.file import load_onnx
    return quantised(load_onnx(path))


def module():
    """A module with weights of all kinds that can be loaded."""
    from torch import nn
    return nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(12, 4))


def state_dict(rng, *, masked: bool = False) -> dict:
    """The tensors of :func:`module`; if ``masked``, one is split as torch's pruning does."""
    import torch
    tensors = {}
    for name, one in module().state_dict().items():
        if one.is_floating_point():
            one = torch.from_numpy(rng.uniform(0.1, 1, tuple(one.shape)).astype(np.float32))
        tensors[name] = one
    if masked:
        weight = tensors.pop("3.weight")
        tensors |= {"3.weight_orig": weight, "3.weight_mask": (weight > 0.5).float()}
    return tensors


def torch_weights(rng) -> bytes:
    """As ``torch.save`` writes them; about half of them in its older format."""
    import torch
    file = io.BytesIO()
    tensors = state_dict(rng, masked=True)
    newer = bool(rng.random() < 0.5)
    if not newer:               # one storage: several would be in the order of their addresses
        floats = {name: one for name, one in tensors.items() if one.is_floating_point()}
        flat = torch.cat([one.reshape(-1) for one in floats.values()])
        parts = flat.split([one.numel() for one in floats.values()])
        tensors = {name: part.view(one.shape) for (name, one), part in zip(floats.items(), parts)}
    torch.save(tensors, file, _use_new_zipfile_serialization=newer)
    data = file.getvalue()      # the older format names a storage by its address, as text
    return data if newer else re.sub(rb"(?s)X.\0\0\0\d{6,20}", b"X\1\0\0\0" + b"1", data)


def safetensors_weights(rng) -> bytes:
    """As safetensors writes them."""
    import safetensors.torch
    return safetensors.torch.save(state_dict(rng, masked=True))


def npz_weights(rng) -> bytes:
    """As arrays with torch's names."""
    return npz(rng, **{name: one.numpy() for name, one in state_dict(rng).items()})


def read_weights(path: Path):
    """As they are loaded into a module."""
    from openeie.sw.importers.torch.weights import load_weights
    made = module()
    load_weights(made, path)
    return [one.numpy() for one in made.state_dict().values()]


TARGETS = [
    ("caffe.npz", caffe_weights, read_caffe_weights, True),
    ("net.prototxt", prototxt, read_prototxt),
    ("weights.net", han, read_han),
    ("model.onnx", onnx_model, read_onnx),
    ("weights.pt", torch_weights, read_weights),
    ("weights.safetensors", safetensors_weights, read_weights),
    ("weights.npz", npz_weights, read_weights, True), *_ARRAYS["TARGETS"]]
