# SPDX-License-Identifier: Apache-2.0
"""Numbers that a user brings, as the array's integers: integers as they are, floats scaled."""
import numpy as np
from numpy.typing import ArrayLike

from ...core.errors import InputError
from ...core.numbers.fixed import int_range

__all__ = ["check_numbers", "integers", "unit_of", "whole"]

#: What the largest float of an array becomes.
_LARGEST = int_range(16)[1]


def integers(name: str, what: str, values: ArrayLike) -> np.ndarray:
    """``what`` of layer ``name`` as int64: integers as they are, floats scaled to 16 bits.

    Raises
    ------
    InputError : see :func:`check_numbers`.
    """
    array = np.asarray(values)
    check_numbers(name, what, array)
    return whole(array).astype(np.int64)


def check_numbers(name: str, what: str, array: np.ndarray) -> None:
    """``what`` of layer ``name`` must be finite floats, or integers of 16 bits.

    The extremes tell whether they are, without a copy of the array.

    Raises
    ------
    InputError : naming the first number that is not.
    """
    if array.dtype.kind not in "fiu":
        raise InputError(f"layer {name!r}: {what} must be integers or floats, not {array.dtype}")
    low, high = int_range(16)
    smallest = array.min(initial=0)
    largest = array.max(initial=0)
    if array.dtype.kind == "f":
        if not (np.isfinite(smallest) and np.isfinite(largest)):
            where = np.argwhere(~np.isfinite(array))[0].tolist()
            raise InputError(f"layer {name!r}: {what} must be finite; {where} is "
                             f"{array[tuple(where)]}")
    elif smallest < low or largest > high:
        where = np.argwhere((array < low) | (array > high))[0].tolist()
        raise InputError(f"layer {name!r}: {what} must be in {low} .. {high}; {where} is "
                         f"{array[tuple(where)]}")


def whole(array: np.ndarray) -> np.ndarray:
    """Integers as they are; floats scaled and rounded so that the largest becomes 32767. Only 0
    becomes 0."""
    if array.dtype.kind != "f":
        return array
    array = array.astype(np.float64)        # half precision cannot hold 32767
    largest = np.abs(array).max(initial=0)
    scaled = np.rint(array / (largest or 1) * _LARGEST)
    return np.where((scaled == 0) & (array != 0), np.sign(array), scaled)


def unit_of(array: np.ndarray) -> float | None:
    """What one unit of :func:`integers` stands for: the largest float / 32767. None for integers,
    which stand for themselves."""
    if array.dtype.kind != "f":
        return None
    return float(np.abs(array.astype(np.float64)).max(initial=0)) / _LARGEST
