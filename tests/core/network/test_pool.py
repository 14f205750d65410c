# SPDX-License-Identifier: Apache-2.0
"""Pooling: torch's results, the matrix of ones, the proof for the accumulators, what is refused."""
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from openeie.core import golden
from openeie.core.array.config import ArrayConfig, preset
from openeie.core.compile.compile import compile_network
from openeie.core.errors import CapacityError, ConfigError, InputError
from openeie.core.network.graph import Linear, Network
from openeie.core.network.layout import MapLayout
from openeie.core.network.pool import Pool
from openeie.core.network.window import Window
from openeie.core.numbers.fixed import quantise_scale
from openeie.core.numbers.sparse import SparseWeights
from support.maps import layer, windows

CONFIG = preset("TINY").replace(operations=("linear", "conv", "pool"), act_depth=512, acc_depth=64,
                                channel_depth=256)


def maps(x, window):
    """x [batch, inputs] as torch has maps, padding not included."""
    return torch.from_numpy(x.reshape(-1, window.height, window.width, window.channels)
                            ).double().permute(0, 3, 1, 2)


@given(windows(), st.integers(0, 1 << 32))
def test_golden_is_torch_s_pooling(window, seed):
    rng = np.random.default_rng(seed)
    x = rng.integers(-32768, 32768, (2, window.inputs))
    top, left, bottom, right = window.pad
    for reduce, beside in (("max", float("-inf")), ("sum", 0.0)):
        padded = torch.nn.functional.pad(maps(x, window), (left, right, top, bottom), value=beside)
        pool = Pool(name="p", window=window, reduce=reduce)
        if reduce == "max":
            expected = torch.nn.functional.max_pool2d(padded, window.kernel, window.stride)
        else:
            expected = torch.nn.functional.avg_pool2d(
                padded, window.kernel, window.stride, divisor_override=1)
        expected = expected.clip(-32768, 32767).permute(0, 2, 3, 1).reshape(2, -1)
        network = Network(name="n", layers=(pool,))
        assert np.array_equal(golden.network(network, x)[0], expected.numpy())


def test_an_average_rounds_half_up():
    window = Window(height=2, width=2, channels=1, kernel=(2, 2))
    multiplier, shift = quantise_scale(0.25)
    pool = Pool(name="p", window=window, reduce="sum", multiplier=multiplier, shift=shift)
    x = np.array([[1, 2, 3, 4], [1, 2, 3, 3], [-1, -2, -3, -4], [0, 0, 0, 1]])
    assert golden.network(Network(name="n", layers=(pool,)), x)[0].tolist() == [[3], [2], [-2], [0]]


@given(st.integers(1, 40), st.integers(1, 8))
def test_the_matrix_has_one_for_each_channel(channels, pes):
    pool = Pool(name="p", window=Window(height=1, width=1, channels=channels), reduce="sum")
    dense = pool.matrix(MapLayout(pixels=1, parts=(channels,)), pes).dense()[:channels]
    assert [(row, column) for row, column in np.argwhere(dense)] \
        == [(channel, channel // pes) for channel in range(channels)]
    assert set(dense.reshape(-1)) <= {0, 1}


@pytest.mark.parametrize("fields, message", [
    ({"reduce": "mean"}, "reduce must be max or sum, not 'mean'"),
    ({"multiplier": 3}, "1 and 0 for max, not 3 and 0"),
    ({"reduce": "sum", "shift": 63}, "shift in 0 .. 62"),
])
def test_pools_that_cannot_be(fields, message):
    with pytest.raises(InputError, match=message):
        Pool(**{"name": "p", "window": Window(height=2, width=2, channels=1),
                "reduce": "max"} | fields)


def test_what_an_array_refuses(rng):
    window = Window(height=4, width=4, channels=3, kernel=(2, 2))
    network = Network(name="n", layers=(Pool(name="p", window=window, reduce="max"),))
    with pytest.raises(InputError, match="layer 'p' is of the kind pool, but the array runs"):
        compile_network(network, preset("TINY"))
    with pytest.raises(InputError, match="layer 'p' is encoded as huffman, but the array has only"):
        compile_network(network, CONFIG.replace(encodings=("csr",)), encoding="huffman")
    with pytest.raises(ConfigError, match="operations with pool must include conv"):
        ArrayConfig(operations=("linear", "pool"))
    other = layer(rng, 28, 2, Linear, name="last")
    with pytest.raises(InputError, match="layer 'last' takes 28 inputs, but 'p' gives 27"):
        Network(name="n", layers=(*network.layers, other))


def test_sums_that_cannot_be_held_are_refused():
    window = Window(height=9, width=9, channels=1, kernel=(9, 9))
    network = Network(name="n", layers=(Pool(name="p", window=window, reduce="sum"),),
                      input_range=(-1000, 32767))
    narrow = CONFIG.replace(act_width=16, weight_width=4, acc_width=22, encodings=("csr",))
    with pytest.raises(CapacityError, match=r"acc_width: layer 'p' \(sums from -81,000 to "
                                            r"2,654,127\) needs 23, the array has 22"):
        compile_network(network, narrow)
    compile_network(network, narrow.replace(acc_width=23))


@pytest.mark.parametrize("height, top, fits", [(5, 0, True), (3, 2, False)])
def test_the_range_behind_a_pool_is_known(height, top, fits):
    """A window that covers only padding gives the smallest activation, whatever the inputs."""
    window = Window(height=height, width=1, channels=1, stride=(2, 1), pad=(top, 0, 0, 0))
    last = Linear(name="last", weights=SparseWeights.from_dense(np.full((1, 3), 127)),
                  encoding="csr", bias=[0], multiplier=[1], shift=[0])
    network = Network(name="n", input_range=(0, 3), layers=(
        Pool(name="p", window=window, reduce="max"), last))
    array = CONFIG.replace(acc_width=24, weight_width=8)
    if fits:
        compile_network(network, array)
        return
    with pytest.raises(CapacityError, match=r"acc_width: layer 'last' \(sums from -12,484,608"):
        compile_network(network, array)
