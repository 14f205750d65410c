# SPDX-License-Identifier: Apache-2.0
"""Which layers run clustered: the clusters share the layer's output positions among them."""
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..array.config import ArrayConfig
from ..array.timing import Timing
from .memory_images import Encoded
from .tiles import Tile

__all__ = ["Group", "clustered_tiles", "choose", "estimate_cycles"]

_DENSITY = 0.5          # assumed share of non-zero activations; the real one is known only later

#: The tiles that share a matrix, and the matrix.
Group = tuple[Sequence[Tile], Encoded]


def _can_cluster(tile: Tile, config: ArrayConfig) -> bool:
    """True if there is at least one output position per cluster. Channel-wise layers gain nothing:
    their PEs already work independently."""
    return config.clusters > 1 and not tile.local and tile.positions >= config.clusters


def clustered_tiles(groups: Sequence[Sequence[Tile]], config: ArrayConfig) -> list[Sequence[Tile]]:
    """The same groups of tiles, each clustered if all its tiles can be, and else unchanged."""
    result: list[Sequence[Tile]] = []
    for tiles in groups:
        if all(_can_cluster(tile, config) for tile in tiles):
            tiles = [replace(tile, clusters=config.clusters) for tile in tiles]
        result.append(tiles)
    return result


def estimate_cycles(tiles: Sequence[Tile], count: np.ndarray, config: ArrayConfig) -> float:
    """Approximate cycles of all tiles of a matrix, for comparing ways to run them.

    The slowest of three stages counts: the scan, the busiest PE's entries, and the writeback. With
    two banks of accumulators, a position's writeback overlaps the next one's entries.

    count : entries of each PE in each column, fillers included, [PEs, columns].
    """
    first = tiles[0]
    columns = np.maximum(count, 1)                      # an empty column takes a cycle, too
    work = float(columns.sum(axis=1).max())
    if first.local:                                     # every row is an item, of every pixel
        work *= first.walk.rows // count.shape[1]
    else:
        work *= _DENSITY
    writeback = Timing.row * first.acc_rows(config)
    next_position = max(work, writeback) if config.acc_banks > 1 else work + writeback
    total = 0.0
    for tile in tiles:
        scan = tile.positions * tile.walk.rows
        turns = -(-tile.positions // tile.clusters)
        total += max(scan, work + (turns - 1) * next_position) + writeback
    return total


def _estimate(group: Group, config: ArrayConfig) -> float:
    tiles, encoded = group
    return estimate_cycles(tiles, encoded.entries.count, config)


def choose(whole: Sequence[Group], shared: Sequence[Group], config: ArrayConfig) -> list[Group]:
    """For each matrix, choose the clustered form if it saves cycles and fits. Greedy: most cycles
    saved per extra entry word first.

    Parameters
    ----------
    whole, shared : the groups of all matrices, unclustered and clustered, in the same order.
    """
    gains = []
    for number, (before, after) in enumerate(zip(whole, shared)):
        saved = _estimate(before, config) - _estimate(after, config)
        words = _entry_words(after) - _entry_words(before)
        rows = _channel_rows(after, config) - _channel_rows(before, config)
        if saved > 0 and _channel_rows(after, config) <= config.acc_depth:
            gains.append((saved / max(words, 1), number, words, rows))

    chosen = list(whole)
    used_words = sum(map(_entry_words, whole))
    used_rows = sum(_channel_rows(group, config) for group in whole)
    for _, number, words, rows in sorted(gains, reverse=True):
        if used_words + words <= config.entry_depth and used_rows + rows <= config.channel_depth:
            chosen[number] = shared[number]
            used_words += words
            used_rows += rows
    return chosen


def _entry_words(group: Group) -> int:
    """Words of entry memory that the group's matrix takes in each PE."""
    _, encoded = group
    return int(encoded.words.shape[1])


def _channel_rows(group: Group, config: ArrayConfig) -> int:
    """Rows of channel memory that the group takes, which is also its accumulators per PE."""
    tiles, _ = group
    return tiles[0].acc_rows(config)
