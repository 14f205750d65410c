# SPDX-License-Identifier: Apache-2.0
"""Frequencies of codes and runs in an artefact, and their bits before and after Huffman coding
(Deep Compression, section 4)."""
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...core.artefact.artefact import loads, read_bytes, read_header
from ...core.artefact.gap_stream import Gaps, split_runs
from ...core.artefact.layer_headers import MatrixHeader
from ...core.entries.huffman import MAX_LENGTH, CanonicalCode
from .figure import Panel, StudyFigure, series

__all__ = ["Symbols", "symbols_of", "symbol_figure"]


@dataclass(frozen=True, kw_only=True)
class Symbols:
    """Codes or runs of one layer.

    Attributes
    ----------
    layer : its name.
    kind : ``code`` or ``run``.
    counts : number of occurrences of each symbol, fillers included.
    bits_fixed : bits of a symbol without coding.
    bits_huffman : mean bits of a Huffman-coded symbol.
    entropy : the lower bound of that mean for any code, bits.
    """
    layer: str
    kind: str
    counts: tuple[int, ...]
    bits_fixed: int
    bits_huffman: float
    entropy: float


def symbols_of(path: Path) -> list[Symbols]:
    """Codes and runs of all layers with a codebook in an artefact.

    Raises
    ------
    ArtefactError : the file is damaged.
    """
    data = read_bytes(path)
    network = loads(data, source=str(path))
    header, _ = read_header(data, source=str(path))
    result = []
    for head, layer in zip(header.layers, network.layers):
        if not isinstance(head, MatrixHeader) or not head.shape.codebook:
            continue
        weights = layer.weights
        gaps = Gaps.of(weights.columns * weights.shape[0] + weights.rows)
        runs, codes = split_runs(gaps.each, weights.codes, head.shape.run_width)
        result += [_measure(layer.name, "code", codes, head.shape.codebook),
                   _measure(layer.name, "run", runs, 1 << head.shape.run_width)]
    return result


def _measure(layer: str, kind: str, symbols: np.ndarray, size: int) -> Symbols:
    counts = np.bincount(symbols, minlength=size)
    shares = counts[counts > 0] / len(symbols)
    bits = CanonicalCode.of(symbols, size, MAX_LENGTH).bits(symbols)
    return Symbols(layer=layer, kind=kind, counts=tuple(map(int, counts)),
                   bits_fixed=max(1, (size - 1).bit_length()), bits_huffman=bits / len(symbols),
                   entropy=float(-(shares * np.log2(shares)).sum()))


def symbol_figure(symbols: list[Symbols], network: str) -> StudyFigure:
    """Frequencies of codes and runs by layer, and their bits (the paper's Figure 5)."""
    def panel(kind: str, label: str, start: int, style: str, log: str) -> Panel:
        lines = []
        for one in symbols:
            if one.kind == kind:
                counts = np.array(one.counts)
                used = np.flatnonzero(counts)
                lines.append(series(one.layer, used + start, counts[used] / counts.sum(), style))
        return Panel(title=f"{kind}s", x_label=label, y_label="share of entries", log=log,
                     series=tuple(lines), percent="y")

    def bits(kind: str) -> str:
        layers = [f"{one.layer} {one.bits_fixed} -> {one.bits_huffman:.2f}" for one in symbols
                  if one.kind == kind]
        return f"bits of a {kind}: {'; '.join(layers)}"

    panels = (panel("code", "slot of the codebook", 0, "bars", ""),
              panel("run", "zeros before the weight + 1", 1, "curve", "xy"))
    return StudyFigure(name=f"symbols-{network}", title=f"Codes and runs, {network}",
                       panels=panels, note=f"{bits('code')}\n{bits('run')}")
