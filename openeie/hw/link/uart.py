# SPDX-License-Identifier: Apache-2.0
"""UART: 8 data bits, no parity, one stop bit."""
from amaranth import Cat, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

__all__ = ["UartReceiver", "UartTransmitter"]


def _checked(divisor: int) -> int:
    if not isinstance(divisor, int):
        raise TypeError(f"divisor must be an integer, not {divisor!r}")
    if divisor < 4:
        raise ValueError(f"divisor must be at least 4 clock cycles per bit, not {divisor!r}")
    return divisor


class UartReceiver(wiring.Component):
    """Turns the bits of a line into bytes.

    Latency: a byte is offered ``latency`` cycles after its start bit began. Throughput: one byte in
    ten bits. Every start edge sets the bit clock anew, and bits are sampled in their middle.

    A line cannot be stalled: a byte that ends while the one before has not been taken is lost. A
    byte whose stop bit is low is dropped, and so is a start bit that is over before its middle.

    Parameters
    ----------
    divisor : clock cycles per bit, at least 4.

    Members
    -------
    rx : the line, from any clock; high when idle.
    o : stream of bytes.

    Raises
    ------
    TypeError, ValueError : ``divisor`` is no integer, or less than 4.
    """
    def __init__(self, *, divisor: int):
        self._divisor = _checked(divisor)
        super().__init__({
            "rx": In(1, init=1),
            "o": Out(stream.Signature(8)),
        })

    @property
    def latency(self) -> int:
        """Two FFs and the edge, then nine bits and a half."""
        return 3 + 9 * self._divisor + self._divisor // 2

    def elaborate(self, platform: object) -> Module:
        m = Module()
        line = Signal(init=1)
        line_before = Signal(init=1)
        receiving = Signal()
        timer = Signal(range(self._divisor))
        # Ones, then what was sampled: when the start bit arrives at the low end, the byte is here.
        bits = Signal(9, init=0x1FF)

        m.submodules.synchronizer = FFSynchronizer(self.rx, line, init=1)
        m.d.sync += line_before.eq(line)
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(~receiving):
            m.d.sync += [
                timer.eq(self._divisor // 2 - 1),
                bits.eq(bits.init),
                receiving.eq(line_before & ~line),
            ]
        with m.Elif(timer != 0):
            m.d.sync += timer.eq(timer - 1)
        with m.Else():
            m.d.sync += timer.eq(self._divisor - 1)
            m.d.sync += bits.eq(Cat(bits[1:], line))
            with m.If(bits.all() & line):
                m.d.sync += receiving.eq(0)             # no start bit, a glitch
            with m.If(~bits[0]):
                m.d.sync += receiving.eq(0)
                with m.If(line & (~self.o.valid | self.o.ready)):
                    m.d.sync += self.o.valid.eq(1)
                    m.d.sync += self.o.payload.eq(bits[1:])
        return m


class UartTransmitter(wiring.Component):
    """Turns bytes into the bits of a line.

    Latency 1: the start bit begins in the cycle after a byte was taken. Throughput: one byte in ten
    bits; the next byte is taken in the last cycle of the stop bit, so the line need not pause.

    Parameters
    ----------
    divisor : clock cycles per bit, at least 4.

    Members
    -------
    i : stream of bytes.
    tx : the line; high when idle.

    Raises
    ------
    TypeError, ValueError : ``divisor`` is no integer, or less than 4.
    """
    latency = 1

    def __init__(self, *, divisor: int):
        self._divisor = _checked(divisor)
        super().__init__({
            "i": In(stream.Signature(8)),
            "tx": Out(1, init=1),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        timer = Signal(range(self._divisor))
        bits = Signal(9)            # still to send; the stop bit is the last one that is not 0

        m.d.comb += self.i.ready.eq((timer == 0) & (bits == 0))
        with m.If(timer != 0):
            m.d.sync += timer.eq(timer - 1)
        with m.Elif(bits != 0):
            m.d.sync += timer.eq(self._divisor - 1)
            m.d.sync += Cat(self.tx, bits).eq(bits)
        with m.Elif(self.i.valid):
            m.d.sync += timer.eq(self._divisor - 1)
            m.d.sync += self.tx.eq(0)
            m.d.sync += bits.eq(Cat(self.i.payload, 1))
        return m
