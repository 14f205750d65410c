# SPDX-License-Identifier: Apache-2.0
"""Executes requests: from good frames to what they ask for, and to responses."""
from amaranth import Array, Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
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

    A request is checked completely before anything is done, so nothing is half done, and only a
    request that is answered with OK counts as executed. Its response is the one that is kept; all
    others are written aside, so that the response of the last executed request can be sent again
    even after a later request was refused.

    Throughput: about 60 cycles for a request, and :class:`WordMover`'s cycles for its words. Both
    ports answer in bounded time, since what would wait for a program is refused.

    Members
    -------
    i, drop : from and to :class:`Receiver`.
    response_start, aside, o, send, again, sending : to and from :class:`Responder`.
    address, byte, identity : to and from :class:`IdentityMemory`.
    i_load, i_read, o_read, busy, reset : the accelerator's ports. ``reset`` is held for
        ``PAUSE`` + 1 cycles, and answered when the array is not ``busy`` any more.
    active : a request is being received, checked or executed.
    """
    def __init__(self) -> None:
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

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.check = check = RequestCheck()
        m.submodules.words = words = WordMover()
        head = Signal(RequestHead())
        head_byte = Signal()                        # a byte of the head is taken

        for name in ("i_load", "i_read", "o_read"):
            connect(m, getattr(words, name), flipped(getattr(self, name)))
        m.d.comb += [
            check.head.eq(head),
            check.busy.eq(self.busy),
            words.head.eq(head),
            words.identity.eq(self.identity),
            words.i.valid.eq(self.i.valid),
            words.i.payload.eq(self.i.payload),
            words.o.ready.eq(self.o.ready),
            self.o.payload.eq(words.o.payload),
            self.address.eq(head.address),
            self.byte.eq(words.byte),
        ]
        m.d.sync += self.reset.eq(0)
        self._move_head(m, head, head_byte, words)
        self._execute(m, head, head_byte, check, words)
        return m

    def _move_head(self, m: Module, head: data.View, head_byte: Value, words: WordMover) -> None:
        """The head comes byte by byte, from its high end, and moves down to make room.

        For the next word the address moves in the same way, goes round, and comes back one higher:
        that is 50 LUTs less than an adder of its width.
        """
        carry = Signal(init=1)                      # what to add to the current byte
        fields_below = Value.cast(head)[:RequestHead()["address"].offset]
        address_byte = head.address[:8] + carry
        entering = Mux(head_byte, head.count, address_byte[:8])
        with m.If(head_byte):
            m.d.sync += fields_below.eq(Cat(fields_below[8:], head.address[:8]))
            m.d.sync += head.count.eq(self.i.payload)
        with m.Elif(words.next):
            m.d.sync += head.count.eq(head.count - 1)
        with m.If(head_byte | words.advance):
            m.d.sync += head.address.eq(Cat(head.address[8:], entering))
        m.d.sync += carry.eq(~words.advance | words.next | address_byte[8])

    def _execute(self, m: Module, head: data.View, head_byte: Signal, check: RequestCheck,
                 words: WordMover) -> None:
        """From the first byte of a request to the end of its response."""
        reply = Signal(Reply)
        step = Signal(range(PAUSE + 1))             # of the current state
        is_reset = head.command == Command.RESET

        def stay() -> None:
            m.d.sync += step.eq(step + 1)

        def go(state: str) -> None:
            m.d.sync += step.eq(0)
            m.next = state

        with m.FSM() as fsm:
            m.d.comb += self.active.eq(~fsm.ongoing("HEAD") | (step != 0))
            with m.State("HEAD"):
                m.d.comb += self.i.ready.eq(1)
                with m.If(self.i.valid):
                    m.d.comb += head_byte.eq(1)
                    stay()
                    with m.If(step == REQUEST_HEADER.size):
                        go("CHECK")
            with m.State("CHECK"):
                m.d.sync += reply.eq(check.verdict)
                with m.If(step != PAUSE):
                    stay()
                with m.Elif(~self.sending):
                    m.d.comb += [
                        self.response_start.eq(~check.again),
                        self.again.eq(check.again),
                        self.aside.eq(check.verdict != Reply.OK),
                        self.drop.eq(check.again),
                    ]
                    go("ANSWER")
                    with m.If(check.again):
                        go("HEAD")
            with m.State("ANSWER"):
                # After the header comes one byte more if the reply is SEQUENCE.
                answer = Array([head.sequence, head.command | 0x80, reply, check.expected])
                last_step = RESPONSE_HEADER.size - (reply != Reply.SEQUENCE)
                m.d.comb += self.o.valid.eq(1)
                m.d.comb += self.o.payload.eq(answer[step[:2]])
                with m.If(self.o.ready):
                    stay()
                    with m.If(step == last_step):
                        go("SEND")
                        with m.If(reply == Reply.OK):
                            m.d.comb += words.start.eq(~is_reset)
                            go("WORDS")
                            with m.If(is_reset):
                                go("RESET")
            with m.State("WORDS"):
                m.d.comb += self.i.ready.eq(words.i.ready)
                m.d.comb += self.o.valid.eq(words.o.valid)
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
                m.d.comb += self.send.eq(1)
                m.d.comb += self.drop.eq(1)
                with m.If(reply == Reply.OK):
                    m.d.sync += check.expected.eq(head.sequence + 1)
                    m.d.sync += check.counting.eq(1)
                go("HEAD")
