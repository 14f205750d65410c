# SPDX-License-Identifier: Apache-2.0
"""Caffe descriptions and float graphs: read exactly, or refused with one error."""
import contextlib

import numpy as np
import pytest
from support.caffe_nets import SMALL, blobs
from hypothesis import given, settings
from hypothesis import strategies as st
from openeie.core.errors import InputError
from openeie.sw.float.graph import FloatGraph, Node, pooled_size
from openeie.sw.float.run import outputs_of, run_float
from openeie.sw.importers.caffe import prototxt
from openeie.sw.importers.caffe.network import to_graph

# Descriptions ---------------------------------------------------------------------------------
def test_a_description_becomes_a_graph(rng):
    graph = to_graph(prototxt.parse(SMALL), blobs(rng))
    assert [(node.name, node.op) for node in graph.nodes] == [
        ("data", "input"), ("a", "conv"), ("ra", "relu"), ("b", "conv"), ("c", "concat"),
        ("p", "avg_pool"), ("ip/flatten", "flatten"), ("ip", "linear")]
    assert graph.shapes == {"data": (2, 9, 7), "a": (4, 5, 4), "ra": (4, 5, 4), "b": (6, 5, 4),
                            "c": (10, 5, 4), "p": (10, 3, 3), "ip/flatten": (90,), "ip": (5,)}
    nodes = {node.name: node for node in graph.nodes}
    assert nodes["b"].inputs == ("ra",) and nodes["b"].groups == 2
    assert (nodes["b"].kernel, nodes["b"].pad) == ((1, 3), (0, 1))
    assert nodes["c"].inputs == ("ra", "b") and nodes["p"].ceil and nodes["p"].pad_counts


@given(st.recursive(
    st.integers(-1 << 40, 1 << 40) | st.booleans() | st.floats(allow_nan=False,
                                                              allow_infinity=False)
    | st.text(st.characters(blacklist_categories=["Cs", "Cc"]), max_size=8),
    lambda inner: st.lists(st.tuples(st.from_regex(r"[a-z_]{1,6}", fullmatch=True), inner),
                           max_size=4), max_leaves=12))
def test_what_is_written_is_read(tree):
    def write(value):
        if isinstance(value, list):
            return "{ " + " ".join(f"{name}: {write(field)} # comment }}\n"
                                   for name, field in value) + "}"
        if isinstance(value, str):
            return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
        return str(value).lower() if isinstance(value, bool) else repr(value)

    def plain(value):
        return [(name, plain(field)) for name, field in value.fields] \
            if isinstance(value, prototxt.Message) else value
    assert plain(prototxt.parse(f"root: {write(tree)}").one("root")) == tree


@pytest.mark.parametrize("text, message", [
    ("a: {", "line 1: a { without its }"),
    ("a: 1\n}", "line 2: a } without its {"),
    ("a 3", "line 1: expected a value for a, not '3'"),
    ("a:", "expected a value for a, not 'the end'"),
    ("a: 1\n\n ]", "line 3: cannot read"),
    ("a { " * 20, "more than 16 blocks inside each other"),
    ('a: "open', "line 1: cannot read"),
])
def test_malformed_descriptions(text, message):
    with pytest.raises(InputError, match=message.replace("{", r"\{").replace("}", r"\}")):
        prototxt.parse(text)


def test_everything_unsupported_is_told_at_once(rng):
    text = SMALL.replace('type: "Dropout"', 'type: "LRN"').replace("pool: AVE", "pool: STOCHASTIC")
    with pytest.raises(InputError, match=r"'p' .*pool must be MAX or AVE.*'d' .*type LRN; there "):
        to_graph(prototxt.parse(text), blobs(rng))
    with pytest.raises(InputError, match="layer 'b' reads 'z', which no layer before it computes"):
        to_graph(prototxt.parse(SMALL.replace('"b" type: "Convolution" bottom: "a"',
                                              '"b" type: "Convolution" bottom: "z"')), blobs(rng))
    with pytest.raises(InputError, match="group must divide 4 channels, not 3"):
        to_graph(prototxt.parse(SMALL.replace("group: 2", "group: 3")), blobs(rng))
    with pytest.raises(InputError, match="num_output must be one number in 1 .. 1048576"):
        to_graph(prototxt.parse(SMALL.replace("num_output: 5", "num_output: -5")), blobs(rng))


def test_a_softmax_must_be_the_last_layer(rng):
    behind = SMALL + 'layer { name: "z" type: "ReLU" bottom: "prob" top: "z" }'
    with pytest.raises(InputError, match="layer 'z' reads the softmax 'prob', which must be"):
        to_graph(prototxt.parse(behind), blobs(rng))
    within = SMALL.replace('name: "ra" type: "ReLU"', 'name: "ra" type: "Softmax"')
    with pytest.raises(InputError, match="layer 'b' reads the softmax 'ra'"):
        to_graph(prototxt.parse(within), blobs(rng))
    # What reads the softmax's own input, or a blob made anew under its name, does not read it.
    beside = SMALL.replace('bottom: "ip" top: "prob" }', 'bottom: "p" top: "ip" }')
    moved = SMALL.split("layer { name: \"ip\"")
    made_anew = moved[0] + beside.splitlines()[-1] + "\nlayer { name: \"ip\"" + moved[1]
    assert to_graph(prototxt.parse(made_anew), blobs(rng)).output == "ip"


# Graphs ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("size, kernel, stride, pad, ceil, expected", [
    (111, 3, 2, 0, True, 55), (55, 3, 2, 0, True, 27), (27, 3, 2, 0, True, 13),
    (5, 2, 2, 0, True, 3), (5, 2, 2, 0, False, 2), (5, 2, 2, 1, True, 3), (3, 5, 1, 0, False, 0)])
def test_pooled_size(size, kernel, stride, pad, ceil, expected):
    assert pooled_size(size, kernel, stride, pad, ceil) == expected


def test_the_graph_names_everything_that_is_wrong():
    data = Node(name="data", op="input", shape=(2, 4, 4))
    with pytest.raises(InputError) as raised:
        FloatGraph(name="bad", nodes=(
            data, Node(name="p", op="max_pool", inputs=("data",), kernel=(5, 5)),
            Node(name="q", op="twist", inputs=("data",)),
            Node(name="loop", op="relu", inputs=("later",)),
            Node(name="later", op="relu", inputs=("loop",))))
    for words in (r"node 'p' (max_pool): a window of (5, 5)", "'q' (twist): unknown operator",
                  "'loop' (relu): it reads 'later', which no node before it makes",
                  "nodes read each other in a loop: ", "'loop' -> ", "'later' -> ",
                  "node 'q': nobody reads it"):
        assert words in str(raised.value)


def test_a_graph_runs_as_torch_runs_it(rng):
    """An independent account of the operators: numpy, a window at a time."""
    graph = to_graph(prototxt.parse(SMALL), blobs(rng))
    x = rng.normal(size=(2, 2, 9, 7)).astype(np.float32)
    values = {node.name: value for node, value in outputs_of(graph, x)}
    a = graph.nodes[1]
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    for y, column in ((0, 0), (4, 3), (2, 1)):
        window = padded[:, :, 2 * y:2 * y + 3, 2 * column:2 * column + 3]
        expected = np.einsum("bchw,ochw->bo", window, a.weight) + a.bias
        assert np.allclose(values["a"][:, :, y, column], expected, atol=1e-5)
    c = values["c"]
    assert np.array_equal(c, np.concatenate([values["ra"], values["b"]], axis=1))
    assert np.allclose(values["p"][:, :, 0, 0], c[:, :, 0, 0] / 4)          # padding counts
    assert np.allclose(values["p"][:, :, 2, 2], (c[:, :, 3, 3] + c[:, :, 4, 3]) / 4, atol=1e-6)
    assert run_float(graph, x).shape == (2, 5)
    with pytest.raises(InputError, match=r"takes inputs of shape \[batch, 2, 9, 7\]"):
        run_float(graph, x[:, :1])


@settings(max_examples=300)
@given(st.data())
def test_mutated_descriptions_end_in_one_error_or_a_network(data):
    text = list(SMALL)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(text) - 1))
        text[place] = data.draw(st.sampled_from(list('{}":# 9-a\n')))
    with contextlib.suppress(InputError):
        to_graph(prototxt.parse("".join(text)), blobs(np.random.default_rng(0)))
