# SPDX-License-Identifier: Apache-2.0
"""Layers that run band by band, so that the maps between them never lie whole in memory."""
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .graph import Network
from .window import Window

__all__ = ["Chain", "band_lines", "lines_needed"]


def lines_needed(window: Window, lines: range) -> range:
    """Lines of the map that ``window`` reads for its output ``lines``; none where it sees only
    what lies beside the map."""
    (first, end), = _needed(window, np.array([[lines.start, lines.stop]]))
    return range(int(first), int(end))


def _needed(window: Window, spans: np.ndarray) -> np.ndarray:
    """int64 [n, 2], first line and one past the last, for output lines [n, 2]."""
    first = spans[:, 0] * window.stride[0] - window.pad[0]
    end = (spans[:, 1] - 1) * window.stride[0] - window.pad[0] + window.kernel[0]
    first, end = np.maximum(first, 0), np.minimum(end, window.height)
    some = (spans[:, 0] < spans[:, 1]) & (first < end)
    return np.stack([first, end], axis=1) * some[:, np.newaxis]


def band_lines(windows: Sequence[Window], bands: int) -> np.ndarray:
    """int64 [layers, bands, 2]: first output line and one past the last that each of the layers
    with these ``windows`` computes in each band. The last layer's bands are even and disjoint;
    the others' overlap where the windows do."""
    edges = windows[-1].out_height * np.arange(bands + 1) // bands
    spans = [np.stack([edges[:-1], edges[1:]], axis=1)]
    for window in reversed(windows[1:]):
        spans.append(_needed(window, spans[-1]))
    return np.stack(spans[::-1])


@dataclass(frozen=True)
class Chain:
    """Layers ``first`` .. ``last``, of which each reads the one before and no other layer does,
    in ``bands`` bands of the last one's lines."""
    first: int
    last: int
    bands: int

    def windows(self, network: Network) -> list[Window]:
        """The layers' windows."""
        return [network.window(number) for number in range(self.first, self.last + 1)]

    def lines(self, network: Network) -> np.ndarray:
        """Those of :func:`band_lines`."""
        return band_lines(self.windows(network), self.bands)

    def buffers(self, network: Network) -> dict[str, int]:
        """The most lines of each inner map that a band needs, by layer name."""
        lines = self.lines(network)
        most = (lines[:-1, :, 1] - lines[:-1, :, 0]).max(axis=1)
        return {layer.name: int(height)
                for layer, height in zip(network.layers[self.first:self.last], most)}
