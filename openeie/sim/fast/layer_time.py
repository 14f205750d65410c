# SPDX-License-Identifier: Apache-2.0
"""Cycle count of one launch of a tile, computed from the positions of its non-zero activations
only.

``fast`` reads activations from the memories, at the addresses of the walk. Here the walk's window
moves over the map itself, without addresses and without arithmetic on values. Both end in the same
recurrence.
"""
from typing import NamedTuple

import numpy as np

from ...core.array.config import ArrayConfig
from ...core.array.counters import COUNTERS
from ...core.array.timing import Timing
from ...core.compile.program import TilePlan, Program
from ...core.network.address_walk import AddressWalk
from ...core.network.chain import lines_needed
from .compiled import compiled
from .recurrence import TOKEN, Latencies, Log, Shape, clustered_cycles, launch_cycles

__all__ = ["map_items", "plan_entries", "position_entries", "plan_cycles"]


class _Window(NamedTuple):
    """A walk's window as plain numbers for compiled code, see :class:`AddressWalk`."""
    kernel_height: int
    kernel_width: int
    stride_y: int
    stride_x: int
    pad_top: int
    pad_left: int
    height: int
    width: int
    out_height: int
    out_width: int

    @classmethod
    def of(cls, walk: AddressWalk) -> "_Window":
        return cls(*(int(getattr(walk, name)) for name in cls._fields))


@compiled
def _collect(first, columns, inputs, window, pixel_columns):
    """Items of a window's walk over ``inputs`` maps, int32 [items].

    first int64 [inputs x pixels + 1]: pixel p has the columns ``columns[first[p]:first[p + 1]]``,
    int32. Each pixel of a kernel has ``pixel_columns`` columns of the matrix.
    """
    items = np.empty(0, np.int32)
    size = 0
    for store in (False, True):         # count, then write
        size = 0
        for image in range(inputs):
            for position in range(window.out_height * window.out_width):
                top = position // window.out_width * window.stride_y - window.pad_top
                left = position % window.out_width * window.stride_x - window.pad_left
                for k in range(window.kernel_height * window.kernel_width):
                    y = top + k // window.kernel_width
                    x = left + k % window.kernel_width
                    if not (0 <= y < window.height and 0 <= x < window.width):
                        continue
                    pixel = (image * window.height + y) * window.width + x
                    if store:
                        for c in range(first[pixel], first[pixel + 1]):
                            items[size + c - first[pixel]] = k * pixel_columns + columns[c]
                    size += first[pixel + 1] - first[pixel]
                if store:
                    items[size] = TOKEN
                size += 1
        if not store:
            items = np.empty(size, np.int32)
    return items


def map_items(program: Program, number: int, present: np.ndarray) -> np.ndarray:
    """Items that tile ``number`` broadcasts in one launch, int32 [items]: column numbers, with a
    TOKEN after each vector.

    present : bool [inputs, n], which activations are not zero, of the whole map that the layer
        reads, even if the tile reads only a part of it.
    """
    plan = program.tiles[number]
    pes = program.config.pes
    present = present[plan.part.vectors.start:plan.part.vectors.stop]
    if plan.local:                      # every row is an item, whatever its values are
        vector = np.append(np.arange(plan.walk.rows, dtype=np.int32), np.int32(TOKEN))
        return np.tile(vector, len(present) * plan.walk.positions)
    walk = plan.walk
    placed = program.network.source(plan.layer).memory(present, pes).reshape(
        len(present), -1, walk.width, walk.pixel_rows * pes)[:, _held_lines(program, plan)]
    placed = placed.reshape(-1, walk.pixel_rows * pes)
    pixels, columns = np.nonzero(placed)
    in_pixel = np.bincount(pixels, minlength=len(placed))
    first = np.concatenate([[0], np.cumsum(in_pixel)])
    return _collect(first, columns.astype(np.int32), len(present), _Window.of(walk),
                    placed.shape[1])


def _held_lines(program: Program, plan: TilePlan) -> slice:
    """The lines of its layer's map that a tile reads."""
    window = getattr(program.network.layers[plan.layer], "window", None)
    if window is None or plan.walk.height >= window.height:
        return slice(None)
    lines = lines_needed(window, plan.part.lines)       # a band
    return slice(lines.start, lines.stop)


@compiled
def _seen(items, vectors, n):
    """Which activations gave these items, bool [vectors, n]."""
    seen = np.zeros((vectors, n), np.bool_)
    vector = 0
    for column in items:
        if column == TOKEN:
            vector += 1
        else:
            seen[vector, column] = True
    return seen


def plan_entries(plan: TilePlan, config: ArrayConfig) -> tuple[np.ndarray, np.ndarray]:
    """Entries of each column and PE, and fillers among them, int32 [n, PEs of a cluster].

    All clusters hold the same entries.
    """
    mine = slice(config.pes // plan.clusters)
    return plan.entry_count[mine].T, plan.filler_count[mine].T


def _of_position(plan: TilePlan, counts: np.ndarray, fillers: np.ndarray
                 ) -> tuple[np.ndarray, np.ndarray]:
    """A pool's entries are those of one pixel; repeat them for every pixel of its window."""
    if not plan.local:
        return counts, fillers
    repeats = (plan.walk.rows // plan.columns, 1)
    return np.tile(counts, repeats), np.tile(fillers, repeats)


def position_entries(plan: TilePlan, config: ArrayConfig) -> tuple[np.ndarray, np.ndarray]:
    """:func:`plan_entries` for all columns of a position: a pool's are repeated for each pixel."""
    return _of_position(plan, *plan_entries(plan, config))


def _plan_shape(plan: TilePlan, config: ArrayConfig) -> Shape:
    """What the recurrence needs to know of a tile besides its entries."""
    return Shape(src_rows=plan.src_rows, acc_rows=plan.acc_rows, queue_depth=config.queue_depth,
                 acc_banks=config.acc_banks, lanes=1 if plan.local else config.pes)


def plan_cycles(plan: TilePlan, config: ArrayConfig, items: np.ndarray, counts: np.ndarray,
                fillers: np.ndarray, log: Log | None = None) -> tuple[int, np.ndarray]:
    """Cycles of a launch, and counters int64 [PEs, 7].

    items : int32 [items], as :func:`map_items` returns them.
    counts, fillers : as :func:`plan_entries` returns them. They may have fewer PEs than the array,
        if each PE left out has the same entries as one of these.
    log : filled with the times of each item, if given.
    """
    counts, fillers = _of_position(plan, counts, fillers)
    shape = _plan_shape(plan, config)
    lat = Latencies.of(Timing(config))
    n, pes = counts.shape
    counters = np.zeros((plan.clusters, len(COUNTERS), pes), np.int64)
    counts = np.ascontiguousarray(counts, np.int32)
    fillers = np.ascontiguousarray(fillers, np.int32)
    if plan.clusters == 1:
        cycles = launch_cycles(items, counts, fillers, shape, lat, counters[0],
                              log)
    else:
        seen = _seen(items, int(np.count_nonzero(items == TOKEN)), n)
        copies = (plan.clusters, 1, 1)
        cycles = clustered_cycles(seen, np.tile(counts, copies), np.tile(fillers, copies), shape,
                                  lat, counters, log)
    return int(cycles), counters.transpose(0, 2, 1).reshape(-1, len(COUNTERS))
