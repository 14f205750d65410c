# SPDX-License-Identifier: Apache-2.0
"""The timing of the simulator that EIE's authors used, as far as its behaviour is known.

It differs from our array's timing in five ways. Its lnzd loses a cycle when the last hit of a row
of activations is not in the row's last lane. The bias is a column of its own after the padded last
row, with an activation of 1 and a weight in every row. A queue with buffer size 8 holds 7 items.
There are no pipeline stages between the queue and the arithmetic unit. A layer ends seven cycles
after its last entry, without a writeback. The result is a recurrence of the same form as ours
(``docs/timing.md``), so published counts can be reproduced without stepping cycles.
"""
import numpy as np

from ...core.errors import InputError
from ..fast.native.library import library
from .workload import Workload, occupancy

__all__ = ["TAIL", "authors_cycles", "bias_column"]

#: Cycles from the last entry to the end of a layer.
TAIL = 7


def _cycles_in_numpy(columns: np.ndarray, counts: np.ndarray, usable: int) -> int:
    """The cycle after the last entry of a vector: columns int32 [items] in broadcast order, counts
    int32 [n, PEs], usable entries of a queue. Compiled code computes the same, if there is any."""
    pes = counts.shape[1]
    free = np.zeros(pes, np.int64)              # the cycle after a PE's last entry so far
    pops = [-1] * usable                        # last pop of the items still in a queue
    sent = -1
    scanned = 0
    row = 0
    before = 0                                  # the column before
    for k, column in enumerate(columns.tolist()):
        if column // pes != row:
            # Rows in between take a cycle each, and so does the end of a row without a hit in its
            # last lane.
            is_full = k > 0 and before % pes == pes - 1
            scanned += column // pes - row - is_full
            row = column // pes
        earliest = scanned if k == 0 else max(scanned, sent + 1)
        broadcast = max(earliest, pops[k % usable] + 1)
        pop = np.maximum(free, broadcast + 1)
        free = pop + np.maximum(counts[column], 1)
        pops[k % usable] = int(pop.max())
        sent = broadcast
        scanned = broadcast + 1
        before = column
    return int(free.max())


def _cycles(columns: np.ndarray, counts: np.ndarray, usable: int) -> int:
    """:func:`_cycles_in_numpy` by compiled code, if there is any."""
    native = library()
    if native is None:
        return _cycles_in_numpy(columns, counts, usable)
    return native.authors(columns, len(columns), counts, counts.shape[1], usable)


def bias_column(n: int, pes: int) -> int:
    """Number of the column that holds the biases: the first one after the padded last row."""
    return -(-n // pes) * pes


def authors_cycles(layer: Workload, pes: int, *, run_width: int = 4, buffer_size: int = 8,
                   bias: bool = True) -> int:
    """Cycles of ``layer``, which must have one vector.

    Parameters
    ----------
    run_width : bits of a run.
    buffer_size : of each queue; one place always stays empty.
    bias : whether there is a column for the biases, which has all weights and is always broadcast.

    Raises
    ------
    InputError : the layer has several vectors, which that simulator cannot take.
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
