# SPDX-License-Identifier: Apache-2.0
"""A balanced program's run with its outputs in the order of the network that was given."""
import dataclasses

import numpy as np

from ..network.tile_part import joined
from ..run import LayerRun, Run
from .program import Program

__all__ = ["in_given_order"]


def in_given_order(program: Program, run: Run) -> Run:
    """``run``, which is of ``program``, with all layers' channels where the given network has them.

    The outputs of the network itself never move. Cycles and counters are the array's, whose PEs own
    the channels in the program's order.
    """
    if not program.choices.is_balanced:
        return run
    tiles = list(run.tiles)
    for number, layer in enumerate(program.network.layers):
        order = program.choices.orders[layer.name]
        if np.array_equal(order, np.arange(len(order))):
            continue
        mine = [tile for tile, plan in enumerate(program.tiles) if plan.layer == number]
        moved = _moved(program, [run.tiles[tile] for tile in mine], mine, order)
        for tile, outputs in zip(mine, moved):
            tiles[tile] = dataclasses.replace(run.tiles[tile], outputs=outputs)
    return dataclasses.replace(run, tiles=tuple(tiles))


def _moved(program: Program, tiles: list[LayerRun], numbers: list[int], order: np.ndarray
           ) -> list[np.ndarray]:
    """Outputs of a layer's tiles, each the same part of the layer as before, after its channels
    have gone to their places in ``order``."""
    parts = [program.tiles[number].part for number in numbers]
    if parts[0].is_untiled:
        return [_placed(tiles[0].outputs, order)]
    whole = _placed(joined((part, tile.outputs) for part, tile in zip(parts, tiles)), order)
    return [part.cut(whole) for part in parts]


def _placed(outputs: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Outputs int64 [batch, pixels x channels]; the channel at place i moves to ``order[i]``."""
    count = outputs.shape[1] // len(order)
    pixels = outputs.reshape(len(outputs), count, len(order))
    placed = np.empty_like(pixels)
    placed[:, :, order] = pixels
    return placed.reshape(outputs.shape)
