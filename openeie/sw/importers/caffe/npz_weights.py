# SPDX-License-Identifier: Apache-2.0
"""Caffe weights in an ``.npz`` file, with their prototxt."""
from pathlib import Path

import numpy as np

from ....core.errors import InputError
from ...data.npz import Archive, open_archive
from ...float.graph import FloatGraph
from .network import Blobs, WeightLayer, load_description, to_graph
from .prototxt import Message, parse

__all__ = ["LENET5", "load_npz"]

#: An array is called by its layer's name with one of these suffixes.
_WEIGHT = (".weight", "_w", "/weight")
_BIAS = (".bias", "_b", "/bias")

#: LeNet-5 of Caffe's MNIST example; it takes pixels 0 .. 255 divided by 256.
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


def load_npz(weights: str | Path, prototxt: str | Path | None = None) -> FloatGraph:
    """The network of a description with the weights of a file.

    Parameters
    ----------
    weights : file with two float32 arrays for each layer: ``<layer>.weight``, [out, in / groups,
        height, width] or [out, in] in (channel, row, column) order, and ``<layer>.bias``, [out].
        The suffixes ``_w`` and ``_b`` do as well. A layer with ``bias_term: false`` has no bias.
    prototxt : the description; None for :data:`LENET5`.

    Raises
    ------
    InputError : a file cannot be read; the description has unsupported layers; an array is
        missing, or has another shape or type than the description says.
    """
    description: Message = parse(LENET5) if prototxt is None else load_description(Path(prototxt))
    with open_archive(weights, "weights") as archive:
        def blobs(layer: WeightLayer, shape: tuple[int, ...]) -> Blobs:
            try:
                return _blobs(archive, layer, shape)
            except InputError as error:
                raise _BadArray(f"{weights}: {error}") from error
        try:
            graph = to_graph(description, blobs)
        except _BadArray:
            raise
        except InputError as error:
            raise InputError(f"{prototxt or 'the description of LeNet-5'}: {error}") from error
    return FloatGraph(name=graph.name, nodes=graph.nodes, provenance={"importer": "caffe"})


class _BadArray(InputError):
    """An error in the archive, not in the description."""


def _blobs(archive: Archive, layer: WeightLayer, shape: tuple[int, ...]) -> Blobs:
    """A layer's weights of the given shape, and its bias if it has one."""
    extra = [f"{layer.name}{suffix}" for suffix in _BIAS
             if f"{layer.name}{suffix}" in archive.names]
    if extra and not layer.bias:
        raise InputError(f"array {extra[0]} must not be there, because layer {layer.name!r} says "
                         f"bias_term: false")
    weight = _array(archive, layer.name, _WEIGHT, shape)
    bias = _array(archive, layer.name, _BIAS, shape[:1]) if layer.bias else None
    return Blobs(weight=weight, bias=bias)


def _array(archive: Archive, layer: str, suffixes: tuple[str, ...], shape: tuple[int, ...]
           ) -> np.ndarray:
    """An array of the given shape; its values are read only after its header fits."""
    names = [f"{layer}{suffix}" for suffix in suffixes]
    name = next((name for name in names if name in archive.names), None)
    if name is None:
        raise InputError(f"layer {layer!r} needs an array {names[0]}; there are "
                         f"{', '.join(sorted(archive.names))[:200]}")
    found, dtype = archive.header(name)
    if found != shape or dtype != np.float32:
        raise InputError(f"array {name} must be float32 {list(shape)}, not {dtype} {list(found)}")
    array = archive.read([name])[name]
    if not np.isfinite(array).all():
        raise InputError(f"array {name} must hold finite numbers")
    return array
