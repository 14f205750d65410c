# SPDX-License-Identifier: Apache-2.0
"""Whether a network fits an array. Everything that does not fit is reported at once."""
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

_MAX_ROWS = (1 << 16) - 1       # rows per PE that a descriptor can count


@dataclass
class Capacity:
    """What a network needs of a configuration. Problems are collected and reported together.

    Attributes
    ----------
    network, config, vectors : what is compiled, for which array, and for how many inputs at once.
    problems : what does not fit, and by how much.
    short : fields of the configuration that are too small, with the least sufficient value.
    hopeless : whether there is a problem that no configuration solves.
    """
    network: Network
    config: ArrayConfig
    vectors: int
    problems: list[str] = field(default_factory=list)
    short: dict[str, int] = field(default_factory=dict)
    hopeless: bool = False

    def need(self, name: str, needed: int, where: str, verb: str = "needs") -> None:
        """Record a problem unless field ``name`` of the configuration is at least ``needed``.

        The message begins with ``where``, the subject of ``verb``.
        """
        available = getattr(self.config, name)
        if needed > available:
            self.lacks(name, needed, f"{where} {verb} {needed:,}, the array has {available:,}")

    def lacks(self, name: str, needed: int, problem: str) -> None:
        """Record a problem that the value ``needed`` in field ``name`` would solve."""
        self.problems.append(f"{name}: {problem}")
        self.short[name] = max(needed, self.short.get(name, 0))

    def check_shapes(self, tiles: Sequence[Tile]) -> None:
        """Check what follows from the layers' sizes alone, before anything is encoded."""
        config = self.config
        network = self.network
        if network.act_width != config.act_width:
            self.lacks("act_width", network.act_width, f"the network has {network.act_width} "
                                                       f"bits, the array {config.act_width}")
        self._check_tile_count(len(tiles))
        matrices = {tile.matrix: tile for tile in tiles}.values()
        if len(matrices) > MAX_TABLES:
            self._give_up(f"layers: the network has {len(matrices):,} matrices, each with a table, "
                          f"and descriptors can name {MAX_TABLES}")
        pointers = sum(map(self._pointers, matrices))
        rows = sum(tile.acc_rows(config) for tile in matrices)
        self.need("pointer_depth", pointers, "all layers" + _sliced(network, matrices), "need")
        self.need("channel_depth", rows, "all layers", "need")
        for tile in matrices:
            self._check_tile(tile)

    def _check_tile_count(self, tiles: int) -> None:
        layers = len(self.network.layers)
        where = "the network" if tiles == layers else \
            f"the network, {layers} layers in {tiles} tiles,"
        self.need("max_layers", tiles, where)

    def _pointers(self, tile: Tile) -> int:
        """Column pointers of a tile's matrix, per PE."""
        columns = int(self.network.placed_columns(tile.layer, self.config.pes)[-1]) + 1
        if tile.local:          # a slice has only the columns of its own rows
            rows = self.network.source(tile.layer).rows(self.config.pes)
            columns = columns // rows * tile.memory_rows
        return columns + 1

    def _give_up(self, problem: str) -> None:
        """Record a problem that no configuration solves."""
        self.problems.append(problem)
        self.hopeless = True

    def _check_tile(self, tile: Tile) -> None:
        """Check one tile of each matrix: accumulators, counts and weights."""
        layer = self.network.layers[tile.layer]
        where = f"layer {layer.name!r}"
        self.need("acc_depth", tile.acc_rows(self.config), where)
        if tile.positions > MAX_POSITIONS:
            self._give_up(f"vectors: {where} has {tile.walk.positions:,} positions for each "
                          f"of {len(tile.part.vectors)} inputs, the array counts to "
                          f"{MAX_POSITIONS:,}")
        width = self.config.weight_width
        low, high = int_range(width)
        values = layer.weights.values
        if len(values) and (values.min() < low or values.max() > high):
            self.lacks("weight_width", int_bits(values.min(), values.max()),
                       f"{where} has weights {values.min()} .. {values.max()}, "
                       f"{width} bits hold {low} .. {high}")
        if max(tile.walk.rows, tile.memory_rows) > _MAX_ROWS:
            self._give_up(f"pes: {where} has {_MAX_ROWS + 1} or more rows per PE")

    def check_activations(self, search: TileSearch) -> None:
        """Check that the activation memories have room: for all maps that are needed at the same
        time, or, without convolutions, for each map in the one memory where it lies."""
        needs = activation_needs(self.network, self.config, self.vectors, search.whole.rows)
        available = self.config.act_depth
        for where, needed in needs.items():
            if not self.config.conv:
                self.need("act_depth", needed, where)
            elif search.maps(2 * available) is None:
                least = search.least_depth(available)
                self.lacks("act_depth", least, f"{where} need {needed:,} ({least:,} if tiled in "
                                               f"lines), the array has {available:,}")

    def prove_accumulators(self) -> None:
        """Check that no partial sum, with or without the bias, can leave the accumulator."""
        for name, bits, least, greatest in accumulator_needs(self.network):
            self.need("acc_width", bits, f"layer {name!r} (sums from {least:,} to {greatest:,})")


def activation_needs(network: Network, config: ArrayConfig, vectors: int, rows: int
                     ) -> dict[str, int]:
    """Rows that each activation memory must hold, by a description of what lies there.

    With convolutions there is one item: all maps that are needed at the same time take ``rows``
    rows of both memories together. Without convolutions there is one item for each map.
    """
    if config.conv:
        return {"the maps needed at the same time, in two memories,": -(-rows // 2)}
    needs = {}
    for name in (INPUT, *(layer.name for layer in network.layers)):
        layout = network.layout(name)
        where = "the input" if name == INPUT else f"layer {name!r}'s output"
        needs[where] = vectors * layout.pixels * layout.rows(config.pes)
    return needs


def _sliced(network: Network, matrices: Iterable[Tile]) -> str:
    """Which layers are tiled in channels, for a message."""
    names = [network.layers[tile.layer].name for tile in matrices]
    several = [f"{name!r} in {names.count(name)} slices of channels"
               for name in dict.fromkeys(names) if names.count(name) > 1]
    return f" ({', '.join(several)})" if several else ""


def words_used(program: Program) -> dict[str, int]:
    """How much of each memory of a PE a program uses, by the configuration's field."""
    return {"entry_depth": program.entries.shape[1], "pointer_depth": program.pointers.shape[1],
            "channel_depth": program.channels.shape[1], "act_depth": program.act_depth,
            "acc_depth": max(plan.acc_rows for plan in program.tiles),
            "max_layers": len(program.tiles)}
