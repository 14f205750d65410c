# SPDX-License-Identifier: Apache-2.0
"""Convolutions: the window, the walk in the array's memories, the file, and what is refused."""
import dataclasses
import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from openeie.core import golden
from openeie.core.array.config import preset
from openeie.core.artefact import artefact
from openeie.core.compile.compile import compile_network
from openeie.core.errors import ArtefactError, CapacityError, InputError
from openeie.core.network.address_walk import AddressWalk
from openeie.core.network.graph import Linear, Network
from openeie.core.network.layout import MapLayout
from openeie.core.network.window import Window
from openeie.core.numbers.sparse import SparseWeights
from support.maps import layer, windows

CONFIG = preset("TINY").replace(operations=("linear", "conv"), act_depth=512, acc_depth=64,
                                pointer_depth=2048, entry_depth=4096, channel_depth=256)


@given(windows(), st.integers(0, 1 << 32))
def test_golden_is_torch_s_convolution(window, seed):
    rng = np.random.default_rng(seed)
    conv = layer(rng, window, 4)
    conv = dataclasses.replace(conv, multiplier=np.ones(4, int), shift=np.zeros(4, int))
    x = rng.integers(-50, 50, (2, window.inputs))
    top, left, bottom, right = window.pad
    maps = torch.from_numpy(x.reshape(2, window.height, window.width, window.channels)
                            ).double().permute(0, 3, 1, 2)
    kernel = torch.from_numpy(conv.weights.dense().reshape(
        4, *window.kernel, window.channels)).double().permute(0, 3, 1, 2)
    expected = torch.nn.functional.conv2d(
        torch.nn.functional.pad(maps, (left, right, top, bottom)), kernel,
        torch.tensor(conv.bias).double(), stride=window.stride)
    assert expected.shape[2:] == (window.out_height, window.out_width)
    got = golden.layer(conv, x, 16)
    assert np.array_equal(got, expected.permute(0, 2, 3, 1).reshape(2, -1).numpy())


@given(windows(), st.integers(1, 6), st.integers(1, 2), st.integers(0, 9), st.integers(0, 3),
       st.integers(0, 1 << 32))
def test_the_walk_sees_what_the_window_sees(window, pes, inputs, origin, gap, seed):
    """Wherever the map begins, and whatever lies between its pixels."""
    rng = np.random.default_rng(seed)
    x = rng.integers(-9, 10, (inputs, window.inputs))
    rows, pixels = -(-window.channels // pes), window.height * window.width
    map_rows = MapLayout(pixels=pixels, parts=(window.channels,)).memory(x, pes)
    memory = rng.integers(-9, 10, (origin + inputs * pixels * (rows + gap), pes))
    memory[origin:].reshape(inputs, pixels, rows + gap, pes)[:, :, :rows] = map_rows
    walk = AddressWalk.of_window(window, rows, origin, rows + gap)
    address, inside = walk.addresses(inputs * walk.positions, 1 << 24)
    assert address[inside].max(initial=0) < len(memory)
    seen = memory[np.where(inside, address, 0)] * inside[..., None]
    pixels = seen.reshape(len(address), -1, rows * pes)[..., :window.channels]
    assert np.array_equal(pixels.reshape(inputs, walk.positions, -1), window.gather(x))


@pytest.mark.parametrize("fields, message", [
    ({"height": 0}, "height, width must be integers in 1 .. 65535, not 0, 5"),
    ({"kernel": (8, 1)}, "a kernel of 8 x 1 does not fit a map of 5 x 5 padded by"),
    ({"kernel": (300, 1)}, "kernel must be integers in 1 .. 255, not 300, 1"),
    ({"stride": (0, 1)}, "stride must be integers in 1 .. 255"),
    ({"pad": (0, 0, -1, 0)}, "pad must be integers in 0 .. 255"),
])
def test_windows_that_cannot_be(fields, message):
    with pytest.raises(InputError, match=message):
        Window(**{"height": 5, "width": 5, "channels": 3} | fields)


def test_layers_that_do_not_follow_one_another(rng):
    window = Window(height=4, width=4, channels=3, kernel=(3, 3))
    conv = layer(rng, window, 6)
    with pytest.raises(InputError, match="weights must have 27 columns, one for each element"):
        dataclasses.replace(conv, weights=SparseWeights.from_dense(np.ones((6, 9), int)))
    other = layer(rng, Window(height=2, width=3, channels=4), 2, name="other")
    with pytest.raises(InputError, match="layer 'other' takes 4 channels, but 'conv' gives 6"):
        Network(name="n", layers=(conv, other))
    with pytest.raises(InputError, match="takes 25 inputs, but 'conv' gives 24"):
        Network(name="n", layers=(conv, layer(rng, 25, 2, Linear, name="last")))


def test_an_array_without_convolutions_refuses_one(rng):
    network = Network(name="n", layers=(layer(rng, Window(height=4, width=4, channels=3), 6),))
    with pytest.raises(InputError, match="runs only linear layers; choose a configuration with c"):
        compile_network(network, preset("TINY"))
    large = Network(name="n", layers=(layer(rng, Window(height=40, width=40, channels=1), 1),))
    with pytest.raises(CapacityError, match="act_depth: the maps needed at .* need 1,600"):
        compile_network(large, CONFIG)


def test_a_network_with_convolutions_is_saved_and_read(rng, tmp_path):
    window = Window(height=6, width=5, channels=3, kernel=(3, 2), stride=(2, 1), pad=(1, 0, 2, 1))
    conv = layer(rng, window, 5)
    network = Network(name="n", layers=(conv, layer(rng, conv.outputs, 4, Linear, name="last")),
                      input_range=(-99, 99))
    artefact.save(network, tmp_path / "n.eie")
    read = artefact.load(tmp_path / "n.eie")
    assert read.layers[0].window == window and type(read.layers[1]) is Linear
    x = rng.integers(-99, 100, (3, network.inputs))
    for ours, theirs in zip(golden.network(network, x), golden.network(read, x)):
        assert np.array_equal(ours, theirs)


@pytest.mark.parametrize("change, message", [
    (lambda window: window[:10], "at least 11 items"),
    (lambda window: [0, *window[1:]], "height, width must be integers in 1"),
    (lambda window: [*window[:2], 9, *window[3:]], "columns|channels|inputs"),
])
def test_a_file_with_a_window_that_cannot_be(rng, change, message, monkeypatch):
    conv = layer(rng, Window(height=6, width=5, channels=3, kernel=(3, 2)), 5)
    network = Network(name="n", layers=(conv,), input_range=(-99, 99))
    dump = artefact.dump_header

    def damaged(fields):
        fields["layers"][0]["window"] = change(fields["layers"][0]["window"])
        return json.dumps(fields)
    monkeypatch.setattr(artefact, "dump_header", damaged)
    data = artefact.dumps(network)
    monkeypatch.setattr(artefact, "dump_header", dump)
    with pytest.raises(ArtefactError, match=message):
        artefact.loads(data)
