# SPDX-License-Identifier: Apache-2.0
"""Cycle count of one launch of a tile, computed from the positions of its non-zero activations
only.

``fast`` reads activations from the memories, at the addresses of the walk. Here the walk's window
moves over the map itself, without addresses and without arithmetic on values. Both end in the same
recurrence.
"""
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ...core.array.config import ArrayConfig
from ...core.array.timing import Timing
from ...core.compile.program import TilePlan, Program
from ...core.network.address_walk import AddressWalk
from ...core.network.chain import lines_needed
from .recurrence import TOKEN, Latencies, Log, Shape, find_items, time_launches

__all__ = ["map_items", "plan_entries", "position_entries", "plan_cycles"]


def _windows(walk: AddressWalk, maps: np.ndarray) -> np.ndarray:
    """What each position of a walk sees, bool [inputs x positions, rows x PEs].

    maps : bool [inputs, height, width, rows of a pixel x PEs].
    """
    # Every window lies in this frame, whose first line and column are those of the padding.
    height = (walk.out_height - 1) * walk.stride_y + walk.kernel_height
    width = (walk.out_width - 1) * walk.stride_x + walk.kernel_width
    inputs, _, _, columns = maps.shape
    framed = np.zeros((inputs, max(height, walk.pad_top + walk.height),
                       max(width, walk.pad_left + walk.width), columns), bool)
    framed[:, walk.pad_top:walk.pad_top + walk.height,
           walk.pad_left:walk.pad_left + walk.width] = maps
    views = sliding_window_view(framed[:, :height, :width],
                                (walk.kernel_height, walk.kernel_width), axis=(1, 2))
    seen = views[:, ::walk.stride_y, ::walk.stride_x].transpose(0, 1, 2, 4, 5, 3)
    return seen.reshape(inputs * walk.positions, walk.rows * columns // walk.pixel_rows)


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
    return find_items(_windows(walk, placed))


def _held_lines(program: Program, plan: TilePlan) -> slice:
    """The lines of its layer's map that a tile reads."""
    window = getattr(program.network.layers[plan.layer], "window", None)
    if window is None or plan.walk.height >= window.height:
        return slice(None)
    lines = lines_needed(window, plan.part.lines)       # a band
    return slice(lines.start, lines.stop)


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
    copies = (plan.clusters, 1, 1)
    times = time_launches(
        items, int(np.count_nonzero(items == TOKEN)),
        np.ascontiguousarray(np.tile(counts, copies), np.int32),
        np.ascontiguousarray(np.tile(fillers, copies), np.int32),
        _plan_shape(plan, config), Latencies.of(Timing(config)), log=log)
    return int(times.cycles[0]), times.counters[0]
