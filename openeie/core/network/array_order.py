# SPDX-License-Identifier: Apache-2.0
"""Images in the order in which the array takes them."""
import numpy as np
import numpy.typing as npt

from ..errors import InputError

__all__ = ["to_array_order"]

#: Kinds of numbers: booleans, integers with and without a sign, floats.
_NUMBERS = "biuf"


def to_array_order(images: npt.ArrayLike) -> np.ndarray:
    """Images as torch, ONNX and Caffe have them, in the order in which the array takes them.

    >>> import numpy as np
    >>> images = np.array([[[[1, 2]], [[3, 4]]]])        # one image, two channels of 1 x 2 pixels
    >>> to_array_order(images)
    array([[1, 3, 2, 4]])

    Parameters
    ----------
    images : numbers [n, channels, height, width], as an array, a tensor in the host's memory or
        nested lists. Vectors [n, length] stay as they are, so that code for both kinds of inputs
        needs no case of its own.

    Returns
    -------
    An array [n, height * width * channels] of the same numbers and type, in (row, column,
    channel) order. It shares memory with ``images`` where nothing has to move.

    Raises
    ------
    InputError : another number of dimensions, or elements that are not numbers.
    """
    array = _as_array(images)
    if array.dtype.kind not in _NUMBERS:
        raise InputError(f"images must be integers or floats, not {array.dtype}")
    if array.ndim == 2:
        return np.ascontiguousarray(array)
    if array.ndim != 4:
        raise InputError(f"images must be [n, channels, height, width], or vectors [n, length], "
                         f"not {list(array.shape)}{_advice(array)}")

    count, channels, height, width = array.shape
    pixels = np.ascontiguousarray(array.transpose(0, 2, 3, 1))
    return pixels.reshape(count, height * width * channels)


def _as_array(images: npt.ArrayLike) -> np.ndarray:
    try:
        return np.asarray(images)
    except (TypeError, ValueError, RuntimeError) as error:      # ragged lists, tensors elsewhere
        raise InputError(f"images must be one array of numbers: {error}") from error


def _advice(array: np.ndarray) -> str:
    """The next step for a shape that could be one image or several of one channel."""
    if array.ndim != 3:
        return ""
    return ("; write images[:, None] for images of one channel, images[None] for one image of "
            "several channels")
