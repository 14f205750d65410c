# SPDX-License-Identifier: Apache-2.0
"""Entries counted for another run width are those of a matrix that is encoded with it."""
import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openeie.core.entries.encoding import encode_entries
from openeie.core.entries.recount import Gaps
from openeie.core.numbers.sparse import SparseWeights
from support.strategies import sparse_weights

WIDTHS = st.integers(1, 8)


def longest(run_width):
    return (1 << run_width) - 1


@given(sparse_weights(), st.integers(1, 9), WIDTHS, WIDTHS)
def test_counts_are_those_of_the_encoder(weights, pes, from_width, to_width):
    gaps = Gaps.of(encode_entries(weights, pes, longest(from_width)), longest(from_width))
    expected = encode_entries(weights, pes, longest(to_width)).count
    found = gaps.count(longest(to_width))
    assert found.dtype == expected.dtype and np.array_equal(found, expected)


def test_a_matrix_without_weights():
    entries = encode_entries(SparseWeights.from_dense(np.zeros((7, 3), int)), 2, 3)
    assert np.array_equal(Gaps.of(entries, 3).count(15), np.zeros((2, 3), int))


@pytest.mark.parametrize("change", [{"run": 0}, {"filler": 0}])
def test_a_wrong_entry_is_noticed(change):
    """40 zeros, then a weight: fillers of 15 + 1 zeros twice, then a run of 8."""
    entries = encode_entries(SparseWeights.from_dense(np.eye(1, 41, 40, dtype=int).T), 1, 15)
    assert Gaps.of(entries, 15).gap.tolist() == [40]
    name, value = next(iter(change.items()))
    array = getattr(entries, name).copy()
    array[-1 if name == "run" else 0] = value
    wrong = dataclasses.replace(entries, **{name: array})
    assert Gaps.of(wrong, 15).gap.tolist() != [40]
