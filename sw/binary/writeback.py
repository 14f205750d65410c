# SPDX-License-Identifier: Apache-2.0
"""Bias, multiplier and shift that turn a layer's integer sums into what its floats stand for."""
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor

import numpy as np

from ...core.errors import InputError
from ...core.fixed import BIAS_BITS, int_range
from ..scales import rescaling

__all__ = ["GainOffset", "integer_writeback"]


@dataclass(frozen=True, kw_only=True)
class GainOffset:
    """``gain * value + offset`` of each channel: its outputs, of integer sums and in units of the
    output, or what is behind them.

    Attributes
    ----------
    gain, offset : float64 [m] or, of all channels, [1]; the gain of outputs may be negative, or 0
        where all sums are.
    step : sums are multiples of it; a number, or int64 [m].
    """
    gain: np.ndarray
    offset: np.ndarray
    step: int | np.ndarray = 1

    def of(self, channel: int) -> tuple[Fraction, Fraction, int]:
        """One channel's gain, offset and step."""
        gain, offset, step = (np.ravel(part)[channel if np.size(part) > 1 else 0] for part in (
            self.gain, self.offset, self.step))
        return Fraction(float(gain)), Fraction(float(offset)), int(step)


def integer_writeback(given: GainOffset, *, reached: tuple[int, int], where: str,
                      signs_of: GainOffset | None = None) -> tuple[np.ndarray, dict]:
    """The channels whose weights must change their sign, bool [m], because their gain is negative,
    which no multiplier is; and bias, multiplier and shift, int64 [m] each.

    Parameters
    ----------
    signs_of : a later layer reads the signs of ``gain * output + offset`` (that of 0 is +1), which
        must be those of ``gain * (given.gain * sum + given.offset) + offset`` for every sum. The
        rounding of a writeback takes what is just below a threshold to it, or what is just above,
        so that the bias is moved to the nearest for which the comparison comes out right.
    reached : smallest and largest output that there can be; where a threshold lies outside, nothing
        is moved.
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
    bias = np.rint(ideal)
    if signs_of is not None:
        bias = np.array([_moved(int(nearest), scales[i], given.of(i), signs_of.of(i), reached)
                         for i, nearest in enumerate(bias)], float)
        _check(bias, where)
    return flipped, {"bias": bias.astype(np.int64), "multiplier": multiplier, "shift": shift}


def _moved(bias: int, scale: tuple[int, int], given: tuple[Fraction, Fraction, int],
           asked: tuple[Fraction, Fraction, int], reached: tuple[int, int]) -> int:
    """The nearest bias with which one channel's outputs have the signs that are asked for."""
    gain, offset, step = given
    if not asked[0]:                            # a sign that does not depend on the output
        return bias
    threshold = -asked[1] / asked[0]
    # The least integer of those whose sign is not that of small ones, and the least such sum.
    least = (lambda value: floor(value) + 1) if asked[0] < 0 else ceil
    output = least(threshold)
    if not reached[0] < output <= reached[1]:   # all outputs have the same sign
        return bias
    first = least((threshold - offset) / ((abs(gain) or 1) * step))
    # Rounding adds half: (sum + bias) * multiplier must reach ``output`` less one half.
    multiplier, power = scale[0], 1 << scale[1]
    needed = ceil(Fraction(output * power - power // 2, multiplier))
    return min(max(bias, needed - step * first), needed - 1 - step * (first - 1))


def _check(bias: np.ndarray, where: str) -> None:
    low, high = int_range(BIAS_BITS)
    wrong = np.flatnonzero(~((bias >= low) & (bias <= high)))
    if len(wrong):
        channel = int(wrong[0])
        raise InputError(f"{where}: its bias must be in {low} .. {high} units of a sum, but "
                         f"channel {channel} needs {float(bias[channel]):.4g}; its weights are too "
                         f"small for what is added to them")
