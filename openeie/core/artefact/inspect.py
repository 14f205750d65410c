# SPDX-License-Identifier: Apache-2.0
"""What is in an artefact, in the columns of Deep Compression's Tables 2 to 5."""
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from ..network.graph import Layer
from ..network.window import Window
from .artefact import loads, read_bytes, read_header
from .binary_header import BinaryHeader
from .layer_header import LayerHeader
from .layer_headers import MatrixHeader

__all__ = ["LayerColumns", "Contents", "inspect"]


@dataclass(frozen=True, kw_only=True)
class LayerColumns:
    """One layer, or the total. Bits are averages over the entries, fillers included.

    A layer without weights, such as a pool, has zeros; a binary one has all its weights, a bit
    each.

    Attributes
    ----------
    name, kind, encoding : the layer's, a binary one's mode as its encoding; ``total`` and empty
        for the total.
    window : of a layer that walks a map.
    weights, kept : weights of the dense matrix, and those stored.
    fillers : entries that only carry a run.
    weight_bits, index_bits : of one entry before Huffman coding.
    weight_bits_huffman, index_bits_huffman : as stored.
    bytes_shared : what fixed widths would take: entries and codebook (the paper's P + Q).
    bytes_stored : entries, codebook and code lengths as stored (P + Q + H).
    bytes_other : bias and scales.
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
    """A whole artefact; ``float_bytes``: weights and biases as float32."""
    name: str
    file_bytes: int
    payload_bytes: int
    layers: tuple[LayerColumns, ...]
    total: LayerColumns
    provenance: dict
    float_bytes: int

    @property
    def factor(self) -> float:
        """How many times smaller the file is than the float32 network."""
        return self.float_bytes / self.file_bytes

    def to_dict(self) -> dict:
        """Plain values, rates included."""
        def columns(layer: LayerColumns) -> dict:
            window = layer.window and {name: list(value) if isinstance(value, tuple) else value
                                       for name, value in asdict(layer.window).items()}
            return asdict(layer) | {"window": window, "kept_share": layer.kept_share,
                                    "rate_shared": layer.rate_shared,
                                    "rate_stored": layer.rate_stored}
        return {"name": self.name, "file_bytes": self.file_bytes,
                "payload_bytes": self.payload_bytes, "float_bytes": self.float_bytes,
                "factor": self.factor, "layers": [columns(layer) for layer in self.layers],
                "total": columns(self.total), "provenance": self.provenance}


def inspect(source: str | os.PathLike | bytes) -> Contents:
    """Read an artefact's columns from its bytes; ``source`` is a path or the bytes.

    Raises
    ------
    ArtefactError : the file is damaged.
    """
    data = source if isinstance(source, bytes) else read_bytes(source)
    name = "artefact" if isinstance(source, bytes) else str(Path(source))
    network = loads(data, source=name)          # everything is decoded, so nothing is assumed
    header, payloads = read_header(data, source=name)
    layers = tuple(_columns(layer, decoded)
                   for layer, decoded in zip(header.layers, network.layers))
    return Contents(name=header.name, file_bytes=len(data),
                    payload_bytes=sum(map(len, payloads)), layers=layers, total=_total(layers),
                    provenance=header.provenance,
                    float_bytes=4 * sum(layer.rows * (layer.cols + 1) for layer in header.layers
                                        if isinstance(layer, (MatrixHeader, BinaryHeader))))


def _columns(layer: LayerHeader, decoded: Layer) -> LayerColumns:
    common: dict = {"name": layer.name, "kind": layer.label, "window": layer.walked}
    if isinstance(layer, BinaryHeader):
        signs, weights = layer.sections["signs"], layer.rows * layer.cols
        return LayerColumns(
            **common, encoding=layer.mode, weights=weights, kept=weights, weight_bits=1,
            weight_bits_huffman=1, bytes_shared=signs, bytes_stored=signs,
            bytes_other=sum(layer.sections.values()) - signs)
    if not isinstance(layer, MatrixHeader):
        return LayerColumns(**common)
    kept = decoded.weights.nnz
    shape, entries = layer.shape, max(1, layer.entries)
    sections = shape.sections(layer.rows)
    stored = sum(sections[name] for name in ("entries", "codebook", "run_lengths",
                                             "code_lengths"))
    return LayerColumns(
        **common, encoding=layer.encoding, weights=layer.rows * layer.cols, kept=kept,
        fillers=layer.entries - kept, weight_bits=shape.code_width, index_bits=shape.run_width,
        weight_bits_huffman=shape.code_bits / entries,
        index_bits_huffman=shape.run_bits / entries,
        bytes_shared=layer.entries * (shape.code_width + shape.run_width) / 8
        + sections["codebook"],
        bytes_stored=stored, bytes_other=sum(sections.values()) - stored)


def _total(layers: tuple[LayerColumns, ...]) -> LayerColumns:
    entries = [layer.kept + layer.fillers for layer in layers]

    def mean(name: str) -> float:
        return sum(getattr(layer, name) * n for layer, n in zip(layers, entries)) \
            / max(1, sum(entries))

    def whole(name: str):
        return sum(getattr(layer, name) for layer in layers)
    sums = {name: whole(name) for name in ("weights", "kept", "fillers", "bytes_shared",
                                           "bytes_stored", "bytes_other")}
    means: dict = {name: mean(name) for name in ("weight_bits", "index_bits",
                                                 "weight_bits_huffman", "index_bits_huffman")}
    return LayerColumns(name="total", **sums, **means)
