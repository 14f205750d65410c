# SPDX-License-Identifier: Apache-2.0
"""Which layers the clusters share among them, each taking other output positions."""
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..array.config import ArrayConfig
from ..array.timing import Timing
from .memory_images import Encoded
from .tiles import Tile

__all__ = ["Group", "clustered_tiles", "choose", "estimate_cycles"]

_DENSITY = 0.5          # of the activations, nobody knows it before they are there

#: The tiles of one matrix, and the matrix.
Group = tuple[Sequence[Tile], Encoded]


def _can_cluster(tile: Tile, config: ArrayConfig) -> bool:
    """Whether every cluster gets a position. Of a local layer, every PE works on its own channels
    already."""
    return config.clusters > 1 and not tile.local and tile.positions >= config.clusters


def clustered_tiles(groups: Sequence[Sequence[Tile]], config: ArrayConfig) -> list[Sequence[Tile]]:
    """The tiles of each matrix, clustered if all of them can be; the others as they are."""
    return [[replace(tile, clusters=config.clusters) for tile in tiles]
            if all(_can_cluster(tile, config) for tile in tiles) else tiles for tiles in groups]


def estimate_cycles(group: Group, config: ArrayConfig) -> float:
    """About what the tiles of a matrix take, to compare ways to run them: the busiest PE, the
    writeback or the scan, whichever is slowest."""
    tiles, encoded = group
    work = float(np.maximum(encoded.entries.count, 1).sum(axis=1).max()) * _DENSITY
    each = max(work, Timing.row * tiles[0].acc_rows(config))
    return sum(max(tile.positions * tile.walk.rows, -(-tile.positions // tile.clusters) * each)
               for tile in tiles)


def choose(whole: Sequence[Group], shared: Sequence[Group], config: ArrayConfig) -> list[Group]:
    """Of each matrix the way that takes fewer cycles, as far as the memories have room: first
    those that save most for each word of entry memory that they cost."""
    chosen = list(whole)
    taken_words, taken_rows = map(sum, zip(*(_needs(one, config) for one in whole)))
    gains = []
    for number, (before, after) in enumerate(zip(whole, shared)):
        saved = estimate_cycles(before, config) - estimate_cycles(after, config)
        words, rows = (a - b for a, b in zip(_needs(after, config), _needs(before, config)))
        if saved > 0 and after[0][0].acc_rows(config) <= config.acc_depth:
            gains.append((saved / max(words, 1), number, words, rows))
    for _, number, words, rows in sorted(gains, reverse=True):
        if taken_words + words <= config.entry_depth and taken_rows + rows <= config.channel_depth:
            chosen[number] = shared[number]
            taken_words, taken_rows = taken_words + words, taken_rows + rows
    return chosen


def _needs(group: Group, config: ArrayConfig) -> tuple[int, int]:
    """Words of entry memory and rows of channel memory."""
    return group[1].words.shape[1], group[0][0].acc_rows(config)
