# SPDX-License-Identifier: Apache-2.0
"""CIFAR-10 as JPEG pictures in two ``.npz`` files, one for training and one for the test.

Each file, ``cifar10_train_jpeg.npz`` and ``cifar10_test_jpeg.npz``, holds ``header``, the bytes
that every JPEG stream begins with; ``payload``, what follows it for one picture after another;
``lengths``, how many bytes of the payload each picture takes; and ``labels``. Nothing is cached:
decoding takes about 0.15 ms a picture, 8 s for the training set.
"""
import io
import struct
from pathlib import Path

import numpy as np
from PIL import Image

from ...core.errors import InputError, must_be_one_of
from .npz import read_arrays

__all__ = ["CLASSES", "load_cifar10"]

#: What labels 0 .. 9 stand for.
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship",
           "truck")
_SIDE = 32
_SPLITS = ("train", "test")
_BYTES = ("header", "payload", "labels")    # arrays of uint8; lengths may be any integers
# What Pillow raises for bytes that are no picture, cut ones and hostile ones.
_UNDECODABLE = (OSError, ValueError, SyntaxError, EOFError, LookupError, struct.error,
                Image.DecompressionBombError)


def load_cifar10(folder: str | Path, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Pictures uint8 [n, 3, 32, 32] (red, green, blue) and labels uint8 [n] of a split.

    Parameters
    ----------
    folder : holds ``cifar10_train_jpeg.npz`` and ``cifar10_test_jpeg.npz``.
    split : ``"train"`` or ``"test"``.

    Raises
    ------
    InputError : another split; a file that is missing or damaged, or a picture in it.
    """
    if split not in _SPLITS:
        raise InputError(f"split {must_be_one_of(split, _SPLITS)}")
    path = Path(folder) / f"cifar10_{split}_jpeg.npz"
    arrays = read_arrays(path, f"the CIFAR-10 {split} set", ("payload", "header", "lengths",
                                                             "labels"))
    ends = _check(path, arrays)
    header, payload = arrays["header"].tobytes(), arrays["payload"].tobytes()
    pictures = np.empty((len(ends), _SIDE, _SIDE, 3), np.uint8)
    begin = 0
    for number, end in enumerate(ends):
        pictures[number] = _decode(header + payload[begin:end],
                                   f"picture {number} of {path}")
        begin = end
    return np.ascontiguousarray(pictures.transpose(0, 3, 1, 2)), arrays["labels"]


def _check(path: Path, arrays: dict[str, np.ndarray]) -> list[int]:
    """Where each picture's bytes end, if the arrays fit one another."""
    for name in (*_BYTES, "lengths"):
        if name not in arrays:
            raise InputError(f"{path} must have an array {name!r}; it has: {', '.join(arrays)}")
        array = arrays[name]
        kinds = "iu" if name == "lengths" else "u"
        if array.ndim != 1 or array.dtype.kind not in kinds or \
                (name in _BYTES and array.dtype != np.uint8):
            raise InputError(f"{name} of {path} must be a vector of "
                             f"{'bytes' if name in _BYTES else 'integers'}, not {array.dtype} of "
                             f"shape {list(array.shape)}")
    lengths, labels = [int(length) for length in arrays["lengths"]], arrays["labels"]
    if len(labels) != len(lengths):
        raise InputError(f"{path} must have one label a picture, not {len(labels)} labels for "
                         f"{len(lengths)} pictures")
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
        with Image.open(io.BytesIO(stream), formats=["JPEG"]) as picture:
            if picture.size != (_SIDE, _SIDE):
                raise InputError(f"{name} must have {_SIDE} x {_SIDE} pixels, "
                                 f"not {picture.width} x {picture.height}")
            return np.asarray(picture.convert("RGB"))
    except InputError:
        raise
    except _UNDECODABLE as error:
        raise InputError(f"{name} must be a complete JPEG stream: {error}") from error
