# SPDX-License-Identifier: Apache-2.0
"""Receives requests: from encoded bytes to frames that are known to be good."""
from amaranth import Cat, Const, Module, Mux, ResetInserter, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.crc.catalog import CRC32_ISO_HDLC
from amaranth.lib.wiring import In, Out, connect, flipped

from ...core.array.link_frames import CRC_BYTES, CREDITS, MAX_FRAME, REQUEST_HEADER
from .buffer import Buffer
from .cobs import CobsDecoder

__all__ = ["Receiver"]

PLACE = 256                 # bytes of a frame's place: its length, then the frame
assert CREDITS == 2 and MAX_FRAME < PLACE - 1, "a place's number is one bit, its length a byte"


class Receiver(wiring.Component):
    """Holds up to two frames, and shows only complete ones.

    A frame is written into its place as it comes. At its end, CRC and length decide whether the
    place is taken or used again. Three kinds of frames are dropped as a whole: one that comes while
    both places are taken, one that is longer than ``MAX_FRAME``, and one that is too short for a
    header.

    Throughput: one byte a cycle; it never waits. Latency: a frame is offered ``latency`` cycles
    after the zero that ends it.

    Members
    -------
    i : stream of encoded bytes.
    o : stream of bytes: the oldest frame's length, itself included (so one more than the bytes of
        the frame), then the frame. What follows its end has no meaning.
    drop : forget the oldest frame and go on with the next; only while there is one.
    error : the last frame was dropped.
    """
    latency = CobsDecoder.latency + Buffer.latency

    def __init__(self) -> None:
        super().__init__({
            "i": In(stream.Signature(8)),
            "o": Out(stream.Signature(8)),
            "drop": In(1),
            "error": Out(1),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.decoder = decoder = CobsDecoder()
        m.submodules.buffer = buffer = Buffer(CREDITS * PLACE)
        crc = CRC32_ISO_HDLC(data_width=8).create()
        # A reset instead of `start`: FFs have one, and `start` would be 32 more LUTs.
        m.submodules.crc = ResetInserter(decoder.end)(crc)
        place = Signal()                    # number of the place that is written
        oldest = Signal()                   # number of the place that is shown
        level = Signal(range(CREDITS + 1))
        size = Signal(8, init=1)            # bytes in the place, the length's own included
        lost = Signal()                     # no place for this frame
        kept = Signal()

        connect(m, flipped(self.i), decoder.i)
        connect(m, buffer.o, flipped(self.o))
        is_whole = decoder.end & decoder.good & crc.match_detected
        is_long_enough = size > REQUEST_HEADER.size + CRC_BYTES
        m.d.comb += [
            crc.valid.eq(decoder.valid),
            crc.data.eq(decoder.byte),
            kept.eq(is_whole & ~lost & is_long_enough),
            buffer.write.eq((decoder.valid & ~lost) | kept),
            buffer.write_address.eq(Cat(Mux(decoder.end, 0, size), place)),
            buffer.write_data.eq(Mux(decoder.end, size, decoder.byte)),
            buffer.seek.eq((level == 0) | self.drop),
            buffer.first.eq(Cat(Const(0, 8), oldest ^ self.drop)),
        ]
        m.d.sync += [
            place.eq(place ^ kept),
            oldest.eq(oldest ^ self.drop),
            level.eq(level + kept - self.drop),
        ]
        with m.If(decoder.end):
            m.d.sync += size.eq(1)
            m.d.sync += self.error.eq(~kept)
        with m.Elif(decoder.valid):
            with m.If(size > MAX_FRAME):
                m.d.sync += lost.eq(1)
            with m.Else():
                m.d.sync += size.eq(size + 1)
        with m.Elif(size == 1):
            # Settled before the frame's first byte and then left alone: a place that becomes
            # free in the middle of a frame must not take the rest of it.
            m.d.sync += lost.eq(level == CREDITS)
        return m
