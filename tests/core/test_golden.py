# SPDX-License-Identifier: Apache-2.0
"""The specification against plain Python integers, and inputs it must not accept."""
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openeie.core import golden
from openeie.core.errors import InputError
from openeie.core.network.graph import Linear, Network
from openeie.core.numbers.sparse import SparseWeights
from support.strategies import layers


def plain(layer, x, act_width):
    """One output vector, by the formulas of docs/numerics.md, with Python's integers."""
    dense = layer.weights.dense().tolist()
    low, high = -(1 << (act_width - 1)), (1 << (act_width - 1)) - 1
    result = []
    for i, row in enumerate(dense):
        p = (sum(w * v for w, v in zip(row, x)) + int(layer.bias[i])) * int(layer.multiplier[i])
        shift = int(layer.shift[i])
        y = min(max((p + (1 << (shift - 1) if shift else 0)) >> shift, low), high)
        result.append(max(y, 0) if layer.relu else y)
    return result


@given(layers(), st.sampled_from([8, 16]), st.integers(0, 2**32 - 1))
@settings(max_examples=150)
def test_linear(layer, act_width, seed):
    rng = np.random.default_rng(seed)
    low, high = -(1 << (act_width - 1)), (1 << (act_width - 1)) - 1
    x = rng.choice([low, high, 0, 0, 1, -1, 55], (2, layer.inputs))
    got = golden.layer(layer, x, act_width)
    assert got.tolist() == [plain(layer, v, act_width) for v in x.tolist()]


def test_linear_agrees_with_floats_where_they_are_exact():
    """An oracle that shares nothing with the integer code: float64 on dequantised weights."""
    rng = np.random.default_rng(5)
    weights = SparseWeights.from_dense(rng.integers(-99, 99, (20, 30)))
    layer = Linear(name="l", weights=weights, bias=rng.integers(-999, 999, 20), encoding="csr",
                   multiplier=np.full(20, 1 << 14), shift=np.full(20, 17), relu=False)
    x = rng.integers(-200, 200, (50, 30))
    real = (x @ (weights.dense() / 8.0).T) + layer.bias / 8.0
    assert np.abs(golden.layer(layer, x, 16) - real).max() <= 0.5


@pytest.mark.parametrize(("x", "message"), [
    (np.zeros((2, 3), int), r"takes inputs of shape \[batch, 4\], not \[2, 3\]"),
    (np.zeros((1, 2, 4), int), r"takes inputs of shape \[batch, 4\], not \[1, 2, 4\]"),
    (np.array([[0, 1, np.nan, 2]]), r"input \[0, 2\] must be an integer activation, not .*nan"),
    (np.array([[0, 1, 2, 0.5]]), r"input \[0, 3\] must be an integer activation, not .*0.5"),
    (np.array([[0, np.inf, 2, 0]]), r"input \[0, 1\] must be an integer activation"),
    (np.array([[0, 1, 2, 256]]), r"input \[0, 3\] must be in 0 .. 255, not 256"),
    (np.array([[0, -1, 2, 3]]), r"input \[0, 1\] must be in 0 .. 255, not -1"),
    (np.array([["a", "b", "c", "d"]]), "inputs must be integers, not <U1"),
])
def test_bad_inputs(x, message):
    net = Network(name="n", input_range=(0, 255), layers=(Linear(
        name="l", weights=SparseWeights.from_dense(np.ones((1, 4), int)), bias=[0],
        multiplier=[1], shift=[0], encoding="csr"),))
    with pytest.raises(InputError, match=message):
        golden.network(net, x)
    assert golden.network(net, np.array([1.0, 2.0, 3.0, 4.0]))[0].tolist() == [[10]]


@pytest.mark.parametrize(("change", "message"), [
    ({"bias": [1 << 31]}, "values do not fit int32"),
    ({"multiplier": [0]}, "multiplier must be in 1 .. 32767, not 0 .. 0"),
    ({"multiplier": [1 << 15]}, "multiplier must be in 1 .. 32767, not 32768 .. 32768"),
    ({"shift": [63]}, "shift must be in 0 .. 62, not 63 .. 63"),
    ({"shift": [1, 2]}, r"shift must have shape \(1,\), not \(2,\)"),
    ({"bias": [0.5]}, "expected integers, not an array of float64"),
    ({"encoding": "zip"}, "encoding must be one of csr, codebook, huffman, not 'zip'"),
    ({"encoding": "codebook"}, "encoding codebook needs a codebook"),
])
def test_bad_layers(change, message):
    fields = {"name": "l", "weights": SparseWeights.from_dense(np.ones((1, 4), int)), "bias": [0],
              "multiplier": [1], "shift": [0], "encoding": "csr"}
    with pytest.raises(InputError, match=message):
        Linear(**(fields | change))
