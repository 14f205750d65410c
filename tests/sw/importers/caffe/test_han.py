# SPDX-License-Identifier: Apache-2.0
"""Song Han's compressed files: read exactly, or refused with one error."""
from pathlib import Path

import numpy as np
import pytest
from openeie.core.errors import InputError
from openeie.sw.float.run import run_float
from openeie.sw.importers.caffe import prototxt
from openeie.sw.importers.caffe.han import load_han
from openeie.sw.importers.caffe.network import Blobs, to_graph, weight_layers
from support.caffe_nets import SMALL

DATA = Path(__file__).resolve().parents[5] / "shared" / "data"
SQUEEZENET = DATA / "compressed_SqueezeNet.net"
needs_squeezenet = pytest.mark.skipif(not SQUEEZENET.is_file(), reason=f"{SQUEEZENET} is not here")


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


def test_a_file_is_decoded_exactly(small):
    net, description, expected = small
    weighted = [node for node in load_han(net, description).nodes if node.weight is not None]
    assert {node.name for node in weighted} == set(expected)
    for node in weighted:
        assert np.array_equal(node.weight.reshape(-1), expected[node.name][0].reshape(-1))
        assert np.array_equal(node.bias, expected[node.name][1])
        assert np.array_equal(node.codebook[node.codes], node.weight)


@pytest.mark.parametrize("damaged, message", [
    (lambda data: data[:-1], r"the file must have [\d,]+ bytes for its 3 layers, not"),
    (lambda data: data + b"\0", "cut short, or belongs to another network"),
    (lambda data: b"", "cut short"),
    (lambda data: data[:12] + b"\0\0\x80\x3f" + data[16:], "slot 0 must be 0, not 1.0"),
    (lambda data: data[:16] + b"\0\0\xc0\x7f" + data[20:], "must be finite numbers")],
    ids=["short", "long", "empty", "slot 0", "nan"])
def test_files_that_do_not_belong_together(small, tmp_path, damaged, message):
    net, description, _ = small
    (tmp_path / "other.net").write_bytes(damaged(net.read_bytes()))
    with pytest.raises(InputError, match=message):
        load_han(tmp_path / "other.net", description)


def test_files_that_are_missing_or_empty(small, tmp_path):
    net, description, _ = small
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
    with np.load(sample) as arrays:
        images, logits = arrays["images"][:4], arrays["float_logits"][:4]
    x = (images[..., ::-1] - np.array([104, 117, 123], np.float32)).transpose(0, 3, 1, 2)
    assert np.abs(run_float(graph, x)[:, :, 0, 0] - logits).max() < 1e-3
