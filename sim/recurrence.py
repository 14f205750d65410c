# SPDX-License-Identifier: Apache-2.0
"""The recurrence of docs/timing.md, compiled: cycles and counters of one start of a layer.

Every loop over PEs is innermost and contiguous, so that the compiler turns it into vector
instructions; the cost is linear in broadcast columns x PEs, whatever the number of entries.
All cycles are int64.

Compiled code is kept on disk beside this file. Numba notices a change of the file that a function
stands in, but not of one it calls; so compiled functions call only those of their own file.
"""
from typing import NamedTuple

import numpy as np
from numba import njit

from ..core.counters import COUNTERS
from ..core.timing import Timing

__all__ = ["TOKEN", "Latencies", "Shape", "find_columns", "start_cycles", "all_cycles"]

#: Stands for a column number in a list of items: the end of a vector.
TOKEN = -1

_NEVER = -(1 << 40)                 # before every cycle, and safe to add to
_BUSY, _FILLER, _EMPTY, _STARVED, _BLOCKED, _WRITEBACK, _DRAIN = range(len(COUNTERS))


class Latencies(NamedTuple):
    """:class:`openeie.core.timing.Timing` as plain numbers, which compiled code can take."""
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
    dst_rows: int
    queue_depth: int
    acc_banks: int
    lanes: int          # columns of a row of activations; 1 where each PE takes its own


@njit(cache=True, nogil=True)
def find_columns(x):
    """Items of one start in broadcast order: each vector's non-zero columns, then a TOKEN.

    x int64 [vectors, n] -> int32 [items].
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
    """Take a column through every PE; returns the last pop.

    Per PE: ``entries`` in the column; ``known`` = X and ``read`` = S of the item before, replaced
    by this one's; ``free`` = the S that follows without a bubble; ``freed`` = the ``free`` before.
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
def _hold(read, free, pend):
    """Let an item wait in A for the writeback of the vector before it."""
    for i in range(len(read)):
        work = free[i] - read[i]
        read[i] = max(read[i], pend[i])
        free[i] = read[i] + work


@njit(cache=True, nogil=True)
def _classify(first, last, lat, read, freed, pend, blocked, writeback):
    """Sort D's idle cycles before an item into ``blocked`` and ``writeback``, per PE.

    Those up to ``pend`` are writeback; of the others, those in first .. last are blocked.
    Returns whether a pending interval reaches beyond the item.
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
def _run_items(columns, counts, shape, lat, blocked, writeback):
    """Walk all items; adds D's idle cycles to ``blocked`` and ``writeback``, [PEs].

    Returns S of the last token and Pend after it, [PEs].
    """
    pes = len(blocked)
    known, read, freed = np.full(pes, _NEVER), np.full(pes, _NEVER), np.full(pes, _NEVER)
    free, pend = np.full(pes, -lat.counted - lat.decode), np.full(pes, _NEVER)
    pops = np.full(shape.queue_depth, _NEVER)       # last pop of each item still in a queue
    nothing = np.zeros(pes, counts.dtype)           # a token's entries
    lag = lat.queue + lat.pointers + lat.entries + lat.decode
    vector, row_before, pending = 0, 0, False
    leave, broadcast = 0, 0
    for k in range(len(columns)):
        j, slot = columns[k], k % shape.queue_depth
        token = j == TOKEN
        row = vector * shape.src_rows + (shape.src_rows - 1 if token else j // shape.lanes)
        if k == 0:
            leave = lat.first_scan + row
        else:
            leave = max(leave + max(1, row - row_before), broadcast)
        broadcast = max(leave + lat.broadcast, pops[slot] + lat.refill)
        row_before = row

        pops[slot] = _advance(broadcast, nothing if token else counts[j], lat,
                              known, read, free, freed)
        # A single bank is not free for the next vector's columns either.
        if token or (shape.acc_banks == 1 and pending):
            _hold(read, free, pend)
        first, last = leave + lat.broadcast + lag, broadcast + lag - 1
        if pending or last >= first:
            pending = _classify(first, last, lat, read, freed, pend, blocked, writeback)
        if token:
            pend[:] = read + lat.token + lat.row * shape.dst_rows
            vector, pending = vector + 1, True
    return read, pend


@njit(cache=True, nogil=True)
def _tally(columns, counts, fillers, counters):
    """Cycles in which D holds something, whenever that is; counters int64 [7, PEs]."""
    for j in columns:
        if j == TOKEN:
            counters[_WRITEBACK] += 1
            continue
        for i in range(counts.shape[1]):
            counters[_BUSY, i] += counts[j, i] - fillers[j, i]
            counters[_FILLER, i] += fillers[j, i]
            counters[_EMPTY, i] += counts[j, i] == 0


@njit(cache=True, nogil=True)
def start_cycles(columns, counts, fillers, shape, lat, counters):
    """One start of a layer: returns its cycles, and adds to counters int64 [7, PEs] (zeros).

    columns int32 [items]; counts, fillers int32 [n, PEs]: entries, and fillers among them.
    """
    read, pend = _run_items(columns, counts, shape, lat, counters[_BLOCKED],
                            counters[_WRITEBACK])
    _tally(columns, counts, fillers, counters)
    cycles = np.max(pend) + lat.commit
    # After the last token D idles: pending, then drain until the last counted cycle.
    counters[_WRITEBACK] += pend - read - lat.decode
    counters[_DRAIN] += cycles - 1 - lat.counted - pend
    counters[_STARVED] = cycles - np.sum(counters, axis=0)
    return cycles


@njit(cache=True, nogil=True)
def all_cycles(x, counts, fillers, shape, lat, cycles, counters):
    """Every start of a batch: x int64 [starts, vectors, n] -> cycles [starts], counters
    [starts, PEs, 7]."""
    for start in range(len(x)):
        columns = find_columns(x[start])
        by_counter = np.zeros((counters.shape[2], counters.shape[1]), np.int64)
        cycles[start] = start_cycles(columns, counts, fillers, shape, lat, by_counter)
        counters[start] = by_counter.T
