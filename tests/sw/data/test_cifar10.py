# SPDX-License-Identifier: Apache-2.0
"""The CIFAR-10 reader: what was written is read, and everything that is not it refused."""
import numpy as np
import pytest
from openeie.core.errors import InputError
from openeie.sw.data.cifar10 import load_cifar10
from support.cifar_files import arrays, coloured, write


def test_what_is_written_is_read(tmp_path):
    write(tmp_path, "train")
    write(tmp_path, "test")
    for split in ("train", "test"):
        drawn, classes = coloured(20, seed=len(split))
        images, labels = load_cifar10(tmp_path, split)
        assert images.dtype == labels.dtype == np.uint8
        assert images.shape == (20, 3, 32, 32) and np.array_equal(labels, classes)
        # A JPEG stream keeps the mean colour, and the order of the channels with it.
        means = images.mean((2, 3)) - drawn.mean((2, 3))
        assert np.abs(means).max() < 4


def test_each_picture_is_its_own(tmp_path):
    """Bytes of an image are not those of its neighbour, whatever their lengths."""
    labels = np.arange(3, dtype=np.uint8)
    images = np.zeros((3, 3, 32, 32), np.uint8)
    images[1] = np.random.default_rng(0).integers(0, 256, (3, 32, 32))
    images[2] = 255
    write(tmp_path, "test", **arrays(images, labels))
    read, _ = load_cifar10(tmp_path, "test")
    assert read[0].max() < 3 and read[2].min() > 252 and read[1].std() > 20


DAMAGED = {
    "no-header": ({"header": None}, "must have an array 'header'"),
    "no-payload": ({"payload": None}, "has no array 'payload'"),
    "float-labels": ({"labels": np.zeros(20)}, "labels of .* must be a vector of bytes, "
                                               "not float64 of shape"),
    "wide-payload": ({"payload": np.zeros(9, np.uint16)}, "payload .* must be a vector of bytes"),
    "float-lengths": ({"lengths": np.zeros(20)}, "lengths .* must be a vector of integers"),
    "few-labels": ({"labels": np.zeros(19, np.uint8)}, "not 19 labels for 20 images"),
    "short": ({"lengths": np.ones(20, np.int32)}, "add up to the .* not to 20 with the least 1"),
    "label": ({"labels": np.full(20, 10, np.uint8)}, "labels of .* must be in 0 .. 9, not 10"),
    "not-jpeg": ({"header": np.zeros(3, np.uint8)}, "image 0 of .* complete JPEG stream"),
}


@pytest.mark.parametrize(("changed", "message"), DAMAGED.values(), ids=DAMAGED)
def test_damaged_files(tmp_path, changed, message):
    write(tmp_path, "test", **changed)
    with pytest.raises(InputError, match=message):
        load_cifar10(tmp_path, "test")


def test_a_cut_picture_is_named(tmp_path):
    whole = arrays(*coloured(3))
    lengths = whole["lengths"].astype(np.int64)
    begin = lengths[0] + lengths[1] // 2        # the second image loses its second half
    payload = np.concatenate([whole["payload"][:begin], whole["payload"][lengths[:2].sum():]])
    lengths[1] //= 2
    write(tmp_path, "test", **whole | {"payload": payload, "lengths": lengths})
    with pytest.raises(InputError, match="image 1 of .* must be a complete JPEG stream: "):
        load_cifar10(tmp_path, "test")


def test_other_sizes_splits_and_folders(tmp_path):
    with pytest.raises(InputError, match="split must be one of train, test, not 'valid'"):
        load_cifar10(tmp_path, "valid")
    with pytest.raises(InputError, match="cannot read the CIFAR-10 test set from .*: .*No such"):
        load_cifar10(tmp_path, "test")
    (tmp_path / "cifar10_test_jpeg.npz").write_bytes(b"PK\3\4 and no more")
    with pytest.raises(InputError, match="cannot read the CIFAR-10 test set from"):
        load_cifar10(tmp_path, "test")
    small = arrays(np.zeros((2, 3, 16, 24), np.uint8), np.zeros(2, np.uint8))
    write(tmp_path, "test", **small)
    with pytest.raises(InputError, match="image 0 of .* must have 32 x 32 pixels, not 24 x 16"):
        load_cifar10(tmp_path, "test")
