# SPDX-License-Identifier: Apache-2.0
"""Words of a request: from its bytes to the load port, from the read port to bytes."""
from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ...core.array.link_frames import WORD_BYTES, Command
from ..structs import LoadWord, ReadRequest
from .check import RequestHead
from .identity import IdentityMemory

__all__ = ["WordMover"]

_LONGEST = WORD_BYTES[-1]           # bytes of a word in the array


class WordMover(wiring.Component):
    """Moves the words of an IDENTIFY, WRITE or READ, one after the other.

    Throughput: a word that is written takes 12 cycles, and what its bytes and the load port take;
    a word that is read takes one cycle for each byte, 5 more, and what the read port takes.

    Members
    -------
    start : begin. ``head`` then belongs to a request that :class:`RequestCheck` let pass.
    head : the request.
    advance : a word has been moved. It is high for four cycles, one for each byte of the address,
        in which ``head`` goes on to the next word's address.
    next : the last cycle of ``advance``: the count in ``head`` goes down by one.
    done : the last word has been moved; together with its ``next``.
    i, o : streams of bytes: of words to write, and of words that were read.
    byte, identity : which byte of the word is next, and what :class:`IdentityMemory` has there.
    i_load, i_read, o_read : the accelerator's ports.
    """
    def __init__(self) -> None:
        super().__init__({
            "start": In(1),
            "head": In(RequestHead()),
            "advance": Out(1),
            "next": Out(1),
            "done": Out(1),
            "i": In(stream.Signature(8)),
            "o": Out(stream.Signature(8)),
            "byte": Out(range(_LONGEST)),
            "identity": In(8),
            "i_load": Out(stream.Signature(LoadWord())),
            "i_read": Out(stream.Signature(ReadRequest())),
            "o_read": In(stream.Signature(64)),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        head = self.head
        byte = self.byte
        word = Signal(64)
        in_word = Signal()                      # the byte is one of those that travel
        shifting = Signal()
        waited = Signal(range(IdentityMemory.latency + 1))
        is_last = byte + 1 == head.word_bytes[:4]
        for name in ("target", "pe", "address"):
            m.d.comb += getattr(self.i_load.p, name).eq(getattr(head, name))
            m.d.comb += getattr(self.i_read.p, name).eq(getattr(head, name))
        m.d.comb += [
            self.i_load.p.data.eq(word),
            self.o.payload.eq(word[:8]),
            in_word.eq(byte < head.word_bytes[:4]),
            self.done.eq(self.next & (head.count == 1)),
        ]
        with m.If(shifting):
            m.d.sync += word.eq(Cat(word[8:], Mux(in_word, self.i.payload, 0)))
        with m.Elif(self.o_read.ready):
            m.d.sync += word.eq(self.o_read.payload)

        def shift() -> None:
            m.d.comb += shifting.eq(1)
            m.d.sync += byte.eq(byte + 1)

        def advance() -> None:
            m.d.sync += byte.eq(0)
            m.next = "ADVANCE"

        def begin_word() -> None:
            with m.Switch(head.command):
                with m.Case(Command.IDENTIFY):
                    m.next = "LOOK UP"
                with m.Case(Command.WRITE):
                    m.next = "GATHER"
                with m.Case(Command.READ):
                    m.next = "ASK"

        with m.FSM():
            with m.State("IDLE"):
                with m.If(self.start):
                    begin_word()
            with m.State("GATHER"):             # always 8 bytes: those that did not travel are 0
                m.d.comb += self.i.ready.eq(in_word)
                with m.If(self.i.valid | ~in_word):
                    shift()
                    with m.If(byte == _LONGEST - 1):
                        m.next = "LOAD"
            with m.State("LOAD"):
                m.d.comb += self.i_load.valid.eq(1)
                with m.If(self.i_load.ready):
                    advance()
            with m.State("LOOK UP"):
                m.d.comb += self.o.payload.eq(self.identity)
                with m.If(waited != IdentityMemory.latency):
                    m.d.sync += waited.eq(waited + 1)
                with m.Else():
                    m.d.comb += self.o.valid.eq(1)
                    with m.If(self.o.ready):
                        m.d.sync += byte.eq(byte + 1)
                        m.d.sync += waited.eq(0)
                        with m.If(is_last):
                            advance()
            with m.State("ASK"):
                m.d.comb += self.i_read.valid.eq(1)
                with m.If(self.i_read.ready):
                    m.next = "FETCH"
            with m.State("FETCH"):
                m.d.comb += self.o_read.ready.eq(1)
                with m.If(self.o_read.valid):
                    m.next = "EMIT"
            with m.State("EMIT"):
                m.d.comb += self.o.valid.eq(1)
                with m.If(self.o.ready):
                    shift()
                    with m.If(is_last):
                        advance()
            with m.State("ADVANCE"):
                m.d.comb += self.advance.eq(1)
                m.d.comb += self.next.eq(byte == 3)
                m.d.sync += byte.eq(byte + 1)
                with m.If(self.next):
                    m.d.sync += byte.eq(0)
                    m.next = "IDLE"
                    with m.If(~self.done):
                        begin_word()
        return m
