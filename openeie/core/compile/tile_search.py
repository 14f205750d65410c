# SPDX-License-Identifier: Apache-2.0
"""Which chains of layers run in bands, if the activation memories cannot hold all maps whole.

Chains do not influence each other, so a network is a sequence of segments: single layers, and
chains with some number of bands. Each segment needs a number of rows and costs some extra cycles.
Dynamic programming, layer by layer, finds the cheapest sequence of segments that fit.
"""
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..array.config import ArrayConfig
from ..array.timing import Timing
from ..network.chain import Chain, band_lines
from ..network.graph import Network
from ..network.layers import Windowed
from ..network.layout import Placement
from .activation_plan import Tensor, place_maps, tensors_of

__all__ = ["TileSearch", "Maps", "MAX_POSITIONS"]

#: Most positions, of all inputs together, that a descriptor can count.
MAX_POSITIONS = (1 << 16) - 1
_LONGEST = 12           # layers of a chain; longer ones take time to search and gain little


@dataclass(frozen=True)
class Maps:
    """Where the maps of a network lie.

    Attributes
    ----------
    placements : by layer name.
    rows : rows of both memories together, up to the last one in use.
    chains : the layers that run in bands.
    """
    placements: dict[str, Placement]
    rows: int
    chains: tuple[Chain, ...] = ()


@dataclass(frozen=True)
class _Segment:
    """A chain, or a single layer.

    Attributes
    ----------
    need : rows of all maps that are in memory while it runs.
    cost : estimated cycles more than if its layers were not tiled.
    """
    chain: Chain
    need: int
    cost: int

    @property
    def is_tiled(self) -> bool:
        """Whether it runs in bands, or input by input."""
        return self.chain.last > self.chain.first or self.chain.bands > 1

    @property
    def tiles(self) -> int:
        """Number of tiles for each input."""
        return self.chain.bands * (self.chain.last - self.chain.first + 1)


@dataclass(frozen=True)
class _Path:
    """Segments that cover the first layers of a network; fewer tiles decide between equal costs."""
    cost: int = 0
    tiles: int = 0
    segments: tuple[_Segment, ...] = ()

    def then(self, segment: _Segment) -> "_Path":
        """This path and one more segment."""
        return _Path(self.cost + segment.cost, self.tiles + segment.tiles,
                     (*self.segments, segment))

    def is_better_than(self, other: "_Path") -> bool:
        """Whether it costs less, or the same with fewer tiles."""
        return (self.cost, self.tiles) < (other.cost, other.tiles)


@dataclass
class TileSearch:
    """The possible tilings of one network on arrays that differ only in their memories' depth."""
    network: Network
    config: ArrayConfig
    vectors: int

    def maps(self, available: int) -> Maps | None:
        """Placements in ``available`` rows of both memories together: untiled if they fit, else
        with the cheapest chains; None if nothing fits."""
        whole = self.whole
        is_crowded = any(map(self._is_crowded, range(len(self.network.layers))))
        if not self.config.conv or (whole.rows <= available and not is_crowded):
            return whole
        limit = available
        while path := self._cheapest(limit):
            chains = tuple(one.chain for one in path if one.is_tiled)
            placements, rows = place_maps(self.network, self.config, self.vectors, chains)
            if rows <= available:
                return Maps(placements, rows, chains)
            # The maps of every moment fit, but with gaps between them: ask for a lower peak.
            limit = max(one.need for one in path) - 1
        return None

    @cached_property
    def whole(self) -> Maps:
        """Placements of whole maps, however many rows they take."""
        placements, rows = place_maps(self.network, self.config, self.vectors)
        return Maps(placements, rows)

    def least_depth(self, depth: int) -> int:
        """The least depth of each memory that suffices: a power of two, at least ``depth``."""
        depth = 1 << (depth - 1).bit_length()
        while self.maps(2 * depth) is None:
            depth *= 2
        return depth

    def _cheapest(self, available: int) -> tuple[_Segment, ...]:
        """The cheapest segments of at most ``available`` rows that cover all layers; empty if there
        are none."""
        layers = len(self.network.layers)
        best: list[_Path | None] = [None] * (layers + 1)        # by number of layers covered
        best[0] = _Path()
        for segment in self._segments:
            before = best[segment.chain.first]
            if before is None or segment.need > available:
                continue
            path = before.then(segment)
            end = segment.chain.last + 1
            known = best[end]
            if known is None or path.is_better_than(known):
                best[end] = path
        found = best[layers]
        return () if found is None else found.segments

    @cached_property
    def _segments(self) -> list[_Segment]:
        """All segments, ordered by their first layers."""
        segments: list[_Segment] = []
        layers = len(self.network.layers)
        for first in range(layers):
            if self._is_crowded(first) and isinstance(self.network.layers[first], Windowed):
                segments += self._chains(first, first)
            else:
                segments.append(_Segment(Chain(first, first, 1), self._outside(first, first), 0))
            last = first
            while last + 1 < min(layers, first + _LONGEST) and self._is_link(last):
                last += 1
                segments += self._chains(first, last)
        return segments

    def _is_link(self, number: int) -> bool:
        """Whether a layer's map is read only by the next layer, which reads nothing else, so that
        the two can be in one chain."""
        layers = self.network.layers
        name = layers[number].name
        return self._readers.get(name) == [number + 1] \
            and self.network.sources(number + 1) == (name,) \
            and isinstance(layers[number], Windowed) \
            and isinstance(layers[number + 1], Windowed)

    @cached_property
    def _readers(self) -> dict[str, list[int]]:
        """Numbers of the layers that read each map."""
        readers: dict[str, list[int]] = {}
        for number in range(len(self.network.layers)):
            for name in self.network.sources(number):
                readers.setdefault(name, []).append(number)
        return readers

    def _is_crowded(self, number: int) -> bool:
        """Whether a layer has more positions than a descriptor can count, so that it must run in
        bands however large the memories are."""
        return self.vectors * self.network.layers[number].positions > MAX_POSITIONS

    def _outside(self, first: int, last: int) -> int:
        """Rows of all maps that are in memory while layers ``first`` .. ``last`` run, without the
        maps between these layers."""
        inside = {layer.name for layer in self.network.layers[first:last]}
        return sum(tensor.size for tensor in self._tensors
                   if tensor.first <= last and tensor.last >= first
                   and tensor.names[0] not in inside)

    @cached_property
    def _tensors(self) -> list[Tensor]:
        return tensors_of(self.network, self.config, self.vectors)

    def _chains(self, first: int, last: int) -> Iterator[_Segment]:
        """Segments of the chain of layers ``first`` .. ``last``: one for each height of a band,
        with the fewest bands of that height."""
        numbers = range(first, last + 1)
        windows = [self.network.window(number) for number in numbers]
        widths = np.array([window.out_width for window in windows])
        line_rows = widths * [self._pixel_rows(number) for number in numbers]
        line_cycles = widths * [self._cycles(number) for number in numbers]
        outside = self._outside(first, last)
        height = windows[-1].out_height
        # One band is a chain, too, if it makes several inputs run one after another.
        tallest = height if self.vectors > 1 and last > first else height - 1
        for bands in sorted({-(-height // lines) for lines in range(1, tallest + 1)}):
            spans = band_lines(windows, bands)
            lines = spans[..., 1] - spans[..., 0]
            if not lines.sum(axis=1).all():
                return              # a layer without a tile, because nothing reads its map
            most_lines = lines.max(axis=1)
            if np.any(most_lines * widths > MAX_POSITIONS):
                continue
            # While a layer runs, the bands that it reads and writes are in memory.
            buffers = np.array([0, *(most_lines * line_rows)[:-1], 0])
            need = outside + int((buffers[:-1] + buffers[1:]).max())
            # Lines that several bands compute cost cycles, and so does starting each tile.
            heights = [window.out_height for window in windows]
            repeated = np.maximum(lines.sum(axis=1) - heights, 0)
            fetches = bands * len(numbers) * Timing(self.config).fetch
            cost = self.vectors * (int(repeated @ line_cycles) + fetches)
            yield _Segment(Chain(first, last, bands), need, cost)

    def _pixel_rows(self, number: int) -> int:
        """Rows of a pixel of a layer's output."""
        name = self.network.layers[number].name
        return self.network.layout(name).rows(self.config.pes)

    def _cycles(self, number: int) -> int:
        """Estimated cycles of a layer for one position: those of its slowest stage."""
        layer = self.network.layers[number]
        pes = self.config.pes
        kernel = self.network.window(number).kernel
        scanned = self.network.source(number).rows(pes) * kernel[0] * kernel[1]
        entries = scanned if layer.is_local else layer.weights.nnz // pes
        written = Timing.row * self._pixel_rows(number)
        return max(scanned, entries, written)
