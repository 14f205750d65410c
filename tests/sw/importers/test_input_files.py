# SPDX-License-Identifier: Apache-2.0
"""Files that people bring: only regular ones, and no more memory than they can be worth."""
import gzip
import io
import os
import signal
import time
import zipfile

import numpy as np
import pytest
import torch
from openeie.cli.common import read_inputs
from openeie.core.artefact.artefact import load
from openeie.core.errors import InputError, OpenEIEError
from openeie.sim.views.waveform_views import read_header
from openeie.sw.data import mnist as mnist, npz
from openeie.sw.data.cifar10 import load_cifar10
from openeie.sw.data.labelled import load_dataset
from openeie.sw.data.mnist import load_mnist, read_idx
from openeie.sw.data.npz import read_arrays
from openeie.sw.float import run as float_run
from openeie.sw.float.graph import FloatGraph, Node
from openeie.sw.float.run import run_float
from openeie.sw.importers.caffe.han import load_han
from openeie.sw.importers.caffe.network import to_graph
from openeie.sw.importers.caffe.npz_weights import load_npz
from openeie.sw.importers.caffe.prototxt import parse
from openeie.sw.importers.onnx.file import load_onnx
from openeie.sw.importers.torch.weights import load_weights
from support.caffe_nets import SMALL, blobs
from support.onnx_models import W, model, node, saved
from torch import nn

READERS = {
    "x.npz": lambda path: read_arrays(path, "inputs"), "x.npy": read_inputs,
    "caffe.npz": load_npz, "d.npz": load_dataset, "x.onnx": load_onnx, "x.eie": load,
    "x.prototxt": lambda path: load_npz("w.npz", path),
    "x.net": lambda path: load_han(path, path.with_name("whole.prototxt")),
    **{f"w{suffix}": lambda path: load_weights(nn.Linear(2, 2), path)
       for suffix in (".pt", ".safetensors", ".npz")}, "x.vcd": read_header,
    "train-images-idx3-ubyte.gz": lambda path: load_mnist(path.parent, "train"),
    "cifar10_test_jpeg.npz": lambda path: load_cifar10(path.parent, "test")}


@pytest.fixture(autouse=True)
def no_waiting():
    """A reader that waits for a pipe's writer fails."""
    def stop(*_):
        raise AssertionError("it waits")
    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("kind", ["a pipe", "a folder", "a device"])
@pytest.mark.parametrize("name", READERS)
def test_only_regular_files_are_read(name, kind, tmp_path):
    path = tmp_path / name
    (tmp_path / "whole.prototxt").write_text(SMALL)
    if kind == "a pipe":
        os.mkfifo(path)
    elif kind == "a folder":
        path.mkdir()
    else:
        path.symlink_to("/dev/zero")
    with pytest.raises(OpenEIEError, match=f"it must be a regular file, not {kind}") as caught:
        READERS[name](path)
    assert str(caught.value).count(str(path)) <= 1


def archive(path, *members):
    """An .npz whose members (name, bytes) are what they are."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members:
            file.writestr(name, content)
    return path


def npy(header, content=b"", version=(1, 0)):
    """An array file with a header as it is."""
    text = header.encode() + b"\n"
    return b"\x93NUMPY" + bytes(version) + len(text).to_bytes(2, "little") + text + content


def described(shape, kind="<f4"):
    return f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}"


@pytest.mark.parametrize("content, message", [
    (npy("{'descr': '<f4', 'shape': (2,"), "array 'x': "),                  # numpy's TokenError
    (npy("{'descr': '<f4' 'fortran_order' False}"), "array 'x': "),         # SyntaxError
    (npy("(" * 9000), "array 'x': "),                                       # MemoryError
    (npy("{}" + " " * 20_000), "array 'x': Header info length .* is large"),
    (npy(described("(2, 3)"), b"\0" * 20), r"float32 \[2, 3\], needs .* bytes in all, and there"),
    (npy(described("(2, 3)"), b"\0" * 28), r"float32 \[2, 3\], needs .* bytes in all, and there"),
    (npy(described("(1 << 40,)"), b""), "array 'x': "),
    (npy(described(f"({1 << 60}, {1 << 60})"), b"\0" * 24), "needs .* bytes in all"),
    (npy(described("(-2, -3)"), b"\0" * 24), r"its shape must not be negative, \[-2, -3\]"),
    (npy(described(f"({1 << 40},)", "V0")), r"it must hold numbers, not \|V0"),
    (npy(described("(1,)", "|O"), b"\x80\x04N."), "it must hold numbers, not object"),
    (npy(described("(6,)"), b"\0" * 24, (2, 0)), r"its npy format must be 1.0, .* not 2.0"),
    (npy(described("(0, " + "9" * 5000 + ")")), "array 'x': ")])
def test_damaged_and_hostile_arrays(content, message, tmp_path):
    path = archive(tmp_path / "a.npz", ("x.npy", content))
    with pytest.raises(InputError, match=f"(?s)cannot read inputs from .*a.npz: .*{message}"):
        read_arrays(path, "inputs")
    (tmp_path / "a.npy").write_bytes(content)
    with pytest.raises(InputError, match="cannot read inputs from .*a.npy: "):
        read_arrays(tmp_path / "a.npy", "inputs")


def test_archives_as_a_whole(tmp_path, monkeypatch):
    whole = npy(described("(6,)"), b"\0" * 24)
    path = tmp_path / "a.npz"
    archive(path, ("x.npy", whole), ("note.txt", b"more"))
    assert read_arrays(path, "inputs", ["x"])["x"].tolist() == [0] * 6
    with pytest.raises(InputError, match="array 'note.txt': it is no array"):
        read_arrays(path, "inputs")
    with pytest.raises(InputError, match="has no array 'y'; it has: x, note.txt"):
        read_arrays(path, "inputs", ["y"])
    archive(path, ("x.npy", whole), ("x", whole))
    with pytest.raises(InputError, match="each of its arrays must have its own name"):
        read_arrays(path, "inputs")
    archive(path, *((f"{number}.npy", b"") for number in range(10_001)))
    with pytest.raises(InputError, match="it has 10,001 members; at most 10,000 are read"):
        read_arrays(path, "inputs")
    np.savez_compressed(path, x=np.zeros(1000), y=np.zeros(1000))
    monkeypatch.setattr(npz, "memory_bytes", lambda: 10_000)
    assert len(read_arrays(path, "inputs", ["x"])) == 1
    with pytest.raises(InputError, match="take 16,256 bytes, more than the 10,000 of this machin"):
        read_arrays(path, "inputs")


def test_a_directory_that_promises_too_much(tmp_path):
    """More than deflated bytes can become is refused before any of it is made."""
    path = archive(tmp_path / "a.npz", ("x.npy", npy(described(f"({1 << 28},)"), b"\0" * 24)))
    content = bytearray(path.read_bytes())
    at = content.index(b"PK\x01\x02") + 24          # the size in the directory
    content[at:at + 4] = (1 << 31).to_bytes(4, "little")
    path.write_bytes(content)
    with pytest.raises(InputError, match="bytes cannot become 2,147,483,648"):
        read_arrays(path, "inputs")


def test_numbers_in_a_description():
    for size in ("9" * 5000, "1" * 4000, "-" + "0" * 300):
        with pytest.raises(InputError, match=r"line 3: a number must have at most 100 digits, not"):
            parse(SMALL.replace("input_dim: 9", f"input_dim: {size}"))
    huge = parse(SMALL.replace("input_dim: 9", f"input_dim: {10 ** 18}"))
    with pytest.raises(InputError, match="2 x 1000000000000000000 x 7 values, more than the 1,073"):
        to_graph(huge, None)


def test_sizes_in_a_graph(tmp_path):
    """Refused when it is read, not when memory is asked for."""
    def refused(message, *nodes, shape=(4, 6, 6), **arrays):
        proto = model(list(nodes), ("n", *shape), **arrays)
        with pytest.raises(InputError, match=message):
            load_onnx(saved(tmp_path, proto))
    relu = node("Relu", "x", "y")
    refused("it has 4 x 1000000000000 x 6 values, more than the 1,073,741,824 that the largest",
            relu, shape=(4, 10 ** 12, 6))
    refused("values, more than", node("Conv", "x w", "y", pads=[60_000] * 4),
            w=W)
    refused("kernel, stride and padding must be at most 65,535, not", node(
        "MaxPool", "x", "y", kernel_shape=[1 << 40] * 2, pads=[1 << 39] * 4))


def test_memory_of_a_run(monkeypatch):
    graph = FloatGraph(name="g", nodes=(Node(name="x", op="input", shape=(1, 30, 30)),
                                        Node(name="r", op="relu", inputs=("x",))))
    x = np.ones((10, 1, 30, 30), np.float32)
    monkeypatch.setattr(float_run, "memory_bytes", lambda: 71_999)
    with pytest.raises(InputError, match="'r' needs 72,000 bytes for 10 inputs at once, and this "
                                         "machine has 71,999; give fewer inputs"):
        run_float(graph, x)
    assert run_float(graph, x[:9]).shape == (9, 1, 30, 30)


def test_a_compressed_file_of_any_length(monkeypatch):
    monkeypatch.setattr(mnist, "_MOST_BYTES", 1000)
    with pytest.raises(InputError, match="x.gz must hold at most 1,000 bytes, and holds more"):
        read_idx(gzip.compress(bytes(10_000)), name="x.gz", ndim=3)


def test_long_networks_take_no_long_time(rng, tmp_path):
    """3,000 layers of a description; 10,000 nodes of one name."""
    begun = time.monotonic()
    layers = "".join(f'layer {{ name: "r{number}" type: "ReLU" bottom: "ip" top: "ip" }}\n'
                     for number in range(3_000))
    assert len(to_graph(parse(SMALL + layers), blobs(rng)).nodes) > 3_000
    proto = model([node(
        "Relu", f"x{number}", f"x{number + 1}", name="same") for number in range(10_000)],
        inputs={"x0": (1, 4)}, outputs="x10000")
    assert load_onnx(saved(tmp_path, proto)).nodes[3].name == "same_3"
    assert time.monotonic() - begun < 45


def test_a_tensor_without_end_in_a_state_dict(tmp_path):
    """One stored number that stands for 10**12 is refused by its shape."""
    torch.save({"weight": torch.zeros(1).expand(10 ** 12), "bias": torch.zeros(2)},
               tmp_path / "w.pt")
    with pytest.raises(InputError, match=r"weight must be \[2, 2\], not \[1000000000000\]"):
        load_weights(nn.Linear(2, 2), tmp_path / "w.pt")
    file = io.BytesIO()
    np.save(file, np.zeros(3))
    assert read_arrays(archive(tmp_path / "a.npz", ("x.npy", file.getvalue())), "x")["x"].size == 3


def test_a_name_without_end_in_a_state_dict(tmp_path):
    """torch would search its own message about it for hours."""
    for newer in (False, True):
        path = tmp_path / "w.pt"
        torch.save({"weight": torch.zeros(2, 2), "bias": torch.zeros(2)}, path,
                   _use_new_zipfile_serialization=newer)
        load_weights(nn.Linear(2, 2), path)
        old, new = b"ctorch._utils\n", b"ctorch." + b"a" * 500_000 + b"\n"
        if newer:
            with zipfile.ZipFile(path) as file:
                members = [(name, file.read(name).replace(old, new)) for name in file.namelist()]
            archive(path, *members)
        else:
            path.write_bytes(path.read_bytes().replace(old, new))
        with pytest.raises(InputError, match="it holds more than tensors, or is damaged"):
            load_weights(nn.Linear(2, 2), path)


def test_a_damaged_name_in_an_archive(tmp_path):
    """Also of an array that may be missing."""
    path = tmp_path / "d.npz"
    np.savez(path, inputs=np.zeros((2, 3)), labels=np.zeros(2, int))
    content = bytearray(path.read_bytes())
    content[content.rindex(b"labels.npy")] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match="cannot read inputs from .*d.npz: .*differ"):
        read_inputs(path)
