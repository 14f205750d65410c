# SPDX-License-Identifier: Apache-2.0
"""Compilation's corners: nothing to store, one column, more PEs than rows, every memory full."""
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openeie.core.array.config import ENCODINGS, ArrayConfig
from openeie.core.array.descriptor import DESCRIPTOR_WORDS, unpack
from openeie.core.array.load_port import CHANNEL_WORD
from openeie.core.compile.activation_plan import place_maps
from openeie.core.compile.capacity import Capacity
from openeie.core.compile.compile import compile_network
from openeie.core.compile.memory_images import Image
from openeie.core.compile.tiles import tiles_of
from openeie.core.compile.unpack import unpack_layer
from openeie.core.entries.encoding import decode_entries
from openeie.core.errors import CapacityError
from openeie.core.network.graph import Linear, Network
from openeie.core.numbers.sparse import SparseWeights


def layer(codes, name="l", encoding="codebook", **fields):
    """A layer of these codes; a weight is its code."""
    m = len(codes)
    return Linear(**{
        "name": name, "weights": SparseWeights.from_codes(np.asarray(codes), np.arange(16)),
        "bias": np.zeros(m, int), "multiplier": np.ones(m, int), "shift": np.zeros(m, int),
        "encoding": encoding} | fields)


def network(*matrices, encoding="codebook", **fields):
    """A network of such layers."""
    return Network(name="n", layers=tuple(layer(codes, f"l{k}", encoding)
                                          for k, codes in enumerate(matrices)), **fields)


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize(("m", "n", "pes"), [(1, 1, 1), (1, 1, 8), (3, 1, 8), (1, 9, 4), (8, 8, 8),
                                             (5, 7, 64)])
@pytest.mark.parametrize("code", [0, 3])
def test_small_matrices(encoding, m, n, pes, code):
    program = compile_network(network(np.full((m, n), code), encoding=encoding),
                              ArrayConfig(pes=pes))
    entries = unpack_layer(program, 0)
    assert np.array_equal(decode_entries(entries, m).dense(), np.full((m, n), code))
    assert entries.count.shape == (pes, n) and program.entries.shape[1] >= 1
    assert not entries.count[m:].any()              # PEs without rows
    plan = program.tiles[0]
    assert (plan.src_rows, plan.acc_rows) == (-(-n // pes), -(-m // pes))


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_an_empty_layer_between_full_ones(encoding):
    full = np.full((4, 4), 2)
    program = compile_network(network(full, np.zeros((4, 4), int), full, encoding=encoding),
                              ArrayConfig(pes=2))
    for index, value in enumerate((2, 0, 2)):
        dense = decode_entries(unpack_layer(program, index), 4).dense()
        assert np.array_equal(dense, np.full((4, 4), value))


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_memory_full_at_once(encoding):
    """Two PEs, two layers of 8 x 8, three vectors: no depth has a word to spare."""
    rng = np.random.default_rng(6)
    net = network(rng.integers(0, 16, (8, 8)), rng.integers(0, 16, (8, 8)), encoding=encoding)
    roomy = compile_network(net, ArrayConfig(pes=2), vectors=3)
    words = roomy.entries.shape[1]
    full = {"entry_depth": words + words % 2, "pointer_depth": 18, "act_depth": 12, "acc_depth": 4,
            "channel_depth": 8, "max_layers": 2}
    program = compile_network(net, ArrayConfig(pes=2, **full), vectors=3)
    assert program.pointers.shape == (2, 18) and program.channels.shape == (2, 8)
    for index, one in enumerate(net.layers):
        assert np.array_equal(decode_entries(unpack_layer(program, index), 8).dense(),
                              one.weights.dense())
    for name, depth in full.items():
        less = depth - (2 if name in ("entry_depth", "pointer_depth") else 1)
        with pytest.raises(CapacityError, match=f"{name}: ") as caught:
            compile_network(net, ArrayConfig(pes=2, **full | {name: less}), vectors=3)
        others = [other for other in full if other != name and f"{other}: " in str(caught.value)]
        assert others == []


def test_the_fullest_pe_is_named():
    codes = np.zeros((8, 40), int)
    codes[3::4] = 1                                 # PE 3 of 4 has two rows, the others none
    config = ArrayConfig(pes=4, entry_depth=8)
    with pytest.raises(CapacityError) as caught:
        compile_network(network(codes), config)
    assert str(caught.value) == ("network 'n' does not fit: entry_depth: PE 3, up to layer 'l0', "
                                 "needs 10, the array has 8; the smallest configuration that "
                                 "would: entry_depth=10")
    with pytest.raises(CapacityError, match="PE 0, up to layer 'l0', needs 1,250, the array has"):
        compile_network(network(np.ones((1, 10_000), int)), config.replace(
            pes=1, act_depth=1 << 14, pointer_depth=1 << 14))


def test_a_watchdog_that_cannot_count_so_far_is_refused():
    """No layer that memory holds here takes 2**32 cycles, so the count is made up."""
    net = network(np.ones((1, 1), int))
    for count, problems in ((65_454, []), (65_455, [
            "counter_width: layer 'l0' may run 4,294,967,808 cycles, the array counts to "
            "4,294,967,295"])):
        config, vectors = ArrayConfig(pes=1), 1 << 16
        capacity = Capacity(net, config, vectors)
        (tile,) = tiles_of(net, config, vectors, place_maps(net, config, vectors)[0])
        entries = SimpleNamespace(count=np.array([[count]]), filler_count=np.zeros((1, 1), int))
        encoded = SimpleNamespace(encoding="csr", entries=entries, lengths=(None, None))
        plan = Image(net, config, vectors, capacity)._plan(tile, SimpleNamespace(
            encoded=encoded, table=0, pointer_base=0, channel_base=0))
        assert capacity.problems == problems
        assert plan.cycle_limit == min(2 * (1 << 16) * (1 + count + 8 + 8 + 64) + 1024,
                                       (1 << 32) - 1)


def test_rows_beyond_the_descriptors_are_refused():
    with pytest.raises(CapacityError, match="pes: layer 'l0' has 65536 or more rows per PE"):
        compile_network(network(np.ones((1, 1 << 16), np.int8)), ArrayConfig(pes=1))


@given(st.integers(1, 5), st.integers(1, 30), st.integers(1, 30), st.integers(1, 4))
def test_descriptors_and_channels_hold_what_the_plan_says(pes, m, n, vectors):
    rng = np.random.default_rng(m * 31 + n)
    net = Network(name="n", layers=tuple(layer(
        rng.integers(0, 16, (outputs, inputs)), name, relu=relu,
        bias=rng.integers(-(1 << 31), 1 << 31, outputs),
        multiplier=rng.integers(1, 1 << 15, outputs), shift=rng.integers(0, 63, outputs))
        for name, outputs, inputs, relu in (("a", m, n, True), ("b", n, m, False))))
    config = ArrayConfig(pes=pes, max_code_length=9)
    program = compile_network(net, config, vectors=vectors)
    for index, (one, plan) in enumerate(zip(net.layers, program.tiles)):
        fields = {}
        for number, word in enumerate(DESCRIPTOR_WORDS):
            fields |= unpack(word, program.descriptors[index, number])
        assert fields == {
            "encoding": 1, "relu": int(one.relu), "table": index, "src_rows": -(-one.inputs // pes),
            "vectors": vectors, "acc_rows": -(-one.outputs // pes),
            "cycle_limit": plan.cycle_limit, "pointer_base": (n + 1) * index,
            "channel_base": -(-m // pes) * index}
        assert len(program.descriptors[index]) == 3 + 9 and not program.descriptors[index, 3:].any()
        longest = np.maximum(plan.entry_count, 1).max(axis=0)
        assert plan.cycle_limit == 1024 + 2 * vectors * (
            plan.src_rows + int(longest.sum()) + 8 * one.inputs + 8 * plan.acc_rows + 64)
        for row in range(plan.acc_rows * pes):
            word = unpack(CHANNEL_WORD, program.channels[row % pes, plan.channel_base + row // pes])
            inside = row < one.outputs
            bias, multiplier, shift = (int(values[row]) for values in (
                one.bias, one.multiplier, one.shift)) if inside else (0, 1, 0)
            digit = word["digit_low"] + 2 * word["digit_high"]
            assert (word["bias"], digit) == (bias % (1 << 32), shift // 16)
            # Shifted left by 2 x multiplier and down by whole digits, it is the same factor.
            assert 2 * word["multiplier"] << shift == multiplier << 16 * (digit + 1)


@pytest.mark.parametrize(("relu", "act_width", "low", "high"), [
    (True, 16, 0, 750), (False, 16, -750, 750), (False, 8, -128, 127), (True, 8, 0, 127)])
def test_the_proof_follows_the_range_from_layer_to_layer(relu, act_width, low, high):
    """Layer b's sums are bounded by what layer a can give: requantised, saturated, ReLU."""
    first = layer([[15] * 2], "a", relu=relu, shift=[1], bias=[0])
    second = layer([[15] * 1], "b", bias=[0])
    net = Network(name="n", layers=(first, second), act_width=act_width, input_range=(-50, 50))
    config = ArrayConfig(pes=1, act_width=act_width, weight_width=8,
                         acc_width=act_width + 8)
    least, greatest = 15 * low, 15 * high
    bits = max((-least - 1).bit_length() if least < 0 else 0, greatest.bit_length()) + 1
    wide = layer([[15] * 1] * 1, "b", bias=[(1 << config.acc_width - 1) - greatest - 1])
    compile_network(Network(name="n", layers=(first, wide), act_width=act_width,
                            input_range=(-50, 50)), config)
    over = layer([[15] * 1], "b", bias=[(1 << config.acc_width - 1) - greatest])
    with pytest.raises(CapacityError, match=rf"acc_width: layer 'b' \(sums from {least:,} to "):
        compile_network(Network(name="n", layers=(first, over), act_width=act_width,
                                input_range=(-50, 50)), config)
    under = layer([[15] * 1], "b", bias=[-(1 << config.acc_width - 1) - least - 1])
    with pytest.raises(CapacityError, match=rf"acc_width: layer 'b' .* to {greatest:,}\) needs"):
        compile_network(Network(name="n", layers=(first, under), act_width=act_width,
                                input_range=(-50, 50)), config)
    assert bits <= config.acc_width and compile_network(net, config)
