# SPDX-License-Identifier: Apache-2.0
"""One launch of a tile, item by item: when each is broadcast, popped and read in every PE.

The recurrence of docs/timing.md with a log of what ``fast`` throws away. The log's memory grows
with items x PEs, so it is for charts and timelines of a single launch.
"""
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

import numpy as np

from ...core.array.timing import Timing
from ...core.compile.program import TilePlan, Program
from ...core.errors import CapacityError
from ...core.run import Run
from ..fast.layer_inputs import reader
from ..fast.layer_time import map_items, plan_cycles, plan_entries, position_entries
from ..fast.recurrence import TOKEN
from ..fast.recurrence_state import Latencies, Log

__all__ = ["MOST_CELLS", "Trace", "trace_launch", "traces", "QueueTrace", "occupancy"]

#: Items x PEs of the largest launch that is traced; each takes 12 bytes.
MOST_CELLS = 1 << 24


@dataclass(frozen=True, kw_only=True, eq=False)
class Trace:
    """One launch of one tile; cycle 0 fetches its descriptor.

    Attributes
    ----------
    name : the tile's.
    pes : of the array.
    clusters : that share the tile's positions.
    queue_depth : usable entries of each PE's queue.
    cycles : of the launch.
    items : int32 [items]: columns in the order of the vectors, TOKEN after each vector.
    cluster : int64 [items]: the cluster that takes the item.
    counts, fillers : int32 [n, PEs of a cluster]: entries of each column, and fillers among them.
    leave, broadcast : int32 [items]: L and T of docs/timing.md.
    pop, known, read : int32 [items, PEs of a cluster]: pop, X and S.
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
    known: np.ndarray
    read: np.ndarray
    pend: int
    lat: Latencies

    def of(self, pe: int) -> tuple[np.ndarray, int]:
        """Numbers of the items that PE ``pe`` of the array gets, int64 [items of its cluster],
        and the PE's number in its cluster."""
        cluster, inside = divmod(pe, self.counts.shape[1])
        return np.flatnonzero(self.cluster == cluster), inside


def trace_launch(program: Program, run: Run, x: np.ndarray, number: int, launch: int = 0
                 ) -> Trace:
    """The trace of tile ``number`` in launch ``launch`` of a run on inputs x [batch, n].

    Raises
    ------
    CapacityError : it has more than :data:`MOST_CELLS` items x PEs.
    """
    present = _present(program, reader(program, run, x), number, launch)
    items = map_items(program, number, present)
    pes = program.config.pes // program.tiles[number].clusters
    if len(items) * pes > MOST_CELLS:
        raise CapacityError(f"layer {program.tiles[number].name}: a trace holds {MOST_CELLS:,} "
                            f"items x PEs at most, not {len(items):,} x {pes}; trace a smaller "
                            f"layer")
    return _trace(program, number, items)


def traces(program: Program, run: Run, x: np.ndarray, launch: int = 0,
           only: Collection[int] | None = None) -> Iterator[tuple[TilePlan, Trace | None]]:
    """Each tile and its trace in one launch, one at a time; None where that would be too large.

    run : of ``program`` on inputs x [batch, n].
    only : numbers of the tiles to trace; all if None.
    """
    read = reader(program, run, x)
    for number, plan in enumerate(program.tiles):
        if only is not None and number not in only:
            continue
        items = map_items(program, number, _present(program, read, number, launch))
        fits = len(items) * (program.config.pes // plan.clusters) <= MOST_CELLS
        yield plan, _trace(program, number, items) if fits else None


def _present(program: Program, read: Callable[[int], np.ndarray], number: int, launch: int
             ) -> np.ndarray:
    """Which activations that the tile's layer reads are not zero, bool [vectors, n]."""
    mine = slice(launch * program.vectors, (launch + 1) * program.vectors)
    return read(program.tiles[number].layer)[mine] != 0


def _trace(program: Program, number: int, items: np.ndarray) -> Trace:
    """The trace of tile ``number`` on ``items``, int32 [items]."""
    plan = program.tiles[number]
    config = program.config
    vector = np.cumsum(items == TOKEN) - (items == TOKEN)
    cluster = vector % plan.clusters
    log = _new_log(cluster, plan.clusters, config.pes // plan.clusters)
    cycles, _ = plan_cycles(plan, config, items, *plan_entries(plan, config), log=log)
    counts, fillers = position_entries(plan, config)
    lat = Latencies.of(Timing(config))
    return Trace(
        name=plan.name, pes=config.pes, clusters=plan.clusters, queue_depth=config.queue_depth,
        cycles=cycles, items=items, cluster=cluster, counts=counts, fillers=fillers,
        leave=log.leave, broadcast=log.broadcast, pop=log.pop, known=log.known, read=log.read,
        pend=lat.token + lat.row * plan.acc_rows, lat=lat)


def _new_log(cluster: np.ndarray, clusters: int, pes: int) -> Log:
    """An empty log; ``cluster`` int64 [items] takes each item, and has ``pes`` PEs."""
    mine = [np.flatnonzero(cluster == number) for number in range(clusters)]
    numbers = np.zeros((clusters, max(map(len, mine))), np.int64)
    for row, taken in zip(numbers, mine):
        row[:len(taken)] = taken
    times = np.zeros((2, len(cluster)), np.int32)
    cells = np.zeros((3, len(cluster), pes), np.int32)
    return Log(numbers, *times, *cells)


@dataclass(frozen=True, kw_only=True, eq=False)
class QueueTrace:
    """How full the PEs' queues were, by intervals of ``step`` cycles (the last may be shorter).

    Attributes
    ----------
    name : the tile's.
    depth : usable entries of a queue.
    cycles : of the launch.
    step : cycles of an interval.
    pes : of the array.
    total : int64 [intervals]: waiting items, summed over PEs and cycles.
    most : int64 [intervals]: waiting items in the fullest queue at the fullest moment.
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
        """Waiting items per PE, the mean over PEs and cycles, float [intervals]."""
        first = np.arange(len(self.total)) * self.step
        return self.total / (np.minimum(self.step, self.cycles - first) * self.pes)


def occupancy(trace: Trace, bins: int = 200) -> QueueTrace:
    """The queues of a trace in at most ``bins`` intervals.

    An item waits from the cycle after its broadcast up to the cycle of its pop.
    """
    step = max(1, -(-trace.cycles // bins))
    count = -(-trace.cycles // step)
    total = np.zeros(count, np.int64)
    most = np.zeros(count, np.int64)
    for pe in range(trace.pes):
        mine, inside = trace.of(pe)
        size = count * step + 1
        arrived = np.bincount(trace.broadcast[mine] + 1, minlength=size)
        left = np.bincount(trace.pop[mine, inside] + 1, minlength=size)
        level = np.cumsum(arrived - left)[:count * step].reshape(count, step)
        total += level.sum(axis=1)
        most = np.maximum(most, level.max(axis=1))
    return QueueTrace(name=trace.name, depth=trace.queue_depth, cycles=trace.cycles, step=step,
                      pes=trace.pes, total=total, most=most)
