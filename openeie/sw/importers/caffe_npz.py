# SPDX-License-Identifier: Apache-2.0
"""Caffe's weights in an ``.npz`` file, with the prototxt they belong to."""
import zipfile
import zlib
from pathlib import Path

import numpy as np
from numpy.lib import format as npy

from ...core.errors import InputError
from ..float_graph import FloatGraph
from .caffe import Blobs, WeightLayer, load_description, to_graph
from .prototxt import Message, parse

__all__ = ["LENET5", "load_npz"]

#: How an array may be called: the layer's name, then one of these.
_WEIGHT, _BIAS = (".weight", "_w", "/weight"), (".bias", "_b", "/bias")

#: What reading a damaged archive can raise; an InputError is a ValueError.
_DAMAGE = (OSError, EOFError, ValueError, RuntimeError, NotImplementedError, zipfile.BadZipFile,
           zlib.error)

#: LeNet-5 as Caffe's MNIST example has it; it takes pixels 0 .. 255 divided by 256.
LENET5 = """
name: "LeNet-5"
input: "data" input_shape { dim: 1 dim: 1 dim: 28 dim: 28 }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
        convolution_param { num_output: 20 kernel_size: 5 } }
layer { name: "pool1" type: "Pooling" bottom: "conv1" top: "pool1"
        pooling_param { pool: MAX kernel_size: 2 stride: 2 } }
layer { name: "conv2" type: "Convolution" bottom: "pool1" top: "conv2"
        convolution_param { num_output: 50 kernel_size: 5 } }
layer { name: "pool2" type: "Pooling" bottom: "conv2" top: "pool2"
        pooling_param { pool: MAX kernel_size: 2 stride: 2 } }
layer { name: "ip1" type: "InnerProduct" bottom: "pool2" top: "ip1"
        inner_product_param { num_output: 500 } }
layer { name: "relu1" type: "ReLU" bottom: "ip1" top: "ip1" }
layer { name: "ip2" type: "InnerProduct" bottom: "ip1" top: "ip2"
        inner_product_param { num_output: 10 } }
"""


class _BadArray(Exception):
    """Something wrong in the archive, in contrast to the description."""


def load_npz(weights: str | Path, prototxt: str | Path | None = None) -> FloatGraph:
    """The network of a description with the weights of a file.

    Parameters
    ----------
    weights : float32 arrays, for each layer ``<layer>.weight`` [out, in / groups, kernel] or
        [out, in] in (channel, row, column) order, and ``<layer>.bias`` [out]; ``_w`` and ``_b``
        are names too. A layer with ``bias_term: false`` must have no bias.
    prototxt : the description; None for :data:`LENET5`.

    Raises
    ------
    InputError : a file cannot be read; the description has unsupported layers; an array is
        missing, or has another shape or type than the description says.
    """
    description: Message = parse(LENET5) if prototxt is None else load_description(Path(prototxt))
    try:
        with zipfile.ZipFile(weights) as archive:
            members = set(archive.namelist())

            def blobs(layer: WeightLayer, shape: tuple[int, ...]) -> Blobs:
                try:
                    return _blobs(archive, members, layer, shape)
                except _DAMAGE as error:
                    raise _BadArray(str(error)) from error
            graph = to_graph(description, blobs)
    except InputError as error:
        raise InputError(f"{prototxt or 'the description of LeNet-5'}: {error}") from error
    except (_BadArray, *_DAMAGE) as error:
        raise InputError(f"{weights}: {error}") from error
    return FloatGraph(name=graph.name, nodes=graph.nodes, provenance={"importer": "caffe"})


def _blobs(archive: zipfile.ZipFile, members: set[str], layer: WeightLayer,
           shape: tuple[int, ...]) -> Blobs:
    """A layer's weights [*shape], and its bias if it has one."""
    extra = [f"{layer.name}{suffix}" for suffix in _BIAS if f"{layer.name}{suffix}.npy" in members]
    if extra and not layer.bias:
        raise InputError(f"array {extra[0]} must not be there, because layer {layer.name!r} says "
                         f"bias_term: false")
    return Blobs(weight=_array(archive, members, layer.name, _WEIGHT, shape),
                 bias=_array(archive, members, layer.name, _BIAS, shape[:1])
                 if layer.bias else None)


def _array(archive: zipfile.ZipFile, members: set[str], layer: str, suffixes: tuple[str, ...],
           shape: tuple[int, ...]) -> np.ndarray:
    """An array of the shape that it must have; nothing is read before its header says so."""
    names = [f"{layer}{suffix}" for suffix in suffixes]
    name = next((name for name in names if f"{name}.npy" in members), None)
    if name is None:
        raise InputError(f"layer {layer!r} needs an array {names[0]}; there are "
                         f"{', '.join(sorted(one.removesuffix('.npy') for one in members))[:200]}")
    with archive.open(f"{name}.npy") as file:
        if npy.read_magic(file) != (1, 0):          # later headers may be of any length
            raise InputError(f"array {name} must be in npy format 1.0, as numpy.savez writes it")
        found, _, dtype = npy.read_array_header_1_0(file)
    if found != shape or dtype != np.float32:
        raise InputError(f"array {name} must be float32 {list(shape)}, not {dtype} {list(found)}")
    with archive.open(f"{name}.npy") as file:
        array = npy.read_array(file, allow_pickle=False)
    if not np.isfinite(array).all():
        raise InputError(f"array {name} must hold finite numbers")
    return array
