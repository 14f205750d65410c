# SPDX-License-Identifier: Apache-2.0
"""Whole networks in an artefact: every kind of layer, branches, and headers that lie about them."""
import dataclasses
import json
import time
import tracemalloc
from pathlib import Path

import numpy as np
import openeie
import pytest
from support.damage import (EMPTY, assert_same, forge, header_text, repack, small_artefact,
                            whole_network)
from hypothesis import given, settings
from hypothesis import strategies as st
from openeie.core import golden
from openeie.core.array.config import OPERATIONS, preset
from openeie.core.artefact import artefact
from openeie.core.artefact.layer_headers import KINDS, write_layer
from openeie.core.errors import ArtefactError, InputError
from openeie.core.network.graph import SignConv, SignLinear, Conv, Network, Pool
from openeie.core.network.window import Window
from openeie.sim.random.networks import draw_network
from openeie.sw.importers.caffe.han import load_han
from openeie.sw.quantise.quantise import quantise_graph

DATA = Path(__file__).resolve().parents[4] / "shared" / "data"
ARRAY = preset("TINY").replace(operations=OPERATIONS)
WHOLE = artefact.dumps(whole_network())
POOL = {"kind": "pool", "relu": False, "output_scale": 1.0, "reduce": "max"}
NOTHING = b"\0\1\0\0"               # the payload of EMPTY


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=300)
def test_random_networks_come_back_and_keep_the_size_rule(seed):
    net = draw_network(np.random.default_rng(seed), ARRAY)
    data = artefact.dumps(net)
    assert_same(artefact.loads(data), net)
    assert artefact.dumps(artefact.loads(data)) == data
    payload = sum(len(write_layer(layer)[1] or b"") for layer in net.layers)
    assert openeie.inspect(data).payload_bytes == payload
    # A header of more layers than that takes more, and these payloads are tiny.
    assert len(net.layers) > 6 or len(data) <= 1.03 * payload + 1024


def test_random_networks_have_every_kind_and_branches():
    """Otherwise the test above would prove little. Binary layers have tests of their own."""
    nets = [draw_network(np.random.default_rng(seed), ARRAY) for seed in range(300)]
    assert {type(layer) for net in nets for layer in net.layers} \
        == {header.makes for header in KINDS.values()} - {SignLinear, SignConv}
    assert sum(len(layer.sources) > 1 for net in nets for layer in net.layers) > 5


def test_what_comes_back_computes_the_same(rng):
    net = whole_network()
    x = rng.integers(-5, 91, (3, net.inputs))
    for ours, theirs in zip(golden.network(net, x), golden.network(artefact.loads(WHOLE), x)):
        assert np.array_equal(ours, theirs)


def test_files_without_new_kinds_have_the_bytes_they_had():
    """The shipped file is one of the first version's; a convolution had a window and no kind."""
    path = openeie.shipped("lenet-300-100")
    assert artefact.dumps(openeie.load(path)) == path.read_bytes()
    layers = json.loads(header_text(WHOLE))["layers"]
    assert "window" in layers[0] and not {"kind", "sources"} & set(layers[0])
    assert layers[3]["kind"] == "pool" and not {"multiplier", "shift", "crc"} & set(layers[3])
    named = json.loads(header_text(WHOLE))
    named["layers"][0]["kind"] = "conv"
    assert_same(artefact.loads(repack(WHOLE, json.dumps(named))), whole_network())


@pytest.mark.parametrize(("number", "change"), [
    (3, {"reduce": "sum"}), (3, {"relu": True}), (3, {"sources": ("right", "left")}),
    (6, {"factors": (300, 7)}), (6, {"sources": ("deep", "mean")}), (6, {"multiplier": 2}),
    (4, {"multiplier": 2}), (4, {"shift": 1}), (4, {"output_scale": 2.0}),
    (4, {"window": Window(height=2, width=3, channels=5, kernel=(1, 3), stride=(1, 9))}),
    (2, {"window": Window(height=3, width=4, channels=4, kernel=(3, 3), pad=(2, 1, 0, 1))})])
def test_the_comparison_of_networks_sees_what_branches_and_pools_add(number, change):
    net = whole_network()
    layers = list(net.layers)
    layers[number] = dataclasses.replace(layers[number], **change)
    with pytest.raises(AssertionError):
        assert_same(net, dataclasses.replace(net, layers=tuple(layers)))


def changed(number, **fields):
    """The whole network's file with other fields in one layer's header; None takes one out."""
    header = json.loads(header_text(WHOLE))
    layer = header["layers"][number] | fields
    header["layers"][number] = {key: value for key, value in layer.items() if value is not None}
    return repack(WHOLE, json.dumps(header))


@pytest.mark.parametrize(("data", "message"), [
    (changed(3, kind="sort"), "layers.3: a layer's kind is one of linear, conv, pool, "
                              "depthwise, add, binary_linear, binary_conv; if it is 'sort', a "
                              "newer version wrote this file"),
    (changed(3, kind=[[]]), "layers.3: a layer's kind is one of"),
    (changed(3, kind=None), "layers.3.rows: Field required"),
    (changed(3, kind="linear"), "layers.3.rows: Field required"),
    (changed(3, crc=5), "layers.3.crc: Extra inputs are not permitted, not 5"),
    (changed(3, reduce="mean"), "layers.3.reduce: Input should be 'max' or 'sum'"),
    (changed(3, multiplier=2), r"layer 3 \(most\): .*1 and 0 for max, not 2 and 0"),
    (changed(4, multiplier=1 << 15), "layers.4.multiplier: Input should be less than 32768"),
    (changed(4, shift=63), "layers.4.shift: Input should be less than or equal to 62"),
    (changed(4, window=[1] * 10), "layers.4.window: List should have at least 11 items"),
    (changed(4, window=[1, 1, 5, 9, 9] + [0] * 6), "layers.4.window: stride must be integers in 1"),
    (changed(5, window=[2, 1, 6, 2, *[1] * 4, *[0] * 3]), "layer 5 takes 12 inputs, 'mean' gives"),
    (changed(5, cols=3), r"layer 5 \(deep\): .*weights must have shape \(5, 2\), a row for each"),
    (changed(6, pixels=3), "layer 6 takes 15 inputs, 'mean', 'deep' gives 10"),
    (changed(6, pixels=0), "layers.6.pixels: Input should be greater than or equal to 1"),
    (changed(6, factors=[1, 1 << 15]), r"layer 6 \(sum\): .*factors must be two integers in"),
    (changed(6, factors=[1]), "layers.6.factors: List should have at least 2 items"),
    (changed(6, sources=["mean"]), r"layer 6 \(sum\): .*sources must be two, not \('mean',\)"),
    (changed(6, sources=["mean", "left"]), "layer 6 takes 10 inputs, 'mean', 'left' gives 24"),
    (changed(6, window=[1] * 11), "layers.6.window: Extra inputs are not permitted"),
    (changed(7, window=[1] * 11), "layer 7 takes 1 inputs, 'sum' gives 10"),
    (changed(0, sources=["right"]), "layer 0 reads 'right', which is not an earlier layer"),
    (changed(1, sources=["left"]), "layer 1 reads 'left', which is not an earlier layer"),
    (changed(4, sources=["none"]), "layer 4 reads 'none', which is not an earlier layer"),
    (changed(3, sources=["left"]), "layer 3 takes 60 inputs, 'left' gives 24"),
    (changed(3, sources=["left", "left", "left"]), "layer 3 takes 60 inputs, 'left', 'left'"),
    (changed(1, sources=["input"]), "layer 1 takes 48 inputs, 'input' gives 90"),
    (changed(2, name="left"), "layer 2 has the name 'left', which another layer has"),
    (changed(0, name="input"), "layer 0 has the name 'input', which another layer has"),
    (changed(1, name="other"), "layer 3 reads 'left', which is not an earlier layer"),
    (changed(3, window=[3, 5, 4, *[1] * 4, *[0] * 4]), "layer 4 takes 30 inputs"),
    (repack(WHOLE, header_text(WHOLE), **{"3": np.zeros(1, np.uint8)}),
     "it has 6 payloads for 5 layers that have one"),
    (repack(small_artefact(), header_text(WHOLE)), "it has 1 payloads for 5 layers"),
])
def test_a_header_that_lies_about_a_layer_is_refused(data, message):
    with pytest.raises(ArtefactError, match=message):
        artefact.loads(data)


def pools(*layers):
    """A file of pools: (window, sources) each."""
    return forge([POOL | {"window": window, "sources": sources} for window, sources in layers],
                 [None] * len(layers))


ROW, HALF, PIXEL = ([1, 8, 1, 1, 1, 1, stride, 0, 0, 0, 0] for stride in (1, 2, 8))


@pytest.mark.parametrize(("data", "message"), [
    (pools((ROW, []), (HALF, ["input"]), ([1, 12, *ROW[2:]], ["l0", "l1"])),
     "layer 'l2' reads maps of different sizes: 'l0', 'l1'"),
    (pools((HALF, []), ([2, 4, *ROW[2:]], ["l0", "l0"])), "layer 'l1' reads 'l0' twice"),
    (pools((ROW, []), (ROW, ["input"])), "layer 'l0' is read by no layer, and is not the last"),
    (pools((ROW, []), ([1, 4, 2, *ROW[3:]], [])), "layer 'l1' takes 2 channels, but 'l0' gives 1"),
])
def test_what_the_network_itself_refuses(data, message):
    with pytest.raises(ArtefactError, match=message):
        artefact.loads(data)


def peak_and_seconds(action):
    """What it takes, and that it raises nothing but the documented error, which it returns."""
    tracemalloc.start()
    began, caught = time.perf_counter(), None
    try:
        action()
    except ArtefactError as error:
        caught = str(error)
    seconds, peak = time.perf_counter() - began, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak, seconds, caught


def chained(count, sources):
    """``count`` pools on a map of one pixel, layer k reading what ``sources`` names."""
    channels, layers = {"input": 1}, []
    for number in range(count):
        names = sources(number)
        read = sum(channels[name] for name in names)
        channels[f"l{number}"] = read
        layers.append(([1, 1, read, *[1] * 4, *[0] * 4], names))
    return pools(*layers)


@pytest.mark.parametrize(("count", "sources", "message"), [
    # As deep as a header allows, and every layer's parts follow from the one before.
    (1024, lambda k: [f"l{k - 1}"] if k else ["input"], None),
    # Each layer adds a part, or doubles them.
    (1024, lambda k: [f"l{k - 1}", "input"] if k else ["input"], None),
    (20, lambda k: [f"l{j}" for j in range(k)] or ["input"],
     "layer 12 reads 2,048 maps side by side, at most 1,024 are read"),
])
def test_pools_of_pools_take_no_time(count, sources, message):
    data = chained(count, sources)
    peak, seconds, caught = peak_and_seconds(lambda: artefact.loads(data))
    assert caught is None if message is None else message in caught
    assert seconds < 20 and peak < 60 << 20, f"{seconds:.1f} s, {peak >> 20} MiB"


def test_padding_makes_no_memory():
    """One weight and padding are a large map, which many wide and empty layers may read."""
    grow = EMPTY | {"window": [1, 1, 1, 1, 1, 1, 1, 255, 255, 255, 255]}
    more = EMPTY | {"window": [511, 511, 1, 1, 1, 1, 1, 255, 255, 255, 255]}
    wide = EMPTY | {"cols": 1021 * 1021, "sources": ["l1"]}
    last = EMPTY | {"cols": 40, "sources": [f"l{k}" for k in range(2, 42)]}
    data = forge([grow, more, *[wide] * 40, last], [NOTHING] * 43)
    peak, _, caught = peak_and_seconds(lambda: artefact.loads(data))
    assert "it has 41,697,682 columns, at most 16,777,216 are read" in caught
    assert peak < 10 << 20
    assert len(artefact.loads(forge([grow, more, wide], [NOTHING] * 3)).layers) == 3


@pytest.mark.parametrize("encoding", ["csr", "codebook", "huffman"])
def test_the_encoding_of_a_file_can_be_chosen(encoding, tmp_path):
    net = whole_network()
    size = openeie.save(net, tmp_path / "n.eie", encoding=encoding)
    assert size == (tmp_path / "n.eie").stat().st_size
    wanted = dataclasses.replace(net, layers=tuple(
        layer if layer.encoding is None else dataclasses.replace(layer, encoding=encoding)
        for layer in net.layers))
    assert_same(openeie.load(tmp_path / "n.eie"), wanted)


def test_an_encoding_that_weights_do_not_allow_is_refused(tmp_path):
    net = whole_network()
    plain = openeie.SparseWeights.from_dense(net.layers[-1].weights.dense())
    last = dataclasses.replace(net.layers[-1], weights=plain, encoding="csr")
    net = dataclasses.replace(net, layers=(*net.layers[:-1], last))
    with pytest.raises(InputError, match="layer 'last': encoding huffman needs a codebook"):
        openeie.save(net, tmp_path / "n.eie", encoding="huffman")
    assert not list(tmp_path.iterdir())


def test_a_kind_that_files_do_not_hold_is_refused():
    class Other(Conv):
        """A layer that would come back as another."""
    net = whole_network()
    fields = {field.name: getattr(net.layers[0], field.name)
              for field in dataclasses.fields(net.layers[0])}
    with pytest.raises(ArtefactError, match="layer 'stem' is a Other; this version's files hold "
                                            "linear, conv, pool, depthwise, add"):
        artefact.dumps(dataclasses.replace(net, layers=(Other(**fields), *net.layers[1:])))


def test_a_layer_cannot_have_the_input_s_name():
    pool = Pool(name="input", window=Window(height=1, width=1, channels=1), reduce="max")
    with pytest.raises(InputError, match="network 'n': 'input' is the name of its input, and "
                                         "cannot be a layer's"):
        Network(name="n", layers=(pool,))


@pytest.mark.skipif(not (DATA / "compressed_SqueezeNet.net").is_file(),
                    reason=f"{DATA / 'compressed_SqueezeNet.net'} is not here")
def test_squeezenet_is_smaller_than_what_its_authors_released(rng):
    """The same weights, Huffman coded: 26 convolutions and four pools."""
    graph = load_han(DATA / "compressed_SqueezeNet.net", DATA / "SqueezeNet_deploy.prototxt")
    pixels = rng.normal(0, 60, (1, 3, 227, 227)).clip(-123, 151).astype(np.float32)
    net = quantise_graph(graph, pixels,
                         input_range=(-123, 151))
    sizes = {}
    for encoding in ("codebook", "huffman"):
        data = artefact.dumps(net, encoding=encoding)
        contents = openeie.inspect(data)
        assert len(data) <= 1.03 * contents.payload_bytes + 1024
        assert contents.total.weights == 1_244_448 and contents.total.kept == 415_921
        sizes[encoding] = len(data)
    assert len(net.layers) == 30 and sizes["huffman"] < 0.81 * 675_763
    assert sizes["huffman"] < sizes["codebook"] < 0.9 * 675_763
    other = artefact.loads(data)
    assert all(np.array_equal(a.weights.values, b.weights.values)
               for a, b in zip(net.layers, other.layers) if not isinstance(a, Pool))
