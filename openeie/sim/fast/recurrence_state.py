# SPDX-License-Identifier: Apache-2.0
"""What the recurrence needs to know of an array and a tile, and what it can log."""
from functools import cache
from typing import NamedTuple

import numpy as np

from ...core.array.timing import Timing

__all__ = ["TOKEN", "Latencies", "Log", "Shape"]

#: In place of a column number in a list of items: the end of a vector.
TOKEN = -1


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
    @cache
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
