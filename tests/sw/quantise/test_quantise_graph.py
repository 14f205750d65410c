# SPDX-License-Identifier: Apache-2.0
"""Float graphs as integer networks: close to the float network, equal in the engines."""
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from openeie.core import golden
from openeie.core.array.config import ArrayConfig
from openeie.core.compile.compile import compile_network
from openeie.core.errors import InputError, NumericWarning
from openeie.core.network.graph import INPUT, Add, Conv, Depthwise
from openeie.sim.fast import fast
from openeie.sw.data.imagenet import MAP_RANGE, caffe_maps
from openeie.sw.float.graph import FloatGraph, Node
from openeie.sw.float.run import outputs_of, run_float
from openeie.sw.importers.caffe.han import load_han
from openeie.sw.quantise.quantise import quantise_graph
from support.float_nodes import conv, integers

DATA = Path(__file__).resolve().parents[4] / "shared" / "data"
ARRAY = ArrayConfig(pes=16, operations=("linear", "conv", "pool"), encodings=("csr", "codebook"),
                    code_width=8, acc_width=48, act_depth=1 << 17, entry_depth=1 << 16,
                    pointer_depth=1 << 15, acc_depth=64, channel_depth=1024, max_layers=64)


def network(rng):
    """A small network with everything that is supported: branches, groups, pools, flattening."""
    def conv(name, source, out, channels, kernel=1, **fields):
        weight = rng.normal(size=(out, channels, kernel, kernel)).astype(np.float32)
        return Node(name=name, op="conv", inputs=(source,), kernel=(kernel, kernel), weight=weight,
                    bias=rng.normal(size=out).astype(np.float32), **fields)
    codebook = np.concatenate([[0], rng.normal(size=15)]).astype(np.float32)
    codes = rng.integers(0, 16, (5, 240)).astype(np.uint8)
    return FloatGraph(name="small", nodes=(
        Node(name="data", op="input", shape=(3, 9, 8)),
        conv("a", "data", 6, 3, 3, stride=(2, 1), pad=(1, 1)),
        Node(name="ra", op="relu", inputs=("a",)),
        conv("one", "ra", 4, 6),
        conv("three", "ra", 6, 3, 3, pad=(1, 1), groups=2),
        Node(name="rt", op="relu", inputs=("three",)),
        Node(name="both", op="concat", inputs=("one", "rt")),
        Node(name="max", op="max_pool", inputs=("both",), kernel=(2, 2), stride=(2, 2), ceil=True),
        Node(name="mean", op="avg_pool", inputs=("both",), kernel=(3, 3), pad=(1, 1), stride=(2, 2),
             pad_counts=True),
        Node(name="all", op="concat", inputs=("max", "mean")),
        Node(name="flat", op="flatten", inputs=("all",)),
        Node(name="fc", op="linear", inputs=("flat",), weight=codebook[codes], codes=codes,
             codebook=codebook, bias=rng.normal(size=5).astype(np.float32))))


def test_a_small_network(rng):
    graph = network(rng)
    x = rng.integers(-100, 101, (6, 3, 9, 8))
    result = quantise_graph(graph, x.astype(np.float32) / 16, input_range=(-100, 100),
                            input_scale=1 / 16)
    assert [layer.name for layer in result.layers] == ["a", "one", "three", "max", "mean", "fc"]
    assert [layer.relu for layer in result.layers] == [True, False, True, False, False, False]
    assert result.sources(0) == (INPUT,) and result.sources(3) == ("one", "three")
    assert result.layers[-1].encoding == "codebook"
    assert len(result.layers[-1].weights.codebook) == 16
    expected = run_float(graph, x.astype(np.float32) / 16)
    got = golden.network(result, integers(x))[-1] * result.layers[-1].output_scale
    assert np.abs(got - expected).max() < 2e-3 * np.abs(expected).max()
    run = fast.run(compile_network(result, ARRAY), integers(x))
    for ours, theirs in zip(run.tiles, golden.network(result, integers(x))):
        assert np.array_equal(ours.outputs, theirs)


def inverted_residual(rng, gain=1.0, channels=6):
    """An input, and behind it what MobileNetV2 consists of, with a ReLU behind the addition;
    ``gain`` makes one of what is added larger than the other."""
    def conv(name, source, weight, **fields):
        out, _, *kernel = weight.shape
        return Node(name=name, op="conv", inputs=(source,), kernel=tuple(kernel),
                    weight=weight.astype(np.float32),
                    bias=rng.normal(size=out).astype(np.float32), **fields)
    codes = rng.integers(0, 8, (12, 1, 3, 3)).astype(np.uint8)
    codebook = np.concatenate([[0], rng.normal(size=7)]).astype(np.float32)
    return FloatGraph(name="residual", nodes=(
        Node(name="data", op="input", shape=(3, 7, 6)),
        conv("first", "data", rng.normal(size=(channels, 3, 1, 1))),
        conv("wide", "first", rng.normal(size=(12, channels, 1, 1))),
        Node(name="r", op="relu", inputs=("wide",)),
        conv("deep", "r", codebook[codes], codes=codes, codebook=codebook, groups=12, pad=(1, 1)),
        Node(name="rd", op="relu", inputs=("deep",)),
        conv("narrow", "rd", gain * rng.normal(size=(channels, 12, 1, 1))),
        Node(name="sum", op="add", inputs=("first", "narrow")),
        Node(name="rs", op="relu", inputs=("sum",)),
        conv("pairs", "rs", rng.normal(size=(2 * channels, 1, 3, 2)), groups=channels),
        conv("last", "pairs", rng.normal(size=(2 * channels, 1, 2, 2)), groups=2 * channels,
             stride=(2, 1))))


@pytest.mark.parametrize("gain", [1.0, 300.0, 0.01])
def test_depthwise_convolutions_and_additions(rng, gain):
    graph = inverted_residual(rng, gain)
    x = rng.integers(-100, 101, (6, 3, 7, 6))
    result = quantise_graph(graph, x.astype(np.float32) / 16, input_range=(-100, 100),
                            input_scale=1 / 16)
    layers = {layer.name: layer for layer in result.layers}
    assert list(layers) == ["first", "wide", "deep", "narrow", "sum", "pairs", "last"]
    kinds = [Conv, Conv, Depthwise, Conv, Add, Conv, Depthwise]     # pairs: two outputs a channel
    assert [type(layer) for layer in result.layers] == kinds
    assert layers["sum"].relu and layers["sum"].sources == ("first", "narrow")
    assert layers["deep"].encoding == "codebook" and len(layers["deep"].weights.codebook) == 8
    ratio = layers["first"].output_scale / layers["narrow"].output_scale
    one, other = layers["sum"].factors
    assert one == ratio * other and max(one, other) == 1 << 14, "scales are powers of two"
    expected = run_float(graph, x.astype(np.float32) / 16).transpose(0, 2, 3, 1)
    outputs = golden.network(result, integers(x))
    got = outputs[-1].reshape(expected.shape) * result.layers[-1].output_scale
    assert np.abs(got - expected).max() < 2e-3 * np.abs(expected).max()
    run = fast.run(compile_network(result, ARRAY), integers(x))
    for ours, theirs in zip(run.tiles, outputs):
        assert np.array_equal(ours.outputs, theirs)


@pytest.mark.parametrize("input_scale", [1 / 16, 0.0123, 1.7])
def test_an_addition_keeps_both_scales(rng, input_scale):
    """The input's is any number; the weights are to one another as the scales to 12 bits."""
    graph = FloatGraph(name="sum", nodes=(
        Node(name="data", op="input", shape=(4, 3, 3)),
        Node(name="c", op="conv", inputs=("data",),
             weight=rng.normal(size=(4, 4, 1, 1)).astype(np.float32)),
        Node(name="s", op="add", inputs=("c", "data"))))
    x = rng.integers(-100, 101, (3, 4, 3, 3))
    real = (x * input_scale).astype(np.float32)
    fields = {"input_scale": input_scale, "input_range": (-100, 100), "act_width": 8}
    for acc_width, bits in ((48, 14), (40, 14), (21, 11)):
        result = quantise_graph(graph, real, acc_width=acc_width, **fields)
        c, data = result.layers[1].factors
        assert max(c, data) == 1 << bits
        exact = input_scale / result.layers[0].output_scale
        assert abs(data / c - exact) < 2.0 ** -11 * max(exact, 1)
        expected = run_float(graph, real).transpose(0, 2, 3, 1)
        got = golden.network(result, integers(x))[-1] * result.layers[-1].output_scale
        assert np.abs(got.reshape(expected.shape) - expected).max() \
            < 0.03 * np.abs(expected).max()
    with pytest.raises(InputError, match="node 's': its sums need more than the 20 bits of an "
                                         "accumulator; use an acc_width of 21 or more"):
        quantise_graph(graph, real, acc_width=20, **fields)


def test_everything_unsupported_is_told_at_once(rng):
    data = Node(name="data", op="input", shape=(2, 5, 5))
    weight = rng.normal(size=(2, 2, 1, 1)).astype(np.float32)
    graph = FloatGraph(name="bad", nodes=(
        data, Node(name="c", op="conv", inputs=("data",), weight=weight),
        Node(name="k", op="concat", inputs=("data", "c")),
        Node(name="d", op="concat", inputs=("c", "data")),
        Node(name="s", op="add", inputs=("k", "d")),
        Node(name="p", op="avg_pool", inputs=("s",), kernel=(2, 2), stride=(2, 2), ceil=True),
        Node(name="r", op="relu", inputs=("p",)), Node(name="k2", op="concat", inputs=("r", "p")),
        Node(name="f", op="flatten", inputs=("k2",))))
    with pytest.raises(InputError) as raised:
        quantise_graph(graph, np.zeros((1, 2, 5, 5), np.float32), input_range=(-1, 1))
    for words in ("node 's': an addition that reads a concatenation",
                  "node 'p': an average whose windows",
                  "node 'r': a ReLU that does not directly follow a layer",
                  "node 'f': a flattened map cannot be the output, because"):
        assert words in str(raised.value)


def test_a_flattened_map_is_no_output(rng):
    def graph(side):
        return FloatGraph(name="g", nodes=(
            Node(name="data", op="input", shape=(2, side, side)), conv("a", "data", rng),
            Node(name="f", op="flatten", inputs=("a",))))
    with pytest.raises(InputError, match="node 'f': a flattened map cannot be the output"):
        quantise_graph(graph(2), np.zeros((1, 2, 2, 2)), input_range=(-1, 1))
    net = quantise_graph(graph(1), np.ones((1, 2, 1, 1)), input_range=(-1, 1))
    expected = run_float(graph(1), np.ones((1, 2, 1, 1), np.float32)).shape
    assert golden.network(net, np.ones((1, 2), int))[-1].shape == expected


def test_a_relu_of_a_relu_changes_nothing(rng):
    nodes = (Node(name="data", op="input", shape=(2, 3, 3)), conv("a", "data", rng),
             Node(name="r", op="relu", inputs=("a",)))
    twice = (*nodes, Node(name="r2", op="relu", inputs=("r",)),
             Node(name="r3", op="relu", inputs=("r2",)))
    x = rng.integers(-9, 10, (3, 2, 3, 3))
    for tail in ((), (conv("end", "{}", rng),)):
        nets = []
        for part, last in ((nodes, "r"), (twice, "r3")):
            end = tuple(replace(node, inputs=(last,)) for node in tail)
            nets.append(quantise_graph(FloatGraph(name="g", nodes=part + end), x,
                                       input_range=(-9, 9)))
        assert [layer.relu for layer in nets[1].layers] == [True, *[False] * len(tail)]
        assert np.array_equal(*(golden.network(net, integers(x))[-1] for net in nets))


def test_sums_that_do_not_fit_are_refused(rng):
    graph = FloatGraph(name="wide", nodes=(
        Node(name="data", op="input", shape=(4000,)),
        Node(name="fc", op="linear", inputs=("data",), weight=np.ones((1, 4000), np.float32))))
    x = np.ones((1, 4000), np.float32)
    for width in (16, 26, 30):
        with pytest.raises(InputError, match=f"'fc': its sums need more than the {width} bits of "
                                             f"an accumulator; use an acc_width of 31 or more"):
            quantise_graph(graph, x, input_range=(-32768, 32767), acc_width=width)
    with pytest.warns(NumericWarning, match="acc_width 31 leaves its weights 4 steps"):
        quantise_graph(graph, x, input_range=(-32768, 32767), acc_width=31)


def test_torch_s_modes_are_as_they_were(rng):
    """Between the nodes, and after two runs side by side."""
    graph = FloatGraph(name="g", nodes=(
        Node(name="data", op="input", shape=(2, 3, 3)), conv("a", "data", rng)))
    x, modes = np.ones((1, 2, 3, 3), np.float32), []
    for _ in zip(outputs_of(graph, x), outputs_of(graph, x)):
        modes.append((torch.is_grad_enabled(), torch.is_inference_mode_enabled()))
    modes.append((torch.is_grad_enabled(), torch.is_inference_mode_enabled()))
    assert modes == [(True, False)] * 3


@pytest.mark.skipif(not (DATA / "imagenet" / "sample100.npz").is_file(),
                    reason=f"{DATA / 'imagenet'} is not here")
def test_squeezenet_classifies_as_its_float_network_does():
    graph = load_han(DATA / "compressed_SqueezeNet.net", DATA / "SqueezeNet_deploy.prototxt")
    with np.load(DATA / "imagenet" / "sample100.npz") as sample:
        images, logits = sample["images"][:6], sample["float_logits"][:2]
    x = caffe_maps(images)
    result = quantise_graph(graph, x[2:].transpose(0, 3, 1, 2).astype(np.float32),
                            input_range=MAP_RANGE)
    program = compile_network(result, ARRAY)
    run = fast.run(program, x[:1].reshape(1, -1))
    for ours, theirs in zip(run.tiles, golden.network(result, x[:1].reshape(1, -1))):
        assert np.array_equal(ours.outputs, theirs), ours.name
    assert np.abs(run.outputs * result.layers[-1].output_scale - logits[:1]).max() < 0.05
    useful = sum(layer.total("busy") for layer, plan in zip(run.tiles, program.tiles)
                 if not plan.local)
    assert useful / (ARRAY.pes * run.cycles[0]) > 0.9
