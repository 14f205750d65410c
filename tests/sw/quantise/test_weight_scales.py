# SPDX-License-Identifier: Apache-2.0
"""Scales of rows: the finest that are allowed, and none at which a sum could overflow."""
import numpy as np
import pytest
import torch
from support.float_nodes import integers_of
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from openeie.core.errors import InputError
from openeie.core.network.bounds import accumulator_needs
from openeie.core.numbers.fixed import int_range
from openeie.sw.float.graph import FloatGraph, Node
from openeie.sw.quantise.quantise import quantise_graph
from openeie.sw.quantise.weight_scales import levels, quantised_rows
from torch import nn


@given(st.integers(0, 2**32 - 1), st.integers(16, 48), st.sampled_from([1, 127, 1 << 15]),
       st.floats(-3, 9))
@settings(max_examples=200)
def test_rows_are_as_fine_as_they_may_be(seed, acc_width, largest, bias):
    """Of each row: weights to the nearest, sums inside the accumulator in every order, the bias
    in 32 bits; and a scale two per cent finer breaks a rule, unless few steps round up."""
    rng = np.random.default_rng(seed)
    m, n = rng.integers(1, 6), rng.integers(1, 40)
    values = rng.normal(size=(m, n)) * 10.0 ** rng.uniform(-6, 3, (m, 1))
    values *= rng.random((m, n)) < 0.8
    values = values.astype(np.float32)
    magnitude = float(np.abs(values).max()) or 1.0
    biases = rng.normal(size=m) * np.abs(values).max(axis=1) * 10.0 ** bias
    try:
        coarsest = magnitude / levels("a", values, magnitude, biases / magnitude, largest,
                                      acc_width)
    except InputError:
        assume(False)
    whole, scales = quantised_rows(values, biases, coarsest, largest, acc_width)
    most, limit = int_range(acc_width)[1], min(int_range(acc_width)[1] // 2, int_range(32)[1])
    steps = np.abs(values.astype(float)) / scales[:, None]
    bias_steps = np.abs(biases) / scales
    assert np.abs(whole - values / scales[:, None]).max() <= 0.501
    assert np.abs(whole.astype(int)).max() < 1 << 15
    sums = np.abs(whole.astype(int)).sum(axis=1) * largest
    assert np.all(sums + np.rint(bias_steps) <= most)
    assert np.all(np.rint(bias_steps) <= int_range(32)[1])
    assert np.all(scales <= coarsest)
    full = (1.02 * steps.max(axis=1) > (1 << 15) - 1) | (1.02 * bias_steps > limit) \
        | (1.04 * steps.sum(axis=1) * largest > most // 2)
    few = (steps > 0).sum(axis=1) * largest > most // 100
    assert np.all(full | few | ~values.any(axis=1))


@given(st.integers(0, 2**32 - 1), st.sampled_from([8, 16]), st.integers(24, 48))
@settings(max_examples=40, deadline=None)
@pytest.mark.filterwarnings("ignore::openeie.NumericWarning")
def test_no_network_s_sums_leave_the_accumulator(seed, act_width, acc_width):
    rng = np.random.default_rng(seed)
    sizes = [rng.integers(1, 30) for _ in range(4)]
    nodes = [Node(name="x", op="input", shape=(int(sizes[0]),))]
    for number, (n, m) in enumerate(zip(sizes, sizes[1:])):
        by_row = 10.0 ** rng.uniform(-4, 1, (m, 1))
        nodes.append(Node(name=f"{number}", op="linear", inputs=(nodes[-1].name,),
                          weight=(rng.normal(size=(m, n)) * by_row).astype(np.float32),
                          bias=(rng.normal(size=m) * by_row[:, 0]).astype(np.float32)))
        nodes.append(Node(name=f"r{number}", op="relu", inputs=(f"{number}",)))
    x = rng.integers(0, 128, (10, sizes[0])).astype(np.float32) / 127
    try:
        network = quantise_graph(FloatGraph(name="n", nodes=nodes), x, input_range=(0, 127),
                                 input_scale=1 / 127, act_width=act_width, acc_width=acc_width)
    except InputError:
        assume(False)
    assert all(bits <= acc_width for _, bits, _, _ in accumulator_needs(network))


def test_a_small_row_keeps_its_weights():
    model = nn.Sequential(nn.Linear(6, 3))
    with torch.no_grad():
        model[0].weight *= torch.tensor([[1.0], [1e-3], [1e-9]])
        model[0].bias[:] = torch.tensor([0.0, 0.0, 0.5])    # the last row is nothing but its bias
    layer = integers_of(model, np.full((2, 6), 200), high=255).layers[0]
    largest = np.abs(layer.weights.dense()).max(axis=1)
    assert largest[:2].tolist() == [32767, 32767] and largest[2] < 10
    units = layer.multiplier * np.exp2(-layer.shift.astype(float)) * layer.output_scale
    assert layer.weight_scale * (1 / 255) == pytest.approx(units.max(), rel=1e-4)
    assert layer.bias[2] * units[2] == pytest.approx(0.5, rel=1e-4)


@pytest.mark.parametrize("slot, stored", [(1.0001, 32767), (-7.0, -32767), (np.inf, 32767),
                                          (np.nan, 0), (0.5, 16384)])
def test_a_slot_that_no_weight_uses_decides_nothing(slot, stored):
    """It would not fit 16 bits at the scale of the weights that there are."""
    codes, table = np.array([[1, 0]], np.uint8), np.array([0, 1, slot], np.float32)
    graph = FloatGraph(name="g", nodes=(
        Node(name="data", op="input", shape=(2,)),
        Node(name="fc", op="linear", inputs=("data",), weight=table[codes], codes=codes,
             codebook=table)))
    layer, = quantise_graph(graph, np.ones((1, 2)), input_range=(0, 1)).layers
    assert layer.weights.codebook.tolist() == [0, 32767, stored]
    assert layer.weights.values.tolist() == [32767]
