# SPDX-License-Identifier: Apache-2.0
"""The recurrence of docs/timing.md: cycles and counters of launches of a tile.

The cost is linear in broadcast columns x PEs and does not depend on the number of entries.
"""
from typing import NamedTuple

import numpy as np

from ...core.array.counters import COUNTERS
from . import recurrence_in_numpy
from .native.library import library
from .recurrence_state import TOKEN, Latencies, Log, Shape

__all__ = ["TOKEN", "Latencies", "Log", "Shape", "Launches", "find_items", "time_launches"]


def find_items(is_set: np.ndarray) -> np.ndarray:
    """Items in broadcast order: each vector's columns that are set, then a :data:`TOKEN`.

    is_set bool [vectors, n] -> int32 [items].
    """
    vectors, n = is_set.shape
    native = library()
    if native is not None:
        is_set = np.ascontiguousarray(is_set)
        items = np.empty(vectors * (n + 1), np.int32)
        count = native.items(is_set, vectors, n, items)
        return items[:count]
    marked = np.concatenate([is_set, np.ones((vectors, 1), bool)], axis=1)
    columns = np.nonzero(marked)[1].astype(np.int32)
    return np.where(columns == n, np.int32(TOKEN), columns)


class Launches(NamedTuple):
    """Cycles int64 [launches], and counters int64 [launches, clusters x PEs, 7] or None."""
    cycles: np.ndarray
    counters: np.ndarray | None


def time_launches(items: np.ndarray, vectors: int, counts: np.ndarray, fillers: np.ndarray,
                  shape: Shape, lat: Latencies, *, launches: int = 1, counted: bool = True,
                  log: Log | None = None) -> Launches:
    """Time of launches of a tile.

    Parameters
    ----------
    items : int32 [items] of all launches, one after another, as :func:`find_items` returns them.
        Each launch has ``vectors`` tokens. Clusters take its vectors in turn.
    counts, fillers : int32 [clusters, n, PEs of a cluster]: entries, and fillers among them.
    counted : whether counters are asked for; without them it takes a third of the time.
    log : filled with the times of each item, if given; then there is one launch.
    """
    native = library()
    if native is None:
        times = _in_numpy(items, vectors, counts, fillers, shape, lat, launches, log)
        return times if counted else Launches(times.cycles, None)
    clusters, n, pes = counts.shape
    cycles = np.empty(launches, np.int64)
    counters = None
    if counted:
        counters = np.empty((launches, clusters * pes, len(COUNTERS)), np.int64)
    shape_words = np.array(shape, np.int64)
    latency_words = np.array(lat, np.int64)
    log_words = None if log is None else _log_words(log)
    for is_wide in (False, True):       # seldom are 32 bits too few for a cycle
        fits = native.launches(items, launches, vectors, counts, fillers, clusters, n, pes,
                               shape_words, latency_words, log_words, is_wide, cycles, counters)
        if fits:
            break
    return Launches(cycles, counters)


def _log_words(log: Log) -> np.ndarray:
    """A log as the C++ code's structure: pointers, and behind the first one the length of its
    rows."""
    types = [np.int64] + [np.int32] * (len(log) - 1)
    for array, dtype in zip(log, types):
        if not array.flags.c_contiguous or array.dtype != dtype:
            raise TypeError(f"a log's array must be one piece of {dtype}, not {array.dtype}")
    numbers, *times = (array.ctypes.data for array in log)
    return np.array([numbers, log.numbers.shape[1], *times], np.uint64)


def _in_numpy(items: np.ndarray, vectors: int, counts: np.ndarray, fillers: np.ndarray,
              shape: Shape, lat: Latencies, launches: int, log: Log | None) -> Launches:
    """The same without a compiler."""
    ends = np.flatnonzero(items == TOKEN)[vectors - 1::vectors] + 1
    starts = np.concatenate([[0], ends])[:launches]
    results = [recurrence_in_numpy.launch(items[start:end], vectors, counts, fillers, shape, lat,
                                          log)
               for start, end in zip(starts, ends)]
    pes = counts.shape[0] * counts.shape[2]
    cycles = np.array([cycles for cycles, _ in results], np.int64)
    counters = np.array([counters for _, counters in results], np.int64)
    return Launches(cycles, counters.reshape(launches, pes, len(COUNTERS)))
