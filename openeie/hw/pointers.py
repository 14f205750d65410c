# SPDX-License-Identifier: Apache-2.0
"""Column pointers in even and odd banks: both ends of a column in one cycle (EIE, section IV)."""
from amaranth import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..core.array.config import ArrayConfig
from .ram import block_memory
from .structs import Column, Item

__all__ = ["Pointers"]


class Pointers(wiring.Component):
    """Looks up ``p[j]`` and ``p[j + 1]``, where column j of the PE's entries begins and ends.

    Latency 1, one item a cycle; a stalled output holds the memories' read registers.

    Members
    -------
    i : stream of :class:`Item`. A token's column has no meaning.
    o : stream of :class:`Column`.
    load_en, load_address, load_data : write port, one pointer of ``pointer_width`` bits.
    """
    latency = 1

    def __init__(self, config: ArrayConfig):
        self._config = config
        super().__init__({
            "i": In(stream.Signature(Item(config))),
            "o": Out(stream.Signature(Column(config))),
            "load_en": In(1),
            "load_address": In(config.column_address_width),
            "load_data": In(config.pointer_width),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self._config
        column = self.i.p.column
        is_odd = Signal()
        advance = ~self.o.valid | self.o.ready
        # Of the pair (j, j + 1), the even bank serves the even one.
        addresses = [(column + 1)[1:], column[1:]]
        reads = []
        for bank, address in enumerate(addresses):
            m.submodules[f"bank{bank}"] = memory = block_memory(
                config.pointer_width, config.pointer_depth // 2)
            write = memory.write_port()
            read = memory.read_port()
            m.d.comb += [
                write.en.eq(self.load_en & (self.load_address[0] == bank)),
                write.addr.eq(self.load_address[1:]),
                write.data.eq(self.load_data),
                read.en.eq(advance),
                read.addr.eq(address),
            ]
            reads.append(read.data)
        m.d.comb += [
            self.i.ready.eq(advance),
            self.o.p.start.eq(Mux(is_odd, reads[1], reads[0])),
            self.o.p.end.eq(Mux(is_odd, reads[0], reads[1])),
        ]
        with m.If(advance):
            m.d.sync += [
                self.o.valid.eq(self.i.valid),
                self.o.p.act.eq(self.i.p.act),
                self.o.p.token.eq(self.i.p.token),
                is_odd.eq(column[0]),
            ]
        return m
