# SPDX-License-Identifier: Apache-2.0
"""The authors' timing against a simulator that steps single cycles, written from a description."""
from collections import deque

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from openeie.sim.study.authors import TAIL, authors_cycles, bias_column
from openeie.sim.study.workload import occupancy, random_workload


def stepped(acts, counts, buffer_size):
    """Cycles until the last PE has worked off its last column, one step a cycle; rows of zeros that
    are scanned after that are not in it.

    acts [rows, PEs]: what lnzd sees; counts [rows x PEs, PEs]: entries of each column and PE.
    """
    pes = counts.shape[1]
    queues = [deque() for _ in range(pes)]
    left = [0] * pes                    # cycles that a PE still works on its column
    row, lane, cycle, end = 0, 0, 0, 0
    while row < len(acts) or any(queues) or any(left):
        full = any(len(queue) == buffer_size - 1 for queue in queues)
        pushed = None
        if row < len(acts):
            hits = np.flatnonzero(acts[row, lane:])
            if not len(hits):
                row, lane = row + 1, 0                  # finding nothing loads the next row
            elif not full:
                pushed = row * pes + lane + int(hits[0])
                lane += int(hits[0]) + 1
                if lane == pes:
                    row, lane = row + 1, 0
        for pe in range(pes):
            left[pe] = max(0, left[pe] - 1)
            if not left[pe] and queues[pe]:             # one pushed now is seen a cycle later
                left[pe] = max(1, int(counts[queues[pe].popleft(), pe]))
        for queue in queues:
            if pushed is not None:
                queue.append(pushed)
        cycle += 1
        if any(left):
            end = cycle
    return end


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.floats(0, 1), st.floats(0, 1),
       st.integers(1, 6), st.integers(2, 9), st.booleans(), st.integers(0, 99))
def test_recurrence_is_the_stepped_one(m, n, weights, acts, pes, buffer_size, bias, seed):
    layer = random_workload("any", (m, n), weight_density=weights, act_density=acts, seed=seed)
    cycles = authors_cycles(layer, pes, buffer_size=buffer_size, bias=bias)
    place = bias_column(n, pes)
    seen = np.zeros(place + pes * bias, int)
    seen[:n] = layer.acts[0]
    counts = np.zeros((len(seen), pes), int)
    counts[:n] = occupancy(layer.weights, pes, 4)[0]
    if bias:
        seen[place] = 1
        for row in range(m):
            counts[place, row % pes] += 1
    if not seen.any():
        assert cycles == TAIL
        return
    assert cycles == stepped(seen.reshape(-1, pes), counts, buffer_size) + TAIL


def test_a_row_left_early_costs_a_cycle():
    """Two PEs, one entry a column: hits in lanes 0, 1 | 0 | 1 of three rows."""
    layer = random_workload("full", (2, 6), weight_density=1, act_density=1, seed=0)
    acts = np.array([1, 1, 1, 0, 0, 1])
    layer = type(layer)(name="full", weights=layer.weights, acts=acts)
    # Broadcast in cycles 0, 1, 2 and, after the bubble, 4; popped in 5, done in 6.
    assert authors_cycles(layer, 2, bias=False) == 4 + 2 + TAIL
