# SPDX-License-Identifier: Apache-2.0
"""The timing of the simulator with which EIE's authors measured, as far as its behaviour is known.

It differs from our array's in five things. Its lnzd loses a cycle when the last hit of a row of
activations is not in the row's last lane. The bias is a column of its own, behind the padded last
row, with an activation of 1 and a weight in every row. A queue of buffer size 8 holds 7. Nothing
happens between the queue and the arithmetic unit but the entries themselves. A layer ends seven
cycles after the last entry, without a writeback. What remains of it is a recurrence of the same
form as ours (``docs/timing.md``), so published counts can be met without stepping cycles.
"""
import numpy as np

from ...core.errors import InputError
from ..fast.compiled import compiled
from .workload import Workload, occupancy

__all__ = ["TAIL", "authors_cycles", "bias_column"]

#: Cycles from the last entry to the end of a layer.
TAIL = 7


@compiled
def _cycles(columns, counts, usable):
    """Cycles of a vector: columns int32 [items] that are broadcast, counts int32 [n, PEs]."""
    pes = counts.shape[1]
    free = np.zeros(pes, np.int64)              # F: the cycle after a PE's last entry so far
    pops = np.full(usable, -1, np.int64)        # last pop of the items still in a queue
    sent, scanned, row = np.int64(-1), np.int64(0), np.int64(0)
    for k in range(len(columns)):
        column = columns[k]
        if column // pes != row:
            # Rows in between are scanned too, one a cycle, and a scan that ends a row without a
            # hit in its last lane costs its own.
            full = k > 0 and columns[k - 1] % pes == pes - 1
            scanned += column // pes - row - (1 if full else 0)
            row = column // pes
        earliest = scanned if k == 0 else max(scanned, sent + 1)
        broadcast = max(earliest, pops[k % usable] + 1)
        last = np.int64(0)
        for i in range(pes):
            pop = max(free[i], broadcast + 1)
            free[i] = pop + max(counts[column, i], 1)
            last = max(last, pop)
        pops[k % usable] = last
        sent, scanned = broadcast, broadcast + 1
    return np.max(free)


def bias_column(n: int, pes: int) -> int:
    """Number of the column in which the biases stand: behind the last, padded row."""
    return -(-n // pes) * pes


def authors_cycles(layer: Workload, pes: int, *, run_width: int = 4, buffer_size: int = 8,
                   bias: bool = True) -> int:
    """Cycles of ``layer``, which has one vector.

    Parameters
    ----------
    buffer_size : of each queue; one place of it stays empty.
    bias : whether there is a column for it, full and always broadcast.

    Raises
    ------
    InputError : the layer has several vectors, which that simulator has not.
    """
    if len(layer.acts) != 1:
        raise InputError(f"layer {layer.name!r}: the authors' timing is of one vector, not of "
                         f"{len(layer.acts)}; give its activations as [n]")
    counts, _ = occupancy(layer.weights, pes, run_width)
    columns = np.flatnonzero(layer.acts[0]).astype(np.int32)
    m, n = layer.shape
    if bias:
        place = bias_column(n, pes)
        counts = np.concatenate([counts, np.zeros((place + 1 - n, pes), np.int32)])
        counts[place] = np.bincount(np.arange(m) % pes, minlength=pes)
        columns = np.append(columns, np.int32(place))
    if not len(columns):
        return TAIL
    return int(_cycles(columns, counts, buffer_size - 1)) + TAIL
