# SPDX-License-Identifier: Apache-2.0
"""Images for ImageNet networks: the ``.npz`` that a user brings, and Caffe's preprocessing.

Needs numpy only.
"""
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...core.errors import InputError
from .npz import read_named

__all__ = ["SIDE", "CLASSES", "MAP_RANGE", "ImageNetImages", "load_images", "caffe_maps"]

#: Side of SqueezeNet's square input images, pixels.
SIDE = 227
#: Classes of ImageNet.
CLASSES = 1000
_MEAN = (104, 117, 123)             # BGR, as Caffe's ImageNet networks take it; no scaling
#: Smallest and largest value that preprocessing can give.
MAP_RANGE = (-max(_MEAN), 255 - min(_MEAN))


@dataclass(frozen=True, kw_only=True, eq=False)
class ImageNetImages:
    """Images with their labels and the float network's outputs, where these are known.

    Attributes
    ----------
    images : uint8 [n, 227, 227, 3], RGB.
    labels : int64 [n], or None.
    float_logits : outputs of the float network, float32 [n, 1000], or None.
    """
    images: np.ndarray
    labels: np.ndarray | None = None
    float_logits: np.ndarray | None = None


def caffe_maps(images: np.ndarray) -> np.ndarray:
    """Caffe's preprocessing: RGB uint8 [n, height, width, 3] to BGR minus the mean, int64 of the
    same shape. Flattened to [n, length], these are the array's inputs."""
    return images[..., ::-1].astype(np.int64) - np.array(_MEAN)


def load_images(path: str | Path) -> ImageNetImages:
    """Images from an ``.npz`` with the array ``images`` and, optionally, ``labels`` and
    ``float_logits``; shapes and types as :class:`ImageNetImages` has them.

    Raises
    ------
    InputError : the file cannot be read; an array is missing, or of a wrong type or shape; a
        label is out of range, or a logit is not finite.
    """
    arrays = read_named(path, "images", ("images", "labels", "float_logits"))
    images = arrays["images"]
    count = len(images) if images.ndim else 1
    _check(path, "images", images, "uint8", images.dtype == np.uint8,
           (max(1, count), SIDE, SIDE, 3))
    return ImageNetImages(images=images, labels=_labels(path, arrays.get("labels"), count),
                          float_logits=_logits(path, arrays.get("float_logits"), count))


def _labels(path: str | Path, labels: np.ndarray | None, count: int) -> np.ndarray | None:
    if labels is None:
        return None
    _check(path, "labels", labels, "integer", labels.dtype.kind in "iu", (count,))
    if labels.min() < 0 or labels.max() >= CLASSES:
        raise InputError(f"{path}: labels must be in 0 .. {CLASSES - 1}, "
                         f"not {labels.min()} .. {labels.max()}")
    return labels.astype(np.int64)


def _logits(path: str | Path, logits: np.ndarray | None, count: int) -> np.ndarray | None:
    if logits is None:
        return None
    _check(path, "float_logits", logits, "float", logits.dtype.kind == "f", (count, CLASSES))
    if not np.isfinite(logits).all():
        raise InputError(f"{path}: float_logits must be finite numbers")
    return logits.astype(np.float32)


def _check(path: str | Path, name: str, array: np.ndarray, kind: str, right_kind: bool,
           shape: tuple[int, ...]) -> None:
    if not right_kind or array.shape != shape:
        raise InputError(f"{path}: array {name!r} must be {kind} {list(shape)}, "
                         f"not {array.dtype} {list(array.shape)}")
