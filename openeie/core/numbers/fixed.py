# SPDX-License-Identifier: Apache-2.0
"""Fixed-point arithmetic: the integer formulas of ``docs/numerics.md``, and nothing else."""
import math

import numpy as np

__all__ = ["MULTIPLIER_BITS", "MAX_SHIFT", "BIAS_BITS", "int_range", "int_bits", "saturate",
           "round_shift", "requantise", "rescale", "clamp", "is_saturated", "quantise_scale"]

#: Bits of a requantisation multiplier, which is unsigned.
MULTIPLIER_BITS = 15
#: Largest right shift. ``acc * multiplier`` has at most 48 + 15 bits, so int64 holds every step.
MAX_SHIFT = 62
#: Bits of a bias, which is signed and in units of the accumulator.
BIAS_BITS = 32


def int_range(width: int) -> tuple[int, int]:
    """Smallest and largest two's complement number of ``width`` bits."""
    return -(1 << (width - 1)), (1 << (width - 1)) - 1


def int_bits(low: int, high: int) -> int:
    """Bits of the narrowest two's complement number that holds both ``low`` and ``high``."""
    negative = max(-int(low) - 1, 0)
    positive = max(int(high), 0)
    return max(negative.bit_length(), positive.bit_length()) + 1


def saturate(values: np.ndarray, width: int) -> np.ndarray:
    """Clamp to the range of a signed number of ``width`` bits."""
    low, high = int_range(width)
    result: np.ndarray = np.clip(values, low, high)
    return result


def round_shift(values: np.ndarray, shift: np.ndarray | int) -> np.ndarray:
    """``floor(values / 2**shift + 1/2)``, int64: arithmetic right shift that rounds half up."""
    values = np.asarray(values, dtype=np.int64)
    shift = np.asarray(shift, dtype=np.int64)
    half = np.where(shift > 0, np.int64(1) << np.maximum(shift - 1, 0), 0)
    result: np.ndarray = (values + half) >> shift
    return result


def requantise(acc: np.ndarray, bias: np.ndarray | int, multiplier: np.ndarray | int,
               shift: np.ndarray | int, *, relu: bool, act_width: int) -> np.ndarray:
    """From accumulators to activations:
    ``relu(saturate(round_shift((acc + bias) * multiplier, shift)))``.

    Parameters
    ----------
    acc : integers [..., channels], at most 48 bits each.
    bias, multiplier, shift : integers, either one each or one per channel.
    relu : whether negative results become 0.
    act_width : bits of the result.

    Returns
    -------
    int64 [..., channels], in the signed range of ``act_width`` bits.
    """
    return clamp(rescale(acc, bias, multiplier, shift), relu=relu, act_width=act_width)


def rescale(acc: np.ndarray, bias: np.ndarray | int, multiplier: np.ndarray | int,
            shift: np.ndarray | int) -> np.ndarray:
    """First half of :func:`requantise`: bias, multiplier and rounding shift. int64."""
    product = (np.asarray(acc, np.int64) + bias) * np.asarray(multiplier, np.int64)
    return round_shift(product, shift)


def clamp(values: np.ndarray, *, relu: bool, act_width: int) -> np.ndarray:
    """Second half of :func:`requantise`: saturation, then ReLU if the layer has one."""
    result = saturate(values, act_width)
    return np.maximum(result, 0) if relu else result


def is_saturated(values: np.ndarray, *, relu: bool, act_width: int) -> np.ndarray:
    """Mask of the values that :func:`clamp` changes by saturation, bool.

    A value below the range does not count if a ReLU makes it 0 anyway.
    """
    low, high = int_range(act_width)
    return values > high if relu else (values > high) | (values < low)


def quantise_scale(scale: float) -> tuple[int, int]:
    """``(multiplier, shift)`` for which ``multiplier * 2**-shift`` is nearest to ``scale``.

    The multiplier uses all its bits (``2**14 <= multiplier < 2**15``) unless the shift would have
    to leave its range 0 .. :data:`MAX_SHIFT`.

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
        multiplier >>= 1
        shift -= 1
    if multiplier >= 1 << MULTIPLIER_BITS:
        raise ValueError(f"scale must be below {1 << MULTIPLIER_BITS}, not {scale!r}")
    return max(multiplier, 1), shift
