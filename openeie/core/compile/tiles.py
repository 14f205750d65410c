# SPDX-License-Identifier: Apache-2.0
"""Tiles: the units that the array runs one after another, and where each reads and writes."""
import dataclasses
from collections import Counter
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
    """The work of one descriptor: a layer, or a part of it.

    Attributes
    ----------
    part : which outputs of which layer.
    local : whether every PE works on its own channels.
    rows : which rows of each output pixel it writes, ``memory_rows`` of them.
    walk : which rows of activations it reads, in order.
    dst_origin : first row written.
    dst_step : from the last row of a position to the first row of the next position.
    clusters : 1, or all of the array's clusters, which then work on different positions.
    """
    part: Part
    local: bool
    rows: range
    walk: AddressWalk
    dst_origin: int
    dst_step: int
    clusters: int = 1

    def pes(self, config: ArrayConfig) -> int:
        """PEs that work together on one position."""
        return config.pes // self.clusters

    def acc_rows(self, config: ArrayConfig) -> int:
        """Accumulators that one position takes in each PE."""
        if self.clusters == 1:
            return self.memory_rows
        return -(-self.channels // self.pes(config))

    @property
    def matrix(self) -> tuple[int, range]:
        """Key of its matrix: tiles with equal keys share one. All bands of a layer do."""
        return self.layer, self.rows

    @property
    def positions(self) -> int:
        """Output positions of all its inputs together."""
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
        """Activations read for each of its inputs."""
        layer = network.layers[self.layer]
        if not isinstance(layer, Windowed):
            return layer.inputs
        channels = self.channels if self.local else layer.window.channels
        return self.walk.height * self.walk.width * channels


def tiles_of(network: Network, config: ArrayConfig, vectors: int,
             placements: dict[str, Placement], chains: Sequence[Chain] = (), *,
             clustered: bool = False) -> list[Tile]:
    """All tiles of a network in the order they run.

    A layer outside ``chains`` processes all ``vectors`` inputs at once. The layers of a chain run
    input by input and, within an input, band by band. A layer with more rows than the array has
    accumulators is cut into slices of channels.

    Parameters
    ----------
    placements : where each map lies, by layer name.
    clustered : whether slices must also be small enough to run clustered.

    Raises
    ------
    InputError : a layer reads maps whose pixels lie so that no address walk can visit them.
    """
    maker = _Maker(network, config, vectors, placements, clustered)
    chain_at = {chain.first: chain for chain in chains}
    tiles: list[Tile] = []
    number = 0
    while number < len(network.layers):
        chain = chain_at.get(number)
        if chain is None:
            tiles += maker.layer(number)
            number += 1
        else:
            tiles += maker.chain(chain)
            number = chain.last + 1
    return _numbered(tiles)


def _numbered(tiles: list[Tile]) -> list[Tile]:
    """The tiles, each with its number among its layer's tiles and their count."""
    count = Counter(tile.layer for tile in tiles)
    seen: Counter[int] = Counter()
    numbered = []
    for tile in tiles:
        part = dataclasses.replace(tile.part, number=seen[tile.layer], count=count[tile.layer])
        numbered.append(dataclasses.replace(tile, part=part))
        seen[tile.layer] += 1
    return numbered


@dataclass
class _Maker:
    """Makes tiles from layers and chains; fields as for :func:`tiles_of`."""
    network: Network
    config: ArrayConfig
    vectors: int
    placements: dict[str, Placement]
    clustered: bool

    def layer(self, number: int) -> Iterator[Tile]:
        """Tiles of one layer, each with all lines of all inputs."""
        layer = self.network.layers[number]
        maps = [self.placements[name] for name in self.network.sources(number)]
        walk = layer.walk(self.network.source(number), self.config.pes, maps)
        lines = range(layer.positions // self.network.width(layer.name))
        origin = self.placements[layer.name].origin
        yield from self._slices(number, range(self.vectors), lines, walk, origin)

    def chain(self, chain: Chain) -> Iterator[Tile]:
        """Tiles of a chain, input by input and band by band.

        A layer has no tile in a band in which the next layer sees only padding.
        """
        spans = chain.lines(self.network)
        for vector in range(self.vectors):
            for band in range(chain.bands):
                for number in range(chain.first, chain.last + 1):
                    first, end = spans[number - chain.first, band]
                    lines = range(int(first), int(end))
                    if lines:
                        yield from self._band(chain, number, vector, lines)

    def _band(self, chain: Chain, number: int, vector: int, lines: range) -> Iterator[Tile]:
        """Tiles that compute output ``lines`` of one layer of a chain, for one input."""
        layer = self.network.layers[number]
        window = self.network.window(number)
        source = self.placements[self.network.sources(number)[0]]
        target = self.placements[layer.name]
        held = lines_needed(window, lines)
        read_from = source.origin
        if number == chain.first:       # its source is a whole map, of which it reads some lines
            line = vector * window.height + held.start
            read_from += line * window.width * source.stride
        write_to = target.origin
        if number == chain.last:        # its target is a whole map, of which it writes some lines
            line = vector * window.out_height + lines.start
            write_to += line * window.out_width * target.stride
        rows = self.network.source(number).rows(self.config.pes)
        walk = AddressWalk.of_window(window, rows, read_from, source.stride, lines=lines, held=held)
        yield from self._slices(number, range(vector, vector + 1), lines, walk, write_to)

    def _slices(self, number: int, vectors: range, lines: range, walk: AddressWalk, origin: int
                ) -> Iterator[Tile]:
        """A tile for each slice of a pixel's rows: as few slices as the accumulators allow, all of
        about the same size. ``origin`` is the first row of the output."""
        layer = self.network.layers[number]
        pes = self.config.pes
        layout = self.network.layout(layer.name)
        stride = self.placements[layer.name].stride
        rows = layout.rows(pes)
        places = layout.places(pes)
        width = self.network.width(layer.name)
        shape = (self.vectors, layer.positions // width, width, layer.channels)

        count = self._slice_count(rows, len(vectors) * walk.positions, layer.is_local)
        for index in range(count):
            part_rows = range(rows * index // count, rows * (index + 1) // count)
            first, end = np.searchsorted(places, [part_rows.start * pes, part_rows.stop * pes])
            yield Tile(
                local=layer.is_local, rows=part_rows,
                walk=walk.sliced(part_rows) if layer.is_local else walk,
                dst_origin=origin + part_rows.start, dst_step=stride - len(part_rows) + 1,
                part=Part(layer=number, vectors=vectors, lines=lines,
                          channels=range(int(first), int(end)), shape=shape))

    def _slice_count(self, rows: int, positions: int, local: bool) -> int:
        """Number of slices for ``rows`` rows of a pixel."""
        if not self.config.conv:
            return 1            # without convolutions, descriptors do not say where a tile writes
        most = self.config.acc_depth
        if self.clustered and not local and positions >= self.config.clusters:
            # Each PE of a cluster takes the channels of several PEs.
            most = max(1, most // self.config.clusters)
        return -(-rows // most)
