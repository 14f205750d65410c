# SPDX-License-Identifier: Apache-2.0
"""Average pools: torch's values, or a refusal, and none where all windows are alike."""
import numpy as np
import openeie
import pytest
import torch
import torch.nn.functional as F
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from openeie.core.errors import InputError
from openeie.sw.float.graph import FloatGraph, Node
from openeie.sw.importers.caffe.network import to_graph
from openeie.sw.importers.caffe.prototxt import parse
from openeie.sw.importers.onnx.file import load_onnx
from openeie.sw.quantise.quantise import quantise_graph
from support.onnx_models import model, node, saved
from torch import nn

UNEVEN = "an average whose windows do not all have the same number of elements"


def divisors(size, count, **options):
    """What torch divides the sum of each window of a map by."""
    ones = torch.ones(1, 1, *size, dtype=torch.float64)
    sums = F.avg_pool2d(ones, divisor_override=1, **options)
    return torch.round(sums / F.avg_pool2d(ones, count_include_pad=count, **options))


def integers(network, x):
    """The network's maps [batch, channels, rows, columns] for integers x of the same layout."""
    return openeie.simulate(network, openeie.to_array_order(x), engine="golden",
                            config="NET16").outputs


pairs = st.tuples(st.integers(1, 5), st.integers(1, 5))


@given(st.tuples(st.integers(1, 9), st.integers(1, 9)), pairs, pairs,
       st.tuples(st.integers(0, 2), st.integers(0, 2)), st.booleans(), st.booleans(),
       st.integers(0, 2**32 - 1))
@settings(max_examples=200)
def test_torchs_values_or_a_refusal(size, kernel, stride, pad, ceil, count, seed):
    assume(all(k <= n + 2 * p and 2 * p <= k for n, k, p in zip(size, kernel, pad)))
    options = {"kernel_size": kernel, "stride": stride, "padding": pad, "ceil_mode": ceil}
    x = np.random.default_rng(seed).integers(-120, 121, (2, 3, *size))
    wanted = F.avg_pool2d(torch.from_numpy(x).double(), count_include_pad=count, **options)
    even = len(divisors(size, count, **options).unique()) == 1
    graph = FloatGraph(name="g", nodes=(
        Node(name="x", op="input", shape=(3, *size)),
        Node(name="p", op="avg_pool", inputs=("x",), kernel=kernel, stride=stride, pad=pad,
             ceil=ceil, pad_counts=count)))
    quantise = {"calibration": x.astype(np.float32), "input_range": (-120, 120)}
    if not even:
        with pytest.raises(InputError, match=UNEVEN):
            quantise_graph(graph, **quantise)
        return
    network = quantise_graph(graph, **quantise)
    found = integers(network, x) * network.layers[-1].output_scale
    wanted = openeie.to_array_order(wanted)
    assert found.shape == wanted.shape
    assert np.abs(found - wanted).max() <= network.layers[-1].output_scale


@pytest.mark.parametrize("kernel, stride, size", [(2, 3, 4), (2, 2, 5), (3, 3, 5)])
def test_a_ceil_that_changes_nothing(kernel, stride, size):
    """Of a torch module, and of an ONNX file whose opset has torch's rule."""
    torch.manual_seed(0)
    x = torch.randint(0, 256, (4, 2, size, size)).float()
    pool = nn.AvgPool2d(kernel, stride, 1, ceil_mode=True)
    assert torch.equal(pool(x), nn.AvgPool2d(kernel, stride, 1)(x))
    network = openeie.quantise(pool, x, input_range=(0, 255))
    found = integers(network, x.numpy().astype(int)) * network.layers[-1].output_scale
    assert np.allclose(found, openeie.to_array_order(pool(x)), atol=0.01)


def test_a_ceil_that_changes_nothing_in_an_onnx_file(tmp_path):
    proto = model([node(
        "AveragePool", "x", "y", kernel_shape=[2, 2], strides=[2, 2], pads=[1] * 4, ceil_mode=1,
        count_include_pad=1)], (1, 2, 5, 5), opset=22)
    graph = load_onnx(saved(tmp_path, proto))
    assert graph.shapes["y"] == (2, 3, 3)
    quantise_graph(graph, np.ones((1, 2, 5, 5), np.float32), input_range=(0, 255))


CAFFE = """
name: "n" input: "data" input_dim: 1 input_dim: 1 input_dim: {size} input_dim: {size}
layer {{ name: "p" type: "Pooling" bottom: "data" top: "p" pooling_param {{ {pool} }} }}
"""


def caffe(size, pool):
    return to_graph(parse(CAFFE.format(size=size, pool=pool)), None)


def test_pools_of_caffe():
    graph = caffe(5, "pool: AVE kernel_size: 2 stride: 2 pad: 1")
    assert graph.shapes["p"] == (1, 3, 3)
    quantise_graph(graph, np.ones((1, 1, 5, 5), np.float32), input_range=(0, 255))
    assert caffe(6, "pool: MAX kernel_size: 3 stride: 2").shapes["p"] == (1, 3, 3)
    assert caffe(6, "pool: MAX kernel_size: 3 stride: 2 round_mode: FLOOR").shapes["p"] == (1, 2, 2)
    assert caffe(4, "pool: AVE kernel_size: 2 stride: 3 pad: 1").shapes["p"] == (1, 2, 2)
    with pytest.raises(InputError, match="round_mode must be CEIL or FLOOR, not UP"):
        caffe(6, "pool: MAX kernel_size: 3 stride: 2 round_mode: UP")
    with pytest.raises(InputError, match="line 3: the last window of layer 'p', 1 wide with stride "
                                         "4, begins outside the 4 values of its input"):
        caffe(4, "pool: MAX kernel_size: 1 stride: 4")
    assert caffe(4, "pool: MAX kernel_size: 1 stride: 4 round_mode: FLOOR").shapes["p"] == (1, 1, 1)
