# SPDX-License-Identifier: Apache-2.0
"""MNIST: the idx reader and the test set that is shipped with the package. numpy only."""
import gzip
import io
import zlib
from importlib import resources
from pathlib import Path

import numpy as np

from ..core.errors import InputError, UntrustedError
from ..core.untrusted import read_regular

__all__ = ["read_idx", "load_mnist", "shipped_test_set"]

_PREFIX = {"train": "train", "test": "t10k"}
_UNSIGNED_BYTE = 0x08
_MOST_BYTES = 1 << 30               # of a file, compressed or not; MNIST's largest has 47 million


def read_idx(source: bytes, *, name: str, ndim: int) -> np.ndarray:
    """The array in a gzip-compressed idx file of unsigned bytes.

    Parameters
    ----------
    source : the compressed bytes.
    name : what messages call the file.
    ndim : the number of dimensions that the file must have.

    Returns
    -------
    uint8 array, read-only.

    Raises
    ------
    InputError : not gzip, a wrong magic number, or more or fewer bytes than the header promises.
    """
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(source)) as file:
            raw = file.read(_MOST_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{name} must be a complete gzip file: {error}") from None
    if len(raw) > _MOST_BYTES:
        raise InputError(f"{name} must hold at most {_MOST_BYTES:,} bytes, and holds more")
    header = 4 + 4 * ndim
    if len(raw) < header:
        raise InputError(f"{name} must start with a header of {header} bytes, "
                         f"not {len(raw)} bytes in all")
    magic = int.from_bytes(raw[:4], "big")
    expected = _UNSIGNED_BYTE << 8 | ndim
    if magic != expected:
        raise InputError(f"{name} must have the idx magic number 0x{expected:08x} "
                         f"({ndim}-dimensional unsigned bytes), not 0x{magic:08x}")
    shape = [int(size) for size in np.frombuffer(raw, ">u4", ndim, 4)]
    size = 1
    for extent in shape:  # Python integers: a hostile header must not wrap around
        size *= extent
    if len(raw) - header != size:
        raise InputError(f"{name} must hold {' x '.join(map(str, shape))} = {size} bytes after "
                         f"its header, not {len(raw) - header}")
    return np.frombuffer(raw, np.uint8, size, header).reshape(shape)


def _split(folder, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Images [n, 784] and labels [n] from a folder: a Path, or a package resource."""
    def read(kind: str, ndim: int) -> np.ndarray:
        name = f"{_PREFIX[split]}-{kind}-idx{ndim}-ubyte.gz"
        try:
            source = read_regular(folder.joinpath(name), _MOST_BYTES)
        except UntrustedError as error:
            raise InputError(f"MNIST file {name} cannot be read from {folder}: "
                             f"{error.reason}") from None
        return read_idx(source, name=name, ndim=ndim)
    images, labels = read("images", 3), read("labels", 1)
    if images.shape[1:] != (28, 28):
        raise InputError(f"MNIST images must be 28 x 28 pixels, "
                         f"not {images.shape[1]} x {images.shape[2]}")
    if len(images) != len(labels):
        raise InputError(f"MNIST {split} set must have one label an image, "
                         f"not {len(labels)} labels for {len(images)} images")
    if len(labels) and labels.max() > 9:
        raise InputError(f"MNIST labels must be in 0 .. 9, not {labels.max()}")
    return images.reshape(len(images), 784), labels


def load_mnist(folder: str | Path, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 [n, 784] and labels uint8 [n] of ``split`` from a folder of ``*.gz`` files.

    Raises
    ------
    InputError : ``split`` is neither ``"train"`` nor ``"test"``, or a file is missing or damaged.
    """
    if split not in _PREFIX:
        raise InputError(f"split must be one of {', '.join(_PREFIX)}, not {split!r}")
    return _split(Path(folder), split)


def shipped_test_set() -> tuple[np.ndarray, np.ndarray]:
    """The 10,000 MNIST test images, uint8 [10000, 784], and their labels, from the package.

    Licence of the data: CC BY-SA 3.0, see ``assets/mnist/LICENSE-ATTRIBUTION.txt``.
    """
    # Anchored at this package: `assets` holds data only and is none.
    return _split(resources.files(__package__).joinpath("assets", "mnist"), "test")
