# SPDX-License-Identifier: Apache-2.0
"""The idx reader: the shipped test set as it is, and everything that is not one refused."""
import gzip
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openeie.core.errors import InputError
from openeie.sw.data import load_mnist, read_idx, shipped_test_set


def idx(array):
    """A gzip-compressed idx file of unsigned bytes."""
    head = struct.pack(f">I{array.ndim}I", 0x0800 | array.ndim, *array.shape)
    return gzip.compress(head + array.astype(np.uint8).tobytes(), mtime=0)


def test_the_shipped_test_set():
    images, labels = shipped_test_set()
    assert images.shape == (10_000, 784) and images.dtype == np.uint8
    # MNIST's own class counts.
    assert np.bincount(labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


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
