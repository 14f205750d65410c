# SPDX-License-Identifier: Apache-2.0
"""The recurrence of docs/timing.md in NumPy: what ``native/recurrence.cpp`` computes, item by item.

It is the readable form, and serves where there is no C++ compiler. Arrays are over the PEs that
share a broadcast; cycles are int64.
"""
from dataclasses import dataclass

import numpy as np

from ...core.array.counters import COUNTERS
from .recurrence_state import TOKEN, Latencies, Log, Shape

__all__ = ["launch"]

_NEVER = -(1 << 40)                 # before every cycle, and far from overflow
_BUSY, _FILLER, _EMPTY, _STARVED, _BLOCKED, _WRITEBACK, _DRAIN = range(len(COUNTERS))


@dataclass(eq=False)
class _Group:
    """State of the PEs that share a broadcast: of a cluster, or of the whole array.

    Attributes
    ----------
    known, read, pend : int64 [PEs]: X, S and Pend of docs/timing.md, of the last item.
    free, freed : int64 [PEs]: the S that would follow without a bubble, and the one before.
    pops : int64 [queue_depth], last pop of each item that is still in a queue.
    counters : int64 [7, PEs], in the order of :data:`~openeie.core.array.counters.COUNTERS`.
    leave, broadcast : L and T of the last item.
    items : number of items so far.
    pending : whether a writeback goes on.
    ready : the first cycle in which the cluster's lnzd can take another row.
    """
    known: np.ndarray
    read: np.ndarray
    pend: np.ndarray
    free: np.ndarray
    freed: np.ndarray
    pops: np.ndarray
    counters: np.ndarray
    leave: int = 0
    broadcast: int = 0
    items: int = 0
    pending: bool = False
    ready: int = 0

    @classmethod
    def before_the_first_item(cls, pes: int, shape: Shape, lat: Latencies) -> "_Group":
        return cls(
            known=np.full(pes, _NEVER), read=np.full(pes, _NEVER), pend=np.full(pes, _NEVER),
            free=np.full(pes, -lat.counted - lat.decode), freed=np.full(pes, _NEVER),
            pops=np.full(shape.queue_depth, _NEVER),
            counters=np.zeros((len(COUNTERS), pes), np.int64))


class _Launch:
    """One launch, while its items pass."""

    def __init__(self, counts: np.ndarray, fillers: np.ndarray, shape: Shape, lat: Latencies,
                 log: Log | None) -> None:
        self.counts = counts
        self.fillers = fillers
        self.shape = shape
        self.lat = lat
        self.log = log
        clusters, _, pes = counts.shape
        self.groups = [_Group.before_the_first_item(pes, shape, lat) for _ in range(clusters)]

    def send(self, number: int, column: int, leave: int) -> None:
        """Take an item that leaves lnzd in cycle ``leave`` through broadcast and every PE of
        cluster ``number``."""
        lat = self.lat
        group = self.groups[number]
        is_token = column == TOKEN
        slot = group.items % self.shape.queue_depth
        broadcast = max(leave + lat.broadcast, int(group.pops[slot]) + lat.refill)
        work = np.ones(len(group.read), np.int64)
        if not is_token:
            work = np.maximum(self.counts[number, column], 1)
        pop = np.maximum(broadcast + lat.queue, group.known)
        group.freed = group.free
        group.known = np.maximum(pop + lat.pointers, group.read)
        group.read = np.maximum(group.known + lat.entries, group.free)
        group.pops[slot] = pop.max()
        # A single bank is not free for the next vector's columns either.
        if is_token or (self.shape.acc_banks == 1 and group.pending):
            group.read = np.maximum(group.read, group.pend)
        group.free = group.read + work
        if self.log is not None:
            self._write_log(self.log.numbers[number, group.items], group, leave, broadcast, pop)
        self._count_idle(group, leave, broadcast)
        self._count_work(group, number, column)
        if is_token:
            group.pend = group.read + lat.token + lat.row * self.shape.acc_rows
            group.pending = True
        group.leave = leave
        group.broadcast = broadcast
        group.items += 1

    def _write_log(self, k: int, group: _Group, leave: int, broadcast: int, pop: np.ndarray
                   ) -> None:
        self.log.leave[k] = leave
        self.log.broadcast[k] = broadcast
        self.log.pop[k] = pop
        self.log.known[k] = group.known
        self.log.read[k] = group.read

    def _count_idle(self, group: _Group, leave: int, broadcast: int) -> None:
        """Count the idle cycles of ``decode_column`` before an item: those up to ``pend`` are
        writeback; of the others, those that the item's broadcast was refused are blocked."""
        lat = self.lat
        lag = lat.queue + lat.pointers + lat.entries + lat.decode
        first = leave + lat.broadcast + lag
        last = broadcast + lag - 1
        if not group.pending and last < first:
            return
        begin = group.freed + lat.decode
        end = group.read + lat.decode - 1
        waiting = np.maximum(0, np.minimum(end, group.pend) - begin + 1)
        group.counters[_WRITEBACK] += waiting
        refused = np.minimum(end, last) - np.maximum(begin + waiting, first) + 1
        group.counters[_BLOCKED] += np.maximum(0, refused)
        group.pending = bool((group.pend > end).any())

    def _count_work(self, group: _Group, number: int, column: int) -> None:
        """Count the cycles for which ``decode_column`` holds an item, whenever that is."""
        if column == TOKEN:
            group.counters[_WRITEBACK] += 1
            return
        entries = self.counts[number, column]
        fillers = self.fillers[number, column]
        group.counters[_BUSY] += entries - fillers
        group.counters[_FILLER] += fillers
        group.counters[_EMPTY] += entries == 0

    def run_row(self, number: int, columns: np.ndarray, accept: int, *, is_last: bool) -> None:
        """Send the items of one row, which lnzd takes in cycle ``accept``: ``columns``, and after
        the last row of a vector its token."""
        group = self.groups[number]
        items = [*columns.tolist(), TOKEN] if is_last else columns.tolist()
        leave = accept
        for column in items:
            leave = max(leave + 1, group.broadcast)
            self.send(number, column, leave)
        group.ready = leave if items else accept + 1

    def finish(self) -> int:
        """Count what follows the last token, pending and then drain, and the starved cycles: all
        that are not counted otherwise. Returns the cycles of the launch."""
        lat = self.lat
        cycles = max(int(group.pend.max()) for group in self.groups) + lat.commit
        for group in self.groups:
            group.counters[_WRITEBACK] += group.pend - group.read - lat.decode
            group.counters[_DRAIN] += cycles - 1 - lat.counted - group.pend
            group.counters[_STARVED] = cycles - group.counters.sum(axis=0)
        return cycles


def launch(items: np.ndarray, vectors: int, counts: np.ndarray, fillers: np.ndarray,
           shape: Shape, lat: Latencies, log: Log | None = None) -> tuple[int, np.ndarray]:
    """One launch: its cycles, and counters int64 [clusters x PEs, 7].

    The clusters take the vectors in turn, a row of each one's vector at a time.

    items : int32 [items]: the columns of each vector, then a TOKEN.
    counts, fillers : int32 [clusters, n, PEs of a cluster]: entries, and fillers among them.
    log : a :class:`Log` to fill, if any.
    """
    clusters = len(counts)
    state = _Launch(counts, fillers, shape, lat, log)
    of_vector = np.split(items, np.flatnonzero(items == TOKEN) + 1)[:vectors]
    accept = lat.first_scan - 2                 # when a cluster took the row before
    for first in range(0, vectors, clusters):
        turn = [vector[:-1] for vector in of_vector[first:first + clusters]]
        for row in range(shape.src_rows):
            for number, columns in enumerate(turn):
                accept = max(accept + 1, state.groups[number].ready)
                mine = columns[columns // shape.lanes == row]
                state.run_row(number, mine, accept, is_last=row == shape.src_rows - 1)
    cycles = state.finish()
    return cycles, np.concatenate([group.counters.T for group in state.groups])
