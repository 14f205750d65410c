# SPDX-License-Identifier: Apache-2.0
"""Which chains of layers run in bands, where the activation memories cannot hold all maps whole.

A map that one chain keeps out of memory concerns no other, so a network is a path of segments:
layers as they are, and chains in so many bands. Each segment needs a number of rows at once and
costs some cycles more; the cheapest path through those that fit is found layer by layer.
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

#: Positions of all inputs that a descriptor counts.
MAX_POSITIONS = (1 << 16) - 1
_LONGEST = 12           # layers of a chain: longer ones cost time to look for, and gain little


@dataclass(frozen=True)
class Maps:
    """Where the maps of a network lie; ``rows`` of both memories, up to which they reach."""
    placements: dict[str, Placement]
    rows: int
    chains: tuple[Chain, ...] = ()


@dataclass(frozen=True)
class _Segment:
    """A chain, or a single layer; ``need``: rows at once, ``cost``: cycles more than
    untiled, estimated."""
    chain: Chain
    need: int
    cost: int


@dataclass
class TileSearch:
    """The tilings of one network on arrays of one size."""
    network: Network
    config: ArrayConfig
    vectors: int

    def maps(self, available: int) -> Maps | None:
        """Placements in ``available`` rows: untiled if they fit so, else with the chains that
        cost least; None if nothing fits."""
        whole = self.whole
        crowded = any(map(self._is_crowded, range(len(self.network.layers))))
        if not self.config.conv or (whole.rows <= available and not crowded):
            return whole
        limit = available
        while path := self._cheapest(limit):
            chains = tuple(one.chain for one in path
                           if one.chain.last > one.chain.first or one.chain.bands > 1)
            maps = Maps(*place_maps(self.network, self.config, self.vectors, chains), chains)
            if maps.rows <= available:
                return maps
            # Maps fit at any one time, but leave gaps: ask for a smaller peak.
            limit = max(one.need for one in path) - 1
        return None

    @cached_property
    def whole(self) -> Maps:
        """The placements of whole maps, however many rows they need."""
        return Maps(*place_maps(self.network, self.config, self.vectors))

    def least_depth(self, depth: int) -> int:
        """The least power of two of at least ``depth`` rows in each memory in which the maps
        fit."""
        depth = 1 << (depth - 1).bit_length()
        while self.maps(2 * depth) is None:
            depth *= 2
        return depth

    def _cheapest(self, available: int) -> list[_Segment]:
        """The cheapest path through all layers, of the fewest bands among equals; empty if there
        is none."""
        layers = len(self.network.layers)
        best: list[tuple[int, int, list[_Segment]] | None] = [(0, 0, [])] + [None] * layers
        for segment in self._segments:
            before = best[segment.chain.first]
            if before is None or segment.need > available:
                continue
            bands = segment.chain.bands * (segment.chain.last - segment.chain.first + 1)
            cost, tiles = before[0] + segment.cost, before[1] + bands
            after = best[segment.chain.last + 1]
            if after is None or (cost, tiles) < after[:2]:
                best[segment.chain.last + 1] = (cost, tiles, [*before[2], segment])
        return best[layers][2] if best[layers] else []

    @cached_property
    def _segments(self) -> list[_Segment]:
        """In the order of their first layers."""
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
        """Whether a layer's map is read by the next layer alone, which reads nothing else."""
        layers = self.network.layers
        name = layers[number].name
        return self._readers.get(name) == [number + 1] \
            and self.network.sources(number + 1) == (name,) \
            and all(isinstance(layer, Windowed) for layer in layers[number:number + 2])

    @cached_property
    def _readers(self) -> dict[str, list[int]]:
        """Who reads a layer's map, by its name."""
        readers: dict[str, list[int]] = {}
        for number in range(len(self.network.layers)):
            for name in self.network.sources(number):
                readers.setdefault(name, []).append(number)
        return readers

    def _is_crowded(self, number: int) -> bool:
        """Whether a layer has more positions than a descriptor counts, so that it must run in
        bands however large the memories are."""
        return self.vectors * self.network.layers[number].positions > MAX_POSITIONS

    def _outside(self, first: int, last: int) -> int:
        """Rows of all maps that are there while these layers run, those between them apart."""
        inside = {layer.name for layer in self.network.layers[first:last]}
        return sum(tensor.size for tensor in self._tensors
                   if tensor.first <= last and tensor.last >= first
                   and tensor.names[0] not in inside)

    @cached_property
    def _tensors(self) -> list[Tensor]:
        return tensors_of(self.network, self.config, self.vectors)

    def _chains(self, first: int, last: int) -> Iterator[_Segment]:
        """A chain's segments, for each height of a band in as few bands as have it."""
        layers = self.network.layers[first:last + 1]
        windows = [self.network.window(number) for number in range(first, last + 1)]
        outside, height = self._outside(first, last), windows[-1].out_height
        pixels = [self.network.layout(layer.name).rows(self.config.pes) for layer in layers]
        weight = [self._cycles(number) for number in range(first, last + 1)]
        # Input by input is something too, where a start has several.
        tallest = height if self.vectors > 1 and last > first else height - 1
        for bands in sorted({-(-height // tall) for tall in range(1, tallest + 1)}):
            lines = band_lines(windows, bands)
            lines = lines[..., 1] - lines[..., 0]
            if not lines.sum(axis=1).all():
                return              # a map that nobody reads: every layer has a tile
            if any(int(most) * window.out_width > MAX_POSITIONS
                   for most, window in zip(lines.max(axis=1), windows)):
                continue
            buffers = [0, *(int(most) * window.out_width * rows for most, window, rows in zip(
                lines[:-1].max(axis=1), windows, pixels)), 0]
            again = [max(0, int(total) - window.out_height) * window.out_width * cycles
                     for total, window, cycles in zip(lines.sum(axis=1), windows, weight)]
            starts = bands * len(layers) * Timing(self.config).fetch
            yield _Segment(Chain(first, last, bands),
                           outside + max(a + b for a, b in zip(buffers, buffers[1:])),
                           self.vectors * (sum(again) + starts))

    def _cycles(self, number: int) -> int:
        """About how long a layer takes for one position: its slowest stage."""
        layer, pes = self.network.layers[number], self.config.pes
        scanned = self.network.source(number).rows(pes) * int(np.prod(
            self.network.window(number).kernel))
        entries = scanned if layer.is_local else layer.weights.nnz // pes
        written = Timing.row * self.network.layout(layer.name).rows(pes)
        return max(scanned, entries, written)
