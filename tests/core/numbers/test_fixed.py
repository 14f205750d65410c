# SPDX-License-Identifier: Apache-2.0
"""Fixed-point rules against an independent library and against plain integers."""
import apytypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openeie.core.numbers.fixed import (MAX_SHIFT, int_range, quantise_scale, requantise,
                                        round_shift, saturate)


@given(st.integers(-(1 << 62), (1 << 62) - 1), st.integers(0, MAX_SHIFT))
def test_round_shift_is_round_half_up_of_apytypes(value, shift):
    if abs(value) + (1 << max(shift - 1, 0)) >= 1 << 63:
        return
    exact = apytypes.APyFixed.from_float(0, int_bits=2, frac_bits=0) if shift > 63 else \
        apytypes.APyFixed(value, int_bits=64 - shift, frac_bits=shift)
    rounded = exact.cast(int_bits=66, frac_bits=0, quantization=apytypes.QuantizationMode.RND)
    bits = rounded.to_bits()
    wanted = bits - (1 << 66) if bits >> 65 else bits
    assert int(round_shift(value, shift)) == wanted == (value + ((1 << shift) >> 1)) >> shift


@given(st.integers(-(1 << 40), 1 << 40), st.sampled_from([8, 16]))
def test_saturate_is_that_of_apytypes(value, width):
    exact = apytypes.APyFixed(value, int_bits=42, frac_bits=0)
    bits = exact.cast(int_bits=width, frac_bits=0,
                      overflow=apytypes.OverflowMode.SAT).to_bits()
    wanted = bits - (1 << width) if bits >> (width - 1) else bits
    assert int(saturate(np.int64(value), width)) == wanted


@given(st.integers(-(1 << 46), (1 << 46) - 1), st.integers(-(1 << 31), (1 << 31) - 1),
       st.integers(1, (1 << 15) - 1), st.integers(0, MAX_SHIFT), st.booleans(),
       st.sampled_from([8, 16]))
def test_requantise_is_the_page_of_formulas(acc, bias, multiplier, shift, relu, width):
    p = (acc + bias) * multiplier
    r = (p + (1 << (shift - 1) if shift else 0)) >> shift
    s = min(max(r, -(1 << (width - 1))), (1 << (width - 1)) - 1)
    y = max(s, 0) if relu else s
    assert int(requantise(np.array([acc]), bias, multiplier, shift, relu=relu,
                          act_width=width)[0]) == y


@given(st.floats(2.0 ** -47, 2.0 ** 14))
def test_scales_keep_15_bits(scale):
    multiplier, shift = quantise_scale(scale)
    assert 1 << 14 <= multiplier < 1 << 15 and 0 <= shift <= MAX_SHIFT
    assert abs(multiplier * 2.0 ** -shift / scale - 1) <= 2.0 ** -15


def test_scales_at_the_ends():
    assert quantise_scale(1e-30) == (1, MAX_SHIFT)
    assert quantise_scale(32767.0) == (32767, 0)
    for bad in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="scale must be positive and finite, not"):
            quantise_scale(bad)
    with pytest.raises(ValueError, match="scale must be below 32768, not 40000.0"):
        quantise_scale(40000.0)
    assert int_range(8) == (-128, 127)
