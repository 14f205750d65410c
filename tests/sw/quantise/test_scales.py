# SPDX-License-Identifier: Apache-2.0
"""What must have one scale has it; what no scale meets is refused with the layer's name."""
import numpy as np
import pytest
from openeie.core import golden
from openeie.core.errors import InputError
from openeie.core.network.graph import INPUT
from openeie.sw.float.graph import FloatGraph, Node
from openeie.sw.float.run import outputs_of, run_float
from openeie.sw.quantise.quantise import quantise_graph
from openeie.sw.quantise.scales import joined
from support.float_nodes import cat, conv, integers, pool


def grouped(kind, rng, gain):
    """Networks whose concatenations have parts of very different size, and what has one scale."""
    data = Node(name="data", op="input", shape=(2, 4, 4))
    if kind == "map and its pool":
        return (data, conv("a", "data", rng, gain=gain), pool("p", "a"), cat("k", "a", "p"),
                conv("end", "k", rng, 4)), [{"a", "p"}]
    if kind == "layer and pool of another":
        return (data, conv("a", "data", rng), conv("b", "data", rng, gain=gain), pool("p", "a"),
                cat("k", "b", "p"), conv("end", "k", rng, 4)), [{"a", "b", "p"}]
    if kind == "input":
        return (data, conv("a", "data", rng, gain=0.2), pool("p", "data"),
                cat("k", "data", "a", "p"), conv("end", "k", rng, 6)), [{INPUT, "a", "p"}]
    return (data, conv("a", "data", rng), pool("p", "a"), pool("q", "p"), cat("k", "a", "q"),
            conv("b", "k", rng, 4, gain=gain), pool("r", "b"), cat("l", "r", "b"),
            conv("end", "l", rng, 4)), [{"a", "p", "q"}, {"b", "r"}]


@pytest.mark.parametrize("gain", [0.01, 1.0, 50.0])
@pytest.mark.parametrize("kind", ["map and its pool", "layer and pool of another", "input",
                                  "pool of a pool"])
def test_what_is_concatenated_has_one_scale(kind, gain, rng):
    nodes, groups = grouped(kind, rng, gain)
    graph = FloatGraph(name="g", nodes=nodes)
    x = rng.integers(-100, 101, (6, 2, 4, 4))
    real = x.astype(np.float32) / 128
    result = quantise_graph(graph, real, input_range=(-100, 100), input_scale=1 / 128)
    scales = {layer.name: layer.output_scale for layer in result.layers} | {INPUT: 1 / 128}
    largest = {node.name: np.abs(value).max() for node, value in outputs_of(graph, real)}
    for group in groups:
        assert len({scales[name] for name in group}) == 1, group
    for group in (one for one in groups if INPUT not in one):
        most = max(largest[name] for name in group)
        assert most <= (1 << 14) * scales[min(group)] < 2 * most
    values = dict(zip(scales, golden.network(result, integers(x))))
    expected = run_float(graph, real).transpose(0, 2, 3, 1)
    got = values["end"].reshape(expected.shape) * scales["end"]
    assert np.abs(got - expected).max() < 0.02 * np.abs(expected).max()


def test_overlapping_sets_are_one_group():
    assert sorted(map(sorted, joined("abcdexy", [("a", "b"), ("c", "d"), ("b", "c"), ("x",),
                                                 ("a", "d")]))) == [
        ["a", "b", "c", "d"], ["e"], ["x"], ["y"]]


def test_what_exceeds_the_input_s_scale_is_refused(rng):
    """Half of the range is the calibration's headroom: up to it, and not one step beyond."""
    data = Node(name="data", op="input", shape=(1, 2, 2))
    weight = np.full((1, 1, 1, 1), 64, np.float32)
    x = np.full((1, 1, 2, 2), 255, np.float32)

    def run(factor):
        graph = FloatGraph(name="g", nodes=(
            data, Node(name="a", op="conv", inputs=("data",), weight=weight * factor),
            cat("k", "data", "a"), conv("end", "k", rng)))
        return quantise_graph(graph, x, input_range=(0, 255))
    assert [layer.output_scale for layer in run(1).layers][0] == 1
    with pytest.raises(InputError, match=r"node 'a': it shares the input's scale 1, because .* not "
                                         r"exceed 16383.5 .*, but reaches 16384; put a convolution "
                                         r"between input and concatenation"):
        run(16384 / (255 * 64))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("values, calibration, message", [
    ((3e38, 3e38), 1, "outputs on the calibration inputs must be finite numbers, not inf"),
    ((np.inf, 0), 0, "must be finite numbers, not nan"),
    ((3e38, -3e38), 1, "sums cannot be turned into outputs"),
    ((3e38, 3e38), 0, "sums cannot be turned into outputs"),
    ((1e-44, 0), 1, "its largest weight must be at least .* not 9.8"),
])
def test_weights_beyond_what_scales_can_be(values, calibration, message):
    graph = FloatGraph(name="g", nodes=(
        Node(name="data", op="input", shape=(2,)),
        Node(name="fc", op="linear", inputs=("data",), weight=np.array([values], np.float32))))
    with pytest.raises(InputError, match=f"node 'fc': .*{message}"):
        quantise_graph(graph, np.full((1, 2), calibration), input_range=(0, 1))
