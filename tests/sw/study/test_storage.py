# SPDX-License-Identifier: Apache-2.0
"""Sizes of stored weights, against counting one by one and the paper's formula."""
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openeie.sw.study.storage import (codebook_bits, entries_of, huffman_bits, low_rank_bits,
                                      sparse_bits, sparse_codebook_bits)


def drawn(seed, slots=16):
    rng = np.random.default_rng(seed)
    shape = rng.integers(1, 25, 2)
    return rng.integers(1, slots, shape) * (rng.random(shape) < rng.random())


def counted(codes, width):
    """Entries with runs of ``width`` bits, one weight after another."""
    entries, zeros = 0, 0
    for code in codes.T.reshape(-1):
        if code:
            entries, zeros = entries + zeros // (1 << width) + 1, 0
        else:
            zeros += 1
    return entries


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2 ** 32))
def test_entries_are_counted_with_their_fillers(seed):
    codes = drawn(seed)
    for width in (1, 3, 8):
        assert len(entries_of(codes, width)[0]) == counted(codes, width)
    best = min((32 + width) * counted(codes, width) for width in range(1, 9))
    assert sparse_bits(codes.astype(np.float32)) == best
    best = min((4 + width) * counted(codes, width) for width in range(1, 9))
    assert sparse_codebook_bits(codes, 16) == best + 16 * 32


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2 ** 32))
def test_entries_stand_for_the_matrix(seed):
    codes = drawn(seed)
    runs, values = entries_of(codes, 3)
    position = np.cumsum(runs + 1) - 1
    back = np.zeros(codes.size, np.int64)
    back[position] = values
    assert np.array_equal(back.reshape(codes.T.shape).T, codes)


def test_a_convolutions_kernels_are_columns():
    codes = np.zeros((2, 3, 2, 2), np.int64)
    codes[1, 2, 1, 0] = 5
    assert np.array_equal(entries_of(codes, 8)[0], [10 * 2 + 1])


def test_shared_weights_take_what_the_papers_formula_says():
    """Section 3: 4 x 4 weights with four values: 3.2 times smaller."""
    assert 16 * 32 / codebook_bits(16, 4) == pytest.approx(3.2)
    assert codebook_bits(100, 2) == 100 + 64 and codebook_bits(100, 17) == 500 + 17 * 32


def test_huffman_coding_pays_where_a_value_is_frequent_and_never_much():
    rng = np.random.default_rng(1)
    codes = np.where(rng.random((200, 200)) < 0.2, rng.choice([1, 2, 3, 15], (200, 200),
                                                              p=[0.85, 0.05, 0.05, 0.05]), 0)
    assert huffman_bits(codes, 16) < 0.75 * sparse_codebook_bits(codes, 16)
    even = np.where(rng.random((200, 200)) < 0.2, rng.integers(1, 16, (200, 200)), 0)
    tables = 4 * (16 + 256)
    assert huffman_bits(even, 16) <= sparse_codebook_bits(even, 16) + tables


def test_factors_take_their_rank_times_both_sides():
    assert low_rank_bits((300, 784), 10) == 10 * 1084 * 32
    assert low_rank_bits((300, 784), None) == 300 * 784 * 32
