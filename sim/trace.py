# SPDX-License-Identifier: Apache-2.0
"""When each column went where, in one start of a layer: the recurrence, written down as it goes."""
from dataclasses import dataclass

import numpy as np
from numba import njit

from ..core.errors import InputError
from ..core.program import Program
from ..core.timing import Timing
from .items import map_items, plan_entries
from .recurrence import Latencies, Shape, _new_group, _send
from .recurrence import TOKEN

__all__ = ["MOST", "Trace", "trace_layer", "can_trace"]

#: Items times PEs that are written down at most: 24 bytes each.
MOST = 1 << 23


@dataclass(frozen=True, kw_only=True, eq=False)
class Trace:
    """One start of a layer; cycle 0 is the one in which its descriptor's fetch begins.

    Attributes
    ----------
    name : the layer's.
    cycles : of the start.
    columns : int32 [items] as broadcast; ``TOKEN`` behind each vector.
    broadcast : int64 [items], the cycle in which each goes to all queues.
    popped : int64 [items, PEs], in which it leaves each PE's queue.
    begun : int64 [items, PEs], in which its first entry is decoded.
    entries : int32 [items, PEs], how many those are; none in a token.
    """
    name: str
    cycles: int
    columns: np.ndarray
    broadcast: np.ndarray
    popped: np.ndarray
    begun: np.ndarray
    entries: np.ndarray

    @property
    def vectors(self) -> int:
        """Vectors of the start."""
        return int(np.count_nonzero(self.columns == TOKEN))

    def occupancy(self, bins: int = 200) -> tuple[np.ndarray, np.ndarray, int]:
        """Items in a queue over time: the mean of all PEs, the largest of any, [bins'], both of the
        fullest cycle of a bin; and a bin's cycles."""
        pes = self.popped.shape[1]
        change = np.zeros((self.cycles + 1, pes), np.int32)
        np.add.at(change, self.broadcast, 1)
        for pe in range(pes):
            np.subtract.at(change[:, pe], self.popped[:, pe], 1)
        held = np.cumsum(change, axis=0)[:-1]
        width = max(1, -(-self.cycles // bins))
        padded = np.concatenate([held, np.zeros((-len(held) % width, pes), np.int32)])
        by_bin = padded.reshape(-1, width, pes)
        return by_bin.mean(axis=2).max(axis=1), by_bin.max(axis=(1, 2)), width


# Not kept on disk: numba would not notice a change of the functions that it calls.
@njit(nogil=True)
def _write_down(columns, counts, shape, lat, counters, broadcast, popped, begun):
    """Walk all items; fill the arrays and return the cycles."""
    group = _new_group(counts.shape[1], shape, lat, counters)
    vector, row_before, leave = 0, 0, 0
    for k in range(len(columns)):
        j = columns[k]
        token = j == TOKEN
        row = vector * shape.src_rows + (shape.src_rows - 1 if token else j // shape.lanes)
        if k == 0:
            leave = lat.first_scan + row
        else:
            leave = max(group.clock[0] + max(1, row - row_before), group.clock[1])
        row_before = row
        popped[k] = group.known                 # when each PE could take another
        _send(group, counts, j, leave, shape, lat)
        broadcast[k] = group.clock[1]
        popped[k] = np.maximum(popped[k], broadcast[k] + lat.queue)
        begun[k] = group.read + lat.decode
        vector += token
    return np.max(group.pend) + lat.commit


def can_trace(program: Program, number: int) -> bool:
    """Whether plan ``number`` is one broadcast to all PEs: no pool, and not shared by clusters."""
    plan = program.layers[number]
    return not plan.local and plan.clusters == 1


def trace_layer(program: Program, number: int, present: np.ndarray) -> Trace:
    """One start of plan ``number``.

    present : bool [inputs, n], which activations that the layer reads are not zero.

    Raises
    ------
    InputError : a plan that :func:`can_trace` refuses, or one of more than :data:`MOST` items
        times PEs.
    """
    plan, config = program.layers[number], program.config
    if not can_trace(program, number):
        raise InputError(f"layer {plan.name!r} works channel by channel or is shared by clusters; "
                         f"only layers with one broadcast to all PEs can be traced")
    counts, _ = plan_entries(plan, config)
    columns = map_items(program, number, present)
    size = (len(columns), config.pes)
    if size[0] * size[1] > MOST:
        raise InputError(f"layer {plan.name!r} has {size[0]:,} items on {size[1]} PEs; at most "
                         f"{MOST:,} together can be traced")
    counts = np.ascontiguousarray(counts, np.int32)
    broadcast = np.empty(size[0], np.int64)
    popped, begun = np.empty(size, np.int64), np.empty(size, np.int64)
    shape = Shape(src_rows=plan.src_rows, dst_rows=plan.dst_rows, queue_depth=config.queue_depth,
                  acc_banks=config.acc_banks, lanes=config.pes)
    cycles = _write_down(columns, counts, shape, Latencies.of(Timing(config)),
                         np.zeros((7, config.pes), np.int64), broadcast, popped, begun)
    entries = counts[np.maximum(columns, 0)] * (columns != TOKEN)[:, np.newaxis]
    return Trace(name=plan.name, cycles=int(cycles), columns=columns, broadcast=broadcast,
                 popped=popped, begun=begun, entries=entries)
