# SPDX-License-Identifier: Apache-2.0
"""Commands: from good frames to what they ask for, and to responses."""
from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ...core.array.link_frames import REQUEST_HEADER, RESPONSE_HEADER, Command, Reply
from ..structs import LoadWord, ReadRequest
from .check import RequestCheck, RequestHead
from .words import WordMover

__all__ = ["Executor"]

PAUSE = 15                  # cycles of a reset; cycles until what was done shows in `busy`
assert RequestCheck.latency < PAUSE


class Executor(wiring.Component):
    """Executes one request after the other, each exactly once.

    A request is checked completely before anything is done, so nothing is done by halves, and
    only one that is answered with OK counts as executed. Its response is the one that is kept;
    all others are written aside, so that the last executed request can be repeated even after a
    later one was refused. About 60 cycles for a request, and :class:`WordMover`'s for its words.
    Both ports answer in bounded time, since what would wait for a program is refused.

    Members
    -------
    i, drop : from and to :class:`Receiver`.
    response_start, aside, o, send, again, sending : to and from :class:`Responder`.
    address, byte, identity : to and from :class:`IdentityMemory`.
    i_load, i_read, o_read, busy, reset : the accelerator's ports. ``reset`` is held for
        ``PAUSE`` + 1 cycles, and answered when the array is not ``busy`` any more.
    active : a request is in hand.
    """
    def __init__(self):
        super().__init__({
            "i": In(stream.Signature(8)),
            "drop": Out(1),
            "response_start": Out(1),
            "aside": Out(1),
            "o": Out(stream.Signature(8)),
            "send": Out(1),
            "again": Out(1),
            "sending": In(1),
            "address": Out(32),
            "byte": Out(3),
            "identity": In(8),
            "i_load": Out(stream.Signature(LoadWord())),
            "i_read": Out(stream.Signature(ReadRequest())),
            "o_read": In(stream.Signature(64)),
            "busy": In(1),
            "reset": Out(1),
            "active": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.check = check = RequestCheck()
        m.submodules.words = words = WordMover()
        head, reply = Signal(RequestHead()), Signal(Reply)
        is_reset = head.command == Command.RESET
        step = Signal(range(PAUSE + 1))             # of the state in hand
        taking = Signal()                           # a byte of the head
        carry = Signal(init=1)                      # what to add to the address's byte in hand

        for name in ("i_load", "i_read", "o_read"):
            connect(m, getattr(words, name), flipped(getattr(self, name)))
        m.d.comb += [
            check.head.eq(head), check.busy.eq(self.busy),
            words.head.eq(head), words.identity.eq(self.identity),
            self.address.eq(head.address), self.byte.eq(words.byte),
            words.i.valid.eq(self.i.valid), words.i.payload.eq(self.i.payload),
            words.o.ready.eq(self.o.ready), self.o.payload.eq(words.o.payload),
        ]
        m.d.sync += self.reset.eq(0)
        # The head comes byte by byte, from its high end; and the address, moving in the same way,
        # goes round and up by one, which is 50 LUTs less than an adder of its width.
        before = Value.cast(head)[:RequestHead()["address"].offset]
        byte = head.address[:8] + carry
        with m.If(taking):
            m.d.sync += [before.eq(Cat(before[8:], head.address[:8])),
                         head.count.eq(self.i.payload)]
        with m.Elif(words.next):
            m.d.sync += head.count.eq(head.count - 1)
        with m.If(taking | words.advance):
            m.d.sync += head.address.eq(Cat(head.address[8:], Mux(taking, head.count, byte[:8])))
        m.d.sync += carry.eq(~words.advance | words.next | byte[8])

        def stay():
            m.d.sync += step.eq(step + 1)

        def go(state):
            m.d.sync += step.eq(0)
            m.next = state

        with m.FSM() as fsm:
            m.d.comb += self.active.eq(~fsm.ongoing("HEAD") | (step != 0))
            with m.State("HEAD"):
                m.d.comb += self.i.ready.eq(1)
                with m.If(self.i.valid):
                    m.d.comb += taking.eq(1)
                    stay()
                    with m.If(step == REQUEST_HEADER.size):
                        go("CHECK")
            with m.State("CHECK"):
                m.d.sync += reply.eq(check.verdict)
                with m.If(step != PAUSE):
                    stay()
                with m.Elif(~self.sending):
                    m.d.comb += [self.response_start.eq(~check.again), self.again.eq(check.again),
                                 self.aside.eq(check.verdict != Reply.OK),
                                 self.drop.eq(check.again)]
                    go("ANSWER")
                    with m.If(check.again):
                        go("HEAD")
            with m.State("ANSWER"):
                answer = [head.sequence, head.command | 0x80, reply, check.expected]
                m.d.comb += [self.o.valid.eq(1), self.o.payload.eq(Array(answer)[step[:2]])]
                with m.If(self.o.ready):
                    stay()
                    with m.If(step == RESPONSE_HEADER.size - (reply != Reply.SEQUENCE)):
                        go("SEND")
                        with m.If(reply == Reply.OK):
                            m.d.comb += words.start.eq(~is_reset)
                            go("WORDS")
                            with m.If(is_reset):
                                go("RESET")
            with m.State("WORDS"):
                m.d.comb += [self.i.ready.eq(words.i.ready), self.o.valid.eq(words.o.valid)]
                with m.If(words.done):
                    go("PAUSE")
            with m.State("RESET"):
                m.d.sync += self.reset.eq(1)
                stay()
                with m.If(step == PAUSE):
                    go("PAUSE")
            with m.State("PAUSE"):
                with m.If(step != PAUSE):
                    stay()
                with m.Elif(~(is_reset & self.busy)):
                    go("SEND")
            with m.State("SEND"):
                m.d.comb += [self.send.eq(1), self.drop.eq(1)]
                with m.If(reply == Reply.OK):
                    m.d.sync += [check.expected.eq(head.sequence + 1), check.counting.eq(1)]
                go("HEAD")
        return m
