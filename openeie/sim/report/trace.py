# SPDX-License-Identifier: Apache-2.0
"""One start of a layer, item by item: when each is broadcast, popped and read in every PE.

The recurrence of docs/timing.md once more, keeping what ``fast`` throws away. It costs memory by
items x PEs, so it is for pictures and timelines of one start, and the tests hold it to ``fast``.
"""
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

import numpy as np

from ...core.array.timing import Timing
from ...core.compile.program import TilePlan, Program
from ...core.errors import CapacityError
from ...core.run import Run
from ..fast.compiled import compiled
from ..fast.layer_inputs import reader
from ..fast.layer_time import map_items, plan_shape, position_entries
from ..fast.recurrence import TOKEN
from ..fast.recurrence_state import Latencies

__all__ = ["MOST_CELLS", "Trace", "trace_start", "traces", "QueueTrace", "occupancy"]

#: Items x PEs of the largest start that is traced; a cell takes 8 bytes.
MOST_CELLS = 1 << 24
_NEVER = -(1 << 30)


@compiled
def _step(k, q, work, lat, wait, state, pops, slot, broadcast, pop, read):
    """Take item k of cluster q through its PEs; returns the last pop."""
    known, free, pend = state
    last = broadcast[k]
    for i in range(len(work)):
        pop[k, i] = max(broadcast[k] + lat.queue, known[q, i])
        before = read[k, i]                     # S of the cluster's item before, put there
        known[q, i] = max(pop[k, i] + lat.pointers, before)
        read[k, i] = max(known[q, i] + lat.entries, free[q, i])
        if wait:
            read[k, i] = max(read[k, i], pend[q, i])
        free[q, i] = read[k, i] + max(work[i], 1)
        last = max(last, pop[k, i])
    pops[q, slot] = last


@compiled
def _walk(items, counts, clusters, shape, lat, leave, broadcast, pop, read):
    """Fill leave, broadcast [items] and pop, read [items, PEs of a cluster]; returns the last
    cycle of the last writeback."""
    pes = counts.shape[1]
    ends = np.flatnonzero(items == TOKEN)
    state = (np.full((clusters, pes), _NEVER), np.full((clusters, pes), -lat.counted - lat.decode),
             np.full((clusters, pes), _NEVER))
    pops = np.full((clusters, shape.queue_depth), _NEVER)
    nothing = np.zeros(pes, np.int32)
    sent = np.zeros(clusters, np.int64)
    latest = np.full(clusters, -1)              # item before, of each cluster
    ready = np.zeros(clusters, np.int64)
    place = np.zeros(clusters, np.int64)
    scanned = lat.first_scan - 2
    for vector in range(0, len(ends), clusters):
        present = min(clusters, len(ends) - vector)
        for q in range(present):
            place[q] = ends[vector + q - 1] + 1 if vector + q else 0
        for row in range(shape.src_rows):
            for q in range(present):
                scanned = max(scanned + 1, ready[q])
                ready[q], out = scanned + 1, scanned
                while place[q] <= ends[vector + q]:
                    k = place[q]
                    token = items[k] == TOKEN
                    if (shape.src_rows - 1 if token else items[k] // shape.lanes) != row:
                        break
                    out, read[k] = out + 1, _NEVER
                    if latest[q] >= 0:
                        out, read[k] = max(out, broadcast[latest[q]]), read[latest[q]]
                    slot = sent[q] % shape.queue_depth
                    leave[k] = out
                    broadcast[k] = max(out + lat.broadcast, pops[q, slot] + lat.refill)
                    _step(k, q, nothing if token else counts[items[k]], lat,
                          token or shape.acc_banks == 1, state, pops, slot, broadcast, pop, read)
                    if token:
                        state[2][q] = read[k] + lat.token + lat.row * shape.acc_rows
                    ready[q], latest[q] = out, k
                    place[q] += 1
                    sent[q] += 1
    return np.max(state[2])


@dataclass(frozen=True, kw_only=True, eq=False)
class Trace:
    """One start of one plan; cycle 0 fetches its descriptor.

    Attributes
    ----------
    name : the plan's.
    pes, clusters : of the array, and how many share its positions.
    queue_depth : of each PE.
    cycles : of the start.
    items : int32 [items]: columns in the order of the vectors, TOKEN after each.
    cluster : int64 [items], which takes the item.
    counts, fillers : int32 [n, PEs of a cluster].
    leave, broadcast : int32 [items]: L and T of docs/timing.md.
    pop, read : int32 [items, PEs of a cluster]: pop and S.
    pend : cycles from a token's S to the end of its writeback.
    lat : the array's latencies.
    """
    name: str
    pes: int
    clusters: int
    queue_depth: int
    cycles: int
    items: np.ndarray
    cluster: np.ndarray
    counts: np.ndarray
    fillers: np.ndarray
    leave: np.ndarray
    broadcast: np.ndarray
    pop: np.ndarray
    read: np.ndarray
    pend: int
    lat: Latencies

    def of(self, pe: int) -> tuple[np.ndarray, int]:
        """Which items a PE of the array gets, and its number in its cluster."""
        cluster, inside = divmod(pe, self.counts.shape[1])
        return np.flatnonzero(self.cluster == cluster), inside


def trace_start(program: Program, run: Run, x, number: int, start: int = 0) -> Trace:
    """Start ``start`` of plan ``number`` of a run on inputs x [batch, n].

    Raises
    ------
    CapacityError : it has more than :data:`MOST_CELLS` items x PEs.
    """
    present = _present(program, reader(program, run, x), number, start)
    items = map_items(program, number, present)
    pes = program.config.pes // program.tiles[number].clusters
    if len(items) * pes > MOST_CELLS:
        raise CapacityError(f"layer {program.tiles[number].name}: a trace holds {MOST_CELLS:,} "
                            f"items x PEs at most, not {len(items):,} x {pes}; trace a smaller "
                            f"layer")
    return _trace(program, number, items)


def traces(program: Program, run: Run, x, start: int = 0, only: Collection[int] | None = None
           ) -> Iterator[tuple[TilePlan, Trace | None]]:
    """Every plan, or those of ``only`` these numbers, and its trace in one start, one at a time;
    None where it would be too large."""
    read = reader(program, run, x)
    for number, plan in enumerate(program.tiles):
        if only is not None and number not in only:
            continue
        items = map_items(program, number, _present(program, read, number, start))
        fits = len(items) * (program.config.pes // plan.clusters) <= MOST_CELLS
        yield plan, _trace(program, number, items) if fits else None


def _present(program: Program, read: Callable[[int], np.ndarray], number: int, start: int
             ) -> np.ndarray:
    mine = slice(start * program.vectors, (start + 1) * program.vectors)
    return read(program.tiles[number].layer)[mine] != 0


def _trace(program: Program, number: int, items: np.ndarray) -> Trace:
    plan, config = program.tiles[number], program.config
    counts, fillers = (np.ascontiguousarray(array, np.int32)
                       for array in position_entries(plan, config))
    shape = plan_shape(plan, config)
    lat, size = Latencies.of(Timing(config)), (len(items), counts.shape[1])
    leave, broadcast = np.zeros(size[0], np.int32), np.zeros(size[0], np.int32)
    pop, read = np.zeros(size, np.int32), np.zeros(size, np.int32)
    last = _walk(items, counts, plan.clusters, shape, lat, leave, broadcast, pop, read)
    vector = np.cumsum(items == TOKEN) - (items == TOKEN)
    return Trace(name=plan.name, pes=config.pes, clusters=plan.clusters, lat=lat, items=items,
                 queue_depth=config.queue_depth, cycles=int(last) + lat.commit,
                 cluster=vector % plan.clusters, counts=counts, fillers=fillers, leave=leave,
                 broadcast=broadcast, pop=pop, read=read,
                 pend=lat.token + lat.row * shape.acc_rows)


@dataclass(frozen=True, kw_only=True, eq=False)
class QueueTrace:
    """How full the PEs' queues were, by stretches of ``step`` cycles (the last may be shorter).

    Attributes
    ----------
    name : the plan's.
    depth, cycles, step : of a queue, of the start, of a stretch.
    total : int64 [stretches]: items waiting, summed over PEs and cycles.
    most : int64 [stretches]: in the fullest queue at the fullest moment.
    pes : of the array.
    """
    name: str
    depth: int
    cycles: int
    step: int
    pes: int
    total: np.ndarray
    most: np.ndarray

    @property
    def mean(self) -> np.ndarray:
        """Items waiting in a PE's queue, a mean over PEs and cycles, float [stretches]."""
        first = np.arange(len(self.total)) * self.step
        return self.total / (np.minimum(self.step, self.cycles - first) * self.pes)


def occupancy(trace: Trace, bins: int = 200) -> QueueTrace:
    """The queues of a trace in at most ``bins`` stretches: an item waits from the cycle after its
    broadcast to that of its pop."""
    step = max(1, -(-trace.cycles // bins))
    count = -(-trace.cycles // step)
    total, most = np.zeros(count, np.int64), np.zeros(count, np.int64)
    for pe in range(trace.pes):
        mine, inside = trace.of(pe)
        change = np.bincount(trace.broadcast[mine] + 1, minlength=count * step + 1) \
            - np.bincount(trace.pop[mine, inside] + 1, minlength=count * step + 1)
        level = np.cumsum(change)[:count * step].reshape(count, step)
        total += level.sum(axis=1)
        most = np.maximum(most, level.max(axis=1))
    return QueueTrace(name=trace.name, depth=trace.queue_depth, cycles=trace.cycles, step=step,
                      pes=trace.pes, total=total, most=most)
