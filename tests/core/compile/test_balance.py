# SPDX-License-Identifier: Apache-2.0
"""Balanced networks: the same outputs in every engine, and PEs that are no worse off."""
import dataclasses

import numpy as np
import openeie
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openeie.core import golden
from openeie.core.array.config import preset
from openeie.core.compile.automatic import compile_for
from openeie.core.compile.balance import GOALS, balance_rows, balanced, loads
from openeie.core.compile.compile import compile_network
from openeie.core.errors import InputError
from openeie.core.golden import column_rates
from openeie.core.network.channelwise import Local
from openeie.core.network.graph import INPUT, Add, Depthwise, Linear, Network, Pool
from openeie.core.network.layers import Weighted, Windowed
from openeie.core.network.window import Window
from openeie.core.numbers.sparse import SparseWeights, permuted
from openeie.sim.fast import fast
from openeie.sim.random.networks import draw_inputs, draw_network
from openeie.sim.rtl import rtl
from support.maps import depthwise, layer as conv
from support.networks import CONFIG, branched
from support.strategies import networks, sparse_weights

SEEDS = st.integers(0, 2**32 - 1)


def linear(rng, n, m, name="last", **fields):
    return Linear(name=name, weights=SparseWeights.from_dense(rng.integers(0, 3, (m, n))),
                  encoding="csr", bias=rng.integers(-9, 10, m), multiplier=rng.integers(1, 9, m),
                  shift=rng.integers(2, 6, m), **fields)


def same_outputs(network, other, x):
    assert np.array_equal(golden.network(network, x)[-1], golden.network(other, x)[-1])


@given(sparse_weights(), SEEDS)
def test_permuted_is_the_dense_matrix_permuted(weights, seed):
    rng = np.random.default_rng(seed)
    rows, columns = (rng.permutation(size) for size in weights.shape)
    moved = permuted(weights, rows, columns)
    assert np.array_equal(moved.dense(), weights.dense()[rows][:, columns])
    assert (moved.codes is None) == (weights.codes is None)


@given(sparse_weights(), st.integers(1, 80), st.sampled_from(GOALS), st.booleans(), SEEDS)
def test_an_order_has_every_row_and_no_larger_load(weights, pes, by, weighted, seed):
    n = weights.shape[1]
    rates = np.random.default_rng(seed).random(n) if weighted else None
    order = balance_rows(weights, pes, rates, by=by)
    assert np.array_equal(np.sort(order), np.arange(weights.shape[0]))
    moved = permuted(weights, order, np.arange(n))
    before, after = loads(weights, pes, rates), loads(moved, pes, rates)
    # Rates are summed in another order.
    assert after.max() <= before.max() if rates is None else \
        after.max() <= before.max() * (1 + 1e-12)
    if rates is None and not np.array_equal(order, np.arange(len(order))):
        work = (weights.dense() != 0).sum(axis=1)[order]
        assert all(np.all(np.diff(work[pe::pes]) <= 0) for pe in range(pes))


@given(sparse_weights(), st.integers(1, 80))
def test_loads_are_the_weights_that_pes_own(weights, pes):
    rows = (weights.dense() != 0).sum(axis=1)
    assert np.array_equal(loads(weights, pes), [rows[pe::pes].sum() for pe in range(pes)])


@pytest.mark.parametrize("by", GOALS)
def test_an_order_that_is_worse_is_not_taken(by):
    """Of 3, 3, 2, 2, 2 the greedy gives one of two PEs 7, and those as they are 6 to each."""
    dense = np.zeros((5, 3), int)
    for row, work in enumerate([2, 3, 2, 3, 2]):
        dense[row, :work] = 1
    weights = SparseWeights.from_dense(dense)
    assert balance_rows(weights, 2, by=by).tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("by", GOALS)
def test_heavy_rows_of_one_pe_are_shared_out(by):
    dense = np.zeros((16, 8), int)
    dense[::4] = 1
    weights = SparseWeights.from_dense(dense)
    assert loads(weights, 4).tolist() == [32, 0, 0, 0]
    order = balance_rows(weights, 4, by=by)
    assert loads(permuted(weights, order, np.arange(8)), 4).tolist() == [8, 8, 8, 8]


def test_rows_that_share_a_column_are_told_apart_by_columns_alone():
    """All PEs have the same number of weights either way, but two of them in one column."""
    weights = SparseWeights.from_dense(np.repeat(np.eye(4, dtype=int), 4, axis=0)[
        [0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15]])
    assert balance_rows(weights, 4, by="entries").tolist() == list(range(16))
    moved = permuted(weights, balance_rows(weights, 4), np.arange(4)).dense()
    assert [moved[pe::4].sum(axis=0).tolist() for pe in range(4)] == [[1] * 4] * 4


def test_rates_say_which_columns_count():
    """All rows have the same number of weights; the broadcast column has those of rows 0 and 2."""
    weights = SparseWeights.from_dense(np.array([[1, 0], [0, 1], [1, 0], [0, 1]]))
    rates = np.array([1.0, 0.0])
    moved = permuted(weights, balance_rows(weights, 2, rates, by="entries"), np.arange(2))
    assert loads(moved, 2, rates).tolist() == [1, 1]


@settings(max_examples=60, deadline=None)
@given(SEEDS, st.integers(1, 9), st.sampled_from(GOALS), st.booleans())
def test_outputs_stay_and_engines_agree(seed, pes, by, weighted):
    rng = np.random.default_rng(seed)
    config = CONFIG.replace(pes=pes)
    network = draw_network(rng, config, scale=0.5)
    x = draw_inputs(rng, network, 2)
    other = balanced(network, pes, column_rates(network, x) if weighted else None, by=by)
    same_outputs(network, other, x)
    program = compile_network(other, config)
    run = fast.run(program, x)
    assert np.array_equal(run.outputs, golden.network(network, x)[-1])
    for ours, theirs in zip(run.layers, golden.network(other, x)):
        assert np.array_equal(ours.outputs, theirs)


@settings(deadline=None)
@given(networks(), st.integers(1, 9), SEEDS)
def test_every_layer_is_the_other_in_another_order(network, pes, seed):
    x = np.random.default_rng(seed).integers(-100, 101, (2, network.inputs))
    other = balanced(network, pes)
    same_outputs(network, other, x)
    for before, after, a, b in zip(network.layers, other.layers, golden.network(network, x),
                                   golden.network(other, x)):
        assert np.array_equal(np.sort(a), np.sort(b))
        assert loads(after.weights, pes).max() <= loads(before.weights, pes).max()


def test_a_concatenation_a_pool_and_a_linear_layer_follow():
    rng = np.random.default_rng(3)
    network = branched(rng)
    other = balanced(network, 3)
    x = rng.integers(-50, 50, (3, network.inputs))
    same_outputs(network, other, x)
    values, moved = (dict(zip(("narrow", "left", "right", "largest", "mean", "last"),
                              golden.network(each, x))) for each in (network, other))
    for name in ("left", "right", "largest", "mean"):
        assert not np.array_equal(values[name], moved[name]), f"{name} has not moved"
        assert np.array_equal(np.sort(values[name]), np.sort(moved[name]))


def test_a_depthwise_layer_follows_and_an_additions_sources_stay():
    rng = np.random.default_rng(4)
    window = Window(height=5, width=4, channels=6)
    wide = dataclasses.replace(window, kernel=(3, 3), pad=(1, 1, 1, 1))
    layers = (
        conv(rng, dataclasses.replace(window, channels=2), 6, name="first"),
        depthwise(rng, wide, name="each"),
        conv(rng, window, 6, name="one", sources=("each",)),
        Pool(name="pooled", window=wide, reduce="max", sources=("one",)),
        Add(name="sum", pixels=20, channels=6, factors=(3, -2), shift=1,
            sources=("pooled", "each")),
        linear(rng, 120, 9))
    network = Network(name="added", layers=layers)
    assert balanced(network, 4).layers == layers, "all of it reaches the addition"
    free = Network(name="free", layers=(*layers[:4], linear(rng, 120, 9)))
    other = balanced(free, 4)
    x = rng.integers(-50, 50, (2, network.inputs))
    same_outputs(free, other, x)
    for number in range(4):
        assert other.layers[number] is not free.layers[number] or number == 3
    assert not np.array_equal(golden.network(free, x)[1], golden.network(other, x)[1])


def test_what_the_last_pool_reads_stays():
    rng = np.random.default_rng(5)
    window = Window(height=4, width=4, channels=6)
    network = Network(name="pool", layers=(
        conv(rng, dataclasses.replace(window, channels=3), 6, name="conv"),
        Pool(name="pool", window=dataclasses.replace(window, kernel=(2, 2)), reduce="max")))
    assert balanced(network, 4).layers == network.layers


def test_column_rates_are_shares_of_what_is_there():
    rng = np.random.default_rng(6)
    network = Network(name="two", layers=(
        conv(rng, Window(height=3, width=3, channels=2, kernel=(2, 2)), 3, name="conv"),
        linear(rng, 12, 4)))
    x = np.zeros((2, 18), int)
    x[0, 0] = x[1, 0] = 7               # seen by the first place of the first position alone
    rates = column_rates(network, x)
    assert rates["conv"].tolist() == [1 / 4, *[0] * 7]
    hidden = golden.network(network, x)[0]
    assert np.array_equal(rates["last"], (hidden != 0).mean(axis=0))
    assert INPUT not in rates


def test_what_clusters_share_is_ordered_for_the_pes_of_one():
    """A convolution of 8 channels on 2 x 4 PEs; a linear layer has but one position to share."""
    rng = np.random.default_rng(9)
    dense = np.zeros((8, 3), int)
    dense[::4] = 1
    network = Network(name="shared", layers=(
        dataclasses.replace(conv(rng, Window(height=2, width=2, channels=3), 8, name="conv"),
                            weights=SparseWeights.from_dense(dense), encoding="csr"),
        linear(rng, 32, 8, "hidden"), linear(rng, 8, 2)))
    assert loads(network.layers[0].weights, 4).tolist() == [6, 0, 0, 0]
    shared, apart = balanced(network, 8, clusters=2), balanced(network, 8)
    assert sorted(loads(shared.layers[0].weights, 4)) == [0, 0, 3, 3]
    hidden = balance_rows(network.layers[1].weights, 8)
    assert np.array_equal(shared.layers[1].bias, network.layers[1].bias[hidden])
    assert np.array_equal(apart.layers[1].bias, network.layers[1].bias[hidden])
    x = rng.integers(-9, 10, (2, 12))
    same_outputs(network, shared, x)
    config = CONFIG.replace(pes=8, clusters=2)
    program = compile_network(network, config, balance=True)
    assert sorted(loads(program.network.layers[0].weights, 4)) == [0, 0, 3, 3]
    assert np.array_equal(fast.run(program, x).outputs, golden.network(network, x)[-1])
    with pytest.raises(InputError, match="clusters must divide the 8 PEs, but 3 do not"):
        balanced(network, 8, clusters=3)


@pytest.mark.parametrize("wrong, message", [
    ({"pes": 0}, "pes must be at least 1, not 0"),
    ({"by": "luck"}, "by must be one of columns, entries, not 'luck'"),
    ({"rates": np.ones(4)}, r"column rates must have shape \(5,\), one for each column, not \(4,"),
    ({"rates": [1, 2, -1, 0, 1]}, "that of column 2 is -1.0"),
    ({"rates": [1, np.nan, 1, 0, 1]}, "that of column 1 is nan")])
def test_bad_arguments(wrong, message):
    weights = SparseWeights.from_dense(np.ones((3, 5), int))
    with pytest.raises(InputError, match=message):
        balance_rows(**{"weights": weights, "pes": 2} | wrong)


def test_rates_of_no_layer_are_refused():
    network = Network(name="one", layers=(linear(np.random.default_rng(0), 3, 4),))
    with pytest.raises(InputError, match="no layer 'fc9', for which there are column rates; its "
                                         "layers are last"):
        balanced(network, 2, {"fc9": np.ones(3)})


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Another(Windowed, Weighted, Local):
    """A channel-wise kind that load balancing does not know; it computes like Depthwise."""
    window: Window
    concatenates = True
    outputs = Depthwise.outputs
    sums = Depthwise.sums


@pytest.mark.parametrize("place", [1, 2])
def test_a_channel_wise_kind_that_balance_does_not_know_is_refused(place):
    """It would read reordered channels with parameters in the old order."""
    rng = np.random.default_rng(5)
    window = Window(height=4, width=4, channels=6, kernel=(2, 2))
    another = Another(**vars(depthwise(rng, window)))
    layers = [conv(rng, Window(height=4, width=4, channels=3), 6, name="conv"),
              linear(rng, 9 * 6, 4)]
    layers = [layers[0], another, *layers[1:]][:place + 1]
    network = Network(name="new", layers=tuple(layers))
    with pytest.raises(InputError, match="layer 'depthwise': load balancing cannot reorder the "
                                         "channels of a layer of kind Another; compile"):
        balanced(network, 4)
    compile_network(network, CONFIG.replace(pes=4))
    by_default = compile_for(network, CONFIG.replace(pes=4)).choices
    assert not by_default.is_balanced
    assert by_default.unbalanced_because == "it has layers of a kind that cannot be reordered"
    with pytest.raises(InputError, match="cannot reorder"):
        compile_for(network, CONFIG.replace(pes=4), balance=True)


def test_simulate_and_verify_balance_a_network():
    rng = np.random.default_rng(8)
    network = Network(name="small", input_range=(-20, 20), layers=(
        linear(rng, 9, 13, "first"), linear(rng, 13, 6)))
    x = rng.integers(-20, 21, (3, 9))
    expected = golden.network(balanced(network, 4), x)
    plain = golden.network(network, x)
    assert not np.array_equal(expected[0], plain[0])
    program = openeie.compile(network, "TINY", balance=True)
    run = openeie.simulate(program, x)
    assert np.array_equal(run.tiles[0].outputs, expected[0])
    given = openeie.simulate(network, x, config="TINY", balance=True)
    assert np.array_equal(given.tiles[0].outputs, plain[0])
    assert np.array_equal(given.cycles, run.cycles)
    assert openeie.verify(network, x, config="TINY", balance=True,
                          engines=("golden", "fast")).words == 3 * 19


def test_the_gateware_runs_it():
    rng = np.random.default_rng(7)
    dense = rng.integers(1, 4, (13, 9)) * (rng.random((13, 9)) < .4)
    dense[::4] = 2
    network = Network(name="small", input_range=(-20, 20), layers=(
        dataclasses.replace(linear(rng, 9, 13, "first"), weights=SparseWeights.from_dense(dense)),
        linear(rng, 13, 6)))
    x = rng.integers(-20, 21, (3, 9))
    program = compile_network(network, preset("TINY"), balance=True)
    assert loads(program.network.layers[0].weights, 4).max() < loads(
        network.layers[0].weights, 4).max()
    truth = rtl.run(program, x)
    truth.compare(fast.run(program, x))
    assert np.array_equal(truth.outputs, golden.network(network, x)[-1])
