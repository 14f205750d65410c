# SPDX-License-Identifier: Apache-2.0
"""Depthwise convolution and addition: torch's results, their matrices, proofs, what is refused."""
import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from openeie.core import golden
from openeie.core.array.config import ENCODINGS, preset
from openeie.core.compile.activation_plan import place_maps
from openeie.core.compile.compile import compile_network
from openeie.core.errors import CapacityError, EncodingError, InputError, Mismatch
from openeie.core.network.bounds import accumulator_needs
from openeie.core.network.graph import INPUT, Add, Linear, Network, Pool
from openeie.core.network.layout import MapLayout
from openeie.core.network.window import Window
from openeie.core.numbers.sparse import SparseWeights
from openeie.sim.verify import verify
from support.maps import depthwise, layer, windows

CONFIG = preset("TINY").replace(operations=("linear", "conv", "pool"), act_depth=1024, acc_depth=64,
                                pointer_depth=4096, entry_depth=1 << 14, channel_depth=256,
                                max_layers=16)


def agrees(network, x, config=CONFIG, **options):
    """The program of ``network``, once ``fast`` has given what ``golden`` gives."""
    program = compile_network(network, config, **options)
    verify(program, x, engines=("golden", "fast"))
    return program


@given(windows(), st.integers(0, 1 << 32))
def test_golden_is_torch_s_depthwise_convolution(window, seed):
    rng = np.random.default_rng(seed)
    one = depthwise(rng, window)
    one = dataclasses.replace(one, multiplier=np.ones(one.channels, int),
                              shift=np.zeros(one.channels, int))
    x = rng.integers(-50, 50, (2, window.inputs))
    top, left, bottom, right = window.pad
    maps = torch.from_numpy(x.reshape(2, window.height, window.width, window.channels)
                            ).double().permute(0, 3, 1, 2)
    kernel = torch.from_numpy(one.weights.dense().reshape(-1, 1, *window.kernel)).double()
    expected = torch.nn.functional.conv2d(
        torch.nn.functional.pad(maps, (left, right, top, bottom)), kernel,
        torch.tensor(one.bias).double(), stride=window.stride, groups=window.channels)
    assert np.array_equal(golden.layer(one, x, 16),
                          expected.permute(0, 2, 3, 1).reshape(2, -1).numpy())


@given(st.integers(0, 1 << 32), st.booleans())
def test_golden_adds(seed, relu):
    rng = np.random.default_rng(seed)
    factors = tuple(int(n) for n in rng.integers(-99, 100, 2))
    add = Add(name="s", pixels=3, channels=4, factors=factors, relu=relu, multiplier=3, shift=4,
              sources=("a", "b"))
    a, b = rng.integers(-999, 1000, (2, 5, 12))
    expected = np.clip(np.floor((factors[0] * a + factors[1] * b) * 3 / 16 + 0.5), -32768, 32767)
    assert np.array_equal(golden.layer(add, np.concatenate([a, b], axis=1), 16),
                          np.maximum(expected, 0) if relu else expected)


@given(st.lists(st.integers(1, 12), min_size=1, max_size=3), st.integers(1, 5), st.integers(1, 6))
def test_each_pe_has_its_own_channel_s_weight_in_a_row_s_column(parts, places, pes):
    layout = MapLayout(pixels=1, parts=tuple(parts))
    weights = np.arange(layout.channels * places).reshape(layout.channels, places)     # one is 0
    one = dataclasses.replace(
        depthwise(np.random.default_rng(0), Window(height=1, width=places, kernel=(1, places),
                                                   channels=layout.channels)),
        weights=SparseWeights.from_dense(weights))
    dense, rows = one.matrix(layout, pes).dense(), layout.rows(pes)
    assert dense.shape == (rows * pes, places * rows)
    for column in range(places * rows):
        place, row = divmod(column, rows)
        for pe in range(pes):           # no other entry than the PE's own channel's
            mine = dense[pe::pes, column].copy()
            found = np.flatnonzero(layout.places(pes) == row * pes + pe)
            assert mine[row] == (weights[found[0], place] if len(found) else 0)
            mine[row] = 0
            assert not mine.any()


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("channels", [1, 4, 9, 70])
def test_a_depthwise_layer_runs(rng, encoding, channels):
    """70 channels are 18 rows of 4 PEs: the longest run of 15 needs fillers."""
    window = Window(height=5, width=4, channels=channels, kernel=(3, 2), stride=(2, 1),
                    pad=(1, 0, 1, 1))
    one = depthwise(rng, window, slots=9, encoding=encoding)
    program = agrees(Network(name="n", layers=(one,)),
                     rng.integers(-32768, 32768, (4, window.inputs)), vectors=2)
    plan = program.tiles[0]
    assert plan.columns == 6 * -(-channels // 4) == plan.walk.rows and not plan.repeat
    assert plan.filler_count.any() == (channels == 70)
    assert plan.encoding == encoding


def residual(rng, channels=9, factors=(5, -3), **fields):
    """Two branches of the input that are added, and a convolution behind."""
    window = Window(height=4, width=3, channels=channels)
    return Network(name="n", layers=(
        layer(rng, window, channels, name="a"),
        depthwise(rng, window, name="b", sources=(INPUT,)),
        Add(name="s", pixels=12, channels=channels, factors=factors, sources=("b", "a"),
            multiplier=5, shift=6, **fields),
        layer(rng, window, 2, name="last")))


@pytest.mark.parametrize("factors", [(1, 1), (5, -3), (0, 7), (0, 0), (32767, -32768)])
def test_an_addition_runs(rng, factors):
    network = residual(rng, factors=factors)
    x = rng.integers(-999, 1000, (4, network.inputs))
    for encoding in ("csr", None):
        agrees(network, x, vectors=2, encoding=encoding)


def test_an_addition_of_the_input_and_of_vectors(rng):
    window = Window(height=2, width=3, channels=6)
    first = Network(name="n", layers=(
        layer(rng, window, 6, name="a"),
        Add(name="s", pixels=6, channels=6, factors=(2, 1), sources=(INPUT, "a"))))
    x = rng.integers(-99, 100, (4, 36))
    agrees(first, x, vectors=2)
    a = golden.network(first, x)[0]
    assert np.array_equal(golden.network(first, x)[1], 2 * x + a)
    alone = Network(name="n", layers=(
        layer(rng, 7, 7, Linear, name="a"),
        Add(name="s", pixels=1, channels=7, factors=(1, 9), sources=(INPUT, "a")),
        Add(name="t", pixels=1, channels=7, factors=(1, 2), sources=("s", INPUT))))
    assert alone.layout(INPUT) == MapLayout(pixels=1, parts=(7,))
    agrees(alone, rng.integers(-99, 100, (4, 7)), vectors=2)
    twice = Network(name="n", layers=(Add(name="s", pixels=1, channels=7, factors=(1, 9),
                                          sources=(INPUT, INPUT)),))
    agrees(twice, x := rng.integers(-99, 100, (4, 7)), vectors=2)
    assert np.array_equal(golden.network(twice, x)[0], 10 * x)


def branches(rng, *, aside=False):
    """Two maps that are concatenated and, side by side as they lie, added; ``aside`` adds another
    map to one of them."""
    window, both = (Window(height=3, width=3, channels=n) for n in (5, 10))
    return Network(name="n", layers=(
        layer(rng, window, 5, name="a"), layer(rng, window, 5, name="b", sources=(INPUT,)),
        layer(rng, both, 5, name="joined", sources=("a", "b")),
        Add(name="s", pixels=9, channels=5, factors=(1, 2),
            sources=("a", "joined" if aside else "b")),
        Add(name="last", pixels=9, channels=5, factors=(-1, 1), sources=("s", "joined"))))


def test_parts_of_one_concatenation_can_be_added(rng):
    network = branches(rng)
    placed, _ = place_maps(network, CONFIG, 1)
    assert placed["a"].stride == placed["b"].stride > placed["a"].rows
    agrees(network, rng.integers(-99, 100, (4, 45)), vectors=2)


def test_maps_whose_pixels_lie_unlike_cannot_be_added(rng):
    with pytest.raises(InputError, match=r"layer 's' adds 'a' and 'joined', whose pixels lie 4 and "
                                         r"2 rows apart, since one is part of a concatenation; add "
                                         r"a copy of it instead, made by a pool of 1 x 1"):
        compile_network(branches(rng, aside=True), CONFIG)
    # The advice given does it.
    network = branches(rng, aside=True)
    copy = Pool(name="copy", reduce="max", sources=("a",), window=Window(
        height=3, width=3, channels=5))
    layers = list(network.layers)
    layers[3] = dataclasses.replace(layers[3], sources=("copy", "joined"))
    agrees(dataclasses.replace(network, layers=(*layers[:3], copy, *layers[3:])),
           rng.integers(-99, 100, (2, 45)))


def test_maps_of_several_parts_are_added_if_they_lie_alike(rng):
    window, both = (Window(height=3, width=3, channels=n) for n in (4, 10))
    add = Add(name="s", pixels=9, channels=10, factors=(1, 3), sources=("m", "d"))
    layers = (layer(rng, window, 7, name="a"), layer(rng, window, 3, name="b", sources=(INPUT,)),
              Pool(name="m", window=both, reduce="max", sources=("a", "b")),
              depthwise(rng, both, name="d", sources=("a", "b")), add)
    network = Network(name="n", layers=layers)
    assert network.layout("s").parts == (7, 3)
    agrees(network, rng.integers(-99, 100, (2, 36)))
    whole = layer(rng, both, 10, name="d", sources=("a", "b"))
    with pytest.raises(InputError, match=r"layer 's' reads maps whose channels are arranged "
                                         r"differently: 'm', 'd'; they consist of parts of "
                                         r"\[7, 3\] and \[10\]"):
        Network(name="n", layers=(*layers[:3], whole, add))


@pytest.mark.parametrize("fields, message", [
    ({"factors": (1, 32768)}, r"factors must be two integers in -32768 .. 32767, not \(1, 32768\)"),
    ({"factors": (1, 2, 3)}, "factors must be two integers"),
    ({"sources": ("a",)}, r"sources must be two, not \('a',\)"),
    ({"pixels": 0}, "pixels and channels must be positive, not 0 and 2"),
    ({"multiplier": 0}, "multiplier must be in 1 .. 32767 and shift in 0 .. 62, not 0 and 0"),
])
def test_additions_that_cannot_be(fields, message):
    with pytest.raises(InputError, match=message):
        Add(**{"name": "s", "pixels": 3, "channels": 2, "factors": (1, 1),
               "sources": ("a", "b")} | fields)


def test_what_is_refused(rng):
    window = Window(height=3, width=3, channels=4, kernel=(2, 2))
    one = depthwise(rng, window, name="d")
    with pytest.raises(InputError, match=r"layer 'd': weights must have shape \(4, 4\), a row for"):
        dataclasses.replace(one, weights=SparseWeights.from_dense(np.ones((4, 9), int)))
    network = Network(name="n", layers=(one,))
    with pytest.raises(InputError, match="layer 'd' is of the kind pool, but the array runs only"):
        compile_network(network, CONFIG.replace(operations=("linear", "conv")))
    with pytest.raises(InputError, match="layer 'd' has no codebook: its weights are not shared; "
                                         "encode it as csr"):
        compile_network(network, CONFIG, encoding="huffman")
    wide = dataclasses.replace(one, weights=SparseWeights.from_dense(np.full((4, 4), 9)))
    with pytest.raises(CapacityError, match="weight_width: layer 'd' has weights 9 .. 9, 4 bits"):
        compile_network(Network(name="n", layers=(wide,)), CONFIG.replace(weight_width=4))
    small = Window(height=3, width=3, channels=4)
    with pytest.raises(InputError, match="layer 's' reads maps of different sizes: 'd', 'input'"):
        Network(name="n", layers=(one, layer(rng, small, 4, name="c", sources=(INPUT,)), Add(
            name="s", pixels=4, channels=4, factors=(1, 1), sources=("d", INPUT))))
    with pytest.raises(InputError, match="layer 's' takes 18 inputs, but 'd', 'input' gives 36"):
        Network(name="n", layers=(depthwise(rng, small, name="d"), Add(
            name="s", pixels=9, channels=2, factors=(1, 1), sources=("d", INPUT))))


@pytest.mark.parametrize("factor, least, greatest", [
    (3, -21 - 6000, 15 + 6000), (-3, -15 - 6000, 21 + 6000)])
def test_the_proof_takes_each_map_by_itself(factor, least, greatest):
    """The input reaches from -7 to 5 and the layer behind it from -60 to 60."""
    a = Linear(name="a", weights=SparseWeights.from_dense(np.array([[10]])), encoding="csr",
               bias=[10], multiplier=[1], shift=[0], relu=False)
    network = Network(name="n", input_range=(-7, 5), layers=(a, Add(
        name="s", pixels=1, channels=1, factors=(factor, 100), sources=(INPUT, "a"))))
    assert list(accumulator_needs(network))[1] == ("s", 14, least, greatest)


def test_the_proof_of_a_depthwise_layer_is_tight():
    window = Window(height=1, width=3, channels=2, kernel=(1, 3))
    one = depthwise(np.random.default_rng(0), window)
    one = dataclasses.replace(one, bias=[7, -1000], weights=SparseWeights.from_dense(
        np.array([[1, -2, 3], [-30, 0, 5]])))
    network = Network(name="n", layers=(one,), input_range=(-10, 4))
    (_, bits, least, greatest), = accumulator_needs(network)
    # Channel 0: -40 - 8 .. 16 + 20, and 7 more; channel 1: -120 - 50 .. 300 + 20, and 1,000 less.
    assert (least, greatest) == (-1170, 320)
    assert bits == 12


@pytest.mark.parametrize("fault", ["repeat", "a weight"])
def test_a_wrong_image_is_noticed(rng, fault):
    program = agrees(Network(name="n", layers=(depthwise(rng, Window(
        height=3, width=3, channels=5, kernel=(2, 2))),)), x := rng.integers(-9, 10, (2, 45)))
    words = program.descriptors.copy()
    entries = program.entries.copy()
    if fault == "repeat":
        words[0, 3 + 4] |= np.uint64(1 << 50)
    else:
        entries[0, 0] ^= np.uint64(1 << CONFIG.run_width)
    with pytest.raises((EncodingError, Mismatch)):
        verify(dataclasses.replace(program, descriptors=words, entries=entries), x,
               engines=("golden", "fast"))
