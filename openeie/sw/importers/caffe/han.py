# SPDX-License-Identifier: Apache-2.0
"""Song Han's released compressed networks: a ``.net`` file with its prototxt.

The file begins with a uint32 number of entries for each layer with weights. Then follow, layer by
layer: a float32 codebook of 256 slots; the float32 biases; a uint8 code per entry; and four bits
per entry, low nibble first, for the number of zeros before it. Weights are flat in (out, in, row,
column) order. Slot 0 holds 0 and marks fillers (Deep Compression, section 2; EIE, section III).
"""
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ....core.errors import InputError, UntrustedError
from ....core.host.untrusted import read_regular
from ...float.graph import FloatGraph
from .network import Blobs, WeightLayer, load_description, to_graph, weight_layers

__all__ = ["load_han"]

_SLOTS = 256
_MAX_BYTES = 2 << 30
_MAX_WEIGHTS = 1 << 28              # of one layer; AlexNet's largest has 38 million


def load_han(net: str | Path, prototxt: str | Path) -> FloatGraph:
    """The network of a ``.net`` file.

    Parameters
    ----------
    net : the compressed weights.
    prototxt : the description of their network.

    Raises
    ------
    InputError : a file cannot be read; the description has unsupported layers; the counts in the
        file, its length and the description contradict each other. Names layer and numbers.
    """
    net = Path(net)
    prototxt = Path(prototxt)
    description = load_description(prototxt)
    try:
        data = read_regular(net, _MAX_BYTES)
    except UntrustedError as error:
        raise InputError(f"cannot read {net}: {error.reason}") from error
    layers = weight_layers(description)
    try:
        parts = _split(data, layers)
        graph = to_graph(description, lambda layer, shape: _blobs(layer, shape, parts[layer.name]))
    except InputError as error:
        raise InputError(f"{net} with {prototxt.name}: {error}") from error
    entries = sum(len(part.codes) for part in parts.values())
    return FloatGraph(name=graph.name, nodes=graph.nodes,
                      provenance={"importer": "han", "entries": entries})


class _Stored(NamedTuple):
    """A layer as the file has it: entries' codes uint8 and zeros before them, in order."""
    codebook: np.ndarray
    bias: np.ndarray
    codes: np.ndarray
    runs: np.ndarray


def _split(data: bytes, layers: list[WeightLayer]) -> dict[str, _Stored]:
    """The parts of the file, by layer name."""
    without = [layer.name for layer in layers if not layer.bias]
    if without:
        raise InputError(f"layer {without[0]!r} must not say bias_term: false, because the file "
                         f"holds biases for every layer; give the prototxt that it was made with")
    if len(data) < 4 * len(layers):
        raise InputError(f"the file must begin with {4 * len(layers)} bytes, the number of entries "
                         f"of its {len(layers)} layers, not have {len(data)}: it is cut short")
    counts = np.frombuffer(data[:4 * len(layers)], "<u4").astype(np.int64)
    tables = sum(4 * _SLOTS + 4 * layer.outputs for layer in layers)
    expected = 4 * len(layers) + tables + int(sum(counts + (counts + 1) // 2))
    if len(data) != expected:
        raise InputError(f"the file must have {expected:,} bytes for its {len(layers)} layers, "
                         f"not {len(data):,}: it is cut short, or belongs to another network")
    place = 4 * len(layers)

    def take(size: int, kind: str) -> np.ndarray:
        nonlocal place
        begin = place
        place += size
        return np.frombuffer(data[begin:place], kind)

    parts = {}
    for layer, count in zip(layers, counts.tolist()):
        codebook = take(4 * _SLOTS, "<f4")
        bias = take(4 * layer.outputs, "<f4")
        codes = take(count, "<u1")
        packed = take((count + 1) // 2, "<u1")
        runs = np.stack([packed & 15, packed >> 4], axis=1).reshape(-1)
        if count % 2 and runs[count]:
            raise InputError(f"layer {layer.name!r}: the last nibble, after its {count:,} "
                             f"entries, must be 0, not {runs[count]}")
        parts[layer.name] = _Stored(codebook, bias, codes, runs[:count])
    return parts


def _blobs(layer: WeightLayer, shape: tuple[int, ...], stored: _Stored) -> Blobs:
    """A layer's dense weights and codes."""
    size = int(np.prod(shape, dtype=np.int64))
    if size > _MAX_WEIGHTS:
        raise InputError(f"layer {layer.name!r} has {size:,} weights, more than the limit of "
                         f"{_MAX_WEIGHTS:,}")
    places = np.cumsum(stored.runs.astype(np.int64) + 1) - 1
    if len(places) and places[-1] >= size:
        raise InputError(f"layer {layer.name!r}: its {len(places):,} entries reach place "
                         f"{places[-1]:,}, it has {size:,} weights")
    codebook = stored.codebook
    if not (np.isfinite(codebook).all() and np.isfinite(stored.bias).all()):
        raise InputError(f"layer {layer.name!r}: codebook and bias must be finite numbers")
    if codebook[0] != 0:
        raise InputError(f"layer {layer.name!r}: codebook slot 0 must be 0, not {codebook[0]}")
    codes = np.zeros(size, np.uint8)
    codes[places] = stored.codes
    codes = codes.reshape(shape)
    return Blobs(weight=codebook[codes], bias=stored.bias.astype(np.float32), codes=codes,
                 codebook=codebook.astype(np.float32))
