# SPDX-License-Identifier: Apache-2.0
"""Contents of an artefact, in the columns of Deep Compression's Tables 2 to 5."""
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..network.graph import Layer
from ..network.window import Window
from .artefact import loads, read_bytes, read_header
from .binary_header import BinaryHeader
from .layer_header import LayerHeader
from .layer_headers import MatrixHeader

__all__ = ["LayerColumns", "Contents", "inspect"]


@dataclass(frozen=True, kw_only=True)
class LayerColumns:
    """One layer, or the total. Bits are averages over all entries, fillers included.

    A layer without weights, such as a pool, has zeros. A binary layer keeps all its weights, with
    one bit each.

    Attributes
    ----------
    name, kind : the layer's; for the total, ``total`` and empty.
    encoding : the layer's; of a binary layer its mode; empty for the total.
    window : of a layer whose kernel moves over a map.
    weights, kept : weights of the dense matrix, and those that are stored.
    fillers : entries that only carry a run.
    weight_bits, index_bits : of one entry, before Huffman coding.
    weight_bits_huffman, index_bits_huffman : of one entry, as stored.
    bytes_shared : of entries and codebook with fixed widths (the paper's P + Q).
    bytes_stored : of entries, codebook and codeword lengths as stored (P + Q + H).
    bytes_other : of biases and scales.
    """
    name: str
    kind: str = ""
    encoding: str = ""
    window: Window | None = None
    weights: int = 0
    kept: int = 0
    fillers: int = 0
    weight_bits: float = 0.0
    index_bits: float = 0.0
    weight_bits_huffman: float = 0.0
    index_bits_huffman: float = 0.0
    bytes_shared: float = 0.0
    bytes_stored: int = 0
    bytes_other: int = 0

    @property
    def kept_share(self) -> float:
        """Stored weights / all weights."""
        return self.kept / max(1, self.weights)

    @property
    def rate_shared(self) -> float:
        """Compressed / float32 size, without Huffman coding."""
        return self.bytes_shared / max(1, 4 * self.weights)

    @property
    def rate_stored(self) -> float:
        """Compressed / float32 size, as stored."""
        return self.bytes_stored / max(1, 4 * self.weights)


@dataclass(frozen=True, kw_only=True)
class Contents:
    """A whole artefact.

    Attributes
    ----------
    name : the network's.
    file_bytes, payload_bytes : size of the file, and of all payloads in it.
    layers, total : a row of the tables for each layer, and their total.
    provenance : the network's.
    float_bytes : size of all weights and biases as float32.
    """
    name: str
    file_bytes: int
    payload_bytes: int
    layers: tuple[LayerColumns, ...]
    total: LayerColumns
    provenance: dict[str, Any]
    float_bytes: int

    @property
    def factor(self) -> float:
        """How many times smaller the file is than the float32 network."""
        return self.float_bytes / self.file_bytes

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, rates included."""
        return {"name": self.name, "file_bytes": self.file_bytes,
                "payload_bytes": self.payload_bytes, "float_bytes": self.float_bytes,
                "factor": self.factor, "layers": [_plain(layer) for layer in self.layers],
                "total": _plain(self.total), "provenance": self.provenance}


def _plain(layer: LayerColumns) -> dict[str, Any]:
    """A layer's columns as plain values for JSON, rates included."""
    window = None
    if layer.window is not None:
        window = asdict(layer.window)
        for name in ("kernel", "stride", "pad"):
            window[name] = list(window[name])
    return asdict(layer) | {"window": window, "kept_share": layer.kept_share,
                            "rate_shared": layer.rate_shared, "rate_stored": layer.rate_stored}


def inspect(source: str | os.PathLike[str] | bytes) -> Contents:
    """Contents of the artefact ``source``, a path or the bytes themselves.

    Raises
    ------
    ArtefactError : the file is damaged.
    """
    data = source if isinstance(source, bytes) else read_bytes(source)
    name = "artefact" if isinstance(source, bytes) else str(Path(source))
    network = loads(data, source=name)          # decodes everything, so nothing is assumed below
    header, payloads = read_header(data, source=name)
    layers = tuple(_columns(layer, decoded)
                   for layer, decoded in zip(header.layers, network.layers))
    numbers = sum(layer.rows * (layer.cols + 1) for layer in header.layers
                  if isinstance(layer, (MatrixHeader, BinaryHeader)))
    return Contents(name=header.name, file_bytes=len(data),
                    payload_bytes=sum(map(len, payloads)), layers=layers, total=_total(layers),
                    provenance=header.provenance, float_bytes=4 * numbers)


def _columns(layer: LayerHeader, decoded: Layer) -> LayerColumns:
    if isinstance(layer, BinaryHeader):
        return _binary_columns(layer)
    if isinstance(layer, MatrixHeader):
        return _matrix_columns(layer, decoded.weights.nnz)
    return LayerColumns(name=layer.name, kind=layer.label, window=layer.window)


def _binary_columns(layer: BinaryHeader) -> LayerColumns:
    weights = layer.rows * layer.cols
    signs = layer.sections["signs"]
    return LayerColumns(
        name=layer.name, kind=layer.label, window=layer.window, encoding=layer.mode,
        weights=weights, kept=weights, weight_bits=1, weight_bits_huffman=1, bytes_shared=signs,
        bytes_stored=signs, bytes_other=sum(layer.sections.values()) - signs)


def _matrix_columns(layer: MatrixHeader, kept: int) -> LayerColumns:
    """Columns of a layer of which ``kept`` weights are not 0."""
    shape = layer.shape
    sections = shape.sections(layer.rows)
    stored = sum(sections[name]
                 for name in ("entries", "codebook", "run_lengths", "code_lengths"))
    fixed_bits = layer.entries * (shape.code_width + shape.run_width)
    entries = max(1, layer.entries)
    return LayerColumns(
        name=layer.name, kind=layer.label, window=layer.window, encoding=layer.encoding,
        weights=layer.rows * layer.cols, kept=kept, fillers=layer.entries - kept,
        weight_bits=shape.code_width, index_bits=shape.run_width,
        weight_bits_huffman=shape.code_bits / entries,
        index_bits_huffman=shape.run_bits / entries,
        bytes_shared=fixed_bits / 8 + sections["codebook"], bytes_stored=stored,
        bytes_other=sum(sections.values()) - stored)


def _total(layers: tuple[LayerColumns, ...]) -> LayerColumns:
    """Sums over the layers; of bits, the mean over all entries."""
    entries = [layer.kept + layer.fillers for layer in layers]

    def mean(name: str) -> float:
        bits = sum(getattr(layer, name) * n for layer, n in zip(layers, entries))
        return float(bits / max(1, sum(entries)))
    return LayerColumns(
        name="total", weights=sum(layer.weights for layer in layers),
        kept=sum(layer.kept for layer in layers), fillers=sum(layer.fillers for layer in layers),
        weight_bits=mean("weight_bits"), index_bits=mean("index_bits"),
        weight_bits_huffman=mean("weight_bits_huffman"),
        index_bits_huffman=mean("index_bits_huffman"),
        bytes_shared=sum(layer.bytes_shared for layer in layers),
        bytes_stored=sum(layer.bytes_stored for layer in layers),
        bytes_other=sum(layer.bytes_other for layer in layers))
