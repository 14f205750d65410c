# SPDX-License-Identifier: Apache-2.0
"""Pictures for ImageNet networks: the ``.npz`` a user brings, and Caffe's preprocessing.

numpy only.
"""
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...core.errors import InputError
from .npz import read_arrays

__all__ = ["SIDE", "CLASSES", "MAP_RANGE", "ImageNetImages", "load_pictures", "caffe_maps"]

#: Pixels of a picture along both sides, and classes, as SqueezeNet has them.
SIDE, CLASSES = 227, 1000
_MEAN = (104, 117, 123)             # BGR, as Caffe's ImageNet networks take it; no scaling
#: Smallest and largest value that preprocessing can give.
MAP_RANGE = (-max(_MEAN), 255 - min(_MEAN))


@dataclass(frozen=True, kw_only=True, eq=False)
class ImageNetImages:
    """Pictures, and what is known of them.

    Attributes
    ----------
    images : uint8 [n, 227, 227, 3], RGB.
    labels : int64 [n], or None.
    float_logits : float32 [n, 1000], outputs of the float network, or None.
    """
    images: np.ndarray
    labels: np.ndarray | None = None
    float_logits: np.ndarray | None = None


def caffe_maps(images: np.ndarray) -> np.ndarray:
    """RGB uint8 [n, height, width, 3] as networks trained with Caffe take it: int64 of the same
    shape, BGR minus the mean; flattened, the array's inputs."""
    return images[..., ::-1].astype(np.int64) - np.array(_MEAN)


def load_pictures(path: str | Path) -> ImageNetImages:
    """Pictures from an ``.npz`` with ``images`` and perhaps ``labels`` and ``float_logits``.

    Raises
    ------
    InputError : the file cannot be read, or an array is missing, of a wrong type or shape, or has
        a label that is no class or a logit that is no number.
    """
    arrays = read_arrays(path, "pictures", ("images", "labels", "float_logits"))
    if isinstance(arrays, np.ndarray):
        raise InputError(f"{path} must be an .npz with an array 'images', not one array")
    images = arrays["images"]
    _check(path, "images", images, "uint8", images.dtype == np.uint8,
           (max(1, len(images) if images.ndim else 1), SIDE, SIDE, 3))
    for name, kinds, shape in (("labels", "iu", (len(images),)),
                               ("float_logits", "f", (len(images), CLASSES))):
        if name in arrays:
            wanted = "integer" if kinds == "iu" else "float"
            _check(path, name, arrays[name], wanted, arrays[name].dtype.kind in kinds, shape)
    _check_values(path, arrays)
    return ImageNetImages(
        images=images,
        labels=arrays["labels"].astype(np.int64) if "labels" in arrays else None,
        float_logits=arrays["float_logits"].astype(np.float32) if "float_logits" in arrays
        else None)


def _check(path, name: str, array: np.ndarray, kind: str, right_kind: bool,
           shape: tuple[int, ...]) -> None:
    if not right_kind or array.shape != shape:
        raise InputError(f"{path}: array {name!r} must be {kind} {list(shape)}, "
                         f"not {array.dtype} {list(array.shape)}")


def _check_values(path, arrays: dict[str, np.ndarray]) -> None:
    labels, logits = arrays.get("labels"), arrays.get("float_logits")
    if labels is not None and (labels.min() < 0 or labels.max() >= CLASSES):
        raise InputError(f"{path}: labels must be in 0 .. {CLASSES - 1}, "
                         f"not {labels.min()} .. {labels.max()}")
    if logits is not None and not np.isfinite(logits).all():
        raise InputError(f"{path}: float_logits must be finite numbers")
