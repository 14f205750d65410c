# SPDX-License-Identifier: Apache-2.0
"""Biases, multipliers and shifts of float numbers; signs that are decided in the accumulator."""
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openeie.core.errors import InputError
from openeie.core.numbers.fixed import int_range, requantise
from openeie.sw.binary.sign_threshold import SignThreshold
from openeie.sw.binary.writeback import GainOffset, integer_writeback


def draw_writeback(rng, m=8):
    """Outputs, a threshold on them, an activation width and sums [m, ...] around thresholds."""
    width = int(rng.choice([8, 16]))
    low, high = int_range(width)
    step = int(rng.choice([1, 128]))
    gain = rng.choice([-1, 1], m) * 10.0 ** rng.uniform(-4, 2, m)
    gain[-1] *= rng.integers(2)
    sign_gain = rng.choice([-2, -0.5, 0.5, 1, 2], m)
    value = np.select([rng.integers(4, size=m) == i for i in range(3)], [
        np.zeros(m), rng.choice([low - 1, low, low + 0.5, low + 1, high, high + 0.5, high + 1], m),
        np.rint(rng.normal(0, high / 4, m))], rng.normal(0, high / 4, m))
    threshold = SignThreshold(gain=sign_gain, offset=-sign_gain * value)
    threshold.gain[0] *= rng.integers(2)
    crossing = rng.choice([1, 1000, 1e5], m) * rng.normal(0, 1, m)      # in steps of the sum
    crossing[1] = np.rint(crossing[1])                      # where the value is 0, the sign is +1
    sums = np.concatenate([np.rint(crossing)[:, None] + np.arange(-3, 4),
                           rng.integers(-10**6, 10**6, (m, 20))], axis=1)
    sums[gain == 0] = 0
    given_ = GainOffset(gain=gain, offset=value - np.abs(gain) * crossing * step, step=step)
    return given_, threshold, width, (step * sums).astype(np.int64)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=300)
def test_the_sign_that_a_later_layer_reads_is_that_of_the_real_value(seed):
    """Against fractions, for sums near the threshold and far from it; and no bias is farther from
    the nearest than that takes."""
    given_, threshold, width, sums = draw_writeback(np.random.default_rng(seed))
    flipped, fields = integer_writeback(given_, threshold=threshold, act_width=width, where="layer")
    assert np.array_equal(flipped, given_.gain < 0)
    for i, bias in enumerate(fields["bias"].tolist()):
        gain, offset, a, b = (Fraction(float(part[i])) for part in (
            given_.gain, given_.offset, threshold.gain, threshold.offset))
        gain = abs(gain) or 1
        real = [min(max(gain * value + offset, int_range(width)[0]), int_range(width)[1])
                for value in sums[i].tolist()]              # as far as outputs reach
        signs = [a * value + b >= 0 for value in real]

        def signs_with(bias, i=i, a=a, b=b):
            outputs = requantise(sums[i], bias, fields["multiplier"][i], fields["shift"][i],
                                 relu=False, act_width=width)
            return [a * value + b >= 0 for value in outputs.tolist()]

        assert signs_with(bias) == signs
        nearest = int(np.rint(given_.offset[i] / float(gain)))
        assert bias == nearest or signs_with(bias + (1 if bias < nearest else -1)) != signs


def test_a_bias_that_would_need_too_many_bits_is_the_nearest():
    given_ = GainOffset(gain=np.array([1e-11, 1e-3]), offset=np.array([0.0, 0.0]))
    threshold = SignThreshold(gain=np.ones(1), offset=np.array([-0.7]))
    _, fields = integer_writeback(given_, threshold=threshold, act_width=16, where="layer")
    # The second moves: the sum 700 must become 1, and 699 must not.
    assert fields["bias"].tolist() == [0, -199]
    with pytest.raises(InputError, match="layer: its bias must be in .*, but channel 0 needs 3e"):
        integer_writeback(GainOffset(gain=np.array([1e-10]), offset=np.array([0.3])),
                          threshold=None, act_width=16, where="layer")


def test_without_signs_the_bias_is_the_nearest():
    _, fields = integer_writeback(GainOffset(gain=np.array([0.5, -0.25, 0.0]),
                                         offset=np.array([3.2, 1.1, 7.0])),
                                  threshold=None, act_width=16, where="l")
    assert fields["bias"].tolist() == [6, 4, 7]
    assert (fields["multiplier"] / 2.0 ** fields["shift"]).tolist() == [0.5, 0.25, 1]
