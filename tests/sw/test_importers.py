# SPDX-License-Identifier: Apache-2.0
"""Caffe descriptions and Song Han's compressed files: read exactly, or refused with one error."""
import contextlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openeie.core.errors import InputError
from openeie.sw.float_graph import FloatGraph, Node, pooled_size
from openeie.sw.float_run import outputs_of, run_float
from openeie.sw.importers import prototxt
from openeie.sw.importers.caffe import Blobs, to_graph, weight_layers
from openeie.sw.importers.han import load_han

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
SQUEEZENET = DATA / "compressed_SqueezeNet.net"
needs_squeezenet = pytest.mark.skipif(not SQUEEZENET.is_file(), reason=f"{SQUEEZENET} is not here")

SMALL = """
name: "small"  # two branches and all that stands between
input: "data" input_dim: 1 input_dim: 2 input_dim: 9 input_dim: 7
layer { name: "a" type: "Convolution" bottom: "data" top: "a"
        convolution_param { num_output: 4 kernel_size: 3 stride: 2 pad: 1 } }
layer { name: "ra" type: "ReLU" bottom: "a" top: "a" }
layer { name: "b" type: "Convolution" bottom: "a" top: "b"
        convolution_param { num_output: 6 kernel_h: 1 kernel_w: 3 pad_h: 0 pad_w: 1 group: 2 } }
layer { name: "c" type: "Concat" bottom: "a" bottom: "b" top: "c" }
layer { name: "p" type: "Pooling" bottom: "c" top: "p"
        pooling_param { pool: AVE kernel_size: 2 stride: 2 pad: 1 } }
layer { name: "d" type: "Dropout" bottom: "p" top: "p" }
layer { name: "ip" type: "InnerProduct" bottom: "p" top: "ip"
        inner_product_param { num_output: 5 } }
layer { name: "prob" type: "Softmax" bottom: "ip" top: "prob" }
"""


def blobs(rng):
    def draw(layer, shape):
        return Blobs(weight=rng.normal(size=shape).astype(np.float32),
                     bias=rng.normal(size=layer.outputs).astype(np.float32))
    return draw


def net_file(rng, description, *, keep=0.3):
    """A ``.net`` file, and what it ought to decode to: weights and biases by layer."""
    layers, counts, bodies, expected = weight_layers(description), [], [], {}
    shapes = {}
    to_graph(description, lambda layer, shape: shapes.setdefault(layer.name, shape) and Blobs(
        weight=np.zeros(shape, np.float32), bias=np.zeros(layer.outputs, np.float32)))
    for layer in layers:
        size = int(np.prod(shapes[layer.name]))
        codebook = rng.normal(size=256).astype("<f4")
        codebook[0] = 0
        codes = np.where(rng.random(size) < keep, rng.integers(1, 256, size), 0).astype(np.uint8)
        entries, runs, run = [], [], 0
        for code in codes:
            if code or run == 15:
                entries.append(code)
                runs.append(run)
                run = 0
            else:
                run += 1
        bias = rng.normal(size=layer.outputs).astype("<f4")
        nibbles = np.array(runs + [0] * (len(runs) % 2), np.uint8).reshape(-1, 2)
        counts.append(len(entries))
        bodies.append(codebook.tobytes() + bias.tobytes() + bytes(entries)
                      + (nibbles[:, 0] | nibbles[:, 1] << 4).astype(np.uint8).tobytes())
        expected[layer.name] = codebook[codes].reshape(shapes[layer.name]), bias
    return np.array(counts, "<u4").tobytes() + b"".join(bodies), expected


@pytest.fixture
def small(tmp_path, rng):
    """A small ``.net`` file with its prototxt, and the weights in it."""
    (tmp_path / "small.prototxt").write_text(SMALL)
    data, expected = net_file(rng, prototxt.parse(SMALL))
    (tmp_path / "small.net").write_bytes(data)
    return tmp_path / "small.net", tmp_path / "small.prototxt", expected


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
    ("a 3", "line 1: expected a value of a, not '3'"),
    ("a:", "expected a value of a, not 'the end'"),
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
    with pytest.raises(InputError, match="layer 'b' reads 'z', which no layer before it makes"):
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


# .net files -----------------------------------------------------------------------------------
def test_a_file_is_decoded_exactly(small):
    net, description, expected = small
    graph = load_han(net, description)
    for node in graph.nodes:
        if node.weight is not None:
            assert np.array_equal(node.weight.reshape(-1), expected[node.name][0].reshape(-1))
            assert np.array_equal(node.bias, expected[node.name][1])
            assert np.array_equal(node.codebook[node.codes], node.weight)


def test_files_that_do_not_belong_together(small, tmp_path):
    net, description, _ = small
    data = net.read_bytes()
    for name, content, message in (
            ("short", data[:-1], r"the file must have [\d,]+ bytes for its 3 layers, not"),
            ("long", data + b"\0", "cut short, or belongs to another network"),
            ("empty", b"", "cut short"),
            ("slot0", data[:12] + b"\0\0\x80\x3f" + data[16:], "slot 0 must be 0, not 1.0"),
            ("nan", data[:16] + b"\0\0\xc0\x7f" + data[20:], "must be finite numbers")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=message):
            load_han(tmp_path / name, description)
    with pytest.raises(InputError, match="cannot read .*nowhere.net"):
        load_han(tmp_path / "nowhere.net", description)
    with pytest.raises(InputError, match="cannot read .*nowhere.prototxt"):
        load_han(net, tmp_path / "nowhere.prototxt")
    (tmp_path / "none").write_text("a: 1")
    with pytest.raises(InputError, match="has no layer"):
        load_han(net, tmp_path / "none")


def test_a_file_cut_anywhere_in_its_header(small, tmp_path):
    net, description, _ = small
    data, layers = net.read_bytes(), 3
    for length in range(4 * layers + 9):
        (tmp_path / "cut.net").write_bytes(data[:length])
        with pytest.raises(InputError, match="cut short"):
            load_han(tmp_path / "cut.net", description)


def test_paths_may_be_texts(small):
    net, description, _ = small
    assert load_han(str(net), str(description)).provenance == load_han(net, description).provenance


def test_a_file_holds_a_bias_for_every_layer(small, tmp_path):
    net, description, _ = small
    (tmp_path / "no.prototxt").write_text(
        description.read_text().replace("num_output: 5", "num_output: 5 bias_term: false"))
    with pytest.raises(InputError, match="layer 'ip' must not say bias_term: false"):
        load_han(net, tmp_path / "no.prototxt")


def test_mutated_files_end_in_one_error_or_a_network(small, rng, tmp_path):
    """10,000 damaged files: a typed error or a whole network, nothing else."""
    net, description, _ = small
    data, path, refused = net.read_bytes(), tmp_path / "damaged.net", 0
    for _ in range(10_000):
        damaged = bytearray(data)
        for _ in range(int(rng.integers(1, 4))):
            kind, place = rng.integers(4), int(rng.integers(len(damaged)))
            if kind == 0:
                damaged[place] ^= 1 << int(rng.integers(8))
            elif kind == 1:
                damaged[int(rng.integers(12))] = int(rng.integers(256))      # a count
            elif kind == 2:
                del damaged[place:place + int(rng.integers(1, 9))]
            else:
                damaged[place:place] = rng.integers(0, 256, int(rng.integers(1, 9)),
                                                    np.uint8).tobytes()
            if not damaged:
                break
        path.write_bytes(bytes(damaged))
        try:
            load_han(path, description)
        except InputError:
            refused += 1
    assert 5_000 < refused < 10_000


@settings(max_examples=300)
@given(st.data())
def test_mutated_descriptions_end_in_one_error_or_a_network(data):
    text = list(SMALL)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(text) - 1))
        text[place] = data.draw(st.sampled_from(list('{}":# 9-a\n')))
    with contextlib.suppress(InputError):
        to_graph(prototxt.parse("".join(text)), blobs(np.random.default_rng(0)))


@needs_squeezenet
def test_squeezenet_is_what_its_authors_released():
    graph = load_han(SQUEEZENET, DATA / "SqueezeNet_deploy.prototxt")
    weights = [node.weight for node in graph.nodes if node.weight is not None]
    assert len(weights) == 26 and sum(w.size for w in weights) == 1_244_448
    kept = sum(np.count_nonzero(w) for w in weights)
    assert kept == 415_921 and graph.provenance["entries"] - kept == 6_162      # fillers
    assert graph.shapes[graph.output] == (1000, 1, 1)
    sample = DATA / "imagenet" / "sample100.npz"
    if not sample.is_file():
        pytest.skip(f"{sample} is not here")
    with np.load(sample) as pictures:
        images, logits = pictures["images"][:4], pictures["float_logits"][:4]
    x = (images[..., ::-1] - np.array([104, 117, 123], np.float32)).transpose(0, 3, 1, 2)
    assert np.abs(run_float(graph, x)[:, :, 0, 0] - logits).max() < 1e-3
