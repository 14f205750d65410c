# SPDX-License-Identifier: Apache-2.0
"""Labelled images: training and test set, and how pixels become the inputs of the float network
and of the array. Needs numpy only."""
import hashlib
import math
import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ...core.errors import InputError
from ...core.network.array_order import to_array_order
from .mnist import load_mnist, without_demo
from .npz import read_named

__all__ = ["Labelled", "Dataset", "load_dataset"]

#: Images uint8 [n, ...] and labels int64 [n].
Labelled = tuple[np.ndarray, np.ndarray]
_ARRAYS = ("train_images", "train_labels", "test_images", "test_labels")
_OWN = ("held_out_images", "held_out_labels")
_MOST_HELD_OUT = 5000
_MOST_LABEL = 1 << 20


@dataclass(frozen=True, kw_only=True, eq=False)
class Dataset:
    """Images x and their labels.

    The float network sees ``(x - offset) * scale``, the array the integers ``x - offset``: a
    padding of zero therefore stands for a pixel of the value ``offset``.

    Attributes
    ----------
    name : for messages and provenance.
    train, test : images uint8 [n, ...] and integer labels [n]; nothing is chosen by the test set.
        Images are vectors [length] or maps [channels, height, width]; [height, width] becomes a
        map of one channel.
    own_held_out : images and labels kept apart from the start; None: training images are held
        out.
    scale : value of one unit of a pixel to the float network, positive.
    offset : one integer of 16 bits, or one for each channel.

    Raises
    ------
    InputError : lists everything in the arrays that breaks these rules.
    """
    name: str
    train: Labelled
    test: Labelled
    own_held_out: Labelled | None = None
    scale: float = 1 / 255
    offset: int | tuple[int, ...] = 0

    def __post_init__(self) -> None:
        problems: list[str] = []
        for split, (images, labels) in self.splits.items():
            images = np.ascontiguousarray(images)
            labels = np.ascontiguousarray(labels)
            problems += _wrong(split.removeprefix("own_"), images, labels)
            if images.ndim == 3:
                images = images[:, np.newaxis]
            if labels.dtype.kind in "iu":
                labels = labels.astype(np.int64, copy=False)
            object.__setattr__(self, split, (images, labels))
        if not problems:
            problems += self._wrong_shapes()
        problems += self._wrong_scaling()
        if problems:
            raise InputError(f"data {self.name}: " + "; ".join(problems))

    def _wrong_shapes(self) -> list[str]:
        """The first split whose images have another shape than the training images."""
        for split, (images, _) in self.splits.items():
            if images.shape[1:] != self.shape:
                return [f"{split.removeprefix('own_')}_images must have the shape of "
                        f"train_images, {list(self.shape)} each, not {list(images.shape[1:])}"]
        return []

    def _wrong_scaling(self) -> list[str]:
        problems = []
        number = isinstance(self.scale, (int, float))
        if not number or not math.isfinite(self.scale) or self.scale <= 0:
            problems.append(f"scale must be a positive finite number, not "
                            f"{reprlib.repr(self.scale)}")

        offsets = self.offset if isinstance(self.offset, tuple) else (self.offset,)
        if not all(isinstance(one, int) and -(1 << 15) <= one < 1 << 15 for one in offsets):
            problems.append(f"offset must be an integer of 16 bits, or one for each channel, "
                            f"not {reprlib.repr(self.offset)}")
        elif len(offsets) > 1 and (len(self.shape) != 3 or len(offsets) != self.shape[0]):
            problems.append(f"offset must be one integer, or one for each channel of images of "
                            f"shape {list(self.shape)}, not {len(offsets)}")
        return problems

    @property
    def splits(self) -> dict[str, Labelled]:
        """Images and labels by attribute name; ``own_held_out`` only if it is there."""
        splits = {"train": self.train, "test": self.test}
        if self.own_held_out is not None:
            splits["own_held_out"] = self.own_held_out
        return splits

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one image."""
        return self.train[0].shape[1:]

    @property
    def input_range(self) -> tuple[int, int]:
        """Smallest and largest integer input, from pixels of 0 and 255."""
        offsets = np.atleast_1d(self.offset)
        return -int(offsets.max()), 255 - int(offsets.min())

    @property
    def digest(self) -> str:
        """SHA-256 over all images and labels and the scaling, hex."""
        total = hashlib.sha256(repr((self.scale, self.offset)).encode())
        for images, labels in self.splits.values():
            for array in (images, labels):
                total.update(repr((array.shape, array.dtype.str)).encode())
                total.update(np.ascontiguousarray(array).data)
        return total.hexdigest()

    def shaped(self, *, shape: Sequence[int] | None = None, scale: float | None = None,
               offset: int | Sequence[int] | None = None) -> "Dataset":
        """The same data with another image shape, scale or offset, where these are given.

        Raises
        ------
        InputError : images cannot have that shape; scale or offset out of range.
        """
        changes: dict[str, Any] = {}
        if scale is not None:
            changes["scale"] = scale
        if offset is not None:
            changes["offset"] = tuple(offset) if isinstance(offset, (list, tuple)) else offset
        if shape is not None:
            changes |= self._reshaped(tuple(shape))
        return replace(self, **changes) if changes else self

    def _reshaped(self, shape: tuple[int, ...]) -> dict[str, Labelled]:
        if math.prod(shape) != math.prod(self.shape) or len(shape) not in (1, 3):
            raise InputError(f"data.shape must be [length] or [channels, height, width] of "
                             f"the {math.prod(self.shape)} values of an image "
                             f"{list(self.shape)} of {self.name}, not {list(shape)}")
        return {split: (images.reshape(len(images), *shape), labels)
                for split, (images, labels) in self.splits.items()}

    def held_out(self, count: int | None) -> tuple[Labelled, Labelled]:
        """Training set and held-out set.

        The held-out set is the data's own if there is one; otherwise the last ``count`` training
        images, where None means a tenth, at most 5,000.

        Raises
        ------
        InputError : no training image would be left, or ``count`` is neither None nor 0 nor the
            size of the data's own held-out set.
        """
        images, labels = self.train
        if self.own_held_out is not None:
            own = len(self.own_held_out[0])
            if count not in (None, 0, own):
                raise InputError(f"hold_out must be {own} or left out, not {count}: data "
                                 f"{self.name} have {own} held_out_images of their own; give "
                                 f"--hold-out {own}, or take hold_out out of the recipe")
            return self.train, self.own_held_out
        if count is None:
            count = min(_MOST_HELD_OUT, len(images) // 10)
        if count >= len(images):
            raise InputError(f"hold_out must be less than the {len(images)} training images of "
                             f"{self.name}, not {count}")
        cut = len(images) - count
        return (images[:cut], labels[:cut]), (images[cut:], labels[cut:])

    @property
    def offsets(self) -> np.ndarray:
        """``offset`` as an int64 array that broadcasts over images: [1], or [channels, 1, 1]."""
        offsets = np.atleast_1d(self.offset)
        if len(offsets) == 1:
            return offsets
        return offsets.reshape(-1, *[1] * (len(self.shape) - 1))

    def integers(self, images: np.ndarray) -> np.ndarray:
        """The array's inputs: int64 [n, length], maps in (row, column, channel) order."""
        return to_array_order(images.astype(np.int64) - self.offsets)

    def floats(self, images: np.ndarray) -> np.ndarray:
        """The float network's inputs: float32 [n, ...]."""
        values = images.astype(np.float32)
        if np.any(self.offset):
            values -= self.offsets.astype(np.float32)
        return values * np.float32(self.scale)


def _wrong(split: str, images: np.ndarray, labels: np.ndarray) -> list[str]:
    """Everything that is wrong with a split's arrays."""
    problems = []
    if images.dtype != np.uint8 or images.ndim not in (2, 3, 4) or not images.size:
        advice = ""
        if images.dtype.kind == "f":
            advice = "; turn real numbers r into round(r / scale) + offset, 0 .. 255"
        problems.append(f"{split}_images must be uint8 [n, length], [n, height, width] or "
                        f"[n, channels, height, width], not {images.dtype} {list(images.shape)}"
                        f"{advice}")
    count = len(images) if images.ndim else 0
    if labels.dtype.kind not in "iu" or labels.shape != images.shape[:1]:
        problems.append(f"{split}_labels must be integers [{count}], one for each image, "
                        f"not {labels.dtype} {list(labels.shape)}")
    elif labels.size and not 0 <= int(labels.min()) <= int(labels.max()) < _MOST_LABEL:
        problems.append(f"{split}_labels must be classes from 0 on, not {labels.min()} .. "
                        f"{labels.max()}")
    return problems


def load_dataset(source: "Dataset | Mapping[str, np.ndarray] | str | Path") -> Dataset:
    """A data set from a folder of MNIST or CIFAR-10, an ``.npz`` file, or arrays by name.

    Parameters
    ----------
    source : ``mnist:FOLDER``; ``mnist-without-demo:FOLDER``, its training set without the images
        of :func:`~openeie.sw.data.mnist.demo_images`; ``cifar10:FOLDER``; the path of an
        ``.npz``; or a mapping. The last two have the arrays ``train_images``, ``train_labels``,
        ``test_images`` and ``test_labels``, see :class:`Dataset`, and optionally
        ``held_out_images`` with ``held_out_labels``, ``scale`` and ``offset``.

    Raises
    ------
    InputError : an unknown kind of source; files or arrays that are missing or damaged; what
        :class:`Dataset` refuses.
    """
    if isinstance(source, Dataset):
        return source
    if isinstance(source, Mapping):
        return _of_arrays(dict(source), "of arrays")
    text = str(source)
    kind, colon, folder = text.partition(":")
    if colon and kind in ("mnist", "mnist-without-demo"):
        train = load_mnist(folder, "train")
        if kind == "mnist-without-demo":
            train = without_demo(*train)
        return Dataset(name=kind, train=_maps(train), test=_maps(load_mnist(folder, "test")))
    if colon and kind == "cifar10":
        from .cifar10 import load_cifar10
        return Dataset(name="cifar10", train=load_cifar10(folder, "train"),
                       test=load_cifar10(folder, "test"))
    if not text.endswith(".npz"):
        raise InputError(f"data must be mnist:FOLDER, mnist-without-demo:FOLDER, cifar10:FOLDER or "
                         f"an .npz file, not {text!r}")
    arrays = read_named(text, "images", (*_ARRAYS, *_OWN, "scale", "offset"))
    return _of_arrays(arrays, Path(text).name)


def _maps(split: Labelled) -> Labelled:
    """MNIST's flat images as maps [n, 1, 28, 28]."""
    images, labels = split
    return images.reshape(-1, 1, 28, 28), labels


def _of_arrays(arrays: dict[str, np.ndarray], name: str) -> Dataset:
    """A data set from arrays by name; refuses those that are missing."""
    needed: tuple[str, ...] = _ARRAYS
    if any(one in arrays for one in _OWN):
        needed += _OWN
    missing = [one for one in needed if one not in arrays]
    if missing:
        raise InputError(f"data {name} must have the arrays {', '.join(needed)}; missing: "
                         f"{', '.join(missing)}")
    fields: dict[str, Any] = {}
    if "scale" in arrays:
        fields["scale"] = _scale(np.asarray(arrays["scale"]))
    if "offset" in arrays:
        fields["offset"] = _offset(np.asarray(arrays["offset"]))
    if _OWN[0] in arrays:
        fields["own_held_out"] = arrays[_OWN[0]], arrays[_OWN[1]]
    return Dataset(name=name, train=(arrays["train_images"], arrays["train_labels"]),
                   test=(arrays["test_images"], arrays["test_labels"]), **fields)


def _scale(array: np.ndarray) -> Any:
    """A number if the array holds one; what it holds otherwise, for :class:`Dataset` to refuse."""
    if array.size == 1 and array.dtype.kind in "fiu":
        return float(array.item())
    return array.tolist()


def _offset(array: np.ndarray) -> Any:
    """One integer or several; what the array holds otherwise, for :class:`Dataset` to refuse."""
    values = tuple(map(_whole, array.reshape(-1))) if array.dtype.kind in "fiu" else ()
    return values[0] if len(values) == 1 else values


def _whole(value: np.number) -> int | float:
    """An integer if the number is one."""
    number = float(value)
    if math.isfinite(number) and number == int(value):
        return int(value)
    return number
