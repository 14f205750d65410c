# SPDX-License-Identifier: Apache-2.0
"""Fixed-point rules: the integer formulas of ``docs/numerics.md``, and nothing else."""
import math

import numpy as np

__all__ = ["MULTIPLIER_BITS", "MAX_SHIFT", "BIAS_BITS", "int_range", "int_bits", "saturate",
           "round_shift", "requantise", "rescale", "clamp", "is_saturated", "quantise_scale"]

#: A requantisation multiplier is an unsigned number of this many bits.
MULTIPLIER_BITS = 15
#: Largest right shift; ``acc * multiplier`` has at most 48 + 15 bits, so int64 holds every step.
MAX_SHIFT = 62
#: A bias is signed, of this width, in units of the accumulator's last place.
BIAS_BITS = 32


def int_range(width: int) -> tuple[int, int]:
    """Smallest and largest signed number of ``width`` bits."""
    return -(1 << (width - 1)), (1 << (width - 1)) - 1


def int_bits(low: int, high: int) -> int:
    """Bits of the narrowest signed number that holds both, at least one."""
    return max(max(-int(low) - 1, 0).bit_length(), max(int(high), 0).bit_length()) + 1


def saturate(values: np.ndarray, width: int) -> np.ndarray:
    """Clamp to the signed range of ``width`` bits."""
    return np.clip(values, *int_range(width))


def round_shift(values: np.ndarray, shift: np.ndarray | int) -> np.ndarray:
    """``floor(values / 2**shift + 1/2)``: arithmetic right shift, round half up. int64."""
    values = np.asarray(values, dtype=np.int64)
    shift = np.asarray(shift, dtype=np.int64)
    half = np.where(shift > 0, np.int64(1) << np.maximum(shift - 1, 0), 0)
    return (values + half) >> shift


def requantise(acc: np.ndarray, bias: np.ndarray | int, multiplier: np.ndarray | int,
               shift: np.ndarray | int, *, relu: bool, act_width: int) -> np.ndarray:
    """One writeback: ``relu(saturate(round_shift((acc + bias) * multiplier, shift)))``.

    All arguments are integers, one per output channel in the last axis; the result is int64 in
    the range of ``act_width`` bits.
    """
    return clamp(rescale(acc, bias, multiplier, shift), relu=relu, act_width=act_width)


def rescale(acc: np.ndarray, bias: np.ndarray | int, multiplier: np.ndarray | int,
            shift: np.ndarray | int) -> np.ndarray:
    """The first half of :func:`requantise`: bias, multiplier and rounding shift. int64."""
    product = (np.asarray(acc, np.int64) + bias) * np.asarray(multiplier, np.int64)
    return round_shift(product, shift)


def clamp(values: np.ndarray, *, relu: bool, act_width: int) -> np.ndarray:
    """The second half of :func:`requantise`: saturation, and ReLU if there is one."""
    result = saturate(values, act_width)
    return np.maximum(result, 0) if relu else result


def is_saturated(values: np.ndarray, *, relu: bool, act_width: int) -> np.ndarray:
    """Where saturation decides what :func:`clamp` makes of ``values``, bool.

    A value below the range that a ReLU makes 0 anyway loses nothing, and does not count.
    """
    low, high = int_range(act_width)
    return values > high if relu else (values > high) | (values < low)


def quantise_scale(scale: float) -> tuple[int, int]:
    """``(multiplier, shift)`` with ``multiplier * 2**-shift`` nearest to ``scale``.

    The multiplier uses all its bits (``2**14 <= multiplier < 2**15``) unless the scale is so
    large or so small that the shift reaches its end.

    Raises
    ------
    ValueError : ``scale`` is not a positive finite number, or too large to represent.
    """
    if not (math.isfinite(scale) and scale > 0):
        raise ValueError(f"scale must be positive and finite, not {scale!r}")
    shift = MULTIPLIER_BITS - math.frexp(scale)[1]
    shift = min(shift, MAX_SHIFT)
    multiplier = round(math.ldexp(scale, shift)) if shift >= 0 else 1 << MULTIPLIER_BITS
    if multiplier == 1 << MULTIPLIER_BITS and shift > 0:
        multiplier, shift = multiplier >> 1, shift - 1
    if multiplier >= 1 << MULTIPLIER_BITS:
        raise ValueError(f"scale must be below {1 << MULTIPLIER_BITS}, not {scale!r}")
    return max(multiplier, 1), shift
