# SPDX-License-Identifier: Apache-2.0
"""What the array runs one after the other, and where each reads and writes."""
from dataclasses import dataclass

from .config import ArrayConfig
from .graph import Network
from .memory import Placement
from .walk import Walk

__all__ = ["Tile", "whole_layers"]


@dataclass(frozen=True, kw_only=True)
class Tile:
    """One descriptor's work.

    Attributes
    ----------
    layer : number of the network's layer.
    channels : output channels.
    local : every PE works on its own channels.
    walk : which rows of activations it reads when.
    dst_rows : rows that each position writes.
    dst_origin, dst_step : first row written, and from a position's last row to the next's first.
    clusters : 1, or all of the array's: each takes other positions.
    """
    layer: int
    channels: int
    local: bool
    walk: Walk
    dst_rows: int
    dst_origin: int
    dst_step: int
    clusters: int = 1

    def pes(self, config: ArrayConfig) -> int:
        """PEs that work on one position."""
        return config.pes // self.clusters

    def acc_rows(self, config: ArrayConfig) -> int:
        """Rows of accumulators that a position takes in each PE."""
        return -(-self.channels // self.pes(config)) if self.clusters > 1 else self.dst_rows


def whole_layers(network: Network, config: ArrayConfig, placements: dict[str, Placement]
                 ) -> list[Tile]:
    """Every layer as a whole.

    Raises
    ------
    InputError : a layer reads maps whose pixels lie so that no walk goes through them.
    """
    tiles = []
    for number, layer in enumerate(network.layers):
        target = placements[layer.name]
        rows = network.layout(layer.name).rows(config.pes)
        maps = [placements[name] for name in network.sources(number)]
        tiles.append(Tile(layer=number, channels=layer.channels, local=layer.is_local,
                          dst_rows=rows,
                          walk=layer.walk(network.source(number), config.pes, maps),
                          dst_origin=target.origin, dst_step=target.stride - rows + 1))
    return tiles
