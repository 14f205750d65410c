# SPDX-License-Identifier: Apache-2.0
"""Whether a network fits an array; whatever does not is told at once."""
from collections.abc import Sequence
from dataclasses import dataclass, field

from .bounds import accumulator_needs
from .config import ArrayConfig
from .errors import CapacityError
from .fixed import int_range
from .graph import INPUT, Network
from .schedule import Tile

__all__ = ["Capacity"]


@dataclass
class Capacity:
    """What a network needs of a configuration; problems are collected and reported together."""
    network: Network
    config: ArrayConfig
    vectors: int
    problems: list[str] = field(default_factory=list)

    def need(self, name: str, needed: int, where: str) -> None:
        """Record a problem unless field ``name`` of the configuration is at least ``needed``."""
        available = getattr(self.config, name)
        if needed > available:
            self.problems.append(f"{name}: {where} needs {needed:,}, the array has "
                                 f"{available:,}")

    def refuse(self) -> None:
        """Raise what was recorded."""
        if self.problems:
            raise CapacityError(f"network {self.network.name!r} does not fit: "
                                + "; ".join(self.problems))

    def check_shapes(self, tiles: Sequence[Tile]) -> None:
        """What follows from the layers' sizes alone."""
        config, network = self.config, self.network
        if network.act_width != config.act_width:
            self.problems.append(f"act_width: the network has {network.act_width} bits, the "
                                 f"array {config.act_width}")
        self.need("max_layers", len(tiles), "the network")
        self.need("pointer_depth", sum(
            int(network.placed_columns(tile.layer, config.pes)[-1]) + 2 for tile in tiles),
            "all layers")
        self.need("channel_depth", sum(tile.acc_rows(config) for tile in tiles), "all layers")
        for tile in tiles:
            self._check_tile(tile)

    def _check_tile(self, tile: Tile) -> None:
        config, layer = self.config, self.network.layers[tile.layer]
        where = f"layer {layer.name!r}"
        self.need("acc_depth", tile.acc_rows(config), where)
        if self.vectors * layer.positions >= 1 << 16:
            self.problems.append(f"vectors: {where} has {layer.positions:,} positions for each "
                                 f"of {self.vectors} inputs, the array counts to 65,535")
        low, high = int_range(config.weight_width)
        values = layer.weights.values
        if len(values) and (values.min() < low or values.max() > high):
            self.problems.append(f"weight_width: {where} has weights {values.min()} .. "
                                 f"{values.max()}, {config.weight_width} bits hold "
                                 f"{low} .. {high}")
        if max(tile.walk.rows, tile.dst_rows) >= 1 << 16:
            self.problems.append(f"pes: {where} has 65536 or more rows per PE")

    def check_activations(self, act_rows: int) -> int:
        """Room for all maps of one time, ``act_rows`` altogether, or, without convolutions, for
        each in its memory; returns what of each memory is used."""
        if self.config.conv:
            needs = {"the maps of one time, in two memories,": -(-act_rows // 2)}
        else:
            layouts = {name: self.network.layout(name)
                       for name in (INPUT, *(layer.name for layer in self.network.layers))}
            needs = {"the input" if name == INPUT else f"layer {name!r}'s output":
                     self.vectors * layout.pixels * layout.rows(self.config.pes)
                     for name, layout in layouts.items()}
        for where, needed in needs.items():
            self.need("act_depth", needed, where)
        return max(needs.values())

    def prove_accumulators(self) -> None:
        """No partial sum, with or without bias, may leave the accumulator."""
        for name, bits, least, greatest in accumulator_needs(self.network):
            self.need("acc_width", bits, f"layer {name!r} (sums from {least:,} to {greatest:,})")
