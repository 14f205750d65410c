# SPDX-License-Identifier: Apache-2.0
"""Decides what happens with a request, before anything does."""
from amaranth import Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ...core.array.link_frames import (CRC_BYTES, MAX_DATA, REQUEST_HEADER, WORD_BYTES, Command,
                                       Reply)
from ...core.array.load_port import Target

__all__ = ["RequestHead", "RequestCheck"]

#: What WRITE and READ may name; the array's ports answer to no other target.
WRITABLE = [target for target in Target if target <= Target.ACT_B]
READABLE = [Target.CONTROL, Target.ACT_A, Target.ACT_B, Target.COUNTER, Target.CYCLES]

BARE = 1 + REQUEST_HEADER.size + CRC_BYTES      # length of a request without data, see Receiver


class RequestHead(data.StructLayout):
    """A request's head as the receiver offers it: the frame's length + 1, then the header."""
    def __init__(self) -> None:
        super().__init__({
            "length": 8,
            "sequence": 8,
            "command": 8,
            "target": 8,
            "word_bytes": 8,
            "pe": 16,
            "address": 32,
            "count": 8,
        })


class RequestCheck(wiring.Component):
    """Decides between executing a request, repeating a response, and refusing.

    The sequence number is looked at first, then the request itself, then ``busy``. A command to
    the array must be alone in its request: words after a START would have to wait for the
    program's end.

    Latency: the result is right when the request has stood still for ``latency`` cycles.

    Members
    -------
    head : the request.
    expected : the next sequence number.
    counting : a request was executed before, so there is a sequence number before ``expected``.
    busy : the array's.
    again : this is the request that was executed last.
    verdict : OK to execute it; otherwise, and unless ``again``, the reply.
    """
    latency = 3

    def __init__(self) -> None:
        super().__init__({
            "head": In(RequestHead()),
            "expected": In(8),
            "counting": In(1),
            "busy": In(1),
            "again": Out(1),
            "verdict": Out(Reply),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        head = self.head
        distance = Signal(8)                        # from the expected number
        size = Signal(range(255 * 8 + 1))           # of all words, in bytes
        is_refused = Signal()
        is_blocked = Signal()
        is_next = Signal()                          # it has the expected number
        is_last = Signal()                          # it has the number before
        is_any = Signal()                           # its command goes with any number

        # Two shifters; what they make of other word sizes is refused and does not matter.
        is_wide = head.word_bytes[1] | head.word_bytes[3]
        is_long = head.word_bytes[2] | head.word_bytes[3]
        pairs = Mux(is_wide, head.count << 1, head.count)
        m.d.sync += [
            distance.eq(head.sequence - self.expected),
            size.eq(Mux(is_long, pairs << 2, pairs)),
        ]

        # The receiver keeps no frame that is shorter than BARE.
        data_bytes = (head.length - BARE)[:8]
        no_words = ((head.count == 0) | (size > MAX_DATA)
                    | ~head.word_bytes.matches(*WORD_BYTES))
        is_bare = data_bytes == 0
        is_control = head.target == Target.CONTROL
        m.d.sync += [
            is_next.eq(distance == 0),
            is_last.eq(distance.all() & self.counting),
            is_any.eq(0),
            is_blocked.eq(0),
            is_refused.eq(1),
        ]
        with m.Switch(head.command):
            with m.Case(Command.IDENTIFY):
                m.d.sync += is_any.eq(1)
                m.d.sync += is_refused.eq(no_words | ~is_bare)
            with m.Case(Command.WRITE):
                m.d.sync += is_blocked.eq(self.busy)
                m.d.sync += is_refused.eq(no_words | (data_bytes != size[:8])
                                          | ~head.target.matches(*WRITABLE)
                                          | (is_control & (head.count != 1)))
            with m.Case(Command.READ):
                m.d.sync += is_blocked.eq(self.busy & ~is_control)
                m.d.sync += is_refused.eq(no_words | ~is_bare | ~head.target.matches(*READABLE))
            with m.Case(Command.RESET):
                m.d.sync += is_any.eq(1)
                m.d.sync += is_refused.eq(~is_bare)

        m.d.sync += self.again.eq(is_last & ~is_any)
        with m.If(~is_next & ~is_any):
            m.d.sync += self.verdict.eq(Reply.SEQUENCE)
        with m.Elif(is_refused):
            m.d.sync += self.verdict.eq(Reply.REFUSED)
        with m.Elif(is_blocked):
            m.d.sync += self.verdict.eq(Reply.BUSY)
        with m.Else():
            m.d.sync += self.verdict.eq(Reply.OK)
        return m
