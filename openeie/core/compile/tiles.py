# SPDX-License-Identifier: Apache-2.0
"""Tiles: what the array runs one after the other, and where each reads and writes."""
import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ..array.config import ArrayConfig
from ..network.address_walk import AddressWalk
from ..network.chain import Chain, lines_needed
from ..network.graph import Network
from ..network.layers import Windowed
from ..network.layout import Placement
from ..network.tile_part import Part

__all__ = ["Tile", "tiles_of"]


@dataclass(frozen=True, kw_only=True)
class Tile:
    """One descriptor's work: a layer, or a part of it.

    Attributes
    ----------
    part : which outputs of which layer.
    local : every PE works on its own channels.
    rows : those of each output pixel that it writes, ``memory_rows`` of them.
    walk : which rows of activations it reads when.
    dst_origin, dst_step : first row written, and from a position's last row to the next's first.
    clusters : 1, or all of the array's: each takes other positions.
    """
    part: Part
    local: bool
    rows: range
    walk: AddressWalk
    dst_origin: int
    dst_step: int
    clusters: int = 1

    def pes(self, config: ArrayConfig) -> int:
        """PEs that work on one position."""
        return config.pes // self.clusters

    def acc_rows(self, config: ArrayConfig) -> int:
        """Rows of accumulators that a position takes in each PE."""
        return -(-self.channels // self.pes(config)) if self.clusters > 1 else self.memory_rows

    @property
    def matrix(self) -> tuple[int, range]:
        """What tells its matrix from others: bands of one layer have the same."""
        return self.layer, self.rows

    @property
    def positions(self) -> int:
        """Positions of all its inputs."""
        return len(self.part.vectors) * self.walk.positions

    @property
    def channels(self) -> int:
        """Output channels."""
        return len(self.part.channels)

    @property
    def layer(self) -> int:
        """Number of the network's layer."""
        return self.part.layer

    @property
    def memory_rows(self) -> int:
        """Rows of memory that each position writes."""
        return len(self.rows)

    def inputs(self, network: Network) -> int:
        """Activations that it reads for each of its inputs."""
        layer = network.layers[self.layer]
        if not isinstance(layer, Windowed):
            return layer.inputs
        channels = self.channels if self.local else layer.window.channels
        return self.walk.height * self.walk.width * channels


def tiles_of(network: Network, config: ArrayConfig, vectors: int,
             placements: dict[str, Placement], chains: Sequence[Chain] = (), *,
             clustered: bool = False) -> list[Tile]:
    """All tiles in the order they run: those of ``chains`` input by input and band by band, and
    where the accumulators are too few for a pixel's rows, slice by slice. With ``clustered``
    slices are small enough for a cluster.

    Raises
    ------
    InputError : a layer reads maps whose pixels lie so that no walk goes through them.
    """
    maker = _Maker(network, config, vectors, placements, clustered)
    starting = {chain.first: chain for chain in chains}
    tiles: list[Tile] = []
    number = 0
    while number < len(network.layers):
        if number in starting:
            chain = starting[number]
            tiles += maker.chain(chain)
            number = chain.last
        else:
            tiles += maker.layer(number)
        number += 1
    return _numbered(tiles, len(network.layers))


def _numbered(tiles: list[Tile], layers: int) -> list[Tile]:
    """Each tile with its place among its layer's."""
    count, seen = [0] * layers, [0] * layers
    for tile in tiles:
        count[tile.layer] += 1
    numbered = []
    for tile in tiles:
        numbered.append(dataclasses.replace(tile, part=dataclasses.replace(
            tile.part, number=seen[tile.layer], count=count[tile.layer])))
        seen[tile.layer] += 1
    return numbered


@dataclass
class _Maker:
    """Turns parts of layers into tiles."""
    network: Network
    config: ArrayConfig
    vectors: int
    placements: dict[str, Placement]
    clustered: bool

    def layer(self, number: int) -> Iterator[Tile]:
        """A layer's tiles, all lines of all inputs in each."""
        layer = self.network.layers[number]
        maps = [self.placements[name] for name in self.network.sources(number)]
        walk = layer.walk(self.network.source(number), self.config.pes, maps)
        lines = range(layer.positions // self.network.width(layer.name))
        yield from self._slices(number, range(self.vectors), lines, walk,
                                self.placements[layer.name].origin)

    def chain(self, chain: Chain) -> Iterator[Tile]:
        """A chain's tiles, input by input and band by band. A layer that has nothing to compute
        in a band, because the next one sees only padding there, is left out."""
        spans = chain.lines(self.network)
        for vector in range(self.vectors):
            for band in range(chain.bands):
                for number in range(chain.first, chain.last + 1):
                    lines = range(*map(int, spans[number - chain.first, band]))
                    if lines:
                        yield from self._band(chain, number, vector, lines)

    def _band(self, chain: Chain, number: int, vector: int, lines: range) -> Iterator[Tile]:
        layer = self.network.layers[number]
        window = self.network.window(number)
        held = lines_needed(window, lines)
        source = self.placements[self.network.sources(number)[0]]
        origin = source.origin
        if number == chain.first:           # a whole map, of which the band reads some lines
            origin += (vector * window.height + held.start) * window.width * source.stride
        rows = self.network.source(number).rows(self.config.pes)
        walk = AddressWalk.of_window(window, rows, origin, source.stride, lines=lines, held=held)
        target = self.placements[layer.name]
        begin = target.origin
        if number == chain.last:
            begin += (vector * window.out_height + lines.start) * window.out_width * target.stride
        yield from self._slices(number, range(vector, vector + 1), lines, walk, begin)

    def _slices(self, number: int, vectors: range, lines: range, walk: AddressWalk, origin: int
                ) -> Iterator[Tile]:
        """A tile for each slice of a pixel's rows that the accumulators hold: as few as can be,
        all about as large. Without convolutions descriptors do not say where a layer writes, so
        that there is but one."""
        layer, config, pes = self.network.layers[number], self.config, self.config.pes
        local = layer.is_local
        layout, target = self.network.layout(layer.name), self.placements[layer.name]
        rows, places = layout.rows(pes), layout.places(pes)
        width = self.network.width(layer.name)
        # Of a cluster's PEs each has the channels of several.
        most = max(1, config.acc_depth // config.clusters) if self.clustered and not local \
            and len(vectors) * walk.positions >= config.clusters else config.acc_depth
        count = -(-rows // most) if config.conv else 1
        for index in range(count):
            some = range(rows * index // count, rows * (index + 1) // count)
            first, end = np.searchsorted(places, [some.start * pes, some.stop * pes])
            yield Tile(
                local=local, rows=some, dst_origin=origin + some.start,
                dst_step=target.stride - len(some) + 1,
                walk=walk.sliced(some) if local else walk,
                part=Part(layer=number, vectors=vectors, lines=lines,
                          channels=range(int(first), int(end)),
                          shape=(self.vectors, layer.positions // width, width, layer.channels)))
