# SPDX-License-Identifier: Apache-2.0
"""The recurrence of docs/timing.md, compiled: cycles and counters of one launch of a tile.

Loops over PEs are innermost and contiguous, so that the compiler turns them into vector
instructions. The cost is linear in broadcast columns x PEs and does not depend on the number of
entries. All cycles are int64.

Compiled code is kept on disk (:mod:`.compiled`). Numba notices when the file of a function changes,
but not when a file does whose functions it calls. So compiled functions call only those of their
own file.
"""
import numpy as np

from ...core.array.counters import COUNTERS
from .compiled import compiled
from .recurrence_state import Group, Latencies, Log, Shape

__all__ = ["TOKEN", "Latencies", "Log", "Shape", "find_columns", "launch_cycles",
           "clustered_cycles", "all_cycles"]

#: In place of a column number in a list of items: the end of a vector.
TOKEN = -1

_NEVER = -(1 << 40)                 # before every cycle, and far from overflow
_LEAVE, _BROADCAST, _ITEMS, _PENDING = range(4)         # elements of a group's clock
_BUSY, _FILLER, _EMPTY, _STARVED, _BLOCKED, _WRITEBACK, _DRAIN = range(len(COUNTERS))


@compiled
def find_columns(x: np.ndarray) -> np.ndarray:
    """Items of one launch in broadcast order: each vector's non-zero columns, then a TOKEN.

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


@compiled
def _pop(broadcast, known, lat):
    """Cycle in which an item of this broadcast leaves a PE's queue; ``known`` = X of the item
    before."""
    return max(broadcast + lat.queue, known)


@compiled
def _advance(broadcast, entries, lat, known, read, free, freed):
    """Take a column through every PE; returns the last pop.

    All arrays are [PEs]. ``entries`` in the column; ``known`` = X and ``read`` = S of the item
    before, replaced by this one's; ``free`` = the S that would follow without a bubble;
    ``freed`` = the ``free`` before.
    """
    last = broadcast + lat.queue
    for i in range(len(read)):
        pop = _pop(broadcast, known[i], lat)
        x = max(pop + lat.pointers, read[i])
        s = max(x + lat.entries, free[i])
        freed[i] = free[i]
        known[i] = x
        read[i] = s
        free[i] = s + max(entries[i], 1)
        last = max(last, pop)
    return last


@compiled
def _hold(read, free, pend):
    """Let an item wait in ``next_column`` for the writeback of the vector before it."""
    for i in range(len(read)):
        work = free[i] - read[i]
        read[i] = max(read[i], pend[i])
        free[i] = read[i] + work


@compiled
def _classify(first, last, lat, read, freed, pend, blocked, writeback):
    """Add the idle cycles of ``decode_column`` before an item to ``blocked`` and ``writeback``.

    Both are int64 [PEs].

    Those up to ``pend`` are writeback; of the others, those in first .. last are blocked.
    Returns whether a pending interval reaches beyond the item.
    """
    reach = False
    for i in range(len(read)):
        begin = freed[i] + lat.decode
        end = read[i] + lat.decode - 1
        waiting = max(0, min(end, pend[i]) - begin + 1)
        writeback[i] += waiting
        blocked[i] += max(0, min(end, last) - max(begin + waiting, first) + 1)
        reach |= pend[i] > end
    return reach


@compiled
def _new_group(number, pes, shape, lat, counters):
    """The PEs of cluster ``number`` before the first item; their counters int64 [7, PEs]."""
    return Group(
        number=number,
        known=np.full(pes, _NEVER), read=np.full(pes, _NEVER), freed=np.full(pes, _NEVER),
        free=np.full(pes, -lat.counted - lat.decode), pend=np.full(pes, _NEVER),
        pops=np.full(shape.queue_depth, _NEVER), clock=np.zeros(4, np.int64),
        counters=counters, nothing=np.zeros(pes, np.int32))


@compiled
def _send(group, counts, column, leave, shape, lat, log):
    """Take an item that leaves lnzd in cycle ``leave`` through broadcast and every PE.

    ``log`` is None in plain runs, for which Numba compiles no code to fill it.
    """
    clock, pend = group.clock, group.pend
    token = column == TOKEN
    lag = lat.queue + lat.pointers + lat.entries + lat.decode
    slot = clock[_ITEMS] % shape.queue_depth
    broadcast = max(leave + lat.broadcast, group.pops[slot] + lat.refill)
    if log is not None:
        k = log.numbers[group.number, clock[_ITEMS]]
        log.leave[k] = leave
        log.broadcast[k] = broadcast
        for i in range(len(group.known)):
            log.pop[k, i] = _pop(broadcast, group.known[i], lat)
    group.pops[slot] = _advance(broadcast, group.nothing if token else counts[column], lat,
                                group.known, group.read, group.free, group.freed)
    # A single bank is not free for the next vector's columns either.
    if token or (shape.acc_banks == 1 and clock[_PENDING]):
        _hold(group.read, group.free, pend)
    if log is not None:
        log.known[k] = group.known
        log.read[k] = group.read
    first = leave + lat.broadcast + lag
    last = broadcast + lag - 1
    if clock[_PENDING] or last >= first:
        clock[_PENDING] = _classify(first, last, lat, group.read, group.freed, pend,
                                    group.counters[_BLOCKED], group.counters[_WRITEBACK])
    if token:
        pend[:] = group.read + lat.token + lat.row * shape.acc_rows
        clock[_PENDING] = 1
    clock[_LEAVE], clock[_BROADCAST] = leave, broadcast
    clock[_ITEMS] += 1


@compiled
def _run_items(columns, counts, shape, lat, group, log):
    """Send all items, int32 [items], one after another."""
    clock = group.clock
    vector = 0
    row_before = 0
    for k in range(len(columns)):
        j = columns[k]
        token = j == TOKEN
        row = vector * shape.src_rows + (shape.src_rows - 1 if token else j // shape.lanes)
        if k == 0:
            leave = lat.first_scan + row
        else:
            leave = max(clock[_LEAVE] + max(1, row - row_before), clock[_BROADCAST])
        row_before = row
        _send(group, counts, j, leave, shape, lat, log)
        vector += token


@compiled
def _tally(column, counts, fillers, counters):
    """Count the cycles for which ``decode_column`` holds an item, whenever that is.

    ``counters`` is int64 [7, PEs].
    """
    if column == TOKEN:
        counters[_WRITEBACK] += 1
        return
    for i in range(counts.shape[1]):
        counters[_BUSY, i] += counts[column, i] - fillers[column, i]
        counters[_FILLER, i] += fillers[column, i]
        counters[_EMPTY, i] += counts[column, i] == 0


@compiled
def _finish(group, cycles, lat):
    """Count what follows the last token, pending and then drain, and the starved cycles: all that
    are not counted otherwise."""
    counters = group.counters
    counters[_WRITEBACK] += group.pend - group.read - lat.decode
    counters[_DRAIN] += cycles - 1 - lat.counted - group.pend
    counters[_STARVED] = cycles - np.sum(counters, axis=0)


@compiled
def launch_cycles(columns: np.ndarray, counts: np.ndarray, fillers: np.ndarray, shape: Shape,
                  lat: Latencies, counters: np.ndarray, log: Log | None = None) -> int:
    """One launch of a tile: returns its cycles, and adds to counters int64 [7, PEs] (zeros).

    columns int32 [items]; counts, fillers int32 [n, PEs]: entries, and fillers among them; log:
    a :class:`Log` to fill, if any.
    """
    group = _new_group(0, counts.shape[1], shape, lat, counters)
    _run_items(columns, counts, shape, lat, group, log)
    for column in columns:
        _tally(column, counts, fillers, counters)
    cycles = np.max(group.pend) + lat.commit
    _finish(group, cycles, lat)
    return cycles


@compiled
def _run_row(acts, first, ends, scanned, counts, fillers, shape, lat, group, log):
    """Send the items of one row, which lnzd takes in cycle ``scanned``; returns the first cycle
    in which it can take another.

    acts int64 [lanes], of columns ``first``, ``first + 1``, ...; ``ends``: the row is the last one
    of its vector, so a token follows.
    """
    leave = scanned
    empty = True
    for lane in range(len(acts) + ends):
        token = lane == len(acts)
        if token or acts[lane] != 0:
            leave = max(leave + 1, group.clock[_BROADCAST])
            empty = False
            column = TOKEN if token else first + lane
            _send(group, counts, column, leave, shape, lat, log)
            _tally(column, counts, fillers, group.counters)
    return scanned + 1 if empty else leave


@compiled
def clustered_cycles(x: np.ndarray, counts: np.ndarray, fillers: np.ndarray, shape: Shape,
                     lat: Latencies, counters: np.ndarray, log: Log | None = None) -> int:
    """One launch of a tile whose vectors the clusters take in turn: returns its cycles.

    x int64 [vectors, n]; counts, fillers int32 [clusters, n, PEs of a cluster]; adds to counters
    int64 [clusters, 7, PEs of a cluster] (zeros); log: a :class:`Log` to fill, if any.
    """
    clusters, n, pes = counts.shape
    groups = [_new_group(q, pes, shape, lat, counters[q]) for q in range(clusters)]
    ready = np.zeros(clusters, np.int64)        # when a cluster's lnzd can take another row
    scanned = lat.first_scan - 2                # when a cluster took the row before
    for vector in range(0, len(x), clusters):
        for row in range(shape.src_rows):
            first = row * shape.lanes
            end = min(first + shape.lanes, n)
            for q in range(min(clusters, len(x) - vector)):
                scanned = max(scanned + 1, ready[q])
                ready[q] = _run_row(x[vector + q, first:end], first, row == shape.src_rows - 1,
                                    scanned, counts[q], fillers[q], shape, lat, groups[q],
                                    log)
    cycles = 0
    for q in range(clusters):
        cycles = max(cycles, np.max(groups[q].pend) + lat.commit)
    for q in range(clusters):
        _finish(groups[q], cycles, lat)
    return cycles


@compiled
def all_cycles(x: np.ndarray, counts: np.ndarray, fillers: np.ndarray, shape: Shape,
               lat: Latencies, cycles: np.ndarray, counters: np.ndarray) -> None:
    """Every launch of a batch; fills cycles int64 [launches] and counters int64 [launches, PEs, 7].

    x int64 [launches, vectors, n]; counts, fillers int32 [clusters, n, PEs of a cluster].
    """
    clusters, _, pes = counts.shape
    for launch in range(len(x)):
        by_counter = np.zeros((clusters, counters.shape[2], pes), np.int64)
        if clusters > 1:
            cycles[launch] = clustered_cycles(x[launch], counts, fillers, shape, lat, by_counter)
        else:
            columns = find_columns(x[launch])
            cycles[launch] = launch_cycles(columns, counts[0], fillers[0], shape, lat,
                                         by_counter[0])
        for q in range(clusters):
            counters[launch, q * pes:(q + 1) * pes] = by_counter[q].T
