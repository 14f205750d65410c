# SPDX-License-Identifier: Apache-2.0
"""Whether a network fits an array; whatever does not is told at once."""
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ..array.config import ArrayConfig
from ..array.descriptor import MAX_TABLES
from ..network.bounds import accumulator_needs
from ..network.graph import INPUT, Network
from ..numbers.fixed import int_bits, int_range
from .program import Program
from .tile_search import MAX_POSITIONS, TileSearch
from .tiles import Tile

__all__ = ["Capacity", "activation_needs", "words_used"]


@dataclass
class Capacity:
    """What a network needs of a configuration; problems are collected and reported together.

    Attributes
    ----------
    problems : what does not fit, and by how much.
    short : fields of the configuration that are too small, with the least value that is enough.
    hopeless : a problem that no configuration solves.
    """
    network: Network
    config: ArrayConfig
    vectors: int
    problems: list[str] = field(default_factory=list)
    short: dict[str, int] = field(default_factory=dict)
    hopeless: bool = False

    def need(self, name: str, needed: int, where: str) -> None:
        """Record a problem unless field ``name`` of the configuration is at least ``needed``."""
        available = getattr(self.config, name)
        if needed > available:
            self.lacks(name, needed, f"{where} needs {needed:,}, the array has {available:,}")

    def lacks(self, name: str, needed: int, problem: str) -> None:
        """Record a problem that ``needed`` in field ``name`` would solve."""
        self.problems.append(f"{name}: {problem}")
        self.short[name] = max(needed, self.short.get(name, 0))

    def check_shapes(self, tiles: Sequence[Tile]) -> None:
        """What follows from the layers' sizes alone."""
        config, network = self.config, self.network
        if network.act_width != config.act_width:
            self.lacks("act_width", network.act_width, f"the network has {network.act_width} "
                                                       f"bits, the array {config.act_width}")
        layers = len(network.layers)
        self.need("max_layers", len(tiles), "the network" if len(tiles) == layers else
                  f"the network, {layers} layers in {len(tiles)} tiles,")
        slices = {tile.matrix: tile for tile in tiles}.values()
        if len(slices) > MAX_TABLES:
            self._give_up(f"layers: the network has {len(slices):,} matrices, each with a table, "
                          f"and descriptors tell {MAX_TABLES} apart")
        where = "all layers" + _sliced(network, slices)
        self.need("pointer_depth", sum(map(self._pointers, slices)), where)
        self.need("channel_depth", sum(tile.acc_rows(config) for tile in slices), "all layers")
        for tile in slices:
            self._check_tile(tile)

    def _pointers(self, tile: Tile) -> int:
        """Column pointers of a tile's matrix."""
        rows = self.network.source(tile.layer).rows(self.config.pes)
        columns = int(self.network.placed_columns(tile.layer, self.config.pes)[-1]) + 1
        return 1 + (columns // rows * tile.memory_rows if tile.local else columns)

    def _give_up(self, problem: str) -> None:
        """Record a problem that no configuration solves."""
        self.problems.append(problem)
        self.hopeless = True

    def _check_tile(self, tile: Tile) -> None:
        config, layer = self.config, self.network.layers[tile.layer]
        where = f"layer {layer.name!r}"
        self.need("acc_depth", tile.acc_rows(config), where)
        vectors = len(tile.part.vectors)
        if tile.positions > MAX_POSITIONS:
            self._give_up(f"vectors: {where} has {tile.walk.positions:,} positions for each "
                          f"of {vectors} inputs, the array counts to {MAX_POSITIONS:,}")
        low, high = int_range(config.weight_width)
        values = layer.weights.values
        if len(values) and (values.min() < low or values.max() > high):
            self.lacks("weight_width", int_bits(values.min(), values.max()),
                       f"{where} has weights {values.min()} .. {values.max()}, "
                       f"{config.weight_width} bits hold {low} .. {high}")
        if max(tile.walk.rows, tile.memory_rows) >= 1 << 16:
            self._give_up(f"pes: {where} has 65536 or more rows per PE")

    def check_activations(self, search: TileSearch) -> None:
        """Room for all maps of one time, or, without convolutions, for each in its memory."""
        for where, needed in activation_needs(self.network, self.config, self.vectors,
                                              search.whole.rows).items():
            available = self.config.act_depth
            if not self.config.conv:
                self.need("act_depth", needed, where)
            elif search.maps(2 * available) is None:
                least = search.least_depth(available)
                self.lacks("act_depth", least, f"{where} needs {needed:,}, tiled in lines "
                                               f"{least:,}, the array has {available:,}")

    def prove_accumulators(self) -> None:
        """No partial sum, with or without bias, may leave the accumulator."""
        for name, bits, least, greatest in accumulator_needs(self.network):
            self.need("acc_width", bits, f"layer {name!r} (sums from {least:,} to {greatest:,})")


def activation_needs(network: Network, config: ArrayConfig, vectors: int, rows: int
                     ) -> dict[str, int]:
    """What each memory must hold, by what lies there: of all maps of one time, which take
    ``rows`` of both together, or without convolutions of each alone."""
    if config.conv:
        return {"the maps of one time, in two memories,": -(-rows // 2)}
    layouts = {name: network.layout(name)
               for name in (INPUT, *(layer.name for layer in network.layers))}
    return {"the input" if name == INPUT else f"layer {name!r}'s output":
            vectors * layout.pixels * layout.rows(config.pes) for name, layout in layouts.items()}


def _sliced(network: Network, tiles: Iterable[Tile]) -> str:
    """Which layers are tiled in channels, for a message."""
    names = [network.layers[tile.layer].name for tile in tiles]
    several = [f"{name!r} in {names.count(name)} slices of channels"
               for name in dict.fromkeys(names) if names.count(name) > 1]
    return f" ({', '.join(several)})" if several else ""


def words_used(program: Program) -> dict[str, int]:
    """What of each memory of a PE a program takes, by the configuration's field."""
    return {"entry_depth": program.entries.shape[1], "pointer_depth": program.pointers.shape[1],
            "channel_depth": program.channels.shape[1], "act_depth": program.act_depth,
            "acc_depth": max(plan.acc_rows for plan in program.tiles),
            "max_layers": len(program.tiles)}
