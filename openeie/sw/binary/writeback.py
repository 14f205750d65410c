# SPDX-License-Identifier: Apache-2.0
"""Bias, multiplier and shift that turn a layer's integer sums into its outputs."""
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor
from typing import Any, NamedTuple

import numpy as np

from ...core.errors import InputError
from ...core.numbers.fixed import BIAS_BITS, int_range
from ..quantise.scales import rescaling
from .sign_threshold import SignThreshold

__all__ = ["GainOffset", "integer_writeback"]


@dataclass(frozen=True, kw_only=True)
class GainOffset:
    """Outputs ``gain * sum + offset`` of each channel, in units of the output.

    Attributes
    ----------
    gain, offset : float64 [m]; a gain may be negative, and 0 where all sums are 0.
    step : sums are multiples of it; one number, or int64 [m].
    """
    gain: np.ndarray
    offset: np.ndarray
    step: int | np.ndarray = 1


def integer_writeback(given: GainOffset, *, threshold: SignThreshold | None, act_width: int,
                      where: str) -> tuple[np.ndarray, dict[str, Any]]:
    """Bias, multiplier and shift of each channel.

    Rounding can carry an output across the threshold of a later ``sign()``. The bias is therefore
    moved to the nearest value with which, for every sum, the rounded output has the sign of the
    real one. It is not moved where all outputs of ``act_width`` bits have the same sign, nor where
    the moved bias would need more bits than there are.

    Parameters
    ----------
    threshold : on values in units of the output, if a later layer reads their signs.
    where : the layer, for messages.

    Returns
    -------
    flipped : bool [m], the channels whose weights must change their sign, because their gain is
        negative and multipliers are positive.
    fields : ``bias``, ``multiplier`` and ``shift``, int64 [m] each.

    Raises
    ------
    InputError : no multiplier and shift are near a gain, or a bias needs more bits than there are.
    """
    flipped = given.gain < 0
    gain = np.where(given.gain == 0, 1.0, np.abs(given.gain))
    scales = [rescaling(float(value), where) for value in gain]
    multipliers, shifts = zip(*scales)
    multiplier = np.array(multipliers, np.int64)
    shift = np.array(shifts, np.int64)
    ideal = given.offset / gain
    _check(ideal, where)
    bias = np.rint(ideal).astype(np.int64)
    if threshold is not None:
        channels = map(_Channel._make, zip(*np.broadcast_arrays(
            bias, multiplier, shift, given.step, gain, given.offset, threshold.gain,
            threshold.offset)))
        bias = np.array([_moved(channel, act_width) for channel in channels], np.int64)
    return flipped, {"bias": bias, "multiplier": multiplier, "shift": shift}


class _Channel(NamedTuple):
    """One channel: its writeback so far, its real outputs, and the threshold on them."""
    bias: int
    multiplier: int
    shift: int
    step: int
    gain: float
    offset: float
    sign_gain: float
    sign_offset: float


def _moved(channel: _Channel, act_width: int) -> int:
    """The bias nearest to the channel's with which all outputs have the right signs."""
    nearest, multiplier, shift, step = map(int, channel[:4])
    gain, offset, sign_gain, sign_offset = (Fraction(float(part)) for part in channel[4:])
    if not sign_gain:
        return nearest
    threshold = -sign_offset / sign_gain
    # The smallest integer output beyond the threshold, and the smallest sum that must reach it.
    least = (lambda value: floor(value) + 1) if sign_gain < 0 else ceil
    output = least(threshold)
    if not _within(act_width, output - 1, output):      # all outputs have the same sign
        return nearest
    first = least((threshold - offset) / (gain * step))
    # Rounding adds one half: (sum + bias) * multiplier must reach ``output`` minus one half.
    needed = ceil(Fraction((output << shift) - (1 << shift >> 1), multiplier))
    moved = min(max(nearest, needed - step * first), needed - 1 - step * (first - 1))
    return moved if _within(BIAS_BITS, moved) else nearest


def _within(width: int, *values: int) -> bool:
    """True if signed integers of ``width`` bits hold all values."""
    low, high = int_range(width)
    return all(low <= value <= high for value in values)


def _check(bias: np.ndarray, where: str) -> None:
    """Refuse biases that need more bits than there are."""
    low, high = int_range(BIAS_BITS)
    wrong = np.flatnonzero(~((bias >= low) & (bias <= high)))
    if len(wrong):
        channel = int(wrong[0])
        raise InputError(f"{where}: its bias must be in {low} .. {high} units of a sum, but "
                         f"channel {channel} needs {float(bias[channel]):.4g}; its weights are too "
                         f"small for what is added to them")
