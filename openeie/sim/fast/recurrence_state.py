# SPDX-License-Identifier: Apache-2.0
"""What the recurrence knows of an array and a layer, and the state it carries."""
from typing import NamedTuple

import numpy as np

from ...core.array.timing import Timing

__all__ = ["Latencies", "Log", "Shape", "Group"]


class Latencies(NamedTuple):
    """:class:`openeie.core.array.timing.Timing` as plain numbers, which compiled code can take."""
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
        """The numbers of one array."""
        return cls(*(int(getattr(timing, name)) for name in cls._fields))


class Shape(NamedTuple):
    """What the recurrence knows of a layer besides its entries."""
    src_rows: int
    acc_rows: int
    queue_depth: int
    acc_banks: int
    lanes: int          # columns of a row of activations; 1 where each PE takes its own


class Group(NamedTuple):
    """State of the PEs that share a broadcast.

    Attributes
    ----------
    number : of the cluster; 0 if there are none.
    known, read, free, freed, pend : int64 [PEs], see docs/timing.md (``free``: the S that follows
        without a bubble, ``freed``: the one before).
    pops : int64 [queue_depth], last pop of each item still in a queue.
    clock : int64 [4]: L and T of the last item, items so far, whether a writeback is pending.
    counters : int64 [7, PEs].
    nothing : a token's entries, int32 [PEs].
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
    numbers : int64 [clusters, most items of one]: row of the other arrays for each item of a
        cluster, in the order in which the cluster takes them. Given; the rest is filled.
    leave, broadcast : int32 [items]: L and T.
    pop, known, read : int32 [items, PEs of a cluster]: pop, X and S.
    """
    numbers: np.ndarray
    leave: np.ndarray
    broadcast: np.ndarray
    pop: np.ndarray
    known: np.ndarray
    read: np.ndarray
