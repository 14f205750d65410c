# SPDX-License-Identifier: Apache-2.0
"""CIFAR-10 as JPEG images in two ``.npz`` files, one for training and one for the test.

Each file, ``cifar10_train_jpeg.npz`` and ``cifar10_test_jpeg.npz``, holds four arrays: ``header``,
the bytes that all JPEG streams begin with; ``payload``, the remaining bytes of the images, one
image after another; ``lengths``, the payload bytes of each image; and ``labels``. Nothing is
cached: decoding takes about 0.15 ms per image, 8 s for the training set.
"""
import io
import struct
from pathlib import Path

import numpy as np
from PIL import Image

from ...core.errors import InputError, must_be_one_of
from .npz import read_named

__all__ = ["CLASSES", "load_cifar10"]

#: Names of the labels 0 .. 9.
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship",
           "truck")
_SIDE = 32
_SPLITS = ("train", "test")
_BYTES = ("header", "payload", "labels")    # arrays of uint8; lengths may be any integers
# What Pillow raises for bytes that are no image, are truncated or are hostile.
_UNDECODABLE = (OSError, ValueError, SyntaxError, EOFError, LookupError, struct.error,
                Image.DecompressionBombError)


def load_cifar10(folder: str | Path, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 [n, 3, 32, 32] (red, green, blue) and labels uint8 [n] of a split.

    Parameters
    ----------
    folder : holds ``cifar10_train_jpeg.npz`` and ``cifar10_test_jpeg.npz``.
    split : ``"train"`` or ``"test"``.

    Raises
    ------
    InputError : unknown split; a missing or damaged file; a damaged image in it.
    """
    if split not in _SPLITS:
        raise InputError(f"split {must_be_one_of(split, _SPLITS)}")
    path = Path(folder) / f"cifar10_{split}_jpeg.npz"
    arrays = read_named(path, f"the CIFAR-10 {split} set",
                        ("payload", "header", "lengths", "labels"))
    for name in (*_BYTES, "lengths"):
        _check_vector(path, name, arrays)
    ends = _ends(path, arrays)
    header = arrays["header"].tobytes()
    payload = arrays["payload"].tobytes()

    images = np.empty((len(ends), _SIDE, _SIDE, 3), np.uint8)
    begin = 0
    for number, end in enumerate(ends):
        images[number] = _decode(header + payload[begin:end], f"image {number} of {path}")
        begin = end
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2)), arrays["labels"]


def _check_vector(path: Path, name: str, arrays: dict[str, np.ndarray]) -> None:
    """Refuse a missing array, and one that is no vector of the right type."""
    if name not in arrays:
        raise InputError(f"{path} must have an array {name!r}; it has: {', '.join(arrays)}")
    array = arrays[name]
    is_bytes = name in _BYTES
    right = array.dtype == np.uint8 if is_bytes else array.dtype.kind in "iu"
    if array.ndim != 1 or not right:
        wanted = "bytes" if is_bytes else "integers"
        raise InputError(f"{name} of {path} must be a vector of {wanted}, not {array.dtype} of "
                         f"shape {list(array.shape)}")


def _ends(path: Path, arrays: dict[str, np.ndarray]) -> list[int]:
    """For each image, the payload byte after its last one; refuses arrays that do not fit."""
    labels = arrays["labels"]
    lengths = [int(length) for length in arrays["lengths"]]
    if len(labels) != len(lengths):
        raise InputError(f"{path} must have one label per image, not {len(labels)} labels for "
                         f"{len(lengths)} images")
    if min(lengths, default=0) < 0 or sum(lengths) != len(arrays["payload"]):
        raise InputError(f"lengths of {path} must be at least 0 and add up to the "
                         f"{len(arrays['payload'])} bytes of the payload, not to {sum(lengths)} "
                         f"with the least {min(lengths, default=0)}")
    if len(labels) and labels.max() >= len(CLASSES):
        raise InputError(f"labels of {path} must be in 0 .. {len(CLASSES) - 1}, "
                         f"not {labels.max()}")
    return np.cumsum(lengths, dtype=np.int64).tolist()


def _decode(stream: bytes, name: str) -> np.ndarray:
    """The pixels of a JPEG stream, uint8 [32, 32, 3]."""
    try:
        with Image.open(io.BytesIO(stream), formats=["JPEG"]) as image:
            if image.size != (_SIDE, _SIDE):
                raise InputError(f"{name} must have {_SIDE} x {_SIDE} pixels, "
                                 f"not {image.width} x {image.height}")
            return np.asarray(image.convert("RGB"))
    except InputError:
        raise
    except _UNDECODABLE as error:
        raise InputError(f"{name} must be a complete JPEG stream: {error}") from error
