# SPDX-License-Identifier: Apache-2.0
"""Bounded Huffman codes: optimal, complete, decodable by the hardware's rule."""
import heapq
import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openeie.core.entries.huffman import (BitPacker, CanonicalCode, pack_bits, package_merge,
                                          table_words)
from openeie.core.errors import EncodingError


def unbounded_cost(frequencies):
    """Cost of Huffman's own algorithm: the sum of all merged weights."""
    heap = [f for f in frequencies if f]
    if len(heap) == 1:
        return heap[0]
    heapq.heapify(heap)
    cost = 0
    while len(heap) > 1:
        merged = heapq.heappop(heap) + heapq.heappop(heap)
        cost += merged
        heapq.heappush(heap, merged)
    return cost


def cost(frequencies, lengths):
    return int(np.dot(frequencies, lengths.astype(np.int64)))


@given(st.lists(st.integers(0, 10**6), min_size=2, max_size=64))
def test_a_loose_bound_gives_huffmans_cost(frequencies):
    lengths = package_merge(frequencies, 15)
    if unbounded_cost(frequencies) == 0 or not any(frequencies):
        return
    best = unbounded_cost(frequencies)
    assert cost(frequencies, lengths) >= best
    if lengths.max() < 15:
        assert cost(frequencies, lengths) == best


@given(st.lists(st.integers(1, 1000), min_size=2, max_size=6), st.integers(3, 4))
def test_a_tight_bound_is_optimal(frequencies, bound):
    lengths = package_merge(frequencies, bound)
    assert lengths.max() <= bound
    best = min(sum(f * n for f, n in zip(frequencies, candidate))
               for candidate in itertools.product(range(1, bound + 1), repeat=len(frequencies))
               if sum(2 ** (bound - n) for n in candidate) <= 1 << bound)
    assert cost(frequencies, lengths) == best


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=256), st.integers(8, 15))
def test_codes_are_complete_and_prefix_free(frequencies, bound):
    code = CanonicalCode(package_merge(frequencies, bound))
    used = np.flatnonzero(code.lengths)
    assert set(used) == set(np.flatnonzero(frequencies))
    words = [format(code.codewords[s], f"0{code.lengths[s]}b") for s in used]
    assert not any(a != b and b.startswith(a) for a, b in itertools.permutations(words[:40], 2))


@given(st.lists(st.integers(0, 10**6), min_size=2, max_size=40), st.integers(8, 15), st.data())
def test_tables_decode_as_the_hardware_does(frequencies, longest, data):
    if not any(frequencies):
        return
    code = CanonicalCode(package_merge(frequencies, longest))
    rows = table_words(code, code, longest)
    symbol = data.draw(st.sampled_from(np.flatnonzero(code.lengths).tolist()))
    size = int(code.lengths[symbol])
    tail = data.draw(st.integers(0, (1 << (longest - size)) - 1))
    window = int(code.codewords[symbol]) << (longest - size) | tail
    length = next(k + 1 for k, row in enumerate(rows) if window < row["run_limit"])
    rank = ((window >> (longest - length)) + rows[length - 1]["run_offset"]) % 256
    assert (length, code.ranked[rank]) == (size, symbol)


def test_pack_bits_puts_the_first_bit_on_top():
    assert pack_bits([0b1, 0b01, 0b11111], [1, 2, 5]) == bytes([0b10111111])
    assert pack_bits([], []) == b""


@given(st.lists(st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 32)), max_size=60),
       st.lists(st.integers(0, 60), max_size=5))
def test_codewords_are_packed_bit_by_bit_in_any_parts(words, cuts):
    text = "".join(f"{value % (1 << length):0{length}b}" if length else ""
                   for value, length in words)
    text += "0" * (-len(text) % 8)
    wanted = bytes(int(text[at:at + 8], 2) for at in range(0, len(text), 8))
    values, lengths = np.array(words, np.int64).reshape(-1, 2).T
    packer = BitPacker()
    for part in np.split(np.arange(len(words)), sorted(cuts)):
        packer.add(values[part], lengths[part])
    assert pack_bits(values, lengths) == packer.finish() == wanted


def test_errors():
    with pytest.raises(EncodingError, match="300 symbols do not fit codewords of at most 8 bits"):
        package_merge([1] * 300, 8)
    with pytest.raises(EncodingError, match="max_length must be in 1 .. 15, not 16"):
        package_merge([1, 2], 16)
    with pytest.raises(EncodingError, match="do not form a complete prefix code"):
        CanonicalCode([1, 1, 1])
    with pytest.raises(EncodingError, match="do not form a complete prefix code"):
        CanonicalCode([2, 1])
    assert CanonicalCode([0, 1]).ranked.tolist() == [1]
