# SPDX-License-Identifier: Apache-2.0
"""Which layers the clusters share among them, each taking other output positions."""
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from .config import ArrayConfig
from .encoding import Entries
from .image import Encoded
from .schedule import Tile
from .timing import Timing

__all__ = ["clustered_tiles", "choose", "estimate_cycles"]

_DENSITY = 0.5          # of the activations, nobody knows it before they are there


def _can_cluster(tile: Tile, config: ArrayConfig, vectors: int) -> bool:
    """Whether every cluster gets a position of ``vectors`` inputs. Of a local layer, every PE
    works on its own channels already."""
    return config.clusters > 1 and not tile.local \
        and vectors * tile.walk.positions >= config.clusters


def clustered_tiles(tiles: Sequence[Tile], config: ArrayConfig, vectors: int) -> list[Tile]:
    """The tiles that can be, clustered; the others as they are."""
    return [replace(tile, clusters=config.clusters) if _can_cluster(tile, config, vectors) else tile
            for tile in tiles]


def estimate_cycles(tile: Tile, entries: Entries, config: ArrayConfig, vectors: int) -> float:
    """About what a tile takes, to compare ways to run it: the busiest PE, the writeback or the
    scan, whichever is slowest."""
    positions = vectors * tile.walk.positions
    work = float(np.maximum(entries.count, 1).sum(axis=1).max()) * _DENSITY
    each = max(work, Timing.row * tile.acc_rows(config))
    return max(positions * tile.walk.rows, -(-positions // tile.clusters) * each)


def choose(whole: Sequence[tuple[Tile, Encoded]], shared: Sequence[tuple[Tile, Encoded]],
           config: ArrayConfig, vectors: int) -> list[tuple[Tile, Encoded]]:
    """Of each tile the way that takes fewer cycles, as far as the memories have room: first those
    that save most for each word of entry memory that they cost."""
    chosen = list(whole)
    room = {"entry_depth": config.entry_depth - sum(_needs(*one, config)[0] for one in whole),
            "channel_depth": config.channel_depth - sum(_needs(*one, config)[1] for one in whole)}
    gains = []
    for number, (before, after) in enumerate(zip(whole, shared)):
        saved = estimate_cycles(before[0], before[1].entries, config, vectors) \
            - estimate_cycles(after[0], after[1].entries, config, vectors)
        words, rows = (a - b for a, b in zip(_needs(*after, config), _needs(*before, config)))
        if saved > 0 and after[0].acc_rows(config) <= config.acc_depth:
            gains.append((saved / max(words, 1), number, words, rows))
    for _, number, words, rows in sorted(gains, reverse=True):
        if words <= room["entry_depth"] and rows <= room["channel_depth"]:
            chosen[number] = shared[number]
            room["entry_depth"] -= words
            room["channel_depth"] -= rows
    return chosen


def _needs(tile: Tile, encoded: Encoded, config: ArrayConfig) -> tuple[int, int]:
    """Words of entry memory and rows of channel memory."""
    return encoded.words.shape[1], tile.acc_rows(config)
