# SPDX-License-Identifier: Apache-2.0
"""Bias, multiplier and shift that turn a layer's integer sums into what its floats stand for."""
from dataclasses import dataclass

import numpy as np

from ...core.errors import InputError
from ...core.fixed import BIAS_BITS, int_range
from ..scales import rescaling

__all__ = ["GainOffset", "integer_writeback"]


@dataclass(frozen=True, kw_only=True)
class GainOffset:
    """Outputs ``gain * sum + offset`` of each channel, in units of the output.

    Attributes
    ----------
    gain, offset : float64 [m]; a gain may be negative, or 0 where all sums are.
    step : sums are multiples of it; a number, or int64 [m].
    """
    gain: np.ndarray
    offset: np.ndarray
    step: int | np.ndarray = 1


def integer_writeback(given: GainOffset, *, exact: bool, where: str) -> tuple[np.ndarray, dict]:
    """The channels whose weights must change their sign, bool [m], because their gain is negative,
    which no multiplier is; and bias, multiplier and shift, int64 [m] each.

    Parameters
    ----------
    exact : the sign of an output (that of 0 is +1) must be that of ``gain * sum + offset`` for
        every sum. The rounding of a writeback takes what is just below 0 to 0, so that the bias is
        moved to the nearest for which the comparison comes out right.
    where : how messages call the layer.

    Raises
    ------
    InputError : no multiplier and shift are near a gain, or a bias needs more bits than it has.
    """
    flipped = given.gain < 0
    gain = np.where(given.gain == 0, 1.0, np.abs(given.gain))
    scales = [rescaling(float(value), where) for value in gain]
    multiplier, shift = (np.array(part, np.int64) for part in zip(*scales))
    ideal = given.offset / gain
    _check(ideal, where)
    bias = np.rint(ideal).astype(np.int64)
    if exact:
        least, greatest = _exact_range(ideal, multiplier, shift, given.step)
        bias = np.clip(bias, least, greatest)
        _check(bias, where)
    return flipped, {"bias": bias, "multiplier": multiplier, "shift": shift}


def _exact_range(ideal: np.ndarray, multiplier: np.ndarray, shift: np.ndarray,
                 step: int | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Least and greatest bias with which an output is at least 0 exactly where sum + ideal is.

    The sum must reach ``step * first``. With bias b it is ``(sum + b) * multiplier``, and rounding
    adds half of ``2**shift``: an output is at least 0 from the sum ``-b - half / multiplier`` on.
    """
    first = np.ceil(-ideal / step).astype(np.int64)
    half = np.where(shift > 0, np.int64(1) << np.maximum(shift - 1, 0), 0) // multiplier
    return -step * first - half, -step * (first - 1) - half - 1


def _check(bias: np.ndarray, where: str) -> None:
    low, high = int_range(BIAS_BITS)
    wrong = np.flatnonzero(~((bias >= low) & (bias <= high)))
    if len(wrong):
        channel = int(wrong[0])
        raise InputError(f"{where}: its bias must be in {low} .. {high} units of a sum, but "
                         f"channel {channel} needs {float(bias[channel]):.4g}; its weights are too "
                         f"small for what is added to them")
