# SPDX-License-Identifier: Apache-2.0
"""Labelled pictures to compress a network with: training and test set, and how they become
the float network's inputs and the array's. numpy only."""
import hashlib
import math
import reprlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ...core.errors import InputError
from ...core.network.array_order import to_array_order
from .mnist import load_mnist, without_demo
from .npz import read_arrays

__all__ = ["Labelled", "Dataset", "load_dataset"]

#: Pictures uint8 [n, ...] and labels int64 [n].
Labelled = tuple[np.ndarray, np.ndarray]
_ARRAYS = ("train_images", "train_labels", "test_images", "test_labels")
_OWN = ("held_out_images", "held_out_labels")
_MOST_HELD_OUT = 5000
_MOST_LABEL = 1 << 20


@dataclass(frozen=True, kw_only=True, eq=False)
class Dataset:
    """Pictures x and what they show. The float network sees ``(x - offset) * scale``, the array
    the integers ``x - offset``, so that what pads a map is ``offset``.

    Attributes
    ----------
    name : for messages and provenance.
    train, test : pictures uint8 [n, ...] and integer labels [n]; the test set is only measured.
        Pictures are vectors [length] or maps [channels, height, width]; [height, width] is taken
        as a map of one channel.
    own_held_out : the same, of pictures that nothing was trained with; None if there are none,
        and training pictures are held out instead.
    scale : what one unit is worth to the float network.
    offset : one integer, or one for each channel.

    Raises
    ------
    InputError : everything in the arrays that is not so.
    """
    name: str
    train: Labelled
    test: Labelled
    own_held_out: Labelled | None = None
    scale: float = 1 / 255
    offset: int | tuple[int, ...] = 0

    def __post_init__(self) -> None:
        problems: list[str] = []
        for split, given in self.splits.items():
            images, labels = map(np.ascontiguousarray, given)
            problems += _wrong(split.removeprefix("own_"), images, labels)
            if images.ndim == 3:
                images = images[:, np.newaxis]
            object.__setattr__(self, split, (images, labels.astype(np.int64, copy=False)
                                             if labels.dtype.kind in "iu" else labels))
        for split, (images, _) in self.splits.items():
            if not problems and images.shape[1:] != self.shape:
                problems.append(f"{split.removeprefix('own_')}_images must have the shape of "
                                f"train_images, {list(self.shape)} each, "
                                f"not {list(images.shape[1:])}")
        problems += self._wrong_scaling()
        if problems:
            raise InputError(f"data {self.name}: " + "; ".join(problems))

    def _wrong_scaling(self) -> list[str]:
        problems = []
        if not isinstance(self.scale, (int, float)) or not (math.isfinite(self.scale)
                                                            and self.scale > 0):
            problems.append(f"scale must be a positive finite number, not "
                            f"{reprlib.repr(self.scale)}")
        offsets = self.offset if isinstance(self.offset, tuple) else (self.offset,)
        if not all(isinstance(one, int) and -(1 << 15) <= one < 1 << 15 for one in offsets):
            problems.append(f"offset must be an integer of 16 bits, or one for each channel, "
                            f"not {reprlib.repr(self.offset)}")
        elif len(offsets) > 1 and (len(self.shape) != 3 or len(offsets) != self.shape[0]):
            problems.append(f"offset must be one integer, or one for each channel of pictures of "
                            f"shape {list(self.shape)}, not {len(offsets)}")
        return problems

    @property
    def splits(self) -> dict[str, Labelled]:
        """Pictures and labels by the attributes' names."""
        own = {} if self.own_held_out is None else {"own_held_out": self.own_held_out}
        return {"train": self.train, "test": self.test} | own

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one picture."""
        return self.train[0].shape[1:]

    @property
    def input_range(self) -> tuple[int, int]:
        """Smallest and largest integer input that pictures of bytes can give."""
        offsets = np.atleast_1d(self.offset)
        return -int(offsets.max()), 255 - int(offsets.min())

    @property
    def digest(self) -> str:
        """SHA-256 over every picture and label and the scaling, hex."""
        total = hashlib.sha256(repr((self.scale, self.offset)).encode())
        for array in (array for split in self.splits.values() for array in split):
            total.update(repr((array.shape, array.dtype.str)).encode())
            total.update(np.ascontiguousarray(array))
        return total.hexdigest()

    def shaped(self, *, shape=None, scale: float | None = None,
               offset: int | list[int] | None = None) -> "Dataset":
        """The same with other shape of a picture, scale or offset, where they are given.

        Raises
        ------
        InputError : pictures cannot have that shape, or scale or offset cannot be.
        """
        changes: dict = {} if scale is None else {"scale": scale}
        if offset is not None:
            changes["offset"] = tuple(offset) if isinstance(offset, (list, tuple)) else offset
        if shape is not None:
            shape = tuple(shape)
            if math.prod(shape) != math.prod(self.shape) or len(shape) not in (1, 3):
                raise InputError(f"data.shape must be [length] or [channels, height, width] of "
                                 f"the {math.prod(self.shape)} values of a picture "
                                 f"{list(self.shape)} of {self.name}, not {list(shape)}")
            changes |= {split: (images.reshape(len(images), *shape), labels)
                        for split, (images, labels) in self.splits.items()}
        return replace(self, **changes) if changes else self

    def held_out(self, count: int | None) -> tuple[Labelled, Labelled]:
        """The pictures to train with and those that are held out: the data's own, or the last
        ``count`` of the training pictures; None is a tenth of them, at most 5,000. Beside the
        data's own, None and 0 take none of the training pictures.

        Raises
        ------
        InputError : nothing would be left to train with, or the data have others of their own.
        """
        images, labels = self.train
        if self.own_held_out is not None:
            own = len(self.own_held_out[0])
            if count not in (None, 0, own):
                raise InputError(f"hold_out must be {own} or left out, not {count}: data "
                                 f"{self.name} have {own} held_out_images of their own; give "
                                 f"--hold-out {own}, or take hold_out out of the recipe")
            return self.train, self.own_held_out
        count = min(_MOST_HELD_OUT, len(images) // 10) if count is None else count
        if count >= len(images):
            raise InputError(f"hold_out must be less than the {len(images)} training pictures of "
                             f"{self.name}, not {count}")
        cut = len(images) - count
        return (images[:cut], labels[:cut]), (images[cut:], labels[cut:])

    @property
    def offsets(self) -> np.ndarray:
        """``offset`` as an array that broadcasts over pictures, int64."""
        offsets = np.atleast_1d(self.offset)
        return offsets.reshape(-1, *[1] * (len(self.shape) - 1)) if len(offsets) > 1 else offsets

    def integers(self, images: np.ndarray) -> np.ndarray:
        """What the array takes: int64 [n, length], maps in (row, column, channel) order."""
        return to_array_order(images.astype(np.int64) - self.offsets)

    def floats(self, images: np.ndarray) -> np.ndarray:
        """What the float network takes: float32 [n, ...]."""
        values = images.astype(np.float32)
        if np.any(self.offset):
            values -= self.offsets.astype(np.float32)
        return values * np.float32(self.scale)


def _wrong(split: str, images: np.ndarray, labels: np.ndarray) -> list[str]:
    """What a split's arrays have that they must not."""
    problems = []
    if images.dtype != np.uint8 or images.ndim not in (2, 3, 4) or not images.size:
        problems.append(f"{split}_images must be uint8 [n, length], [n, height, width] or "
                        f"[n, channels, height, width], not {images.dtype} {list(images.shape)}"
                        + ("; turn real numbers r into round(r / scale) + offset, 0 .. 255"
                           if images.dtype.kind == "f" else ""))
    if labels.dtype.kind not in "iu" or labels.shape != images.shape[:1]:
        problems.append(f"{split}_labels must be integers [{len(images) if images.ndim else 0}], "
                        f"one for each picture, not {labels.dtype} {list(labels.shape)}")
    elif labels.size and not 0 <= int(labels.min()) <= int(labels.max()) < _MOST_LABEL:
        problems.append(f"{split}_labels must be classes from 0 on, not {labels.min()} .. "
                        f"{labels.max()}")
    return problems


def load_dataset(source: "Dataset | Mapping[str, np.ndarray] | str | Path") -> Dataset:
    """Pictures from ``mnist:FOLDER``, ``mnist-without-demo:FOLDER``, ``cifar10:FOLDER``, an
    ``.npz`` file, or arrays by name.

    The second trains without the pictures of :func:`~openeie.sw.data.mnist.demo_pictures`.
    An ``.npz`` or mapping has ``train_images``, ``train_labels``, ``test_images`` and
    ``test_labels``, see :class:`Dataset`, and perhaps ``held_out_images`` and
    ``held_out_labels``, ``scale`` and ``offset``.

    Raises
    ------
    InputError : another source, files or arrays that are missing or damaged, or what
        :class:`Dataset` refuses.
    """
    if isinstance(source, Dataset):
        return source
    if isinstance(source, Mapping):
        return _of_arrays(dict(source), "of arrays")
    text = str(source)
    kind, colon, folder = text.partition(":")
    if colon and kind in ("mnist", "mnist-without-demo"):
        train, test = (load_mnist(folder, split) for split in ("train", "test"))
        train = train if kind == "mnist" else without_demo(*train)
        return Dataset(name=kind, train=_maps(train), test=_maps(test))
    if colon and kind == "cifar10":
        from .cifar10 import load_cifar10
        return Dataset(name="cifar10", train=load_cifar10(folder, "train"),
                       test=load_cifar10(folder, "test"))
    if not text.endswith(".npz"):
        raise InputError(f"data must be mnist:FOLDER, mnist-without-demo:FOLDER, cifar10:FOLDER or "
                         f"an .npz file, not {text!r}")
    arrays = read_arrays(text, "pictures", (*_ARRAYS, *_OWN, "scale", "offset"))
    if not isinstance(arrays, dict):
        raise InputError(f"{text} holds one array; it needs {', '.join(_ARRAYS)}")
    return _of_arrays(arrays, Path(text).name)


def _maps(split: Labelled) -> Labelled:
    images, labels = split
    return images.reshape(-1, 1, 28, 28), labels


def _of_arrays(arrays: dict[str, np.ndarray], name: str) -> Dataset:
    needed = (*_ARRAYS, *(_OWN if any(one in arrays for one in _OWN) else ()))
    missing = [one for one in needed if one not in arrays]
    if missing:
        raise InputError(f"data {name} must have the arrays {', '.join(needed)}; missing: "
                         f"{', '.join(missing)}")
    fields: dict = {}
    if "scale" in arrays:
        scale = np.asarray(arrays["scale"])
        fields["scale"] = float(scale.item()) if scale.size == 1 and scale.dtype.kind in "fiu" \
            else scale.tolist()
    if "offset" in arrays:
        offset = np.asarray(arrays["offset"])
        values = tuple(int(one) if np.isfinite(one) and float(one) == int(one) else float(one)
                       for one in offset.reshape(-1)) if offset.dtype.kind in "fiu" else ()
        fields["offset"] = values[0] if len(values) == 1 else values
    if _OWN[0] in arrays:
        fields["own_held_out"] = arrays[_OWN[0]], arrays[_OWN[1]]
    return Dataset(name=name, train=(arrays["train_images"], arrays["train_labels"]),
                   test=(arrays["test_images"], arrays["test_labels"]), **fields)
