# SPDX-License-Identifier: Apache-2.0
"""Sends responses: from bytes to encoded frames, kept so that they can be sent again."""
from amaranth import Cat, Const, Module, Mux, ResetInserter, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.crc.catalog import CRC32_ISO_HDLC
from amaranth.lib.wiring import In, Out

from ...core.array.link_frames import CRC_BYTES
from .buffer import Buffer
from .cobs import CobsEncoder

__all__ = ["Responder"]

PLACE = 256                 # bytes of an encoded response


class Responder(wiring.Component):
    """Takes a response, adds its CRC, and sends it; sends it again when asked.

    A response is kept in its encoded form, with the zero that ends it, so that sending is reading
    up to a zero. A response that is written ``aside`` leaves the one before it kept. The memory has
    room for two, as one block RAM of an iCE40 has.

    Throughput: it takes one byte a cycle. Latency: the first encoded byte is offered ``latency``
    cycles after ``send``, the others at the pace of :class:`Buffer`.

    Members
    -------
    response_start : a new response begins; ``i`` follows in the next cycle at the earliest.
    aside : together with ``response_start``: the response is not to be kept.
    i : stream of bytes: the response up to its CRC.
    send : it is complete.
    again : send the kept one.
    busy : something is being sent. All inputs above are for cycles in which it is low.
    o : stream of encoded bytes.
    """
    latency = 1 + CRC_BYTES + Buffer.latency

    def __init__(self) -> None:
        super().__init__({
            "response_start": In(1),
            "aside": In(1),
            "i": In(stream.Signature(8)),
            "send": In(1),
            "again": In(1),
            "busy": Out(1),
            "o": Out(stream.Signature(8)),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.buffer = buffer = Buffer(2 * PLACE)
        m.submodules.encoder = encoder = CobsEncoder()
        crc = CRC32_ISO_HDLC(data_width=8).create()
        m.submodules.crc = ResetInserter(self.response_start)(crc)
        is_aside = Signal()
        in_crc = Signal()                   # a byte of the CRC is written
        step = Signal(range(CRC_BYTES))

        m.d.comb += [
            encoder.start.eq(self.response_start),
            encoder.put.eq((self.i.valid & self.i.ready) | in_crc),
            encoder.byte.eq(Mux(in_crc, crc.crc[:8], self.i.payload)),
            # Its own value as data makes the CRC shift: its next byte comes down.
            crc.data.eq(encoder.byte ^ in_crc.replicate(8)),
            crc.valid.eq(encoder.put),
            buffer.write.eq(encoder.write),
            buffer.write_address.eq(Cat(encoder.address, is_aside)),
            buffer.write_data.eq(encoder.data),
            buffer.first.eq(Cat(Const(0, 8), is_aside & ~self.again)),
            self.o.payload.eq(buffer.o.payload),
        ]
        with m.If(self.response_start):
            m.d.sync += is_aside.eq(self.aside)
        with m.FSM():
            with m.State("OPEN"):
                m.d.comb += [buffer.seek.eq(1), self.i.ready.eq(1)]
                with m.If(self.send):
                    m.next = "CRC"
                with m.Elif(self.again):
                    m.next = "SEND"
            with m.State("CRC"):
                m.d.comb += [self.busy.eq(1), in_crc.eq(1)]
                m.d.sync += step.eq(step + 1)
                with m.If(step == CRC_BYTES - 1):
                    m.next = "FINISH"
            with m.State("FINISH"):
                m.d.comb += [self.busy.eq(1), buffer.seek.eq(1), encoder.finish.eq(1)]
                m.next = "SEND"
            with m.State("SEND"):
                m.d.comb += [
                    self.busy.eq(1),
                    self.o.valid.eq(buffer.o.valid),
                    buffer.o.ready.eq(self.o.ready),
                ]
                with m.If(self.o.valid & self.o.ready & (self.o.payload == 0)):
                    m.next = "OPEN"
        return m
