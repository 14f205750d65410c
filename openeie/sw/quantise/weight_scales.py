# SPDX-License-Identifier: Apache-2.0
"""Scales of weights: the finest at which no sum can leave the accumulator, bias included."""
import math

import numpy as np

from ...core.errors import InputError
from ...core.numbers.fixed import BIAS_BITS, int_range

__all__ = ["MAGNITUDE_BITS", "levels", "needs_width", "quantised_rows"]

MAGNITUDE_BITS = 15         # magnitude of the largest weight of a layer, at most
_ROUNDED = 1.01             # by how much rounding may make a row heavier, before it is looked at


def levels(name: str, values: np.ndarray, magnitude: float, biases: np.ndarray, largest: int,
           acc_width: int) -> int:
    """How many steps the largest weight has: as many as its bits, the accumulator and the bias
    allow.

    Parameters
    ----------
    values : weights [out, columns].
    magnitude : of the largest, 1 if all are 0.
    biases : [out], in largest weights times units of activations.
    largest : magnitude of activations.

    Raises
    ------
    InputError : fewer than three.
    """
    most, room = int_range(acc_width)[1], int_range(acc_width)[1] // 2      # half for the bias
    bias = float(np.abs(biases).max())
    # A sum may exceed float32.
    heaviest = float(np.abs(values).sum(axis=1, dtype=np.float64).max()) / magnitude
    steps = min((1 << MAGNITUDE_BITS) - 1, int(room / max(heaviest * largest * _ROUNDED, 1)))
    if steps < 3:
        raise needs_width(name, acc_width, 2 * math.ceil(3 * heaviest * largest * _ROUNDED))
    limit = min(int_range(BIAS_BITS)[1], room)
    if bias * steps > limit:                   # the weights are small beside it: coarser ones
        steps = int(limit / bias)
    # A few steps round up by more than the hundredth above.
    while steps >= 3 and _largest_sum(values, steps / magnitude, biases * steps,
                                       largest) > most:
        steps -= 1
    if steps < 3:
        raise InputError(f"node {name!r}: its bias must not exceed {limit // 3:,} times the "
                         f"largest weight at work on one unit of its input, less what its sums "
                         f"need of the {acc_width} bits of an accumulator, and is {bias:,.0f} "
                         f"times that; give it larger weights")
    return steps


def needs_width(name: str, acc_width: int, most: int) -> InputError:
    """That a node's accumulator is too narrow, and how wide it must be for sums up to ``most``."""
    return InputError(f"node {name!r}: its sums need more than the {acc_width} bits of an "
                      f"accumulator; use an acc_width of {most.bit_length() + 1} or more")


def _largest_sum(values: np.ndarray, factor: float, biases: np.ndarray, largest: int) -> float:
    """The largest magnitude of a sum, weights [out, columns] times ``factor`` and biases [out]
    rounded."""
    # Row by row: a copy of all in float64 may be large.
    return max(float(np.rint(np.abs(row.astype(np.float64)) * factor).sum()) * largest
               + abs(float(np.rint(bias))) for row, bias in zip(values, biases))


def quantised_rows(values: np.ndarray, biases: np.ndarray, coarsest: float, largest: int,
                   acc_width: int) -> tuple[np.ndarray, np.ndarray]:
    """Weights as integers, each row at the finest scale that its own weights and bias allow.

    Parameters
    ----------
    values : weights [out, columns].
    biases : [out], in units of activations.
    coarsest : a scale that suits every row.
    largest : magnitude of activations.

    Returns
    -------
    integers : int16 [out, columns].
    scales : float64 [out], what a unit of a row is worth.
    """
    most = int_range(acc_width)[1]
    room = most // 2                                # half for the bias
    limit = min(int_range(BIAS_BITS)[1], room)
    integers, scales = np.empty(values.shape, np.int16), np.full(len(values), coarsest)
    for number, (row, bias) in enumerate(zip(values, np.abs(biases))):
        row = row.astype(np.float64)
        sizes = np.abs(row)
        finest = max(float(sizes.max()) / ((1 << MAGNITUDE_BITS) - 1), bias / limit,
                     float(sizes.sum()) * largest * _ROUNDED / room)
        if 0 < finest < coarsest and float(np.rint(sizes / finest).sum()) * largest \
                + np.rint(bias / finest) <= most:
            scales[number] = finest
        integers[number] = np.rint(row / scales[number])
    return integers, scales
