# SPDX-License-Identifier: Apache-2.0
"""Consistent overhead byte stuffing (COBS): frames without zeros, ended by a zero."""
from amaranth import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["CobsDecoder", "CobsEncoder"]


class CobsDecoder(wiring.Component):
    """Finds frames in a stream of bytes and undoes their encoding.

    Throughput: one byte a cycle; it never waits. Latency 1: a byte of the frame, or its end, is
    shown for one cycle. A frame begins with a code, and a code never shows a byte, so at least one
    cycle is free between an end and the next frame's first byte.

    Members
    -------
    i : stream of encoded bytes.
    valid, byte : a byte of the frame.
    end : the frame is over. Zeros that follow an end are not frames.
    good : together with ``end``: the last block was not cut short.
    """
    latency = 1

    def __init__(self) -> None:
        super().__init__({
            "i": In(stream.Signature(8)),
            "valid": Out(1),
            "byte": Out(8),
            "end": Out(1),
            "good": Out(1),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        left = Signal(8)            # bytes of the current block still to come
        started = Signal()
        zero = Signal()             # the current block ends with a zero, if another one follows

        m.d.comb += self.i.ready.eq(1)
        m.d.sync += [
            self.valid.eq(0),
            self.end.eq(0),
            self.good.eq(left == 0),
            self.byte.eq(Mux(left == 0, 0, self.i.payload)),
        ]
        with m.If(self.i.valid):
            m.d.sync += left.eq(Mux(left == 0, self.i.payload, left) - 1)
            with m.If(self.i.payload == 0):
                m.d.sync += [self.end.eq(started), started.eq(0), left.eq(0), zero.eq(0)]
            with m.Elif(left == 0):
                m.d.sync += [
                    self.valid.eq(zero),
                    started.eq(1),
                    zero.eq(self.i.payload != 0xFF),
                ]
            with m.Else():
                m.d.sync += self.valid.eq(1)
        return m


class CobsEncoder(wiring.Component):
    """Writes a frame into a memory in its encoded form, the zero at its end included.

    A code says how far away the next code is, so it is known only when the frame's next zero
    comes. But then nothing has to be stored for that zero itself, because its place becomes the
    next code's. So every byte is one write in the same cycle: either the byte, or the code before
    it. ``finish`` is two writes, in its own cycle and in the next.

    A frame has at most 254 bytes; n bytes take n + 2 places, from address 0 on.

    Members
    -------
    start : a new frame begins; not together with ``put``.
    put, byte : one byte of it.
    finish : it is complete. The next ``start`` comes at least two cycles later.
    write, address, data : to the memory.
    """
    def __init__(self) -> None:
        super().__init__({
            "start": In(1),
            "put": In(1),
            "byte": In(8),
            "finish": In(1),
            "write": Out(1),
            "address": Out(8),
            "data": Out(8),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        code = Signal(8)            # where the open code will be
        free = Signal(8)            # where the next byte will be
        distance = Signal(8)        # between them
        closing = Signal()          # the frame's last code is written, its end is not
        is_code = Signal()

        m.d.comb += [
            is_code.eq(self.finish | closing | (self.byte == 0)),
            self.write.eq(self.put | self.finish | closing),
            self.address.eq(Mux(is_code, code, free)),
            self.data.eq(Mux(is_code, distance, self.byte)),
        ]
        m.d.sync += closing.eq(self.finish)
        with m.If(self.start):
            m.d.sync += [code.eq(0), free.eq(1), distance.eq(1)]
        with m.Elif(self.put | self.finish):
            m.d.sync += [free.eq(free + 1), distance.eq(distance + 1)]
            with m.If(is_code):
                # The next code takes the place of this zero; after the last code comes a zero.
                m.d.sync += [code.eq(free), distance.eq(~self.finish)]
        return m
