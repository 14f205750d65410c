# SPDX-License-Identifier: Apache-2.0
"""Requantisation of a row in 16-bit digits: bias, multiplier, rounding, saturation, ReLU."""
from amaranth import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..core.array.config import ArrayConfig
from ..core.numbers.fixed import int_range
from .multiplier import registered_product

__all__ = ["Requantise"]

DIGIT = 16


class Requantise(wiring.Component):
    """``relu(saturate(round((acc + bias) * multiplier >> shift)))``, exactly as in
    ``docs/numerics.md``.

    Throughput: one row in eight cycles, on a single multiplier of 17 x 17 bits. The host has
    shifted the multiplier left (``channel_words`` of ``core/array/load_port.py``), so that the
    result begins at a digit of the product and no shifter is needed. With the biased sum in digits
    b0 .. b2, and the multiplier M in digits M0, M1, the product's digits 0 to 4 come out of a
    running sum::

        b0 M0 | b0 M1 + b1 M0 | b1 M1 + b2 M0 | b2 M1 | 0

    where the sum moves down a digit at each bar. Rounding half up is a carry out of the digit
    below the result. The result fits if all digits above it repeat its sign; else it saturates.

    Latency 14: x counts the cycles from the row's first read, ``phase`` is x mod 8, and ``act`` is
    valid in x = 14.

    Members
    -------
    phase : x mod 8, from the writeback.
    acc : the accumulator, signed, ``acc_width`` bits; valid in x = 1 .. 7.
    quarter : a quarter of the channel's 64-bit word: in x = 1 .. 8 bias low, bias high, M0, M1, M0,
        M1, M0, M1. Bit 0 of M0 and bit 15 of M1 are not part of M: together they are the number of
        the digit below the result.
    relu : of the layer.
    act : the result, signed, ``act_width`` bits.
    saturated : the rounded value lies beyond the range, so ``act`` is an end of the range; valid
        as long as ``act``.
    """
    latency = 14

    def __init__(self, config: ArrayConfig):
        self._config = config
        super().__init__({
            "phase": In(3),
            "acc": In(signed(config.acc_width)),
            "quarter": In(DIGIT),
            "relu": In(1),
            "act": Out(signed(config.act_width)),
            "saturated": Out(1),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        quarter = Signal.like(self.quarter)     # valid a cycle later
        m.d.sync += quarter.eq(self.quarter)
        below = Signal(2)                       # number of the digit below the result
        with m.If(self.phase == 4):
            m.d.sync += below[0].eq(quarter[0])
        with m.If(self.phase == 5):
            m.d.sync += below[1].eq(quarter[15])

        digit = self._biased(m, quarter)
        multiplier = Signal(DIGIT)
        with m.If(self.phase == 1):             # the running sum's last step adds nothing
            m.d.sync += multiplier.eq(0)
        with m.Else():
            is_high = self.phase[0]
            m.d.sync += multiplier.eq(Mux(is_high, self.quarter & 0xFFFE, self.quarter & 0x7FFF))
        product = Signal(signed(2 * DIGIT + 1))
        registered_product(m, platform, digit, multiplier, product)
        running = self._product(m, product, below)
        self._result(m, running, below)
        return m

    def _biased(self, m: Module, quarter: Value) -> Signal:
        """Digits of acc + bias: b0 in x = 4, 5, b1 in x = 6, 7, b2, signed, in x = 8, 9."""
        phase = self.phase
        acc = Signal.like(self.acc)
        bias = Signal(DIGIT)
        carry = Signal()
        # One digit after the other comes down; what enters above is the sign.
        with m.If(phase[0]):
            m.d.sync += acc.eq(acc >> DIGIT)
        with m.Elif(phase == 2):
            m.d.sync += acc.eq(self.acc)
        with m.If((phase == 2) | (phase == 3)):
            m.d.sync += bias.eq(quarter)
        with m.Elif(phase == 5):
            m.d.sync += bias.eq(bias[-1].replicate(DIGIT))
        total = Signal(DIGIT + 1)
        digit = Signal(signed(DIGIT + 1))
        m.d.comb += total.eq(acc[:DIGIT] + bias + carry)
        with m.If(phase == 2):                  # forget the row before
            m.d.sync += carry.eq(0)
        with m.If(phase[0] & (phase != 1)):
            sign = total[DIGIT - 1] & (phase == 7)
            m.d.sync += carry.eq(total[DIGIT])
            m.d.sync += digit.eq(Cat(total[:DIGIT], sign))
        return digit

    def _product(self, m: Module, product: Value, below: Value) -> Signal:
        """The running sum; its low digit is digit 0, 1, 2, 3, 4 in x = 6, 8, 10, 11, 12."""
        phase = self.phase
        running = Signal(signed(2 * DIGIT + 3))
        down = Signal()                         # move down a digit
        half = Signal()                         # round up into the digit above
        with m.Switch(phase):
            for number, cycle in enumerate((6, 0, 2, 3)):
                with m.Case(cycle):
                    m.d.comb += down.eq(1)
                    m.d.comb += half.eq(running[DIGIT - 1] & (below == number))
        with m.If(phase == 4):
            m.d.sync += running.eq(0)
        with m.Else():
            m.d.sync += running.eq(Mux(down, running >> DIGIT, running) + product + half)
        return running

    def _result(self, m: Module, running: Value, below: Value) -> None:
        """Keep the digit after ``below``; watch whether the digits above it repeat its sign."""
        width = self._config.act_width
        digit = running[:DIGIT]
        act = Signal(width)
        is_negative = Signal()
        fits_positive = Signal()
        fits_negative = Signal()
        rest_zero = digit[width:] == 0
        rest_ones = digit[width:].all()
        for number, cycle in enumerate((0, 2, 3, 4)):
            with m.If(self.phase == cycle):
                with m.If(below == number):
                    m.d.sync += [
                        act.eq(digit),
                        fits_positive.eq(rest_zero & ~digit[width - 1]),
                        fits_negative.eq(rest_ones & digit[width - 1]),
                    ]
                with m.Elif(below < number):
                    m.d.sync += fits_positive.eq(fits_positive & (digit == 0))
                    m.d.sync += fits_negative.eq(fits_negative & digit.all())
        with m.If(self.phase == 4):
            m.d.sync += is_negative.eq(digit[-1])
        low, high = int_range(width)
        with m.If(is_negative & self.relu):
            m.d.sync += [self.act.eq(0), self.saturated.eq(0)]
        with m.Elif(Mux(is_negative, fits_negative, fits_positive)):
            m.d.sync += [self.act.eq(act), self.saturated.eq(0)]
        with m.Else():
            m.d.sync += [self.act.eq(Mux(is_negative, low, high)), self.saturated.eq(1)]
