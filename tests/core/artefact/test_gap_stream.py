# SPDX-License-Identifier: Apache-2.0
"""Entry streams: what is counted is what is written, in any number of parts."""
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openeie.core.artefact import gap_stream as stream
from openeie.core.artefact.gap_stream import Gaps, encode_stream, split_runs

GAPS = st.lists(st.one_of(st.integers(0, 9), st.integers(0, 2000)), max_size=40)


@given(GAPS, st.integers(1, 8))
def test_runs_are_counted_as_they_are_split(gaps, width):
    position = np.cumsum(np.array(gaps, np.int64) + 1) - 1
    found = Gaps.of(position)
    assert found.each.tolist() == gaps and found.count.sum() == len(gaps)
    run, code = split_runs(found.each, np.ones(len(gaps), np.int64), width)
    fillers, often = found.runs(width)
    assert fillers == np.sum(code == 0)
    assert often.tolist() == np.bincount(run, minlength=1 << width).tolist()
    # And back: a run counts zeros, an entry takes a place.
    assert (np.cumsum(run + 1) - 1)[code == 1].tolist() == position.tolist()


def test_gaps_of_any_length():
    position = np.array([0, 1 << 16, (1 << 16) + 1, 1 << 31, 1 << 33], np.int64)
    found = Gaps.of(position)
    assert (found.each.astype(np.int64) + 1).tolist() == np.diff(position, prepend=-1).tolist()
    assert np.repeat(found.length, found.count).tolist() == sorted(found.each.tolist())
    assert Gaps.of(position[:4]).each.dtype == np.uint32


@given(st.integers(0, 2**32 - 1), st.integers(1, 8))
@settings(max_examples=30)
def test_parts_change_no_bit(seed, width):
    rng = np.random.default_rng(seed)
    gaps = Gaps.of(np.flatnonzero(rng.random(3000) < 0.1))
    symbols = rng.integers(1, 16, len(gaps.each))

    def code(values):
        return values & 7, np.full(len(values), 3)
    whole = encode_stream(gaps, symbols, width, code, code)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stream, "_CHUNK", 7)
        assert encode_stream(gaps, symbols, width, code, code) == whole
        assert Gaps.of(np.cumsum(gaps.each.astype(np.int64) + 1) - 1).count.tolist() \
            == gaps.count.tolist()
