# SPDX-License-Identifier: Apache-2.0
"""Chains of layers that run band by band, so that the maps between them are never whole in
memory."""
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .graph import Network
from .window import Window

__all__ = ["Chain", "band_lines", "lines_needed"]


def lines_needed(window: Window, lines: range) -> range:
    """Lines of the map that ``window`` reads to compute its output ``lines``; empty if it sees only
    padding."""
    (first, end), = _needed(window, np.array([[lines.start, lines.stop]]))
    return range(int(first), int(end))


def _needed(window: Window, spans: np.ndarray) -> np.ndarray:
    """Lines that ``window`` reads for n spans of output lines, both int64 [n, 2] = (first, end)."""
    first_out = spans[:, 0]
    end_out = spans[:, 1]
    first = np.maximum(first_out * window.stride[0] - window.pad[0], 0)
    end = (end_out - 1) * window.stride[0] - window.pad[0] + window.kernel[0]
    end = np.minimum(end, window.height)
    is_some = (first_out < end_out) & (first < end)
    return np.stack([first, end], axis=1) * is_some[:, np.newaxis]


def band_lines(windows: Sequence[Window], bands: int) -> np.ndarray:
    """Output lines of every layer in every band, int64 [layers, bands, 2] = (first, end).

    Layer i has ``windows[i]`` and reads layer i - 1. The last layer's bands are disjoint and of
    about the same size; those of the others overlap where the windows overlap.
    """
    edges = windows[-1].out_height * np.arange(bands + 1) // bands
    spans = [np.stack([edges[:-1], edges[1:]], axis=1)]
    for window in reversed(windows[1:]):
        spans.append(_needed(window, spans[-1]))
    return np.stack(spans[::-1])


@dataclass(frozen=True)
class Chain:
    """Layers ``first`` .. ``last``, which run in ``bands`` bands of the last one's output lines.

    Each layer reads only the one before it, which no other layer reads.
    """
    first: int
    last: int
    bands: int

    def windows(self, network: Network) -> list[Window]:
        """Window of each layer."""
        return [network.window(number) for number in range(self.first, self.last + 1)]

    def lines(self, network: Network) -> np.ndarray:
        """Output lines of every layer in every band, int64 [layers, bands, 2] = (first, end)."""
        return band_lines(self.windows(network), self.bands)

    def buffers(self, network: Network) -> dict[str, int]:
        """Lines of the largest band of each map inside the chain, by layer name."""
        spans = self.lines(network)[:-1]
        most = (spans[:, :, 1] - spans[:, :, 0]).max(axis=1)
        inner = network.layers[self.first:self.last]
        return {layer.name: int(height) for layer, height in zip(inner, most)}
