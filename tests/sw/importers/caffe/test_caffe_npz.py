# SPDX-License-Identifier: Apache-2.0
"""Caffe's weights in npz files: exact, or refused with the array's name."""
import io
import zipfile

import numpy as np
import pytest
from openeie.core.errors import InputError
from openeie.sw.data.mnist import load_mnist
from openeie.sw.float.run import run_float
from openeie.sw.importers.caffe.npz_weights import load_npz
from support.shared_data import DATA, MNIST, needs_mnist

LENET = DATA / "lenet_caffe_mnist.npz"

PROTOTXT = """
name: "tiny"
input: "data" input_dim: 1 input_dim: 2 input_dim: 4 input_dim: 4
layer { name: "c" type: "Convolution" bottom: "data" top: "c"
        convolution_param { num_output: 3 kernel_size: 3 } }
layer { name: "ip" type: "InnerProduct" bottom: "c" top: "ip"
        inner_product_param { num_output: 5 } }
"""


@pytest.fixture
def arrays(rng):
    shapes = {"c.weight": (3, 2, 3, 3), "c.bias": (3,), "ip_w": (5, 12), "ip_b": (5,)}
    return {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


def load(tmp_path, arrays):
    (tmp_path / "tiny.prototxt").write_text(PROTOTXT)
    np.savez(tmp_path / "tiny.npz", **arrays)
    return load_npz(tmp_path / "tiny.npz", tmp_path / "tiny.prototxt")


def test_arrays_become_weights(arrays, tmp_path):
    graph = load(tmp_path, arrays)
    nodes = {node.name: node for node in graph.nodes}
    assert np.array_equal(nodes["c"].weight, arrays["c.weight"])
    assert np.array_equal(nodes["c"].bias, arrays["c.bias"])
    assert np.array_equal(nodes["ip"].weight, arrays["ip_w"])
    assert np.array_equal(nodes["ip"].bias, arrays["ip_b"])


def test_arrays_that_are_refused(arrays, tmp_path):
    def refused(message, **changes):
        changed = {name: array for name, array in {**arrays, **changes}.items()
                   if array is not None}
        with pytest.raises(InputError, match=f"tiny.npz: {message}"):
            load(tmp_path, changed)
    refused(r"layer 'c' needs an array c\.weight; there are c\.bias, ip_b, ip_w",
            **{"c.weight": None})
    refused(r"array ip_w must be float32 \[5, 12\], not float32 \[12, 5\]",
            ip_w=arrays["ip_w"].T)
    refused(r"array ip_b must be float32 \[5\], not float64 \[5\]",
            ip_b=arrays["ip_b"].astype(np.float64))
    refused(r"array 'ip_b': it must hold numbers, not object", ip_b=np.array([None] * 5))
    refused("array ip_b must hold finite numbers", ip_b=arrays["ip_b"] * np.nan)


def test_a_layer_without_a_bias(arrays, tmp_path):
    (tmp_path / "no.prototxt").write_text(
        PROTOTXT.replace("num_output: 5", "num_output: 5 bias_term: false"))
    np.savez(tmp_path / "all.npz", **arrays)
    with pytest.raises(InputError, match=r"all.npz: array ip_b must not be there, because layer "
                                         r"'ip' says bias_term: false"):
        load_npz(tmp_path / "all.npz", tmp_path / "no.prototxt")
    del arrays["ip_b"]
    np.savez(tmp_path / "none.npz", **arrays)
    graph = load_npz(str(tmp_path / "none.npz"), str(tmp_path / "no.prototxt"))
    nodes = {node.name: node for node in graph.nodes}
    assert nodes["ip"].bias is None and np.array_equal(nodes["c"].bias, arrays["c.bias"])
    x = np.ones((1, 2, 4, 4), np.float32)
    assert np.allclose(run_float(graph, 0 * x)[0], arrays["ip_w"] @ arrays["c.bias"].repeat(4))


@pytest.mark.parametrize("old, new, message", [
    ("kernel_size: 3", "kernel_size: 3 group: 2 dilation: 2", "dilation must be 1"),
    ('bottom: "c" top: "ip"', 'bottom: "z" top: "ip"', "reads 'z', which no layer"),
    ("num_output: 5", "num_output: 5 bias_term: 3", "bias_term must be true or false"),
    ("input_dim: 4 input_dim: 4", "input_dim: 2 input_dim: 2", "does not fit 2 x 2")])
def test_errors_of_the_description_name_the_description(arrays, tmp_path, old, new, message):
    np.savez(tmp_path / "tiny.npz", **arrays)
    (tmp_path / "bad.prototxt").write_text(PROTOTXT.replace(old, new))
    with pytest.raises(InputError, match=message) as raised:
        load_npz(tmp_path / "tiny.npz", tmp_path / "bad.prototxt")
    assert "bad.prototxt: " in str(raised.value) and "tiny.npz" not in str(raised.value)


@pytest.mark.slow
def test_damaged_files(arrays, tmp_path, rng):
    """2,000 of them: a typed error or a whole network."""
    load(tmp_path, arrays)
    data, refused = (tmp_path / "tiny.npz").read_bytes(), 0
    for _ in range(2_000):
        damaged = bytearray(data)
        for _ in range(int(rng.integers(1, 4))):
            damaged[int(rng.integers(len(damaged)))] ^= 1 << int(rng.integers(8))
        if rng.random() < 0.2:
            del damaged[int(rng.integers(len(damaged))):]
        (tmp_path / "tiny.npz").write_bytes(bytes(damaged))
        try:
            load_npz(tmp_path / "tiny.npz", tmp_path / "tiny.prototxt")
        except InputError:
            refused += 1
    assert 1_000 < refused < 2_000
    with pytest.raises(InputError, match="nowhere"):
        load_npz(tmp_path / "nowhere", tmp_path / "tiny.prototxt")


def test_a_header_of_any_length_is_not_read(arrays, tmp_path):
    load(tmp_path, arrays)
    long = io.BytesIO()
    np.lib.format.write_array(long, arrays["ip_b"], version=(2, 0))
    with zipfile.ZipFile(tmp_path / "long.npz", "w") as archive:
        for name, array in arrays.items():
            file = io.BytesIO()
            np.save(file, array)
            archive.writestr(f"{name}.npy", (long if name == "ip_b" else file).getvalue())
    with pytest.raises(InputError, match=r"'ip_b': its npy format must be 1\.0"):
        load_npz(tmp_path / "long.npz", tmp_path / "tiny.prototxt")


@pytest.mark.slow
@needs_mnist
@pytest.mark.skipif(not LENET.is_file(), reason=f"{LENET} is not here")
def test_lenet_reads_digits():
    images, labels = load_mnist(MNIST, "test")
    x = images.reshape(-1, 1, 28, 28).astype(np.float32) / 256      # as Caffe's example scales
    wrong = np.count_nonzero(run_float(load_npz(LENET), x).argmax(axis=1) != labels)
    assert 100 <= wrong <= 112                      # 106 of 10,000; a tie may fall otherwise
