# SPDX-License-Identifier: Apache-2.0
"""Bias, multiplier and shift that turn a layer's integer sums into what its floats stand for."""
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor
from typing import NamedTuple

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
    gain, offset : float64 [m]; a gain may be negative, or 0 where all sums are.
    step : sums are multiples of it; a number, or int64 [m].
    """
    gain: np.ndarray
    offset: np.ndarray
    step: int | np.ndarray = 1


def integer_writeback(given: GainOffset, *, asked: SignThreshold | None, act_width: int, where: str
                      ) -> tuple[np.ndarray, dict]:
    """The channels whose weights must change their sign, bool [m], because their gain is negative,
    which no multiplier is; and bias, multiplier and shift, int64 [m] each.

    Parameters
    ----------
    asked : signs that a later layer reads, of values in units of the output; for every sum that
        of the rounded output must be that of the real one. Rounding takes what is just below a
        threshold to it, or what is just above, so that the bias is moved to the nearest for which
        the comparison comes out right. It stays where all outputs of ``act_width`` bits have the
        same sign, and where it would need more bits than it has.
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
    if asked is not None:
        channels = map(_Channel._make, zip(*np.broadcast_arrays(
            bias, multiplier, shift, given.step, gain, given.offset, asked.gain, asked.offset)))
        bias = np.array([_moved(channel, act_width) for channel in channels], np.int64)
    return flipped, {"bias": bias, "multiplier": multiplier, "shift": shift}


class _Channel(NamedTuple):
    """One channel's writeback so far, its real outputs, and what is asked of them."""
    bias: int
    multiplier: int
    shift: int
    step: int
    gain: float
    offset: float
    asked_gain: float
    asked_offset: float


def _moved(channel: _Channel, act_width: int) -> int:
    """The bias nearest to the channel's with which signs are as asked."""
    nearest, multiplier, shift, step = map(int, channel[:4])
    gain, offset, asked_gain, asked_offset = (Fraction(float(part)) for part in channel[4:])
    if not asked_gain:
        return nearest
    threshold = -asked_offset / asked_gain
    # The least integer of those whose sign is not that of small ones, and the least such sum.
    least = (lambda value: floor(value) + 1) if asked_gain < 0 else ceil
    output = least(threshold)
    if not _within(act_width, output - 1, output):      # all outputs have the same sign
        return nearest
    first = least((threshold - offset) / (gain * step))
    # Rounding adds half: (sum + bias) * multiplier must reach ``output`` less one half.
    needed = ceil(Fraction((output << shift) - (1 << shift >> 1), multiplier))
    moved = min(max(nearest, needed - step * first), needed - 1 - step * (first - 1))
    return moved if _within(BIAS_BITS, moved) else nearest


def _within(width: int, *values: int) -> bool:
    low, high = int_range(width)
    return all(low <= value <= high for value in values)


def _check(bias: np.ndarray, where: str) -> None:
    low, high = int_range(BIAS_BITS)
    wrong = np.flatnonzero(~((bias >= low) & (bias <= high)))
    if len(wrong):
        channel = int(wrong[0])
        raise InputError(f"{where}: its bias must be in {low} .. {high} units of a sum, but "
                         f"channel {channel} needs {float(bias[channel]):.4g}; its weights are too "
                         f"small for what is added to them")
