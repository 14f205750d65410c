# SPDX-License-Identifier: Apache-2.0
"""Scales of weights: the finest at which no sum, bias included, can overflow the accumulator."""
import math

import numpy as np

from ...core.errors import InputError
from ...core.numbers.fixed import BIAS_BITS, int_range

__all__ = ["MAGNITUDE_BITS", "levels", "needs_width", "quantised_rows"]

#: Most bits of the magnitude of a weight.
MAGNITUDE_BITS = 15
#: Allowance for rounding: by this factor a row's sum of magnitudes may grow. Checked afterwards.
_ROUNDED = 1.01


def levels(name: str, values: np.ndarray, magnitude: float, biases: np.ndarray, largest: int,
           acc_width: int) -> int:
    """Integer value of the largest weight: the largest that its bits, the accumulator and the bias
    allow.

    Parameters
    ----------
    name : of the node, for messages.
    values : weights [out, columns].
    magnitude : of the largest weight, 1 if all are 0.
    biases : [out], in units of (largest weight x unit of an activation).
    largest : magnitude of the largest activation, in its units.
    acc_width : bits of the accumulator.

    Raises
    ------
    InputError : it would be less than three.
    """
    most = int_range(acc_width)[1]
    room = most // 2                    # the other half is for the bias
    bias = float(np.abs(biases).max())
    # A sum may exceed float32.
    heaviest = float(np.abs(values).sum(axis=1, dtype=np.float64).max()) / magnitude
    steps = min((1 << MAGNITUDE_BITS) - 1, int(room / max(heaviest * largest * _ROUNDED, 1)))
    if steps < 3:
        raise needs_width(name, acc_width, 2 * math.ceil(3 * heaviest * largest * _ROUNDED))
    limit = min(int_range(BIAS_BITS)[1], room)
    if bias * steps > limit:            # a bias that is large beside the weights: coarser weights
        steps = int(limit / bias)
    # With few steps, rounding can add more than _ROUNDED allows.
    while steps >= 3 and _largest_sum(values, steps / magnitude, biases * steps,
                                      largest) > most:
        steps -= 1
    if steps < 3:
        raise InputError(f"node {name!r}: its bias must not exceed {limit // 3:,} times the "
                         f"product of its largest weight and one unit of its input, less what its "
                         f"sums need of the {acc_width} bits of an accumulator, and is "
                         f"{bias:,.0f} times that; give it larger weights")
    return steps


def needs_width(name: str, acc_width: int, most: int) -> InputError:
    """The error for an accumulator that is too narrow; advises a width for sums up to ``most``."""
    return InputError(f"node {name!r}: its sums need more than the {acc_width} bits of an "
                      f"accumulator; use an acc_width of {most.bit_length() + 1} or more")


def _largest_sum(values: np.ndarray, factor: float, biases: np.ndarray, largest: int) -> float:
    """The largest magnitude of a sum, with weights [out, columns] times ``factor`` and biases
    [out] rounded to integers."""
    heaviest = 0.0
    for row, bias in zip(values, biases):       # row by row: all in float64 may be large
        weights = float(np.rint(np.abs(row.astype(np.float64)) * factor).sum())
        heaviest = max(heaviest, weights * largest + abs(float(np.rint(bias))))
    return heaviest


def quantised_rows(values: np.ndarray, biases: np.ndarray, coarsest: float, largest: int,
                   acc_width: int) -> tuple[np.ndarray, np.ndarray]:
    """Weights as integers, each row at the finest scale that its own weights and bias allow.

    Parameters
    ----------
    values : weights [out, columns].
    biases : [out], in units of activations.
    coarsest : a scale that suits every row.
    largest : magnitude of the largest activation, in its units.
    acc_width : bits of the accumulator.

    Returns
    -------
    integers : int16 [out, columns].
    scales : float64 [out], the value of one unit of each row.
    """
    most = int_range(acc_width)[1]
    room = most // 2                    # the other half is for the bias
    limit = min(int_range(BIAS_BITS)[1], room)
    integers = np.empty(values.shape, np.int16)
    scales = np.full(len(values), coarsest)
    for number, (row, bias) in enumerate(zip(values, np.abs(biases))):
        row = row.astype(np.float64)
        sizes = np.abs(row)
        finest = max(float(sizes.max()) / ((1 << MAGNITUDE_BITS) - 1), bias / limit,
                     float(sizes.sum()) * largest * _ROUNDED / room)
        if 0 < finest < coarsest:
            heaviest = float(np.rint(sizes / finest).sum()) * largest + np.rint(bias / finest)
            if heaviest <= most:
                scales[number] = finest
        integers[number] = np.rint(row / scales[number])
    return integers, scales
