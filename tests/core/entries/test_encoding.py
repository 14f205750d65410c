# SPDX-License-Identifier: Apache-2.0
"""Entries: EIE's own examples, and every encoding back to the matrix it came from."""
import numpy as np
import pytest
from support.examples import EIE_POINTERS, EIE_RUNS, eie_example
from hypothesis import given, settings
from hypothesis import strategies as st
from openeie.core.array.config import ArrayConfig
from openeie.core.compile.compile import compile_network
from openeie.core.compile.unpack import unpack_layer
from openeie.core.entries.encoding import decode_entries, encode_entries
from openeie.core.errors import EncodingError
from openeie.core.network.graph import Linear, Network
from openeie.core.numbers.sparse import SparseWeights
from support.strategies import sparse_weights


def test_eie_worked_example():
    dense = eie_example()
    entries = encode_entries(SparseWeights.from_dense(dense), pes=4, max_run=15)
    assert entries.run[:13].tolist() == EIE_RUNS
    assert np.cumsum([0, *entries.count[0]]).tolist() == EIE_POINTERS
    assert entries.value[:13].tolist() == list(range(1, 14))
    assert np.array_equal(decode_entries(entries, 16).dense(), dense)


def test_eie_filler_example():
    """EIE, section III: [0,0,1,2, 18 zeros, 3] is v = [1,2,0,3], z = [2,0,15,2]."""
    column = np.array([0, 0, 1, 2] + [0] * 18 + [3])[:, np.newaxis]
    entries = encode_entries(SparseWeights.from_dense(column), pes=1, max_run=15)
    assert entries.value.tolist() == [1, 2, 0, 3]
    assert entries.run.tolist() == [2, 0, 15, 2]
    assert entries.filler.tolist() == [False, False, True, False]
    assert entries.filler_count.tolist() == [[1]]


@given(weights=sparse_weights(), pes=st.integers(1, 9), run_width=st.integers(1, 8))
@settings(max_examples=300)
def test_entries_are_the_matrix(weights, pes, run_width):
    entries = encode_entries(weights, pes, (1 << run_width) - 1)
    assert np.array_equal(decode_entries(entries, weights.shape[0]).dense(), weights.dense())
    assert entries.filler.sum() == entries.filler_count.sum()
    assert not entries.value[entries.filler].any() and entries.value[~entries.filler].all()
    # Nothing trails: every PE's column ends with a weight.
    ends = np.cumsum(entries.count.reshape(-1))[entries.count.reshape(-1) > 0] - 1
    assert not entries.filler[ends].any()


def test_decoding_refuses_rows_beyond_the_matrix():
    entries = encode_entries(SparseWeights.from_dense(np.ones((8, 1), int)), 2, 15)
    with pytest.raises(EncodingError, match="an entry points to row 7 of 7"):
        decode_entries(entries, 7)


@given(weights=sparse_weights(), pes=st.integers(1, 5), data=st.data())
@settings(max_examples=300)
def test_memory_images_are_the_matrix(weights, pes, data):
    """Encode, pack, unpack from the images alone, decode: nothing may change."""
    encodings = ["csr"] if weights.codebook is None else ["csr", "codebook", "huffman"]
    encoding = data.draw(st.sampled_from(encodings))
    config = ArrayConfig(
        pes=pes, code_width=8, run_width=data.draw(st.integers(1, 8)), acc_width=48,
        word_width=data.draw(st.sampled_from([32, 64])), entry_depth=1 << 15,
        max_code_length=data.draw(st.integers(8, 15)))
    m = weights.shape[0]
    net = Network(name="n", layers=(Linear(
        name="l", weights=weights, encoding=encoding, bias=np.zeros(m, int),
        multiplier=np.ones(m, int), shift=np.zeros(m, int)),))
    program = compile_network(net, config)
    entries = unpack_layer(program, 0)
    assert np.array_equal(decode_entries(entries, m).dense(), weights.dense())
    assert np.array_equal(entries.count, program.tiles[0].entry_count)
    assert np.array_equal(entries.filler_count, program.tiles[0].filler_count)
    again = encode_entries(weights, pes, config.max_run)
    assert np.array_equal(entries.run, again.run) and np.array_equal(entries.value, again.value)


@pytest.mark.parametrize("encoding", ["csr", "codebook", "huffman"])
def test_a_changed_pointer_or_word_is_noticed(encoding):
    rng = np.random.default_rng(4)
    codes = rng.integers(0, 16, (40, 30)) * (rng.random((40, 30)) < 0.4)
    weights = SparseWeights.from_codes(codes, np.arange(16) * 5)
    net = Network(name="n", layers=(Linear(
        name="l", weights=weights, encoding=encoding, bias=np.zeros(40, int),
        multiplier=np.ones(40, int), shift=np.zeros(40, int)),))
    program = compile_network(net, ArrayConfig(pes=4))

    def same():
        try:
            return np.array_equal(decode_entries(unpack_layer(program, 0), 40).dense(),
                                  weights.dense())
        except EncodingError:
            return False
    assert same()
    program.entries[1, 3] ^= np.uint64(2)
    assert not same()
    program.entries[1, 3] ^= np.uint64(2)
    assert same()
    program.pointers[2, 7] += 1
    assert not same()
