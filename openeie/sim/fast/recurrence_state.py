# SPDX-License-Identifier: Apache-2.0
"""What the recurrence needs to know of an array and a tile, and its state."""
from typing import NamedTuple

import numpy as np

from ...core.array.timing import Timing

__all__ = ["Latencies", "Log", "Shape", "Group"]


class Latencies(NamedTuple):
    """:class:`openeie.core.array.timing.Timing` as plain numbers for compiled code, in cycles."""
    first_scan: int
    broadcast: int
    refill: int
    queue: int
    pointers: int
    entries: int
    decode: int
    token: int
    row: int
    commit: int
    counted: int

    @classmethod
    def of(cls, timing: Timing) -> "Latencies":
        """The latencies of one array."""
        return cls(*(int(getattr(timing, name)) for name in cls._fields))


class Shape(NamedTuple):
    """What the recurrence needs to know of a tile besides its entries.

    Attributes
    ----------
    src_rows, acc_rows : rows of activations that a matrix-vector product reads, and rows of
        accumulators that it fills, in each PE.
    queue_depth : usable entries of a PE's queue.
    acc_banks : banks of accumulators, 1 or 2.
    lanes : columns in a row of activations: the number of PEs, or 1 where each PE takes its own.
    """
    src_rows: int
    acc_rows: int
    queue_depth: int
    acc_banks: int
    lanes: int


class Group(NamedTuple):
    """State of the PEs that share a broadcast: of a cluster, or of the whole array.

    Attributes
    ----------
    number : of the cluster; 0 if there are none.
    known, read, pend : int64 [PEs]: X, S and Pend of docs/timing.md, of the last item.
    free, freed : int64 [PEs]: the S that would follow without a bubble, and the one before.
    pops : int64 [queue_depth], last pop of each item that is still in a queue.
    clock : int64 [4]: L and T of the last item, number of items, whether a writeback is pending.
    counters : int64 [7, PEs], in the order of :data:`~openeie.core.array.counters.COUNTERS`.
    nothing : a token's entries: zeros, int32 [PEs].
    """
    number: int
    known: np.ndarray
    read: np.ndarray
    freed: np.ndarray
    free: np.ndarray
    pend: np.ndarray
    pops: np.ndarray
    clock: np.ndarray
    counters: np.ndarray
    nothing: np.ndarray


class Log(NamedTuple):
    """When each item of a launch passed each stage, in the terms of docs/timing.md.

    Attributes
    ----------
    numbers : int64 [clusters, most items of one cluster], given: which row of the other arrays
        each item of a cluster fills, in the order in which the cluster takes its items.
    leave, broadcast : int32 [items]: L and T.
    pop, known, read : int32 [items, PEs of a cluster]: pop, X and S.
    """
    numbers: np.ndarray
    leave: np.ndarray
    broadcast: np.ndarray
    pop: np.ndarray
    known: np.ndarray
    read: np.ndarray
