# SPDX-License-Identifier: Apache-2.0
"""The authors' timing against a simulator that steps single cycles, written from a description."""
import dataclasses
from collections import deque

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openeie.core.errors import InputError
from openeie.sim.study.authors import TAIL, authors_cycles, bias_column, may_have_bias
from openeie.sim.study.workload import Workload, occupancy, random_workload


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


def stepped_cycles(layer, pes, buffer_size, bias):
    """Cycles of a layer by :func:`stepped`, with a column of biases if ``bias``."""
    m, n = layer.shape
    place = bias_column(n, pes)
    seen = np.zeros(place + pes * bias, int)
    seen[:n] = layer.acts[0] > 0
    counts = np.zeros((len(seen), pes), int)
    counts[:n] = occupancy(layer.weights, pes, 4)[0]
    if bias:
        seen[place] = 1
        for row in range(m):
            counts[place, row % pes] += 1
    if not seen.any():
        return TAIL
    return stepped(seen.reshape(-1, pes), counts, buffer_size) + TAIL


def with_acts(layer, acts):
    return dataclasses.replace(layer, acts=np.asarray(acts))


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.floats(0, 1), st.floats(0, 1),
       st.integers(1, 6), st.integers(2, 9), st.booleans(), st.integers(0, 99))
def test_recurrence_is_the_stepped_one(m, n, weights, acts, pes, buffer_size, bias, seed):
    layer = random_workload("any", (m, n), weight_density=weights, act_density=acts, seed=seed)
    signs = np.random.default_rng(seed).choice([1, 1, 1, -1], n)
    layer = with_acts(layer, layer.acts[0] * signs)
    cycles = authors_cycles(layer, pes, buffer_size=buffer_size, bias=bias)
    assert cycles == stepped_cycles(layer, pes, buffer_size, bias)


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 40), st.integers(1, 20), st.integers(1, 40), st.integers(1, 2),
       st.booleans(), st.integers(0, 99))
def test_one_and_two_pes_after_empty_rows(m, empty, n, pes, bias, seed):
    """The first ``empty`` rows of activations are zero; with one PE a row is one activation."""
    layer = random_workload("any", (m, empty * pes + n), weight_density=0.2, act_density=0.5,
                            seed=seed)
    acts = layer.acts[0].copy()
    acts[:empty * pes] = 0
    layer = with_acts(layer, acts)
    assert authors_cycles(layer, pes, bias=bias) == stepped_cycles(layer, pes, 8, bias)


@pytest.mark.parametrize(("pes", "acts", "bias", "cycles"), [
    # Two entries a column on one PE: broadcast in cycle 0, popped in 1, done after 2.
    (1, [5], False, 1 + 2),
    (1, [0, 0, 0, 5], False, 3 + 1 + 2),                # three rows of zeros first
    (1, [0, 0, 0, -4, 5], False, 4 + 1 + 2),            # what is negative is scanned in vain, too
    (1, [0, 0, 0, 5, 0, 5], False, 5 + 1 + 2),          # idle in between
    (1, [0, 0, 0, 5], True, 4 + 2 + 2),                 # the bias waits for the column before
    # One entry a column on two PEs.
    (2, [0, 5], False, 1 + 1),
    (2, [0, 0, 0, 0, 0, 5], False, 2 + 1 + 1),
    (2, [0, 0, 0, 0, 5], False, 2 + 1 + 1),
    (2, [0, 0, 0, 0, 5], True, 4 + 1 + 1),              # row 2 was left early: a bubble
    (2, [0, 0, 0, 0, 0, 5], True, 3 + 1 + 1),
    (2, [0, 0, 0, 0], True, 2 + 1 + 1)])                # only the bias
def test_cycles_after_empty_rows(pes, acts, bias, cycles):
    layer = Workload.from_dense(np.ones((2, len(acts)), int), acts, name="full")
    assert authors_cycles(layer, pes, bias=bias) == cycles + TAIL
    assert stepped_cycles(layer, pes, 8, bias) == cycles + TAIL


def test_queues_that_hold_nothing_are_refused():
    layer = Workload.from_dense(np.ones((2, 2), int), [1, 1])
    with pytest.raises(InputError, match="needs queues of at least 2, .*, not 1"):
        authors_cycles(layer, 1, buffer_size=1)


def test_a_column_of_biases_is_recognised():
    weights = np.eye(4, dtype=int)
    assert not may_have_bias(Workload.from_dense(weights, [1] * 4))
    with_bias = np.hstack([weights, np.full((4, 1), 3)])
    assert may_have_bias(Workload.from_dense(with_bias, [1] * 5))
    assert not may_have_bias(Workload.from_dense(with_bias, [1] * 4 + [0]))
    assert not may_have_bias(Workload.from_dense(np.ones((4, 5), int), [1] * 5))    # all full


@given(st.integers(1, 40), st.integers(1, 30), st.integers(1, 6), st.integers(0, 99))
def test_a_bias_in_the_data_counts_as_the_one_that_is_added(m, n, pes, seed):
    """A layer with its biases where the simulator has them, and none added."""
    layer = random_workload("any", (m, n), weight_density=0.3, act_density=0.5, seed=seed)
    place = bias_column(n, pes)
    weights = np.zeros((m, place + 1), int)
    weights[:, :n] = layer.weights.dense()
    weights[:, place] = 5
    acts = np.zeros(place + 1, int)
    acts[:n] = layer.acts[0]
    acts[place] = 1
    own = Workload.from_dense(weights, acts)
    # A column of biases is full, so it has no fillers.
    assert authors_cycles(own, pes, bias=False) == authors_cycles(layer, pes)


def test_a_row_left_early_costs_a_cycle():
    """Two PEs, one entry a column: hits in lanes 0, 1 | 0 | 1 of three rows."""
    layer = random_workload("full", (2, 6), weight_density=1, act_density=1, seed=0)
    layer = with_acts(layer, [1, 1, 1, 0, 0, 1])
    # Broadcast in cycles 0, 1, 2 and, after the bubble, 4; popped in 5, done in 6.
    assert authors_cycles(layer, 2, bias=False) == 4 + 2 + TAIL
