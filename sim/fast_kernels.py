# SPDX-License-Identifier: Apache-2.0
"""The compiled part of ``fast``: docs/timing.md's recurrence, and the sums it never needs.

Every loop over PEs is innermost and contiguous, so that the compiler turns it into vector
instructions; the cost is linear in broadcast columns x PEs, whatever the number of entries.
Cycles are int64.
"""
from typing import NamedTuple

import numpy as np
from numba import njit

from ..core.timing import Timing

__all__ = ["TOKEN", "Latencies", "find_columns", "run_items", "tally", "accumulate", "by_column"]

#: Stands for a column number in a list of items: the end of a vector.
TOKEN = -1
_NEVER = np.int64(-(1 << 40))       # before every cycle, and safe to add to


class Latencies(NamedTuple):
    """:class:`openeie.core.timing.Timing` as plain numbers, which compiled code can take."""
    first_scan: int
    broadcast: int
    queue: int
    pointers: int
    entries: int
    decode: int
    token: int
    commit: int
    count: int

    @classmethod
    def of(cls, timing: Timing) -> "Latencies":
        """The numbers of one array."""
        return cls(*(int(getattr(timing, name)) for name in cls._fields))


@njit(cache=True, nogil=True)
def find_columns(x):
    """Items of one start, in broadcast order.

    x int64 [vectors, n] -> int32 [items]: non-zero columns of each vector, then a TOKEN.
    """
    vectors, n = x.shape
    columns = np.empty(vectors * (n + 1), np.int32)
    items = 0
    for vector in range(vectors):
        for j in range(n):
            columns[items] = j
            items += x[vector, j] != 0
        columns[items] = TOKEN
        items += 1
    return columns[:items]


@njit(cache=True, nogil=True)
def _advance(broadcast, entries, lat, known, read, free, freed):
    """Take one column through every PE; returns the last pop. All arrays int [PEs].

    ``known``: X and ``read``: S of the item before, overwritten by this one's; ``free``: first S
    that would follow without a bubble; ``freed``: what ``free`` was.
    """
    earliest = broadcast + lat.queue
    last = earliest
    for i in range(len(read)):
        pop = max(earliest, known[i])
        x = max(pop + lat.pointers, read[i])
        s = max(x + lat.entries, free[i])
        freed[i] = free[i]
        known[i] = x
        read[i] = s
        free[i] = s + max(entries[i], 1)
        last = max(last, pop)
    return last


@njit(cache=True, nogil=True)
def _advance_token(broadcast, lat, dst_rows, known, read, free, freed, pend):
    """The same for a token, which occupies D for a cycle and waits for the writeback before."""
    earliest = broadcast + lat.queue
    last = earliest
    for i in range(len(read)):
        pop = max(earliest, known[i])
        x = max(pop + lat.pointers, read[i])
        s = max(x + lat.entries, free[i], pend[i] + 1)
        freed[i] = free[i]
        known[i] = x
        read[i] = s
        free[i] = s + 1
        pend[i] = s + lat.token + dst_rows
        last = max(last, pop)
    return last


@njit(cache=True, nogil=True)
def _classify(first, last, lat, read, freed, pend, blocked, writeback):
    """Add D's idle cycles before an item to ``blocked`` and ``writeback``, [PEs].

    Blocked are those in first .. last that are not pending. Returns whether a pending interval
    can reach beyond this item.
    """
    reach = False
    for i in range(len(read)):
        begin, end = freed[i] + lat.decode, read[i] + lat.decode - 1
        waiting = max(0, min(end, pend[i]) - begin + 1)
        writeback[i] += waiting
        blocked[i] += max(0, min(end, last) - max(begin + waiting, first) + 1)
        reach |= pend[i] > end
    return reach


@njit(cache=True, nogil=True)
def _held_up(cycle, leave, broadcast, lat):
    """Whether the broadcast register held a refused item in that cycle."""
    k = np.searchsorted(broadcast, cycle, side="right")       # first item broadcast later
    return k < len(broadcast) and leave[k] + lat.broadcast <= cycle
